/* Transposed convolution and Col2Im: windows that overlap, summed.
 *
 * Tap t of the window at input position q reaches output position p = q*stride - before + t*dilation. Outputs whose p +
 * before leave the same rest when divided by the stride (a phase) are reached by the same taps: each phase is a
 * convolution with these, of stride 1.
 */
#include <string.h>

#include "passes/decompose/decompose.h"

enum { MAX_PHASES = 16, MOST_PHASES = 4096 }; /* that have a convolution of their own; that are channels of one */

typedef struct {
    size_t rank, spatial;
    int64_t group;
    const ds_expr *inputs, *outputs; /* channels of a group */
    int64_t kernel[DEC_MAX_RANK], stride[DEC_MAX_RANK], dilation[DEC_MAX_RANK];
    const ds_expr *out[DEC_MAX_RANK], *before[DEC_MAX_RANK];
} transposed;

/* ---- in phases ---- */

/* How many taps a phase has along dim i; phases are numbered with the last dim fastest. */
static int64_t phase_taps(const transposed *t, size_t i, int64_t phase) {
    for (size_t k = t->spatial - 1; k > i; k--) phase /= t->stride[k];
    return (t->kernel[i] - phase % t->stride[i] + t->stride[i] - 1) / t->stride[i];
}

static int64_t phase_count(const transposed *t) {
    int64_t count = 1;
    for (size_t i = 0; i < t->spatial; i++) count *= t->stride[i];
    return count;
}

/* Output channels of all groups, `times` over. */
static const ds_expr *all_channels(dec *d, const transposed *t, int64_t times) {
    return ds_expr_scale(d->cx, t->outputs, t->group * times);
}

/* All phases have as many taps: they are the channels of one convolution. */
static bool is_even(const transposed *t) {
    bool even = t->group == 1;
    for (size_t i = 0; i < t->spatial; i++) even = even && t->kernel[i] % t->stride[i] == 0;
    return even;
}

static bool has_phases(const transposed *t) {
    int64_t count = 1, inputs = 1, outputs = 1;
    ds_expr_is_const(t->inputs, &inputs), ds_expr_is_const(t->outputs, &outputs);
    if (inputs < 1 || outputs < 1 || outputs > INT32_MAX / t->group) return false;
    for (size_t i = 0; i < t->spatial; i++) {
        int64_t before;
        if (!ds_expr_is_const(t->before[i], &before) || before < 0 || t->kernel[i] < t->stride[i]) return false;
        if ((t->dilation[i] > 1 && t->stride[i] > 1) || t->stride[i] > MOST_PHASES / count) return false;
        count *= t->stride[i];
    }
    return is_even(t) || count <= MAX_PHASES;
}

/* The weight [group*inputs, outputs, kernel…] as that of a convolution for phases first … first + count - 1, whose
 * channels are the phase's, then the output's: a phase's taps, the last one first. */
static ds_value *phase_weights(dec *d, const transposed *t, ds_value *w, int64_t first, int64_t count) {
    int64_t after = phase_count(t);
    const ds_expr *dims[DEC_MAX_RANK] = {all_channels(d, t, count), t->inputs}, *at[DEC_MAX_RANK], *row = dec_dim(d, 0),
                  *all = all_channels(d, t, 1), *co = count == 1 ? row : ds_expr_mod(d->cx, row, all),
                  *phase = dec_const(d, first);
    if (count > 1) phase = ds_expr_add(d->cx, phase, ds_expr_floordiv(d->cx, row, all));
    at[0] = dec_dim(d, 1), at[1] = co;
    if (t->group > 1) {
        at[0] = ds_expr_add(d->cx, ds_expr_mul(d->cx, ds_expr_floordiv(d->cx, co, t->outputs), t->inputs), at[0]);
        at[1] = ds_expr_mod(d->cx, co, t->outputs);
    }
    for (size_t i = 0; i < t->spatial; i++) {
        int64_t size = phase_taps(t, i, first);
        const ds_expr *last = ds_expr_sub(d->cx, dec_const(d, size - 1), dec_dim(d, i + 2));
        after /= t->stride[i];
        const ds_expr *start =
            ds_expr_mod(d->cx, ds_expr_floordiv(d->cx, phase, dec_const(d, after)), dec_const(d, t->stride[i]));
        dims[i + 2] = dec_const(d, size);
        at[i + 2] = ds_expr_add(d->cx, ds_expr_scale(d->cx, last, t->stride[i]), start);
    }
    const ds_attr *map = dec_map_of(d, t->rank, at, t->rank);
    body r = map_begin(d, w->type->elem, t->rank, dims, &w, &map, 1);
    return map_end(&r, r.x[0]);
}

