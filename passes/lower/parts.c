/* Dense concats whose parts follow each other in memory: what makes a part writes it to its place, and nothing is
 * copied.
 *
 *   before   %a = kernel(…)
 *            %b = kernel(…)                                   %c = kernel(%a, %b) { concat }
 *   after    %a = kernel(…) {part = 0, at = "0"}    %b = kernel(…) {part = 0, at = "64"}
 *            %c = "graph.join"(%a, %b) {id = 0}
 *
 * (Images in channels-last layout: passes/join.c, before kernels are made.) `part` is the buffer's number, `at` the
 * part's first byte and `whole` the bytes of all.
 */
#include "passes/lower/lower.h"

static bool is_returned(const ds_value *v) {
    for (const ds_use *use = v->uses; use; use = use->next)
        if (use->owner->kind == DS_RETURN ||
            (use->owner->kind == DS_GRAPH_reshape && is_returned(&use->owner->results[0])))
            return true;
    return false;
}

/* May the kernel that makes v write it into a larger buffer? */
static bool can_move(ds_value *v, const ds_block *block) {
    const ds_value *root = lower_root_of(v);
    return root->op && root->op->kind == DS_GRAPH_kernel && root->op->block == block && root->op->result_count == 1 &&
           !root->type->encoding && !v->type->encoding && !ds_op_attr(root->op, "part") && !is_returned(root);
}

static bool has_bytes(const ds_type *t) { return ds_elem_facts(t->elem)->bits >= 8; }

static const ds_expr *bytes_of(ds_ir_context *cx, const ds_type *t) {
    return ds_elem_bytes_of(cx, t->elem, ds_type_count(cx, t));
}

/* A kernel of a concat whose parts can all be made in place. */
static bool is_placeable(ds_ir_context *cx, ds_op *kernel) {
    const ds_op *concat = kernel->kind == DS_GRAPH_kernel ? ds_op_block(kernel, 0)->first : NULL;
    if (!concat || concat->kind != DS_GRAPH_concat || kernel->operand_count != concat->operand_count ||
        concat->operand_count < 2)
        return false;
    const ds_type *t = kernel->results[0].type;
    if (t->encoding || !has_bytes(t) || bytes_of(cx, t)->is_late)
        return false; /* late: known when the first part is made already */
    for (int64_t d = 0; d < ds_op_int(concat, "axis", 0); d++)
        if (!ds_expr_equals(t->dims[d], 1)) return false;
    for (size_t i = 0; i < kernel->operand_count; i++) {
        if (ds_op_operand(concat, i) != ds_op_block(kernel, 0)->args[i] ||
            !can_move(ds_op_operand(kernel, i), kernel->block))
            return false;
        for (size_t k = 0; k < i; k++)
            if (lower_root_of(ds_op_operand(kernel, k)) == lower_root_of(ds_op_operand(kernel, i))) return false;
    }
    return true;
}

static int64_t free_id(const ds_block *body) {
    int64_t next = 0;
    for (const ds_op *op = body->first; op; op = op->next)
        if (op->kind == DS_GRAPH_join && ds_op_int(op, "id", 0) >= next) next = ds_op_int(op, "id", 0) + 1;
    return next;
}

void lower_join_parts(ds_module *m, ds_block *body) {
    ds_ir_context *cx = m->cx;
    int64_t id = free_id(body);
    for (ds_op *op = body->first, *next; op; op = next) {
        next = op->next;
        if (!is_placeable(cx, op)) continue;
        const ds_expr *at = ds_expr_const(cx, 0), *whole = bytes_of(cx, op->results[0].type);
        ds_value **parts = NULL;
        for (size_t i = 0; i < op->operand_count; i++) {
            ds_value *v = ds_op_operand(op, i);
            ds_op *made_by = lower_root_of(v)->op;
            ds_op_set_attr(m, made_by, "part", ds_attr_int(cx, id));
            ds_op_set_attr(m, made_by, "at", ds_attr_expr(cx, at));
            ds_op_set_attr(m, made_by, "whole", ds_attr_expr(cx, whole));
            at = ds_expr_add(cx, at, bytes_of(cx, v->type));
            arrput(parts, v);
        }
        ds_builder b = {m, body, op, op->loc};
        ds_op *join = ds_op_create(&b, DS_GRAPH_join, parts, arrlenu(parts), &op->results[0].type, 1, 0);
        ds_op_set_attr(m, join, "id", ds_attr_int(cx, id++));
        ds_value_replace_uses(&op->results[0], &join->results[0]);
        ds_op_erase(op);
        arrfree(parts);
    }
}
