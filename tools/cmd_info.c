/* dsc info: what a model takes and gives; or ISA levels, passes and operators. */
#include <stdio.h>
#include <string.h>

#include "ir/alias.h"
#include "ir/document.h"
#include "ir/require.h"
#include "passes/schedule/schedule.h"
#include "tools/model.h"

static void list_operators(ds_string *out, const char *domain, const char *dialect) {
    size_t column = 0, skip = strlen(dialect);
    ds_string_printf(out, "\noperators (%s):\n ", domain);
    for (int k = 0; k < DS_OP_KIND_COUNT; k++) {
        const char *name = ds_op_facts((ds_op_kind)k)->name;
        if (strncmp(name, dialect, skip) || k == DS_ONNX_None) continue;
        size_t length = strlen(name) - skip + 1;
        column += length;
        ds_string_printf(out, column > 100 ? "\n  %s" : " %s", name + skip);
        if (column > 100) column = length;
    }
    ds_string_printf(out, "\n");
}

static void print_capabilities(void) {
    ds_string text = {0};
    ds_string_printf(&text, "ISA levels (--cpu):\n");
    for (size_t i = 0; ds_target_at(i); i++)
        ds_string_printf(&text, "  %-14s %u-byte vectors%s%s\n", ds_target_at(i)->name, ds_target_at(i)->vector_bytes,
                         ds_target_at(i)->has_fma ? ", fma" : "",
                         ds_target_runs_here(ds_target_at(i)) ? ", runs here" : "");
    const char *own = ds_machine_native();
    ds_string_printf(&text, "this machine: %s, %s\n\nmachines (--tune-for):\n", ds_target_find("native")->name,
                     own ? own : "no row of its own");
    const ds_machine *machine;
    for (size_t i = 0; (machine = ds_machine_at(i)); i++)
        ds_string_printf(&text, "  %-16s at %-10s %s\n", machine->name, machine->level, machine->doc);
    ds_string_printf(&text,
                     "\npasses (--without takes those with a star, and tile, the register tiles, and unroll):\n");
    ds_passes_list(&text);
    ds_string_printf(&text, "\nprograms (ways to compute a kernel: the attribute schedule):\n");
    ds_programs_list(&text);
    list_operators(&text, "ai.onnx", "onnx.");
    list_operators(&text, "com.microsoft", "microsoft.");
    fputs(text.data, stdout);
    ds_string_free(&text);
}

static void print_ir(void) {
    ds_string text = {0};
    ds_ir_document(&text);
    fputs(text.data, stdout);
    ds_string_free(&text);
}

static void print_values(ds_string *out, const char *title, const ds_op *func, ds_value *const *values, size_t count,
                         const char *attrs) {
    const ds_attr *names = ds_op_attr(func, attrs);
    for (size_t i = 0; i < count; i++) {
        const ds_attr *name = names && i < names->count ? ds_attr_find(names->items[i], "ds.name") : NULL;
        ds_string_printf(out, "%s %zu: '%s' ", title, i, name ? name->text : "");
        ds_type_print(out, values[i]->type);
        ds_string_printf(out, "\n");
    }
}

static void print_aliases(ds_string *out, ds_module *m, const ds_op *func, size_t results) {
    for (size_t i = 0; i < results; i++)
        if (ds_alias_of(func, i) >= 0)
            ds_string_printf(out, "alias: output '%s' lies in the memory of input '%s'\n", ds_result_name(m, func, i),
                             ds_argument_name(m, func, (size_t)ds_alias_of(func, i)));
}

/* What the model takes for granted, and is checked while it runs. */
static void print_requirements(ds_string *out, const ds_op *func) {
    ds_requirement *list = ds_requirements_in(ds_op_block(func, 0));
    for (size_t i = 0; i < arrlenu(list); i++) {
        ds_string_printf(out, "needs ");
        ds_requirement_print_relation(out, &list[i]);
        ds_string_printf(out, " (%s: %s)\n", list[i].node, list[i].what);
    }
    arrfree(list);
}

static void print_defaults(ds_string *out, const ds_module *m) {
    const ds_attr *defaults = ds_module_attr(m, "ds.defaults");
    for (size_t i = 0; defaults && i < defaults->count; i++)
        ds_string_printf(out, "compiled in: '%s', an input with an initialiser (--input='%s' makes it an input)\n",
                         defaults->items[i]->text, defaults->items[i]->text);
}

ds_status cmd_info(const cli *c, ds_ir_context *cx) {
    ds_files files = {0};
    ds_module *m = NULL;
    ds_string text = {0};
    ds_pass_options passes = {.target = ds_target_at(0), .machine = ds_machine_at(0), .passes = "decompose"};
    if (arrlenu(c->arguments) == 0) {
        if (cli_has(c, "ir")) print_ir();
        else print_capabilities();
        return DS_OK;
    }
    ds_status status = model_load(c, cx, &files, c->dims, arrlenu(c->dims), &m);
    if (status == DS_OK) status = ds_passes_run(m, &passes);
    if (status == DS_OK) {
        const ds_op *func = ds_module_find(m, "main");
        const ds_block *block = ds_op_block(func, 0);
        ds_value **results = NULL;
        for (size_t i = 0; i < block->last->operand_count; i++) arrput(results, ds_op_operand(block->last, i));
        print_values(&text, "input", func, block->args, block->arg_count, "arg_attrs");
        print_values(&text, "output", func, results, arrlenu(results), "res_attrs");
        print_aliases(&text, m, func, arrlenu(results));
        const ds_attr *symbols = ds_module_attr(m, "ds.symbols");
        for (size_t i = 0; symbols && i < symbols->count; i++)
            ds_string_printf(&text, "symbol %s: '%s' in the model\n", symbols->entries[i].name,
                             symbols->entries[i].value->text);
        print_requirements(&text, func);
        print_defaults(&text, m);
        if (text.data) fputs(text.data, stdout);
        arrfree(results);
    }
    ds_string_free(&text);
    ds_module_destroy(m);
    ds_files_close(&files);
    return status;
}
