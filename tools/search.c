#include "tools/search.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "passes/precision.h"

/* Samples: for products alone, and for mixes, of which there are fewer. */
enum { MOST_ALONE = 8, MOST_SAMPLES = 32, BISECTIONS = 12 };

static const double SECONDS_ALONE = 60, SECONDS_A_MIX = 1; /* about, where more than one sample fits */

/* ---- runs ---- */

/* The largest error of the results with these choices. */
static ds_status run_choices(search *s, size_t count, double *out) {
    const ds_signature *sig = &s->trial.model.built.signature;
    output_error *errors = NULL;
    ds_status status = DS_OK;
    arrsetlen(errors, sig->output_count);
    memset(errors, 0, arrlenu(errors) * sizeof *errors);
    for (size_t i = 0; status == DS_OK && i < count; i++) {
        status = runner_run(&s->trial, &s->samples, s->used[i]);
        for (size_t k = 0; status == DS_OK && k < sig->output_count; k++)
            error_add(&errors[k], &sig->outputs[k], &s->trial.call.outputs[k], &s->wanted[i * sig->output_count + k]);
        runner_release(&s->trial);
    }
    *out = errors_largest(errors, arrlenu(errors));
    arrfree(errors);
    return status;
}

/* Keeps the results of some samples as they are without changes; *out_seconds: of a run. */
static ds_status run_unchanged(search *s, double *out_seconds) {
    const ds_signature *sig = &s->trial.model.built.signature;
    for (size_t i = 0; i < s->samples.count && arrlenu(s->used) < MOST_SAMPLES; i++)
        if (!calibration_holds_out(s->how->held_out, i)) arrput(s->used, i);
    for (size_t i = 0; i < arrlenu(s->used); i++) {
        double before = evaluate_now();
        ds_status status = runner_run(&s->trial, &s->samples, s->used[i]);
        *out_seconds = evaluate_now() - before;
        for (size_t k = 0; status == DS_OK && k < sig->output_count; k++) {
            arrput(s->wanted, s->trial.call.outputs[k]); /* its data is ours now */
            s->trial.call.outputs[k].data = NULL;
        }
        runner_release(&s->trial);
        DS_TRY(status);
    }
    return DS_OK;
}

/* How many runs of so many seconds; one at least. */
static size_t affordable(double seconds, double each, size_t most) {
    double runs = seconds / (each + 1e-9);
    return runs < 1 ? 1 : runs < (double)most ? (size_t)runs : most;
}

/* What each product's change does alone. */
static ds_status measure_products(search *s, double seconds_a_run) {
    size_t changes = 0, done = 0;
    bool shown = isatty(STDERR_FILENO);
    for (size_t p = 0; p < arrlenu(s->products); p++)
        for (size_t c = 1; c < s->policy_count; c++) changes += s->products[p].by[c].stores[0] != NULL;
    size_t runs =
        affordable(SECONDS_ALONE, seconds_a_run * (double)changes, s->mixed < MOST_ALONE ? s->mixed : MOST_ALONE);
    for (size_t p = 0; p < arrlenu(s->products); p++) {
        for (size_t c = 1; c < s->policy_count; c++) {
            if (!s->products[p].by[c].stores[0]) continue;
            s->choices[p] = (int32_t)c;
            ds_status status = run_choices(s, runs, &s->products[p].by[c].error);
            s->choices[p] = 0;
            DS_TRY(status);
            if (shown) fprintf(stderr, "\rtrying: %zu of %zu changes ", ++done, changes);
        }
    }
    if (shown) fprintf(stderr, "\n");
    return DS_OK;
}

/* ---- the model ---- */

/* Is there an entry in the ranges for what would be decided? */
static bool can_be_decided(const search *s, const char *name, const ds_attr *stores) {
    bool can = true;
    for (size_t i = 0; i < 2; i++) {
        const char *key = ds_arena_printf(s->cx->arena, "%s:%zu", name, i);
        can = can && (!*stores->items[i]->text || ds_ranges_find(s->ranges, key));
    }
    return can && (*stores->items[0]->text || *stores->items[1]->text);
}

static void read_products(search *s) {
    const ds_attr *list = ds_module_attr(s->trial.model.module, DS_TRIED);
    for (size_t i = 0; list && i < list->count; i++) {
        const ds_attr *entry = list->items[i], *times = ds_attr_find(entry, "times");
        search_product p = {.name = ds_arena_strdup(s->cx->arena, ds_attr_find(entry, "name")->text),
                            .products = ds_attr_find(entry, "products")->number};
        p.by[0].times = 1;
        for (size_t c = 1; c < s->policy_count; c++) {
            const ds_attr *stores = ds_attr_find(entry, "stores")->items[c - 1];
            p.by[c].times = times->items[c - 1]->number;
            if (p.by[c].times < 1 || !can_be_decided(s, p.name, stores)) continue;
            for (size_t k = 0; k < 2; k++) p.by[c].stores[k] = ds_arena_strdup(s->cx->arena, stores->items[k]->text);
        }
        arrput(s->products, p);
        arrput(s->choices, 0);
    }
}

static ds_status open_trial(search *s) {
    ds_pass_options passes;
    const ds_attr *words[SEARCH_MOST_POLICIES];
    for (size_t c = 1; c < s->policy_count; c++) words[c - 1] = ds_attr_string(s->cx, s->policies[c]);
    const ds_named_attr attr = {DS_TRY_POLICIES, ds_attr_array(s->cx, words, s->policy_count - 1)};
    DS_TRY(model_pass_options(s->c, s->cx, "native", &passes));
    passes.policy = NULL;
    passes.ranges = s->ranges;
    DS_TRY(runner_open(&s->trial, s->c, s->cx, &passes, &attr, 1));
    read_products(s);
    runner_set_input(&s->trial, 0, s->choices, arrlenu(s->choices) * sizeof *s->choices, (int64_t)arrlenu(s->choices));
    return samples_open(s->cx, s->how->path, s->trial.model.built.signature.inputs, s->trial.sample_inputs,
                        &s->samples);
}

