/* graph.kernel -> function of loop ops, by its schedule.
 *
 * Arguments: a buffer for every operand, every result, and every value that flows between the kernel's ops (scratch of
 * one thread, attribute `scratch`: bytes of each). Attribute `pieces`: how many independent pieces the function's
 * loop.parallel has.
 */
#include <string.h>

#include "passes/lower/lower.h"

/* ---- buffers ---- */

/* Arguments for the kernel's operands and results. */
void lower_bind_operands(lowering *l, const ds_op *kernel) {
    ds_block *body = ds_op_block(kernel, 0), *out = ds_op_block(l->b.block->region->op, 0);
    ds_op *yield = body->last;
    for (size_t i = 0; i < body->arg_count; i++)
        ds_mapping_set(&l->buffers, body->args[i],
                       ds_block_add_arg(l->m, out, ds_type_buffer(l->cx, body->args[i]->type->elem), NULL));
    for (size_t i = 0; i < yield->operand_count; i++)
        ds_mapping_set(&l->buffers, ds_op_operand(yield, i),
                       ds_block_add_arg(l->m, out, ds_type_buffer(l->cx, ds_op_operand(yield, i)->type->elem), NULL));
}

void lower_set_scratch(lowering *l, const ds_expr **bytes) {
    ds_op_set_attr(l->m, l->b.block->region->op, "scratch", ds_attr_exprs(l->cx, bytes, arrlenu(bytes)));
    arrfree(bytes);
}

void lower_bind_alone(lowering *l, const ds_op *kernel) {
    lower_bind_operands(l, kernel);
    lower_set_scratch(l, NULL);
}

/* ---- one op ---- */

/* The right factor in a region whose operands are these, as numbers of the sum, with all scales: see graph.matmul. */
static ds_value *right_factor(ds_builder *in, const ds_op *op, ds_value *const *args, const ds_type *scalar) {
    size_t zero = ds_product_zero(op);
    ds_value *v = args[1];
    for (size_t i = op->operand_count; i-- > 2;) { /* zero points are the last */
        ds_value *both[] = {v, args[i]};
        v = ds_op_result(ds_op_create(in, i == zero ? DS_LOOP_sub : DS_LOOP_mul, both, 2, &scalar, 1, 0), 0);
    }
    return v;
}

/* A contraction as a reduction with a product in its region: for element types and shapes that have no tiled form. */
static ds_op *as_reduction(lowering *l, ds_op *op) {
    ds_ir_context *cx = l->cx;
    ds_builder b = {l->m, op->block, op, op->loc};
    ds_value *operands[5];
    size_t count = op->operand_count;
    for (size_t i = 0; i < count; i++) operands[i] = ds_op_operand(op, i);
    const ds_type *type = op->results[0].type, *scalar = ds_type_scalar(cx, type->elem);
    ds_op *reduce = ds_op_create(&b, DS_GRAPH_reduce, operands, count, &type, 1, 2);
    bool is_float = ds_elem_is_float(type->elem);
    const ds_attr *zero = is_float ? ds_attr_float(cx, 0) : ds_attr_int(cx, 0);
    ds_op_set_attr(l->m, reduce, "maps", ds_op_attr(op, "maps"));
    ds_op_set_attr(l->m, reduce, "over", ds_op_attr(op, "over"));
    ds_op_set_attr(l->m, reduce, "init", ds_attr_array(cx, &zero, 1));
    const ds_attr *padding = ds_op_attr(op, "padding");
    if (ds_op_attr(op, "pads")) ds_op_set_attr(l->m, reduce, "pads", ds_op_attr(op, "pads"));
    else if (padding && padding->count) {
        const ds_attr *pads[] = {zero, ds_attr_unit(cx)};
        ds_op_set_attr(l->m, reduce, "pads", ds_attr_array(cx, pads, 2));
    }
    for (size_t r = 0; r < 2; r++) {
        ds_builder in = {l->m, ds_op_block(reduce, r), NULL, op->loc};
        ds_value *args[5];
        for (size_t i = 0; i < (r ? 2 : count); i++) {
            const ds_type *own = r ? scalar : ds_type_scalar(cx, operands[i]->type->elem);
            args[i] = ds_block_add_arg(l->m, in.block, own, NULL);
            if (own != scalar) args[i] = ds_op_result(ds_op_create(&in, DS_LOOP_cast, &args[i], 1, &scalar, 1, 0), 0);
        }
        if (!r) args[1] = right_factor(&in, op, args, scalar);
        ds_value *v = ds_op_result(ds_op_create(&in, r ? DS_LOOP_add : DS_LOOP_mul, args, 2, &scalar, 1, 0), 0);
        ds_op_create(&in, DS_GRAPH_yield, &v, 1, NULL, 0, 0);
    }
    ds_mapping_set(&l->buffers, &reduce->results[0], lw_buffer(l, &op->results[0]));
    return reduce;
}

