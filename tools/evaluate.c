#include "tools/evaluate.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

double evaluate_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static ds_status add_sample(runner *a, runner *b, samples *from, size_t sample, evaluation *out) {
    const ds_signature *s = &b->model.built.signature;
    ds_status status = runner_run(b, from, sample);
    if (status == DS_OK) status = runner_run(a, from, sample);
    for (size_t i = 0; status == DS_OK && i < s->output_count; i++) {
        if (i == arrlenu(out->outputs)) arrput(out->outputs, (output_error){0});
        error_add(&out->outputs[i], &s->outputs[i], &a->call.outputs[i], &b->call.outputs[i]);
    }
    runner_release(a);
    runner_release(b);
    return status;
}

ds_status evaluate(runner *a, runner *b, samples *from, double held_out, bool on_held_out, evaluation *out) {
    bool shown = isatty(STDERR_FILENO);
    *out = (evaluation){0};
    for (size_t i = 0; i < from->count; i++) {
        if (calibration_holds_out(held_out, i) != on_held_out) continue;
        DS_TRY(add_sample(a, b, from, i, out));
        out->samples++;
        if (shown) fprintf(stderr, "\rcomparing: sample %zu of %zu ", i + 1, from->count);
    }
    if (shown) fprintf(stderr, "\n");
    return DS_OK;
}

void evaluation_free(evaluation *e) {
    arrfree(e->outputs);
    e->outputs = NULL;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

enum { LEAST_TURNS = 5 };

ds_status evaluate_speed(runner *const *models, size_t count, samples *from, double seconds, double *out_ms) {
    double *took[EVALUATE_MOST] = {NULL}, end = evaluate_now() + seconds;
    ds_status status = DS_OK;
    for (size_t turn = 0; status == DS_OK && (turn <= LEAST_TURNS || evaluate_now() < end); turn++) {
        for (size_t k = 0; status == DS_OK && k < count; k++) {
            double before = evaluate_now();
            status = runner_run(models[k], from, 0);
            double ms = (evaluate_now() - before) * 1e3;
            if (turn) arrput(took[k], ms); /* the first one warms up */
            runner_release(models[k]);
        }
    }
    for (size_t k = 0; k < count; k++) {
        if (status == DS_OK) {
            qsort(took[k], arrlenu(took[k]), sizeof *took[k], by_size);
            out_ms[k] = took[k][arrlenu(took[k]) / 2];
        }
        arrfree(took[k]);
    }
    return status;
}
