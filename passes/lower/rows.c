/* rows, blocks, turns: ops that go through the same leading dims together; what flows between them lies in one thread's
 * scratch memory. */
#include <string.h>

#include "passes/lower/lower.h"
#include "passes/schedule/rows.h"

/* ---- what flows between ops ---- */

/* A temporary of a row group: its row dims count as one. */
static const ds_type *row_type(lowering *l, const ds_type *t, size_t shared) {
    const ds_expr *dims[SCHEDULE_MOST_DIMS];
    for (size_t i = 0; i < t->rank; i++) dims[i] = i < shared ? ds_expr_const(l->cx, 1) : t->dims[i];
    return ds_type_tensor(l->cx, t->elem, t->rank, dims, NULL);
}

/* Accesses to a temporary read and write row 0: its maps lose the shared dims. */
static void forget_rows(lowering *l, ds_op *op, size_t operand, size_t shared) {
    const ds_attr *map = ds_op_map(op, operand), *old = ds_op_attr(op, "maps"), **maps = NULL;
    const ds_expr *exprs[SCHEDULE_MOST_DIMS];
    for (size_t i = 0; i < map->count; i++) exprs[i] = i < shared ? ds_expr_const(l->cx, 0) : map->exprs[i];
    for (size_t i = 0; i < old->count; i++)
        arrput(maps, i == operand ? ds_attr_map(l->cx, (size_t)map->integer, exprs, map->count) : old->items[i]);
    ds_op_set_attr(l->m, op, "maps", ds_attr_array(l->cx, maps, arrlenu(maps)));
    ds_dims_note(l->m, op);
    arrfree(maps);
}

/* Room for a value that flows between ops, for one point of the first `shared` dims and `rows` of the next one (0: one
 * point, too). */
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
    const ds_expr **scratch = NULL;
    int index = 0;
    lower_bind_operands(l, kernel);
    for (ds_op *op = body->first; op != body->last; op = op->next, index++) {
        const ds_placement *place = rows_place(l->schedule, index);
        for (size_t r = 0; place && r < op->result_count; r++) {
            ds_value *v = &op->results[r];
            if (rows_is_result(kernel, v)) continue;
            if (place->space == DS_SPACE_scratch) bind_temporary(l, v, shared, rows, &scratch);
            if (place->space != DS_SPACE_result) continue;
            l->in_result = v;
            ds_mapping_set(&l->buffers, v, lw_buffer(l, ds_op_operand(body->last, 0)));
        }
    }
    lower_set_scratch(l, scratch);
}

/* ---- rows ---- */

/* What flows between the ops has its rows fixed, so it is as small as a row. */
void lower_rows(lowering *l, ds_op *kernel) {
    ds_block *body = ds_op_block(kernel, 0);
    const ds_type *type = kernel->results[0].type; /* temporaries have lost their rows */
    const ds_expr *total = ds_expr_const(l->cx, 1);
    size_t shared = rows_shared(l->schedule);
    int index = 0;
    bind_buffers(l, kernel, shared, 0);
    for (size_t i = 0; i < shared; i++) total = ds_expr_mul(l->cx, total, type->dims[i]);
    ds_op *pieces;
    ds_value *rest = lower_parallel(l, total, l->schedule->levels[0].step, false, &pieces);
    lower_rows_at rows = {.shared = shared};
    for (size_t i = shared; i-- > 0;) {
        ds_value *size = lw_extent(l, type->dims[i]);
        rows.at[i] = i ? lw_binary(l, DS_LOOP_mod, rest, size) : rest;
        if (i) rest = lw_binary(l, DS_LOOP_div, rest, size);
    }
    for (ds_op *op = body->first; op != body->last; op = op->next) lower_op(l, op, index++, &rows);
    lower_parallel_end(l, pieces);
}

/* ---- blocks ---- */

/* What flows between the ops has room for one block, and is shifted so that it is read and written at the rows' own
 * places. */
static void shift_buffers(lowering *l, const ds_op *kernel, size_t shared, ds_value *low) {
    const ds_block *body = ds_op_block(kernel, 0);
    for (const ds_op *op = body->first; op != body->last; op = op->next) {
        ds_value *buffer = lw_buffer(l, &op->results[0]);
        if (buffer == &op->results[0] || rows_is_result(kernel, &op->results[0]))
            continue; /* in registers, or a result */
        const ds_expr *row = ds_expr_const(l->cx, 1);
        for (size_t i = shared; i < op->results[0].type->rank; i++)
            row = ds_expr_mul(l->cx, row, op->results[0].type->dims[i]);
        ds_value *shift[] = {buffer, lw_binary(l, DS_LOOP_mul, low, lw_extent(l, row))};
        ds_mapping_set(&l->buffers, &op->results[0], lw_op(l, DS_LOOP_shift, shift, 2, buffer->type));
    }
}

