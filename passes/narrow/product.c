/* A contraction of bytes: the product of whole numbers, and what follows it. */
#include "passes/narrow/narrow.h"

/* ---- sums of a factor ---- */

part nw_sums_of(narrowing *n, ds_op *before, const ds_op *op, const ds_contraction *c, size_t operand) {
    ds_ir_context *cx = n->cx;
    ds_value *x = ds_op_operand(op, operand);
    bool is_float = ds_elem_is_float(op->results[0].type->elem);
    const ds_attr *access = ds_op_map(op, operand), *zero = is_float ? ds_attr_float(cx, 0) : ds_attr_int(cx, 0);
    const ds_expr *to[DS_CONTRACTION_MAX], *dims[NARROW_MOST_RANK], *exprs[NARROW_MOST_RANK], *at[NARROW_MOST_RANK];
    size_t rank = 0;
    for (size_t i = 0; i < c->rank + c->over_count; i++) {
        bool moves = i >= c->rank;
        for (size_t k = 0; k < access->count && i < c->rank; k++)
            moves = moves || nw_mentions(cx, access->exprs[k], i, i + 1);
        to[i] = ds_expr_const(cx, 0);
        if (i < c->rank && moves) {
            at[rank] = ds_expr_dim(cx, i);
            dims[rank] = c->extent[i];
            to[i] = ds_expr_dim(cx, rank++);
        }
    }
    for (size_t i = 0; i < c->over_count; i++) to[c->rank + i] = ds_expr_dim(cx, rank + i);
    for (size_t k = 0; k < access->count; k++)
        exprs[k] = ds_expr_replace_dims(cx, access->exprs[k], to, c->rank + c->over_count);
    const ds_type *type = ds_type_tensor(cx, op->results[0].type->elem, rank, dims, NULL);
    const ds_attr *map = ds_attr_map(cx, rank + c->over_count, exprs, access->count);
    ds_builder b = {n->m, before->block, before, op->loc};
    ds_op *reduce = ds_op_create(&b, DS_GRAPH_reduce, &x, 1, &type, 1, 2);
    ds_op_set_attr(n->m, reduce, "maps", ds_attr_array(cx, &map, 1));
    ds_op_set_attr(n->m, reduce, "over", ds_op_attr(op, "over"));
    ds_op_set_attr(n->m, reduce, "init", ds_attr_array(cx, &zero, 1));
    region each = nw_open_region(n, reduce, 0);
    nw_yield(&each, nw_cast(&each, nw_argument(&each, x->type->elem), type->elem));
    region both = nw_open_region(n, reduce, 1);
    ds_value *a = nw_argument(&both, type->elem), *sum = nw_argument(&both, type->elem);
    nw_yield(&both, nw_binary(&both, DS_LOOP_add, a, sum));
    return (part){ds_op_result(reduce, 0), ds_attr_map(cx, c->rank, at, rank)};
}

/* How many products a sum has, as a number of the region. */
static ds_value *count_of(region *r, const ds_contraction *c, ds_elem elem) {
    ds_ir_context *cx = r->n->cx;
    const ds_expr *count = ds_expr_const(cx, 1);
    for (size_t i = 0; i < c->over_count; i++) count = ds_expr_mul(cx, count, c->extent[c->rank + i]);
    const ds_type *index = ds_type_scalar(cx, DS_index);
    ds_op *apply = ds_op_create(&r->in, DS_LOOP_apply, NULL, 0, &index, 1, 0);
    ds_op_set_attr(r->n->m, apply, "map", ds_attr_map(cx, 0, &count, 1));
    return nw_cast(r, ds_op_result(apply, 0), elem);
}

/* ---- padding ---- */

static bool is_padded(const ds_op *op) {
    const ds_attr *padding = ds_op_attr(op, "padding");
    return padding && padding->count;
}

