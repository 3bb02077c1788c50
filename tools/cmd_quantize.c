/* dsc quantize: calibrates a model on samples, decides how factors of its products are stored, says what that does to
 * the results, and writes ranges, decisions, or the model that follows from them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "passes/precision.h"
#include "tools/compile.h"
#include "tools/quantize_page.h"
#include "tools/quantize_report.h"

typedef struct {
    const cli *c;
    ds_ir_context *cx;
    const char *output, *precision; /* precision: NULL where nothing is to be decided */
    bool searches;                  /* auto */
    calibration how;
    ds_policy policy;
    ds_ranges ranges;
    ds_pass_options passes;
    quantize_result result;
    search search;
    runner plain, changed;
    samples samples;
} quantizing;

/* ---- the command line ---- */

static ds_status usage(const char *text, const char *word) {
    fprintf(stderr, "dsc: error: %s '%s'\n", text, word);
    return DS_BAD_USAGE;
}

/* A number from `least` to `most`, of which `most` itself is none. */
static ds_status read_number(const cli *c, const char *name, double least, double most, double *out) {
    const char *text = cli_value(c, name, NULL);
    char *end = NULL;
    *out = text ? strtod(text, &end) : cli_number(c, name);
    if ((!text || (end != text && !*end)) && *out >= least && *out < most) return DS_OK;
    fprintf(stderr, "dsc: error: --%s is a number from %g to below %g, not '%s'\n", name, least, most, text);
    return DS_BAD_USAGE;
}

static ds_status read_observer(quantizing *q) {
    static const char *const options[] = {"momentum", "percentile", "bits"};
    const char *name = cli_value(q->c, "observer", "minmax"), *option = "", *text = NULL;
    char *end;
    double value = 0;
    for (size_t i = 0; i < DS_COUNT(options); i++) {
        if (!cli_has(q->c, options[i])) continue;
        if (text) return usage("--observer takes one option, and not also", options[i]);
        option = options[i];
        text = cli_value(q->c, option, "");
        value = strtod(text, &end);
        if (end == text || *end) return usage("an observer's option is a number, not", text);
    }
    return calibration_observer(q->c, name, option, value, &q->how.by, &q->how.parameter);
}

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), k = strlen(end);
    return n > k && !strcmp(text + n - k, end);
}

static bool is_json(const char *path) { return !strcmp(path, "-") || ends_with(path, ".json"); }

static ds_status read_precision(quantizing *q) {
    static const char *const needs[] = {"report", "json", "hold-out", "emit", "prefix", "weights"};
    q->precision = cli_value(q->c, "precision", NULL);
    q->searches = q->precision && !strcmp(q->precision, "auto");
    for (size_t i = 0; !q->precision && i < DS_COUNT(needs); i++)
        if (cli_has(q->c, needs[i])) return usage("without --precision there is no use of the option", needs[i]);
    if (!q->searches && cli_has(q->c, "max-error")) return usage("a largest error needs", "--precision=auto");
    DS_TRY(read_number(q->c, "max-error", 1e-9, 1e9, &q->result.bound));
    if (!q->precision && !is_json(q->output))
        return usage("without --precision ranges are written, as JSON: the output is - or ends with .json, unlike",
                     q->output);
    if (!q->precision) return DS_OK;
    q->how.by_channel = true; /* for what makes up for errors */
    if (q->precision && ends_with(q->precision, ".json")) return usage("rules are no file of ranges:", q->precision);
    DS_TRY(read_number(q->c, "hold-out", 0, 1, &q->how.held_out));
    if (q->searches) return DS_OK;
    q->result.bound = (double)NAN;
    q->how.policy = &q->policy;
    return model_read_policy(q->cx, q->precision, &q->policy);
}

static ds_status read_options(quantizing *q) {
    const char *per = cli_value(q->c, "per", "tensor");
    q->how.path = cli_value(q->c, "calib", NULL);
    q->output = cli_value(q->c, "output", NULL);
    q->how.by_channel = !strcmp(per, "channel");
    if (!q->how.path) return usage("quantize needs samples:", "--calib=PATH");
    if (!q->output) return usage("quantize needs a file to write:", "-o FILE.json");
    if (!q->how.by_channel && strcmp(per, "tensor")) return usage("--per is tensor or channel, not", per);
    DS_TRY(read_precision(q));
    DS_TRY(read_observer(q));
    return model_pass_options(q->c, q->cx, "native", &q->passes);
}

/* ---- models ---- */

