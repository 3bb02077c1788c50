#include "ir.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* of functions of the graph, of kernels, of plans */
#define FUNC_ATTRIBUTES                                                                                                \
    "name:function arg_attrs?:dicts res_attrs?:dicts scratch?:exprs pieces?:expr symbols?:strings inputs?:types "      \
    "outputs?:types "                                                                                                  \
    "result_attrs?:dicts tied?:ints arena?:expr arena_least?:int lane_bytes?:expr"
#define PURE DS_PURE
#define EFFECT DS_EFFECT
#define VIEW DS_VIEW
#define TERMINATOR DS_TERMINATOR
static const ds_op_info facts[DS_OP_KIND_COUNT] = {
    [DS_OP_NONE] = {"none", "", "", "", 0, 0, ""},
    [DS_FUNC] = {"func.func", "", "", FUNC_ATTRIBUTES, DS_EFFECT, 1, "a function"},
    [DS_RETURN] = {"func.return", "values...", "", "", DS_TERMINATOR, 0, "ends a function"},
    [DS_OPAQUE] = {"opaque", "operands...", "results...", "ds.op:string", DS_EFFECT, -1,
                   "an op that dsc has no table row for"},
#define ONNX_OP(name, operands, results, rule)                                                                         \
    [DS_ONNX_##name] = {"onnx." #name, operands, results, "", DS_PURE, -1, ""},
#include "onnx.def"
#undef ONNX_OP
#define CONTRIB_OP(name, operands, results, attributes, rule)                                                          \
    [DS_MICROSOFT_##name] = {"microsoft." #name, operands, results, "", DS_PURE, -1, ""},
#include "contrib.def"
#undef CONTRIB_OP
#define GRAPH_OP(name, operands, results, attributes, traits, regions, verify, doc)                                    \
    [DS_GRAPH_##name] = {"graph." #name, operands, results, attributes, traits, regions, doc},
#include "graph.def"
#undef GRAPH_OP
#define SCALAR_OP(name, arity, result, floats, ints, ...)                                                              \
    [DS_LOOP_##                                                                                                        \
        name] = {"loop." #name, arity == 1 ? "a" : arity == 2 ? "a b" : "a b c", "result", "", DS_PURE | DS_SCALAR, 0, \
                 #floats},
#define LOOP_OP(name, operands, results, attributes, regions, doc)                                                     \
    [DS_LOOP_##name] = {"loop." #name, operands, results, attributes, DS_EFFECT, regions, doc},
#include "loop.def"
#undef SCALAR_OP
#undef LOOP_OP
#define PLAN_OP(name, operands, results, attributes, regions, doc)                                                     \
    [DS_PLAN_##name] = {"plan." #name, operands, results, attributes, DS_EFFECT, regions, doc},
#include "plan.def"
#undef PLAN_OP
};

const ds_op_info *ds_op_facts(ds_op_kind kind) { return &facts[kind]; }

ds_op_kind ds_op_kind_find(const char *name) {
    for (int k = DS_FUNC; k < DS_OP_KIND_COUNT; k++)
        if (k != DS_OPAQUE && strcmp(facts[k].name, name) == 0) return (ds_op_kind)k;
    return DS_OP_NONE;
}

const char *ds_op_kind_nearest(const char *name) {
    const char *best = NULL;
    for (int k = DS_OPAQUE + 1; k < DS_OP_KIND_COUNT; k++)
        if (k != DS_ONNX_None) best = ds_nearer_name(name, best, facts[k].name);
    return best;
}

static const char *const operator_attributes[DS_OP_KIND_COUNT] = {
#define ATTRIBUTES(name, names) [DS_ONNX_##name] = names,
#include "onnx_attributes.def"
#undef ATTRIBUTES
#define CONTRIB_OP(name, operands, results, attributes, rule) [DS_MICROSOFT_##name] = attributes,
#include "contrib.def"
#undef CONTRIB_OP
};

const char *ds_operator_attributes(ds_op_kind kind) { return operator_attributes[kind]; }

bool ds_op_is_operator(ds_op_kind kind) { return operator_attributes[kind] != NULL; }

bool ds_operator_has_attribute(ds_op_kind kind, const char *name) {
    const char *at = operator_attributes[kind];
    size_t length = strlen(name);
    if (!at || !strncmp(name, "ds.", 3)) return true;
    for (; *at; at += strspn(at, " ")) {
        size_t n = strcspn(at, " ");
        if (n == length && !strncmp(at, name, n)) return true;
        at += n;
    }
    return false;
}

/* ---- modules ---- */

ds_module *ds_module_create(ds_ir_context *cx) {
    ds_module *m = ds_xmalloc(sizeof *m);
    *m = (ds_module){.cx = cx, .arena = ds_arena_create()};
    ds_block_create(m, &m->body);
    return m;
}

void ds_module_destroy(ds_module *module) {
    if (!module) return;
    arrfree(module->attrs);
    ds_arena_destroy(module->arena);
    free(module);
}

ds_op *ds_module_find(const ds_module *module, const char *function) {
    for (ds_op *op = module->body.block->first; op; op = op->next)
        if (op->kind == DS_FUNC && strcmp(ds_op_text(op, "name", ""), function) == 0) return op;
    return NULL;
}

const ds_attr *ds_module_attr(const ds_module *module, const char *name) {
    for (size_t i = 0; i < arrlenu(module->attrs); i++)
        if (strcmp(module->attrs[i].name, name) == 0) return module->attrs[i].value;
    return NULL;
}

void ds_module_set_attr(ds_module *module, const char *name, const ds_attr *value) {
    for (size_t i = 0; i < arrlenu(module->attrs); i++)
        if (strcmp(module->attrs[i].name, name) == 0) {
            module->attrs[i].value = value;
            return;
        }
    ds_named_attr entry = {ds_context_name(module->cx, name), value};
    arrput(module->attrs, entry);
}

/* ---- reading ---- */

const ds_attr *ds_op_attr(const ds_op *op, const char *name) {
    for (size_t i = 0; i < op->attr_count; i++)
        if (strcmp(op->attrs[i].name, name) == 0) return op->attrs[i].value;
    return NULL;
}

int64_t ds_op_int(const ds_op *op, const char *name, int64_t otherwise) {
    const ds_attr *a = ds_op_attr(op, name);
    return a && (a->kind == DS_ATTR_INT || a->kind == DS_ATTR_BOOL) ? a->integer : otherwise;
}

double ds_op_float(const ds_op *op, const char *name, double otherwise) {
    const ds_attr *a = ds_op_attr(op, name);
    return a && a->kind == DS_ATTR_FLOAT ? a->number
           : a && a->kind == DS_ATTR_INT ? (double)a->integer
                                         : (double)(float)otherwise;
}

const char *ds_op_text(const ds_op *op, const char *name, const char *otherwise) {
    const ds_attr *a = ds_op_attr(op, name);
    return a && (a->kind == DS_ATTR_STRING || a->kind == DS_ATTR_SYMBOL) ? a->text : otherwise;
}

size_t ds_op_ints(const ds_op *op, const char *name, int64_t *out_values, size_t room) {
    const ds_attr *a = ds_op_attr(op, name);
    if (!a || a->kind != DS_ATTR_ARRAY) return 0;
    for (size_t i = 0; i < a->count && i < room; i++) out_values[i] = a->items[i]->integer;
    return a->count;
}

const ds_attr *ds_op_map(const ds_op *op, size_t operand) { return ds_op_attr(op, "maps")->items[operand]; }
ds_op *ds_block_terminator(const ds_block *block) { return block->last; }
bool ds_value_unused(const ds_value *value) { return !value->uses; }
bool ds_value_has_one_use(const ds_value *value) { return value->uses && !value->uses->next; }
bool ds_value_is_none(const ds_value *value) { return !value || value->type->kind == DS_TYPE_NONE; }

const ds_attr *ds_value_constant(const ds_value *value) {
    return value && value->op && value->op->kind == DS_GRAPH_constant ? ds_op_attr(value->op, "value") : NULL;
}

bool ds_value_is_zero(const ds_value *value) {
    const ds_attr *elements = ds_value_constant(value);
    bool all = elements != NULL;
    for (size_t i = 0; all && i < elements->count; i++) all = ((const uint8_t *)elements->bytes)[i] == 0;
    return all;
}

bool ds_op_is_scalar(const ds_op *op) { return facts[op->kind].traits & DS_SCALAR; }

const char *ds_loc_text(const ds_loc *loc) {
    while (loc && !loc->name) loc = loc->first;
    return loc ? loc->name : "";
}

ds_spot ds_loc_spot(const ds_loc *loc) {
    if (!loc || loc->name) return loc ? loc->spot : (ds_spot){0, 0};
    ds_spot first = ds_loc_spot(loc->first);
    return first.line ? first : ds_loc_spot(loc->second);
}

bool ds_loc_is_named(const ds_loc *loc) {
    if (!loc || loc->name) return loc && *loc->name;
    return ds_loc_is_named(loc->first) || ds_loc_is_named(loc->second);
}

const char *ds_op_where(ds_module *module, const ds_op *op) {
    const char *kind = op->kind == DS_OPAQUE ? ds_op_text(op, "ds.op", "?") : facts[op->kind].name;
    if (ds_op_is_operator(op->kind) || !strncmp(kind, "onnx.", 5)) kind = strchr(kind, '.') + 1;
    if (op->kind == DS_FUNC) return ds_arena_printf(module->arena, "function @%s", ds_op_text(op, "name", ""));
    if (!*ds_loc_text(op->loc)) return kind;
    return ds_arena_printf(module->arena, "node '%s' (%s)", ds_loc_text(op->loc), kind);
}

ds_status ds_op_report(ds_module *module, const ds_op *op, ds_error_code code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const char *text = ds_arena_vprintf(module->arena, format, args);
    va_end(args);
    return ds_report_at(module->cx->diag, DS_ERROR, code, ds_loc_spot(op->loc), ds_op_where(module, op), "%s", text);
}

/* ---- building ---- */

ds_block *ds_block_create(ds_module *module, ds_region *region) {
    ds_block *block = DS_NEW(module->arena, ds_block);
    block->region = region;
    region->block = block;
    return block;
}

ds_value *ds_block_add_arg(ds_module *module, ds_block *block, const ds_type *type, const char *name) {
    ds_value **args = DS_NEW_ARRAY(module->arena, ds_value *, block->arg_count + 1);
    if (block->arg_count) memcpy(args, block->args, block->arg_count * sizeof *args);
    ds_value *value = DS_NEW(module->arena, ds_value);
    *value = (ds_value){
        .type = type, .block = block, .index = (uint32_t)block->arg_count, .id = module->next_value_id++, .name = name};
    args[block->arg_count++] = value;
    block->args = args;
    return value;
}

static void use_link(ds_use *use, ds_op *owner, ds_value *value) {
    use->owner = owner;
    use->value = value;
    use->next = value->uses;
    use->link = &value->uses;
    if (value->uses) value->uses->link = &use->next;
    value->uses = use;
}

static void use_unlink(ds_use *use) {
    if (!use->value) return;
    *use->link = use->next;
    if (use->next) use->next->link = use->link;
    use->value = NULL;
}

static void op_insert(ds_op *op, ds_block *block, ds_op *before) {
    op->block = block;
    op->next = before;
    op->prev = before ? before->prev : block->last;
    if (op->prev) op->prev->next = op;
    else block->first = op;
    if (before) before->prev = op;
    else block->last = op;
}

static void op_unlink(ds_op *op) {
    if (op->prev) op->prev->next = op->next;
    else op->block->first = op->next;
    if (op->next) op->next->prev = op->prev;
    else op->block->last = op->prev;
    op->prev = op->next = NULL;
    op->block = NULL;
}

ds_op *ds_op_create(ds_builder *b, ds_op_kind kind, ds_value *const *operands, size_t operand_count,
                    const ds_type *const *results, size_t result_count, size_t region_count) {
    ds_module *m = b->module;
    ds_op *op = DS_NEW(m->arena, ds_op);
    *op = (ds_op){.kind = kind,
                  .id = m->next_op_id++,
                  .loc = b->loc,
                  .operand_count = operand_count,
                  .result_count = result_count,
                  .region_count = region_count};
    op->operands = DS_NEW_ARRAY(m->arena, ds_use, operand_count);
    for (size_t i = 0; i < operand_count; i++) use_link(&op->operands[i], op, operands[i]);
    op->results = DS_NEW_ARRAY(m->arena, ds_value, result_count);
    for (size_t i = 0; i < result_count; i++)
        op->results[i] = (ds_value){.type = results[i], .op = op, .index = (uint32_t)i, .id = m->next_value_id++};
    op->regions = DS_NEW_ARRAY(m->arena, ds_region, region_count);
    for (size_t i = 0; i < region_count; i++) {
        op->regions[i].op = op;
        ds_block_create(m, &op->regions[i]);
    }
    op_insert(op, b->block, b->before);
    return op;
}

void ds_op_set_attr(ds_module *module, ds_op *op, const char *name, const ds_attr *value) {
    for (size_t i = 0; i < op->attr_count; i++)
        if (strcmp(op->attrs[i].name, name) == 0) {
            op->attrs[i].value = value;
            return;
        }
    ds_named_attr *attrs = DS_NEW_ARRAY(module->arena, ds_named_attr, op->attr_count + 1);
    if (op->attr_count) memcpy(attrs, op->attrs, op->attr_count * sizeof *attrs);
    attrs[op->attr_count++] = (ds_named_attr){ds_context_name(module->cx, name), value};
    op->attrs = attrs;
}

void ds_op_set_operand(ds_op *op, size_t i, ds_value *value) {
    if (op->operands[i].value == value) return;
    use_unlink(&op->operands[i]);
    use_link(&op->operands[i], op, value);
}

void ds_op_set_operands(ds_module *module, ds_op *op, ds_value *const *values, size_t count) {
    ds_use *uses = DS_NEW_ARRAY(module->arena, ds_use, count);
    ds_use *old = op->operands;
    size_t old_count = op->operand_count;
    for (size_t i = 0; i < count; i++) use_link(&uses[i], op, values[i]);
    for (size_t i = 0; i < old_count; i++) use_unlink(&old[i]);
    op->operands = uses, op->operand_count = count;
}

static void drop_uses(ds_op *op) {
    for (size_t i = 0; i < op->operand_count; i++) use_unlink(&op->operands[i]);
    for (size_t r = 0; r < op->region_count; r++)
        for (ds_op *inner = op->regions[r].block->first; inner; inner = inner->next) drop_uses(inner);
}

void ds_op_erase(ds_op *op) {
    drop_uses(op);
    for (size_t i = 0; i < op->result_count; i++) assert(ds_value_unused(&op->results[i]));
    op_unlink(op);
}

void ds_op_move(ds_op *op, ds_block *block, ds_op *before) {
    op_unlink(op);
    op_insert(op, block, before);
}

void ds_value_replace_uses(ds_value *from, ds_value *to) {
    while (from->uses) {
        ds_use *use = from->uses;
        ds_op *owner = use->owner;
        use_unlink(use);
        use_link(use, owner, to);
    }
}

ds_op *ds_func_create(ds_module *module, const char *name) {
    ds_builder b = {module, module->body.block, NULL, NULL};
    ds_op *func = ds_op_create(&b, DS_FUNC, NULL, 0, NULL, 0, 1);
    ds_op_set_attr(module, func, "name", ds_attr_symbol(module->cx, name));
    return func;
}

const ds_loc *ds_loc_named(ds_module *module, const char *name) {
    ds_loc *loc = DS_NEW(module->arena, ds_loc);
    loc->name = ds_context_name(module->cx, name);
    return loc;
}

static bool loc_contains(const ds_loc *in, const ds_loc *loc) {
    if (in == loc || (in->name && in->name == loc->name)) return true;
    return !in->name && (loc_contains(in->first, loc) || loc_contains(in->second, loc));
}

const ds_loc *ds_loc_fused(ds_module *module, const ds_loc *a, const ds_loc *b) {
    if (!a || !b) return a ? a : b;
    if (!ds_loc_is_named(a) || !ds_loc_is_named(b)) return ds_loc_is_named(b) ? b : a;
    if (loc_contains(a, b)) return a;
    if (loc_contains(b, a)) return b;
    ds_loc *loc = DS_NEW(module->arena, ds_loc);
    loc->first = a, loc->second = b;
    return loc;
}

const char *ds_module_new_symbol(ds_module *module, ds_symbol_kind kind) {
    char name[64];
    do snprintf(name, sizeof name, "%s%u", ds_symbol_prefix(kind), (unsigned)module->next_symbol++);
    while (ds_expr_symbol_exists(module->cx, name));
    return ds_context_name(module->cx, name);
}

/* ---- cloning ---- */

void ds_mapping_set(ds_mapping *m, const ds_value *from, ds_value *to) {
    size_t old = arrlenu(m->to);
    if (from->id >= old) {
        arrsetlen(m->to, from->id + 64);
        for (size_t i = old; i < arrlenu(m->to); i++) m->to[i] = NULL;
    }
    m->to[from->id] = to;
}

ds_value *ds_mapping_get(const ds_mapping *m, ds_value *from) {
    ds_value *to = from->id < arrlenu(m->to) ? m->to[from->id] : NULL;
    return to ? to : from;
}

void ds_mapping_free(ds_mapping *m) { arrfree(m->to); }

ds_op *ds_op_clone(ds_builder *b, const ds_op *op, ds_mapping *mapping) {
    ds_value **operands = ds_xmalloc(op->operand_count * sizeof *operands);
    const ds_type **types = ds_xmalloc(op->result_count * sizeof *types);
    for (size_t i = 0; i < op->operand_count; i++) operands[i] = ds_mapping_get(mapping, ds_op_operand(op, i));
    for (size_t i = 0; i < op->result_count; i++) types[i] = op->results[i].type;
    const ds_loc *loc = b->loc;
    b->loc = op->loc ? op->loc : loc;
    ds_op *copy = ds_op_create(b, op->kind, operands, op->operand_count, types, op->result_count, op->region_count);
    b->loc = loc;
    free(operands);
    free(types);
    copy->attrs = DS_NEW_ARRAY(b->module->arena, ds_named_attr, op->attr_count);
    copy->attr_count = op->attr_count;
    if (op->attr_count) memcpy(copy->attrs, op->attrs, op->attr_count * sizeof *op->attrs);
    for (size_t i = 0; i < op->result_count; i++) {
        copy->results[i].name = op->results[i].name;
        ds_mapping_set(mapping, &op->results[i], &copy->results[i]);
    }
    for (size_t r = 0; r < op->region_count; r++) {
        ds_block *from = ds_op_block(op, r), *to = ds_op_block(copy, r);
        for (size_t i = 0; i < from->arg_count; i++)
            ds_mapping_set(mapping, from->args[i],
                           ds_block_add_arg(b->module, to, from->args[i]->type, from->args[i]->name));
        ds_builder inner = {b->module, to, NULL, b->loc};
        for (ds_op *o = from->first; o; o = o->next) ds_op_clone(&inner, o, mapping);
    }
    return copy;
}

void ds_walk(ds_block *block, void (*visit)(void *user, ds_op *op), void *user) {
    for (ds_op *op = block->first, *next; op; op = next) {
        next = op->next;
        size_t regions = op->region_count;
        ds_region *inner = op->regions;
        visit(user, op);
        if (op->block == block)
            for (size_t r = 0; r < regions; r++) ds_walk(inner[r].block, visit, user);
    }
}
