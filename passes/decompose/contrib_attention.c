/* Attention of com.microsoft: projections, biases, caches and masks around the standard domain's Attention and
 * RotaryEmbedding. */
#include <string.h>

#include "passes/decompose/decompose.h"

static const ds_attr *int_attr(dec *d, int64_t v) { return ds_attr_int(d->cx, v); }

/* `count` places along the last axis from `start` on. */
static ds_value *columns(dec *d, ds_value *x, const ds_expr *start, const ds_expr *count) {
    return dec_slice(d, x, x->type->rank - 1, start, count, 1);
}

/* ---- rotary positions ---- */

/* x[batch, length, heads * size] or [batch, heads, length, size]; cos, sin[position, half]; ids[batch, length] */
static ds_status rotated(dec *d, ds_value *x, ds_value *const *tables, ds_value *ids, int64_t heads, int64_t turned,
                         bool interleaved, ds_value **out) {
    ds_value *operands[] = {x, tables[0], tables[1], ids};
    const ds_named_attr attrs[] = {{"num_heads", int_attr(d, heads)},
                                   {"interleaved", int_attr(d, interleaved)},
                                   {"rotary_embedding_dim", turned ? int_attr(d, turned) : NULL}};
    return dec_apply(d, DS_ONNX_RotaryEmbedding, operands, 4, attrs, 3, out, 1);
}

/* Places of a sequence from a first one on, which is that of all batches or of each. */
static ds_value *positions_from(dec *d, ds_value *first, const ds_expr *batch, const ds_expr *length) {
    const ds_expr *dims[] = {batch, length}, *own = first->type->dims[0],
                  *at = ds_expr_equals(own, 1) ? dec_const(d, 0) : dec_dim(d, 0);
    const ds_attr *map = dec_map_of(d, 2, &at, 1);
    body b = map_begin(d, DS_i64, 2, dims, &first, &map, 1), *r = &b;
    return map_end(r, ADD(cast_to(r, r->x[0], DS_i64), cast_to(r, position(r, 1), DS_i64)));
}

RULE(contrib_rotary) {
    ds_value *x = dec_in(d, 0), *ids = dec_in(d, 1), *tables[] = {dec_in(d, 2), dec_in(d, 3)};
    int64_t heads = ds_op_int(op, "num_heads", 0), turned = ds_op_int(op, "rotary_embedding_dim", 0), half, width;
    size_t rank = x->type->rank;
    if (ds_op_int(op, "is_packed_batching", 0))
        return dec_refuse(d, "batches of several lengths in one (is_packed_batching)");
    if (ds_op_float(op, "scale", 1) != 1) return dec_refuse(d, "rotary positions with a scale");
    if (rank == 3 && !heads) {
        if (turned) return dec_fail(d, DS_E_attribute, "rotary_embedding_dim comes with num_heads");
        if (!ds_expr_is_const(tables[0]->type->dims[1], &half) || !ds_expr_is_const(x->type->dims[2], &width) || !half)
            return dec_refuse(d, "a number of heads that is known only at run time");
        heads = width / (2 * half);
    }
    if (ids->type->rank == 1) {
        const ds_expr *one = dec_const(d, 1);
        DS_TRY(dec_has_shape(d, ids->type, 1, &one, "there is one first position"));
        ids = positions_from(d, ids, x->type->dims[0], x->type->dims[rank == 3 ? 1 : 2]);
    }
    return rotated(d, x, tables, ids, heads, turned, ds_op_int(op, "interleaved", 0), &d->out[0]);
}

/* ---- masks ---- */

/* Which keys count, from an operand of integers, as what is added to the scores: 0 or mask_filter_value. Of shape
 * [batch, keys] or [batch, queries, keys], 0 where a key does not count; [batch], how many count; [2 batch], where they
 * end and begin. */
