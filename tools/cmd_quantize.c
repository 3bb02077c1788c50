/* dsc quantize: runs a model that gives out ranges of its values (passes/observe.c) on samples, merges them, and writes
 * what `--observer` makes of them as JSON (ir/ranges.h). The model keeps no state; histograms take a run of their own,
 * in which ranges are known. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/observer.h"
#include "tools/samples.h"

typedef struct {
    const cli *c;
    ds_ir_context *cx;
    const char *path, *output;
    const observer *by;
    double parameter;
    bool by_channel;
    observed *values;      /* stb_ds array: by number of the observation */
    ds_value_range *fixed; /* stb_ds array: of constants */
    const char **keys;     /* stb_ds array: of factors and results */
    size_t *key_values;    /* stb_ds array: which value each is */
    size_t samples;
} calibration;

/* ---- the command line ---- */

static ds_status usage(const char *text, const char *word) {
    fprintf(stderr, "dsc: error: %s '%s'\n", text, word);
    return DS_BAD_USAGE;
}

static ds_status read_parameter(calibration *q) {
    static const char *const options[] = {"momentum", "percentile", "bits"};
    for (size_t i = 0; i < DS_COUNT(options); i++)
        if (cli_has(q->c, options[i]) && strcmp(options[i], q->by->option))
            return usage("--observer is one that does not take the option", options[i]);
    if (!*q->by->option) return DS_OK;
    const char *text = cli_value(q->c, q->by->option, NULL);
    char *end = NULL;
    q->parameter = text ? strtod(text, &end) : cli_number(q->c, q->by->option);
    bool whole = strcmp(q->by->option, "bits") || q->parameter == floor(q->parameter);
    if (text && (end == text || *end || !whole || !(q->parameter >= q->by->least && q->parameter <= q->by->most))) {
        fprintf(stderr, "dsc: error: --%s is a %snumber from %g to %g, not '%s'\n", q->by->option,
                strcmp(q->by->option, "bits") ? "" : "whole ", q->by->least, q->by->most, text);
        return DS_BAD_USAGE;
    }
    return DS_OK;
}

static ds_status read_options(calibration *q) {
    const char *name = cli_value(q->c, "observer", "minmax"), *per = cli_value(q->c, "per", "tensor");
    q->path = cli_value(q->c, "calib", NULL);
    q->output = cli_value(q->c, "output", NULL);
    q->by = observer_find(name);
    q->by_channel = !strcmp(per, "channel");
    if (!q->path) return usage("quantize needs samples:", "--calib=PATH");
    if (!q->output) return usage("quantize needs a file to write:", "-o RANGES.json");
    size_t n = strlen(q->output);
    if (strcmp(q->output, "-") && (n < 6 || strcmp(q->output + n - 5, ".json")))
        return usage("quantize writes ranges as JSON, so that its output is - or ends with .json, unlike", q->output);
    if (!q->by) return usage("no observer (dsc quantize --help) is called", name);
    if (!q->by_channel && strcmp(per, "tensor")) return usage("--per is tensor or channel, not", per);
    return read_parameter(q);
}

/* ---- what is observed ---- */

static void add_constant(calibration *q, const char *key, int64_t axis, const ds_attr *elements) {
    observed o;
    ds_value_range range;
    observed_open(&o, key, axis, axis < 0 ? 0 : (size_t)elements->type->dims[axis]->value);
    observed_elements(&o, elements);
    if (observed_range(&o, q->cx, true, &range)) {
        range.constant = true;
        arrput(q->fixed, range);
    }
    observed_close(&o);
}

