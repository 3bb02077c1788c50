/* Contractions as register tiles: rows x columns vectors of sums, walked over blocks of m and n; the epilogue runs on the tile.
 *
 * The register tile and the strides of packed operands are static. Extents that are not multiples of the tile get one edge: a tile of the
 * rows that are left (where that is not known: rows past the end repeat the last one, and store it again, with the same value); columns
 * past the end are masked.
 */
#include <math.h>
#include <string.h>

#include "passes/lower/lower.h"

enum {
    A,
    B,
    OUT,
    EXTRA,
    MAX_ACCESSES = 40,
    PIECE_MACS = 1 << 20, /* the most a piece has; LEAST_MACS: the fewest, a microsecond */
    LEAST_MACS = 1 << 17,
    PIECES = 16, /* wanted, where that leaves them large enough */
    MOST_ROWS = 14,
    MAX_ROWS = 8 /* rows of A whose stride is a multiple of 1 KB share few sets of the L1 cache; packing A would allow 14 */
};

typedef struct {
    lowering *l;
    const ds_op *op, *epilogue;
    size_t rank, kept; /* dims of the space: result dims, then reduced ones */
    size_t fixed;      /* leading dims whose place is given */
    int64_t block;     /* rows come in multiples of this; 0: any number */
    const ds_expr *extent[LOWER_MAX_DIMS];
    ds_dim_role role[LOWER_MAX_DIMS];
    const ds_expr *old[LOWER_MAX_DIMS]; /* result dims of the op over the space's dims */
    bool pinned[LOWER_MAX_DIMS];
    size_t accesses;
    const ds_expr *offset[MAX_ACCESSES]; /* A, B, OUT, then the epilogue's operands */
    size_t m, n;                         /* tile dims; m == SIZE_MAX: one row */
    size_t rows, columns;                /* of the register tile, columns in vectors */
    bool packed;                         /* B lies in panels */
    size_t ahead;                        /* lines that a tile prefetches for every STEPS steps: see place_ahead */
    size_t turns, own_turns;             /* tiles that go over the same columns; the first ones fetch the next columns */
    int64_t behind;                      /* elements behind B that each of the others moves on; 0: they fetch nothing */
    bool by_group;                       /* which are the others: those of every other group of units */
    ds_value *low, *turn, *group;        /* first row of the piece; tiles that went over its columns before it (NULL: none); its group */
    lane_point p;
} tiling;

/* ---- the space ---- */

static void substitute(tiling *t, const ds_expr *const *to) {
    for (size_t i = 0; i < t->accesses; i++) t->offset[i] = ds_expr_replace_dims(t->l->cx, t->offset[i], to, t->rank);
    for (size_t i = 0; i < t->op->results[0].type->rank; i++) t->old[i] = ds_expr_replace_dims(t->l->cx, t->old[i], to, t->rank);
}

static void reorder(tiling *t, const size_t *order) {
    const ds_expr *to[LOWER_MAX_DIMS];
    tiling copy = *t;
    for (size_t i = 0; i < t->rank; i++) {
        to[order[i]] = ds_expr_dim(t->l->cx, i);
        t->extent[i] = copy.extent[order[i]], t->role[i] = copy.role[order[i]], t->pinned[i] = copy.pinned[order[i]];
    }
    substitute(t, to);
}

static void drop(tiling *t, size_t dim, bool merged) {
    const ds_expr *to[LOWER_MAX_DIMS];
    for (size_t i = 0; i < t->rank; i++) to[i] = i == dim ? ds_expr_const(t->l->cx, 0) : ds_expr_dim(t->l->cx, i < dim ? i : i - 1);
    if (merged) t->extent[dim + 1] = ds_expr_mul(t->l->cx, t->extent[dim], t->extent[dim + 1]);
    substitute(t, to);
    for (size_t i = dim; i + 1 < t->rank; i++)
        t->extent[i] = t->extent[i + 1], t->role[i] = t->role[i + 1], t->pinned[i] = t->pinned[i + 1];
    t->rank--;
    if (dim < t->kept) t->kept--;
}

static const ds_expr *coefficient(tiling *t, size_t access, size_t dim) {
    const ds_expr *c, *rest;
    return ds_expr_linear(t->l->cx, t->offset[access], dim, &c, &rest) && !c->has_dim ? c : NULL;
}

static bool can_merge(tiling *t, size_t dim) {
    if (t->role[dim] != t->role[dim + 1] || t->role[dim] == DS_DIM_N || t->pinned[dim] || t->pinned[dim + 1]) return false;
    for (size_t i = 0; i < t->accesses; i++) {
        if (i == B && t->packed && t->role[dim] != DS_DIM_K && t->role[dim] != DS_DIM_M) return false;
        const ds_expr *outer = coefficient(t, i, dim), *inner = coefficient(t, i, dim + 1);
        if (!outer || !inner || outer != ds_expr_mul(t->l->cx, inner, t->extent[dim + 1])) return false;
    }
    return true;
}

