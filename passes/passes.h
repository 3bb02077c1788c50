/* IR -> IR. One pass, one file; passes.def is the only list of them. */
#ifndef DS_PASSES_H
#define DS_PASSES_H

#include "ir/ir.h"
#include "ir/machine.h"
#include "ir/policy.h"
#include "ir/ranges.h"
#include "ir/rewrite.h"
#include "ir/target.h"

typedef enum {
#define COMPENSATION(name, ...) DS_COMPENSATE_##name,
#include "passes/compensations.def"
#undef COMPENSATION
    DS_COMPENSATION_COUNT
} ds_compensation;

/* A choice that was measured, in place of the cost model's: how kernels of this key are computed, or whether the
 * convolution of an ONNX node is computed by Winograd's algorithm (tiles of 2 or 4; 0: not). */
typedef struct {
    const char *key, *node; /* one is NULL */
    const char *what;       /* of a key: the kernel, for people, or NULL */
    const ds_attr *schedule;
    int tile;
} ds_choice;

typedef struct {
    const ds_target *target;    /* what may be emitted */
    const ds_machine *machine;  /* what is chosen for */
    const ds_policy *policy;    /* how factors of products are stored; NULL: as `ranges` say */
    unsigned compensate;        /* what makes up for errors of that: bits, by ds_compensation */
    const ds_ranges *ranges;    /* of values, as samples showed them; NULL: they are not known */
    const ds_choice *schedules; /* measured by `dsc tune`, or NULL */
    size_t schedule_count;
    bool print_after_all, print_changed, timing, verify_each, trace_rules;
    const char *print_after; /* one pass's name, or NULL */
    const char *passes;      /* comma-separated list that replaces the default, or NULL */
    const char *stop_after;  /* last pass to run, or NULL */
    const char
        *without; /* comma-separated list of passes to leave out, or NULL; `tile`: contractions by single vectors;
                                `unroll`: small loops as loops */
    const char *reproducer; /* where the IR before a failing pass is written, or NULL */
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
