/* fuse: merges the region of a map into the map or reduce that reads it.
 *
 *   before   %1 = "graph.map"(%0) ({ exp })    %2 = "graph.reduce"(%1) ({ identity }, { add })
 *   after    %2 = "graph.reduce"(%0) ({ exp }, { add })
 *
 * A producer is recomputed for several users only when it just moves elements; one user that reads elements repeatedly
 * gets it merged only when it is cheap. Access maps compose, so transposes, slices and broadcasts disappear into their
 * users. Views that only add or drop extents of 1 disappear, too. Scalar constants move into the regions that read
 * them.
 * Needs:  graph ops.   Keeps: values: the same arithmetic in the same order, but that f32 divided by a constant is
 * multiplied by its inverse.   Breaks: nothing.   Cost: linear in ops and region sizes.
 */
#include <math.h>
#include <string.h>

#include "ir/dims.h"
#include "ir/eval.h"
#include "passes/contraction.h"
#include "passes/fuse.h"
#include "passes/passes.h"

enum { MAX_OPERANDS = 24, MAX_REGION = 160 };

int ds_scalar_cost(ds_op_kind kind) {
    switch (kind) {
    case DS_LOOP_constant:
    case DS_LOOP_cast:
    case DS_LOOP_position:
    case DS_LOOP_apply:
    case DS_GRAPH_yield: return 0;
    case DS_LOOP_add:
    case DS_LOOP_sub:
    case DS_LOOP_mul:
    case DS_LOOP_max:
    case DS_LOOP_min:
    case DS_LOOP_select:
    case DS_LOOP_lt: return 1;
    case DS_LOOP_div:
    case DS_LOOP_quantize:
    case DS_LOOP_sqrt: return 4;
    default: return ds_op_facts(kind)->traits & DS_SCALAR ? 8 : 3;
    }
}

static int region_cost(const ds_block *block, size_t *out_ops) {
    int cost = 0;
    *out_ops = 0;
    for (const ds_op *op = block->first; op; op = op->next) cost += ds_scalar_cost(op->kind), ++*out_ops;
    return cost;
}

static bool has_extract(const ds_block *block) {
    for (const ds_op *op = block->first; op; op = op->next)
        if (op->kind == DS_GRAPH_extract) return true;
    return false;
}

static const ds_expr *points_of(ds_ir_context *cx, const ds_op *op) {
    const ds_expr *count = ds_type_count(cx, op->results[0].type);
    const ds_attr *over = ds_op_attr(op, "over");
    for (size_t i = 0; over && i < over->count; i++) count = ds_expr_mul(cx, count, ds_attr_to_expr(over->items[i]));
    return count;
}

static bool has_pad(const ds_op *op, size_t i) {
    const ds_attr *pads = ds_op_attr(op, "pads");
    return pads && pads->items[i]->kind != DS_ATTR_UNIT;
}

static bool reads_itself_only(const ds_op *user, const ds_value *v) {
    for (const ds_use *use = v->uses; use; use = use->next)
        if (use->owner != user) return false; /* an extract in a region counts as another user */
    return true;
}

/* Made of constants only, and not larger than the largest of them: a recipe makes it once. */
static bool is_recipe(ds_ir_context *cx, const ds_op *producer) {
    const ds_expr *mine = ds_type_count(cx, producer->results[0].type);
    bool as_large = false;
    if (has_extract(ds_op_block(producer, 0)) || producer->operand_count == 0) return false;
    for (size_t i = 0; i < producer->operand_count; i++) {
        const ds_value *v = ds_op_operand(producer, i);
        bool fixed = ds_value_constant(v) || (v->op && v->op->kind == DS_GRAPH_map && is_recipe(cx, v->op));
        if (!fixed) return false;
        as_large = as_large || ds_type_count(cx, v->type) == mine;
    }
    return as_large;
}

static unsigned bits_of(const ds_value *v) { return ds_elem_facts(v->type->elem)->bits; }

/* The most bits of an operand that is as large as the result. */
static unsigned widest_operand(ds_ir_context *cx, const ds_op *map) {
    const ds_expr *mine = ds_type_count(cx, map->results[0].type);
    unsigned most = 0;
    for (size_t i = 0; i < map->operand_count; i++) {
        const ds_value *v = ds_op_operand(map, i);
        if (ds_type_count(cx, v->type) == mine && bits_of(v) > most) most = bits_of(v);
    }
    return most;
}

