#include "passes/contraction.h"

bool ds_contraction_of(ds_ir_context *cx, const ds_op *op, ds_contraction *out) {
    const ds_attr *over = ds_op_attr(op, "over");
    const ds_type *type = op->results[0].type;
    (void)cx;
    *out = (ds_contraction){.rank = type->rank, .over_count = over->count};
    if (out->rank + out->over_count > DS_CONTRACTION_MAX) return false;
    for (size_t i = 0; i < out->rank + out->over_count; i++) {
        out->extent[i] = i < out->rank ? type->dims[i] : ds_attr_to_expr(over->items[i - out->rank]);
        out->kind[i] = ds_dims_kind(op, i);
        out->role[i] = out->kind[i] == DS_DIM_WINDOW ? DS_DIM_K : out->kind[i];
    }
    return true;
}

const ds_mma *ds_contraction_mma(const ds_target *target, const ds_op *op) {
    ds_elem lhs = ds_op_operand(op, 0)->type->elem, rhs = ds_op_operand(op, 1)->type->elem;
    return ds_mma_choose(target, lhs, rhs, op->results[0].type->elem, ds_op_attr(op, "fits") != NULL);
}

bool ds_is_depthwise(ds_ir_context *cx, const ds_op *op) {
    ds_contraction c;
    if (op->kind != DS_GRAPH_conv || !ds_contraction_of(cx, op, &c) || c.over_count == 0 || ds_op_map(op, 0)->count < 2)
        return false;
    return c.rank > 1 && c.kind[1] == DS_DIM_BATCH && ds_expr_equals(c.extent[c.rank], 1) &&
           ds_op_map(op, 0)->exprs[1] == ds_expr_dim(cx, 1);
}

bool ds_window_along(ds_ir_context *cx, const ds_op *op, size_t dim, ds_window *out) {
    const ds_attr *over = ds_op_attr(op, "over");
    const ds_expr *stride, *dilation, *rest;
    int64_t size, start;
    size_t rank = op->results[0].type->rank,
           at = op->kind == DS_GRAPH_conv ? dim - 1 : dim - 2; /* conv: channels are reduced first */
    if ((op->kind != DS_GRAPH_conv && op->kind != DS_GRAPH_reduce) || rank <= dim || over->count <= at) return false;
    const ds_attr *map = ds_op_map(op, 0);
    if (map->count <= dim || !ds_expr_linear(cx, map->exprs[dim], dim, &stride, &rest)) return false;
    if (!ds_expr_is_const(stride, &out->stride) || !ds_expr_linear(cx, rest, rank + at, &dilation, &rest)) return false;
    if (!ds_expr_is_const(dilation, &out->dilation) || !ds_expr_is_const(rest, &start)) return false;
    if (!ds_expr_is_const(ds_attr_to_expr(over->items[at]), &size)) return false;
    out->before = -start, out->reach = (size - 1) * out->dilation + 1;
    return true;
}

bool ds_is_pool(ds_ir_context *cx, const ds_op *op) {
    if (op->kind != DS_GRAPH_reduce || op->operand_count != 1 || op->result_count != 1) return false;
    const ds_type *from = ds_op_operand(op, 0)->type, *to = op->results[0].type;
    const ds_attr *map = ds_op_map(op, 0);
    bool good = from->elem == to->elem && !ds_elem_facts(to->elem)->packed && ds_elem_facts(to->elem)->bits <= 32;
    if (!good || to->rank < 3 || from->rank != to->rank || map->count != to->rank) return false;
    if (map->exprs[0] != ds_expr_dim(cx, 0) || map->exprs[1] != ds_expr_dim(cx, 1)) return false;
    if (ds_op_attr(op, "over")->count != to->rank - 2) return false;
    for (const ds_op *inner = ds_op_block(op, 0)->first; inner; inner = inner->next)
        if (inner->kind == DS_LOOP_position || inner->kind == DS_GRAPH_extract) return false;
    for (size_t dim = 2; dim < to->rank; dim++) {
        ds_window w;
        if (!ds_expr_is_const(from->dims[dim], NULL) || !ds_expr_is_const(to->dims[dim], NULL)) return false;
        if (!ds_window_along(cx, op, dim, &w) || w.stride < 1 || w.dilation < 1) return false;
        if (w.dilation > 1 && ds_window_leaves(op, dim, &w)) return false;
    }
    return true;
}

