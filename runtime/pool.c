/* Fork-join: the caller publishes a job by raising `generation`, everyone takes pieces from a shared counter, the last one out wakes the
 * caller. Workers spin briefly for the next job, then sleep on a condition variable. */
#include "libdsrt.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

enum { SPINS = 4000 }; /* some 10 microseconds */

typedef struct {
    ds_pool pool; /* first: what the model sees */
    pthread_t *threads;
    uint32_t started;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    atomic_uint generation, sleeping;
    atomic_bool stop;
    _Alignas(64) atomic_llong next;
    _Alignas(64) atomic_uint busy;
    int64_t pieces;
    void (*fn)(void *, int64_t, int64_t);
    void *arg;
} pool_state;

typedef struct {
    pool_state *state;
    int64_t lane;
} worker_arg;

static void pause_briefly(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void take_pieces(pool_state *s, int64_t lane) {
    for (;;) {
        int64_t piece = atomic_fetch_add_explicit(&s->next, 1, memory_order_relaxed);
        if (piece >= s->pieces) return;
        s->fn(s->arg, piece, lane);
    }
}

static unsigned wait_for_job(pool_state *s, unsigned seen) {
    for (int i = 0; i < SPINS; i++) {
        unsigned now = atomic_load_explicit(&s->generation, memory_order_acquire);
        if (now != seen) return now;
        pause_briefly();
    }
    pthread_mutex_lock(&s->lock);
    atomic_fetch_add(&s->sleeping, 1);
    while (atomic_load(&s->generation) == seen) pthread_cond_wait(&s->wake, &s->lock);
    atomic_fetch_sub(&s->sleeping, 1);
    pthread_mutex_unlock(&s->lock);
    return atomic_load(&s->generation);
}

static void *work(void *arg) {
    worker_arg w = *(worker_arg *)arg;
    free(arg);
    for (unsigned seen = 0;;) {
        seen = wait_for_job(w.state, seen);
        if (atomic_load(&w.state->stop)) return NULL;
        take_pieces(w.state, w.lane);
        atomic_fetch_sub_explicit(&w.state->busy, 1, memory_order_release);
    }
}

static void publish(pool_state *s) {
    atomic_fetch_add(&s->generation, 1);
    if (atomic_load(&s->sleeping)) {
        pthread_mutex_lock(&s->lock);
        pthread_cond_broadcast(&s->wake);
        pthread_mutex_unlock(&s->lock);
    }
}

static void parallel_for(ds_pool *pool, int64_t pieces, void (*fn)(void *, int64_t, int64_t), void *arg) {
    pool_state *s = (pool_state *)pool;
    s->pieces = pieces, s->fn = fn, s->arg = arg;
    atomic_store_explicit(&s->next, 0, memory_order_relaxed);
    atomic_store_explicit(&s->busy, s->started, memory_order_relaxed);
    publish(s);
    take_pieces(s, 0);
    while (atomic_load_explicit(&s->busy, memory_order_acquire)) pause_briefly();
}

ds_pool *dsrt_pool_create(uint32_t threads) {
    pool_state *s = aligned_alloc(64, (sizeof *s + 63) / 64 * 64);
    if (!s) return NULL;
    *s = (pool_state){.pool = {.concurrency = threads ? threads : 1, .simultaneous = 1, .parallel_for = parallel_for}};
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, NULL);
    s->threads = calloc(threads ? threads : 1, sizeof *s->threads);
    for (uint32_t i = 1; s->threads && i < threads; i++) {
        worker_arg *w = malloc(sizeof *w);
        if (!w) break;
        *w = (worker_arg){s, i};
        if (pthread_create(&s->threads[s->started], NULL, work, w)) {
            free(w);
            break;
        }
        s->started++;
    }
    s->pool.concurrency = s->started + 1;
    return &s->pool;
}

void dsrt_pool_destroy(ds_pool *pool) {
    pool_state *s = (pool_state *)pool;
    if (!s) return;
    atomic_store(&s->stop, true);
    pthread_mutex_lock(&s->lock);
    atomic_fetch_add(&s->generation, 1);
    pthread_cond_broadcast(&s->wake);
    pthread_mutex_unlock(&s->lock);
    for (uint32_t i = 0; i < s->started; i++) pthread_join(s->threads[i], NULL);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    free(s->threads);
    free(s);
}
