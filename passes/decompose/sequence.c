/* Sequences and optionals, as far as they are known while compiling: a list is a graph.sequence op, and what reads it
 * gets its elements.
 *
 *   before   %s = "onnx.SplitToSequence"(%x, %half)   %a = "onnx.SequenceAt"(%s, %one)
 *   after    %a = the second half of %x
 *
 * What a loop appends stays one tensor, with a dim for the elements: the last operand of a `stacked` list.
 */
#include <string.h>

#include "passes/decompose/decompose.h"

bool dec_is_sequence(const ds_value *v) { return v && v->op && v->op->kind == DS_GRAPH_sequence; }
bool dec_sequence_is_stacked(const ds_value *v) { return ds_op_attr(v->op, "stacked") != NULL; }

ds_value *dec_sequence(dec *d, ds_value *const *elements, size_t count, bool stacked, const ds_type *like) {
    const ds_type *inner = count ? ds_type_unranked(d->cx, elements[0]->type->elem) : NULL;
    const ds_type *type = count ? ds_type_nested(d->cx, DS_TYPE_SEQUENCE, &inner, 1) : like;
    ds_op *op = ds_op_create(&d->b, DS_GRAPH_sequence, elements, count, &type, 1, 0);
    if (stacked) ds_op_set_attr(d->m, op, "stacked", ds_attr_unit(d->cx));
    return ds_op_result(op, 0);
}

/* ---- reading ---- */

typedef struct {
    size_t count;            /* of elements that are values of their own */
    ds_value *const *values; /* stb_ds array: they, then the stack */
    ds_value *stack;         /* or NULL */
} list;

static ds_status list_of(dec *d, size_t operand, list *out) {
    ds_value *v = dec_in(d, operand), **values = NULL;
    *out = (list){0};
    if (!dec_is_sequence(v)) return dec_refuse(d, "a sequence that is not known while compiling");
    for (size_t i = 0; i < v->op->operand_count; i++) arrput(values, ds_op_operand(v->op, i));
    out->values = values, out->count = arrlenu(values);
    if (dec_sequence_is_stacked(v)) out->stack = values[--out->count];
    return DS_OK;
}

static void list_free(list *l) {
    ds_value **values = (ds_value **)(uintptr_t)l->values;
    arrfree(values);
}

static const ds_expr *length_of(dec *d, const list *l) {
    const ds_expr *count = dec_const(d, (int64_t)l->count);
    return l->stack ? ds_expr_add(d->cx, count, l->stack->type->dims[0]) : count;
}

/* The constant position that operand `at` gives in a list of `length`; it is at most `last`, which it is when left
 * out. */
static ds_status known_position(dec *d, size_t at, size_t length, int64_t last, int64_t *out) {
    size_t count;
    *out = last;
    if (!dec_in(d, at)) return DS_OK;
    if (!dec_known_ints(d, dec_in(d, at), out, 1, &count) || count != 1)
        return dec_refuse(d, "a position that is known only at run time");
    if (*out < 0) *out += (int64_t)length;
    return *out < 0 || *out > last ? dec_fail(d, DS_E_shape, "position %lld is outside the sequence", (long long)*out)
                                   : DS_OK;
}

/* Element `at` of stack, without the first dim. */
static ds_value *unstack(dec *d, ds_value *stack, const ds_expr *at) {
    ds_value *one = dec_slice(d, stack, 0, at, dec_const(d, 1), 1);
    return dec_reshape(d, one, stack->type->rank - 1, stack->type->dims + 1);
}

