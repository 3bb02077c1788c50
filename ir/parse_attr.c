/* Types and attributes of text. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "eval.h"
#include "parse.h"

enum { MOST_RANK = 64, MOST_ENTRIES = 16 };

/* ---- types ---- */

static ds_elem find_elem(reader *r) {
    parse_skip(r);
    ds_elem best = DS_NO_ELEM;
    size_t longest = 0;
    for (int e = 0; e < DS_ELEM_COUNT; e++) {
        const char *text = ds_elem_facts((ds_elem)e)->text;
        size_t n = strlen(text);
        if ((size_t)(r->end - r->at) < n || strncmp(r->at, text, n) != 0 || n <= longest) continue;
        if (r->at + n < r->end && isalnum((unsigned char)r->at[n])) continue;
        best = (ds_elem)e;
        longest = n;
    }
    r->at += longest;
    return best;
}

static ds_elem read_elem(reader *r) {
    ds_elem elem = find_elem(r);
    if (elem == DS_NO_ELEM) parse_fail(r, r->at, "expected an element type, as f32, f16, bf16, i64, i8, ui8 or i1");
    return elem;
}

static const ds_expr *unnamed_extent_of(reader *r) {
    const ds_expr *e = ds_expr_symbol(r->cx, ds_module_new_symbol(r->m, DS_SYMBOL_extent));
    hmput(r->unnamed, e->name, true);
    return e;
}

typedef struct {
    const ds_expr *dims[MOST_RANK];
    bool open[MOST_RANK]; /* `?` */
    size_t rank;
} shape;

/* 4x?x: up to the element type. */
static bool read_extents(reader *r, shape *s) {
    for (;;) {
        parse_skip(r);
        const char *from = r->at;
        bool open = r->at < r->end && *r->at == '?';
        int64_t extent = 0;
        if (!open && (r->at == r->end || (!isdigit((unsigned char)*r->at) && *r->at != '-'))) return true;
        if (s->rank == MOST_RANK) return parse_fail(r, from, "more than %d dimensions", MOST_RANK);
        if (open) r->at++;
        else if (!parse_int(r, &extent)) return false;
        if (extent < 0) return parse_fail(r, from, "an extent is negative");
        if (r->at == r->end || *r->at != 'x')
            return parse_fail(r, r->at, "expected 'x' behind an extent, as in 4x?xf32");
        r->at++;
        s->open[s->rank] = open;
        s->dims[s->rank++] = open ? unnamed_extent_of(r) : ds_expr_const(r->cx, extent);
    }
}

static bool name_extents(reader *r, shape *s, const ds_attr *names, const char *from) {
    if (names->kind != DS_ATTR_ARRAY) return parse_fail(r, from, "'dims' is not a list");
    if (names->count > s->rank)
        return parse_fail(r, from, "'dims' has %zu names for %zu dimensions", names->count, s->rank);
    for (size_t i = 0; i < names->count; i++) {
        const ds_attr *name = names->items[i];
        if (name->kind != DS_ATTR_STRING)
            return parse_fail(r, from, "'dims' is a list of strings: an extent's name, or \"\"");
        if (!name->count) continue;
        const ds_expr *e = ds_expr_parse(r->cx, name->text, 0);
        if (!e) return parse_fail(r, from, "an extent in 'dims' is not an expression: '%s'", name->text);
        if (e->range.high < 0) return parse_fail(r, from, "an extent in 'dims' is negative");
        if (!s->open[i] && e != s->dims[i])
            return parse_fail(r, from, "'dims' says that dimension %zu is '%s', but it is no '?'", i, name->text);
        s->dims[i] = e;
    }
    return true;
}

