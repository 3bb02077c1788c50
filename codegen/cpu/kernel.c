/* Loop functions -> LLVM functions void f(frame, piece, lane).
 *
 * The frame is an array of 8-byte slots: buffers of operands and results, symbols, offsets of scratch buffers, then the
 * scratch memory's base and its bytes a lane (codegen/cpu/plan.c fills it).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/cpu/emit.h"
#include "codegen/frame.h"
#include "ir/eval.h"

void em_set(emitter *e, const ds_value *v, LLVMValueRef to) {
    while (arrlenu(e->values) <= v->id) arrput(e->values, NULL);
    e->values[v->id] = to;
}

/* ---- memory ---- */

static bool is_vector_type(const ds_type *t) { return t->kind == DS_TYPE_VECTOR; }

static LLVMValueRef to_register(emitter *e, ds_elem elem, LLVMValueRef v) {
    return elem == DS_b1 ? LLVMBuildICmp(e->b, LLVMIntNE, v, LLVMConstNull(LLVMTypeOf(v)), "") : v;
}

static LLVMValueRef to_memory(emitter *e, ds_elem elem, LLVMValueRef v) {
    if (elem != DS_b1) return v;
    LLVMTypeRef t = LLVMTypeOf(v), i8 = em_int(e, 8);
    if (LLVMGetTypeKind(t) == LLVMVectorTypeKind) i8 = LLVMVectorType(i8, LLVMGetVectorSize(t));
    return LLVMBuildZExt(e->b, v, i8, "");
}

static LLVMValueRef gep(emitter *e, ds_elem elem, LLVMValueRef base, LLVMValueRef at) {
    return LLVMBuildGEP2(e->b, em_storage(e, elem), base, &at, 1, "");
}

static LLVMValueRef align_of(emitter *e, ds_elem elem) {
    unsigned bytes = ds_elem_facts(elem)->bits / 8;
    (void)bytes;
    return LLVMConstInt(em_int(e, 32), 1, 0); /* the caller's data and mapped weights need no alignment */
}

typedef struct {
    LLVMValueRef base, at; /* at: i64, or a vector of them */
    LLVMValueRef mask;     /* or NULL */
    LLVMValueRef spare;    /* with a mask, of element types that share bytes: memory for what is masked off */
    bool scattered;
} place;

static place place_of(emitter *e, const ds_op *op, size_t first) {
    const ds_attr *map = ds_op_attr(op, "map");
    LLVMValueRef dims[64];
    size_t n = (size_t)map->integer;
    place p = {.base = em_value(e, ds_op_operand(op, first))};
    for (size_t i = 0; i < n; i++) {
        dims[i] = em_value(e, ds_op_operand(op, first + 1 + i));
        p.scattered = p.scattered || is_vector_type(ds_op_operand(op, first + 1 + i)->type);
    }
    p.at = em_expr(e, map->exprs[0], dims, 1);
    if (ds_op_attr(op, "masked")) p.mask = em_value(e, ds_op_operand(op, op->operand_count - 1));
    if (p.mask && ds_elem_facts(ds_op_operand(op, first)->type->elem)->packed) {
        p.spare = em_entry_alloca(e, em_int(e, 8));
        LLVMBuildStore(e->b, LLVMConstNull(em_int(e, 8)), p.spare);
    }
    return p;
}

/* Element types that share bytes go lane by lane. */
static LLVMValueRef lane_of(emitter *e, LLVMValueRef v, unsigned lane) {
    return LLVMGetTypeKind(LLVMTypeOf(v)) == LLVMVectorTypeKind ? LLVMBuildExtractElement(e->b, v, em_i64(e, lane), "")
                                                                : v;
}

static LLVMValueRef packed_index(emitter *e, const place *p, unsigned lane) {
    return p->scattered ? lane_of(e, p->at, lane) : LLVMBuildAdd(e->b, p->at, em_i64(e, lane), "");
}

/* Where an element has its bits: those of its first byte from `shift` on, and where not all elements of its type lie in one
 * byte, the rest in the lowest ones of `last`. */
