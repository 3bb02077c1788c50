/* MLIR text -> IR: what print.c writes, and what people write: aliases of types (!name = …) and attributes (#name = …),
 * types of results that are left to be inferred, and names of values that become those of inputs, nodes and outputs. */
#include <ctype.h>
#include <string.h>

#include "dims.h"
#include "parse.h"
#include "schema.h"

/* ---- values ---- */

/* A name that a person gave: others are numbers, or what print.c calls arguments. */
static bool is_own_name(const char *name) {
    if (!strncmp(name, "arg", 3)) name += 3;
    return name[strspn(name, "0123456789")] != 0;
}

/* %name, or %name#1, the second result of what was defined as %name:2. */
static const char *read_value_name(reader *r) {
    const char *name = parse_word(r);
    if (!name) return parse_fail(r, r->at, "expected a value's name"), NULL;
    if (r->at == r->end || *r->at != '#') return name;
    r->at++;
    const char *number = parse_word(r);
    if (!number) return parse_fail(r, r->at, "expected a result's number"), NULL;
    return strcmp(number, "0") ? ds_arena_printf(r->cx->arena, "%s#%s", name, number) : name;
}

static ds_value *read_use(reader *r) {
    const char *nearest = NULL;
    parse_skip(r);
    const char *from = r->at;
    if (!parse_expect(r, "%")) return NULL;
    const char *name = read_value_name(r);
    if (!name) return NULL;
    ptrdiff_t at = shgeti(r->values, name);
    if (at >= 0) return r->values[at].value;
    for (size_t i = 0; i < shlenu(r->values); i++) nearest = ds_nearer_name(name, nearest, r->values[i].key);
    if (nearest) nearest = ds_arena_printf(r->cx->arena, "%%%s", nearest);
    parse_fail(r, from, "value %%%s is not defined%s", name, parse_guess(r, nearest));
    return NULL;
}

static bool define(reader *r, const char *name, const char *at, ds_value *v) {
    if (shgeti(r->values, name) >= 0) return parse_fail(r, at, "value %%%s is defined twice", name);
    shput(r->values, name, v);
    return true;
}

/* ---- locations ---- */

static const ds_loc *read_loc_inner(reader *r);

static const ds_loc *read_fused(reader *r) {
    const ds_loc *all = NULL;
    do {
        const ds_loc *one = read_loc_inner(r);
        if (!one) return NULL;
        if (!all) all = one;
        else {
            ds_loc *both = DS_NEW(r->m->arena, ds_loc);
            both->first = all;
            both->second = one;
            all = both;
        }
    } while (parse_accept(r, ","));
    return parse_expect(r, "]") ? all : NULL;
}

/* "name", "name"(where it is from), "file":1:2, unknown, fused[…]. Spots are those of this text. */
static const ds_loc *read_loc_inner(reader *r) {
    const char *text = "";
    size_t length;
    int64_t number;
    ds_spot spot = parse_spot(r, r->at);
    if (++r->depth > PARSE_MOST_DEPTH) return parse_fail(r, r->at, "nested too deeply"), NULL;
    if (parse_accept(r, "fused[")) {
        const ds_loc *all = read_fused(r);
        r->depth--;
        return all;
    }
    if (!parse_accept(r, "unknown")) {
        if (!parse_string(r, &text, &length)) return NULL;
        if (parse_accept(r, ":")) {
            text = "";
            if (!parse_int(r, &number) || !parse_expect(r, ":") || !parse_int(r, &number)) return NULL;
        } else if (parse_accept(r, "(") && (!read_loc_inner(r) || !parse_expect(r, ")"))) return NULL;
    }
    r->depth--;
    ds_loc *loc = DS_NEW(r->m->arena, ds_loc);
    *loc = (ds_loc){.name = ds_context_name(r->cx, text), .spot = spot};
    return loc;
}

