/* Facts of tensors: every graph op, once, in order. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/facts/internal.h"

static const double FLUSHED = 0x1p-100; /* graph.encode with `flush` makes zeros of what is smaller */

void ds_facts_set(ds_facts *facts, const ds_value *value, ds_fact fact) {
    size_t had = arrlenu(facts->of);
    if (had <= value->id) {
        arrsetlen(facts->of, value->id + 1);
        for (size_t i = had; i <= value->id; i++) facts->of[i].known = false;
    }
    facts->of[value->id].known = true;
    facts->of[value->id].fact = fact;
}

ds_fact ds_facts_of(const ds_facts *facts, const ds_value *value) {
    if (value->id < arrlenu(facts->of) && facts->of[value->id].known) return facts->of[value->id].fact;
    return ds_fact_any(value->type->elem);
}

void ds_facts_free(ds_facts *facts) { arrfree(facts->of); }

ds_fact facts_read(const ds_facts *facts, const ds_op *op, size_t operand) {
    const ds_value *v = ds_op_operand(op, operand);
    ds_fact f = ds_facts_of(facts, v);
    const ds_attr *pads = ds_op_attr(op, "pads");
    if (op->kind == DS_GRAPH_conv && operand == 0) return ds_fact_join(f, ds_fact_point(0));
    if (!pads || operand >= pads->count || pads->items[operand]->kind == DS_ATTR_UNIT) return f;
    const ds_attr *pad = pads->items[operand];
    double value = ds_elem_is_float(v->type->elem) ? pad->number : (double)pad->integer;
    return ds_fact_join(f, ds_fact_point(value));
}

static void set_all(ds_facts *facts, const ds_op *op, ds_fact fact) {
    for (size_t r = 0; r < op->result_count; r++) ds_facts_set(facts, &op->results[r], fact);
}

static void of_map(ds_facts *facts, const ds_op *op) {
    abstract *args = ds_xmalloc((op->operand_count + op->result_count) * sizeof *args),
             *yields = args + op->operand_count;
    for (size_t i = 0; i < op->operand_count; i++) args[i] = (abstract){facts_read(facts, op, i), 0};
    facts_run_region(facts, op, 0, args, false, yields);
    for (size_t r = 0; r < op->result_count; r++) ds_facts_set(facts, &op->results[r], yields[r].fact);
    free(args);
}

static ds_fact joined_operands(const ds_facts *facts, const ds_op *op) {
    ds_fact f = ds_fact_none();
    for (size_t i = 0; i < op->operand_count; i++) f = ds_fact_join(f, ds_facts_of(facts, ds_op_operand(op, i)));
    return f;
}

static ds_fact of_index(const ds_op *op) {
    const ds_attr *values = ds_op_attr(op, "values");
    ds_elem elem = op->results[0].type->elem;
    ds_fact f = ds_fact_none();
    for (size_t i = 0; i < values->count; i++) {
        const ds_expr *e = ds_attr_to_expr(values->items[i]);
        bool bounded = e && e->range.low != INT64_MIN && e->range.high != INT64_MAX;
        bool below = e && e->range.low != INT64_MIN;
        if (!below) return ds_fact_any(elem);
        f = ds_fact_join(
            f, ds_fact_within(elem, (double)e->range.low, bounded ? (double)e->range.high : (double)INFINITY, false));
    }
    return f;
}

static ds_fact of_encode(const ds_facts *facts, const ds_op *op) {
    ds_fact f = ds_facts_of(facts, ds_op_operand(op, 0));
    bool small = (f.low < FLUSHED && f.high > 0) || (f.low < 0 && f.high > -FLUSHED);
    return ds_op_attr(op, "flush") && small ? ds_fact_join(f, ds_fact_point(0)) : f;
}

/* Elements that are written into a copy of operand 0. */
static void of_extern(ds_facts *facts, const ds_op *op) {
    const ds_value *put = facts->put ? facts->put(op) : NULL;
    if (!put || op->result_count != 1) return;
    ds_fact before = ds_facts_of(facts, ds_op_operand(op, 0)), more = ds_facts_of(facts, put);
    ds_facts_set(facts, &op->results[0], ds_fact_join(before, more));
}

static const ds_op *yield_of(const ds_op *op, size_t region) { return ds_block_terminator(ds_op_block(op, region)); }

static void of_if(ds_facts *facts, const ds_op *op) {
    for (size_t r = 0; r < op->region_count; r++) ds_facts_compute(facts, ds_op_block(op, r));
    for (size_t i = 0; i < op->result_count; i++) {
        ds_fact f = ds_fact_none();
        for (size_t r = 0; r < op->region_count; r++)
            f = ds_fact_join(f, ds_facts_of(facts, ds_op_operand(yield_of(op, r), i)));
        ds_facts_set(facts, &op->results[i], f);
    }
}