static bool reads_product(const ds_op *map) {
    for (size_t i = 0; i < map->operand_count; i++) {
        const ds_op *op = ds_op_operand(map, i)->op;
        if (op && (op->kind == DS_GRAPH_matmul || op->kind == DS_GRAPH_conv)) return true;
    }
    return false;
}

/* Bytes, and floats of 16 bits, made of wider numbers are where tensors are cut: so they lie in memory. Not where what
 * reads them ends about as narrow itself, at the same points. */
static bool is_cut(ds_ir_context *cx, const ds_op *producer, const ds_op *user, size_t operand) {
    const ds_value *v = &producer->results[0];
    unsigned most = ds_elem_is_float(v->type->elem) ? 16 : 8;
    if (bits_of(v) > most || widest_operand(cx, producer) <= bits_of(v)) return false;
    if (reads_product(producer) && reads_product(user)) return true; /* one map finishes one product */
    bool same_points = user->kind == DS_GRAPH_map && ds_map_is_identity(ds_op_map(user, operand), v->type) &&
                       ds_type_count(cx, user->results[0].type) == ds_type_count(cx, v->type);
    return !same_points || bits_of(&user->results[0]) > 16;
}

/* Bytes, or numbers of 16 bits, as wider ones: cheaper to make again than to store. */
static bool widens(ds_ir_context *cx, const ds_op *producer, int cost) {
    unsigned from = widest_operand(cx, producer);
    return cost <= 2 && from && from <= 16 && bits_of(&producer->results[0]) > from &&
           !has_extract(ds_op_block(producer, 0));
}

static bool should_merge(ds_ir_context *cx, const ds_op *producer, const ds_op *user, size_t operand) {
    size_t ops, user_ops;
    if (producer->kind != DS_GRAPH_map || producer->result_count != 1 || producer->block != user->block ||
        has_pad(user, operand))
        return false;
    if (producer->results[0].type->encoding || is_cut(cx, producer, user, operand)) return false;
    int cost = region_cost(ds_op_block(producer, 0), &ops);
    if (cost > 0 && is_recipe(cx, producer)) return false;
    region_cost(ds_op_block(user, 0), &user_ops);
    if (ops + user_ops > MAX_REGION || producer->operand_count + user->operand_count > MAX_OPERANDS) return false;
    if (!reads_itself_only(user, &producer->results[0])) {
        bool moves = cost == 0 && !has_extract(ds_op_block(producer, 0)) && producer->operand_count <= 1;
        const ds_attr *pads = ds_op_attr(producer, "pads");
        if (!(moves || widens(cx, producer, cost)) || pads) return false;
        return true;
    }
    if (has_extract(ds_op_block(producer, 0)) && user->kind == DS_GRAPH_reduce) return false;
    const ds_expr *mine = ds_type_count(cx, producer->results[0].type), *theirs = points_of(cx, user);
    if (mine == theirs || cost <= 1) return true;
    int64_t a, b;
    return ds_expr_is_const(mine, &a) && ds_expr_is_const(theirs, &b) && b <= a;
}

/* position of producer dim k at the user's current point: an expression over the user's dims */
static ds_value *position_value(ds_builder *b, const ds_expr *e, size_t dims) {
    ds_ir_context *cx = b->module->cx;
    const ds_type *index = ds_type_scalar(cx, DS_index);
    if (e->kind == DS_EXPR_DIM) {
        ds_op *p = ds_op_create(b, DS_LOOP_position, NULL, 0, &index, 1, 0);
        ds_op_set_attr(b->module, p, "dim", ds_attr_int(cx, e->value));
        return ds_op_result(p, 0);
    }
    ds_value *at[64];
    for (size_t i = 0; i < dims; i++) {
        ds_op *p = ds_op_create(b, DS_LOOP_position, NULL, 0, &index, 1, 0);
        ds_op_set_attr(b->module, p, "dim", ds_attr_int(cx, (int64_t)i));
        at[i] = ds_op_result(p, 0);
    }
    ds_op *apply = ds_op_create(b, DS_LOOP_apply, at, dims, &index, 1, 0);
    ds_op_set_attr(b->module, apply, "map", ds_attr_map(cx, dims, &e, 1));
    return ds_op_result(apply, 0);
}

