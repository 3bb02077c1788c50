/* LSTM, GRU and RNN as graph.loop over time.
 *
 * Products with the input are done for all steps at once, before the loop. Both directions of a bidirectional network
 * take their steps in the same turn of one loop, as dim 0 of states, weights and gates: in turn t one is at step t, the
 * other at step extent - 1 - t.
 */
#include <string.h>
#include <strings.h>

#include "passes/decompose/decompose.h"

typedef struct {
    const char *name;
    double alpha, beta;
} activation;

/* How many of the attributes' alphas and betas each takes, and those that it has otherwise. */
static const struct {
    const char *name;
    size_t parameters;
    double alpha, beta;
} activations[] = {{"Sigmoid", 0, 0, 0},
                   {"Tanh", 0, 0, 0},
                   {"Relu", 0, 0, 0},
                   {"Softsign", 0, 0, 0},
                   {"Softplus", 0, 0, 0},
                   {"LeakyRelu", 1, 0.01, 0},
                   {"ThresholdedRelu", 1, 1, 0},
                   {"Elu", 1, 1, 0},
                   {"Affine", 2, 1, 0},
                   {"ScaledTanh", 2, 1, 1},
                   {"HardSigmoid", 2, 0.2, 0.5}};

/* log(1 + e^x) = max(x, 0) + log1p(e^-|x|) */
static ds_value *softplus(body *r, ds_value *x) {
    ds_value *small = op1(r, DS_LOOP_exp, op1(r, DS_LOOP_neg, op1(r, DS_LOOP_abs, x)));
    return ADD(MAX(x, like(r, x, 0)), op1(r, DS_LOOP_log1p, small));
}

/* NULL for a name that is none of an activation. */
static ds_value *activate(body *r, const activation *a, ds_value *x) {
    ds_value *one = like(r, x, 1), *zero = like(r, x, 0), *alpha = like(r, x, a->alpha), *beta = like(r, x, a->beta);
    if (!strcmp(a->name, "Softsign")) return DIV(x, ADD(one, op1(r, DS_LOOP_abs, x)));
    if (!strcmp(a->name, "Softplus")) return softplus(r, x);
    if (!strcmp(a->name, "ThresholdedRelu")) return SELECT(LT(x, alpha), zero, x);
    if (!strcmp(a->name, "Elu")) return SELECT(LT(x, zero), MUL(alpha, SUB(EXP(x), one)), x);
    if (!strcmp(a->name, "ScaledTanh")) return MUL(alpha, op1(r, DS_LOOP_tanh, MUL(beta, x)));
    if (!strcmp(a->name, "Sigmoid"))
        return op2(r, DS_LOOP_div, one, op2(r, DS_LOOP_add, one, op1(r, DS_LOOP_exp, op1(r, DS_LOOP_neg, x))));
    if (!strcmp(a->name, "Tanh")) return op1(r, DS_LOOP_tanh, x);
    if (!strcmp(a->name, "Relu")) return op2(r, DS_LOOP_max, x, zero);
    if (!strcmp(a->name, "Affine"))
        return op2(r, DS_LOOP_add, op2(r, DS_LOOP_mul, like(r, x, a->alpha), x), like(r, x, a->beta));
    if (!strcmp(a->name, "LeakyRelu"))
        return op3(r, DS_LOOP_select, op2(r, DS_LOOP_lt, x, zero), op2(r, DS_LOOP_mul, like(r, x, a->alpha), x), x);
    if (!strcmp(a->name, "HardSigmoid"))
        return op2(r, DS_LOOP_max, zero,
                   op2(r, DS_LOOP_min, one,
                       op2(r, DS_LOOP_add, op2(r, DS_LOOP_mul, like(r, x, a->alpha), x), like(r, x, a->beta))));
    return NULL;
}

typedef struct {
    dec *d;
    ds_op *op;
    size_t gates, batch_at;
    size_t direction, count; /* the directions of one loop: the first, and how many */
    bool backward;           /* the first one */
    int64_t hidden;
    const ds_expr *seq, *batch;
    activation act[3];
    ds_value *lengths;
} recurrence;

static int64_t rows_of(const recurrence *n) { return (int64_t)n->gates * n->hidden; }

