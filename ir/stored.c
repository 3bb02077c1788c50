#include "ir/stored.h"

#include <string.h>

#include "ir/alias.h"

static const ds_elem types[] = {DS_bf16, DS_f16, DS_i8};

ds_elem ds_stored_type(const char *name) {
    for (size_t i = 0; i < DS_COUNT(types); i++)
        if (!strcmp(ds_elem_facts(types[i])->text, name)) return types[i];
    return DS_NO_ELEM;
}

ds_elem ds_stored_of(const ds_op *func, size_t i) {
    const ds_attr *a = ds_result_attr(func, i, DS_STORED);
    return a && a->kind == DS_ATTR_STRING ? ds_stored_type(a->text) : DS_NO_ELEM;
}

bool ds_stored_has_scales(ds_elem elem) { return elem != DS_NO_ELEM && ds_elem_is_integer(elem); }

size_t ds_stored_scales(const ds_op *func, size_t i) {
    const ds_attr *a = ds_result_attr(func, i, DS_SCALES);
    return a && a->kind == DS_ATTR_INT && a->integer >= 0 ? (size_t)a->integer : SIZE_MAX;
}

/* Do the types fit: f32, and one element for each row? Those that are no tensors are not known yet. */
static bool are_scales(ds_ir_context *cx, const ds_type *of, const ds_type *type) {
    if (of->kind != DS_TYPE_TENSOR || type->kind != DS_TYPE_TENSOR) return true;
    if (type->elem != DS_f32 || type->rank != of->rank || !of->rank) return false;
    for (size_t d = 0; d + 1 < of->rank; d++)
        if (!ds_expr_equals(ds_expr_sub(cx, of->dims[d], type->dims[d]), 0)) return false;
    return ds_expr_equals(type->dims[of->rank - 1], 1);
}

static const char *scales_objection(ds_module *m, const ds_op *func, size_t i, ds_types outputs, ds_elem elem) {
    size_t scales = ds_stored_scales(func, i);
    bool said = ds_result_attr(func, i, DS_SCALES) != NULL;
    if (!said && !ds_stored_has_scales(elem)) return NULL;
    if (!ds_stored_has_scales(elem))
        return ds_arena_printf(m->arena, "result '%s' has '%s', and is stored as no bytes", ds_result_name(m, func, i),
                               DS_SCALES);
    if (scales >= outputs.count || scales == i)
        return ds_arena_printf(m->arena, "result '%s' is stored as %s, and '%s' names no other result",
                               ds_result_name(m, func, i), ds_elem_facts(elem)->text, DS_SCALES);
    if (are_scales(m->cx, outputs.types[i], outputs.types[scales])) return NULL;
    return ds_arena_printf(m->arena, "result '%s' has no scale of f32 for each row of result '%s'",
                           ds_result_name(m, func, scales), ds_result_name(m, func, i));
}

const char *ds_stored_objection(ds_module *m, const ds_op *func, size_t i, ds_types outputs) {
    const ds_type *type = outputs.types[i];
    ds_elem elem = ds_stored_of(func, i);
    if (!ds_result_attr(func, i, DS_STORED) && !ds_result_attr(func, i, DS_SCALES)) return NULL;
    if (ds_result_attr(func, i, DS_STORED) && elem == DS_NO_ELEM)
        return ds_arena_printf(m->arena, "'%s' of result '%s' is no element type that caches are stored in", DS_STORED,
                               ds_result_name(m, func, i));
    if (elem == DS_NO_ELEM || type->kind != DS_TYPE_TENSOR || type->elem == elem)
        return scales_objection(m, func, i, outputs, elem);
    return ds_arena_printf(m->arena, "result '%s' has elements of %s, and '%s' says %s", ds_result_name(m, func, i),
                           ds_elem_facts(type->elem)->text, DS_STORED, ds_elem_facts(elem)->text);
}

/* ---- declaring ---- */

typedef struct {
    ds_builder b;
    ds_ir_context *cx;
} maker;

