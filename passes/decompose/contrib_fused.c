/* Operators of com.microsoft that are several of the standard domain in one: products and convolutions with an
 * activation, norms with a sum before them, kinds of GELU. */
#include <string.h>

#include "passes/decompose/decompose.h"

/* ---- products and convolutions ---- */

/* The first dim of the operand moves behind the other batch dims; then the last two change places. */
static ds_value *turned(dec *d, ds_value *x, bool batch, bool matrix) {
    size_t perm[DEC_MAX_RANK], rank = x->type->rank;
    if (rank < 2 || (!batch && !matrix)) return x;
    for (size_t i = 0; i < rank; i++) perm[i] = !batch || i + 1 == rank ? i : i + 2 == rank ? 0 : i + 1;
    if (matrix) {
        size_t last = perm[rank - 1];
        perm[rank - 1] = perm[rank - 2];
        perm[rank - 2] = last;
    }
    return dec_transpose(d, x, perm);
}

static ds_value *times(dec *d, ds_value *v, double factor) {
    if (factor == 1) return v;
    body r = map_same(d, v->type->elem, v);
    return map_end(&r, op2(&r, DS_LOOP_mul, r.x[0], like(&r, r.x[0], factor)));
}

RULE(fused_matmul) {
    ds_value *a = turned(d, dec_in(d, 0), ds_op_int(op, "transBatchA", 0), ds_op_int(op, "transA", 0)),
             *b = turned(d, dec_in(d, 1), ds_op_int(op, "transBatchB", 0), ds_op_int(op, "transB", 0));
    DS_TRY(dec_matmul(d, a, b, a->type->elem, &d->out[0]));
    d->out[0] = times(d, d->out[0], ds_op_float(op, "alpha", 1));
    return DS_OK;
}

/* What an attribute `activation` names, with two parameters; the absent ones are NULL. */
static ds_status activated(dec *d, ds_value *v, const ds_attr *alpha, const ds_attr *beta, ds_value **out) {
    static const struct {
        const char *name;
        ds_op_kind kind;
    } known[] = {{"HardSigmoid", DS_ONNX_HardSigmoid},
                 {"HardSwish", DS_ONNX_HardSwish},
                 {"LeakyRelu", DS_ONNX_LeakyRelu},
                 {"Relu", DS_ONNX_Relu},
                 {"Sigmoid", DS_ONNX_Sigmoid},
                 {"Tanh", DS_ONNX_Tanh},
                 {"Clip", DS_ONNX_Clip}};
    const char *name = ds_op_text(d->op, "activation", "");
    const ds_named_attr attrs[] = {{"alpha", alpha}, {"beta", beta}};
    ds_value *operands[3] = {v};
    *out = v;
    if (!*name) return DS_OK;
    for (size_t i = 0; i < DS_COUNT(known); i++) {
        if (strcmp(known[i].name, name) != 0) continue;
        for (size_t k = 0; known[i].kind == DS_ONNX_Clip && k < 2; k++)
            if (attrs[k].value) operands[k + 1] = dec_scalar(d, v->type->elem, attrs[k].value->number);
        return dec_apply(d, known[i].kind, operands, 3, attrs, 2, out, 1);
    }
    return dec_refuse(d, "activation '%s'", name);
}

RULE(fused_gemm) {
    ds_value *v, *operands[] = {dec_in(d, 0), dec_in(d, 1), dec_in(d, 2)};
    DS_TRY(dec_apply(d, DS_ONNX_Gemm, operands, 3, NULL, 0, &v, 1));
    return activated(d, v, ds_op_attr(op, "activation_alpha"), ds_op_attr(op, "activation_beta"), &d->out[0]);
}

/* activation(conv(x, w) + b + z) */
RULE(fused_conv) {
    ds_value *v, *z = dec_in(d, 3), *operands[] = {dec_in(d, 0), dec_in(d, 1), dec_in(d, 2)};
    const ds_attr *list = ds_op_attr(op, "activation_params"), *parameters[2] = {NULL};
    for (size_t i = 0; list && i < list->count && i < 2; i++) parameters[i] = list->items[i];
    DS_TRY(dec_apply(d, DS_ONNX_Conv, operands, 3, NULL, 0, &v, 1));
    if (z) {
        DS_TRY(dec_has_shape(d, z->type, v->type->rank, v->type->dims, "what is added has the result's extents"));
        v = dec_binary(d, DS_LOOP_add, v, z);
    }
    return activated(d, v, parameters[0], parameters[1], &d->out[0]);
}

/* ---- kinds of GELU ---- */

/* Of x, or of x and a bias along its last dim. */
RULE(gelu) {
    ds_value *x = dec_in(d, 0), *bias = dec_in(d, 1);
    const ds_attr *alpha = ds_attr_float(d->cx, ds_op_float(op, "alpha", (double)1.702f));
    const ds_named_attr slope = {"alpha", alpha}, tanh = {"approximate", ds_attr_string(d->cx, "tanh")};
    if (bias) {
        DS_TRY(dec_per_channel(d, bias, x->type->dims[x->type->rank - 1], "the bias has an element for each column"));
        x = dec_binary(d, DS_LOOP_add, x, bias);
    }
    if (op->kind == DS_MICROSOFT_QuickGelu) return dec_apply(d, DS_ONNX_Swish, &x, 1, &slope, 1, d->out, 1);
    return dec_apply(d, DS_ONNX_Gelu, &x, 1, &tanh, op->kind == DS_MICROSOFT_FastGelu, d->out, 1);
}

/* ---- norms ---- */

