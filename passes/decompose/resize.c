/* Resize: coordinates as ONNX's modes define them, then the nearest element or weighted taps. */
#include <math.h>
#include <string.h>

#include "passes/decompose/decompose.h"

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
