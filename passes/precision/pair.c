/* Factors that are computed, as an encoding stores them: converted, and converted back.
 *
 *   before   %y = "graph.conv"(%x, …)
 *   after    %q = map(%x, %s, %z) { quantize }    %a = map(%q, %s, %z) { (%q - %z) * %s }    %y = "graph.conv"(%a, …)
 *
 * A value that several products read in one encoding is converted once.
 */
#include "passes/precision/precision.h"

#include <math.h>
#include <string.h>

enum { F32_BITS = 32, F32_MANTISSA = 23 };

ds_value *pr_constant(deciding *d, const ds_op *op, ds_elem elem, const ds_expr *const *dims, size_t rank,
                      const void *bytes, size_t length) {
    ds_builder b = {d->n.m, op->block, (ds_op *)(uintptr_t)op, op->loc};
    const ds_type *type = ds_type_tensor(d->n.cx, elem, rank, dims, NULL);
    ds_op *constant = ds_op_create(&b, DS_GRAPH_constant, NULL, 0, &type, 1, 0);
    ds_op_set_attr(d->n.m, constant, "value", ds_attr_elements(d->n.cx, type, bytes, length, NULL));
    return ds_op_result(constant, 0);
}

static part everywhere(deciding *d, ds_value *v, size_t rank) { return (part){v, ds_attr_map(d->n.cx, rank, NULL, 0)}; }

static part identity(deciding *d, ds_value *v) { return (part){v, ds_attr_identity_map(d->n.cx, v->type->rank)}; }

ds_value *pr_decoded(deciding *d, ds_op *op, ds_value *codes, const part *scale, const part *zero, ds_elem to) {
    part parts[3] = {identity(d, codes)};
    size_t count = 1, at_scale = 0, at_zero = 0;
    if (scale->v) parts[at_scale = count++] = *scale;
    if (zero->v) parts[at_zero = count++] = *zero;
    region r = nw_open_map(&d->n, op, ds_type_with_elem(d->n.cx, codes->type, to), parts, count);
    const ds_elem wide = ds_elem_of_bits(F32_BITS, true);
    bool whole = ds_elem_is_integer(codes->type->elem);
    ds_value *v = whole ? nw_cast(&r, r.args[0], wide) : r.args[0];
    if (zero->v) v = nw_binary(&r, DS_LOOP_sub, v, nw_cast(&r, r.args[at_zero], wide));
    v = nw_cast(&r, v, to);
    if (scale->v) v = nw_binary(&r, DS_LOOP_mul, v, nw_cast(&r, r.args[at_scale], to));
    nw_yield(&r, v);
    return ds_op_result(r.op, 0);
}

/* ---- to what is stored ---- */

static ds_value *quantised(deciding *d, ds_op *op, ds_value *x, const part *scale, const part *zero, ds_elem elem) {
    const part parts[] = {identity(d, x), *scale, *zero};
    region r = nw_open_map(&d->n, op, ds_type_with_elem(d->n.cx, x->type, elem), parts, zero->v ? 3 : 2);
    ds_value *operands[] = {r.args[0], r.args[1], zero->v ? r.args[2] : nw_number(&r, elem, 0)};
    const ds_type *type = ds_type_scalar(d->n.cx, elem);
    nw_yield(&r, ds_op_result(ds_op_create(&r.in, DS_LOOP_quantize, operands, 3, &type, 1, 0), 0));
    return ds_op_result(r.op, 0);
}

/* As a narrower float, in units of the scale, which is a power of two: dividing by it is exact. */
static ds_value *narrower(deciding *d, ds_op *op, ds_value *x, const part *scale, ds_elem elem) {
    const part parts[] = {identity(d, x), *scale};
    region r = nw_open_map(&d->n, op, ds_type_with_elem(d->n.cx, x->type, elem), parts, scale->v ? 2 : 1);
    ds_value *v = r.args[0];
    if (scale->v) v = nw_binary(&r, DS_LOOP_div, v, r.args[1]);
    nw_yield(&r, nw_cast(&r, v, elem));
    return ds_op_result(r.op, 0);
}

