/* Ops that move or make elements: views, slices, gathers. Each is a map whose access maps or extracted positions say
 * where from. */
#include <math.h>
#include <string.h>

#include "passes/decompose/decompose.h"

RULE(none) {
    (void)op;
    d->out[0] = NULL;
    return DS_OK;
}

RULE(constant) {
    const ds_attr *v = ds_op_attr(op, ds_op_attr(op, "sparse_value") ? "sparse_value" : "value");
    if (v && v->kind == DS_ATTR_ELEMENTS) {
        ds_op *c = ds_op_create(&d->b, DS_GRAPH_constant, NULL, 0, &v->type, 1, 0);
        ds_op_set_attr(d->m, c, "value", v);
        d->out[0] = ds_op_result(c, 0);
        return DS_OK;
    }
    if (ds_op_attr(op, "value_float")) d->out[0] = dec_scalar(d, DS_f32, ds_op_float(op, "value_float", 0));
    else if (ds_op_attr(op, "value_int")) {
        int64_t value = ds_op_int(op, "value_int", 0);
        d->out[0] = dec_constant(d, DS_i64, 0, NULL, &value, sizeof value);
    } else if (ds_op_attr(op, "value_ints")) {
        const ds_attr *a = ds_op_attr(op, "value_ints");
        size_t n = a->kind == DS_ATTR_ARRAY ? a->count : 0;
        int64_t *values = ds_arena_alloc(d->cx->arena, n * sizeof *values),
                count = (int64_t)ds_op_ints(op, "value_ints", values, n);
        d->out[0] = dec_constant(d, DS_i64, 1, &count, values, (size_t)count * sizeof *values);
    } else if (ds_op_attr(op, "value_floats")) {
        const ds_attr *a = ds_op_attr(op, "value_floats");
        int64_t n = a->kind == DS_ATTR_ARRAY ? (int64_t)a->count : 0;
        float *values = ds_arena_alloc(d->cx->arena, (size_t)n * sizeof *values);
        for (int64_t i = 0; i < n; i++) values[i] = a->items[i]->kind == DS_ATTR_FLOAT ? (float)a->items[i]->number : 0;
        d->out[0] = dec_constant(d, DS_f32, 1, &n, values, (size_t)n * sizeof *values);
    } else return dec_refuse(d, "constants of strings");
    return DS_OK;
}

RULE(shape) {
    const ds_type *t = dec_type(d, 0);
    int64_t rank = (int64_t)t->rank, start = ds_op_int(op, "start", 0), end = ds_op_int(op, "end", rank);
    if (start < 0) start += rank;
    if (end < 0) end += rank;
    start = start < 0 ? 0 : start > rank ? rank : start, end = end < start ? start : end > rank ? rank : end;
    d->out[0] = dec_index_tensor(d, DS_i64, t->dims + start, (size_t)(end - start), false);
    return DS_OK;
}

RULE(size) {
    (void)op;
    const ds_expr *count = ds_type_count(d->cx, dec_type(d, 0));
    d->out[0] = dec_index_tensor(d, DS_i64, &count, 1, true);
    return DS_OK;
}

/* Extents that are read at run time, where 0 copies the input's and -1 is what is left, as arithmetic. */
static void run_time_shape(dec *d, const ds_type *input, const ds_expr **dims, size_t rank, bool zero_copies) {
    const ds_expr *one = dec_const(d, 1), *product = one, *inferred[DEC_MAX_RANK];
    for (size_t i = 0; i < rank; i++) {
        inferred[i] = dec_equals(d, dims[i], -1);
        if (zero_copies && i < input->rank)
            dims[i] = ds_expr_add(d->cx, dims[i], ds_expr_mul(d->cx, dec_equals(d, dims[i], 0), input->dims[i]));
        product = ds_expr_mul(d->cx, product, dims[i]);
    }
    const ds_expr *known = ds_expr_max(d->cx, product, ds_expr_scale(d->cx, product, -1)),
                  *rest = ds_expr_floordiv(d->cx, ds_type_count(d->cx, input), ds_expr_max(d->cx, known, one));
    for (size_t i = 0; i < rank; i++)
        dims[i] = ds_expr_add(d->cx, dims[i], ds_expr_mul(d->cx, inferred[i], ds_expr_add(d->cx, rest, one)));
}

