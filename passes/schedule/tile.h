/* The program `tile`: the iteration space of a product, and what a schedule says of it.
 *
 * A tile is rows x columns vectors of sums; rows of m, columns of n. The register tile and the strides of packed
 * operands are static. A space is the whole product, or some rows of it within a kernel of several ops (rows, blocks,
 * strips, turns).
 */
#ifndef DS_SCHEDULE_TILE_H
#define DS_SCHEDULE_TILE_H

#include "passes/schedule/programs.h"

enum {
    TILE_A,
    TILE_B,
    TILE_OUT,
    TILE_SCALE, /* of blocks of B: where a column's first lies */
    TILE_LEFT,  /* of blocks of A: where a row's first lies */
    TILE_EXTRA, /* accesses from here on are the epilogue's operands */
    TILE_MOST_ACCESSES = 40,
    TILE_MOST_ROWS = 14,
    TILE_MOST_COLUMNS = 8, /* vectors */
    TILE_STEPS = 4         /* of the unrolled loop over k */
};

typedef struct {
    const ds_core *core;
    const ds_op *op, *epilogue; /* epilogue: or NULL */
    const ds_mma *mma;          /* how its factors are multiplied: a step of k is what a column takes at a time */
    size_t rank, kept;          /* dims of the space: result dims, then reduced ones */
    size_t fixed;               /* leading dims whose place is given */
    int64_t block;              /* rows come in multiples of this; 0: any number */
    bool merged;                /* of an image: rows and columns are one dim */
    const ds_expr *extent[SCHEDULE_MOST_DIMS];
    ds_dim_role role[SCHEDULE_MOST_DIMS];
    const ds_expr *old[SCHEDULE_MOST_DIMS]; /* result dims of the op over the space's dims */
    bool pinned[SCHEDULE_MOST_DIMS];
    size_t accesses;
    const ds_expr *offset[TILE_MOST_ACCESSES];
    size_t m, n;                       /* tile dims; m == SIZE_MAX: one row */
    bool packed;                       /* B lies in panels */
    int64_t scaled, apart, apart_left; /* steps that share a scale (0: there is none), elements from one to the next */
} tile_space;

/* False when there is no tiled form, or not of this part of it. */
bool tile_open(tile_space *t, const ds_core *core, const ds_op *op, const ds_op *epilogue);
/* Rows of a product of matrices at given places of the first `shared` - 1 dims, `block` at a time (0: all). */
bool tile_open_rows(tile_space *t, const ds_core *core, const ds_op *op, const ds_op *epilogue, size_t shared,
                    int64_t block);
/* Rows of an image of a channels-last convolution, in multiples of `unit`, or any (0). */
bool tile_open_image(tile_space *t, const ds_core *core, const ds_op *op, const ds_op *epilogue, int64_t unit);
const ds_expr *tile_coefficient(const tile_space *t, size_t access,
                                size_t dim);     /* NULL when there is none that is known outside */
double tile_sum_length(const tile_space *t);     /* steps */
int64_t tile_step_elements(const tile_space *t); /* of k, in a step */
double tile_step_bytes(const tile_space *t);     /* of a column, in a step */
int64_t tile_line(const tile_space *t);          /* elements of B that the memory moves at a time */
const ds_expr *tile_blocks(const tile_space *t, const ds_expr *extent, int64_t size); /* how many */
const ds_expr *tile_rows_extent(const tile_space *t);
const ds_expr *tile_outer_points(const tile_space *t,
                                 const ds_expr *times); /* of the dims but m, n and k, times `times` */

/* The register tile. */
typedef struct {
    const ds_mma *mma;     /* the space's, or its matrices */
    int64_t rows, columns; /* columns in vectors */
    int64_t unroll;        /* steps of k; 1: none */
    ds_tail rows_tail, columns_tail;
    int64_t high, steps; /* of matrices: one below the other, steps of k that one takes; else 0 */
} tile_choice;

int64_t tile_width(const tile_space *t, const tile_choice *c); /* columns, in elements */
int64_t tile_turn(const tile_choice *c);                       /* steps of a turn of the innermost loop */
ds_tail tile_columns_tail(const tile_space *t, int64_t width);
tile_choice tile_choose(const tile_space *t); /* the tile that walks the space in the fewest cycles */
void tile_add_levels(const tile_space *t, const tile_choice *c, int op, ds_schedule *s);
const char *tile_read(const tile_space *t, const ds_schedule *s, int op, tile_choice *out); /* what is wrong, or NULL */

/* By matrices (matrix.c), a whole product: the row that multiplies its panels, or NULL; what walks m x n results in
 * less than `least` cycles, where there is such; its levels. */
const ds_mma *tile_matrix_row(const tile_space *t);
bool tile_choose_matrix(const tile_space *t, double least, int64_t m, int64_t n, tile_choice *out);
void tile_add_matrix_levels(const tile_space *t, const tile_choice *c, ds_schedule *s);
const char *tile_read_matrix(const tile_space *t, const ds_schedule *s, tile_choice *out);

/* Pieces of a whole product: chunks of row tiles and of column blocks. Units of rows (a chunk of m at one point of the
 * outer dims) go in groups over the same columns before all go over the next ones. */
typedef struct {
    int64_t rows, columns; /* of a piece: row tiles, column blocks */
    int64_t group;         /* units; 0: all */
    int64_t chunk;         /* pieces that one thread does in a row */
    int64_t lines, next;   /* prefetched: see ds_schedule */
} tile_grid;

const ds_expr *tile_units(const tile_space *t, const tile_choice *c, const tile_grid *g);
const ds_expr *tile_group(const tile_space *t, const tile_choice *c, const tile_grid *g);
const char *tile_read_grid(const tile_space *t, const ds_schedule *s, const tile_choice *c, tile_grid *out);

/* How the tiles of a kernel share what is to be fetched. */
typedef struct {
    size_t turns, own_turns; /* tiles that go over the same columns; the first ones fetch the next columns */
    int64_t behind;          /* elements behind B that each of the others moves on; 0: they fetch nothing */
    bool by_group;           /* which are the others: those of every other group of units */
} tile_ahead;
tile_ahead tile_share_ahead(const tile_space *t, const tile_choice *c, const tile_grid *g);
int64_t schedule_weights_behind(const ds_core *core,
                                const ds_op *kernel); /* bytes that kernels soon to come read: prefetch.c */

#endif
