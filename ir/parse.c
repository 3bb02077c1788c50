/* MLIR text -> IR: the subset that print.c writes, plus attribute aliases (#name = …). */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dims.h"
#include "eval.h"
#include "safetensors.h"
#include "schema.h"

enum { MAX_DEPTH = 128 };

typedef struct {
    char *key;
    ds_value *value;
} value_name;

typedef struct {
    char *key;
    const ds_attr *value;
} alias;

typedef struct {
    ds_ir_context *cx;
    ds_module *m;
    const char *start, *at, *end;
    value_name *values; /* stb_ds string map: names of the current function */
    alias *aliases;
    ds_files *files;
    const char *path;
    ds_safetensors weights; /* opened when the first resource is met */
    int depth;
    bool failed;
} reader;

/* ---- characters and words ---- */

static void skip(reader *r) {
    for (;;) {
        while (r->at < r->end && isspace((unsigned char)*r->at)) r->at++;
        if (r->end - r->at < 2 || r->at[0] != '/' || r->at[1] != '/') return;
        while (r->at < r->end && *r->at != '\n') r->at++;
    }
}

static bool fail(reader *r, const char *what) {
    if (r->failed) return false;
    r->failed = true;
    size_t line = 1, column = 1;
    for (const char *p = r->start; p < r->at; p++) {
        if (*p == '\n') line++, column = 1;
        else column++;
    }
    ds_report(r->cx->diag, DS_ERROR, DS_E_text, ds_arena_printf(r->cx->arena, "line %zu, column %zu", line, column), "%s", what);
    return false;
}

static bool accept(reader *r, const char *word) {
    skip(r);
    size_t n = strlen(word);
    if ((size_t)(r->end - r->at) < n || strncmp(r->at, word, n) != 0) return false;
    if (isalpha((unsigned char)word[n - 1]) && r->at + n < r->end && (isalnum((unsigned char)r->at[n]) || r->at[n] == '_')) return false;
    r->at += n;
    return true;
}

static bool expect(reader *r, const char *word) {
    if (accept(r, word)) return true;
    return fail(r, ds_arena_printf(r->cx->arena, "expected '%s'", word));
}

static bool peek(reader *r, char c) {
    skip(r);
    return r->at < r->end && *r->at == c;
}

/* Letters, digits, _ . $ -; NULL when there are none. */
static const char *read_word(reader *r) {
    skip(r);
    const char *from = r->at;
    while (r->at < r->end && (isalnum((unsigned char)*r->at) || *r->at == '_' || *r->at == '.' || *r->at == '$')) r->at++;
    return r->at > from ? ds_arena_strndup(r->cx->arena, from, (size_t)(r->at - from)) : NULL;
}

