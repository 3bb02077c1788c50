/* simplify: removes ops that are equal to an earlier one, unused, or copies.
 *
 *   before   %1 = "graph.map"(%0) ({ ^bb0(%a: f32): "graph.yield"(%a) }) {maps = [affine_map<(d0) -> (d0)>]}    a copy
 *            %2 = "graph.reshape"(%1) …    %3 = "graph.reshape"(%1) …    the same twice
 *   after    %2 = "graph.reshape"(%0) …    uses of %3 are uses of %2
 *
 * Needs:  graph ops.   Keeps: values, locations of what stays.   Breaks: nothing.   Cost: linear, with hashing.
 */
#include <string.h>

#include "passes/passes.h"

static bool is_pure(const ds_op *op) {
    return ds_op_facts(op->kind)->traits & DS_PURE && !(ds_op_facts(op->kind)->traits & DS_EFFECT);
}

/* ---- equal ---- */

typedef struct {
    uint64_t key;
    ds_op **value; /* stb_ds array: ops with this hash */
} bucket;

static uint32_t hash_value(uint32_t h, const void *p) { return ds_hash_bytes(h, &p, sizeof p); }

static uint32_t hash_op(const ds_op *op, uint32_t h) {
    h = ds_hash_bytes(h, &op->kind, sizeof op->kind);
    for (size_t i = 0; i < op->attr_count; i++) h = hash_value(h, op->attrs[i].value);
    for (size_t i = 0; i < op->result_count; i++) h = hash_value(h, op->results[i].type);
    for (size_t r = 0; r < op->region_count; r++)
        for (const ds_op *inner = ds_op_block(op, r)->first; inner; inner = inner->next) h = hash_op(inner, h);
    return h;
}

static bool same_op(const ds_op *a, const ds_op *b, ds_mapping *equal) {
    if (a->kind != b->kind || a->operand_count != b->operand_count || a->result_count != b->result_count ||
        a->attr_count != b->attr_count || a->region_count != b->region_count)
        return false;
    for (size_t i = 0; i < a->operand_count; i++)
        if (ds_mapping_get(equal, ds_op_operand(a, i)) != ds_op_operand(b, i)) return false;
    for (size_t i = 0; i < a->attr_count; i++)
        if (a->attrs[i].name != b->attrs[i].name || a->attrs[i].value != b->attrs[i].value) return false;
    for (size_t i = 0; i < a->result_count; i++) {
        if (a->results[i].type != b->results[i].type) return false;
        ds_mapping_set(equal, &a->results[i], ds_op_result(b, i));
    }
    for (size_t r = 0; r < a->region_count; r++) {
        const ds_block *x = ds_op_block(a, r), *y = ds_op_block(b, r);
        if (x->arg_count != y->arg_count) return false;
        for (size_t i = 0; i < x->arg_count; i++) {
            if (x->args[i]->type != y->args[i]->type) return false;
            ds_mapping_set(equal, x->args[i], y->args[i]);
        }
        const ds_op *p = x->first, *q = y->first;
        for (; p && q; p = p->next, q = q->next)
            if (!same_op(p, q, equal)) return false;
        if (p || q) return false;
    }
    return true;
}

static void merge_equal(ds_block *block) {
    bucket *table = NULL;
    for (ds_op *op = block->first, *next; op; op = next) {
        next = op->next;
        for (size_t r = 0; r < op->region_count; r++) merge_equal(ds_op_block(op, r));
        if (!is_pure(op) || op->kind == DS_GRAPH_loop || op->kind == DS_GRAPH_if) continue;
        uint32_t h = hash_op(op, 7);
        for (size_t i = 0; i < op->operand_count; i++) h = hash_value(h, ds_op_operand(op, i));
        ptrdiff_t at = hmgeti(table, (uint64_t)h);
        ds_op **candidates = at >= 0 ? table[at].value : NULL, *found = NULL;
        for (size_t i = 0; i < arrlenu(candidates) && !found; i++) {
            ds_mapping equal = {0};
            if (same_op(op, candidates[i], &equal)) found = candidates[i];
            ds_mapping_free(&equal);
        }
        if (found) {
            for (size_t i = 0; i < op->result_count; i++) ds_value_replace_uses(&op->results[i], &found->results[i]);
            ds_op_erase(op);
            continue;
        }
        arrput(candidates, op);
        hmput(table, (uint64_t)h, candidates);
    }
    for (size_t i = 0; i < hmlenu(table); i++) arrfree(table[i].value);
    hmfree(table);
}

/* ---- rules ---- */

static bool has_region(const ds_op *op) { return op->region_count > 0; }

static bool drop_unused(ds_rewriter *rw, ds_op *op) {
    if (!is_pure(op) || op->result_count == 0) return false;
    if (ds_op_attr(op, "symbols") || ds_op_attr(op, "turns"))
        return false; /* others may mention the extents that it defines */
    for (size_t i = 0; i < op->result_count; i++)
        if (!ds_value_unused(&op->results[i])) return false;
    ds_rewriter_erase(rw, op);
    return true;
}

static bool drop_copy_of(ds_rewriter *rw, ds_op *op, ds_value *from) {
    if (from->type != op->results[0].type) return false;
    ds_rewriter_replace(rw, op, from);
    return true;
}

static bool drop_reshape(ds_rewriter *rw, ds_op *op) { return drop_copy_of(rw, op, ds_op_operand(op, 0)); }

static bool reshape_of_reshape(ds_rewriter *rw, ds_op *op) {
    ds_op *inner = ds_op_operand(op, 0)->op;
    if (!inner || inner->kind != DS_GRAPH_reshape) return false;
    if (ds_op_attr(op, "words") || ds_op_attr(inner, "words")) return false;
    ds_op_set_operand(op, 0, ds_op_operand(inner, 0));
    ds_rewriter_wait(rw, inner);
    return true;
}

static bool drop_concat_of_one(ds_rewriter *rw, ds_op *op) {
    return op->operand_count == 1 && drop_copy_of(rw, op, ds_op_operand(op, 0));
}

static bool drop_identity_map(ds_rewriter *rw, ds_op *op) {
    if (op->operand_count != 1 || op->result_count != 1 ||
        !ds_map_is_identity(ds_op_map(op, 0), ds_op_operand(op, 0)->type))
        return false;
    const ds_block *body = ds_op_block(op, 0);
    return body->first->kind == DS_GRAPH_yield && ds_op_operand(body->first, 0) == body->args[0] &&
           drop_copy_of(rw, op, ds_op_operand(op, 0));
}

static const ds_rule rules[] = {
    {"drop-unused", DS_OP_NONE, drop_unused},
    {"reshape-of-reshape", DS_GRAPH_reshape, reshape_of_reshape},
    {"drop-reshape", DS_GRAPH_reshape, drop_reshape},
    {"drop-concat-of-one", DS_GRAPH_concat, drop_concat_of_one},
    {"drop-identity-map", DS_GRAPH_map, drop_identity_map},
};

ds_status ds_pass_simplify(ds_module *module, const ds_pass_options *options) {
    ds_pass_apply_rules(module, options, rules, DS_COUNT(rules), has_region);
    for (ds_op *func = module->body.block->first; func; func = func->next) merge_equal(ds_op_block(func, 0));
    return DS_OK;
}

ds_status ds_pass_clean(ds_module *module, const ds_pass_options *options) { return ds_pass_simplify(module, options); }
