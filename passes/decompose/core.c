/* What the rules are built from: maps, reductions, shapes, known integers. */
#include "passes/decompose/decompose.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/dims.h"
#include "ir/eval.h"

enum { KNOWN_LIMIT = 1024 }; /* elements: larger values are not evaluated while compiling */

/* ---- reading ---- */

ds_value *dec_in(const dec *d, size_t i) {
    ds_value *v = i < d->op->operand_count ? ds_op_operand(d->op, i) : NULL;
    return ds_value_is_none(v) ? NULL : v;
}

const ds_type *dec_type(const dec *d, size_t i) {
    ds_value *v = dec_in(d, i);
    return v ? v->type : NULL;
}

/* What does not fit are the types of operands, which may be inferred: nobody sees them in the model. */
static void note_operands(dec *d) {
    ds_string text = {0};
    for (size_t i = 0; i < d->op->operand_count; i++) {
        ds_string_printf(&text, i ? ", " : "");
        ds_type_print(&text, ds_op_operand(d->op, i)->type);
    }
    if (text.length)
        ds_report(d->cx->diag, DS_NOTE, DS_NO_CODE, ds_op_where(d->m, d->op), "its operands are %s", text.data);
    ds_string_free(&text);
}

static ds_status report(dec *d, ds_error_code code, const char *format, va_list args) {
    char text[512];
    vsnprintf(text, sizeof text, format, args);
    ds_status status = ds_op_report(d->m, d->op, code, "%s", text);
    if (code == DS_E_shape || code == DS_E_type || code == DS_E_elem) note_operands(d);
    return status;
}

ds_status dec_fail(dec *d, ds_error_code code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    ds_status status = report(d, code, format, args);
    va_end(args);
    return status;
}

ds_status dec_refuse(dec *d, const char *format, ...) {
    va_list args;
    va_start(args, format);
    ds_status status = report(d, DS_E_form, format, args);
    va_end(args);
    return status;
}

ds_status dec_axis(dec *d, int64_t axis, size_t rank, size_t *out_axis) {
    if (axis < 0) axis += (int64_t)rank;
    if (axis < 0 || axis >= (int64_t)rank)
        return dec_fail(d, DS_E_attribute, "axis %lld is outside a tensor of rank %zu", (long long)axis, rank);
    *out_axis = (size_t)axis;
    return DS_OK;
}

/* ---- expressions ---- */

const ds_expr *dec_const(dec *d, int64_t v) { return ds_expr_const(d->cx, v); }
const ds_expr *dec_dim(dec *d, size_t i) { return ds_expr_dim(d->cx, i); }

/* The same requirement stands at the beginning of this block, or of one around it. */
static bool is_required(dec *d, const ds_requirement *r) {
    for (const ds_block *block = d->b.block; block; block = block->region->op ? block->region->op->block : NULL)
        if (ds_requirement_stands(d->cx, block, r)) return true;
    return false;
}

ds_status dec_require(dec *d, ds_relation is, const ds_expr *left, const ds_expr *right, const char *format, ...) {
    char what[256];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    ds_requirement r = {is, left, right, ds_op_where(d->m, d->op), what};
    if (ds_requirement_is_proven(d->cx, &r)) return DS_OK;
    bool always =
        !d->b.block->region->op || d->b.block->region->op->kind == DS_FUNC; /* else a branch that may not be taken */
    if (always && ds_requirement_is_refuted(d->cx, &r)) {
        ds_string text = {0};
        ds_requirement_print_relation(&text, &r);
        ds_status status = dec_fail(d, DS_E_shape, "it must be that %s, but not %s", what, text.data);
        ds_string_free(&text);
        return status;
    }
    if (is_required(d, &r)) return DS_OK;
    /* what entry can check stands first in its block */
    ds_builder b = d->b;
    if (!left->is_late && !right->is_late) {
        b.before = b.block->first;
        while (b.before && b.before->kind == DS_GRAPH_require) b.before = b.before->next;
    }
    ds_requirement_op(&b, DS_GRAPH_require, &r);
    return DS_OK;
}

ds_status dec_not_negative(dec *d, const ds_expr *const *extents, size_t count, const char *what) {
    for (size_t i = 0; i < count; i++)
        DS_TRY(dec_require(d, DS_at_most, dec_const(d, 0), extents[i], "%s are not negative", what));
    return DS_OK;
}

ds_status dec_has_shape(dec *d, const ds_type *t, size_t rank, const ds_expr *const *dims, const char *what) {
    if (t->rank != rank)
        return dec_fail(d, DS_E_shape, "it must be that %s, but there are %zu dimensions instead of %zu", what, t->rank,
                        rank);
    for (size_t i = 0; i < rank; i++)
        if (t->dims[i] != dims[i]) DS_TRY(dec_require(d, DS_equal, t->dims[i], dims[i], "%s", what));
    return DS_OK;
}

const ds_attr *dec_map_of(dec *d, size_t rank, const ds_expr *const *exprs, size_t count) {
    return ds_attr_map(d->cx, rank, exprs, count);
}

/* ---- maps ---- */

ds_elem dec_compute_elem(ds_elem elem) {
    return ds_elem_is_float(elem) && ds_elem_facts(elem)->bits < 32 ? DS_f32 : elem;
}

