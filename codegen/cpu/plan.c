/* Plans -> the model's entry function: int prefix(ds_context *, prefix_args *), and uint64_t
 * prefix_arena_bytes(symbols…, lanes).
 *
 * The entry checks arguments and constraints, takes sizes from the symbols, and calls kernels in order. All error paths
 * go through one exit, which releases what was allocated.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/cpu/plan.h"
#include "codegen/frame.h"
#include "ir/require.h"

/* ---- small things ---- */

static bool symbols_known(plan *p, const ds_expr *e);
static void check_symbol(void *user, const char *name) {
    void **pair = user;
    emitter *e = pair[0];
    for (size_t i = 0; i < arrlenu(e->symbols); i++)
        if (strcmp(e->symbols[i].name, name) == 0) return;
    *(bool *)pair[1] = false;
}

static bool symbols_known(plan *p, const ds_expr *e) {
    bool known = true;
    void *pair[] = {p->e, &known};
    ds_expr_each_symbol(e, check_symbol, pair);
    return known;
}

/* *out_bad: a bit that says that an extent is negative, or the size more than 63 bits hold. */
static LLVMValueRef bytes_of(plan *p, const ds_type *type, LLVMValueRef *out_bad) {
    unsigned bits = ds_elem_facts(type->elem)->bits;
    const ds_expr *factors[64];
    for (size_t i = 0; i < type->rank; i++) factors[i] = type->dims[i];
    factors[type->rank] = ds_expr_const(p->cx, bits < 8 ? bits : bits / 8);
    LLVMValueRef size = em_size(p->e, factors, type->rank + 1, out_bad);
    return bits < 8 ? LLVMBuildLShr(p->e->b, LLVMBuildAdd(p->e->b, size, em_i64(p->e, 7), ""), em_i64(p->e, 3), "")
                    : size;
}

/* ---- arguments ---- */

static void bind_input(plan *p, size_t i) {
    const ds_argument *a = &p->signature.inputs[i];
    LLVMValueRef data = field(p, p->args, a->offset, p->pointer), bytes = field(p, p->args, a->offset + 8, p->i64);
    for (size_t d = 0; !a->is_static && d < a->type->rank; d++) {
        const ds_expr *extent = a->type->dims[d];
        LLVMValueRef given = field(p, p->args, a->offset + 16 + 8 * d, p->i64);
        fail_if(p, compare(p, LLVMIntSLT, given, em_i64(p->e, 0)), DS_WRONG_SIZE, i);
        if (extent->kind == DS_EXPR_SYMBOL && !symbols_known(p, extent)) em_define_symbol(p->e, extent->name, given);
        else fail_if(p, compare(p, LLVMIntNE, given, em_expr(p->e, extent, NULL, 1)), DS_WRONG_SIZE, i);
    }
    LLVMValueRef bad, need = bytes_of(p, a->type, &bad);
    fail_if(p, LLVMBuildOr(p->e->b, bad, compare(p, LLVMIntULT, bytes, need), ""), DS_WRONG_SIZE, i);
    em_set(p->e, ds_op_block(p->func, 0)->args[i], data);
}

static void set_extents(plan *p, const ds_argument *a) {
    for (size_t d = 0; !a->is_static && d < a->type->rank; d++)
        set_field(p, p->args, a->offset + 16 + 8 * d, em_expr(p->e, a->type->dims[d], NULL, 1));
}

/* How many rows an input's bytes have room for; *out_any: a bit that says that a row has no bytes, so that there is room
 * for any number, and this is what the result needs. */
static LLVMValueRef room_of(plan *p, const ds_argument *result, LLVMValueRef *out_any) {
    emitter *e = p->e;
    const ds_argument *a = &p->signature.inputs[result->tied];
    const ds_expr *dims[64];
    for (size_t d = 0; d < a->type->rank; d++)
        dims[d] = (int64_t)d == a->room_dim ? ds_expr_const(p->cx, 1) : a->type->dims[d];
    LLVMValueRef bytes = field(p, p->args, a->offset + 8, p->i64), bad, zero = em_i64(e, 0),
                 row = bytes_of(p, ds_type_tensor(p->cx, a->type->elem, a->type->rank, dims, NULL), &bad);
    *out_any = compare(p, LLVMIntEQ, row, zero);
    row = LLVMBuildSelect(e->b, *out_any, em_i64(e, 1), row, "");
    LLVMValueRef rest = LLVMBuildURem(e->b, bytes, row, ""), rows = LLVMBuildUDiv(e->b, bytes, row, "");
    bad = LLVMBuildOr(e->b, bad, compare(p, LLVMIntSLT, bytes, zero), "");
    bad = LLVMBuildOr(e->b, bad, compare(p, LLVMIntNE, rest, zero), "");
    fail_if(p, bad, DS_WRONG_SIZE, (size_t)result->tied);
    return LLVMBuildSelect(e->b, *out_any, em_expr(e, result->type->dims[a->room_dim], NULL, 1), rows, "");
}

/* The symbol is the room that arguments with bytes have. */
static void define_room(plan *p, const ds_expr *symbol, const LLVMValueRef *rooms) {
    emitter *e = p->e;
    LLVMValueRef most = NULL;
    for (size_t i = 0; i < p->signature.output_count; i++) {
        if (ds_room_symbol(&p->signature.outputs[i]) != symbol) continue;
        LLVMValueRef more = most ? compare(p, LLVMIntSGT, rooms[i], most) : NULL;
        most = most ? LLVMBuildSelect(e->b, more, rooms[i], most, "") : rooms[i];
    }
    em_define_symbol(e, symbol->name, most);
}

/* Memory that has room behind what is there (ir/alias.h): enough of it for every result before anything is written,
 * and the same for all arguments that share a symbol. */
