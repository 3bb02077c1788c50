/* dsc profile: the time of every kernel beside what the machine could do.
 *
 * A kernel's roofline is the larger of its operations at the FMA peak and its bytes at the bandwidth of the cache level
 * that would hold them; both are measured in the same run, for one core, times the threads. (Williams, Waterman,
 * Patterson: Roofline, 2009.)
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/measure.h"
#include "tools/plan.h"

typedef struct {
    plan_step plan;
    double median, last, busy; /* milliseconds */
    unsigned pieces, calls;
} step;

typedef struct {
    uint64_t bytes;
    double gb_s;
} level;

typedef struct {
    ds_ir_context *cx;
    step *steps;   /* stb_ds array, by number */
    level *levels; /* stb_ds array, small buffers first */
    double peak, run;
    unsigned runs, threads;
    cJSON *events; /* of the Chrome trace, or NULL */
} profile;

/* ---- what was measured ---- */

static void add_event(profile *p, unsigned number, unsigned lane, double start, double end) {
    if (!p->events || number >= arrlenu(p->steps)) return;
    const step *s = &p->steps[number];
    cJSON *e = cJSON_CreateObject();
    cJSON_AddStringToObject(e, "name", ds_loc_text(s->plan.op->loc));
    cJSON_AddStringToObject(e, "cat", plan_kernel(&s->plan));
    cJSON_AddStringToObject(e, "ph", "X");
    cJSON_AddNumberToObject(e, "ts", start * 1e3);
    cJSON_AddNumberToObject(e, "dur", (end - start) * 1e3);
    cJSON_AddNumberToObject(e, "pid", 0);
    cJSON_AddNumberToObject(e, "tid", lane);
    cJSON_AddStringToObject(cJSON_AddObjectToObject(e, "args"), "what", plan_what(&s->plan));
    cJSON_AddItemToArray(p->events, e);
}

static void read_line(profile *p, const char *line) {
    level l = {0};
    unsigned number, pieces, lane;
    double a, b, c;
    unsigned long long bytes;
    if (sscanf(line, "peak %lf", &a) == 1) p->peak = a;
    else if (sscanf(line, "read %llu %lf", &bytes, &a) == 2) {
        l.bytes = bytes, l.gb_s = a;
        arrput(p->levels, l);
    } else if (sscanf(line, "run %lf %u %u", &p->run, &p->runs, &p->threads) == 3) {
        return;
    } else if (sscanf(line, "step %u %lf %lf %lf %u", &number, &a, &b, &c, &pieces) == 5 &&
               number < arrlenu(p->steps)) {
        step *s = &p->steps[number];
        s->median += a, s->last += b, s->busy += c, s->pieces += pieces, s->calls++;
    } else if (sscanf(line, "piece %u %u %lf %lf", &number, &lane, &a, &b) == 4) add_event(p, number, lane, a, b);
}

static ds_status read_output(profile *p, const char *path) {
    char line[256];
    FILE *f = fopen(path, "r");
    if (!f) return ds_report(p->cx->diag, DS_ERROR, DS_E_file, NULL, "cannot read '%s': %s", path, strerror(errno));
    while (fgets(line, sizeof line, f)) read_line(p, line);
    fclose(f);
    return DS_OK;
}

static double bandwidth(const profile *p, double bytes) {
    size_t i = 0;
    while (i + 1 < arrlenu(p->levels) && (double)p->levels[i].bytes < bytes) i++;
    return arrlenu(p->levels) ? p->levels[i].gb_s : 1;
}

/* The least time in milliseconds that the machine needs for one step. */
static double roofline(const profile *p, const step *s) {
    double compute = s->plan.flops / p->peak, memory = s->plan.bytes / bandwidth(p, s->plan.bytes);
    return (compute > memory ? compute : memory) / 1e6 / p->threads;
}

/* ---- the report ---- */

typedef struct {
    const step *first;
    double time, flops, bytes, roof, busy, last;
    unsigned calls;
} row;

static int slower_first(const void *a, const void *b) {
    double x = ((const row *)a)->time, y = ((const row *)b)->time;
    return x > y ? -1 : x < y;
}

static row *rows_of(const profile *p) {
    row *rows = NULL;
    for (size_t i = 0; i < arrlenu(p->steps); i++) {
        const step *s = &p->steps[i];
        size_t k = 0;
        while (k < arrlenu(rows) && strcmp(plan_kernel(&rows[k].first->plan), plan_kernel(&s->plan))) k++;
        row new_row = {.first = s};
        if (k == arrlenu(rows)) arrput(rows, new_row);
        rows[k].time += s->median, rows[k].flops += s->plan.flops * s->calls, rows[k].bytes += s->plan.bytes * s->calls;
        rows[k].roof += roofline(p, s) * s->calls, rows[k].busy += s->busy, rows[k].last += s->last,
            rows[k].calls += s->calls;
    }
    if (rows) qsort(rows, arrlenu(rows), sizeof *rows, slower_first);
    return rows;
}

