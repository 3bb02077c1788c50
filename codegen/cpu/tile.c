/* loop.tile: the one micro-kernel generator. rows x columns vectors of sums
 *
 *   C[r][j] = sum over the window of A[row_r + window . lhs] * B[column_j + window . rhs … + lanes)
 *
 * The window's dims are loops, the last one unrolled (attribute `unroll`). Per step: `columns` loads of B, `rows`
 * broadcasts of A, rows * columns multiply-adds of a row of ir/mma.def, whose generator is multiply_NAME here. Sums go
 * along the window in order, one accumulator each, so the result does not depend on the tile's size, nor on how far it
 * is unrolled. Long sums are made of blocks of 256 steps whose sums are added up in memory: the rounding error grows
 * with the number of blocks, not of steps. Where B has a scale for every block of so many steps, the sums of such a
 * block are multiplied by it. Where A has scales, too, both are whole numbers: a block's sum of A, in a register for each
 * row, is what B being 8 too large has added.
 */
#include <stdio.h>
#include <string.h>

#include "codegen/cpu/emit.h"
#include "ir/machine.h"
#include "ir/mma.h"

enum { UNROLL = 4, MAX_TILE = 128, BLOCK = 256, NEAR = 12 }; /* UNROLL, NEAR: where the op does not say */

typedef struct {
    emitter *e;
    ds_ir_context *cx;
    const ds_op *op;
    const ds_mma *mma;
    size_t rows, columns, lanes, depth;
    int64_t unroll, near, block, line; /* near: lines; line: elements of B */
    const ds_attr *extent, *lhs, *rhs;
    LLVMValueRef a, b, row[16], column[16], mask[16];
    const ds_value *scale, *zero, *left; /* of blocks of B; scales of A's; or NULL */
    LLVMValueRef left_at[16];
    LLVMValueRef scaled[16], less[16]; /* where a column's lie, in elements; the zero points of a block */
    LLVMTypeRef vector, factors;       /* of accumulators, of B */
    LLVMTypeRef total;                 /* of sums: floats where accumulators are whole numbers of a block */
    size_t count, slots;               /* of accumulators; of those that go into results */
    LLVMValueRef sums;                 /* of blocks, in memory; NULL where one accumulator takes all */
    LLVMValueRef ahead;                /* what to prefetch: offset into B, or NULL */
    int64_t lines;                     /* of it, for every turn of the unrolled loop */
} tile;

static LLVMValueRef offset(tile *t, LLVMValueRef base, LLVMValueRef add) {
    return LLVMBuildAdd(t->e->b, base, add, "");
}

/* Elements that share bytes are counted in whole bytes. */
static LLVMValueRef element(tile *t, ds_elem elem, LLVMValueRef base, LLVMValueRef at) {
    ds_elem_unit unit = ds_elem_unit_of(elem);
    LLVMTypeRef type = em_elem(t->e, elem);
    if (unit.elements > 1) {
        at = LLVMBuildExactUDiv(t->e->b, at, em_i64(t->e, unit.elements), "");
        type = LLVMArrayType2(em_int(t->e, 8), unit.bytes);
    }
    return LLVMBuildGEP2(t->e->b, type, base, &at, 1, "");
}

static unsigned bytes_of(ds_elem elem) { return (ds_elem_facts(elem)->bits + 7) / 8; }

static LLVMValueRef load_vector(tile *t, LLVMValueRef at, LLVMValueRef mask) {
    LLVMValueRef p = element(t, t->mma->rhs, t->b, at);
    unsigned bytes = bytes_of(t->mma->rhs), of_column = ds_mma_column_bytes(t->mma);
    if (of_column) return em_spread(t->e, p, of_column, t->lanes);
    if (!mask) {
        LLVMValueRef v = LLVMBuildLoad2(t->e->b, t->factors, p, "");
        LLVMSetAlignment(v, bytes);
        return v;
    }
    LLVMTypeRef overloads[] = {t->factors, LLVMPointerTypeInContext(t->e->llvm, 0)};
    LLVMValueRef args[] = {p, LLVMConstInt(em_int(t->e, 32), bytes, 0), mask, LLVMConstNull(t->factors)};
    return em_call_overloaded(t->e, "llvm.masked.load", overloads, args, 4);
}

void em_fetch(emitter *e, LLVMValueRef address, unsigned level) {
    LLVMTypeRef i32 = em_int(e, 32);
    LLVMValueRef args[] = {address, LLVMConstInt(i32, 0, 0), LLVMConstInt(i32, level, 0), LLVMConstInt(i32, 1, 0)};
    em_call_intrinsic(e, "llvm.prefetch", LLVMTypeOf(address), args, 4);
}

/* Element `at` of B. */
static void fetch(tile *t, LLVMValueRef at, unsigned level) {
    em_fetch(t->e, element(t, t->mma->rhs, t->b, at), level);
}

/* Beside a turn's steps of a panel of B, from b_at on: so many lines of the next columns. */
static void fetch_ahead(tile *t, LLVMValueRef b_at) {
    emitter *e = t->e;
    if (!t->ahead) return;
    ds_panel panel = ds_mma_panel(t->mma);
    LLVMValueRef turn = LLVMBuildUDiv(e->b, b_at, em_i64(e, t->unroll * panel.columns * panel.group), "");
    LLVMValueRef skipped = LLVMBuildMul(e->b, turn, em_i64(e, t->lines * t->line), "");
    for (int64_t i = 0; i < t->lines; i++) fetch(t, offset(t, offset(t, t->ahead, skipped), em_i64(e, i * t->line)), 2);
}

