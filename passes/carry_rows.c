/* The pass carry for caches of bytes with a scale for each row (ir/stored.h): twice what carry.c does for one tensor.
 *
 *   before   %p = map(%past, %s) { cast, mul }   %c = concat(%p, %new)   %t = … largest of rows of %c …
 *            %r = map(%c, %t) { quantize }   … return %r, %t
 *   after    %n, %m = bytes and scales of %new   %r = concat(%past, %n)   %t = concat(%s, %m)   … return %r, %t
 *
 * A row stays one: ops that would cut it or bring parts of several together do not carry it.
 */
#include <string.h>

#include "passes/carry.h"
#include "passes/contraction.h"
#include "passes/externs.h"
#include "passes/rows.h"

#define NONE SIZE_MAX
#define NOT_ASKED (SIZE_MAX - 1)

/* A value, and what is stored of it. */
typedef struct {
    ds_value *v, *wide; /* wide: what is stored, as the readers of v take it; NULL: nobody needed it yet */
    ds_rows rows;
} twin;

typedef struct {
    ds_module *m;
    ds_ir_context *cx;
    ds_elem elem;
    twin *twins;  /* stb_ds array */
    size_t *axes; /* stb_ds array by value id: the answers of axis_of */
} carrying;

/* ---- along which dim the rows of a value lie, if some are of the cache ---- */

static size_t axis_of(carrying *c, const ds_value *v, int depth);

static bool is_cache(const carrying *c, const ds_value *v, ds_rows *out) {
    return ds_rows_of(v, out) && out->bytes->type->elem == c->elem && !out->bytes->op && !out->scales->op &&
           out->axis + 1 == v->type->rank && out->scales->type == ds_rows_scales_type(c->cx, v->type, out->axis);
}

static bool mentions(carrying *c, const ds_expr *e, size_t dim) {
    const ds_expr *coefficient, *rest;
    return !ds_expr_linear(c->cx, e, dim, &coefficient, &rest) || !ds_expr_equals(coefficient, 0);
}

static bool is_same(carrying *c, const ds_expr *a, const ds_expr *b) {
    return ds_expr_equals(ds_expr_sub(c->cx, a, b), 0);
}

/* The dim of a map's result along which it reads whole rows of an operand. */
static size_t axis_through(carrying *c, const ds_attr *map, const ds_type *from, const ds_type *to, size_t axis) {
    const ds_expr *e = map->exprs[axis];
    if (e->kind != DS_EXPR_DIM) return NONE;
    size_t dim = (size_t)e->value;
    if (!is_same(c, from->dims[axis], to->dims[dim])) return NONE;
    for (size_t i = 0; i < map->count; i++)
        if (i != axis && mentions(c, map->exprs[i], dim)) return NONE;
    return dim;
}

/* Does a number of a map's region depend on the place along a dim? */
static bool depends(carrying *c, const ds_op *map, const ds_value *v, size_t dim, int depth) {
    const ds_block *body = ds_op_block(map, 0);
    if (v->block == body) {
        const ds_attr *at = ds_op_map(map, v->index);
        bool found = false;
        for (size_t i = 0; i < at->count; i++) found = found || mentions(c, at->exprs[i], dim);
        return found;
    }
    if (!v->op || v->op->block != body) return false; /* a tensor that elements are taken from */
    if (v->op->kind == DS_LOOP_position) return ds_op_int(v->op, "dim", 0) == (int64_t)dim;
    bool found = v->op->region_count > 0 || depth > DS_CARRY_DEPTH;
    for (size_t i = 0; i < v->op->operand_count && !found; i++)
        found = depends(c, map, ds_op_operand(v->op, i), dim, depth + 1);
    return found;
}

/* Are whole rows selected? */
static bool selects_rows(carrying *c, const ds_op *map, const ds_value *y, size_t dim, int depth) {
    if (!y->op || y->op->kind != DS_LOOP_select) return true;
    return depth < DS_CARRY_DEPTH && !depends(c, map, ds_op_operand(y->op, 0), dim, 0) &&
           selects_rows(c, map, ds_op_operand(y->op, 1), dim, depth + 1) &&
           selects_rows(c, map, ds_op_operand(y->op, 2), dim, depth + 1);
}

