/* How fast products of encoded factors are: rows of ir/mma.def say. */
#include "passes/precision/precision.h"

double pr_float_rate(narrowing *n, ds_elem sum, ds_elem type) {
    const ds_mma *vector = ds_mma_for(n->target, type, type, sum),
                 *matrix = vector ? ds_mma_matrix(n->target, vector) : NULL;
    return matrix ? matrix->rate : vector ? vector->rate : 0;
}

/* Whole numbers are bytes when they are multiplied. */
static double byte_rate(narrowing *n) {
    const ds_mma *row;
    double best = 1;
    for (size_t i = 0; (row = ds_mma_at(i)); i++) {
        bool bytes = nw_is_byte(row->lhs) && nw_is_byte(row->rhs) && ds_elem_is_integer(row->sum);
        bool exact = ds_mma_is_of_vectors(row) && !ds_mma_needs_proof(row) && ds_mma_runs_on(row, n->target);
        if (!bytes || !exact) continue;
        const ds_mma *matrix = ds_mma_matrix(n->target, row);
        double rate = matrix ? matrix->rate : row->rate;
        if (rate > best) best = rate;
    }
    return best;
}

static bool is_whole(const decision *by) {
    return by->decided && ds_encoding_is_integer(&by->encoding) && ds_elem_facts(by->encoding.elem)->bits <= 8;
}

static bool has_range(const decision *by) { return by->known || by->encoding.dynamic; }

double pr_times(deciding *d, const ds_op *op, const decision *by) {
    bool both;
    if (!by[0].decided && !by[1].decided) return 0;
    ds_elem sum = op->results[0].type->elem;
    if (pr_is_together(d, op, by)) {
        const ds_elem to = by[by[1].decided].encoding.elem;
        if (to == sum || pr_rounded(d, op, to, &both)) return 0;
        return both ? pr_float_rate(&d->n, sum, to) : 1;
    }
    for (size_t i = 0; i < 2; i++)
        if (by[i].decided && by[i].encoding.scale != DS_SCALE_NONE && !has_range(&by[i])) return 0;
    if (!is_whole(&by[0]) || !is_whole(&by[1]) || ds_is_depthwise(d->n.cx, op)) return 1;
    return byte_rate(&d->n);
}
