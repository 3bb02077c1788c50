/* Schedules of one kernel against each other: compiled together and run in turns in this process, on operands of its
 * types. */
#ifndef DS_TRIAL_H
#define DS_TRIAL_H

#include "tools/model.h"

/* What all trials of a model share. */
typedef struct {
    ds_ir_context *cx;
    ds_pass_options passes;
    ds_cpu_options cpu;
    ds_pool *pool;         /* or NULL: one thread */
    double constant_bytes; /* of the model: weights are as cold here as so many make them there */
} trial_setting;

double trial_constant_bytes(ds_ir_context *cx, const ds_module *m);
/* Is all of a kernel known but the values? (Others are not measured alone.) */
bool trial_is_possible(const ds_op *kernel);
/* Milliseconds of the kernel (in a function of a module that is through the pass `schedule`) by each schedule, which
 * can be obeyed. Measures for about so many seconds, each a few times at least. */
DS_MUST_USE ds_status trial_run(const trial_setting *setting, const ds_op *kernel, const ds_attr *const *schedules,
                                size_t count, double seconds, double *out_ms);

#endif
