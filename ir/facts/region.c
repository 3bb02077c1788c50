/* The regions of maps and reductions on facts, and what zeros switch off in them. */
#include <math.h>
#include <stdlib.h>

#include "ir/eval.h"
#include "ir/facts/internal.h"

enum { MOST_OPERANDS = 64 };

typedef struct {
    const ds_facts *facts;
    const ds_op *op;
    bool zero;
    ds_facts_visit *visit; /* or NULL */
    void *user;
    struct {
        uint32_t key; /* value id */
        abstract value;
    } * cells; /* stb_ds map */
} run;

static double bound(int64_t v, int64_t none, double infinite) { return v == none ? infinite : (double)v; }

static ds_fact of_range(ds_elem elem, ds_range r) {
    double low = bound(r.low, INT64_MIN, -(double)INFINITY), high = bound(r.high, INT64_MAX, (double)INFINITY);
    return isinf(low) && isinf(high) ? ds_fact_any(elem) : ds_fact_within(elem, low, high, false);
}

/* A coordinate of the op's space. */
static ds_fact of_position(const run *r, const ds_op *op) {
    size_t dim = (size_t)ds_op_int(op, "dim", 0);
    const ds_type *t = r->op->results[0].type;
    const ds_attr *over = ds_op_attr(r->op, "over");
    const ds_expr *extent = dim < t->rank                         ? t->dims[dim]
                            : over && dim - t->rank < over->count ? ds_attr_to_expr(over->items[dim - t->rank])
                                                                  : NULL;
    ds_range range = {0, extent && extent->range.high != INT64_MAX ? extent->range.high - 1 : INT64_MAX};
    return of_range(op->results[0].type->elem, range);
}

/* An expression of numbers that are known not to be negative has its own bounds. */
static ds_fact of_apply(const ds_op *op, const ds_fact *x) {
    const ds_attr *map = ds_op_attr(op, "map");
    ds_elem elem = op->results[0].type->elem;
    for (size_t i = 0; i < op->operand_count; i++)
        if (!(x[i].low >= 0)) return ds_fact_any(elem);
    return of_range(elem, map->exprs[0]->range);
}

static ds_fact of_constant(const ds_op *op) {
    ds_cell c = ds_eval_constant(op);
    ds_elem elem = op->results[0].type->elem;
    if (ds_elem_is_float(elem)) return ds_fact_point(c.f);
    double v = elem == DS_u64 ? (double)(uint64_t)c.i : (double)c.i;
    return ds_fact_between(elem, v, v, false);
}

/* 0 times a number that is neither infinite nor NaN. */
static bool is_zero_product(const ds_op *op, const ds_fact *x) {
    if (op->kind == DS_LOOP_mul) return ds_fact_is(&x[0], 0) || ds_fact_is(&x[1], 0);
    return op->kind == DS_LOOP_div && ds_elem_is_float(op->results[0].type->elem) && ds_fact_is(&x[0], 0);
}

/* Which operand is the result, where that is decided; else SIZE_MAX. */
static size_t chosen(const run *r, const ds_op *op, const ds_fact *x) {
    bool nan = op->operand_count > 1 && (x[0].nan || x[1].nan);
    switch (op->kind) {
    case DS_LOOP_select: return ds_fact_is(&x[0], 1) ? 1 : ds_fact_is(&x[0], 0) ? 2 : SIZE_MAX;
    case DS_LOOP_min: return nan ? SIZE_MAX : x[0].high <= x[1].low ? 0 : x[1].high <= x[0].low ? 1 : SIZE_MAX;
    case DS_LOOP_greater:
    case DS_LOOP_max: return nan ? SIZE_MAX : x[0].low >= x[1].high ? 0 : x[1].low >= x[0].high ? 1 : SIZE_MAX;
    case DS_LOOP_fma: return r->zero && (ds_fact_is(&x[0], 0) || ds_fact_is(&x[1], 0)) ? 2 : SIZE_MAX;
    default: return SIZE_MAX;
    }
}

/* What is left of a fact where its number is from low to high. */
static ds_fact cut(ds_fact f, double low, double high, bool nan) {
    ds_fact kept = ds_fact_none();
    kept.nan = f.nan && nan;
    for (size_t i = 0; i < f.count; i++) {
        ds_fact point = ds_fact_point(f.points[i]);
        if (f.points[i] >= low && f.points[i] <= high) kept = ds_fact_join(kept, point);
    }
    if (f.count) return kept;
    f.low = fmax(f.low, low);
    f.high = fmin(f.high, high);
    f.nan = kept.nan;
    if (f.low == f.high && fabs(f.low) < 0x1p53) return ds_fact_join(kept, ds_fact_point(f.low));
    return f;
}

/* An arm of a select that is one of the numbers which its condition compares (which is `same`: 0 or 1): what it is
 * where that is chosen. NaN compares with nothing. */
static ds_fact compared_arm(ds_op_kind kind, ds_fact a, ds_fact b, size_t same, bool holds) {
    const double infinite = (double)INFINITY;
    ds_fact f = same ? b : a, other = same ? a : b;
    if (kind == DS_LOOP_ne) {
        kind = DS_LOOP_eq;
        holds = !holds;
    }
    if (kind == DS_LOOP_eq) return holds ? cut(f, other.low, other.high, false) : f;
    if (holds) return same ? cut(f, other.low, infinite, false) : cut(f, -infinite, other.high, false);
    if (other.nan) return f;
    return same ? cut(f, -infinite, other.high, true) : cut(f, other.low, infinite, true);
}

