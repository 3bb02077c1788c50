#include "passes/rows.h"

/* ---- what they stand for ---- */

static const ds_value *unconverted(const ds_value *v) {
    while (v->op && v->op->kind == DS_LOOP_cast) v = ds_op_operand(v->op, 0);
    return v;
}

/* Does a map read one scale for each row? *out_axis: along which dim a row lies. */
static bool reads_scales(const ds_attr *map, const ds_type *scales, size_t *out_axis) {
    size_t axis = SIZE_MAX;
    for (size_t i = 0; i < map->count; i++) {
        const ds_expr *e = map->exprs[i];
        bool along = e->kind == DS_EXPR_DIM && (size_t)e->value == i;
        if (!along && !(ds_expr_equals(e, 0) && ds_expr_equals(scales->dims[i], 1))) return false;
        if (!along) axis = i;
    }
    *out_axis = axis;
    return axis != SIZE_MAX;
}

bool ds_rows_of(const ds_value *v, ds_rows *out) {
    const ds_op *map = v->op;
    if (!map || map->kind != DS_GRAPH_map || map->operand_count != 2 || map->result_count != 1 ||
        ds_op_attr(map, "pads"))
        return false;
    ds_value *bytes = ds_op_operand(map, 0), *scales = ds_op_operand(map, 1);
    const ds_block *body = ds_op_block(map, 0);
    const ds_op *product = ds_op_operand(body->last, 0)->op;
    bool multiplies = product && product->kind == DS_LOOP_mul &&
                      unconverted(ds_op_operand(product, 0)) == body->args[0] &&
                      ds_op_operand(product, 1) == body->args[1];
    if (!multiplies || !ds_elem_is_integer(bytes->type->elem) || ds_elem_facts(bytes->type->elem)->bits != 8 ||
        scales->type->elem != DS_SCALES_ELEM || v->type->elem != DS_SCALES_ELEM)
        return false;
    size_t rank = v->type->rank;
    out->bytes = bytes;
    out->scales = scales;
    return bytes->type->rank == rank && scales->type->rank == rank && ds_map_is_identity(ds_op_map(map, 0), v->type) &&
           reads_scales(ds_op_map(map, 1), scales->type, &out->axis);
}

/* ---- making them ---- */

const ds_type *ds_rows_scales_type(ds_ir_context *cx, const ds_type *type, size_t axis) {
    const ds_expr **dims = NULL;
    for (size_t i = 0; i < type->rank; i++) arrput(dims, i == axis ? ds_expr_const(cx, 1) : type->dims[i]);
    const ds_type *scales = ds_type_tensor(cx, DS_SCALES_ELEM, type->rank, dims, NULL);
    arrfree(dims);
    return scales;
}

/* The scale of the row that a point lies in, or the row's elements at the innermost dim of a reduction. */
static const ds_attr *at_row(ds_ir_context *cx, size_t rank, size_t dims, size_t axis, const ds_expr *along) {
    const ds_expr **at = NULL;
    for (size_t i = 0; i < rank; i++) arrput(at, i == axis ? along : ds_expr_dim(cx, i));
    const ds_attr *map = ds_attr_map(cx, dims, at, rank);
    arrfree(at);
    return map;
}

static ds_value *argument(ds_builder *in, ds_elem elem) {
    return ds_block_add_arg(in->module, in->block, ds_type_scalar(in->module->cx, elem), NULL);
}

static ds_value *scalar(ds_builder *in, ds_op_kind kind, ds_value *const *operands, size_t count, ds_elem elem) {
    const ds_type *type = ds_type_scalar(in->module->cx, elem);
    return ds_op_result(ds_op_create(in, kind, operands, count, &type, 1, 0), 0);
}

static ds_value *number(ds_builder *in, ds_elem elem, double value) {
    ds_value *v = scalar(in, DS_LOOP_constant, NULL, 0, elem);
    ds_ir_context *cx = in->module->cx;
    ds_op_set_attr(in->module, v->op, "value",
                   ds_elem_is_float(elem) ? ds_attr_float(cx, value) : ds_attr_int(cx, (int64_t)value));
    return v;
}

static void yield(ds_builder *in, ds_value *v) { ds_op_create(in, DS_GRAPH_yield, &v, 1, NULL, 0, 0); }

