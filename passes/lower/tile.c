/* tile: products as register tiles, rows x columns vectors of sums, walked over blocks of m and n; the epilogue runs on
 * the tile.
 *
 * Extents that are not multiples of the tile get one edge: a tile of the rows that are left, or (tail `repeat`) rows
 * past the end that repeat the last one and store it again, with the same value; columns past the end are masked.
 */
#include <assert.h>
#include <string.h>

#include "passes/lower/tile.h"

ds_value *tiling_index_at(tiling *t, size_t access, ds_value *m, ds_value *n) {
    lane_point p = t->p;
    if (t->s.m != SIZE_MAX) p.at[t->s.m] = m;
    p.at[t->s.n] = n;
    for (size_t i = t->s.kept; i < t->s.rank; i++) p.at[i] = lw_index(t->l, 0);
    return lw_apply(t->l, t->s.offset[access], p.at, t->s.rank);
}

/* The packed offset of column block q*width + j in B, or in its scales: resolved while q is a dim, so that floordiv and
 * mod of the panel disappear. */
ds_value *tiling_packed_column(tiling *t, size_t access, ds_value *q, size_t j) {
    lowering *l = t->l;
    const ds_expr *to[SCHEDULE_MOST_DIMS];
    int64_t width = (int64_t)(t->columns * l->lanes);
    for (size_t i = 0; i < t->s.rank; i++) to[i] = ds_expr_dim(l->cx, i);
    for (size_t i = t->s.kept; i < t->s.rank; i++) to[i] = ds_expr_const(l->cx, 0);
    to[t->s.n] =
        ds_expr_add(l->cx, ds_expr_scale(l->cx, to[t->s.n], width), ds_expr_const(l->cx, (int64_t)(j * l->lanes)));
    lane_point p = t->p;
    p.at[t->s.n] = q;
    if (t->s.m != SIZE_MAX) p.at[t->s.m] = lw_index(l, 0);
    return lw_apply(l, ds_expr_replace_dims(l->cx, t->s.offset[access], to, t->s.rank), p.at, t->s.rank);
}

/* A panel that may not exist: read the first one instead. */
ds_value *tiling_existing_panel(tiling *t, ds_value *at, ds_value *first, ds_value *column) {
    lowering *l = t->l;
    ds_value *inside = lw_binary(l, DS_LOOP_lt, column, lw_extent(l, t->s.extent[t->s.n]));
    ds_value *exists = lw_op(l, DS_LOOP_cast, &inside, 1, ds_type_scalar(l->cx, DS_index));
    ds_value *distance = lw_binary(l, DS_LOOP_sub, at, first);
    return lw_binary(l, DS_LOOP_add, first, lw_binary(l, DS_LOOP_mul, distance, exists));
}

const ds_attr *tiling_window(tiling *t, int access) {
    const ds_expr *e[SCHEDULE_MOST_DIMS];
    for (size_t i = t->s.kept; i < t->s.rank; i++)
        e[i - t->s.kept] = access < 0 ? t->s.extent[i] : tile_coefficient(&t->s, (size_t)access, i);
    return ds_attr_exprs(t->l->cx, e, t->s.rank - t->s.kept);
}

/* Where what this tile fetches into the L2 cache begins, in elements of B. Constant weights come from afar: while some
 * columns are at work, the first tiles fetch a part each of the next ones, which follow them in memory. The others
 * fetch what lies behind B: the weights of the kernels that come next, some of which have no time to fetch their
 * own. */
