/* graph.winograd: a block of tiles at a time through three steps, all in one lane's scratch memory (passes/winograd.h).
 *
 *   V[point][tile][ci]   the input's tiles (6x6 or 4x4 points), transformed: B^T d B
 *   M[point][tile][co']  V times the transformed filters, for one block of output channels after the other
 *   result               A^T m A: 4x4 or 2x2 points of each tile, through the epilogue, or a pool's windows of them
 *
 * Rows of V are 16 floats longer than needed, so that they do not share few sets of the L1 cache.
 */
#include "passes/schedule/winograd.h"

#include <assert.h>
#include <string.h>

#include "passes/lower/lower.h"

enum { MOST_POINTS = DS_WINOGRAD_MOST * DS_WINOGRAD_MOST };

typedef struct {
    lowering *l;
    winograd_choice choice;
    const ds_op *op, *epilogue, *pool;                          /* the last two: or NULL */
    int64_t side, wide, points;                                 /* of the result's tiles; of the input's; wide * wide */
    int64_t ci, co, panels, in[2], out[2], tiles[2], before[2]; /* rows, columns */
    const ds_expr *total;                                       /* tiles of all images */
    int64_t image_step, row_step, column_step, origin;          /* of the input in memory, which may have a border */
    int64_t block, stride;                                      /* tiles of a piece; floats of a row of V */
    size_t rows, columns;                                       /* of the register tile, columns in vectors */
    int64_t window;                                             /* of the pool: rows and columns; 1 without one */
    const ds_expr *dims[4];                                     /* of the result */
    ds_value *x, *u, *y, *v, *m;                                /* buffers */
    ds_value *start, *count;                                    /* of this piece */
} winograd;

static int64_t known(const ds_expr *e) {
    int64_t v = 0;
    ds_expr_is_const(e, &v);
    return v;
}

/* ---- small builders ---- */

static ds_value *times(lowering *l, ds_value *a, int64_t b) { return lw_binary(l, DS_LOOP_mul, a, lw_index(l, b)); }
static ds_value *plus(lowering *l, ds_value *a, ds_value *b) { return lw_binary(l, DS_LOOP_add, a, b); }
static ds_value *plus_number(lowering *l, ds_value *a, int64_t b) { return b ? plus(l, a, lw_index(l, b)) : a; }

static ds_value *load_at(lowering *l, ds_value *buffer, ds_value *base, int64_t offset, ds_value *mask) {
    lane_point p = {.rank = 1, .at = {base}, .vector = 0, .mask = mask};
    return lw_load(l, buffer, ds_expr_add(l->cx, ds_expr_dim(l->cx, 0), ds_expr_const(l->cx, offset)), &p, NULL);
}

static void store_at(lowering *l, ds_value *value, ds_value *buffer, ds_value *base, int64_t offset) {
    lane_point p = {.rank = 1, .at = {base}, .vector = 0};
    lw_store(l, value, buffer, ds_expr_add(l->cx, ds_expr_dim(l->cx, 0), ds_expr_const(l->cx, offset)), &p);
}

/* The lanes from `channel` on that exist, where channels are walked up to a multiple of `unit`; NULL where all do. */
static ds_value *channel_mask(lowering *l, ds_value *channel, int64_t channels, int64_t unit) {
    return channels % unit ? lw_mask(l, channel, lw_index(l, channels)) : NULL;
}

static ds_value *number(lowering *l, double v) {
    ds_value *scalar = lw_op(l, DS_LOOP_constant, NULL, 0, ds_type_scalar(l->cx, DS_f32));
    ds_op_set_attr(l->m, scalar->op, "value", ds_attr_float(l->cx, v));
    return lw_splat(l, scalar);
}

/* a * k + b */
static ds_value *scaled(lowering *l, ds_value *a, double k, ds_value *b) {
    return lw_multiply_add(l, a, number(l, k), b);
}

static ds_value *add(lowering *l, ds_value *a, ds_value *b) { return lw_binary(l, DS_LOOP_add, a, b); }
static ds_value *sub(lowering *l, ds_value *a, ds_value *b) { return lw_binary(l, DS_LOOP_sub, a, b); }

/* ---- transforms of one line ---- */

