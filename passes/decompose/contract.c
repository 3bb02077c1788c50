/* Matrix products and convolutions: graph.matmul and graph.conv with their index maps. */
#include <math.h>
#include <string.h>
#include <ctype.h>

#include "passes/decompose/decompose.h"

RULE(matmul) {
    (void)op;
    return dec_matmul(d, dec_in(d, 0), dec_in(d, 1), dec_type(d, 0)->elem, &d->out[0]);
}

ds_status dec_gemm(dec *d, ds_value *a, ds_value *b, ds_elem elem, ds_value **out) {
    bool ta = ds_op_int(d->op, "transA", 0), tb = ds_op_int(d->op, "transB", 0);
    const ds_expr *k, *m = dec_dim(d, 0), *n = dec_dim(d, 1), *kd = dec_dim(d, 2);
    if (a->type->rank != 2 || b->type->rank != 2)
        return dec_fail(d, DS_E_shape, "operands have ranks %zu and %zu instead of 2", a->type->rank, b->type->rank);
    DS_TRY(dec_same(d, a->type->dims[!ta], b->type->dims[tb], &k));
    const ds_expr *dims[] = {a->type->dims[ta], b->type->dims[!tb]}, *am[] = {ta ? kd : m, ta ? m : kd},
                  *bm[] = {tb ? n : kd, tb ? kd : n};
    *out =
        dec_contract(d, DS_GRAPH_matmul, elem, 2, dims, &k, 1, a, dec_map_of(d, 3, am, 2), b, dec_map_of(d, 3, bm, 2));
    return DS_OK;
}

RULE(gemm) {
    ds_value *v, *a = dec_in(d, 0), *c = dec_in(d, 2);
    double alpha = ds_op_float(op, "alpha", 1), beta = ds_op_float(op, "beta", 1);
    DS_TRY(dec_gemm(d, a, dec_in(d, 1), a->type->elem, &v));
    if (alpha != 1 || c) {
        const ds_expr *const *dims = v->type->dims;
        ds_value *inputs[] = {v, c};
        if (c) DS_TRY(dec_fits_shape(d, c, 2, dims, "C's extents are the result's, or 1"));
        body r = map_over(d, a->type->elem, 2, dims, inputs, c ? 2 : 1);
        ds_value *s = alpha == 1 ? r.x[0] : op2(&r, DS_LOOP_mul, r.x[0], like(&r, r.x[0], alpha));
        if (c) s = op2(&r, DS_LOOP_add, s, beta == 1 ? r.x[1] : op2(&r, DS_LOOP_mul, r.x[1], like(&r, r.x[1], beta)));
        v = map_end(&r, s);
    }
    d->out[0] = v;
    return DS_OK;
}

/* ---- integers: values less their zero points, in i32; as they are where these are zero ---- */

ds_status dec_less_zero_point(dec *d, ds_value *x, ds_value *zero, size_t axis, ds_value **out) {
    static const char what[] = "zero points are as many as there are places, or one";
    ds_value *inputs[] = {x, zero};
    size_t rank = x->type->rank, zeros = zero ? zero->type->rank : 0;
    const ds_expr *exprs[DEC_MAX_RANK], *const *dims = x->type->dims;
    if (zeros > rank) return dec_fail(d, DS_E_shape, "zero points have rank %zu, the values %zu", zeros, rank);
    for (size_t i = 0; i < zeros; i++) {
        size_t at = zeros == 1 ? axis : i + rank - zeros;
        DS_TRY(dec_fits(d, zero->type->dims[i], dims[at], what));
        exprs[i] = dec_stretched(d, zero->type->dims[i], dims[at], dec_dim(d, at));
    }
    *out = x;
    if (!zero || ds_value_is_zero(zero)) return DS_OK;
    const ds_attr *maps[] = {ds_attr_identity_map(d->cx, rank), dec_map_of(d, rank, exprs, zeros)};
    body r = map_begin(d, DS_i32, rank, dims, inputs, maps, 2);
    ds_value *less = op2(&r, DS_LOOP_sub, cast_to(&r, r.x[0], DS_i32), cast_to(&r, r.x[1], DS_i32));
    map_end_many(&r, &less, 1, out); /* stays: a product may take the bytes as they are */
    return DS_OK;
}

