/* The iteration space of a product: result dims in memory order, then reduced ones, neighbours merged; where each
 * access lies. */
#include "passes/schedule/tile.h"

static void substitute(tile_space *t, const ds_expr *const *to) {
    for (size_t i = 0; i < t->accesses; i++)
        t->offset[i] = ds_expr_replace_dims(t->core->cx, t->offset[i], to, t->rank);
    for (size_t i = 0; i < t->op->results[0].type->rank; i++)
        t->old[i] = ds_expr_replace_dims(t->core->cx, t->old[i], to, t->rank);
}

static void reorder(tile_space *t, const size_t *order) {
    const ds_expr *to[SCHEDULE_MOST_DIMS];
    tile_space copy = *t;
    for (size_t i = 0; i < t->rank; i++) {
        to[order[i]] = ds_expr_dim(t->core->cx, i);
        t->extent[i] = copy.extent[order[i]];
        t->role[i] = copy.role[order[i]];
        t->pinned[i] = copy.pinned[order[i]];
    }
    substitute(t, to);
}

static void move_dim(tile_space *t, size_t to, size_t from) {
    t->extent[to] = t->extent[from];
    t->role[to] = t->role[from];
    t->pinned[to] = t->pinned[from];
}

static void drop(tile_space *t, size_t dim, bool merged) {
    const ds_expr *to[SCHEDULE_MOST_DIMS];
    for (size_t i = 0; i < t->rank; i++)
        to[i] = i == dim ? ds_expr_const(t->core->cx, 0) : ds_expr_dim(t->core->cx, i < dim ? i : i - 1);
    if (merged) t->extent[dim + 1] = ds_expr_mul(t->core->cx, t->extent[dim], t->extent[dim + 1]);
    substitute(t, to);
    for (size_t i = dim; i + 1 < t->rank; i++) move_dim(t, i, i + 1);
    t->rank--;
    if (dim < t->kept) t->kept--;
}

const ds_expr *tile_coefficient(const tile_space *t, size_t access, size_t dim) {
    const ds_expr *c, *rest;
    return ds_expr_linear(t->core->cx, t->offset[access], dim, &c, &rest) && !c->has_dim ? c : NULL;
}

/* Does the expression move with this dim, in whatever way? */
static bool tile_mentions(ds_ir_context *cx, const ds_expr *e, size_t dim) {
    const ds_expr *coefficient, *rest;
    return !ds_expr_linear(cx, e, dim, &coefficient, &rest) || !ds_expr_equals(coefficient, 0);
}

static bool can_merge(const tile_space *t, size_t dim) {
    if (t->role[dim] != t->role[dim + 1] || t->role[dim] == DS_DIM_N || t->pinned[dim] || t->pinned[dim + 1])
        return false;
    for (size_t i = 0; i < t->accesses; i++) {
        if (i == TILE_B && t->packed && t->role[dim] != DS_DIM_K && t->role[dim] != DS_DIM_M) return false;
        const ds_expr *outer = tile_coefficient(t, i, dim), *inner = tile_coefficient(t, i, dim + 1);
        if (!outer || !inner || outer != ds_expr_mul(t->core->cx, inner, t->extent[dim + 1])) return false;
    }
    return true;
}

/* A grouped convolution (weights have a dim more): output channels become two dims, the group and the channel in it. */
static void split_groups(tile_space *t) {
    ds_ir_context *cx = t->core->cx;
    const ds_value *w = ds_op_operand(t->op, 1);
    const ds_expr *to[SCHEDULE_MOST_DIMS], *at[SCHEDULE_MOST_DIMS];
    const ds_expr *size = w->type->dims[1], *channel = ds_expr_dim(cx, 2);
    for (size_t i = 0; i < t->rank; i++) to[i] = ds_expr_dim(cx, i < 2 ? i : i + 1);
    for (size_t i = 2; i < w->type->rank; i++)
        at[i] = ds_expr_replace_dims(cx, ds_op_map(t->op, 1)->exprs[i], to, t->rank);
    at[0] = to[1];
    at[1] = channel;
    to[1] = ds_expr_mul(cx, to[1], size);
    const ds_expr *a = ds_expr_replace_dims(cx, t->offset[TILE_A], to,
                                            t->rank); /* of a group's first channel: the same for all of it */
    to[1] = ds_expr_add(cx, to[1], channel);
    substitute(t, to);
    t->offset[TILE_A] = a;
    t->offset[TILE_B] = ds_layout_offset(cx, w->type, at);
    for (size_t i = t->rank++; i > 2; i--) move_dim(t, i, i - 1);
    t->extent[1] = w->type->dims[0];
    t->extent[2] = size;
    t->role[2] = DS_DIM_N;
    t->pinned[2] = t->pinned[1];
    t->kept++;
}

