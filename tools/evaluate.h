/* A model beside another that should give the same: errors on samples, and speed. */
#ifndef DS_EVALUATE_H
#define DS_EVALUATE_H

#include "tools/calibrate.h"
#include "tools/errors.h"

typedef struct {
    output_error *outputs; /* stb_ds array */
    size_t samples;
} evaluation;

/* Errors of `a` against `b` on the samples that are held out, or on the others. */
DS_MUST_USE ds_status evaluate(runner *a, runner *b, samples *from, double held_out, bool on_held_out, evaluation *out);
void evaluation_free(evaluation *e);
enum { EVALUATE_MOST = 4 };

/* Median milliseconds of a run of each on the first sample, in turns for about so many seconds; at most
 * EVALUATE_MOST models. */
DS_MUST_USE ds_status evaluate_speed(runner *const *models, size_t count, samples *from, double seconds,
                                     double *out_ms);
double evaluate_now(void); /* seconds */

#endif