static ds_value *largest_of_rows(ds_builder *b, ds_value *v, size_t axis) {
    ds_module *m = b->module;
    size_t rank = v->type->rank;
    const ds_attr *map = at_row(m->cx, rank, rank + 1, axis, ds_expr_dim(m->cx, rank)), *zero = ds_attr_float(m->cx, 0);
    const ds_type *type = ds_rows_scales_type(m->cx, v->type, axis);
    ds_op *reduce = ds_op_create(b, DS_GRAPH_reduce, &v, 1, &type, 1, 2);
    ds_op_set_attr(m, reduce, "maps", ds_attr_array(m->cx, &map, 1));
    ds_op_set_attr(m, reduce, "over", ds_attr_exprs(m->cx, &v->type->dims[axis], 1));
    ds_op_set_attr(m, reduce, "init", ds_attr_array(m->cx, &zero, 1));
    ds_builder each = {m, ds_op_block(reduce, 0), NULL, b->loc}, both = {m, ds_op_block(reduce, 1), NULL, b->loc};
    ds_value *x = argument(&each, DS_SCALES_ELEM);
    yield(&each, scalar(&each, DS_LOOP_abs, &x, 1, DS_SCALES_ELEM));
    ds_value *pair[2];
    for (size_t i = 0; i < 2; i++) pair[i] = argument(&both, DS_SCALES_ELEM);
    yield(&both, scalar(&both, DS_LOOP_max, pair, 2, DS_SCALES_ELEM));
    return ds_op_result(reduce, 0);
}

static ds_op *open_map(ds_builder *b, ds_value *const *operands, const ds_attr *const *maps, size_t count,
                       const ds_type *type) {
    ds_op *map = ds_op_create(b, DS_GRAPH_map, operands, count, &type, 1, 1);
    ds_op_set_attr(b->module, map, "maps", ds_attr_array(b->module->cx, maps, count));
    return map;
}

/* top / 127; 1 for rows that count as zeros, which no quotient may become NaN for. */
static ds_value *scales_of(ds_builder *b, ds_value *top) {
    const ds_attr *same = ds_attr_identity_map(b->module->cx, top->type->rank);
    ds_op *map = open_map(b, &top, &same, 1, top->type);
    ds_builder in = {b->module, ds_op_block(map, 0), NULL, b->loc};
    ds_value *x = argument(&in, DS_SCALES_ELEM), *order[] = {number(&in, DS_SCALES_ELEM, DS_SCALES_LEAST), x},
             *parts[] = {x, number(&in, DS_SCALES_ELEM, 127)};
    ds_value *choice[] = {scalar(&in, DS_LOOP_lt, order, 2, DS_b1), scalar(&in, DS_LOOP_div, parts, 2, DS_SCALES_ELEM),
                          number(&in, DS_SCALES_ELEM, 1)};
    yield(&in, scalar(&in, DS_LOOP_select, choice, 3, DS_SCALES_ELEM));
    return ds_op_result(map, 0);
}

ds_rows ds_rows_round(ds_module *m, ds_op *before, ds_value *v, ds_elem elem, size_t axis) {
    ds_builder b = {m, before->block, before, before->loc};
    size_t rank = v->type->rank;
    ds_value *both[] = {v, scales_of(&b, largest_of_rows(&b, v, axis))};
    const ds_attr *maps[] = {ds_attr_identity_map(m->cx, rank),
                             at_row(m->cx, rank, rank, axis, ds_expr_const(m->cx, 0))};
    ds_op *map = open_map(&b, both, maps, 2, ds_type_with_elem(m->cx, v->type, elem));
    ds_builder in = {m, ds_op_block(map, 0), NULL, b.loc};
    ds_value *x[3];
    for (size_t i = 0; i < 2; i++) x[i] = argument(&in, DS_SCALES_ELEM);
    x[2] = number(&in, elem, 0);
    yield(&in, scalar(&in, DS_LOOP_quantize, x, 3, elem));
    return (ds_rows){ds_op_result(map, 0), both[1], axis};
}

ds_value *ds_rows_widen(ds_builder *b, const ds_rows *rows, const ds_type *type) {
    ds_module *m = b->module;
    ds_value *both[] = {rows->bytes, rows->scales};
    const ds_attr *maps[] = {ds_attr_identity_map(m->cx, type->rank),
                             at_row(m->cx, type->rank, type->rank, rows->axis, ds_expr_const(m->cx, 0))};
    ds_op *map = open_map(b, both, maps, 2, type);
    ds_builder in = {m, ds_op_block(map, 0), NULL, b->loc};
    ds_value *x = argument(&in, rows->bytes->type->elem), *scale = argument(&in, DS_SCALES_ELEM);
    ds_value *parts[] = {scalar(&in, DS_LOOP_cast, &x, 1, DS_SCALES_ELEM), scale};
    yield(&in, scalar(&in, DS_LOOP_mul, parts, 2, DS_SCALES_ELEM));
    return ds_op_result(map, 0);
}