/* Replaces operand `operand` of user by the producer's operands, and the argument by the producer's scalars. */
static void merge(ds_module *m, ds_op *producer, ds_op *user, size_t operand) {
    ds_ir_context *cx = m->cx;
    const ds_attr *user_maps = ds_op_attr(user, "maps"), *user_pads = ds_op_attr(user, "pads"),
                  *pads = ds_op_attr(producer, "pads"), *access = user_maps->items[operand];
    ds_value **operands = NULL;
    const ds_attr **maps = NULL, **new_pads = NULL;
    ds_block *body = ds_op_block(user, 0), *from = ds_op_block(producer, 0);
    size_t dims = (size_t)access->integer;
    ds_value **args = NULL;
    bool any_pad = false;
    ds_value *replaced = body->args[operand];
    for (size_t i = 0; i < user->operand_count; i++)
        if (i != operand) {
            arrput(operands, ds_op_operand(user, i)), arrput(maps, user_maps->items[i]), arrput(args, body->args[i]);
            arrput(new_pads, user_pads ? user_pads->items[i] : ds_attr_unit(cx));
        }
    ds_mapping mapping = {0};
    for (size_t i = 0; i < producer->operand_count; i++) {
        const ds_attr *inner = ds_op_map(producer, i);
        const ds_expr *exprs[64];
        for (size_t k = 0; k < inner->count; k++)
            exprs[k] = ds_expr_replace_dims(cx, inner->exprs[k], access->exprs, access->count);
        const ds_attr *map = ds_attr_map(cx, dims, exprs, inner->count),
                      *pad = pads ? pads->items[i] : ds_attr_unit(cx);
        size_t at = 0;
        while (at < arrlenu(operands) &&
               !(operands[at] == ds_op_operand(producer, i) && maps[at] == map && new_pads[at] == pad))
            at++;
        if (at == arrlenu(operands)) {
            arrput(operands, ds_op_operand(producer, i)), arrput(maps, map), arrput(new_pads, pad);
            arrput(args, ds_block_add_arg(m, body, from->args[i]->type, NULL));
        }
        ds_mapping_set(&mapping, from->args[i], args[at]);
    }
    ds_builder b = {m, body, body->first, producer->loc};
    for (ds_op *op = from->first; op; op = op->next) {
        if (op->kind == DS_GRAPH_yield) ds_value_replace_uses(replaced, ds_mapping_get(&mapping, ds_op_operand(op, 0)));
        else if (op->kind == DS_LOOP_position)
            ds_mapping_set(&mapping, &op->results[0], position_value(&b, access->exprs[ds_op_int(op, "dim", 0)], dims));
        else ds_op_clone(&b, op, &mapping);
    }
    ds_mapping_free(&mapping);
    ds_value **kept = DS_NEW_ARRAY(m->arena, ds_value *, arrlenu(args));
    for (size_t i = 0; i < arrlenu(args); i++)
        kept[i] = args[i], kept[i]->index = (uint32_t)i, any_pad = any_pad || new_pads[i]->kind != DS_ATTR_UNIT;
    body->args = kept, body->arg_count = arrlenu(args);
    ds_op_set_operands(m, user, operands, arrlenu(operands));
    ds_op_set_attr(m, user, "maps", ds_attr_array(cx, maps, arrlenu(maps)));
    if (any_pad || user_pads) ds_op_set_attr(m, user, "pads", ds_attr_array(cx, new_pads, arrlenu(new_pads)));
    user->loc = ds_loc_fused(m, user->loc, producer->loc);
    arrfree(operands), arrfree(maps), arrfree(new_pads), arrfree(args);
    if (ds_value_unused(&producer->results[0])) ds_op_erase(producer);
}

/* Into the first operand whose producer should merge; the rewriter offers the user again. */
static bool merge_producer(ds_rewriter *rw, ds_op *op) {
    for (size_t i = 0; i < op->operand_count; i++) {
        ds_op *producer = ds_op_operand(op, i)->op;
        if (!producer || !should_merge(rw->module->cx, producer, op, i)) continue;
        merge(rw->module, producer, op, i);
        return true;
    }
    return false;
}

static bool rounds(ds_op_kind kind) {
    return kind == DS_LOOP_round || kind == DS_LOOP_floor || kind == DS_LOOP_ceil || kind == DS_LOOP_trunc ||
           kind == DS_LOOP_quantize;
}

static bool is_among(ds_value *const *values, const ds_value *v) {
    for (size_t i = 0; i < arrlenu(values); i++)
        if (values[i] == v) return true;
    return false;
}

