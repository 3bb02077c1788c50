/* Rules of the loop dialect: types of scalars, vectors, loads, stores and loops; what code generation has room for. */
#include <string.h>

#include "ir/mma.h"
#include "ir/verify/verify.h"

typedef enum { SAME, BOOL, SECOND, THIRD, ANY } result_rule;

typedef struct {
    ds_op_kind kind;
    size_t operands;
    result_rule rule;
    const char *of_floats, *of_integers; /* what it is of them: "0" where there is nothing */
} scalar_facts;

static const scalar_facts *facts_of(ds_op_kind kind) {
    static const scalar_facts rows[] = {
#define SCALAR_OP(name, operands, result, floats, integers, ...) {DS_LOOP_##name, operands, result, #floats, #integers},
#define LOOP_OP(...)
#include "ir/loop.def"
#undef SCALAR_OP
#undef LOOP_OP
    };
    for (size_t i = 0; i < DS_COUNT(rows); i++)
        if (rows[i].kind == kind) return &rows[i];
    return NULL;
}

static bool same_shape(const ds_type *a, const ds_type *b) {
    return a->kind == b->kind && (a->kind != DS_TYPE_VECTOR || a->rank == b->rank);
}

static bool is_number(const ds_type *t) {
    ds_elem_class class = ds_elem_facts(t->elem)->class;
    return (t->kind == DS_TYPE_SCALAR || t->kind == DS_TYPE_VECTOR) && class != DS_CLASS_STRING &&
           class != DS_CLASS_COMPLEX;
}

static bool is_vector(const ds_type *t) {
    return t->kind == DS_TYPE_VECTOR && t->rank && t->rank <= VERIFY_MOST_LANES && (t->rank & (t->rank - 1)) == 0 &&
           is_number(t);
}

static bool is_defined_for(const scalar_facts *facts, ds_elem elem) {
    if (facts->rule == SECOND || facts->rule == ANY) return true;
    if (!ds_elem_is_float(elem)) return strcmp(facts->of_integers, "0") != 0;
    return strcmp(facts->of_floats, "0") != 0 && ds_elem_facts(elem)->bits >= 32;
}

/* A value and a scale of f32, a zero point of the result's type. */
static bool quantizes(const ds_op *op) {
    const ds_type *x = ds_op_operand(op, 0)->type, *result = op->results[0].type;
    return is_number(x) && is_number(result) && x->elem == DS_f32 && ds_op_operand(op, 1)->type == x &&
           ds_op_operand(op, 2)->type == result && same_shape(result, x) && ds_elem_is_integer(result->elem) &&
           result->elem != DS_b1 && ds_elem_facts(result->elem)->bits <= 16;
}

/* An entry for every byte. */
static bool looks_up(const ds_op *op) {
    const ds_type *x = ds_op_operand(op, 0)->type, *result = op->results[0].type;
    const ds_attr *table = ds_op_attr(op, "table");
    unsigned bits = ds_elem_facts(result->elem)->bits;
    return ds_elem_is_integer(x->elem) && ds_elem_facts(x->elem)->bits == 8 && bits >= 8 && bits <= 32 && table &&
           table->kind == DS_ATTR_ELEMENTS && table->type->elem == result->elem && table->count == 256 * bits / 8;
}

static void verify_scalar(verifier *v, const ds_op *op, const scalar_facts *facts) {
    const ds_type *result = op->result_count == 1 ? op->results[0].type : NULL;
    if (!result || op->operand_count != facts->operands) {
        verify_fail(v, op, "wrong number of operands or results");
        return;
    }
    if (facts->rule == THIRD) {
        if (!quantizes(op)) verify_fail(v, op, "operand and result types do not fit together");
        return;
    }
    size_t first = facts->rule == SECOND ? 1 : 0;
    const ds_type *t = ds_op_operand(op, first)->type, *condition = ds_op_operand(op, 0)->type;
    bool good = is_number(result) && is_number(t) && same_shape(result, t);
    if (facts->rule == SECOND) good = good && condition->elem == DS_b1 && same_shape(condition, t);
    for (size_t i = first; facts->rule != ANY && i < facts->operands; i++)
        good = good && ds_op_operand(op, i)->type == t;
    if (facts->rule == BOOL) good = good && result->elem == DS_b1;
    else if (facts->rule != ANY) good = good && result == t;
    if (op->kind == DS_LOOP_lookup) good = good && looks_up(op);
    if (op->kind == DS_LOOP_bitcast) good = good && ds_elem_facts(t->elem)->bits == ds_elem_facts(result->elem)->bits;
    if (!good) verify_fail(v, op, "operand and result types do not fit together");
    else if (!is_defined_for(facts, t->elem)) verify_fail(v, op, "there is no such op on this element type");
}

