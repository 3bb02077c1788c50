/* points: one op, in loops over its result. What is proposed, and what can be obeyed; also of the ops of kernels that
 * share loops.
 *
 *   {program = "points", levels = [d1 grid 12, d2 lane 8]}               pieces: points of d0 and d1, as one dim
 *   {program = "points", levels = [d0 grid 8192, d0 lane 8]}             one dim: pieces are ranges of it
 *   {program = "points", levels = [d0 grid 64, d1 lane 8, d0 serial 1]}  an operand runs along d0, the result along d1
 *   {program = "points", levels = [d0 grid 4, k0 lane 8, k0 unroll 4]}   lanes go along what is reduced, in four sums
 *
 * Without a lane level points are computed one by one. A concat has one level, `copies grid`: how many copies a piece
 * is.
 */
#include "passes/schedule/nest.h"

#include <string.h>

enum { FEW_PIECES = 16, LONG_ENOUGH = 4 /* a dim across */, MOST_SUMS = 16 };

static bool reduces(const ds_op *op) {
    return op->kind == DS_GRAPH_reduce || op->kind == DS_GRAPH_matmul || op->kind == DS_GRAPH_conv;
}

/* ---- which dim the lanes walk ---- */

static bool can_walk_kept(const ds_core *core, const nest *n, const ds_op *op, size_t shared) {
    return n->kept > shared && nest_is_contiguous(core, n, n->kept - 1, op->operand_count);
}

/* The first operand is contiguous along what is reduced last and not along the result's last dim. */
static bool prefers_reduced(const ds_core *core, const nest *n, const ds_op *op, size_t shared) {
    if (n->kept == n->rank) return false;
    bool kept_works = can_walk_kept(core, n, op, shared);
    size_t over = 0, kept = 0;
    for (size_t i = 0; i < op->operand_count; i++) {
        over += nest_is_contiguous(core, n, n->rank - 1, i);
        kept += kept_works && nest_is_contiguous(core, n, n->kept - 1, i);
    }
    return !kept_works || over > kept;
}

/* The dim along which an operand is contiguous, where the lanes' dim (the last) reads it far apart; SIZE_MAX when there
 * is none. */
static size_t transposed_dim(const ds_core *core, const nest *n, const ds_op *op) {
    for (size_t i = 0; n->rank > 1 && i < op->operand_count; i++) {
        if (!nest_is_spread(core, n, n->rank - 1, i)) continue;
        for (size_t d = 0; d + 1 < n->rank; d++)
            if (nest_is_contiguous(core, n, d, i) && schedule_estimate(n->extent[d]) >= LONG_ENOUGH) return d;
    }
    return SIZE_MAX;
}

static int64_t choose_chains(const ds_core *core, const nest *n, const ds_op *op) {
    int64_t extent;
    bool known = ds_expr_is_const(n->extent[n->rank - 1], &extent);
    bool is_long = !known || extent >= 2 * NEST_CHAINS * (int64_t)core->lanes;
    return core->unrolls && is_long && NEST_CHAINS * op->result_count <= MOST_SUMS ? NEST_CHAINS : 1;
}

static double work_of(const ds_op *op) {
    const ds_attr *over = ds_op_attr(op, "over");
    double work = op->region_count ? nest_region_work(ds_op_block(op, 0)) : 1;
    if (op->kind == DS_GRAPH_encode) return ds_op_attr(op, "flush") ? 7 : 2; /* of the copy's region */
    if (!reduces(op)) return work;
    if (!op->region_count) work = 3; /* of a product's */
    work += 1;
    for (size_t i = 0; i < over->count; i++) work *= schedule_estimate(ds_attr_to_expr(over->items[i]));
    return work;
}

/* ---- pieces ---- */

/* The dim of the space in the order in which its loops are: the one across comes last. */
static size_t nth_dim(const nest_choice *c, size_t i) { return i < c->across ? i : i + 1; }

/* Points of the first dims, taken as one until there are enough; of a transposed map's columns where those dims are
 * short; of whole vectors where there is one dim. */
static void choose_pieces(const ds_core *core, const nest *n, const ds_op *op, nest_choice *c) {
    size_t end = n->kept - (c->across != SIZE_MAX), whole = end - (c->lane < n->kept && end > 0), dim = 0;
    const ds_expr *total = ds_expr_const(core->cx, 1);
    double work = work_of(op);
    for (size_t i = 0; i < n->kept; i++) work *= schedule_estimate(n->extent[i]);
    while (dim < whole && (dim == 0 || (schedule_estimate(total) < FEW_PIECES && work > SCHEDULE_PIECE_WORK))) {
        const ds_expr *extent = n->extent[nth_dim(c, dim++)];
        total = ds_expr_mul(core->cx, total, extent);
        work /= schedule_estimate(extent);
    }
    bool by_lanes = c->lane < n->kept && whole == 0;
    int64_t group = (int64_t)core->lanes * NEST_VECTORS;
    double most = by_lanes ? schedule_estimate(n->extent[nth_dim(c, 0)]) / (double)group : schedule_estimate(total);
    c->end = dim;
    if (c->across != SIZE_MAX && most < FEW_PIECES) {
        const ds_expr *columns = n->extent[c->across];
        c->pieces = NEST_BY_COLUMNS;
        c->chunk = schedule_chunk(columns, work * schedule_estimate(total) / schedule_estimate(columns), NEST_COLUMNS);
    } else if (by_lanes) {
        const ds_expr *extent = n->extent[nth_dim(c, 0)];
        c->pieces = NEST_BY_LANES;
        c->chunk = schedule_chunk(extent, work / schedule_estimate(extent), group);
    } else {
        c->pieces = NEST_BY_DIMS;
        c->chunk = schedule_chunk(total, work, 1);
    }
}

