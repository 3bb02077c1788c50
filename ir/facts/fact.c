/* One abstract cell: intervals and small sets of numbers. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/eval.h"
#include "ir/facts/facts.h"

static const double EXACT = 0x1p53; /* integers up to here are doubles */

static bool is_number_class(ds_elem elem) {
    ds_elem_class class = ds_elem_facts(elem)->class;
    return class != DS_CLASS_STRING && class != DS_CLASS_COMPLEX;
}

ds_fact ds_fact_none(void) { return (ds_fact){.low = (double)INFINITY, .high = -(double)INFINITY}; }

ds_fact ds_fact_point(double value) {
    if (value != value) return (ds_fact){.low = (double)INFINITY, .high = -(double)INFINITY, .nan = true};
    value += 0; /* -0 is 0 */
    return (ds_fact){value, value, false, 1, {value}};
}

/* ---- rounding outwards ---- */

static double float_below(ds_elem elem, double v) {
    if (isinf(v)) return v;
    if (elem == DS_f64) return (double)(float)v == v ? v : nextafter(v, -(double)INFINITY);
    if (elem != DS_f32) return ds_float_decode(elem, ds_float_encode(elem, v, true));
    float f = (float)v;
    return (double)((double)f > v ? nextafterf(f, -INFINITY) : f);
}

static double whole_below(double v) {
    v = ceil(v);
    return fabs(v) < EXACT ? v : nextafter(v, -(double)INFINITY);
}

/* All integers of the type; the end of 64 bits is rounded outwards. */
static ds_fact whole_range(const ds_elem_info *e) {
    if (e->class == DS_CLASS_BOOL) return (ds_fact){0, 1, false, 2, {0, 1}};
    double low = e->class == DS_CLASS_UINT ? 0 : -ldexp(1, (int)e->bits - 1);
    return (ds_fact){low, low + ldexp(1, (int)e->bits) - 1, false, 0, {0}};
}

/* Floats of few bits: each is looked at. */
static ds_fact any_narrow_float(ds_elem elem, unsigned bits) {
    ds_fact f = ds_fact_none();
    for (uint64_t code = 0; code < 1ull << bits; code++) {
        double v = ds_float_decode(elem, code);
        f.nan = f.nan || v != v;
        if (v < f.low) f.low = v;
        if (v > f.high) f.high = v;
    }
    return f;
}

ds_fact ds_fact_any(ds_elem elem) {
    ds_fact all = {-(double)INFINITY, (double)INFINITY, true, 0, {0}};
    if (elem >= DS_ELEM_COUNT || !is_number_class(elem)) return all;
    const ds_elem_info *e = ds_elem_facts(elem);
    if (e->class == DS_CLASS_FLOAT) return e->bits <= 8 ? any_narrow_float(elem, e->bits) : all;
    return whole_range(e);
}

static ds_fact whole_between(const ds_elem_info *e, double low, double high, bool wraps) {
    ds_fact f = {whole_below(low), -whole_below(-high), false, 0, {0}}, all = whole_range(e);
    bool fits = f.low >= all.low && (e->bits < 64 ? f.high <= all.high : f.high < all.high);
    if (!fits && wraps) return all;
    f.low = fmax(f.low, all.low);
    f.high = fmin(f.high, all.high);
    if (f.high - f.low >= DS_FACT_POINTS || fabs(f.low) >= EXACT || fabs(f.high) >= EXACT) return f;
    for (double v = f.low; v <= f.high; v++) f.points[f.count++] = v + 0;
    return f;
}

static ds_fact between(ds_elem elem, double low, double high, bool nan, bool wraps) {
    ds_fact f = ds_fact_none();
    f.nan = nan && ds_elem_is_float(elem);
    if (!(low <= high)) return f;
    if (!is_number_class(elem)) return ds_fact_any(elem);
    if (!ds_elem_is_float(elem)) return whole_between(ds_elem_facts(elem), low, high, wraps);
    f = (ds_fact){float_below(elem, low) + 0, -float_below(elem, -high) + 0, f.nan, 0, {0}};
    if (f.low != f.low || f.high != f.high) return ds_fact_any(elem); /* formats without infinity */
    if (f.low == f.high) f.points[f.count++] = f.low;
    return f;
}

