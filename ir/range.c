/* Bounds of integer expressions, by interval arithmetic. The ends of int64 stand for "none". */
#include "expr.h"

#include <string.h>

static const int64_t NONE_BELOW = INT64_MIN, NONE_ABOVE = INT64_MAX;

static bool is_finite(int64_t v) { return v != NONE_BELOW && v != NONE_ABOVE; }

/* a + b where `none` stands for no bound on this side */
static int64_t add_bound(int64_t a, int64_t b, int64_t none) {
    int64_t sum;
    return is_finite(a) && is_finite(b) && !__builtin_add_overflow(a, b, &sum) ? sum : none;
}

/* The product of two ends of intervals: an end without bound outweighs everything but zero. */
static int64_t multiply_ends(int64_t a, int64_t b) {
    int64_t product;
    if (a == 0 || b == 0) return 0;
    if (is_finite(a) && is_finite(b) && !__builtin_mul_overflow(a, b, &product)) return product;
    return (a < 0) != (b < 0) ? NONE_BELOW : NONE_ABOVE;
}

static ds_range multiply(ds_range x, ds_range y) {
    int64_t ends[] = {multiply_ends(x.low, y.low), multiply_ends(x.low, y.high), multiply_ends(x.high, y.low),
                      multiply_ends(x.high, y.high)};
    ds_range r = {ends[0], ends[0]};
    for (size_t i = 1; i < DS_COUNT(ends); i++) {
        if (ends[i] < r.low) r.low = ends[i];
        if (ends[i] > r.high) r.high = ends[i];
    }
    return r;
}

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

static ds_range divide(ds_range x, ds_range y) {
    if (y.low < 0 || x.low < 0) return (ds_range){NONE_BELOW, NONE_ABOVE};
    if (y.low == 0) return (ds_range){0, x.high}; /* by 0: 0 */
    return (ds_range){y.high == NONE_ABOVE || x.low == NONE_ABOVE ? 0 : x.low / y.high,
                      x.high == NONE_ABOVE ? NONE_ABOVE : x.high / y.low};
}

static bool may_be_negative(const char *symbol) {
    const char *count = ds_symbol_prefix(DS_SYMBOL_count);
    return ds_symbol_is_late(symbol) && strncmp(symbol, count, strlen(count)) != 0;
}

static ds_range range_of_atom(const ds_expr *e) {
    if (e->kind == DS_EXPR_DIM) return (ds_range){0, NONE_ABOVE};
    if (e->kind == DS_EXPR_SYMBOL) return (ds_range){may_be_negative(e->name) ? NONE_BELOW : 0, NONE_ABOVE};
    ds_range a = e->a->range, b = e->b->range;
    switch (e->kind) {
    case DS_EXPR_FLOORDIV: return divide(a, b);
    case DS_EXPR_MOD:
        if (b.low < 0) return (ds_range){NONE_BELOW, NONE_ABOVE};
        return (ds_range){0, b.high == NONE_ABOVE ? NONE_ABOVE : larger(0, b.high - 1)};
    case DS_EXPR_MIN: return (ds_range){smaller(a.low, b.low), smaller(a.high, b.high)};
    case DS_EXPR_MAX: return (ds_range){larger(a.low, b.low), larger(a.high, b.high)};
    default: return (ds_range){smaller(a.low, b.low), larger(a.high, b.high)};
    }
}

ds_range ds_range_of(const ds_expr *e) {
    if (e->kind != DS_EXPR_POLY) return range_of_atom(e);
    ds_range sum = {e->value, e->value};
    for (size_t i = 0; i < e->term_count; i++) {
        ds_range term = {e->terms[i].coefficient, e->terms[i].coefficient};
        for (size_t k = 0; k < e->terms[i].atom_count; k++) term = multiply(term, e->terms[i].atoms[k]->range);
        sum = (ds_range){add_bound(sum.low, term.low, NONE_BELOW), add_bound(sum.high, term.high, NONE_ABOVE)};
    }
    return sum;
}

bool ds_expr_nonneg(const ds_expr *e) { return e->range.low >= 0; }

bool ds_expr_is_flag(const ds_expr *e) {
    return (e->kind == DS_EXPR_MIN || e->kind == DS_EXPR_MAX) && e->range.low == 0 && e->range.high == 1;
}
