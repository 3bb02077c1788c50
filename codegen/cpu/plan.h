/* Between the files that make a plan's entry function: plan.c (arguments, calls) and flow.c (regions, and memory that
 * comes and goes). */
#ifndef DS_CPU_PLAN_H
#define DS_CPU_PLAN_H

#include "codegen/cpu/emit.h"
#include "codegen/emit/signature.h"
#include "runtime/ds_abi.h"

typedef struct plan {
    emitter *e;
    ds_module *m;
    ds_ir_context *cx;
    const ds_op *func;
    const ds_weight *weights;
    ds_signature signature;
    LLVMValueRef context, args, pool, arena, scratch, lane_bytes, weights_base, status_slot, lanes;
    LLVMValueRef frames, tasks; /* of calls that run together: slots of 8 bytes; ds_task of each */
    size_t pending, slots;      /* calls that wait to be run together, and the slots of their frames */
    LLVMValueRef place;         /* of the lane that emits the steps of a shared plan; null: steps fork one by one */
    LLVMBasicBlockRef entry, exit;
    LLVMValueRef *cells;        /* stb_ds array: what they hold is released at the exit */
    bool unbound;               /* something was read since outputs got their buffers */
    bool *ready;                /* outputs that have a buffer */
    const ds_op **requirements; /* stb_ds array: all, in order */
    bool *required;             /* those that were checked */
    LLVMTypeRef pointer, i64, i32;
    LLVMValueRef runner;
    bool traced;
    uint64_t steps; /* calls so far, as ds_walk meets them */
} plan;

static inline LLVMValueRef field(plan *p, LLVMValueRef base, uint64_t byte, LLVMTypeRef type) {
    LLVMValueRef at = em_i64(p->e, (int64_t)byte), where = LLVMBuildGEP2(p->e->b, em_int(p->e, 8), base, &at, 1, "");
    return LLVMBuildLoad2(p->e->b, type, where, "");
}

static inline void set_field(plan *p, LLVMValueRef base, uint64_t byte, LLVMValueRef v) {
    LLVMValueRef at = em_i64(p->e, (int64_t)byte), where = LLVMBuildGEP2(p->e->b, em_int(p->e, 8), base, &at, 1, "");
    LLVMBuildStore(p->e->b, v, where);
}

/* Leaves with `status` when the condition holds. */
static inline void fail_if(plan *p, LLVMValueRef condition, int status, size_t at) {
    LLVMBasicBlockRef bad = em_block(p->e, "fail"), good = em_block(p->e, "");
    LLVMBuildCondBr(p->e->b, condition, bad, good);
    LLVMPositionBuilderAtEnd(p->e->b, bad);
    LLVMBuildStore(p->e->b, LLVMConstInt(p->i32, (unsigned)status, 0), p->status_slot);
    set_field(p, p->context, offsetof(ds_context, at), LLVMConstInt(p->i32, at, 0));
    LLVMBuildBr(p->e->b, p->exit);
    LLVMPositionBuilderAtEnd(p->e->b, good);
}

static inline void set_slot(plan *p, LLVMValueRef frame, size_t slot, LLVMValueRef v) {
    set_field(p, frame, 8 * slot, v);
}

static inline LLVMValueRef expr(plan *p, const ds_attr *attr) { return em_expr_attr(p->e, attr); }
static inline LLVMValueRef compare(plan *p, LLVMIntPredicate how, LLVMValueRef a, LLVMValueRef b) {
    return LLVMBuildICmp(p->e->b, how, a, b, "");
}

static inline LLVMValueRef byte_offset(plan *p, LLVMValueRef base, LLVMValueRef at) {
    return LLVMBuildGEP2(p->e->b, em_int(p->e, 8), base, &at, 1, "");
}

void plan_emit_block(plan *p, const ds_block *block);
/* Gives outputs a buffer whose extents are known by now; only where every run comes by. */
void plan_bind_outputs(plan *p);

/* The type of kernels, and of what a pool calls: void (frame, piece, lane). */
LLVMTypeRef plan_piece_type(plan *p);
/* Runs the calls that wait, in one go. */
void plan_run_pending(plan *p);

/* ---- task.c ---- */

void plan_step_extern(plan *p, const ds_op *op);
void plan_step_copy(plan *p, const ds_op *op);
size_t plan_slots_of_task(const ds_op *op); /* of the frame of an irregular op or a copy */
/* Adds a task to those that run together. */
void plan_add_task(plan *p, LLVMValueRef pieces, LLVMValueRef function, LLVMValueRef frame);

/* ---- flow.c ---- */

bool plan_emit_flow(plan *p, const ds_op *op); /* false: not one of its ops */
/* Memory for `bytes` from the caller's allocator, until the same place asks again or the run ends. */
LLVMValueRef plan_allocate(plan *p, LLVMValueRef bytes);
void plan_release_cells(plan *p); /* at the exit */

#endif
