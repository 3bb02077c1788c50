/* Constants as an encoding stores them: codes, scales and zero points. Each is rounded to the nearest code. */
#include "passes/precision/precision.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/eval.h"

/* Which elements share a scale: strides of its tensor along the dims of the factor. */
typedef struct {
    size_t rank, scale_rank;
    size_t extent[NARROW_MOST_RANK], stride[NARROW_MOST_RANK], block[NARROW_MOST_RANK];
    size_t count;       /* of scales */
    ds_elem elem;       /* that they are stored as */
    const ds_attr *map; /* where the factor's points find their scale */
    const ds_expr *dims[NARROW_MOST_RANK];
} grouping;

static int64_t dim_of_sum(const deciding *d, const ds_op *op, size_t i) {
    const ds_attr *map = ds_op_map(op, i);
    size_t rank = op->results[0].type->rank;
    int64_t found = DS_NO_AXIS;
    for (size_t k = 0; k < map->count; k++)
        if (map->exprs[k] == ds_expr_dim(d->n.cx, rank)) found = (int64_t)k;
    return found;
}

/* Along this dim there is a scale for each `block` elements. */
static void add_dim(deciding *d, grouping *g, size_t dim, size_t block, const ds_expr **at) {
    ds_ir_context *cx = d->n.cx;
    size_t count = (g->extent[dim] + block - 1) / block;
    for (size_t k = 0; k < g->rank; k++) g->stride[k] *= count;
    g->stride[dim] = 1;
    g->block[dim] = block;
    at[g->scale_rank] = ds_expr_dim(cx, dim);
    if (block > 1) at[g->scale_rank] = ds_expr_floordiv(cx, at[g->scale_rank], ds_expr_const(cx, (int64_t)block));
    g->dims[g->scale_rank++] = ds_expr_const(cx, (int64_t)count);
    g->count *= count;
}

/* Blocks lie along what products sum; convolutions, whose sums have several dims, have channels instead. */
static grouping group(deciding *d, const ds_op *op, size_t i, const ds_value *w, const ds_encoding *e) {
    const ds_expr *at[NARROW_MOST_RANK];
    grouping g = {.rank = w->type->rank, .count = 1, .elem = ds_encoding_scale_elem(DS_SCALE_CHANNEL)};
    int64_t sum = dim_of_sum(d, op, i), channels = i ? ds_factor_axis(d->n.cx, op, i) : DS_NO_AXIS;
    bool in_blocks = e->scale == DS_SCALE_BLOCK && op->kind == DS_GRAPH_matmul && g.rank == 2 && sum >= 0;
    bool by_channel = (e->scale == DS_SCALE_CHANNEL || e->scale == DS_SCALE_BLOCK) && channels >= 0;
    if (in_blocks) g.elem = ds_encoding_scale_elem(DS_SCALE_BLOCK);
    for (size_t k = 0; k < g.rank; k++) {
        g.extent[k] = (size_t)w->type->dims[k]->value;
        g.block[k] = 1;
    }
    for (size_t k = 0; k < g.rank; k++) {
        if (in_blocks) add_dim(d, &g, k, (int64_t)k == sum ? (size_t)e->block : 1, at);
        else if (by_channel && (int64_t)k == channels) add_dim(d, &g, k, 1, at);
    }
    g.map = ds_attr_map(d->n.cx, g.rank, at, g.scale_rank);
    return g;
}

/* The scale of element `at` of the factor. */
static size_t scale_at(const grouping *g, size_t at) {
    size_t found = 0;
    for (size_t k = g->rank; k-- > 0;) {
        found += at % g->extent[k] / g->block[k] * g->stride[k];
        at /= g->extent[k];
    }
    return found;
}

typedef struct {
    grouping g;
    const ds_encoding *e;
    const float *w;
    size_t count;
    float *scale;
    int64_t *zero;
} coding;

/* A scale as it is stored: codes are chosen for that. */
static float stored_scale(const coding *c, double scale) {
    return (float)ds_float_decode(c->g.elem, ds_float_encode(c->g.elem, scale, true));
}

static void fit_scales(coding *c, ds_arena *arena) {
    double *min = DS_NEW_ARRAY(arena, double, c->g.count), *max = DS_NEW_ARRAY(arena, double, c->g.count);
    for (size_t k = 0; k < c->count; k++) {
        size_t s = scale_at(&c->g, k);
        min[s] = fmin(min[s], (double)c->w[k]);
        max[s] = fmax(max[s], (double)c->w[k]);
    }
    for (size_t s = 0; s < c->g.count; s++) {
        ds_encoding_fit(c->e, min[s], max[s], &c->scale[s], &c->zero[s]);
        c->scale[s] = stored_scale(c, (double)c->scale[s]);
    }
}

static uint64_t code_of(const coding *c, size_t k, size_t s) {
    int64_t low, high;
    if (!ds_encoding_is_integer(c->e)) return ds_float_encode(c->e->elem, (double)c->w[k] / (double)c->scale[s], true);
    ds_encoding_ends(c->e, &low, &high);
    int64_t code = ds_quantize(c->e->elem, (double)c->w[k], (double)c->scale[s], c->zero[s]);
    return (uint64_t)(code < low ? low : code > high ? high : code);
}

/* What a number becomes. */
static double decoded(const coding *c, size_t s, uint64_t code) {
    if (!ds_encoding_is_integer(c->e)) return ds_float_decode(c->e->elem, code) * (double)c->scale[s];
    return (double)((int64_t)code - c->zero[s]) * (double)c->scale[s];
}

