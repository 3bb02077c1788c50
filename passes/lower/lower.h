/* Kernels -> loops over buffers. What the files of this folder share.
 *
 * A kernel becomes a function of buffers: operands, then results, then (attribute `scratch`) one lane's scratch memory.
 * Symbols are known by name in every map. Its body is one loop.parallel whose pieces are independent.
 */
#ifndef DS_LOWER_H
#define DS_LOWER_H

#include "passes/schedule/schedule.h"

enum {
    LOWER_MAX_CARRIED = 24, /* values that a loop hands from turn to turn: tiles and chains of sums are no larger */
    LOWER_MAX_RESULTS = SCHEDULE_MOST_RESULTS
};

/* A value of a region while it is lowered: a scalar or a vector; `base` is set when it is base, base+1, base+2, … */
typedef struct {
    ds_value *v, *base;
} lane_value;

/* The current point: one index value a dim. Dim `vector` (or -1) is walked by the lanes, from at[vector] on. */
typedef struct {
    size_t rank;
    ds_value *at[SCHEDULE_MOST_DIMS];
    int vector;
    ds_value *mask; /* lanes that count; NULL: all */
} lane_point;

typedef struct {
    ds_module *m;
    ds_ir_context *cx;
    const ds_core *core;
    ds_builder b;
    const ds_schedule *schedule; /* that is obeyed */
    size_t lanes;                /* of vectors, for every element type */
    ds_mapping buffers;          /* tensor value of the kernel -> buffer */
    lane_value *values;          /* stb_ds array by value id: scalars of the regions being lowered */
    const ds_value *in_result; /* of what flows between the kernel's ops: whose rows lie in the result's; NULL: none */
} lowering;

/* ---- small builders ---- */

ds_value *lw_op(lowering *l, ds_op_kind kind, ds_value *const *operands, size_t count, const ds_type *type);
ds_value *lw_buffer(const lowering *l, const ds_value *tensor); /* of a value of the kernel */
ds_value *lw_index(lowering *l, int64_t v);
ds_value *lw_apply(lowering *l, const ds_expr *e, ds_value *const *dims,
                   size_t count); /* dims that occur must have values */
ds_value *lw_extent(lowering *l, const ds_expr *e);
ds_value *lw_splat(lowering *l, ds_value *scalar);
ds_value *lw_cast(lowering *l, ds_value *v, ds_elem elem);
ds_value *lw_lanes(lowering *l, ds_value *base);                             /* base + 0, 1, 2, … */
ds_value *lw_binary(lowering *l, ds_op_kind kind, ds_value *a, ds_value *b); /* splats a scalar beside a vector */
ds_value *lw_multiply_add(lowering *l, ds_value *a, ds_value *b,
                          ds_value *c); /* a * b + c, in one rounding where the target has it */
ds_value *lw_digit(lowering *l, ds_value **number,
                   const ds_expr *size); /* takes the lowest digit, of `size` values, off a number */
ds_value *lw_mask(lowering *l, ds_value *base, ds_value *end); /* lanes with base + lane < end */
/* Opens a loop; new ops go inside until lw_end. Carried values come back through `inside`. */
ds_op *lw_for(lowering *l, ds_value *low, ds_value *high, ds_value *step, ds_value *const *carried, size_t count,
              ds_value **inside);
void lw_end(lowering *l, ds_op *loop, ds_value *const *next, size_t count);
ds_value *lw_for_position(const ds_op *loop);
ds_op *lw_when(lowering *l,
               ds_value *condition); /* a loop of one turn where the scalar condition holds, else of none */

/* ---- accesses ---- */

/* Reads element `offset` (an expression over the point's dims) of a buffer for every lane. */
ds_value *lw_load(lowering *l, ds_value *buffer, const ds_expr *offset, const lane_point *p, ds_value *mask);
void lw_store(lowering *l, ds_value *value, ds_value *buffer, const ds_expr *offset, const lane_point *p);

/* ---- regions ---- */

/* Lowers the scalar ops of a region. `position` gives the value of an original dim's coordinate (an expression over the
 * point's dims). */
void lw_region(lowering *l, const ds_block *block, const lane_value *args, const ds_expr *const *position,
               const lane_point *p, lane_value *out_yields);

