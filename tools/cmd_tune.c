/* dsc tune: measures schedules for the kernels of a model on this machine.
 *
 * First, model by model: whether Winograd's algorithm computes a convolution, by its node. Then kernel by kernel, those
 * that take most time first: what the programs propose for it, and what is near the best of that, each measured alone
 * (trial.c). What won there is compared in the model, and dropped where it is no faster; at last the whole model is run
 * with and without, in turns, and a file of choices is written only if it is faster.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "passes/schedule/schedule.h"
#include "tools/measure.h"
#include "tools/plan.h"
#include "tools/schedules.h"
#include "tools/trial.h"

enum { BATCH = 8, PAIRS = 3 }; /* schedules measured together; runs of either side in the model */
#define LEAST_SHARE 0.005      /* of the run's time: less is not worth it */
#define LEAST_GAIN 0.98        /* of a kernel's time */

/* What is found by its key or its node: milliseconds a run, in the model. */
typedef struct {
    const char *key, *node, *what;
    double ms, other; /* the better of several runs, and with the choices that are tried */
    unsigned calls;
    int tile; /* of a node: Winograd's, 0: none */
} entry;

typedef struct {
    const cli *c;
    ds_ir_context *cx;
    ds_pass_options passes;
    double start, end;  /* of the budget */
    double build, each; /* seconds that it takes to compile the model; that it is profiled at a time */
    ds_choice *kept;    /* stb_ds array */
    size_t tried;
} tuning;

/* ---- profiles ---- */

static int tile_of(const plan_step *step) {
    unsigned side = 0;
    return sscanf(plan_what(step), "winograd F(%u)", &side) == 1 ? (int)side : 0;
}

static entry *entry_of(entry **all, const plan_step *step, bool by_node) {
    const char *name = ds_op_text(step->op, by_node ? "node" : "key", NULL);
    if (!name) return NULL;
    for (size_t i = 0; i < arrlenu(*all); i++)
        if (!strcmp(by_node ? (*all)[i].node : (*all)[i].key, name)) return &(*all)[i];
    entry e = {
        .key = by_node ? NULL : name, .node = by_node ? name : NULL, .what = plan_what(step), .tile = tile_of(step)};
    arrput(*all, e);
    return &arrlast(*all);
}

/* Adds the times of steps that a profiled run printed. */
static void read_profile(FILE *f, const plan_step *steps, bool by_node, entry **out, double *out_run) {
    char line[256];
    unsigned number;
    double median;
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "run %lf", &median) == 1) *out_run = median;
        if (sscanf(line, "step %u %lf", &number, &median) != 2 || number >= arrlenu(steps)) continue;
        entry *e = entry_of(out, &steps[number], by_node);
        if (!e) continue;
        e->ms += median;
        e->calls++;
    }
}

/* Runs once; what each key or node took, as a stb_ds array. */
static ds_status profile(tuning *t, measured *w, bool by_node, entry **out, double *out_run) {
    const char *path;
    plan_step *steps = plan_steps(w->module);
    ds_status status = measure_run(w, t->each, &path);
    FILE *f = status == DS_OK ? fopen(path, "r") : NULL;
    arrsetlen(*out, 0);
    if (f) {
        read_profile(f, steps, by_node, out, out_run);
        fclose(f);
    }
    arrfree(steps);
    return status;
}

static double total_of(const entry *all) {
    double ms = 0;
    for (size_t i = 0; i < arrlenu(all); i++) ms += all[i].ms;
    return ms;
}

static ds_pass_options with_choices(const tuning *t, const ds_choice *choices) {
    ds_pass_options passes = t->passes;
    passes.schedules = choices;
    passes.schedule_count = arrlenu(choices);
    return passes;
}

/* To be closed whatever comes of it. */
static ds_status compile(tuning *t, const ds_choice *choices, bool traced, measured *out) {
    ds_pass_options passes = with_choices(t, choices);
    double start = measure_now();
    ds_status status = measure_open(t->c, t->cx, &passes, traced, out);
    double took = measure_now() - start;
    if (took > t->build) t->build = took;
    return status;
}

/* ---- Winograd's algorithm, by node ---- */