/* What follows an op, or else the op's own spot and name. */
static bool read_loc(reader *r, ds_op *op, ds_spot spot, const char *name) {
    ds_loc *own = DS_NEW(r->m->arena, ds_loc);
    *own = (ds_loc){.name = ds_context_name(r->cx, name), .spot = spot};
    op->loc = own;
    if (!parse_accept(r, "loc(")) return true;
    const ds_loc *said = read_loc_inner(r);
    if (!said || !parse_expect(r, ")")) return false;
    if (!said->name) op->loc = said;
    else if (*said->name) own->name = said->name;
    return true;
}

/* ---- ops ---- */

static bool read_ops(reader *r, ds_block *block);

/* Names defined in a region end with it. */
static void leave_scope(reader *r, size_t outer) {
    while (shlenu(r->values) > outer) (void)shdel(r->values, r->values[shlenu(r->values) - 1].key);
}

static bool read_block_args(reader *r, ds_block *block) {
    if (!parse_accept(r, "(")) return true;
    while (!parse_peek(r, ')')) {
        const char *from = r->at, *name;
        if (!parse_expect(r, "%") || !(name = parse_word(r)) || !parse_expect(r, ":"))
            return parse_fail(r, from, "expected %%NAME: TYPE");
        const ds_type *type = parse_type(r);
        if (!type || !define(r, name, from, ds_block_add_arg(r->m, block, type, NULL))) return false;
        if (!parse_accept(r, ",")) break;
    }
    return parse_expect(r, ")");
}

static bool read_region(reader *r, ds_region *region) {
    size_t outer = shlenu(r->values);
    if (!parse_expect(r, "{")) return false;
    if (parse_accept(r, "^")) {
        parse_word(r);
        if (!read_block_args(r, region->block) || !parse_expect(r, ":")) return false;
    }
    bool good = read_ops(r, region->block) && parse_expect(r, "}");
    leave_scope(r, outer);
    return good;
}

/* Where each type begins is noted in `starts`. */
static bool read_type_list(reader *r, const ds_type ***out, const char ***starts) {
    bool many = parse_accept(r, "(");
    while (!many || !parse_peek(r, ')')) {
        parse_skip(r);
        const char *from = r->at;
        const ds_type *t = parse_type(r);
        if (!t) return false;
        arrput(*out, t);
        arrput(*starts, from);
        if (!many || !parse_accept(r, ",")) break;
    }
    return !many || parse_expect(r, ")");
}

typedef struct {
    const char **names, **name_starts, **use_starts, **use_names, **attr_starts, **type_starts;
    ds_value **operands;
    const ds_type **types, **results;
    ds_named_attr *attrs;
} op_parts;

static void free_parts(op_parts *p) {
    arrfree(p->names), arrfree(p->name_starts), arrfree(p->use_starts), arrfree(p->use_names), arrfree(p->attr_starts);
    arrfree(p->type_starts), arrfree(p->operands), arrfree(p->types), arrfree(p->results), arrfree(p->attrs);
}

/* %a, %b = — or %a:2 =, whose results are %a#0, also called %a, and %a#1. */
static bool read_result_names(reader *r, op_parts *p) {
    enum { MOST_RESULTS = 1000 };
    while (parse_peek(r, '%')) {
        const char *from = r->at++, *name = parse_word(r);
        int64_t count = 1;
        if (!name) return parse_fail(r, from, "expected a value's name");
        if (parse_accept(r, ":") && !parse_int(r, &count)) return false;
        if (count < 1 || count > MOST_RESULTS)
            return parse_fail(r, from, "there are no ops with %lld results", (long long)count);
        for (int64_t i = 0; i < count; i++) {
            arrput(p->names, i ? ds_arena_printf(r->cx->arena, "%s#%lld", name, (long long)i) : name);
            arrput(p->name_starts, from);
        }
        if (!parse_accept(r, ",")) break;
    }
    return !arrlenu(p->names) || parse_expect(r, "=");
}