static const int64_t ALL = 1 << 20;

/* How many elements of k share a number that is read so: ALL, or as the map says; 0: neither. */
static int64_t block_size(tile_space *t, const ds_contraction *c, const ds_attr *map) {
    int64_t size = ALL;
    for (size_t i = 0; i < map->count; i++) {
        const ds_expr *e = map->exprs[i];
        bool of_k = e->kind == DS_EXPR_FLOORDIV && e->a == ds_expr_dim(t->core->cx, c->rank);
        if (of_k && (size != ALL || !ds_expr_is_const(e->b, &size))) return 0;
        if (!of_k && tile_mentions(t->core->cx, e, c->rank)) return 0;
    }
    return size > 0 && (size & (size - 1)) == 0 ? size : 0;
}

/* Where the scales of an operand lie: in the first block, and how far the next one's is behind. */
static bool place_scale(tile_space *t, const ds_contraction *c, size_t operand, size_t access, int64_t *out_apart) {
    ds_ir_context *cx = t->core->cx;
    const ds_expr *to[SCHEDULE_MOST_DIMS], *at[SCHEDULE_MOST_DIMS], *where[2];
    const ds_attr *map = ds_op_map(t->op, operand);
    for (size_t second = 0; second < 2; second++) {
        for (size_t i = 0; i < t->rank; i++) to[i] = ds_expr_dim(cx, i);
        to[c->rank] = ds_expr_const(cx, second ? t->scaled * tile_step_elements(t) : 0);
        for (size_t i = 0; i < map->count; i++) at[i] = ds_expr_replace_dims(cx, map->exprs[i], to, t->rank);
        where[second] = ds_layout_offset(cx, ds_op_operand(t->op, operand)->type, at);
    }
    t->offset[access] = where[0];
    return where[0] && where[1] && ds_expr_is_const(ds_expr_sub(cx, where[1], where[0]), out_apart);
}

/* Scales of blocks, where the product has them. */
static bool open_scales(tile_space *t, const ds_contraction *c) {
    const ds_op *op = t->op;
    size_t left = op->kind == DS_GRAPH_matmul ? ds_product_left_scale(op) : SIZE_MAX, zero = ds_product_zero(op);
    t->offset[TILE_SCALE] = t->offset[TILE_LEFT] = ds_expr_const(t->core->cx, 0);
    if (op->operand_count == 2) return !ds_mma_sums_blocks(t->mma);
    if (c->over_count != 1 || !t->packed || t->mma->m > 1 || ds_mma_sums_left(t->mma) != (left != SIZE_MAX))
        return false;
    const ds_type *type = ds_op_operand(op, 2)->type;
    if (zero != SIZE_MAX && left == SIZE_MAX && ds_mma_sums_blocks(t->mma))
        return false; /* of bytes that are not summed */
    if (zero != SIZE_MAX && type->encoding != ds_op_operand(op, zero)->type->encoding) return false;
    int64_t size = block_size(t, c, ds_op_map(op, 2));
    t->scaled = size / tile_step_elements(t);
    if (!t->scaled || !place_scale(t, c, 2, TILE_SCALE, &t->apart)) return false;
    if (left == SIZE_MAX) return true;
    int64_t size_left = block_size(t, c, ds_op_map(op, left));
    return (size_left == size || size_left == ALL) && place_scale(t, c, left, TILE_LEFT, &t->apart_left);
}