static ds_value *bitcast(region *r, ds_value *v, ds_elem elem) {
    const ds_type *type = ds_type_scalar(r->n->cx, elem);
    return ds_op_result(ds_op_create(&r->in, DS_LOOP_bitcast, &v, 1, &type, 1, 0), 0);
}

/* An f32 with fewer bits of mantissa: the nearest, ties to even; what is no number stays as it is. */
static ds_value *shortened(deciding *d, ds_op *op, ds_value *x, unsigned mantissa) {
    unsigned cut = F32_MANTISSA - mantissa;
    ds_elem word = ds_elem_of_bits(F32_BITS, false);
    const part own = identity(d, x);
    region r = nw_open_map(&d->n, op, x->type, &own, 1);
    ds_value *bits = bitcast(&r, r.args[0], word), *one = nw_number(&r, word, 1);
    ds_value *last = nw_binary(&r, DS_LOOP_and, nw_binary(&r, DS_LOOP_shr, bits, nw_number(&r, word, cut)), one);
    ds_value *half = nw_number(&r, word, ((int64_t)1 << (cut - 1)) - 1);
    ds_value *up = nw_binary(&r, DS_LOOP_add, bits, nw_binary(&r, DS_LOOP_add, last, half));
    ds_value *kept =
        nw_binary(&r, DS_LOOP_and, up, nw_number(&r, word, ((int64_t)1 << F32_BITS) - ((int64_t)1 << cut)));
    const ds_type *truth = ds_type_scalar(d->n.cx, DS_b1);
    ds_value *same[] = {r.args[0], r.args[0]};
    ds_value *is_number = ds_op_result(ds_op_create(&r.in, DS_LOOP_eq, same, 2, &truth, 1, 0), 0);
    ds_value *chosen[] = {is_number, bitcast(&r, kept, x->type->elem), r.args[0]};
    nw_yield(&r, ds_op_result(ds_op_create(&r.in, DS_LOOP_select, chosen, 3, &chosen[1]->type, 1, 0), 0));
    return ds_op_result(r.op, 0);
}

/* ---- scales of rows, computed ---- */

/* Does dim k of the factor move along what the product sums? Windows do as well, so that images are rows as a whole. */
static bool is_summed(deciding *d, const ds_op *op, size_t i, size_t k) {
    size_t rank = op->results[0].type->rank, all = (size_t)ds_op_map(op, i)->integer;
    return nw_mentions(d->n.cx, ds_op_map(op, i)->exprs[k], rank, all);
}

/* The largest magnitude along what is summed, for each row. */
static part largest_of_rows(deciding *d, ds_op *op, size_t i, ds_value *x) {
    ds_ir_context *cx = d->n.cx;
    const ds_expr *dims[NARROW_MOST_RANK], *over[NARROW_MOST_RANK], *at[NARROW_MOST_RANK], *own[NARROW_MOST_RANK];
    size_t rows = 0, count = 0;
    for (size_t k = 0; k < x->type->rank; k++) rows += !is_summed(d, op, i, k);
    for (size_t k = 0, row = 0; k < x->type->rank; k++) {
        if (is_summed(d, op, i, k)) {
            at[k] = ds_expr_dim(cx, rows + count);
            over[count++] = x->type->dims[k];
        } else {
            own[row] = ds_expr_dim(cx, k);
            dims[row] = x->type->dims[k];
            at[k] = ds_expr_dim(cx, row++);
        }
    }
    ds_builder b = {d->n.m, op->block, op, op->loc};
    const ds_type *type = ds_type_tensor(cx, x->type->elem, rows, dims, NULL);
    const ds_attr *map = ds_attr_map(cx, rows + count, at, x->type->rank), *zero = ds_attr_float(cx, 0);
    ds_op *reduce = ds_op_create(&b, DS_GRAPH_reduce, &x, 1, &type, 1, 2);
    ds_op_set_attr(d->n.m, reduce, "maps", ds_attr_array(cx, &map, 1));
    ds_op_set_attr(d->n.m, reduce, "over", ds_attr_exprs(cx, over, count));
    ds_op_set_attr(d->n.m, reduce, "init", ds_attr_array(cx, &zero, 1));
    region each = nw_open_region(&d->n, reduce, 0), both = nw_open_region(&d->n, reduce, 1);
    ds_value *v = nw_argument(&each, x->type->elem);
    nw_yield(&each, ds_op_result(ds_op_create(&each.in, DS_LOOP_abs, &v, 1, &v->type, 1, 0), 0));
    ds_value *a = nw_argument(&both, x->type->elem), *c = nw_argument(&both, x->type->elem);
    nw_yield(&both, nw_binary(&both, DS_LOOP_max, a, c));
    return (part){ds_op_result(reduce, 0), ds_attr_map(cx, x->type->rank, own, rows)};
}