/* Which values there are, from the first model's list. `results`: of its first observation. */
static ds_status read_list(calibration *q, const ds_module *m, const ds_argument *results, size_t each) {
    const ds_attr *list = ds_module_attr(m, DS_OBSERVED);
    for (size_t i = 0; i < list->count; i++) {
        const ds_attr *entry = list->items[i], *at = ds_attr_find(entry, "at"), *axis = ds_attr_find(entry, "axis");
        const char *key = ds_arena_strdup(q->cx->arena, ds_attr_find(entry, "key")->text);
        int64_t dim = axis ? axis->integer : -1;
        if (!at) {
            add_constant(q, key, dim, ds_attr_find(entry, "elements"));
            continue;
        }
        size_t number = (size_t)at->integer;
        if (number == arrlenu(q->values)) {
            observed o;
            observed_open(&o, key, dim, (size_t)results[number * each].type->dims[0]->value);
            arrput(q->values, o);
        }
        arrput(q->keys, key);
        arrput(q->key_values, number);
    }
    return DS_OK;
}

static ds_status open_model(calibration *q, const char *word, ds_files *files, model *m) {
    ds_pass_options passes;
    *m = (model){0};
    DS_TRY(model_pass_options(q->c, q->cx, "native", &passes));
    DS_TRY(model_load(q->c, q->cx, files, q->c->dims, arrlenu(q->c->dims), &m->module));
    ds_module_set_attr(m->module, DS_OBSERVE, ds_attr_string(q->cx, word));
    return model_compile(q->c, q->cx, &passes, m);
}

/* ---- runs ---- */

typedef struct {
    calibration *q;
    const ds_observation *how;
    model model;
    model_call call;
    samples samples;
    size_t inputs, outputs; /* of the model itself */
    float *ends;            /* of histograms: the input that they need */
} observing_run;

static void release(observing_run *r) {
    for (size_t i = 0; i < r->inputs; i++) {
        if (r->call.owned[i]) free(r->call.inputs[i].data);
        r->call.owned[i] = false;
    }
    for (size_t i = 0; i < r->model.built.signature.output_count; i++) {
        free(r->call.outputs[i].data);
        r->call.outputs[i].data = NULL;
    }
}

static ds_status run_sample(observing_run *r, size_t sample, ds_pool *pool) {
    calibration *q = r->q;
    DS_TRY(samples_read(&r->samples, sample, r->call.inputs, r->call.owned));
    DS_TRY(call_run(&r->model, q->cx, pool, &r->call));
    for (size_t i = 0; i < arrlenu(q->values); i++) {
        const ds_model_tensor *results = &r->call.outputs[r->outputs + i * r->how->results];
        if (r->how->bins) observed_count(&q->values[i], r->how, results);
        else observed_add(&q->values[i], results, strcmp(q->by->option, "momentum") ? NAN : q->parameter);
    }
    release(r);
    return DS_OK;
}

static ds_status run_samples(observing_run *r) {
    uint32_t threads = (uint32_t)cli_number(r->q->c, "threads");
    ds_pool *pool = threads > 1 ? dsrt_pool_create(threads) : NULL;
    bool shown = isatty(STDERR_FILENO);
    ds_status status = DS_OK;
    for (size_t i = 0; status == DS_OK && i < r->samples.count; i++) {
        status = run_sample(r, i, pool);
        if (shown) fprintf(stderr, "\r%s: sample %zu of %zu ", r->how->word, i + 1, r->samples.count);
    }
    if (shown) fprintf(stderr, "\n");
    dsrt_pool_destroy(pool);
    return status;
}

/* Ends of all histograms, in the order of the values. */
static void set_ends(observing_run *r) {
    calibration *q = r->q;
    for (size_t i = 0; i < arrlenu(q->values); i++) {
        size_t first, count = observed_histograms(&q->values[i], r->how, &first);
        for (size_t k = 0; k < count; k++) {
            float end = q->values[i].broken ? 0 : (float)observed_end(&q->values[i], first + k);
            arrput(r->ends, end);
        }
    }
    r->call.inputs[r->inputs] = (ds_model_tensor){
        .data = r->ends, .bytes = arrlenu(r->ends) * sizeof *r->ends, .dims = {(int64_t)arrlenu(r->ends)}};
}

