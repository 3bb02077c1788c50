/* Attention and what belongs to it: two contractions with a masked softmax between them, rotary positions, gated
 * units. */
#include <math.h>
#include <string.h>

#include "passes/decompose/decompose.h"

/* ---- Attention ---- */

/* Dimensions of scores: batch, key head, query head of that key head (`each`), query, key. */
typedef struct {
    dec *d;
    ds_op *op;
    const ds_expr *batch, *heads, *each, *queries, *keys;
    const ds_expr *past; /* keys before the first query's own, where every batch has the same number */
    ds_value *nonpad;    /* else: keys in use, for each batch */
    ds_elem wide;
} attention;

/* [batch, length, heads * size] -> [batch, heads, length, size]; what has rank 4 stays */
static ds_status split_heads(dec *d, ds_value **x, int64_t heads) {
    static const size_t perm[] = {0, 2, 1, 3};
    const ds_type *t = (*x)->type;
    if (t->rank == 4) return DS_OK;
    if (t->rank != 3 || heads < 1)
        return dec_fail(d, DS_E_shape, "queries, keys and values need rank 4, or rank 3 with their numbers of heads");
    const ds_expr *count = dec_const(d, heads),
                  *dims[] = {t->dims[0], t->dims[1], count, ds_expr_floordiv(d->cx, t->dims[2], count)};
    *x = dec_transpose(d, dec_reshape(d, *x, 4, dims), perm);
    return DS_OK;
}

static ds_value *merge_heads(dec *d, ds_value *x) {
    static const size_t perm[] = {0, 2, 1, 3};
    const ds_expr *const *t = x->type->dims, *dims[] = {t[0], t[2], ds_expr_mul(d->cx, t[1], t[3])};
    return dec_reshape(d, dec_transpose(d, x, perm), 3, dims);
}

/* [batch, heads, each, rows, columns] -> [batch, heads * each, rows, columns] */
static ds_value *flat_heads(attention *n, ds_value *x) {
    const ds_expr *const *t = x->type->dims, *dims[] = {t[0], ds_expr_mul(n->d->cx, t[1], t[2]), t[3], t[4]};
    return dec_reshape(n->d, x, 4, dims);
}

/* result[b, h, e, i, j] = sum over k of a[b, h, e, i, k] * c[b, h, …]; `keys_last`: c is read at [j, k], else at [k,
 * j] */
static ds_value *head_product(attention *n, ds_value *a, ds_value *c, bool keys_last) {
    dec *d = n->d;
    size_t last = keys_last ? 2 : 3;
    const ds_expr *dims[] = {n->batch, n->heads, n->each, n->queries, c->type->dims[last]},
                  *over = c->type->dims[5 - last];
    const ds_expr *am[] = {dec_dim(d, 0), dec_dim(d, 1), dec_dim(d, 2), dec_dim(d, 3), dec_dim(d, 5)};
    const ds_expr *cm[] = {dec_dim(d, 0), dec_dim(d, 1), dec_dim(d, keys_last ? 4 : 5), dec_dim(d, keys_last ? 5 : 4)};
    return dec_contract(d, DS_GRAPH_matmul, n->wide, 5, dims, &over, 1, a, dec_map_of(d, 6, am, 5), c,
                        dec_map_of(d, 6, cm, 4));
}

/* Query i's position among the keys; -1 window sizes leave a side open. */
static ds_value *in_sight(body *r, attention *n, ds_value *nonpad) {
    ds_value *i = position(r, 3), *j = position(r, 4), *ok = NULL;
    int64_t left = ds_op_int(n->op, "left_window_size", -1), right = ds_op_int(n->op, "right_window_size", -1);
    ds_value *offset = n->past  ? extent(r, n->past)
                       : nonpad ? SUB(nonpad, extent(r, n->queries))
                                : num(r, DS_index, 0),
             *at = ADD(i, offset);
    if (ds_op_int(n->op, "is_causal", 0)) ok = LE(j, at);
    if (left >= 0) {
        ds_value *near = LE(SUB(at, j), num(r, DS_index, (double)left));
        ok = ok ? AND(ok, near) : near;
    }
    if (right >= 0) {
        ds_value *near = LE(SUB(j, at), num(r, DS_index, (double)right));
        ok = ok ? AND(ok, near) : near;
    }
    if (nonpad) ok = ok ? AND(ok, LT(j, nonpad)) : LT(j, nonpad);
    return ok;
}