/* The input with its zero point around it: what windows read there counts as zero. */
static void pad_input(narrowing *n, ds_op *conv, int64_t zero) {
    ds_ir_context *cx = n->cx;
    ds_value *x = ds_op_operand(conv, 0);
    const ds_attr *padding = ds_op_attr(conv, "padding"), *access = ds_op_map(conv, 0), *pad = ds_attr_int(cx, zero);
    size_t rank = x->type->rank, spatial = rank - 2;
    const ds_expr *dims[NARROW_MOST_RANK], *inner[NARROW_MOST_RANK], *exprs[NARROW_MOST_RANK];
    for (size_t i = 0; i < rank; i++) {
        const ds_expr *none = ds_expr_const(cx, 0);
        const ds_expr *before = i < 2 ? none : ds_attr_to_expr(padding->items[i - 2]);
        const ds_expr *after = i < 2 ? none : ds_attr_to_expr(padding->items[spatial + i - 2]);
        dims[i] = ds_expr_add(cx, ds_expr_add(cx, x->type->dims[i], before), after);
        inner[i] = ds_expr_sub(cx, ds_expr_dim(cx, i), before);
        exprs[i] = ds_expr_add(cx, access->exprs[i], before);
    }
    const ds_type *type = ds_type_tensor(cx, x->type->elem, rank, dims, NULL);
    ds_builder b = {n->m, conv->block, conv, conv->loc};
    ds_op *padded = ds_copy_map(&b, x, type, ds_attr_map(cx, rank, inner, rank), true);
    ds_op_set_attr(n->m, padded, "pads", ds_attr_array(cx, &pad, 1));
    const ds_attr *maps[] = {ds_attr_map(cx, (size_t)access->integer, exprs, rank), ds_op_map(conv, 1)};
    ds_op_set_attr(n->m, conv, "maps", ds_attr_array(cx, maps, 2));
    ds_op_set_attr(n->m, conv, "padding", ds_attr_exprs(cx, NULL, 0));
    ds_op_set_operand(conv, 0, ds_op_result(padded, 0));
}

/* ---- one contraction ---- */

/* Both factors; false where it stays as it is. */
static bool take_factors(const ds_op *op, factor *f) {
    const ds_elem sum = op->results[0].type->elem;
    if (ds_elem_facts(sum)->bits != 32 || ds_elem_is_unsigned(sum)) return false;
    for (size_t i = 0; i < 2; i++)
        if (!nw_factor_of(ds_op_operand(op, i), &f[i]) || (f[i].scale.v != NULL) != ds_elem_is_float(sum)) return false;
    for (size_t i = 0; i < 2; i++)
        if (f[i].zero.v && ds_value_is_zero(f[i].zero.v)) f[i].zero.v = NULL;
    return true;
}

/* The product of bytes in place of `op`, before which it stands. */
static ds_op *narrow_product(narrowing *n, ds_op *op, ds_value *x, ds_value *w, const narrow_form *form) {
    ds_builder b = {n->m, op->block, op, op->loc};
    ds_value *operands[] = {x, w};
    const ds_type *type = ds_type_with_elem(n->cx, op->results[0].type, form->sum);
    ds_op *product = ds_op_create(&b, op->kind, operands, 2, &type, 1, 0);
    ds_op_set_attr(n->m, product, "maps", ds_op_attr(op, "maps"));
    ds_op_set_attr(n->m, product, "over", ds_op_attr(op, "over"));
    if (ds_op_attr(op, "padding")) ds_op_set_attr(n->m, product, "padding", ds_op_attr(op, "padding"));
    if (form->fits) ds_op_set_attr(n->m, product, "fits", ds_attr_unit(n->cx));
    ds_dims_note(n->m, product);
    return product;
}