/* result[n, phase and co, (p + before) floordiv stride - before floordiv stride …] */
static ds_value *phase_convolution(dec *d, const transposed *t, ds_elem elem, ds_value *x, ds_value *w, int64_t first,
                                   int64_t count) {
    dec_window win = {.spatial = t->spatial};
    for (size_t i = 0; i < t->spatial; i++) {
        int64_t size = phase_taps(t, i, first), before = t->before[i]->value, start = before / t->stride[i];
        const ds_expr *past = ds_expr_add(d->cx, t->out[i], dec_const(d, before + t->stride[i] - 1)),
                      *end = ds_expr_floordiv(d->cx, past, dec_const(d, t->stride[i]));
        win.kernel[i] = size, win.stride[i] = 1, win.dilation[i] = t->dilation[i];
        win.out[i] = ds_expr_sub(d->cx, end, dec_const(d, start));
        win.before[i] = dec_const(d, (size - 1) * t->dilation[i] - start),
        win.after[i] = ds_expr_sub(d->cx, end, x->type->dims[i + 2]);
    }
    return dec_convolve(d, elem, x, phase_weights(d, t, w, first, count), t->group, &win);
}

/* out[n, co, p…] from all phases' results. */
static ds_value *spread_phases(dec *d, const transposed *t, ds_value *v, const ds_expr *const *dims) {
    const ds_expr *at[DEC_MAX_RANK], *phase = dec_const(d, 0);
    at[0] = dec_dim(d, 0);
    for (size_t i = 0; i < t->spatial; i++) {
        const ds_expr *p = ds_expr_add(d->cx, dec_dim(d, i + 2), t->before[i]), *stride = dec_const(d, t->stride[i]);
        at[i + 2] =
            ds_expr_sub(d->cx, ds_expr_floordiv(d->cx, p, stride), dec_const(d, t->before[i]->value / t->stride[i]));
        phase = ds_expr_add(d->cx, ds_expr_mul(d->cx, phase, stride), ds_expr_mod(d->cx, p, stride));
    }
    at[1] = ds_expr_add(d->cx, ds_expr_mul(d->cx, phase, all_channels(d, t, 1)), dec_dim(d, 1));
    const ds_attr *map = dec_map_of(d, t->rank, at, t->rank);
    body r = map_begin(d, v->type->elem, t->rank, dims, &v, &map, 1);
    return map_end(&r, r.x[0]);
}

/* Phases of few channels fill one vector only together: taps of zero make them even. */
static ds_value *with_even_phases(dec *d, transposed *t, ds_value *w) {
    enum { VECTOR = 16 };
    int64_t outputs, count = phase_count(t);
    bool few = t->group == 1 && ds_expr_is_const(t->outputs, &outputs) && outputs <= VECTOR / count;
    if (is_even(t) || !few) return w;
    const ds_expr *dims[DEC_MAX_RANK] = {w->type->dims[0], w->type->dims[1]}, *at[DEC_MAX_RANK];
    for (size_t i = 0; i < t->spatial; i++) {
        t->kernel[i] = (t->kernel[i] + t->stride[i] - 1) / t->stride[i] * t->stride[i];
        dims[i + 2] = dec_const(d, t->kernel[i]);
    }
    for (size_t i = 0; i < t->rank; i++) at[i] = dec_dim(d, i);
    const ds_attr *map = dec_map_of(d, t->rank, at, t->rank);
    body r = map_begin(d, w->type->elem, t->rank, dims, &w, &map, 1);
    map_pad(&r, 0, 0);
    return map_end(&r, r.x[0]);
}

static ds_status by_phases(dec *d, const transposed *t, ds_elem elem, ds_value *x, ds_value *w,
                           const ds_expr *const *dims, ds_value **out) {
    int64_t count = phase_count(t);
    ds_value *parts[MAX_PHASES], *all;
    if (is_even(t)) all = phase_convolution(d, t, elem, x, w, 0, count);
    else {
        for (int64_t k = 0; k < count; k++) parts[k] = phase_convolution(d, t, elem, x, w, k, 1);
        DS_TRY(dec_concat(d, parts, (size_t)count, 1, &all));
    }
    *out = count == 1 ? all : spread_phases(d, t, all, dims);
    return DS_OK;
}

