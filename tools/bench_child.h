/* The measured process (dsc-bench): what its modes share. */
#ifndef DS_BENCH_CHILD_H
#define DS_BENCH_CHILD_H

#include "runtime/libdsrt.h"

int bench_fail(const char *what, const char *why); /* prints; returns the exit status 1 */
/* A pool of `threads` that times every piece it runs; null when there is no memory. It is the only one of its
 * process. */
ds_pool *bench_timed_pool(uint32_t threads);
/* Runs a traced model for some seconds and prints, in milliseconds, one line each (tools/cmd_profile.c reads them):
 *   peak GFLOP/s | read BYTES GB/s | run MEDIAN RUNS THREADS 
 *   step NUMBER MEDIAN LAST BUSY PIECES | piece STEP LANE START END
 * MEDIAN: over all runs. LAST: of the last run, and so are BUSY, the time of all lanes together in the step's pieces,
 * and the pieces. */
int bench_profile(ds_call *call, double seconds, uint32_t threads);
/* Runs both in turns for some seconds, on one thread each time or on one pool, and prints a line for each: median CPU
 * time of the process, and median time, in milliseconds. */
int bench_pair(ds_call *call, ds_call *other, double seconds);

#endif
