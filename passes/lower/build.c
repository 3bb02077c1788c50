/* Small builders of loop ops; loads, stores and regions over lanes. */
#include <assert.h>
#include <string.h>

#include "passes/lower/lower.h"

ds_value *lw_op(lowering *l, ds_op_kind kind, ds_value *const *operands, size_t count, const ds_type *type) {
    return ds_op_result(ds_op_create(&l->b, kind, operands, count, &type, 1, 0), 0);
}

ds_value *lw_buffer(const lowering *l, const ds_value *tensor) {
    return ds_mapping_get(&l->buffers, (ds_value *)(uintptr_t)tensor);
}

static const ds_type *index_type(lowering *l) { return ds_type_scalar(l->cx, DS_index); }
static bool is_vector(const ds_value *v) { return v->type->kind == DS_TYPE_VECTOR; }

ds_value *lw_index(lowering *l, int64_t v) {
    ds_value *c = lw_op(l, DS_LOOP_constant, NULL, 0, index_type(l));
    ds_op_set_attr(l->m, c->op, "value", ds_attr_int(l->cx, v));
    return c;
}

typedef struct {
    ds_ir_context *cx;
    size_t *used; /* old dim -> new dim, SIZE_MAX when it does not occur */
    size_t count;
} renumber;

static const ds_expr *renumber_dim(void *user, const ds_expr *atom) {
    renumber *r = user;
    if (atom->kind != DS_EXPR_DIM) return NULL;
    size_t *to = &r->used[atom->value];
    if (*to == SIZE_MAX) *to = r->count++;
    return ds_expr_dim(r->cx, *to);
}

/* Keeps only the dims that occur, so that equal accesses are equal ops. */
static const ds_expr *compact(lowering *l, const ds_expr *e, ds_value *const *dims, size_t count, ds_value **out,
                              size_t *out_count) {
    size_t used[SCHEDULE_MOST_DIMS];
    for (size_t i = 0; i < SCHEDULE_MOST_DIMS; i++) used[i] = SIZE_MAX;
    renumber r = {l->cx, used, 0};
    e = ds_expr_rewrite(l->cx, e, renumber_dim, &r);
    for (size_t i = 0; i < count; i++)
        if (used[i] != SIZE_MAX) out[used[i]] = dims[i];
    *out_count = r.count;
    return e;
}

ds_value *lw_apply(lowering *l, const ds_expr *e, ds_value *const *dims, size_t count) {
    ds_value *at[SCHEDULE_MOST_DIMS];
    size_t n;
    int64_t constant;
    if (ds_expr_is_const(e, &constant)) return lw_index(l, constant);
    if (e->kind == DS_EXPR_DIM) return dims[e->value];
    e = compact(l, e, dims, count, at, &n);
    const ds_type *type = index_type(l);
    for (size_t i = 0; i < n; i++)
        if (is_vector(at[i])) type = at[i]->type;
    ds_value *v = lw_op(l, DS_LOOP_apply, at, n, type);
    ds_op_set_attr(l->m, v->op, "map", ds_attr_map(l->cx, n, &e, 1));
    return v;
}

ds_value *lw_extent(lowering *l, const ds_expr *e) { return lw_apply(l, e, NULL, 0); }

ds_value *lw_splat(lowering *l, ds_value *scalar) {
    if (is_vector(scalar) || l->lanes == 1) return scalar;
    return lw_op(l, DS_LOOP_splat, &scalar, 1, ds_type_vector(l->cx, scalar->type->elem, l->lanes));
}

ds_value *lw_binary(lowering *l, ds_op_kind kind, ds_value *a, ds_value *b) {
    if (is_vector(a) || is_vector(b)) a = lw_splat(l, a), b = lw_splat(l, b);
    bool compares = kind == DS_LOOP_eq || kind == DS_LOOP_ne || kind == DS_LOOP_lt || kind == DS_LOOP_le;
    ds_value *operands[] = {a, b};
    return lw_op(l, kind, operands, 2, compares ? ds_type_with_elem(l->cx, a->type, DS_b1) : a->type);
}

