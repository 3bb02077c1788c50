/* Reductions, normalisations and pooling: maps and reduces over the same value. */
#include <math.h>
#include <string.h>

#include "passes/decompose/decompose.h"

/* Which dimensions a reduction keeps, and how an operand of the full shape is read in the reduction's iteration space
 * (kept dims first, as 1 where they were reduced, then the reduced ones). */
typedef struct {
    size_t rank, over_count;
    const ds_expr *kept[DEC_MAX_RANK], *over[DEC_MAX_RANK];
    const ds_attr *map;
} reduction;

static reduction reduction_of(dec *d, ds_value *x, const bool *reduced) {
    reduction n = {.rank = x->type->rank};
    const ds_expr *exprs[DEC_MAX_RANK];
    for (size_t i = 0; i < n.rank; i++) {
        n.kept[i] = reduced[i] ? dec_const(d, 1) : x->type->dims[i];
        exprs[i] = reduced[i] ? dec_dim(d, n.rank + n.over_count) : dec_dim(d, i);
        if (reduced[i]) n.over[n.over_count++] = x->type->dims[i];
    }
    n.map = dec_map_of(d, n.rank + n.over_count, exprs, n.rank);
    return n;
}

static body begin_over(dec *d, const reduction *n, ds_elem elem, ds_value *x) {
    return reduce_begin(d, elem, n->rank, n->kept, n->over, n->over_count, &x, &n->map, 1);
}

static ds_value *drop_axes(dec *d, ds_value *v, const bool *reduced) {
    const ds_expr *dims[DEC_MAX_RANK];
    size_t rank = 0;
    for (size_t i = 0; i < v->type->rank; i++)
        if (!reduced[i]) dims[rank++] = v->type->dims[i];
    return dec_reshape(d, v, rank, dims);
}

static const ds_expr *count_over(dec *d, const reduction *n) {
    const ds_expr *count = dec_const(d, 1);
    for (size_t i = 0; i < n->over_count; i++) count = ds_expr_mul(d->cx, count, n->over[i]);
    return count;
}

/* a reduced with `combiner`, keeping dims; f32 accumulators for narrow floats */
static ds_value *reduce_value(dec *d, ds_value *x, const reduction *n, ds_op_kind combiner) {
    body r = begin_over(d, n, dec_compute_elem(x->type->elem), x);
    return reduce_end(&r, r.x[0], combiner);
}

static ds_value *scaled_by_count(dec *d, ds_value *sum, const ds_expr *count) {
    body r = map_same(d, sum->type->elem, sum);
    return map_end(&r, op2(&r, DS_LOOP_div, r.x[0], cast_to(&r, extent(&r, count), r.x[0]->type->elem)));
}

static ds_value *mean_over(dec *d, ds_value *x, const reduction *n) {
    return scaled_by_count(d, reduce_value(d, x, n, DS_LOOP_add), count_over(d, n));
}

/* Every dim is walked twice: kept (1 where it is reduced) and over (1 where it is kept); their sum is the input's
 * position. */
static reduction run_time_reduction(dec *d, ds_value *x, const ds_expr *const *is_axis) {
    reduction n = {.rank = x->type->rank, .over_count = x->type->rank};
    const ds_expr *exprs[DEC_MAX_RANK], *one = dec_const(d, 1);
    for (size_t i = 0; i < n.rank; i++) {
        const ds_expr *extent = x->type->dims[i],
                      *less = ds_expr_mul(d->cx, is_axis[i], ds_expr_sub(d->cx, extent, one));
        bool fixed = ds_expr_is_const(extent, NULL);
        n.kept[i] = ds_expr_sub(d->cx, extent, less);
        n.over[i] = ds_expr_add(d->cx, one, less);
        if (!fixed) n.kept[i] = dec_named(d, n.kept[i]), n.over[i] = dec_named(d, n.over[i]);
        exprs[i] = ds_expr_add(d->cx, dec_dim(d, i), dec_dim(d, n.rank + i));
    }
    n.map = dec_map_of(d, 2 * n.rank, exprs, n.rank);
    return n;
}

static ds_value *reduced_value(dec *d, ds_op *op, ds_value *x, reduction n);

/* Reductions whose number of axes is known only at run time: which dims are among them is computed; their rank must
 * stay. */
