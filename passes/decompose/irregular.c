/* Irregular ops: they call C functions of kernels/. Where the number of results depends on values, a first step counts
 * them, the count is read into a symbol, and what follows has that extent. */
#include <string.h>

#include "passes/decompose/decompose.h"
#include "passes/externs.h"

static ds_op *call_extern(dec *d, const char *callee, ds_value *const *inputs, size_t count,
                          const ds_type *const *types, size_t results, const ds_expr *const *params,
                          size_t param_count) {
    ds_op *op = ds_op_create(&d->b, DS_GRAPH_extern, inputs, count, types, results, 0);
    ds_op_set_attr(d->m, op, "callee", ds_attr_string(d->cx, callee));
    ds_op_set_attr(d->m, op, "params", ds_attr_exprs(d->cx, params, param_count));
    return op;
}

RULE(top_k) {
    ds_value *x = dec_in(d, 0);
    const ds_expr *k;
    size_t axis, n;
    DS_TRY(dec_axis(d, ds_op_int(op, "axis", -1), x->type->rank, &axis));
    DS_TRY(dec_ints(d, dec_in(d, 1), &k, 1, &n));
    if (ds_elem_facts(x->type->elem)->bits < 8)
        return dec_refuse(d, "elements of %u bits", ds_elem_facts(x->type->elem)->bits);
    DS_TRY(dec_require(d, DS_at_most, dec_const(d, 0), k, "k is not negative"));
    DS_TRY(dec_require(d, DS_at_most, k, x->type->dims[axis], "k is at most the axis' extent"));
    if (ds_elem_is_float(x->type->elem) && ds_elem_facts(x->type->elem)->bits < 32) x = dec_convert(d, x, DS_f32);
    const ds_expr *dims[DEC_MAX_RANK], *outer = dec_const(d, 1), *inner = dec_const(d, 1);
    for (size_t i = 0; i < x->type->rank; i++) {
        dims[i] = i == axis ? k : x->type->dims[i];
        if (i < axis) outer = ds_expr_mul(d->cx, outer, dims[i]);
        if (i > axis) inner = ds_expr_mul(d->cx, inner, dims[i]);
    }
    const ds_type *types[] = {ds_type_tensor(d->cx, x->type->elem, x->type->rank, dims, NULL),
                              ds_type_tensor(d->cx, DS_i64, x->type->rank, dims, NULL)};
    const ds_expr *params[] = {outer,
                               x->type->dims[axis],
                               inner,
                               k,
                               dec_const(d, ds_op_int(op, "largest", 1)),
                               dec_const(d, ds_extern_code(x->type->elem))};
    ds_op *call = call_extern(d, "top_k", &x, 1, types, 2, params, 6);
    d->out[0] = dec_convert(d, ds_op_result(call, 0), dec_type(d, 0)->elem);
    d->out[1] = ds_op_result(call, 1);
    return DS_OK;
}

static int64_t reduction_code(const char *name) {
    static const char *const names[] = {"none", "add", "mul", "min", "max"};
    for (size_t i = 0; i < DS_COUNT(names); i++)
        if (!strcmp(names[i], name)) return (int64_t)i;
    return -1;
}

/* Operands of a scatter with 64-bit indices. Narrow floats are combined as f32. */
static ds_status scatter_operands(dec *d, ds_op *op, ds_value **out, int64_t *out_code) {
    ds_elem elem = dec_type(d, 0)->elem;
    int64_t how = reduction_code(ds_op_text(op, "reduction", "none"));
    if (how < 0) return dec_refuse(d, "the reduction '%s'", ds_op_text(op, "reduction", "none"));
    if (ds_elem_facts(elem)->bits < 8) return dec_refuse(d, "elements of %u bits", ds_elem_facts(elem)->bits);
    if (how) elem = dec_compute_elem(elem);
    out[0] = dec_convert(d, dec_in(d, 0), elem), out[1] = dec_convert(d, dec_in(d, 1), DS_i64),
    out[2] = dec_convert(d, dec_in(d, 2), elem);
    *out_code = how * 256 + ds_extern_code(elem);
    return DS_OK;
}

