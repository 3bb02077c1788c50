/* decompose: onnx and microsoft -> graph.
 *
 *   before   %1 = "onnx.Relu"(%0) : (tensor<2x3xf32>) -> none
 *   after    %1 = "graph.map"(%0) ({ ^bb0(%x: f32): … "loop.max"(%x, %zero) … })
 *              {maps = [affine_map<(d0, d1) -> (d0, d1)>]}
 *
 * Needs:  a function of onnx ops whose argument types are known.   Keeps: locations.   Breaks: nothing.
 * Everything that is not supported is reported, not just the first; then the pass fails with DS_UNSUPPORTED.
 */
#include "passes/decompose/decompose.h"

#include <string.h>

#include "ir/alias.h"
#include "ir/stored.h"
#include "passes/rows.h"

#define ONNX_OP(name, operands, results, rule) dec_rule rule_##rule;
#define CONTRIB_OP(name, operands, results, attributes, rule) dec_rule rule_##rule;
#include "ir/contrib.def"
#include "ir/onnx.def"
#undef CONTRIB_OP
#undef ONNX_OP

static dec_rule *const rules[DS_OP_KIND_COUNT] = {
#define ONNX_OP(name, operands, results, rule) [DS_ONNX_##name] = rule_##rule,
#define CONTRIB_OP(name, operands, results, attributes, rule) [DS_MICROSOFT_##name] = rule_##rule,
#include "ir/contrib.def"
#include "ir/onnx.def"
#undef CONTRIB_OP
#undef ONNX_OP
};

/* An op that reads a value which could not be made is passed over silently: the reason was reported where it arose. */
static bool operands_are_known(const ds_op *op) {
    for (size_t i = 0; i < op->operand_count; i++) {
        const ds_value *v = ds_op_operand(op, i);
        if (v->op && v->op->kind != DS_ONNX_None && (ds_op_is_operator(v->op->kind) || v->op->kind == DS_OPAQUE))
            return false;
    }
    return true;
}

/* Ops that look at the elements of a list themselves, or hand it on. */
static bool takes_lists(ds_op_kind kind) {
    switch (kind) {
    case DS_ONNX_ConcatFromSequence:
    case DS_ONNX_Identity:
    case DS_ONNX_Loop:
    case DS_ONNX_Optional:
    case DS_ONNX_OptionalGetElement:
    case DS_ONNX_OptionalHasElement:
    case DS_ONNX_SequenceAt:
    case DS_ONNX_SequenceErase:
    case DS_ONNX_SequenceInsert:
    case DS_ONNX_SequenceLength: return true;
    default: return false;
    }
}

/* Every required operand is there, is a tensor of known rank, and has an element type that numbers can have. */
static ds_status check_operands(dec *d, ds_op *op) {
    const char *p = ds_op_facts(op->kind)->operands;
    for (size_t i = 0; i < op->operand_count || *p; i++) {
        const char *end = strchr(p, ' ');
        size_t n = end ? (size_t)(end - p) : strlen(p);
        bool optional = n && p[n - 1] == '?', variadic = n > 3 && !strncmp(p + n - 3, "...", 3);
        if (!*p)
            return dec_fail(d, DS_E_arity, "there are %zu operands where at most %zu make sense", op->operand_count, i);
        bool beyond = variadic && i >= op->operand_count;
        if (!optional && !beyond && !dec_in(d, i))
            return dec_fail(d, DS_E_arity, "operand %zu (%.*s) is missing", i, (int)n, p);
        const ds_type *t = dec_type(d, i);
        if (t && t->kind == DS_TYPE_UNRANKED) return dec_refuse(d, "an operand of unknown rank");
        bool is_list = dec_is_sequence(dec_in(d, i)) && takes_lists(op->kind);
        if (t && t->kind != DS_TYPE_TENSOR && !is_list) return dec_refuse(d, "sequences, optionals and maps");
        if (is_list) t = NULL;
        if (t && t->rank + 2 > DEC_MAX_RANK) return dec_refuse(d, "a tensor of rank %zu", t->rank);
        if (t && ds_elem_facts(t->elem)->bits > 64 && op->kind != DS_ONNX_Shape && op->kind != DS_ONNX_Size)
            return dec_refuse(d, "element type %s", ds_elem_facts(t->elem)->text);
        if (t && ds_elem_facts(t->elem)->class == DS_CLASS_COMPLEX) return dec_refuse(d, "complex numbers");
        if (t) DS_TRY(dec_check_size(d, dec_in(d, i)));
        if (beyond) break;
        if (variadic) continue;
        p += n + (end != NULL);
    }
    return DS_OK;
}