static bool is_padded_by_zero(const ds_op *map, size_t operand) {
    const ds_attr *pads = ds_op_attr(map, "pads"), *pad = pads ? pads->items[operand] : NULL;
    return !pad || pad->kind == DS_ATTR_UNIT || (pad->kind == DS_ATTR_FLOAT && pad->number == 0);
}

static size_t axis_of_map(carrying *c, const ds_op *map, size_t operand, size_t axis) {
    const ds_block *body = ds_op_block(map, 0);
    const ds_value *y = ds_op_operand(body->last, 0);
    size_t dim =
        axis_through(c, ds_op_map(map, operand), ds_op_operand(map, operand)->type, map->results[0].type, axis);
    bool fine = dim != NONE && is_padded_by_zero(map, operand) && selects_rows(c, map, y, dim, 0);
    return fine ? dim : NONE;
}

/* Extents from the rows' dim on are the same ones: what is before it may be cut otherwise. */
static size_t axis_of_view(carrying *c, const ds_op *view, size_t axis) {
    const ds_type *from = ds_op_operand(view, 0)->type, *to = view->results[0].type;
    size_t behind = from->rank - axis;
    if (ds_op_attr(view, "words") || to->rank < behind) return NONE;
    for (size_t i = 0; i < behind; i++)
        if (!is_same(c, from->dims[axis + i], to->dims[to->rank - behind + i])) return NONE;
    return to->rank - behind;
}

static const ds_expr *parameter(const ds_op *op, size_t i) {
    const ds_attr *params = ds_op_attr(op, "params");
    return i < params->count ? ds_attr_to_expr(params->items[i]) : NULL;
}

static bool is_called(const ds_op *op, const char *callee) { return !strcmp(ds_op_text(op, "callee", ""), callee); }

/* Constants that are the same ones along the last dim. */
static bool are_alike(const ds_type *type, const ds_attr *elements) {
    int64_t row;
    size_t size = ds_elem_facts(type->elem)->bits / 8;
    const char *bytes = elements->bytes;
    if (!ds_expr_is_const(type->dims[type->rank - 1], &row) || row <= 0) return false;
    for (size_t i = size; i < elements->count; i += size)
        if (i / size % (size_t)row && memcmp(bytes + i, bytes + i - size, size)) return false;
    return true;
}

/* Indices of whole rows, which are the last dim: they are made for one element and repeated. */
static bool repeats(carrying *c, const ds_value *indices, size_t axis) {
    const ds_attr *elements = ds_value_constant(indices);
    if (elements) return are_alike(indices->type, elements);
    const ds_attr *map = indices->op && ds_is_copy_map(indices->op) ? ds_op_map(indices->op, 0) : NULL;
    for (size_t i = 0; map && i < map->count; i++)
        if (mentions(c, map->exprs[i], axis)) return false;
    return map != NULL;
}

/* The parameter that is a multiple of a row's length, elements or bytes that are written together; NONE: none is. */
static size_t length_parameter(const ds_op *op) {
    return is_called(op, "tensor_scatter") ? 4 : is_called(op, "scatter_nd") ? 2 : NONE;
}

/* Rows that are written as a whole are the last dim. */
static size_t axis_of_scatter(carrying *c, const ds_op *op, size_t axis) {
    const ds_type *type = op->results[0].type;
    size_t last = type->rank - 1, at = length_parameter(op);
    int64_t along;
    if (axis != last || !ds_extern_moves(op)) return NONE;
    if (at != NONE) {
        int64_t unit = at == 4 ? (int64_t)ds_elem_facts(type->elem)->bits / 8 : 1;
        const ds_expr *row = ds_expr_scale(c->cx, type->dims[last], unit);
        return ds_expr_divide_exactly(c->cx, parameter(op, at), row) ? axis : NONE;
    }
    bool rows = is_called(op, "scatter_elements") && ds_expr_is_const(parameter(op, 1), &along) &&
                along != (int64_t)axis && repeats(c, ds_op_operand(op, 1), axis) &&
                is_same(c, ds_op_operand(op, 1)->type->dims[axis], type->dims[axis]);
    return rows ? axis : NONE;
}

