/* Operators of com.microsoft that quantise: what they compute is an operator of the standard domain between
 * dequantising and quantising maps, or a product of integers that is scaled. */
#include <string.h>

#include "passes/decompose/decompose.h"

/* Is what the operator of the same name is, but for the domain. */
RULE(standard) {
    static const ds_op_kind same[][2] = {{DS_MICROSOFT_DequantizeLinear, DS_ONNX_DequantizeLinear},
                                         {DS_MICROSOFT_QuantizeLinear, DS_ONNX_QuantizeLinear}};
    ds_value *operands[3];
    for (size_t i = 0; i < DS_COUNT(operands); i++) operands[i] = dec_in(d, i);
    for (size_t i = 0; i < DS_COUNT(same); i++)
        if (same[i][0] == op->kind)
            return dec_apply(d, same[i][1], operands, DS_COUNT(operands), NULL, 0, d->out, op->result_count);
    return dec_refuse(d, "no rule");
}

/* ---- operators between quantised tensors ---- */

/* Attributes of the operator that say something else to QuantizeLinear and DequantizeLinear. */
static const ds_named_attr per_tensor[] = {{"axis", NULL}};

static ds_status dequantised(dec *d, ds_value *x, ds_value *scale, ds_value *zero, ds_value **out) {
    ds_value *operands[] = {x, scale, zero};
    ds_elem elem = x->type->elem;
    DS_TRY(dec_one(d, scale, "a scale is one number", &operands[1]));
    if (zero) DS_TRY(dec_one(d, zero, "a zero point is one number", &operands[2]));
    if (operands[2] && operands[2]->type->elem != elem)
        return dec_fail(d, DS_E_type, "values are %s, their zero point is %s", ds_elem_facts(elem)->text,
                        ds_elem_facts(operands[2]->type->elem)->text);
    return dec_apply(d, DS_ONNX_DequantizeLinear, operands, 3, per_tensor, 1, out, 1);
}

static ds_status quantised(dec *d, ds_value *v, ds_value *scale, ds_value *zero, ds_elem elem, ds_value **out) {
    ds_value *operands[] = {v, scale, zero ? zero : dec_scalar(d, elem, 0)};
    return dec_apply(d, DS_ONNX_QuantizeLinear, operands, 3, per_tensor, 1, out, 1);
}

/* Images with their channels last: from there to behind the batch, and back. */
static ds_value *move_channels(dec *d, ds_value *x, bool back) {
    size_t perm[DEC_MAX_RANK] = {0}, rank = x->type->rank;
    for (size_t i = 1; i < rank; i++) perm[i] = back ? (i + 1 < rank ? i + 1 : 1) : (i == 1 ? rank - 1 : i - 1);
    return dec_transpose(d, x, perm);
}

static ds_op_kind float_kind(ds_op_kind kind) {
    switch (kind) {
    case DS_MICROSOFT_QLinearAdd: return DS_ONNX_Add;
    case DS_MICROSOFT_QLinearAveragePool: return DS_ONNX_AveragePool;
    case DS_MICROSOFT_QLinearLeakyRelu: return DS_ONNX_LeakyRelu;
    case DS_MICROSOFT_QLinearMul: return DS_ONNX_Mul;
    case DS_MICROSOFT_QLinearSoftmax: return DS_ONNX_Softmax;
    default: return DS_ONNX_Sigmoid;
    }
}

/* The last dim, where there is no other axis; before opset 13 Softmax took everything from there on as one. */
static ds_named_attr softmax_attribute(dec *d, size_t i) {
    bool old = ds_op_int(d->op, "opset", 13) < 13;
    if (i) return (ds_named_attr){"ds.flatten", old ? ds_attr_int(d->cx, 1) : NULL};
    return (ds_named_attr){"axis", ds_attr_int(d->cx, ds_op_int(d->op, "axis", -1))};
}