static bool is_position(const ds_value *v) { return verify_is_scalar(v, DS_index); }
static bool is_buffer(const ds_value *v) { return v->type->kind == DS_TYPE_BUFFER; }

/* One position, or one for each of `lanes`. */
static bool is_position_of(const ds_value *v, size_t lanes) {
    return is_position(v) || (v->type->kind == DS_TYPE_VECTOR && v->type->elem == DS_index && v->type->rank == lanes);
}

/* "buffer at…", after `before` other operands and before a mask */
static void verify_access(verifier *v, const ds_op *op, size_t before, const ds_type *value) {
    const ds_attr *map = ds_op_attr(op, "map");
    size_t masked = ds_op_attr(op, "masked") != NULL, lanes = value->kind == DS_TYPE_VECTOR ? value->rank : 1;
    const ds_value *buffer = op->operand_count > before ? ds_op_operand(op, before) : NULL;
    if (!buffer || !is_buffer(buffer) || map->count != 1 ||
        (size_t)map->integer + before + 1 + masked != op->operand_count) {
        verify_fail(v, op, "there is not one index operand for every dim of the map");
        return;
    }
    bool good =
        is_number(value) && buffer->type->elem == value->elem && (value->kind == DS_TYPE_SCALAR || is_vector(value));
    for (size_t i = before + 1; good && i + masked < op->operand_count; i++)
        good = is_position_of(ds_op_operand(op, i), lanes);
    if (good && masked) {
        const ds_type *mask = ds_op_operand(op, op->operand_count - 1)->type;
        good = mask->elem == DS_b1 && same_shape(mask, value);
    }
    if (!good) verify_fail(v, op, "value, buffer, positions and mask do not fit together");
}

static void verify_for(verifier *v, const ds_op *op) {
    const ds_block *body = ds_op_block(op, 0);
    size_t carried = op->operand_count - 3;
    const ds_op *yield = verify_yield(op, 0, DS_LOOP_yield);
    bool good =
        op->result_count == carried && body->arg_count == carried + 1 && yield && yield->operand_count == carried;
    for (size_t i = 0; good && i < 3; i++) good = is_position(ds_op_operand(op, i));
    good = good && is_position(body->args[0]);
    for (size_t i = 0; good && i < carried; i++) {
        const ds_type *t = ds_op_operand(op, 3 + i)->type;
        good = op->results[i].type == t && body->args[i + 1]->type == t && ds_op_operand(yield, i)->type == t;
    }
    if (!good)
        verify_fail(v, op, "bounds, carried values, region arguments, yielded values and results do not fit together");
}

static void verify_parallel(verifier *v, const ds_op *op) {
    const ds_block *body = ds_op_block(op, 0);
    bool good = op->block->region->op->kind == DS_FUNC && body->arg_count == 1 && is_position(body->args[0]) &&
                verify_yield(op, 0, DS_LOOP_yield) && body->last->operand_count == 0;
    if (!good) verify_fail(v, op, "pieces are not the outermost loop of a kernel, with one position");
}

static void verify_fold(verifier *v, const ds_op *op) {
    const ds_block *body = ds_op_block(op, 0);
    size_t n = op->operand_count;
    const ds_op *yield = verify_yield(op, 0, DS_LOOP_yield);
    bool good = n && n <= 16 && op->result_count == n && body->arg_count == 2 * n && yield && yield->operand_count == n;
    for (size_t i = 0; good && i < n; i++) {
        const ds_type *t = ds_op_operand(op, i)->type;
        good = is_vector(t) && same_shape(t, ds_op_operand(op, 0)->type) &&
               verify_is_scalar(&op->results[i], t->elem) && verify_is_scalar(body->args[i], t->elem) &&
               verify_is_scalar(body->args[n + i], t->elem) && verify_is_scalar(ds_op_operand(yield, i), t->elem);
    }
    for (const ds_op *inner = body->first; good && inner != body->last; inner = inner->next)
        good = ds_op_is_scalar(inner);
    if (!good)
        verify_fail(v, op, "vectors, the region of scalars that combines two lanes, and results do not fit together");
}