static ds_status reduce_unknown_count(dec *d, ds_op *op, ds_value *x) {
    ds_value *axes = dec_in(d, 1);
    const ds_expr *rank = dec_const(d, (int64_t)x->type->rank), *zero = dec_const(d, 0), *one = dec_const(d, 1),
                  *at = dec_dim(d, 1);
    const ds_expr *is_axis[DEC_MAX_RANK], *length = axes->type->dims[0];
    size_t count;
    if (!ds_op_int(op, "keepdims", 1))
        return dec_refuse(d,
                          "a rank that is known only at run time: keepdims is 0 and the number of axes is not known");
    const ds_attr *map = dec_map_of(d, 2, &at, 1);
    body b = reduce_begin(d, DS_i64, 1, &rank, &length, 1, &axes, &map, 1), *r = &b;
    ds_value *axis = cast_to(r, r->x[0], DS_i64), *dim = cast_to(r, position(r, 0), DS_i64);
    ds_value *from_end = SUB(dim, cast_to(r, extent(r, rank), DS_i64)),
             *hit = op2(r, DS_LOOP_or, EQ(axis, dim), EQ(axis, from_end));
    ds_value *found = reduce_end(r, cast_to(r, hit, DS_i64), DS_LOOP_max);
    DS_TRY(dec_ints(d, found, is_axis, DEC_MAX_RANK, &count));
    bool keep = ds_op_int(op, "noop_with_empty_axes", 0);
    for (size_t i = 0; i < count; i++) { /* without axes: all of them, or none */
        const ds_expr *given = ds_expr_max(d->cx, zero, ds_expr_min(d->cx, one, is_axis[i]));
        is_axis[i] = keep ? given : ds_expr_max(d->cx, given, ds_expr_sub(d->cx, one, ds_expr_min(d->cx, one, length)));
    }
    d->out[0] = reduced_value(d, op, x, run_time_reduction(d, x, is_axis));
    return DS_OK;
}

/* Reductions whose axes are an input: the same arithmetic over twice the dims. */
static ds_status reduce_at_run_time(dec *d, ds_op *op, ds_value *x) {
    const ds_expr *is_axis[DEC_MAX_RANK];
    size_t count;
    if (x->type->rank > DEC_MAX_RANK / 2)
        return dec_refuse(d, "axes that are known only at run time, for this many dimensions");
    if (!ds_expr_is_const(ds_type_count(d->cx, dec_type(d, 1)), NULL)) return reduce_unknown_count(d, op, x);
    DS_TRY(dec_run_time_axes(d, dec_in(d, 1), x->type->rank, is_axis, &count));
    if (count > x->type->rank)
        return dec_fail(d, DS_E_attribute, "%zu axes for a tensor of rank %zu", count, x->type->rank);
    ds_value *v = reduced_value(d, op, x, run_time_reduction(d, x, is_axis));
    d->out[0] = ds_op_int(op, "keepdims", 1) ? v : dec_drop_axes(d, v, x->type, is_axis, count);
    return DS_OK;
}

/* The op's reduction of x, with reduced dims kept as 1. */
static ds_value *reduced_value(dec *d, ds_op *op, ds_value *x, reduction n) {
    ds_elem elem = x->type->elem, wide = dec_compute_elem(elem);
    size_t rank = x->type->rank;
    ds_value *v = NULL;
    body r;
    switch (op->kind) {
    case DS_ONNX_ReduceSum: v = reduce_value(d, x, &n, DS_LOOP_add); break;
    case DS_ONNX_ReduceMean: v = mean_over(d, x, &n); break;
    case DS_ONNX_ReduceProd: v = reduce_value(d, x, &n, DS_LOOP_mul); break;
    case DS_ONNX_ReduceMax: v = reduce_value(d, x, &n, elem == DS_b1 ? DS_LOOP_or : DS_LOOP_max); break;
    case DS_ONNX_ReduceMin: v = reduce_value(d, x, &n, elem == DS_b1 ? DS_LOOP_and : DS_LOOP_min); break;
    case DS_ONNX_ReduceL1:
        r = begin_over(d, &n, wide, x);
        v = reduce_end(&r, op1(&r, DS_LOOP_abs, r.x[0]), DS_LOOP_add);
        break;
    case DS_ONNX_ReduceL2:
    case DS_ONNX_ReduceSumSquare: {
        ds_elem sum_elem = op->kind == DS_ONNX_ReduceL2 && !ds_elem_is_float(wide) ? DS_f64 : wide;
        r = begin_over(d, &n, sum_elem, x);
        ds_value *c = cast_to(&r, r.x[0], sum_elem);
        v = reduce_end(&r, op2(&r, DS_LOOP_mul, c, c), DS_LOOP_add);
        if (op->kind == DS_ONNX_ReduceL2) {
            r = map_same(d, sum_elem, v);
            v = map_end(&r, op1(&r, DS_LOOP_sqrt, r.x[0]));
        }
        break;
    }
    case DS_ONNX_ReduceLogSum:
        v = reduce_value(d, x, &n, DS_LOOP_add);
        r = map_same(d, wide, v);
        v = map_end(
            &r, cast_to(&r, op1(&r, DS_LOOP_log, cast_to(&r, r.x[0], ds_elem_is_float(wide) ? wide : DS_f64)), wide));
        break;
    default: { /* ReduceLogSumExp = m + log(sum(exp(x - m))) with m = max(x), taken as 0 where it is not finite */
        ds_elem fe = ds_elem_is_float(wide) ? wide : DS_f64;
        ds_value *m = reduce_value(d, dec_convert(d, x, fe), &n, DS_LOOP_max);
        r = map_same(d, fe, m);
        ds_value *finite = op2(&r, DS_LOOP_lt, op1(&r, DS_LOOP_abs, r.x[0]), like(&r, r.x[0], (double)INFINITY));
        m = map_end(&r, op3(&r, DS_LOOP_select, finite, r.x[0], like(&r, r.x[0], 0)));
        ds_value *inputs[] = {dec_convert(d, x, fe), m};
        const ds_attr *maps[] = {n.map, dec_broadcast_map(d, m, rank, x->type->dims)};
        const ds_expr *exprs[DEC_MAX_RANK];
        for (size_t i = 0; i < rank; i++) exprs[i] = maps[1]->exprs[i];
        maps[1] = dec_map_of(d, rank + n.over_count, exprs, rank);
        r = reduce_begin(d, fe, rank, n.kept, n.over, n.over_count, inputs, maps, 2);
        v = reduce_end(&r, op1(&r, DS_LOOP_exp, op2(&r, DS_LOOP_sub, r.x[0], r.x[1])), DS_LOOP_add);
        ds_value *both[] = {v, m};
        r = map_over(d, fe, rank, n.kept, both, 2);
        v = map_end(&r, op2(&r, DS_LOOP_add, op1(&r, DS_LOOP_log, r.x[0]), r.x[1]));
        break;
    }
    }
    return dec_convert(d, v, elem);
}

