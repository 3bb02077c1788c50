/* decompose: onnx and microsoft -> graph, one rule an operator, result types inferred on the way.
 *
 * A rule reads its op's operands (already graph values with known types), builds graph ops before it and fills d->out.
 * Integer tensors are followed as expressions over symbols (dec_ints), so that shapes computed by Shape, Gather,
 * Concat, … are known extents.
 */
#ifndef DS_DECOMPOSE_H
#define DS_DECOMPOSE_H

#include "ir/ir.h"
#include "ir/require.h"
#include "passes/passes.h"

enum { DEC_MAX_RANK = 16, DEC_MAX_RESULTS = 1024, DEC_MAX_OPERANDS = 32 /* of an Einsum */ };

typedef struct {
    ds_module *m;
    ds_ir_context *cx;
    ds_builder b;                /* before the op */
    ds_op *op;                   /* the op being lowered */
    ds_value **out;              /* its results */
    ds_status worst;             /* of the pass; everything that is not supported is listed */
    const ds_requirement *facts; /* equalities that are checked on entry, for other reasons than a broadcast */
    size_t fact_count;
    size_t *cloned; /* ops of loop bodies that were decomposed again: bounded */
} dec;

typedef ds_status dec_rule(dec *d, ds_op *op);

/* Opens the definition of rule_<name>, which rows of onnx.def and contrib.def name. */
#define RULE(name)                                                                                                     \
    ds_status rule_##name(dec *d, ds_op *op);                                                                          \
    ds_status rule_##name(dec *d, ds_op *op)

/* What an operator gives for these operands (NULL: left out): its rule, applied where the op stands. It has those of
 * the op's attributes that it knows as well, and those given (without a value: none). */
ds_status dec_apply(dec *d, ds_op_kind kind, ds_value *const *operands, size_t count, const ds_named_attr *attrs,
                    size_t attr_count, ds_value **out, size_t results);

/* Is this result of the op one of the function, which is to lie in the memory of `input`, an argument (ir/alias.h)? */
bool dec_shares_memory(const dec *d, const ds_value *input, size_t result);

/* ---- reading the op ---- */

ds_value *dec_in(const dec *d, size_t i); /* NULL when left out */
const ds_type *dec_type(const dec *d, size_t i);
ds_status dec_axis(dec *d, int64_t axis, size_t rank, size_t *out_axis); /* negative ones count from the end */
ds_status dec_fail(dec *d, ds_error_code code, const char *format, ...) DS_PRINTF(3, 4);
ds_status dec_refuse(dec *d, const char *format, ...) DS_PRINTF(2, 3); /* not supported: exit code 3 */

/* Whether operands and attributes are what forms.def allows. */
ds_status dec_check_form(dec *d, ds_op *op);
ds_status dec_check_size(dec *d, const ds_value *v); /* no negative extent, and bytes that can be addressed */
/* An attribute that names an element type of numbers. */
ds_status dec_elem(dec *d, const char *name, ds_elem otherwise, ds_elem *out);
/* A list attribute of exactly `count` entries; values stay as they are where it is absent. */
ds_status dec_attribute_list(dec *d, const char *name, int64_t *values, size_t count);

/* The elements of a small integer tensor as expressions; what is not known gets a symbol that is read at run time.
 * Where there is room for one, exactly one is wanted. */
ds_status dec_ints(dec *d, ds_value *value, const ds_expr **out, size_t room, size_t *out_count);
/* The op's operand is a list of `count` elements: required where its length is known only at run time. */
ds_status dec_list(dec *d, size_t operand, size_t count);
ds_status dec_require_axis(dec *d, const ds_expr *axis,
                           size_t rank); /* it names a dimension, maybe counted from the end */
/* Axes that are read at run time, as arithmetic: is_axis[i] is 1 where dim i is among them, else 0. */
ds_status dec_run_time_axes(dec *d, ds_value *axes, size_t rank, const ds_expr **is_axis, size_t *out_count);
/* v without the `count` dims of t that is_axis names (their extent in v is 1). */
ds_value *dec_drop_axes(dec *d, ds_value *v, const ds_type *t, const ds_expr *const *is_axis, size_t count);
const ds_expr *dec_is_axis(dec *d, const ds_expr *axis, size_t dim,
                           size_t rank); /* 1 where axis (maybe negative) names dim */
const ds_expr *dec_equals(dec *d, const ds_expr *e,
                          int64_t value); /* 1 where they are equal, else 0: max(0, 1 - |e - value|) */
bool dec_known_ints(dec *d, ds_value *value, int64_t *out, size_t room,
                    size_t *out_count);                      /* false when one is not a constant */