/* The operands of a select with what its condition says of them. */
static void narrow_arms(run *r, const ds_op *op, ds_fact *x) {
    const ds_op *by = ds_op_operand(op, 0)->op;
    bool compares =
        by && (by->kind == DS_LOOP_lt || by->kind == DS_LOOP_le || by->kind == DS_LOOP_eq || by->kind == DS_LOOP_ne);
    if (!compares) return;
    ds_fact of[2];
    for (size_t i = 0; i < 2; i++) {
        ptrdiff_t at = hmgeti(r->cells, ds_op_operand(by, i)->id);
        of[i] = at >= 0 ? r->cells[at].value.fact : ds_fact_any(ds_op_operand(by, i)->type->elem);
    }
    for (size_t arm = 1; arm < 3; arm++)
        for (size_t i = 0; i < 2; i++) {
            if (ds_op_operand(op, arm) != ds_op_operand(by, i)) continue;
            ds_fact f = compared_arm(by->kind, of[0], of[1], i, arm == 1);
            if (f.low <= f.high || f.nan) x[arm] = f; /* else it is never chosen */
        }
}

static abstract of_scalar(const run *r, const ds_op *op, const ds_fact *x, const uint64_t *needs) {
    abstract a = {.needs = 0};
    size_t choice = chosen(r, op, x);
    if (choice != SIZE_MAX) return (abstract){x[choice], needs[choice]};
    for (size_t i = 0; i < op->operand_count; i++) a.needs |= needs[i];
    if (r->zero && is_zero_product(op, x)) a.fact = ds_fact_point(0);
    else if (op->kind == DS_LOOP_constant) a.fact = of_constant(op);
    else if (op->kind == DS_LOOP_position) a.fact = of_position(r, op);
    else if (op->kind == DS_LOOP_apply) a.fact = of_apply(op, x);
    else if (op->kind == DS_GRAPH_extract) a.fact = ds_facts_of(r->facts, ds_op_operand(op, 0));
    else a.fact = ds_fact_of_scalar(r->facts->cx, op, x);
    if (ds_fact_is_point(&a.fact)) a.needs = 0;
    return a;
}

static void run_op(run *r, ds_op *op, abstract *out_yields) {
    ds_fact *x = ds_xmalloc((op->operand_count + 1) * sizeof *x);
    uint64_t *needs = ds_xmalloc((op->operand_count + 1) * sizeof *needs);
    for (size_t i = 0; i < op->operand_count; i++) {
        const ds_value *v = ds_op_operand(op, i);
        ptrdiff_t at = hmgeti(r->cells, v->id);
        x[i] = at >= 0 ? r->cells[at].value.fact : ds_fact_any(v->type->elem);
        needs[i] = at >= 0 ? r->cells[at].value.needs : 0;
    }
    if (op->kind == DS_LOOP_select) narrow_arms(r, op, x);
    if (r->visit) r->visit(r->user, op, x);
    if (op->kind == DS_GRAPH_yield && out_yields)
        for (size_t i = 0; i < op->operand_count; i++) out_yields[i] = (abstract){x[i], needs[i]};
    else if (op->result_count == 1) hmput(r->cells, op->results[0].id, of_scalar(r, op, x, needs));
    free(x);
    free(needs);
}

static void run_region(run *r, size_t region, const abstract *args, abstract *out_yields) {
    const ds_block *block = ds_op_block(r->op, region);
    for (size_t i = 0; i < block->arg_count; i++) hmput(r->cells, block->args[i]->id, args[i]);
    for (ds_op *inner = block->first; inner; inner = inner->next) run_op(r, inner, out_yields);
    hmfree(r->cells);
}

void facts_run_region(const ds_facts *facts, const ds_op *op, size_t region, const abstract *args, bool zero,
                      abstract *out_yields) {
    run r = {.facts = facts, .op = op, .zero = zero};
    run_region(&r, region, args, out_yields);
}

void ds_facts_in_region(const ds_facts *facts, const ds_op *map, ds_facts_visit *visit, void *user) {
    run r = {.facts = facts, .op = map, .visit = visit, .user = user};
    abstract *args = ds_xmalloc((map->operand_count + 1) * sizeof *args);
    for (size_t i = 0; i < map->operand_count; i++) args[i] = (abstract){facts_read(facts, map, i), 0};
    run_region(&r, 0, args, NULL);
    free(args);
}

bool ds_facts_where_zero(const ds_facts *facts, const ds_op *map, size_t result, size_t operand, bool finite,
                         ds_facts_yield *out) {
    abstract args[MOST_OPERANDS];
    if (map->kind != DS_GRAPH_map || map->operand_count > MOST_OPERANDS || result >= map->result_count) return false;
    for (size_t i = 0; i < map->operand_count; i++)
        args[i] =
            i == operand ? (abstract){ds_fact_point(0), 0} : (abstract){facts_read(facts, map, i), (uint64_t)1 << i};
    abstract *yields = ds_xmalloc(map->result_count * sizeof *yields);
    facts_run_region(facts, map, 0, args, finite, yields);
    *out = (ds_facts_yield){yields[result].fact, yields[result].needs};
    free(yields);
    return true;
}