nest_choice nest_choose(const ds_core *core, const nest *n, const ds_op *op, size_t shared, bool alone) {
    nest_choice c = {.lane = SIZE_MAX, .across = SIZE_MAX, .chains = 1, .chunk = 1};
    if (reduces(op) && prefers_reduced(core, n, op, shared)) {
        c.lane = n->rank - 1;
        c.chains = choose_chains(core, n, op);
    } else if (can_walk_kept(core, n, op, shared)) c.lane = n->kept - 1;
    if (!alone) return c;
    if (c.lane != SIZE_MAX && !reduces(op)) c.across = transposed_dim(core, n, op);
    choose_pieces(core, n, op, &c);
    return c;
}

/* ---- levels ---- */

static const char *axis_of(const ds_core *core, const nest *n, size_t dim) {
    return dim < n->kept ? schedule_axis(core, 'd', dim) : schedule_axis(core, 'k', dim - n->kept);
}

static void add_pieces(const ds_core *core, const nest *n, const nest_choice *c, ds_schedule *s) {
    if (c->pieces == NEST_BY_DIMS && c->end == 0) return; /* one point */
    size_t dim = c->pieces == NEST_BY_LANES     ? c->lane
                 : c->pieces == NEST_BY_COLUMNS ? c->across
                                                : nth_dim(c, c->end - 1);
    ds_schedule_add(s, DS_OWN, axis_of(core, n, dim), DS_LEVEL_grid, c->chunk, DS_TAIL_guard);
}

void nest_add_levels(const ds_core *core, const nest *n, const nest_choice *c, int op, ds_schedule *s) {
    if (c->lane != SIZE_MAX) {
        int64_t lanes = (int64_t)core->lanes;
        const char *axis = axis_of(core, n, c->lane);
        ds_schedule_add(s, op, axis, DS_LEVEL_lane, lanes, schedule_tail(n->extent[c->lane], lanes, DS_TAIL_mask));
        if (c->chains > 1) ds_schedule_add(s, op, axis, DS_LEVEL_unroll, c->chains, DS_TAIL_guard);
    }
    if (c->across != SIZE_MAX) ds_schedule_add(s, op, axis_of(core, n, c->across), DS_LEVEL_serial, 1, DS_TAIL_exact);
}

static const ds_level *level_of(const ds_schedule *s, int op, ds_level_kind kind) {
    for (size_t i = 0; i < arrlenu(s->levels); i++)
        if (s->levels[i].op == op && s->levels[i].kind == kind) return &s->levels[i];
    return NULL;
}

/* The dim of the space that an axis names; SIZE_MAX: none. */
static size_t dim_of(const nest *n, const char *axis) {
    size_t kept = schedule_axis_number(axis, 'd', n->kept),
           reduced = schedule_axis_number(axis, 'k', n->rank - n->kept);
    return kept != SIZE_MAX ? kept : reduced != SIZE_MAX ? n->kept + reduced : SIZE_MAX;
}

static const char *read_lanes(const ds_core *core, const nest *n, const ds_op *op, size_t shared, const ds_schedule *s,
                              int index, nest_choice *out) {
    const ds_level *lane = level_of(s, index, DS_LEVEL_lane), *chains = level_of(s, index, DS_LEVEL_unroll);
    if (chains) out->chains = chains->step;
    if (!lane) return chains ? "sums side by side need lanes" : NULL;
    out->lane = dim_of(n, lane->axis);
    bool reduced = out->lane != SIZE_MAX && out->lane >= n->kept;
    if (reduced ? out->lane + 1 != n->rank : out->lane + 1 != n->kept || out->lane < shared)
        return "lanes walk the result's last dim, or the last one that is reduced";
    if (!reduced && !can_walk_kept(core, n, op, shared)) return "the result does not follow the lanes in memory";
    if (!chains) return NULL;
    if (!reduced) return "sums side by side need lanes along what is reduced";
    if (chains->step > NEST_CHAINS || (chains->step & (chains->step - 1)) ||
        (size_t)chains->step * op->result_count > MOST_SUMS)
        return schedule_refuse(core, "%d sums side by side at most, a power of two", NEST_CHAINS);
    return NULL;
}