ds_value *tiling_ahead(tiling *t, ds_value *m, ds_value *q, ds_value *first) {
    lowering *l = t->l;
    int64_t k = (int64_t)tile_sum_length(&t->s), width = (int64_t)(t->columns * l->lanes),
            share = k / tile_turn(&t->choice) * (int64_t)t->grid.lines * tile_line(&t->s);
    ds_value *turn = t->turn ? t->turn : lw_index(l, 0), *own = lw_index(l, (int64_t)t->ahead.own_turns);
    if (t->s.m != SIZE_MAX)
        turn =
            lw_binary(l, DS_LOOP_add, turn,
                      lw_binary(l, DS_LOOP_div, lw_binary(l, DS_LOOP_sub, m, t->low), lw_index(l, (int64_t)t->rows)));
    ds_value *part = lw_binary(l, DS_LOOP_min, turn, lw_index(l, (int64_t)t->ahead.own_turns - 1)),
             *next = lw_binary(l, DS_LOOP_add, first, lw_index(l, k * width * tile_step_elements(&t->s)));
    next = lw_binary(l, DS_LOOP_add, next, lw_binary(l, DS_LOOP_mul, part, lw_index(l, share)));
    if (t->ahead.behind == 0) return next;
    ds_value *group = t->group, *two = lw_index(l, 2), *is_own = lw_binary(l, DS_LOOP_lt, turn, own);
    size_t others = t->ahead.by_group ? t->ahead.turns : t->ahead.turns - t->ahead.own_turns;
    if (t->ahead.by_group) {
        is_own = lw_binary(l, DS_LOOP_eq, lw_binary(l, DS_LOOP_mod, group, two), lw_index(l, 0));
        group = lw_binary(l, DS_LOOP_div, group, two);
    } else turn = lw_binary(l, DS_LOOP_sub, turn, own);
    ds_value *tile =
        lw_binary(l, DS_LOOP_add,
                  lw_binary(l, DS_LOOP_mul, group, lw_extent(l, tile_blocks(&t->s, t->s.extent[t->s.n], width))), q);
    tile = lw_binary(l, DS_LOOP_add, lw_binary(l, DS_LOOP_mul, tile, lw_index(l, (int64_t)others)), turn);
    int64_t count = ds_layout_count(l->cx, ds_op_operand(t->s.op, 1)->type)->value, line = tile_line(&t->s);
    ds_value *behind = lw_binary(l, DS_LOOP_add, lw_binary(l, DS_LOOP_mul, tile, lw_index(l, t->ahead.behind)),
                                 lw_index(l, (count + line - 1) / line * line)),
             *choice[] = {is_own, next, behind};
    return lw_op(l, DS_LOOP_select, choice, 3, next->type);
}

/* Panels of so few steps end before the machine has seen that they are read in order. */
static bool short_sums(const tiling *t) {
    static const double FEW = 64;
    return t->s.packed && !t->grid.lines && tile_sum_length(&t->s) <= FEW;
}

enum { TILES_AHEAD = 6 };

/* Does each element of B meet all rows in one tile? Then it comes from afar, once. */
static bool reads_once(const tiling *t) {
    int64_t rows = 1;
    return t->s.m == SIZE_MAX || (ds_expr_is_const(t->s.extent[t->s.m], &rows) && rows <= t->choice.rows);
}

enum { LINES_OF_FEW_BITS = 8 }; /* ahead in a panel whose elements take more instructions than it takes to fetch them */

/* The lines of the next tiles' panels, which follow this one's. */
static int64_t lines_of_tiles(const tiling *t) {
    int64_t elements =
        (int64_t)(tile_sum_length(&t->s) * (double)(t->columns * t->l->lanes)) * tile_step_elements(&t->s);
    int64_t lines = TILES_AHEAD * elements / tile_line(&t->s);
    return lines < 1 ? 1 : lines > 1024 ? 1024 : lines;
}

void tiling_finish(tiling *t, ds_value *row, ds_value *column, ds_value *mask, ds_value *sums) {
    lowering *l = t->l;
    const ds_op *epilogue = t->s.epilogue, *root = epilogue ? epilogue : t->s.op;
    lane_point p = t->p;
    lane_value args[TILE_MOST_ACCESSES], result = {sums, NULL};
    if (t->s.m != SIZE_MAX) p.at[t->s.m] = row;
    p.at[t->s.n] = column, p.vector = (int)t->s.n, p.mask = mask, p.rank = t->s.kept;
    for (size_t i = 0; epilogue && i < epilogue->operand_count; i++) {
        ds_value *operand = ds_op_operand(epilogue, i);
        args[i] = operand == &t->s.op->results[0]
                      ? result
                      : (lane_value){lw_load(l, lw_buffer(l, operand), t->s.offset[TILE_EXTRA + i], &p, NULL), NULL};
    }
    if (epilogue) lw_region(l, ds_op_block(epilogue, 0), args, t->s.old, &p, &result);
    lw_store(l, result.v, lw_buffer(l, &root->results[0]), t->s.offset[TILE_OUT], &p);
}