RULE(reshape) {
    ds_value *x = dec_in(d, 0);
    const ds_expr *dims[DEC_MAX_RANK], *known = dec_const(d, 1), *total = ds_type_count(d->cx, x->type);
    size_t rank, missing = SIZE_MAX;
    DS_TRY(dec_ints(d, dec_in(d, 1), dims, DEC_MAX_RANK, &rank));
    bool late = rank > 0;
    for (size_t i = 0; i < rank; i++) late = late && dims[i]->kind == DS_EXPR_SYMBOL && !ds_expr_nonneg(dims[i]);
    if (late) {
        run_time_shape(d, x->type, dims, rank, !ds_op_int(op, "allowzero", 0));
        DS_TRY(dec_named_extents(d, dims, rank));
        for (size_t i = 0; i < rank; i++) known = ds_expr_mul(d->cx, known, dims[i]);
        DS_TRY(dec_same(d, total, known, &known));
        d->out[0] = dec_reshape(d, x, rank, dims);
        return DS_OK;
    }
    for (size_t i = 0; i < rank; i++) {
        if (ds_expr_equals(dims[i], 0) && !ds_op_int(op, "allowzero", 0)) {
            if (i >= x->type->rank)
                return dec_fail(d, DS_E_shape, "dimension %zu is to be copied, but the input has only %zu", i,
                                x->type->rank);
            dims[i] = x->type->dims[i];
        }
        if (ds_expr_equals(dims[i], -1)) {
            if (missing != SIZE_MAX) return dec_fail(d, DS_E_shape, "more than one dimension is -1");
            missing = i;
        } else known = ds_expr_mul(d->cx, known, dims[i]);
    }
    if (missing != SIZE_MAX) {
        if (ds_expr_equals(known, 0)) return dec_fail(d, DS_E_shape, "-1 beside an extent of 0");
        dims[missing] = ds_expr_floordiv(d->cx, total, known);
        int64_t a, b;
        if (ds_expr_is_const(total, &a) && ds_expr_is_const(known, &b) && a % b)
            return dec_fail(d, DS_E_shape, "%lld elements do not fill rows of %lld", (long long)a, (long long)b);
    } else if (known != total) DS_TRY(dec_same(d, total, known, &known));
    d->out[0] = dec_reshape(d, x, rank, dims);
    return DS_OK;
}

RULE(flatten) {
    const ds_type *t = dec_type(d, 0);
    int64_t axis = ds_op_int(op, "axis", 1);
    if (axis < 0) axis += (int64_t)t->rank;
    if (axis < 0 || axis > (int64_t)t->rank) return dec_fail(d, DS_E_attribute, "axis is out of range");
    const ds_expr *dims[2] = {dec_const(d, 1), dec_const(d, 1)};
    for (size_t i = 0; i < t->rank; i++)
        dims[(int64_t)i >= axis] = ds_expr_mul(d->cx, dims[(int64_t)i >= axis], t->dims[i]);
    d->out[0] = dec_reshape(d, dec_in(d, 0), 2, dims);
    return DS_OK;
}

static ds_status axes_of(dec *d, size_t operand, size_t rank, bool *out_is_axis) {
    int64_t axes[DEC_MAX_RANK];
    size_t count;
    memset(out_is_axis, 0, DEC_MAX_RANK);
    if (!dec_known_ints(d, dec_in(d, operand), axes, DEC_MAX_RANK, &count))
        return dec_refuse(d, "axes that are known only at run time");
    for (size_t i = 0; i < count; i++) {
        size_t axis;
        DS_TRY(dec_axis(d, axes[i], rank, &axis));
        out_is_axis[axis] = true;
    }
    return DS_OK;
}

/* Unsqueeze with axes read at run time. Each result extent is a choice between the input's, so it gets a symbol of its
 * own. */
static ds_status unsqueeze_at_run_time(dec *d, const ds_type *t, size_t rank) {
    const ds_expr *is_new[DEC_MAX_RANK], *dims[DEC_MAX_RANK], *seen = dec_const(d, 0), *one = dec_const(d, 1);
    size_t count;
    DS_TRY(dec_run_time_axes(d, dec_in(d, 1), rank, is_new, &count));
    for (size_t j = 0; j < rank; j++) { /* 1 where it is new, else the next one of the input */
        const ds_expr *old = ds_expr_sub(d->cx, one, is_new[j]), *sum = is_new[j];
        seen = ds_expr_add(d->cx, seen, old);
        for (size_t i = 0; i < t->rank; i++)
            sum = ds_expr_add(
                d->cx, sum,
                ds_expr_mul(d->cx, ds_expr_mul(d->cx, old, dec_equals(d, seen, (int64_t)i + 1)), t->dims[i]));
        dims[j] = dec_named(d, sum);
    }
    d->out[0] = dec_reshape(d, dec_in(d, 0), rank, dims);
    return DS_OK;
}

/* Without axes every extent of 1 goes: the result's rank depends on extents. Symbols of inputs must be fixed for that;
 * of extents that are computed while running it is recorded that they are not 1. */
static ds_status squeezable(dec *d, const ds_type *t) {
    for (size_t i = 0; i < t->rank; i++) {
        const ds_expr *e = t->dims[i], *same;
        if (ds_expr_is_const(e, NULL)) continue;
        if (!ds_expr_nonneg(e)) {
            DS_TRY(dec_same(d, dec_equals(d, e, 1), dec_const(d, 0), &same));
            continue;
        }
        ds_string text = {0};
        ds_expr_print(&text, e);
        ds_status status = dec_refuse(d, "no axes, and extent '%s' may be 1: fix it with --dim", text.data);
        ds_string_free(&text);
        return status;
    }
    return DS_OK;
}