RULE(reduce) {
    ds_value *x = dec_in(d, 0);
    size_t rank = x->type->rank, count = 0;
    int64_t axes[DEC_MAX_RANK];
    bool reduced[DEC_MAX_RANK] = {false};
    if (dec_in(d, 1) && !dec_known_ints(d, dec_in(d, 1), axes, DEC_MAX_RANK, &count))
        return reduce_at_run_time(d, op, x);
    if (count == 0 && ds_op_int(op, "noop_with_empty_axes", 0)) {
        if (op->kind == DS_ONNX_ReduceSum || op->kind == DS_ONNX_ReduceMean || op->kind == DS_ONNX_ReduceMax ||
            op->kind == DS_ONNX_ReduceMin || op->kind == DS_ONNX_ReduceProd) {
            d->out[0] = x;
            return DS_OK;
        }
    } else if (count == 0) memset(reduced, 1, rank);
    for (size_t i = 0; i < count; i++) {
        size_t axis;
        DS_TRY(dec_axis(d, axes[i], rank, &axis));
        reduced[axis] = true;
    }
    ds_value *v = reduced_value(d, op, x, reduction_of(d, x, reduced));
    d->out[0] = ds_op_int(op, "keepdims", 1) ? v : drop_axes(d, v, reduced);
    return DS_OK;
}

/* Is x the extreme element of its row? Where that is NaN, every NaN is. */
static ds_value *is_extreme(body *r, ds_value *x, ds_value *extreme) {
    ds_value *same = op2(r, DS_LOOP_eq, x, extreme);
    return ds_elem_is_float(x->type->elem) ? op2(r, DS_LOOP_or, same, op2(r, DS_LOOP_ne, x, x)) : same;
}

/* ArgMax and ArgMin: the first (or last) position of the best value. NaN is the best of all, as in NumPy. */
RULE(arg_extreme) {
    ds_value *x = dec_in(d, 0);
    size_t axis, rank = x->type->rank;
    bool reduced[DEC_MAX_RANK] = {false}, largest = op->kind == DS_ONNX_ArgMax,
         last = ds_op_int(op, "select_last_index", 0);
    DS_TRY(dec_axis(d, ds_op_int(op, "axis", 0), rank, &axis));
    reduced[axis] = true;
    if (rank) DS_TRY(dec_require(d, DS_at_most, dec_const(d, 1), x->type->dims[axis], "the axis has an element"));
    reduction n = reduction_of(d, x, reduced);
    ds_value *best = reduce_value(d, x, &n, largest ? DS_LOOP_max : DS_LOOP_min);
    const ds_expr *exprs[DEC_MAX_RANK];
    for (size_t i = 0; i < rank; i++) exprs[i] = reduced[i] ? dec_const(d, 0) : dec_dim(d, i);
    ds_value *inputs[] = {x, best};
    const ds_attr *maps[] = {n.map, dec_map_of(d, rank + 1, exprs, rank)};
    body r = reduce_begin(d, DS_i64, rank, n.kept, n.over, 1, inputs, maps, 2);
    ds_value *p = cast_to(&r, position(&r, rank), DS_i64);
    ds_value *v = op3(&r, DS_LOOP_select, is_extreme(&r, r.x[0], r.x[1]), p, whole(&r, DS_i64, last ? -1 : INT64_MAX));
    v = reduce_end(&r, v, last ? DS_LOOP_max : DS_LOOP_min);
    d->out[0] = ds_op_int(op, "keepdims", 1) ? v : drop_axes(d, v, reduced);
    return DS_OK;
}

