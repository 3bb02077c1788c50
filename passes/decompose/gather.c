/* Ops that read at computed positions, or make elements from positions. */
#include <math.h>
#include <string.h>

#include "ir/eval.h"
#include "passes/decompose/decompose.h"

/* An index as ONNX defines it: negative ones count from the end; clamped, so that a wrong one cannot read outside. */
static ds_value *safe_index(body *r, ds_value *i, const ds_expr *size) {
    i = cast_to(r, i, DS_index);
    i = op3(r, DS_LOOP_select, op2(r, DS_LOOP_lt, i, num(r, DS_index, 0)), op2(r, DS_LOOP_add, i, extent(r, size)), i);
    return clamp_index(r, i, size);
}

RULE(gather) {
    ds_value *x = dec_in(d, 0), *indices = dec_in(d, 1), *at[DEC_MAX_RANK];
    size_t axis, q = indices->type->rank, rank = 0, out_rank = x->type->rank + q - 1;
    const ds_expr *dims[DEC_MAX_RANK], *exprs[DEC_MAX_RANK], *start;
    int64_t constant;
    DS_TRY(dec_axis(d, ds_op_int(op, "axis", 0), x->type->rank, &axis));
    if (x->type->elem == DS_string) return dec_refuse(d, "strings");
    if (out_rank > DEC_MAX_RANK) return dec_refuse(d, "more than %d dimensions", DEC_MAX_RANK);
    size_t n;
    if (dec_known_ints(d, indices, &constant, 1, &n) && n == 1) { /* a slice */
        int64_t extent_of;
        if (ds_expr_is_const(x->type->dims[axis], &extent_of) && (constant < -extent_of || constant >= extent_of))
            return dec_fail(d, DS_E_shape, "index %lld is outside an extent of %lld", (long long)constant,
                            (long long)extent_of);
        start = dec_const(d, constant);
        if (constant < 0) start = ds_expr_add(d->cx, start, x->type->dims[axis]);
        DS_TRY(dec_require(d, DS_at_most, dec_const(d, constant < 0 ? -constant : constant + 1), x->type->dims[axis],
                           "the index is inside its axis"));
        for (size_t i = 0; i < x->type->rank; i++) {
            exprs[i] = i == axis ? start : dec_dim(d, i < axis ? i : i + q - 1);
            if (i != axis) dims[i < axis ? i : i + q - 1] = x->type->dims[i];
        }
        for (size_t k = 0; k < q; k++) dims[axis + k] = dec_const(d, 1);
        const ds_attr *map = dec_map_of(d, out_rank, exprs, x->type->rank);
        body r = map_begin(d, x->type->elem, out_rank, dims, &x, &map, 1);
        d->out[0] = map_end(&r, r.x[0]);
        return DS_OK;
    }
    for (size_t i = 0; i < axis; i++) dims[rank++] = x->type->dims[i];
    for (size_t i = 0; i < q; i++) exprs[i] = dec_dim(d, rank), dims[rank++] = indices->type->dims[i];
    for (size_t i = axis + 1; i < x->type->rank; i++) dims[rank++] = x->type->dims[i];
    const ds_attr *map = dec_map_of(d, rank, exprs, q);
    body r = map_begin(d, x->type->elem, rank, dims, &indices, &map, 1);
    for (size_t i = 0; i < x->type->rank; i++)
        at[i] = i == axis ? safe_index(&r, r.x[0], x->type->dims[i]) : position(&r, i < axis ? i : i + q - 1);
    d->out[0] = map_end(&r, extract(&r, x, at, x->type->rank));
    return DS_OK;
}

RULE(gather_elements) {
    ds_value *x = dec_in(d, 0), *indices = dec_in(d, 1), *at[DEC_MAX_RANK];
    size_t axis;
    DS_TRY(dec_axis(d, ds_op_int(op, "axis", 0), x->type->rank, &axis));
    if (indices->type->rank != x->type->rank)
        return dec_fail(d, DS_E_shape, "indices have rank %zu, the input %zu", indices->type->rank, x->type->rank);
    for (size_t i = 0; i < x->type->rank; i++)
        if (i != axis)
            DS_TRY(dec_require(d, DS_at_most, indices->type->dims[i], x->type->dims[i],
                               "indices are no longer than the input"));
    body r = map_over(d, x->type->elem, x->type->rank, indices->type->dims, &indices, 1);
    for (size_t i = 0; i < x->type->rank; i++)
        at[i] = i == axis ? safe_index(&r, r.x[0], x->type->dims[i]) : position(&r, i);
    d->out[0] = map_end(&r, extract(&r, x, at, x->type->rank));
    return DS_OK;
}

