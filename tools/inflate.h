/* Deflate (RFC 1951), the way .npz files may be compressed. */
#ifndef DS_INFLATE_H
#define DS_INFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Fills all of `out`; false where the bytes are no such stream, or give fewer or more. */
bool inflate_bytes(const uint8_t *in, size_t in_count, uint8_t *out, size_t out_count);

#endif