static ds_status mask_of(dec *d, ds_value *mask, const ds_expr *batch, const ds_expr *keys, ds_elem elem,
                         ds_value **out) {
    size_t rank = mask->type->rank;
    const ds_expr *one = dec_const(d, 1), *b = dec_dim(d, 0), *j = dec_dim(d, 3), *own = mask->type->dims[0];
    const ds_expr *dims[] = {batch, one, rank == 3 ? mask->type->dims[1] : one, keys}, *at[] = {b, j, j};
    const ds_expr *behind = ds_expr_add(d->cx, b, batch);
    ds_value *inputs[] = {mask, mask};
    if (rank > 3) return dec_refuse(d, "a mask of rank %zu", rank);
    if (rank == 3) at[1] = dec_dim(d, 2);
    const ds_attr *maps[] = {dec_map_of(d, 4, at, rank), dec_map_of(d, 4, &behind, 1)};
    bool both = rank == 1 && own != batch && own == ds_expr_scale(d->cx, batch, 2);
    if (rank > 1)
        DS_TRY(dec_require(d, DS_equal, mask->type->dims[rank - 1], keys, "the mask has an element for each key"));
    if (!both) {
        if (rank == 1 && own != batch && ds_expr_is_const(own, NULL) && ds_expr_is_const(batch, NULL))
            return dec_refuse(d, "a mask of %lld numbers", (long long)own->value);
        DS_TRY(dec_require(d, DS_equal, own, batch, "the mask is one for each batch"));
    }
    body o = map_begin(d, elem, 4, dims, inputs, maps, both ? 2 : 1), *r = &o;
    ds_value *key = cast_to(r, position(r, 3), DS_i64), *end = cast_to(r, r->x[0], DS_i64), *counts;
    if (rank > 1) counts = op2(r, DS_LOOP_ne, end, whole(r, DS_i64, 0));
    else counts = both ? AND(LE(cast_to(r, r->x[1], DS_i64), key), LT(key, end)) : LT(key, end);
    ds_elem wide = dec_compute_elem(elem);
    double never = ds_op_float(d->op, "mask_filter_value", -10000);
    *out = map_end(r, SELECT(counts, num(r, wide, 0), num(r, wide, never)));
    return DS_OK;
}

/* ---- attention with equal numbers of heads ---- */

typedef struct {
    ds_value *q, *k, *v;       /* [batch, length, heads * size]; k and v maybe [batch, heads, length, size] */
    ds_value *past_k, *past_v; /* [batch, heads, length, size] */
    ds_value *mask, *bias;     /* integers; what is added to the scores */
} heads_of;

/* 0 stands for the default, 1 / sqrt(size). */
static ds_named_attr scale_of(dec *d) {
    return (ds_named_attr){"scale", ds_op_float(d->op, "scale", 0) == 0 ? NULL : ds_op_attr(d->op, "scale")};
}

/* out: the result, keys and values with those of the past. */
static ds_status attend(dec *d, const heads_of *h, ds_value **out) {
    int64_t heads = ds_op_int(d->op, "num_heads", 0);
    ds_value *mask = NULL, *bias = h->bias;
    const ds_expr *batch = h->q->type->dims[0], *keys = h->k->type->dims[h->k->type->rank - 2];
    if (h->k->type->rank == 3) keys = h->k->type->dims[1];
    if (!h->past_k != !h->past_v) return dec_fail(d, DS_E_arity, "past keys come with past values, or neither");
    if (h->past_k) keys = ds_expr_add(d->cx, keys, h->past_k->type->dims[2]);
    if (h->mask) DS_TRY(mask_of(d, h->mask, batch, keys, h->q->type->elem, &mask));
    if (mask && bias) bias = dec_binary(d, DS_LOOP_add, bias, mask);
    ds_value *operands[] = {h->q, h->k, h->v, bias ? bias : mask, h->past_k, h->past_v};
    const ds_named_attr attrs[] = {{"q_num_heads", int_attr(d, heads)},
                                   {"kv_num_heads", int_attr(d, heads)},
                                   {"is_causal", int_attr(d, ds_op_int(d->op, "unidirectional", 0))},
                                   scale_of(d)};
    return dec_apply(d, DS_ONNX_Attention, operands, 6, attrs, DS_COUNT(attrs), out, 3);
}

/* x[batch, length, heads, parts, size] -> part `i` as [batch, length, heads * size] */
static ds_value *unpacked(dec *d, ds_value *x, int64_t i) {
    const ds_expr *const *t = x->type->dims, *dims[] = {t[0], t[1], ds_expr_mul(d->cx, t[2], t[4])};
    return dec_reshape(d, dec_slice(d, x, 3, dec_const(d, i), dec_const(d, 1), 1), 3, dims);
}

