/* dsc run: compile in memory, run on the inputs of a folder, write the outputs; or generate tokens (generate.c). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/generate.h"

static ds_status write_output(const ds_argument *a, ds_ir_context *cx, const model_call *call, const char *folder,
                              size_t i) {
    const ds_model_tensor *t = &call->outputs[i];
    if (call->npy) {
        const char *path = ds_arena_printf(cx->arena, "%s/output_%zu.npy", folder, i),
                   *wrong = dsrt_npy_write(path, dsrt_model_output(call->model, (uint32_t)i), t);
        return wrong ? ds_report(cx->diag, DS_ERROR, DS_E_file, NULL, "'%s' (output '%s'): %s", path, a->name, wrong)
                     : DS_OK;
    }
    const ds_elem_info *facts = ds_elem_facts(a->type->elem);
    if (!facts->onnx)
        return ds_report(cx->diag, DS_ERROR, DS_E_file, NULL, "output '%s': ONNX has no element type %s", a->name,
                         facts->text);
    ds_string bytes = {0};
    ds_onnx_write_tensor(&bytes, a->name, a->type->elem, t->dims, a->type->rank, t->data, t->bytes);
    ds_span span = {bytes.data, bytes.length};
    ds_status status = ds_file_write(cx->diag, ds_arena_printf(cx->arena, "%s/output_%zu.pb", folder, i), &span, 1);
    ds_string_free(&bytes);
    return status;
}

static ds_status write_outputs(const model *m, ds_ir_context *cx, const model_call *call, const char *folder) {
    const ds_signature *s = &m->built.signature;
    if (mkdir(folder, 0777) && errno != EEXIST)
        return ds_report(cx->diag, DS_ERROR, DS_E_file, NULL, "cannot make folder '%s': %s", folder, strerror(errno));
    for (size_t i = 0; i < s->output_count; i++) DS_TRY(write_output(&s->outputs[i], cx, call, folder, i));
    return DS_OK;
}

/* Options that say nothing without --generate. */
static ds_status check_options(const cli *c) {
    static const char *const others[] = {"ids", "temperature", "top-k", "seed", "feed", "output"};
    for (size_t i = 0; i < DS_COUNT(others); i++)
        if (cli_has(c, others[i])) {
            fprintf(stderr, "dsc: error: --%s is for --generate\n", others[i]);
            return DS_BAD_USAGE;
        }
    return DS_OK;
}

ds_status cmd_run(const cli *c, ds_ir_context *cx) {
    if (cli_has(c, "generate")) return generate(c, cx);
    DS_TRY(check_options(c));
    model m;
    model_call call = {0};
    ds_files files = {0};
    uint32_t threads = (uint32_t)cli_number(c, "threads");
    ds_pool *pool = threads > 1 ? dsrt_pool_create(threads) : NULL;
    ds_status status = model_open(c, cx, &files, c->dims, arrlenu(c->dims), &m);
    if (status == DS_OK && m.built.signature.input_count && !cli_has(c, "inputs"))
        status = ds_report(cx->diag, DS_ERROR, DS_E_inputs, NULL, "the model has %zu inputs: say --inputs=DIR",
                           m.built.signature.input_count);
    if (status == DS_OK) status = call_open(&m, cx, &files, cli_value(c, "inputs", "."), &call);
    if (status == DS_OK) status = call_poison(c, &call);
    if (status == DS_OK) status = call_run(&m, cx, pool, &call);
    if (status == DS_OK && cli_has(c, "outputs")) status = write_outputs(&m, cx, &call, cli_value(c, "outputs", "."));
    call_close(&m, &call);
    model_close(&m);
    dsrt_pool_destroy(pool);
    ds_files_close(&files);
    return status;
}
