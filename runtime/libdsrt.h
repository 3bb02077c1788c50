/* libdsrt: what ships beside a compiled model that wants threads or weights in a file. C11 and libc only.
 *
 * Ownership: what a create or map function returns is released by its counterpart. Threads: a pool serves one call at a
 * time.
 * Errors:    functions that can fail return null and set errno.
 */
#ifndef DS_LIBDSRT_H
#define DS_LIBDSRT_H

#include "ds_abi.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A fork-join pool of `threads` threads, the caller's included. Workers spin for some microseconds after a job, then
 * sleep. */
ds_pool *dsrt_pool_create(uint32_t threads);
void dsrt_pool_destroy(ds_pool *pool);

/* Maps a weight file that dsc wrote. */
const void *dsrt_weights_map(const char *path, uint64_t *out_bytes);
void dsrt_weights_unmap(const void *weights, uint64_t bytes);

/* ---- models that the program was not compiled with ---- */

typedef struct ds_model ds_model;

/* What the model says of one argument. Pointers live as long as the model. */
typedef struct {
    const char *name;
    const char *elem;   /* "f32", "i64", … as `dsc info` writes them */
    uint32_t elem_bits; /* below 8: several elements share a byte, the first in the low bits */
    uint32_t rank;
    int64_t dims[16]; /* -1: symbolic */
    int32_t tied;     /* of an output: the input whose data may also be its, and is then changed in place; -1: none */
    int32_t is_alias; /* of an output: it is that input's data in any case (--alias), which needs room for the output */
    /* Of an alias, and the input that it lies in: the dim along which memory has room behind what is there, for each
     * place of the dims before; bytes are then those of all of it. -1: none, the tensor is dense. */
    int32_t room_dim;
} ds_model_argument;

/* A tensor to run on: dense row-major, but for those with a `room_dim`. For outputs `data` may be null: it is then allocated with malloc, and yours to
 * free. */
typedef struct {
    void *data;
    uint64_t bytes;
    int64_t dims[16]; /* read for inputs, written for outputs */
} ds_model_tensor;

/* What every object exports: prefix, prefix_arena_for, and the text prefix_description. */
typedef int ds_model_entry(ds_context *context, void *args);
typedef uint64_t ds_model_arena(const int64_t *symbols, int64_t lanes);

/* Opens the model with this prefix in a shared library made by `dsc compile --emit=so`. `weights` is its .weights file,
 * or null. */
ds_model *dsrt_model_open(const char *path, const char *prefix, const char *weights);
/* The same for a model that is linked into the program. `weights` are borrowed; null where they are in the object. */
ds_model *dsrt_model_link(ds_model_entry *entry, ds_model_arena *arena_for, const char *description,
                          const void *weights);
void dsrt_model_close(ds_model *model);
uint32_t dsrt_model_inputs(const ds_model *model);
uint32_t dsrt_model_outputs(const ds_model *model);
const ds_model_argument *dsrt_model_input(const ds_model *model, uint32_t i); /* null when there is none */
const ds_model_argument *dsrt_model_output(const ds_model *model, uint32_t i);
/* Runs on `pool` (or null). Returns a status of ds_abi.h. The arena is allocated and released inside. Outputs that are
 * aliases may have null `data`, too: it is then the input's. */
int dsrt_model_run(const ds_model *model, ds_pool *pool, const ds_model_tensor *inputs, ds_model_tensor *outputs);

/* The same in steps, for many runs with one arena. The data of inputs and outputs is borrowed until the call is closed.
 * Null `outputs` are all allocated in the first run, with malloc, and yours to free, but those that
 * are aliases: they lie in copies of their inputs, which are the call's. */
typedef struct ds_call ds_call;
ds_call *dsrt_call_open(const ds_model *model, ds_pool *pool, const ds_model_tensor *inputs,
                        const ds_model_tensor *outputs);
int dsrt_call_run(ds_call *call);
void dsrt_call_result(const ds_call *call, uint32_t i, ds_model_tensor *out_tensor);
const ds_context *dsrt_call_context(const ds_call *call); /* after an error, `at` says what it is about */
/* A sentence about the status of a run, with the names of the argument or node that it is about; returns its length, as
 * snprintf does. */
int dsrt_call_explain(const ds_call *call, int status, char *text, size_t room);
/* Fills the arena, and what the model allocates (results, too), with this byte before it runs: to see that nothing is
 * read before it is written. Not together with a trace. */
void dsrt_call_fill(ds_call *call, unsigned char byte);
/* Announces every step of a model compiled with --trace to `trace`, which gets `user` (null: to nobody). */
void dsrt_call_trace(ds_call *call, void (*trace)(void *user, uint32_t step, uint32_t done), void *user);
void dsrt_call_close(ds_call *call);

/* ---- .npy files (NumPy's NEP 1, version 1.0; little-endian) ---- */

/* Reads what an argument needs; allocates `data` with malloc. Null, or a sentence that says what is wrong. */
const char *dsrt_npy_read(const char *path, const ds_model_argument *argument, ds_model_tensor *out_tensor);
/* The same for a file that lies in memory: `data` points into it, not aligned. */
const char *dsrt_npy_view(const void *bytes, uint64_t length, const ds_model_argument *argument,
                          ds_model_tensor *out_tensor);
const char *dsrt_npy_write(const char *path, const ds_model_argument *argument, const ds_model_tensor *tensor);

/* A sentence for a status that a model returned. */
const char *dsrt_status_text(int status);

#ifdef __cplusplus
}
#endif

#endif