ds_value *lw_cast(lowering *l, ds_value *v, ds_elem elem) {
    return v->type->elem == elem ? v : lw_op(l, DS_LOOP_cast, &v, 1, ds_type_with_elem(l->cx, v->type, elem));
}

ds_value *lw_lanes(lowering *l, ds_value *base) {
    ds_value *lanes = lw_op(l, DS_LOOP_lanes, NULL, 0, ds_type_vector(l->cx, DS_index, l->lanes));
    return lw_binary(l, DS_LOOP_add, base, lanes);
}

ds_value *lw_mask(lowering *l, ds_value *base, ds_value *end) {
    ds_value *lanes = lw_op(l, DS_LOOP_lanes, NULL, 0, ds_type_vector(l->cx, DS_index, l->lanes));
    return lw_binary(l, DS_LOOP_lt, lanes, lw_binary(l, DS_LOOP_sub, end, base));
}

ds_value *lw_multiply_add(lowering *l, ds_value *a, ds_value *b, ds_value *c) {
    ds_value *operands[] = {a, b, c};
    if (l->core->target->has_fma) return lw_op(l, DS_LOOP_fma, operands, 3, c->type);
    return lw_binary(l, DS_LOOP_add, lw_binary(l, DS_LOOP_mul, a, b), c);
}

ds_value *lw_digit(lowering *l, ds_value **number, const ds_expr *size) {
    if (ds_expr_equals(size, 1)) return lw_index(l, 0);
    ds_value *extent = lw_extent(l, size), *value = lw_binary(l, DS_LOOP_mod, *number, extent);
    *number = lw_binary(l, DS_LOOP_div, *number, extent);
    return value;
}

ds_op *lw_for(lowering *l, ds_value *low, ds_value *high, ds_value *step, ds_value *const *carried, size_t count,
              ds_value **inside) {
    ds_value *operands[3 + LOWER_MAX_CARRIED] = {low, high, step};
    const ds_type *types[LOWER_MAX_CARRIED] = {NULL};
    assert(count <= LOWER_MAX_CARRIED);
    for (size_t i = 0; i < count; i++) operands[3 + i] = carried[i], types[i] = carried[i]->type;
    ds_op *loop = ds_op_create(&l->b, DS_LOOP_for, operands, 3 + count, types, count, 1);
    ds_block *body = ds_op_block(loop, 0);
    ds_block_add_arg(l->m, body, index_type(l), NULL);
    for (size_t i = 0; i < count; i++) inside[i] = ds_block_add_arg(l->m, body, types[i], NULL);
    l->b.block = body;
    return loop;
}

ds_value *lw_for_position(const ds_op *loop) { return ds_op_block(loop, 0)->args[0]; }

ds_op *lw_when(lowering *l, ds_value *condition) {
    ds_value *turns = lw_op(l, DS_LOOP_cast, &condition, 1, index_type(l));
    return lw_for(l, lw_index(l, 0), turns, lw_index(l, 1), NULL, 0, NULL);
}

void lw_end(lowering *l, ds_op *loop, ds_value *const *next, size_t count) {
    ds_op_create(&l->b, DS_LOOP_yield, next, count, NULL, 0, 0);
    l->b.block = loop->block;
}

/* ---- pieces ---- */