/* Of the result, where the op moves rows of its operand there. */
static size_t axis_moved(carrying *c, const ds_op *op, size_t operand, int depth) {
    const ds_block *body = op->kind == DS_GRAPH_map ? ds_op_block(op, 0) : NULL;
    if (body && !ds_carry_selects(ds_op_operand(body->last, 0), body->args[operand], 0)) return NONE;
    bool may = body || op->kind == DS_GRAPH_concat || (op->kind == DS_GRAPH_reshape && operand == 0) ||
               (op->kind == DS_GRAPH_extern && operand == 0 && ds_extern_of(op));
    size_t axis = may ? axis_of(c, ds_op_operand(op, operand), depth) : NONE;
    if (axis == NONE) return NONE;
    if (body) return axis_of_map(c, op, operand, axis);
    if (op->kind == DS_GRAPH_reshape) return axis_of_view(c, op, axis);
    if (op->kind == DS_GRAPH_extern) return axis_of_scatter(c, op, axis);
    return ds_op_int(op, "axis", 0) == (int64_t)axis ? NONE : axis;
}

static size_t axis_of(carrying *c, const ds_value *v, int depth) {
    const ds_op *op = v->op;
    ds_rows cache;
    if (!op || op->result_count != 1 || v->type->kind != DS_TYPE_TENSOR || v->type->encoding ||
        v->type->elem != DS_SCALES_ELEM || depth > DS_CARRY_DEPTH)
        return NONE;
    while (arrlenu(c->axes) <= v->id) arrput(c->axes, NOT_ASKED);
    if (c->axes[v->id] != NOT_ASKED) return c->axes[v->id];
    size_t found = is_cache(c, v, &cache) ? cache.axis : NONE;
    for (size_t i = 0; i < op->operand_count && found == NONE; i++) found = axis_moved(c, op, i, depth + 1);
    c->axes[v->id] = found;
    return found;
}

/* ---- what is stored ---- */

typedef enum { BYTES, SCALES } stored_part;

static ds_rows store(carrying *c, ds_value *v);

static ds_value *part_of(const ds_rows *rows, stored_part part) { return part == BYTES ? rows->bytes : rows->scales; }

static const ds_type *type_of(carrying *c, const ds_type *type, size_t axis, stored_part part) {
    return part == BYTES ? ds_type_with_elem(c->cx, type, c->elem) : ds_rows_scales_type(c->cx, type, axis);
}

/* Elements of an operand whose rows lie along the same dim as the result's. */
static ds_rows store_or_round(carrying *c, ds_op *before, ds_value *v, size_t axis) {
    return axis_of(c, v, 0) == axis ? store(c, v) : ds_rows_round(c->m, before, v, c->elem, axis);
}

static ds_op *beside(carrying *c, ds_op *op, const ds_type *type) {
    ds_mapping none = {0};
    ds_builder b = {c->m, op->block, op, op->loc};
    ds_op *made = ds_op_clone(&b, op, &none);
    ds_mapping_free(&none);
    made->results[0].type = type;
    return made;
}

static ds_rows store_concat(carrying *c, ds_op *op, size_t axis) {
    ds_rows *parts = NULL, made = {NULL, NULL, axis};
    for (size_t i = 0; i < op->operand_count; i++) arrput(parts, store_or_round(c, op, ds_op_operand(op, i), axis));
    ds_op *both[2];
    for (stored_part p = BYTES; p <= SCALES; p++) {
        both[p] = beside(c, op, type_of(c, op->results[0].type, axis, p));
        for (size_t i = 0; i < op->operand_count; i++) ds_op_set_operand(both[p], i, part_of(&parts[i], p));
    }
    arrfree(parts);
    made.bytes = ds_op_result(both[BYTES], 0);
    made.scales = ds_op_result(both[SCALES], 0);
    return made;
}

static ds_rows store_view(carrying *c, ds_op *op, size_t axis) {
    ds_rows from = store(c, ds_op_operand(op, 0)), made = {NULL, NULL, axis};
    ds_op *both[2];
    for (stored_part p = BYTES; p <= SCALES; p++) {
        both[p] = beside(c, op, type_of(c, op->results[0].type, axis, p));
        ds_op_set_operand(both[p], 0, part_of(&from, p));
    }
    made.bytes = ds_op_result(both[BYTES], 0);
    made.scales = ds_op_result(both[SCALES], 0);
    return made;
}

