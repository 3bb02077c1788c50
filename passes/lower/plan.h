/* Between the files that make plans: plan.c (memory, calls) and flow.c (regions). */
#ifndef DS_LOWER_PLAN_H
#define DS_LOWER_PLAN_H

#include "passes/lower/lower.h"

enum { ALIGN = 64 };

typedef struct {
    const ds_expr *bytes;
    size_t first, last; /* positions of the definition and of the last use */
    int64_t offset;     /* static storage */
    const ds_expr *where;
    bool is_static, late, merged; /* merged: its values lie in another storage */
    bool in_place;                /* it is an argument's memory, which holds what the caller put there */
    bool is_cell;                 /* what a region makes, in memory of its own size in every turn or branch */
    int output;                   /* the result it is written to, or -1 */
    ds_value *buffer;
} storage;

typedef struct {
    ds_module *m;
    ds_ir_context *cx;
    ds_op *func;
    storage *stores;           /* stb_ds array */
    int *store_of;             /* stb_ds array by value id: index into stores, or -1 */
    int *shared;               /* stb_ds array by id of buffers that parts share: index into stores, or -1 */
    size_t position, together; /* together: where the last kernel began that does not run beside the one before */
    ds_builder b;
    ds_mapping buffers;
    ds_value **output_args; /* stb_ds array: where results go */
    const ds_expr *lane_bytes;
} planner;

const ds_expr *plan_bytes_of(planner *p, const ds_type *t);
ds_op *plan_emit(planner *p, ds_op_kind kind, ds_value *const *operands, size_t count, const ds_type *type);
void plan_set_expr(planner *p, ds_op *op, const char *name, const ds_expr *e);
void plan_open_results(planner *p, ds_op *op);
ds_value *plan_buffer_of(planner *p, ds_value *v);
void plan_emit_copy(planner *p, ds_value *from, ds_value *to, const ds_expr *bytes);
DS_MUST_USE ds_status plan_block(planner *p, ds_block *block);
int plan_store_index(planner *p, const ds_value *v); /* -1: none */
void plan_set_store(planner *p, const ds_value *v, int store);
/* May the op write its result over this operand? */
bool plan_may_overwrite(planner *p, const ds_op *op, size_t operand);

/* ---- tie.c ---- */

/* Which results may take the memory of an input, and which do: attribute `tied`. Refuses an alias that cannot be. */
DS_MUST_USE ds_status plan_tie_results(planner *p, ds_op *plan, ds_value *const *inputs, ds_value *const *outputs);
/* Result i is an input as it is, in whose memory it lies. */
bool plan_is_there(planner *p, ds_value *const *inputs, ds_value *output, size_t i);

/* ---- flow.c ---- */

DS_MUST_USE ds_status plan_if(planner *p, ds_op *op);
DS_MUST_USE ds_status plan_loop(planner *p, ds_op *op);
/* Does v have extents that are found out in a region of the op that makes it? */
bool plan_is_cell(ds_ir_context *cx, const ds_value *v);

#endif