/* Keeps the loads of later steps behind this place: LLVM would gather those that lie close together, and run out of
 * registers. */
static void keep_order(tile *t) {
    LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(t->e->llvm), NULL, 0, 0);
    LLVMValueRef nothing =
        LLVMGetInlineAsm(type, "", 0, "~{memory}", strlen("~{memory}"), 1, 0, LLVMInlineAsmDialectATT, 0);
    LLVMBuildCall2(t->e->b, type, nothing, NULL, 0, "");
}

/* Bytes are multiplied as words: what an instruction takes of a column at a time. */
static bool is_by_words(const tile *t) { return t->mma->k > 1; }

static bool is_by_squares(const tile *t) { return t->mma->shape == DS_MMA_SQUARE; }

static LLVMTypeRef with_words(tile *t, ds_elem elem) {
    bool words = is_by_words(t) && ds_elem_facts(elem)->bits < 32;
    LLVMTypeRef word = em_int(t->e, is_by_squares(t) ? 64 : 32);
    return LLVMVectorType(words ? word : em_elem(t->e, elem), (unsigned)t->lanes);
}

static LLVMValueRef multiply_fma(tile *t, LLVMValueRef a, LLVMValueRef b, LLVMValueRef sum) {
    emitter *e = t->e;
    LLVMValueRef args[] = {a, b, sum};
    if (e->target->has_fma) return em_call_intrinsic(e, "llvm.fma", t->total, args, 3);
    return LLVMBuildFAdd(e->b, sum, LLVMBuildFMul(e->b, a, b, ""), "");
}

/* What is multiplied are floats already: see factor_of. */
static LLVMValueRef multiply_widen(tile *t, LLVMValueRef a, LLVMValueRef b, LLVMValueRef sum) {
    return multiply_fma(t, a, b, sum);
}

static LLVMValueRef multiply_look_up(tile *t, LLVMValueRef a, LLVMValueRef b, LLVMValueRef sum) {
    return multiply_fma(t, a, b, sum);
}

typedef struct {
    LLVMValueRef even, odd;
} byte_pairs;

/* The even and the odd bytes of every word, as numbers of 16 bits. */
static byte_pairs split_bytes(tile *t, LLVMValueRef words, ds_elem elem) {
    LLVMBuilderRef b = t->e->b;
    LLVMTypeRef i16 = em_int(t->e, 16), pairs = LLVMVectorType(i16, 2 * (unsigned)t->lanes);
    LLVMValueRef v = LLVMBuildBitCast(b, words, pairs, ""),
                 byte = em_splat(t->e, LLVMConstInt(i16, 8, 0), 2 * t->lanes);
    if (ds_elem_is_unsigned(elem)) {
        LLVMValueRef low = em_splat(t->e, LLVMConstInt(i16, 255, 0), 2 * t->lanes);
        return (byte_pairs){LLVMBuildAnd(b, v, low, ""), LLVMBuildLShr(b, v, byte, "")};
    }
    return (byte_pairs){LLVMBuildAShr(b, LLVMBuildShl(b, v, byte, ""), byte, ""), LLVMBuildAShr(b, v, byte, "")};
}

/* Two neighbouring products of 16 bits, added, for every lane. */
static LLVMValueRef multiply_neighbours(tile *t, LLVMValueRef a, LLVMValueRef b) {
    emitter *e = t->e;
    if (*e->target->pairs && t->lanes * 4 == e->target->vector_bytes)
        return em_call_intrinsic(e, e->target->pairs, NULL, (LLVMValueRef[]){a, b}, 2);
    LLVMValueRef x[] = {LLVMBuildBitCast(e->b, a, t->vector, ""), LLVMBuildBitCast(e->b, b, t->vector, "")};
    LLVMValueRef half = em_splat(e, LLVMConstInt(em_int(e, 32), 16, 0), t->lanes), low[2], high[2];
    for (size_t i = 0; i < 2; i++) {
        low[i] = LLVMBuildAShr(e->b, LLVMBuildShl(e->b, x[i], half, ""), half, "");
        high[i] = LLVMBuildAShr(e->b, x[i], half, "");
    }
    LLVMValueRef first = LLVMBuildMul(e->b, low[0], low[1], ""), second = LLVMBuildMul(e->b, high[0], high[1], "");
    return LLVMBuildAdd(e->b, first, second, "");
}

/* The sum with a product of whole numbers, which LLVM would add to other products first: then these wait in registers
 * that the tile does not have. */
static LLVMValueRef add_in_order(tile *t, LLVMValueRef sum, LLVMValueRef product) {
    const char *constraints = strcmp(t->e->target->arch, "aarch64") == 0 ? "=w,0" : "=v,0";
    LLVMValueRef v = LLVMBuildAdd(t->e->b, sum, product, "");
    LLVMTypeRef type = LLVMFunctionType(t->vector, &t->vector, 1, 0);
    LLVMValueRef same =
        LLVMGetInlineAsm(type, "", 0, constraints, strlen(constraints), 0, 0, LLVMInlineAsmDialectATT, 0);
    return LLVMBuildCall2(t->e->b, type, same, &v, 1, "");
}

static LLVMValueRef multiply_pairs(tile *t, LLVMValueRef a, LLVMValueRef b, LLVMValueRef sum) {
    byte_pairs x = split_bytes(t, a, t->mma->lhs), y = split_bytes(t, b, t->mma->rhs);
    sum = add_in_order(t, sum, multiply_neighbours(t, x.even, y.even));
    return add_in_order(t, sum, multiply_neighbours(t, x.odd, y.odd));
}

