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

enum { LEAST_TURNS = 5, MOST_TURNS = 3000 };

/* Each model once a turn, of which the first warms up. */
static int take_turns(ds_call *const *calls, size_t count, double seconds, double **took) {
    double end = evaluate_now() + seconds;
    int status = 0;
    for (size_t turn = 0; !status && turn < MOST_TURNS && (turn <= LEAST_TURNS || evaluate_now() < end); turn++) {
        for (size_t k = 0; !status && k < count; k++) {
            double before = evaluate_now();
            status = dsrt_call_run(calls[k]);
            double ms = (evaluate_now() - before) * 1e3;
            if (turn) arrput(took[k], ms);
        }
    }
    return status;
}

/* Results are the caller's, but those that lie in memory of inputs. */
static void close_timed(ds_call *call, const ds_signature *s) {
    for (size_t i = 0; call && i < s->output_count; i++) {
        ds_model_tensor result = {0};
        dsrt_call_result(call, (uint32_t)i, &result);
        if (!s->outputs[i].is_alias) free(result.data);
    }
    dsrt_call_close(call);
}

ds_status evaluate_speed(runner *const *models, size_t count, samples *from, double seconds, double *out_ms) {
    double *took[EVALUATE_MOST] = {NULL};
    ds_call *calls[EVALUATE_MOST] = {NULL};
    int ran = 0;
    ds_status status = DS_OK;
    for (size_t k = 0; status == DS_OK && k < count; k++) {
        status = samples_read(from, 0, models[k]->call.inputs, models[k]->call.owned);
        if (status == DS_OK)
            calls[k] = dsrt_call_open(models[k]->call.model, models[k]->pool, models[k]->call.inputs, NULL);
        if (status == DS_OK && !calls[k]) ds_out_of_memory();
    }
    if (status == DS_OK) ran = take_turns(calls, count, seconds, took);
    for (size_t k = 0; k < count; k++) {
        if (status == DS_OK && !ran) {
            qsort(took[k], arrlenu(took[k]), sizeof *took[k], by_size);
            out_ms[k] = took[k][arrlenu(took[k]) / 2];
        }
        arrfree(took[k]);
        close_timed(calls[k], &models[k]->model.built.signature);
        runner_release(models[k]);
    }
    return ran ? ds_report(models[0]->cx->diag, DS_ERROR, DS_E_run, NULL, "a model that is timed failed: %s",
                           dsrt_status_text(ran))
               : status;
}
