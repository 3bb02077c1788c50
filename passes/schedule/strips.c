/* strips: what chains are, what is proposed, and what can be obeyed.
 *
 *   {program = "strips", levels = [d2 grid 14, d2 serial 2, op 0: m tile 6, …, op 2: d3 tile 4, …, op 4: …],
 *    place = [{op = 0, level = 1, space = "registers"}, {op = 1, level = 1, space = "scratch", keep = 2}, …]}
 *
 * A piece is a band of rows of the last result; it walks its strips from the top. Of what the window reads, `keep` rows
 * stay from strip to strip.
 */
#include "passes/schedule/strips.h"

#include <string.h>

bool strips_has_window(ds_ir_context *cx, const ds_op *op) { return ds_is_depthwise(cx, op) || ds_is_pool(cx, op); }

/* A pool all of whose windows have rows of the image. */
static bool pools_rows(const ds_op *op, const ds_window *reads) {
    const ds_type *from = ds_op_operand(op, 0)->type, *to = op->results[0].type;
    return ds_layout_is_channels_last(from) && reads->before < reads->reach &&
           (to->dims[2]->value - 1) * reads->stride - reads->before < from->dims[2]->value;
}

bool strips_makes_rows(ds_ir_context *cx, const ds_op *op) {
    const ds_type *t = op->results[0].type;
    const ds_attr *padding = ds_op_attr(op, "padding");
    ds_contraction c;
    ds_window reads, row;
    bool overlaps = strips_has_window(cx, op);
    if (!overlaps && op->kind != DS_GRAPH_conv) return false;
    if (t->elem != DS_f32 || t->rank != 4 || !ds_layout_is_channels_last(t) || (padding && padding->count))
        return false;
    for (size_t i = 1; i < 4; i++)
        if (!ds_expr_is_const(t->dims[i], NULL)) return false;
    if (t->dims[2]->value < 4 || t->dims[3]->value < 4) return false;
    if (!ds_window_along(cx, op, 2, &reads) || reads.reach < reads.stride || reads.before < 0) return false;
    if (overlaps && (!ds_window_along(cx, op, 3, &row) || row.reach > DS_WINDOW_MOST)) return false;
    if (op->kind != DS_GRAPH_conv) return pools_rows(op, &reads);
    if (!ds_attr_find(ds_op_operand(op, 1)->type->encoding, "map")) return false;
    return overlaps ||
           (ds_contraction_of(cx, op, &c) && c.role[1] == DS_DIM_N && c.role[2] == DS_DIM_M && c.role[3] == DS_DIM_M);
}

double strips_image_bytes(ds_ir_context *cx, const ds_value *v) {
    const ds_expr *extent[DS_CONTRACTION_MAX];
    double bytes = 4;
    ds_layout_extents(cx, v->type, extent);
    for (size_t i = 1; i < 4; i++) bytes *= (double)extent[i]->value;
    return bytes;
}

enum {
    BAND_OVERLAPS = 14,
    MOST_BANDS = 16,
    MOST_STRIP = 8
}; /* a band has this many times the rows that it makes anew at its top */

bool strips_choose(ds_ir_context *cx, const ds_machine *machine, const strips_chain *chain, strips_plan *out) {
    const ds_value *kept = chain->kept, *last = chain->last;
    const ds_op *window = chain->window;
    ds_window reads;
    const ds_type *t = window->results[0].type;
    int64_t height = t->dims[2]->value, bands = MOST_BANDS;
    ds_window_along(cx, window, 2, &reads);
    double row = last ? 4 * (double)(t->dims[1]->value * t->dims[3]->value) : 0, room = (double)machine->l2_bytes / 4;
    if (kept) {
        double one = strips_image_bytes(cx, kept) / (double)kept->type->dims[2]->value;
        row += one * (double)reads.stride;
        room -= one * (double)(reads.reach - reads.stride);
        if (reads.reach > reads.stride) bands = height * reads.stride / ((reads.reach - reads.stride) * BAND_OVERLAPS);
    }
    int64_t most = room < row ? 1 : (int64_t)(room / row);
    if (bands < 1) bands = 1;
    if (bands > MOST_BANDS) bands = MOST_BANDS;
    int64_t band = (height + bands - 1) / bands;
    if (most > MOST_STRIP) most = MOST_STRIP;
    if (most > band) most = band;
    out->rows = most;
    for (int64_t rows = most; rows * 2 >= most; rows--)
        if (band % rows == 0) {
            out->rows = rows;
            break;
        }
    out->band = (band + out->rows - 1) / out->rows * out->rows;
    return out->band < height || (ds_expr_is_const(t->dims[0], NULL) && t->dims[0]->value > 1);
}