static int hex_digit(char c) {
    return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

static bool read_string(reader *r, const char **out, size_t *out_length) {
    ds_string s = {0};
    if (!expect(r, "\"")) return false;
    while (r->at < r->end && *r->at != '"') {
        char c = *r->at++;
        if (c == '\\' && r->end - r->at >= 2 && hex_digit(r->at[0]) >= 0 && hex_digit(r->at[1]) >= 0) {
            c = (char)(hex_digit(r->at[0]) * 16 + hex_digit(r->at[1]));
            r->at += 2;
        } else if (c == '\\' && r->at < r->end) c = *r->at == 'n' ? '\n' : *r->at == 't' ? '\t' : *r->at, r->at++;
        ds_string_append(&s, &c, 1);
    }
    *out = ds_arena_strndup(r->cx->arena, s.data ? s.data : "", s.length), *out_length = s.length;
    ds_string_free(&s);
    return expect(r, "\"");
}

static bool read_int(reader *r, int64_t *out) {
    skip(r);
    char *end;
    char text[32];
    size_t n = 0;
    for (const char *p = r->at; p < r->end && n + 1 < sizeof text && (isdigit((unsigned char)*p) || (n == 0 && *p == '-')); p++)
        text[n++] = *p;
    text[n] = 0;
    errno = 0;
    *out = strtoll(text, &end, 10);
    if (errno == ERANGE) *out = (int64_t)strtoull(text, &end, 10);
    if (end == text) return fail(r, "expected an integer");
    r->at += n;
    return true;
}

/* ---- types ---- */

static const ds_attr *read_attr(reader *r);
static const ds_type *read_type(reader *r);

static ds_elem read_elem(reader *r) {
    skip(r);
    ds_elem best = DS_NO_ELEM;
    size_t longest = 0;
    for (int e = 0; e < DS_ELEM_COUNT; e++) {
        const char *text = ds_elem_facts((ds_elem)e)->text;
        size_t n = strlen(text);
        if ((size_t)(r->end - r->at) >= n && !strncmp(r->at, text, n) && n > longest &&
            (r->at + n == r->end || !isalnum((unsigned char)r->at[n])))
            best = (ds_elem)e, longest = n;
    }
    r->at += longest;
    return best;
}

static const ds_type *read_tensor(reader *r) {
    const ds_expr *dims[64];
    bool open[64] = {false};
    size_t rank = 0;
    if (accept(r, "*x")) {
        ds_elem elem = read_elem(r);
        return elem != DS_NO_ELEM && expect(r, ">") ? ds_type_unranked(r->cx, elem) : (fail(r, "expected an element type"), NULL);
    }
    for (;;) {
        int64_t extent;
        skip(r);
        if (r->at < r->end && *r->at == '?') {
            r->at++;
            open[rank] = true;
            dims[rank++] = ds_expr_symbol(r->cx, ds_module_new_symbol(r->m, DS_SYMBOL_extent));
        } else if (r->at < r->end && isdigit((unsigned char)*r->at)) {
            if (!read_int(r, &extent)) return NULL;
            dims[rank++] = ds_expr_const(r->cx, extent);
        } else break;
        if (r->at >= r->end || *r->at++ != 'x' || rank == 64) return fail(r, "expected 'x' between extents"), NULL;
    }
    ds_elem elem = read_elem(r);
    if (elem == DS_NO_ELEM) return fail(r, "expected an element type"), NULL;
    const ds_attr *encoding = NULL;
    if (accept(r, ",") && !(encoding = read_attr(r))) return NULL;
    const ds_attr *names = encoding && encoding->kind == DS_ATTR_DICT ? ds_attr_find(encoding, "dims") : NULL;
    if (names && names->kind != DS_ATTR_ARRAY) return fail(r, "'dims' is not a list"), NULL;
    for (size_t i = 0; names && i < rank && i < names->count; i++) {
        if (!open[i] || names->items[i]->kind != DS_ATTR_STRING || !names->items[i]->count) continue;
        dims[i] = ds_expr_parse(r->cx, names->items[i]->text, 0);
        if (!dims[i]) return fail(r, "an extent in 'dims' is not an expression"), NULL;
        if (dims[i]->range.high < 0) return fail(r, "an extent in 'dims' is negative"), NULL;
    }
    ds_named_attr kept[16];
    size_t count = 0;
    for (size_t i = 0; encoding && encoding->kind == DS_ATTR_DICT && i < encoding->count && count < 16; i++)
        if (strcmp(encoding->entries[i].name, "dims") != 0) kept[count++] = encoding->entries[i];
    if (!expect(r, ">")) return NULL;
    return ds_type_tensor(r->cx, elem, rank, dims, count ? ds_attr_dict(r->cx, kept, count) : NULL);
}

static const ds_type *read_nested(reader *r, ds_type_kind kind) {
    const ds_type *inner[2];
    size_t count = 0;
    do {
        if (count == 2 || !(inner[count++] = read_type(r))) return fail(r, "expected a type"), NULL;
    } while (accept(r, ","));
    return expect(r, ">") ? ds_type_nested(r->cx, kind, inner, count) : NULL;
}

static const ds_type *read_type(reader *r) {
    if (++r->depth > MAX_DEPTH) return fail(r, "nested too deeply"), NULL;
    const ds_type *t = NULL;
    if (accept(r, "tensor<")) t = read_tensor(r);
    else if (accept(r, "vector<")) {
        int64_t lanes;
        if (read_int(r, &lanes) && lanes > 1 && lanes <= 64 && r->at < r->end && *r->at++ == 'x') {
            ds_elem elem = read_elem(r);
            if (elem != DS_NO_ELEM && expect(r, ">")) t = ds_type_vector(r->cx, elem, (size_t)lanes);
        }
    } else if (accept(r, "memref<?") && r->at < r->end && *r->at++ == 'x') {
        ds_elem elem = read_elem(r);
        if (elem != DS_NO_ELEM && expect(r, ">")) t = ds_type_buffer(r->cx, elem);
    } else if (accept(r, "!ds.seq<")) t = read_nested(r, DS_TYPE_SEQUENCE);
    else if (accept(r, "!ds.optional<")) t = read_nested(r, DS_TYPE_OPTIONAL);
    else if (accept(r, "!ds.map<")) t = read_nested(r, DS_TYPE_MAP);
    else if (accept(r, "none")) t = ds_type_none(r->cx);
    else {
        ds_elem elem = read_elem(r);
        if (elem != DS_NO_ELEM) t = ds_type_scalar(r->cx, elem);
    }
    r->depth--;
    if (!t) fail(r, "expected a type");
    return t;
}

/* ---- attributes ---- */

/* affine_map<(d0, d1)[s] -> (d0 * s + d1)> */
static const ds_attr *read_map(reader *r) {
    size_t dims = 0, count = 0;
    const ds_expr *results[64];
    if (!expect(r, "(")) return NULL;
    while (!peek(r, ')')) {
        if (!read_word(r)) return fail(r, "expected a dimension"), NULL;
        dims++;
        if (!accept(r, ",")) break;
    }
    if (!expect(r, ")")) return NULL;
    if (accept(r, "[")) {
        while (!peek(r, ']') && read_word(r) && accept(r, ",")) {}
        if (!expect(r, "]")) return NULL;
    }
    if (!expect(r, "->") || !expect(r, "(")) return NULL;
    while (!peek(r, ')')) {
        const char *from = r->at;
        int parentheses = 0;
        for (; r->at < r->end && (parentheses || (*r->at != ',' && *r->at != ')')); r->at++)
            parentheses += *r->at == '(' ? 1 : *r->at == ')' ? -1 : 0;
        const ds_expr *e = ds_expr_parse(r->cx, ds_arena_strndup(r->cx->arena, from, (size_t)(r->at - from)), dims);
        if (!e || count == 64) return fail(r, "expected an affine expression"), NULL;
        results[count++] = e;
        if (!accept(r, ",")) break;
    }
    if (!expect(r, ")") || !expect(r, ">")) return NULL;
    return ds_attr_map(r->cx, dims, results, count);
}

static bool is_one_number(ds_elem elem) {
    ds_elem_class class = ds_elem_facts(elem)->class;
    return class != DS_CLASS_COMPLEX && class != DS_CLASS_STRING;
}

static bool put_element(reader *r, ds_elem elem, uint8_t *to) {
    unsigned size = ds_elem_facts(elem)->bits / 8;
    if (elem == DS_b1) {
        bool yes = accept(r, "true");
        if (!yes && !accept(r, "false")) return fail(r, "expected true or false");
        *to = yes;
        return true;
    }
    if (!ds_elem_is_float(elem)) {
        int64_t v;
        if (!read_int(r, &v)) return false;
        memcpy(to, &v, size);
        return true;
    }
    skip(r);
    char text[64];
    size_t n = 0;
    while (r->at + n < r->end && n + 1 < sizeof text && (isalnum((unsigned char)r->at[n]) || strchr("+-.", r->at[n])))
        text[n] = r->at[n], n++;
    text[n] = 0;
    char *end;
    double d = strtod(text, &end);
    if (end == text) return fail(r, "expected a number");
    r->at += end - text;
    uint64_t bits = elem == DS_f32 ? 0 : ds_float_encode(elem, d, true);
    float f = strtof(text, NULL); /* rounds once */
    memcpy(to, elem == DS_f32 ? (void *)&f : (void *)&bits, size);
    return true;
}

/* The nested lists of dense<…>: elements come in row-major order whatever the brackets; then the type says what they are. One element
 * without brackets stands for all. */
static const ds_attr *read_dense(reader *r) {
    const char *from = r->at;
    int depth = 1;
    for (bool quoted = false; r->at < r->end && depth; r->at++) {
        if (*r->at == '"') quoted = !quoted;
        else if (!quoted) depth += *r->at == '<' ? 1 : *r->at == '>' ? -1 : 0;
    }
    if (!expect(r, ":")) return NULL;
    const ds_type *type = read_type(r);
    const char *after = r->at;
    uint64_t count, bytes;
    if (!type || !ds_type_static_count(type, &count) || !ds_elem_bytes(type->elem, count, &bytes) || bytes > 1u << 24 ||
        ds_elem_facts(type->elem)->packed || !is_one_number(type->elem))
        return fail(r, "dense<> needs a small static tensor type"), NULL;
    uint8_t *data = ds_arena_alloc(r->cx->arena, (size_t)bytes);
    r->at = from;
    unsigned size = ds_elem_facts(type->elem)->bits / 8;
    skip(r);
    bool splat = count > 1 && r->at < r->end && *r->at != '[';
    for (uint64_t i = 0; i < count; i++) {
        while (accept(r, "[") || accept(r, "]") || accept(r, ",")) {}
        if (splat && i) memcpy(data + i * size, data, size);
        else if (!put_element(r, type->elem, data + i * size)) return NULL;
    }
    r->at = after;
    return ds_attr_elements(r->cx, type, data, (size_t)bytes, NULL);
}

/* dense_resource<name> : type. The bytes lie in the file that the module's ds.weights names, in the text's own folder. */
static const ds_attr *read_resource(reader *r) {
    const char *name = read_word(r);
    const ds_type *type = name && expect(r, ">") && expect(r, ":") ? read_type(r) : NULL;
    const ds_attr *file = ds_module_attr(r->m, "ds.weights");
    uint64_t count, bytes;
    if (!type || !ds_type_static_count(type, &count) || !ds_elem_bytes(type->elem, count, &bytes))
        return fail(r, "a resource needs a static tensor type"), NULL;
    if (!file || file->kind != DS_ATTR_STRING || strchr(file->text, '/'))
        return fail(r, "the module has no attribute ds.weights that names a file beside it"), NULL;
    if (!r->weights.header) {
        const char *slash = strrchr(r->path, '/');
        const char *full = ds_arena_printf(r->cx->arena, "%.*s%s", slash ? (int)(slash - r->path + 1) : 0, r->path, file->text);
        if (ds_safetensors_open(r->cx, r->files, full, &r->weights) != DS_OK) return fail(r, "the weights cannot be read"), NULL;
    }
    const void *data = ds_safetensors_find(&r->weights, name, bytes);
    if (!data) return fail(r, ds_arena_printf(r->cx->arena, "the weights hold no '%s' of this size", name)), NULL;
    return ds_attr_elements(r->cx, type, data, (size_t)bytes, name);
}

static const ds_attr *read_number(reader *r) {
    const char *p = r->at + (*r->at == '-');
    bool is_hex = r->end - p > 2 && p[0] == '0' && p[1] == 'x', is_float = false;
    if (is_hex) {
        char text[32] = {0};
        size_t n = 0;
        while (r->at + n < r->end && n + 1 < sizeof text && isalnum((unsigned char)r->at[n])) text[n] = r->at[n], n++;
        uint64_t bits = strtoull(text, NULL, 16);
        double d;
        memcpy(&d, &bits, 8);
        r->at += n;
        return expect(r, ":") && read_type(r) ? ds_attr_float(r->cx, d) : NULL;
    }
    while (p < r->end && isdigit((unsigned char)*p)) p++;
    is_float = p < r->end && (*p == '.' || *p == 'e');
    if (!is_float) {
        int64_t v;
        if (!read_int(r, &v)) return NULL;
        if (accept(r, ":") && !read_type(r)) return NULL;
        return ds_attr_int(r->cx, v);
    }
    double d;
    uint8_t bytes[8];
    if (!put_element(r, DS_f64, bytes)) return NULL;
    memcpy(&d, bytes, 8);
    if (accept(r, ":") && !read_type(r)) return NULL;
    return ds_attr_float(r->cx, d);
}

static const ds_attr *read_array(reader *r) {
    const ds_attr **items = NULL;
    while (!peek(r, ']')) {
        const ds_attr *a = read_attr(r);
        if (!a) {
            arrfree(items);
            return NULL;
        }
        arrput(items, a);
        if (!accept(r, ",")) break;
    }
    const ds_attr *array = expect(r, "]") ? ds_attr_array(r->cx, items, arrlenu(items)) : NULL;
    arrfree(items);
    return array;
}

static bool read_entries(reader *r, ds_named_attr **out) {
    while (!peek(r, '}')) {
        ds_named_attr e = {NULL, NULL};
        size_t length;
        if (peek(r, '"')) {
            if (!read_string(r, &e.name, &length)) return false;
        } else e.name = read_word(r);
        if (!e.name) return fail(r, "expected an attribute's name");
        e.name = ds_context_name(r->cx, e.name);
        e.value = accept(r, "=") ? read_attr(r) : ds_attr_unit(r->cx);
        if (!e.value) return false;
        arrput(*out, e);
        if (!accept(r, ",")) break;
    }
    return expect(r, "}");
}

/* What print.c writes as dictionaries for want of MLIR syntax: maps with min and max, constants as bytes. */
static const ds_attr *special_dict(reader *r, const ds_attr *dict) {
    const ds_attr *dims = ds_attr_find(dict, "dims"), *map = ds_attr_find(dict, "map"), *bytes = ds_attr_find(dict, "bytes"),
                  *type = ds_attr_find(dict, "type");
    if (dict->count == 2 && dims && map && dims->kind == DS_ATTR_INT && map->kind == DS_ATTR_ARRAY) {
        const ds_expr *exprs[64];
        for (size_t i = 0; i < map->count && i < 64; i++)
            if (map->items[i]->kind != DS_ATTR_STRING || !(exprs[i] = ds_expr_parse(r->cx, map->items[i]->text, (size_t)dims->integer)))
                return fail(r, "bad map"), NULL;
        return ds_attr_map(r->cx, (size_t)dims->integer, exprs, map->count < 64 ? map->count : 64);
    }
    if (dict->count == 2 && bytes && type && bytes->kind == DS_ATTR_STRING && type->kind == DS_ATTR_TYPE) {
        size_t n = bytes->count / 2;
        uint8_t *data = ds_arena_alloc(r->cx->arena, n);
        for (size_t i = 0; i < n; i++) {
            int high = hex_digit(bytes->text[2 * i]), low = hex_digit(bytes->text[2 * i + 1]);
            if (high < 0 || low < 0) return fail(r, "bytes are not hexadecimal digits"), NULL;
            data[i] = (uint8_t)(high << 4 | low);
        }
        return ds_attr_elements(r->cx, type->type, data, n, NULL);
    }
    return dict;
}

static const ds_attr *read_dict(reader *r) {
    ds_named_attr *entries = NULL;
    const ds_attr *dict = read_entries(r, &entries) ? ds_attr_dict(r->cx, entries, arrlenu(entries)) : NULL;
    arrfree(entries);
    return dict ? special_dict(r, dict) : NULL;
}

static const ds_attr *read_attr(reader *r) {
    const ds_attr *a = NULL;
    const char *text;
    size_t length;
    if (++r->depth > MAX_DEPTH) return fail(r, "nested too deeply"), NULL;
    skip(r);
    char c = r->at < r->end ? *r->at : 0;
    if (c == '"') a = read_string(r, &text, &length) ? ds_attr_string_n(r->cx, text, length) : NULL;
    else if (accept(r, "[")) a = read_array(r);
    else if (accept(r, "{")) a = read_dict(r);
    else if (accept(r, "@")) {
        if (peek(r, '"')) a = read_string(r, &text, &length) ? ds_attr_symbol(r->cx, text) : NULL;
        else a = (text = read_word(r)) ? ds_attr_symbol(r->cx, text) : NULL;
    } else if (accept(r, "#")) {
        text = read_word(r);
        ptrdiff_t at = text ? shgeti(r->aliases, text) : -1;
        if (at >= 0) a = r->aliases[at].value;
        else fail(r, "no such alias");
    } else if (accept(r, "affine_map<")) a = read_map(r);
    else if (accept(r, "dense<")) a = read_dense(r);
    else if (accept(r, "dense_resource<")) a = read_resource(r);
    else if (accept(r, "true")) a = ds_attr_bool(r->cx, true);
    else if (accept(r, "false")) a = ds_attr_bool(r->cx, false);
    else if (accept(r, "unit")) a = ds_attr_unit(r->cx);
    else if (isdigit((unsigned char)c) || c == '-') a = read_number(r);
    else {
        const ds_type *t = read_type(r);
        a = t ? ds_attr_of_type(r->cx, t) : NULL;
    }
    r->depth--;
    return a;
}

/* ---- ops ---- */

static ds_value *read_use(reader *r) {
    if (!expect(r, "%")) return NULL;
    const char *name = read_word(r);
    ptrdiff_t at = name ? shgeti(r->values, name) : -1;
    if (at >= 0) return r->values[at].value;
    fail(r, ds_arena_printf(r->cx->arena, "value %%%s is not defined", name ? name : ""));
    return NULL;
}

static bool define(reader *r, const char *name, ds_value *v) {
    if (shgeti(r->values, name) >= 0) return fail(r, ds_arena_printf(r->cx->arena, "value %%%s is defined twice", name));
    shput(r->values, name, v);
    return true;
}

static const ds_loc *read_loc_inner(reader *r) {
    const char *text;
    size_t length;
    if (!accept(r, "fused[")) return read_string(r, &text, &length) ? ds_loc_named(r->m, text) : NULL;
    const ds_loc *all = NULL;
    do {
        const ds_loc *one = read_loc_inner(r);
        if (!one) return NULL;
        if (!all) all = one;
        else {
            ds_loc *both = DS_NEW(r->m->arena, ds_loc);
            both->first = all, both->second = one;
            all = both;
        }
    } while (accept(r, ","));
    return expect(r, "]") ? all : NULL;
}

static bool read_loc(reader *r, const ds_loc **out) {
    *out = NULL;
    if (!accept(r, "loc(")) return true;
    *out = read_loc_inner(r);
    return *out && expect(r, ")");
}

static bool read_ops(reader *r, ds_block *block);

/* Names defined in a region end with it. */
static void leave_scope(reader *r, size_t outer) {
    while (shlenu(r->values) > outer) (void)shdel(r->values, r->values[shlenu(r->values) - 1].key);
}

static bool read_region(reader *r, ds_region *region) {
    ds_block *block = region->block;
    size_t outer = shlenu(r->values);
    if (!expect(r, "{")) return false;
    if (accept(r, "^")) {
        read_word(r);
        if (accept(r, "(")) {
            while (!peek(r, ')')) {
                const char *name;
                if (!expect(r, "%") || !(name = read_word(r)) || !expect(r, ":")) return fail(r, "expected a block argument");
                const ds_type *type = read_type(r);
                if (!type || !define(r, name, ds_block_add_arg(r->m, block, type, NULL))) return false;
                if (!accept(r, ",")) break;
            }
            if (!expect(r, ")")) return false;
        }
        if (!expect(r, ":")) return false;
    }
    bool good = read_ops(r, block) && expect(r, "}");
    leave_scope(r, outer);
    return good;
}

static bool read_type_list(reader *r, const ds_type ***out) {
    if (!accept(r, "(")) {
        const ds_type *t = read_type(r);
        if (t) arrput(*out, t);
        return t != NULL;
    }
    while (!peek(r, ')')) {
        const ds_type *t = read_type(r);
        if (!t) return false;
        arrput(*out, t);
        if (!accept(r, ",")) break;
    }
    return expect(r, ")");
}

typedef struct {
    const char **names;
    ds_value **operands;
    const ds_type **types, **results;
    ds_named_attr *attrs;
} op_parts;

static void free_parts(op_parts *p) { arrfree(p->names), arrfree(p->operands), arrfree(p->types), arrfree(p->results), arrfree(p->attrs); }

/* "dialect.name"(%a, %b) ({…}) {…} : (types) -> types. Regions come before the types, so the op is made first and its results after. */
static bool read_generic(reader *r, ds_block *block, op_parts *p) {
    const char *name;
    size_t length, regions = 0;
    if (!read_string(r, &name, &length) || !expect(r, "(")) return false;
    while (!peek(r, ')')) {
        ds_value *v = read_use(r);
        if (!v) return false;
        arrput(p->operands, v);
        if (!accept(r, ",")) break;
    }
    if (!expect(r, ")")) return false;
    ds_op_kind kind = ds_op_kind_find(name);
    ds_builder b = {r->m, block, NULL, NULL};
    ds_op *op = ds_op_create(&b, kind == DS_OP_NONE ? DS_OPAQUE : kind, p->operands, arrlenu(p->operands), NULL, 0, 8);
    if (accept(r, "(")) {
        do {
            if (regions == 8) return fail(r, "too many regions");
            if (!read_region(r, &op->regions[regions++])) return false;
        } while (accept(r, ","));
        if (!expect(r, ")")) return false;
    }
    op->region_count = regions;
    if (accept(r, "{") && !read_entries(r, &p->attrs)) return false;
    for (size_t i = 0; i < arrlenu(p->attrs); i++) ds_op_set_attr(r->m, op, p->attrs[i].name, p->attrs[i].value);
    if (op->kind == DS_OPAQUE) ds_op_set_attr(r->m, op, "ds.op", ds_attr_string(r->cx, name));
    ds_schema_apply(r->cx, op);
    if (!expect(r, ":") || !read_type_list(r, &p->types) || !expect(r, "->") || !read_type_list(r, &p->results)) return false;
    if (arrlenu(p->types) != arrlenu(p->operands)) return fail(r, "operands and their types differ in number");
    for (size_t i = 0; i < arrlenu(p->types); i++)
        if (p->types[i] != p->operands[i]->type) return fail(r, "an operand's type is not the one it was defined with");
    if (arrlenu(p->names) != arrlenu(p->results)) return fail(r, "results and their types differ in number");
    op->result_count = arrlenu(p->results);
    op->results = DS_NEW_ARRAY(r->m->arena, ds_value, op->result_count);
    for (size_t i = 0; i < op->result_count; i++) {
        op->results[i] = (ds_value){.type = p->results[i], .op = op, .index = (uint32_t)i, .id = r->m->next_value_id++};
        if (!define(r, p->names[i], &op->results[i])) return false;
    }
    ds_dims_complete(r->m, op);
    return read_loc(r, &op->loc);
}

static bool read_return(reader *r, ds_block *block) {
    ds_value **values = NULL;
    const ds_type **types = NULL;
    bool good = true;
    while (good && peek(r, '%')) {
        ds_value *v = read_use(r);
        good = v != NULL;
        if (good) arrput(values, v);
        if (!accept(r, ",")) break;
    }
    if (good && arrlenu(values)) {
        good = expect(r, ":");
        while (good) {
            const ds_type *t = read_type(r);
            good = t != NULL;
            arrput(types, t);
            if (!accept(r, ",")) break;
        }
    }
    ds_builder b = {r->m, block, NULL, NULL};
    ds_op *op = good ? ds_op_create(&b, DS_RETURN, values, arrlenu(values), NULL, 0, 0) : NULL;
    arrfree(values), arrfree(types);
    return good && read_loc(r, &op->loc);
}

static bool read_ops(reader *r, ds_block *block) {
    if (++r->depth > MAX_DEPTH) return fail(r, "nested too deeply");
    while (!r->failed && !peek(r, '}') && r->at < r->end) {
        if (accept(r, "func.return") || accept(r, "return")) {
            if (!read_return(r, block)) return false;
            continue;
        }
        op_parts p = {0};
        while (accept(r, "%")) {
            const char *name = read_word(r);
            if (!name) break;
            arrput(p.names, name);
            if (!accept(r, ",")) break;
        }
        bool good = (!arrlenu(p.names) || expect(r, "=")) && read_generic(r, block, &p);
        free_parts(&p);
        if (!good) return fail(r, "expected an op");
    }
    r->depth--;
    return !r->failed;
}

/* ---- functions and modules ---- */

static const ds_attr *optional_dict(reader *r) { return accept(r, "{") ? read_dict(r) : ds_attr_dict(r->cx, NULL, 0); }

static bool any_entries(const ds_attr *const *dicts, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (dicts[i] && dicts[i]->count) return true;
    return false;
}

static bool read_func(reader *r) {
    const ds_attr *name, **args = NULL, **results = NULL;
    shfree(r->values);
    sh_new_arena(r->values);
    if (!peek(r, '@') || !(name = read_attr(r))) return fail(r, "expected a function's name");
    ds_op *func = ds_func_create(r->m, name->text);
    ds_block *block = ds_op_block(func, 0);
    bool good = expect(r, "(");
    while (good && !peek(r, ')')) {
        const char *arg = expect(r, "%") ? read_word(r) : NULL;
        const ds_type *type = arg && expect(r, ":") ? read_type(r) : NULL;
        good = type && define(r, arg, ds_block_add_arg(r->m, block, type, NULL));
        const ds_attr *dict = good ? optional_dict(r) : NULL;
        good = dict != NULL;
        arrput(args, dict);
        if (!accept(r, ",")) break;
    }
    good = good && expect(r, ")");
    if (good && accept(r, "->")) {
        bool many = accept(r, "(");
        while (good && !(many && peek(r, ')'))) {
            good = read_type(r) != NULL;
            const ds_attr *dict = good && many ? optional_dict(r) : ds_attr_dict(r->cx, NULL, 0);
            good = good && dict != NULL;
            arrput(results, dict);
            if (!many || !accept(r, ",")) break;
        }
        good = good && (!many || expect(r, ")"));
    }
    if (good && any_entries(args, arrlenu(args))) ds_op_set_attr(r->m, func, "arg_attrs", ds_attr_array(r->cx, args, arrlenu(args)));
    if (good && any_entries(results, arrlenu(results)))
        ds_op_set_attr(r->m, func, "res_attrs", ds_attr_array(r->cx, results, arrlenu(results)));
    if (good && accept(r, "attributes")) {
        ds_named_attr *attrs = NULL;
        good = expect(r, "{") && read_entries(r, &attrs);
        for (size_t i = 0; good && i < arrlenu(attrs); i++) ds_op_set_attr(r->m, func, attrs[i].name, attrs[i].value);
        ds_schema_apply(r->cx, func);
        arrfree(attrs);
    }
    arrfree(args), arrfree(results);
    return good && read_region(r, &func->regions[0]) && read_loc(r, &func->loc);
}

static bool read_module(reader *r) {
    while (accept(r, "#")) {
        const char *name = read_word(r);
        const ds_attr *value = name && expect(r, "=") ? read_attr(r) : NULL;
        if (!value) return false;
        shput(r->aliases, name, value);
    }
    bool wrapped = accept(r, "module");
    if (wrapped && accept(r, "attributes")) {
        ds_named_attr *attrs = NULL;
        bool good = expect(r, "{") && read_entries(r, &attrs);
        for (size_t i = 0; good && i < arrlenu(attrs); i++) ds_module_set_attr(r->m, attrs[i].name, attrs[i].value);
        arrfree(attrs);
        if (!good) return false;
    }
    if (wrapped && !expect(r, "{")) return false;
    while (!r->failed && accept(r, "func.func"))
        if (!read_func(r)) return fail(r, "expected a function");
    if (wrapped && !expect(r, "}")) return false;
    skip(r);
    return !r->failed && (r->at == r->end || fail(r, "expected the end of the text"));
}

ds_status ds_module_parse(ds_ir_context *cx, ds_files *files, const char *text, size_t length, const char *path, ds_module **out_module) {
    reader r = {.cx = cx, .m = ds_module_create(cx), .start = text, .at = text, .end = text + length, .files = files, .path = path};
    *out_module = NULL;
    sh_new_arena(r.values);
    sh_new_strdup(r.aliases);
    bool good = read_module(&r) || fail(&r, "this is not well-formed"); /* unless something more precise was said */
    shfree(r.values);
    shfree(r.aliases);
    ds_safetensors_close(&r.weights);
    ds_status status = good ? ds_module_verify(r.m) : DS_BAD_INPUT;
    if (status == DS_OK) *out_module = r.m;
    else ds_module_destroy(r.m);
    return status;
}
