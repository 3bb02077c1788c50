/* layout: how tensors lie in memory. Images around convolutions become channels-last, right-hand sides of products are
 * packed. What an image is multiplied by, one number for each channel, moves into the weights of the convolution that
 * reads it, where these are fewer.
 *
 *   before   %y = "graph.conv"(%x, %w) : (tensor<1x64x56x56xf32>, tensor<64x64x3x3xf32>) -> tensor<1x64x56x56xf32>
 *   after    %p = "graph.map"(%x) {pads = [0.0], …} : …
 *                   -> tensor<1x64x58x58xf32, {map = (n, c, h, w) -> (n, h, w, c)}>
 *            %q = "graph.encode"(%w) : …
 *                   -> tensor<64x64x3x3xf32, {map = (co, ci, kh, kw) -> (co floordiv 16, kh, kw, ci, co mod 16)}>
 *            %y = "graph.conv"(%p, %q) : … -> tensor<1x64x56x56xf32, {map = (n, c, h, w) -> (n, h, w, c)}>
 *
 * Maps and reductions read any layout, so a layout is a property of results that spreads forward; views, calls and the
 * function's results are dense, and get a graph.encode where their operand is not.
 * Needs:  graph ops.   Keeps: shapes, values.   Breaks: dense layouts.   Cost: linear.
 */
#include "passes/constant.h"
#include "passes/contraction.h"
#include "passes/pack.h"
#include "passes/passes.h"
#include "passes/winograd.h"

enum { MAX_RANK = 16 };

typedef struct {
    ds_module *m;
    ds_ir_context *cx;
    const ds_pass_options *options;
    uint8_t *constant; /* what is known of ds_depends_on_constants */
} layout;

static const ds_attr *channels_last(layout *l, size_t rank) {
    const ds_expr *e[MAX_RANK];
    e[0] = ds_expr_dim(l->cx, 0);
    for (size_t i = 2; i < rank; i++) e[i - 1] = ds_expr_dim(l->cx, i);
    e[rank - 1] = ds_expr_dim(l->cx, 1);
    return ds_layout_encoding(l->cx, rank, e, rank);
}

static bool is_constant(layout *l, const ds_value *v) { return ds_depends_on_constants(&l->constant, v); }

static ds_value *encode(layout *l, ds_op *before, ds_value *v, const ds_attr *encoding) {
    const ds_type *type = ds_type_with_encoding(l->cx, v->type, encoding);
    if (type == v->type) return v;
    for (ds_use *use = v->uses; use; use = use->next) /* already there */
        if (use->owner->kind == DS_GRAPH_encode && use->owner->results[0].type == type &&
            use->owner->block == before->block) {
            ds_op *at = before;
            while (at && at != use->owner) at = at->prev;
            if (at) return &use->owner->results[0];
        }
    ds_builder b = {l->m, before->block, before, before->loc};
    return ds_op_result(ds_op_create(&b, DS_GRAPH_encode, &v, 1, &type, 1, 0), 0);
}

/* Are the places of this dim in memory as many as it has elements? Else a panel has columns that other tensors have not. */
static bool fills_panels(layout *l, const ds_type *t, size_t dim) {
    const ds_attr *map = ds_attr_find(t->encoding, "map");
    for (size_t i = 0; i < map->count; i++) {
        const ds_expr *e = map->exprs[i];
        if (e->kind == DS_EXPR_FLOORDIV && e->a == ds_expr_dim(l->cx, dim) &&
            !ds_expr_equals(ds_expr_mod(l->cx, t->dims[dim], e->b), 0))
            return false;
    }
    return true;
}

/* How the places of a tensor in memory read what its points read by `map`; NULL where they are more than these. */
static const ds_attr *read_by_places(layout *l, const ds_type *t, const ds_attr *map, size_t places) {
    const ds_expr *point[MAX_RANK], *at[MAX_RANK];
    if (!ds_layout_inverse(l->cx, t, point) || map->count > MAX_RANK) return NULL;
    for (size_t i = 0; i < map->count; i++) {
        const ds_expr *e = map->exprs[i];
        if (e->has_dim && (e->kind != DS_EXPR_DIM || !fills_panels(l, t, (size_t)e->value))) return NULL;
        at[i] = ds_expr_replace_dims(l->cx, e, point, t->rank);
    }
    return ds_attr_map(l->cx, places, at, map->count);
}

/* Weights that a call decodes, in the order in which they lie then: by a map over their places, unless other operands are
 * read as places do not tell. */
static ds_value *decoded_in_order(layout *l, ds_op *decode, const ds_attr *encoding) {
    const ds_type *to = ds_type_with_encoding(l->cx, decode->results[0].type, encoding);
    const ds_expr *extents[MAX_RANK + 3];
    const ds_attr *maps[MAX_RANK];
    size_t places = ds_layout_extents(l->cx, to, extents);
    bool told = places && places <= MAX_RANK && decode->operand_count <= MAX_RANK;
    for (size_t i = 0; told && i < decode->operand_count; i++) {
        maps[i] = i ? read_by_places(l, to, ds_op_map(decode, i), places) : ds_attr_identity_map(l->cx, places);
        told = maps[i] != NULL;
    }
    ds_value *codes = encode(l, decode, ds_op_operand(decode, 0), encoding), *numbers = ds_op_result(decode, 0);
    if (!told) {
        ds_op_set_operand(decode, 0, codes);
        numbers->type = to;
        return numbers;
    }
    const ds_type *flat = ds_type_tensor(l->cx, to->elem, places, extents, NULL),
                  *from = ds_type_with_elem(l->cx, flat, codes->type->elem);
    ds_builder b = {l->m, decode->block, decode, decode->loc};
    ds_op_set_operand(decode, 0, ds_op_result(ds_op_create(&b, DS_GRAPH_reshape, &codes, 1, &from, 1, 0), 0));
    ds_op_set_attr(l->m, decode, "maps", ds_attr_array(l->cx, maps, decode->operand_count));
    numbers->type = flat;
    b.before = decode->next;
    return ds_op_result(ds_op_create(&b, DS_GRAPH_reshape, &numbers, 1, &to, 1, 0), 0);
}

