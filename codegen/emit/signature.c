#include "codegen/emit/signature.h"

#include <ctype.h>
#include <string.h>

static bool is_taken(const ds_signature *s, const char *field) {
    for (size_t i = 0; i < arrlenu(s->inputs); i++)
        if (!strcmp(s->inputs[i].field, field)) return true;
    for (size_t i = 0; i < arrlenu(s->outputs); i++)
        if (!strcmp(s->outputs[i].field, field)) return true;
    return false;
}

static const char *field_name(ds_module *m, const ds_signature *s, const char *name) {
    static const char *const keywords[] = {
        "auto",     "break",     "case",     "char",   "const",  "continue", "default", "do",     "double",   "else",
        "enum",     "extern",    "float",    "for",    "goto",   "if",       "inline",  "int",    "long",     "register",
        "restrict", "return",    "short",    "signed", "sizeof", "static",   "struct",  "switch", "typedef",  "union",
        "unsigned", "void",      "volatile", "while",  "class",  "new",      "delete",  "this",   "template", "public",
        "private",  "namespace", "bool",     "true",   "false",  "operator", "and",     "or",     "not"};
    char *clean = ds_arena_printf(m->arena, "%s", *name ? name : "value");
    for (char *c = clean; *c; c++)
        if (!isalnum((unsigned char)*c)) *c = '_';
    bool reserved = isdigit((unsigned char)*clean);
    for (size_t i = 0; i < DS_COUNT(keywords); i++) reserved = reserved || !strcmp(clean, keywords[i]);
    const char *field = reserved ? ds_arena_printf(m->arena, "_%s", clean) : clean, *base = field;
    for (int i = 2; is_taken(s, field); i++) field = ds_arena_printf(m->arena, "%s_%d", base, i);
    return field;
}

static void note_symbol(void *user, const char *name) {
    ds_signature *s = user;
    for (size_t i = 0; i < arrlenu(s->symbols); i++)
        if (!strcmp(s->symbols[i], name)) return;
    arrput(s->symbols, name);
}

static void add(ds_signature *s, ds_module *m, const ds_type *type, const ds_attr *attrs, size_t i, bool output) {
    const ds_attr *name = attrs && i < attrs->count ? ds_attr_find(attrs->items[i], "ds.name") : NULL;
    const char *text = name ? name->text : ds_arena_printf(m->arena, output ? "output_%zu" : "input_%zu", i);
    ds_argument a = {text, field_name(m, s, text), type, ds_type_is_static(type), s->bytes};
    s->bytes += 16 + (a.is_static ? 0 : 8 * type->rank);
    for (size_t d = 0; !output && d < type->rank; d++) ds_expr_each_symbol(type->dims[d], note_symbol, s);
    if (output) arrput(s->outputs, a);
    else arrput(s->inputs, a);
}

void ds_signature_open(ds_signature *s, ds_module *m, const ds_op *plan) {
    const ds_attr *inputs = ds_op_attr(plan, "inputs"), *outputs = ds_op_attr(plan, "outputs");
    *s = (ds_signature){.input_count = inputs->count, .output_count = outputs->count};
    for (size_t i = 0; i < inputs->count; i++) add(s, m, inputs->items[i]->type, ds_op_attr(plan, "arg_attrs"), i, false);
    for (size_t i = 0; i < outputs->count; i++) add(s, m, outputs->items[i]->type, ds_op_attr(plan, "result_attrs"), i, true);
    s->symbol_count = arrlenu(s->symbols);
}

void ds_signature_close(ds_signature *s) { arrfree(s->inputs), arrfree(s->outputs), arrfree(s->symbols); }

const char *ds_symbol_original(const ds_module *module, const char *symbol) {
    const ds_attr *a = ds_attr_find(ds_module_attr(module, "ds.symbols"), symbol);
    return a ? a->text : symbol;
}
