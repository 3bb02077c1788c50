/* rows, blocks and turns: what is proposed, and what can be obeyed.
 *
 *   {program = "rows", levels = [d1 grid 4, op 0: k0 lane 8, op 1: d2 lane 8, …],
 *    place = [{op = 0, level = 0, space = "scratch"}, …]}
 *   {program = "blocks", levels = [d2 grid 48, op 0: m tile 6, n tile 16, k unroll 4, op 1: …], place = […]}
 *   {program = "turns", levels = [d0 grid 1, turn serial 1, op 0: …], place = […]}
 *
 * The grid's axis is the last dim that all ops share. What flows between them has room for one row, or a block of rows;
 * a row may lie in the result's place, and a product's sums stay in registers where a map finishes them.
 */
#include "passes/schedule/rows.h"

#include <string.h>

/* ---- what may go together ---- */

size_t rows_of_reduce(const ds_op *op) {
    const ds_type *t = op->results[0].type;
    if (t->encoding || op->operand_count == 0) return 0;
    size_t rows = t->rank;
    const ds_attr *map = ds_op_map(op, 0);
    for (size_t i = 0; i < map->count && i < t->rank; i++)
        if (map->exprs[i]->kind != DS_EXPR_DIM || map->exprs[i]->value != (int64_t)i || map->count != t->rank) {
            rows = i;
            break;
        }
    return rows < t->rank ? rows : 0;
}

bool rows_read(const ds_attr *map, const ds_type *type, size_t rows) {
    if (map->count < rows) return false;
    for (size_t i = 0; i < rows; i++) {
        bool one = ds_expr_equals(type->dims[i], 1) && ds_expr_equals(map->exprs[i], 0);
        if (!one && (map->exprs[i]->kind != DS_EXPR_DIM || map->exprs[i]->value != (int64_t)i)) return false;
    }
    return true;
}

bool rows_same(const ds_type *a, const ds_type *b, size_t rows) {
    if (a->rank < rows || b->rank < rows || a->encoding || b->encoding) return false;
    for (size_t i = 0; i < rows; i++)
        if (a->dims[i] != b->dims[i]) return false;
    return true;
}

bool rows_is_plain(const ds_op *op) {
    if ((op->kind != DS_GRAPH_map && op->kind != DS_GRAPH_reduce) || ds_op_attr(op, "pads")) return false;
    for (const ds_op *inner = ds_op_block(op, 0)->first; inner; inner = inner->next)
        if (inner->kind == DS_GRAPH_extract) return false;
    return true;
}

/* Do the right operand's columns lie side by side in memory, as tiles load them? */
static bool columns_adjoin(ds_ir_context *cx, const ds_op *op, size_t column) {
    const ds_type *w = ds_op_operand(op, 1)->type;
    const ds_attr *layout = ds_attr_find(w->encoding, "map");
    const ds_expr *offset = ds_layout_offset(cx, w, ds_op_map(op, 1)->exprs), *apart, *rest;
    for (size_t i = 0; layout && i < layout->count; i++)
        if (layout->exprs[i]->kind == DS_EXPR_FLOORDIV) return true;
    return offset && ds_expr_linear(cx, offset, column, &apart, &rest) && ds_expr_equals(apart, 1);
}

/* Two floats of one type, or f32 and something narrower that registers widen, multiplied in vectors: matrices are the
 * program tile's. */
static bool multiplies_floats(const ds_target *target, const ds_op *product) {
    const ds_mma *row = product->operand_count == 2 ? ds_contraction_mma(target, product) : NULL;
    bool widens = row && row->lhs == row->sum && row->k == 1;
    return row && ds_elem_is_float(row->rhs) && (row->lhs == row->rhs || widens) && !ds_mma_matrix(target, row);
}

bool rows_multiply_alike(const ds_op *a, const ds_op *b) {
    return ds_op_operand(a, 1)->type->elem == ds_op_operand(b, 1)->type->elem;
}