/* Whether a whole number is made of what an op gives, behind it in its region: there the last place may decide which
 * one. */
static bool is_rounded(ds_op *op) {
    ds_value **made = NULL;
    bool found = false;
    arrput(made, ds_op_result(op, 0));
    for (ds_op *next = op->next; next && !found; next = next->next)
        for (size_t i = 0; i < next->operand_count && next->result_count; i++) {
            if (!is_among(made, ds_op_operand(next, i))) continue;
            found = rounds(next->kind);
            arrput(made, ds_op_result(next, 0));
            break;
        }
    arrfree(made);
    return found;
}

static bool is_power_of_two(double c) {
    int exponent;
    return fabs(frexp(c, &exponent)) == 0.5;
}

/* Divisions of f32 by v, a constant c, become products with 1 / c, a tenth of the time; it may differ in the last
 * place. */
static void divide_by_constant(ds_module *m, ds_op *constant, double c) {
    ds_value *v = ds_op_result(constant, 0);
    ds_builder b = {m, constant->block, constant, constant->loc};
    ds_op *inverse = NULL;
    if (v->type->elem != DS_f32 || !(fabs(c) > 1e-30) || !(fabs(c) < 1e30)) return;
    for (ds_use *use = v->uses, *next; use; use = next) {
        ds_op *op = use->owner;
        next = use->next;
        if (op->kind != DS_LOOP_div || ds_op_operand(op, 1) != v || ds_op_operand(op, 0) == v) continue;
        if (!is_power_of_two(c) && is_rounded(op)) continue;
        if (!inverse) {
            inverse = ds_op_create(&b, DS_LOOP_constant, NULL, 0, &v->type, 1, 0);
            ds_op_set_attr(m, inverse, "value", ds_attr_float(m->cx, (double)(float)(1 / c)));
        }
        ds_value *factors[] = {ds_op_operand(op, 0), ds_op_result(inverse, 0)};
        ds_builder at = {m, op->block, op, op->loc};
        ds_value_replace_uses(&op->results[0],
                              ds_op_result(ds_op_create(&at, DS_LOOP_mul, factors, 2, &v->type, 1, 0), 0));
        ds_op_erase(op);
    }
}

/* The one element of a constant, as a number; NULL where its type is none, or there are several. */
static const ds_attr *number_of(ds_ir_context *cx, const ds_value *v, const ds_attr *value) {
    const ds_elem_info *facts = ds_elem_facts(v->type->elem);
    uint64_t bits = 0;
    if (facts->packed || facts->bits > 64 || facts->class == DS_CLASS_COMPLEX || facts->class == DS_CLASS_STRING)
        return NULL;
    if (value->count != facts->bits / 8) return NULL;
    memcpy(&bits, value->bytes, value->count); /* little-endian, as files are */
    if (ds_elem_is_float(v->type->elem)) return ds_attr_float(cx, ds_float_decode(v->type->elem, bits));
    unsigned above = 64 - facts->bits;
    bool is_signed = facts->class == DS_CLASS_SINT;
    return ds_attr_int(cx, is_signed ? (int64_t)(bits << above) >> above : (int64_t)bits);
}

/* An operand that is one constant number becomes a constant of the region. */
static bool constant_into_region(ds_rewriter *rw, ds_op *op) {
    ds_module *m = rw->module;
    for (size_t i = 0; i < op->operand_count; i++) {
        ds_value *v = ds_op_operand(op, i);
        const ds_attr *value = ds_value_constant(v), *old_maps = ds_op_attr(op, "maps"),
                      *old_pads = ds_op_attr(op, "pads");
        ds_elem elem = v->type->elem;
        ds_block *body = ds_op_block(op, 0);
        const ds_attr *number = value && !has_pad(op, i) ? number_of(m->cx, v, value) : NULL;
        if (!number) continue;
        const ds_type *scalar = ds_type_scalar(m->cx, elem);
        ds_builder b = {m, body, body->first, op->loc};
        ds_op *constant = ds_op_create(&b, DS_LOOP_constant, NULL, 0, &scalar, 1, 0);
        ds_op_set_attr(m, constant, "value", number);
        ds_value_replace_uses(body->args[i], ds_op_result(constant, 0));
        divide_by_constant(m, constant, number->number);
        ds_value **operands = NULL;
        const ds_attr **maps = NULL, **pads = NULL;
        for (size_t k = 0; k < op->operand_count; k++) {
            if (k == i) continue;
            body->args[arrlenu(operands)] = body->args[k], body->args[k]->index = (uint32_t)arrlenu(operands);
            arrput(operands, ds_op_operand(op, k)), arrput(maps, old_maps->items[k]);
            arrput(pads, old_pads ? old_pads->items[k] : ds_attr_unit(m->cx));
        }
        body->arg_count = arrlenu(operands);
        ds_op_set_operands(m, op, operands, arrlenu(operands));
        ds_op_set_attr(m, op, "maps", ds_attr_array(m->cx, maps, arrlenu(maps)));
        if (old_pads) ds_op_set_attr(m, op, "pads", ds_attr_array(m->cx, pads, arrlenu(pads)));
        arrfree(operands), arrfree(maps), arrfree(pads);
        return true;
    }
    return false;
}

