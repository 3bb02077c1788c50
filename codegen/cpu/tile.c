/* loop.tile: the one micro-kernel generator. rows x columns vectors of sums
 *
 *   C[r][j] = sum over the window of A[row_r + window . lhs] * B[column_j + window . rhs … + lanes)
 *
 * The window's dims are loops, the last one unrolled by 4. Per step: `columns` loads of B, `rows` broadcasts of A, rows * columns fused
 * multiply-adds. Sums go along the window in order, one accumulator each, so the result does not depend on the tile's size. Long sums
 * are made of blocks of 256 steps whose sums are added up in memory: the rounding error grows with the number of blocks, not of steps.
 */
#include <string.h>

#include "codegen/cpu/emit.h"

enum { UNROLL = 4, MAX_TILE = 128, BLOCK = 256, LINE = 16, NEAR = 12 }; /* LINE: elements of a cache line; NEAR: lines */

typedef struct {
    emitter *e;
    ds_ir_context *cx;
    const ds_op *op;
    size_t rows, columns, lanes, depth;
    const ds_attr *extent, *lhs, *rhs;
    LLVMValueRef a, b, row[16], column[16], mask[16];
    LLVMTypeRef vector;
    LLVMValueRef sums;  /* of blocks, in memory; NULL where one accumulator takes all */
    LLVMValueRef ahead; /* what to prefetch: offset into B, or NULL */
    int64_t lines;      /* of it, for every UNROLL steps */
} tile;

static LLVMValueRef offset(tile *t, LLVMValueRef base, LLVMValueRef add) { return LLVMBuildAdd(t->e->b, base, add, ""); }

static LLVMValueRef element(tile *t, LLVMValueRef base, LLVMValueRef at) {
    return LLVMBuildGEP2(t->e->b, em_elem(t->e, DS_f32), base, &at, 1, "");
}

static LLVMValueRef load_vector(tile *t, LLVMValueRef at, LLVMValueRef mask) {
    LLVMValueRef p = element(t, t->b, at);
    if (!mask) {
        LLVMValueRef v = LLVMBuildLoad2(t->e->b, t->vector, p, "");
        LLVMSetAlignment(v, 4);
        return v;
    }
    LLVMTypeRef overloads[] = {t->vector, LLVMPointerTypeInContext(t->e->llvm, 0)};
    LLVMValueRef args[] = {p, LLVMConstInt(em_int(t->e, 32), 4, 0), mask, LLVMConstNull(t->vector)};
    unsigned id = LLVMLookupIntrinsicID("llvm.masked.load", strlen("llvm.masked.load"));
    LLVMValueRef f = LLVMGetIntrinsicDeclaration(t->e->module, id, overloads, 2);
    return LLVMBuildCall2(t->e->b, LLVMIntrinsicGetType(t->e->llvm, id, overloads, 2), f, args, 4, "");
}

/* Element `at` of B into the L1 (3) or L2 (2) cache. */
static void fetch(tile *t, LLVMValueRef at, unsigned level) {
    emitter *e = t->e;
    LLVMTypeRef pointer = LLVMPointerTypeInContext(e->llvm, 0), i32 = em_int(e, 32);
    unsigned id = LLVMLookupIntrinsicID("llvm.prefetch", strlen("llvm.prefetch"));
    LLVMValueRef f = LLVMGetIntrinsicDeclaration(e->module, id, &pointer, 1),
                 args[] = {element(t, t->b, at), LLVMConstInt(i32, 0, 0), LLVMConstInt(i32, level, 0), LLVMConstInt(i32, 1, 0)};
    LLVMBuildCall2(e->b, LLVMIntrinsicGetType(e->llvm, id, &pointer, 1), f, args, 4, "");
}

/* Beside UNROLL steps of B from b_at on: as many lines of the next columns. */
static void fetch_ahead(tile *t, LLVMValueRef b_at) {
    emitter *e = t->e;
    if (!t->ahead) return;
    LLVMValueRef skipped = LLVMBuildMul(e->b, LLVMBuildUDiv(e->b, b_at, em_i64(e, UNROLL * LINE), ""), em_i64(e, t->lines * LINE), "");
    for (int64_t i = 0; i < t->lines; i++) fetch(t, offset(t, offset(t, t->ahead, skipped), em_i64(e, i * LINE)), 2);
}

/* Keeps the loads of later steps behind this place: LLVM would gather those that lie close together, and run out of registers. */
static void keep_order(tile *t) {
    LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(t->e->llvm), NULL, 0, 0);
    LLVMValueRef nothing = LLVMGetInlineAsm(type, "", 0, "~{memory}", strlen("~{memory}"), 1, 0, LLVMInlineAsmDialectATT, 0);
    LLVMBuildCall2(t->e->b, type, nothing, NULL, 0, "");
}

