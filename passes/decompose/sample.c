/* Ops that read between elements or around the middle: interpolation, grids, regions of interest, crops. */
#include <string.h>

#include "passes/decompose/decompose.h"

/* ---- interpolation ---- */

taps taps_one(ds_value *at) { return (taps){1, {at}, {NULL}, {NULL}}; }

taps taps_linear(body *r, ds_value *x) {
    ds_value *base = FLOOR(x), *one = like(r, x, 1), *t = SUB(x, base);
    return (taps){2, {base, ADD(base, one)}, {SUB(one, t), t}, {NULL}};
}

ds_value *cubic_weight(body *r, double a, ds_value *s, bool near) {
    if (near) return ADD(MUL(MUL(SUB(MUL(like(r, s, a + 2), s), like(r, s, a + 3)), s), s), like(r, s, 1));
    return SUB(MUL(ADD(MUL(SUB(MUL(like(r, s, a), s), like(r, s, 5 * a)), s), like(r, s, 8 * a)), s),
               like(r, s, 4 * a));
}

taps taps_cubic(body *r, double a, ds_value *x) {
    taps t = {.count = 4};
    ds_value *base = FLOOR(x);
    for (size_t i = 0; i < 4; i++) {
        t.at[i] = ADD(base, like(r, x, (double)i - 1));
        t.weight[i] = cubic_weight(r, a, op1(r, DS_LOOP_abs, SUB(x, t.at[i])), i == 1 || i == 2);
    }
    return t;
}

void taps_clamp(body *r, taps *t, const ds_expr *size) {
    for (size_t i = 0; i < t->count; i++) t->at[i] = clamp_index(r, t->at[i], size);
}

void taps_zero(body *r, taps *t, const ds_expr *size) {
    for (size_t i = 0; i < t->count; i++) {
        ds_value *at = cast_to(r, t->at[i], DS_index);
        t->inside[i] = AND(LE(num(r, DS_index, 0), at), LT(at, extent(r, size)));
        t->at[i] = clamp_index(r, at, size);
    }
}

ds_value *interpolate(body *r, ds_value *x, const taps *axis) {
    ds_value *sum = NULL, *at[DEC_MAX_RANK];
    size_t rank = x->type->rank, total = 1;
    for (size_t i = 0; i < rank; i++) total *= axis[i].count;
    for (size_t k = 0; k < total; k++) {
        ds_value *weight = NULL, *inside = NULL;
        for (size_t i = 0, rest = k; i < rank; rest /= axis[i].count, i++) {
            size_t tap = rest % axis[i].count;
            ds_value *w = axis[i].weight[tap], *in = axis[i].inside[tap];
            at[i] = axis[i].at[tap];
            if (w) weight = weight ? MUL(weight, w) : w;
            if (in) inside = inside ? AND(inside, in) : in;
        }
        ds_value *v = extract(r, x, at, rank);
        if (weight && v->type->elem != DS_f64) v = cast_to(r, v, DS_f32);
        if (weight) v = MUL(v, cast_to(r, weight, v->type->elem));
        if (inside) v = SELECT(inside, v, like(r, v, 0));
        sum = sum ? ADD(sum, v) : v;
    }
    return sum;
}

/* ---- grids ---- */

/* Folds x at the borders until it lies between them. */
static ds_value *reflected(body *r, ds_value *x, ds_value *low, ds_value *high) {
    ds_value *length = MAX(SUB(high, low), like(r, x, 1e-6)), *period = ADD(length, length),
             *m = op2(r, DS_LOOP_mod, SUB(x, low), period);
    return ADD(low, MIN(m, SUB(period, m)));
}

typedef struct {
    bool nearest, cubic, corners, border, reflection;
} grid_mode;

