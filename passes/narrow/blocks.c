/* Weights of a few bits, with a scale and maybe a zero point for each block of what is summed.
 *
 *   before   %a = map(%w, %z, %s) { (%w[n, k] - %z[n, k floordiv 32]) * %s[n, k floordiv 32] }   %y = "graph.matmul"(%x, %a)
 *   after    %y = "graph.matmul"(%x, %w, %s, %z) : (… f32, … i4, … f32, … i8) -> … f32
 *
 * Where the left factor is bytes with a scale that is the same along what is summed, or may be rounded (attribute `rounds`)
 * and becomes whole numbers with a scale for each block, too, a block's sum is one of whole numbers. A zero point of such
 * bytes goes off the result:  %y = map(%p, %s, %sums of %a) { %p - %s * zero * %sums }
 *
 * Rows of ir/mma.def have signed numbers: of others half of what they can be is taken off, and off their zero points.
 */
#include "passes/narrow/narrow.h"

#include <string.h>

/* Blocks along the one dim that is summed, of whole steps; nothing else is said of it. */
static bool are_blocks(narrowing *n, const ds_contraction *c, const ds_attr *map, const ds_mma *mma) {
    int64_t size = 0;
    for (size_t i = 0; i < map->count; i++) {
        const ds_expr *e = map->exprs[i];
        if (!nw_mentions(n->cx, e, c->rank, c->rank + 1)) continue;
        if (size || e->kind != DS_EXPR_FLOORDIV || e->a != ds_expr_dim(n->cx, c->rank)) return false;
        if (!ds_expr_is_const(e->b, &size) || size < ds_mma_panel(mma).group || (size & (size - 1))) return false;
    }
    return true;
}

/* How many elements of k share a number that is read so; 0: all do. */
static int64_t block_size(const ds_attr *map, size_t k) {
    for (size_t i = 0; i < map->count; i++) {
        const ds_expr *e = map->exprs[i];
        if (e->kind == DS_EXPR_FLOORDIV && e->a->kind == DS_EXPR_DIM && (size_t)e->a->value == k) return e->b->value;
    }
    return 0;
}

/* The part as the points of the product read it. */
static const ds_attr *seen_by(narrowing *n, const ds_contraction *c, const ds_attr *access, const part *p) {
    const ds_expr *e[NARROW_MOST_RANK];
    for (size_t i = 0; i < p->map->count; i++)
        e[i] = ds_expr_replace_dims(n->cx, p->map->exprs[i], access->exprs, access->count);
    return ds_attr_map(n->cx, c->rank + c->over_count, e, p->map->count);
}

/* As another type, less a number. */
static ds_value *moved(narrowing *n, ds_op *before, ds_value *v, ds_elem to, int64_t less, ds_elem sum) {
    const part own = {v, ds_attr_identity_map(n->cx, v->type->rank)};
    if (v->type->elem == to && !less) return v;
    region r = nw_open_map(n, before, ds_type_with_elem(n->cx, v->type, to), &own, 1);
    ds_value *x = nw_cast(&r, r.args[0], sum);
    if (less) x = nw_binary(&r, DS_LOOP_sub, x, nw_number(&r, sum, less));
    nw_yield(&r, nw_cast(&r, x, to));
    return ds_op_result(r.op, 0);
}

/* The number for every scale. */
static part same_everywhere(narrowing *n, ds_op *before, const part *scale, ds_elem elem, int64_t value) {
    const part own = {scale->v, ds_attr_identity_map(n->cx, scale->v->type->rank)};
    region r = nw_open_map(n, before, ds_type_with_elem(n->cx, scale->v->type, elem), &own, 1);
    nw_yield(&r, nw_number(&r, elem, value));
    return (part){ds_op_result(r.op, 0), scale->map};
}

/* What this target reads beside weights: numbers of the sum, or what a row widens one by one. */
static ds_elem beside(narrowing *n, ds_elem elem, ds_elem sum) {
    const ds_mma *mma = ds_mma_for(n->target, sum, elem, sum);
    return mma && mma->k == 1 ? elem : sum;
}

static ds_elem signed_of(ds_elem elem) { return ds_elem_of_bits(ds_elem_facts(elem)->bits, true); }

static bool is_read_alike(const factor *f) { return !f->zero.v || f->zero.map == f->scale.map; }

/* What a product reads through copies, as transposes are, and where. */
static ds_value *source_of(narrowing *n, ds_value *v, const ds_attr **access) {
    const ds_expr *e[NARROW_MOST_RANK];
    for (; v->op && ds_is_copy_map(v->op) && ds_op_map(v->op, 0)->count <= NARROW_MOST_RANK;
         v = ds_op_operand(v->op, 0)) {
        const ds_attr *map = ds_op_map(v->op, 0);
        for (size_t i = 0; i < map->count; i++)
            e[i] = ds_expr_replace_dims(n->cx, map->exprs[i], (*access)->exprs, (*access)->count);
        *access = ds_attr_map(n->cx, (size_t)(*access)->integer, e, map->count);
    }
    return v;
}