static void note_node(entry *best, const entry *now, ds_choice *choice) {
    if (now->tile == best->tile || now->ms >= LEAST_GAIN * best->ms) return;
    best->ms = now->ms;
    *choice = (ds_choice){.node = best->node, .tile = now->tile};
}

/* One of the two tiles that the cost model did not choose, for all nodes. */
static ds_status try_tiles(tuning *t, entry *nodes, ds_choice *best, size_t which) {
    static const int tiles[] = {0, 2, 4};
    ds_choice *trial = NULL;
    entry *now = NULL;
    double run;
    measured w;
    for (size_t i = 0; i < arrlenu(nodes); i++) {
        size_t k = which;
        for (size_t s = 0; s <= k; s++) k += tiles[s] == nodes[i].tile;
        arrput(trial, ((ds_choice){.node = nodes[i].node, .tile = tiles[k]}));
    }
    ds_status status = compile(t, trial, true, &w);
    if (status == DS_OK) status = profile(t, &w, true, &now, &run);
    measure_close(&w);
    for (size_t i = 0; i < arrlenu(now); i++)
        for (size_t k = 0; k < arrlenu(nodes); k++)
            if (!strcmp(nodes[k].node, now[i].node)) note_node(&nodes[k], &now[i], &best[k]);
    arrfree(trial);
    arrfree(now);
    t->tried++;
    return status;
}

static bool has_time(const tuning *t, double builds) {
    return measure_now() + builds * (t->build + 2 * t->each) < t->end;
}

enum { BUILDS_LEFT = 3 }; /* of the whole model, for comparisons at the end */

static ds_status tune_nodes(tuning *t, measured *plain) {
    entry *nodes = NULL;
    double run;
    ds_status status = profile(t, plain, true, &nodes, &run);
    ds_choice *best = ds_arena_alloc(t->cx->arena, (arrlenu(nodes) + 1) * sizeof *best);
    for (size_t which = 0; status == DS_OK && arrlenu(nodes) && which < 2 && has_time(t, BUILDS_LEFT + 2); which++)
        status = try_tiles(t, nodes, best, which);
    for (size_t i = 0; i < arrlenu(nodes); i++)
        if (best[i].node) arrput(t->kept, best[i]);
    if (arrlenu(nodes))
        fprintf(stderr, "%zu convolutions that Winograd's algorithm fits: %zu otherwise than the cost model says\n",
                arrlenu(nodes), arrlenu(t->kept));
    arrfree(nodes);
    return status;
}

/* ---- kernels, by key ---- */

typedef struct {
    tuning *t;
    trial_setting setting;
    ds_core core;
    ds_target room; /* of the core */
    const ds_op *kernel;
    const ds_attr **queue, *best; /* stb_ds array: all that was proposed; the fastest so far */
    size_t done;                  /* of the queue */
    double first, least;          /* milliseconds of the cost model's choice, and of the fastest */
} search;

static void enqueue(search *s, ds_schedule *proposals) {
    for (size_t i = 0; i < arrlenu(proposals); i++) {
        const ds_attr *attr = ds_schedule_attr(s->core.cx, &proposals[i]);
        bool known = ds_schedule_check(&s->core, s->kernel, &proposals[i]) != NULL;
        for (size_t k = 0; k < arrlenu(s->queue); k++) known = known || s->queue[k] == attr;
        if (!known) arrput(s->queue, attr);
        ds_schedule_free(&proposals[i]);
    }
    arrfree(proposals);
}

static void enqueue_neighbours(search *s, const ds_attr *from) {
    ds_schedule schedule;
    ds_schedule *proposals = NULL;
    if (ds_schedule_read(s->core.cx, from, &schedule)) return;
    ds_schedule_neighbours(&s->core, s->kernel, &schedule, &proposals);
    ds_schedule_free(&schedule);
    enqueue(s, proposals);
}

/* The next schedules of the queue against the best. */
static ds_status measure_batch(search *s, double seconds) {
    const ds_attr *batch[BATCH + 1] = {s->best};
    double ms[BATCH + 1];
    size_t count = 1;
    for (; count <= BATCH && s->done < arrlenu(s->queue); s->done++)
        if (s->queue[s->done] != s->best) batch[count++] = s->queue[s->done];
    DS_TRY(trial_run(&s->setting, s->kernel, batch, count, seconds, ms));
    if (s->first == 0) s->first = s->least = ms[0];
    double scale = s->least / ms[0]; /* the machine may be slower now than it was */
    for (size_t i = 1; i < count; i++)
        if (ms[i] * scale < 0.99 * s->least) {
            s->least = ms[i] * scale;
            s->best = batch[i];
        }
    s->t->tried += count - 1;
    return DS_OK;
}

