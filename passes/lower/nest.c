/* Loop nests of maps, encodes and concats, and what reductions share with them: the dims of the space (schedule/nest.h)
 * in loops, the innermost one by vectors where the schedule says so, its remainder by one masked vector. */
#include <assert.h>
#include <string.h>

#include "passes/lower/nest.h"

/* ---- reading operands ---- */

enum { MOST_LANES = 16 };

/* Original index expressions of an operand, in the new dims. */
static const ds_expr *check_index(lowering *l, const nest *n, const ds_attr *map, size_t k) {
    return ds_expr_replace_dims(l->cx, map->exprs[k], n->old, n->old_rank);
}

ds_value *nest_conjunction(lowering *l, ds_value *a, ds_value *b) {
    return !a ? b : !b ? a : lw_binary(l, DS_LOOP_and, a, b);
}

/* A dim's index expression as scalar, or as vector where it moves with the lanes. */
static ds_value *index_value(lowering *l, const ds_expr *e, const lane_point *p) {
    const ds_expr *coefficient, *rest;
    bool linear = p->vector < 0 || ds_expr_linear(l->cx, e, (size_t)p->vector, &coefficient, &rest);
    if (p->vector < 0 || (linear && ds_expr_equals(coefficient, 0))) return lw_apply(l, e, p->at, p->rank);
    ds_value *at[SCHEDULE_MOST_DIMS];
    for (size_t i = 0; i < p->rank; i++) at[i] = (int)i == p->vector ? lw_lanes(l, p->at[i]) : p->at[i];
    return lw_apply(l, e, at, p->rank);
}

/* Which lanes read inside the operand; NULL when all do. */
static ds_value *inside(lowering *l, const nest *n, const ds_op *op, size_t i, const lane_point *p) {
    const ds_attr *map = ds_op_map(op, i);
    const ds_type *type = ds_op_operand(op, i)->type;
    ds_value *all = NULL;
    for (size_t k = 0; k < map->count; k++) {
        const ds_expr *e = check_index(l, n, map, k);
        if (!nest_needs_check(map->exprs[k], type, k, n->old_extent) || ds_expr_equals(e, 0)) continue;
        ds_value *v = index_value(l, e, p), *zero = lw_index(l, 0), *end = lw_extent(l, type->dims[k]);
        all = nest_conjunction(
            l, all, nest_conjunction(l, lw_binary(l, DS_LOOP_le, zero, v), lw_binary(l, DS_LOOP_lt, v, end)));
    }
    return all;
}

ds_value *nest_pad_constant(lowering *l, const ds_attr *pad, ds_elem elem) {
    ds_value *v = lw_op(l, DS_LOOP_constant, NULL, 0, ds_type_scalar(l->cx, elem));
    ds_op_set_attr(l->m, v->op, "value",
                   ds_elem_is_float(elem) ? ds_attr_float(l->cx, pad ? pad->number : 0)
                                          : ds_attr_int(l->cx, pad ? pad->integer : 0));
    return v;
}

ds_value *nest_or_pad(lowering *l, ds_value *valid, ds_value *v, const ds_attr *pad, ds_elem elem) {
    ds_value *operands[] = {valid, v, nest_pad_constant(l, pad, elem)};
    bool vector = v->type->kind == DS_TYPE_VECTOR || valid->type->kind == DS_TYPE_VECTOR;
    if (vector)
        for (size_t k = 0; k < 3; k++) operands[k] = lw_splat(l, operands[k]);
    return lw_op(l, DS_LOOP_select, operands, 3, operands[1]->type);
}

static bool is_zero(const ds_attr *pad) { return !pad || (pad->number == 0 && pad->integer == 0); }

/* What flows between ops that share rows lies in scratch memory with room for a whole vector behind a row, so nothing
 * of it is masked: a masked store would hold up the loads that follow. (What is written past a row is written again by
 * the next one.) */
