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

ds_status measure_dims(const cli *c, ds_ir_context *cx, ds_files *files, ds_dim_value **out) {
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
        status = model_read_input(cx, files, cli_value(c, "inputs", "."), i, block->args[i]->name, type, &value, &owned,
                                  &npy);
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

/* A file of the measured process. */
static const char *made(measured *w, const char *name) {
    const char *path = ds_arena_printf(w->cx->arena, "%s/%s", w->folder, name);
    arrput(w->files, path);
    return path;
}

static ds_status write_inputs(const cli *c, measured *w, const ds_signature *s) {
    for (size_t i = 0; i < s->input_count; i++) {
        const ds_argument *a = &s->inputs[i];
        const ds_elem_info *e = ds_elem_facts(a->type->elem);
        ds_model_argument argument = {
            .name = a->name, .elem = e->name, .elem_bits = e->bits, .rank = (uint32_t)a->type->rank};
        ds_model_tensor value;
        bool owned, npy;
        const char *path = made(w, ds_arena_printf(w->cx->arena, "input_%zu.npy", i));
        DS_TRY(model_read_input(w->cx, &w->mapped, cli_value(c, "inputs", "."), i, a->name, a->type, &value, &owned,
                                &npy));
        const char *wrong = dsrt_npy_write(path, &argument, &value);
        if (owned) free(value.data);
        if (wrong) return ds_report(w->cx->diag, DS_ERROR, DS_E_inputs, NULL, "input '%s': %s", a->name, wrong);
        arrput(w->args, path);
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

enum { MODEL = 1, WEIGHTS = 3, SECONDS = 5 }; /* which arguments of dsc-bench these are */

static ds_status build(const cli *c, measured *w, const ds_pass_options *passes) {
    ds_built built;
    double start = measure_now();
    const char *so = made(w, "model.so"), *weights = made(w, "model.weights");
    ds_arena *arena = w->cx->arena;
    made(w, "model.h");
    DS_TRY(ds_passes_run(w->module, passes));
    ds_cpu_options cpu = {.target = passes->target,
                          .prefix = "model",
                          .optimise = (int)cli_number(c, "optimise"),
                          .jobs = (int)cli_number(c, "jobs"),
                          .traced = w->traced};
    ds_output_options o = {so, cpu.prefix, c->arguments[0], cpu.target, true, cpu.timing};
    ds_status status = model_build(c, w->module, &cpu, &built);
    if (status == DS_OK) status = ds_output_write(w->module, &built, DS_FORM_SHARED, &o);
    const char *members =
        ds_arena_printf(arena, "\"compile_s\": %.3f, \"code_bytes\": %" PRIu64 ", \"weight_bytes\": %" PRIu64,
                        measure_now() - start, built.code.code_bytes, built.code.weight_bytes);
    const char *const fixed[] = {model_beside(w->cx, "dsc-bench"),
                                 so,
                                 cpu.prefix,
                                 built.code.weight_bytes ? weights : "-",
                                 ds_arena_printf(arena, "%d", (int)cli_number(c, "threads")),
                                 "",
                                 w->traced ? "--profile" : members};
    for (size_t i = 0; i < DS_COUNT(fixed); i++) arrput(w->args, fixed[i]);
    if (status == DS_OK) status = write_inputs(c, w, &built.signature);
    arrput(w->args, NULL);
    ds_built_free(&built);
    return status;
}

ds_status measure_open(const cli *c, ds_ir_context *cx, const ds_pass_options *passes, bool traced, measured *w) {
    ds_dim_value *dims = NULL;
    *w = (measured){.cx = cx, .folder = "/tmp/dsc-bench.XXXXXX", .traced = traced};
    if (!mkdtemp(w->folder)) {
        w->folder[0] = 0;
        return ds_report(cx->diag, DS_ERROR, DS_E_file, NULL, "cannot make a temporary folder: %s", strerror(errno));
    }
    ds_status status = measure_dims(c, cx, &w->mapped, &dims);
    if (status == DS_OK) status = model_load(c, cx, &w->mapped, dims, arrlenu(dims), &w->module);
    if (status == DS_OK) status = build(c, w, passes);
    arrfree(dims);
    return status;
}

ds_status measure_run(measured *w, double seconds, const char **out_file) {
    if (out_file) *out_file = made(w, "output");
    w->args[SECONDS] = ds_arena_printf(w->cx->arena, "%g", seconds);
    fflush(stdout);
    return run_child(w->cx, w->args, out_file ? *out_file : NULL);
}

ds_status measure_pair(measured *w, measured *other, double seconds, const char **out_file) {
    enum { EXTRA = SECONDS + 1 }; /* the argument behind which the other model is */
    const char **args = NULL;
    *out_file = made(w, "output");
    for (size_t i = 0; i < arrlenu(w->args); i++) {
        arrput(args, w->args[i]);
        if (i == EXTRA) arrput(args, other->args[MODEL]);
        if (i == EXTRA) arrput(args, other->args[WEIGHTS]);
    }
    args[SECONDS] = ds_arena_printf(w->cx->arena, "%g", seconds);
    args[EXTRA] = "--against";
    ds_status status = run_child(w->cx, args, *out_file);
    arrfree(args);
    return status;
}

void measure_close(measured *w) {
    for (size_t i = 0; i < arrlenu(w->files); i++) unlink(w->files[i]);
    if (w->folder[0]) rmdir(w->folder);
    arrfree(w->files);
    arrfree(w->args);
    ds_module_destroy(w->module);
    ds_files_close(&w->mapped);
}

ds_status measure_model(const cli *c, ds_ir_context *cx, const measure_request *request) {
    ds_pass_options passes;
    measured w;
    const char *output = NULL;
    DS_TRY(model_pass_options(c, cx, "native", &passes));
    ds_status status = measure_open(c, cx, &passes, request->report != NULL, &w);
    if (status == DS_OK) status = measure_run(&w, cli_number(c, "seconds"), request->report ? &output : NULL);
    if (status == DS_OK && request->report) status = request->report(c, w.module, output, request->user);
    measure_close(&w);
    return status;
}
