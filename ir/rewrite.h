/* Rewriting by rules. Every op of a block waits in a worklist and is offered to the rules for its kind; where one
 * changed something, the op and its neighbours wait again, until no rule applies. The order is fixed: ops first to
 * last, rules as listed.
 *
 * A rule must make progress (fewer ops, or a form that it does not take again); a module on which the rules run on
 * regardless is left valid after a bounded number of changes, with a warning.
 */
#ifndef DS_REWRITE_H
#define DS_REWRITE_H

#include "ir.h"

typedef struct ds_rewriter ds_rewriter;

/* Returns whether it changed anything. It may create ops before `op`, replace and erase ops through the rewriter, or
 * change `op` in place.
 */
typedef bool ds_rule_apply(ds_rewriter *rw, ds_op *op);

typedef struct {
    const char *name; /* for traces: "drop-copy" */
    ds_op_kind kind;  /* what it is offered; DS_OP_NONE: every op */
    ds_rule_apply *apply;
} ds_rule;

struct ds_rewriter {
    ds_module *module;
    ds_op **waiting;  /* stb_ds array, the next one last */
    bool *is_waiting; /* stb_ds array by op id */
};

/* Told of each change before the op goes: the rule and the op it was applied to. */
typedef void ds_rule_trace(void *user, ds_module *module, const ds_rule *rule, const ds_op *op);

/* `nested` says whether the ops in an op's regions are offered, too; NULL: never. Returns how many times a rule was
 * applied. */
size_t ds_rewrite(ds_module *module, ds_block *block, const ds_rule *rules, size_t count,
                  bool (*nested)(const ds_op *op), ds_rule_trace *trace, void *user);

/* ---- for rules ---- */

void ds_rewriter_wait(ds_rewriter *rw, ds_op *op); /* offer it to the rules (again) */
void ds_rewriter_replace(ds_rewriter *rw, ds_op *op,
                         ds_value *value); /* of an op with one result: uses of it become uses of `value`; erases it */
void ds_rewriter_erase(ds_rewriter *rw, ds_op *op); /* its results must be unused; what made its operands waits again */

#endif
