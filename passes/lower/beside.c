/* Which kernels may run at the same time as those before them: attribute `beside`.
 *
 *   before   %q = kernel(%x, %wq)    %k = kernel(%x, %wk)            %v = kernel(%x, %wv)
 *   after    %q = kernel(%x, %wq)    %k = kernel(%x, %wk) {beside}    %v = kernel(%x, %wv) {beside}
 *
 * Lanes go from one to the next without waiting for each other: the projections for queries, keys and values, the
 * branches of a block. Products that read the same left-hand side move up to each other.
 * Only in functions of nothing but kernels and irregular ops, whose steps lanes share (codegen/cpu/plan.c); what is live for one of a
 * group stays live for all of it, so nothing is written over memory that another one reads.
 */
#include "passes/lower/lower.h"

enum {
    MOST_BESIDE = 8,
    LOOK_AHEAD = 6,
    SMALL = 1 << 15
}; /* kernels of a group; looked at behind it; elements of a result */

ds_value *lower_root_of(ds_value *v) {
    while (v->op && v->op->kind == DS_GRAPH_reshape) v = ds_op_operand(v->op, 0);
    return v;
}

/* Is v, or a part of it, made by one of these kernels? */
static bool is_made_by(ds_value *v, ds_op *const *kernels, size_t count) {
    const ds_op *op = lower_root_of(v)->op;
    for (size_t i = 0; i < count; i++)
        if (op == kernels[i]) return true;
    for (size_t i = 0; op && op->kind == DS_GRAPH_join && i < op->operand_count; i++)
        if (is_made_by(ds_op_operand(op, i), kernels, count)) return true;
    return false;
}

static bool needs_any(const ds_op *op, ds_op *const *kernels, size_t count) {
    for (size_t i = 0; i < op->operand_count; i++)
        if (is_made_by(ds_op_operand(op, i), kernels, count)) return true;
    return false;
}

/* Nothing but kernels and irregular ops; requirements that entry checks do not count, and others stand behind a
 * graph.item. */
static bool is_of_kernels(const ds_block *body) {
    static const ds_op_kind kinds[] = {DS_GRAPH_kernel, DS_GRAPH_constant, DS_GRAPH_reshape, DS_GRAPH_require,
                                       DS_GRAPH_join,   DS_GRAPH_extern,   DS_RETURN};
    for (const ds_op *op = body->first; op; op = op->next) {
        size_t i = 0;
        while (i < DS_COUNT(kinds) && kinds[i] != op->kind) i++;
        if (i == DS_COUNT(kinds)) return false;
    }
    return true;
}

static ds_value *left_of(const ds_op *kernel) {
    const ds_op *first = ds_op_block(kernel, 0)->first;
    bool product = kernel->kind == DS_GRAPH_kernel && kernel->operand_count &&
                   (first->kind == DS_GRAPH_matmul || first->kind == DS_GRAPH_conv);
    return product ? lower_root_of(ds_op_operand(kernel, 0)) : NULL;
}

/* Does op read what one of the ops from `from` on makes? */
static bool reads_since(const ds_op *op, const ds_op *from) {
    for (; from != op; from = from->next)
        for (size_t i = 0; i < op->operand_count; i++)
            if (ds_op_operand(op, i)->op == from) return true;
    return false;
}

static bool is_sibling(const ds_op *op, ds_op *const *group, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (left_of(op) && left_of(op) == left_of(group[i])) return true;
    return false;
}

/* What takes longer gains less, and holds more memory. */
static bool is_small(const ds_op *kernel) {
    for (size_t i = 0; i < kernel->result_count; i++) {
        uint64_t count;
        if (!ds_type_static_count(kernel->results[i].type, &count) || count > SMALL) return false;
    }
    return true;
}

/* A product behind `at` that reads what one of the group does, and needs nothing made since. */
static ds_op *find_sibling(ds_op *const *group, size_t count, ds_op *at) {
    ds_op *op = at->next;
    for (size_t seen = 0; op && seen < LOOK_AHEAD; op = op->next) {
        if (op->kind != DS_GRAPH_kernel) continue;
        if (is_sibling(op, group, count) && !reads_since(op, at) && !needs_any(op, group, count)) return op;
        seen++;
    }
    return NULL;
}

void lower_mark_beside(ds_module *m, ds_block *body) {
    ds_op *group[MOST_BESIDE];
    size_t count = 0;
    if (!is_of_kernels(body)) return;
    for (ds_op *op = body->first; op; op = op->next) {
        if (op->kind == DS_GRAPH_extern || (op->kind == DS_GRAPH_join && ds_op_attr(op, "whole")))
            count = 0; /* nothing runs beside it, nor beside copies for it */
        if (op->kind != DS_GRAPH_kernel) continue;
        bool joins = count && count < MOST_BESIDE && (is_small(op) || is_sibling(op, group, count));
        if (joins && !needs_any(op, group, count)) {
            ds_op_set_attr(m, op, "beside", ds_attr_unit(m->cx));
            group[count++] = op;
            continue;
        }
        for (ds_op *sibling; count && count < MOST_BESIDE && (sibling = find_sibling(group, count, op));
             group[count++] = sibling) {
            ds_op_move(sibling, body, op);
            ds_op_set_attr(m, sibling, "beside", ds_attr_unit(m->cx));
        }
        group[0] = op, count = 1;
    }
}