bool rows_is_product(ds_ir_context *cx, const ds_target *target, const ds_op *op, size_t *out_rows) {
    ds_contraction c;
    const ds_type *t = op->results[0].type;
    if (op->kind != DS_GRAPH_matmul || t->elem != DS_f32 || !multiplies_floats(target, op) || t->encoding ||
        !ds_type_is_static(t) || t->rank < 2)
        return false;
    if (!ds_contraction_of(cx, op, &c) || c.over_count != 1 || c.role[t->rank - 1] != DS_DIM_N) return false;
    for (size_t i = 0; i + 2 < t->rank; i++)
        if (c.role[i] != DS_DIM_BATCH && c.role[i] != DS_DIM_M && !ds_expr_equals(t->dims[i], 1)) return false;
    *out_rows = t->rank - 1;
    if (!columns_adjoin(cx, op, t->rank - 1)) return false;
    return c.role[t->rank - 2] == DS_DIM_M && !ds_expr_equals(t->dims[t->rank - 2], 1);
}

bool rows_is_result(const ds_op *kernel, const ds_value *v) {
    const ds_op *yield = ds_op_block(kernel, 0)->last;
    for (size_t i = 0; i < yield->operand_count; i++)
        if (ds_op_operand(yield, i) == v) return true;
    return false;
}

/* All results of the kernel's ops share these dims, and what is made inside is read row by row. */
static bool shares_rows(const ds_op *kernel, size_t shared) {
    const ds_block *body = ds_op_block(kernel, 0);
    const ds_type *first = body->first->result_count ? body->first->results[0].type : NULL;
    for (const ds_op *op = body->first; op != body->last; op = op->next) {
        if (!op->result_count || (op->kind != DS_GRAPH_matmul && !rows_is_plain(op))) return false;
        for (size_t r = 0; r < op->result_count; r++)
            if (!rows_same(first, op->results[r].type, shared) || op->results[r].type->rank > SCHEDULE_MOST_DIMS)
                return false;
        for (size_t i = 0; i < op->operand_count; i++) {
            const ds_value *v = ds_op_operand(op, i);
            if (v->op && v->op->block == body && !rows_read(ds_op_map(op, i), v->type, shared)) return false;
        }
    }
    return true;
}

/* ---- places ---- */

size_t rows_shared(const ds_schedule *s) {
    bool shares = !strcmp(s->program, "rows") || !strcmp(s->program, "blocks");
    for (size_t i = 0; shares && i < arrlenu(s->levels); i++)
        if (s->levels[i].kind == DS_LEVEL_grid)
            return schedule_axis_number(s->levels[i].axis, 'd', SCHEDULE_MOST_DIMS) + 1;
    return 0;
}

const ds_placement *rows_place(const ds_schedule *s, int op) {
    for (size_t i = 0; i < arrlenu(s->places); i++)
        if (s->places[i].op == op) return &s->places[i];
    return NULL;
}

enum { LONG_ROW = 1024 }; /* elements */

static bool reads_own_points(const ds_op *op, const ds_type *type) {
    for (size_t i = 0; i < op->operand_count; i++)
        if (ds_op_operand(op, i)->type == type && !ds_map_is_identity(ds_op_map(op, i), type)) return false;
    return true;
}

/* A row that the last map reads at its own points needs no room of its own: it may lie in the result's, whose lines
 * then come to the cache while there is much to compute. Nothing like the result is read after it but itself, as the
 * result may lie over an operand. */