/* One product after the other; what lies between them goes row by row, while the row is in the L1 cache. */
static void block_ops(lowering *l, const ds_block *body, lower_rows_at *rows, ds_value *low, ds_value *high,
                      int64_t block) {
    int index = 0;
    for (ds_op *op = body->first; op != body->last; op = op->next, index++) {
        if (op->kind == DS_GRAPH_matmul) {
            const ds_placement *place = rows_place(l->schedule, index);
            ds_op *epilogue = place && place->space == DS_SPACE_registers ? op->next : NULL;
            lower_tile_rows(l, op, epilogue, index, rows, low, high, block);
            index += epilogue != NULL;
            if (epilogue) op = epilogue;
            continue;
        }
        ds_op *loop = lw_for(l, low, high, lw_index(l, 1), NULL, 0, NULL);
        rows->at[rows->shared - 1] = lw_for_position(loop);
        for (;; op = op->next, index++) {
            lower_op(l, op, index, rows);
            if (op->next->kind == DS_GRAPH_matmul || op->next == body->last) break;
        }
        lw_end(l, loop, NULL, 0);
    }
}

void lower_blocks(lowering *l, ds_op *kernel) {
    const ds_type *type = kernel->results[0].type;
    size_t shared = rows_shared(l->schedule);
    int64_t block = l->schedule->levels[0].step;
    const ds_expr *extent = type->dims[shared - 1],
                  *count = ds_expr_ceildiv(l->cx, extent, ds_expr_const(l->cx, block)), *total = count;
    bind_buffers(l, kernel, shared, block);
    for (size_t i = 0; i + 1 < shared; i++) total = ds_expr_mul(l->cx, total, type->dims[i]);
    ds_op *pieces;
    ds_value *rest = lower_parallel(l, total, 1, false, &pieces), *size = lw_index(l, block);
    lower_rows_at rows = {.shared = shared};
    ds_value *low = lw_binary(l, DS_LOOP_mul, lw_digit(l, &rest, count), size),
             *high = lw_binary(l, DS_LOOP_min, lw_binary(l, DS_LOOP_add, low, size), lw_extent(l, extent));
    for (size_t i = shared - 1; i-- > 0;) rows.at[i] = lw_digit(l, &rest, type->dims[i]);
    shift_buffers(l, kernel, shared, low);
    block_ops(l, ds_op_block(kernel, 0), &rows, low, high, block);
    lower_parallel_end(l, pieces);
}

/* ---- turns ---- */

/* The states of a loop, and what its ops make, for one point of the first dim. */
static void bind_turns(lowering *l, const ds_op *kernel) {
    const ds_expr **scratch = NULL;
    ds_block *body = ds_op_block(ds_op_block(kernel, 0)->first, 0);
    lower_bind_operands(l, kernel);
    for (size_t i = 0; i < body->arg_count; i++) bind_temporary(l, body->args[i], 1, 0, &scratch);
    for (ds_op *op = body->first; op != body->last; op = op->next)
        for (size_t r = 0; r < op->result_count; r++) bind_temporary(l, &op->results[r], 1, 0, &scratch);
    lower_set_scratch(l, scratch);
}

/* Copies `count` elements; where each begins is in elements, NULL: at its beginning. */
static void copy_row(lowering *l, ds_value *from, ds_value *from_at, ds_value *to, ds_value *to_at,
                     const ds_expr *count) {
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

/* A product by tiles where the schedule has one for it. */
static void turn_op(lowering *l, ds_op *op, int index, const lower_rows_at *rows) {
    if (!ds_schedule_find(l->schedule, index, "m", DS_LEVEL_tile)) {
        lower_op(l, op, index, rows);
        return;
    }
    lower_rows_at inner = *rows;
    inner.shared++;
    l->b.loc = op->loc;
    lower_tile_rows(l, op, NULL, index, &inner, lw_index(l, 0), lw_extent(l, op->results[0].type->dims[rows->shared]),
                    0);
}

/* A loop whose first dim goes through all turns by itself, one point of it in a piece. States lie in scratch memory;
 * the new ones replace them at the end of a turn, and are copied to what stacks them. */
void lower_turns(lowering *l, ds_op *kernel) {
    const ds_op *loop = ds_op_block(kernel, 0)->first, *yield = ds_op_block(loop, 0)->last;
    ds_block *body = ds_op_block(loop, 0);
    const ds_expr *first = loop->results[0].type->dims[0], *turns = ds_attr_to_expr(ds_op_attr(loop, "extent"));
    size_t carried = body->arg_count;
    ds_op *pieces;
    bind_turns(l, kernel);
    lower_rows_at rows = {.shared = 1, .at = {lower_parallel(l, first, 1, false, &pieces)}};
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
    int index = 0;
    for (ds_op *op = body->first; op != yield; op = op->next) turn_op(l, op, index++, &rows);
    for (size_t i = 0; i < yield->operand_count; i++) {
        ds_value *v = lw_buffer(l, ds_op_operand(yield, i)), *stack = lw_buffer(l, &loop->results[i]);
        if (i < carried) copy_row(l, v, NULL, lw_buffer(l, body->args[i]), NULL, row[i]);
        else if (stack != &loop->results[i]) {
            ds_value *behind =
                lw_binary(l, DS_LOOP_mul, lw_for_position(turn), lw_extent(l, ds_expr_mul(l->cx, first, row[i])));
            copy_row(l, v, NULL, stack, lw_binary(l, DS_LOOP_add, behind, at[i]), row[i]);
        }
    }
    lw_end(l, turn, NULL, 0);
    for (size_t i = 0; i < carried; i++) {
        ds_value *result = lw_buffer(l, &loop->results[i]);
        if (result != &loop->results[i]) copy_row(l, lw_buffer(l, body->args[i]), NULL, result, at[i], row[i]);
    }
    arrfree(row);
    arrfree(at);
    lower_parallel_end(l, pieces);
}
