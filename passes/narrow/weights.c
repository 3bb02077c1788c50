/* Weights of 16 bits. */
#include "passes/narrow/narrow.h"

#include <string.h>

static bool fits_range(const ds_value *w, double most) {
    const ds_attr *value = ds_value_constant(w);
    float v;
    for (size_t i = 0; i + sizeof v <= value->count; i += sizeof v) {
        memcpy(&v, (const char *)value->bytes + i, sizeof v);
        if (!(v >= -most && v <= most)) return false;
    }
    return true;
}

/* The element type that options ask for; false where there is none, or no row of ir/mma.def for it. */
static bool asked_type(narrowing *n, ds_elem sum, ds_elem *out) {
    const ds_mma *row;
    for (size_t i = 0; n->precision && (row = ds_mma_at(i)); i++) {
        bool asked = row->lhs == sum && row->sum == sum && !strcmp(ds_elem_facts(row->rhs)->text, n->precision);
        *out = row->rhs;
        if (asked && row->rhs != sum && ds_mma_runs_on(row, n->target)) return true;
    }
    return false;
}

/* Constants that options say may be rounded, where all are numbers of that type (its largest is that of 16 bits). */
void nw_round_weights(narrowing *n, ds_op *op) {
    static const double MOST = 65504;
    ds_value *w = ds_op_operand(op, 1);
    ds_elem sum = op->results[0].type->elem, to;
    if (!ds_value_constant(w) || w->type->elem != sum || !asked_type(n, sum, &to) || !fits_range(w, MOST)) return;
    const part own = {w, ds_attr_identity_map(n->cx, w->type->rank)};
    region r = nw_open_map(n, op, ds_type_with_elem(n->cx, w->type, to), &own, 1);
    nw_yield(&r, nw_cast(&r, r.args[0], to));
    ds_op_set_operand(op, 1, ds_op_result(r.op, 0));
}

bool nw_is_fixed(const ds_value *v) {
    if (ds_value_constant(v)) return true;
    bool moves = v->op && (v->op->kind == DS_GRAPH_map || v->op->kind == DS_GRAPH_reshape);
    bool fixed = moves && v->op->operand_count && ds_type_is_static(v->type);
    for (size_t i = 0; fixed && i < v->op->operand_count; i++) fixed = nw_is_fixed(ds_op_operand(v->op, i));
    return fixed;
}

void nw_keep_weights(narrowing *n, ds_op *op) {
    ds_value *w = ds_op_operand(op, 1);
    ds_op *map = w->op;
    if (!map || map->kind != DS_GRAPH_map || map->operand_count != 1 || map->result_count != 1 ||
        ds_op_attr(map, "pads"))
        return;
    ds_value *source = ds_op_operand(map, 0);
    const ds_op *widen = ds_op_block(map, 0)->first;
    bool converts = widen->kind == DS_LOOP_cast && widen->next->kind == DS_GRAPH_yield;
    bool same = converts && source->type->rank == w->type->rank && ds_map_is_identity(ds_op_map(map, 0), w->type);
    ds_elem sum = op->results[0].type->elem;
    if (!same || !nw_is_fixed(source) || !ds_mma_for(n->target, sum, source->type->elem, sum)) return;
    ds_op_set_operand(op, 1, source);
    nw_erase_unread(map);
}
