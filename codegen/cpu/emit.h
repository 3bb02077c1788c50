/* What the files that build LLVM IR share. */
#ifndef DS_CPU_EMIT_H
#define DS_CPU_EMIT_H

#include <stdio.h>

#include <llvm-c/Core.h>
#include <llvm-c/DebugInfo.h>

#include "codegen/cpu/cpu.h"
#include "ir/mma.h"

typedef struct {
    const char *name;         /* symbol */
    LLVMValueRef value, slot; /* slot: its place in memory where it changes, else NULL */
} emit_symbol;

typedef struct {
    char *key;         /* a kernel */
    const char *value; /* the one whose code it shares: the same function under another name */
} em_alias;

typedef struct {
    const ds_target *target;
    const char *prefix;
    const char *symbol; /* of the kernel that is emitted */
    em_alias *aliases;  /* stb_ds string hash map: of the kernels that a plan calls */
    LLVMContextRef llvm;
    LLVMModuleRef module;
    LLVMBuilderRef b;
    LLVMValueRef function;
    LLVMValueRef *values; /* stb_ds array by IR value id */
    emit_symbol *symbols; /* stb_ds array: extents known here */
    unsigned math_lanes;  /* bit set of the widths of vector maths that are needed */
    bool needs_scalar, needs_irregular, needs_memory, needs_cpu;
    const char *listing;     /* its file; NULL: no debug information */
    const ds_op_line *lines; /* stb_ds hash map: where ops are in the listing */
    LLVMDIBuilderRef debug;
    LLVMMetadataRef subprogram;
    LLVMValueRef overflow; /* a bit that says whether an expression so far has overflowed; null: nobody asks */
    const char *error;     /* first thing that could not be emitted */
} emitter;

/* ---- types and small things (scalar.c) ---- */

LLVMTypeRef em_int(emitter *e, unsigned bits);
LLVMTypeRef em_elem(emitter *e, ds_elem elem);    /* as a value in registers */
LLVMTypeRef em_storage(emitter *e, ds_elem elem); /* as it lies in memory */
LLVMTypeRef em_type(emitter *e, const ds_type *type);
LLVMValueRef em_i64(emitter *e, int64_t v);
LLVMValueRef em_splat(emitter *e, LLVMValueRef scalar, size_t lanes);
LLVMValueRef em_call_intrinsic(emitter *e, const char *name, LLVMTypeRef overload, LLVMValueRef *args, unsigned count);
/* Of an intrinsic that two types overload. */
LLVMValueRef em_call_overloaded(emitter *e, const char *name, LLVMTypeRef *overloads, LLVMValueRef *args,
                                unsigned count);
LLVMValueRef em_call(emitter *e, const char *name, LLVMTypeRef result, LLVMValueRef *args,
                     unsigned count);                       /* external function */
LLVMValueRef em_entry_alloca(emitter *e, LLVMTypeRef type); /* so that loops do not grow the stack */
LLVMBasicBlockRef em_block(emitter *e, const char *name);

/* A SCALAR_OP on scalars or vectors. */
LLVMValueRef em_scalar(emitter *e, const ds_op *op, LLVMValueRef *operands);

/* ---- expressions (expr.c) ---- */

/* The value of an expression whose dims are `dims` (i64, or vectors of `lanes` i64) and whose symbols are known to
 * e. */
LLVMValueRef em_expr(emitter *e, const ds_expr *expr, LLVMValueRef *dims, size_t lanes);
LLVMValueRef em_expr_attr(emitter *e, const ds_attr *attr);
LLVMValueRef em_combine(emitter *e, bool product, LLVMValueRef a,
                        LLVMValueRef b); /* the product or the sum, as expressions have it */
/* The product of factors that must not be negative, in 64 bits; *out_bad: a bit that says that it is not so. */
LLVMValueRef em_size(emitter *e, const ds_expr *const *factors, size_t count, LLVMValueRef *out_bad);
void em_define_symbol(emitter *e, const char *name, LLVMValueRef value);
LLVMValueRef em_symbol_slot(emitter *e, const char *name); /* of a symbol that is assigned while running */

/* ---- functions ---- */

void em_tile(emitter *e, ds_ir_context *cx, const ds_op *op); /* loop.tile */
void em_matrices(emitter *e, const ds_op *op);                /* loop.matrices, before what is inside */
void em_matrices_end(emitter *e);
void em_matrix(emitter *e, const ds_op *op);                     /* loop.matrix */
void em_fetch(emitter *e, LLVMValueRef address, unsigned level); /* a line into the L1 (3) or L2 (2) cache */
/* Vectors of f32 (decode.c): of a factor as it is stored, and of one of several numbers in each word. */
LLVMValueRef em_widened(emitter *e, ds_elem from, LLVMValueRef v, size_t lanes);
LLVMValueRef em_unpacked(emitter *e, const ds_mma *mma, LLVMValueRef words, size_t place, size_t lanes);
/* Words of columns of which each has fewer bytes, at p; the upper ones are 0. */
LLVMValueRef em_spread(emitter *e, LLVMValueRef p, unsigned of_column, size_t lanes);
/* The parts of so many bits at `place` of all bytes, lowest first: signed numbers, as bytes without a sign that are half of
 * what the parts hold larger; and these as what they are. */
LLVMValueRef em_parts(emitter *e, unsigned bits, LLVMValueRef words, size_t place, size_t lanes);
LLVMValueRef em_signed_parts(emitter *e, unsigned bits, LLVMValueRef parts, size_t lanes);
void em_kernel(emitter *e, ds_ir_context *cx, const ds_op *func);
/* What runs before it is known that the CPU is the right one: without the level's instructions. */
void em_make_portable(emitter *e, LLVMValueRef function);
/* The function e->prefix: calls `body`, where this CPU runs it. */
void em_entry(emitter *e, LLVMValueRef body);
void em_plan(emitter *e, ds_module *module, const ds_op *func, const ds_weight *weights, const ds_cpu_options *options);

/* ---- debug information (debug.c): the listing is the source; nothing happens without one ---- */

void em_debug_function(emitter *e, const ds_op *func); /* after e->function is made */
void em_debug_at(emitter *e, const ds_op *op);         /* what follows is the op's */
void em_debug_end(emitter *e);

enum { DS_SYMBOL_BYTES = 256 };

/* What a kernel is called in objects; `out` has room for DS_SYMBOL_BYTES. */
static inline void em_kernel_name(char *out, const char *prefix, const char *kernel) {
    snprintf(out, DS_SYMBOL_BYTES, "%s_%s", prefix, kernel);
}

static inline LLVMValueRef em_value(emitter *e, const ds_value *v) { return e->values[v->id]; }
void em_set(emitter *e, const ds_value *v, LLVMValueRef to);

#endif
