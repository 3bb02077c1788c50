/* Types, and the SCALAR_OP rows as LLVM instructions. What is not one instruction at the ISA level comes from kernels/
 * as bitcode. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "codegen/cpu/emit.h"
#include "ir/eval.h"

LLVMTypeRef em_int(emitter *e, unsigned bits) { return LLVMIntTypeInContext(e->llvm, bits); }
LLVMValueRef em_i64(emitter *e, int64_t v) { return LLVMConstInt(em_int(e, 64), (unsigned long long)v, 1); }

LLVMTypeRef em_elem(emitter *e, ds_elem elem) {
    unsigned bits = ds_elem_facts(elem)->bits;
    if (elem == DS_f32) return LLVMFloatTypeInContext(e->llvm);
    if (elem == DS_f64) return LLVMDoubleTypeInContext(e->llvm);
    if (elem == DS_b1) return em_int(e, 1);
    return em_int(e, bits < 8 ? 8 : bits > 64 ? 64 : bits);
}

LLVMTypeRef em_storage(emitter *e, ds_elem elem) { return elem == DS_b1 ? em_int(e, 8) : em_elem(e, elem); }

LLVMTypeRef em_type(emitter *e, const ds_type *type) {
    switch (type->kind) {
    case DS_TYPE_VECTOR: return LLVMVectorType(em_elem(e, type->elem), (unsigned)type->rank);
    case DS_TYPE_BUFFER: return LLVMPointerTypeInContext(e->llvm, 0);
    default: return em_elem(e, type->elem);
    }
}

LLVMValueRef em_splat(emitter *e, LLVMValueRef scalar, size_t lanes) {
    LLVMTypeRef vector = LLVMVectorType(LLVMTypeOf(scalar), (unsigned)lanes);
    LLVMValueRef one = LLVMBuildInsertElement(e->b, LLVMGetPoison(vector), scalar, em_i64(e, 0), "");
    return LLVMBuildShuffleVector(e->b, one, LLVMGetPoison(vector),
                                  LLVMConstNull(LLVMVectorType(em_int(e, 32), (unsigned)lanes)), "");
}

LLVMValueRef em_call_intrinsic(emitter *e, const char *name, LLVMTypeRef overload, LLVMValueRef *args, unsigned count) {
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    LLVMValueRef f = LLVMGetIntrinsicDeclaration(e->module, id, &overload, overload ? 1 : 0);
    return LLVMBuildCall2(e->b, LLVMIntrinsicGetType(e->llvm, id, &overload, overload ? 1 : 0), f, args, count, "");
}

LLVMValueRef em_call_overloaded(emitter *e, const char *name, LLVMTypeRef *overloads, LLVMValueRef *args,
                                unsigned count) {
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    LLVMValueRef f = LLVMGetIntrinsicDeclaration(e->module, id, overloads, 2);
    return LLVMBuildCall2(e->b, LLVMIntrinsicGetType(e->llvm, id, overloads, 2), f, args, count, "");
}

LLVMValueRef em_call(emitter *e, const char *name, LLVMTypeRef result, LLVMValueRef *args, unsigned count) {
    LLVMTypeRef types[8];
    for (unsigned i = 0; i < count; i++) types[i] = LLVMTypeOf(args[i]);
    LLVMTypeRef type = LLVMFunctionType(result, types, count, 0);
    LLVMValueRef f = LLVMGetNamedFunction(e->module, name);
    if (!f) f = LLVMAddFunction(e->module, name, type);
    return LLVMBuildCall2(e->b, type, f, args, count, "");
}

LLVMBasicBlockRef em_block(emitter *e, const char *name) {
    return LLVMAppendBasicBlockInContext(e->llvm, e->function, name);
}

static unsigned lanes_of(LLVMValueRef v) {
    LLVMTypeRef t = LLVMTypeOf(v);
    return LLVMGetTypeKind(t) == LLVMVectorTypeKind ? LLVMGetVectorSize(t) : 1;
}

static LLVMTypeRef with_lanes(LLVMTypeRef scalar, unsigned lanes) {
    return lanes > 1 ? LLVMVectorType(scalar, lanes) : scalar;
}

static LLVMValueRef constant_like(LLVMValueRef v, double number) {
    LLVMTypeRef t = LLVMTypeOf(v), s = LLVMGetTypeKind(t) == LLVMVectorTypeKind ? LLVMGetElementType(t) : t;
    LLVMValueRef c = LLVMGetTypeKind(s) == LLVMIntegerTypeKind
                         ? LLVMConstInt(s, (unsigned long long)(long long)number, 1)
                         : LLVMConstReal(s, number);
    if (s == t) return c;
    LLVMValueRef all[64];
    for (unsigned i = 0; i < LLVMGetVectorSize(t); i++) all[i] = c;
    return LLVMConstVector(all, LLVMGetVectorSize(t));
}

/* ---- vector maths from kernels/math.c ---- */

LLVMValueRef em_entry_alloca(emitter *e, LLVMTypeRef type) {
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b), entry = LLVMGetEntryBasicBlock(e->function);
    LLVMValueRef first = LLVMGetFirstInstruction(entry);
    if (first) LLVMPositionBuilderBefore(e->b, first);
    else LLVMPositionBuilderAtEnd(e->b, entry);
    LLVMValueRef v = LLVMBuildAlloca(e->b, type, "");
    LLVMPositionBuilderAtEnd(e->b, here);
    return v;
}

