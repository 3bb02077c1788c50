/* What programs (programs.def) are asked, and what they share: the core that a kernel is computed for. */
#ifndef DS_PROGRAMS_H
#define DS_PROGRAMS_H

#include "ir/schedule.h"
#include "passes/contraction.h"
#include "passes/passes.h"

enum {
    SCHEDULE_MOST_DIMS = 24,
    SCHEDULE_MOST_OPERANDS = 320, /* and results of an op of a kernel */
    SCHEDULE_MOST_RESULTS = 16,   /* of an op */
    SCHEDULE_PIECE_WORK = 8000    /* scalar operations: about a microsecond */
};

/* One core of the machine, and what may be emitted for it. */
typedef struct {
    ds_ir_context *cx;
    const ds_target *target;
    const ds_machine *machine;
    size_t lanes;  /* of vectors, for every element type */
    bool unrolls;  /* small loops and steps are written out (--without=unroll: not) */
    bool exhausts; /* propose also what costs more, and is no neighbour of the best (neighbours.c): for measuring */
} ds_core;

/* Appends schedules for this kernel to *out (a stb_ds array of schedules that the caller frees), best first. */
typedef void ds_program_propose(const ds_core *core, const ds_op *kernel, ds_schedule **out);
/* NULL when lowering can obey; else one sentence in the context's arena. */
typedef const char *ds_program_check(const ds_core *core, const ds_op *kernel, const ds_schedule *s);

#define PROGRAM(name, doc)                                                                                             \
    ds_program_propose propose_##name;                                                                                 \
    ds_program_check check_##name;
#include "passes/schedule/programs.def"
#undef PROGRAM

/* ---- what they share ---- */

double schedule_estimate(const ds_expr *e); /* of an extent: its value with a guess for symbols, at least 1 */
/* Iterations of a piece, a multiple of `multiple`, where one is about `work` scalar operations: a piece takes a
 * microsecond or more. */
int64_t schedule_chunk(const ds_expr *extent, double work, int64_t multiple);
int64_t schedule_chunk_of(const ds_expr *extent, double work, int64_t multiple,
                          double piece); /* a piece does at least so much */
ds_tail schedule_tail(const ds_expr *extent, int64_t step,
                      ds_tail otherwise); /* exact where the step divides a known extent */
const char *schedule_axis(const ds_core *core, char letter, size_t number); /* "d0" */
/* The number behind the letter; SIZE_MAX when the axis is no such letter and a number below `end`. */
size_t schedule_axis_number(const char *axis, char letter, size_t end);
/* Does the map finish this value: it alone reads it, at its own points, and has a result like it? */
bool schedule_is_epilogue(const ds_value *v, const ds_op *map);
bool schedule_computes(const ds_op *op);         /* may be an op of a kernel (a loop may, too, alone) */
const ds_op *schedule_epilogue(const ds_op *op); /* the op behind this one, where that finishes its result; or NULL */
bool schedule_yields(const ds_op *kernel, const ds_op *op); /* the last op's one result, and nothing else */
/* Why no program computes a kernel of these ops; or (schedule_misfit) of what it gives: then it may be taken apart.
 * NULL: no reason. */
const char *schedule_op_misfit(const ds_core *core, const ds_op *kernel);
const char *schedule_misfit(const ds_core *core, const ds_op *kernel);
size_t schedule_op_count(const ds_op *kernel); /* without the yield */
const ds_op *schedule_op(const ds_op *kernel, size_t index);
/* What `given` says that `same`, made of the choices read from it, does not; NULL when they are one. Frees `same`. */
const char *schedule_compare(const ds_core *core, const ds_schedule *given, ds_schedule *same);
void schedule_offer(ds_schedule s, const char *wrong,
                    ds_schedule **out); /* appends it, or frees it where something is wrong */
const char *schedule_refuse(const ds_core *core, const char *format, ...) DS_PRINTF(2, 3);

#endif
