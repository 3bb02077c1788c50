/* graph.kernel -> function of loop ops.
 *
 * Arguments: a buffer for every operand, every result, and every value that flows between the kernel's ops (scratch of one lane, attribute
 * `scratch`: bytes of each). Attribute `pieces`: how many independent pieces the function's loop.parallel has.
 */
#include <string.h>

#include "passes/lower/lower.h"

/* A contraction as a reduction with a product in its region: for element types and shapes that have no tiled form. */
static ds_op *as_reduction(lowering *l, ds_op *op) {
    ds_ir_context *cx = l->cx;
    ds_builder b = {l->m, op->block, op, op->loc};
    ds_value *operands[] = {ds_op_operand(op, 0), ds_op_operand(op, 1)};
    const ds_type *type = op->results[0].type, *scalar = ds_type_scalar(cx, type->elem);
    ds_op *reduce = ds_op_create(&b, DS_GRAPH_reduce, operands, 2, &type, 1, 2);
    bool is_float = ds_elem_is_float(type->elem);
    const ds_attr *zero = is_float ? ds_attr_float(cx, 0) : ds_attr_int(cx, 0);
    ds_op_set_attr(l->m, reduce, "maps", ds_op_attr(op, "maps"));
    ds_op_set_attr(l->m, reduce, "over", ds_op_attr(op, "over"));
    ds_op_set_attr(l->m, reduce, "init", ds_attr_array(cx, &zero, 1));
    const ds_attr *padding = ds_op_attr(op, "padding");
    if (padding && padding->count) {
        const ds_attr *pads[] = {zero, ds_attr_unit(cx)};
        ds_op_set_attr(l->m, reduce, "pads", ds_attr_array(cx, pads, 2));
    }
    for (size_t r = 0; r < 2; r++) {
        ds_builder in = {l->m, ds_op_block(reduce, r), NULL, op->loc};
        ds_value *args[2];
        for (size_t i = 0; i < 2; i++) args[i] = ds_block_add_arg(l->m, in.block, scalar, NULL);
        ds_value *v = ds_op_result(ds_op_create(&in, r ? DS_LOOP_add : DS_LOOP_mul, args, 2, &scalar, 1, 0), 0);
        ds_op_create(&in, DS_GRAPH_yield, &v, 1, NULL, 0, 0);
    }
    ds_mapping_set(&l->buffers, &reduce->results[0], lw_buffer(l, &op->results[0]));
    return reduce;
}

/* All of a product behind the first rows->shared dims. */
static bool lower_row_product(lowering *l, const ds_op *op, const lower_rows *rows) {
    const ds_type *t = op->results[0].type;
    lower_rows inner = *rows;
    if (op->kind != DS_GRAPH_matmul || t->elem != DS_f32 || ds_op_operand(op, 0)->type->elem != DS_f32 ||
        ds_op_operand(op, 1)->type->elem != DS_f32 || t->rank < ++inner.shared)
        return false;
    return lower_contraction_rows(l, op, NULL, &inner, lw_index(l, 0), lw_extent(l, t->dims[rows->shared]), 0);
}

static void lower_op(lowering *l, ds_op *op, const lower_rows *rows, bool parallel) {
    l->b.loc = op->loc;
    switch (op->kind) {
    case DS_GRAPH_map: lower_map(l, op, rows, parallel); break;
    case DS_GRAPH_reduce:
        if (rows || !lower_windows(l, op, NULL)) lower_reduce(l, op, rows, parallel);
        break;
    case DS_GRAPH_encode: lower_encode(l, op); break;
    case DS_GRAPH_concat: lower_concat(l, op); break;
    case DS_GRAPH_index: lower_index(l, op); break;
    case DS_GRAPH_winograd: lower_winograd(l, op); break;
    case DS_GRAPH_matmul:
    case DS_GRAPH_conv:
        if (!(rows ? lower_row_product(l, op, rows) : lower_contraction(l, op, NULL))) {
            ds_op *reduce = as_reduction(l, op);
            lower_reduce(l, reduce, rows, parallel);
            ds_op_erase(reduce);
        }
        break;
    default: break;
    }
}

