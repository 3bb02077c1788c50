/* Loop nests of reductions: the lanes walk the result's last dim, or the last reduced one, whose lanes are then
 * combined by a fixed tree. Long sums of floats are sums of blocks. */
#include <string.h>

#include "passes/lower/nest.h"

_Static_assert(LOWER_MAX_RESULTS <= LOWER_MAX_CARRIED, "loops over what is reduced carry the results");

typedef struct {
    bool over_vector; /* the lanes walk a reduced dim */
    size_t results;
} reduce_state;

static ds_value *initial(lowering *l, const ds_op *op, size_t r, bool vector) {
    const ds_attr *init = ds_op_attr(op, "init");
    ds_value *v = nest_pad_constant(l, init ? init->items[r] : NULL, op->results[r].type->elem);
    return vector ? lw_splat(l, v) : v;
}

static void combine(lowering *l, const ds_op *op, const lane_point *p, ds_value *const *acc, const lane_value *fresh,
                    ds_value **out) {
    lane_value args[2 * LOWER_MAX_RESULTS], yields[LOWER_MAX_RESULTS];
    size_t n = op->result_count;
    for (size_t r = 0; r < n; r++) args[r] = (lane_value){acc[r], NULL}, args[n + r] = fresh[r];
    lw_region(l, ds_op_block(op, 1), args, NULL, p, yields);
    for (size_t r = 0; r < n; r++) out[r] = yields[r].v;
}

/* One step of the innermost reduction loop. With a mask over a reduced dim, lanes outside keep what they have. */
static void accumulate(walk *w, const lane_point *p, bool masked_reduction, ds_value *const *acc, ds_value **out) {
    lowering *l = w->l;
    lane_value args[SCHEDULE_MOST_OPERANDS], fresh[LOWER_MAX_RESULTS];
    nest_read_operands(l, w->n, w->op, p, args);
    lw_region(l, ds_op_block(w->op, 0), args, w->n->old, p, fresh);
    for (size_t r = 0; r < w->op->result_count; r++)
        if (acc[r]->type->kind == DS_TYPE_VECTOR) fresh[r].v = lw_splat(l, fresh[r].v), fresh[r].base = NULL;
    combine(l, w->op, p, acc, fresh, out);
    for (size_t r = 0; masked_reduction && r < w->op->result_count; r++) {
        ds_value *operands[] = {lw_splat(l, p->mask), out[r], acc[r]};
        out[r] = lw_op(l, DS_LOOP_select, operands, 3, acc[r]->type);
    }
}

/* Sums of floats: every combiner adds, starting from 0. */
static bool is_float_sum(const ds_op *op) {
    const ds_attr *init = ds_op_attr(op, "init");
    const ds_block *combiner = ds_op_block(op, 1);
    for (size_t r = 0; r < op->result_count; r++)
        if (!ds_elem_is_float(op->results[r].type->elem) || (init && init->items[r]->number != 0)) return false;
    for (const ds_op *inner = combiner->first; inner; inner = inner->next)
        if (inner->kind != DS_LOOP_add && inner->kind != DS_GRAPH_yield) return false;
    return true;
}

enum {
    BLOCK = 128
}; /* steps whose sum is formed on its own: the error of a long sum grows with the number of blocks, not of elements */

/* for (at = low; at < high; at += step) accumulate */
static void step_loop(walk *w, lane_point *p, size_t dim, bool lanes_here, ds_value *low, ds_value *high,
                      ds_value *step, size_t chains, ds_value *const *acc, ds_value **out) {
    lowering *l = w->l;
    size_t count = w->op->result_count;
    ds_value *inner[LOWER_MAX_RESULTS], *next[LOWER_MAX_RESULTS];
    ds_op *loop =
        lw_for(l, low, high, lw_binary(l, DS_LOOP_mul, step, lw_index(l, (int64_t)chains)), acc, chains * count, inner);
    p->vector = lanes_here ? (int)dim : p->vector;
    for (size_t c = 0; c < chains; c++) {
        p->at[dim] = lw_for_position(loop);
        if (c)
            p->at[dim] =
                lw_binary(l, DS_LOOP_add, p->at[dim], lw_binary(l, DS_LOOP_mul, step, lw_index(l, (int64_t)c)));
        accumulate(w, p, false, inner + c * count, next + c * count);
    }
    if (lanes_here) p->vector = -1;
    lw_end(l, loop, next, chains * count);
    for (size_t r = 0; r < chains * count; r++) out[r] = ds_op_result(loop, r);
}