bool ds_window_leaves(const ds_op *op, size_t dim, const ds_window *w) {
    int64_t in = ds_op_operand(op, 0)->type->dims[dim]->value, out = op->results[0].type->dims[dim]->value;
    return w->before > 0 || (out - 1) * w->stride - w->before + w->reach > in;
}

/* ---- layouts ---- */

bool ds_is_copy_map(const ds_op *op) {
    if (op->kind != DS_GRAPH_map || op->operand_count != 1 || op->result_count != 1 || ds_op_attr(op, "pads"))
        return false;
    const ds_block *body = ds_op_block(op, 0);
    return body->first->kind == DS_GRAPH_yield && ds_op_operand(body->first, 0) == body->args[0];
}

ds_value *ds_converted_of(const ds_value *v) {
    const ds_op *map = v->op;
    if (!map || map->kind != DS_GRAPH_map || map->operand_count != 1 || map->result_count != 1 ||
        ds_op_attr(map, "pads"))
        return NULL;
    ds_value *source = ds_op_operand(map, 0);
    const ds_block *body = ds_op_block(map, 0);
    const ds_op *cast = body->first;
    if (cast->kind != DS_LOOP_cast || cast->next != body->last || ds_op_operand(body->last, 0) != &cast->results[0] ||
        source->type->rank != v->type->rank || !ds_map_is_identity(ds_op_map(map, 0), v->type))
        return NULL;
    return source;
}

void ds_erase_unread(ds_block *body) {
    for (ds_op *op = body->last, *before; op; op = before) {
        before = op->prev;
        if (op->result_count == 1 && ds_value_unused(&op->results[0])) ds_op_erase(op);
    }
}

bool ds_is_product_map(const ds_op *op) {
    if (op->kind != DS_GRAPH_map || op->operand_count != 2 || op->result_count != 1 || ds_op_attr(op, "pads"))
        return false;
    const ds_op *product = ds_op_block(op, 0)->first, *yield = product->next;
    return product->kind == DS_LOOP_mul && yield && yield->kind == DS_GRAPH_yield &&
           ds_op_operand(yield, 0) == &product->results[0] && ds_op_operand(product, 0) != ds_op_operand(product, 1);
}

ds_op *ds_copy_map(ds_builder *b, ds_value *input, const ds_type *type, const ds_attr *map, bool padded) {
    ds_module *m = b->module;
    ds_op *op = ds_op_create(b, DS_GRAPH_map, &input, 1, &type, 1, 1);
    const ds_attr *zero = ds_elem_is_float(type->elem) ? ds_attr_float(m->cx, 0) : ds_attr_int(m->cx, 0);
    ds_op_set_attr(m, op, "maps", ds_attr_array(m->cx, &map, 1));
    if (padded) ds_op_set_attr(m, op, "pads", ds_attr_array(m->cx, &zero, 1));
    ds_builder in = {m, ds_op_block(op, 0), NULL, b->loc};
    ds_value *arg = ds_block_add_arg(m, in.block, ds_type_scalar(m->cx, input->type->elem), NULL);
    ds_op_create(&in, DS_GRAPH_yield, &arg, 1, NULL, 0, 0);
    return op;
}

static const ds_attr *layout_map(const ds_type *type) { return ds_attr_find(type->encoding, "map"); }

int64_t ds_layout_border(const ds_type *type, size_t dim, bool after) {
    const ds_attr *border = ds_attr_find(type->encoding, "border");
    return border ? border->items[after ? type->rank + dim : dim]->integer : 0;
}

