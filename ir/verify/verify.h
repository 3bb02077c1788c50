/* What the parts of the verifier share. Each file knows one dialect; verify.c walks. */
#ifndef DS_VERIFY_H
#define DS_VERIFY_H

#include "ir/ir.h"

/* Where an op stands: what a block may hold follows from it. */
typedef enum {
    IN_GRAPH, /* functions of tensors, branches, loops, kernels */
    AT_POINT, /* regions of graph.map and graph.reduce: scalars */
    IN_LOOPS, /* functions of kernels */
    IN_PLAN
} verify_place;

enum {
    VERIFY_MOST_RANK = 24 /* of a tensor, and dims of an op; passes have room for as many */,
    VERIFY_MOST_LANES = 64
};

typedef struct {
    ds_module *m;
    uint8_t *defined; /* stb_ds array by value id */
    ds_status status;
} verifier;

void verify_fail(verifier *v, const ds_op *op, const char *what); /* the first one counts */
bool verify_is_scalar(const ds_value *v, ds_elem elem);
const ds_op *verify_yield(const ds_op *op, size_t region,
                          ds_op_kind kind); /* the last op of a region, if it is of the kind */

void verify_graph(verifier *v, const ds_op *op);
void verify_function(verifier *v, const ds_op *func); /* a function of tensors */
void verify_loop(verifier *v, const ds_op *op, verify_place place);
void verify_kernel(verifier *v, const ds_op *func); /* a function of loops */
void verify_plan(verifier *v, const ds_op *func);   /* a function of plan ops, and what it needs of its attributes */
void verify_plan_op(verifier *v, const ds_op *op);

#endif