static bool is_yielded(const ds_op *yield, const ds_value *v) {
    for (size_t i = 0; i < yield->operand_count; i++)
        if (ds_op_operand(yield, i) == v) return true;
    return false;
}

/* A map that reads the product at its own point and is all that reads it. */
static bool is_epilogue(const ds_op *product, const ds_op *map) {
    const ds_value *v = &product->results[0];
    for (const ds_use *use = v->uses; use; use = use->next)
        if (use->owner != map) return false;
    for (size_t i = 0; i < map->operand_count; i++) {
        const ds_attr *m = ds_op_map(map, i);
        if (ds_op_operand(map, i) != v) continue;
        if (m->count != v->type->rank || map->results[0].type->rank != v->type->rank) return false;
        for (size_t d = 0; d < m->count; d++) /* the leading dims may be 0 by now: they are fixed */
            if (!(m->exprs[d]->kind == DS_EXPR_DIM && m->exprs[d]->value == (int64_t)d) && !ds_expr_equals(m->exprs[d], 0)) return false;
    }
    return v->uses != NULL;
}

/* Ops that share the loops over their first `shared` dims; what flows between them has those dims fixed, so it is as small as a row. */
static void lower_rows_group(lowering *l, const ds_op *kernel, size_t shared) {
    ds_block *body = ds_op_block(kernel, 0);
    const ds_type *type = kernel->results[0].type; /* temporaries have lost their rows */
    const ds_expr *total = ds_expr_const(l->cx, 1);
    double work = 0;
    for (size_t i = 0; i < shared; i++) total = ds_expr_mul(l->cx, total, type->dims[i]);
    for (const ds_op *op = body->first; op && op->kind != DS_GRAPH_yield; op = op->next) {
        const ds_type *t = ds_op_operand(op, 0)->type;
        double row = 2;
        for (size_t i = shared; i < t->rank; i++) row *= lower_estimate(t->dims[i]);
        work += row;
    }
    ds_op *pieces;
    ds_value *rest = lower_parallel(l, total, work, 1, &pieces);
    lower_rows rows = {.shared = shared};
    for (size_t i = shared; i-- > 0;) {
        ds_value *size = lw_extent(l, type->dims[i]);
        rows.at[i] = i ? lw_binary(l, DS_LOOP_mod, rest, size) : rest;
        if (i) rest = lw_binary(l, DS_LOOP_div, rest, size);
    }
    for (ds_op *op = body->first; op && op->kind != DS_GRAPH_yield; op = op->next) lower_op(l, op, &rows, false);
    lower_parallel_end(l, pieces);
}

/* Attention: blocks of rows. A block's rows go through one op after the other; what flows between the ops has room for one block, and is
 * shifted so that it is read and written at the rows' own places. False when a product has no tiled form. */
