/* Functions -> objects: targets, linking of kernels/ bitcode, the pass pipeline, threads. */
#include "codegen/cpu/cpu.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <llvm-c/Analysis.h>
#include <llvm-c/BitReader.h>
#include <llvm-c/Linker.h>
#include <llvm-c/Support.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <llvm-c/Transforms/PassBuilder.h>

#include "codegen/cpu/emit.h"
#include "kernels_bitcode.h" /* generated: one {name, arch, bytes, length} a file of kernels/ */

/* Short, printed here, without vectorisers and unrollers: the loop dialect did that (codegen-facts: the default pipelines cost ten times
 * the time and gain nothing). */
static const char pipeline[] = "always-inline,globaldce,function(sroa,early-cse,instcombine<no-verify-fixpoint>,simplifycfg,loop-mssa(licm)"
                               ",gvn,instcombine<no-verify-fixpoint>,dse,adce,simplifycfg)";
static const char quick_pipeline[] = "always-inline,globaldce,function(sroa,early-cse)";

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void initialise(void) {
    LLVMInitializeX86TargetInfo(), LLVMInitializeX86Target(), LLVMInitializeX86TargetMC(), LLVMInitializeX86AsmPrinter();
    LLVMInitializeX86AsmParser(); /* for kernels/cpu.c */
    LLVMInitializeAArch64TargetInfo(), LLVMInitializeAArch64Target(), LLVMInitializeAArch64TargetMC(), LLVMInitializeAArch64AsmPrinter();
    const char *const args[] = {"dsc", "-enable-misched=false"};
    LLVMParseCommandLineOptions(2, args, "");
}

typedef struct {
    ds_module *module;
    const ds_cpu_options *options;
    const ds_op **functions; /* stb_ds array: kernels, then the plan */
    const ds_weight *weights;
    ds_op_line *lines; /* stb_ds hash map, or NULL */
    ds_object *objects;
    const char **errors;
    size_t next;
    pthread_mutex_t lock;
} batch;

static LLVMTargetMachineRef make_machine(const ds_target *target, int optimise) {
    char triple[64], *message = NULL;
    LLVMTargetRef t;
    snprintf(triple, sizeof triple, "%s-unknown-linux-gnu", target->arch);
    if (LLVMGetTargetFromTriple(triple, &t, &message)) {
        LLVMDisposeMessage(message);
        return NULL;
    }
    return LLVMCreateTargetMachine(t, triple, target->cpu, target->features, optimise == 0 ? LLVMCodeGenLevelNone : LLVMCodeGenLevelDefault,
                                   LLVMRelocPIC, LLVMCodeModelDefault);
}

/* ---- bitcode of kernels/ ---- */

static void strip_target_attributes(LLVMModuleRef module) {
    static const char *const names[] = {
        "target-cpu", "target-features", "tune-cpu", "min-legal-vector-width", "probe-stack", "stack-protector-buffer-size"};
    for (LLVMValueRef f = LLVMGetFirstFunction(module); f; f = LLVMGetNextFunction(f))
        for (size_t i = 0; i < DS_COUNT(names); i++)
            LLVMRemoveStringAttributeAtIndex(f, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, names[i], (unsigned)strlen(names[i]));
}

