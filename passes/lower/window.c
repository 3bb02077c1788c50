/* Depthwise convolutions and pools: lanes walk the channels, some results lie in registers, and each input element that they need is read
 * once for all of them.
 *
 * A tile is `count` results along the last spatial dim, of one row or of two whose windows share input rows. Where the extent is static and
 * at least `count`, the last tile overlaps the one before (and stores the same values again), so there are no edges; elsewhere positions
 * past the end repeat the last one. Sums go along the window in order, one accumulator each, so the result does not depend on the tile.
 *
 * A pool's window may reach past the image: there it has the pool's padding. Only the first and the last tile of a row look after their
 * columns.
 */
#include <string.h>

#include "passes/lower/nest.h"

enum { MAX_RESULTS = 12, MAX_ROWS = 2, MAX_TILE = MAX_ROWS * MAX_RESULTS, MAX_UNROLLED = 25, MAX_TALL = 7, MAX_EPILOGUE = 32, CHANNEL = 1 };

_Static_assert((int)MAX_TILE <= LOWER_MAX_CARRIED, "loops over a window carry the tile's results");

typedef struct {
    lowering *l;
    const ds_op *op, *epilogue;
    bool pools;
    size_t rank, along, first, window; /* of the result; its last dim; the first and the last of the window's */
    const ds_expr *extent[LOWER_MAX_DIMS];
    const ds_expr *a, *b, *out, *extra[MAX_EPILOGUE], *position[LOWER_MAX_DIMS];
    const ds_expr *unit, *pitch; /* elements of A between neighbours along the row, and from row to row */
    int64_t stride, dilation, width, row_stride, row_dilation, height;
    size_t count, rows, tall;              /* results of a tile along the row; its rows now, and at most */
    bool overlaps, leaves[LOWER_MAX_DIMS]; /* the image, along this dim of the window: maybe, in what is emitted now */
    ds_value *valid[LOWER_MAX_DIMS];       /* does the place along this dim lie in the image? NULL: yes */
    int64_t leaves_before, leaves_after;   /* results at a row's ends whose windows leave it */
    ds_value **column, **column_valid;     /* stb_ds arrays: places of the columns of a tile at such an end, and their `valid` */
    lane_point p;
    ds_value *at[MAX_RESULTS]; /* positions along the row */
    ds_value *low, *high;      /* channels: low is a multiple of the lanes */
} windows;

static bool constant_step(windows *d, const ds_expr *e, size_t dim, int64_t *out) {
    const ds_expr *coefficient, *rest;
    return ds_expr_linear(d->l->cx, e, dim, &coefficient, &rest) && ds_expr_is_const(coefficient, out);
}

static bool moves_with_channels(windows *d, const ds_expr *e) {
    int64_t step;
    return e && constant_step(d, e, CHANNEL, &step) && step == 1;
}

static bool open_space(windows *d) {
    ds_ir_context *cx = d->l->cx;
    const ds_op *op = d->op;
    const ds_attr *over = ds_op_attr(op, "over"), *padding = ds_op_attr(op, "padding");
    d->pools = ds_is_pool(cx, op);
    if (!d->pools && (!ds_is_depthwise(cx, op) || (padding && padding->count))) return false;
    d->rank = op->results[0].type->rank;
    if (d->rank < 3 || d->rank + over->count > LOWER_MAX_DIMS) return false;
    d->along = d->rank - 1, d->first = d->rank + (d->pools ? 0 : 1), d->window = d->rank + over->count - 1;
    for (size_t i = 0; i <= d->window; i++) {
        d->position[i] = ds_expr_dim(cx, i);
        d->extent[i] = i < d->rank ? op->results[0].type->dims[i] : ds_attr_to_expr(over->items[i - d->rank]);
    }
    return true;
}