static void bind_rooms(plan *p) {
    emitter *e = p->e;
    LLVMValueRef *rooms = NULL, *any = NULL;
    for (size_t i = 0; i < p->signature.output_count; i++) {
        const ds_argument *a = &p->signature.outputs[i];
        LLVMValueRef rows = NULL, none = NULL;
        if (a->room_dim >= 0) {
            rows = room_of(p, a, &none);
            set_extents(p, a);
            fail_if(p, compare(p, LLVMIntSLT, rows, em_expr(e, a->type->dims[a->room_dim], NULL, 1)), DS_MORE_MEMORY,
                    p->signature.input_count + i);
        }
        arrput(rooms, rows);
        arrput(any, none);
    }
    for (size_t i = 0; i < p->signature.output_count; i++) {
        const ds_argument *a = &p->signature.outputs[i];
        const ds_expr *symbol = ds_room_symbol(a);
        if (!symbol) continue;
        if (!symbols_known(p, symbol)) define_room(p, symbol, rooms);
        LLVMValueRef differs = compare(p, LLVMIntNE, rooms[i], em_expr(e, symbol, NULL, 1));
        differs = LLVMBuildAnd(e->b, differs, LLVMBuildNot(e->b, any[i], ""), "");
        fail_if(p, differs, DS_WRONG_SIZE, (size_t)a->tied);
    }
    arrfree(rooms);
    arrfree(any);
}

/* Output i lies in an input's memory: the caller gives both the same, or leaves the output's open. That memory then has
 * to have room for it. */
static void bind_alias(plan *p, size_t i) {
    emitter *e = p->e;
    const ds_argument *a = &p->signature.outputs[i], *input = &p->signature.inputs[a->tied];
    size_t order = arrlenu(p->requirements);
    for (size_t k = 0; k < i; k++) order += p->signature.outputs[k].is_alias;
    LLVMValueRef bad, need = bytes_of(p, a->memory, &bad), data = field(p, p->args, a->offset, p->pointer),
                      memory = field(p, p->args, input->offset, p->pointer), open = LLVMBuildIsNull(e->b, data, "");
    fail_if(p, bad, DS_WRONG_SIZE, p->signature.input_count + i);
    set_extents(p, a);
    LLVMValueRef differs = LLVMBuildAnd(e->b, LLVMBuildNot(e->b, open, ""), compare(p, LLVMIntNE, data, memory), "");
    fail_if(p, differs, DS_BROKEN_PROMISE, order);
    LLVMValueRef room = LLVMBuildSelect(e->b, open, field(p, p->args, input->offset + 8, p->i64),
                                        field(p, p->args, a->offset + 8, p->i64), "");
    fail_if(p, compare(p, LLVMIntULT, room, need), DS_MORE_MEMORY, p->signature.input_count + i);
    set_field(p, p->args, a->offset, memory);
    set_field(p, p->args, a->offset + 8, need);
    em_set(e, ds_op_block(p->func, 0)->args[p->signature.input_count + i], memory);
    p->ready[i] = true;
}

/* Gives output i its buffer: the caller's, or one from the allocator where the caller left it open. */
static void bind_output(plan *p, size_t i) {
    emitter *e = p->e;
    const ds_argument *a = &p->signature.outputs[i];
    LLVMValueRef bad, need = bytes_of(p, a->type, &bad), data = field(p, p->args, a->offset, p->pointer),
                      slot = em_entry_alloca(p->e, p->pointer);
    fail_if(p, bad, DS_WRONG_SIZE, p->signature.input_count + i);
    LLVMBuildStore(e->b, data, slot);
    set_extents(p, a);
    LLVMBasicBlockRef given = em_block(e, "given"), open = em_block(e, "open"), done = em_block(e, "");
    LLVMBuildCondBr(e->b, LLVMBuildIsNull(e->b, data, ""), open, given);
    LLVMPositionBuilderAtEnd(e->b, given);
    fail_if(p, compare(p, LLVMIntULT, field(p, p->args, a->offset + 8, p->i64), need), DS_MORE_MEMORY,
            p->signature.input_count + i);
    LLVMBuildBr(e->b, done);
    LLVMPositionBuilderAtEnd(e->b, open);
    LLVMValueRef alloc = field(p, p->context, offsetof(ds_context, alloc), p->pointer);
    fail_if(p, LLVMBuildIsNull(e->b, alloc, ""), DS_NO_ALLOCATOR, p->signature.input_count + i);
    LLVMTypeRef params[] = {p->pointer, p->i64}, type = LLVMFunctionType(p->pointer, params, 2, 0);
    LLVMValueRef call[] = {field(p, p->context, offsetof(ds_context, user), p->pointer), need},
                 made = LLVMBuildCall2(e->b, type, alloc, call, 2, "");
    fail_if(p, LLVMBuildIsNull(e->b, made, ""), DS_NO_ALLOCATOR, p->signature.input_count + i);
    LLVMBuildStore(e->b, made, slot);
    set_field(p, p->args, a->offset, made);
    LLVMBuildBr(e->b, done);
    LLVMPositionBuilderAtEnd(e->b, done);
    set_field(p, p->args, a->offset + 8, need);
    em_set(e, ds_op_block(p->func, 0)->args[p->signature.input_count + i], LLVMBuildLoad2(e->b, p->pointer, slot, ""));
    p->ready[i] = true;
}

/* Outputs whose extents are known by now. */
void plan_bind_outputs(plan *p) {
    p->unbound = false;
    for (size_t i = 0; i < p->signature.output_count; i++) {
        bool known = !p->ready[i];
        for (size_t d = 0; known && d < p->signature.outputs[i].type->rank; d++)
            known = symbols_known(p, p->signature.outputs[i].type->dims[d]);
        if (known && p->signature.outputs[i].is_alias) bind_alias(p, i);
        else if (known) bind_output(p, i);
    }
}

/* ---- ops ---- */

static const ds_weight *find_weight(plan *p, const ds_attr *constant) {
    for (size_t i = 0; i < arrlenu(p->weights); i++)
        if (p->weights[i].constant == constant) return &p->weights[i];
    return NULL;
}