/* A grouped convolution (weights have a dim more): output channels become two dims, the group and the channel in it. */
static void split_groups(tiling *t) {
    ds_ir_context *cx = t->l->cx;
    const ds_value *w = ds_op_operand(t->op, 1);
    const ds_expr *to[LOWER_MAX_DIMS], *at[LOWER_MAX_DIMS], *size = w->type->dims[1], *channel = ds_expr_dim(cx, 2);
    for (size_t i = 0; i < t->rank; i++) to[i] = ds_expr_dim(cx, i < 2 ? i : i + 1);
    for (size_t i = 2; i < w->type->rank; i++) at[i] = ds_expr_replace_dims(cx, ds_op_map(t->op, 1)->exprs[i], to, t->rank);
    at[0] = to[1], at[1] = channel;
    to[1] = ds_expr_mul(cx, to[1], size);
    const ds_expr *a = ds_expr_replace_dims(cx, t->offset[A], to, t->rank); /* of a group's first channel: the same for all of it */
    to[1] = ds_expr_add(cx, to[1], channel);
    substitute(t, to);
    t->offset[A] = a, t->offset[B] = ds_layout_offset(cx, w->type, at);
    for (size_t i = t->rank++; i > 2; i--) t->extent[i] = t->extent[i - 1], t->role[i] = t->role[i - 1], t->pinned[i] = t->pinned[i - 1];
    t->extent[1] = w->type->dims[0], t->extent[2] = size, t->role[2] = DS_DIM_N, t->pinned[2] = t->pinned[1];
    t->kept++;
}

static bool open_space(tiling *t) {
    lowering *l = t->l;
    ds_contraction c;
    const ds_type *out = t->op->results[0].type;
    if (!ds_contraction_of(l->cx, t->op, &c) || c.rank == 0 || c.rank + c.over_count > LOWER_MAX_DIMS) return false;
    t->rank = c.rank + c.over_count, t->kept = c.rank;
    for (size_t i = 0; i < t->rank; i++) t->extent[i] = c.extent[i], t->role[i] = c.role[i], t->old[i] = ds_expr_dim(l->cx, i);
    t->offset[A] = ds_layout_offset(l->cx, ds_op_operand(t->op, 0)->type, ds_op_map(t->op, 0)->exprs);
    t->offset[B] = ds_layout_offset(l->cx, ds_op_operand(t->op, 1)->type, ds_op_map(t->op, 1)->exprs);
    if (t->epilogue) out = t->epilogue->results[0].type;
    const ds_expr *where[LOWER_MAX_DIMS];
    for (size_t i = 0; i < out->rank; i++) where[i] = ds_expr_equals(out->dims[i], 1) ? ds_expr_const(l->cx, 0) : t->old[i];
    t->offset[OUT] = ds_layout_offset(l->cx, out, where);
    for (size_t i = 0; i < t->fixed; i++) t->pinned[i] = true;
    t->accesses = EXTRA;
    const ds_attr *layout = ds_attr_find(ds_op_operand(t->op, 1)->type->encoding, "map");
    for (size_t i = 0; layout && i < layout->count; i++) t->packed = t->packed || layout->exprs[i]->kind == DS_EXPR_FLOORDIV;
    for (size_t i = 0; t->epilogue && i < t->epilogue->operand_count; i++) {
        if (t->accesses == MAX_ACCESSES) return false;
        t->offset[t->accesses++] = ds_layout_offset(l->cx, ds_op_operand(t->epilogue, i)->type, ds_op_map(t->epilogue, i)->exprs);
    }
    for (const ds_op *op = t->epilogue ? ds_op_block(t->epilogue, 0)->first : NULL; op; op = op->next)
        if (op->kind == DS_LOOP_position) t->pinned[ds_op_int(op, "dim", 0)] = true;
    if (!t->offset[A] || !t->offset[B] || !t->offset[OUT]) return false;
    if (t->op->kind == DS_GRAPH_conv && ds_op_operand(t->op, 1)->type->rank > c.rank) {
        if (t->rank == LOWER_MAX_DIMS) return false;
        split_groups(t);
    }
    return true;
}

/* Result dims in memory order, then the window, then the first reduced dim (channels) innermost; ones dropped, neighbours merged. */
static bool arrange(tiling *t) {
    const ds_type *out = t->op->results[0].type;
    size_t order[LOWER_MAX_DIMS], first_over = t->kept, count = 0;
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
        if (ds_expr_equals(t->extent[i], 1) && (i >= t->kept || i + 1 < t->kept || t->role[i] != DS_DIM_N)) drop(t, i, false);
        else i++;
    }
    for (size_t i = t->rank; i-- > 1;)
        if (can_merge(t, i - 1)) drop(t, i - 1, true);
    t->n = t->m = SIZE_MAX;
    for (size_t i = 0; i < t->kept; i++)
        if (t->role[i] == DS_DIM_N) t->n = i;
    for (size_t i = 0; i < t->kept; i++)
        if (t->role[i] == DS_DIM_M &&
            (t->m == SIZE_MAX || lower_estimate(t->extent[i]) >= lower_estimate(t->extent[t->m]) || lower_estimate(t->extent[i]) >= 4))
            t->m = i;
    if (t->n == SIZE_MAX) return false;
    const ds_expr *c = coefficient(t, OUT, t->n), *b = t->packed ? NULL : coefficient(t, B, t->n);
    if (!c || !ds_expr_equals(c, 1) || (!t->packed && (!b || !ds_expr_equals(b, 1)))) return false;
    for (size_t i = 0; i < t->rank; i++)
        if (!coefficient(t, A, i) || (!(t->packed && i == t->n) && !coefficient(t, B, i))) return false;
    return true;
}