/* Calls ds_<name>_<type>_v<width>(result, operands…), which is inlined; a scalar rides in lane 0 of 4. */
static LLVMValueRef math(emitter *e, const char *name, LLVMValueRef *args, unsigned count, LLVMTypeRef result_scalar) {
    unsigned lanes = lanes_of(args[0]), width = lanes == 1 ? 4 : lanes;
    char full[64];
    LLVMValueRef wide[3];
    snprintf(full, sizeof full, "%s_v%u", name, width);
    e->math_lanes |= width;
    LLVMTypeRef type = LLVMVectorType(result_scalar, width);
    wide[0] = em_entry_alloca(e, type);
    for (unsigned i = 0; i < count; i++) {
        LLVMValueRef x = lanes == 1 ? em_splat(e, args[i], 4) : args[i];
        wide[i + 1] = em_entry_alloca(e, LLVMTypeOf(x));
        LLVMBuildStore(e->b, x, wide[i + 1]);
    }
    em_call(e, full, LLVMVoidTypeInContext(e->llvm), wide, count + 1);
    LLVMValueRef v = LLVMBuildLoad2(e->b, type, wide[0], "");
    return lanes == 1 ? LLVMBuildExtractElement(e->b, v, em_i64(e, 0), "") : v;
}

static LLVMValueRef float_math(emitter *e, const char *op, ds_elem elem, LLVMValueRef *args, unsigned count) {
    char name[48];
    snprintf(name, sizeof name, "ds_%s_%s", op, elem == DS_f64 ? "f64" : "f32");
    return math(e, name, args, count, em_elem(e, elem));
}

/* ---- floats ---- */

static LLVMValueRef rounding(emitter *e, const char *op, ds_elem elem, LLVMValueRef *x) {
    bool instruction = e->target->vector_bytes > 16 || strcmp(e->target->arch, "aarch64") == 0; /* SSE2 has none */
    char name[32];
    if (!instruction) return float_math(e, op, elem, x, 1);
    snprintf(name, sizeof name, "llvm.%s", strcmp(op, "round") ? op : "roundeven");
    return em_call_intrinsic(e, name, LLVMTypeOf(x[0]), x, 1);
}

/* min and max that let NaN win; which of two zeros is the larger does not matter. x86 asks whether the first operand is
 * NaN: not the one that a reduction waits for. */
static LLVMValueRef float_extreme(emitter *e, const char *intrinsic, LLVMValueRef *x) {
    LLVMValueRef extreme = em_call_intrinsic(e, intrinsic, LLVMTypeOf(x[0]), (LLVMValueRef[]){x[1], x[0]}, 2);
    LLVMSetFastMathFlags(extreme, LLVMFastMathNoSignedZeros);
    return extreme;
}

static LLVMValueRef float_op(emitter *e, const ds_op *op, ds_elem elem, LLVMValueRef *x) {
    LLVMBuilderRef b = e->b;
    switch (op->kind) {
    case DS_LOOP_add: return LLVMBuildFAdd(b, x[0], x[1], "");
    case DS_LOOP_sub: return LLVMBuildFSub(b, x[0], x[1], "");
    case DS_LOOP_mul: return LLVMBuildFMul(b, x[0], x[1], "");
    case DS_LOOP_div: return LLVMBuildFDiv(b, x[0], x[1], "");
    case DS_LOOP_neg: return LLVMBuildFNeg(b, x[0], "");
    case DS_LOOP_abs: return em_call_intrinsic(e, "llvm.fabs", LLVMTypeOf(x[0]), x, 1);
    case DS_LOOP_sqrt: return em_call_intrinsic(e, "llvm.sqrt", LLVMTypeOf(x[0]), x, 1);
    case DS_LOOP_fma:
        return em_call_intrinsic(e, e->target->has_fma ? "llvm.fma" : "llvm.fmuladd", LLVMTypeOf(x[0]), x, 3);
    case DS_LOOP_min: return float_extreme(e, "llvm.minimum", x);
    case DS_LOOP_max: return float_extreme(e, "llvm.maximum", x);
    case DS_LOOP_greater: return LLVMBuildSelect(b, LLVMBuildFCmp(b, LLVMRealOGT, x[0], x[1], ""), x[0], x[1], "");
    case DS_LOOP_floor: return rounding(e, "floor", elem, x);
    case DS_LOOP_ceil: return rounding(e, "ceil", elem, x);
    case DS_LOOP_trunc: return rounding(e, "trunc", elem, x);
    case DS_LOOP_round: return rounding(e, "round", elem, x);
    case DS_LOOP_floordiv: {
        LLVMValueRef q = LLVMBuildFDiv(b, x[0], x[1], "");
        return rounding(e, "floor", elem, &q);
    }
    case DS_LOOP_mod: { /* the remainder, moved to the divisor's sign */
        LLVMValueRef r = float_math(e, "rem", elem, x, 2), zero = constant_like(r, 0),
                     moved = LLVMBuildFAdd(b, r, x[1], "");
        LLVMValueRef below = LLVMBuildFCmp(b, LLVMRealOLT, r, zero, ""),
                     divisor_below = LLVMBuildFCmp(b, LLVMRealOLT, x[1], zero, "");
        LLVMValueRef move =
            LLVMBuildAnd(b, LLVMBuildXor(b, below, divisor_below, ""), LLVMBuildFCmp(b, LLVMRealONE, r, zero, ""), "");
        return LLVMBuildSelect(b, move, moved, r, "");
    }
    case DS_LOOP_eq: return LLVMBuildFCmp(b, LLVMRealOEQ, x[0], x[1], "");
    case DS_LOOP_ne: return LLVMBuildFCmp(b, LLVMRealUNE, x[0], x[1], "");
    case DS_LOOP_lt: return LLVMBuildFCmp(b, LLVMRealOLT, x[0], x[1], "");
    case DS_LOOP_le: return LLVMBuildFCmp(b, LLVMRealOLE, x[0], x[1], "");
    default: return float_math(e, ds_op_facts(op->kind)->name + strlen("loop."), elem, x, (unsigned)op->operand_count);
    }
}

/* ---- integers ---- */