static const char *read_across(const nest *n, const ds_op *op, const ds_schedule *s, int index, nest_choice *out) {
    const ds_level *serial = level_of(s, index, DS_LEVEL_serial);
    if (!serial) return NULL;
    out->across = dim_of(n, serial->axis);
    bool good = out->across < n->kept && out->lane < n->kept && out->across != out->lane && !reduces(op);
    return good ? NULL : "only a map walks one of its dims inside the lanes' loop";
}

static const char *read_pieces(const ds_core *core, const nest *n, const ds_schedule *s, nest_choice *out) {
    const ds_level *grid = level_of(s, DS_OWN, DS_LEVEL_grid);
    size_t end = n->kept - (out->across != SIZE_MAX), whole = end - (out->lane < n->kept && end > 0);
    int64_t lanes = (int64_t)core->lanes;
    out->pieces = NEST_BY_DIMS;
    if (!grid) return end ? "there is no grid" : NULL;
    size_t dim = dim_of(n, grid->axis);
    out->chunk = grid->step;
    if (dim >= n->kept) return "pieces are points of the result";
    if (dim == out->across) out->pieces = NEST_BY_COLUMNS;
    else if (dim == out->lane) out->pieces = NEST_BY_LANES;
    if (out->pieces != NEST_BY_DIMS && grid->step % lanes) return "a piece has whole vectors";
    if (out->pieces == NEST_BY_LANES && whole) return "pieces along the lanes' dim need a result of one dim";
    if (out->pieces == NEST_BY_DIMS) out->end = dim < out->across ? dim + 1 : dim;
    return NULL;
}

const char *nest_read(const ds_core *core, const nest *n, const ds_op *op, size_t shared, bool alone,
                      const ds_schedule *s, int index, nest_choice *out) {
    *out = (nest_choice){.lane = SIZE_MAX, .across = SIZE_MAX, .chains = 1, .chunk = 1};
    const char *wrong = read_lanes(core, n, op, shared, s, index, out);
    if (!wrong && alone) wrong = read_across(n, op, s, index, out);
    if (!wrong && alone) wrong = read_pieces(core, n, s, out);
    return wrong;
}

/* ---- the program ---- */

/* The kernel's one op, all of whose results it gives. */
static const ds_op *only_op(const ds_op *kernel) {
    const ds_op *first = ds_op_block(kernel, 0)->first, *yield = ds_op_block(kernel, 0)->last;
    return first->next == yield && yield->operand_count == first->result_count ? first : NULL;
}

static ds_schedule make_schedule(const ds_core *core, const nest *n, const nest_choice *c) {
    ds_schedule s = {.program = "points"};
    add_pieces(core, n, c, &s);
    nest_add_levels(core, n, c, DS_OWN, &s);
    return s;
}

static ds_schedule make_copies(int64_t piece) {
    ds_schedule s = {.program = "points"};
    ds_schedule_add(&s, DS_OWN, "copies", DS_LEVEL_grid, piece, DS_TAIL_guard);
    return s;
}

int64_t concat_piece(const ds_schedule *s) {
    const ds_level *grid = ds_schedule_find(s, DS_OWN, "copies", DS_LEVEL_grid);
    return grid ? grid->step : SCHEDULE_PIECE_WORK;
}

void propose_points(const ds_core *core, const ds_op *kernel, ds_schedule **out) {
    const ds_op *op = only_op(kernel);
    nest n;
    if (!op || op->kind == DS_GRAPH_winograd || op->kind == DS_GRAPH_loop) return;
    if (op->kind == DS_GRAPH_index || op->kind == DS_GRAPH_concat) {
        ds_schedule s =
            op->kind == DS_GRAPH_concat ? make_copies(SCHEDULE_PIECE_WORK) : (ds_schedule){.program = "points"};
        arrput(*out, s);
        return;
    }
    nest_open(core, &n, op, 0);
    nest_choice c = nest_choose(core, &n, op, 0, true);
    arrput(*out, make_schedule(core, &n, &c));
}

const char *check_points(const ds_core *core, const ds_op *kernel, const ds_schedule *s) {
    const ds_op *op = only_op(kernel);
    nest n;
    nest_choice c;
    if (!op || op->kind == DS_GRAPH_winograd || op->kind == DS_GRAPH_loop)
        return "the kernel is not one op over its points";
    ds_schedule same = {.program = "points"};
    if (op->kind == DS_GRAPH_index) return schedule_compare(core, s, &same);
    if (op->kind == DS_GRAPH_concat) {
        same = make_copies(concat_piece(s));
        return schedule_compare(core, s, &same);
    }
    nest_open(core, &n, op, 0);
    const char *wrong = nest_read(core, &n, op, 0, true, s, DS_OWN, &c);
    if (wrong) return wrong;
    same = make_schedule(core, &n, &c);
    return schedule_compare(core, s, &same);
}