/* The step that direction `dim` is at in turn t; and the turn in which it is at step t. */
static const ds_expr *step_at(recurrence *n, const ds_expr *t, const ds_expr *dim) {
    dec *d = n->d;
    const ds_expr *mirror = ds_expr_sub(d->cx, ds_expr_sub(d->cx, n->seq, dec_const(d, 1)), t);
    if (n->count == 1) return n->backward ? mirror : t;
    return ds_expr_add(d->cx, t, ds_expr_mul(d->cx, dim, ds_expr_sub(d->cx, mirror, t)));
}

/* parameter[this loop's directions, from..from+count, :]; columns: of a parameter of rank 3 */
static ds_value *part_of(recurrence *n, ds_value *parameter, int64_t from, int64_t count, const ds_expr *columns) {
    dec *d = n->d;
    size_t rank = parameter->type->rank;
    const ds_expr *dims[3] = {dec_const(d, (int64_t)n->count), dec_const(d, count), columns};
    const ds_expr *exprs[3] = {ds_expr_add(d->cx, dec_dim(d, 0), dec_const(d, (int64_t)n->direction)),
                               ds_expr_add(d->cx, dec_dim(d, 1), dec_const(d, from)), dec_dim(d, 2)};
    const ds_attr *map = dec_map_of(d, rank, exprs, rank);
    body r = map_begin(d, parameter->type->elem, rank, dims, &parameter, &map, 1);
    return map_end(&r, r.x[0]);
}

/* v[direction, batch, rows] + bias[direction, rows] */
static ds_value *biased(dec *d, ds_value *v, ds_value *bias) {
    if (!bias) return v;
    const ds_expr *exprs[] = {dec_dim(d, 0), dec_dim(d, 2)};
    ds_value *in[] = {v, bias};
    const ds_attr *maps[] = {ds_attr_identity_map(d->cx, 3), dec_map_of(d, 3, exprs, 2)};
    body r = map_begin(d, v->type->elem, 3, v->type->dims, in, maps, 2);
    return map_end(&r, op2(&r, DS_LOOP_add, r.x[0], r.x[1]));
}

/* y[direction, batch, rows] = h[direction, batch, k] * w[direction, rows, k]^T (+ bias) */
static ds_value *linear(dec *d, ds_value *h, ds_value *w, ds_value *bias) {
    const ds_expr *dims[] = {h->type->dims[0], h->type->dims[1], w->type->dims[1]}, *k = w->type->dims[2];
    const ds_expr *am[] = {dec_dim(d, 0), dec_dim(d, 1), dec_dim(d, 3)},
                  *bm[] = {dec_dim(d, 0), dec_dim(d, 2), dec_dim(d, 3)};
    return biased(d,
                  dec_contract(d, DS_GRAPH_matmul, h->type->elem, 3, dims, &k, 1, h, dec_map_of(d, 4, am, 3), w,
                               dec_map_of(d, 4, bm, 3)),
                  bias);
}

/* All steps at once: xw[seq, batch, direction and rows] = x * W^T + bias */
static ds_value *all_steps(recurrence *n, ds_value *x, ds_value *w, ds_value *bias) {
    dec *d = n->d;
    const ds_expr *rows = dec_const(d, (int64_t)n->count * rows_of(n)), *flat[] = {rows, w->type->dims[2]};
    const ds_expr *dims[] = {n->seq, n->batch, rows},
                  *xm[] = {dec_dim(d, n->batch_at ? 0 : 1), dec_dim(d, n->batch_at ? 1 : 0), dec_dim(d, 3)},
                  *wm[] = {dec_dim(d, 2), dec_dim(d, 3)};
    w = dec_reshape(d, w, 2, flat);
    ds_value *xw = dec_contract(d, DS_GRAPH_matmul, x->type->elem, 3, dims, &flat[1], 1, x, dec_map_of(d, 4, xm, 3), w,
                                dec_map_of(d, 4, wm, 2));
    return bias ? dec_binary(d, DS_LOOP_add, xw, dec_reshape(d, bias, 1, &rows)) : xw;
}

/* The map of gate `g` of all steps' values at step t, or (t NULL) of this step's, read at [direction, batch,
 * hidden]. */