/* Division that never traps: x / 0 = 0, and the quotient by -1 is a negation. */
static LLVMValueRef integer_division(emitter *e, ds_op_kind kind, bool is_unsigned, LLVMValueRef x, LLVMValueRef y) {
    LLVMBuilderRef b = e->b;
    LLVMValueRef zero = constant_like(y, 0), one = constant_like(y, 1),
                 by_zero = LLVMBuildICmp(b, LLVMIntEQ, y, zero, ""), q, r;
    if (is_unsigned) {
        LLVMValueRef safe = LLVMBuildSelect(b, by_zero, one, y, "");
        q = LLVMBuildSelect(b, by_zero, zero, LLVMBuildUDiv(b, x, safe, ""), "");
        r = LLVMBuildSelect(b, by_zero, zero, LLVMBuildURem(b, x, safe, ""), "");
        return kind == DS_LOOP_div || kind == DS_LOOP_floordiv ? q : r;
    }
    LLVMValueRef by_minus = LLVMBuildICmp(b, LLVMIntEQ, y, constant_like(y, -1), "");
    LLVMValueRef safe = LLVMBuildSelect(b, LLVMBuildOr(b, by_zero, by_minus, ""), one, y, "");
    q = LLVMBuildSDiv(b, x, safe, "");
    r = LLVMBuildSub(b, x, LLVMBuildMul(b, q, safe, ""), "");
    LLVMValueRef nonzero = LLVMBuildICmp(b, LLVMIntNE, r, zero, "");
    LLVMValueRef signs = LLVMBuildICmp(b, LLVMIntSLT, LLVMBuildXor(b, r, y, ""), zero, ""),
                 adjust = LLVMBuildAnd(b, nonzero, signs, "");
    if (kind == DS_LOOP_floordiv) q = LLVMBuildSelect(b, adjust, LLVMBuildSub(b, q, one, ""), q, "");
    if (kind == DS_LOOP_mod) r = LLVMBuildSelect(b, adjust, LLVMBuildAdd(b, r, y, ""), r, "");
    if (kind == DS_LOOP_div || kind == DS_LOOP_floordiv) {
        q = LLVMBuildSelect(b, by_minus, LLVMBuildNeg(b, x, ""), q, "");
        return LLVMBuildSelect(b, by_zero, zero, q, "");
    }
    return LLVMBuildSelect(b, by_zero, zero, r, "");
}

/* Only whether both divisors are known and positive matters for speed: LLVM folds the checks then. */
static LLVMValueRef shift(emitter *e, bool left, bool is_unsigned, LLVMValueRef x, LLVMValueRef y, unsigned bits) {
    LLVMBuilderRef b = e->b;
    LLVMValueRef fits = LLVMBuildICmp(b, LLVMIntULT, y, constant_like(y, bits), ""),
                 safe = LLVMBuildSelect(b, fits, y, constant_like(y, 0), "");
    if (!left && !is_unsigned)
        return LLVMBuildAShr(b, x, LLVMBuildSelect(b, fits, y, constant_like(y, bits - 1), ""), "");
    LLVMValueRef v = left ? LLVMBuildShl(b, x, safe, "") : LLVMBuildLShr(b, x, safe, "");
    return LLVMBuildSelect(b, fits, v, constant_like(x, 0), "");
}

static LLVMValueRef integer_power(emitter *e, LLVMValueRef x, LLVMValueRef y, bool is_unsigned) {
    unsigned lanes = lanes_of(x);
    LLVMTypeRef i64 = em_int(e, 64), elem = lanes > 1 ? LLVMGetElementType(LLVMTypeOf(x)) : LLVMTypeOf(x);
    LLVMValueRef result = LLVMGetPoison(LLVMTypeOf(x));
    e->needs_scalar = true;
    for (unsigned i = 0; i < lanes; i++) {
        LLVMValueRef args[] = {x, y};
        for (unsigned k = 0; k < 2; k++) {
            if (lanes > 1) args[k] = LLVMBuildExtractElement(e->b, args[k], em_i64(e, i), "");
            args[k] = LLVMBuildIntCast2(e->b, args[k], i64, !is_unsigned, "");
        }
        LLVMValueRef v = LLVMBuildIntCast2(e->b, em_call(e, "ds_ipow", i64, args, 2), elem, 1, "");
        result = lanes > 1 ? LLVMBuildInsertElement(e->b, result, v, em_i64(e, i), "") : v;
    }
    return result;
}

static LLVMValueRef integer_op(emitter *e, const ds_op *op, ds_elem elem, LLVMValueRef *x) {
    LLVMBuilderRef b = e->b;
    bool is_unsigned = ds_elem_is_unsigned(elem) || elem == DS_b1;
    switch (op->kind) {
    case DS_LOOP_add: return LLVMBuildAdd(b, x[0], x[1], "");
    case DS_LOOP_sub: return LLVMBuildSub(b, x[0], x[1], "");
    case DS_LOOP_mul: return LLVMBuildMul(b, x[0], x[1], "");
    case DS_LOOP_div:
    case DS_LOOP_floordiv:
    case DS_LOOP_rem:
    case DS_LOOP_mod: return integer_division(e, op->kind, is_unsigned, x[0], x[1]);
    case DS_LOOP_pow: return integer_power(e, x[0], x[1], is_unsigned);
    case DS_LOOP_min: return em_call_intrinsic(e, is_unsigned ? "llvm.umin" : "llvm.smin", LLVMTypeOf(x[0]), x, 2);
    case DS_LOOP_greater:
    case DS_LOOP_max: return em_call_intrinsic(e, is_unsigned ? "llvm.umax" : "llvm.smax", LLVMTypeOf(x[0]), x, 2);
    case DS_LOOP_and: return LLVMBuildAnd(b, x[0], x[1], "");
    case DS_LOOP_or: return LLVMBuildOr(b, x[0], x[1], "");
    case DS_LOOP_xor: return LLVMBuildXor(b, x[0], x[1], "");
    case DS_LOOP_not: return LLVMBuildNot(b, x[0], "");
    case DS_LOOP_shl: return shift(e, true, is_unsigned, x[0], x[1], ds_elem_facts(elem)->bits);
    case DS_LOOP_shr: return shift(e, false, is_unsigned, x[0], x[1], ds_elem_facts(elem)->bits);
    case DS_LOOP_neg: return LLVMBuildNeg(b, x[0], "");
    case DS_LOOP_abs:
        if (is_unsigned) return x[0];
        return em_call_intrinsic(e, "llvm.smax", LLVMTypeOf(x[0]), (LLVMValueRef[]){x[0], LLVMBuildNeg(b, x[0], "")},
                                 2);
    case DS_LOOP_floor:
    case DS_LOOP_ceil:
    case DS_LOOP_trunc:
    case DS_LOOP_round: return x[0];
    case DS_LOOP_eq: return LLVMBuildICmp(b, LLVMIntEQ, x[0], x[1], "");
    case DS_LOOP_ne: return LLVMBuildICmp(b, LLVMIntNE, x[0], x[1], "");
    case DS_LOOP_lt: return LLVMBuildICmp(b, is_unsigned ? LLVMIntULT : LLVMIntSLT, x[0], x[1], "");
    case DS_LOOP_le: return LLVMBuildICmp(b, is_unsigned ? LLVMIntULE : LLVMIntSLE, x[0], x[1], "");
    default: e->error = ds_op_facts(op->kind)->name; return LLVMGetPoison(LLVMTypeOf(x[0]));
    }
}

