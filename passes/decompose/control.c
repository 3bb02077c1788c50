/* Control flow and recurrence: If; LSTM, GRU and RNN as graph.loop over time. */
#include <string.h>

#include "passes/decompose/decompose.h"

/* ---- If ---- */

static void splice(ds_block *from, ds_block *to, ds_op *before) {
    while (from->first && from->first->kind != DS_GRAPH_yield) ds_op_move(from->first, to, before);
}

RULE(if) {
    double condition;
    bool known = dec_known_scalar(d, dec_in(d, 0), &condition);
    if (known) { /* the branch that is taken, in place */
        ds_block *branch = ds_op_block(op, condition != 0 ? 0 : 1);
        DS_TRY(dec_block(d, branch));
        ds_op *yield = branch->last;
        for (size_t i = 0; i < op->result_count && i < yield->operand_count; i++) d->out[i] = ds_op_operand(yield, i);
        splice(branch, op->block, op);
        return DS_OK;
    }
    const ds_type *types[DEC_MAX_RESULTS];
    for (size_t k = 0; k < 2; k++) DS_TRY(dec_block(d, ds_op_block(op, k)));
    ds_op *yields[] = {ds_op_block(op, 0)->last, ds_op_block(op, 1)->last};
    if (op->result_count > DEC_MAX_RESULTS || yields[0]->operand_count != op->result_count || yields[1]->operand_count != op->result_count)
        return dec_fail(d, DS_E_arity, "the branches do not give %zu values", op->result_count);
    for (size_t i = 0; i < op->result_count; i++) {
        types[i] = ds_op_operand(yields[0], i)->type;
        if (types[i] != ds_op_operand(yields[1], i)->type) return dec_refuse(d, "branches whose results differ in type or shape");
        if (types[i]->kind != DS_TYPE_TENSOR) return dec_refuse(d, "sequences and optionals");
    }
    ds_value *c = dec_in(d, 0);
    ds_op *branch = ds_op_create(&d->b, DS_GRAPH_if, &c, 1, types, op->result_count, 2);
    for (size_t k = 0; k < 2; k++) {
        ds_block *to = ds_op_block(branch, k);
        while (ds_op_block(op, k)->first) ds_op_move(ds_op_block(op, k)->first, to, NULL);
    }
    for (size_t i = 0; i < op->result_count; i++) d->out[i] = ds_op_result(branch, i);
    return DS_OK;
}

/* ---- recurrent networks ---- */

typedef struct {
    const char *name;
    double alpha, beta;
} activation;

static ds_value *activate(body *r, const activation *a, ds_value *x) {
    ds_value *one = like(r, x, 1), *zero = like(r, x, 0);
    if (!strcmp(a->name, "Sigmoid")) return op2(r, DS_LOOP_div, one, op2(r, DS_LOOP_add, one, op1(r, DS_LOOP_exp, op1(r, DS_LOOP_neg, x))));
    if (!strcmp(a->name, "Tanh")) return op1(r, DS_LOOP_tanh, x);
    if (!strcmp(a->name, "Relu")) return op2(r, DS_LOOP_max, x, zero);
    if (!strcmp(a->name, "Affine")) return op2(r, DS_LOOP_add, op2(r, DS_LOOP_mul, like(r, x, a->alpha), x), like(r, x, a->beta));
    if (!strcmp(a->name, "LeakyRelu"))
        return op3(r, DS_LOOP_select, op2(r, DS_LOOP_lt, x, zero), op2(r, DS_LOOP_mul, like(r, x, a->alpha), x), x);
    if (!strcmp(a->name, "HardSigmoid"))
        return op2(r, DS_LOOP_max, zero,
                   op2(r, DS_LOOP_min, one, op2(r, DS_LOOP_add, op2(r, DS_LOOP_mul, like(r, x, a->alpha), x), like(r, x, a->beta))));
    return NULL;
}