static bool read_operands(reader *r, op_parts *p) {
    if (!parse_expect(r, "(")) return false;
    while (!parse_peek(r, ')')) {
        const char *from = r->at;
        ds_value *v = read_use(r);
        if (!v) return false;
        arrput(p->operands, v);
        arrput(p->use_starts, from);
        arrput(p->use_names, ds_arena_strndup(r->cx->arena, from, (size_t)(r->at - from)));
        if (!parse_accept(r, ",")) break;
    }
    return parse_expect(r, ")");
}

/* The place of `name` among the names of a row: "lhs rhs? rest..."; SIZE_MAX when it is none of them. */
static size_t index_of(const char *names, const char *name) {
    size_t length = strlen(name);
    for (size_t i = 0; *names; i++) {
        size_t n = strcspn(names, " ");
        if (!strncmp(names, name, length) && strspn(names + length, "?.") == n - length) return i;
        names += n;
        names += strspn(names, " ");
    }
    return SIZE_MAX;
}

static bool fail_attribute(reader *r, const ds_op *op, const char *name, const char *at) {
    const char *all = ds_operator_attributes(op->kind), *op_name = ds_op_facts(op->kind)->name, *nearest = NULL;
    size_t operand = index_of(ds_op_facts(op->kind)->operands, name);
    if (operand != SIZE_MAX)
        return parse_fail(r, at, "'%s' is operand %zu of %s, not an attribute", name, operand, op_name);
    if (!*all) return parse_fail(r, at, "%s has no attributes at the newest opset, so not '%s'", op_name, name);
    for (const char *word = all; *word; word += strspn(word, " ")) {
        size_t n = strcspn(word, " ");
        nearest = ds_nearer_name(name, nearest, ds_arena_strndup(r->cx->arena, word, n));
        word += n;
    }
    return parse_fail(r, at, "%s has no attribute '%s'%s; at the newest opset it has: %s", op_name, name,
                      parse_guess(r, nearest), all);
}

static bool read_attributes(reader *r, ds_op *op, op_parts *p) {
    if (!parse_accept(r, "{")) return true;
    if (!parse_entries(r, &p->attrs, &p->attr_starts)) return false;
    for (size_t i = 0; i < arrlenu(p->attrs); i++) {
        const char *name = p->attrs[i].name;
        if (!ds_operator_has_attribute(op->kind, name)) return fail_attribute(r, op, name, p->attr_starts[i]);
        ds_op_set_attr(r->m, op, name, p->attrs[i].value);
    }
    return true;
}

static bool read_regions(reader *r, ds_op *op) {
    size_t regions = 0;
    if (parse_accept(r, "(")) {
        do {
            if (regions == 8) return parse_fail(r, r->at, "too many regions");
            if (!read_region(r, &op->regions[regions++])) return false;
        } while (parse_accept(r, ","));
        if (!parse_expect(r, ")")) return false;
    }
    op->region_count = regions;
    return true;
}

/* What is used has the types that are said. */
static bool check_defined(reader *r, const op_parts *p, const char *what) {
    for (size_t i = 0; i < arrlenu(p->types); i++)
        if (!parse_same_type(r, p->operands[i]->type, p->types[i]))
            return parse_fail(r, p->type_starts[i], "%s %zu, %s, was defined as %s, not as %s", what, i,
                              p->use_names[i], parse_type_text(r, p->operands[i]->type),
                              parse_type_text(r, p->types[i]));
    return true;
}

static bool read_types(reader *r, op_parts *p) {
    if (!parse_expect(r, ":")) return false;
    parse_skip(r);
    const char *from = r->at;
    if (!read_type_list(r, &p->types, &p->type_starts)) return false;
    if (arrlenu(p->types) != arrlenu(p->operands))
        return parse_fail(r, from, "there are %zu operands and %zu types of operands", arrlenu(p->operands),
                          arrlenu(p->types));
    if (!check_defined(r, p, "operand")) return false;
    if (!parse_expect(r, "->")) return false;
    parse_skip(r);
    from = r->at;
    if (!read_type_list(r, &p->results, &p->type_starts)) return false;
    if (arrlenu(p->names) == arrlenu(p->results)) return true;
    return parse_fail(r, from, "there are %zu results before '=' and %zu types of results", arrlenu(p->names),
                      arrlenu(p->results));
}