static ds_value *made(maker *k, ds_op_kind kind, ds_value *const *operands, size_t count, const char *name,
                      const ds_attr *value) {
    const ds_type *none = ds_type_none(k->cx);
    ds_op *op = ds_op_create(&k->b, kind, operands, count, &none, 1, 0);
    if (name) ds_op_set_attr(k->b.module, op, name, value);
    return ds_op_result(op, 0);
}

static ds_value *converted(maker *k, ds_value *v, ds_elem to) {
    return made(k, DS_ONNX_Cast, &v, 1, "to", ds_attr_int(k->cx, ds_elem_facts(to)->onnx));
}

static ds_value *constant(maker *k, ds_elem elem, size_t rank, const void *bytes, size_t length) {
    const ds_expr *one = ds_expr_const(k->cx, 1);
    const ds_type *type = ds_type_tensor(k->cx, elem, rank, &one, NULL);
    return made(k, DS_ONNX_Constant, NULL, 0, "value", ds_attr_elements(k->cx, type, bytes, length, NULL));
}

static ds_value *number(maker *k, double value) {
    float f = (float)value;
    return constant(k, DS_f32, 0, &f, sizeof f);
}

static const ds_attr *last_axis(maker *k, const ds_type *type) { return ds_attr_int(k->cx, (int64_t)type->rank - 1); }

/* What read the argument reads it as it was before. scales: of its rows, or NULL. */
static void narrow_argument(ds_module *m, ds_value *argument, ds_value *scales, ds_elem elem, const char *name) {
    maker k = {{m, argument->block, argument->block->first, ds_loc_named(m, name)}, m->cx};
    ds_value *both[] = {argument, scales};
    ds_elem wide = argument->type->elem;
    argument->type = ds_type_with_elem(m->cx, argument->type, elem);
    ds_value *widened = scales ? made(&k, DS_ONNX_DequantizeLinear, both, 2, "axis", last_axis(&k, argument->type))
                               : converted(&k, argument, wide);
    ds_value_replace_uses(argument, widened);
    ds_op_set_operand(widened->op, 0, argument);
}

/* The bytes of x and, in *out_scales, a scale for each row. */
static ds_value *in_bytes(maker *k, ds_value *x, const ds_type *type, ds_elem elem, ds_value **out_scales) {
    const int64_t last = -1;
    ds_value *most[] = {made(k, DS_ONNX_Abs, &x, 1, NULL, NULL), constant(k, DS_i64, 1, &last, sizeof last)};
    ds_value *top = made(k, DS_ONNX_ReduceMax, most, 2, "keepdims", ds_attr_int(k->cx, 1));
    ds_value *above[] = {top, number(k, DS_SCALES_LEAST)}, *parts[] = {top, number(k, 127)};
    ds_value *choice[] = {made(k, DS_ONNX_Greater, above, 2, NULL, NULL), made(k, DS_ONNX_Div, parts, 2, NULL, NULL),
                          number(k, 1)};
    ds_value *both[] = {x, *out_scales = made(k, DS_ONNX_Where, choice, 3, NULL, NULL)};
    ds_value *bytes = made(k, DS_ONNX_QuantizeLinear, both, 2, "axis", last_axis(k, type));
    ds_op_set_attr(k->b.module, bytes->op, "output_dtype", ds_attr_int(k->cx, ds_elem_facts(elem)->onnx));
    return bytes;
}

static const char *scales_name(ds_module *m, const char *name) { return ds_arena_printf(m->arena, "%s_scale", name); }