/* Scores with the mask added; -inf where a query must not look. A mask that is shorter than the keys hides the rest. */
static ds_status masked_scores(attention *n, ds_value *scores, ds_value *mask, ds_value **out) {
    dec *d = n->d;
    ds_value *inputs[3] = {scores}, *v;
    const ds_attr *maps[3] = {ds_attr_identity_map(d->cx, 5)};
    size_t count = 1, nonpad_at = 0;
    if (mask) {
        size_t rank = mask->type->rank;
        const ds_expr *exprs[4], *head = ds_expr_add(d->cx, ds_expr_mul(d->cx, dec_dim(d, 1), n->each), dec_dim(d, 2));
        const ds_expr *place[] = {dec_dim(d, 0), head, dec_dim(d, 3), dec_dim(d, 4)},
                      *whole[] = {n->batch, ds_expr_mul(d->cx, n->heads, n->each), n->queries, n->keys};
        for (size_t i = 0; i < rank; i++) {
            size_t from = 4 - rank + i; /* of batch, head, query, key */
            const ds_expr *own = mask->type->dims[i];
            exprs[i] = place[from];
            if (from == 3) DS_TRY(dec_require(d, DS_at_most, own, n->keys, "a mask is not longer than the keys"));
            else {
                DS_TRY(dec_fits(d, own, whole[from], "the mask has the scores' extents, or 1"));
                exprs[i] = dec_stretched(d, own, whole[from], place[from]);
            }
        }
        inputs[count] = mask, maps[count++] = dec_map_of(d, 5, exprs, rank);
    }
    if (n->nonpad) {
        const ds_expr *batch = dec_dim(d, 0);
        nonpad_at = count, inputs[count] = n->nonpad, maps[count++] = dec_map_of(d, 5, &batch, 1);
    }
    body b = map_begin(d, n->wide, 5, scores->type->dims, inputs, maps, count), *r = &b;
    ds_value *never = num(r, n->wide, -(double)INFINITY),
             *ok = in_sight(r, n, n->nonpad ? cast_to(r, r->x[nonpad_at], DS_index) : NULL);
    v = r->x[0];
    if (mask && mask->type->elem == DS_b1) {
        map_pad(r, 1, 0);
        v = SELECT(r->x[1], v, never);
    } else if (mask) {
        map_pad(r, 1, -(double)INFINITY);
        ds_value *m = cast_to(r, r->x[1], n->wide);
        v = SELECT(EQ(m, never), never, ADD(v, m));
    }
    *out = map_end(r, ok ? SELECT(ok, v, never) : v);
    return DS_OK;
}

/* Softmax over the keys; a row of -inf gives zeros. */
static ds_value *masked_softmax(attention *n, ds_value *x, ds_elem elem) {
    dec *d = n->d;
    const ds_expr *row[] = {dec_dim(d, 0), dec_dim(d, 1), dec_dim(d, 2), dec_dim(d, 3)},
                  *all[] = {row[0], row[1], row[2], row[3], dec_dim(d, 4)};
    const ds_attr *maps[] = {dec_map_of(d, 5, all, 5), dec_map_of(d, 5, row, 4)};
    const ds_expr *const *dims = x->type->dims;
    body b = reduce_begin(d, elem, 4, dims, &dims[4], 1, &x, maps, 1), *r = &b;
    ds_value *most = reduce_end(r, cast_to(r, r->x[0], elem), DS_LOOP_greater), *inputs[] = {x, most};
    b = map_begin(d, elem, 5, dims, inputs, maps, 2);
    ds_value *shift = SELECT(EQ(r->x[1], num(r, elem, -(double)INFINITY)), num(r, elem, 0), r->x[1]);
    ds_value *e = map_end(r, op1(r, DS_LOOP_decay, SUB(shift, cast_to(r, r->x[0], elem))));
    b = reduce_begin(d, elem, 4, dims, &dims[4], 1, &e, maps, 1);
    ds_value *both[] = {e, reduce_end(r, r->x[0], DS_LOOP_add)};
    b = map_begin(d, n->wide, 5, dims, both, maps, 2);
    return map_end(r, DIV(r->x[0], SELECT(EQ(r->x[1], num(r, elem, 0)), num(r, elem, 1), r->x[1])));
}