static const ds_value *row_for_result(const ds_op *kernel) {
    const ds_block *body = ds_op_block(kernel, 0);
    const ds_op *yield = body->last, *last = yield->prev;
    const ds_type *type = last->results[0].type;
    if (yield->operand_count != 1 || last->kind != DS_GRAPH_map || last->result_count != 1 || !type->rank) return NULL;
    if (!reads_own_points(last, type)) return NULL;
    const ds_op *op = last->prev;
    while (op && (op->result_count != 1 || op->results[0].type != type)) op = op->prev;
    if (!op || op->kind != DS_GRAPH_map || !reads_own_points(op, type)) return NULL;
    for (const ds_op *later = op->next; later != yield; later = later->next)
        for (size_t i = 0; i < later->operand_count; i++)
            if (ds_op_operand(later, i)->type == type && ds_op_operand(later, i) != &op->results[0]) return NULL;
    return &op->results[0];
}

static bool is_long(const ds_type *type) {
    int64_t length;
    return ds_expr_is_const(type->dims[type->rank - 1], &length) && length >= LONG_ROW;
}

/* ---- levels of the ops ---- */

typedef struct {
    const ds_core *core;
    const ds_op *kernel;
    size_t shared;
    int64_t block;            /* rows at work; 0: one */
    const ds_schedule *given; /* whose choices are read; NULL: chosen by cost */
    ds_schedule made;
    const char *wrong;
} rows_maker;

static void make_product(rows_maker *w, const ds_op *op, const ds_op *epilogue, int index) {
    tile_space t;
    tile_choice c;
    size_t fixed = w->block ? w->shared : w->shared + 1;
    if (!tile_open_rows(&t, w->core, op, epilogue, fixed, w->block)) {
        w->wrong = "a product has no tiled form for some of its rows";
        return;
    }
    if (w->given) w->wrong = tile_read(&t, w->given, index, &c);
    else c = tile_choose(&t);
    if (!w->wrong) tile_add_levels(&t, &c, index, &w->made);
    w->made.mma = t.mma->name;
}

static void make_nest(rows_maker *w, const ds_op *op, int index) {
    nest n;
    nest_choice c;
    nest_open(w->core, &n, op, w->shared);
    if (w->given) w->wrong = nest_read(w->core, &n, op, w->shared, false, w->given, index, &c);
    else c = nest_choose(w->core, &n, op, w->shared, false);
    if (!w->wrong) nest_add_levels(w->core, &n, &c, index, &w->made);
}

/* May a map finish what this product makes, tile by tile? */
static bool has_epilogue(const ds_op *op) { return op->kind == DS_GRAPH_matmul && schedule_epilogue(op); }

static void make_levels(rows_maker *w, const ds_block *body) {
    int index = 0;
    for (const ds_op *op = body->first; op != body->last && !w->wrong; op = op->next, index++) {
        if (op->kind != DS_GRAPH_matmul) {
            make_nest(w, op, index);
            continue;
        }
        const ds_op *epilogue = w->block && has_epilogue(op) ? op->next : NULL;
        make_product(w, op, epilogue, index);
        if (!epilogue) continue;
        op = epilogue;
        index++;
    }
}

/* What flows between the ops. */
static void make_places(rows_maker *w, const ds_value *in_result) {
    const ds_block *body = ds_op_block(w->kernel, 0);
    int index = 0;
    for (const ds_op *op = body->first; op != body->last; op = op->next, index++)
        for (size_t r = 0; r < op->result_count; r++) {
            const ds_value *v = &op->results[r];
            if (rows_is_result(w->kernel, v)) continue;
            ds_space space = v == in_result                 ? DS_SPACE_result
                             : w->block && has_epilogue(op) ? DS_SPACE_registers
                                                            : DS_SPACE_scratch;
            if (r == 0 || !rows_place(&w->made, index)) ds_schedule_place(&w->made, index, 0, space, 0);
        }
}

/* ---- rows ---- */

/* Of a row, in scalar operations. */
static double row_work(const ds_op *kernel, size_t shared) {
    double work = 0;
    for (const ds_op *op = ds_op_block(kernel, 0)->first; op->kind != DS_GRAPH_yield; op = op->next) {
        const ds_type *t = op->operand_count ? ds_op_operand(op, 0)->type : op->results[0].type;
        double row = 2;
        for (size_t i = shared; i < t->rank; i++) row *= schedule_estimate(t->dims[i]);
        work += row;
    }
    return work;
}

