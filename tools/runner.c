#include "tools/runner.h"

#include <stdlib.h>

ds_status runner_open(runner *r, const cli *c, ds_ir_context *cx, const ds_pass_options *passes,
                      const ds_named_attr *attr, size_t extra) {
    uint32_t threads = (uint32_t)cli_number(c, "threads");
    *r = (runner){.cx = cx};
    DS_TRY(model_load(c, cx, &r->files, c->dims, arrlenu(c->dims), &r->model.module));
    if (attr) ds_module_set_attr(r->model.module, attr->name, attr->value);
    DS_TRY(model_compile(c, cx, passes, &r->model));
    DS_TRY(call_link(&r->model, cx, &r->call));
    r->linked = true;
    r->sample_inputs = r->model.built.signature.input_count - extra;
    r->pool = threads > 1 ? dsrt_pool_create(threads) : NULL;
    return DS_OK;
}

void runner_set_input(runner *r, size_t k, void *data, size_t bytes, int64_t extent) {
    r->call.inputs[r->sample_inputs + k] = (ds_model_tensor){.data = data, .bytes = bytes, .dims = {extent}};
}

ds_status runner_run(runner *r, samples *from, size_t sample) {
    DS_TRY(samples_read(from, sample, r->call.inputs, r->call.owned));
    return call_run(&r->model, r->cx, r->pool, &r->call);
}

void runner_release(runner *r) {
    for (size_t i = 0; i < r->sample_inputs; i++) {
        if (r->call.owned[i]) free(r->call.inputs[i].data);
        r->call.owned[i] = false;
    }
    for (size_t i = 0; i < r->model.built.signature.output_count; i++) {
        free(r->call.outputs[i].data);
        r->call.outputs[i].data = NULL;
    }
}

void runner_close(runner *r) {
    if (r->linked) {
        runner_release(r);
        call_close(&r->model, &r->call);
    }
    dsrt_pool_destroy(r->pool);
    model_close(&r->model);
    ds_files_close(&r->files);
    *r = (runner){0};
}