/* One step: acc += A row broadcasts x B vectors, at the given offsets into both. */
static void step(tile *t, LLVMValueRef a_at, LLVMValueRef b_at, LLVMValueRef *acc) {
    emitter *e = t->e;
    LLVMValueRef b[16];
    for (size_t j = 0; j < t->columns; j++) b[j] = load_vector(t, offset(t, t->column[j], b_at), t->mask[j]);
    if (t->ahead && t->rows > 1)
        for (size_t j = 0; j < t->columns; j += t->lanes < LINE ? LINE / t->lanes : 1)
            fetch(t, offset(t, offset(t, t->column[j], b_at), em_i64(t->e, NEAR * LINE)), 3);
    for (size_t r = 0; r < t->rows; r++) {
        LLVMValueRef x = LLVMBuildLoad2(e->b, em_elem(e, DS_f32), element(t, t->a, offset(t, t->row[r], a_at)), "");
        LLVMSetAlignment(x, 4);
        LLVMValueRef wide = em_splat(e, x, t->lanes);
        for (size_t j = 0; j < t->columns; j++) {
            LLVMValueRef *c = &acc[r * t->columns + j], args[] = {wide, b[j], *c};
            if (e->target->has_fma) *c = em_call_intrinsic(e, "llvm.fma", t->vector, args, 3);
            else *c = LLVMBuildFAdd(e->b, *c, LLVMBuildFMul(e->b, wide, b[j], ""), "");
        }
    }
    if (t->rows > 1) keep_order(t);
}

typedef struct {
    LLVMBasicBlockRef head, body, done;
    LLVMValueRef i, phis[MAX_TILE];
} counted;

/* for (i = low; i < high; i += by) with the accumulators as phis */
static void open_loop(tile *t, counted *l, LLVMValueRef low, LLVMValueRef high, LLVMValueRef *acc) {
    emitter *e = t->e;
    LLVMBasicBlockRef from = LLVMGetInsertBlock(e->b);
    size_t n = t->rows * t->columns;
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
    for (size_t i = 0; i < t->rows * t->columns; i++) {
        LLVMAddIncoming(l->phis[i], &acc[i], &end, 1);
        acc[i] = l->phis[i];
    }
    LLVMPositionBuilderAtEnd(e->b, l->done);
}

static LLVMValueRef sum_slot(tile *t, size_t i) {
    LLVMValueRef at = em_i64(t->e, (int64_t)i);
    return LLVMBuildGEP2(t->e->b, t->vector, t->sums, &at, 1, "");
}

static void innermost(tile *t, size_t dim, LLVMValueRef a_at, LLVMValueRef b_at, LLVMValueRef *acc);

/* The innermost dim in blocks: each starts from zero and is added to the sums in memory. */
static void in_blocks(tile *t, size_t dim, LLVMValueRef a_at, LLVMValueRef b_at) {
    emitter *e = t->e;
    LLVMValueRef total = em_expr_attr(e, t->extent->items[dim]), as = em_expr_attr(e, t->lhs->items[dim]),
                 bs = em_expr_attr(e, t->rhs->items[dim]);
    LLVMValueRef none[MAX_TILE], acc[MAX_TILE];
    size_t n = t->rows * t->columns;
    counted blocks, steps, rest;
    for (size_t i = 0; i < n; i++) none[i] = acc[i] = LLVMConstNull(t->vector);
    open_loop(t, &blocks, em_i64(e, 0), total, none);
    LLVMValueRef bounds[] = {LLVMBuildAdd(e->b, blocks.i, em_i64(e, BLOCK), ""), total},
                 high = em_call_intrinsic(e, "llvm.smin", em_int(e, 64), bounds, 2);
    LLVMValueRef whole = LLVMBuildAnd(e->b, high, em_i64(e, -UNROLL), "");
    open_loop(t, &steps, blocks.i, whole, acc);
    fetch_ahead(t, offset(t, b_at, LLVMBuildMul(e->b, steps.i, bs, "")));
    for (int u = 0; u < UNROLL; u++) {
        LLVMValueRef k = LLVMBuildNSWAdd(e->b, steps.i, em_i64(e, u), "");
        step(t, offset(t, a_at, LLVMBuildMul(e->b, k, as, "")), offset(t, b_at, LLVMBuildMul(e->b, k, bs, "")), acc);
    }
    close_loop(t, &steps, UNROLL, acc);
    int64_t known;
    if (!ds_expr_is_const(ds_attr_to_expr(t->extent->items[dim]), &known) || known % UNROLL) {
        open_loop(t, &rest, whole, high, acc);
        step(t, offset(t, a_at, LLVMBuildMul(e->b, rest.i, as, "")), offset(t, b_at, LLVMBuildMul(e->b, rest.i, bs, "")), acc);
        close_loop(t, &rest, 1, acc);
    }
    for (size_t i = 0; i < n; i++) {
        LLVMValueRef slot = sum_slot(t, i);
        LLVMBuildStore(e->b, LLVMBuildFAdd(e->b, LLVMBuildLoad2(e->b, t->vector, slot, ""), acc[i], ""), slot);
    }
    close_loop(t, &blocks, BLOCK, none);
}

