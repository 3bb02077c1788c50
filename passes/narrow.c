/* narrow: products of bytes stay products of bytes. Conversions of both factors sink behind the product, which sums whole
 * numbers: exactly, whatever instructions there are.
 *
 *   before   %a = map(%x, %zx, %sx) { (%x - %zx) * %sx }    %b = map(%w, %sw) { %w * %sw }    %y = "graph.conv"(%a, %b)
 *   after    %p = "graph.conv"(%x, %w) : (… u8, … i8) -> … i32    %n = "graph.reduce"(%w) ({ cast }, { add })
 *            %y = map(%p, %zx, %n, %sx, %sw) { (%p - %zx * %n) * (%sx * %sw) }
 *
 * This holds where zero points and scales do not move along what is summed. With zero points of both factors,
 *   sum (x - zx)(w - zw) = sum x w - zx sum w - zw sum x + zx zw count.
 * Weights whose values less their zero points are bytes become those. An image is padded by its zero point.
 * Needs:  graph ops.   Keeps: sums of whole numbers; those of floats are rounded once, after the sum.   Breaks: nothing.
 * Cost: linear.
 */
#include <string.h>

#include "ir/dims.h"
#include "passes/contraction.h"
#include "passes/passes.h"

enum { MAX_RANK = 16, MOST_PARTS = 8 };

/* An input less a number, in another type. */
typedef struct {
    ds_value *x, *zero, *v; /* zero: its zero point is that number; or NULL */
    int64_t offset;         /* else this one is */
    ds_elem sum;            /* of the products that read them */
} known_words;

typedef struct {
    ds_module *m;
    ds_ir_context *cx;
    const ds_target *target;
    const char *precision; /* what weights are rounded to; NULL: what they are */
    known_words *words;    /* stb_ds array: inputs less their zero points that have been made */
} narrowing;

/* A number for each place of a tensor, or a few: how it is read from the dims of that tensor. */
typedef struct {
    ds_value *v; /* NULL: there is none */
    const ds_attr *map;
} part;

/* (x - zero) * scale */
typedef struct {
    ds_value *x;
    part zero, scale;
} factor;

/* ---- which values are bytes with a zero point and a scale ---- */

static bool is_byte(ds_elem elem) { return ds_elem_is_integer(elem) && ds_elem_facts(elem)->bits == 8; }

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

static bool factor_of(ds_value *v, factor *out) {
    ds_op *map = v->op;
    *out = (factor){.x = v};
    if (is_byte(v->type->elem)) return true;
    if (!map || map->kind != DS_GRAPH_map || map->result_count != 1 || ds_op_attr(map, "pads")) return false;
    const ds_value *inner = ds_op_operand(ds_op_block(map, 0)->last, 0);
    bool scaled = take_part(map, &inner, DS_LOOP_mul, is_scale, &out->scale);
    if (scaled != ds_elem_is_float(v->type->elem)) return false;
    inner = unconverted(inner);
    take_part(map, &inner, DS_LOOP_sub, is_byte, &out->zero);
    size_t i = operand_of(map, unconverted(inner));
    if (i == SIZE_MAX) return false;
    out->x = ds_op_operand(map, i);
    return is_byte(out->x->type->elem) && out->x->type->rank == v->type->rank &&
           ds_map_is_identity(ds_op_map(map, i), v->type);
}

/* ---- parts in the space of the contraction ---- */

/* Does the expression mention a dim from `from` to `to` - 1? */
static bool mentions(ds_ir_context *cx, const ds_expr *e, size_t from, size_t to) {
    const ds_expr *dims[DS_CONTRACTION_MAX];
    for (size_t i = 0; i < DS_COUNT(dims); i++)
        dims[i] = i < from || i >= to ? ds_expr_const(cx, 0) : ds_expr_dim(cx, i);
    return ds_expr_replace_dims(cx, e, dims, DS_COUNT(dims))->has_dim;
}

/* The part as the result's points read it; false where it moves along what is summed. */
static bool bring_out(narrowing *n, const ds_contraction *c, const ds_attr *access, part *p) {
    const ds_expr *e[MAX_RANK];
    if (!p->v) return true;
    if (p->map->count > MAX_RANK) return false;
    for (size_t i = 0; i < p->map->count; i++) {
        e[i] = ds_expr_replace_dims(n->cx, p->map->exprs[i], access->exprs, access->count);
        if (mentions(n->cx, e[i], c->rank, c->rank + c->over_count)) return false;
    }
    p->map = ds_attr_map(n->cx, c->rank, e, p->map->count);
    return true;
}