bool dec_known_scalar(dec *d, ds_value *value, double *out); /* element 0 of a constant */

/* ---- expressions ---- */

const ds_expr *dec_const(dec *d, int64_t v);
const ds_expr *dec_dim(dec *d, size_t i);
/* The relation must hold where the op stands. Fails where it cannot; where only run time can tell, generated code
 * checks it: on entry, or, where values are read while running, in the op's place. `format` says what must be, as a
 * clause: "k is at most the axis' extent". */
ds_status dec_require(dec *d, ds_relation is, const ds_expr *left, const ds_expr *right, const char *format, ...)
    DS_PRINTF(5, 6);
ds_status dec_not_negative(dec *d, const ds_expr *const *extents, size_t count, const char *what);
/* A tensor has exactly these extents. */
ds_status dec_has_shape(dec *d, const ds_type *t, size_t rank, const ds_expr *const *dims, const char *what);
/* The extent that both are; requires it where that cannot be decided. */
ds_status dec_same(dec *d, const ds_expr *a, const ds_expr *b, const ds_expr **out);
const ds_attr *dec_map_of(dec *d, size_t rank, const ds_expr *const *exprs, size_t count);

/* ---- broadcasting (broadcast.c) ---- */

/* The extent of a broadcast of two; requires that they are equal, or one of them is 1. */
ds_status dec_broadcast_extent(dec *d, const ds_expr *a, const ds_expr *b, const ds_expr **out);
ds_status dec_broadcast(dec *d, ds_value *const *values, size_t count, const ds_expr **out_dims, size_t *out_rank);
/* Requires that an extent is `whole`, or 1: a broadcast in one direction. `what`: a clause, "the bias has the result's
 * columns". */
ds_status dec_fits(dec *d, const ds_expr *own, const ds_expr *whole, const char *what);
ds_status dec_fits_shape(dec *d, ds_value *value, size_t rank, const ds_expr *const *dims, const char *what);
/* Where an operand of extent `own` is read at `position` of an extent `whole` that it broadcasts to. */
const ds_expr *dec_stretched(dec *d, const ds_expr *own, const ds_expr *whole, const ds_expr *position);
/* The equalities that a function checks on entry and that say what a broadcast of symbols comes to (a mask that is
 * added to scores has their length, or 1, since a product needs it): with these as facts its broadcasts are simpler.
 * stb_ds array. */
ds_requirement *dec_facts(ds_ir_context *cx, const ds_block *block);
/* Reads `value` in an iteration space of these dims, which it broadcasts to. */
const ds_attr *dec_broadcast_map(dec *d, ds_value *value, size_t rank, const ds_expr *const *dims);

/* ---- building: a map or reduce with its region open ---- */

typedef struct {
    dec *d;
    ds_op *op;
    ds_builder b;
    ds_value *x[DEC_MAX_RESULTS]; /* the region's arguments; narrow floats already widened to f32 */
    ds_elem elem;                 /* of the result */
} body;

/* Result type f16 and the like is computed in f32 and rounded at the end. */
ds_elem dec_compute_elem(ds_elem elem);
body map_begin(dec *d, ds_elem elem, size_t rank, const ds_expr *const *dims, ds_value *const *inputs,
               const ds_attr *const *maps, size_t count);
/* Several results of one shape. */
body map_begin_many(dec *d, ds_elem elem, size_t results, size_t rank, const ds_expr *const *dims,
                    ds_value *const *inputs, const ds_attr *const *maps, size_t count);
void map_end_many(body *r, ds_value *const *results, size_t count, ds_value **out);
ds_value *map_end(body *r, ds_value *result); /* converts to the result's element type */
/* All inputs broadcast to the given shape. */
body map_over(dec *d, ds_elem elem, size_t rank, const ds_expr *const *dims, ds_value *const *inputs, size_t count);
body map_same(dec *d, ds_elem elem, ds_value *input); /* input's shape */
void map_pad(body *r, size_t input, double value);    /* reads of `input` outside yield value */
void map_pad_lowest(body *r, size_t input);           /* … what no element is below */
bool map_pad_known(body *r, size_t input,
                   ds_value *value); /* … element 0 of a tensor of the same type, where it is a constant; else false */

/* Reduction of one value with a combiner; `elem` is the accumulators' type (use dec_compute_elem). Dims
 * rank..rank+over_count-1 are reduced. */
body reduce_begin(dec *d, ds_elem elem, size_t rank, const ds_expr *const *dims, const ds_expr *const *over,
                  size_t over_count, ds_value *const *inputs, const ds_attr *const *maps, size_t count);
