/* Operators of com.microsoft on weights of few bits, which have a scale, and maybe a zero point, for each block of one
 * axis. */
#include "passes/decompose/decompose.h"

/* Are there whole numbers of so many bits, of at most a byte? */
static bool has_numbers_of(int64_t bits) {
    bool found = false;
    for (int e = 0; e < DS_ELEM_COUNT; e++)
        found = found || (ds_elem_facts((ds_elem)e)->class == DS_CLASS_SINT && ds_elem_facts((ds_elem)e)->bits == bits);
    return found && bits <= 8;
}

/* How many bytes have bits of a number, where numbers follow each other: two where some lie in two of them. */
static size_t bytes_of(int64_t bits) { return 8 % bits ? 2 : 1; }

/* The byte in which number `place` of a row begins (i: 0) or ends (1). */
static const ds_expr *byte_at(dec *d, const ds_expr *place, int64_t bits, size_t i) {
    const ds_expr *bit = ds_expr_scale(d->cx, place, bits);
    if (i) bit = ds_expr_add(d->cx, bit, dec_const(d, bits - 1));
    return ds_expr_floordiv(d->cx, bit, dec_const(d, 8));
}

/* Number `place` of a row of `bits` bits each, the first in the low ones, from its bytes. */
static ds_value *unpacked(body *r, ds_value *const *bytes, size_t dims, const ds_expr *place, int64_t bits) {
    dec *d = r->d;
    ds_value *v = cast_to(r, bytes[0], DS_i32);
    if (bits == 8) return v;
    if (bytes_of(bits) > 1)
        v = op2(r, DS_LOOP_or, v, op2(r, DS_LOOP_shl, cast_to(r, bytes[1], DS_i32), whole(r, DS_i32, 8)));
    const ds_expr *shift = ds_expr_mod(d->cx, ds_expr_scale(d->cx, place, bits), dec_const(d, 8));
    v = op2(r, DS_LOOP_shr, v, cast_to(r, at_point(r, dims, shift), DS_i32));
    return AND(v, whole(r, DS_i32, (1 << bits) - 1));
}

/* A number for each row and block, as a matrix or as a list. */
static ds_status per_block(dec *d, ds_value *v, const ds_expr *rows, const ds_expr *columns, const ds_expr *column,
                           const ds_attr **out) {
    const ds_expr *at[] = {dec_dim(d, 0), column}, *dims[] = {rows, columns};
    if (v->type->rank == 1) {
        at[0] = ds_expr_add(d->cx, ds_expr_mul(d->cx, at[0], columns), column);
        dims[0] = ds_expr_mul(d->cx, rows, columns);
    }
    *out = dec_map_of(d, 2, at, v->type->rank);
    return dec_has_shape(d, v->type, v->type->rank, dims, "scales and zero points are as many as there are blocks");
}

/* A tensor w[N, K] of whole numbers from b[N, blocks, bytes of a block], less half of what their bits have: those are
 * signed ones of these bits. */
static ds_value *whole_weights(dec *d, ds_value *b, int64_t bits, const ds_expr *block, const ds_expr *const *dims) {
    const ds_expr *at = dec_dim(d, 1), *in = ds_expr_mod(d->cx, at, block);
    ds_value *inputs[] = {b, b}, *out;
    const ds_attr *maps[2];
    for (size_t i = 0; i < bytes_of(bits); i++) {
        const ds_expr *read[] = {dec_dim(d, 0), ds_expr_floordiv(d->cx, at, block), byte_at(d, in, bits, i)};
        maps[i] = dec_map_of(d, 2, read, 3);
    }
    body o = map_begin(d, ds_elem_of_bits((unsigned)bits, true), 2, dims, inputs, maps, bytes_of(bits)), *r = &o;
    ds_value *v = SUB(unpacked(r, r->x, 2, in, bits), whole(r, DS_i32, 1 << (bits - 1)));
    map_end_many(r, &v, 1, &out);
    return out;
}

/* Zero points of blocks, less the same: packed as the weights are, or numbers. */
static ds_status zeros_of_blocks(dec *d, ds_value *zeros, int64_t bits, const ds_expr *const *dims, ds_value **out) {
    bool packed = !ds_elem_is_float(zeros->type->elem);
    size_t count = packed ? bytes_of(bits) : 1;
    const ds_expr *columns = dims[1], *column = dec_dim(d, 1), *bytes = dec_const(d, 8);
    const ds_attr *maps[2];
    ds_value *inputs[] = {zeros, zeros};
    if (packed && zeros->type->elem != DS_u8) return dec_fail(d, DS_E_type, "packed zero points are of type ui8");
    if (packed) columns = ds_expr_ceildiv(d->cx, ds_expr_scale(d->cx, columns, bits), bytes);
    for (size_t i = 0; i < count; i++)
        DS_TRY(per_block(d, zeros, dims[0], columns, packed ? byte_at(d, column, bits, i) : column, &maps[i]));
    body o = map_begin(d, packed ? DS_i8 : DS_f32, 2, dims, inputs, maps, count), *r = &o;
    ds_value *v = packed ? unpacked(r, r->x, 2, column, bits) : cast_to(r, r->x[0], DS_f32);
    v = SUB(v, like(r, v, 1 << (bits - 1)));
    map_end_many(r, &v, 1, out);
    return DS_OK;
}