RULE(squeeze) {
    const ds_type *t = dec_type(d, 0);
    bool drop[DEC_MAX_RANK] = {false};
    int64_t known[DEC_MAX_RANK];
    size_t known_count;
    (void)op;
    if (dec_in(d, 1) && !dec_known_ints(d, dec_in(d, 1), known, DEC_MAX_RANK, &known_count)) {
        const ds_expr *is_axis[DEC_MAX_RANK];
        DS_TRY(dec_run_time_axes(d, dec_in(d, 1), t->rank, is_axis, &known_count));
        if (known_count > t->rank)
            return dec_fail(d, DS_E_attribute, "%zu axes for a tensor of rank %zu", known_count, t->rank);
        d->out[0] = dec_drop_axes(d, dec_in(d, 0), t, is_axis, known_count);
        return DS_OK;
    }
    DS_TRY(dec_in(d, 1) ? axes_of(d, 1, t->rank, drop) : squeezable(d, t));
    const ds_expr *dims[DEC_MAX_RANK];
    size_t rank = 0;
    for (size_t i = 0; i < t->rank; i++) {
        bool one = ds_expr_equals(t->dims[i], 1);
        const ds_expr *same;
        if (drop[i] && !one) DS_TRY(dec_same(d, t->dims[i], dec_const(d, 1), &same));
        if (!(dec_in(d, 1) ? drop[i] : one)) dims[rank++] = t->dims[i];
    }
    d->out[0] = dec_reshape(d, dec_in(d, 0), rank, dims);
    return DS_OK;
}

RULE(unsqueeze) {
    const ds_type *t = dec_type(d, 0);
    uint64_t count = 0;
    (void)op;
    if (!dec_in(d, 1) || !ds_type_static_count(dec_in(d, 1)->type, &count) || t->rank + count > DEC_MAX_RANK)
        return dec_refuse(d, "axes that are known only at run time");
    bool is_new[DEC_MAX_RANK];
    int64_t known[DEC_MAX_RANK];
    size_t known_count;
    if (!dec_known_ints(d, dec_in(d, 1), known, DEC_MAX_RANK, &known_count))
        return unsqueeze_at_run_time(d, t, t->rank + (size_t)count);
    DS_TRY(axes_of(d, 1, t->rank + count, is_new));
    const ds_expr *dims[DEC_MAX_RANK];
    for (size_t i = 0, from = 0; i < t->rank + count; i++) {
        if (!is_new[i] && from >= t->rank) return dec_fail(d, DS_E_attribute, "an axis is repeated");
        dims[i] = is_new[i] ? dec_const(d, 1) : t->dims[from++];
    }
    d->out[0] = dec_reshape(d, dec_in(d, 0), t->rank + count, dims);
    return DS_OK;
}

RULE(transpose) {
    size_t rank = dec_type(d, 0)->rank, permutation[DEC_MAX_RANK];
    int64_t perm[DEC_MAX_RANK];
    bool seen[DEC_MAX_RANK] = {false};
    for (size_t i = 0; i < rank; i++) perm[i] = (int64_t)(rank - 1 - i);
    if (ds_op_attr(op, "perm") && ds_op_ints(op, "perm", perm, DEC_MAX_RANK) != rank)
        return dec_fail(d, DS_E_attribute, "'perm' does not have the input's rank");
    for (size_t i = 0; i < rank; i++) {
        DS_TRY(dec_axis(d, perm[i], rank, &permutation[i]));
        if (seen[permutation[i]]) return dec_fail(d, DS_E_attribute, "'perm' is not a permutation");
        seen[permutation[i]] = true;
    }
    d->out[0] = dec_transpose(d, dec_in(d, 0), permutation);
    return DS_OK;
}

static ds_status expand_to(dec *d, ds_value *x, const ds_expr **shape, size_t n) {
    const ds_expr *dims[DEC_MAX_RANK];
    size_t rank = x->type->rank > n ? x->type->rank : n;
    for (size_t i = 0; i < rank; i++) {
        const ds_expr *a = i + x->type->rank >= rank ? x->type->dims[i + x->type->rank - rank] : dec_const(d, 1);
        const ds_expr *b = i + n >= rank ? shape[i + n - rank] : dec_const(d, 1);
        DS_TRY(dec_require(d, DS_at_most, dec_const(d, 0), b, "the extents to expand to are not negative"));
        DS_TRY(dec_broadcast_extent(d, a, b, &dims[i]));
    }
    body r = map_over(d, x->type->elem, rank, dims, &x, 1);
    d->out[0] = map_end(&r, r.x[0]);
    return DS_OK;
}

RULE(expand) {
    const ds_expr *shape[DEC_MAX_RANK];
    size_t n;
    (void)op;
    DS_TRY(dec_ints(d, dec_in(d, 1), shape, DEC_MAX_RANK, &n));
    return expand_to(d, dec_in(d, 0), shape, n);
}

