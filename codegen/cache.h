/* Compiled functions in a folder, for the next compilation that needs them.
 *
 * An entry is a file; its name is a digest of everything that the code depends on. It has its own version, key and
 * checksum, and comes into being by a rename: whatever is not one in every byte is not used, and replaced. Threads and
 * processes may share a folder.
 */
#ifndef DS_CACHE_H
#define DS_CACHE_H

#include "ir/base/hash.h"

typedef struct ds_cache ds_cache;

/* Makes the folder where there is none. NULL, with a warning, where that cannot be, or where this program cannot tell
 * which build it is. */
ds_cache *ds_cache_open(ds_diag *diag, const char *folder);
/* Warns if entries could not be written; `timing`: prints how many were found. */
void ds_cache_close(ds_cache *cache, ds_diag *diag, bool timing);

/* A key of this build of dsc and of LLVM: what the code depends on besides is added by the caller. */
void ds_cache_key_open(const ds_cache *cache, ds_hasher *out);
/* The entry's bytes, malloced; false: there is none. */
bool ds_cache_get(ds_cache *cache, ds_digest key, void **out_bytes, size_t *out_length);
void ds_cache_put(ds_cache *cache, ds_digest key, const void *bytes, size_t length);

#endif