/* ---- tap by tap ---- */

/* Output p reads position (p + before - t*dilation) / stride for each tap, where that is a whole number of 0 … size-1.
 * Coordinate `p_dim` of the point is p, `t_dim` is t; `valid` collects the condition. Returns the position, clamped. */
static ds_value *reached_from(body *r, size_t dims, size_t p_dim, size_t t_dim, int64_t stride, int64_t dilation,
                              const ds_expr *before, const ds_expr *size, ds_value **valid) {
    dec *d = r->d;
    const ds_expr *e = ds_expr_add(
        d->cx, ds_expr_sub(d->cx, dec_dim(d, p_dim), ds_expr_scale(d->cx, dec_dim(d, t_dim), dilation)), before);
    ds_value *q = at_point(r, dims, e), *s = num(r, DS_index, (double)stride), *in = op2(r, DS_LOOP_floordiv, q, s);
    ds_value *ok = AND(EQ(MUL(in, s), q), AND(LE(num(r, DS_index, 0), in), LT(in, extent(r, size))));
    *valid = *valid ? AND(*valid, ok) : ok;
    return clamp_index(r, in, size);
}

/* product[n, in…, g, window…, co] = sum over ci of x[n, g*cin/group + ci, in…] * w[g*cin/group + ci, co, window…] */
static ds_status input_products(dec *d, ds_value *x, ds_value *w, const transposed *t, ds_value **out) {
    const ds_type *xt = x->type, *wt = w->type;
    size_t rank = xt->rank, spatial = rank - 2, g_at = 1 + spatial, k_at = g_at + 1, co_at = k_at + spatial,
           p_rank = co_at + 1;
    const ds_expr *dims[DEC_MAX_RANK], *xm[DEC_MAX_RANK], *wm[DEC_MAX_RANK];
    ds_elem wide = dec_compute_elem(xt->elem);
    if (p_rank + 1 > DEC_MAX_RANK) return dec_refuse(d, "this many dimensions");
    dims[0] = xt->dims[0], dims[g_at] = dec_const(d, t->group), dims[co_at] = wt->dims[1];
    for (size_t i = 0; i < spatial; i++)
        dims[1 + i] = xt->dims[2 + i], dims[k_at + i] = wt->dims[2 + i], xm[2 + i] = dec_dim(d, 1 + i);
    xm[0] = dec_dim(d, 0);
    const ds_expr *channel = ds_expr_add(d->cx, ds_expr_mul(d->cx, dec_dim(d, g_at), t->inputs), dec_dim(d, p_rank));
    xm[1] = wm[0] = channel, wm[1] = dec_dim(d, co_at);
    for (size_t i = 0; i < spatial; i++) wm[2 + i] = dec_dim(d, k_at + i);
    *out = dec_contract(d, DS_GRAPH_matmul, wide, p_rank, dims, &t->inputs, 1, x, dec_map_of(d, p_rank + 1, xm, rank),
                        w, dec_map_of(d, p_rank + 1, wm, rank));
    return DS_OK;
}

/* Every input position times the whole window by one product of matrices, then each output sums the taps that reach
 * it. */
static ds_status by_taps(dec *d, const transposed *t, ds_elem elem, ds_value *x, ds_value *w,
                         const ds_expr *const *dims, ds_value **out) {
    size_t g_at = 1 + t->spatial, k_at = g_at + 1, co_at = k_at + t->spatial, p_rank = co_at + 1;
    ds_value *product = NULL, *at[DEC_MAX_RANK], *valid = NULL;
    const ds_expr *window[DEC_MAX_RANK];
    DS_TRY(input_products(d, x, w, t, &product));
    for (size_t i = 0; i < t->spatial; i++) window[i] = dec_const(d, t->kernel[i]);
    body b = reduce_begin(d, elem, t->rank, dims, window, t->spatial, NULL, NULL, 0), *r = &b;
    at[0] = position(r, 0);
    at[g_at] = op2(r, DS_LOOP_floordiv, position(r, 1), extent(r, t->outputs));
    at[co_at] = op2(r, DS_LOOP_mod, position(r, 1), extent(r, t->outputs));
    for (size_t i = 0; i < t->spatial; i++) {
        at[1 + i] = reached_from(r, t->rank + t->spatial, i + 2, t->rank + i, t->stride[i], t->dilation[i],
                                 t->before[i], x->type->dims[i + 2], &valid);
        at[k_at + i] = position(r, t->rank + i);
    }
    ds_value *v = extract(r, product, at, p_rank);
    *out = reduce_end(r, op3(r, DS_LOOP_select, valid, v, like(r, v, 0)), DS_LOOP_add);
    return DS_OK;
}

