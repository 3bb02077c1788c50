/* window: depthwise convolutions and pools. What is proposed, and what can be obeyed.
 *
 *   {program = "window", levels = [d2 grid 2, d1 lane 8, d2 tile 2, d3 tile 6, k unroll 9]}
 *
 * Each level is a dictionary: ir/schedule.h.
 *
 * Pieces are rows of all images, or, where those are few, channels (d1 grid). The last dim is `d` of its number; where
 * its extent is known the last tile of a row overlaps the one before (and stores the same values again), so there are
 * no edges. `k unroll`: all points of the window written out; without it, those of a row of the window, which is all of
 * it where it has one dim.
 */
#include "passes/schedule/window.h"

#include <string.h>

static bool constant_step(window_space *s, const ds_expr *e, size_t dim, int64_t *out) {
    const ds_expr *coefficient, *rest;
    return ds_expr_linear(s->core->cx, e, dim, &coefficient, &rest) && ds_expr_is_const(coefficient, out);
}

static bool moves_with_channels(window_space *s, const ds_expr *e) {
    int64_t step;
    return e && constant_step(s, e, WINDOW_CHANNEL, &step) && step == 1;
}

static bool open_space(window_space *s) {
    ds_ir_context *cx = s->core->cx;
    const ds_op *op = s->op;
    const ds_attr *over = ds_op_attr(op, "over"), *padding = ds_op_attr(op, "padding");
    s->pools = ds_is_pool(cx, op);
    if (!s->pools && (!ds_is_depthwise(cx, op) || (padding && padding->count))) return false;
    s->rank = op->results[0].type->rank;
    if (s->rank < 3 || s->rank + over->count > SCHEDULE_MOST_DIMS || over->count != s->rank - (s->pools ? 2 : 1))
        return false;
    s->along = s->rank - 1;
    s->first = s->rank + (s->pools ? 0 : 1);
    s->window = s->rank + over->count - 1;
    for (size_t i = 0; i <= s->window; i++) {
        s->position[i] = ds_expr_dim(cx, i);
        s->extent[i] = i < s->rank ? op->results[0].type->dims[i] : ds_attr_to_expr(over->items[i - s->rank]);
    }
    return true;
}

static bool open_accesses(window_space *s) {
    ds_ir_context *cx = s->core->cx;
    const ds_op *op = s->op, *root = s->epilogue ? s->epilogue : op;
    if (s->epilogue && s->epilogue->operand_count > WINDOW_MOST_EPILOGUE) return false;
    s->a = ds_layout_offset(cx, ds_op_operand(op, 0)->type, ds_op_map(op, 0)->exprs);
    s->out = ds_layout_offset(cx, root->results[0].type, s->position);
    if (!moves_with_channels(s, s->a) || !moves_with_channels(s, s->out)) return false;
    if (!s->pools) {
        s->b = ds_layout_offset(cx, ds_op_operand(op, 1)->type, ds_op_map(op, 1)->exprs);
        if (!moves_with_channels(s, s->b)) return false;
    }
    for (size_t i = 0; s->epilogue && i < s->epilogue->operand_count; i++)
        s->extra[i] = ds_layout_offset(cx, ds_op_operand(s->epilogue, i)->type, ds_op_map(s->epilogue, i)->exprs);
    return true;
}

static void find_leaving(window_space *s) {
    ds_window w;
    const ds_type *from = ds_op_operand(s->op, 0)->type;
    for (size_t dim = 2; dim < s->along; dim++)
        s->leaves[s->first + dim - 2] =
            ds_window_along(s->core->cx, s->op, dim, &w) && ds_window_leaves(s->op, dim, &w);
    if (!ds_window_along(s->core->cx, s->op, s->along, &w) || !ds_window_leaves(s->op, s->along, &w)) return;
    int64_t room = from->dims[s->along]->value + w.before -
                   w.reach; /* from the first element of one window to that of the last inside */
    s->leaves_before = (w.before + w.stride - 1) / w.stride;
    s->leaves_after = s->extent[s->along]->value - (room < 0 ? 0 : room / w.stride + 1);
}

static bool open_windows(window_space *s) {
    ds_window w;
    int64_t unit, step;
    if (s->core->lanes < 2 || !open_space(s) || !open_accesses(s) || !ds_window_along(s->core->cx, s->op, s->along, &w))
        return false;
    s->stride = w.stride;
    s->dilation = w.dilation;
    if (!constant_step(s, s->a, s->along, &unit) || w.stride < 1 || w.dilation < 1 || unit % w.stride) return false;
    unit /= w.stride;
    s->unit = ds_expr_const(s->core->cx, unit);
    if (!constant_step(s, s->a, s->window, &step) || step != unit * w.dilation) return false;
    if (s->pools) find_leaving(s);
    return ds_expr_is_const(s->extent[s->window], &s->width) && s->width <= DS_WINDOW_MOST;
}