static body region_begin(dec *d, ds_op *op, ds_elem elem, ds_value *const *inputs, size_t count) {
    body r = {.d = d, .op = op, .elem = elem, .b = {d->m, ds_op_block(op, 0), NULL, NULL}};
    for (size_t i = 0; i < count; i++)
        ds_block_add_arg(d->m, r.b.block, ds_type_scalar(d->cx, inputs[i]->type->elem), NULL);
    for (size_t i = 0; i < count && i < DS_COUNT(r.x); i++)
        r.x[i] = cast_to(&r, r.b.block->args[i], dec_compute_elem(inputs[i]->type->elem));
    return r;
}

body map_begin_many(dec *d, ds_elem elem, size_t results, size_t rank, const ds_expr *const *dims,
                    ds_value *const *inputs, const ds_attr *const *maps, size_t count) {
    const ds_type *types[DEC_MAX_RESULTS];
    for (size_t i = 0; i < results; i++) types[i] = ds_type_tensor(d->cx, elem, rank, dims, NULL);
    ds_op *op = ds_op_create(&d->b, DS_GRAPH_map, inputs, count, types, results, 1);
    ds_op_set_attr(d->m, op, "maps", ds_attr_array(d->cx, maps, count));
    return region_begin(d, op, elem, inputs, count);
}

body map_begin(dec *d, ds_elem elem, size_t rank, const ds_expr *const *dims, ds_value *const *inputs,
               const ds_attr *const *maps, size_t count) {
    return map_begin_many(d, elem, 1, rank, dims, inputs, maps, count);
}

body map_over(dec *d, ds_elem elem, size_t rank, const ds_expr *const *dims, ds_value *const *inputs, size_t count) {
    const ds_attr *maps[DEC_MAX_RESULTS];
    for (size_t i = 0; i < count; i++) maps[i] = dec_broadcast_map(d, inputs[i], rank, dims);
    return map_begin(d, elem, rank, dims, inputs, maps, count);
}

body map_same(dec *d, ds_elem elem, ds_value *input) {
    return map_over(d, elem, input->type->rank, input->type->dims, &input, 1);
}

void map_end_many(body *r, ds_value *const *results, size_t count, ds_value **out) {
    ds_value *yields[DEC_MAX_RESULTS];
    for (size_t i = 0; i < count; i++) yields[i] = cast_to(r, results[i], r->elem), out[i] = ds_op_result(r->op, i);
    ds_op_create(&r->b, DS_GRAPH_yield, yields, count, NULL, 0, 0);
}

static void yield(body *r, ds_value *v) { ds_op_create(&r->b, DS_GRAPH_yield, &v, 1, NULL, 0, 0); }

ds_value *map_end(body *r, ds_value *result) {
    map_end_many(r, &result, 1, &result);
    return dec_simplify(r->d, result);
}

static void set_pad(body *r, size_t input, const ds_attr *value) {
    const ds_attr *old = ds_op_attr(r->op, "pads"), *items[DEC_MAX_RESULTS];
    for (size_t i = 0; i < r->op->operand_count; i++) items[i] = old ? old->items[i] : ds_attr_unit(r->d->cx);
    items[input] = value;
    ds_op_set_attr(r->d->m, r->op, "pads", ds_attr_array(r->d->cx, items, r->op->operand_count));
}

void map_pad(body *r, size_t input, double value) {
    bool is_float = ds_elem_is_float(ds_op_operand(r->op, input)->type->elem);
    set_pad(r, input, is_float ? ds_attr_float(r->d->cx, value) : ds_attr_int(r->d->cx, ds_float_to_int(value)));
}

void map_pad_lowest(body *r, size_t input) {
    const ds_elem_info *e = ds_elem_facts(ds_op_operand(r->op, input)->type->elem);
    if (e->class == DS_CLASS_FLOAT) map_pad(r, input, -(double)INFINITY);
    else set_pad(r, input, ds_attr_int(r->d->cx, e->class == DS_CLASS_SINT ? INT64_MIN >> (64 - e->bits) : 0));
}

/* ---- reductions ---- */

body reduce_begin(dec *d, ds_elem elem, size_t rank, const ds_expr *const *dims, const ds_expr *const *over,
                  size_t over_count, ds_value *const *inputs, const ds_attr *const *maps, size_t count) {
    const ds_type *type = ds_type_tensor(d->cx, elem, rank, dims, NULL);
    ds_op *op = ds_op_create(&d->b, DS_GRAPH_reduce, inputs, count, &type, 1, 2);
    ds_op_set_attr(d->m, op, "maps", ds_attr_array(d->cx, maps, count));
    ds_op_set_attr(d->m, op, "over", ds_attr_exprs(d->cx, over, over_count));
    return region_begin(d, op, elem, inputs, count);
}

static const ds_attr *identity_of(body *r, ds_op_kind combiner) {
    ds_ir_context *cx = r->d->cx;
    const ds_elem_info *e = ds_elem_facts(r->elem);
    bool is_unsigned = e->class == DS_CLASS_UINT;
    int64_t top = e->class == DS_CLASS_BOOL ? 1
                  : is_unsigned             ? (e->bits == 64 ? -1 : (int64_t)((1ull << e->bits) - 1))
                  : e->bits == 64           ? INT64_MAX
                                            : (int64_t)((1ull << (e->bits - 1)) - 1);
    bool is_float = e->class == DS_CLASS_FLOAT;
    switch (combiner) {
    case DS_LOOP_mul: return is_float ? ds_attr_float(cx, 1) : ds_attr_int(cx, 1);
    case DS_LOOP_max:
    case DS_LOOP_greater:
        return is_float ? ds_attr_float(cx, -(double)INFINITY)
                        : ds_attr_int(cx, is_unsigned || e->class == DS_CLASS_BOOL ? 0 : -top - 1);
    case DS_LOOP_min: return is_float ? ds_attr_float(cx, (double)INFINITY) : ds_attr_int(cx, top);
    case DS_LOOP_and: return ds_attr_int(cx, -1);
    default: return is_float ? ds_attr_float(cx, 0) : ds_attr_int(cx, 0);
    }
}

