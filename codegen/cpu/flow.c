/* Control flow of plans: regions, the symbols that change in them, and memory whose size is known only while running.
 *
 * A cell is a pair in the entry function's frame: memory from the caller's allocator and its size. Whatever way a run
 * ends, what cells hold is released at the exit. Symbols that plan.set assigns live in the frame, too, so they outlive
 * the region that assigns them.
 */
#include <string.h>

#include "codegen/cpu/plan.h"

/* ---- memory ---- */

static LLVMValueRef make_cell(plan *p) {
    LLVMValueRef cell = em_entry_alloca(p->e, LLVMArrayType2(p->i64, 2));
    arrput(p->cells, cell);
    return cell;
}

static LLVMValueRef grow(plan *p, LLVMValueRef cell, LLVMValueRef bytes, LLVMValueRef keep) {
    LLVMValueRef args[] = {p->context, cell, bytes, keep};
    p->e->needs_memory = true;
    LLVMValueRef made = em_call(p->e, "ds_grow", p->pointer, args, 4);
    fail_if(p, LLVMBuildIsNull(p->e->b, made, ""), DS_NO_ALLOCATOR, 0);
    return made;
}

LLVMValueRef plan_allocate(plan *p, LLVMValueRef bytes) { return grow(p, make_cell(p), bytes, em_i64(p->e, 0)); }

/* A size that must not overflow. */
static LLVMValueRef checked(plan *p, const ds_attr *attr) {
    const ds_expr *size = ds_attr_to_expr(attr);
    LLVMValueRef bad, bytes = em_size(p->e, &size, 1, &bad);
    fail_if(p, bad, DS_NO_ALLOCATOR, 0);
    return bytes;
}

static void emit_grow(plan *p, const ds_op *op) {
    LLVMValueRef cell = em_value(p->e, ds_op_operand(op, 0));
    em_set(p->e, &op->results[0], grow(p, cell, checked(p, ds_op_attr(op, "bytes")), expr(p, ds_op_attr(op, "keep"))));
}

static void emit_swap(plan *p, const ds_op *op) {
    LLVMValueRef a = em_value(p->e, ds_op_operand(op, 0)), b = em_value(p->e, ds_op_operand(op, 1));
    for (uint64_t at = 0; at <= 8; at += 8) {
        LLVMValueRef x = field(p, a, at, p->i64), y = field(p, b, at, p->i64);
        set_field(p, a, at, y), set_field(p, b, at, x);
    }
}

void plan_release_cells(plan *p) {
    emitter *e = p->e;
    for (size_t i = 0; i < arrlenu(p->cells); i++) {
        LLVMBasicBlockRef give = em_block(e, "release"), next = em_block(e, "");
        LLVMValueRef made = field(p, p->cells[i], 0, p->pointer),
                     release = field(p, p->context, offsetof(ds_context, release), p->pointer);
        LLVMBuildCondBr(
            e->b, LLVMBuildAnd(e->b, LLVMBuildIsNotNull(e->b, made, ""), LLVMBuildIsNotNull(e->b, release, ""), ""),
            give, next);
        LLVMPositionBuilderAtEnd(e->b, give);
        LLVMTypeRef params[] = {p->pointer, p->pointer};
        LLVMValueRef args[] = {field(p, p->context, offsetof(ds_context, user), p->pointer), made};
        LLVMBuildCall2(e->b, LLVMFunctionType(LLVMVoidTypeInContext(e->llvm), params, 2, 0), release, args, 2, "");
        LLVMBuildBr(e->b, next);
        LLVMPositionBuilderAtEnd(e->b, next);
    }
}

/* ---- symbols ---- */

static void emit_set(plan *p, const ds_op *op) {
    emitter *e = p->e;
    const ds_attr *names = ds_op_attr(op, "symbols"), *values = ds_op_attr(op, "values");
    LLVMValueRef *fresh = NULL; /* all are found before one is assigned */
    for (size_t i = 0; i < names->count && i < values->count; i++) arrput(fresh, expr(p, values->items[i]));
    for (size_t i = 0; i < arrlenu(fresh); i++)
        LLVMBuildStore(e->b, fresh[i], em_symbol_slot(e, names->items[i]->text));
    arrfree(fresh);
}