static bool is_temporary(const lowering *l, const ds_value *v) {
    if (v == l->in_result || !v->op || !v->uses || v->op->block->region->op->kind != DS_GRAPH_kernel) return false;
    for (const ds_use *use = v->uses; use; use = use->next)
        if (use->owner->kind == DS_GRAPH_yield) return false;
    return true;
}

/* What positions along `dim` are divided by on the way to an element; 1: nothing. */
static int64_t divisor_along(lowering *l, const ds_expr *e, size_t dim) {
    const ds_expr *coefficient, *rest;
    int64_t by = 1;
    if ((e->kind == DS_EXPR_FLOORDIV || e->kind == DS_EXPR_MOD) && ds_expr_is_const(e->b, &by) &&
        ds_expr_linear(l->cx, e->a, dim, &coefficient, &rest) && !ds_expr_equals(coefficient, 0))
        return by;
    by = e->a ? divisor_along(l, e->a, dim) : 1;
    for (size_t i = 0; i < e->term_count; i++)
        for (size_t k = 0; by == 1 && k < e->terms[i].atom_count; k++) by = divisor_along(l, e->terms[i].atoms[k], dim);
    return by;
}

/* An operand that the lanes read in turns from `count` places, at each of them element by element (a channel
 * shuffle). */
typedef struct {
    int64_t count;
    const ds_expr *offset[MOST_LANES]; /* of each, over the position divided by `count` */
} streams;

static bool find_streams(lowering *l, const nest *n, size_t access, size_t dim, streams *out) {
    int64_t lanes = (int64_t)l->lanes, extent, count = divisor_along(l, n->offset[access], dim);
    if (count < 2 || (count & (count - 1)) || lanes > MOST_LANES || lanes / count < 2) return false;
    if (!ds_expr_is_const(n->extent[dim], &extent) || extent % count) return false;
    out->count = count;
    for (int64_t k = 0; k < count; k++) {
        const ds_expr *to[SCHEDULE_MOST_DIMS], *coefficient, *rest;
        for (size_t i = 0; i < n->rank; i++) to[i] = ds_expr_dim(l->cx, i);
        to[dim] = ds_expr_add(l->cx, ds_expr_scale(l->cx, to[dim], count), ds_expr_const(l->cx, k));
        out->offset[k] = ds_expr_replace_dims(l->cx, n->offset[access], to, n->rank);
        if (!ds_expr_linear(l->cx, out->offset[k], dim, &coefficient, &rest) || !ds_expr_equals(coefficient, 1))
            return false;
    }
    return true;
}

/* The lanes start at a multiple of their number. */
static ds_value *read_streams(lowering *l, const nest *n, ds_value *buffer, const streams *s, const lane_point *p) {
    size_t dim = (size_t)p->vector, lanes = l->lanes;
    ds_value *part[MOST_LANES], *count = lw_index(l, s->count);
    lane_point q = *p;
    l->lanes /= (size_t)s->count;
    q.at[dim] = lw_binary(l, DS_LOOP_div, p->at[dim], count);
    if (p->mask) q.mask = lw_mask(l, q.at[dim], lw_index(l, n->extent[dim]->value / s->count));
    for (int64_t k = 0; k < s->count; k++) part[k] = lw_load(l, buffer, s->offset[k], &q, NULL);
    l->lanes = lanes;
    return lw_op(l, DS_LOOP_interleave, part, (size_t)s->count, ds_type_vector(l->cx, part[0]->type->elem, lanes));
}