/* Scales have `rank` dims. *out_access: where the product reads the weights. */
static bool take_weights(narrowing *n, const ds_op *op, const ds_contraction *c, size_t rank, factor *f,
                         const ds_attr **out_access) {
    *out_access = ds_op_map(op, 1);
    ds_value *weights = source_of(n, ds_op_operand(op, 1), out_access);
    const ds_attr *access = *out_access;
    ds_elem sum = op->results[0].type->elem;
    if (!ds_elem_is_float(sum) || ds_op_operand(op, 0)->type->elem != sum) return false;
    if (!nw_weights_of(weights, f) || f->x->type->rank != 2 || f->scale.v->type->rank != rank) return false;
    if (!nw_is_fixed(f->x) || !nw_is_fixed(f->scale.v) || (f->zero.v && !nw_is_fixed(f->zero.v))) return false;
    for (size_t i = 0; i < access->count; i++)
        if (access->exprs[i]->kind != DS_EXPR_DIM) return false;
    const ds_mma *mma = ds_mma_for(n->target, sum, signed_of(f->x->type->elem), sum);
    return mma && is_read_alike(f) && are_blocks(n, c, seen_by(n, c, access, &f->scale), mma);
}

/* Weights, scales and zero points in the forms that rows take. */
static void take_forms(narrowing *n, ds_op *op, factor *f, ds_elem sum) {
    ds_elem elem = f->x->type->elem;
    bool is_float = f->zero.v && ds_elem_is_float(f->zero.v->type->elem);
    int64_t half = ds_elem_is_unsigned(elem) ? 1 << (ds_elem_facts(elem)->bits - 1) : 0;
    ds_elem of_zero = is_float ? sum : beside(n, ds_elem_of_bits(8, true), sum);
    f->x = moved(n, op, f->x, signed_of(elem), half, sum);
    f->scale.v = moved(n, op, f->scale.v, beside(n, f->scale.v->type->elem, sum), 0, sum);
    if (f->zero.v) f->zero.v = moved(n, op, f->zero.v, of_zero, half, sum);
    else if (half) f->zero = same_everywhere(n, op, &f->scale, of_zero, -half);
}

/* ---- the left factor, where its blocks may be rounded ---- */

/* The largest magnitude of each block of the left factor: of all dims but the last, and of blocks. */
static ds_value *largest_of_blocks(narrowing *n, ds_op *before, ds_value *x, int64_t size) {
    const ds_expr *dims[NARROW_MOST_RANK], *at[NARROW_MOST_RANK], *over = ds_expr_const(n->cx, size);
    size_t rank = x->type->rank, last = rank - 1;
    ds_elem elem = x->type->elem;
    for (size_t i = 0; i < rank; i++) dims[i] = x->type->dims[i], at[i] = ds_expr_dim(n->cx, i);
    dims[last] = ds_expr_floordiv(n->cx, dims[last], over);
    at[last] = ds_expr_add(n->cx, ds_expr_scale(n->cx, at[last], size), ds_expr_dim(n->cx, rank));
    const ds_type *type = ds_type_tensor(n->cx, elem, rank, dims, NULL);
    const ds_attr *map = ds_attr_map(n->cx, rank + 1, at, rank), *zero = ds_attr_float(n->cx, 0);
    ds_builder b = {n->m, before->block, before, before->loc};
    ds_op *reduce = ds_op_create(&b, DS_GRAPH_reduce, &x, 1, &type, 1, 2);
    ds_op_set_attr(n->m, reduce, "maps", ds_attr_array(n->cx, &map, 1));
    ds_op_set_attr(n->m, reduce, "over", ds_attr_exprs(n->cx, &over, 1));
    ds_op_set_attr(n->m, reduce, "init", ds_attr_array(n->cx, &zero, 1));
    region each = nw_open_region(n, reduce, 0);
    ds_value *v = nw_argument(&each, elem);
    nw_yield(&each, ds_op_result(ds_op_create(&each.in, DS_LOOP_abs, &v, 1, &v->type, 1, 0), 0));
    region both = nw_open_region(n, reduce, 1);
    ds_value *a = nw_argument(&both, elem), *c = nw_argument(&both, elem);
    nw_yield(&both, nw_binary(&both, DS_LOOP_max, a, c));
    return ds_op_result(reduce, 0);
}