/* The model with the decisions that there are, in place of the one before. */
static ds_status open_changed(quantizing *q) {
    q->passes.policy = q->searches ? NULL : &q->policy;
    q->passes.ranges = &q->ranges;
    runner_close(&q->changed);
    return runner_open(&q->changed, q->c, q->cx, &q->passes, NULL, 0);
}

static ds_status open_plain(quantizing *q) {
    ds_pass_options passes = q->passes;
    passes.policy = NULL;
    passes.ranges = NULL;
    DS_TRY(runner_open(&q->plain, q->c, q->cx, &passes, NULL, 0));
    const ds_signature *s = &q->plain.model.built.signature;
    q->result.bytes[0] = model_weight_bytes(q->plain.model.module);
    return samples_open(q->cx, q->how.path, s->inputs, s->input_count, &q->samples);
}

static ds_status compare(quantizing *q, bool on_held_out, evaluation *out) {
    evaluation_free(out);
    return evaluate(&q->changed, &q->plain, &q->samples, q->how.held_out, on_held_out, out);
}

/* Of held out samples, or, where there are none, of the others. */
static double error_of(const quantize_result *r) {
    const evaluation *e = r->held_out.samples ? &r->held_out : &r->seen;
    return errors_largest(e->outputs, arrlenu(e->outputs));
}

static ds_status measure_errors(quantizing *q) {
    DS_TRY(compare(q, true, &q->result.held_out));
    return q->result.held_out.samples ? DS_OK : compare(q, false, &q->result.seen);
}

static ds_status measure_speed(quantizing *q) {
    static const double SECONDS = 1.5; /* at most */
    runner *both[] = {&q->plain, &q->changed};
    q->result.bytes[1] = model_weight_bytes(q->changed.model.module);
    return evaluate_speed(both, 2, &q->samples, SECONDS, q->result.ms);
}

/* ---- auto ---- */

enum { MOST_TRIES = 6 };

/* A mix within the scope whose error on held out samples is below the bound: the bound of the search is lowered
 * until it is. *out_times, as long as f32 takes, is INFINITY where there is none. */
static ds_status find_mix(quantizing *q, search_scope scope, double *out_times) {
    double bound = q->result.bound, aim = bound * 0.95;
    *out_times = (double)INFINITY;
    for (size_t i = 0; i < MOST_TRIES; i++) {
        DS_TRY(search_mix(&q->search, aim, scope));
        search_decide(&q->search, bound, &q->ranges);
        DS_TRY(open_changed(q));
        DS_TRY(measure_errors(q));
        double error = error_of(&q->result);
        if (error <= bound) {
            DS_TRY(measure_speed(q));
            *out_times = q->result.ms[1] / q->result.ms[0];
            return DS_OK;
        }
        aim *= fmin(0.8, 0.9 * bound / error);
    }
    return DS_OK;
}

/* Of the policies that are tried the last one has whole numbers: conversions around these may cost more than they save,
 * so that a mix without them is measured, too; and one in which also products change that are multiplied no faster, as
 * between others they save conversions. */
static const char *const tried[] = {"bf16", "f16", "int8"};
static const search_scope scopes[] = {{0xe, 0xe}, {0xe, 0}, {0x6, 0}, {0, 0}};

enum { SCOPE_OF_NOTHING = DS_COUNT(scopes) - 1 };

static ds_status search_all(quantizing *q) {
    static const double LEAST_GAIN = 0.98;
    double least = (double)INFINITY, times;
    size_t best = 0;
    DS_TRY(search_open(&q->search, q->c, q->cx, &q->how, &q->ranges, tried, DS_COUNT(tried)));
    for (size_t i = 0; i < SCOPE_OF_NOTHING; i++) {
        DS_TRY(find_mix(q, scopes[i], &times));
        if (times < least) {
            least = times;
            best = i;
        }
    }
    q->result.note = "";
    if (isinf(least)) q->result.note = "no mix keeps the bound: everything stays f32";
    else if (least <= LEAST_GAIN) DS_TRY(find_mix(q, scopes[best], &least));
    if (least > LEAST_GAIN) {
        if (!*q->result.note) q->result.note = "no mix is faster than f32 here: everything stays f32";
        DS_TRY(find_mix(q, scopes[SCOPE_OF_NOTHING], &times));
    }
    q->result.predicted = search_predicted(&q->search);
    q->result.products = q->search.products;
    return DS_OK;
}

/* ---- decisions ---- */