/* The taps along one axis of `size` elements for a coordinate in [-1, 1]. */
static taps grid_taps(body *r, const grid_mode *m, ds_value *c, const ds_expr *size) {
    ds_value *n = cast_to(r, extent(r, size), DS_f32), *one = like(r, c, 1), *half = like(r, c, 0.5),
             *last = SUB(n, one);
    ds_value *x = MUL(m->corners ? MUL(ADD(c, one), last) : SUB(MUL(ADD(c, one), n), one), half);
    ds_value *low = like(r, c, m->corners ? 0 : -0.5), *high = SUB(last, low);
    if (m->nearest) x = op1(r, DS_LOOP_round, x);
    if (m->border && !m->cubic)
        x = MAX(like(r, c, 0), MIN(x, last)); /* cubic ones lean on elements at the border, from outside as well */
    if (m->reflection) x = SELECT(AND(LE(low, x), LE(x, high)), x, reflected(r, x, low, high));
    taps t = m->nearest ? taps_one(x) : m->cubic ? taps_cubic(r, -0.75, x) : taps_linear(r, x);
    if (m->reflection)
        for (size_t i = 0; i < t.count; i++) t.at[i] = op1(r, DS_LOOP_trunc, reflected(r, t.at[i], low, high));
    if (m->border || m->reflection) taps_clamp(r, &t, size);
    else taps_zero(r, &t, size);
    return t;
}

RULE(grid_sample) {
    ds_value *x = dec_in(d, 0), *grid = dec_in(d, 1), *at[DEC_MAX_RANK];
    const char *mode = ds_op_text(op, "mode", "linear"), *padding = ds_op_text(op, "padding_mode", "zeros");
    size_t rank = x->type->rank, spatial = rank - 2;
    grid_mode m = {.nearest = !strcmp(mode, "nearest"),
                   .cubic = !strcmp(mode, "cubic") || !strcmp(mode, "bicubic"),
                   .corners = ds_op_int(op, "align_corners", 0) != 0};
    m.border = !strcmp(padding, "border"), m.reflection = !strcmp(padding, "reflection");
    if (rank < 3 || rank > 5 || grid->type->rank != rank)
        return dec_fail(d, DS_E_shape, "input and grid do not fit together");
    const ds_expr *dims[DEC_MAX_RANK] = {x->type->dims[0], x->type->dims[1]}, *same;
    DS_TRY(dec_same(d, x->type->dims[0], grid->type->dims[0], &dims[0]));
    DS_TRY(dec_same(d, grid->type->dims[rank - 1], dec_const(d, (int64_t)spatial), &same));
    for (size_t i = 0; i < spatial; i++) dims[i + 2] = grid->type->dims[i + 1];
    body b = map_over(d, x->type->elem, rank, dims, NULL, 0), *r = &b;
    taps axis[DEC_MAX_RANK] = {taps_one(position(r, 0)), taps_one(position(r, 1))};
    at[0] = position(r, 0);
    for (size_t i = 0; i < spatial; i++) at[1 + i] = position(r, 2 + i);
    for (size_t i = 0; i < spatial; i++) { /* the grid's components go from the last axis to the first */
        at[rank - 1] = num(r, DS_index, (double)(spatial - 1 - i));
        ds_value *c = cast_to(r, extract(r, grid, at, rank), DS_f32);
        c = SELECT(EQ(c, c), c, like(r, c, -1)); /* NaN reads as -1 */
        axis[2 + i] = grid_taps(r, &m, c, x->type->dims[2 + i]);
    }
    d->out[0] = map_end(r, interpolate(r, x, axis));
    return DS_OK;
}