/* B^T d: for the points 0, 1, -1, 2, -2, or 0, 1, -1 */
static void input_line(const winograd *w, ds_value *const *d, ds_value **t) {
    lowering *l = w->l;
    if (w->side == 2) {
        t[0] = sub(l, d[0], d[2]), t[1] = add(l, d[1], d[2]), t[2] = sub(l, d[2], d[1]), t[3] = sub(l, d[1], d[3]);
        return;
    }
    ds_value *even = scaled(l, d[2], -4, d[4]), *odd = scaled(l, d[1], -4, d[3]);
    ds_value *near = sub(l, d[4], d[2]), *far = sub(l, d[3], d[1]);
    t[0] = scaled(l, d[0], 4, scaled(l, d[2], -5, d[4]));
    t[1] = add(l, even, odd), t[2] = sub(l, even, odd);
    t[3] = scaled(l, far, 2, near), t[4] = scaled(l, far, -2, near);
    t[5] = scaled(l, d[1], 4, scaled(l, d[3], -5, d[5]));
}

/* A^T m */
static void output_line(const winograd *w, ds_value *const *m, ds_value **s) {
    lowering *l = w->l;
    ds_value *sum1 = add(l, m[1], m[2]), *less1 = sub(l, m[1], m[2]);
    if (w->side == 2) {
        s[0] = add(l, m[0], sum1), s[1] = sub(l, less1, m[3]);
        return;
    }
    ds_value *sum2 = add(l, m[3], m[4]), *less2 = sub(l, m[3], m[4]);
    s[0] = add(l, add(l, m[0], sum1), sum2);
    s[1] = scaled(l, less2, 2, less1);
    s[2] = scaled(l, sum2, 4, sum1);
    s[3] = add(l, scaled(l, less2, 8, less1), m[5]);
}

/* ---- the input ---- */

typedef struct {
    ds_value *image, *row, *column; /* the tile's number in each direction */
} tile_place;

static tile_place place_of(winograd *w, ds_value *t) {
    lowering *l = w->l;
    ds_value *tile = plus(l, w->start, t), *across = lw_index(l, w->tiles[1]), *down = lw_index(l, w->tiles[0]);
    ds_value *line = lw_binary(l, DS_LOOP_div, tile, across);
    return (tile_place){lw_binary(l, DS_LOOP_div, line, down), lw_binary(l, DS_LOOP_rem, line, down),
                        lw_binary(l, DS_LOOP_rem, tile, across)};
}

/* Where an image's first element lies. */
static ds_value *origin_of(winograd *w, ds_value *image) {
    return plus_number(w->l, times(w->l, image, w->image_step), w->origin);
}

/* Loops over the channels of one tile. `d` fills the 6x6 vectors at a channel. */
typedef void read_tile(winograd *w, ds_value *channel, const void *user, ds_value **d);

static void transform_tile(winograd *w, ds_value *t, read_tile *read, const void *user) {
    lowering *l = w->l;
    ds_value *d[MOST_POINTS], *half[MOST_POINTS], *line[DS_WINOGRAD_MOST], *out[DS_WINOGRAD_MOST];
    ds_op *loop = lw_for(l, lw_index(l, 0), lw_index(l, w->ci), lw_index(l, (int64_t)l->lanes), NULL, 0, NULL);
    ds_value *channel = lw_for_position(loop), *to = plus(l, times(l, t, w->stride), channel);
    read(w, channel, user, d);
    for (int64_t j = 0; j < w->wide; j++) { /* down each column */
        for (int64_t i = 0; i < w->wide; i++) line[i] = d[i * w->wide + j];
        input_line(w, line, out);
        for (int64_t i = 0; i < w->wide; i++) half[i * w->wide + j] = out[i];
    }
    for (int64_t i = 0; i < w->wide; i++) { /* along each row */
        input_line(w, half + i * w->wide, out);
        for (int64_t j = 0; j < w->wide; j++) store_at(l, out[j], w->v, to, (i * w->wide + j) * w->block * w->stride);
    }
    lw_end(l, loop, NULL, 0);
}

static void read_inside(winograd *w, ds_value *channel, const void *user, ds_value **d) {
    ds_value *mask = channel_mask(w->l, channel, w->ci, (int64_t)w->l->lanes);
    ds_value *base = plus(w->l, (ds_value *)(uintptr_t)user, channel);
    for (int64_t i = 0; i < w->wide; i++)
        for (int64_t j = 0; j < w->wide; j++)
            d[i * w->wide + j] = load_at(w->l, w->x, base, i * w->row_step + j * w->column_step, mask);
}

