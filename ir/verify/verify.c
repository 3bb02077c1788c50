/* Checks that hold for every op: counts of operands, results and regions, attributes, definition before use,
 * terminators, and where an op may stand. Rules of a dialect's own ops are in the other files. What passes is safe for
 * every pass and for code generation; what only running would show is not checked. */
#include "ir/verify/verify.h"

#include <string.h>

#include "ir/alias.h"
#include "ir/require.h"
#include "ir/schema.h"

static void count_fail(verifier *v, const ds_op *op, size_t count, const char *what, const char *spec) {
    const char *text = ds_arena_printf(v->m->arena, "%zu %s%s instead of: %s", count, what, count == 1 ? "" : "s",
                                       *spec ? spec : "none");
    verify_fail(v, op, text);
}

void verify_fail(verifier *v, const ds_op *op, const char *what) {
    if (v->status == DS_OK) v->status = ds_op_report(v->m, op, DS_E_verify, "%s", what);
}

bool verify_is_scalar(const ds_value *v, ds_elem elem) {
    return v->type->kind == DS_TYPE_SCALAR && v->type->elem == elem;
}

const ds_op *verify_yield(const ds_op *op, size_t region, ds_op_kind kind) {
    const ds_op *last = region < op->region_count ? ds_op_block(op, region)->last : NULL;
    return last && last->kind == kind ? last : NULL;
}

static void define(verifier *v, const ds_value *value) {
    while (arrlenu(v->defined) <= value->id) arrput(v->defined, 0);
    v->defined[value->id] = 1;
}

static bool is_defined(const verifier *v, const ds_value *value) {
    return value->id < arrlenu(v->defined) && v->defined[value->id];
}

/* "lhs rhs bias? rest..." against a count */
static bool count_fits(const char *spec, size_t count) {
    size_t least = 0, most = 0;
    while (*spec == ' ') spec++;
    while (*spec) {
        size_t n = strcspn(spec, " ");
        if (n > 3 && strncmp(spec + n - 3, "...", 3) == 0) return count >= least;
        most++;
        if (spec[n - 1] != '?') least++;
        spec += n;
        while (*spec == ' ') spec++;
    }
    return count >= least && count <= most;
}

static void verify_require(verifier *v, const ds_op *op) {
    ds_requirement r;
    if (!ds_requirement_of(op, &r)) verify_fail(v, op, "no relation of this name, or sides that are not expressions");
}

/* ---- where ops may stand ---- */

static bool is_of(const ds_op *op, const char *dialect) {
    return strncmp(ds_op_facts(op->kind)->name, dialect, strlen(dialect)) == 0;
}

static bool may_stand(const ds_op *op, verify_place place) {
    if (op->kind == DS_RETURN) return place != AT_POINT && op->block->region->op->kind == DS_FUNC;
    switch (place) {
    case IN_GRAPH:
        return (is_of(op, "graph.") && op->kind != DS_GRAPH_extract) || ds_op_is_operator(op->kind) ||
               op->kind == DS_OPAQUE;
    case AT_POINT:
        return ds_op_is_scalar(op) || op->kind == DS_LOOP_constant || op->kind == DS_LOOP_position ||
               op->kind == DS_LOOP_apply || op->kind == DS_GRAPH_extract || op->kind == DS_GRAPH_yield;
    case IN_LOOPS: return is_of(op, "loop.") && op->kind != DS_LOOP_position;
    default: return is_of(op, "plan.");
    }
}

static verify_place place_within(const ds_op *op, verify_place place) {
    if (op->kind == DS_FUNC) return ds_op_attr(op, "inputs") ? IN_PLAN : ds_op_attr(op, "pieces") ? IN_LOOPS : IN_GRAPH;
    return op->kind == DS_GRAPH_map || op->kind == DS_GRAPH_reduce ? AT_POINT : place;
}

/* ---- the walk ---- */

static void verify_block(verifier *v, const ds_block *block, verify_place place);

/* How many operands an operator has, its rule looks at. */
static void verify_counts(verifier *v, const ds_op *op) {
    const ds_op_info *info = ds_op_facts(op->kind);
    if (op->kind == DS_OPAQUE) return;
    if (!ds_op_is_operator(op->kind) && !count_fits(info->operands, op->operand_count))
        count_fail(v, op, op->operand_count, "operand", info->operands);
    if (!count_fits(info->results, op->result_count)) count_fail(v, op, op->result_count, "result", info->results);
    if (info->regions >= 0 && op->region_count != (size_t)info->regions)
        verify_fail(
            v, op,
            ds_arena_printf(v->m->arena, "there are %zu regions instead of %d", op->region_count, info->regions));
}