static bool make_results(reader *r, ds_op *op, const op_parts *p) {
    op->result_count = arrlenu(p->results);
    op->results = DS_NEW_ARRAY(r->m->arena, ds_value, op->result_count);
    for (size_t i = 0; i < op->result_count; i++) {
        op->results[i] = (ds_value){.type = p->results[i], .op = op, .index = (uint32_t)i, .id = r->m->next_value_id++};
        if (!define(r, p->names[i], p->name_starts[i], &op->results[i])) return false;
    }
    return true;
}

/* Nodes of a model are called like their first result. */
static const char *name_of(const ds_op *op, const op_parts *p) {
    bool is_node = op->kind == DS_OPAQUE || ds_op_is_operator(op->kind);
    return is_node && arrlenu(p->names) && is_own_name(p->names[0]) ? p->names[0] : "";
}

/* "dialect.name"(%a, %b) ({…}) {…} : (types) -> types. Regions come before the types, so the op is made first and its
 * results after. */
static bool read_generic(reader *r, ds_block *block, op_parts *p) {
    const char *name, *from;
    size_t length;
    parse_skip(r);
    from = r->at;
    if (!parse_peek(r, '"')) return parse_fail(r, from, "expected an op, as \"onnx.Relu\"(%%x)");
    if (!parse_string(r, &name, &length)) return false;
    ds_spot spot = parse_spot(r, from);
    if (!read_operands(r, p)) return false;
    ds_op_kind kind = ds_op_kind_find(name);
    if (kind == DS_FUNC || kind == DS_RETURN) return parse_fail(r, from, "%s is written without quotes", name);
    ds_builder b = {r->m, block, NULL, NULL};
    ds_op *op = ds_op_create(&b, kind == DS_OP_NONE ? DS_OPAQUE : kind, p->operands, arrlenu(p->operands), NULL, 0, 8);
    if (!read_regions(r, op) || !read_attributes(r, op, p)) return false;
    if (op->kind == DS_OPAQUE) ds_op_set_attr(r->m, op, "ds.op", ds_attr_string(r->cx, name));
    ds_schema_apply(r->cx, op);
    if (!read_types(r, p) || !make_results(r, op, p)) return false;
    ds_dims_complete(r->m, op);
    return read_loc(r, op, spot, name_of(op, p));
}

static bool check_returned(reader *r, const op_parts *p, const char *from) {
    if (arrlenu(p->types) != arrlenu(p->operands))
        return parse_fail(r, from, "there are %zu values and %zu types", arrlenu(p->operands), arrlenu(p->types));
    return check_defined(r, p, "value");
}

static bool read_returned(reader *r, op_parts *p) {
    while (parse_peek(r, '%')) {
        const char *from = r->at;
        ds_value *v = read_use(r);
        if (!v) return false;
        arrput(p->operands, v);
        arrput(p->use_names, ds_arena_strndup(r->cx->arena, from, (size_t)(r->at - from)));
        if (!parse_accept(r, ",")) break;
    }
    if (!arrlenu(p->operands)) return true;
    if (!parse_expect(r, ":")) return false;
    parse_skip(r);
    const char *from = r->at;
    do {
        parse_skip(r);
        arrput(p->type_starts, r->at);
        const ds_type *t = parse_type(r);
        if (!t) return false;
        arrput(p->types, t);
    } while (parse_accept(r, ","));
    return check_returned(r, p, from);
}