RULE(constant_of_shape) {
    const ds_expr *dims[DEC_MAX_RANK];
    size_t rank;
    const ds_attr *v = ds_op_attr(op, "value");
    DS_TRY(dec_ints(d, dec_in(d, 0), dims, DEC_MAX_RANK, &rank));
    DS_TRY(dec_not_negative(d, dims, rank, "the extents"));
    ds_value *x = dec_scalar(d, DS_f32, 0);
    uint64_t one;
    if (v && (v->kind != DS_ATTR_ELEMENTS || !ds_type_static_count(v->type, &one) || one != 1 ||
              ds_elem_facts(v->type->elem)->bits > 64))
        return dec_fail(d, DS_E_attribute, "attribute 'value' is not a tensor of one number");
    if (v) x = dec_constant(d, v->type->elem, 0, NULL, v->bytes, v->count);
    body r = map_over(d, x->type->elem, rank, dims, NULL, 0);
    ds_value *number = known_constant(&r, x);
    if (!number) return dec_refuse(d, "a value of this type");
    d->out[0] = map_end(&r, number);
    return DS_OK;
}

/* Before opset 6: a number of tiles and the axis along which they lie, as tensors of one element, maybe of floats. */
static ds_status tile_along(dec *d, const ds_expr **repeats, size_t *out_count) {
    size_t rank = dec_type(d, 0)->rank, axis, n;
    double number;
    if (!dec_in(d, 1) || !dec_in(d, 2) || !dec_known_scalar(d, dec_in(d, 2), &number))
        return dec_refuse(d, "tiles along an axis that is known only at run time");
    DS_TRY(dec_axis(d, (int64_t)number, rank, &axis));
    for (size_t i = 0; i < rank; i++) repeats[i] = dec_const(d, 1);
    *out_count = rank;
    DS_TRY(dec_ints(d, dec_convert(d, dec_in(d, 1), DS_i64), &repeats[axis], 1, &n));
    return n == 1 ? DS_OK : dec_fail(d, DS_E_shape, "%zu numbers of tiles", n);
}

RULE(tile) {
    const ds_expr *repeats[DEC_MAX_RANK], *dims[DEC_MAX_RANK], *exprs[DEC_MAX_RANK];
    ds_value *x = dec_in(d, 0);
    size_t n, rank = x->type->rank;
    (void)op;
    if (dec_in(d, 2)) DS_TRY(tile_along(d, repeats, &n));
    else {
        DS_TRY(dec_list(d, 1, rank));
        DS_TRY(dec_ints(d, dec_in(d, 1), repeats, DEC_MAX_RANK, &n));
    }
    if (n != rank) return dec_fail(d, DS_E_shape, "%zu repeats for a tensor of rank %zu", n, rank);
    DS_TRY(dec_not_negative(d, repeats, n, "the repeats"));
    for (size_t i = 0; i < rank; i++) {
        dims[i] = ds_expr_mul(d->cx, x->type->dims[i], repeats[i]);
        exprs[i] = ds_expr_equals(repeats[i], 1)         ? dec_dim(d, i)
                   : ds_expr_equals(x->type->dims[i], 1) ? dec_const(d, 0)
                                                         : ds_expr_mod(d->cx, dec_dim(d, i), x->type->dims[i]);
    }
    const ds_attr *map = dec_map_of(d, rank, exprs, rank);
    body r = map_begin(d, x->type->elem, rank, dims, &x, &map, 1);
    d->out[0] = map_end(&r, r.x[0]);
    return DS_OK;
}

RULE(concat) {
    ds_value *inputs[DEC_MAX_RESULTS];
    size_t axis, count = 0;
    for (size_t i = 0; i < op->operand_count; i++) {
        if (count == DEC_MAX_RESULTS) return dec_refuse(d, "more than %d inputs", DEC_MAX_RESULTS);
        if (dec_in(d, i)) inputs[count++] = dec_in(d, i);
    }
    if (!count) return dec_fail(d, DS_E_arity, "there is no input");
    DS_TRY(dec_axis(d, ds_op_int(op, "axis", 0), inputs[0]->type->rank, &axis));
    if (count > 1) return dec_concat(d, inputs, count, axis, &d->out[0]);
    d->out[0] = inputs[0]; /* exporters write that for caches: lists of one */
    return DS_OK;
}

RULE(split) {
    ds_value *x = dec_in(d, 0);
    const ds_expr *sizes[DEC_MAX_RESULTS], *start = dec_const(d, 0);
    size_t axis, n = 0;
    DS_TRY(dec_axis(d, ds_op_int(op, "axis", 0), x->type->rank, &axis));
    DS_TRY(dec_list(d, 1, op->result_count));
    if (dec_in(d, 1)) DS_TRY(dec_ints(d, dec_in(d, 1), sizes, DEC_MAX_RESULTS, &n));
    else {
        n = op->result_count;
        const ds_expr *total = x->type->dims[axis], *each = ds_expr_ceildiv(d->cx, total, dec_const(d, (int64_t)n));
        for (size_t i = 0; i < n && i < DEC_MAX_RESULTS; i++)
            sizes[i] = i + 1 < n ? each : ds_expr_sub(d->cx, total, ds_expr_scale(d->cx, each, (int64_t)n - 1));
    }
    if (n != op->result_count || n > DEC_MAX_RESULTS)
        return dec_fail(d, DS_E_shape, "%zu parts for %zu results", n, op->result_count);
    const ds_expr *sum = dec_const(d, 0);
    for (size_t i = 0; i < n; i++) sum = ds_expr_add(d->cx, sum, sizes[i]);
    DS_TRY(dec_not_negative(d, sizes, n, "the sizes of the parts"));
    DS_TRY(dec_require(d, DS_equal, sum, x->type->dims[axis], "the parts fill the axis"));
    for (size_t i = 0; i < n; i++) {
        d->out[i] = dec_slice(d, x, axis, start, sizes[i], 1);
        start = ds_expr_add(d->cx, start, sizes[i]);
    }
    return DS_OK;
}