/* ---- the tile's size ---- */

/* Cycles of one step of a rows x columns tile: what is slowest of products, loads, and B coming from the L2 cache. As many sums as are
 * begun while one is under way just hide its latency; half as many more also bear that one comes late. */
static double step_cycles(tiling *t, size_t rows, size_t columns, bool b_in_l1) {
    const ds_machine *machine = t->l->machine;
    size_t sums = rows * columns, hidden = (size_t)machine->fma_ports * machine->fma_latency;
    double products = (double)(sums < hidden ? hidden : sums) / machine->fma_ports + (2 * sums < 3 * hidden ? 0.25 : 0);
    double loads = (double)(rows + columns) / machine->load_ports;
    double far = (double)(columns * t->l->lanes) * 4 / (rows > 1 ? machine->l2_rate_beside : machine->l2_rate);
    double most = products > loads ? products : loads;
    return (!b_in_l1 && far > most ? far : most) + 0.3;
}

static double sum_length(tiling *t) {
    double k = 1;
    for (size_t i = t->kept; i < t->rank; i++) k *= lower_estimate(t->extent[i]);
    return k;
}

/* What was measured to be best, where it can be had. */
static bool scheduled_tile(tiling *t) {
    const ds_schedule *s = t->l->schedule;
    int64_t m = 1;
    if (!s || s->rows == 0 || s->rows > MOST_ROWS || s->columns == 0 || s->columns > 8 || s->columns % (DS_PANEL / t->l->lanes))
        return false;
    if (s->rows * s->columns + s->columns + 1 > t->l->target->registers || t->block % s->rows) return false;
    if (t->m != SIZE_MAX && !ds_expr_is_const(t->extent[t->m], &m)) m = MOST_ROWS;
    if (s->rows > m) return false;
    t->rows = s->rows, t->columns = s->columns;
    return true;
}

/* The tile that walks the space in the fewest cycles. */
static void choose_tile(tiling *t) {
    if (scheduled_tile(t)) return;
    unsigned registers = t->l->target->registers;
    int64_t m = 1, n = 0, lanes = (int64_t)t->l->lanes;
    if (t->m != SIZE_MAX && !ds_expr_is_const(t->extent[t->m], &m)) m = 64 * MAX_ROWS * 7; /* some large one */
    if (!ds_expr_is_const(t->extent[t->n], &n)) n = 64 * 3 * 4 * lanes;
    if (m < 1) m = 1; /* results without elements have code, too */
    double best = 0, k = sum_length(t);
    size_t unit = DS_PANEL / (size_t)lanes; /* columns come in whole panels */
    t->rows = 1, t->columns = unit;         /* even where registers are too few for that, or there is nothing to compute */
    for (size_t columns = unit; columns <= 8; columns += unit)
        for (size_t rows = 1; rows <= MAX_ROWS && (int64_t)rows <= m; rows++) {
            if (rows > 1 && columns > 4 * unit) break;
            if (rows * columns + columns + 1 > registers) break;
            if (t->block % (int64_t)rows) continue;
            int64_t width = (int64_t)columns * lanes, rest = n % width;
            bool b_in_l1 = k * (double)width * 4 < (double)t->l->machine->l1_bytes / 2;
            double cycles = (double)(n / width) * step_cycles(t, rows, columns, b_in_l1);
            if (rest) cycles += step_cycles(t, rows, (size_t)((rest + lanes - 1) / lanes), b_in_l1);
            cycles *= (double)((m + (int64_t)rows - 1) / (int64_t)rows); /* an edge of fewer rows saves less than it should */
            if (best == 0 || cycles < best) best = cycles, t->rows = rows, t->columns = columns;
        }
}

/* ---- emission ---- */

static ds_value *index_at(tiling *t, size_t access, ds_value *m, ds_value *n) {
    lane_point p = t->p;
    if (t->m != SIZE_MAX) p.at[t->m] = m;
    p.at[t->n] = n;
    for (size_t i = t->kept; i < t->rank; i++) p.at[i] = lw_index(t->l, 0);
    return lw_apply(t->l, t->offset[access], p.at, t->rank);
}

