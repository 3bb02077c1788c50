/* Resize: coordinates as ONNX's modes define them, then the nearest element or weighted taps.
 *
 * Few taps are read in one map; many (antialiasing, interpolation along every axis) one axis after the other. */
#include <math.h>
#include <string.h>

#include "passes/decompose/decompose.h"

enum { MOST_CROP_TAPS = 64 };

typedef struct {
    const ds_expr *in, *out;
    bool changed;
    ds_value *scales; /* out / in where NULL */
    size_t at;        /* this axis' element of scales; of roi: at, at + roi_count */
    ds_value *roi;
    size_t roi_count;
} resize_axis;

typedef struct {
    const char *transform, *nearest_mode;
    bool nearest, cubic, antialias, exclude_outside, crop;
    double a, extrapolation;
} resize_form;

static ds_value *element(body *r, ds_value *list, size_t i) {
    ds_value *at = num(r, DS_index, (double)i);
    double known;
    if (list->type->rank == 0 && dec_known_scalar(r->d, list, &known)) return num(r, DS_f32, known);
    return cast_to(r, extract(r, list, &at, list->type->rank), DS_f32);
}

static ds_value *scale_of(body *r, const resize_axis *a) {
    return a->scales ? element(r, a->scales, a->at)
                     : DIV(cast_to(r, extent(r, a->out), DS_f32), cast_to(r, extent(r, a->in), DS_f32));
}

/* Coordinates are f32, like the scales, unless sizes are given and the products of positions and extents need more than
 * its 24 bits. */
static ds_elem coordinate_elem(const resize_axis *a) {
    int64_t in, out;
    if (a->scales || !ds_expr_is_const(a->in, &in) || !ds_expr_is_const(a->out, &out) || in < 1 || out < 1)
        return DS_f32;
    return in > (1 << 23) / out ? DS_f64 : DS_f32;
}

/* The crop's part of the input: its first coordinate plus the position's share of its length. */
static ds_value *crop_coordinate(body *r, const resize_axis *a, ds_value *x, ds_value *last, ds_value *steps,
                                 ds_value *is_many) {
    ds_value *zero = like(r, x, 0), *one = like(r, x, 1);
    ds_value *from = a->roi ? cast_to(r, element(r, a->roi, a->at), x->type->elem) : zero,
             *to = a->roi ? cast_to(r, element(r, a->roi, a->at + a->roi_count), x->type->elem) : one,
             *length = SUB(to, from);
    ds_value *share = DIV(MUL(MUL(x, length), last), steps), *middle = MUL(MUL(length, last), like(r, x, 0.5));
    return ADD(MUL(from, last), SELECT(is_many, share, middle));
}

/* The input coordinate of output position `p` along an axis. Of given sizes, position times input / output is rounded
 * once, by the division, so that ties come out as ties. */
static ds_value *resize_coordinate(body *r, const char *mode, const resize_axis *a, ds_value *p) {
    ds_elem elem = coordinate_elem(a);
    ds_value *x = cast_to(r, p, elem), *in = cast_to(r, extent(r, a->in), elem),
             *out = cast_to(r, extent(r, a->out), elem);
    ds_value *scale = a->scales ? scale_of(r, a) : NULL, *half = num(r, elem, 0.5), *one = num(r, elem, 1),
             *zero = num(r, elem, 0);
    ds_value *exact = scale ? MUL(in, scale) : out, *last = SUB(in, one),
             *steps = SUB(exact, one); /* exact: the output's length before rounding */
    if (!strcmp(mode, "asymmetric")) return scale ? DIV(x, scale) : DIV(MUL(x, in), out);
    if (!strcmp(mode, "align_corners")) return SELECT(LT(one, out), DIV(MUL(x, last), steps), zero);
    if (!strcmp(mode, "tf_crop_and_resize")) return crop_coordinate(r, a, x, last, steps, LT(one, out));
    ds_value *middle = ADD(x, half), *share = scale ? DIV(middle, scale) : DIV(MUL(middle, in), out),
             *v = SUB(share, half);
    if (!strcmp(mode, "tf_half_pixel_for_nn")) return share;
    if (!strcmp(mode, "pytorch_half_pixel")) return SELECT(LT(one, out), v, zero);
    if (scale && !strcmp(mode, "half_pixel_symmetric")) /* the middle goes to the middle, exactly */
        return ADD(MUL(last, half), DIV(SUB(middle, MUL(out, half)), scale));
    return v;
}