static bool open_space(tile_space *t) {
    ds_ir_context *cx = t->core->cx;
    ds_contraction c;
    const ds_type *out = t->op->results[0].type;
    if (!ds_contraction_of(cx, t->op, &c) || c.rank == 0 || c.rank + c.over_count > SCHEDULE_MOST_DIMS) return false;
    t->rank = c.rank + c.over_count;
    t->kept = c.rank;
    for (size_t i = 0; i < t->rank; i++) {
        t->extent[i] = c.extent[i];
        t->role[i] = c.role[i];
        t->old[i] = ds_expr_dim(cx, i);
    }
    t->offset[TILE_A] = ds_layout_offset(cx, ds_op_operand(t->op, 0)->type, ds_op_map(t->op, 0)->exprs);
    t->offset[TILE_B] = ds_layout_offset(cx, ds_op_operand(t->op, 1)->type, ds_op_map(t->op, 1)->exprs);
    if (t->epilogue) out = t->epilogue->results[0].type;
    const ds_expr *where[SCHEDULE_MOST_DIMS];
    for (size_t i = 0; i < out->rank; i++)
        where[i] = ds_expr_equals(out->dims[i], 1) ? ds_expr_const(cx, 0) : t->old[i];
    t->offset[TILE_OUT] = ds_layout_offset(cx, out, where);
    for (size_t i = 0; i < t->fixed; i++) t->pinned[i] = true;
    t->accesses = TILE_EXTRA;
    const ds_attr *layout = ds_attr_find(ds_op_operand(t->op, 1)->type->encoding, "map");
    for (size_t i = 0; layout && i < layout->count; i++)
        t->packed = t->packed || layout->exprs[i]->kind == DS_EXPR_FLOORDIV;
    if (!open_scales(t, &c)) return false;
    for (size_t i = 0; t->epilogue && i < t->epilogue->operand_count; i++) {
        if (t->accesses == TILE_MOST_ACCESSES) return false;
        t->offset[t->accesses++] =
            ds_layout_offset(cx, ds_op_operand(t->epilogue, i)->type, ds_op_map(t->epilogue, i)->exprs);
    }
    for (const ds_op *op = t->epilogue ? ds_op_block(t->epilogue, 0)->first : NULL; op; op = op->next)
        if (op->kind == DS_LOOP_position) t->pinned[ds_op_int(op, "dim", 0)] = true;
    if (!t->offset[TILE_A] || !t->offset[TILE_B] || !t->offset[TILE_OUT]) return false;
    if (t->op->kind == DS_GRAPH_conv && ds_op_operand(t->op, 1)->type->rank > c.rank) {
        if (t->rank == SCHEDULE_MOST_DIMS) return false;
        split_groups(t);
    }
    return true;
}

/* The columns, and the last dim of rows, or a long one before it. */
static void pick_tile_dims(tile_space *t) {
    t->n = SIZE_MAX;
    t->m = SIZE_MAX;
    for (size_t i = 0; i < t->kept; i++)
        if (t->role[i] == DS_DIM_N) t->n = i;
    for (size_t i = 0; i < t->kept; i++)
        if (t->role[i] == DS_DIM_M &&
            (t->m == SIZE_MAX || schedule_estimate(t->extent[i]) >= schedule_estimate(t->extent[t->m]) ||
             schedule_estimate(t->extent[i]) >= 4))
            t->m = i;
}

/* One column lies anywhere: as if others followed it, which masks keep from being written. */
static void lay_out_one_column(tile_space *t) {
    const ds_expr *c = tile_coefficient(t, TILE_OUT, t->n);
    if (c && ds_expr_equals(c, 0))
        t->offset[TILE_OUT] = ds_expr_add(t->core->cx, t->offset[TILE_OUT], ds_expr_dim(t->core->cx, t->n));
}

/* Result dims in memory order, then the window, then the first reduced dim (channels) innermost; ones dropped,
 * neighbours merged. */
static bool arrange(tile_space *t) {
    const ds_type *out = t->op->results[0].type;
    size_t order[SCHEDULE_MOST_DIMS], first_over = t->kept, count = 0;
    bool split = t->kept > out->rank; /* the channels: see split_groups */
    const ds_attr *map = ds_attr_find(out->encoding, "map");
    for (size_t i = 0; i < out->rank; i++) {
        size_t dim = map ? (size_t)map->exprs[i]->value : i;
        order[count++] = split && dim > 1 ? dim + 1 : dim;
        if (split && dim == 1) order[count++] = 2;
    }
    for (size_t i = first_over + 1; i < t->rank; i++) order[count++] = i;
    if (count < t->rank) order[count++] = first_over;
    reorder(t, order);
    for (size_t i = t->fixed; i < t->rank;) {
        if (ds_expr_equals(t->extent[i], 1) && (i >= t->kept || i + 1 < t->kept || t->role[i] != DS_DIM_N))
            drop(t, i, false);
        else i++;
    }
    for (size_t i = t->rank; i-- > 1;)
        if (can_merge(t, i - 1)) drop(t, i - 1, true);
    pick_tile_dims(t);
    if (t->n == SIZE_MAX) return false;
    if (ds_expr_equals(t->extent[t->n], 1)) lay_out_one_column(t);
    const ds_expr *c = tile_coefficient(t, TILE_OUT, t->n), *b = t->packed ? NULL : tile_coefficient(t, TILE_B, t->n);
    if (!c || !ds_expr_equals(c, 1) || (!t->packed && (!b || !ds_expr_equals(b, 1)))) return false;
    for (size_t i = 0; i < t->rank; i++)
        if (!tile_coefficient(t, TILE_A, i) || (!(t->packed && i == t->n) && !tile_coefficient(t, TILE_B, i)))
            return false;
    return true;
}

