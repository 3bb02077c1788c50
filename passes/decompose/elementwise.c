/* Elementwise onnx ops: one small function of scalars each, applied over the broadcast shape. */
#include <math.h>
#include <string.h>

#include "passes/decompose/decompose.h"

#define C(v) like(r, x, v)

/* Attributes are floats, their defaults as well: 0.01 is not quite that. */
static double attr(body *r, const char *name, double otherwise) {
    return ds_op_float(r->d->op, name, (double)(float)otherwise);
}

/* ---- one operand ---- */

/* clang-format off */
#define PLAIN(name, kind) \
    static ds_value *f_##name(body *r, ds_value *x) { return op1(r, DS_LOOP_##kind, x); }
PLAIN(Abs, abs) PLAIN(Neg, neg) PLAIN(Exp, exp) PLAIN(Log, log) PLAIN(Sqrt, sqrt) PLAIN(Sin, sin) PLAIN(Cos, cos)
PLAIN(Tan, tan)
PLAIN(Asin, asin) PLAIN(Acos, acos) PLAIN(Atan, atan) PLAIN(Sinh, sinh) PLAIN(Cosh, cosh) PLAIN(Tanh, tanh)
PLAIN(Asinh, asinh)
PLAIN(Acosh, acosh) PLAIN(Atanh, atanh) PLAIN(Erf, erf) PLAIN(Floor, floor) PLAIN(Ceil, ceil) PLAIN(Round, round)
PLAIN(BitwiseNot, not)
#undef PLAIN
    /* clang-format on */

    static ds_value *sigmoid(body *r, ds_value *x) {
    return DIV(C(1), ADD(C(1), EXP(op1(r, DS_LOOP_neg, x))));
}
/* log(1 + e^x) = max(x, 0) + log1p(e^-|x|) */
static ds_value *softplus(body *r, ds_value *x) {
    return ADD(MAX(x, C(0)), op1(r, DS_LOOP_log1p, EXP(op1(r, DS_LOOP_neg, op1(r, DS_LOOP_abs, x)))));
}
static ds_value *expm1_times(body *r, ds_value *x, double a) { return MUL(C(a), SUB(EXP(x), C(1))); }