/* Queries, keys and values each have their part of one bias; what is divided into heads already has it, too. */
static ds_status add_biases(dec *d, heads_of *h, ds_value *bias) {
    ds_value **x[] = {&h->q, &h->k, &h->v};
    const ds_expr *at = dec_const(d, 0);
    for (size_t i = 0; i < 3; i++) {
        const ds_type *t = (*x[i])->type;
        const ds_expr *width = t->rank == 3 ? t->dims[2] : ds_expr_mul(d->cx, t->dims[1], t->dims[3]);
        if (t->rank == 3) *x[i] = dec_binary(d, DS_LOOP_add, *x[i], columns(d, bias, at, width));
        at = ds_expr_add(d->cx, at, width);
    }
    return dec_per_channel(d, bias, at, "the bias has an element for each column of queries, keys and values");
}

RULE(multi_head_attention) {
    ds_value *x = dec_in(d, 0), *k = dec_in(d, 1), *results[3];
    heads_of h = {.q = x, .k = k, .v = dec_in(d, 2), .past_k = dec_in(d, 6), .past_v = dec_in(d, 7)};
    h.mask = dec_in(d, 4);
    h.bias = dec_in(d, 5);
    if (dec_in(d, 8) || dec_in(d, 9)) return dec_refuse(d, "a cache that is shared, or of several beams");
    if (op->result_count > 3 && !ds_value_unused(&op->results[3])) return dec_refuse(d, "scores as a result");
    if (x->type->rank == 5) {
        h.q = unpacked(d, x, 0);
        h.k = unpacked(d, x, 1);
        h.v = unpacked(d, x, 2);
    } else if (x->type->rank != 3) return dec_fail(d, DS_E_shape, "queries have rank %zu", x->type->rank);
    else if (k && k->type->rank == 5) {
        h.k = unpacked(d, k, 0);
        h.v = unpacked(d, k, 1);
    }
    if (!h.k || !h.v) return dec_fail(d, DS_E_arity, "keys or values are missing");
    if (dec_in(d, 3)) DS_TRY(add_biases(d, &h, dec_in(d, 3)));
    DS_TRY(attend(d, &h, results));
    for (size_t i = 0; i < op->result_count && i < 3; i++) d->out[i] = results[i];
    return DS_OK;
}

/* past[2, batch, heads, length, size]: keys or values */
static ds_value *half_of_past(dec *d, ds_value *past, int64_t i) {
    return dec_reshape(d, dec_slice(d, past, 0, dec_const(d, i), dec_const(d, 1), 1), 4, &past->type->dims[1]);
}

/* Attention of x[batch, length, …], which has queries, keys and values one after the other. */
static ds_status self_attention(dec *d, ds_value *x, ds_value *past, ds_value *mask, ds_value *bias) {
    const ds_expr *whole = x->type->dims[2], *third = ds_expr_floordiv(d->cx, whole, dec_const(d, 3)),
                  *width[] = {third, third, third}, *at = dec_const(d, 0);
    int64_t sizes[3];
    ds_value *parts[3], *results[3], *present[2];
    size_t given = ds_op_ints(d->op, "qkv_hidden_sizes", sizes, 3);
    if (given && given != 3) return dec_fail(d, DS_E_attribute, "attribute 'qkv_hidden_sizes' has %zu entries", given);
    if (ds_op_int(d->op, "do_rotary", 0)) return dec_refuse(d, "rotary positions (do_rotary)");
    if (ds_op_int(d->op, "past_present_share_buffer", 0)) return dec_refuse(d, "a cache that is shared");
    for (size_t i = 0; i < 3; i++) {
        if (given) width[i] = dec_const(d, sizes[i]);
        parts[i] = columns(d, x, at, width[i]);
        at = ds_expr_add(d->cx, at, width[i]);
    }
    DS_TRY(dec_require(d, DS_equal, at, whole, "queries, keys and values have all columns"));
    heads_of h = {.q = parts[0], .k = parts[1], .v = parts[2], .mask = mask, .bias = bias};
    if (past) {
        if (past->type->rank != 5) return dec_fail(d, DS_E_shape, "the past has rank %zu", past->type->rank);
        h.past_k = half_of_past(d, past, 0);
        h.past_v = half_of_past(d, past, 1);
    }
    DS_TRY(attend(d, &h, results));
    d->out[0] = results[0];
    if (d->op->result_count < 2 || ds_value_unused(&d->op->results[1])) return DS_OK;
    for (size_t i = 0; i < 2; i++) {
        const ds_expr *const *t = results[1 + i]->type->dims, *dims[] = {dec_const(d, 1), t[0], t[1], t[2], t[3]};
        present[i] = dec_reshape(d, results[1 + i], 5, dims);
    }
    return dec_concat(d, present, 2, 0, &d->out[1]);
}