static lane_value read_operand(lowering *l, const nest *n, const ds_op *op, size_t i, const lane_point *p) {
    ds_value *tensor = ds_op_operand(op, i), *valid = nest_has_pad(op, i) ? inside(l, n, op, i, p) : NULL;
    streams s;
    if (p->vector >= 0 && !valid && find_streams(l, n, i, (size_t)p->vector, &s))
        return (lane_value){read_streams(l, n, lw_buffer(l, tensor), &s, p), NULL};
    lane_point whole = *p;
    if (is_temporary(l, tensor)) whole.mask = NULL;
    ds_value *v = lw_load(l, lw_buffer(l, tensor), n->offset[i], &whole, valid);
    const ds_attr *pads = ds_op_attr(op, "pads"), *pad = pads ? pads->items[i] : NULL;
    if (valid && !is_zero(pad)) v = nest_or_pad(l, valid, v, pad, tensor->type->elem);
    return (lane_value){v, NULL};
}

void nest_read_operands(lowering *l, const nest *n, const ds_op *op, const lane_point *p, lane_value *out) {
    for (size_t i = 0; i < op->operand_count; i++) out[i] = read_operand(l, n, op, i, p);
}

/* ---- loops ---- */

/* Fixes the leading dims that the kernel's common loops walk; returns how many. */
size_t nest_fix_rows(const lower_rows_at *rows, lane_point *p) {
    size_t count = rows ? rows->shared : 0;
    for (size_t i = 0; i < count; i++) p->at[i] = rows->at[i];
    return count;
}

/* Whole vectors, then one masked rest. */
static void lane_groups(walk *w, lane_point *p, size_t dim, ds_value *low, ds_value *high, const ds_expr *extent,
                        lane_body *body, void *user) {
    lowering *l = w->l;
    int64_t fixed, lanes = (int64_t)l->lanes;
    bool known = extent && ds_expr_is_const(extent, &fixed);
    p->vector = (int)dim;
    ds_value *step = lw_index(l, lanes), *whole = high;
    if (!known || fixed % lanes) {
        ds_value *span = lw_binary(l, DS_LOOP_sub, high, low);
        whole = lw_binary(l, DS_LOOP_add, low, lw_binary(l, DS_LOOP_mul, lw_binary(l, DS_LOOP_div, span, step), step));
    }
    if (!known || fixed >= lanes) {
        ds_op *loop = lw_for(l, low, whole, step, NULL, 0, NULL);
        p->at[dim] = lw_for_position(loop), p->mask = NULL;
        body(w, p, user);
        lw_end(l, loop, NULL, 0);
    }
    if (!known || fixed % lanes) { /* at most one turn */
        ds_op *loop = lw_for(l, whole, high, step, NULL, 0, NULL);
        p->at[dim] = lw_for_position(loop);
        p->mask = lw_mask(l, p->at[dim], high);
        body(w, p, user);
        lw_end(l, loop, NULL, 0);
    }
    p->mask = NULL, p->vector = -1;
}

/* The nest as it is where no operand is broadcast along `dim`, of those that may be; returns 1 where that is so, else
 * 0, as an expression.
 */
static const ds_expr *without_broadcasts(lowering *l, const nest *n, size_t dim, nest *out) {
    const ds_expr *none = ds_expr_const(l->cx, 1), *flag, *rest;
    *out = *n;
    for (size_t i = 0; i < n->accesses; i++) {
        if (!ds_expr_linear(l->cx, n->offset[i], dim, &flag, &rest) || !ds_expr_is_flag(flag)) continue;
        out->offset[i] = ds_expr_add(l->cx, rest, ds_expr_dim(l->cx, dim));
        none = ds_expr_mul(l->cx, none, flag);
    }
    return none;
}

/* Runs `body` for every lane group of the innermost dim: where operands may be broadcast along it, in one of two
 * loops. */
