/* winograd: which convolutions take Winograd's form. A decision only: layout rewrites them.
 *
 *   before   "graph.conv"(%x, %w) : (tensor<1x64x56x56xf32>, tensor<64x64x3x3xf32>) -> …
 *   after    "graph.conv"(%x, %w) {tile = 4} : …
 *
 * Needs:  graph ops.   Keeps: shapes, values but for rounding.   Breaks: nothing.   Cost: linear.
 */
#include "passes/winograd.h"

#include <stdlib.h>
#include <string.h>

#include "ir/dims.h"
#include "passes/constant.h"
#include "passes/contraction.h"
#include "passes/passes.h"

/* Costs in multiply-adds: of a transform for each point of a tile and channel, of a filter element that is read from
 * memory. */
enum { POINT_COST = 8, FILTER_COST = 32 };

/* result[n, co, y, x] sums input[n, ci, y + i - pad, x + j - pad] * filter[co, ci, i, j]: dims are n, co, y, x, ci, i,
 * j. */
static bool has_form(ds_ir_context *cx, const ds_op *conv) {
    const ds_attr *x = ds_op_map(conv, 0), *w = ds_op_map(conv, 1);
    const ds_expr *coefficient, *rest;
    if (conv->results[0].type->rank != 4 || ds_op_attr(conv, "over")->count != 3) return false;
    for (size_t i = 0; i < 4; i++) {
        static const int64_t filter_dims[] = {1, 4, 5, 6};
        if (w->exprs[i]->kind != DS_EXPR_DIM || w->exprs[i]->value != filter_dims[i]) return false;
    }
    if (x->exprs[0] != ds_expr_dim(cx, 0) || x->exprs[1] != ds_expr_dim(cx, 4)) return false;
    for (size_t i = 2; i < 4; i++) {
        if (!ds_expr_equals(ds_op_operand(conv, 1)->type->dims[i], 3)) return false;
        if (!ds_expr_linear(cx, x->exprs[i], i, &coefficient, &rest) || !ds_expr_equals(coefficient, 1)) return false;
        if (!ds_expr_linear(cx, rest, i + 3, &coefficient, &rest) || !ds_expr_equals(coefficient, 1) ||
            !ds_expr_is_const(rest, NULL))
            return false;
    }
    return true;
}

bool ds_winograd_fits(ds_ir_context *cx, const ds_op *conv) {
    const ds_type *y = conv->results[0].type, *w = ds_op_operand(conv, 1)->type, *x = ds_op_operand(conv, 0)->type;
    int64_t co, ci;
    if (y->elem != DS_f32 || x->elem != y->elem || w->elem != y->elem || !has_form(cx, conv)) return false;
    if (!ds_expr_is_const(w->dims[0], &co) || !ds_expr_is_const(w->dims[1], &ci) || co < 8 || ci < 8) return false;
    if (!ds_expr_is_const(x->dims[2], NULL) || !ds_expr_is_const(x->dims[3], NULL)) return false;
    return ds_expr_is_const(y->dims[2], NULL) && ds_expr_is_const(y->dims[3], NULL);
}

int ds_winograd_tile(ds_ir_context *cx, const ds_op *conv, int largest, ds_winograd_cost *out) {
    const ds_type *y = conv->results[0].type, *w = ds_op_operand(conv, 1)->type;
    if (!ds_winograd_fits(cx, conv)) return 0;
    int64_t co = w->dims[0]->value, ci = w->dims[1]->value, rows = y->dims[2]->value, columns = y->dims[3]->value;
    double pair = (double)((co + DS_PANEL - 1) / DS_PANEL * DS_PANEL) * (double)ci; /* filters come in whole panels */
    double direct = 9 * pair * ((double)rows * (double)columns + FILTER_COST), best = 0.8 * direct;
    int chosen = 0;
    for (int tile = largest; tile >= 2; tile -= 2) {
        double tiles = (double)((rows + tile - 1) / tile) * (double)((columns + tile - 1) / tile),
               points = (tile + 2) * (tile + 2);
        double cost = points * (pair * (tiles + FILTER_COST) + tiles * (double)(co + ci) * POINT_COST);
        if (cost < best) {
            best = cost, chosen = tile;
            *out = (ds_winograd_cost){.saved = direct - cost, .times = direct / cost, .bytes = (points - 9) * pair * 4};
        }
    }
    return chosen;
}