/* Where each row and column of a border tile reads, clamped, and whether it lies in the image. */
typedef struct {
    ds_value *row[DS_WINOGRAD_MOST], *column[DS_WINOGRAD_MOST], *row_ok[DS_WINOGRAD_MOST], *column_ok[DS_WINOGRAD_MOST];
} border;

static void read_border(winograd *w, ds_value *channel, const void *user, ds_value **d) {
    lowering *l = w->l;
    const border *b = user;
    ds_value *mask = channel_mask(l, channel, w->ci, (int64_t)l->lanes);
    for (int64_t i = 0; i < w->wide; i++)
        for (int64_t j = 0; j < w->wide; j++) {
            ds_value *v = load_at(l, w->x, plus(l, plus(l, b->row[i], b->column[j]), channel), 0, mask),
                     *ok = lw_binary(l, DS_LOOP_and, b->row_ok[i], b->column_ok[j]);
            ds_value *operands[] = {lw_splat(l, ok), v, number(l, 0)};
            d[i * w->wide + j] = lw_op(l, DS_LOOP_select, operands, 3, v->type);
        }
}

static void open_border(winograd *w, ds_value *image, ds_value *const *first, border *b) {
    lowering *l = w->l;
    ds_value *zero = lw_index(l, 0);
    for (int dim = 0; dim < 2; dim++)
        for (int64_t i = 0; i < w->wide; i++) {
            ds_value *at = plus_number(l, first[dim], i), *last = lw_index(l, w->in[dim] - 1),
                     *clamped = lw_binary(l, DS_LOOP_max, zero, lw_binary(l, DS_LOOP_min, at, last));
            ds_value *ok =
                lw_binary(l, DS_LOOP_and, lw_binary(l, DS_LOOP_le, zero, at), lw_binary(l, DS_LOOP_le, at, last));
            if (dim) b->column[i] = times(l, clamped, w->column_step), b->column_ok[i] = ok;
            else b->row[i] = plus(l, origin_of(w, image), times(l, clamped, w->row_step)), b->row_ok[i] = ok;
        }
}

static void transform_input(winograd *w) {
    lowering *l = w->l;
    ds_op *loop = lw_for(l, lw_index(l, 0), w->count, lw_index(l, 1), NULL, 0, NULL);
    ds_value *t = lw_for_position(loop);
    tile_place at = place_of(w, t);
    ds_value *first[] = {plus_number(l, times(l, at.row, w->side), -w->before[0]),
                         plus_number(l, times(l, at.column, w->side), -w->before[1])};
    ds_value *inside = NULL;
    for (int dim = 0; dim < 2; dim++) {
        ds_value *ok = lw_binary(l, DS_LOOP_and, lw_binary(l, DS_LOOP_le, lw_index(l, 0), first[dim]),
                                 lw_binary(l, DS_LOOP_le, first[dim], lw_index(l, w->in[dim] - w->wide)));
        inside = inside ? lw_binary(l, DS_LOOP_and, inside, ok) : ok;
    }
    ds_value *base =
        plus(l, origin_of(w, at.image), plus(l, times(l, first[0], w->row_step), times(l, first[1], w->column_step)));
    ds_op *whole = lw_when(l, inside);
    transform_tile(w, t, read_inside, base);
    lw_end(l, whole, NULL, 0);
    ds_value *one = lw_op(l, DS_LOOP_cast, &inside, 1, ds_type_scalar(l->cx, DS_index));
    ds_op *rest = lw_for(l, one, lw_index(l, 1), lw_index(l, 1), NULL, 0, NULL);
    border b;
    open_border(w, at.image, first, &b);
    transform_tile(w, t, read_border, &b);
    lw_end(l, rest, NULL, 0);
    lw_end(l, loop, NULL, 0);
}

/* ---- products ---- */

static int64_t width_of(const winograd *w) { return (int64_t)(w->columns * w->l->lanes); }

static const ds_attr *numbers(lowering *l, int64_t a) {
    const ds_expr *e = ds_expr_const(l->cx, a);
    return ds_attr_exprs(l->cx, &e, 1);
}