static void note_symbol(void *user, const char *name) {
    const char ***names = user;
    arrput(*names, name);
}

/* Symbols that no input of the function has are names for what turns out. */
static bool names_inputs(const dec *d, const ds_expr *e) {
    const char **wanted = NULL, **known = NULL;
    const ds_block *block = d->op->block;
    while (block->region->op && block->region->op->kind != DS_FUNC) block = block->region->op->block;
    ds_expr_each_symbol(e, note_symbol, &wanted);
    for (size_t i = 0; arrlenu(wanted) && i < block->arg_count; i++) {
        const ds_type *t = block->args[i]->type;
        for (size_t k = 0; t->kind == DS_TYPE_TENSOR && k < t->rank; k++)
            ds_expr_each_symbol(t->dims[k], note_symbol, &known);
    }
    bool all = true;
    for (size_t i = 0; i < arrlenu(wanted) && all; i++) {
        all = false;
        for (size_t k = 0; k < arrlenu(known) && !all; k++) all = !strcmp(wanted[i], known[k]);
    }
    arrfree(wanted);
    arrfree(known);
    return all;
}

static bool same_numbers(const ds_type *a, const ds_type *b) {
    for (size_t i = 0; i < a->rank; i++) {
        int64_t x, y;
        if (ds_expr_is_const(a->dims[i], &x) && ds_expr_is_const(b->dims[i], &y) && x != y) return false;
    }
    return true;
}

/* Text may say what type a result has: then it has it, as far as that can be known, and else a call checks it. */
static ds_status check_declared(dec *d, size_t i, const ds_type *says, const ds_type *is) {
    bool ranked = says->kind == DS_TYPE_TENSOR;
    if ((!ranked && says->kind != DS_TYPE_UNRANKED) || is->kind != DS_TYPE_TENSOR) return DS_OK;
    if (says->elem != is->elem || (ranked && (says->rank != is->rank || !same_numbers(says, is)))) {
        ds_string text = {0};
        ds_string_printf(&text, "result %zu is ", i);
        ds_type_print(&text, is);
        ds_string_printf(&text, ", not ");
        ds_type_print(&text, says);
        ds_status status = dec_fail(d, says->elem != is->elem ? DS_E_type : DS_E_shape, "%s", text.data);
        ds_string_free(&text);
        return status;
    }
    for (size_t k = 0; ranked && k < is->rank; k++)
        if (says->dims[k] != is->dims[k] && names_inputs(d, says->dims[k]))
            DS_TRY(dec_require(d, DS_equal, is->dims[k], says->dims[k],
                               "dimension %zu of result %zu is what its type says", k, i));
    return DS_OK;
}

static ds_status apply_rule(dec *d, ds_op *op) {
    DS_TRY(check_operands(d, op));
    DS_TRY(dec_check_form(d, op));
    return rules[op->kind](d, op);
}

