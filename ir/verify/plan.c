/* Rules of the plan: what its function says of inputs, outputs and memory, and calls that fit the kernels they run. */
#include <string.h>

#include "ir/alias.h"
#include "ir/stored.h"
#include "ir/verify/verify.h"

static bool is_buffer(const ds_value *v) { return v->type->kind == DS_TYPE_BUFFER; }

static bool has_entries(const ds_op *op, const char *name, size_t count) {
    const ds_attr *a = ds_op_attr(op, name);
    return !a || a->count == count;
}

/* Text has a dictionary for every argument. */
static bool describes_arguments(const ds_op *func, size_t inputs) {
    return has_entries(func, "arg_attrs", inputs) || has_entries(func, "arg_attrs", ds_op_block(func, 0)->arg_count);
}

static bool are_named(const ds_op *op, const char *name) {
    const ds_attr *dicts = ds_op_attr(op, name);
    for (size_t i = 0; dicts && i < dicts->count; i++) {
        const ds_attr *text = ds_attr_find(dicts->items[i], "ds.name");
        if (text && text->kind != DS_ATTR_STRING) return false;
    }
    return true;
}

/* The arguments from `first` on are buffers of these types. */
static bool are_types_of(const ds_attr *types, const ds_block *body, size_t first) {
    for (size_t i = 0; i < types->count; i++) {
        const ds_type *t = types->items[i]->type;
        const ds_value *arg = body->args[first + i];
        if (t->kind != DS_TYPE_TENSOR || t->rank > VERIFY_MOST_RANK || !is_buffer(arg) || arg->type->elem != t->elem)
            return false;
    }
    return true;
}

static const ds_type **types_of(const ds_attr *list) {
    const ds_type **types = NULL;
    for (size_t i = 0; i < list->count; i++) arrput(types, list->items[i]->type);
    return types;
}

static void verify_aliases(verifier *v, const ds_op *func) {
    const ds_type **inputs = types_of(ds_op_attr(func, "inputs")), **outputs = types_of(ds_op_attr(func, "outputs"));
    ds_error_code code;
    const char *wrong = ds_alias_objection(v->m, func, (ds_types){inputs, arrlenu(inputs)},
                                           (ds_types){outputs, arrlenu(outputs)}, &code);
    for (size_t i = 0; !wrong && i < arrlenu(outputs); i++)
        wrong = ds_stored_objection(v->m, func, i, (ds_types){outputs, arrlenu(outputs)});
    if (wrong) verify_fail(v, func, wrong);
    arrfree(inputs), arrfree(outputs);
}

void verify_plan(verifier *v, const ds_op *func) {
    const ds_attr *inputs = ds_op_attr(func, "inputs"), *outputs = ds_op_attr(func, "outputs"),
                  *tied = ds_op_attr(func, "tied");
    const ds_block *body = ds_op_block(func, 0);
    bool good = outputs && ds_op_attr(func, "arena") && ds_op_attr(func, "lane_bytes") &&
                body->arg_count == inputs->count + outputs->count && describes_arguments(func, inputs->count) &&
                has_entries(func, "result_attrs", outputs->count) && has_entries(func, "tied", outputs->count);
    good = good && are_types_of(inputs, body, 0) && are_types_of(outputs, body, inputs->count);
    good = good && are_named(func, "arg_attrs") && are_named(func, "result_attrs");
    for (size_t i = 0; good && tied && i < tied->count; i++)
        good = tied->items[i]->integer >= -1 && tied->items[i]->integer < (int64_t)inputs->count;
    if (good && body->last) good = body->last->kind == DS_RETURN && body->last->operand_count == 0;
    if (!good) verify_fail(v, func, "inputs, outputs and memory of the plan do not fit its arguments");
    else verify_aliases(v, func);
}

static void verify_call(verifier *v, const ds_op *op) {
    const ds_op *kernel = ds_module_find(v->m, ds_op_text(op, "kernel", ""));
    const ds_attr *scratch = ds_op_attr(op, "scratch"), *of_kernel = kernel ? ds_op_attr(kernel, "scratch") : NULL;
    const ds_block *body = kernel ? ds_op_block(kernel, 0) : NULL;
    bool good = of_kernel && of_kernel->count == scratch->count &&
                ds_op_attr(kernel, "symbols") == ds_op_attr(op, "symbols") && ds_op_attr(kernel, "pieces") &&
                op->operand_count + scratch->count == body->arg_count;
    for (size_t i = 0; good && i < op->operand_count; i++) good = ds_op_operand(op, i)->type == body->args[i]->type;
    if (!good) verify_fail(v, op, "buffers, symbols and scratch memory are not those of a kernel of this name");
}

static bool read_fits(const ds_op *op) {
    ds_elem elem = ds_op_attr(op, "elem")->type->elem;
    bool integer = ds_elem_is_integer(elem) || elem == DS_b1;
    return integer && !ds_elem_facts(elem)->packed && ds_op_int(op, "at", 0) >= 0 && is_buffer(ds_op_operand(op, 0)) &&
           ds_op_operand(op, 0)->type->elem == elem;
}

static bool are_cells(const ds_op *op, size_t count) {
    bool good = op->operand_count == count;
    for (size_t i = 0; good && i < count; i++)
        good = ds_op_operand(op, i)->op && ds_op_operand(op, i)->op->kind == DS_PLAN_cell;
    return good;
}

static bool ends_in_yield(const ds_op *op) {
    for (size_t r = 0; r < op->region_count; r++)
        if (!verify_yield(op, r, DS_PLAN_yield) || ds_op_block(op, r)->arg_count) return false;
    return true;
}

static bool fits(const ds_op *op) {
    const ds_expr *bytes = ds_attr_to_expr(ds_op_attr(op, "bytes"));
    const ds_attr *constant = ds_op_attr(op, "constant");
    switch (op->kind) {
    case DS_PLAN_weight:
        return ds_expr_is_const(bytes, NULL) && bytes->value >= 0 &&
               (constant->kind == DS_ATTR_INT || (uint64_t)bytes->value == constant->count);
    case DS_PLAN_read: return read_fits(op);
    case DS_PLAN_grow:
    case DS_PLAN_current: return are_cells(op, 1);
    case DS_PLAN_swap: return are_cells(op, 2);
    case DS_PLAN_set: return ds_op_attr(op, "symbols")->count == ds_op_attr(op, "values")->count;
    default: return ends_in_yield(op);
    }
}

void verify_plan_op(verifier *v, const ds_op *op) {
    bool good = true;
    for (size_t i = 0; i < op->operand_count; i++) good = good && is_buffer(ds_op_operand(op, i));
    for (size_t i = 0; i < op->result_count; i++) good = good && is_buffer(&op->results[i]);
    if (!good || !fits(op)) verify_fail(v, op, "operands, results and attributes do not fit together");
    else if (op->kind == DS_PLAN_call) verify_call(v, op);
}