/* grid[n, p…, i] = theta[n, i, :] applied to the homogeneous coordinates of p, each from -1 to 1, last axis first */
RULE(affine_grid) {
    ds_value *theta = dec_in(d, 0), *at[3];
    const ds_expr *size[DEC_MAX_RANK], *dims[DEC_MAX_RANK], *same;
    size_t n;
    int64_t rows;
    if (theta->type->rank == 3 && ds_expr_is_const(theta->type->dims[1], &rows) && (rows == 2 || rows == 3))
        DS_TRY(dec_list(d, 1, (size_t)rows + 2));
    DS_TRY(dec_ints(d, dec_in(d, 1), size, DEC_MAX_RANK, &n));
    if (theta->type->rank != 3 || (n != 4 && n != 5))
        return dec_fail(d, DS_E_shape, "theta or size does not describe images or volumes");
    size_t spatial = n - 2;
    DS_TRY(dec_same(d, theta->type->dims[0], size[0], &dims[0]));
    DS_TRY(dec_same(d, theta->type->dims[1], dec_const(d, (int64_t)spatial), &same));
    DS_TRY(dec_same(d, theta->type->dims[2], dec_const(d, (int64_t)spatial + 1), &same));
    for (size_t i = 0; i < spatial; i++) dims[1 + i] = size[2 + i];
    dims[1 + spatial] = dec_const(d, (int64_t)spatial);
    ds_elem elem = theta->type->elem, wide = dec_compute_elem(elem);
    body b = map_over(d, elem, spatial + 2, dims, NULL, 0), *r = &b;
    ds_value *sum = NULL;
    at[0] = position(r, 0), at[1] = position(r, spatial + 1);
    for (size_t j = 0; j <= spatial; j++) {
        at[2] = num(r, DS_index, (double)j);
        ds_value *v = extract(r, theta, at, 3);
        if (j < spatial) {
            ds_value *p = cast_to(r, position(r, spatial - j), wide),
                     *count = cast_to(r, extent(r, dims[spatial - j]), wide), *one = num(r, wide, 1),
                     *two = num(r, wide, 2);
            /* of one point between the corners, ONNX Runtime takes the last corner */
            ds_value *steps = MAX(SUB(count, one), one),
                     *corners = SELECT(LT(one, count), DIV(MUL(two, p), steps), two);
            ds_value *c = ds_op_int(op, "align_corners", 0) ? corners : DIV(ADD(MUL(two, p), one), count);
            v = MUL(v, SUB(c, one));
        }
        sum = sum ? ADD(sum, v) : v;
    }
    d->out[0] = map_end(r, sum);
    return DS_OK;
}

/* ---- regions of interest ---- */

typedef struct {
    ds_value *rois;
    double scale, offset;
    int64_t sampling; /* samples along each side of a bin; 0: as many as input elements it covers */
    bool half_pixel;
} roi_form;

/* Start and size of a bin along an axis (0: rows, 1: columns) of region `which`, and how many samples it takes, as
 * f32. */
static ds_value *roi_bin(body *r, const roi_form *f, ds_value *which, size_t axis, int64_t bins, ds_value **out_start,
                         ds_value **out_samples) {
    ds_value *edge[2];
    for (size_t i = 0; i < 2; i++) { /* a region is x1, y1, x2, y2 */
        ds_value *at[] = {which, num(r, DS_index, (double)(2 * i + 1 - axis))},
                 *v = cast_to(r, extract(r, f->rois, at, 2), DS_f32);
        edge[i] = SUB(MUL(v, like(r, v, f->scale)), like(r, v, f->offset));
    }
    ds_value *length = SUB(edge[1], edge[0]);
    if (!f->half_pixel) length = MAX(length, like(r, length, 1));
    ds_value *bin = DIV(length, like(r, length, (double)bins));
    *out_start = edge[0];
    *out_samples = f->sampling > 0 ? like(r, bin, (double)f->sampling) : op1(r, DS_LOOP_ceil, bin);
    return bin;
}

enum {
    MOST_SAMPLES = 1 << 14
}; /* along an axis: a region far larger than any image is a mistake, and would take for ever */

/* The largest number of samples that any bin takes along an axis. */
static ds_status most_samples(dec *d, const roi_form *f, size_t axis, int64_t bins, const ds_expr **out) {
    if (f->sampling > 0) {
        *out = dec_const(d, f->sampling);
        return DS_OK;
    }
    ds_value *start, *samples;
    size_t n;
    body b = reduce_begin(d, DS_i64, 0, NULL, &f->rois->type->dims[0], 1, NULL, NULL, 0), *r = &b;
    roi_bin(r, f, position(r, 0), axis, bins, &start, &samples);
    DS_TRY(dec_ints(d, reduce_end(r, cast_to(r, samples, DS_i64), DS_LOOP_max), out, 1, &n));
    *out = ds_expr_max(d->cx, *out, dec_const(d, 1));
    return dec_require(d, DS_at_most, *out, dec_const(d, MOST_SAMPLES),
                       "a bin of a region takes at most %d samples along an axis", MOST_SAMPLES);
}