/* M[point][t …][columns] for one register tile */
static void multiply_tile(winograd *w, ds_value *point, ds_value *t, ds_value *q) {
    lowering *l = w->l;
    ds_value *operands[64] = {w->v, w->u};
    const ds_type *vector = ds_type_vector(l->cx, DS_f32, l->lanes), *types[64];
    size_t count = 2, rows = w->rows, sums = rows * w->columns;
    ds_value *row = plus(l, times(l, point, w->block), t), *first = times(l, row, w->stride);
    ds_value *panel = plus(l, times(l, point, w->panels), times(l, q, width_of(w) / DS_PANEL));
    ds_value *filter = times(l, panel, w->ci * DS_PANEL), *to = times(l, row, width_of(w));
    for (size_t r = 0; r < rows; r++) operands[count++] = plus_number(l, first, (int64_t)r * w->stride);
    for (size_t j = 0; j < w->columns; j++) {
        int64_t at = (int64_t)(j * l->lanes);
        operands[count++] = plus_number(l, filter, at / DS_PANEL * DS_PANEL * w->ci + at % DS_PANEL);
    }
    for (size_t i = 0; i < sums; i++) types[i] = vector;
    ds_op *tile = ds_op_create(&l->b, DS_LOOP_tile, operands, count, types, sums, 0);
    ds_op_set_attr(l->m, tile, "rows", ds_attr_int(l->cx, (int64_t)rows));
    ds_op_set_attr(l->m, tile, "columns", ds_attr_int(l->cx, (int64_t)w->columns));
    ds_op_set_attr(l->m, tile, "lanes", ds_attr_int(l->cx, (int64_t)l->lanes));
    ds_op_set_attr(l->m, tile, "window", numbers(l, w->ci));
    ds_op_set_attr(l->m, tile, "lhs", numbers(l, 1));
    ds_op_set_attr(l->m, tile, "rhs", numbers(l, DS_PANEL));
    if (!ds_schedule_find(l->schedule, DS_OWN, "k", DS_LEVEL_unroll))
        ds_op_set_attr(l->m, tile, "unroll", ds_attr_int(l->cx, 1));
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < w->columns; j++)
            store_at(l, ds_op_result(tile, r * w->columns + j), w->m, to,
                     (int64_t)r * width_of(w) + (int64_t)(j * l->lanes));
}

static void multiply(winograd *w, ds_value *q) {
    lowering *l = w->l;
    ds_op *points = lw_for(l, lw_index(l, 0), lw_index(l, w->points), lw_index(l, 1), NULL, 0, NULL);
    ds_op *tiles = lw_for(l, lw_index(l, 0), w->count, lw_index(l, (int64_t)w->rows), NULL, 0, NULL);
    multiply_tile(w, lw_for_position(points), lw_for_position(tiles), q);
    lw_end(l, tiles, NULL, 0);
    lw_end(l, points, NULL, 0);
}

/* ---- the result ---- */

/* A point's value behind the epilogue. */
static ds_value *finish_point(winograd *w, lane_point *p, ds_value *sum) {
    lowering *l = w->l;
    lane_value args[SCHEDULE_MOST_OPERANDS], result = {sum, NULL};
    if (!w->epilogue) return sum;
    for (size_t i = 0; i < w->epilogue->operand_count; i++) {
        ds_value *operand = ds_op_operand(w->epilogue, i);
        const ds_expr *offset = ds_layout_offset(l->cx, operand->type, ds_op_map(w->epilogue, i)->exprs);
        args[i] = operand == &w->op->results[0]
                      ? result
                      : (lane_value){lw_load(l, lw_buffer(l, operand), offset, p, NULL), NULL};
    }
    lw_region(l, ds_op_block(w->epilogue, 0), args, w->dims, p, &result);
    return result.v;
}

/* Point i, j of `step` x `step` points of a tile: where it is in an image of so many rows and columns, and whether,
 * where tiles go past it.
 */
