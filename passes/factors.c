/* How factors of contractions are called, and which of their dims are channels. */
#include "passes/factors.h"

#include <string.h>

#include "ir/dims.h"
#include "passes/narrow/narrow.h"

/* ---- names ---- */

typedef struct {
    char *key;
    size_t value;
} name_count;

typedef struct {
    ds_module *m;
    name_count *counts;
    const char **names;
} naming;

bool ds_is_contraction(const ds_op *op) { return op->kind == DS_GRAPH_matmul || op->kind == DS_GRAPH_conv; }

static void name_op(void *user, ds_op *op) {
    naming *n = user;
    if (!ds_is_contraction(op)) return;
    const char *base = ds_loc_text(op->loc);
    if (!*base) base = ds_op_facts(op->kind)->name;
    size_t number = shget(n->counts, base) + 1;
    shput(n->counts, base, number);
    while (arrlenu(n->names) <= op->id) arrput(n->names, NULL);
    n->names[op->id] = number == 1 ? base : ds_arena_printf(n->m->arena, "%s#%zu", base, number);
}

const char **ds_contraction_names(ds_module *m) {
    naming n = {.m = m};
    for (ds_op *func = m->body.block->first; func; func = func->next) ds_walk(ds_op_block(func, 0), name_op, &n);
    shfree(n.counts);
    return n.names;
}

const char *ds_factor_name(ds_module *m, const char *name, const ds_op *op, size_t i) {
    static const char *const both[] = {"left", "right"};
    bool own = nw_is_fixed(ds_op_operand(op, i)), other = nw_is_fixed(ds_op_operand(op, 1 - i));
    return ds_arena_printf(m->arena, "%s.%s", name, own ? "weight" : other ? "act" : both[i]);
}

/* ---- channels ---- */

/* Which index of a factor is this kind of dim alone; the last one, and DS_NO_AXIS where there is none. */
static int64_t axis_of_kind(ds_ir_context *cx, const ds_op *op, size_t operand, ds_dim_kind kind) {
    const ds_attr *map = ds_op_map(op, operand);
    int64_t found = DS_NO_AXIS;
    for (size_t d = 0; d < (size_t)map->integer; d++)
        for (size_t i = 0; ds_dims_kind(op, d) == kind && i < map->count; i++)
            if (map->exprs[i] == ds_expr_dim(cx, d)) found = (int64_t)i;
    return found;
}

/* Channels of images are their second dim; else a left factor's are what is summed, a right one's what is left. */
int64_t ds_factor_axis(ds_ir_context *cx, const ds_op *op, size_t operand) {
    if (op->kind == DS_GRAPH_conv && operand == 0) return 1;
    if (op->kind == DS_GRAPH_conv && ds_op_map(op, 1)->exprs[0] == ds_expr_dim(cx, 1)) return 0;
    return axis_of_kind(cx, op, operand, operand ? DS_DIM_N : DS_DIM_K);
}

int64_t ds_result_axis(const ds_op *op) {
    int64_t found = DS_NO_AXIS;
    if (op->kind == DS_GRAPH_conv) return 1;
    for (size_t d = 0; d < op->results[0].type->rank; d++)
        if (ds_dims_kind(op, d) == DS_DIM_N) found = (int64_t)d;
    return found;
}
