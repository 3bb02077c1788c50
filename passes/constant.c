#include "passes/constant.h"

#include "passes/contraction.h"

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

bool ds_is_decoding(const ds_op *op) {
    enum { MANY = 4096 /* bytes of results: less is not worth a kernel */ };
    uint64_t count;
    if (op->kind != DS_GRAPH_map || op->operand_count == 0 || op->result_count != 1) return false;
    const ds_type *from = ds_op_operand(op, 0)->type, *to = op->results[0].type;
    unsigned bits = ds_elem_facts(from->elem)->bits, wide = ds_elem_facts(to->elem)->bits;
    bool few = ds_elem_is_float(from->elem) ? bits <= 8 : ds_elem_is_integer(from->elem) && bits < 8;
    return few && wide > bits && !ds_op_attr(op, "pads") && from->rank == to->rank &&
           ds_map_is_identity(ds_op_map(op, 0), to) && ds_type_static_count(to, &count) && count * wide / 8 >= MANY;
}