static void verify_transpose(verifier *v, const ds_op *op) {
    const ds_type *t = ds_op_operand(op, 0)->type;
    bool good = is_vector(t) && t->rank >= 4 && op->operand_count == t->rank && op->result_count == t->rank;
    for (size_t i = 0; good && i < t->rank; i++) good = ds_op_operand(op, i)->type == t && op->results[i].type == t;
    if (!good) verify_fail(v, op, "operands and results are not as many vectors of one type as they have lanes");
}

static void verify_interleave(verifier *v, const ds_op *op) {
    const ds_type *t = op->results[0].type;
    size_t n = op->operand_count;
    bool good = is_vector(t) && n && (n & (n - 1)) == 0 && t->rank % n == 0;
    for (size_t i = 0; good && i < n; i++) {
        const ds_type *part = ds_op_operand(op, i)->type;
        good = part->kind == DS_TYPE_VECTOR && part->elem == t->elem && part->rank == t->rank / n;
    }
    if (!good) verify_fail(v, op, "operands are not a power of two of vectors that have the result's lanes together");
}

enum { MOST_LOCAL = 4096 /* elements: they lie on the stack */ };

static bool is_buffer_of(const ds_value *v, ds_elem elem) { return is_buffer(v) && v->type->elem == elem; }

/* What code generation counts by: steps of a turn, lines, bytes of a line. */
static bool has_counts(const ds_op *op) {
    int64_t unroll = ds_op_int(op, "unroll", 1), ahead = ds_op_int(op, "ahead", 0), near = ds_op_int(op, "near", 0),
            line = ds_op_int(op, "line", 64);
    return unroll >= 1 && unroll <= 16 && ahead >= 0 && ahead <= 64 && near >= 0 && near <= 1024 && line >= 16 &&
           line <= 1024 && (line & (line - 1)) == 0;
}

static bool is_scale_buffer(const ds_value *v) {
    const ds_type *t = v->type;
    return t->kind == DS_TYPE_BUFFER && ds_elem_facts(t->elem)->bits >= 8 &&
           (t->elem == DS_f32 || ds_mma_for(NULL, DS_f32, t->elem, DS_f32));
}

/* Scales of blocks, zero points where `zeros`, and where those of each column lie; the same of rows, where A is of whole
 * numbers. */
static bool has_blocks(const ds_op *op, size_t at, size_t rows, size_t columns, bool left) {
    const bool zeros = ds_op_attr(op, "zeros") != NULL;
    int64_t block = ds_op_int(op, "block", 0);
    bool good = block >= 1 && (block & (block - 1)) == 0 && ds_op_int(op, "apart", 0) >= 0;
    for (size_t i = 0; good && i < (size_t)1 + zeros; i++) good = is_scale_buffer(ds_op_operand(op, at++));
    for (size_t i = 0; good && i < columns; i++) good = is_position(ds_op_operand(op, at++));
    if (good && left) good = is_scale_buffer(ds_op_operand(op, at++));
    for (size_t i = 0; good && left && i < rows; i++) good = is_position(ds_op_operand(op, at++));
    return good;
}

/* operands: A, B, a position for each row, one for each column; then masks of columns where `masked`, what blocks have
 * where `block`, and what to prefetch where `ahead` */
