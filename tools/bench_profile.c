/* dsc-bench --profile: when each step of the plan, and each piece of its kernel, starts and ends. */
#include "tools/bench_child.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/bench_machine.h"

enum { MAX_STEPS = 1 << 16, MAX_PIECES = 1 << 18, MAX_RUNS = 2000 };

typedef struct {
    uint32_t step, lane;
    double start, end;
} span;

/* One run's record; the current one is filled while the model runs. */
typedef struct {
    double start, end;
    span *steps, *pieces;
    uint32_t step_count;
    atomic_uint piece_count;
} record;

static struct {
    ds_pool pool; /* what the model sees */
    ds_pool *inner;
    record *now;
    uint32_t step;
    void (*fn)(void *, int64_t, int64_t);
    void *arg;
} timed;

static void timed_piece(void *arg, int64_t piece, int64_t lane) {
    double start = bench_now();
    timed.fn(arg, piece, lane);
    unsigned at = atomic_fetch_add(&timed.now->piece_count, 1);
    if (at < MAX_PIECES) timed.now->pieces[at] = (span){timed.step, (uint32_t)lane, start, bench_now()};
}

static void timed_for(ds_pool *pool, int64_t pieces, void (*fn)(void *, int64_t, int64_t), void *arg) {
    (void)pool;
    timed.fn = fn;
    timed.inner->parallel_for(timed.inner, pieces, timed_piece, arg);
}

ds_pool *bench_timed_pool(uint32_t threads) {
    timed.inner = dsrt_pool_create(threads);
    if (!timed.inner) return NULL;
    timed.pool = (ds_pool){.concurrency = timed.inner->concurrency, .parallel_for = timed_for};
    return &timed.pool;
}

static void on_step(void *user, uint32_t step, uint32_t done) {
    record *r = user;
    timed.step = step;
    if (r->step_count >= MAX_STEPS) return;
    if (!done) r->steps[r->step_count] = (span){step, 0, bench_now(), 0};
    else r->steps[r->step_count++].end = bench_now();
}

static int run(ds_call *call, record *r) {
    r->step_count = 0;
    atomic_store(&r->piece_count, 0);
    timed.now = r;
    dsrt_call_trace(call, on_step, r);
    r->start = bench_now();
    int status = dsrt_call_run(call);
    r->end = bench_now();
    if (atomic_load(&r->piece_count) > MAX_PIECES) atomic_store(&r->piece_count, MAX_PIECES);
    return status;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void print_machine(void) {
    printf("peak %.3f\n", bench_peak_gflops());
    for (size_t bytes = (size_t)1 << 14; bytes <= (size_t)1 << 28; bytes <<= 2)
        printf("read %zu %.3f\n", bytes, bench_read_gb_s(bytes));
}

/* Medians step by step (loops visit a step several times a run: visits are numbered), then the last run's pieces. */
static void print_steps(const record *r, float *const *times, uint32_t runs) {
    double *sorted = malloc((runs + 1) * sizeof *sorted);
    for (uint32_t i = 0; sorted && i < r->step_count; i++) {
        double busy = 0;
        uint32_t pieces = 0;
        for (uint32_t k = 0; k < runs; k++) sorted[k] = times[k][i];
        qsort(sorted, runs, sizeof *sorted, compare);
        for (uint32_t k = 0; k < r->piece_count; k++)
            if (r->pieces[k].start >= r->steps[i].start && r->pieces[k].end <= r->steps[i].end)
                busy += r->pieces[k].end - r->pieces[k].start, pieces++;
        if (!pieces) busy = r->steps[i].end - r->steps[i].start, pieces = 1;
        printf("step %u %.6f %.6f %.6f %u\n", r->steps[i].step, sorted[runs / 2], r->steps[i].end - r->steps[i].start,
               busy, pieces);
        printf("piece %u 0 %.6f %.6f\n", r->steps[i].step, r->steps[i].start - r->start, r->steps[i].end - r->start);
    }
    for (uint32_t k = 0; k < r->piece_count; k++)
        if (r->pieces[k].lane)
            printf("piece %u %u %.6f %.6f\n", r->pieces[k].step, r->pieces[k].lane, r->pieces[k].start - r->start,
                   r->pieces[k].end - r->start);
    free(sorted);
}

int bench_profile(ds_call *call, double seconds, uint32_t threads) {
    record r = {.steps = malloc(MAX_STEPS * sizeof(span)), .pieces = malloc(MAX_PIECES * sizeof(span))};
    float **times = calloc(MAX_RUNS, sizeof *times);
    double *totals = calloc(MAX_RUNS, sizeof *totals);
    int status = r.steps && r.pieces && times && totals ? run(call, &r) : DS_NO_ALLOCATOR;
    uint32_t runs = 0;
    for (int i = 0; !status && i < 3; i++) status = run(call, &r);
    for (double stop = bench_now() + 1e3 * seconds; !status && runs < MAX_RUNS && (runs < 5 || bench_now() < stop);
         runs++) {
        status = run(call, &r);
        totals[runs] = r.end - r.start;
        times[runs] = malloc((r.step_count + 1) * sizeof(float));
        for (uint32_t i = 0; times[runs] && i < r.step_count; i++)
            times[runs][i] = (float)(r.steps[i].end - r.steps[i].start);
        if (!times[runs]) status = DS_NO_ALLOCATOR;
    }
    if (!status) {
        print_machine();
        qsort(totals, runs, sizeof *totals, compare);
        printf("run %.6f %u %u\n", totals[runs / 2], runs, threads);
        print_steps(&r, times, runs);
    }
    for (uint32_t i = 0; times && i < runs; i++) free(times[i]);
    free(times);
    free(totals);
    free(r.steps);
    free(r.pieces);
    return status ? bench_fail("the model", dsrt_status_text(status)) : 0;
}