static const ds_type *read_tensor(reader *r) {
    shape s = {.rank = 0};
    parse_skip(r);
    if (r->end - r->at >= 2 && !strncmp(r->at, "*x", 2)) {
        r->at += 2;
        ds_elem elem = read_elem(r);
        return elem != DS_NO_ELEM && parse_expect(r, ">") ? ds_type_unranked(r->cx, elem) : NULL;
    }
    if (!read_extents(r, &s)) return NULL;
    ds_elem elem = find_elem(r);
    if (elem == DS_NO_ELEM)
        return parse_fail(r, r->at,
                          "expected a number, ? or an element type, as in tensor<?x3xf32, {dims = [\"n\", \"\"]}>"),
               NULL;
    const ds_attr *encoding = NULL;
    bool encoded = parse_accept(r, ",");
    parse_skip(r);
    const char *from = r->at;
    if (encoded && !(encoding = parse_attr(r))) return NULL;
    if (encoded && encoding->kind != DS_ATTR_DICT)
        return parse_fail(r, from, "expected {dims = [\"…\"]} with names of the extents"), NULL;
    ds_named_attr kept[MOST_ENTRIES];
    size_t count = 0;
    const ds_attr *names = ds_attr_find(encoding, "dims");
    if (names && !name_extents(r, &s, names, from)) return NULL;
    for (size_t i = 0; encoding && i < encoding->count && count < MOST_ENTRIES; i++)
        if (strcmp(encoding->entries[i].name, "dims") != 0) kept[count++] = encoding->entries[i];
    if (!parse_expect(r, ">")) return NULL;
    return ds_type_tensor(r->cx, elem, s.rank, s.dims, count ? ds_attr_dict(r->cx, kept, count) : NULL);
}

static const ds_type *read_nested(reader *r, ds_type_kind kind) {
    const ds_type *inner[2];
    size_t count = 0;
    do {
        if (count == 2 || !(inner[count++] = parse_type(r))) return parse_fail(r, r->at, "expected a type"), NULL;
    } while (parse_accept(r, ","));
    return parse_expect(r, ">") ? ds_type_nested(r->cx, kind, inner, count) : NULL;
}

static const ds_type *read_vector(reader *r) {
    int64_t lanes;
    const char *from = r->at;
    if (!parse_int(r, &lanes)) return NULL;
    if (lanes <= 1 || lanes > 64) return parse_fail(r, from, "a vector has 2 to 64 lanes"), NULL;
    if (r->at == r->end || *r->at != 'x')
        return parse_fail(r, r->at, "expected 'x' behind the lanes, as in vector<8xf32>"), NULL;
    r->at++;
    ds_elem elem = read_elem(r);
    return elem != DS_NO_ELEM && parse_expect(r, ">") ? ds_type_vector(r->cx, elem, (size_t)lanes) : NULL;
}

static const ds_type *read_buffer(reader *r) {
    if (r->at == r->end || *r->at != 'x') return parse_fail(r, r->at, "expected memref<?xTYPE>"), NULL;
    r->at++;
    ds_elem elem = read_elem(r);
    return elem != DS_NO_ELEM && parse_expect(r, ">") ? ds_type_buffer(r->cx, elem) : NULL;
}

/* !name, which stands at the top. A tensor's text is read again, so that each `?` is an extent of its own. */
static const ds_type *read_type_alias(reader *r, const char *from) {
    const char *name = parse_word(r), *nearest = NULL;
    ptrdiff_t at = name ? shgeti(r->types, name) : -1;
    if (at < 0) {
        for (size_t i = 0; name && i < shlenu(r->types); i++) nearest = ds_nearer_name(name, nearest, r->types[i].key);
        if (nearest) nearest = ds_arena_printf(r->cx->arena, "!%s", nearest);
        return parse_fail(r, from, "no type is called !%s%s", name ? name : "", parse_guess(r, nearest)), NULL;
    }
    if (r->types[at].type->kind != DS_TYPE_TENSOR) return r->types[at].type;
    const char *behind = r->at;
    r->at = r->types[at].value;
    const ds_type *t = parse_type(r);
    r->at = behind;
    return t;
}

static const ds_type *read_simple_type(reader *r, const char *from) {
    ds_elem elem = find_elem(r);
    if (elem != DS_NO_ELEM) return ds_type_scalar(r->cx, elem);
    if (parse_accept(r, "!")) return read_type_alias(r, from);
    return parse_fail(r, from, "expected a type, as tensor<2x?xf32>"), NULL;
}