/* The packed offset of column block q*width + j: resolved while q is a dim, so that floordiv and mod of the panel disappear. */
static ds_value *packed_column(tiling *t, ds_value *q, size_t j) {
    lowering *l = t->l;
    const ds_expr *to[LOWER_MAX_DIMS];
    int64_t width = (int64_t)(t->columns * l->lanes);
    for (size_t i = 0; i < t->rank; i++) to[i] = ds_expr_dim(l->cx, i);
    for (size_t i = t->kept; i < t->rank; i++) to[i] = ds_expr_const(l->cx, 0);
    to[t->n] = ds_expr_add(l->cx, ds_expr_scale(l->cx, to[t->n], width), ds_expr_const(l->cx, (int64_t)(j * l->lanes)));
    lane_point p = t->p;
    p.at[t->n] = q;
    if (t->m != SIZE_MAX) p.at[t->m] = lw_index(l, 0);
    return lw_apply(l, ds_expr_replace_dims(l->cx, t->offset[B], to, t->rank), p.at, t->rank);
}

static const ds_attr *window_attr(tiling *t, int access) {
    const ds_expr *e[LOWER_MAX_DIMS];
    for (size_t i = t->kept; i < t->rank; i++) e[i - t->kept] = access < 0 ? t->extent[i] : coefficient(t, (size_t)access, i);
    return ds_attr_exprs(t->l->cx, e, t->rank - t->kept);
}

static const ds_expr *blocks(tiling *t, const ds_expr *extent, int64_t size) {
    return ds_expr_ceildiv(t->l->cx, extent, ds_expr_const(t->l->cx, size));
}

enum { STEPS = 4 }; /* of the tile's unrolled loop (codegen/cpu/tile.c) */

/* Elements that the memory moves at a time. */
static int64_t line_of(const tiling *t) { return t->l->machine->line_bytes / 4; }

/* Lines of B that one tile takes in for every STEPS steps. */
static double lines_taken(const tiling *t) { return (double)(STEPS * t->columns * t->l->lanes) / (double)line_of(t); }

/* Where what this tile fetches into the L2 cache begins, in elements of B. Constant weights come from afar: while some columns are at work,
 * the first tiles fetch a part each of the next ones, which follow them in memory. The others fetch what lies behind B: the weights of the
 * kernels that come next, some of which have no time to fetch their own. */
static ds_value *place_ahead(tiling *t, ds_value *m, ds_value *q, ds_value *first) {
    lowering *l = t->l;
    int64_t k = (int64_t)sum_length(t), width = (int64_t)(t->columns * l->lanes), share = k / STEPS * (int64_t)t->ahead * line_of(t);
    ds_value *turn = t->turn ? t->turn : lw_index(l, 0), *own = lw_index(l, (int64_t)t->own_turns);
    if (t->m != SIZE_MAX)
        turn =
            lw_binary(l, DS_LOOP_add, turn, lw_binary(l, DS_LOOP_div, lw_binary(l, DS_LOOP_sub, m, t->low), lw_index(l, (int64_t)t->rows)));
    ds_value *part = lw_binary(l, DS_LOOP_min, turn, lw_index(l, (int64_t)t->own_turns - 1)),
             *next = lw_binary(l, DS_LOOP_add, first, lw_index(l, k * width));
    next = lw_binary(l, DS_LOOP_add, next, lw_binary(l, DS_LOOP_mul, part, lw_index(l, share)));
    if (t->behind == 0) return next;
    ds_value *group = t->group, *two = lw_index(l, 2), *is_own = lw_binary(l, DS_LOOP_lt, turn, own);
    size_t others = t->by_group ? t->turns : t->turns - t->own_turns;
    if (t->by_group) {
        is_own = lw_binary(l, DS_LOOP_eq, lw_binary(l, DS_LOOP_mod, group, two), lw_index(l, 0));
        group = lw_binary(l, DS_LOOP_div, group, two);
    } else turn = lw_binary(l, DS_LOOP_sub, turn, own);
    ds_value *tile = lw_binary(l, DS_LOOP_add, lw_binary(l, DS_LOOP_mul, group, lw_extent(l, blocks(t, t->extent[t->n], width))), q);
    tile = lw_binary(l, DS_LOOP_add, lw_binary(l, DS_LOOP_mul, tile, lw_index(l, (int64_t)others)), turn);
    int64_t count = ds_layout_count(l->cx, ds_op_operand(t->op, 1)->type)->value, line = line_of(t);
    ds_value *behind = lw_binary(l, DS_LOOP_add, lw_binary(l, DS_LOOP_mul, tile, lw_index(l, t->behind)),
                                 lw_index(l, (count + line - 1) / line * line)),
             *choice[] = {is_own, next, behind};
    return lw_op(l, DS_LOOP_select, choice, 3, next->type);
}

