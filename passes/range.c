/* range: quantised numbers that surely fit 32 bits as they are, are marked. They are rounded first and held to their type
 * after that, which takes fewer instructions.
 *
 *   before   %b = cast(%sum) : (i32) -> f32  %c = mul(%b, %scale)  %q = quantize(%c, 1, 128)       (%scale constant, below 0.5)
 *   after    the same with %q = quantize(%c, 1, 128) {fits}
 *
 * Magnitudes follow from types, from constants, and from what maps make of constants.
 * Needs:  graph ops, regions that are merged.   Keeps: values.   Breaks: nothing.   Cost: linear in the ops and constants.
 */
#include <math.h>
#include <string.h>

#include "ir/eval.h"
#include "passes/passes.h"

/* Beyond this nothing is known of a float: sums and products of known ones stay far from infinity. */
#define MOST_KNOWN 0x1p100
/* With a zero point this still fits 32 bits. */
#define MOST_ROUNDED 0x1p30

enum { MOST_DEPTH = 16, MOST_ELEMENTS = 1 << 16 };

static double magnitude(const ds_value *v, int depth);

static double of_type(ds_elem elem) {
    int bits = (int)ds_elem_facts(elem)->bits;
    if (ds_elem_is_float(elem)) return (double)INFINITY;
    return ldexp(1, ds_elem_is_unsigned(elem) || elem == DS_b1 ? bits : bits - 1);
}

/* Of constants; of floats alone, whole numbers have their type's. */
static double of_elements(const ds_value *v, const ds_attr *value) {
    size_t bytes = ds_elem_facts(v->type->elem)->bits / 8;
    double most = 0;
    if (!ds_elem_is_float(v->type->elem) || bytes == 0 || value->count / bytes > MOST_ELEMENTS) return (double)INFINITY;
    for (size_t at = 0; at + bytes <= value->count; at += bytes) {
        uint64_t bits = 0;
        memcpy(&bits, (const char *)value->bytes + at, bytes);
        double x = fabs(ds_float_decode(v->type->elem, bits));
        if (!(x <= most)) most = isnan(x) ? (double)INFINITY : x;
    }
    return most;
}

static double of_tensor(const ds_value *v, int depth);

static double of_any_tensor(const ds_value *v, int depth) {
    double type = of_type(v->type->elem), known = depth ? of_tensor(v, depth - 1) : type;
    return known < type ? known : type;
}

/* As many products as one sum has. */
static double of_product(const ds_op *op, int depth) {
    const ds_attr *over = ds_op_attr(op, "over");
    double most = 1;
    int64_t extent;
    if (op->operand_count != 2 || !over) return (double)INFINITY;
    for (size_t i = 0; i < over->count; i++) {
        if (!ds_expr_is_const(ds_attr_to_expr(over->items[i]), &extent)) return (double)INFINITY;
        most *= (double)extent;
    }
    return most * of_any_tensor(ds_op_operand(op, 0), depth) * of_any_tensor(ds_op_operand(op, 1), depth);
}

static double of_tensor(const ds_value *v, int depth) {
    const ds_attr *value = ds_value_constant(v);
    const ds_op *op = v->op;
    if (value) return of_elements(v, value);
    if (op && op->kind == DS_GRAPH_encode) return of_any_tensor(ds_op_operand(op, 0), depth);
    if (op && (op->kind == DS_GRAPH_conv || op->kind == DS_GRAPH_matmul)) return of_product(op, depth);
    if (!op || op->kind != DS_GRAPH_map || ds_op_attr(op, "pads")) return (double)INFINITY;
    return magnitude(ds_op_operand(ds_op_block(op, 0)->last, v->index), depth);
}

/* The number that an argument of a map's region is. */
static double of_argument(const ds_value *v, int depth) {
    const ds_op *map = v->block ? v->block->region->op : NULL;
    bool reads = map && map->kind == DS_GRAPH_map && !ds_op_attr(map, "pads") && v->index < map->operand_count;
    return reads ? of_any_tensor(ds_op_operand(map, v->index), depth) : (double)INFINITY;
}

static double of_op(const ds_op *op, int depth) {
    double x[3] = {0};
    if (op->kind == DS_LOOP_quantize || op->kind == DS_LOOP_lookup) return (double)INFINITY; /* their type's */
    for (size_t i = 0; i < op->operand_count && i < 3; i++) x[i] = magnitude(ds_op_operand(op, i), depth);
    switch (op->kind) {
    case DS_LOOP_constant: {
        ds_cell c = ds_eval_constant(op);
        return ds_elem_is_float(op->results[0].type->elem) ? fabs(c.f) : fabs((double)c.i);
    }
    case DS_LOOP_cast:
    case DS_LOOP_neg:
    case DS_LOOP_abs: return x[0];
    case DS_LOOP_round: return x[0] + 1;
    case DS_LOOP_add:
    case DS_LOOP_sub: return x[0] + x[1];
    case DS_LOOP_mul: return x[0] * x[1];
    case DS_LOOP_min:
    case DS_LOOP_max:
    case DS_LOOP_greater: return fmax(x[0], x[1]);
    case DS_LOOP_select: return fmax(x[1], x[2]);
    default: return (double)INFINITY;
    }
}

/* No value is larger than this, nor is it NaN; infinity where that is not known. */
static double magnitude(const ds_value *v, int depth) {
    double type = of_type(v->type->elem);
    if (depth == 0) return type;
    double known = v->op ? of_op(v->op, depth - 1) : of_argument(v, depth - 1);
    if (!(known <= MOST_KNOWN)) return type;
    return known < type ? known : type;
}

static bool fits(const ds_op *op) {
    const ds_op *scale = ds_op_operand(op, 1)->op;
    if (!scale || scale->kind != DS_LOOP_constant) return false;
    double by = ds_eval_constant(scale).f;
    return by > 0x1p-60 && by < 0x1p60 && magnitude(ds_op_operand(op, 0), MOST_DEPTH) / by <= MOST_ROUNDED;
}

static void mark(ds_module *m, ds_block *block) {
    for (ds_op *op = block->first; op; op = op->next) {
        if (op->kind == DS_LOOP_quantize && fits(op)) ds_op_set_attr(m, op, "fits", ds_attr_unit(m->cx));
        for (size_t r = 0; r < op->region_count; r++) mark(m, ds_op_block(op, r));
    }
}

ds_status ds_pass_range(ds_module *module, const ds_pass_options *options) {
    (void)options;
    for (ds_op *func = module->body.block->first; func; func = func->next)
        if (func->region_count) mark(module, ds_op_block(func, 0));
    return DS_OK;
}