static void verify_rules(verifier *v, const ds_op *op, verify_place place) {
    if (op->kind == DS_GRAPH_require || op->kind == DS_PLAN_require) verify_require(v, op);
    else if (is_of(op, "graph.")) verify_graph(v, op);
    else if (is_of(op, "loop.")) verify_loop(v, op, place);
    else if (is_of(op, "plan.")) verify_plan_op(v, op);
    else if (op->kind == DS_FUNC && ds_op_attr(op, "inputs")) verify_plan(v, op);
    else if (op->kind == DS_FUNC && ds_op_attr(op, "pieces")) verify_kernel(v, op);
    else if (op->kind == DS_FUNC) verify_function(v, op);
}

static void verify_op(verifier *v, const ds_op *op, verify_place place) {
    const ds_op_info *info = ds_op_facts(op->kind);
    if (op->block->region->op && !may_stand(op, place)) verify_fail(v, op, "this op cannot stand here");
    verify_counts(v, op);
    const char *misfit = v->status == DS_OK ? ds_schema_misfit(v->m, op) : NULL;
    if (misfit) verify_fail(v, op, misfit);
    for (size_t i = 0; v->status == DS_OK && i < op->operand_count; i++)
        if (!is_defined(v, ds_op_operand(op, i))) verify_fail(v, op, "an operand is used before it is defined");
    if ((info->traits & DS_TERMINATOR || op->kind == DS_LOOP_yield || op->kind == DS_PLAN_yield) && op->next)
        verify_fail(v, op, "a terminator is not the last op of its block");
    if (v->status == DS_OK) verify_rules(v, op, place);
    for (size_t r = 0; v->status == DS_OK && r < op->region_count; r++)
        verify_block(v, ds_op_block(op, r), place_within(op, place));
    if (op->kind == DS_FUNC && v->status == DS_OK &&
        (!ds_op_block(op, 0)->last || ds_op_block(op, 0)->last->kind != DS_RETURN))
        verify_fail(v, op, "a function does not end with func.return");
    for (size_t i = 0; i < op->result_count; i++) define(v, &op->results[i]);
}

/* What a region defines is not known behind it. */
static void verify_block(verifier *v, const ds_block *block, verify_place place) {
    for (size_t i = 0; i < block->arg_count; i++) define(v, block->args[i]);
    for (const ds_op *op = block->first; op && v->status == DS_OK; op = op->next) verify_op(v, op, place);
    if (!block->region->op || v->status != DS_OK) return;
    for (size_t i = 0; i < block->arg_count; i++) v->defined[block->args[i]->id] = 0;
    for (const ds_op *op = block->first; op; op = op->next)
        for (size_t i = 0; i < op->result_count; i++) v->defined[op->results[i].id] = 0;
}

/* ---- symbols ---- */

typedef struct {
    verifier *v;
    struct {
        const char *key; /* interned */
        bool value;
    } * known;       /* stb_ds hash map */
    const ds_op *op; /* whose attributes are looked at */
    bool declared;   /* onnx ops name extents that nothing defines yet */
} symbols;

static void note_symbol(void *user, const char *name) {
    symbols *s = user;
    hmput(s->known, ds_context_name(s->v->m->cx, name), true);
}

static void each_symbol_of(const ds_type *t, void (*visit)(void *user, const char *name), symbols *s) {
    for (size_t i = 0; t->kind == DS_TYPE_TENSOR && i < t->rank; i++) ds_expr_each_symbol(t->dims[i], visit, s);
}

static void note_names(symbols *s, const ds_attr *names) {
    for (size_t i = 0; names && i < names->count; i++) note_symbol(s, names->items[i]->text);
}

/* The attributes that name what an op defines. */
static void note_definitions(void *user, ds_op *op) {
    static const char *const single[] = {"symbol", "counter", "turns"};
    symbols *s = user;
    s->declared = s->declared || ds_op_is_operator(op->kind) || op->kind == DS_OPAQUE;
    if (op->kind != DS_PLAN_call) note_names(s, ds_op_attr(op, "symbols"));
    for (size_t i = 0; i < DS_COUNT(single); i++)
        if (ds_op_text(op, single[i], NULL)) note_symbol(s, ds_op_text(op, single[i], NULL));
}

static void check_symbol(void *user, const char *name) {
    symbols *s = user;
    if (hmgeti(s->known, ds_context_name(s->v->m->cx, name)) >= 0) return;
    verify_fail(s->v, s->op, ds_arena_printf(s->v->m->arena, "nothing defines symbol '%s'", name));
}