static float *rounded_of(const coding *c, ds_arena *arena) {
    float *rounded = DS_NEW_ARRAY(arena, float, c->count);
    for (size_t k = 0; k < c->count; k++) {
        size_t s = scale_at(&c->g, k);
        rounded[k] = (float)decoded(c, s, code_of(c, k, s));
    }
    return rounded;
}

/* With few codes many numbers are rounded better when the largest are cut off: each scale becomes the part of what the
 * range asks for that has the least square error. */
static void clip_scales(coding *c, ds_arena *arena) {
    enum { PARTS = 12, MOST_BITS = 4 };
    static const double STEP = 0.05;
    if (!ds_encoding_is_integer(c->e) || ds_elem_facts(c->e->elem)->bits > MOST_BITS) return;
    float *whole = DS_NEW_ARRAY(arena, float, c->g.count), *best = DS_NEW_ARRAY(arena, float, c->g.count);
    double *least = DS_NEW_ARRAY(arena, double, c->g.count), *error = DS_NEW_ARRAY(arena, double, c->g.count);
    memcpy(whole, c->scale, c->g.count * sizeof *whole);
    for (size_t step = 0; step < PARTS; step++) {
        for (size_t s = 0; s < c->g.count; s++) {
            c->scale[s] = stored_scale(c, (double)whole[s] * (1 - STEP * (double)step));
            error[s] = 0;
        }
        for (size_t k = 0; k < c->count; k++) {
            size_t s = scale_at(&c->g, k);
            double by = decoded(c, s, code_of(c, k, s)) - (double)c->w[k];
            error[s] += by * by;
        }
        for (size_t s = 0; s < c->g.count; s++) {
            if (step && error[s] >= least[s]) continue;
            least[s] = error[s];
            best[s] = c->scale[s];
        }
    }
    memcpy(c->scale, best, c->g.count * sizeof *best);
}

/* Elements follow each other as bits, low ones first. */
static void put(uint8_t *bytes, size_t at, unsigned bits, uint64_t code) {
    for (unsigned done = 0; done < bits;) {
        size_t bit = at * bits + done;
        unsigned shift = bit % 8, count = bits - done < 8 - shift ? bits - done : 8 - shift;
        bytes[bit / 8] |= (uint8_t)((code >> done & ((1u << count) - 1)) << shift);
        done += count;
    }
}

static ds_value *codes_of(deciding *d, const ds_op *op, const coding *c, const ds_type *type) {
    unsigned bits = ds_elem_facts(c->e->elem)->bits;
    size_t length = (c->count * bits + 7) / 8;
    uint8_t *bytes = DS_NEW_ARRAY(d->n.m->arena, uint8_t, length);
    for (size_t k = 0; k < c->count; k++) put(bytes, k, bits, code_of(c, k, scale_at(&c->g, k)));
    return pr_constant(d, op, c->e->elem, type->dims, type->rank, bytes, length);
}

static part scales_of(deciding *d, const ds_op *op, const coding *c) {
    unsigned bits = ds_elem_facts(c->g.elem)->bits;
    size_t length = c->g.count * bits / 8;
    uint8_t *bytes = DS_NEW_ARRAY(d->n.m->arena, uint8_t, length);
    for (size_t s = 0; s < c->g.count; s++) put(bytes, s, bits, ds_float_encode(c->g.elem, (double)c->scale[s], true));
    return (part){pr_constant(d, op, c->g.elem, c->g.dims, c->g.scale_rank, bytes, length), c->g.map};
}

static part zeros_of(deciding *d, const ds_op *op, const coding *c) {
    unsigned bits = ds_elem_facts(c->e->elem)->bits;
    size_t length = (c->g.count * bits + 7) / 8;
    uint8_t *bytes = DS_NEW_ARRAY(d->n.m->arena, uint8_t, length);
    bool any = false;
    for (size_t s = 0; s < c->g.count; s++) {
        any = any || c->zero[s];
        put(bytes, s, bits, (uint64_t)c->zero[s]);
    }
    if (!any) return (part){0};
    return (part){pr_constant(d, op, c->e->elem, c->g.dims, c->g.scale_rank, bytes, length), c->g.map};
}

ds_value *pr_coded_constant(deciding *d, ds_op *op, size_t i, ds_value *w, const decision *by, float **rounded) {
    const ds_attr *elements = ds_value_constant(w);
    coding c = {.g = group(d, op, i, w, &by->encoding),
                .e = &by->encoding,
                .w = elements->bytes,
                .count = elements->count / sizeof(float)};
    ds_arena *arena = d->n.m->arena;
    c.scale = DS_NEW_ARRAY(arena, float, c.g.count);
    c.zero = DS_NEW_ARRAY(arena, int64_t, c.g.count);
    if (c.e->scale == DS_SCALE_NONE) c.scale[0] = 1;
    else fit_scales(&c, arena);
    if (d->compensate >> DS_COMPENSATE_clip & 1) clip_scales(&c, arena);
    *rounded = rounded_of(&c, arena);
    ds_value *codes = codes_of(d, op, &c, w->type);
    part zero = zeros_of(d, op, &c), scale = {0};
    if (c.e->scale != DS_SCALE_NONE) scale = scales_of(d, op, &c);
    return pr_decoded(d, op, codes, &scale, &zero, w->type->elem);
}