enum { EXACT, ROUNDED }; /* exporters round 1/sqrt(2) in their own ways */

static bool is_number(const ds_value *v, double number, int how) {
    return v->op && v->op->kind == DS_LOOP_constant &&
           fabs(ds_op_attr(v->op, "value")->number - number) <= (how == EXACT ? 0 : 1e-6 * number);
}

/* 1 + erf(u), the heart of GELU, is erfc(-u): a third fewer operations, and nothing cancels out where it is small. */
static bool complement_of_erf(ds_rewriter *rw, ds_op *op) {
    ds_module *m = rw->module;
    for (ds_op *sum = ds_op_block(op, 0)->first; sum; sum = sum->next) {
        if (sum->kind != DS_LOOP_add || sum->results[0].type->elem != DS_f32) continue;
        for (size_t k = 0; k < 2; k++) {
            ds_op *erf = ds_op_operand(sum, k)->op;
            if (!erf || erf->kind != DS_LOOP_erf || !is_number(ds_op_operand(sum, 1 - k), 1, EXACT)) continue;
            ds_builder b = {m, sum->block, sum, sum->loc};
            const ds_type *type = sum->results[0].type;
            ds_value *u = ds_op_operand(erf, 0),
                     *turned = ds_op_result(ds_op_create(&b, DS_LOOP_neg, &u, 1, &type, 1, 0), 0);
            ds_value_replace_uses(&sum->results[0],
                                  ds_op_result(ds_op_create(&b, DS_LOOP_erfc, &turned, 1, &type, 1, 0), 0));
            ds_op_erase(sum);
            if (ds_value_unused(&erf->results[0])) ds_op_erase(erf);
            return true;
        }
    }
    return false;
}

enum { FACTORS = 3 };

/* The factors of v, a product of products, after `count` others and before at least `waiting`. More than FACTORS in
 * all: FACTORS + 1. */
static size_t factors_of(ds_value *v, ds_value **out, size_t count, size_t waiting) {
    if (count + waiting >= FACTORS) return FACTORS + 1;
    if (!v->op || v->op->kind != DS_LOOP_mul) {
        out[count] = v;
        return count + 1;
    }
    count = factors_of(ds_op_operand(v->op, 0), out, count, waiting + 1);
    return factors_of(ds_op_operand(v->op, 1), out, count, waiting);
}

/* x where v = erfc(-x/sqrt(2)), else NULL */
static ds_value *argument_of_gelu(const ds_value *v) {
    const ds_op *turn = v->op && v->op->kind == DS_LOOP_erfc ? ds_op_operand(v->op, 0)->op : NULL;
    const ds_op *scale = turn && turn->kind == DS_LOOP_neg ? ds_op_operand(turn, 0)->op : NULL;
    if (!scale || scale->kind != DS_LOOP_mul) return NULL;
    size_t k = is_number(ds_op_operand(scale, 0), 0.70710678118654752440, ROUNDED) ? 0 : 1;
    return is_number(ds_op_operand(scale, k), 0.70710678118654752440, ROUNDED) ? ds_op_operand(scale, 1 - k) : NULL;
}

