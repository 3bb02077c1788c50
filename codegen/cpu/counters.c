/* Loops that are kept from LLVM's loop strength reduction, which every other loop goes through in the code generator.
 *
 *   before: %i = phi [ %low, … ], [ %next, … ]
 *   after:  %i = phi [ %low, … ], [ %hidden, … ]     %hidden = %next, opaque in the code generator
 *
 * needs:  modules after their passes
 * costs:  a few instructions a turn; pools and the transforms of Winograd's algorithm take between 0.97 and 1.1 times
 *         as long, whole models 0.99 to 1.01 times, which is what two measurements of the same code differ by
 * gains:  the time of a pass that tries formulas for all addresses of a loop at once: of a body with a hundred, seconds
 * Loops that carry vectors (register tiles, reductions) or multiply what they load (depthwise convolutions) keep their
 * counters: every instruction counts in them, measured up to 1.25 times. */
#include <stdlib.h>
#include <string.h>

#include "codegen/cpu/compile.h"

enum { BODY_ACCESSES = 52 };

typedef struct {
    LLVMBasicBlockRef key;
    size_t value;
} block_number;

typedef struct {
    LLVMValueRef counter; /* phi */
    unsigned from;        /* its incoming value that the loop makes */
    size_t head;
    bool *inside; /* of every block of the function: is it the loop's? */
    size_t size;  /* blocks inside */
} counted_loop;

typedef struct {
    block_number *numbers; /* stb_ds hash map */
    LLVMBasicBlockRef *blocks;
    size_t **before; /* for every block: a stb_ds array of the blocks that jump to it */
    size_t *accesses;
    counted_loop *loops;
} shape;

static size_t number_of(shape *s, LLVMBasicBlockRef block) { return hmget(s->numbers, block); }

static size_t count_accesses(LLVMBasicBlockRef block) {
    size_t n = 0;
    for (LLVMValueRef i = LLVMGetFirstInstruction(block); i; i = LLVMGetNextInstruction(i))
        n += LLVMIsALoadInst(i) || LLVMIsAStoreInst(i);
    return n;
}

static void read_blocks(shape *s, LLVMValueRef function) {
    for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(function); b; b = LLVMGetNextBasicBlock(b)) {
        hmput(s->numbers, b, arrlenu(s->blocks));
        arrput(s->blocks, b);
        arrput(s->before, NULL);
        arrput(s->accesses, count_accesses(b));
    }
    for (size_t i = 0; i < arrlenu(s->blocks); i++) {
        LLVMValueRef end = LLVMGetBasicBlockTerminator(s->blocks[i]);
        for (unsigned k = 0; k < LLVMGetNumSuccessors(end); k++)
            arrput(s->before[number_of(s, LLVMGetSuccessor(end, k))], i);
    }
}

/* Whatever reaches `latch` without passing the loop's head. */
static void add_inside(shape *s, counted_loop *l, size_t latch) {
    size_t *todo = NULL;
    l->inside[l->head] = true;
    l->size = 1;
    arrput(todo, latch);
    while (arrlenu(todo)) {
        size_t b = arrpop(todo);
        if (l->inside[b]) continue;
        l->inside[b] = true;
        l->size++;
        for (size_t i = 0; i < arrlenu(s->before[b]); i++) arrput(todo, s->before[b][i]);
    }
    arrfree(todo);
}

/* A load, or one that padding may replace. */
static bool is_loaded(LLVMValueRef v) {
    if (LLVMIsASelectInst(v)) return LLVMIsALoadInst(LLVMGetOperand(v, 1)) || LLVMIsALoadInst(LLVMGetOperand(v, 2));
    return LLVMIsALoadInst(v);
}

static bool multiplies_loads(LLVMBasicBlockRef block) {
    for (LLVMValueRef i = LLVMGetFirstInstruction(block); i; i = LLVMGetNextInstruction(i)) {
        bool is_product =
            LLVMGetInstructionOpcode(i) == LLVMFMul || (LLVMIsACallInst(i) && LLVMGetNumArgOperands(i) == 3);
        if (is_product && is_loaded(LLVMGetOperand(i, 0)) && is_loaded(LLVMGetOperand(i, 1))) return true;
    }
    return false;
}

