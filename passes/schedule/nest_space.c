/* The iteration spaces of maps, reductions and copies: dims are put into the result's memory order and collapsed where
 * all accesses allow it. */
#include "passes/schedule/nest.h"

#include <string.h>

static void nest_substitute(const ds_core *core, nest *n, const ds_expr *const *to) {
    for (size_t i = 0; i < n->accesses; i++) n->offset[i] = ds_expr_replace_dims(core->cx, n->offset[i], to, n->rank);
    for (size_t i = 0; i < n->old_rank; i++) n->old[i] = ds_expr_replace_dims(core->cx, n->old[i], to, n->rank);
}

/* New dim i is old dim order[i]. */
static void nest_reorder(const ds_core *core, nest *n, const size_t *order) {
    const ds_expr *to[SCHEDULE_MOST_DIMS], *extent[SCHEDULE_MOST_DIMS];
    bool pinned[SCHEDULE_MOST_DIMS];
    for (size_t i = 0; i < n->rank; i++) {
        to[order[i]] = ds_expr_dim(core->cx, i);
        extent[i] = n->extent[order[i]];
        pinned[i] = n->pinned[order[i]];
    }
    nest_substitute(core, n, to);
    memcpy(n->extent, extent, n->rank * sizeof *extent);
    memcpy(n->pinned, pinned, n->rank * sizeof *pinned);
}

static void move_dim(nest *n, size_t to, size_t from) {
    n->extent[to] = n->extent[from];
    n->pinned[to] = n->pinned[from];
}

static void nest_remove(const ds_core *core, nest *n, size_t dim, const ds_expr *value) {
    const ds_expr *to[SCHEDULE_MOST_DIMS];
    for (size_t i = 0; i < n->rank; i++) to[i] = i == dim ? value : ds_expr_dim(core->cx, i < dim ? i : i - 1);
    nest_substitute(core, n, to);
    for (size_t i = dim + 1; i < n->rank; i++) move_dim(n, i - 1, i);
    n->rank--;
    if (dim < n->kept) n->kept--;
}

/* Dims `dim` and `dim + 1` walk memory as one in every access: coefficient(dim) = coefficient(dim + 1) * extent(dim +
 * 1). */
static bool nest_can_collapse(const ds_core *core, const nest *n, size_t dim) {
    if (n->pinned[dim] || n->pinned[dim + 1] || (dim < n->kept) != (dim + 1 < n->kept)) return false;
    for (size_t i = 0; i < n->accesses; i++) {
        const ds_expr *outer, *inner, *rest;
        if (!ds_expr_linear(core->cx, n->offset[i], dim, &outer, &rest) ||
            !ds_expr_linear(core->cx, n->offset[i], dim + 1, &inner, &rest))
            return false;
        if (outer->has_dim || inner->has_dim || outer != ds_expr_mul(core->cx, inner, n->extent[dim + 1])) return false;
    }
    return true;
}

/* dim * extent(dim+1) + dim+1 becomes the new dim. Pinned dims are never collapsed, so old positions of these two are
 * not needed. */
static void nest_collapse(const ds_core *core, nest *n, size_t dim) {
    const ds_expr *to[SCHEDULE_MOST_DIMS], *zero = ds_expr_const(core->cx, 0),
                                           *extent = ds_expr_mul(core->cx, n->extent[dim], n->extent[dim + 1]);
    for (size_t i = 0; i < n->rank; i++) to[i] = i == dim ? zero : ds_expr_dim(core->cx, i <= dim ? i : i - 1);
    nest_substitute(core, n, to);
    for (size_t i = dim + 1; i + 1 < n->rank; i++) move_dim(n, i, i + 1);
    n->extent[dim] = extent;
    n->rank--;
    if (dim < n->kept) n->kept--;
}

static void nest_tidy(const ds_core *core, nest *n) {
    for (size_t i = 0; i < n->rank;) {
        if (ds_expr_equals(n->extent[i], 1)) nest_remove(core, n, i, ds_expr_const(core->cx, 0));
        else i++;
    }
    for (size_t i = n->rank; i-- > 1;)
        if (nest_can_collapse(core, n, i - 1)) nest_collapse(core, n, i - 1);
}

