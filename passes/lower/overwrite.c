/* Which ops write a result over an operand: irregular ones that kernels.def says so of, and kernels where each point of
 * the result is written once, by the lane that has read the operand there, and nothing of the operand is read later. */
#include <string.h>

#include "passes/externs.h"
#include "passes/lower/lower.h"
#include "passes/schedule/rows.h"

bool lower_is_tied(const ds_op *op) {
    const ds_extern *row = ds_extern_of(op);
    return row && row->tied;
}

static bool reads_same_point(const ds_op *map, const ds_value *v) {
    for (size_t i = 0; i < map->operand_count; i++)
        if (ds_op_operand(map, i) == v && !ds_map_is_identity(ds_op_map(map, i), v->type)) return false;
    return true;
}

/* Ops that share rows have read all of a row when the last one writes it; else only the last op may read v. */
static bool reads_no_more(const ds_value *v, const ds_op *last, size_t shared) {
    for (const ds_use *use = v->uses; use; use = use->next) {
        const ds_op *op = use->owner;
        if (op->block != last->block || (op != last && !shared)) return false;
        for (size_t i = 0; op != last && i < op->operand_count; i++) {
            const ds_attr *map = ds_op_map(op, i);
            if (ds_op_operand(op, i) != v) continue;
            for (size_t d = 0; d < shared; d++)
                if (map->exprs[d]->kind != DS_EXPR_DIM || map->exprs[d]->value != (int64_t)d) return false;
        }
    }
    return true;
}

/* Vectors fill a contraction's rows: a masked store holds up loads of what lies behind its lanes, which would be the
 * next row's. */
static bool has_whole_vectors(ds_ir_context *cx, const ds_type *type) {
    const ds_expr *extents[DS_CONTRACTION_MAX];
    int64_t last;
    size_t count = ds_layout_extents(cx, type, extents);
    return count && ds_expr_is_const(extents[count - 1], &last) && last % DS_PANEL == 0;
}

/* Steps that overlap, or repeat positions past an end, write some points twice; blocks and strips read what others
 * write. */
static bool writes_once(ds_ir_context *cx, const ds_op *kernel, const ds_schedule *s) {
    const ds_op *first = ds_op_block(kernel, 0)->first;
    bool product = !strcmp(s->program, "tile") || !strcmp(s->program, "winograd");
    if (!strcmp(s->program, "blocks") || !strcmp(s->program, "strips") || !strcmp(s->program, "turns")) return false;
    for (size_t i = 0; strcmp(s->program, "winograd") && i < arrlenu(s->levels); i++)
        if (s->levels[i].tail == DS_TAIL_overlap || s->levels[i].tail == DS_TAIL_repeat) return false;
    if (product) return ds_type_is_static(first->results[0].type) && has_whole_vectors(cx, first->results[0].type);
    return first->kind == DS_GRAPH_map || first->kind == DS_GRAPH_reduce;
}

/* What took part in products is written as fast as anything; a map's time is that of memory, and lines that another
 * kernel has read may be in other cores' caches, too. */
static bool is_worth_it(const ds_op *kernel, const ds_value *operand) {
    ds_op_kind kind = ds_op_block(kernel, 0)->first->kind;
    return kind != DS_GRAPH_map || ds_value_has_one_use(operand);
}

bool lower_may_overwrite(ds_ir_context *cx, const ds_op *kernel, size_t operand) {
    const ds_block *body = ds_op_block(kernel, 0);
    const ds_value *v = body->args[operand], *outside = ds_op_operand(kernel, operand);
    const ds_op *yield = body->last, *last = yield->prev;
    if (yield->operand_count != 1 || !last || last->kind != DS_GRAPH_map ||
        ds_op_operand(yield, 0) != &last->results[0])
        return false;
    if (last->result_count != 1 || v->type != last->results[0].type || ds_layout_within(v->type, DS_WITHIN_ID) >= 0)
        return false;
    ds_schedule s;
    if (!v->uses || !reads_same_point(last, v) || ds_schedule_read(cx, ds_op_attr(kernel, "schedule"), &s))
        return false;
    bool may = reads_no_more(v, last, rows_shared(&s)) && writes_once(cx, kernel, &s) && is_worth_it(kernel, outside);
    ds_schedule_free(&s);
    return may;
}
