/* Sliding windows of convolution and pooling; pooling ops as reductions over them. */
#include <math.h>
#include <string.h>

#include "passes/decompose/decompose.h"

ds_status dec_window_size(dec *d, ds_op *op, const ds_type *weight, int64_t *out) {
    int64_t named[DEC_MAX_RANK] = {0};
    size_t spatial = weight->rank - 2;
    bool is_named = ds_op_ints(op, "kernel_shape", named, DEC_MAX_RANK) == spatial;
    for (size_t i = 0; i < spatial; i++) {
        bool is_fixed = ds_expr_is_const(weight->dims[i + 2], &out[i]);
        if (!is_fixed && !is_named)
            return dec_refuse(d, "a window whose size is known only at run time, without the attribute kernel_shape");
        if (!is_fixed) out[i] = named[i];
        if (out[i] > INT32_MAX) return dec_refuse(d, "a window of %lld elements", (long long)out[i]);
        if (is_named)
            DS_TRY(dec_require(d, DS_equal, weight->dims[i + 2], dec_const(d, named[i]),
                               "the weight's window is kernel_shape"));
    }
    return DS_OK;
}

ds_status dec_window_of(dec *d, ds_op *op, const ds_type *input, const int64_t *kernel, size_t spatial, dec_window *w) {
    const char *pad = ds_op_text(op, "auto_pad", "NOTSET");
    int64_t pads[2 * DEC_MAX_RANK] = {0};
    for (size_t i = 0; i < spatial; i++) w->stride[i] = w->dilation[i] = 1;
    DS_TRY(dec_attribute_list(d, "strides", w->stride, spatial));
    DS_TRY(dec_attribute_list(d, "dilations", w->dilation, spatial));
    DS_TRY(dec_attribute_list(d, "pads", pads, 2 * spatial));
    w->spatial = spatial;
    for (size_t i = 0; i < spatial; i++) {
        const ds_expr *in = input->dims[i + 2], *one = dec_const(d, 1);
        if (w->stride[i] < 1 || w->dilation[i] < 1 || kernel[i] < 1 || kernel[i] > INT32_MAX ||
            w->dilation[i] > INT32_MAX)
            return dec_fail(d, DS_E_attribute, "strides, dilations and kernel sizes must be positive");
        int64_t reach = (kernel[i] - 1) * w->dilation[i] + 1;
        const ds_expr *stride = dec_const(d, w->stride[i]);
        w->kernel[i] = kernel[i];
        if (!strncmp(pad, "SAME", 4)) {
            w->out[i] = ds_expr_ceildiv(d->cx, in, stride);
            const ds_expr *last = ds_expr_mul(d->cx, ds_expr_sub(d->cx, w->out[i], one), stride);
            const ds_expr *total = ds_expr_max(
                d->cx, ds_expr_sub(d->cx, ds_expr_add(d->cx, last, dec_const(d, reach)), in), dec_const(d, 0));
            const ds_expr *half = ds_expr_floordiv(d->cx, total, dec_const(d, 2));
            w->before[i] = !strcmp(pad, "SAME_LOWER") ? ds_expr_sub(d->cx, total, half) : half;
            w->after[i] = ds_expr_sub(d->cx, total, w->before[i]);
            continue;
        }
        if (!strcmp(pad, "VALID")) pads[i] = pads[i + spatial] = 0;
        w->before[i] = dec_const(d, pads[i]), w->after[i] = dec_const(d, pads[i + spatial]);
        const ds_expr *room = ds_expr_add(d->cx, in, dec_const(d, pads[i] + pads[i + spatial] - reach));
        if (ds_op_int(op, "ceil_mode", 0)) {
            w->out[i] = ds_expr_add(d->cx, ds_expr_ceildiv(d->cx, room, stride), one);
            /* a window that would start in the padding behind the input is dropped */
            const ds_expr *limit = ds_expr_ceildiv(d->cx, ds_expr_add(d->cx, in, w->before[i]), stride);
            w->out[i] = ds_expr_min(d->cx, w->out[i], limit);
        } else w->out[i] = ds_expr_add(d->cx, ds_expr_floordiv(d->cx, room, stride), one);
        DS_TRY(
            dec_require(d, DS_at_most, dec_const(d, 0), w->out[i], "the window is not larger than the padded input"));
    }
    return DS_OK;
}

/* stride * d(out) + dilation * d(window) - before */
const ds_expr *dec_window_index(dec *d, const dec_window *w, size_t i, size_t out_dim, size_t window_dim) {
    const ds_expr *e = ds_expr_add(d->cx, ds_expr_scale(d->cx, dec_dim(d, out_dim), w->stride[i]),
                                   ds_expr_scale(d->cx, dec_dim(d, window_dim), w->dilation[i]));
    return ds_expr_sub(d->cx, e, w->before[i]);
}

