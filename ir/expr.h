/* Integer expressions over symbols (unknown extents) and dimensions (positions in an iteration space).
 *
 * One representation serves shapes ("2*seq + 1") and access maps ((d0, d1) -> (d0 * 4 + d1)): a canonical polynomial
 * whose atoms are symbols, dimensions, and floordiv, mod, min, max, broadcast of expressions. Interned: equal pointers
 * mean equal expressions, for all values.
 *
 * Ownership: the context's. Threads: any (interning takes the context's lock). Arithmetic wraps like int64; byte sizes
 * are checked where they are computed.
 * Limits:    a product of sums that would have thousands of terms is given up: it becomes a symbol of no meaning, and
 *            the context says so (exprs_too_large); passes that see that fail.
 */
#ifndef DS_EXPR_H
#define DS_EXPR_H

#include "base/base.h"

typedef struct ds_ir_context ds_ir_context;
typedef struct ds_expr ds_expr;

typedef enum {
    DS_EXPR_POLY,
    DS_EXPR_SYMBOL,
    DS_EXPR_DIM,
    DS_EXPR_FLOORDIV,
    DS_EXPR_MOD,
    DS_EXPR_MIN,
    DS_EXPR_MAX,
    DS_EXPR_BROADCAST
} ds_expr_kind;

/* coefficient * product of atoms; atoms are sorted and may repeat (powers) */
typedef struct {
    int64_t coefficient;
    size_t atom_count;
    const ds_expr **atoms;
} ds_term;

/* Symbols that dsc makes. The prefix is how text tells them apart, and belongs to no symbol of a model.
 *
 *         kind    prefix  for people */
#define DS_SYMBOL_KINDS(ROW)                                                                                           \
    ROW(count, "v_n", "a value that is read while running and never negative")                                         \
    ROW(value, "v_", "a value that is read while running")                                                             \
    ROW(turn, "t", "a loop's position")                                                                                \
    ROW(extent, "u", "an extent without a name")

typedef enum {
#define DS_SYMBOL_KIND(name, ...) DS_SYMBOL_##name,
    DS_SYMBOL_KINDS(DS_SYMBOL_KIND)
#undef DS_SYMBOL_KIND
        DS_SYMBOL_KIND_COUNT
} ds_symbol_kind;

const char *ds_symbol_prefix(ds_symbol_kind kind);
bool ds_symbol_is_late(const char *name); /* a count or a value: known only while running */

/* Bounds that follow from dimensions and symbols being >= 0, but for values that are read while running.
 * INT64_MIN and INT64_MAX: none is known. */
typedef struct {
    int64_t low, high;
} ds_range;

struct ds_expr {
    ds_expr_kind kind;
    uint32_t hash;
    bool has_dim; /* some DIM occurs */
    bool is_late; /* some symbol is known only while running */
    ds_range range;
    const char *name;     /* SYMBOL: interned */
    int64_t value;        /* POLY: the constant term; DIM: its position */
    size_t term_count;    /* POLY */
    ds_term *terms;       /* POLY: sorted, no zero coefficients */
    const ds_expr *a, *b; /* FLOORDIV, MOD, MIN, MAX, BROADCAST */
};

const ds_expr *ds_expr_const(ds_ir_context *cx, int64_t value);
const ds_expr *ds_expr_symbol(ds_ir_context *cx, const char *name);
bool ds_expr_symbol_exists(ds_ir_context *cx, const char *name); /* one of this name has been made */
const ds_expr *ds_expr_dim(ds_ir_context *cx, size_t position);
const ds_expr *ds_expr_add(ds_ir_context *cx, const ds_expr *a, const ds_expr *b);
const ds_expr *ds_expr_sub(ds_ir_context *cx, const ds_expr *a, const ds_expr *b);
const ds_expr *ds_expr_mul(ds_ir_context *cx, const ds_expr *a, const ds_expr *b);
const ds_expr *ds_expr_scale(ds_ir_context *cx, const ds_expr *a, int64_t factor);
const ds_expr *ds_expr_floordiv(ds_ir_context *cx, const ds_expr *a, const ds_expr *b); /* b != 0 */
const ds_expr *ds_expr_ceildiv(ds_ir_context *cx, const ds_expr *a, const ds_expr *b);
const ds_expr *ds_expr_mod(ds_ir_context *cx, const ds_expr *a, const ds_expr *b); /* sign of b, as in floordiv */
const ds_expr *ds_expr_min(ds_ir_context *cx, const ds_expr *a, const ds_expr *b);
const ds_expr *ds_expr_max(ds_ir_context *cx, const ds_expr *a, const ds_expr *b);
/* The extent of a broadcast of two extents: b where a is 1, else a. That operands fit is required elsewhere; where they
 * do, the order does not matter, so broadcasts of broadcasts are flattened and sorted, and extents that occur twice, or
 * are 1, leave. */
const ds_expr *ds_expr_broadcast(ds_ir_context *cx, const ds_expr *a, const ds_expr *b);
bool ds_expr_broadcasts(const ds_expr *e,
                        const ds_expr *part); /* is `part` e, or one of the extents that e is a broadcast of? */
/* 0 where an extent is 1 (or 0), else 1: what positions of a broadcast are multiplied by on the way to an operand of
 * this extent. */
const ds_expr *ds_expr_stretch(ds_ir_context *cx, const ds_expr *extent);

bool ds_expr_is_const(const ds_expr *e, int64_t *out_value); /* out_value may be NULL */
bool ds_expr_equals(const ds_expr *e, int64_t value);
bool ds_expr_nonneg(const ds_expr *e);  /* never below 0 */
ds_range ds_range_of(const ds_expr *e); /* of an expression that is being made, of parts that have theirs */
bool ds_expr_is_flag(const ds_expr *e); /* 0 or 1, and neither always */
/* a / b when b divides a exactly as polynomials, else NULL. */
const ds_expr *ds_expr_divide_exactly(ds_ir_context *cx, const ds_expr *a, const ds_expr *b);

/* e = coefficient * dim + rest with neither mentioning dim; false when e is not linear in it. */
bool ds_expr_linear(ds_ir_context *cx, const ds_expr *e, size_t dim, const ds_expr **out_coefficient,
                    const ds_expr **out_rest);

/* Replaces atoms: `map` gives the replacement of a SYMBOL or DIM, or NULL to keep it. */
typedef const ds_expr *ds_expr_map(void *user, const ds_expr *atom);
const ds_expr *ds_expr_rewrite(ds_ir_context *cx, const ds_expr *e, ds_expr_map *map, void *user);
const ds_expr *ds_expr_replace_dims(ds_ir_context *cx, const ds_expr *e, const ds_expr *const *values, size_t count);

/* Calls visit for every SYMBOL in e, in a fixed order, repeats included. */
void ds_expr_each_symbol(const ds_expr *e, void (*visit)(void *user, const char *name), void *user);
bool ds_expr_mentions_symbol(const ds_expr *e, const char *name);

/* The value of e, with symbols and dims looked up by `value`. Division by zero yields 0. */
int64_t ds_expr_evaluate(const ds_expr *e, int64_t (*value)(void *user, const ds_expr *atom), void *user);

void ds_expr_print(ds_string *out, const ds_expr *e); /* "2*seq + 1"; d0 for dims; spaces as in affine maps */
/* The inverse; NULL when the text is malformed. Names d0, d1, … are dims only when `dims` says how many there are (else
 * 0). */
const ds_expr *ds_expr_parse(ds_ir_context *cx, const char *text, size_t dims);

#endif