static void print_table(const profile *p) {
    row *rows = rows_of(p);
    double kernels = 0;
    for (size_t i = 0; i < arrlenu(rows); i++) kernels += rows[i].time;
    printf("%.3f ms a run (median of %u, %u thread%s), %.3f ms in kernels; FMA peak %.1f GFLOP/s a core; reads GB/s a "
           "core:",
           p->run, p->runs, p->threads, p->threads > 1 ? "s" : "", kernels, p->peak);
    for (size_t i = 0; i < arrlenu(p->levels); i++)
        printf(" %.1f (%llu KiB)", p->levels[i].gb_s, (unsigned long long)p->levels[i].bytes >> 10);
    printf("\n%10s %6s %6s %8s %7s %6s %6s  kernel, what it does, first node\n", "us", "share", "calls", "GFLOP/s",
           "GB/s", "roof", "busy");
    for (size_t i = 0; i < arrlenu(rows); i++) {
        const row *r = &rows[i];
        if (r->calls == 0) continue;
        printf("%10.1f %5.1f%% %6u %8.1f %7.1f %5.0f%% %5.0f%%  %s, %s, %s\n", r->time * 1e3, 100 * r->time / kernels,
               r->calls, r->flops / r->time / 1e6, r->bytes / r->time / 1e6, 100 * r->roof / r->time,
               100 * r->busy / r->last / p->threads, plan_kernel(&r->first->plan), plan_what(&r->first->plan),
               ds_loc_text(r->first->plan.op->loc));
    }
    arrfree(rows);
}

static void print_json(const profile *p) {
    cJSON *all = cJSON_CreateObject(), *list, *item;
    cJSON_AddNumberToObject(all, "median_ms", p->run);
    cJSON_AddNumberToObject(all, "runs", p->runs);
    cJSON_AddNumberToObject(all, "threads", p->threads);
    cJSON_AddNumberToObject(all, "peak_gflop_s", p->peak);
    list = cJSON_AddArrayToObject(all, "read_gb_s");
    for (size_t i = 0; i < arrlenu(p->levels); i++) {
        cJSON_AddItemToArray(list, item = cJSON_CreateObject());
        cJSON_AddNumberToObject(item, "bytes", (double)p->levels[i].bytes);
        cJSON_AddNumberToObject(item, "gb_s", p->levels[i].gb_s);
    }
    list = cJSON_AddArrayToObject(all, "steps");
    for (size_t i = 0; i < arrlenu(p->steps); i++) {
        const step *s = &p->steps[i];
        cJSON_AddItemToArray(list, item = cJSON_CreateObject());
        plan_step_json(&s->plan, item);
        cJSON_AddNumberToObject(item, "calls", s->calls);
        cJSON_AddNumberToObject(item, "ms", s->median);
        cJSON_AddNumberToObject(item, "roofline", s->calls ? roofline(p, s) * s->calls / s->median : 0);
        cJSON_AddNumberToObject(item, "busy", s->calls ? s->busy / s->last / p->threads : 0);
        cJSON_AddNumberToObject(item, "pieces", s->pieces);
    }
    char *text = cJSON_Print(all);
    puts(text ? text : "{}");
    free(text);
    cJSON_Delete(all);
}

static ds_status write_trace(const profile *p, const char *path) {
    cJSON *all = cJSON_CreateObject();
    cJSON_AddItemToObject(all, "traceEvents", p->events);
    char *text = cJSON_PrintUnformatted(all);
    ds_span span = {text, text ? strlen(text) : 0};
    ds_status status = ds_file_write(p->cx->diag, path, &span, 1);
    free(text);
    cJSON_Delete(all);
    return status;
}

static ds_status report(const cli *c, ds_module *m, const char *output, void *user) {
    profile *p = user;
    const char *trace = cli_value(c, "chrome", NULL);
    if (trace) p->events = cJSON_CreateArray();
    plan_step *plan = plan_steps(m);
    for (size_t i = 0; i < arrlenu(plan); i++) arrput(p->steps, ((step){.plan = plan[i]}));
    arrfree(plan);
    ds_status status = read_output(p, output);
    if (status == DS_OK && cli_has(c, "json")) print_json(p);
    else if (status == DS_OK) print_table(p);
    if (status == DS_OK && trace) status = write_trace(p, trace);
    arrfree(p->steps), arrfree(p->levels);
    return status;
}

ds_status cmd_profile(const cli *c, ds_ir_context *cx) {
    profile p = {.cx = cx};
    return measure_model(c, cx, &(measure_request){.report = report, .user = &p});
}
