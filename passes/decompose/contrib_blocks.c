/* Operators of com.microsoft on weights of few bits, which have a scale, and maybe a zero point, for each block of their
 * last axis. */
#include <string.h>

#include "passes/decompose/decompose.h"

/* Numbers of `bits` bits, several in a byte, the lower bits first. */
static ds_value *unpacked(body *r, ds_value *byte, size_t dims, const ds_expr *place, int64_t bits) {
    dec *d = r->d;
    ds_value *v = cast_to(r, byte, DS_i32);
    if (bits == 8) return v;
    const ds_expr *shift = ds_expr_scale(d->cx, ds_expr_mod(d->cx, place, dec_const(d, 8 / bits)), bits);
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

/* w[N, K] of b[N, blocks, bytes of a block] */
static ds_status weights_in_blocks(dec *d, ds_value *b, ds_value *scales, ds_value *zeros, ds_value **out) {
    int64_t bits = ds_op_int(d->op, "bits", 4), size = ds_op_int(d->op, "block_size", 0);
    const ds_expr *n = dec_const(d, ds_op_int(d->op, "N", 0)), *k = dec_const(d, ds_op_int(d->op, "K", 0));
    const ds_expr *dims[] = {n, k}, *row = dec_dim(d, 0), *at = dec_dim(d, 1), *block = dec_const(d, size),
                  *per_byte = dec_const(d, 8 / bits), *blocks = ds_expr_ceildiv(d->cx, k, block);
    const ds_expr *of_block = ds_expr_floordiv(d->cx, at, block);
    const ds_expr *byte = ds_expr_floordiv(d->cx, ds_expr_mod(d->cx, at, block), per_byte);
    const ds_expr *read[] = {row, of_block, byte}, *stored[] = {n, blocks, dec_const(d, size * bits / 8)};
    ds_value *inputs[] = {b, scales, zeros};
    const ds_attr *maps[3] = {dec_map_of(d, 2, read, 3)};
    bool packed = zeros && !ds_elem_is_float(zeros->type->elem);
    DS_TRY(dec_has_shape(d, b->type, 3, stored, "weights are as many as N, K, bits and block_size say"));
    DS_TRY(per_block(d, scales, n, blocks, of_block, &maps[1]));
    if (packed && zeros->type->elem != DS_u8) return dec_fail(d, DS_E_type, "packed zero points are of type ui8");
    if (packed)
        DS_TRY(per_block(d, zeros, n, ds_expr_ceildiv(d->cx, blocks, per_byte),
                         ds_expr_floordiv(d->cx, of_block, per_byte), &maps[2]));
    else if (zeros) DS_TRY(per_block(d, zeros, n, blocks, of_block, &maps[2]));
    body o = map_begin(d, DS_f32, 2, dims, inputs, maps, zeros ? 3 : 2), *r = &o;
    ds_value *v = unpacked(r, r->x[0], 2, at, bits), *scale = cast_to(r, r->x[1], DS_f32);
    if (zeros && !packed) v = SUB(cast_to(r, v, DS_f32), cast_to(r, r->x[2], DS_f32));
    else v = SUB(v, packed ? unpacked(r, r->x[2], 2, of_block, bits) : whole(r, DS_i32, 1 << (bits - 1)));
    *out = map_end(r, MUL(cast_to(r, v, DS_f32), scale));
    return DS_OK;
}

RULE(matmul_nbits) {
    ds_value *w, *v, *a = dec_in(d, 0), *b = dec_in(d, 1), *bias = dec_in(d, 5);
    int64_t bits = ds_op_int(op, "bits", 4), size = ds_op_int(op, "block_size", 0);
    size_t rank = a->type->rank;
    const ds_expr *dims[DEC_MAX_RANK], *am[DEC_MAX_RANK], *k = dec_const(d, ds_op_int(op, "K", 0)), *same;
    if (dec_in(d, 4)) return dec_refuse(d, "columns in an order of their own (g_idx)");
    if (ds_op_int(op, "weight_prepacked", 0)) return dec_refuse(d, "weights in the order of one machine");
    if (bits != 2 && bits != 4 && bits != 8) return dec_refuse(d, "weights of %lld bits", (long long)bits);
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
    if (bias) {
        DS_TRY(dec_per_channel(d, bias, dims[rank - 1], "the bias has an element for each column"));
        v = dec_binary(d, DS_LOOP_add, v, bias);
    }
    d->out[0] = v;
    return DS_OK;
}