/* ---- the filter ---- */

/* sum over the last dim of `matrix` [n, 3] and dim `at` of v, whose place n takes */
static ds_value *along(ds_module *m, ds_builder *b, ds_value *matrix, ds_value *v, size_t at) {
    ds_ir_context *cx = m->cx;
    const ds_expr *dims[4], *vm[4], *mm[] = {ds_expr_dim(cx, at), ds_expr_dim(cx, 4)}, *over = ds_expr_const(cx, 3);
    for (size_t i = 0; i < 4; i++) {
        dims[i] = i == at ? matrix->type->dims[0] : v->type->dims[i];
        vm[i] = ds_expr_dim(cx, i == at ? 4 : i);
    }
    const ds_type *type = ds_type_tensor(cx, DS_f32, 4, dims, NULL);
    const ds_attr *maps[] = {ds_attr_map(cx, 5, mm, 2), ds_attr_map(cx, 5, vm, 4)};
    ds_value *operands[] = {matrix, v};
    ds_op *op = ds_op_create(b, DS_GRAPH_matmul, operands, 2, &type, 1, 0);
    ds_op_set_attr(m, op, "maps", ds_attr_array(cx, maps, 2));
    ds_op_set_attr(m, op, "over", ds_attr_exprs(cx, &over, 1));
    ds_dims_note(m, op);
    return ds_op_result(op, 0);
}

/* U[a, b, co, ci] = sum over i, j of G[a, i] G[b, j] w[co, ci, i, j] */
static ds_value *transformed_filter(ds_module *m, ds_builder *b, ds_value *w, int tile) {
    /* clang-format off */
    static const float g2[4][3] = {{1, 0, 0}, {0.5f, 0.5f, 0.5f}, {0.5f, -0.5f, 0.5f}, {0, 0, 1}};
    static const float g4[6][3] = {{1.f / 4, 0, 0}, {-1.f / 6, -1.f / 6, -1.f / 6}, {-1.f / 6, 1.f / 6, -1.f / 6},
                                   {1.f / 24, 1.f / 12, 1.f / 6}, {1.f / 24, -1.f / 12, 1.f / 6}, {0, 0, 1}};
    /* clang-format on */
    ds_ir_context *cx = m->cx;
    const ds_expr *gdims[] = {ds_expr_const(cx, tile + 2), ds_expr_const(cx, 3)}, *const *d = w->type->dims,
                  *dims[] = {d[2], d[3], d[0], d[1]};
    const ds_type *type = ds_type_tensor(cx, DS_f32, 2, gdims, NULL),
                  *turned = ds_type_tensor(cx, DS_f32, 4, dims, NULL);
    ds_op *matrix = ds_op_create(b, DS_GRAPH_constant, NULL, 0, &type, 1, 0);
    ds_op_set_attr(m, matrix, "value",
                   tile == 4 ? ds_attr_elements(cx, type, g4, sizeof g4, NULL)
                             : ds_attr_elements(cx, type, g2, sizeof g2, NULL));
    const ds_expr *from[] = {ds_expr_dim(cx, 2), ds_expr_dim(cx, 3), ds_expr_dim(cx, 0), ds_expr_dim(cx, 1)};
    ds_op *turn = ds_copy_map(b, w, turned, ds_attr_map(cx, 4, from, 4), false);
    return along(m, b, ds_op_result(matrix, 0), along(m, b, ds_op_result(matrix, 0), ds_op_result(turn, 0), 0), 1);
}