/* The names of what @main returns are kept for its outputs. */
static bool read_return(reader *r, ds_block *block, ds_spot spot) {
    op_parts p = {0};
    ds_builder b = {r->m, block, NULL, NULL};
    bool good = read_returned(r, &p);
    ds_op *op = good ? ds_op_create(&b, DS_RETURN, p.operands, arrlenu(p.operands), NULL, 0, 0) : NULL;
    for (size_t i = 0; good && i < arrlenu(p.use_names); i++)
        if (p.operands[i]->op) p.operands[i]->name = ds_context_name(r->cx, p.use_names[i] + 1);
    free_parts(&p);
    return good && read_loc(r, op, spot, "");
}

static bool read_ops(reader *r, ds_block *block) {
    if (++r->depth > PARSE_MOST_DEPTH) return parse_fail(r, r->at, "nested too deeply");
    while (!r->failed && !parse_peek(r, '}') && r->at < r->end) {
        const char *from = r->at;
        if (parse_accept(r, "func.return") || parse_accept(r, "return")) {
            r->returned = from;
            if (!read_return(r, block, parse_spot(r, from)))
                return parse_fail(r, from, "expected func.return %%a, %%b : TYPE, TYPE");
            continue;
        }
        op_parts p = {0};
        bool good = read_result_names(r, &p) && read_generic(r, block, &p);
        free_parts(&p);
        if (!good) return parse_fail(r, from, "expected an op");
    }
    r->depth--;
    return !r->failed;
}

/* ---- functions ---- */

typedef struct {
    const ds_attr **args, **results; /* their dictionaries */
    const ds_type **types;           /* of results */
    const char **type_starts, **arg_names;
} function_parts;

static bool any_entries(const ds_attr *const *dicts, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (dicts[i] && dicts[i]->count) return true;
    return false;
}

static const ds_attr *optional_dict(reader *r) {
    return parse_accept(r, "{") ? parse_dict(r) : ds_attr_dict(r->cx, NULL, 0);
}

static bool read_arguments(reader *r, ds_block *block, function_parts *f) {
    if (!parse_expect(r, "(")) return false;
    while (!parse_peek(r, ')')) {
        const char *from = r->at, *name = parse_expect(r, "%") ? parse_word(r) : NULL;
        const ds_type *type = name && parse_expect(r, ":") ? parse_type(r) : NULL;
        if (!type ||
            !define(r, name, from,
                    ds_block_add_arg(r->m, block, type, is_own_name(name) ? ds_context_name(r->cx, name) : NULL)))
            return parse_fail(r, from, "expected %%NAME: TYPE");
        const ds_attr *dict = optional_dict(r);
        if (!dict) return false;
        arrput(f->args, dict);
        arrput(f->arg_names, name);
        if (!parse_accept(r, ",")) break;
    }
    return parse_expect(r, ")");
}

static bool read_results(reader *r, function_parts *f) {
    if (!parse_accept(r, "->")) return true;
    bool many = parse_accept(r, "(");
    while (!many || !parse_peek(r, ')')) {
        parse_skip(r);
        const char *from = r->at;
        const ds_type *type = parse_type(r);
        const ds_attr *dict = !type ? NULL : many ? optional_dict(r) : ds_attr_dict(r->cx, NULL, 0);
        if (!dict) return false;
        arrput(f->types, type);
        arrput(f->type_starts, from);
        arrput(f->results, dict);
        if (!many || !parse_accept(r, ",")) break;
    }
    return !many || parse_expect(r, ")");
}

/* What a node gives is inferred; where the function says more than the node's own line, the function is right. */
static bool is_left_open(const ds_value *v) {
    bool is_node = v->op && (v->op->kind == DS_OPAQUE || ds_op_is_operator(v->op->kind));
    return is_node && (v->type->kind == DS_TYPE_NONE || v->type->kind == DS_TYPE_UNRANKED);
}

static bool fail_result(reader *r, const function_parts *f, size_t i, const ds_type *is) {
    return parse_fail(r, f->type_starts[i], "result %zu of the function is %s, but %s is returned", i,
                      parse_type_text(r, f->types[i]), parse_type_text(r, is));
}