/* x * 0.5 * erfc(-x/sqrt(2)), in any order, is GELU: half the operations. */
static bool gelu_of_erfc(ds_rewriter *rw, ds_op *op) {
    for (ds_op *product = ds_op_block(op, 0)->first; product; product = product->next) {
        ds_value *factor[FACTORS], *x = NULL;
        if (product->kind != DS_LOOP_mul || factors_of(&product->results[0], factor, 0, 0) != FACTORS) continue;
        for (size_t k = 0; k < FACTORS; k++) {
            ds_value *a = factor[(k + 1) % FACTORS], *b = factor[(k + 2) % FACTORS], *of = argument_of_gelu(factor[k]);
            if (of && ((a == of && is_number(b, 0.5, ROUNDED)) || (b == of && is_number(a, 0.5, ROUNDED)))) x = of;
        }
        if (!x) continue;
        ds_builder b = {rw->module, product->block, product, product->loc};
        const ds_type *type = product->results[0].type;
        ds_value_replace_uses(&product->results[0],
                              ds_op_result(ds_op_create(&b, DS_LOOP_gelu, &x, 1, &type, 1, 0), 0));
        ds_op_erase(product);
        return true;
    }
    return false;
}

/* ---- bytes that become bytes ---- */

/* The number of a constant of a region; false where v is none. */
static bool is_constant_number(const ds_value *v, double *out) {
    while (v->op && v->op->kind == DS_LOOP_cast && ds_elem_is_integer(v->type->elem)) v = ds_op_operand(v->op, 0);
    if (!v->op || v->op->kind != DS_LOOP_constant) return false;
    const ds_attr *value = ds_op_attr(v->op, "value");
    *out = value->kind == DS_ATTR_FLOAT ? value->number : (double)value->integer;
    return true;
}

typedef struct {
    ds_value *q; /* a whole number */
    double scale, zero;
} dequantised;

/* v = (q - zero) * scale, with constants */
static bool is_dequantised(const ds_value *v, dequantised *out) {
    const ds_op *product = v->op, *widen, *less;
    if (!product || product->kind != DS_LOOP_mul || !is_constant_number(ds_op_operand(product, 1), &out->scale))
        return false;
    widen = ds_op_operand(product, 0)->op;
    if (!widen || widen->kind != DS_LOOP_cast) return false;
    ds_value *whole = ds_op_operand(widen, 0);
    out->zero = 0;
    less = whole->op;
    if (less && less->kind == DS_LOOP_sub && is_constant_number(ds_op_operand(less, 1), &out->zero))
        whole = ds_op_operand(less, 0);
    while (whole->op && whole->op->kind == DS_LOOP_cast) whole = ds_op_operand(whole->op, 0);
    out->q = whole;
    return ds_elem_is_integer(whole->type->elem);
}

static ds_value *bound(ds_builder *b, const ds_type *type, double value, const dequantised *d) {
    ds_op *constant = ds_op_create(b, DS_LOOP_constant, NULL, 0, &type, 1, 0);
    int64_t whole = ds_quantize(type->elem, value, d->scale, (int64_t)d->zero);
    ds_op_set_attr(b->module, constant, "value", ds_attr_int(b->module->cx, whole));
    return ds_op_result(constant, 0);
}

enum { MOST_BOUNDS = 4 };

/* What is quantised again as it was before: the bytes; bounds that floats were held to in between hold the bytes to
 * those of them (quantize is monotone). */
static bool quantised_again(ds_rewriter *rw, ds_op *op) {
    for (ds_op *again = ds_op_block(op, 0)->first; again; again = again->next) {
        ds_op *bounds[MOST_BOUNDS];
        size_t count = 0;
        double scale = 0, zero = 0, number = 0;
        dequantised d;
        if (again->kind != DS_LOOP_quantize || !is_constant_number(ds_op_operand(again, 1), &scale) ||
            !is_constant_number(ds_op_operand(again, 2), &zero))
            continue;
        ds_value *v = ds_op_operand(again, 0);
        while (count < MOST_BOUNDS && v->op && (v->op->kind == DS_LOOP_max || v->op->kind == DS_LOOP_min) &&
               is_constant_number(ds_op_operand(v->op, 1), &number)) {
            bounds[count++] = v->op;
            v = ds_op_operand(v->op, 0);
        }
        const ds_type *type = again->results[0].type;
        if (!is_dequantised(v, &d) || d.q->type != type || d.scale != scale || d.zero != zero || !(scale > 0)) continue;
        ds_builder b = {rw->module, again->block, again, again->loc};
        ds_value *q = d.q;
        while (count-- > 0) {
            is_constant_number(ds_op_operand(bounds[count], 1), &number);
            ds_value *both[] = {q, bound(&b, type, number, &d)};
            q = ds_op_result(ds_op_create(&b, bounds[count]->kind, both, 2, &type, 1, 0), 0);
        }
        ds_value_replace_uses(&again->results[0], q);
        ds_op_erase(again);
        return true;
    }
    return false;
}

