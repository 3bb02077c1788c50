/* window: depthwise convolutions and pools. Lanes walk the channels, some results lie in registers, and each input
 * element that they need is read once for all of them.
 *
 * A tile is `count` results along the last spatial dim, of one row or of two whose windows share input rows. Where the
 * extent is static, the last tile overlaps the one before (and stores the same values again), so there are no edges;
 * elsewhere positions past the end repeat the last one. Sums go along the window in order, one accumulator each, so the
 * result does not depend on the tile.
 *
 * A pool's window may reach past the image: there it has the pool's padding. Only the first and the last tile of a row
 * look after their columns.
 */
#include <assert.h>
#include <string.h>

#include "passes/lower/nest.h"
#include "passes/schedule/window.h"

_Static_assert((int)WINDOW_MOST_TILE <= LOWER_MAX_CARRIED, "loops over a window carry the tile's results");

typedef struct {
    lowering *l;
    window_space s;
    window_choice choice;
    size_t count, rows, tall;            /* results of a tile along the row; its rows now, and at most */
    bool leaves[SCHEDULE_MOST_DIMS];     /* the image, along this dim of the window: maybe, in what is emitted now */
    ds_value *valid[SCHEDULE_MOST_DIMS]; /* does the place along this dim lie in the image? NULL: yes */
    ds_value **column,
        **column_valid; /* stb_ds arrays: places of the columns of a tile at such an end, and their `valid` */
    lane_point p;
    ds_value *at[WINDOW_MOST_RESULTS]; /* positions along the row */
    ds_value *low, *high;              /* channels: low is a multiple of the lanes */
} windows;

/* ---- the window ---- */

static void load_filter(windows *d, lane_point p, ds_value **filter) {
    for (int64_t k = 0; k < d->s.width; k++) {
        p.at[d->s.window] = lw_index(d->l, k);
        filter[k] = d->s.pools ? NULL : lw_load(d->l, lw_buffer(d->l, ds_op_operand(d->s.op, 1)), d->s.b, &p, NULL);
    }
}

/* Combines a result with an element that its window has at place k of this row of the filter. */
static ds_value *take(windows *d, const lane_point *p, ds_value *acc, ds_value *x, ds_value *weight) {
    if (!d->s.pools) return lw_multiply_add(d->l, x, weight, acc);
    lane_value args[] = {{acc, NULL}, {x, NULL}}, result;
    lw_region(d->l, ds_op_block(d->s.op, 1), args, d->s.position, p, &result);
    return result.v;
}

/* The operand where it lies in the image, else the padding. */
static ds_value *pad(windows *d, ds_value *x) {
    ds_value *valid = NULL;
    for (size_t i = d->s.first; i <= d->s.window; i++) valid = nest_conjunction(d->l, valid, d->valid[i]);
    const ds_attr *pads = ds_op_attr(d->s.op, "pads");
    return valid ? nest_or_pad(d->l, valid, x, pads ? pads->items[0] : NULL, x->type->elem) : x;
}

static ds_value *read_input(windows *d, const ds_expr *where, const lane_point *p) {
    ds_value *x = lw_load(d->l, lw_buffer(d->l, ds_op_operand(d->s.op, 0)), where, p, NULL);
    if (!d->s.pools) return lw_cast(d->l, x, d->s.op->results[0].type->elem);
    lane_value arg = {pad(d, x), NULL}, result;
    lw_region(d->l, ds_op_block(d->s.op, 0), &arg, d->s.position, p, &result);
    return result.v;
}

/* Place `at` along dim `w` of the window; where that may lie outside the image, the nearest one inside, which is read
 * in vain. */