RULE(matmul_integer) {
    (void)op;
    ds_value *a = dec_in(d, 0), *b = dec_in(d, 1);
    size_t rank = a->type->rank;
    if (rank == 0 || b->type->rank == 0)
        return dec_fail(d, DS_E_shape, "a matrix product needs operands of rank 1 or more");
    DS_TRY(dec_less_zero_point(d, a, dec_in(d, 2), rank > 1 ? rank - 2 : 0, &a));
    DS_TRY(dec_less_zero_point(d, b, dec_in(d, 3), b->type->rank - 1, &b));
    return dec_matmul(d, a, b, DS_i32, &d->out[0]);
}

ds_status dec_requantise(dec *d, ds_value *v, ds_value *const *factors, size_t axis, ds_value **out) {
    static const char what[] = "scales and zero points are as many as there are places, or one";
    const ds_expr *place = v->type->dims[axis];
    const ds_attr *own[4]; /* of the scales by place, of the zero point by point */
    size_t rank = 0;
    for (size_t i = 0; i < 4; i++) {
        if (factors[i]->type->rank > 1)
            return dec_refuse(d, "scales and zero points of rank %zu", factors[i]->type->rank);
        if (factors[i]->type->rank) DS_TRY(dec_fits(d, factors[i]->type->dims[0], place, what));
        if (i < 3 && factors[i]->type->rank) rank = 1;
    }
    for (size_t i = 0; i < 4; i++) {
        const ds_type *t = factors[i]->type;
        const ds_expr *e = t->rank ? dec_stretched(d, t->dims[0], place, dec_dim(d, i < 3 ? 0 : axis)) : NULL;
        own[i] = dec_map_of(d, i < 3 ? rank : v->type->rank, &e, t->rank);
    }
    /* Once, not at every point; the quotient of doubles, rounded, is that of floats, and not a product with an inverse. */
    body b = map_begin(d, DS_f32, rank, &place, factors, own, 3), *r = &b;
    ds_value *both = MUL(cast_to(r, r->x[0], DS_f32), cast_to(r, r->x[1], DS_f32));
    ds_value *scale = map_end(r, DIV(cast_to(r, both, DS_f64), cast_to(r, r->x[2], DS_f64)));
    ds_value *inputs[] = {v, scale, factors[3]};
    const ds_expr *channel = dec_dim(d, axis);
    const ds_attr *maps[] = {ds_attr_identity_map(d->cx, v->type->rank), dec_map_of(d, v->type->rank, &channel, rank),
                             own[3]};
    body o = map_begin(d, factors[3]->type->elem, v->type->rank, v->type->dims, inputs, maps, 3);
    r = &o;
    ds_value *scaled = MUL(cast_to(r, r->x[0], DS_f32), r->x[1]);
    *out = map_end(r, op3(r, DS_LOOP_quantize, scaled, num(r, DS_f32, 1), r->x[2]));
    return DS_OK;
}

RULE(qlinear_matmul) {
    (void)op;
    ds_value *v, *a = dec_in(d, 0), *b = dec_in(d, 3),
                 *factors[] = {dec_in(d, 1), dec_in(d, 4), dec_in(d, 6), dec_in(d, 7)};
    size_t rank = a->type->rank;
    if (rank == 0 || b->type->rank == 0)
        return dec_fail(d, DS_E_shape, "a matrix product needs operands of rank 1 or more");
    DS_TRY(dec_less_zero_point(d, a, dec_in(d, 2), rank > 1 ? rank - 2 : 0, &a));
    DS_TRY(dec_less_zero_point(d, b, dec_in(d, 5), b->type->rank - 1, &b));
    DS_TRY(dec_matmul(d, a, b, DS_i32, &v));
    if (v->type->rank > 0) return dec_requantise(d, v, factors, v->type->rank - 1, &d->out[0]);
    const ds_expr *one = dec_const(d, 1);
    DS_TRY(dec_requantise(d, dec_reshape(d, v, 1, &one), factors, 0, &v));
    d->out[0] = dec_reshape(d, v, 0, NULL);
    return DS_OK;
}

/* ---- convolution ---- */

/* Taps first … last of a dim that some position finds inside the image; false where that is not known, or all are
 * needed. Taps of large dilations on small images are not. */
