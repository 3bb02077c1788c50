/* Control flow: If. */
#include <string.h>

#include "passes/decompose/decompose.h"

static void splice(ds_block *from, ds_block *to, ds_op *before) {
    while (from->first && from->first->kind != DS_GRAPH_yield) ds_op_move(from->first, to, before);
}

RULE(if) {
    double condition;
    bool known = dec_known_scalar(d, dec_in(d, 0), &condition);
    if (known) { /* the branch that is taken, in place */
        ds_block *branch = ds_op_block(op, condition != 0 ? 0 : 1);
        DS_TRY(dec_block(d, branch));
        ds_op *yield = branch->last;
        for (size_t i = 0; i < op->result_count && i < yield->operand_count; i++) d->out[i] = ds_op_operand(yield, i);
        splice(branch, op->block, op);
        return DS_OK;
    }
    const ds_type *types[DEC_MAX_RESULTS];
    for (size_t k = 0; k < 2; k++) DS_TRY(dec_block(d, ds_op_block(op, k)));
    ds_op *yields[] = {ds_op_block(op, 0)->last, ds_op_block(op, 1)->last};
    if (op->result_count > DEC_MAX_RESULTS || yields[0]->operand_count != op->result_count || yields[1]->operand_count != op->result_count)
        return dec_fail(d, DS_E_arity, "the branches do not give %zu values", op->result_count);
    for (size_t i = 0; i < op->result_count; i++) {
        types[i] = ds_op_operand(yields[0], i)->type;
        if (types[i] != ds_op_operand(yields[1], i)->type) return dec_refuse(d, "branches whose results differ in type or shape");
        if (types[i]->kind != DS_TYPE_TENSOR) return dec_refuse(d, "sequences and optionals");
    }
    ds_value *c = dec_in(d, 0);
    ds_op *branch = ds_op_create(&d->b, DS_GRAPH_if, &c, 1, types, op->result_count, 2);
    for (size_t k = 0; k < 2; k++) {
        ds_block *to = ds_op_block(branch, k);
        while (ds_op_block(op, k)->first) ds_op_move(ds_op_block(op, k)->first, to, NULL);
    }
    for (size_t i = 0; i < op->result_count; i++) d->out[i] = ds_op_result(branch, i);
    return DS_OK;
}