/* All that is proposed, then what is near the best as long as that leads on. */
static ds_status search_kernel(search *s, double seconds) {
    double start = measure_now(), end = start + seconds;
    ds_schedule *proposals = NULL;
    const ds_attr *from = NULL;
    ds_status status = DS_OK;
    arrput(s->queue, s->best);
    ds_schedule_propose(&s->core, s->kernel, &proposals);
    enqueue(s, proposals);
    do {
        if (s->done == arrlenu(s->queue) && from != s->best) enqueue_neighbours(s, from = s->best);
        if (s->done == arrlenu(s->queue)) break;
        status = measure_batch(s, seconds / 16);
    } while (status == DS_OK && measure_now() < end);
    return status;
}

/* The fastest was chosen among many, and some are lucky: against the cost model's choice once more. */
static ds_status decide(search *s, const ds_attr *plain, double seconds) {
    const ds_attr *both[] = {plain, s->best};
    double ms[2];
    if (s->best == plain) return DS_OK;
    DS_TRY(trial_run(&s->setting, s->kernel, both, 2, seconds, ms));
    s->first = ms[0];
    s->least = ms[1];
    if (s->least >= LEAST_GAIN * s->first) s->best = plain;
    return DS_OK;
}

/* The first kernel of @main with this key, also within loops and branches. */
static const ds_op *kernel_of(ds_ir_context *cx, const ds_block *block, const char *key) {
    for (const ds_op *op = block->first; op; op = op->next) {
        if (op->kind == DS_GRAPH_kernel && !strcmp(ds_kernel_key(cx, op), key)) return op;
        for (size_t r = 0; op->kind != DS_GRAPH_kernel && r < op->region_count; r++) {
            const ds_op *found = kernel_of(cx, ds_op_block(op, r), key);
            if (found) return found;
        }
    }
    return NULL;
}

static int slower_first(const void *a, const void *b) {
    double x = ((const entry *)a)->ms, y = ((const entry *)b)->ms;
    return x > y ? -1 : x < y;
}

static ds_status tune_kernel(search *s, const entry *e, double seconds, size_t number, size_t count) {
    size_t before = s->t->tried;
    const ds_attr *plain = ds_op_attr(s->kernel, "schedule");
    s->queue = NULL;
    s->best = plain;
    s->done = 0;
    s->first = s->least = 0;
    ds_status status = search_kernel(s, 0.9 * seconds);
    if (status == DS_OK) status = decide(s, plain, 0.1 * seconds);
    bool better = status == DS_OK && s->best != plain;
    if (better) arrput(s->t->kept, ((ds_choice){.key = e->key, .what = e->what, .schedule = s->best}));
    fprintf(stderr, "%zu/%zu %s: %zu schedules, %.4f -> %.4f ms\n", number + 1, count, e->what, s->t->tried - before,
            s->first, better ? s->least : s->first);
    arrfree(s->queue);
    return status;
}

/* When the search has to end: what compares in the model comes behind it, and has no more than half of what is left. */
static double end_of_search(const tuning *t) {
    double now = measure_now(), end = t->end - BUILDS_LEFT * (t->build + t->each) - 4 * PAIRS * t->each,
           half = (now + t->end) / 2;
    return end > half ? end : half;
}

/* Each key has the share of the seconds that it has of the run. */
static ds_status tune_keys(tuning *t, entry *keys, ds_module *m, const trial_setting *setting) {
    double total = total_of(keys), end = end_of_search(t), left = 0;
    search s = {.t = t, .setting = *setting};
    size_t count = 0;
    s.core = schedule_core(&setting->passes, t->cx, false, &s.room);
    s.core.exhausts = true;
    if (keys) qsort(keys, arrlenu(keys), sizeof *keys, slower_first);
    while (count < arrlenu(keys) && keys[count].ms >= LEAST_SHARE * total) left += keys[count++].ms;
    for (size_t i = 0; i < count && (i == 0 || measure_now() < end); i++) {
        s.kernel = kernel_of(t->cx, ds_op_block(ds_module_find(m, "main"), 0), keys[i].key);
        double seconds = (end - measure_now()) * keys[i].ms / left;
        left -= keys[i].ms;
        if (s.kernel && trial_is_possible(s.kernel)) DS_TRY(tune_kernel(&s, &keys[i], seconds, i, count));
    }
    return DS_OK;
}