static bool needed_taps(const dec_window *win, size_t i, const ds_expr *extent, int64_t *first, int64_t *last) {
    int64_t in, out, before, after, stride = win->stride[i], dilation = win->dilation[i], size = win->kernel[i];
    if (!ds_expr_is_const(extent, &in) || !ds_expr_is_const(win->out[i], &out) || out < 1 || in < 1) return false;
    if (!ds_expr_is_const(win->before[i], &before) || !ds_expr_is_const(win->after[i], &after)) return false;
    *first = 0, *last = size - 1;
    while (*first < *last && (out - 1) * stride - before + *first * dilation < 0) ++*first;
    while (*last > *first && -before + *last * dilation >= in) --*last;
    bool keeps_edges = before >= *first * dilation && after >= (size - 1 - *last) * dilation;
    return keeps_edges && *last - *first < size - 1;
}

/* The weight without taps that only ever meet the zeros around the image. */
static ds_value *trimmed(dec *d, const ds_value *x, ds_value *w, dec_window *win) {
    const ds_expr *dims[DEC_MAX_RANK], *at[DEC_MAX_RANK];
    size_t rank = x->type->rank;
    bool less = false;
    for (size_t i = 0; i < rank; i++) dims[i] = w->type->dims[i], at[i] = dec_dim(d, i);
    for (size_t i = 0; i < win->spatial; i++) {
        int64_t first, last;
        if (!needed_taps(win, i, x->type->dims[i + 2], &first, &last)) continue;
        const ds_expr *off = dec_const(d, first * win->dilation[i]),
                      *end = dec_const(d, (win->kernel[i] - 1 - last) * win->dilation[i]);
        win->before[i] = ds_expr_sub(d->cx, win->before[i], off);
        win->after[i] = ds_expr_sub(d->cx, win->after[i], end);
        win->kernel[i] = last - first + 1;
        dims[i + 2] = dec_const(d, win->kernel[i]);
        at[i + 2] = ds_expr_add(d->cx, at[i + 2], dec_const(d, first));
        less = true;
    }
    if (!less) return w;
    const ds_attr *map = dec_map_of(d, rank, at, rank);
    body r = map_begin(d, w->type->elem, rank, dims, &w, &map, 1);
    return map_end(&r, r.x[0]);
}

ds_value *dec_convolve(dec *d, ds_elem elem, ds_value *x, ds_value *w, int64_t group, const dec_window *window) {
    dec_window own = *window, *win = &own;
    w = trimmed(d, x, w, win);
    size_t rank = x->type->rank, spatial = rank - 2;
    const ds_expr *outputs = w->type->dims[0], *inputs = w->type->dims[1], *groups = dec_const(d, group);
    bool single = group > 1 && ds_expr_equals(inputs, 1); /* an input channel for each group */
    /* dims: n, co, out…; over: ci, window… */
    const ds_expr *dims[DEC_MAX_RANK] = {x->type->dims[0], outputs}, *over[DEC_MAX_RANK] = {inputs}, *xm[DEC_MAX_RANK],
                  *wm[DEC_MAX_RANK], *edges[2 * DEC_MAX_RANK];
    const ds_expr *ci = dec_dim(d, rank), *co = dec_dim(d, 1);
    bool padded = false;
    xm[0] = dec_dim(d, 0), wm[0] = co, wm[1] = ci;
    if (group == 1) xm[1] = ci;
    else if (single && outputs == groups) xm[1] = co;
    else {
        const ds_expr *of_group = ds_expr_floordiv(d->cx, co, ds_expr_floordiv(d->cx, outputs, groups));
        xm[1] = ds_expr_add(d->cx, ds_expr_mul(d->cx, of_group, inputs), ci);
    }
    if (single) wm[1] = dec_const(d, 0);
    for (size_t i = 0; i < spatial; i++) {
        dims[i + 2] = win->out[i], over[i + 1] = dec_const(d, win->kernel[i]);
        xm[i + 2] = dec_window_index(d, win, i, i + 2, rank + 1 + i);
        wm[i + 2] = dec_dim(d, rank + 1 + i);
        edges[i] = win->before[i], edges[spatial + i] = win->after[i];
        padded = padded || !ds_expr_equals(win->before[i], 0) || !ds_expr_equals(win->after[i], 0);
    }
    ds_value *v =
        dec_contract(d, DS_GRAPH_conv, elem, rank, dims, over, spatial + 1, x,
                     dec_map_of(d, rank + spatial + 1, xm, rank), w, dec_map_of(d, rank + spatial + 1, wm, rank));
    ds_op *conv = v->op;
    while (conv && conv->kind != DS_GRAPH_conv && conv->operand_count) conv = ds_op_operand(conv, 0)->op;
    if (conv && conv->kind == DS_GRAPH_conv && padded)
        ds_op_set_attr(d->m, conv, "padding", ds_attr_exprs(d->cx, edges, 2 * spatial));
    return v;
}