/* A given scale is rounded itself: what it puts just below a tie counts as one, as in ONNX Runtime. */
static ds_value *nearest_index(body *r, const char *mode, const resize_axis *a, ds_value *x) {
    ds_value *half = like(r, x, 0.5);
    if (!strcmp(mode, "floor")) return FLOOR(x);
    if (!strcmp(mode, "ceil")) return op1(r, DS_LOOP_ceil, x);
    if (!strcmp(mode, "round_prefer_ceil")) return FLOOR(ADD(a->scales ? ADD(x, like(r, x, 1e-6)) : x, half));
    if (!strcmp(mode, "ds.simple"))
        return SELECT(LT(scale_of(r, a), num(r, DS_f32, 1)), op1(r, DS_LOOP_ceil, x), FLOOR(x));
    return op1(r, DS_LOOP_ceil, SUB(x, half));
}

/* Taps outside the input get no weight; the others' weights sum to 1 again. */
static void exclude_outside(body *r, taps *t, const ds_expr *size) {
    ds_elem elem = t->at[0]->type->elem;
    ds_value *sum = NULL, *last = cast_to(r, extent(r, ds_expr_sub(r->d->cx, size, dec_const(r->d, 1))), elem),
             *zero = num(r, elem, 0);
    for (size_t i = 0; i < t->count; i++) {
        t->weight[i] = SELECT(AND(LE(zero, t->at[i]), LE(t->at[i], last)), t->weight[i], zero);
        sum = sum ? ADD(sum, t->weight[i]) : t->weight[i];
    }
    for (size_t i = 0; i < t->count; i++) t->weight[i] = DIV(t->weight[i], sum);
}

static taps resize_taps(body *r, const resize_form *f, const resize_axis *a, ds_value *x) {
    taps t = f->nearest ? taps_one(nearest_index(r, f->nearest_mode, a, x))
             : f->cubic ? taps_cubic(r, f->a, x)
                        : taps_linear(r, x);
    if (f->exclude_outside && !f->nearest) exclude_outside(r, &t, a->in);
    taps_clamp(r, &t, a->in);
    return t;
}

/* Where tap `k` of every position along an axis is, or its weight: numbers that the whole image shares. */
static ds_value *list_of_taps(dec *d, const resize_form *f, const resize_axis *a, size_t k, bool weights,
                              ds_elem elem) {
    body b = map_over(d, weights ? elem : DS_i64, 1, &a->out, NULL, 0), *r = &b;
    taps t = resize_taps(r, f, a, resize_coordinate(r, f->transform, a, position(r, 0)));
    return map_end(r, weights ? cast_to(r, t.weight[k], elem) : cast_to(r, t.at[k], DS_i64));
}

typedef struct {
    size_t count;
    ds_value *at[4], *weight[4]; /* NULL: 1 */
} tap_lists;

static tap_lists list_taps(dec *d, const resize_form *f, const resize_axis *a, ds_elem elem) {
    tap_lists l = {.count = f->nearest ? 1 : f->cubic ? 4 : 2};
    for (size_t k = 0; k < l.count; k++) {
        l.at[k] = list_of_taps(d, f, a, k, false, elem);
        if (!f->nearest) l.weight[k] = list_of_taps(d, f, a, k, true, elem);
    }
    return l;
}

static taps listed_taps(body *r, const tap_lists *l, ds_value *p) {
    taps t = {.count = l->count};
    for (size_t k = 0; k < l->count; k++) {
        t.at[k] = cast_to(r, extract(r, l->at[k], &p, 1), DS_index);
        if (l->weight[k]) t.weight[k] = extract(r, l->weight[k], &p, 1);
    }
    return t;
}