/* ---- kernels ---- */

/* Arguments for a kernel's operands and results; the function's scratch memory (takes the stb_ds array). `alone`: both,
 * and no scratch. */
void lower_bind_operands(lowering *l, const ds_op *kernel);
void lower_set_scratch(lowering *l, const ds_expr **bytes);
void lower_bind_alone(lowering *l, const ds_op *kernel);

/* Opens the parallel loop of a kernel over `extent` iterations, `chunk` of them a piece: new ops go inside a loop over
 * the iterations of one piece, whose position is returned; with `ranges` there is no such loop, and it is the piece's
 * first one. lower_parallel_end closes.
 */
ds_value *lower_parallel(lowering *l, const ds_expr *extent, int64_t chunk, bool ranges, ds_op **out_loop);
void lower_parallel_end(lowering *l, ds_op *loop);
void lower_zeros(lowering *l, ds_value *buffer, ds_value *from,
                 ds_value *count); /* `count` zeros from element `from` on */

/* The first `shared` dims of an op of a kernel are fixed at these places (values of l's function). */
typedef struct {
    size_t shared;
    ds_value *at[SCHEDULE_MOST_DIMS];
} lower_rows_at;

/* Op number `index` of the kernel, by its levels: all of it in pieces (rows is NULL, index DS_OWN), or what lies at the
 * rows. */
void lower_op(lowering *l, ds_op *op, int index, const lower_rows_at *rows);
void lower_map(lowering *l, const ds_op *op, int index, const lower_rows_at *rows);
void lower_reduce(lowering *l, const ds_op *op, int index, const lower_rows_at *rows);
void lower_encode(lowering *l, const ds_op *op);
void lower_concat(lowering *l, const ds_op *op);
void lower_index(lowering *l, const ds_op *op);
/* Rows low … high - 1 of a product of matrices at the first rows->shared - 1 dims' given places; `block` is a multiple
 * of a tile's rows. */
void lower_tile_rows(lowering *l, const ds_op *op, const ds_op *epilogue, int index, const lower_rows_at *rows,
                     ds_value *low, ds_value *high, int64_t block);
/* Rows low … high - 1 of image `image` of a channels-last convolution; low is a multiple of `unit` rows, or anything
 * (0). */
void lower_tile_image(lowering *l, const ds_op *op, const ds_op *epilogue, int index, ds_value *image, ds_value *low,
                      ds_value *high, int64_t unit);
/* The same for a depthwise convolution or a pool in channels-last layout. */
void lower_window_rows(lowering *l, const ds_op *op, const ds_op *epilogue, int index, ds_value *image, ds_value *low,
                       ds_value *high);

/* Programs: the kernel is a copy that is the program's own; its schedule was checked, and lowering cannot fail. */
typedef void ds_program_lower(lowering *l, ds_op *kernel);
#define PROGRAM(name, doc) ds_program_lower lower_##name;
#include "passes/schedule/programs.def"
#undef PROGRAM

/* kernel -> function @name of loop ops. */
ds_op *lower_kernel(ds_module *m, const ds_core *core, const ds_schedule *schedule, const ds_op *kernel,
                    const char *name);
/* Says what a kernel does, for reports: attributes `what` (text), `flops` and `bytes` (of its operands and results),
 * `node` (of a convolution that Winograd's algorithm fits). */
void lower_describe(ds_module *m, ds_op *kernel);
/* May a kernel of one result write it over this operand, when nothing else needs that any more? */
bool lower_may_overwrite(ds_ir_context *cx, const ds_op *kernel, size_t operand);
/* Does this op change its operand 0 in place, or a copy of it? */
bool lower_is_tied(const ds_op *op);
/* Dense concats of a function whose parts can be made in place become joins. */
void lower_join_parts(ds_module *m, ds_op *func);
/* Marks the kernels of a function's body that may run beside those before them. */
void lower_mark_beside(ds_module *m, ds_block *body);
ds_value *lower_root_of(ds_value *v); /* whose memory v is a view of */
/* Function of kernels -> plan. */
ds_status lower_plan(ds_module *m, ds_op *func);

#endif