static ds_status convolution(dec *d, ds_op *op, ds_value *x, ds_value *w, ds_elem elem, ds_value **out) {
    const ds_type *xt = x->type, *wt = w->type;
    size_t rank = xt->rank;
    int64_t kernel[DEC_MAX_RANK], group = ds_op_int(op, "group", 1);
    dec_window win;
    if (rank < 3 || rank > 5 || wt->rank != rank)
        return dec_fail(d, DS_E_shape, "input and weight have ranks %zu and %zu", xt->rank, wt->rank);
    if (group < 1) return dec_fail(d, DS_E_attribute, "group is not positive");
    DS_TRY(dec_window_size(d, op, wt, kernel));
    DS_TRY(dec_require(d, DS_equal, ds_expr_mod(d->cx, wt->dims[0], dec_const(d, group)), dec_const(d, 0),
                       "the groups divide the weight's output channels"));
    DS_TRY(dec_require(d, DS_equal, xt->dims[1], ds_expr_scale(d->cx, wt->dims[1], group),
                       "the input has the channels of the weight, for each group"));
    DS_TRY(dec_window_of(d, op, xt, kernel, rank - 2, &win));
    *out = dec_convolve(d, elem, x, w, group, &win);
    return DS_OK;
}

RULE(conv) {
    DS_TRY(convolution(d, op, dec_in(d, 0), dec_in(d, 1), dec_type(d, 0)->elem, &d->out[0]));
    return dec_in(d, 2) ? dec_channel_bias(d, d->out[0], dec_in(d, 2), &d->out[0]) : DS_OK;
}

/* Depthwise over the end of the past input and the new one; the last kernel - 1 elements are the next call's past. */
RULE(causal_conv) {
    ds_value *x = dec_in(d, 0), *w = dec_in(d, 1), *past = dec_in(d, 3), *both[2] = {past, x};
    const ds_expr *const *xt = x->type->dims, *one = dec_const(d, 1);
    if (x->type->rank != 3 || w->type->rank != 3)
        return dec_fail(d, DS_E_shape, "input or weight does not have rank 3");
    const ds_expr *keep = ds_expr_sub(d->cx, w->type->dims[2], one), *before[] = {xt[0], xt[1], keep},
                  *dims[3] = {xt[0], NULL, xt[2]}, *over[] = {one, w->type->dims[2]};
    DS_TRY(dec_same(d, xt[1], w->type->dims[0], &dims[1]));
    if (!past) {
        body r = map_over(d, x->type->elem, 3, before, NULL, 0);
        both[0] = map_end(&r, num(&r, dec_compute_elem(x->type->elem), 0));
    }
    DS_TRY(dec_concat(d, both, 2, 2, &x));
    const ds_expr *xm[] = {dec_dim(d, 0), dec_dim(d, 1), ds_expr_add(d->cx, dec_dim(d, 2), dec_dim(d, 4))},
                  *wm[] = {dec_dim(d, 1), dec_const(d, 0), dec_dim(d, 4)};
    ds_value *v = dec_contract(d, DS_GRAPH_conv, x->type->elem, 3, dims, over, 2, x, dec_map_of(d, 5, xm, 3), w,
                               dec_map_of(d, 5, wm, 3));
    if (dec_in(d, 2)) DS_TRY(dec_channel_bias(d, v, dec_in(d, 2), &v));
    if (strcmp(ds_op_text(op, "activation", "none"), "none") != 0) { /* silu, also called swish */
        body b = map_same(d, v->type->elem, v), *r = &b;
        v = map_end(r, DIV(r->x[0], ADD(like(r, r->x[0], 1), EXP(op1(r, DS_LOOP_neg, r->x[0])))));
    }
    d->out[0] = v;
    d->out[1] = dec_slice(d, x, 2, xt[2], keep, 1);
    return DS_OK;
}

