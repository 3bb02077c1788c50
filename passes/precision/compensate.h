/* What makes up for errors of stored factors (passes/compensations.def). */
#ifndef DS_PRECISION_COMPENSATE_H
#define DS_PRECISION_COMPENSATE_H

#include "passes/precision/precision.h"

/* Along which dims a product's factors have the channels that are summed, and what it multiplies them by. */
typedef struct {
    size_t left, right; /* dims of both factors */
    size_t count;       /* of channels */
} summed_channels;

/* False where channels are no plain dim of both factors, or weights are no constant. */
bool pr_summed_channels(deciding *d, const ds_op *op, summed_channels *out);

/* Powers of two for the channels of the left factor: it is to be divided by them, weights multiplied. NULL where nothing
 * is known of channels, or nothing would be won (smooth.c). All products that read the factor share them. */
const float *pr_smoothing(deciding *d, const ds_op *op, const decision *by, const summed_channels *c);
/* The span of the left factor, divided so. */
void pr_smoothed_span(deciding *d, const ds_op *op, const summed_channels *c, const float *by, decision *left);
/* A value with its channels along a dim multiplied by numbers or divided by them, in front of `op`; of constants a constant. */
ds_value *pr_scaled(deciding *d, ds_op *op, ds_value *v, size_t dim, const float *numbers, size_t count, bool divides);

/* What rounded weights add to each channel of the result on average, or NULL (bias.c). `rounded`: what they became;
 * `smoothing`: what the left factor was divided by, and they multiplied, or NULL. */
float *pr_mean_error(deciding *d, const ds_op *op, const summed_channels *c, const float *weights, const float *rounded,
                     const float *smoothing);
/* Takes numbers off the channels of the product's result; with a choice only where that was made. */
void pr_take_off(deciding *d, ds_op *op, const float *numbers, int64_t choice);

#endif
