/* Bytes -> IR: ONNX models and tensors. (Text IR is read by ir/parse.c.) */
#ifndef DS_FRONTEND_H
#define DS_FRONTEND_H

#include "ir/base/file.h"
#include "ir/ir.h"

typedef struct {
    const char *name; /* a symbol's name, as in the model or as dsc spells it */
    int64_t value;
} ds_dim_value;

typedef struct {
    const ds_dim_value *dims; /* symbols to fix at a value */
    size_t dim_count;
    const char *const *inputs; /* names of initialisers that are inputs of the model, not constants in it */
    size_t input_count;
    size_t given_inputs; /* … and of those among the first so many of the graph's inputs */
} ds_import_options;

/* Imports the ONNX model at `path` as function @main of onnx ops. Weights stay in `files`, which must outlive the
 * module. Arguments and results carry ds.name (the model's own names); module attribute ds.symbols maps symbols to the
 * model's spelling, and ds.defaults lists inputs of the graph whose initialisers are compiled in. */
DS_MUST_USE ds_status ds_onnx_import(ds_ir_context *cx, ds_files *files, const char *path,
                                     const ds_import_options *options, ds_module **out_module);

/* A tensor of a TensorProto file (input_0.pb). The constant's bytes are borrowed from `files` or copied into the
 * context. */
DS_MUST_USE ds_status ds_onnx_read_tensor(ds_ir_context *cx, ds_files *files, const char *path,
                                          const ds_attr **out_elements);

/* Serialises a tensor as TensorProto bytes. */
void ds_onnx_write_tensor(ds_string *out, const char *name, ds_elem elem, const int64_t *dims, size_t rank,
                          const void *bytes, size_t length);

#endif
