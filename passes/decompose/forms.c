/* What an op may look like, by the tables of forms.def: a rule that it reaches need not look again. */
#include <stdlib.h>
#include <string.h>

#include "passes/decompose/decompose.h"

enum { MOST_BITS_OF_BYTES = 47 }; /* of a tensor: more no machine can address */

typedef enum { FLOAT, INT, INTS, FLOATS, STRING, STRINGS } attribute_kind;

/* Each table below takes its rows; those of the others expand to nothing. */
#define FORM(name, operands, required)
#define CONTRIB_FORM(name, operands, required)
#define ATTRIBUTE(name, kind, least, most)
#define ATTRIBUTE_OF(name, attribute, kind)
#define CHOICE(name, attribute, words)

#undef FORM
#undef CONTRIB_FORM
static const char *const operand_forms[DS_OP_KIND_COUNT] = {
#define FORM(name, operands, required) [DS_ONNX_##name] = operands,
#define CONTRIB_FORM(name, operands, required) [DS_MICROSOFT_##name] = operands,
#include "passes/decompose/forms.def"
#undef FORM
#undef CONTRIB_FORM
};

static const char *const required_attributes[DS_OP_KIND_COUNT] = {
#define FORM(name, operands, required) [DS_ONNX_##name] = required,
#define CONTRIB_FORM(name, operands, required) [DS_MICROSOFT_##name] = required,
#include "passes/decompose/forms.def"
#undef FORM
#undef CONTRIB_FORM
#define FORM(name, operands, required)
#define CONTRIB_FORM(name, operands, required)
};

static const struct {
    const char *name;
    attribute_kind kind;
    int64_t least, most;
} attributes[] = {
#undef ATTRIBUTE
#define ATTRIBUTE(name, kind, least, most) {#name, kind, least, most},
#include "passes/decompose/forms.def"
#undef ATTRIBUTE
#define ATTRIBUTE(name, kind, least, most)
};

static const struct {
    ds_op_kind op;
    const char *name;
    attribute_kind kind;
} own_attributes[] = {
#undef ATTRIBUTE_OF
#define ATTRIBUTE_OF(name, attribute, kind) {DS_MICROSOFT_##name, #attribute, kind},
#include "passes/decompose/forms.def"
#undef ATTRIBUTE_OF
#define ATTRIBUTE_OF(name, attribute, kind)
};

static const struct {
    ds_op_kind kind;
    const char *name, *words;
} choices[] = {
#undef CHOICE
#define CHOICE(name, attribute, words) {DS_ONNX_##name, #attribute, words},
#include "passes/decompose/forms.def"
};
#undef FORM
#undef CONTRIB_FORM
#undef ATTRIBUTE
#undef ATTRIBUTE_OF
#undef CHOICE

/* ---- operands ---- */

static bool has_class(const char *entry, size_t length, const ds_type *t, const ds_type *first) {
    for (size_t i = 0; i < length; i++) {
        bool fits = entry[i] == '.'   ? ds_elem_facts(t->elem)->class != DS_CLASS_STRING
                    : entry[i] == 'f' ? ds_elem_is_float(t->elem)
                    : entry[i] == 'i' ? ds_elem_is_integer(t->elem)
                    : entry[i] == 'b' ? t->elem == DS_b1
                                      : first && first->kind == DS_TYPE_TENSOR && t->elem == first->elem;
        if (fits) return true;
    }
    return false;
}

/* "3", "3-5", "3+", "s" or nothing: false, with what is wanted, where the type's rank is another. */
static bool has_rank(const char *ranks, const ds_type *t) {
    uint64_t count;
    if (*ranks == ' ' || !*ranks) return true;
    if (*ranks == 's') return t->rank <= 1 && (!ds_type_static_count(t, &count) || count == 1);
    char *end;
    unsigned long least = strtoul(ranks, &end, 10), most = *end == '-'   ? strtoul(end + 1, NULL, 10)
                                                           : *end == '+' ? SIZE_MAX
                                                                         : least;
    return t->rank >= least && t->rank <= most;
}

static ds_status check_operand(dec *d, size_t i, const char *entry) {
    const ds_type *t = dec_type(d, i);
    size_t length = strcspn(entry, " "), classes = strspn(entry, "fib=.");
    if (!t || t->kind != DS_TYPE_TENSOR) return DS_OK;
    if (!has_class(entry, classes, t, dec_type(d, 0)))
        return dec_fail(d, DS_E_elem, "operand %zu has element type %s", i, ds_elem_facts(t->elem)->text);
    bool fits = has_rank(entry + classes, t), one = entry[classes] == 's';
    if (fits && one && t->rank == 1) { /* a list of one element, maybe as it turns out: a scalar for the rule */
        const ds_expr *same;
        DS_TRY(dec_same(d, t->dims[0], dec_const(d, 1), &same));
        ds_op_set_operand(d->op, i, dec_reshape(d, dec_in(d, i), 0, NULL));
    }
    if (fits) return DS_OK;
    if (one) return dec_fail(d, DS_E_shape, "operand %zu does not have exactly one element", i);
    return dec_fail(d, DS_E_shape, "operand %zu has rank %zu instead of %.*s", i, t->rank, (int)(length - classes),
                    entry + classes);
}

/* ---- attributes ---- */

static bool is_kind(const ds_attr *a, attribute_kind kind) {
    switch (kind) {
    case FLOAT: return a->kind == DS_ATTR_FLOAT || a->kind == DS_ATTR_INT;
    case INT: return a->kind == DS_ATTR_INT || a->kind == DS_ATTR_BOOL;
    case STRING: return a->kind == DS_ATTR_STRING;
    default: break;
    }
    if (a->kind != DS_ATTR_ARRAY) return false;
    for (size_t i = 0; i < a->count; i++)
        if (!is_kind(a->items[i], kind == INTS ? INT : kind == FLOATS ? FLOAT : STRING)) return false;
    return true;
}

