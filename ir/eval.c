#include "eval.h"
#include "dims.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RANK = 64, MOST_STEPS = 1 << 18 /* of a reduction */ };

typedef struct {
    const ds_eval_env *env;
    const int64_t *point; /* the iteration space's current position: `space`, or an inner one */
    int64_t space[MAX_RANK];
    ds_cell *cells; /* scalar values of the region, by value id - base */
    uint32_t base;
} frame;

/* ---- integers ---- */

static int64_t narrow(ds_elem elem, uint64_t v) {
    const ds_elem_info *e = ds_elem_facts(elem);
    if (e->class == DS_CLASS_BOOL) return v & 1;
    if (e->bits >= 64) return (int64_t)v;
    v &= (1ull << e->bits) - 1;
    if (e->class == DS_CLASS_SINT && v >> (e->bits - 1)) v |= ~0ull << e->bits;
    return (int64_t)v;
}

static int64_t power(int64_t base, int64_t exponent) {
    if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
    uint64_t result = 1, b = (uint64_t)base;
    for (; exponent; exponent >>= 1, b *= b)
        if (exponent & 1) result *= b;
    return (int64_t)result;
}

static int64_t divide(ds_elem elem, int64_t i, int64_t j, char how) {
    if (j == 0) return 0;
    if (ds_elem_is_unsigned(elem))
        return (int64_t)(how == '/' || how == 'f' ? (uint64_t)i / (uint64_t)j : (uint64_t)i % (uint64_t)j);
    if (j == -1) return how == '/' || how == 'f' ? (int64_t)(0 - (uint64_t)i) : 0;
    int64_t q = i / j, r = i % j;
    bool adjust = r != 0 && (r < 0) != (j < 0);
    switch (how) {
    case '/': return q;
    case 'f': return q - adjust;
    case '%': return r;
    default: return adjust ? r + j : r;
    }
}