/* The model up to `schedule`, with what was kept for nodes. */
static ds_status open_keys(tuning *t, entry *keys) {
    ds_files files = {0};
    ds_dim_value *dims = NULL;
    ds_module *m = NULL;
    uint32_t threads = (uint32_t)cli_number(t->c, "threads");
    trial_setting setting = {
        .cx = t->cx, .passes = with_choices(t, t->kept), .pool = threads > 1 ? dsrt_pool_create(threads) : NULL};
    setting.cpu = (ds_cpu_options){.target = t->passes.target,
                                   .prefix = "ds_trial",
                                   .optimise = (int)cli_number(t->c, "optimise"),
                                   .jobs = (int)cli_number(t->c, "jobs"),
                                   .cache = model_cache(t->c, t->cx),
                                   .traced = true};
    ds_pass_options passes = setting.passes;
    passes.stop_after = "schedule";
    ds_status status = measure_dims(t->c, t->cx, &files, &dims);
    if (status == DS_OK) status = model_load(t->c, t->cx, &files, dims, arrlenu(dims), &m);
    if (status == DS_OK) status = ds_passes_run(m, &passes);
    if (status == DS_OK) setting.constant_bytes = trial_constant_bytes(t->cx, m);
    if (status == DS_OK) status = tune_keys(t, keys, m, &setting);
    ds_cache_close(setting.cpu.cache, t->cx->diag, false);
    dsrt_pool_destroy(setting.pool);
    ds_module_destroy(m);
    ds_files_close(&files);
    arrfree(dims);
    return status;
}

/* ---- in the model ---- */

/* The least of several profiles: `other` with the choices. */
static void note_least(entry **all, const entry *now, bool other, bool first) {
    for (size_t i = 0; i < arrlenu(now); i++) {
        size_t k = 0;
        while (k < arrlenu(*all) && strcmp((*all)[k].key, now[i].key)) k++;
        if (k == arrlenu(*all)) {
            arrput(*all, now[i]);
            (*all)[k].ms = (*all)[k].other = 0;
        }
        double *at = other ? &(*all)[k].other : &(*all)[k].ms;
        if (first || *at == 0 || now[i].ms < *at) *at = now[i].ms;
    }
}

static void drop_slower(tuning *t, const entry *all) {
    for (size_t i = arrlenu(t->kept); i-- > 0;) {
        const ds_choice *choice = &t->kept[i];
        bool faster = choice->node != NULL;
        for (size_t k = 0; choice->key && k < arrlenu(all); k++)
            if (!strcmp(all[k].key, choice->key)) faster = all[k].other < all[k].ms;
        if (!faster) arrdel(t->kept, i);
    }
}

/* Kernels' choices that are no faster in the model, run in turns with what they are to replace, are dropped. */
static ds_status compare_keys(tuning *t, measured *plain) {
    entry *all = NULL, *now = NULL;
    measured w;
    double run;
    ds_status status = compile(t, t->kept, true, &w);
    for (size_t i = 0; status == DS_OK && i < 2 * PAIRS; i++) {
        status = profile(t, i % 2 ? &w : plain, false, &now, &run);
        note_least(&all, now, i % 2, i < 2);
    }
    if (status == DS_OK) drop_slower(t, all);
    measure_close(&w);
    arrfree(all);
    arrfree(now);
    return status;
}

