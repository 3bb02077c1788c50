/* A module after the pipeline -> machine code and weights. */
#ifndef DS_BUILD_H
#define DS_BUILD_H

#include "codegen/cpu/cpu.h"
#include "codegen/emit/signature.h"

typedef struct {
    ds_compiled code; /* of @main */
    uint8_t *weights; /* malloced, 64-byte aligned; weight_bytes of code */
    ds_signature signature;
} ds_built;

/* Compiles @main, runs @constants and lays out the weights. */
DS_MUST_USE ds_status ds_build(ds_module *module, const ds_cpu_options *options, ds_built *out);
void ds_built_free(ds_built *built);

#endif