static bool open_accesses(windows *d) {
    ds_ir_context *cx = d->l->cx;
    const ds_op *op = d->op, *root = d->epilogue ? d->epilogue : op;
    if (d->epilogue && d->epilogue->operand_count > MAX_EPILOGUE) return false;
    d->a = ds_layout_offset(cx, ds_op_operand(op, 0)->type, ds_op_map(op, 0)->exprs);
    d->out = ds_layout_offset(cx, root->results[0].type, d->position);
    if (!moves_with_channels(d, d->a) || !moves_with_channels(d, d->out)) return false;
    if (!d->pools) {
        d->b = ds_layout_offset(cx, ds_op_operand(op, 1)->type, ds_op_map(op, 1)->exprs);
        if (!moves_with_channels(d, d->b)) return false;
    }
    for (size_t i = 0; d->epilogue && i < d->epilogue->operand_count; i++)
        d->extra[i] = ds_layout_offset(cx, ds_op_operand(d->epilogue, i)->type, ds_op_map(d->epilogue, i)->exprs);
    return true;
}

static void find_leaving(windows *d) {
    ds_window w;
    const ds_type *from = ds_op_operand(d->op, 0)->type;
    for (size_t dim = 2; dim < d->along; dim++)
        d->leaves[d->first + dim - 2] = ds_window_along(d->l->cx, d->op, dim, &w) && ds_window_leaves(d->op, dim, &w);
    if (!ds_window_along(d->l->cx, d->op, d->along, &w) || !ds_window_leaves(d->op, d->along, &w)) return;
    int64_t room = from->dims[d->along]->value + w.before - w.reach; /* from the first element of one window to that of the last inside */
    d->leaves_before = (w.before + w.stride - 1) / w.stride;
    d->leaves_after = d->extent[d->along]->value - (room < 0 ? 0 : room / w.stride + 1);
}

static bool open_windows(windows *d) {
    ds_window w;
    int64_t unit;
    if (d->l->lanes < 2 || !open_space(d) || !open_accesses(d) || !ds_window_along(d->l->cx, d->op, d->along, &w)) return false;
    d->stride = w.stride, d->dilation = w.dilation;
    if (!constant_step(d, d->a, d->along, &unit) || w.stride < 1 || w.dilation < 1 || unit % w.stride) return false;
    d->unit = ds_expr_const(d->l->cx, unit / w.stride);
    if (d->pools) find_leaving(d);
    return ds_expr_is_const(d->extent[d->window], &d->width) && d->width <= DS_WINDOW_MOST;
}

/* Two spatial dims whose steps are known: input rows can be shared by two rows of results. */
static bool can_be_tall(windows *d) {
    ds_window w;
    int64_t pitch;
    if (d->along < 3 || d->window <= d->first || !d->overlaps || !ds_window_along(d->l->cx, d->op, d->along - 1, &w)) return false;
    d->row_stride = w.stride, d->row_dilation = w.dilation;
    if (!constant_step(d, d->a, d->along - 1, &pitch) || w.stride < 1 || w.dilation < 1 || pitch % w.stride) return false;
    d->pitch = ds_expr_const(d->l->cx, pitch / w.stride);
    return ds_expr_is_const(d->extent[d->window - 1], &d->height) && d->height > 1 && d->height <= MAX_TALL;
}

/* Input rows that so many rows of results need. */
static int64_t reach_of(int64_t results, int64_t stride, int64_t window, int64_t dilation) {
    return (results - 1) * stride + (window - 1) * dilation + 1;
}

/* Useful results for the products and loads that a tile of so many takes in a row of the window. */
static double score_tile(windows *d, int64_t rows, int64_t n, int64_t extent) {
    double useful = d->overlaps ? (double)extent / (double)((extent + n - 1) / n * n) : 1,
           filter = d->pools ? 0 : (double)d->width / (double)n;
    double input = (double)reach_of(n, d->stride, d->width, d->dilation) / (double)n;
    if (rows > 1) input *= (double)reach_of(rows, d->row_stride, d->height, d->row_dilation) / (double)(rows * d->height);
    return useful / ((double)d->width + input + filter);
}

