/* What scalar ops make of facts: the last column of loop.def, and the ops that have a function of their own. */
#include <math.h>

#include "ir/eval.h"
#include "ir/facts/facts.h"

enum { MOST_OPERANDS = 3, MOST_TRIED = 16 /* choices of operands' points */ };

/* Results of functions that are not exactly rounded are right to this, which is far more than kernels/math.c needs but
 * where apart() says so; what is smaller than TINY may come out as zero. */
static const double SLACK = 0x1p-18, TINY = 0x1p-100;

typedef struct {
    ds_ir_context *cx;
    const ds_op *op;
    const ds_fact *x;
    ds_elem from, to;
} scalar;

typedef enum { BY_ENDS, BY_DIVIDING, BY_NEAR, BY_TURN, BY_BOUNDS, BY_COMPARING, BY_OWN } method;

typedef struct {
    method by;
    double low, high;
} rule;

static rule rule_of(ds_op_kind kind) {
    switch (kind) {
#define ENDS                                                                                                           \
    { BY_ENDS, 0, 0 }
#define DIVIDES                                                                                                        \
    { BY_DIVIDING, 0, 0 }
#define NEAR(low, high)                                                                                                \
    { BY_NEAR, (double)(low), (double)(high) }
#define TURNS(at)                                                                                                      \
    { BY_TURN, (double)(at), (double)(at) }
#define WITHIN(low, high)                                                                                              \
    { BY_BOUNDS, (double)(low), (double)(high) }
#define COMPARES                                                                                                       \
    { BY_COMPARING, 0, 0 }
#define OWN                                                                                                            \
    { BY_OWN, 0, 0 }
#define SCALAR_OP(name, arity, result, floats, ints, intervals)                                                        \
    case DS_LOOP_##name:                                                                                               \
        return (rule)intervals;
#define LOOP_OP(...)
#include "ir/loop.def"
#undef SCALAR_OP
#undef LOOP_OP
    default: return (rule){BY_OWN, 0, 0};
    }
}

static bool has_numbers(const ds_fact *f) { return f->low <= f->high; }
static bool may_be_infinite(const ds_fact *f) { return has_numbers(f) && (isinf(f->low) || isinf(f->high)); }
static bool spans_zero(const ds_fact *f) { return f->low <= 0 && f->high >= 0; }
static double largest(const ds_fact *f) { return fmax(fabs(f->low), fabs(f->high)); }

static bool any_nan(const scalar *s) {
    bool nan = false;
    for (size_t i = 0; i < s->op->operand_count; i++) nan = nan || s->x[i].nan;
    return nan;
}

/* An interval that grows while values are put into it. */
typedef struct {
    double low, high;
    bool nan;
} hull;

static hull hull_empty(bool nan) { return (hull){(double)INFINITY, -(double)INFINITY, nan}; }

static void hull_add(hull *h, double v) {
    h->nan = h->nan || v != v;
    if (v < h->low) h->low = v;
    if (v > h->high) h->high = v;
}

/* Away from each other by what functions may miss, but not past zero. */
static void hull_widen(hull *h, double slack) {
    if (!(h->low <= h->high)) return;
    if (!isinf(h->low)) h->low -= fabs(h->low) * slack;
    if (!isinf(h->high)) h->high += fabs(h->high) * slack;
    if (h->low > 0 && h->low < TINY) h->low = 0;
    if (h->high < 0 && h->high > -TINY) h->high = 0;
}

/* What kernels/math.c fits to an error that does not shrink with the result. */
static double apart(ds_op_kind kind) { return kind == DS_LOOP_erfc || kind == DS_LOOP_gelu ? 0x1p-20 : 0; }

static void hull_miss(hull *h, ds_op_kind kind) {
    hull_widen(h, SLACK);
    h->low -= apart(kind);
    h->high += apart(kind);
}

static ds_fact hull_fact(const scalar *s, const hull *h) { return ds_fact_between(s->to, h->low, h->high, h->nan); }

/* ---- columns of loop.def ---- */

/* Which ops cannot leave the range of an integer type. */
static bool never_wraps(ds_op_kind kind) {
    switch (kind) {
    case DS_LOOP_min:
    case DS_LOOP_max:
    case DS_LOOP_greater:
    case DS_LOOP_floor:
    case DS_LOOP_ceil:
    case DS_LOOP_trunc:
    case DS_LOOP_round: return true;
    default: return false;
    }
}