ds_value *reduce_end(body *r, ds_value *value, ds_op_kind combiner) {
    yield(r, cast_to(r, value, r->elem));
    const ds_attr *init = identity_of(r, combiner);
    ds_op_set_attr(r->d->m, r->op, "init", ds_attr_array(r->d->cx, &init, 1));
    const ds_type *scalar = ds_type_scalar(r->d->cx, r->elem);
    ds_block *combine = ds_op_block(r->op, 1);
    r->b.block = combine;
    ds_value *a = ds_block_add_arg(r->d->m, combine, scalar, NULL),
             *b = ds_block_add_arg(r->d->m, combine, scalar, NULL);
    yield(r, op2(r, combiner, a, b));
    return dec_simplify(r->d, ds_op_result(r->op, 0));
}

/* ---- scalars ---- */

static ds_value *scalar_op(body *r, ds_op_kind kind, ds_value *const *operands, size_t count, ds_elem elem) {
    const ds_type *type = ds_type_scalar(r->d->cx, elem);
    return ds_op_result(ds_op_create(&r->b, kind, operands, count, &type, 1, 0), 0);
}

static bool is_comparison(ds_op_kind kind) {
    return kind == DS_LOOP_eq || kind == DS_LOOP_ne || kind == DS_LOOP_lt || kind == DS_LOOP_le;
}

ds_value *op1(body *r, ds_op_kind kind, ds_value *a) { return scalar_op(r, kind, &a, 1, a->type->elem); }

ds_value *op2(body *r, ds_op_kind kind, ds_value *a, ds_value *b) {
    ds_value *operands[] = {a, b};
    return scalar_op(r, kind, operands, 2, is_comparison(kind) ? DS_b1 : a->type->elem);
}

ds_value *op3(body *r, ds_op_kind kind, ds_value *a, ds_value *b, ds_value *c) {
    ds_value *operands[] = {a, b, c};
    return scalar_op(r, kind, operands, 3, (kind == DS_LOOP_quantize ? c : b)->type->elem);
}

ds_value *num(body *r, ds_elem elem, double v) {
    ds_value *result = scalar_op(r, DS_LOOP_constant, NULL, 0, elem);
    ds_op_set_attr(r->d->m, result->op, "value",
                   ds_elem_is_float(elem) ? ds_attr_float(r->d->cx, v) : ds_attr_int(r->d->cx, ds_float_to_int(v)));
    return result;
}

ds_value *whole(body *r, ds_elem elem, int64_t v) {
    ds_value *result = scalar_op(r, DS_LOOP_constant, NULL, 0, elem);
    ds_op_set_attr(r->d->m, result->op, "value", ds_attr_int(r->d->cx, v));
    return result;
}

ds_value *like(body *r, ds_value *v, double c) { return num(r, v->type->elem, c); }

ds_value *cast_to(body *r, ds_value *v, ds_elem elem) {
    if (v->type->elem == elem) return v;
    /* narrow -> f32 -> the same narrow type: nothing happened */
    if (v->op && v->op->kind == DS_LOOP_cast && ds_op_operand(v->op, 0)->type->elem == elem &&
        dec_compute_elem(elem) == v->type->elem)
        return ds_op_operand(v->op, 0);
    return scalar_op(r, DS_LOOP_cast, &v, 1, elem);
}

ds_value *extent(body *r, const ds_expr *e) {
    ds_value *result = scalar_op(r, DS_LOOP_apply, NULL, 0, DS_index);
    ds_op_set_attr(r->d->m, result->op, "map", ds_attr_map(r->d->cx, 0, &e, 1));
    return result;
}

ds_value *position(body *r, size_t dim) {
    ds_value *result = scalar_op(r, DS_LOOP_position, NULL, 0, DS_index);
    ds_op_set_attr(r->d->m, result->op, "dim", ds_attr_int(r->d->cx, (int64_t)dim));
    return result;
}

ds_value *at_point(body *r, size_t dims, const ds_expr *e) {
    ds_value *coordinates[2 * DEC_MAX_RANK];
    const ds_type *index = ds_type_scalar(r->d->cx, DS_index);
    for (size_t i = 0; i < dims; i++) coordinates[i] = position(r, i);
    ds_op *apply = ds_op_create(&r->b, DS_LOOP_apply, coordinates, dims, &index, 1, 0);
    ds_op_set_attr(r->d->m, apply, "map", ds_attr_map(r->d->cx, dims, &e, 1));
    return ds_op_result(apply, 0);
}

ds_value *clamp_index(body *r, ds_value *v, const ds_expr *size) {
    ds_value *i = cast_to(r, v, DS_index), *zero = num(r, DS_index, 0);
    return op2(r, DS_LOOP_max, zero, op2(r, DS_LOOP_min, i, op2(r, DS_LOOP_sub, extent(r, size), num(r, DS_index, 1))));
}

