#include "codegen/cpu/jit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <llvm-c/Core.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Orc.h>

struct ds_jit {
    LLVMOrcLLJITRef lljit;
    int (*entry)(ds_context *, void *);
    void *arena;
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
    LLVMOrcJITDylibRef lib = LLVMOrcLLJITGetMainJITDylib(jit->lljit);
    LLVMOrcDefinitionGeneratorRef process; /* memcpy and memset */
    error = LLVMOrcCreateDynamicLibrarySearchGeneratorForProcess(&process, LLVMOrcLLJITGetGlobalPrefix(jit->lljit), NULL, NULL);
    if (error) return failed(diag, error);
    LLVMOrcJITDylibAddGenerator(lib, process);
    for (size_t i = 0; i < arrlenu(compiled->objects); i++) {
        LLVMMemoryBufferRef buffer = LLVMCreateMemoryBufferWithMemoryRangeCopy(compiled->objects[i].bytes, compiled->objects[i].length, prefix);
        error = LLVMOrcLLJITAddObjectFile(jit->lljit, lib, buffer);
        if (error) return failed(diag, error);
    }
    LLVMOrcExecutorAddress at;
    error = LLVMOrcLLJITLookup(jit->lljit, &at, prefix);
    if (error) return failed(diag, error);
    jit->entry = (int (*)(ds_context *, void *))(uintptr_t)at;
    char name[256];
    snprintf(name, sizeof name, "%s_arena_bytes", prefix);
    error = LLVMOrcLLJITLookup(jit->lljit, &at, name);
    if (error) return failed(diag, error);
    jit->arena = (void *)(uintptr_t)at;
    return DS_OK;
}

void ds_jit_destroy(ds_jit *jit) {
    if (!jit) return;
    if (jit->lljit) LLVMConsumeError(LLVMOrcDisposeLLJIT(jit->lljit));
    free(jit);
}

int ds_jit_call(const ds_jit *jit, ds_context *context, void *args) { return jit->entry(context, args); }

uint64_t ds_jit_arena_bytes(const ds_jit *jit, const int64_t *s, size_t count, int64_t lanes) {
    /* the function takes `count` + 1 integers; x86-64 and aarch64 callers may pass more than it reads */
    int64_t a[33] = {0};
    for (size_t i = 0; i < count && i < 32; i++) a[i] = s[i];
    a[count < 32 ? count : 32] = lanes;
    typedef uint64_t fn(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t,
                        int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t);
    return ((fn *)jit->arena)(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11], a[12], a[13], a[14], a[15], a[16], a[17], a[18], a[19], a[20], a[21],
                              a[22], a[23], a[24], a[25], a[26], a[27], a[28], a[29], a[30], a[31], a[32]);
}