ds_value *lower_parallel(lowering *l, const ds_expr *extent, int64_t chunk, bool ranges, ds_op **out_loop) {
    ds_op *loop = ds_op_create(&l->b, DS_LOOP_parallel, NULL, 0, NULL, 0, 1);
    ds_op_set_attr(l->m, loop, "pieces",
                   ds_attr_expr(l->cx, ds_expr_ceildiv(l->cx, extent, ds_expr_const(l->cx, chunk))));
    ds_op_set_attr(l->m, loop, "chunk", ds_attr_int(l->cx, chunk));
    ds_value *piece = ds_block_add_arg(l->m, ds_op_block(loop, 0), index_type(l), NULL);
    l->b.block = ds_op_block(loop, 0);
    *out_loop = loop;
    if (chunk == 1) return piece;
    ds_value *start = lw_binary(l, DS_LOOP_mul, piece, lw_index(l, chunk));
    if (ranges) return start;
    ds_value *end =
        lw_binary(l, DS_LOOP_min, lw_binary(l, DS_LOOP_add, start, lw_index(l, chunk)), lw_extent(l, extent));
    ds_op *inner = lw_for(l, start, end, lw_index(l, 1), NULL, 0, NULL);
    ds_op_set_attr(l->m, loop, "inner", ds_attr_unit(l->cx));
    return lw_for_position(inner);
}

void lower_parallel_end(lowering *l, ds_op *loop) {
    if (ds_op_attr(loop, "inner")) {
        ds_op *inner = ds_op_block(loop, 0)->last;
        lw_end(l, inner, NULL, 0);
    }
    ds_op_create(&l->b, DS_LOOP_yield, NULL, 0, NULL, 0, 0);
    l->b.block = loop->block;
}

/* ---- loads and stores ---- */

typedef enum {
    SAME_FOR_ALL,
    CONSECUTIVE,
    EITHER,
    SCATTERED
} lane_pattern; /* EITHER of the first two, which one is known at run time */

static lane_pattern pattern_of(lowering *l, const ds_expr *offset, const lane_point *p) {
    const ds_expr *coefficient, *rest;
    if (p->vector < 0) return SAME_FOR_ALL;
    if (!ds_expr_linear(l->cx, offset, (size_t)p->vector, &coefficient, &rest)) return SCATTERED;
    if (ds_expr_equals(coefficient, 0)) return SAME_FOR_ALL;
    if (ds_expr_equals(coefficient, 1)) return CONSECUTIVE;
    return ds_expr_is_flag(coefficient) && !coefficient->has_dim ? EITHER : SCATTERED;
}

static ds_value *access(lowering *l, ds_op_kind kind, ds_value *value, ds_value *buffer, const ds_expr *offset,
                        ds_value *const *dims, size_t rank, ds_value *mask, const ds_type *type) {
    ds_value *at[SCHEDULE_MOST_DIMS], *operands[SCHEDULE_MOST_DIMS + 3];
    size_t n, count = 0;
    offset = compact(l, offset, dims, rank, at, &n);
    if (value) operands[count++] = value;
    operands[count++] = buffer;
    for (size_t i = 0; i < n; i++) operands[count++] = at[i];
    if (mask) operands[count++] = mask;
    ds_op *op = ds_op_create(&l->b, kind, operands, count, &type, type ? 1 : 0, 0);
    ds_op_set_attr(l->m, op, "map", ds_attr_map(l->cx, n, &offset, 1));
    if (mask) ds_op_set_attr(l->m, op, "masked", ds_attr_unit(l->cx));
    return type ? ds_op_result(op, 0) : NULL;
}

/* What may be broadcast along the lanes: the first element for all, or as many as there are lanes, which are read only
 * then. */
static ds_value *load_either(lowering *l, ds_value *buffer, const ds_expr *offset, const lane_point *p,
                             const ds_type *vector) {
    const ds_expr *flag, *rest, *lane = ds_expr_dim(l->cx, (size_t)p->vector);
    ds_expr_linear(l->cx, offset, (size_t)p->vector, &flag, &rest);
    ds_value *moves = lw_splat(l, lw_binary(l, DS_LOOP_lt, lw_index(l, 0), lw_extent(l, flag)));
    ds_value *mask = p->mask ? lw_binary(l, DS_LOOP_and, moves, p->mask) : moves;
    ds_value *each =
        access(l, DS_LOOP_load, NULL, buffer, ds_expr_add(l->cx, rest, lane), p->at, p->rank, mask, vector);
    ds_value *first =
        access(l, DS_LOOP_load, NULL, buffer, rest, p->at, p->rank, NULL, ds_type_scalar(l->cx, vector->elem));
    ds_value *choice[] = {moves, each, lw_splat(l, first)};
    return lw_op(l, DS_LOOP_select, choice, 3, vector);
}

