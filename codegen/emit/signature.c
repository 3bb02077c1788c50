#include "codegen/emit/signature.h"

#include <string.h>

#include "codegen/emit/names.h"
#include "ir/alias.h"

static bool is_taken(const ds_signature *s, const char *field) {
    for (size_t i = 0; i < arrlenu(s->inputs); i++)
        if (!strcmp(s->inputs[i].field, field)) return true;
    for (size_t i = 0; i < arrlenu(s->outputs); i++)
        if (!strcmp(s->outputs[i].field, field)) return true;
    return false;
}

/* With a number behind it where the name is taken. */
static const char *unique(ds_module *m, const ds_signature *s, const char *name,
                          bool taken(const ds_signature *, const char *)) {
    const char *base = name, *gap = name[strlen(name) - 1] == '_' ? "" : "_";
    for (int i = 2; taken(s, name) || !ds_name_may_be_member(name); i++)
        name = ds_arena_printf(m->arena, "%s%s%d", base, gap, i);
    return name;
}

static const char *field_name(ds_module *m, const ds_signature *s, const char *name) {
    return unique(m, s, ds_name_member(m->arena, name, "value"), is_taken);
}

static bool is_parameter(const ds_signature *s, const char *name) {
    for (size_t i = 0; i < arrlenu(s->parameters); i++)
        if (!strcmp(s->parameters[i], name)) return true;
    return !strcmp(name, "lanes");
}

static void note_symbol(void *user, const char *name) {
    ds_signature *s = user;
    for (size_t i = 0; i < arrlenu(s->symbols); i++)
        if (!strcmp(s->symbols[i], name)) return;
    arrput(s->symbols, name);
}

static void add(ds_signature *s, ds_module *m, const ds_op *plan, size_t i, bool output) {
    const ds_attr *attrs = ds_op_attr(plan, output ? "result_attrs" : "arg_attrs"),
                  *tied = output ? ds_op_attr(plan, "tied") : NULL;
    const ds_type *memory = ds_op_attr(plan, output ? "outputs" : "inputs")->items[i]->type,
                  *type = output ? ds_result_filled(plan, i, memory) : ds_argument_filled(plan, i, memory);
    const ds_attr *name = attrs && i < attrs->count ? ds_attr_find(attrs->items[i], "ds.name") : NULL;
    const char *text = name ? name->text : ds_arena_printf(m->arena, output ? "output_%zu" : "input_%zu", i);
    ds_argument a = {text,
                     field_name(m, s, text),
                     type,
                     memory,
                     ds_room_dim(memory, type),
                     ds_type_is_static(type),
                     s->bytes,
                     tied && i < tied->count ? tied->items[i]->integer : -1,
                     output && ds_alias_of(plan, i) >= 0};
    if (a.is_alias) a.tied = ds_alias_of(plan, i);
    s->bytes += 16 + (a.is_static ? 0 : 8 * type->rank);
    for (size_t d = 0; !output && d < type->rank; d++) ds_expr_each_symbol(type->dims[d], note_symbol, s);
    if (output) arrput(s->outputs, a);
    else arrput(s->inputs, a);
}

const ds_expr *ds_room_symbol(const ds_argument *a) { return a->room_dim < 0 ? NULL : a->memory->dims[a->room_dim]; }

void ds_signature_open(ds_signature *s, ds_module *m, const ds_op *plan) {
    *s = (ds_signature){.input_count = ds_op_attr(plan, "inputs")->count,
                        .output_count = ds_op_attr(plan, "outputs")->count};
    for (size_t i = 0; i < s->input_count; i++) add(s, m, plan, i, false);
    for (size_t i = 0; i < s->output_count; i++) add(s, m, plan, i, true);
    for (size_t i = 0; i < s->input_count; i++)
        if (s->inputs[i].room_dim >= 0) note_symbol(s, ds_room_symbol(&s->inputs[i])->name);
    s->symbol_count = arrlenu(s->symbols);
    for (size_t i = 0; i < s->symbol_count; i++) {
        const char *parameter = unique(m, s, ds_name_member(m->arena, s->symbols[i], "extent"), is_parameter);
        arrput(s->parameters, parameter);
    }
}

void ds_signature_close(ds_signature *s) {
    arrfree(s->inputs), arrfree(s->outputs), arrfree(s->symbols), arrfree(s->parameters);
}

void ds_signature_print_alias(ds_string *out, const ds_signature *s, const ds_argument *result) {
    ds_string_printf(out, "result '%s' lies in the memory of input '%s'", result->name, s->inputs[result->tied].name);
}

const char *ds_symbol_original(const ds_module *module, const char *symbol) {
    const ds_attr *a = ds_attr_find(ds_module_attr(module, "ds.symbols"), symbol);
    return a ? a->text : symbol;
}