static ds_value *f_Not(body *r, ds_value *x) { return op2(r, DS_LOOP_xor, x, C(1)); }
static ds_value *f_Identity(body *r, ds_value *x) {
    (void)r;
    return x;
}
static ds_value *f_Reciprocal(body *r, ds_value *x) { return DIV(C(1), x); }
static ds_value *f_Sigmoid(body *r, ds_value *x) { return sigmoid(r, x); }
static ds_value *f_Softplus(body *r, ds_value *x) { return softplus(r, x); }
static ds_value *f_Softsign(body *r, ds_value *x) { return DIV(x, ADD(C(1), op1(r, DS_LOOP_abs, x))); }
static ds_value *f_Relu(body *r, ds_value *x) { return MAX(x, C(0)); }
static ds_value *f_LeakyRelu(body *r, ds_value *x) { return SELECT(LT(x, C(0)), MUL(x, C(attr(r, "alpha", 0.01))), x); }
static ds_value *f_Elu(body *r, ds_value *x) { return SELECT(LT(x, C(0)), expm1_times(r, x, attr(r, "alpha", 1)), x); }
static ds_value *f_Selu(body *r, ds_value *x) {
    double alpha = attr(r, "alpha", 1.67326319217681884765625), gamma = attr(r, "gamma", 1.05070102214813232421875);
    return MUL(C(gamma), SELECT(LT(C(0), x), x, expm1_times(r, x, alpha)));
}
static ds_value *f_Celu(body *r, ds_value *x) {
    double alpha = attr(r, "alpha", 1);
    return ADD(MAX(x, C(0)), MIN(C(0), expm1_times(r, DIV(x, C(alpha)), alpha)));
}
static ds_value *f_HardSigmoid(body *r, ds_value *x) {
    return MAX(C(0), MIN(C(1), ADD(MUL(x, C(attr(r, "alpha", 0.2))), C(attr(r, "beta", 0.5)))));
}
static ds_value *f_HardSwish(body *r, ds_value *x) {
    return MUL(x, MAX(C(0), MIN(C(1), ADD(MUL(x, C(1.0 / 6)), C(0.5)))));
}
static ds_value *f_Mish(body *r, ds_value *x) { return MUL(x, op1(r, DS_LOOP_tanh, softplus(r, x))); }
static ds_value *f_Swish(body *r, ds_value *x) { return MUL(x, sigmoid(r, MUL(x, C(attr(r, "alpha", 1))))); }
static ds_value *f_ThresholdedRelu(body *r, ds_value *x) { return SELECT(LT(C(attr(r, "alpha", 1)), x), x, C(0)); }
/* Its attributes are floats, which an integer type may not hold: -1 among unsigned ones. */
static ds_value *f_Shrink(body *r, ds_value *x) {
    double lambda = attr(r, "lambd", 0.5), bias = attr(r, "bias", 0);
    ds_elem elem = x->type->elem;
    if (!ds_elem_is_float(elem)) x = cast_to(r, x, DS_f64);
    ds_value *v = SELECT(LT(x, C(-lambda)), ADD(x, C(bias)), SELECT(LT(C(lambda), x), SUB(x, C(bias)), C(0)));
    return cast_to(r, v, elem);
}
static ds_value *f_Sign(body *r, ds_value *x) {
    return SELECT(LT(C(0), x), C(1), SELECT(LT(x, C(0)), C(-1), MUL(x, C(0))));
}
static ds_value *f_Gelu(body *r, ds_value *x) {
    if (!strcmp(ds_op_text(r->d->op, "approximate", "none"), "tanh")) {
        ds_value *inner = MUL(C(0.7978845608028654), ADD(x, MUL(C(0.044715), MUL(x, MUL(x, x)))));
        return MUL(MUL(C(0.5), x), ADD(C(1), op1(r, DS_LOOP_tanh, inner)));
    }
    return op1(r, DS_LOOP_gelu, x);
}
static ds_value *f_IsNaN(body *r, ds_value *x) { return op2(r, DS_LOOP_ne, x, x); }
static ds_value *f_IsInf(body *r, ds_value *x) {
    ds_value *up = op2(r, DS_LOOP_eq, x, C((double)INFINITY)), *down = op2(r, DS_LOOP_eq, x, C(-(double)INFINITY)),
             *no = num(r, DS_b1, 0);
    return op2(r, DS_LOOP_or, ds_op_int(r->d->op, "detect_positive", 1) ? up : no,
               ds_op_int(r->d->op, "detect_negative", 1) ? down : no);
}

/* ---- two operands ---- */

/* clang-format off */
#define BINARY(name, expression) \
    static ds_value *f_##name(body *r, ds_value *x, ds_value *y) { return expression; }
BINARY(Add, ADD(x, y)) BINARY(Sub, SUB(x, y)) BINARY(Mul, MUL(x, y)) BINARY(Div, DIV(x, y))
BINARY(Equal, op2(r, DS_LOOP_eq, x, y)) BINARY(Less, LT(x, y)) BINARY(Greater, LT(y, x))
BINARY(LessOrEqual, op2(r, DS_LOOP_le, x, y))
BINARY(GreaterOrEqual, op2(r, DS_LOOP_le, y, x)) BINARY(And, op2(r, DS_LOOP_and, x, y))
BINARY(Or, op2(r, DS_LOOP_or, x, y))
BINARY(Xor, op2(r, DS_LOOP_xor, x, y)) BINARY(BitwiseAnd, op2(r, DS_LOOP_and, x, y))
BINARY(BitwiseOr, op2(r, DS_LOOP_or, x, y))
BINARY(BitwiseXor, op2(r, DS_LOOP_xor, x, y)) BINARY(PRelu, SELECT(LT(x, C(0)), MUL(x, y), x))
BINARY(Mod, op2(r, ds_op_int(r->d->op, "fmod", 0) ? DS_LOOP_rem : DS_LOOP_mod, x, y))
BINARY(BitShift, op2(r, !strcmp(ds_op_text(r->d->op, "direction", ""), "LEFT") ? DS_LOOP_shl : DS_LOOP_shr, x, y))
BINARY(Max, MAX(x, y)) BINARY(Min, MIN(x, y)) BINARY(Sum, ADD(x, y)) BINARY(Mean, ADD(x, y))
#undef BINARY
    /* clang-format on */

    /* x^y for an exponent of any type: in f64 where the base's type cannot hold all exponents. */
    static ds_value *float_power(body *r, ds_value *x, ds_value *y) {
    ds_elem elem = x->type->elem, exponent = y->type->elem, wide = elem;
    if (ds_elem_facts(exponent)->bits > (ds_elem_is_float(exponent) ? 32 : 16)) wide = DS_f64;
    return cast_to(r, op2(r, DS_LOOP_pow, cast_to(r, x, wide), cast_to(r, y, wide)), elem);
}