RULE(contrib_attention) {
    ds_value *x, *bias = dec_in(d, 2);
    (void)op;
    if (dec_in(d, 6)) return dec_refuse(d, "a cache that is shared");
    DS_TRY(dec_matmul(d, dec_in(d, 0), dec_in(d, 1), dec_type(d, 0)->elem, &x));
    if (bias) {
        DS_TRY(dec_per_channel(d, bias, x->type->dims[2], "the bias has an element for each column"));
        x = dec_binary(d, DS_LOOP_add, x, bias);
    }
    return self_attention(d, x, dec_in(d, 4), dec_in(d, 3), dec_in(d, 5));
}

/* Bytes times bytes; from there on it is Attention. */
RULE(qattention) {
    ds_value *x, *factors[] = {dec_in(d, 3), dec_in(d, 4)};
    (void)op;
    DS_TRY(dec_scaled_product(d, dec_in(d, 0), dec_in(d, 6), dec_in(d, 1), dec_in(d, 7), factors, dec_in(d, 2),
                              factors[0]->type->elem, &x));
    return self_attention(d, x, dec_in(d, 8), dec_in(d, 5), NULL);
}

/* ---- attention in groups of heads, with a cache ---- */

typedef struct {
    ds_value *q, *k, *v; /* [batch, length, heads * size] */
    const ds_expr *batch, *length, *total;
    ds_value *start, *visible; /* for each batch: keys before the new ones; keys that its queries may see */
    int64_t heads, kv_heads;
} grouped;

/* How many keys are there before the new ones: all but the new, none where all keys are new. */
static void note_lengths(dec *d, grouped *g, ds_value *last) {
    bool causal = ds_op_int(d->op, "causal", 1);
    body b = map_same(d, DS_i64, last), *r = &b;
    ds_value *length = cast_to(r, extent(r, g->length), DS_i64), *total = cast_to(r, extent(r, g->total), DS_i64);
    ds_value *none = whole(r, DS_i64, 0), *all = ADD(cast_to(r, r->x[0], DS_i64), whole(r, DS_i64, 1));
    g->start = map_end(r, SELECT(EQ(length, total), none, MAX(SUB(all, length), none)));
    b = map_same(d, DS_i64, causal ? g->start : last);
    all = cast_to(r, r->x[0], DS_i64);
    length = causal ? cast_to(r, extent(r, g->length), DS_i64) : whole(r, DS_i64, 1);
    g->visible = map_end(r, ADD(all, length));
}

/* Queries and keys of each head by the root of their mean square. */
static ds_status normed(dec *d, ds_value **x, ds_value *weight, int64_t heads, const char *epsilon) {
    const ds_expr *const *t = (*x)->type->dims, *count = dec_const(d, heads),
                         *split[] = {t[0], t[1], count, ds_expr_floordiv(d->cx, t[2], count)},
                         *flat[] = {t[0], t[1], t[2]};
    double otherwise = ds_op_float(d->op, "qk_norm_epsilon", (double)1e-6f);
    ds_value *operands[] = {dec_reshape(d, *x, 4, split), weight};
    const ds_named_attr attrs[] = {{"epsilon", ds_attr_float(d->cx, ds_op_float(d->op, epsilon, otherwise))}};
    DS_TRY(dec_apply(d, DS_ONNX_RMSNormalization, operands, 2, attrs, 1, x, 1));
    *x = dec_reshape(d, *x, 3, flat);
    return DS_OK;
}

static ds_status turn_queries_and_keys(dec *d, grouped *g, const ds_expr *size) {
    ds_value *tables[] = {dec_in(d, 7), dec_in(d, 8)}, *ids = dec_in(d, 9);
    int64_t half, whole_size, turned = 0;
    bool interleaved = ds_op_int(d->op, "rotary_interleaved", 0);
    if (!tables[0] || !tables[1]) return dec_fail(d, DS_E_arity, "rotary positions need tables of cosines and sines");
    bool known = ds_expr_is_const(size, &whole_size) && ds_expr_is_const(tables[0]->type->dims[1], &half);
    if (known && 2 * half != whole_size) turned = 2 * half; /* else it has to turn out that they are equal */
    if (!ids) ids = positions_from(d, g->start, g->batch, g->length);
    DS_TRY(rotated(d, g->q, tables, ids, g->heads, turned, interleaved, &g->q));
    return rotated(d, g->k, tables, ids, g->kv_heads, turned, interleaved, &g->k);
}