/* A pooling op's iteration space: the result's dims, then the window's. */
typedef struct {
    ds_value *x;
    dec_window w;
    size_t rank, spatial;
    const ds_expr *dims[DEC_MAX_RANK], *over[DEC_MAX_RANK],
        *read[DEC_MAX_RANK]; /* read: the input's index for each of its dims */
    const ds_attr *map;
} pooling;

static ds_status open_pool(dec *d, ds_op *op, pooling *p) {
    int64_t kernel[DEC_MAX_RANK] = {0};
    *p = (pooling){.x = dec_in(d, 0), .rank = dec_type(d, 0)->rank};
    p->spatial = p->rank - 2;
    if (p->rank < 3 || ds_op_ints(op, "kernel_shape", kernel, DEC_MAX_RANK) != p->spatial)
        return dec_fail(d, DS_E_shape, "'kernel_shape' does not fit the input");
    DS_TRY(dec_window_of(d, op, p->x->type, kernel, p->spatial, &p->w));
    for (size_t i = 0; i < p->rank; i++) {
        p->dims[i] = i < 2 ? p->x->type->dims[i] : p->w.out[i - 2];
        p->read[i] = i < 2 ? dec_dim(d, i) : dec_window_index(d, &p->w, i - 2, i, p->rank + i - 2);
    }
    for (size_t i = 0; i < p->spatial; i++) p->over[i] = dec_const(d, kernel[i]);
    p->map = dec_map_of(d, p->rank + p->spatial, p->read, p->rank);
    return DS_OK;
}

static body pool_begin(dec *d, const pooling *p, ds_elem elem, ds_value *const *inputs, const ds_attr *const *maps,
                       size_t count) {
    return reduce_begin(d, elem, p->rank, p->dims, p->over, p->spatial, inputs, maps, count);
}

/* Is the element that the window reads in the image, not in the padding? NULL: always. */
static ds_value *in_image(body *r, const pooling *p) {
    ds_value *inside = NULL;
    for (size_t i = 0; i < p->spatial; i++) {
        dec *d = r->d;
        if (ds_expr_equals(p->w.before[i], 0) && ds_expr_equals(p->w.after[i], 0) && !ds_op_int(d->op, "ceil_mode", 0))
            continue;
        ds_value *at = at_point(r, p->rank + p->spatial, p->read[i + 2]);
        ds_value *here = AND(LE(num(r, DS_index, 0), at), LT(at, extent(r, p->x->type->dims[i + 2])));
        inside = inside ? AND(inside, here) : here;
    }
    return inside;
}

/* The flat position of the largest element: the first one that equals it, or the first NaN. */
static ds_value *position_of_max(dec *d, const pooling *p, ds_value *best) {
    const ds_expr *const *t = p->x->type->dims, *at[DEC_MAX_RANK];
    const ds_expr *flat = ds_expr_add(d->cx, ds_expr_mul(d->cx, dec_dim(d, 0), t[1]), dec_dim(d, 1));
    for (size_t i = 0; i < p->rank; i++) at[i] = dec_dim(d, i);
    for (size_t i = 2; i < p->rank; i++) flat = ds_expr_add(d->cx, ds_expr_mul(d->cx, flat, t[i]), p->read[i]);
    ds_value *inputs[] = {p->x, best};
    const ds_attr *maps[] = {p->map, dec_map_of(d, p->rank + p->spatial, at, p->rank)};
    body b = pool_begin(d, p, DS_i64, inputs, maps, 2), *r = &b;
    map_pad_lowest(r, 0);
    ds_value *here = cast_to(r, at_point(r, p->rank + p->spatial, flat), DS_i64);
    ds_value *hit = EQ(r->x[0], r->x[1]), *inside = in_image(r, p);
    if (ds_elem_is_float(r->x[0]->type->elem)) hit = op2(r, DS_LOOP_or, hit, op2(r, DS_LOOP_ne, r->x[0], r->x[0]));
    if (inside) hit = AND(hit, inside); /* padding may equal the largest element */
    return reduce_end(r, SELECT(hit, here, whole(r, DS_i64, INT64_MAX)), DS_LOOP_min);
}

