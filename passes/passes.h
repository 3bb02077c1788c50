/* IR -> IR. One pass, one file; passes.def is the only list of them. */
#ifndef DS_PASSES_H
#define DS_PASSES_H

#include "ir/ir.h"
#include "ir/machine.h"
#include "ir/rewrite.h"
#include "ir/target.h"

/* A choice in place of the cost model's. */
typedef enum {
    DS_SCHEDULE_TILE, /* rows x columns of contractions' register tiles, columns in vectors; of kernels with this description (`what`) */
    DS_SCHEDULE_WINOGRAD, /* tiles of rows x rows of the result, 2 or 4, or 0 for none; of the convolution that comes from this node */
    DS_SCHEDULE_BLOCK     /* rows at work between two products; of kernels with this description */
} ds_schedule_kind;

typedef struct {
    ds_schedule_kind kind;
    const char *what; /* NULL: for all */
    unsigned rows, columns;
} ds_schedule;

typedef struct {
    const ds_target *target;      /* what may be emitted */
    const ds_machine *machine;    /* what is chosen for */
    const ds_schedule *schedules; /* measured by `dsc tune`, or NULL */
    size_t schedule_count;
    bool print_after_all, print_changed, timing, verify_each, trace_rules;
    const char *print_after; /* one pass's name, or NULL */
    const char *passes;      /* comma-separated list that replaces the default, or NULL */
    const char *stop_after;  /* last pass to run, or NULL */
    const char *without;     /* comma-separated list of passes to leave out, or NULL; `tile`: contractions by single vectors */
    const char *reproducer;  /* where the IR before a failing pass is written, or NULL */
} ds_pass_options;

/* Weights and biases below this count as zero: products and sums that consist of such are subnormal, and slow. */
#define DS_LEAST_WEIGHT 0x1p-100

typedef ds_status ds_pass(ds_module *module, const ds_pass_options *options);

#define PASS(name, optional, doc) ds_pass ds_pass_##name;
#include "passes/passes.def"
#undef PASS

/* Runs the pipeline. Printing goes to standard error. */
DS_MUST_USE ds_status ds_passes_run(ds_module *module, const ds_pass_options *options);
void ds_passes_list(ds_string *out);
const ds_schedule *ds_pass_schedule(const ds_pass_options *options, ds_schedule_kind kind, const char *what); /* NULL: none */
bool ds_pass_left_out(const ds_pass_options *options, const char *name);
/* What the graph ops of @main have to do, one by one; symbols count as 64. */
typedef struct {
    double ops, flops, bytes;
} ds_work;
ds_work ds_work_of(ds_module *module);
/* For passes made of rules: every function's body is rewritten; --trace-rules prints each change. */
void ds_pass_apply_rules(ds_module *module, const ds_pass_options *options, const ds_rule *rules, size_t count,
                         bool (*nested)(const ds_op *op));

#endif