/* An element at a position that is read at run time: all are of one shape and are stacked. */
static ds_status stack_all(dec *d, const list *l, ds_value **out) {
    ds_value **rows = NULL;
    ds_status status = DS_OK;
    for (size_t i = 0; status == DS_OK && i < l->count; i++) {
        const ds_type *t = l->values[i]->type;
        const ds_expr *dims[DEC_MAX_RANK + 1] = {dec_const(d, 1)};
        for (size_t k = 0; k < t->rank; k++) dims[k + 1] = t->dims[k];
        if (t->rank + 1 > DEC_MAX_RANK) status = dec_refuse(d, "a tensor of rank %zu", t->rank);
        else arrput(rows, dec_reshape(d, l->values[i], t->rank + 1, dims));
    }
    if (l->stack) arrput(rows, l->stack);
    if (status == DS_OK && !arrlenu(rows)) status = dec_fail(d, DS_E_shape, "the sequence is empty");
    if (status == DS_OK) status = dec_concat(d, rows, arrlenu(rows), 0, out);
    arrfree(rows);
    return status;
}

static ds_status element_at(dec *d, const list *l, ds_value **out) {
    int64_t at;
    size_t n;
    bool known = dec_known_ints(d, dec_in(d, 1), &at, 1, &n) && n == 1;
    if (known && !l->stack) {
        if (at < 0) at += (int64_t)l->count;
        if (at < 0 || at >= (int64_t)l->count)
            return dec_fail(d, DS_E_shape, "position %lld is outside a sequence of %zu", (long long)at, l->count);
        *out = l->values[at];
        return DS_OK;
    }
    if (known && at >= 0 && at < (int64_t)l->count) {
        *out = l->values[at];
        return DS_OK;
    }
    const ds_expr *position, *length = length_of(d, l), *zero = dec_const(d, 0);
    ds_value *stack;
    DS_TRY(dec_ints(d, dec_in(d, 1), &position, 1, &n));
    if (n != 1) return dec_fail(d, DS_E_shape, "%zu positions", n);
    if (!ds_expr_nonneg(position)) { /* negative ones count from the end: min(max(-position, 0), 1) is 1 for these */
        const ds_expr *negated = ds_expr_scale(d->cx, position, -1);
        const ds_expr *is_negative = ds_expr_min(d->cx, ds_expr_max(d->cx, negated, zero), dec_const(d, 1));
        position = ds_expr_add(d->cx, position, ds_expr_mul(d->cx, is_negative, length));
    }
    DS_TRY(dec_require(d, DS_at_most, zero, position, "the position is in the sequence"));
    DS_TRY(dec_require(d, DS_at_most, position, ds_expr_sub(d->cx, length, dec_const(d, 1)),
                       "the position is in the sequence"));
    DS_TRY(stack_all(d, l, &stack));
    *out = unstack(d, stack, position);
    return DS_OK;
}

RULE(sequence_at) {
    list l;
    (void)op;
    DS_TRY(list_of(d, 0, &l));
    ds_status status = element_at(d, &l, &d->out[0]);
    list_free(&l);
    return status;
}

RULE(sequence_length) {
    list l;
    (void)op;
    DS_TRY(list_of(d, 0, &l));
    const ds_expr *length = length_of(d, &l);
    d->out[0] = dec_index_tensor(d, DS_i64, &length, 1, true);
    list_free(&l);
    return DS_OK;
}

/* ---- making ---- */

RULE(sequence_construct) {
    ds_value **values = NULL;
    ds_status status = DS_OK;
    for (size_t i = 0; status == DS_OK && i < op->operand_count; i++) {
        ds_value *v = dec_in(d, i);
        if (!v || v->type->kind != DS_TYPE_TENSOR) status = dec_fail(d, DS_E_arity, "operand %zu is not a tensor", i);
        else if (v->type->elem != dec_type(d, 0)->elem)
            status = dec_fail(d, DS_E_type, "its elements have different types");
        arrput(values, v);
    }
    if (status == DS_OK && !arrlenu(values)) status = dec_fail(d, DS_E_arity, "there are no operands");
    if (status == DS_OK) d->out[0] = dec_sequence(d, values, arrlenu(values), false, NULL);
    arrfree(values);
    return status;
}

