#include "context.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

ds_ir_context *ds_context_create(ds_diag *diag) {
    ds_ir_context *cx = ds_xmalloc(sizeof *cx);
    *cx = (ds_ir_context){.arena = ds_arena_create(), .diag = diag, .slot_count = 4096};
    cx->slots = ds_xmalloc(cx->slot_count * sizeof *cx->slots);
    memset(cx->slots, 0, cx->slot_count * sizeof *cx->slots);
    pthread_mutex_t *lock = ds_xmalloc(sizeof *lock);
    pthread_mutexattr_t recursive; /* interning an attribute interns the types in it */
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(lock, &recursive);
    pthread_mutexattr_destroy(&recursive);
    cx->lock = lock;
    return cx;
}

void ds_context_destroy(ds_ir_context *cx) {
    if (!cx) return;
    pthread_mutex_destroy(cx->lock);
    free(cx->lock);
    free(cx->slots);
    ds_arena_destroy(cx->arena);
    free(cx);
}

void ds_context_lock(ds_ir_context *cx) { pthread_mutex_lock(cx->lock); }
void ds_context_unlock(ds_ir_context *cx) { pthread_mutex_unlock(cx->lock); }

uint32_t ds_hash_bytes(uint32_t seed, const void *bytes, size_t length) {
    const unsigned char *p = bytes;
    uint64_t h = seed ^ 0xcbf29ce484222325ull;
    for (size_t i = 0; i < length; i++) h = (h ^ p[i]) * 0x100000001b3ull;
    return (uint32_t)(h ^ (h >> 32));
}

ds_interned *ds_context_slot(ds_ir_context *cx, uint32_t hash) {
    ds_interned *slot = cx->slots[hash % cx->slot_count];
    return slot;
}

static void context_grow(ds_ir_context *cx) {
    size_t count = cx->slot_count * 4;
    ds_interned **slots = ds_xmalloc(count * sizeof *slots);
    memset(slots, 0, count * sizeof *slots);
    for (size_t i = 0; i < cx->slot_count; i++)
        for (ds_interned *s = cx->slots[i], *next; s; s = next) {
            next = s->next;
            s->next = slots[s->hash % count];
            slots[s->hash % count] = s;
        }
    free(cx->slots);
    cx->slots = slots, cx->slot_count = count;
}

void ds_context_insert(ds_ir_context *cx, uint32_t hash, ds_interned_kind kind, const void *object) {
    if (++cx->object_count > cx->slot_count) context_grow(cx);
    ds_interned *slot = DS_NEW(cx->arena, ds_interned);
    *slot = (ds_interned){cx->slots[hash % cx->slot_count], hash, kind, object};
    cx->slots[hash % cx->slot_count] = slot;
}

const char *ds_context_name(ds_ir_context *cx, const char *name) {
    uint32_t hash = ds_hash_bytes(1, name, strlen(name));
    ds_context_lock(cx);
    const char *found = NULL;
    for (ds_interned *s = ds_context_slot(cx, hash); s && !found; s = s->next)
        if (s->hash == hash && s->kind == DS_INTERNED_NAME && strcmp(s->object, name) == 0) found = s->object;
    if (!found) {
        found = ds_arena_strdup(cx->arena, name);
        ds_context_insert(cx, hash, DS_INTERNED_NAME, found);
    }
    ds_context_unlock(cx);
    return found;
}