static ds_value *find_point(winograd *w, const tile_place *at, ds_value *channel, int64_t step, const int64_t *extent,
                            int64_t i, int64_t j, lane_point *out) {
    lowering *l = w->l;
    int64_t each = w->side / step;
    ds_value *row = plus_number(l, times(l, at->row, each), i), *column = plus_number(l, times(l, at->column, each), j),
             *ok = NULL;
    if (extent[0] < (w->tiles[0] - 1) * each + i + 1) ok = lw_binary(l, DS_LOOP_lt, row, lw_index(l, extent[0]));
    if (extent[1] < (w->tiles[1] - 1) * each + j + 1) {
        ds_value *fits = lw_binary(l, DS_LOOP_lt, column, lw_index(l, extent[1]));
        ok = ok ? lw_binary(l, DS_LOOP_and, ok, fits) : fits;
    }
    *out = (lane_point){.rank = 4,
                        .at = {at->image, channel, row, column},
                        .vector = 1,
                        .mask = channel_mask(l, channel, w->co, DS_PANEL)};
    return ok;
}

/* The points of a tile that a window of the pool has, into one. */
static ds_value *pool_points(winograd *w, const tile_place *at, ds_value *channel, ds_value *const *s, int64_t top,
                             int64_t left) {
    lowering *l = w->l;
    const ds_attr *init = ds_op_attr(w->pool, "init");
    lane_value acc = {number(l, init ? init->items[0]->number : 0), NULL};
    for (int64_t i = top; i < top + w->window; i++)
        for (int64_t j = left; j < left + w->window; j++) {
            lane_point p;
            find_point(w, at, channel, 1, w->out, i, j, &p);
            lane_value args[] = {acc, {finish_point(w, &p, s[i * w->side + j]), NULL}};
            lw_region(l, ds_op_block(w->pool, 0), &args[1], w->dims, &p, &args[1]);
            lw_region(l, ds_op_block(w->pool, 1), args, w->dims, &p, &acc);
        }
    return acc.v;
}

static void store_tile(winograd *w, const tile_place *at, ds_value *channel, ds_value *const *s) {
    lowering *l = w->l;
    const ds_type *type = (w->pool ? w->pool : w->epilogue ? w->epilogue : w->op)->results[0].type;
    const int64_t extent[] = {known(type->dims[2]), known(type->dims[3])};
    for (int64_t i = 0; i < w->side / w->window; i++)
        for (int64_t j = 0; j < w->side / w->window; j++) {
            lane_point p;
            ds_value *ok = find_point(w, at, channel, w->window, extent, i, j, &p);
            ds_op *when = ok ? lw_when(l, ok) : NULL;
            ds_value *v = w->pool ? pool_points(w, at, channel, s, i * w->window, j * w->window)
                                  : finish_point(w, &p, s[i * w->side + j]);
            lw_store(l, v, w->y, ds_layout_offset(l->cx, type, w->dims), &p);
            if (when) lw_end(l, when, NULL, 0);
        }
}

static void transform_result(winograd *w, ds_value *q) {
    lowering *l = w->l;
    ds_op *loop = lw_for(l, lw_index(l, 0), w->count, lw_index(l, 1), NULL, 0, NULL);
    ds_value *t = lw_for_position(loop), *m[MOST_POINTS], *half[MOST_POINTS], *s[MOST_POINTS], *line[DS_WINOGRAD_MOST],
             *out[DS_WINOGRAD_MOST];
    tile_place at = place_of(w, t);
    ds_op *vectors = lw_for(l, lw_index(l, 0), lw_index(l, width_of(w)), lw_index(l, (int64_t)l->lanes), NULL, 0, NULL);
    ds_value *lane = lw_for_position(vectors), *from = plus(l, times(l, t, width_of(w)), lane);
    for (int64_t i = 0; i < w->points; i++) m[i] = load_at(l, w->m, from, i * w->block * width_of(w), NULL);
    for (int64_t j = 0; j < w->wide; j++) {
        for (int64_t i = 0; i < w->wide; i++) line[i] = m[i * w->wide + j];
        output_line(w, line, out);
        for (int64_t i = 0; i < w->side; i++) half[i * w->wide + j] = out[i];
    }
    for (int64_t i = 0; i < w->side; i++) output_line(w, half + i * w->wide, s + i * w->side);
    store_tile(w, &at, plus(l, times(l, q, width_of(w)), lane), s);
    lw_end(l, vectors, NULL, 0);
    lw_end(l, loop, NULL, 0);
}

/* ---- the kernel ---- */

