/* Fork-join. Each lane has a range of the pieces, in order, so that from job to job it meets data that its own cache holds; who is
 * through with its own takes from the others. The caller waits for pieces, not for workers: one that sleeps through a job is not missed.
 * Workers spin briefly for the next job, then sleep on a condition variable. */
#include "libdsrt.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

enum { SPINS = 4000 }; /* of a pause each: 10 to 200 microseconds */

/* What is left of a lane's range: first piece past its end in the high half, next one in the low half. Whoever draws a piece below the
 * end keeps the job from ending, so fn and arg are that job's. */
typedef struct {
    _Alignas(64) atomic_ullong left;
} lane_range;

typedef struct {
    ds_pool pool; /* first: what the model sees */
    pthread_t *threads;
    lane_range *ranges; /* one a lane */
    uint32_t started;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    atomic_bool stop;
    void (*_Atomic fn)(void *, int64_t, int64_t);
    void *_Atomic arg;
    _Alignas(64) atomic_uint generation, sleeping;
    _Alignas(64) atomic_llong done; /* pieces */
} pool_state;

typedef struct {
    pool_state *state;
    uint32_t lane;
} worker_arg;

static void pause_briefly(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Runs what is left of one range; returns how many pieces that were. */
static int64_t run_range(pool_state *s, uint32_t range, uint32_t lane) {
    for (int64_t count = 0;; count++) {
        if (!(atomic_load_explicit(&s->ranges[range].left, memory_order_relaxed) >> 32)) return count;
        unsigned long long left = atomic_fetch_add_explicit(&s->ranges[range].left, 1, memory_order_acquire);
        uint32_t piece = (uint32_t)left;
        if (piece >= left >> 32) return count;
        atomic_load_explicit(&s->fn, memory_order_relaxed)(atomic_load_explicit(&s->arg, memory_order_relaxed), piece, lane);
    }
}

static void take_pieces(pool_state *s, uint32_t lane) {
    uint32_t lanes = s->started + 1;
    int64_t count = 0;
    for (uint32_t i = 0; i < lanes; i++) count += run_range(s, (lane + i) % lanes, lane);
    if (count) atomic_fetch_add_explicit(&s->done, count, memory_order_release);
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

static void run_job(pool_state *s, int64_t pieces) {
    uint64_t lanes = s->started + 1;
    atomic_store_explicit(&s->done, 0, memory_order_relaxed);
    for (uint64_t i = 0; i < lanes; i++)
        atomic_store_explicit(&s->ranges[i].left, ((uint64_t)pieces * (i + 1) / lanes) << 32 | (uint64_t)pieces * i / lanes,
                              memory_order_release);
    publish(s);
    take_pieces(s, 0);
    while (atomic_load_explicit(&s->done, memory_order_acquire) < pieces) pause_briefly();
}

typedef struct {
    void (*fn)(void *, int64_t, int64_t);
    void *arg;
    int64_t first;
} batch;

static void run_in_batch(void *arg, int64_t piece, int64_t lane) {
    const batch *b = arg;
    b->fn(b->arg, b->first + piece, lane);
}

static void parallel_for(ds_pool *pool, int64_t pieces, void (*fn)(void *, int64_t, int64_t), void *arg) {
    enum { MOST = 1 << 30 }; /* a range leaves room for draws past its end */
    pool_state *s = (pool_state *)pool;
    batch b = {fn, arg, 0};
    bool many = pieces > MOST;
    atomic_store_explicit(&s->fn, many ? run_in_batch : fn, memory_order_relaxed);
    atomic_store_explicit(&s->arg, many ? &b : arg, memory_order_relaxed);
    for (; b.first < pieces; b.first += MOST) run_job(s, pieces - b.first < MOST ? pieces - b.first : MOST);
}

ds_pool *dsrt_pool_create(uint32_t threads) {
    pool_state *s = aligned_alloc(64, (sizeof *s + 63) / 64 * 64);
    if (!s) return NULL;
    *s = (pool_state){.pool = {.concurrency = threads ? threads : 1, .simultaneous = 1, .parallel_for = parallel_for}};
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, NULL);
    uint32_t lanes = threads ? threads : 1;
    s->threads = calloc(lanes, sizeof *s->threads);
    s->ranges = aligned_alloc(64, lanes * sizeof *s->ranges);
    if (!s->threads || !s->ranges) return dsrt_pool_destroy(&s->pool), NULL;
    for (uint32_t i = 0; i < lanes; i++) atomic_init(&s->ranges[i].left, 0);
    for (uint32_t i = 1; i < threads; i++) {
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
    free(s->ranges);
    free(s);
}
