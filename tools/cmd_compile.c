/* dsc compile: a model to an object, archive, shared library, program, or text. */
#include <stdio.h>
#include <string.h>

#include "codegen/emit/names.h"
#include "codegen/emit/output.h"
#include "tools/compile.h"
#include "tools/report.h"

enum { EMBED_LIMIT_BITS = 30 }; /* weights up to 1 GiB are linked in */

/* The file's name without its suffixes. A program's own names must not meet those of the model in it, and nobody else
 * sees these. */
static const char *default_prefix(ds_ir_context *cx, const char *path, const char *form) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (!strcmp(form, "exe")) return "ds_program";
    return ds_name_global(cx->arena, ds_arena_strndup(cx->arena, name, strcspn(name, ".")));
}

static const char *form_of(const cli *c, const char *path) {
    static const struct {
        const char *suffix, *form;
    } suffixes[] = {{".o", "obj"}, {".a", "lib"}, {".so", "so"}, {".s", "asm"}, {".ll", "llvm"}, {".mlir", "mlir"}};
    const char *given = cli_value(c, "emit", NULL), *dot = strrchr(path, '.');
    for (size_t i = 0; !given && dot && i < DS_COUNT(suffixes); i++)
        if (!strcmp(dot, suffixes[i].suffix)) given = suffixes[i].form;
    return given ? given : "obj";
}

static ds_status write_code_text(const cli *c, ds_module *m, ds_cpu_options *options, const char *path) {
    ds_compiled code;
    ds_string text = {0};
    ds_cpu_part part = {"main", options, &code};
    options->cache = model_cache(c, m->cx);
    ds_status status = ds_cpu_compile(m, &part, 1);
    ds_cache_close(options->cache, m->cx->diag, options->timing);
    for (size_t i = 0; status == DS_OK && i < arrlenu(code.objects); i++)
        ds_string_append(&text, code.objects[i].bytes, code.objects[i].length);
    ds_span span = {text.data, text.length};
    if (status == DS_OK) status = ds_file_write(m->cx->diag, path, &span, 1);
    if (status == DS_OK) status = model_write_listing(c, m->cx, &code);
    ds_string_free(&text);
    ds_compiled_free(&code);
    return status;
}

static ds_status write_binary(const cli *c, ds_module *m, ds_cpu_options *options, const char *form, const char *path) {
    static const struct {
        const char *name;
        ds_form form;
    } forms[] = {{"obj", DS_FORM_OBJECT}, {"lib", DS_FORM_ARCHIVE}, {"so", DS_FORM_SHARED}, {"exe", DS_FORM_PROGRAM}};
    const char *where = cli_value(c, "weights", NULL);
    uint64_t total = 0;
    for (const ds_op *op = ds_op_block(ds_module_find(m, "main"), 0)->first; op; op = op->next)
        if (op->kind == DS_PLAN_weight) total += (uint64_t)ds_attr_to_expr(ds_op_attr(op, "bytes"))->value;
    bool external = where ? !strcmp(where, "file") : total > (uint64_t)1 << EMBED_LIMIT_BITS;
    options->embedded_weights = !external;
    ds_built built;
    ds_output_options o = {path, options->prefix, c->arguments[0], options->target, external, options->timing};
    ds_status status = model_build(c, m, options, &built);
    if (status == DS_OK) {
        status = DS_BAD_USAGE;
        for (size_t i = 0; i < DS_COUNT(forms); i++)
            if (!strcmp(form, forms[i].name)) status = ds_output_write(m, &built, forms[i].form, &o);
        if (status == DS_OK) status = model_write_listing(c, m->cx, &built.code);
        if (status == DS_BAD_USAGE) fprintf(stderr, "dsc: error: --emit has no form '%s'\n", form);
    }
    ds_built_free(&built);
    return status;
}

ds_status compile_to(const cli *c, ds_ir_context *cx, const ds_pass_options *passes, const char *path, bool reports) {
    ds_files files = {0};
    ds_module *m = NULL;
    const char *form = form_of(c, path), *prefix = cli_value(c, "prefix", NULL);
    if (prefix && ds_name_objection(prefix)) {
        fprintf(stderr, "dsc: error: --prefix '%s' %s\n", prefix, ds_name_objection(prefix));
        return DS_BAD_USAGE;
    }
    if (!prefix) prefix = default_prefix(cx, path, form);
    ds_status status = model_load(c, cx, &files, c->dims, arrlenu(c->dims), &m);
    ds_work before;
    if (status == DS_OK) status = reports ? report_run_passes(m, passes, &before) : ds_passes_run(m, passes);
    if (status == DS_OK && strcmp(form, "mlir")) status = model_check_plan(m);
    if (status == DS_OK && reports) report_print(c, m, &before);
    ds_cpu_options options = {.target = passes->target,
                              .prefix = prefix,
                              .optimise = (int)cli_number(c, "optimise"),
                              .jobs = (int)cli_number(c, "jobs"),
                              .want_text = !strcmp(form, "llvm"),
                              .want_assembly = !strcmp(form, "asm"),
                              .listing = cli_value(c, "debug", NULL),
                              .timing = cli_has(c, "timing"),
                              .traced = cli_has(c, "trace"),
                              .embedded_weights = true};
    if (status == DS_OK && !strcmp(form, "mlir")) status = model_write_text(m, path, false);
    else if (status == DS_OK && (options.want_text || options.want_assembly))
        status = write_code_text(c, m, &options, path);
    else if (status == DS_OK) status = write_binary(c, m, &options, form, path);
    ds_module_destroy(m);
    ds_files_close(&files);
    return status;
}

ds_status cmd_compile(const cli *c, ds_ir_context *cx) {
    ds_pass_options passes;
    const char *path = cli_value(c, "output", NULL), *arch = cli_value(c, "target", NULL);
#if defined(__aarch64__)
    const char *cpu = arch && !strcmp(arch, "x86_64") ? "x86-64-v3" : "aarch64";
#else
    const char *cpu = arch && !strcmp(arch, "aarch64") ? "aarch64" : "x86-64-v3";
#endif
    if (!path) {
        fprintf(stderr, "dsc: error: compile needs -o OUTPUT\n");
        return DS_BAD_USAGE;
    }
    DS_TRY(model_pass_options(c, cx, cpu, &passes));
    return compile_to(c, cx, &passes, path, cli_has(c, "report") && !passes.stop_after);
}