/* The same with some chains of steps, combined in pairs. */
static void chained_loop(walk *w, lane_point *p, size_t dim, bool lanes_here, ds_value *low, ds_value *high,
                         ds_value *step, ds_value *const *acc, ds_value **out) {
    lowering *l = w->l;
    size_t count = w->op->result_count;
    size_t chains = (size_t)w->chains;
    if (chains == 1 || !lanes_here) {
        step_loop(w, p, dim, lanes_here, low, high, step, 1, acc, out);
        return;
    }
    ds_value *all[LOWER_MAX_RESULTS], *wide = lw_binary(l, DS_LOOP_mul, step, lw_index(l, w->chains)),
                                      *span = lw_binary(l, DS_LOOP_sub, high, low);
    ds_value *whole =
        lw_binary(l, DS_LOOP_add, low, lw_binary(l, DS_LOOP_mul, lw_binary(l, DS_LOOP_div, span, wide), wide));
    for (size_t r = 0; r < chains * count; r++) all[r] = r < count ? acc[r] : initial(l, w->op, r % count, true);
    step_loop(w, p, dim, lanes_here, low, whole, step, chains, all, all);
    for (size_t half = chains / 2; half; half /= 2)
        for (size_t c = 0; c < half; c++) {
            lane_value fresh[LOWER_MAX_RESULTS];
            for (size_t r = 0; r < count; r++) fresh[r] = (lane_value){all[(c + half) * count + r], NULL};
            combine(l, w->op, p, all + c * count, fresh, all + c * count);
        }
    step_loop(w, p, dim, lanes_here, whole, high, step, 1, all, out);
}

/* A loop of accumulations along `dim`; sums of very many in blocks. */
static void sum_loop(walk *w, lane_point *p, size_t dim, bool lanes_here, ds_value *low, ds_value *high, ds_value *step,
                     bool in_blocks, ds_value *const *acc, ds_value **out) {
    lowering *l = w->l;
    size_t count = w->op->result_count;
    if (!in_blocks) {
        chained_loop(w, p, dim, lanes_here, low, high, step, acc, out);
        return;
    }
    ds_value *next[LOWER_MAX_RESULTS], *outer_acc[LOWER_MAX_RESULTS],
        *span = lw_binary(l, DS_LOOP_mul, step, lw_index(l, BLOCK));
    ds_op *blocks = lw_for(l, low, high, span, acc, count, outer_acc);
    low = lw_for_position(blocks);
    high = lw_binary(l, DS_LOOP_min, lw_binary(l, DS_LOOP_add, low, span), high);
    for (size_t r = 0; r < count; r++) next[r] = initial(l, w->op, r, acc[r]->type->kind == DS_TYPE_VECTOR);
    chained_loop(w, p, dim, lanes_here, low, high, step, next, out);
    lane_value fresh[LOWER_MAX_RESULTS];
    for (size_t r = 0; r < count; r++) fresh[r] = (lane_value){out[r], NULL};
    combine(l, w->op, p, outer_acc, fresh, out);
    lw_end(l, blocks, out, count);
    for (size_t r = 0; r < count; r++) out[r] = ds_op_result(blocks, r);
}

/* Loops over reduced dims from `dim` on, carrying the accumulators. */
static void over_loops(walk *w, lane_point *p, size_t dim, bool over_vector, ds_value *const *acc, ds_value **out) {
    lowering *l = w->l;
    size_t count = w->op->result_count;
    const ds_expr *extent = w->n->extent[dim];
    ds_value *inner[LOWER_MAX_RESULTS], *next[LOWER_MAX_RESULTS];
    bool innermost = dim + 1 == w->n->rank, lanes_here = over_vector && innermost;
    ds_value *low = lw_index(l, 0), *high = lw_extent(l, extent),
             *step = lw_index(l, lanes_here ? (int64_t)l->lanes : 1), *whole = high;
    int64_t fixed, lanes = (int64_t)l->lanes;
    bool known = ds_expr_is_const(extent, &fixed), rest = lanes_here && !(known && fixed % lanes == 0);
    if (rest) whole = lw_binary(l, DS_LOOP_mul, lw_binary(l, DS_LOOP_div, high, step), step);
    memcpy(next, acc, count * sizeof *next);
    if (innermost && !(lanes_here && known && fixed < lanes)) {
        bool in_blocks = is_float_sum(w->op) && (!known || fixed > 2 * BLOCK * (lanes_here ? lanes : 1));
        sum_loop(w, p, dim, lanes_here, low, whole, step, in_blocks, acc, next);
    } else if (!innermost) {
        ds_op *loop = lw_for(l, low, whole, step, acc, count, inner);
        p->at[dim] = lw_for_position(loop);
        over_loops(w, p, dim + 1, over_vector, inner, next);
        lw_end(l, loop, next, count);
        for (size_t r = 0; r < count; r++) next[r] = ds_op_result(loop, r);
    }
    if (rest) {
        ds_op *loop = lw_for(l, whole, high, step, next, count, inner);
        ds_value *after[LOWER_MAX_RESULTS];
        p->at[dim] = lw_for_position(loop);
        p->vector = (int)dim;
        p->mask = lw_mask(l, p->at[dim], high);
        accumulate(w, p, true, inner, after);
        p->vector = -1, p->mask = NULL;
        lw_end(l, loop, after, count);
        for (size_t r = 0; r < count; r++) next[r] = ds_op_result(loop, r);
    }
    memcpy(out, next, count * sizeof *out);
}