/* ---- softmax and normalisations ---- */

/* x with everything before and from `axis` on flattened, for opsets below 13; NULL when no flattening is asked for */
static ds_status softmax_shape(dec *d, ds_op *op, ds_value **x, bool *reduced) {
    size_t rank = (*x)->type->rank, axis;
    memset(reduced, 0, DEC_MAX_RANK);
    if (rank == 0) return DS_OK;
    DS_TRY(dec_axis(d, ds_op_int(op, "axis", -1), rank, &axis));
    if (!ds_op_int(op, "ds.flatten", 0)) reduced[axis] = true;
    else
        for (size_t i = axis; i < rank; i++) reduced[i] = true;
    return DS_OK;
}

static const ds_attr *kept_map(dec *d, const bool *reduced, size_t rank, size_t over) {
    const ds_expr *exprs[DEC_MAX_RANK];
    for (size_t i = 0; i < rank; i++) exprs[i] = reduced[i] ? dec_const(d, 0) : dec_dim(d, i);
    return dec_map_of(d, rank + over, exprs, rank);
}

RULE(softmax) {
    ds_value *x = dec_in(d, 0);
    bool reduced[DEC_MAX_RANK];
    DS_TRY(softmax_shape(d, op, &x, reduced));
    ds_elem elem = x->type->elem, wide = dec_compute_elem(elem);
    size_t rank = x->type->rank;
    reduction n = reduction_of(d, x, reduced);
    ds_value *max = reduce_value(d, x, &n, DS_LOOP_greater); /* NaN comes back with the sum */
    ds_value *inputs[] = {x, max};
    body r = map_over(d, wide, rank, x->type->dims, inputs, 2);
    bool log = op->kind == DS_ONNX_LogSoftmax;
    ds_value *e = map_end(&r, log ? op2(&r, DS_LOOP_sub, r.x[0], r.x[1])
                                  : op1(&r, DS_LOOP_decay, op2(&r, DS_LOOP_sub, r.x[1], r.x[0])));
    r = begin_over(d, &n, wide, e);
    ds_value *sum = reduce_end(&r, log ? op1(&r, DS_LOOP_exp, r.x[0]) : r.x[0], DS_LOOP_add);
    r = map_same(d, wide, sum); /* once a row, where the elements would each take a logarithm or a division */
    ds_value *both[] = {
        e, map_end(&r, log ? op1(&r, DS_LOOP_log, r.x[0]) : op2(&r, DS_LOOP_div, like(&r, r.x[0], 1), r.x[0]))};
    r = map_over(d, elem, rank, x->type->dims, both, 2);
    d->out[0] = map_end(&r, op2(&r, log ? DS_LOOP_sub : DS_LOOP_mul, r.x[0], r.x[1]));
    return DS_OK;
}

/* The position among the reduced dims, counted through; `over` is where they stand: behind the others (SIZE_MAX: each
 * in its place). */
static const ds_expr *position_within(dec *d, ds_value *x, const bool *reduced, size_t over) {
    const ds_expr *at = dec_const(d, 0);
    for (size_t i = 0; i < x->type->rank; i++)
        if (reduced[i])
            at =
                ds_expr_add(d->cx, ds_expr_mul(d->cx, at, x->type->dims[i]), dec_dim(d, over == SIZE_MAX ? i : over++));
    return at;
}

/* one where the element is the first of the largest along the axis (before opset 13: in everything from there on), else
 * zero */
RULE(hardmax) {
    ds_value *x = dec_in(d, 0);
    bool reduced[DEC_MAX_RANK];
    DS_TRY(softmax_shape(d, op, &x, reduced));
    size_t rank = x->type->rank;
    reduction n = reduction_of(d, x, reduced);
    ds_value *max = reduce_value(d, x, &n, DS_LOOP_max), *inputs[] = {x, max};
    const ds_attr *maps[] = {n.map, kept_map(d, reduced, rank, n.over_count)};
    body r = reduce_begin(d, DS_i64, rank, n.kept, n.over, n.over_count, inputs, maps, 2);
    ds_value *p = cast_to(&r, at_point(&r, rank + n.over_count, position_within(d, x, reduced, rank)), DS_i64);
    ds_value *hit = is_extreme(&r, r.x[0], r.x[1]);
    ds_value *first = reduce_end(&r, op3(&r, DS_LOOP_select, hit, p, whole(&r, DS_i64, INT64_MAX)), DS_LOOP_min);
    r = map_over(d, x->type->elem, rank, x->type->dims, &first, 1);
    p = cast_to(&r, at_point(&r, rank, position_within(d, x, reduced, SIZE_MAX)), DS_i64);
    d->out[0] = map_end(&r, op2(&r, DS_LOOP_eq, p, r.x[0]));
    return DS_OK;
}