/* The cache with x[batch, length, heads * size] from place start[batch] on; what is behind stays as it was. */
static ds_value *with_cache(dec *d, const grouped *g, ds_value *past, ds_value *x, const ds_expr *extent_of,
                            const ds_expr *size) {
    const ds_expr *dims[] = {g->batch, dec_const(d, g->kv_heads), extent_of, size}, *batch = dec_dim(d, 0);
    ds_value *inputs[] = {g->start, past};
    const ds_attr *maps[] = {dec_map_of(d, 4, &batch, 1), ds_attr_identity_map(d->cx, 4)};
    body b = map_begin(d, x->type->elem, 4, dims, inputs, maps, past ? 2 : 1), *r = &b;
    if (past) map_pad(r, 1, 0);
    ds_value *place = SUB(position(r, 2), cast_to(r, r->x[0], DS_index));
    ds_value *is_new = AND(LE(num(r, DS_index, 0), place), LT(place, extent(r, g->length)));
    ds_value *column = ADD(MUL(position(r, 1), extent(r, size)), position(r, 3));
    ds_value *at[] = {position(r, 0), clamp_index(r, place, g->length), column}, *v = extract(r, x, at, 3);
    return map_end(r, SELECT(is_new, v, past ? r->x[1] : like(r, v, 0)));
}

/* The same in a cache that has room for the new ones: only they are written. */
static ds_status written_into(dec *d, const grouped *g, ds_value *past, ds_value *x, const ds_expr *size,
                              ds_value **out) {
    const ds_expr *heads = dec_const(d, g->kv_heads), *split[] = {g->batch, g->length, heads, size};
    const ds_expr *dims[] = {g->batch, heads, past->type->dims[2], size};
    const size_t heads_first[] = {0, 2, 1, 3};
    ds_value *rows = dec_transpose(d, dec_reshape(d, x, 4, split), heads_first),
             *operands[] = {dec_reshape(d, past, 4, dims), rows, g->start};
    const ds_named_attr attrs[] = {{"axis", int_attr(d, 2)}};
    return dec_apply(d, DS_ONNX_TensorScatter, operands, 3, attrs, 1, out, 1);
}

static ds_status check_grouped(dec *d) {
    static const char *const words[] = {[11] = "sinks of attention",
                                        [12] = "a quantised cache",
                                        [13] = "a quantised cache",
                                        [16] = "chunks that are filled up (query_seqlens)"};
    for (size_t i = 0; i < DS_COUNT(words); i++)
        if (words[i] && dec_in(d, i)) return dec_refuse(d, "%s", words[i]);
    if (ds_op_int(d->op, "smooth_softmax", 0) > 0) return dec_refuse(d, "sinks of attention");
    if (ds_op_int(d->op, "sliding_window_cache", 0)) return dec_refuse(d, "a cache of the window's size");
    if (ds_op_int(d->op, "kv_cache_bit_width", 0)) return dec_refuse(d, "a quantised cache");
    if (d->op->result_count > 3 && !ds_value_unused(&d->op->results[3])) return dec_refuse(d, "scores as a result");
    if (ds_op_int(d->op, "num_heads", 0) < 1 || ds_op_int(d->op, "kv_num_heads", 0) < 1)
        return dec_fail(d, DS_E_attribute, "num_heads or kv_num_heads is missing");
    if (!dec_in(d, 3) != !dec_in(d, 4)) return dec_fail(d, DS_E_arity, "past keys come with past values, or neither");
    if (!dec_in(d, 1) != !dec_in(d, 2)) return dec_fail(d, DS_E_arity, "keys come with values, or neither");
    if (!dec_in(d, 14) != !dec_in(d, 15)) return dec_fail(d, DS_E_arity, "norms are of queries and keys, or neither");
    return DS_OK;
}

