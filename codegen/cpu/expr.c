/* Index expressions as LLVM instructions. */
#include <string.h>

#include "codegen/cpu/emit.h"

void em_define_symbol(emitter *e, const char *name, LLVMValueRef value) {
    for (size_t i = 0; i < arrlenu(e->symbols); i++)
        if (strcmp(e->symbols[i].name, name) == 0) {
            e->symbols[i] = (emit_symbol){name, value, NULL};
            return;
        }
    emit_symbol s = {name, value, NULL};
    arrput(e->symbols, s);
}

LLVMValueRef em_symbol_slot(emitter *e, const char *name) {
    for (size_t i = 0; i < arrlenu(e->symbols); i++)
        if (e->symbols[i].slot && strcmp(e->symbols[i].name, name) == 0) return e->symbols[i].slot;
    emit_symbol s = {name, NULL, em_entry_alloca(e, em_int(e, 64))};
    arrput(e->symbols, s);
    return s.slot;
}

static LLVMValueRef symbol_value(emitter *e, const char *name) {
    for (size_t i = 0; i < arrlenu(e->symbols); i++) {
        const emit_symbol *s = &e->symbols[i];
        if (strcmp(s->name, name) == 0) return s->slot ? LLVMBuildLoad2(e->b, em_int(e, 64), s->slot, "") : s->value;
    }
    e->error = "a symbol that is not defined here";
    return em_i64(e, 0);
}

static bool is_vector(LLVMValueRef v) { return LLVMGetTypeKind(LLVMTypeOf(v)) == LLVMVectorTypeKind; }

static void match(emitter *e, LLVMValueRef *a, LLVMValueRef *b) {
    if (is_vector(*a) && !is_vector(*b)) *b = em_splat(e, *b, LLVMGetVectorSize(LLVMTypeOf(*a)));
    if (is_vector(*b) && !is_vector(*a)) *a = em_splat(e, *a, LLVMGetVectorSize(LLVMTypeOf(*b)));
}

static LLVMValueRef divide(emitter *e, const ds_expr *expr, LLVMValueRef a, LLVMValueRef b) {
    LLVMBuilderRef at = e->b;
    bool remainder = expr->kind == DS_EXPR_MOD;
    LLVMValueRef zero = LLVMConstNull(LLVMTypeOf(b)),
                 one = LLVMBuildZExt(at, LLVMBuildICmp(at, LLVMIntEQ, b, zero, ""), LLVMTypeOf(b), "");
    LLVMValueRef safe = LLVMBuildAdd(at, b, one, ""); /* 1 where b is 0 */
    if (ds_expr_nonneg(expr->a) && ds_expr_nonneg(expr->b))
        return remainder ? LLVMBuildURem(at, a, safe, "") : LLVMBuildUDiv(at, a, safe, "");
    LLVMValueRef q = LLVMBuildSDiv(at, a, safe, ""), r = LLVMBuildSub(at, a, LLVMBuildMul(at, q, safe, ""), "");
    LLVMValueRef differ = LLVMBuildICmp(at, LLVMIntSLT, LLVMBuildXor(at, r, safe, ""), zero, "");
    LLVMValueRef adjust = LLVMBuildAnd(at, LLVMBuildICmp(at, LLVMIntNE, r, zero, ""), differ, "");
    if (remainder) return LLVMBuildSelect(at, adjust, LLVMBuildAdd(at, r, safe, ""), r, "");
    return LLVMBuildSub(at, q, LLVMBuildZExt(at, adjust, LLVMTypeOf(q), ""), "");
}

static LLVMValueRef atom(emitter *e, const ds_expr *expr, LLVMValueRef *dims, size_t lanes) {
    switch (expr->kind) {
    case DS_EXPR_SYMBOL: return symbol_value(e, expr->name);
    case DS_EXPR_DIM: return dims[expr->value];
    case DS_EXPR_POLY: return em_expr(e, expr, dims, lanes);
    default: break;
    }
    LLVMValueRef a = em_expr(e, expr->a, dims, lanes), b = em_expr(e, expr->b, dims, lanes);
    match(e, &a, &b);
    if (expr->kind == DS_EXPR_MIN || expr->kind == DS_EXPR_MAX) {
        LLVMValueRef args[] = {a, b};
        return em_call_intrinsic(e, expr->kind == DS_EXPR_MIN ? "llvm.smin" : "llvm.smax", LLVMTypeOf(a), args, 2);
    }
    if (expr->kind == DS_EXPR_BROADCAST) {
        LLVMValueRef one = em_i64(e, 1), is_one;
        match(e, &a, &one);
        is_one = LLVMBuildICmp(e->b, LLVMIntEQ, a, one, "");
        return LLVMBuildSelect(e->b, is_one, b, a, "");
    }
    return divide(e, expr, a, b);
}

/* a + b or a * b; where sizes are checked, notes that it is more than 64 bits hold. */
LLVMValueRef em_combine(emitter *e, bool product, LLVMValueRef a, LLVMValueRef b) {
    if (!e->overflow) return product ? LLVMBuildMul(e->b, a, b, "") : LLVMBuildAdd(e->b, a, b, "");
    LLVMValueRef args[] = {a, b},
                 pair = em_call_intrinsic(e, product ? "llvm.smul.with.overflow" : "llvm.sadd.with.overflow",
                                          LLVMTypeOf(a), args, 2);
    e->overflow = LLVMBuildOr(e->b, e->overflow, LLVMBuildExtractValue(e->b, pair, 1, ""), "");
    return LLVMBuildExtractValue(e->b, pair, 0, "");
}

LLVMValueRef em_expr(emitter *e, const ds_expr *expr, LLVMValueRef *dims, size_t lanes) {
    if (expr->kind != DS_EXPR_POLY) return atom(e, expr, dims, lanes);
    LLVMValueRef sum = expr->value || !expr->term_count ? em_i64(e, expr->value) : NULL;
    for (size_t i = 0; i < expr->term_count; i++) {
        const ds_term *t = &expr->terms[i];
        LLVMValueRef product = t->coefficient == 1 ? NULL : em_i64(e, t->coefficient);
        for (size_t k = t->atom_count; k-- > 0;) { /* symbols first, so that they leave loops */
            LLVMValueRef f = atom(e, t->atoms[k], dims, lanes);
            if (!product) product = f;
            else {
                match(e, &product, &f);
                product = em_combine(e, true, product, f);
            }
        }
        if (!sum) sum = product;
        else {
            match(e, &sum, &product);
            sum = em_combine(e, false, sum, product);
        }
    }
    return sum;
}

LLVMValueRef em_expr_attr(emitter *e, const ds_attr *attr) {
    const ds_expr *expr = ds_attr_to_expr(attr);
    if (expr) return em_expr(e, expr, NULL, 1);
    e->error = "an attribute that is not an expression";
    return em_i64(e, 0);
}

LLVMValueRef em_size(emitter *e, const ds_expr *const *factors, size_t count, LLVMValueRef *out_bad) {
    LLVMValueRef zero = em_i64(e, 0), product = em_i64(e, 1);
    e->overflow = LLVMConstNull(em_int(e, 1));
    for (size_t i = 0; i < count; i++) {
        LLVMValueRef f = em_expr(e, factors[i], NULL, 1), negative = LLVMBuildICmp(e->b, LLVMIntSLT, f, zero, "");
        e->overflow = LLVMBuildOr(e->b, e->overflow, negative, "");
        product = em_combine(e, true, product, f);
    }
    *out_bad = e->overflow;
    e->overflow = NULL;
    return product;
}