/* One run of both; for one thread by CPU time, so that what others run in between does not count. */
static ds_status run_pair(tuning *t, measured *without, measured *with, double *out_before, double *out_after) {
    const char *path;
    double cpu[2], ms[2];
    bool alone = cli_number(t->c, "threads") <= 1;
    DS_TRY(measure_pair(without, with, t->each, &path));
    FILE *f = fopen(path, "r");
    bool good = f && fscanf(f, "%lf %lf %lf %lf", &cpu[0], &ms[0], &cpu[1], &ms[1]) == 4;
    if (f) fclose(f);
    if (!good) return ds_report(t->cx->diag, DS_ERROR, DS_E_run, NULL, "the measured process printed no times");
    *out_before = alone ? cpu[0] : ms[0];
    *out_after = alone ? cpu[1] : ms[1];
    return DS_OK;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The model without and with the choices, in turns: the median of some processes' ratios decides. */
static ds_status compare_runs(tuning *t, double *out_before, double *out_after) {
    measured without, with;
    double before[PAIRS], ratio[PAIRS];
    ds_status status = compile(t, NULL, false, &without);
    ds_status other = status == DS_OK ? compile(t, t->kept, false, &with) : DS_OK;
    for (size_t i = 0; status == DS_OK && other == DS_OK && i < PAIRS; i++) {
        double after = 0;
        other = run_pair(t, &without, &with, &before[i], &after);
        ratio[i] = after / before[i];
    }
    if (status == DS_OK) measure_close(&with);
    measure_close(&without);
    DS_TRY(status);
    DS_TRY(other);
    qsort(before, PAIRS, sizeof *before, compare);
    qsort(ratio, PAIRS, sizeof *ratio, compare);
    *out_before = before[PAIRS / 2];
    *out_after = before[PAIRS / 2] * ratio[PAIRS / 2];
    return DS_OK;
}

/* ---- the command ---- */

/* `plain`: by the cost model's choices, and traced; `base`: with those for nodes. */
static ds_status tune_model(tuning *t, measured *plain, entry **keys) {
    measured base;
    double run = 0;
    DS_TRY(tune_nodes(t, plain));
    bool other = arrlenu(t->kept) > 0;
    ds_status status = other ? compile(t, t->kept, true, &base) : DS_OK;
    measured *w = other ? &base : plain;
    if (status == DS_OK) status = profile(t, w, false, keys, &run);
    size_t nodes = arrlenu(t->kept);
    if (status == DS_OK) status = open_keys(t, *keys);
    if (status == DS_OK && arrlenu(t->kept) > nodes) status = compare_keys(t, w);
    if (other) measure_close(&base);
    return status;
}

static ds_status tune(tuning *t, const char *path) {
    measured plain;
    entry *keys = NULL;
    double before = 0, after = 0;
    ds_status status = compile(t, NULL, true, &plain);
    if (status == DS_OK) status = tune_model(t, &plain, &keys);
    if (status == DS_OK && arrlenu(t->kept)) status = compare_runs(t, &before, &after);
    bool faster = after > 0 && after < before;
    if (status == DS_OK && arrlenu(t->kept) && !faster)
        fprintf(stderr, "the choices together are no faster, so none is written\n");
    size_t count = faster ? arrlenu(t->kept) : 0;
    const char *result =
        count ? ds_arena_printf(t->cx->arena, "%.3f ms -> %.3f ms a run", before, after) : "nothing is faster";
    if (status == DS_OK)
        printf("%zu schedules tried in %.0f s; %s; %zu choices written to %s\n", t->tried, measure_now() - t->start,
               result, count, path);
    const char *comment = ds_arena_printf(t->cx->arena, "dsc tune: %s, %s", t->passes.target->name, result);
    if (status == DS_OK) status = schedules_write(t->cx, path, comment, t->kept, count);
    measure_close(&plain);
    arrfree(keys);
    return status;
}

ds_status cmd_tune(const cli *c, ds_ir_context *cx) {
    tuning t = {.c = c, .cx = cx, .start = measure_now()};
    DS_TRY(model_pass_options(c, cx, "native", &t.passes));
    const char *path = cli_value(c, "output", NULL);
    if (!path) {
        fprintf(stderr, "dsc: error: tune needs -o FILE for the schedules\n");
        return DS_BAD_USAGE;
    }
    double budget = cli_number(c, "seconds");
    t.end = t.start + budget;
    t.each = budget / 60 < 0.2 ? 0.2 : budget / 60;
    ds_status status = tune(&t, path);
    arrfree(t.kept);
    return status;
}