static ds_status integer_convolution(dec *d, ds_op *op, ds_value *x, ds_value *x_zero, ds_value *w, ds_value *w_zero,
                                     ds_value **out) {
    if (x->type->rank < 2 || w->type->rank < 2)
        return dec_fail(d, DS_E_shape, "input and weight have ranks %zu and %zu", x->type->rank, w->type->rank);
    DS_TRY(dec_less_zero_point(d, x, x_zero, 1, &x));
    DS_TRY(dec_less_zero_point(d, w, w_zero, 0, &w));
    return convolution(d, op, x, w, DS_i32, out);
}

RULE(conv_integer) {
    return integer_convolution(d, op, dec_in(d, 0), dec_in(d, 2), dec_in(d, 1), dec_in(d, 3), &d->out[0]);
}

RULE(qlinear_conv) {
    ds_value *v, *factors[] = {dec_in(d, 1), dec_in(d, 4), dec_in(d, 6), dec_in(d, 7)};
    DS_TRY(integer_convolution(d, op, dec_in(d, 0), dec_in(d, 2), dec_in(d, 3), dec_in(d, 5), &v));
    if (dec_in(d, 8)) DS_TRY(dec_channel_bias(d, v, dec_in(d, 8), &v));
    return dec_requantise(d, v, factors, 1, &d->out[0]);
}

/* ---- Einsum: operands are contracted from left to right ---- */

enum { LABELS = 512 }; /* letters, then from 256 on the dimensions that an ellipsis stands for, the last one last */

typedef struct {
    ds_value *value;
    int label[DEC_MAX_RANK];
    size_t count;
} einsum_term;

static const char *einsum_labels(const char *at, size_t ellipsis, size_t most, einsum_term *out) {
    out->count = 0;
    for (; *at && *at != ',' && *at != '-'; at++) {
        if (*at == ' ') continue;
        if (*at == '.') {
            at += at[1] == '.' && at[2] == '.' ? 2 : 0;
            for (size_t i = 0; i < ellipsis && out->count < DEC_MAX_RANK; i++)
                out->label[out->count++] = 256 + (int)(most - ellipsis + i);
        } else if (out->count < DEC_MAX_RANK) out->label[out->count++] = (unsigned char)*at;
    }
    return at;
}

static bool has_label(const einsum_term *t, int label) {
    for (size_t k = 0; k < t->count; k++)
        if (t->label[k] == label) return true;
    return false;
}

/* One or two operands to a result with these labels; labels of neither are summed over. */
static ds_status einsum_contract(dec *d, const einsum_term *in, size_t n, einsum_term *result) {
    const ds_expr *size[LABELS] = {NULL};
    int order[2 * DEC_MAX_RANK];
    size_t labels = result->count, out_count = result->count;
    for (size_t k = 0; k < labels; k++) order[k] = result->label[k];
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < in[i].count; k++) {
            bool known = false;
            const ds_expr *own = in[i].value->type->dims[k], **whole = &size[in[i].label[k]];
            for (size_t p = 0; p < labels; p++) known = known || order[p] == in[i].label[k];
            if (!known && labels < DS_COUNT(order)) order[labels++] = in[i].label[k];
            if (!*whole) *whole = own;
            else DS_TRY(dec_broadcast_extent(d, *whole, own, whole));
        }
    const ds_expr *dims[DEC_MAX_RANK], *over[DEC_MAX_RANK], *exprs[DEC_MAX_RANK];
    const ds_attr *maps[2];
    if (labels > DEC_MAX_RANK) return dec_refuse(d, "this many dimensions");
    for (size_t k = 0; k < labels; k++) *(k < out_count ? &dims[k] : &over[k - out_count]) = size[order[k]];
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < in[i].count; k++)
            for (size_t p = 0; p < labels; p++)
                if (order[p] == in[i].label[k])
                    exprs[k] = dec_stretched(d, in[i].value->type->dims[k], size[order[p]], dec_dim(d, p));
        maps[i] = dec_map_of(d, labels, exprs, in[i].count);
    }
    ds_value *a = in[0].value;
    if (n == 2) {
        result->value = dec_contract(d, DS_GRAPH_matmul, a->type->elem, out_count, dims, over, labels - out_count, a,
                                     maps[0], in[1].value, maps[1]);
        return DS_OK;
    }
    body r = labels > out_count ? reduce_begin(d, dec_compute_elem(a->type->elem), out_count, dims, over,
                                               labels - out_count, &a, maps, 1)
                                : map_begin(d, a->type->elem, out_count, dims, &a, maps, 1);
    result->value =
        labels > out_count ? dec_convert(d, reduce_end(&r, r.x[0], DS_LOOP_add), a->type->elem) : map_end(&r, r.x[0]);
    return DS_OK;
}