/* Mean and deviation are results of a norm; SimplifiedLayerNormalization has the latter alone. */
RULE(simplified_norm) {
    ds_value *results[3], *operands[] = {dec_in(d, 0), dec_in(d, 1)};
    (void)op;
    DS_TRY(dec_apply(d, DS_ONNX_RMSNormalization, operands, 2, NULL, 0, results, 3));
    d->out[0] = results[0];
    if (op->result_count > 1) d->out[1] = results[2];
    return DS_OK;
}

/* The default of norms behind sums is another than that of norms alone. */
static ds_named_attr epsilon_of(dec *d) {
    return (ds_named_attr){"epsilon", ds_attr_float(d->cx, ds_op_float(d->op, "epsilon", (double)1e-12f))};
}

/* The norm of a sum of two and maybe a bias; the sum is a result, too. */
RULE(skip_norm) {
    bool simple = op->kind == DS_MICROSOFT_SkipSimplifiedLayerNormalization;
    ds_value *x = dec_in(d, 0), *bias = dec_in(d, simple ? 3 : 4), *inputs[] = {x, dec_in(d, 1), bias}, *results[3];
    const ds_named_attr epsilon = epsilon_of(d);
    size_t rank = x->type->rank, count = bias ? 3 : 2;
    DS_TRY(dec_fits_shape(d, inputs[1], rank, x->type->dims, "what is added has the input's extents, or 1"));
    if (bias) DS_TRY(dec_per_channel(d, bias, x->type->dims[rank - 1], "the bias has an element for each column"));
    body b = map_over(d, x->type->elem, rank, x->type->dims, inputs, count), *r = &b;
    ds_value *sum = ADD(r->x[0], r->x[1]);
    sum = map_end(r, bias ? ADD(sum, r->x[2]) : sum);
    ds_value *operands[] = {sum, dec_in(d, 2), simple ? NULL : dec_in(d, 3)};
    ds_op_kind kind = simple ? DS_ONNX_RMSNormalization : DS_ONNX_LayerNormalization;
    DS_TRY(dec_apply(d, kind, operands, 3, &epsilon, 1, results, 3));
    for (size_t i = 0; i < op->result_count && i < 3; i++) d->out[i] = results[i];
    if (op->result_count > 3) d->out[3] = sum;
    return DS_OK;
}

/* How many words of each row the mask has; 0 where there is none. */
static ds_value *words_of(dec *d, ds_value *ids, ds_value *mask) {
    if (!mask) {
        body r = map_over(d, DS_i32, 1, ids->type->dims, NULL, 0);
        return map_end(&r, num(&r, DS_i32, 0));
    }
    const ds_expr *at[] = {dec_dim(d, 0), dec_dim(d, 1)}, *const *dims = mask->type->dims;
    const ds_attr *map = dec_map_of(d, 2, at, 2);
    body b = reduce_begin(d, DS_i32, 1, dims, &dims[1], 1, &mask, &map, 1), *r = &b;
    return reduce_end(r, cast_to(r, EQ(r->x[0], like(r, r->x[0], 1)), DS_i32), DS_LOOP_add);
}

/* Rows of a table of embeddings, by ids or, without ids, by their place in the sequence. */
static ds_status embedded(dec *d, ds_value *table, ds_value *ids, const ds_expr *length, ds_value **out) {
    const ds_named_attr axis = {"axis", ds_attr_int(d->cx, 0)};
    ds_value *operands[] = {table, ids};
    if (ids) return dec_apply(d, DS_ONNX_Gather, operands, 2, &axis, 1, out, 1);
    DS_TRY(dec_require(d, DS_at_most, length, table->type->dims[0], "there are as many positions as words"));
    *out = dec_slice(d, table, 0, dec_const(d, 0), length, 1);
    return DS_OK;
}

RULE(embed_norm) {
    ds_value *ids = dec_in(d, 0), *segments = dec_in(d, 1), *mask = dec_in(d, 7), *parts[3], *results[3];
    const ds_named_attr epsilon = epsilon_of(d);
    if (!segments != !dec_in(d, 4)) return dec_fail(d, DS_E_arity, "segments come with their embedding, or neither");
    if (mask) DS_TRY(dec_has_shape(d, mask->type, 2, ids->type->dims, "the mask has an element for each word"));
    DS_TRY(embedded(d, dec_in(d, 2), ids, NULL, &parts[0]));
    DS_TRY(embedded(d, dec_in(d, 3), dec_in(d, 8), ids->type->dims[1], &parts[1]));
    if (segments) DS_TRY(embedded(d, dec_in(d, 4), segments, NULL, &parts[2]));
    const ds_type *t = parts[0]->type;
    for (size_t i = 1; i < (segments ? 3 : 2); i++)
        DS_TRY(dec_fits_shape(d, parts[i], 3, t->dims, "embeddings have the words' extents, or 1"));
    body b = map_over(d, t->elem, 3, t->dims, parts, segments ? 3 : 2), *r = &b;
    ds_value *v = ADD(r->x[0], r->x[1]), *sum = map_end(r, segments ? ADD(v, r->x[2]) : v);
    ds_value *operands[] = {sum, dec_in(d, 5), dec_in(d, 6)};
    DS_TRY(dec_apply(d, DS_ONNX_LayerNormalization, operands, 3, &epsilon, 1, results, 1));
    d->out[0] = results[0];
    if (op->result_count > 1) d->out[1] = words_of(d, ids, mask);
    if (op->result_count > 2) d->out[2] = sum;
    return DS_OK;
}