/* Of a crop: where the coordinate lies outside the input. */
static ds_value *is_extrapolated(body *r, const resize_axis *a, ds_value *c) {
    ds_value *last = cast_to(r, extent(r, ds_expr_sub(r->d->cx, a->in, dec_const(r->d, 1))), c->type->elem);
    return op2(r, DS_LOOP_or, LT(c, like(r, c, 0)), LT(last, c));
}

/* An axis whose scale is 1 is not cropped, as in ONNX Runtime. */
static ds_value *is_kept(body *r, const resize_axis *a) {
    return a->scales ? EQ(scale_of(r, a), num(r, DS_f32, 1)) : EQ(extent(r, a->in), extent(r, a->out));
}

/* A crop that changes no extent is none, as there. NULL: always; *never is set where an extent is known to change. */
static ds_value *keeps_extents(body *r, const resize_axis *axis, size_t rank, bool *never) {
    ds_value *keeps = NULL;
    *never = false;
    for (size_t i = 0; i < rank; i++) {
        if (axis[i].in == axis[i].out) continue;
        *never = *never || ds_expr_is_const(ds_expr_sub(r->d->cx, axis[i].in, axis[i].out), NULL);
        ds_value *same = EQ(extent(r, axis[i].in), extent(r, axis[i].out));
        keeps = keeps ? AND(keeps, same) : same;
    }
    return keeps;
}

/* All axes with `changed` in one map. */
static ds_value *resize_at_once(dec *d, const resize_form *f, ds_value *x, const resize_axis *axis, ds_elem elem) {
    const ds_expr *dims[DEC_MAX_RANK] = {NULL};
    taps t[DEC_MAX_RANK];
    ds_value *outside = NULL;
    tap_lists lists[DEC_MAX_RANK];
    size_t rank = x->type->rank;
    for (size_t i = 0; i < rank; i++) {
        dims[i] = axis[i].changed ? axis[i].out : x->type->dims[i];
        if (axis[i].changed && !f->crop) lists[i] = list_taps(d, f, &axis[i], elem == DS_f64 ? elem : DS_f32);
    }
    body b = map_over(d, elem, rank, dims, NULL, 0), *r = &b;
    bool never = true;
    ds_value *keeps = f->crop ? keeps_extents(r, axis, rank, &never) : NULL;
    for (size_t i = 0; i < rank; i++) {
        ds_value *p = position(r, i);
        t[i] = axis[i].changed && !f->crop ? listed_taps(r, &lists[i], p) : taps_one(p);
        if (!axis[i].changed || !f->crop) continue;
        ds_value *c = resize_coordinate(r, f->transform, &axis[i], p);
        c = SELECT(is_kept(r, &axis[i]), cast_to(r, p, c->type->elem), c);
        if (!never) c = keeps ? SELECT(keeps, cast_to(r, p, c->type->elem), c) : cast_to(r, p, c->type->elem);
        ds_value *out = is_extrapolated(r, &axis[i], c);
        t[i] = resize_taps(r, f, &axis[i], c);
        outside = outside ? op2(r, DS_LOOP_or, outside, out) : out;
    }
    ds_value *v = interpolate(r, x, t);
    return map_end(r, outside ? SELECT(outside, like(r, v, f->extrapolation), v) : v);
}

/* Element `at` of a list, or `otherwise` where it is not known at compile time. */
static double known_element(dec *d, ds_value *list, size_t at, double otherwise) {
    double value;
    if (!ds_value_constant(list)) return otherwise;
    body r = map_over(d, DS_f32, 0, NULL, NULL, 0);
    return dec_known_scalar(d, map_end(&r, element(&r, list, at)), &value) ? value : otherwise;
}

/* A scale that is known at compile time, or 0. */
static double known_scale(dec *d, const resize_axis *a) { return known_element(d, a->scales, a->at, 0); }

/* Nearest elements of an image made larger by whole numbers, in the modes where output p reads input p / scale: NULL in
 * others. */