bool ds_layout_has_view(const ds_value *v) {
    for (const ds_use *use = v->uses; use; use = use->next)
        if (use->owner->kind == DS_GRAPH_reshape) return true;
    return false;
}

int64_t ds_layout_within(const ds_type *type, ds_layout_place what) {
    const ds_attr *within = ds_attr_find(type->encoding, "within");
    return within ? within->items[what]->integer : what == DS_WITHIN_ID ? -1 : 0;
}

const ds_type *ds_layout_placed(ds_ir_context *cx, const ds_type *type, int64_t total, int64_t start, int64_t id) {
    const int64_t place[] = {total, start, id};
    ds_named_attr entries[3] = {{"map", layout_map(type)}, {"within", ds_attr_ints(cx, place, 3)}};
    const ds_attr *border = ds_attr_find(type->encoding, "border");
    if (border) entries[2] = (ds_named_attr){"border", border};
    return ds_type_with_encoding(cx, type, ds_attr_dict(cx, entries, border ? 3 : 2));
}

const ds_type *ds_layout_with_border(ds_ir_context *cx, const ds_type *type, const int64_t *before,
                                     const int64_t *after) {
    const ds_attr *items[2 * DS_CONTRACTION_MAX];
    for (size_t i = 0; i < type->rank; i++) {
        int64_t old[] = {ds_layout_border(type, i, false), ds_layout_border(type, i, true)};
        items[i] = ds_attr_int(cx, before[i] > old[0] ? before[i] : old[0]);
        items[type->rank + i] = ds_attr_int(cx, after[i] > old[1] ? after[i] : old[1]);
    }
    ds_named_attr entries[] = {{"map", layout_map(type)}, {"border", ds_attr_array(cx, items, 2 * type->rank)}};
    return ds_type_with_encoding(cx, type, ds_attr_dict(cx, entries, 2));
}

bool ds_layout_is_channels_last(const ds_type *type) {
    const ds_attr *map = layout_map(type);
    if (!map || type->rank < 2 || map->count != type->rank) return false;
    for (size_t i = 0; i < map->count; i++) {
        size_t dim = i == 0 ? 0 : i + 1 < type->rank ? i + 1 : 1;
        if (map->exprs[i]->kind != DS_EXPR_DIM || map->exprs[i]->value != (int64_t)dim) return false;
    }
    return true;
}

bool ds_layout_same_order(const ds_type *a, const ds_type *b) { return layout_map(a) == layout_map(b); }

/* An extent with its border; of channels, all that are in the buffer. */
static const ds_expr *widened(ds_ir_context *cx, const ds_type *type, size_t dim, const ds_expr *extent) {
    if (dim == 1 && ds_layout_within(type, DS_WITHIN_ID) >= 0)
        return ds_expr_const(cx, ds_layout_within(type, DS_WITHIN_TOTAL));
    return ds_expr_add(cx, extent,
                       ds_expr_const(cx, ds_layout_border(type, dim, false) + ds_layout_border(type, dim, true)));
}

/* (dim mod size) floordiv part: which part of a group; returns dim mod size, or NULL. */
static const ds_expr *part_of_group(const ds_expr *e) {
    bool is = e->kind == DS_EXPR_FLOORDIV && e->a->kind == DS_EXPR_MOD && e->a->a->kind == DS_EXPR_DIM;
    return is ? e->a : NULL;
}

size_t ds_layout_extents(ds_ir_context *cx, const ds_type *type, const ds_expr **out) {
    const ds_attr *map = layout_map(type);
    if (!map) {
        for (size_t i = 0; i < type->rank; i++) out[i] = type->dims[i];
        return type->rank;
    }
    for (size_t i = 0; i < map->count; i++) {
        const ds_expr *e = map->exprs[i];
        const ds_expr *atom = e->kind == DS_EXPR_DIM ? e : e->a, *within = part_of_group(e);
        if (within) {
            out[i] = ds_expr_ceildiv(cx, within->b, e->b);
            continue;
        }
        if (!atom || atom->kind != DS_EXPR_DIM || (size_t)atom->value >= type->rank) return 0;
        const ds_expr *extent = type->dims[atom->value];
        if (e->kind == DS_EXPR_DIM) out[i] = widened(cx, type, (size_t)atom->value, extent);
        else if (e->kind == DS_EXPR_FLOORDIV) out[i] = ds_expr_ceildiv(cx, extent, e->b);
        else if (e->kind == DS_EXPR_MOD) out[i] = e->b;
        else return 0;
    }
    return map->count;
}