/* ---- conversions ---- */

static int narrow_code(ds_elem elem) {
    switch (elem) {
    case DS_f8e4m3fn: return 0;
    case DS_f8e4m3fnuz: return 1;
    case DS_f8e5m2: return 2;
    case DS_f8e5m2fnuz: return 3;
    case DS_f4e2m1: return 4;
    default: return 5;
    }
}

/* Lane by lane through ds_narrow_encode. */
static LLVMValueRef narrow_lanes(emitter *e, const ds_op *op, ds_elem elem, LLVMValueRef v) {
    unsigned lanes = lanes_of(v);
    LLVMTypeRef to = em_int(e, 8), i32 = em_int(e, 32);
    LLVMValueRef result = LLVMGetPoison(with_lanes(to, lanes)),
                 code = LLVMConstInt(i32, (unsigned)narrow_code(elem), 0);
    const char *mode = ds_op_text(op, "round_mode", elem == DS_f8e8m0 ? "up" : "nearest");
    int rounding_mode = !strcmp(mode, "up") ? 1 : !strcmp(mode, "down") ? 2 : 0;
    e->needs_scalar = true;
    for (unsigned i = 0; i < lanes; i++) {
        LLVMValueRef x = lanes > 1 ? LLVMBuildExtractElement(e->b, v, em_i64(e, i), "") : v;
        LLVMValueRef args[] = {x, code, LLVMConstInt(i32, (unsigned long long)ds_op_int(op, "saturate", 1), 0),
                               LLVMConstInt(i32, (unsigned)rounding_mode, 0)};
        LLVMValueRef y = em_call(e, "ds_narrow_encode", to, args, 4);
        result = lanes > 1 ? LLVMBuildInsertElement(e->b, result, y, em_i64(e, i), "") : y;
    }
    return result;
}

/* What the numbers of a type of up to 8 bits are, in memory. */
static LLVMValueRef numbers_of(emitter *e, ds_elem elem) {
    enum { MOST = 256 };
    const char *name = ds_elem_facts(elem)->name;
    LLVMTypeRef f32 = em_elem(e, DS_f32);
    unsigned count = 1u << ds_elem_facts(elem)->bits;
    LLVMValueRef numbers[MOST], table = LLVMGetNamedGlobal(e->module, name);
    if (table) return table;
    for (unsigned i = 0; i < count; i++) {
        double number = ds_float_decode(elem, i);
        numbers[i] = isnan(number) ? LLVMConstReal(f32, NAN) : LLVMConstReal(f32, number);
    }
    table = LLVMAddGlobal(e->module, LLVMArrayType2(f32, count), name);
    LLVMSetInitializer(table, LLVMConstArray2(f32, numbers, count));
    LLVMSetGlobalConstant(table, 1);
    LLVMSetLinkage(table, LLVMPrivateLinkage);
    LLVMSetUnnamedAddress(table, LLVMGlobalUnnamedAddr);
    return table;
}

/* Eight bits are a place in the table of all numbers. */
static LLVMValueRef by_table(emitter *e, ds_elem from, LLVMValueRef v) {
    unsigned lanes = lanes_of(v);
    LLVMTypeRef f32 = em_elem(e, DS_f32), pointer = LLVMPointerTypeInContext(e->llvm, 0),
                vector = with_lanes(f32, lanes);
    LLVMValueRef at = LLVMBuildZExt(e->b, v, with_lanes(em_int(e, 64), lanes), "");
    LLVMValueRef p = LLVMBuildGEP2(e->b, f32, numbers_of(e, from), &at, 1, "");
    if (lanes == 1) return LLVMBuildLoad2(e->b, f32, p, "");
    LLVMTypeRef overloads[] = {vector, LLVMVectorType(pointer, lanes)};
    LLVMValueRef all = LLVMConstAllOnes(LLVMVectorType(em_int(e, 1), lanes));
    LLVMValueRef args[] = {p, LLVMConstInt(em_int(e, 32), 4, 0), all, LLVMConstNull(vector)};
    return em_call_overloaded(e, "llvm.masked.gather", overloads, args, 4);
}

static LLVMValueRef to_f32(emitter *e, ds_elem from, LLVMValueRef v) {
    if (from == DS_f16) return math(e, "ds_decode_f16", &v, 1, em_elem(e, DS_f32));
    if (from == DS_bf16) return math(e, "ds_decode_bf16", &v, 1, em_elem(e, DS_f32));
    return by_table(e, from, v);
}

static LLVMValueRef from_f32(emitter *e, const ds_op *op, ds_elem to, LLVMValueRef v) {
    if (to == DS_f16) return math(e, "ds_encode_f16", &v, 1, em_int(e, 16));
    if (to == DS_bf16) return math(e, "ds_encode_bf16", &v, 1, em_int(e, 16));
    return narrow_lanes(e, op, to, v);
}