typedef struct {
    LLVMValueRef first, last, shift;
    LLVMTypeRef word; /* that holds both bytes */
} packed_bits;

static bool may_straddle(ds_elem elem) { return 8 % ds_elem_facts(elem)->bits != 0; }

/* A byte on the stack where the lane is masked off. */
static LLVMValueRef packed_byte(emitter *e, const place *p, unsigned lane, LLVMValueRef bit) {
    LLVMTypeRef i8 = em_int(e, 8);
    LLVMValueRef byte = LLVMBuildUDiv(e->b, bit, em_i64(e, 8), ""),
                 pointer = LLVMBuildGEP2(e->b, i8, p->base, &byte, 1, "");
    return p->mask ? LLVMBuildSelect(e->b, lane_of(e, p->mask, lane), pointer, p->spare, "") : pointer;
}

static packed_bits packed_at(emitter *e, ds_elem elem, const place *p, unsigned lane) {
    int64_t bits = ds_elem_facts(elem)->bits;
    bool two = may_straddle(elem);
    LLVMValueRef bit = LLVMBuildMul(e->b, packed_index(e, p, lane), em_i64(e, bits), "");
    packed_bits at = {.first = packed_byte(e, p, lane, bit), .word = em_int(e, two ? 16 : 8)};
    if (two) at.last = packed_byte(e, p, lane, LLVMBuildAdd(e->b, bit, em_i64(e, bits - 1), ""));
    at.shift = LLVMBuildTrunc(e->b, LLVMBuildURem(e->b, bit, em_i64(e, 8), ""), at.word, "");
    return at;
}

/* Both bytes, the first in the low bits. */
static LLVMValueRef packed_word(emitter *e, const packed_bits *at) {
    LLVMTypeRef i8 = em_int(e, 8);
    LLVMValueRef first = LLVMBuildZExt(e->b, LLVMBuildLoad2(e->b, i8, at->first, ""), at->word, "");
    if (!at->last) return first;
    LLVMValueRef last = LLVMBuildZExt(e->b, LLVMBuildLoad2(e->b, i8, at->last, ""), at->word, "");
    return LLVMBuildOr(e->b, first, LLVMBuildShl(e->b, last, LLVMConstInt(at->word, 8, 0), ""), "");
}

static LLVMValueRef load_each(emitter *e, const ds_op *op, const place *p) {
    const ds_type *type = op->results[0].type;
    unsigned lanes = is_vector_type(type) ? (unsigned)type->rank : 1, bits = ds_elem_facts(type->elem)->bits;
    LLVMTypeRef i8 = em_int(e, 8);
    LLVMValueRef result = LLVMGetPoison(em_type(e, type)), up = LLVMConstInt(i8, 8 - bits, 0);
    for (unsigned i = 0; i < lanes; i++) {
        packed_bits at = packed_at(e, type->elem, p, i);
        LLVMValueRef word = LLVMBuildLShr(e->b, packed_word(e, &at), at.shift, "");
        LLVMValueRef v = LLVMBuildShl(e->b, LLVMBuildTrunc(e->b, word, i8, ""), up, "");
        v = ds_elem_facts(type->elem)->class == DS_CLASS_SINT ? LLVMBuildAShr(e->b, v, up, "")
                                                              : LLVMBuildLShr(e->b, v, up, "");
        result = lanes > 1 ? LLVMBuildInsertElement(e->b, result, v, em_i64(e, i), "") : v;
    }
    return result;
}

/* Byte by byte of elements that lie in these of some bytes, as words: in which each begins (last: 0) or ends. */
static LLVMValueRef bytes_of_lanes(emitter *e, LLVMValueRef bytes, unsigned lanes, unsigned bits, unsigned last) {
    LLVMValueRef copies[64];
    for (unsigned i = 0; i < lanes; i++) copies[i] = LLVMConstInt(em_int(e, 32), (i * bits + last) / 8, 0);
    LLVMValueRef chosen = LLVMBuildShuffleVector(e->b, bytes, bytes, LLVMConstVector(copies, lanes), "");
    return LLVMBuildZExt(e->b, chosen, LLVMVectorType(em_int(e, 32), lanes), "");
}

