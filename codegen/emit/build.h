/* A module after the pipeline -> machine code and weights. */
#ifndef DS_BUILD_H
#define DS_BUILD_H

#include "codegen/cpu/cpu.h"
#include "codegen/emit/signature.h"
#include "runtime/ds_abi.h"

typedef struct {
    ds_compiled code; /* of @main */
    uint8_t *weights; /* weight_bytes of code, from ds_pages_alloc */
    ds_signature signature;
} ds_built;

/* Compiles @main, runs @constants on the pool (NULL: on one thread) and lays out the weights. */
DS_MUST_USE ds_status ds_build(ds_module *module, const ds_cpu_options *options, ds_pool *pool, ds_built *out);
void ds_built_free(ds_built *built);

#endif