ds_value *extract(body *r, ds_value *tensor, ds_value *const *at, size_t count) {
    ds_value *operands[DEC_MAX_RANK + 1] = {tensor};
    for (size_t i = 0; i < count; i++) operands[i + 1] = cast_to(r, at[i], DS_index);
    ds_value *v = scalar_op(r, DS_GRAPH_extract, operands, count + 1, tensor->type->elem);
    return cast_to(r, v, dec_compute_elem(tensor->type->elem));
}

/* ---- known values ---- */

typedef struct {
    dec *d;
    ds_arena *arena;
} known_env;

static const ds_cells *known_value(void *user, const ds_value *v) {
    known_env *k = user;
    uint64_t count;
    if (v->type->kind != DS_TYPE_TENSOR || !ds_type_static_count(v->type, &count) || count > KNOWN_LIMIT) return NULL;
    if (count == 0 && v->type->rank == 1) { /* an empty list, wherever it comes from */
        static const int64_t no_extent = 0;
        return ds_cells_from_bytes(k->arena, v->type, &no_extent, NULL);
    }
    if (!v->op) return NULL;
    if (v->op->kind != DS_GRAPH_constant && v->op->kind != DS_GRAPH_index) return NULL;
    if (ds_elem_facts(v->type->elem)->bits > 64) return NULL;
    ds_cells *cells = DS_NEW(k->arena, ds_cells);
    ds_eval_env env = {k->d->cx, k->arena, known_value, k, NULL};
    return ds_eval_op(&env, v->op, KNOWN_LIMIT, cells) ? cells : NULL;
}

static bool all_constant(const ds_cells *c) {
    for (size_t i = 0; i < c->count; i++)
        if (c->cells[i].e) return false;
    return true;
}

/* Element i as an expression; for a float that is one, or a whole number. */
static const ds_expr *whole_number(dec *d, const ds_cells *c, size_t i) {
    if (c->cells[i].e) return c->cells[i].e;
    return dec_const(d, ds_elem_is_float(c->type->elem) ? ds_float_to_int(c->cells[i].f) : c->cells[i].i);
}

static bool whole_numbers(const ds_cells *c) {
    if (c->type->elem != DS_f32 && c->type->elem != DS_f64) return ds_elem_is_integer(c->type->elem);
    for (size_t i = 0; i < c->count; i++)
        if (!c->cells[i].e && (c->cells[i].f != floor(c->cells[i].f) || fabs(c->cells[i].f) > 1e15)) return false;
    return true;
}

ds_value *dec_simplify(dec *d, ds_value *v) {
    uint64_t count;
    if (!v->op || !ds_type_static_count(v->type, &count) || count > KNOWN_LIMIT || v->op->result_count != 1 ||
        ds_elem_facts(v->type->elem)->bits > 64)
        return v;
    if (v->op->kind == DS_GRAPH_constant || v->op->kind == DS_GRAPH_index || v->op->kind == DS_GRAPH_extern) return v;
    known_env k = {d, ds_arena_create()};
    ds_eval_env env = {d->cx, k.arena, known_value, &k, NULL};
    ds_cells cells;
    ds_value *result = v;
    if (ds_eval_op(&env, v->op, KNOWN_LIMIT, &cells)) {
        void *bytes;
        size_t length;
        if (all_constant(&cells) && ds_cells_to_bytes(k.arena, &cells, &bytes, &length)) {
            result = dec_constant(d, v->type->elem, v->type->rank, cells.dims, bytes, length);
        } else if (whole_numbers(&cells)) {
            const ds_expr **values = NULL;
            for (size_t i = 0; i < cells.count; i++) arrput(values, whole_number(d, &cells, i));
            ds_op *op = ds_op_create(&d->b, DS_GRAPH_index, NULL, 0, &v->type, 1, 0);
            ds_op_set_attr(d->m, op, "values", ds_attr_exprs(d->cx, values, arrlenu(values)));
            arrfree(values);
            result = ds_op_result(op, 0);
        }
        if (result != v && ds_value_unused(v)) ds_op_erase(v->op);
    }
    ds_arena_destroy(k.arena);
    return result;
}

/* A symbol for element `at` of an integer tensor, read at run time. */
static const ds_expr *read_item(dec *d, ds_symbol_kind kind, ds_value *value, size_t at) {
    const char *symbol = ds_module_new_symbol(d->m, kind);
    ds_op *item = ds_op_create(&d->b, DS_GRAPH_item, &value, 1, NULL, 0, 0);
    ds_op_set_attr(d->m, item, "symbol", ds_attr_string(d->cx, symbol));
    ds_op_set_attr(d->m, item, "at", ds_attr_int(d->cx, (int64_t)at));
    return ds_expr_symbol(d->cx, symbol);
}

ds_status dec_list(dec *d, size_t operand, size_t count) {
    ds_value *list = dec_in(d, operand);
    const ds_expr *length = dec_const(d, (int64_t)count);
    if (!list || list->type->rank != 1 || ds_expr_is_const(list->type->dims[0], NULL)) return DS_OK;
    DS_TRY(dec_require(d, DS_equal, list->type->dims[0], length, "operand %zu has %zu elements", operand, count));
    ds_op_set_operand(d->op, operand, dec_reshape(d, list, 1, &length));
    return DS_OK;
}