/* Neighbours that begin with a byte: each byte as often as it has elements, which its copies are shifted by. */
static LLVMValueRef load_row(emitter *e, const ds_type *type, const place *p) {
    ds_elem_unit unit = ds_elem_unit_of(type->elem);
    unsigned lanes = (unsigned)type->rank, bits = ds_elem_facts(type->elem)->bits;
    LLVMTypeRef i32 = em_int(e, 32), row = LLVMVectorType(em_int(e, 8), lanes / unit.elements * unit.bytes);
    LLVMTypeRef units = LLVMArrayType2(em_int(e, 8), unit.bytes);
    LLVMValueRef first = LLVMBuildUDiv(e->b, p->at, em_i64(e, unit.elements), ""), below[64], up;
    LLVMValueRef bytes = LLVMBuildLoad2(e->b, row, LLVMBuildGEP2(e->b, units, p->base, &first, 1, ""), "");
    LLVMSetAlignment(bytes, 1);
    for (unsigned i = 0; i < lanes; i++) below[i] = LLVMConstInt(i32, 32 - bits - i * bits % 8, 0);
    LLVMValueRef v = bytes_of_lanes(e, bytes, lanes, bits, 0);
    if (may_straddle(type->elem)) {
        LLVMValueRef eight = em_splat(e, LLVMConstInt(i32, 8, 0), lanes);
        v = LLVMBuildOr(e->b, v, LLVMBuildShl(e->b, bytes_of_lanes(e, bytes, lanes, bits, bits - 1), eight, ""), "");
    }
    v = LLVMBuildShl(e->b, v, LLVMConstVector(below, lanes), "");
    up = em_splat(e, LLVMConstInt(i32, 32 - bits, 0), lanes);
    bool is_signed = ds_elem_facts(type->elem)->class == DS_CLASS_SINT;
    v = is_signed ? LLVMBuildAShr(e->b, v, up, "") : LLVMBuildLShr(e->b, v, up, "");
    return LLVMBuildTrunc(e->b, v, em_type(e, type), "");
}

/* Neighbours are loaded together where they begin with a byte. */
static LLVMValueRef load_packed(emitter *e, const ds_op *op, const place *p) {
    const ds_type *type = op->results[0].type;
    unsigned lanes = is_vector_type(type) ? (unsigned)type->rank : 1, per = ds_elem_unit_of(type->elem).elements;
    if (p->scattered || p->mask || lanes % per || lanes > 64) return load_each(e, op, p);
    LLVMBasicBlockRef row = em_block(e, "row"), each = em_block(e, "each"), done = em_block(e, "loaded");
    LLVMValueRef in = LLVMBuildURem(e->b, p->at, em_i64(e, per), ""), v[2];
    LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntEQ, in, em_i64(e, 0), ""), row, each);
    LLVMBasicBlockRef from[2] = {row, each};
    for (size_t i = 0; i < 2; i++) {
        LLVMPositionBuilderAtEnd(e->b, from[i]);
        v[i] = i ? load_each(e, op, p) : load_row(e, type, p);
        LLVMBuildBr(e->b, done);
    }
    LLVMPositionBuilderAtEnd(e->b, done);
    LLVMValueRef result = LLVMBuildPhi(e->b, em_type(e, type), "");
    LLVMAddIncoming(result, v, from, 2);
    return result;
}

/* These bits of a byte, the others as they are. */
static void store_bits(emitter *e, LLVMValueRef pointer, LLVMValueRef v, LLVMValueRef which) {
    LLVMTypeRef i8 = em_int(e, 8);
    LLVMValueRef old = LLVMBuildLoad2(e->b, i8, pointer, "");
    old = LLVMBuildAnd(e->b, old, LLVMBuildNot(e->b, LLVMBuildTrunc(e->b, which, i8, ""), ""), "");
    LLVMBuildStore(e->b, LLVMBuildOr(e->b, old, LLVMBuildTrunc(e->b, v, i8, ""), ""), pointer);
}

