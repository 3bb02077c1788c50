/* What this machine can do, measured: the roofline that kernels are compared with. */
#ifndef DS_BENCH_MACHINE_H
#define DS_BENCH_MACHINE_H

#include <stddef.h>

double bench_now(void);     /* milliseconds */
double bench_cpu_now(void); /* that this process has had a CPU */
/* One core's multiply-adds in f32 registers, in GFLOP/s (a multiply-add is two). */
double bench_peak_gflops(void);
/* One core's read bandwidth in a buffer of `bytes`, in GB/s; 0 when there is no memory for it. */
double bench_read_gb_s(size_t bytes);

#endif
