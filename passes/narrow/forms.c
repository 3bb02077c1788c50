/* In which types a contraction of bytes is computed. */
#include <math.h>

#include "passes/narrow/narrow.h"

enum {
    MOST_EXACT = 256,  /* products of bytes less zero points whose sum f32 holds, whatever they are */
    MOST_WHOLE = 33000 /* whose sum i32 holds: floats would not overflow */
};

/* Cycles for an element of the weights: products with so many rows, or its way from afar. */
static double cost_of(const ds_mma *mma, double rows, unsigned lanes) {
    static const double FAR = 8; /* bytes a cycle */
    double products = rows / (2 * lanes * mma->rate * ds_mma_filled(mma, rows)),
           bytes = ds_elem_facts(mma->rhs)->bits / 8.0 / FAR;
    return products > bytes ? products : bytes;
}

static bool is_kept_few(const factor *f) { return nw_is_few(f->x->type->elem) && nw_is_fixed(f->x); }

/* The same of weights of few bits, which fill steps of this row or leave part of them empty, or are decoded by each call. */
static double cost_of_few(const ds_mma *mma, double rows, unsigned lanes, const ds_expr *k, const factor *f) {
    static const double DECODE = 16; /* cycles that an element must save: its way through memory, and a kernel */
    double group = ds_mma_panel(mma).group, steps = ds_expr_is_const(k, NULL) ? ceil((double)k->value / group) : 0,
           filled = steps > 0 ? (double)k->value / (group * steps) : 1;
    bool decodes = ds_elem_facts(mma->rhs)->bits > ds_elem_facts(f->x->type->elem)->bits;
    return cost_of(mma, rows, lanes) / filled + (decodes ? DECODE : 0);
}

/* May a row take factor i as this type, and how? */
static bool takes(const factor *f, size_t i, ds_elem type, factor_form *out) {
    ds_elem own = f->x->type->elem;
    int64_t zero;
    unsigned bits = ds_elem_facts(own)->bits, wide = ds_elem_facts(type)->bits;
    bool fits = (i == 1 || type != own) && wide >= bits && nw_fit_without_zero(f, type);
    *out = fits ? LESS_ZERO : AS_BYTES;
    if (fits || type == own) return true;
    *out = LESS_ZERO;
    if (!ds_elem_is_unsigned(type) && wide > bits) return true;
    *out = MOVED;
    return bits == wide && (i == 0 ? nw_known_zero(f, &zero) : is_kept_few(f));
}

/* Rows of ir/mma.def decide: where none multiplies bytes, floats are as fast, and wide integers as good. */
static bool choose_row(narrowing *n, const ds_contraction *c, const factor *f, narrow_form *out) {
    const ds_mma *row, *best = NULL;
    double rows = 1, least = 0;
    bool fits = is_kept_few(&f[1]) || nw_lie_between(&f[1], -DS_MMA_FITS, DS_MMA_FITS);
    for (size_t i = 0; i < c->rank; i++)
        if (c->role[i] == DS_DIM_M) rows *= ds_expr_is_const(c->extent[i], NULL) ? (double)c->extent[i]->value : 64;
    for (size_t i = 0; (row = ds_mma_at(i)); i++) {
        narrow_form form = {{row->lhs, row->rhs}, row->sum, {AS_BYTES, AS_BYTES}, ds_mma_needs_proof(row)};
        if (!ds_mma_is_of_vectors(row) || !ds_elem_is_integer(row->sum) || !ds_mma_runs_on(row, n->target)) continue;
        if (ds_mma_needs_proof(row) && !fits) continue;
        if (!takes(&f[0], 0, row->lhs, &form.how[0]) || !takes(&f[1], 1, row->rhs, &form.how[1])) continue;
        unsigned lanes = n->target->vector_bytes / 4;
        double cost =
            is_kept_few(&f[1]) ? cost_of_few(row, rows, lanes, c->extent[c->rank], &f[1]) : cost_of(row, rows, lanes);
        if (form.how[0] == MOVED) cost *= 1.01; /* where another row is as good, that one */
        if (best && cost >= least) continue;
        best = row;
        least = cost;
        *out = form;
    }
    return best && (best->rate > 1 || !f[0].scale.v);
}

/* A depthwise convolution has no rows: it reads bytes and computes with floats, which hold its few products exactly. */
bool nw_choose_form(narrowing *n, const ds_op *op, const ds_contraction *c, const factor *f, narrow_form *out) {
    const ds_expr *count = ds_expr_const(n->cx, 1);
    int64_t products = INT64_MAX;
    for (size_t i = 0; i < c->over_count; i++) count = ds_expr_mul(n->cx, count, c->extent[c->rank + i]);
    ds_expr_is_const(count, &products);
    if (!ds_is_depthwise(n->cx, op)) return (!f[0].scale.v || products <= MOST_WHOLE) && choose_row(n, c, f, out);
    *out = (narrow_form){{f[0].x->type->elem, DS_f32}, DS_f32, {AS_BYTES, LESS_ZERO}, false};
    if (f[0].zero.v) {
        out->type[0] = DS_i16;
        out->how[0] = LESS_ZERO;
    }
    return products <= MOST_EXACT && ds_value_constant(f[1].x);
}