/* Beside the results a row of the filter for each of their rows and an input; a single row leaves one register over. */
static bool fits_registers(const windows *d, int64_t rows, int64_t n) {
    if (rows * n == 1) return true;
    return rows * (n + (d->pools ? 0 : d->width)) + (rows > 1 ? 1 : 2) <= (int64_t)d->l->target->registers;
}

static void choose_tile(windows *d) {
    int64_t extent;
    double best = 0;
    d->overlaps = ds_expr_is_const(d->extent[d->along], &extent);
    int64_t tall = can_be_tall(d) ? MAX_ROWS : 1;
    for (int64_t rows = 1; rows <= tall; rows++)
        for (int64_t n = 1; n <= MAX_RESULTS && fits_registers(d, rows, n) && !(d->overlaps && n > extent); n++) {
            double score = score_tile(d, rows, n, extent);
            if (score > best) best = score, d->count = (size_t)n, d->tall = (size_t)rows;
        }
}

/* ---- the window ---- */

static void load_filter(windows *d, lane_point p, ds_value **filter) {
    for (int64_t k = 0; k < d->width; k++) {
        p.at[d->window] = lw_index(d->l, k);
        filter[k] = d->pools ? NULL : lw_load(d->l, lw_buffer(d->l, ds_op_operand(d->op, 1)), d->b, &p, NULL);
    }
}

/* Combines a result with an element that its window has at place k of this row of the filter. */
static ds_value *take(windows *d, const lane_point *p, ds_value *acc, ds_value *x, ds_value *weight) {
    if (!d->pools) return lw_multiply_add(d->l, x, weight, acc);
    lane_value args[] = {{acc, NULL}, {x, NULL}}, result;
    lw_region(d->l, ds_op_block(d->op, 1), args, d->position, p, &result);
    return result.v;
}

/* The operand where it lies in the image, else the padding. */
static ds_value *pad(windows *d, ds_value *x) {
    ds_value *valid = NULL;
    for (size_t i = d->first; i <= d->window; i++) valid = nest_conjunction(d->l, valid, d->valid[i]);
    const ds_attr *pads = ds_op_attr(d->op, "pads");
    return valid ? nest_or_pad(d->l, valid, x, pads ? pads->items[0] : NULL, DS_f32) : x;
}

static ds_value *read_input(windows *d, const ds_expr *where, const lane_point *p) {
    ds_value *x = lw_load(d->l, lw_buffer(d->l, ds_op_operand(d->op, 0)), where, p, NULL);
    if (!d->pools) return x;
    lane_value arg = {pad(d, x), NULL}, result;
    lw_region(d->l, ds_op_block(d->op, 0), &arg, d->position, p, &result);
    return result.v;
}

/* Place `at` along dim `w` of the window; where that may lie outside the image, the nearest one inside, which is read in vain. */
static ds_value *place(windows *d, const lane_point *p, size_t w, ds_value *at) {
    lowering *l = d->l;
    size_t dim = w - d->first + 2;
    lane_point q = *p;
    d->valid[w] = NULL;
    if (!d->leaves[w]) return at;
    q.at[w] = at;
    ds_value *y = lw_apply(l, ds_op_map(d->op, 0)->exprs[dim], q.at, q.rank),
             *last = lw_extent(l, ds_op_operand(d->op, 0)->type->dims[dim]);
    ds_value *nearest =
        lw_binary(l, DS_LOOP_min, lw_binary(l, DS_LOOP_max, y, lw_index(l, 0)), lw_binary(l, DS_LOOP_sub, last, lw_index(l, 1)));
    d->valid[w] = lw_binary(l, DS_LOOP_eq, y, nearest);
    return lw_binary(l, DS_LOOP_add, at, lw_binary(l, DS_LOOP_sub, nearest, y));
}

