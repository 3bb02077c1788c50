/* Loop nests of maps and reductions: dims are put into the result's memory order and collapsed where all accesses allow it; the
 * innermost one is walked by vectors, its remainder by one masked vector. */
#include <string.h>

#include "passes/lower/lower.h"

/* The iteration space after reordering and collapsing. */
typedef struct {
    size_t rank, kept; /* dims; the first `kept` belong to the result */
    const ds_expr *extent[LOWER_MAX_DIMS];
    const ds_expr *old[LOWER_MAX_DIMS];        /* original dim -> expression over the new ones */
    const ds_expr *old_extent[LOWER_MAX_DIMS]; /* of the original dims */
    size_t old_rank;
    bool pinned[LOWER_MAX_DIMS]; /* must not be collapsed: a region or a bounds check asks for its position */
    size_t accesses;
    const ds_expr *offset[LOWER_MAX_OPERANDS]; /* operands, then results */
} nest;

/* ---- building the space ---- */

static void nest_substitute(lowering *l, nest *n, const ds_expr *const *to) {
    for (size_t i = 0; i < n->accesses; i++) n->offset[i] = ds_expr_replace_dims(l->cx, n->offset[i], to, n->rank);
    for (size_t i = 0; i < n->old_rank; i++) n->old[i] = ds_expr_replace_dims(l->cx, n->old[i], to, n->rank);
}

/* New dim i is old dim order[i]. */
static void nest_reorder(lowering *l, nest *n, const size_t *order) {
    const ds_expr *to[LOWER_MAX_DIMS], *extent[LOWER_MAX_DIMS];
    bool pinned[LOWER_MAX_DIMS];
    for (size_t i = 0; i < n->rank; i++)
        to[order[i]] = ds_expr_dim(l->cx, i), extent[i] = n->extent[order[i]], pinned[i] = n->pinned[order[i]];
    nest_substitute(l, n, to);
    memcpy(n->extent, extent, n->rank * sizeof *extent);
    memcpy(n->pinned, pinned, n->rank * sizeof *pinned);
}

static void nest_remove(lowering *l, nest *n, size_t dim, const ds_expr *value) {
    const ds_expr *to[LOWER_MAX_DIMS];
    for (size_t i = 0; i < n->rank; i++) to[i] = i == dim ? value : ds_expr_dim(l->cx, i < dim ? i : i - 1);
    nest_substitute(l, n, to);
    for (size_t i = dim + 1; i < n->rank; i++) n->extent[i - 1] = n->extent[i], n->pinned[i - 1] = n->pinned[i];
    n->rank--;
    if (dim < n->kept) n->kept--;
}

/* Dims `dim` and `dim + 1` walk memory as one in every access: coefficient(dim) = coefficient(dim + 1) * extent(dim + 1). */
static bool nest_can_collapse(lowering *l, const nest *n, size_t dim) {
    if (n->pinned[dim] || n->pinned[dim + 1] || (dim < n->kept) != (dim + 1 < n->kept)) return false;
    for (size_t i = 0; i < n->accesses; i++) {
        const ds_expr *outer, *inner, *rest;
        if (!ds_expr_linear(l->cx, n->offset[i], dim, &outer, &rest) || !ds_expr_linear(l->cx, n->offset[i], dim + 1, &inner, &rest))
            return false;
        if (outer->has_dim || inner->has_dim || outer != ds_expr_mul(l->cx, inner, n->extent[dim + 1])) return false;
    }
    return true;
}

/* dim * extent(dim+1) + dim+1 becomes the new dim. Pinned dims are never collapsed, so old positions of these two are not needed. */
static void nest_collapse(lowering *l, nest *n, size_t dim) {
    const ds_expr *to[LOWER_MAX_DIMS], *zero = ds_expr_const(l->cx, 0), *extent = ds_expr_mul(l->cx, n->extent[dim], n->extent[dim + 1]);
    for (size_t i = 0; i < n->rank; i++) to[i] = i == dim ? zero : ds_expr_dim(l->cx, i <= dim ? i : i - 1);
    nest_substitute(l, n, to);
    for (size_t i = dim + 1; i + 1 < n->rank; i++) n->extent[i] = n->extent[i + 1], n->pinned[i] = n->pinned[i + 1];
    n->extent[dim] = extent;
    n->rank--;
    if (dim < n->kept) n->kept--;
}