/* Splits the equation; `is_known` gets the labels that operands have, `result` those of the right side (implicit: the
 * ellipsis, then letters that occur once, in order). */
static ds_status einsum_parse(dec *d, const char *equation, einsum_term *term, size_t n, bool *is_known,
                              einsum_term *result) {
    size_t own[DEC_MAX_OPERANDS] = {0}, most = 0;
    const char *at = equation, *arrow = strstr(equation, "->");
    for (size_t i = 0; i < n; i++) { /* how many dimensions the ellipsis stands for */
        size_t letters = 0, rank = dec_type(d, i)->rank;
        bool dots = false;
        for (; *at && *at != ',' && *at != '-'; at++)
            letters += isalpha((unsigned char)*at) != 0, dots = dots || *at == '.';
        if (*at == ',') at++;
        if (rank < letters || (!dots && rank != letters))
            return dec_fail(d, DS_E_shape, "operand %zu has rank %zu, the equation '%s' says otherwise", i, rank,
                            equation);
        own[i] = rank - letters;
        if (own[i] > most) most = own[i];
    }
    at = equation;
    for (size_t i = 0; i < n; i++, at += *at == ',') {
        const ds_type *t = dec_type(d, i);
        at = einsum_labels(at, own[i], most, &term[i]);
        term[i].value = dec_in(d, i);
        if (term[i].count != t->rank)
            return dec_fail(d, DS_E_shape, "operand %zu has rank %zu, the equation '%s' says otherwise", i, t->rank,
                            equation);
        for (size_t k = 0; k < t->rank; k++) is_known[term[i].label[k]] = true;
    }
    if (arrow) einsum_labels(arrow + 2, most, most, result);
    for (int i = 0; !arrow && i < LABELS; i++) {
        int label = (i + 256) % LABELS;
        size_t times = 0;
        for (size_t k = 0; k < n; k++)
            for (size_t j = 0; j < term[k].count; j++) times += term[k].label[j] == label;
        if (!is_known[label] || (times != 1 && label < 256)) continue;
        if (result->count == DEC_MAX_RANK) return dec_refuse(d, "this many dimensions");
        result->label[result->count++] = label;
    }
    for (size_t k = 0; k < result->count; k++) {
        if (!is_known[result->label[k]])
            return dec_fail(d, DS_E_attribute, "the equation '%s' has a result dimension that no operand has",
                            equation);
        for (size_t j = 0; j < k; j++)
            if (result->label[j] == result->label[k])
                return dec_fail(d, DS_E_attribute, "the equation '%s' has a result dimension twice", equation);
    }
    return DS_OK;
}

RULE(einsum) {
    bool is_known[LABELS] = {false};
    einsum_term term[DEC_MAX_OPERANDS] = {{0}}, result = {0}, pair[2];
    size_t n = op->operand_count;
    if (n < 1 || n > DEC_MAX_OPERANDS) return dec_refuse(d, "Einsum of %zu operands", n);
    DS_TRY(einsum_parse(d, ds_op_text(op, "equation", ""), term, n, is_known, &result));
    pair[0] = term[0];
    for (size_t i = 1; i + 1 < n; i++) { /* keeps the labels that something later needs */
        einsum_term next = {0};
        pair[1] = term[i];
        for (int label = 0; label < LABELS; label++) {
            bool later = has_label(&result, label);
            for (size_t k = i + 1; k < n; k++) later = later || has_label(&term[k], label);
            if (!later || !(has_label(&pair[0], label) || has_label(&pair[1], label))) continue;
            if (next.count == DEC_MAX_RANK) return dec_refuse(d, "this many dimensions");
            next.label[next.count++] = label;
        }
        DS_TRY(einsum_contract(d, pair, 2, &next));
        pair[0] = next;
    }
    if (n > 1) pair[1] = term[n - 1];
    DS_TRY(einsum_contract(d, pair, n > 1 ? 2 : 1, &result));
    d->out[0] = result.value;
    return DS_OK;
}