static bool lower_row_blocks(lowering *l, const ds_op *kernel, size_t shared, int64_t block) {
    ds_block *body = ds_op_block(kernel, 0);
    const ds_type *type = kernel->results[0].type;
    const ds_expr *extent = type->dims[shared - 1], *count = ds_expr_ceildiv(l->cx, extent, ds_expr_const(l->cx, block)), *total = count;
    for (size_t i = 0; i + 1 < shared; i++) total = ds_expr_mul(l->cx, total, type->dims[i]);
    ds_op *pieces;
    ds_value *rest = lower_parallel(l, total, 1e9, 1, &pieces), *size = lw_index(l, block);
    lower_rows rows = {.shared = shared};
    ds_value *low = lw_binary(l, DS_LOOP_mul, lw_digit(l, &rest, count), size),
             *high = lw_binary(l, DS_LOOP_min, lw_binary(l, DS_LOOP_add, low, size), lw_extent(l, extent));
    for (size_t i = shared - 1; i-- > 0;) rows.at[i] = lw_digit(l, &rest, type->dims[i]);
    for (const ds_op *op = body->first; op->kind != DS_GRAPH_yield; op = op->next) {
        ds_value *buffer = lw_buffer(l, &op->results[0]);
        if (buffer == &op->results[0] || is_yielded(body->last, &op->results[0])) continue; /* in registers, or a result */
        const ds_expr *row = ds_expr_const(l->cx, 1);
        for (size_t i = shared; i < op->results[0].type->rank; i++) row = ds_expr_mul(l->cx, row, op->results[0].type->dims[i]);
        ds_value *shift[] = {buffer, lw_binary(l, DS_LOOP_mul, low, lw_extent(l, row))};
        ds_mapping_set(&l->buffers, &op->results[0], lw_op(l, DS_LOOP_shift, shift, 2, buffer->type));
    }
    for (ds_op *op = body->first; op->kind != DS_GRAPH_yield; op = op->next) {
        if (op->kind == DS_GRAPH_matmul) {
            ds_op *next = op->next, *epilogue = next->kind == DS_GRAPH_map && is_epilogue(op, next) ? next : NULL;
            if (!lower_contraction_rows(l, op, epilogue, &rows, low, high, block)) return false;
            if (epilogue) op = epilogue;
            continue;
        }
        /* what lies between the products goes row by row, while the row is in the L1 cache */
        ds_op *loop = lw_for(l, low, high, lw_index(l, 1), NULL, 0, NULL);
        rows.at[shared - 1] = lw_for_position(loop);
        for (;; op = op->next) {
            lower_op(l, op, &rows, false);
            if (op->next->kind == DS_GRAPH_matmul || op->next->kind == DS_GRAPH_yield) break;
        }
        lw_end(l, loop, NULL, 0);
    }
    lower_parallel_end(l, pieces);
    return true;
}

/* ---- loops ---- */

/* Copies `count` elements; where each begins is in elements, NULL: at its beginning. */
static void copy_row(lowering *l, ds_value *from, ds_value *from_at, ds_value *to, ds_value *to_at, const ds_expr *count) {
    const ds_expr *at = ds_expr_add(l->cx, ds_expr_dim(l->cx, 0), ds_expr_dim(l->cx, 1));
    ds_value *end = lw_extent(l, count), *zero = lw_index(l, 0);
    ds_op *loop = lw_for(l, zero, end, lw_index(l, (int64_t)l->lanes), NULL, 0, NULL);
    lane_point p = {.rank = 2, .at = {lw_for_position(loop), from_at ? from_at : zero}, .vector = 0};
    p.mask = lw_mask(l, p.at[0], end);
    ds_value *v = lw_load(l, from, at, &p, NULL);
    p.at[1] = to_at ? to_at : zero;
    lw_store(l, v, to, at, &p);
    lw_end(l, loop, NULL, 0);
}

/* A loop whose first dim goes through all turns by itself, one point of it in a piece. States lie in scratch memory; the new ones replace
 * them at the end of a turn, and are copied to what stacks them. */
static void lower_turns(lowering *l, const ds_op *kernel) {
    const ds_op *loop = ds_op_block(kernel, 0)->first, *yield = ds_op_block(loop, 0)->last;
    ds_block *body = ds_op_block(loop, 0);
    const ds_expr *first = loop->results[0].type->dims[0], *turns = ds_attr_to_expr(ds_op_attr(loop, "extent"));
    size_t carried = body->arg_count;
    ds_op *pieces;
    lower_rows rows = {.shared = 1, .at = {lower_parallel(l, first, 1e9, 1, &pieces)}};
    const ds_expr **row = NULL;
    ds_value **at = NULL;
    for (size_t i = 0; i < yield->operand_count; i++) {
        arrput(row, ds_type_count(l->cx, ds_op_operand(yield, i)->type));
        arrput(at, lw_binary(l, DS_LOOP_mul, rows.at[0], lw_extent(l, row[i])));
    }
    for (size_t i = 0; i < carried; i++)
        copy_row(l, lw_buffer(l, ds_op_operand(loop, i)), at[i], lw_buffer(l, body->args[i]), NULL, row[i]);
    ds_op *turn = lw_for(l, lw_index(l, 0), lw_extent(l, turns), lw_index(l, 1), NULL, 0, NULL);
    ds_op_set_attr(l->m, turn, "counter", ds_op_attr(loop, "counter"));
    for (ds_op *op = body->first; op != yield; op = op->next) lower_op(l, op, &rows, false);
    for (size_t i = 0; i < yield->operand_count; i++) {
        ds_value *v = lw_buffer(l, ds_op_operand(yield, i)), *stack = lw_buffer(l, &loop->results[i]);
        if (i < carried) copy_row(l, v, NULL, lw_buffer(l, body->args[i]), NULL, row[i]);
        else if (stack != &loop->results[i]) {
            ds_value *behind = lw_binary(l, DS_LOOP_mul, lw_for_position(turn), lw_extent(l, ds_expr_mul(l->cx, first, row[i])));
            copy_row(l, v, NULL, stack, lw_binary(l, DS_LOOP_add, behind, at[i]), row[i]);
        }
    }
    lw_end(l, turn, NULL, 0);
    for (size_t i = 0; i < carried; i++) {
        ds_value *result = lw_buffer(l, &loop->results[i]);
        if (result != &loop->results[i]) copy_row(l, lw_buffer(l, body->args[i]), NULL, result, at[i], row[i]);
    }
    arrfree(row), arrfree(at);
    lower_parallel_end(l, pieces);
}