static ds_status attention_shapes(attention *n, ds_value *q, ds_value *k, ds_value *v) {
    dec *d = n->d;
    const ds_expr *const *kt = k->type->dims, *const *vt = v->type->dims, *same;
    DS_TRY(dec_same(d, q->type->dims[0], kt[0], &n->batch));
    DS_TRY(dec_same(d, n->batch, vt[0], &n->batch));
    DS_TRY(dec_same(d, kt[1], vt[1], &n->heads));
    DS_TRY(dec_same(d, kt[2], vt[2], &n->keys));
    DS_TRY(dec_same(d, q->type->dims[3], kt[3], &same));
    n->queries = q->type->dims[2];
    const ds_expr *query_heads = q->type->dims[1];
    n->each = query_heads == n->heads ? dec_const(d, 1) : ds_expr_floordiv(d->cx, query_heads, n->heads);
    return dec_require(d, DS_equal, ds_expr_mul(d->cx, n->each, n->heads), query_heads,
                       "each key head has as many query heads");
}

/* Queries times a scale that is known, or 1 / sqrt(size). */
static ds_value *scaled_queries(attention *n, ds_value *q) {
    dec *d = n->d;
    const ds_expr *size = q->type->dims[3], *dims[] = {n->batch, n->heads, n->each, n->queries, size};
    body b = map_same(d, n->wide, q), *r = &b;
    ds_value *x = cast_to(r, r->x[0], n->wide);
    ds_value *scaled = ds_op_attr(n->op, "scale") ? MUL(x, num(r, n->wide, ds_op_float(n->op, "scale", 1)))
                                                  : DIV(x, op1(r, DS_LOOP_sqrt, cast_to(r, extent(r, size), n->wide)));
    return dec_reshape(d, map_end(r, scaled), 5, dims);
}

static ds_value *capped(attention *n, ds_value *scores) {
    double cap = ds_op_float(n->op, "softcap", 0);
    if (cap <= 0) return scores;
    body b = map_same(n->d, n->wide, scores), *r = &b;
    ds_value *c = num(r, n->wide, cap);
    return map_end(r, MUL(op1(r, DS_LOOP_tanh, DIV(r->x[0], c)), c));
}

RULE(attention) {
    ds_value *q = dec_in(d, 0), *k = dec_in(d, 1), *v = dec_in(d, 2), *mask = dec_in(d, 3),
             *past[] = {dec_in(d, 4), dec_in(d, 5)}, *stages[4];
    ds_elem elem = q->type->elem, softmax_elem = ds_elem_from_onnx((int)ds_op_int(op, "softmax_precision", 1));
    attention n = {.d = d, .op = op, .nonpad = dec_in(d, 6), .wide = dec_compute_elem(elem)};
    bool merged = q->type->rank == 3;
    int64_t heads[] = {ds_op_int(op, "q_num_heads", 0), ds_op_int(op, "kv_num_heads", 0)};
    DS_TRY(split_heads(d, &q, heads[0]));
    DS_TRY(split_heads(d, &k, heads[1]));
    DS_TRY(split_heads(d, &v, heads[1]));
    if (q->type->rank != 4 || k->type->rank != 4 || v->type->rank != 4 ||
        (mask && (mask->type->rank < 1 || mask->type->rank > 4)))
        return dec_fail(d, DS_E_shape, "queries, keys, values or mask have a wrong rank");
    if (past[0] && past[1]) {
        ds_value *keys[] = {past[0], k}, *values[] = {past[1], v};
        n.past = past[0]->type->dims[2];
        DS_TRY(dec_concat(d, keys, 2, 2, &k));
        DS_TRY(dec_concat(d, values, 2, 2, &v));
    }
    DS_TRY(attention_shapes(&n, q, k, v));
    stages[0] = head_product(&n, scaled_queries(&n, q), dec_convert(d, k, n.wide), true);
    stages[1] = capped(&n, stages[0]);
    DS_TRY(masked_scores(&n, stages[1], mask, &stages[2]));
    stages[3] = masked_softmax(&n, stages[2], softmax_elem == DS_f64 ? DS_f64 : n.wide);
    ds_value *y = flat_heads(&n, head_product(&n, stages[3], dec_convert(d, v, n.wide), false));
    d->out[0] = dec_convert(d, merged ? merge_heads(d, y) : y, elem);
    if (op->result_count > 1) d->out[1] = k;
    if (op->result_count > 2) d->out[2] = v;
    if (op->result_count > 3)
        d->out[3] = dec_convert(d, flat_heads(&n, stages[ds_op_int(op, "qk_matmul_output_mode", 0) & 3]), elem);
    return DS_OK;
}

