/* What a kernel may be made of, whoever made it: what no program could compute is found here, so that none has to
 * look. */
#include "passes/schedule/programs.h"

/* ---- epilogues ---- */

bool schedule_is_epilogue(const ds_value *v, const ds_op *map) {
    if (map->kind != DS_GRAPH_map || map->result_count != 1 || ds_op_attr(map, "pads") || !v->uses) return false;
    const ds_type *own = v->type, *type = map->results[0].type;
    if (own->rank != type->rank || !ds_layout_same_order(type, own)) return false;
    for (size_t i = 0; i < own->rank; i++)
        if (own->dims[i] != type->dims[i]) return false;
    for (const ds_use *use = v->uses; use; use = use->next)
        if (use->owner != map) return false;
    for (size_t i = 0; i < map->operand_count; i++)
        if (ds_op_operand(map, i) == v && !ds_map_is_identity(ds_op_map(map, i), own)) return false;
    for (const ds_op *inner = ds_op_block(map, 0)->first; inner; inner = inner->next)
        if (inner->kind == DS_GRAPH_extract) return false;
    return true;
}

const ds_op *schedule_epilogue(const ds_op *op) {
    return op->next && op->result_count == 1 && schedule_is_epilogue(&op->results[0], op->next) ? op->next : NULL;
}

bool schedule_yields(const ds_op *kernel, const ds_op *op) {
    const ds_op *yield = ds_op_block(kernel, 0)->last;
    return op->result_count == 1 && op->next == yield && yield->operand_count == 1 &&
           ds_op_operand(yield, 0) == &op->results[0];
}

/* ---- kernels ---- */

/* Its layout is of a form that addresses can be computed for. */
static const char *type_misfit(const ds_core *core, const ds_type *t) {
    const ds_attr *map = ds_attr_find(t->encoding, "map");
    const ds_expr *extents[SCHEDULE_MOST_DIMS];
    if (t->kind != DS_TYPE_TENSOR) return "a kernel has values that are no tensors";
    if (t->rank > SCHEDULE_MOST_DIMS || (map && map->count > SCHEDULE_MOST_DIMS))
        return "a kernel has tensors of too many dimensions";
    if (map && map->count && !ds_layout_extents(core->cx, t, extents))
        return "a kernel has a tensor in an order that is not known";
    return NULL;
}

static const char *op_misfit(const ds_core *core, const ds_op *op) {
    const ds_attr *over = ds_op_attr(op, "over");
    size_t values = op->operand_count + op->result_count;
    if (!op->result_count) return schedule_refuse(core, "'%s' gives no result", ds_op_facts(op->kind)->name);
    if (op->result_count > SCHEDULE_MOST_RESULTS || values > SCHEDULE_MOST_OPERANDS)
        return schedule_refuse(core, "an op has more than %d results, or more than %d values", SCHEDULE_MOST_RESULTS,
                               SCHEDULE_MOST_OPERANDS);
    for (size_t i = 0; i < values; i++) {
        const ds_value *v = i < op->operand_count ? ds_op_operand(op, i) : &op->results[i - op->operand_count];
        const char *wrong = type_misfit(core, v->type);
        if (wrong) return wrong;
    }
    if (over && op->results[0].type->rank + over->count > SCHEDULE_MOST_DIMS) return "an op has too many dimensions";
    return NULL;
}

bool schedule_computes(const ds_op *op) {
    switch (op->kind) {
    case DS_GRAPH_map:
    case DS_GRAPH_reduce:
    case DS_GRAPH_matmul:
    case DS_GRAPH_conv:
    case DS_GRAPH_winograd:
    case DS_GRAPH_concat:
    case DS_GRAPH_encode:
    case DS_GRAPH_index: return true;
    default: return false;
    }
}

/* A loop stands alone; what is in it: see rows_are_turns. */
static bool may_stand(const ds_op *kernel, const ds_op *op) {
    bool is_only_loop = op->kind == DS_GRAPH_loop && op->next == ds_op_block(kernel, 0)->last && !op->prev;
    return is_only_loop || schedule_computes(op);
}

const char *schedule_op_misfit(const ds_core *core, const ds_op *kernel) {
    const ds_block *body = ds_op_block(kernel, 0);
    const char *wrong = NULL;
    for (const ds_op *op = body->first; op != body->last && !wrong; op = op->next) {
        if (!may_stand(kernel, op))
            return schedule_refuse(core, "'%s' cannot stand in a kernel", ds_op_facts(op->kind)->name);
        wrong = op_misfit(core, op);
        if (op->kind != DS_GRAPH_loop) continue;
        const ds_block *turn = ds_op_block(op, 0);
        for (const ds_op *inner = turn->first; inner != turn->last && !wrong; inner = inner->next)
            wrong = op_misfit(core, inner);
    }
    return wrong;
}

const char *schedule_misfit(const ds_core *core, const ds_op *kernel) {
    const ds_block *body = ds_op_block(kernel, 0);
    if (body->first == body->last) return "the kernel computes nothing";
    for (size_t i = 0; i < body->last->operand_count; i++) {
        const ds_value *v = ds_op_operand(body->last, i);
        if (!v->op || v->op->block != body) return "the kernel gives a value that it does not make";
        for (size_t k = 0; k < i; k++)
            if (ds_op_operand(body->last, k) == v) return "the kernel gives a value twice";
    }
    return schedule_op_misfit(core, kernel);
}
