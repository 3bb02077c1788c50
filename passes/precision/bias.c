/* Rounded weights move the mean of a product's result: by the sum over channels of what rounding added to a weight times
 * the mean of what it multiplies. Means of channels are known from samples; zeros around images count as if they were
 * such a mean. */
#include "passes/precision/compensate.h"

float *pr_mean_error(deciding *d, const ds_op *op, const summed_channels *c, const float *weights, const float *rounded,
                     const float *smoothing) {
    const ds_value *w = ds_op_operand(op, 1);
    const ds_value_range *range = d->ranges ? ds_ranges_find(d->ranges, pr_factor_key(d, op, 0)) : NULL;
    int64_t out = ds_factor_axis(d->n.cx, op, 1), result = ds_result_axis(op);
    bool known = range && range->channel_mean && range->axis == (int64_t)c->left && range->channel_count == c->count;
    if (!(d->compensate >> DS_COMPENSATE_bias & 1) || !known || out < 0 || result < 0) return NULL;
    size_t channels = (size_t)w->type->dims[out]->value, all = 1, stride_k = 1, stride_n = 1;
    if (!ds_expr_equals(op->results[0].type->dims[result], (int64_t)channels)) return NULL;
    for (size_t i = w->type->rank; i-- > 0;) {
        if (i == c->right) stride_k = all;
        if (i == (size_t)out) stride_n = all;
        all *= (size_t)w->type->dims[i]->value;
    }
    float *error = DS_NEW_ARRAY(d->n.m->arena, float, channels);
    double *sums = DS_NEW_ARRAY(d->n.m->arena, double, channels);
    for (size_t i = 0; i < all; i++) {
        size_t k = i / stride_k % c->count;
        double mean = range->channel_mean[k] / (smoothing ? (double)smoothing[k] : 1);
        sums[i / stride_n % channels] += ((double)rounded[i] - (double)weights[i]) * mean;
    }
    for (size_t n = 0; n < channels; n++) error[n] = (float)sums[n];
    return error;
}

void pr_take_off(deciding *d, ds_op *op, const float *numbers, int64_t choice) {
    ds_ir_context *cx = d->n.cx;
    ds_value *y = ds_op_result(op, 0);
    size_t rank = y->type->rank, dim = (size_t)ds_result_axis(op);
    const ds_expr *at = ds_expr_dim(cx, dim), *number = ds_expr_const(cx, (int64_t)arrlenu(d->said));
    ds_value *constant = pr_constant(d, op, y->type->elem, &y->type->dims[dim], 1, numbers,
                                     (size_t)y->type->dims[dim]->value * sizeof *numbers);
    const part parts[] = {{y, ds_attr_identity_map(cx, rank)},
                          {constant, ds_attr_map(cx, rank, &at, 1)},
                          {d->choices, ds_attr_map(cx, rank, &number, 1)}};
    ds_op *next = op->next;
    region r = nw_open_map(&d->n, next, y->type, parts, choice > 0 ? 3 : 2);
    ds_value *less = r.args[1];
    if (choice > 0) less = pr_where_chosen(d, &r, r.args[2], choice, less, nw_number(&r, y->type->elem, 0));
    ds_value *taken = nw_binary(&r, DS_LOOP_sub, r.args[0], less);
    nw_yield(&r, taken);
    ds_value_replace_uses(y, ds_op_result(r.op, 0));
    ds_op_set_operand(r.op, 0, y);
}
