/* The contract between generated code, the runtime and applications. C11, C++-safe, no dependency. Versioned: DS_ABI is
 * stored in every object and checked on every call; a mismatch is the status DS_WRONG_ABI.
 *
 * Arguments of a model are structs { data, bytes, dims[rank] }, without dims where the shape is static. Tensors are
 * dense row-major; data needs only its element's alignment. Extents are int64_t, sizes in bytes. Elements of less than
 * 8 bits share bytes, the first in the low bits; bits of the last byte that no element has may hold anything.
 *
 * Caches of which a model's header says "in memory" lie in a longer tensor, dense as others are: dims are those of what
 * is there, its first elements along each dim, and bytes those of all of it, so that they say how many rows there is
 * room for.
 */
#ifndef DS_ABI_H
#define DS_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DS_ABI 6

/* What a call returns. */
enum {
    DS_RUN_OK = 0,
    DS_WRONG_ABI = 1,    /* the context was made for another version */
    DS_WRONG_SIZE = 2,   /* an input's bytes or extents do not fit the model; context.at says which argument */
    DS_SMALL_ARENA = 3,  /* context.arena_bytes is less than the model needs */
    DS_MORE_MEMORY = 4,  /* an output buffer is too small; its dims say what it needs */
    DS_NO_ALLOCATOR = 5, /* a size is known only at run time and context.alloc is null, or it returned null */
    DS_BROKEN_PROMISE =
        6, /* extents or values do not fit together; context.at says which requirement (the header lists them) */
    DS_NO_WEIGHTS = 7, /* the weights are in a file of their own and context.weights is null */
    DS_WRONG_CPU = 8,  /* this CPU lacks instructions that the object was compiled with (--cpu) */
    DS_NO_PERMISSION =
        9 /* the operating system does not let the process use registers of that level (AMX: seccomp, old kernels) */
};

/* Pieces 0 … pieces-1 of work, none of which needs another one: fn(arg, piece, lane) for each, in any order, on any
 * thread. */
typedef struct ds_task {
    int64_t pieces;
    void (*fn)(void *arg, int64_t piece, int64_t lane);
    void *arg;
} ds_task;

/* How far one lane has come in the tasks that it shares with the others of its job; all zero but `lane` at first. */
typedef struct ds_place {
    int64_t lane;
    uint64_t tasks, pieces;
} ds_place;

/* A thread pool as the model sees it. */
typedef struct ds_pool {
    uint32_t concurrency; /* lanes */
    /* Runs fn(arg, piece, lane) for every piece in 0 … pieces-1, lane < concurrency, and returns when all are done. */
    void (*parallel_for)(struct ds_pool *pool, int64_t pieces, void (*fn)(void *arg, int64_t piece, int64_t lane),
                         void *arg);
    /* For pieces of one parallel_for over as many as there are lanes: each calls it with equal tasks, again and again,
     * and its own place. Every piece of these tasks, which do not need each other, either, runs once, in one lane or
     * another; returns when all are done, without waiting for lanes that are late. Null: the pool cannot, and the model
     * calls parallel_for for every task. */
    void (*share)(struct ds_pool *pool, ds_place *place, const ds_task *tasks, int64_t count);
} ds_pool;

/* One call's surroundings. Set size and abi, arena and arena_bytes; the rest may be zero. */
typedef struct ds_context {
    uint32_t size, abi;
    void *arena; /* aligned to 64 bytes; all mutable state of a run */
    uint64_t arena_bytes;
    const void *weights; /* where they are not linked in */
    ds_pool *pool;       /* null: the caller's thread */
    void *(*alloc)(void *user, uint64_t bytes);
    void (*release)(void *user, void *memory);
    void *user;
    uint32_t at; /* out: which argument, requirement or node an error is about */
    /* Called before (done = 0) and after (done = 1) step number `step` of the plan, by objects that were compiled with
     * --trace. */
    void (*trace)(void *user, uint32_t step, uint32_t done);
} ds_context;

#ifdef __cplusplus
}
#endif

#endif
