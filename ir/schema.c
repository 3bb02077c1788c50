#include "schema.h"

#include <string.h>

typedef enum {
#define KIND(name, ...) KIND_##name,
    DS_ATTR_KINDS(KIND)
#undef KIND
        KIND_COUNT
} attr_kind;

static const char *const kind_names[] = {
#define KIND(name, ...) #name,
    DS_ATTR_KINDS(KIND)
#undef KIND
};

typedef struct {
    const char *name, *kind; /* within the row */
    size_t name_length, kind_length;
    bool optional, list;
    attr_kind is;
} entry;

/* The entry at *at, which moves behind it; false at the end of the row. */
static bool next_entry(const char **at, entry *out) {
    *at += strspn(*at, " ");
    if (!**at) return false;
    size_t length = strcspn(*at, " "), colon = strcspn(*at, ":");
    *out = (entry){.name = *at, .kind = *at + colon + 1, .name_length = colon, .kind_length = length - colon - 1};
    out->optional = (*at)[colon - 1] == '?';
    out->name_length -= out->optional;
    while (out->is < KIND_COUNT) {
        size_t n = strlen(kind_names[out->is]);
        out->list = out->kind_length == n + 1 && out->kind[n] == 's';
        if ((out->kind_length == n || out->list) && !strncmp(out->kind, kind_names[out->is], n)) break;
        out->is++;
    }
    *at += length;
    return true;
}

static bool one_fits(const ds_attr *a, attr_kind is) {
    switch (is) {
    case KIND_unit: return a->kind == DS_ATTR_UNIT;
    case KIND_int: return a->kind == DS_ATTR_INT;
    case KIND_number: return a->kind == DS_ATTR_INT || a->kind == DS_ATTR_FLOAT || a->kind == DS_ATTR_BOOL;
    case KIND_pad: return a->kind == DS_ATTR_UNIT || one_fits(a, KIND_number);
    case KIND_string: return a->kind == DS_ATTR_STRING;
    case KIND_expr: return a->kind == DS_ATTR_EXPR;
    case KIND_map: return a->kind == DS_ATTR_MAP;
    case KIND_type: return a->kind == DS_ATTR_TYPE;
    case KIND_element: return a->kind == DS_ATTR_ELEMENTS;
    case KIND_dict: return a->kind == DS_ATTR_DICT;
    case KIND_function: return a->kind == DS_ATTR_SYMBOL;
    case KIND_constant: return a->kind == DS_ATTR_ELEMENTS || a->kind == DS_ATTR_INT;
    default: return false;
    }
}

static bool fits(const ds_attr *a, const entry *e) {
    if (!e->list) return one_fits(a, e->is);
    if (a->kind != DS_ATTR_ARRAY) return false;
    for (size_t i = 0; i < a->count; i++)
        if (!one_fits(a->items[i], e->is)) return false;
    return true;
}

static ds_named_attr *attr_of(const ds_op *op, const entry *e) {
    for (size_t i = 0; i < op->attr_count; i++)
        if (strlen(op->attrs[i].name) == e->name_length && !strncmp(op->attrs[i].name, e->name, e->name_length))
            return &op->attrs[i];
    return NULL;
}

const char *ds_schema_misfit(ds_module *module, const ds_op *op) {
    const char *at = ds_op_facts(op->kind)->attributes;
    for (entry e; next_entry(&at, &e);) {
        const ds_named_attr *a = attr_of(op, &e);
        if (a ? fits(a->value, &e) : e.optional) continue;
        const char *format =
            a ? "attribute '%.*s' is not of kind '%.*s'" : "attribute '%.*s' of kind '%.*s' is missing";
        return ds_arena_printf(module->arena, format, (int)e.name_length, e.name, (int)e.kind_length, e.kind);
    }
    return NULL;
}

/* Strings become expressions; what is none stays, and does not fit. */
static const ds_attr *to_expr(ds_ir_context *cx, const ds_attr *a) {
    const ds_expr *e = a->kind == DS_ATTR_INT ? ds_expr_const(cx, a->integer) : NULL;
    if (a->kind == DS_ATTR_STRING) e = ds_expr_parse(cx, a->text, 0);
    return e ? ds_attr_expr(cx, e) : a;
}

static const ds_attr *to_exprs(ds_ir_context *cx, const ds_attr *a) {
    const ds_attr **items = NULL;
    for (size_t i = 0; i < a->count; i++) arrput(items, to_expr(cx, a->items[i]));
    const ds_attr *made = ds_attr_array(cx, items, a->count);
    arrfree(items);
    return made;
}

void ds_schema_apply(ds_ir_context *cx, ds_op *op) {
    const char *at = ds_op_facts(op->kind)->attributes;
    for (entry e; next_entry(&at, &e);) {
        ds_named_attr *named = e.is == KIND_expr ? attr_of(op, &e) : NULL;
        if (!named) continue;
        if (!e.list) named->value = to_expr(cx, named->value);
        else if (named->value->kind == DS_ATTR_ARRAY) named->value = to_exprs(cx, named->value);
    }
}

void ds_schema_print_attributes(ds_string *out, ds_op_kind kind) {
    const char *at = ds_op_facts(kind)->attributes;
    for (entry e; next_entry(&at, &e);)
        ds_string_printf(out, "- attribute `%.*s`: %.*s%s\n", (int)e.name_length, e.name, (int)e.kind_length, e.kind,
                         e.optional ? ", may be left out" : "");
}

void ds_schema_print_kinds(ds_string *out) {
    ds_string_printf(out, "| kind | a value is |\n|---|---|\n");
#define KIND(name, doc) ds_string_printf(out, "| %s | %s |\n", #name, doc);
    DS_ATTR_KINDS(KIND)
#undef KIND
}

void ds_schema_print_encodings(ds_string *out) {
    ds_string_printf(out, "| key | kind | says |\n|---|---|---|\n");
#define KEY(name, kind, doc) ds_string_printf(out, "| `%s` | %s | %s |\n", #name, kind, doc);
    DS_ENCODING_KEYS(KEY)
#undef KEY
}