/* Where an element lies in one byte, nothing is left of it for the last one. */
static void store_packed(emitter *e, const ds_value *value, const place *p) {
    unsigned lanes = is_vector_type(value->type) ? (unsigned)value->type->rank : 1,
             bits = ds_elem_facts(value->type->elem)->bits;
    LLVMValueRef all = em_value(e, value);
    for (unsigned i = 0; i < lanes; i++) {
        packed_bits at = packed_at(e, value->type->elem, p, i);
        LLVMValueRef ones = LLVMConstInt(at.word, (1u << bits) - 1, 0), eight = LLVMConstInt(at.word, 8, 0),
                     v = LLVMBuildZExt(e->b, lanes > 1 ? lane_of(e, all, i) : all, at.word, "");
        v = LLVMBuildShl(e->b, LLVMBuildAnd(e->b, v, ones, ""), at.shift, "");
        LLVMValueRef which = LLVMBuildShl(e->b, ones, at.shift, "");
        store_bits(e, at.first, v, which);
        if (at.last) store_bits(e, at.last, LLVMBuildLShr(e->b, v, eight, ""), LLVMBuildLShr(e->b, which, eight, ""));
    }
}

static LLVMValueRef load(emitter *e, const ds_op *op) {
    const ds_type *type = op->results[0].type;
    place p = place_of(e, op, 0);
    LLVMTypeRef storage = em_storage(e, type->elem), pointer = LLVMPointerTypeInContext(e->llvm, 0);
    if (ds_elem_facts(type->elem)->packed) return load_packed(e, op, &p);
    if (!is_vector_type(type)) {
        LLVMValueRef at = p.mask ? LLVMBuildSelect(e->b, p.mask, p.at, em_i64(e, 0), "") : p.at;
        LLVMValueRef v = LLVMBuildLoad2(e->b, storage, gep(e, type->elem, p.base, at), "");
        LLVMSetAlignment(v, 1);
        if (p.mask) v = LLVMBuildSelect(e->b, p.mask, v, LLVMConstNull(storage), "");
        return to_register(e, type->elem, v);
    }
    unsigned lanes = (unsigned)type->rank;
    LLVMTypeRef vector = LLVMVectorType(storage, lanes), overloads[] = {vector, pointer};
    if (!p.scattered && !p.mask) {
        LLVMValueRef v = LLVMBuildLoad2(e->b, vector, gep(e, type->elem, p.base, p.at), "");
        LLVMSetAlignment(v, 1);
        return to_register(e, type->elem, v);
    }
    LLVMValueRef ones = LLVMConstAllOnes(LLVMVectorType(em_int(e, 1), lanes));
    LLVMValueRef args[] = {gep(e, type->elem, p.base, p.at), align_of(e, type->elem), p.mask ? p.mask : ones,
                           LLVMConstNull(vector)};
    if (p.scattered) overloads[1] = LLVMVectorType(pointer, lanes);
    return to_register(
        e, type->elem,
        em_call_overloaded(e, p.scattered ? "llvm.masked.gather" : "llvm.masked.load", overloads, args, 4));
}

static void store(emitter *e, const ds_op *op) {
    const ds_value *value = ds_op_operand(op, 0);
    const ds_type *type = value->type;
    place p = place_of(e, op, 1);
    LLVMTypeRef pointer = LLVMPointerTypeInContext(e->llvm, 0);
    if (ds_elem_facts(type->elem)->packed) {
        store_packed(e, value, &p);
        return;
    }
    LLVMValueRef v = to_memory(e, type->elem, em_value(e, value)), to = gep(e, type->elem, p.base, p.at);
    if (!is_vector_type(type) || (!p.mask && !p.scattered)) {
        LLVMSetAlignment(LLVMBuildStore(e->b, v, to), 1);
        return;
    }
    LLVMTypeRef overloads[] = {LLVMTypeOf(v), p.scattered ? LLVMVectorType(pointer, (unsigned)type->rank) : pointer};
    LLVMValueRef ones = LLVMConstAllOnes(LLVMVectorType(em_int(e, 1), (unsigned)type->rank));
    LLVMValueRef args[] = {v, to, align_of(e, type->elem), p.mask ? p.mask : ones};
    em_call_overloaded(e, p.scattered ? "llvm.masked.scatter" : "llvm.masked.store", overloads, args, 4);
}