/* One or two quantised operands, each with scale and zero point, and those of the result. */
RULE(qlinear) {
    ds_op_kind kind = float_kind(op->kind);
    size_t count = kind == DS_ONNX_Add || kind == DS_ONNX_Mul ? 2 : 1;
    bool is_softmax = kind == DS_ONNX_Softmax, last = ds_op_int(op, "channels_last", 0);
    const ds_named_attr attrs[] = {softmax_attribute(d, 0), softmax_attribute(d, 1)};
    ds_value *operands[2] = {NULL}, *v;
    for (size_t i = 0; i < count; i++)
        DS_TRY(dequantised(d, dec_in(d, 3 * i), dec_in(d, 3 * i + 1), dec_in(d, 3 * i + 2), &operands[i]));
    if (last) operands[0] = move_channels(d, operands[0], false);
    DS_TRY(dec_apply(d, kind, operands, count, attrs, is_softmax ? 2 : 0, &v, 1));
    if (last) v = move_channels(d, v, true);
    return quantised(d, v, dec_in(d, 3 * count), dec_in(d, 3 * count + 1), dec_type(d, 0)->elem, &d->out[0]);
}

RULE(qlinear_concat) {
    ds_value *parts[DEC_MAX_OPERANDS];
    size_t count = op->operand_count / 3, axis;
    ds_elem elem = dec_type(d, 1)->elem;
    if (op->operand_count < 5 || op->operand_count % 3 != 2)
        return dec_fail(d, DS_E_arity, "there are %zu operands instead of a scale, a zero point and three each",
                        op->operand_count);
    if (count > DEC_MAX_OPERANDS) return dec_refuse(d, "%zu inputs", count);
    for (size_t i = 0; i < count; i++) {
        size_t at = 2 + 3 * i;
        for (size_t k = 0; k < 3; k++)
            if (!dec_in(d, at + k)) return dec_fail(d, DS_E_arity, "operand %zu is missing", at + k);
        if (dec_type(d, at)->elem != elem || dec_type(d, at + 1)->elem != DS_f32)
            return dec_fail(d, DS_E_type, "input %zu is no %s with a scale", i, ds_elem_facts(elem)->text);
        DS_TRY(dequantised(d, dec_in(d, at), dec_in(d, at + 1), dec_in(d, at + 2), &parts[i]));
        DS_TRY(quantised(d, parts[i], dec_in(d, 0), dec_in(d, 1), elem, &parts[i]));
    }
    DS_TRY(dec_axis(d, ds_op_int(op, "axis", 0), parts[0]->type->rank, &axis));
    return dec_concat(d, parts, count, axis, &d->out[0]);
}

/* Whole numbers are summed, and divided by their number with the scales. */
RULE(qlinear_global_pool) {
    ds_value *x = dec_in(d, 0);
    bool last = ds_op_int(op, "channels_last", 0);
    size_t rank = x->type->rank, channel = last ? rank - 1 : 1, over_count = 0;
    const ds_expr *dims[DEC_MAX_RANK], *over[DEC_MAX_RANK], *at[DEC_MAX_RANK], *size = dec_const(d, 1);
    DS_TRY(dec_less_zero_point(d, x, dec_in(d, 2), channel, &x));
    for (size_t i = 0; i < rank; i++) {
        bool stays = i == 0 || i == channel;
        dims[i] = stays ? x->type->dims[i] : dec_const(d, 1);
        at[i] = dec_dim(d, stays ? i : rank + over_count);
        if (stays) continue;
        over[over_count++] = x->type->dims[i];
        size = ds_expr_mul(d->cx, size, x->type->dims[i]);
    }
    const ds_attr *map = dec_map_of(d, rank + over_count, at, rank);
    body b = reduce_begin(d, DS_i32, rank, dims, over, over_count, &x, &map, 1), *r = &b;
    ds_value *sum = reduce_end(r, r->x[0], DS_LOOP_add);
    b = map_over(d, DS_f32, 0, NULL, NULL, 0);
    ds_value *share = map_end(r, DIV(num(r, DS_f32, 1), cast_to(r, extent(r, size), DS_f32)));
    ds_value *factors[] = {dec_in(d, 1), share, dec_in(d, 3), dec_in(d, 4)};
    return dec_requantise(d, sum, factors, channel, &d->out[0]);
}

/* ---- products ---- */

