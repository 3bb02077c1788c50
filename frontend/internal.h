/* Shared by the files of the ONNX importer. */
#ifndef DS_FRONTEND_INTERNAL_H
#define DS_FRONTEND_INTERNAL_H

#include "frontend/frontend.h"
#include "onnx.pb-c.h"

typedef struct {
    char *key; /* the model's spelling */
    const ds_expr *value;
} ds_symbol_entry;

typedef struct ds_scope ds_scope;

typedef struct {
    ds_ir_context *cx;
    ds_files *files;
    const char *path;
    const uint8_t *bytes; /* the mapped model */
    const Onnx__ModelProto *model;
    const ds_import_options *options;
    ds_module *module;
    ds_symbol_entry *symbols; /* stb_ds string map */
    unsigned next_resource;
    int depth;        /* of sub-graphs and inlined functions */
    int64_t opset;    /* of ai.onnx, for the nodes being imported */
    unsigned inlined; /* nodes made by inlining so far: bounded */
} ds_importer;

DS_MUST_USE ds_status ds_import_tensor(ds_importer *im, const Onnx__TensorProto *t, const ds_attr **out_elements);
DS_MUST_USE ds_status ds_import_sparse(ds_importer *im, const Onnx__SparseTensorProto *t,
                                       const ds_attr **out_elements); /* made dense */

/* Brings an op of `opset` to the newest form: what moved from attributes to inputs, what changed its meaning. New
 * constants go before it.
 */
DS_MUST_USE ds_status ds_onnx_upgrade(ds_importer *im, ds_op *op);

#endif