/* An input row, `rows` rows below the point: for each row of results the row of the filter that meets it there (or NULL). */
static void input_row(windows *d, lane_point *p, int64_t rows, ds_value *(*const *filter)[DS_WINDOW_MOST], ds_value **acc) {
    lowering *l = d->l;
    const ds_expr *row = rows ? ds_expr_add(l->cx, d->a, ds_expr_scale(l->cx, d->pitch, rows)) : d->a;
    p->at[d->along] = d->at[0];
    for (int64_t column = 0; column < reach_of((int64_t)d->count, d->stride, d->width, d->dilation); column++) {
        ds_value *x = NULL;
        bool leaves = d->leaves[d->window];
        const ds_expr *where = leaves ? row : ds_expr_add(l->cx, row, ds_expr_scale(l->cx, d->unit, column));
        p->at[d->window] = leaves ? d->column[column] : lw_index(l, 0);
        if (leaves) d->valid[d->window] = d->column_valid[column];
        for (size_t i = 0; i < d->rows * d->count; i++) {
            int64_t from = column - (int64_t)(i % d->count) * d->stride, k = from / d->dilation;
            if (!filter[i / d->count] || from < 0 || from % d->dilation || k >= d->width) continue;
            if (!x) x = read_input(d, where, p);
            acc[i] = take(d, p, acc[i], x, (*filter[i / d->count])[k]);
        }
    }
}

/* The last two dims of the window for rows that share input. */
static void tall_window(windows *d, ds_value **acc) {
    lane_point p = d->p;
    for (int64_t y = 0; y < reach_of((int64_t)d->rows, d->row_stride, d->height, d->row_dilation); y++) {
        ds_value *room[MAX_ROWS][DS_WINDOW_MOST], *(*filter[MAX_ROWS])[DS_WINDOW_MOST] = {NULL};
        for (size_t r = 0; r < d->rows; r++) {
            int64_t from = y - (int64_t)r * d->row_stride, k = from / d->row_dilation;
            if (from < 0 || from % d->row_dilation || k >= d->height) continue;
            p.at[d->window - 1] = lw_index(d->l, k);
            load_filter(d, p, room[r]);
            filter[r] = &room[r];
        }
        bool leaves = d->leaves[d->window - 1];
        p.at[d->window - 1] = leaves ? place(d, &p, d->window - 1, lw_index(d->l, y)) : lw_index(d->l, 0);
        input_row(d, &p, leaves ? 0 : y, filter, acc);
    }
}

/* One row of the window, whose outer positions are in d->p. */
static void window_row(windows *d, ds_value **acc) {
    lowering *l = d->l;
    ds_value *room[DS_WINDOW_MOST], *(*filter[])[DS_WINDOW_MOST] = {&room};
    lane_point p = d->p;
    load_filter(d, p, room);
    p.at[d->window] = lw_index(l, 0);
    if (!d->overlaps) { /* every result has a position of its own */
        for (size_t r = 0; r < d->count; r++)
            for (int64_t k = 0; k < d->width; k++) {
                p.at[d->along] = d->at[r];
                const ds_expr *where = ds_expr_add(l->cx, d->a, ds_expr_scale(l->cx, d->unit, k * d->dilation));
                acc[r] = take(d, &p, acc[r], read_input(d, where, &p), room[k]);
            }
        return;
    }
    input_row(d, &p, 0, filter, acc);
}

/* Window dims from `dim` on; unrolled where the whole window is small. */
static void window_rows(windows *d, size_t dim, bool unroll, ds_value **acc) {
    lowering *l = d->l;
    int64_t extent;
    if (d->rows > 1 && dim + 1 == d->window) {
        tall_window(d, acc);
        return;
    }
    if (dim == d->window) {
        window_row(d, acc);
        return;
    }
    if (unroll && ds_expr_is_const(d->extent[dim], &extent)) {
        for (int64_t i = 0; i < extent; i++) {
            d->p.at[dim] = place(d, &d->p, dim, lw_index(l, i));
            window_rows(d, dim + 1, unroll, acc);
        }
        return;
    }
    ds_value *inner[MAX_TILE];
    size_t count = d->rows * d->count;
    ds_op *loop = lw_for(l, lw_index(l, 0), lw_extent(l, d->extent[dim]), lw_index(l, 1), acc, count, inner);
    d->p.at[dim] = place(d, &d->p, dim, lw_for_position(loop));
    window_rows(d, dim + 1, unroll, inner);
    lw_end(l, loop, inner, count);
    for (size_t r = 0; r < count; r++) acc[r] = ds_op_result(loop, r);
}