static ds_value *place(windows *d, const lane_point *p, size_t w, ds_value *at) {
    lowering *l = d->l;
    size_t dim = w - d->s.first + 2;
    lane_point q = *p;
    d->valid[w] = NULL;
    if (!d->leaves[w]) return at;
    q.at[w] = at;
    ds_value *y = lw_apply(l, ds_op_map(d->s.op, 0)->exprs[dim], q.at, q.rank),
             *last = lw_extent(l, ds_op_operand(d->s.op, 0)->type->dims[dim]);
    ds_value *nearest = lw_binary(l, DS_LOOP_min, lw_binary(l, DS_LOOP_max, y, lw_index(l, 0)),
                                  lw_binary(l, DS_LOOP_sub, last, lw_index(l, 1)));
    d->valid[w] = lw_binary(l, DS_LOOP_eq, y, nearest);
    return lw_binary(l, DS_LOOP_add, at, lw_binary(l, DS_LOOP_sub, nearest, y));
}

/* An input row, `rows` rows below the point: for each row of results the row of the filter that meets it there (or
 * NULL). */
static void input_row(windows *d, lane_point *p, int64_t rows, ds_value *(*const *filter)[DS_WINDOW_MOST],
                      ds_value **acc) {
    lowering *l = d->l;
    const ds_expr *row = rows ? ds_expr_add(l->cx, d->s.a, ds_expr_scale(l->cx, d->s.pitch, rows)) : d->s.a;
    p->at[d->s.along] = d->at[0];
    for (int64_t column = 0; column < window_reach((int64_t)d->count, d->s.stride, d->s.width, d->s.dilation);
         column++) {
        ds_value *x = NULL;
        bool leaves = d->leaves[d->s.window];
        const ds_expr *where = leaves ? row : ds_expr_add(l->cx, row, ds_expr_scale(l->cx, d->s.unit, column));
        p->at[d->s.window] = leaves ? d->column[column] : lw_index(l, 0);
        if (leaves) d->valid[d->s.window] = d->column_valid[column];
        for (size_t i = 0; i < d->rows * d->count; i++) {
            int64_t from = column - (int64_t)(i % d->count) * d->s.stride, k = from / d->s.dilation;
            if (!filter[i / d->count] || from < 0 || from % d->s.dilation || k >= d->s.width) continue;
            if (!x) x = read_input(d, where, p);
            acc[i] = take(d, p, acc[i], x, (*filter[i / d->count])[k]);
        }
    }
}

/* The last two dims of the window for rows that share input. */
static void tall_window(windows *d, ds_value **acc) {
    lane_point p = d->p;
    for (int64_t y = 0; y < window_reach((int64_t)d->rows, d->s.row_stride, d->s.height, d->s.row_dilation); y++) {
        ds_value *room[WINDOW_MOST_ROWS][DS_WINDOW_MOST], *(*filter[WINDOW_MOST_ROWS])[DS_WINDOW_MOST] = {NULL};
        for (size_t r = 0; r < d->rows; r++) {
            int64_t from = y - (int64_t)r * d->s.row_stride, k = from / d->s.row_dilation;
            if (from < 0 || from % d->s.row_dilation || k >= d->s.height) continue;
            p.at[d->s.window - 1] = lw_index(d->l, k);
            load_filter(d, p, room[r]);
            filter[r] = &room[r];
        }
        bool leaves = d->leaves[d->s.window - 1];
        p.at[d->s.window - 1] = leaves ? place(d, &p, d->s.window - 1, lw_index(d->l, y)) : lw_index(d->l, 0);
        input_row(d, &p, leaves ? 0 : y, filter, acc);
    }
}

