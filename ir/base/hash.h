/* SHA-256 (FIPS 180-4): names of things by their content that nobody can make two things share. */
#ifndef DS_HASH_H
#define DS_HASH_H

#include "base.h"

typedef struct {
    uint8_t bytes[32];
} ds_digest;

typedef struct {
    uint32_t state[8];
    uint64_t length; /* bytes so far */
    uint8_t block[64];
} ds_hasher;

void ds_hasher_open(ds_hasher *h);
void ds_hasher_add(ds_hasher *h, const void *bytes, size_t length);
void ds_hasher_add_text(ds_hasher *h,
                        const char *text); /* with its end, so that texts do not run into each other; NULL is "" */
ds_digest ds_hasher_close(ds_hasher *h);

#endif
