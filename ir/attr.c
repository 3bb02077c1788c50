#include <stdlib.h>
#include <string.h>

#include "type.h"

static uint32_t attr_hash(const ds_attr *a) {
    uint32_t h = ds_hash_bytes(5, &a->kind, sizeof a->kind);
    h = ds_hash_bytes(h, &a->integer, sizeof a->integer);
    h = ds_hash_bytes(h, &a->number, sizeof a->number);
    h = ds_hash_bytes(h, &a->count, sizeof a->count);
    h = ds_hash_bytes(h, &a->type, sizeof a->type);
    if (a->text) h = ds_hash_bytes(h, a->text, a->kind == DS_ATTR_STRING ? a->count : strlen(a->text));
    for (size_t i = 0; a->items && i < a->count; i++) h = ds_hash_bytes(h, &a->items[i], sizeof a->items[i]);
    for (size_t i = 0; a->entries && i < a->count; i++) h = ds_hash_bytes(h, &a->entries[i], sizeof a->entries[i]);
    for (size_t i = 0; a->exprs && i < a->count; i++) h = ds_hash_bytes(h, &a->exprs[i], sizeof a->exprs[i]);
    if (a->kind == DS_ATTR_ELEMENTS) {
        if (a->text) h = ds_hash_bytes(h, &a->bytes, sizeof a->bytes);
        else h = ds_hash_bytes(h, a->bytes, a->count);
    }
    return h;
}

static bool attr_same(const ds_attr *a, const ds_attr *b) {
    if (a->hash != b->hash || a->kind != b->kind || a->integer != b->integer ||
        memcmp(&a->number, &b->number, sizeof a->number) != 0 || a->count != b->count || a->type != b->type ||
        !a->text != !b->text)
        return false;
    switch (a->kind) {
    case DS_ATTR_STRING: return memcmp(a->text, b->text, a->count) == 0;
    case DS_ATTR_SYMBOL: return strcmp(a->text, b->text) == 0;
    case DS_ATTR_ARRAY: return a->count == 0 || memcmp(a->items, b->items, a->count * sizeof *a->items) == 0;
    case DS_ATTR_EXPR:
    case DS_ATTR_MAP: return a->count == 0 || memcmp(a->exprs, b->exprs, a->count * sizeof *a->exprs) == 0;
    case DS_ATTR_DICT:
        for (size_t i = 0; i < a->count; i++)
            if (a->entries[i].name != b->entries[i].name || a->entries[i].value != b->entries[i].value) return false;
        return true;
    case DS_ATTR_ELEMENTS:
        if (a->text) return a->bytes == b->bytes && strcmp(a->text, b->text) == 0;
        return a->count == 0 || memcmp(a->bytes, b->bytes, a->count) == 0;
    default: return true;
    }
}

static void *copy_bytes(ds_ir_context *cx, const void *bytes, size_t length) {
    void *copy = ds_arena_alloc(cx->arena, length);
    if (length) memcpy(copy, bytes, length);
    return copy;
}

static const ds_attr *attr_intern(ds_ir_context *cx, ds_attr *a) {
    a->hash = attr_hash(a);
    ds_context_lock(cx);
    const ds_attr *found = NULL;
    for (ds_interned *s = ds_context_slot(cx, a->hash); s && !found; s = s->next)
        if (s->kind == DS_INTERNED_ATTR && attr_same(s->object, a)) found = s->object;
    if (!found) {
        ds_attr *copy = copy_bytes(cx, a, sizeof *a);
        if (a->text)
            copy->text = ds_arena_strndup(cx->arena, a->text, a->kind == DS_ATTR_STRING ? a->count : strlen(a->text));
        if (a->items) copy->items = copy_bytes(cx, a->items, a->count * sizeof *a->items);
        if (a->entries) copy->entries = copy_bytes(cx, a->entries, a->count * sizeof *a->entries);
        if (a->exprs) copy->exprs = copy_bytes(cx, a->exprs, a->count * sizeof *a->exprs);
        if (a->kind == DS_ATTR_ELEMENTS && !a->text) copy->bytes = copy_bytes(cx, a->bytes, a->count);
        ds_context_insert(cx, a->hash, DS_INTERNED_ATTR, copy);
        found = copy;
    }
    ds_context_unlock(cx);
    return found;
}

const ds_attr *ds_attr_unit(ds_ir_context *cx) { return attr_intern(cx, &(ds_attr){.kind = DS_ATTR_UNIT}); }
const ds_attr *ds_attr_bool(ds_ir_context *cx, bool value) {
    return attr_intern(cx, &(ds_attr){.kind = DS_ATTR_BOOL, .integer = value});
}
const ds_attr *ds_attr_int(ds_ir_context *cx, int64_t value) {
    return attr_intern(cx, &(ds_attr){.kind = DS_ATTR_INT, .integer = value});
}
const ds_attr *ds_attr_float(ds_ir_context *cx, double value) {
    return attr_intern(cx, &(ds_attr){.kind = DS_ATTR_FLOAT, .number = value});
}

const ds_attr *ds_attr_string_n(ds_ir_context *cx, const char *text, size_t length) {
    return attr_intern(cx, &(ds_attr){.kind = DS_ATTR_STRING, .text = length ? text : "", .count = length});
}