/* The op that makes v, of this kind, when nothing else reads v. */
static ds_op *only_producer(const ds_value *v, ds_op_kind kind) {
    return v->op && v->op->kind == kind && ds_value_has_one_use(v) ? v->op : NULL;
}

/* Channels dealt out anew (ShuffleNet): [n, a * b, …] as [n, a, b, …], these two swapped, as [n, b * a, …] again: one
 * map. */
static bool shuffle_as_map(ds_rewriter *rw, ds_op *op) {
    ds_module *m = rw->module;
    ds_op *swap = only_producer(ds_op_operand(op, 0), DS_GRAPH_map);
    if (!swap || !ds_is_copy_map(swap)) return false;
    ds_op *split = only_producer(ds_op_operand(swap, 0), DS_GRAPH_reshape);
    if (!split) return false;
    ds_value *x = ds_op_operand(split, 0);
    const ds_type *t = x->type, *parts = split->results[0].type;
    const ds_attr *map = ds_op_map(swap, 0);
    int64_t a, b, channels;
    if (t->rank < 3 || t->rank > 8 || parts->rank != t->rank + 1 || op->results[0].type != t || t->encoding ||
        parts->encoding)
        return false;
    if (!ds_expr_is_const(parts->dims[1], &a) || !ds_expr_is_const(parts->dims[2], &b) ||
        !ds_expr_is_const(t->dims[1], &channels) || a * b != channels)
        return false;
    for (size_t i = 0; i < parts->rank; i++) {
        size_t from = i == 1 ? 2 : i == 2 ? 1 : i;
        if (map->exprs[i]->kind != DS_EXPR_DIM || map->exprs[i]->value != (int64_t)from) return false;
        if (i != 1 && i != 2 && parts->dims[i] != t->dims[i ? i - 1 : 0]) return false;
    }
    const ds_expr *at[8], *c = ds_expr_dim(m->cx, 1), *inner = ds_expr_const(m->cx, a);
    for (size_t i = 0; i < t->rank; i++) at[i] = ds_expr_dim(m->cx, i);
    at[1] =
        ds_expr_add(m->cx, ds_expr_scale(m->cx, ds_expr_mod(m->cx, c, inner), b), ds_expr_floordiv(m->cx, c, inner));
    ds_builder builder = {m, op->block, op, ds_loc_fused(m, op->loc, swap->loc)};
    ds_op *shuffle = ds_copy_map(&builder, x, t, ds_attr_map(m->cx, t->rank, at, t->rank), false);
    ds_rewriter_replace(rw, op, ds_op_result(shuffle, 0));
    return true;
}

/* ---- views that only add or drop extents of 1 ---- */

enum { MAX_RANK = 16 };

/* For each dim of `to` the dim of `from` that it is, or SIZE_MAX for an extent of 1. False when the types differ in
 * more than these. */
static bool unit_view(const ds_type *from, const ds_type *to, size_t *out_dim) {
    size_t i = 0, k = 0;
    if (from->rank > MAX_RANK || to->rank > MAX_RANK || from->encoding || to->encoding) return false;
    for (size_t d = 0; d < to->rank; d++) out_dim[d] = SIZE_MAX;
    for (;;) {
        while (i < from->rank && ds_expr_equals(from->dims[i], 1)) i++;
        while (k < to->rank && ds_expr_equals(to->dims[k], 1)) k++;
        if (i == from->rank || k == to->rank) return i == from->rank && k == to->rank;
        if (from->dims[i] != to->dims[k]) return false;
        out_dim[k++] = i++;
    }
}