/* ---- regions ---- */

/* Symbols that a region reads are not known behind it. */
static void emit_region(plan *p, const ds_block *block) {
    size_t known = arrlenu(p->e->symbols);
    plan_emit_block(p, block);
    arrsetlen(p->e->symbols, known);
}

static void emit_if(plan *p, const ds_op *op) {
    emitter *e = p->e;
    LLVMValueRef byte = LLVMBuildLoad2(e->b, em_int(e, 8), em_value(e, ds_op_operand(op, 0)), "");
    LLVMBasicBlockRef yes = em_block(e, "then"), no = em_block(e, "else"), done = em_block(e, "");
    LLVMBuildCondBr(e->b, compare(p, LLVMIntNE, byte, LLVMConstNull(em_int(e, 8))), yes, no);
    for (size_t r = 0; r < 2; r++) {
        LLVMPositionBuilderAtEnd(e->b, r ? no : yes);
        emit_region(p, ds_op_block(op, r));
        LLVMBuildBr(e->b, done);
    }
    LLVMPositionBuilderAtEnd(e->b, done);
}

static void emit_loop(plan *p, const ds_op *op) {
    emitter *e = p->e;
    const ds_attr *condition = ds_op_attr(op, "condition");
    LLVMValueRef high = expr(p, ds_op_attr(op, "extent")), zero = em_i64(e, 0);
    LLVMBasicBlockRef from = LLVMGetInsertBlock(e->b), head = em_block(e, "loop"), body = em_block(e, ""),
                      done = em_block(e, "");
    LLVMBuildBr(e->b, head);
    LLVMPositionBuilderAtEnd(e->b, head);
    LLVMValueRef turn = LLVMBuildPhi(e->b, p->i64, "");
    LLVMAddIncoming(turn, &zero, &from, 1);
    LLVMValueRef more = compare(p, LLVMIntSLT, turn, high);
    if (condition) more = LLVMBuildAnd(e->b, more, compare(p, LLVMIntNE, expr(p, condition), zero), "");
    LLVMBuildCondBr(e->b, more, body, done);
    LLVMPositionBuilderAtEnd(e->b, body);
    size_t known = arrlenu(e->symbols);
    em_define_symbol(e, ds_op_text(op, "counter", ""), turn);
    emit_region(p, ds_op_block(op, 0));
    arrsetlen(e->symbols, known);
    LLVMBasicBlockRef end = LLVMGetInsertBlock(e->b);
    LLVMValueRef next = LLVMBuildAdd(e->b, turn, em_i64(e, 1), "");
    LLVMAddIncoming(turn, &next, &end, 1);
    LLVMBuildBr(e->b, head);
    LLVMPositionBuilderAtEnd(e->b, done);
}

bool plan_emit_flow(plan *p, const ds_op *op) {
    emitter *e = p->e;
    switch (op->kind) {
    case DS_PLAN_allocate: em_set(e, &op->results[0], plan_allocate(p, checked(p, ds_op_attr(op, "bytes")))); break;
    case DS_PLAN_cell: em_set(e, &op->results[0], make_cell(p)); break;
    case DS_PLAN_grow: emit_grow(p, op); break;
    case DS_PLAN_current: em_set(e, &op->results[0], field(p, em_value(e, ds_op_operand(op, 0)), 0, p->pointer)); break;
    case DS_PLAN_swap: emit_swap(p, op); break;
    case DS_PLAN_set: emit_set(p, op); break;
    case DS_PLAN_if: emit_if(p, op); break;
    case DS_PLAN_loop: emit_loop(p, op); break;
    default: return false;
    }
    bool outermost = op->block == ds_op_block(p->func, 0);
    if (outermost && op->region_count) plan_bind_outputs(p); /* what regions have found out is known now */
    return true;
}
