/* Loop ops and plans -> LLVM IR -> objects, through the LLVM C API.
 *
 * One LLVM module per function, each in a context of its own, so that they compile on all cores; the objects are used
 * in fixed order. Kernels that are the same but for the names of symbols share one object.
 * No fast-math flag reaches LLVM; instruction order is ours (its pre-RA scheduler is off).
 */
#ifndef DS_CPU_H
#define DS_CPU_H

#include "codegen/cache.h"
#include "ir/ir.h"
#include "ir/target.h"

typedef struct {
    void *bytes; /* malloced */
    size_t length;
} ds_object;

typedef struct {
    const ds_target *target;
    const char *prefix;            /* of every symbol */
    int optimise;                  /* 0 … 3 */
    int jobs;                      /* threads that compile; 0: one a core */
    bool want_text, want_assembly; /* instead of objects: LLVM IR, or assembly, as text in object.bytes */
    const char *listing;   /* the file of ds_compiled.listing: debug information refers to its lines; NULL: none */
    ds_cache *cache;       /* of functions, or NULL; not used with a listing, which every line of changes */
    bool timing;           /* stages are announced on standard error */
    bool traced;           /* kernels are announced to context.trace */
    bool runs_once;        /* time to compile counts as much as time to run */
    bool embedded_weights; /* weights are linked in as <prefix>_weights; else they come through the context */
} ds_cpu_options;

/* Offsets of constants in the weight section, in the order in which the plan names them. */
typedef struct {
    const ds_attr *constant; /* elements, or INT: number of a recipe's result */
    uint64_t offset, bytes;
} ds_weight;

typedef struct {
    ds_object *objects; /* stb_ds array: kernels of the function in order, each once, then its entry */
    ds_weight *weights; /* stb_ds array */
    uint64_t weight_bytes;
    uint64_t code_bytes;
    ds_string listing; /* the functions as text */
} ds_compiled;

/* A plan function ("main" or "constants") with the kernels that it calls. */
typedef struct {
    const char *name;
    const ds_cpu_options *options;
    ds_compiled *out;
} ds_cpu_part;

/* Compiles one or two plan functions, by as many threads as the first one's options say. */
DS_MUST_USE ds_status ds_cpu_compile(ds_module *module, const ds_cpu_part *parts, size_t count);
void ds_compiled_free(ds_compiled *compiled);

#endif
