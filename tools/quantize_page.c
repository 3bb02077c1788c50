#include "tools/quantize_page.h"

#include <math.h>
#include <string.h>

static const char STYLE[] =
    ":root{color-scheme:light dark;--line:#8884;--bar:#3b82c4;--seen:#8886}"
    "body{font:14px/1.45 system-ui,sans-serif;margin:2em auto;max-width:84em;padding:0 1em}"
    "h1{font-size:1.4em}h2{font-size:1.1em;margin-top:2em}"
    "table{border-collapse:collapse}td,th{padding:.25em .8em;border-bottom:1px solid var(--line);text-align:left}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}"
    "tr.stays td{opacity:.65}svg{vertical-align:middle}";

/* Text of models is whatever it is. */
static void put(ds_string *out, const char *text) {
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (strchr("<>&\"'", c)) ds_string_printf(out, "&#%d;", c);
        else if (c < ' ') ds_string_printf(out, " ");
        else ds_string_append(out, text, 1);
    }
}

static void cell(ds_string *out, const char *text) {
    ds_string_printf(out, "<td>");
    put(out, text);
    ds_string_printf(out, "</td>");
}

/* ---- the head ---- */

static void add_summary(ds_string *out, const quantize_result *r) {
    ds_string_printf(out, "<h1>");
    put(out, r->model);
    ds_string_printf(out, "</h1><p>Precision <b>");
    put(out, r->precision);
    ds_string_printf(out, "</b>, compiled for %s.", r->level);
    if (isfinite(r->bound)) ds_string_printf(out, " Largest error asked for: %g.", r->bound);
    if (isfinite(r->predicted)) ds_string_printf(out, " Predicted: %.2e.", r->predicted);
    ds_string_printf(out, "</p>");
    if (*r->note) {
        ds_string_printf(out, "<p><b>");
        put(out, r->note);
        ds_string_printf(out, "</b></p>");
    }
    ds_string_printf(
        out,
        "<table><tr><th></th><th class=\"n\">f32</th><th class=\"n\">decided</th><th class=\"n\">ratio</th></tr>"
        "<tr><td>milliseconds a run</td><td class=\"n\">%.3f</td><td class=\"n\">%.3f</td>"
        "<td class=\"n\">%.2f</td></tr>"
        "<tr><td>KiB of weights</td><td class=\"n\">%.0f</td><td class=\"n\">%.0f</td>"
        "<td class=\"n\">%.2f</td></tr></table>\n",
        r->ms[0], r->ms[1], r->ms[0] / r->ms[1], r->bytes[0] / 1024, r->bytes[1] / 1024,
        r->bytes[1] > 0 ? r->bytes[0] / r->bytes[1] : 1);
}

static void add_errors(ds_string *out, const char *split, const evaluation *e) {
    for (size_t i = 0; i < arrlenu(e->outputs); i++) {
        const output_error *o = &e->outputs[i];
        ds_string_printf(out, "<tr><td>%s (%zu)</td>", split, e->samples);
        cell(out, o->name);
        ds_string_printf(out,
                         "<td class=\"n\">%.2e</td><td class=\"n\">%.2e</td><td class=\"n\">%.6f</td>"
                         "<td class=\"n\">%.2f %%</td></tr>\n",
                         error_relative(o), o->worst, error_cosine(o), 100 * error_agreement(o));
    }
}

/* ---- products ---- */

/* The range that is used, and the one that was seen, on an axis of its own. */
static void add_range(ds_string *out, const ds_value_range *v) {
    enum { WIDTH = 160, HALF = WIDTH / 2 };
    if (!v || isnan(v->min)) {
        ds_string_printf(out, "<td></td>");
        return;
    }
    double low = isfinite(v->observed_min) ? v->observed_min : v->min,
           high = isfinite(v->observed_max) ? v->observed_max : v->max;
    double most = fmax(fmax(fabs(low), fabs(high)), fmax(fabs(v->min), fabs(v->max)));
    double unit = most > 0 ? HALF / most : 0;
    ds_string_printf(out,
                     "<td><svg width=\"%d\" height=\"14\" role=\"img\"><title>%.4g … %.4g, seen %.4g … %.4g</title>"
                     "<rect x=\"%.1f\" y=\"5\" width=\"%.1f\" height=\"4\" fill=\"var(--seen)\"/>"
                     "<rect x=\"%.1f\" y=\"3\" width=\"%.1f\" height=\"8\" fill=\"var(--bar)\"/>"
                     "<line x1=\"%d\" x2=\"%d\" y1=\"0\" y2=\"14\" stroke=\"currentColor\"/></svg> %.3g … %.3g</td>",
                     WIDTH, v->min, v->max, low, high, HALF + low * unit, (high - low) * unit, HALF + v->min * unit,
                     (v->max - v->min) * unit, HALF, HALF, v->min, v->max);
}