const ds_type *parse_type(reader *r) {
    parse_skip(r);
    const char *from = r->at;
    if (++r->depth > PARSE_MOST_DEPTH) return parse_fail(r, from, "nested too deeply"), NULL;
    const ds_type *t = NULL;
    if (parse_accept(r, "tensor<")) t = read_tensor(r);
    else if (parse_accept(r, "vector<")) t = read_vector(r);
    else if (parse_accept(r, "memref<?")) t = read_buffer(r);
    else if (parse_accept(r, "!ds.seq<")) t = read_nested(r, DS_TYPE_SEQUENCE);
    else if (parse_accept(r, "!ds.optional<")) t = read_nested(r, DS_TYPE_OPTIONAL);
    else if (parse_accept(r, "!ds.map<")) t = read_nested(r, DS_TYPE_MAP);
    else if (parse_accept(r, "none")) t = ds_type_none(r->cx);
    else t = read_simple_type(r, from);
    r->depth--;
    if (!t) parse_fail(r, from, "expected a type");
    return t;
}

bool parse_same_type(const reader *r, const ds_type *is, const ds_type *says) {
    if (is == says) return true;
    if (is->kind != DS_TYPE_TENSOR || says->kind != DS_TYPE_TENSOR) return false;
    if (is->elem != says->elem || is->rank != says->rank || is->encoding != says->encoding) return false;
    unnamed_extent *unnamed = r->unnamed;
    for (size_t i = 0; i < is->rank; i++) {
        bool open = says->dims[i]->kind == DS_EXPR_SYMBOL && unnamed && hmgeti(unnamed, says->dims[i]->name) >= 0;
        if (is->dims[i] != says->dims[i] && (!open || ds_expr_is_const(is->dims[i], NULL))) return false;
    }
    return true;
}

/* ---- attributes ---- */

static bool read_map_dims(reader *r, size_t *out_dims) {
    *out_dims = 0;
    if (!parse_expect(r, "(")) return false;
    while (!parse_peek(r, ')')) {
        if (!parse_word(r)) return parse_fail(r, r->at, "expected a dimension, as d0");
        ++*out_dims;
        if (!parse_accept(r, ",")) break;
    }
    if (!parse_expect(r, ")")) return false;
    if (!parse_accept(r, "[")) return true;
    while (!parse_peek(r, ']') && parse_word(r) && parse_accept(r, ",")) {}
    return parse_expect(r, "]");
}

/* affine_map<(d0, d1)[s] -> (d0 * s + d1)> */
static const ds_attr *read_map(reader *r) {
    size_t dims = 0, count = 0;
    const ds_expr *results[MOST_RANK];
    if (!read_map_dims(r, &dims) || !parse_expect(r, "->") || !parse_expect(r, "(")) return NULL;
    while (!parse_peek(r, ')')) {
        const char *from = r->at;
        int parentheses = 0;
        for (; r->at < r->end && (parentheses || (*r->at != ',' && *r->at != ')')); r->at++)
            parentheses += *r->at == '(' ? 1 : *r->at == ')' ? -1 : 0;
        const ds_expr *e = ds_expr_parse(r->cx, ds_arena_strndup(r->cx->arena, from, (size_t)(r->at - from)), dims);
        if (!e || count == MOST_RANK) return parse_fail(r, from, "expected an affine expression"), NULL;
        results[count++] = e;
        if (!parse_accept(r, ",")) break;
    }
    if (!parse_expect(r, ")") || !parse_expect(r, ">")) return NULL;
    return ds_attr_map(r->cx, dims, results, count);
}

static bool is_one_number(ds_elem elem) {
    ds_elem_class class = ds_elem_facts(elem)->class;
    return class != DS_CLASS_COMPLEX && class != DS_CLASS_STRING;
}

/* Of fewer than 64 bits all others are copies of the sign, or 0. */
static bool integer_fits(ds_elem elem, int64_t v) {
    unsigned bits = ds_elem_facts(elem)->bits;
    if (bits == 64) return true;
    if (ds_elem_is_unsigned(elem)) return v >= 0 && (uint64_t)v >> bits == 0;
    return v >= -((int64_t)1 << (bits - 1)) && v < (int64_t)1 << (bits - 1);
}

