/* Steps of a plan that are no kernels, irregular ops and copies: where lanes share the plan's steps, each is a task of
 * one piece, whose frame holds what it needs.
 */
#include <stdio.h>

#include "codegen/cpu/plan.h"

enum { COPY_SLOTS = 3 }; /* from, to, bytes */

size_t plan_slots_of_task(const ds_op *op) {
    return op->kind == DS_PLAN_copy ? COPY_SLOTS : op->operand_count + ds_op_attr(op, "params")->count;
}

void plan_add_task(plan *p, LLVMValueRef pieces, LLVMValueRef function, LLVMValueRef frame) {
    uint64_t task = sizeof(ds_task) * p->pending++;
    set_field(p, p->tasks, task + offsetof(ds_task, pieces), pieces);
    set_field(p, p->tasks, task + offsetof(ds_task, fn), function);
    set_field(p, p->tasks, task + offsetof(ds_task, arg), frame);
}

static void call_irregular(plan *p, const ds_op *op, LLVMValueRef buffers, LLVMValueRef numbers) {
    LLVMValueRef args[] = {buffers, numbers};
    char name[128];
    snprintf(name, sizeof name, "ds_%s", ds_op_text(op, "callee", ""));
    p->e->needs_irregular = true;
    em_call(p->e, name, LLVMVoidTypeInContext(p->e->llvm), args, 2);
}

/* A function of tasks that calls an irregular one: its frame holds the buffers, then the numbers. */
static LLVMValueRef task_of_extern(plan *p, const ds_op *op) {
    emitter *e = p->e;
    char name[160];
    snprintf(name, sizeof name, "plan.%s.%zu", ds_op_text(op, "callee", ""), op->operand_count);
    LLVMValueRef known = LLVMGetNamedFunction(e->module, name), outer = e->function;
    if (known) return known;
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);
    e->function = LLVMAddFunction(e->module, name, plan_piece_type(p));
    LLVMSetLinkage(e->function, LLVMInternalLinkage);
    LLVMPositionBuilderAtEnd(e->b, em_block(e, "entry"));
    LLVMValueRef made = e->function, frame = LLVMGetParam(made, 0);
    call_irregular(p, op, frame, byte_offset(p, frame, em_i64(e, 8 * (int64_t)op->operand_count)));
    LLVMBuildRetVoid(e->b);
    e->function = outer;
    LLVMPositionBuilderAtEnd(e->b, here);
    return made;
}

/* One lane runs it, the others wait. */
static void emit_shared_extern(plan *p, const ds_op *op) {
    const ds_attr *params = ds_op_attr(op, "params");
    plan_run_pending(p);
    LLVMValueRef frame = p->frames, function = task_of_extern(p, op);
    for (size_t i = 0; i < op->operand_count; i++) set_slot(p, frame, i, em_value(p->e, ds_op_operand(op, i)));
    for (size_t i = 0; i < params->count; i++) set_slot(p, frame, op->operand_count + i, expr(p, params->items[i]));
    p->slots += plan_slots_of_task(op);
    plan_add_task(p, em_i64(p->e, 1), function, frame);
}

void plan_step_extern(plan *p, const ds_op *op) {
    if (p->place) {
        emit_shared_extern(p, op);
        return;
    }
    emitter *e = p->e;
    const ds_attr *params = ds_op_attr(op, "params");
    LLVMValueRef buffers = em_entry_alloca(p->e, LLVMArrayType2(p->pointer, op->operand_count)),
                 numbers = em_entry_alloca(p->e, LLVMArrayType2(p->i64, params->count + 1));
    for (size_t i = 0; i < op->operand_count; i++) set_field(p, buffers, 8 * i, em_value(e, ds_op_operand(op, i)));
    for (size_t i = 0; i < params->count; i++) set_field(p, numbers, 8 * i, expr(p, params->items[i]));
    call_irregular(p, op, buffers, numbers);
}

/* A caller may have put a result where an input lies. */
static void copy_apart(plan *p, LLVMValueRef from, LLVMValueRef to, LLVMValueRef bytes) {
    emitter *e = p->e;
    LLVMBasicBlockRef apart = em_block(e, "apart"), done = em_block(e, "");
    LLVMBuildCondBr(e->b, compare(p, LLVMIntNE, from, to), apart, done);
    LLVMPositionBuilderAtEnd(e->b, apart);
    LLVMBuildMemCpy(e->b, to, 1, from, 1, bytes);
    LLVMBuildBr(e->b, done);
    LLVMPositionBuilderAtEnd(e->b, done);
}

static LLVMValueRef task_of_copy(plan *p) {
    emitter *e = p->e;
    LLVMValueRef known = LLVMGetNamedFunction(e->module, "plan.copy"), outer = e->function;
    if (known) return known;
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);
    LLVMValueRef made = e->function = LLVMAddFunction(e->module, "plan.copy", plan_piece_type(p)),
                 frame = LLVMGetParam(made, 0);
    LLVMSetLinkage(made, LLVMInternalLinkage);
    LLVMPositionBuilderAtEnd(e->b, em_block(e, "entry"));
    copy_apart(p, field(p, frame, 0, p->pointer), field(p, frame, 8, p->pointer), field(p, frame, 16, p->i64));
    LLVMBuildRetVoid(e->b);
    e->function = outer;
    LLVMPositionBuilderAtEnd(e->b, here);
    return made;
}

void plan_step_copy(plan *p, const ds_op *op) {
    LLVMValueRef from = em_value(p->e, ds_op_operand(op, 0)), to = em_value(p->e, ds_op_operand(op, 1)),
                 bytes = expr(p, ds_op_attr(op, "bytes"));
    if (!p->place) {
        copy_apart(p, from, to, bytes);
        return;
    }
    plan_run_pending(p);
    LLVMValueRef frame = p->frames, slots[COPY_SLOTS] = {from, to, bytes}, function = task_of_copy(p);
    for (size_t i = 0; i < COPY_SLOTS; i++) set_slot(p, frame, i, slots[i]);
    p->slots += COPY_SLOTS;
    plan_add_task(p, em_i64(p->e, 1), function, frame);
}
