/* join: images that are concatenated along their channels are written side by side by the kernels that make them.
 *
 *   before   %a = … -> tensor<1x64x55x55xf32, #last>    %b = …    %c = "graph.concat"(%a, %b) {axis = 1}
 *   after    %a = … -> tensor<1x64x55x55xf32, {map = …, within = [128, 0, 0]}>    %c = "graph.join"(%a, %b) {id = 0}
 *
 * A part that cannot be written there (it is in another concat's buffer, has a view, or comes from outside) is copied.
 * Where a network concatenates more and more (DenseNet), an earlier concat is the beginning of a later one's buffer. A
 * range of an image's channels is not copied, either: it is a part of that image's buffer.
 * Needs:  channels-last layouts.   Keeps: values.   Breaks: nothing.   Cost: linear in operands.
 */
#include "passes/contraction.h"
#include "passes/passes.h"

enum { MAX_RANK = 16, CHANNEL = 1 };

typedef struct {
    ds_module *m;
    ds_ir_context *cx;
    int64_t next; /* id */
} joiner;

static bool is_part(const ds_type *t) { return ds_layout_within(t, DS_WITHIN_ID) >= 0; }

static int64_t channels_of(const ds_type *t) { return t->dims[CHANNEL]->value; }

static bool has_border(const ds_type *t) { return ds_attr_find(t->encoding, "border") != NULL; }

/* Channels last in memory, of known number. */
static bool has_form(const ds_type *t) {
    const ds_attr *map = ds_attr_find(t->encoding, "map");
    if (!map || map->count != t->rank || t->rank != 4 || !ds_expr_is_const(t->dims[CHANNEL], NULL)) return false;
    return map->exprs[t->rank - 1]->kind == DS_EXPR_DIM && map->exprs[t->rank - 1]->value == CHANNEL;
}

static bool is_joinable(const ds_op *op) {
    if (op->kind != DS_GRAPH_concat || ds_op_int(op, "axis", 0) != CHANNEL || !has_form(op->results[0].type))
        return false;
    for (size_t i = 0; i < op->operand_count; i++) {
        const ds_value *v = ds_op_operand(op, i);
        if (!has_form(v->type) || (v->op && v->op->kind == DS_GRAPH_constant)) return false;
    }
    return true;
}

/* May the op that makes v write it into another buffer? */
static bool can_move(const ds_op *concat, const ds_value *v) {
    if (!v->op || v->op->block != concat->block || v->op->result_count != 1 || is_part(v->type) ||
        ds_layout_has_view(v))
        return false;
    return v->op->kind == DS_GRAPH_map || v->op->kind == DS_GRAPH_reduce || v->op->kind == DS_GRAPH_conv ||
           v->op->kind == DS_GRAPH_winograd || is_joinable(v->op);
}

/* All parts lie in one buffer already, one after the other: this concat is the beginning of that one's, or its
 * middle. */
static bool is_in_place(const ds_op *op) {
    const ds_type *first = ds_op_operand(op, 0)->type;
    int64_t start = ds_layout_within(first, DS_WITHIN_START);
    for (size_t i = 0; i < op->operand_count; i++) {
        const ds_type *t = ds_op_operand(op, i)->type;
        if (!is_part(t) || ds_layout_within(t, DS_WITHIN_ID) != ds_layout_within(first, DS_WITHIN_ID) ||
            ds_layout_within(t, DS_WITHIN_START) != start ||
            ds_attr_find(t->encoding, "border") != ds_attr_find(first->encoding, "border"))
            return false;
        start += channels_of(t);
    }
    return !has_border(op->results[0].type) && !ds_layout_has_view(&op->results[0]);
}

/* The same border around all that share a buffer: the widest that any of them needs. */
static void share_border(joiner *j, ds_op *op) {
    ds_value *result = &op->results[0];
    int64_t before[MAX_RANK], after[MAX_RANK];
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < op->operand_count; i++) {
            ds_value *from = ds_op_operand(op, i), *to = result;
            if (!can_move(op, from) || (pass == 0 && !has_border(from->type)) ||
                (pass == 1 && !has_border(result->type)))
                continue;
            if (pass) from = result, to = ds_op_operand(op, i);
            for (size_t d = 0; d < result->type->rank; d++)
                before[d] = ds_layout_border(from->type, d, false), after[d] = ds_layout_border(from->type, d, true);
            to->type = ds_layout_with_border(j->cx, to->type, before, after);
        }
}

static void replace_by_join(joiner *j, ds_op *op, ds_value *const *parts, int64_t id) {
    ds_builder b = {j->m, op->block, op, op->loc};
    const ds_type *type = op->results[0].type;
    ds_op *join = ds_op_create(&b, DS_GRAPH_join, parts, op->operand_count, &type, 1, 0);
    ds_op_set_attr(j->m, join, "id", ds_attr_int(j->cx, id));
    ds_value_replace_uses(&op->results[0], ds_op_result(join, 0));
    ds_op_erase(op);
}