RULE(scatter_elements) {
    ds_value *in[3];
    size_t axis, rank = dec_type(d, 0)->rank;
    int64_t code;
    DS_TRY(dec_axis(d, ds_op_int(op, "axis", 0), rank, &axis));
    DS_TRY(scatter_operands(d, op, in, &code));
    if (in[1]->type->rank != rank)
        return dec_fail(d, DS_E_shape, "indices have rank %zu, the input %zu", in[1]->type->rank, rank);
    const ds_expr *params[3 + 2 * DEC_MAX_RANK] = {dec_const(d, (int64_t)rank), dec_const(d, (int64_t)axis),
                                                   dec_const(d, code)};
    DS_TRY(dec_has_shape(d, in[2]->type, rank, in[1]->type->dims, "updates have the indices' shape"));
    for (size_t i = 0; i < rank; i++) {
        const ds_expr *data = in[0]->type->dims[i], *index = in[1]->type->dims[i];
        params[3 + i] = data, params[3 + rank + i] = index;
        if (i != axis) DS_TRY(dec_require(d, DS_at_most, index, data, "indices are no longer than the input"));
    }
    ds_op *call = call_extern(d, "scatter_elements", in, 3, &in[0]->type, 1, params, 3 + 2 * rank);
    d->out[0] = dec_convert(d, ds_op_result(call, 0), dec_type(d, 0)->elem);
    return DS_OK;
}

/* How many dims an index names. Where only run time knows the extent, the rank of the updates tells. */
static ds_status index_depth(dec *d, const ds_type *t, const ds_type *indices, const ds_type *updates, int64_t *out) {
    if (indices->rank == 0) return dec_fail(d, DS_E_shape, "the indices are a scalar");
    const ds_expr *last = indices->dims[indices->rank - 1];
    if (!ds_expr_is_const(last, out)) {
        *out = (int64_t)(indices->rank - 1 + t->rank) - (int64_t)updates->rank;
        DS_TRY(dec_require(d, DS_equal, last, dec_const(d, *out),
                           "an index has as many elements as the ranks of input and updates say"));
    }
    if (*out < 0 || (size_t)*out > t->rank)
        return dec_fail(d, DS_E_shape, "an index of %lld elements for rank %zu", (long long)*out, t->rank);
    return DS_OK;
}

RULE(scatter_nd) {
    ds_value *in[3];
    int64_t depth, code;
    DS_TRY(scatter_operands(d, op, in, &code));
    const ds_type *t = in[0]->type, *it = in[1]->type;
    DS_TRY(index_depth(d, t, it, in[2]->type, &depth));
    const ds_expr *rows = dec_const(d, 1), *inner = dec_const(d, 1), *params[4 + DEC_MAX_RANK];
    for (size_t i = 0; i + 1 < it->rank; i++) rows = ds_expr_mul(d->cx, rows, it->dims[i]);
    for (size_t i = (size_t)depth; i < t->rank; i++) inner = ds_expr_mul(d->cx, inner, t->dims[i]);
    const ds_expr *shape[2 * DEC_MAX_RANK];
    size_t shape_rank = 0;
    for (size_t i = 0; i + 1 < it->rank; i++) shape[shape_rank++] = it->dims[i];
    for (size_t i = (size_t)depth; i < t->rank; i++) shape[shape_rank++] = t->dims[i];
    DS_TRY(dec_has_shape(d, in[2]->type, shape_rank, shape, "updates have the shape of what they replace"));
    params[0] = rows, params[1] = dec_const(d, depth), params[2] = inner, params[3] = dec_const(d, code);
    for (size_t i = 0; i < (size_t)depth; i++) params[4 + i] = t->dims[i];
    ds_op *call = call_extern(d, "scatter_nd", in, 3, &t, 1, params, 4 + (size_t)depth);
    d->out[0] = dec_convert(d, ds_op_result(call, 0), dec_type(d, 0)->elem);
    return DS_OK;
}

/* A cache with `update` written along an axis from write_indices[batch] on; circular: past the end it goes on at the
 * start. */