/* One register tile of `rows` at m…, columns q*width…; `columns` of it exist, masked to n < extent where `masked`. */
static void emit_tile(tiling *t, ds_value *m, size_t rows, bool past_end, ds_value *q, size_t columns, bool masked) {
    lowering *l = t->l;
    ds_value *operands[64], *row[16], *column[16], *mask[16] = {NULL}, *acc[128];
    const ds_type *vector = ds_type_vector(l->cx, DS_f32, l->lanes), *types[128];
    size_t count = 0;
    int64_t width = (int64_t)(t->columns * l->lanes);
    ds_value *first = lw_binary(l, DS_LOOP_mul, q, lw_index(l, width)),
             *last = past_end ? lw_binary(l, DS_LOOP_sub, lw_extent(l, t->extent[t->m]), lw_index(l, 1)) : NULL;
    operands[count++] = lw_buffer(l, ds_op_operand(t->op, 0));
    operands[count++] = lw_buffer(l, ds_op_operand(t->op, 1));
    for (size_t r = 0; r < rows; r++) {
        row[r] = r ? lw_binary(l, DS_LOOP_add, m, lw_index(l, (int64_t)r)) : m;
        if (past_end && r) row[r] = lw_binary(l, DS_LOOP_min, row[r], last);
        operands[count++] = index_at(t, A, row[r], first);
    }
    for (size_t j = 0; j < columns; j++) {
        column[j] = j ? lw_binary(l, DS_LOOP_add, first, lw_index(l, (int64_t)(j * l->lanes))) : first;
        if (masked) mask[j] = lw_mask(l, column[j], lw_extent(l, t->extent[t->n]));
        operands[count++] = t->packed ? packed_column(t, q, j) : index_at(t, B, m, column[j]);
        if (t->packed && masked && j &&
            !ds_expr_is_const(t->extent[t->n], NULL)) { /* a panel that may not exist: read the first one instead */
            ds_value *exists = lw_op(l, DS_LOOP_cast, (ds_value *[]){lw_binary(l, DS_LOOP_lt, column[j], lw_extent(l, t->extent[t->n]))}, 1,
                                     ds_type_scalar(l->cx, DS_index));
            ds_value *base = operands[count - 1 - j], *distance = lw_binary(l, DS_LOOP_sub, operands[count - 1], base);
            operands[count - 1] = lw_binary(l, DS_LOOP_add, base, lw_binary(l, DS_LOOP_mul, distance, exists));
        }
    }
    bool masked_loads = masked && !t->packed;
    for (size_t j = 0; masked_loads && j < columns; j++) operands[count++] = mask[j];
    if (t->ahead) operands[count] = place_ahead(t, m, q, operands[2 + rows]), count++;
    for (size_t i = 0; i < rows * columns; i++) types[i] = vector;
    ds_op *tile = ds_op_create(&l->b, DS_LOOP_tile, operands, count, types, rows * columns, 0);
    ds_op_set_attr(l->m, tile, "rows", ds_attr_int(l->cx, (int64_t)rows));
    ds_op_set_attr(l->m, tile, "columns", ds_attr_int(l->cx, (int64_t)columns));
    ds_op_set_attr(l->m, tile, "lanes", ds_attr_int(l->cx, (int64_t)l->lanes));
    ds_op_set_attr(l->m, tile, "window", window_attr(t, -1));
    ds_op_set_attr(l->m, tile, "lhs", window_attr(t, A));
    ds_op_set_attr(l->m, tile, "rhs", window_attr(t, B));
    if (masked_loads) ds_op_set_attr(l->m, tile, "masked", ds_attr_unit(l->cx));
    if (t->ahead) ds_op_set_attr(l->m, tile, "ahead", ds_attr_int(l->cx, (int64_t)t->ahead));
    for (size_t i = 0; i < rows * columns; i++) acc[i] = ds_op_result(tile, i);
    const ds_op *root = t->epilogue ? t->epilogue : t->op;
    ds_value *out = lw_buffer(l, &root->results[0]);
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < columns; j++) {
            lane_point p = t->p;
            lane_value args[MAX_ACCESSES], result = {acc[r * columns + j], NULL};
            if (t->m != SIZE_MAX) p.at[t->m] = row[r];
            p.at[t->n] = column[j], p.vector = (int)t->n, p.mask = mask[j], p.rank = t->kept;
            if (t->epilogue) {
                for (size_t i = 0; i < t->epilogue->operand_count; i++) {
                    ds_value *operand = ds_op_operand(t->epilogue, i);
                    args[i] = operand == &t->op->results[0]
                                  ? result
                                  : (lane_value){lw_load(l, lw_buffer(l, operand), t->offset[EXTRA + i], &p, NULL), NULL};
                }
                lw_region(l, ds_op_block(t->epilogue, 0), args, t->old, &p, &result);
            }
            lw_store(l, result.v, out, t->offset[OUT], &p);
        }
}

