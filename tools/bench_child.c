/* dsc-bench: runs one compiled model (a shared library) and prints its timings as JSON. A program of its own, so that nothing of the
 * compiler is in its memory: usage dsc-bench JOB, where JOB is a text file that `dsc bench` writes.
 *
 *   so PATH / entry NAME / threads N / seconds S / args BYTES / symbols v0 v1 … / extra JSON
 *   in OFFSET BYTES FILE dims…        out OFFSET BYTES
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "runtime/libdsrt.h"

enum { MAX_RUNS = 200000, MAX_SYMBOLS = 16 };

typedef struct {
    char so[4096], entry[256], extra[1024], weights[4096];
    uint32_t threads;
    double seconds;
    unsigned char *args;
    int64_t symbols[MAX_SYMBOLS];
    size_t symbol_count;
} job;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static void *read_file(const char *path, uint64_t bytes) {
    void *data = aligned_alloc(64, (size_t)(bytes + 127) / 64 * 64);
    FILE *f = fopen(path, "rb");
    if (!data || !f || fread(data, 1, (size_t)bytes, f) != bytes) {
        fprintf(stderr, "dsc-bench: cannot read %s\n", path);
        exit(1);
    }
    fclose(f);
    return data;
}

static void *allocate(void *user, uint64_t bytes) {
    (void)user;
    return aligned_alloc(64, (size_t)(bytes + 127) / 64 * 64);
}

static void release(void *user, void *memory) {
    (void)user;
    free(memory);
}

static void read_input(job *j, char *line) {
    uint64_t offset, bytes;
    char path[4096];
    int used = 0;
    if (sscanf(line, "in %" SCNu64 " %" SCNu64 " %4095s%n", &offset, &bytes, path, &used) != 3) return;
    void *data = read_file(path, bytes);
    memcpy(j->args + offset, &data, 8);
    memcpy(j->args + offset + 8, &bytes, 8);
    char *at = line + used;
    for (uint64_t d = 0;; d++) {
        char *end;
        int64_t extent = strtoll(at, &end, 10);
        if (end == at) break;
        memcpy(j->args + offset + 16 + 8 * d, &extent, 8);
        at = end;
    }
}

static void read_job(job *j, const char *path) {
    FILE *f = fopen(path, "r");
    char line[8192];
    uint64_t bytes;
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        sscanf(line, "so %4095s", j->so);
        sscanf(line, "entry %255s", j->entry);
        sscanf(line, "weights %4095s", j->weights);
        sscanf(line, "threads %" SCNu32, &j->threads);
        sscanf(line, "seconds %lf", &j->seconds);
        if (!strncmp(line, "extra ", 6)) snprintf(j->extra, sizeof j->extra, "%.1000s", line + 6);
        if (sscanf(line, "args %" SCNu64, &bytes) == 1) j->args = calloc(1, (size_t)bytes + 64);
        if (sscanf(line, "symbol %" SCNu64, &bytes) == 1 && j->symbol_count < MAX_SYMBOLS) j->symbols[j->symbol_count++] = (int64_t)bytes;
        if (!strncmp(line, "in ", 3)) read_input(j, line);
    }
    if (f) fclose(f);
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
        for (size_t i = 0; i < BYTES / 8; i += 8) sum += data[i] + data[i + 1] + data[i + 2] + data[i + 3] + data[i + 4] + data[i + 5] + data[i + 6] + data[i + 7];
        double t = now() - start;
        if (t < best) best = t;
    }
    free(data);
    return sum ? BYTES / best / 1e6 : 0;
}

typedef uint64_t arena_fn(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t);

int main(int argc, char **argv) {
    static double times[MAX_RUNS];
    job j = {.threads = 1, .seconds = 2};
    if (argc != 2) return 2;
    read_job(&j, argv[1]);
    double start = now();
    void *lib = dlopen(j.so, RTLD_NOW);
    int (*entry)(ds_context *, void *) = lib ? (int (*)(ds_context *, void *))(uintptr_t)dlsym(lib, j.entry) : NULL;
    char name[512];
    snprintf(name, sizeof name, "%s_arena_bytes", j.entry);
    arena_fn *arena_bytes = lib ? (arena_fn *)(uintptr_t)dlsym(lib, name) : NULL;
    if (!entry || !arena_bytes) {
        fprintf(stderr, "dsc-bench: %s\n", dlerror());
        return 1;
    }
    ds_pool *pool = j.threads > 1 ? dsrt_pool_create(j.threads) : NULL;
    int64_t s[MAX_SYMBOLS + 1] = {0};
    memcpy(s, j.symbols, sizeof j.symbols);
    s[j.symbol_count] = j.threads;
    uint64_t bytes = arena_bytes(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[10], s[11], s[12], s[13], s[14], s[15], s[16]), weight_bytes;
    ds_context context = {.size = sizeof context, .abi = DS_ABI, .arena = aligned_alloc(64, (size_t)(bytes + 127) / 64 * 64), .arena_bytes = bytes, .pool = pool, .alloc = allocate, .release = release};
    if (*j.weights) context.weights = dsrt_weights_map(j.weights, &weight_bytes);
    double load = now() - start;
    start = now();
    int status = entry(&context, j.args);
    double first = now() - start;
    if (status) {
        fprintf(stderr, "dsc-bench: %s (status %d at %u)\n", dsrt_status_text(status), status, context.at);
        return 1;
    }
    size_t n = 0;
    double stop = now() + 1e3 * j.seconds;
    for (int i = 0; i < 2; i++) entry(&context, j.args);
    while (n < MAX_RUNS && (n < 5 || now() < stop)) {
        start = now();
        entry(&context, j.args);
        times[n++] = now() - start;
    }
    qsort(times, n, sizeof *times, compare);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"median_ms\": %.6f, \"min_ms\": %.6f, \"runs\": %zu, %s, \"load_ms\": %.3f, \"first_ms\": %.3f, \"arena_bytes\": %" PRIu64 ", \"peak_rss_bytes\": %lld, \"read_gb_s\": %.2f}\n", times[n / 2],
           times[0], n, j.extra, load, first, bytes, (long long)usage.ru_maxrss * 1024, read_bandwidth());
    dsrt_pool_destroy(pool);
    return 0;
}
