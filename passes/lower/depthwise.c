/* Depthwise convolutions: lanes walk the channels, a row of results lies in registers, and each input element that the row needs is read
 * once for all of them.
 *
 * A tile is `count` results along the last spatial dim. Where its extent is static and at least `count`, the last tile overlaps the one
 * before (and stores the same values again), so there are no edges; elsewhere positions past the end repeat the last one. Sums go along
 * the window in order, one accumulator each, so the result does not depend on the tile's size.
 */
#include <string.h>

#include "passes/lower/lower.h"

enum { MAX_RESULTS = 12, MAX_WINDOW = 32, MAX_UNROLLED = 25, MAX_EPILOGUE = 32, CHANNEL = 1 };

typedef struct {
    lowering *l;
    const ds_op *op, *epilogue;
    ds_contraction c;
    size_t along, window; /* the last spatial dim; the last window dim */
    const ds_expr *a, *b, *out, *extra[MAX_EPILOGUE], *position[LOWER_MAX_DIMS];
    const ds_expr *unit; /* elements of A between neighbours along the row */
    int64_t stride, dilation, width;
    size_t count; /* results of a tile */
    bool overlaps;
    lane_point p;
    ds_value *at[MAX_RESULTS]; /* positions along the row */
    ds_value *low, *high;      /* channels: low is a multiple of the lanes */
} depthwise;

static bool constant_step(depthwise *d, const ds_expr *e, size_t dim, int64_t *out) {
    const ds_expr *coefficient, *rest;
    return ds_expr_linear(d->l->cx, e, dim, &coefficient, &rest) && ds_expr_is_const(coefficient, out);
}

static bool moves_with_channels(depthwise *d, const ds_expr *e) {
    int64_t step;
    return e && constant_step(d, e, CHANNEL, &step) && step == 1;
}

static bool open_depthwise(depthwise *d) {
    ds_ir_context *cx = d->l->cx;
    const ds_op *op = d->op, *root = d->epilogue ? d->epilogue : op;
    const ds_attr *padding = ds_op_attr(op, "padding");
    int64_t unit;
    if ((padding && padding->kind == DS_ATTR_ARRAY) || d->l->lanes < 2) return false;
    if (!ds_is_depthwise(cx, op) || !ds_contraction_of(cx, op, &d->c)) return false;
    if (d->c.rank < 3 || d->c.rank + d->c.over_count > LOWER_MAX_DIMS) return false;
    if (d->epilogue && d->epilogue->operand_count > MAX_EPILOGUE) return false;
    d->along = d->c.rank - 1, d->window = d->c.rank + d->c.over_count - 1;
    for (size_t i = 0; i <= d->window; i++) d->position[i] = ds_expr_dim(cx, i);
    d->a = ds_layout_offset(cx, ds_op_operand(op, 0)->type, ds_op_map(op, 0)->exprs);
    d->b = ds_layout_offset(cx, ds_op_operand(op, 1)->type, ds_op_map(op, 1)->exprs);
    d->out = ds_layout_offset(cx, root->results[0].type, d->position);
    if (!moves_with_channels(d, d->a) || !moves_with_channels(d, d->b) || !moves_with_channels(d, d->out)) return false;
    const ds_expr *row = ds_op_map(op, 0)->exprs[d->along];
    if (!constant_step(d, row, d->along, &d->stride) || !constant_step(d, row, d->window, &d->dilation)) return false;
    if (!constant_step(d, d->a, d->along, &unit) || d->stride < 1 || d->dilation < 1 || unit % d->stride) return false;
    d->unit = ds_expr_const(cx, unit / d->stride);
    for (size_t i = 0; d->epilogue && i < d->epilogue->operand_count; i++)
        d->extra[i] = ds_layout_offset(cx, ds_op_operand(d->epilogue, i)->type, ds_op_map(d->epilogue, i)->exprs);
    return ds_expr_is_const(d->c.extent[d->window], &d->width) && d->width <= MAX_WINDOW;
}

/* As many results as registers hold beside a row of the filter, with the least overlap. */
static void choose_count(depthwise *d) {
    int64_t extent, room = (int64_t)d->l->target->registers - d->width - 2;
    d->overlaps = ds_expr_is_const(d->c.extent[d->along], &extent);
    double best = 0;
    for (int64_t n = 1; n <= MAX_RESULTS && (n <= room || n == 1); n++) {
        if (d->overlaps && n > extent) break;
        double useful = d->overlaps ? (double)extent / (double)((extent + n - 1) / n * n) : 1;
        double loads = (double)((n - 1) * d->stride + d->width) / (double)n;
        double score = useful / ((double)d->width + loads);
        if (score > best) best = score, d->count = (size_t)n;
    }
}

/* ---- the window ---- */

