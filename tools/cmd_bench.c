/* dsc bench: one model's latency, as JSON that the measured process prints (tools/bench_child.c). */
#include "tools/measure.h"

ds_status cmd_bench(const cli *c, ds_ir_context *cx) { return measure_model(c, cx, &(measure_request){0}); }