/* Memory for a row is taken when the model starts. */
static bool is_known_early(const ds_op *op, size_t shared) {
    for (size_t r = 0; r < op->result_count; r++)
        for (size_t i = shared; i < op->results[r].type->rank; i++)
            if (op->results[r].type->dims[i]->is_late) return false;
    return true;
}

static size_t rows_of_kernel(const ds_op *kernel) {
    const ds_block *body = ds_op_block(kernel, 0);
    if (body->first->kind != DS_GRAPH_reduce || body->first->next == body->last) return 0;
    size_t shared = rows_of_reduce(body->first);
    for (const ds_op *op = body->first; op != body->last; op = op->next)
        if ((op->kind != DS_GRAPH_map && op->kind != DS_GRAPH_reduce) || !is_known_early(op, shared)) return 0;
    return shared && shares_rows(kernel, shared) ? shared : 0;
}

static ds_schedule make_rows(rows_maker *w, int64_t chunk, const ds_value *in_result) {
    w->made = (ds_schedule){.program = "rows"};
    ds_schedule_add(&w->made, DS_OWN, schedule_axis(w->core, 'd', w->shared - 1), DS_LEVEL_grid, chunk, DS_TAIL_guard);
    make_levels(w, ds_op_block(w->kernel, 0));
    make_places(w, in_result);
    return w->made;
}

void propose_rows(const ds_core *core, const ds_op *kernel, ds_schedule **out) {
    rows_maker w = {.core = core, .kernel = kernel, .shared = rows_of_kernel(kernel)};
    if (!w.shared) return;
    const ds_type *type = kernel->results[0].type;
    const ds_expr *total = ds_expr_const(core->cx, 1);
    for (size_t i = 0; i < w.shared; i++) total = ds_expr_mul(core->cx, total, type->dims[i]);
    int64_t chunk = schedule_chunk(total, row_work(kernel, w.shared), 1);
    const ds_value *row = row_for_result(kernel);
    const ds_value *chosen = row && is_long(row->type) ? row : NULL;
    arrput(*out, make_rows(&w, chunk, chosen));
}

/* The op whose row the schedule puts into the result's place; NULL: none. */
static const ds_value *placed_in_result(const ds_op *kernel, const ds_schedule *s) {
    for (size_t i = 0; i < arrlenu(s->places); i++)
        if (s->places[i].space == DS_SPACE_result && (size_t)s->places[i].op < schedule_op_count(kernel))
            return &schedule_op(kernel, (size_t)s->places[i].op)->results[0];
    return NULL;
}

static const char *compare(rows_maker *w, const ds_schedule *s) {
    if (!w->wrong) return schedule_compare(w->core, s, &w->made);
    ds_schedule_free(&w->made);
    return w->wrong;
}

const char *check_rows(const ds_core *core, const ds_op *kernel, const ds_schedule *s) {
    rows_maker w = {.core = core, .kernel = kernel, .shared = rows_of_kernel(kernel), .given = s};
    const ds_level *grid = arrlenu(s->levels) ? &s->levels[0] : NULL;
    if (!w.shared) return "the kernel is not reductions and maps that share rows";
    if (!grid || grid->kind != DS_LEVEL_grid) return "there is no grid over the rows";
    const ds_value *row = placed_in_result(kernel, s);
    if (row && row != row_for_result(kernel)) return "this row cannot lie in the result's place";
    make_rows(&w, grid->step, row);
    return compare(&w, s);
}

/* ---- blocks ---- */

enum {
    ROW_UNIT = 24,
    BLOCKS = 16
}; /* rows come in multiples that any tile divides; blocks wanted, where rows are many */

