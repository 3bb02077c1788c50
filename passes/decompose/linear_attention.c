/* LinearAttention: a matrix of keys and values for each head, changed and asked at each step; a graph.loop over the
 * steps. */
#include <math.h>
#include <string.h>

#include "passes/decompose/decompose.h"

typedef struct {
    dec *d;
    const ds_expr *batch, *steps, *heads, *each, *keys, *values; /* each: query heads of a key head */
    ds_value *q, *k, *v, *decay, *beta; /* [batch, step, head, …]; decay and beta may be NULL */
    bool corrects;                      /* the delta rule: what the keys recall already is taken off the values */
    double scale;
    ds_elem wide;
} linear_attention;

/* [batch, steps, heads * size] -> [batch, steps, heads, size], in the element type of the computation */
static ds_status by_head(linear_attention *n, ds_value *x, const char *what, const ds_expr *heads, const ds_expr **size,
                         ds_value **out) {
    dec *d = n->d;
    const ds_type *t = x->type;
    const ds_expr *same;
    if (t->rank != 3) return dec_fail(d, DS_E_shape, "%s has rank %zu, not 3", what, t->rank);
    DS_TRY(dec_same(d, t->dims[0], n->batch, &same));
    DS_TRY(dec_same(d, t->dims[1], n->steps, &same));
    if (!*size) *size = ds_expr_floordiv(d->cx, t->dims[2], heads);
    DS_TRY(dec_require(d, DS_equal, ds_expr_mul(d->cx, *size, heads), t->dims[2], "%s has a row for each head", what));
    const ds_expr *dims[] = {n->batch, n->steps, heads, *size};
    *out = dec_reshape(d, dec_convert(d, x, n->wide), 4, dims);
    return DS_OK;
}

/* Dim `at` of extent `full`, where something is read that has that extent or 1. */
static const ds_expr *stretched(linear_attention *n, const ds_expr *extent_of, const ds_expr *full, size_t at) {
    ds_ir_context *cx = n->d->cx;
    const ds_expr *one = dec_const(n->d, 1), *many = ds_expr_min(cx, one, ds_expr_sub(cx, extent_of, one));
    return extent_of == full ? dec_dim(n->d, at) : ds_expr_mul(cx, many, dec_dim(n->d, at));
}

/* How x[batch, step, head, size] is read at step t, for dims (batch, head, …, size at `at`). */
static const ds_attr *at_step(linear_attention *n, const ds_value *x, const ds_expr *t, size_t rank, size_t at) {
    dec *d = n->d;
    const ds_expr *full = x == n->v ? n->values : n->keys;
    const ds_expr *e[] = {dec_dim(d, 0), t, dec_dim(d, 1), stretched(n, x->type->dims[3], full, at)};
    return dec_map_of(d, rank, e, 4);
}

/* state[b, h, i, j] * exp(decay[b, t, h, i]) */
static ds_value *decayed(linear_attention *n, ds_value *state, const ds_expr *t) {
    dec *d = n->d;
    if (!n->decay) return state;
    ds_value *inputs[] = {state, n->decay};
    const ds_attr *maps[] = {ds_attr_identity_map(d->cx, 4), at_step(n, n->decay, t, 4, 2)};
    body b = map_begin(d, n->wide, 4, state->type->dims, inputs, maps, 2), *r = &b;
    return map_end(r, MUL(r->x[0], EXP(r->x[1])));
}

/* recalled[b, h, j] = sum over i of state[b, h, i, j] * k[b, t, h, i] */
static ds_value *recalled(linear_attention *n, ds_value *state, const ds_expr *t) {
    dec *d = n->d;
    const ds_expr *dims[] = {n->batch, n->heads, n->values},
                  *e[] = {dec_dim(d, 0), dec_dim(d, 1), dec_dim(d, 3), dec_dim(d, 2)};
    ds_value *inputs[] = {state, n->k};
    const ds_attr *maps[] = {dec_map_of(d, 4, e, 4), at_step(n, n->k, t, 4, 3)};
    body b = reduce_begin(d, n->wide, 3, dims, &n->keys, 1, inputs, maps, 2), *r = &b;
    return reduce_end(r, MUL(r->x[0], r->x[1]), DS_LOOP_add);
}