static const ds_attr *gate_map(recurrence *n, const ds_expr *t, size_t g) {
    dec *d = n->d;
    const ds_expr *at = ds_expr_add(d->cx, dec_dim(d, 2), dec_const(d, (int64_t)g * n->hidden));
    const ds_expr *row = ds_expr_add(d->cx, ds_expr_scale(d->cx, dec_dim(d, 0), rows_of(n)), at);
    const ds_expr *step[] = {t, dec_dim(d, 1), row}, *here[] = {dec_dim(d, 0), dec_dim(d, 1), at};
    return dec_map_of(d, 3, t ? step : here, 3);
}

static ds_value *clipped(body *r, ds_op *op, ds_value *v) {
    double c = ds_op_float(op, "clip", 0);
    return c > 0 ? op2(r, DS_LOOP_max, like(r, v, -c), op2(r, DS_LOOP_min, like(r, v, c), v)) : v;
}

/* What a step reads: x*W + b of all steps and the step's number; h*R; the state. */
typedef struct {
    ds_value *xw, *hr, *h, *c, *peephole;
    const ds_expr *t;
} step;

/* The new h and c. Gates come as i, o, f, c. */
static void lstm_step(recurrence *n, const step *s, ds_value **out) {
    dec *d = n->d;
    ds_value *inputs[12] = {s->xw, s->xw, s->xw, s->xw, s->hr, s->hr, s->hr, s->hr, s->c}, *z[4];
    const ds_attr *maps[12];
    size_t count = 9;
    for (size_t g = 0; g < 4; g++) maps[g] = gate_map(n, s->t, g), maps[4 + g] = gate_map(n, NULL, g);
    maps[8] = ds_attr_identity_map(d->cx, 3);
    for (size_t k = 0; s->peephole && k < 3; k++) {
        const ds_expr *e[] = {dec_dim(d, 0), ds_expr_add(d->cx, dec_dim(d, 2), dec_const(d, (int64_t)k * n->hidden))};
        inputs[count] = s->peephole, maps[count++] = dec_map_of(d, 3, e, 2);
    }
    body b = map_begin_many(d, s->h->type->elem, 2, 3, s->h->type->dims, inputs, maps, count), *r = &b;
    ds_value *old = r->x[8];
    for (size_t g = 0; g < 4; g++) z[g] = op2(r, DS_LOOP_add, r->x[g], r->x[4 + g]);
    if (s->peephole)
        z[0] = op2(r, DS_LOOP_add, z[0], op2(r, DS_LOOP_mul, r->x[9], old)),
        z[2] = op2(r, DS_LOOP_add, z[2], op2(r, DS_LOOP_mul, r->x[11], old));
    ds_value *i = activate(r, &n->act[0], clipped(r, n->op, z[0]));
    ds_value *f = ds_op_int(n->op, "input_forget", 0) ? op2(r, DS_LOOP_sub, like(r, i, 1), i)
                                                      : activate(r, &n->act[0], clipped(r, n->op, z[2]));
    ds_value *next = op2(r, DS_LOOP_add, op2(r, DS_LOOP_mul, f, old),
                         op2(r, DS_LOOP_mul, i, activate(r, &n->act[1], clipped(r, n->op, z[3]))));
    if (s->peephole) z[1] = op2(r, DS_LOOP_add, z[1], op2(r, DS_LOOP_mul, r->x[10], next));
    ds_value *h = op2(r, DS_LOOP_mul, activate(r, &n->act[0], clipped(r, n->op, z[1])), activate(r, &n->act[2], next));
    map_end_many(r, (ds_value *[]){h, next}, 2, out);
}

/* (r * h) * Rh + rbh: the hidden gate without linear_before_reset. */
static ds_value *reset_then_linear(recurrence *n, const step *s, ds_value *r_weight) {
    dec *d = n->d;
    ds_value *in[] = {s->xw, s->hr, s->h};
    const ds_attr *maps[] = {gate_map(n, s->t, 1), gate_map(n, NULL, 1), ds_attr_identity_map(d->cx, 3)};
    body b = map_begin(d, s->h->type->elem, 3, s->h->type->dims, in, maps, 3), *r = &b;
    ds_value *reset = activate(r, &n->act[0], clipped(r, n->op, op2(r, DS_LOOP_add, r->x[0], r->x[1])));
    const ds_expr *two = dec_const(d, 2 * n->hidden), *all = dec_const(d, n->hidden);
    return linear(d, map_end(r, op2(r, DS_LOOP_mul, reset, r->x[2])), dec_slice(d, r_weight, 1, two, all, 1), NULL);
}