ds_fact ds_fact_between(ds_elem elem, double low, double high, bool nan) { return between(elem, low, high, nan, true); }
ds_fact ds_fact_within(ds_elem elem, double low, double high, bool nan) { return between(elem, low, high, nan, false); }

/* ---- sets ---- */

static void add_point(ds_fact *f, double v) {
    size_t at = 0;
    while (at < f->count && f->points[at] < v) at++;
    if (at < f->count && f->points[at] == v) return;
    if (f->count == DS_FACT_POINTS) {
        f->count = 0;
        return;
    }
    memmove(f->points + at + 1, f->points + at, (f->count - at) * sizeof *f->points);
    f->points[at] = v;
    f->count++;
}

static bool has_numbers(const ds_fact *f) { return f->low <= f->high; }

ds_fact ds_fact_join(ds_fact a, ds_fact b) {
    if (!has_numbers(&a) || !has_numbers(&b)) {
        ds_fact only = has_numbers(&a) ? a : b;
        only.nan = a.nan || b.nan;
        return only;
    }
    ds_fact f = a;
    f.low = fmin(a.low, b.low);
    f.high = fmax(a.high, b.high);
    f.nan = a.nan || b.nan;
    if (!b.count) f.count = 0;
    for (size_t i = 0; i < b.count && f.count; i++) add_point(&f, b.points[i]);
    return f;
}

bool ds_fact_equal(const ds_fact *a, const ds_fact *b) {
    if (a->nan != b->nan || a->count != b->count || has_numbers(a) != has_numbers(b)) return false;
    for (size_t i = 0; i < a->count; i++)
        if (a->points[i] != b->points[i]) return false;
    return !has_numbers(a) || (a->low == b->low && a->high == b->high);
}

bool ds_fact_holds(const ds_fact *f, double value) {
    if (value != value) return f->nan;
    if (!f->count) return f->low <= value && value <= f->high;
    for (size_t i = 0; i < f->count; i++)
        if (f->points[i] == value) return true;
    return false;
}

bool ds_fact_is_point(const ds_fact *f) { return f->count == 1 && !f->nan; }
bool ds_fact_is(const ds_fact *f, double value) { return ds_fact_is_point(f) && f->points[0] == value; }

bool ds_fact_is_flag(const ds_fact *f) {
    if (f->nan || f->count == 0) return false;
    for (size_t i = 0; i < f->count; i++)
        if (f->points[i] != 0 && f->points[i] != 1) return false;
    return true;
}

/* ---- constants ---- */

typedef struct {
    ds_fact fact;
    bool many; /* more numbers than points */
} gathered;

static inline void gather(gathered *g, double v) {
    ds_fact *f = &g->fact;
    if (v != v) {
        f->nan = true;
        return;
    }
    if (v < f->low) f->low = v + 0;
    if (v > f->high) f->high = v + 0;
    if (g->many) return;
    add_point(f, v + 0);
    g->many = f->count == 0;
}

/* Elements of up to 16 bits: which codes there are, then what they are. */
static void gather_codes(gathered *g, ds_elem elem, const uint8_t *bytes, uint64_t count) {
    unsigned bits = ds_elem_facts(elem)->bits;
    bool *seen = ds_xmalloc(1u << 16);
    memset(seen, 0, 1u << 16);
    for (uint64_t i = 0; i < count; i++) {
        uint16_t code = 0;
        if (bits == 16) memcpy(&code, bytes + 2 * i, 2);
        else if (bits == 8) code = bytes[i];
        else code = (uint16_t)ds_bits_at(bytes, i, bits);
        seen[code] = true;
    }
    const ds_elem_info *e = ds_elem_facts(elem);
    for (uint64_t code = 0; code < 1ull << bits; code++) {
        if (!seen[code]) continue;
        if (e->class == DS_CLASS_FLOAT) gather(g, ds_float_decode(elem, code));
        else if (e->class == DS_CLASS_BOOL) gather(g, (double)(code & 1));
        else
            gather(g,
                   e->class == DS_CLASS_SINT && code >> (bits - 1) ? (double)code - ldexp(1, (int)bits) : (double)code);
    }
    free(seen);
}

