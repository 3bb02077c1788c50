/* Facts of what is added up: reductions by a region, matrix products and convolutions. */
#include <math.h>
#include <stdlib.h>

#include "ir/dims.h"
#include "ir/facts/internal.h"

enum { PATIENT = 3, MOST_TURNS = 8 };

/* What a sum's rounding adds to each step, and Winograd's form to a convolution's largest sum. */
static const double STEP = 0x1p-24, TRANSFORM = 0x1p-12;

typedef struct {
    double least, most; /* how many terms there are */
} terms;

static terms terms_of(const ds_op *op) {
    const ds_attr *over = ds_op_attr(op, "over");
    terms t = {1, 1};
    for (size_t i = 0; over && i < over->count; i++) {
        const ds_expr *e = ds_attr_to_expr(over->items[i]);
        double high = e && e->range.high != INT64_MAX ? (double)e->range.high : (double)INFINITY;
        t.least *= e && e->range.low > 0 ? (double)e->range.low : 0;
        t.most = t.most == 0 || high == 0 ? 0 : t.most * high;
    }
    return t;
}

static double times(double a, double b) { return a == 0 || b == 0 ? 0 : a * b; }

/* A sum that is `v` in each term has at least, or at most, this: roundings add up, but leave its sign. */
static double sum_end(terms t, double v, double toward, bool exact) {
    double sum = times((v < 0) == (toward < 0) ? t.most : t.least, v), slack = t.most > 1 && !exact ? t.most * STEP : 0;
    bool outward = (sum < 0) == (toward < 0);
    if (slack > 0.125) return sum == 0 || !outward ? 0 : toward;
    return sum == 0 ? 0 : outward ? sum * (1 + 2 * slack) : sum * (1 - 2 * slack);
}

/* What `terms` numbers add up to, beginning with 0. */
static ds_fact sum_of(ds_elem elem, terms t, const ds_fact *v) {
    bool exact = !ds_elem_is_float(elem);
    if (!(v->low <= v->high)) return t.least > 0 || v->nan ? ds_fact_between(elem, 1, 0, v->nan) : ds_fact_point(0);
    ds_fact f = ds_fact_between(elem, sum_end(t, v->low, -(double)INFINITY, exact),
                                sum_end(t, v->high, (double)INFINITY, exact), v->nan);
    f.nan = f.nan || (!exact && isinf(f.low) && isinf(f.high) && f.low < f.high);
    return f;
}

/* ---- reductions ---- */

/* Is result `r` the sum of what the first region yields? */
static bool is_sum(const ds_op *op, size_t r) {
    const ds_block *block = ds_op_block(op, 1);
    const ds_value *v = ds_op_operand(ds_block_terminator(block), r);
    const ds_value *own = block->args[r], *next = block->args[op->result_count + r];
    if (!v->op || v->op->kind != DS_LOOP_add) return false;
    const ds_value *a = ds_op_operand(v->op, 0), *b = ds_op_operand(v->op, 1);
    return (a == own && b == next) || (a == next && b == own);
}

static ds_fact initial(const ds_op *op, size_t r) {
    const ds_attr *init = ds_op_attr(op, "init")->items[r];
    ds_elem elem = op->results[r].type->elem;
    return ds_elem_is_float(elem) ? ds_fact_point(init->number)
                                  : ds_fact_between(elem, (double)init->integer, (double)init->integer, false);
}

static ds_fact plus(ds_elem elem, const ds_fact *a, const ds_fact *b) {
    if (!(a->low <= a->high) || !(b->low <= b->high)) return ds_fact_between(elem, 1, 0, true);
    bool cancels = (isinf(a->low) && isinf(b->high)) || (isinf(a->high) && isinf(b->low));
    if (ds_elem_is_float(elem) && cancels) return ds_fact_any(elem);
    return ds_fact_between(elem, a->low + b->low, a->high + b->high, a->nan || b->nan);
}

/* The second region on accumulators and what may come to them: values, and accumulators of other lanes. */
static void combine(const ds_facts *facts, const ds_op *op, const ds_fact *acc, const ds_fact *value, ds_fact *out) {
    size_t n = op->result_count;
    abstract *args = ds_xmalloc(3 * n * sizeof *args), *yields = args + 2 * n;
    for (size_t r = 0; r < n; r++) {
        args[r] = (abstract){acc[r], 0};
        args[n + r] = (abstract){value[r], 0};
    }
    facts_run_region(facts, op, 1, args, false, yields);
    for (size_t r = 0; r < n; r++) out[r] = yields[r].fact;
    free(args);
}