/* One index for each row. */
static ds_value *first_of_rows(carrying *c, ds_op *before, ds_value *indices, size_t axis) {
    ds_builder b = {c->m, before->block, before, before->loc};
    const ds_expr **dims = NULL, **at = NULL;
    size_t rank = indices->type->rank;
    for (size_t i = 0; i < rank; i++) {
        arrput(dims, i == axis ? ds_expr_const(c->cx, 1) : indices->type->dims[i]);
        arrput(at, i == axis ? ds_expr_const(c->cx, 0) : ds_expr_dim(c->cx, i));
    }
    const ds_type *type = ds_type_tensor(c->cx, indices->type->elem, rank, dims, NULL);
    ds_op *copy = ds_copy_map(&b, indices, type, ds_attr_map(c->cx, rank, at, rank), false);
    arrfree(dims), arrfree(at);
    return ds_op_result(copy, 0);
}

/* The parameters for rows of one element. */
static void shorten(carrying *c, ds_op *op, const ds_type *type, size_t axis) {
    const ds_attr *old = ds_op_attr(op, "params");
    const ds_expr **params = NULL, *one = ds_expr_const(c->cx, 1);
    size_t at = length_parameter(op), rank = type->rank;
    for (size_t i = 0; i < old->count; i++) {
        const ds_expr *e = ds_attr_to_expr(old->items[i]);
        bool is_extent = at == NONE && (i == 3 + axis || i == 3 + rank + axis); /* of data, and of indices */
        arrput(params, i == at ? ds_expr_divide_exactly(c->cx, e, type->dims[axis]) : is_extent ? one : e);
    }
    ds_op_set_attr(c->m, op, "params", ds_attr_exprs(c->cx, params, arrlenu(params)));
    arrfree(params);
}

static ds_rows store_scatter(carrying *c, ds_op *op, size_t axis) {
    const ds_extern *row = ds_extern_of(op);
    const ds_type *type = op->results[0].type;
    ds_value *updates = ds_op_operand(op, (size_t)row->fresh);
    ds_rows old = store(c, ds_op_operand(op, 0)), fresh = store_or_round(c, op, updates, updates->type->rank - 1);
    ds_op *both[2];
    for (stored_part p = BYTES; p <= SCALES; p++) {
        both[p] = beside(c, op, type_of(c, type, axis, p));
        ds_op_set_operand(both[p], 0, part_of(&old, p));
        ds_op_set_operand(both[p], (size_t)row->fresh, part_of(&fresh, p));
    }
    ds_extern_retype(c->m, both[BYTES], type->elem, c->elem);
    shorten(c, both[SCALES], type, axis);
    if (length_parameter(op) == NONE)
        ds_op_set_operand(both[SCALES], 1, first_of_rows(c, both[SCALES], ds_op_operand(op, 1), axis));
    return (ds_rows){ds_op_result(both[BYTES], 0), ds_op_result(both[SCALES], 0), axis};
}

/* ---- maps: copies, and selections between old rows and new ones ---- */

static void set_entry(carrying *c, ds_op *map, const char *name, size_t i, const ds_attr *value) {
    const ds_attr *old = ds_op_attr(map, name), **items = NULL;
    for (size_t k = 0; k < old->count || k <= i; k++) arrput(items, k == i ? value : old->items[k]);
    ds_op_set_attr(c->m, map, name, ds_attr_array(c->cx, items, arrlenu(items)));
    arrfree(items);
}

static ds_value *add_operand(carrying *c, ds_op *map, ds_value *v) {
    ds_value **operands = NULL;
    size_t count = map->operand_count;
    for (size_t i = 0; i < count; i++) arrput(operands, ds_op_operand(map, i));
    arrput(operands, v);
    ds_op_set_operands(c->m, map, operands, count + 1);
    arrfree(operands);
    set_entry(c, map, "maps", count, ds_attr_identity_map(c->cx, v->type->rank));
    if (ds_op_attr(map, "pads")) set_entry(c, map, "pads", count, ds_attr_unit(c->cx));
    return ds_block_add_arg(c->m, ds_op_block(map, 0), ds_type_scalar(c->cx, v->type->elem), NULL);
}

