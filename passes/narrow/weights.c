/* Factors of 16 bits. */
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

/* The element type that options ask for, where some row of ir/mma.def multiplies it. */
static bool asked_type(narrowing *n, ds_elem sum, ds_elem *out) {
    const ds_mma *row;
    for (size_t i = 0; n->precision && (row = ds_mma_at(i)); i++) {
        bool asked = row->sum == sum && !strcmp(ds_elem_facts(row->rhs)->text, n->precision);
        *out = row->rhs;
        if (asked && row->rhs != sum && ds_mma_runs_on(row, n->target)) return true;
    }
    return false;
}

/* Do matrices multiply two factors of this type faster than vectors floats? Few rows or channels leave much of them
 * empty. Else says why not. */
static bool has_matrices(narrowing *n, const ds_op *op, ds_elem type, const char **out_why) {
    static const double FASTER = 2, UNKNOWN = 64;
    ds_contraction c;
    const ds_mma *vector = ds_mma_for(n->target, type, type, op->results[0].type->elem),
                 *row = vector ? ds_mma_matrix(n->target, vector) : NULL;
    *out_why = "this level multiplies them no faster";
    if (!row) return false;
    *out_why = "no sum over channels";
    if (ds_is_depthwise(n->cx, op) || !ds_contraction_of(n->cx, op, &c) || !c.over_count) return false;
    double rows = 1, steps = ds_expr_is_const(c.extent[c.rank], NULL) ? (double)c.extent[c.rank]->value : 0;
    for (size_t i = 0; i < c.rank; i++)
        if (c.role[i] == DS_DIM_M) rows *= ds_expr_is_const(c.extent[i], NULL) ? (double)c.extent[i]->value : UNKNOWN;
    double high = rows < row->m ? rows / row->m : 1, deep = steps < row->k ? steps / row->k : 1;
    *out_why = "few rows or channels would leave most of a matrix empty";
    return row->rate * high * deep > FASTER;
}

static ds_value *rounded(narrowing *n, ds_op *op, ds_value *v, ds_elem to) {
    const part own = {v, ds_attr_identity_map(n->cx, v->type->rank)};
    region r = nw_open_map(n, op, ds_type_with_elem(n->cx, v->type, to), &own, 1);
    nw_yield(&r, nw_cast(&r, r.args[0], to));
    return ds_op_result(r.op, 0);
}

/* Constants that options say may be rounded, where all are numbers of that type (its largest is that of 16 bits): those
 * of matrix products, or, where matrices multiply them, of all, and the other factor with them. NULL, or why not. */
static const char *round_factors(narrowing *n, ds_op *op, ds_elem to) {
    static const double MOST = 65504;
    const char *why;
    ds_value *x = ds_op_operand(op, 0), *w = ds_op_operand(op, 1);
    ds_elem sum = op->results[0].type->elem;
    if (!ds_value_constant(w)) return "no factor is constant";
    bool both = has_matrices(n, op, to, &why), one = op->kind == DS_GRAPH_matmul && ds_mma_for(n->target, sum, to, sum);
    if (!both && !one) return why;
    if (!fits_range(w, MOST)) return "weights are larger than it holds";
    if (both) {
        const factor f = {.x = x};
        ds_op_set_operand(op, 0, nw_converted(n, op, &f, 0, to, sum));
    }
    ds_op_set_operand(op, 1, rounded(n, op, w, to));
    return NULL;
}

void nw_round_factors(narrowing *n, ds_op *op) {
    ds_elem sum = op->results[0].type->elem, to;
    if (ds_op_operand(op, 0)->type->elem != sum || ds_op_operand(op, 1)->type->elem != sum || !asked_type(n, sum, &to))
        return;
    const char *why = round_factors(n, op, to);
    if (why) ds_op_set_attr(n->m, op, "stays", ds_attr_string(n->cx, why));
}

bool nw_is_fixed(const ds_value *v) {
    if (ds_value_constant(v)) return true;
    bool moves = v->op && (v->op->kind == DS_GRAPH_map || v->op->kind == DS_GRAPH_reshape);
    bool fixed = moves && v->op->operand_count && ds_type_is_static(v->type);
    for (size_t i = 0; fixed && i < v->op->operand_count; i++) fixed = nw_is_fixed(ds_op_operand(v->op, i));
    return fixed;
}

/* What a map widens, point by point; NULL where it does something else. */
static ds_value *widened(const ds_value *v) {
    const ds_op *map = v->op;
    if (!map || map->kind != DS_GRAPH_map || map->operand_count != 1 || map->result_count != 1 ||
        ds_op_attr(map, "pads"))
        return NULL;
    ds_value *source = ds_op_operand(map, 0);
    const ds_op *widen = ds_op_block(map, 0)->first;
    bool converts = widen->kind == DS_LOOP_cast && widen->next->kind == DS_GRAPH_yield;
    bool same = converts && source->type->rank == v->type->rank && ds_map_is_identity(ds_op_map(map, 0), v->type);
    return same ? source : NULL;
}

void nw_keep_narrow(narrowing *n, ds_op *op) {
    ds_value *source = widened(ds_op_operand(op, 1)), *other = widened(ds_op_operand(op, 0));
    ds_elem sum = op->results[0].type->elem;
    const char *why;
    if (!source || !nw_is_fixed(source)) return;
    bool both = other && other->type->elem == source->type->elem && has_matrices(n, op, source->type->elem, &why);
    if (!both && (op->kind != DS_GRAPH_matmul || !ds_mma_for(n->target, sum, source->type->elem, sum))) return;
    ds_op *maps[] = {both ? ds_op_operand(op, 0)->op : NULL, ds_op_operand(op, 1)->op};
    if (both) ds_op_set_operand(op, 0, other);
    ds_op_set_operand(op, 1, source);
    for (size_t i = 0; i < 2; i++) nw_erase_unread(maps[i]);
}