/* state + beta * k (v - recalled), an outer product for each head */
static ds_value *updated(linear_attention *n, ds_value *state, const ds_expr *t) {
    dec *d = n->d;
    ds_value *inputs[5] = {state, n->k, n->v};
    const ds_attr *maps[5] = {ds_attr_identity_map(d->cx, 4), at_step(n, n->k, t, 4, 2), at_step(n, n->v, t, 4, 3)};
    const ds_expr *row[] = {dec_dim(d, 0), dec_dim(d, 1), dec_dim(d, 3)};
    size_t count = 3, recalled_at = 0, beta_at = 0;
    if (n->corrects)
        recalled_at = count, inputs[count] = recalled(n, state, t), maps[count++] = dec_map_of(d, 4, row, 3);
    if (n->corrects && n->beta) {
        const ds_expr *e[] = {dec_dim(d, 0), t, stretched(n, n->beta->type->dims[2], n->heads, 1)};
        beta_at = count, inputs[count] = n->beta, maps[count++] = dec_map_of(d, 4, e, 3);
    }
    body b = map_begin(d, n->wide, 4, state->type->dims, inputs, maps, count), *r = &b;
    ds_value *change = recalled_at ? SUB(r->x[2], r->x[recalled_at]) : r->x[2];
    ds_value *product = MUL(r->x[1], change);
    return map_end(r, ADD(r->x[0], beta_at ? MUL(r->x[beta_at], product) : product));
}

/* answer[b, h, e, j] = scale * sum over i of q[b, t, h * each + e, i] * state[b, h, i, j] */
static ds_value *answer(linear_attention *n, ds_value *state, const ds_expr *t) {
    dec *d = n->d;
    const ds_expr *dims[] = {n->batch, n->heads, n->each, n->values};
    const ds_expr *head = ds_expr_add(d->cx, ds_expr_mul(d->cx, dec_dim(d, 1), n->each), dec_dim(d, 2));
    const ds_expr *qe[] = {dec_dim(d, 0), t, head, dec_dim(d, 4)},
                  *se[] = {dec_dim(d, 0), dec_dim(d, 1), dec_dim(d, 4), dec_dim(d, 3)};
    ds_value *inputs[] = {n->q, state};
    const ds_attr *maps[] = {dec_map_of(d, 5, qe, 4), dec_map_of(d, 5, se, 4)};
    body b = reduce_begin(d, n->wide, 4, dims, &n->keys, 1, inputs, maps, 2), *r = &b;
    ds_value *sum = reduce_end(r, MUL(r->x[0], r->x[1]), DS_LOOP_add);
    b = map_same(d, n->wide, sum);
    ds_value *scale = n->scale != 0
                          ? num(r, n->wide, n->scale)
                          : DIV(num(r, n->wide, 1), op1(r, DS_LOOP_sqrt, cast_to(r, extent(r, n->keys), n->wide)));
    return map_end(r, MUL(r->x[0], scale));
}

/* The loop: out[0] the last state, out[1] the answers [step, batch, head, each, value]. */
static void all_steps(linear_attention *n, ds_value *initial, ds_value **out) {
    dec *d = n->d;
    const char *turn = ds_module_new_symbol(d->m, DS_SYMBOL_turn);
    const ds_expr *t = ds_expr_symbol(d->cx, turn), *dims[] = {n->steps, n->batch, n->heads, n->each, n->values};
    const ds_type *types[] = {initial->type, ds_type_tensor(d->cx, n->wide, 5, dims, NULL)};
    ds_op *loop = ds_op_create(&d->b, DS_GRAPH_loop, &initial, 1, types, 2, 1);
    ds_op_set_attr(d->m, loop, "counter", ds_attr_string(d->cx, turn));
    ds_op_set_attr(d->m, loop, "extent", ds_attr_expr(d->cx, n->steps));
    ds_block *block = ds_op_block(loop, 0);
    ds_value *state = ds_block_add_arg(d->m, block, initial->type, NULL);
    ds_builder outer = d->b;
    d->b.block = block, d->b.before = NULL;
    ds_value *fresh = updated(n, decayed(n, state, t), t), *yields[] = {fresh, answer(n, fresh, t)};
    ds_op_create(&d->b, DS_GRAPH_yield, yields, 2, NULL, 0, 0);
    d->b = outer;
    out[0] = ds_op_result(loop, 0), out[1] = ds_op_result(loop, 1);
}

