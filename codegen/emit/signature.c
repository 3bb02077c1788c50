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

static void add(ds_signature *s, ds_module *m, const ds_op *plan, size_t i, bool output) {
    const ds_attr *attrs = ds_op_attr(plan, output ? "result_attrs" : "arg_attrs"), *tied = output ? ds_op_attr(plan, "tied") : NULL;
    const ds_type *type = ds_op_attr(plan, output ? "outputs" : "inputs")->items[i]->type;
    const ds_attr *name = attrs && i < attrs->count ? ds_attr_find(attrs->items[i], "ds.name") : NULL;
    const char *text = name ? name->text : ds_arena_printf(m->arena, output ? "output_%zu" : "input_%zu", i);
    ds_argument a = {
        text, field_name(m, s, text), type, ds_type_is_static(type), s->bytes, tied && i < tied->count ? tied->items[i]->integer : -1};
    s->bytes += 16 + (a.is_static ? 0 : 8 * type->rank);
    for (size_t d = 0; !output && d < type->rank; d++) ds_expr_each_symbol(type->dims[d], note_symbol, s);
    if (output) arrput(s->outputs, a);
    else arrput(s->inputs, a);
}

void ds_signature_open(ds_signature *s, ds_module *m, const ds_op *plan) {
    *s = (ds_signature){.input_count = ds_op_attr(plan, "inputs")->count, .output_count = ds_op_attr(plan, "outputs")->count};
    for (size_t i = 0; i < s->input_count; i++) add(s, m, plan, i, false);
    for (size_t i = 0; i < s->output_count; i++) add(s, m, plan, i, true);
    s->symbol_count = arrlenu(s->symbols);
}

void ds_signature_close(ds_signature *s) { arrfree(s->inputs), arrfree(s->outputs), arrfree(s->symbols); }

const char *ds_symbol_original(const ds_module *module, const char *symbol) {
    const ds_attr *a = ds_attr_find(ds_module_attr(module, "ds.symbols"), symbol);
    return a ? a->text : symbol;
}