RULE(tensor_scatter) {
    ds_value *in[] = {dec_in(d, 0), dec_in(d, 1), dec_in(d, 2) ? dec_convert(d, dec_in(d, 2), DS_i64) : NULL};
    const ds_type *t = in[0]->type, *ut = in[1]->type;
    const ds_expr *same, *outer = dec_const(d, 1), *inner = dec_const(d, 1);
    size_t axis;
    DS_TRY(dec_axis(d, ds_op_int(op, "axis", -2), t->rank, &axis));
    if (ut->rank != t->rank || axis == 0)
        return dec_fail(d, DS_E_shape, "cache and update have ranks %zu and %zu", t->rank, ut->rank);
    if (ds_elem_facts(t->elem)->bits < 8) /* bytes can be moved one by one */
        for (size_t i = 0; i < 2; i++) in[i] = dec_convert(d, in[i], dec_compute_elem(t->elem));
    t = in[0]->type;
    for (size_t i = 0; i < t->rank; i++) {
        if (i != axis) DS_TRY(dec_same(d, t->dims[i], ut->dims[i], &same));
        if (i > 0 && i < axis) outer = ds_expr_mul(d->cx, outer, t->dims[i]);
        if (i > axis) inner = ds_expr_mul(d->cx, inner, t->dims[i]);
    }
    if (in[2]) DS_TRY(dec_has_shape(d, in[2]->type, 1, t->dims, "there is one first position for each of the batch"));
    if (!in[2]) {
        body r = map_over(d, DS_i64, 1, &t->dims[0], NULL, 0);
        in[2] = map_end(&r, num(&r, DS_i64, 0));
    }
    const ds_expr *bytes = ds_expr_scale(d->cx, inner, (int64_t)ds_elem_facts(t->elem)->bits / 8),
                  *circular = dec_const(d, !strcmp(ds_op_text(op, "mode", "linear"), "circular")),
                  *params[] = {t->dims[0], outer, t->dims[axis], ut->dims[axis], bytes, circular};
    ds_op *call = call_extern(d, "tensor_scatter", in, 3, &t, 1, params, DS_COUNT(params));
    d->out[0] = dec_convert(d, ds_op_result(call, 0), dec_type(d, 0)->elem);
    return DS_OK;
}

/* The shape that flat positions count through: that of the pooled image where a MaxPool of this graph made them, else
 * what the attributes undo. The two differ where windows do not fill the image. */
static const ds_expr *unpooled_extents(dec *d, const ds_expr *const *undone, size_t rank, const ds_expr **out) {
    const ds_value *positions = dec_in(d, 1);
    const ds_attr *pooled = positions->op ? ds_op_attr(positions->op, "pooled") : NULL;
    const ds_expr *flat = dec_const(d, 1);
    for (size_t i = 0; i < rank; i++) {
        out[i] = pooled && pooled->count == rank ? ds_attr_to_expr(pooled->items[i]) : undone[i];
        flat = ds_expr_mul(d->cx, flat, out[i]);
    }
    return flat;
}

/* MaxUnpool: the values at their flat positions among zeros, then cut or padded to output_shape. */
RULE(max_unpool) {
    ds_value *x = dec_in(d, 0);
    const ds_type *t = x->type;
    size_t rank = t->rank, spatial = rank - 2, n;
    int64_t kernel[DEC_MAX_RANK], stride[DEC_MAX_RANK], pads[2 * DEC_MAX_RANK] = {0};
    const ds_expr *dims[DEC_MAX_RANK], *wanted[DEC_MAX_RANK], *one = dec_const(d, 1), *image[DEC_MAX_RANK];
    if (rank < 3 || ds_op_ints(op, "kernel_shape", kernel, DEC_MAX_RANK) != spatial)
        return dec_fail(d, DS_E_shape, "'kernel_shape' does not fit the input");
    for (size_t i = 0; i < spatial; i++) stride[i] = 1;
    DS_TRY(dec_attribute_list(d, "strides", stride, spatial));
    DS_TRY(dec_attribute_list(d, "pads", pads, 2 * spatial));
    for (size_t i = 0; i < rank; i++) {
        dims[i] = t->dims[i];
        if (i >= 2) {
            const ds_expr *steps = ds_expr_scale(d->cx, ds_expr_sub(d->cx, t->dims[i], one), stride[i - 2]);
            dims[i] = ds_expr_add(d->cx, steps, dec_const(d, kernel[i - 2] - pads[i - 2] - pads[i - 2 + spatial]));
        }
        wanted[i] = dims[i];
    }
    const ds_expr *flat = unpooled_extents(d, dims, rank, image);
    DS_TRY(dec_has_shape(d, dec_type(d, 1), rank, t->dims, "there is an index for each element"));
    const ds_expr *count = ds_type_count(d->cx, t), *column[] = {count, one};
    body r = map_over(d, t->elem, 1, &flat, NULL, 0);
    ds_value *zeros = map_end(&r, num(&r, dec_compute_elem(t->elem), 0));
    ds_value *inputs[] = {zeros, dec_reshape(d, dec_convert(d, dec_in(d, 1), DS_i64), 2, column),
                          dec_reshape(d, x, 1, &count)};
    const ds_expr *params[] = {count, one, one, dec_const(d, ds_extern_code(t->elem)), flat};
    ds_op *call = call_extern(d, "scatter_nd", inputs, 3, &zeros->type, 1, params, DS_COUNT(params));
    ds_value *filled = dec_reshape(d, ds_op_result(call, 0), rank, image);
    if (dec_in(d, 2)) {
        DS_TRY(dec_list(d, 2, rank));
        DS_TRY(dec_ints(d, dec_in(d, 2), wanted, DEC_MAX_RANK, &n));
    } else n = rank;
    if (n != rank) return dec_fail(d, DS_E_shape, "output_shape has %zu entries for rank %zu", n, rank);
    const ds_attr *same = ds_attr_identity_map(d->cx, rank);
    r = map_begin(d, t->elem, rank, wanted, &filled, &same, 1);
    map_pad(&r, 0, 0);
    d->out[0] = map_end(&r, r.x[0]);
    return DS_OK;
}