ds_status dec_ints(dec *d, ds_value *value, const ds_expr **out, size_t room, size_t *out_count) {
    uint64_t count;
    if (value && room == 1 && value->type->rank == 1 && !ds_expr_is_const(value->type->dims[0], NULL)) {
        const ds_expr *one = dec_const(d, 1);
        DS_TRY(
            dec_require(d, DS_equal, value->type->dims[0], one, "a list that stands for one number has one element"));
        value = dec_reshape(d, value, 1, &one);
    }
    if (!value || !ds_type_static_count(value->type, &count))
        return dec_refuse(d, "a shape or index list whose length is known only at run time");
    if (count > room)
        return dec_fail(d, DS_E_shape, "a list of %llu integers where at most %zu make sense",
                        (unsigned long long)count, room);
    if (room == 1 && count == 0) return dec_fail(d, DS_E_shape, "an empty list where one integer is needed");
    *out_count = (size_t)count;
    known_env k = {d, ds_arena_create()};
    const ds_cells *cells = known_value(&k, value);
    if (cells && !whole_numbers(cells)) cells = NULL;
    for (size_t i = 0; cells && i < count; i++) out[i] = whole_number(d, cells, i);
    ds_arena_destroy(k.arena);
    if (!cells && ds_elem_is_float(value->type->elem))
        return dec_refuse(d, "float bounds or sizes that are known only at run time");
    if (cells) return DS_OK;
    if (ds_elem_facts(value->type->elem)->packed)
        value = dec_convert(d, value, DS_i64); /* what is read has an address */
    for (size_t i = 0; i < count; i++) out[i] = read_item(d, DS_SYMBOL_value, value, i);
    return DS_OK;
}

static const ds_expr *named(dec *d, ds_symbol_kind kind, const ds_expr *e) {
    if (ds_expr_is_const(e, NULL) || e->kind == DS_EXPR_SYMBOL) return e;
    return read_item(d, kind, dec_index_tensor(d, DS_i64, &e, 1, true), 0);
}

const ds_expr *dec_named(dec *d, const ds_expr *e) {
    return named(d, ds_expr_nonneg(e) ? DS_SYMBOL_count : DS_SYMBOL_value, e);
}

ds_status dec_named_extents(dec *d, const ds_expr **extents, size_t count) {
    DS_TRY(dec_not_negative(d, extents, count, "extents"));
    for (size_t i = 0; i < count; i++) extents[i] = named(d, DS_SYMBOL_count, extents[i]);
    return DS_OK;
}

/* Atoms of e, at most `limit`. */
static size_t weight(const ds_expr *e, size_t limit) {
    if (e->kind == DS_EXPR_SYMBOL || e->kind == DS_EXPR_DIM) return 1;
    size_t sum = 0;
    if (e->kind != DS_EXPR_POLY) {
        sum = weight(e->a, limit);
        return sum < limit ? sum + weight(e->b, limit - sum) : sum;
    }
    for (size_t i = 0; i < e->term_count; i++)
        for (size_t k = 0; k < e->terms[i].atom_count && sum < limit; k++)
            sum += weight(e->terms[i].atoms[k], limit - sum);
    return sum;
}

ds_status dec_light(dec *d, ds_value **value) {
    enum { HEAVY = 24 };
    const ds_type *t = *value ? (*value)->type : NULL;
    const ds_expr *dims[DEC_MAX_RANK];
    bool heavy = false;
    if (!t || t->kind != DS_TYPE_TENSOR || t->rank > DEC_MAX_RANK) return DS_OK;
    for (size_t i = 0; i < t->rank; i++) {
        dims[i] = t->dims[i];
        heavy = heavy || (weight(dims[i], HEAVY) >= HEAVY && dims[i]->is_late);
    }
    if (!heavy) return DS_OK;
    DS_TRY(dec_named_extents(d, dims, t->rank));
    *value = dec_reshape(d, *value, t->rank, dims);
    return DS_OK;
}

bool dec_known_ints(dec *d, ds_value *value, int64_t *out, size_t room, size_t *out_count) {
    known_env k = {d, ds_arena_create()};
    const ds_cells *cells = value ? known_value(&k, value) : NULL;
    bool good = cells && cells->count <= room && (room > 1 || cells->count == room) && all_constant(cells);
    for (size_t i = 0; good && i < cells->count; i++) out[i] = cells->cells[i].i;
    if (good) *out_count = cells->count;
    ds_arena_destroy(k.arena);
    return good;
}

/* Element 0 of a constant as an attribute: a float or an integer, which keeps all its bits. NULL when it is not
 * known. */
static const ds_attr *known_number(dec *d, ds_value *value) {
    known_env k = {d, ds_arena_create()};
    const ds_cells *cells = value ? known_value(&k, value) : NULL;
    const ds_attr *number = NULL;
    if (cells && cells->count >= 1 && all_constant(cells))
        number = ds_elem_is_float(value->type->elem) ? ds_attr_float(d->cx, cells->cells[0].f)
                                                     : ds_attr_int(d->cx, cells->cells[0].i);
    ds_arena_destroy(k.arena);
    return number;
}

ds_value *known_constant(body *r, ds_value *value) {
    const ds_attr *number = known_number(r->d, value);
    if (!number) return NULL;
    ds_value *result = scalar_op(r, DS_LOOP_constant, NULL, 0, dec_compute_elem(value->type->elem));
    ds_op_set_attr(r->d->m, result->op, "value", number);
    return result;
}