/* The right-hand side of a product. Weights that training has driven below 2^-100 become zero: what they add is below
 * 1e-30 of the input, and their products and sums are subnormal, which takes a hundred times longer. */
static ds_value *encode_weights(layout *l, ds_op *before, ds_value *v, const ds_attr *encoding) {
    if (v->op && is_constant(l, v) && ds_is_decoding(v->op) && ds_value_has_one_use(v))
        return decoded_in_order(l, v->op, encoding);
    ds_value *encoded = encode(l, before, v, encoding);
    if (encoded != v && v->type->elem == DS_f32 && is_constant(l, v))
        ds_op_set_attr(l->m, encoded->op, "flush", ds_attr_unit(l->cx));
    return encoded;
}

static ds_value *dense(layout *l, ds_op *before, ds_value *v) {
    if (v->type->kind != DS_TYPE_TENSOR || !v->type->encoding) return v;
    if (!ds_layout_is_dense(l->cx, v->type)) return encode(l, before, v, NULL);
    /* the same bytes under another name */
    const ds_type *type = ds_type_with_encoding(l->cx, v->type, NULL);
    ds_builder b = {l->m, before->block, before, before->loc};
    return ds_op_result(ds_op_create(&b, DS_GRAPH_reshape, &v, 1, &type, 1, 0), 0);
}

/* ---- contractions ---- */

/* A dim of the result times 0 or 1, as run time has it: a batch that may be broadcast. */
static bool is_stretched(ds_ir_context *cx, const ds_expr *e, size_t rank) {
    const ds_expr *coefficient, *rest;
    for (size_t i = 0; i < rank; i++)
        if (ds_expr_linear(cx, e, i, &coefficient, &rest) && ds_expr_is_flag(coefficient))
            return ds_expr_equals(rest, 0);
    return false;
}

/* The inside of a panel: groups of k, columns, k in a group where that has several. Returns how many places these
 * are. */
static size_t inside_panel(layout *l, const ds_expr **out, ds_panel panel, const ds_expr *k, const ds_expr *n) {
    const ds_expr *group = ds_expr_const(l->cx, panel.group);
    size_t count = 0;
    if (k) out[count++] = ds_expr_floordiv(l->cx, k, group);
    out[count++] = ds_expr_mod(l->cx, n, ds_expr_const(l->cx, panel.columns));
    const ds_expr *part = ds_expr_const(l->cx, panel.group / panel.parts);
    if (k && panel.group > 1) out[count++] = ds_expr_mod(l->cx, k, part);
    if (k && panel.parts > 1) out[count++] = ds_expr_floordiv(l->cx, ds_expr_mod(l->cx, k, group), part);
    return count;
}

static const ds_expr *panel_of(layout *l, ds_panel panel, const ds_expr *n) {
    return ds_expr_floordiv(l->cx, n, ds_expr_const(l->cx, panel.columns));
}

/* (leading dims, panel, window, inside of the panel) of the right-hand side; NULL when its map is not a permutation of
 * dims */
static const ds_attr *panel_encoding(layout *l, const ds_op *op, const ds_contraction *c, size_t n_dim,
                                     ds_panel panel) {
    const ds_attr *map = ds_op_map(op, 1);
    const ds_expr *lead[MAX_RANK], *inner[MAX_RANK], *results[MAX_RANK + 3], *n = NULL, *first_k = NULL;
    size_t leads = 0, inners = 0, count = 0;
    for (size_t i = 0; i < map->count; i++) {
        const ds_expr *e = map->exprs[i], *dim = ds_expr_dim(l->cx, i);
        if (ds_expr_equals(e, 0) || is_stretched(l->cx, e, c->rank)) lead[leads++] = dim;
        else if (e->kind != DS_EXPR_DIM) return NULL;
        else if ((size_t)e->value == n_dim) n = dim;
        else if ((size_t)e->value == c->rank) first_k = dim;
        else if ((size_t)e->value > c->rank) inner[inners++] = dim;
        else lead[leads++] = dim;
    }
    if (!n) return NULL;
    for (size_t i = 0; i < leads; i++) results[count++] = lead[i];
    results[count++] = panel_of(l, panel, n);
    for (size_t i = 0; i < inners; i++) results[count++] = inner[i];
    count += inside_panel(l, &results[count], panel, first_k, n);
    return ds_layout_encoding(l->cx, map->count, results, count);
}

static void swap_operands(layout *l, ds_op *op) {
    ds_value *a = ds_op_operand(op, 0), *b = ds_op_operand(op, 1);
    const ds_attr *maps[] = {ds_op_map(op, 1), ds_op_map(op, 0)};
    ds_op_set_operand(op, 0, b);
    ds_op_set_operand(op, 1, a);
    ds_op_set_attr(l->m, op, "maps", ds_attr_array(l->cx, maps, 2));
    ds_dims_note(l->m, op);
}

/* ---- steps of several elements ---- */