/* ---- results whose number depends on values ---- */

/* A symbol for element 0 of an i64 tensor, as an extent. */
static ds_status count_of(dec *d, ds_value *counter, const ds_expr **out) {
    const ds_expr *zero = dec_const(d, 0);
    size_t n;
    DS_TRY(dec_ints(d, counter, out, 1, &n));
    *out = ds_expr_max(d->cx, *out, zero);
    return DS_OK;
}

/* Where x differs from 0: coordinates [rank, found]. */
static ds_status non_zero(dec *d, ds_value *x, ds_value **out_where, const ds_expr **out_found) {
    const ds_type *t = x->type;
    body r = map_same(d, DS_b1, x);
    ds_value *flags = map_end(&r, op2(&r, DS_LOOP_ne, r.x[0], like(&r, r.x[0], 0)));
    const ds_expr *total = ds_type_count(d->cx, t), *at = dec_dim(d, 0), *dims[2], *params[3 + DEC_MAX_RANK];
    ds_value *line = dec_reshape(d, flags, 1, &total);
    const ds_attr *map = dec_map_of(d, 1, &at, 1);
    r = reduce_begin(d, DS_i64, 0, NULL, &total, 1, &line, &map, 1);
    DS_TRY(count_of(d, reduce_end(&r, cast_to(&r, r.x[0], DS_i64), DS_LOOP_add), out_found));
    dims[0] = dec_const(d, (int64_t)t->rank), dims[1] = *out_found;
    params[0] = total, params[1] = dims[0], params[2] = *out_found;
    for (size_t i = 0; i < t->rank; i++) params[3 + i] = t->dims[i];
    const ds_type *type = ds_type_tensor(d->cx, DS_i64, 2, dims, NULL);
    *out_where = ds_op_result(call_extern(d, "non_zero", &line, 1, &type, 1, params, 3 + t->rank), 0);
    return DS_OK;
}

RULE(non_zero) {
    const ds_expr *found;
    (void)op;
    return non_zero(d, dec_in(d, 0), &d->out[0], &found);
}

/* x[…, which[k], …] along an axis; `which` holds indices that are in bounds. */
static ds_value *take(dec *d, ds_value *x, size_t axis, ds_value *which, const ds_expr *count) {
    const ds_expr *dims[DEC_MAX_RANK], *along = dec_dim(d, axis);
    ds_value *at[DEC_MAX_RANK];
    size_t rank = x->type->rank;
    for (size_t i = 0; i < rank; i++) dims[i] = i == axis ? count : x->type->dims[i];
    const ds_attr *map = dec_map_of(d, rank, &along, 1);
    body r = map_begin(d, x->type->elem, rank, dims, &which, &map, 1);
    for (size_t i = 0; i < rank; i++) at[i] = i == axis ? clamp_index(&r, r.x[0], x->type->dims[i]) : position(&r, i);
    return map_end(&r, extract(&r, x, at, rank));
}

static ds_value *flattened(dec *d, ds_value *x) {
    const ds_expr *total = ds_type_count(d->cx, x->type);
    return dec_reshape(d, x, 1, &total);
}

/* The elements, or the slices along an axis, whose condition is true. */
RULE(compress) {
    ds_value *x = dec_in(d, 0), *where;
    size_t axis = 0;
    const ds_expr *found;
    if (!ds_op_attr(op, "axis")) x = flattened(d, x);
    else DS_TRY(dec_axis(d, ds_op_int(op, "axis", 0), x->type->rank, &axis));
    if (dec_type(d, 1)->rank != 1) return dec_fail(d, DS_E_shape, "the condition is not a list");
    ds_value *condition = dec_in(d, 1);
    const ds_expr *size = x->type->dims[axis], *spare = ds_expr_sub(d->cx, size, condition->type->dims[0]);
    if (!ds_expr_nonneg(spare)) { /* a condition may be longer than what it is for: the rest says nothing */
        body b = map_same(d, DS_b1, condition), *r = &b;
        condition = map_end(r, AND(r->x[0], LT(position(r, 0), extent(r, size))));
    }
    DS_TRY(non_zero(d, condition, &where, &found));
    d->out[0] = take(d, x, axis, dec_reshape(d, where, 1, &found), found);
    return DS_OK;
}