static bool is_narrow(ds_elem elem) { return ds_elem_is_float(elem) && ds_elem_facts(elem)->bits < 32; }

/* Values of packed integers live in i8: keep them in range. */
static LLVMValueRef wrap_small(emitter *e, ds_elem to, LLVMValueRef v) {
    unsigned bits = ds_elem_facts(to)->bits;
    if (bits >= 8) return v;
    LLVMValueRef by = constant_like(v, 8 - bits), up = LLVMBuildShl(e->b, v, by, "");
    return ds_elem_is_unsigned(to) ? LLVMBuildLShr(e->b, up, by, "") : LLVMBuildAShr(e->b, up, by, "");
}

/* Positions saturate: clamped afterwards, they are the nearest one. */
static LLVMValueRef float_to_index(emitter *e, LLVMTypeRef type, LLVMValueRef v) {
    LLVMTypeRef overloads[] = {type, LLVMTypeOf(v)};
    return em_call_overloaded(e, "llvm.fptosi.sat", overloads, &v, 1);
}

/* As loop.def defines it: through a signed integer of 32 or 64 bits, whose least value stands for NaN and what does not
 * fit. */
static LLVMValueRef float_to_int(emitter *e, ds_elem to, LLVMTypeRef type, LLVMValueRef v) {
    if (to == DS_index) return float_to_index(e, type, v);
    LLVMBuilderRef b = e->b;
    unsigned bits = ds_elem_facts(to)->bits, wide = bits <= 32 ? 32 : 64;
    LLVMTypeRef signed_type = with_lanes(em_int(e, wide), lanes_of(v));
    LLVMValueRef least = constant_like(v, -ldexp(1, (int)wide - 1)), limit = constant_like(v, ldexp(1, (int)wide - 1)),
                 top = NULL;
    if (bits == wide && ds_elem_is_unsigned(to)) { /* the upper half, less the top bit */
        top = LLVMBuildFCmp(b, LLVMRealOGE, v, limit, "");
        v = LLVMBuildSelect(b, top, LLVMBuildFSub(b, v, limit, ""), v, "");
    }
    LLVMValueRef fits =
        LLVMBuildAnd(b, LLVMBuildFCmp(b, LLVMRealOGE, v, least, ""), LLVMBuildFCmp(b, LLVMRealOLT, v, limit, ""), "");
    LLVMValueRef whole = LLVMBuildFPToSI(b, LLVMBuildSelect(b, fits, v, least, ""), signed_type, "");
    if (top) {
        LLVMValueRef bit = LLVMBuildZExt(b, top, signed_type, "");
        whole = LLVMBuildXor(b, whole, LLVMBuildShl(b, bit, constant_like(bit, wide - 1), ""), "");
    }
    if (bits < wide) whole = LLVMBuildTrunc(b, whole, type, "");
    return wrap_small(e, to, whole);
}

/* f64 to f32 on the way to fewer bits: what is not exact gets an odd last bit, so that rounding again is as good as
 * rounding once (S. Boldo, G. Melquiond, IEEE Trans. Computers 57, 2008). */
static LLVMValueRef to_odd_f32(emitter *e, LLVMValueRef v) {
    LLVMBuilderRef b = e->b;
    unsigned lanes = lanes_of(v);
    LLVMTypeRef f32 = with_lanes(em_elem(e, DS_f32), lanes), i32 = with_lanes(em_int(e, 32), lanes);
    LLVMValueRef near = LLVMBuildFPTrunc(b, v, f32, ""), back = LLVMBuildFPExt(b, near, LLVMTypeOf(v), ""),
                 bits = LLVMBuildBitCast(b, near, i32, "");
    LLVMValueRef one = constant_like(bits, 1),
                 even = LLVMBuildICmp(b, LLVMIntEQ, LLVMBuildAnd(b, bits, one, ""), constant_like(bits, 0), "");
    LLVMValueRef inexact = LLVMBuildAnd(b, even, LLVMBuildFCmp(b, LLVMRealONE, v, back, ""), "");
    LLVMValueRef below = LLVMBuildFCmp(b, LLVMRealOLT, v, back, ""),
                 negative = LLVMBuildICmp(b, LLVMIntSLT, bits, constant_like(bits, 0), "");
    LLVMValueRef outward = LLVMBuildICmp(b, LLVMIntEQ, below, negative, ""); /* larger bits are larger magnitudes */
    LLVMValueRef moved =
        LLVMBuildSelect(b, outward, LLVMBuildAdd(b, bits, one, ""), LLVMBuildSub(b, bits, one, ""), "");
    return LLVMBuildBitCast(b, LLVMBuildSelect(b, inexact, moved, bits, ""), f32, "");
}

/* Truncations that lose nothing are marked: what is made wider again is what it was before. */
static unsigned lossless(emitter *e) {
    static const char name[] = "ds.lossless";
    return LLVMGetMDKindIDInContext(e->llvm, name, sizeof name - 1);
}

static void mark_lossless(emitter *e, LLVMValueRef v) {
    if (LLVMIsATruncInst(v))
        LLVMSetMetadata(v, lossless(e), LLVMMetadataAsValue(e->llvm, LLVMMDNodeInContext2(e->llvm, NULL, 0)));
}

/* The number of 32 bits that v was made of; NULL where it may have been another one. */
static LLVMValueRef before_truncation(emitter *e, LLVMValueRef v) {
    return LLVMIsATruncInst(v) && LLVMGetMetadata(v, lossless(e)) ? LLVMGetOperand(v, 0) : NULL;
}