/* ---- FlexAttention ---- */

/* x[b, h, e, i, j] after the op's region, which takes and gives [b, h * each, i, j]; its ops move to where the op
 * stands. */
static ds_status modified(attention *n, size_t region, ds_elem elem, ds_value **x) {
    dec *d = n->d;
    ds_block *block = ds_op_block(n->op, region);
    if (!block->first) return DS_OK;
    const ds_type *type = (*x)->type;
    ds_value *given = flat_heads(n, dec_convert(d, *x, elem));
    if (block->arg_count != 1) return dec_fail(d, DS_E_arity, "a modifier takes %zu values, not 1", block->arg_count);
    ds_value_replace_uses(block->args[0], given);
    DS_TRY(dec_block(d, block));
    if (block->last->operand_count != 1)
        return dec_fail(d, DS_E_arity, "a modifier gives %zu values, not 1", block->last->operand_count);
    ds_value *result = ds_op_operand(block->last, 0);
    if (result->type != given->type) return dec_fail(d, DS_E_shape, "a modifier changes the type or the extents");
    while (block->first != block->last) ds_op_move(block->first, n->op->block, n->op);
    *x = dec_reshape(d, dec_convert(d, result, n->wide), 5, type->dims);
    return DS_OK;
}

RULE(flex_attention) {
    ds_value *q = dec_in(d, 0), *k = dec_in(d, 1), *v = dec_in(d, 2);
    ds_elem elem = q->type->elem;
    attention n = {.d = d, .op = op, .wide = elem == DS_f64 ? DS_f64 : dec_compute_elem(elem)};
    ds_elem precision = ds_elem_from_onnx((int)ds_op_int(op, "softmax_precision", elem == DS_f64 ? 11 : 1));
    if (q->type->rank != 4 || k->type->rank != 4 || v->type->rank != 4)
        return dec_fail(d, DS_E_shape, "queries, keys or values do not have rank 4");
    if (!ds_elem_is_float(elem) || !ds_elem_is_float(precision)) return dec_fail(d, DS_E_type, "scores are floats");
    if (op->region_count != 2) return dec_fail(d, DS_E_arity, "there are %zu modifiers", op->region_count);
    DS_TRY(attention_shapes(&n, q, k, v));
    ds_value *x = head_product(&n, scaled_queries(&n, q), dec_convert(d, k, n.wide), true);
    DS_TRY(modified(&n, 0, precision, &x));
    x = masked_softmax(&n, x, precision == DS_f64 ? DS_f64 : n.wide);
    DS_TRY(modified(&n, 1, precision, &x));
    d->out[0] = dec_convert(d, flat_heads(&n, head_product(&n, x, dec_convert(d, v, n.wide), false)), elem);
    return DS_OK;
}

/* ---- RotaryEmbedding ---- */

/* cache[batch, position, half]: as it is, or the rows that position_ids name */
static ds_value *rotary_rows(dec *d, ds_value *cache, ds_value *ids) {
    if (!ids) return cache;
    const ds_expr *dims[] = {ids->type->dims[0], ids->type->dims[1], cache->type->dims[1]},
                  *where[] = {dec_dim(d, 0), dec_dim(d, 1)};
    const ds_attr *map = dec_map_of(d, 3, where, 2);
    body b = map_begin(d, cache->type->elem, 3, dims, &ids, &map, 1);
    ds_value *at[] = {clamp_index(&b, b.x[0], cache->type->dims[0]), position(&b, 2)};
    return map_end(&b, extract(&b, cache, at, 2));
}

