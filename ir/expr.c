#include "expr.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "context.h"

/* ---- interning ---- */

static int compare(const ds_expr *a, const ds_expr *b);

static int compare_terms(const ds_term *a, const ds_term *b) {
    if (a->atom_count != b->atom_count) return a->atom_count > b->atom_count ? -1 : 1; /* higher degree first */
    for (size_t i = 0; i < a->atom_count; i++) {
        int c = compare(a->atoms[i], b->atoms[i]);
        if (c) return c;
    }
    return 0;
}

/* A total order that depends on structure only, so that printing is deterministic. */
static int compare(const ds_expr *a, const ds_expr *b) {
    if (a == b) return 0;
    if (a->kind != b->kind) return a->kind < b->kind ? -1 : 1;
    switch (a->kind) {
    case DS_EXPR_SYMBOL: return strcmp(a->name, b->name);
    case DS_EXPR_DIM: return a->value < b->value ? -1 : 1;
    case DS_EXPR_POLY:
        for (size_t i = 0; i < a->term_count && i < b->term_count; i++) {
            int c = compare_terms(&a->terms[i], &b->terms[i]);
            if (c) return c;
            if (a->terms[i].coefficient != b->terms[i].coefficient)
                return a->terms[i].coefficient < b->terms[i].coefficient ? -1 : 1;
        }
        if (a->term_count != b->term_count) return a->term_count < b->term_count ? -1 : 1;
        return a->value < b->value ? -1 : 1;
    default: {
        int c = compare(a->a, b->a);
        return c ? c : compare(a->b, b->b);
    }
    }
}

static uint32_t mix(uint32_t hash, uint64_t value) {
    uint64_t x = (hash ^ value) * 0x9E3779B97F4A7C15ull;
    return (uint32_t)(x >> 29) ^ (uint32_t)x;
}

static uint32_t hash_of(const ds_expr *e) {
    uint32_t h = mix(17, (uint64_t)e->kind);
    h = mix(h, (uint64_t)e->value);
    if (e->name) h = mix(h, (uintptr_t)e->name);
    for (size_t i = 0; i < e->term_count; i++) {
        h = mix(h, (uint64_t)e->terms[i].coefficient);
        for (size_t k = 0; k < e->terms[i].atom_count; k++) h = mix(h, e->terms[i].atoms[k]->hash);
    }
    if (e->a) h = mix(mix(h, e->a->hash), e->b->hash);
    return h;
}

static bool same(const ds_expr *a, const ds_expr *b) {
    if (a->hash != b->hash || a->kind != b->kind || a->value != b->value || a->name != b->name || a->a != b->a ||
        a->b != b->b || a->term_count != b->term_count)
        return false;
    for (size_t i = 0; i < a->term_count; i++) {
        const ds_term *s = &a->terms[i], *t = &b->terms[i];
        if (s->coefficient != t->coefficient || s->atom_count != t->atom_count) return false;
        for (size_t k = 0; k < s->atom_count; k++)
            if (s->atoms[k] != t->atoms[k]) return false;
    }
    return true;
}

const char *ds_symbol_prefix(ds_symbol_kind kind) {
    static const char *const prefixes[] = {
#define DS_SYMBOL_KIND(name, prefix, ...) prefix,
        DS_SYMBOL_KINDS(DS_SYMBOL_KIND)
#undef DS_SYMBOL_KIND
    };
    return prefixes[kind];
}

