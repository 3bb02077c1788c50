/* Kernels -> loops over buffers. What the files of this folder share.
 *
 * A kernel becomes a function of buffers: operands, then results, then (attribute `scratch`) one lane's scratch memory. Symbols are
 * known by name in every map. Its body is one loop.parallel whose pieces are independent.
 */
#ifndef DS_LOWER_H
#define DS_LOWER_H

#include "passes/contraction.h"
#include "passes/passes.h"

enum {
    LOWER_MAX_DIMS = 24,
    LOWER_MAX_OPERANDS = 320,
    LOWER_MAX_CARRIED = 24, /* values that a loop hands from turn to turn: tiles and chains of sums are no larger */
    LOWER_MAX_RESULTS = 16  /* of a map or a reduction */
};

/* A value of a region while it is lowered: a scalar or a vector; `base` is set when it is base, base+1, base+2, … */
typedef struct {
    ds_value *v, *base;
} lane_value;

/* The current point: one index value a dim. Dim `vector` (or -1) is walked by the lanes, from at[vector] on. */
typedef struct {
    size_t rank;
    ds_value *at[LOWER_MAX_DIMS];
    int vector;
    ds_value *mask; /* lanes that count; NULL: all */
} lane_point;

typedef struct {
    ds_module *m;
    ds_ir_context *cx;
    const ds_target *target;
    const ds_machine *machine;
    ds_builder b;
    const ds_schedule *schedule; /* a choice that was measured, or NULL */
    size_t lanes;                /* of vectors, for every element type */
    ds_mapping buffers;          /* tensor value of the kernel -> buffer */
    lane_value *values;          /* stb_ds array by value id: scalars of the regions being lowered */
    const ds_value *in_result;   /* of what flows between the kernel's ops: whose rows lie in the result's; NULL: none */
    int64_t weights_behind;      /* bytes that lie behind the kernel's weights and that kernels soon to come read: see kernel.c */
    bool unsupported;
} lowering;

/* ---- small builders ---- */

ds_value *lw_op(lowering *l, ds_op_kind kind, ds_value *const *operands, size_t count, const ds_type *type);
ds_value *lw_buffer(const lowering *l, const ds_value *tensor); /* of a value of the kernel */
ds_value *lw_index(lowering *l, int64_t v);
ds_value *lw_apply(lowering *l, const ds_expr *e, ds_value *const *dims, size_t count); /* dims that occur must have values */
ds_value *lw_extent(lowering *l, const ds_expr *e);
ds_value *lw_splat(lowering *l, ds_value *scalar);
ds_value *lw_lanes(lowering *l, ds_value *base);                               /* base + 0, 1, 2, … */
ds_value *lw_binary(lowering *l, ds_op_kind kind, ds_value *a, ds_value *b);   /* splats a scalar beside a vector */
ds_value *lw_multiply_add(lowering *l, ds_value *a, ds_value *b, ds_value *c); /* a * b + c, in one rounding where the target has it */
ds_value *lw_digit(lowering *l, ds_value **number, const ds_expr *size);       /* takes the lowest digit, of `size` values, off a number */
ds_value *lw_mask(lowering *l, ds_value *base, ds_value *end);                 /* lanes with base + lane < end */
/* Opens a loop; new ops go inside until lw_end. Carried values come back through `inside`. */
ds_op *lw_for(lowering *l, ds_value *low, ds_value *high, ds_value *step, ds_value *const *carried, size_t count, ds_value **inside);
void lw_end(lowering *l, ds_op *loop, ds_value *const *next, size_t count);
ds_value *lw_for_position(const ds_op *loop);
ds_op *lw_when(lowering *l, ds_value *condition); /* a loop of one turn where the scalar condition holds, else of none */

/* ---- accesses ---- */

/* Reads element `offset` (an expression over the point's dims) of a buffer for every lane. */
ds_value *lw_load(lowering *l, ds_value *buffer, const ds_expr *offset, const lane_point *p, ds_value *mask);
void lw_store(lowering *l, ds_value *value, ds_value *buffer, const ds_expr *offset, const lane_point *p);

/* ---- regions ---- */

/* Lowers the scalar ops of a region. `position` gives the value of an original dim's coordinate (an expression over the point's dims). */
void lw_region(lowering *l, const ds_block *block, const lane_value *args, const ds_expr *const *position, const lane_point *p,
               lane_value *out_yields);