static bool has_word(const char *words, const char *word) {
    if (!*word) word = "''";
    size_t length = strlen(word);
    for (; *words; words += strspn(words, " ")) {
        size_t next = strcspn(words, " ");
        if (next == length && !strncmp(words, word, length)) return true;
        words += next;
    }
    return false;
}

static ds_status check_choice(dec *d, const ds_named_attr *named) {
    const char *word = named->value->text;
    for (size_t i = 0; i < DS_COUNT(choices); i++) {
        if (choices[i].kind != d->op->kind || strcmp(choices[i].name, named->name) != 0 ||
            has_word(choices[i].words, word))
            continue;
        return dec_fail(d, DS_E_attribute, "attribute '%s' is '%s' instead of one of: %s", named->name, word,
                        choices[i].words);
    }
    return DS_OK;
}

static attribute_kind kind_for(ds_op_kind op, const char *name, attribute_kind otherwise) {
    for (size_t i = 0; i < DS_COUNT(own_attributes); i++)
        if (own_attributes[i].op == op && !strcmp(own_attributes[i].name, name)) return own_attributes[i].kind;
    return otherwise;
}

static ds_status check_attribute(dec *d, const ds_named_attr *named) {
    static const char *const words[] = {"a number",          "an integer", "a list of integers",
                                        "a list of numbers", "a string",   "a list of strings"};
    const ds_attr *a = named->value;
    for (size_t i = 0; i < DS_COUNT(attributes); i++) {
        if (strcmp(attributes[i].name, named->name) != 0) continue;
        attribute_kind kind = kind_for(d->op->kind, named->name, attributes[i].kind);
        if (!is_kind(a, kind)) return dec_fail(d, DS_E_attribute, "attribute '%s' is not %s", named->name, words[kind]);
        if (kind == STRING) DS_TRY(check_choice(d, named));
        bool list = attributes[i].kind == INTS;
        for (size_t k = 0; (list || attributes[i].kind == INT) && k < (list ? a->count : 1); k++) {
            int64_t v = list ? a->items[k]->integer : a->integer;
            if (v < attributes[i].least || v > attributes[i].most)
                return dec_fail(d, DS_E_attribute, "attribute '%s' cannot be %lld", named->name, (long long)v);
        }
    }
    return DS_OK;
}

static ds_status check_required(dec *d, const char *names) {
    for (; names && *names; names += strspn(names, " ")) {
        size_t length = strcspn(names, " ");
        bool found = false;
        for (size_t i = 0; i < d->op->attr_count; i++)
            found = found || (strlen(d->op->attrs[i].name) == length && !strncmp(d->op->attrs[i].name, names, length));
        if (!found) return dec_fail(d, DS_E_attribute, "attribute '%.*s' is missing", (int)length, names);
        names += length;
    }
    return DS_OK;
}

ds_status dec_check_form(dec *d, ds_op *op) {
    const char *entry = operand_forms[op->kind];
    for (size_t i = 0; entry && i < op->operand_count; i++) {
        DS_TRY(check_operand(d, i, entry));
        size_t length = strcspn(entry, " ");
        if (entry[length]) entry += length + 1;
    }
    for (size_t i = 0; i < op->attr_count; i++) DS_TRY(check_attribute(d, &op->attrs[i]));
    return check_required(d, required_attributes[op->kind]);
}

ds_status dec_attribute_list(dec *d, const char *name, int64_t *values, size_t count) {
    size_t have = ds_op_ints(d->op, name, values, count);
    if (have == count || !ds_op_attr(d->op, name)) return DS_OK;
    return dec_fail(d, DS_E_attribute, "attribute '%s' has %zu entries instead of %zu", name, have, count);
}

ds_status dec_elem(dec *d, const char *name, ds_elem otherwise, ds_elem *out) {
    int64_t code = ds_op_int(d->op, name, 0);
    *out = code ? ds_elem_from_onnx((int)code) : otherwise;
    if (*out == DS_NO_ELEM) return dec_fail(d, DS_E_attribute, "attribute '%s' is not an element type", name);
    ds_elem_class class = ds_elem_facts(*out)->class;
    if (class == DS_CLASS_STRING || class == DS_CLASS_COMPLEX)
        return dec_refuse(d, "element type %s", ds_elem_facts(*out)->text);
    return DS_OK;
}

/* ---- sizes ---- */

static ds_status bad_size(dec *d, const ds_value *v, ds_error_code code, const char *what) {
    const char *where =
        v->block ? ds_arena_printf(d->m->arena, "value '%s'", v->name ? v->name : "") : ds_op_where(d->m, d->op);
    ds_string shape = {0};
    ds_type_print(&shape, v->type);
    ds_status status = ds_report(d->cx->diag, DS_ERROR, code, where, "%s: %s", what, shape.data);
    ds_string_free(&shape);
    return status;
}

ds_status dec_check_size(dec *d, const ds_value *v) {
    uint64_t bits = 0, limit = 8ull << MOST_BITS_OF_BYTES;
    if (v->type->kind != DS_TYPE_TENSOR) return DS_OK;
    bits = ds_elem_facts(v->type->elem)->bits;
    for (size_t i = 0; i < v->type->rank; i++) {
        int64_t extent;
        if (!ds_expr_is_const(v->type->dims[i], &extent)) continue;
        if (extent < 0) return bad_size(d, v, DS_E_shape, "an extent is negative");
        if (__builtin_mul_overflow(bits, (uint64_t)(extent ? extent : 1), &bits) || bits > limit)
            return bad_size(d, v, DS_E_size, "a tensor that no machine can address");
    }
    return DS_OK;
}
