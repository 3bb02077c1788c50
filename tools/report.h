/* dsc compile --report: what became of a model's operations. */
#ifndef DS_REPORT_H
#define DS_REPORT_H

#include "tools/cli.h"

/* Runs the pipeline as ds_passes_run does, counting the work before fusion. */
DS_MUST_USE ds_status report_run_passes(ds_module *m, const ds_pass_options *options, ds_work *out_before);
/* Prints the kernels of a plan, and the totals, to standard output. */
void report_print(const cli *c, ds_module *m, const ds_work *before);

#endif