static void vector_loop(walk *w, lane_point *p, size_t dim, ds_value *low, ds_value *high, const ds_expr *extent,
                        lane_body *body, void *user) {
    lowering *l = w->l;
    nest plain;
    walk plainly = *w;
    const ds_expr *none = without_broadcasts(l, w->n, dim, &plain);
    plainly.n = &plain;
    if (ds_expr_equals(none, 1)) {
        lane_groups(w, p, dim, low, high, extent, body, user);
        return;
    }
    ds_op *all_move = lw_when(l, lw_binary(l, DS_LOOP_lt, lw_index(l, 0), lw_extent(l, none)));
    lane_groups(&plainly, p, dim, low, high, extent, body, user);
    lw_end(l, all_move, NULL, 0);
    ds_op *some_stay = lw_when(l, lw_binary(l, DS_LOOP_le, lw_extent(l, none), lw_index(l, 0)));
    lane_groups(w, p, dim, low, high, extent, body, user);
    lw_end(l, some_stay, NULL, 0);
}

/* Loops over the kept dims from `dim` on, the last of them by vectors if `vector`. */
static void serial_loops(walk *w, lane_point *p, size_t dim, bool vector, lane_body *body, void *user) {
    lowering *l = w->l;
    size_t end = w->n->kept - w->transposes;
    if (dim == end) {
        body(w, p, user);
        return;
    }
    ds_value *low = lw_index(l, 0), *high = lw_extent(l, w->n->extent[dim]);
    if (vector && dim + 1 == end) {
        vector_loop(w, p, dim, low, high, w->n->extent[dim], body, user);
        return;
    }
    ds_op *loop = lw_for(l, low, high, lw_index(l, 1), NULL, 0, NULL);
    p->at[dim] = lw_for_position(loop);
    serial_loops(w, p, dim + 1, vector, body, user);
    lw_end(l, loop, NULL, 0);
}

/* A range of a dim that a piece has: from `start`, in chunks of the schedule. */
static ds_value *end_of_chunk(lowering *l, const nest_choice *c, ds_value *start, const ds_expr *extent) {
    ds_value *chunk = lw_index(l, c->chunk), *end = lw_extent(l, extent);
    return lw_binary(l, DS_LOOP_min, lw_binary(l, DS_LOOP_add, start, chunk), end);
}

void nest_must_read(lowering *l, const nest *n, const ds_op *op, int index, const lower_rows_at *rows,
                    nest_choice *out) {
    const char *wrong = nest_read(l->core, n, op, rows ? rows->shared : 0, !rows, l->schedule, index, out);
    assert(!wrong);
    (void)wrong;
}

/* Loops over kept dims; in pieces where the op is alone. (Dims are in the order of the loops: the one across is the
 * last.) */
void nest_kept_loops(walk *w, lane_point *p, const lower_rows_at *rows, const nest_choice *c, lane_body *body,
                     void *user) {
    lowering *l = w->l;
    const nest *n = w->n;
    bool vector = c->lane < n->kept;
    ds_op *pieces = NULL;
    p->rank = n->rank;
    p->vector = -1;
    p->mask = NULL;
    if (rows) {
        serial_loops(w, p, nest_fix_rows(rows, p), vector, body, user);
        return;
    }
    if (c->pieces == NEST_BY_COLUMNS) {
        const ds_expr *columns = n->extent[n->kept - 1];
        w->low = lower_parallel(l, columns, c->chunk, true, &pieces);
        w->high = end_of_chunk(l, c, w->low, columns);
        serial_loops(w, p, 0, vector, body, user);
    } else if (c->pieces == NEST_BY_LANES) {
        const ds_expr *extent = n->extent[0];
        ds_value *start = lower_parallel(l, extent, c->chunk, true, &pieces);
        int64_t known;
        bool exact = ds_expr_is_const(extent, &known) && known % (int64_t)l->lanes == 0;
        vector_loop(w, p, 0, start, end_of_chunk(l, c, start, extent), exact ? extent : NULL, body, user);
    } else {
        const ds_expr *total = ds_expr_const(l->cx, 1);
        for (size_t i = 0; i < c->end; i++) total = ds_expr_mul(l->cx, total, n->extent[i]);
        ds_value *number = lower_parallel(l, total, c->chunk, false, &pieces);
        for (size_t i = c->end; i-- > 0;) p->at[i] = i == 0 ? number : lw_digit(l, &number, n->extent[i]);
        serial_loops(w, p, c->end, vector, body, user);
    }
    lower_parallel_end(l, pieces);
}

