/* DWARF that takes the listing of loops for the source: a debugger steps through loop ops, a profiler counts samples on
 * them. */
#include <string.h>

#include "codegen/cpu/emit.h"

static void set_flag(emitter *e, const char *name, unsigned value) {
    LLVMAddModuleFlag(e->module, LLVMModuleFlagBehaviorWarning, name, strlen(name),
                      LLVMValueAsMetadata(LLVMConstInt(em_int(e, 32), value, 0)));
}

static unsigned line_of(emitter *e, const ds_op *op) {
    ds_op_line *lines = (ds_op_line *)(uintptr_t)e->lines; /* a lookup writes to the map's cache of one entry */
    ptrdiff_t temp, at = hmgeti_ts(lines, op, temp);
    return at < 0 ? 0 : lines[at].value;
}

void em_debug_function(emitter *e, const ds_op *func) {
    static const char producer[] = "dsc", folder[] = ".";
    const char *name = LLVMGetValueName(e->function);
    if (!e->listing) return;
    set_flag(e, "Debug Info Version", LLVMDebugMetadataVersion());
    e->debug = LLVMCreateDIBuilder(e->module);
    LLVMMetadataRef file = LLVMDIBuilderCreateFile(e->debug, e->listing, strlen(e->listing), folder, strlen(folder));
    LLVMDIBuilderCreateCompileUnit(e->debug, LLVMDWARFSourceLanguageC11, file, producer, strlen(producer), 1, "", 0, 0,
                                   "", 0, LLVMDWARFEmissionLineTablesOnly, 0, 0, 0, "", 0, "", 0);
    LLVMMetadataRef type = LLVMDIBuilderCreateSubroutineType(e->debug, file, NULL, 0, LLVMDIFlagZero);
    unsigned line = line_of(e, func);
    e->subprogram = LLVMDIBuilderCreateFunction(e->debug, file, name, strlen(name), name, strlen(name), file, line,
                                                type, 1, 1, line, LLVMDIFlagZero, 1);
    LLVMSetSubprogram(e->function, e->subprogram);
    em_debug_at(e, func);
}

void em_debug_at(emitter *e, const ds_op *op) {
    unsigned line = e->subprogram ? line_of(e, op) : 0;
    if (line)
        LLVMSetCurrentDebugLocation2(e->b, LLVMDIBuilderCreateDebugLocation(e->llvm, line, 1, e->subprogram, NULL));
}

void em_debug_end(emitter *e) {
    if (!e->debug) return;
    LLVMDIBuilderFinalize(e->debug);
    LLVMDisposeDIBuilder(e->debug);
}
