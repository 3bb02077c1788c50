/* dsc bench: compiles to a shared library and measures it in a process of its own (tools/bench_child.c). */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "codegen/emit/output.h"
#include "tools/model.h"

extern char **environ;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* --dim values, and unless --dims=symbolic every symbol fixed at the size that the inputs have. */
static ds_status fix_dims(const cli *c, ds_ir_context *cx, ds_files *files, ds_dim_value **out) {
    ds_module *m;
    for (size_t i = 0; i < arrlenu(c->dims); i++) arrput(*out, c->dims[i]);
    if (!strcmp(cli_value(c, "dims", "fixed"), "symbolic") || !cli_has(c, "inputs")) return DS_OK;
    DS_TRY(model_load(c, cx, files, c->dims, arrlenu(c->dims), &m));
    const ds_block *block = ds_op_block(ds_module_find(m, "main"), 0);
    ds_status status = DS_OK;
    for (size_t i = 0; status == DS_OK && i < block->arg_count; i++) {
        const ds_attr *value;
        const ds_type *type = block->args[i]->type;
        status = ds_onnx_read_tensor(cx, files, ds_arena_printf(cx->arena, "%s/input_%zu.pb", cli_value(c, "inputs", "."), i), &value);
        for (size_t d = 0; status == DS_OK && type->kind == DS_TYPE_TENSOR && d < type->rank && d < value->type->rank; d++)
            if (type->dims[d]->kind == DS_EXPR_SYMBOL) {
                ds_dim_value fixed = {type->dims[d]->name, value->type->dims[d]->value};
                arrput(*out, fixed);
            }
    }
    ds_module_destroy(m);
    return status;
}

static ds_status write_job(const cli *c, ds_ir_context *cx, ds_files *files, const char *folder, const ds_built *b, double compile_s, bool external) {
    const ds_signature *s = &b->signature;
    ds_string job = {0};
    int64_t symbols[16] = {0};
    ds_string_printf(&job, "so %s/model.so\nentry model\nthreads %d\nseconds %g\nargs %" PRIu64 "\n", folder, (int)cli_number(c, "threads", 1), cli_number(c, "seconds", 2), s->bytes);
    if (external) ds_string_printf(&job, "weights %s/model.weights\n", folder);
    ds_string_printf(&job, "extra \"compile_s\": %.3f, \"code_bytes\": %" PRIu64 ", \"weight_bytes\": %" PRIu64 "\n", compile_s, b->code.code_bytes, b->code.weight_bytes);
    for (size_t i = 0; i < s->input_count; i++) {
        const ds_attr *value;
        DS_TRY(ds_onnx_read_tensor(cx, files, ds_arena_printf(cx->arena, "%s/input_%zu.pb", cli_value(c, "inputs", "."), i), &value));
        const char *raw = ds_arena_printf(cx->arena, "%s/in%zu", folder, i);
        ds_span span = {value->bytes, value->count};
        DS_TRY(ds_file_write(cx->diag, raw, &span, 1));
        ds_string_printf(&job, "in %" PRIu64 " %zu %s", s->inputs[i].offset, value->count, raw);
        for (size_t d = 0; !s->inputs[i].is_static && d < value->type->rank; d++) {
            ds_string_printf(&job, " %lld", (long long)value->type->dims[d]->value);
            for (size_t k = 0; k < s->symbol_count && k < DS_COUNT(symbols); k++)
                if (s->inputs[i].type->dims[d]->kind == DS_EXPR_SYMBOL && !strcmp(s->inputs[i].type->dims[d]->name, s->symbols[k])) symbols[k] = value->type->dims[d]->value;
        }
        ds_string_printf(&job, "\n");
    }
    for (size_t k = 0; k < s->symbol_count && k < DS_COUNT(symbols); k++) ds_string_printf(&job, "symbol %lld\n", (long long)symbols[k]);
    ds_span span = {job.data, job.length};
    ds_status status = ds_file_write(cx->diag, ds_arena_printf(cx->arena, "%s/job", folder), &span, 1);
    ds_string_free(&job);
    return status;
}

static ds_status run_child(ds_ir_context *cx, const char *folder) {
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = 0;
    const char *child = ds_arena_printf(cx->arena, "%s/dsc-bench", dirname(self)), *args[] = {child, ds_arena_printf(cx->arena, "%s/job", folder), NULL};
    pid_t pid;
    int status = 0, error = posix_spawn(&pid, child, NULL, NULL, (char *const *)(uintptr_t)args, environ);
    if (error) return ds_report(cx->diag, DS_ERROR, DS_E_file, NULL, "cannot start '%s': %s", child, strerror(error));
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    return status == 0 ? DS_OK : ds_report(cx->diag, DS_ERROR, DS_E_run, NULL, "the measured process failed");
}

ds_status cmd_bench(const cli *c, ds_ir_context *cx) {
    ds_files files = {0};
    ds_dim_value *dims = NULL;
    ds_module *m = NULL;
    ds_pass_options passes;
    ds_built built = {0};
    char folder[] = "/tmp/dsc-bench.XXXXXX";
    DS_TRY(model_pass_options(c, "native", &passes));
    ds_status status = fix_dims(c, cx, &files, &dims);
    double start = now();
    if (status == DS_OK) status = model_load(c, cx, &files, dims, arrlenu(dims), &m);
    if (status == DS_OK) status = ds_passes_run(m, &passes);
    ds_cpu_options cpu = {.target = passes.target, .prefix = "model", .optimise = (int)cli_number(c, "optimise", 2), .jobs = (int)cli_number(c, "jobs", 0)};
    if (status == DS_OK && !mkdtemp(folder)) status = ds_report(cx->diag, DS_ERROR, DS_E_file, NULL, "cannot make a temporary folder: %s", strerror(errno));
    if (status == DS_OK) {
        ds_output_options o = {ds_arena_printf(cx->arena, "%s/model.so", folder), cpu.prefix, c->arguments[0], cpu.target, true};
        status = ds_build(m, &cpu, &built);
        if (status == DS_OK) status = ds_output_write(m, &built, DS_FORM_SHARED, &o);
        if (status == DS_OK) status = write_job(c, cx, &files, folder, &built, now() - start, built.code.weight_bytes > 0);
        ds_built_free(&built);
        fflush(stdout);
        if (status == DS_OK) status = run_child(cx, folder);
        const char *const made[] = {"model.so", "model.h", "model.weights", "job"};
        for (size_t i = 0; i < DS_COUNT(made); i++) unlink(ds_arena_printf(cx->arena, "%s/%s", folder, made[i]));
        for (size_t i = 0; i < 256; i++) unlink(ds_arena_printf(cx->arena, "%s/in%zu", folder, i));
        rmdir(folder);
    }
    arrfree(dims);
    ds_module_destroy(m);
    ds_files_close(&files);
    return status;
}