/* ---- the ops ---- */

/* ONNX's attributes and the result's extents. */
static ds_status open_transposed(dec *d, ds_op *op, const ds_type *xt, const ds_type *wt, transposed *t) {
    int64_t extra[DEC_MAX_RANK] = {0}, pads[2 * DEC_MAX_RANK] = {0}, shape[DEC_MAX_RANK];
    const char *pad = ds_op_text(op, "auto_pad", "NOTSET");
    t->rank = xt->rank, t->spatial = t->rank - 2, t->group = ds_op_int(op, "group", 1);
    if (t->rank < 3 || t->rank > 5 || wt->rank != t->rank)
        return dec_fail(d, DS_E_shape, "input and weight have ranks %zu and %zu", t->rank, wt->rank);
    if (t->group < 1 || t->group > INT32_MAX) return dec_fail(d, DS_E_attribute, "group is not a positive number");
    const ds_expr *groups = dec_const(d, t->group);
    t->inputs = ds_expr_floordiv(d->cx, wt->dims[0], groups), t->outputs = wt->dims[1];
    DS_TRY(dec_require(d, DS_equal, xt->dims[1], wt->dims[0], "the input has the weight's channels"));
    DS_TRY(dec_require(d, DS_equal, ds_expr_mod(d->cx, wt->dims[0], groups), dec_const(d, 0),
                       "the groups divide the input's channels"));
    DS_TRY(dec_window_size(d, op, wt, t->kernel));
    for (size_t i = 0; i < t->spatial; i++) t->stride[i] = t->dilation[i] = 1;
    DS_TRY(dec_attribute_list(d, "strides", t->stride, t->spatial));
    DS_TRY(dec_attribute_list(d, "dilations", t->dilation, t->spatial));
    DS_TRY(dec_attribute_list(d, "pads", pads, 2 * t->spatial));
    DS_TRY(dec_attribute_list(d, "output_padding", extra, t->spatial));
    size_t has_shape = ds_op_ints(op, "output_shape", shape, DEC_MAX_RANK);
    if (has_shape && has_shape != t->spatial && has_shape != t->rank)
        return dec_fail(d, DS_E_attribute, "attribute 'output_shape' has %zu entries instead of %zu", has_shape,
                        t->spatial);
    for (size_t i = 0; i < t->spatial; i++) {
        if (t->stride[i] < 1 || t->dilation[i] < 1)
            return dec_fail(d, DS_E_attribute, "strides and dilations must be positive");
        const ds_expr *reach = dec_const(d, (t->kernel[i] - 1) * t->dilation[i] + 1 + extra[i]), *one = dec_const(d, 1),
                      *full = ds_expr_add(
                          d->cx, ds_expr_scale(d->cx, ds_expr_sub(d->cx, xt->dims[i + 2], one), t->stride[i]), reach);
        bool same = !strncmp(pad, "SAME", 4);
        if (has_shape || same) {
            /* a window smaller than the stride leaves less than input times stride, and nothing to cut off */
            t->out[i] = has_shape ? dec_const(d, shape[has_shape - t->spatial + i])
                                  : ds_expr_min(d->cx, full, ds_expr_scale(d->cx, xt->dims[i + 2], t->stride[i]));
            const ds_expr *total = ds_expr_max(d->cx, ds_expr_sub(d->cx, full, t->out[i]), dec_const(d, 0)),
                          *half = ds_expr_floordiv(d->cx, total, dec_const(d, 2));
            t->before[i] = !strcmp(pad, "SAME_UPPER") ? half : ds_expr_sub(d->cx, total, half);
        } else {
            t->out[i] = ds_expr_sub(d->cx, full, dec_const(d, pads[i] + pads[i + t->spatial]));
            t->before[i] = dec_const(d, pads[i]);
        }
    }
    return DS_OK;
}