/* The new h. Gates z, r, h; with linear_before_reset the hidden gate is r * (h*Rh + rbh). */
static ds_value *gru_step(recurrence *n, const step *s, ds_value *r_weight) {
    bool before = ds_op_int(n->op, "linear_before_reset", 0) != 0;
    const ds_attr *same = ds_attr_identity_map(n->d->cx, 3);
    ds_value *in[] = {s->xw, s->xw, s->xw, s->hr, s->hr, before ? s->hr : reset_then_linear(n, s, r_weight), s->h};
    const ds_attr *maps[] = {gate_map(n, s->t, 0),
                             gate_map(n, s->t, 1),
                             gate_map(n, s->t, 2),
                             gate_map(n, NULL, 0),
                             gate_map(n, NULL, 1),
                             before ? gate_map(n, NULL, 2) : same,
                             same};
    body b = map_begin(n->d, s->h->type->elem, 3, s->h->type->dims, in, maps, 7), *r = &b;
    ds_value *z = activate(r, &n->act[0], clipped(r, n->op, op2(r, DS_LOOP_add, r->x[0], r->x[3])));
    ds_value *inner =
        before ? op2(r, DS_LOOP_mul, activate(r, &n->act[0], clipped(r, n->op, op2(r, DS_LOOP_add, r->x[1], r->x[4]))),
                     r->x[5])
               : r->x[5];
    ds_value *candidate = activate(r, &n->act[1], clipped(r, n->op, op2(r, DS_LOOP_add, r->x[2], inner)));
    return map_end(r, op2(r, DS_LOOP_add, op2(r, DS_LOOP_mul, op2(r, DS_LOOP_sub, like(r, z, 1), z), candidate),
                          op2(r, DS_LOOP_mul, z, r->x[6])));
}

static ds_value *rnn_step(recurrence *n, const step *s) {
    ds_value *in[] = {s->xw, s->hr};
    const ds_attr *maps[] = {gate_map(n, s->t, 0), gate_map(n, NULL, 0)};
    body b = map_begin(n->d, s->h->type->elem, 3, s->h->type->dims, in, maps, 2), *r = &b;
    return map_end(r, activate(r, &n->act[0], clipped(r, n->op, op2(r, DS_LOOP_add, r->x[0], r->x[1]))));
}

/* Past a sequence's own length the state stays and the output is zero. */
static ds_value *hold(recurrence *n, ds_value *fresh, ds_value *old, const ds_expr *t) {
    dec *d = n->d;
    if (!n->lengths) return fresh;
    const ds_expr *e = dec_dim(d, 1);
    ds_value *in[] = {fresh, old ? old : fresh, n->lengths};
    const ds_attr *maps[] = {ds_attr_identity_map(d->cx, 3), ds_attr_identity_map(d->cx, 3), dec_map_of(d, 3, &e, 1)};
    body r = map_begin(d, fresh->type->elem, 3, fresh->type->dims, in, maps, 3);
    ds_value *live = op2(&r, DS_LOOP_lt, at_point(&r, 1, t), cast_to(&r, r.x[2], DS_index));
    return map_end(&r, op3(&r, DS_LOOP_select, live, r.x[0], old ? r.x[1] : like(&r, r.x[0], 0)));
}

/* initial[direction, batch, :], or [batch, direction, :], or zero: as [direction, batch, hidden] */
static ds_value *initial_state(recurrence *n, ds_value *initial, ds_elem elem) {
    dec *d = n->d;
    const ds_expr *dims[] = {dec_const(d, (int64_t)n->count), n->batch, dec_const(d, n->hidden)};
    if (!initial) {
        body r = map_over(d, elem, 3, dims, NULL, 0);
        return map_end(&r, num(&r, dec_compute_elem(elem), 0));
    }
    const ds_expr *direction = ds_expr_add(d->cx, dec_dim(d, 0), dec_const(d, (int64_t)n->direction));
    const ds_expr *exprs[] = {n->batch_at ? direction : dec_dim(d, 1), n->batch_at ? dec_dim(d, 1) : direction,
                              dec_dim(d, 2)};
    const ds_attr *map = dec_map_of(d, 3, exprs, 3);
    body r = map_begin(d, elem, 3, dims, &initial, &map, 1);
    return map_end(&r, r.x[0]);
}

