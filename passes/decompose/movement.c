/* Ops that move or make elements: views, slices, gathers. Each is a map whose access maps or extracted positions say where from. */
#include <math.h>
#include <string.h>

#include "passes/decompose/decompose.h"

#define RULE(name)                                                                                                                         \
    ds_status rule_##name(dec *d, ds_op *op);                                                                                              \
    ds_status rule_##name(dec *d, ds_op *op)

RULE(none) { (void)op; d->out[0] = NULL; return DS_OK; }

RULE(constant) {
    const ds_attr *v = ds_op_attr(op, "value");
    if (v && v->kind == DS_ATTR_ELEMENTS) {
        ds_op *c = ds_op_create(&d->b, DS_GRAPH_constant, NULL, 0, &v->type, 1, 0);
        ds_op_set_attr(d->m, c, "value", v);
        d->out[0] = ds_op_result(c, 0);
        return DS_OK;
    }
    if (ds_op_attr(op, "value_float")) d->out[0] = dec_scalar(d, DS_f32, ds_op_float(op, "value_float", 0));
    else if (ds_op_attr(op, "value_int")) d->out[0] = dec_scalar(d, DS_i64, (double)ds_op_int(op, "value_int", 0));
    else if (ds_op_attr(op, "value_ints")) {
        int64_t values[1024];
        int64_t n = (int64_t)ds_op_ints(op, "value_ints", values, 1024);
        if (n > 1024) return dec_refuse(d, "a long list in value_ints");
        d->out[0] = dec_constant(d, DS_i64, 1, &n, values, (size_t)n * 8);
    } else if (ds_op_attr(op, "value_floats")) {
        const ds_attr *a = ds_op_attr(op, "value_floats");
        float values[1024];
        int64_t n = (int64_t)a->count;
        if (n > 1024) return dec_refuse(d, "a long list in value_floats");
        for (int64_t i = 0; i < n; i++) values[i] = (float)a->items[i]->number;
        d->out[0] = dec_constant(d, DS_f32, 1, &n, values, (size_t)n * 4);
    } else return dec_refuse(d, "sparse and string constants");
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

/* Extents that are read at run time, where 0 copies the input's and -1 is what is left, as arithmetic: for an integer v,
 * max(0, 1 - v*v) is 1 where v is 0, and max(0, 1 - (v+1)*(v+1)) is 1 where v is -1. */
static void run_time_shape(dec *d, const ds_type *input, const ds_expr **dims, size_t rank, bool zero_copies) {
    const ds_expr *one = dec_const(d, 1), *zero = dec_const(d, 0), *product = one, *inferred[DEC_MAX_RANK];
    for (size_t i = 0; i < rank; i++) {
        const ds_expr *v = dims[i], *next = ds_expr_add(d->cx, v, one);
        if (zero_copies && i < input->rank) dims[i] = ds_expr_add(d->cx, v, ds_expr_mul(d->cx, ds_expr_max(d->cx, zero, ds_expr_sub(d->cx, one, ds_expr_mul(d->cx, v, v))), input->dims[i]));
        inferred[i] = ds_expr_max(d->cx, zero, ds_expr_sub(d->cx, one, ds_expr_mul(d->cx, next, next)));
        product = ds_expr_mul(d->cx, product, dims[i]);
    }
    const ds_expr *known = ds_expr_max(d->cx, product, ds_expr_scale(d->cx, product, -1)), *rest = ds_expr_floordiv(d->cx, ds_type_count(d->cx, input), ds_expr_max(d->cx, known, one));
    for (size_t i = 0; i < rank; i++) dims[i] = ds_expr_add(d->cx, dims[i], ds_expr_mul(d->cx, inferred[i], ds_expr_add(d->cx, rest, one)));
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
        d->out[0] = dec_reshape(d, x, rank, dims);
        return DS_OK;
    }
    for (size_t i = 0; i < rank; i++) {
        if (ds_expr_equals(dims[i], 0) && !ds_op_int(op, "allowzero", 0)) {
            if (i >= x->type->rank) return dec_fail(d, DS_E_shape, "dimension %zu is to be copied, but the input has only %zu", i, x->type->rank);
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
        if (ds_expr_is_const(total, &a) && ds_expr_is_const(known, &b) && a % b) return dec_fail(d, DS_E_shape, "%lld elements do not fill rows of %lld", (long long)a, (long long)b);
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
    for (size_t i = 0; i < t->rank; i++) dims[(int64_t)i >= axis] = ds_expr_mul(d->cx, dims[(int64_t)i >= axis], t->dims[i]);
    d->out[0] = dec_reshape(d, dec_in(d, 0), 2, dims);
    return DS_OK;
}

static ds_status axes_of(dec *d, size_t operand, size_t rank, bool *out_is_axis) {
    int64_t axes[DEC_MAX_RANK];
    size_t count;
    memset(out_is_axis, 0, DEC_MAX_RANK);
    if (!dec_known_ints(d, dec_in(d, operand), axes, DEC_MAX_RANK, &count)) return dec_refuse(d, "axes that are known only at run time");
    for (size_t i = 0; i < count; i++) {
        size_t axis;
        DS_TRY(dec_axis(d, axes[i], rank, &axis));
        out_is_axis[axis] = true;
    }
    return DS_OK;
}

RULE(squeeze) {
    const ds_type *t = dec_type(d, 0);
    bool drop[DEC_MAX_RANK] = {false};
    (void)op;
    if (dec_in(d, 1)) DS_TRY(axes_of(d, 1, t->rank, drop));
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
    if (!dec_in(d, 1) || !ds_type_static_count(dec_in(d, 1)->type, &count) || t->rank + count > DEC_MAX_RANK) return dec_refuse(d, "axes that are known only at run time");
    bool is_new[DEC_MAX_RANK];
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
    if (ds_op_attr(op, "perm") && ds_op_ints(op, "perm", perm, DEC_MAX_RANK) != rank) return dec_fail(d, DS_E_attribute, "'perm' does not have the input's rank");
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
        if (ds_expr_equals(a, 1)) dims[i] = b;
        else if (ds_expr_equals(b, 1)) dims[i] = a;
        else DS_TRY(dec_same(d, a, b, &dims[i]));
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
    ds_value *x = dec_scalar(d, DS_f32, 0);
    if (v && v->kind == DS_ATTR_ELEMENTS) x = dec_constant(d, v->type->elem, 0, NULL, v->bytes, v->count);
    double number;
    body r = map_over(d, x->type->elem, rank, dims, &x, dec_known_scalar(d, x, &number) ? 0 : 1);
    d->out[0] = map_end(&r, dec_known_scalar(d, x, &number) ? num(&r, dec_compute_elem(x->type->elem), number) : r.x[0]);
    return DS_OK;
}

RULE(tile) {
    const ds_expr *repeats[DEC_MAX_RANK], *dims[DEC_MAX_RANK], *exprs[DEC_MAX_RANK];
    ds_value *x = dec_in(d, 0);
    size_t n, rank = x->type->rank;
    (void)op;
    DS_TRY(dec_ints(d, dec_in(d, 1), repeats, DEC_MAX_RANK, &n));
    if (n != rank) return dec_fail(d, DS_E_shape, "%zu repeats for a tensor of rank %zu", n, rank);
    for (size_t i = 0; i < rank; i++) {
        dims[i] = ds_expr_mul(d->cx, x->type->dims[i], repeats[i]);
        exprs[i] = ds_expr_equals(repeats[i], 1) ? dec_dim(d, i) : ds_expr_equals(x->type->dims[i], 1) ? dec_const(d, 0) : ds_expr_mod(d->cx, dec_dim(d, i), x->type->dims[i]);
    }
    const ds_attr *map = dec_map_of(d, rank, exprs, rank);
    body r = map_begin(d, x->type->elem, rank, dims, &x, &map, 1);
    d->out[0] = map_end(&r, r.x[0]);
    return DS_OK;
}

RULE(concat) {
    ds_value *inputs[DEC_MAX_RESULTS];
    size_t axis, count = 0;
    const ds_expr *dims[DEC_MAX_RANK];
    for (size_t i = 0; i < op->operand_count; i++) {
        if (count == DEC_MAX_RESULTS) return dec_refuse(d, "more than %d inputs", DEC_MAX_RESULTS);
        if (dec_in(d, i)) inputs[count++] = dec_in(d, i);
    }
    if (!count) return dec_fail(d, DS_E_arity, "there is no input");
    size_t rank = inputs[0]->type->rank;
    DS_TRY(dec_axis(d, ds_op_int(op, "axis", 0), rank, &axis));
    for (size_t i = 0; i < rank; i++) dims[i] = inputs[0]->type->dims[i];
    for (size_t k = 1; k < count; k++) {
        if (inputs[k]->type->rank != rank) return dec_fail(d, DS_E_shape, "inputs have ranks %zu and %zu", rank, inputs[k]->type->rank);
        for (size_t i = 0; i < rank; i++) {
            if (i == axis) dims[i] = ds_expr_add(d->cx, dims[i], inputs[k]->type->dims[i]);
            else DS_TRY(dec_same(d, dims[i], inputs[k]->type->dims[i], &dims[i]));
        }
    }
    if (inputs[0]->type->elem == DS_string) return dec_refuse(d, "strings");
    const ds_type *type = ds_type_tensor(d->cx, inputs[0]->type->elem, rank, dims, NULL);
    ds_op *c = ds_op_create(&d->b, DS_GRAPH_concat, inputs, count, &type, 1, 0);
    ds_op_set_attr(d->m, c, "axis", ds_attr_int(d->cx, (int64_t)axis));
    d->out[0] = dec_simplify(d, ds_op_result(c, 0));
    return DS_OK;
}

RULE(split) {
    ds_value *x = dec_in(d, 0);
    const ds_expr *sizes[DEC_MAX_RESULTS], *start = dec_const(d, 0);
    size_t axis, n = 0;
    DS_TRY(dec_axis(d, ds_op_int(op, "axis", 0), x->type->rank, &axis));
    if (dec_in(d, 1)) DS_TRY(dec_ints(d, dec_in(d, 1), sizes, DEC_MAX_RESULTS, &n));
    else {
        n = op->result_count;
        const ds_expr *total = x->type->dims[axis], *each = ds_expr_ceildiv(d->cx, total, dec_const(d, (int64_t)n));
        for (size_t i = 0; i < n && i < DEC_MAX_RESULTS; i++) sizes[i] = i + 1 < n ? each : ds_expr_sub(d->cx, total, ds_expr_scale(d->cx, each, (int64_t)n - 1));
    }
    if (n != op->result_count || n > DEC_MAX_RESULTS) return dec_fail(d, DS_E_shape, "%zu parts for %zu results", n, op->result_count);
    for (size_t i = 0; i < n; i++) {
        d->out[i] = dec_slice(d, x, axis, start, sizes[i], 1);
        start = ds_expr_add(d->cx, start, sizes[i]);
    }
    return DS_OK;
}

/* A Slice bound as ONNX defines it: negative ones count from the end, then it is clamped. */
static const ds_expr *slice_bound(dec *d, const ds_expr *bound, const ds_expr *extent_of, bool down) {
    int64_t c;
    bool is_const = ds_expr_is_const(bound, &c);
    const ds_expr *zero = dec_const(d, down ? -1 : 0), *top = down ? ds_expr_sub(d->cx, extent_of, dec_const(d, 1)) : extent_of;
    if (is_const && c < 0) {
        if (c <= -(INT64_MAX / 2)) return zero;
        bound = ds_expr_add(d->cx, bound, extent_of);
        return ds_expr_max(d->cx, bound, zero);
    }
    if (is_const && c >= INT32_MAX) return top;
    if (!is_const && !ds_expr_nonneg(bound)) { /* e.g. -k for an extent k, or a number read at run time */
        const ds_expr *negated = ds_expr_scale(d->cx, bound, -1);
        if (ds_expr_nonneg(negated)) return ds_expr_max(d->cx, ds_expr_add(d->cx, bound, extent_of), zero);
        /* bound + (bound < 0 ? extent : 0), as arithmetic: min(max(-bound, 0), 1) is 1 for negative bounds */
        const ds_expr *is_negative = ds_expr_min(d->cx, ds_expr_max(d->cx, negated, dec_const(d, 0)), dec_const(d, 1));
        bound = ds_expr_add(d->cx, bound, ds_expr_mul(d->cx, is_negative, extent_of));
        bound = ds_expr_max(d->cx, bound, zero);
    }
    return ds_expr_min(d->cx, bound, top);
}

RULE(slice) {
    ds_value *x = dec_in(d, 0);
    const ds_expr *starts[DEC_MAX_RANK], *ends[DEC_MAX_RANK], *dims[DEC_MAX_RANK], *exprs[DEC_MAX_RANK];
    int64_t axes[DEC_MAX_RANK], steps[DEC_MAX_RANK];
    size_t n, m, rank = x->type->rank, count;
    (void)op;
    DS_TRY(dec_ints(d, dec_in(d, 1), starts, DEC_MAX_RANK, &n));
    DS_TRY(dec_ints(d, dec_in(d, 2), ends, DEC_MAX_RANK, &m));
    for (size_t i = 0; i < DEC_MAX_RANK; i++) axes[i] = (int64_t)i, steps[i] = 1;
    if (dec_in(d, 3) && !dec_known_ints(d, dec_in(d, 3), axes, DEC_MAX_RANK, &count)) return dec_refuse(d, "axes that are known only at run time");
    if (dec_in(d, 4) && !dec_known_ints(d, dec_in(d, 4), steps, DEC_MAX_RANK, &count)) return dec_refuse(d, "steps that are known only at run time");
    if (n != m || n > rank) return dec_fail(d, DS_E_shape, "starts and ends do not fit the input");
    for (size_t i = 0; i < rank; i++) dims[i] = x->type->dims[i], exprs[i] = dec_dim(d, i);
    for (size_t i = 0; i < n; i++) {
        size_t axis;
        DS_TRY(dec_axis(d, axes[i], rank, &axis));
        if (steps[i] == 0) return dec_fail(d, DS_E_attribute, "a step is 0");
        const ds_expr *from = slice_bound(d, starts[i], dims[axis], steps[i] < 0), *to = slice_bound(d, ends[i], dims[axis], steps[i] < 0);
        const ds_expr *distance = steps[i] > 0 ? ds_expr_sub(d->cx, to, from) : ds_expr_sub(d->cx, from, to), *step = dec_const(d, steps[i] > 0 ? steps[i] : -steps[i]);
        dims[axis] = ds_expr_max(d->cx, ds_expr_ceildiv(d->cx, distance, step), dec_const(d, 0));
        exprs[axis] = ds_expr_add(d->cx, from, ds_expr_scale(d->cx, dec_dim(d, axis), steps[i]));
    }
    const ds_attr *map = dec_map_of(d, rank, exprs, rank);
    body r = map_begin(d, x->type->elem, rank, dims, &x, &map, 1);
    d->out[0] = map_end(&r, r.x[0]);
    return DS_OK;
}

/* ---- padding ---- */

RULE(pad) {
    ds_value *x = dec_in(d, 0), *fill = dec_in(d, 2);
    const ds_expr *pads[2 * DEC_MAX_RANK], *dims[DEC_MAX_RANK], *before[DEC_MAX_RANK];
    int64_t axes[DEC_MAX_RANK];
    size_t n, count = x->type->rank, rank = x->type->rank;
    const char *mode = ds_op_text(op, "mode", "constant");
    DS_TRY(dec_ints(d, dec_in(d, 1), pads, 2 * DEC_MAX_RANK, &n));
    for (size_t i = 0; i < rank; i++) axes[i] = (int64_t)i, dims[i] = x->type->dims[i], before[i] = dec_const(d, 0);
    if (dec_in(d, 3) && !dec_known_ints(d, dec_in(d, 3), axes, DEC_MAX_RANK, &count)) return dec_refuse(d, "axes that are known only at run time");
    if (n != 2 * count) return dec_fail(d, DS_E_shape, "%zu pads for %zu axes", n, count);
    for (size_t i = 0; i < count; i++) {
        size_t axis;
        DS_TRY(dec_axis(d, axes[i], rank, &axis));
        before[axis] = pads[i];
        dims[axis] = ds_expr_add(d->cx, ds_expr_add(d->cx, dims[axis], pads[i]), pads[count + i]);
    }
    double value = 0;
    bool constant = !strcmp(mode, "constant");
    if (constant && (!fill || dec_known_scalar(d, fill, &value))) {
        const ds_expr *exprs[DEC_MAX_RANK];
        for (size_t i = 0; i < rank; i++) exprs[i] = ds_expr_sub(d->cx, dec_dim(d, i), before[i]);
        const ds_attr *map = dec_map_of(d, rank, exprs, rank);
        body r = map_begin(d, x->type->elem, rank, dims, &x, &map, 1);
        map_pad(&r, 0, value);
        d->out[0] = map_end(&r, r.x[0]);
        return DS_OK;
    }
    body r = map_over(d, x->type->elem, rank, dims, &fill, constant && fill ? 1 : 0);
    ds_value *at[DEC_MAX_RANK], *inside = NULL;
    for (size_t i = 0; i < rank; i++) {
        ds_value *p = op2(&r, DS_LOOP_sub, position(&r, i), extent(&r, before[i])), *size = extent(&r, x->type->dims[i]), *zero = like(&r, p, 0), *one = like(&r, p, 1);
        ds_value *last = op2(&r, DS_LOOP_sub, size, one);
        if (constant) {
            ds_value *in = op2(&r, DS_LOOP_and, op2(&r, DS_LOOP_le, zero, p), op2(&r, DS_LOOP_lt, p, size));
            inside = inside ? op2(&r, DS_LOOP_and, inside, in) : in;
        }
        if (!strcmp(mode, "reflect")) { /* distance to the nearest multiple of 2*(size-1) */
            ds_value *period = op2(&r, DS_LOOP_max, op2(&r, DS_LOOP_mul, last, like(&r, p, 2)), one), *m = op2(&r, DS_LOOP_mod, p, period);
            p = op2(&r, DS_LOOP_min, m, op2(&r, DS_LOOP_sub, period, m));
        } else if (!strcmp(mode, "wrap")) p = op2(&r, DS_LOOP_mod, p, size);
        at[i] = op2(&r, DS_LOOP_max, zero, op2(&r, DS_LOOP_min, p, last));
    }
    ds_value *v = extract(&r, x, at, rank);
    d->out[0] = map_end(&r, inside && fill ? op3(&r, DS_LOOP_select, inside, v, r.x[0]) : v);
    return DS_OK;
}

/* ---- gathers ---- */

/* An index as ONNX defines it: negative ones count from the end; clamped, so that a wrong one cannot read outside. */
static ds_value *safe_index(body *r, ds_value *i, const ds_expr *size) {
    ds_value *n = extent(r, size), *zero = num(r, DS_index, 0);
    i = cast_to(r, i, DS_index);
    i = op3(r, DS_LOOP_select, op2(r, DS_LOOP_lt, i, zero), op2(r, DS_LOOP_add, i, n), i);
    return op2(r, DS_LOOP_max, zero, op2(r, DS_LOOP_min, i, op2(r, DS_LOOP_sub, n, num(r, DS_index, 1))));
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
        start = dec_const(d, constant);
        if (constant < 0) start = ds_expr_add(d->cx, start, x->type->dims[axis]);
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
    if (indices->type->rank != x->type->rank) return dec_fail(d, DS_E_shape, "indices have rank %zu, the input %zu", indices->type->rank, x->type->rank);
    body r = map_over(d, x->type->elem, x->type->rank, indices->type->dims, &indices, 1);
    for (size_t i = 0; i < x->type->rank; i++) at[i] = i == axis ? safe_index(&r, r.x[0], x->type->dims[i]) : position(&r, i);
    d->out[0] = map_end(&r, extract(&r, x, at, x->type->rank));
    return DS_OK;
}

RULE(gather_nd) {
    ds_value *x = dec_in(d, 0), *indices = dec_in(d, 1), *at[DEC_MAX_RANK];
    size_t batch = (size_t)ds_op_int(op, "batch_dims", 0), q = indices->type->rank, rank = 0;
    int64_t depth;
    if (q == 0 || !ds_expr_is_const(indices->type->dims[q - 1], &depth) || batch >= q || batch + (size_t)depth > x->type->rank) return dec_refuse(d, "indices of this shape");
    const ds_expr *dims[DEC_MAX_RANK];
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
    size_t batch = (size_t)ds_op_int(op, "batch_axis", 1), time = (size_t)ds_op_int(op, "time_axis", 0), rank = x->type->rank;
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
    const ds_expr *start, *limit, *delta, *count;
    size_t n;
    (void)op;
    ds_elem elem = inputs[0]->type->elem;
    double a, b, c;
    if (dec_known_scalar(d, inputs[0], &a) && dec_known_scalar(d, inputs[1], &b) && dec_known_scalar(d, inputs[2], &c)) {
        if (c == 0) return dec_fail(d, DS_E_attribute, "the step is 0");
        double steps = ceil((b - a) / c);
        count = dec_const(d, steps > 0 ? (int64_t)steps : 0);
    } else {
        DS_TRY(dec_ints(d, inputs[0], &start, 1, &n));
        DS_TRY(dec_ints(d, inputs[1], &limit, 1, &n));
        DS_TRY(dec_ints(d, inputs[2], &delta, 1, &n));
        count = ds_expr_max(d->cx, ds_expr_ceildiv(d->cx, ds_expr_sub(d->cx, limit, start), delta), dec_const(d, 0));
    }
    ds_value *used[] = {inputs[0], inputs[2]};
    body r = map_over(d, elem, 1, &count, used, 2);
    ds_value *i = cast_to(&r, position(&r, 0), r.x[0]->type->elem);
    d->out[0] = map_end(&r, op2(&r, DS_LOOP_add, r.x[0], op2(&r, DS_LOOP_mul, i, r.x[1])));
    return DS_OK;
}

RULE(eye_like) {
    const ds_type *t = dec_type(d, 0);
    ds_elem to = ds_elem_from_onnx((int)ds_op_int(op, "dtype", ds_elem_facts(t->elem)->onnx));
    if (t->rank != 2 || to == DS_NO_ELEM) return dec_fail(d, DS_E_shape, "the input is not a matrix");
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
    ds_value *row = op2(&r, DS_LOOP_add, position(&r, rank - 2), extent(&r, k)), *column = position(&r, rank - 1);
    ds_value *keep = ds_op_int(op, "upper", 1) ? op2(&r, DS_LOOP_le, row, column) : op2(&r, DS_LOOP_le, column, row);
    d->out[0] = map_end(&r, op3(&r, DS_LOOP_select, keep, r.x[0], like(&r, r.x[0], 0)));
    return DS_OK;
}

RULE(one_hot) {
    ds_value *indices = dec_in(d, 0), *values = dec_in(d, 2), *depth_in = dec_in(d, 1);
    const ds_expr *depth, *dims[DEC_MAX_RANK], *exprs[DEC_MAX_RANK], *zero = dec_const(d, 0), *one = dec_const(d, 1);
    size_t rank = indices->type->rank + 1, axis, n;
    double number;
    if (dec_known_scalar(d, depth_in, &number)) depth = dec_const(d, (int64_t)number);
    else if (ds_elem_is_float(depth_in->type->elem)) DS_TRY(dec_ints(d, dec_convert(d, depth_in, DS_i64), &depth, 1, &n));
    else DS_TRY(dec_ints(d, depth_in, &depth, 1, &n));
    DS_TRY(dec_axis(d, ds_op_int(op, "axis", -1), rank, &axis));
    for (size_t i = 0, from = 0; i < rank; i++) {
        if (i != axis) exprs[from] = dec_dim(d, i);
        dims[i] = i == axis ? depth : indices->type->dims[from++];
    }
    ds_value *inputs[] = {indices, values, values};
    const ds_attr *maps[] = {dec_map_of(d, rank, exprs, rank - 1), dec_map_of(d, rank, &zero, 1), dec_map_of(d, rank, &one, 1)};
    body r = map_begin(d, values->type->elem, rank, dims, inputs, maps, 3);
    ds_value *i = cast_to(&r, r.x[0], DS_index), *p = position(&r, axis), *n_of = extent(&r, depth);
    ds_value *hit = op2(&r, DS_LOOP_or, op2(&r, DS_LOOP_eq, i, p), op2(&r, DS_LOOP_eq, op2(&r, DS_LOOP_add, i, n_of), p));
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
    if (to_space) {
        const ds_expr *c = ds_expr_floordiv(d->cx, t[1], ss);
        const ds_expr *dcr[] = {t[0], s, s, c, t[2], t[3]}, *crd_dims[] = {t[0], c, s, s, t[2], t[3]};
        static const size_t dcr_perm[] = {0, 3, 4, 1, 5, 2}, crd_perm[] = {0, 1, 4, 2, 5, 3};
        const ds_expr *last[] = {t[0], c, ds_expr_mul(d->cx, t[2], s), ds_expr_mul(d->cx, t[3], s)};
        d->out[0] = dec_reshape(d, dec_transpose(d, dec_reshape(d, x, 6, crd ? crd_dims : dcr), crd ? crd_perm : dcr_perm), 4, last);
    } else {
        const ds_expr *h = ds_expr_floordiv(d->cx, t[2], s), *w = ds_expr_floordiv(d->cx, t[3], s);
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
    if (!dec_known_ints(d, dec_in(d, 1), &constant, 1, &n)) return dec_refuse(d, "an axis that is known only at run time");
    DS_TRY(dec_axis(d, constant, rank, &axis));
    const ds_expr *exprs[DEC_MAX_RANK];
    for (size_t i = 0; i < rank; i++) exprs[i] = dec_dim(d, i == axis ? rank : i);
    const ds_attr *map = dec_map_of(d, rank + 1, exprs, rank);
    bool product = op->kind == DS_ONNX_CumProd;
    body r = reduce_begin(d, dec_compute_elem(x->type->elem), rank, x->type->dims, &x->type->dims[axis], 1, &x, &map, 1);
    ds_value *here = position(&r, axis), *there = position(&r, rank);
    if (ds_op_int(op, "reverse", 0)) { ds_value *t = here; here = there, there = t; }
    ds_value *counts = op2(&r, ds_op_int(op, "exclusive", 0) ? DS_LOOP_lt : DS_LOOP_le, there, here);
    ds_value *v = op3(&r, DS_LOOP_select, counts, r.x[0], like(&r, r.x[0], product));
    d->out[0] = dec_convert(d, reduce_end(&r, v, product ? DS_LOOP_mul : DS_LOOP_add), x->type->elem);
    return DS_OK;
}

/* ---- irregular ones: C functions of kernels/ ---- */

static ds_value *call_extern(dec *d, const char *callee, ds_value *const *inputs, size_t count, const ds_type *const *types, size_t results,
                             const ds_expr *const *params, size_t param_count) {
    ds_op *op = ds_op_create(&d->b, DS_GRAPH_extern, inputs, count, types, results, 0);
    ds_op_set_attr(d->m, op, "callee", ds_attr_string(d->cx, callee));
    ds_op_set_attr(d->m, op, "params", ds_attr_exprs(d->cx, params, param_count));
    for (size_t i = 0; i < results && i < DEC_MAX_RESULTS; i++) d->out[i] = ds_op_result(op, i);
    return ds_op_result(op, 0);
}

/* A code of kernels/ for element types: class * 16 + bytes; 0 signed, 1 unsigned, 2 float. */
static int64_t elem_code(ds_elem e) {
    const ds_elem_info *i = ds_elem_facts(e);
    return (i->class == DS_CLASS_FLOAT ? 32 : i->class == DS_CLASS_SINT ? 0 : 16) + (int64_t)i->bits / 8;
}

RULE(top_k) {
    ds_value *x = dec_in(d, 0);
    const ds_expr *k;
    size_t axis, n;
    DS_TRY(dec_axis(d, ds_op_int(op, "axis", -1), x->type->rank, &axis));
    DS_TRY(dec_ints(d, dec_in(d, 1), &k, 1, &n));
    if (ds_elem_is_float(x->type->elem) && ds_elem_facts(x->type->elem)->bits < 32) x = dec_convert(d, x, DS_f32);
    const ds_expr *dims[DEC_MAX_RANK], *outer = dec_const(d, 1), *inner = dec_const(d, 1);
    for (size_t i = 0; i < x->type->rank; i++) {
        dims[i] = i == axis ? k : x->type->dims[i];
        if (i < axis) outer = ds_expr_mul(d->cx, outer, dims[i]);
        if (i > axis) inner = ds_expr_mul(d->cx, inner, dims[i]);
    }
    const ds_type *types[] = {ds_type_tensor(d->cx, x->type->elem, x->type->rank, dims, NULL), ds_type_tensor(d->cx, DS_i64, x->type->rank, dims, NULL)};
    const ds_expr *params[] = {outer, x->type->dims[axis], inner, k, dec_const(d, ds_op_int(op, "largest", 1)), dec_const(d, elem_code(x->type->elem))};
    call_extern(d, "top_k", &x, 1, types, 2, params, 6);
    d->out[0] = dec_convert(d, d->out[0], dec_type(d, 0)->elem);
    return DS_OK;
}

static int64_t reduction_code(const char *name) {
    static const char *const names[] = {"none", "add", "mul", "min", "max"};
    for (size_t i = 0; i < DS_COUNT(names); i++)
        if (!strcmp(names[i], name)) return (int64_t)i;
    return -1;
}

RULE(scatter_elements) {
    ds_value *x = dec_in(d, 0), *inputs[] = {x, dec_convert(d, dec_in(d, 1), DS_i64), dec_in(d, 2)};
    size_t axis;
    int64_t code = reduction_code(ds_op_text(op, "reduction", "none"));
    DS_TRY(dec_axis(d, ds_op_int(op, "axis", 0), x->type->rank, &axis));
    if (code < 0 || (code && ds_elem_is_float(x->type->elem) && ds_elem_facts(x->type->elem)->bits < 32) || x->type->elem == DS_string) return dec_refuse(d, "this reduction");
    const ds_expr *params[3 + 2 * DEC_MAX_RANK] = {dec_const(d, (int64_t)x->type->rank), dec_const(d, (int64_t)axis), dec_const(d, code * 256 + elem_code(x->type->elem))};
    for (size_t i = 0; i < x->type->rank; i++) params[3 + i] = x->type->dims[i], params[3 + x->type->rank + i] = inputs[1]->type->dims[i];
    call_extern(d, "scatter_elements", inputs, 3, &x->type, 1, params, 3 + 2 * x->type->rank);
    return DS_OK;
}

RULE(scatter_nd) {
    ds_value *x = dec_in(d, 0), *inputs[] = {x, dec_convert(d, dec_in(d, 1), DS_i64), dec_in(d, 2)};
    const ds_type *it = inputs[1]->type;
    int64_t depth, code = reduction_code(ds_op_text(op, "reduction", "none"));
    if (code < 0 || (code && ds_elem_is_float(x->type->elem) && ds_elem_facts(x->type->elem)->bits < 32) || x->type->elem == DS_string) return dec_refuse(d, "this reduction");
    if (it->rank == 0 || !ds_expr_is_const(it->dims[it->rank - 1], &depth) || (size_t)depth > x->type->rank) return dec_refuse(d, "indices of this shape");
    const ds_expr *rows = dec_const(d, 1), *inner = dec_const(d, 1), *params[5 + DEC_MAX_RANK];
    for (size_t i = 0; i + 1 < it->rank; i++) rows = ds_expr_mul(d->cx, rows, it->dims[i]);
    for (size_t i = (size_t)depth; i < x->type->rank; i++) inner = ds_expr_mul(d->cx, inner, x->type->dims[i]);
    params[0] = ds_type_count(d->cx, x->type), params[1] = rows, params[2] = dec_const(d, depth), params[3] = inner, params[4] = dec_const(d, code * 256 + elem_code(x->type->elem));
    for (size_t i = 0; i < (size_t)depth; i++) params[5 + i] = x->type->dims[i];
    call_extern(d, "scatter_nd", inputs, 3, &x->type, 1, params, 5 + (size_t)depth);
    return DS_OK;
}

/* ---- Resize ---- */

typedef struct {
    const ds_expr *in, *out;
    double scale;     /* known scale, or 0 */
    bool by_scale;
} resize_axis;

/* The input coordinate of output position `p` along an axis, as f32. */
static ds_value *resize_coordinate(body *r, const char *mode, const resize_axis *a, ds_value *p) {
    ds_value *x = cast_to(r, p, DS_f32), *in = cast_to(r, extent(r, a->in), DS_f32), *out = cast_to(r, extent(r, a->out), DS_f32);
    ds_value *scale = a->by_scale ? num(r, DS_f32, a->scale) : op2(r, DS_LOOP_div, out, in), *half = num(r, DS_f32, 0.5), *one = num(r, DS_f32, 1);
    if (!strcmp(mode, "asymmetric")) return op2(r, DS_LOOP_div, x, scale);
    if (!strcmp(mode, "align_corners")) {
        ds_value *below = op2(r, DS_LOOP_max, op2(r, DS_LOOP_sub, out, one), one);
        return op2(r, DS_LOOP_div, op2(r, DS_LOOP_mul, x, op2(r, DS_LOOP_sub, in, one)), below);
    }
    ds_value *v = op2(r, DS_LOOP_sub, op2(r, DS_LOOP_div, op2(r, DS_LOOP_add, x, half), scale), half);
    if (!strcmp(mode, "pytorch_half_pixel")) return op3(r, DS_LOOP_select, op2(r, DS_LOOP_lt, one, out), v, num(r, DS_f32, 0));
    if (!strcmp(mode, "half_pixel_symmetric")) {
        ds_value *exact = op2(r, DS_LOOP_mul, in, scale), *adjust = op2(r, DS_LOOP_div, out, exact), *center = op2(r, DS_LOOP_mul, in, half);
        ds_value *offset = op2(r, DS_LOOP_mul, center, op2(r, DS_LOOP_sub, one, adjust));
        return op2(r, DS_LOOP_add, offset, v);
    }
    return v;
}

static ds_value *clamp_index(body *r, ds_value *v, const ds_expr *size) {
    ds_value *i = cast_to(r, v, DS_index), *zero = num(r, DS_index, 0);
    return op2(r, DS_LOOP_max, zero, op2(r, DS_LOOP_min, i, op2(r, DS_LOOP_sub, extent(r, size), num(r, DS_index, 1))));
}

static ds_value *nearest_index(body *r, const char *mode, ds_value *x, const ds_expr *size) {
    ds_value *half = num(r, DS_f32, 0.5), *v;
    if (!strcmp(mode, "floor")) v = op1(r, DS_LOOP_floor, x);
    else if (!strcmp(mode, "ceil")) v = op1(r, DS_LOOP_ceil, x);
    else if (!strcmp(mode, "round_prefer_ceil")) v = op1(r, DS_LOOP_floor, op2(r, DS_LOOP_add, x, half));
    else v = op1(r, DS_LOOP_ceil, op2(r, DS_LOOP_sub, x, half));
    return clamp_index(r, v, size);
}

/* Weights of the taps floor(x)-1 … floor(x)+2 (cubic, Keys' kernel with parameter a) or floor(x), floor(x)+1 (linear). */
static size_t resize_taps(body *r, bool cubic, double a, ds_value *x, const ds_expr *size, ds_value **at, ds_value **weight) {
    ds_value *base = op1(r, DS_LOOP_floor, x), *t = op2(r, DS_LOOP_sub, x, base), *one = num(r, DS_f32, 1);
    size_t n = cubic ? 4 : 2;
    for (size_t i = 0; i < n; i++) {
        ds_value *p = op2(r, DS_LOOP_add, base, num(r, DS_f32, cubic ? (double)i - 1 : (double)i));
        at[i] = clamp_index(r, p, size);
        if (!cubic) weight[i] = i ? t : op2(r, DS_LOOP_sub, one, t);
        else {
            ds_value *s = op1(r, DS_LOOP_abs, op2(r, DS_LOOP_sub, x, p));
            ds_value *s2 = op2(r, DS_LOOP_mul, s, s), *s3 = op2(r, DS_LOOP_mul, s2, s);
#define K(v) num(r, DS_f32, v)
            if (i == 1 || i == 2) weight[i] = op2(r, DS_LOOP_add, op2(r, DS_LOOP_sub, op2(r, DS_LOOP_mul, K(a + 2), s3), op2(r, DS_LOOP_mul, K(a + 3), s2)), one);
            else weight[i] = op2(r, DS_LOOP_sub, op2(r, DS_LOOP_add, op2(r, DS_LOOP_sub, op2(r, DS_LOOP_mul, K(a), s3), op2(r, DS_LOOP_mul, K(5 * a), s2)), op2(r, DS_LOOP_mul, K(8 * a), s)), K(4 * a));
#undef K
        }
    }
    return n;
}

RULE(resize) {
    ds_value *x = dec_in(d, 0);
    size_t rank = x->type->rank, count = rank, n;
    int64_t axes[DEC_MAX_RANK];
    const char *mode = ds_op_text(op, "mode", "nearest"), *transform = ds_op_text(op, "coordinate_transformation_mode", "half_pixel");
    if (ds_op_int(op, "antialias", 0) || ds_op_int(op, "exclude_outside", 0) || !strcmp(transform, "tf_crop_and_resize") || strcmp(ds_op_text(op, "keep_aspect_ratio_policy", "stretch"), "stretch") != 0)
        return dec_refuse(d, "antialias, exclude_outside, tf_crop_and_resize and keep_aspect_ratio_policy");
    for (size_t i = 0; i < rank; i++) axes[i] = (int64_t)i;
    if (ds_op_attr(op, "axes")) count = ds_op_ints(op, "axes", axes, DEC_MAX_RANK);
    resize_axis axis[DEC_MAX_RANK];
    for (size_t i = 0; i < rank; i++) axis[i] = (resize_axis){x->type->dims[i], x->type->dims[i], 0, false};
    const ds_attr *scales = dec_in(d, 2) ? ds_value_constant(dec_in(d, 2)) : NULL;
    const ds_expr *sizes[DEC_MAX_RANK], *dims[DEC_MAX_RANK];
    bool has_sizes = dec_in(d, 3) != NULL;
    if (has_sizes) DS_TRY(dec_ints(d, dec_in(d, 3), sizes, DEC_MAX_RANK, &n));
    else if (!scales || scales->type->elem != DS_f32) return dec_refuse(d, "scales that are known only at run time");
    if (!has_sizes) n = scales->count / 4;
    if (n != count) return dec_fail(d, DS_E_shape, "%zu sizes or scales for %zu axes", n, count);
    for (size_t i = 0; i < count; i++) {
        size_t a;
        DS_TRY(dec_axis(d, axes[i], rank, &a));
        if (has_sizes) axis[a].out = sizes[i];
        else {
            float scale;
            int64_t in;
            memcpy(&scale, (const char *)scales->bytes + 4 * i, 4);
            axis[a].scale = (double)scale, axis[a].by_scale = scale != 1;
            if (ds_expr_is_const(axis[a].in, &in)) axis[a].out = dec_const(d, (int64_t)floor((double)in * (double)scale));
            else if (scale == floorf(scale)) axis[a].out = ds_expr_scale(d->cx, axis[a].in, (int64_t)scale);
            else if (1 / scale == floorf(1 / scale)) axis[a].out = ds_expr_floordiv(d->cx, axis[a].in, dec_const(d, (int64_t)(1 / scale)));
            else return dec_refuse(d, "a scale of %g for an unknown extent", (double)scale);
        }
    }
    for (size_t i = 0; i < rank; i++) dims[i] = axis[i].out;
    body r = map_over(d, x->type->elem, rank, dims, NULL, 0);
    ds_value *at[DEC_MAX_RANK], *tap_at[DEC_MAX_RANK][4], *weight[DEC_MAX_RANK][4];
    size_t taps[DEC_MAX_RANK], total = 1;
    bool nearest = !strcmp(mode, "nearest"), cubic = !strcmp(mode, "cubic");
    for (size_t i = 0; i < rank; i++) {
        ds_value *p = position(&r, i);
        taps[i] = 1, tap_at[i][0] = p, weight[i][0] = NULL;
        if (axis[i].in == axis[i].out && !axis[i].by_scale) continue;
        ds_value *c = resize_coordinate(&r, transform, &axis[i], p);
        if (nearest) tap_at[i][0] = nearest_index(&r, ds_op_text(op, "nearest_mode", "round_prefer_floor"), c, axis[i].in);
        else taps[i] = resize_taps(&r, cubic, ds_op_float(op, "cubic_coeff_a", -0.75), c, axis[i].in, tap_at[i], weight[i]);
        total *= taps[i];
    }
    if (total > 64) return dec_refuse(d, "interpolation along this many axes");
    ds_value *sum = NULL;
    for (size_t k = 0; k < total; k++) {
        ds_value *w = NULL;
        for (size_t i = 0, rest = k; i < rank; rest /= taps[i], i++) {
            at[i] = tap_at[i][rest % taps[i]];
            ds_value *part = weight[i][rest % taps[i]];
            if (part) w = w ? op2(&r, DS_LOOP_mul, w, part) : part;
        }
        ds_value *v = extract(&r, x, at, rank);
        if (w) v = op2(&r, DS_LOOP_mul, cast_to(&r, v, DS_f32), w);
        sum = sum ? op2(&r, DS_LOOP_add, sum, v) : v;
    }
    d->out[0] = map_end(&r, sum);
    return DS_OK;
}
