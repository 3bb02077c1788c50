/* Factors that a model has as 16 bits. */
#include "passes/narrow/narrow.h"

bool nw_pays(narrowing *n, const ds_op *op, ds_elem type, const char **out_why) {
    static const double FASTER = 2, UNKNOWN = 64;
    ds_contraction c;
    const ds_mma *vector = ds_mma_for(n->target, type, type, op->results[0].type->elem),
                 *row = vector ? ds_mma_matrix(n->target, vector) : NULL;
    bool in_vectors = vector && vector->rate > 1;
    *out_why = "this level multiplies them no faster";
    if (!row && !in_vectors) return false;
    *out_why = "no sum over channels";
    if (ds_is_depthwise(n->cx, op) || !ds_contraction_of(n->cx, op, &c) || !c.over_count) return false;
    double rows = 1, steps = ds_expr_is_const(c.extent[c.rank], NULL) ? (double)c.extent[c.rank]->value : UNKNOWN;
    if (in_vectors) return steps >= vector->k;
    for (size_t i = 0; i < c.rank; i++)
        if (c.role[i] == DS_DIM_M) rows *= ds_expr_is_const(c.extent[i], NULL) ? (double)c.extent[i]->value : UNKNOWN;
    double high = rows < row->m ? rows / row->m : 1, deep = steps < row->k ? steps / row->k : 1;
    *out_why = "few rows or channels would leave most of a matrix empty";
    return row->rate * high * deep > FASTER;
}

bool nw_is_fixed(const ds_value *v) {
    if (ds_value_constant(v)) return true;
    bool moves = v->op && (v->op->kind == DS_GRAPH_map || v->op->kind == DS_GRAPH_reshape);
    bool fixed = moves && v->op->operand_count && ds_type_is_static(v->type);
    for (size_t i = 0; fixed && i < v->op->operand_count; i++) fixed = nw_is_fixed(ds_op_operand(v->op, i));
    return fixed;
}

/* What is computed or comes from outside in 16 bits lies so in memory: caches do. */
static bool is_of_16_bits(const ds_value *v) {
    return ds_elem_is_float(v->type->elem) && ds_elem_facts(v->type->elem)->bits == 16;
}

ds_value *nw_widened_of(const ds_value *v) {
    ds_value *from = ds_converted_of(v);
    return from && ds_elem_facts(from->type->elem)->bits < ds_elem_facts(v->type->elem)->bits ? from : NULL;
}

void nw_keep_narrow(narrowing *n, ds_op *op) {
    ds_value *source = nw_widened_of(ds_op_operand(op, 1)), *other = nw_widened_of(ds_op_operand(op, 0));
    ds_elem sum = op->results[0].type->elem;
    const char *why;
    if (!source || (!nw_is_fixed(source) && !is_of_16_bits(source))) return;
    bool both = other && other->type->elem == source->type->elem && nw_pays(n, op, source->type->elem, &why);
    if (!both && (op->kind != DS_GRAPH_matmul || !ds_mma_for(n->target, sum, source->type->elem, sum))) return;
    ds_op *maps[] = {both ? ds_op_operand(op, 0)->op : NULL, ds_op_operand(op, 1)->op};
    if (both) ds_op_set_operand(op, 0, other);
    ds_op_set_operand(op, 1, source);
    for (size_t i = 0; i < 2; i++) nw_erase_unread(maps[i]);
}