/* The mean or the largest of bilinear samples spread evenly over each bin. */
RULE(roi_align) {
    ds_value *x = dec_in(d, 0), *rois = dec_in(d, 1), *batch = dec_in(d, 2);
    roi_form f = {
        .rois = rois, .scale = ds_op_float(op, "spatial_scale", 1), .sampling = ds_op_int(op, "sampling_ratio", 0)};
    int64_t bins[2] = {ds_op_int(op, "output_height", 1), ds_op_int(op, "output_width", 1)};
    bool largest = !strcmp(ds_op_text(op, "mode", "avg"), "max");
    if (x->type->rank != 4 || rois->type->rank != 2 || batch->type->rank != 1 || bins[0] < 1 || bins[1] < 1 ||
        f.sampling < 0)
        return dec_fail(d, DS_E_shape, "input and regions do not fit together");
    f.half_pixel = !strcmp(ds_op_text(op, "coordinate_transformation_mode", "half_pixel"), "half_pixel");
    f.offset = f.half_pixel ? 0.5 : 0;
    const ds_expr *over[2], *dims[4] = {NULL, x->type->dims[1], dec_const(d, bins[0]), dec_const(d, bins[1])};
    DS_TRY(dec_same(d, rois->type->dims[0], batch->type->dims[0], &dims[0]));
    for (size_t i = 0; i < 2; i++) DS_TRY(most_samples(d, &f, i, bins[i], &over[i]));
    ds_elem wide = dec_compute_elem(x->type->elem);
    body b = reduce_begin(d, wide, 4, dims, over, 2, NULL, NULL, 0), *r = &b;
    ds_value *which = position(r, 0), *used = NULL, *count = NULL, *at[4], *parts[4];
    taps axis[2];
    for (size_t i = 0; i < 2; i++) {
        ds_value *start, *samples, *bin = roi_bin(r, &f, which, i, bins[i], &start, &samples),
                                   *p = cast_to(r, position(r, 2 + i), DS_f32),
                                   *s = cast_to(r, position(r, 4 + i), DS_f32);
        ds_value *n = cast_to(r, extent(r, x->type->dims[2 + i]), DS_f32), *zero = like(r, n, 0), *one = like(r, n, 1);
        ds_value *c = ADD(ADD(start, MUL(p, bin)), DIV(MUL(ADD(s, like(r, s, 0.5)), bin), samples));
        ds_value *in = AND(LT(s, samples), AND(LE(like(r, c, -1), c), LE(c, n)));
        used = used ? AND(used, in) : in;
        count = count ? MUL(count, samples) : samples;
        axis[i] = taps_linear(r, MAX(zero, MIN(c, SUB(n, one))));
        taps_clamp(r, &axis[i], x->type->dims[2 + i]);
    }
    at[0] = clamp_index(r, extract(r, batch, &which, 1), x->type->dims[0]), at[1] = position(r, 1);
    for (size_t k = 0; k < 4; k++) {
        at[2] = axis[0].at[k / 2], at[3] = axis[1].at[k % 2];
        ds_value *v = extract(r, x, at, 4);
        parts[k] = MUL(v, cast_to(r, MUL(axis[0].weight[k / 2], axis[1].weight[k % 2]), v->type->elem));
    }
    ds_value *v = largest ? MAX(MAX(parts[0], parts[1]), MAX(parts[2], parts[3]))
                          : ADD(ADD(parts[0], parts[1]), ADD(parts[2], parts[3]));
    if (!largest) v = DIV(v, cast_to(r, MAX(count, like(r, count, 1)), v->type->elem));
    d->out[0] = dec_convert(d, reduce_end(r, SELECT(used, v, like(r, v, 0)), largest ? DS_LOOP_max : DS_LOOP_add),
                            x->type->elem);
    return DS_OK;
}

/* ---- deformable convolution ---- */

typedef struct {
    size_t spatial;
    int64_t kernel[DEC_MAX_RANK], stride[DEC_MAX_RANK], dilation[DEC_MAX_RANK], pads[2 * DEC_MAX_RANK], groups,
        offset_groups;
} deform_form;