static LLVMValueRef multiply_words(tile *t, LLVMValueRef a, LLVMValueRef b, LLVMValueRef sum) {
    LLVMTypeRef pairs = LLVMVectorType(em_int(t->e, 16), 2 * (unsigned)t->lanes);
    LLVMValueRef x = LLVMBuildBitCast(t->e->b, a, pairs, ""), y = LLVMBuildBitCast(t->e->b, b, pairs, "");
    return add_in_order(t, sum, multiply_neighbours(t, x, y));
}

/* Numbers of 16 bits that are upper halves of f32: those at even places, and those at odd ones. */
static LLVMValueRef multiply_halves(tile *t, LLVMValueRef a, LLVMValueRef b, LLVMValueRef sum) {
    LLVMBuilderRef build = t->e->b;
    LLVMTypeRef i32 = em_int(t->e, 32);
    LLVMValueRef half = em_splat(t->e, LLVMConstInt(i32, 16, 0), t->lanes),
                 upper = em_splat(t->e, LLVMConstInt(i32, 0xffff0000, 0), t->lanes), x[] = {a, b}, even[2], odd[2];
    for (size_t i = 0; i < 2; i++) {
        even[i] = LLVMBuildBitCast(build, LLVMBuildShl(build, x[i], half, ""), t->vector, "");
        odd[i] = LLVMBuildBitCast(build, LLVMBuildAnd(build, x[i], upper, ""), t->vector, "");
    }
    return multiply_fma(t, odd[0], odd[1], multiply_fma(t, even[0], even[1], sum));
}

/* Sums stay in the order of k, as each is what the next one is added to. */
static LLVMValueRef multiply_dots_bf16(tile *t, LLVMValueRef a, LLVMValueRef b, LLVMValueRef sum) {
    emitter *e = t->e;
    LLVMTypeRef numbers = LLVMVectorType(LLVMBFloatTypeInContext(e->llvm), 2 * (unsigned)t->lanes);
    LLVMValueRef args[] = {sum, LLVMBuildBitCast(e->b, a, numbers, ""), LLVMBuildBitCast(e->b, b, numbers, "")};
    char name[64];
    snprintf(name, sizeof name, "llvm.x86.avx512bf16.dpbf16ps.%u", (unsigned)t->lanes * 32);
    return em_call_intrinsic(e, name, NULL, args, 3);
}

static LLVMValueRef multiply_quads(tile *t, LLVMValueRef a, LLVMValueRef b, LLVMValueRef sum) {
    char name[64];
    snprintf(name, sizeof name, "llvm.x86.avx512.vpdpbusd.%u", (unsigned)t->lanes * 32);
    return em_call_intrinsic(t->e, name, NULL, (LLVMValueRef[]){sum, a, b}, 3);
}

static LLVMValueRef multiply_dots(tile *t, LLVMValueRef a, LLVMValueRef b, LLVMValueRef sum) {
    emitter *e = t->e;
    const char *name = ds_elem_is_unsigned(t->mma->lhs) ? "llvm.aarch64.neon.udot" : "llvm.aarch64.neon.sdot";
    LLVMTypeRef bytes = LLVMVectorType(em_int(e, 8), 4 * (unsigned)t->lanes), overloads[] = {t->vector, bytes};
    LLVMValueRef args[] = {sum, LLVMBuildBitCast(e->b, a, bytes, ""), LLVMBuildBitCast(e->b, b, bytes, "")};
    return em_call_overloaded(e, name, overloads, args, 3);
}

static LLVMValueRef multiply_half_pairs(tile *t, LLVMValueRef a, LLVMValueRef b, LLVMValueRef sum) {
    byte_pairs x = split_bytes(t, a, t->mma->lhs), y = split_bytes(t, b, DS_u8);
    sum = add_in_order(t, sum, multiply_neighbours(t, x.even, y.even));
    return add_in_order(t, sum, multiply_neighbours(t, x.odd, y.odd));
}

/* The sum with products of bytes without signs and bytes with them, whose sums of two are numbers of 16 bits. */
static LLVMValueRef add_bytes_in_order(tile *t, LLVMValueRef without, LLVMValueRef with, LLVMValueRef sum) {
    emitter *e = t->e;
    LLVMTypeRef bytes = LLVMVectorType(em_int(e, 8), 4 * (unsigned)t->lanes);
    LLVMValueRef args[] = {LLVMBuildBitCast(e->b, without, bytes, ""), LLVMBuildBitCast(e->b, with, bytes, "")};
    LLVMValueRef ones = em_splat(e, LLVMConstInt(em_int(e, 16), 1, 0), 2 * t->lanes);
    const char *name = t->lanes == 16 ? "llvm.x86.avx512.pmaddubs.w.512" : "llvm.x86.avx2.pmadd.ub.sw";
    return add_in_order(t, sum, multiply_neighbours(t, em_call_intrinsic(e, name, NULL, args, 2), ones));
}

/* Neighbouring products of a byte up to 15 and one with a sign stay far below 2^15. */
static LLVMValueRef multiply_half_words(tile *t, LLVMValueRef a, LLVMValueRef b, LLVMValueRef sum) {
    return add_bytes_in_order(t, b, a, sum);
}

/* Sums of two products are numbers of 16 bits: `fits` of the product says so. */
static LLVMValueRef multiply_sums(tile *t, LLVMValueRef a, LLVMValueRef b, LLVMValueRef sum) {
    return add_bytes_in_order(t, a, b, sum);
}