/* What keeps growing has no end on that side. */
static ds_fact widened(ds_elem elem, ds_fact before, ds_fact after) {
    ds_fact all = ds_fact_any(elem);
    after.count = 0;
    if (after.low < before.low) after.low = all.low;
    if (after.high > before.high) after.high = all.high;
    return ds_fact_within(elem, after.low, after.high, after.nan);
}

/* Joins `acc` with what another turn makes of it, until nothing changes. */
static void iterate(const ds_facts *facts, const ds_op *op, const ds_fact *values, ds_fact *acc) {
    size_t n = op->result_count;
    ds_fact *next = ds_xmalloc(2 * n * sizeof *next), *more = next + n;
    bool changed = true;
    for (size_t turn = 0; turn < MOST_TURNS && changed; turn++) {
        for (size_t r = 0; r < n; r++) more[r] = ds_fact_join(values[r], acc[r]);
        combine(facts, op, acc, more, next);
        changed = false;
        for (size_t r = 0; r < n; r++) {
            ds_fact joined = ds_fact_join(acc[r], next[r]);
            if (turn >= PATIENT && !ds_fact_equal(&joined, &acc[r]))
                joined = widened(op->results[r].type->elem, acc[r], joined);
            changed = changed || !ds_fact_equal(&joined, &acc[r]);
            acc[r] = joined;
        }
    }
    for (size_t r = 0; r < n && changed; r++) acc[r] = ds_fact_any(op->results[r].type->elem);
    free(next);
}

/* ---- what softmax sums: e^(x - the largest x) is 1 somewhere in each row ---- */

/* The op that the region's only result is made by, where it is of this kind. */
static const ds_op *yielded_by(const ds_op *op, size_t region, ds_op_kind kind) {
    const ds_op *maker = ds_op_operand(ds_block_terminator(ds_op_block(op, region)), 0)->op;
    return maker && maker->kind == kind ? maker : NULL;
}

static bool is_reduction_of(const ds_op *op, const ds_value *x) {
    if (!op || op->kind != DS_GRAPH_reduce || op->operand_count != 1 || op->result_count != 1) return false;
    const ds_block *block = ds_op_block(op, 0);
    return ds_op_operand(op, 0) == x && ds_op_operand(ds_block_terminator(block), 0) == block->args[0];
}

/* Do positions of the operand lie at their own result, along dims that are reduced at an extent of 1? */
static bool keeps_dims(const ds_op *reduce) {
    const ds_attr *map = ds_op_map(reduce, 0);
    const ds_type *result = reduce->results[0].type;
    if (map->count != result->rank) return false;
    for (size_t k = 0; k < map->count; k++) {
        const ds_expr *e = map->exprs[k];
        bool dim = e->kind == DS_EXPR_DIM, own = dim && e->value == (int64_t)k;
        bool reduced = dim && e->value >= (int64_t)result->rank && ds_expr_equals(result->dims[k], 1);
        if (!own && !reduced) return false;
    }
    return true;
}

/* Is `most` the largest of what `sum`, in the same rows, takes e^x of? */
static bool is_largest(const ds_value *most, const ds_op *sum, const ds_value *x) {
    const ds_op *op = most->op;
    return is_reduction_of(op, x) && ds_op_attr(op, "maps") == ds_op_attr(sum, "maps") &&
           ds_op_attr(op, "over") == ds_op_attr(sum, "over") && keeps_dims(sum) && most->type == sum->results[0].type &&
           (yielded_by(op, 1, DS_LOOP_greater) || yielded_by(op, 1, DS_LOOP_max));
}

static bool has_one(const ds_op *sum) {
    const ds_op *map = sum->operand_count == 1 ? ds_op_operand(sum, 0)->op : NULL;
    if (!is_reduction_of(sum, ds_op_operand(sum, 0)) || !map || map->kind != DS_GRAPH_map) return false;
    if (map->operand_count != 2 || map->result_count != 1) return false;
    const ds_op *decay = yielded_by(map, 0, DS_LOOP_decay), *power = yielded_by(map, 0, DS_LOOP_exp);
    const ds_op *less = decay || power ? ds_op_operand(decay ? decay : power, 0)->op : NULL;
    if (!less || less->kind != DS_LOOP_sub) return false;
    const ds_block *block = ds_op_block(map, 0);
    const ds_value *most = ds_op_operand(less, decay ? 0 : 1), *x = ds_op_operand(less, decay ? 1 : 0);
    for (size_t i = 0; i < 2; i++) {
        const ds_value *a = ds_op_operand(map, i), *b = ds_op_operand(map, 1 - i);
        bool own = ds_map_is_identity(ds_op_map(map, i), a->type) && ds_map_is_identity(ds_op_map(map, 1 - i), b->type);
        if (block->args[i] == most && block->args[1 - i] == x && own && is_largest(a, sum, b)) return true;
    }
    return false;
}

