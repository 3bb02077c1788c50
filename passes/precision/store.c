/* Both factors of a product as they are stored, with what makes up for that (passes/compensations.def). */
#include "passes/precision/compensate.h"

static bool is_same(const deciding *d, const ds_value *v, const decision *by) {
    (void)d;
    return by->encoding.elem == v->type->elem && !by->encoding.mantissa && by->encoding.scale == DS_SCALE_NONE;
}

/* The left factor divided channel by channel, once for all products that read it so. */
static ds_value *smoothed_left(deciding *d, ds_op *op, const summed_channels *c, const float *numbers) {
    ds_value *x = ds_op_operand(op, 0);
    for (size_t i = 0; i < arrlenu(d->smoothed); i++) {
        known_smoothing *s = &d->smoothed[i];
        if (s->x != x || s->dim != c->left) continue;
        if (s->made && s->block == op->block) return s->made;
        s->block = op->block;
        return s->made = pr_scaled(d, op, x, c->left, numbers, c->count, true);
    }
    return x;
}

void pr_store(deciding *d, ds_op *op, const decision *by, bool back, stored *out) {
    decision own[2] = {by[0], by[1]};
    ds_value *x[2] = {ds_op_operand(op, 0), ds_op_operand(op, 1)};
    float *rounded[2] = {NULL, NULL};
    summed_channels c;
    bool knows = pr_summed_channels(d, op, &c);
    const float *smoothing = knows ? pr_smoothing(d, op, by, &c) : NULL;
    *out = (stored){0};
    if (smoothing) {
        pr_smoothed_span(d, op, &c, smoothing, &own[0]);
        x[0] = smoothed_left(d, op, &c, smoothing);
        x[1] = pr_scaled(d, op, x[1], c.right, smoothing, c.count, false);
    }
    for (size_t i = 0; i < 2; i++) {
        out->why[i] = by[i].reason;
        if (by[i].decided && !is_same(d, x[i], &by[i]))
            out->made[i] = pr_pair(d, op, i, x[i], &own[i], &rounded[i], &out->why[i]);
        if (out->made[i]) out->why[i] = NULL;
    }
    if (knows && rounded[1])
        out->mean_error = pr_mean_error(d, op, &c, ds_value_constant(x[1])->bytes, rounded[1], smoothing);
    for (size_t i = 0; i < 2 && smoothing && back; i++)
        out->made[i] = pr_scaled(d, op, out->made[i], i ? c.right : c.left, smoothing, c.count, i == 1);
}
