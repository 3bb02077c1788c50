/* Ranges of a model's values on samples: a model that gives them out (passes/observe.h) runs on each, and what observers
 * (observer.h) make of the numbers is kept. The model keeps no state; histograms take a run of their own, in which
 * ranges are known. */
#ifndef DS_CALIBRATE_H
#define DS_CALIBRATE_H

#include "ir/policy.h"
#include "tools/observer.h"
#include "tools/runner.h"

typedef struct {
    const char *path; /* of samples */
    const observer *by;
    double parameter;        /* of the observer */
    const ds_policy *policy; /* whose rules may name observers of their own; or NULL */
    bool by_channel;         /* ranges of channels as well */
    double held_out;         /* share of the samples that is not looked at */
} calibration;

/* Is this one of the samples that are held out? The same ones for the same share, spread over all. */
bool calibration_holds_out(double share, size_t sample);
/* The observer that a rule names, with its option, as an option of the command line has it; DS_BAD_USAGE with a message. */
DS_MUST_USE ds_status calibration_observer(const cli *c, const char *name, const char *option, double value,
                                           const observer **out, double *out_parameter);
DS_MUST_USE ds_status calibrate(const cli *c, ds_ir_context *cx, const calibration *how, ds_ranges *out);

#endif