/* Lanes fit the target's vectors of 32-bit elements. */
static size_t lanes_of(const ds_target *target) { return target->vector_bytes / 4; }

/* A temporary of a row group: its row dims count as one. */
static const ds_type *row_type(lowering *l, const ds_type *t, size_t shared) {
    const ds_expr *dims[LOWER_MAX_DIMS];
    for (size_t i = 0; i < t->rank; i++) dims[i] = i < shared ? ds_expr_const(l->cx, 1) : t->dims[i];
    return ds_type_tensor(l->cx, t->elem, t->rank, dims, NULL);
}

/* Accesses to a temporary read and write row 0: its maps lose the shared dims. */
static void forget_rows(lowering *l, ds_op *op, size_t operand, size_t shared) {
    const ds_attr *map = ds_op_map(op, operand), *old = ds_op_attr(op, "maps"), **maps = NULL;
    const ds_expr *exprs[LOWER_MAX_DIMS];
    for (size_t i = 0; i < map->count; i++) exprs[i] = i < shared ? ds_expr_const(l->cx, 0) : map->exprs[i];
    for (size_t i = 0; i < old->count; i++)
        arrput(maps, i == operand ? ds_attr_map(l->cx, (size_t)map->integer, exprs, map->count) : old->items[i]);
    ds_op_set_attr(l->m, op, "maps", ds_attr_array(l->cx, maps, arrlenu(maps)));
    arrfree(maps);
}

/* Arguments for the kernel's operands and results. */
static void bind_operands(lowering *l, ds_op *kernel) {
    ds_block *body = ds_op_block(kernel, 0), *out = ds_op_block(l->b.block->region->op, 0);
    ds_op *yield = body->last;
    for (size_t i = 0; i < body->arg_count; i++)
        ds_mapping_set(&l->buffers, body->args[i], ds_block_add_arg(l->m, out, ds_type_buffer(l->cx, body->args[i]->type->elem), NULL));
    for (size_t i = 0; i < yield->operand_count; i++)
        ds_mapping_set(&l->buffers, ds_op_operand(yield, i),
                       ds_block_add_arg(l->m, out, ds_type_buffer(l->cx, ds_op_operand(yield, i)->type->elem), NULL));
}

static void set_scratch(lowering *l, const ds_expr **bytes) {
    ds_op_set_attr(l->m, l->b.block->region->op, "scratch", ds_attr_exprs(l->cx, bytes, arrlenu(bytes)));
    arrfree(bytes);
}

enum { LONG_ROW = 1024 }; /* elements */

static bool reads_own_points(const ds_op *op, const ds_type *type) {
    for (size_t i = 0; i < op->operand_count; i++)
        if (ds_op_operand(op, i)->type == type && !ds_map_is_identity(ds_op_map(op, i), type)) return false;
    return true;
}

/* Of long rows, one that the last map reads at its own points needs no room of its own: it lies in the result's, whose lines then come to
 * the cache while there is much to compute. Nothing like the result is read after it but itself, as the result may lie over an operand. */
