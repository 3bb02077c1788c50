/* Tokens: read and written as ids, and drawn from logits. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/eval.h"
#include "tools/generate.h"

static bool has_suffix(const char *text, const char *suffix) {
    size_t n = strlen(text), m = strlen(suffix);
    return n >= m && !strcmp(text + n - m, suffix);
}

static ds_status read_npy(ds_ir_context *cx, const char *path, int64_t **out) {
    static const struct {
        const char *elem;
        uint32_t bits, rank;
    } forms[] = {{"i64", 64, 1}, {"i64", 64, 2}, {"i32", 32, 1}, {"i32", 32, 2}};
    const char *wrong = NULL;
    for (size_t i = 0; i < DS_COUNT(forms); i++) {
        ds_model_argument argument = {.elem = forms[i].elem, .elem_bits = forms[i].bits, .rank = forms[i].rank};
        ds_model_tensor t;
        wrong = dsrt_npy_read(path, &argument, &t);
        if (wrong) continue;
        bool one = forms[i].rank == 1 || t.dims[0] == 1;
        for (uint64_t k = 0; one && k < t.bytes * 8 / forms[i].bits; k++) {
            int64_t id = forms[i].bits == 64 ? ((int64_t *)t.data)[k] : ((int32_t *)t.data)[k];
            arrput(*out, id);
        }
        free(t.data);
        if (one) return DS_OK;
        return ds_report(cx->diag, DS_ERROR, DS_E_inputs, NULL, "'%s' has %lld sequences: one is generated at a time",
                         path, (long long)t.dims[0]);
    }
    return ds_report(cx->diag, DS_ERROR, DS_E_inputs, NULL, "'%s' has no ids (i64 or i32, [n] or [1, n]): %s", path,
                     wrong);
}

static ds_status read_text(ds_ir_context *cx, ds_files *files, const char *path, int64_t **out) {
    const ds_mapped_file *file;
    DS_TRY(ds_files_open(files, cx->diag, path, &file));
    const char *text = ds_arena_strndup(cx->arena, (const char *)file->bytes, file->length), *at = text;
    for (;;) {
        char *end;
        while (isspace((unsigned char)*at) || *at == ',') at++;
        if (!*at) break;
        errno = 0;
        long long id = strtoll(at, &end, 10);
        bool ends = !*end || isspace((unsigned char)*end) || *end == ',';
        if (end == at || !ends || errno)
            return ds_report(cx->diag, DS_ERROR, DS_E_inputs, NULL,
                             "'%s': id %zu is '%.*s', which is not a whole number", path, arrlenu(*out),
                             (int)strcspn(at, " \t\r\n,"), at);
        arrput(*out, id);
        at = end;
    }
    if ((size_t)(at - text) == file->length) return DS_OK;
    return ds_report(cx->diag, DS_ERROR, DS_E_inputs, NULL, "'%s' is not text: byte %zu is zero", path,
                     (size_t)(at - text));
}

ds_status tokens_read(ds_ir_context *cx, ds_files *files, const char *path, int64_t **out) {
    DS_TRY(has_suffix(path, ".npy") ? read_npy(cx, path, out) : read_text(cx, files, path, out));
    if (arrlenu(*out)) return DS_OK;
    return ds_report(cx->diag, DS_ERROR, DS_E_inputs, NULL, "'%s' has no ids: there is no prompt to begin with", path);
}

ds_status tokens_write(ds_ir_context *cx, const char *path, const int64_t *ids) {
    if (has_suffix(path, ".npy")) {
        ds_model_argument argument = {.elem = "i64", .elem_bits = 64, .rank = 1};
        ds_model_tensor t = {.data = (void *)(uintptr_t)ids, .dims = {(int64_t)arrlenu(ids)}};
        const char *wrong = dsrt_npy_write(path, &argument, &t);
        return wrong ? ds_report(cx->diag, DS_ERROR, DS_E_file, NULL, "'%s': %s", path, wrong) : DS_OK;
    }
    ds_string text = {0};
    for (size_t i = 0; i < arrlenu(ids); i++) ds_string_printf(&text, "%s%lld", i ? " " : "", (long long)ids[i]);
    ds_string_append(&text, "\n", 1);
    ds_span span = {text.data, text.length};
    ds_status status = ds_file_write(cx->diag, path, &span, 1);
    ds_string_free(&text);
    return status;
}

/* ---- drawing ---- */

static double logit(ds_elem elem, const void *row, int64_t i) {
    unsigned bytes = ds_elem_facts(elem)->bits / 8;
    uint64_t bits = 0;
    float f;
    memcpy(&bits, (const char *)row + (size_t)i * bytes, bytes);
    if (elem != DS_f32) return ds_float_decode(elem, bits);
    memcpy(&f, &bits, sizeof f);
    return f;
}

static int64_t largest(ds_elem elem, const void *row, int64_t count) {
    int64_t best = -1;
    double most = -INFINITY;
    for (int64_t i = 0; i < count; i++) {
        double v = logit(elem, row, i);
        if (v > most || (best < 0 && v == most)) most = v, best = i;
    }
    return best;
}

/* SplitMix64. */
static uint64_t next_bits(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

typedef struct {
    double logit;
    int64_t id;
} candidate;

/* Puts one into its place among the `kept` best, of which there are `room` at most. */
static int64_t keep(candidate *best, int64_t kept, int64_t room, candidate c) {
    if (kept == room && !(c.logit > best[kept - 1].logit)) return kept;
    int64_t at = kept < room ? kept : kept - 1;
    for (; at > 0 && c.logit > best[at - 1].logit; at--) best[at] = best[at - 1];
    best[at] = c;
    return kept < room ? kept + 1 : kept;
}

int64_t sampler_next(sampler *s, ds_elem elem, const void *row, int64_t count) {
    int64_t first = largest(elem, row, count), kept = 0;
    if (s->temperature <= 0 || first < 0) return first;
    double most = logit(elem, row, first), sum = 0, up_to = 0;
    bool all = s->top_k <= 0 || s->top_k >= count;
    candidate *best = ds_xmalloc((size_t)(all ? count : s->top_k) * sizeof *best);
    for (int64_t i = 0; i < count; i++) {
        candidate c = {logit(elem, row, i), i};
        if (c.logit != c.logit) continue;
        if (all) best[kept++] = c;
        else kept = keep(best, kept, s->top_k, c);
    }
    for (int64_t i = 0; i < kept; i++) {
        bool is_most = best[i].logit == most; /* which may be infinite */
        sum += best[i].logit = is_most ? 1 : exp((best[i].logit - most) / s->temperature);
    }
    double wanted = (double)(next_bits(&s->state) >> 11) * 0x1p-53 * sum;
    int64_t chosen = first;
    for (int64_t i = 0; i < kept; i++) {
        up_to += best[i].logit;
        if (best[i].logit > 0) chosen = best[i].id;
        if (up_to > wanted) break;
    }
    free(best);
    return chosen;
}