static bool is_zero(const ds_value *v) {
    const ds_attr *value = ds_value_constant(v);
    bool all = value != NULL;
    for (size_t i = 0; all && i < value->count; i++) all = ((const uint8_t *)value->bytes)[i] == 0;
    return all;
}

/* ---- building ---- */

typedef struct {
    narrowing *n;
    ds_op *op;
    ds_builder in;
    ds_value *args[MOST_PARTS];
} region;

static region open_region(narrowing *n, ds_op *op, size_t index) {
    return (region){.n = n, .op = op, .in = {n->m, ds_op_block(op, index), NULL, op->loc}};
}

static ds_value *argument(region *r, ds_elem elem) {
    return ds_block_add_arg(r->n->m, r->in.block, ds_type_scalar(r->n->cx, elem), NULL);
}

static ds_value *cast(region *r, ds_value *v, ds_elem elem) {
    const ds_type *type = ds_type_scalar(r->n->cx, elem);
    return v->type == type ? v : ds_op_result(ds_op_create(&r->in, DS_LOOP_cast, &v, 1, &type, 1, 0), 0);
}

static ds_value *binary(region *r, ds_op_kind kind, ds_value *a, ds_value *b) {
    ds_value *operands[] = {a, b};
    return ds_op_result(ds_op_create(&r->in, kind, operands, 2, &a->type, 1, 0), 0);
}

static void yield(region *r, ds_value *v) { ds_op_create(&r->in, DS_GRAPH_yield, &v, 1, NULL, 0, 0); }

static region open_map(narrowing *n, ds_op *before, const ds_type *type, const part *parts, size_t count) {
    ds_builder b = {n->m, before->block, before, before->loc};
    ds_value *operands[MOST_PARTS] = {NULL};
    const ds_attr *maps[MOST_PARTS] = {NULL};
    for (size_t i = 0; i < count; i++) operands[i] = parts[i].v, maps[i] = parts[i].map;
    ds_op *op = ds_op_create(&b, DS_GRAPH_map, operands, count, &type, 1, 1);
    ds_op_set_attr(n->m, op, "maps", ds_attr_array(n->cx, maps, count));
    region r = open_region(n, op, 0);
    for (size_t i = 0; i < count; i++) r.args[i] = argument(&r, parts[i].v->type->elem);
    return r;
}