typedef struct {
    dec *d;
    ds_op *op;
    size_t gates, direction, batch_at;
    int64_t hidden;
    const ds_expr *seq, *batch;
    activation act[3];
    ds_value *lengths;
} recurrence;

/* parameter[direction, rows from..from+count, :] as a 2-D or 1-D value */
static ds_value *part_of(recurrence *n, ds_value *parameter, int64_t from, int64_t count) {
    dec *d = n->d;
    size_t rank = parameter->type->rank;
    const ds_expr *dims[2] = {dec_const(d, count), rank == 3 ? parameter->type->dims[2] : NULL};
    const ds_expr *exprs[3] = {dec_const(d, (int64_t)n->direction), ds_expr_add(d->cx, dec_dim(d, 0), dec_const(d, from)), dec_dim(d, 1)};
    const ds_attr *map = dec_map_of(d, rank - 1, exprs, rank);
    body r = map_begin(d, parameter->type->elem, rank - 1, dims, &parameter, &map, 1);
    return map_end(&r, r.x[0]);
}

/* y[batch, rows] = x[batch, k] * w[rows, k]^T (+ bias) */
static ds_value *linear(dec *d, ds_value *x, ds_value *w, ds_value *bias) {
    const ds_expr *dims[] = {x->type->dims[0], w->type->dims[0]}, *am[] = {dec_dim(d, 0), dec_dim(d, 2)},
                  *bm[] = {dec_dim(d, 1), dec_dim(d, 2)}, *k = w->type->dims[1];
    ds_value *v = dec_contract(d, DS_GRAPH_matmul, x->type->elem, 2, dims, &k, 1, x, dec_map_of(d, 3, am, 2), w, dec_map_of(d, 3, bm, 2));
    return bias ? dec_binary(d, DS_LOOP_add, v, bias) : v;
}

/* The map of gate `g` of a [batch, gates*hidden] value, read at [batch, hidden]. */
static const ds_attr *gate_map(recurrence *n, size_t g) {
    const ds_expr *exprs[] = {dec_dim(n->d, 0), ds_expr_add(n->d->cx, dec_dim(n->d, 1), dec_const(n->d, (int64_t)g * n->hidden))};
    return dec_map_of(n->d, 2, exprs, 2);
}

static ds_value *clipped(body *r, ds_op *op, ds_value *v) {
    double c = ds_op_float(op, "clip", 0);
    return c > 0 ? op2(r, DS_LOOP_max, like(r, v, -c), op2(r, DS_LOOP_min, like(r, v, c), v)) : v;
}

/* One step's new state from xw = x*W + b [batch, gates*hidden] at time t and hr = h*R (+ rb). Fills h and, for LSTM, c. */
static void lstm_step(recurrence *n, ds_value *xw, ds_value *hr, ds_value *peephole, ds_value **h, ds_value **c) {
    dec *d = n->d;
    const ds_expr *dims[] = {n->batch, dec_const(d, n->hidden)};
    ds_value *inputs[12] = {xw, xw, xw, xw, hr, hr, hr, hr, *c};
    const ds_attr *maps[12];
    size_t count = 9;
    for (size_t g = 0; g < 4; g++) maps[g] = maps[4 + g] = gate_map(n, g);
    maps[8] = ds_attr_identity_map(d->cx, 2);
    if (peephole)
        for (size_t k = 0; k < 3; k++) {
            const ds_expr *e = ds_expr_add(d->cx, dec_dim(d, 1), dec_const(d, (int64_t)k * n->hidden));
            inputs[count] = peephole, maps[count++] = dec_map_of(d, 2, &e, 1);
        }
    for (int pass = 0; pass < 2; pass++) { /* gates come as i, o, f, c */
        body b = map_begin(d, xw->type->elem, 2, dims, inputs, maps, count), *r = &b;
        ds_value *old = r->x[8], *z[4];
        for (size_t g = 0; g < 4; g++) z[g] = op2(r, DS_LOOP_add, r->x[g], r->x[4 + g]);
        if (peephole)
            z[0] = op2(r, DS_LOOP_add, z[0], op2(r, DS_LOOP_mul, r->x[9], old)),
            z[2] = op2(r, DS_LOOP_add, z[2], op2(r, DS_LOOP_mul, r->x[11], old));
        ds_value *i = activate(r, &n->act[0], clipped(r, n->op, z[0]));
        ds_value *f =
            ds_op_int(n->op, "input_forget", 0) ? op2(r, DS_LOOP_sub, like(r, i, 1), i) : activate(r, &n->act[0], clipped(r, n->op, z[2]));
        ds_value *next =
            op2(r, DS_LOOP_add, op2(r, DS_LOOP_mul, f, old), op2(r, DS_LOOP_mul, i, activate(r, &n->act[1], clipped(r, n->op, z[3]))));
        if (pass == 0) {
            *c = map_end(r, next);
            continue;
        }
        if (peephole) z[1] = op2(r, DS_LOOP_add, z[1], op2(r, DS_LOOP_mul, r->x[10], next));
        *h = map_end(r, op2(r, DS_LOOP_mul, activate(r, &n->act[0], clipped(r, n->op, z[1])), activate(r, &n->act[2], next)));
    }
}