static LLVMValueRef convert(emitter *e, const ds_op *op, ds_elem from, ds_elem to, LLVMValueRef v) {
    unsigned lanes = lanes_of(v);
    LLVMBuilderRef b = e->b;
    LLVMTypeRef type = with_lanes(em_elem(e, to), lanes);
    if (from == to) return v;
    LLVMValueRef whole = ds_elem_is_integer(to) || to == DS_f32 ? before_truncation(e, v) : NULL;
    if (whole && ds_elem_facts(to)->bits > ds_elem_facts(from)->bits) {
        v = whole;
        from = DS_i32;
        if (from == to) return v;
    }
    if (is_narrow(from)) return convert(e, op, DS_f32, to, to_f32(e, from, v));
    bool from_float = ds_elem_is_float(from), to_float = ds_elem_is_float(to),
         from_unsigned = ds_elem_is_unsigned(from) || from == DS_b1;
    if (is_narrow(to)) {
        bool long_integer = !from_float && ds_elem_facts(from)->bits > 16; /* more bits than f32 holds */
        if (long_integer) v = convert(e, op, from, DS_f64, v);
        return from_f32(e, op, to, long_integer || from == DS_f64 ? to_odd_f32(e, v) : convert(e, op, from, DS_f32, v));
    }
    if (to == DS_b1)
        return from_float ? LLVMBuildFCmp(b, LLVMRealUNE, v, constant_like(v, 0), "")
                          : LLVMBuildICmp(b, LLVMIntNE, v, constant_like(v, 0), "");
    if (from_float && to_float) return to == DS_f64 ? LLVMBuildFPExt(b, v, type, "") : LLVMBuildFPTrunc(b, v, type, "");
    if (from_float) return float_to_int(e, to, type, v);
    if (to_float) return from_unsigned ? LLVMBuildUIToFP(b, v, type, "") : LLVMBuildSIToFP(b, v, type, "");
    return wrap_small(e, to, LLVMBuildIntCast2(b, v, type, !from_unsigned, ""));
}

/* ---- whole numbers of few bits ---- */

/* The number that all lanes of a value are. */
static bool is_known(const ds_value *v, double *out) {
    while (v->op && v->op->kind == DS_LOOP_splat) v = ds_op_operand(v->op, 0);
    if (!v->op || v->op->kind != DS_LOOP_constant) return false;
    const ds_attr *number = ds_op_attr(v->op, "value");
    *out = number->kind == DS_ATTR_FLOAT ? number->number : (double)number->integer;
    return true;
}

static LLVMValueRef within(emitter *e, LLVMValueRef v, LLVMValueRef low, LLVMValueRef high) { /* NaN: low */
    LLVMBuilderRef b = e->b;
    v = LLVMBuildSelect(b, LLVMBuildFCmp(b, LLVMRealOGT, v, low, ""), v, low, "");
    return LLVMBuildSelect(b, LLVMBuildFCmp(b, LLVMRealOLT, v, high, ""), v, high, "");
}

/* The inverse of a scale in two parts: x * high + (x * low), whose second product is rounded, is nearly x / scale. */
typedef struct {
    float high, low;
} inverse;

static float times_inverse(inverse by, float x) {
    float low = x * by.low;
    return fmaf(x, by.high, low);
}

enum { MOST_COMPARED = 512 };

/* Does the product give the same whole numbers as the quotient, up to `most`? Both grow with x: the least x of each
 * number and the one before it tell. */
static bool rounds_like_division(inverse by, float scale, int most) {
    if (most > MOST_COMPARED) return false;
    for (int k = 1; k <= most; k++) {
        float whole = (float)k, x = ((float)k - 0.5f) * scale;
        while (nearbyintf(x / scale) >= whole) x = nextafterf(x, 0);
        while (nearbyintf(x / scale) < whole) x = nextafterf(x, INFINITY);
        if (nearbyintf(times_inverse(by, x)) < whole) return false;
        if (nearbyintf(times_inverse(by, nextafterf(x, 0))) >= whole) return false;
    }
    return true;
}

/* x / scale, to be rounded to a whole number of at most `most`. Where two instructions do not give the same ones, three
 * give what division gives: a product and two corrections; with the inverse correctly rounded, the second one is exact
 * (P. Markstein, IBM Journal of Research and Development 34, 1990). |x| is neither huge nor does it matter where it is
 * tiny. */
static LLVMValueRef divide_by_known(emitter *e, LLVMValueRef x, double scale, int most) {
    LLVMTypeRef type = LLVMTypeOf(x);
    inverse by = {.high = (float)(1 / scale)};
    by.low = (float)(1 / scale - (double)by.high);
    LLVMValueRef high = constant_like(x, (double)by.high), low = constant_like(x, (double)by.low);
    if (rounds_like_division(by, (float)scale, most))
        return em_call_intrinsic(e, "llvm.fma", type, (LLVMValueRef[]){x, high, LLVMBuildFMul(e->b, x, low, "")}, 3);
    LLVMValueRef q = LLVMBuildFMul(e->b, x, high, ""), minus = constant_like(x, -scale);
    LLVMValueRef rest = em_call_intrinsic(e, "llvm.fma", type, (LLVMValueRef[]){q, minus, x}, 3);
    return em_call_intrinsic(e, "llvm.fma", type, (LLVMValueRef[]){rest, high, q}, 3);
}

/* The nearest whole number of a float below 2^22, ties to even: it stands in the last bits of its sum with a number so
 * large that no others are left. */
static LLVMValueRef nearest_whole(emitter *e, LLVMValueRef v) {
    static const double LARGE = 12582912; /* 1.5 * 2^23 */
    LLVMTypeRef i32 = with_lanes(em_int(e, 32), lanes_of(v));
    LLVMValueRef large = constant_like(v, LARGE), sum = LLVMBuildFAdd(e->b, v, large, "");
    return LLVMBuildSub(e->b, LLVMBuildBitCast(e->b, sum, i32, ""), LLVMBuildBitCast(e->b, large, i32, ""), "");
}

/* The instruction that rounds floats to whole numbers of 32 bits, ties to even; NULL where there is none. */
static const char *rounds_to_whole(const emitter *e, unsigned lanes) {
    static const struct {
        unsigned lanes;
        const char *name;
    } table[] = {
        {4, "llvm.x86.sse2.cvtps2dq"}, {8, "llvm.x86.avx.cvt.ps2dq.256"}, {16, "llvm.x86.avx512.mask.cvtps2dq.512"}};
    if (strcmp(e->target->arch, "x86_64") != 0 || lanes * 4 > e->target->vector_bytes) return NULL;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].lanes == lanes) return table[i].name;
    return NULL;
}