/* ---- maps ---- */

/* The region at a point, and its results' stores. */
static void map_values(walk *w, lane_point *p, const lane_value *args) {
    lane_value yields[LOWER_MAX_RESULTS];
    lw_region(w->l, ds_op_block(w->op, 0), args, w->n->old, p, yields);
    for (size_t r = 0; r < w->op->result_count; r++) {
        lane_point whole = *p;
        if (is_temporary(w->l, &w->op->results[r])) whole.mask = NULL;
        lw_store(w->l, yields[r].v, lw_buffer(w->l, &w->op->results[r]), w->n->offset[w->op->operand_count + r],
                 &whole);
    }
}

static void map_point(walk *w, lane_point *p, void *user) {
    lane_value args[SCHEDULE_MOST_OPERANDS];
    (void)user;
    nest_read_operands(w->l, w->n, w->op, p, args);
    map_values(w, p, args);
}

/* ---- maps with an operand that lies across ---- */

enum { CROSSED = 4 };

/* Is operand i contiguous along `dim` and read far apart by the lanes, so that squares of it can be turned over in
 * registers? */
static bool is_crossed(lowering *l, const nest *n, const ds_op *op, size_t i, size_t dim, size_t lanes_dim) {
    const ds_elem_info *facts = ds_elem_facts(ds_op_operand(op, i)->type->elem);
    bool fits = facts->bits <= 32 && !facts->packed && !nest_has_pad(op, i);
    return fits && nest_is_contiguous(l->core, n, dim, i) && nest_is_spread(l->core, n, lanes_dim, i);
}

/* The operands that lie across; 0 where there are none, or too many for registers. */
static size_t crossed_operands(const walk *w, size_t dim, size_t lanes_dim, size_t *out) {
    size_t count = 0;
    if (w->l->lanes < 4 || w->l->lanes > MOST_LANES) return 0;
    for (size_t i = 0; i < w->op->operand_count; i++)
        if (is_crossed(w->l, w->n, w->op, i, dim, lanes_dim)) {
            if (count == CROSSED) return 0;
            out[count++] = i;
        }
    return count;
}

/* A square of points, as long as the lanes along both dims. */
typedef struct {
    size_t dim;           /* beside the lanes' */
    size_t rows, columns; /* of the lanes' dim and of `dim` there are so many */
    size_t first;         /* the columns before this one have been computed */
} square;

/* What lies across is loaded along `dim`, from `start` on, and turned over. */
static ds_op *turn_over(walk *w, const lane_point *p, const square *s, ds_value *start, size_t operand) {
    lowering *l = w->l;
    ds_value *rows[MOST_LANES], *tensor = ds_op_operand(w->op, operand), *base = p->at[p->vector];
    const ds_type *types[MOST_LANES];
    lane_point along = *p;
    along.vector = (int)s->dim, along.at[s->dim] = start;
    along.mask = s->columns < l->lanes ? lw_mask(l, lw_index(l, 0), lw_index(l, (int64_t)s->columns)) : NULL;
    for (size_t j = 0; j < l->lanes; j++) {
        along.at[p->vector] = lw_binary(l, DS_LOOP_add, base, lw_index(l, (int64_t)j));
        rows[j] = j < s->rows ? lw_load(l, lw_buffer(l, tensor), w->n->offset[operand], &along, NULL)
                              : lw_splat(l, nest_pad_constant(l, NULL, tensor->type->elem));
        types[j] = rows[j]->type;
    }
    return ds_op_create(&l->b, DS_LOOP_transpose, rows, l->lanes, types, l->lanes, 0);
}