ds_op *ds_winograd_rewrite(ds_module *m, ds_op *conv, int tile) {
    ds_ir_context *cx = m->cx;
    ds_builder b = {m, conv->block, conv, conv->loc};
    const ds_attr *x = ds_op_map(conv, 0);
    const ds_expr *before[2], *coefficient, *rest;
    for (size_t i = 0; i < 2; i++) {
        ds_expr_linear(cx, x->exprs[i + 2], i + 2, &coefficient, &rest);
        ds_expr_linear(cx, rest, i + 5, &coefficient, &rest);
        before[i] = ds_expr_scale(cx, rest, -1);
    }
    ds_value *operands[] = {ds_op_operand(conv, 0), transformed_filter(m, &b, ds_op_operand(conv, 1), tile)};
    ds_op *op = ds_op_create(&b, DS_GRAPH_winograd, operands, 2, &conv->results[0].type, 1, 0);
    ds_op_set_attr(m, op, "tile", ds_attr_int(cx, tile));
    if (ds_op_attr(conv, "node")) ds_op_set_attr(m, op, "node", ds_op_attr(conv, "node"));
    if (ds_op_attr(conv, "stays")) ds_op_set_attr(m, op, "stays", ds_op_attr(conv, "stays"));
    ds_op_set_attr(m, op, "before", ds_attr_exprs(cx, before, 2));
    ds_value_replace_uses(&conv->results[0], &op->results[0]);
    ds_op_erase(conv);
    return op;
}

/* ---- the choice ---- */

typedef struct {
    ds_op *conv;
    int tile;
    ds_winograd_cost cost;
    size_t index;
} candidate;

typedef struct {
    ds_module *m;
    const ds_pass_options *options;
    candidate *found; /* stb_ds array */
    uint8_t *known;   /* of ds_depends_on_constants */
    double bytes;     /* of the model's constants */
} search;

/* What was measured for the convolution of this node; NULL: nothing. */
static const ds_choice *measured(const ds_pass_options *options, const char *node) {
    for (size_t i = 0; i < options->schedule_count; i++)
        if (options->schedules[i].node && !strcmp(options->schedules[i].node, node)) return &options->schedules[i];
    return NULL;
}

static void find_candidate(void *user, ds_op *op) {
    search *s = user;
    const ds_attr *value = op->kind == DS_GRAPH_constant ? ds_op_attr(op, "value") : NULL;
    candidate c = {.conv = op, .index = arrlenu(s->found)};
    if (value) s->bytes += (double)value->count;
    if (op->kind != DS_GRAPH_conv || !ds_depends_on_constants(&s->known, ds_op_operand(op, 1))) return;
    if (!ds_winograd_fits(s->m->cx, op)) return;
    const char *node = ds_loc_text(op->loc);
    const ds_choice *choice = measured(s->options, node);
    if (*node) ds_op_set_attr(s->m, op, "node", ds_attr_string(s->m->cx, node)); /* what such a schedule goes by */
    if (choice && choice->tile) ds_op_set_attr(s->m, op, "tile", ds_attr_int(s->m->cx, choice->tile));
    else if (!choice && (c.tile = ds_winograd_tile(s->m->cx, op, 4, &c.cost))) arrput(s->found, c);
}

static int most_for_its_bytes(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    double p = x->cost.saved * y->cost.bytes, q = y->cost.saved * x->cost.bytes;
    return p != q ? (p > q ? -1 : 1) : x->index < y->index ? -1 : 1;
}

/* Transformed filters are 1.8 or 4 times as large: those that save most for their bytes, as long as all weights
 * together grow by less than GROWTH of the model's (packing may add some), and those that a schedule names. */
static void choose(search *s, ds_block *block) {
    static const double GROWTH = 0.48, LEAST = 1 << 21; /* bytes that are always allowed */
    ds_walk(block, find_candidate, s);
    if (s->found) qsort(s->found, arrlenu(s->found), sizeof *s->found, most_for_its_bytes);
    double left = GROWTH * s->bytes > LEAST ? GROWTH * s->bytes : LEAST;
    for (size_t i = 0; i < arrlenu(s->found); i++) {
        candidate *c = &s->found[i];
        if (c->cost.bytes > left && c->tile > 2) c->tile = ds_winograd_tile(s->m->cx, c->conv, 2, &c->cost);
        if (!c->tile || c->cost.bytes > left) continue;
        left -= c->cost.bytes;
        ds_op_set_attr(s->m, c->conv, "tile", ds_attr_int(s->m->cx, c->tile));
    }
}

ds_status ds_pass_winograd(ds_module *module, const ds_pass_options *options) {
    for (ds_op *func = module->body.block->first; func; func = func->next) {
        search s = {.m = module, .options = options};
        choose(&s, ds_op_block(func, 0));
        arrfree(s.found);
        arrfree(s.known);
    }
    return DS_OK;
}