/* Operands that the region does not read would keep what makes them. */
static void drop_operands(carrying *c, ds_op *map) {
    ds_block *body = ds_op_block(map, 0);
    const ds_attr *maps = ds_op_attr(map, "maps"), *pads = ds_op_attr(map, "pads"), **kept = NULL, **filled = NULL;
    ds_value **operands = NULL;
    size_t count = 0;
    ds_erase_unread(body);
    for (size_t i = 0; i < body->arg_count; i++) {
        if (ds_value_unused(body->args[i])) continue;
        arrput(operands, ds_op_operand(map, i));
        arrput(kept, maps->items[i]);
        if (pads) arrput(filled, pads->items[i]);
        body->args[count] = body->args[i];
        body->args[count]->index = (uint32_t)count;
        count++;
    }
    body->arg_count = count;
    ds_op_set_operands(c->m, map, operands, count);
    ds_op_set_attr(c->m, map, "maps", ds_attr_array(c->cx, kept, count));
    if (pads) ds_op_set_attr(c->m, map, "pads", ds_attr_array(c->cx, filled, count));
    arrfree(operands), arrfree(kept), arrfree(filled);
}

/* Does the region yield something else than elements of the cache? */
static bool has_fresh(const bool *carried, const ds_block *body, const ds_value *y) {
    if (y->op && y->op->kind == DS_LOOP_select)
        return has_fresh(carried, body, ds_op_operand(y->op, 1)) || has_fresh(carried, body, ds_op_operand(y->op, 2));
    return y->block != body || !carried[y->index];
}

/* Zeros in the place of old rows, so that the rounding of new ones does not read the cache. */
static ds_value *fresh_rows(carrying *c, ds_op *op, const bool *carried) {
    ds_op *map = beside(c, op, op->results[0].type);
    ds_block *body = ds_op_block(map, 0);
    ds_builder in = {c->m, body, body->first, op->loc};
    for (size_t i = 0; i < op->operand_count; i++) {
        if (!carried[i]) continue;
        const ds_type *type = ds_type_scalar(c->cx, DS_SCALES_ELEM);
        ds_op *zero = ds_op_create(&in, DS_LOOP_constant, NULL, 0, &type, 1, 0);
        ds_op_set_attr(c->m, zero, "value", ds_attr_float(c->cx, 0));
        ds_value_replace_uses(body->args[i], ds_op_result(zero, 0));
    }
    drop_operands(c, map);
    return ds_op_result(map, 0);
}

/* The number of the region, of what is stored. taken: the arguments for elements of the cache; fresh: for others. */
static ds_value *stored_number(carrying *c, ds_builder *b, ds_value *y, ds_value *const *taken, ds_value *fresh) {
    if (y->op && y->op->kind == DS_LOOP_select) {
        ds_value *parts[] = {ds_op_operand(y->op, 0), stored_number(c, b, ds_op_operand(y->op, 1), taken, fresh),
                             stored_number(c, b, ds_op_operand(y->op, 2), taken, fresh)};
        const ds_type *type = parts[1]->type;
        return ds_op_result(ds_op_create(b, DS_LOOP_select, parts, 3, &type, 1, 0), 0);
    }
    return y->block == b->block && taken[y->index] ? taken[y->index] : fresh;
}

/* The map as places of scales read: the first of their row. */
static const ds_attr *at_first(carrying *c, const ds_attr *map, size_t dim) {
    const ds_expr **dims = NULL, **at = NULL;
    for (size_t i = 0; i < (size_t)map->integer; i++)
        arrput(dims, i == dim ? ds_expr_const(c->cx, 0) : ds_expr_dim(c->cx, i));
    for (size_t i = 0; i < map->count; i++) arrput(at, ds_expr_replace_dims(c->cx, map->exprs[i], dims, arrlenu(dims)));
    const ds_attr *made = ds_attr_map(c->cx, (size_t)map->integer, at, map->count);
    arrfree(dims), arrfree(at);
    return made;
}