static void emit_weight(plan *p, const ds_op *op) {
    const ds_weight *w = find_weight(p, ds_op_attr(op, "constant"));
    em_set(p->e, &op->results[0], byte_offset(p, p->weights_base, em_i64(p->e, w ? (int64_t)w->offset : 0)));
}

/* The type of kernels, and of what a pool calls: void (frame, piece, lane). */
LLVMTypeRef plan_piece_type(plan *p) {
    LLVMTypeRef params[] = {p->pointer, p->i64, p->i64};
    return LLVMFunctionType(LLVMVoidTypeInContext(p->e->llvm), params, 3, 0);
}

/* Runs the calls that wait, in one go. */
void plan_run_pending(plan *p) {
    if (!p->pending) return;
    LLVMValueRef args[] = {p->pool, p->tasks, em_i64(p->e, (int64_t)p->pending),
                           p->place ? p->place : LLVMConstNull(p->pointer)};
    LLVMBuildCall2(p->e->b, LLVMGlobalGetValueType(p->runner), p->runner, args, 4, "");
    p->pending = p->slots = 0;
}

static LLVMValueRef kernel_of(plan *p, const ds_op *op) {
    const char *of = ds_op_text(op, "kernel", "");
    ptrdiff_t alias = shgeti(p->e->aliases, of);
    char name[DS_SYMBOL_BYTES];
    em_kernel_name(name, p->e->prefix, alias < 0 ? of : p->e->aliases[alias].value);
    LLVMValueRef kernel = LLVMGetNamedFunction(p->e->module, name);
    if (kernel) return kernel;
    kernel = LLVMAddFunction(p->e->module, name, plan_piece_type(p));
    LLVMSetVisibility(kernel, LLVMHiddenVisibility);
    return kernel;
}

static void fill_frame(plan *p, const ds_op *op, LLVMValueRef frame) {
    emitter *e = p->e;
    const ds_attr *symbols = ds_op_attr(op, "symbols"), *scratch = ds_op_attr(op, "scratch");
    ds_frame f = ds_frame_of_call(op);
    for (size_t i = 0; i < f.buffers; i++) set_slot(p, frame, i, em_value(e, ds_op_operand(op, i)));
    for (size_t i = 0; i < f.symbols; i++)
        set_slot(p, frame, ds_frame_symbol(f, i), em_expr(e, ds_expr_symbol(p->cx, symbols->items[i]->text), NULL, 1));
    for (size_t i = 0; i < f.scratch; i++) set_slot(p, frame, ds_frame_scratch(f, i), expr(p, scratch->items[i]));
    const ds_attr *late = ds_op_attr(op, "lane_bytes"); /* scratch memory whose size is known only by now */
    LLVMValueRef lane_bytes = late ? expr(p, late) : p->lane_bytes;
    if (f.scratch) {
        LLVMValueRef base = late ? plan_allocate(p, LLVMBuildMul(e->b, lane_bytes, p->lanes, "")) : p->scratch;
        set_slot(p, frame, ds_frame_base(f), base);
        set_slot(p, frame, ds_frame_lane_bytes(f), lane_bytes);
    }
    p->slots += ds_frame_slots(f);
}

static void emit_call(plan *p, const ds_op *op) {
    emitter *e = p->e;
    if (!ds_op_attr(op, "beside")) plan_run_pending(p);
    LLVMValueRef frame = byte_offset(p, p->frames, em_i64(e, 8 * (int64_t)p->slots)), kernel = kernel_of(p, op);
    fill_frame(p, op, frame);
    const ds_expr *pieces = ds_attr_to_expr(ds_op_attr(op, "pieces"));
    if (ds_expr_equals(pieces, 1) && !p->place) {
        LLVMValueRef args[] = {frame, em_i64(e, 0), em_i64(e, 0)};
        LLVMBuildCall2(e->b, plan_piece_type(p), kernel, args, 3, "");
        p->slots = 0;
        return;
    }
    plan_add_task(p, em_expr(e, pieces, NULL, 1), kernel, frame);
    if (!p->place) plan_run_pending(p);
}

static LLVMValueRef is_broken(plan *p, const ds_requirement *r) {
    LLVMValueRef a = em_expr(p->e, r->left, NULL, 1), b = em_expr(p->e, r->right, NULL, 1), one = em_i64(p->e, 1);
    LLVMValueRef differ = compare(p, LLVMIntNE, a, b);
    switch (r->is) {
    case DS_at_most: return compare(p, LLVMIntSGT, a, b);
    case DS_broadcast:
        differ = LLVMBuildAnd(p->e->b, differ, compare(p, LLVMIntNE, a, one), "");
        return LLVMBuildAnd(p->e->b, differ, compare(p, LLVMIntNE, b, one), "");
    case DS_stretch: return LLVMBuildAnd(p->e->b, differ, compare(p, LLVMIntNE, a, one), "");
    default: return differ;
    }
}

/* Leaves unless requirement i holds. */
static void emit_require(plan *p, size_t i) {
    ds_requirement r;
    if (p->required[i] || !ds_requirement_of(p->requirements[i], &r)) return;
    p->required[i] = true;
    fail_if(p, is_broken(p, &r), DS_BROKEN_PROMISE, i);
}

/* Those of the outermost block that can be checked by now: nothing is sized before they hold. */
static void emit_known_requirements(plan *p) {
    for (size_t i = 0; i < arrlenu(p->requirements); i++) {
        const ds_op *op = p->requirements[i];
        ds_requirement r;
        if (!p->required[i] && op->block == ds_op_block(p->func, 0) && ds_requirement_of(op, &r) &&
            symbols_known(p, r.left) && symbols_known(p, r.right))
            emit_require(p, i);
    }
}