/* gates z, r, h; with linear_before_reset the hidden gate is r * (h*Rh + rbh), else (r*h)*Rh + rbh */
static void gru_step(recurrence *n, ds_value *xw, ds_value *hr, ds_value *r_weight, ds_value *r_bias, ds_value **h) {
    dec *d = n->d;
    const ds_expr *dims[] = {n->batch, dec_const(d, n->hidden)};
    const ds_attr *same = ds_attr_identity_map(d->cx, 2);
    ds_value *third = hr;
    if (!ds_op_int(n->op, "linear_before_reset", 0)) {
        ds_value *in[] = {xw, hr, *h};
        const ds_attr *maps[] = {gate_map(n, 1), gate_map(n, 1), same};
        body b = map_begin(d, xw->type->elem, 2, dims, in, maps, 3);
        ds_value *reset =
            map_end(&b, op2(&b, DS_LOOP_mul, activate(&b, &n->act[0], clipped(&b, n->op, op2(&b, DS_LOOP_add, b.x[0], b.x[1]))), b.x[2]));
        const ds_expr *wd[] = {dec_const(d, n->hidden), dec_const(d, n->hidden)},
                      *we[] = {ds_expr_add(d->cx, dec_dim(d, 0), dec_const(d, 2 * n->hidden)), dec_dim(d, 1)};
        const ds_attr *wm = dec_map_of(d, 2, we, 2);
        body wb = map_begin(d, xw->type->elem, 2, wd, &r_weight, &wm, 1);
        ds_value *rh = map_end(&wb, wb.x[0]), *bias = NULL;
        if (r_bias) {
            const ds_attr *bm = dec_map_of(d, 1, we, 1);
            body bb = map_begin(d, xw->type->elem, 1, wd, &r_bias, &bm, 1);
            bias = map_end(&bb, bb.x[0]);
        }
        third = linear(d, reset, rh, bias);
    }
    bool before = third == hr;
    ds_value *in[] = {xw, xw, xw, hr, hr, third, *h};
    const ds_attr *maps[] = {
        gate_map(n, 0), gate_map(n, 1), gate_map(n, 2), gate_map(n, 0), gate_map(n, 1), before ? gate_map(n, 2) : same, same};
    body b = map_begin(d, xw->type->elem, 2, dims, in, maps, 7), *r = &b;
    ds_value *z = activate(r, &n->act[0], clipped(r, n->op, op2(r, DS_LOOP_add, r->x[0], r->x[3])));
    ds_value *inner =
        before ? op2(r, DS_LOOP_mul, activate(r, &n->act[0], clipped(r, n->op, op2(r, DS_LOOP_add, r->x[1], r->x[4]))), r->x[5]) : r->x[5];
    ds_value *candidate = activate(r, &n->act[1], clipped(r, n->op, op2(r, DS_LOOP_add, r->x[2], inner)));
    *h = map_end(
        r, op2(r, DS_LOOP_add, op2(r, DS_LOOP_mul, op2(r, DS_LOOP_sub, like(r, z, 1), z), candidate), op2(r, DS_LOOP_mul, z, r->x[6])));
}