/* The value with zeros behind it along a dim, up to a whole number of groups. */
static ds_value *in_whole_groups(layout *l, ds_op *before, ds_value *v, size_t dim, const ds_expr *extent) {
    const ds_type *t = v->type;
    const ds_expr *dims[MAX_RANK];
    for (size_t i = 0; i < t->rank; i++) dims[i] = i == dim ? extent : t->dims[i];
    const ds_type *type = ds_type_tensor(l->cx, t->elem, t->rank, dims, NULL);
    ds_builder b = {l->m, before->block, before, before->loc};
    return ds_op_result(ds_copy_map(&b, v, type, ds_attr_identity_map(l->cx, t->rank), true), 0);
}

/* The dim of an operand that moves along a dim of the contraction, and nothing else does; SIZE_MAX: none. */
static size_t moved_dim(layout *l, const ds_attr *map, size_t along) {
    for (size_t i = 0; i < map->count; i++)
        if (map->exprs[i] == ds_expr_dim(l->cx, along)) return i;
    return SIZE_MAX;
}

/* A step takes several elements of the first reduced dim: zeros fill the last one, in both factors. */
static void fill_steps(layout *l, ds_op *op, const ds_contraction *c, const ds_mma *mma) {
    const ds_expr *k = c->extent[c->rank], *size = ds_expr_const(l->cx, ds_mma_panel(mma).group);
    if (ds_expr_equals(ds_expr_mod(l->cx, k, size), 0)) return;
    const ds_expr *whole = ds_expr_mul(l->cx, ds_expr_ceildiv(l->cx, k, size), size);
    const ds_attr *over = ds_op_attr(op, "over"), *items[MAX_RANK];
    size_t at[2];
    for (size_t i = 0; i < 2; i++) {
        const ds_type *t = ds_op_operand(op, i)->type;
        at[i] = moved_dim(l, ds_op_map(op, i), c->rank);
        if (at[i] == SIZE_MAX || t->rank > MAX_RANK || (i && t->encoding) || t->dims[at[i]] != k) return;
    }
    for (size_t i = 0; i < 2; i++) ds_op_set_operand(op, i, in_whole_groups(l, op, ds_op_operand(op, i), at[i], whole));
    for (size_t i = 0; i < over->count; i++) items[i] = i ? over->items[i] : ds_attr_expr(l->cx, whole);
    ds_op_set_attr(l->m, op, "over", ds_attr_array(l->cx, items, over->count));
}

/* Panels whose distance is a multiple of the machine's stride share few sets of the L1 cache when a tile reads several.
 * One more row, of zeros, behind each of them moves them apart; rows of a window would have to lie apart, too, so this
 * is for products and 1x1 convolutions.
 */
static const ds_attr *skewed(layout *l, const ds_op *op, const ds_contraction *c, ds_panel panel,
                             const ds_attr *encoding) {
    const ds_value *rhs = ds_op_operand(op, 1);
    const ds_attr *map = ds_op_map(op, 1);
    int64_t none[MAX_RANK] = {0}, after[MAX_RANK] = {0}, k = 1, extent;
    for (size_t i = 0; i < map->count; i++) {
        const ds_expr *e = map->exprs[i];
        if (e->kind != DS_EXPR_DIM || (size_t)e->value < c->rank || ds_expr_equals(c->extent[e->value], 1)) continue;
        if (k > 1 || !ds_expr_is_const(c->extent[e->value], &extent)) return encoding;
        k = extent, after[i] = 1;
    }
    int64_t row = panel.columns * ds_elem_facts(rhs->type->elem)->bits / 8;
    if (k * row % l->options->machine->stride_bytes) return encoding;
    const ds_type *type = ds_type_with_encoding(l->cx, rhs->type, encoding);
    return ds_layout_with_border(l->cx, type, none, after)->encoding;
}

/* Of a copy of the first elements along each dim what it copies: it can be read where it lies (as many keys of a cache
 * as there are). */
static ds_value *uncut(ds_value *v) {
    const ds_op *op = v->op;
    if (!op || !ds_is_copy_map(op) || v->type->encoding || !ds_map_is_identity(ds_op_map(op, 0), v->type)) return v;
    ds_value *from = ds_op_operand(op, 0);
    return from->type->encoding || from->type->rank != v->type->rank ? v : from;
}

/* Scales and zero points of blocks in panels of columns as the weights are, a row for each block. */
static void pack_scales(layout *l, ds_op *op, size_t n_dim, ds_panel panel) {
    for (size_t i = 2; i < op->operand_count; i++) {
        if (i == ds_product_left_scale(op)) continue;
        const ds_attr *map = ds_op_map(op, i);
        const ds_expr *results[MAX_RANK], *n = NULL;
        size_t count = 0;
        for (size_t d = 0; d < map->count; d++)
            if (map->exprs[d] == ds_expr_dim(l->cx, n_dim)) n = ds_expr_dim(l->cx, d);
        if (!n) return;
        results[count++] = panel_of(l, panel, n);
        for (size_t d = 0; d < map->count; d++)
            if (ds_expr_dim(l->cx, d) != n) results[count++] = ds_expr_dim(l->cx, d);
        results[count++] = ds_expr_mod(l->cx, n, ds_expr_const(l->cx, panel.columns));
        const ds_attr *encoding = ds_layout_encoding(l->cx, map->count, results, count);
        ds_op_set_operand(op, i, encode(l, op, ds_op_operand(op, i), encoding));
    }
}

/* The dim of a value that a map reads along this dim of the space; SIZE_MAX: none. */
static size_t dim_read_along(layout *l, const ds_attr *map, size_t dim) {
    for (size_t i = 0; i < map->count; i++)
        if (map->exprs[i] == ds_expr_dim(l->cx, dim)) return i;
    return SIZE_MAX;
}