/* ---- ops ---- */

/* How a kernel's op is lowered: the first `shared` dims are fixed at the given positions (values of l's function). */
typedef struct {
    size_t shared;
    ds_value *at[LOWER_MAX_DIMS];
} lower_rows;

void lower_map(lowering *l, const ds_op *op, const lower_rows *rows, bool parallel);
void lower_reduce(lowering *l, const ds_op *op, const lower_rows *rows, bool parallel);
void lower_encode(lowering *l, const ds_op *op);
void lower_concat(lowering *l, const ds_op *op);
void lower_index(lowering *l, const ds_op *op);
/* A contraction with its epilogue (or NULL). False when it has no tiled form; then it is lowered as a reduction. */
bool lower_contraction(lowering *l, const ds_op *op, const ds_op *epilogue);
/* Rows low … high - 1 of a product of matrices at the first rows->shared - 1 dims' given places; `block` is a multiple of a tile's rows. */
bool lower_contraction_rows(lowering *l, const ds_op *op, const ds_op *epilogue, const lower_rows *rows, ds_value *low, ds_value *high,
                            int64_t block);
/* Rows low … high - 1 of image `image` of a channels-last convolution; low is a multiple of `unit` rows, or anything (0). */
bool lower_conv_rows(lowering *l, const ds_op *op, const ds_op *epilogue, ds_value *image, ds_value *low, ds_value *high, int64_t unit);
/* The same for a depthwise convolution or a pool in channels-last layout. */
bool lower_windows(lowering *l, const ds_op *op, const ds_op *epilogue);
bool lower_windows_rows(lowering *l, const ds_op *op, const ds_op *epilogue, ds_value *image, ds_value *low, ds_value *high);
/* A kernel of convolutions around a depthwise one: strips of `strip` rows, bands of `band` rows (a multiple). */
bool lower_strips(lowering *l, const ds_op *kernel, int64_t strip, int64_t band);
int64_t lower_strip_bytes(lowering *l, const ds_value *v, int64_t strip);         /* of the buffer of v, which flows inside it */
void lower_zeros(lowering *l, ds_value *buffer, ds_value *from, ds_value *count); /* `count` zeros from element `from` on */
/* With what follows it in its kernel: a map, and a pool whose windows divide its tiles. */
void lower_winograd(lowering *l, const ds_op *op);

enum { LOWER_PIECE_WORK = 8000 };                                          /* scalar operations: about a microsecond */
int64_t lower_chunk(const ds_expr *extent, double work, int64_t multiple); /* iterations of a piece: a multiple of `multiple` */
/* Opens the parallel loop of a kernel over `extent` iterations of about `work` scalar operations each: new ops go inside a loop over
 * the iterations of one piece, whose position is returned. lower_parallel_end closes both. */
ds_value *lower_parallel(lowering *l, const ds_expr *extent, double work, int64_t multiple, ds_op **out_loop);
void lower_parallel_end(lowering *l, ds_op *loop);
double lower_estimate(const ds_expr *e); /* of an extent: its value with a guess for symbols, at least 1 */

/* kernel -> function @name of loop ops. */
ds_status lower_kernel(ds_module *m, const ds_target *target, const ds_machine *machine, const ds_schedule *schedule, ds_op *kernel,
                       const char *name, ds_op **out_func);
/* Says what a kernel does, for reports: attributes `what` (text), `flops` and `bytes` (of its operands and results), `node` (of a
 * convolution that Winograd's algorithm fits). */
void lower_describe(ds_module *m, ds_op *kernel);
/* May a kernel of one result write it over this operand, when nothing else needs that any more? */
bool lower_may_overwrite(ds_ir_context *cx, const ds_op *kernel, size_t operand);
/* Does this op change its operand 0 in place, or a copy of it? */
bool lower_is_tied(const ds_op *op);
/* Dense concats whose parts can be made in place become joins. */
void lower_join_parts(ds_module *m, ds_block *body);
/* Marks the kernels of a function's body that may run beside those before them. */
void lower_mark_beside(ds_module *m, ds_block *body);
ds_value *lower_root_of(ds_value *v); /* whose memory v is a view of */
/* Function of kernels -> plan. */
ds_status lower_plan(ds_module *m, ds_op *func);

#endif