#define FURTHEST (INT64_MAX / 2) /* a step beyond the length of any axis; sums with it stay within int64 */

/* 1 where e is negative, else 0. Without -e, which the smallest integer has none of: it may stand for "the end" of a
 * step downwards. */
static const ds_expr *is_negative(dec *d, const ds_expr *e) {
    const ds_expr *sign = ds_expr_max(d->cx, ds_expr_min(d->cx, e, dec_const(d, 0)), dec_const(d, -1));
    return ds_expr_scale(d->cx, sign, -1);
}

/* A Slice bound as ONNX defines it: negative ones count from the end, then it is clamped: starts to the elements, ends
 * also to the place behind them (downwards: before them). */
static const ds_expr *slice_bound(dec *d, const ds_expr *bound, const ds_expr *extent_of, bool down, bool is_start) {
    int64_t c;
    bool is_const = ds_expr_is_const(bound, &c), first = down && is_start;
    const ds_expr *zero = dec_const(d, down && !is_start ? -1 : 0),
                  *top = down ? ds_expr_sub(d->cx, extent_of, dec_const(d, 1)) : extent_of;
    if (is_const && c < 0) {
        if (first && c == -1) return top;
        bound = c <= -(INT64_MAX / 2) ? zero : ds_expr_max(d->cx, ds_expr_add(d->cx, bound, extent_of), zero);
        return first ? ds_expr_min(d->cx, bound, top) : bound;
    }
    if (is_const && c >= INT32_MAX) return top;
    if (!is_const && !ds_expr_nonneg(bound)) { /* e.g. -k for an extent k, or a number read at run time */
        const ds_expr *negated = ds_expr_scale(d->cx, bound, -1);
        if (ds_expr_nonneg(negated) && !first) return ds_expr_max(d->cx, ds_expr_add(d->cx, bound, extent_of), zero);
        /* bound + (bound < 0 ? extent : 0), as arithmetic */
        bound = ds_expr_add(d->cx, bound, ds_expr_mul(d->cx, is_negative(d, bound), extent_of));
        bound = ds_expr_max(d->cx, bound, zero);
    }
    return ds_expr_min(d->cx, bound, top);
}

/* to - from, which is min(c, to) where from is max(to - c, 0): the last c elements. */
static const ds_expr *slice_distance(dec *d, const ds_expr *from, const ds_expr *to) {
    if (from->kind == DS_EXPR_MAX) {
        const ds_expr *a = ds_expr_sub(d->cx, to, from->a), *b = ds_expr_sub(d->cx, to, from->b);
        if (ds_expr_is_const(a, NULL) || ds_expr_is_const(b, NULL)) return ds_expr_min(d->cx, a, b);
    }
    return ds_expr_sub(d->cx, to, from);
}

/* Slice where axes or steps are read at run time. For a step s, down = 1 where it is negative: then starts clamp to [0,
 * n-1], ends to [-1, n-1]; else both to [0, n]. A dim that no axis names keeps start 0, end n, step 1. */