static void emit_require_op(plan *p, const ds_op *op) {
    size_t i = 0;
    while (p->requirements[i] != op) i++;
    emit_require(p, i);
}

static void note_requirement(void *user, ds_op *op) {
    const ds_op ***requirements = user;
    if (op->kind == DS_PLAN_require) arrput(*requirements, op);
}

static void emit_read(plan *p, const ds_op *op) {
    emitter *e = p->e;
    ds_elem elem = ds_op_attr(op, "elem")->type->elem;
    unsigned bytes = ds_elem_facts(elem)->bits / 8;
    LLVMValueRef at = em_i64(e, ds_op_int(op, "at", 0) * (int64_t)bytes),
                 where = byte_offset(p, em_value(e, ds_op_operand(op, 0)), at);
    LLVMValueRef v = LLVMBuildLoad2(e->b, em_int(e, bytes * 8), where, "");
    LLVMSetAlignment(v, 1);
    em_define_symbol(e, ds_op_text(op, "symbol", ""),
                     LLVMBuildIntCast2(e->b, v, p->i64, !ds_elem_is_unsigned(elem), ""));
    if (op->block != ds_op_block(p->func, 0)) return;
    emit_known_requirements(p);
    p->unbound = true;
}

/* context.trace(user, step, done), where there is one */
static void emit_trace(plan *p, uint64_t step, unsigned done) {
    emitter *e = p->e;
    LLVMValueRef hook = field(p, p->context, offsetof(ds_context, trace), p->pointer);
    LLVMBasicBlockRef call = em_block(e, "trace"), on = em_block(e, "");
    LLVMBuildCondBr(e->b, LLVMBuildIsNull(e->b, hook, ""), on, call);
    LLVMPositionBuilderAtEnd(e->b, call);
    LLVMTypeRef params[] = {p->pointer, p->i32, p->i32};
    LLVMValueRef args[] = {field(p, p->context, offsetof(ds_context, user), p->pointer), LLVMConstInt(p->i32, step, 0),
                           LLVMConstInt(p->i32, done, 0)};
    LLVMBuildCall2(e->b, LLVMFunctionType(LLVMVoidTypeInContext(e->llvm), params, 3, 0), hook, args, 3, "");
    LLVMBuildBr(e->b, on);
    LLVMPositionBuilderAtEnd(e->b, on);
}

static void emit_step(plan *p, const ds_op *op) {
    uint64_t step = p->steps++;
    if (p->traced) emit_trace(p, step, 0);
    if (op->kind == DS_PLAN_call) emit_call(p, op);
    else plan_step_extern(p, op);
    if (p->traced) emit_trace(p, step, 1);
}

static void emit_op(plan *p, const ds_op *op) {
    emitter *e = p->e;
    bool waits = op->kind == DS_PLAN_read ||
                 op->kind == DS_PLAN_require; /* what was read is checked before a result is sized by it */
    if (p->unbound && !waits) plan_bind_outputs(p);
    switch (op->kind) {
    case DS_PLAN_slice: em_set(e, &op->results[0], byte_offset(p, p->arena, expr(p, ds_op_attr(op, "offset")))); break;
    case DS_PLAN_part:
        em_set(e, &op->results[0],
               byte_offset(p, em_value(e, ds_op_operand(op, 0)), expr(p, ds_op_attr(op, "offset"))));
        break;
    case DS_PLAN_weight: emit_weight(p, op); break;
    case DS_PLAN_call:
    case DS_PLAN_extern: emit_step(p, op); break;
    case DS_PLAN_read: emit_read(p, op); break;
    case DS_PLAN_copy: plan_step_copy(p, op); break;
    case DS_PLAN_require: emit_require_op(p, op); break;
    default: plan_emit_flow(p, op); break;
    }
}

void plan_emit_block(plan *p, const ds_block *block) {
    for (const ds_op *op = block->first; op; op = op->next) emit_op(p, op);
}

/* ---- functions ---- */

/* Calls a function of the pool, which is its first argument. */
static void call_pool(plan *p, size_t function, LLVMValueRef *args, unsigned count) {
    LLVMTypeRef params[8];
    for (unsigned i = 0; i < count; i++) params[i] = LLVMTypeOf(args[i]);
    LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(p->e->llvm), params, count, 0);
    LLVMBuildCall2(p->e->b, type, field(p, args[0], function, p->pointer), args, count, "");
}

/* One task: on the pool if there is one and it has several pieces, else piece after piece. Leaves the builder behind
 * it. */
static void emit_task(plan *p, LLVMValueRef pool, LLVMValueRef task) {
    emitter *e = p->e;
    LLVMBasicBlockRef many = em_block(e, "many"), alone = em_block(e, "alone"), head = em_block(e, "head"),
                      body = em_block(e, "body"), done = em_block(e, "done");
    LLVMValueRef pieces = field(p, task, offsetof(ds_task, pieces), p->i64),
                 kernel = field(p, task, offsetof(ds_task, fn), p->pointer),
                 frame = field(p, task, offsetof(ds_task, arg), p->pointer), on_pool[] = {pool, pieces, kernel, frame},
                 zero = em_i64(e, 0);
    LLVMValueRef forks =
        LLVMBuildAnd(e->b, LLVMBuildIsNotNull(e->b, pool, ""), compare(p, LLVMIntSGT, pieces, em_i64(e, 1)), "");
    LLVMBuildCondBr(e->b, forks, many, alone);
    LLVMPositionBuilderAtEnd(e->b, many);
    call_pool(p, offsetof(ds_pool, parallel_for), on_pool, 4);
    LLVMBuildBr(e->b, done);
    LLVMPositionBuilderAtEnd(e->b, alone);
    LLVMBuildBr(e->b, head);
    LLVMPositionBuilderAtEnd(e->b, head);
    LLVMValueRef i = LLVMBuildPhi(e->b, p->i64, "");
    LLVMAddIncoming(i, &zero, &alone, 1);
    LLVMBuildCondBr(e->b, compare(p, LLVMIntSLT, i, pieces), body, done);
    LLVMPositionBuilderAtEnd(e->b, body);
    LLVMValueRef args[] = {frame, i, zero}, next;
    LLVMBuildCall2(e->b, plan_piece_type(p), kernel, args, 3, "");
    next = LLVMBuildAdd(e->b, i, em_i64(e, 1), "");
    LLVMAddIncoming(i, &next, &body, 1);
    LLVMBuildBr(e->b, head);
    LLVMPositionBuilderAtEnd(e->b, done);
}

