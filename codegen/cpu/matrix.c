/* loop.matrix: products by registers that hold matrices (AMX).
 *
 * There are eight of them: four of sums, two of each factor, by number: LLVM 19 loses their strides where it has to
 * save some itself, so none of its values are matrices, and none outlives a loop.matrix. What a register holds is said
 * once for a loop.matrices, which costs about as much as 64 products of matrices.
 *
 *   for the window, `steps` of its innermost dim at a time:
 *     for each of `high`: A, `rows` rows of `steps` words
 *     for each of `wide`: B, `steps` lines of 16 words;  sums of each of high with it += A * B
 *
 * Sums go along the window in order, as those of loop.tile do.
 */
#include <stdio.h>
#include <string.h>

#include "codegen/cpu/emit.h"
#include "ir/mma.h"

enum { SUMS = 0, LEFT = 4, RIGHT = 6, RIGHTS = 2, LINE = 64, DESCRIPTION = 64 /* bytes */ };

typedef struct {
    emitter *e;
    const ds_mma *mma;
    int64_t steps, high, wide;
    size_t depth;
    const ds_attr *extent, *lhs, *rhs;
    LLVMValueRef ahead;                           /* what to prefetch: element of B, or NULL */
    int64_t lines;                                /* of it, for every turn */
    LLVMValueRef a, b, row[2], column[4], stride; /* stride: bytes between rows of A */
    char instruction[64];
} matrix;

static unsigned bytes_of(ds_elem elem) { return ds_elem_facts(elem)->bits / 8; }

static LLVMValueRef number(emitter *e, int64_t n) { return LLVMConstInt(em_int(e, 8), (unsigned long long)n, 0); }

static void call(emitter *e, const char *name, LLVMValueRef *args, unsigned count) {
    em_call_intrinsic(e, name, NULL, args, count);
}

static LLVMValueRef address(emitter *e, unsigned bytes, LLVMValueRef base, LLVMValueRef at) {
    return LLVMBuildGEP2(e->b, em_int(e, 8 * bytes), base, &at, 1, "");
}

/* ---- shapes ---- */

static void put(emitter *e, LLVMValueRef description, int64_t at, unsigned bits, LLVMValueRef value) {
    LLVMValueRef p = address(e, 1, description, em_i64(e, at));
    LLVMSetAlignment(LLVMBuildStore(e->b, LLVMBuildTrunc(e->b, value, em_int(e, bits), ""), p), 1);
}

/* Palette 1: bytes of a row from byte 16 on, two for each register; rows from byte 48 on. */
void em_matrices(emitter *e, const ds_op *op) {
    enum { PALETTE = 0, ROW_BYTES = 16, ROWS = 48, COUNT = 8 };
    LLVMTypeRef type = LLVMArrayType2(em_int(e, 8), DESCRIPTION);
    LLVMValueRef description = em_entry_alloca(e, type), rows = em_value(e, ds_op_operand(op, 0));
    int64_t steps = ds_op_int(op, "steps", 1);
    LLVMSetAlignment(description, DESCRIPTION);
    LLVMSetAlignment(LLVMBuildStore(e->b, LLVMConstNull(type), description), DESCRIPTION);
    put(e, description, PALETTE, 8, em_i64(e, 1));
    for (int64_t i = 0; i < COUNT; i++) {
        bool is_left = i >= LEFT && i < RIGHT;
        put(e, description, ROW_BYTES + 2 * i, 16, em_i64(e, is_left ? 4 * steps : LINE));
        put(e, description, ROWS + i, 8, i >= RIGHT ? em_i64(e, steps) : rows);
    }
    call(e, "llvm.x86.ldtilecfg", &description, 1);
}

void em_matrices_end(emitter *e) { call(e, "llvm.x86.tilerelease", NULL, 0); }

/* ---- products ---- */

static LLVMValueRef plus(matrix *t, LLVMValueRef a, LLVMValueRef b) { return LLVMBuildAdd(t->e->b, a, b, ""); }

/* Beside a turn of a panel of B, from b_at on: so many lines of what comes next. */
static void fetch_ahead(matrix *t, LLVMValueRef b_at) {
    emitter *e = t->e;
    ds_panel panel = ds_mma_panel(t->mma);
    unsigned bytes = bytes_of(t->mma->rhs);
    if (!t->ahead) return;
    LLVMValueRef number = LLVMBuildUDiv(e->b, b_at, em_i64(e, t->steps * panel.columns * panel.group), "");
    LLVMValueRef at = plus(t, t->ahead, LLVMBuildMul(e->b, number, em_i64(e, t->lines * LINE / bytes), ""));
    for (int64_t i = 0; i < t->lines; i++)
        em_fetch(e, address(e, bytes, t->b, plus(t, at, em_i64(e, i * LINE / bytes))), 2);
}