static ds_status slice_at_run_time(dec *d, ds_value *x, const ds_expr *const *starts, const ds_expr *const *ends,
                                   size_t n) {
    const ds_expr *axes[DEC_MAX_RANK], *steps[DEC_MAX_RANK], *dims[DEC_MAX_RANK], *exprs[DEC_MAX_RANK],
        *zero = dec_const(d, 0), *one = dec_const(d, 1);
    size_t rank = x->type->rank, count = n, step_count = n;
    for (size_t k = 0; k < n; k++) axes[k] = dec_const(d, (int64_t)k), steps[k] = one;
    if (dec_in(d, 3)) DS_TRY(dec_ints(d, dec_in(d, 3), axes, DEC_MAX_RANK, &count));
    if (dec_in(d, 4)) DS_TRY(dec_ints(d, dec_in(d, 4), steps, DEC_MAX_RANK, &step_count));
    if (count != n || step_count != n) return dec_fail(d, DS_E_shape, "starts, ends, axes and steps differ in length");
    for (size_t k = 0; k < n; k++) {
        DS_TRY(dec_require_axis(d, axes[k], rank));
        DS_TRY(dec_require(d, DS_at_most, one, ds_expr_max(d->cx, steps[k], is_negative(d, steps[k])), "no step is 0"));
        steps[k] = ds_expr_min(d->cx, ds_expr_max(d->cx, steps[k], dec_const(d, -FURTHEST)), dec_const(d, FURTHEST));
    }
    for (size_t i = 0; i < rank; i++) {
        const ds_expr *size = x->type->dims[i], *from = zero, *to = size, *step = one;
        for (size_t k = 0; k < n; k++) {
            const ds_expr *is_it = dec_is_axis(d, axes[k], i, rank), *bound[2] = {starts[k], ends[k]};
            const ds_expr *down = is_negative(d, steps[k]), *top = ds_expr_sub(d->cx, size, down);
            for (int b = 0; b < 2; b++) {
                const ds_expr *v = ds_expr_add(d->cx, bound[b], ds_expr_mul(d->cx, is_negative(d, bound[b]), size)),
                              *low = b ? ds_expr_scale(d->cx, down, -1) : zero;
                v = ds_expr_min(d->cx, ds_expr_max(d->cx, v, low), top);
                const ds_expr **to_set = b ? &to : &from;
                *to_set =
                    ds_expr_add(d->cx, *to_set, ds_expr_mul(d->cx, is_it, ds_expr_sub(d->cx, v, b ? size : zero)));
            }
            step = ds_expr_add(d->cx, step, ds_expr_mul(d->cx, is_it, ds_expr_sub(d->cx, steps[k], one)));
        }
        dims[i] = ds_expr_max(d->cx, ds_expr_ceildiv(d->cx, ds_expr_sub(d->cx, to, from), step), zero);
        exprs[i] = ds_expr_add(d->cx, from, ds_expr_mul(d->cx, step, dec_dim(d, i)));
    }
    const ds_attr *map = dec_map_of(d, rank, exprs, rank);
    body r = map_begin(d, x->type->elem, rank, dims, &x, &map, 1);
    d->out[0] = map_end(&r, r.x[0]);
    return DS_OK;
}

/* A list that holds a number for each of the axes, of which neither is known how many there are, as one of `rank`
 * numbers: `otherwise` for a dim that is not among the axes. Without axes the list is for the first dims. */
static ds_value *number_of_each_dim(dec *d, ds_value *list, ds_value *axes, size_t rank, double otherwise) {
    const ds_expr *all = dec_const(d, (int64_t)rank), *at = dec_dim(d, 1);
    const ds_attr *map = dec_map_of(d, 2, &at, 1), *maps[] = {map, map};
    ds_value *inputs[] = {list, axes};
    body b = reduce_begin(d, DS_i64, 1, &all, list->type->dims, 1, inputs, maps, axes ? 2 : 1), *r = &b;
    ds_value *dim = cast_to(r, position(r, 0), DS_i64), *axis = cast_to(r, axes ? r->x[1] : position(r, 1), DS_i64);
    ds_value *from_end = SUB(dim, cast_to(r, extent(r, all), DS_i64)),
             *hit = op2(r, DS_LOOP_or, EQ(axis, dim), EQ(axis, from_end));
    ds_value *change = SUB(cast_to(r, r->x[0], DS_i64), num(r, DS_i64, otherwise));
    ds_value *sum = reduce_end(r, SELECT(hit, change, num(r, DS_i64, 0)), DS_LOOP_add);
    b = map_same(d, DS_i64, sum);
    return map_end(r, ADD(r->x[0], num(r, DS_i64, otherwise)));
}

/* Starts, ends, axes and steps are equally long; where nothing says how long, they become lists of a number for each
 * dim. */
static ds_status slice_lists(dec *d, size_t rank) {
    uint64_t count = UINT64_MAX, known;
    static const double otherwise[] = {0, 0, 4611686018427387904.0 /* 2^62: the end */, 0, 1};
    for (size_t i = 1; i < 5; i++)
        if (dec_in(d, i) && ds_type_static_count(dec_type(d, i), &known)) count = known;
    if (count != UINT64_MAX) {
        for (size_t i = 1; i < 5; i++) DS_TRY(dec_list(d, i, (size_t)count));
        return DS_OK;
    }
    ds_value *axes = dec_in(d, 3);
    const ds_expr *same;
    for (size_t i = 1; i < 5; i++) {
        ds_value *list = dec_in(d, i);
        if (list && list->type->rank != 1) return dec_fail(d, DS_E_shape, "operand %zu is not a list", i);
        if (list) DS_TRY(dec_same(d, list->type->dims[0], dec_type(d, 1)->dims[0], &same));
    }
    for (size_t i = 1; i < 5; i++)
        if (i != 3 && dec_in(d, i))
            ds_op_set_operand(d->op, i, number_of_each_dim(d, dec_in(d, i), axes, rank, otherwise[i]));
    if (axes) {
        int64_t every[DEC_MAX_RANK], extent_of = (int64_t)rank;
        for (size_t i = 0; i < rank; i++) every[i] = (int64_t)i;
        ds_op_set_operand(d->op, 3, dec_constant(d, DS_i64, 1, &extent_of, every, rank * sizeof every[0]));
    }
    return DS_OK;
}

