/* Which values are bytes with a zero point and a scale, and how the result of a product reads these. */
#include "passes/narrow/narrow.h"

#include <string.h>

bool nw_is_byte(ds_elem elem) { return ds_elem_is_integer(elem) && ds_elem_facts(elem)->bits == 8; }

bool nw_is_few(ds_elem elem) { return ds_elem_is_integer(elem) && ds_elem_facts(elem)->bits < 8; }

/* What a value of a region is a conversion of, without loss. */
static const ds_value *unconverted(const ds_value *v) {
    while (v->op && v->op->kind == DS_LOOP_cast) {
        const ds_value *from = ds_op_operand(v->op, 0);
        bool widens = ds_elem_facts(from->type->elem)->bits <= 32 && ds_elem_facts(v->type->elem)->bits >= 32;
        if (!widens) break;
        v = from;
    }
    return v;
}

/* The operand of the map that a value of its region stands for; SIZE_MAX: none. */
static size_t operand_of(const ds_op *map, const ds_value *v) {
    const ds_block *body = ds_op_block(map, 0);
    for (size_t i = 0; i < body->arg_count; i++)
        if (body->args[i] == v) return i;
    return SIZE_MAX;
}

static part part_of(const ds_op *map, size_t i) { return (part){ds_op_operand(map, i), ds_op_map(map, i)}; }

/* Takes `v op number` apart, where that is what makes *v. */
static bool take_part(const ds_op *map, const ds_value **v, ds_op_kind kind, bool (*fits)(ds_elem), part *out) {
    const ds_op *op = (*v)->op;
    if (!op || op->kind != kind) return false;
    size_t i = operand_of(map, unconverted(ds_op_operand(op, 1)));
    if (i == SIZE_MAX || !fits(ds_op_operand(map, i)->type->elem)) return false;
    *out = part_of(map, i);
    *v = ds_op_operand(op, 0);
    return true;
}

static bool is_scale(ds_elem elem) { return ds_elem_is_float(elem) && ds_elem_facts(elem)->bits == 32; }

static bool is_small(ds_elem elem) { return ds_elem_is_integer(elem) && ds_elem_facts(elem)->bits <= 8; }

static bool is_number(ds_elem elem) { return is_small(elem) || ds_elem_is_float(elem); }

typedef bool (*of_elem)(ds_elem elem);

static bool take_factor(ds_value *v, of_elem fits, of_elem zero_fits, of_elem scale_fits, factor *out) {
    ds_op *map = v->op;
    if (!map || map->kind != DS_GRAPH_map || map->result_count != 1 || ds_op_attr(map, "pads")) return false;
    const ds_value *inner = ds_op_operand(ds_op_block(map, 0)->last, 0);
    bool scaled = take_part(map, &inner, DS_LOOP_mul, scale_fits, &out->scale);
    if (scaled != ds_elem_is_float(v->type->elem)) return false;
    inner = unconverted(inner);
    take_part(map, &inner, DS_LOOP_sub, zero_fits, &out->zero);
    size_t i = operand_of(map, unconverted(inner));
    if (i == SIZE_MAX) return false;
    out->x = ds_op_operand(map, i);
    return fits(out->x->type->elem) && out->x->type->rank == v->type->rank &&
           ds_map_is_identity(ds_op_map(map, i), v->type);
}

bool nw_factor_of(ds_value *v, factor *out) {
    *out = (factor){.x = v};
    return nw_is_byte(v->type->elem) || take_factor(v, is_small, is_small, is_scale, out);
}

bool nw_weights_of(ds_value *v, factor *out) {
    *out = (factor){.x = v};
    return take_factor(v, is_small, is_number, ds_elem_is_float, out) && out->scale.v;
}

/* ---- parts in the space of the contraction ---- */

/* Does the expression mention a dim from `from` to `to` - 1? */
bool nw_mentions(ds_ir_context *cx, const ds_expr *e, size_t from, size_t to) {
    const ds_expr *dims[DS_CONTRACTION_MAX];
    for (size_t i = 0; i < DS_COUNT(dims); i++)
        dims[i] = i < from || i >= to ? ds_expr_const(cx, 0) : ds_expr_dim(cx, i);
    return ds_expr_replace_dims(cx, e, dims, DS_COUNT(dims))->has_dim;
}

/* The part as the result's points read it; false where it moves along what is summed. */
bool nw_bring_out(narrowing *n, const ds_contraction *c, const ds_attr *access, part *p) {
    const ds_expr *e[NARROW_MOST_RANK];
    if (!p->v) return true;
    if (p->map->count > NARROW_MOST_RANK) return false;
    for (size_t i = 0; i < p->map->count; i++) {
        e[i] = ds_expr_replace_dims(n->cx, p->map->exprs[i], access->exprs, access->count);
        if (nw_mentions(n->cx, e[i], c->rank, c->rank + c->over_count)) return false;
    }
    p->map = ds_attr_map(n->cx, c->rank, e, p->map->count);
    return true;
}

/* ---- constants ---- */

int64_t nw_byte_at(const ds_value *v, const ds_attr *bytes, size_t i) {
    unsigned bits = ds_elem_facts(v->type->elem)->bits;
    const uint8_t *from = bytes->bytes;
    int64_t number = 0, sign = ds_elem_is_unsigned(v->type->elem) ? 0 : (int64_t)1 << (bits - 1);
    for (size_t k = 0, at = i * bits; k < bits; k++, at++) number |= (int64_t)(from[at / 8] >> at % 8 & 1) << k;
    return (number ^ sign) - sign;
}

/* Are all of these constants, less their one zero point, or that of their place along a dim, from `low` to `high`? */
bool nw_lie_between(const factor *f, int64_t low, int64_t high) {
    const ds_attr *x = ds_value_constant(f->x), *zero = f->zero.v ? ds_value_constant(f->zero.v) : NULL;
    uint64_t inner = 1;
    if (!x || !ds_type_is_static(f->x->type) || !nw_is_byte(f->x->type->elem)) return false;
    if (f->zero.v && (!zero || f->zero.v->type->rank > 1)) return false;
    size_t dim = SIZE_MAX, rank = f->x->type->rank;
    if (zero && zero->count > 1) {
        if (f->zero.map->exprs[0]->kind != DS_EXPR_DIM) return false;
        dim = (size_t)f->zero.map->exprs[0]->value;
    }
    for (size_t i = dim == SIZE_MAX ? rank : dim + 1; i < rank; i++) inner *= (uint64_t)f->x->type->dims[i]->value;
    for (size_t i = 0; i < x->count; i++) {
        int64_t v = nw_byte_at(f->x, x, i);
        if (zero) v -= nw_byte_at(f->zero.v, zero, zero->count > 1 ? i / inner % zero->count : 0);
        if (v < low || v > high) return false;
    }
    return true;
}

bool nw_fit_without_zero(const factor *f, ds_elem to) {
    int64_t low = ds_elem_is_unsigned(to) ? 0 : -128;
    return f->zero.v && nw_lie_between(f, low, low + 255);
}

/* Which byte stands for zero in a factor; false where that is not known, or there are several. */
bool nw_known_zero(const factor *f, int64_t *out) {
    const ds_attr *zero = f->zero.v ? ds_value_constant(f->zero.v) : NULL;
    *out = zero ? nw_byte_at(f->zero.v, zero, 0) : 0;
    uint64_t count = 0;
    return !f->zero.v || (zero && ds_type_static_count(f->zero.v->type, &count) && count == 1);
}