static ds_value *copied(joiner *j, ds_op *before, ds_value *v, const ds_type *type) {
    ds_builder b = {j->m, before->block, before, before->loc};
    return ds_op_result(ds_copy_map(&b, v, type, ds_attr_identity_map(j->cx, type->rank), false), 0);
}

static void join_one(joiner *j, ds_op *op) {
    ds_value **parts = NULL, *result = &op->results[0];
    if (!is_part(result->type) && is_in_place(op)) /* it begins where its first part does */
        result->type = ds_type_with_encoding(j->cx, result->type, ds_op_operand(op, 0)->type->encoding);
    else if (!is_part(result->type)) share_border(j, op);
    bool part = is_part(result->type);
    int64_t total = part ? ds_layout_within(result->type, DS_WITHIN_TOTAL) : channels_of(result->type),
            start = part ? ds_layout_within(result->type, DS_WITHIN_START) : 0,
            id = part ? ds_layout_within(result->type, DS_WITHIN_ID) : j->next++;
    for (size_t i = 0; i < op->operand_count; i++) {
        ds_value *v = ds_op_operand(op, i);
        const ds_type *plain =
                          ds_type_tensor(j->cx, v->type->elem, v->type->rank, v->type->dims, result->type->encoding),
                      *placed = ds_layout_placed(j->cx, plain, total, start, id);
        bool fits = !has_border(v->type) ||
                    ds_attr_find(v->type->encoding, "border") == ds_attr_find(placed->encoding, "border");
        if (v->type != placed) {
            if (can_move(op, v) && fits) v->type = placed;
            else v = copied(j, op, v, placed);
        }
        arrput(parts, v);
        start += channels_of(v->type);
    }
    replace_by_join(j, op, parts, id);
    arrfree(parts);
}

/* ---- ranges of channels ---- */

/* A map that copies a range of the channels of an image that a kernel makes. */
static bool is_range(joiner *j, const ds_op *op, int64_t *out_start) {
    const ds_type *t = op->results[0].type;
    if (!ds_is_copy_map(op) || !has_form(t) || is_part(t) || ds_layout_has_view(&op->results[0]))
        return false; /* a view reads dense bytes */
    const ds_value *v = ds_op_operand(op, 0);
    const ds_attr *map = ds_op_map(op, 0);
    const ds_expr *step, *start;
    if (!has_form(v->type) || !(is_part(v->type) || can_move(op, v))) return false;
    for (size_t i = 0; i < map->count; i++) {
        if (!ds_expr_linear(j->cx, map->exprs[i], i, &step, &start) || !ds_expr_equals(step, 1) ||
            !ds_expr_is_const(start, out_start))
            return false;
        if (i != CHANNEL && (*out_start != 0 || v->type->dims[i] != t->dims[i])) return false;
    }
    return ds_expr_linear(j->cx, map->exprs[CHANNEL], CHANNEL, &step, &start) && ds_expr_is_const(start, out_start);
}

/* The image gets the border that windows over the range want. */
static void widen_for_range(joiner *j, ds_op *op) {
    int64_t before[4], after[4], start;
    const ds_type *t = op->results[0].type;
    if (!is_range(j, op, &start) || !has_border(t)) return;
    ds_value *v = ds_op_operand(op, 0);
    for (size_t d = 0; d < 4; d++) before[d] = ds_layout_border(t, d, false), after[d] = ds_layout_border(t, d, true);
    v->type = ds_layout_with_border(j->cx, v->type, before, after);
}

static void range_as_part(joiner *j, ds_op *op) {
    int64_t start;
    if (!is_range(j, op, &start)) return;
    ds_value *v = ds_op_operand(op, 0), *result = &op->results[0];
    if (!is_part(v->type)) v->type = ds_layout_placed(j->cx, v->type, channels_of(v->type), 0, j->next++);
    const ds_type *plain = ds_type_tensor(j->cx, v->type->elem, 4, result->type->dims, v->type->encoding);
    int64_t id = ds_layout_within(v->type, DS_WITHIN_ID);
    result->type = ds_layout_placed(j->cx, plain, ds_layout_within(v->type, DS_WITHIN_TOTAL),
                                    ds_layout_within(v->type, DS_WITHIN_START) + start, id);
    replace_by_join(j, op, &v, id);
}

ds_status ds_pass_join(ds_module *module, const ds_pass_options *options) {
    joiner j = {.m = module, .cx = module->cx};
    (void)options;
    for (ds_op *func = module->body.block->first; func; func = func->next) {
        ds_block *block = ds_op_block(func, 0);
        for (ds_op *op = block->last; op; op = op->prev) widen_for_range(&j, op);
        for (ds_op *op = block->last, *prev; op; op = prev) { /* later ones first: earlier ones may lie in them */
            prev = op->prev;
            if (is_joinable(op)) join_one(&j, op);
        }
        for (ds_op *op = block->first, *next; op; op = next) {
            next = op->next;
            range_as_part(&j, op);
        }
    }
    return DS_OK;
}
