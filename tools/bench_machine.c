#define _GNU_SOURCE
#include "tools/bench_machine.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static double read_clock(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

double bench_now(void) { return read_clock(CLOCK_MONOTONIC); }

double bench_cpu_now(void) { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }

enum { SUMS = 12, STEPS = 20000 }; /* 12: the latency of a multiply-add times two units, with some to spare */

#if defined(__x86_64__)
#define DS_REGISTER "+v"
#elif defined(__aarch64__)
#define DS_REGISTER "+w"
#else
#define DS_REGISTER "+m"
#endif

/* Independent chains of multiply-adds, and sums over a buffer, in vectors of `bytes`; one pair a vector width. */
#define MEASURES(name, target, bytes)                                                                                  \
    typedef float vector_##name __attribute__((vector_size(bytes)));                                                   \
    target static float chains_##name(int steps) {                                                                     \
        vector_##name sum[SUMS], x = {0}, y = {0}, all = {0};                                                          \
        x += 0.5F, y += 1.0F;                                                                                          \
        for (int i = 0; i < SUMS; i++) sum[i] = y * (float)(steps + i); /* different ones: else the chains are one */  \
        for (int k = 0; k < steps; k++) {                                                                              \
            _Pragma("GCC unroll 12") for (int i = 0; i < SUMS; i++) sum[i] = sum[i] * x + y;                           \
            __asm__ volatile("" : DS_REGISTER(x));                                                                     \
        }                                                                                                              \
        for (int i = 0; i < SUMS; i++) all += sum[i];                                                                  \
        return all[0];                                                                                                 \
    }                                                                                                                  \
    target static float read_##name(const float *data, size_t count) {                                                 \
        vector_##name sum[4] = {{0}};                                                                                  \
        for (size_t i = 0; i < count; i += 4 * (bytes) / 4)                                                            \
            _Pragma("GCC unroll 4") for (size_t j = 0; j < 4; j++) sum[j] +=                                           \
                *(const vector_##name *)(data + i + j * (bytes) / 4);                                                  \
        return (sum[0] + sum[1] + sum[2] + sum[3])[0];                                                                 \
    }

#if defined(__x86_64__)
MEASURES(wide, __attribute__((target("avx512f"))), 64)
MEASURES(middle, __attribute__((target("avx2,fma"))), 32)
MEASURES(narrow, , 16)
static int widest(void) { return __builtin_cpu_supports("avx512f") ? 64 : __builtin_cpu_supports("avx2") ? 32 : 16; }
static float chains(int steps) {
    return widest() == 64 ? chains_wide(steps) : widest() == 32 ? chains_middle(steps) : chains_narrow(steps);
}
static float read_all(const float *data, size_t count) {
    return widest() == 64   ? read_wide(data, count)
           : widest() == 32 ? read_middle(data, count)
                            : read_narrow(data, count);
}
#else
MEASURES(narrow, , 16)
static int widest(void) { return 16; }
static float chains(int steps) { return chains_narrow(steps); }
static float read_all(const float *data, size_t count) { return read_narrow(data, count); }
#endif

double bench_peak_gflops(void) {
    double best = 1e9, start;
    volatile float keep = 0;
    for (int round = 0; round < 50; round++) {
        start = bench_now();
        keep = keep + chains(STEPS);
        double t = bench_now() - start;
        if (t < best) best = t;
    }
    return 2.0 * SUMS * STEPS * widest() / 4 / best / 1e6;
}

double bench_read_gb_s(size_t bytes) {
    float *data = aligned_alloc(64, bytes);
    if (!data) return 0;
    memset(data, 0, bytes);
    double best = 1e9;
    volatile float keep = 0;
    size_t turns = ((size_t)1 << 26) / bytes + 1;
    for (int round = 0; round < 3; round++) {
        double start = bench_now();
        for (size_t i = 0; i < turns; i++) keep = keep + read_all(data, bytes / 4);
        double t = (bench_now() - start) / (double)turns;
        if (t < best) best = t;
    }
    free(data);
    return (double)bytes / best / 1e6;
}
