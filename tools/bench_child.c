/* dsc-bench: runs one compiled model and prints its timings as JSON. A program of its own, so that nothing of the compiler is in its
 * memory. `dsc bench` starts it as  dsc-bench MODEL.so PREFIX MODEL.weights|- THREADS SECONDS EXTRA INPUT.npy…
 * where EXTRA is JSON members to print among the others. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/libdsrt.h"

enum { MAX_RUNS = 200000, FIRST_INPUT = 7 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* One core's read bandwidth over a buffer larger than caches, in GB/s. */
static double read_bandwidth(void) {
    enum { BYTES = 1 << 28 };
    uint64_t *data = aligned_alloc(64, BYTES), sum = 0;
    if (!data) return 0;
    memset(data, 1, BYTES);
    double best = 1e9;
    for (int round = 0; round < 3; round++) {
        double start = now();
        for (size_t i = 0; i < BYTES / 8; i += 8)
            sum += data[i] + data[i + 1] + data[i + 2] + data[i + 3] + data[i + 4] + data[i + 5] + data[i + 6] + data[i + 7];
        double t = now() - start;
        if (t < best) best = t;
    }
    free(data);
    return sum ? BYTES / best / 1e6 : 0;
}

/* Not getrusage's ru_maxrss: across exec that remembers the compiler's own peak. */
static long long peak_bytes(void) {
    char line[256];
    long long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f)) sscanf(line, "VmHWM: %lld", &kib);
    if (f) fclose(f);
    return kib * 1024;
}

static int fail(const char *what, const char *why) {
    fprintf(stderr, "dsc-bench: %s: %s\n", what, why);
    return 1;
}

static int measure(ds_call *call, double seconds, double load, const char *extra) {
    static double times[MAX_RUNS];
    double start = now();
    int status = dsrt_call_run(call);
    double first = now() - start;
    if (status) return fail("the model", dsrt_status_text(status));
    size_t n = 0;
    double stop = now() + 1e3 * seconds;
    for (int i = 0; i < 2; i++) dsrt_call_run(call);
    while (n < MAX_RUNS && (n < 5 || now() < stop)) {
        start = now();
        dsrt_call_run(call);
        times[n++] = now() - start;
    }
    qsort(times, n, sizeof *times, compare);
    long long peak = peak_bytes();
    printf("{\"median_ms\": %.6f, \"min_ms\": %.6f, \"runs\": %zu, %s, \"load_ms\": %.3f, \"first_ms\": %.3f, \"arena_bytes\": %" PRIu64
           ", \"peak_rss_bytes\": %lld, \"read_gb_s\": %.2f}\n",
           times[n / 2], times[0], n, extra, load, first, dsrt_call_context(call)->arena_bytes, peak, read_bandwidth());
    return 0;
}

int main(int argc, char **argv) {
    if (argc < FIRST_INPUT) return 2;
    double start = now();
    ds_model *model = dsrt_model_open(argv[1], argv[2], strcmp(argv[3], "-") ? argv[3] : NULL);
    double load = now() - start;
    if (!model || dsrt_model_inputs(model) != (uint32_t)(argc - FIRST_INPUT)) return fail(argv[1], "cannot be opened with these inputs");
    ds_model_tensor *inputs = calloc(dsrt_model_inputs(model) + 1, sizeof *inputs);
    for (uint32_t i = 0; inputs && i < dsrt_model_inputs(model); i++) {
        const char *wrong = dsrt_npy_read(argv[FIRST_INPUT + i], dsrt_model_input(model, i), &inputs[i]);
        if (wrong) return fail(argv[FIRST_INPUT + i], wrong);
    }
    uint32_t threads = (uint32_t)strtoul(argv[4], NULL, 10);
    ds_pool *pool = threads > 1 ? dsrt_pool_create(threads) : NULL;
    start = now();
    ds_call *call = inputs ? dsrt_call_open(model, pool, inputs, NULL) : NULL;
    load += now() - start;
    int failed = call ? measure(call, strtod(argv[5], NULL), load, argv[6]) : fail("the model", "not enough memory");
    dsrt_call_close(call);
    dsrt_pool_destroy(pool);
    return failed;
}
