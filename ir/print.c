/* IR as MLIR text: func.func and func.return in their usual syntax, every other op in the generic form. */
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir.h"

typedef struct {
    ds_string *out;
    char **names; /* stb_ds array, by value id: what a value is called */
    int next;     /* number of the next unnamed value */
    int depth;
    ds_op_line **lines; /* where to note the ops' lines, or NULL */
    size_t seen;        /* bytes whose line ends are counted */
    unsigned line;
    ds_op_note *note; /* says more behind an op's line, or NULL */
    void *user;
} printer;

static bool bare_identifier(const char *s) {
    if (!isalpha((unsigned char)*s) && *s != '_') return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && *s != '_' && *s != '$' && *s != '.') return false;
    return true;
}

static void print_quoted(ds_string *out, const char *text, size_t length) {
    ds_string_append(out, "\"", 1);
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\' || c < 0x20 || c >= 0x7f) ds_string_printf(out, "\\%02X", c);
        else ds_string_append(out, text + i, 1);
    }
    ds_string_append(out, "\"", 1);
}

/* ---- types ---- */

static void print_dict_entries(ds_string *out, const ds_named_attr *entries, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (i) ds_string_printf(out, ", ");
        if (bare_identifier(entries[i].name)) ds_string_printf(out, "%s", entries[i].name);
        else print_quoted(out, entries[i].name, strlen(entries[i].name));
        if (entries[i].value->kind == DS_ATTR_UNIT) continue;
        ds_string_printf(out, " = ");
        ds_attr_print(out, entries[i].value);
    }
}

static void print_encoding(ds_string *out, const ds_type *type) {
    bool is_static = ds_type_is_static(type);
    if (is_static && !type->encoding) return;
    ds_string_printf(out, ", {");
    if (!is_static) {
        ds_string_printf(out, "dims = [");
        for (size_t i = 0; i < type->rank; i++) {
            if (i) ds_string_printf(out, ", ");
            ds_string_printf(out, "\"");
            if (!ds_expr_is_const(type->dims[i], NULL)) ds_expr_print(out, type->dims[i]);
            ds_string_printf(out, "\"");
        }
        ds_string_printf(out, "]%s", type->encoding ? ", " : "");
    }
    if (type->encoding) print_dict_entries(out, type->encoding->entries, type->encoding->count);
    ds_string_printf(out, "}");
}

static void print_types(ds_string *out, const ds_type *const *types, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (i) ds_string_printf(out, ", ");
        ds_type_print(out, types[i]);
    }
}

void ds_type_print(ds_string *out, const ds_type *t) {
    const char *elem = t->elem < DS_ELEM_COUNT ? ds_elem_facts(t->elem)->text : "";
    switch (t->kind) {
    case DS_TYPE_SCALAR: ds_string_printf(out, "%s", elem); break;
    case DS_TYPE_TENSOR:
        ds_string_printf(out, "tensor<");
        for (size_t i = 0; i < t->rank; i++) {
            int64_t extent;
            if (ds_expr_is_const(t->dims[i], &extent)) ds_string_printf(out, "%" PRId64 "x", extent);
            else ds_string_printf(out, "?x");
        }
        ds_string_printf(out, "%s", elem);
        print_encoding(out, t);
        ds_string_printf(out, ">");
        break;
    case DS_TYPE_UNRANKED: ds_string_printf(out, "tensor<*x%s>", elem); break;
    case DS_TYPE_VECTOR: ds_string_printf(out, "vector<%zux%s>", t->rank, elem); break;
    case DS_TYPE_BUFFER: ds_string_printf(out, "memref<?x%s>", elem); break;
    case DS_TYPE_SEQUENCE:
    case DS_TYPE_OPTIONAL:
    case DS_TYPE_MAP:
        ds_string_printf(out, t->kind == DS_TYPE_SEQUENCE   ? "!ds.seq<"
                              : t->kind == DS_TYPE_OPTIONAL ? "!ds.optional<"
                                                            : "!ds.map<");
        print_types(out, t->inner, t->inner_count);
        ds_string_printf(out, ">");
        break;
    case DS_TYPE_FUNCTION:
        ds_string_printf(out, "(");
        print_types(out, t->inner, t->input_count);
        ds_string_printf(out, ") -> (");
        print_types(out, t->inner + t->input_count, t->inner_count - t->input_count);
        ds_string_printf(out, ")");
        break;
    case DS_TYPE_NONE: ds_string_printf(out, "none"); break;
    }
}