static LLVMValueRef round_to_whole(emitter *e, const char *name, LLVMValueRef v) {
    unsigned lanes = lanes_of(v);
    LLVMTypeRef i32 = em_int(e, 32);
    LLVMValueRef args[] = {v, LLVMConstNull(with_lanes(i32, lanes)), LLVMConstAllOnes(em_int(e, lanes)),
                           LLVMConstInt(i32, 4, 0)}; /* as the machine rounds now */
    return em_call_intrinsic(e, name, NULL, args, lanes == 16 ? 4 : 1);
}

/* What a number is quantised to. */
typedef struct {
    ds_elem to;
    int bits;
    double least, most, scale, zero;
    bool known; /* scale and zero are constants, the scale neither tiny nor huge */
} quantum;

static quantum quantum_of(const ds_op *op) {
    quantum q = {.to = op->results[0].type->elem};
    bool is_unsigned = ds_elem_is_unsigned(q.to);
    q.bits = (int)ds_elem_facts(q.to)->bits;
    q.least = is_unsigned ? 0 : -ldexp(1, q.bits - 1);
    q.most = q.least + ldexp(1, q.bits) - 1;
    q.known = is_known(ds_op_operand(op, 1), &q.scale) && is_known(ds_op_operand(op, 2), &q.zero) &&
              q.scale > 0x1p-60 && q.scale < 0x1p60;
    return q;
}

static LLVMValueRef quotient(emitter *e, const quantum *q, LLVMValueRef x) {
    if (q->scale == 1) return x;
    if (!e->target->has_fma) return LLVMBuildFDiv(e->b, x, constant_like(x, q->scale), "");
    return divide_by_known(e, x, q->scale, (int)fmax(q->most - q->zero, q->zero - q->least));
}

/* Does something compute a float of the number that the bytes are made of? Yes where that is not found out in a few steps. */
static bool becomes_float(const ds_value *v, int steps) {
    if (steps == 0) return true;
    for (const ds_use *use = v->uses; use; use = use->next) {
        const ds_op *op = use->owner;
        if (op->kind != DS_LOOP_cast && op->kind != DS_LOOP_add && op->kind != DS_LOOP_sub) continue;
        if (ds_elem_is_float(op->results[0].type->elem) || becomes_float(&op->results[0], steps - 1)) return true;
    }
    return false;
}

static LLVMValueRef held(emitter *e, LLVMValueRef v, double least, double most) {
    LLVMTypeRef type = LLVMTypeOf(v);
    v = em_call_intrinsic(e, "llvm.smax", type, (LLVMValueRef[]){v, constant_like(v, least)}, 2);
    return em_call_intrinsic(e, "llvm.smin", type, (LLVMValueRef[]){v, constant_like(v, most)}, 2);
}

/* A number that fits 32 bits. What is stored alone is held to its type by narrowing, which instructions do for numbers
 * with a sign, or for those that are not below zero. */
static LLVMValueRef quantize_whole(emitter *e, const ds_op *op, const quantum *q, LLVMValueRef whole) {
    LLVMBuilderRef b = e->b;
    LLVMTypeRef type = with_lanes(em_elem(e, q->to), lanes_of(whole));
    if (becomes_float(&op->results[0], 8)) {
        LLVMValueRef v = held(e, whole, q->least - q->zero, q->most - q->zero);
        v = LLVMBuildTrunc(b, LLVMBuildAdd(b, v, constant_like(v, q->zero), ""), type, "");
        mark_lossless(e, v);
        return v;
    }
    double half = q->least == 0 && q->zero != 0 ? ldexp(1, q->bits - 1) : 0; /* less this it has a sign */
    LLVMValueRef v = LLVMBuildAdd(b, whole, constant_like(whole, q->zero - half), "");
    v = LLVMBuildTrunc(b, held(e, v, q->least - half, q->most - half), type, "");
    return half != 0 ? LLVMBuildXor(b, v, constant_like(v, half), "") : v;
}

static LLVMValueRef quantize(emitter *e, const ds_op *op, LLVMValueRef *x) {
    LLVMBuilderRef b = e->b;
    quantum q = quantum_of(op);
    LLVMTypeRef i32 = with_lanes(em_int(e, 32), lanes_of(x[0]));
    const char *rounds = q.known && q.bits >= 8 && ds_op_attr(op, "fits") ? rounds_to_whole(e, lanes_of(x[0])) : NULL;
    if (rounds) return quantize_whole(e, op, &q, round_to_whole(e, rounds, quotient(e, &q, x[0])));
    LLVMValueRef offset = ds_elem_is_unsigned(q.to) ? LLVMBuildZExt(b, x[2], i32, "") : LLVMBuildSExt(b, x[2], i32, ""),
                 v;
    if (q.known && e->target->has_fma) {
        LLVMValueRef low = constant_like(x[0], (double)(float)((q.least - q.zero) * q.scale));
        LLVMValueRef high = constant_like(x[0], (double)(float)((q.most - q.zero) * q.scale));
        v = quotient(e, &q, within(e, x[0], low, high));
    } else {
        LLVMValueRef from = LLVMBuildSIToFP(b, offset, LLVMTypeOf(x[0]), "");
        LLVMValueRef low = LLVMBuildFSub(b, constant_like(x[0], q.least), from, "");
        LLVMValueRef high = LLVMBuildFSub(b, constant_like(x[0], q.most), from, "");
        v = within(e, LLVMBuildFDiv(b, x[0], x[1], ""), low, high);
    }
    v = LLVMBuildAdd(b, nearest_whole(e, v), offset, "");
    v = LLVMBuildTrunc(b, v, with_lanes(em_elem(e, q.to), lanes_of(v)), "");
    if (q.bits >= 8) mark_lossless(e, v);
    return wrap_small(e, q.to, v);
}

