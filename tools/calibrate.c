#include "tools/calibrate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* An observer, and its option. */
typedef struct {
    const observer *by;
    double parameter;
} observing;

/* How a key's range is chosen. Several keys may be of one value. */
typedef struct {
    const char *key, *name; /* name: as rules call it; "": results */
    size_t value;
} watched;

typedef struct {
    const cli *c;
    ds_ir_context *cx;
    const calibration *how;
    observed *values;      /* stb_ds array: by number of the observation */
    ds_value_range *fixed; /* stb_ds array: of constants */
    watched *keys;         /* stb_ds array: of factors and results */
    observing *rules;      /* stb_ds array: for each of the policy, and at the end for what has no rule */
    double *momenta;       /* stb_ds array: of all moving averages among these */
    size_t samples;
} calibrating;

bool calibration_holds_out(double share, size_t sample) {
    double before = (double)sample - 2; /* of one sample none, of two the second */
    return sample > 0 && floor((before + 1) * share) > floor(before * share);
}

ds_status calibration_observer(const cli *c, const char *name, const char *option, double value, const observer **out,
                               double *out_parameter) {
    const observer *by = *out = observer_find(name);
    if (!by) {
        fprintf(stderr, "dsc: error: no observer (dsc quantize --help) is called '%s'\n", name);
        return DS_BAD_USAGE;
    }
    if (*option && strcmp(option, by->option)) {
        fprintf(stderr, "dsc: error: --observer is one that does not take the option '%s'\n", option);
        return DS_BAD_USAGE;
    }
    if (*by->option) *out_parameter = *option ? value : cli_number(c, by->option);
    bool counts = !strcmp(by->option, "bits"), fits = *out_parameter >= by->least && *out_parameter <= by->most;
    if (!*by->option || (fits && (!counts || *out_parameter == floor(*out_parameter)))) return DS_OK;
    fprintf(stderr, "dsc: error: --%s is a %snumber from %g to %g, not '%g'\n", by->option, counts ? "whole " : "",
            by->least, by->most, *out_parameter);
    return DS_BAD_USAGE;
}

/* ---- what is observed ---- */

static void add_constant(calibrating *q, const char *key, int64_t axis, const ds_attr *elements) {
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

/* Those of all rules, before anything runs: a rule that names none has the one of the command line. */
static ds_status read_rules(calibrating *q) {
    const ds_policy *policy = q->how->policy;
    const observing otherwise = {q->how->by, q->how->parameter};
    for (size_t i = 0; policy && i < policy->count; i++) {
        const ds_policy_rule *rule = &policy->rules[i];
        observing o = otherwise;
        if (*rule->observer)
            DS_TRY(calibration_observer(q->c, rule->observer, rule->option, rule->parameter, &o.by, &o.parameter));
        arrput(q->rules, o);
    }
    arrput(q->rules, otherwise);
    for (size_t i = 0; i < arrlenu(q->rules); i++)
        if (!strcmp(q->rules[i].by->option, "momentum")) arrput(q->momenta, q->rules[i].parameter);
    return DS_OK;
}

/* Which values there are, from the first model's list. `results`: of its first observation. */
static ds_status read_list(calibrating *q, const ds_module *m, const ds_argument *results, size_t each) {
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
        const char *name = ds_arena_strdup(q->cx->arena, ds_attr_find(entry, "name")->text);
        arrput(q->keys, ((watched){key, name, number}));
    }
    return DS_OK;
}

/* ---- runs ---- */

typedef struct {
    calibrating *q;
    const ds_observation *how;
    runner run;
    samples samples;
    size_t outputs; /* of the model itself */
    float *ends;    /* stb_ds array: of histograms, the input that they need */
} observing_run;

static void take_results(observing_run *r) {
    for (size_t i = 0; i < arrlenu(r->q->values); i++) {
        observed *o = &r->q->values[i];
        const ds_model_tensor *results = &r->run.call.outputs[r->outputs + i * r->how->results];
        if (r->how->bins) observed_count(o, r->how, results);
        else observed_add(o, results, r->q->momenta, arrlenu(r->q->momenta));
    }
}

static ds_status run_samples(observing_run *r) {
    bool shown = isatty(STDERR_FILENO);
    ds_status status = DS_OK;
    for (size_t i = 0; status == DS_OK && i < r->samples.count; i++) {
        if (calibration_holds_out(r->q->how->held_out, i)) continue;
        status = runner_run(&r->run, &r->samples, i);
        if (status == DS_OK) take_results(r);
        runner_release(&r->run);
        r->q->samples += !r->how->bins;
        if (shown) fprintf(stderr, "\r%s: sample %zu of %zu ", r->how->word, i + 1, r->samples.count);
    }
    if (shown) fprintf(stderr, "\n");
    return status;
}

/* Ends of all histograms, in the order of the values. */
static void set_ends(observing_run *r) {
    calibrating *q = r->q;
    for (size_t i = 0; i < arrlenu(q->values); i++) {
        const observed *o = &q->values[i];
        size_t first, count = observed_histograms(o, r->how, &first);
        for (size_t k = 0; k < count; k++) arrput(r->ends, o->broken ? 0 : (float)observed_end(o, first + k));
    }
    runner_set_input(&r->run, 0, r->ends, arrlenu(r->ends) * sizeof *r->ends, (int64_t)arrlenu(r->ends));
}

