/* The iteration space of a map, a reduction or a copy, and what a schedule says of its loops. Used alone (program
 * `points`) and for the ops of kernels of several (rows, blocks, turns), whose first dims are walked by the kernel's
 * own loops. */
#ifndef DS_SCHEDULE_NEST_H
#define DS_SCHEDULE_NEST_H

#include "passes/schedule/programs.h"

/* After reordering and collapsing. */
typedef struct {
    size_t rank, kept; /* dims; the first `kept` belong to the result */
    const ds_expr *extent[SCHEDULE_MOST_DIMS];
    const ds_expr *old[SCHEDULE_MOST_DIMS];        /* original dim -> expression over the new ones */
    const ds_expr *old_extent[SCHEDULE_MOST_DIMS]; /* of the original dims */
    size_t old_rank;
    bool pinned[SCHEDULE_MOST_DIMS]; /* must not be collapsed: a region or a bounds check asks for its position */
    size_t accesses;
    const ds_expr *offset[SCHEDULE_MOST_OPERANDS]; /* operands, then results */
} nest;

enum {
    NEST_CHAINS = 4,  /* of a long reduction by lanes: one accumulator would wait for the last step's result */
    NEST_VECTORS = 4, /* pieces are multiples of so many vectors, */
    NEST_COLUMNS = 16 /* or columns, which fill a line */
};

/* Opens and arranges the space of an op: a map, a reduction, an encode, or a product that is computed as a reduction.
 * The first `shared` dims stay as they are. */
void nest_open(const ds_core *core, nest *n, const ds_op *op, size_t shared);
/* The space that copies one input of a concat to its place. */
void nest_open_part(const ds_core *core, nest *n, const ds_type *from, const ds_type *to, size_t axis,
                    const ds_expr *start);
/* Dim `across` becomes the last kept one. */
void nest_move_last(const ds_core *core, nest *n, size_t across);
/* Do the lanes, walking `dim`, touch consecutive elements in this access, or (known at run time) all the same one? */
bool nest_is_contiguous(const ds_core *core, const nest *n, size_t dim, size_t access);
/* Are elements that follow each other along `dim` a known distance apart, other than none and one? */
bool nest_is_spread(const ds_core *core, const nest *n, size_t dim, size_t access);
bool nest_has_pad(const ds_op *op, size_t operand);
bool nest_needs_check(const ds_expr *e, const ds_type *type, size_t k, const ds_expr *const *extents);
double nest_region_work(const ds_block *block); /* scalar operations, about */

typedef enum {
    NEST_BY_DIMS,   /* points of the first dims, taken as one */
    NEST_BY_LANES,  /* ranges of the one dim that the lanes walk */
    NEST_BY_COLUMNS /* ranges of the dim across */
} nest_pieces;

typedef struct {
    size_t lane; /* the dim that lanes walk: the last kept one or the last reduced one; SIZE_MAX: none */
    /* A kept dim that is walked inside the lanes' loop, as an operand is contiguous along it; SIZE_MAX: none. */
    size_t across;
    int64_t chains; /* sums side by side */
    nest_pieces pieces;
    size_t end;    /* by dims: those before this one, but the one across */
    int64_t chunk; /* points of a piece */
} nest_choice;

/* How an op's loops are walked; with pieces where `shared` is 0 and the op is alone. */
nest_choice nest_choose(const ds_core *core, const nest *n, const ds_op *op, size_t shared, bool alone);
void nest_add_levels(const ds_core *core, const nest *n, const nest_choice *c, int op, ds_schedule *s);
const char *nest_read(const ds_core *core, const nest *n, const ds_op *op, size_t shared, bool alone,
                      const ds_schedule *s, int index, nest_choice *out); /* what is wrong, or NULL */

int64_t concat_piece(const ds_schedule *s); /* scalar copies of a piece of a concat, about */

#endif