static void pin_mentioned(nest *n, const ds_expr *e) {
    if (e->kind == DS_EXPR_DIM) n->pinned[e->value] = true;
    if (e->a) {
        pin_mentioned(n, e->a);
        pin_mentioned(n, e->b);
    }
    for (size_t i = 0; i < e->term_count; i++)
        for (size_t k = 0; k < e->terms[i].atom_count; k++) pin_mentioned(n, e->terms[i].atoms[k]);
}

static void pin_positions(nest *n, const ds_block *block) {
    for (const ds_op *op = block->first; op; op = op->next)
        if (op->kind == DS_LOOP_position) n->pinned[ds_op_int(op, "dim", 0)] = true;
}

bool nest_has_pad(const ds_op *op, size_t i) {
    const ds_attr *pads = ds_op_attr(op, "pads"), *padding = ds_op_attr(op, "padding");
    return (pads && pads->items[i]->kind != DS_ATTR_UNIT) ||
           (op->kind == DS_GRAPH_conv && i == 0 && padding && padding->count);
}

bool nest_needs_check(const ds_expr *e, const ds_type *type, size_t k, const ds_expr *const *extents) {
    return !(e->kind == DS_EXPR_DIM && extents[e->value] == type->dims[k]);
}

static void open_op(const ds_core *core, nest *n, const ds_op *op, const ds_expr *const *over, size_t over_count) {
    const ds_type *out = op->results[0].type;
    *n = (nest){.rank = out->rank + over_count, .kept = out->rank, .old_rank = out->rank + over_count};
    for (size_t i = 0; i < n->rank; i++) {
        n->extent[i] = i < out->rank ? out->dims[i] : over[i - out->rank];
        n->old_extent[i] = n->extent[i];
        n->old[i] = ds_expr_dim(core->cx, i);
    }
    for (size_t i = 0; i < op->operand_count; i++) {
        const ds_attr *map = ds_op_map(op, i);
        n->offset[n->accesses++] = ds_layout_offset(core->cx, ds_op_operand(op, i)->type, map->exprs);
        if (nest_has_pad(op, i))
            for (size_t k = 0; k < map->count; k++)
                if (nest_needs_check(map->exprs[k], ds_op_operand(op, i)->type, k, n->extent))
                    pin_mentioned(n, map->exprs[k]);
    }
    for (size_t r = 0; r < op->result_count; r++) {
        const ds_type *type = op->results[r].type;
        const ds_expr *where[SCHEDULE_MOST_DIMS];
        for (size_t i = 0; i < type->rank; i++)
            where[i] = ds_expr_equals(type->dims[i], 1) ? ds_expr_const(core->cx, 0) : n->old[i];
        n->offset[n->accesses++] = ds_layout_offset(core->cx, type, where);
    }
    for (size_t r = 0; r < op->region_count; r++) pin_positions(n, ds_op_block(op, r));
}

/* The order in which the result's dims lie in memory. */
static void memory_order(const ds_type *type, size_t rank, size_t *order) {
    const ds_attr *map = ds_attr_find(type->encoding, "map");
    for (size_t i = 0; i < rank; i++) order[i] = i;
    if (!map || map->count != type->rank) return;
    for (size_t i = 0; i < map->count; i++)
        if (map->exprs[i]->kind != DS_EXPR_DIM) return;
    for (size_t i = 0; i < map->count; i++) order[i] = (size_t)map->exprs[i]->value;
}

/* Puts the shared dims first, then the result's memory order, and collapses what is left. */
static void nest_arrange(const ds_core *core, nest *n, const ds_op *op, size_t shared) {
    size_t order[SCHEDULE_MOST_DIMS];
    size_t out_rank = op->results[0].type->rank;
    memory_order(op->results[0].type, out_rank, order);
    for (size_t i = out_rank; i < n->rank; i++) order[i] = i;
    nest_reorder(core, n, order);
    if (!shared) {
        nest_tidy(core, n);
        return;
    }
    for (size_t i = 0; i < shared; i++) n->pinned[i] = true;
    for (size_t i = shared; i < n->rank;)
        if (ds_expr_equals(n->extent[i], 1)) nest_remove(core, n, i, ds_expr_const(core->cx, 0));
        else i++;
    for (size_t i = n->rank; i-- > shared + 1;)
        if (nest_can_collapse(core, n, i - 1)) nest_collapse(core, n, i - 1);
}