static ds_status start_run(observing_run *r, ds_files *files) {
    calibration *q = r->q;
    const ds_signature *s = &r->model.built.signature;
    DS_TRY(open_model(q, r->how->word, files, &r->model));
    const ds_attr *list = ds_module_attr(r->model.module, DS_OBSERVED);
    size_t count = 0;
    if (!list)
        return ds_report(q->cx->diag, DS_ERROR, DS_E_form, NULL,
                         "the text is behind the pass that observes: nothing of it can be");
    for (size_t i = 0; i < list->count; i++) {
        const ds_attr *at = ds_attr_find(list->items[i], "at");
        if (at && (size_t)at->integer >= count) count = (size_t)at->integer + 1;
    }
    r->inputs = s->input_count - (r->how->bins > 0);
    r->outputs = s->output_count - count * r->how->results;
    if (!r->how->bins) DS_TRY(read_list(q, r->model.module, s->outputs + r->outputs, r->how->results));
    DS_TRY(call_link(&r->model, q->cx, &r->call));
    if (r->how->bins) set_ends(r);
    DS_TRY(samples_open(q->cx, q->path, s->inputs, r->inputs, &r->samples));
    q->samples = r->samples.count;
    return DS_OK;
}

static ds_status observe(calibration *q, const char *word) {
    ds_files files = {0};
    observing_run r = {.q = q, .how = ds_observation_find(word)};
    ds_status status = start_run(&r, &files);
    if (status == DS_OK) status = run_samples(&r);
    samples_close(&r.samples);
    call_close(&r.model, &r.call);
    model_close(&r.model);
    ds_files_close(&files);
    arrfree(r.ends);
    return status;
}

/* ---- the file ---- */

static const char *name_of_observer(const calibration *q) {
    return *q->by->option ? ds_arena_printf(q->cx->arena, "%s %s=%g", q->by->name, q->by->option, q->parameter)
                          : q->by->name;
}

static ds_status write_ranges(calibration *q) {
    const char *slash = strrchr(q->c->arguments[0], '/');
    ds_ranges ranges = {.model = slash ? slash + 1 : q->c->arguments[0],
                        .observer = name_of_observer(q),
                        .samples = (double)q->samples};
    ds_string text = {0};
    ds_value_range *values = NULL;
    for (size_t i = 0; i < arrlenu(q->values); i++) observed_choose(&q->values[i], q->by, q->parameter);
    for (size_t i = 0; i < arrlenu(q->fixed); i++) arrput(values, q->fixed[i]);
    for (size_t i = 0; i < arrlenu(q->keys); i++) {
        ds_value_range range;
        const observed *o = &q->values[q->key_values[i]];
        bool good = observed_range(o, q->cx, q->by_channel, &range);
        range.key = q->keys[i];
        if (good) arrput(values, range);
        else
            ds_report(q->cx->diag, DS_WARNING, DS_E_ranges, NULL, "value '%s' is left out: %s", q->keys[i],
                      o->broken ? "a sample makes it infinite, or no number" : "no sample computes it");
    }
    ranges.values = values;
    ranges.count = arrlenu(values);
    ds_ranges_print(&text, &ranges);
    ds_span all = {text.data, text.length};
    ds_status status = ds_file_write(q->cx->diag, q->output, &all, 1);
    ds_string_free(&text);
    arrfree(values);
    return status;
}

ds_status cmd_quantize(const cli *c, ds_ir_context *cx) {
    calibration q = {.c = c, .cx = cx};
    DS_TRY(read_options(&q));
    ds_status status = observe(&q, "ranges");
    if (status == DS_OK && q.by->choose) status = observe(&q, "histograms");
    if (status == DS_OK && q.by->choose && q.by_channel) status = observe(&q, "channel_histograms");
    if (status == DS_OK) status = write_ranges(&q);
    for (size_t i = 0; i < arrlenu(q.values); i++) observed_close(&q.values[i]);
    arrfree(q.values), arrfree(q.fixed), arrfree(q.keys), arrfree(q.key_values);
    return status;
}