/* Most weights: a quick look at the ends, where many numbers are certain. */
static uint64_t gather_floats(gathered *g, const uint8_t *bytes, uint64_t count) {
    uint64_t i = 0;
    float low = INFINITY, high = -INFINITY, v;
    for (; i < count && !g->many; i++) {
        memcpy(&v, bytes + i * sizeof v, sizeof v);
        gather(g, (double)v);
    }
    bool nan = false;
    for (; i < count; i++) {
        memcpy(&v, bytes + i * sizeof v, sizeof v);
        low = v < low ? v : low;
        high = v > high ? v : high;
        nan |= v != v;
    }
    g->fact.nan = g->fact.nan || nan;
    if ((double)low < g->fact.low) g->fact.low = (double)low + 0;
    if ((double)high > g->fact.high) g->fact.high = (double)high + 0;
    return i;
}

static double wide_element(ds_elem elem, const uint8_t *bytes, uint64_t i) {
    uint64_t bits = 0;
    size_t size = ds_elem_facts(elem)->bits / 8;
    memcpy(&bits, bytes + i * size, size);
    if (ds_elem_is_float(elem)) return ds_float_decode(elem, bits);
    if (ds_elem_is_unsigned(elem)) return (double)bits;
    return size == 4 ? (double)(int32_t)(uint32_t)bits : (double)(int64_t)bits;
}

ds_fact ds_fact_of_elements(const ds_attr *elements) {
    ds_elem elem = elements->type->elem;
    uint64_t count, length;
    if (elem >= DS_ELEM_COUNT || !is_number_class(elem) || !ds_type_static_count(elements->type, &count) ||
        !ds_elem_bytes(elem, count, &length) || length > elements->count)
        return ds_fact_any(elem);
    gathered g = {ds_fact_none(), false};
    if (ds_elem_facts(elem)->bits <= 16) gather_codes(&g, elem, elements->bytes, count);
    else
        for (uint64_t i = elem == DS_f32 ? gather_floats(&g, elements->bytes, count) : 0; i < count; i++)
            gather(&g, wide_element(elem, elements->bytes, i));
    if (ds_elem_is_float(elem) || !has_numbers(&g.fact)) return g.fact;
    ds_fact outer = ds_fact_between(elem, g.fact.low, g.fact.high, false);
    return outer.low == g.fact.low && outer.high == g.fact.high ? g.fact : outer;
}

/* ---- text ---- */

/* Whole numbers, or the shortest digits that are this number again, read as a float where it is one. */
static void print_number(ds_string *out, double v) {
    char text[40];
    if (isinf(v)) {
        ds_string_printf(out, v < 0 ? "-inf" : "inf");
        return;
    }
    bool is_float = (double)(float)v == v, whole = v == floor(v) && fabs(v) < 1e15;
    if (whole) ds_string_printf(out, "%.0f", v);
    for (int digits = 1; digits <= 17 && !whole; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v || (is_float && (double)strtof(text, NULL) == v)) break;
    }
    if (!whole) ds_string_printf(out, "%s", text);
}

void ds_fact_print(ds_string *out, const ds_fact *f) {
    if (!has_numbers(f)) {
        ds_string_printf(out, f->nan ? "NaN" : "nothing");
        return;
    }
    if (isinf(f->low) && isinf(f->high) && f->low < f->high && f->nan && !f->count) {
        ds_string_printf(out, "anything");
        return;
    }
    ds_string_printf(out, f->count ? "{" : "[");
    if (f->count)
        for (size_t i = 0; i < f->count; i++) {
            if (i) ds_string_printf(out, ", ");
            print_number(out, f->points[i]);
        }
    else {
        print_number(out, f->low);
        ds_string_printf(out, ", ");
        print_number(out, f->high);
    }
    ds_string_printf(out, f->count ? "}" : "]");
    if (f->nan) ds_string_printf(out, " or NaN");
}