static const ds_value *find_row_in_result(const ds_op *kernel) {
    const ds_block *body = ds_op_block(kernel, 0);
    const ds_op *yield = body->last, *last = yield->prev;
    const ds_type *type = last->results[0].type;
    int64_t length;
    if (yield->operand_count != 1 || last->kind != DS_GRAPH_map || last->result_count != 1 || !type->rank) return NULL;
    if (!ds_expr_is_const(type->dims[type->rank - 1], &length) || length < LONG_ROW || !reads_own_points(last, type)) return NULL;
    const ds_op *op = last->prev;
    while (op && (op->result_count != 1 || op->results[0].type != type)) op = op->prev;
    if (!op || op->kind != DS_GRAPH_map || !reads_own_points(op, type)) return NULL;
    for (const ds_op *later = op->next; later != yield; later = later->next)
        for (size_t i = 0; i < later->operand_count; i++)
            if (ds_op_operand(later, i)->type == type && ds_op_operand(later, i) != &op->results[0]) return NULL;
    return &op->results[0];
}

/* Room for a value that flows between ops, for one point of the first `shared` dims and `rows` of the next one (0: one point, too). */
static void bind_temporary(lowering *l, ds_value *v, size_t shared, int64_t rows, const ds_expr ***scratch) {
    ds_block *out = ds_op_block(l->b.block->region->op, 0);
    const ds_type *t = row_type(l, v->type, shared);
    ds_mapping_set(&l->buffers, v, ds_block_add_arg(l->m, out, ds_type_buffer(l->cx, v->type->elem), NULL));
    const ds_expr *count = ds_expr_add(l->cx, ds_expr_scale(l->cx, ds_type_count(l->cx, t), rows ? rows : 1),
                                       ds_expr_const(l->cx, (int64_t)l->lanes)); /* see is_temporary in nest.c */
    arrput(*scratch, ds_elem_bytes_of(l->cx, t->elem, count));
    for (ds_use *use = v->uses; use; use = use->next)
        for (size_t i = 0; i < use->owner->operand_count; i++)
            if (ds_op_operand(use->owner, i) == v && ds_op_attr(use->owner, "maps"))
                forget_rows(l, use->owner, i, rows ? shared - 1 : shared);
    v->type = rows ? row_type(l, v->type, shared - 1) : t;
}

static void bind_buffers(lowering *l, ds_op *kernel, size_t shared, int64_t rows) {
    ds_block *body = ds_op_block(kernel, 0);
    ds_op *yield = body->last;
    const ds_expr **scratch = NULL;
    bind_operands(l, kernel);
    if (shared && !rows) l->in_result = find_row_in_result(kernel);
    if (l->in_result) ds_mapping_set(&l->buffers, l->in_result, lw_buffer(l, ds_op_operand(yield, 0)));
    for (ds_op *op = body->first; op != yield; op = op->next)
        for (size_t r = 0; r < op->result_count; r++) {
            ds_value *v = &op->results[r];
            if (is_yielded(yield, v) || v == l->in_result) continue;
            bool in_registers = rows ? op->kind == DS_GRAPH_matmul && op->next->kind == DS_GRAPH_map && is_epilogue(op, op->next) : !shared;
            if (!in_registers) bind_temporary(l, v, shared, rows, &scratch);
        }
    set_scratch(l, scratch);
}

/* The states of a loop, and what its ops make, for one point of the first dim. */
static void bind_turns(lowering *l, ds_op *kernel) {
    const ds_expr **scratch = NULL;
    ds_block *body = ds_op_block(ds_op_block(kernel, 0)->first, 0);
    bind_operands(l, kernel);
    for (size_t i = 0; i < body->arg_count; i++) bind_temporary(l, body->args[i], 1, 0, &scratch);
    for (ds_op *op = body->first; op != body->last; op = op->next)
        for (size_t r = 0; r < op->result_count; r++) bind_temporary(l, &op->results[r], 1, 0, &scratch);
    set_scratch(l, scratch);
}

