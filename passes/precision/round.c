/* Both factors of a product as numbers that this level multiplies faster than floats, or its weights as numbers that take
 * fewer bytes and are widened in registers.
 *
 *   before   %y = "graph.conv"(%x, %w) : (tensor<…xf32>, tensor<…xf32>) -> tensor<…xf32>
 *   after    %a = map(%x) { cast to bf16 }    %b = map(%w) { cast to bf16 }
 *            %y = "graph.conv"(%a, %b) : (tensor<…xbf16>, tensor<…xbf16>) -> tensor<…xf32>
 */
#include "passes/precision/precision.h"

#include <string.h>

#include "passes/winograd.h"

static bool fits_range(const ds_value *w, double most) {
    const ds_attr *value = ds_value_constant(w);
    float v;
    for (size_t i = 0; i + sizeof v <= value->count; i += sizeof v) {
        memcpy(&v, (const char *)value->bytes + i, sizeof v);
        if (!(v >= -most && v <= most)) return false;
    }
    return true;
}

/* Does Winograd's form, which is of floats, save more than narrower factors do? */
static bool is_better_by_tiles(narrowing *n, const ds_op *op, ds_elem to) {
    ds_winograd_cost cost;
    int tile = (int)ds_op_int(op, "tile", 0);
    if (!tile || !ds_winograd_tile(n->cx, op, tile, &cost)) return false;
    return cost.times > pr_float_rate(n, op->results[0].type->elem, to);
}

/* A factor that is computed is rounded once for all products that read it. */
static void round_factor(narrowing *n, ds_op *op, size_t i, ds_elem to) {
    const factor f = {.x = ds_op_operand(op, i)};
    ds_op_set_operand(op, i, nw_converted(n, op, &f, 0, to, op->results[0].type->elem));
}

const char *pr_rounded(deciding *d, const ds_op *op, ds_elem to, bool *out_both) {
    narrowing *n = &d->n;
    static const double MOST = 65504; /* of 16 bits */
    const char *why;
    ds_value *w = ds_op_operand(op, 1);
    ds_elem sum = op->results[0].type->elem;
    bool fixed = ds_value_constant(w) != NULL, both = nw_pays(n, op, to, &why);
    *out_both = both;
    bool one = op->kind == DS_GRAPH_matmul && ds_mma_for(n->target, sum, to, sum);
    if (!both && !(one && fixed)) return fixed ? why : "no factor is constant";
    if (fixed && !fits_range(w, MOST)) return "weights are larger than it holds";
    if (both && is_better_by_tiles(n, op, to)) return "Winograd's form in floats takes fewer products";
    return NULL;
}

const char *pr_round_factors(deciding *d, ds_op *op, ds_elem to) {
    narrowing *n = &d->n;
    bool both;
    const char *why = pr_rounded(d, op, to, &both);
    if (why) return why;
    if (both) round_factor(n, op, 0, to);
    round_factor(n, op, 1, to);
    if (ds_op_attr(op, "tile")) ds_op_set_attr(n->m, op, "tile", ds_attr_int(n->cx, 0));
    return NULL;
}