/* Whole tiles, then the edge: of as many rows as are left, or (unknown extents) of rows that repeat the last one. */
static void emit_rows(tiling *t, ds_value *low, ds_value *high, ds_value *q, size_t columns, bool masked) {
    lowering *l = t->l;
    int64_t extent, rows = (int64_t)t->rows;
    if (t->m == SIZE_MAX) {
        emit_tile(t, lw_index(l, 0), 1, false, q, columns, masked);
        return;
    }
    bool known = ds_expr_is_const(t->extent[t->m], &extent), edge = !known || extent % rows;
    ds_value *step = lw_index(l, rows), *whole = high;
    if (edge) {
        const ds_expr *full =
            ds_expr_mul(l->cx, ds_expr_floordiv(l->cx, t->extent[t->m], ds_expr_const(l->cx, rows)), ds_expr_const(l->cx, rows));
        whole = lw_binary(l, DS_LOOP_max, low, lw_binary(l, DS_LOOP_min, high, lw_extent(l, full)));
    }
    if (!known || extent >= rows) {
        ds_op *loop = lw_for(l, low, whole, step, NULL, 0, NULL);
        emit_tile(t, lw_for_position(loop), t->rows, false, q, columns, masked);
        lw_end(l, loop, NULL, 0);
    }
    if (edge) {
        ds_op *loop = lw_for(l, whole, high, step, NULL, 0, NULL);
        emit_tile(t, lw_for_position(loop), known ? (size_t)(extent % rows) : t->rows, !known, q, columns, masked);
        lw_end(l, loop, NULL, 0);
    }
}

/* Column blocks from..to: whole ones, then the edge. */
static void emit_columns(tiling *t, ds_value *low, ds_value *high, ds_value *from, ds_value *to) {
    lowering *l = t->l;
    int64_t extent, width = (int64_t)(t->columns * l->lanes);
    bool known = ds_expr_is_const(t->extent[t->n], &extent), edge = !known || extent % width;
    ds_value *one = lw_index(l, 1), *whole = to;
    if (edge) {
        const ds_expr *full = ds_expr_floordiv(l->cx, t->extent[t->n], ds_expr_const(l->cx, width));
        whole = lw_binary(l, DS_LOOP_max, from, lw_binary(l, DS_LOOP_min, to, lw_extent(l, full)));
    }
    if (!known || extent >= width) {
        ds_op *loop = lw_for(l, from, whole, one, NULL, 0, NULL);
        emit_rows(t, low, high, lw_for_position(loop), t->columns, false);
        lw_end(l, loop, NULL, 0);
    }
    if (edge) {
        size_t columns = known ? (size_t)((extent % width + (int64_t)l->lanes - 1) / (int64_t)l->lanes) : t->columns;
        ds_op *loop = lw_for(l, whole, to, one, NULL, 0, NULL);
        emit_rows(t, low, high, lw_for_position(loop), columns, !known || extent % (int64_t)l->lanes);
        lw_end(l, loop, NULL, 0);
    }
}

/* Equal chunks of at most `chunk` of `count` blocks. */
static double even(double count, double chunk) {
    double chunks = floor((count + chunk - 1) / chunk);
    if (!(chunks >= 1)) chunks = 1; /* count is 0, or it is 1, and count + chunk - 1 less than chunk by rounding */
    return floor((count + chunks - 1) / chunks);
}

/* How many units of rows (a chunk of m at one point of the outer dims) go over some columns before all go over the next ones. All of B
 * fits half the L2 cache: one. Else as many as have their part of A there, so that B comes from afar once for all of them. */
static const ds_expr *group_of_units(tiling *t, double k, double m_chunk, const ds_expr *units) {
    int64_t count;
    double room = (double)t->l->machine->l2_bytes / 2, group = 2 * room / (k * m_chunk * (double)t->rows * 4);
    const ds_expr *one = ds_expr_const(t->l->cx, 1);
    if (k * lower_estimate(t->extent[t->n]) * 4 <= room) return one;
    for (size_t i = 0; i < t->kept; i++)
        if (i != t->m && i != t->n && !ds_expr_equals(coefficient(t, B, i), 0)) return one;
    if (!ds_expr_is_const(units, &count)) return units;
    return ds_expr_const(t->l->cx, (int64_t)even((double)count, group < 1 ? 1 : group));
}

/* How many row tiles and column blocks a piece has: rows whose part of A fits half the L2 cache, then columns, then fewer rows, so that
 * a piece is some microseconds and there are some pieces. */
static void choose_piece(tiling *t, double k, double *out_rows, double *out_columns) {
    lowering *l = t->l;
    if (k < 1) k = 1; /* sums of nothing */
    const ds_expr *m_extent = t->m == SIZE_MAX ? ds_expr_const(l->cx, 1) : t->extent[t->m];
    int64_t rows = (int64_t)t->rows, width = (int64_t)(t->columns * l->lanes);
    double tile = (double)(rows * width) * k, m_tiles = lower_estimate(blocks(t, m_extent, rows)),
           n_blocks = lower_estimate(blocks(t, t->extent[t->n], width)), total = tile * m_tiles * n_blocks;
    for (size_t i = 0; i < t->kept; i++)
        if (i != t->m && i != t->n) total *= lower_estimate(t->extent[i]);
    double most = total / PIECES > PIECE_MACS ? PIECE_MACS : total / PIECES < LEAST_MACS ? LEAST_MACS : total / PIECES;
    double m_chunk = (double)l->machine->l2_bytes / 2 / (k * 4 * (double)rows);
    if (!ds_expr_is_const(m_extent, NULL)) m_chunk = 16;
    if (m_chunk > m_tiles) m_chunk = m_tiles;
    if (m_chunk < 1) m_chunk = 1;
    /* few rows for each element of B: its bytes take longer than the products */
    double cost = 1 + 8 / (m_chunk * (double)rows), n_chunk = most / (tile * m_chunk * cost);
    if (n_chunk > n_blocks) n_chunk = n_blocks;
    if (n_chunk < 1) {
        n_chunk = 1;
        double fewer = most / tile, least = MAX_ROWS * 4 / (double)rows; /* B is read anew by every piece */
        if (fewer < least) fewer = least;
        if (fewer < m_chunk) m_chunk = fewer;
    }
    *out_rows = even(m_tiles, m_chunk), *out_columns = even(n_blocks, n_chunk);
}