const ds_attr *ds_attr_string(ds_ir_context *cx, const char *text) { return ds_attr_string_n(cx, text, strlen(text)); }
const ds_attr *ds_attr_symbol(ds_ir_context *cx, const char *name) {
    return attr_intern(cx, &(ds_attr){.kind = DS_ATTR_SYMBOL, .text = name});
}

const ds_attr *ds_attr_array(ds_ir_context *cx, const ds_attr *const *items, size_t count) {
    return attr_intern(cx, &(ds_attr){.kind = DS_ATTR_ARRAY, .items = items, .count = count});
}

const ds_attr *ds_attr_ints(ds_ir_context *cx, const int64_t *values, size_t count) {
    const ds_attr **items = NULL;
    for (size_t i = 0; i < count; i++) arrput(items, ds_attr_int(cx, values[i]));
    const ds_attr *attr = ds_attr_array(cx, items, count);
    arrfree(items);
    return attr;
}

const ds_attr *ds_attr_strings(ds_ir_context *cx, const char *const *values, size_t count) {
    const ds_attr **items = NULL;
    for (size_t i = 0; i < count; i++) arrput(items, ds_attr_string(cx, values[i]));
    const ds_attr *attr = ds_attr_array(cx, items, count);
    arrfree(items);
    return attr;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(((const ds_named_attr *)a)->name, ((const ds_named_attr *)b)->name);
}

const ds_attr *ds_attr_dict(ds_ir_context *cx, const ds_named_attr *entries, size_t count) {
    ds_named_attr *sorted = ds_xmalloc(count * sizeof *sorted);
    for (size_t i = 0; i < count; i++)
        sorted[i] = (ds_named_attr){ds_context_name(cx, entries[i].name), entries[i].value};
    if (count > 1) qsort(sorted, count, sizeof *sorted, compare_names);
    const ds_attr *attr = attr_intern(cx, &(ds_attr){.kind = DS_ATTR_DICT, .entries = sorted, .count = count});
    free(sorted);
    return attr;
}

const ds_attr *ds_attr_of_type(ds_ir_context *cx, const ds_type *type) {
    return attr_intern(cx, &(ds_attr){.kind = DS_ATTR_TYPE, .type = type});
}

const ds_attr *ds_attr_map(ds_ir_context *cx, size_t dims, const ds_expr *const *results, size_t count) {
    return attr_intern(cx, &(ds_attr){.kind = DS_ATTR_MAP, .integer = (int64_t)dims, .exprs = results, .count = count});
}

const ds_attr *ds_attr_identity_map(ds_ir_context *cx, size_t dims) {
    const ds_expr **exprs = NULL;
    for (size_t i = 0; i < dims; i++) arrput(exprs, ds_expr_dim(cx, i));
    const ds_attr *map = ds_attr_map(cx, dims, exprs, dims);
    arrfree(exprs);
    return map;
}

bool ds_map_is_identity(const ds_attr *map, const ds_type *type) {
    if (map->count != (size_t)map->integer) return false;
    for (size_t i = 0; i < map->count; i++) {
        bool same = map->exprs[i]->kind == DS_EXPR_DIM && map->exprs[i]->value == (int64_t)i;
        if (!same && !(ds_expr_equals(map->exprs[i], 0) && ds_expr_equals(type->dims[i], 1))) return false;
    }
    return true;
}

const ds_attr *ds_attr_expr(ds_ir_context *cx, const ds_expr *e) {
    return attr_intern(cx, &(ds_attr){.kind = DS_ATTR_EXPR, .exprs = &e, .count = 1});
}

const ds_attr *ds_attr_exprs(ds_ir_context *cx, const ds_expr *const *e, size_t count) {
    const ds_attr **items = NULL;
    for (size_t i = 0; i < count; i++) arrput(items, ds_attr_expr(cx, e[i]));
    const ds_attr *attr = ds_attr_array(cx, items, count);
    arrfree(items);
    return attr;
}

const ds_expr *ds_attr_to_expr(const ds_attr *attr) {
    return attr && attr->kind == DS_ATTR_EXPR ? attr->exprs[0] : NULL;
}

void ds_attr_each_symbol(const ds_attr *attr, void (*visit)(void *user, const char *name), void *user) {
    if (!attr) return;
    for (size_t i = 0; i < attr->count; i++) {
        if (attr->kind == DS_ATTR_MAP || attr->kind == DS_ATTR_EXPR) ds_expr_each_symbol(attr->exprs[i], visit, user);
        if (attr->kind == DS_ATTR_ARRAY) ds_attr_each_symbol(attr->items[i], visit, user);
    }
}

const ds_attr *ds_attr_elements(ds_ir_context *cx, const ds_type *type, const void *bytes, size_t length,
                                const char *name) {
    return attr_intern(
        cx, &(ds_attr){.kind = DS_ATTR_ELEMENTS, .type = type, .bytes = bytes, .count = length, .text = name});
}

const ds_attr *ds_attr_find(const ds_attr *dict, const char *name) {
    for (size_t i = 0; dict && i < dict->count; i++)
        if (strcmp(dict->entries[i].name, name) == 0) return dict->entries[i].value;
    return NULL;
}
