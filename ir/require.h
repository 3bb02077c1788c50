/* What a model needs of sizes and values that only run time knows: relations between two expressions (graph.require,
 * plan.require).
 *
 * Generated code checks a requirement where it stands; those over the symbols of arguments stand first, so that they
 * are checked on entry. Their order in the function (outer before inner) numbers them: `context.at` of
 * DS_BROKEN_PROMISE.
 */
#ifndef DS_REQUIRE_H
#define DS_REQUIRE_H

#include "ir.h"

/*          name       text  for values a and b: whether it holds; and what people read when it does not */
#define DS_RELATIONS(ROW)                                                                                              \
    ROW(equal, "==", a == b)                                                                                           \
    ROW(at_most, "<=", a <= b)                                                                                         \
    ROW(broadcast, "~", a == b || a == 1 || b == 1) /* extents of a broadcast: equal, or one of them is 1 */           \
    ROW(stretch, "~>", a == b || a == 1)            /* the same, in one direction */

typedef enum {
#define DS_RELATION(name, ...) DS_##name,
    DS_RELATIONS(DS_RELATION)
#undef DS_RELATION
        DS_RELATION_COUNT
} ds_relation;

typedef struct {
    ds_relation is;
    const ds_expr *left, *right;
    const char *node; /* whose it is: "node 'fc' (Gemm)" */
    const char *what; /* a clause: "the inner extents are equal" */
} ds_requirement;

bool ds_relation_holds(ds_relation is, int64_t a, int64_t b);
/* Whether it follows from symbols being >= 0. */
bool ds_requirement_is_proven(ds_ir_context *cx, const ds_requirement *r);
/* Whether it cannot hold, whatever the symbols are. */
bool ds_requirement_is_refuted(ds_ir_context *cx, const ds_requirement *r);

/* An op of this kind (DS_GRAPH_require, DS_PLAN_require) at the builder, and back: false when the attributes are
 * malformed. */
ds_op *ds_requirement_op(ds_builder *b, ds_op_kind kind, const ds_requirement *r);
bool ds_requirement_of(const ds_op *op, ds_requirement *out);
/* All that stand under a block, in order: stb_ds array, the caller's to free. */
ds_requirement *ds_requirements_in(ds_block *block);
/* The same relation of the same sides stands among the first ops of the block. */
bool ds_requirement_stands(ds_ir_context *cx, const ds_block *block, const ds_requirement *r);
void ds_requirement_print_relation(ds_string *out, const ds_requirement *r); /* "n == m" */
/* "node 'fc' (Gemm): the inner extents are equal: n == m" */
void ds_requirement_print(ds_string *out, const ds_requirement *r);

#endif
