/* What is decided of a factor: by the file of ranges where that says something of it, else by the first rule of the
 * policy that fits its name and its range. */
#include "passes/precision/precision.h"

#include <math.h>
#include <string.h>

const char *pr_factor_key(deciding *d, const ds_op *op, size_t i) {
    return ds_arena_printf(d->n.m->arena, "%s:%zu", d->names[op->id], i);
}

static void span_of(const ds_attr *elements, decision *out) {
    const float *all = elements->bytes;
    out->min = out->max = 0;
    out->known = true;
    for (size_t k = 0; k < elements->count / sizeof *all; k++) {
        if (!isfinite(all[k])) out->known = false;
        out->min = fmin(out->min, (double)all[k]);
        out->max = fmax(out->max, (double)all[k]);
    }
}

/* What is computed may be bounded whatever the inputs, as behind a softmax or a ReLU6; NaN is no part of a range. */
static void bounds_of(const deciding *d, const ds_value *v, decision *out) {
    static const double MOST = 1e6; /* behind that nothing is known */
    const ds_fact fact = ds_facts_of(&d->facts, v);
    out->known = fact.low <= fact.high && fact.high - fact.low < MOST;
    if (!out->known) return;
    out->min = fact.low;
    out->max = fact.high;
}

decision pr_decide(deciding *d, const ds_policy *policy, const ds_op *op, size_t i) {
    const ds_attr *elements = ds_value_constant(ds_op_operand(op, i));
    const ds_value_range *range = d->ranges ? ds_ranges_find(d->ranges, pr_factor_key(d, op, i)) : NULL;
    decision out = {.reason = "no rule fits it"};
    if (elements) span_of(elements, &out);
    else if (range && !isnan(range->min)) {
        out.known = true;
        out.min = range->min;
        out.max = range->max;
    } else bounds_of(d, ds_op_operand(op, i), &out);
    if (range && range->decided && !policy) {
        out.decided = true;
        out.encoding = range->encoding;
        out.reason = range->reason && *range->reason ? range->reason : "the file of ranges";
        return out;
    }
    if (!policy) return out;
    double span = out.known ? out.max - out.min : (double)NAN;
    const ds_policy_rule *rule = ds_policy_find(policy, ds_factor_name(d->n.m, d->names[op->id], op, i), span);
    if (!rule) return out;
    out.decided = true;
    out.pays = policy->pays;
    out.encoding = rule->encoding;
    out.reason = ds_arena_printf(d->n.m->arena, "rule %s of %s", rule->pattern, policy->name);
    return out;
}