RULE(sequence_empty) {
    ds_elem elem = ds_elem_from_onnx((int)ds_op_int(op, "dtype", 1));
    if (elem == DS_NO_ELEM)
        return dec_fail(d, DS_E_attribute, "dtype %lld is unknown", (long long)ds_op_int(op, "dtype", 1));
    const ds_type *inner = ds_type_unranked(d->cx, elem);
    d->out[0] = dec_sequence(d, NULL, 0, false, ds_type_nested(d->cx, DS_TYPE_SEQUENCE, &inner, 1));
    return DS_OK;
}

/* x with a new first dim of 1 */
static ds_value *as_row(dec *d, ds_value *x) {
    const ds_expr *dims[DEC_MAX_RANK + 1] = {dec_const(d, 1)};
    for (size_t i = 0; i < x->type->rank; i++) dims[i + 1] = x->type->dims[i];
    return dec_reshape(d, x, x->type->rank + 1, dims);
}

static ds_status insert(dec *d, const list *l, ds_value *x, ds_value **out) {
    int64_t at;
    ds_value **values = NULL, *joined;
    DS_TRY(known_position(d, 2, l->count, (int64_t)l->count, &at));
    if (l->stack && !dec_in(d, 2)) { /* behind what is stacked */
        ds_value *both[] = {l->stack, as_row(d, x)};
        if (l->stack->type->rank != x->type->rank + 1)
            return dec_refuse(d, "elements of different rank behind those of a loop");
        DS_TRY(dec_concat(d, both, 2, 0, &joined));
        for (size_t i = 0; i < l->count; i++) arrput(values, l->values[i]);
        arrput(values, joined);
    } else {
        for (size_t i = 0; i <= l->count; i++) {
            if ((int64_t)i == at) arrput(values, x);
            if (i < l->count) arrput(values, l->values[i]);
        }
        if (l->stack) arrput(values, l->stack);
    }
    *out = dec_sequence(d, values, arrlenu(values), l->stack != NULL, NULL);
    arrfree(values);
    return DS_OK;
}

RULE(sequence_insert) {
    list l;
    ds_value *x = dec_in(d, 1);
    (void)op;
    if (x->type->kind != DS_TYPE_TENSOR) return dec_fail(d, DS_E_type, "what is inserted is not a tensor");
    DS_TRY(list_of(d, 0, &l));
    ds_status status = insert(d, &l, x, &d->out[0]);
    list_free(&l);
    return status;
}

RULE(sequence_erase) {
    list l;
    int64_t at;
    ds_value **values = NULL;
    (void)op;
    DS_TRY(list_of(d, 0, &l));
    ds_status status = l.stack ? dec_refuse(d, "a sequence whose length is known only at run time")
                               : known_position(d, 1, l.count, (int64_t)l.count - 1, &at);
    if (status == DS_OK && l.count == 0) status = dec_fail(d, DS_E_shape, "the sequence is empty");
    for (size_t i = 0; status == DS_OK && i < l.count; i++)
        if ((int64_t)i != at) arrput(values, l.values[i]);
    if (status == DS_OK) d->out[0] = dec_sequence(d, values, arrlenu(values), false, dec_type(d, 0));
    arrfree(values);
    list_free(&l);
    return status;
}

/* ---- splitting and joining ---- */

enum { MOST_PARTS = 4096 };

/* Parts of extents `sizes` along an axis, one after the other; without the axis where `drop` says so. */
static void split_parts(dec *d, ds_value *x, size_t axis, const ds_expr *const *sizes, size_t count, bool drop) {
    ds_value **values = NULL;
    const ds_expr *start = dec_const(d, 0), *dims[DEC_MAX_RANK];
    size_t rank = 0;
    for (size_t i = 0; i < x->type->rank; i++)
        if (i != axis) dims[rank++] = x->type->dims[i];
    for (size_t i = 0; i < count; i++) {
        ds_value *part = dec_slice(d, x, axis, start, sizes[i], 1);
        arrput(values, drop ? dec_reshape(d, part, rank, dims) : part);
        start = ds_expr_add(d->cx, start, sizes[i]);
    }
    const ds_type *inner = ds_type_unranked(d->cx, x->type->elem);
    d->out[0] = dec_sequence(d, values, count, false, ds_type_nested(d->cx, DS_TYPE_SEQUENCE, &inner, 1));
    arrfree(values);
}

