/* What a kernel should fetch for those that come next: the one thing about a kernel's schedule that depends on its
 * neighbours. */
#include "passes/schedule/tile.h"

/* The weights of a contraction: the argument of main that a kernel's first op takes as its right-hand side, or NULL. */
static const ds_value *weights_of(const ds_op *kernel) {
    const ds_block *body = ds_op_block(kernel, 0);
    if (body->first->kind != DS_GRAPH_matmul && body->first->kind != DS_GRAPH_conv) return NULL;
    for (size_t i = 0; i < body->arg_count; i++)
        if (body->args[i] == ds_op_operand(body->first, 1) && !ds_op_operand(kernel, i)->op)
            return ds_op_operand(kernel, i);
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

/* Weights lie in the order of their first use. How many bytes of those behind this kernel's should be in the cache when
 * it is through: all up to the next contraction of many rows, which fetches its own but for the first columns. At most
 * three quarters of the L2 cache. */
int64_t schedule_weights_behind(const ds_core *core, const ds_op *kernel) {
    const ds_value *own = weights_of(kernel);
    const ds_block *body = kernel->block;
    int64_t bytes = 0;
    int64_t most = (int64_t)core->machine->l2_bytes * 3 / 4;
    size_t i = 0;
    while (i < body->arg_count && body->args[i] != own) i++;
    for (i++; i < body->arg_count && bytes < most; i++) {
        const ds_value *v = body->args[i];
        const ds_op *user = v->uses ? v->uses->owner : NULL;
        uint64_t count;
        if (!user || user->kind != DS_GRAPH_kernel || !ds_type_static_count(v->type, &count)) break;
        int64_t own_bytes = (int64_t)(count * ds_elem_facts(v->type->elem)->bits / 8);
        bytes += own_bytes;
        if (!fetches_its_own(core->cx, user, v)) continue;
        if (own_bytes > FIRST_COLUMNS) bytes -= own_bytes - FIRST_COLUMNS;
        break;
    }
    return bytes < most ? bytes : most;
}
