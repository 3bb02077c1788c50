#include "codegen/cpu/jit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <llvm-c/Core.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/LLJITUtils.h>
#include <llvm-c/Orc.h>

struct ds_jit {
    LLVMOrcLLJITRef lljit;
    ds_entries entries;
};

static ds_status failed(ds_diag *diag, LLVMErrorRef error) {
    char *message = LLVMGetErrorMessage(error);
    ds_status status = ds_report(diag, DS_ERROR, DS_E_llvm, NULL, "linking in memory: %s", message);
    LLVMDisposeErrorMessage(message);
    return status;
}

ds_status ds_jit_create(ds_diag *diag, const ds_compiled *compiled, const char *prefix, ds_jit **out) {
    ds_jit *jit = ds_xmalloc(sizeof *jit);
    *jit = (ds_jit){0};
    *out = jit;
    LLVMErrorRef error = LLVMOrcCreateLLJIT(&jit->lljit, NULL);
    if (error) return failed(diag, error);
    if (compiled->listing.length) { /* debuggers are told through GDB's JIT interface */
        error = LLVMOrcLLJITEnableDebugSupport(jit->lljit);
        if (error) return failed(diag, error);
    }
    LLVMOrcJITDylibRef lib = LLVMOrcLLJITGetMainJITDylib(jit->lljit);
    LLVMOrcDefinitionGeneratorRef process; /* memcpy and memset */
    error = LLVMOrcCreateDynamicLibrarySearchGeneratorForProcess(&process, LLVMOrcLLJITGetGlobalPrefix(jit->lljit),
                                                                 NULL, NULL);
    if (error) return failed(diag, error);
    LLVMOrcJITDylibAddGenerator(lib, process);
    for (size_t i = 0; i < arrlenu(compiled->objects); i++) {
        LLVMMemoryBufferRef buffer =
            LLVMCreateMemoryBufferWithMemoryRangeCopy(compiled->objects[i].bytes, compiled->objects[i].length, prefix);
        error = LLVMOrcLLJITAddObjectFile(jit->lljit, lib, buffer);
        if (error) return failed(diag, error);
    }
    static const char *const suffixes[] = {"", "_arena_for", "_description"};
    LLVMOrcExecutorAddress at[DS_COUNT(suffixes)];
    for (size_t i = 0; i < DS_COUNT(suffixes); i++) {
        char name[256];
        snprintf(name, sizeof name, "%s%s", prefix, suffixes[i]);
        error = LLVMOrcLLJITLookup(jit->lljit, &at[i], name);
        if (error) return failed(diag, error);
    }
    jit->entries =
        (ds_entries){(int (*)(ds_context *, void *))(uintptr_t)at[0],
                     (uint64_t(*)(const int64_t *, int64_t))(uintptr_t)at[1], (const char *)(uintptr_t)at[2]};
    return DS_OK;
}

void ds_jit_destroy(ds_jit *jit) {
    if (!jit) return;
    if (jit->lljit) LLVMConsumeError(LLVMOrcDisposeLLJIT(jit->lljit));
    free(jit);
}

ds_entries ds_jit_entries(const ds_jit *jit) { return jit->entries; }