static void nest_tidy(lowering *l, nest *n) {
    for (size_t i = 0; i < n->rank;) {
        if (ds_expr_equals(n->extent[i], 1)) nest_remove(l, n, i, ds_expr_const(l->cx, 0));
        else i++;
    }
    for (size_t i = n->rank; i-- > 1;)
        if (nest_can_collapse(l, n, i - 1)) nest_collapse(l, n, i - 1);
}

static void pin_mentioned(nest *n, const ds_expr *e) {
    if (e->kind == DS_EXPR_DIM) n->pinned[e->value] = true;
    if (e->a) pin_mentioned(n, e->a), pin_mentioned(n, e->b);
    for (size_t i = 0; i < e->term_count; i++)
        for (size_t k = 0; k < e->terms[i].atom_count; k++) pin_mentioned(n, e->terms[i].atoms[k]);
}

static void pin_positions(nest *n, const ds_block *block) {
    for (const ds_op *op = block->first; op; op = op->next)
        if (op->kind == DS_LOOP_position) n->pinned[ds_op_int(op, "dim", 0)] = true;
}

static bool has_pad(const ds_op *op, size_t i) {
    const ds_attr *pads = ds_op_attr(op, "pads");
    return (pads && pads->items[i]->kind != DS_ATTR_UNIT) || (op->kind == DS_GRAPH_conv && i == 0);
}

/* Original index expressions of operand i, in the new dims. */
static const ds_expr *check_index(lowering *l, const nest *n, const ds_attr *map, size_t k) {
    return ds_expr_replace_dims(l->cx, map->exprs[k], n->old, n->old_rank);
}

static bool needs_check(const ds_expr *e, const ds_type *type, size_t k, const ds_expr *const *extents) {
    return !(e->kind == DS_EXPR_DIM && extents[e->value] == type->dims[k]);
}

static void nest_open(lowering *l, nest *n, const ds_op *op, const ds_expr *const *over, size_t over_count) {
    const ds_type *out = op->results[0].type;
    *n = (nest){.rank = out->rank + over_count, .kept = out->rank, .old_rank = out->rank + over_count};
    for (size_t i = 0; i < n->rank; i++)
        n->extent[i] = n->old_extent[i] = i < out->rank ? out->dims[i] : over[i - out->rank], n->old[i] = ds_expr_dim(l->cx, i);
    for (size_t i = 0; i < op->operand_count; i++) {
        const ds_attr *map = ds_op_map(op, i);
        n->offset[n->accesses++] = ds_layout_offset(l->cx, ds_op_operand(op, i)->type, map->exprs);
        if (has_pad(op, i))
            for (size_t k = 0; k < map->count; k++)
                if (needs_check(map->exprs[k], ds_op_operand(op, i)->type, k, n->extent)) pin_mentioned(n, map->exprs[k]);
    }
    for (size_t r = 0; r < op->result_count; r++) {
        const ds_type *type = op->results[r].type;
        const ds_expr *where[LOWER_MAX_DIMS];
        for (size_t i = 0; i < type->rank; i++) where[i] = ds_expr_equals(type->dims[i], 1) ? ds_expr_const(l->cx, 0) : n->old[i];
        n->offset[n->accesses++] = ds_layout_offset(l->cx, type, where);
    }
    for (size_t r = 0; r < op->region_count; r++) pin_positions(n, ds_op_block(op, r));
}

/* The order in which the result's dims lie in memory. */
static void memory_order(const ds_type *type, size_t rank, size_t *order) {
    const ds_attr *map = ds_attr_find(type->encoding, "map");
    for (size_t i = 0; i < rank; i++) order[i] = i;
    if (!map || map->count != type->rank) return;
    for (size_t i = 0; i < map->count; i++)
        if (map->exprs[i]->kind != DS_EXPR_DIM) return;
    for (size_t i = 0; i < map->count; i++) order[i] = (size_t)map->exprs[i]->value;
}

/* ---- reading operands ---- */

static ds_value *conjunction(lowering *l, ds_value *a, ds_value *b) { return !a ? b : !b ? a : lw_binary(l, DS_LOOP_and, a, b); }