/* mean and 1/sqrt(variance + epsilon) over the reduced axes, in `wide` */
static void moments(dec *d, ds_value *x, const bool *reduced, double epsilon, bool centre, ds_value **out_mean,
                    ds_value **out_inverse) {
    reduction n = reduction_of(d, x, reduced);
    ds_elem wide = dec_compute_elem(x->type->elem);
    ds_value *mean = centre ? mean_over(d, x, &n) : NULL, *inputs[] = {x, mean};
    const ds_attr *maps[] = {n.map, kept_map(d, reduced, n.rank, n.over_count)};
    body r = reduce_begin(d, wide, n.rank, n.kept, n.over, n.over_count, inputs, maps, centre ? 2 : 1);
    ds_value *c = centre ? op2(&r, DS_LOOP_sub, r.x[0], r.x[1]) : r.x[0];
    ds_value *sum = reduce_end(&r, op2(&r, DS_LOOP_mul, c, c), DS_LOOP_add);
    r = map_same(d, wide, sum);
    ds_value *variance = op2(&r, DS_LOOP_div, r.x[0], cast_to(&r, extent(&r, count_over(d, &n)), wide));
    ds_value *root = op1(&r, DS_LOOP_sqrt, op2(&r, DS_LOOP_add, variance, like(&r, variance, epsilon)));
    *out_inverse = map_end(&r, op2(&r, DS_LOOP_div, like(&r, root, 1), root));
    *out_mean = mean;
}

/* (x - mean) * inverse * scale + bias; scale and bias broadcast with the given maps and may be NULL */
static ds_value *normalise(dec *d, ds_value *x, ds_value *mean, ds_value *inverse, const ds_attr *kept, ds_value *scale,
                           const ds_attr *scale_map, ds_value *bias, const ds_attr *bias_map, ds_elem elem) {
    ds_value *inputs[5] = {x, inverse};
    const ds_attr *maps[5] = {ds_attr_identity_map(d->cx, x->type->rank), kept};
    size_t n = 2, mean_at = 0, scale_at = 0, bias_at = 0;
    if (mean) inputs[n] = mean, maps[n] = kept, mean_at = n++;
    if (scale) inputs[n] = scale, maps[n] = scale_map, scale_at = n++;
    if (bias) inputs[n] = bias, maps[n] = bias_map, bias_at = n++;
    body r = map_begin(d, elem, x->type->rank, x->type->dims, inputs, maps, n);
    ds_value *v = r.x[0];
    if (mean) v = op2(&r, DS_LOOP_sub, v, r.x[mean_at]);
    v = op2(&r, DS_LOOP_mul, v, r.x[1]);
    if (scale) v = op2(&r, DS_LOOP_mul, v, cast_to(&r, r.x[scale_at], v->type->elem));
    if (bias) v = op2(&r, DS_LOOP_add, v, cast_to(&r, r.x[bias_at], v->type->elem));
    return map_end(&r, v);
}

RULE(layer_norm) {
    ds_value *x = dec_in(d, 0), *scale = dec_in(d, 1),
             *bias = op->kind == DS_ONNX_LayerNormalization ? dec_in(d, 2) : NULL, *mean, *inverse;
    bool reduced[DEC_MAX_RANK] = {false}, rms = op->kind == DS_ONNX_RMSNormalization;
    size_t axis, rank = x->type->rank;
    DS_TRY(dec_axis(d, ds_op_int(op, "axis", -1), rank, &axis));
    ds_value *parameters[] = {scale, bias};
    const ds_attr *maps[2] = {NULL};
    for (size_t i = axis; i < rank; i++) reduced[i] = true;
    for (size_t i = 0; i < 2; i++) {
        if (!parameters[i]) continue;
        DS_TRY(dec_fits_shape(d, parameters[i], rank, x->type->dims, "scale and bias have the input's extents, or 1"));
        maps[i] = dec_broadcast_map(d, parameters[i], rank, x->type->dims);
    }
    moments(d, x, reduced, ds_op_float(op, "epsilon", 1e-5), !rms, &mean, &inverse);
    d->out[0] =
        normalise(d, x, mean, inverse, kept_map(d, reduced, rank, 0), scale, maps[0], bias, maps[1], x->type->elem);
    ds_elem stash =
        ds_elem_from_onnx((int)ds_op_int(op, "stash_type", 1)); /* of mean and deviation as results, whatever x is */
    if (stash == DS_NO_ELEM) return dec_fail(d, DS_E_attribute, "attribute 'stash_type' is not an element type");
    if (op->result_count > 1 && mean) d->out[1] = dec_convert(d, mean, stash);
    if (op->result_count > 2) d->out[2] = dec_convert(d, inverse, stash);
    return DS_OK;
}

