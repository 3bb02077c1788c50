/* range: quantised numbers that surely fit 32 bits as they are, are marked. They are rounded first and held to their type
 * after that, which takes fewer instructions.
 *
 *   before   %b = cast(%sum) : (i32) -> f32  %c = mul(%b, %scale)  %q = quantize(%c, 1, 128)       (%scale constant, below 0.5)
 *   after    the same with %q = quantize(%c, 1, 128) {fits}
 *
 * What numbers there may be is what ir/facts knows.
 * Needs:  graph ops, regions that are merged.   Keeps: values.   Breaks: nothing.   Cost: linear in ops and in the bytes of
 * constants, where something is quantised.
 */
#include <math.h>

#include "ir/eval.h"
#include "ir/facts/facts.h"
#include "passes/externs.h"
#include "passes/passes.h"

/* With a zero point this still fits 32 bits. */
#define MOST_ROUNDED 0x1p30

static bool quantises(const ds_block *block) {
    bool found = false;
    for (const ds_op *op = block->first; op && !found; op = op->next) {
        found = op->kind == DS_LOOP_quantize;
        for (size_t r = 0; r < op->region_count; r++) found = found || quantises(ds_op_block(op, r));
    }
    return found;
}

static bool fits(const ds_fact *number, const ds_op *quantize) {
    const ds_op *scale = ds_op_operand(quantize, 1)->op;
    if (!scale || scale->kind != DS_LOOP_constant) return false;
    double by = ds_eval_constant(scale).f, most = fmax(fabs(number->low), fabs(number->high));
    return by > 0x1p-60 && by < 0x1p60 && !number->nan && most / by <= MOST_ROUNDED;
}

static void mark_number(void *user, ds_op *op, const ds_fact *operands) {
    ds_module *m = user;
    if (op->kind == DS_LOOP_quantize && fits(&operands[0], op)) ds_op_set_attr(m, op, "fits", ds_attr_unit(m->cx));
}

static void mark(ds_module *m, const ds_facts *facts, const ds_block *block) {
    for (const ds_op *op = block->first; op; op = op->next)
        if (op->kind == DS_GRAPH_map) ds_facts_in_region(facts, op, mark_number, m);
        else
            for (size_t i = 0; i < op->region_count; i++) mark(m, facts, ds_op_block(op, i));
}

ds_status ds_pass_range(ds_module *module, const ds_pass_options *options) {
    (void)options;
    for (ds_op *func = module->body.block->first; func; func = func->next) {
        if (!func->region_count || !quantises(ds_op_block(func, 0))) continue;
        ds_facts facts = {.cx = module->cx, .put = ds_extern_put};
        ds_facts_compute(&facts, ds_op_block(func, 0));
        mark(module, &facts, ds_op_block(func, 0));
        ds_facts_free(&facts);
    }
    return DS_OK;
}
