/* Fork-join, and tasks inside one job. Each lane has a range of the pieces, in order, so that from task to task it
 * meets data that its own cache holds; who is through with its own takes from the others. All wait for pieces, not for
 * threads: one that sleeps through a job or a task is not missed. Workers spin briefly for the next job, then sleep on
 * a condition variable. */
#include "libdsrt.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

enum { SPINS = 4000 }; /* of a pause each: 10 to 200 microseconds */

/* What is left of a lane's range of a job: first piece past its end in the high half, next one in the low half. Whoever
 * draws a piece below the end keeps the job from ending, so fn and arg are that job's. And of the last shared task that
 * was drawn from: the task's number in the high half, the next piece in the low half; nobody has to set out a task,
 * since all know its ranges. */
typedef struct {
    _Alignas(64) atomic_ullong left, drawn;
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
    _Alignas(64) atomic_llong done;    /* pieces of the job */
    _Alignas(64) atomic_ullong shared; /* pieces done of all its tasks */
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

/* Where lane i's range of so many pieces begins; a single piece is the caller's. */
static uint64_t range_start(uint64_t pieces, uint64_t lane, uint64_t lanes) {
    return (pieces * lane + lanes - 1) / lanes;
}

/* Runs what is left of one range; returns how many pieces that were. */
static int64_t run_range(pool_state *s, uint32_t range, uint32_t lane) {
    for (int64_t count = 0;; count++) {
        if (!(atomic_load_explicit(&s->ranges[range].left, memory_order_relaxed) >> 32)) return count;
        unsigned long long left = atomic_fetch_add_explicit(&s->ranges[range].left, 1, memory_order_acquire);
        uint32_t piece = (uint32_t)left;
        if (piece >= left >> 32) return count;
        atomic_load_explicit(&s->fn, memory_order_relaxed)(atomic_load_explicit(&s->arg, memory_order_relaxed), piece,
                                                           lane);
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
    atomic_store_explicit(&s->shared, 0, memory_order_relaxed);
    for (uint64_t i = 0; i < lanes; i++) {
        atomic_store_explicit(&s->ranges[i].drawn, 0, memory_order_relaxed);
        atomic_store_explicit(&s->ranges[i].left,
                              range_start((uint64_t)pieces, i + 1, lanes) << 32 |
                                  range_start((uint64_t)pieces, i, lanes),
                              memory_order_release);
    }
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

enum { MOST = 1 << 30 }; /* pieces at a time: a range leaves room for draws past its end */

static void parallel_for(ds_pool *pool, int64_t pieces, void (*fn)(void *, int64_t, int64_t), void *arg) {
    pool_state *s = (pool_state *)pool;
    batch b = {fn, arg, 0};
    bool many = pieces > MOST;
    atomic_store_explicit(&s->fn, many ? run_in_batch : fn, memory_order_relaxed);
    atomic_store_explicit(&s->arg, many ? &b : arg, memory_order_relaxed);
    for (; b.first < pieces; b.first += MOST) run_job(s, pieces - b.first < MOST ? pieces - b.first : MOST);
}

/* ---- tasks of a job ---- */

/* Draws a piece of this task from the range first … end-1. */
static bool draw(atomic_ullong *drawn, uint64_t task, uint64_t first, uint64_t end, uint64_t *out_piece) {
    unsigned long long now = atomic_load_explicit(drawn, memory_order_relaxed);
    do {
        uint64_t next = now >> 32 == task ? now & UINT32_MAX : first;
        if (now >> 32 > task || next >= end) return false;
        *out_piece = next;
    } while (!atomic_compare_exchange_weak_explicit(drawn, &now, task << 32 | (*out_piece + 1), memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

/* A range moves on to a task only when all of its pieces of the one before have been drawn. So a lane goes through its
 * own part of all tasks, one after the other, then through what is left of the others'. */
static void share_tasks(pool_state *s, ds_place *place, const ds_task *tasks, uint64_t count) {
    uint64_t lanes = s->started + 1, piece, done = 0;
    for (uint64_t i = 0; i < lanes; i++)
        for (uint64_t t = 0; t < count; t++) {
            uint64_t k = ((uint64_t)place->lane + i) % lanes,
                     pieces = tasks[t].pieces > 0 ? (uint64_t)tasks[t].pieces : 0;
            uint64_t first = range_start(pieces, k, lanes), end = range_start(pieces, k + 1, lanes);
            while (draw(&s->ranges[k].drawn, place->tasks + t + 1, first, end, &piece))
                tasks[t].fn(tasks[t].arg, (int64_t)piece, place->lane), done++;
        }
    if (done) atomic_fetch_add_explicit(&s->shared, done, memory_order_release);
    for (uint64_t t = 0; t < count; t++) place->pieces += tasks[t].pieces > 0 ? (uint64_t)tasks[t].pieces : 0;
    place->tasks += count;
    for (int spins = 0; atomic_load_explicit(&s->shared, memory_order_acquire) < place->pieces; spins++)
        if (spins < SPINS) pause_briefly();
        else sched_yield(); /* more lanes than cores */
}

static void share(ds_pool *pool, ds_place *place, const ds_task *tasks, int64_t count) {
    bool many = false;
    for (int64_t t = 0; t < count; t++) many = many || tasks[t].pieces > MOST;
    if (!many) share_tasks((pool_state *)pool, place, tasks, (uint64_t)count);
    for (int64_t t = 0; many && t < count; t++)
        for (batch b = {tasks[t].fn, tasks[t].arg, 0}; b.first < tasks[t].pieces; b.first += MOST) {
            int64_t left = tasks[t].pieces - b.first;
            ds_task part = {left < MOST ? left : MOST, run_in_batch, &b};
            share_tasks((pool_state *)pool, place, &part, 1);
        }
}

ds_pool *dsrt_pool_create(uint32_t threads) {
    pool_state *s = aligned_alloc(64, (sizeof *s + 63) / 64 * 64);
    if (!s) return NULL;
    *s = (pool_state){.pool = {.concurrency = threads ? threads : 1, .parallel_for = parallel_for, .share = share}};
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, NULL);
    uint32_t lanes = threads ? threads : 1;
    s->threads = calloc(lanes, sizeof *s->threads);
    s->ranges = aligned_alloc(64, lanes * sizeof *s->ranges);
    if (!s->threads || !s->ranges) return dsrt_pool_destroy(&s->pool), NULL;
    for (uint32_t i = 0; i < lanes; i++) atomic_init(&s->ranges[i].left, 0), atomic_init(&s->ranges[i].drawn, 0);
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