/* Requires that operands `first` … `last` have one element for each of `channels`. */
static ds_status check_parameters(dec *d, size_t first, size_t last, const ds_expr *channels) {
    for (size_t i = first; i <= last; i++)
        if (dec_in(d, i))
            DS_TRY(dec_per_channel(d, dec_in(d, i), channels, "a norm's parameter has an element for each channel"));
    return DS_OK;
}

static const ds_attr *channel_map(dec *d, size_t rank, size_t channel) {
    const ds_expr *e = dec_dim(d, channel);
    return dec_map_of(d, rank, &e, 1);
}

RULE(instance_norm) {
    ds_value *x = dec_in(d, 0), *mean, *inverse;
    bool reduced[DEC_MAX_RANK] = {false};
    size_t rank = x->type->rank;
    if (rank < 2) return dec_fail(d, DS_E_shape, "the input has no channels");
    DS_TRY(check_parameters(d, 1, 2, x->type->dims[1]));
    for (size_t i = 2; i < rank; i++) reduced[i] = true;
    moments(d, x, reduced, ds_op_float(op, "epsilon", 1e-5), true, &mean, &inverse);
    d->out[0] = normalise(d, x, mean, inverse, kept_map(d, reduced, rank, 0), dec_in(d, 1), channel_map(d, rank, 1),
                          dec_in(d, 2), channel_map(d, rank, 1), x->type->elem);
    return DS_OK;
}

RULE(group_norm) {
    ds_value *x = dec_in(d, 0), *mean, *inverse;
    int64_t groups = ds_op_int(op, "num_groups", 1);
    size_t rank = x->type->rank;
    const ds_expr *dims[DEC_MAX_RANK], *g = dec_const(d, groups), *channel;
    if (rank + 1 > DEC_MAX_RANK || rank < 2 || groups < 1) return dec_fail(d, DS_E_shape, "the input has no channels");
    dims[0] = x->type->dims[0], dims[1] = g, dims[2] = ds_expr_floordiv(d->cx, x->type->dims[1], g);
    DS_TRY(
        dec_require(d, DS_equal, ds_expr_mul(d->cx, g, dims[2]), x->type->dims[1], "the groups divide the channels"));
    DS_TRY(check_parameters(d, 1, 2, ds_op_int(op, "ds.per_group", 0) ? g : x->type->dims[1]));
    for (size_t i = 2; i < rank; i++) dims[i + 1] = x->type->dims[i];
    bool reduced[DEC_MAX_RANK] = {false};
    for (size_t i = 2; i <= rank; i++) reduced[i] = true;
    for (size_t i = 1; i < 3; i++)
        DS_TRY(dec_has_shape(d, dec_type(d, i), 1, ds_op_int(op, "ds.per_group", 0) ? &g : &x->type->dims[1],
                             "scale and bias have an element for each channel or group"));
    ds_value *v = dec_reshape(d, x, rank + 1, dims);
    moments(d, v, reduced, ds_op_float(op, "epsilon", 1e-5), true, &mean, &inverse);
    channel = ds_op_int(op, "ds.per_group", 0)
                  ? dec_dim(d, 1)
                  : ds_expr_add(d->cx, ds_expr_mul(d->cx, dec_dim(d, 1), dims[2]), dec_dim(d, 2));
    const ds_attr *map = dec_map_of(d, rank + 1, &channel, 1);
    v = normalise(d, v, mean, inverse, kept_map(d, reduced, rank + 1, 0), dec_in(d, 1), map, dec_in(d, 2), map,
                  x->type->elem);
    d->out[0] = dec_reshape(d, v, rank, x->type->dims);
    return DS_OK;
}