RULE(gather_nd) {
    ds_value *x = dec_in(d, 0), *indices = dec_in(d, 1), *at[DEC_MAX_RANK];
    size_t batch = (size_t)ds_op_int(op, "batch_dims", 0), q = indices->type->rank, rank = 0;
    int64_t depth;
    if (q == 0 || !ds_expr_is_const(indices->type->dims[q - 1], &depth) || batch >= q ||
        batch + (size_t)depth > x->type->rank)
        return dec_refuse(d, "indices whose last extent is not known, or more than there are dims behind the batch");
    const ds_expr *dims[DEC_MAX_RANK];
    for (size_t i = 0; i < batch; i++)
        DS_TRY(dec_require(d, DS_at_most, indices->type->dims[i], x->type->dims[i],
                           "indices and input have the same batch"));
    for (size_t i = 0; i + 1 < q; i++) dims[rank++] = indices->type->dims[i];
    for (size_t i = batch + (size_t)depth; i < x->type->rank; i++) dims[rank++] = x->type->dims[i];
    if (rank > DEC_MAX_RANK) return dec_refuse(d, "more than %d dimensions", DEC_MAX_RANK);
    body r = map_over(d, x->type->elem, rank, dims, NULL, 0);
    for (size_t i = 0; i < x->type->rank; i++) {
        if (i < batch) at[i] = position(&r, i);
        else if (i < batch + (size_t)depth) {
            ds_value *where[DEC_MAX_RANK];
            for (size_t k = 0; k + 1 < q; k++) where[k] = position(&r, k);
            where[q - 1] = num(&r, DS_index, (double)(i - batch));
            at[i] = safe_index(&r, extract(&r, indices, where, q), x->type->dims[i]);
        } else at[i] = position(&r, q - 1 + i - batch - (size_t)depth);
    }
    d->out[0] = map_end(&r, extract(&r, x, at, x->type->rank));
    return DS_OK;
}

RULE(reverse_sequence) {
    ds_value *x = dec_in(d, 0), *lengths = dec_in(d, 1), *at[DEC_MAX_RANK];
    size_t batch = (size_t)ds_op_int(op, "batch_axis", 1), time = (size_t)ds_op_int(op, "time_axis", 0),
           rank = x->type->rank;
    if (batch >= rank || time >= rank) return dec_fail(d, DS_E_attribute, "an axis is out of range");
    const ds_expr *e = dec_dim(d, batch);
    const ds_attr *map = dec_map_of(d, rank, &e, 1);
    body r = map_begin(d, x->type->elem, rank, x->type->dims, &lengths, &map, 1);
    for (size_t i = 0; i < rank; i++) at[i] = position(&r, i);
    ds_value *n = cast_to(&r, r.x[0], DS_index), *t = at[time];
    ds_value *back = op2(&r, DS_LOOP_sub, op2(&r, DS_LOOP_sub, n, num(&r, DS_index, 1)), t);
    at[time] = safe_index(&r, op3(&r, DS_LOOP_select, op2(&r, DS_LOOP_lt, t, n), back, t), x->type->dims[time]);
    d->out[0] = map_end(&r, extract(&r, x, at, rank));
    return DS_OK;
}

/* ---- made from positions ---- */

RULE(range) {
    ds_value *inputs[] = {dec_in(d, 0), dec_in(d, 1), dec_in(d, 2)};
    const ds_expr *start, *limit, *delta, *count, *zero = dec_const(d, 0);
    size_t n;
    (void)op;
    ds_elem elem = inputs[0]->type->elem;
    double step;
    if (dec_known_scalar(d, inputs[2], &step) && step == 0) return dec_fail(d, DS_E_attribute, "the step is 0");
    if (ds_elem_is_float(elem)) {
        body b = map_over(d, DS_i64, 0, NULL, inputs, 3), *r = &b;
        ds_value *steps = DIV(SUB(r->x[1], r->x[0]), r->x[2]);
        DS_TRY(dec_ints(d, map_end(r, cast_to(r, op1(r, DS_LOOP_ceil, steps), DS_i64)), &count, 1, &n));
        DS_TRY(dec_require(d, DS_at_most, dec_const(d, -((int64_t)1 << 60)), count, "the range is finite"));
        count = ds_expr_max(d->cx, count, zero);
    } else {
        DS_TRY(dec_ints(d, inputs[0], &start, 1, &n));
        DS_TRY(dec_ints(d, inputs[1], &limit, 1, &n));
        DS_TRY(dec_ints(d, inputs[2], &delta, 1, &n));
        DS_TRY(dec_require(d, DS_at_most, dec_const(d, 1), ds_expr_max(d->cx, delta, ds_expr_scale(d->cx, delta, -1)),
                           "the step is not 0"));
        count = ds_expr_max(d->cx, ds_expr_ceildiv(d->cx, ds_expr_sub(d->cx, limit, start), delta), zero);
    }
    /* Ends that lie as far apart as 64 bits are wrap around, or would be walked for years. */
    DS_TRY(dec_require(d, DS_at_most, count, dec_const(d, (int64_t)1 << 36), "a range has 2^36 elements at most"));
    ds_value *used[] = {inputs[0], inputs[2]};
    body r = map_over(d, elem, 1, &count, used, 2);
    ds_value *i = cast_to(&r, position(&r, 0), r.x[0]->type->elem);
    d->out[0] = map_end(&r, op2(&r, DS_LOOP_add, r.x[0], op2(&r, DS_LOOP_mul, i, r.x[1])));
    return DS_OK;
}

