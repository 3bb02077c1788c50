/* dsc tune: measures schedules for the kernels of a model on this machine.
 *
 * In three rounds, each on top of what the ones before have kept: Winograd's algorithm for convolutions, rows between two products,
 * register tiles. A trial gives all kernels one choice and profiles the model once, so it says for every kernel how that choice does. The
 * best of each are kept where they are worth it, and the whole is measured against the cost model's choices before anything is written.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/measure.h"
#include "tools/plan.h"
#include "tools/schedules.h"

enum { MAX_TRIALS = 64 };

/* What is scheduled, by its node or its description, and its milliseconds a run: with the best choice so far, and in the last trial. */
typedef struct {
    const char *what;
    double best, now;
    unsigned plain, side; /* Winograd's tiles, 0: none: the cost model's, and in the last trial */
    ds_schedule choice;   /* with the same `what`; without one: the cost model's */
} entry;

typedef struct {
    ds_ir_context *cx;
    ds_schedule_kind kind; /* of the round */
    entry *entries;        /* stb_ds arrays */
    ds_schedule *kept;     /* of the rounds before */
    double run;            /* of the last trial, milliseconds */
    double each;           /* seconds that a trial measures */
    double end, trial;     /* when the budget is used up; seconds that a trial took, compiled and measured */
    size_t tried;
} tuning;

static entry *entry_of(tuning *t, const char *what) {
    for (size_t i = 0; i < arrlenu(t->entries); i++)
        if (!strcmp(t->entries[i].what, what)) return &t->entries[i];
    entry e = {.what = ds_arena_strndup(t->cx->arena, what, strlen(what))};
    arrput(t->entries, e);
    return &arrlast(t->entries);
}

static bool starts(const char *text, const char *with) { return !strncmp(text, with, strlen(with)); }

/* By what this round would schedule a step, or NULL. */
static const char *key_of(const tuning *t, const plan_step *step) {
    const char *what = plan_what(step);
    bool conv = starts(what, "conv ") && !starts(what, "conv depthwise");
    switch (t->kind) {
    case DS_SCHEDULE_WINOGRAD: return ds_op_text(step->op, "node", NULL);
    case DS_SCHEDULE_BLOCK: return starts(what, "matmul ") && strstr(what, "+ matmul") ? what : NULL;
    case DS_SCHEDULE_TILE: return conv || strstr(what, "matmul ") ? what : NULL;
    }
    return NULL;
}

static unsigned side_of(const plan_step *step) {
    unsigned side = 0;
    return sscanf(plan_what(step), "winograd F(%u)", &side) == 1 ? side : 0;
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
        else if (sscanf(line, "step %u %lf", &number, &median) == 2 && number < arrlenu(steps)) {
            const char *key = key_of(t, &steps[number]);
            entry *e = key ? entry_of(t, key) : NULL;
            if (e) e->now += median, e->side = side_of(&steps[number]);
        }
    }
    if (f) fclose(f);
    arrfree(steps);
    return DS_OK;
}

/* What was kept, and the trial (or NULL) behind it, so that a named choice comes before one for all. */
static ds_status try_out(const cli *c, tuning *t, const ds_schedule *trial) {
    ds_schedule *all = NULL;
    for (size_t i = 0; i < arrlenu(t->kept); i++) arrput(all, t->kept[i]);
    if (trial) arrput(all, *trial);
    measure_request request = {read_trial, t, t->each, all, arrlenu(all)};
    ds_status status = measure_model(c, t->cx, &request);
    arrfree(all);
    return status;
}

static void keep_better(tuning *t, const ds_schedule *s) {
    for (size_t i = 0; i < arrlenu(t->entries); i++) {
        entry *e = &t->entries[i];
        bool same = t->kind == DS_SCHEDULE_WINOGRAD && e->side == e->plain; /* what is faster is the machine */
        if (!same && e->now > 0 && e->now < 0.97 * e->best) e->best = e->now, e->choice = *s, e->choice.what = e->what;
    }
}