void lower_op(lowering *l, ds_op *op, int index, const lower_rows_at *rows) {
    l->b.loc = op->loc;
    switch (op->kind) {
    case DS_GRAPH_map: lower_map(l, op, index, rows); break;
    case DS_GRAPH_reduce: lower_reduce(l, op, index, rows); break;
    case DS_GRAPH_encode: lower_encode(l, op); break;
    case DS_GRAPH_concat: lower_concat(l, op); break;
    case DS_GRAPH_index: lower_index(l, op); break;
    case DS_GRAPH_matmul:
    case DS_GRAPH_conv: {
        ds_op *reduce = as_reduction(l, op);
        lower_reduce(l, reduce, index, rows);
        ds_op_erase(reduce);
        break;
    }
    default: break;
    }
}

void lower_points(lowering *l, ds_op *kernel) {
    lower_bind_alone(l, kernel);
    lower_op(l, ds_op_block(kernel, 0)->first, DS_OWN, NULL);
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
    ds_value *height = lw_extent(l, extent[1]), *length = lw_extent(l, row), *zero = lw_index(l, 0),
             *one = lw_index(l, 1);
    ds_op *rows = lw_for(l, zero, lw_extent(l, ds_expr_mul(l->cx, extent[0], extent[1])), one, NULL, 0, NULL);
    ds_value *y = lw_binary(l, DS_LOOP_rem, lw_for_position(rows), height),
             *start = lw_binary(l, DS_LOOP_mul, lw_for_position(rows), length);
    ds_value *below = lw_extent(l, ds_expr_add(l->cx, t->dims[2], ds_expr_const(l->cx, above)));
    ds_value *outside =
        lw_binary(l, DS_LOOP_or, lw_binary(l, DS_LOOP_lt, y, lw_index(l, above)), lw_binary(l, DS_LOOP_le, below, y));
    ds_value *left = lw_extent(l, ds_expr_scale(l->cx, extent[3], ds_layout_border(t, 3, false)));
    ds_value *right = lw_extent(l, ds_expr_scale(l->cx, extent[3], ds_layout_border(t, 3, true)));
    ds_value *whole[] = {outside, length, left};
    lower_zeros(l, buffer, start, lw_op(l, DS_LOOP_select, whole, 3, length->type));
    lower_zeros(l, buffer, lw_binary(l, DS_LOOP_sub, lw_binary(l, DS_LOOP_add, start, length), right), right);
    lw_end(l, rows, NULL, 0);
}

/* The first piece also writes the borders of images that the kernel makes. (Weights get theirs when they are
 * packed.) */
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

/* ---- the function ---- */

typedef struct {
    const char *name;
    ds_program_lower *lower;
} program;

static const program programs[] = {
#define PROGRAM(name, doc) {#name, lower_##name},
#include "passes/schedule/programs.def"
#undef PROGRAM
};

/* What is lowered is a copy: programs change its ops. */
static ds_op *copy_kernel(ds_module *m, const ds_op *kernel) {
    ds_builder b = {m, kernel->block, kernel->next, kernel->loc};
    ds_mapping same = {0};
    ds_op *copy = ds_op_clone(&b, kernel, &same);
    ds_mapping_free(&same);
    return copy;
}

/* Equal kernels come from different nodes: their function has places, its ops do not. */
static void forget_location(void *user, ds_op *op) {
    (void)user;
    op->loc = NULL;
}

ds_op *lower_kernel(ds_module *m, const ds_core *core, const ds_schedule *schedule, const ds_op *original,
                    const char *name) {
    lowering l = {.m = m, .cx = m->cx, .core = core, .schedule = schedule, .lanes = core->lanes};
    ds_op *kernel = copy_kernel(m, original), *func = ds_func_create(m, name);
    func->loc = kernel->loc;
    l.b = (ds_builder){m, ds_op_block(func, 0), NULL, kernel->loc};
    for (size_t i = 0; i < DS_COUNT(programs); i++)
        if (!strcmp(programs[i].name, schedule->program)) programs[i].lower(&l, kernel);
    ds_mapping_free(&l.buffers);
    arrfree(l.values);
    ds_op *parallel = ds_op_block(func, 0)->first;
    while (parallel->kind != DS_LOOP_parallel) parallel = parallel->next;
    fill_borders(&l, kernel, parallel);
    if (writes_shared_bytes(kernel)) parallel = in_one_piece(&l, parallel);
    ds_op_erase(kernel);
    ds_op_create(&l.b, DS_RETURN, NULL, 0, NULL, 0, 0);
    ds_op_set_attr(m, func, "pieces", ds_op_attr(parallel, "pieces"));
    ds_walk(ds_op_block(func, 0), forget_location, NULL);
    return func;
}
