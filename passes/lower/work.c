/* What a kernel does, for reports and profiles: its ops, multiply-adds and additions, and the bytes of its operands and
 * results. */
#include <string.h>

#include "passes/lower/lower.h"

static const ds_expr *product(ds_ir_context *cx, const ds_expr *const *e, size_t count) {
    const ds_expr *total = ds_expr_const(cx, 1);
    for (size_t i = 0; i < count; i++) total = ds_expr_mul(cx, total, e[i]);
    return total;
}

/* Operations of a region at one point: every op that computes counts as one. */
static int64_t region_flops(const ds_op *op) {
    int64_t count = 0;
    for (size_t r = 0; r < op->region_count; r++)
        for (const ds_op *in = ds_op_block(op, r)->first; in; in = in->next)
            count += in->operand_count && in->kind != DS_GRAPH_yield && in->kind != DS_GRAPH_extract &&
                     in->kind != DS_LOOP_cast;
    return count;
}

static const ds_expr *winograd_flops(ds_ir_context *cx, const ds_op *op) {
    const ds_type *y = op->results[0].type, *u = ds_op_operand(op, 1)->type;
    const ds_expr *tile = ds_expr_const(cx, ds_op_int(op, "tile", 4));
    const ds_expr *tiles[] = {y->dims[0], ds_expr_ceildiv(cx, y->dims[2], tile), ds_expr_ceildiv(cx, y->dims[3], tile)};
    return ds_expr_scale(cx, ds_expr_mul(cx, product(cx, tiles, 3), product(cx, u->dims, u->rank)), 2);
}

static const ds_expr *op_flops(ds_ir_context *cx, const ds_op *op);

static const ds_expr *turns_of(const ds_op *loop) { return ds_attr_to_expr(ds_op_attr(loop, "extent")); }

static const ds_expr *loop_flops(ds_ir_context *cx, const ds_op *loop) {
    const ds_expr *total = ds_expr_const(cx, 0);
    const ds_block *body = ds_op_block(loop, 0);
    for (const ds_op *op = body->first; op != body->last; op = op->next)
        total = ds_expr_add(cx, total, op_flops(cx, op));
    return ds_expr_mul(cx, total, turns_of(loop));
}

static const ds_expr *op_flops(ds_ir_context *cx, const ds_op *op) {
    const ds_attr *over = ds_op_attr(op, "over");
    const ds_type *type = op->results[0].type;
    if (op->kind == DS_GRAPH_loop) return loop_flops(cx, op);
    if (op->kind == DS_GRAPH_winograd) return winograd_flops(cx, op);
    const ds_expr *points = type->kind == DS_TYPE_TENSOR ? product(cx, type->dims, type->rank) : ds_expr_const(cx, 0);
    for (size_t i = 0; over && i < over->count; i++) points = ds_expr_mul(cx, points, ds_attr_to_expr(over->items[i]));
    bool contraction = op->kind == DS_GRAPH_matmul || op->kind == DS_GRAPH_conv;
    return ds_expr_scale(cx, points, contraction ? 2 : region_flops(op));
}

static void shape_text(ds_string *text, const ds_type *t) {
    for (size_t i = 0; i < t->rank; i++) {
        ds_string_printf(text, "%s", i ? "x" : " ");
        ds_expr_print(text, t->dims[i]);
    }
}

/* "of ui8 x i8", where factors are narrower than their sums. */
static void describe_factors(ds_string *text, const ds_op *op) {
    ds_elem lhs = ds_op_operand(op, 0)->type->elem, rhs = ds_op_operand(op, 1)->type->elem;
    ds_elem sum = op->results[0].type->elem;
    if (lhs != sum || rhs != sum)
        ds_string_printf(text, " of %s x %s", ds_elem_facts(lhs)->text, ds_elem_facts(rhs)->text);
}

static void describe_op(ds_ir_context *cx, ds_string *text, const ds_op *op, bool is_first) {
    const ds_attr *over = ds_op_attr(op, "over");
    ds_string_printf(text, "%s", strchr(ds_op_facts(op->kind)->name, '.') + 1);
    if (ds_is_depthwise(cx, op)) ds_string_printf(text, " depthwise");
    if (op->kind == DS_GRAPH_matmul || op->kind == DS_GRAPH_conv || op->kind == DS_GRAPH_winograd)
        describe_factors(text, op);
    if (!is_first) return;
    if (op->kind == DS_GRAPH_winograd) ds_string_printf(text, " F(%d)", (int)ds_op_int(op, "tile", 4));
    shape_text(text, op->results[0].type);
    if (ds_attr_find(op->results[0].type->encoding, "map")) ds_string_printf(text, " channels-last");
    for (size_t i = 0; over && i < over->count; i++) {
        ds_string_printf(text, "%s", i ? "x" : " over ");
        ds_expr_print(text, ds_attr_to_expr(over->items[i]));
    }
}

/* "conv 1x64x56x56 channels-last over 64x3x3 + map": ops in order; extents and layout of the first one's result. "30
 * turns of …" */