bool ds_symbol_is_late(const char *name) {
    const char *prefix = ds_symbol_prefix(DS_SYMBOL_value); /* counts have it, too */
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* What holds of an expression when it holds of a part. */
static void note_parts(ds_expr *e) {
    e->has_dim = e->kind == DS_EXPR_DIM || (e->a && (e->a->has_dim || e->b->has_dim));
    e->is_late =
        (e->kind == DS_EXPR_SYMBOL && ds_symbol_is_late(e->name)) || (e->a && (e->a->is_late || e->b->is_late));
    for (size_t i = 0; i < e->term_count; i++)
        for (size_t k = 0; k < e->terms[i].atom_count; k++) {
            e->has_dim = e->has_dim || e->terms[i].atoms[k]->has_dim;
            e->is_late = e->is_late || e->terms[i].atoms[k]->is_late;
        }
}

/* Between lock and unlock; NULL when it has not been made. */
static const ds_expr *find(ds_ir_context *cx, const ds_expr *e) {
    for (ds_interned *slot = ds_context_slot(cx, e->hash); slot; slot = slot->next)
        if (slot->kind == DS_INTERNED_EXPR && same(slot->object, e)) return slot->object;
    return NULL;
}

static const ds_expr *intern(ds_ir_context *cx, ds_expr *e) {
    e->hash = hash_of(e);
    ds_context_lock(cx);
    const ds_expr *found = find(cx, e);
    if (!found) {
        ds_expr *copy = DS_NEW(cx->arena, ds_expr);
        *copy = *e;
        note_parts(copy);
        copy->range = ds_range_of(e);
        copy->terms = DS_NEW_ARRAY(cx->arena, ds_term, e->term_count);
        for (size_t i = 0; i < e->term_count; i++) {
            copy->terms[i] = e->terms[i];
            copy->terms[i].atoms = DS_NEW_ARRAY(cx->arena, const ds_expr *, e->terms[i].atom_count);
            memcpy(copy->terms[i].atoms, e->terms[i].atoms, e->terms[i].atom_count * sizeof *e->terms[i].atoms);
        }
        ds_context_insert(cx, e->hash, DS_INTERNED_EXPR, copy);
        found = copy;
    }
    ds_context_unlock(cx);
    return found;
}

const ds_expr *ds_expr_const(ds_ir_context *cx, int64_t value) {
    return intern(cx, &(ds_expr){.kind = DS_EXPR_POLY, .value = value});
}

const ds_expr *ds_expr_symbol(ds_ir_context *cx, const char *name) {
    return intern(cx, &(ds_expr){.kind = DS_EXPR_SYMBOL, .name = ds_context_name(cx, name)});
}

bool ds_expr_symbol_exists(ds_ir_context *cx, const char *name) {
    ds_expr e = {.kind = DS_EXPR_SYMBOL, .name = ds_context_name(cx, name)};
    e.hash = hash_of(&e);
    ds_context_lock(cx);
    bool exists = find(cx, &e) != NULL;
    ds_context_unlock(cx);
    return exists;
}

const ds_expr *ds_expr_dim(ds_ir_context *cx, size_t position) {
    return intern(cx, &(ds_expr){.kind = DS_EXPR_DIM, .value = (int64_t)position});
}

/* ---- polynomials ---- */

static int64_t wrap_add(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }
static int64_t wrap_mul(int64_t a, int64_t b) { return (int64_t)((uint64_t)a * (uint64_t)b); }

/* A polynomial being built: terms in any order, merged by poly_finish. */
typedef struct {
    int64_t constant;
    ds_term *terms; /* stb_ds array; atom arrays are malloced */
} poly;

static void poly_add_term(poly *p, int64_t coefficient, const ds_expr *const *a, size_t a_count,
                          const ds_expr *const *b, size_t b_count) {
    if (!coefficient) return;
    if (a_count + b_count == 0) {
        p->constant = wrap_add(p->constant, coefficient);
        return;
    }
    ds_term t = {coefficient, a_count + b_count, ds_xmalloc((a_count + b_count) * sizeof(ds_expr *))};
    size_t i = 0, k = 0, n = 0;
    while (i < a_count || k < b_count) {
        const ds_expr *atom = k == b_count || (i < a_count && compare(a[i], b[k]) <= 0) ? a[i++] : b[k++];
        if (n && t.atoms[n - 1] == atom && ds_expr_is_flag(atom)) continue; /* its square is itself */
        t.atoms[n++] = atom;
    }
    t.atom_count = n;
    for (size_t at = 0; at < arrlenu(p->terms); at++) {
        int c = compare_terms(&p->terms[at], &t);
        if (c == 0) {
            p->terms[at].coefficient = wrap_add(p->terms[at].coefficient, coefficient);
            free(t.atoms);
            return;
        }
        if (c > 0) {
            arrput(p->terms, t);
            memmove(p->terms + at + 1, p->terms + at, (arrlenu(p->terms) - at - 1) * sizeof t);
            p->terms[at] = t;
            return;
        }
    }
    arrput(p->terms, t);
}

/* p += factor * e */
static void poly_add(poly *p, const ds_expr *e, int64_t factor) {
    if (e->kind != DS_EXPR_POLY) {
        poly_add_term(p, factor, &e, 1, NULL, 0);
        return;
    }
    p->constant = wrap_add(p->constant, wrap_mul(e->value, factor));
    for (size_t i = 0; i < e->term_count; i++)
        poly_add_term(p, wrap_mul(e->terms[i].coefficient, factor), e->terms[i].atoms, e->terms[i].atom_count, NULL, 0);
}

static const ds_expr *poly_finish(ds_ir_context *cx, poly *p) {
    size_t kept = 0;
    for (size_t i = 0; i < arrlenu(p->terms); i++) {
        if (p->terms[i].coefficient) p->terms[kept++] = p->terms[i];
        else free(p->terms[i].atoms);
    }
    const ds_expr *result;
    if (kept == 1 && !p->constant && p->terms[0].coefficient == 1 && p->terms[0].atom_count == 1)
        result = p->terms[0].atoms[0];
    else
        result =
            intern(cx, &(ds_expr){.kind = DS_EXPR_POLY, .value = p->constant, .terms = p->terms, .term_count = kept});
    for (size_t i = 0; i < kept; i++) free(p->terms[i].atoms);
    arrfree(p->terms);
    return result;
}

const ds_expr *ds_expr_add(ds_ir_context *cx, const ds_expr *a, const ds_expr *b) {
    poly p = {0};
    poly_add(&p, a, 1);
    poly_add(&p, b, 1);
    return poly_finish(cx, &p);
}

const ds_expr *ds_expr_sub(ds_ir_context *cx, const ds_expr *a, const ds_expr *b) {
    poly p = {0};
    poly_add(&p, a, 1);
    poly_add(&p, b, -1);
    return poly_finish(cx, &p);
}

const ds_expr *ds_expr_scale(ds_ir_context *cx, const ds_expr *a, int64_t factor) {
    poly p = {0};
    poly_add(&p, a, factor);
    return poly_finish(cx, &p);
}

/* An expression seen as terms: an atom is one term of itself, a constant is a term without atoms. */
typedef struct {
    ds_term own;
    const ds_expr *atom[1];
} term_space;

static size_t term_count(const ds_expr *e) { return e->kind == DS_EXPR_POLY ? e->term_count + (e->value != 0) : 1; }

static ds_term term_at(const ds_expr *e, size_t i, term_space *space) {
    if (e->kind != DS_EXPR_POLY) {
        space->atom[0] = e;
        return (ds_term){1, 1, space->atom};
    }
    return i < e->term_count ? e->terms[i] : (ds_term){e->value, 0, NULL};
}

enum { MOST_TERMS = 2048 };

const ds_expr *ds_expr_mul(ds_ir_context *cx, const ds_expr *a, const ds_expr *b) {
    poly p = {0};
    term_space sa, sb;
    if (term_count(a) > 1 && term_count(b) > 1 && term_count(a) * term_count(b) > MOST_TERMS) {
        cx->exprs_too_large = true;
        return ds_expr_symbol(cx, "v_too_large");
    }
    for (size_t i = 0; i < term_count(a); i++)
        for (size_t k = 0; k < term_count(b); k++) {
            ds_term s = term_at(a, i, &sa), t = term_at(b, k, &sb);
            poly_add_term(&p, wrap_mul(s.coefficient, t.coefficient), s.atoms, s.atom_count, t.atoms, t.atom_count);
        }
    return poly_finish(cx, &p);
}

bool ds_expr_is_const(const ds_expr *e, int64_t *out_value) {
    if (e->kind != DS_EXPR_POLY || e->term_count) return false;
    if (out_value) *out_value = e->value;
    return true;
}

bool ds_expr_equals(const ds_expr *e, int64_t value) {
    return e->kind == DS_EXPR_POLY && !e->term_count && e->value == value;
}

/* ---- division ---- */

static int64_t floor_div(int64_t a, int64_t b) {
    if (b == 0) return 0;
    if (b == -1) return wrap_mul(a, -1);
    int64_t q = a / b;
    return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}

static int64_t floor_mod(int64_t a, int64_t b) { return wrap_add(a, wrap_mul(-1, wrap_mul(floor_div(a, b), b))); }

/* s / t as terms: t's atoms must all occur in s. */
static bool divide_term(ds_ir_context *cx, const ds_term *s, const ds_term *t, const ds_expr **out_quotient) {
    if (s->atom_count < t->atom_count || t->coefficient == 0 || s->coefficient % t->coefficient) return false;
    const ds_expr **atoms = ds_xmalloc((s->atom_count + 1) * sizeof *atoms);
    size_t count = 0, k = 0;
    for (size_t i = 0; i < s->atom_count; i++) {
        if (k < t->atom_count && s->atoms[i] == t->atoms[k]) k++;
        else atoms[count++] = s->atoms[i];
    }
    bool divides = k == t->atom_count;
    if (divides) {
        poly p = {0};
        poly_add_term(&p, s->coefficient / t->coefficient, atoms, count, NULL, 0);
        *out_quotient = poly_finish(cx, &p);
    }
    free(atoms);
    return divides;
}

const ds_expr *ds_expr_divide_exactly(ds_ir_context *cx, const ds_expr *a, const ds_expr *b) {
    if (ds_expr_equals(b, 0)) return NULL;
    const ds_expr *quotient = ds_expr_const(cx, 0), *part;
    term_space sa, sb;
    for (int steps = 0; !ds_expr_equals(a, 0); steps++) {
        ds_term s = term_at(a, 0, &sa), t = term_at(b, 0, &sb);
        if (steps > 32 || !divide_term(cx, &s, &t, &part)) return NULL;
        quotient = ds_expr_add(cx, quotient, part);
        a = ds_expr_sub(cx, a, ds_expr_mul(cx, part, b));
    }
    return quotient;
}

/* Splits a = multiple * b + rest, moving every term of a that b divides into the multiple. */
static const ds_expr *split_multiple(ds_ir_context *cx, const ds_expr *a, const ds_expr *b, const ds_expr **out_rest) {
    const ds_expr *multiple = ds_expr_const(cx, 0), *rest = ds_expr_const(cx, 0), *part;
    int64_t divisor = 0;
    bool constant = ds_expr_is_const(b, &divisor);
    term_space sa, sb;
    for (size_t i = 0; i < term_count(a); i++) {
        ds_term s = term_at(a, i, &sa);
        if (constant && divisor) {
            int64_t whole = s.atom_count == 0              ? floor_div(s.coefficient, divisor)
                            : s.coefficient % divisor == 0 ? s.coefficient / divisor
                                                           : 0;
            poly m = {0}, r = {0};
            poly_add_term(&m, whole, s.atoms, s.atom_count, NULL, 0);
            poly_add_term(&r, wrap_add(s.coefficient, -wrap_mul(whole, divisor)), s.atoms, s.atom_count, NULL, 0);
            multiple = ds_expr_add(cx, multiple, poly_finish(cx, &m));
            rest = ds_expr_add(cx, rest, poly_finish(cx, &r));
        } else {
            ds_term t = term_at(b, 0, &sb);
            poly p = {0};
            poly_add_term(&p, s.coefficient, s.atoms, s.atom_count, NULL, 0);
            const ds_expr *term = poly_finish(cx, &p);
            if (term_count(b) == 1 && divide_term(cx, &s, &t, &part)) multiple = ds_expr_add(cx, multiple, part);
            else rest = ds_expr_add(cx, rest, term);
        }
    }
    *out_rest = rest;
    return multiple;
}

static const ds_expr *binary_atom(ds_ir_context *cx, ds_expr_kind kind, const ds_expr *a, const ds_expr *b) {
    return intern(cx, &(ds_expr){.kind = kind, .a = a, .b = b});
}

const ds_expr *ds_expr_floordiv(ds_ir_context *cx, const ds_expr *a, const ds_expr *b) {
    int64_t x, y;
    if (ds_expr_is_const(a, &x) && ds_expr_is_const(b, &y)) return ds_expr_const(cx, floor_div(x, y));
    if (ds_expr_equals(b, 1)) return a;
    const ds_expr *exact = ds_expr_divide_exactly(cx, a, b), *rest;
    if (exact) return exact;
    const ds_expr *multiple = split_multiple(cx, a, b, &rest);
    if (ds_expr_is_const(rest, &x) && ds_expr_is_const(b, &y))
        return ds_expr_add(cx, multiple, ds_expr_const(cx, floor_div(x, y)));
    if (ds_expr_equals(rest, 0)) return multiple;
    if (rest->kind == DS_EXPR_FLOORDIV && ds_expr_is_const(b, &y) && y > 0 && ds_expr_is_const(rest->b, &x) &&
        x > 0) /* (e/x)/y = e/(x*y) */
        return ds_expr_add(cx, multiple, ds_expr_floordiv(cx, rest->a, ds_expr_const(cx, wrap_mul(x, y))));
    return ds_expr_add(cx, multiple, binary_atom(cx, DS_EXPR_FLOORDIV, rest, b));
}

const ds_expr *ds_expr_ceildiv(ds_ir_context *cx, const ds_expr *a, const ds_expr *b) {
    const ds_expr *minus = ds_expr_scale(cx, a, -1);
    return ds_expr_scale(cx, ds_expr_floordiv(cx, minus, b), -1);
}

const ds_expr *ds_expr_mod(ds_ir_context *cx, const ds_expr *a, const ds_expr *b) {
    int64_t x, y;
    if (ds_expr_is_const(a, &x) && ds_expr_is_const(b, &y)) return ds_expr_const(cx, floor_mod(x, y));
    if (ds_expr_equals(b, 1)) return ds_expr_const(cx, 0);
    const ds_expr *rest;
    split_multiple(cx, a, b, &rest);
    if (ds_expr_is_const(rest, &x) && ds_expr_is_const(b, &y)) return ds_expr_const(cx, floor_mod(x, y));
    if (ds_expr_equals(rest, 0)) return rest;
    return binary_atom(cx, DS_EXPR_MOD, rest, b);
}

static const ds_expr *min_max(ds_ir_context *cx, ds_expr_kind kind, const ds_expr *a, const ds_expr *b) {
    const ds_expr *difference = ds_expr_sub(cx, a, b);
    bool want_larger = kind == DS_EXPR_MAX;
    if (ds_expr_nonneg(difference)) return want_larger ? a : b;
    if (ds_expr_nonneg(ds_expr_scale(cx, difference, -1))) return want_larger ? b : a;
    return compare(a, b) < 0 ? binary_atom(cx, kind, a, b) : binary_atom(cx, kind, b, a);
}

const ds_expr *ds_expr_min(ds_ir_context *cx, const ds_expr *a, const ds_expr *b) {
    return min_max(cx, DS_EXPR_MIN, a, b);
}
const ds_expr *ds_expr_max(ds_ir_context *cx, const ds_expr *a, const ds_expr *b) {
    return min_max(cx, DS_EXPR_MAX, a, b);
}

/* ---- broadcasts ---- */

/* The extents that e is a broadcast of, in order: BROADCAST nests to the left. */
static void collect_parts(const ds_expr *e, const ds_expr ***out) {
    while (e->kind == DS_EXPR_BROADCAST) {
        arrput(*out, e->b);
        e = e->a;
    }
    arrput(*out, e);
}

static int compare_parts(const void *a, const void *b) {
    return compare(*(const ds_expr *const *)a, *(const ds_expr *const *)b);
}

/* What a part says about the whole when it is never 1, or 1 only where another part says the extent anyway. */
static bool decides(const ds_expr *part) { return part->range.low >= 2 || ds_expr_equals(part, 0); }

/* Leaves parts out that others stand for: 1, repetitions, and min(1, n) beside n. */
static bool is_needless(const ds_expr *const *parts, size_t count, size_t i) {
    const ds_expr *e = parts[i];
    if (ds_expr_equals(e, 1) || (i && parts[i - 1] == e)) return true;
    if (e->kind != DS_EXPR_MIN || !(ds_expr_equals(e->a, 1) || ds_expr_equals(e->b, 1))) return false;
    for (size_t k = 0; k < count; k++)
        if (parts[k] == (ds_expr_equals(e->a, 1) ? e->b : e->a)) return true;
    return false;
}

const ds_expr *ds_expr_broadcast(ds_ir_context *cx, const ds_expr *a, const ds_expr *b) {
    const ds_expr **parts = NULL, *result = NULL;
    collect_parts(a, &parts);
    collect_parts(b, &parts);
    size_t count = arrlenu(parts);
    qsort(parts, count, sizeof *parts, compare_parts);
    for (size_t i = 0; i < count && !result; i++)
        if (decides(parts[i])) result = parts[i];
    for (size_t i = 0; i < count && !(result && decides(result)); i++)
        if (!is_needless(parts, count, i))
            result = result ? binary_atom(cx, DS_EXPR_BROADCAST, result, parts[i]) : parts[i];
    arrfree(parts);
    return result ? result : ds_expr_const(cx, 1);
}

bool ds_expr_broadcasts(const ds_expr *e, const ds_expr *part) {
    if (e == part) return true;
    for (; e->kind == DS_EXPR_BROADCAST; e = e->a)
        if (e->a == part || e->b == part) return true;
    return false;
}

const ds_expr *ds_expr_stretch(ds_ir_context *cx, const ds_expr *extent) {
    const ds_expr *one = ds_expr_const(cx, 1), *more = ds_expr_sub(cx, extent, one);
    return ds_expr_min(cx, one, ds_expr_max(cx, ds_expr_const(cx, 0), more));
}

/* ---- analysis and substitution ---- */

static bool mentions(const ds_expr *e, size_t dim) {
    if (!e->has_dim) return false;
    if (e->kind == DS_EXPR_DIM) return e->value == (int64_t)dim;
    if (e->a) return mentions(e->a, dim) || mentions(e->b, dim);
    for (size_t i = 0; i < e->term_count; i++)
        for (size_t k = 0; k < e->terms[i].atom_count; k++)
            if (mentions(e->terms[i].atoms[k], dim)) return true;
    return false;
}

bool ds_expr_linear(ds_ir_context *cx, const ds_expr *e, size_t dim, const ds_expr **out_coefficient,
                    const ds_expr **out_rest) {
    const ds_expr *zero = ds_expr_const(cx, 0);
    *out_coefficient = zero, *out_rest = e;
    if (!mentions(e, dim)) return true;
    const ds_expr *d = ds_expr_dim(cx, dim);
    poly coefficient = {0}, rest = {0};
    term_space space;
    bool linear = true;
    for (size_t i = 0; i < term_count(e); i++) {
        ds_term t = term_at(e, i, &space);
        size_t at = t.atom_count;
        for (size_t k = 0; k < t.atom_count; k++) {
            if (t.atoms[k] == d && at == t.atom_count) at = k;
            else if (mentions(t.atoms[k], dim)) linear = false;
        }
        if (at == t.atom_count) poly_add_term(&rest, t.coefficient, t.atoms, t.atom_count, NULL, 0);
        else poly_add_term(&coefficient, t.coefficient, t.atoms, at, t.atoms + at + 1, t.atom_count - at - 1);
    }
    *out_coefficient = poly_finish(cx, &coefficient);
    *out_rest = poly_finish(cx, &rest);
    return linear;
}

static const ds_expr *rewrite_atom(ds_ir_context *cx, const ds_expr *e, ds_expr_map *map, void *user) {
    if (e->kind == DS_EXPR_SYMBOL || e->kind == DS_EXPR_DIM) {
        const ds_expr *to = map(user, e);
        return to ? to : e;
    }
    const ds_expr *a = ds_expr_rewrite(cx, e->a, map, user), *b = ds_expr_rewrite(cx, e->b, map, user);
    switch (e->kind) {
    case DS_EXPR_FLOORDIV: return ds_expr_floordiv(cx, a, b);
    case DS_EXPR_MOD: return ds_expr_mod(cx, a, b);
    case DS_EXPR_MIN: return ds_expr_min(cx, a, b);
    case DS_EXPR_MAX: return ds_expr_max(cx, a, b);
    default: return ds_expr_broadcast(cx, a, b);
    }
}

const ds_expr *ds_expr_rewrite(ds_ir_context *cx, const ds_expr *e, ds_expr_map *map, void *user) {
    if (e->kind != DS_EXPR_POLY) return rewrite_atom(cx, e, map, user);
    const ds_expr *sum = ds_expr_const(cx, e->value);
    for (size_t i = 0; i < e->term_count; i++) {
        const ds_expr *product = ds_expr_const(cx, e->terms[i].coefficient);
        for (size_t k = 0; k < e->terms[i].atom_count; k++)
            product = ds_expr_mul(cx, product, rewrite_atom(cx, e->terms[i].atoms[k], map, user));
        sum = ds_expr_add(cx, sum, product);
    }
    return sum;
}

typedef struct {
    const ds_expr *const *values;
    size_t count;
} dim_values;

static const ds_expr *replace_dim(void *user, const ds_expr *atom) {
    const dim_values *v = user;
    return atom->kind == DS_EXPR_DIM && (size_t)atom->value < v->count ? v->values[atom->value] : NULL;
}

const ds_expr *ds_expr_replace_dims(ds_ir_context *cx, const ds_expr *e, const ds_expr *const *values, size_t count) {
    return e->has_dim ? ds_expr_rewrite(cx, e, replace_dim, &(dim_values){values, count}) : e;
}

void ds_expr_each_symbol(const ds_expr *e, void (*visit)(void *user, const char *name), void *user) {
    if (e->kind == DS_EXPR_SYMBOL) visit(user, e->name);
    if (e->a) ds_expr_each_symbol(e->a, visit, user), ds_expr_each_symbol(e->b, visit, user);
    for (size_t i = 0; i < e->term_count; i++)
        for (size_t k = 0; k < e->terms[i].atom_count; k++) ds_expr_each_symbol(e->terms[i].atoms[k], visit, user);
}

typedef struct {
    const char *name;
    bool found;
} mention;

static void note_mention(void *user, const char *name) {
    mention *m = user;
    m->found = m->found || !strcmp(m->name, name);
}

bool ds_expr_mentions_symbol(const ds_expr *e, const char *name) {
    mention m = {name, false};
    ds_expr_each_symbol(e, note_mention, &m);
    return m.found;
}

int64_t ds_expr_evaluate(const ds_expr *e, int64_t (*value)(void *user, const ds_expr *atom), void *user) {
    if (e->kind == DS_EXPR_SYMBOL || e->kind == DS_EXPR_DIM) return value(user, e);
    if (e->kind == DS_EXPR_POLY) {
        int64_t sum = e->value;
        for (size_t i = 0; i < e->term_count; i++) {
            int64_t product = e->terms[i].coefficient;
            for (size_t k = 0; k < e->terms[i].atom_count; k++)
                product = wrap_mul(product, ds_expr_evaluate(e->terms[i].atoms[k], value, user));
            sum = wrap_add(sum, product);
        }
        return sum;
    }
    int64_t a = ds_expr_evaluate(e->a, value, user), b = ds_expr_evaluate(e->b, value, user);
    switch (e->kind) {
    case DS_EXPR_FLOORDIV: return floor_div(a, b);
    case DS_EXPR_MOD: return floor_mod(a, b);
    case DS_EXPR_MIN: return a < b ? a : b;
    case DS_EXPR_MAX: return a > b ? a : b;
    default: return a == 1 ? b : a;
    }
}

/* ---- text ---- */

/* The operands of a broadcast, which nest to the left. */
static void print_parts(ds_string *out, const ds_expr *e) {
    if (e->kind != DS_EXPR_BROADCAST) {
        ds_expr_print(out, e);
        return;
    }
    print_parts(out, e->a);
    ds_string_printf(out, ", ");
    ds_expr_print(out, e->b);
}

static void print_atom(ds_string *out, const ds_expr *e) {
    switch (e->kind) {
    case DS_EXPR_SYMBOL: ds_string_printf(out, "%s", e->name); return;
    case DS_EXPR_DIM: ds_string_printf(out, "d%lld", (long long)e->value); return;
    case DS_EXPR_POLY:
        ds_string_printf(out, "(");
        ds_expr_print(out, e);
        ds_string_printf(out, ")");
        return;
    case DS_EXPR_MIN:
    case DS_EXPR_MAX:
        ds_string_printf(out, e->kind == DS_EXPR_MIN ? "min(" : "max(");
        ds_expr_print(out, e->a);
        ds_string_printf(out, ", ");
        ds_expr_print(out, e->b);
        ds_string_printf(out, ")");
        return;
    case DS_EXPR_BROADCAST:
        ds_string_printf(out, "broadcast(");
        print_parts(out, e);
        ds_string_printf(out, ")");
        return;
    default: break;
    }
    ds_string_printf(out, "(");
    print_atom(out, e->a);
    ds_string_printf(out, e->kind == DS_EXPR_MOD ? " mod " : " floordiv ");
    int64_t constant;
    if (ds_expr_is_const(e->b, &constant) && constant >= 0) ds_string_printf(out, "%lld", (long long)constant);
    else print_atom(out, e->b);
    ds_string_printf(out, ")");
}

void ds_expr_print(ds_string *out, const ds_expr *e) {
    if (e->kind != DS_EXPR_POLY) {
        print_atom(out, e);
        return;
    }
    bool first = true;
    for (size_t i = 0; i < e->term_count; i++) {
        int64_t c = e->terms[i].coefficient;
        bool minus = c < 0 && c != INT64_MIN;
        if (!first) ds_string_printf(out, minus ? " - " : " + ");
        else if (minus) ds_string_printf(out, "-");
        for (size_t k = 0; k < e->terms[i].atom_count; k++) {
            if (k) ds_string_printf(out, " * ");
            print_atom(out, e->terms[i].atoms[k]);
        }
        if (minus) c = -c;
        if (c != 1) ds_string_printf(out, " * %lld", (long long)c);
        first = false;
    }
    if (first) ds_string_printf(out, "%lld", (long long)e->value);
    else if (e->value)
        ds_string_printf(out, e->value < 0 ? " - %llu" : " + %llu",
                         (unsigned long long)(e->value < 0 ? -e->value : e->value));
}

typedef struct {
    ds_ir_context *cx;
    const char *at;
    size_t dims;
    int depth;
} expr_reader;

static const ds_expr *read_sum(expr_reader *r);

static void skip_space(expr_reader *r) {
    while (isspace((unsigned char)*r->at)) r->at++;
}

static bool accept(expr_reader *r, const char *word) {
    skip_space(r);
    size_t n = strlen(word);
    if (strncmp(r->at, word, n) != 0) return false;
    if (isalpha((unsigned char)word[n - 1]) && (isalnum((unsigned char)r->at[n]) || r->at[n] == '_')) return false;
    r->at += n;
    return true;
}

static const ds_expr *read_name(expr_reader *r) {
    const char *start = r->at;
    while (isalnum((unsigned char)*r->at) || *r->at == '_') r->at++;
    char name[256];
    size_t n = (size_t)(r->at - start);
    if (n == 0 || n >= sizeof name) return NULL;
    memcpy(name, start, n);
    name[n] = 0;
    if (name[0] == 'd' && isdigit((unsigned char)name[1])) {
        char *end;
        unsigned long position = strtoul(name + 1, &end, 10);
        if (!*end && position < r->dims) return ds_expr_dim(r->cx, position);
    }
    for (size_t i = 0; i < r->cx->fixed_count; i++)
        if (!strcmp(r->cx->fixed[i].name, name)) return ds_expr_const(r->cx, r->cx->fixed[i].value);
    return ds_expr_symbol(r->cx, name);
}

/* The functions of two or more expressions, by name. */
static const struct {
    const char *name;
    const ds_expr *(*of)(ds_ir_context *cx, const ds_expr *a, const ds_expr *b);
} functions[] = {{"min(", ds_expr_min}, {"max(", ds_expr_max}, {"broadcast(", ds_expr_broadcast}};

/* The arguments of functions[i] and the closing bracket. */
static const ds_expr *read_arguments(expr_reader *r, size_t i) {
    const ds_expr *result = read_sum(r);
    for (size_t count = 1; result; count++) {
        if (count > 1 && accept(r, ")")) return result;
        const ds_expr *next = accept(r, ",") ? read_sum(r) : NULL;
        result = next ? functions[i].of(r->cx, result, next) : NULL;
    }
    return NULL;
}

static const ds_expr *read_factor(expr_reader *r) {
    if (++r->depth > 200) return NULL;
    skip_space(r);
    const ds_expr *result = NULL;
    size_t function = 0;
    if (accept(r, "-")) {
        const ds_expr *e = read_factor(r);
        result = e ? ds_expr_scale(r->cx, e, -1) : NULL;
    } else if (accept(r, "(")) {
        result = read_sum(r);
        if (!accept(r, ")")) result = NULL;
    } else if (isdigit((unsigned char)*r->at)) {
        char *end;
        result = ds_expr_const(r->cx, (int64_t)strtoull(r->at, &end, 10));
        r->at = end;
    } else {
        while (function < DS_COUNT(functions) && !accept(r, functions[function].name)) function++;
        result = function < DS_COUNT(functions) ? read_arguments(r, function) : read_name(r);
    }
    r->depth--;
    return result;
}

static const ds_expr *read_product(expr_reader *r) {
    const ds_expr *e = read_factor(r);
    while (e) {
        if (accept(r, "*")) {
            const ds_expr *f = read_factor(r);
            e = f ? ds_expr_mul(r->cx, e, f) : NULL;
        } else if (accept(r, "floordiv")) {
            const ds_expr *f = read_factor(r);
            e = f ? ds_expr_floordiv(r->cx, e, f) : NULL;
        } else if (accept(r, "mod")) {
            const ds_expr *f = read_factor(r);
            e = f ? ds_expr_mod(r->cx, e, f) : NULL;
        } else break;
    }
    return e;
}

static const ds_expr *read_sum(expr_reader *r) {
    const ds_expr *e = read_product(r);
    while (e) {
        skip_space(r);
        if (accept(r, "+")) {
            const ds_expr *f = read_product(r);
            e = f ? ds_expr_add(r->cx, e, f) : NULL;
        } else if (*r->at == '-' && r->at[1] != '>' && accept(r, "-")) {
            const ds_expr *f = read_product(r);
            e = f ? ds_expr_sub(r->cx, e, f) : NULL;
        } else break;
    }
    return e;
}

const ds_expr *ds_expr_parse(ds_ir_context *cx, const char *text, size_t dims) {
    expr_reader r = {cx, text, dims, 0};
    const ds_expr *e = read_sum(&r);
    skip_space(&r);
    return e && !*r.at ? e : NULL;
}
