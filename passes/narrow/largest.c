/* The largest of bytes: pools, and other reductions. */
#include "passes/narrow/narrow.h"

#include <math.h>
#include <string.h>

static bool is_below_all(const ds_attr *numbers) {
    return numbers && numbers->items[0]->kind == DS_ATTR_FLOAT && numbers->items[0]->number == -(double)INFINITY;
}

/* Does the reduction give the largest of its operand's elements, of which there are some? Of none, and outside, floats
 * have less than any byte stands for. */
static bool is_largest(const ds_op *reduce) {
    if (reduce->operand_count != 1 || reduce->result_count != 1) return false;
    const ds_attr *over = ds_op_attr(reduce, "over"), *pads = ds_op_attr(reduce, "pads");
    int64_t extent;
    if (!is_below_all(ds_op_attr(reduce, "init")) || (pads && !is_below_all(pads))) return false;
    for (size_t i = 0; i < over->count; i++)
        if (!ds_expr_is_const(ds_attr_to_expr(over->items[i]), &extent) || extent < 1) return false;
    const ds_block *each = ds_op_block(reduce, 0), *both = ds_op_block(reduce, 1);
    return each->first->kind == DS_GRAPH_yield && both->first->kind == DS_LOOP_max &&
           both->first->next->kind == DS_GRAPH_yield;
}

static bool is_positive(const ds_value *v) {
    const ds_attr *value = ds_value_constant(v);
    bool all = value != NULL;
    for (size_t i = 0; all && i + sizeof(float) <= value->count; i += sizeof(float)) {
        float scale;
        memcpy(&scale, (const char *)value->bytes + i, sizeof scale);
        all = scale > 0;
    }
    return all;
}

static ds_op *largest_byte(narrowing *n, ds_op *reduce, ds_value *x) {
    ds_elem elem = x->type->elem;
    const ds_attr *least = ds_attr_int(n->cx, ds_elem_is_unsigned(elem) ? 0 : -128),
                  *one = ds_attr_array(n->cx, &least, 1);
    ds_builder b = {n->m, reduce->block, reduce, reduce->loc};
    const ds_type *type = ds_type_with_elem(n->cx, reduce->results[0].type, elem);
    ds_op *op = ds_op_create(&b, DS_GRAPH_reduce, &x, 1, &type, 1, 2);
    ds_op_set_attr(n->m, op, "maps", ds_op_attr(reduce, "maps"));
    ds_op_set_attr(n->m, op, "over", ds_op_attr(reduce, "over"));
    ds_op_set_attr(n->m, op, "init", one);
    if (ds_op_attr(reduce, "pads")) ds_op_set_attr(n->m, op, "pads", one);
    region each = nw_open_region(n, op, 0), both = nw_open_region(n, op, 1);
    nw_yield(&each, nw_argument(&each, elem));
    ds_value *a = nw_argument(&both, elem), *largest = nw_argument(&both, elem);
    nw_yield(&both, nw_binary(&both, DS_LOOP_max, a, largest));
    return op;
}

/* The largest of (bytes - zero) * scale is that of the bytes, converted: where one scale above zero is for all. */
void nw_largest(narrowing *n, ds_op *reduce) {
    factor f;
    if (!is_largest(reduce)) return;
    const ds_attr *over = ds_op_attr(reduce, "over"), *access = ds_op_map(reduce, 0);
    const ds_contraction c = {.rank = reduce->results[0].type->rank, .over_count = over->count};
    if (c.rank + c.over_count > DS_CONTRACTION_MAX || c.rank > NARROW_MOST_RANK) return;
    if (!nw_factor_of(ds_op_operand(reduce, 0), &f) || !f.scale.v || !nw_is_byte(f.x->type->elem) ||
        !is_positive(f.scale.v))
        return;
    if (!nw_bring_out(n, &c, access, &f.zero) || !nw_bring_out(n, &c, access, &f.scale)) return;
    const ds_type *type = reduce->results[0].type;
    ds_op *source = ds_op_operand(reduce, 0)->op;
    part parts[3] = {
        {ds_op_result(largest_byte(n, reduce, f.x), 0), ds_attr_identity_map(n->cx, c.rank)}, f.scale, f.zero};
    region r = nw_open_map(n, reduce, type, parts, f.zero.v ? 3 : 2);
    ds_value *v = r.args[0];
    if (f.zero.v) { /* of 32 bits, as its scale is */
        const ds_elem whole = DS_i32;
        v = nw_binary(&r, DS_LOOP_sub, nw_cast(&r, v, whole), nw_cast(&r, r.args[2], whole));
    }
    nw_yield(&r, nw_binary(&r, DS_LOOP_mul, nw_cast(&r, v, type->elem), r.args[1]));
    ds_value_replace_uses(&reduce->results[0], ds_op_result(r.op, 0));
    ds_op_erase(reduce);
    nw_erase_unread(source);
}
