/* Compiled objects linked into this process by ORC: what `run`, `check` and recipes execute are the object's own bytes. */
#ifndef DS_JIT_H
#define DS_JIT_H

#include "codegen/cpu/cpu.h"
#include "runtime/ds_abi.h"

typedef struct ds_jit ds_jit;

DS_MUST_USE ds_status ds_jit_create(ds_diag *diag, const ds_compiled *compiled, const char *prefix, ds_jit **out_jit);
void ds_jit_destroy(ds_jit *jit);
/* int prefix(ds_context *, prefix_args *) */
int ds_jit_call(const ds_jit *jit, ds_context *context, void *args);
/* prefix_arena_bytes for the given symbols (in the signature's order) and lanes */
uint64_t ds_jit_arena_bytes(const ds_jit *jit, const int64_t *symbols, size_t count, int64_t lanes);

/* Where a plan's arguments go: `args` as the generated struct lays them out. */

#endif