/* What a call computes, in panels, by words where these have several elements. */
static ds_value *pack_computed(layout *l, ds_op *op, const ds_contraction *c, size_t n_dim, ds_panel panel,
                               const ds_attr *encoding) {
    ds_value *rhs = ds_op_operand(op, 1), *packed = NULL;
    size_t k = dim_read_along(l, ds_op_map(op, 1), c->rank), n = dim_read_along(l, ds_op_map(op, 1), n_dim);
    if (k != SIZE_MAX && n != SIZE_MAX) packed = ds_pack_words(l->m, op, rhs, k, n, panel, encoding);
    return packed ? packed : encode_weights(l, op, rhs, encoding);
}

/* Constants may be skewed where nothing else reads the panels as they lie. */
static void pack_right_side(layout *l, ds_op *op, bool skew) {
    ds_contraction c;
    ds_value *rhs = ds_op_operand(op, 1);
    const ds_mma *mma = ds_contraction_mma(l->options->target, op);
    if (!mma || !ds_contraction_of(l->cx, op, &c) || c.rank == 0) return;
    if (c.over_count && op->kind == DS_GRAPH_matmul) {
        fill_steps(l, op, &c, mma);
        ds_contraction_of(l->cx, op, &c);
        rhs = ds_op_operand(op, 1);
    }
    size_t n_dim = op->kind == DS_GRAPH_conv ? 1 : c.rank - 1;
    if (op->kind == DS_GRAPH_matmul) {
        while (n_dim > 0 && ds_expr_equals(c.extent[n_dim], 1)) n_dim--;
        if (c.role[n_dim] == DS_DIM_M && mma->lhs == mma->rhs && op->operand_count == 2) {
            swap_operands(l, op);
            ds_contraction_of(l->cx, op, &c);
            rhs = ds_op_operand(op, 1);
        }
    }
    if (c.role[n_dim] != DS_DIM_N) return;
    const ds_attr *map = ds_op_map(op, 1);
    const ds_panel panel = ds_mma_panel(mma);
    const ds_expr *offset = ds_layout_offset(l->cx, rhs->type, map->exprs), *coefficient, *rest;
    bool contiguous =
        offset && ds_expr_linear(l->cx, offset, n_dim, &coefficient, &rest) && ds_expr_equals(coefficient, 1);
    if (contiguous && panel.group == 1 && !is_constant(l, rhs)) {
        ds_op_set_operand(op, 1, uncut(rhs));
        return;
    }
    const ds_attr *encoding = panel_encoding(l, op, &c, n_dim, panel);
    if (!encoding) return;
    bool fixed = is_constant(l, rhs);
    if (skew && fixed) encoding = skewed(l, op, &c, panel, encoding);
    ds_value *encoded = fixed ? encode_weights(l, op, rhs, encoding) : pack_computed(l, op, &c, n_dim, panel, encoding);
    ds_op_set_operand(op, 1, encoded);
    /* columns that fill the last panel are then what lies there; with groups there would be steps of k, too */
    if (encoded != rhs && panel.group == 1 && !fixed) ds_op_set_operand(encoded->op, 0, uncut(rhs));
    pack_scales(l, op, n_dim, panel);
}

/* Few channels are read as they lie: elements of the input are broadcast one by one, and a channels-last copy would be
 * of short rows. */
static bool has_few_channels(const ds_value *x) {
    int64_t channels;
    return !x->type->encoding && ds_expr_is_const(x->type->dims[1], &channels) && channels < 8;
}

/* A step of the product takes one element of the input, which has few channels: they are read one by one. */
static bool reads_as_it_lies(layout *l, const ds_op *conv, const ds_value *x) {
    const ds_mma *mma = ds_contraction_mma(l->options->target, conv);
    return has_few_channels(x) && (!mma || ds_mma_panel(mma).group == 1);
}

/* The input with its zero border made real, so that the window never reads outside. */
static ds_value *padded_input(layout *l, ds_op *conv) {
    ds_value *x = ds_op_operand(conv, 0);
    bool as_it_lies = reads_as_it_lies(l, conv, x);
    const ds_attr *encoding = as_it_lies ? NULL : channels_last(l, x->type->rank);
    const ds_attr *padding = ds_op_attr(conv, "padding");
    size_t rank = x->type->rank, spatial = rank - 2;
    const ds_expr *dims[MAX_RANK], *inner[MAX_RANK], *exprs[MAX_RANK];
    for (size_t i = 0; i < rank; i++)
        dims[i] = x->type->dims[i], inner[i] = ds_expr_dim(l->cx, i), exprs[i] = ds_op_map(conv, 0)->exprs[i];
    for (size_t i = 0; i < spatial; i++) {
        const ds_expr *before = ds_attr_to_expr(padding->items[i]),
                      *after = ds_attr_to_expr(padding->items[spatial + i]);
        dims[i + 2] = ds_expr_add(l->cx, ds_expr_add(l->cx, dims[i + 2], before), after);
        inner[i + 2] = ds_expr_sub(l->cx, inner[i + 2], before);
        exprs[i + 2] = ds_expr_add(l->cx, exprs[i + 2], before);
    }
    const ds_type *type = ds_type_tensor(l->cx, x->type->elem, rank, dims, encoding);
    ds_builder b = {l->m, conv->block, conv, conv->loc};
    ds_op *op = ds_copy_map(&b, x, type, ds_attr_map(l->cx, rank, inner, rank), true);
    const ds_attr *maps[] = {ds_attr_map(l->cx, (size_t)ds_op_map(conv, 0)->integer, exprs, rank), ds_op_map(conv, 1)};
    ds_op_set_attr(l->m, conv, "maps", ds_attr_array(l->cx, maps, 2));
    ds_op_set_attr(l->m, conv, "padding", ds_attr_exprs(l->cx, NULL, 0));
    return ds_op_result(op, 0);
}