/* All slices along an axis, as a stack: no copy where the axis is the first. */
static void split_all(dec *d, ds_value *x, size_t axis, bool drop) {
    size_t rank = x->type->rank, order[DEC_MAX_RANK], n = 0;
    const ds_expr *dims[DEC_MAX_RANK + 1];
    order[n++] = axis;
    for (size_t i = 0; i < rank; i++)
        if (i != axis) order[n++] = i;
    ds_value *stack = axis ? dec_transpose(d, x, order) : x;
    if (!drop) { /* [n, …] -> [n, …, 1, …] */
        dims[0] = x->type->dims[axis];
        for (size_t i = 0; i < rank; i++) dims[i + 1] = i == axis ? dec_const(d, 1) : x->type->dims[i];
        stack = dec_reshape(d, stack, rank + 1, dims);
    }
    d->out[0] = dec_sequence(d, &stack, 1, true, NULL);
}

RULE(split_to_sequence) {
    ds_value *x = dec_in(d, 0), *split = dec_in(d, 1);
    const ds_expr **sizes = NULL;
    size_t axis, count = 0;
    int64_t extent, each = 1;
    uint64_t given = 1;
    DS_TRY(dec_axis(d, ds_op_int(op, "axis", 0), x->type->rank, &axis));
    bool is_const = ds_expr_is_const(x->type->dims[axis], &extent), listed = split && split->type->rank == 1;
    if (split && !ds_type_static_count(split->type, &given))
        return dec_refuse(d, "a list of parts whose length is known only at run time");
    if (listed && given > MOST_PARTS) return dec_refuse(d, "%llu parts", (unsigned long long)given);
    if (listed) {
        arrsetlen(sizes, given);
        ds_status status = dec_ints(d, split, sizes, given, &count);
        const ds_expr *sum = dec_const(d, 0);
        for (size_t i = 0; status == DS_OK && i < count; i++) {
            status = dec_require(d, DS_at_most, dec_const(d, 0), sizes[i], "no part has a negative extent");
            sum = ds_expr_add(d->cx, sum, sizes[i]);
        }
        if (status == DS_OK) status = dec_require(d, DS_equal, sum, x->type->dims[axis], "the parts make up the axis");
        if (status == DS_OK) split_parts(d, x, axis, sizes, count, false);
        arrfree(sizes);
        return status;
    }
    if (split && (!dec_known_ints(d, split, &each, 1, &count) || count != 1))
        return dec_refuse(d, "parts whose number is known only at run time");
    if (each <= 0) return dec_fail(d, DS_E_shape, "parts of extent %lld", (long long)each);
    if (!is_const || (!split && extent > MOST_PARTS)) {
        if (each != 1) return dec_refuse(d, "parts whose number is known only at run time");
        if (x->type->rank + 1 > DEC_MAX_RANK) return dec_refuse(d, "a tensor of rank %zu", x->type->rank);
        split_all(d, x, axis, !split && !ds_op_int(op, "keepdims", 1));
        return DS_OK;
    }
    if ((extent + each - 1) / each > MOST_PARTS)
        return dec_refuse(d, "%lld parts", (long long)((extent + each - 1) / each));
    for (int64_t at = 0; at < extent; at += each) arrput(sizes, dec_const(d, extent - at < each ? extent - at : each));
    split_parts(d, x, axis, sizes, arrlenu(sizes), !split && !ds_op_int(op, "keepdims", 1));
    arrfree(sizes);
    return DS_OK;
}