/* A tree over the lanes with the op's combiner. */
static void fold_lanes(lowering *l, const ds_op *op, ds_value **acc) {
    size_t n = op->result_count;
    const ds_type *types[LOWER_MAX_RESULTS];
    for (size_t r = 0; r < n; r++) types[r] = ds_type_scalar(l->cx, op->results[r].type->elem);
    ds_op *fold = ds_op_create(&l->b, DS_LOOP_fold_lanes, acc, n, types, n, 1);
    ds_builder outer = l->b;
    l->b.block = ds_op_block(fold, 0), l->b.before = NULL;
    ds_mapping mapping = {0};
    const ds_block *combiner = ds_op_block(op, 1);
    for (size_t i = 0; i < combiner->arg_count; i++)
        ds_mapping_set(&mapping, combiner->args[i], ds_block_add_arg(l->m, l->b.block, combiner->args[i]->type, NULL));
    for (const ds_op *inner = combiner->first; inner; inner = inner->next) {
        if (inner->kind != DS_GRAPH_yield) ds_op_clone(&l->b, inner, &mapping);
        else {
            ds_value *yields[LOWER_MAX_RESULTS];
            for (size_t r = 0; r < n; r++) yields[r] = ds_mapping_get(&mapping, ds_op_operand(inner, r));
            ds_op_create(&l->b, DS_LOOP_yield, yields, n, NULL, 0, 0);
        }
    }
    ds_mapping_free(&mapping);
    l->b = outer;
    for (size_t r = 0; r < n; r++) acc[r] = ds_op_result(fold, r);
}

static void reduce_point(walk *w, lane_point *p, void *user) {
    const reduce_state *state = user;
    lowering *l = w->l;
    ds_value *acc[LOWER_MAX_RESULTS], *mask = p->mask;
    int vector = p->vector;
    for (size_t r = 0; r < state->results; r++) acc[r] = initial(l, w->op, r, vector >= 0 || state->over_vector);
    lane_point inner = *p; /* a mask of kept lanes only guards reads */
    ds_value *sums[LOWER_MAX_RESULTS];
    bool folds = vector < 0 && state->over_vector && w->n->rank > w->n->kept;
    if (w->n->rank == w->n->kept) accumulate(w, &inner, false, acc, sums);
    else over_loops(w, &inner, w->n->kept, folds, acc, sums);
    memcpy(acc, sums, state->results * sizeof *acc);
    if (folds) fold_lanes(l, w->op, acc);
    p->vector = vector, p->mask = mask;
    for (size_t r = 0; r < state->results; r++)
        lw_store(l, acc[r], lw_buffer(l, &w->op->results[r]), w->n->offset[w->op->operand_count + r], p);
}

void lower_reduce(lowering *l, const ds_op *op, int index, const lower_rows_at *rows) {
    nest n;
    nest_choice c;
    lane_point p = {.vector = -1};
    nest_open(l->core, &n, op, rows ? rows->shared : 0);
    nest_must_read(l, &n, op, index, rows, &c);
    reduce_state state = {c.lane != SIZE_MAX && c.lane >= n.kept, op->result_count};
    walk w = {.l = l, .n = &n, .op = op, .chains = c.chains};
    nest_kept_loops(&w, &p, rows, &c, reduce_point, &state);
}
