/* The loop nest of a map or a reduction, while it is lowered. */
#ifndef DS_NEST_H
#define DS_NEST_H

#include "passes/lower/lower.h"

/* The iteration space after reordering and collapsing. */
typedef struct {
    size_t rank, kept; /* dims; the first `kept` belong to the result */
    const ds_expr *extent[LOWER_MAX_DIMS];
    const ds_expr *old[LOWER_MAX_DIMS];        /* original dim -> expression over the new ones */
    const ds_expr *old_extent[LOWER_MAX_DIMS]; /* of the original dims */
    size_t old_rank;
    bool pinned[LOWER_MAX_DIMS]; /* must not be collapsed: a region or a bounds check asks for its position */
    size_t accesses;
    const ds_expr *offset[LOWER_MAX_OPERANDS]; /* operands, then results */
} nest;

/* Opens the space of an op: the result's dims, then `over_count` reduced ones. */
void nest_open(lowering *l, nest *n, const ds_op *op, const ds_expr *const *over, size_t over_count);
void nest_arrange(lowering *l, nest *n, const ds_op *op, const lower_rows *rows);
/* Do the lanes, walking `dim`, touch consecutive elements in this access, or (known at run time) all the same one? */
bool nest_is_contiguous(lowering *l, const nest *n, size_t dim, size_t access);
double nest_region_work(const ds_block *block); /* scalar operations, about */

typedef struct {
    lowering *l;
    const nest *n;
    const ds_op *op;
    bool transposes;      /* the last kept dim is walked one by one inside the lanes' loop, */
    ds_value *low, *high; /* in this range; NULL: all of it */
} walk;

typedef void lane_body(walk *w, lane_point *p, void *user);

size_t nest_fix_rows(const lower_rows *rows, lane_point *p);
void nest_kept_loops(walk *w, lane_point *p, size_t fixed, bool vector, bool parallel, double work, lane_body *body, void *user);

ds_value *nest_pad_constant(lowering *l, const ds_attr *pad, ds_elem elem);                         /* NULL: zero */
ds_value *nest_or_pad(lowering *l, ds_value *valid, ds_value *v, const ds_attr *pad, ds_elem elem); /* v where valid, else the constant */
ds_value *nest_conjunction(lowering *l, ds_value *a, ds_value *b);                                  /* NULL: true */
void nest_read_operands(lowering *l, const nest *n, const ds_op *op, const lane_point *p, lane_value *out);

#endif
