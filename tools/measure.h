/* A model compiled to a shared library and run by dsc-bench, in a process that holds nothing of the compiler. */
#ifndef DS_MEASURE_H
#define DS_MEASURE_H

#include "tools/model.h"

/* Reads what the measured process printed, while the module (plans) still exists. */
typedef ds_status measure_report(const cli *c, ds_module *m, const char *output, void *user);

/* Options as `dsc bench` takes them. With a report the model is traced and profiled, and nothing is printed here. */
DS_MUST_USE ds_status measure_model(const cli *c, ds_ir_context *cx, measure_report *report, void *user);

#endif
