/* Between the files that make code: llvm.c (one function), counters.c (a pass), symbol.c (names in objects) and batch.c
 * (all functions). */
#ifndef DS_CPU_COMPILE_H
#define DS_CPU_COMPILE_H

#include <llvm-c/TargetMachine.h>

#include "codegen/cpu/emit.h"

/* Code generation for a target; one thread at a time. */
typedef struct {
    LLVMTargetMachineRef llvm; /* NULL: LLVM does not know the target */
    bool quick;                /* for what runs seldom, or not at all: time that is linear in the size, for more code */
} em_machine;
em_machine em_machine_open(const ds_target *target, bool quick);
void em_machine_close(em_machine *machine);

/* An empty module of its own for one function. em_close may be called twice. */
void em_open(emitter *e, const char *name, const ds_cpu_options *options, LLVMTargetMachineRef machine);
void em_close(emitter *e);
/* The module's code or text, as options say; what went wrong, else NULL. */
const char *em_code(emitter *e, const ds_cpu_options *options, em_machine machine, ds_object *out);

/* After the passes: counters of loops with large bodies become opaque to loop strength reduction. */
void em_hide_counters(emitter *e);

/* The name under which kernels are compiled, so that equal ones have equal code; as long as names may be. */
const char *em_any_name(void);
/* Puts the symbol's own name in its place in an object; false: there is none, or several. */
bool em_name_symbol(ds_object *object, const char *name);

#endif