/* The left factor as whole numbers of a type, and the scale of each block: its largest magnitude is the type's. */
static void round_left(narrowing *n, ds_op *before, ds_value *x, int64_t size, ds_elem to, ds_value **out) {
    size_t rank = x->type->rank;
    const ds_expr *at[NARROW_MOST_RANK];
    ds_value *most = largest_of_blocks(n, before, x, size);
    const part own = {most, ds_attr_identity_map(n->cx, rank)};
    region s = nw_open_map(n, before, most->type, &own, 1);
    ds_value *top = nw_number(&s, x->type->elem, ((int64_t)1 << (ds_elem_facts(to)->bits - 1)) - 1);
    nw_yield(&s, nw_binary(&s, DS_LOOP_div, s.args[0], top));
    out[1] = ds_op_result(s.op, 0);
    for (size_t i = 0; i < rank; i++) at[i] = ds_expr_dim(n->cx, i);
    at[rank - 1] = ds_expr_floordiv(n->cx, at[rank - 1], ds_expr_const(n->cx, size));
    const part parts[] = {{x, ds_attr_identity_map(n->cx, rank)}, {out[1], ds_attr_map(n->cx, rank, at, rank)}};
    region q = nw_open_map(n, before, ds_type_with_elem(n->cx, x->type, to), parts, 2);
    ds_value *in[] = {q.args[0], q.args[1], nw_number(&q, to, 0)};
    const ds_type *type = ds_type_scalar(n->cx, to);
    nw_yield(&q, ds_op_result(ds_op_create(&q.in, DS_LOOP_quantize, in, 3, &type, 1, 0), 0));
    out[0] = ds_op_result(q.op, 0);
}

/* The left factor in whole numbers, whose blocks are summed. */
typedef struct {
    ds_value *x, *scale; /* scale: that of blocks, which the product takes; or NULL */
    const ds_attr *map;  /* how the product reads it */
    part behind;         /* the scale as the result's points read it; v: NULL where that is not known */
    int64_t zero;        /* which number stands for 0 */
} left_factor;

/* The fastest row that sums blocks of this right factor and multiplies them by a scale of the left one, or by none. */
static const ds_mma *sums_blocks_of(narrowing *n, ds_elem right, ds_elem sum, bool scaled) {
    const ds_mma *row, *best = NULL;
    for (size_t i = 0; (row = ds_mma_at(i)); i++) {
        if (!ds_mma_sums_blocks(row) || row->rhs != right || row->sum != sum || !ds_mma_runs_on(row, n->target))
            continue;
        if (scaled && !ds_mma_sums_left(row)) continue;
        if (!best || row->rate > best->rate) best = row;
    }
    return best;
}

/* Blocks must be whole, as they are read. */
static bool has_whole_blocks(narrowing *n, const ds_op *op, const ds_contraction *c, int64_t size) {
    const ds_attr *map = ds_op_map(op, 0);
    if (!size || map->count == 0 || map->exprs[map->count - 1] != ds_expr_dim(n->cx, c->rank)) return false;
    return ds_expr_equals(ds_expr_mod(n->cx, c->extent[c->rank], ds_expr_const(n->cx, size)), 0);
}

/* Bytes that have one scale along all that is summed. */
static bool take_bytes(narrowing *n, ds_op *op, const ds_contraction *c, const ds_mma *row, left_factor *out) {
    factor f;
    if (!row || !nw_factor_of(ds_op_operand(op, 0), &f) || !f.scale.v || !nw_is_byte(f.x->type->elem)) return false;
    if (!nw_is_byte(row->lhs) || !nw_known_zero(&f, &out->zero)) return false;
    if (!nw_bring_out(n, c, ds_op_map(op, 0), &f.scale)) return false;
    bool moves = f.x->type->elem != row->lhs;
    int64_t half = ds_elem_is_unsigned(row->lhs) ? -128 : 128;
    f.zero.v = NULL;
    if (moves) out->zero -= half;
    out->x = moves ? nw_converted(n, op, &f, half, row->lhs, op->results[0].type->elem) : f.x;
    if (ds_mma_sums_left(row)) out->scale = f.scale.v;
    out->map = ds_attr_map(n->cx, c->rank + 1, f.scale.map->exprs, f.scale.map->count);
    out->behind = f.scale;
    return true;
}

static void take_rounded(narrowing *n, ds_op *op, const ds_contraction *c, int64_t size, ds_elem to, left_factor *out) {
    const ds_attr *map = ds_op_map(op, 0);
    const ds_expr *at[NARROW_MOST_RANK];
    ds_value *made[2];
    round_left(n, op, ds_op_operand(op, 0), size, to, made);
    for (size_t i = 0; i < map->count; i++) at[i] = map->exprs[i];
    at[map->count - 1] = ds_expr_floordiv(n->cx, at[map->count - 1], ds_expr_const(n->cx, size));
    *out = (left_factor){made[0], made[1], ds_attr_map(n->cx, c->rank + 1, at, map->count), {0}, 0};
}