static ds_value *resize_repeat(dec *d, const resize_form *f, ds_value *x, const resize_axis *axis) {
    size_t rank = x->type->rank;
    const ds_expr *dims[DEC_MAX_RANK], *at[DEC_MAX_RANK];
    bool halves = !strcmp(f->transform, "half_pixel") && !strncmp(f->nearest_mode, "round", 5);
    bool down = !strcmp(f->transform, "asymmetric") &&
                (!strcmp(f->nearest_mode, "floor") || !strcmp(f->nearest_mode, "ds.simple"));
    if (!f->nearest || f->crop || !(halves || down)) return NULL;
    for (size_t i = 0; i < rank; i++) {
        const resize_axis *a = &axis[i];
        const ds_expr *scale = a->changed ? ds_expr_divide_exactly(d->cx, a->out, a->in) : dec_const(d, 1);
        int64_t times;
        if (!scale || !ds_expr_is_const(scale, &times) || times < 1) return NULL;
        if (a->changed && a->scales && known_scale(d, a) != (double)times) return NULL;
        dims[i] = a->changed ? a->out : x->type->dims[i], at[i] = ds_expr_floordiv(d->cx, dec_dim(d, i), scale);
    }
    const ds_attr *map = dec_map_of(d, rank, at, rank);
    body r = map_begin(d, x->type->elem, rank, dims, &x, &map, 1);
    return map_end(&r, r.x[0]);
}

/* An antialiasing filter is the interpolation kernel stretched by 1/scale where that is above 1: tap t of the window
 * around x. */
static ds_value *filter_weight(body *r, const resize_form *f, const resize_axis *a, ds_value *x, ds_value *p) {
    ds_value *one = num(r, DS_f32, 1), *zero = num(r, DS_f32, 0),
             *s = op1(r, DS_LOOP_abs, MUL(cast_to(r, SUB(p, x), DS_f32), MIN(scale_of(r, a), one)));
    ds_value *w = f->cubic ? SELECT(LE(s, one), cubic_weight(r, f->a, s, true),
                                    SELECT(LT(s, num(r, DS_f32, 2)), cubic_weight(r, f->a, s, false), zero))
                           : MAX(SUB(one, s), zero);
    ds_value *last = cast_to(r, extent(r, ds_expr_sub(r->d->cx, a->in, dec_const(r->d, 1))), p->type->elem);
    return f->exclude_outside ? SELECT(AND(LE(like(r, p, 0), p), LE(p, last)), w, zero) : w;
}

/* How far left of the coordinate the filter starts: 1 - ceil(support / scale), as f32. */
static ds_value *filter_start(body *r, const resize_form *f, const resize_axis *a) {
    ds_value *one = num(r, DS_f32, 1);
    return SUB(one, op1(r, DS_LOOP_ceil, DIV(num(r, DS_f32, f->cubic ? 2 : 1), MIN(scale_of(r, a), one))));
}

