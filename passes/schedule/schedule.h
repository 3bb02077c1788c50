/* How kernels are computed: asking the programs (programs.def) for schedules and whether they can obey one. */
#ifndef DS_PASSES_SCHEDULE_H
#define DS_PASSES_SCHEDULE_H

#include "passes/schedule/programs.h"

/* Schedules of the first program that has any, best first; of all programs, and some that are far from the best, where
 * the core `exhausts`. Appends to a stb_ds array, whose schedules the caller frees. Every kernel of one op has at least
 * one. */
void ds_schedule_propose(const ds_core *core, const ds_op *kernel, ds_schedule **out);
/* Schedules that differ from this one by one choice, and that lowering can obey. Appends as ds_schedule_propose
 * does. */
void ds_schedule_neighbours(const ds_core *core, const ds_op *kernel, const ds_schedule *from, ds_schedule **out);
/* Total: NULL when lowering can obey, else one sentence in the context's arena. */
const char *ds_schedule_check(const ds_core *core, const ds_op *kernel, const ds_schedule *s);
void ds_programs_list(ds_string *out);
/* The core that @main (or, `recipes`, @constants) is computed for; *room holds its target and must live as long. */
ds_core schedule_core(const ds_pass_options *options, ds_ir_context *cx, bool recipes, ds_target *room);

#endif