RULE(unique) {
    ds_value *x = dec_in(d, 0), *parts[5];
    size_t axis = 0;
    if (!ds_op_attr(op, "axis")) x = flattened(d, x);
    else DS_TRY(dec_axis(d, ds_op_int(op, "axis", 0), x->type->rank, &axis));
    if (ds_elem_facts(x->type->elem)->bits < 8)
        return dec_refuse(d, "elements of %u bits", ds_elem_facts(x->type->elem)->bits);
    ds_value *keys =
        ds_elem_is_float(x->type->elem) && ds_elem_facts(x->type->elem)->bits < 32 ? dec_convert(d, x, DS_f32) : x;
    const ds_expr *n = x->type->dims[axis], *one = dec_const(d, 1), *outer = one, *inner = one, *found;
    for (size_t i = 0; i < axis; i++) outer = ds_expr_mul(d->cx, outer, x->type->dims[i]);
    for (size_t i = axis + 1; i < x->type->rank; i++) inner = ds_expr_mul(d->cx, inner, x->type->dims[i]);
    const ds_type *list = ds_type_tensor(d->cx, DS_i64, 1, &n, NULL),
                  *types[] = {list, list, list, ds_type_tensor(d->cx, DS_i64, 1, &one, NULL), list};
    const ds_expr *params[] = {outer, n, inner, dec_const(d, ds_op_int(op, "sorted", 1)),
                               dec_const(d, ds_extern_code(keys->type->elem))};
    ds_op *call = call_extern(d, "unique", &keys, 1, types, 5, params, DS_COUNT(params));
    for (size_t i = 0; i < 5; i++) parts[i] = ds_op_result(call, i);
    DS_TRY(count_of(d, parts[3], &found));
    d->out[0] = take(d, x, axis, parts[0], found);
    d->out[1] = dec_slice(d, parts[0], 0, dec_const(d, 0), found, 1);
    d->out[2] = parts[1];
    d->out[3] = dec_slice(d, parts[2], 0, dec_const(d, 0), found, 1);
    return DS_OK;
}

RULE(non_max_suppression) {
    ds_value *boxes = dec_in(d, 0), *scores = dec_in(d, 1);
    const ds_expr *most = dec_const(d, 0), *one = dec_const(d, 1), *found;
    size_t n;
    if (boxes->type->rank != 3 || scores->type->rank != 3)
        return dec_fail(d, DS_E_shape, "boxes or scores do not have rank 3");
    if (dec_in(d, 2)) DS_TRY(dec_ints(d, dec_in(d, 2), &most, 1, &n));
    const ds_expr *batches = scores->type->dims[0], *classes = scores->type->dims[1], *count = scores->type->dims[2],
                  *dims[2], *shape[] = {batches, count, dec_const(d, 4)};
    DS_TRY(dec_has_shape(d, boxes->type, 3, shape, "there are four coordinates for each score"));
    for (size_t i = 2; i < 5; i++)
        if (dec_in(d, i))
            DS_TRY(dec_require(d, DS_at_most, one, ds_type_count(d->cx, dec_type(d, i)), "limits are not empty"));
    most = ds_expr_max(d->cx, dec_const(d, 0), ds_expr_min(d->cx, most, count));
    ds_value *none = dec_scalar(d, DS_f32, 0),
             *inputs[] = {boxes, scores, dec_in(d, 3) ? dec_in(d, 3) : none, dec_in(d, 4) ? dec_in(d, 4) : none};
    for (size_t i = 0; i < DS_COUNT(inputs); i++) inputs[i] = dec_convert(d, inputs[i], DS_f32);
    dims[0] = ds_expr_mul(d->cx, ds_expr_mul(d->cx, batches, classes), most), dims[1] = dec_const(d, 3);
    const ds_type *types[] = {ds_type_tensor(d->cx, DS_i64, 2, dims, NULL),
                              ds_type_tensor(d->cx, DS_i64, 1, &one, NULL),
                              ds_type_tensor(d->cx, DS_i64, 1, &count, NULL)};
    const ds_expr *params[] = {batches,
                               classes,
                               count,
                               most,
                               dec_const(d, ds_op_int(op, "center_point_box", 0)),
                               dec_const(d, dec_in(d, 4) != NULL)};
    ds_op *call = call_extern(d, "non_max_suppression", inputs, 4, types, 3, params, DS_COUNT(params));
    DS_TRY(count_of(d, ds_op_result(call, 1), &found));
    d->out[0] = dec_slice(d, ds_op_result(call, 0), 0, dec_const(d, 0), found, 1);
    return DS_OK;
}