static double float_mod(double a, double b) {
    double r = fmod(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

/* x Phi(x); the argument of erfc needs more digits than the result. */
static double gelu(double a) {
    if (a < -40) return isinf(a) ? (double)NAN : -0.0;
    return (double)(0.5L * (long double)a * erfcl((long double)a * -0.707106781186547524400844362104849039L));
}

static int64_t integer_op(ds_elem elem, int64_t i, int64_t j, char op) {
    unsigned bits = ds_elem_facts(elem)->bits;
    bool is_unsigned = ds_elem_is_unsigned(elem);
    switch (op) {
    case '+': return (int64_t)((uint64_t)i + (uint64_t)j);
    case '-': return (int64_t)((uint64_t)i - (uint64_t)j);
    case '*': return (int64_t)((uint64_t)i * (uint64_t)j);
    case '^': return power(i, j);
    case '<': return (is_unsigned ? (uint64_t)i < (uint64_t)j : i < j) ? i : j;
    case '>': return (is_unsigned ? (uint64_t)i > (uint64_t)j : i > j) ? i : j;
    case 'l': return j < 0 || j >= (int64_t)bits ? 0 : (int64_t)((uint64_t)i << j);
    case 'r':
        return !is_unsigned                  ? i >> (j < 0 || j >= (int64_t)bits ? bits - 1 : (unsigned)j)
               : j < 0 || j >= (int64_t)bits ? 0
                                             : (int64_t)((uint64_t)i >> j);
    default: return divide(elem, i, j, op);
    }
}

static const ds_expr *cell_expr(ds_ir_context *cx, const ds_cell *c) { return c->e ? c->e : ds_expr_const(cx, c->i); }

static bool set_expr(ds_cell *out, const ds_expr *e) {
    out->e = ds_expr_is_const(e, &out->i) ? NULL : e;
    return true;
}

static bool compare_exprs(ds_ir_context *cx, ds_op_kind kind, const ds_expr *a, const ds_expr *b, ds_cell *out) {
    const ds_expr *d = ds_expr_sub(cx, b, a);
    int64_t constant;
    bool is_const = ds_expr_is_const(d, &constant);
    bool above = ds_expr_nonneg(ds_expr_sub(cx, d, ds_expr_const(cx, 1)));                        /* b >= a + 1 */
    bool below = ds_expr_nonneg(ds_expr_sub(cx, ds_expr_scale(cx, d, -1), ds_expr_const(cx, 1))); /* a >= b + 1 */
    switch (kind) {
    case DS_LOOP_eq:
    case DS_LOOP_ne: /* an extent is taken to differ from negative numbers only */
        if (!is_const && !above && !below) return false;
        out->i = (is_const && constant == 0) == (kind == DS_LOOP_eq);
        return true;
    case DS_LOOP_lt:
        if (above || (is_const && constant > 0)) out->i = 1;
        else if (ds_expr_nonneg(ds_expr_scale(cx, d, -1))) out->i = 0;
        else return false;
        return true;
    default:
        if (ds_expr_nonneg(d)) out->i = 1;
        else if (below) out->i = 0;
        else return false;
        return true;
    }
}

static bool symbolic_op(ds_ir_context *cx, ds_op_kind kind, const ds_cell *a, const ds_cell *b, ds_cell *out) {
    const ds_expr *x = cell_expr(cx, a), *y = b ? cell_expr(cx, b) : NULL;
    *out = (ds_cell){0};
    switch (kind) {
    case DS_LOOP_add: return set_expr(out, ds_expr_add(cx, x, y));
    case DS_LOOP_sub: return set_expr(out, ds_expr_sub(cx, x, y));
    case DS_LOOP_mul: return set_expr(out, ds_expr_mul(cx, x, y));
    case DS_LOOP_div:
        if (ds_expr_equals(y, 0) || !ds_expr_nonneg(y)) return false;
        return (ds_expr_nonneg(x) || ds_expr_divide_exactly(cx, x, y)) && set_expr(out, ds_expr_floordiv(cx, x, y));
    case DS_LOOP_floordiv: return !ds_expr_equals(y, 0) && set_expr(out, ds_expr_floordiv(cx, x, y));
    case DS_LOOP_mod: return !ds_expr_equals(y, 0) && set_expr(out, ds_expr_mod(cx, x, y));
    case DS_LOOP_rem:
        return !ds_expr_equals(y, 0) && ds_expr_nonneg(x) && ds_expr_nonneg(y) && set_expr(out, ds_expr_mod(cx, x, y));
    case DS_LOOP_min: return set_expr(out, ds_expr_min(cx, x, y));
    case DS_LOOP_max: return set_expr(out, ds_expr_max(cx, x, y));
    case DS_LOOP_neg: return set_expr(out, ds_expr_scale(cx, x, -1));
    case DS_LOOP_abs: return ds_expr_nonneg(x) && set_expr(out, x);
    case DS_LOOP_floor:
    case DS_LOOP_ceil:
    case DS_LOOP_trunc:
    case DS_LOOP_round: return set_expr(out, x);
    case DS_LOOP_eq:
    case DS_LOOP_ne:
    case DS_LOOP_lt:
    case DS_LOOP_le: return compare_exprs(cx, kind, x, y, out);
    default: return false;
    }
}

/* ---- scalars ---- */

static double round_to(ds_elem elem, double v) {
    if (elem == DS_f64) return v;
    if (elem == DS_f32) return (double)(float)v;
    return ds_float_decode(elem, ds_float_encode(elem, v, true));
}

static int64_t float_to_integer(ds_elem elem, double v) {
    unsigned bits = ds_elem_facts(elem)->bits, wide = bits <= 32 ? 32 : 64;
    double limit = ldexp(1, (int)wide - 1);
    if (elem == DS_index) return v != v ? 0 : v < -limit ? INT64_MIN : v >= limit ? INT64_MAX : (int64_t)v;
    uint64_t top = bits == wide && ds_elem_is_unsigned(elem) && v >= limit ? 1ull << (wide - 1) : 0;
    if (top) v -= limit;
    return narrow(elem, (uint64_t)(v >= -limit && v < limit ? (int64_t)v : INT64_MIN >> (64 - wide)) ^ top);
}

static bool cast_cell(ds_elem from, ds_elem to, const ds_cell *a, bool saturate, ds_cell *out) {
    *out = *a;
    bool from_float = ds_elem_is_float(from), to_float = ds_elem_is_float(to);
    if (a->e) return to != DS_b1; /* a float may hold an extent, too */
    if (to_float) {
        double v = from_float ? a->f : from == DS_u64 ? (double)(uint64_t)a->i : (double)a->i;
        *out = (ds_cell){.f = saturate ? round_to(to, v) : ds_float_decode(to, ds_float_encode(to, v, false))};
    } else if (to == DS_b1) *out = (ds_cell){.i = from_float ? a->f != 0 : a->i != 0};
    else *out = (ds_cell){.i = from_float ? float_to_integer(to, a->f) : narrow(to, (uint64_t)a->i)};
    return true;
}

int64_t ds_quantize(ds_elem to, double value, double scale, int64_t zero) {
    unsigned bits = ds_elem_facts(to)->bits;
    double low = ds_elem_is_unsigned(to) ? 0 : -ldexp(1, (int)bits - 1), high = low + ldexp(1, (int)bits) - 1;
    double v = nearbyint((double)((float)value / (float)scale)) + (double)zero;
    return (int64_t)(v != v || v < low ? low : v > high ? high : v);
}

/* The entry of the table whose number are the byte's bits. */
static bool look_up(const ds_op *op, const ds_cell *x, ds_cell *out) {
    const ds_attr *table = ds_op_attr(op, "table");
    ds_elem elem = op->results[0].type->elem;
    size_t bytes = ds_elem_facts(elem)->bits / 8, at = (size_t)(x->i & 255) * bytes;
    uint64_t bits = 0;
    if (x->e || !table || at + bytes > table->count) return false;
    memcpy(&bits, (const char *)table->bytes + at, bytes);
    *out = ds_elem_is_float(elem) ? (ds_cell){.f = ds_float_decode(elem, bits)} : (ds_cell){.i = narrow(elem, bits)};
    return true;
}

double ds_eval_number(ds_op_kind kind, double a, double b, double c) {
    switch (kind) {
#define SCALAR_OP(name, arity, result, floats, ...)                                                                    \
    case DS_LOOP_##name:                                                                                               \
        return (double)(floats);
#define LOOP_OP(...)
#include "loop.def"
#undef SCALAR_OP
#undef LOOP_OP
    default: return (double)NAN;
    }
}

static bool number_of_integers(ds_op_kind kind, ds_elem elem, int64_t i, int64_t j, int64_t *out) {
    switch (kind) {
#define wrap(p, q, how) integer_op(elem, p, q, how)
#define SCALAR_OP(name, arity, result, floats, ints, ...)                                                              \
    case DS_LOOP_##name:                                                                                               \
        *out = (ints);                                                                                                 \
        return true;
#define LOOP_OP(...)
#include "loop.def"
#undef SCALAR_OP
#undef LOOP_OP
#undef wrap
    default: return false;
    }
}

bool ds_eval_scalar(ds_ir_context *cx, const ds_op *op, const ds_cell *x, ds_cell *out) {
    if (!ds_op_is_scalar(op)) return false;
    ds_elem elem = ds_op_operand(op, 0)->type->elem;
    if (op->kind == DS_LOOP_select) {
        if (x[0].e) return false;
        *out = x[0].i ? x[1] : x[2];
        return true;
    }
    if (op->kind == DS_LOOP_cast)
        return cast_cell(elem, op->results[0].type->elem, x, ds_op_int(op, "saturate", 1), out);
    if (op->kind == DS_LOOP_bitcast) return false;
    if (op->kind == DS_LOOP_quantize) {
        if (x[0].e || x[1].e || x[2].e) return false;
        *out = (ds_cell){.i = ds_quantize(op->results[0].type->elem, x[0].f, x[1].f, x[2].i)};
        return true;
    }
    if (op->kind == DS_LOOP_lookup) return look_up(op, x, out);
    bool is_float = ds_elem_is_float(elem);
    if (x[0].e || (op->operand_count > 1 && x[1].e)) {
        ds_cell whole[2] = {x[0], op->operand_count > 1 ? x[1] : (ds_cell){0}};
        for (size_t k = 0; is_float && k < 2; k++) /* floats that are extents times whole numbers */
            if (!whole[k].e && (whole[k].f != floor(whole[k].f) || fabs(whole[k].f) > 1e15)) return false;
            else whole[k].i = ds_float_to_int(whole[k].f);
        if (is_float && op->kind == DS_LOOP_div &&
            !ds_expr_divide_exactly(cx, cell_expr(cx, &whole[0]), cell_expr(cx, &whole[1])))
            return false;
        if (!symbolic_op(cx, op->kind, whole, op->operand_count > 1 ? &whole[1] : NULL, out)) return false;
        if (ds_elem_is_float(op->results[0].type->elem) && !out->e) out->f = (double)out->i;
        return true;
    }
    double f = 0;
    int64_t i = x[0].i, j = op->operand_count > 1 ? x[1].i : 0, n = 0;
    if (is_float) {
        f = ds_eval_number(op->kind, x[0].f, op->operand_count > 1 ? x[1].f : 0, op->operand_count > 2 ? x[2].f : 0);
        n = ds_float_to_int(f);
    } else if (!number_of_integers(op->kind, elem, i, j, &n)) return false;
    if (!is_float && elem != DS_b1 && ds_elem_is_unsigned(elem)) {
        if (op->kind == DS_LOOP_lt) n = (uint64_t)i < (uint64_t)j;
        if (op->kind == DS_LOOP_le) n = (uint64_t)i <= (uint64_t)j;
        if (op->kind == DS_LOOP_abs) n = i;
    }
    ds_elem to = op->results[0].type->elem;
    *out = ds_elem_is_float(to) ? (ds_cell){.f = round_to(to, f)} : (ds_cell){.i = narrow(to, (uint64_t)n)};
    return true;
}

/* ---- regions ---- */

static int64_t atom_value(void *user, const ds_expr *atom) {
    const frame *f = user;
    if (atom->kind == DS_EXPR_DIM) return f->point[atom->value];
    return f->env->symbol ? f->env->symbol(f->env->user, atom) : 0;
}

static void note_symbol(void *user, const char *name) {
    (void)name;
    *(bool *)user = true;
}

static bool map_value(frame *f, const ds_expr *e, int64_t *out) {
    bool symbolic = false;
    if (!f->env->symbol) ds_expr_each_symbol(e, note_symbol, &symbolic);
    *out = ds_expr_evaluate(e, atom_value, f);
    return !symbolic;
}

ds_cell ds_eval_constant(const ds_op *op) {
    const ds_attr *v = ds_op_attr(op, "value");
    return v->kind == DS_ATTR_FLOAT ? (ds_cell){.f = round_to(op->results[0].type->elem, v->number)}
                                    : (ds_cell){.i = v->integer};
}

static bool extract_cell(frame *f, const ds_op *op, const ds_cell *x, ds_cell *out) {
    const ds_cells *tensor = f->env->value(f->env->user, ds_op_operand(op, 0));
    size_t at = 0;
    if (!tensor) return false;
    for (size_t i = 1; i < op->operand_count; i++) {
        if (x[i].e || x[i].i < 0 || x[i].i >= tensor->dims[i - 1]) return false;
        at = at * (size_t)tensor->dims[i - 1] + (size_t)x[i].i;
    }
    *out = tensor->cells[at];
    return true;
}

static bool run_region(frame *f, const ds_block *block, const ds_cell *args, ds_cell *out_yield) {
    for (size_t i = 0; i < block->arg_count; i++) f->cells[block->args[i]->id - f->base] = args[i];
    for (const ds_op *op = block->first; op; op = op->next) {
        ds_cell x[MAX_RANK], result = {0};
        if (op->operand_count > MAX_RANK) return false;
        for (size_t i = 0; i < op->operand_count; i++) {
            const ds_value *v = ds_op_operand(op, i);
            if (v->type->kind == DS_TYPE_SCALAR) x[i] = f->cells[v->id - f->base];
        }
        bool good = true;
        switch (op->kind) {
        case DS_GRAPH_yield: memcpy(out_yield, x, op->operand_count * sizeof *x); return true;
        case DS_LOOP_constant: result = ds_eval_constant(op); break;
        case DS_LOOP_position: result.i = f->point[ds_op_int(op, "dim", 0)]; break;
        case DS_LOOP_apply: {
            const ds_attr *map = ds_op_attr(op, "map");
            int64_t at[MAX_RANK];
            for (size_t i = 0; i < op->operand_count; i++) {
                if (x[i].e) return false;
                at[i] = x[i].i;
            }
            frame inner = *f;
            inner.point = at;
            if (map->exprs[0]->has_dim) good = map_value(&inner, map->exprs[0], &result.i);
            else if (f->env->symbol) good = map_value(&inner, map->exprs[0], &result.i);
            else set_expr(&result, map->exprs[0]);
            break;
        }
        case DS_GRAPH_extract: good = extract_cell(f, op, x, &result); break;
        default: good = ds_op_is_scalar(op) && ds_eval_scalar(f->env->cx, op, x, &result); break;
        }
        if (!good) return false;
        f->cells[op->results[0].id - f->base] = result;
    }
    return false;
}

static void id_range(const ds_block *block, uint32_t *low, uint32_t *high) {
    for (size_t i = 0; i < block->arg_count; i++) {
        if (block->args[i]->id < *low) *low = block->args[i]->id;
        if (block->args[i]->id > *high) *high = block->args[i]->id;
    }
    for (const ds_op *op = block->first; op; op = op->next)
        for (size_t i = 0; i < op->result_count; i++) {
            if (op->results[i].id < *low) *low = op->results[i].id;
            if (op->results[i].id > *high) *high = op->results[i].id;
        }
}

static bool frame_open(frame *f, const ds_eval_env *env, const ds_op *op) {
    uint32_t low = UINT32_MAX, high = 0;
    for (size_t r = 0; r < op->region_count; r++) id_range(ds_op_block(op, r), &low, &high);
    *f = (frame){.env = env, .base = low == UINT32_MAX ? 0 : low};
    f->cells = ds_xmalloc((size_t)(high >= f->base ? high - f->base + 1 : 1) * sizeof *f->cells);
    return true;
}

/* ---- tensors ---- */

static bool extents_of(const ds_eval_env *env, const ds_expr *const *dims, size_t rank, int64_t *out) {
    frame f = {.env = env};
    for (size_t i = 0; i < rank; i++)
        if (!map_value(&f, dims[i], &out[i]) || out[i] < 0) return false;
    return true;
}

static bool allocate_result(const ds_eval_env *env, const ds_type *type, size_t limit, ds_cells *out) {
    int64_t *dims = DS_NEW_ARRAY(env->arena, int64_t, type->rank);
    if (type->kind != DS_TYPE_TENSOR || !extents_of(env, type->dims, type->rank, dims)) return false;
    size_t count = 1;
    for (size_t i = 0; i < type->rank; i++)
        if (__builtin_mul_overflow(count, (size_t)dims[i], &count) || count > limit) return false;
    *out = (ds_cells){type, count, dims, DS_NEW_ARRAY(env->arena, ds_cell, count)};
    return true;
}

static bool next_point(int64_t *point, const int64_t *extents, size_t from, size_t to) {
    for (size_t i = to; i-- > from;) {
        if (++point[i] < extents[i]) return true;
        point[i] = 0;
    }
    return false;
}

/* The operand's element for the current point, or its pad. */
static bool read_operand(frame *f, const ds_op *op, size_t i, const ds_cells *tensor, ds_cell *out) {
    const ds_attr *map = ds_op_map(op, i), *pads = ds_op_attr(op, "pads");
    size_t at = 0;
    for (size_t k = 0; k < map->count; k++) {
        int64_t index;
        if (!map_value(f, map->exprs[k], &index)) return false;
        if (index < 0 || index >= tensor->dims[k]) {
            *out = (ds_cell){0};
            if (op->kind == DS_GRAPH_conv) return true;
            if (!pads || pads->items[i]->kind == DS_ATTR_UNIT) return false;
            out->f = pads->items[i]->number, out->i = pads->items[i]->integer;
            return true;
        }
        at = at * (size_t)tensor->dims[k] + (size_t)index;
    }
    *out = tensor->cells[at];
    return true;
}

static bool eval_map(frame *f, const ds_op *op, const ds_cells *const *in, size_t limit, ds_cells *out) {
    int64_t *point = f->space;
    ds_cell args[MAX_RANK], yields[MAX_RANK];
    for (size_t r = 0; r < op->result_count; r++)
        if (!allocate_result(f->env, op->results[r].type, limit, &out[r])) return false;
    f->point = point;
    if (out[0].count == 0) return true;
    size_t at = 0;
    do {
        for (size_t i = 0; i < op->operand_count; i++)
            if (!read_operand(f, op, i, in[i], &args[i])) return false;
        if (!run_region(f, ds_op_block(op, 0), args, yields)) return false;
        for (size_t r = 0; r < op->result_count; r++) out[r].cells[at] = yields[r];
        at++;
    } while (next_point(point, out[0].dims, 0, out[0].type->rank));
    return true;
}

static double number_of(const ds_op *op, const ds_cell *args, size_t i) {
    return ds_elem_is_float(ds_op_operand(op, i)->type->elem) ? args[i].f : (double)args[i].i;
}

/* What the left factor of a product with scales is multiplied by: see graph.matmul. */
static double scaled_factor(const ds_op *op, const ds_cell *args) {
    size_t at = ds_product_zero(op), left = ds_product_left_scale(op);
    double zero = at == SIZE_MAX ? 0 : number_of(op, args, at);
    double factor = (number_of(op, args, 1) - zero) * number_of(op, args, 2);
    return left == SIZE_MAX ? factor : factor * number_of(op, args, left);
}

/* reduce, matmul and conv: for each result point, every point of `over` in row-major order. */
static bool eval_reduce(frame *f, const ds_op *op, const ds_cells *const *in, size_t limit, ds_cells *out) {
    bool contraction = op->kind != DS_GRAPH_reduce;
    const ds_attr *over = ds_op_attr(op, "over"), *init = ds_op_attr(op, "init");
    size_t results = op->result_count;
    for (size_t r = 0; r < results; r++)
        if (!allocate_result(f->env, op->results[r].type, limit, &out[r])) return false;
    size_t rank = out[0].type->rank, total = rank + over->count;
    int64_t *point = f->space, extents[MAX_RANK];
    if (total > MAX_RANK || results > 8) return false;
    memcpy(extents, out[0].dims, rank * sizeof *extents);
    bool empty = false;
    for (size_t i = 0; i < over->count; i++) {
        const ds_expr *e = ds_attr_to_expr(over->items[i]);
        if (!e || !extents_of(f->env, &e, 1, &extents[rank + i])) return false;
        empty = empty || extents[rank + i] == 0;
    }
    size_t steps = out[0].count;
    for (size_t i = rank; i < total; i++)
        if (__builtin_mul_overflow(steps, (size_t)extents[i], &steps) || steps > MOST_STEPS) return false;
    f->point = point;
    if (out[0].count == 0) return true;
    size_t at = 0;
    ds_elem elem = out[0].type->elem;
    do {
        ds_cell acc[16] = {{0}}, args[MAX_RANK];
        for (size_t r = 0; init && r < results; r++)
            acc[r].f = init->items[r]->number, acc[r].i = init->items[r]->integer;
        if (!empty) do {
                for (size_t i = 0; i < op->operand_count; i++)
                    if (!read_operand(f, op, i, in[i], &args[i])) return false;
                if (contraction && op->operand_count > 2) acc[0].f += number_of(op, args, 0) * scaled_factor(op, args);
                else if (contraction) {
                    acc[0].f += args[0].f * args[1].f;
                    acc[0].i = integer_op(elem, acc[0].i, integer_op(elem, args[0].i, args[1].i, '*'), '+');
                } else if (!run_region(f, ds_op_block(op, 0), args, acc + results) ||
                           !run_region(f, ds_op_block(op, 1), acc, acc))
                    return false;
            } while (next_point(point, extents, rank, total));
        for (size_t r = 0; r < results; r++) {
            out[r].cells[at] = acc[r];
            if (ds_elem_is_float(out[r].type->elem)) out[r].cells[at].f = round_to(out[r].type->elem, acc[r].f);
        }
        at++;
    } while (next_point(point, extents, 0, rank));
    return true;
}

static bool eval_index(const ds_eval_env *env, const ds_op *op, ds_cells *out) {
    const ds_attr *values = ds_op_attr(op, "values");
    if (!allocate_result(env, op->results[0].type, values->count, out) || out->count != values->count) return false;
    frame f = {.env = env};
    for (size_t i = 0; i < out->count; i++) {
        const ds_expr *e = ds_attr_to_expr(values->items[i]);
        if (!e) return false;
        if (env->symbol) out->cells[i].i = ds_expr_evaluate(e, atom_value, &f);
        else set_expr(&out->cells[i], e);
        if (ds_elem_is_float(out->type->elem)) out->cells[i].f = (double)out->cells[i].i;
    }
    return true;
}

static bool eval_concat(const ds_eval_env *env, const ds_op *op, const ds_cells *const *in, size_t limit,
                        ds_cells *out) {
    if (!allocate_result(env, op->results[0].type, limit, out)) return false;
    size_t axis = (size_t)ds_op_int(op, "axis", 0), outer = 1, inner = 1, row = 0;
    for (size_t i = 0; i < out->type->rank; i++)
        *(i < axis ? &outer : i > axis ? &inner : &row) *= (size_t)out->dims[i];
    size_t start = 0;
    row = (size_t)out->dims[axis];
    for (size_t k = 0; k < op->operand_count; k++) {
        size_t part = (size_t)in[k]->dims[axis];
        if (start + part > row || in[k]->count != outer * part * inner) return false;
        for (size_t o = 0; o < outer; o++)
            for (size_t e = 0; e < part * inner; e++)
                out->cells[(o * row + start) * inner + e] = in[k]->cells[o * part * inner + e];
        start += part;
    }
    return true;
}

bool ds_eval_op(const ds_eval_env *env, const ds_op *op, size_t limit, ds_cells *out) {
    const ds_cells *in[MAX_RANK];
    if (op->kind == DS_GRAPH_index) return eval_index(env, op, out);
    if (op->operand_count > MAX_RANK) return false;
    for (size_t i = 0; i < op->operand_count; i++) {
        in[i] = env->value(env->user, ds_op_operand(op, i));
        if (!in[i]) return false;
    }
    switch (op->kind) {
    case DS_GRAPH_constant: {
        const ds_attr *value = ds_op_attr(op, "value");
        uint64_t count;
        if (!ds_type_static_count(value->type, &count) || count > limit) return false;
        int64_t *dims = DS_NEW_ARRAY(env->arena, int64_t, value->type->rank);
        for (size_t i = 0; i < value->type->rank; i++) dims[i] = value->type->dims[i]->value;
        *out = *ds_cells_from_bytes(env->arena, value->type, dims, value->bytes);
        return true;
    }
    case DS_GRAPH_concat: return eval_concat(env, op, in, limit, out);
    case DS_GRAPH_encode:
    case DS_GRAPH_reshape:
        if (ds_op_attr(op, "words")) return false; /* cells are values, not bytes */
        if (!allocate_result(env, op->results[0].type, limit, out) || out->count != in[0]->count) return false;
        memcpy(out->cells, in[0]->cells, out->count * sizeof *out->cells);
        return true;
    case DS_GRAPH_map:
    case DS_GRAPH_reduce:
    case DS_GRAPH_matmul:
    case DS_GRAPH_conv: {
        frame f;
        frame_open(&f, env, op);
        bool good = op->kind == DS_GRAPH_map ? eval_map(&f, op, in, limit, out) : eval_reduce(&f, op, in, limit, out);
        free(f.cells);
        return good;
    }
    default: return false;
    }
}

/* ---- bytes ---- */

static uint64_t load_bits(const uint8_t *bytes, size_t i, unsigned bits) {
    uint64_t v = 0;
    if (bits < 8) return ds_bits_at(bytes, i, bits);
    memcpy(&v, bytes + i * (bits / 8), bits / 8);
    return v;
}

ds_cells *ds_cells_from_bytes(ds_arena *arena, const ds_type *type, const int64_t *dims, const void *bytes) {
    ds_cells *cells = DS_NEW(arena, ds_cells);
    size_t count = 1;
    for (size_t i = 0; i < type->rank; i++) count *= (size_t)dims[i];
    *cells = (ds_cells){type, count, dims, DS_NEW_ARRAY(arena, ds_cell, count)};
    const ds_elem_info *e = ds_elem_facts(type->elem);
    for (size_t i = 0; i < count; i++) {
        uint64_t bits = e->bits <= 64 ? load_bits(bytes, i, e->bits) : 0;
        if (e->class == DS_CLASS_FLOAT) cells->cells[i].f = ds_float_decode(type->elem, bits);
        else cells->cells[i].i = narrow(type->elem, bits);
    }
    return cells;
}

bool ds_cells_to_bytes(ds_arena *arena, const ds_cells *cells, void **out_bytes, size_t *out_length) {
    const ds_elem_info *e = ds_elem_facts(cells->type->elem);
    uint64_t length;
    if (e->bits > 64 || !ds_elem_bytes(cells->type->elem, cells->count, &length)) return false;
    uint8_t *bytes = ds_arena_alloc(arena, (size_t)length);
    for (size_t i = 0; i < cells->count; i++) {
        const ds_cell *c = &cells->cells[i];
        if (c->e) return false;
        uint64_t bits = e->class == DS_CLASS_FLOAT ? ds_float_encode(cells->type->elem, c->f, true) : (uint64_t)c->i;
        if (e->bits < 8) ds_bits_put(bytes, i, e->bits, bits);
        else memcpy(bytes + i * (e->bits / 8), &bits, e->bits / 8);
    }
    *out_bytes = bytes, *out_length = (size_t)length;
    return true;
}