static LLVMValueRef multiply_half_quads(tile *t, LLVMValueRef a, LLVMValueRef b, LLVMValueRef sum) {
    return multiply_quads(t, b, a, sum);
}

static LLVMValueRef multiply_half_dots(tile *t, LLVMValueRef a, LLVMValueRef b, LLVMValueRef sum) {
    return multiply_dots(t, a, b, sum);
}

/* Sums of two rows and two columns, with the products of eight numbers of each. */
static LLVMValueRef multiply_squares(tile *t, LLVMValueRef a, LLVMValueRef b, LLVMValueRef sum) {
    emitter *e = t->e;
    bool same = ds_elem_is_unsigned(t->mma->lhs) == ds_elem_is_unsigned(t->mma->rhs);
    const char *name = !same                              ? "llvm.aarch64.neon.usmmla"
                       : ds_elem_is_unsigned(t->mma->lhs) ? "llvm.aarch64.neon.ummla"
                                                          : "llvm.aarch64.neon.smmla";
    LLVMTypeRef bytes = LLVMVectorType(em_int(e, 8), 4 * (unsigned)t->lanes), overloads[] = {t->vector, bytes};
    LLVMValueRef args[] = {sum, LLVMBuildBitCast(e->b, a, bytes, ""), LLVMBuildBitCast(e->b, b, bytes, "")};
    return em_call_overloaded(e, name, overloads, args, 3);
}

static LLVMValueRef multiply_squares_bf16(tile *t, LLVMValueRef a, LLVMValueRef b, LLVMValueRef sum) {
    emitter *e = t->e;
    LLVMTypeRef halves = LLVMVectorType(LLVMBFloatTypeInContext(e->llvm), 2 * (unsigned)t->lanes);
    LLVMValueRef args[] = {sum, LLVMBuildBitCast(e->b, a, halves, ""), LLVMBuildBitCast(e->b, b, halves, "")};
    return em_call_intrinsic(e, "llvm.aarch64.neon.bfmmla", NULL, args, 3);
}

/* The sums with the products of a row's broadcast and a vector of B, by rows of mma.def. */
typedef LLVMValueRef (*multiply)(tile *t, LLVMValueRef a, LLVMValueRef b, LLVMValueRef sum);

static multiply multiply_of(const ds_mma *mma) {
#define OF_VECTOR(generator) multiply_##generator
#define OF_SQUARE(generator) multiply_##generator
#define OF_TILE(generator) NULL /* matrix.c */
#define DS_MMA(name, lhs, rhs, sum, m, n, k, shape, needs, rate, parts, generator, doc) {#name, OF_##shape(generator)},
    static const struct {
        const char *name;
        multiply generate;
    } table[] = {
#include "ir/mma.def"
    };
#undef DS_MMA
#undef OF_TILE
#undef OF_SQUARE
#undef OF_VECTOR
    size_t i = 0;
    while (strcmp(table[i].name, mma->name) != 0) i++;
    return table[i].generate;
}

/* How often a vector of B is multiplied: for each number of a word, or for each that shares its bytes. */
static size_t in_turn(const tile *t) {
    ds_panel panel = ds_mma_panel(t->mma);
    return t->mma->lhs == DS_f32 ? panel.group : panel.parts;
}

/* What is multiplied of a vector of B. */
static LLVMValueRef factor_of(tile *t, LLVMValueRef v, size_t place, size_t column) {
    if (ds_mma_panel(t->mma).parts > 1) {
        unsigned bits = ds_elem_facts(t->mma->rhs)->bits;
        v = em_parts(t->e, bits, v, place, t->lanes);
        return ds_mma_sums_left(t->mma) ? v : em_signed_parts(t->e, bits, v, t->lanes);
    }
    if (t->mma->lhs != DS_f32) return v;
    if (is_by_words(t)) v = em_unpacked(t->e, t->mma, v, place, t->lanes);
    else v = em_widened(t->e, t->mma->rhs, v, t->lanes);
    return t->zero ? LLVMBuildFSub(t->e->b, v, t->less[column], "") : v;
}

/* The products of element `place` of the steps at these offsets. */
static void add_products(tile *t, LLVMValueRef a_at, const LLVMValueRef *b, size_t place, LLVMValueRef *acc) {
    emitter *e = t->e;
    LLVMValueRef factors[16];
    multiply generate = multiply_of(t->mma);
    size_t apart = ds_mma_panel(t->mma).group / in_turn(t);
    LLVMValueRef ones = em_splat(e, LLVMConstInt(em_int(e, 32), 0x01010101, 0), t->lanes);
    if (place) a_at = offset(t, a_at, em_i64(e, (int64_t)(place * apart)));
    for (size_t j = 0; j < t->columns; j++) factors[j] = factor_of(t, b[j], place, j);
    for (size_t r = 0; r < t->rows; r++) {
        LLVMValueRef at = element(t, t->mma->lhs, t->a, offset(t, t->row[r], a_at));
        LLVMValueRef x = LLVMBuildLoad2(e->b, LLVMGetElementType(with_words(t, t->mma->lhs)), at, "");
        LLVMSetAlignment(x, bytes_of(t->mma->lhs));
        LLVMValueRef wide = em_splat(e, x, t->lanes);
        for (size_t j = 0; j < t->columns; j++) {
            LLVMValueRef *c = &acc[r * t->columns + j];
            *c = generate(t, wide, factors[j], *c);
        }
        LLVMValueRef *all = &acc[t->rows * t->columns + r];
        if (ds_mma_sums_left(t->mma)) *all = generate(t, wide, ones, *all);
    }
    if (t->rows > 1) keep_order(t);
}