static double at_end(const ds_fact *x, size_t count, size_t choice, size_t i) {
    if (i >= count) return 0;
    return choice >> i & 1 ? x[i].high : x[i].low;
}

static hull hull_of_ends(ds_op_kind kind, const ds_fact *x, size_t count, bool nan) {
    hull h = hull_empty(nan);
    for (size_t i = 0; i < count; i++)
        if (!has_numbers(&x[i])) return h;
    for (size_t choice = 0; choice < (size_t)1 << count; choice++)
        hull_add(&h, ds_eval_number(kind, at_end(x, count, choice, 0), at_end(x, count, choice, 1),
                                    at_end(x, count, choice, 2)));
    return h;
}

static bool zero_times_infinity(const ds_fact *a, const ds_fact *b) {
    return (spans_zero(a) && may_be_infinite(b)) || (spans_zero(b) && may_be_infinite(a));
}

static ds_fact by_ends(const scalar *s) {
    ds_op_kind kind = s->op->kind;
    size_t count = s->op->operand_count;
    bool product = kind == DS_LOOP_mul || kind == DS_LOOP_fma, nan = any_nan(s);
    if (kind == DS_LOOP_greater && nan) return ds_fact_join(s->x[0], s->x[1]);
    hull h = hull_of_ends(kind, s->x, count, nan);
    if (product && zero_times_infinity(&s->x[0], &s->x[1])) { /* 0 times what is finite, too */
        h.nan = true;
        hull_add(&h, kind == DS_LOOP_fma ? s->x[2].low : 0);
        hull_add(&h, kind == DS_LOOP_fma ? s->x[2].high : 0);
    }
    if (kind == DS_LOOP_mul && ds_op_operand(s->op, 0) == ds_op_operand(s->op, 1)) { /* a square */
        h.nan = nan;
        if (h.low < 0) h.low = 0;
    }
    return never_wraps(kind) ? ds_fact_within(s->to, h.low, h.high, h.nan) : hull_fact(s, &h);
}

/* Divisions by a number may become products with its inverse, which is rounded. */
static double slack_of_quotient(const scalar *s) {
    int exponent;
    bool same = ds_fact_is_point(&s->x[0]) && !ds_fact_is_point(&s->x[1]) && s->op->kind == DS_LOOP_div;
    bool power = ds_fact_is_point(&s->x[1]) && fabs(frexp(s->x[1].low, &exponent)) == 0.5;
    return same || power ? 0 : s->to == DS_f64 ? 0x1p-51 : 0x1p-22;
}

static ds_fact by_dividing(const scalar *s) {
    const ds_fact *a = &s->x[0], *b = &s->x[1];
    if (!has_numbers(a) || !has_numbers(b)) return ds_fact_between(s->to, 1, 0, true);
    if (spans_zero(b)) {
        double most = largest(a);
        return ds_elem_is_float(s->to) ? ds_fact_any(s->to) : ds_fact_between(s->to, -most, most, false);
    }
    bool floors = s->op->kind == DS_LOOP_floordiv, floats = ds_elem_is_float(s->to);
    hull h = hull_of_ends(DS_LOOP_div, s->x, 2, any_nan(s));
    if (may_be_infinite(a) && may_be_infinite(b)) { /* what is finite divided by infinity, too */
        h.nan = true;
        hull_add(&h, 0);
    }
    double slack = floats ? slack_of_quotient(s) : 0;
    if (slack > 0) hull_widen(&h, slack);
    if (floors || !floats) {
        h.low = floors ? floor(h.low) : trunc(h.low);
        h.high = floors ? floor(h.high) : trunc(h.high);
    }
    return hull_fact(s, &h);
}

static double number(const scalar *s, double v) { return ds_eval_number(s->op->kind, v, 0, 0); }

static ds_fact by_near(const scalar *s, double from, double to) {
    const ds_fact *x = &s->x[0];
    hull h = hull_empty(x->nan || (has_numbers(x) && (x->low < from || x->high > to)));
    double low = fmax(x->low, from), high = fmin(x->high, to), ends[] = {number(s, from), number(s, to)};
    if (low <= high) {
        hull_add(&h, number(s, low));
        hull_add(&h, number(s, high));
        hull_miss(&h, s->op->kind);
        h.low = fmax(h.low, fmin(ends[0], ends[1]));
        h.high = fmin(h.high, fmax(ends[0], ends[1]));
    }
    return hull_fact(s, &h);
}