RULE(conv_transpose) {
    ds_value *x = dec_in(d, 0), *w = dec_in(d, 1), *v;
    transposed t = {0};
    DS_TRY(open_transposed(d, op, x->type, w->type, &t));
    const ds_expr *dims[DEC_MAX_RANK] = {x->type->dims[0], all_channels(d, &t, 1)};
    for (size_t i = 0; i < t.spatial; i++) dims[i + 2] = t.out[i];
    ds_elem wide = dec_compute_elem(x->type->elem);
    if (has_phases(&t)) DS_TRY(by_phases(d, &t, wide, x, with_even_phases(d, &t, w), dims, &v));
    else DS_TRY(by_taps(d, &t, wide, x, w, dims, &v));
    d->out[0] = dec_convert(d, v, x->type->elem);
    return dec_in(d, 2) ? dec_channel_bias(d, d->out[0], dec_in(d, 2), &d->out[0]) : DS_OK;
}

/* Col2Im: columns [n, c * window, positions] back into an image, overlaps summed. */
RULE(col2im) {
    (void)op;
    ds_value *x = dec_in(d, 0);
    const ds_expr *image[DEC_MAX_RANK], *dims[DEC_MAX_RANK], *window[DEC_MAX_RANK], *split[2 * DEC_MAX_RANK],
        *taps_count = dec_const(d, 1);
    int64_t stride[DEC_MAX_RANK], dilation[DEC_MAX_RANK], pads[2 * DEC_MAX_RANK] = {0};
    size_t spatial, n;
    DS_TRY(dec_ints(d, dec_in(d, 1), image, DEC_MAX_RANK, &spatial));
    DS_TRY(dec_ints(d, dec_in(d, 2), window, DEC_MAX_RANK, &n));
    if (n != spatial || spatial == 0 || x->type->rank != 3 || 2 + 2 * spatial > DEC_MAX_RANK)
        return dec_fail(d, DS_E_shape, "image, block and columns do not fit together");
    for (size_t i = 0; i < spatial; i++) stride[i] = dilation[i] = 1;
    DS_TRY(dec_attribute_list(d, "strides", stride, spatial));
    DS_TRY(dec_attribute_list(d, "dilations", dilation, spatial));
    DS_TRY(dec_attribute_list(d, "pads", pads, 2 * spatial));
    for (size_t i = 0; i < spatial; i++) {
        if (stride[i] < 1 || dilation[i] < 1)
            return dec_fail(d, DS_E_attribute, "strides and dilations must be positive");
        const ds_expr *reach = ds_expr_scale(d->cx, ds_expr_sub(d->cx, window[i], dec_const(d, 1)), dilation[i]);
        const ds_expr *room =
            ds_expr_sub(d->cx, ds_expr_add(d->cx, image[i], dec_const(d, pads[i] + pads[i + spatial] - 1)), reach);
        split[2 + i] = window[i];
        split[2 + spatial + i] =
            ds_expr_add(d->cx, ds_expr_floordiv(d->cx, room, dec_const(d, stride[i])), dec_const(d, 1));
        taps_count = ds_expr_mul(d->cx, taps_count, window[i]);
        dims[2 + i] = image[i];
    }
    dims[0] = split[0] = x->type->dims[0];
    dims[1] = split[1] = ds_expr_floordiv(d->cx, x->type->dims[1], taps_count);
    ds_value *columns = dec_reshape(d, x, 2 + 2 * spatial, split), *at[DEC_MAX_RANK], *valid = NULL;
    body b = reduce_begin(d, dec_compute_elem(x->type->elem), 2 + spatial, dims, window, spatial, NULL, NULL, 0),
         *r = &b;
    at[0] = position(r, 0), at[1] = position(r, 1);
    for (size_t i = 0; i < spatial; i++) {
        at[2 + i] = position(r, 2 + spatial + i);
        at[2 + spatial + i] = reached_from(r, 2 + 2 * spatial, 2 + i, 2 + spatial + i, stride[i], dilation[i],
                                           dec_const(d, pads[i]), split[2 + spatial + i], &valid);
    }
    ds_value *v = extract(r, columns, at, 2 + 2 * spatial);
    d->out[0] = dec_convert(d, reduce_end(r, SELECT(valid, v, like(r, v, 0)), DS_LOOP_add), x->type->elem);
    return DS_OK;
}
