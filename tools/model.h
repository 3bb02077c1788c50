/* What the sub-commands share: a model loaded, taken through the pipeline, compiled and run in this process. */
#ifndef DS_MODEL_H
#define DS_MODEL_H

#include "codegen/cpu/jit.h"
#include "codegen/emit/build.h"
#include "runtime/libdsrt.h"
#include "tools/cli.h"

/* The path of this program, and that of a companion beside it. */
const char *model_own_path(ds_ir_context *cx);
const char *model_beside(ds_ir_context *cx, const char *name);

/* Imports MODEL (.onnx, or .mlir text) as the options say. */
DS_MUST_USE ds_status model_load(const cli *c, ds_ir_context *cx, ds_files *files, const ds_dim_value *dims,
                                 size_t dim_count, ds_module **out);
/* Writes the listing that debug information refers to where --debug wants it. */
DS_MUST_USE ds_status model_write_listing(const cli *c, ds_ir_context *cx, const ds_compiled *code);
/* Pass options from the command line, with the schedules of --schedules; DS_BAD_USAGE for an unknown --cpu. */
DS_MUST_USE ds_status model_pass_options(const cli *c, ds_ir_context *cx, const char *default_cpu,
                                         ds_pass_options *out);

/* A policy by its word or its file; DS_BAD_USAGE where there is none. */
DS_MUST_USE ds_status model_read_policy(ds_ir_context *cx, const char *word, ds_policy *out);
/* Of a plan: bytes of its weights. */
double model_weight_bytes(const ds_module *m);

/* After the passes: is there a plan to compile? (Text may be anything.) */
DS_MUST_USE ds_status model_check_plan(ds_module *m);
/* Prints the IR to `path` (- for standard output), large constants to <stem>.safetensors beside it. */
DS_MUST_USE ds_status model_write_text(ds_module *m, const char *path, bool with_facts);

/* The folder of --cache or of the environment variable DSC_CACHE; NULL: neither, or it cannot be used. ds_cache_close
 * when done. */
ds_cache *model_cache(const cli *c, ds_ir_context *cx);
/* Compiles a plan by as many threads as --jobs says. */
DS_MUST_USE ds_status model_build(const cli *c, ds_module *m, const ds_cpu_options *options, ds_built *out);

typedef struct {
    ds_module *module;
    ds_built built;
    ds_jit *jit;
} model;

/* Loads, optimises, compiles and links in memory. */
DS_MUST_USE ds_status model_open(const cli *c, ds_ir_context *cx, ds_files *files, const ds_dim_value *dims,
                                 size_t dim_count, model *out);
/* The same for a module that is loaded already. */
DS_MUST_USE ds_status model_compile(const cli *c, ds_ir_context *cx, const ds_pass_options *passes, model *m);
void model_close(model *m);

/* One run of a model by tensors (runtime/libdsrt.h). */
typedef struct {
    ds_model *model;
    ds_call *call;
    ds_model_tensor *inputs, *outputs; /* outputs: owned once it ran */
    bool *owned;                       /* inputs whose data is to be freed */
    bool npy;                          /* inputs came as .npy: so do outputs */
    bool poisoned, twice; /* memory is filled with `poison` before the run; with another byte before a second one */
    unsigned char poison;
} model_call;

/* Reads input_<i>.pb or input_<i>.npy of a folder. Ranks, types and fixed extents are checked against `types`, one for
 * each input. */
DS_MUST_USE ds_status model_read_input(ds_ir_context *cx, ds_files *files, const char *folder, size_t i,
                                       const char *name, const ds_type *type, ds_model_tensor *out, bool *out_owned,
                                       bool *out_npy);
/* A call whose inputs are still to be set. */
DS_MUST_USE ds_status call_link(const model *m, ds_ir_context *cx, model_call *call);
DS_MUST_USE ds_status call_open(const model *m, ds_ir_context *cx, ds_files *files, const char *folder,
                                model_call *call);
/* As --poison[=BYTE] says. */
DS_MUST_USE ds_status call_poison(const cli *c, model_call *call);
/* Runs once; twice where memory is filled with two bytes, and then all bits of the results must be the same. */
DS_MUST_USE ds_status call_run(const model *m, ds_ir_context *cx, ds_pool *pool, model_call *call);
void call_close(const model *m, model_call *call);

#endif
