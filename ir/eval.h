/* The reference evaluator: what graph ops mean, by definition, element by element. Slow and simple; independent of
 * lowering.
 *
 * Floats are computed in double and rounded to the element type by casts and results; integers exactly, wrapping at
 * their width. An integer may also be an expression over symbols: that is how values that flow through Shape, Gather,
 * Concat and Reshape are followed, by the same code that computes numbers.
 */
#ifndef DS_EVAL_H
#define DS_EVAL_H

#include "ir.h"

typedef struct {
    double f;         /* float types */
    int64_t i;        /* integers and bool */
    const ds_expr *e; /* an integer that is not a constant; else NULL */
} ds_cell;

typedef struct {
    const ds_type *type;
    size_t count;
    const int64_t *dims; /* extents: `type`'s rank of them */
    ds_cell *cells;
} ds_cells;

typedef struct {
    ds_ir_context *cx;
    ds_arena *arena; /* where results are allocated */
    /* The cells of a value from outside the op (operands, tensors that regions read); NULL when unknown. */
    const ds_cells *(*value)(void *user, const ds_value *value);
    void *user;
    int64_t (*symbol)(void *user, const ds_expr *atom); /* NULL: symbols stay symbolic */
} ds_eval_env;

/* Evaluates one graph op. False when something it needs is unknown or not decidable, or when a result would have over
 * `limit` elements. */
bool ds_eval_op(const ds_eval_env *env, const ds_op *op, size_t limit, ds_cells *out_results);

/* A scalar op of these cells; false where a cell is an expression, or the op unknown. A loop.constant. */
bool ds_eval_scalar(ds_ir_context *cx, const ds_op *op, const ds_cell *x, ds_cell *out);
ds_cell ds_eval_constant(const ds_op *op);
/* A scalar op (SCALAR_OP) of doubles, as its row says, before it is rounded to a type. */
double ds_eval_number(ds_op_kind kind, double a, double b, double c);

/* Between cells and bytes. From: false when an element is symbolic. */
ds_cells *ds_cells_from_bytes(ds_arena *arena, const ds_type *type, const int64_t *dims, const void *bytes);
bool ds_cells_to_bytes(ds_arena *arena, const ds_cells *cells, void **out_bytes, size_t *out_length);

/* Rounds a double to a float type of 64 bits or fewer, and back from its bits. */
double ds_float_decode(ds_elem elem, uint64_t bits);
uint64_t ds_float_encode(ds_elem elem, double value, bool saturate);
int64_t ds_float_to_int(double value); /* toward zero, saturating; NaN: 0 */

/* What loop.quantize gives: the nearest whole number to value / scale (of floats; ties to even), plus zero, or the nearest
 * that the type has; NaN is the least. */
int64_t ds_quantize(ds_elem to, double value, double scale, int64_t zero);

#endif