/* Both scales as one: of constants, of which one is the same everywhere, a recipe. False where they are not. */
static bool join_scales(narrowing *n, ds_op *op, const factor *f, part *out) {
    for (size_t i = 0; i < 2; i++) {
        const part *one = &f[i].scale, *many = &f[1 - i].scale;
        if (!one->v || !many->v || !ds_value_constant(one->v) || !ds_value_constant(many->v)) continue;
        if (!ds_expr_equals(ds_type_count(n->cx, one->v->type), 1) || many->v->type->rank != 1) continue;
        const ds_expr *first[NARROW_MOST_RANK];
        for (size_t k = 0; k < one->v->type->rank; k++) first[k] = ds_expr_const(n->cx, 0);
        const part parts[] = {{many->v, ds_attr_identity_map(n->cx, 1)},
                              {one->v, ds_attr_map(n->cx, 1, first, one->v->type->rank)}};
        region r = nw_open_map(n, op, many->v->type, parts, 2);
        nw_yield(&r, nw_binary(&r, DS_LOOP_mul, r.args[0], r.args[1]));
        *out = (part){ds_op_result(r.op, 0), many->map};
        return true;
    }
    return false;
}

/* What follows the product: zero points times sums of the other factor, then the scales. */
static ds_value *finish(narrowing *n, ds_op *op, ds_op *product, const ds_contraction *c, const factor *f) {
    ds_elem sum = product->results[0].type->elem;
    part parts[NARROW_MOST_PARTS] = {{ds_op_result(product, 0), ds_attr_identity_map(n->cx, c->rank)}};
    size_t count = 1, zero[2], other[2], scale[2];
    part scales;
    bool joined = join_scales(n, op, f, &scales);
    for (size_t i = 0; i < 2; i++) {
        zero[i] = count;
        if (f[i].zero.v) parts[count++] = f[i].zero;
        other[i] = count;
        if (f[i].zero.v) parts[count++] = nw_sums_of(n, product, product, c, 1 - i);
        scale[i] = count;
        if (f[i].scale.v && !joined) parts[count++] = f[i].scale;
    }
    if (joined) parts[count++] = scales;
    region r = nw_open_map(n, op, op->results[0].type, parts, count);
    ds_value *v = r.args[0], *z[2] = {NULL, NULL};
    for (size_t i = 0; i < 2; i++) {
        if (!f[i].zero.v) continue;
        z[i] = nw_cast(&r, r.args[zero[i]], sum);
        v = nw_binary(&r, DS_LOOP_sub, v, nw_binary(&r, DS_LOOP_mul, z[i], r.args[other[i]]));
    }
    if (z[0] && z[1]) {
        ds_value *both = nw_binary(&r, DS_LOOP_mul, nw_binary(&r, DS_LOOP_mul, z[0], z[1]), count_of(&r, c, sum));
        v = nw_binary(&r, DS_LOOP_add, v, both);
    }
    if (f[0].scale.v && f[1].scale.v) {
        ds_value *factors = r.args[count - 1];
        if (!joined) factors = nw_binary(&r, DS_LOOP_mul, r.args[scale[0]], r.args[scale[1]]);
        v = nw_binary(&r, DS_LOOP_mul, nw_cast(&r, v, op->results[0].type->elem), factors);
    }
    nw_yield(&r, nw_cast(&r, v, op->results[0].type->elem));
    return ds_op_result(r.op, 0);
}

/* ---- factors in their types ---- */

ds_value *nw_converted(narrowing *n, ds_op *op, const factor *f, int64_t less, ds_elem type, ds_elem sum) {
    for (size_t i = 0; i < arrlenu(n->words); i++) {
        const known_words *w = &n->words[i];
        bool same = w->x == f->x && w->zero == f->zero.v && w->offset == less && w->v->type->elem == type;
        if (same && w->v->op->block == op->block) return w->v;
    }
    ds_value *v = nw_without_zero(n, op, f, less, type, sum);
    const known_words made = {f->x, f->zero.v, v, less, sum};
    if (!ds_value_constant(f->x)) arrput(n->words, made);
    return v;
}

