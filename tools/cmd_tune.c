/* dsc tune: measures register tiles for the contractions of a model on this machine.
 *
 * Each trial gives all contractions one tile and profiles the model once, so a trial says for every kernel how that tile does; the best of
 * each kernel are kept where they are worth it, and the whole is measured against the cost model's choice before anything is written.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/measure.h"
#include "tools/plan.h"
#include "tools/schedules.h"

enum { MAX_TRIALS = 64 };

/* What one kernel took, in milliseconds a run: with the best tile so far, and in the last trial. */
typedef struct {
    const char *what;
    double best, now;
    unsigned rows, columns; /* of the best; 0: the cost model's */
} entry;

typedef struct {
    ds_ir_context *cx;
    entry *entries; /* stb_ds array */
    double run;     /* of the last trial, milliseconds */
} tuning;

static entry *entry_of(tuning *t, const char *what) {
    for (size_t i = 0; i < arrlenu(t->entries); i++)
        if (!strcmp(t->entries[i].what, what)) return &t->entries[i];
    entry e = {.what = ds_arena_strndup(t->cx->arena, what, strlen(what))};
    arrput(t->entries, e);
    return &arrlast(t->entries);
}

static ds_status read_trial(const cli *c, ds_module *m, const char *output, void *user) {
    tuning *t = user;
    plan_step *steps = plan_steps(m);
    char line[256];
    FILE *f = fopen(output, "r");
    (void)c;
    for (size_t i = 0; i < arrlenu(t->entries); i++) t->entries[i].now = 0;
    while (f && fgets(line, sizeof line, f)) {
        unsigned number;
        double median;
        if (sscanf(line, "run %lf", &median) == 1) t->run = median;
        else if (sscanf(line, "step %u %lf", &number, &median) == 2 && number < arrlenu(steps))
            entry_of(t, plan_what(&steps[number]))->now += median;
    }
    if (f) fclose(f);
    arrfree(steps);
    return DS_OK;
}

static bool is_contraction(const char *what) {
    return (!strncmp(what, "conv ", 5) && strncmp(what, "conv depthwise", 14)) || !strncmp(what, "matmul ", 7);
}

static ds_status try_tile(const cli *c, tuning *t, double seconds, const ds_schedule *schedules, size_t count) {
    measure_request request = {read_trial, t, seconds, schedules, count};
    return measure_model(c, t->cx, &request);
}

static void keep_better(tuning *t, const ds_schedule *s) {
    for (size_t i = 0; i < arrlenu(t->entries); i++) {
        entry *e = &t->entries[i];
        if (is_contraction(e->what) && e->now > 0 && e->now < 0.97 * e->best) e->best = e->now, e->rows = s->rows, e->columns = s->columns;
    }
}

static size_t candidates(const ds_target *target, ds_schedule *out) {
    static const unsigned rows[] = {8, 6, 12, 4, 14, 10, 3, 2, 1};
    unsigned unit = (unsigned)(64 / target->vector_bytes); /* vectors of a panel */
    size_t count = 0;
    for (size_t i = 0; i < DS_COUNT(rows); i++)
        for (unsigned columns = 4 * unit; columns >= unit && columns; columns -= unit)
            if (columns <= 8 && rows[i] * columns + columns + 1 <= target->registers && rows[i] * columns >= 4 && count < MAX_TRIALS)
                out[count++] = (ds_schedule){NULL, rows[i], columns};
    return count;
}

static size_t chosen(const tuning *t, ds_schedule *out) {
    size_t count = 0;
    for (size_t i = 0; i < arrlenu(t->entries); i++)
        if (t->entries[i].rows) out[count++] = (ds_schedule){t->entries[i].what, t->entries[i].rows, t->entries[i].columns};
    return count;
}

/* The choices together against none, twice each in turn. */
static ds_status confirm(const cli *c, tuning *t, double seconds, const ds_schedule *schedules, size_t count, double *out_before,
                         double *out_after) {
    *out_before = *out_after = 1e30;
    for (int round = 0; round < 2; round++) {
        DS_TRY(try_tile(c, t, seconds, NULL, 0));
        if (t->run < *out_before) *out_before = t->run;
        DS_TRY(try_tile(c, t, seconds, schedules, count));
        if (t->run < *out_after) *out_after = t->run;
    }
    return DS_OK;
}

static ds_status tune(const cli *c, tuning *t, const ds_target *target, const char *path) {
    double budget = cli_number(c, "seconds", 60), start = measure_now(), each = budget / 60 < 0.2 ? 0.2 : budget / 60, before, after;
    ds_schedule trials[MAX_TRIALS];
    size_t count = candidates(target, trials), done = 0, kept;
    DS_TRY(try_tile(c, t, each, NULL, 0));
    double trial = measure_now() - start;
    for (size_t i = 0; i < arrlenu(t->entries); i++) t->entries[i].best = t->entries[i].now;
    for (; done < count && measure_now() - start + 5 * trial < budget; done++) { /* four are left for the confirmation */
        DS_TRY(try_tile(c, t, each, &trials[done], 1));
        keep_better(t, &trials[done]);
    }
    ds_schedule *best = DS_NEW_ARRAY(t->cx->arena, ds_schedule, arrlenu(t->entries) + 1);
    kept = chosen(t, best);
    DS_TRY(confirm(c, t, each, best, kept, &before, &after));
    if (after >= before) kept = 0;
    printf("%zu of %zu tiles tried in %.0f s; %.3f ms -> %.3f ms a run; %zu choices written to %s\n", done, count, measure_now() - start,
           before, kept ? after : before, kept, path);
    return schedules_write(
        t->cx, path, ds_arena_printf(t->cx->arena, "dsc tune: %s, %.3f ms -> %.3f ms a run", target->name, before, after), best, kept);
}

ds_status cmd_tune(const cli *c, ds_ir_context *cx) {
    tuning t = {.cx = cx};
    ds_pass_options passes;
    DS_TRY(model_pass_options(c, cx, "native", &passes));
    const char *path = cli_value(c, "output", NULL);
    if (!path) {
        fprintf(stderr, "dsc: error: tune needs -o FILE for the schedules\n");
        return DS_BAD_USAGE;
    }
    ds_status status = tune(c, &t, passes.target, path);
    arrfree(t.entries);
    return status;
}
