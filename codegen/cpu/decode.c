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

/* From byte `from` on of a register those of `columns` columns, as words. */
static LLVMValueRef spread_columns(emitter *e, LLVMValueRef bytes, unsigned from, unsigned of_column,
                                   unsigned columns) {
    enum { WORD = 4, MOST = 16 };
    LLVMValueRef places[MOST], none = LLVMConstNull(LLVMTypeOf(bytes));
    unsigned zero = LLVMGetVectorSize(LLVMTypeOf(bytes));
    for (unsigned i = 0; i < WORD * columns; i++) {
        unsigned place = i % WORD < of_column ? from + i / WORD * of_column + i % WORD : zero;
        places[i] = LLVMConstInt(em_int(e, 32), place, 0);
    }
    LLVMValueRef spread = LLVMBuildShuffleVector(e->b, bytes, none, LLVMConstVector(places, WORD * columns), "");
    return LLVMBuildBitCast(e->b, spread, LLVMVectorType(em_int(e, 32), columns), "");
}

static LLVMValueRef side_by_side(emitter *e, LLVMValueRef a, LLVMValueRef b) {
    LLVMValueRef places[64];
    unsigned count = 2 * LLVMGetVectorSize(LLVMTypeOf(a));
    for (unsigned i = 0; i < count; i++) places[i] = LLVMConstInt(em_int(e, 32), i, 0);
    return LLVMBuildShuffleVector(e->b, a, b, LLVMConstVector(places, count), "");
}

/* Four columns at a time from a register of their own, since bytes move inside of 16. The last ones end with it: behind them
 * nothing may be read. */
LLVMValueRef em_spread(emitter *e, LLVMValueRef p, unsigned of_column, size_t lanes) {
    enum { REGISTER = 16, AT_ONCE = 4 };
    LLVMValueRef parts[REGISTER];
    unsigned all = of_column * (unsigned)lanes, size = all < REGISTER ? all : REGISTER;
    unsigned columns = lanes < AT_ONCE ? (unsigned)lanes : AT_ONCE, count = (unsigned)lanes / columns;
    LLVMTypeRef i8 = em_int(e, 8);
    for (unsigned i = 0; i < count; i++) {
        unsigned at = i * columns * of_column, from = at + size > all ? all - size : at;
        LLVMValueRef first = em_i64(e, from), place = LLVMBuildGEP2(e->b, i8, p, &first, 1, "");
        LLVMValueRef bytes = LLVMBuildLoad2(e->b, LLVMVectorType(i8, size), place, "");
        LLVMSetAlignment(bytes, 1);
        parts[i] = spread_columns(e, bytes, at - from, of_column, columns);
    }
    for (; count > 1; count /= 2)
        for (unsigned i = 0; i < count / 2; i++) parts[i] = side_by_side(e, parts[2 * i], parts[2 * i + 1]);
    return parts[0];
}

/* The numbers by a table in a register, of which instructions look at the last three or four bits of the place. */
static LLVMValueRef looked_up(emitter *e, LLVMValueRef words, unsigned bits, unsigned shift, size_t lanes) {
    LLVMValueRef entries[16], by = em_splat(e, LLVMConstInt(em_int(e, 32), shift, 0), lanes);
    int count = 1 << bits;
    for (int i = 0; i < (int)lanes; i++) {
        int code = i % count;
        entries[i] = LLVMConstReal(em_elem(e, DS_f32), code < count / 2 ? code : code - count);
    }
    if (shift) words = LLVMBuildLShr(e->b, words, by, "");
    LLVMValueRef args[] = {LLVMConstVector(entries, (unsigned)lanes), words};
    return em_call_intrinsic(e, lanes == 16 ? "llvm.x86.avx512.permvar.sf.512" : "llvm.x86.avx2.permps", NULL, args, 2);
}

static bool fits_table(const ds_mma *mma, size_t lanes) {
    return !strcmp(mma->generator, "look_up") && (lanes == 8 || lanes == 16) &&
           lanes >= 1u << ds_elem_facts(mma->rhs)->bits;
}

LLVMValueRef em_unpacked(emitter *e, const ds_mma *mma, LLVMValueRef words, size_t place, size_t lanes) {
    LLVMTypeRef i32 = em_int(e, 32), floats = LLVMVectorType(em_elem(e, DS_f32), (unsigned)lanes);
    unsigned bits = ds_elem_facts(mma->rhs)->bits, above = 32 - bits * ((unsigned)place + 1);
    if (fits_table(mma, lanes)) return looked_up(e, words, bits, bits * (unsigned)place, lanes);
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