ds_status search_open(search *s, const cli *c, ds_ir_context *cx, const calibration *how, const ds_ranges *ranges,
                      const char *const *policies, size_t count) {
    double seconds = 0;
    *s = (search){.c = c, .cx = cx, .how = how, .ranges = ranges, .policies = {"f32"}, .policy_count = 1};
    for (size_t i = 0; i < count && i < SEARCH_MOST_POLICIES; i++) s->policies[s->policy_count++] = policies[i];
    DS_TRY(open_trial(s));
    DS_TRY(run_unchanged(s, &seconds));
    s->mixed = affordable(SECONDS_A_MIX, seconds, arrlenu(s->used));
    if (s->mixed < MOST_ALONE) s->mixed = arrlenu(s->used) < MOST_ALONE ? arrlenu(s->used) : MOST_ALONE;
    return measure_products(s, seconds);
}

/* ---- mixes ---- */

/* Fewer bytes are worth something where they are multiplied no faster, and so are neighbours that need no conversion. */
static double saved(const search_product *p, size_t c) {
    static const double LEAST_TIMES = 1.5;
    return p->products * (1 - 1 / fmax(p->by[c].times, LEAST_TIMES));
}

static bool may_choose(const search_product *p, size_t c, search_scope scope) {
    const unsigned policies = p->by[c].times > 1 ? scope.faster : scope.alike;
    return p->by[c].stores[0] && policies >> c & 1 && isfinite(p->by[c].error);
}

/* For each product what saves most, where error's square has a price. */
static void choose(search *s, double price, search_scope scope) {
    for (size_t i = 0; i < arrlenu(s->products); i++) {
        search_product *p = &s->products[i];
        double best = 0;
        p->choice = 0;
        for (size_t c = 1; c < s->policy_count; c++) {
            if (!may_choose(p, c, scope)) continue;
            double worth = saved(p, c) - price * p->by[c].error * p->by[c].error;
            if (worth <= best) continue;
            best = worth;
            p->choice = c;
        }
        s->choices[i] = (int32_t)p->choice;
    }
}

double search_predicted(const search *s) {
    double sum = 0;
    for (size_t i = 0; i < arrlenu(s->products); i++) {
        const search_product *p = &s->products[i];
        if (p->choice) sum += p->by[p->choice].error * p->by[p->choice].error;
    }
    return sqrt(sum);
}

static double all_products(const search *s) {
    double sum = 0;
    for (size_t i = 0; i < arrlenu(s->products); i++) sum += s->products[i].products;
    return sum;
}

static ds_status check(search *s, double price, search_scope scope) {
    choose(s, price, scope);
    return run_choices(s, s->mixed, &s->error);
}

/* The price is searched for, in steps of its magnitude: at the lowest everything changes, at the highest nothing. */
ds_status search_mix(search *s, double bound, search_scope scope) {
    double unit = all_products(s) / (bound * bound), low = -20, high = 20;
    DS_TRY(check(s, 0, scope));
    if (s->error <= bound) return DS_OK;
    for (size_t i = 0; i < BISECTIONS; i++) {
        double middle = (low + high) / 2;
        DS_TRY(check(s, unit * exp2(middle), scope));
        if (s->error <= bound) high = middle;
        else low = middle;
    }
    return check(s, unit * exp2(high), scope);
}

/* ---- decisions ---- */

static const char *reason_of(const search *s, const search_product *p, double bound) {
    const size_t c = p->choice;
    if (c)
        return p->by[c].times > 1 ? ds_arena_printf(s->cx->arena, "%s: error %.1e of %.1e, %.3g times as fast as f32",
                                                    s->policies[c], p->by[c].error, bound, p->by[c].times)
                                  : ds_arena_printf(s->cx->arena, "%s: error %.1e of %.1e, fewer bytes", s->policies[c],
                                                    p->by[c].error, bound);
    const char *all = "";
    for (size_t k = 1; k < s->policy_count; k++)
        if (p->by[k].stores[0])
            all = ds_arena_printf(s->cx->arena, "%s%s %s would add %.1e", all, *all ? "," : "", s->policies[k],
                                  p->by[k].error);
    if (!*all) return "stays: no type is multiplied faster or takes fewer bytes";
    return ds_arena_printf(s->cx->arena, "stays:%s, of %.1e", all, bound);
}

void search_decide(const search *s, double bound, ds_ranges *ranges) {
    for (size_t i = 0; i < arrlenu(s->products); i++) {
        const search_product *p = &s->products[i];
        for (size_t k = 0; k < 2; k++) {
            const char *key = ds_arena_printf(s->cx->arena, "%s:%zu", p->name, k), *rest, *why;
            const char *text = p->choice ? p->by[p->choice].stores[k] : "";
            ds_value_range *v = (ds_value_range *)(uintptr_t)ds_ranges_find(ranges, key);
            if (!v) continue;
            v->decided = ds_encoding_parse(*text ? text : "f32", &v->encoding, &rest, &why);
            v->reason = reason_of(s, p, bound);
        }
    }
}

void search_close(search *s) {
    for (size_t i = 0; i < arrlenu(s->wanted); i++) free(s->wanted[i].data);
    samples_close(&s->samples);
    runner_close(&s->trial);
    arrfree(s->products), arrfree(s->choices), arrfree(s->used), arrfree(s->wanted);
}