RULE(rotary_embedding) {
    ds_value *x = dec_in(d, 0), *ids = dec_in(d, 3), *cache[2], *parts[3], *turned[2];
    bool merged = x->type->rank == 3, interleaved = ds_op_int(op, "interleaved", 0);
    ds_elem elem = x->type->elem;
    DS_TRY(split_heads(d, &x, ds_op_int(op, "num_heads", 0)));
    const ds_expr *size = x->type->dims[3], *zero = dec_const(d, 0), *two = dec_const(d, 2), *same;
    int64_t rotated = ds_op_int(op, "rotary_embedding_dim", 0);
    const ds_expr *span = rotated ? dec_const(d, rotated) : size, *half = ds_expr_floordiv(d->cx, span, two);
    for (size_t i = 0; i < 2; i++) {
        cache[i] = dec_in(d, 1 + i);
        if (cache[i]->type->rank != (ids ? 2u : 3u) || (ids && ids->type->rank != 2))
            return dec_fail(d, DS_E_shape, "caches and positions do not fit together");
        cache[i] = rotary_rows(d, cache[i], ids);
        DS_TRY(dec_same(d, cache[i]->type->dims[2], half, &same));
        parts[i] = interleaved ? dec_slice(d, x, 3, dec_const(d, (int64_t)i), half, 2)
                               : dec_slice(d, x, 3, i ? half : zero, half, 1);
    }
    const ds_expr *row[] = {dec_dim(d, 0), dec_dim(d, 2), dec_dim(d, 3)};
    const ds_attr *here = ds_attr_identity_map(d->cx, 4), *angle = dec_map_of(d, 4, row, 3),
                  *maps[] = {here, here, angle, angle};
    ds_value *inputs[] = {parts[0], parts[1], cache[0], cache[1]};
    for (size_t i = 0; i < 2; i++) { /* (x1 cos - x2 sin, x1 sin + x2 cos) */
        body b = map_begin(d, elem, 4, parts[0]->type->dims, inputs, maps, 4), *r = &b;
        turned[i] = map_end(r, i ? ADD(MUL(r->x[0], r->x[3]), MUL(r->x[1], r->x[2]))
                                 : SUB(MUL(r->x[0], r->x[2]), MUL(r->x[1], r->x[3])));
    }
    ds_value *y;
    if (interleaved) {
        const ds_expr *pair[] = {x->type->dims[0], x->type->dims[1], x->type->dims[2], half, dec_const(d, 1)},
                      *flat[] = {pair[0], pair[1], pair[2], span};
        for (size_t i = 0; i < 2; i++) turned[i] = dec_reshape(d, turned[i], 5, pair);
        DS_TRY(dec_concat(d, turned, 2, 4, &y));
        y = dec_reshape(d, y, 4, flat);
    } else DS_TRY(dec_concat(d, turned, 2, 3, &y));
    if (span != size) {
        ds_value *both[] = {y, dec_slice(d, x, 3, span, ds_expr_sub(d->cx, size, span), 1)};
        DS_TRY(dec_concat(d, both, 2, 3, &y));
    }
    d->out[0] = merged ? merge_heads(d, y) : y;
    return DS_OK;
}

/* ---- gated units ---- */

/* a * sigmoid(alpha a) * b */
RULE(swiglu) {
    ds_value *inputs[] = {dec_in(d, 0), dec_in(d, 1)};
    const ds_type *t = inputs[0]->type;
    const ds_expr *same;
    if (t->elem != inputs[1]->type->elem || t->rank != inputs[1]->type->rank)
        return dec_fail(d, DS_E_shape, "the operands differ in type");
    for (size_t i = 0; i < t->rank; i++) DS_TRY(dec_same(d, t->dims[i], inputs[1]->type->dims[i], &same));
    const ds_attr *here = ds_attr_identity_map(d->cx, t->rank), *maps[] = {here, here};
    body b = map_begin(d, t->elem, t->rank, t->dims, inputs, maps, 2), *r = &b;
    ds_value *x = r->x[0], *one = like(r, x, 1),
             *gate = ADD(one, EXP(MUL(x, like(r, x, -ds_op_float(op, "alpha", 1)))));
    d->out[0] = map_end(r, MUL(DIV(x, gate), r->x[1]));
    return DS_OK;
}