static const ds_attr *describe(ds_ir_context *cx, const ds_op *kernel) {
    ds_string text = {0};
    const ds_op *first = ds_op_block(kernel, 0)->first, *loop = first->kind == DS_GRAPH_loop ? first : NULL;
    if (loop) {
        ds_expr_print(&text, turns_of(loop));
        ds_string_printf(&text, " turns of ");
        first = ds_op_block(loop, 0)->first;
    }
    const char *stays = NULL;
    bool more = false;
    for (const ds_op *op = first; op && op->kind != DS_GRAPH_yield; op = op->next) {
        if (op->kind == DS_GRAPH_constant) continue;
        if (more) ds_string_printf(&text, " + ");
        describe_op(cx, &text, op, op == first);
        if (!stays && op->operand_count) stays = ds_op_text(op, "stays", NULL);
        more = true;
    }
    if (stays) ds_string_printf(&text, " (stays f32: %s)", stays);
    const ds_attr *attr = ds_attr_string(cx, text.data ? text.data : "");
    ds_string_free(&text);
    return attr;
}

static const ds_expr *value_bytes(ds_ir_context *cx, const ds_type *t) {
    const ds_expr *count = ds_layout_within(t, DS_WITHIN_ID) < 0 ? ds_layout_count(cx, t) : ds_type_count(cx, t);
    unsigned bits = ds_elem_facts(t->elem)->bits;
    if (bits % 8 == 0) return ds_expr_scale(cx, count, bits / 8); /* sums of many terms are slow to divide */
    return ds_expr_floordiv(cx, ds_expr_scale(cx, count, bits), ds_expr_const(cx, 8));
}

/* Of the weights that all turns of a loop but the first one read again. */
static const ds_expr *bytes_again(ds_ir_context *cx, const ds_op *loop) {
    const ds_expr *bytes = ds_expr_const(cx, 0);
    for (const ds_op *op = ds_op_block(loop, 0)->first; op; op = op->next)
        if (op->kind == DS_GRAPH_matmul) bytes = ds_expr_add(cx, bytes, value_bytes(cx, ds_op_operand(op, 1)->type));
    return ds_expr_mul(cx, bytes, ds_expr_sub(cx, turns_of(loop), ds_expr_const(cx, 1)));
}

void lower_describe(ds_module *m, ds_op *kernel) {
    ds_ir_context *cx = m->cx;
    const ds_expr *flops = ds_expr_const(cx, 0), *bytes = ds_expr_const(cx, 0);
    const ds_block *body = ds_op_block(kernel, 0);
    for (const ds_op *op = body->first; op && op->kind != DS_GRAPH_yield; op = op->next) {
        if (op->result_count) flops = ds_expr_add(cx, flops, op_flops(cx, op));
        if (ds_op_attr(op, "node")) ds_op_set_attr(m, kernel, "node", ds_op_attr(op, "node"));
        if (op->kind == DS_GRAPH_loop) bytes = ds_expr_add(cx, bytes, bytes_again(cx, op));
    }
    for (size_t i = 0; i < kernel->operand_count + kernel->result_count; i++) {
        const ds_type *t = i < kernel->operand_count ? ds_op_operand(kernel, i)->type
                                                     : kernel->results[i - kernel->operand_count].type;
        if (t->kind == DS_TYPE_TENSOR) bytes = ds_expr_add(cx, bytes, value_bytes(cx, t));
    }
    ds_op_set_attr(m, kernel, "what", describe(cx, kernel));
    ds_op_set_attr(m, kernel, "flops", ds_attr_expr(cx, flops));
    ds_op_set_attr(m, kernel, "bytes", ds_attr_expr(cx, bytes));
}

typedef struct {
    ds_ir_context *cx;
    ds_work total;
} work_sum;

static void add_work(void *user, ds_op *op) {
    work_sum *sum = user;
    if (op->result_count == 0 || op->results[0].type->kind != DS_TYPE_TENSOR ||
        strncmp(ds_op_facts(op->kind)->name, "graph.", 6))
        return;
    if (op->kind == DS_GRAPH_constant || op->kind == DS_GRAPH_reshape || op->kind == DS_GRAPH_join ||
        op->kind == DS_GRAPH_extract)
        return;
    if (op->kind == DS_GRAPH_loop) return; /* its body's ops are counted */
    sum->total.ops++;
    const ds_expr *flops = op_flops(sum->cx, op);
    if (!ds_expr_equals(flops, 0)) sum->total.flops += schedule_estimate(flops);
    for (size_t i = 0; i < op->operand_count + op->result_count; i++) {
        const ds_type *t = i < op->operand_count ? ds_op_operand(op, i)->type : op->results[i - op->operand_count].type;
        if (t->kind == DS_TYPE_TENSOR)
            sum->total.bytes += schedule_estimate(ds_type_count(sum->cx, t)) * ds_elem_facts(t->elem)->bits / 8;
    }
}

ds_work ds_work_of(ds_module *m) {
    work_sum sum = {.cx = m->cx};
    ds_walk(ds_op_block(ds_module_find(m, "main"), 0), add_work, &sum);
    return sum.total;
}