RULE(eye_like) {
    const ds_type *t = dec_type(d, 0);
    ds_elem to;
    DS_TRY(dec_elem(d, "dtype", t->elem, &to));
    body r = map_over(d, to, 2, t->dims, NULL, 0);
    ds_value *k = num(&r, DS_index, (double)ds_op_int(op, "k", 0));
    d->out[0] = map_end(&r, op2(&r, DS_LOOP_eq, position(&r, 1), op2(&r, DS_LOOP_add, position(&r, 0), k)));
    return DS_OK;
}

RULE(trilu) {
    ds_value *x = dec_in(d, 0);
    size_t rank = x->type->rank, n = 0;
    const ds_expr *k = dec_const(d, 0);
    if (rank < 2) return dec_fail(d, DS_E_shape, "the input is not a matrix");
    if (dec_in(d, 1)) DS_TRY(dec_ints(d, dec_in(d, 1), &k, 1, &n));
    body r = map_same(d, x->type->elem, x);
    ds_value *right = op2(&r, DS_LOOP_sub, position(&r, rank - 1), position(&r, rank - 2)),
             *least = extent(&r, k); /* k may be any number */
    ds_value *keep = ds_op_int(op, "upper", 1) ? op2(&r, DS_LOOP_le, least, right) : op2(&r, DS_LOOP_le, right, least);
    d->out[0] = map_end(&r, op3(&r, DS_LOOP_select, keep, r.x[0], like(&r, r.x[0], 0)));
    return DS_OK;
}

RULE(one_hot) {
    ds_value *indices = dec_in(d, 0), *values = dec_in(d, 2), *depth_in = dec_in(d, 1);
    const ds_expr *depth, *dims[DEC_MAX_RANK], *exprs[DEC_MAX_RANK], *zero = dec_const(d, 0), *one = dec_const(d, 1);
    size_t rank = indices->type->rank + 1, axis, n;
    double number;
    if (dec_known_scalar(d, depth_in, &number)) depth = dec_const(d, ds_float_to_int(number));
    else if (ds_elem_is_float(depth_in->type->elem))
        DS_TRY(dec_ints(d, dec_convert(d, depth_in, DS_i64), &depth, 1, &n));
    else DS_TRY(dec_ints(d, depth_in, &depth, 1, &n));
    DS_TRY(dec_axis(d, ds_op_int(op, "axis", -1), rank, &axis));
    for (size_t i = 0, from = 0; i < rank; i++) {
        if (i != axis) exprs[from] = dec_dim(d, i);
        dims[i] = i == axis ? depth : indices->type->dims[from++];
    }
    ds_value *inputs[] = {indices, values, values};
    const ds_attr *maps[] = {dec_map_of(d, rank, exprs, rank - 1), dec_map_of(d, rank, &zero, 1),
                             dec_map_of(d, rank, &one, 1)};
    body r = map_begin(d, values->type->elem, rank, dims, inputs, maps, 3);
    ds_value *i = cast_to(&r, r.x[0], DS_index), *p = position(&r, axis), *n_of = extent(&r, depth);
    ds_value *hit =
        op2(&r, DS_LOOP_or, op2(&r, DS_LOOP_eq, i, p), op2(&r, DS_LOOP_eq, op2(&r, DS_LOOP_add, i, n_of), p));
    d->out[0] = map_end(&r, op3(&r, DS_LOOP_select, hit, r.x[2], r.x[1]));
    return DS_OK;
}