static ds_status open_run(observing_run *r) {
    calibrating *q = r->q;
    ds_pass_options passes;
    const ds_named_attr word = {DS_OBSERVE, ds_attr_string(q->cx, r->how->word)};
    DS_TRY(model_pass_options(q->c, q->cx, "native", &passes));
    passes.policy = NULL;
    passes.ranges = NULL;
    return runner_open(&r->run, q->c, q->cx, &passes, &word, r->how->bins > 0);
}

static ds_status start_run(observing_run *r) {
    calibrating *q = r->q;
    DS_TRY(open_run(r));
    const ds_module *m = r->run.model.module;
    const ds_signature *s = &r->run.model.built.signature;
    const ds_attr *list = ds_module_attr(m, DS_OBSERVED);
    size_t count = 0;
    if (!list)
        return ds_report(q->cx->diag, DS_ERROR, DS_E_form, NULL,
                         "the text is behind the pass that observes: nothing of it can be");
    for (size_t i = 0; i < list->count; i++) {
        const ds_attr *at = ds_attr_find(list->items[i], "at");
        if (at && (size_t)at->integer >= count) count = (size_t)at->integer + 1;
    }
    r->outputs = s->output_count - count * r->how->results;
    if (!r->how->bins) DS_TRY(read_list(q, m, s->outputs + r->outputs, r->how->results));
    if (r->how->bins) set_ends(r);
    return samples_open(q->cx, q->how->path, s->inputs, r->run.sample_inputs, &r->samples);
}

static ds_status observe(calibrating *q, const char *word) {
    observing_run r = {.q = q, .how = ds_observation_find(word)};
    ds_status status = start_run(&r);
    if (status == DS_OK) status = run_samples(&r);
    samples_close(&r.samples);
    runner_close(&r.run);
    arrfree(r.ends);
    return status;
}

/* ---- all ---- */

static const char *name_of_observer(ds_ir_context *cx, const calibration *how) {
    if (!*how->by->option) return how->by->name;
    return ds_arena_printf(cx->arena, "%s %s=%g", how->by->name, how->by->option, how->parameter);
}

static bool choose(calibrating *q, observed *o, const observing *by, ds_value_range *out) {
    size_t average = 0;
    while (average < arrlenu(q->momenta) && q->momenta[average] != by->parameter) average++;
    observed_choose(o, by->by, by->parameter, average);
    return observed_range(o, q->cx, q->how->by_channel, out);
}

/* By the first rule that fits the name and what its own observer chooses. */
static bool choose_by_rules(calibrating *q, const watched *w, ds_value_range *out) {
    const ds_policy *policy = q->how->policy;
    observed *o = &q->values[w->value];
    for (size_t i = 0; policy && *w->name && i < policy->count; i++) {
        const ds_policy_rule *rule = &policy->rules[i];
        if (!ds_policy_matches(rule->pattern, w->name)) continue;
        if (!choose(q, o, &q->rules[i], out)) return false;
        if (isinf(rule->span) || out->max - out->min < rule->span) return true;
    }
    return choose(q, o, &arrlast(q->rules), out);
}

static void collect(calibrating *q, ds_ranges *out) {
    out->values = DS_NEW_ARRAY(q->cx->arena, ds_value_range, arrlenu(q->fixed) + arrlenu(q->keys));
    for (size_t i = 0; i < arrlenu(q->fixed); i++) out->values[out->count++] = q->fixed[i];
    for (size_t i = 0; i < arrlenu(q->keys); i++) {
        const watched *w = &q->keys[i];
        ds_value_range range;
        bool good = choose_by_rules(q, w, &range);
        range.key = w->key;
        if (good) out->values[out->count++] = range;
        else
            ds_report(q->cx->diag, DS_WARNING, DS_E_ranges, NULL, "value '%s' is left out: %s", w->key,
                      q->values[w->value].broken ? "a sample makes it infinite, or no number"
                                                 : "no sample computes it");
    }
    ds_ranges_sort(out);
}

ds_status calibrate(const cli *c, ds_ir_context *cx, const calibration *how, ds_ranges *out) {
    calibrating q = {.c = c, .cx = cx, .how = how};
    const char *slash = strrchr(c->arguments[0], '/');
    bool counts = false;
    ds_status status = read_rules(&q);
    for (size_t i = 0; i < arrlenu(q.rules); i++) counts = counts || q.rules[i].by->choose;
    if (status == DS_OK) status = observe(&q, "ranges");
    if (status == DS_OK && counts) status = observe(&q, "histograms");
    if (status == DS_OK && counts && how->by_channel) status = observe(&q, "channel_histograms");
    *out = (ds_ranges){.model = slash ? slash + 1 : c->arguments[0],
                       .observer = name_of_observer(cx, how),
                       .samples = (double)q.samples};
    if (status == DS_OK) collect(&q, out);
    for (size_t i = 0; i < arrlenu(q.values); i++) observed_close(&q.values[i]);
    arrfree(q.values), arrfree(q.fixed), arrfree(q.keys), arrfree(q.rules), arrfree(q.momenta);
    return status;
}