/* scale and shift are computed from the parameters alone, so that they are constants where those are */
/* Training: the batch's own moments over all but the channels, and running ones that move towards them. */
static void batch_norm_training(dec *d, ds_op *op) {
    ds_value *x = dec_in(d, 0), *scale = dec_in(d, 1), *bias = dec_in(d, 2), *moving[2];
    size_t rank = x->type->rank;
    bool reduced[DEC_MAX_RANK];
    for (size_t i = 0; i < rank; i++) reduced[i] = i != 1;
    reduction n = reduction_of(d, x, reduced);
    ds_elem wide = dec_compute_elem(x->type->elem);
    ds_value *mean = mean_over(d, x, &n), *inputs[] = {x, mean};
    const ds_attr *kept = kept_map(d, reduced, rank, 0), *maps[] = {n.map, kept_map(d, reduced, rank, n.over_count)};
    body b = reduce_begin(d, wide, rank, n.kept, n.over, n.over_count, inputs, maps, 2), *r = &b;
    ds_value *c = SUB(r->x[0], r->x[1]),
             *variance = scaled_by_count(d, reduce_end(r, MUL(c, c), DS_LOOP_add), count_over(d, &n));
    b = map_same(d, wide, variance);
    ds_value *inverse = map_end(
        r, DIV(num(r, wide, 1), op1(r, DS_LOOP_sqrt, ADD(r->x[0], num(r, wide, ds_op_float(op, "epsilon", 1e-5))))));
    d->out[0] = normalise(d, x, mean, inverse, kept, scale, channel_map(d, rank, true), bias,
                          channel_map(d, rank, true), x->type->elem);
    double momentum = ds_op_float(op, "momentum", 0.9);
    moving[0] = drop_axes(d, mean, reduced), moving[1] = drop_axes(d, variance, reduced);
    for (size_t i = 0; i < 2; i++) {
        ds_value *both[] = {dec_in(d, 3 + i), moving[i]};
        b = map_over(d, both[0]->type->elem, 1, both[0]->type->dims, both, 2);
        ds_value *old = r->x[0], *fresh = cast_to(r, r->x[1], old->type->elem);
        d->out[1 + i] = map_end(r, ADD(MUL(old, like(r, old, momentum)), MUL(fresh, like(r, old, 1 - momentum))));
        d->out[3 + i] = moving[i]; /* before opset 14 */
    }
}

/* What reads a parameter of the norm: one element a channel, or (before opset 9, with spatial = 0) one for each place
 * in an image. */
static ds_status batch_norm_map(dec *d, ds_op *op, const ds_attr **out_map) {
    const ds_type *x = dec_type(d, 0);
    bool elementwise = ds_op_int(op, "ds.elementwise", 0) && x->rank > 1;
    size_t want = elementwise ? x->rank - 1 : 1;
    const ds_expr *exprs[DEC_MAX_RANK];
    for (size_t i = 1; i < 5; i++) {
        const ds_type *t = dec_type(d, i);
        if (t->rank != want) return dec_fail(d, DS_E_shape, "operand %zu has rank %zu, not %zu", i, t->rank, want);
        for (size_t k = 0; k < want; k++)
            DS_TRY(dec_require(d, DS_equal, t->dims[k], x->dims[k + (x->rank > 1)],
                               "a norm's parameters have the input's extents"));
    }
    for (size_t i = 0; i < want; i++) exprs[i] = dec_dim(d, i + (x->rank > 1));
    *out_map = dec_map_of(d, x->rank, exprs, want);
    return DS_OK;
}

RULE(batch_norm) {
    ds_value *x = dec_in(d, 0), *parameters[] = {dec_in(d, 1), dec_in(d, 4)};
    const ds_attr *map = NULL;
    if (x->type->rank == 0) return dec_fail(d, DS_E_shape, "the input is a scalar");
    DS_TRY(batch_norm_map(d, op, &map));
    if (ds_op_int(op, "training_mode", 0) && x->type->rank > 1) {
        batch_norm_training(d, op);
        return DS_OK;
    }
    ds_elem wide = dec_compute_elem(parameters[0]->type->elem);
    const ds_type *shape = parameters[0]->type;
    body r = map_over(d, wide, shape->rank, shape->dims, parameters, 2);
    ds_value *root =
        op1(&r, DS_LOOP_sqrt, op2(&r, DS_LOOP_add, r.x[1], like(&r, r.x[1], ds_op_float(op, "epsilon", 1e-5))));
    ds_value *scale = map_end(&r, op2(&r, DS_LOOP_div, r.x[0], root)),
             *shift_of[] = {dec_in(d, 2), dec_in(d, 3), scale};
    r = map_over(d, wide, shape->rank, shape->dims, shift_of, 3);
    ds_value *shift = map_end(&r, op2(&r, DS_LOOP_sub, r.x[0], op2(&r, DS_LOOP_mul, r.x[1], r.x[2]))),
             *inputs[] = {x, scale, shift};
    size_t rank = x->type->rank;
    const ds_attr *maps[] = {ds_attr_identity_map(d->cx, rank), map, map};
    r = map_begin(d, x->type->elem, rank, x->type->dims, inputs, maps, 3);
    d->out[0] = map_end(&r, op2(&r, DS_LOOP_add, op2(&r, DS_LOOP_mul, cast_to(&r, r.x[0], wide), r.x[1]), r.x[2]));
    return DS_OK;
}

RULE(mean_variance_norm) {
    ds_value *x = dec_in(d, 0), *mean, *inverse;
    int64_t axes[DEC_MAX_RANK] = {0, 2, 3};
    size_t n = ds_op_attr(op, "axes") ? ds_op_ints(op, "axes", axes, DEC_MAX_RANK) : 3, axis;
    bool reduced[DEC_MAX_RANK] = {false};
    if (n > DEC_MAX_RANK) return dec_fail(d, DS_E_attribute, "%zu axes for a tensor of rank %zu", n, x->type->rank);
    for (size_t i = 0; i < n; i++) {
        DS_TRY(dec_axis(d, axes[i], x->type->rank, &axis));
        reduced[axis] = true;
    }
    moments(d, x, reduced, 1e-9, true, &mean, &inverse);
    d->out[0] =
        normalise(d, x, mean, inverse, kept_map(d, reduced, x->type->rank, 0), NULL, NULL, NULL, NULL, x->type->elem);
    return DS_OK;
}