/* ---- attributes ---- */

/* The shortest decimal that comes back as v, read as a double or (single) as a float. */
static void print_number(ds_string *out, double v, bool single) {
    char text[64];
    if (isnan(v) || isinf(v)) {
        uint64_t bits;
        memcpy(&bits, &v, sizeof bits);
        ds_string_printf(out, "0x%016" PRIX64, bits);
        return;
    }
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*e", digits - 1, v);
        if (single ? strtof(text, NULL) == (float)v : strtod(text, NULL) == v) break;
    }
    ds_string_printf(out, "%s", text);
}

static void print_float(ds_string *out, double v) { print_number(out, v, false); }

static double element_as_double(const ds_attr *a, size_t i) {
    const unsigned char *p = a->bytes;
    if (a->type->elem == DS_f64) {
        double d;
        memcpy(&d, p + 8 * i, 8);
        return d;
    }
    float f;
    memcpy(&f, p + 4 * i, 4);
    return f;
}

static int64_t element_as_int(const ds_attr *a, size_t i) {
    const ds_elem_info *e = ds_elem_facts(a->type->elem);
    uint64_t v = 0;
    memcpy(&v, (const unsigned char *)a->bytes + i * (e->bits / 8), e->bits / 8);
    if (e->class == DS_CLASS_SINT && e->bits < 64 && (v >> (e->bits - 1) & 1)) v |= ~0ull << e->bits;
    return (int64_t)v;
}

static bool printable_elements(const ds_attr *a, uint64_t count) {
    const ds_elem_info *e = ds_elem_facts(a->type->elem);
    if (count == 0 || e->packed || a->type->kind != DS_TYPE_TENSOR) return false;
    if (e->class == DS_CLASS_FLOAT) {
        if (a->type->elem != DS_f32 && a->type->elem != DS_f64) return false;
        for (uint64_t i = 0; i < count; i++)
            if (!isfinite(element_as_double(a, i))) return false;
        return true;
    }
    return e->class == DS_CLASS_SINT || e->class == DS_CLASS_UINT || e->class == DS_CLASS_BOOL;
}

static void print_nested(ds_string *out, const ds_attr *a, size_t dim, size_t *at) {
    const ds_type *t = a->type;
    if (dim == t->rank) {
        if (t->elem == DS_b1) ds_string_printf(out, element_as_int(a, *at) ? "true" : "false");
        else if (ds_elem_is_float(t->elem)) print_number(out, element_as_double(a, *at), t->elem == DS_f32);
        else if (t->elem == DS_u64) ds_string_printf(out, "%" PRIu64, (uint64_t)element_as_int(a, *at));
        else ds_string_printf(out, "%" PRId64, element_as_int(a, *at));
        ++*at;
        return;
    }
    int64_t extent = t->dims[dim]->value;
    ds_string_printf(out, "[");
    for (int64_t i = 0; i < extent; i++) {
        if (i) ds_string_printf(out, ", ");
        print_nested(out, a, dim + 1, at);
    }
    ds_string_printf(out, "]");
}

/* Bytes as a hex string where decimals would not come back exactly, and names that are no identifiers: MLIR has no
 * syntax for them, so they are plain dictionaries. */
static void print_elements(ds_string *out, const ds_attr *a) {
    uint64_t count = 0;
    bool shaped = ds_type_static_count(a->type, &count);
    if (a->text) {
        bool bare = bare_identifier(a->text);
        if (bare) ds_string_printf(out, "dense_resource<%s> : ", a->text);
        else ds_string_printf(out, "{resource = ");
        if (!bare) print_quoted(out, a->text, strlen(a->text));
        if (!bare) ds_string_printf(out, ", type = ");
        ds_type_print(out, a->type);
        if (!bare) ds_string_printf(out, "}");
    } else if (shaped && printable_elements(a, count)) {
        size_t at = 0;
        ds_string_printf(out, "dense<");
        print_nested(out, a, 0, &at);
        ds_string_printf(out, "> : ");
        ds_type_print(out, a->type);
    } else {
        ds_string_printf(out, "{bytes = \"");
        for (size_t i = 0; i < a->count; i++) ds_string_printf(out, "%02X", ((const unsigned char *)a->bytes)[i]);
        ds_string_printf(out, "\", type = ");
        ds_type_print(out, a->type);
        ds_string_printf(out, "}");
    }
}