/* static void run(pool, tasks, count, place): shared with the other lanes if there is a place, else task after task. */
static LLVMValueRef emit_runner(plan *p) {
    emitter *e = p->e;
    LLVMTypeRef params[] = {p->pointer, p->pointer, p->i64, p->pointer}, none = LLVMVoidTypeInContext(e->llvm);
    LLVMValueRef f = LLVMAddFunction(e->module, "plan.run", LLVMFunctionType(none, params, 4, 0)), outer = e->function;
    LLVMSetLinkage(f, LLVMInternalLinkage);
    LLVMValueRef pool = LLVMGetParam(f, 0), tasks = LLVMGetParam(f, 1), count = LLVMGetParam(f, 2),
                 place = LLVMGetParam(f, 3);
    e->function = f;
    LLVMBasicBlockRef entry = em_block(e, "entry"), step = em_block(e, "step"), each = em_block(e, "each"),
                      one = em_block(e, "one"), end = em_block(e, "end");
    LLVMPositionBuilderAtEnd(e->b, entry);
    LLVMBuildCondBr(e->b, LLVMBuildIsNull(e->b, place, ""), each, step);
    LLVMPositionBuilderAtEnd(e->b, step);
    LLVMValueRef with_place[] = {pool, place, tasks, count};
    call_pool(p, offsetof(ds_pool, share), with_place, 4);
    LLVMBuildBr(e->b, end);
    LLVMPositionBuilderAtEnd(e->b, each);
    LLVMValueRef t = LLVMBuildPhi(e->b, p->i64, ""), zero = em_i64(e, 0);
    LLVMAddIncoming(t, &zero, &entry, 1);
    LLVMBuildCondBr(e->b, compare(p, LLVMIntSLT, t, count), one, end);
    LLVMPositionBuilderAtEnd(e->b, one);
    emit_task(p, pool, byte_offset(p, tasks, LLVMBuildMul(e->b, t, em_i64(e, sizeof(ds_task)), "")));
    LLVMValueRef next = LLVMBuildAdd(e->b, t, em_i64(e, 1), "");
    LLVMBasicBlockRef from = LLVMGetInsertBlock(e->b);
    LLVMAddIncoming(t, &next, &from, 1);
    LLVMBuildBr(e->b, each);
    LLVMPositionBuilderAtEnd(e->b, end);
    LLVMBuildRetVoid(e->b);
    e->function = outer;
    return f;
}

/* The most slots that the frames of calls that run together have, and the most such calls. */
static void most_together(const ds_block *block, size_t *out_slots, size_t *out_calls) {
    size_t slots = 0, calls = 0;
    for (const ds_op *op = block->first; op; op = op->next) {
        if (op->kind == DS_PLAN_call) {
            if (!ds_op_attr(op, "beside")) slots = calls = 0;
            slots += ds_frame_slots(ds_frame_of_call(op));
            calls++;
            if (slots > *out_slots) *out_slots = slots;
            if (calls > *out_calls) *out_calls = calls;
        } else if (op->kind == DS_PLAN_extern ||
                   op->kind == DS_PLAN_copy) { /* alone at first; what is beside follows */
            slots = plan_slots_of_task(op), calls = 1;
            if (slots > *out_slots) *out_slots = slots;
        }
        for (size_t r = 0; r < op->region_count; r++) most_together(ds_op_block(op, r), out_slots, out_calls);
    }
}

static void make_frames(plan *p) {
    size_t slots = 1, calls = 1;
    most_together(ds_op_block(p->func, 0), &slots, &calls);
    p->frames = em_entry_alloca(p->e, LLVMArrayType2(p->i64, slots));
    p->tasks = em_entry_alloca(p->e, LLVMArrayType2(p->i64, calls * sizeof(ds_task) / 8));
}

/* ---- shared plans: one fork, then every lane walks through the steps ---- */

static bool is_checked(const plan *p, const ds_op *require) {
    for (size_t i = 0; i < arrlenu(p->requirements); i++)
        if (p->requirements[i] == require) return p->required[i];
    return false;
}

/* Nothing but calls, of which several have pieces; irregular ones are of one, as copies are. */
static bool can_share(const plan *p) {
    size_t forks = 0;
    if (p->traced) return false; /* whoever traces wants to see one step after the other, on one thread */
    for (const ds_op *op = ds_op_block(p->func, 0)->first; op; op = op->next) {
        if (op->kind == DS_PLAN_call) forks += !ds_expr_equals(ds_attr_to_expr(ds_op_attr(op, "pieces")), 1);
        else if (op->kind == DS_PLAN_require) {
            if (!is_checked(p, op)) return false;
        } else if (op->kind != DS_PLAN_weight && op->kind != DS_PLAN_slice && op->kind != DS_PLAN_part &&
                   op->kind != DS_PLAN_extern && op->kind != DS_PLAN_copy && op->kind != DS_RETURN)
            return false;
    }
    return forks > 1;
}

enum { FIXED_SLOTS = 6 }; /* whether lanes share, and what all plans have */

/* What the entry has found out and the steps are made of goes through memory: slots of 8 bytes, stored by one and
 * loaded by the other. */