static ds_status resize_filtered(dec *d, const resize_form *f, ds_value **x, const resize_axis *axis, size_t along) {
    const resize_axis *a = &axis[along];
    const ds_type *t = (*x)->type;
    const ds_expr *dims[DEC_MAX_RANK], *window, *at_axis = dec_dim(d, along);
    ds_value *at[DEC_MAX_RANK];
    size_t rank = t->rank, n;
    body b = map_over(d, DS_i64, 0, NULL, NULL, 0), *r = &b;
    ds_value *start = filter_start(r, f, a);
    DS_TRY(dec_ints(d, map_end(r, cast_to(r, SUB(num(r, DS_f32, 2), MUL(start, num(r, DS_f32, 2))), DS_i64)), &window,
                    1, &n));
    for (size_t i = 0; i < rank; i++) dims[i] = i == along ? a->out : t->dims[i];
    ds_value *sums[2]; /* of weighted elements, of weights */
    for (size_t pass = 0; pass < 2; pass++) {
        size_t own = pass ? 1 : rank, here = pass ? 0 : along;
        b = reduce_begin(d, pass ? DS_f32 : t->elem, own, pass ? &a->out : dims, &window, 1, NULL, NULL, 0);
        ds_value *c = resize_coordinate(r, f->transform, a, position(r, here));
        ds_value *first = ADD(FLOOR(c), cast_to(r, filter_start(r, f, a), c->type->elem));
        ds_value *p = ADD(first, cast_to(r, position(r, own), c->type->elem)), *v = filter_weight(r, f, a, c, p);
        for (size_t i = 0; !pass && i < rank; i++) at[i] = i == along ? clamp_index(r, p, a->in) : position(r, i);
        if (!pass) v = MUL(extract(r, *x, at, rank), cast_to(r, v, t->elem));
        sums[pass] = reduce_end(r, v, DS_LOOP_add);
    }
    const ds_attr *maps[] = {ds_attr_identity_map(d->cx, rank), dec_map_of(d, rank, &at_axis, 1)};
    b = map_begin(d, t->elem, rank, dims, sums, maps, 2);
    *x = map_end(r, DIV(r->x[0], cast_to(r, r->x[1], t->elem)));
    return DS_OK;
}

/* ---- reading the operands ---- */

/* One scale for all the axes, the smallest or largest of sizes / extents, and the sizes that follow from it. */
static ds_value *common_scale(dec *d, resize_axis *axis, const size_t *axes, size_t count, bool largest) {
    body b = map_over(d, DS_f32, 0, NULL, NULL, 0), *r = &b;
    ds_value *best = NULL;
    for (size_t i = 0; i < count; i++) {
        ds_value *scale = scale_of(r, &axis[axes[i]]);
        best = !best ? scale : largest ? MAX(best, scale) : MIN(best, scale);
    }
    return map_end(r, best);
}

/* The extent floor(in * scale + offset), in f32 as shape inference has it. A whole scale, or one over a whole number,
 * keeps symbols. */
static ds_status scaled_extent(dec *d, resize_axis *a, double offset) {
    double scale = known_scale(d, a), parts = scale > 0 ? 1 / scale : 0;
    size_t n;
    a->changed = scale != 1;
    if (scale >= 1 && scale == floor(scale) && scale < INT32_MAX) a->out = ds_expr_scale(d->cx, a->in, (int64_t)scale);
    else if (parts > 1 && parts < INT32_MAX && parts == floor(parts) && offset == 0)
        a->out = ds_expr_floordiv(d->cx, a->in, dec_const(d, (int64_t)parts));
    else {
        body b = map_over(d, DS_i64, 0, NULL, NULL, 0), *r = &b;
        ds_value *length =
            ADD(MUL(cast_to(r, extent(r, a->in), DS_f32), element(r, a->scales, a->at)), num(r, DS_f32, offset));
        return dec_ints(d, map_end(r, cast_to(r, FLOOR(length), DS_i64)), &a->out, 1, &n);
    }
    return DS_OK;
}