static void print_affine_map(ds_string *out, const ds_attr *a);

void ds_attr_print(ds_string *out, const ds_attr *a) {
    switch (a->kind) {
    case DS_ATTR_UNIT: ds_string_printf(out, "unit"); break;
    case DS_ATTR_BOOL: ds_string_printf(out, a->integer ? "true" : "false"); break;
    case DS_ATTR_INT: ds_string_printf(out, "%" PRId64, a->integer); break;
    case DS_ATTR_FLOAT:
        print_float(out, a->number);
        ds_string_printf(out, " : f64");
        break;
    case DS_ATTR_STRING: print_quoted(out, a->text, a->count); break;
    case DS_ATTR_EXPR:
        ds_string_printf(out, "\"");
        ds_expr_print(out, a->exprs[0]);
        ds_string_printf(out, "\"");
        break;
    case DS_ATTR_SYMBOL:
        ds_string_printf(out, "@");
        if (bare_identifier(a->text)) ds_string_printf(out, "%s", a->text);
        else print_quoted(out, a->text, strlen(a->text));
        break;
    case DS_ATTR_ARRAY:
        ds_string_printf(out, "[");
        for (size_t i = 0; i < a->count; i++) {
            if (i) ds_string_printf(out, ", ");
            ds_attr_print(out, a->items[i]);
        }
        ds_string_printf(out, "]");
        break;
    case DS_ATTR_DICT:
        ds_string_printf(out, "{");
        print_dict_entries(out, a->entries, a->count);
        ds_string_printf(out, "}");
        break;
    case DS_ATTR_TYPE: ds_type_print(out, a->type); break;
    case DS_ATTR_MAP: print_affine_map(out, a); break;
    case DS_ATTR_ELEMENTS: print_elements(out, a); break;
    }
}

static void collect_symbol(void *user, const char *name) {
    const char ***names = user;
    for (size_t i = 0; i < arrlenu(*names); i++)
        if ((*names)[i] == name) return;
    arrput(*names, name);
}

static bool has_min_max(const ds_expr *e) {
    if (e->kind == DS_EXPR_MIN || e->kind == DS_EXPR_MAX || e->kind == DS_EXPR_BROADCAST) return true;
    if (e->a && (has_min_max(e->a) || has_min_max(e->b))) return true;
    for (size_t i = 0; i < e->term_count; i++)
        for (size_t k = 0; k < e->terms[i].atom_count; k++)
            if (has_min_max(e->terms[i].atoms[k])) return true;
    return false;
}

/* An affine_map where MLIR's syntax can say it; expressions with min, max and broadcast, which it lacks, as {dims, map
 * = ["…"]}. */
static void print_affine_map(ds_string *out, const ds_attr *a) {
    bool plain = true;
    const char **symbols = NULL;
    for (size_t i = 0; i < a->count; i++) {
        plain = plain && !has_min_max(a->exprs[i]);
        ds_expr_each_symbol(a->exprs[i], collect_symbol, &symbols);
    }
    ds_string_printf(out, plain ? "affine_map<(" : "{dims = %lld, map = [", (long long)a->integer);
    if (plain) {
        for (int64_t i = 0; i < a->integer; i++) ds_string_printf(out, i ? ", d%" PRId64 : "d%" PRId64, i);
        ds_string_printf(out, ")");
        for (size_t i = 0; i < arrlenu(symbols); i++) ds_string_printf(out, i ? ", %s" : "[%s", symbols[i]);
        ds_string_printf(out, arrlenu(symbols) ? "] -> (" : " -> (");
    }
    for (size_t i = 0; i < a->count; i++) {
        ds_string_printf(out, plain ? (i ? ", " : "") : (i ? ", \"" : "\""));
        ds_expr_print(out, a->exprs[i]);
        if (!plain) ds_string_printf(out, "\"");
    }
    ds_string_printf(out, plain ? ")>" : "]}");
    arrfree(symbols);
}

/* ---- ops ---- */

static void indent(printer *p) {
    for (int i = 0; i < p->depth; i++) ds_string_append(p->out, "  ", 2);
}

