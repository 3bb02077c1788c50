/* Channels of very different ranges share one scale: small ones are lost. Divided by numbers of their own they fit it,
 * and weights, multiplied by the same, have scales for other dims. Powers of two change no f32.
 *
 * How much of what channels differ by moves to the weights (alpha of Xiao and others, SmoothQuant, 2022) is what an
 * estimate of the error of both is least for.
 */
#include <math.h>
#include <string.h>

#include "passes/precision/compensate.h"

bool pr_summed_channels(deciding *d, const ds_op *op, summed_channels *out) {
    const ds_value *w = ds_op_operand(op, 1);
    const ds_expr *k = ds_expr_dim(d->n.cx, op->results[0].type->rank);
    const ds_attr *maps[] = {ds_op_map(op, 0), ds_op_map(op, 1)};
    size_t *dims[] = {&out->left, &out->right};
    if (!ds_value_constant(w) || !ds_type_is_static(w->type)) return false;
    for (size_t f = 0; f < 2; f++) {
        *dims[f] = SIZE_MAX;
        for (size_t i = 0; i < maps[f]->count; i++)
            if (maps[f]->exprs[i] == k) *dims[f] = i;
        if (*dims[f] == SIZE_MAX) return false;
    }
    out->count = (size_t)w->type->dims[out->right]->value;
    return true;
}

/* How many elements lie between neighbours along a dim. */
static size_t stride_of(const ds_type *type, size_t dim) {
    size_t stride = 1;
    for (size_t i = dim + 1; i < type->rank; i++) stride *= (size_t)type->dims[i]->value;
    return stride;
}

static const ds_value_range *channels_of(deciding *d, const ds_op *op, const summed_channels *c) {
    const ds_value_range *range = d->ranges ? ds_ranges_find(d->ranges, pr_factor_key(d, op, 0)) : NULL;
    bool fits = range && range->axis == (int64_t)c->left && range->channel_count == c->count && range->channel_square;
    return fits ? range : NULL;
}

/* Weights of all products that multiply the value by constants in the same way: each channel's largest, and sum of
 * squares. */
typedef struct {
    const ds_value_range *range;
    const ds_encoding *left, *right;
    size_t count; /* of channels */
    float *most;
    double *squares;
    const ds_op **products; /* stb_ds array */
} weighed;

static void weigh(weighed *g, const ds_value *w, size_t dim) {
    const ds_attr *elements = ds_value_constant(w);
    const float *all = elements->bytes;
    size_t stride = stride_of(w->type, dim);
    for (size_t i = 0; i < elements->count / sizeof *all; i++) {
        size_t k = i / stride % g->count;
        if (fabsf(all[i]) > g->most[k]) g->most[k] = fabsf(all[i]);
        g->squares[k] += (double)all[i] * (double)all[i];
    }
}

static void weigh_products(deciding *d, weighed *g, const ds_value *x, const summed_channels *c) {
    for (const ds_use *use = x->uses; use; use = use->next) {
        summed_channels other;
        const ds_op *op = use->owner;
        bool reads = ds_is_contraction(op) && op->operand_count == 2 && ds_op_operand(op, 0) == x;
        if (!reads || !pr_summed_channels(d, op, &other) || other.left != c->left || other.count != c->count) continue;
        weigh(g, ds_op_operand(op, 1), other.right);
        arrput(g->products, op);
    }
}

/* Numbers near (most |x_k|)^alpha / (most |w_k|)^(1 - alpha). */
static void fill(const weighed *g, double alpha, float *numbers) {
    static const double MOST = 10; /* as a power of two */
    for (size_t k = 0; k < g->count; k++) {
        double here = fmax(fabs(g->range->channel_min[k]), fabs(g->range->channel_max[k])), power = 0;
        if (here > 0 && g->most[k] > 0) power = rint(alpha * log2(here) - (1 - alpha) * log2((double)g->most[k]));
        numbers[k] = (float)exp2(fmin(fmax(power, -MOST), MOST));
    }
}

/* The sum over columns of the squared step between codes of one product's weights. */
static double steps_of_weights(deciding *d, const weighed *g, const ds_op *op, const float *numbers) {
    summed_channels c;
    const ds_value *w = ds_op_operand(op, 1);
    const float *all = ds_value_constant(w)->bytes;
    int64_t axis = ds_factor_axis(d->n.cx, op, 1), zero;
    if (axis < 0 || !pr_summed_channels(d, op, &c)) return 0;
    size_t columns = (size_t)w->type->dims[axis]->value, in = stride_of(w->type, (size_t)axis),
           stride = stride_of(w->type, c.right);
    double *most = DS_NEW_ARRAY(d->n.m->arena, double, columns), sum = 0;
    for (size_t i = 0; i < ds_value_constant(w)->count / sizeof *all; i++) {
        double *m = &most[i / in % columns];
        *m = fmax(*m, fabs((double)all[i] * (double)numbers[i / stride % g->count]));
    }
    for (size_t n = 0; n < columns; n++) {
        float step;
        ds_encoding_fit(g->right, -most[n], most[n], &step, &zero);
        sum += (double)step * (double)step;
    }
    return sum;
}