/* Integers are multiplied; only exponents with a fraction go through floats. */
static ds_value *integer_power(body *r, ds_value *x, ds_value *y) {
    ds_elem elem = x->type->elem;
    if (!ds_elem_is_float(y->type->elem))
        return cast_to(r, op2(r, DS_LOOP_pow, cast_to(r, x, DS_i64), cast_to(r, y, DS_i64)), elem);
    ds_value *exact = op2(r, DS_LOOP_pow, cast_to(r, x, DS_i64), cast_to(r, y, DS_i64)), *wide = cast_to(r, y, DS_f64);
    ds_value *rounded = cast_to(r, op2(r, DS_LOOP_pow, cast_to(r, x, DS_f64), wide), elem);
    return SELECT(EQ(op1(r, DS_LOOP_floor, wide), wide), cast_to(r, exact, elem), rounded);
}

/* small constant exponents become products and roots */
static ds_value *f_Pow(body *r, ds_value *x, ds_value *y) {
    double e;
    bool is_float = ds_elem_is_float(x->type->elem);
    if (dec_known_scalar(r->d, dec_in(r->d, 1), &e) &&
        ds_type_count(r->d->cx, dec_in(r->d, 1)->type) == dec_const(r->d, 1)) {
        if (e == 2) return MUL(x, x);
        if (e == 1) return x;
        if (e == 3) return MUL(MUL(x, x), x);
        if (e == 0.5 && is_float) return op1(r, DS_LOOP_sqrt, x);
        if (e == -1 && is_float) return DIV(C(1), x);
    }
    return is_float ? float_power(r, x, y) : integer_power(r, x, y);
}

typedef ds_value *unary_fn(body *r, ds_value *x);
typedef ds_value *binary_fn(body *r, ds_value *x, ds_value *y);

/* clang-format off */
static const struct { ds_op_kind kind; unary_fn *fn; } unary_ops[] = {
#define U(name) {DS_ONNX_##name, f_##name},
    U(Abs) U(Neg) U(Exp) U(Log) U(Sqrt) U(Sin) U(Cos) U(Tan) U(Asin) U(Acos) U(Atan) U(Sinh) U(Cosh) U(Tanh) U(Asinh)
    U(Acosh) U(Atanh) U(Erf)
    U(Floor) U(Ceil) U(Round) U(BitwiseNot) U(Not) U(Identity) U(Reciprocal) U(Sigmoid) U(Softplus) U(Softsign) U(Relu)
    U(LeakyRelu) U(Elu) U(Selu)
    U(Celu) U(HardSigmoid) U(HardSwish) U(Mish) U(Swish) U(ThresholdedRelu) U(Shrink) U(Sign) U(Gelu) U(IsNaN) U(IsInf)
#undef U
};
/* clang-format on */