/* ---- control ---- */

static void emit_ops(emitter *e, ds_ir_context *cx, const ds_block *block);

static void emit_for(emitter *e, ds_ir_context *cx, const ds_op *op) {
    const ds_block *body = ds_op_block(op, 0);
    size_t carried = op->result_count;
    LLVMValueRef low = em_value(e, ds_op_operand(op, 0)), high = em_value(e, ds_op_operand(op, 1)),
                 by = em_value(e, ds_op_operand(op, 2)),
                 *phis = ds_xmalloc((carried + 1) * sizeof *phis); /* the position, then what is carried */
    LLVMBasicBlockRef from = LLVMGetInsertBlock(e->b), head = em_block(e, "for"), inside = em_block(e, "for.body"),
                      done = em_block(e, "for.done");
    LLVMBuildBr(e->b, head);
    LLVMPositionBuilderAtEnd(e->b, head);
    for (size_t i = 0; i <= carried; i++) {
        LLVMValueRef start = i ? em_value(e, ds_op_operand(op, 2 + i)) : low;
        phis[i] = LLVMBuildPhi(e->b, LLVMTypeOf(start), "");
        LLVMAddIncoming(phis[i], &start, &from, 1);
        em_set(e, body->args[i], phis[i]);
        if (i) em_set(e, &op->results[i - 1], phis[i]);
    }
    LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, phis[0], high, ""), inside, done);
    LLVMPositionBuilderAtEnd(e->b, inside);
    if (ds_op_attr(op, "counter")) em_define_symbol(e, ds_op_text(op, "counter", ""), phis[0]);
    emit_ops(e, cx, body);
    LLVMBasicBlockRef end = LLVMGetInsertBlock(e->b);
    LLVMValueRef next = LLVMBuildNSWAdd(e->b, phis[0], by, "");
    LLVMBuildBr(e->b, head);
    LLVMAddIncoming(phis[0], &next, &end, 1);
    for (size_t i = 0; i < carried; i++) {
        LLVMValueRef v = em_value(e, ds_op_operand(body->last, i));
        LLVMAddIncoming(phis[i + 1], &v, &end, 1);
    }
    free(phis);
    LLVMPositionBuilderAtEnd(e->b, done);
}

/* Halves are combined until one lane is left: ((0+8)+(4+12)) + … for 16. */
static void emit_fold(emitter *e, ds_ir_context *cx, const ds_op *op) {
    const ds_block *body = ds_op_block(op, 0);
    LLVMValueRef v[16] = {NULL};
    size_t n = op->operand_count;
    unsigned lanes = 1;
    for (size_t i = 0; i < n; i++) v[i] = em_value(e, ds_op_operand(op, i));
    if (LLVMGetTypeKind(LLVMTypeOf(v[0])) == LLVMVectorTypeKind) lanes = LLVMGetVectorSize(LLVMTypeOf(v[0]));
    for (unsigned half = lanes / 2; half >= 1; half /= 2) {
        for (size_t i = 0; i < n; i++) {
            LLVMValueRef low[64], high[64], poison = LLVMGetPoison(LLVMTypeOf(v[i]));
            for (unsigned k = 0; k < half; k++)
                low[k] = LLVMConstInt(em_int(e, 32), k, 0), high[k] = LLVMConstInt(em_int(e, 32), k + half, 0);
            LLVMValueRef a = LLVMBuildShuffleVector(e->b, v[i], poison, LLVMConstVector(low, half), ""),
                         b = LLVMBuildShuffleVector(e->b, v[i], poison, LLVMConstVector(high, half), "");
            if (half == 1)
                a = LLVMBuildExtractElement(e->b, a, em_i64(e, 0), ""),
                b = LLVMBuildExtractElement(e->b, b, em_i64(e, 0), "");
            em_set(e, body->args[i], a);
            em_set(e, body->args[n + i], b);
        }
        for (const ds_op *inner = body->first; inner; inner = inner->next) {
            LLVMValueRef x[8];
            if (inner->kind == DS_LOOP_yield) {
                for (size_t i = 0; i < n; i++) v[i] = em_value(e, ds_op_operand(inner, i));
                break;
            }
            for (size_t i = 0; i < inner->operand_count; i++) x[i] = em_value(e, ds_op_operand(inner, i));
            if (ds_op_is_scalar(inner)) em_set(e, &inner->results[0], em_scalar(e, inner, x));
            else e->error = "a combiner that is not made of scalar ops";
        }
    }
    for (size_t i = 0; i < n; i++) em_set(e, &op->results[i], v[i]);
    (void)cx;
}