/* What blocks are multiplied by, what is taken off those of B, and where that lies for each column and row. */
static size_t add_scales(tiling *t, ds_value *q, ds_value *const *row, size_t rows, size_t columns,
                         ds_value **operands) {
    const ds_op *op = t->s.op;
    size_t count = 0, left = ds_product_left_scale(op), zero = ds_product_zero(op);
    operands[count++] = lw_buffer(t->l, ds_op_operand(op, 2));
    if (zero != SIZE_MAX) operands[count++] = lw_buffer(t->l, ds_op_operand(op, zero));
    for (size_t j = 0; j < columns; j++) operands[count++] = tiling_packed_column(t, TILE_SCALE, q, j);
    if (left == SIZE_MAX) return count;
    operands[count++] = lw_buffer(t->l, ds_op_operand(op, left));
    for (size_t r = 0; r < rows; r++) operands[count++] = tiling_index_at(t, TILE_LEFT, row[r], lw_index(t->l, 0));
    return count;
}

static void note_scales(tiling *t, ds_op *tile) {
    lowering *l = t->l;
    ds_op_set_attr(l->m, tile, "block", ds_attr_int(l->cx, t->s.scaled));
    ds_op_set_attr(l->m, tile, "apart", ds_attr_int(l->cx, t->s.apart));
    if (t->s.apart_left) ds_op_set_attr(l->m, tile, "apart_left", ds_attr_int(l->cx, t->s.apart_left));
    if (ds_product_zero(t->s.op) != SIZE_MAX) ds_op_set_attr(l->m, tile, "zeros", ds_attr_unit(l->cx));
}

/* One register tile of `rows` at m…, columns q*width…; `columns` of it exist, masked to n < extent where `masked`. */
static void emit_tile(tiling *t, ds_value *m, size_t rows, bool past_end, ds_value *q, size_t columns, bool masked) {
    lowering *l = t->l;
    ds_value *operands[64], *row[16], *column[16], *mask[16] = {NULL}, *acc[128];
    const ds_type *vector = ds_type_vector(l->cx, t->s.mma->sum, l->lanes), *types[128];
    size_t count = 0;
    int64_t width = (int64_t)(t->columns * l->lanes);
    ds_value *first = lw_binary(l, DS_LOOP_mul, q, lw_index(l, width)),
             *last = past_end ? lw_binary(l, DS_LOOP_sub, lw_extent(l, t->s.extent[t->s.m]), lw_index(l, 1)) : NULL;
    operands[count++] = lw_buffer(l, ds_op_operand(t->s.op, 0));
    operands[count++] = lw_buffer(l, ds_op_operand(t->s.op, 1));
    for (size_t r = 0; r < rows; r++) {
        row[r] = r ? lw_binary(l, DS_LOOP_add, m, lw_index(l, (int64_t)r)) : m;
        if (past_end && r) row[r] = lw_binary(l, DS_LOOP_min, row[r], last);
        operands[count++] = tiling_index_at(t, TILE_A, row[r], first);
    }
    for (size_t j = 0; j < columns; j++) {
        column[j] = j ? lw_binary(l, DS_LOOP_add, first, lw_index(l, (int64_t)(j * l->lanes))) : first;
        if (masked) mask[j] = lw_mask(l, column[j], lw_extent(l, t->s.extent[t->s.n]));
        operands[count] =
            t->s.packed ? tiling_packed_column(t, TILE_B, q, j) : tiling_index_at(t, TILE_B, m, column[j]);
        if (t->s.packed && masked && j && !ds_expr_is_const(t->s.extent[t->s.n], NULL))
            operands[count] = tiling_existing_panel(t, operands[count], operands[count - j], column[j]);
        count++;
    }
    bool masked_loads = masked && !t->s.packed;
    for (size_t j = 0; masked_loads && j < columns; j++) operands[count++] = mask[j];
    if (t->s.scaled) count += add_scales(t, q, row, rows, columns, &operands[count]);
    if (t->grid.lines) operands[count] = tiling_ahead(t, m, q, operands[2 + rows]), count++;
    for (size_t i = 0; i < rows * columns; i++) types[i] = vector;
    ds_op *tile = ds_op_create(&l->b, DS_LOOP_tile, operands, count, types, rows * columns, 0);
    ds_op_set_attr(l->m, tile, "rows", ds_attr_int(l->cx, (int64_t)rows));
    ds_op_set_attr(l->m, tile, "columns", ds_attr_int(l->cx, (int64_t)columns));
    ds_op_set_attr(l->m, tile, "lanes", ds_attr_int(l->cx, (int64_t)l->lanes));
    ds_op_set_attr(l->m, tile, "window", tiling_window(t, -1));
    ds_op_set_attr(l->m, tile, "lhs", tiling_window(t, TILE_A));
    ds_op_set_attr(l->m, tile, "rhs", tiling_window(t, TILE_B));
    if (t->s.mma != ds_mma_at(0)) ds_op_set_attr(l->m, tile, "mma", ds_attr_string(l->cx, t->s.mma->name));
    if (t->s.scaled) note_scales(t, tile);
    if (masked_loads) ds_op_set_attr(l->m, tile, "masked", ds_attr_unit(l->cx));
    if (t->s.scaled && reads_once(t)) ds_op_set_attr(l->m, tile, "near", ds_attr_int(l->cx, LINES_OF_FEW_BITS));
    else if (rows == 1 && short_sums(t)) ds_op_set_attr(l->m, tile, "near", ds_attr_int(l->cx, lines_of_tiles(t)));
    if (t->choice.unroll != TILE_STEPS) ds_op_set_attr(l->m, tile, "unroll", ds_attr_int(l->cx, t->choice.unroll));
    if (t->grid.lines) ds_op_set_attr(l->m, tile, "ahead", ds_attr_int(l->cx, (int64_t)t->grid.lines));
    for (size_t i = 0; i < rows * columns; i++) acc[i] = ds_op_result(tile, i);
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < columns; j++) tiling_finish(t, row[r], column[j], mask[j], acc[r * columns + j]);
}