void facts_of_reduce(ds_facts *facts, const ds_op *op) {
    size_t n = op->result_count;
    terms t = terms_of(op);
    abstract *args = ds_xmalloc((op->operand_count + n + 1) * sizeof *args), *yields = args + op->operand_count;
    ds_fact *values = ds_xmalloc(3 * n * sizeof *values), *acc = values + n, *first = acc + n;
    for (size_t i = 0; i < op->operand_count; i++) args[i] = (abstract){facts_read(facts, op, i), 0};
    facts_run_region(facts, op, 0, args, false, yields);
    for (size_t r = 0; r < n; r++) {
        values[r] = yields[r].fact;
        first[r] = initial(op, r);
    }
    combine(facts, op, first, values, acc);
    for (size_t r = 0; r < n && t.least == 0; r++) acc[r] = ds_fact_join(acc[r], first[r]);
    iterate(facts, op, values, acc);
    for (size_t r = 0; r < n; r++) {
        ds_elem elem = op->results[r].type->elem;
        if (is_sum(op, r)) {
            ds_fact sum = sum_of(elem, t, &values[r]);
            acc[r] = ds_fact_is(&first[r], 0) ? sum : plus(elem, &sum, &first[r]);
            bool at_least_one = t.least > 0 && ds_fact_is(&first[r], 0) && sum.high >= 1 && has_one(op);
            if (at_least_one) acc[r] = ds_fact_between(elem, fmax(sum.low, 1), sum.high, sum.nan);
        }
        ds_facts_set(facts, &op->results[r], acc[r]);
    }
    free(args);
    free(values);
}

/* ---- contractions ---- */

static ds_fact product(ds_elem elem, const ds_fact *a, const ds_fact *b) {
    if (!(a->low <= a->high) || !(b->low <= b->high)) return ds_fact_between(elem, 1, 0, true);
    double ends[] = {times(a->low, b->low), times(a->low, b->high), times(a->high, b->low), times(a->high, b->high)};
    bool zero = (a->low <= 0 && a->high >= 0 && (isinf(b->low) || isinf(b->high))) ||
                (b->low <= 0 && b->high >= 0 && (isinf(a->low) || isinf(a->high)));
    double low = fmin(fmin(ends[0], ends[1]), fmin(ends[2], ends[3]));
    double high = fmax(fmax(ends[0], ends[1]), fmax(ends[2], ends[3]));
    return ds_fact_between(elem, low, high, a->nan || b->nan || zero);
}

/* The right factor less its zero point, times the scales of its block and of the left one's. */
static ds_fact scaled_factor(const ds_facts *facts, const ds_op *op, ds_fact rhs) {
    size_t zero = ds_product_zero(op), left = ds_product_left_scale(op);
    ds_elem elem = op->results[0].type->elem;
    if (zero != SIZE_MAX) {
        ds_fact z = facts_read(facts, op, zero), minus = ds_fact_between(elem, -z.high, -z.low, z.nan);
        rhs = plus(elem, &rhs, &minus);
    }
    ds_fact scale = facts_read(facts, op, 2), f = product(elem, &rhs, &scale);
    if (left == SIZE_MAX) return f;
    ds_fact lefts = facts_read(facts, op, left);
    return product(elem, &f, &lefts);
}

/* Blocks that are rounded to bytes stay within their largest element, nearly. */
static ds_fact rounded(const ds_op *op, ds_fact lhs) {
    double most = fmax(fabs(lhs.low), fabs(lhs.high)) * (1 + 0x1p-6);
    if (!ds_op_attr(op, "rounds") || !(lhs.low <= lhs.high)) return lhs;
    return ds_fact_between(op->results[0].type->elem, -most, most, lhs.nan);
}

void facts_of_contraction(ds_facts *facts, const ds_op *op) {
    ds_elem elem = op->results[0].type->elem;
    terms t = terms_of(op);
    ds_fact lhs = facts_read(facts, op, 0), rhs = facts_read(facts, op, 1);
    lhs = rounded(op, lhs);
    if (op->operand_count > 2) rhs = scaled_factor(facts, op, rhs);
    ds_fact each = product(elem, &lhs, &rhs), sum = sum_of(elem, t, &each);
    if (op->kind == DS_GRAPH_conv && ds_elem_is_float(elem) && sum.low <= sum.high) {
        double slack = fmax(fabs(sum.low), fabs(sum.high)) * TRANSFORM;
        if (!isinf(slack)) sum = ds_fact_between(elem, sum.low - slack, sum.high + slack, sum.nan);
    }
    ds_facts_set(facts, &op->results[0], sum);
}