static void name_value(printer *p, const ds_value *v, const char *prefix) {
    char text[24];
    snprintf(text, sizeof text, "%%%s%d", prefix, p->next++);
    while (arrlenu(p->names) <= v->id) arrput(p->names, NULL);
    size_t n = strlen(text) + 1;
    p->names[v->id] = ds_xmalloc(n);
    memcpy(p->names[v->id], text, n);
}

static void print_use(printer *p, const ds_value *v) {
    if (v->id < arrlenu(p->names) && p->names[v->id]) ds_string_printf(p->out, "%s", p->names[v->id]);
    else ds_string_printf(p->out, "%%v%u", v->id);
}

static void print_loc(printer *p, const ds_loc *loc) {
    if (loc->name) {
        print_quoted(p->out, loc->name, strlen(loc->name));
        return;
    }
    ds_string_printf(p->out, "fused[");
    print_loc(p, loc->first);
    ds_string_printf(p->out, ", ");
    print_loc(p, loc->second);
    ds_string_printf(p->out, "]");
}

static void print_op(printer *p, const ds_op *op);

static void print_block(printer *p, const ds_block *block, bool with_header) {
    ds_string_printf(p->out, "{\n");
    p->depth++;
    if (with_header && block->arg_count) {
        p->depth--;
        indent(p);
        p->depth++;
        ds_string_printf(p->out, "^bb0(");
        for (size_t i = 0; i < block->arg_count; i++) {
            name_value(p, block->args[i], "b");
            ds_string_printf(p->out, "%s%s: ", i ? ", " : "", p->names[block->args[i]->id]);
            ds_type_print(p->out, block->args[i]->type);
        }
        ds_string_printf(p->out, "):\n");
    }
    for (const ds_op *op = block->first; op; op = op->next) print_op(p, op);
    p->depth--;
    indent(p);
    ds_string_printf(p->out, "}");
}

static bool is_hidden(const ds_op *op, const char *name) {
    return op->kind == DS_FUNC && (!strcmp(name, "name") || !strcmp(name, "arg_attrs") || !strcmp(name, "res_attrs"));
}

static void print_attrs(printer *p, const ds_op *op, const char *before) {
    const ds_attr *all = NULL;
    ds_named_attr *shown = NULL;
    for (size_t i = 0; i < op->attr_count; i++)
        if (!is_hidden(op, op->attrs[i].name) && !(op->kind == DS_OPAQUE && strcmp(op->attrs[i].name, "ds.op") == 0))
            arrput(shown, op->attrs[i]);
    (void)all;
    if (arrlenu(shown)) {
        ds_string_printf(p->out, "%s{", before);
        print_dict_entries(p->out, shown, arrlenu(shown));
        ds_string_printf(p->out, "}");
    }
    arrfree(shown);
}

static void print_arg_attrs(printer *p, const ds_op *func, const char *which, size_t i) {
    const ds_attr *list = ds_op_attr(func, which);
    if (!list || i >= list->count || list->items[i]->count == 0) return;
    ds_string_printf(p->out, " ");
    ds_attr_print(p->out, list->items[i]);
}

static void print_func(printer *p, const ds_op *func) {
    const ds_block *block = ds_op_block(func, 0);
    const ds_op *ret = block->last;
    p->next = 0;
    ds_string_printf(p->out, "func.func ");
    ds_attr_print(p->out, ds_op_attr(func, "name"));
    ds_string_printf(p->out, "(");
    for (size_t i = 0; i < block->arg_count; i++) {
        name_value(p, block->args[i], "arg");
        ds_string_printf(p->out, "%s%s: ", i ? ", " : "", p->names[block->args[i]->id]);
        ds_type_print(p->out, block->args[i]->type);
        print_arg_attrs(p, func, "arg_attrs", i);
    }
    ds_string_printf(p->out, ")");
    p->next = 0;
    if (ret && ret->kind == DS_RETURN && ret->operand_count) {
        ds_string_printf(p->out, " -> (");
        for (size_t i = 0; i < ret->operand_count; i++) {
            if (i) ds_string_printf(p->out, ", ");
            ds_type_print(p->out, ds_op_operand(ret, i)->type);
            print_arg_attrs(p, func, "res_attrs", i);
        }
        ds_string_printf(p->out, ")");
    }
    print_attrs(p, func, " attributes ");
    ds_string_printf(p->out, " ");
    print_block(p, block, false);
    ds_string_printf(p->out, "\n");
}