/* A row of zeros has a scale of its own, which is not 0. */
static part scale_of_rows(deciding *d, ds_op *op, size_t i, ds_value *x, const ds_encoding *e) {
    int64_t low, high;
    const part largest = largest_of_rows(d, op, i, x), own = identity(d, largest.v);
    ds_encoding_ends(e, &low, &high);
    region r = nw_open_map(&d->n, op, largest.v->type, &own, 1);
    const ds_type *type = r.args[0]->type;
    ds_op *least = ds_op_create(&r.in, DS_LOOP_constant, NULL, 0, &type, 1, 0);
    ds_op_set_attr(d->n.m, least, "value", ds_attr_float(d->n.cx, 0x1p-100));
    ds_value *top = nw_number(&r, largest.v->type->elem, high);
    nw_yield(&r, nw_binary(&r, DS_LOOP_div, nw_binary(&r, DS_LOOP_max, r.args[0], ds_op_result(least, 0)), top));
    return (part){ds_op_result(r.op, 0), largest.map};
}

/* ---- pairs ---- */

static part byte_part(deciding *d, const ds_op *op, ds_elem elem, int64_t value, size_t rank) {
    const uint8_t bytes[2] = {(uint8_t)value, (uint8_t)((uint64_t)value >> 8)};
    size_t length = (ds_elem_facts(elem)->bits + 7) / 8;
    return everywhere(d, pr_constant(d, op, elem, NULL, 0, bytes, length), rank);
}

static ds_value *make(deciding *d, ds_op *op, size_t i, ds_value *x, const decision *by) {
    const ds_encoding *e = &by->encoding;
    size_t rank = x->type->rank;
    float number = 1;
    int64_t offset = 0;
    part scale = {0}, zero = {0};
    if (e->mantissa) return shortened(d, op, x, e->mantissa);
    if (e->dynamic) scale = scale_of_rows(d, op, i, x, e);
    else if (e->scale != DS_SCALE_NONE) {
        ds_encoding_fit(e, by->min, by->max, &number, &offset);
        scale = everywhere(d, pr_constant(d, op, x->type->elem, NULL, 0, &number, sizeof number), rank);
    }
    if (!ds_encoding_is_integer(e))
        return pr_decoded(d, op, narrower(d, op, x, &scale, e->elem), &scale, &zero, x->type->elem);
    if (offset) zero = byte_part(d, op, e->elem, offset, rank);
    return pr_decoded(d, op, quantised(d, op, x, &scale, &zero, e->elem), &scale, &zero, x->type->elem);
}

ds_value *pr_pair(deciding *d, ds_op *op, size_t i, ds_value *x, const decision *by, float **rounded,
                  const char **why) {
    const ds_encoding *e = &by->encoding;
    *why = "no sample has shown its range";
    if (e->scale != DS_SCALE_NONE && !by->known) return NULL;
    *why = "its range is not finite";
    if (e->scale != DS_SCALE_NONE && !(isfinite(by->min) && isfinite(by->max))) return NULL;
    if (ds_value_constant(x) && !e->mantissa && !e->dynamic) return pr_coded_constant(d, op, i, x, by, rounded);
    const ds_attr *maps = e->dynamic ? ds_op_map(op, i) : NULL;
    for (size_t k = 0; k < arrlenu(d->pairs); k++) {
        const known_pair *p = &d->pairs[k];
        bool same = p->x == x && p->block == op->block && p->maps == maps && p->min == by->min && p->max == by->max;
        if (same && ds_encodings_equal(&p->encoding, e)) return p->made;
    }
    const known_pair made = {x, op->block, maps, *e, by->min, by->max, make(d, op, i, x, by)};
    arrput(d->pairs, made);
    return made.made;
}