/* What b[N, blocks, bytes of a block] stands for, w[N, K]: (whole number - zero point) * scale, as the pass narrow knows
 * it. */
static ds_status weights_in_blocks(dec *d, ds_value *b, ds_value *scales, ds_value *zeros, ds_value **out) {
    int64_t bits = ds_op_int(d->op, "bits", 4), size = ds_op_int(d->op, "block_size", 0);
    const ds_expr *n = dec_const(d, ds_op_int(d->op, "N", 0)), *k = dec_const(d, ds_op_int(d->op, "K", 0));
    const ds_expr *dims[] = {n, k}, *block = dec_const(d, size), *blocks = ds_expr_ceildiv(d->cx, k, block);
    const ds_expr *of_block = ds_expr_floordiv(d->cx, dec_dim(d, 1), block), *in_rows[] = {n, blocks};
    const ds_expr *place[] = {dec_dim(d, 0), of_block}, *stored[] = {n, blocks, dec_const(d, size * bits / 8)};
    const ds_attr *shape,
        *maps[] = {ds_attr_identity_map(d->cx, 2), dec_map_of(d, 2, place, 2), dec_map_of(d, 2, place, 2)};
    DS_TRY(dec_has_shape(d, b->type, 3, stored, "weights are as many as N, K, bits and block_size say"));
    DS_TRY(per_block(d, scales, n, blocks, of_block, &shape));
    ds_value *inputs[] = {whole_weights(d, b, bits, block, dims), dec_reshape(d, scales, 2, in_rows), NULL};
    if (zeros) DS_TRY(zeros_of_blocks(d, zeros, bits, in_rows, &inputs[2]));
    body o = map_begin(d, DS_f32, 2, dims, inputs, maps, zeros ? 3 : 2), *r = &o;
    ds_elem between = zeros ? inputs[2]->type->elem : DS_i8;
    ds_value *v = cast_to(r, r->x[0], between == DS_f32 ? DS_f32 : DS_i32);
    if (zeros) v = SUB(v, cast_to(r, r->x[2], v->type->elem));
    v = MUL(cast_to(r, v, DS_f32), cast_to(r, r->x[1], DS_f32));
    map_end_many(r, &v, 1, out);
    return DS_OK;
}

enum { ROUNDS_LEFT = 4 }; /* the accuracy level that lets blocks of the left factor be bytes */

RULE(matmul_nbits) {
    ds_value *w, *v, *a = dec_in(d, 0), *b = dec_in(d, 1), *bias = dec_in(d, 5);
    int64_t bits = ds_op_int(op, "bits", 4), size = ds_op_int(op, "block_size", 0);
    size_t rank = a->type->rank;
    const ds_expr *dims[DEC_MAX_RANK], *am[DEC_MAX_RANK], *k = dec_const(d, ds_op_int(op, "K", 0)), *same;
    if (dec_in(d, 4)) return dec_refuse(d, "columns in an order of their own (g_idx)");
    if (ds_op_int(op, "weight_prepacked", 0)) return dec_refuse(d, "weights in the order of one machine");
    if (!has_numbers_of(bits)) return dec_refuse(d, "weights of %lld bits", (long long)bits);
    if (size < 16 || (size & (size - 1)))
        return dec_fail(d, DS_E_attribute, "block_size is %lld, no power of two from 16 on", (long long)size);
    if (b->type->elem != DS_u8) return dec_fail(d, DS_E_type, "packed weights are of type ui8");
    DS_TRY(weights_in_blocks(d, b, dec_in(d, 2), dec_in(d, 3), &w));
    DS_TRY(dec_same(d, a->type->dims[rank - 1], k, &same));
    for (size_t i = 0; i + 1 < rank; i++) dims[i] = a->type->dims[i], am[i] = dec_dim(d, i);
    dims[rank - 1] = w->type->dims[0];
    am[rank - 1] = dec_dim(d, rank);
    const ds_expr *wm[] = {dec_dim(d, rank - 1), dec_dim(d, rank)};
    v = dec_contract(d, DS_GRAPH_matmul, a->type->elem, rank, dims, &k, 1, a, dec_map_of(d, rank + 1, am, rank), w,
                     dec_map_of(d, rank + 1, wm, 2));
    ds_op *product = v->op->kind == DS_GRAPH_map ? ds_op_operand(v->op, 0)->op : v->op; /* of narrower floats */
    if (product && product->kind == DS_GRAPH_matmul && ds_op_int(op, "accuracy_level", 0) == ROUNDS_LEFT)
        ds_op_set_attr(d->m, product, "rounds", ds_attr_string(d->cx, ds_elem_facts(DS_i8)->text));
    if (bias) {
        DS_TRY(dec_per_channel(d, bias, dims[rank - 1], "the bias has an element for each column"));
        v = dec_binary(d, DS_LOOP_add, v, bias);
    }
    d->out[0] = v;
    return DS_OK;
}

/* ---- rows of a table of few bits ---- */