/* A dim's index expression as scalar, or as vector where it moves with the lanes. */
static ds_value *index_value(lowering *l, const ds_expr *e, const lane_point *p) {
    const ds_expr *coefficient, *rest;
    bool linear = p->vector < 0 || ds_expr_linear(l->cx, e, (size_t)p->vector, &coefficient, &rest);
    if (p->vector < 0 || (linear && ds_expr_equals(coefficient, 0))) return lw_apply(l, e, p->at, p->rank);
    ds_value *at[LOWER_MAX_DIMS];
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
        if (!needs_check(map->exprs[k], type, k, n->old_extent) || ds_expr_equals(e, 0)) continue;
        ds_value *v = index_value(l, e, p), *zero = lw_index(l, 0), *end = lw_extent(l, type->dims[k]);
        all = conjunction(l, all, conjunction(l, lw_binary(l, DS_LOOP_le, zero, v), lw_binary(l, DS_LOOP_lt, v, end)));
    }
    return all;
}

static ds_value *pad_constant(lowering *l, const ds_attr *pad, ds_elem elem) {
    ds_value *v = lw_op(l, DS_LOOP_constant, NULL, 0, ds_type_scalar(l->cx, elem));
    ds_op_set_attr(l->m, v->op, "value",
                   ds_elem_is_float(elem) ? ds_attr_float(l->cx, pad ? pad->number : 0) : ds_attr_int(l->cx, pad ? pad->integer : 0));
    return v;
}

static bool is_zero(const ds_attr *pad) { return !pad || (pad->number == 0 && pad->integer == 0); }

/* What flows between ops that share rows lies in scratch memory with room for a whole vector behind a row, so nothing of it is masked: a
 * masked store would hold up the loads that follow. (What is written past a row is written again by the next one.) */
static bool is_temporary(const lowering *l, const ds_value *v) {
    if (v == l->in_result || !v->op || !v->uses || v->op->block->region->op->kind != DS_GRAPH_kernel) return false;
    for (const ds_use *use = v->uses; use; use = use->next)
        if (use->owner->kind == DS_GRAPH_yield) return false;
    return true;
}

static lane_value read_operand(lowering *l, const nest *n, const ds_op *op, size_t i, const lane_point *p) {
    ds_value *tensor = ds_op_operand(op, i), *valid = has_pad(op, i) ? inside(l, n, op, i, p) : NULL;
    lane_point whole = *p;
    if (is_temporary(l, tensor)) whole.mask = NULL;
    ds_value *v = lw_load(l, lw_buffer(l, tensor), n->offset[i], &whole, valid);
    const ds_attr *pads = ds_op_attr(op, "pads"), *pad = pads ? pads->items[i] : NULL;
    if (valid && !is_zero(pad)) {
        ds_value *outside = pad_constant(l, pad, tensor->type->elem);
        bool vector = v->type->kind == DS_TYPE_VECTOR || valid->type->kind == DS_TYPE_VECTOR;
        ds_value *operands[] = {valid, v, outside};
        if (vector)
            for (size_t k = 0; k < 3; k++) operands[k] = lw_splat(l, operands[k]);
        v = lw_op(l, DS_LOOP_select, operands, 3, operands[1]->type);
    }
    return (lane_value){v, NULL};
}

static void read_operands(lowering *l, const nest *n, const ds_op *op, const lane_point *p, lane_value *out) {
    for (size_t i = 0; i < op->operand_count; i++) out[i] = read_operand(l, n, op, i, p);
}

/* ---- loops ---- */

typedef struct {
    lowering *l;
    const nest *n;
    const ds_op *op;
    bool transposes;      /* the last kept dim is walked one by one inside the lanes' loop, */
    ds_value *low, *high; /* in this range; NULL: all of it */
} walk;

/* Fixes the leading dims that the kernel's common loops walk; returns how many. */
static size_t fix_rows(const lower_rows *rows, lane_point *p) {
    size_t count = rows ? rows->shared : 0;
    for (size_t i = 0; i < count; i++) p->at[i] = rows->at[i];
    return count;
}

static bool vector_dim_works(lowering *l, const nest *n, size_t dim, size_t access) {
    const ds_expr *coefficient, *rest;
    return ds_expr_linear(l->cx, n->offset[access], dim, &coefficient, &rest) && ds_expr_equals(coefficient, 1);
}

/* Runs `body` for every lane group of the innermost dim: whole vectors, then one masked rest. */
typedef void lane_body(walk *w, lane_point *p, void *user);