/* DepthToSpace and SpaceToDepth: reshape, transpose, reshape. */
RULE(depth_to_space) {
    ds_value *x = dec_in(d, 0);
    int64_t block = ds_op_int(op, "blocksize", 1);
    if (x->type->rank != 4 || block < 1) return dec_fail(d, DS_E_shape, "the input is not an image");
    const ds_expr *const *t = x->type->dims, *s = dec_const(d, block), *ss = dec_const(d, block * block);
    bool to_space = op->kind == DS_ONNX_DepthToSpace, crd = !strcmp(ds_op_text(op, "mode", "DCR"), "CRD");
    const char *whole_blocks = "channels, or height and width, are whole blocks";
    if (to_space) {
        const ds_expr *c = ds_expr_floordiv(d->cx, t[1], ss);
        DS_TRY(dec_require(d, DS_equal, t[1], ds_expr_mul(d->cx, c, ss), "%s", whole_blocks));
        const ds_expr *dcr[] = {t[0], s, s, c, t[2], t[3]}, *crd_dims[] = {t[0], c, s, s, t[2], t[3]};
        static const size_t dcr_perm[] = {0, 3, 4, 1, 5, 2}, crd_perm[] = {0, 1, 4, 2, 5, 3};
        const ds_expr *last[] = {t[0], c, ds_expr_mul(d->cx, t[2], s), ds_expr_mul(d->cx, t[3], s)};
        d->out[0] = dec_reshape(
            d, dec_transpose(d, dec_reshape(d, x, 6, crd ? crd_dims : dcr), crd ? crd_perm : dcr_perm), 4, last);
    } else {
        const ds_expr *h = ds_expr_floordiv(d->cx, t[2], s), *w = ds_expr_floordiv(d->cx, t[3], s);
        DS_TRY(dec_require(d, DS_equal, t[2], ds_expr_mul(d->cx, h, s), "%s", whole_blocks));
        DS_TRY(dec_require(d, DS_equal, t[3], ds_expr_mul(d->cx, w, s), "%s", whole_blocks));
        const ds_expr *first[] = {t[0], t[1], h, s, w, s}, *last[] = {t[0], ds_expr_mul(d->cx, t[1], ss), h, w};
        static const size_t perm[] = {0, 3, 5, 1, 2, 4}, crd_perm[] = {0, 1, 3, 5, 2, 4};
        d->out[0] = dec_reshape(d, dec_transpose(d, dec_reshape(d, x, 6, first), crd ? crd_perm : perm), 4, last);
    }
    return DS_OK;
}

/* CumSum: each result sums the elements before it; the sum runs over the whole axis with a mask. */
RULE(cumulative) {
    ds_value *x = dec_in(d, 0);
    size_t rank = x->type->rank, axis, n;
    int64_t constant;
    const ds_expr *exprs[DEC_MAX_RANK], *is_axis[DEC_MAX_RANK], *over = dec_const(d, 0), *at = dec_const(d, 0);
    bool known = dec_known_ints(d, dec_in(d, 1), &constant, 1, &n);
    if (known) DS_TRY(dec_axis(d, constant, rank, &axis));
    else DS_TRY(dec_run_time_axes(d, dec_in(d, 1), rank, is_axis, &n));
    for (size_t i = 0; i < rank;
         i++) { /* along the axis the summed position is the reduced dim, elsewhere the result's own */
        const ds_expr *on = known ? dec_const(d, i == axis) : is_axis[i];
        exprs[i] = ds_expr_add(d->cx, dec_dim(d, i),
                               ds_expr_mul(d->cx, on, ds_expr_sub(d->cx, dec_dim(d, rank), dec_dim(d, i))));
        over = ds_expr_add(d->cx, over, ds_expr_mul(d->cx, on, x->type->dims[i]));
        at = ds_expr_add(d->cx, at, ds_expr_mul(d->cx, on, dec_dim(d, i)));
    }
    const ds_attr *map = dec_map_of(d, rank + 1, exprs, rank);
    bool product = op->kind == DS_ONNX_CumProd;
    body r = reduce_begin(d, dec_compute_elem(x->type->elem), rank, x->type->dims, &over, 1, &x, &map, 1);
    ds_value *there = position(&r, rank), *here = at_point(&r, rank, at);
    if (ds_op_int(op, "reverse", 0)) {
        ds_value *t = here;
        here = there, there = t;
    }
    ds_value *counts = op2(&r, ds_op_int(op, "exclusive", 0) ? DS_LOOP_lt : DS_LOOP_le, there, here);
    ds_value *v = op3(&r, DS_LOOP_select, counts, r.x[0], like(&r, r.x[0], product));
    d->out[0] = dec_convert(d, reduce_end(&r, v, product ? DS_LOOP_mul : DS_LOOP_add), x->type->elem);
    return DS_OK;
}