/* The sums of one factor along what the product sums, as a part of the result: a number for each place that it has. */
static part sums_of(narrowing *n, ds_op *op, const ds_contraction *c, size_t operand) {
    ds_ir_context *cx = n->cx;
    ds_value *x = ds_op_operand(op, operand);
    bool is_float = ds_elem_is_float(op->results[0].type->elem);
    const ds_attr *access = ds_op_map(op, operand), *zero = is_float ? ds_attr_float(cx, 0) : ds_attr_int(cx, 0);
    const ds_expr *to[DS_CONTRACTION_MAX], *dims[MAX_RANK], *exprs[MAX_RANK], *at[MAX_RANK];
    size_t rank = 0;
    for (size_t i = 0; i < c->rank + c->over_count; i++) {
        bool moves = i >= c->rank;
        for (size_t k = 0; k < access->count && i < c->rank; k++)
            moves = moves || mentions(cx, access->exprs[k], i, i + 1);
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
    ds_builder b = {n->m, op->block, op, op->loc};
    ds_op *reduce = ds_op_create(&b, DS_GRAPH_reduce, &x, 1, &type, 1, 2);
    ds_op_set_attr(n->m, reduce, "maps", ds_attr_array(cx, &map, 1));
    ds_op_set_attr(n->m, reduce, "over", ds_op_attr(op, "over"));
    ds_op_set_attr(n->m, reduce, "init", ds_attr_array(cx, &zero, 1));
    region each = open_region(n, reduce, 0);
    yield(&each, cast(&each, argument(&each, x->type->elem), type->elem));
    region both = open_region(n, reduce, 1);
    ds_value *a = argument(&both, type->elem), *sum = argument(&both, type->elem);
    yield(&both, binary(&both, DS_LOOP_add, a, sum));
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
    return cast(r, ds_op_result(apply, 0), elem);
}

/* ---- weights less their zero points ---- */

static int64_t byte_at(const ds_value *v, const ds_attr *bytes, size_t i) {
    uint8_t byte = ((const uint8_t *)bytes->bytes)[i];
    return ds_elem_is_unsigned(v->type->elem) ? byte : (int8_t)byte;
}

/* Are all of these constants, less their one zero point, or that of their place along a dim, numbers of `to`? */
static bool fit_without_zero(const factor *f, ds_elem to) {
    const ds_attr *x = ds_value_constant(f->x), *zero = ds_value_constant(f->zero.v);
    int64_t low = ds_elem_is_unsigned(to) ? 0 : -128, high = low + 255;
    uint64_t inner = 1;
    if (!x || !zero || f->zero.v->type->rank > 1 || !ds_type_is_static(f->x->type)) return false;
    size_t dim = SIZE_MAX, rank = f->x->type->rank;
    if (zero->count > 1) {
        if (f->zero.map->exprs[0]->kind != DS_EXPR_DIM) return false;
        dim = (size_t)f->zero.map->exprs[0]->value;
    }
    for (size_t i = dim == SIZE_MAX ? rank : dim + 1; i < rank; i++) inner *= (uint64_t)f->x->type->dims[i]->value;
    for (size_t i = 0; i < x->count; i++) {
        int64_t v = byte_at(f->x, x, i) - byte_at(f->zero.v, zero, zero->count > 1 ? i / inner % zero->count : 0);
        if (v < low || v > high) return false;
    }
    return true;
}

static ds_value *number(region *r, ds_elem elem, int64_t value) {
    const ds_type *type = ds_type_scalar(r->n->cx, elem);
    bool is_float = ds_elem_is_float(elem);
    ds_op *op = ds_op_create(&r->in, DS_LOOP_constant, NULL, 0, &type, 1, 0);
    ds_op_set_attr(r->n->m, op, "value",
                   is_float ? ds_attr_float(r->n->cx, (double)value) : ds_attr_int(r->n->cx, value));
    return ds_op_result(op, 0);
}

/* The bytes less their zero points, or less a number where they have none, in another type; of constants a recipe. */
static ds_value *without_zero(narrowing *n, ds_op *before, const factor *f, int64_t less, ds_elem to, ds_elem sum) {
    const part parts[] = {{f->x, ds_attr_identity_map(n->cx, f->x->type->rank)}, f->zero};
    region r = open_map(n, before, ds_type_with_elem(n->cx, f->x->type, to), parts, f->zero.v ? 2 : 1);
    ds_value *v = cast(&r, r.args[0], sum);
    if (f->zero.v) v = binary(&r, DS_LOOP_sub, v, cast(&r, r.args[1], sum));
    else if (less) v = binary(&r, DS_LOOP_sub, v, number(&r, sum, less));
    yield(&r, cast(&r, v, to));
    return ds_op_result(r.op, 0);
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
    const ds_expr *dims[MAX_RANK], *inner[MAX_RANK], *exprs[MAX_RANK];
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
        if (!factor_of(ds_op_operand(op, i), &f[i])) return false;
    if (!f[0].zero.v && !f[1].zero.v && ds_elem_is_integer(sum)) return false; /* it is narrow already */
    for (size_t i = 0; i < 2; i++)
        if (f[i].zero.v && is_zero(f[i].zero.v)) f[i].zero.v = NULL;
    return true;
}

/* The product of bytes in place of `op`, before which it stands. */
static ds_op *narrow_product(narrowing *n, ds_op *op, ds_value *x, ds_value *w, ds_elem sum) {
    ds_builder b = {n->m, op->block, op, op->loc};
    ds_value *operands[] = {x, w};
    const ds_type *type = ds_type_with_elem(n->cx, op->results[0].type, sum);
    ds_op *product = ds_op_create(&b, op->kind, operands, 2, &type, 1, 0);
    ds_op_set_attr(n->m, product, "maps", ds_op_attr(op, "maps"));
    ds_op_set_attr(n->m, product, "over", ds_op_attr(op, "over"));
    if (ds_op_attr(op, "padding")) ds_op_set_attr(n->m, product, "padding", ds_op_attr(op, "padding"));
    ds_dims_note(n->m, product);
    return product;
}

/* Both scales as one: of constants, of which one is the same everywhere, a recipe. False where they are not. */
static bool join_scales(narrowing *n, ds_op *op, const factor *f, part *out) {
    for (size_t i = 0; i < 2; i++) {
        const part *one = &f[i].scale, *many = &f[1 - i].scale;
        if (!one->v || !many->v || !ds_value_constant(one->v) || !ds_value_constant(many->v)) continue;
        if (!ds_expr_equals(ds_type_count(n->cx, one->v->type), 1) || many->v->type->rank != 1) continue;
        const ds_expr *first[MAX_RANK];
        for (size_t k = 0; k < one->v->type->rank; k++) first[k] = ds_expr_const(n->cx, 0);
        const part parts[] = {{many->v, ds_attr_identity_map(n->cx, 1)},
                              {one->v, ds_attr_map(n->cx, 1, first, one->v->type->rank)}};
        region r = open_map(n, op, many->v->type, parts, 2);
        yield(&r, binary(&r, DS_LOOP_mul, r.args[0], r.args[1]));
        *out = (part){ds_op_result(r.op, 0), many->map};
        return true;
    }
    return false;
}

/* What follows the product: zero points times sums of the other factor, then the scales. */
static ds_value *finish(narrowing *n, ds_op *op, ds_op *product, const ds_contraction *c, const factor *f) {
    ds_elem sum = product->results[0].type->elem;
    part parts[MOST_PARTS] = {{ds_op_result(product, 0), ds_attr_identity_map(n->cx, c->rank)}};
    size_t count = 1, zero[2], other[2], scale[2];
    part scales;
    bool joined = join_scales(n, op, f, &scales);
    for (size_t i = 0; i < 2; i++) {
        zero[i] = count;
        if (f[i].zero.v) parts[count++] = f[i].zero;
        other[i] = count;
        if (f[i].zero.v) parts[count++] = sums_of(n, product, c, 1 - i);
        scale[i] = count;
        if (f[i].scale.v && !joined) parts[count++] = f[i].scale;
    }
    if (joined) parts[count++] = scales;
    region r = open_map(n, op, op->results[0].type, parts, count);
    ds_value *v = r.args[0], *z[2] = {NULL, NULL};
    for (size_t i = 0; i < 2; i++) {
        if (!f[i].zero.v) continue;
        z[i] = cast(&r, r.args[zero[i]], sum);
        v = binary(&r, DS_LOOP_sub, v, binary(&r, DS_LOOP_mul, z[i], r.args[other[i]]));
    }
    if (z[0] && z[1]) {
        ds_value *both = binary(&r, DS_LOOP_mul, binary(&r, DS_LOOP_mul, z[0], z[1]), count_of(&r, c, sum));
        v = binary(&r, DS_LOOP_add, v, both);
    }
    if (f[0].scale.v && f[1].scale.v) {
        ds_value *factors = r.args[count - 1];
        if (!joined) factors = binary(&r, DS_LOOP_mul, r.args[scale[0]], r.args[scale[1]]);
        v = binary(&r, DS_LOOP_mul, cast(&r, v, op->results[0].type->elem), factors);
    }
    yield(&r, cast(&r, v, op->results[0].type->elem));
    return ds_op_result(r.op, 0);
}

/* ---- in which types ---- */

/* How a factor becomes what a row takes: as the bytes that it is; less its zero point; or, where signs differ, moved by
 * half of what a byte has, and its zero point with it. */
typedef enum { AS_BYTES, LESS_ZERO, MOVED } factor_form;

typedef struct {
    ds_elem type[2], sum;
    factor_form how[2];
} narrow_form;

enum { MOST_EXACT = 256 }; /* products of bytes whose sum f32 holds, whatever they are */

/* Cycles for an element of the weights: products with so many rows, or its way from afar. */
static double cost_of(const ds_mma *mma, double rows, unsigned lanes) {
    static const double FAR = 8; /* bytes a cycle */
    double products = rows / (2 * lanes * mma->rate), bytes = ds_elem_facts(mma->rhs)->bits / 8.0 / FAR;
    return products > bytes ? products : bytes;
}

/* Which byte stands for zero in a factor; false where that is not known, or there are several. */
static bool known_zero(const factor *f, int64_t *out) {
    const ds_attr *zero = f->zero.v ? ds_value_constant(f->zero.v) : NULL;
    *out = zero ? byte_at(f->zero.v, zero, 0) : 0;
    return !f->zero.v || (zero && zero->count == 1);
}

/* May a row take factor i as this type, and how? */
static bool takes(const factor *f, size_t i, ds_elem type, factor_form *out) {
    ds_elem own = f->x->type->elem;
    int64_t zero;
    bool fits = (i == 1 || type != own) && fit_without_zero(f, type);
    *out = fits ? LESS_ZERO : AS_BYTES;
    if (fits || type == own) return true;
    *out = LESS_ZERO;
    if (ds_elem_is_integer(type) && ds_elem_facts(type)->bits > ds_elem_facts(own)->bits) return true;
    *out = MOVED;
    return i == 0 && is_byte(type) && known_zero(f, &zero);
}

/* Rows of ir/mma.def decide: where none multiplies bytes, floats are as fast, and wide integers as good. */
static bool choose_row(narrowing *n, const ds_contraction *c, const factor *f, narrow_form *out) {
    const ds_mma *row, *best = NULL;
    double rows = 1, least = 0;
    for (size_t i = 0; i < c->rank; i++)
        if (c->role[i] == DS_DIM_M) rows *= ds_expr_is_const(c->extent[i], NULL) ? (double)c->extent[i]->value : 64;
    for (size_t i = 0; (row = ds_mma_at(i)); i++) {
        narrow_form form = {{row->lhs, row->rhs}, row->sum, {AS_BYTES, AS_BYTES}};
        if (row->shape != DS_MMA_VECTOR || !ds_elem_is_integer(row->sum) || !ds_mma_runs_on(row, n->target)) continue;
        if (!takes(&f[0], 0, row->lhs, &form.how[0]) || !takes(&f[1], 1, row->rhs, &form.how[1])) continue;
        double cost = cost_of(row, rows, n->target->vector_bytes / 4);
        if (form.how[0] == MOVED) cost *= 1.01; /* where another row is as good, that one */
        if (best && cost >= least) continue;
        best = row;
        least = cost;
        *out = form;
    }
    return best && (best->rate > 1 || !f[0].scale.v);
}

/* A depthwise convolution has no rows: it reads bytes and computes with floats, which hold its few products exactly. */
static bool choose_form(narrowing *n, const ds_op *op, const ds_contraction *c, const factor *f, narrow_form *out) {
    const ds_expr *count = ds_expr_const(n->cx, 1);
    int64_t products;
    if (!ds_is_depthwise(n->cx, op)) return choose_row(n, c, f, out);
    for (size_t i = 0; i < c->over_count; i++) count = ds_expr_mul(n->cx, count, c->extent[c->rank + i]);
    *out = (narrow_form){{f[0].x->type->elem, DS_f32}, DS_f32, {AS_BYTES, LESS_ZERO}};
    if (f[0].zero.v) out->type[0] = DS_i16, out->how[0] = LESS_ZERO;
    return ds_expr_is_const(count, &products) && products <= MOST_EXACT && ds_value_constant(f[1].x);
}

/* A factor of constants is converted for itself; an input that several products read, once. */
static ds_value *converted(narrowing *n, ds_op *op, const factor *f, int64_t less, ds_elem type, ds_elem sum) {
    for (size_t i = 0; i < arrlenu(n->words); i++) {
        const known_words *w = &n->words[i];
        bool same = w->x == f->x && w->zero == f->zero.v && w->offset == less && w->v->type->elem == type;
        if (same && w->v->op->block == op->block) return w->v;
    }
    ds_value *v = without_zero(n, op, f, less, type, sum);
    const known_words made = {f->x, f->zero.v, v, less, sum};
    if (!ds_value_constant(f->x)) arrput(n->words, made);
    return v;
}

/* The number of a byte, as a part that is the same everywhere. */
static part constant_part(narrowing *n, const ds_op *before, ds_elem elem, int64_t value, size_t dims) {
    const uint8_t byte = (uint8_t)value;
    const ds_type *type = ds_type_tensor(n->cx, elem, 0, NULL, NULL);
    ds_builder b = {n->m, before->block, before->block->first, before->loc};
    ds_op *op = ds_op_create(&b, DS_GRAPH_constant, NULL, 0, &type, 1, 0);
    ds_op_set_attr(n->m, op, "value", ds_attr_elements(n->cx, type, &byte, 1, NULL));
    return (part){ds_op_result(op, 0), ds_attr_map(n->cx, dims, NULL, 0)};
}

/* Puts the factor into its form: returns what the product reads, and leaves in *f what is still to be done. */
static ds_value *take_form(narrowing *n, ds_op *op, factor *f, size_t i, const narrow_form *form) {
    factor given = *f;
    int64_t zero, half = ds_elem_is_unsigned(form->type[i]) ? -128 : 128;
    switch (form->how[i]) {
    case LESS_ZERO: f->zero.v = NULL; return converted(n, op, &given, 0, form->type[i], form->sum);
    case MOVED:
        known_zero(f, &zero);
        f->zero = constant_part(n, op, form->type[i], zero - half, f->x->type->rank);
        given.zero.v = NULL;
        return converted(n, op, &given, half, form->type[i], form->sum);
    default: return f->x;
    }
}

static void erase_unread(ds_op *map) {
    if (map && map->kind == DS_GRAPH_map && ds_value_unused(&map->results[0])) ds_op_erase(map);
}

static void narrow(narrowing *n, ds_op *op) {
    ds_contraction c;
    factor f[2];
    narrow_form form;
    int64_t zero;
    if (ds_op_attr(op, "pads") || !ds_contraction_of(n->cx, op, &c) || c.rank > MAX_RANK) return;
    if (!take_factors(op, f) || !choose_form(n, op, &c, f, &form)) return;
    bool keeps[2] = {f[0].zero.v && form.how[0] == AS_BYTES, f[1].zero.v && form.how[1] == AS_BYTES};
    bool pads = is_padded(op) && (keeps[0] || keeps[1] || form.how[0] == MOVED);
    if (pads && !known_zero(&f[0], &zero)) return;
    for (size_t i = 0; i < 2; i++) {
        factor out = f[i];
        if ((keeps[i] && !bring_out(n, &c, ds_op_map(op, i), &out.zero)) ||
            !bring_out(n, &c, ds_op_map(op, i), &out.scale))
            return;
    }
    ds_value *x = take_form(n, op, &f[0], 0, &form), *w = take_form(n, op, &f[1], 1, &form);
    for (size_t i = 0; i < 2; i++) {
        bring_out(n, &c, ds_op_map(op, i), &f[i].zero);
        bring_out(n, &c, ds_op_map(op, i), &f[i].scale);
    }
    ds_op *product = narrow_product(n, op, x, w, form.sum);
    if (pads) {
        known_zero(&f[0], &zero);
        pad_input(n, product, zero);
    }
    ds_value_replace_uses(&op->results[0], finish(n, op, product, &c, f));
    ds_op *a = ds_op_operand(op, 0)->op, *b = ds_op_operand(op, 1)->op;
    ds_op_erase(op);
    erase_unread(a);
    if (b != a) erase_unread(b);
}

/* ---- inputs that are words for products, and bytes for others ---- */

static bool stands_before(const ds_op *op, const ds_op *other) {
    while (op && op != other) op = op->next;
    return op != NULL;
}

/* May all who read the bytes read the words? Then what makes them stores these alone. */
static bool serves_all(const known_words *w, int64_t *out_zero) {
    const ds_attr *zero = w->zero ? ds_value_constant(w->zero) : NULL;
    *out_zero = zero ? byte_at(w->zero, zero, 0) : w->offset;
    if (!w->x->op || w->x->op->kind != DS_GRAPH_map || w->v->op->block != w->x->op->block) return false;
    if (w->zero && (!zero || zero->count != 1 || !stands_before(w->zero->op, w->x->op))) return false;
    for (const ds_use *use = w->x->uses; use; use = use->next)
        if (use->owner->kind != DS_GRAPH_map || use->owner->block != w->x->op->block) return false;
    return true;
}

/* The argument of a map becomes one of words, which its region turns back to bytes. */
static void read_words(narrowing *n, ds_op *map, size_t i, const known_words *w, int64_t zero) {
    ds_block *body = ds_op_block(map, 0);
    region r = {.n = n, .op = map, .in = {n->m, body, body->first, map->loc}};
    ds_value *old = body->args[i], *words = argument(&r, w->v->type->elem);
    ds_value *offset = number(&r, w->sum, zero), *v = binary(&r, DS_LOOP_add, cast(&r, words, w->sum), offset);
    ds_value_replace_uses(old, cast(&r, v, old->type->elem));
    body->args[i] = words;
    words->index = (uint32_t)i;
    body->arg_count--;
    ds_op_set_operand(map, i, w->v);
}

static void store_words(narrowing *n, const known_words *w) {
    int64_t zero;
    if (!serves_all(w, &zero)) return;
    if (w->x->op->next != w->v->op) ds_op_move(w->v->op, w->x->op->block, w->x->op->next);
    for (const ds_use *use = w->x->uses, *next; use; use = next) {
        next = use->next;
        if (use->owner != w->v->op) read_words(n, use->owner, (size_t)(use - use->owner->operands), w, zero);
    }
}

/* ---- weights of 16 bits ---- */

static bool fits_range(const ds_value *w, double most) {
    const ds_attr *value = ds_value_constant(w);
    float v;
    for (size_t i = 0; i + sizeof v <= value->count; i += sizeof v) {
        memcpy(&v, (const char *)value->bytes + i, sizeof v);
        if (!(v >= -most && v <= most)) return false;
    }
    return true;
}

/* The element type that options ask for; false where there is none, or no row of ir/mma.def for it. */
static bool asked_type(narrowing *n, ds_elem sum, ds_elem *out) {
    const ds_mma *row;
    for (size_t i = 0; n->precision && (row = ds_mma_at(i)); i++) {
        bool asked = row->lhs == sum && row->sum == sum && !strcmp(ds_elem_facts(row->rhs)->text, n->precision);
        *out = row->rhs;
        if (asked && row->rhs != sum && ds_mma_runs_on(row, n->target)) return true;
    }
    return false;
}

/* Constants that options say may be rounded, where all are numbers of that type (its largest is that of 16 bits). */
static void round_weights(narrowing *n, ds_op *op) {
    static const double MOST = 65504;
    ds_value *w = ds_op_operand(op, 1);
    ds_elem sum = op->results[0].type->elem, to;
    if (!ds_value_constant(w) || w->type->elem != sum || !asked_type(n, sum, &to) || !fits_range(w, MOST)) return;
    const part own = {w, ds_attr_identity_map(n->cx, w->type->rank)};
    region r = open_map(n, op, ds_type_with_elem(n->cx, w->type, to), &own, 1);
    yield(&r, cast(&r, r.args[0], to));
    ds_op_set_operand(op, 1, ds_op_result(r.op, 0));
}

/* Constants of a narrower float type that the product would have widened: rows of ir/mma.def widen them in registers. */
static void narrow_weights(narrowing *n, ds_op *op) {
    ds_value *w = ds_op_operand(op, 1);
    ds_op *map = w->op;
    if (!map || map->kind != DS_GRAPH_map || map->operand_count != 1 || map->result_count != 1 ||
        ds_op_attr(map, "pads"))
        return;
    ds_value *source = ds_op_operand(map, 0);
    const ds_op *widen = ds_op_block(map, 0)->first;
    bool converts = widen->kind == DS_LOOP_cast && widen->next->kind == DS_GRAPH_yield;
    bool same = converts && source->type->rank == w->type->rank && ds_map_is_identity(ds_op_map(map, 0), w->type);
    ds_elem sum = op->results[0].type->elem;
    if (!same || !ds_value_constant(source) || !ds_mma_for(n->target, sum, source->type->elem, sum)) return;
    ds_op_set_operand(op, 1, source);
    erase_unread(map);
}

/* ---- the largest of bytes ---- */

/* Does the reduction give the largest of its operand's elements? */
static bool is_largest(const ds_op *reduce) {
    if (reduce->operand_count != 1 || reduce->result_count != 1) return false;
    const ds_block *each = ds_op_block(reduce, 0), *both = ds_op_block(reduce, 1);
    return each->first->kind == DS_GRAPH_yield && both->first->kind == DS_LOOP_max &&
           both->first->next->kind == DS_GRAPH_yield;
}

static bool is_positive(const ds_value *v) {
    const ds_attr *value = ds_value_constant(v);
    bool all = value != NULL;
    for (size_t i = 0; all && i + sizeof(float) <= value->count; i += sizeof(float)) {
        float scale;
        memcpy(&scale, (const char *)value->bytes + i, sizeof scale);
        all = scale > 0;
    }
    return all;
}

static ds_op *largest_byte(narrowing *n, ds_op *reduce, ds_value *x) {
    ds_elem elem = x->type->elem;
    const ds_attr *least = ds_attr_int(n->cx, ds_elem_is_unsigned(elem) ? 0 : -128),
                  *one = ds_attr_array(n->cx, &least, 1);
    ds_builder b = {n->m, reduce->block, reduce, reduce->loc};
    const ds_type *type = ds_type_with_elem(n->cx, reduce->results[0].type, elem);
    ds_op *op = ds_op_create(&b, DS_GRAPH_reduce, &x, 1, &type, 1, 2);
    ds_op_set_attr(n->m, op, "maps", ds_op_attr(reduce, "maps"));
    ds_op_set_attr(n->m, op, "over", ds_op_attr(reduce, "over"));
    ds_op_set_attr(n->m, op, "init", one);
    if (ds_op_attr(reduce, "pads")) ds_op_set_attr(n->m, op, "pads", one);
    region each = open_region(n, op, 0), both = open_region(n, op, 1);
    yield(&each, argument(&each, elem));
    ds_value *a = argument(&both, elem), *largest = argument(&both, elem);
    yield(&both, binary(&both, DS_LOOP_max, a, largest));
    return op;
}

/* The largest of (bytes - zero) * scale is that of the bytes, converted: where one scale above zero is for all. */
static void narrow_largest(narrowing *n, ds_op *reduce) {
    factor f;
    const ds_attr *over = ds_op_attr(reduce, "over"), *access = ds_op_map(reduce, 0);
    const ds_contraction c = {.rank = reduce->results[0].type->rank, .over_count = over->count};
    if (!is_largest(reduce) || c.rank + c.over_count > DS_CONTRACTION_MAX || c.rank > MAX_RANK) return;
    if (!factor_of(ds_op_operand(reduce, 0), &f) || !f.scale.v || !is_positive(f.scale.v)) return;
    if (!bring_out(n, &c, access, &f.zero) || !bring_out(n, &c, access, &f.scale)) return;
    const ds_type *type = reduce->results[0].type;
    ds_op *source = ds_op_operand(reduce, 0)->op;
    part parts[3] = {
        {ds_op_result(largest_byte(n, reduce, f.x), 0), ds_attr_identity_map(n->cx, c.rank)}, f.scale, f.zero};
    region r = open_map(n, reduce, type, parts, f.zero.v ? 3 : 2);
    ds_value *v = r.args[0];
    if (f.zero.v) { /* of 32 bits, as its scale is */
        const ds_elem whole = DS_i32;
        v = binary(&r, DS_LOOP_sub, cast(&r, v, whole), cast(&r, r.args[2], whole));
    }
    yield(&r, binary(&r, DS_LOOP_mul, cast(&r, v, type->elem), r.args[1]));
    ds_value_replace_uses(&reduce->results[0], ds_op_result(r.op, 0));
    ds_op_erase(reduce);
    erase_unread(source);
}

static void narrow_block(narrowing *n, ds_block *block) {
    for (ds_op *op = block->first, *next; op; op = next) {
        next = op->next;
        for (size_t r = 0; (op->kind == DS_GRAPH_loop || op->kind == DS_GRAPH_if) && r < op->region_count; r++)
            narrow_block(n, ds_op_block(op, r));
        if (op->kind == DS_GRAPH_matmul) narrow_weights(n, op);
        if (op->kind == DS_GRAPH_matmul) round_weights(n, op);
        if (op->kind == DS_GRAPH_matmul || op->kind == DS_GRAPH_conv) narrow(n, op);
        if (op->kind == DS_GRAPH_reduce) narrow_largest(n, op);
    }
}

ds_status ds_pass_narrow(ds_module *module, const ds_pass_options *options) {
    narrowing n = {.m = module, .cx = module->cx, .target = options->target, .precision = options->precision};
    for (ds_op *func = module->body.block->first; func; func = func->next) narrow_block(&n, ds_op_block(func, 0));
    for (size_t i = 0; i < arrlenu(n.words); i++) store_words(&n, &n.words[i]);
    arrfree(n.words);
    return DS_OK;
}