/* An argument for what is stored of an operand, read where that was. */
static ds_value *take_rows(carrying *c, ds_op *map, const ds_op *from, size_t i, stored_part part) {
    ds_rows rows = store(c, ds_op_operand(from, i));
    ds_value *taken = add_operand(c, map, part_of(&rows, part));
    const ds_attr *pads = ds_op_attr(from, "pads");
    set_entry(c, map, "maps", map->operand_count - 1, ds_op_map(from, i));
    if (!pads || pads->items[i]->kind == DS_ATTR_UNIT) return taken;
    set_entry(c, map, "pads", map->operand_count - 1, part == BYTES ? ds_attr_int(c->cx, 0) : ds_attr_float(c->cx, 0));
    return taken;
}

static ds_value *stored_map(carrying *c, ds_op *op, size_t axis, stored_part part, const bool *carried,
                            const ds_rows *fresh) {
    ds_op *map = beside(c, op, type_of(c, op->results[0].type, axis, part));
    ds_block *body = ds_op_block(map, 0);
    ds_value **taken = NULL, *y = ds_op_operand(body->last, 0);
    for (size_t i = 0; i < op->operand_count; i++) arrput(taken, carried[i] ? take_rows(c, map, op, i, part) : NULL);
    ds_value *others = fresh ? add_operand(c, map, part_of(fresh, part)) : NULL;
    ds_builder b = {c->m, body, body->last, map->loc};
    ds_op_set_operand(body->last, 0, stored_number(c, &b, y, taken, others));
    for (size_t i = 0; part == SCALES && i < map->operand_count; i++)
        set_entry(c, map, "maps", i, at_first(c, ds_op_map(map, i), axis));
    arrfree(taken);
    drop_operands(c, map);
    return ds_op_result(map, 0);
}

static ds_rows store_map(carrying *c, ds_op *op, size_t axis) {
    bool *carried = NULL;
    const ds_block *body = ds_op_block(op, 0);
    for (size_t i = 0; i < op->operand_count; i++) arrput(carried, axis_moved(c, op, i, 0) == axis);
    bool mixed = has_fresh(carried, body, ds_op_operand(body->last, 0));
    ds_rows fresh = {0}, made = {NULL, NULL, axis};
    if (mixed) fresh = ds_rows_round(c->m, op, fresh_rows(c, op, carried), c->elem, axis);
    made.bytes = stored_map(c, op, axis, BYTES, carried, mixed ? &fresh : NULL);
    made.scales = stored_map(c, op, axis, SCALES, carried, mixed ? &fresh : NULL);
    arrfree(carried);
    return made;
}

static const twin *twin_of(const carrying *c, const ds_value *v) {
    for (size_t i = 0; i < arrlenu(c->twins); i++)
        if (c->twins[i].v == v) return &c->twins[i];
    return NULL;
}

/* Of a value that has an axis. */
static ds_rows store(carrying *c, ds_value *v) {
    const twin *known = twin_of(c, v);
    twin made = {.v = v};
    if (known) return known->rows;
    if (is_cache(c, v, &made.rows)) return made.rows;
    size_t axis = axis_of(c, v, 0);
    if (v->op->kind == DS_GRAPH_concat) made.rows = store_concat(c, v->op, axis);
    else if (v->op->kind == DS_GRAPH_reshape) made.rows = store_view(c, v->op, axis);
    else if (v->op->kind == DS_GRAPH_extern) made.rows = store_scatter(c, v->op, axis);
    else made.rows = store_map(c, v->op, axis);
    arrput(c->twins, made);
    return made.rows;
}

/* ---- readers ---- */

static ds_value *widened(carrying *c, size_t i) {
    twin *t = &c->twins[i];
    if (t->wide) return t->wide;
    ds_op *behind = t->rows.scales->op; /* which is made after the bytes */
    ds_builder b = {c->m, behind->block, behind->next, behind->loc};
    t->wide = ds_rows_widen(&b, &t->rows, t->v->type);
    return t->wide;
}

/* A copy or view of the value becomes one of what is stored. */
static bool sinks_through(carrying *c, const ds_op *user, const ds_op *maker) {
    return user->block == maker->block && user->result_count == 1 &&
           (ds_is_copy_map(user) || user->kind == DS_GRAPH_reshape) && axis_of(c, &user->results[0], 0) != NONE;
}