static void pass_on(plan *p, LLVMValueRef slots, bool store) {
    emitter *e = p->e;
    const ds_block *block = ds_op_block(p->func, 0);
    LLVMValueRef *fixed[] = {&p->pool, &p->arena, &p->scratch, &p->weights_base, &p->lane_bytes};
    size_t at = FIXED_SLOTS - DS_COUNT(fixed);
    for (size_t i = 0; i < DS_COUNT(fixed); i++, at++)
        if (store) set_field(p, slots, 8 * at, *fixed[i]);
        else *fixed[i] = field(p, slots, 8 * at, i + 1 < DS_COUNT(fixed) ? p->pointer : p->i64);
    for (size_t i = 0; i < block->arg_count; i++, at++)
        if (store) set_field(p, slots, 8 * at, em_value(e, block->args[i]));
        else em_set(e, block->args[i], field(p, slots, 8 * at, p->pointer));
    for (size_t i = 0; i < arrlenu(e->symbols); i++, at++)
        if (store) set_field(p, slots, 8 * at, e->symbols[i].value);
        else e->symbols[i].value = field(p, slots, 8 * at, p->i64);
}

/* static void lane(slots, piece, lane): all steps. `piece` numbers the lanes; where they share, each has its place. */
static LLVMValueRef emit_lane(plan *p) {
    emitter *e = p->e;
    LLVMValueRef f = LLVMAddFunction(e->module, "plan.lane", plan_piece_type(p)), slots = LLVMGetParam(f, 0);
    LLVMSetLinkage(f, LLVMInternalLinkage);
    e->function = f;
    LLVMBasicBlockRef entry = em_block(e, "entry"), start = em_block(e, "start");
    LLVMPositionBuilderAtEnd(e->b, entry);
    LLVMValueRef place = LLVMBuildAlloca(e->b, LLVMArrayType2(p->i64, sizeof(ds_place) / 8), "place");
    LLVMBuildBr(e->b, start);
    LLVMPositionBuilderAtEnd(e->b, start);
    make_frames(p);
    set_field(p, place, offsetof(ds_place, lane), LLVMGetParam(f, 1));
    set_field(p, place, offsetof(ds_place, tasks), em_i64(e, 0));
    set_field(p, place, offsetof(ds_place, pieces), em_i64(e, 0));
    LLVMValueRef shares = compare(p, LLVMIntNE, field(p, slots, 0, p->i64), em_i64(e, 0));
    p->place = LLVMBuildSelect(e->b, shares, place, LLVMConstNull(p->pointer), "");
    pass_on(p, slots, false);
    plan_emit_block(p, ds_op_block(p->func, 0));
    plan_run_pending(p);
    LLVMBuildRetVoid(e->b);
    return f;
}

/* Finds out how many lanes there are, and whether they can share the steps of one job. */
static LLVMValueRef bind_pool(plan *p) {
    emitter *e = p->e;
    LLVMTypeRef bit = em_int(e, 1);
    LLVMValueRef lanes_slot = em_entry_alloca(e, p->i64), share_slot = em_entry_alloca(e, bit), one = em_i64(e, 1);
    LLVMBasicBlockRef with = em_block(e, "pool"), on = em_block(e, "");
    p->pool = field(p, p->context, offsetof(ds_context, pool), p->pointer);
    LLVMBuildStore(e->b, one, lanes_slot);
    LLVMBuildStore(e->b, LLVMConstNull(bit), share_slot);
    LLVMBuildCondBr(e->b, LLVMBuildIsNotNull(e->b, p->pool, ""), with, on);
    LLVMPositionBuilderAtEnd(e->b, with);
    LLVMValueRef lanes = LLVMBuildZExt(e->b, field(p, p->pool, offsetof(ds_pool, concurrency), p->i32), p->i64, ""),
                 able = LLVMBuildIsNotNull(e->b, field(p, p->pool, offsetof(ds_pool, share), p->pointer), "");
    LLVMBuildStore(e->b, lanes, lanes_slot);
    LLVMBuildStore(e->b, LLVMBuildAnd(e->b, able, compare(p, LLVMIntUGT, lanes, one), ""), share_slot);
    LLVMBuildBr(e->b, on);
    LLVMPositionBuilderAtEnd(e->b, on);
    p->lanes = LLVMBuildLoad2(e->b, p->i64, lanes_slot, "");
    return LLVMBuildLoad2(e->b, bit, share_slot, "");
}

/* All steps: as a job of the pool if it can share them, else here. */
static void emit_shared(plan *p, LLVMValueRef can) {
    emitter *e = p->e;
    size_t count = FIXED_SLOTS + ds_op_block(p->func, 0)->arg_count + arrlenu(e->symbols);
    LLVMValueRef slots = em_entry_alloca(e, LLVMArrayType2(p->i64, count)), outer = e->function, pool = p->pool;
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b), together = em_block(e, "together"), alone = em_block(e, "alone"),
                      done = em_block(e, "");
    set_field(p, slots, 0, LLVMBuildZExt(e->b, can, p->i64, ""));
    pass_on(p, slots, true);
    LLVMValueRef lane = emit_lane(p), zero = em_i64(e, 0), args[] = {slots, zero, zero},
                 job[] = {pool, p->lanes, lane, slots};
    e->function = outer;
    LLVMPositionBuilderAtEnd(e->b, here);
    LLVMBuildCondBr(e->b, can, together, alone);
    LLVMPositionBuilderAtEnd(e->b, together);
    call_pool(p, offsetof(ds_pool, parallel_for), job, 4);
    LLVMBuildBr(e->b, done);
    LLVMPositionBuilderAtEnd(e->b, alone);
    LLVMBuildCall2(e->b, plan_piece_type(p), lane, args, 3, "");
    LLVMBuildBr(e->b, done);
    LLVMPositionBuilderAtEnd(e->b, done);
}