/* Past a sequence's own length the state stays and the output is zero. */
static ds_value *hold(recurrence *n, ds_value *fresh, ds_value *old, const ds_expr *t) {
    dec *d = n->d;
    if (!n->lengths) return fresh;
    const ds_expr *e = dec_dim(d, 0);
    ds_value *in[] = {fresh, old ? old : fresh, n->lengths};
    const ds_attr *maps[] = {ds_attr_identity_map(d->cx, 2), ds_attr_identity_map(d->cx, 2), dec_map_of(d, 2, &e, 1)};
    body r = map_begin(d, fresh->type->elem, 2, fresh->type->dims, in, maps, 3);
    ds_value *live = op2(&r, DS_LOOP_lt, extent(&r, t), cast_to(&r, r.x[2], DS_index));
    return map_end(&r, op3(&r, DS_LOOP_select, live, r.x[0], old ? r.x[1] : like(&r, r.x[0], 0)));
}

static ds_value *zero_state(recurrence *n, ds_elem elem) {
    const ds_expr *dims[] = {n->batch, dec_const(n->d, n->hidden)};
    body r = map_over(n->d, elem, 2, dims, NULL, 0);
    return map_end(&r, num(&r, dec_compute_elem(elem), 0));
}

/* initial[direction, :, :] or [:, direction, :] */
static ds_value *initial_state(recurrence *n, ds_value *initial, ds_elem elem) {
    dec *d = n->d;
    if (!initial) return zero_state(n, elem);
    const ds_expr *dims[] = {n->batch, dec_const(d, n->hidden)}, *direction = dec_const(d, (int64_t)n->direction);
    const ds_expr *exprs[] = {n->batch_at ? direction : dec_dim(d, 0), n->batch_at ? dec_dim(d, 0) : direction, dec_dim(d, 1)};
    const ds_attr *map = dec_map_of(d, 2, exprs, 3);
    body r = map_begin(d, elem, 2, dims, &initial, &map, 1);
    return map_end(&r, r.x[0]);
}

