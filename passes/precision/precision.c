/* precision: how factors of products are stored, as a policy, or a file of ranges, decides: conversions to what is stored
 * and back are put in front of the product, which the pass narrow brings behind it. What was decided, and why, is written
 * down in the module (passes/precision.h); a product whose factors stay as they were says why.
 *
 *   before   %y = "graph.conv"(%x, %w)
 *   after    %a = map(map(%x) { quantize }) { (… - zero) * scale }   %b = map(%codes) { … * scale }
 *            %y = "graph.conv"(%a, %b)
 *
 * Factors that the model stores in an encoding of its own keep that.
 * Needs:  graph ops, tiles of convolutions.   Keeps: sums, and all that is no factor.   Breaks: nothing.   Cost: linear.
 */
#include "passes/precision/precision.h"

#include <string.h>

#include "passes/externs.h"
#include "passes/precision/compensate.h"

const ds_attr *pr_encoding_attr(deciding *d, const ds_encoding *e) {
    ds_string text = {0};
    ds_encoding_print(&text, e);
    const ds_attr *attr = ds_attr_string(d->n.cx, text.data);
    ds_string_free(&text);
    return attr;
}

static void say(deciding *d, const ds_op *op, size_t i, const ds_encoding *e, const char *reason) {
    ds_named_attr entries[3] = {{"key", ds_attr_string(d->n.cx, pr_factor_key(d, op, i))},
                                {"reason", ds_attr_string(d->n.cx, reason)}};
    if (e) entries[2] = (ds_named_attr){"encoding", pr_encoding_attr(d, e)};
    arrput(d->said, ds_attr_dict(d->n.cx, entries, e ? 3 : 2));
}

/* Does the encoding leave numbers of this type as they are? */
static bool is_same(const ds_encoding *e, ds_elem elem) {
    return e->elem == elem && !e->mantissa && e->scale == DS_SCALE_NONE;
}

/* Whole numbers with a scale, as a model that was quantised has them, or narrower floats. */
static bool is_encoded(ds_value *v) {
    factor f;
    const ds_value *from = nw_widened_of(v);
    if (from && ds_elem_is_float(from->type->elem)) return true;
    return nw_weights_of(v, &f) || (nw_factor_of(v, &f) && f.scale.v);
}

/* What both factors say of themselves, NULL where they are changed. */
static void round_both(deciding *d, ds_op *op, const decision *by, const char **why) {
    bool both = false;
    why[0] = why[1] = by->reason;
    if (is_same(&by->encoding, op->results[0].type->elem)) return;
    why[0] = why[1] = pr_rounded(d, op, by->encoding.elem, &both);
    if (why[0]) return;
    if (!both) why[0] = "both would be multiplied no faster";
    pr_round_factors(d, op, by->encoding.elem);
}

static bool is_plain_float(const decision *by) {
    return by->decided && by->encoding.scale == DS_SCALE_NONE && !by->encoding.dynamic && !by->encoding.mantissa;
}

/* One type for both factors, which is multiplied so: there is nothing to convert back. */
static bool are_multiplied(deciding *d, const ds_op *op, const decision *by) {
    const char *why;
    return is_plain_float(&by[0]) && is_plain_float(&by[1]) && by[0].encoding.elem == by[1].encoding.elem &&
           !is_same(&by[0].encoding, op->results[0].type->elem) && nw_pays(&d->n, op, by[0].encoding.elem, &why);
}

bool pr_is_together(deciding *d, const ds_op *op, const decision *by) {
    return by[0].pays || by[1].pays || are_multiplied(d, op, by);
}

/* Constants that are rounded beside a factor that stays, as a word would have them. */
static bool is_rounded_alone(deciding *d, const ds_op *op, const decision *by) {
    bool both;
    ds_elem sum = op->results[0].type->elem;
    if (by[0].decided && !is_same(&by[0].encoding, sum)) return false;
    if (!is_plain_float(&by[1]) || is_same(&by[1].encoding, sum)) return false;
    return !pr_rounded(d, op, by[1].encoding.elem, &both) && !both;
}

