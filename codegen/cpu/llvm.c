/* One function from emission to code: targets, linking of kernels/ bitcode, the pass pipelines. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <llvm-c/Analysis.h>
#include <llvm-c/BitReader.h>
#include <llvm-c/Linker.h>
#include <llvm-c/Support.h>
#include <llvm-c/Target.h>
#include <llvm-c/Transforms/PassBuilder.h>

#include "codegen/cpu/compile.h"
#include "kernels_bitcode.h" /* generated: one {name, arch, bytes, length} a file of kernels/ */

/* Short, printed here, without vectorisers and unrollers: the loop dialect did that (codegen-facts: the default
 * pipelines cost ten times the time and gain nothing). */
static const char pipeline[] =
    "always-inline,globaldce,function(sroa,early-cse,instcombine<no-verify-fixpoint>,simplifycfg,loop-mssa(licm)"
    ",gvn,instcombine<no-verify-fixpoint>,dse,adce,simplifycfg)";
static const char quick_pipeline[] = "always-inline,globaldce,function(sroa,early-cse)";

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void initialise(void) {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeX86AsmParser(); /* for kernels/cpu.c, as below */
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
    LLVMInitializeAArch64AsmParser();
    const char *const args[] = {"dsc", "-enable-misched=false"};
    LLVMParseCommandLineOptions(2, args, "");
}

em_machine em_machine_open(const ds_target *target, bool quick) {
    char triple[64], *message = NULL;
    LLVMTargetRef t;
    pthread_once(&once, initialise);
    snprintf(triple, sizeof triple, "%s-unknown-linux-gnu", target->arch);
    if (LLVMGetTargetFromTriple(triple, &t, &message)) {
        LLVMDisposeMessage(message);
        return (em_machine){0};
    }
    LLVMCodeGenOptLevel level = quick ? LLVMCodeGenLevelNone : LLVMCodeGenLevelDefault;
    LLVMTargetMachineRef machine =
        LLVMCreateTargetMachine(t, triple, target->cpu, target->features, level, LLVMRelocPIC, LLVMCodeModelDefault);
    return (em_machine){machine, quick};
}

void em_machine_close(em_machine *machine) {
    if (machine->llvm) LLVMDisposeTargetMachine(machine->llvm);
    machine->llvm = NULL;
}

/* ---- bitcode of kernels/ ---- */

static void strip_target_attributes(LLVMModuleRef module) {
    static const char *const names[] = {"target-cpu",  "target-features",
                                        "tune-cpu",    "min-legal-vector-width",
                                        "probe-stack", "stack-protector-buffer-size"};
    for (LLVMValueRef f = LLVMGetFirstFunction(module); f; f = LLVMGetNextFunction(f))
        for (size_t i = 0; i < DS_COUNT(names); i++)
            LLVMRemoveStringAttributeAtIndex(f, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, names[i],
                                             (unsigned)strlen(names[i]));
}

/* Its functions are then compiled for the target, or for every machine where `portable`. */
static bool link_bitcode(emitter *e, const char *name, bool portable) {
    for (size_t i = 0; i < DS_COUNT(ds_bitcode_files); i++) {
        const ds_embedded_file *f = &ds_bitcode_files[i];
        if (strcmp(f->name, name) || strcmp(f->group, e->target->arch)) continue;
        LLVMMemoryBufferRef buffer =
            LLVMCreateMemoryBufferWithMemoryRange((const char *)f->bytes, (size_t)(f->end - f->bytes), name, 0);
        LLVMModuleRef from;
        if (LLVMParseBitcodeInContext2(e->llvm, buffer, &from)) return false;
        LLVMDisposeMemoryBuffer(buffer);
        strip_target_attributes(from);
        LLVMSetDataLayout(from, LLVMGetDataLayoutStr(e->module));
        LLVMSetTarget(from, LLVMGetTarget(e->module));
        for (LLVMValueRef v = LLVMGetFirstFunction(from); v; v = LLVMGetNextFunction(v))
            if (!LLVMIsDeclaration(v) && !LLVMGetNamedFunction(e->module, LLVMGetValueName(v)))
                LLVMSetLinkage(v, LLVMInternalLinkage);
        for (LLVMValueRef v = LLVMGetFirstFunction(from); portable && v; v = LLVMGetNextFunction(v))
            em_make_portable(e, v);
        LLVMValueRef used = LLVMGetNamedGlobal(from, "llvm.compiler.used");
        if (!used) used = LLVMGetNamedGlobal(from, "llvm.used");
        if (used) LLVMDeleteGlobal(used);
        return !LLVMLinkModules2(e->module, from);
    }
    return false;
}