/* Total bytes: the plan's arena, then one scratch area a lane; more than there can be where that overflows. */
static LLVMValueRef arena_bytes(plan *p, LLVMValueRef lanes) {
    emitter *e = p->e;
    const ds_expr *arena = ds_attr_to_expr(ds_op_attr(p->func, "arena")),
                  *lane = ds_attr_to_expr(ds_op_attr(p->func, "lane_bytes"));
    LLVMValueRef bad_arena, bad_lane, of_arena = em_size(e, &arena, 1, &bad_arena),
                                      of_lane = em_size(e, &lane, 1, &bad_lane);
    e->overflow = LLVMBuildOr(e->b, bad_arena, bad_lane, "");
    LLVMValueRef total = em_combine(e, false, of_arena, em_combine(e, true, of_lane, lanes)), bad = e->overflow;
    e->overflow = NULL;
    return LLVMBuildSelect(e->b, bad, em_i64(e, -1), total, "");
}

/* uint64_t prefix_arena_bytes(symbols…, lanes), for people; uint64_t prefix_arena_for(const int64_t *symbols, lanes),
 * for code that does not know the model. */
static void emit_arena_functions(plan *p) {
    emitter *e = p->e;
    LLVMTypeRef *params = NULL, listed[] = {p->pointer, p->i64};
    char name[256];
    size_t n = p->signature.symbol_count;
    for (size_t i = 0; i <= n; i++) arrput(params, p->i64);
    for (int form = 0; form < 2; form++) {
        snprintf(name, sizeof name, "%s_arena_%s", e->prefix, form ? "for" : "bytes");
        e->function = LLVMAddFunction(e->module, name,
                                      form ? LLVMFunctionType(p->i64, listed, 2, 0)
                                           : LLVMFunctionType(p->i64, params, (unsigned)n + 1, 0));
        LLVMPositionBuilderAtEnd(e->b, em_block(e, "entry"));
        for (size_t i = 0; i < n; i++)
            em_define_symbol(e, p->signature.symbols[i],
                             form ? field(p, LLVMGetParam(e->function, 0), 8 * i, p->i64)
                                  : LLVMGetParam(e->function, (unsigned)i));
        em_make_portable(e, e->function);
        LLVMBuildRet(e->b, arena_bytes(p, LLVMGetParam(e->function, form ? 1 : (unsigned)n)));
        arrsetlen(e->symbols, 0);
    }
    arrfree(params);
}

/* A line's last field: names may be anything. */
static void print_line(ds_string *out, const char *text) {
    for (; *text; text++) ds_string_append(out, *text == '\n' ? " " : text, 1);
    ds_string_append(out, "\n", 1);
}

static void describe_rooms(plan *p, ds_string *out) {
    const ds_signature *s = &p->signature;
    for (size_t i = 0; i < s->input_count; i++) {
        const ds_expr *room = ds_room_symbol(&s->inputs[i]);
        size_t k = 0;
        while (room && strcmp(s->symbols[k], room->name)) k++;
        if (room) ds_string_printf(out, "g %zu %" PRId64 " %zu\n", i, s->inputs[i].room_dim, k);
    }
}

/* A description of the arguments, for ds_model of libdsrt: const char prefix_description[], one line each,
 *   dsc ABI ARGS_BYTES CPU / s SYMBOL / i|o OFFSET ELEM ELEM_BITS STATIC TIED RANK DIM… NAME
 * where TIED is an input or -1, a DIM an extent, $k for symbol k, or ?; then r TEXT for every requirement, and a RESULT
 * for every result that lies in the memory of the input that it is tied to, behind the r TEXT of that, and g INPUT DIM
 * SYMBOL for every input whose memory has room along a dim: for as many rows as the symbol, which its bytes tell. */
static void emit_description(plan *p) {
    ds_string text = {0};
    char name[256];
    const ds_signature *s = &p->signature;
    ds_string_printf(&text, "dsc %d %llu %s\n", DS_ABI, (unsigned long long)s->bytes, p->e->target->name);
    for (size_t i = 0; i < s->symbol_count; i++) ds_string_printf(&text, "s %s\n", s->symbols[i]);
    for (size_t i = 0; i < s->input_count + s->output_count; i++) {
        const ds_argument *a = i < s->input_count ? &s->inputs[i] : &s->outputs[i - s->input_count];
        ds_string_printf(&text, "%c %llu %s %u %d %" PRId64 " %zu", i < s->input_count ? 'i' : 'o',
                         (unsigned long long)a->offset, ds_elem_facts(a->type->elem)->name,
                         ds_elem_facts(a->type->elem)->bits, a->is_static, a->tied, a->type->rank);
        for (size_t d = 0; d < a->type->rank; d++) {
            int64_t extent;
            size_t k = 0;
            const ds_expr *e = a->type->dims[d];
            while (k < s->symbol_count && !(e->kind == DS_EXPR_SYMBOL && !strcmp(e->name, s->symbols[k]))) k++;
            if (ds_expr_is_const(e, &extent)) ds_string_printf(&text, " %lld", (long long)extent);
            else if (k < s->symbol_count) ds_string_printf(&text, " $%zu", k);
            else ds_string_printf(&text, " ?");
        }
        ds_string_printf(&text, " ");
        print_line(&text, a->name);
    }
    ds_requirement *requirements = ds_requirements_in(ds_op_block(p->func, 0));
    for (size_t i = 0; i < arrlenu(requirements); i++) {
        ds_string requirement = {0};
        ds_requirement_print(&requirement, &requirements[i]);
        ds_string_printf(&text, "r ");
        print_line(&text, requirement.data);
        ds_string_free(&requirement);
    }
    arrfree(requirements);
    for (size_t i = 0; i < s->output_count; i++) {
        ds_string alias = {0};
        if (!s->outputs[i].is_alias) continue;
        ds_signature_print_alias(&alias, s, &s->outputs[i]);
        ds_string_printf(&text, "r ");
        print_line(&text, alias.data);
        ds_string_printf(&text, "a %zu\n", i);
        ds_string_free(&alias);
    }
    describe_rooms(p, &text);
    snprintf(name, sizeof name, "%s_description", p->e->prefix);
    LLVMValueRef bytes = LLVMConstStringInContext2(p->e->llvm, text.data, text.length, 0),
                 global = LLVMAddGlobal(p->e->module, LLVMTypeOf(bytes), name);
    LLVMSetInitializer(global, bytes);
    LLVMSetGlobalConstant(global, 1);
    ds_string_free(&text);
}