ds_status dec_apply(dec *d, ds_op_kind kind, ds_value *const *operands, size_t count, const ds_named_attr *attrs,
                    size_t attr_count, ds_value **out, size_t results) {
    ds_value *given[DEC_MAX_OPERANDS], *absent = NULL;
    const ds_type *none = ds_type_none(d->cx), *types[DEC_MAX_OPERANDS];
    dec inner = *d;
    while (count && !operands[count - 1]) count--;
    for (size_t i = 0; i < results; i++) types[i] = none;
    for (size_t i = 0; i < count; i++) {
        if (!operands[i] && !absent) absent = ds_op_result(ds_op_create(&d->b, DS_ONNX_None, NULL, 0, &none, 1, 0), 0);
        given[i] = operands[i] ? operands[i] : absent;
    }
    ds_op *op = ds_op_create(&d->b, kind, given, count, types, results, 0);
    for (size_t i = 0; i < d->op->attr_count; i++) {
        const ds_named_attr *own = &d->op->attrs[i];
        bool given_anew = false;
        for (size_t k = 0; k < attr_count; k++) given_anew = given_anew || !strcmp(attrs[k].name, own->name);
        if (!given_anew && ds_operator_has_attribute(kind, own->name)) ds_op_set_attr(d->m, op, own->name, own->value);
    }
    for (size_t i = 0; i < attr_count; i++)
        if (attrs[i].value) ds_op_set_attr(d->m, op, attrs[i].name, attrs[i].value);
    for (size_t i = 0; i < results; i++) out[i] = NULL;
    inner.op = op, inner.out = out;
    inner.b = (ds_builder){d->m, op->block, op, op->loc};
    ds_status status = apply_rule(&inner, op);
    ds_op_erase(op);
    return status;
}

static ds_status lower_op(dec *d, ds_op *op) {
    ds_value *out[DEC_MAX_RESULTS] = {NULL};
    d->op = op, d->out = out;
    d->b = (ds_builder){d->m, op->block, op, op->loc};
    if (op->result_count > DEC_MAX_RESULTS) return dec_refuse(d, "more than %d results", DEC_MAX_RESULTS);
    if (op->kind == DS_ONNX_None) return DS_OK;
    ds_op *before = op->prev;
    DS_TRY(apply_rule(d, op));
    if (d->cx->exprs_too_large)
        return dec_refuse(
            d,
            "extents that are known only at run time and depend on each other in too many ways; fix some with --dim");
    DS_TRY(dec_check_made(d, before ? before->next : op->block->first, op));
    for (size_t i = 0; i < op->result_count; i++) {
        if (ds_value_unused(&op->results[i])) continue;
        if (!out[i]) return dec_refuse(d, "result %zu", i);
        DS_TRY(dec_light(d, &out[i]));
        DS_TRY(check_declared(d, i, op->results[i].type, out[i]->type));
        ds_value_replace_uses(&op->results[i], out[i]);
    }
    ds_op_erase(op);
    return DS_OK;
}

static ds_status unsupported(const dec *d, const ds_op *op) {
    const char *name = ds_op_text(op, "ds.op", "?"), *nearest = ds_op_kind_nearest(name);
    if (!nearest) return ds_op_report(d->m, op, DS_E_op, "operator %s is not supported", name);
    return ds_op_report(d->m, op, DS_E_op, "operator %s is not supported; %s is", name, nearest);
}

ds_status dec_block(dec *d, ds_block *block) {
    dec saved = *d;
    ds_status worst = DS_OK;
    for (ds_op *op = block->first, *next; op; op = next) {
        next = op->next;
        ds_status status = DS_OK;
        if (op->kind == DS_OPAQUE) status = unsupported(d, op);
        else if (ds_op_is_operator(op->kind) && operands_are_known(op)) status = lower_op(d, op);
        else continue;
        if (status > worst) worst = status;
        if (status != DS_OK && status != DS_UNSUPPORTED) break;
        next = op->block == block ? op->next : next; /* a rule may have spliced ops in before the next one */
    }
    *d = saved;
    return worst;
}

