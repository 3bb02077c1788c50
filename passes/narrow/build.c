/* Regions and maps of the pass narrow. */
#include "passes/narrow/narrow.h"

region nw_open_region(narrowing *n, ds_op *op, size_t index) {
    return (region){.n = n, .op = op, .in = {n->m, ds_op_block(op, index), NULL, op->loc}};
}

ds_value *nw_argument(region *r, ds_elem elem) {
    return ds_block_add_arg(r->n->m, r->in.block, ds_type_scalar(r->n->cx, elem), NULL);
}

ds_value *nw_cast(region *r, ds_value *v, ds_elem elem) {
    const ds_type *type = ds_type_scalar(r->n->cx, elem);
    return v->type == type ? v : ds_op_result(ds_op_create(&r->in, DS_LOOP_cast, &v, 1, &type, 1, 0), 0);
}

ds_value *nw_binary(region *r, ds_op_kind kind, ds_value *a, ds_value *b) {
    ds_value *operands[] = {a, b};
    return ds_op_result(ds_op_create(&r->in, kind, operands, 2, &a->type, 1, 0), 0);
}

void nw_yield(region *r, ds_value *v) { ds_op_create(&r->in, DS_GRAPH_yield, &v, 1, NULL, 0, 0); }

region nw_open_map(narrowing *n, ds_op *before, const ds_type *type, const part *parts, size_t count) {
    ds_builder b = {n->m, before->block, before, before->loc};
    ds_value *operands[NARROW_MOST_PARTS] = {NULL};
    const ds_attr *maps[NARROW_MOST_PARTS] = {NULL};
    for (size_t i = 0; i < count; i++) operands[i] = parts[i].v, maps[i] = parts[i].map;
    ds_op *op = ds_op_create(&b, DS_GRAPH_map, operands, count, &type, 1, 1);
    ds_op_set_attr(n->m, op, "maps", ds_attr_array(n->cx, maps, count));
    region r = nw_open_region(n, op, 0);
    for (size_t i = 0; i < count; i++) r.args[i] = nw_argument(&r, parts[i].v->type->elem);
    return r;
}

ds_value *nw_number(region *r, ds_elem elem, int64_t value) {
    const ds_type *type = ds_type_scalar(r->n->cx, elem);
    bool is_float = ds_elem_is_float(elem);
    ds_op *op = ds_op_create(&r->in, DS_LOOP_constant, NULL, 0, &type, 1, 0);
    ds_op_set_attr(r->n->m, op, "value",
                   is_float ? ds_attr_float(r->n->cx, (double)value) : ds_attr_int(r->n->cx, value));
    return ds_op_result(op, 0);
}

/* The bytes less their zero points, or less a number where they have none, in another type; of constants a recipe. */
ds_value *nw_without_zero(narrowing *n, ds_op *before, const factor *f, int64_t less, ds_elem to, ds_elem sum) {
    const part parts[] = {{f->x, ds_attr_identity_map(n->cx, f->x->type->rank)}, f->zero};
    region r = nw_open_map(n, before, ds_type_with_elem(n->cx, f->x->type, to), parts, f->zero.v ? 2 : 1);
    ds_value *v = nw_cast(&r, r.args[0], sum);
    if (f->zero.v) v = nw_binary(&r, DS_LOOP_sub, v, nw_cast(&r, r.args[1], sum));
    else if (less) v = nw_binary(&r, DS_LOOP_sub, v, nw_number(&r, sum, less));
    nw_yield(&r, nw_cast(&r, v, to));
    return ds_op_result(r.op, 0);
}

void nw_erase_unread(ds_op *map) {
    if (map && map->kind == DS_GRAPH_map && ds_value_unused(&map->results[0])) ds_op_erase(map);
}