RULE(linear_attention) {
    static const size_t batch_first[] = {1, 0, 2, 3, 4};
    ds_value *q = dec_in(d, 0), *past = dec_in(d, 3), *decay = dec_in(d, 4), *beta = dec_in(d, 5), *ends[2];
    const char *rule = ds_op_text(op, "update_rule", "gated_delta");
    int64_t query_heads = ds_op_int(op, "q_num_heads", 0), heads = ds_op_int(op, "kv_num_heads", 0);
    bool gated = !strncmp(rule, "gated", 5);
    if (q->type->rank != 3) return dec_fail(d, DS_E_shape, "the query has rank %zu, not 3", q->type->rank);
    if (heads < 1 || query_heads < heads || query_heads % heads)
        return dec_fail(d, DS_E_attribute, "%lld query heads share %lld key heads", (long long)query_heads,
                        (long long)heads);
    linear_attention n = {.d = d, .batch = q->type->dims[0], .steps = q->type->dims[1], .heads = dec_const(d, heads)};
    n.each = dec_const(d, query_heads / heads), n.wide = dec_compute_elem(q->type->elem);
    n.corrects = !strcmp(rule, "delta") || !strcmp(rule, "gated_delta"), n.scale = ds_op_float(op, "scale", 0);
    if (!gated && !n.corrects && strcmp(rule, "linear"))
        return dec_fail(d, DS_E_attribute, "there is no update rule '%s'", rule);
    if ((gated && !decay) || (n.corrects && !beta))
        return dec_fail(d, DS_E_arity, "update rule '%s' needs decay or beta", rule);
    DS_TRY(by_head(&n, q, "the query", dec_const(d, query_heads), &n.keys, &n.q));
    DS_TRY(by_head(&n, dec_in(d, 1), "the key", n.heads, &n.keys, &n.k));
    DS_TRY(by_head(&n, dec_in(d, 2), "the value", n.heads, &n.values, &n.v));
    const ds_expr *decays = NULL, *state[] = {n.batch, n.heads, n.keys, n.values}, *same;
    if (gated) {
        DS_TRY(by_head(&n, decay, "the decay", n.heads, &decays, &n.decay));
        DS_TRY(dec_require(d, DS_stretch, decays, n.keys, "the decay has a number for each head, or for each key"));
    }
    if (n.corrects) {
        if (beta->type->rank != 3) return dec_fail(d, DS_E_shape, "beta has rank %zu, not 3", beta->type->rank);
        DS_TRY(dec_same(d, beta->type->dims[0], n.batch, &same));
        DS_TRY(dec_same(d, beta->type->dims[1], n.steps, &same));
        DS_TRY(dec_require(d, DS_stretch, beta->type->dims[2], n.heads, "beta has one number, or one for each head"));
        n.beta = dec_convert(d, beta, n.wide);
    }
    if (past && past->type->rank != 4)
        return dec_fail(d, DS_E_shape, "the past state has rank %zu, not 4", past->type->rank);
    for (size_t i = 0; past && i < 4; i++) DS_TRY(dec_same(d, past->type->dims[i], state[i], &same));
    body b = map_over(d, n.wide, 4, state, NULL, 0);
    ds_value *initial = map_end(&b, num(&b, n.wide, 0));
    if (past) initial = dec_reshape(d, dec_convert(d, past, n.wide), 4, state);
    all_steps(&n, initial, ends);
    const ds_expr *flat[] = {n.batch, n.steps, ds_expr_mul(d->cx, dec_const(d, query_heads), n.values)};
    d->out[0] = dec_convert(d, dec_reshape(d, dec_transpose(d, ends[1], batch_first), 3, flat), q->type->elem);
    if (op->result_count > 1) d->out[1] = dec_convert(d, ends[0], past ? past->type->elem : q->type->elem);
    return DS_OK;
}