ds_value *reduce_end(body *r, ds_value *value, ds_op_kind combiner); /* add, mul, min, max, and, or */

ds_value *op1(body *r, ds_op_kind kind, ds_value *a);
ds_value *op2(body *r, ds_op_kind kind, ds_value *a, ds_value *b);
ds_value *op3(body *r, ds_op_kind kind, ds_value *a, ds_value *b, ds_value *c);
ds_value *num(body *r, ds_elem elem, double v);    /* a constant */
ds_value *whole(body *r, ds_elem elem, int64_t v); /* an integer constant, exactly */
ds_value *like(body *r, ds_value *v, double c);    /* a constant of v's type */
ds_value *known_constant(body *r,
                         ds_value *value); /* element 0 of a tensor that is a constant, exactly; NULL when it is none */
ds_value *cast_to(body *r, ds_value *v, ds_elem elem);
ds_value *extent(body *r, const ds_expr *e); /* an expression over symbols, as index */
ds_value *position(body *r, size_t dim);
ds_value *
at_point(body *r, size_t dims,
         const ds_expr *e); /* an expression over the first `dims` coordinates of the current point, as index */
ds_value *clamp_index(body *r, ds_value *v,
                      const ds_expr *size); /* as index in 0 … size-1, so that a wrong one cannot read outside */
ds_value *extract(body *r, ds_value *tensor, ds_value *const *at, size_t count);

/* Short forms, in functions that have a `body *r`. */
#define ADD(a, b) op2(r, DS_LOOP_add, a, b)
#define SUB(a, b) op2(r, DS_LOOP_sub, a, b)
#define MUL(a, b) op2(r, DS_LOOP_mul, a, b)
#define DIV(a, b) op2(r, DS_LOOP_div, a, b)
#define MIN(a, b) op2(r, DS_LOOP_min, a, b)
#define MAX(a, b) op2(r, DS_LOOP_max, a, b)
#define LT(a, b) op2(r, DS_LOOP_lt, a, b)
#define LE(a, b) op2(r, DS_LOOP_le, a, b)
#define EQ(a, b) op2(r, DS_LOOP_eq, a, b)
#define AND(a, b) op2(r, DS_LOOP_and, a, b)
#define SELECT(c, a, b) op3(r, DS_LOOP_select, c, a, b)
#define EXP(a) op1(r, DS_LOOP_exp, a)
#define FLOOR(a) op1(r, DS_LOOP_floor, a)

/* ---- interpolation (sample.c) ---- */

/* Where a coordinate along one axis reads: up to 4 positions with weights. No weight: 1. `inside` false: the element
 * counts as 0. */
typedef struct {
    size_t count;
    ds_value *at[4], *weight[4], *inside[4];
} taps;

taps taps_one(ds_value *at); /* an index */
/* Of an f32 coordinate, 2 (linear), or 4 (Keys' cubic convolution with parameter a; IEEE Trans. ASSP 29, 1981). `at`
 * are f32: whole, maybe outside. */
taps taps_linear(body *r, ds_value *x);
taps taps_cubic(body *r, double a, ds_value *x);
ds_value *cubic_weight(body *r, double a, ds_value *s,
                       bool near); /* the kernel at distance s: s <= 1 (near), or 1 < s < 2 */
void taps_clamp(body *r, taps *t,
                const ds_expr *size); /* `at` becomes an index; outside means the element at the edge */
void taps_zero(body *r, taps *t, const ds_expr *size); /* … or zero */
/* The sum over the product of all axes' taps of weight * x[at]; one entry of `axis` for each dim of x. */
ds_value *interpolate(body *r, ds_value *x, const taps *axis);

/* ---- whole ops ---- */

ds_value *dec_constant(dec *d, ds_elem elem, size_t rank, const int64_t *dims, const void *bytes, size_t length);
ds_value *dec_scalar(dec *d, ds_elem elem, double v);
ds_value *dec_index_tensor(dec *d, ds_elem elem, const ds_expr *const *values, size_t count, bool scalar);
ds_value *dec_reshape(dec *d, ds_value *v, size_t rank, const ds_expr *const *dims);
ds_value *dec_transpose(dec *d, ds_value *v, const size_t *permutation);
ds_value *dec_convert(dec *d, ds_value *v, ds_elem elem);
ds_value *dec_binary(dec *d, ds_op_kind kind, ds_value *a, ds_value *b); /* broadcasting; element type of a */
ds_value *dec_slice(dec *d, ds_value *v, size_t axis, const ds_expr *start, const ds_expr *extent, int64_t step);
ds_status dec_concat(dec *d, ds_value *const *inputs, size_t count, size_t axis, ds_value **out);
/* v + bias, one element for each channel (dimension 1) */
ds_status dec_channel_bias(dec *d, ds_value *v, ds_value *bias, ds_value **out);
ds_status dec_one(dec *d, ds_value *v, const char *what,
                  ds_value **out); /* v, which must have one element, as a scalar */