/* What flows between a chain's convolutions has room for the rows of a strip; their sums stay in registers where a map follows. */
static void bind_strips(lowering *l, ds_op *kernel, int64_t strip) {
    ds_block *out = ds_op_block(l->b.block->region->op, 0);
    const ds_expr **scratch = NULL;
    bind_operands(l, kernel);
    for (ds_op *op = ds_op_block(kernel, 0)->first; op->next->kind != DS_GRAPH_yield; op = op->next) {
        ds_value *v = &op->results[0];
        if (op->next->kind == DS_GRAPH_map) continue;
        ds_mapping_set(&l->buffers, v, ds_block_add_arg(l->m, out, ds_type_buffer(l->cx, v->type->elem), NULL));
        arrput(scratch, ds_expr_const(l->cx, lower_strip_bytes(l, v, strip)));
    }
    set_scratch(l, scratch);
}

/* ---- borders ---- */

void lower_zeros(lowering *l, ds_value *buffer, ds_value *from, ds_value *count) {
    ds_value *end = lw_binary(l, DS_LOOP_add, from, count),
             *scalar = lw_op(l, DS_LOOP_constant, NULL, 0, ds_type_scalar(l->cx, buffer->type->elem));
    bool is_float = ds_elem_is_float(buffer->type->elem);
    ds_op_set_attr(l->m, scalar->op, "value", is_float ? ds_attr_float(l->cx, 0) : ds_attr_int(l->cx, 0));
    ds_op *loop = lw_for(l, from, end, lw_index(l, (int64_t)l->lanes), NULL, 0, NULL);
    lane_point p = {.rank = 1, .at = {lw_for_position(loop)}, .vector = 0};
    p.mask = lw_mask(l, p.at[0], end);
    lw_store(l, lw_splat(l, scalar), buffer, ds_expr_dim(l->cx, 0), &p);
    lw_end(l, loop, NULL, 0);
}

/* Of a channels-last image: whole rows above and below, and the ends of the others. */
static void fill_border(lowering *l, ds_value *buffer, const ds_type *t) {
    const ds_expr *extent[4], *row = ds_expr_const(l->cx, 1);
    ds_layout_extents(l->cx, t, extent); /* image, row, column, channel */
    for (size_t i = 2; i < 4; i++) row = ds_expr_mul(l->cx, row, extent[i]);
    int64_t above = ds_layout_border(t, 2, false);
    ds_value *height = lw_extent(l, extent[1]), *length = lw_extent(l, row), *zero = lw_index(l, 0), *one = lw_index(l, 1);
    ds_op *rows = lw_for(l, zero, lw_extent(l, ds_expr_mul(l->cx, extent[0], extent[1])), one, NULL, 0, NULL);
    ds_value *y = lw_binary(l, DS_LOOP_rem, lw_for_position(rows), height),
             *start = lw_binary(l, DS_LOOP_mul, lw_for_position(rows), length);
    ds_value *below = lw_extent(l, ds_expr_add(l->cx, t->dims[2], ds_expr_const(l->cx, above)));
    ds_value *outside = lw_binary(l, DS_LOOP_or, lw_binary(l, DS_LOOP_lt, y, lw_index(l, above)), lw_binary(l, DS_LOOP_le, below, y));
    ds_value *left = lw_extent(l, ds_expr_scale(l->cx, extent[3], ds_layout_border(t, 3, false)));
    ds_value *right = lw_extent(l, ds_expr_scale(l->cx, extent[3], ds_layout_border(t, 3, true)));
    ds_value *whole[] = {outside, length, left};
    lower_zeros(l, buffer, start, lw_op(l, DS_LOOP_select, whole, 3, length->type));
    lower_zeros(l, buffer, lw_binary(l, DS_LOOP_sub, lw_binary(l, DS_LOOP_add, start, length), right), right);
    lw_end(l, rows, NULL, 0);
}