/* A stack [n, …] as what its elements are side by side along an axis, which is a new one (n) or one of theirs (n times
 * as long). */
static ds_value *join_stack(dec *d, ds_value *stack, size_t axis, bool new_axis) {
    size_t rank = stack->type->rank, order[DEC_MAX_RANK], n = 0;
    const ds_expr *dims[DEC_MAX_RANK];
    for (size_t i = 1; i < rank; i++) {
        if (i - 1 == axis) order[n++] = 0;
        order[n++] = i;
    }
    if (n < rank) order[n++] = 0;
    ds_value *turned = axis ? dec_transpose(d, stack, order) : stack;
    if (new_axis) return turned;
    for (size_t i = 0; i + 1 < rank; i++) dims[i] = stack->type->dims[i + 1];
    dims[axis] = ds_expr_mul(d->cx, dims[axis], stack->type->dims[0]);
    return dec_reshape(d, turned, rank - 1, dims);
}

static ds_value *with_axis(dec *d, ds_value *v, size_t axis) {
    const ds_expr *dims[DEC_MAX_RANK];
    for (size_t i = 0, n = 0; i <= v->type->rank; i++) dims[i] = i == axis ? dec_const(d, 1) : v->type->dims[n++];
    return dec_reshape(d, v, v->type->rank + 1, dims);
}

static ds_status join_list(dec *d, ds_op *op, const list *l, ds_value **out) {
    bool new_axis = ds_op_int(op, "new_axis", 0) != 0;
    size_t rank = l->count ? l->values[0]->type->rank : l->stack ? l->stack->type->rank - 1 : 0, axis;
    ds_value **parts = NULL;
    ds_status status = l->count || l->stack ? DS_OK : dec_fail(d, DS_E_shape, "the sequence is empty");
    if (status == DS_OK && rank + 2 > DEC_MAX_RANK) status = dec_refuse(d, "a tensor of rank %zu", rank);
    if (status == DS_OK) status = dec_axis(d, ds_op_int(op, "axis", 0), rank + new_axis, &axis);
    for (size_t i = 0; status == DS_OK && i < l->count; i++) {
        if (l->values[i]->type->rank != rank) status = dec_fail(d, DS_E_shape, "its elements have different ranks");
        else arrput(parts, new_axis ? with_axis(d, l->values[i], axis) : l->values[i]);
    }
    if (status == DS_OK && l->stack && l->stack->type->rank != rank + 1)
        status = dec_fail(d, DS_E_shape, "its elements have different ranks");
    if (status == DS_OK && l->stack) arrput(parts, join_stack(d, l->stack, axis, new_axis));
    if (status == DS_OK) status = dec_concat(d, parts, arrlenu(parts), axis, out);
    arrfree(parts);
    return status;
}

RULE(concat_from_sequence) {
    list l;
    DS_TRY(list_of(d, 0, &l));
    ds_status status = join_list(d, op, &l, &d->out[0]);
    list_free(&l);
    return status;
}

/* ---- optionals: a value is its own optional, one that is absent is none ---- */

RULE(optional) {
    d->out[0] = dec_in(d, 0);
    if (d->out[0]) return DS_OK;
    const ds_type *none = ds_type_none(d->cx);
    (void)op;
    d->out[0] = ds_op_result(ds_op_create(&d->b, DS_ONNX_None, NULL, 0, &none, 1, 0), 0);
    return DS_OK;
}

RULE(optional_get) {
    (void)op;
    d->out[0] = dec_in(d, 0);
    return d->out[0] ? DS_OK : dec_fail(d, DS_E_arity, "the optional is empty");
}

RULE(optional_has) {
    (void)op;
    d->out[0] = dec_scalar(d, DS_b1, dec_in(d, 0) ? 1 : 0);
    return DS_OK;
}