/* What the loop stacked turn by turn, [seq, direction, batch, hidden], step by step. */
static ds_value *in_order(recurrence *n, ds_value *stacked) {
    dec *d = n->d;
    if (n->count == 1 && !n->backward) return stacked;
    const ds_expr *turn[] = {dec_dim(d, 0), step_at(n, dec_dim(d, 0), dec_const(d, 1))};
    const ds_attr *maps[2];
    ds_value *both[] = {stacked, stacked};
    for (size_t k = 0; k < 2; k++) {
        const ds_expr *e[] = {turn[k], dec_dim(d, 1), dec_dim(d, 2), dec_dim(d, 3)};
        maps[k] = dec_map_of(d, 4, e, 4);
    }
    body b = map_begin(d, stacked->type->elem, 4, stacked->type->dims, both, maps, 2), *r = &b;
    if (n->count == 1) return map_end(r, r->x[1]);
    ds_value *direction = position(r, 1);
    return map_end(r,
                   op3(r, DS_LOOP_select, op2(r, DS_LOOP_eq, direction, extent(r, dec_const(d, 0))), r->x[0], r->x[1]));
}

/* One loop: out[0] all steps [seq, direction, batch, hidden], out[1] last h, out[2] last c. */
static void one_loop(recurrence *n, ds_value *x, ds_value **out) {
    dec *d = n->d;
    ds_op *op = n->op;
    bool lstm = op->kind == DS_ONNX_LSTM, gru = op->kind == DS_ONNX_GRU;
    ds_elem elem = x->type->elem;
    int64_t rows = rows_of(n);
    ds_value *w = part_of(n, dec_in(d, 1), 0, rows, dec_type(d, 1)->dims[2]), *bias = NULL, *rb = NULL;
    ds_value *rw = part_of(n, dec_in(d, 2), 0, rows, dec_const(d, n->hidden));
    if (dec_in(d, 3)) bias = part_of(n, dec_in(d, 3), 0, rows, NULL), rb = part_of(n, dec_in(d, 3), rows, rows, NULL);
    if (rb && !(gru && ds_op_int(op, "linear_before_reset", 0))) bias = dec_binary(d, DS_LOOP_add, bias, rb), rb = NULL;
    ds_value *initial[] = {initial_state(n, dec_in(d, 5), elem), lstm ? initial_state(n, dec_in(d, 6), elem) : NULL};
    const char *turn = ds_module_new_symbol(d->m, DS_SYMBOL_turn);
    step s = {.xw = all_steps(n, x, w, bias), .t = step_at(n, ds_expr_symbol(d->cx, turn), dec_dim(d, 0))};
    if (lstm && dec_in(d, 7)) s.peephole = part_of(n, dec_in(d, 7), 0, 3 * n->hidden, NULL);
    size_t carried = lstm ? 2 : 1;
    const ds_type *state = initial[0]->type, *types[3] = {state, state, NULL};
    const ds_expr *dims[] = {n->seq, state->dims[0], state->dims[1], state->dims[2]};
    types[carried] = ds_type_tensor(d->cx, elem, 4, dims, NULL);
    ds_op *loop = ds_op_create(&d->b, DS_GRAPH_loop, initial, carried, types, carried + 1, 1);
    ds_op_set_attr(d->m, loop, "counter", ds_attr_string(d->cx, turn));
    ds_op_set_attr(d->m, loop, "extent", ds_attr_expr(d->cx, n->seq));
    ds_block *block = ds_op_block(loop, 0);
    s.h = ds_block_add_arg(d->m, block, state, NULL), s.c = lstm ? ds_block_add_arg(d->m, block, state, NULL) : NULL;
    ds_builder outer = d->b;
    d->b.block = block, d->b.before = NULL;
    ds_value *fresh[2];
    s.hr = linear(d, s.h, rw, rb);
    if (lstm) lstm_step(n, &s, fresh);
    else fresh[0] = gru ? gru_step(n, &s, rw) : rnn_step(n, &s);
    ds_value *yields[3] = {hold(n, fresh[0], s.h, s.t), lstm ? hold(n, fresh[1], s.c, s.t) : NULL, NULL};
    yields[carried] = hold(n, fresh[0], NULL, s.t);
    ds_op_create(&d->b, DS_GRAPH_yield, yields, carried + 1, NULL, 0, 0);
    d->b = outer;
    out[0] = in_order(n, ds_op_result(loop, carried)), out[1] = ds_op_result(loop, 0),
    out[2] = lstm ? ds_op_result(loop, 1) : NULL;
}

