/* Results in the memory of an input: of callers who may give both one buffer (caches that are changed in place), and of
 * those who say that they do (ir/alias.h). Then nothing is copied that is there already.
 */
#include "ir/alias.h"
#include "passes/lower/plan.h"

typedef struct {
    const ds_value *root;
    bool found;
} reader;

static void note_reader(void *user, ds_op *op) {
    reader *r = user;
    for (size_t i = 0; i < op->operand_count; i++)
        if (op->kind != DS_GRAPH_reshape && lower_root_of(ds_op_operand(op, i)) == r->root) r->found = true;
}

static bool is_read_after(const ds_op *op, const ds_value *root) {
    reader r = {root, false};
    for (ds_op *later = op->next; later && !r.found; later = later->next) {
        note_reader(&r, later);
        for (size_t i = 0; i < later->region_count; i++) ds_walk(ds_op_block(later, i), note_reader, &r);
    }
    return r.found;
}

static int64_t index_of(ds_value *const *inputs, const ds_value *v) {
    for (size_t i = 0; i < arrlenu(inputs); i++)
        if (inputs[i] == v) return (int64_t)i;
    return -1;
}

/* The input whose memory this result may take: it is that input with changes, and nothing reads the input after
 * them. */
static int64_t tied_input(planner *p, ds_value *const *inputs, ds_value *output) {
    const ds_value *result = lower_root_of(output);
    if (!result->op || !lower_is_tied(result->op)) return -1;
    const ds_value *from = lower_root_of(ds_op_operand(result->op, 0));
    return plan_may_overwrite(p, result->op, 0) && !is_read_after(result->op, from) ? index_of(inputs, from) : -1;
}

/* ---- results that lie there in any case ---- */

/* The operand that an op changes in place, as a kernel that reads it where it writes does; NULL: none. Kernels that run
 * beside it may read it, too. */
static const ds_value *changed_operand(planner *p, const ds_op *op, const ds_value *wanted) {
    if (lower_is_tied(op)) return plan_may_overwrite(p, op, 0) ? lower_root_of(ds_op_operand(op, 0)) : NULL;
    if (op->kind != DS_GRAPH_kernel || op->result_count != 1) return NULL;
    for (size_t i = 0; i < op->operand_count; i++)
        if (lower_root_of(ds_op_operand(op, i)) == wanted)
            return (!ds_op_attr(op, "beside") || ds_value_has_one_use(wanted)) && plan_may_overwrite(p, op, i) ? wanted
                                                                                                               : NULL;
    return NULL;
}

/* Follows what changes a result in place to the input, and gives all of it the result's memory. */
static bool lie_in_input(planner *p, const ds_value *result, const ds_value *input) {
    int store = plan_store_index(p, result);
    for (const ds_value *v = result; v != input;) {
        if (!v->op) return false;
        if (v->op->kind == DS_GRAPH_join) return lower_root_of(ds_op_operand(v->op, 0)) == input;
        const ds_value *from = changed_operand(p, v->op, input);
        if (!from || is_read_after(v->op, from) || (from != input && plan_store_index(p, from) < 0)) return false;
        if (from != input) {
            p->stores[plan_store_index(p, from)].merged = true;
            plan_set_store(p, from, store);
        }
        v = from;
    }
    return true;
}

bool plan_is_there(planner *p, ds_value *const *inputs, ds_value *output, size_t i) {
    int64_t input = ds_alias_of(p->func, i);
    return input >= 0 && lower_root_of(output) == inputs[input];
}

static ds_status refuse(planner *p, size_t i, size_t input) {
    return ds_report(p->cx->diag, DS_ERROR, DS_E_form, NULL,
                     "result '%s' cannot lie in the memory of argument '%s': it is not made by changing that in place "
                     "(TensorScatter, ScatterND, ScatterElements, GroupQueryAttention, elementwise ops, Concat behind "
                     "it), or the argument is read afterwards",
                     ds_result_name(p->m, p->func, i), ds_argument_name(p->m, p->func, input));
}

ds_status plan_tie_results(planner *p, ds_op *plan, ds_value *const *inputs, ds_value *const *outputs) {
    int64_t *tied = NULL;
    ds_status status = DS_OK;
    for (size_t i = 0; i < arrlenu(outputs); i++) {
        int store = plan_store_index(p, lower_root_of(outputs[i]));
        int64_t alias = ds_alias_of(p->func, i);
        bool direct = store >= 0 && p->stores[store].output == (int)i;
        if (alias < 0) {
            arrput(tied, direct ? tied_input(p, inputs, outputs[i]) : -1);
            continue;
        }
        arrput(tied, alias);
        if (plan_is_there(p, inputs, outputs[i], i)) continue;
        if (status == DS_OK && !(direct && lie_in_input(p, lower_root_of(outputs[i]), inputs[alias])))
            status = refuse(p, i, (size_t)alias);
        else if (direct) p->stores[store].in_place = true;
    }
    ds_op_set_attr(p->m, plan, "tied", ds_attr_ints(p->cx, tied, arrlenu(tied)));
    arrfree(tied);
    return status;
}