/* Positions counted with the first of the spatial dims fastest instead of the last. */
static ds_value *column_major(dec *d, const pooling *p, ds_value *position) {
    body b = map_same(d, DS_i64, position), *r = &b;
    ds_value *rest = r->x[0], *at[DEC_MAX_RANK], *size[DEC_MAX_RANK];
    for (size_t i = p->rank; i-- > 2;) {
        size[i] = MAX(cast_to(r, extent(r, p->x->type->dims[i]), DS_i64), whole(r, DS_i64, 1));
        at[i] = op2(r, DS_LOOP_mod, rest, size[i]);
        rest = op2(r, DS_LOOP_floordiv, rest, size[i]);
    }
    for (size_t i = p->rank; i-- > 2;) rest = ADD(MUL(rest, size[i]), at[i]);
    return map_end(r, rest);
}

RULE(max_pool) {
    pooling p;
    DS_TRY(open_pool(d, op, &p));
    ds_elem elem = p.x->type->elem;
    body r = pool_begin(d, &p, dec_compute_elem(elem), &p.x, &p.map, 1);
    map_pad_lowest(&r, 0);
    ds_value *best = reduce_end(&r, r.x[0], DS_LOOP_max);
    d->out[0] = dec_convert(d, best, elem);
    if (op->result_count < 2 || !op->results[1].uses) return DS_OK;
    d->out[1] = position_of_max(d, &p, best);
    if (ds_op_int(op, "storage_order", 0)) d->out[1] = column_major(d, &p, d->out[1]);
    else
        ds_op_set_attr(d->m, d->out[1]->op, "pooled",
                       ds_attr_exprs(d->cx, p.x->type->dims, p.rank)); /* for MaxUnpool */
    return DS_OK;
}

RULE(lp_pool) {
    pooling p;
    DS_TRY(open_pool(d, op, &p));
    int64_t power = ds_op_int(op, "p", 2);
    body b = pool_begin(d, &p, dec_compute_elem(p.x->type->elem), &p.x, &p.map, 1), *r = &b;
    map_pad(r, 0, 0);
    ds_value *v = r->x[0], *size = op1(r, DS_LOOP_abs, v);
    v = power == 1 ? size : power == 2 ? MUL(v, v) : op2(r, DS_LOOP_pow, size, like(r, v, (double)power));
    ds_value *sum = reduce_end(r, v, DS_LOOP_add);
    b = map_same(d, p.x->type->elem, sum);
    v = r->x[0];
    v = power == 1 ? v : power == 2 ? op1(r, DS_LOOP_sqrt, v) : op2(r, DS_LOOP_pow, v, like(r, v, 1.0 / (double)power));
    d->out[0] = map_end(r, v);
    return DS_OK;
}

/* ceil(distance / step), clamped to 0 … most */
static ds_value *steps_within(body *r, ds_value *distance, ds_value *step, ds_value *most) {
    ds_value *up = op2(r, DS_LOOP_floordiv, ADD(distance, SUB(step, num(r, DS_index, 1))), step);
    return MIN(most, MAX(up, num(r, DS_index, 0)));
}

/* How many elements of the window along spatial dim i count: those inside the input, or inside the padded input. */
static ds_value *counted(body *r, const pooling *p, size_t i, bool with_padding) {
    dec *d = r->d;
    const ds_expr *first = ds_expr_sub(d->cx, ds_expr_scale(d->cx, dec_dim(d, i + 2), p->w.stride[i]), p->w.before[i]),
                  *size = p->x->type->dims[i + 2];
    ds_value *low = at_point(r, p->rank, first), *all = num(r, DS_index, (double)p->w.kernel[i]),
             *step = num(r, DS_index, (double)p->w.dilation[i]);
    ds_value *end = extent(r, with_padding ? ds_expr_add(d->cx, size, p->w.after[i]) : size);
    ds_value *n = steps_within(r, SUB(end, low), step, all);
    if (with_padding) return n;
    return SUB(n, steps_within(r, SUB(num(r, DS_index, 0), low), step, n));
}

RULE(average_pool) {
    pooling p;
    DS_TRY(open_pool(d, op, &p));
    body b = pool_begin(d, &p, dec_compute_elem(p.x->type->elem), &p.x, &p.map, 1), *r = &b;
    map_pad(r, 0, 0);
    ds_value *sum = reduce_end(r, r->x[0], DS_LOOP_add), *count = NULL;
    b = map_same(d, p.x->type->elem, sum);
    for (size_t i = 0; i < p.spatial; i++) {
        ds_value *n = counted(r, &p, i, ds_op_int(op, "count_include_pad", 0));
        count = count ? MUL(count, n) : n;
    }
    d->out[0] = map_end(r, DIV(r->x[0], cast_to(r, count, r->x[0]->type->elem)));
    return DS_OK;
}