/* Whole tiles, then the edge: of as many rows as are left, or (unknown extents) of rows that repeat the last one. */
static void emit_rows(tiling *t, ds_value *low, ds_value *high, ds_value *q, size_t columns, bool masked) {
    lowering *l = t->l;
    int64_t extent, rows = (int64_t)t->rows;
    if (t->choice.high) {
        lower_matrix_rows(t, low, high, q, columns, masked);
        return;
    }
    if (t->s.m == SIZE_MAX) {
        emit_tile(t, lw_index(l, 0), 1, false, q, columns, masked);
        return;
    }
    bool known = ds_expr_is_const(t->s.extent[t->s.m], &extent), edge = !known || extent % rows;
    bool repeats = t->choice.rows_tail == DS_TAIL_repeat;
    ds_value *step = lw_index(l, rows), *whole = high;
    if (edge) {
        const ds_expr *full =
            ds_expr_mul(l->cx, ds_expr_floordiv(l->cx, t->s.extent[t->s.m], ds_expr_const(l->cx, rows)),
                        ds_expr_const(l->cx, rows));
        whole = lw_binary(l, DS_LOOP_max, low, lw_binary(l, DS_LOOP_min, high, lw_extent(l, full)));
    }
    if (!known || extent >= rows) {
        ds_op *loop = lw_for(l, low, whole, step, NULL, 0, NULL);
        emit_tile(t, lw_for_position(loop), t->rows, false, q, columns, masked);
        lw_end(l, loop, NULL, 0);
    }
    if (edge) {
        ds_op *loop = lw_for(l, whole, high, step, NULL, 0, NULL);
        emit_tile(t, lw_for_position(loop), repeats ? t->rows : (size_t)(extent % rows), repeats, q, columns, masked);
        lw_end(l, loop, NULL, 0);
    }
}