RULE(lp_norm) {
    ds_value *x = dec_in(d, 0);
    int64_t p = ds_op_int(op, "p", 2);
    size_t axis;
    bool reduced[DEC_MAX_RANK] = {false};
    DS_TRY(dec_axis(d, ds_op_int(op, "axis", -1), x->type->rank, &axis));
    reduced[axis] = true;
    reduction n = reduction_of(d, x, reduced);
    body r = begin_over(d, &n, dec_compute_elem(x->type->elem), x);
    ds_value *sum = reduce_end(&r, p == 1 ? op1(&r, DS_LOOP_abs, r.x[0]) : op2(&r, DS_LOOP_mul, r.x[0], r.x[0]),
                               DS_LOOP_add),
             *both[] = {x, sum};
    r = map_over(d, x->type->elem, x->type->rank, x->type->dims, both, 2);
    ds_value *norm = p == 1 ? r.x[1] : op1(&r, DS_LOOP_sqrt, r.x[1]), *zero = like(&r, norm, 0);
    d->out[0] =
        map_end(&r, op3(&r, DS_LOOP_select, op2(&r, DS_LOOP_eq, norm, zero), zero, op2(&r, DS_LOOP_div, r.x[0], norm)));
    return DS_OK;
}

/* y = x / (bias + alpha/size * sum of squares over neighbouring channels)^beta */
RULE(lrn) {
    ds_value *x = dec_in(d, 0);
    int64_t size = ds_op_int(op, "size", 1);
    size_t rank = x->type->rank;
    const ds_expr *exprs[DEC_MAX_RANK], *over = dec_const(d, size);
    for (size_t i = 0; i < rank; i++) exprs[i] = dec_dim(d, i);
    exprs[1] = ds_expr_add(d->cx, ds_expr_add(d->cx, exprs[1], dec_dim(d, rank)), dec_const(d, -(size - 1) / 2));
    const ds_attr *map = dec_map_of(d, rank + 1, exprs, rank);
    body r = reduce_begin(d, dec_compute_elem(x->type->elem), rank, x->type->dims, &over, 1, &x, &map, 1);
    map_pad(&r, 0, 0);
    ds_value *sum = reduce_end(&r, op2(&r, DS_LOOP_mul, r.x[0], r.x[0]), DS_LOOP_add), *both[] = {x, sum};
    r = map_over(d, x->type->elem, rank, x->type->dims, both, 2);
    ds_value *base = op2(&r, DS_LOOP_add, like(&r, r.x[1], ds_op_float(op, "bias", 1)),
                         op2(&r, DS_LOOP_mul, r.x[1], like(&r, r.x[1], ds_op_float(op, "alpha", 1e-4) / (double)size)));
    d->out[0] = map_end(
        &r, op2(&r, DS_LOOP_div, r.x[0], op2(&r, DS_LOOP_pow, base, like(&r, base, ds_op_float(op, "beta", 0.75)))));
    return DS_OK;
}

/* ---- pooling ---- */

RULE(global_pool) {
    ds_value *x = dec_in(d, 0);
    bool reduced[DEC_MAX_RANK] = {false};
    for (size_t i = 2; i < x->type->rank; i++) reduced[i] = true;
    reduction n = reduction_of(d, x, reduced);
    if (op->kind == DS_ONNX_GlobalLpPool) { /* (sum |x|^p)^(1/p) */
        double p = (double)ds_op_int(op, "p", 2);
        body r = begin_over(d, &n, dec_compute_elem(x->type->elem), x);
        ds_value *a = op1(&r, DS_LOOP_abs, r.x[0]),
                 *sum = reduce_end(&r,
                                   p == 1   ? a
                                   : p == 2 ? op2(&r, DS_LOOP_mul, a, a)
                                            : op2(&r, DS_LOOP_pow, a, like(&r, a, p)),
                                   DS_LOOP_add);
        r = map_same(d, x->type->elem, sum);
        d->out[0] = map_end(&r, p == 1   ? r.x[0]
                                : p == 2 ? op1(&r, DS_LOOP_sqrt, r.x[0])
                                         : op2(&r, DS_LOOP_pow, r.x[0], like(&r, r.x[0], 1 / p)));
        return DS_OK;
    }
    ds_value *v = op->kind == DS_ONNX_GlobalMaxPool ? reduce_value(d, x, &n, DS_LOOP_max) : mean_over(d, x, &n);
    d->out[0] = dec_convert(d, v, x->type->elem);
    return DS_OK;
}