/* How many rows of the first product's result are at work at a time: they fit a quarter of the L2 cache. */
static int64_t choose_block(const ds_core *core, const ds_type *t) {
    int64_t columns = t->dims[t->rank - 1]->value, rows = t->dims[t->rank - 2]->value, batch = 1;
    for (size_t i = 0; i + 2 < t->rank; i++) batch *= t->dims[i]->value;
    int64_t block = (int64_t)core->machine->l2_bytes / 16 / (columns < 1 ? 1 : columns), fewer = rows * batch / BLOCKS;
    if (block > fewer) block = fewer;
    if (block > rows) block = rows + ROW_UNIT - 1;
    block = block / ROW_UNIT * ROW_UNIT;
    return block < ROW_UNIT ? ROW_UNIT : block;
}

/* A product, what is done to its rows, a product with the result, and maybe a map; 0 when the kernel is not that. */
static size_t rows_of_blocks(const ds_core *core, const ds_op *kernel) {
    const ds_block *body = ds_op_block(kernel, 0);
    size_t rows, own, products = 0;
    if (!rows_is_product(core->cx, core->target, body->first, &rows) || body->last->operand_count != 1 ||
        !shares_rows(kernel, rows))
        return 0;
    for (const ds_op *op = body->first; op != body->last; op = op->next) {
        if (op->result_count != 1) return 0; /* blocks of one value an op are shifted to their places */
        if (op->kind != DS_GRAPH_matmul) continue;
        const ds_value *right = ds_op_operand(op, 1);
        if (!rows_is_product(core->cx, core->target, op, &own) || own != rows ||
            !rows_multiply_alike(body->first, op) || (right->op && right->op->block == body))
            return 0;
        products++;
    }
    return products > 1 ? rows : 0;
}

static ds_schedule make_blocks(rows_maker *w) {
    w->made = (ds_schedule){.program = "blocks"};
    ds_schedule_add(&w->made, DS_OWN, schedule_axis(w->core, 'd', w->shared - 1), DS_LEVEL_grid, w->block,
                    DS_TAIL_guard);
    make_levels(w, ds_op_block(w->kernel, 0));
    make_places(w, NULL);
    return w->made;
}

static void propose_block(rows_maker *w, int64_t block, ds_schedule **out) {
    w->block = block;
    w->wrong = NULL;
    ds_schedule made = make_blocks(w); /* says what is wrong */
    schedule_offer(made, w->wrong, out);
}

void propose_blocks(const ds_core *core, const ds_op *kernel, ds_schedule **out) {
    static const int64_t others[] = {24, 48, 96, 192, 384};
    rows_maker w = {.core = core, .kernel = kernel, .shared = rows_of_blocks(core, kernel)};
    if (!w.shared) return;
    const ds_type *type = ds_op_block(kernel, 0)->first->results[0].type;
    int64_t best = choose_block(core, type);
    propose_block(&w, best, out);
    for (size_t i = 0; core->exhausts && i < DS_COUNT(others); i++)
        if (others[i] != best && others[i] < type->dims[w.shared - 1]->value + ROW_UNIT)
            propose_block(&w, others[i], out);
}

const char *check_blocks(const ds_core *core, const ds_op *kernel, const ds_schedule *s) {
    rows_maker w = {.core = core, .kernel = kernel, .shared = rows_of_blocks(core, kernel), .given = s};
    if (!w.shared) return "the kernel is not products with what lies between them, row by row";
    if (!arrlenu(s->levels) || s->levels[0].kind != DS_LEVEL_grid) return "there is no grid over blocks of rows";
    w.block = s->levels[0].step;
    int64_t rows = ds_op_block(kernel, 0)->first->results[0].type->dims[w.shared - 1]->value;
    if (w.block > ROW_UNIT && w.block >= rows + ROW_UNIT) /* one unit even where there is no row */
        return "a block has more rows than there are";
    make_blocks(&w);
    return compare(&w, s);
}

/* ---- turns ---- */