/* One row of the window, whose outer positions are in d->p. */
static void window_row(windows *d, ds_value **acc) {
    lowering *l = d->l;
    ds_value *room[DS_WINDOW_MOST], *(*filter[])[DS_WINDOW_MOST] = {&room};
    lane_point p = d->p;
    load_filter(d, p, room);
    p.at[d->s.window] = lw_index(l, 0);
    if (!d->s.overlaps) { /* every result has a position of its own */
        for (size_t r = 0; r < d->count; r++)
            for (int64_t k = 0; k < d->s.width; k++) {
                p.at[d->s.along] = d->at[r];
                const ds_expr *where = ds_expr_add(l->cx, d->s.a, ds_expr_scale(l->cx, d->s.unit, k * d->s.dilation));
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
    if (d->rows > 1 && dim + 1 == d->s.window) {
        tall_window(d, acc);
        return;
    }
    if (dim == d->s.window) {
        window_row(d, acc);
        return;
    }
    if (unroll && ds_expr_is_const(d->s.extent[dim], &extent)) {
        for (int64_t i = 0; i < extent; i++) {
            d->p.at[dim] = place(d, &d->p, dim, lw_index(l, i));
            window_rows(d, dim + 1, unroll, acc);
        }
        return;
    }
    ds_value *inner[WINDOW_MOST_TILE];
    size_t count = d->rows * d->count;
    ds_op *loop = lw_for(l, lw_index(l, 0), lw_extent(l, d->s.extent[dim]), lw_index(l, 1), acc, count, inner);
    d->p.at[dim] = place(d, &d->p, dim, lw_for_position(loop));
    window_rows(d, dim + 1, unroll, inner);
    lw_end(l, loop, inner, count);
    for (size_t r = 0; r < count; r++) acc[r] = ds_op_result(loop, r);
}

/* ---- a tile ---- */

static void emit_channels(windows *d) {
    lowering *l = d->l;
    const ds_attr *init = ds_op_attr(d->s.op, "init");
    ds_value *acc[WINDOW_MOST_TILE],
        *initial = nest_pad_constant(l, init ? init->items[0] : NULL, d->s.op->results[0].type->elem);
    for (size_t r = 0; r < d->rows * d->count; r++) acc[r] = lw_splat(l, initial);
    window_rows(d, d->s.first, d->choice.unrolls, acc);
    const ds_op *root = d->s.epilogue ? d->s.epilogue : d->s.op;
    ds_value *out = lw_buffer(l, &root->results[0]);
    for (size_t i = 0; i < d->rows * d->count; i++) {
        size_t r = i % d->count;
        lane_point p = d->p;
        lane_value args[WINDOW_MOST_EPILOGUE], result = {acc[i], NULL};
        p.rank = d->s.rank;
        if (i >= d->count)
            p.at[d->s.along - 1] =
                lw_binary(l, DS_LOOP_add, p.at[d->s.along - 1], lw_index(l, (int64_t)(i / d->count)));
        p.at[d->s.along] = d->s.overlaps && r ? lw_binary(l, DS_LOOP_add, d->at[0], lw_index(l, (int64_t)r)) : d->at[r];
        for (size_t k = 0; d->s.epilogue && k < d->s.epilogue->operand_count; k++) {
            ds_value *operand = ds_op_operand(d->s.epilogue, k);
            args[k] = operand == &d->s.op->results[0]
                          ? result
                          : (lane_value){lw_load(l, lw_buffer(l, operand), d->s.extra[k], &p, NULL), NULL};
        }
        if (d->s.epilogue) lw_region(l, ds_op_block(d->s.epilogue, 0), args, d->s.position, &p, &result);
        lw_store(l, result.v, out, d->s.out, &p);
    }
}

/* The channels of one tile: whole vectors, then one masked. */
static void emit_tile(windows *d) {
    lowering *l = d->l;
    const ds_expr *channels = d->s.extent[WINDOW_CHANNEL], *lanes = ds_expr_const(l->cx, (int64_t)l->lanes);
    ds_value *step = lw_index(l, (int64_t)l->lanes),
             *whole = lw_extent(l, ds_expr_mul(l->cx, ds_expr_floordiv(l->cx, channels, lanes), lanes));
    int64_t known = -1;
    ds_expr_is_const(channels, &known);
    for (int masked = 0; masked < 2; masked++) {
        if (known >= 0 && (masked ? known % (int64_t)l->lanes == 0 : known < (int64_t)l->lanes)) continue;
        ds_value *from = masked ? lw_binary(l, DS_LOOP_max, d->low, whole) : d->low,
                 *to = masked ? d->high : lw_binary(l, DS_LOOP_min, d->high, whole);
        ds_op *loop = lw_for(l, from, to, step, NULL, 0, NULL);
        d->p.at[WINDOW_CHANNEL] = lw_for_position(loop);
        d->p.mask = masked ? lw_mask(l, d->p.at[WINDOW_CHANNEL], d->high) : NULL;
        emit_channels(d);
        lw_end(l, loop, NULL, 0);
    }
}

/* Where a tile at the end of a row has its columns: the same for all rows of the window and all channels. */
static void place_columns(windows *d) {
    lane_point p = d->p;
    p.at[d->s.along] = d->at[0];
    for (int64_t column = 0; column < window_reach((int64_t)d->count, d->s.stride, d->s.width, d->s.dilation);
         column++) {
        arrput(d->column, place(d, &p, d->s.window, lw_index(d->l, column)));
        arrput(d->column_valid, d->valid[d->s.window]);
    }
}

/* Tiles from `low` to `high` along the row. */
static void emit_tiles(windows *d, ds_value *low, ds_value *high, ds_value *step) {
    lowering *l = d->l;
    const ds_expr *last =
        ds_expr_sub(l->cx, d->s.extent[d->s.along], ds_expr_const(l->cx, d->s.overlaps ? (int64_t)d->count : 1));
    ds_op *loop = lw_for(l, low, high, step, NULL, 0, NULL);
    for (size_t r = 0; r < d->count; r++) {
        ds_value *at = lw_for_position(loop);
        if (r) at = lw_binary(l, DS_LOOP_add, at, lw_index(l, (int64_t)r));
        d->at[r] = lw_binary(l, DS_LOOP_min, at, lw_extent(l, last));
        if (d->s.overlaps) break; /* the others follow the first */
    }
    if (d->leaves[d->s.window]) place_columns(d);
    emit_tile(d);
    arrfree(d->column), arrfree(d->column_valid);
    lw_end(l, loop, NULL, 0);
}

/* The tiles of one row, or of two; a piece has whole rows, so tiles that overlap are never written at the same time. */
static void emit_row(windows *d, size_t rows) {
    lowering *l = d->l;
    ds_value *low = lw_index(l, 0), *high = lw_extent(l, d->s.extent[d->s.along]),
             *count = lw_index(l, (int64_t)d->count);
    d->rows = rows;
    if (d->s.leaves_before > 0 || d->s.leaves_after > 0) {
        int64_t extent = d->s.extent[d->s.along]->value, n = (int64_t)d->count, ends = (extent - 1) / n * n;
        bool all = d->s.leaves_before > n || d->s.leaves_after > n || ends <= n;
        d->leaves[d->s.window] = true;
        emit_tiles(d, low, high, all ? count : lw_index(l, ends)); /* only the first one and the last */
        d->leaves[d->s.window] = false, d->valid[d->s.window] = NULL;
        if (all) return;
        low = count, high = lw_index(l, ends);
    }
    emit_tiles(d, low, high, count);
}

/* Rows low..high-1 of the dim before the last, the others being in the point: tall tiles, then what is left. */
static void emit_rows(windows *d, ds_value *low, ds_value *high, bool whole) {
    lowering *l = d->l;
    if (d->tall > 1) {
        ds_value *step = lw_index(l, (int64_t)d->tall),
                 *count = lw_binary(l, DS_LOOP_div, lw_binary(l, DS_LOOP_sub, high, low), step),
                 *end = lw_binary(l, DS_LOOP_add, low, lw_binary(l, DS_LOOP_mul, count, step));
        ds_op *loop = lw_for(l, low, end, step, NULL, 0, NULL);
        d->p.at[d->s.along - 1] = lw_for_position(loop);
        emit_row(d, d->tall);
        lw_end(l, loop, NULL, 0);
        if (whole) return;
        low = end;
    }
    ds_op *loop = lw_for(l, low, high, lw_index(l, 1), NULL, 0, NULL);
    d->p.at[d->s.along - 1] = lw_for_position(loop);
    emit_row(d, 1);
    lw_end(l, loop, NULL, 0);
}

/* The space, and what the schedule says of the tile of op `index`; it was checked. */
static void begin(windows *d, const ds_op *op, const ds_op *epilogue, int index) {
    bool opened = window_open(&d->s, d->l->core, op, epilogue);
    const char *wrong = window_read(&d->s, d->l->schedule, index, &d->choice);
    assert(opened && !wrong);
    (void)opened;
    (void)wrong;
    d->count = (size_t)d->choice.count;
    d->tall = (size_t)d->choice.tall;
    memcpy(d->leaves, d->s.leaves, sizeof d->leaves);
    d->p.at[d->s.rank] = lw_index(d->l, 0); /* of a convolution: the one channel of a group */
    d->p.rank = d->s.window + 1;
}

static void all_channels(windows *d) {
    d->low = lw_index(d->l, 0);
    d->high = lw_extent(d->l, d->s.extent[WINDOW_CHANNEL]);
}

static void emit_unit(windows *d, ds_value *rest) {
    lowering *l = d->l;
    int64_t extent;
    ds_value *unit = NULL;
    for (size_t i = d->s.along; i-- > 0;) {
        if (i == WINDOW_CHANNEL) continue;
        if (i + 1 == d->s.along && d->tall > 1) unit = lw_digit(l, &rest, window_unit_rows(&d->s, &d->choice));
        else d->p.at[i] = lw_digit(l, &rest, d->s.extent[i]);
    }
    if (!unit) {
        emit_row(d, 1);
        return;
    }
    ds_value *size = lw_index(l, (int64_t)d->tall), *low = lw_binary(l, DS_LOOP_mul, unit, size);
    const ds_expr *rows = d->s.extent[d->s.along - 1];
    emit_rows(d, low, lw_binary(l, DS_LOOP_min, lw_binary(l, DS_LOOP_add, low, size), lw_extent(l, rows)),
              ds_expr_is_const(rows, &extent) && extent % (int64_t)d->tall == 0);
}

/* Pieces of channels, each with all rows. */
static void emit_channel_pieces(windows *d) {
    lowering *l = d->l;
    int64_t channels = d->s.extent[WINDOW_CHANNEL]->value, count = window_units(&d->s, &d->choice)->value,
            chunk = d->choice.channels;
    ds_op *pieces;
    ds_value *piece = lower_parallel(l, ds_expr_const(l->cx, (channels + chunk - 1) / chunk), d->choice.chunk, false,
                                     &pieces),
             *size = lw_index(l, chunk);
    d->low = lw_binary(l, DS_LOOP_mul, piece, size);
    d->high = lw_binary(l, DS_LOOP_min, lw_binary(l, DS_LOOP_add, d->low, size), lw_index(l, channels));
    ds_op *loop = lw_for(l, lw_index(l, 0), lw_index(l, count), lw_index(l, 1), NULL, 0, NULL);
    emit_unit(d, lw_for_position(loop));
    lw_end(l, loop, NULL, 0);
    lower_parallel_end(l, pieces);
}

void lower_window(lowering *l, ds_op *kernel) {
    windows d = {.l = l, .p = {.vector = WINDOW_CHANNEL}};
    const ds_op *first = ds_op_block(kernel, 0)->first, *next = first->next;
    lower_bind_alone(l, kernel);
    begin(&d, first, next->kind == DS_GRAPH_map ? next : NULL, DS_OWN);
    const char *wrong = window_read_grid(&d.s, l->schedule, &d.choice);
    assert(!wrong);
    (void)wrong;
    if (d.choice.channels) {
        emit_channel_pieces(&d);
        return;
    }
    ds_op *pieces;
    ds_value *unit = lower_parallel(l, window_units(&d.s, &d.choice), d.choice.chunk, false, &pieces);
    all_channels(&d);
    emit_unit(&d, unit);
    lower_parallel_end(l, pieces);
}

void lower_window_rows(lowering *l, const ds_op *op, const ds_op *epilogue, int index, ds_value *image, ds_value *low,
                       ds_value *high) {
    windows d = {.l = l, .p = {.vector = WINDOW_CHANNEL}};
    begin(&d, op, epilogue, index);
    d.p.at[0] = image;
    all_channels(&d);
    emit_rows(&d, low, high, false);
}
