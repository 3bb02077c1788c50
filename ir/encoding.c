#include "encoding.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval.h"

static const struct {
    const char *word;
    ds_scale_kind scale;
} scale_words[] = {{"per-tensor", DS_SCALE_TENSOR}, {"per-channel", DS_SCALE_CHANNEL}};

static const char BLOCKS[] = "blocks=";

bool ds_encoding_is_integer(const ds_encoding *e) { return ds_elem_is_integer(e->elem); }

/* ---- reading ---- */

static bool is_word(const char *text, size_t length, const char *word) {
    return strlen(word) == length && !memcmp(text, word, length);
}

static const char TF32[] = "tf32";

static bool find_elem(const char *text, size_t length, ds_encoding *out) {
    static const struct {
        const char *name;
        ds_elem elem;
        unsigned mantissa;
    } names[] = {
#define DS_ELEM(name, bits, class, onnx, text, ...) {#name, DS_##name, 0}, {text, DS_##name, 0},
#include "types.def"
#undef DS_ELEM
        {TF32, DS_f32, DS_TF32_MANTISSA},
    };
    for (size_t i = 0; i < DS_COUNT(names); i++) {
        const ds_elem elem = out->elem = names[i].elem;
        bool is_number = (ds_elem_is_float(elem) || ds_elem_is_integer(elem)) && elem != DS_index;
        out->mantissa = names[i].mantissa;
        if (is_word(text, length, names[i].name) && is_number) return true;
    }
    return false;
}

/* One word; *stop: it is none of an encoding. */
static const char *read_word(const char *text, size_t length, ds_encoding *e, bool *said, bool *stop) {
    bool sym = is_word(text, length, "sym"), asym = is_word(text, length, "asym");
    if (sym || asym) {
        if (*said) return "'sym' or 'asym' is said twice";
        *said = true;
        e->symmetric = sym;
        return NULL;
    }
    ds_scale_kind scale = DS_SCALE_NONE;
    for (size_t i = 0; i < DS_COUNT(scale_words); i++)
        if (is_word(text, length, scale_words[i].word)) scale = scale_words[i].scale;
    if (length > sizeof BLOCKS - 1 && !memcmp(text, BLOCKS, sizeof BLOCKS - 1)) {
        char *end;
        scale = DS_SCALE_BLOCK;
        e->block = strtol(text + sizeof BLOCKS - 1, &end, 10);
        bool good = end == text + length && e->block >= 8 && e->block <= DS_ENCODING_MOST_BLOCK;
        if (!good || (e->block & (e->block - 1))) return "blocks are powers of two from 8 to 65536";
    }
    if (scale != DS_SCALE_NONE) {
        if (e->scale != DS_SCALE_NONE) return "what shares a scale is said twice";
        e->scale = scale;
    } else if (is_word(text, length, "dynamic")) e->dynamic = true;
    else *stop = true;
    return NULL;
}

static const char *complete(ds_encoding *e, bool said) {
    if (!ds_encoding_is_integer(e)) {
        if (said) return "only whole numbers are 'sym' or 'asym'";
        if (e->dynamic) return "only whole numbers are 'dynamic'";
        e->symmetric = true;
        return NULL;
    }
    if (ds_elem_facts(e->elem)->bits > 16) return "whole numbers have 16 bits at most";
    if (!said) e->symmetric = !ds_elem_is_unsigned(e->elem);
    if (e->dynamic && e->scale != DS_SCALE_NONE) return "'dynamic' scales are those of rows";
    if (e->dynamic && !e->symmetric) return "'dynamic' numbers are 'sym'";
    if (e->scale == DS_SCALE_NONE && !e->dynamic) e->scale = DS_SCALE_TENSOR;
    return NULL;
}

bool ds_encoding_parse(const char *text, ds_encoding *out, const char **rest, const char **why) {
    bool said = false, stop = false, first = true;
    *out = (ds_encoding){0};
    *why = NULL;
    while (!*why && !stop) {
        text += strspn(text, " \t");
        size_t length = strcspn(text, " \t");
        if (!length) break;
        if (!first) *why = read_word(text, length, out, &said, &stop);
        else if (!find_elem(text, length, out)) *why = "no element type is called so";
        first = false;
        if (!stop) text += length;
    }
    if (first) *why = "an element type is missing";
    *rest = text;
    if (!*why) *why = complete(out, said);
    return !*why;
}

/* ---- writing ---- */

void ds_encoding_print(ds_string *out, const ds_encoding *e) {
    ds_string_printf(out, "%s", e->mantissa ? TF32 : ds_elem_facts(e->elem)->text);
    if (ds_encoding_is_integer(e)) ds_string_printf(out, e->symmetric ? " sym" : " asym");
    for (size_t i = 0; i < DS_COUNT(scale_words); i++)
        if (scale_words[i].scale == e->scale) ds_string_printf(out, " %s", scale_words[i].word);
    if (e->scale == DS_SCALE_BLOCK) ds_string_printf(out, " %s%lld", BLOCKS, (long long)e->block);
    if (e->dynamic) ds_string_printf(out, " dynamic");
}

bool ds_encodings_equal(const ds_encoding *a, const ds_encoding *b) {
    return a->elem == b->elem && a->mantissa == b->mantissa && a->scale == b->scale && a->block == b->block &&
           a->symmetric == b->symmetric && a->dynamic == b->dynamic;
}

/* ---- numbers ---- */

ds_elem ds_encoding_scale_elem(ds_scale_kind kind) { return kind == DS_SCALE_BLOCK ? DS_bf16 : DS_f32; }

void ds_encoding_ends(const ds_encoding *e, int64_t *low, int64_t *high) {
    int bits = (int)ds_elem_facts(e->elem)->bits;
    bool is_unsigned = ds_elem_is_unsigned(e->elem);
    *high = ((int64_t)1 << (is_unsigned ? bits : bits - 1)) - 1;
    *low = is_unsigned ? 0 : -*high - 1;
    if (e->symmetric && is_unsigned) *low = 1;
    if (e->symmetric && !is_unsigned) *low = -*high;
}

/* The largest finite number of a float type. */
static double largest_of(ds_elem elem) { return ds_float_decode(elem, ds_float_encode(elem, DBL_MAX, true)); }

static void fit_float(ds_elem elem, double most, float *scale) {
    int exponent;
    double ratio = most / largest_of(elem);
    double fraction = frexp(ratio, &exponent);
    int power = fraction == 0.5 ? exponent - 1 : exponent; /* the least power of two that is no less than the ratio */
    *scale = most > 0 ? (float)ldexp(1.0, power < -120 ? -120 : power > 120 ? 120 : power) : 1;
}

void ds_encoding_fit(const ds_encoding *e, double min, double max, float *scale, int64_t *zero) {
    int64_t low, high;
    double most = fmax(fabs(min), fabs(max));
    *zero = 0;
    if (!ds_encoding_is_integer(e)) {
        fit_float(e->elem, most, scale);
        return;
    }
    ds_encoding_ends(e, &low, &high);
    min = fmin(min, 0);
    max = fmax(max, 0);
    double step = e->symmetric ? 2 * most / (double)(high - low) : (max - min) / (double)(high - low);
    *scale = step > 0 ? (float)fmin(fmax(step, 0x1p-120), 0x1p120) : 1;
    if (e->symmetric) *zero = ds_elem_is_unsigned(e->elem) ? (low + high) / 2 : 0;
    else *zero = low + (int64_t)rint(fmin(fmax(-min / (double)*scale, 0), (double)(high - low)));
}