static ds_value *add_scales_argument(ds_module *m, ds_op *func, ds_value *cache, const char *name) {
    ds_block *body = ds_op_block(func, 0);
    const ds_attr *old = ds_op_attr(func, "arg_attrs"), **dicts = NULL;
    const ds_expr **dims = NULL;
    for (size_t d = 0; d + 1 < cache->type->rank; d++) arrput(dims, cache->type->dims[d]);
    arrput(dims, ds_expr_const(m->cx, 1));
    for (size_t i = 0; i < body->arg_count; i++)
        arrput(dicts, old && i < old->count ? old->items[i] : ds_attr_dict(m->cx, NULL, 0));
    ds_named_attr entry = {"ds.name", ds_attr_string(m->cx, name)};
    arrput(dicts, ds_attr_dict(m->cx, &entry, 1));
    const ds_type *type = ds_type_tensor(m->cx, DS_f32, cache->type->rank, dims, NULL);
    ds_value *made_one = ds_block_add_arg(m, body, type, ds_context_name(m->cx, name));
    ds_op_set_attr(m, func, "arg_attrs", ds_attr_array(m->cx, dicts, arrlenu(dicts)));
    arrfree(dims), arrfree(dicts);
    return made_one;
}

static void add_result(ds_module *m, ds_op *func, ds_value *v, const char *name) {
    ds_op *ret = ds_op_block(func, 0)->last;
    ds_value **values = NULL;
    for (size_t i = 0; i < ret->operand_count; i++) arrput(values, ds_op_operand(ret, i));
    arrput(values, v);
    ds_op_set_operands(m, ret, values, arrlenu(values));
    ds_result_set_attr(m, func, arrlenu(values) - 1, "ds.name", ds_attr_string(m->cx, name));
    arrfree(values);
}

/* A name that the model has already would be that of two tensors. */
static ds_status check_names(ds_module *m, const ds_op *func, const char *input, const char *output) {
    const ds_block *body = ds_op_block(func, 0);
    bool taken = false;
    for (size_t i = 0; i < body->arg_count; i++) taken = taken || !strcmp(ds_argument_name(m, func, i), input);
    for (size_t i = 0; i < body->last->operand_count; i++) taken = taken || !strcmp(ds_result_name(m, func, i), output);
    if (!taken) return DS_OK;
    return ds_report(m->cx->diag, DS_ERROR, DS_E_name, NULL,
                     "the model has an input '%s' or an output '%s' already, as the scales of a cache would be called",
                     input, output);
}

static ds_status declare_bytes(ds_module *m, ds_op *func, ds_pair pair, ds_elem elem) {
    ds_block *body = ds_op_block(func, 0);
    ds_value *argument = body->args[pair.input], *made_scales;
    const char *input = ds_argument_name(m, func, pair.input), *output = ds_result_name(m, func, pair.output);
    const ds_type *type = argument->type;
    if (!type->rank)
        return ds_report(m->cx->diag, DS_ERROR, DS_E_type, NULL, "input '%s' is a number, and has no rows", input);
    DS_TRY(check_names(m, func, scales_name(m, input), scales_name(m, output)));
    ds_value *scales = add_scales_argument(m, func, argument, scales_name(m, input));
    narrow_argument(m, argument, scales, elem, input);
    maker k = {{m, body, body->last, ds_loc_named(m, output)}, m->cx};
    size_t at = body->last->operand_count;
    ds_op_set_operand(body->last, pair.output,
                      in_bytes(&k, ds_op_operand(body->last, pair.output), type, elem, &made_scales));
    add_result(m, func, made_scales, scales_name(m, output));
    ds_result_set_attr(m, func, pair.output, DS_SCALES, ds_attr_int(m->cx, (int64_t)at));
    if (ds_alias_of(func, pair.output) == (int64_t)pair.input)
        ds_result_set_attr(m, func, at, DS_ALIAS, ds_attr_int(m->cx, (int64_t)scales->index));
    return DS_OK;
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
    if (ds_stored_has_scales(elem)) DS_TRY(declare_bytes(m, func, pair, elem));
    else {
        narrow_argument(m, argument, NULL, elem, input);
        maker k = {{m, body, body->last, ds_loc_named(m, output)}, m->cx};
        ds_op_set_operand(body->last, pair.output, converted(&k, ds_op_operand(body->last, pair.output), elem));
    }
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