static void verify_tile(verifier *v, const ds_op *op) {
    int64_t rows = ds_op_int(op, "rows", 0), columns = ds_op_int(op, "columns", 0), lanes = ds_op_int(op, "lanes", 0);
    const ds_mma *mma = ds_mma_of(op);
    if (!mma || !ds_mma_is_of_vectors(mma)) {
        verify_fail(v, op, "there is no such way to multiply vectors");
        return;
    }
    if (!has_counts(op))
        verify_fail(v, op,
                    "unrolled by 1 to 16 steps, fetching up to 64 lines ahead and 1024 near, of 16 to 1024 bytes");
    size_t dims = ds_op_attr(op, "window")->count, masked = ds_op_attr(op, "masked") != NULL,
           ahead = ds_op_attr(op, "ahead") != NULL, block = ds_op_attr(op, "block") != NULL;
    bool good = rows >= 1 && rows <= 16 && columns >= 1 && columns <= 16 && rows * columns <= 128 && lanes >= 1 &&
                lanes <= VERIFY_MOST_LANES && (lanes & (lanes - 1)) == 0 && dims <= VERIFY_MOST_RANK;
    good = good && ds_op_attr(op, "lhs")->count == dims && ds_op_attr(op, "rhs")->count == dims;
    good = good && !(masked && ds_mma_column_bytes(mma));
    if (good && mma->shape == DS_MMA_SQUARE)
        good = lanes == mma->m * mma->n && (rows + rows % mma->m) * columns <= 128 && !block;
    size_t positions = good ? (size_t)(rows + columns) : 0;
    size_t own = 2 + positions + masked * (size_t)columns;
    bool left = ds_mma_sums_left(mma);
    size_t zeros = ds_op_attr(op, "zeros") ? 1 : 0, blocks = block ? 1 + zeros + (size_t)columns : 0;
    if (block && left) blocks += 1 + (size_t)rows;
    good = good && op->operand_count == own + blocks + ahead &&
           (block ? mma->sum == DS_f32 : !ds_mma_sums_blocks(mma)) && is_buffer_of(ds_op_operand(op, 0), mma->lhs) &&
           is_buffer_of(ds_op_operand(op, 1), mma->rhs) && op->result_count == (size_t)(rows * columns);
    for (size_t i = 2; good && i < 2 + positions; i++) good = is_position(ds_op_operand(op, i));
    good = good && (!block || has_blocks(op, own, (size_t)rows, (size_t)columns, left));
    for (size_t i = 2 + positions; good && i < own; i++) {
        const ds_type *mask = ds_op_operand(op, i)->type;
        good = mask->kind == DS_TYPE_VECTOR && mask->elem == DS_b1 && mask->rank == (size_t)lanes;
    }
    if (good && ahead) good = is_position(ds_op_operand(op, op->operand_count - 1));
    for (size_t i = 0; good && i < op->result_count; i++) {
        const ds_type *t = op->results[i].type;
        good = t->kind == DS_TYPE_VECTOR && t->elem == mma->sum && t->rank == (size_t)lanes;
    }
    if (!good) verify_fail(v, op, "operands and results do not fit a tile of these rows, columns and lanes");
}

/* Registers that hold matrices: four of sums, two of each factor. */
enum { MOST_SUMS = 4, MOST_HIGH = 2 };

static const ds_mma *matrix_row(const ds_op *op) {
    const ds_mma *mma = ds_mma_find(ds_op_text(op, "mma", ""));
    return mma && mma->shape == DS_MMA_TILE ? mma : NULL;
}

static void verify_matrices(verifier *v, const ds_op *op) {
    const ds_mma *mma = matrix_row(op);
    int64_t steps = ds_op_int(op, "steps", 0);
    bool good = mma && steps >= 1 && steps * ds_mma_panel(mma).group <= mma->k && is_position(ds_op_operand(op, 0)) &&
                ds_op_block(op, 0)->arg_count == 0 && verify_yield(op, 0, DS_LOOP_yield) &&
                ds_op_block(op, 0)->last->operand_count == 0;
    for (const ds_op *outer = op->block->region->op; good && outer; outer = outer->block->region->op)
        good = outer->kind != DS_LOOP_matrices;
    if (!good) verify_fail(v, op, "no such registers, or not of so many steps, or they are taken");
}

/* operands: A, B, a position for each matrix of A, one for each of B, what to prefetch where `ahead`, and where the sums
 * go */
static void verify_matrix(verifier *v, const ds_op *op) {
    int64_t high = ds_op_int(op, "high", 0), wide = ds_op_int(op, "wide", 0);
    const ds_op *outer = op->block->region->op;
    while (outer && outer->kind != DS_LOOP_matrices) outer = outer->block ? outer->block->region->op : NULL;
    const ds_mma *mma = outer ? matrix_row(outer) : NULL;
    size_t dims = ds_op_attr(op, "window")->count, ahead = ds_op_attr(op, "ahead") != NULL;
    bool good = mma && has_counts(op) && high >= 1 && high <= MOST_HIGH && wide >= 1 && wide <= MOST_SUMS &&
                high * wide <= MOST_SUMS && dims >= 1 && dims <= VERIFY_MOST_RANK &&
                ds_op_attr(op, "lhs")->count == dims && ds_op_attr(op, "rhs")->count == dims &&
                op->operand_count == (size_t)(high + wide) + 3 + ahead;
    good = good && is_buffer_of(ds_op_operand(op, 0), mma->lhs) && is_buffer_of(ds_op_operand(op, 1), mma->rhs);
    for (size_t i = 2; good && i + 1 < op->operand_count; i++) good = is_position(ds_op_operand(op, i));
    const ds_value *sums = good ? ds_op_operand(op, op->operand_count - 1) : NULL;
    good = good && is_buffer_of(sums, mma->sum) && sums->op && sums->op->kind == DS_LOOP_local &&
           ds_op_int(sums->op, "count", 0) >= high * wide * mma->m * mma->n;
    if (!good) verify_fail(v, op, "operands do not fit so many matrices, or it is in no loop.matrices");
}

