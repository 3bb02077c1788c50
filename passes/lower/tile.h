/* What the two forms of register tiles share: of vectors (tile.c) and of matrices (matrix.c). */
#ifndef DS_LOWER_TILE_H
#define DS_LOWER_TILE_H

#include "passes/lower/lower.h"
#include "passes/schedule/tile.h"

typedef struct {
    lowering *l;
    tile_space s;
    tile_choice choice;
    size_t rows, columns; /* of the register tile, columns in vectors */
    tile_grid grid;
    tile_ahead ahead;
    ds_value *low, *turn,
        *group; /* first row of the piece; tiles that went over its columns before it (NULL: none); its group */
    lane_point p;
} tiling;

/* The element of a factor at row m, column n and the beginning of the window. */
ds_value *tiling_index_at(tiling *t, size_t access, ds_value *m, ds_value *n);
/* That of vector j of column block q in panels of B, or of its scales; where they may end before it, of the block's first
 * one. */
ds_value *tiling_packed_column(tiling *t, size_t access, ds_value *q, size_t j);
ds_value *tiling_existing_panel(tiling *t, ds_value *at, ds_value *first, ds_value *column);
const ds_attr *tiling_window(tiling *t, int access); /* steps of the window's dims in a factor; -1: their extents */
/* Where what the tile at (m, q) fetches into the L2 cache begins, in elements of B; `first`: of its first column. */
ds_value *tiling_ahead(tiling *t, ds_value *m, ds_value *q, ds_value *first);
/* The epilogue of a vector of sums, and its store. */
void tiling_finish(tiling *t, ds_value *row, ds_value *column, ds_value *mask, ds_value *sums);

/* Rows low … high - 1 of column block q, of which `columns` vectors exist, masked to n < extent where `masked`. */
void lower_matrix_rows(tiling *t, ds_value *low, ds_value *high, ds_value *q, size_t columns, bool masked);
ds_op *lower_matrices(tiling *t); /* registers for what follows, until lw_end */

#endif
