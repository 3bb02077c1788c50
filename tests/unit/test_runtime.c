/* The thread pool: every piece once, lanes in range, many jobs in a row, steps one after the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "runtime/libdsrt.h"

static atomic_int hits[1000];
static atomic_int worst_lane;

static void piece(void *arg, int64_t i, int64_t lane) {
    (void)arg;
    atomic_fetch_add(&hits[i], 1);
    if (lane > atomic_load(&worst_lane)) atomic_store(&worst_lane, (int)lane);
}

static void every_piece_runs_once(void **state) {
    (void)state;
    atomic_store(&worst_lane, 0);
    for (uint32_t threads = 1; threads <= 4; threads++) {
        ds_pool *pool = dsrt_pool_create(threads);
        assert_non_null(pool);
        for (int job = 0; job < 200; job++) {
            memset((void *)hits, 0, sizeof hits);
            int64_t pieces = 1 + job * 5;
            pool->parallel_for(pool, pieces, piece, NULL);
            for (int64_t i = 0; i < pieces; i++) assert_int_equal(atomic_load(&hits[i]), 1);
        }
        assert_true((uint32_t)atomic_load(&worst_lane) < pool->concurrency);
        dsrt_pool_destroy(pool);
    }
}

enum { STEPS = 300, MOST_PIECES = 40 };

typedef struct {
    ds_pool *pool;
    atomic_int runs[STEPS][MOST_PIECES];
    atomic_int early; /* pieces that ran before all of what comes before their step had */
} walk;

typedef struct {
    walk *w;
    int step;
} step_frame;

/* Steps come alone, or three together. */
static int start_of(int step) { return step % 5 < 3 ? step - step % 5 : step; }

static int64_t pieces_of(int step) { return step % 7 == 3 ? 1 : step % MOST_PIECES; }

static void step_piece(void *arg, int64_t i, int64_t lane) {
    step_frame *f = arg;
    atomic_fetch_add(&f->w->runs[f->step][i], 1);
    if (lane > atomic_load(&worst_lane)) atomic_store(&worst_lane, (int)lane);
    int before = start_of(f->step) - 1;
    for (int64_t k = 0; before >= 0 && k < pieces_of(before); k++)
        if (!atomic_load(&f->w->runs[before][k])) atomic_store(&f->w->early, 1);
}

static void walk_through(void *arg, int64_t i, int64_t lane) {
    walk *w = arg;
    ds_place place = {.lane = i};
    (void)lane;
    for (int step = 0, count; step < STEPS; step += count) {
        step_frame frames[] = {{w, step}, {w, step + 1}, {w, step + 2}};
        ds_task tasks[3];
        count = step % 5 == 0 ? 3 : 1;
        for (int t = 0; t < count; t++) tasks[t] = (ds_task){pieces_of(step + t), step_piece, &frames[t]};
        w->pool->share(w->pool, &place, tasks, count);
    }
}

static void steps_follow_each_other(void **state) {
    (void)state;
    for (uint32_t threads = 1; threads <= 4; threads++) {
        static walk w;
        atomic_store(&worst_lane, 0);
        w.pool = dsrt_pool_create(threads);
        assert_non_null(w.pool);
        for (int job = 0; job < 20; job++) {
            memset((void *)w.runs, 0, sizeof w.runs);
            w.pool->parallel_for(w.pool, w.pool->concurrency, walk_through, &w);
            for (int step = 0; step < STEPS; step++)
                for (int64_t i = 0; i < MOST_PIECES; i++)
                    assert_int_equal(atomic_load(&w.runs[step][i]), i < pieces_of(step));
        }
        assert_int_equal(atomic_load(&w.early), 0);
        assert_true((uint32_t)atomic_load(&worst_lane) < w.pool->concurrency);
        dsrt_pool_destroy(w.pool);
    }
}

static void statuses_have_texts(void **state) {
    (void)state;
    assert_string_equal(dsrt_status_text(DS_RUN_OK), "done");
    assert_non_null(dsrt_status_text(-1));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_piece_runs_once),
                                       cmocka_unit_test(steps_follow_each_other),
                                       cmocka_unit_test(statuses_have_texts)};
    return cmocka_run_group_tests_name("runtime", tests, NULL, NULL);
}