/* clang-format off */
static const struct { ds_op_kind kind; binary_fn *fn; } binary_ops[] = {
#define B(name) {DS_ONNX_##name, f_##name},
    B(Add) B(Sub) B(Mul) B(Div) B(Pow) B(Mod) B(Equal) B(Less) B(Greater) B(LessOrEqual) B(GreaterOrEqual) B(And) B(Or)
    B(Xor) B(BitwiseAnd)
    B(BitwiseOr) B(BitwiseXor) B(BitShift) B(PRelu) B(Max) B(Min) B(Sum) B(Mean)
#undef B
};
/* clang-format on */

static bool is_predicate(ds_op_kind k) {
    return k == DS_ONNX_Equal || k == DS_ONNX_Less || k == DS_ONNX_Greater || k == DS_ONNX_LessOrEqual ||
           k == DS_ONNX_GreaterOrEqual || k == DS_ONNX_IsNaN || k == DS_ONNX_IsInf;
}

RULE(unary) {
    ds_value *x = dec_in(d, 0);
    if (op->kind == DS_ONNX_Identity) {
        d->out[0] = x;
        return DS_OK;
    }
    body r = map_same(d, is_predicate(op->kind) ? DS_b1 : x->type->elem, x);
    for (size_t i = 0; i < DS_COUNT(unary_ops); i++)
        if (unary_ops[i].kind == op->kind) {
            d->out[0] = map_end(&r, unary_ops[i].fn(&r, r.x[0]));
            return DS_OK;
        }
    return dec_refuse(d, "no rule");
}

/* The second operand of an opset before 7 with `axis`: its dims lie along the first's from there on. */
static ds_status align(dec *d, const ds_type *first, int64_t axis, ds_value **second) {
    const ds_expr *shape[DEC_MAX_RANK];
    size_t rank = (*second)->type->rank, at;
    if (ds_expr_equals(ds_type_count(d->cx, (*second)->type), 1)) return DS_OK;
    DS_TRY(dec_axis(d, axis, first->rank, &at));
    if (at + rank > first->rank)
        return dec_fail(d, DS_E_shape, "an operand of rank %zu from axis %zu on does not lie within one of rank %zu",
                        rank, at, first->rank);
    for (size_t i = at; i < first->rank; i++)
        shape[i - at] = i - at < rank ? (*second)->type->dims[i - at] : dec_const(d, 1);
    *second = dec_reshape(d, *second, first->rank - at, shape);
    return DS_OK;
}

RULE(nary) {
    ds_value *inputs[64];
    const ds_expr *dims[DEC_MAX_RANK];
    size_t rank, count = op->operand_count;
    if (count == 0 || count > DS_COUNT(inputs)) return dec_refuse(d, "%zu operands", count);
    for (size_t i = 0; i < count; i++)
        if (!(inputs[i] = dec_in(d, i))) return dec_fail(d, DS_E_arity, "operand %zu is missing", i);
    for (size_t i = 1; i < count; i++)
        if (inputs[i]->type->elem != inputs[0]->type->elem && op->kind != DS_ONNX_Pow)
            return dec_fail(d, DS_E_type, "operands have element types %s and %s",
                            ds_elem_facts(inputs[0]->type->elem)->text, ds_elem_facts(inputs[i]->type->elem)->text);
    if (ds_op_attr(op, "ds.axis") && count == 2)
        DS_TRY(align(d, inputs[0]->type, ds_op_int(op, "ds.axis", 0), &inputs[1]));
    if (op->kind == DS_ONNX_PRelu && inputs[1]->type->rank > inputs[0]->type->rank)
        return dec_fail(d, DS_E_shape, "the slope has a higher rank than the input");
    DS_TRY(dec_broadcast(d, inputs, count, dims, &rank));
    body r = map_over(d, is_predicate(op->kind) ? DS_b1 : inputs[0]->type->elem, rank, dims, inputs, count);
    binary_fn *fn = NULL;
    for (size_t i = 0; i < DS_COUNT(binary_ops); i++)
        if (binary_ops[i].kind == op->kind) fn = binary_ops[i].fn;
    ds_value *v = r.x[0];
    for (size_t i = 1; i < count; i++) v = fn(&r, v, r.x[i]);
    if (op->kind == DS_ONNX_Mean) v = op2(&r, DS_LOOP_div, v, like(&r, v, (double)count));
    d->out[0] = map_end(&r, v);
    return DS_OK;
}