static void turn(matrix *t, LLVMValueRef a_at, LLVMValueRef b_at) {
    emitter *e = t->e;
    unsigned left = bytes_of(t->mma->lhs), right = bytes_of(t->mma->rhs);
    fetch_ahead(t, b_at);
    LLVMValueRef line = LLVMBuildMul(e->b, em_expr_attr(e, t->rhs->items[t->depth - 1]), em_i64(e, right), "");
    for (int64_t i = 0; i < t->high; i++) {
        LLVMValueRef args[] = {number(e, LEFT + i), address(e, left, t->a, plus(t, t->row[i], a_at)), t->stride};
        call(e, "llvm.x86.tileloadd64", args, 3);
    }
    for (int64_t j = 0; j < t->wide; j++) {
        int64_t to = RIGHT + j % RIGHTS;
        LLVMValueRef args[] = {number(e, to), address(e, right, t->b, plus(t, t->column[j], b_at)), line};
        call(e, "llvm.x86.tileloadd64", args, 3);
        for (int64_t i = 0; i < t->high; i++) {
            LLVMValueRef factors[] = {number(e, SUMS + i * t->wide + j), number(e, LEFT + i), number(e, to)};
            call(e, t->instruction, factors, 3);
        }
    }
}

static void window(matrix *t, size_t dim, LLVMValueRef a_at, LLVMValueRef b_at) {
    emitter *e = t->e;
    if (dim == t->depth) {
        turn(t, a_at, b_at);
        return;
    }
    bool innermost = dim + 1 == t->depth;
    LLVMValueRef by = em_i64(e, innermost ? t->steps : 1), zero = em_i64(e, 0),
                 high = em_expr_attr(e, t->extent->items[dim]), as = em_expr_attr(e, t->lhs->items[dim]),
                 bs = em_expr_attr(e, t->rhs->items[dim]);
    LLVMBasicBlockRef from = LLVMGetInsertBlock(e->b), head = em_block(e, "k"), body = em_block(e, "k.body"),
                      done = em_block(e, "k.done");
    LLVMBuildBr(e->b, head);
    LLVMPositionBuilderAtEnd(e->b, head);
    LLVMValueRef k = LLVMBuildPhi(e->b, em_int(e, 64), "");
    LLVMAddIncoming(k, &zero, &from, 1);
    LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, k, high, ""), body, done);
    LLVMPositionBuilderAtEnd(e->b, body);
    window(t, dim + 1, plus(t, a_at, LLVMBuildMul(e->b, k, as, "")), plus(t, b_at, LLVMBuildMul(e->b, k, bs, "")));
    LLVMBasicBlockRef end = LLVMGetInsertBlock(e->b);
    LLVMValueRef next = LLVMBuildNSWAdd(e->b, k, by, "");
    LLVMAddIncoming(k, &next, &end, 1);
    LLVMBuildBr(e->b, head);
    LLVMPositionBuilderAtEnd(e->b, done);
}

static void store_sums(matrix *t, LLVMValueRef sums) {
    emitter *e = t->e;
    unsigned bytes = bytes_of(t->mma->sum);
    int64_t columns = t->wide * t->mma->n;
    for (int64_t i = 0; i < t->high; i++)
        for (int64_t j = 0; j < t->wide; j++) {
            LLVMValueRef at = em_i64(e, i * t->mma->m * columns + j * t->mma->n);
            LLVMValueRef args[] = {number(e, SUMS + i * t->wide + j), address(e, bytes, sums, at),
                                   em_i64(e, columns * bytes)};
            call(e, "llvm.x86.tilestored64", args, 3);
        }
}

static const ds_op *registers_of(const ds_op *op) {
    const ds_op *outer = op->block->region->op;
    while (outer->kind != DS_LOOP_matrices) outer = outer->block->region->op;
    return outer;
}

void em_matrix(emitter *e, const ds_op *op) {
    const ds_op *registers = registers_of(op);
    matrix t = {.e = e,
                .mma = ds_mma_find(ds_op_text(registers, "mma", "")),
                .steps = ds_op_int(registers, "steps", 1),
                .high = ds_op_int(op, "high", 1),
                .wide = ds_op_int(op, "wide", 1),
                .extent = ds_op_attr(op, "window"),
                .lhs = ds_op_attr(op, "lhs"),
                .rhs = ds_op_attr(op, "rhs")};
    t.depth = t.extent->count;
    snprintf(t.instruction, sizeof t.instruction, "llvm.x86.%s", t.mma->generator);
    t.a = em_value(e, ds_op_operand(op, 0)), t.b = em_value(e, ds_op_operand(op, 1));
    for (int64_t i = 0; i < t.high; i++) t.row[i] = em_value(e, ds_op_operand(op, (size_t)(2 + i)));
    for (int64_t j = 0; j < t.wide; j++) t.column[j] = em_value(e, ds_op_operand(op, (size_t)(2 + t.high + j)));
    t.stride = LLVMBuildMul(e->b, em_expr_attr(e, ds_op_attr(op, "stride")), em_i64(e, bytes_of(t.mma->lhs)), "");
    t.lines = ds_op_int(op, "ahead", 0);
    if (t.lines) t.ahead = em_value(e, ds_op_operand(op, op->operand_count - 2));
    for (int64_t i = 0; i < t.high * t.wide; i++) {
        LLVMValueRef sum = number(e, SUMS + i);
        call(e, "llvm.x86.tilezero", &sum, 1);
    }
    window(&t, 0, em_i64(e, 0), em_i64(e, 0));
    store_sums(&t, em_value(e, ds_op_operand(op, op->operand_count - 1)));
}