/* Two spatial dims whose steps are known: input rows can be shared by two rows of results. */
static bool can_be_tall(window_space *s) {
    ds_window w;
    int64_t pitch, step;
    if (s->along < 3 || s->window <= s->first || !s->overlaps || !ds_window_along(s->core->cx, s->op, s->along - 1, &w))
        return false;
    s->row_stride = w.stride;
    s->row_dilation = w.dilation;
    if (!constant_step(s, s->a, s->along - 1, &pitch) || w.stride < 1 || w.dilation < 1 || pitch % w.stride)
        return false;
    pitch /= w.stride;
    s->pitch = ds_expr_const(s->core->cx, pitch);
    if (!constant_step(s, s->a, s->window - 1, &step) || step != pitch * w.dilation) return false;
    return ds_expr_is_const(s->extent[s->window - 1], &s->height) && s->height > 1 && s->height <= WINDOW_MOST_TALL;
}

int64_t window_reach(int64_t results, int64_t stride, int64_t window, int64_t dilation) {
    return (results - 1) * stride + (window - 1) * dilation + 1;
}

/* A depthwise convolution's input may be whole numbers of few bits, which become what its sums are. */
static bool has_elements(const ds_op *op) {
    ds_elem sum = op->results[0].type->elem, input = ds_op_operand(op, 0)->type->elem;
    if (op->kind != DS_GRAPH_conv) return true; /* pools have one type */
    if (!ds_elem_is_float(sum) || ds_elem_facts(sum)->bits != 32) return false;
    bool short_ones = ds_elem_is_integer(input) && ds_elem_facts(input)->bits <= 16;
    return (input == sum || short_ones) && ds_op_operand(op, 1)->type->elem == sum;
}

bool window_open(window_space *s, const ds_core *core, const ds_op *op, const ds_op *epilogue) {
    *s = (window_space){.core = core, .op = op, .epilogue = epilogue};
    if (op->result_count != 1 || !has_elements(op) || !open_windows(s)) return false;
    s->overlaps = ds_expr_is_const(s->extent[s->along], NULL);
    s->shares_rows = can_be_tall(s);
    return true;
}

/* ---- the tile ---- */

/* Useful results for the products and loads that a tile of so many takes in a row of the window. */
static double score_tile(const window_space *s, int64_t rows, int64_t n, int64_t extent) {
    double useful = s->overlaps ? (double)extent / (double)((extent + n - 1) / n * n) : 1,
           filter = s->pools ? 0 : (double)s->width / (double)n;
    double input = (double)window_reach(n, s->stride, s->width, s->dilation) / (double)n;
    if (rows > 1)
        input *= (double)window_reach(rows, s->row_stride, s->height, s->row_dilation) / (double)(rows * s->height);
    return useful / ((double)s->width + input + filter);
}

/* Beside the results a row of the filter for each of their rows and an input; a single row leaves one register over. */
static bool fits_registers(const window_space *s, int64_t rows, int64_t n) {
    if (rows * n == 1) return true;
    return rows * (n + (s->pools ? 0 : s->width)) + (rows > 1 ? 1 : 2) <= (int64_t)s->core->target->registers;
}

/* Points of the window; -1: not known. */
static int64_t window_points(const window_space *s) {
    int64_t points = 1, extent;
    for (size_t i = s->first; i <= s->window; i++) {
        if (!ds_expr_is_const(s->extent[i], &extent) || extent > DS_SCHEDULE_MOST_STEP / points) return -1;
        points *= extent;
    }
    return points;
}

static bool may_unroll(const window_space *s) {
    int64_t points = window_points(s);
    return points > 0 && points <= WINDOW_MOST_UNROLLED;
}

window_choice window_choose(const window_space *s) {
    window_choice c = {.count = 1, .tall = 1, .unrolls = s->core->unrolls && may_unroll(s), .chunk = 1};
    int64_t extent = 1, tall = s->shares_rows ? WINDOW_MOST_ROWS : 1;
    double best = 0;
    ds_expr_is_const(s->extent[s->along], &extent);
    for (int64_t rows = 1; rows <= tall; rows++)
        for (int64_t n = 1; n <= WINDOW_MOST_RESULTS && fits_registers(s, rows, n) && !(s->overlaps && n > extent);
             n++) {
            double score = score_tile(s, rows, n, extent);
            if (score <= best) continue;
            best = score;
            c.count = n;
            c.tall = rows;
        }
    return c;
}

