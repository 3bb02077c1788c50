#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "codegen/emit/output.h"
#include "tools/measure.h"

extern char **environ;

double measure_now(void) {
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
        ds_model_tensor value;
        bool owned, npy;
        const ds_type *type = block->args[i]->type;
        if (type->kind != DS_TYPE_TENSOR) continue;
        status = model_read_input(cx, files, cli_value(c, "inputs", "."), i, block->args[i]->name, type, &value, &owned, &npy);
        for (size_t d = 0; status == DS_OK && d < type->rank; d++)
            if (type->dims[d]->kind == DS_EXPR_SYMBOL) {
                ds_dim_value fixed = {type->dims[d]->name, value.dims[d]};
                arrput(*out, fixed);
            }
        if (owned) free(value.data);
    }
    ds_module_destroy(m);
    return status;
}

/* Files of the measured process: in a folder of its own, removed at the end. */
typedef struct {
    ds_ir_context *cx;
    char folder[64];
    const char **files; /* stb_ds array */
} workplace;

static const char *made(workplace *w, const char *name) {
    const char *path = ds_arena_printf(w->cx->arena, "%s/%s", w->folder, name);
    arrput(w->files, path);
    return path;
}

static ds_status write_inputs(const cli *c, workplace *w, ds_files *files, const ds_signature *s, const char ***args) {
    for (size_t i = 0; i < s->input_count; i++) {
        const ds_argument *a = &s->inputs[i];
        const ds_elem_info *e = ds_elem_facts(a->type->elem);
        ds_model_argument argument = {.name = a->name, .elem = e->name, .elem_bits = e->bits, .rank = (uint32_t)a->type->rank};
        ds_model_tensor value;
        bool owned, npy;
        const char *path = made(w, ds_arena_printf(w->cx->arena, "input_%zu.npy", i));
        DS_TRY(model_read_input(w->cx, files, cli_value(c, "inputs", "."), i, a->name, a->type, &value, &owned, &npy));
        const char *wrong = dsrt_npy_write(path, &argument, &value);
        if (owned) free(value.data);
        if (wrong) return ds_report(w->cx->diag, DS_ERROR, DS_E_inputs, NULL, "input '%s': %s", a->name, wrong);
        arrput(*args, path);
    }
    return DS_OK;
}

/* Its standard output goes to file `output`, or where ours goes. */
static ds_status run_child(ds_ir_context *cx, const char **args, const char *output) {
    pid_t pid;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    if (output) posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    int status = 0, error = posix_spawn(&pid, args[0], &actions, NULL, (char *const *)(uintptr_t)args, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error) return ds_report(cx->diag, DS_ERROR, DS_E_file, NULL, "cannot start '%s': %s", args[0], strerror(error));
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    return status == 0 ? DS_OK : ds_report(cx->diag, DS_ERROR, DS_E_run, NULL, "the measured process failed");
}

static ds_status run_measured(const cli *c, workplace *w, ds_files *files, ds_module *m, const ds_pass_options *passes,
                              const measure_request *request) {
    ds_built built;
    bool profiled = request->report != NULL;
    double start = measure_now(), seconds = request->seconds > 0 ? request->seconds : cli_number(c, "seconds");
    const char **args = NULL, *so = made(w, "model.so"), *weights = made(w, "model.weights");
    ds_arena *arena = w->cx->arena;
    made(w, "model.h");
    DS_TRY(ds_passes_run(m, passes));
    ds_cpu_options cpu = {.target = passes->target,
                          .prefix = "model",
                          .optimise = (int)cli_number(c, "optimise"),
                          .jobs = (int)cli_number(c, "jobs"),
                          .traced = profiled};
    ds_output_options o = {so, cpu.prefix, c->arguments[0], cpu.target, true};
    ds_status status = ds_build(m, &cpu, &built);
    if (status == DS_OK) status = ds_output_write(m, &built, DS_FORM_SHARED, &o);
    const char *members = ds_arena_printf(arena, "\"compile_s\": %.3f, \"code_bytes\": %" PRIu64 ", \"weight_bytes\": %" PRIu64,
                                          measure_now() - start, built.code.code_bytes, built.code.weight_bytes);
    const char *const fixed[] = {model_beside(w->cx, "dsc-bench"),
                                 so,
                                 cpu.prefix,
                                 built.code.weight_bytes ? weights : "-",
                                 ds_arena_printf(arena, "%d", (int)cli_number(c, "threads")),
                                 ds_arena_printf(arena, "%g", seconds),
                                 profiled ? "--profile" : members};
    for (size_t i = 0; i < DS_COUNT(fixed); i++) arrput(args, fixed[i]);
    if (status == DS_OK) status = write_inputs(c, w, files, &built.signature, &args);
    arrput(args, NULL);
    ds_built_free(&built);
    fflush(stdout);
    if (status == DS_OK) status = run_child(w->cx, args, profiled ? made(w, "output") : NULL);
    arrfree(args);
    return status;
}

ds_status measure_model(const cli *c, ds_ir_context *cx, const measure_request *request) {
    ds_files files = {0};
    ds_dim_value *dims = NULL;
    ds_module *m = NULL;
    ds_pass_options passes;
    workplace w = {.cx = cx, .folder = "/tmp/dsc-bench.XXXXXX"};
    DS_TRY(model_pass_options(c, cx, "native", &passes));
    if (request->schedule_count) passes.schedules = request->schedules, passes.schedule_count = request->schedule_count;
    if (!mkdtemp(w.folder)) return ds_report(cx->diag, DS_ERROR, DS_E_file, NULL, "cannot make a temporary folder: %s", strerror(errno));
    ds_status status = fix_dims(c, cx, &files, &dims);
    if (status == DS_OK) status = model_load(c, cx, &files, dims, arrlenu(dims), &m);
    if (status == DS_OK) status = run_measured(c, &w, &files, m, &passes, request);
    if (status == DS_OK && request->report) status = request->report(c, m, arrlast(w.files), request->user);
    for (size_t i = 0; i < arrlenu(w.files); i++) unlink(w.files[i]);
    rmdir(w.folder);
    arrfree(w.files), arrfree(dims);
    ds_module_destroy(m);
    ds_files_close(&files);
    return status;
}
