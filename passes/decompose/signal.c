/* Signal ops: Fourier transforms as contractions with a matrix of unit roots (a constant where the length is known),
 * windows, mel weights.
 */
#include <math.h>
#include <string.h>

#include "passes/decompose/decompose.h"

static const double pi = 3.14159265358979323846;

/* ---- Fourier transforms ---- */

typedef struct {
    const ds_expr *length; /* of the whole transform */
    const ds_expr *in, *out, *in_parts, *out_parts;
    bool inverse, real_result; /* real_result: from the non-negative frequencies of a real signal */
} transform;

/* w[t, c, k, o]: what part c (real, imaginary) of input t adds to part o of output k. */
static ds_value *unit_roots(dec *d, const transform *f, ds_elem elem) {
    const ds_expr *dims[] = {f->in, f->in_parts, f->out, f->out_parts};
    body b = map_over(d, elem, 4, dims, NULL, 0), *r = &b;
    ds_value *t = position(r, 0), *c = position(r, 1), *k = position(r, 2), *o = position(r, 3),
             *n = extent(r, f->length);
    ds_value *zero = num(r, DS_index, 0), *length = cast_to(r, n, DS_f64),
             *turn = cast_to(r, op2(r, DS_LOOP_mod, MUL(t, k), n), DS_f64);
    ds_value *angle = DIV(MUL(num(r, DS_f64, f->inverse ? 2 * pi : -2 * pi), turn), length);
    ds_value *cosine = op1(r, DS_LOOP_cos, angle), *sine = op1(r, DS_LOOP_sin, angle);
    ds_value *from_real = SELECT(EQ(o, zero), cosine, sine),
             *from_imaginary = SELECT(EQ(o, zero), op1(r, DS_LOOP_neg, sine), cosine);
    ds_value *w = SELECT(EQ(c, zero), from_real, from_imaginary);
    if (f->inverse) w = DIV(w, length);
    if (f->real_result) { /* the negative frequencies are mirrored, but for 0 and the middle one */
        ds_value *once = op2(r, DS_LOOP_or, EQ(t, zero), EQ(ADD(t, t), n));
        w = SELECT(once, w, ADD(w, w));
    }
    return map_end(r, w);
}

/* x along an axis, its last dim being real and imaginary parts; cut or filled with zeros to the transform's length. */
static ds_value *fourier(dec *d, ds_value *x, size_t axis, const transform *f) {
    const ds_type *t = x->type;
    size_t rank = t->rank;
    const ds_expr *dims[DEC_MAX_RANK], *xm[DEC_MAX_RANK],
        *wm[] = {dec_dim(d, rank), dec_dim(d, rank + 1), dec_dim(d, axis), dec_dim(d, rank - 1)};
    const ds_expr *over[] = {f->in, f->in_parts};
    for (size_t i = 0; i < rank; i++) dims[i] = t->dims[i];
    if (t->dims[axis] != f->in) {
        const ds_attr *same = ds_attr_identity_map(d->cx, rank);
        dims[axis] = f->in;
        body r = map_begin(d, t->elem, rank, dims, &x, &same, 1);
        map_pad(&r, 0, 0);
        x = map_end(&r, r.x[0]);
    }
    for (size_t i = 0; i < rank; i++) xm[i] = i == axis ? wm[0] : i + 1 == rank ? wm[1] : dec_dim(d, i);
    dims[axis] = f->out, dims[rank - 1] = f->out_parts;
    ds_value *w = unit_roots(d, f, DS_f64); /* in f64: logarithms of near-zero powers are often taken next */
    ds_value *y = dec_contract(d, DS_GRAPH_matmul, DS_f64, rank, dims, over, 2, x, dec_map_of(d, rank + 2, xm, rank), w,
                               dec_map_of(d, rank + 2, wm, 4));
    return dec_convert(d, y, t->elem);
}

/* floor(n / 2) + 1: the frequencies that determine the others where the signal is real */
static const ds_expr *half_of(dec *d, const ds_expr *n) {
    return ds_expr_add(d->cx, ds_expr_floordiv(d->cx, n, dec_const(d, 2)), dec_const(d, 1));
}

