/* The thread pool: every piece once, lanes in range, many jobs in a row. */
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

static void statuses_have_texts(void **state) {
    (void)state;
    assert_string_equal(dsrt_status_text(DS_RUN_OK), "done");
    assert_non_null(dsrt_status_text(-1));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_piece_runs_once), cmocka_unit_test(statuses_have_texts)};
    return cmocka_run_group_tests_name("runtime", tests, NULL, NULL);
}