/* One direction: out[0] all steps [seq, batch, hidden], out[1] last h, out[2] last c. */
static ds_status one_direction(recurrence *n, ds_value *x, bool backward, ds_value **out) {
    dec *d = n->d;
    ds_op *op = n->op;
    bool lstm = op->kind == DS_ONNX_LSTM, gru = op->kind == DS_ONNX_GRU;
    ds_elem elem = x->type->elem;
    int64_t rows = (int64_t)n->gates * n->hidden;
    ds_value *w = part_of(n, dec_in(d, 1), 0, rows), *rw = part_of(n, dec_in(d, 2), 0, rows), *wb = NULL, *rb = NULL, *peephole = NULL;
    if (dec_in(d, 3)) wb = part_of(n, dec_in(d, 3), 0, rows), rb = part_of(n, dec_in(d, 3), rows, rows);
    if (lstm && dec_in(d, 7)) peephole = part_of(n, dec_in(d, 7), 0, 3 * n->hidden);
    /* all steps at once: xw[seq, batch, rows] */
    const ds_expr *xdims[] = {n->seq, n->batch, w->type->dims[0]}, *k = w->type->dims[1];
    const ds_expr *xm[] = {dec_dim(d, n->batch_at ? 0 : 1), dec_dim(d, n->batch_at ? 1 : 0), dec_dim(d, 3)},
                  *wm[] = {dec_dim(d, 2), dec_dim(d, 3)};
    ds_value *xw = dec_contract(d, DS_GRAPH_matmul, elem, 3, xdims, &k, 1, x, dec_map_of(d, 4, xm, 3), w, dec_map_of(d, 4, wm, 2));
    if (wb) xw = dec_binary(d, DS_LOOP_add, xw, wb);
    ds_value *initial[] = {initial_state(n, dec_in(d, 5), elem), lstm ? initial_state(n, dec_in(d, 6), elem) : NULL};
    size_t carried = lstm ? 2 : 1;
    const ds_expr *ydims[] = {n->seq, n->batch, dec_const(d, n->hidden)};
    const ds_type *types[3] = {initial[0]->type, initial[0]->type, NULL};
    types[carried] = ds_type_tensor(d->cx, elem, 3, ydims, NULL);
    ds_op *loop = ds_op_create(&d->b, DS_GRAPH_loop, initial, carried, types, carried + 1, 1);
    const char *counter = ds_module_new_symbol(d->m, "t");
    const ds_expr *turn = ds_expr_symbol(d->cx, counter),
                  *t = backward ? ds_expr_sub(d->cx, ds_expr_sub(d->cx, n->seq, dec_const(d, 1)), turn) : turn;
    ds_op_set_attr(d->m, loop, "counter", ds_attr_string(d->cx, counter));
    ds_op_set_attr(d->m, loop, "extent", ds_attr_expr(d->cx, n->seq));
    if (backward) ds_op_set_attr(d->m, loop, "backward", ds_attr_unit(d->cx)); /* stacked values fill from the end */
    ds_block *block = ds_op_block(loop, 0);
    ds_value *h = ds_block_add_arg(d->m, block, initial[0]->type, NULL),
             *c = lstm ? ds_block_add_arg(d->m, block, initial[0]->type, NULL) : NULL, *old_h = h, *old_c = c;
    ds_builder outer = d->b;
    d->b.block = block, d->b.before = NULL;
    const ds_expr *step_dims[] = {n->batch, w->type->dims[0]}, *step[] = {t, dec_dim(d, 0), dec_dim(d, 1)};
    const ds_attr *step_map = dec_map_of(d, 2, step, 3);
    body r = map_begin(d, elem, 2, step_dims, &xw, &step_map, 1);
    ds_value *now = map_end(&r, r.x[0]), *hr = linear(d, h, rw, rb);
    if (lstm) lstm_step(n, now, hr, peephole, &h, &c);
    else if (gru) gru_step(n, now, hr, rw, rb, &h);
    else {
        ds_value *both[] = {now, hr};
        r = map_over(d, elem, 2, step_dims, both, 2);
        h = map_end(&r, activate(&r, &n->act[0], clipped(&r, op, op2(&r, DS_LOOP_add, r.x[0], r.x[1]))));
    }
    ds_value *yields[3] = {hold(n, h, old_h, t), lstm ? hold(n, c, old_c, t) : NULL, NULL};
    yields[carried] = hold(n, h, NULL, t);
    ds_op_create(&d->b, DS_GRAPH_yield, yields, carried + 1, NULL, 0, 0);
    d->b = outer;
    out[0] = ds_op_result(loop, carried), out[1] = ds_op_result(loop, 0), out[2] = lstm ? ds_op_result(loop, 1) : NULL;
    return DS_OK;
}

static ds_value *join_directions(dec *d, ds_value **parts, size_t count, size_t axis) {
    const ds_expr *dims[DEC_MAX_RANK];
    ds_value *with[2];
    for (size_t k = 0; k < count; k++) {
        const ds_type *t = parts[k]->type;
        for (size_t i = 0; i <= t->rank; i++) dims[i] = i == axis ? dec_const(d, 1) : t->dims[i < axis ? i : i - 1];
        with[k] = dec_reshape(d, parts[k], t->rank + 1, dims);
    }
    ds_value *joined = with[0];
    if (count > 1) dec_concat(d, with, count, axis, &joined); /* same type but for the axis: cannot fail */
    return joined;
}