static transform transform_of(dec *d, const ds_expr *length, const ds_expr *in_parts, bool inverse, bool one_sided) {
    bool real_result = inverse && one_sided;
    const ds_expr *half = half_of(d, length);
    return (transform){.length = length,
                       .in = real_result ? half : length,
                       .out = one_sided && !inverse ? half : length,
                       .in_parts = in_parts,
                       .out_parts = dec_const(d, real_result ? 1 : 2),
                       .inverse = inverse,
                       .real_result = real_result};
}

RULE(dft) {
    ds_value *x = dec_in(d, 0);
    const ds_type *t = x->type;
    int64_t at = -2;
    size_t axis, n;
    bool inverse = ds_op_int(op, "inverse", 0), one_sided = ds_op_int(op, "onesided", 0);
    if (dec_in(d, 2) && !dec_known_ints(d, dec_in(d, 2), &at, 1, &n))
        return dec_refuse(d, "an axis that is known only at run time");
    DS_TRY(dec_axis(d, at, t->rank, &axis));
    if (t->rank < 2 || axis + 1 == t->rank)
        return dec_fail(d, DS_E_shape, "the last dimension holds real and imaginary parts");
    const ds_expr *length = t->dims[axis];
    if (inverse && one_sided) length = ds_expr_scale(d->cx, ds_expr_sub(d->cx, length, dec_const(d, 1)), 2);
    if (dec_in(d, 1)) DS_TRY(dec_ints(d, dec_in(d, 1), &length, 1, &n));
    transform f = transform_of(d, length, t->dims[t->rank - 1], inverse, one_sided);
    d->out[0] = fourier(d, x, axis, &f);
    return DS_OK;
}

/* Windows of the signal, one every frame_step, each transformed. */
RULE(stft) {
    ds_value *x = dec_in(d, 0), *window = dec_in(d, 2);
    const ds_expr *step, *length, *one = dec_const(d, 1);
    size_t n;
    if (x->type->rank == 2) { /* as exporters write a real signal */
        const ds_expr *with_parts[] = {x->type->dims[0], x->type->dims[1], one};
        x = dec_reshape(d, x, 3, with_parts);
    }
    if (x->type->rank != 3 || (window && window->type->rank != 1))
        return dec_fail(d, DS_E_shape, "the signal does not have rank 3, or the window rank 1");
    DS_TRY(dec_ints(d, dec_in(d, 1), &step, 1, &n));
    if (dec_in(d, 3)) DS_TRY(dec_ints(d, dec_in(d, 3), &length, 1, &n));
    else if (window) length = window->type->dims[0];
    else return dec_fail(d, DS_E_arity, "there is neither a window nor a frame length");
    const ds_expr *count =
        ds_expr_add(d->cx, ds_expr_floordiv(d->cx, ds_expr_sub(d->cx, x->type->dims[1], length), step), one);
    const ds_expr *dims[] = {x->type->dims[0], count, length, x->type->dims[2]},
                  *at = ds_expr_add(d->cx, ds_expr_mul(d->cx, dec_dim(d, 1), step), dec_dim(d, 2));
    const ds_expr *xm[] = {dec_dim(d, 0), at, dec_dim(d, 3)}, *wm[] = {dec_dim(d, 2)};
    const ds_attr *maps[] = {dec_map_of(d, 4, xm, 3), dec_map_of(d, 4, wm, 1)};
    ds_value *inputs[] = {x, window};
    body b = map_begin(d, x->type->elem, 4, dims, inputs, maps, window ? 2 : 1), *r = &b;
    ds_value *frames = map_end(r, window ? MUL(r->x[0], cast_to(r, r->x[1], r->x[0]->type->elem)) : r->x[0]);
    transform f = transform_of(d, length, x->type->dims[2], false, ds_op_int(op, "onesided", 1));
    d->out[0] = fourier(d, frames, 2, &f);
    return DS_OK;
}

/* ---- windows ---- */