/* Positions of the result's memory in order; logical positions that are padding read outside the input. */
static void open_encode(const ds_core *core, nest *n, const ds_op *op) {
    const ds_type *from = ds_op_operand(op, 0)->type, *to = op->results[0].type;
    const ds_expr *extents[SCHEDULE_MOST_DIMS], *logical[SCHEDULE_MOST_DIMS], *dims[SCHEDULE_MOST_DIMS];
    size_t rank = ds_layout_extents(core->cx, to, extents);
    ds_layout_inverse(core->cx, to, logical);
    bool padded = ds_layout_count(core->cx, to) != ds_type_count(core->cx, to);
    *n = (nest){.rank = rank, .kept = rank, .old_rank = rank, .accesses = 2};
    for (size_t i = 0; i < rank; i++) {
        n->extent[i] = extents[i];
        n->old_extent[i] = extents[i];
        n->old[i] = ds_expr_dim(core->cx, i);
        dims[i] = ds_expr_equals(extents[i], 1) ? ds_expr_const(core->cx, 0) : n->old[i];
    }
    n->offset[0] = ds_layout_offset(core->cx, from, logical);
    n->offset[1] = ds_layout_offset(core->cx, ds_type_tensor(core->cx, to->elem, rank, extents, NULL), dims);
    for (size_t k = 0; padded && k < from->rank; k++)
        if (nest_needs_check(logical[k], from, k, n->extent)) pin_mentioned(n, logical[k]);
    nest_tidy(core, n);
}

void nest_open(const ds_core *core, nest *n, const ds_op *op, size_t shared) {
    const ds_attr *over = ds_op_attr(op, "over");
    const ds_expr *extents[SCHEDULE_MOST_DIMS];
    if (op->kind == DS_GRAPH_encode) {
        open_encode(core, n, op);
        return;
    }
    for (size_t i = 0; over && i < over->count; i++) extents[i] = ds_attr_to_expr(over->items[i]);
    open_op(core, n, op, extents, over ? over->count : 0);
    nest_arrange(core, n, op, shared);
}

void nest_move_last(const ds_core *core, nest *n, size_t across) {
    size_t order[SCHEDULE_MOST_DIMS], count = 0;
    for (size_t i = 0; i < n->rank; i++)
        if (i != across) order[count++] = i;
    order[count] = across;
    nest_reorder(core, n, order);
}

void nest_open_part(const ds_core *core, nest *n, const ds_type *from, const ds_type *to, size_t axis,
                    const ds_expr *start) {
    const ds_expr *where[SCHEDULE_MOST_DIMS];
    size_t order[SCHEDULE_MOST_DIMS];
    *n = (nest){.rank = to->rank, .kept = to->rank, .old_rank = to->rank, .accesses = 2};
    for (size_t k = 0; k < to->rank; k++) {
        n->extent[k] = from->dims[k];
        n->old[k] = ds_expr_dim(core->cx, k);
        where[k] = k == axis ? ds_expr_add(core->cx, n->old[k], start) : n->old[k];
    }
    n->offset[0] = ds_layout_offset(core->cx, from, n->old);
    n->offset[1] = ds_layout_offset(core->cx, to, where);
    memory_order(to, to->rank, order);
    nest_reorder(core, n, order);
    nest_tidy(core, n);
}

bool nest_is_contiguous(const ds_core *core, const nest *n, size_t dim, size_t access) {
    const ds_expr *coefficient, *rest;
    return ds_expr_linear(core->cx, n->offset[access], dim, &coefficient, &rest) &&
           (ds_expr_equals(coefficient, 1) || ds_expr_is_flag(coefficient));
}

bool nest_is_spread(const ds_core *core, const nest *n, size_t dim, size_t access) {
    const ds_expr *coefficient, *rest;
    return ds_expr_linear(core->cx, n->offset[access], dim, &coefficient, &rest) && !coefficient->has_dim &&
           !ds_expr_equals(coefficient, 0) && !ds_expr_equals(coefficient, 1) && !ds_expr_is_flag(coefficient);
}

double nest_region_work(const ds_block *block) {
    double work = 1;
    for (const ds_op *op = block->first; op; op = op->next)
        work += op->kind >= DS_LOOP_exp && op->kind <= DS_LOOP_gelu ? 10 : 1;
    return work;
}