bool map_pad_known(body *r, size_t input, ds_value *value) {
    const ds_attr *number = known_number(r->d, value);
    if (number) set_pad(r, input, number);
    return number != NULL;
}

bool dec_known_scalar(dec *d, ds_value *value, double *out) {
    known_env k = {d, ds_arena_create()};
    const ds_cells *cells = value ? known_value(&k, value) : NULL;
    bool good = cells && cells->count >= 1 && all_constant(cells);
    if (good) *out = ds_elem_is_float(value->type->elem) ? cells->cells[0].f : (double)cells->cells[0].i;
    ds_arena_destroy(k.arena);
    return good;
}

/* ---- whole ops ---- */

ds_value *dec_constant(dec *d, ds_elem elem, size_t rank, const int64_t *dims, const void *bytes, size_t length) {
    const ds_expr *extents[64];
    for (size_t i = 0; i < rank; i++) extents[i] = dec_const(d, dims[i]);
    const ds_type *type = ds_type_tensor(d->cx, elem, rank, extents, NULL);
    ds_op *op = ds_op_create(&d->b, DS_GRAPH_constant, NULL, 0, &type, 1, 0);
    ds_op_set_attr(d->m, op, "value", ds_attr_elements(d->cx, type, bytes, length, NULL));
    return ds_op_result(op, 0);
}

ds_value *dec_scalar(dec *d, ds_elem elem, double v) {
    uint64_t bits = ds_elem_is_float(elem) ? ds_float_encode(elem, v, true) : (uint64_t)ds_float_to_int(v);
    return dec_constant(d, elem, 0, NULL, &bits, (ds_elem_facts(elem)->bits + 7) / 8);
}

ds_value *dec_index_tensor(dec *d, ds_elem elem, const ds_expr *const *values, size_t count, bool scalar) {
    const ds_expr *extent = dec_const(d, (int64_t)count);
    const ds_type *type = ds_type_tensor(d->cx, elem, scalar ? 0 : 1, &extent, NULL);
    ds_op *op = ds_op_create(&d->b, DS_GRAPH_index, NULL, 0, &type, 1, 0);
    ds_op_set_attr(d->m, op, "values", ds_attr_exprs(d->cx, values, count));
    bool constant = true;
    for (size_t i = 0; i < count; i++) constant = constant && ds_expr_is_const(values[i], NULL);
    if (!constant) return ds_op_result(op, 0);
    int64_t *numbers = ds_xmalloc(count * sizeof *numbers), dim = (int64_t)count;
    for (size_t i = 0; i < count; i++) numbers[i] = values[i]->value;
    ds_op_erase(op);
    unsigned size = ds_elem_facts(elem)->bits / 8;
    uint8_t *bytes = ds_xmalloc(count * size);
    for (size_t i = 0; i < count; i++) memcpy(bytes + i * size, &numbers[i], size);
    ds_value *result = dec_constant(d, elem, scalar ? 0 : 1, &dim, bytes, count * size);
    free(bytes);
    free(numbers);
    return result;
}

ds_value *dec_reshape(dec *d, ds_value *v, size_t rank, const ds_expr *const *dims) {
    const ds_type *type = ds_type_tensor(d->cx, v->type->elem, rank, dims, NULL);
    if (type == v->type) return v;
    if (v->op && v->op->kind == DS_GRAPH_reshape) v = ds_op_operand(v->op, 0);
    if (type == v->type) return v;
    return dec_simplify(d, ds_op_result(ds_op_create(&d->b, DS_GRAPH_reshape, &v, 1, &type, 1, 0), 0));
}

ds_value *dec_transpose(dec *d, ds_value *v, const size_t *permutation) {
    size_t rank = v->type->rank;
    const ds_expr *dims[DEC_MAX_RANK], *exprs[DEC_MAX_RANK];
    for (size_t i = 0; i < rank; i++) dims[i] = v->type->dims[permutation[i]], exprs[permutation[i]] = dec_dim(d, i);
    const ds_attr *map = dec_map_of(d, rank, exprs, rank);
    body r = map_begin(d, v->type->elem, rank, dims, &v, &map, 1);
    return map_end(&r, r.x[0]);
}

ds_value *dec_convert(dec *d, ds_value *v, ds_elem elem) {
    if (v->type->elem == elem) return v;
    body r = map_same(d, elem, v);
    return map_end(&r, r.x[0]);
}

ds_value *dec_binary(dec *d, ds_op_kind kind, ds_value *a, ds_value *b) {
    ds_value *both[] = {a, b};
    const ds_expr *dims[DEC_MAX_RANK];
    size_t rank;
    if (dec_broadcast(d, both, 2, dims, &rank) != DS_OK) return NULL;
    body r = map_over(d, is_comparison(kind) ? DS_b1 : a->type->elem, rank, dims, both, 2);
    return map_end(&r, op2(&r, kind, r.x[0], r.x[1]));
}

