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

static bool is_pure(const ds_op *op) { return ds_op_facts(op->kind)->traits & DS_PURE && !(ds_op_facts(op->kind)->traits & DS_EFFECT); }

/* ---- unused ---- */

static bool is_unused(const ds_op *op) {
    for (size_t i = 0; i < op->result_count; i++)
        if (!ds_value_unused(&op->results[i])) return false;
    return op->result_count > 0;
}

static void remove_unused(ds_block *block) {
    for (ds_op *op = block->last, *prev; op; op = prev) {
        prev = op->prev;
        for (size_t r = 0; r < op->region_count; r++) remove_unused(ds_op_block(op, r));
        if (is_pure(op) && is_unused(op)) ds_op_erase(op);
    }
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
    if (a->kind != b->kind || a->operand_count != b->operand_count || a->result_count != b->result_count || a->attr_count != b->attr_count || a->region_count != b->region_count) return false;
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

/* ---- copies ---- */

static void drop_copies(ds_block *block) {
    for (ds_op *op = block->first, *next; op; op = next) {
        next = op->next;
        for (size_t r = 0; r < op->region_count; r++) drop_copies(ds_op_block(op, r));
        ds_value *from = NULL;
        if (op->kind == DS_GRAPH_reshape) {
            from = ds_op_operand(op, 0);
            if (from->op && from->op->kind == DS_GRAPH_reshape) ds_op_set_operand(op, 0, from = ds_op_operand(from->op, 0));
        } else if (op->kind == DS_GRAPH_concat && op->operand_count == 1) from = ds_op_operand(op, 0);
        else if (op->kind == DS_GRAPH_map && op->operand_count == 1 && op->result_count == 1 && ds_map_is_identity(ds_op_map(op, 0), ds_op_operand(op, 0)->type)) {
            ds_block *body = ds_op_block(op, 0);
            if (body->first->kind == DS_GRAPH_yield && ds_op_operand(body->first, 0) == body->args[0]) from = ds_op_operand(op, 0);
        }
        if (from && from->type == op->results[0].type) {
            ds_value_replace_uses(&op->results[0], from);
            ds_op_erase(op);
        }
    }
}

ds_status ds_pass_simplify(ds_module *module, const ds_pass_options *options) {
    (void)options;
    for (ds_op *func = module->body.block->first; func; func = func->next) {
        drop_copies(ds_op_block(func, 0));
        merge_equal(ds_op_block(func, 0));
        remove_unused(ds_op_block(func, 0));
    }
    return DS_OK;
}

ds_status ds_pass_clean(ds_module *module, const ds_pass_options *options) { return ds_pass_simplify(module, options); }
