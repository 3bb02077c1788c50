/* Memory that comes from the caller's allocator while a model runs. Compiled to bitcode, linked into a model on
 * demand. */
#include "../runtime/ds_abi.h"

/* What a cell holds, and how many bytes of it may be used. */
typedef struct {
    unsigned char *memory;
    uint64_t bytes;
} cell;

enum { SPARE = 64 }; /* bytes behind each piece of memory that vectors may read */

/* Gives a cell room for `bytes`, keeping its first `keep` bytes. What grows again and again gets twice as much each
 * time, so that all the copying together costs no more than the last of it. Null: there is no allocator, or it has no
 * more; the cell is as before. */
void *ds_grow(const ds_context *context, cell *c, uint64_t bytes, uint64_t keep) {
    if (c->memory && bytes <= c->bytes) return c->memory;
    uint64_t room = bytes < 2 * c->bytes ? 2 * c->bytes : bytes;
    if (!context->alloc || bytes > UINT64_MAX / 4) return 0;
    unsigned char *memory = context->alloc(context->user, room + SPARE);
    if (!memory) return 0;
    for (uint64_t i = 0; c->memory && i < keep; i++) memory[i] = c->memory[i];
    if (c->memory && context->release) context->release(context->user, c->memory);
    c->memory = memory, c->bytes = room;
    return memory;
}