static bool put_integer(reader *r, ds_elem elem, uint8_t *to) {
    int64_t v;
    const char *from = r->at;
    if (!parse_int(r, &v)) return false;
    if (r->at < r->end && (*r->at == '.' || *r->at == 'e'))
        return parse_fail(r, from, "expected an integer: the elements are %s", ds_elem_facts(elem)->text);
    if (!integer_fits(elem, v))
        return parse_fail(r, from, "%lld does not fit %s", (long long)v, ds_elem_facts(elem)->text);
    memcpy(to, &v, ds_elem_facts(elem)->bits / 8);
    return true;
}

/* A decimal, or the number's bits: 0x7F800000. */
static bool put_float(reader *r, ds_elem elem, uint8_t *to) {
    char text[64];
    size_t n = 0;
    unsigned size = ds_elem_facts(elem)->bits / 8;
    while (r->at + n < r->end && n + 1 < sizeof text && (isalnum((unsigned char)r->at[n]) || strchr("+-.", r->at[n]))) {
        text[n] = r->at[n];
        n++;
    }
    text[n] = 0;
    char *end;
    if (!strncmp(text, "0x", 2)) {
        uint64_t bits = strtoull(text, &end, 16);
        if (*end || (size < 8 && bits >> (8 * size)))
            return parse_fail(r, r->at, "expected the bits of an %s", ds_elem_facts(elem)->text);
        memcpy(to, &bits, size);
        r->at += n;
        return true;
    }
    double d = strtod(text, &end);
    if (end == text) return parse_fail(r, r->at, "expected a number");
    r->at += end - text;
    uint64_t bits = elem == DS_f32 ? 0 : ds_float_encode(elem, d, true);
    float f = strtof(text, NULL); /* rounds once */
    memcpy(to, elem == DS_f32 ? (void *)&f : (void *)&bits, size);
    return true;
}

static bool put_element(reader *r, ds_elem elem, uint8_t *to) {
    parse_skip(r);
    if (ds_elem_is_float(elem)) return put_float(r, elem, to);
    if (elem != DS_b1) return put_integer(r, elem, to);
    bool yes = parse_accept(r, "true");
    if (!yes && !parse_accept(r, "false")) return parse_fail(r, r->at, "expected true or false");
    *to = yes;
    return true;
}

/* [[1, 2], [3, 4]]: as the shape is. */
static bool put_elements(reader *r, const ds_type *type, size_t dim, uint8_t **to) {
    if (dim == type->rank) {
        bool good = put_element(r, type->elem, *to);
        *to += ds_elem_facts(type->elem)->bits / 8;
        return good;
    }
    int64_t extent = type->dims[dim]->value;
    if (!parse_expect(r, "[")) return false;
    for (int64_t i = 0; i < extent; i++) {
        if (i && !parse_peek(r, ','))
            return parse_fail(r, r->at, "there are %lld elements instead of %lld", (long long)i, (long long)extent);
        if (i) parse_expect(r, ",");
        if (!put_elements(r, type, dim + 1, to)) return false;
    }
    if (!parse_peek(r, ']')) return parse_fail(r, r->at, "there are more than %lld elements", (long long)extent);
    return parse_expect(r, "]");
}

/* dense<[…]> : type, dense<5.0> : type. The type comes last, and says what the elements are. */
static const ds_attr *read_dense(reader *r) {
    const char *from = r->at;
    int depth = 1;
    for (bool quoted = false; r->at < r->end && depth; r->at++) {
        if (*r->at == '"') quoted = !quoted;
        else if (!quoted) depth += *r->at == '<' ? 1 : *r->at == '>' ? -1 : 0;
    }
    if (!parse_expect(r, ":")) return NULL;
    parse_skip(r);
    const char *type_at = r->at;
    const ds_type *type = parse_type(r);
    const char *after = r->at;
    uint64_t count, bytes;
    if (!type || !ds_type_static_count(type, &count) || !ds_elem_bytes(type->elem, count, &bytes) || bytes > 1u << 24 ||
        ds_elem_facts(type->elem)->packed || !is_one_number(type->elem))
        return parse_fail(r, type_at, "dense<> needs a small static tensor type"), NULL;
    uint8_t *data = ds_arena_alloc(r->cx->arena, (size_t)bytes), *to = data;
    unsigned size = ds_elem_facts(type->elem)->bits / 8;
    r->at = from;
    bool splat = count && !parse_peek(r, '[');
    if (splat && !put_element(r, type->elem, data)) return NULL;
    for (uint64_t i = 1; splat && i < count; i++) memcpy(data + i * size, data, size);
    if (count && !splat && !put_elements(r, type, 0, &to)) return NULL;
    if (count && !parse_expect(r, ">")) return NULL;
    r->at = after;
    return ds_attr_elements(r->cx, type, data, (size_t)bytes, NULL);
}