/* ---- two rows and two columns at a time ----
 *
 * A register of sums has both columns of the first row, then both of the second one. The accumulators of two rows and a
 * vector of four columns are such registers: of its first two columns where those of the first row are, and of the other
 * two where those of the second row are. */

/* Words of two rows side by side; of one that is left over, twice. */
static LLVMValueRef two_rows(tile *t, size_t r, LLVMValueRef a_at) {
    LLVMBuilderRef b = t->e->b;
    LLVMTypeRef word = LLVMGetElementType(with_words(t, t->mma->lhs));
    LLVMValueRef pair = LLVMGetPoison(LLVMVectorType(word, 2));
    for (size_t i = 0; i < 2; i++) {
        size_t row = r + i < t->rows ? r + i : r;
        LLVMValueRef x = LLVMBuildLoad2(b, word, element(t, t->mma->lhs, t->a, offset(t, t->row[row], a_at)), "");
        LLVMSetAlignment(x, bytes_of(t->mma->lhs));
        pair = LLVMBuildInsertElement(b, pair, x, em_i64(t->e, (int64_t)i), "");
    }
    return pair;
}

static LLVMValueRef chosen(tile *t, LLVMValueRef a, LLVMValueRef b, const unsigned *places, unsigned count) {
    LLVMValueRef at[16];
    for (unsigned i = 0; i < count; i++) at[i] = LLVMConstInt(em_int(t->e, 32), places[i], 0);
    return LLVMBuildShuffleVector(t->e->b, a, b, LLVMConstVector(at, count), "");
}

static LLVMValueRef load_column(tile *t, size_t j, LLVMValueRef b_at) {
    return load_vector(t, offset(t, t->column[j], b_at), t->mask[j]);
}

/* A vector of B is loaded where it is multiplied: words of two registers for each would not have room beside the sums. */
static void add_squares(tile *t, LLVMValueRef a_at, LLVMValueRef b_at, LLVMValueRef *acc) {
    static const unsigned of_half[2][2] = {{0, 1}, {2, 3}};
    LLVMValueRef a[16];
    multiply generate = multiply_of(t->mma);
    for (size_t r = 0; r < t->rows; r += 2) a[r] = two_rows(t, r, a_at);
    for (size_t j = 0; j < t->columns; j++) {
        LLVMValueRef b = load_column(t, j, b_at);
        for (size_t half = 0; half < 2; half++) {
            LLVMValueRef columns = chosen(t, b, b, of_half[half], 2);
            for (size_t r = 0; r < t->rows; r += 2) {
                LLVMValueRef *c = &acc[(r + half) * t->columns + j];
                *c = generate(t, a[r], columns, *c);
            }
        }
        if (t->rows > 1) keep_order(t);
    }
}

/* The sums row by row. */
static void take_rows(tile *t, LLVMValueRef *acc) {
    static const unsigned of_row[2][4] = {{0, 1, 4, 5}, {2, 3, 6, 7}};
    for (size_t r = 0; r < t->rows; r += 2)
        for (size_t j = 0; j < t->columns; j++) {
            LLVMValueRef *first = &acc[r * t->columns + j], *second = first + t->columns, left = *first;
            *first = chosen(t, left, *second, of_row[0], 4);
            *second = chosen(t, left, *second, of_row[1], 4);
        }
}

/* One step: acc += A row broadcasts x B vectors, at the given offsets into both. */
static void step(tile *t, LLVMValueRef a_at, LLVMValueRef b_at, LLVMValueRef *acc) {
    LLVMValueRef b[16];
    ds_panel panel = ds_mma_panel(t->mma);
    size_t vector = t->lanes * panel.group, vectors = vector < (size_t)t->line ? (size_t)t->line / vector : 1;
    if (vectors * t->lanes > panel.columns && t->lanes <= panel.columns) vectors = panel.columns / t->lanes;
    for (size_t j = 0; j < t->columns && !is_by_squares(t); j++) b[j] = load_column(t, j, b_at);
    if (t->near && (t->ahead ? t->rows > 1 : ds_op_attr(t->op, "near") != NULL))
        for (size_t j = 0; j < t->columns; j += vectors)
            fetch(t, offset(t, offset(t, t->column[j], b_at), em_i64(t->e, t->near * t->line)), 3);
    if (is_by_squares(t)) add_squares(t, a_at, b_at, acc);
    else
        for (size_t i = 0; i < in_turn(t); i++) add_products(t, a_at, b, i, acc);
}

typedef struct {
    LLVMBasicBlockRef head, body, done;
    LLVMValueRef i, phis[MAX_TILE];
} counted;

/* for (i = low; i < high; i += by) with the accumulators as phis */
static void open_loop(tile *t, counted *l, LLVMValueRef low, LLVMValueRef high, LLVMValueRef *acc) {
    emitter *e = t->e;
    LLVMBasicBlockRef from = LLVMGetInsertBlock(e->b);
    size_t n = t->count;
    l->head = em_block(e, "k"), l->body = em_block(e, "k.body"), l->done = em_block(e, "k.done");
    LLVMBuildBr(e->b, l->head);
    LLVMPositionBuilderAtEnd(e->b, l->head);
    l->i = LLVMBuildPhi(e->b, em_int(e, 64), "");
    LLVMAddIncoming(l->i, &low, &from, 1);
    for (size_t i = 0; i < n; i++) {
        l->phis[i] = LLVMBuildPhi(e->b, t->vector, "");
        LLVMAddIncoming(l->phis[i], &acc[i], &from, 1);
        acc[i] = l->phis[i];
    }
    LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, l->i, high, ""), l->body, l->done);
    LLVMPositionBuilderAtEnd(e->b, l->body);
}

