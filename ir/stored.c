#include "ir/stored.h"

#include <string.h>

#include "ir/alias.h"

static const ds_elem types[] = {DS_bf16, DS_f16};

ds_elem ds_stored_type(const char *name) {
    for (size_t i = 0; i < DS_COUNT(types); i++)
        if (!strcmp(ds_elem_facts(types[i])->text, name)) return types[i];
    return DS_NO_ELEM;
}

ds_elem ds_stored_of(const ds_op *func, size_t i) {
    const ds_attr *a = ds_result_attr(func, i, DS_STORED);
    return a && a->kind == DS_ATTR_STRING ? ds_stored_type(a->text) : DS_NO_ELEM;
}

const char *ds_stored_objection(ds_module *m, const ds_op *func, size_t i, const ds_type *type) {
    if (!ds_result_attr(func, i, DS_STORED)) return NULL;
    ds_elem elem = ds_stored_of(func, i);
    if (elem == DS_NO_ELEM)
        return ds_arena_printf(m->arena, "'%s' of result '%s' is no element type that caches are stored in", DS_STORED,
                               ds_result_name(m, func, i));
    if (type->kind != DS_TYPE_TENSOR || type->elem == elem) return NULL;
    return ds_arena_printf(m->arena, "result '%s' has elements of %s, and '%s' says %s", ds_result_name(m, func, i),
                           ds_elem_facts(type->elem)->text, DS_STORED, ds_elem_facts(elem)->text);
}

/* ---- declaring ---- */

static ds_value *converted(ds_builder *b, ds_value *v, ds_elem to) {
    const ds_type *none = ds_type_none(b->module->cx);
    ds_op *cast = ds_op_create(b, DS_ONNX_Cast, &v, 1, &none, 1, 0);
    ds_op_set_attr(b->module, cast, "to", ds_attr_int(b->module->cx, ds_elem_facts(to)->onnx));
    return ds_op_result(cast, 0);
}

/* What read the argument reads it as it was before. */
static void narrow_argument(ds_module *m, ds_block *body, ds_value *argument, ds_elem elem, const char *name) {
    ds_builder b = {m, body, body->first, ds_loc_named(m, name)};
    ds_elem wide = argument->type->elem;
    argument->type = ds_type_with_elem(m->cx, argument->type, elem);
    ds_value *widened = converted(&b, argument, wide);
    ds_value_replace_uses(argument, widened);
    ds_op_set_operand(widened->op, 0, argument);
}

static ds_status declare(ds_module *m, ds_op *func, ds_pair pair, ds_elem elem) {
    ds_block *body = ds_op_block(func, 0);
    ds_value *argument = body->args[pair.input];
    const char *input = ds_argument_name(m, func, pair.input), *output = ds_result_name(m, func, pair.output);
    ds_string type = {0};
    if (ds_result_attr(func, pair.output, DS_STORED)) return DS_OK;
    if (argument->type->kind == DS_TYPE_TENSOR && argument->type->elem == elem) return DS_OK; /* it is so already */
    if (argument->type->kind != DS_TYPE_TENSOR || argument->type->elem != DS_f32) {
        ds_type_print(&type, argument->type);
        ds_status status = ds_report(m->cx->diag, DS_ERROR, DS_E_type, NULL,
                                     "input '%s', %s, is no cache of f32 that could be stored as %s", input, type.data,
                                     ds_elem_facts(elem)->text);
        ds_string_free(&type);
        return status;
    }
    narrow_argument(m, body, argument, elem, input);
    ds_builder b = {m, body, body->last, ds_loc_named(m, output)};
    ds_op_set_operand(body->last, pair.output, converted(&b, ds_op_operand(body->last, pair.output), elem));
    ds_result_set_attr(m, func, pair.output, DS_STORED, ds_attr_string(m->cx, ds_elem_facts(elem)->text));
    return DS_OK;
}

ds_status ds_stored_declare(ds_module *m, ds_elem elem, const char *const *patterns, size_t count) {
    ds_op *func;
    ds_pair *pairs = NULL;
    ds_status status = ds_alias_pairs(m, "element types of caches are declared", patterns, count, &func, &pairs);
    for (size_t i = 0; status == DS_OK && i < arrlenu(pairs); i++) status = declare(m, func, pairs[i], elem);
    arrfree(pairs);
    return status;
}