/* The next element of a list of floats that activations consume in their order, or `otherwise`. */
static double next_of(const ds_attr *list, size_t *at, double otherwise) {
    if (!list || list->kind != DS_ATTR_ARRAY || *at >= list->count || list->items[*at]->kind != DS_ATTR_FLOAT)
        return otherwise;
    return list->items[(*at)++]->number;
}

static void read_activations(recurrence *n, size_t per_direction) {
    const ds_attr *names = ds_op_attr(n->op, "activations"), *alpha = ds_op_attr(n->op, "activation_alpha"),
                  *beta = ds_op_attr(n->op, "activation_beta");
    size_t alphas = 0, betas = 0;
    static const char *const defaults[3][3] = {{"Sigmoid", "Tanh", "Tanh"}, {"Sigmoid", "Tanh", ""}, {"Tanh", "", ""}};
    size_t kind = n->op->kind == DS_ONNX_LSTM ? 0 : n->op->kind == DS_ONNX_GRU ? 1 : 2;
    if (names && names->kind != DS_ATTR_ARRAY) names = NULL;
    for (size_t at = 0; at < (n->direction + 1) * per_direction; at++) {
        bool named = names && at < names->count && names->items[at]->kind == DS_ATTR_STRING;
        activation a = {named ? names->items[at]->text : defaults[kind][at % per_direction], 0, 0};
        for (size_t k = 0; k < DS_COUNT(activations); k++) {
            if (strcasecmp(a.name, activations[k].name)) continue;
            a = (activation){activations[k].name, activations[k].alpha, activations[k].beta};
            if (activations[k].parameters > 0) a.alpha = next_of(alpha, &alphas, a.alpha);
            if (activations[k].parameters > 1) a.beta = next_of(beta, &betas, a.beta);
        }
        n->act[at % per_direction] = a;
    }
}

/* Both directions compute the same but for weights. */
static bool same_activations(recurrence *n, size_t per_direction) {
    activation first[3];
    bool same = true;
    n->direction = 0;
    read_activations(n, per_direction);
    memcpy(first, n->act, sizeof first);
    n->direction = 1;
    read_activations(n, per_direction);
    for (size_t i = 0; i < per_direction; i++)
        same = same && !strcmp(first[i].name, n->act[i].name) && first[i].alpha == n->act[i].alpha &&
               first[i].beta == n->act[i].beta;
    return same;
}

static ds_value *join_loops(dec *d, ds_value **parts, size_t count, size_t axis) {
    ds_value *joined = parts[0];
    if (count > 1) dec_concat(d, parts, count, axis, &joined); /* same type: cannot fail */
    return joined;
}

static ds_status fits(recurrence *n, size_t operand, const char *name, size_t rank, const ds_expr *const *dims) {
    const ds_type *t = dec_type(n->d, operand);
    if (!t) return DS_OK;
    if (t->rank != rank) return dec_fail(n->d, DS_E_shape, "'%s' has rank %zu, not %zu", name, t->rank, rank);
    for (size_t i = 0; i < rank; i++)
        DS_TRY(dec_require(n->d, DS_equal, t->dims[i], dims[i],
                           "dimension %zu of '%s' fits the input, the direction and hidden_size", i, name));
    return DS_OK;
}

