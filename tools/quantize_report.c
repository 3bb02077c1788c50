#include "tools/quantize_report.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>

/* ---- for people ---- */

static void print_errors(const char *split, const evaluation *e, FILE *to) {
    for (size_t i = 0; i < arrlenu(e->outputs); i++) {
        const output_error *o = &e->outputs[i];
        fprintf(to, "  %-12s %-24s error %.2e (worst sample %.2e), cosine %.6f, agreement %.2f %%\n", split, o->name,
                error_relative(o), o->worst, error_cosine(o), 100 * error_agreement(o));
    }
}

void quantize_report_text(const quantize_result *r, FILE *to) {
    fprintf(to, "%s as %s for %s: %.3f ms instead of %.3f (%.2f times as fast), weights %.0f KiB instead of %.0f\n",
            r->model, r->precision, r->level, r->ms[1], r->ms[0], r->ms[0] / r->ms[1], r->bytes[1] / 1024,
            r->bytes[0] / 1024);
    if (isfinite(r->bound)) fprintf(to, "  error at most %g; predicted %.2e\n", r->bound, r->predicted);
    if (*r->note) fprintf(to, "  %s\n", r->note);
    print_errors("calibrated", &r->seen, to);
    print_errors("held out", &r->held_out, to);
}

/* ---- for programs ---- */

/* JSON has no infinity, and nothing that is no number. */
static void add_number(cJSON *to, const char *name, double value) {
    if (isfinite(value)) cJSON_AddNumberToObject(to, name, value);
    else cJSON_AddNullToObject(to, name);
}

static void add_errors(cJSON *to, const char *name, const evaluation *e) {
    cJSON *split = cJSON_AddObjectToObject(to, name), *list;
    cJSON_AddNumberToObject(split, "samples", (double)e->samples);
    list = cJSON_AddArrayToObject(split, "outputs");
    for (size_t i = 0; i < arrlenu(e->outputs); i++) {
        const output_error *o = &e->outputs[i];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "name", o->name);
        add_number(item, "relative", error_relative(o));
        add_number(item, "worst", o->worst);
        add_number(item, "cosine", error_cosine(o));
        add_number(item, "agreement", error_agreement(o));
        cJSON_AddItemToArray(list, item);
    }
}

static void add_text(cJSON *to, const ds_attr *entry, const char *name) {
    const ds_attr *text = ds_attr_find(entry, name);
    if (text) cJSON_AddStringToObject(to, name, text->text);
}

static void add_factors(cJSON *to, const ds_attr *decided) {
    cJSON *list = cJSON_AddArrayToObject(to, "factors");
    for (size_t i = 0; decided && i < decided->count; i++) {
        cJSON *item = cJSON_CreateObject();
        add_text(item, decided->items[i], "key");
        add_text(item, decided->items[i], "encoding");
        add_text(item, decided->items[i], "reason");
        cJSON_AddItemToArray(list, item);
    }
}

void quantize_report_json(const quantize_result *r, FILE *to) {
    cJSON *all = cJSON_CreateObject();
    cJSON_AddStringToObject(all, "model", r->model);
    cJSON_AddStringToObject(all, "precision", r->precision);
    cJSON_AddStringToObject(all, "level", r->level);
    if (isfinite(r->bound)) {
        add_number(all, "max_error", r->bound);
        add_number(all, "predicted_error", r->predicted);
    }
    add_errors(all, "calibrated", &r->seen);
    add_errors(all, "held_out", &r->held_out);
    add_number(all, "ms_before", r->ms[0]);
    add_number(all, "ms_after", r->ms[1]);
    add_number(all, "weight_bytes_before", r->bytes[0]);
    add_number(all, "weight_bytes_after", r->bytes[1]);
    cJSON_AddStringToObject(all, "note", r->note);
    add_factors(all, r->decided);
    char *text = cJSON_Print(all);
    fprintf(to, "%s\n", text ? text : "{}");
    free(text);
    cJSON_Delete(all);
}