static ds_status resize_axes(dec *d, ds_op *op, resize_axis *axis) {
    ds_value *x = dec_in(d, 0), *roi = dec_in(d, 1), *scales = dec_in(d, 2), *sizes_in = dec_in(d, 3);
    const char *policy = ds_op_text(op, "keep_aspect_ratio_policy", "stretch");
    const ds_expr *sizes[DEC_MAX_RANK];
    size_t rank = x->type->rank, count = rank, n, axes[DEC_MAX_RANK] = {0};
    int64_t numbers[DEC_MAX_RANK];
    uint64_t have;
    for (size_t i = 0; i < rank; i++) numbers[i] = (int64_t)i;
    if (ds_op_attr(op, "axes")) count = ds_op_ints(op, "axes", numbers, rank);
    if (dec_type(d, 1) && !ds_expr_equals(ds_type_count(d->cx, dec_type(d, 1)), 0)) DS_TRY(dec_list(d, 1, 2 * count));
    for (size_t i = 2; i < 4; i++) DS_TRY(dec_list(d, i, count));
    roi = dec_in(d, 1), scales = dec_in(d, 2), sizes_in = dec_in(d, 3);
    if (sizes_in) DS_TRY(dec_ints(d, sizes_in, sizes, DEC_MAX_RANK, &n));
    else if (!scales || !ds_type_static_count(scales->type, &have))
        return dec_refuse(d, "neither sizes nor a list of scales of known length");
    else n = (size_t)have;
    if (n != count || n > rank) return dec_fail(d, DS_E_shape, "%zu sizes or scales for %zu axes", n, count);
    if (roi && (!ds_type_static_count(roi->type, &have) || have != 2 * count)) roi = NULL;
    for (size_t i = 0; i < rank && i < DEC_MAX_RANK; i++)
        axis[i] = (resize_axis){.in = x->type->dims[i], .out = x->type->dims[i]};
    for (size_t i = 0; i < count; i++) {
        DS_TRY(dec_axis(d, numbers[i], rank, &axes[i]));
        resize_axis *a = &axis[axes[i]];
        a->at = i, a->roi = roi, a->roi_count = count;
        if (sizes_in) a->out = sizes[i];
        else a->scales = scales;
    }
    bool stretch = !sizes_in || !strcmp(policy, "stretch");
    ds_value *common = stretch ? NULL : common_scale(d, axis, axes, count, !strcmp(policy, "not_smaller"));
    for (size_t i = 0; i < count; i++) {
        resize_axis *a = &axis[axes[i]];
        if (common) a->scales = common, a->at = 0;
        if (a->scales) DS_TRY(scaled_extent(d, a, common ? 0.5 : 0));
        else a->changed = a->in != a->out;
    }
    return DS_OK;
}

RULE(resize) {
    ds_value *x = dec_in(d, 0);
    resize_axis axis[DEC_MAX_RANK];
    const char *mode = ds_op_text(op, "mode", "nearest");
    resize_form f = {.transform = ds_op_text(op, "coordinate_transformation_mode", "half_pixel"),
                     .nearest_mode = ds_op_text(op, "nearest_mode", "round_prefer_floor")};
    f.nearest = !strcmp(mode, "nearest"), f.cubic = !strcmp(mode, "cubic"),
    f.a = ds_op_float(op, "cubic_coeff_a", -0.75);
    f.antialias = ds_op_int(op, "antialias", 0) && !f.nearest,
    f.exclude_outside = ds_op_int(op, "exclude_outside", 0) != 0;
    f.crop = !strcmp(f.transform, "tf_crop_and_resize"), f.extrapolation = ds_op_float(op, "extrapolation_value", 0);
    DS_TRY(resize_axes(d, op, axis));
    if ((d->out[0] = resize_repeat(d, &f, x, axis))) return DS_OK;
    size_t rank = x->type->rank, total = 1, each = f.nearest ? 1 : f.cubic ? 4 : 2, changes = 0;
    for (size_t i = 0; i < rank; i++) {
        if (axis[i].changed && total <= MOST_CROP_TAPS) total *= each;
        changes += axis[i].changed;
    }
    /* otherwise axis by axis: their taps add up instead of multiplying, and only those of the last one are gathered */
    if (!f.antialias && (f.nearest || f.crop || changes <= 1)) {
        if (total > MOST_CROP_TAPS) return dec_refuse(d, "cropping along this many axes");
        d->out[0] = resize_at_once(d, &f, x, axis, x->type->elem);
        return DS_OK;
    }
    ds_elem wide = x->type->elem == DS_f64 ? DS_f64 : DS_f32;
    ds_value *v = dec_convert(d, x, wide);
    for (size_t i = 0; i < rank; i++) {
        resize_axis one[DEC_MAX_RANK] = {{0}};
        if (!axis[i].changed) continue;
        one[i] = axis[i];
        if (f.antialias) DS_TRY(resize_filtered(d, &f, &v, one, i));
        else v = resize_at_once(d, &f, v, one, wide);
    }
    d->out[0] = dec_convert(d, v, x->type->elem);
    return DS_OK;
}