static void close_loop(tile *t, counted *l, int64_t by, LLVMValueRef *acc) {
    emitter *e = t->e;
    LLVMValueRef next = LLVMBuildNSWAdd(e->b, l->i, em_i64(e, by), "");
    LLVMBasicBlockRef end = LLVMGetInsertBlock(e->b);
    LLVMBuildBr(e->b, l->head);
    LLVMAddIncoming(l->i, &next, &end, 1);
    for (size_t i = 0; i < t->count; i++) {
        LLVMAddIncoming(l->phis[i], &acc[i], &end, 1);
        acc[i] = l->phis[i];
    }
    LLVMPositionBuilderAtEnd(e->b, l->done);
}

static LLVMValueRef sum_slot(tile *t, size_t i) {
    LLVMValueRef at = em_i64(t->e, (int64_t)i);
    return LLVMBuildGEP2(t->e->b, t->total, t->sums, &at, 1, "");
}

/* The end of the whole turns of low … high - 1. Where a turn's steps are a power of two, low is a multiple of them: 0,
 * or where a block begins. */
static LLVMValueRef end_of_turns(tile *t, LLVMValueRef low, LLVMValueRef high) {
    LLVMBuilderRef b = t->e->b;
    if ((t->unroll & (t->unroll - 1)) == 0) return LLVMBuildAnd(b, high, em_i64(t->e, -t->unroll), "");
    LLVMValueRef rest = LLVMBuildURem(b, LLVMBuildSub(b, high, low, ""), em_i64(t->e, t->unroll), "");
    return LLVMBuildSub(b, high, rest, "");
}

/* May steps be left behind the whole turns of `extent` steps, or of a block? */
static bool leaves_steps(const tile *t, const ds_expr *extent) {
    int64_t known;
    return t->unroll > 1 &&
           (!ds_expr_is_const(extent, &known) || known % t->unroll || (t->sums && t->block % t->unroll));
}

/* Where numbers of the block that begins with step `k` lie, of which the first block's are at `first`. */
static LLVMValueRef block_place(tile *t, const ds_value *v, LLVMValueRef first, const char *apart, LLVMValueRef k) {
    LLVMValueRef number = LLVMBuildExactUDiv(t->e->b, k, em_i64(t->e, t->block), ""),
                 skipped = LLVMBuildMul(t->e->b, number, em_i64(t->e, ds_op_int(t->op, apart, 0)), "");
    return element(t, v->type->elem, em_value(t->e, v), offset(t, first, skipped));
}

/* The scales or zero points of a column's vector in the block that begins with step `k`, as f32. */
static LLVMValueRef of_block(tile *t, const ds_value *v, size_t column, LLVMValueRef k) {
    LLVMTypeRef type = LLVMVectorType(em_storage(t->e, v->type->elem), (unsigned)t->lanes);
    LLVMValueRef loaded = LLVMBuildLoad2(t->e->b, type, block_place(t, v, t->scaled[column], "apart", k), "");
    LLVMSetAlignment(loaded, 1);
    return em_widened(t->e, v->type->elem, loaded, t->lanes);
}

/* The scale of A's row, for every lane. */
static LLVMValueRef scale_of_row(tile *t, size_t row, LLVMValueRef k) {
    LLVMValueRef p = block_place(t, t->left, t->left_at[row], "apart_left", k);
    LLVMValueRef loaded = LLVMBuildLoad2(t->e->b, em_storage(t->e, t->left->type->elem), p, "");
    LLVMSetAlignment(loaded, 1);
    return em_widened(t->e, t->left->type->elem, em_splat(t->e, loaded, t->lanes), t->lanes);
}

/* A block's sum of whole numbers as a float: B's are too large by so much, and more as its zero points say. */
static LLVMValueRef of_whole(tile *t, LLVMValueRef sum, LLVMValueRef sum_of_a, LLVMValueRef too_large) {
    LLVMBuilderRef b = t->e->b;
    LLVMValueRef all = LLVMBuildSIToFP(b, sum_of_a, t->total, "");
    return multiply_fma(t, LLVMBuildFNeg(b, all, ""), too_large, LLVMBuildSIToFP(b, sum, t->total, ""));
}

/* Adds the sums of the block that begins with step `k` to those in memory. */
static void add_block(tile *t, LLVMValueRef k, const LLVMValueRef *acc) {
    LLVMBuilderRef b = t->e->b;
    const double half = 1u << (ds_elem_facts(t->mma->rhs)->bits - 1);
    LLVMValueRef too_large = em_splat(t->e, LLVMConstReal(em_elem(t->e, DS_f32), half), t->lanes);
    LLVMValueRef scale[16], less[16], of_row = NULL;
    for (size_t j = 0; t->scale && j < t->columns; j++) {
        scale[j] = of_block(t, t->scale, j, k);
        less[j] = t->zero && t->left ? LLVMBuildFAdd(b, of_block(t, t->zero, j, k), too_large, "") : too_large;
    }
    for (size_t i = 0; i < t->slots; i++) {
        size_t j = i % t->columns, r = i / t->columns;
        LLVMValueRef slot = sum_slot(t, i), sum = LLVMBuildLoad2(b, t->total, slot, ""), v = acc[i];
        if (t->left && j == 0) of_row = scale_of_row(t, r, k);
        if (ds_mma_sums_blocks(t->mma) && !t->left) v = LLVMBuildSIToFP(b, v, t->total, "");
        if (t->left) v = of_whole(t, v, acc[t->rows * t->columns + r], less[j]);
        if (t->left) v = LLVMBuildFMul(b, v, of_row, "");
        sum = t->scale ? multiply_fma(t, v, scale[j], sum) : LLVMBuildFAdd(b, sum, v, "");
        LLVMBuildStore(b, sum, slot);
    }
}