/* Where index 0 of a dim lies: behind the border, or behind the channels of other parts. */
static int64_t first_place(const ds_type *type, size_t dim) {
    return ds_layout_border(type, dim, false) + (dim == 1 ? ds_layout_within(type, DS_WITHIN_START) : 0);
}

const ds_expr *ds_layout_offset(ds_ir_context *cx, const ds_type *type, const ds_expr *const *index) {
    const ds_expr *extents[DS_CONTRACTION_MAX], *offset = ds_expr_const(cx, 0);
    const ds_attr *map = layout_map(type);
    size_t count = ds_layout_extents(cx, type, extents);
    if (map && !count) return NULL;
    for (size_t i = 0; i < count; i++) {
        const ds_expr *at = map ? ds_expr_replace_dims(cx, map->exprs[i], index, type->rank) : index[i];
        if (map && map->exprs[i]->kind == DS_EXPR_DIM)
            at = ds_expr_add(cx, at, ds_expr_const(cx, first_place(type, (size_t)map->exprs[i]->value)));
        offset = ds_expr_add(cx, ds_expr_mul(cx, offset, extents[i]), at);
    }
    return offset;
}

bool ds_layout_inverse(ds_ir_context *cx, const ds_type *type, const ds_expr **out) {
    const ds_attr *map = layout_map(type);
    for (size_t d = 0; d < type->rank; d++) out[d] = map ? ds_expr_const(cx, 0) : ds_expr_dim(cx, d);
    for (size_t i = 0; map && i < map->count; i++) {
        const ds_expr *e = map->exprs[i], *p = ds_expr_dim(cx, i);
        const ds_expr *atom = e->kind == DS_EXPR_DIM ? e : part_of_group(e) ? part_of_group(e)->a : e->a;
        if (!atom || atom->kind != DS_EXPR_DIM) return false;
        const ds_expr **to = &out[atom->value];
        *to = ds_expr_add(cx, *to, e->kind == DS_EXPR_FLOORDIV ? ds_expr_mul(cx, p, e->b) : p);
        if (e->kind == DS_EXPR_DIM)
            *to = ds_expr_sub(cx, *to, ds_expr_const(cx, first_place(type, (size_t)atom->value)));
    }
    return true;
}

const ds_expr *ds_layout_count(ds_ir_context *cx, const ds_type *type) {
    const ds_expr *extents[DS_CONTRACTION_MAX], *count = ds_expr_const(cx, 1);
    size_t n = ds_layout_extents(cx, type, extents);
    for (size_t i = 0; i < n; i++) count = ds_expr_mul(cx, count, extents[i]);
    return count;
}

bool ds_layout_is_dense(ds_ir_context *cx, const ds_type *type) {
    const ds_attr *map = layout_map(type);
    (void)cx;
    if (!map) return true;
    if (ds_attr_find(type->encoding, "border") || ds_layout_within(type, DS_WITHIN_ID) >= 0) return false;
    int64_t last = -1;
    for (size_t i = 0; i < map->count; i++) {
        const ds_expr *e = map->exprs[i];
        if (e->kind != DS_EXPR_DIM) return false;
        if (ds_expr_equals(type->dims[e->value], 1)) continue;
        if (e->value < last) return false;
        last = e->value;
    }
    return true;
}

const ds_attr *ds_layout_encoding(ds_ir_context *cx, size_t rank, const ds_expr *const *results, size_t count) {
    ds_named_attr entry = {"map", ds_attr_map(cx, rank, results, count)};
    return ds_attr_dict(cx, &entry, 1);
}