static ds_fact by_turn(const scalar *s, double at) {
    const ds_fact *x = &s->x[0];
    hull h = hull_empty(x->nan);
    if (!has_numbers(x)) return hull_fact(s, &h);
    hull_add(&h, number(s, x->low));
    hull_add(&h, number(s, x->high));
    if (x->low < at && x->high > at) hull_add(&h, number(s, at));
    if (h.nan) hull_add(&h, 0); /* what 0 times infinity tends to */
    hull_miss(&h, s->op->kind);
    if (s->op->kind == DS_LOOP_gelu && x->low >= 0) h.low = fmax(h.low, 0); /* its operand's sign */
    if (s->op->kind == DS_LOOP_gelu && x->high <= 0) h.high = fmin(h.high, 0);
    return hull_fact(s, &h);
}

static ds_fact decided(bool always, bool never) { return ds_fact_between(DS_b1, always ? 1 : 0, never ? 0 : 1, false); }

static ds_fact by_comparing(const scalar *s) {
    const ds_fact *a = &s->x[0], *b = &s->x[1];
    bool nan = a->nan || b->nan, numbers = has_numbers(a) && has_numbers(b);
    bool same = a->count == 1 && b->count == 1 && a->points[0] == b->points[0];
    bool apart = !numbers || a->high < b->low || b->high < a->low;
    switch (s->op->kind) {
    case DS_LOOP_eq: return decided(same && !nan, apart);
    case DS_LOOP_ne: return decided(apart, same && !nan);
    case DS_LOOP_lt: return decided(numbers && !nan && a->high < b->low, !numbers || a->low >= b->high);
    default: return decided(numbers && !nan && a->high <= b->low, !numbers || a->low > b->high);
    }
}

/* ---- ops with a function of their own ---- */

/* Monotone, as rounding is; what leaves an integer type is whatever float_to_integer of eval.c says. */
static ds_fact of_cast(const scalar *s) {
    const ds_fact *x = &s->x[0];
    if (s->to == DS_b1) {
        bool zero = has_numbers(x) && ds_fact_holds(x, 0), other = x->nan || x->low < 0 || x->high > 0;
        return decided(!zero, !other);
    }
    if (!ds_elem_is_float(s->to)) {
        if (x->nan || !has_numbers(x)) return ds_fact_any(s->to);
        return ds_fact_between(s->to, trunc(x->low), trunc(x->high), false);
    }
    ds_fact all = ds_fact_any(s->to);
    if (x->nan && !all.nan) return all;
    if (!has_numbers(x)) return ds_fact_between(s->to, 1, 0, x->nan);
    bool saturates = ds_op_int(s->op, "saturate", 1);
    hull h = hull_empty(x->nan);
    hull_add(&h, ds_float_decode(s->to, ds_float_encode(s->to, x->low, saturates)));
    hull_add(&h, ds_float_decode(s->to, ds_float_encode(s->to, x->high, saturates)));
    bool lost = !(h.low <= h.high) || (h.nan && !x->nan) || s->to == DS_f8e8m0; /* no infinity; no signs */
    return lost ? all : ds_fact_between(s->to, h.low, h.high, h.nan);
}

static ds_fact of_quantize(const scalar *s) {
    const ds_fact *v = &s->x[0], *scale = &s->x[1], *zero = &s->x[2];
    bool sound = has_numbers(v) && has_numbers(scale) && has_numbers(zero) && !spans_zero(scale) && !scale->nan;
    if (!sound || may_be_infinite(scale)) return ds_fact_any(s->to);
    hull h = hull_empty(false);
    for (size_t choice = 0; choice < 8; choice++)
        hull_add(&h, (double)ds_quantize(s->to, at_end(s->x, 3, choice, 0), at_end(s->x, 3, choice, 1),
                                         (int64_t)at_end(s->x, 3, choice, 2)));
    if (v->nan) hull_add(&h, ds_fact_any(s->to).low);
    return hull_fact(s, &h);
}