ds_status dec_concat(dec *d, ds_value *const *inputs, size_t count, size_t axis, ds_value **out) {
    const ds_expr *dims[DEC_MAX_RANK];
    const ds_type *first = inputs[0]->type;
    for (size_t i = 0; i < first->rank; i++) dims[i] = first->dims[i];
    for (size_t k = 1; k < count; k++) {
        const ds_type *t = inputs[k]->type;
        if (t->rank != first->rank)
            return dec_fail(d, DS_E_shape, "inputs have ranks %zu and %zu", first->rank, t->rank);
        if (t->elem != first->elem)
            return dec_fail(d, DS_E_type, "inputs have element types %s and %s", ds_elem_facts(first->elem)->text,
                            ds_elem_facts(t->elem)->text);
        for (size_t i = 0; i < t->rank; i++) {
            if (i == axis) dims[i] = ds_expr_add(d->cx, dims[i], t->dims[i]);
            else DS_TRY(dec_same(d, dims[i], t->dims[i], &dims[i]));
        }
    }
    const ds_type *type = ds_type_tensor(d->cx, first->elem, first->rank, dims, NULL);
    ds_op *c = ds_op_create(&d->b, DS_GRAPH_concat, inputs, count, &type, 1, 0);
    ds_op_set_attr(d->m, c, "axis", ds_attr_int(d->cx, (int64_t)axis));
    *out = dec_simplify(d, ds_op_result(c, 0));
    return DS_OK;
}

/* A bias without what training has driven below DS_LEAST_WEIGHT: sums that consist of it alone would be subnormal, and
 * slow from then on.
 */
static ds_value *without_dust(dec *d, ds_value *bias) {
    const ds_attr *value = ds_value_constant(bias);
    int64_t count;
    if (!value || bias->type->elem != DS_f32 || bias->type->rank != 1 || !ds_expr_is_const(bias->type->dims[0], &count))
        return bias;
    float *kept = ds_arena_alloc(d->m->arena, value->count);
    bool dusty = false;
    memcpy(kept, value->bytes, value->count);
    for (int64_t i = 0; i < count; i++) {
        if (kept[i] == 0 || fabsf(kept[i]) >= (float)DS_LEAST_WEIGHT) continue;
        kept[i] = 0, dusty = true;
    }
    return dusty ? dec_constant(d, DS_f32, 1, &count, kept, value->count) : bias;
}

ds_status dec_one(dec *d, ds_value *v, const char *what, ds_value **out) {
    DS_TRY(dec_require(d, DS_equal, ds_type_count(d->cx, v->type), dec_const(d, 1), "%s", what));
    *out = dec_reshape(d, v, 0, NULL);
    return DS_OK;
}

ds_status dec_per_channel(dec *d, const ds_value *v, const ds_expr *channels, const char *what) {
    if (v->type->rank != 1)
        return dec_fail(d, DS_E_shape, "it must be that %s, but it has rank %zu", what, v->type->rank);
    return dec_require(d, DS_equal, v->type->dims[0], channels, "%s", what);
}

ds_status dec_channel_bias(dec *d, ds_value *v, ds_value *bias, ds_value **out) {
    const ds_expr *e = dec_dim(d, 1);
    DS_TRY(dec_per_channel(d, bias, v->type->dims[1], "the bias has an element for each output channel"));
    bias = without_dust(d, bias);
    ds_value *inputs[] = {v, bias};
    const ds_attr *maps[] = {ds_attr_identity_map(d->cx, v->type->rank), dec_map_of(d, v->type->rank, &e, 1)};
    body r = map_begin(d, v->type->elem, v->type->rank, v->type->dims, inputs, maps, 2);
    *out = map_end(&r, op2(&r, DS_LOOP_add, r.x[0], cast_to(&r, r.x[1], r.x[0]->type->elem)));
    return DS_OK;
}

ds_value *dec_slice(dec *d, ds_value *v, size_t axis, const ds_expr *start, const ds_expr *extent_of, int64_t step) {
    size_t rank = v->type->rank;
    const ds_expr *dims[DEC_MAX_RANK], *exprs[DEC_MAX_RANK];
    for (size_t i = 0; i < rank; i++) dims[i] = v->type->dims[i], exprs[i] = dec_dim(d, i);
    dims[axis] = extent_of;
    exprs[axis] = ds_expr_add(d->cx, ds_expr_scale(d->cx, dec_dim(d, axis), step), start);
    const ds_attr *map = dec_map_of(d, rank, exprs, rank);
    body r = map_begin(d, v->type->elem, rank, dims, &v, &map, 1);
    return map_end(&r, r.x[0]);
}

/* Integers stay as narrow as they are: widening them is part of the product. So it is of floats, but that narrow (the
 * pass) has to see: their conversion stays, also of small constants. */
static ds_value *factor(dec *d, ds_value *v, ds_elem sum) {
    bool narrow = ds_elem_facts(v->type->elem)->bits < ds_elem_facts(sum)->bits;
    if (!narrow || ds_elem_is_float(v->type->elem) != ds_elem_is_float(sum)) return dec_convert(d, v, sum);
    if (ds_elem_is_integer(sum)) return v;
    body r = map_same(d, sum, v);
    ds_value *out;
    map_end_many(&r, &r.x[0], 1, &out);
    return out;
}

ds_value *dec_contract(dec *d, ds_op_kind kind, ds_elem elem, size_t rank, const ds_expr *const *dims,
                       const ds_expr *const *over, size_t over_count, ds_value *a, const ds_attr *a_map, ds_value *b,
                       const ds_attr *b_map) {
    ds_elem wide = dec_compute_elem(elem);
    a = factor(d, a, wide), b = factor(d, b, wide);
    const ds_type *type = ds_type_tensor(d->cx, wide, rank, dims, NULL);
    ds_value *operands[] = {a, b};
    const ds_attr *maps[] = {a_map, b_map};
    ds_op *op = ds_op_create(&d->b, kind, operands, 2, &type, 1, 0);
    ds_op_set_attr(d->m, op, "maps", ds_attr_array(d->cx, maps, 2));
    ds_op_set_attr(d->m, op, "over", ds_attr_exprs(d->cx, over, over_count));
    ds_dims_note(d->m, op);
    return dec_convert(d, dec_simplify(d, ds_op_result(op, 0)), elem);
}