static void vector_loop(walk *w, lane_point *p, size_t dim, ds_value *low, ds_value *high, const ds_expr *extent, lane_body *body,
                        void *user) {
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

/* A range of a dim that a piece has: from `start`, in chunks as lower_parallel has chosen. */
static ds_value *end_of_chunk(lowering *l, const ds_op *pieces, ds_value *start, const ds_expr *extent) {
    ds_value *chunk = lw_index(l, ds_op_int(pieces, "chunk", 1));
    return lw_binary(l, DS_LOOP_min, lw_binary(l, DS_LOOP_add, start, chunk), lw_extent(l, extent));
}

enum { FEW_PIECES = 16, VECTORS = 4, COLUMNS = 16 }; /* pieces are multiples of so many vectors, or columns, which fill a line */

static double guess(const ds_expr *extent) {
    double size = lower_estimate(extent);
    return size < 1 ? 1 : size;
}

/* Loops over kept dims, in pieces: of the first dims, taken as one until there are enough; of a transposed map's columns where those dims
 * are short; of whole vectors where there is one dim. `work` is that of one point. */
static void kept_loops(walk *w, lane_point *p, size_t fixed, bool vector, bool parallel, double work, lane_body *body, void *user) {
    lowering *l = w->l;
    const nest *n = w->n;
    size_t end = n->kept - w->transposes, whole = end - (vector && end > fixed), dim = fixed;
    ds_op *pieces = NULL;
    p->rank = n->rank, p->vector = -1, p->mask = NULL;
    if (!parallel) {
        serial_loops(w, p, fixed, vector, body, user);
        return;
    }
    const ds_expr *total = ds_expr_const(l->cx, 1);
    for (size_t i = fixed; i < n->kept; i++) work *= guess(n->extent[i]);
    while (dim < whole && (dim == fixed || (guess(total) < FEW_PIECES && work > LOWER_PIECE_WORK))) {
        total = ds_expr_mul(l->cx, total, n->extent[dim]);
        work /= guess(n->extent[dim++]);
    }
    bool by_vectors = vector && whole == fixed;
    double most = by_vectors ? guess(n->extent[fixed]) / (double)(l->lanes * VECTORS) : guess(total);
    if (w->transposes && most < FEW_PIECES) {
        const ds_expr *columns = n->extent[n->kept - 1];
        w->low = lower_parallel(l, columns, work * guess(total) / guess(columns), COLUMNS, &pieces);
        w->high = end_of_chunk(l, pieces, w->low, columns);
        serial_loops(w, p, fixed, vector, body, user);
    } else if (by_vectors) {
        const ds_expr *extent = n->extent[fixed];
        ds_value *start = lower_parallel(l, extent, work / guess(extent), (int64_t)l->lanes * VECTORS, &pieces);
        int64_t known;
        bool exact = ds_expr_is_const(extent, &known) && known % (int64_t)l->lanes == 0;
        vector_loop(w, p, fixed, start, end_of_chunk(l, pieces, start, extent), exact ? extent : NULL, body, user);
    } else {
        ds_value *number = lower_parallel(l, total, work, 1, &pieces);
        for (size_t i = dim; i-- > fixed;) p->at[i] = i == fixed ? number : lw_digit(l, &number, n->extent[i]);
        serial_loops(w, p, dim, vector, body, user);
    }
    lower_parallel_end(l, pieces);
}

/* ---- maps ---- */

static void map_point(walk *w, lane_point *p, void *user) {
    lane_value args[LOWER_MAX_OPERANDS], yields[16];
    (void)user;
    read_operands(w->l, w->n, w->op, p, args);
    lw_region(w->l, ds_op_block(w->op, 0), args, w->n->old, p, yields);
    for (size_t r = 0; r < w->op->result_count; r++) {
        lane_point whole = *p;
        if (is_temporary(w->l, &w->op->results[r])) whole.mask = NULL;
        lw_store(w->l, yields[r].v, lw_buffer(w->l, &w->op->results[r]), w->n->offset[w->op->operand_count + r], &whole);
    }
}

/* Lanes that read far apart: a loop over the dim along which the operand is contiguous, so that lines are read while they are in the cache.
 */
static void map_column(walk *w, lane_point *p, void *user) {
    lowering *l = w->l;
    size_t dim = w->n->kept - 1;
    ds_value *low = w->low ? w->low : lw_index(l, 0), *high = w->high ? w->high : lw_extent(l, w->n->extent[dim]);
    ds_op *loop = lw_for(l, low, high, lw_index(l, 1), NULL, 0, NULL);
    p->at[dim] = lw_for_position(loop);
    map_point(w, p, user);
    lw_end(l, loop, NULL, 0);
}

/* The dim along which an operand is contiguous, where the lanes' dim (the last) reads it far apart; SIZE_MAX when there is none. */
static size_t transposed_dim(lowering *l, const nest *n, const ds_op *op) {
    const ds_expr *coefficient, *rest;
    for (size_t i = 0; n->rank > 1 && i < op->operand_count; i++) {
        if (!ds_expr_linear(l->cx, n->offset[i], n->rank - 1, &coefficient, &rest)) continue;
        if (ds_expr_equals(coefficient, 0) || ds_expr_equals(coefficient, 1)) continue;
        for (size_t d = 0; d + 1 < n->rank; d++)
            if (vector_dim_works(l, n, d, i) && lower_estimate(n->extent[d]) >= 4) return d;
    }
    return SIZE_MAX;
}

static double region_work(const ds_block *block) {
    double work = 1;
    for (const ds_op *op = block->first; op; op = op->next) work += op->kind >= DS_LOOP_exp && op->kind <= DS_LOOP_gelu ? 10 : 1;
    return work;
}

/* Puts rows first, then the result's memory order, and collapses what is left. */
static void nest_arrange(lowering *l, nest *n, const ds_op *op, const lower_rows *rows) {
    size_t order[LOWER_MAX_DIMS];
    size_t out_rank = op->results[0].type->rank;
    memory_order(op->results[0].type, out_rank, order);
    for (size_t i = out_rank; i < n->rank; i++) order[i] = i;
    nest_reorder(l, n, order);
    if (rows && rows->shared) {
        for (size_t i = 0; i < rows->shared; i++) n->pinned[i] = true;
        for (size_t i = rows->shared; i < n->rank;)
            if (ds_expr_equals(n->extent[i], 1)) nest_remove(l, n, i, ds_expr_const(l->cx, 0));
            else i++;
        for (size_t i = n->rank; i-- > rows->shared + 1;)
            if (nest_can_collapse(l, n, i - 1)) nest_collapse(l, n, i - 1);
    } else nest_tidy(l, n);
}

void lower_map(lowering *l, const ds_op *op, const lower_rows *rows, bool parallel) {
    nest n;
    lane_point p = {.vector = -1};
    nest_open(l, &n, op, NULL, 0);
    nest_arrange(l, &n, op, rows);
    size_t fixed = fix_rows(rows, &p);
    bool vector = n.rank > fixed && vector_dim_works(l, &n, n.rank - 1, op->operand_count);
    walk w = {.l = l, .n = &n, .op = op};
    size_t across = vector && !rows ? transposed_dim(l, &n, op) : SIZE_MAX;
    if (across != SIZE_MAX) {
        size_t order[LOWER_MAX_DIMS], count = 0;
        for (size_t i = 0; i < n.rank; i++)
            if (i != across) order[count++] = i;
        order[count] = across;
        nest_reorder(l, &n, order);
        w.transposes = true;
    }
    kept_loops(&w, &p, fixed, vector, parallel, region_work(ds_op_block(op, 0)), w.transposes ? map_column : map_point, NULL);
}

/* ---- reductions ---- */

typedef struct {
    bool over_vector; /* the lanes walk a reduced dim */
    size_t results;
} reduce_state;

static ds_value *initial(lowering *l, const ds_op *op, size_t r, bool vector) {
    const ds_attr *init = ds_op_attr(op, "init");
    ds_value *v = pad_constant(l, init ? init->items[r] : NULL, op->results[r].type->elem);
    return vector ? lw_splat(l, v) : v;
}

static void combine(lowering *l, const ds_op *op, const lane_point *p, ds_value *const *acc, const lane_value *fresh, ds_value **out) {
    lane_value args[32], yields[16];
    size_t n = op->result_count;
    for (size_t r = 0; r < n; r++) args[r] = (lane_value){acc[r], NULL}, args[n + r] = fresh[r];
    lw_region(l, ds_op_block(op, 1), args, NULL, p, yields);
    for (size_t r = 0; r < n; r++) out[r] = yields[r].v;
}

/* One step of the innermost reduction loop. With a mask over a reduced dim, lanes outside keep what they have. */
static void accumulate(walk *w, const lane_point *p, bool masked_reduction, ds_value *const *acc, ds_value **out) {
    lowering *l = w->l;
    lane_value args[LOWER_MAX_OPERANDS], fresh[16];
    read_operands(l, w->n, w->op, p, args);
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

enum { BLOCK = 128 }; /* steps whose sum is formed on its own: the error of a long sum grows with the number of blocks, not of elements */

/* for (at = low; at < high; at += step) accumulate */
static void step_loop(walk *w, lane_point *p, size_t dim, bool lanes_here, ds_value *low, ds_value *high, ds_value *step, size_t chains,
                      ds_value *const *acc, ds_value **out) {
    lowering *l = w->l;
    size_t count = w->op->result_count;
    ds_value *inner[16], *next[16];
    ds_op *loop = lw_for(l, low, high, lw_binary(l, DS_LOOP_mul, step, lw_index(l, (int64_t)chains)), acc, chains * count, inner);
    p->vector = lanes_here ? (int)dim : p->vector;
    for (size_t c = 0; c < chains; c++) {
        p->at[dim] = lw_for_position(loop);
        if (c) p->at[dim] = lw_binary(l, DS_LOOP_add, p->at[dim], lw_binary(l, DS_LOOP_mul, step, lw_index(l, (int64_t)c)));
        accumulate(w, p, false, inner + c * count, next + c * count);
    }
    if (lanes_here) p->vector = -1;
    lw_end(l, loop, next, chains * count);
    for (size_t r = 0; r < chains * count; r++) out[r] = ds_op_result(loop, r);
}

enum { CHAINS = 4 }; /* one accumulator would wait for the last step's result */

/* The same with some chains of steps, combined in pairs. */
static void chained_loop(walk *w, lane_point *p, size_t dim, bool lanes_here, ds_value *low, ds_value *high, ds_value *step, bool is_long,
                         ds_value *const *acc, ds_value **out) {
    lowering *l = w->l;
    size_t count = w->op->result_count;
    if (!is_long || !lanes_here || CHAINS * count > 16) {
        step_loop(w, p, dim, lanes_here, low, high, step, 1, acc, out);
        return;
    }
    ds_value *all[16], *wide = lw_binary(l, DS_LOOP_mul, step, lw_index(l, CHAINS)), *span = lw_binary(l, DS_LOOP_sub, high, low);
    ds_value *whole = lw_binary(l, DS_LOOP_add, low, lw_binary(l, DS_LOOP_mul, lw_binary(l, DS_LOOP_div, span, wide), wide));
    for (size_t r = 0; r < CHAINS * count; r++) all[r] = r < count ? acc[r] : initial(l, w->op, r % count, true);
    step_loop(w, p, dim, lanes_here, low, whole, step, CHAINS, all, all);
    for (size_t half = CHAINS / 2; half; half /= 2)
        for (size_t c = 0; c < half; c++) {
            lane_value fresh[16];
            for (size_t r = 0; r < count; r++) fresh[r] = (lane_value){all[(c + half) * count + r], NULL};
            combine(l, w->op, p, all + c * count, fresh, all + c * count);
        }
    step_loop(w, p, dim, lanes_here, whole, high, step, 1, all, out);
}

/* A loop of accumulations along `dim`; sums of very many in blocks. */
static void sum_loop(walk *w, lane_point *p, size_t dim, bool lanes_here, ds_value *low, ds_value *high, ds_value *step, bool is_long,
                     bool in_blocks, ds_value *const *acc, ds_value **out) {
    lowering *l = w->l;
    size_t count = w->op->result_count;
    if (!in_blocks) {
        chained_loop(w, p, dim, lanes_here, low, high, step, is_long, acc, out);
        return;
    }
    ds_value *next[16], *outer_acc[16], *span = lw_binary(l, DS_LOOP_mul, step, lw_index(l, BLOCK));
    ds_op *blocks = lw_for(l, low, high, span, acc, count, outer_acc);
    low = lw_for_position(blocks);
    high = lw_binary(l, DS_LOOP_min, lw_binary(l, DS_LOOP_add, low, span), high);
    for (size_t r = 0; r < count; r++) next[r] = initial(l, w->op, r, acc[r]->type->kind == DS_TYPE_VECTOR);
    chained_loop(w, p, dim, lanes_here, low, high, step, is_long, next, out);
    lane_value fresh[16];
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
    ds_value *inner[16], *next[16];
    bool innermost = dim + 1 == w->n->rank, lanes_here = over_vector && innermost;
    ds_value *low = lw_index(l, 0), *high = lw_extent(l, extent), *step = lw_index(l, lanes_here ? (int64_t)l->lanes : 1), *whole = high;
    int64_t fixed, lanes = (int64_t)l->lanes;
    bool known = ds_expr_is_const(extent, &fixed), rest = lanes_here && !(known && fixed % lanes == 0);
    if (rest) whole = lw_binary(l, DS_LOOP_mul, lw_binary(l, DS_LOOP_div, high, step), step);
    memcpy(next, acc, count * sizeof *next);
    if (innermost && !(lanes_here && known && fixed < lanes)) {
        bool in_blocks = is_float_sum(w->op) && (!known || fixed > 2 * BLOCK * (lanes_here ? lanes : 1));
        sum_loop(w, p, dim, lanes_here, low, whole, step, !known || fixed >= 2 * CHAINS * lanes, in_blocks, acc, next);
    } else if (!innermost) {
        ds_op *loop = lw_for(l, low, whole, step, acc, count, inner);
        p->at[dim] = lw_for_position(loop);
        over_loops(w, p, dim + 1, over_vector, inner, next);
        lw_end(l, loop, next, count);
        for (size_t r = 0; r < count; r++) next[r] = ds_op_result(loop, r);
    }
    if (rest) {
        ds_op *loop = lw_for(l, whole, high, step, next, count, inner);
        ds_value *after[16];
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
    const ds_type *types[16];
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
            ds_value *yields[16];
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
    ds_value *acc[16], *mask = p->mask;
    int vector = p->vector;
    for (size_t r = 0; r < state->results; r++) acc[r] = initial(l, w->op, r, vector >= 0 || state->over_vector);
    lane_point inner = *p; /* a mask of kept lanes only guards reads */
    ds_value *sums[16];
    bool folds = vector < 0 && state->over_vector && w->n->rank > w->n->kept;
    if (w->n->rank == w->n->kept) accumulate(w, &inner, false, acc, sums);
    else over_loops(w, &inner, w->n->kept, folds, acc, sums);
    memcpy(acc, sums, state->results * sizeof *acc);
    if (folds) fold_lanes(l, w->op, acc);
    p->vector = vector, p->mask = mask;
    for (size_t r = 0; r < state->results; r++)
        lw_store(l, acc[r], lw_buffer(l, &w->op->results[r]), w->n->offset[w->op->operand_count + r], p);
}

/* True when the lanes should walk the last reduced dim: the first operand is contiguous there and not along the result's last dim. */
static bool prefer_over_vector(lowering *l, const nest *n, const ds_op *op, size_t fixed) {
    if (n->kept == n->rank) return false;
    bool kept_works = n->kept > fixed && vector_dim_works(l, n, n->kept - 1, op->operand_count);
    size_t over = 0, kept = 0;
    for (size_t i = 0; i < op->operand_count; i++)
        over += vector_dim_works(l, n, n->rank - 1, i), kept += kept_works && vector_dim_works(l, n, n->kept - 1, i);
    return !kept_works || over > kept;
}

void lower_reduce(lowering *l, const ds_op *op, const lower_rows *rows, bool parallel) {
    const ds_attr *over = ds_op_attr(op, "over");
    const ds_expr *extents[LOWER_MAX_DIMS];
    double work = region_work(ds_op_block(op, 0)) + 1;
    nest n;
    lane_point p = {.vector = -1};
    for (size_t i = 0; i < over->count; i++) extents[i] = ds_attr_to_expr(l->cx, over->items[i]), work *= lower_estimate(extents[i]);
    nest_open(l, &n, op, extents, over->count);
    nest_arrange(l, &n, op, rows);
    size_t fixed = fix_rows(rows, &p);
    reduce_state state = {prefer_over_vector(l, &n, op, fixed), op->result_count};
    bool vector = !state.over_vector && n.kept > fixed && vector_dim_works(l, &n, n.kept - 1, op->operand_count);
    walk w = {.l = l, .n = &n, .op = op};
    kept_loops(&w, &p, fixed, vector, parallel, work, reduce_point, &state);
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
    const ds_expr *extents[LOWER_MAX_DIMS], *logical[LOWER_MAX_DIMS];
    size_t rank = ds_layout_extents(l->cx, to, extents);
    ds_layout_inverse(l->cx, to, logical);
    /* the same thing as a map over physical positions */
    ds_builder b = {l->m, op->block, (ds_op *)(uintptr_t)op, op->loc};
    const ds_type *flat = ds_type_tensor(l->cx, to->elem, rank, extents, NULL);
    ds_value *input = ds_op_operand(op, 0);
    bool padded = ds_layout_count(l->cx, to) != ds_type_count(l->cx, to);
    ds_op *map = ds_copy_map(&b, input, flat, ds_attr_map(l->cx, rank, logical, from->rank), padded);
    if (ds_op_attr(op, "flush")) flush_region(l, ds_op_block(map, 0));
    ds_mapping_set(&l->buffers, &map->results[0], lw_buffer(l, &op->results[0]));
    lower_map(l, map, NULL, true);
    ds_op_erase(map);
}

/* The nest that copies one input to its place. */
static void open_part(lowering *l, nest *n, const ds_type *from, const ds_type *to, size_t axis, const ds_expr *start) {
    const ds_expr *where[LOWER_MAX_DIMS];
    size_t order[LOWER_MAX_DIMS];
    *n = (nest){.rank = to->rank, .kept = to->rank, .old_rank = to->rank, .accesses = 2};
    for (size_t k = 0; k < to->rank; k++) {
        n->extent[k] = from->dims[k], n->old[k] = ds_expr_dim(l->cx, k);
        where[k] = k == axis ? ds_expr_add(l->cx, n->old[k], start) : n->old[k];
    }
    n->offset[0] = ds_layout_offset(l->cx, from, n->old);
    n->offset[1] = ds_layout_offset(l->cx, to, where);
    memory_order(to, to->rank, order);
    nest_reorder(l, n, order);
    nest_tidy(l, n);
}

/* Points low … high - 1 of the first dim; all where there is none. */
static void copy_part(lowering *l, const nest *n, const ds_op *copy, ds_value *low, ds_value *high) {
    walk w = {.l = l, .n = n, .op = copy};
    lane_point p = {.rank = n->rank, .vector = -1};
    bool vector = n->rank > 0 && vector_dim_works(l, n, n->rank - 1, 1);
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
    ds_value *piece = lower_parallel(l, ds_expr_const(l->cx, (int64_t)op->operand_count), 1e9, 1, &pieces);
    for (size_t i = 0; i < op->operand_count; i++) {
        ds_value *input = ds_op_operand(op, i);
        nest n;
        open_part(l, &n, input->type, to, axis, start);
        const ds_expr *extent = n.rank ? n.extent[0] : ds_expr_const(l->cx, 1);
        double work = 1;
        for (size_t k = 1; k < n.rank; k++) work *= lower_estimate(n.extent[k]);
        int64_t chunk = lower_chunk(extent, work, n.rank == 1 ? (int64_t)l->lanes * VECTORS : 1);
        const ds_expr *after = ds_expr_add(l->cx, before, ds_expr_ceildiv(l->cx, extent, ds_expr_const(l->cx, chunk)));
        ds_value *mine = lw_binary(l, DS_LOOP_and, lw_binary(l, DS_LOOP_le, lw_extent(l, before), piece),
                                   lw_binary(l, DS_LOOP_lt, piece, lw_extent(l, after)));
        ds_op *once = lw_when(l, mine);
        ds_value *low = lw_binary(l, DS_LOOP_mul, lw_binary(l, DS_LOOP_sub, piece, lw_extent(l, before)), lw_index(l, chunk)),
                 *high = lw_binary(l, DS_LOOP_min, lw_binary(l, DS_LOOP_add, low, lw_index(l, chunk)), lw_extent(l, extent));
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
    lower_parallel(l, ds_expr_const(l->cx, 1), 1, 1, &pieces);
    lane_point p = {.vector = -1};
    for (size_t i = 0; i < values->count; i++) {
        ds_value *v = lw_extent(l, ds_attr_to_expr(l->cx, values->items[i]));
        v = lw_op(l, DS_LOOP_cast, &v, 1, ds_type_scalar(l->cx, op->results[0].type->elem));
        lw_store(l, v, lw_buffer(l, &op->results[0]), ds_expr_const(l->cx, (int64_t)i), &p);
    }
    lower_parallel_end(l, pieces);
}