/* One row of the window, whose outer positions are in d->p. */
static void window_row(depthwise *d, ds_value **acc) {
    lowering *l = d->l;
    ds_value *filter[MAX_WINDOW];
    lane_point p = d->p;
    for (int64_t k = 0; k < d->width; k++) {
        p.at[d->window] = lw_index(l, k);
        filter[k] = lw_load(l, lw_buffer(l, ds_op_operand(d->op, 1)), d->b, &p, NULL);
    }
    ds_value *input = lw_buffer(l, ds_op_operand(d->op, 0));
    p.at[d->window] = lw_index(l, 0);
    if (!d->overlaps) { /* every result has a position of its own */
        for (size_t r = 0; r < d->count; r++)
            for (int64_t k = 0; k < d->width; k++) {
                p.at[d->along] = d->at[r];
                const ds_expr *where = ds_expr_add(l->cx, d->a, ds_expr_scale(l->cx, d->unit, k * d->dilation));
                acc[r] = lw_multiply_add(l, lw_load(l, input, where, &p, NULL), filter[k], acc[r]);
            }
        return;
    }
    p.at[d->along] = d->at[0];
    int64_t reach = (int64_t)(d->count - 1) * d->stride + (d->width - 1) * d->dilation;
    for (int64_t column = 0; column <= reach; column++) {
        ds_value *x = NULL;
        for (int64_t r = 0; r < (int64_t)d->count; r++) {
            int64_t from = column - r * d->stride, k = from / d->dilation;
            if (from < 0 || from % d->dilation || k >= d->width) continue;
            if (!x) x = lw_load(l, input, ds_expr_add(l->cx, d->a, ds_expr_scale(l->cx, d->unit, column)), &p, NULL);
            acc[r] = lw_multiply_add(l, x, filter[k], acc[r]);
        }
    }
}

/* Window dims from `dim` on; unrolled where the whole window is small. */
static void window_rows(depthwise *d, size_t dim, bool unroll, ds_value **acc) {
    lowering *l = d->l;
    int64_t extent;
    if (dim == d->window) {
        window_row(d, acc);
        return;
    }
    if (unroll && ds_expr_is_const(d->c.extent[dim], &extent)) {
        for (int64_t i = 0; i < extent; i++) {
            d->p.at[dim] = lw_index(l, i);
            window_rows(d, dim + 1, unroll, acc);
        }
        return;
    }
    ds_value *inner[MAX_RESULTS];
    ds_op *loop = lw_for(l, lw_index(l, 0), lw_extent(l, d->c.extent[dim]), lw_index(l, 1), acc, d->count, inner);
    d->p.at[dim] = lw_for_position(loop);
    window_rows(d, dim + 1, unroll, inner);
    lw_end(l, loop, inner, d->count);
    for (size_t r = 0; r < d->count; r++) acc[r] = ds_op_result(loop, r);
}

/* ---- a tile ---- */

static void emit_channels(depthwise *d) {
    lowering *l = d->l;
    ds_value *acc[MAX_RESULTS], *zero = lw_op(l, DS_LOOP_constant, NULL, 0, ds_type_scalar(l->cx, DS_f32));
    double window = 1;
    ds_op_set_attr(l->m, zero->op, "value", ds_attr_float(l->cx, 0));
    for (size_t i = d->c.rank; i <= d->window; i++) window *= lower_estimate(d->c.extent[i]);
    for (size_t r = 0; r < d->count; r++) acc[r] = lw_splat(l, zero);
    window_rows(d, d->c.rank + 1, window <= MAX_UNROLLED, acc);
    const ds_op *root = d->epilogue ? d->epilogue : d->op;
    ds_value *out = lw_buffer(l, &root->results[0]);
    for (size_t r = 0; r < d->count; r++) {
        lane_point p = d->p;
        lane_value args[MAX_EPILOGUE], result = {acc[r], NULL};
        p.rank = d->c.rank;
        p.at[d->along] = d->overlaps && r ? lw_binary(l, DS_LOOP_add, d->at[0], lw_index(l, (int64_t)r)) : d->at[r];
        for (size_t i = 0; d->epilogue && i < d->epilogue->operand_count; i++) {
            ds_value *operand = ds_op_operand(d->epilogue, i);
            args[i] = operand == &d->op->results[0] ? result : (lane_value){lw_load(l, lw_buffer(l, operand), d->extra[i], &p, NULL), NULL};
        }
        if (d->epilogue) lw_region(l, ds_op_block(d->epilogue, 0), args, d->position, &p, &result);
        lw_store(l, result.v, out, d->out, &p);
    }
}