static void emit_exit(plan *p) {
    emitter *e = p->e;
    LLVMPositionBuilderAtEnd(e->b, p->exit);
    plan_release_cells(p);
    LLVMBuildRet(e->b, LLVMBuildLoad2(e->b, p->i32, p->status_slot, ""));
    /* cells start out empty */
    LLVMPositionBuilderBefore(e->b, LLVMGetBasicBlockTerminator(p->entry));
    for (size_t i = 0; i < arrlenu(p->cells); i++)
        LLVMBuildStore(e->b, LLVMConstNull(LLVMArrayType2(p->i64, 2)), p->cells[i]);
}

/* Weights of no elements have no bytes in the object, so nothing there has an address. */
static bool has_weights(const plan *p) {
    for (size_t i = 0; i < arrlenu(p->weights); i++)
        if (p->weights[i].bytes) return true;
    return false;
}

static void weights_base(plan *p, bool embedded) {
    emitter *e = p->e;
    if (!has_weights(p)) {
        p->weights_base = LLVMConstNull(p->pointer);
        return;
    }
    p->weights_base = field(p, p->context, offsetof(ds_context, weights), p->pointer);
    if (!embedded) {
        fail_if(p, LLVMBuildIsNull(e->b, p->weights_base, ""), DS_NO_WEIGHTS, 0);
        return;
    }
    char name[256];
    snprintf(name, sizeof name, "%s_weights_at", e->prefix); /* a pointer variable: the bytes may lie far away */
    LLVMValueRef at = LLVMAddGlobal(e->module, p->pointer, name);
    LLVMSetVisibility(at, LLVMHiddenVisibility);
    p->weights_base = LLVMBuildLoad2(e->b, p->pointer, at, "");
}

void em_plan(emitter *e, ds_module *module, const ds_op *func, const ds_weight *weights,
             const ds_cpu_options *options) {
    plan p = {.e = e, .m = module, .cx = module->cx, .func = func, .weights = weights, .traced = options->traced};
    p.pointer = LLVMPointerTypeInContext(e->llvm, 0), p.i64 = em_int(e, 64), p.i32 = em_int(e, 32);
    ds_signature_open(&p.signature, module, func);
    emit_description(&p);
    emit_arena_functions(&p);
    p.runner = emit_runner(&p);
    LLVMTypeRef params[] = {p.pointer, p.pointer};
    bool checks_cpu = !ds_target_runs_everywhere(e->target);
    LLVMValueRef body =
        LLVMAddFunction(e->module, checks_cpu ? "plan.body" : e->prefix, LLVMFunctionType(p.i32, params, 2, 0));
    if (checks_cpu) LLVMSetLinkage(body, LLVMInternalLinkage);
    e->function = body;
    p.entry = em_block(e, "entry"), p.exit = em_block(e, "exit");
    LLVMBasicBlockRef start = em_block(e, "start");
    p.context = LLVMGetParam(e->function, 0), p.args = LLVMGetParam(e->function, 1);
    LLVMPositionBuilderAtEnd(e->b, p.entry);
    p.status_slot = LLVMBuildAlloca(e->b, p.i32, "status");
    LLVMBuildBr(e->b, start);
    LLVMPositionBuilderAtEnd(e->b, start);
    fail_if(
        &p,
        compare(&p, LLVMIntNE, field(&p, p.context, offsetof(ds_context, abi), p.i32), LLVMConstInt(p.i32, DS_ABI, 0)),
        DS_WRONG_ABI, 0);
    p.ready = ds_xmalloc(p.signature.output_count + 1);
    memset(p.ready, 0, p.signature.output_count + 1);
    for (size_t i = 0; i < p.signature.input_count; i++) bind_input(&p, i);
    bind_rooms(&p);
    ds_walk(ds_op_block(func, 0), note_requirement, &p.requirements);
    p.required = ds_xmalloc(arrlenu(p.requirements) + 1);
    memset(p.required, 0, arrlenu(p.requirements) + 1);
    emit_known_requirements(&p);
    LLVMValueRef shares = bind_pool(&p);
    bool late_scratch = !symbols_known(&p, ds_attr_to_expr(ds_op_attr(func, "lane_bytes")));
    if (late_scratch) e->error = "scratch memory whose size is known only at run time";
    p.arena = field(&p, p.context, offsetof(ds_context, arena), p.pointer);
    fail_if(&p,
            compare(&p, LLVMIntULT, field(&p, p.context, offsetof(ds_context, arena_bytes), p.i64),
                    arena_bytes(&p, p.lanes)),
            DS_SMALL_ARENA, 0);
    p.lane_bytes = expr(&p, ds_op_attr(func, "lane_bytes"));
    p.scratch = byte_offset(&p, p.arena, expr(&p, ds_op_attr(func, "arena")));
    weights_base(&p, options->embedded_weights);
    plan_bind_outputs(&p);
    if (can_share(&p)) {
        emit_shared(&p, shares);
    } else {
        make_frames(&p);
        plan_emit_block(&p, ds_op_block(func, 0));
    }
    LLVMBuildStore(e->b, LLVMConstInt(p.i32, DS_RUN_OK, 0), p.status_slot);
    LLVMBuildBr(e->b, p.exit);
    emit_exit(&p);
    if (checks_cpu) em_entry(e, body);
    free(p.ready);
    free(p.required);
    arrfree(p.requirements);
    arrfree(p.cells);
    ds_signature_close(&p.signature);
}