/* Queries, keys and values, as operands or one after the other in one. */
static ds_status open_grouped(dec *d, grouped *g, const ds_expr **size) {
    ds_value *x = dec_in(d, 0);
    *g = (grouped){.q = x, .k = dec_in(d, 1), .v = dec_in(d, 2), .batch = x->type->dims[0], .length = x->type->dims[1]};
    g->heads = ds_op_int(d->op, "num_heads", 0);
    g->kv_heads = ds_op_int(d->op, "kv_num_heads", 0);
    size_t count;
    int64_t all = g->heads + (g->k ? 0 : 2 * g->kv_heads);
    *size = ds_expr_floordiv(d->cx, x->type->dims[2], dec_const(d, all));
    DS_TRY(dec_require(d, DS_equal, ds_expr_scale(d->cx, *size, all), x->type->dims[2], "heads divide the columns"));
    DS_TRY(dec_ints(d, dec_in(d, 6), &g->total, 1, &count));
    if (!g->k) {
        const ds_expr *q = ds_expr_scale(d->cx, *size, g->heads), *kv = ds_expr_scale(d->cx, *size, g->kv_heads);
        g->q = columns(d, x, dec_const(d, 0), q);
        g->k = columns(d, x, q, kv);
        g->v = columns(d, x, ds_expr_add(d->cx, q, kv), kv);
    }
    const ds_expr *dims[] = {g->batch, g->length, ds_expr_scale(d->cx, *size, g->kv_heads)};
    DS_TRY(dec_has_shape(d, g->k->type, 3, dims, "keys are as many as queries, and have the columns of their heads"));
    DS_TRY(dec_has_shape(d, g->v->type, 3, dims, "values are as many as queries, and have the columns of their heads"));
    DS_TRY(dec_require(d, DS_at_most, dec_const(d, 1), g->length, "there is a query"));
    DS_TRY(dec_require(d, DS_at_most, g->length, g->total, "there are no fewer keys than queries"));
    return dec_has_shape(d, dec_type(d, 5), 1, &g->batch, "there is a number of keys for each batch");
}

RULE(group_query_attention) {
    grouped g;
    const ds_expr *size, *extents;
    ds_value *results[1], *present[2], *keys[2], *past[] = {dec_in(d, 3), dec_in(d, 4)};
    int64_t window = ds_op_int(op, "local_window_size", -1);
    DS_TRY(check_grouped(d));
    if (window == 0) return dec_fail(d, DS_E_attribute, "a window of no keys");
    DS_TRY(open_grouped(d, &g, &size));
    note_lengths(d, &g, dec_in(d, 5));
    if (dec_in(d, 14)) {
        DS_TRY(normed(d, &g.q, dec_in(d, 14), g.heads, "q_norm_epsilon"));
        DS_TRY(normed(d, &g.k, dec_in(d, 15), g.kv_heads, "k_norm_epsilon"));
    }
    if (ds_op_int(op, "do_rotary", 0)) DS_TRY(turn_queries_and_keys(d, &g, size));
    bool in_place = dec_shares_memory(d, past[0], 1) || dec_shares_memory(d, past[1], 2);
    if (in_place)
        DS_TRY(dec_require(d, DS_at_most, g.total, past[0]->type->dims[2], "the cache has room for all keys"));
    extents = in_place  ? past[0]->type->dims[2]
              : past[0] ? ds_expr_max(d->cx, past[0]->type->dims[2], g.total)
                        : g.total;
    for (size_t i = 0; i < 2; i++) {
        if (past[i]) {
            const ds_expr *dims[] = {g.batch, dec_const(d, g.kv_heads), past[0]->type->dims[2], size};
            DS_TRY(dec_has_shape(d, past[i]->type, 4, dims, "the cache has the keys' batches, heads and size"));
        }
        if (past[i] && extents == past[0]->type->dims[2])
            DS_TRY(written_into(d, &g, past[i], i ? g.v : g.k, size, &present[i]));
        else present[i] = with_cache(d, &g, past[i], i ? g.v : g.k, extents, size);
        keys[i] = extents == g.total ? present[i] : dec_slice(d, present[i], 2, dec_const(d, 0), g.total, 1);
    }
    ds_value *operands[] = {g.q, keys[0], keys[1], dec_in(d, 10), NULL, NULL, g.visible};
    const ds_named_attr attrs[] = {{"q_num_heads", int_attr(d, g.heads)},
                                   {"is_causal", int_attr(d, ds_op_int(op, "causal", 1))},
                                   {"left_window_size", window > 0 ? int_attr(d, window - 1) : NULL},
                                   scale_of(d)};
    DS_TRY(dec_apply(d, DS_ONNX_Attention, operands, 7, attrs, DS_COUNT(attrs), results, 1));
    d->out[0] = results[0];
    for (size_t i = 0; i < 2 && i + 1 < op->result_count; i++) d->out[i + 1] = present[i];
    return DS_OK;
}