/* Its functions are then compiled for the target, or for every machine where `portable`. */
static bool link_bitcode(emitter *e, const char *name, bool portable) {
    for (size_t i = 0; i < DS_COUNT(ds_bitcode_files); i++) {
        const ds_embedded_file *f = &ds_bitcode_files[i];
        if (strcmp(f->name, name) || strcmp(f->group, e->target->arch)) continue;
        LLVMMemoryBufferRef buffer = LLVMCreateMemoryBufferWithMemoryRange((const char *)f->bytes, (size_t)(f->end - f->bytes), name, 0);
        LLVMModuleRef from;
        if (LLVMParseBitcodeInContext2(e->llvm, buffer, &from)) return false;
        LLVMDisposeMemoryBuffer(buffer);
        strip_target_attributes(from);
        LLVMSetDataLayout(from, LLVMGetDataLayoutStr(e->module));
        LLVMSetTarget(from, LLVMGetTarget(e->module));
        for (LLVMValueRef v = LLVMGetFirstFunction(from); v; v = LLVMGetNextFunction(v))
            if (!LLVMIsDeclaration(v) && !LLVMGetNamedFunction(e->module, LLVMGetValueName(v))) LLVMSetLinkage(v, LLVMInternalLinkage);
        for (LLVMValueRef v = LLVMGetFirstFunction(from); portable && v; v = LLVMGetNextFunction(v)) em_make_portable(e, v);
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

static const char *finish(emitter *e, const ds_cpu_options *o, LLVMTargetMachineRef machine, ds_object *out) {
    char *message = NULL;
    if (!link_private(e)) return "bitcode of kernels/ does not link";
    if (LLVMVerifyModule(e->module, LLVMReturnStatusAction, &message)) return message;
    LLVMDisposeMessage(message);
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    LLVMErrorRef error = LLVMRunPasses(e->module, o->optimise ? pipeline : quick_pipeline, machine, options);
    LLVMDisposePassBuilderOptions(options);
    if (error) return LLVMGetErrorMessage(error);
    if (o->want_text) {
        char *text = LLVMPrintModuleToString(e->module);
        out->length = strlen(text);
        out->bytes = ds_xmalloc(out->length + 1);
        memcpy(out->bytes, text, out->length + 1);
        LLVMDisposeMessage(text);
        return NULL;
    }
    LLVMMemoryBufferRef buffer;
    if (LLVMTargetMachineEmitToMemoryBuffer(machine, e->module, o->want_assembly ? LLVMAssemblyFile : LLVMObjectFile, &message, &buffer))
        return message;
    out->length = LLVMGetBufferSize(buffer);
    out->bytes = ds_xmalloc(out->length + 1);
    memcpy(out->bytes, LLVMGetBufferStart(buffer), out->length);
    LLVMDisposeMemoryBuffer(buffer);
    return NULL;
}

static const char *compile_one(batch *b, size_t i, LLVMTargetMachineRef machine) {
    const ds_op *func = b->functions[i];
    const ds_cpu_options *o = b->options;
    emitter e = {.target = o->target, .prefix = o->prefix, .llvm = LLVMContextCreate(), .listing = o->listing, .lines = b->lines};
    e.module = LLVMModuleCreateWithNameInContext(ds_op_text(func, "name", ""), e.llvm);
    e.b = LLVMCreateBuilderInContext(e.llvm);
    char *triple = LLVMGetTargetMachineTriple(machine);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(machine);
    LLVMSetTarget(e.module, triple);
    LLVMSetModuleDataLayout(e.module, layout);
    LLVMDisposeTargetData(layout);
    LLVMDisposeMessage(triple);
    if (ds_op_attr(func, "inputs")) em_plan(&e, b->module, func, b->weights, o);
    else em_kernel(&e, b->module->cx, func);
    em_debug_end(&e);
    const char *error = e.error ? e.error : finish(&e, o, machine, &b->objects[i]);
    arrfree(e.values), arrfree(e.symbols);
    LLVMDisposeBuilder(e.b);
    LLVMDisposeModule(e.module);
    LLVMContextDispose(e.llvm);
    return error;
}

static void *worker(void *arg) {
    batch *b = arg;
    LLVMTargetMachineRef machine = make_machine(b->options->target, b->options->optimise);
    for (;;) {
        pthread_mutex_lock(&b->lock);
        size_t i = b->next++;
        pthread_mutex_unlock(&b->lock);
        if (i >= arrlenu(b->functions)) break;
        b->errors[i] = machine ? compile_one(b, i, machine) : "LLVM does not know this target";
    }
    if (machine) LLVMDisposeTargetMachine(machine);
    return NULL;
}

/* Kernels, then the plan, as they are compiled. */
static void print_listing(batch *b, ds_string *out) {
    unsigned line = 1;
    for (size_t i = 0; i < arrlenu(b->functions); i++) {
        const char *nodes = b->functions[i]->loc ? ds_loc_text(b->functions[i]->loc) : "";
        ds_string_printf(out, "// %s\n", nodes);
        line = ds_op_print_lines(out, b->functions[i], line + 1, &b->lines);
    }
}

/* ---- everything a plan needs ---- */

static void collect(ds_module *m, const ds_block *block, batch *b, ds_compiled *out) {
    for (const ds_op *op = block->first; op; op = op->next) {
        if (op->kind == DS_PLAN_call) {
            const ds_op *kernel = ds_module_find(m, ds_op_text(op, "kernel", ""));
            bool known = false;
            for (size_t i = 0; i < arrlenu(b->functions); i++) known = known || b->functions[i] == kernel;
            if (!known) arrput(b->functions, kernel);
        } else if (op->kind == DS_PLAN_weight) {
            const ds_attr *c = ds_op_attr(op, "constant");
            const ds_expr *bytes = ds_attr_to_expr(ds_op_attr(op, "bytes"));
            bool known = false;
            for (size_t i = 0; i < arrlenu(out->weights); i++) known = known || out->weights[i].constant == c;
            if (!known) {
                uint64_t size = c->kind == DS_ATTR_ELEMENTS ? c->count : (uint64_t)bytes->value;
                ds_weight w = {c, out->weight_bytes, size};
                arrput(out->weights, w);
                out->weight_bytes += (size + 63) & ~(uint64_t)63;
            }
        }
        for (size_t r = 0; r < op->region_count; r++) collect(m, ds_op_block(op, r), b, out);
    }
}

ds_status ds_cpu_compile(ds_module *m, const char *name, const ds_cpu_options *options, ds_compiled *out) {
    batch b = {.module = m, .options = options};
    const ds_op *plan = ds_module_find(m, name);
    *out = (ds_compiled){0};
    pthread_once(&once, initialise);
    collect(m, ds_op_block(plan, 0), &b, out);
    arrput(b.functions, plan);
    if (options->listing) print_listing(&b, &out->listing);
    size_t count = arrlenu(b.functions), jobs = options->jobs > 0 ? (size_t)options->jobs : (size_t)sysconf(_SC_NPROCESSORS_ONLN);
    arrsetlen(out->objects, count);
    memset(out->objects, 0, count * sizeof *out->objects);
    b.objects = out->objects, b.weights = out->weights;
    b.errors = ds_xmalloc(count * sizeof *b.errors);
    memset(b.errors, 0, count * sizeof *b.errors);
    pthread_mutex_init(&b.lock, NULL);
    pthread_t threads[64];
    if (jobs > DS_COUNT(threads)) jobs = DS_COUNT(threads);
    if (jobs > count) jobs = count;
    size_t started = 0;
    while (started + 1 < jobs && pthread_create(&threads[started], NULL, worker, &b) == 0) started++;
    worker(&b);
    for (size_t i = 0; i < started; i++) pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&b.lock);
    ds_status status = DS_OK;
    for (size_t i = 0; i < count; i++) {
        out->code_bytes += out->objects[i].length;
        if (b.errors[i] && status == DS_OK)
            status = ds_report(m->cx->diag, DS_ERROR, DS_E_llvm,
                               ds_arena_printf(m->arena, "function '%s', node '%s'", ds_op_text(b.functions[i], "name", ""),
                                               ds_loc_text(b.functions[i]->loc)),
                               "%s", b.errors[i]);
    }
    free(b.errors);
    arrfree(b.functions);
    hmfree(b.lines);
    return status;
}

void ds_compiled_free(ds_compiled *c) {
    for (size_t i = 0; i < arrlenu(c->objects); i++) free(c->objects[i].bytes);
    arrfree(c->objects), arrfree(c->weights);
    ds_string_free(&c->listing);
}
