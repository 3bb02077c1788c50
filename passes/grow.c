/* grow: caches that lie in the memory of an argument (ir/alias.h) and grow between other dims, by a concat behind what
 * is there. Their memory has room behind the rows of each outer dim: new rows are written there, and no others move.
 *
 *   before   %c = concat(%past, %new)   return %c                           of %past: [2, past, 4], {ds.alias = 0}
 *   after    %at = "graph.index"() {values = ["past"]}                      %past: [2, past_room, 4], and `ds.filled`
 *            %s = "graph.extern"(%past, %new, %at) {tensor_scatter}         says that the tensor is [2, past, 4]
 *            %c = map(%s) { copy of the first rows }   return %s            (readers take it where it lies: layout, fuse)
 *
 * Arguments of one length have one symbol for their room, which the entry takes from their bytes (codegen/cpu/plan.c).
 * Needs:  graph ops.   Keeps: values.   Breaks: nothing.   Cost: linear in the uses of caches.
 */
#include <string.h>

#include "ir/alias.h"
#include "passes/contraction.h"
#include "passes/passes.h"

enum { MOST_RANK = 32 };

typedef struct {
    const ds_expr *length, *room;
} room;

typedef struct {
    ds_module *m;
    ds_ir_context *cx;
    ds_op *func;
    room *rooms; /* stb_ds array: of arguments so far, by how much of it is filled */
} growing;

static const ds_type *with_extent(growing *g, const ds_type *t, size_t dim, const ds_expr *extent) {
    const ds_expr *dims[MOST_RANK];
    for (size_t i = 0; i < t->rank; i++) dims[i] = i == dim ? extent : t->dims[i];
    return ds_type_tensor(g->cx, t->elem, t->rank, dims, t->encoding);
}

/* Symbols that are no extents of arguments have numbered names (DS_SYMBOL_KINDS). */
static bool is_taken(const growing *g, const char *name) {
    const ds_block *body = ds_op_block(g->func, 0);
    for (size_t i = 0; i < body->arg_count; i++) {
        const ds_type *t = body->args[i]->type, *filled = ds_argument_filled(g->func, i, t);
        for (size_t d = 0; d < t->rank; d++)
            if (ds_expr_mentions_symbol(t->dims[d], name)) return true;
        for (size_t d = 0; d < filled->rank; d++)
            if (ds_expr_mentions_symbol(filled->dims[d], name)) return true;
    }
    return false;
}

/* A symbol that is called as the length is. The same model gets the same ones: kernels are known by their text. */
static const ds_expr *room_for(growing *g, const ds_expr *length) {
    for (size_t i = 0; i < arrlenu(g->rooms); i++)
        if (g->rooms[i].length == length) return g->rooms[i].room;
    const char *of = length->kind == DS_EXPR_SYMBOL ? length->name : "cache", *name;
    name = ds_arena_printf(g->m->arena, "%s_room", of);
    for (int i = 2; is_taken(g, name); i++) name = ds_arena_printf(g->m->arena, "%s_room%d", of, i);
    room made = {length, ds_expr_symbol(g->cx, name)};
    arrput(g->rooms, made);
    return made.room;
}

/* Why the result is not made by writing behind the rows of the argument: a clause; NULL: it is. */
static const char *hindrance(const growing *g, const ds_value *past, const ds_value *result, size_t dim) {
    const ds_op *concat = result->op;
    const ds_block *body = ds_op_block(g->func, 0);
    bool joins = concat && concat->kind == DS_GRAPH_concat && concat->block == body &&
                 ds_op_int(concat, "axis", 0) == (int64_t)dim && ds_op_operand(concat, 0) == past;
    for (size_t i = 1; joins && i < concat->operand_count; i++) joins = ds_op_operand(concat, i) != past;
    if (!joins || concat->operand_count < 2) return "it is no Concat of new rows behind those of the argument";
    if (ds_elem_facts(past->type->elem)->bits < 8) return "several of its elements share a byte";
    if (result->type->dims[dim]->is_late) return "how many rows are new is known only when others have been computed";
    if (past->type->encoding || result->type->encoding || past->type->rank > MOST_RANK) return "it is not dense";
    return NULL;
}

static ds_status refuse(const growing *g, size_t i, size_t argument, size_t dim, const char *why) {
    return ds_report(g->cx->diag, DS_ERROR, DS_E_form, NULL,
                     "result '%s' cannot lie in the memory of argument '%s': they differ along dim %zu, and %s",
                     ds_result_name(g->m, g->func, i), ds_argument_name(g->m, g->func, argument), dim, why);
}

/* What is concatenated behind the first operand. */
static ds_value *new_rows(growing *g, ds_op *concat, size_t dim) {
    ds_value **parts = NULL;
    const ds_expr *sum = ds_expr_const(g->cx, 0);
    for (size_t i = 1; i < concat->operand_count; i++) {
        arrput(parts, ds_op_operand(concat, i));
        sum = ds_expr_add(g->cx, sum, parts[i - 1]->type->dims[dim]);
    }
    ds_value *all = parts[0];
    if (arrlenu(parts) > 1) {
        ds_builder b = {g->m, concat->block, concat, concat->loc};
        const ds_type *type = with_extent(g, parts[0]->type, dim, sum);
        ds_op *op = ds_op_create(&b, DS_GRAPH_concat, parts, arrlenu(parts), &type, 1, 0);
        ds_op_set_attr(g->m, op, "axis", ds_attr_int(g->cx, (int64_t)dim));
        all = ds_op_result(op, 0);
    }
    arrfree(parts);
    return all;
}