/* False where it stays floats. zeros: the right one has zero points. */
static bool take_left(narrowing *n, ds_op *op, const ds_contraction *c, ds_elem right, int64_t size, bool zeros,
                      left_factor *out) {
    ds_elem sum = op->results[0].type->elem;
    const ds_mma *rounds = sums_blocks_of(n, right, sum, true);
    if (!has_whole_blocks(n, op, c, size)) return false;
    if (take_bytes(n, op, c, zeros ? rounds : sums_blocks_of(n, right, sum, false), out)) return true;
    if (!rounds || strcmp(ds_op_text(op, "rounds", ""), ds_elem_facts(rounds->lhs)->text) != 0) return false;
    take_rounded(n, op, c, size, rounds->lhs, out);
    return true;
}

/* What a zero point of the left factor has added: it times the sum of the right one, which is known before a call. */
static part added_by_zero(narrowing *n, ds_op *op, const ds_contraction *c, ds_op *product, int64_t zero) {
    part sums = nw_sums_of(n, product, op, c, 1);
    const part own = {sums.v, ds_attr_identity_map(n->cx, sums.v->type->rank)};
    region r = nw_open_map(n, product, sums.v->type, &own, 1);
    nw_yield(&r, nw_binary(&r, DS_LOOP_mul, r.args[0], nw_number(&r, sums.v->type->elem, zero)));
    return (part){ds_op_result(r.op, 0), sums.map};
}

/* What follows the product: what a zero point has added goes off, and a scale follows that the product has not taken. */
static ds_value *finish(narrowing *n, ds_op *op, const ds_contraction *c, ds_op *product, const left_factor *left) {
    if (!left->behind.v || (left->scale && !left->zero)) return ds_op_result(product, 0);
    part parts[] = {{ds_op_result(product, 0), ds_attr_identity_map(n->cx, c->rank)}, left->behind, {0}};
    if (left->zero) parts[2] = added_by_zero(n, op, c, product, left->zero);
    region r = nw_open_map(n, op, op->results[0].type, parts, left->zero ? 3 : 2);
    ds_value *v = r.args[0], *scale = r.args[1], *less = r.args[2];
    if (less && left->scale) less = nw_binary(&r, DS_LOOP_mul, less, scale);
    if (less) v = nw_binary(&r, DS_LOOP_sub, v, less);
    nw_yield(&r, left->scale ? v : nw_binary(&r, DS_LOOP_mul, v, scale));
    return ds_op_result(r.op, 0);
}

static bool keep_codes(narrowing *n, ds_op *op, size_t rank) {
    ds_contraction c;
    factor f;
    if (ds_op_attr(op, "pads") || op->operand_count != 2 || !ds_contraction_of(n->cx, op, &c) || c.over_count != 1)
        return false;
    const ds_attr *access;
    if (c.rank > NARROW_MOST_RANK || !take_weights(n, op, &c, rank, &f, &access)) return false;
    ds_op *both[] = {ds_op_operand(op, 0)->op, ds_op_operand(op, 1)->op};
    take_forms(n, op, &f, op->results[0].type->elem);
    const ds_attr *blocks = seen_by(n, &c, access, &f.scale);
    const ds_attr *maps[5] = {ds_op_map(op, 0), access, blocks};
    ds_value *operands[5] = {ds_op_operand(op, 0), f.x, f.scale.v};
    size_t count = 3;
    left_factor left = {0};
    if (take_left(n, op, &c, f.x->type->elem, block_size(blocks, c.rank), f.zero.v != NULL, &left))
        operands[0] = left.x;
    if (left.scale) {
        operands[count] = left.scale;
        maps[count++] = left.map;
    }
    if (f.zero.v) {
        operands[count] = f.zero.v;
        maps[count++] = blocks;
    }
    ds_builder b = {n->m, op->block, op, op->loc};
    ds_op *product = ds_op_create(&b, DS_GRAPH_matmul, operands, count, &op->results[0].type, 1, 0);
    ds_op_set_attr(n->m, product, "maps", ds_attr_array(n->cx, maps, count));
    ds_op_set_attr(n->m, product, "over", ds_op_attr(op, "over"));
    ds_dims_note(n->m, product);
    ds_value_replace_uses(&op->results[0], finish(n, op, &c, product, &left));
    ds_op_erase(op);
    for (size_t i = 0; i < 2; i++) nw_erase_unread(both[i]);
    return true;
}

bool nw_keep_blocks(narrowing *n, ds_op *op) { return keep_codes(n, op, 2); }

bool nw_keep_channels(narrowing *n, ds_op *op) {
    factor f;
    return nw_weights_of(ds_op_operand(op, 1), &f) && nw_is_few(f.x->type->elem) && keep_codes(n, op, 1);
}
