#include "passes/constant.h"

bool ds_is_recipe_op(ds_op_kind kind) {
    switch (kind) {
    case DS_GRAPH_map:
    case DS_GRAPH_reduce:
    case DS_GRAPH_reshape:
    case DS_GRAPH_encode:
    case DS_GRAPH_concat:
    case DS_GRAPH_matmul:
    case DS_GRAPH_conv: return true;
    default: return false;
    }
}

bool ds_depends_on_constants(uint8_t **known, const ds_value *v) {
    if (!v->op) return false;
    if (v->op->kind == DS_GRAPH_constant) return true;
    if (v->id < arrlenu(*known) && (*known)[v->id]) return (*known)[v->id] == 1;
    bool result = ds_is_recipe_op(v->op->kind) && v->op->operand_count > 0 && ds_type_is_static(v->type);
    for (size_t i = 0; result && i < v->op->operand_count; i++)
        result = ds_depends_on_constants(known, ds_op_operand(v->op, i));
    while (arrlenu(*known) <= v->id) arrput(*known, 0);
    (*known)[v->id] = result ? 1 : 2;
    return result;
}
