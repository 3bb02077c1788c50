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

/* A byte in all four places of all words. */
static LLVMValueRef all_bytes(emitter *e, unsigned byte, size_t lanes) {
    return em_splat(e, LLVMConstInt(em_int(e, 32), byte * 0x01010101ull, 0), lanes);
}

LLVMValueRef em_parts(emitter *e, unsigned bits, LLVMValueRef words, size_t place, size_t lanes) {
    LLVMValueRef all = all_bytes(e, (1u << bits) - 1, lanes), half = all_bytes(e, 1u << (bits - 1), lanes),
                 below = em_splat(e, LLVMConstInt(em_int(e, 32), bits * place, 0), lanes);
    if (place) words = LLVMBuildLShr(e->b, words, below, "");
    return LLVMBuildXor(e->b, LLVMBuildAnd(e->b, words, all, ""), half, "");
}

LLVMValueRef em_signed_parts(emitter *e, unsigned bits, LLVMValueRef parts, size_t lanes) {
    LLVMTypeRef bytes = LLVMVectorType(em_int(e, 8), 4 * (unsigned)lanes);
    LLVMValueRef half = em_splat(e, LLVMConstInt(em_int(e, 8), 1u << (bits - 1), 0), 4 * lanes);
    return LLVMBuildBitCast(e->b, LLVMBuildSub(e->b, LLVMBuildBitCast(e->b, parts, bytes, ""), half, ""),
                            LLVMTypeOf(parts), "");
}