/* a0 - a1 cos(x) + a2 cos(2x), x from 0 to 2 pi over the window; periodic: one step short of it */
RULE(window) {
    const double hann[] = {0.5, 0.5, 0}, hamming[] = {25.0 / 46, 21.0 / 46, 0}, blackman[] = {0.42, 0.5, 0.08};
    const double *a = op->kind == DS_ONNX_HannWindow ? hann : op->kind == DS_ONNX_HammingWindow ? hamming : blackman;
    const ds_expr *size;
    size_t n;
    ds_elem elem;
    DS_TRY(dec_elem(d, "output_datatype", DS_f32, &elem));
    DS_TRY(dec_ints(d, dec_in(d, 0), &size, 1, &n));
    body b = map_over(d, elem, 1, &size, NULL, 0), *r = &b;
    ds_value *steps = cast_to(r, extent(r, size), DS_f64), *i = cast_to(r, position(r, 0), DS_f64);
    if (!ds_op_int(op, "periodic", 1)) steps = SUB(steps, num(r, DS_f64, 1));
    ds_value *x = DIV(MUL(i, num(r, DS_f64, 2 * pi)), steps);
    ds_value *first = MUL(num(r, DS_f64, a[1]), op1(r, DS_LOOP_cos, x)),
             *second = MUL(num(r, DS_f64, a[2]), op1(r, DS_LOOP_cos, ADD(x, x)));
    d->out[0] = map_end(r, ADD(SUB(num(r, DS_f64, a[0]), first), second));
    return DS_OK;
}

/* The spectrogram bin at which edge `i` of the mel bands lies: floor((dft_length + 1) * hertz / sample_rate). */
static ds_value *mel_edge(body *r, ds_value *i, ds_value *low, ds_value *step, ds_value *length, ds_value *rate) {
    ds_value *one = num(r, DS_f64, 1), *mel = ADD(low, MUL(i, step)),
             *ratio = EXP(MUL(mel, num(r, DS_f64, log(10) / 2595)));
    ds_value *hertz = MUL(num(r, DS_f64, 700), SUB(ratio, one));
    return FLOOR(DIV(MUL(ADD(length, one), hertz), rate));
}

static ds_value *mel_of(body *r, ds_value *hertz) {
    ds_value *ratio = DIV(hertz, num(r, DS_f64, 700));
    return MUL(op1(r, DS_LOOP_log1p, ratio), num(r, DS_f64, 2595 / log(10)));
}

/* Triangles between neighbouring edges, as weights [spectrogram bin, mel band]. */
RULE(mel_weights) {
    (void)op;
    ds_value *inputs[5], *x[5];
    const ds_expr *bands, *length, *dims[2];
    size_t n;
    ds_elem elem;
    DS_TRY(dec_elem(d, "output_datatype", DS_f32, &elem));
    for (size_t i = 0; i < 5; i++) inputs[i] = dec_in(d, i);
    DS_TRY(dec_ints(d, inputs[0], &bands, 1, &n));
    DS_TRY(dec_ints(d, inputs[1], &length, 1, &n));
    dims[0] = half_of(d, length), dims[1] = bands;
    body b = map_over(d, elem, 2, dims, inputs, 5), *r = &b;
    for (size_t i = 0; i < 5; i++) x[i] = cast_to(r, r->x[i], DS_f64);
    ds_value *low = mel_of(r, x[3]), *step = DIV(SUB(mel_of(r, x[4]), low), ADD(x[0], num(r, DS_f64, 2)));
    ds_value *at = cast_to(r, position(r, 0), DS_f64), *band = cast_to(r, position(r, 1), DS_f64), *edge[3],
             *zero = num(r, DS_f64, 0), *one = num(r, DS_f64, 1);
    for (size_t i = 0; i < 3; i++) edge[i] = mel_edge(r, ADD(band, num(r, DS_f64, (double)i)), low, step, x[1], x[2]);
    ds_value *rise = SUB(edge[1], edge[0]), *fall = SUB(edge[2], edge[1]);
    ds_value *up = SELECT(EQ(rise, zero), SELECT(EQ(at, edge[1]), one, zero), DIV(SUB(at, edge[0]), rise)),
             *down = DIV(SUB(edge[2], at), fall);
    ds_value *on_rise = AND(LE(edge[0], at), LE(at, edge[1])), *on_fall = AND(LE(edge[1], at), LT(at, edge[2]));
    d->out[0] = map_end(r, SELECT(AND(on_fall, LT(zero, fall)), down, SELECT(on_rise, up, zero)));
    return DS_OK;
}