static ds_fact of_cell(const scalar *s, const ds_cell *c) {
    double v = ds_elem_is_float(s->to) ? c->f : s->to == DS_u64 ? (double)(uint64_t)c->i : (double)c->i;
    return ds_elem_is_float(s->to) ? ds_fact_point(v) : ds_fact_between(s->to, v, v, false);
}

static ds_fact of_lookup(const scalar *s) {
    const ds_fact *x = &s->x[0];
    ds_fact f = ds_fact_none();
    if (!(x->low >= -128 && x->high <= 255)) return ds_fact_any(s->to);
    for (double i = x->low; i <= x->high; i++) {
        ds_cell cell = {.i = (int64_t)i}, result;
        if (!ds_eval_scalar(s->cx, s->op, &cell, &result)) return ds_fact_any(s->to);
        f = ds_fact_join(f, of_cell(s, &result));
    }
    return f;
}

/* A whole exponent that is known: even ones turn at 0. */
static bool of_whole_power(const scalar *s, hull *h) {
    const ds_fact *a = &s->x[0], *b = &s->x[1];
    bool whole = ds_fact_is_point(b) && b->low >= 1 && b->low <= 64 && b->low == floor(b->low);
    if (!whole) return false;
    hull_add(h, ds_eval_number(DS_LOOP_pow, a->low, b->low, 0));
    hull_add(h, ds_eval_number(DS_LOOP_pow, a->high, b->low, 0));
    if (spans_zero(a)) hull_add(h, 0);
    return true;
}

static ds_fact of_power(const scalar *s) {
    const ds_fact *a = &s->x[0], *b = &s->x[1];
    if (!ds_elem_is_float(s->to) || !has_numbers(a) || !has_numbers(b)) return ds_fact_any(s->to);
    hull h = hull_empty(any_nan(s));
    if (ds_fact_is(b, 0)) hull_add(&h, 1);
    else if (!of_whole_power(s, &h)) {
        if (!(a->low > 0 || (a->low == 0 && b->low >= 0))) return ds_fact_any(s->to);
        h = hull_of_ends(DS_LOOP_pow, s->x, 2, h.nan);
    }
    hull_widen(&h, SLACK);
    return hull_fact(s, &h);
}

static ds_fact of_remainder(const scalar *s) {
    const ds_fact *a = &s->x[0], *b = &s->x[1];
    if (!has_numbers(a) || !has_numbers(b)) return ds_fact_any(s->to);
    bool nan = any_nan(s) || spans_zero(b) || may_be_infinite(a);
    double most = largest(b);
    if (s->op->kind == DS_LOOP_mod) return ds_fact_within(s->to, b->low < 0 ? -most : 0, b->high > 0 ? most : 0, nan);
    most = fmin(most, largest(a));
    return ds_fact_within(s->to, a->low < 0 ? -most : 0, a->high > 0 ? most : 0, nan);
}

/* Bits of whole numbers that are not negative; of points the evaluator knows. */
static ds_fact of_bits(const scalar *s) {
    const ds_fact *a = &s->x[0], *b = &s->x[1];
    bool two = s->op->operand_count == 2 && a->low >= 0 && b->low >= 0 && !ds_elem_is_float(s->to);
    double most = two ? fmax(a->high, b->high) : 0;
    if (!two) return ds_fact_any(s->to);
    switch (s->op->kind) {
    case DS_LOOP_and: return ds_fact_within(s->to, 0, fmin(a->high, b->high), false);
    case DS_LOOP_or:
    case DS_LOOP_xor: return ds_fact_within(s->to, 0, most < 1 ? 0 : ldexp(1, ilogb(most) + 1), false);
    case DS_LOOP_shr: return ds_fact_within(s->to, 0, a->high, false);
    default: return ds_fact_any(s->to);
    }
}

static ds_fact of_absolute(const scalar *s) {
    const ds_fact *x = &s->x[0];
    if (!has_numbers(x)) return *x;
    return ds_fact_between(s->to, spans_zero(x) ? 0 : fmin(fabs(x->low), fabs(x->high)), largest(x), x->nan);
}