/* ---- squares of vectors turned over ---- */

enum { SUBLANES = 4 }; /* lanes of 128 bits: what most shuffles stay within */

/* Two vectors into one; `high`: from the second half of each. Every kind is one instruction at every ISA level. */
typedef enum { ELEMENTS, PAIRS, EVERY_OTHER_BLOCK } interleaving;

static LLVMValueRef interleave(emitter *e, LLVMValueRef a, LLVMValueRef b, size_t lanes, interleaving kind, bool high) {
    LLVMValueRef from[64];
    for (size_t i = 0; i < lanes; i++) {
        size_t block = i / SUBLANES, j = i % SUBLANES, half = lanes / SUBLANES / 2;
        size_t at = block * SUBLANES + high * 2 + (kind == ELEMENTS ? j / 2 : j % 2);
        bool second = kind == ELEMENTS ? j % 2 : j / 2;
        if (kind == EVERY_OTHER_BLOCK)
            second = block >= half, at = ((block - (second ? half : 0)) * 2 + high) * SUBLANES + j;
        from[i] = LLVMConstInt(em_int(e, 32), at + (second ? lanes : 0), 0);
    }
    return LLVMBuildShuffleVector(e->b, a, b, LLVMConstVector(from, (unsigned)lanes), "");
}

/* Element by element, the first vector with the first of the second half, and so on: log2(lanes) times. */
static void transpose_short(emitter *e, const ds_op *op) {
    LLVMValueRef v[16], next[16], low[16], high[16];
    size_t lanes = op->operand_count;
    for (size_t i = 0; i < lanes; i++) {
        size_t at = i / 2 + i % 2 * lanes;
        v[i] = em_value(e, ds_op_operand(op, i));
        low[i] = LLVMConstInt(em_int(e, 32), at, 0);
        high[i] = LLVMConstInt(em_int(e, 32), at + lanes / 2, 0);
    }
    for (size_t done = 1; done < lanes; done *= 2) {
        for (size_t i = 0; i < lanes / 2; i++) {
            LLVMValueRef a = v[i], b = v[i + lanes / 2];
            next[2 * i] = LLVMBuildShuffleVector(e->b, a, b, LLVMConstVector(low, (unsigned)lanes), "");
            next[2 * i + 1] = LLVMBuildShuffleVector(e->b, a, b, LLVMConstVector(high, (unsigned)lanes), "");
        }
        memcpy(v, next, lanes * sizeof *v);
    }
    for (size_t i = 0; i < lanes; i++) em_set(e, &op->results[i], v[i]);
}