/* ---- a tile ---- */

static void emit_channels(windows *d) {
    lowering *l = d->l;
    const ds_attr *init = ds_op_attr(d->op, "init");
    ds_value *acc[MAX_TILE], *initial = nest_pad_constant(l, init ? init->items[0] : NULL, DS_f32);
    double window = 1;
    for (size_t i = d->first; i <= d->window; i++) window *= lower_estimate(d->extent[i]);
    for (size_t r = 0; r < d->rows * d->count; r++) acc[r] = lw_splat(l, initial);
    window_rows(d, d->first, window <= MAX_UNROLLED, acc);
    const ds_op *root = d->epilogue ? d->epilogue : d->op;
    ds_value *out = lw_buffer(l, &root->results[0]);
    for (size_t i = 0; i < d->rows * d->count; i++) {
        size_t r = i % d->count;
        lane_point p = d->p;
        lane_value args[MAX_EPILOGUE], result = {acc[i], NULL};
        p.rank = d->rank;
        if (i >= d->count) p.at[d->along - 1] = lw_binary(l, DS_LOOP_add, p.at[d->along - 1], lw_index(l, (int64_t)(i / d->count)));
        p.at[d->along] = d->overlaps && r ? lw_binary(l, DS_LOOP_add, d->at[0], lw_index(l, (int64_t)r)) : d->at[r];
        for (size_t k = 0; d->epilogue && k < d->epilogue->operand_count; k++) {
            ds_value *operand = ds_op_operand(d->epilogue, k);
            args[k] = operand == &d->op->results[0] ? result : (lane_value){lw_load(l, lw_buffer(l, operand), d->extra[k], &p, NULL), NULL};
        }
        if (d->epilogue) lw_region(l, ds_op_block(d->epilogue, 0), args, d->position, &p, &result);
        lw_store(l, result.v, out, d->out, &p);
    }
}

/* The channels of one tile: whole vectors, then one masked. */
static void emit_tile(windows *d) {
    lowering *l = d->l;
    const ds_expr *channels = d->extent[CHANNEL], *lanes = ds_expr_const(l->cx, (int64_t)l->lanes);
    ds_value *step = lw_index(l, (int64_t)l->lanes),
             *whole = lw_extent(l, ds_expr_mul(l->cx, ds_expr_floordiv(l->cx, channels, lanes), lanes));
    int64_t known = -1;
    ds_expr_is_const(channels, &known);
    for (int masked = 0; masked < 2; masked++) {
        if (known >= 0 && (masked ? known % (int64_t)l->lanes == 0 : known < (int64_t)l->lanes)) continue;
        ds_value *from = masked ? lw_binary(l, DS_LOOP_max, d->low, whole) : d->low,
                 *to = masked ? d->high : lw_binary(l, DS_LOOP_min, d->high, whole);
        ds_op *loop = lw_for(l, from, to, step, NULL, 0, NULL);
        d->p.at[CHANNEL] = lw_for_position(loop);
        d->p.mask = masked ? lw_mask(l, d->p.at[CHANNEL], d->high) : NULL;
        emit_channels(d);
        lw_end(l, loop, NULL, 0);
    }
}

/* Where a tile at the end of a row has its columns: the same for all rows of the window and all channels. */
static void place_columns(windows *d) {
    lane_point p = d->p;
    p.at[d->along] = d->at[0];
    for (int64_t column = 0; column < reach_of((int64_t)d->count, d->stride, d->width, d->dilation); column++) {
        arrput(d->column, place(d, &p, d->window, lw_index(d->l, column)));
        arrput(d->column_valid, d->valid[d->window]);
    }
}