/* Of floats, whose factors are less these. */
static void load_zeros(tile *t, LLVMValueRef k) {
    for (size_t j = 0; t->zero && !t->left && j < t->columns; j++) t->less[j] = of_block(t, t->zero, j, k);
}

/* The innermost dim in blocks: each starts from zero and is added to the sums in memory. */
static void in_blocks(tile *t, size_t dim, LLVMValueRef a_at, LLVMValueRef b_at) {
    emitter *e = t->e;
    LLVMValueRef total = em_expr_attr(e, t->extent->items[dim]), as = em_expr_attr(e, t->lhs->items[dim]),
                 bs = em_expr_attr(e, t->rhs->items[dim]);
    LLVMValueRef none[MAX_TILE], acc[MAX_TILE];
    counted blocks, steps, rest;
    for (size_t i = 0; i < t->count; i++) none[i] = acc[i] = LLVMConstNull(t->vector);
    open_loop(t, &blocks, em_i64(e, 0), total, none);
    LLVMValueRef bounds[] = {LLVMBuildAdd(e->b, blocks.i, em_i64(e, t->block), ""), total},
                 high = em_call_intrinsic(e, "llvm.smin", em_int(e, 64), bounds, 2);
    LLVMValueRef whole = end_of_turns(t, blocks.i, high);
    load_zeros(t, blocks.i);
    open_loop(t, &steps, blocks.i, whole, acc);
    fetch_ahead(t, offset(t, b_at, LLVMBuildMul(e->b, steps.i, bs, "")));
    for (int64_t u = 0; u < t->unroll; u++) {
        LLVMValueRef k = LLVMBuildNSWAdd(e->b, steps.i, em_i64(e, u), "");
        step(t, offset(t, a_at, LLVMBuildMul(e->b, k, as, "")), offset(t, b_at, LLVMBuildMul(e->b, k, bs, "")), acc);
    }
    close_loop(t, &steps, t->unroll, acc);
    if (leaves_steps(t, ds_attr_to_expr(t->extent->items[dim]))) {
        open_loop(t, &rest, whole, high, acc);
        step(t, offset(t, a_at, LLVMBuildMul(e->b, rest.i, as, "")),
             offset(t, b_at, LLVMBuildMul(e->b, rest.i, bs, "")), acc);
        close_loop(t, &rest, 1, acc);
    }
    add_block(t, blocks.i, acc);
    close_loop(t, &blocks, t->block, none);
}

static void innermost(tile *t, size_t dim, LLVMValueRef a_at, LLVMValueRef b_at, LLVMValueRef *acc) {
    emitter *e = t->e;
    const ds_expr *extent = ds_attr_to_expr(t->extent->items[dim]);
    if (t->sums) {
        in_blocks(t, dim, a_at, b_at);
        return;
    }
    LLVMValueRef total = em_expr(e, extent, NULL, 1), as = em_expr_attr(e, t->lhs->items[dim]),
                 bs = em_expr_attr(e, t->rhs->items[dim]);
    int64_t known;
    bool fixed = ds_expr_is_const(extent, &known);
    LLVMValueRef low = em_i64(e, 0), whole = end_of_turns(t, low, total);
    if (!fixed || known >= t->unroll) {
        counted loop;
        open_loop(t, &loop, low, whole, acc);
        fetch_ahead(t, offset(t, b_at, LLVMBuildMul(e->b, loop.i, bs, "")));
        for (int64_t u = 0; u < t->unroll; u++) {
            LLVMValueRef k = LLVMBuildNSWAdd(e->b, loop.i, em_i64(e, u), "");
            step(t, offset(t, a_at, LLVMBuildMul(e->b, k, as, "")), offset(t, b_at, LLVMBuildMul(e->b, k, bs, "")),
                 acc);
        }
        close_loop(t, &loop, t->unroll, acc);
    }
    if (fixed) {
        for (int64_t k = known / t->unroll * t->unroll; k < known; k++)
            step(t, offset(t, a_at, LLVMBuildMul(e->b, em_i64(e, k), as, "")),
                 offset(t, b_at, LLVMBuildMul(e->b, em_i64(e, k), bs, "")), acc);
        return;
    }
    if (!leaves_steps(t, extent)) return;
    counted rest;
    open_loop(t, &rest, whole, total, acc);
    step(t, offset(t, a_at, LLVMBuildMul(e->b, rest.i, as, "")), offset(t, b_at, LLVMBuildMul(e->b, rest.i, bs, "")),
         acc);
    close_loop(t, &rest, 1, acc);
}

/* The sum of one step, which is a block of its own where blocks have scales. */
static void only_step(tile *t, LLVMValueRef a_at, LLVMValueRef b_at, LLVMValueRef *acc) {
    LLVMValueRef first = em_i64(t->e, 0);
    load_zeros(t, first);
    step(t, a_at, b_at, acc);
    if (t->sums) add_block(t, first, acc);
}