/* hidden_size, or what the weights say; then every operand has the extents that follow from it. */
static ds_status check_operands(recurrence *n, int64_t directions) {
    dec *d = n->d;
    const ds_type *x = dec_type(d, 0), *w = dec_type(d, 1), *r = dec_type(d, 2);
    if (x->rank != 3 || w->rank != 3 || r->rank != 3)
        return dec_fail(d, DS_E_shape, "input or weights do not have rank 3");
    n->hidden = ds_op_int(n->op, "hidden_size", 0);
    if (!n->hidden && !ds_expr_is_const(r->dims[2], &n->hidden))
        return dec_refuse(d, "a hidden size that is known only at run time");
    if (n->hidden < 1 || n->hidden > INT32_MAX)
        return dec_fail(d, DS_E_attribute, "a hidden size of %lld", (long long)n->hidden);
    n->batch_at = ds_op_int(n->op, "layout", 0) ? 0 : 1;
    n->seq = x->dims[n->batch_at ? 0 : 1], n->batch = x->dims[n->batch_at];
    const ds_expr *each = dec_const(d, directions), *rows = dec_const(d, rows_of(n)), *hidden = dec_const(d, n->hidden);
    const ds_expr *state[] = {n->batch_at ? each : n->batch, n->batch_at ? n->batch : each, hidden};
    DS_TRY(fits(n, 1, "W", 3, (const ds_expr *[]){each, rows, x->dims[2]}));
    DS_TRY(fits(n, 2, "R", 3, (const ds_expr *[]){each, rows, hidden}));
    DS_TRY(fits(n, 3, "B", 2, (const ds_expr *[]){each, dec_const(d, 2 * rows_of(n))}));
    DS_TRY(fits(n, 4, "sequence_lens", 1, &n->batch));
    DS_TRY(fits(n, 5, "initial_h", 3, state));
    if (n->op->kind != DS_ONNX_LSTM) return DS_OK;
    DS_TRY(fits(n, 6, "initial_c", 3, state));
    return fits(n, 7, "P", 2, (const ds_expr *[]){each, dec_const(d, 3 * n->hidden)});
}

RULE(recurrent) {
    ds_value *x = dec_in(d, 0), *all[2], *last[2], *cell[2], *out[3];
    bool lstm = op->kind == DS_ONNX_LSTM;
    const char *direction = ds_op_text(op, "direction", "forward");
    size_t directions = strcmp(direction, "bidirectional") ? 1 : 2,
           per = lstm                      ? 3
                 : op->kind == DS_ONNX_GRU ? 2
                                           : 1,
           loops = 0;
    recurrence n = {.d = d,
                    .op = op,
                    .gates = lstm                      ? 4
                             : op->kind == DS_ONNX_GRU ? 3
                                                       : 1,
                    .lengths = dec_in(d, 4),
                    .count = 1};
    DS_TRY(check_operands(&n, (int64_t)directions));
    if (n.lengths) {
        int64_t lengths[64], seq;
        size_t count;
        bool full = dec_known_ints(d, n.lengths, lengths, 64, &count) && ds_expr_is_const(n.seq, &seq);
        for (size_t i = 0; full && i < count; i++) full = lengths[i] == seq;
        if (full) n.lengths = NULL;
    }
    if (directions == 2 && same_activations(&n, per)) n.count = 2;
    for (n.direction = 0; n.direction < directions; n.direction += n.count, loops++) {
        n.backward = n.direction == 1 || !strcmp(direction, "reverse");
        read_activations(&n, per);
        body probe = map_over(d, DS_f32, 0, NULL, NULL, 0); /* every activation must be one that activate() knows */
        for (size_t i = 0; i < per; i++)
            if (!activate(&probe, &n.act[i], num(&probe, DS_f32, 0)))
                return dec_refuse(d, "activation %s", n.act[i].name);
        ds_op_erase(probe.op);
        one_loop(&n, x, out);
        all[loops] = out[0], last[loops] = out[1], cell[loops] = out[2];
    }
    /* Y [seq, directions, batch, hidden]; with layout 1 [batch, seq, directions, hidden], the states [batch,
     * directions, hidden] */
    static const size_t batch_first[] = {2, 0, 1, 3}, batch_swapped[] = {1, 0, 2};
    d->out[0] = join_loops(d, all, loops, 1);
    if (op->result_count > 1) d->out[1] = join_loops(d, last, loops, 0);
    if (op->result_count > 2 && lstm) d->out[2] = join_loops(d, cell, loops, 0);
    if (n.batch_at) return DS_OK;
    d->out[0] = dec_transpose(d, d->out[0], batch_first);
    for (size_t i = 1; i < op->result_count && d->out[i]; i++) d->out[i] = dec_transpose(d, d->out[i], batch_swapped);
    return DS_OK;
}