/* columns[n, c, window…, out…]: the input between its elements, at each window position moved by its own offset */
static ds_value *deformed_columns(dec *d, const deform_form *f, ds_value *x, ds_value *offset, ds_value *mask) {
    size_t s = f->spatial, rank = 2 + 2 * s;
    const ds_expr *dims[DEC_MAX_RANK] = {x->type->dims[0], x->type->dims[1]}, *tap = dec_const(d, 0);
    int64_t window = 1;
    for (size_t i = 0; i < s; i++) {
        dims[2 + i] = dec_const(d, f->kernel[i]), dims[2 + s + i] = offset->type->dims[2 + i];
        tap = ds_expr_add(d->cx, ds_expr_scale(d->cx, tap, f->kernel[i]), dec_dim(d, 2 + i));
        window *= f->kernel[i];
    }
    const ds_expr *each = ds_expr_floordiv(d->cx, x->type->dims[1], dec_const(d, f->offset_groups));
    body b = map_over(d, x->type->elem, rank, dims, NULL, 0), *r = &b;
    ds_value *group = op2(r, DS_LOOP_floordiv, position(r, 1), extent(r, each)), *at[DEC_MAX_RANK] = {position(r, 0)};
    ds_value *row = ADD(MUL(group, num(r, DS_index, (double)window)), at_point(r, rank, tap));
    taps axis[DEC_MAX_RANK] = {taps_one(position(r, 0)), taps_one(position(r, 1))};
    for (size_t i = 0; i < s; i++) at[2 + i] = position(r, 2 + s + i);
    for (size_t i = 0; i < s; i++) {
        const ds_expr *e = ds_expr_add(d->cx, ds_expr_scale(d->cx, dec_dim(d, 2 + s + i), f->stride[i]),
                                       ds_expr_scale(d->cx, dec_dim(d, 2 + i), f->dilation[i]));
        at[1] = ADD(MUL(row, num(r, DS_index, (double)s)), num(r, DS_index, (double)i));
        ds_value *grid = cast_to(r, at_point(r, rank, ds_expr_sub(d->cx, e, dec_const(d, f->pads[i]))), DS_f32);
        axis[2 + i] = taps_linear(r, ADD(grid, cast_to(r, extract(r, offset, at, 2 + s), DS_f32)));
        taps_zero(r, &axis[2 + i], x->type->dims[2 + i]);
    }
    ds_value *v = interpolate(r, x, axis);
    at[1] = row;
    if (mask) v = MUL(v, cast_to(r, extract(r, mask, at, 2 + s), v->type->elem));
    return map_end(r, v);
}

RULE(deform_conv) {
    ds_value *x = dec_in(d, 0), *w = dec_in(d, 1), *offset = dec_in(d, 2);
    size_t rank = x->type->rank, s = rank - 2;
    deform_form f = {
        .spatial = s, .groups = ds_op_int(op, "group", 1), .offset_groups = ds_op_int(op, "offset_group", 1)};
    if (rank < 3 || rank > 5 || w->type->rank != rank || offset->type->rank != rank ||
        (dec_in(d, 4) && dec_type(d, 4)->rank != rank) || f.groups < 1 || f.offset_groups < 1)
        return dec_fail(d, DS_E_shape, "input, weight and offset do not fit together");
    const ds_expr *groups = dec_const(d, f.groups), *channels = w->type->dims[1], *all_outputs = w->type->dims[0];
    DS_TRY(dec_window_size(d, op, w->type, f.kernel));
    DS_TRY(dec_require(d, DS_equal, ds_expr_mod(d->cx, all_outputs, groups), dec_const(d, 0),
                       "the groups divide the output channels"));
    DS_TRY(dec_require(d, DS_equal, x->type->dims[1], ds_expr_mul(d->cx, channels, groups),
                       "the input has the channels of the weight, for each group"));
    for (size_t i = 0; i < s; i++) f.stride[i] = f.dilation[i] = 1;
    DS_TRY(dec_attribute_list(d, "strides", f.stride, s));
    DS_TRY(dec_attribute_list(d, "dilations", f.dilation, s));
    DS_TRY(dec_attribute_list(d, "pads", f.pads, 2 * s));
    const ds_expr *shape[DEC_MAX_RANK] = {x->type->dims[0], dec_const(d, f.offset_groups)};
    for (size_t i = 0; i < s; i++) {
        shape[1] = ds_expr_scale(d->cx, shape[1], f.kernel[i]);
        shape[2 + i] = offset->type->dims[2 + i];
    }
    if (dec_in(d, 4))
        DS_TRY(dec_has_shape(d, dec_type(d, 4), rank, shape, "there is a factor for each place of the window"));
    shape[1] = ds_expr_scale(d->cx, shape[1], (int64_t)s);
    DS_TRY(dec_has_shape(d, offset->type, rank, shape, "there are offsets for each place of the window"));
    ds_value *columns = deformed_columns(d, &f, x, offset, dec_in(d, 4));
    /* y[n, g, co, out…] = sum over ci, window… of columns[n, g, ci, window…, out…] * w[g, co, ci, window…] */
    const ds_expr *split[DEC_MAX_RANK], *ws[DEC_MAX_RANK], *dims[DEC_MAX_RANK], *over[DEC_MAX_RANK], *cm[DEC_MAX_RANK],
        *wm[DEC_MAX_RANK], *out[DEC_MAX_RANK];
    size_t y = 3 + s;
    dims[0] = split[0] = x->type->dims[0], dims[1] = split[1] = ws[0] = groups;
    dims[2] = ws[1] = ds_expr_floordiv(d->cx, all_outputs, groups);
    over[0] = split[2] = ws[2] = channels;
    cm[0] = dec_dim(d, 0), cm[1] = wm[0] = dec_dim(d, 1), wm[1] = dec_dim(d, 2), cm[2] = wm[2] = dec_dim(d, y);
    out[0] = dims[0], out[1] = w->type->dims[0];
    for (size_t i = 0; i < s; i++) {
        over[1 + i] = split[3 + i] = ws[3 + i] = dec_const(d, f.kernel[i]);
        dims[3 + i] = split[3 + s + i] = out[2 + i] = offset->type->dims[2 + i];
        cm[3 + i] = wm[3 + i] = dec_dim(d, y + 1 + i), cm[3 + s + i] = dec_dim(d, 3 + i);
    }
    columns = dec_reshape(d, columns, 3 + 2 * s, split), w = dec_reshape(d, w, 3 + s, ws);
    size_t all = y + 1 + s;
    ds_value *v = dec_contract(d, DS_GRAPH_matmul, x->type->elem, y, dims, over, 1 + s, columns,
                               dec_map_of(d, all, cm, 3 + 2 * s), w, dec_map_of(d, all, wm, 3 + s));
    d->out[0] = dec_reshape(d, v, rank, out);
    return dec_in(d, 3) ? dec_channel_bias(d, d->out[0], dec_in(d, 3), &d->out[0]) : DS_OK;
}