static void verify_constant(verifier *v, const ds_op *op) {
    const ds_type *t = op->results[0].type;
    bool is_float = ds_op_attr(op, "value")->kind == DS_ATTR_FLOAT;
    if (t->kind != DS_TYPE_SCALAR || !is_number(t) || is_float != ds_elem_is_float(t->elem))
        verify_fail(v, op, "the value is not one of the result's type");
}

static void verify_apply(verifier *v, const ds_op *op) {
    const ds_attr *map = ds_op_attr(op, "map");
    const ds_type *t = op->results[0].type;
    size_t lanes = is_vector(t) ? t->rank : 1;
    bool good = map->count == 1 && (size_t)map->integer == op->operand_count &&
                is_position_of(&op->results[0], lanes) && op->operand_count <= VERIFY_MOST_RANK;
    for (size_t i = 0; good && i < op->operand_count; i++) good = is_position_of(ds_op_operand(op, i), lanes);
    if (!good) verify_fail(v, op, "the map has not one position for every dim, and one result");
}

static void verify_position(verifier *v, const ds_op *op) {
    const ds_op *outer = op->block->region->op;
    const ds_attr *over = outer ? ds_op_attr(outer, "over") : NULL;
    size_t dims = outer && outer->result_count ? outer->results[0].type->rank + (over ? over->count : 0) : 0;
    int64_t dim = ds_op_int(op, "dim", 0);
    if (!is_position(&op->results[0]) || dim < 0 || dim >= (int64_t)dims)
        verify_fail(v, op, "no dimension of the iteration space");
}

/* Of ops whose operands and results alone say whether they fit. */
static bool types_fit(const ds_op *op) {
    const ds_value *result = op->result_count ? &op->results[0] : NULL,
                   *operand = op->operand_count ? ds_op_operand(op, 0) : NULL;
    switch (op->kind) {
    case DS_LOOP_shift: return is_buffer(operand) && result->type == operand->type && is_position(ds_op_operand(op, 1));
    case DS_LOOP_lanes: return is_vector(result->type) && result->type->elem == DS_index;
    case DS_LOOP_splat: return is_vector(result->type) && verify_is_scalar(operand, result->type->elem);
    case DS_LOOP_local:
        return is_buffer(result) && ds_op_int(op, "count", 0) > 0 && ds_op_int(op, "count", 0) <= MOST_LOCAL;
    default: return true;
    }
}

void verify_loop(verifier *v, const ds_op *op, verify_place place) {
    const scalar_facts *facts = facts_of(op->kind);
    if (facts) {
        verify_scalar(v, op, facts);
        return;
    }
    switch (op->kind) {
    case DS_LOOP_constant: verify_constant(v, op); break;
    case DS_LOOP_apply: verify_apply(v, op); break;
    case DS_LOOP_position:
        if (place == AT_POINT) verify_position(v, op);
        break;
    case DS_LOOP_load: verify_access(v, op, 0, op->results[0].type); break;
    case DS_LOOP_store: verify_access(v, op, 1, ds_op_operand(op, 0)->type); break;
    case DS_LOOP_for: verify_for(v, op); break;
    case DS_LOOP_parallel: verify_parallel(v, op); break;
    case DS_LOOP_fold_lanes: verify_fold(v, op); break;
    case DS_LOOP_transpose: verify_transpose(v, op); break;
    case DS_LOOP_interleave: verify_interleave(v, op); break;
    case DS_LOOP_tile: verify_tile(v, op); break;
    case DS_LOOP_matrices: verify_matrices(v, op); break;
    case DS_LOOP_matrix: verify_matrix(v, op); break;
    default:
        if (!types_fit(op)) verify_fail(v, op, "operand and result types do not fit together");
    }
}

void verify_kernel(verifier *v, const ds_op *func) {
    const ds_block *body = ds_op_block(func, 0);
    const ds_attr *scratch = ds_op_attr(func, "scratch");
    bool good = scratch && scratch->count <= body->arg_count;
    for (size_t i = 0; good && i < body->arg_count; i++) good = is_buffer(body->args[i]);
    if (!good) verify_fail(v, func, "a kernel does not say its scratch memory, or takes more than buffers");
}
