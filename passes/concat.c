/* Rules of fuse around concats: what is cut and put together again, and what becomes narrower behind one.
 *
 *   before   %c = concat(%a, %b)   %q = map(%c) { quantize }
 *   after    %1 = map(%a) { quantize }   %2 = map(%b) { quantize }   %q = concat(%1, %2)
 *
 * Then what makes the parts makes bytes of them, and bytes are what is moved.
 */
#include "ir/dims.h"
#include "passes/contraction.h"
#include "passes/fuse.h"
#include "passes/passes.h"

enum { MOST_RANK = 16 };

/* A copy of elements start, start + 1, … of `from` along one axis, as many as the copy has; else false. */
static bool is_slice(ds_ir_context *cx, const ds_value *v, size_t axis, const ds_value *from, int64_t start) {
    const ds_op *op = v->op;
    const ds_expr *step, *rest;
    if (!op || !ds_is_copy_map(op) || ds_op_operand(op, 0) != from || from->type->rank != v->type->rank) return false;
    for (size_t i = 0; i < v->type->rank; i++) {
        if (!ds_expr_linear(cx, ds_op_map(op, 0)->exprs[i], i, &step, &rest) || !ds_expr_equals(step, 1)) return false;
        if (!ds_expr_equals(rest, i == axis ? start : 0) || (i != axis && v->type->dims[i] != from->type->dims[i]))
            return false;
    }
    return true;
}

/* Slices that are concatenated again, in order and all of them, are what they were cut from. */
bool ds_concat_of_slices(ds_rewriter *rw, ds_op *op) {
    size_t axis = (size_t)ds_op_int(op, "axis", 0);
    for (size_t i = 0; i < op->operand_count; i++) {
        ds_op *first = ds_op_operand(op, i)->op;
        int64_t start = 0, extent, all;
        if (!first || !ds_is_copy_map(first)) continue;
        ds_value *from = ds_op_operand(first, 0);
        if (from->type->rank <= axis || !ds_expr_is_const(from->type->dims[axis], &all)) continue;
        size_t k = i;
        for (;
             k < op->operand_count && start < all && is_slice(rw->module->cx, ds_op_operand(op, k), axis, from, start);
             k++) {
            if (!ds_expr_is_const(ds_op_operand(op, k)->type->dims[axis], &extent)) break;
            start += extent;
        }
        if (start != all || k < i + 2) continue;
        ds_value **kept = NULL;
        for (size_t n = 0; n < op->operand_count; n++)
            if (n == i) arrput(kept, from);
            else if (n < i || n >= k) arrput(kept, ds_op_operand(op, n));
        ds_op_set_operands(rw->module, op, kept, arrlenu(kept));
        arrfree(kept);
        return true;
    }
    return false;
}

static unsigned bits_of(const ds_value *v) { return ds_elem_facts(v->type->elem)->bits; }

/* Does what the map does at a point not depend on where it is along `axis`, but for operand `concat`? */
static bool is_even_along(const ds_op *map, const ds_op *concat, size_t axis) {
    for (size_t i = 0; i < map->operand_count; i++) {
        const ds_attr *access = ds_op_map(map, i);
        const ds_value *v = ds_op_operand(map, i);
        if (v->op == concat && !ds_map_is_identity(access, v->type)) return false;
        for (size_t k = 0; v->op != concat && k < access->count; k++) {
            const ds_expr *e = access->exprs[k];
            bool other_dim = e->kind == DS_EXPR_DIM && e->value != (int64_t)axis;
            if (e->has_dim && !other_dim) return false;
        }
    }
    for (const ds_op *op = ds_op_block(map, 0)->first; op; op = op->next)
        if (op->kind == DS_GRAPH_extract || op->kind == DS_LOOP_position || op->kind == DS_LOOP_apply) return false;
    return true;
}

/* The map of part i alone. */
static ds_value *map_of_part(ds_module *m, const ds_op *map, const ds_op *concat, size_t i) {
    ds_mapping inner = {0};
    ds_builder b = {m, map->block, (ds_op *)(uintptr_t)map, map->loc};
    ds_value *part = ds_op_operand(concat, i);
    ds_mapping_set(&inner, (ds_value *)(uintptr_t)&concat->results[0], part);
    ds_op *copy = ds_op_clone(&b, map, &inner);
    copy->results[0].type = ds_type_with_elem(m->cx, part->type, map->results[0].type->elem);
    ds_mapping_free(&inner);
    return ds_op_result(copy, 0);
}

bool ds_narrow_before_concat(ds_rewriter *rw, ds_op *map) {
    const ds_op *concat = NULL;
    for (size_t i = 0; i < map->operand_count && !concat; i++) {
        const ds_value *v = ds_op_operand(map, i);
        if (v->op && v->op->kind == DS_GRAPH_concat && ds_value_has_one_use(v)) concat = v->op;
    }
    if (!concat || concat->block != map->block || map->result_count != 1 || ds_op_attr(map, "pads")) return false;
    const ds_value *whole = &concat->results[0];
    size_t axis = (size_t)ds_op_int(concat, "axis", 0);
    if (bits_of(&map->results[0]) >= bits_of(whole) || whole->type->encoding || map->results[0].type->encoding ||
        whole->type->rank > MOST_RANK || map->results[0].type->rank != whole->type->rank ||
        !is_even_along(map, concat, axis))
        return false;
    for (size_t d = 0; d < whole->type->rank; d++)
        if (map->results[0].type->dims[d] != whole->type->dims[d]) return false;
    ds_value **parts = NULL;
    for (size_t i = 0; i < concat->operand_count; i++) arrput(parts, map_of_part(rw->module, map, concat, i));
    ds_builder b = {rw->module, map->block, map, map->loc};
    ds_op *made = ds_op_create(&b, DS_GRAPH_concat, parts, arrlenu(parts), &map->results[0].type, 1, 0);
    ds_op_set_attr(rw->module, made, "axis", ds_op_attr(concat, "axis"));
    for (size_t i = 0; i < arrlenu(parts); i++) ds_rewriter_wait(rw, parts[i]->op);
    arrfree(parts);
    ds_rewriter_replace(rw, map, ds_op_result(made, 0));
    return true;
}

/* A copy of what lies so already, where nobody else is given it. */
bool ds_drop_copy(ds_rewriter *rw, ds_op *map) {
    const ds_block *body = ds_op_block(map, 0);
    if (map->operand_count != 1 || map->result_count != 1 || ds_op_operand(body->last, 0) != body->args[0])
        return false;
    ds_value *v = ds_op_operand(map, 0);
    if (v->type != map->results[0].type || !ds_map_is_identity(ds_op_map(map, 0), v->type)) return false;
    for (const ds_use *use = map->results[0].uses; use; use = use->next)
        if (use->owner->block != map->block || use->owner == map->block->last) return false;
    ds_rewriter_replace(rw, map, v);
    return true;
}