RULE(clip) {
    ds_value *inputs[3] = {dec_in(d, 0)}, *x = inputs[0];
    size_t count = 1, at[3] = {0};
    double value;
    (void)op;
    for (size_t i = 1; i < 3; i++)
        if (dec_in(d, i) && !dec_known_scalar(d, dec_in(d, i), &value)) {
            DS_TRY(dec_one(d, dec_in(d, i), "a bound is one number", &inputs[count]));
            at[i] = count++;
        }
    body r = map_over(d, x->type->elem, x->type->rank, x->type->dims, inputs, count);
    ds_value *v = r.x[0];
    for (size_t i = 1; i < 3; i++) {
        ds_value *bound = at[i] ? r.x[at[i]] : known_constant(&r, dec_in(d, i));
        if (bound) v = op2(&r, i == 1 ? DS_LOOP_max : DS_LOOP_min, v, cast_to(&r, bound, v->type->elem));
    }
    d->out[0] = map_end(&r, v);
    return DS_OK;
}

static ds_status convert(dec *d, ds_op *op, ds_elem to) {
    ds_value *x = dec_in(d, 0);
    if (x->type->elem == DS_string || to == DS_string || ds_elem_facts(to)->bits > 64 ||
        ds_elem_facts(to)->class == DS_CLASS_COMPLEX)
        return dec_refuse(d, "conversion from %s to %s", ds_elem_facts(x->type->elem)->text, ds_elem_facts(to)->text);
    if (x->type->elem == to) {
        d->out[0] = x;
        return DS_OK;
    }
    body r = map_same(d, to, x);
    /* ONNX rounds to integers of less than 8 bits, to the nearest, ties to even; to wider ones it cuts off */
    bool rounds = ds_elem_is_float(x->type->elem) && ds_elem_is_integer(to) && ds_elem_facts(to)->bits < 8;
    ds_value *v = cast_to(&r, rounds ? op1(&r, DS_LOOP_round, r.x[0]) : r.x[0], to);
    if (v->op && v->op->kind == DS_LOOP_cast && !ds_op_int(op, "saturate", 1))
        ds_op_set_attr(d->m, v->op, "saturate", ds_attr_int(d->cx, 0));
    if (v->op && v->op->kind == DS_LOOP_cast && to == DS_f8e8m0 && ds_op_attr(op, "round_mode"))
        ds_op_set_attr(d->m, v->op, "round_mode", ds_op_attr(op, "round_mode"));
    d->out[0] = map_end(&r, v);
    return DS_OK;
}

RULE(cast) {
    ds_elem to = ds_elem_from_onnx((int)ds_op_int(op, "to", 0));
    return to == DS_NO_ELEM ? dec_fail(d, DS_E_attribute, "attribute 'to' is not an element type") : convert(d, op, to);
}

RULE(cast_like) { return convert(d, op, dec_type(d, 1)->elem); }

RULE(where) {
    ds_value *inputs[] = {dec_in(d, 0), dec_in(d, 1), dec_in(d, 2)};
    const ds_expr *dims[DEC_MAX_RANK];
    size_t rank;
    (void)op;
    if (inputs[1]->type->elem != inputs[2]->type->elem)
        return dec_fail(d, DS_E_type, "operands have element types %s and %s",
                        ds_elem_facts(inputs[1]->type->elem)->text, ds_elem_facts(inputs[2]->type->elem)->text);
    DS_TRY(dec_broadcast(d, inputs, 3, dims, &rank));
    body r = map_over(d, inputs[1]->type->elem, rank, dims, inputs, 3);
    d->out[0] = map_end(&r, op3(&r, DS_LOOP_select, r.x[0], r.x[1], r.x[2]));
    return DS_OK;
}

