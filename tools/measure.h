/* A model compiled to a shared library and run by dsc-bench, in a process that holds nothing of the compiler. */
#ifndef DS_MEASURE_H
#define DS_MEASURE_H

#include "tools/model.h"

double measure_now(void); /* seconds */
/* Reads what the measured process printed, while the module (plans) still exists. */
typedef ds_status measure_report(const cli *c, ds_module *m, const char *output, void *user);

/* Options as `dsc bench` takes them. With a report the model is traced and profiled, for `seconds` (0: as --seconds says), and nothing is
 * printed here. `schedules` replace those of --schedules where there are any. */
typedef struct {
    measure_report *report;
    void *user;
    double seconds;
    const ds_choice *schedules;
    size_t schedule_count;
} measure_request;
DS_MUST_USE ds_status measure_model(const cli *c, ds_ir_context *cx, const measure_request *request);

#endif