static void read_activations(recurrence *n, size_t per_direction) {
    const ds_attr *names = ds_op_attr(n->op, "activations"), *alpha = ds_op_attr(n->op, "activation_alpha"),
                  *beta = ds_op_attr(n->op, "activation_beta");
    static const char *const defaults[3][3] = {{"Sigmoid", "Tanh", "Tanh"}, {"Sigmoid", "Tanh", ""}, {"Tanh", "", ""}};
    size_t kind = n->op->kind == DS_ONNX_LSTM ? 0 : n->op->kind == DS_ONNX_GRU ? 1 : 2;
    for (size_t i = 0; i < per_direction; i++) {
        size_t at = n->direction * per_direction + i;
        n->act[i] = (activation){names && at < names->count ? names->items[at]->text : defaults[kind][i], 0.01, 0};
        if (!strcmp(n->act[i].name, "HardSigmoid")) n->act[i].alpha = 0.2, n->act[i].beta = 0.5;
        if (alpha && at < alpha->count) n->act[i].alpha = alpha->items[at]->number;
        if (beta && at < beta->count) n->act[i].beta = beta->items[at]->number;
    }
}

RULE(recurrent) {
    ds_value *x = dec_in(d, 0), *all[2], *last[2], *cell[2];
    bool lstm = op->kind == DS_ONNX_LSTM;
    const char *direction = ds_op_text(op, "direction", "forward");
    size_t directions = strcmp(direction, "bidirectional") ? 1 : 2, per = lstm ? 3 : op->kind == DS_ONNX_GRU ? 2 : 1;
    recurrence n = {.d = d, .op = op, .gates = lstm ? 4 : op->kind == DS_ONNX_GRU ? 3 : 1, .lengths = dec_in(d, 4)};
    if (x->type->rank != 3 || dec_type(d, 2)->rank != 3 || !ds_expr_is_const(dec_type(d, 2)->dims[2], &n.hidden))
        return dec_fail(d, DS_E_shape, "input or weight does not have rank 3");
    n.batch_at = ds_op_int(op, "layout", 0) ? 0 : 1;
    n.seq = x->type->dims[n.batch_at ? 0 : 1], n.batch = x->type->dims[n.batch_at];
    if (n.lengths) {
        int64_t lengths[64], seq;
        size_t count;
        bool full = dec_known_ints(d, n.lengths, lengths, 64, &count) && ds_expr_is_const(n.seq, &seq);
        for (size_t i = 0; full && i < count; i++) full = lengths[i] == seq;
        if (full) n.lengths = NULL;
    }
    for (n.direction = 0; n.direction < directions; n.direction++) {
        ds_value *out[3];
        read_activations(&n, per);
        body probe = map_over(d, DS_f32, 0, NULL, NULL, 0); /* every activation must be one that activate() knows */
        for (size_t i = 0; i < per; i++)
            if (!activate(&probe, &n.act[i], num(&probe, DS_f32, 0))) return dec_refuse(d, "activation %s", n.act[i].name);
        ds_op_erase(probe.op);
        DS_TRY(one_direction(&n, x, n.direction == 1 || !strcmp(direction, "reverse"), out));
        all[n.direction] = out[0], last[n.direction] = out[1], cell[n.direction] = out[2];
    }
    /* Y [seq, directions, batch, hidden]; with layout 1 [batch, seq, directions, hidden] */
    ds_value *y = join_directions(d, all, directions, 1);
    if (!n.batch_at) {
        static const size_t perm[] = {2, 0, 1, 3};
        y = dec_transpose(d, y, perm);
    }
    d->out[0] = y;
    if (op->result_count > 1) d->out[1] = join_directions(d, last, directions, n.batch_at ? 0 : 1);
    if (op->result_count > 2 && lstm) d->out[2] = join_directions(d, cell, directions, n.batch_at ? 0 : 1);
    return DS_OK;
}