/* Column blocks from..to: whole ones, then the edge. */
static void emit_columns(tiling *t, ds_value *low, ds_value *high, ds_value *from, ds_value *to) {
    lowering *l = t->l;
    int64_t extent, width = (int64_t)(t->columns * l->lanes);
    bool known = ds_expr_is_const(t->s.extent[t->s.n], &extent), edge = !known || extent % width;
    ds_value *one = lw_index(l, 1), *whole = to;
    if (edge) {
        const ds_expr *full = ds_expr_floordiv(l->cx, t->s.extent[t->s.n], ds_expr_const(l->cx, width));
        whole = lw_binary(l, DS_LOOP_max, from, lw_binary(l, DS_LOOP_min, to, lw_extent(l, full)));
    }
    if (!known || extent >= width) {
        ds_op *loop = lw_for(l, from, whole, one, NULL, 0, NULL);
        emit_rows(t, low, high, lw_for_position(loop), t->columns, false);
        lw_end(l, loop, NULL, 0);
    }
    if (edge) {
        size_t columns = known ? (size_t)((extent % width + (int64_t)l->lanes - 1) / (int64_t)l->lanes) : t->columns;
        ds_op *loop = lw_for(l, whole, to, one, NULL, 0, NULL);
        emit_rows(t, low, high, lw_for_position(loop), columns, !known || extent % (int64_t)l->lanes);
        lw_end(l, loop, NULL, 0);
    }
}

/* Takes the number of a piece apart: groups of units, then columns, then units of the group, these fastest. Leaves
 * where the piece is in the point; the chunk of columns is returned, and whether there is such a unit: the last group
 * may have fewer (NULL: surely). */
static ds_value *find_piece(tiling *t, ds_value *number, const ds_expr *units, const ds_expr *group,
                            const ds_expr *n_chunks, const ds_expr *m_chunks, double m_chunk, ds_value **out_m,
                            ds_value **out_exists) {
    lowering *l = t->l;
    int64_t known, size;
    ds_value *inside = lw_digit(l, &number, group), *n = lw_digit(l, &number, n_chunks);
    t->group = number;
    ds_value *unit = lw_binary(l, DS_LOOP_add, lw_binary(l, DS_LOOP_mul, number, lw_extent(l, group)), inside);
    bool whole = !ds_expr_is_const(units, &known) || !ds_expr_is_const(group, &size) || known % size == 0;
    *out_exists = NULL;
    if (!whole) {
        ds_value *exists = lw_binary(l, DS_LOOP_lt, unit, lw_extent(l, units));
        *out_exists = lw_op(l, DS_LOOP_cast, &exists, 1, ds_type_scalar(l->cx, DS_index));
        unit = lw_binary(l, DS_LOOP_min, unit, lw_index(l, known - 1));
    }
    t->turn = ds_expr_equals(group, 1) ? NULL : lw_binary(l, DS_LOOP_mul, inside, lw_index(l, (int64_t)m_chunk));
    *out_m = lw_digit(l, &unit, m_chunks);
    for (size_t i = t->s.kept; i-- > 0;)
        if (i != t->s.m && i != t->s.n) t->p.at[i] = lw_digit(l, &unit, t->s.extent[i]);
    return n;
}

/* The columns and rows of a piece. */
static void emit_piece(tiling *t, ds_value *m_part, ds_value *n_part, ds_value *exists) {
    lowering *l = t->l;
    int64_t rows = t->choice.rows;
    ds_value *n_step = lw_index(l, t->grid.columns), *m_step = lw_index(l, t->grid.rows * rows);
    const ds_expr *blocks = tile_blocks(&t->s, t->s.extent[t->s.n], tile_width(&t->s, &t->choice));
    ds_value *from = lw_binary(l, DS_LOOP_mul, n_part, n_step),
             *to = lw_binary(l, DS_LOOP_min, lw_binary(l, DS_LOOP_add, from, n_step), lw_extent(l, blocks));
    if (exists) to = lw_binary(l, DS_LOOP_mul, to, exists); /* else no columns */
    ds_value *low = lw_binary(l, DS_LOOP_mul, m_part, m_step),
             *high = lw_binary(l, DS_LOOP_min, lw_binary(l, DS_LOOP_add, low, m_step),
                               lw_extent(l, tile_rows_extent(&t->s)));
    t->low = low;
    ds_op *registers = t->choice.high ? lower_matrices(t) : NULL;
    emit_columns(t, low, high, from, to);
    if (registers) lw_end(l, registers, NULL, 0);
}