/* v * factors[0] * factors[1], plus a bias where there is one: of rank 1 they go along the last axis. */
static ds_status scaled(dec *d, ds_value *v, ds_value *const *factors, ds_value *bias, ds_elem elem, ds_value **out) {
    ds_value *inputs[] = {v, factors[0], factors[1], bias};
    size_t rank = v->type->rank, count = bias ? 4 : 3;
    for (size_t i = 1; i < count; i++) {
        if (inputs[i]->type->rank && !rank) DS_TRY(dec_one(d, inputs[i], "the result is one number", &inputs[i]));
        DS_TRY(dec_fits_shape(d, inputs[i], rank, v->type->dims, "scales and bias have the result's columns, or one"));
    }
    body b = map_over(d, elem, rank, v->type->dims, inputs, count), *r = &b;
    ds_value *scale = MUL(cast_to(r, r->x[1], DS_f32), cast_to(r, r->x[2], DS_f32));
    ds_value *y = MUL(cast_to(r, r->x[0], DS_f32), scale);
    *out = map_end(r, bias ? ADD(y, cast_to(r, r->x[3], DS_f32)) : y);
    return DS_OK;
}

ds_status dec_scaled_product(dec *d, ds_value *a, ds_value *a_zero, ds_value *b, ds_value *b_zero,
                             ds_value *const *factors, ds_value *bias, ds_elem elem, ds_value **out) {
    ds_value *v;
    size_t rank = a->type->rank;
    DS_TRY(dec_less_zero_point(d, a, a_zero, rank > 1 ? rank - 2 : 0, &a));
    DS_TRY(dec_less_zero_point(d, b, b_zero, b->type->rank - 1, &b));
    DS_TRY(dec_matmul(d, a, b, DS_i32, &v));
    return scaled(d, v, factors, bias, elem, out);
}

RULE(matmul_integer_to_float) {
    ds_value *factors[] = {dec_in(d, 2), dec_in(d, 3)};
    (void)op;
    return dec_scaled_product(d, dec_in(d, 0), dec_in(d, 4), dec_in(d, 1), dec_in(d, 5), factors, dec_in(d, 6),
                              factors[0]->type->elem, &d->out[0]);
}

RULE(dynamic_quantize_matmul) {
    ds_value *x = dec_in(d, 0), *bytes[3];
    (void)op;
    DS_TRY(dec_apply(d, DS_ONNX_DynamicQuantizeLinear, &x, 1, NULL, 0, bytes, 3));
    ds_value *factors[] = {bytes[1], dec_in(d, 2)};
    return dec_scaled_product(d, bytes[0], bytes[2], dec_in(d, 1), dec_in(d, 3), factors, dec_in(d, 4), x->type->elem,
                              &d->out[0]);
}

/* alpha * a_scale * b_scale * (a @ b + c), quantised where the result has a scale. */
RULE(qgemm) {
    ds_value *v, *a = dec_in(d, 0), *b = dec_in(d, 3), *c = dec_in(d, 6),
                 *factors[] = {dec_in(d, 1), dec_in(d, 4), dec_in(d, 7), dec_in(d, 8)};
    double alpha = ds_op_float(op, "alpha", 1);
    if (!factors[2] != !factors[3])
        return dec_fail(d, DS_E_arity, "scale and zero point of the result are given together, or neither");
    DS_TRY(dec_less_zero_point(d, a, dec_in(d, 2), 0, &a));
    DS_TRY(dec_less_zero_point(d, b, dec_in(d, 5), ds_op_int(op, "transB", 0) ? 0 : 1, &b));
    DS_TRY(dec_gemm(d, a, b, DS_i32, &v));
    if (c) {
        DS_TRY(dec_fits_shape(d, c, 2, v->type->dims, "C's extents are the result's, or 1"));
        v = dec_binary(d, DS_LOOP_add, v, c);
    }
    if (alpha != 1) factors[0] = dec_binary(d, DS_LOOP_mul, factors[0], dec_scalar(d, DS_f32, alpha));
    if (factors[2]) return dec_requantise(d, v, factors, 1, &d->out[0]);
    return scaled(d, v, factors, NULL, DS_f32, &d->out[0]);
}