ds_status dec_matmul(dec *d, ds_value *a, ds_value *b, ds_elem elem, ds_value **out) {
    size_t ra = a->type->rank, rb = b->type->rank;
    if (ra == 0 || rb == 0) return dec_fail(d, DS_E_shape, "a matrix product needs operands of rank 1 or more");
    size_t ba = ra > 2 ? ra - 2 : 0, bb = rb > 2 ? rb - 2 : 0, batch = ba > bb ? ba : bb;
    const ds_expr *dims[DEC_MAX_RANK], *am[DEC_MAX_RANK], *bm[DEC_MAX_RANK], *k;
    if (batch + 3 > DEC_MAX_RANK) return dec_refuse(d, "more than %d dimensions", DEC_MAX_RANK);
    size_t rank = 0;
    for (; rank < batch; rank++) {
        const ds_expr *x = rank + ba >= batch ? a->type->dims[rank + ba - batch] : dec_const(d, 1);
        const ds_expr *y = rank + bb >= batch ? b->type->dims[rank + bb - batch] : dec_const(d, 1);
        DS_TRY(dec_broadcast_extent(d, x, y, &dims[rank]));
        if (rank + ba >= batch) am[rank + ba - batch] = dec_stretched(d, x, dims[rank], dec_dim(d, rank));
        if (rank + bb >= batch) bm[rank + bb - batch] = dec_stretched(d, y, dims[rank], dec_dim(d, rank));
    }
    DS_TRY(dec_same(d, a->type->dims[ra - 1], b->type->dims[rb > 1 ? rb - 2 : 0], &k));
    size_t m_at = rank;
    if (ra > 1) dims[rank] = a->type->dims[ra - 2], am[ra - 2] = dec_dim(d, rank), rank++;
    if (rb > 1) dims[rank] = b->type->dims[rb - 1], bm[rb - 1] = dec_dim(d, rank), rank++;
    (void)m_at;
    am[ra - 1] = dec_dim(d, rank);
    bm[rb > 1 ? rb - 2 : 0] = dec_dim(d, rank);
    *out = dec_contract(d, DS_GRAPH_matmul, elem, rank, dims, &k, 1, a, dec_map_of(d, rank + 1, am, ra), b,
                        dec_map_of(d, rank + 1, bm, rb));
    return DS_OK;
}

const ds_expr *dec_equals(dec *d, const ds_expr *e, int64_t value) {
    const ds_expr *off = ds_expr_sub(d->cx, e, dec_const(d, value)), *zero = dec_const(d, 0);
    const ds_expr *distance = ds_expr_max(d->cx, off, ds_expr_scale(d->cx, off, -1));
    return ds_expr_max(d->cx, zero, ds_expr_sub(d->cx, dec_const(d, 1), distance));
}

ds_status dec_require_axis(dec *d, const ds_expr *axis, size_t rank) {
    DS_TRY(dec_require(d, DS_at_most, dec_const(d, -(int64_t)rank), axis, "an axis is one of the %zu", rank));
    return dec_require(d, DS_at_most, axis, dec_const(d, (int64_t)rank - 1), "an axis is one of the %zu", rank);
}

ds_status dec_run_time_axes(dec *d, ds_value *axes, size_t rank, const ds_expr **is_axis, size_t *out_count) {
    const ds_expr *a[DEC_MAX_RANK];
    DS_TRY(dec_ints(d, axes, a, DEC_MAX_RANK, out_count));
    for (size_t k = 0; k < *out_count; k++) DS_TRY(dec_require_axis(d, a[k], rank));
    for (size_t i = 0; i < rank; i++) {
        is_axis[i] = dec_const(d, 0);
        for (size_t k = 0; k < *out_count; k++)
            is_axis[i] = ds_expr_max(d->cx, is_axis[i], dec_is_axis(d, a[k], i, rank));
    }
    return DS_OK;
}

const ds_expr *dec_is_axis(dec *d, const ds_expr *axis, size_t dim, size_t rank) {
    return ds_expr_max(d->cx, dec_equals(d, axis, (int64_t)dim), dec_equals(d, axis, (int64_t)dim - (int64_t)rank));
}

ds_value *dec_drop_axes(dec *d, ds_value *v, const ds_type *t, const ds_expr *const *is_axis, size_t count) {
    const ds_expr *dims[DEC_MAX_RANK];
    for (size_t j = 0; j + count < t->rank; j++) { /* result dim j is the j-th one that stays */
        const ds_expr *seen = dec_const(d, 0), *sum = seen;
        for (size_t i = 0; i < t->rank; i++) {
            const ds_expr *stays = ds_expr_sub(d->cx, dec_const(d, 1), is_axis[i]);
            seen = ds_expr_add(d->cx, seen, stays);
            sum = ds_expr_add(
                d->cx, sum,
                ds_expr_mul(d->cx, ds_expr_mul(d->cx, stays, dec_equals(d, seen, (int64_t)j + 1)), t->dims[i]));
        }
        dims[j] = dec_named(d, sum);
    }
    return dec_reshape(d, v, t->rank - count, dims);
}
