/* What modules share: interned names, expressions, types and attributes, and the sink for messages.
 *
 * Ownership: a context owns everything interned in it and must outlive its modules.
 * Threads:   interning takes the context's lock, so several modules of one context may be worked on at once; the
 *            sink is not locked (worker threads keep messages of their own).
 */
#ifndef DS_CONTEXT_H
#define DS_CONTEXT_H

#include "base/base.h"

typedef enum { DS_INTERNED_NAME, DS_INTERNED_EXPR, DS_INTERNED_TYPE, DS_INTERNED_ATTR } ds_interned_kind;

typedef struct ds_interned {
    struct ds_interned *next;
    uint32_t hash;
    ds_interned_kind kind;
    const void *object;
} ds_interned;

/* An extent's name that stands for a number wherever text is read. */
typedef struct {
    const char *name;
    int64_t value;
} ds_fixed_symbol;

typedef struct ds_ir_context {
    ds_arena *arena;
    ds_diag *diag;
    ds_interned **slots; /* hash table, chained */
    size_t slot_count, object_count;
    bool exprs_too_large;         /* a product was given up: see expr.h */
    const ds_fixed_symbol *fixed; /* what text is read with, borrowed */
    size_t fixed_count;
    void *lock;
} ds_ir_context;

ds_ir_context *ds_context_create(ds_diag *diag);
void ds_context_destroy(ds_ir_context *cx);

const char *ds_context_name(ds_ir_context *cx, const char *name); /* equal names give the same pointer */

/* For the interning code in expr.c, type.c and attr.c, between lock and unlock. */
void ds_context_lock(ds_ir_context *cx);
void ds_context_unlock(ds_ir_context *cx);
ds_interned *ds_context_slot(ds_ir_context *cx, uint32_t hash); /* chain to search */
void ds_context_insert(ds_ir_context *cx, uint32_t hash, ds_interned_kind kind, const void *object);
uint32_t ds_hash_bytes(uint32_t seed, const void *bytes, size_t length);

#endif
