/* winograd: what is proposed, and what can be obeyed.
 *
 *   {program = "winograd", mma = "fma_f32", levels = [m grid 48, m tile 12, n tile 16, k unroll 4]}
 *
 * m: tiles of all images, taken as one; n: output channels; k: input channels.
 */
#include "passes/schedule/winograd.h"

#include <string.h>

enum { PIECES = 4 };

static int64_t known(const ds_expr *e) {
    int64_t v = 0;
    ds_expr_is_const(e, &v);
    return v;
}

bool winograd_takes_pool(ds_ir_context *cx, const ds_op *winograd, const ds_op *pool) {
    if (!ds_is_pool(cx, pool) || pool->results[0].type->rank != 4 || !ds_layout_is_channels_last(pool->results[0].type))
        return false;
    int64_t tile = ds_op_int(winograd, "tile", 0);
    ds_window w[2];
    for (size_t i = 0; i < 2; i++) {
        if (!ds_window_along(cx, pool, 2 + i, &w[i]) || ds_window_leaves(pool, 2 + i, &w[i]) || w[i].before)
            return false;
        if (w[i].dilation != 1 || w[i].reach < 1 || w[i].reach != w[i].stride || tile % w[i].reach) return false;
    }
    return w[0].reach == w[1].reach;
}

/* ---- the space ---- */

/* Is element [i, j, co, ci] of the filter where whole panels of output channels for each point have it? */
static bool is_filter(ds_ir_context *cx, const ds_type *u, int64_t wide, int64_t co, int64_t ci) {
    const ds_expr *d[4], *panel = ds_expr_const(cx, DS_PANEL);
    if (u->elem != DS_f32 || u->rank != 4) return false;
    for (size_t i = 0; i < 4; i++) d[i] = ds_expr_dim(cx, i);
    if (!ds_expr_equals(u->dims[0], wide) || !ds_expr_equals(u->dims[1], wide) || !ds_expr_equals(u->dims[2], co) ||
        !ds_expr_equals(u->dims[3], ci))
        return false;
    const ds_expr *at = ds_expr_add(cx, ds_expr_scale(cx, d[0], wide), d[1]);
    at = ds_expr_add(cx, ds_expr_scale(cx, at, (co + DS_PANEL - 1) / DS_PANEL), ds_expr_floordiv(cx, d[2], panel));
    at = ds_expr_add(cx, ds_expr_scale(cx, at, ci), d[3]);
    return ds_layout_offset(cx, u, d) == ds_expr_add(cx, ds_expr_scale(cx, at, DS_PANEL), ds_expr_mod(cx, d[2], panel));
}

/* An image whose channels and places are known, and follow each other as they do in memory of channels-last order. */
static bool is_image(const ds_type *t) {
    if (t->elem != DS_f32 || t->rank != 4 || !ds_layout_is_channels_last(t)) return false;
    for (size_t i = 1; i < 4; i++)
        if (!ds_expr_is_const(t->dims[i], NULL) || t->dims[i]->value < 1) return false;
    return true;
}

static bool has_form(ds_ir_context *cx, const ds_op *op) {
    const ds_type *x = ds_op_operand(op, 0)->type, *y = op->results[0].type;
    const ds_attr *before = ds_op_attr(op, "before");
    int64_t side = ds_op_int(op, "tile", 0);
    if ((side != 2 && side != 4) || !before || before->count != 2 || !is_image(x) || !is_image(y) ||
        x->dims[0] != y->dims[0])
        return false;
    for (size_t i = 0; i < 2; i++)
        if (!ds_expr_is_const(ds_attr_to_expr(before->items[i]), NULL)) return false;
    return is_filter(cx, ds_op_operand(op, 1)->type, side + 2, y->dims[1]->value, x->dims[1]->value);
}

bool winograd_open(winograd_space *w, const ds_core *core, const ds_op *kernel) {
    const ds_op *op = ds_op_block(kernel, 0)->first, *last = op;
    *w = (winograd_space){.core = core, .op = op};
    if (op->kind != DS_GRAPH_winograd || !has_form(core->cx, op) || core->lanes < 2 || (int64_t)core->lanes > DS_PANEL)
        return false;
    w->epilogue = schedule_epilogue(op);
    if (w->epilogue) last = w->epilogue;
    if (last->next->kind == DS_GRAPH_reduce) {
        w->pool = last->next;
        if (!ds_value_has_one_use(&last->results[0]) || ds_op_operand(w->pool, 0) != &last->results[0]) return false;
        if (!winograd_takes_pool(core->cx, op, w->pool)) return false;
        last = w->pool;
    }
    if (!schedule_yields(kernel, last)) return false;
    const ds_type *x = ds_op_operand(op, 0)->type, *y = op->results[0].type;
    w->side = ds_op_int(op, "tile", 0);
    w->wide = w->side + 2;
    w->points = w->wide * w->wide;
    w->ci = known(x->dims[1]);
    w->co = known(y->dims[1]);
    w->panels = (w->co + DS_PANEL - 1) / DS_PANEL;
    for (size_t i = 0; i < 2; i++) {
        w->in[i] = known(x->dims[i + 2]);
        w->out[i] = known(y->dims[i + 2]);
        w->tiles[i] = (w->out[i] + w->side - 1) / w->side;
    }
    w->total = ds_expr_scale(core->cx, y->dims[0], w->tiles[0] * w->tiles[1]);
    w->stride = w->ci + WINOGRAD_SKEW;
    return true;
}

/* ---- sizes ---- */

static int64_t vectors_of(const winograd_space *w) {
    int64_t unit = DS_PANEL / (int64_t)w->core->lanes;
    return unit == 1 && w->panels % 2 == 0 ? 2 : unit;
}