static void window(tile *t, size_t dim, LLVMValueRef a_at, LLVMValueRef b_at, LLVMValueRef *acc) {
    emitter *e = t->e;
    if (dim == t->depth) {
        if (t->depth) step(t, a_at, b_at, acc);
        else only_step(t, a_at, b_at, acc);
        return;
    }
    if (dim + 1 == t->depth) {
        innermost(t, dim, a_at, b_at, acc);
        return;
    }
    LLVMValueRef high = em_expr_attr(e, t->extent->items[dim]), as = em_expr_attr(e, t->lhs->items[dim]),
                 bs = em_expr_attr(e, t->rhs->items[dim]);
    counted loop;
    open_loop(t, &loop, em_i64(e, 0), high, acc);
    window(t, dim + 1, offset(t, a_at, LLVMBuildMul(e->b, loop.i, as, "")),
           offset(t, b_at, LLVMBuildMul(e->b, loop.i, bs, "")), acc);
    close_loop(t, &loop, 1, acc);
}

/* Of blocks with a scale: its operands follow masks. */
static void open_blocks(tile *t) {
    const ds_op *op = t->op;
    size_t at = 2 + t->rows + (ds_op_attr(op, "masked") ? 2 : 1) * t->columns;
    t->block = ds_op_int(op, "block", BLOCK);
    if (!ds_op_attr(op, "block")) return;
    t->scale = ds_op_operand(op, at++);
    if (ds_op_attr(op, "zeros")) t->zero = ds_op_operand(op, at++);
    for (size_t j = 0; j < t->columns; j++) t->scaled[j] = em_value(t->e, ds_op_operand(op, at + j));
    if (ds_mma_sums_left(t->mma)) t->left = ds_op_operand(op, at + t->columns);
    for (size_t r = 0; t->left && r < t->rows; r++)
        t->left_at[r] = em_value(t->e, ds_op_operand(op, at + t->columns + 1 + r));
    if (t->unroll > t->block) t->unroll = t->block; /* both are powers of two */
}

void em_tile(emitter *e, ds_ir_context *cx, const ds_op *op) {
    unsigned line = ds_machine_find(e->target->name, e->target->name)->line_bytes;
    tile t = {.e = e,
              .cx = cx,
              .op = op,
              .mma = ds_mma_of(op),
              .unroll = ds_op_int(op, "unroll", UNROLL),
              .near = ds_op_int(op, "near", NEAR),
              .rows = (size_t)ds_op_int(op, "rows", 1),
              .columns = (size_t)ds_op_int(op, "columns", 1),
              .lanes = (size_t)ds_op_int(op, "lanes", 1),
              .extent = ds_op_attr(op, "window"),
              .lhs = ds_op_attr(op, "lhs"),
              .rhs = ds_op_attr(op, "rhs")};
    LLVMValueRef acc[MAX_TILE];
    t.depth = t.extent->count;
    t.line = ds_elem_in_bytes(t.mma->rhs, ds_op_int(op, "line", line));
    open_blocks(&t);
    t.total = LLVMVectorType(em_elem(e, t.mma->sum), (unsigned)t.lanes);
    t.vector = ds_mma_sums_blocks(t.mma) ? LLVMVectorType(em_int(e, 32), (unsigned)t.lanes) : t.total;
    t.slots = (t.rows + t.mma->m - 1) / t.mma->m * t.mma->m * t.columns;
    t.count = t.slots + (ds_mma_sums_left(t.mma) ? t.rows : 0);
    t.factors = with_words(&t, t.mma->rhs);
    t.a = em_value(e, ds_op_operand(op, 0)), t.b = em_value(e, ds_op_operand(op, 1));
    for (size_t r = 0; r < t.rows; r++) t.row[r] = em_value(e, ds_op_operand(op, 2 + r));
    for (size_t j = 0; j < t.columns; j++) t.column[j] = em_value(e, ds_op_operand(op, 2 + t.rows + j));
    for (size_t j = 0; ds_op_attr(op, "masked") && j < t.columns; j++)
        t.mask[j] = em_value(e, ds_op_operand(op, 2 + t.rows + t.columns + j));
    t.lines = ds_op_int(op, "ahead", 0);
    if (t.lines) t.ahead = em_value(e, ds_op_operand(op, op->operand_count - 1));
    for (size_t i = 0; i < t.count; i++) acc[i] = LLVMConstNull(t.vector);
    int64_t steps;
    const ds_expr *inner = t.depth ? ds_attr_to_expr(t.extent->items[t.depth - 1]) : ds_expr_const(cx, 1);
    bool is_long = !ds_expr_is_const(inner, &steps) || steps > 2 * BLOCK;
    if (ds_elem_is_float(t.mma->sum) && (t.scale || is_long)) {
        t.sums = em_entry_alloca(e, LLVMArrayType2(t.total, t.slots));
        for (size_t i = 0; i < t.slots; i++) LLVMBuildStore(e->b, LLVMConstNull(t.total), sum_slot(&t, i));
    }
    window(&t, 0, em_i64(e, 0), em_i64(e, 0), acc);
    for (size_t i = 0; t.sums && i < t.slots; i++) acc[i] = LLVMBuildLoad2(e->b, t.total, sum_slot(&t, i), "");
    if (is_by_squares(&t)) take_rows(&t, acc);
    for (size_t i = 0; i < t.rows * t.columns; i++) em_set(e, &op->results[i], acc[i]);
}