int64_t tile_step_elements(const tile_space *t) { return ds_mma_panel(t->mma).group; }

double tile_step_bytes(const tile_space *t) {
    return (double)tile_step_elements(t) * ds_elem_facts(t->mma->rhs)->bits / 8;
}

int64_t tile_line(const tile_space *t) { return ds_elem_in_bytes(t->mma->rhs, t->core->machine->line_bytes); }

/* The first reduced dim counts steps. False where elements of a step do not lie together, or are too few for the last
 * one. */
static bool count_steps(tile_space *t) {
    ds_ir_context *cx = t->core->cx;
    const ds_expr *to[SCHEDULE_MOST_DIMS], *size = ds_expr_const(cx, tile_step_elements(t));
    size_t k = t->kept;
    if (ds_expr_equals(size, 1)) return true;
    if (!t->packed || t->rank == k || !ds_expr_equals(ds_expr_mod(cx, t->extent[k], size), 0)) return false;
    const ds_expr *apart = tile_coefficient(t, TILE_A, k);
    if (!apart || !ds_expr_equals(apart, 1)) return false;
    for (size_t i = 0; i < t->rank; i++) to[i] = ds_expr_dim(cx, i);
    to[k] = ds_expr_mul(cx, to[k], size);
    t->extent[k] = ds_expr_floordiv(cx, t->extent[k], size);
    substitute(t, to);
    return true;
}

static bool begin(tile_space *t, const ds_core *core, const ds_op *op, const ds_op *epilogue, size_t fixed) {
    bool has_factors = op->kind == DS_GRAPH_matmul || op->kind == DS_GRAPH_conv;
    *t = (tile_space){.core = core, .op = op, .epilogue = epilogue, .fixed = fixed};
    t->mma = has_factors ? ds_contraction_mma(core->target, op) : NULL;
    const ds_attr *padding = ds_op_attr(op, "padding");
    bool inside = !ds_op_attr(op, "pads") && !(padding && padding->count);
    return t->mma && ds_mma_is_of_vectors(t->mma) && inside && core->lanes > 1 && open_space(t) && count_steps(t);
}

bool tile_open(tile_space *t, const ds_core *core, const ds_op *op, const ds_op *epilogue) {
    return begin(t, core, op, epilogue, 0) && arrange(t);
}

bool tile_open_rows(tile_space *t, const ds_core *core, const ds_op *op, const ds_op *epilogue, size_t shared,
                    int64_t block) {
    if (op->kind != DS_GRAPH_matmul || op->results[0].type->rank < shared) return false;
    if (!begin(t, core, op, epilogue, shared - 1) || !arrange(t)) return false;
    t->block = block;
    return t->m == SIZE_MAX ? t->kept == t->fixed + 1 : t->m == t->fixed && t->kept == t->fixed + 2;
}

bool tile_open_image(tile_space *t, const ds_core *core, const ds_op *op, const ds_op *epilogue, int64_t unit) {
    if (!begin(t, core, op, epilogue, 0) || op->results[0].type->rank != 4) return false;
    t->pinned[0] = true;
    t->pinned[2] = t->pinned[2] || !unit;
    t->fixed = 1;
    if (!arrange(t)) return false;
    t->merged = t->m == t->fixed && t->kept == 3;
    if (t->merged) t->block = unit * op->results[0].type->dims[3]->value;
    return t->merged || (t->kept == 4 && t->m == 2);
}

double tile_sum_length(const tile_space *t) {
    double k = 1;
    for (size_t i = t->kept; i < t->rank; i++) k *= schedule_estimate(t->extent[i]);
    return k;
}

const ds_expr *tile_blocks(const tile_space *t, const ds_expr *extent, int64_t size) {
    return ds_expr_ceildiv(t->core->cx, extent, ds_expr_const(t->core->cx, size));
}

const ds_expr *tile_rows_extent(const tile_space *t) {
    return t->m == SIZE_MAX ? ds_expr_const(t->core->cx, 1) : t->extent[t->m];
}

const ds_expr *tile_outer_points(const tile_space *t, const ds_expr *times) {
    for (size_t i = 0; i < t->kept; i++)
        if (i != t->m && i != t->n) times = ds_expr_mul(t->core->cx, times, t->extent[i]);
    return times;
}