/* e^-a for a >= 0, of which passes that make it take care. */
static ds_fact of_decay(const scalar *s) {
    const ds_fact *x = &s->x[0];
    hull h = hull_empty(x->nan);
    if (has_numbers(x)) {
        hull_add(&h, exp(-fmax(x->low, 0)));
        hull_add(&h, exp(-fmax(x->high, 0)));
        hull_widen(&h, SLACK);
    }
    return hull_fact(s, &h);
}

static ds_fact by_own(const scalar *s) {
    switch (s->op->kind) {
    case DS_LOOP_select:
        if (ds_fact_is(&s->x[0], 1)) return s->x[1];
        return ds_fact_is(&s->x[0], 0) ? s->x[2] : ds_fact_join(s->x[1], s->x[2]);
    case DS_LOOP_cast: return of_cast(s);
    case DS_LOOP_quantize: return of_quantize(s);
    case DS_LOOP_lookup: return of_lookup(s);
    case DS_LOOP_pow: return of_power(s);
    case DS_LOOP_rem:
    case DS_LOOP_mod: return of_remainder(s);
    case DS_LOOP_and:
    case DS_LOOP_or:
    case DS_LOOP_xor:
    case DS_LOOP_not:
    case DS_LOOP_shl:
    case DS_LOOP_shr: return of_bits(s);
    case DS_LOOP_abs: return of_absolute(s);
    case DS_LOOP_decay: return of_decay(s);
    default: return ds_fact_any(s->to); /* bitcast */
    }
}

/* ---- all ---- */

/* Whole numbers that are known are computed, with the wrapping of their type. */
static bool of_known_integers(const scalar *s, ds_fact *out) {
    ds_cell cells[MOST_OPERANDS], result;
    if (ds_elem_is_float(s->to)) return false;
    for (size_t i = 0; i < s->op->operand_count; i++) {
        if (ds_elem_is_float(ds_op_operand(s->op, i)->type->elem) || !ds_fact_is_point(&s->x[i])) return false;
        cells[i] = (ds_cell){.i = (int64_t)s->x[i].points[0]};
    }
    if (!ds_eval_scalar(s->cx, s->op, cells, &result)) return false;
    *out = of_cell(s, &result);
    return true;
}

static ds_fact of_operands(const scalar *s) {
    ds_fact known;
    if (of_known_integers(s, &known)) return known;
    rule r = rule_of(s->op->kind);
    switch (r.by) {
    case BY_ENDS: return by_ends(s);
    case BY_DIVIDING: return by_dividing(s);
    case BY_NEAR: return by_near(s, r.low, r.high);
    case BY_TURN: return by_turn(s, r.low);
    case BY_BOUNDS: return ds_fact_between(s->to, r.low, r.high, s->x[0].nan || may_be_infinite(&s->x[0]));
    case BY_COMPARING: return by_comparing(s);
    default: return by_own(s);
    }
}

/* How many choices of points there are; 0 where an operand is no set. */
static size_t choices(const scalar *s) {
    size_t count = 1;
    for (size_t i = 0; i < s->op->operand_count; i++) count *= s->x[i].nan ? 0 : s->x[i].count;
    return count;
}

ds_fact ds_fact_of_scalar(ds_ir_context *cx, const ds_op *op, const ds_fact *operands) {
    ds_elem to = op->results[0].type->elem;
    if (!ds_op_is_scalar(op) || op->operand_count > MOST_OPERANDS || to >= DS_ELEM_COUNT) return ds_fact_any(to);
    for (size_t i = 0; i < op->operand_count; i++)
        if (!has_numbers(&operands[i]) && !operands[i].nan) return ds_fact_none();
    scalar s = {cx, op, operands, ds_op_operand(op, 0)->type->elem, to};
    size_t count = choices(&s);
    if (count < 2 || count > MOST_TRIED) return of_operands(&s);
    ds_fact all = ds_fact_none();
    for (size_t choice = 0; choice < count; choice++) {
        ds_fact one[MOST_OPERANDS];
        size_t rest = choice;
        for (size_t i = 0; i < op->operand_count; i++) {
            one[i] = ds_fact_point(operands[i].points[rest % operands[i].count]);
            rest /= operands[i].count;
        }
        bool same = op->operand_count == 2 && ds_op_operand(op, 0) == ds_op_operand(op, 1);
        if (same && one[0].low != one[1].low) continue;
        s.x = one;
        all = ds_fact_join(all, of_operands(&s));
    }
    return all;
}
