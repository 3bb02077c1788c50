/* dsc check: a model's outputs against expected ones, tensor by tensor. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ir/eval.h"
#include "tools/model.h"

typedef struct {
    double rtol, atol;
    size_t compared, different;
} tolerance;

static double element(const ds_cells *c, size_t i) {
    return ds_elem_is_float(c->type->elem) ? c->cells[i].f : (double)c->cells[i].i;
}

/* output_I.pb, or output_I.npy, which has to be of the output's type. */
static ds_status read_expected(ds_ir_context *cx, ds_files *files, const ds_argument *a, const char *folder, size_t i,
                               const ds_attr **out) {
    const char *npy = ds_arena_printf(cx->arena, "%s/output_%zu.npy", folder, i);
    if (access(npy, R_OK))
        return ds_onnx_read_tensor(cx, files, ds_arena_printf(cx->arena, "%s/output_%zu.pb", folder, i), out);
    const ds_elem_info *e = ds_elem_facts(a->type->elem);
    ds_model_argument argument = {
        .name = a->name, .elem = e->name, .elem_bits = e->bits, .rank = (uint32_t)a->type->rank};
    ds_model_tensor tensor;
    const char *wrong = dsrt_npy_read(npy, &argument, &tensor);
    if (wrong) return ds_report(cx->diag, DS_ERROR, DS_E_inputs, NULL, "'%s' (output '%s'): %s", npy, a->name, wrong);
    const ds_expr *dims[DS_COUNT(tensor.dims)];
    for (size_t d = 0; d < a->type->rank; d++) dims[d] = ds_expr_const(cx, tensor.dims[d]);
    *out = ds_attr_elements(cx, ds_type_tensor(cx, a->type->elem, a->type->rank, dims, NULL), tensor.data, tensor.bytes,
                            NULL);
    free(tensor.data);
    return DS_OK;
}

/* Compares output i with a file; prints one line. */
static ds_status compare(const model *m, ds_ir_context *cx, ds_files *files, const model_call *call, size_t i,
                         const char *folder, tolerance *t) {
    const ds_argument *a = &m->built.signature.outputs[i];
    const ds_attr *want;
    DS_TRY(read_expected(cx, files, a, folder, i, &want));
    t->compared++;
    bool same = want->type->elem == a->type->elem && want->type->rank == a->type->rank;
    int64_t dims[64];
    for (size_t d = 0; same && d < want->type->rank; d++)
        same = (dims[d] = want->type->dims[d]->value) == call->outputs[i].dims[d];
    if (!same) {
        printf("output %zu '%s': type or shape differs\n", i, a->name);
        t->different++;
        return DS_OK;
    }
    ds_arena *arena = ds_arena_create();
    ds_cells *x = ds_cells_from_bytes(arena, a->type, dims, call->outputs[i].data),
             *y = ds_cells_from_bytes(arena, want->type, dims, want->bytes);
    size_t bad = 0, first = 0;
    double worst = 0;
    for (size_t k = 0; k < x->count; k++) {
        double p = element(x, k), q = element(y, k), difference = fabs(p - q);
        bool ok = p == q || (p != p && q != q) || difference <= t->atol + t->rtol * fabs(q);
        if (!ok && !bad++) first = k;
        if (difference > worst) worst = difference;
    }
    if (bad)
        printf("output %zu '%s': %zu of %zu elements differ, the first at %zu: %g, expected %g\n", i, a->name, bad,
               x->count, first, element(x, first), element(y, first));
    else printf("output %zu '%s': ok, largest difference %g\n", i, a->name, worst);
    t->different += bad > 0;
    ds_arena_destroy(arena);
    return DS_OK;
}

static ds_status check_folder(const cli *c, const model *m, ds_ir_context *cx, ds_files *files, const char *inputs,
                              const char *expected, tolerance *t) {
    model_call call = {0};
    uint32_t threads = (uint32_t)cli_number(c, "threads");
    ds_pool *pool = threads > 1 ? dsrt_pool_create(threads) : NULL;
    ds_status status = call_open(m, cx, files, inputs, &call);
    if (status == DS_OK) status = call_poison(c, &call);
    if (status == DS_OK) status = call_run(m, cx, pool, &call);
    for (size_t i = 0; status == DS_OK && i < m->built.signature.output_count; i++)
        status = compare(m, cx, files, &call, i, expected, t);
    call_close(m, &call);
    dsrt_pool_destroy(pool);
    return status;
}

/* Hands over to check_onnxruntime.py, which lies beside dsc or in share/dsc. Returns only when that cannot be
 * started. */
static ds_status check_with_onnxruntime(const cli *c, ds_ir_context *cx) {
    const char *script = model_beside(cx, "check_onnxruntime.py"), *dot = strrchr(c->arguments[0], '.');
    if ((dot && !strcmp(dot, ".mlir")) || !strcmp(c->arguments[0], "-")) {
        fprintf(stderr, "dsc: error: --reference=onnxruntime needs an ONNX model, not '%s'\n", c->arguments[0]);
        return DS_BAD_USAGE;
    }
    if (access(script, R_OK)) script = model_beside(cx, "../share/dsc/check_onnxruntime.py");
    const char **args = NULL;
    arrput(args, "python3");
    arrput(args, script);
    arrput(args, model_own_path(cx));
    arrput(args, c->arguments[0]);
    for (size_t i = 0; i < arrlenu(c->options); i++)
        if (strcmp(c->options[i].name, "reference"))
            arrput(args, ds_arena_printf(cx->arena, "--%s=%s", c->options[i].name, c->options[i].value));
    arrput(args, NULL);
    execvp(args[0], (char *const *)(uintptr_t)args);
    return ds_report(cx->diag, DS_ERROR, DS_E_file, NULL, "cannot start python3: %s", strerror(errno));
}

ds_status cmd_check(const cli *c, ds_ir_context *cx) {
    model m;
    if (!strcmp(cli_value(c, "reference", ""), "onnxruntime") && arrlenu(c->arguments) == 1)
        return check_with_onnxruntime(c, cx);
    ds_files files = {0};
    tolerance t = {.rtol = cli_number(c, "rtol"), .atol = cli_number(c, "atol")};
    ds_status status = model_open(c, cx, &files, c->dims, arrlenu(c->dims), &m);
    if (status == DS_OK && cli_has(c, "expect"))
        status = check_folder(c, &m, cx, &files, cli_value(c, "inputs", cli_value(c, "expect", ".")),
                              cli_value(c, "expect", "."), &t);
    else if (status == DS_OK) {
        const char *path = c->arguments[0], *slash = strrchr(path, '/');
        for (int i = 0; status == DS_OK && i < 1000; i++) {
            const char *folder =
                ds_arena_printf(cx->arena, "%.*stest_data_set_%d", slash ? (int)(slash - path + 1) : 0, path, i);
            if (access(folder, R_OK)) break;
            status = check_folder(c, &m, cx, &files, folder, folder, &t);
        }
        if (status == DS_OK && !t.compared)
            status = ds_report(cx->diag, DS_ERROR, DS_E_inputs, NULL,
                               "there is no test_data_set_0 beside the model: say --inputs and --expect");
    }
    if (status == DS_OK && t.different)
        status =
            ds_report(cx->diag, DS_ERROR, DS_E_mismatch, NULL, "%zu of %zu outputs differ", t.different, t.compared);
    model_close(&m);
    ds_files_close(&files);
    return status;
}
