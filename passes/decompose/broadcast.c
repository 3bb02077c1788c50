/* Broadcasting, decided while the model runs where extents are symbols.
 *
 * Two extents that meet are equal, or one of them is 1: that is required, and the result's extent is broadcast(a, b).
 * An operand whose extent may be 1 where the result's is not is read at d * stretch(a), 0 or 1, so that maps stay
 * affine. What is equal for other reasons, or can only be 1 together, gets neither.
 */
#include "passes/decompose/decompose.h"

/* ---- what is known ---- */

/* What e is where that is more than 1: max(0, e) and min(c, e) for c > 1 are 1 where e is, and only there. */
static const ds_expr *unclamped(const ds_expr *e) {
    int64_t c;
    while ((e->kind == DS_EXPR_MIN || e->kind == DS_EXPR_MAX) &&
           (ds_expr_is_const(e->a, &c) || ds_expr_is_const(e->b, &c))) {
        if (e->kind == DS_EXPR_MIN ? c < 2 : c > 0) break;
        e = ds_expr_is_const(e->a, NULL) ? e->b : e->a;
    }
    return e;
}

static bool is_fact(dec *d, const ds_expr *a, const ds_expr *b) {
    for (size_t i = 0; i < d->fact_count; i++) {
        const ds_requirement *r = &d->facts[i];
        const ds_expr *difference = ds_expr_sub(d->cx, r->left, r->right);
        if (r->is == DS_equal && (ds_expr_sub(d->cx, a, b) == difference || ds_expr_sub(d->cx, b, a) == difference))
            return true;
    }
    return false;
}

/* Extents that are 1 together: where they broadcast, they are equal. */
static bool are_one_together(dec *d, const ds_expr *a, const ds_expr *b) {
    return unclamped(a) == unclamped(b) || (a->range.low > 1 && b->range.low > 1) || is_fact(d, a, b);
}

/* Whether decomposing again, knowing this, would leave out one of the broadcasts that these require. */
static bool is_useful(ds_ir_context *cx, const ds_requirement *fact, const ds_requirement *all) {
    dec known = {.cx = cx, .facts = fact, .fact_count = 1};
    for (size_t i = 0; i < arrlenu(all); i++) {
        const ds_expr *left = all[i].left, *right = all[i].right, *both = ds_expr_broadcast(cx, left, right);
        if (all[i].is != DS_broadcast) continue;
        if (fact->is == DS_stretch && ds_expr_broadcasts(both, fact->left) && ds_expr_broadcasts(both, fact->right))
            return true;
        if (is_fact(&known, left, right)) return true;
    }
    return false;
}

ds_requirement *dec_facts(ds_ir_context *cx, const ds_block *block) {
    ds_requirement *all = NULL, *facts = NULL, r;
    for (const ds_op *op = block->first; op; op = op->next)
        if (op->kind == DS_GRAPH_require && ds_requirement_of(op, &r) && !r.left->is_late && !r.right->is_late)
            arrput(all, r);
    for (size_t i = 0; i < arrlenu(all); i++)
        if (is_useful(cx, &all[i], all)) arrput(facts, all[i]);
    arrfree(all);
    return facts;
}

/* The broadcast of e's parts but one. */
static const ds_expr *without(dec *d, const ds_expr *e, const ds_expr *part) {
    const ds_expr *rest = dec_const(d, 1);
    for (; e->kind == DS_EXPR_BROADCAST; e = e->a)
        if (e->b != part) rest = ds_expr_broadcast(d->cx, rest, e->b);
    return e == part ? rest : ds_expr_broadcast(d->cx, rest, e);
}

/* A broadcast without the parts that are known to stretch to others of it. */
static const ds_expr *without_stretched(dec *d, const ds_expr *e) {
    for (size_t i = 0; i < d->fact_count; i++) {
        const ds_requirement *r = &d->facts[i];
        if (r->is == DS_stretch && e->kind == DS_EXPR_BROADCAST && ds_expr_broadcasts(e, r->left) &&
            ds_expr_broadcasts(e, r->right))
            e = without(d, e, r->left);
    }
    return e;
}

/* A broadcast is equal to one of its parts where every other part is that, or 1. */
static ds_status same_as_part(dec *d, const ds_expr *whole, const ds_expr *part) {
    static const char what[] = "what was broadcast fits one of its parts again";
    for (; whole->kind == DS_EXPR_BROADCAST; whole = whole->a)
        if (whole->b != part) DS_TRY(dec_require(d, DS_stretch, whole->b, part, what));
    return whole == part ? DS_OK : dec_require(d, DS_stretch, whole, part, what);
}

