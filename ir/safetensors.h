/* Large constants of text IR: a safetensors file beside the text (format: huggingface/safetensors, README "Format"). */
#ifndef DS_SAFETENSORS_H
#define DS_SAFETENSORS_H

#include "base/file.h"
#include "ir.h"

/* Writes every named constant of the module to `path` and sets the module attribute ds.weights to the file's name. Does
 * nothing when there is none. */
DS_MUST_USE ds_status ds_safetensors_write(ds_module *module, const char *path);

/* A tensor of an open file. */
typedef struct {
    const char *dtype; /* "F32" */
    size_t rank;
    const int64_t *dims;
    const void *bytes; /* in the mapped file */
    uint64_t length, offset;
} ds_safetensor;

/* An open file: every tensor lies within it, as many bytes as its shape wants, and none over another. */
typedef struct {
    const char *name; /* of the file, for messages */
    struct {
        char *key;
        ds_safetensor value;
    } * tensors; /* stb_ds string map */
} ds_safetensors;

/* Reports what is wrong with the file, naming it and the tensor. What it says of tensors lives in the context. */
DS_MUST_USE ds_status ds_safetensors_open(ds_ir_context *cx, ds_files *files, const char *path, ds_safetensors *out);
void ds_safetensors_close(ds_safetensors *s);
const ds_safetensor *ds_safetensors_find(const ds_safetensors *s,
                                         const char *name); /* NULL when there is no such tensor */
/* The type that tensors of these elements have: the file's shape; or NULL when the file holds other elements, or
 * another number of bytes where elements have no dtype of their own (4 bits; their bytes are a list, and `shaped` says
 * what they are). */
const ds_type *ds_safetensors_type(ds_ir_context *cx, const ds_safetensor *t, ds_elem elem, const ds_type *shaped);
/* "tensor<784x128xf32>", or "FOO of shape [2]" where dsc has no such elements. */
void ds_safetensors_describe(ds_string *out, ds_ir_context *cx, const ds_safetensor *t);

#endif
