/* Products of floats by rows of bytes with a scale each, as caches of attention are.
 *
 *   before   %k = map(%bytes, %scales) { cast, mul }   %s = "graph.matmul"(%q, %k)
 *   after    %p = "graph.matmul"(%q, %bytes) : (… f32, … i8) -> … f32   %s = map(%p, %scales) { mul }
 *
 * where a row is what is summed (keys); where rows are summed (values), the left factor is multiplied by their scales:
 *   %l = map(%p, %scales) { mul }   %y = "graph.matmul"(%l, %bytes)
 */
#include "passes/narrow/narrow.h"
#include "passes/rows.h"

static ds_value *scaled(narrowing *n, ds_op *before, const ds_type *type, const part *v, const part *scale) {
    const part parts[] = {*v, *scale};
    region r = nw_open_map(n, before, type, parts, 2);
    nw_yield(&r, nw_binary(&r, DS_LOOP_mul, r.args[0], r.args[1]));
    return ds_op_result(r.op, 0);
}

static bool is_read_along(narrowing *n, const ds_attr *map, size_t dim) {
    bool found = false;
    for (size_t i = 0; i < map->count; i++) found = found || nw_mentions(n->cx, map->exprs[i], dim, dim + 1);
    return found;
}

/* Where the left factor is read by dims alone: the one of its own that goes along a dim of the product; else
 * SIZE_MAX. */
static size_t own_dim(const ds_attr *left, size_t dim) {
    size_t found = SIZE_MAX;
    for (size_t i = 0; i < left->count; i++) {
        const ds_expr *e = left->exprs[i];
        if (e->kind != DS_EXPR_DIM && !ds_expr_equals(e, 0)) return SIZE_MAX;
        if (e->kind == DS_EXPR_DIM && (size_t)e->value == dim) found = found == SIZE_MAX ? i : SIZE_MAX;
    }
    return found;
}

/* The left factor times the scales: in its own shape if it is read by dims alone, so that this is part of what makes
 * it; else for all dims of the product that it has. NULL where scales move along another one. *map: how the product
 * reads it. */
static ds_value *scaled_left(narrowing *n, const ds_contraction *c, ds_op *op, const part *scale, const ds_attr **map) {
    const ds_attr *left = ds_op_map(op, 0), *access = ds_op_map(op, 1);
    const ds_expr *to[DS_CONTRACTION_MAX], *dims[NARROW_MOST_RANK], *at[NARROW_MOST_RANK], *e[NARROW_MOST_RANK],
        *from[NARROW_MOST_RANK];
    size_t space = c->rank + c->over_count, rank = 0, count = scale->map->count;
    bool own_shape = true;
    for (size_t i = 0; i < count; i++)
        e[i] = ds_expr_replace_dims(n->cx, scale->map->exprs[i], access->exprs, access->count);
    const ds_attr *seen = ds_attr_map(n->cx, space, e, count);
    for (size_t d = 0; d < space; d++)
        own_shape = own_shape && (own_dim(left, d) != SIZE_MAX || !is_read_along(n, left, d));
    for (size_t d = 0; d < space; d++) {
        bool has = is_read_along(n, left, d);
        if (!has && is_read_along(n, seen, d)) return NULL;
        to[d] = has ? ds_expr_dim(n->cx, own_shape ? own_dim(left, d) : rank) : ds_expr_const(n->cx, 0);
        if (!has) continue;
        dims[rank] = c->extent[d];
        at[rank++] = ds_expr_dim(n->cx, d);
    }
    for (size_t i = 0; i < count; i++) e[i] = ds_expr_replace_dims(n->cx, seen->exprs[i], to, space);
    for (size_t i = 0; i < left->count; i++) from[i] = ds_expr_replace_dims(n->cx, left->exprs[i], to, space);
    ds_value *v = ds_op_operand(op, 0);
    size_t points = own_shape ? left->count : rank;
    const part scales = {scale->v, ds_attr_map(n->cx, points, e, count)},
               own = {v,
                      own_shape ? ds_attr_identity_map(n->cx, points) : ds_attr_map(n->cx, points, from, left->count)};
    *map = own_shape ? left : ds_attr_map(n->cx, space, at, rank);
    return scaled(n, op, own_shape ? v->type : ds_type_tensor(n->cx, DS_SCALES_ELEM, rank, dims, NULL), &own, &scales);
}

bool nw_keep_rows(narrowing *n, ds_op *op) {
    ds_contraction c;
    ds_rows rows;
    ds_elem sum = op->results[0].type->elem;
    if (op->kind != DS_GRAPH_matmul || op->operand_count != 2 || ds_op_attr(op, "pads")) return false;
    ds_value *left = ds_op_operand(op, 0), *right = ds_op_operand(op, 1);
    if (!ds_rows_of(right, &rows) || nw_is_fixed(rows.bytes) || left->type->elem != sum || sum != DS_SCALES_ELEM)
        return false;
    if (!ds_mma_for(n->target, sum, rows.bytes->type->elem, sum) || !ds_contraction_of(n->cx, op, &c) ||
        c.rank + c.over_count > NARROW_MOST_RANK)
        return false;
    const part scale = {rows.scales, ds_op_map(right->op, 1)};
    part out = scale;
    const ds_attr *maps[] = {ds_op_map(op, 0), ds_op_map(op, 1)};
    bool behind = nw_bring_out(n, &c, maps[1], &out);
    ds_value *factors[] = {behind ? left : scaled_left(n, &c, op, &scale, &maps[0]), rows.bytes};
    if (!factors[0]) return false;
    ds_builder b = {n->m, op->block, op, op->loc};
    const ds_type *type = op->results[0].type;
    ds_op *product = ds_op_create(&b, DS_GRAPH_matmul, factors, 2, &type, 1, 0);
    ds_op_set_attr(n->m, product, "maps", ds_attr_array(n->cx, maps, 2));
    ds_op_set_attr(n->m, product, "over", ds_op_attr(op, "over"));
    ds_dims_note(n->m, product);
    const part sums = {ds_op_result(product, 0), ds_attr_identity_map(n->cx, type->rank)};
    ds_value_replace_uses(&op->results[0], behind ? scaled(n, op, type, &sums, &out) : sums.v);
    ds_op_erase(op);
    nw_erase_unread(right->op);
    return true;
}