/* As they are once they are written and read: numbers have fewer digits then. */
static ds_status settle_ranges(quantizing *q) {
    ds_string text = {0};
    ds_ranges_print(&text, &q->ranges);
    ds_status status = ds_ranges_parse(q->cx, text.data, text.length, &q->ranges);
    ds_string_free(&text);
    return status;
}

static void keep_decision(quantizing *q, ds_value_range *v, const ds_attr *entry) {
    const ds_attr *encoding = ds_attr_find(entry, "encoding");
    const char *rest, *why;
    v->reason = ds_arena_strdup(q->cx->arena, ds_attr_find(entry, "reason")->text);
    v->decided = ds_encoding_parse(encoding ? encoding->text : "f32", &v->encoding, &rest, &why);
}

static ds_value_range unseen(const char *key) {
    const double none = (double)NAN;
    return (ds_value_range){key, none, none, none, none, none, none, none, .axis = -1};
}

/* What the module says was decided, into the ranges: all of it, so that the file does not need the rules. */
static void keep_decisions(quantizing *q) {
    const ds_attr *list = ds_module_attr(q->changed.model.module, DS_DECIDED);
    size_t decisions = list ? list->count : 0, seen = q->ranges.count;
    ds_value_range *all = DS_NEW_ARRAY(q->cx->arena, ds_value_range, seen + decisions);
    q->result.decided = list;
    if (seen) memcpy(all, q->ranges.values, seen * sizeof *all);
    q->ranges.values = all;
    for (size_t i = 0; i < decisions; i++) {
        const char *key = ds_attr_find(list->items[i], "key")->text;
        const ds_ranges known = {.values = all, .count = seen};
        ds_value_range *v = (ds_value_range *)(uintptr_t)ds_ranges_find(&known, key);
        if (!v) {
            v = &all[q->ranges.count++];
            *v = unseen(ds_arena_strdup(q->cx->arena, key));
        }
        keep_decision(q, v, list->items[i]);
    }
    ds_ranges_sort(&q->ranges);
}

static ds_status decide(quantizing *q) {
    quantize_result *r = &q->result;
    const char *slash = strrchr(q->c->arguments[0], '/');
    r->model = slash ? slash + 1 : q->c->arguments[0];
    r->precision = q->precision;
    r->level = q->passes.target->name;
    r->predicted = (double)NAN;
    r->note = "";
    r->ranges = &q->ranges;
    DS_TRY(open_plain(q));
    if (q->searches) DS_TRY(search_all(q));
    else {
        DS_TRY(open_changed(q));
        DS_TRY(measure_errors(q));
        DS_TRY(measure_speed(q));
    }
    DS_TRY(compare(q, false, &r->seen));
    keep_decisions(q);
    FILE *to = strcmp(q->output, "-") ? stdout : stderr; /* that has the ranges */
    if (cli_has(q->c, "json")) quantize_report_json(r, to);
    else quantize_report_text(r, to);
    const char *page = cli_value(q->c, "report", NULL);
    return page ? quantize_page_write(q->cx, page, r) : DS_OK;
}

/* ---- output ---- */

static ds_status write_ranges(quantizing *q) {
    ds_string text = {0};
    ds_ranges_print(&text, &q->ranges);
    ds_span all = {text.data, text.length};
    ds_status status = ds_file_write(q->cx->diag, q->output, &all, 1);
    ds_string_free(&text);
    return status;
}

static ds_status write_output(quantizing *q) {
    ds_pass_options passes = q->passes;
    const char *emit = cli_value(q->c, "emit", NULL);
    if (is_json(q->output) && !emit) return write_ranges(q);
    passes.policy = NULL;
    passes.ranges = &q->ranges;
    if (emit ? !strcmp(emit, "mlir") : ends_with(q->output, ".mlir")) passes.stop_after = "precision";
    return compile_to(q->c, q->cx, &passes, q->output, false);
}

ds_status cmd_quantize(const cli *c, ds_ir_context *cx) {
    quantizing q = {.c = c, .cx = cx};
    DS_TRY(read_options(&q));
    ds_status status = calibrate(c, cx, &q.how, &q.ranges);
    if (status == DS_OK) status = settle_ranges(&q);
    if (status == DS_OK && q.precision) status = decide(&q);
    if (status == DS_OK) status = write_output(&q);
    search_close(&q.search);
    samples_close(&q.samples);
    evaluation_free(&q.result.seen);
    evaluation_free(&q.result.held_out);
    runner_close(&q.plain);
    runner_close(&q.changed);
    return status;
}
