/* dsc-bench --against: two compilations of a model in turns, so that whatever else the machine does meets both
 * alike. */
#include "tools/bench_child.h"

#include <stdio.h>
#include <stdlib.h>

#include "tools/bench_machine.h"

enum {
    MAX_RUNS = 100000,
    TURN = 4,
    LEAST_TURNS = 4
}; /* runs of one before the other's; the first finds the other's data in the caches */

typedef struct {
    ds_call *call;
    double times[MAX_RUNS], cpu[MAX_RUNS];
    size_t count;
} side;

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static int run_turn(side *s) {
    for (int i = 0; i < TURN; i++) {
        double cpu = bench_cpu_now(), start = bench_now();
        int status = dsrt_call_run(s->call);
        if (status) return status;
        s->times[s->count] = bench_now() - start;
        s->cpu[s->count] = bench_cpu_now() - cpu;
        if (i) s->count++;
    }
    return 0;
}

static double median(double *times, size_t count) {
    qsort(times, count, sizeof *times, compare);
    return times[count / 2];
}

int bench_pair(ds_call *call, ds_call *other, double seconds) {
    static side sides[2];
    sides[0].call = call;
    sides[1].call = other;
    int status = 0;
    double stop = bench_now() + 1e3 * seconds;
    for (int turn = 0; !status && sides[0].count + TURN < MAX_RUNS && (turn < LEAST_TURNS || bench_now() < stop);
         turn++)
        for (int i = 0; !status && i < 2; i++) status = run_turn(&sides[(turn + i) % 2]);
    if (status) return bench_fail("the model", dsrt_status_text(status));
    for (int i = 0; i < 2; i++)
        printf("%.6f %.6f\n", median(sides[i].cpu, sides[i].count), median(sides[i].times, sides[i].count));
    return 0;
}