ds_value *lw_load(lowering *l, ds_value *buffer, const ds_expr *offset, const lane_point *p, ds_value *mask) {
    ds_elem elem = buffer->type->elem;
    lane_pattern pattern = pattern_of(l, offset, p);
    const ds_type *vector = ds_type_vector(l->cx, elem, l->lanes);
    if (pattern == EITHER && !mask) return load_either(l, buffer, offset, p, vector);
    if (mask && is_vector(mask) && pattern == SAME_FOR_ALL)
        pattern = SCATTERED; /* one element that only some lanes may read */
    if (pattern == SAME_FOR_ALL)
        return access(l, DS_LOOP_load, NULL, buffer, offset, p->at, p->rank, mask, ds_type_scalar(l->cx, elem));
    if (p->mask) mask = mask ? lw_binary(l, DS_LOOP_and, mask, p->mask) : p->mask;
    if (mask) mask = lw_splat(l, mask);
    if (pattern == CONSECUTIVE) return access(l, DS_LOOP_load, NULL, buffer, offset, p->at, p->rank, mask, vector);
    ds_value *at[SCHEDULE_MOST_DIMS];
    for (size_t i = 0; i < p->rank; i++) at[i] = (int)i == p->vector ? lw_lanes(l, p->at[i]) : p->at[i];
    if (pattern_of(l, offset, p) == SAME_FOR_ALL) { /* a gather from one place */
        ds_value *where = lw_splat(l, lw_apply(l, offset, p->at, p->rank));
        return access(l, DS_LOOP_load, NULL, buffer, ds_expr_dim(l->cx, 0), &where, 1, mask, vector);
    }
    return access(l, DS_LOOP_load, NULL, buffer, offset, at, p->rank, mask, vector);
}

void lw_store(lowering *l, ds_value *value, ds_value *buffer, const ds_expr *offset, const lane_point *p) {
    lane_pattern pattern = pattern_of(l, offset, p);
    if (pattern == SAME_FOR_ALL) {
        access(l, DS_LOOP_store, value, buffer, offset, p->at, p->rank, NULL, NULL);
        return;
    }
    value = lw_splat(l, value);
    ds_value *at[SCHEDULE_MOST_DIMS];
    for (size_t i = 0; i < p->rank; i++)
        at[i] = pattern >= EITHER && (int)i == p->vector ? lw_lanes(l, p->at[i]) : p->at[i];
    access(l, DS_LOOP_store, value, buffer, offset, at, p->rank, p->mask, NULL);
}

/* ---- regions ---- */

static lane_value value_of(lowering *l, const ds_value *v) { return l->values[v->id]; }

static void set_value(lowering *l, const ds_value *v, lane_value to) {
    while (arrlenu(l->values) <= v->id) arrput(l->values, (lane_value){0});
    l->values[v->id] = to;
}

static lane_value lower_position(lowering *l, const ds_expr *e, const lane_point *p) {
    const ds_expr *coefficient, *rest;
    if (p->vector < 0) return (lane_value){lw_apply(l, e, p->at, p->rank), NULL};
    bool linear = ds_expr_linear(l->cx, e, (size_t)p->vector, &coefficient, &rest);
    if (linear && ds_expr_equals(coefficient, 0)) return (lane_value){lw_apply(l, e, p->at, p->rank), NULL};
    if (linear && ds_expr_equals(coefficient, 1)) {
        ds_value *base = lw_apply(l, e, p->at, p->rank);
        return (lane_value){lw_lanes(l, base), base};
    }
    ds_value *at[SCHEDULE_MOST_DIMS];
    for (size_t i = 0; i < p->rank; i++) at[i] = (int)i == p->vector ? lw_lanes(l, p->at[i]) : p->at[i];
    return (lane_value){lw_apply(l, e, at, p->rank), NULL};
}