/* The new rows written behind `length` others, for each place of the dims before. */
static ds_value *scatter(growing *g, ds_op *concat, ds_value *past, const ds_expr *length, size_t dim) {
    const ds_expr *one = ds_expr_const(g->cx, 1), *outer = one,
                  *bytes = ds_expr_const(g->cx, ds_elem_facts(past->type->elem)->bits / 8);
    const ds_type *t = past->type, *single = ds_type_tensor(g->cx, DS_i64, 1, &one, NULL);
    ds_value *rows = new_rows(g, concat, dim);
    ds_builder b = {g->m, concat->block, concat, concat->loc};
    ds_op *at = ds_op_create(&b, DS_GRAPH_index, NULL, 0, &single, 1, 0);
    ds_op_set_attr(g->m, at, "values", ds_attr_exprs(g->cx, &length, 1));
    for (size_t i = 0; i < t->rank; i++)
        if (i < dim) outer = ds_expr_mul(g->cx, outer, t->dims[i]);
        else if (i > dim) bytes = ds_expr_mul(g->cx, bytes, t->dims[i]);
    const ds_expr *params[] = {one, outer, t->dims[dim], rows->type->dims[dim], bytes, ds_expr_const(g->cx, 0)};
    ds_value *in[] = {past, rows, ds_op_result(at, 0)};
    ds_op *op = ds_op_create(&b, DS_GRAPH_extern, in, DS_COUNT(in), &t, 1, 0);
    ds_op_set_attr(g->m, op, "callee", ds_attr_string(g->cx, "tensor_scatter"));
    ds_op_set_attr(g->m, op, "params", ds_attr_exprs(g->cx, params, DS_COUNT(params)));
    return ds_op_result(op, 0);
}

/* The first elements of v along each dim, before an op. */
static ds_value *first_of(growing *g, ds_op *before, ds_value *v, const ds_type *type) {
    ds_builder b = {g->m, before->block, before, before->loc};
    return ds_op_result(ds_copy_map(&b, v, type, ds_attr_identity_map(g->cx, type->rank), false), 0);
}

/* The argument becomes its memory, of which all but the concat see the part that is filled. */
static void give_room(growing *g, ds_value *past, const ds_op *concat, const ds_type *memory) {
    const ds_type *filled = past->type;
    ds_use **others = NULL;
    past->type = memory;
    for (ds_use *use = past->uses; use; use = use->next)
        if (use->owner != concat) arrput(others, use);
    ds_value *part = arrlenu(others) ? first_of(g, ds_op_block(g->func, 0)->first, past, filled) : NULL;
    for (size_t i = 0; i < arrlenu(others); i++) {
        ds_op *owner = others[i]->owner;
        ds_op_set_operand(owner, (size_t)(others[i] - owner->operands), part);
    }
    arrfree(others);
}

static ds_status grow_result(growing *g, size_t i) {
    ds_block *body = ds_op_block(g->func, 0);
    int64_t argument = ds_alias_of(g->func, i);
    if (argument < 0 || ds_result_filled(g->func, i, NULL)) return DS_OK;
    ds_value *past = body->args[argument], *result = ds_op_operand(body->last, i);
    int64_t dim = ds_alias_grown_dim(g->m, g->func, past->type, result->type);
    if (dim < 0) return DS_OK;
    const char *why = hindrance(g, past, result, (size_t)dim);
    if (why) return refuse(g, i, (size_t)argument, (size_t)dim, why);
    ds_op *concat = result->op;
    const ds_type *filled = past->type, *grown = with_extent(g, filled, (size_t)dim, result->type->dims[dim]);
    const ds_expr *length = filled->dims[dim];
    give_room(g, past, concat, with_extent(g, filled, (size_t)dim, room_for(g, length)));
    ds_value *all = scatter(g, concat, past, length, (size_t)dim);
    ds_value_replace_uses(result, first_of(g, concat, all, result->type));
    ds_op_set_operand(body->last, i, all);
    ds_op_erase(concat);
    ds_argument_set_attr(g->m, g->func, (size_t)argument, DS_FILLED, ds_attr_of_type(g->cx, filled));
    ds_result_set_attr(g->m, g->func, i, DS_FILLED, ds_attr_of_type(g->cx, grown));
    return DS_OK;
}

ds_status ds_pass_grow(ds_module *module, const ds_pass_options *options) {
    (void)options;
    for (ds_op *func = module->body.block->first; func; func = func->next) {
        ds_block *body = ds_op_block(func, 0);
        growing g = {.m = module, .cx = module->cx, .func = func};
        ds_status status = DS_OK;
        size_t results = body->last && body->last->kind == DS_RETURN ? body->last->operand_count : 0;
        for (size_t i = 0; status == DS_OK && i < results; i++) status = grow_result(&g, i);
        arrfree(g.rooms);
        if (status != DS_OK) return status;
    }
    return DS_OK;
}