ds_status dec_same(dec *d, const ds_expr *a, const ds_expr *b, const ds_expr **out) {
    *out = ds_expr_is_const(b, NULL) || ds_expr_broadcasts(a, b) ? b : a;
    if (a != b && ds_expr_broadcasts(a, b)) return same_as_part(d, a, b);
    if (a != b && ds_expr_broadcasts(b, a)) return same_as_part(d, b, a);
    return dec_require(d, DS_equal, a, b, "two extents are equal");
}

/* ---- extents ---- */

/* Whether b adds nothing to a: it is one of a's parts, or min(1, one of them). */
static bool absorbs(const ds_expr *a, const ds_expr *b) {
    if (ds_expr_broadcasts(a, b)) return true;
    if (b->kind != DS_EXPR_MIN) return false;
    return (ds_expr_equals(b->a, 1) && ds_expr_broadcasts(a, b->b)) ||
           (ds_expr_equals(b->b, 1) && ds_expr_broadcasts(a, b->a));
}

ds_status dec_broadcast_extent(dec *d, const ds_expr *a, const ds_expr *b, const ds_expr **out) {
    if (are_one_together(d, a, b)) return dec_same(d, a, b, out);
    *out = without_stretched(d, ds_expr_broadcast(d->cx, a, b));
    if (absorbs(a, b) || absorbs(b, a)) return DS_OK;
    return dec_require(d, DS_broadcast, a, b, "extents that meet in a broadcast are equal, or one of them is 1");
}

ds_status dec_broadcast(dec *d, ds_value *const *values, size_t count, const ds_expr **out_dims, size_t *out_rank) {
    size_t rank = 0;
    for (size_t i = 0; i < count; i++)
        if (values[i]->type->rank > rank) rank = values[i]->type->rank;
    if (rank > DEC_MAX_RANK) return dec_refuse(d, "more than %d dimensions", DEC_MAX_RANK);
    for (size_t k = 0; k < rank; k++) out_dims[k] = dec_const(d, 1);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0, r = values[i]->type->rank; k < r; k++)
            DS_TRY(dec_broadcast_extent(d, out_dims[rank - r + k], values[i]->type->dims[k], &out_dims[rank - r + k]));
    *out_rank = rank;
    return DS_OK;
}

ds_status dec_fits(dec *d, const ds_expr *own, const ds_expr *whole, const char *what) {
    const ds_expr *same;
    if (are_one_together(d, own, whole)) return dec_same(d, own, whole, &same);
    return dec_require(d, DS_stretch, own, whole, "%s", what);
}

ds_status dec_fits_shape(dec *d, ds_value *value, size_t rank, const ds_expr *const *dims, const char *what) {
    size_t r = value->type->rank;
    if (r > rank)
        return dec_fail(d, DS_E_shape, "it must be that %s, but one has rank %zu, the other %zu", what, r, rank);
    for (size_t k = 0; k < r; k++) DS_TRY(dec_fits(d, value->type->dims[k], dims[rank - r + k], what));
    return DS_OK;
}

/* ---- maps ---- */

/* Whether no part of `whole` but `own` itself can be more than 1. */
static bool leads(const ds_expr *own, const ds_expr *whole) {
    for (; whole->kind == DS_EXPR_BROADCAST; whole = whole->a)
        if (whole->b != own && whole->b->range.high > 1) return false;
    return whole == own || whole->range.high <= 1;
}

const ds_expr *dec_stretched(dec *d, const ds_expr *own, const ds_expr *whole, const ds_expr *position) {
    if (own->range.high <= 1) return dec_const(d, 0);
    if (leads(own, whole) || own->range.low > 1 || are_one_together(d, own, whole)) return position;
    return ds_expr_mul(d->cx, position, ds_expr_stretch(d->cx, own));
}

const ds_attr *dec_broadcast_map(dec *d, ds_value *value, size_t rank, const ds_expr *const *dims) {
    const ds_expr *exprs[DEC_MAX_RANK];
    size_t r = value->type->rank;
    for (size_t k = 0; k < r; k++)
        exprs[k] = dec_stretched(d, value->type->dims[k], dims[rank - r + k], dec_dim(d, rank - r + k));
    return dec_map_of(d, rank, exprs, r);
}