/* What makes v makes it channels-last, where nothing else reads it. */
static void make_channels_last(layout *l, ds_value *v, const ds_op *user) {
    if (!v->op || v->op->block != user->block || v->type->encoding || v->op->result_count != 1 ||
        !ds_value_has_one_use(v))
        return;
    if (v->op->kind != DS_GRAPH_map && v->op->kind != DS_GRAPH_reduce) return;
    v->type = ds_type_with_encoding(l->cx, v->type, channels_last(l, v->type->rank));
}

/* The zeros that a window reads, kept around the input by the kernel that makes it. False when that kernel cannot. */
static bool bordered_input(layout *l, ds_op *conv) {
    ds_value *x = ds_op_operand(conv, 0);
    const ds_attr *padding = ds_op_attr(conv, "padding");
    int64_t before[MAX_RANK] = {0}, after[MAX_RANK] = {0};
    size_t rank = x->type->rank, spatial = rank - 2;
    if (rank != 4 || !x->op || x->op->block != conv->block || !ds_layout_is_channels_last(x->type) ||
        is_constant(l, x) || ds_layout_has_view(x))
        return false;
    switch (x->op->kind) {
    case DS_GRAPH_map:
    case DS_GRAPH_reduce:
    case DS_GRAPH_conv:
    case DS_GRAPH_winograd:
    case DS_GRAPH_concat: break;
    default: return false;
    }
    for (size_t i = 0; i < spatial; i++)
        if (!ds_expr_is_const(ds_attr_to_expr(padding->items[i]), &before[i + 2]) ||
            !ds_expr_is_const(ds_attr_to_expr(padding->items[spatial + i]), &after[i + 2]) || before[i + 2] < 0 ||
            after[i + 2] < 0)
            return false;
    x->type = ds_layout_with_border(l->cx, x->type, before, after);
    ds_op_set_attr(l->m, conv, "padding", ds_attr_exprs(l->cx, NULL, 0));
    return true;
}

/* A copy of the input in channels-last order, with these zeros around it: that turns whole squares over, where a copy
 * that also pads reads element by element. */
static bool bordered_copy(layout *l, ds_op *conv) {
    ds_value *x = ds_op_operand(conv, 0);
    size_t rank = x->type->rank;
    if (rank != 4 || ds_layout_is_channels_last(x->type) || reads_as_it_lies(l, conv, x)) return false;
    ds_builder b = {l->m, conv->block, conv, conv->loc};
    const ds_type *type = ds_type_with_encoding(l->cx, x->type, channels_last(l, rank));
    ds_op *copy = ds_copy_map(&b, x, type, ds_attr_identity_map(l->cx, rank), false);
    ds_op_set_operand(conv, 0, ds_op_result(copy, 0));
    if (bordered_input(l, conv)) return true;
    ds_op_set_operand(conv, 0, x);
    ds_op_erase(copy);
    return false;
}

/* ---- groups ---- */

/* How many groups are computed as one with zeros in between: as many as have whole steps, and more where that fills
 * vectors which would be partly empty: it costs nothing. 0: steps are not whole. */
static int64_t groups_at_once(int64_t groups, int64_t inputs, int64_t outputs, ds_panel panel) {
    int64_t best = 0, columns = panel.columns, vectors = (outputs + columns - 1) / columns;
    for (int64_t n = 1; n <= groups; n++) {
        bool fills = (outputs * n + columns - 1) / columns <= vectors;
        if (groups % n || inputs * n % panel.group || (best && !fills)) continue;
        best = n;
    }
    return best;
}

/* w[groups, outputs, inputs, window…] of `w`, where a group is `merged` of w's: zero from one of these to another. */
static ds_value *grouped_weights(layout *l, ds_op *conv, ds_value *w, int64_t outputs, int64_t merged) {
    int64_t inputs = w->type->dims[1]->value, rank = (int64_t)w->type->rank + 1;
    const ds_expr *dims[MAX_RANK], *at[MAX_RANK], *o = ds_expr_dim(l->cx, 1), *i = ds_expr_dim(l->cx, 2);
    dims[0] = ds_expr_const(l->cx, w->type->dims[0]->value / (outputs * merged));
    dims[1] = ds_expr_const(l->cx, outputs * merged), dims[2] = ds_expr_const(l->cx, inputs * merged);
    for (size_t d = 3; d < (size_t)rank; d++) dims[d] = w->type->dims[d - 1], at[d - 1] = ds_expr_dim(l->cx, d);
    const ds_type *type = ds_type_tensor(l->cx, w->type->elem, (size_t)rank, dims, NULL);
    ds_builder b = {l->m, conv->block, conv, conv->loc};
    if (merged == 1) return ds_op_result(ds_op_create(&b, DS_GRAPH_reshape, &w, 1, &type, 1, 0), 0);
    /* an input of another group is read outside the tensor: as zero */
    at[0] = ds_expr_add(l->cx, ds_expr_scale(l->cx, ds_expr_dim(l->cx, 0), outputs * merged), o);
    at[1] =
        ds_expr_sub(l->cx, i, ds_expr_scale(l->cx, ds_expr_floordiv(l->cx, o, ds_expr_const(l->cx, outputs)), inputs));
    return ds_op_result(ds_copy_map(&b, w, type, ds_attr_map(l->cx, (size_t)rank, at, (size_t)rank - 1), true), 0);
}

/* A grouped convolution that is not depthwise: weights get a dim for the group, and panels of each group's output
 * channels. */