/* ---- weights ---- */

static bool open_weights(reader *r, const char *at) {
    const ds_attr *file = ds_module_attr(r->m, "ds.weights");
    if (!file || file->kind != DS_ATTR_STRING)
        return parse_fail(
            r, at, "no file of weights is named: the module needs an attribute, as ds.weights = \"model.safetensors\"");
    if (strchr(file->text, '/'))
        return parse_fail(r, at, "ds.weights has to name a file beside this one, not '%s'", file->text);
    const char *slash = strrchr(r->path, '/');
    const char *full =
        ds_arena_printf(r->cx->arena, "%.*s%s", slash ? (int)(slash - r->path + 1) : 0, r->path, file->text);
    if (ds_safetensors_open(r->cx, r->files, full, &r->weights) == DS_OK) return true;
    ds_report_at(r->cx->diag, DS_NOTE, DS_NO_CODE, parse_spot(r, at), NULL, "which is needed here");
    r->failed = true;
    return false;
}

/* The type that text gives a tensor of the file has the same elements; an unranked one takes the file's shape. */
static const ds_type *type_of_weights(reader *r, const ds_safetensor *t, const char *name, const ds_type *says,
                                      const char *type_at) {
    bool open = says->kind == DS_TYPE_UNRANKED;
    uint64_t count;
    if (!open && !ds_type_static_count(says, &count))
        return parse_fail(r, type_at,
                          "a resource needs a tensor type without '?'; tensor<*xf32> takes the file's shape"),
               NULL;
    const ds_type *has = ds_safetensors_type(r->cx, t, says->elem, open ? NULL : says);
    if (has && (open || has == says)) return has;
    ds_string text = {0};
    ds_safetensors_describe(&text, r->cx, t);
    parse_fail(r, type_at, "'%s' in '%s' is %s, not %s", name, r->weights.name, text.data, parse_type_text(r, says));
    ds_string_free(&text);
    return NULL;
}

/* The bytes lie in the file that the module's ds.weights names, in the text's own folder. */
static const ds_attr *find_resource(reader *r, const char *name, const char *at, const ds_type *type,
                                    const char *type_at) {
    const char *nearest = NULL;
    if (type->kind != DS_TYPE_TENSOR && type->kind != DS_TYPE_UNRANKED)
        return parse_fail(r, type_at, "a resource is a tensor"), NULL;
    if (!r->weights.name && !open_weights(r, at)) return NULL;
    const ds_safetensor *t = ds_safetensors_find(&r->weights, name);
    for (size_t i = 0; !t && i < shlenu(r->weights.tensors); i++)
        nearest = ds_nearer_name(name, nearest, r->weights.tensors[i].key);
    if (!t) return parse_fail(r, at, "'%s' has no tensor '%s'%s", r->weights.name, name, parse_guess(r, nearest)), NULL;
    type = type_of_weights(r, t, name, type, type_at);
    return type ? ds_attr_elements(r->cx, type, t->bytes, (size_t)t->length, name) : NULL;
}

/* dense_resource<name> : type */
static const ds_attr *read_resource(reader *r) {
    size_t length;
    const char *name = NULL, *from;
    parse_skip(r);
    from = r->at;
    if (!parse_peek(r, '"')) name = parse_word(r);
    else if (!parse_string(r, &name, &length)) return NULL;
    if (!name) return parse_fail(r, from, "expected a tensor's name"), NULL;
    if (!parse_expect(r, ">") || !parse_expect(r, ":")) return NULL;
    parse_skip(r);
    const char *type_at = r->at;
    const ds_type *type = parse_type(r);
    return type ? find_resource(r, name, from, type, type_at) : NULL;
}