/* A number of up to 8 bits, as a part that is the same everywhere. */
static part constant_part(narrowing *n, const ds_op *before, ds_elem elem, int64_t value, size_t dims) {
    const uint8_t byte = (uint8_t)(value & ((1 << ds_elem_facts(elem)->bits) - 1));
    const ds_type *type = ds_type_tensor(n->cx, elem, 0, NULL, NULL);
    ds_builder b = {n->m, before->block, before->block->first, before->loc};
    ds_op *op = ds_op_create(&b, DS_GRAPH_constant, NULL, 0, &type, 1, 0);
    ds_op_set_attr(n->m, op, "value", ds_attr_elements(n->cx, type, &byte, 1, NULL));
    return (part){ds_op_result(op, 0), ds_attr_map(n->cx, dims, NULL, 0)};
}

/* Puts the factor into its form: returns what the product reads, and leaves in *f what is still to be done. */
static ds_value *take_form(narrowing *n, ds_op *op, factor *f, size_t i, const narrow_form *form) {
    factor given = *f;
    int64_t zero, half = (int64_t)1 << (ds_elem_facts(form->type[i])->bits - 1);
    if (ds_elem_is_unsigned(form->type[i])) half = -half;
    switch (form->how[i]) {
    case LESS_ZERO: f->zero.v = NULL; return nw_converted(n, op, &given, 0, form->type[i], form->sum);
    case MOVED:
        if (nw_known_zero(f, &zero)) f->zero = constant_part(n, op, form->type[i], zero - half, f->x->type->rank);
        else f->zero.v = nw_converted(n, op, &(factor){.x = f->zero.v}, half, form->type[i], form->sum);
        given.zero.v = NULL;
        return nw_converted(n, op, &given, half, form->type[i], form->sum);
    default: return f->x;
    }
}

/* Is it such a product already? */
static bool has_form(const ds_op *op, const factor *f, const narrow_form *form) {
    bool same = op->results[0].type->elem == form->sum && form->fits == (ds_op_attr(op, "fits") != NULL);
    for (size_t i = 0; i < 2; i++) {
        bool as_it_is = form->how[i] == AS_BYTES && !f[i].zero.v && !f[i].scale.v;
        same = same && as_it_is && ds_op_operand(op, i)->type->elem == form->type[i];
    }
    return same;
}

bool nw_product(narrowing *n, ds_op *op) {
    ds_contraction c;
    factor f[2];
    narrow_form form;
    int64_t zero;
    if (ds_op_attr(op, "pads") || !ds_contraction_of(n->cx, op, &c) || c.rank > NARROW_MOST_RANK) return false;
    if (!take_factors(op, f) || !nw_choose_form(n, op, &c, f, &form) || has_form(op, f, &form)) return false;
    bool keeps[2];
    for (size_t i = 0; i < 2; i++) keeps[i] = form.how[i] == MOVED || (f[i].zero.v && form.how[i] == AS_BYTES);
    bool pads = is_padded(op) && (keeps[0] || keeps[1]);
    if (pads && !nw_known_zero(&f[0], &zero)) return false;
    for (size_t i = 0; i < 2; i++) {
        factor out = f[i];
        if ((keeps[i] && !nw_bring_out(n, &c, ds_op_map(op, i), &out.zero)) ||
            !nw_bring_out(n, &c, ds_op_map(op, i), &out.scale))
            return false;
    }
    ds_value *x = take_form(n, op, &f[0], 0, &form), *w = take_form(n, op, &f[1], 1, &form);
    for (size_t i = 0; i < 2; i++) {
        nw_bring_out(n, &c, ds_op_map(op, i), &f[i].zero);
        nw_bring_out(n, &c, ds_op_map(op, i), &f[i].scale);
    }
    ds_op *product = narrow_product(n, op, x, w, &form);
    if (pads) {
        nw_known_zero(&f[0], &zero);
        pad_input(n, product, zero);
    }
    ds_value_replace_uses(&op->results[0], finish(n, op, product, &c, f));
    ds_op *a = ds_op_operand(op, 0)->op, *b = ds_op_operand(op, 1)->op;
    ds_op_erase(op);
    nw_erase_unread(a);
    if (b != a) nw_erase_unread(b);
    return true;
}