static bool carries_vectors(LLVMBasicBlockRef head) {
    for (LLVMValueRef p = LLVMGetFirstInstruction(head); p && LLVMIsAPHINode(p); p = LLVMGetNextInstruction(p))
        if (LLVMGetTypeKind(LLVMTypeOf(p)) == LLVMVectorTypeKind) return true;
    return false;
}

static bool adds_to(LLVMValueRef value, LLVMValueRef counter) {
    return LLVMIsAInstruction(value) && LLVMGetInstructionOpcode(value) == LLVMAdd &&
           LLVMGetOperand(value, 0) == counter;
}

static void find_loops(emitter *e, shape *s) {
    for (size_t b = 0; b < arrlenu(s->blocks); b++)
        for (LLVMValueRef p = LLVMGetFirstInstruction(s->blocks[b]); p && LLVMIsAPHINode(p);
             p = LLVMGetNextInstruction(p))
            for (unsigned i = 0; LLVMTypeOf(p) == em_int(e, 64) && i < LLVMCountIncoming(p); i++) {
                if (!adds_to(LLVMGetIncomingValue(p, i), p)) continue;
                counted_loop l = {.counter = p, .from = i, .head = b, .inside = ds_xmalloc(arrlenu(s->blocks))};
                memset(l.inside, 0, arrlenu(s->blocks));
                add_inside(s, &l, number_of(s, LLVMGetIncomingBlock(p, i)));
                arrput(s->loops, l);
            }
}

/* In none of the loops inside this one. */
static bool is_own(const shape *s, const counted_loop *l, size_t block) {
    bool own = l->inside[block];
    for (size_t k = 0; own && k < arrlenu(s->loops); k++)
        own = !s->loops[k].inside[block] || s->loops[k].size >= l->size;
    return own;
}

static bool is_to_be_hidden(const shape *s, const counted_loop *l) {
    size_t accesses = 0;
    if (carries_vectors(s->blocks[l->head])) return false;
    for (size_t b = 0; b < arrlenu(s->blocks); b++) {
        if (!is_own(s, l, b)) continue;
        if (multiplies_loads(s->blocks[b])) return false;
        accesses += s->accesses[b];
    }
    return accesses >= BODY_ACCESSES;
}

/* llvm.strip.invariant.group is the identity, and has no other user here. */
static void hide(emitter *e, const counted_loop *l) {
    static const char name[] = "llvm.strip.invariant.group";
    LLVMTypeRef pointer = LLVMPointerTypeInContext(e->llvm, 0), i64 = em_int(e, 64);
    LLVMPositionBuilderBefore(e->b, LLVMGetBasicBlockTerminator(LLVMGetIncomingBlock(l->counter, l->from)));
    LLVMValueRef next = LLVMBuildIntToPtr(e->b, LLVMGetIncomingValue(l->counter, l->from), pointer, "");
    LLVMValueRef hidden = em_call_intrinsic(e, name, pointer, &next, 1);
    LLVMSetOperand(l->counter, l->from, LLVMBuildPtrToInt(e->b, hidden, i64, ""));
}

static void hide_in(emitter *e, LLVMValueRef function) {
    shape s = {0};
    read_blocks(&s, function);
    find_loops(e, &s);
    for (size_t i = 0; i < arrlenu(s.loops); i++)
        if (is_to_be_hidden(&s, &s.loops[i])) hide(e, &s.loops[i]);
    for (size_t i = 0; i < arrlenu(s.before); i++) arrfree(s.before[i]);
    for (size_t i = 0; i < arrlenu(s.loops); i++) free(s.loops[i].inside);
    hmfree(s.numbers);
    arrfree(s.blocks);
    arrfree(s.before);
    arrfree(s.accesses);
    arrfree(s.loops);
}

void em_hide_counters(emitter *e) {
    LLVMSetCurrentDebugLocation2(e->b, NULL);
    for (LLVMValueRef f = LLVMGetFirstFunction(e->module); f; f = LLVMGetNextFunction(f))
        if (!LLVMIsDeclaration(f)) hide_in(e, f);
}