/* The first piece also writes the borders of images that the kernel makes. (Weights get theirs when they are packed.) */
static void fill_borders(lowering *l, ds_op *kernel, ds_op *parallel) {
    const ds_op *yield = ds_op_block(kernel, 0)->last;
    ds_block *block = ds_op_block(parallel, 0), *args = ds_op_block(parallel->block->region->op, 0);
    for (size_t i = 0; i < yield->operand_count; i++) {
        const ds_type *t = ds_op_operand(yield, i)->type;
        if (!ds_attr_find(t->encoding, "border") || !ds_layout_is_channels_last(t)) continue;
        ds_op_erase(block->last); /* the terminator: made again below */
        l->b.block = block;
        ds_value *is_first = lw_binary(l, DS_LOOP_eq, block->args[0], lw_index(l, 0));
        ds_op *once = lw_when(l, is_first);
        fill_border(l, args->args[ds_op_block(kernel, 0)->arg_count + i], t);
        lw_end(l, once, NULL, 0);
        ds_op_create(&l->b, DS_LOOP_yield, NULL, 0, NULL, 0, 0);
        l->b.block = parallel->block;
    }
}

/* ---- what follows ---- */

/* The weights of a contraction: the argument of main that a kernel's first op takes as its right-hand side, or NULL. */
static const ds_value *weights_of(const ds_op *kernel) {
    const ds_block *body = ds_op_block(kernel, 0);
    if (body->first->kind != DS_GRAPH_matmul && body->first->kind != DS_GRAPH_conv) return NULL;
    for (size_t i = 0; i < body->arg_count; i++)
        if (body->args[i] == ds_op_operand(body->first, 1) && !ds_op_operand(kernel, i)->op) return ds_op_operand(kernel, i);
    return NULL;
}

/* A contraction of many rows. (Of one row, every weight is used once: their way from memory is what takes time.) */
static bool fetches_its_own(ds_ir_context *cx, const ds_op *kernel, const ds_value *weights) {
    const ds_op *first = ds_op_block(kernel, 0)->first;
    const ds_type *t = first->results[0].type;
    size_t longer = 0;
    for (size_t i = 0; i < t->rank; i++) longer += !ds_expr_equals(t->dims[i], 1);
    return weights_of(kernel) == weights && longer > 1 && !ds_is_depthwise(cx, first);
}

enum { FIRST_COLUMNS = 1 << 16 };

/* Weights lie in the order of their first use. How many bytes of those behind this kernel's should be in the cache when it is through: all
 * up to the next contraction of many rows, which fetches its own but for the first columns. At most three quarters of the L2 cache. */
static int64_t weights_behind(ds_ir_context *cx, const ds_op *kernel, const ds_machine *machine) {
    const ds_value *own = weights_of(kernel);
    const ds_block *body = kernel->block;
    int64_t bytes = 0, most = (int64_t)machine->l2_bytes * 3 / 4;
    size_t i = 0;
    while (i < body->arg_count && body->args[i] != own) i++;
    for (i++; i < body->arg_count && bytes < most; i++) {
        const ds_value *v = body->args[i];
        const ds_op *user = v->uses ? v->uses->owner : NULL;
        uint64_t count;
        if (!user || user->kind != DS_GRAPH_kernel || !ds_type_static_count(v->type, &count)) break;
        bytes += (int64_t)count * 4;
        if (!fetches_its_own(cx, user, v)) continue;
        if ((int64_t)count * 4 > FIRST_COLUMNS) bytes -= (int64_t)count * 4 - FIRST_COLUMNS;
        break;
    }
    return bytes < most ? bytes : most;
}

/* Blocks of rows change the kernel's ops (see bind_temporary), and may turn out to have no tiled form: what is lowered is a copy. */
static ds_op *copy_kernel(ds_module *m, ds_op *kernel) {
    ds_builder b = {m, kernel->block, kernel, kernel->loc};
    ds_mapping same = {0};
    ds_op *copy = ds_op_clone(&b, kernel, &same);
    ds_mapping_free(&same);
    return copy;
}

/* Elements that share bytes: two threads must not write one. */
static bool writes_shared_bytes(const ds_op *kernel) {
    for (size_t i = 0; i < kernel->result_count; i++)
        if (ds_elem_facts(kernel->results[i].type->elem)->packed) return true;
    return false;
}