enum { MOST_AHEAD = 4 };

/* Prefetches so much that the tiles of some columns fetch the next ones once, and what lies behind all columns as far as they can. Where B
 * stays in the L2 cache (groups of one unit), every other unit has nothing else to fetch. */
static void choose_ahead(tiling *t, const ds_expr *units, const ds_expr *group, double m_chunk) {
    ds_ir_context *cx = t->l->cx;
    double k = sum_length(t), columns = lower_estimate(blocks(t, t->extent[t->n], (int64_t)(t->columns * t->l->lanes)));
    double turns = lower_estimate(group) * m_chunk, groups = lower_estimate(ds_expr_ceildiv(cx, units, group));
    bool fixed = t->packed && ds_expr_is_const(t->extent[t->n], NULL) && k >= STEPS;
    for (size_t i = 0; i < t->rank; i++) fixed = fixed && (i < t->kept || ds_expr_is_const(t->extent[i], NULL));
    if (!fixed || turns <= 1) return;
    bool known = ds_expr_is_const(units, NULL) && ds_expr_is_const(ds_layout_count(cx, ds_op_operand(t->op, 1)->type), NULL);
    double own = lines_taken(t), behind = known ? (double)t->l->weights_behind / t->l->machine->line_bytes : 0, spare = 0;
    t->by_group = ds_expr_equals(group, 1) && groups > 1, t->turns = (size_t)turns;
    for (t->ahead = (size_t)((own + turns - 1) / turns);; t->ahead++) {
        t->own_turns = (size_t)((own + (double)t->ahead - 1) / (double)t->ahead);
        spare = t->by_group ? (double)(int64_t)(groups / 2) * turns : groups * (turns - (double)t->own_turns);
        if (t->ahead >= MOST_AHEAD || spare * columns * k / STEPS * (double)t->ahead >= behind) break;
    }
    if (behind == 0 || spare < 1) return;
    double most = k / STEPS * (double)t->ahead, each = behind / (spare * columns);
    t->behind = (int64_t)((each < most ? each : most) * (double)line_of(t));
}

/* Takes the number of a piece apart: groups of units, then columns, then units of the group, these fastest. Leaves where the piece is in
 * the point; the chunk of columns is returned, and whether there is such a unit: the last group may have fewer (NULL: surely). */
static ds_value *find_piece(tiling *t, ds_value *number, const ds_expr *units, const ds_expr *group, const ds_expr *n_chunks,
                            const ds_expr *m_chunks, double m_chunk, ds_value **out_m, ds_value **out_exists) {
    lowering *l = t->l;
    int64_t known, size;
    ds_value *inside = lw_digit(l, &number, group), *n = lw_digit(l, &number, n_chunks);
    t->group = number;
    ds_value *unit = lw_binary(l, DS_LOOP_add, lw_binary(l, DS_LOOP_mul, number, lw_extent(l, group)), inside);
    bool whole = !ds_expr_is_const(units, &known) || !ds_expr_is_const(group, &size) || known % size == 0;
    *out_exists = NULL;
    if (!whole) {
        ds_value *exists = lw_binary(l, DS_LOOP_lt, unit, lw_extent(l, units));
        *out_exists = lw_op(l, DS_LOOP_cast, &exists, 1, ds_type_scalar(l->cx, DS_index));
        unit = lw_binary(l, DS_LOOP_min, unit, lw_index(l, known - 1));
    }
    t->turn = ds_expr_equals(group, 1) ? NULL : lw_binary(l, DS_LOOP_mul, inside, lw_index(l, (int64_t)m_chunk));
    *out_m = lw_digit(l, &unit, m_chunks);
    for (size_t i = t->kept; i-- > 0;)
        if (i != t->m && i != t->n) t->p.at[i] = lw_digit(l, &unit, t->extent[i]);
    return n;
}