/* The table of 256 numbers, each of so many bits. Equal ones are one, by name. */
static LLVMValueRef table_of(emitter *e, const ds_op *op, unsigned bits) {
    const ds_attr *table = ds_op_attr(op, "table");
    size_t bytes = ds_elem_facts(op->results[0].type->elem)->bits / 8, count = table->count / bytes;
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    LLVMValueRef entries[256];
    char name[64];
    for (size_t i = 0; i < table->count; i++) hash = (hash ^ ((const unsigned char *)table->bytes)[i]) * 0x100000001b3u;
    for (size_t i = 0; i < count; i++) {
        uint32_t number = 0;
        memcpy(&number, (const char *)table->bytes + i * bytes, bytes);
        entries[i] = LLVMConstInt(em_int(e, bits), number, 0);
    }
    snprintf(name, sizeof name, "table.%u.%u.%016llx", (unsigned)bytes, bits, (unsigned long long)hash);
    LLVMValueRef global = LLVMGetNamedGlobal(e->module, name);
    if (global) return global;
    global = LLVMAddGlobal(e->module, LLVMArrayType2(em_int(e, bits), count), name);
    LLVMSetInitializer(global, LLVMConstArray2(em_int(e, bits), entries, count));
    LLVMSetLinkage(global, LLVMPrivateLinkage);
    LLVMSetGlobalConstant(global, 1);
    LLVMSetAlignment(global, 64);
    return global;
}

/* The first lanes of v; those behind its end are whatever. */
static LLVMValueRef some_lanes(emitter *e, LLVMValueRef v, unsigned count) {
    LLVMValueRef from[64];
    for (unsigned i = 0; i < count; i++)
        from[i] = i < lanes_of(v) ? LLVMConstInt(em_int(e, 32), i, 0) : LLVMGetPoison(em_int(e, 32));
    return LLVMBuildShuffleVector(e->b, v, LLVMGetPoison(LLVMTypeOf(v)), LLVMConstVector(from, count), "");
}

/* Bytes by permutations of the table in four registers: of its halves one each, by the lower 7 bits. */
static LLVMValueRef look_up_bytes(emitter *e, const ds_op *op, LLVMValueRef byte) {
    enum { REGISTER = 64, HALVES = 2 };
    LLVMTypeRef part = with_lanes(em_int(e, 8), REGISTER);
    LLVMValueRef table = table_of(e, op, 8), at = some_lanes(e, byte, REGISTER), half[HALVES];
    for (unsigned i = 0; i < HALVES; i++) {
        LLVMValueRef entries[2];
        for (unsigned k = 0; k < 2; k++) {
            LLVMValueRef start = em_i64(e, (int64_t)(2 * i + k));
            entries[k] = LLVMBuildLoad2(e->b, part, LLVMBuildGEP2(e->b, part, table, &start, 1, ""), "");
        }
        LLVMValueRef args[] = {entries[0], at, entries[1]};
        half[i] = em_call_intrinsic(e, "llvm.x86.avx512.vpermi2var.qi.512", NULL, args, 3);
        half[i] = some_lanes(e, half[i], lanes_of(byte));
    }
    LLVMValueRef upper = LLVMBuildICmp(e->b, LLVMIntSLT, byte, LLVMConstNull(LLVMTypeOf(byte)), "");
    return LLVMBuildSelect(e->b, upper, half[1], half[0], "");
}

static LLVMValueRef look_up(emitter *e, const ds_op *op, LLVMValueRef byte) {
    LLVMBuilderRef b = e->b;
    ds_elem elem = op->results[0].type->elem;
    unsigned lanes = lanes_of(byte), bits = ds_elem_facts(elem)->bits;
    LLVMTypeRef words = with_lanes(em_int(e, 32), lanes), to = with_lanes(em_elem(e, elem), lanes);
    if (bits == 8 && lanes > 1 && strstr(e->target->features, "+avx512vbmi")) return look_up_bytes(e, op, byte);
    LLVMValueRef at = LLVMBuildZExt(b, byte, with_lanes(em_int(e, 64), lanes), ""), v;
    LLVMValueRef place = LLVMBuildGEP2(b, em_int(e, 32), table_of(e, op, 32), &at, 1, ""); /* words: lane by lane */
    if (lanes > 1) {
        LLVMTypeRef overloads[] = {words, LLVMTypeOf(place)};
        LLVMValueRef all = LLVMConstAllOnes(with_lanes(em_int(e, 1), lanes)),
                     args[] = {place, LLVMConstInt(em_int(e, 32), 4, 0), all, LLVMConstNull(words)};
        v = em_call_overloaded(e, "llvm.masked.gather", overloads, args, 4);
    } else {
        v = LLVMBuildLoad2(b, words, place, "");
    }
    return bits == 32 ? LLVMBuildBitCast(b, v, to, "") : LLVMBuildTrunc(b, v, to, "");
}

LLVMValueRef em_scalar(emitter *e, const ds_op *op, LLVMValueRef *x) {
    ds_elem elem = ds_op_operand(op, 0)->type->elem, to = op->results[0].type->elem;
    switch (op->kind) {
    case DS_LOOP_select: return LLVMBuildSelect(e->b, x[0], x[1], x[2], "");
    case DS_LOOP_cast: return convert(e, op, elem, to, x[0]);
    case DS_LOOP_quantize: return quantize(e, op, x);
    case DS_LOOP_lookup: return look_up(e, op, x[0]);
    case DS_LOOP_bitcast: return LLVMBuildBitCast(e->b, x[0], em_type(e, op->results[0].type), "");
    default: break;
    }
    LLVMValueRef v = ds_elem_is_float(elem) ? float_op(e, op, elem, x) : integer_op(e, op, elem, x);
    return ds_elem_facts(to)->bits < 8 && to != DS_b1 ? wrap_small(e, to, v) : v;
}
