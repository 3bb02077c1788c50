/* Factors that are stored as something narrower, in registers: floats of 16 bits, bytes, and numbers of a few bits of which
 * a word of 32 bits holds several. */
#include <string.h>

#include "codegen/cpu/emit.h"
#include "ir/mma.h"

LLVMValueRef em_widened(emitter *e, ds_elem from, LLVMValueRef v, size_t lanes) {
    LLVMBuilderRef b = e->b;
    LLVMTypeRef floats = LLVMVectorType(em_elem(e, DS_f32), (unsigned)lanes),
                words = LLVMVectorType(em_int(e, 32), (unsigned)lanes);
    if (from == DS_f32) return v;
    if (from == DS_f16) {
        LLVMTypeRef halves = LLVMVectorType(LLVMHalfTypeInContext(e->llvm), (unsigned)lanes);
        return LLVMBuildFPExt(b, LLVMBuildBitCast(b, v, halves, ""), floats, "");
    }
    if (ds_elem_is_integer(from)) return LLVMBuildSIToFP(b, LLVMBuildSExt(b, v, words, ""), floats, "");
    LLVMValueRef half = em_splat(e, LLVMConstInt(em_int(e, 32), 16, 0), lanes); /* bf16: the upper halves */
    return LLVMBuildBitCast(b, LLVMBuildShl(b, LLVMBuildZExt(b, v, words, ""), half, ""), floats, "");
}

/* The numbers by a table in a register, of which instructions look at the last four bits of the place. */
static LLVMValueRef looked_up(emitter *e, LLVMValueRef words, unsigned shift, size_t lanes) {
    LLVMValueRef entries[16], by = em_splat(e, LLVMConstInt(em_int(e, 32), shift, 0), lanes);
    for (int i = 0; i < 16; i++) entries[i] = LLVMConstReal(em_elem(e, DS_f32), i < 8 ? i : i - 16);
    if (shift) words = LLVMBuildLShr(e->b, words, by, "");
    LLVMValueRef args[] = {LLVMConstVector(entries, 16), words};
    return em_call_intrinsic(e, "llvm.x86.avx512.permvar.sf.512", NULL, args, 2);
}

LLVMValueRef em_unpacked(emitter *e, const ds_mma *mma, LLVMValueRef words, size_t place, size_t lanes) {
    LLVMTypeRef i32 = em_int(e, 32), floats = LLVMVectorType(em_elem(e, DS_f32), (unsigned)lanes);
    unsigned bits = ds_elem_facts(mma->rhs)->bits, above = 32 - bits * ((unsigned)place + 1);
    if (!strcmp(mma->generator, "look_up") && lanes == 16) return looked_up(e, words, bits * (unsigned)place, lanes);
    if (above) words = LLVMBuildShl(e->b, words, em_splat(e, LLVMConstInt(i32, above, 0), lanes), "");
    words = LLVMBuildAShr(e->b, words, em_splat(e, LLVMConstInt(i32, 32 - bits, 0), lanes), "");
    return LLVMBuildSIToFP(e->b, words, floats, "");
}

LLVMValueRef em_halves(emitter *e, LLVMValueRef words, size_t place, size_t lanes) {
    LLVMTypeRef i32 = em_int(e, 32);
    LLVMValueRef low = em_splat(e, LLVMConstInt(i32, 0x0f0f0f0f, 0), lanes),
                 eight = em_splat(e, LLVMConstInt(i32, 0x08080808, 0), lanes);
    if (place) words = LLVMBuildLShr(e->b, words, em_splat(e, LLVMConstInt(i32, 4, 0), lanes), "");
    return LLVMBuildXor(e->b, LLVMBuildAnd(e->b, words, low, ""), eight, "");
}