/* Codes and scales, as they are stored; layouts may add to that. */
static double bytes_of(const ds_value_range *v, const ds_encoding *e) {
    static const double FLOAT = sizeof(float);
    double scales = 0;
    if (!e) return FLOAT * v->count;
    if (e->scale == DS_SCALE_TENSOR) scales = 1;
    if (e->scale == DS_SCALE_CHANNEL) scales = fmax((double)v->channel_count, 1);
    if (e->scale == DS_SCALE_BLOCK) scales = ceil(v->count / (double)e->block);
    return ceil(v->count * ds_elem_facts(e->elem)->bits / 8) + FLOAT * scales;
}

/* Of constants, before and after. */
static void add_bytes(ds_string *out, const ds_value_range *v) {
    if (!v || !v->constant) {
        ds_string_printf(out, "<td></td><td></td>");
        return;
    }
    ds_string_printf(out, "<td class=\"n\">%.0f</td><td class=\"n\">%.0f</td>", bytes_of(v, NULL),
                     bytes_of(v, v->decided ? &v->encoding : NULL));
}

/* The product that a key is a factor of, where it was tried alone. */
static const search_product *product_of(const quantize_result *r, const char *key) {
    size_t length = strlen(key) > 2 ? strlen(key) - 2 : 0;
    for (size_t i = 0; i < arrlenu(r->products); i++)
        if (strlen(r->products[i].name) == length && !strncmp(r->products[i].name, key, length)) return &r->products[i];
    return NULL;
}

static double all_products(const quantize_result *r) {
    double all = 0;
    for (size_t i = 0; i < arrlenu(r->products); i++) all += r->products[i].products;
    return all > 0 ? all : 1;
}

static void add_factor(ds_string *out, const quantize_result *r, const ds_attr *entry) {
    const char *key = ds_attr_find(entry, "key")->text;
    const ds_attr *encoding = ds_attr_find(entry, "encoding");
    const search_product *p = product_of(r, key);
    ds_string_printf(out, encoding ? "<tr>" : "<tr class=\"stays\">");
    cell(out, key);
    ds_string_printf(out, "<td>f32</td>");
    cell(out, encoding ? encoding->text : "f32");
    add_range(out, ds_ranges_find(r->ranges, key));
    add_bytes(out, ds_ranges_find(r->ranges, key));
    if (p) ds_string_printf(out, "<td class=\"n\">%.1f %%</td>", 100 * p->products / all_products(r));
    else ds_string_printf(out, "<td></td>");
    if (p && p->choice) ds_string_printf(out, "<td class=\"n\">%.1e</td>", p->by[p->choice].error);
    else ds_string_printf(out, "<td></td>");
    cell(out, ds_attr_find(entry, "reason")->text);
    ds_string_printf(out, "</tr>\n");
}

static void add_page(ds_string *out, const quantize_result *r) {
    ds_string_printf(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>");
    put(out, r->model);
    ds_string_printf(out, "</title><style>%s</style></head><body>\n", STYLE);
    add_summary(out, r);
    ds_string_printf(out, "<h2>Errors</h2><table><tr><th>samples</th><th>output</th><th class=\"n\">relative (L2)</th>"
                          "<th class=\"n\">worst sample</th><th class=\"n\">cosine</th>"
                          "<th class=\"n\">agreement</th></tr>\n");
    add_errors(out, "calibrated", &r->seen);
    add_errors(out, "held out", &r->held_out);
    ds_string_printf(out, "</table><h2>Factors of products</h2><table><tr><th>factor</th><th>was</th><th>is</th>"
                          "<th>range</th><th class=\"n\">bytes</th><th class=\"n\">now</th>"
                          "<th class=\"n\">share of products</th><th class=\"n\">error alone</th>"
                          "<th>reason</th></tr>\n");
    for (size_t i = 0; r->decided && i < r->decided->count; i++) add_factor(out, r, r->decided->items[i]);
    ds_string_printf(out, "</table></body></html>\n");
}

ds_status quantize_page_write(ds_ir_context *cx, const char *path, const quantize_result *result) {
    ds_string text = {0};
    add_page(&text, result);
    ds_span all = {text.data, text.length};
    ds_status status = ds_file_write(cx->diag, path, &all, 1);
    ds_string_free(&text);
    return status;
}