/* ---- chains ---- */

const ds_op *strips_epilogue(const ds_op *op) {
    return op->next->kind == DS_GRAPH_map ? op->next : NULL;
} /* one that is_finished knows */

static const ds_op *last_of(const ds_op *op) { return strips_epilogue(op) ? strips_epilogue(op) : op; }

/* What an op hands to the next one, which alone reads it. */
static const ds_value *handed_on(const ds_op *op, const ds_op *reader) {
    const ds_value *v = &last_of(op)->results[0];
    return ds_value_has_one_use(v) && v->uses->owner == reader && ds_op_operand(reader, 0) == v && v->type->rank == 4
               ? v
               : NULL;
}

static bool is_finished(const ds_op *op) {
    const ds_op *map = strips_epilogue(op);
    return !map || schedule_is_epilogue(&op->results[0], map);
}

static bool reads_single_rows(ds_ir_context *cx, const ds_op *conv) {
    ds_window reads;
    return ds_window_along(cx, conv, 2, &reads) && reads.reach == 1 && reads.stride == 1 && reads.before == 0;
}

/* The rows above the first that a window reads are the border of its input; a pool looks after its own. */
static bool has_border(ds_ir_context *cx, const strips_chain *c) {
    ds_window reads;
    if (!ds_window_along(cx, c->window, 2, &reads)) return false;
    return ds_layout_border(c->kept->type, 2, false) == (ds_is_pool(cx, c->window) ? 0 : reads.before);
}

bool strips_chain_of(ds_ir_context *cx, const ds_op *kernel, strips_chain *out) {
    const ds_op *ops[3], *yield = ds_op_block(kernel, 0)->last;
    size_t count = 0, at = 0;
    *out = (strips_chain){0};
    for (const ds_op *op = ds_op_block(kernel, 0)->first; op != yield; op = last_of(op)->next) {
        bool convolves = op->kind == DS_GRAPH_conv || op->kind == DS_GRAPH_reduce;
        if (count == DS_COUNT(ops) || !convolves || !strips_makes_rows(cx, op) || !is_finished(op)) return false;
        ops[count++] = op;
    }
    if (count < 2 || yield->operand_count != 1 || ds_op_operand(yield, 0) != &last_of(ops[count - 1])->results[0])
        return false;
    if (!strips_has_window(cx, ops[0])) out->before = ops[at++];
    out->window = ops[at++];
    if (at < count) out->after = ops[at++];
    if (at != count || !strips_has_window(cx, out->window)) return false;
    out->kept = out->before ? handed_on(out->before, out->window) : NULL;
    out->last = out->after ? handed_on(out->window, out->after) : NULL;
    if ((out->before && !out->kept) || (out->after && !out->last) || (out->kept && !has_border(cx, out))) return false;
    return !out->after || (!strips_has_window(cx, out->after) && reads_single_rows(cx, out->after));
}

void strips_rows_in_memory(ds_ir_context *cx, const ds_type *t, int64_t *out_rows, int64_t *out_length) {
    const ds_expr *extent[DS_CONTRACTION_MAX];
    ds_layout_extents(cx, t, extent);
    *out_rows = extent[1]->value;
    *out_length = extent[2]->value * extent[3]->value;
}

int64_t strips_buffer_rows(ds_ir_context *cx, const ds_value *v, int64_t strip) {
    ds_window reads;
    return ds_window_along(cx, v->uses->owner, 2, &reads) ? (strip - 1) * reads.stride + reads.reach : strip;
}

/* ---- the program ---- */

typedef struct {
    const ds_core *core;
    const ds_op *kernel;
    strips_chain chain;
    strips_plan plan;
    const ds_schedule *given; /* whose choices are read; NULL: chosen by cost */
    ds_schedule made;
    const char *wrong;
} strips_maker;

