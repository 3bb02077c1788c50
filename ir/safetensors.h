/* Large constants of printed IR: a safetensors file beside the text (format: huggingface/safetensors, README "Format"). */
#ifndef DS_SAFETENSORS_H
#define DS_SAFETENSORS_H

#include "base/file.h"
#include "ir.h"

/* Writes every named constant of the module to `path` and sets the module attribute ds.weights to the file's name. Does nothing when
 * there is none. */
DS_MUST_USE ds_status ds_safetensors_write(ds_module *module, const char *path);

/* An open file: where each tensor's bytes lie. */
typedef struct {
    const ds_mapped_file *file;
    void *header; /* parsed JSON */
    uint64_t start;
} ds_safetensors;

DS_MUST_USE ds_status ds_safetensors_open(ds_ir_context *cx, ds_files *files, const char *path, ds_safetensors *out);
void ds_safetensors_close(ds_safetensors *s);
/* NULL when there is no such tensor or it has not `length` bytes. */
const void *ds_safetensors_find(const ds_safetensors *s, const char *name, uint64_t length);

#endif