/* All pieces one after the other, as the only piece. */
static ds_op *in_one_piece(lowering *l, ds_op *parallel) {
    ds_block *body = ds_op_block(parallel, 0);
    ds_builder after = l->b;
    l->b = (ds_builder){l->m, parallel->block, parallel, parallel->loc};
    ds_op *one = ds_op_create(&l->b, DS_LOOP_parallel, NULL, 0, NULL, 0, 1);
    ds_op_set_attr(l->m, one, "pieces", ds_attr_expr(l->cx, ds_expr_const(l->cx, 1)));
    ds_block_add_arg(l->m, ds_op_block(one, 0), body->args[0]->type, NULL);
    l->b = (ds_builder){l->m, ds_op_block(one, 0), NULL, parallel->loc};
    ds_value *count = lw_extent(l, ds_attr_to_expr(ds_op_attr(parallel, "pieces")));
    ds_op *loop = lw_for(l, lw_index(l, 0), count, lw_index(l, 1), NULL, 0, NULL);
    ds_value_replace_uses(body->args[0], lw_for_position(loop));
    while (body->first != body->last) ds_op_move(body->first, ds_op_block(loop, 0), NULL);
    lw_end(l, loop, NULL, 0);
    ds_op_create(&l->b, DS_LOOP_yield, NULL, 0, NULL, 0, 0);
    ds_op_erase(parallel);
    l->b = after;
    return one;
}

ds_status lower_kernel(ds_module *m, const ds_target *target, const ds_machine *machine, const ds_schedule *schedule, ds_op *original,
                       const char *name, ds_op **out_func) {
    lowering l = {.m = m, .cx = m->cx, .target = target, .machine = machine, .schedule = schedule, .lanes = lanes_of(target)};
    l.weights_behind = weights_behind(m->cx, original, machine);
    ds_op *kernel = ds_op_attr(original, "block") ? copy_kernel(m, original) : original;
    ds_op *func = ds_func_create(m, name);
    ds_block *body = ds_op_block(kernel, 0);
    size_t shared = (size_t)ds_op_int(kernel, "shared", 0), count = 0;
    int64_t rows = ds_op_int(kernel, "block", 0), strip = ds_op_int(kernel, "strip", 0);
    func->loc = kernel->loc;
    l.b = (ds_builder){m, ds_op_block(func, 0), NULL, kernel->loc};
    for (ds_op *op = body->first; op->kind != DS_GRAPH_yield; op = op->next) count++;
    ds_op *first = body->first, *second = first->next;
    if (first->kind == DS_GRAPH_loop) bind_turns(&l, kernel);
    else if (strip) bind_strips(&l, kernel, strip);
    else bind_buffers(&l, kernel, shared, rows);
    bool lowered = true;
    if (first->kind == DS_GRAPH_loop) lower_turns(&l, kernel);
    else if (strip) lowered = lower_strips(&l, kernel, strip, ds_op_int(kernel, "band", strip));
    else if (rows) lowered = lower_row_blocks(&l, kernel, shared, rows);
    else if (shared) lower_rows_group(&l, kernel, shared);
    else if (count == 1) lower_op(&l, first, NULL, true);
    else if (first->kind == DS_GRAPH_winograd) lower_winograd(&l, first);
    else if (first->kind == DS_GRAPH_reduce) lowered = lower_windows(&l, first, second);
    else lowered = lower_contraction(&l, first, second);
    ds_mapping_free(&l.buffers);
    arrfree(l.values);
    ds_op *parallel = ds_op_block(func, 0)->first;
    while (parallel && parallel->kind != DS_LOOP_parallel) parallel = parallel->next;
    if (lowered) fill_borders(&l, kernel, parallel);
    if (lowered && writes_shared_bytes(kernel)) parallel = in_one_piece(&l, parallel);
    if (kernel != original) ds_op_erase(kernel);
    if (!lowered) return DS_UNSUPPORTED;
    ds_op_create(&l.b, DS_RETURN, NULL, 0, NULL, 0, 0);
    ds_op_set_attr(m, func, "pieces", ds_op_attr(parallel, "pieces"));
    *out_func = func;
    return DS_OK;
}