/* Pieces: every point of the outer dims, times chunks of row tiles, times chunks of column blocks. */
static void emit_pieces(tiling *t) {
    lowering *l = t->l;
    const ds_expr *m_chunks = tile_blocks(&t->s, tile_rows_extent(&t->s), t->choice.rows * t->grid.rows),
                  *n_chunks = tile_blocks(&t->s, t->s.extent[t->s.n], tile_width(&t->s, &t->choice) * t->grid.columns);
    const ds_expr *units = tile_units(&t->s, &t->choice, &t->grid), *group = tile_group(&t->s, &t->choice, &t->grid);
    const ds_expr *total =
        ds_expr_mul(l->cx, ds_expr_mul(l->cx, ds_expr_ceildiv(l->cx, units, group), group), n_chunks);
    ds_op *pieces;
    ds_value *m_part, *exists, *number = lower_parallel(l, total, t->grid.chunk, false, &pieces);
    ds_value *n_part = find_piece(t, number, units, group, n_chunks, m_chunks, (double)t->grid.rows, &m_part, &exists);
    emit_piece(t, m_part, n_part, exists);
    lower_parallel_end(l, pieces);
}

/* What the schedule says of the tile of op `index`; it was checked. */
static void read_tile(tiling *t, int index) {
    const char *wrong = tile_read(&t->s, t->l->schedule, index, &t->choice);
    assert(!wrong);
    (void)wrong;
    t->rows = (size_t)t->choice.rows;
    t->columns = (size_t)t->choice.columns;
    t->p.rank = t->s.rank;
}

void lower_tile(lowering *l, ds_op *kernel) {
    tiling t = {.l = l, .p = {.vector = -1}};
    const ds_op *first = ds_op_block(kernel, 0)->first, *next = first->next;
    lower_bind_alone(l, kernel);
    bool opened = tile_open(&t.s, l->core, first, next->kind == DS_GRAPH_map ? next : NULL);
    assert(opened);
    (void)opened;
    read_tile(&t, DS_OWN);
    const char *wrong = tile_read_grid(&t.s, l->schedule, &t.choice, &t.grid);
    assert(!wrong);
    (void)wrong;
    t.ahead = tile_share_ahead(&t.s, &t.choice, &t.grid);
    emit_pieces(&t);
}

void lower_tile_rows(lowering *l, const ds_op *op, const ds_op *epilogue, int index, const lower_rows_at *rows,
                     ds_value *low, ds_value *high, int64_t block) {
    tiling t = {.l = l, .p = {.vector = -1}, .low = low};
    bool opened = tile_open_rows(&t.s, l->core, op, epilogue, rows->shared, block);
    assert(opened);
    (void)opened;
    read_tile(&t, index);
    for (size_t i = 0; i < t.s.fixed; i++) t.p.at[i] = rows->at[i];
    const ds_expr *blocks = tile_blocks(&t.s, t.s.extent[t.s.n], tile_width(&t.s, &t.choice));
    emit_columns(&t, low, high, lw_index(l, 0), lw_extent(l, blocks));
}

void lower_tile_image(lowering *l, const ds_op *op, const ds_op *epilogue, int index, ds_value *image, ds_value *low,
                      ds_value *high, int64_t unit) {
    tiling t = {.l = l, .p = {.vector = -1}};
    bool opened = tile_open_image(&t.s, l->core, op, epilogue, unit);
    assert(opened);
    (void)opened;
    read_tile(&t, index);
    t.p.at[0] = image;
    const ds_expr *blocks = tile_blocks(&t.s, t.s.extent[t.s.n], tile_width(&t.s, &t.choice));
    if (t.s.merged) {
        ds_value *step = lw_index(l, op->results[0].type->dims[3]->value);
        t.low = lw_binary(l, DS_LOOP_mul, low, step);
        emit_columns(&t, t.low, lw_binary(l, DS_LOOP_mul, high, step), lw_index(l, 0), lw_extent(l, blocks));
        return;
    }
    ds_op *loop = lw_for(l, low, high, lw_index(l, 1), NULL, 0, NULL);
    t.p.at[1] = lw_for_position(loop);
    emit_columns(&t, lw_index(l, 0), lw_extent(l, t.s.extent[2]), lw_index(l, 0), lw_extent(l, blocks));
    lw_end(l, loop, NULL, 0);
}