/* Squares of 4 x 4 within the blocks of four vectors, then blocks change places: log2(lanes) shuffles a vector. */
static void emit_transpose(emitter *e, const ds_op *op) {
    LLVMValueRef v[64], next[64];
    size_t lanes = op->operand_count, groups = lanes / SUBLANES;
    if (lanes * ds_elem_facts(op->results[0].type->elem)->bits <= SUBLANES * 32) {
        transpose_short(e, op);
        return;
    }
    for (size_t g = 0; g < groups; g++) {
        LLVMValueRef row[SUBLANES], half[SUBLANES];
        for (size_t i = 0; i < SUBLANES; i++) row[i] = em_value(e, ds_op_operand(op, g * SUBLANES + i));
        for (size_t i = 0; i < SUBLANES; i++)
            half[i] = interleave(e, row[i / 2 * 2], row[i / 2 * 2 + 1], lanes, ELEMENTS, i % 2);
        for (size_t c = 0; c < SUBLANES; c++)
            v[c * groups + g] = interleave(e, half[c / 2], half[c / 2 + 2], lanes, PAIRS, c % 2);
    }
    for (size_t done = 1; done < groups; done *= 2) {
        for (size_t i = 0; i < lanes / 2; i++) {
            size_t c = i / (groups / 2), k = i % (groups / 2), first = c * groups;
            for (size_t high = 0; high < 2; high++)
                next[first + k + high * groups / 2] =
                    interleave(e, v[first + 2 * k], v[first + 2 * k + 1], lanes, EVERY_OTHER_BLOCK, high);
        }
        memcpy(v, next, lanes * sizeof *v);
    }
    for (size_t i = 0; i < lanes; i++) em_set(e, &op->results[i], v[i % SUBLANES * groups + i / SUBLANES]);
}

/* Vectors of `lanes` lanes, operands first, first + step, …: those at even places and those at odd ones, then both. */
static LLVMValueRef interleave_streams(emitter *e, const ds_op *op, size_t first, size_t step, size_t lanes) {
    if (step == op->operand_count) return em_value(e, ds_op_operand(op, first));
    LLVMValueRef from[64], even = interleave_streams(e, op, first, 2 * step, lanes / 2),
                           odd = interleave_streams(e, op, first + step, 2 * step, lanes / 2);
    for (size_t i = 0; i < lanes; i++) from[i] = LLVMConstInt(em_int(e, 32), i / 2 + i % 2 * (lanes / 2), 0);
    return LLVMBuildShuffleVector(e->b, even, odd, LLVMConstVector(from, (unsigned)lanes), "");
}

static LLVMValueRef constant(emitter *e, const ds_op *op) {
    const ds_attr *v = ds_op_attr(op, "value");
    ds_elem elem = op->results[0].type->elem;
    LLVMTypeRef t = em_elem(e, elem);
    if (ds_elem_is_float(elem) && ds_elem_facts(elem)->bits < 32)
        return LLVMConstInt(t, ds_float_encode(elem, v->number, true), 0); /* as it is stored */
    return v->kind == DS_ATTR_FLOAT ? LLVMConstReal(t, v->number) : LLVMConstInt(t, (unsigned long long)v->integer, 1);
}

static LLVMValueRef local(emitter *e, const ds_op *op) {
    LLVMTypeRef element = em_storage(e, op->results[0].type->elem);
    LLVMValueRef v = em_entry_alloca(e, LLVMArrayType2(element, (uint64_t)ds_op_int(op, "count", 1)));
    LLVMSetAlignment(v, 64);
    return v;
}

static LLVMValueRef lane_numbers(emitter *e, size_t lanes) {
    LLVMValueRef n[64];
    for (size_t i = 0; i < lanes; i++) n[i] = em_i64(e, (int64_t)i);
    return LLVMConstVector(n, (unsigned)lanes);
}