static void map_square(walk *w, lane_point *p, const square *s, ds_value *start, const size_t *crossed, size_t count) {
    lowering *l = w->l;
    ds_op *turned[CROSSED];
    for (size_t k = 0; k < count; k++) turned[k] = turn_over(w, p, s, start, crossed[k]);
    for (size_t c = s->first; c < s->columns; c++) {
        lane_value args[SCHEDULE_MOST_OPERANDS];
        p->at[s->dim] = lw_binary(l, DS_LOOP_add, start, lw_index(l, (int64_t)c));
        for (size_t i = 0, k = 0; i < w->op->operand_count; i++)
            if (k < count && crossed[k] == i) args[i] = (lane_value){ds_op_result(turned[k++], c), NULL};
            else args[i] = read_operand(l, w->n, w->op, i, p);
        map_values(w, p, args);
    }
}

/* Squares from low to high of `dim`, in steps; where `first` columns of each have been computed, they begin earlier. */
static void map_squares(walk *w, lane_point *p, const square *s, ds_value *low, ds_value *high, const size_t *crossed,
                        size_t count) {
    lowering *l = w->l;
    ds_op *loop = lw_for(l, low, high, lw_index(l, (int64_t)l->lanes), NULL, 0, NULL);
    ds_value *start = lw_for_position(loop);
    if (s->first) start = lw_binary(l, DS_LOOP_sub, start, lw_index(l, (int64_t)s->first));
    map_square(w, p, s, start, crossed, count);
    lw_end(l, loop, NULL, 0);
}

/* How many of the lanes count: all, or (of a rest that is known) some; 0: not known. */
static size_t counting_lanes(const walk *w, const lane_point *p) {
    int64_t extent;
    if (!p->mask) return w->l->lanes;
    return ds_expr_is_const(w->n->extent[p->vector], &extent) ? (size_t)extent % w->l->lanes : 0;
}

/* Lanes that read far apart: a loop over the dim along which the operand is contiguous, so that lines are read while
 * they are in the cache; by squares, the last one of which may reach back into the one before, or be of few columns. */
static void map_column(walk *w, lane_point *p, void *user) {
    lowering *l = w->l;
    size_t dim = w->n->kept - 1, crossed[CROSSED], lanes = l->lanes,
           count = crossed_operands(w, dim, (size_t)p->vector, crossed);
    ds_value *low = w->low ? w->low : lw_index(l, 0), *high = w->high ? w->high : lw_extent(l, w->n->extent[dim]);
    square s = {.dim = dim, .rows = counting_lanes(w, p), .columns = lanes};
    int64_t extent;
    bool known = ds_expr_is_const(w->n->extent[dim], &extent), squares = count && s.rows;
    if (squares && (!known || extent >= (int64_t)lanes)) {
        ds_value *step = lw_index(l, (int64_t)lanes),
                 *whole = lw_binary(l, DS_LOOP_div, lw_binary(l, DS_LOOP_sub, high, low), step);
        whole = lw_binary(l, DS_LOOP_add, low, lw_binary(l, DS_LOOP_mul, whole, step));
        map_squares(w, p, &s, low, whole, crossed, count);
        low = whole;
    }
    size_t rest = known ? (size_t)extent % lanes : SIZE_MAX;
    if (squares && rest == 0) return; /* pieces are multiples of COLUMNS */
    if (squares && known && rest > 1) {
        if (extent >= (int64_t)lanes) s.first = lanes - rest;
        else s.columns = rest;
        map_squares(w, p, &s, low, high, crossed, count);
        return;
    }
    ds_op *loop = lw_for(l, low, high, lw_index(l, 1), NULL, 0, NULL);
    p->at[dim] = lw_for_position(loop);
    map_point(w, p, user);
    lw_end(l, loop, NULL, 0);
}