RULE(slice) {
    ds_value *x = dec_in(d, 0);
    const ds_expr *starts[DEC_MAX_RANK], *ends[DEC_MAX_RANK], *dims[DEC_MAX_RANK], *exprs[DEC_MAX_RANK];
    int64_t axes[DEC_MAX_RANK], steps[DEC_MAX_RANK];
    size_t n, m, rank = x->type->rank, count;
    (void)op;
    DS_TRY(slice_lists(d, rank));
    DS_TRY(dec_ints(d, dec_in(d, 1), starts, DEC_MAX_RANK, &n));
    DS_TRY(dec_ints(d, dec_in(d, 2), ends, DEC_MAX_RANK, &m));
    for (size_t i = 0; i < DEC_MAX_RANK; i++) axes[i] = (int64_t)i, steps[i] = 1;
    if (n != m || n > rank) return dec_fail(d, DS_E_shape, "starts and ends do not fit the input");
    for (size_t i = 3; i < 5; i++) {
        if (!dec_in(d, i)) continue;
        if (!dec_known_ints(d, dec_in(d, i), i == 3 ? axes : steps, DEC_MAX_RANK, &count))
            return slice_at_run_time(d, x, starts, ends, n);
        if (count != n) return dec_fail(d, DS_E_shape, "%zu starts, but %zu axes or steps", n, count);
    }
    for (size_t i = 0; i < rank; i++) dims[i] = x->type->dims[i], exprs[i] = dec_dim(d, i);
    bool seen[DEC_MAX_RANK] = {false};
    for (size_t i = 0; i < n; i++) {
        size_t axis;
        DS_TRY(dec_axis(d, axes[i], rank, &axis));
        if (steps[i] == 0) return dec_fail(d, DS_E_attribute, "a step is 0");
        if (seen[axis]) return dec_fail(d, DS_E_attribute, "axis %zu is repeated", axis);
        seen[axis] = true;
        if (steps[i] < -FURTHEST) steps[i] = -FURTHEST;
        const ds_expr *from = slice_bound(d, starts[i], dims[axis], steps[i] < 0, true),
                      *to = slice_bound(d, ends[i], dims[axis], steps[i] < 0, false);
        const ds_expr *distance = steps[i] > 0 ? slice_distance(d, from, to) : slice_distance(d, to, from),
                      *step = dec_const(d, steps[i] > 0 ? steps[i] : -steps[i]);
        dims[axis] = ds_expr_max(d->cx, ds_expr_ceildiv(d->cx, distance, step), dec_const(d, 0));
        exprs[axis] = ds_expr_add(d->cx, from, ds_expr_scale(d->cx, dec_dim(d, axis), steps[i]));
    }
    const ds_attr *map = dec_map_of(d, rank, exprs, rank);
    body r = map_begin(d, x->type->elem, rank, dims, &x, &map, 1);
    d->out[0] = map_end(&r, r.x[0]);
    return DS_OK;
}

/* ---- padding ---- */

/* The pad of a dim, by axes that are read at run time; a symbol of its own, as extents are multiplied. */
static const ds_expr *pad_of_dim(dec *d, const ds_expr *const *axes, const ds_expr *const *pads, size_t count,
                                 size_t dim, size_t rank) {
    const ds_expr *sum = dec_const(d, 0);
    for (size_t k = 0; k < count; k++)
        sum = ds_expr_add(d->cx, sum, ds_expr_mul(d->cx, dec_is_axis(d, axes[k], dim, rank), pads[k]));
    return dec_named(d, sum);
}

/* Where nothing says how many axes there are, pads become a number before and one behind each dim. */
static ds_status pads_of_each_dim(dec *d, size_t rank) {
    ds_value *pads = dec_in(d, 1), *axes = dec_in(d, 3), *parts[2];
    uint64_t known;
    if (!axes || ds_type_static_count(axes->type, &known) || ds_type_static_count(pads->type, &known)) return DS_OK;
    const ds_expr *count = axes->type->dims[0], *twice = ds_expr_scale(d->cx, count, 2);
    DS_TRY(dec_require(d, DS_equal, pads->type->dims[0], twice, "there are two pads for each axis"));
    for (size_t i = 0; i < 2; i++) {
        const ds_expr *at = ds_expr_add(d->cx, dec_dim(d, 0), ds_expr_scale(d->cx, count, (int64_t)i));
        const ds_attr *map = dec_map_of(d, 1, &at, 1);
        body r = map_begin(d, DS_i64, 1, &count, &pads, &map, 1);
        parts[i] = number_of_each_dim(d, map_end(&r, cast_to(&r, r.x[0], DS_i64)), axes, rank, 0);
    }
    DS_TRY(dec_concat(d, parts, 2, 0, &pads));
    ds_value *operands[] = {ds_op_operand(d->op, 0), pads, ds_op_operand(d->op, 2)};
    ds_op_set_operands(d->m, d->op, operands, DS_COUNT(operands));
    return DS_OK;
}

