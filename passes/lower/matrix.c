/* tile, by registers that hold matrices: one or two below each other of up to 16 rows. Sums go through memory of the
 * piece, and from there in vectors to the epilogue, row by row. Where rows are left over, matrices begin earlier, at the
 * last ones, and compute some again. */
#include "passes/lower/tile.h"

/* Rows of a matrix: as many as the schedule says; of an extent that is not known, at most its own, and at least one. */
static ds_value *rows_of(tiling *t) {
    lowering *l = t->l;
    const ds_expr *extent = t->s.extent[t->s.m];
    int64_t rows = t->choice.rows / t->choice.high;
    if (ds_expr_is_const(extent, NULL)) return lw_index(l, rows);
    ds_value *most = lw_binary(l, DS_LOOP_min, lw_extent(l, extent), lw_index(l, rows));
    return lw_binary(l, DS_LOOP_max, most, lw_index(l, 1));
}

ds_op *lower_matrices(tiling *t) {
    lowering *l = t->l;
    ds_value *rows = rows_of(t);
    ds_op *op = ds_op_create(&l->b, DS_LOOP_matrices, &rows, 1, NULL, 0, 1);
    ds_op_set_attr(l->m, op, "mma", ds_attr_string(l->cx, t->choice.mma->name));
    ds_op_set_attr(l->m, op, "steps", ds_attr_int(l->cx, t->choice.steps));
    l->b.block = ds_op_block(op, 0);
    return op;
}

static ds_value *local_sums(tiling *t, size_t wide) {
    lowering *l = t->l;
    const ds_mma *mma = t->choice.mma;
    int64_t count = t->choice.high * (int64_t)wide * mma->m * mma->n;
    ds_value *sums = lw_op(l, DS_LOOP_local, NULL, 0, ds_type_buffer(l->cx, mma->sum));
    ds_op_set_attr(l->m, sums->op, "count", ds_attr_int(l->cx, count));
    return sums;
}

/* Where matrix i of the tile at m begins. */
static ds_value *row_of(tiling *t, ds_value *m, int64_t i) {
    lowering *l = t->l;
    int64_t rows = t->choice.rows / t->choice.high;
    ds_value *row = i ? lw_binary(l, DS_LOOP_add, m, lw_index(l, i * rows)) : m;
    if (t->choice.rows_tail != DS_TAIL_overlap) return row;
    ds_value *last = lw_binary(l, DS_LOOP_sub, lw_extent(l, t->s.extent[t->s.m]), rows_of(t));
    return lw_binary(l, DS_LOOP_min, row, last);
}

/* Row after row of matrix i's sums. */
static void finish_rows(tiling *t, ds_value *sums, int64_t i, ds_value *first_row, ds_value *first_column,
                        size_t columns, bool masked) {
    lowering *l = t->l;
    const ds_mma *mma = t->choice.mma;
    int64_t width = (int64_t)(columns * l->lanes);
    const ds_expr *at = ds_expr_add(l->cx, ds_expr_scale(l->cx, ds_expr_dim(l->cx, 0), width), ds_expr_dim(l->cx, 1));
    ds_op *loop = lw_for(l, lw_index(l, 0), rows_of(t), lw_index(l, 1), NULL, 0, NULL);
    ds_value *r = lw_for_position(loop), *row = lw_binary(l, DS_LOOP_add, first_row, r);
    lane_point p = {.rank = 2, .at = {r, NULL}, .vector = 1};
    for (size_t j = 0; j < columns; j++) {
        ds_value *offset = lw_index(l, (int64_t)(j * l->lanes));
        ds_value *column = j ? lw_binary(l, DS_LOOP_add, first_column, offset) : first_column;
        ds_value *mask = masked ? lw_mask(l, column, lw_extent(l, t->s.extent[t->s.n])) : NULL;
        p.at[1] = lw_index(l, i * mma->m * width + (int64_t)(j * l->lanes));
        tiling_finish(t, row, column, mask, lw_load(l, sums, at, &p, NULL));
    }
    lw_end(l, loop, NULL, 0);
}

static void emit_tile(tiling *t, ds_value *m, ds_value *q, size_t columns, bool masked) {
    lowering *l = t->l;
    ds_value *operands[16], *row[2];
    size_t count = 0, wide = columns * l->lanes / DS_PANEL;
    int64_t high = t->choice.high;
    ds_value *first = lw_binary(l, DS_LOOP_mul, q, lw_index(l, (int64_t)(t->columns * l->lanes)));
    ds_value *sums = local_sums(t, wide);
    operands[count++] = lw_buffer(l, ds_op_operand(t->s.op, 0));
    operands[count++] = lw_buffer(l, ds_op_operand(t->s.op, 1));
    for (int64_t i = 0; i < high; i++) {
        row[i] = row_of(t, m, i);
        operands[count++] = tiling_index_at(t, TILE_A, row[i], first);
    }
    for (size_t j = 0; j < wide; j++) {
        operands[count] = tiling_packed_column(t, TILE_B, q, j * DS_PANEL / l->lanes);
        ds_value *column = lw_binary(l, DS_LOOP_add, first, lw_index(l, (int64_t)(j * DS_PANEL)));
        if (masked && j && !ds_expr_is_const(t->s.extent[t->s.n], NULL))
            operands[count] = tiling_existing_panel(t, operands[count], operands[count - j], column);
        count++;
    }
    if (t->grid.lines) operands[count] = tiling_ahead(t, m, q, operands[2 + high]), count++;
    operands[count++] = sums;
    ds_op *op = ds_op_create(&l->b, DS_LOOP_matrix, operands, count, NULL, 0, 0);
    ds_op_set_attr(l->m, op, "high", ds_attr_int(l->cx, high));
    ds_op_set_attr(l->m, op, "wide", ds_attr_int(l->cx, (int64_t)wide));
    ds_op_set_attr(l->m, op, "stride", ds_attr_expr(l->cx, tile_coefficient(&t->s, TILE_A, t->s.m)));
    if (t->grid.lines) ds_op_set_attr(l->m, op, "ahead", ds_attr_int(l->cx, t->grid.lines));
    ds_op_set_attr(l->m, op, "window", tiling_window(t, -1));
    ds_op_set_attr(l->m, op, "lhs", tiling_window(t, TILE_A));
    ds_op_set_attr(l->m, op, "rhs", tiling_window(t, TILE_B));
    for (int64_t i = 0; i < high; i++) finish_rows(t, sums, i, row[i], first, columns, masked);
}

void lower_matrix_rows(tiling *t, ds_value *low, ds_value *high, ds_value *q, size_t columns, bool masked) {
    ds_op *loop = lw_for(t->l, low, high, lw_index(t->l, t->choice.rows), NULL, 0, NULL);
    emit_tile(t, lw_for_position(loop), q, columns, masked);
    lw_end(t->l, loop, NULL, 0);
}