/* A map, or a copy that stands for another op: by the levels of op `index`. */
static void map_by_levels(lowering *l, const ds_op *op, const ds_op *scheduled, int index, const lower_rows_at *rows) {
    nest n;
    nest_choice c;
    lane_point p = {.vector = -1};
    size_t shared = rows ? rows->shared : 0;
    nest_open(l->core, &n, scheduled, shared);
    nest_must_read(l, &n, scheduled, index, rows, &c);
    walk w = {.l = l, .n = &n, .op = op, .transposes = c.across != SIZE_MAX};
    if (w.transposes) nest_move_last(l->core, &n, c.across);
    nest_kept_loops(&w, &p, rows, &c, w.transposes ? map_column : map_point, NULL);
}

void lower_map(lowering *l, const ds_op *op, int index, const lower_rows_at *rows) {
    map_by_levels(l, op, op, index, rows);
}

/* ---- encode, concat, index ---- */

/* In a region that yields its f32 argument: yields zero for what is below DS_LEAST_WEIGHT. */
static void flush_region(lowering *l, ds_block *block) {
    ds_op *yield = block->last;
    ds_value *x = ds_op_operand(yield, 0);
    const ds_type *f32 = x->type, *b1 = ds_type_with_elem(l->cx, f32, DS_b1);
    ds_builder b = {l->m, block, yield, yield->loc};
    ds_value *limit = ds_op_result(ds_op_create(&b, DS_LOOP_constant, NULL, 0, &f32, 1, 0), 0),
             *zero = ds_op_result(ds_op_create(&b, DS_LOOP_constant, NULL, 0, &f32, 1, 0), 0),
             *size = ds_op_result(ds_op_create(&b, DS_LOOP_abs, &x, 1, &f32, 1, 0), 0);
    ds_op_set_attr(l->m, limit->op, "value", ds_attr_float(l->cx, DS_LEAST_WEIGHT));
    ds_op_set_attr(l->m, zero->op, "value", ds_attr_float(l->cx, 0));
    ds_value *pair[] = {size, limit}, *is_small = ds_op_result(ds_op_create(&b, DS_LOOP_lt, pair, 2, &b1, 1, 0), 0);
    ds_value *choice[] = {is_small, zero, x};
    ds_op_set_operand(yield, 0, ds_op_result(ds_op_create(&b, DS_LOOP_select, choice, 3, &f32, 1, 0), 0));
}

/* Walks the result's memory in order; positions that are padding get the encoding's pad. */
void lower_encode(lowering *l, const ds_op *op) {
    const ds_type *from = ds_op_operand(op, 0)->type, *to = op->results[0].type;
    const ds_expr *extents[SCHEDULE_MOST_DIMS], *logical[SCHEDULE_MOST_DIMS];
    size_t rank = ds_layout_extents(l->cx, to, extents);
    ds_layout_inverse(l->cx, to, logical);
    /* the same thing as a map over physical positions */
    ds_builder b = {l->m, op->block, (ds_op *)(uintptr_t)op, op->loc};
    const ds_type *flat = ds_type_tensor(l->cx, to->elem, rank, extents, NULL);
    bool padded = ds_layout_count(l->cx, to) != ds_type_count(l->cx, to);
    ds_op *map = ds_copy_map(&b, ds_op_operand(op, 0), flat, ds_attr_map(l->cx, rank, logical, from->rank), padded);
    if (ds_op_attr(op, "flush")) flush_region(l, ds_op_block(map, 0));
    ds_mapping_set(&l->buffers, &map->results[0], lw_buffer(l, &op->results[0]));
    map_by_levels(l, map, op, DS_OWN, NULL);
    ds_op_erase(map);
}