/* ---- numbers, lists, dictionaries ---- */

static const ds_attr *read_bits_of_double(reader *r) {
    char text[32] = {0};
    size_t n = 0;
    while (r->at + n < r->end && n + 1 < sizeof text && isalnum((unsigned char)r->at[n])) {
        text[n] = r->at[n];
        n++;
    }
    uint64_t bits = strtoull(text, NULL, 16);
    double d;
    memcpy(&d, &bits, 8);
    r->at += n;
    return parse_expect(r, ":") && parse_type(r) ? ds_attr_float(r->cx, d) : NULL;
}

static const ds_attr *read_number(reader *r) {
    const char *p = r->at + (*r->at == '-');
    double d;
    int64_t v;
    uint8_t bytes[8];
    if (r->end - p > 2 && p[0] == '0' && p[1] == 'x') return read_bits_of_double(r);
    while (p < r->end && isdigit((unsigned char)*p)) p++;
    bool is_float = p < r->end && (*p == '.' || *p == 'e');
    if (is_float ? !put_element(r, DS_f64, bytes) : !parse_int(r, &v)) return NULL;
    if (parse_accept(r, ":") && !parse_type(r)) return NULL;
    if (!is_float) return ds_attr_int(r->cx, v);
    memcpy(&d, bytes, 8);
    return ds_attr_float(r->cx, d);
}

static const ds_attr *read_array(reader *r) {
    const ds_attr **items = NULL;
    while (!parse_peek(r, ']')) {
        const ds_attr *a = parse_attr(r);
        if (!a) {
            arrfree(items);
            return NULL;
        }
        arrput(items, a);
        if (!parse_accept(r, ",")) break;
    }
    const ds_attr *array = parse_expect(r, "]") ? ds_attr_array(r->cx, items, arrlenu(items)) : NULL;
    arrfree(items);
    return array;
}

bool parse_entries(reader *r, ds_named_attr **out, const char ***starts) {
    enum { LOOKED_AT = 256 }; /* for names that are there twice: dictionaries of names may be long */
    while (!parse_peek(r, '}')) {
        ds_named_attr e = {NULL, NULL};
        size_t length;
        const char *from = r->at;
        if (parse_peek(r, '"')) {
            if (!parse_string(r, &e.name, &length)) return false;
        } else e.name = parse_word(r);
        if (!e.name) return parse_fail(r, from, "expected an attribute's name");
        e.name = ds_context_name(r->cx, e.name);
        for (size_t i = 0; i < arrlenu(*out) && i < LOOKED_AT; i++)
            if ((*out)[i].name == e.name) return parse_fail(r, from, "attribute '%s' is there twice", e.name);
        e.value = parse_accept(r, "=") ? parse_attr(r) : ds_attr_unit(r->cx);
        if (!e.value) return false;
        arrput(*out, e);
        if (starts) arrput(*starts, from);
        if (!parse_accept(r, ",")) break;
    }
    return parse_expect(r, "}");
}

/* What print.c writes as dictionaries for want of MLIR syntax: maps with min and max, constants as bytes, tensors of
 * the file of weights whose names are no identifiers. */