static int64_t most_rows(const winograd_space *w, int64_t columns) {
    int64_t most = ((int64_t)w->core->target->registers - columns - 1) / columns;
    return most > WINOGRAD_MOST_ROWS ? WINOGRAD_MOST_ROWS : most;
}

/* What blocks of `count` register tiles cost, in rows: edges repeat rows, few rows for a step's loads cost more each,
 * and pieces should keep four threads busy to the end. */
static double block_cost(int64_t total, int64_t rows, int64_t count) {
    int64_t block = rows * count, rest = total % block, pieces = (total + block - 1) / block;
    double work = (double)(total - rest + (rest + rows - 1) / rows * rows) * (1 + 3.0 / (double)rows);
    double rounds = (double)((pieces + PIECES - 1) / PIECES) * PIECES * (double)block / (double)total;
    return work * (1 + 0.2 * (rounds - 1));
}

/* Tiles whose points fit half the L2 cache. */
static int64_t most_tiles(const winograd_space *w) {
    int64_t limit = (int64_t)(w->core->machine->l2_bytes / 2) / (w->points * 4 * w->stride);
    return limit > WINOGRAD_MOST_TILES ? WINOGRAD_MOST_TILES : limit;
}

static winograd_choice choose(const winograd_space *w) {
    winograd_choice c = {.columns = vectors_of(w), .chunk = 1};
    int64_t total = (int64_t)schedule_estimate(w->total), most = most_rows(w, c.columns), limit = most_tiles(w);
    double best = 0;
    for (int64_t rows = 1; rows == 1 || rows <= most; rows++) /* one even where registers are too few */
        for (int64_t count = 1; count == 1 || rows * count <= limit; count++) {
            double cost = block_cost(total, rows, count);
            if (best != 0 && cost >= best) continue;
            best = cost;
            c.rows = rows;
            c.block = rows * count;
        }
    return c;
}

static int64_t choose_chunk(const winograd_space *w, const winograd_choice *c) {
    double work = (double)c->block * (double)w->ci * (double)w->co * (double)w->points / 16;
    return schedule_chunk(ds_expr_ceildiv(w->core->cx, w->total, ds_expr_const(w->core->cx, c->block)), work, 1);
}

static int64_t width_of(const winograd_space *w, const winograd_choice *c) {
    return c->columns * (int64_t)w->core->lanes;
}

static ds_schedule make_schedule(const winograd_space *w, const winograd_choice *c) {
    ds_schedule s = {.program = "winograd", .mma = "fma_f32"};
    ds_schedule_add(&s, DS_OWN, "m", DS_LEVEL_grid, c->block * c->chunk, DS_TAIL_guard);
    ds_schedule_add(&s, DS_OWN, "m", DS_LEVEL_serial, c->block, DS_TAIL_guard);
    ds_schedule_add(&s, DS_OWN, "m", DS_LEVEL_tile, c->rows, schedule_tail(w->total, c->rows, DS_TAIL_repeat));
    ds_schedule_add(&s, DS_OWN, "n", DS_LEVEL_tile, width_of(w, c),
                    schedule_tail(ds_op_operand(w->op, 1)->type->dims[2], width_of(w, c), DS_TAIL_mask));
    if (w->core->unrolls) ds_schedule_add(&s, DS_OWN, "k", DS_LEVEL_unroll, 4, DS_TAIL_guard);
    ds_schedule_place(&s, 0, 1, DS_SPACE_scratch, 0);
    return s;
}

static void add_schedule(const winograd_space *w, winograd_choice c, ds_schedule **out) {
    c.chunk = choose_chunk(w, &c);
    arrput(*out, make_schedule(w, &c));
}

void propose_winograd(const ds_core *core, const ds_op *kernel, ds_schedule **out) {
    winograd_space w;
    if (!winograd_open(&w, core, kernel)) return;
    winograd_choice best = choose(&w);
    add_schedule(&w, best, out);
    for (int64_t rows = 2; core->exhausts && rows <= most_rows(&w, best.columns); rows += 2)
        for (int64_t block = rows; block <= most_tiles(&w); block *= 2)
            if (rows != best.rows || block != best.block)
                add_schedule(&w, (winograd_choice){.rows = rows, .columns = best.columns, .block = block}, out);
}

const char *winograd_read(const winograd_space *w, const ds_schedule *s, winograd_choice *out) {
    const ds_level *grid = ds_schedule_find(s, DS_OWN, "m", DS_LEVEL_grid),
                   *block = ds_schedule_find(s, DS_OWN, "m", DS_LEVEL_serial),
                   *m = ds_schedule_find(s, DS_OWN, "m", DS_LEVEL_tile);
    if (!grid || !block || !m) return "tiles have no grid, blocks or register tile";
    *out = (winograd_choice){m->step, vectors_of(w), block->step, grid->step / block->step};
    if (grid->step % block->step) return "a piece has whole blocks of tiles";
    if (block->step % m->step) return "a block has whole register tiles";
    if (m->step > 1 && m->step > most_rows(w, out->columns))
        return schedule_refuse(w->core, "a register tile has %d rows at most", (int)most_rows(w, out->columns));
    if (block->step > WINOGRAD_MOST_TILES && block->step > m->step)
        return schedule_refuse(w->core, "a block has %d tiles at most", WINOGRAD_MOST_TILES);
    return NULL;
}

const char *check_winograd(const ds_core *core, const ds_op *kernel, const ds_schedule *s) {
    winograd_space w;
    winograd_choice c;
    if (!winograd_open(&w, core, kernel)) return "the kernel is not a convolution whose filter is transformed";
    const char *wrong = winograd_read(&w, s, &c);
    if (wrong) return wrong;
    ds_schedule same = make_schedule(&w, &c);
    return schedule_compare(core, s, &same);
}
