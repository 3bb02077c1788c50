/* dsc-bench: runs one compiled model and prints its timings as JSON. A program of its own, so that nothing of the
 * compiler is in its memory. `dsc bench` and `dsc profile` start it as  dsc-bench MODEL.so PREFIX MODEL.weights|-
 * THREADS SECONDS EXTRA INPUT.npy… where EXTRA is JSON members to print among the others, --profile, or --against
 * OTHER.so OTHER.weights|- (bench_child.h). */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench_child.h"
#include "tools/bench_machine.h"

enum { MAX_RUNS = 200000, FIRST_INPUT = 7 };

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
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

int bench_fail(const char *what, const char *why) {
    fprintf(stderr, "dsc-bench: %s: %s\n", what, why);
    return 1;
}

static int measure(ds_call *call, double seconds, double load, const char *extra) {
    static double times[MAX_RUNS], cpu[MAX_RUNS];
    double start = bench_now();
    int status = dsrt_call_run(call);
    double first = bench_now() - start;
    if (status) return bench_fail("the model", dsrt_status_text(status));
    size_t n = 0;
    double stop = bench_now() + 1e3 * seconds;
    for (int i = 0; i < 2; i++) dsrt_call_run(call);
    while (n < MAX_RUNS && (n < 5 || bench_now() < stop)) {
        double cpu_start = bench_cpu_now();
        start = bench_now();
        dsrt_call_run(call);
        times[n] = bench_now() - start;
        cpu[n++] = bench_cpu_now() - cpu_start;
    }
    qsort(times, n, sizeof *times, compare);
    qsort(cpu, n, sizeof *cpu, compare);
    long long peak = peak_bytes();
    printf("{\"cpu_ms\": %.6f, \"median_ms\": %.6f, \"min_ms\": %.6f, \"runs\": %zu, %s, \"load_ms\": %.3f, "
           "\"first_ms\": %.3f, "
           "\"arena_bytes\": %" PRIu64 ", \"peak_rss_bytes\": %lld, \"read_gb_s\": %.2f}\n",
           cpu[n / 2], times[n / 2], times[0], n, extra, load, first, dsrt_call_context(call)->arena_bytes, peak,
           bench_read_gb_s((size_t)1 << 28));
    return 0;
}

static ds_model *open_model(const char *path, const char *prefix, const char *weights) {
    return dsrt_model_open(path, prefix, strcmp(weights, "-") ? weights : NULL);
}

/* Its own call of the other model, on the same inputs and pool. */
static int measure_against(ds_call *call, char **argv, const ds_model_tensor *inputs, ds_pool *pool, double seconds) {
    ds_model *model = open_model(argv[FIRST_INPUT], argv[2], argv[FIRST_INPUT + 1]);
    ds_call *others = model ? dsrt_call_open(model, pool, inputs, NULL) : NULL;
    int failed = others ? bench_pair(call, others, seconds) : bench_fail(argv[FIRST_INPUT], "cannot be opened");
    dsrt_call_close(others);
    return failed;
}

int main(int argc, char **argv) {
    if (argc < FIRST_INPUT) return 2;
    int against = !strcmp(argv[6], "--against"), first = FIRST_INPUT + 2 * against;
    double start = bench_now();
    ds_model *model = open_model(argv[1], argv[2], argv[3]);
    double load = bench_now() - start;
    if (!model || argc < first || dsrt_model_inputs(model) != (uint32_t)(argc - first))
        return bench_fail(argv[1], "cannot be opened with these inputs");
    ds_model_tensor *inputs = calloc(dsrt_model_inputs(model) + 1, sizeof *inputs);
    for (uint32_t i = 0; inputs && i < dsrt_model_inputs(model); i++) {
        const char *wrong = dsrt_npy_read(argv[first + (int)i], dsrt_model_input(model, i), &inputs[i]);
        if (wrong) return bench_fail(argv[first + (int)i], wrong);
    }
    uint32_t threads = (uint32_t)strtoul(argv[4], NULL, 10);
    int profile = !strcmp(argv[6], "--profile");
    ds_pool *pool = profile ? bench_timed_pool(threads) : threads > 1 ? dsrt_pool_create(threads) : NULL;
    start = bench_now();
    ds_call *call = inputs ? dsrt_call_open(model, pool, inputs, NULL) : NULL;
    load += bench_now() - start;
    double seconds = strtod(argv[5], NULL);
    int failed = !call     ? bench_fail("the model", "not enough memory")
                 : profile ? bench_profile(call, seconds, threads)
                 : against ? measure_against(call, argv, inputs, pool, seconds)
                           : measure(call, seconds, load, argv[6]);
    dsrt_call_close(call);
    if (!profile) dsrt_pool_destroy(pool);
    return failed;
}