/* Mode constant. A fill that only the run knows is chosen beside a read that yields zero outside x. */
static ds_status pad_with_one(dec *d, ds_value *x, ds_value *fill, const ds_expr *const *before, size_t rank,
                              const ds_expr *const *dims) {
    const ds_expr *exprs[DEC_MAX_RANK];
    double value;
    bool known = !fill || dec_known_scalar(d, fill, &value);
    for (size_t i = 0; i < rank; i++) exprs[i] = ds_expr_sub(d->cx, dec_dim(d, i), before[i]);
    if (!known) DS_TRY(dec_one(d, fill, "the value to pad with is one", &fill));
    ds_value *inputs[] = {x, fill}, *inside = NULL;
    const ds_attr *maps[] = {dec_map_of(d, rank, exprs, rank), dec_map_of(d, rank, NULL, 0)};
    body r = map_begin(d, x->type->elem, rank, dims, inputs, maps, known ? 1 : 2);
    if (!known || !fill || !map_pad_known(&r, 0, fill)) map_pad(&r, 0, 0);
    for (size_t i = 0; i < rank && !known; i++) {
        ds_value *p = op2(&r, DS_LOOP_sub, position(&r, i), extent(&r, before[i])),
                 *size = extent(&r, x->type->dims[i]);
        ds_value *in = op2(&r, DS_LOOP_and, op2(&r, DS_LOOP_le, like(&r, p, 0), p), op2(&r, DS_LOOP_lt, p, size));
        inside = inside ? op2(&r, DS_LOOP_and, inside, in) : in;
    }
    d->out[0] = map_end(&r, inside ? op3(&r, DS_LOOP_select, inside, r.x[0], r.x[1]) : r.x[0]);
    return DS_OK;
}

RULE(pad) {
    ds_value *x = dec_in(d, 0), *fill = dec_in(d, 2);
    const ds_expr *pads[2 * DEC_MAX_RANK], *dims[DEC_MAX_RANK], *before[DEC_MAX_RANK], *late_axes[DEC_MAX_RANK];
    int64_t axes[DEC_MAX_RANK];
    size_t n, count = x->type->rank, rank = x->type->rank;
    const char *mode = ds_op_text(op, "mode", "constant");
    uint64_t listed = rank;
    DS_TRY(pads_of_each_dim(d, rank));
    if (dec_in(d, 3) && !ds_type_static_count(dec_type(d, 3), &listed) && ds_type_static_count(dec_type(d, 1), &listed))
        listed /= 2;
    DS_TRY(dec_list(d, 3, (size_t)listed));
    DS_TRY(dec_list(d, 1, 2 * (size_t)listed));
    DS_TRY(dec_ints(d, dec_in(d, 1), pads, 2 * DEC_MAX_RANK, &n));
    for (size_t i = 0; i < rank; i++) axes[i] = (int64_t)i, dims[i] = x->type->dims[i], before[i] = dec_const(d, 0);
    bool late = dec_in(d, 3) && !dec_known_ints(d, dec_in(d, 3), axes, DEC_MAX_RANK, &count);
    if (late) DS_TRY(dec_ints(d, dec_in(d, 3), late_axes, DEC_MAX_RANK, &count));
    if (n != 2 * count) return dec_fail(d, DS_E_shape, "%zu pads for %zu axes", n, count);
    for (size_t k = 0; late && k < count; k++) DS_TRY(dec_require_axis(d, late_axes[k], rank));
    for (size_t i = 0; late && i < rank; i++) {
        before[i] = pad_of_dim(d, late_axes, pads, count, i, rank);
        const ds_expr *after = pad_of_dim(d, late_axes, pads + count, count, i, rank);
        dims[i] = ds_expr_add(d->cx, ds_expr_add(d->cx, dims[i], before[i]), after);
    }
    for (size_t i = 0; !late && i < count; i++) {
        size_t axis;
        DS_TRY(dec_axis(d, axes[i], rank, &axis));
        before[axis] = pads[i];
        dims[axis] = ds_expr_add(d->cx, ds_expr_add(d->cx, dims[axis], pads[i]), pads[count + i]);
    }
    DS_TRY(dec_not_negative(d, dims, rank, "the extents with the pads"));
    if (!strcmp(mode, "constant")) return pad_with_one(d, x, fill, before, rank, dims);
    body r = map_over(d, x->type->elem, rank, dims, NULL, 0);
    ds_value *at[DEC_MAX_RANK];
    for (size_t i = 0; i < rank; i++) {
        ds_value *p = op2(&r, DS_LOOP_sub, position(&r, i), extent(&r, before[i])),
                 *size = extent(&r, x->type->dims[i]), *zero = like(&r, p, 0), *one = like(&r, p, 1);
        ds_value *last = op2(&r, DS_LOOP_sub, size, one);
        if (!strcmp(mode, "reflect")) { /* distance to the nearest multiple of 2*(size-1) */
            ds_value *period = op2(&r, DS_LOOP_max, op2(&r, DS_LOOP_mul, last, like(&r, p, 2)), one),
                     *m = op2(&r, DS_LOOP_mod, p, period);
            p = op2(&r, DS_LOOP_min, m, op2(&r, DS_LOOP_sub, period, m));
        } else if (!strcmp(mode, "wrap")) p = op2(&r, DS_LOOP_mod, p, size);
        at[i] = op2(&r, DS_LOOP_max, zero, op2(&r, DS_LOOP_min, p, last));
    }
    d->out[0] = map_end(&r, extract(&r, x, at, rank));
    return DS_OK;
}