/* Where the indices' dims take the place of dim `gathered`, this dim is found. */
static size_t moved(size_t dim, size_t gathered, size_t index_rank) {
    return dim < gathered ? dim : dim + index_rank - 1;
}

/* What the values `v` stand for, which have blocks along `axis`; packed ones are so along the last dim. */
static ds_status dequantised_rows(dec *d, ds_value *v, ds_value *scales, ds_value *zeros, size_t axis, int64_t bits,
                                  ds_value **out) {
    int64_t size = ds_op_int(d->op, "block_size", 128);
    bool packed = v->type->elem == DS_u8 && bits < 8;
    size_t rank = v->type->rank, last = rank - 1;
    const ds_expr *dims[DEC_MAX_RANK], *read[DEC_MAX_RANK], *block[DEC_MAX_RANK], *zero[DEC_MAX_RANK],
        *blocks[DEC_MAX_RANK], *per_byte = dec_const(d, packed ? 8 / bits : 1);
    for (size_t i = 0; i < rank; i++) {
        dims[i] = i == last ? ds_expr_mul(d->cx, v->type->dims[i], per_byte) : v->type->dims[i];
        read[i] = block[i] = dec_dim(d, i);
        blocks[i] = dims[i];
        if (i == last) read[i] = ds_expr_floordiv(d->cx, read[i], per_byte);
        if (i == axis) block[i] = ds_expr_floordiv(d->cx, dec_dim(d, i), dec_const(d, size));
        if (i == axis) blocks[i] = ds_expr_ceildiv(d->cx, dims[i], dec_const(d, size));
        zero[i] = i == last ? ds_expr_floordiv(d->cx, block[i], per_byte) : block[i];
    }
    DS_TRY(dec_has_shape(d, scales->type, rank, blocks, "there is a scale for each block"));
    blocks[last] = ds_expr_ceildiv(d->cx, blocks[last], per_byte);
    if (zeros) DS_TRY(dec_has_shape(d, zeros->type, rank, blocks, "there is a zero point for each block"));
    ds_value *inputs[] = {v, scales, zeros};
    const ds_attr *maps[] = {dec_map_of(d, rank, read, rank), dec_map_of(d, rank, block, rank),
                             dec_map_of(d, rank, zero, rank)};
    body b = map_begin(d, scales->type->elem, rank, dims, inputs, maps, zeros ? 3 : 2), *r = &b;
    ds_value *x = packed ? unpacked(r, &r->x[0], rank, dec_dim(d, last), bits) : cast_to(r, r->x[0], DS_i32), *middle;
    if (zeros) middle = packed ? unpacked(r, &r->x[2], rank, block[last], bits) : cast_to(r, r->x[2], DS_i32);
    else middle = whole(r, DS_i32, v->type->elem == DS_u8 ? 1 << (bits - 1) : 0);
    *out = map_end(r, MUL(cast_to(r, SUB(x, middle), r->x[1]->type->elem), r->x[1]));
    return DS_OK;
}

/* Rows are gathered as they are, with their scales and zero points, and dequantised then. */
RULE(gather_block_quantized) {
    ds_value *x = dec_in(d, 0), *tables[] = {x, dec_in(d, 2), dec_in(d, 3)}, *rows[3] = {NULL};
    size_t rank = x->type->rank, gathered, axis;
    int64_t bits = ds_op_int(op, "bits", 4), size = ds_op_int(op, "block_size", 128);
    DS_TRY(dec_axis(d, ds_op_int(op, "gather_axis", 0), rank, &gathered));
    DS_TRY(dec_axis(d, ds_op_int(op, "quantize_axis", 1), rank, &axis));
    if (gathered == axis) return dec_refuse(d, "blocks along the axis that is gathered");
    if (!has_numbers_of(bits) || bytes_of(bits) > 1) return dec_refuse(d, "values of %lld bits", (long long)bits);
    if (size < 16 || (size & (size - 1)))
        return dec_fail(d, DS_E_attribute, "block_size is %lld, no power of two from 16 on", (long long)size);
    if (x->type->elem == DS_u8 && bits < 8 && gathered == rank - 1) return dec_refuse(d, "gathering parts of bytes");
    if (tables[2] && tables[2]->type->elem != x->type->elem)
        return dec_fail(d, DS_E_type, "values are %s, their zero points are %s", ds_elem_facts(x->type->elem)->text,
                        ds_elem_facts(tables[2]->type->elem)->text);
    const ds_named_attr along = {"axis", ds_attr_int(d->cx, (int64_t)gathered)};
    for (size_t i = 0; i < 3 && tables[i]; i++) {
        ds_value *operands[] = {tables[i], dec_in(d, 1)};
        if (tables[i]->type->rank != rank)
            return dec_fail(d, DS_E_shape, "values, scales and zero points differ in rank");
        DS_TRY(dec_apply(d, DS_ONNX_Gather, operands, 2, &along, 1, &rows[i], 1));
    }
    return dequantised_rows(d, rows[0], rows[1], rows[2], moved(axis, gathered, dec_type(d, 1)->rank), bits,
                            &d->out[0]);
}