static size_t candidates(ds_schedule_kind kind, const ds_target *target, ds_schedule *out) {
    static const unsigned sides[] = {0, 2, 4}, blocks[] = {24, 48, 96, 192}, rows[] = {8, 6, 12, 4, 14, 10, 3, 2, 1};
    unsigned unit = (unsigned)(64 / target->vector_bytes); /* vectors of a panel */
    size_t count = 0;
    for (size_t i = 0; kind == DS_SCHEDULE_WINOGRAD && i < DS_COUNT(sides); i++) out[count++] = (ds_schedule){kind, NULL, sides[i], 0};
    for (size_t i = 0; kind == DS_SCHEDULE_BLOCK && i < DS_COUNT(blocks); i++) out[count++] = (ds_schedule){kind, NULL, blocks[i], 0};
    for (size_t i = 0; kind == DS_SCHEDULE_TILE && i < DS_COUNT(rows); i++)
        for (unsigned columns = 4 * unit; columns >= unit && columns; columns -= unit)
            if (columns <= 8 && rows[i] * columns + columns + 1 <= target->registers && rows[i] * columns >= 4 && count < MAX_TRIALS)
                out[count++] = (ds_schedule){kind, NULL, rows[i], columns};
    return count;
}

/* One kind of choice, on top of what is kept. Leaves time for `rest` trials. */
static ds_status run_round(const cli *c, tuning *t, const ds_target *target, ds_schedule_kind kind, size_t rest) {
    ds_schedule trials[MAX_TRIALS];
    size_t count = candidates(kind, target, trials);
    double start = measure_now();
    t->kind = kind;
    arrsetlen(t->entries, 0);
    if (start + (double)(rest + 1) * t->trial > t->end) return DS_OK;
    DS_TRY(try_out(c, t, NULL));
    t->trial = measure_now() - start;
    for (size_t i = 0; i < arrlenu(t->entries); i++) t->entries[i].best = t->entries[i].now, t->entries[i].plain = t->entries[i].side;
    for (size_t i = 0; i < count && arrlenu(t->entries) && measure_now() + (double)(rest + 1) * t->trial < t->end; i++, t->tried++) {
        DS_TRY(try_out(c, t, &trials[i]));
        keep_better(t, &trials[i]);
    }
    for (size_t i = 0; i < arrlenu(t->entries); i++)
        if (t->entries[i].choice.what) arrput(t->kept, t->entries[i].choice);
    return DS_OK;
}

enum { CONFIRM = 2 }; /* trials of either side */

/* The choices together against none, in turn. */
static ds_status confirm(const cli *c, tuning *t, double *out_before, double *out_after) {
    ds_schedule *kept = t->kept;
    *out_before = *out_after = 1e30;
    for (int i = 0; i < 2 * CONFIRM; i++) {
        double *out = i % 2 ? out_after : out_before;
        t->kept = i % 2 ? kept : NULL;
        ds_status status = try_out(c, t, NULL);
        t->kept = kept;
        DS_TRY(status);
        if (t->run < *out) *out = t->run;
    }
    return DS_OK;
}

static ds_status tune(const cli *c, tuning *t, const ds_target *target, const char *path) {
    static const ds_schedule_kind rounds[] = {DS_SCHEDULE_WINOGRAD, DS_SCHEDULE_BLOCK, DS_SCHEDULE_TILE};
    double budget = cli_number(c, "seconds"), start = measure_now(), before, after;
    t->each = budget / 60 < 0.2 ? 0.2 : budget / 60, t->end = start + budget;
    for (size_t i = 0; i < DS_COUNT(rounds); i++) DS_TRY(run_round(c, t, target, rounds[i], 2 * CONFIRM));
    DS_TRY(confirm(c, t, &before, &after));
    size_t count = after < before ? arrlenu(t->kept) : 0;
    printf("%zu schedules tried in %.0f s; %.3f ms -> %.3f ms a run; %zu choices written to %s\n", t->tried, measure_now() - start, before,
           count ? after : before, count, path);
    const char *comment = ds_arena_printf(t->cx->arena, "dsc tune: %s, %.3f ms -> %.3f ms a run", target->name, before, after);
    return schedules_write(t->cx, path, comment, t->kept, count);
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
    arrfree(t.entries), arrfree(t.kept);
    return status;
}