static void change_factors(deciding *d, ds_op *op, const decision *by, const char **why) {
    stored s;
    if (is_rounded_alone(d, op, by)) {
        why[0] = by[0].reason;
        why[1] = pr_round_factors(d, op, by[1].encoding.elem);
        return;
    }
    pr_store(d, op, by, false, &s);
    for (size_t i = 0; i < 2; i++) {
        why[i] = s.why[i];
        if (s.made[i]) ds_op_set_operand(op, i, s.made[i]);
    }
    if (s.mean_error) pr_take_off(d, op, s.mean_error, 0);
}

/* An op that stays says why, for its first factor that does. */
static void change_op(deciding *d, ds_op *op) {
    decision by[2];
    const char *stays = NULL;
    bool changed = false;
    for (size_t i = 0; i < 2; i++) by[i] = pr_decide(d, d->policy, op, i);
    if (!by[0].decided && !by[1].decided) return;
    bool together = pr_is_together(d, op, by);
    const char *why[2];
    if (together) round_both(d, op, &by[by[1].decided], why);
    else change_factors(d, op, by, why);
    for (size_t i = 0; i < 2; i++) {
        say(d, op, i, why[i] ? NULL : &by[i].encoding, why[i] ? why[i] : by[i].reason);
        if (why[i] && !stays) stays = why[i];
        changed = changed || !why[i];
    }
    if (stays) ds_op_set_attr(d->n.m, op, "stays", ds_attr_string(d->n.cx, stays));
    if (changed && ds_op_attr(op, "tile")) ds_op_set_attr(d->n.m, op, "tile", ds_attr_int(d->n.cx, 0));
}

/* Of 32 bits: ranges are of such. */
static bool is_product_of_floats(const ds_op *op) {
    if (!ds_is_contraction(op) || op->operand_count != 2) return false;
    ds_elem sum = op->results[0].type->elem;
    return ds_elem_is_float(sum) && ds_elem_facts(sum)->bits == 32 && ds_op_operand(op, 0)->type->elem == sum &&
           ds_op_operand(op, 1)->type->elem == sum;
}

static void change_block(deciding *d, ds_block *block) {
    for (ds_op *op = block->first, *next; op; op = next) {
        next = op->next;
        for (size_t r = 0; (op->kind == DS_GRAPH_loop || op->kind == DS_GRAPH_if) && r < op->region_count; r++)
            change_block(d, ds_op_block(op, r));
        if (!is_product_of_floats(op)) continue;
        if (is_encoded(ds_op_operand(op, 0)) || is_encoded(ds_op_operand(op, 1))) continue;
        if (d->choices) pr_try(d, op);
        else change_op(d, op);
    }
}

static void change_function(deciding *d, ds_op *func) {
    d->facts = (ds_facts){.cx = d->n.cx, .put = ds_extern_put};
    ds_facts_compute(&d->facts, ds_op_block(func, 0));
    change_block(d, ds_op_block(func, 0));
    ds_facts_free(&d->facts);
}

ds_status ds_pass_precision(ds_module *module, const ds_pass_options *options) {
    deciding d = {.n = {.m = module, .cx = module->cx, .target = options->target},
                  .policy = options->policy,
                  .ranges = options->ranges,
                  .compensate = options->compensate};
    const ds_attr *words = ds_module_attr(module, DS_TRY_POLICIES);
    if (!d.ranges && !words && !(d.policy && d.policy->count)) return DS_OK;
    d.names = ds_contraction_names(module);
    if (words) pr_open_trial(&d, words);
    for (ds_op *func = module->body.block->first; func; func = func->next) change_function(&d, func);
    if (words) pr_close_trial(&d);
    else if (arrlenu(d.said))
        ds_module_set_attr(module, DS_DECIDED, ds_attr_array(module->cx, d.said, arrlenu(d.said)));
    arrfree(d.names), arrfree(d.pairs), arrfree(d.smoothed), arrfree(d.said), arrfree(d.n.words);
    return DS_OK;
}