static bool check_results(reader *r, const ds_block *block, const function_parts *f) {
    const ds_op *last = block->last;
    if (!last || last->kind != DS_RETURN) return true; /* the verifier says so */
    if (arrlenu(f->types) != last->operand_count)
        return parse_fail(r, r->returned, "values returned: %zu, results of the function: %zu", last->operand_count,
                          arrlenu(f->types));
    for (size_t i = 0; i < last->operand_count; i++) {
        ds_value *v = ds_op_operand(last, i);
        if (is_left_open(v) && f->types[i]->kind == DS_TYPE_TENSOR) {
            bool fits = v->type->kind == DS_TYPE_NONE || v->type->elem == f->types[i]->elem;
            if (!fits) return fail_result(r, f, i, v->type);
            v->type = f->types[i];
        } else if (!is_left_open(v) && !parse_same_type(r, v->type, f->types[i])) return fail_result(r, f, i, v->type);
    }
    return true;
}

static const ds_attr *with_name(reader *r, const ds_attr *dict, const char *name) {
    ds_named_attr *entries = NULL;
    for (size_t i = 0; i < dict->count; i++) arrput(entries, dict->entries[i]);
    ds_named_attr named = {"ds.name", ds_attr_string(r->cx, name)};
    arrput(entries, named);
    const ds_attr *made = ds_attr_dict(r->cx, entries, arrlenu(entries));
    arrfree(entries);
    return made;
}

/* Inputs and outputs of a model are called as its values are, unless ds.name says something else. */
static void name_model(reader *r, const ds_block *block, function_parts *f) {
    for (size_t i = 0; i < arrlenu(f->args); i++)
        if (is_own_name(f->arg_names[i]) && !ds_attr_find(f->args[i], "ds.name"))
            f->args[i] = with_name(r, f->args[i], f->arg_names[i]);
    const ds_op *last = block->last && block->last->kind == DS_RETURN ? block->last : NULL;
    for (size_t i = 0; last && i < arrlenu(f->results) && i < last->operand_count; i++) {
        const char *name = ds_op_operand(last, i)->name;
        if (name && is_own_name(name) && !ds_attr_find(f->results[i], "ds.name"))
            f->results[i] = with_name(r, f->results[i], name);
    }
}

static bool read_function_attributes(reader *r, ds_op *func) {
    ds_named_attr *attrs = NULL;
    if (!parse_accept(r, "attributes")) return true;
    bool good = parse_expect(r, "{") && parse_entries(r, &attrs, NULL);
    for (size_t i = 0; good && i < arrlenu(attrs); i++) ds_op_set_attr(r->m, func, attrs[i].name, attrs[i].value);
    ds_schema_apply(r->cx, func);
    arrfree(attrs);
    return good;
}

static bool read_func(reader *r, const char *from) {
    function_parts f = {0};
    shfree(r->values);
    sh_new_arena(r->values);
    const ds_attr *name = parse_peek(r, '@') ? parse_attr(r) : NULL;
    if (!name) return parse_fail(r, r->at, "expected a function's name, as @main");
    if (ds_module_find(r->m, name->text)) return parse_fail(r, from, "function @%s is there twice", name->text);
    ds_op *func = ds_func_create(r->m, name->text);
    ds_block *block = ds_op_block(func, 0);
    ds_spot spot = parse_spot(r, from);
    bool good = read_arguments(r, block, &f) && read_results(r, &f) && read_function_attributes(r, func) &&
                read_region(r, &func->regions[0]);
    bool of_graph = good && !ds_op_attr(func, "inputs") && !ds_op_attr(func, "pieces");
    if (of_graph) good = check_results(r, block, &f);
    if (of_graph && good && !strcmp(name->text, "main")) name_model(r, block, &f);
    if (good && any_entries(f.args, arrlenu(f.args)))
        ds_op_set_attr(r->m, func, "arg_attrs", ds_attr_array(r->cx, f.args, arrlenu(f.args)));
    if (good && any_entries(f.results, arrlenu(f.results)))
        ds_op_set_attr(r->m, func, "res_attrs", ds_attr_array(r->cx, f.results, arrlenu(f.results)));
    arrfree(f.args), arrfree(f.results), arrfree(f.types), arrfree(f.type_starts), arrfree(f.arg_names);
    return good && read_loc(r, func, spot, "");
}