static void innermost(tile *t, size_t dim, LLVMValueRef a_at, LLVMValueRef b_at, LLVMValueRef *acc) {
    emitter *e = t->e;
    const ds_expr *extent = ds_attr_to_expr(t->extent->items[dim]);
    if (t->sums) {
        in_blocks(t, dim, a_at, b_at);
        return;
    }
    LLVMValueRef total = em_expr(e, extent, NULL, 1), as = em_expr_attr(e, t->lhs->items[dim]), bs = em_expr_attr(e, t->rhs->items[dim]);
    int64_t known;
    bool fixed = ds_expr_is_const(extent, &known);
    LLVMValueRef whole = LLVMBuildAnd(e->b, total, em_i64(e, -UNROLL), ""), low = em_i64(e, 0);
    if (!fixed || known >= UNROLL) {
        counted loop;
        open_loop(t, &loop, low, whole, acc);
        fetch_ahead(t, offset(t, b_at, LLVMBuildMul(e->b, loop.i, bs, "")));
        for (int u = 0; u < UNROLL; u++) {
            LLVMValueRef k = LLVMBuildNSWAdd(e->b, loop.i, em_i64(e, u), "");
            step(t, offset(t, a_at, LLVMBuildMul(e->b, k, as, "")), offset(t, b_at, LLVMBuildMul(e->b, k, bs, "")), acc);
        }
        close_loop(t, &loop, UNROLL, acc);
    }
    if (fixed) {
        for (int64_t k = known / UNROLL * UNROLL; k < known; k++)
            step(t, offset(t, a_at, LLVMBuildMul(e->b, em_i64(e, k), as, "")), offset(t, b_at, LLVMBuildMul(e->b, em_i64(e, k), bs, "")),
                 acc);
        return;
    }
    counted rest;
    open_loop(t, &rest, whole, total, acc);
    step(t, offset(t, a_at, LLVMBuildMul(e->b, rest.i, as, "")), offset(t, b_at, LLVMBuildMul(e->b, rest.i, bs, "")), acc);
    close_loop(t, &rest, 1, acc);
}

static void window(tile *t, size_t dim, LLVMValueRef a_at, LLVMValueRef b_at, LLVMValueRef *acc) {
    emitter *e = t->e;
    if (dim == t->depth) {
        step(t, a_at, b_at, acc);
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
    window(t, dim + 1, offset(t, a_at, LLVMBuildMul(e->b, loop.i, as, "")), offset(t, b_at, LLVMBuildMul(e->b, loop.i, bs, "")), acc);
    close_loop(t, &loop, 1, acc);
}

void em_tile(emitter *e, ds_ir_context *cx, const ds_op *op) {
    tile t = {.e = e,
              .cx = cx,
              .op = op,
              .rows = (size_t)ds_op_int(op, "rows", 1),
              .columns = (size_t)ds_op_int(op, "columns", 1),
              .lanes = (size_t)ds_op_int(op, "lanes", 1),
              .extent = ds_op_attr(op, "window"),
              .lhs = ds_op_attr(op, "lhs"),
              .rhs = ds_op_attr(op, "rhs")};
    LLVMValueRef acc[MAX_TILE];
    t.depth = t.extent->count;
    t.vector = LLVMVectorType(em_elem(e, DS_f32), (unsigned)t.lanes);
    t.a = em_value(e, ds_op_operand(op, 0)), t.b = em_value(e, ds_op_operand(op, 1));
    for (size_t r = 0; r < t.rows; r++) t.row[r] = em_value(e, ds_op_operand(op, 2 + r));
    for (size_t j = 0; j < t.columns; j++) t.column[j] = em_value(e, ds_op_operand(op, 2 + t.rows + j));
    for (size_t j = 0; ds_op_attr(op, "masked") && j < t.columns; j++)
        t.mask[j] = em_value(e, ds_op_operand(op, 2 + t.rows + t.columns + j));
    t.lines = ds_op_int(op, "ahead", 0);
    if (t.lines) t.ahead = em_value(e, ds_op_operand(op, op->operand_count - 1));
    for (size_t i = 0; i < t.rows * t.columns; i++) acc[i] = LLVMConstNull(t.vector);
    int64_t steps;
    if (t.depth && (!ds_expr_is_const(ds_attr_to_expr(t.extent->items[t.depth - 1]), &steps) || steps > 2 * BLOCK)) {
        t.sums = em_entry_alloca(e, LLVMArrayType2(t.vector, t.rows * t.columns));
        for (size_t i = 0; i < t.rows * t.columns; i++) LLVMBuildStore(e->b, acc[i], sum_slot(&t, i));
    }
    window(&t, 0, em_i64(e, 0), em_i64(e, 0), acc);
    for (size_t i = 0; t.sums && i < t.rows * t.columns; i++) acc[i] = LLVMBuildLoad2(e->b, t.vector, sum_slot(&t, i), "");
    for (size_t i = 0; i < t.rows * t.columns; i++) em_set(e, &op->results[i], acc[i]);
}