/* One more buffer of a lane's scratch memory. */
static ds_value *add_scratch(lowering *l, int64_t bytes) {
    ds_op *func = l->b.block->region->op;
    const ds_attr *old = ds_op_attr(func, "scratch"), **items = NULL;
    for (size_t i = 0; i < old->count; i++) arrput(items, old->items[i]);
    arrput(items, ds_attr_expr(l->cx, ds_expr_const(l->cx, bytes)));
    ds_op_set_attr(l->m, func, "scratch", ds_attr_array(l->cx, items, arrlenu(items)));
    arrfree(items);
    return ds_block_add_arg(l->m, ds_op_block(func, 0), ds_type_buffer(l->cx, DS_f32), NULL);
}

/* Steps between neighbours along a dim of the input. */
static int64_t step_along(lowering *l, const ds_type *x, size_t dim, int64_t *out_origin) {
    const ds_expr *index[4], *offset, *coefficient, *rest;
    for (size_t i = 0; i < 4; i++) index[i] = i == dim ? ds_expr_dim(l->cx, 0) : ds_expr_const(l->cx, 0);
    offset = ds_layout_offset(l->cx, x, index);
    ds_expr_linear(l->cx, offset, 0, &coefficient, &rest);
    *out_origin = known(rest);
    return known(coefficient);
}

static void open_winograd(winograd *w, const ds_op *kernel) {
    lowering *l = w->l;
    winograd_space s;
    bool opened = winograd_open(&s, l->core, kernel);
    const char *wrong = winograd_read(&s, l->schedule, &w->choice);
    assert(opened && !wrong);
    (void)opened;
    (void)wrong;
    w->op = s.op;
    w->epilogue = s.epilogue;
    w->pool = s.pool;
    w->side = s.side;
    w->wide = s.wide;
    w->points = s.points;
    w->ci = s.ci;
    w->co = s.co;
    w->panels = s.panels;
    w->total = s.total;
    w->stride = s.stride;
    w->rows = (size_t)w->choice.rows;
    w->columns = (size_t)w->choice.columns;
    w->block = w->choice.block;
    const ds_type *x = ds_op_operand(w->op, 0)->type;
    const ds_attr *before = ds_op_attr(w->op, "before");
    for (size_t i = 0; i < 2; i++) {
        w->in[i] = s.in[i];
        w->out[i] = s.out[i];
        w->tiles[i] = s.tiles[i];
        w->before[i] = known(ds_attr_to_expr(before->items[i]));
    }
    w->image_step = step_along(l, x, 0, &w->origin);
    w->row_step = step_along(l, x, 2, &w->origin);
    w->column_step = step_along(l, x, 3, &w->origin);
    for (size_t i = 0; i < 4; i++) w->dims[i] = ds_expr_dim(l->cx, i);
}

/* The buffers: those of the kernel, and two of scratch memory. */
static void open_buffers(winograd *w) {
    lowering *l = w->l;
    const ds_op *root = w->pool ? w->pool : w->epilogue ? w->epilogue : w->op;
    w->window = w->pool ? known(ds_attr_to_expr(ds_op_attr(w->pool, "over")->items[0])) : 1;
    w->x = lw_buffer(l, ds_op_operand(w->op, 0));
    w->u = lw_buffer(l, ds_op_operand(w->op, 1));
    w->y = lw_buffer(l, &root->results[0]);
    w->v = add_scratch(l, w->points * w->block * w->stride * 4);
    w->m = add_scratch(l, w->points * w->block * width_of(w) * 4);
}

void lower_winograd(lowering *l, ds_op *kernel) {
    winograd w = {.l = l};
    ds_op *pieces;
    lower_bind_alone(l, kernel);
    open_winograd(&w, kernel);
    open_buffers(&w);
    ds_value *piece = lower_parallel(l, ds_expr_ceildiv(l->cx, w.total, ds_expr_const(l->cx, w.block)), w.choice.chunk,
                                     false, &pieces);
    w.start = times(l, piece, w.block);
    w.count =
        lw_binary(l, DS_LOOP_min, lw_index(l, w.block), lw_binary(l, DS_LOOP_sub, lw_extent(l, w.total), w.start));
    transform_input(&w);
    ds_op *blocks =
        lw_for(l, lw_index(l, 0), lw_index(l, w.panels * DS_PANEL / width_of(&w)), lw_index(l, 1), NULL, 0, NULL);
    multiply(&w, lw_for_position(blocks));
    transform_result(&w, lw_for_position(blocks));
    lw_end(l, blocks, NULL, 0);
    lower_parallel_end(l, pieces);
}
