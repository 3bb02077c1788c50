/* The check that an object runs on the CPU that it was compiled for, and may use it. A variable of the object remembers
 * that it does. */
#include <string.h>

#include "codegen/cpu/emit.h"
#include "runtime/ds_abi.h"

void em_make_portable(emitter *e, LLVMValueRef function) {
    static const char key[] = "target-cpu";
    const char *cpu = ds_target_least(e->target->arch)->cpu;
    LLVMAttributeRef attribute = LLVMCreateStringAttribute(e->llvm, key, sizeof key - 1, cpu, (unsigned)strlen(cpu));
    LLVMAddAttributeAtIndex(function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, attribute);
}

/* The variable may be read and written by several threads at once: they find out the same. */
static LLVMValueRef access_relaxed(LLVMValueRef load_or_store) {
    LLVMSetOrdering(load_or_store, LLVMAtomicOrderingMonotonic);
    LLVMSetAlignment(load_or_store, 4);
    return load_or_store;
}

void em_entry(emitter *e, LLVMValueRef body) {
    const ds_target *t = e->target;
    LLVMTypeRef type = LLVMGlobalGetValueType(body), i32 = em_int(e, 32);
    LLVMValueRef entry = LLVMAddFunction(e->module, e->prefix, type), known = LLVMAddGlobal(e->module, i32, "plan.cpu"),
                 facts[] = {LLVMConstInt(i32, t->cpuid_1, 0),   LLVMConstInt(i32, t->cpuid_7, 0),
                            LLVMConstInt(i32, t->cpuid_7c, 0),  LLVMConstInt(i32, t->cpuid_7d, 0),
                            LLVMConstInt(i32, t->cpuid_7_1, 0), LLVMConstInt(i32, t->cpuid_extended, 0),
                            LLVMConstInt(i32, t->xcr0, 0)},
                 args[] = {LLVMGetParam(entry, 0), LLVMGetParam(entry, 1)};
    LLVMSetInitializer(known, LLVMConstNull(i32));
    LLVMSetLinkage(known, LLVMInternalLinkage);
    em_make_portable(e, entry);
    e->function = entry;
    e->needs_cpu = true;
    LLVMBasicBlockRef start = em_block(e, "start"), ask = em_block(e, "ask"), right = em_block(e, "right"),
                      run = em_block(e, "run"), leave = em_block(e, "leave");
    LLVMPositionBuilderAtEnd(e->b, start);
    LLVMValueRef before = access_relaxed(LLVMBuildLoad2(e->b, i32, known, "")), yes = LLVMConstInt(i32, 1, 0);
    LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntEQ, before, yes, ""), run, ask);
    LLVMPositionBuilderAtEnd(e->b, ask);
    LLVMValueRef status = em_call(e, "ds_cpu_check", i32, facts, DS_COUNT(facts));
    LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntEQ, status, LLVMConstInt(i32, DS_RUN_OK, 0), ""), right, leave);
    LLVMPositionBuilderAtEnd(e->b, right);
    access_relaxed(LLVMBuildStore(e->b, yes, known));
    LLVMBuildBr(e->b, run);
    LLVMPositionBuilderAtEnd(e->b, run);
    LLVMBuildRet(e->b, LLVMBuildCall2(e->b, type, body, args, 2, ""));
    LLVMPositionBuilderAtEnd(e->b, leave);
    LLVMBuildRet(e->b, status);
}