ds_status dec_per_channel(dec *d, const ds_value *v, const ds_expr *channels,
                          const char *what); /* requires v[channels] */
/* A symbol of its own for an expression: for extents whose products would otherwise expand into long polynomials. */
const ds_expr *dec_named(dec *d, const ds_expr *e);
/* The same for extents, which are required not to be negative. */
ds_status dec_named_extents(dec *d, const ds_expr **extents, size_t count);
/* A result whose extents are long expressions of values that are read at run time has symbols instead from here on. */
ds_status dec_light(dec *d, ds_value **value);
/* matmul over the last two dims, batch dims broadcast */
ds_status dec_matmul(dec *d, ds_value *a, ds_value *b, ds_elem accumulator, ds_value **out);
ds_value *dec_contract(dec *d, ds_op_kind kind, ds_elem elem, size_t rank, const ds_expr *const *dims,
                       const ds_expr *const *over, size_t over_count, ds_value *a, const ds_attr *a_map, ds_value *b,
                       const ds_attr *b_map);
/* a @ b of two matrices, turned as the op's transA and transB say */
ds_status dec_gemm(dec *d, ds_value *a, ds_value *b, ds_elem elem, ds_value **out);
/* x - zero in i32; x itself where that is 0 or left out. One zero point for all, for each place along `axis`, or of x's
 * rank. */
ds_status dec_less_zero_point(dec *d, ds_value *x, ds_value *zero, size_t axis, ds_value **out);
/* saturate(round(v * factors[0] * factors[1] / factors[2]) + factors[3]); a factor of rank 1 goes along `axis` */
ds_status dec_requantise(dec *d, ds_value *v, ds_value *const *factors, size_t axis, ds_value **out);
/* a @ b of integers with zero points (or NULL), exact, times factors[0] and factors[1], plus a bias (or NULL): of rank 1
 * they go along the last axis. */
ds_status dec_scaled_product(dec *d, ds_value *a, ds_value *a_zero, ds_value *b, ds_value *b_zero,
                             ds_value *const *factors, ds_value *bias, ds_elem elem, ds_value **out);
/* The sliding window of convolution and pooling: ONNX's kernel_shape, strides, dilations, pads, auto_pad and
 * ceil_mode. */
typedef struct {
    size_t spatial;
    int64_t kernel[DEC_MAX_RANK], stride[DEC_MAX_RANK], dilation[DEC_MAX_RANK];
    const ds_expr *before[DEC_MAX_RANK], *after[DEC_MAX_RANK], *out[DEC_MAX_RANK];
} dec_window;
ds_status dec_window_of(dec *d, ds_op *op, const ds_type *input, const int64_t *kernel, size_t spatial,
                        dec_window *out_window);
const ds_expr *dec_window_index(dec *d, const dec_window *w, size_t i, size_t out_dim, size_t window_dim);
/* A weight's window: its extents from dim 2 on, or the attribute kernel_shape, which they must be. */
ds_status dec_window_size(dec *d, ds_op *op, const ds_type *weight, int64_t *out_kernel);
/* The convolution of x[n, group*inputs, in…] with w[outputs, inputs, kernel…]. */
ds_value *dec_convolve(dec *d, ds_elem elem, ds_value *x, ds_value *w, int64_t group, const dec_window *window);
/* Ops from `first` to `end` (or NULL) read inside their operands, and have no negative extents: checked, or required
 * (bounds.c). */
ds_status dec_check_made(dec *d, ds_op *first, const ds_op *end);
/* Lowers the onnx ops of a block; used for the regions of control flow. */
ds_status dec_block(dec *d, ds_block *block);
/* Names of the symbols that ops under a block define: stb_ds array, the caller's to free. And: does e mention one? */
const char **dec_symbols_within(ds_block *block);
bool dec_mentions(const ds_expr *e, const char *const *names);

/* ---- sequences (sequence.c): lists that are known while compiling, values of graph.sequence ops ---- */

bool dec_is_sequence(const ds_value *v);
ds_value *dec_sequence(dec *d, ds_value *const *elements, size_t count, bool stacked, const ds_type *like);
bool dec_sequence_is_stacked(const ds_value *v); /* its last operand stands for several elements */

/* Small results whose elements are all known become constants or graph.index ops. */
ds_value *dec_simplify(dec *d, ds_value *v);

#endif