/* ---- modules ---- */

/* !name = type, #name = attribute */
static bool read_aliases(reader *r) {
    for (;;) {
        bool is_type = parse_accept(r, "!");
        if (!is_type && !parse_accept(r, "#")) return true;
        const char *begin = r->at, *name = parse_word(r);
        if (!name) return parse_fail(r, r->at, "expected an alias's name");
        bool is_known = is_type ? shgeti(r->types, name) >= 0 : shgeti(r->attrs, name) >= 0;
        if (is_known) return parse_fail(r, begin, "alias '%s' is defined twice", name);
        if (!parse_expect(r, "=")) return false;
        parse_skip(r);
        const char *from = r->at;
        const ds_type *type = is_type ? parse_type(r) : NULL;
        const ds_attr *attr = is_type ? NULL : parse_attr(r);
        if (!type && !attr) return false;
        type_alias alias = {ds_arena_strdup(r->cx->arena, name), from, type};
        if (is_type) shputs(r->types, alias);
        else shput(r->attrs, name, attr);
    }
}

static bool read_module_attributes(reader *r) {
    ds_named_attr *attrs = NULL;
    if (!parse_accept(r, "attributes")) return true;
    bool good = parse_expect(r, "{") && parse_entries(r, &attrs, NULL);
    for (size_t i = 0; good && i < arrlenu(attrs); i++) ds_module_set_attr(r->m, attrs[i].name, attrs[i].value);
    arrfree(attrs);
    return good;
}

static bool read_module(reader *r) {
    if (!read_aliases(r)) return false;
    bool wrapped = parse_accept(r, "module");
    if (wrapped && parse_accept(r, "@")) parse_word(r);
    if (wrapped && (!read_module_attributes(r) || !parse_expect(r, "{"))) return false;
    for (;;) {
        parse_skip(r);
        const char *from = r->at;
        if (!parse_accept(r, "func.func")) break;
        if (!read_func(r, from)) return parse_fail(r, from, "expected a function");
    }
    bool ends = wrapped ? parse_peek(r, '}') : r->at == r->end;
    const char *begins = wrapped || r->m->body.block->first ? "" : "module or ";
    if (!ends && r->at < r->end) return parse_fail(r, r->at, "expected %sfunc.func @NAME(%%x: TYPE) -> TYPE {", begins);
    if (wrapped && !parse_expect(r, "}")) return false;
    parse_skip(r);
    return !r->failed && (r->at == r->end || parse_fail(r, r->at, "expected the end of the text"));
}

ds_status ds_module_parse(ds_ir_context *cx, ds_files *files, const char *text, size_t length, const char *path,
                          ds_module **out_module) {
    reader r = {.cx = cx,
                .m = ds_module_create(cx),
                .start = text,
                .at = text,
                .end = text + length,
                .files = files,
                .path = path};
    *out_module = NULL;
    cx->diag->source = text;
    cx->diag->source_length = length;
    sh_new_arena(r.values);
    sh_new_strdup(r.attrs);
    sh_new_strdup(r.types);
    bool good =
        read_module(&r) || parse_fail(&r, r.at, "this is not well-formed"); /* unless something more precise was said */
    shfree(r.values), shfree(r.attrs), shfree(r.types), hmfree(r.unnamed);
    ds_safetensors_close(&r.weights);
    ds_status status = good ? ds_module_verify(r.m) : DS_BAD_INPUT;
    if (status == DS_OK) *out_module = r.m;
    else ds_module_destroy(r.m);
    return status;
}