/* Tiles from `low` to `high` along the row. */
static void emit_tiles(windows *d, ds_value *low, ds_value *high, ds_value *step) {
    lowering *l = d->l;
    const ds_expr *last = ds_expr_sub(l->cx, d->extent[d->along], ds_expr_const(l->cx, d->overlaps ? (int64_t)d->count : 1));
    ds_op *loop = lw_for(l, low, high, step, NULL, 0, NULL);
    for (size_t r = 0; r < d->count; r++) {
        ds_value *at = lw_for_position(loop);
        if (r) at = lw_binary(l, DS_LOOP_add, at, lw_index(l, (int64_t)r));
        d->at[r] = lw_binary(l, DS_LOOP_min, at, lw_extent(l, last));
        if (d->overlaps) break; /* the others follow the first */
    }
    if (d->leaves[d->window]) place_columns(d);
    emit_tile(d);
    arrfree(d->column), arrfree(d->column_valid);
    lw_end(l, loop, NULL, 0);
}

/* The tiles of one row, or of two; a piece has whole rows, so tiles that overlap are never written at the same time. */
static void emit_row(windows *d, size_t rows) {
    lowering *l = d->l;
    ds_value *low = lw_index(l, 0), *high = lw_extent(l, d->extent[d->along]), *count = lw_index(l, (int64_t)d->count);
    d->rows = rows;
    if (d->leaves_before > 0 || d->leaves_after > 0) {
        int64_t extent = d->extent[d->along]->value, n = (int64_t)d->count, ends = (extent - 1) / n * n;
        bool all = d->leaves_before > n || d->leaves_after > n || ends <= n;
        d->leaves[d->window] = true;
        emit_tiles(d, low, high, all ? count : lw_index(l, ends)); /* only the first one and the last */
        d->leaves[d->window] = false, d->valid[d->window] = NULL;
        if (all) return;
        low = count, high = lw_index(l, ends);
    }
    emit_tiles(d, low, high, count);
}

/* Rows low..high-1 of the dim before the last, the others being in the point: tall tiles, then what is left. */
static void emit_rows(windows *d, ds_value *low, ds_value *high, bool whole) {
    lowering *l = d->l;
    if (d->tall > 1) {
        ds_value *step = lw_index(l, (int64_t)d->tall), *count = lw_binary(l, DS_LOOP_div, lw_binary(l, DS_LOOP_sub, high, low), step),
                 *end = lw_binary(l, DS_LOOP_add, low, lw_binary(l, DS_LOOP_mul, count, step));
        ds_op *loop = lw_for(l, low, end, step, NULL, 0, NULL);
        d->p.at[d->along - 1] = lw_for_position(loop);
        emit_row(d, d->tall);
        lw_end(l, loop, NULL, 0);
        if (whole) return;
        low = end;
    }
    ds_op *loop = lw_for(l, low, high, lw_index(l, 1), NULL, 0, NULL);
    d->p.at[d->along - 1] = lw_for_position(loop);
    emit_row(d, 1);
    lw_end(l, loop, NULL, 0);
}

static bool begin(windows *d) {
    if (d->op->results[0].type->elem != DS_f32 || !open_windows(d)) return false;
    choose_tile(d);
    d->p.at[d->rank] = lw_index(d->l, 0); /* of a convolution: the one channel of a group */
    d->p.rank = d->window + 1;
    return true;
}

static void all_channels(windows *d) { d->low = lw_index(d->l, 0), d->high = lw_extent(d->l, d->extent[CHANNEL]); }

/* Rows of an image, as many at a time as a tile has. */
static const ds_expr *unit_rows(const windows *d) {
    return ds_expr_ceildiv(d->l->cx, d->extent[d->along - 1], ds_expr_const(d->l->cx, (int64_t)d->tall));
}

static const ds_expr *count_units(const windows *d) {
    const ds_expr *units = d->along - 1 == CHANNEL ? ds_expr_const(d->l->cx, 1) : unit_rows(d);
    for (size_t i = 0; i + 1 < d->along; i++)
        if (i != CHANNEL) units = ds_expr_mul(d->l->cx, units, d->extent[i]);
    return units;
}