/* The channels of one tile: whole vectors, then one masked. */
static void emit_tile(depthwise *d) {
    lowering *l = d->l;
    const ds_expr *channels = d->c.extent[CHANNEL], *lanes = ds_expr_const(l->cx, (int64_t)l->lanes);
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

/* The tiles of one row; a piece has whole rows, so tiles that overlap are never written at the same time. */
static void emit_row(depthwise *d) {
    lowering *l = d->l;
    const ds_expr *count = ds_expr_const(l->cx, (int64_t)d->count), *extent = d->c.extent[d->along];
    const ds_expr *last = ds_expr_sub(l->cx, extent, d->overlaps ? count : ds_expr_const(l->cx, 1));
    ds_op *loop = lw_for(l, lw_index(l, 0), lw_extent(l, extent), lw_extent(l, count), NULL, 0, NULL);
    for (size_t r = 0; r < d->count; r++) {
        ds_value *at = lw_for_position(loop);
        if (r) at = lw_binary(l, DS_LOOP_add, at, lw_index(l, (int64_t)r));
        d->at[r] = lw_binary(l, DS_LOOP_min, at, lw_extent(l, last));
        if (d->overlaps) break; /* the others follow the first */
    }
    emit_tile(d);
    lw_end(l, loop, NULL, 0);
}

static bool begin(depthwise *d) {
    if (d->op->results[0].type->elem != DS_f32 || !open_depthwise(d)) return false;
    choose_count(d);
    d->p.at[d->c.rank] = lw_index(d->l, 0); /* the one channel of a group */
    d->p.rank = d->window + 1;
    return true;
}

static void all_channels(depthwise *d) { d->low = lw_index(d->l, 0), d->high = lw_extent(d->l, d->c.extent[CHANNEL]); }

/* Leaves the place of row number `rest` (of all images) in the point. */
static void find_row(depthwise *d, ds_value *rest) {
    for (size_t i = d->along; i-- > 0;)
        if (i != CHANNEL) d->p.at[i] = lw_digit(d->l, &rest, d->c.extent[i]);
}

enum { FEW_ROWS = 8, CHANNEL_PIECES = 16 };

/* Few rows of many channels: pieces of channels, as those of the product that made them (its weights are many). */
static bool emit_channel_pieces(depthwise *d, const ds_expr *rows, double row_work) {
    lowering *l = d->l;
    int64_t channels, count, lanes = (int64_t)l->lanes;
    if (!ds_expr_is_const(d->c.extent[CHANNEL], &channels) || !ds_expr_is_const(rows, &count) || count > FEW_ROWS ||
        channels < CHANNEL_PIECES * lanes)
        return false;
    int64_t vectors = (channels + lanes - 1) / lanes, chunk = (vectors + CHANNEL_PIECES - 1) / CHANNEL_PIECES * lanes;
    const ds_expr *chunks = ds_expr_const(l->cx, (channels + chunk - 1) / chunk);
    ds_op *pieces;
    ds_value *piece = lower_parallel(l, chunks, row_work * (double)count * (double)chunk / (double)channels, 1, &pieces),
             *size = lw_index(l, chunk);
    d->low = lw_binary(l, DS_LOOP_mul, piece, size);
    d->high = lw_binary(l, DS_LOOP_min, lw_binary(l, DS_LOOP_add, d->low, size), lw_index(l, channels));
    ds_op *loop = lw_for(l, lw_index(l, 0), lw_index(l, count), lw_index(l, 1), NULL, 0, NULL);
    find_row(d, lw_for_position(loop));
    emit_row(d);
    lw_end(l, loop, NULL, 0);
    lower_parallel_end(l, pieces);
    return true;
}

bool lower_depthwise(lowering *l, const ds_op *op, const ds_op *epilogue) {
    depthwise d = {.l = l, .op = op, .epilogue = epilogue, .p = {.vector = CHANNEL}};
    if (!begin(&d)) return false;
    const ds_expr *rows = ds_expr_const(l->cx, 1);
    double work = lower_estimate(d.c.extent[d.along]) * lower_estimate(d.c.extent[CHANNEL]) / 4;
    for (size_t i = d.c.rank; i <= d.window; i++) work *= lower_estimate(d.c.extent[i]);
    for (size_t i = 0; i < d.along; i++)
        if (i != CHANNEL) rows = ds_expr_mul(l->cx, rows, d.c.extent[i]);
    if (emit_channel_pieces(&d, rows, work)) return true;
    ds_op *pieces;
    find_row(&d, lower_parallel(l, rows, work, 1, &pieces));
    all_channels(&d);
    emit_row(&d);
    lower_parallel_end(l, pieces);
    return true;
}

bool lower_depthwise_rows(lowering *l, const ds_op *op, const ds_op *epilogue, ds_value *image, ds_value *low, ds_value *high) {
    depthwise d = {.l = l, .op = op, .epilogue = epilogue, .p = {.vector = CHANNEL}};
    if (!begin(&d) || d.along != 3) return false;
    ds_op *loop = lw_for(l, low, high, lw_index(l, 1), NULL, 0, NULL);
    d.p.at[0] = image, d.p.at[2] = lw_for_position(loop);
    all_channels(&d);
    emit_row(&d);
    lw_end(l, loop, NULL, 0);
    return true;
}