static bool link_needed(emitter *e) {
    static const struct {
        unsigned lanes;
        const char *name;
    } widths[] = {{4, "math_4"}, {8, "math_8"}, {16, "math_16"}};
    for (size_t i = 0; i < DS_COUNT(widths); i++)
        if (e->math_lanes & widths[i].lanes && !link_bitcode(e, widths[i].name, false)) return false;
    if (e->needs_scalar && !link_bitcode(e, "scalar", false)) return false;
    if (e->needs_memory && !link_bitcode(e, "memory", false)) return false;
    if (e->needs_cpu && !link_bitcode(e, "cpu", true)) return false;
    return !e->needs_irregular || link_bitcode(e, "irregular", false);
}

static bool is_one_of(LLVMValueRef f, const LLVMValueRef *list) {
    for (size_t i = 0; i < arrlenu(list); i++)
        if (list[i] == f) return true;
    return false;
}

/* Links what the code calls of kernels/: private to this module, unlike its own functions, which are defined before. */
static bool link_private(emitter *e) {
    LLVMValueRef *own = NULL;
    for (LLVMValueRef f = LLVMGetFirstFunction(e->module); f; f = LLVMGetNextFunction(f))
        if (!LLVMIsDeclaration(f)) arrput(own, f);
    bool linked = link_needed(e);
    for (LLVMValueRef f = LLVMGetFirstFunction(e->module); f; f = LLVMGetNextFunction(f))
        if (!LLVMIsDeclaration(f) && !is_one_of(f, own)) LLVMSetLinkage(f, LLVMInternalLinkage);
    arrfree(own);
    return linked;
}

/* ---- one function ---- */

void em_open(emitter *e, const char *name, const ds_cpu_options *o, LLVMTargetMachineRef machine) {
    *e = (emitter){.target = o->target, .prefix = o->prefix, .llvm = LLVMContextCreate(), .listing = o->listing};
    e->module = LLVMModuleCreateWithNameInContext(name, e->llvm);
    e->b = LLVMCreateBuilderInContext(e->llvm);
    char *triple = LLVMGetTargetMachineTriple(machine);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(machine);
    LLVMSetTarget(e->module, triple);
    LLVMSetModuleDataLayout(e->module, layout);
    LLVMDisposeTargetData(layout);
    LLVMDisposeMessage(triple);
}

void em_close(emitter *e) {
    if (!e->llvm) return;
    arrfree(e->values);
    arrfree(e->symbols);
    LLVMDisposeBuilder(e->b);
    LLVMDisposeModule(e->module);
    LLVMContextDispose(e->llvm);
    e->llvm = NULL;
}

static void keep_bytes(ds_object *out, const char *bytes, size_t length) {
    out->length = length;
    out->bytes = ds_xmalloc(length + 1);
    memcpy(out->bytes, bytes, length);
}

const char *em_code(emitter *e, const ds_cpu_options *o, em_machine machine, ds_object *out) {
    char *message = NULL;
    if (!link_private(e)) return "bitcode of kernels/ does not link";
    if (LLVMVerifyModule(e->module, LLVMReturnStatusAction, &message)) return message;
    LLVMDisposeMessage(message);
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    LLVMErrorRef error = LLVMRunPasses(e->module, machine.quick ? quick_pipeline : pipeline, machine.llvm, options);
    LLVMDisposePassBuilderOptions(options);
    if (error) return LLVMGetErrorMessage(error);
    if (!machine.quick) em_hide_counters(e);
    if (o->want_text) {
        char *text = LLVMPrintModuleToString(e->module);
        keep_bytes(out, text, strlen(text));
        LLVMDisposeMessage(text);
        return NULL;
    }
    LLVMMemoryBufferRef buffer;
    LLVMCodeGenFileType type = o->want_assembly ? LLVMAssemblyFile : LLVMObjectFile;
    if (LLVMTargetMachineEmitToMemoryBuffer(machine.llvm, e->module, type, &message, &buffer)) return message;
    keep_bytes(out, LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer));
    LLVMDisposeMemoryBuffer(buffer);
    return NULL;
}