static void emit_unit(windows *d, ds_value *rest) {
    lowering *l = d->l;
    int64_t extent;
    ds_value *unit = NULL;
    for (size_t i = d->along; i-- > 0;) {
        if (i == CHANNEL) continue;
        if (i + 1 == d->along && d->tall > 1) unit = lw_digit(l, &rest, unit_rows(d));
        else d->p.at[i] = lw_digit(l, &rest, d->extent[i]);
    }
    if (!unit) {
        emit_row(d, 1);
        return;
    }
    ds_value *size = lw_index(l, (int64_t)d->tall), *low = lw_binary(l, DS_LOOP_mul, unit, size);
    const ds_expr *rows = d->extent[d->along - 1];
    emit_rows(d, low, lw_binary(l, DS_LOOP_min, lw_binary(l, DS_LOOP_add, low, size), lw_extent(l, rows)),
              ds_expr_is_const(rows, &extent) && extent % (int64_t)d->tall == 0);
}

enum { FEW_ROWS = 8, CHANNEL_PIECES = 16, CHUNK_VECTORS = 4 };

/* Few rows of many channels: pieces of channels, as those of the product that made them (its weights are many). Of a wide row a piece
 * reads so many bytes at each position and skips the rest; with fewer, the caches' prefetchers do not keep up.
 */
static bool emit_channel_pieces(windows *d, const ds_expr *units, double unit_work) {
    lowering *l = d->l;
    int64_t channels, count, lanes = (int64_t)l->lanes;
    if (!ds_expr_is_const(d->extent[CHANNEL], &channels) || !ds_expr_is_const(units, &count) || count * (int64_t)d->tall > FEW_ROWS ||
        channels < CHANNEL_PIECES * lanes)
        return false;
    int64_t vectors = (channels + lanes - 1) / lanes, chunk = (vectors + CHANNEL_PIECES - 1) / CHANNEL_PIECES;
    chunk = (chunk < CHUNK_VECTORS ? CHUNK_VECTORS : chunk) * lanes;
    const ds_expr *chunks = ds_expr_const(l->cx, (channels + chunk - 1) / chunk);
    ds_op *pieces;
    ds_value *piece = lower_parallel(l, chunks, unit_work * (double)count * (double)chunk / (double)channels, 1, &pieces),
             *size = lw_index(l, chunk);
    d->low = lw_binary(l, DS_LOOP_mul, piece, size);
    d->high = lw_binary(l, DS_LOOP_min, lw_binary(l, DS_LOOP_add, d->low, size), lw_index(l, channels));
    ds_op *loop = lw_for(l, lw_index(l, 0), lw_index(l, count), lw_index(l, 1), NULL, 0, NULL);
    emit_unit(d, lw_for_position(loop));
    lw_end(l, loop, NULL, 0);
    lower_parallel_end(l, pieces);
    return true;
}

bool lower_windows(lowering *l, const ds_op *op, const ds_op *epilogue) {
    windows d = {.l = l, .op = op, .epilogue = epilogue, .p = {.vector = CHANNEL}};
    if (!begin(&d)) return false;
    double work = lower_estimate(d.extent[d.along]) * lower_estimate(d.extent[CHANNEL]) * (double)d.tall / 4;
    for (size_t i = d.first; i <= d.window; i++) work *= lower_estimate(d.extent[i]);
    const ds_expr *units = count_units(&d);
    if (emit_channel_pieces(&d, units, work)) return true;
    ds_op *pieces;
    ds_value *unit = lower_parallel(l, units, work, 1, &pieces);
    all_channels(&d);
    emit_unit(&d, unit);
    lower_parallel_end(l, pieces);
    return true;
}

bool lower_windows_rows(lowering *l, const ds_op *op, const ds_op *epilogue, ds_value *image, ds_value *low, ds_value *high) {
    windows d = {.l = l, .op = op, .epilogue = epilogue, .p = {.vector = CHANNEL}};
    if (!begin(&d) || d.along != 3) return false;
    d.p.at[0] = image;
    all_channels(&d);
    emit_rows(&d, low, high, false);
    return true;
}