/* The byte is taken where the element was, and the scale of its row. */
static void take_element(carrying *c, ds_op *extract, const ds_rows *rows) {
    const ds_type *types[] = {ds_type_scalar(c->cx, c->elem), ds_type_scalar(c->cx, DS_SCALES_ELEM)},
                  *index = ds_type_scalar(c->cx, DS_index);
    ds_builder b = {c->m, extract->block, extract, extract->loc};
    ds_value **at = NULL;
    for (size_t i = 0; i < extract->operand_count; i++) arrput(at, ds_op_operand(extract, i));
    at[0] = rows->bytes;
    ds_value *byte = ds_op_result(ds_op_create(&b, DS_GRAPH_extract, at, arrlenu(at), &types[0], 1, 0), 0);
    ds_op *zero = ds_op_create(&b, DS_LOOP_constant, NULL, 0, &index, 1, 0);
    ds_op_set_attr(c->m, zero, "value", ds_attr_int(c->cx, 0));
    at[0] = rows->scales;
    at[1 + rows->axis] = ds_op_result(zero, 0);
    ds_value *parts[] = {ds_op_result(ds_op_create(&b, DS_LOOP_cast, &byte, 1, &types[1], 1, 0), 0),
                         ds_op_result(ds_op_create(&b, DS_GRAPH_extract, at, arrlenu(at), &types[1], 1, 0), 0)};
    ds_value *product = ds_op_result(ds_op_create(&b, DS_LOOP_mul, parts, 2, &types[1], 1, 0), 0);
    arrfree(at);
    ds_value_replace_uses(ds_op_result(extract, 0), product);
    ds_op_erase(extract);
}

static void redirect(carrying *c, size_t i, ds_op *user, size_t operand) {
    ds_value *result = user->result_count == 1 ? ds_op_result(user, 0) : NULL;
    if (result && twin_of(c, result)) return; /* unused by now */
    if (user->kind == DS_GRAPH_extract && operand == 0) take_element(c, user, &c->twins[i].rows);
    else if (sinks_through(c, user, c->twins[i].v->op)) store(c, result); /* a twin, whose readers are next */
    else ds_op_set_operand(user, operand, widened(c, i));
}

static void redirect_readers(carrying *c, size_t i) {
    ds_use **uses = NULL;
    for (ds_use *use = c->twins[i].v->uses; use; use = use->next) arrput(uses, use);
    for (size_t k = 0; k < arrlenu(uses); k++)
        redirect(c, i, uses[k]->owner, (size_t)(uses[k] - uses[k]->owner->operands));
    arrfree(uses);
}

/* What a result of bytes is rounded from, by the scales that are a result, too. */
static ds_value *rounded(const ds_op *func, size_t i, ds_elem elem) {
    const ds_op *ret = ds_op_block(func, 0)->last;
    size_t scales = ds_stored_scales(func, i);
    const ds_op *map = ds_op_operand(ret, i)->op;
    if (scales >= ret->operand_count || !map || map->kind != DS_GRAPH_map || map->operand_count != 2) return NULL;
    const ds_block *body = ds_op_block(map, 0);
    const ds_op *last = ds_op_operand(body->last, 0)->op;
    bool rounds = last && last->kind == DS_LOOP_quantize && ds_op_operand(last, 0) == body->args[0] &&
                  ds_op_operand(last, 1) == body->args[1] && ds_op_operand(map, 1) == ds_op_operand(ret, scales);
    return rounds && map->results[0].type->elem == elem ? ds_op_operand(map, 0) : NULL;
}

bool ds_carry_rows(ds_module *m, const ds_op *func, size_t i) {
    ds_elem elem = ds_stored_of(func, i);
    ds_op *ret = ds_op_block(func, 0)->last;
    carrying c = {.m = m, .cx = m->cx, .elem = elem};
    ds_value *v = rounded(func, i, elem);
    bool carried = v && axis_of(&c, v, 0) == v->type->rank - 1;
    if (carried) {
        ds_rows rows = store(&c, v);
        ds_op_set_operand(ret, i, rows.bytes);
        ds_op_set_operand(ret, ds_stored_scales(func, i), rows.scales);
        for (size_t k = 0; k < arrlenu(c.twins); k++) redirect_readers(&c, k);
    }
    arrfree(c.twins), arrfree(c.axes);
    return carried;
}
