/* What the sub-commands share: a model loaded, taken through the pipeline, compiled and run in this process. */
#ifndef DS_MODEL_H
#define DS_MODEL_H

#include "codegen/cpu/jit.h"
#include "codegen/emit/build.h"
#include "tools/cli.h"

/* Imports MODEL (.onnx, or .mlir text) as the options say. */
DS_MUST_USE ds_status model_load(const cli *c, ds_ir_context *cx, ds_files *files, const ds_dim_value *dims, size_t dim_count, ds_module **out);
/* Pass options from the command line; DS_BAD_USAGE for an unknown --cpu. */
DS_MUST_USE ds_status model_pass_options(const cli *c, const char *default_cpu, ds_pass_options *out);

/* Prints the IR to `path` (- for standard output), large constants to <stem>.safetensors beside it. */
DS_MUST_USE ds_status model_write_text(ds_module *m, const char *path);

typedef struct {
    ds_module *module;
    ds_built built;
    ds_jit *jit;
} model;

/* Loads, optimises, compiles and links in memory. */
DS_MUST_USE ds_status model_open(const cli *c, ds_ir_context *cx, ds_files *files, const ds_dim_value *dims, size_t dim_count, model *out);
void model_close(model *m);

typedef struct {
    const ds_attr **inputs; /* stb_ds array: constants, one a model input */
    void **outputs;         /* stb_ds array: malloced */
    int64_t (*dims)[16];    /* stb_ds array: extents of outputs */
    uint64_t *bytes;        /* stb_ds array */
    uint8_t *args;
    ds_context context;
    void *arena;
} model_call;

/* Reads input_<i>.pb (or .npy) of a folder. */
DS_MUST_USE ds_status call_read_inputs(const model *m, ds_ir_context *cx, ds_files *files, const char *folder, model_call *call);
/* Runs once; may be repeated. Outputs are allocated on the first run. */
DS_MUST_USE ds_status call_run(const model *m, ds_ir_context *cx, ds_pool *pool, model_call *call);
void call_free(model_call *call);

#endif
