/* libdsrt: what ships beside a compiled model that wants threads or weights in a file. C11 and libc only.
 *
 * Ownership: what a create or map function returns is released by its counterpart. Threads: a pool serves one call at a time.
 * Errors:    functions that can fail return null and set errno.
 */
#ifndef DS_LIBDSRT_H
#define DS_LIBDSRT_H

#include "ds_abi.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A fork-join pool of `threads` threads, the caller's included. Workers spin for some microseconds after a job, then sleep. */
ds_pool *dsrt_pool_create(uint32_t threads);
void dsrt_pool_destroy(ds_pool *pool);

/* Maps a weight file that dsc wrote. */
const void *dsrt_weights_map(const char *path, uint64_t *out_bytes);
void dsrt_weights_unmap(const void *weights, uint64_t bytes);

/* A sentence for a status that a model returned. */
const char *dsrt_status_text(int status);

#ifdef __cplusplus
}
#endif

#endif