/* Of carried values nothing is known in a turn; behind the loop they are what a turn yields, or what they began as. */
static void of_loop(ds_facts *facts, const ds_op *op) {
    ds_facts_compute(facts, ds_op_block(op, 0));
    const ds_op *yield = yield_of(op, 0);
    size_t skipped = yield->operand_count - op->result_count;
    for (size_t i = 0; i < op->result_count; i++) {
        const ds_value *v = ds_op_operand(yield, i + skipped);
        bool carried = i + skipped < op->operand_count, sure = carried || !ds_op_attr(op, "conditional");
        ds_fact f = sure ? ds_facts_of(facts, v) : ds_fact_any(v->type->elem);
        if (carried) f = ds_fact_join(f, ds_facts_of(facts, ds_op_operand(op, i + skipped)));
        ds_facts_set(facts, &op->results[i], f);
    }
}

static void of_kernel(ds_facts *facts, const ds_op *op) {
    const ds_block *block = ds_op_block(op, 0);
    for (size_t i = 0; i < block->arg_count && i < op->operand_count; i++)
        ds_facts_set(facts, block->args[i], ds_facts_of(facts, ds_op_operand(op, i)));
    ds_facts_compute(facts, block);
    const ds_op *yield = ds_block_terminator(block);
    for (size_t i = 0; i < op->result_count && i < yield->operand_count; i++)
        ds_facts_set(facts, &op->results[i], ds_facts_of(facts, ds_op_operand(yield, i)));
}

void ds_facts_compute_op(ds_facts *facts, const ds_op *op) {
    switch (op->kind) {
    case DS_GRAPH_constant: ds_facts_set(facts, &op->results[0], ds_fact_of_elements(ds_op_attr(op, "value"))); break;
    case DS_GRAPH_index: ds_facts_set(facts, &op->results[0], of_index(op)); break;
    case DS_GRAPH_map: of_map(facts, op); break;
    case DS_GRAPH_reduce: facts_of_reduce(facts, op); break;
    case DS_GRAPH_matmul:
    case DS_GRAPH_conv: facts_of_contraction(facts, op); break;
    case DS_GRAPH_concat:
    case DS_GRAPH_join: set_all(facts, op, joined_operands(facts, op)); break;
    case DS_GRAPH_encode: set_all(facts, op, of_encode(facts, op)); break;
    case DS_GRAPH_reshape:
        if (!ds_op_attr(op, "words")) set_all(facts, op, joined_operands(facts, op));
        break;
    case DS_GRAPH_extern: of_extern(facts, op); break;
    case DS_GRAPH_kernel: of_kernel(facts, op); break;
    case DS_GRAPH_if: of_if(facts, op); break;
    case DS_GRAPH_loop: of_loop(facts, op); break;
    default: break; /* anything */
    }
}

void ds_facts_compute(ds_facts *facts, const ds_block *block) {
    for (const ds_op *op = block->first; op; op = op->next) ds_facts_compute_op(facts, op);
}

/* ---- text ---- */

static void print_needs(ds_string *out, uint64_t needs) {
    const char *before = " without operands";
    for (size_t i = 0; i < 64; i++)
        if (needs >> i & 1) {
            ds_string_printf(out, "%s %zu", before, i);
            before = "";
        }
}

/* What an operand that may be 0 switches off there: the result is one number, or no longer depends on others. */
static void print_zeros(ds_string *out, const ds_facts *facts, const ds_op *map) {
    ds_facts_yield all, zero;
    if (map->result_count != 1 || !ds_facts_where_zero(facts, map, 0, SIZE_MAX, true, &all)) return;
    for (size_t i = 0; i < map->operand_count; i++) {
        ds_fact operand = facts_read(facts, map, i);
        if (!ds_fact_holds(&operand, 0) || !ds_facts_where_zero(facts, map, 0, i, true, &zero)) continue;
        uint64_t off = all.needs & ~zero.needs & ~((uint64_t)1 << i);
        bool known = ds_fact_is_point(&zero.fact) && !ds_fact_is_point(&all.fact);
        if (!off && !known) continue;
        ds_string_printf(out, ", where operand %zu is 0: ", i);
        ds_fact_print(out, &zero.fact);
        print_needs(out, off);
    }
}

static void print_note(void *user, ds_string *out, const ds_op *op) {
    const ds_facts *facts = user;
    const char *name = ds_op_facts(op->kind)->name;
    if (strncmp(name, "graph.", 6) || op->result_count == 0 || op->kind == DS_GRAPH_extract) return;
    ds_string_printf(out, " // ");
    for (size_t r = 0; r < op->result_count; r++) {
        ds_fact f = ds_facts_of(facts, &op->results[r]);
        if (r) ds_string_printf(out, "; ");
        ds_fact_print(out, &f);
    }
    if (op->kind == DS_GRAPH_map) print_zeros(out, facts, op);
}

void ds_facts_print(ds_string *out, ds_module *module, const ds_value *(*put)(const ds_op *op)) {
    ds_facts facts = {.cx = module->cx, .put = put};
    for (const ds_op *func = module->body.block->first; func; func = func->next)
        if (func->kind == DS_FUNC) ds_facts_compute(&facts, ds_op_block(func, 0));
    ds_module_print_notes(out, module, print_note, &facts);
    ds_facts_free(&facts);
}