/* An operand that is such a view is read where it lies. */
static bool read_through_view(ds_rewriter *rw, ds_op *op) {
    ds_module *m = rw->module;
    size_t dim[MAX_RANK];
    for (size_t i = 0; i < op->operand_count; i++) {
        ds_op *view = ds_op_operand(op, i)->op;
        if (!view || view->kind != DS_GRAPH_reshape || view->block != op->block || has_pad(op, i)) continue;
        ds_value *from = ds_op_operand(view, 0);
        if (from->type->kind != DS_TYPE_TENSOR || !unit_view(view->results[0].type, from->type, dim)) continue;
        const ds_attr *maps = ds_op_attr(op, "maps"), *map = maps->items[i], **changed = NULL;
        const ds_expr *exprs[MAX_RANK];
        for (size_t d = 0; d < from->type->rank; d++)
            exprs[d] = dim[d] == SIZE_MAX ? ds_expr_const(m->cx, 0) : map->exprs[dim[d]];
        for (size_t k = 0; k < maps->count; k++)
            arrput(changed,
                   k == i ? ds_attr_map(m->cx, (size_t)map->integer, exprs, from->type->rank) : maps->items[k]);
        ds_op_set_attr(m, op, "maps", ds_attr_array(m->cx, changed, arrlenu(changed)));
        ds_dims_note(m, op);
        arrfree(changed);
        ds_op_set_operand(op, i, from);
        if (ds_value_unused(&view->results[0])) ds_rewriter_erase(rw, view);
        return true;
    }
    return false;
}

/* Such a view of a map is a map of that shape. */
static bool view_as_map(ds_rewriter *rw, ds_op *op) {
    ds_module *m = rw->module;
    ds_op *map = only_producer(ds_op_operand(op, 0), DS_GRAPH_map);
    const ds_type *to = op->results[0].type;
    size_t dim[MAX_RANK];
    if (!map || map->result_count != 1 || map->block != op->block || !unit_view(to, map->results[0].type, dim))
        return false;
    size_t rank = map->results[0].type->rank;
    const ds_expr *at[MAX_RANK], *exprs[MAX_RANK];
    const ds_attr **maps = NULL;
    for (size_t d = 0; d < rank; d++) at[d] = dim[d] == SIZE_MAX ? ds_expr_const(m->cx, 0) : ds_expr_dim(m->cx, dim[d]);
    for (size_t i = 0; i < map->operand_count; i++) {
        const ds_attr *old = ds_op_map(map, i);
        if (old->count > MAX_RANK) {
            arrfree(maps);
            return false;
        }
        for (size_t k = 0; k < old->count; k++) exprs[k] = ds_expr_replace_dims(m->cx, old->exprs[k], at, rank);
        arrput(maps, ds_attr_map(m->cx, to->rank, exprs, old->count));
    }
    ds_op_set_attr(m, map, "maps", ds_attr_array(m->cx, maps, arrlenu(maps)));
    arrfree(maps);
    for (ds_op *inner = ds_op_block(map, 0)->first, *next; inner; inner = next) {
        next = inner->next;
        if (inner->kind != DS_LOOP_position) continue;
        ds_builder b = {m, inner->block, inner, inner->loc};
        ds_value_replace_uses(&inner->results[0], position_value(&b, at[ds_op_int(inner, "dim", 0)], to->rank));
        ds_op_erase(inner);
    }
    map->results[0].type = to;
    ds_rewriter_replace(rw, op, ds_op_result(map, 0));
    return true;
}

static bool is_control_flow(const ds_op *op) { return op->kind == DS_GRAPH_loop || op->kind == DS_GRAPH_if; }

static const ds_rule rules[] = {
    {"constant-into-map", DS_GRAPH_map, constant_into_region},
    {"constant-into-reduce", DS_GRAPH_reduce, constant_into_region},
    {"complement-of-erf", DS_GRAPH_map, complement_of_erf},
    {"gelu-of-erfc", DS_GRAPH_map, gelu_of_erfc},
    {"quantised-again", DS_GRAPH_map, quantised_again},
    {"byte-as-table", DS_GRAPH_map, ds_tabulate},
    {"narrow-before-concat", DS_GRAPH_map, ds_narrow_before_concat},
    {"drop-copy", DS_GRAPH_map, ds_drop_copy},
    {"concat-of-slices", DS_GRAPH_concat, ds_concat_of_slices},
    {"shuffle-as-map", DS_GRAPH_reshape, shuffle_as_map},
    {"view-as-map", DS_GRAPH_reshape, view_as_map},
    {"view-into-map", DS_GRAPH_map, read_through_view},
    {"view-into-reduce", DS_GRAPH_reduce, read_through_view},
    {"view-into-matmul", DS_GRAPH_matmul, read_through_view},
    {"merge-into-map", DS_GRAPH_map, merge_producer},
    {"merge-into-reduce", DS_GRAPH_reduce, merge_producer},
};

ds_status ds_pass_fuse(ds_module *module, const ds_pass_options *options) {
    ds_pass_apply_rules(module, options, rules, DS_COUNT(rules), is_control_flow);
    return DS_OK;
}