static void make_product(strips_maker *w, const ds_op *op, int index) {
    tile_space t;
    tile_choice c;
    int64_t unit = w->chain.kept && op == w->chain.before ? 0 : w->plan.rows;
    if (!tile_open_image(&t, w->core, op, strips_epilogue(op), unit)) {
        w->wrong = "a convolution has no tiled form for some of its rows";
        return;
    }
    if (w->given) w->wrong = tile_read(&t, w->given, index, &c);
    else c = tile_choose(&t);
    if (!w->wrong) tile_add_levels(&t, &c, index, &w->made);
}

static void make_window(strips_maker *w, const ds_op *op, int index) {
    window_space s;
    window_choice c;
    if (!window_open(&s, w->core, op, strips_epilogue(op)) || s.along != 3) {
        w->wrong = "a depthwise convolution or pool has no tiled form for some of its rows";
        return;
    }
    if (w->given) w->wrong = window_read(&s, w->given, index, &c);
    else c = window_choose(&s);
    if (!w->wrong) window_add_levels(&s, &c, index, &w->made);
}

/* Rows of what the window reads that the next strip needs as well. */
static int64_t kept_rows(const strips_maker *w) {
    ds_window reads;
    ds_window_along(w->core->cx, w->chain.window, 2, &reads);
    return reads.reach > reads.stride ? reads.reach - reads.stride : 0;
}

static ds_schedule make_strips(strips_maker *w) {
    int index = 0;
    w->made = (ds_schedule){.program = "strips", .mma = w->chain.before || w->chain.after ? "fma_f32" : NULL};
    ds_schedule_add(&w->made, DS_OWN, schedule_axis(w->core, 'd', 2), DS_LEVEL_grid, w->plan.band, DS_TAIL_guard);
    ds_schedule_add(&w->made, DS_OWN, schedule_axis(w->core, 'd', 2), DS_LEVEL_serial, w->plan.rows, DS_TAIL_guard);
    for (const ds_op *op = ds_op_block(w->kernel, 0)->first; op->kind != DS_GRAPH_yield && !w->wrong;
         op = op->next, index++) {
        const ds_op *epilogue = strips_epilogue(op);
        if (op == w->chain.window) make_window(w, op, index);
        else make_product(w, op, index);
        if (epilogue) {
            ds_schedule_place(&w->made, index++, 1, DS_SPACE_registers, 0);
            op = epilogue;
        }
        if (op->next->kind != DS_GRAPH_yield)
            ds_schedule_place(&w->made, index, 1, DS_SPACE_scratch,
                              &op->results[0] == w->chain.kept ? kept_rows(w) : 0);
    }
    return w->made;
}

static void propose_plan(strips_maker *w, strips_plan plan, ds_schedule **out) {
    w->plan = plan;
    w->wrong = NULL;
    ds_schedule made = make_strips(w); /* says what is wrong */
    schedule_offer(made, w->wrong, out);
}

void propose_strips(const ds_core *core, const ds_op *kernel, ds_schedule **out) {
    strips_maker w = {.core = core, .kernel = kernel};
    strips_plan best;
    if (!strips_chain_of(core->cx, kernel, &w.chain)) return;
    strips_choose(core->cx, core->machine, &w.chain, &best);
    propose_plan(&w, best, out);
    for (int64_t rows = 1; core->exhausts && rows <= MOST_STRIP; rows *= 2)
        for (int64_t strips = 1; strips <= 16; strips *= 4)
            if ((rows != best.rows || rows * strips != best.band) &&
                rows * strips <= kernel->results[0].type->dims[2]->value)
                propose_plan(&w, (strips_plan){rows, rows * strips}, out);
}

const char *check_strips(const ds_core *core, const ds_op *kernel, const ds_schedule *s) {
    strips_maker w = {.core = core, .kernel = kernel, .given = s};
    const ds_level *grid = ds_schedule_find(s, DS_OWN, "d2", DS_LEVEL_grid),
                   *serial = ds_schedule_find(s, DS_OWN, "d2", DS_LEVEL_serial);
    if (!strips_chain_of(core->cx, kernel, &w.chain))
        return "the kernel is not convolutions around a depthwise one or a pool";
    if (!grid || !serial) return "there are no bands and strips of rows";
    if (grid->step % serial->step) return "a band has whole strips";
    if (serial->step > kernel->results[0].type->dims[2]->value) return "a strip has more rows than there are";
    w.plan = (strips_plan){serial->step, grid->step};
    make_strips(&w);
    if (!w.wrong) return schedule_compare(core, s, &w.made);
    ds_schedule_free(&w.made);
    return w.wrong;
}