static void pack_groups(layout *l, ds_op *conv) {
    ds_value *w = ds_op_operand(conv, 1);
    const ds_type *wt = w->type;
    size_t rank = conv->results[0].type->rank;
    const ds_mma *mma = ds_contraction_mma(l->options->target, conv);
    int64_t channels, all, inputs;
    if (!mma || rank + 1 > MAX_RANK || !ds_expr_is_const(wt->dims[0], &all) ||
        !ds_expr_is_const(wt->dims[1], &inputs) ||
        !ds_expr_is_const(ds_op_operand(conv, 0)->type->dims[1], &channels) || inputs < 1 || channels < inputs ||
        all < 1 || channels % inputs || all % (channels / inputs))
        return;
    int64_t groups = channels / inputs, outputs = all / groups, merged = 1;
    const ds_panel panel = ds_mma_panel(mma);
    if (is_constant(l, w)) merged = groups_at_once(groups, inputs, outputs, panel);
    if (!merged || inputs * merged % panel.group) return;
    const ds_expr *size = ds_expr_const(l->cx, outputs * merged), *co = ds_expr_dim(l->cx, 1), *xm[MAX_RANK],
                  *wm[MAX_RANK], *order[MAX_RANK + 3];
    for (size_t i = 0; i < rank; i++) xm[i] = ds_op_map(conv, 0)->exprs[i], wm[i + 1] = ds_op_map(conv, 1)->exprs[i];
    xm[1] = ds_expr_add(l->cx, ds_expr_scale(l->cx, ds_expr_floordiv(l->cx, co, size), inputs * merged),
                        ds_expr_dim(l->cx, rank));
    wm[0] = ds_expr_floordiv(l->cx, co, size), wm[1] = ds_expr_mod(l->cx, co, size), wm[2] = ds_expr_dim(l->cx, rank);
    order[0] = ds_expr_dim(l->cx, 0), order[1] = panel_of(l, panel, co);
    for (size_t i = 3; i <= rank; i++) order[i - 1] = ds_expr_dim(l->cx, i);
    size_t places = rank + inside_panel(l, &order[rank], panel, ds_expr_dim(l->cx, 2), co);
    size_t dims = (size_t)ds_op_map(conv, 0)->integer;
    const ds_attr *maps[] = {ds_attr_map(l->cx, dims, xm, rank), ds_attr_map(l->cx, dims, wm, rank + 1)},
                  *over[MAX_RANK];
    for (size_t i = 0; i < ds_op_attr(conv, "over")->count; i++) over[i] = ds_op_attr(conv, "over")->items[i];
    over[0] = ds_attr_expr(l->cx, ds_expr_const(l->cx, inputs * merged));
    ds_op_set_attr(l->m, conv, "maps", ds_attr_array(l->cx, maps, 2));
    ds_op_set_attr(l->m, conv, "over", ds_attr_array(l->cx, over, ds_op_attr(conv, "over")->count));
    ds_dims_note(l->m, conv);
    ds_value *grouped = grouped_weights(l, conv, w, outputs, merged);
    ds_op_set_operand(conv, 1, encode_weights(l, conv, grouped, ds_layout_encoding(l->cx, rank + 1, order, places)));
}

/* ---- gates ---- */

/* Does this map only move along the channels of a result of one image? */
static bool reads_channel(const ds_attr *map) {
    for (size_t i = 0; i < map->count; i++)
        if (!ds_expr_equals(map->exprs[i], 0) &&
            !(i == 1 && map->exprs[i]->kind == DS_EXPR_DIM && map->exprs[i]->value == 1))
            return false;
    return map->count > 1 && !ds_expr_equals(map->exprs[1], 0);
}

/* The map that multiplies a convolution's input by one number for each channel (squeeze and excite), where the weights
 * are less than half as many: they take the factor instead. */
static ds_op *gate_of(layout *l, ds_op *conv, size_t *out_gate) {
    const ds_value *x = ds_op_operand(conv, 0), *w = ds_op_operand(conv, 1);
    ds_op *map = x->op;
    uint64_t elements, weights;
    if (!map || !ds_is_product_map(map) || map->block != conv->block || !ds_value_has_one_use(x) ||
        x->type->elem != DS_f32 || !is_constant(l, w))
        return NULL;
    if (!ds_type_static_count(x->type, &elements) || !ds_type_static_count(w->type, &weights) ||
        weights * 2 > elements || !ds_expr_equals(x->type->dims[0], 1) || w->type->dims[1] != x->type->dims[1])
        return NULL;
    for (*out_gate = 0; *out_gate < 2; ++*out_gate) {
        const ds_value *image = ds_op_operand(map, 1 - *out_gate), *gate = ds_op_operand(map, *out_gate);
        if (image->type->rank == x->type->rank && ds_map_is_identity(ds_op_map(map, 1 - *out_gate), image->type) &&
            ds_type_count(l->cx, image->type) == ds_type_count(l->cx, x->type) && gate->type->elem == DS_f32 &&
            reads_channel(ds_op_map(map, *out_gate)))
            return map;
    }
    return NULL;
}

