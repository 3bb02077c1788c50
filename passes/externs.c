#include "passes/externs.h"

#include <string.h>

static const ds_extern table[] = {
#define DS_BITCODE(file, text)
#define DS_EXTERN(callee, operands, results, tied, fresh, elem, kind) {#callee, tied, fresh, elem, DS_EXTERN_##kind},
#include "kernels/kernels.def"
#undef DS_EXTERN
#undef DS_BITCODE
};

enum { REDUCTION = 256 }; /* a code is this times the reduction, and the element type's */

const ds_extern *ds_extern_of(const ds_op *op) {
    for (size_t i = 0; op->kind == DS_GRAPH_extern && i < DS_COUNT(table); i++)
        if (!strcmp(ds_op_text(op, "callee", ""), table[i].callee)) return &table[i];
    return NULL;
}

int64_t ds_extern_code(ds_elem elem) {
    const ds_elem_info *i = ds_elem_facts(elem);
    int64_t class = i->class == DS_CLASS_FLOAT ? 2 : i->class == DS_CLASS_SINT ? 0 : 1;
    return class * 16 + (int64_t)i->bits / 8;
}

static const ds_expr *elem_parameter(const ds_op *op, const ds_extern *row) {
    const ds_attr *params = ds_op_attr(op, "params");
    return params && row->elem >= 0 && (size_t)row->elem < params->count ? ds_attr_to_expr(params->items[row->elem])
                                                                         : NULL;
}

bool ds_extern_moves(const ds_op *op) {
    const ds_extern *row = ds_extern_of(op);
    int64_t code;
    if (!row || !row->tied || row->fresh < 0 || (size_t)row->fresh >= op->operand_count) return false;
    const ds_expr *e = elem_parameter(op, row);
    return e && (row->kind == DS_EXTERN_BYTES || (ds_expr_is_const(e, &code) && code < REDUCTION));
}

const ds_value *ds_extern_put(const ds_op *op) {
    return ds_extern_moves(op) ? ds_op_operand(op, (size_t)ds_extern_of(op)->fresh) : NULL;
}

void ds_extern_retype(ds_module *m, ds_op *op, ds_elem from, ds_elem to) {
    ds_ir_context *cx = m->cx;
    const ds_extern *row = ds_extern_of(op);
    const ds_attr *old = ds_op_attr(op, "params");
    const ds_expr **params = NULL, *e = elem_parameter(op, row);
    int64_t bits = ds_elem_facts(from)->bits;
    if (row->kind == DS_EXTERN_CODE) e = ds_expr_const(cx, ds_extern_code(to));
    else e = ds_expr_floordiv(cx, ds_expr_scale(cx, e, ds_elem_facts(to)->bits), ds_expr_const(cx, bits));
    for (size_t i = 0; i < old->count; i++) arrput(params, i == (size_t)row->elem ? e : ds_attr_to_expr(old->items[i]));
    ds_op_set_attr(m, op, "params", ds_attr_exprs(cx, params, arrlenu(params)));
    arrfree(params);
}