/* Points low … high - 1 of the first dim; all where there is none. */
static void copy_part(lowering *l, const nest *n, const ds_op *copy, ds_value *low, ds_value *high) {
    walk w = {.l = l, .n = n, .op = copy};
    lane_point p = {.rank = n->rank, .vector = -1};
    bool vector = n->rank > 0 && nest_is_contiguous(l->core, n, n->rank - 1, 1);
    if (n->rank == 0) {
        map_point(&w, &p, NULL);
    } else if (n->rank == 1 && vector) {
        vector_loop(&w, &p, 0, low, high, NULL, map_point, NULL);
    } else {
        ds_op *loop = lw_for(l, low, high, lw_index(l, 1), NULL, 0, NULL);
        p.at[0] = lw_for_position(loop);
        serial_loops(&w, &p, 1, vector, map_point, NULL);
        lw_end(l, loop, NULL, 0);
    }
}

/* One copy nest for every input, its first dim in chunks; each piece has one chunk of one input. */
void lower_concat(lowering *l, const ds_op *op) {
    const ds_type *to = op->results[0].type;
    size_t axis = (size_t)ds_op_int(op, "axis", 0);
    const ds_expr *start = ds_expr_const(l->cx, 0), *before = start;
    ds_op *pieces;
    ds_value *piece = lower_parallel(l, ds_expr_const(l->cx, (int64_t)op->operand_count), 1, false, &pieces);
    for (size_t i = 0; i < op->operand_count; i++) {
        ds_value *input = ds_op_operand(op, i);
        nest n;
        nest_open_part(l->core, &n, input->type, to, axis, start);
        const ds_expr *extent = n.rank ? n.extent[0] : ds_expr_const(l->cx, 1);
        double work = 1;
        for (size_t k = 1; k < n.rank; k++) work *= schedule_estimate(n.extent[k]);
        int64_t multiple = n.rank == 1 ? (int64_t)l->lanes * NEST_VECTORS : 1;
        int64_t chunk = schedule_chunk_of(extent, work, multiple, (double)concat_piece(l->schedule));
        const ds_expr *after = ds_expr_add(l->cx, before, ds_expr_ceildiv(l->cx, extent, ds_expr_const(l->cx, chunk)));
        ds_value *mine = lw_binary(l, DS_LOOP_and, lw_binary(l, DS_LOOP_le, lw_extent(l, before), piece),
                                   lw_binary(l, DS_LOOP_lt, piece, lw_extent(l, after)));
        ds_op *once = lw_when(l, mine);
        ds_value *low = lw_binary(l, DS_LOOP_mul, lw_binary(l, DS_LOOP_sub, piece, lw_extent(l, before)),
                                  lw_index(l, chunk)),
                 *high = lw_binary(l, DS_LOOP_min, lw_binary(l, DS_LOOP_add, low, lw_index(l, chunk)),
                                   lw_extent(l, extent));
        ds_builder b = {l->m, op->block, (ds_op *)(uintptr_t)op, op->loc};
        ds_op *copy = ds_copy_map(&b, input, to, ds_attr_identity_map(l->cx, to->rank), false);
        ds_mapping_set(&l->buffers, &copy->results[0], lw_buffer(l, &op->results[0]));
        copy_part(l, &n, copy, low, high);
        ds_op_erase(copy);
        lw_end(l, once, NULL, 0);
        start = ds_expr_add(l->cx, start, input->type->dims[axis]), before = after;
    }
    ds_op_set_attr(l->m, pieces, "pieces", ds_attr_expr(l->cx, before));
    lower_parallel_end(l, pieces);
}

void lower_index(lowering *l, const ds_op *op) {
    const ds_attr *values = ds_op_attr(op, "values");
    ds_op *pieces;
    lower_parallel(l, ds_expr_const(l->cx, 1), 1, false, &pieces);
    lane_point p = {.vector = -1};
    for (size_t i = 0; i < values->count; i++) {
        ds_value *v = lw_extent(l, ds_attr_to_expr(values->items[i]));
        v = lw_op(l, DS_LOOP_cast, &v, 1, ds_type_scalar(l->cx, op->results[0].type->elem));
        lw_store(l, v, lw_buffer(l, &op->results[0]), ds_expr_const(l->cx, (int64_t)i), &p);
    }
    lower_parallel_end(l, pieces);
}