/* Reads a tensor at positions that the region computed. Consecutive where only the last one moves, and by one. */
static lane_value lower_extract(lowering *l, const ds_op *op, const lane_point *p) {
    ds_value *tensor = ds_op_operand(op, 0), *buffer = lw_buffer(l, tensor);
    const ds_expr *dims[SCHEDULE_MOST_DIMS], *coefficient, *rest;
    ds_value *at[SCHEDULE_MOST_DIMS];
    size_t rank = op->operand_count - 1, moving = 0, which = 0;
    for (size_t i = 0; i < rank; i++) {
        lane_value v = value_of(l, ds_op_operand(op, i + 1));
        dims[i] = ds_expr_dim(l->cx, i), at[i] = v.v;
        if (is_vector(v.v)) moving++, which = i;
    }
    const ds_expr *offset = ds_layout_offset(l->cx, tensor->type, dims);
    lane_value last = moving == 1 ? value_of(l, ds_op_operand(op, which + 1)) : (lane_value){0};
    bool consecutive =
        last.base && ds_expr_linear(l->cx, offset, which, &coefficient, &rest) && ds_expr_equals(coefficient, 1);
    if (consecutive) at[which] = last.base;
    const ds_type *type =
        moving ? ds_type_vector(l->cx, tensor->type->elem, l->lanes) : ds_type_scalar(l->cx, tensor->type->elem);
    return (lane_value){access(l, DS_LOOP_load, NULL, buffer, offset, at, rank, moving ? p->mask : NULL, type), NULL};
}

static lane_value lower_scalar(lowering *l, const ds_op *op) {
    ds_value *operands[SCHEDULE_MOST_DIMS];
    bool vector = false;
    for (size_t i = 0; i < op->operand_count; i++)
        operands[i] = value_of(l, ds_op_operand(op, i)).v, vector = vector || is_vector(operands[i]);
    if (op->kind == DS_LOOP_apply)
        return (lane_value){lw_apply(l, ds_op_attr(op, "map")->exprs[0], operands, op->operand_count), NULL};
    for (size_t i = 0; vector && i < op->operand_count; i++) operands[i] = lw_splat(l, operands[i]);
    ds_elem elem = op->results[0].type->elem;
    ds_value *v = lw_op(l, op->kind, operands, op->operand_count,
                        vector ? ds_type_vector(l->cx, elem, l->lanes) : ds_type_scalar(l->cx, elem));
    for (size_t i = 0; i < op->attr_count; i++) ds_op_set_attr(l->m, v->op, op->attrs[i].name, op->attrs[i].value);
    return (lane_value){v, NULL};
}

void lw_region(lowering *l, const ds_block *block, const lane_value *args, const ds_expr *const *position,
               const lane_point *p, lane_value *out_yields) {
    for (size_t i = 0; i < block->arg_count; i++) set_value(l, block->args[i], args[i]);
    for (const ds_op *op = block->first; op; op = op->next) {
        switch (op->kind) {
        case DS_GRAPH_yield:
            for (size_t i = 0; i < op->operand_count; i++) out_yields[i] = value_of(l, ds_op_operand(op, i));
            return;
        case DS_LOOP_position:
            set_value(l, &op->results[0], lower_position(l, position[ds_op_int(op, "dim", 0)], p));
            break;
        case DS_GRAPH_extract: set_value(l, &op->results[0], lower_extract(l, op, p)); break;
        default: set_value(l, &op->results[0], lower_scalar(l, op)); break;
        }
    }
}