const ds_expr *window_unit_rows(const window_space *s, const window_choice *c) {
    return ds_expr_ceildiv(s->core->cx, s->extent[s->along - 1], ds_expr_const(s->core->cx, c->tall));
}

const ds_expr *window_units(const window_space *s, const window_choice *c) {
    const ds_expr *units = s->along - 1 == WINDOW_CHANNEL ? ds_expr_const(s->core->cx, 1) : window_unit_rows(s, c);
    for (size_t i = 0; i + 1 < s->along; i++)
        if (i != WINDOW_CHANNEL) units = ds_expr_mul(s->core->cx, units, s->extent[i]);
    return units;
}

/* ---- levels ---- */

/* The dim whose rows are pieces. */
static size_t rows_dim(const window_space *s) { return s->along - 1 == WINDOW_CHANNEL ? 0 : s->along - 1; }

static const char *axis(const window_space *s, size_t dim) { return schedule_axis(s->core, 'd', dim); }

void window_add_levels(const window_space *s, const window_choice *c, int op, ds_schedule *out) {
    const ds_expr *channels = s->extent[WINDOW_CHANNEL];
    int64_t lanes = (int64_t)s->core->lanes;
    ds_schedule_add(out, op, axis(s, WINDOW_CHANNEL), DS_LEVEL_lane, lanes,
                    schedule_tail(channels, lanes, DS_TAIL_mask));
    if (c->tall > 1) ds_schedule_add(out, op, axis(s, s->along - 1), DS_LEVEL_tile, c->tall, DS_TAIL_guard);
    ds_schedule_add(out, op, axis(s, s->along), DS_LEVEL_tile, c->count,
                    s->overlaps ? DS_TAIL_overlap : DS_TAIL_repeat);
    if (c->unrolls) ds_schedule_add(out, op, "k", DS_LEVEL_unroll, window_points(s), DS_TAIL_exact);
}

static void add_grid(const window_space *s, const window_choice *c, ds_schedule *out) {
    if (c->channels) ds_schedule_add(out, DS_OWN, axis(s, WINDOW_CHANNEL), DS_LEVEL_grid, c->channels, DS_TAIL_guard);
    if (c->channels && c->chunk > 1) ds_schedule_add(out, DS_OWN, "grid", DS_LEVEL_serial, c->chunk, DS_TAIL_guard);
    if (!c->channels)
        ds_schedule_add(out, DS_OWN, axis(s, rows_dim(s)), DS_LEVEL_grid, c->chunk * c->tall, DS_TAIL_guard);
}

const char *window_read(const window_space *s, const ds_schedule *in, int op, window_choice *out) {
    const ds_level *along = ds_schedule_find(in, op, axis(s, s->along), DS_LEVEL_tile),
                   *tall = ds_schedule_find(in, op, axis(s, s->along - 1), DS_LEVEL_tile);
    int64_t extent;
    if (!along) return "the results of a row have no tile";
    *out = (window_choice){.count = along->step, .tall = tall ? tall->step : 1, .chunk = 1};
    out->unrolls = ds_schedule_find(in, op, "k", DS_LEVEL_unroll) != NULL;
    if (out->count > WINDOW_MOST_RESULTS)
        return schedule_refuse(s->core, "a tile has %d results of a row at most", WINDOW_MOST_RESULTS);
    if (out->tall > (s->shares_rows ? WINDOW_MOST_ROWS : 1))
        return "a tile has more rows than can share what they read";
    if (!fits_registers(s, out->tall, out->count))
        return schedule_refuse(s->core, "a tile of %dx%d takes more than %u registers", (int)out->tall, (int)out->count,
                               s->core->target->registers);
    if (s->overlaps && ds_expr_is_const(s->extent[s->along], &extent) && out->count > extent && out->count > 1)
        return "tiles that overlap need a row of one whole tile";
    if (out->unrolls && !may_unroll(s))
        return schedule_refuse(s->core, "windows of more than %d points are not written out", WINDOW_MOST_UNROLLED);
    return NULL;
}

/* ---- the program ---- */

enum { FEW_ROWS = 8, CHANNEL_PIECES = 16, CHUNK_VECTORS = 4 };

/* Few rows of many channels: pieces of channels, as those of the product that made them (its weights are many). Of a
 * wide row a piece reads so many bytes at each position and skips the rest; with fewer, the caches' prefetchers do not
 * keep up. 0: pieces of rows. */
