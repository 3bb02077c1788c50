/* Compiled objects linked into this process by ORC: what `run`, `check` and recipes execute are the object's own
 * bytes. */
#ifndef DS_JIT_H
#define DS_JIT_H

#include "codegen/cpu/cpu.h"
#include "runtime/ds_abi.h"

typedef struct ds_jit ds_jit;

DS_MUST_USE ds_status ds_jit_create(ds_diag *diag, const ds_compiled *compiled, const char *prefix, ds_jit **out_jit);
void ds_jit_destroy(ds_jit *jit);

/* The model's exported functions (codegen/cpu/plan.c); they live as long as the jit. */
typedef struct {
    int (*entry)(ds_context *context, void *args);
    uint64_t (*arena_for)(const int64_t *symbols, int64_t lanes); /* symbols in the signature's order */
    const char *description;
} ds_entries;
ds_entries ds_jit_entries(const ds_jit *jit);

#endif
