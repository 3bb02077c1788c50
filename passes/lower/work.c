/* What a kernel does, for reports and profiles: its ops, multiply-adds and additions, and the bytes of its operands and results. */
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
            count += in->operand_count && in->kind != DS_GRAPH_yield && in->kind != DS_GRAPH_extract && in->kind != DS_LOOP_cast;
    return count;
}

static const ds_expr *winograd_flops(ds_ir_context *cx, const ds_op *op) {
    const ds_type *y = op->results[0].type, *u = ds_op_operand(op, 1)->type;
    const ds_expr *tile = ds_expr_const(cx, ds_op_int(op, "tile", 4));
    const ds_expr *tiles[] = {y->dims[0], ds_expr_ceildiv(cx, y->dims[2], tile), ds_expr_ceildiv(cx, y->dims[3], tile)};
    return ds_expr_scale(cx, ds_expr_mul(cx, product(cx, tiles, 3), product(cx, u->dims, u->rank)), 2);
}

static const ds_expr *op_flops(ds_ir_context *cx, const ds_op *op) {
    const ds_attr *over = ds_op_attr(op, "over");
    const ds_type *type = op->results[0].type;
    if (op->kind == DS_GRAPH_winograd) return winograd_flops(cx, op);
    const ds_expr *points = type->kind == DS_TYPE_TENSOR ? product(cx, type->dims, type->rank) : ds_expr_const(cx, 0);
    for (size_t i = 0; over && i < over->count; i++) points = ds_expr_mul(cx, points, ds_attr_to_expr(cx, over->items[i]));
    bool contraction = op->kind == DS_GRAPH_matmul || op->kind == DS_GRAPH_conv;
    return ds_expr_scale(cx, points, contraction ? 2 : region_flops(op));
}

static void shape_text(ds_string *text, const ds_type *t) {
    for (size_t i = 0; i < t->rank; i++) {
        ds_string_printf(text, "%s", i ? "x" : " ");
        ds_expr_print(text, t->dims[i]);
    }
}

/* "conv 1x64x56x56 channels-last over 64x3x3 + map": ops in order; extents and layout of the first one's result. */
static const ds_attr *describe(ds_ir_context *cx, const ds_op *kernel) {
    ds_string text = {0};
    const ds_block *body = ds_op_block(kernel, 0);
    for (const ds_op *op = body->first; op && op->kind != DS_GRAPH_yield; op = op->next) {
        if (op->kind == DS_GRAPH_constant) continue;
        const ds_attr *over = ds_op_attr(op, "over");
        ds_string_printf(&text, "%s%s", text.length ? " + " : "", strchr(ds_op_facts(op->kind)->name, '.') + 1);
        if (ds_is_depthwise(cx, op)) ds_string_printf(&text, " depthwise");
        if (op != body->first) continue;
        if (op->kind == DS_GRAPH_winograd) ds_string_printf(&text, " F(%d)", (int)ds_op_int(op, "tile", 4));
        shape_text(&text, op->results[0].type);
        if (ds_attr_find(op->results[0].type->encoding, "map")) ds_string_printf(&text, " channels-last");
        for (size_t i = 0; over && i < over->count; i++) {
            ds_string_printf(&text, "%s", i ? "x" : " over ");
            ds_expr_print(&text, ds_attr_to_expr(cx, over->items[i]));
        }
    }
    const ds_attr *attr = ds_attr_string(cx, text.data ? text.data : "");
    ds_string_free(&text);
    return attr;
}

void lower_describe(ds_module *m, ds_op *kernel) {
    ds_ir_context *cx = m->cx;
    const ds_expr *flops = ds_expr_const(cx, 0), *bytes = ds_expr_const(cx, 0);
    const ds_block *body = ds_op_block(kernel, 0);
    for (const ds_op *op = body->first; op && op->kind != DS_GRAPH_yield; op = op->next)
        if (op->result_count) flops = ds_expr_add(cx, flops, op_flops(cx, op));
    for (size_t i = 0; i < kernel->operand_count + kernel->result_count; i++) {
        const ds_type *t = i < kernel->operand_count ? ds_op_operand(kernel, i)->type : kernel->results[i - kernel->operand_count].type;
        if (t->kind != DS_TYPE_TENSOR) continue;
        bytes = ds_expr_add(
            cx, bytes,
            ds_expr_floordiv(cx,
                             ds_expr_scale(cx, ds_layout_within(t, DS_WITHIN_ID) < 0 ? ds_layout_count(cx, t) : ds_type_count(cx, t),
                                           ds_elem_facts(t->elem)->bits),
                             ds_expr_const(cx, 8)));
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
    if (op->result_count == 0 || op->results[0].type->kind != DS_TYPE_TENSOR || strncmp(ds_op_facts(op->kind)->name, "graph.", 6)) return;
    if (op->kind == DS_GRAPH_constant || op->kind == DS_GRAPH_reshape || op->kind == DS_GRAPH_join || op->kind == DS_GRAPH_extract) return;
    sum->total.ops++;
    sum->total.flops += lower_estimate(op_flops(sum->cx, op));
    for (size_t i = 0; i < op->operand_count + op->result_count; i++) {
        const ds_type *t = i < op->operand_count ? ds_op_operand(op, i)->type : op->results[i - op->operand_count].type;
        if (t->kind == DS_TYPE_TENSOR) sum->total.bytes += lower_estimate(ds_type_count(sum->cx, t)) * ds_elem_facts(t->elem)->bits / 8;
    }
}

ds_work ds_work_of(ds_module *m) {
    work_sum sum = {.cx = m->cx};
    ds_walk(ds_op_block(ds_module_find(m, "main"), 0), add_work, &sum);
    return sum.total;
}