static int64_t choose_channels(const window_space *s, const window_choice *c) {
    int64_t channels, count, lanes = (int64_t)s->core->lanes;
    if (!ds_expr_is_const(s->extent[WINDOW_CHANNEL], &channels) || !ds_expr_is_const(window_units(s, c), &count))
        return 0;
    if (count * c->tall > FEW_ROWS || channels < CHANNEL_PIECES * lanes) return 0;
    int64_t vectors = (channels + lanes - 1) / lanes, chunk = (vectors + CHANNEL_PIECES - 1) / CHANNEL_PIECES;
    return (chunk < CHUNK_VECTORS ? CHUNK_VECTORS : chunk) * lanes;
}

/* Of a unit. */
static double unit_work(const window_space *s, const window_choice *c) {
    double work =
        schedule_estimate(s->extent[s->along]) * schedule_estimate(s->extent[WINDOW_CHANNEL]) * (double)c->tall / 4;
    for (size_t i = s->first; i <= s->window; i++) work *= schedule_estimate(s->extent[i]);
    return work;
}

static bool open_kernel(window_space *s, const ds_core *core, const ds_op *kernel) {
    const ds_op *first = ds_op_block(kernel, 0)->first, *epilogue = schedule_epilogue(first),
                *last = epilogue ? epilogue : first;
    bool windows = first->kind == DS_GRAPH_conv || (first->kind == DS_GRAPH_reduce && ds_is_pool(core->cx, first));
    return windows && schedule_yields(kernel, last) && window_open(s, core, first, epilogue);
}

static ds_schedule make_schedule(const window_space *s, const window_choice *c) {
    ds_schedule out = {.program = "window"};
    add_grid(s, c, &out);
    window_add_levels(s, c, DS_OWN, &out);
    if (s->epilogue) ds_schedule_place(&out, 0, (int)arrlen(out.levels) - 1, DS_SPACE_registers, 0);
    return out;
}

static void add_schedule(const window_space *s, window_choice c, ds_schedule **out) {
    c.channels = choose_channels(s, &c);
    if (c.channels) {
        int64_t channels = s->extent[WINDOW_CHANNEL]->value, count = window_units(s, &c)->value;
        const ds_expr *pieces = ds_expr_const(s->core->cx, (channels + c.channels - 1) / c.channels);
        c.chunk = schedule_chunk(pieces, unit_work(s, &c) * (double)count * (double)c.channels / (double)channels, 1);
    } else c.chunk = schedule_chunk(window_units(s, &c), unit_work(s, &c), 1);
    arrput(*out, make_schedule(s, &c));
}

void propose_window(const ds_core *core, const ds_op *kernel, ds_schedule **out) {
    window_space s;
    if (open_kernel(&s, core, kernel)) add_schedule(&s, window_choose(&s), out);
}

const char *window_read_grid(const window_space *s, const ds_schedule *in, window_choice *c) {
    const ds_level *channels = ds_schedule_find(in, DS_OWN, axis(s, WINDOW_CHANNEL), DS_LEVEL_grid),
                   *rows = ds_schedule_find(in, DS_OWN, axis(s, rows_dim(s)), DS_LEVEL_grid),
                   *serial = ds_schedule_find(in, DS_OWN, "grid", DS_LEVEL_serial);
    c->channels = channels ? channels->step : 0;
    c->chunk = rows ? rows->step / c->tall : serial ? serial->step : 1;
    if (!channels == !rows) return "pieces are rows, or channels";
    if (rows && rows->step % c->tall) return "a piece has rows of whole tiles";
    if (channels && channels->step % (int64_t)s->core->lanes) return "a piece has channels of whole vectors";
    if (channels && (!ds_expr_is_const(s->extent[WINDOW_CHANNEL], NULL) || !ds_expr_is_const(window_units(s, c), NULL)))
        return "pieces of channels need extents that are known";
    return NULL;
}

const char *check_window(const ds_core *core, const ds_op *kernel, const ds_schedule *in) {
    window_space s;
    window_choice c;
    if (!open_kernel(&s, core, kernel))
        return "the kernel is not a depthwise convolution or a pool of channels that follow each other";
    const char *wrong = window_read(&s, in, DS_OWN, &c);
    if (!wrong) wrong = window_read_grid(&s, in, &c);
    if (wrong) return wrong;
    ds_schedule same = make_schedule(&s, &c);
    return schedule_compare(core, in, &same);
}