/* Pieces: every point of the outer dims, times chunks of row tiles, times chunks of column blocks. */
static void emit_pieces(tiling *t) {
    lowering *l = t->l;
    const ds_expr *m_extent = t->m == SIZE_MAX ? ds_expr_const(l->cx, 1) : t->extent[t->m];
    double k = sum_length(t), m_chunk, n_chunk;
    int64_t rows = (int64_t)t->rows, width = (int64_t)(t->columns * l->lanes);
    choose_piece(t, k, &m_chunk, &n_chunk);
    double work = (double)(rows * width) * k * (1 + 8 / (m_chunk * (double)rows)) * m_chunk * n_chunk / 16;
    const ds_expr *m_chunks = blocks(t, m_extent, rows * (int64_t)m_chunk),
                  *n_chunks = blocks(t, t->extent[t->n], width * (int64_t)n_chunk), *units = m_chunks;
    for (size_t i = 0; i < t->kept; i++)
        if (i != t->m && i != t->n) units = ds_expr_mul(l->cx, units, t->extent[i]);
    const ds_expr *group = group_of_units(t, k, m_chunk, units);
    const ds_expr *total = ds_expr_mul(l->cx, ds_expr_mul(l->cx, ds_expr_ceildiv(l->cx, units, group), group), n_chunks);
    choose_ahead(t, units, group, m_chunk);
    ds_op *pieces;
    ds_value *m_part, *exists, *number = lower_parallel(l, total, work, 1, &pieces);
    ds_value *n_part = find_piece(t, number, units, group, n_chunks, m_chunks, m_chunk, &m_part, &exists);
    ds_value *n_step = lw_index(l, (int64_t)n_chunk), *m_step = lw_index(l, (int64_t)m_chunk * rows);
    ds_value *from = lw_binary(l, DS_LOOP_mul, n_part, n_step),
             *to = lw_binary(l, DS_LOOP_min, lw_binary(l, DS_LOOP_add, from, n_step), lw_extent(l, blocks(t, t->extent[t->n], width)));
    if (exists) to = lw_binary(l, DS_LOOP_mul, to, exists); /* else no columns */
    ds_value *low = lw_binary(l, DS_LOOP_mul, m_part, m_step),
             *high = lw_binary(l, DS_LOOP_min, lw_binary(l, DS_LOOP_add, low, m_step), lw_extent(l, m_extent));
    t->low = low;
    emit_columns(t, low, high, from, to);
    lower_parallel_end(l, pieces);
}

bool lower_contraction(lowering *l, const ds_op *op, const ds_op *epilogue) {
    tiling t = {.l = l, .op = op, .epilogue = epilogue, .p = {.vector = -1}};
    if (lower_windows(l, op, epilogue)) return true;
    if (op->results[0].type->elem != DS_f32 || ds_op_operand(op, 0)->type->elem != DS_f32 || ds_op_operand(op, 1)->type->elem != DS_f32 ||
        l->lanes < 2)
        return false;
    if (!open_space(&t) || !arrange(&t)) return false;
    choose_tile(&t);
    t.p.rank = t.rank;
    emit_pieces(&t);
    return true;
}

bool lower_contraction_rows(lowering *l, const ds_op *op, const ds_op *epilogue, const lower_rows *rows, ds_value *low, ds_value *high,
                            int64_t block) {
    tiling t = {.l = l, .op = op, .epilogue = epilogue, .p = {.vector = -1}, .fixed = rows->shared - 1, .block = block, .low = low};
    if (l->lanes < 2 || !open_space(&t) || !arrange(&t)) return false;
    if (t.m == SIZE_MAX ? t.kept != t.fixed + 1 : t.m != t.fixed || t.kept != t.fixed + 2) return false;
    choose_tile(&t);
    t.p.rank = t.rank;
    for (size_t i = 0; i < t.fixed; i++) t.p.at[i] = rows->at[i];
    int64_t width = (int64_t)(t.columns * l->lanes);
    emit_columns(&t, low, high, lw_index(l, 0), lw_extent(l, blocks(&t, t.extent[t.n], width)));
    return true;
}

bool lower_conv_rows(lowering *l, const ds_op *op, const ds_op *epilogue, ds_value *image, ds_value *low, ds_value *high, int64_t unit) {
    tiling t = {.l = l, .op = op, .epilogue = epilogue, .p = {.vector = -1}};
    int64_t width = op->results[0].type->dims[3]->value;
    if (l->lanes < 2 || !open_space(&t)) return false;
    t.pinned[0] = true, t.pinned[2] = t.pinned[2] || !unit;
    t.fixed = 1;
    if (!arrange(&t)) return false;
    bool merged = t.m == t.fixed && t.kept == 3; /* rows and columns are one dim */
    if (merged) t.block = unit * width;
    choose_tile(&t);
    t.p.rank = t.rank, t.p.at[0] = image;
    const ds_expr *n_blocks = blocks(&t, t.extent[t.n], (int64_t)(t.columns * l->lanes));
    if (merged) {
        ds_value *step = lw_index(l, width);
        t.low = lw_binary(l, DS_LOOP_mul, low, step);
        emit_columns(&t, t.low, lw_binary(l, DS_LOOP_mul, high, step), lw_index(l, 0), lw_extent(l, n_blocks));
        return true;
    }
    if (t.kept != 4 || t.m != 2) return false;
    ds_op *loop = lw_for(l, low, high, lw_index(l, 1), NULL, 0, NULL);
    t.p.at[1] = lw_for_position(loop);
    emit_columns(&t, lw_index(l, 0), lw_extent(l, t.extent[2]), lw_index(l, 0), lw_extent(l, n_blocks));
    lw_end(l, loop, NULL, 0);
    return true;
}