static void check_symbols(void *user, ds_op *op) {
    symbols *s = user;
    s->op = op;
    for (size_t i = 0; i < op->attr_count && s->v->status == DS_OK; i++)
        ds_attr_each_symbol(op->attrs[i].value, check_symbol, s);
    for (size_t i = 0; i < op->result_count && s->v->status == DS_OK; i++)
        each_symbol_of(op->results[i].type, check_symbol, s);
    if (op->kind != DS_PLAN_call || s->v->status != DS_OK) return;
    const ds_attr *passed = ds_op_attr(op, "symbols");
    for (size_t i = 0; i < passed->count; i++) check_symbol(s, passed->items[i]->text);
}

/* ---- the model's inputs ---- */

/* Names that dims, or what is read while running, have in expressions, and words between them. */
static bool is_reserved(const char *name) {
    static const char *const words[] = {"mod", "floordiv", "ceildiv"};
    bool reserved = ds_symbol_is_late(name) || (name[0] == 'd' && name[1] >= '0' && name[1] <= '9');
    for (size_t i = 0; i < DS_COUNT(words); i++) reserved = reserved || !strcmp(words[i], name);
    return reserved;
}

static void check_input_symbol(void *user, const char *name) {
    symbols *s = user;
    const char *what = is_reserved(name) ? "is a word of dsc's own"
                                         : "is the whole extent of no input, so that no call tells its value";
    if (!is_reserved(name) && hmgeti(s->known, ds_context_name(s->v->m->cx, name)) >= 0) return;
    verify_fail(s->v, s->op, ds_arena_printf(s->v->m->arena, "symbol '%s' %s", name, what));
}

/* Argument i as it lies in memory, or as callers see it: where the two differ, its bytes tell the one's extents. */
static const ds_type *given_type(const ds_op *func, size_t i, bool filled) {
    const ds_attr *inputs = ds_op_attr(func, "inputs");
    const ds_type *memory = inputs ? inputs->items[i]->type : ds_op_block(func, 0)->args[i]->type;
    return filled ? ds_argument_filled(func, i, memory) : memory;
}

/* The caller gives extents, and what symbols are follows from those that are nothing else. */
static void verify_inputs(verifier *v, const ds_op *func) {
    symbols s = {.v = v, .op = func};
    const ds_block *body = ds_op_block(func, 0);
    const ds_attr *inputs = ds_op_attr(func, "inputs");
    size_t count = inputs ? inputs->count : body->arg_count;
    for (size_t i = 0; i < 2 * count; i++) {
        const ds_type *t = given_type(func, i / 2, i % 2);
        for (size_t k = 0; t->kind == DS_TYPE_TENSOR && k < t->rank; k++)
            if (t->dims[k]->kind == DS_EXPR_SYMBOL) note_symbol(&s, t->dims[k]->name);
    }
    for (size_t i = 0; i < 2 * count; i++) each_symbol_of(given_type(func, i / 2, i % 2), check_input_symbol, &s);
    hmfree(s.known);
}

/* Every symbol of a function is an extent of its inputs, or defined by an op. */
static void verify_symbols(verifier *v, ds_op *func) {
    symbols s = {.v = v};
    ds_block *body = ds_op_block(func, 0);
    const ds_attr *inputs = ds_op_attr(func, "inputs");
    if (ds_op_attr(func, "pieces") && !ds_op_attr(func, "symbols")) return; /* nothing calls it yet */
    note_names(&s, ds_op_attr(func, "symbols"));
    for (size_t i = 0; i < body->arg_count; i++) each_symbol_of(body->args[i]->type, note_symbol, &s);
    for (size_t i = 0; inputs && i < inputs->count; i++) each_symbol_of(inputs->items[i]->type, note_symbol, &s);
    for (size_t i = 0; i < (inputs ? inputs->count : body->arg_count); i++)
        each_symbol_of(given_type(func, i, true), note_symbol, &s);
    ds_walk(body, note_definitions, &s);
    if (!s.declared) ds_walk(body, check_symbols, &s);
    hmfree(s.known);
}

ds_status ds_module_verify(ds_module *module) {
    verifier v = {.m = module};
    verify_block(&v, module->body.block, IN_GRAPH);
    for (ds_op *func = module->body.block->first; func && v.status == DS_OK; func = func->next)
        verify_symbols(&v, func);
    const ds_op *model = ds_module_find(module, "main");
    if (model && v.status == DS_OK) verify_inputs(&v, model);
    arrfree(v.defined);
    return v.status;
}
