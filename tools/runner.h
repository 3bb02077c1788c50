/* A model compiled in this process, and runs of it on samples. */
#ifndef DS_RUNNER_H
#define DS_RUNNER_H

#include "tools/model.h"
#include "tools/samples.h"

typedef struct {
    ds_ir_context *cx;
    ds_files files;
    model model;
    model_call call;
    ds_pool *pool;
    size_t sample_inputs; /* the first ones come from samples, the others from the caller */
    bool linked;
} runner;

/* Loads and compiles the command line's model. `attr`: what the module is told before the first pass, or NULL. `extra`:
 * how many inputs at the end are the caller's own. Close it in any case. */
DS_MUST_USE ds_status runner_open(runner *r, const cli *c, ds_ir_context *cx, const ds_pass_options *passes,
                                  const ds_named_attr *attr, size_t extra);
/* Runs on a sample; results are in r->call.outputs until runner_release. */
DS_MUST_USE ds_status runner_run(runner *r, samples *from, size_t sample);
void runner_release(runner *r);
void runner_close(runner *r);
/* The k-th input of the caller. */
void runner_set_input(runner *r, size_t k, void *data, size_t bytes, int64_t extent);

#endif