/* Weights in panels, times the gate of their input channel: a map over the panels as they lie in memory. */
static void gate_weights(layout *l, ds_op *conv, const ds_op *map, size_t gate) {
    ds_value *w = ds_op_operand(conv, 1);
    const ds_expr *extents[MAX_RANK + 1], *at[MAX_RANK];
    size_t rank = ds_layout_extents(l->cx, w->type, extents);
    const ds_attr *from = ds_op_map(map, gate), *identity = ds_attr_identity_map(l->cx, rank);
    size_t channel = 0; /* where input channels lie */
    while (ds_attr_find(w->type->encoding, "map")->exprs[channel] != ds_expr_dim(l->cx, 1)) channel++;
    for (size_t i = 0; i < from->count; i++) at[i] = i == 1 ? ds_expr_dim(l->cx, channel) : ds_expr_const(l->cx, 0);
    const ds_type *packed = w->type, *flat = ds_type_tensor(l->cx, DS_f32, rank, extents, NULL);
    ds_builder b = {l->m, conv->block, conv, conv->loc};
    ds_value *in[] = {ds_op_result(ds_op_create(&b, DS_GRAPH_reshape, &w, 1, &flat, 1, 0), 0),
                      ds_op_operand(map, gate)};
    const ds_attr *maps[] = {identity, ds_attr_map(l->cx, rank, at, from->count)};
    ds_op *scale = ds_op_create(&b, DS_GRAPH_map, in, 2, &flat, 1, 1);
    ds_op_set_attr(l->m, scale, "maps", ds_attr_array(l->cx, maps, 2));
    ds_builder body = {l->m, ds_op_block(scale, 0), NULL, conv->loc};
    const ds_type *scalar = ds_type_scalar(l->cx, DS_f32);
    ds_value *args[] = {ds_block_add_arg(l->m, body.block, scalar, NULL),
                        ds_block_add_arg(l->m, body.block, scalar, NULL)};
    ds_value *v = ds_op_result(ds_op_create(&body, DS_LOOP_mul, args, 2, &scalar, 1, 0), 0);
    ds_op_create(&body, DS_GRAPH_yield, &v, 1, NULL, 0, 0);
    v = ds_op_result(scale, 0);
    ds_op_set_operand(conv, 1, ds_op_result(ds_op_create(&b, DS_GRAPH_reshape, &v, 1, &packed, 1, 0), 0));
}

static void lay_out_conv(layout *l, ds_op *conv) {
    size_t gate;
    ds_contraction c;
    bool known = ds_contraction_of(l->cx, conv, &c), in_groups = known && c.role[1] == DS_DIM_BATCH;
    const ds_mma *mma = ds_contraction_mma(l->options->target, conv);
    if (known && !in_groups && mma) fill_steps(l, conv, &c, mma);
    ds_op *gated = gate_of(l, conv, &gate);
    if (gated) ds_op_set_operand(conv, 0, ds_op_operand(gated, 1 - gate));
    ds_value *x = ds_op_operand(conv, 0), *w = ds_op_operand(conv, 1);
    size_t rank = x->type->rank;
    const ds_attr *padding = ds_op_attr(conv, "padding");
    bool as_it_lies = reads_as_it_lies(l, conv, x);
    if (!as_it_lies) make_channels_last(l, x, conv);
    if (padding && padding->count) {
        if (bordered_input(l, conv) || bordered_copy(l, conv)) x = ds_op_operand(conv, 0);
        else x = padded_input(l, conv);
    } else if (!ds_layout_is_channels_last(x->type) && !as_it_lies) x = encode(l, conv, x, channels_last(l, rank));
    ds_op_set_operand(conv, 0, x);
    if (ds_is_depthwise(l->cx, conv)) { /* weights: window, co */
        const ds_expr *e[MAX_RANK];
        for (size_t i = 0; i + 2 < rank; i++) e[i] = ds_expr_dim(l->cx, i + 2);
        e[rank - 2] = ds_expr_dim(l->cx, 1), e[rank - 1] = ds_expr_dim(l->cx, 0);
        ds_op_set_operand(conv, 1, encode_weights(l, conv, w, ds_layout_encoding(l->cx, rank, e, rank)));
    } else if (in_groups) pack_groups(l, conv);
    else pack_right_side(l, conv, !gated);
    if (gated) gate_weights(l, conv, gated, gate);
    conv->results[0].type = ds_type_with_encoding(l->cx, conv->results[0].type, channels_last(l, rank));
}

/* ---- spreading ---- */

/* Every pixel is read at its own place. */
static bool only_channels_move(layout *l, const ds_attr *map) {
    for (size_t i = 0; i < map->count; i++)
        if (i != 1 && map->exprs[i] != ds_expr_dim(l->cx, i) && !ds_expr_equals(map->exprs[i], 0)) return false;
    return (size_t)map->integer == map->count;
}

/* Operand i lies channels-last, or is as large as the result and read with neighbouring channels from neighbouring
 * places. Constants do not lead: they cost nothing in any layout. */
static bool leads_to_channels_last(layout *l, const ds_op *op, size_t i) {
    if (is_constant(l, ds_op_operand(op, i))) return false;
    const ds_type *t = ds_op_operand(op, i)->type, *type = op->results[0].type;
    const ds_expr *coefficient, *rest;
    bool is_last = t->rank == type->rank && ds_layout_is_channels_last(t);
    if (op->kind == DS_GRAPH_concat) return is_last;
    const ds_attr *map = ds_op_map(op, i);
    if (is_last && ds_expr_linear(l->cx, map->exprs[1], 1, &coefficient, &rest)) return ds_expr_equals(coefficient, 1);
    if (is_last) return op->kind == DS_GRAPH_map && only_channels_move(l, map);
    if (op->kind != DS_GRAPH_map || t->encoding || type->rank < 4 ||
        ds_type_count(l->cx, t) != ds_type_count(l->cx, type))
        return false;
    const ds_expr *where = ds_layout_offset(l->cx, t, map->exprs);
    bool spread = false; /* one pixel is dense as well */
    for (size_t d = 2; d < type->rank; d++) spread = spread || !ds_expr_equals(type->dims[d], 1);
    return spread && where && ds_expr_linear(l->cx, where, 1, &coefficient, &rest) && ds_expr_equals(coefficient, 1) &&
           !ds_expr_equals(type->dims[1], 1);
}

