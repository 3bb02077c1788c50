/* Training losses: NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss. */
#include <math.h>
#include <string.h>

#include "passes/decompose/decompose.h"

/* What a target picks: the weighted value -x[n, t, …] * w[t] (or w[t] alone), zero where the target is to be
 * ignored. */
static ds_value *picked(dec *d, ds_op *op, ds_value *x, ds_value *target, ds_value *weight, bool weight_only) {
    const ds_type *t = target->type;
    body b = map_over(d, x->type->elem, t->rank, t->dims, &target, 1), *r = &b;
    ds_value *index = cast_to(r, r->x[0], DS_index), *safe = clamp_index(r, index, x->type->dims[1]), *at[DEC_MAX_RANK];
    for (size_t i = 0; i < x->type->rank; i++) at[i] = i == 0 ? position(r, 0) : i == 1 ? safe : position(r, i - 1);
    ds_value *v = extract(r, x, at, x->type->rank), *w = weight ? extract(r, weight, &safe, 1) : like(r, v, 1);
    if (ds_op_attr(op, "ignore_index")) {
        ds_value *ignored = op2(r, DS_LOOP_eq, index, num(r, DS_index, (double)ds_op_int(op, "ignore_index", 0)));
        w = op3(r, DS_LOOP_select, ignored, like(r, w, 0), w);
    }
    return map_end(r, weight_only ? w : op2(r, DS_LOOP_mul, op1(r, DS_LOOP_neg, v), w));
}

static ds_value *sum_all(dec *d, ds_value *x) {
    const ds_attr *map = ds_attr_identity_map(d->cx, x->type->rank);
    body r = reduce_begin(d, dec_compute_elem(x->type->elem), 0, NULL, x->type->dims, x->type->rank, &x, &map, 1);
    return reduce_end(&r, r.x[0], DS_LOOP_add);
}

static ds_status likelihood(dec *d, ds_op *op, ds_value *x, ds_value *target, ds_value *weight, ds_value **out) {
    const char *reduction = ds_op_text(op, "reduction", "mean");
    if (x->type->rank < 2 || target->type->rank + 1 != x->type->rank)
        return dec_fail(d, DS_E_shape, "scores have rank %zu, targets %zu", x->type->rank, target->type->rank);
    const ds_expr *shape[DEC_MAX_RANK];
    for (size_t i = 0; i + 1 < x->type->rank; i++) shape[i] = x->type->dims[i ? i + 1 : 0];
    DS_TRY(dec_has_shape(d, target->type, x->type->rank - 1, shape, "there is a target for each score"));
    if (weight) DS_TRY(dec_has_shape(d, weight->type, 1, &x->type->dims[1], "there is a weight for each class"));
    ds_value *loss = picked(d, op, x, target, weight, false);
    if (strcmp(reduction, "none")) {
        ds_value *total = sum_all(d, loss);
        if (!strcmp(reduction, "mean"))
            total = dec_binary(d, DS_LOOP_div, total, sum_all(d, picked(d, op, x, target, weight, true)));
        loss = dec_convert(d, total, x->type->elem);
    }
    *out = loss;
    return DS_OK;
}

RULE(negative_log_likelihood) { return likelihood(d, op, dec_in(d, 0), dec_in(d, 1), dec_in(d, 2), &d->out[0]); }

/* log softmax over the classes (dimension 1): x - m - log(sum(exp(x - m))) */
static ds_value *log_probabilities(dec *d, ds_value *x) {
    size_t rank = x->type->rank;
    ds_elem wide = dec_compute_elem(x->type->elem);
    const ds_expr *kept[DEC_MAX_RANK], *all[DEC_MAX_RANK], *one[DEC_MAX_RANK];
    for (size_t i = 0; i < rank; i++) {
        kept[i] = i == 1 ? dec_const(d, 1) : x->type->dims[i];
        all[i] = dec_dim(d, i == 1 ? rank : i);
        one[i] = i == 1 ? dec_const(d, 0) : dec_dim(d, i);
    }
    const ds_attr *maps[] = {dec_map_of(d, rank + 1, all, rank), dec_map_of(d, rank + 1, one, rank)};
    body r = reduce_begin(d, wide, rank, kept, &x->type->dims[1], 1, &x, maps, 1);
    ds_value *max = reduce_end(&r, r.x[0], DS_LOOP_max), *both[] = {x, max};
    r = reduce_begin(d, wide, rank, kept, &x->type->dims[1], 1, both, maps, 2);
    ds_value *sum = reduce_end(&r, op1(&r, DS_LOOP_exp, op2(&r, DS_LOOP_sub, r.x[0], r.x[1])), DS_LOOP_add),
             *three[] = {x, max, sum};
    r = map_over(d, x->type->elem, rank, x->type->dims, three, 3);
    return map_end(&r, op2(&r, DS_LOOP_sub, op2(&r, DS_LOOP_sub, r.x[0], r.x[1]), op1(&r, DS_LOOP_log, r.x[2])));
}

RULE(softmax_cross_entropy) {
    if (dec_type(d, 0)->rank < 2) return dec_fail(d, DS_E_shape, "scores have no class dimension");
    ds_value *log_probability = log_probabilities(d, dec_in(d, 0));
    if (op->result_count > 1) d->out[1] = log_probability;
    return likelihood(d, op, log_probability, dec_in(d, 1), dec_in(d, 2), &d->out[0]);
}
