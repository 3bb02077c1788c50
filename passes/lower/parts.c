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
 *
 * Where the result lies in the memory of an argument (ir/alias.h) that is the first part, that one is there already:
 *
 *   before   %c = kernel(%past, %b) { concat }
 *   after    %b = kernel(…) {part = 0, at = "past * 64"}    %c = "graph.join"(%past, %b) {id = 0, part = 0, whole = …}
 */
#include "ir/alias.h"
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

/* A kernel of a concat of dense parts that follow each other. */
static bool is_concat(ds_ir_context *cx, const ds_op *kernel) {
    const ds_op *concat = kernel->kind == DS_GRAPH_kernel ? ds_op_block(kernel, 0)->first : NULL;
    if (!concat || concat->kind != DS_GRAPH_concat || kernel->operand_count != concat->operand_count ||
        concat->operand_count < 2)
        return false;
    const ds_type *t = kernel->results[0].type;
    if (t->encoding || !has_bytes(t) || bytes_of(cx, t)->is_late)
        return false; /* late: known when the first part is made already */
    for (int64_t d = 0; d < ds_op_int(concat, "axis", 0); d++)
        if (!ds_expr_equals(t->dims[d], 1)) return false;
    for (size_t i = 0; i < kernel->operand_count; i++)
        if (ds_op_operand(concat, i) != ds_op_block(kernel, 0)->args[i] || ds_op_operand(kernel, i)->type->encoding)
            return false;
    return true;
}

/* One whose parts can all be made in place. */
static bool is_placeable(ds_ir_context *cx, ds_op *kernel) {
    if (!is_concat(cx, kernel)) return false;
    for (size_t i = 0; i < kernel->operand_count; i++) {
        if (!can_move(ds_op_operand(kernel, i), kernel->block)) return false;
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

static void place_part(ds_module *m, ds_value *v, int64_t id, const ds_expr *at, const ds_expr *whole) {
    ds_op *made_by = lower_root_of(v)->op;
    ds_op_set_attr(m, made_by, "part", ds_attr_int(m->cx, id));
    ds_op_set_attr(m, made_by, "at", ds_attr_expr(m->cx, at));
    ds_op_set_attr(m, made_by, "whole", ds_attr_expr(m->cx, whole));
}

/* `in_place`: the first part is an argument, in whose memory the result lies; the others are written behind it, or
 * copied there. */
static void join_parts(ds_module *m, ds_op *op, int64_t id, bool in_place) {
    ds_ir_context *cx = m->cx;
    const ds_expr *at = ds_expr_const(cx, 0), *whole = bytes_of(cx, op->results[0].type);
    ds_value **parts = NULL;
    for (size_t i = 0; i < op->operand_count; i++) {
        ds_value *v = ds_op_operand(op, i);
        if (!in_place || (i && can_move(v, op->block))) place_part(m, v, id, at, whole);
        at = ds_expr_add(cx, at, bytes_of(cx, v->type));
        arrput(parts, v);
    }
    ds_builder b = {m, op->block, op, op->loc};
    ds_op *join = ds_op_create(&b, DS_GRAPH_join, parts, arrlenu(parts), &op->results[0].type, 1, 0);
    ds_op_set_attr(m, join, "id", ds_attr_int(cx, id));
    if (in_place) {
        ds_op_set_attr(m, join, "part", ds_attr_int(cx, id));
        ds_op_set_attr(m, join, "whole", ds_attr_expr(cx, whole));
    }
    ds_value_replace_uses(&op->results[0], &join->results[0]);
    ds_op_erase(op);
    arrfree(parts);
}

/* The argument in whose memory this value is to lie, or NULL. */
static const ds_value *memory_of(const ds_op *func, ds_value *v) {
    const ds_block *body = ds_op_block(func, 0);
    for (size_t i = 0; i < body->last->operand_count; i++)
        if (lower_root_of(ds_op_operand(body->last, i)) == v && ds_alias_of(func, i) >= 0)
            return body->args[ds_alias_of(func, i)];
    return NULL;
}

static bool grows_in_place(ds_ir_context *cx, const ds_op *func, ds_op *kernel) {
    return is_concat(cx, kernel) && lower_root_of(ds_op_operand(kernel, 0)) == memory_of(func, &kernel->results[0]);
}

void lower_join_parts(ds_module *m, ds_op *func) {
    ds_block *body = ds_op_block(func, 0);
    int64_t id = free_id(body);
    for (ds_op *op = body->first, *next; op; op = next) {
        next = op->next;
        bool in_place = grows_in_place(m->cx, func, op);
        if (in_place || is_placeable(m->cx, op)) join_parts(m, op, id++, in_place);
    }
}