/* Nodes that no result needs, those in regions included: nobody has to support them. */
static void erase_dead(ds_block *block) {
    for (ds_op *op = block->last, *before; op; op = before) {
        before = op->prev;
        bool dead = ds_op_is_operator(op->kind) || op->kind == DS_OPAQUE;
        for (size_t i = 0; i < op->result_count; i++) dead = dead && ds_value_unused(&op->results[i]);
        if (dead) ds_op_erase(op);
        else
            for (size_t r = 0; r < op->region_count; r++) erase_dead(ds_op_block(op, r));
    }
}

/* What stands for values that are left out, and lists, whose readers have their elements by now. */
static void erase_absent(void *user, ds_op *op) {
    (void)user;
    if ((op->kind == DS_ONNX_None || op->kind == DS_GRAPH_sequence) && ds_value_unused(ds_op_result(op, 0)))
        ds_op_erase(op);
}

static bool is_number_tensor(const ds_type *t) {
    return t->kind == DS_TYPE_TENSOR && t->rank <= DEC_MAX_RANK && ds_elem_facts(t->elem)->bits <= 64 &&
           ds_elem_facts(t->elem)->class != DS_CLASS_COMPLEX;
}

/* What a function gives are tensors of numbers. */
static ds_status check_results(dec *d, const ds_block *block) {
    ds_status status = DS_OK;
    for (size_t i = 0; block->last && i < block->last->operand_count; i++)
        if (!is_number_tensor(ds_op_operand(block->last, i)->type))
            status = ds_report(d->cx->diag, DS_ERROR, DS_E_elem, NULL,
                               "output %zu is not a tensor of numbers of known rank", i);
    return status;
}

/* Results that are to lie in the memory of an argument have its type by now, as far as that is needed. */
static ds_status check_aliases(dec *d, const ds_op *func) {
    const ds_block *block = ds_op_block(func, 0);
    const ds_type **inputs = NULL, **outputs = NULL;
    ds_error_code code;
    for (size_t i = 0; i < block->arg_count; i++) arrput(inputs, block->args[i]->type);
    for (size_t i = 0; block->last && i < block->last->operand_count; i++)
        arrput(outputs, ds_op_operand(block->last, i)->type);
    const char *wrong = ds_alias_objection(d->m, func, (ds_types){inputs, arrlenu(inputs)},
                                           (ds_types){outputs, arrlenu(outputs)}, &code);
    for (size_t i = 0; !wrong && i < arrlenu(outputs); i++) {
        wrong = ds_stored_objection(d->m, func, i, (ds_types){outputs, arrlenu(outputs)});
        code = DS_E_type;
    }
    arrfree(inputs), arrfree(outputs);
    return wrong ? ds_report(d->cx->diag, DS_ERROR, code, NULL, "%s", wrong) : DS_OK;
}

/* The value, or what Identity makes of it, or a conversion to what a cache is stored as, is the result of the function that lies in argument `input`. */
static bool lies_in(const ds_op *func, const ds_value *v, const ds_value *input) {
    for (const ds_use *use = v->uses; use; use = use->next) {
        const ds_op *op = use->owner;
        bool follows = op->kind == DS_ONNX_Identity || op->kind == DS_ONNX_Cast || op->kind == DS_ONNX_QuantizeLinear;
        if (follows && lies_in(func, &op->results[0], input)) return true;
        for (size_t i = 0; op->kind == DS_RETURN && i < op->operand_count; i++)
            if (ds_op_operand(op, i) == v && ds_alias_of(func, i) == (int64_t)input->index) return true;
    }
    return false;
}

/* What is stored, where a value is the conversion of an argument. */
static const ds_value *stored_input(const ds_value *v) {
    ds_rows rows;
    if (v && ds_rows_of(v, &rows)) return rows.bytes;
    const ds_op *map = v && v->op && v->op->kind == DS_GRAPH_map && v->op->operand_count == 1 ? v->op : NULL;
    const ds_op *first = map ? ds_op_block(map, 0)->first : NULL;
    return first && first->kind == DS_LOOP_cast && first->next == ds_op_block(map, 0)->last ? ds_op_operand(map, 0) : v;
}

