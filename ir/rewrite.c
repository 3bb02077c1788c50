#include "rewrite.h"

enum { CHANGES_PER_OP = 64, CHANGES_AT_LEAST = 1000 };

static bool may_wait(const ds_rewriter *rw, const ds_op *op) {
    return op->id >= arrlenu(rw->is_waiting) || !rw->is_waiting[op->id];
}

void ds_rewriter_wait(ds_rewriter *rw, ds_op *op) {
    if (!op || !may_wait(rw, op)) return;
    while (arrlenu(rw->is_waiting) <= op->id) arrput(rw->is_waiting, false);
    rw->is_waiting[op->id] = true;
    arrput(rw->waiting, op);
}

static void wait_for_users(ds_rewriter *rw, const ds_value *value) {
    for (const ds_use *use = value->uses; use; use = use->next) ds_rewriter_wait(rw, use->owner);
}

/* Ops whose results this one reads, in its regions as well: maybe nothing else does. */
static void wait_for_operands(ds_rewriter *rw, const ds_op *op) {
    for (size_t i = 0; i < op->operand_count; i++) ds_rewriter_wait(rw, ds_op_operand(op, i)->op);
    for (size_t r = 0; r < op->region_count; r++)
        for (const ds_op *inner = ds_op_block(op, r)->first; inner; inner = inner->next) wait_for_operands(rw, inner);
}

void ds_rewriter_erase(ds_rewriter *rw, ds_op *op) {
    wait_for_operands(rw, op);
    ds_op_erase(op);
}

void ds_rewriter_replace(ds_rewriter *rw, ds_op *op, ds_value *value) {
    wait_for_users(rw, &op->results[0]);
    ds_value_replace_uses(&op->results[0], value);
    ds_rewriter_erase(rw, op);
}

/* The ops of a block, last first, so that the first one is taken first. */
static void wait_for_block(ds_rewriter *rw, ds_block *block, bool (*nested)(const ds_op *op)) {
    for (ds_op *op = block->last; op; op = op->prev) {
        ds_rewriter_wait(rw, op);
        for (size_t r = op->region_count; nested && nested(op) && r-- > 0;)
            wait_for_block(rw, ds_op_block(op, r), nested);
    }
}

/* Erased ops stay in the worklist; so do those whose enclosing op was erased. */
static bool is_below(const ds_op *op, const ds_block *root) {
    for (const ds_block *block = op->block; block;
         block = block->region && block->region->op ? block->region->op->block : NULL)
        if (block == root) return true;
    return false;
}

static const ds_rule *apply_first(ds_rewriter *rw, ds_op *op, const ds_rule *rules, size_t count, ds_rule_trace *trace,
                                  void *user) {
    ds_op before = *op; /* the rule may erase it: the trace speaks of what it was */
    for (size_t i = 0; i < count; i++) {
        if (rules[i].kind != DS_OP_NONE && rules[i].kind != op->kind) continue;
        if (!rules[i].apply(rw, op)) continue;
        if (trace) trace(user, rw->module, &rules[i], &before);
        return &rules[i];
    }
    return NULL;
}

size_t ds_rewrite(ds_module *module, ds_block *block, const ds_rule *rules, size_t count,
                  bool (*nested)(const ds_op *op), ds_rule_trace *trace, void *user) {
    ds_rewriter rw = {.module = module};
    size_t changes = 0;
    wait_for_block(&rw, block, nested);
    size_t most = arrlenu(rw.waiting) * CHANGES_PER_OP + CHANGES_AT_LEAST;
    while (arrlenu(rw.waiting) && changes < most) {
        ds_op *op = arrpop(rw.waiting);
        rw.is_waiting[op->id] = false;
        if (!is_below(op, block) || !apply_first(&rw, op, rules, count, trace, user)) continue;
        changes++;
        if (!is_below(op, block)) continue;
        for (size_t i = 0; i < op->result_count; i++) wait_for_users(&rw, &op->results[i]);
        ds_rewriter_wait(&rw, op);
    }
    if (arrlenu(rw.waiting) && changes == most)
        ds_report(module->cx->diag, DS_WARNING, DS_E_rules, NULL,
                  "rules were still changing the graph after %zu changes; it is left as it is", changes);
    arrfree(rw.waiting), arrfree(rw.is_waiting);
    return changes;
}