static void emit_op(emitter *e, ds_ir_context *cx, const ds_op *op) {
    LLVMValueRef x[64];
    em_debug_at(e, op);
    switch (op->kind) {
    case DS_LOOP_constant: em_set(e, &op->results[0], constant(e, op)); return;
    case DS_LOOP_apply: {
        const ds_attr *map = ds_op_attr(op, "map");
        for (size_t i = 0; i < op->operand_count; i++) x[i] = em_value(e, ds_op_operand(op, i));
        em_set(e, &op->results[0], em_expr(e, map->exprs[0], x, 1));
        return;
    }
    case DS_LOOP_lanes: em_set(e, &op->results[0], lane_numbers(e, op->results[0].type->rank)); return;
    case DS_LOOP_splat:
        em_set(e, &op->results[0], em_splat(e, em_value(e, ds_op_operand(op, 0)), op->results[0].type->rank));
        return;
    case DS_LOOP_shift:
        em_set(e, &op->results[0],
               gep(e, op->results[0].type->elem, em_value(e, ds_op_operand(op, 0)),
                   LLVMBuildNeg(e->b, em_value(e, ds_op_operand(op, 1)), "")));
        return;
    case DS_LOOP_load: em_set(e, &op->results[0], load(e, op)); return;
    case DS_LOOP_store: store(e, op); return;
    case DS_LOOP_for: emit_for(e, cx, op); return;
    case DS_LOOP_parallel:
        em_set(e, ds_op_block(op, 0)->args[0], LLVMGetParam(e->function, 1));
        emit_ops(e, cx, ds_op_block(op, 0));
        return;
    case DS_LOOP_fold_lanes: emit_fold(e, cx, op); return;
    case DS_LOOP_transpose: emit_transpose(e, op); return;
    case DS_LOOP_interleave:
        em_set(e, &op->results[0], interleave_streams(e, op, 0, 1, op->results[0].type->rank));
        return;
    case DS_LOOP_tile: em_tile(e, cx, op); return;
    case DS_LOOP_local: em_set(e, &op->results[0], local(e, op)); return;
    case DS_LOOP_matrices:
        em_matrices(e, op);
        emit_ops(e, cx, ds_op_block(op, 0));
        em_matrices_end(e);
        return;
    case DS_LOOP_matrix: em_matrix(e, op); return;
    case DS_LOOP_yield:
    case DS_RETURN: return;
    default: break;
    }
    if (!ds_op_is_scalar(op)) {
        e->error = ds_op_facts(op->kind)->name;
        return;
    }
    for (size_t i = 0; i < op->operand_count; i++) x[i] = em_value(e, ds_op_operand(op, i));
    em_set(e, &op->results[0], em_scalar(e, op, x));
}

static void emit_ops(emitter *e, ds_ir_context *cx, const ds_block *block) {
    for (const ds_op *op = block->first; op; op = op->next) emit_op(e, cx, op);
}

static LLVMValueRef slot(emitter *e, LLVMValueRef frame, size_t index, LLVMTypeRef type) {
    LLVMValueRef at = em_i64(e, (int64_t)index), p = LLVMBuildGEP2(e->b, em_int(e, 64), frame, &at, 1, ""),
                 v = LLVMBuildLoad2(e->b, type, p, "");
    LLVMSetAlignment(v, 8);
    return v;
}

void em_kernel(emitter *e, ds_ir_context *cx, const ds_op *func) {
    LLVMTypeRef pointer = LLVMPointerTypeInContext(e->llvm, 0), i64 = em_int(e, 64), params[] = {pointer, i64, i64};
    const ds_attr *symbols = ds_op_attr(func, "symbols");
    const ds_block *body = ds_op_block(func, 0);
    e->function = LLVMAddFunction(e->module, e->symbol, LLVMFunctionType(LLVMVoidTypeInContext(e->llvm), params, 3, 0));
    LLVMSetVisibility(e->function, LLVMHiddenVisibility);
    em_debug_function(e, func);
    LLVMPositionBuilderAtEnd(e->b, em_block(e, "entry"));
    LLVMValueRef frame = LLVMGetParam(e->function, 0);
    ds_frame f = ds_frame_of_kernel(func);
    for (size_t i = 0; i < f.buffers; i++) em_set(e, body->args[i], slot(e, frame, i, pointer));
    for (size_t i = 0; i < f.symbols; i++)
        em_define_symbol(e, symbols->items[i]->text, slot(e, frame, ds_frame_symbol(f, i), i64));
    if (f.scratch) {
        LLVMValueRef base = slot(e, frame, ds_frame_base(f), pointer),
                     lane = LLVMBuildMul(e->b, LLVMGetParam(e->function, 2),
                                         slot(e, frame, ds_frame_lane_bytes(f), i64), "");
        for (size_t i = 0; i < f.scratch; i++) {
            LLVMValueRef offset = LLVMBuildAdd(e->b, lane, slot(e, frame, ds_frame_scratch(f, i), i64), "");
            em_set(e, body->args[f.buffers + i], LLVMBuildGEP2(e->b, em_int(e, 8), base, &offset, 1, ""));
        }
    }
    emit_ops(e, cx, body);
    LLVMBuildRetVoid(e->b);
}
