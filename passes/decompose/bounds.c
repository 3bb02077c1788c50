/* What every graph op that a rule has made needs of extents, whatever the rule: nothing is read outside an operand, and
 * no extent is negative. What cannot be seen while compiling is required of the run. */
#include "passes/decompose/decompose.h"

/* Extent i of the op's iteration space; NULL past the end. */
static const ds_expr *iterated(const ds_op *op, size_t i) {
    const ds_type *t = op->results[0].type;
    const ds_attr *over = ds_op_attr(op, "over");
    if (i < t->rank) return t->dims[i];
    return over && i - t->rank < over->count ? ds_attr_to_expr(over->items[i - t->rank]) : NULL;
}

/* A dimension of an operand that is walked by one of the op's own is at least as long. (Other expressions are right by
 * construction.) */
static ds_status check_reads(dec *d, const ds_op *op, size_t operand) {
    const ds_attr *map = ds_op_map(op, operand), *pads = ds_op_attr(op, "pads");
    const ds_type *t = ds_op_operand(op, operand)->type;
    if (!map || t->kind != DS_TYPE_TENSOR || map->count != t->rank) return DS_OK;
    if (pads && operand < pads->count && pads->items[operand]->kind != DS_ATTR_UNIT) return DS_OK;
    for (size_t i = 0; i < t->rank; i++) {
        const ds_expr *e = map->exprs[i], *extent = e->kind == DS_EXPR_DIM ? iterated(op, (size_t)e->value) : NULL;
        if (!extent || extent == t->dims[i] || ds_expr_equals(extent, 1)) continue;
        DS_TRY(dec_require(d, DS_at_most, extent, t->dims[i], "operands have as many elements as are read of them"));
    }
    return DS_OK;
}

/* Points of the iteration space, as far as matters: 1 or 0. */
static const ds_expr *any_point(dec *d, const ds_op *op) {
    const ds_expr *one = dec_const(d, 1), *product = one, *walked;
    for (size_t k = 0; (walked = iterated(op, k)); k++) product = ds_expr_mul(d->cx, product, walked);
    return ds_expr_min(d->cx, product, one);
}

/* An element read at positions: along dimension i of the tensor at a coordinate of the point, at a constant, or at what
 * was computed and is clamped, so that there must be something to read where anything is read. */
static ds_status check_position(dec *d, const ds_op *op, const ds_op *extract, size_t i, const ds_expr **any) {
    const ds_expr *extent = ds_op_operand(extract, 0)->type->dims[i];
    const ds_op *at = ds_op_operand(extract, i + 1)->op;
    int64_t known;
    if (at && at->kind == DS_LOOP_position) {
        const ds_expr *walked = iterated(op, (size_t)ds_op_int(at, "dim", 0));
        if (!walked || walked == extent) return DS_OK;
        return dec_require(d, DS_at_most, walked, extent, "operands have as many elements as are read of them");
    }
    if (at && at->kind == DS_LOOP_constant)
        return dec_require(d, DS_at_most, dec_const(d, ds_op_int(at, "value", 0) + 1), extent,
                           "operands have as many elements as are read of them");
    if (ds_expr_is_const(extent, &known) && known > 0) return DS_OK;
    for (size_t k = 0; iterated(op, k); k++)
        if (iterated(op, k) == extent) return DS_OK; /* nothing is read where there is nothing */
    if (!*any) *any = any_point(d, op);
    return dec_require(d, DS_at_most, *any, extent, "there is something to take elements from");
}

static ds_status check_extracts(dec *d, const ds_op *op) {
    const ds_expr *any = NULL;
    for (const ds_op *inner = ds_op_block(op, 0)->first; inner; inner = inner->next)
        for (size_t i = 0; inner->kind == DS_GRAPH_extract && i + 1 < inner->operand_count; i++)
            DS_TRY(check_position(d, op, inner, i, &any));
    return DS_OK;
}

static ds_status check_op(dec *d, ds_op *op) {
    const ds_expr *zero = dec_const(d, 0);
    for (size_t k = 0; k < op->result_count; k++) {
        const ds_type *t = op->results[k].type;
        for (size_t i = 0; t->kind == DS_TYPE_TENSOR && i < t->rank; i++)
            if (!ds_expr_nonneg(t->dims[i]))
                DS_TRY(dec_require(d, DS_at_most, zero, t->dims[i], "no extent of a result is negative"));
    }
    if (op->kind == DS_GRAPH_reshape) {
        const ds_expr *from = ds_type_count(d->cx, ds_op_operand(op, 0)->type),
                      *to = ds_type_count(d->cx, op->results[0].type);
        if (from != to) DS_TRY(dec_require(d, DS_equal, from, to, "other extents hold as many elements"));
    }
    if ((op->kind == DS_GRAPH_map || op->kind == DS_GRAPH_reduce) && op->result_count) DS_TRY(check_extracts(d, op));
    for (size_t i = 0; op->result_count && ds_op_attr(op, "maps") && i < op->operand_count; i++)
        DS_TRY(check_reads(d, op, i));
    return DS_OK;
}

ds_status dec_check_made(dec *d, ds_op *first, const ds_op *end) {
    ds_builder saved = d->b;
    ds_status status = DS_OK;
    for (ds_op *op = first; status == DS_OK && op && op != end; op = op->next) {
        d->b = (ds_builder){d->m, op->block, op, saved.loc};
        status = check_op(d, op);
        bool nested = op->kind == DS_GRAPH_loop || op->kind == DS_GRAPH_if;
        for (size_t r = 0; nested && status == DS_OK && r < op->region_count; r++)
            status = dec_check_made(d, ds_op_block(op, r)->first, NULL);
    }
    d->b = saved;
    return status;
}