static void follow_operands(layout *l, ds_op *op) {
    const ds_type *type = op->results[0].type;
    if (type->rank < 3 || type->rank > MAX_RANK || type->encoding) return;
    for (size_t i = 0; i < op->operand_count; i++) {
        if (!leads_to_channels_last(l, op, i)) continue;
        for (size_t r = 0; r < op->result_count; r++)
            op->results[r].type = ds_type_with_encoding(l->cx, op->results[r].type, channels_last(l, type->rank));
        return;
    }
}

/* The next extent from dim *at on that is not 1; NULL past the end. */
static const ds_expr *next_extent(const ds_type *t, size_t *at) {
    while (*at < t->rank && ds_expr_equals(t->dims[*at], 1)) ++*at;
    return *at < t->rank ? t->dims[(*at)++] : NULL;
}

/* A view that only adds or drops spatial extents of 1 stays channels-last. */
static bool follow_view(layout *l, ds_op *op) {
    const ds_type *from = ds_op_operand(op, 0)->type, *to = op->results[0].type;
    size_t i = 2, k = 2;
    if (from->rank < 3 || to->rank < 3 || to->rank > MAX_RANK || !ds_layout_is_channels_last(from) ||
        ds_attr_find(from->encoding, "border"))
        return false;
    if (from->dims[0] != to->dims[0] || from->dims[1] != to->dims[1]) return false;
    for (const ds_expr *a, *b; (a = next_extent(from, &i), b = next_extent(to, &k), a || b);)
        if (a != b) return false;
    op->results[0].type = ds_type_with_encoding(l->cx, to, channels_last(l, to->rank));
    return true;
}

/* A map that copies every element to where it lies already is a view. */
static void copies_to_views(layout *l, ds_block *block) {
    for (ds_op *op = block->first, *next; op; op = next) {
        next = op->next;
        if (!ds_is_copy_map(op) || op->results[0].type->rank > MAX_RANK) continue;
        ds_value *from = ds_op_operand(op, 0);
        const ds_type *to = op->results[0].type;
        const ds_expr *point[MAX_RANK];
        for (size_t i = 0; i < to->rank; i++)
            point[i] = ds_expr_equals(to->dims[i], 1) ? ds_expr_const(l->cx, 0) : ds_expr_dim(l->cx, i);
        const ds_expr *where = ds_layout_offset(l->cx, from->type, ds_op_map(op, 0)->exprs);
        if (!where || ds_layout_count(l->cx, from->type) != ds_layout_count(l->cx, to)) continue;
        if (ds_expr_replace_dims(l->cx, where, point, to->rank) != ds_layout_offset(l->cx, to, point)) continue;
        ds_builder b = {l->m, block, op, op->loc};
        ds_op *view = ds_op_create(&b, DS_GRAPH_reshape, &from, 1, &to, 1, 0);
        ds_value_replace_uses(&op->results[0], ds_op_result(view, 0));
        ds_op_erase(op);
    }
}

static void dense_operands(layout *l, ds_op *op) {
    for (size_t i = 0; i < op->operand_count; i++) ds_op_set_operand(op, i, dense(l, op, ds_op_operand(op, i)));
}

/* Filters in panels of output channels for each point of a tile. */
static void lay_out_winograd(layout *l, ds_op *conv, int tile) {
    ds_op *op = ds_winograd_rewrite(l->m, conv, tile);
    const ds_panel panel = ds_mma_panel(ds_contraction_mma(l->options->target, op));
    const ds_expr *d[4];
    for (size_t i = 0; i < 4; i++) d[i] = ds_expr_dim(l->cx, i);
    const ds_expr *order[6] = {d[0], d[1], panel_of(l, panel, d[2])};
    size_t places = 3 + inside_panel(l, &order[3], panel, d[3], d[2]);
    make_channels_last(l, ds_op_operand(op, 0), op);
    if (!ds_layout_is_channels_last(ds_op_operand(op, 0)->type))
        ds_op_set_operand(op, 0, encode(l, op, ds_op_operand(op, 0), channels_last(l, 4)));
    ds_op_set_operand(op, 1, encode_weights(l, op, ds_op_operand(op, 1), ds_layout_encoding(l->cx, 4, order, places)));
    op->results[0].type = ds_type_with_encoding(l->cx, op->results[0].type, channels_last(l, 4));
}

static void lay_out_block(layout *l, ds_block *block) {
    for (ds_op *op = block->first, *next; op; op = next) {
        int tile;
        next = op->next;
        switch (op->kind) {
        case DS_GRAPH_conv:
            tile = (int)ds_op_int(op, "tile", 0);
            if (tile) lay_out_winograd(l, op, tile);
            else lay_out_conv(l, op);
            break;
        case DS_GRAPH_matmul: pack_right_side(l, op, true); break;
        case DS_GRAPH_map:
        case DS_GRAPH_reduce:
        case DS_GRAPH_concat: follow_operands(l, op); break;
        case DS_GRAPH_encode: break;
        case DS_GRAPH_reshape:
            if (!follow_view(l, op)) dense_operands(l, op);
            break;
        case DS_GRAPH_loop:
        case DS_GRAPH_if:
            dense_operands(l, op);
            for (size_t r = 0; r < op->region_count; r++) lay_out_block(l, ds_op_block(op, r));
            break;
        default: dense_operands(l, op); break;
        }
    }
    copies_to_views(l, block);
}

ds_status ds_pass_layout(ds_module *module, const ds_pass_options *options) {
    layout l = {.m = module, .cx = module->cx, .options = options};
    for (ds_op *func = module->body.block->first; func; func = func->next) lay_out_block(&l, ds_op_block(func, 0));
    arrfree(l.constant);
    return DS_OK;
}