/* An op of a loop's body that walks the first dim point by point, as far as it concerns values of the loop. */
static bool keeps_first_dim(const ds_block *body, const ds_op *op, const ds_expr *first) {
    bool product = op->kind == DS_GRAPH_matmul && !ds_op_attr(op, "pads");
    if (!product && !rows_is_plain(op)) return false;
    for (size_t i = 0; i < op->result_count; i++) {
        const ds_type *t = op->results[i].type;
        if (!ds_type_is_static(t) || t->encoding || t->rank < 2 || t->dims[0] != first) return false;
    }
    for (size_t i = 0; i < op->operand_count; i++) {
        const ds_value *v = ds_op_operand(op, i);
        bool inside = v->op ? v->op->block == body : v->block == body;
        if (inside && (v->type->rank < 2 || v->type->dims[0] != first || !rows_read(ds_op_map(op, i), v->type, 1)))
            return false;
    }
    return true;
}

enum { MOST_TURN_OPS = 80 }; /* each has three levels at most */

bool rows_are_turns(const ds_op *loop) {
    const ds_block *body = ds_op_block(loop, 0);
    size_t count = 0;
    if (loop->kind != DS_GRAPH_loop || !loop->operand_count || ds_op_attr(loop, "conditional") ||
        ds_op_attr(loop, "symbols"))
        return false;
    const ds_type *state = loop->results[0].type;
    if (state->rank < 2 || !ds_expr_is_const(state->dims[0], NULL)) return false;
    for (size_t i = 0; i < body->arg_count; i++) {
        const ds_type *t = body->args[i]->type;
        if (!ds_type_is_static(t) || t->encoding || t->rank < 2 || t->dims[0] != state->dims[0]) return false;
    }
    for (const ds_op *op = body->first; op != body->last; op = op->next)
        if (++count > MOST_TURN_OPS || !keeps_first_dim(body, op, state->dims[0])) return false;
    for (size_t i = 0; i < body->last->operand_count; i++) {
        const ds_value *v = ds_op_operand(body->last, i);
        if (!v->op || v->op->block != body || loop->results[i].type->encoding) return false;
    }
    return true;
}

static const ds_op *loop_of(const ds_op *kernel) {
    const ds_op *loop = ds_op_block(kernel, 0)->first;
    return loop->kind == DS_GRAPH_loop && loop->next->kind == DS_GRAPH_yield && rows_are_turns(loop) ? loop : NULL;
}

static void make_turn(rows_maker *w, const ds_op *op, int index) {
    tile_space t;
    if (op->kind == DS_GRAPH_matmul && tile_open_rows(&t, w->core, op, NULL, w->shared + 1, 0))
        make_product(w, op, NULL, index);
    else make_nest(w, op, index);
}

static ds_schedule make_turns(rows_maker *w) {
    const ds_block *body = ds_op_block(loop_of(w->kernel), 0);
    int index = 0;
    w->made = (ds_schedule){.program = "turns"};
    ds_schedule_add(&w->made, DS_OWN, schedule_axis(w->core, 'd', 0), DS_LEVEL_grid, 1, DS_TAIL_exact);
    ds_schedule_add(&w->made, DS_OWN, "turn", DS_LEVEL_serial, 1, DS_TAIL_exact);
    for (const ds_op *op = body->first; op != body->last && !w->wrong; op = op->next, index++) make_turn(w, op, index);
    return w->made;
}

void propose_turns(const ds_core *core, const ds_op *kernel, ds_schedule **out) {
    rows_maker w = {.core = core, .kernel = kernel, .shared = 1};
    if (!loop_of(kernel)) return;
    ds_schedule s = make_turns(&w);
    arrput(*out, s);
}

const char *check_turns(const ds_core *core, const ds_op *kernel, const ds_schedule *s) {
    rows_maker w = {.core = core, .kernel = kernel, .shared = 1, .given = s};
    if (!loop_of(kernel)) return "the kernel is not a loop";
    make_turns(&w);
    return compare(&w, s);
}