RULE(dropout) {
    double training = 0, ratio = 0.5;
    if (dec_in(d, 2) && !dec_known_scalar(d, dec_in(d, 2), &training))
        return dec_refuse(d, "training mode that is known only at run time");
    if (dec_in(d, 1)) dec_known_scalar(d, dec_in(d, 1), &ratio);
    if (training != 0 && ratio != 0) return dec_refuse(d, "training mode");
    d->out[0] = dec_in(d, 0);
    if (op->result_count > 1) {
        ds_elem elem = ds_op_attr(op, "ds.mask_like_data") ? d->out[0]->type->elem : DS_b1; /* before opset 10 */
        body r = map_same(d, elem, d->out[0]);
        d->out[1] = map_end(&r, num(&r, dec_compute_elem(elem), 1));
    }
    return DS_OK;
}

/* The same bits under a type of the same width. */
RULE(bit_cast) {
    (void)op;
    ds_value *x = dec_in(d, 0);
    ds_elem from = x->type->elem, to;
    DS_TRY(dec_elem(d, "to", from, &to));
    if (ds_elem_facts(from)->bits != ds_elem_facts(to)->bits)
        return dec_fail(d, DS_E_type, "the element types differ in width");
    if (from == DS_b1 || to == DS_b1 || ds_elem_facts(from)->bits > 64) return dec_refuse(d, "bits of this type");
    body r = map_same(d, to, x);
    ds_value *v = r.b.block->args[0]; /* as stored, not widened */
    const ds_type *type = ds_type_scalar(d->cx, to);
    d->out[0] = map_end(&r, from == to ? v : ds_op_result(ds_op_create(&r.b, DS_LOOP_bitcast, &v, 1, &type, 1, 0), 0));
    return DS_OK;
}

/* ---- quantisation ---- */

/* How a scale or zero point is read: per tensor, per axis, or per block of the axis. */
static ds_status scale_map(dec *d, ds_op *op, ds_value *x, ds_value *scale, const ds_attr **out) {
    static const char what[] = "scales and zero points are as many as there are places along the axis, or one";
    size_t rank = x->type->rank, axis = 0, parts = scale->type->rank;
    int64_t block = ds_op_int(op, "block_size", 0);
    const ds_expr *exprs[DEC_MAX_RANK], *const *own = scale->type->dims;
    bool has_axis = parts && !(parts == 1 && (ds_expr_equals(own[0], 1) || rank == 0));
    if (has_axis) DS_TRY(dec_axis(d, ds_op_int(op, "axis", 1), rank, &axis));
    if (parts > 1 && parts != rank) return dec_fail(d, DS_E_shape, "scales have rank %zu, the values %zu", parts, rank);
    if (block < 0) return dec_fail(d, DS_E_attribute, "block_size is negative");
    for (size_t i = 0; i < parts; i++) {
        size_t at = parts == 1 ? axis : i;
        const ds_expr *whole = has_axis ? x->type->dims[at] : dec_const(d, 1), *place = dec_dim(d, at), *same;
        if (parts > 1 && at == axis && block) {
            const ds_expr *size = dec_const(d, block);
            DS_TRY(dec_same(d, own[i], ds_expr_ceildiv(d->cx, whole, size), &same));
            exprs[i] = ds_expr_floordiv(d->cx, place, size);
            continue;
        }
        DS_TRY(dec_fits(d, own[i], whole, what));
        exprs[i] = dec_stretched(d, own[i], whole, has_axis ? place : dec_const(d, 0));
    }
    *out = dec_map_of(d, rank, exprs, parts);
    return DS_OK;
}

RULE(dequantize) {
    ds_value *inputs[] = {dec_in(d, 0), dec_in(d, 1), dec_in(d, 2)};
    const ds_attr *maps[3] = {ds_attr_identity_map(d->cx, inputs[0]->type->rank)};
    size_t count = inputs[2] ? 3 : 2;
    for (size_t i = 1; i < count; i++) DS_TRY(scale_map(d, op, inputs[0], inputs[i], &maps[i]));
    ds_elem to;
    DS_TRY(dec_elem(d, "output_dtype", inputs[1]->type->elem, &to));
    body b = map_begin(d, to, inputs[0]->type->rank, inputs[0]->type->dims, inputs, maps, count), *r = &b;
    ds_value *v = r->x[0];
    if (!ds_elem_is_float(v->type->elem)) {
        v = cast_to(r, v, DS_i32);
        if (count == 3) v = SUB(v, cast_to(r, r->x[2], DS_i32));
    }
    ds_elem wide = r->x[1]->type->elem;
    v = MUL(cast_to(r, v, wide), r->x[1]);
    if (inputs[0]->type->rank < 2) d->out[0] = map_end(r, v);
    else map_end_many(r, &v, 1, &d->out[0]); /* small constants, too: a product may take them as they are */
    return DS_OK;
}