static void print_operand_types(printer *p, const ds_op *op) {
    for (size_t i = 0; i < op->operand_count; i++) {
        if (i) ds_string_printf(p->out, ", ");
        ds_type_print(p->out, ds_op_operand(op, i)->type);
    }
}

static void print_generic(printer *p, const ds_op *op) {
    for (size_t i = 0; i < op->result_count; i++) {
        name_value(p, &op->results[i], "");
        ds_string_printf(p->out, i ? ", %s" : "%s", p->names[op->results[i].id]);
    }
    if (op->result_count) ds_string_printf(p->out, " = ");
    ds_string_printf(p->out, "\"%s\"(",
                     op->kind == DS_OPAQUE ? ds_op_text(op, "ds.op", "?") : ds_op_facts(op->kind)->name);
    for (size_t i = 0; i < op->operand_count; i++) {
        if (i) ds_string_printf(p->out, ", ");
        print_use(p, ds_op_operand(op, i));
    }
    ds_string_printf(p->out, ")");
    for (size_t r = 0; r < op->region_count; r++) {
        ds_string_printf(p->out, r ? ", " : " (");
        print_block(p, ds_op_block(op, r), true);
    }
    if (op->region_count) ds_string_printf(p->out, ")");
    print_attrs(p, op, " ");
    ds_string_printf(p->out, " : (");
    print_operand_types(p, op);
    ds_string_printf(p->out, ") -> %s", op->result_count == 1 ? "" : "(");
    for (size_t i = 0; i < op->result_count; i++) {
        if (i) ds_string_printf(p->out, ", ");
        ds_type_print(p->out, op->results[i].type);
    }
    if (op->result_count != 1) ds_string_printf(p->out, ")");
}

static void print_return(printer *p, const ds_op *op) {
    ds_string_printf(p->out, "func.return");
    for (size_t i = 0; i < op->operand_count; i++) {
        ds_string_printf(p->out, i ? ", " : " ");
        print_use(p, ds_op_operand(op, i));
    }
    if (op->operand_count) ds_string_printf(p->out, " : ");
    print_operand_types(p, op);
}

static void count_lines(printer *p) {
    for (; p->seen < p->out->length; p->seen++) p->line += p->out->data[p->seen] == '\n';
}

static void print_op(printer *p, const ds_op *op) {
    if (p->lines) {
        count_lines(p);
        hmput(*p->lines, op, p->line);
    }
    indent(p);
    if (op->kind == DS_FUNC) {
        print_func(p, op);
        return;
    }
    if (op->kind == DS_RETURN) print_return(p, op);
    else print_generic(p, op);
    if (ds_loc_is_named(op->loc)) {
        ds_string_printf(p->out, " loc(");
        print_loc(p, op->loc);
        ds_string_printf(p->out, ")");
    }
    if (p->note) p->note(p->user, p->out, op);
    ds_string_printf(p->out, "\n");
}

static void printer_free(printer *p) {
    for (size_t i = 0; i < arrlenu(p->names); i++) free(p->names[i]);
    arrfree(p->names);
}

void ds_op_print(ds_string *out, const ds_op *op) {
    printer p = {.out = out};
    print_op(&p, op);
    printer_free(&p);
}

unsigned ds_op_print_lines(ds_string *out, const ds_op *op, unsigned line, ds_op_line **lines) {
    printer p = {.out = out, .lines = lines, .line = line, .seen = out->length};
    print_op(&p, op);
    count_lines(&p);
    printer_free(&p);
    return p.line;
}

void ds_module_print(ds_string *out, ds_module *module) { ds_module_print_notes(out, module, NULL, NULL); }

void ds_module_print_notes(ds_string *out, ds_module *module, ds_op_note *note, void *user) {
    printer p = {.out = out, .note = note, .user = user};
    ds_string_printf(out, "module");
    if (arrlenu(module->attrs)) {
        ds_string_printf(out, " attributes {");
        print_dict_entries(out, module->attrs, arrlenu(module->attrs));
        ds_string_printf(out, "}");
    }
    ds_string_printf(out, " ");
    print_block(&p, module->body.block, false);
    ds_string_printf(out, "\n");
    printer_free(&p);
}