bool dec_shares_memory(const dec *d, const ds_value *input, size_t result) {
    input = stored_input(input);
    const ds_block *block = d->op->block;
    const ds_op *func = block->region->op;
    return func->kind == DS_FUNC && input && input->block == block && result < d->op->result_count &&
           lies_in(func, &d->op->results[result], input);
}

/* Sizes of everything that was made. */
static void check_made(void *user, ds_op *op) {
    dec *d = user;
    d->op = op;
    for (size_t i = 0; i < op->result_count && d->worst == DS_OK; i++) d->worst = dec_check_size(d, &op->results[i]);
}

/* One message names all that are nothing to compute with. */
static ds_status check_inputs(dec *d, ds_op *func) {
    const ds_block *block = ds_op_block(func, 0);
    ds_status status = DS_OK;
    ds_string names = {0};
    d->op = func;
    for (size_t i = 0; i < block->arg_count; i++) {
        const ds_value *v = block->args[i];
        if (!is_number_tensor(v->type))
            ds_string_printf(&names, "%s'%s'", names.length ? ", " : "", v->name ? v->name : "");
        else if (status == DS_OK) status = dec_check_size(d, v);
    }
    if (names.length)
        status = ds_report_at(d->cx->diag, DS_ERROR, DS_E_elem, ds_loc_spot(func->loc), NULL,
                              "no tensor of numbers of known rank up to %d: input %s", DEC_MAX_RANK - 2, names.data);
    ds_string_free(&names);
    return status;
}

static ds_status decompose_function(ds_module *module, ds_op *func, const ds_requirement *facts) {
    ds_status status = DS_OK;
    ds_block *block = ds_op_block(func, 0);
    size_t cloned = 0;
    dec d = {.m = module, .cx = module->cx, .facts = facts, .fact_count = arrlenu(facts), .cloned = &cloned};
    status = check_inputs(&d, func);
    if (status != DS_OK) return status;
    erase_dead(block);
    ds_builder entry = {module, block, block->first, NULL};
    for (size_t i = 0; i < arrlenu(facts); i++) ds_requirement_op(&entry, DS_GRAPH_require, &facts[i]);
    d.worst = dec_block(&d, block);
    if (d.worst == DS_OK) d.worst = check_results(&d, block);
    if (d.worst == DS_OK) d.worst = check_aliases(&d, func);
    if (d.worst == DS_OK) ds_walk(block, erase_absent, NULL);
    if (d.worst == DS_OK) ds_walk(block, check_made, &d);
    return d.worst;
}

static bool has_symbols(const ds_block *block) {
    for (size_t i = 0; i < block->arg_count; i++)
        if (!ds_type_is_static(block->args[i]->type)) return true;
    return false;
}

/* Where the function turns out to need equalities that decide broadcasts made before, it is decomposed once more,
 * knowing them. */
ds_status ds_pass_decompose(ds_module *module, const ds_pass_options *options) {
    ds_status worst = DS_OK;
    (void)options;
    for (ds_op *func = module->body.block->first; func; func = func->next) {
        ds_op *again = NULL;
        if (has_symbols(ds_op_block(func, 0))) {
            ds_mapping mapping = {0};
            ds_builder b = {module, func->block, func, func->loc};
            again = ds_op_clone(&b, func, &mapping);
            ds_mapping_free(&mapping);
        }
        ds_status status = decompose_function(module, func, NULL);
        ds_requirement *facts = again && status == DS_OK ? dec_facts(module->cx, ds_op_block(func, 0)) : NULL;
        if (facts) {
            ds_op_erase(func);
            func = again;
            status = decompose_function(module, func, facts);
        } else if (again) ds_op_erase(again);
        arrfree(facts);
        if (status > worst) worst = status;
    }
    return worst;
}