/* round(v / scale) + zero, or the nearest that the integer type has */
static ds_value *quantized(body *r, ds_value *v, ds_value *scale, ds_value *zero, ds_elem to) {
    return op3(r, DS_LOOP_quantize, v, scale, zero ? zero : whole(r, to, 0));
}

RULE(quantize) {
    ds_value *inputs[] = {dec_in(d, 0), dec_in(d, 1), dec_in(d, 2)};
    const ds_attr *maps[3] = {ds_attr_identity_map(d->cx, inputs[0]->type->rank)};
    size_t count = inputs[2] ? 3 : 2;
    for (size_t i = 1; i < count; i++) DS_TRY(scale_map(d, op, inputs[0], inputs[i], &maps[i]));
    ds_elem to;
    DS_TRY(dec_elem(d, "output_dtype", DS_u8, &to));
    if (inputs[2]) to = inputs[2]->type->elem;
    body b = map_begin(d, to, inputs[0]->type->rank, inputs[0]->type->dims, inputs, maps, count), *r = &b;
    ds_value *v = cast_to(r, r->x[0], DS_f32), *scale = cast_to(r, r->x[1], DS_f32);
    if (ds_elem_is_float(to)) {
        v = cast_to(r, DIV(v, scale), to);
        if (!ds_op_int(op, "saturate", 1)) ds_op_set_attr(d->m, v->op, "saturate", ds_attr_int(d->cx, 0));
        d->out[0] = map_end(r, v);
    } else d->out[0] = map_end(r, quantized(r, v, scale, count == 3 ? r->x[2] : NULL, to));
    return DS_OK;
}

static ds_value *reduce_all(dec *d, ds_value *x, ds_op_kind combiner) {
    const ds_attr *map = ds_attr_identity_map(d->cx, x->type->rank);
    body r = reduce_begin(d, x->type->elem, 0, NULL, x->type->dims, x->type->rank, &x, &map, 1);
    return reduce_end(&r, r.x[0], combiner);
}

RULE(dynamic_quantize) {
    ds_value *x = dec_in(d, 0), *range[] = {reduce_all(d, x, DS_LOOP_min), reduce_all(d, x, DS_LOOP_max)};
    (void)op;
    body b = map_over(d, DS_f32, 0, NULL, range, 2), *r = &b;
    ds_value *low = MIN(r->x[0], num(r, DS_f32, 0)), *high = MAX(r->x[1], num(r, DS_f32, 0));
    ds_value *span = SUB(high, low), *of_zeros = EQ(span, num(r, DS_f32, 0)), *step = DIV(span, num(r, DS_f32, 255));
    ds_value *scale = map_end(r, SELECT(of_zeros, num(r, DS_f32, 1), step)); /* as in ONNX Runtime */
    ds_value *both[] = {range[0], scale};
    b = map_over(d, DS_u8, 0, NULL, both, 2);
    low = MIN(r->x[0], num(r, DS_f32, 0));
    ds_value *zero = map_end(r, quantized(r, SUB(num(r, DS_f32, 0), low), r->x[1], NULL, DS_u8));
    ds_value *inputs[] = {x, scale, zero};
    b = map_over(d, DS_u8, x->type->rank, x->type->dims, inputs, 3);
    d->out[0] = map_end(r, quantized(r, r->x[0], r->x[1], r->x[2], DS_u8));
    d->out[1] = scale, d->out[2] = zero;
    return DS_OK;
}