/* ---- crops and windows of a tensor ---- */

/* The middle of the input, or the input in the middle of zeros; an odd difference leaves the extra element at the
 * end. */
RULE(center_crop_pad) {
    ds_value *x = dec_in(d, 0);
    const ds_expr *shape[DEC_MAX_RANK], *dims[DEC_MAX_RANK], *exprs[DEC_MAX_RANK], *two = dec_const(d, 2),
                                                                                   *zero = dec_const(d, 0);
    size_t rank = x->type->rank, n, count = rank;
    int64_t axes[DEC_MAX_RANK];
    for (size_t i = 0; i < rank; i++) axes[i] = (int64_t)i, dims[i] = x->type->dims[i], exprs[i] = dec_dim(d, i);
    if (ds_op_attr(op, "axes")) count = ds_op_ints(op, "axes", axes, rank);
    DS_TRY(dec_list(d, 1, count));
    DS_TRY(dec_ints(d, dec_in(d, 1), shape, DEC_MAX_RANK, &n));
    if (n != count || n > rank) return dec_fail(d, DS_E_shape, "%zu extents for %zu axes", n, count);
    for (size_t k = 0; k < count; k++) {
        size_t axis;
        DS_TRY(dec_axis(d, axes[k], rank, &axis));
        const ds_expr *less = ds_expr_sub(d->cx, dims[axis], shape[k]), *more = ds_expr_scale(d->cx, less, -1);
        const ds_expr *crop = ds_expr_floordiv(d->cx, ds_expr_max(d->cx, less, zero), two),
                      *before = ds_expr_floordiv(d->cx, ds_expr_max(d->cx, more, zero), two);
        exprs[axis] = ds_expr_add(d->cx, dec_dim(d, axis), ds_expr_sub(d->cx, crop, before));
        dims[axis] = shape[k];
    }
    const ds_attr *map = dec_map_of(d, rank, exprs, rank);
    body r = map_begin(d, x->type->elem, rank, dims, &x, &map, 1);
    map_pad(&r, 0, 0);
    d->out[0] = map_end(&r, r.x[0]);
    return DS_OK;
}
