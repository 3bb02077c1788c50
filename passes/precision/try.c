/* Models to try encodings with: a product reads each factor as it is, or as one of several policies stores it, as an
 * input of the model says. One model that is compiled once shows what every mix of them does to its results.
 *
 *   after    %a = map(%x) { … as the first policy has it }   %c = map(%x, %a, %ds.choices[3]) { select(choice == 1, %a, %x) }
 *            %y = "graph.conv"(%c, …)
 */
#include <string.h>

#include "ir/alias.h"
#include "passes/precision/compensate.h"

void pr_open_trial(deciding *d, const ds_attr *words) {
    ds_module *m = d->n.m;
    ds_op *func = ds_module_find(m, "main");
    size_t count = words->kind == DS_ATTR_ARRAY ? words->count : 0;
    d->tried = DS_NEW_ARRAY(m->arena, ds_policy, count);
    for (size_t i = 0; i < count; i++) {
        const ds_attr *word = words->items[i];
        if (word->kind == DS_ATTR_STRING && ds_policy_named(d->n.cx, word->text, &d->tried[d->tried_count]))
            d->tried_count++;
    }
    if (!func || !d->tried_count) return;
    const ds_expr *none = ds_expr_const(d->n.cx, 0);
    ds_block *body = ds_op_block(func, 0);
    d->choices = ds_block_add_arg(m, body, ds_type_tensor(d->n.cx, ds_elem_of_bits(32, true), 1, &none, NULL), NULL);
    ds_argument_set_attr(m, func, body->arg_count - 1, "ds.name", ds_attr_string(d->n.cx, DS_CHOICES));
}

/* How many there are is known at the end. */
void pr_close_trial(deciding *d) {
    const ds_expr *count = ds_expr_const(d->n.cx, (int64_t)arrlenu(d->said));
    if (!d->choices) return;
    d->choices->type = ds_type_tensor(d->n.cx, d->choices->type->elem, 1, &count, NULL);
    ds_module_set_attr(d->n.m, DS_TRIED, ds_attr_array(d->n.cx, d->said, arrlenu(d->said)));
}

/* What the policy makes of a factor; false: it stays. */
static bool changes(deciding *d, const ds_op *op, size_t i, const decision *by, decision *out) {
    bool both;
    *out = by[i];
    if (pr_is_together(d, op, by)) {
        *out = by[by[1].decided];
        if (pr_rounded(d, op, out->encoding.elem, &both) || (i == 0 && !both)) return false;
    }
    return out->decided && (out->encoding.elem != op->results[0].type->elem || out->encoding.mantissa);
}

ds_value *pr_where_chosen(deciding *d, region *r, ds_value *made, int64_t choice, ds_value *a, ds_value *b) {
    ds_value *operands[] = {made, nw_number(r, d->choices->type->elem, choice)};
    const ds_type *truth = ds_type_scalar(d->n.cx, DS_b1);
    ds_value *is_chosen = ds_op_result(ds_op_create(&r->in, DS_LOOP_eq, operands, 2, &truth, 1, 0), 0);
    ds_value *chosen[] = {is_chosen, a, b};
    return ds_op_result(ds_op_create(&r->in, DS_LOOP_select, chosen, 3, &b->type, 1, 0), 0);
}

static ds_value *choose(deciding *d, ds_op *op, ds_value *x, ds_value *made, int64_t choice) {
    ds_ir_context *cx = d->n.cx;
    const ds_expr *at = ds_expr_const(cx, (int64_t)arrlenu(d->said));
    const ds_attr *own = ds_attr_identity_map(cx, x->type->rank);
    const part parts[] = {{x, own}, {made, own}, {d->choices, ds_attr_map(cx, x->type->rank, &at, 1)}};
    region r = nw_open_map(&d->n, op, x->type, parts, 3);
    nw_yield(&r, pr_where_chosen(d, &r, r.args[2], choice, r.args[1], r.args[0]));
    return ds_op_result(r.op, 0);
}

static double products_of(deciding *d, const ds_op *op) {
    static const double UNKNOWN = 64;
    ds_contraction c;
    double count = 1;
    if (!ds_contraction_of(d->n.cx, op, &c)) return 0;
    for (size_t i = 0; i < c.rank + c.over_count; i++)
        count *= ds_expr_is_const(c.extent[i], NULL) ? (double)c.extent[i]->value : UNKNOWN;
    return count;
}

void pr_try(deciding *d, ds_op *op) {
    ds_ir_context *cx = d->n.cx;
    ds_value *x[2] = {ds_op_operand(op, 0), ds_op_operand(op, 1)}, *chosen[2] = {x[0], x[1]};
    const ds_attr **times = DS_NEW_ARRAY(d->n.m->arena, const ds_attr *, d->tried_count),
                  **stores = DS_NEW_ARRAY(d->n.m->arena, const ds_attr *, d->tried_count);
    float **errors = DS_NEW_ARRAY(d->n.m->arena, float *, d->tried_count);
    for (size_t p = 0; p < d->tried_count; p++) {
        const decision by[2] = {pr_decide(d, &d->tried[p], op, 0), pr_decide(d, &d->tried[p], op, 1)};
        double rate = pr_times(d, op, by);
        const ds_attr *words[2];
        decision own[2];
        stored s;
        for (size_t i = 0; i < 2; i++) own[i].decided = changes(d, op, i, by, &own[i]) && rate > 0;
        pr_store(d, op, own, true, &s);
        for (size_t i = 0; i < 2; i++) {
            words[i] = s.made[i] ? pr_encoding_attr(d, &own[i].encoding) : ds_attr_string(cx, "");
            if (s.made[i]) chosen[i] = choose(d, op, chosen[i], s.made[i], (int64_t)p + 1);
        }
        if (s.mean_error) errors[p] = s.mean_error;
        times[p] = ds_attr_float(cx, rate);
        stores[p] = ds_attr_array(cx, words, 2);
    }
    for (size_t p = 0; p < d->tried_count; p++)
        if (errors[p]) pr_take_off(d, op, errors[p], (int64_t)p + 1);
    const ds_named_attr entries[] = {{"name", ds_attr_string(cx, d->names[op->id])},
                                     {"products", ds_attr_float(cx, products_of(d, op))},
                                     {"times", ds_attr_array(cx, times, d->tried_count)},
                                     {"stores", ds_attr_array(cx, stores, d->tried_count)}};
    arrput(d->said, ds_attr_dict(cx, entries, DS_COUNT(entries)));
    for (size_t i = 0; i < 2; i++)
        if (chosen[i] != x[i]) ds_op_set_operand(op, i, chosen[i]);
    if (ds_op_attr(op, "tile")) ds_op_set_attr(d->n.m, op, "tile", ds_attr_int(cx, 0));
}