static const ds_attr *special_dict(reader *r, const ds_attr *dict, const char *from) {
    const ds_attr *dims = ds_attr_find(dict, "dims"), *map = ds_attr_find(dict, "map"),
                  *bytes = ds_attr_find(dict, "bytes"), *type = ds_attr_find(dict, "type"),
                  *resource = ds_attr_find(dict, "resource");
    if (dict->count == 2 && resource && type && resource->kind == DS_ATTR_STRING && type->kind == DS_ATTR_TYPE)
        return find_resource(r, resource->text, from, type->type, from);
    if (dict->count == 2 && dims && map && dims->kind == DS_ATTR_INT && map->kind == DS_ATTR_ARRAY) {
        const ds_expr *exprs[MOST_RANK];
        for (size_t i = 0; i < map->count && i < MOST_RANK; i++)
            if (map->items[i]->kind != DS_ATTR_STRING ||
                !(exprs[i] = ds_expr_parse(r->cx, map->items[i]->text, (size_t)dims->integer)))
                return parse_fail(r, from, "entry %zu of 'map' is not an expression", i), NULL;
        return ds_attr_map(r->cx, (size_t)dims->integer, exprs, map->count < MOST_RANK ? map->count : MOST_RANK);
    }
    if (dict->count == 2 && bytes && type && bytes->kind == DS_ATTR_STRING && type->kind == DS_ATTR_TYPE) {
        size_t n = bytes->count / 2;
        uint8_t *data = ds_arena_alloc(r->cx->arena, n);
        for (size_t i = 0; i < n; i++) {
            int high = parse_hex_digit(bytes->text[2 * i]), low = parse_hex_digit(bytes->text[2 * i + 1]);
            if (high < 0 || low < 0) return parse_fail(r, from, "bytes are not hexadecimal digits"), NULL;
            data[i] = (uint8_t)(high << 4 | low);
        }
        return ds_attr_elements(r->cx, type->type, data, n, NULL);
    }
    return dict;
}

const ds_attr *parse_dict(reader *r) {
    ds_named_attr *entries = NULL;
    const char *from = r->at - 1;
    const ds_attr *dict = parse_entries(r, &entries, NULL) ? ds_attr_dict(r->cx, entries, arrlenu(entries)) : NULL;
    arrfree(entries);
    return dict ? special_dict(r, dict, from) : NULL;
}

static const ds_attr *read_symbol(reader *r) {
    const char *text;
    size_t length;
    if (parse_peek(r, '"')) return parse_string(r, &text, &length) ? ds_attr_symbol(r->cx, text) : NULL;
    text = parse_word(r);
    return text ? ds_attr_symbol(r->cx, text) : NULL;
}

static const ds_attr *read_attr_alias(reader *r, const char *from) {
    const char *name = parse_word(r), *nearest = NULL;
    ptrdiff_t at = name ? shgeti(r->attrs, name) : -1;
    if (at >= 0) return r->attrs[at].value;
    for (size_t i = 0; name && i < shlenu(r->attrs); i++) nearest = ds_nearer_name(name, nearest, r->attrs[i].key);
    if (nearest) nearest = ds_arena_printf(r->cx->arena, "#%s", nearest);
    return parse_fail(r, from, "no attribute is called #%s%s", name ? name : "", parse_guess(r, nearest)), NULL;
}

const ds_attr *parse_attr(reader *r) {
    const ds_attr *a = NULL;
    const char *text;
    size_t length;
    parse_skip(r);
    const char *from = r->at;
    if (++r->depth > PARSE_MOST_DEPTH) return parse_fail(r, from, "nested too deeply"), NULL;
    char c = r->at < r->end ? *r->at : 0;
    if (c == '"') a = parse_string(r, &text, &length) ? ds_attr_string_n(r->cx, text, length) : NULL;
    else if (parse_accept(r, "[")) a = read_array(r);
    else if (parse_accept(r, "{")) a = parse_dict(r);
    else if (parse_accept(r, "@")) a = read_symbol(r);
    else if (parse_accept(r, "#")) a = read_attr_alias(r, from);
    else if (parse_accept(r, "affine_map<")) a = read_map(r);
    else if (parse_accept(r, "dense<")) a = read_dense(r);
    else if (parse_accept(r, "dense_resource<")) a = read_resource(r);
    else if (parse_accept(r, "true")) a = ds_attr_bool(r->cx, true);
    else if (parse_accept(r, "false")) a = ds_attr_bool(r->cx, false);
    else if (parse_accept(r, "unit")) a = ds_attr_unit(r->cx);
    else if (isdigit((unsigned char)c) || c == '-') a = read_number(r);
    else if (isalpha((unsigned char)c) || c == '!') {
        const ds_type *t = parse_type(r);
        a = t ? ds_attr_of_type(r->cx, t) : NULL;
    }
    r->depth--;
    if (!a) parse_fail(r, from, "expected a number, a string, a list, a type or dense<…>");
    return a;
}