/* The square of what rounding both factors adds to the results, in some unit: the error of a code has the variance of a
 * step's square over 12. */
static double estimate(deciding *d, const weighed *g, const float *numbers) {
    double low = 0, high = 0, weights = 0, values = 0, steps = 0;
    float step;
    int64_t zero;
    for (size_t k = 0; k < g->count; k++) {
        double number = (double)numbers[k];
        low = fmin(low, g->range->channel_min[k] / number);
        high = fmax(high, g->range->channel_max[k] / number);
        weights += g->squares[k] * number * number;
        values += g->range->channel_square[k] / (number * number);
    }
    for (size_t i = 0; i < arrlenu(g->products); i++) steps += steps_of_weights(d, g, g->products[i], numbers);
    ds_encoding_fit(g->left, low, high, &step, &zero);
    return (double)step * (double)step * weights + values * steps;
}

/* The best of some alphas; NULL: channels had better stay as they are. */
static const float *numbers_of(deciding *d, const ds_value *x, weighed *g, const summed_channels *c) {
    static const double alphas[] = {0.25, 0.5, 0.75, 1}, BETTER = 0.9;
    float *numbers = DS_NEW_ARRAY(d->n.m->arena, float, c->count), *best = NULL;
    g->count = c->count;
    g->most = DS_NEW_ARRAY(d->n.m->arena, float, c->count);
    g->squares = DS_NEW_ARRAY(d->n.m->arena, double, c->count);
    weigh_products(d, g, x, c);
    for (size_t k = 0; k < c->count; k++) numbers[k] = 1;
    double least = estimate(d, g, numbers) * BETTER;
    for (size_t i = 0; i < DS_COUNT(alphas); i++) {
        numbers = DS_NEW_ARRAY(d->n.m->arena, float, c->count);
        fill(g, alphas[i], numbers);
        double error = estimate(d, g, numbers);
        if (error >= least) continue;
        least = error;
        best = numbers;
    }
    arrfree(g->products);
    return best;
}

const float *pr_smoothing(deciding *d, const ds_op *op, const decision *by, const summed_channels *c) {
    const ds_value *x = ds_op_operand(op, 0);
    bool whole = by[0].decided && ds_encoding_is_integer(&by[0].encoding) && by[1].decided &&
                 by[1].encoding.scale != DS_SCALE_NONE;
    const ds_value_range *range = whole && (d->compensate >> DS_COMPENSATE_smooth & 1) ? channels_of(d, op, c) : NULL;
    if (!range) return NULL;
    for (size_t i = 0; i < arrlenu(d->smoothed); i++)
        if (d->smoothed[i].x == x && d->smoothed[i].dim == c->left) return d->smoothed[i].numbers;
    weighed g = {.range = range, .left = &by[0].encoding, .right = &by[1].encoding};
    const known_smoothing made = {.x = x, .dim = c->left, .numbers = numbers_of(d, x, &g, c)};
    arrput(d->smoothed, made);
    return made.numbers;
}

void pr_smoothed_span(deciding *d, const ds_op *op, const summed_channels *c, const float *by, decision *left) {
    const ds_value_range *range = channels_of(d, op, c);
    double low = 0, high = 0;
    for (size_t k = 0; k < c->count; k++) {
        low = fmin(low, range->channel_min[k] / (double)by[k]);
        high = fmax(high, range->channel_max[k] / (double)by[k]);
    }
    left->min = low;
    left->max = high;
}

static ds_value *scaled_constant(deciding *d, const ds_op *op, const ds_value *v, size_t dim, const float *numbers,
                                 size_t count, bool divides) {
    const ds_attr *elements = ds_value_constant(v);
    const float *from = elements->bytes;
    size_t stride = stride_of(v->type, dim), all = elements->count / sizeof *from;
    float *to = DS_NEW_ARRAY(d->n.m->arena, float, all);
    for (size_t i = 0; i < all; i++) {
        float number = numbers[i / stride % count];
        to[i] = divides ? from[i] / number : from[i] * number;
    }
    return pr_constant(d, op, v->type->elem, v->type->dims, v->type->rank, to, all * sizeof *to);
}

ds_value *pr_scaled(deciding *d, ds_op *op, ds_value *v, size_t dim, const float *numbers, size_t count, bool divides) {
    ds_ir_context *cx = d->n.cx;
    const ds_expr *extent = ds_expr_const(cx, (int64_t)count), *at = ds_expr_dim(cx, dim);
    if (ds_value_constant(v)) return scaled_constant(d, op, v, dim, numbers, count, divides);
    float *factors = DS_NEW_ARRAY(d->n.m->arena, float, count);
    for (size_t k = 0; k < count; k++) factors[k] = divides ? 1 / numbers[k] : numbers[k];
    ds_value *constant = pr_constant(d, op, v->type->elem, &extent, 1, factors, count * sizeof *factors);
    const part parts[] = {{v, ds_attr_identity_map(cx, v->type->rank)},
                          {constant, ds_attr_map(cx, v->type->rank, &at, 1)}};
    region r = nw_open_map(&d->n, op, v->type, parts, 2);
    nw_yield(&r, nw_binary(&r, DS_LOOP_mul, r.args[0], r.args[1]));
    return ds_op_result(r.op, 0);
}
