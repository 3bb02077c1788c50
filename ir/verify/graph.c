/* Rules of the graph dialect: tensors and maps that fit together, regions that give what their op says. */
#include <string.h>

#include "ir/alias.h"
#include "ir/stored.h"
#include "ir/dims.h"
#include "ir/mma.h"
#include "ir/schedule.h"
#include "ir/verify/verify.h"

static bool is_tensor(const ds_value *v) { return v->type->kind == DS_TYPE_TENSOR; }

static bool has_usable_type(const ds_type *t) {
    uint64_t count;
    if (t->kind != DS_TYPE_TENSOR) return false;
    for (size_t i = 0; i < t->rank; i++)
        if (t->dims[i]->has_dim || (ds_expr_is_const(t->dims[i], NULL) && t->dims[i]->value < 0)) return false;
    return t->rank <= VERIFY_MOST_RANK && (!ds_type_is_static(t) || ds_type_static_count(t, &count));
}

static void verify_maps(verifier *v, const ds_op *op) {
    const ds_attr *maps = ds_op_attr(op, "maps"), *over = ds_op_attr(op, "over"), *pads = ds_op_attr(op, "pads");
    if (!maps) return;
    if (maps->count != op->operand_count) verify_fail(v, op, "there is not one map for every operand");
    if (pads && pads->count != maps->count) verify_fail(v, op, "there is not one pad for every operand");
    size_t dims = op->results[0].type->rank + (over ? over->count : 0);
    if (dims > VERIFY_MOST_RANK) verify_fail(v, op, "an op has too many dimensions");
    for (size_t i = 0; v->status == DS_OK && i < maps->count; i++) {
        const ds_attr *map = maps->items[i];
        if ((size_t)map->integer != dims || map->count != ds_op_operand(op, i)->type->rank)
            verify_fail(v, op, "a map does not fit the iteration space or its operand's rank");
    }
    for (size_t i = 0; over && v->status == DS_OK && i < over->count; i++)
        if (ds_attr_to_expr(over->items[i])->has_dim) verify_fail(v, op, "an extent mentions a dimension");
}

/* ---- regions of scalars ---- */

static bool scalars_of(const ds_value *const *values, size_t count, const ds_op *op, size_t first) {
    for (size_t i = 0; i < count; i++)
        if (!verify_is_scalar(values[i], op->results[(first + i) % op->result_count].type->elem)) return false;
    return true;
}

static bool takes_operands(const ds_op *op) {
    const ds_block *block = ds_op_block(op, 0);
    if (block->arg_count != op->operand_count) return false;
    for (size_t i = 0; i < op->operand_count; i++)
        if (!verify_is_scalar(block->args[i], ds_op_operand(op, i)->type->elem)) return false;
    return true;
}

/* The region yields a scalar for every result. */
static bool gives_results(const ds_op *op, size_t region) {
    const ds_op *yield = verify_yield(op, region, DS_GRAPH_yield);
    if (!yield || yield->operand_count != op->result_count) return false;
    for (size_t i = 0; i < op->result_count; i++)
        if (!verify_is_scalar(ds_op_operand(yield, i), op->results[i].type->elem)) return false;
    return true;
}

static void verify_points(verifier *v, const ds_op *op) {
    const ds_type *first = op->result_count ? op->results[0].type : NULL;
    if (!first) verify_fail(v, op, "there is no result");
    for (size_t i = 1; first && i < op->result_count; i++) {
        const ds_type *t = op->results[i].type;
        for (size_t k = 0; t->rank == first->rank && k < t->rank; k++)
            if (t->dims[k] != first->dims[k]) verify_fail(v, op, "results differ in shape");
        if (t->rank != first->rank) verify_fail(v, op, "results differ in rank");
    }
    if (first && !(takes_operands(op) && gives_results(op, 0)))
        verify_fail(v, op, "the region does not take a scalar of each operand, or does not yield one for each result");
}

static void verify_reduce(verifier *v, const ds_op *op) {
    const ds_block *combine = ds_op_block(op, 1);
    verify_points(v, op);
    if (v->status != DS_OK) return;
    if (ds_op_attr(op, "init")->count != op->result_count)
        verify_fail(v, op, "there is not one initial value for every result");
    bool good = combine->arg_count == 2 * op->result_count && gives_results(op, 1);
    if (!good || !scalars_of((const ds_value *const *)combine->args, combine->arg_count, op, 0))
        verify_fail(v, op, "the second region does not combine accumulators and values into accumulators");
}

/* ---- single ops ---- */

static void verify_constant(verifier *v, const ds_op *op) {
    const ds_attr *value = ds_op_attr(op, "value");
    const ds_type *t = op->results[0].type;
    uint64_t count, bytes;
    if (ds_type_with_encoding(v->m->cx, t, NULL) != ds_type_with_encoding(v->m->cx, value->type, NULL))
        verify_fail(v, op, "the value has another type than the result");
    else if (!ds_type_static_count(t, &count) || !ds_elem_bytes(t->elem, count, &bytes) || bytes != value->count)
        verify_fail(v, op, "the value has not as many bytes as its type");
}

static void verify_index(verifier *v, const ds_op *op) {
    uint64_t count;
    const ds_attr *values = ds_op_attr(op, "values");
    if (!ds_type_static_count(op->results[0].type, &count) || count != values->count)
        verify_fail(v, op, "there is not one expression for every element");
}

/* Every value of `from` is one of `to`. */
static bool is_exact(ds_elem from, ds_elem to) {
    const ds_elem_info *f = ds_elem_facts(from), *t = ds_elem_facts(to);
    if (from == to) return true;
    if (ds_elem_is_integer(from) && ds_elem_is_float(to)) return f->bits <= 16 && t->bits >= 32;
    if (!ds_elem_is_integer(from) || !ds_elem_is_integer(to)) return false;
    return f->class == t->class ? f->bits < t->bits : t->class == DS_CLASS_SINT && f->bits < t->bits;
}

/* Scales and zero points of the right factor: numbers that are multiplied as floats, read at the same places. */
static void verify_blocks(verifier *v, const ds_op *op) {
    bool good = op->results[0].type->elem == DS_f32 && ds_elem_is_float(ds_op_operand(op, 2)->type->elem);
    for (size_t i = 2; good && i < op->operand_count; i++) {
        const ds_type *t = ds_op_operand(op, i)->type;
        good = t->kind == DS_TYPE_TENSOR && ds_elem_facts(t->elem)->bits >= 8 &&
               (t->elem == DS_f32 || ds_mma_for(NULL, DS_f32, t->elem, DS_f32));
    }
    size_t left = ds_product_left_scale(op), zero = ds_product_zero(op);
    if (left != SIZE_MAX) good = good && ds_elem_is_float(ds_op_operand(op, left)->type->elem);
    if (good && zero != SIZE_MAX) good = ds_op_map(op, 2) == ds_op_map(op, zero);
    good = good && op->operand_count <= 5 && (zero == SIZE_MAX || zero + 1 == op->operand_count);
    if (!good)
        verify_fail(v, op, "scales and zero points are not floats, or bytes, for the same blocks of products of f32");
}

static void verify_contraction(verifier *v, const ds_op *op) {
    static const char what[] = "an operand's elements are not all numbers of the result's";
    const ds_elem lhs = ds_op_operand(op, 0)->type->elem, rhs = ds_op_operand(op, 1)->type->elem,
                  sum = op->results[0].type->elem;
    if (op->operand_count > 2) verify_blocks(v, op);
    bool widens = is_exact(lhs, sum) && is_exact(rhs, sum); /* what a loop does where no instruction fits */
    if (!widens && !ds_mma_for(NULL, lhs, rhs, sum)) verify_fail(v, op, what);
    if (v->status != DS_OK) return;
    const char *misfit = ds_dims_misfit(v->m, op);
    if (misfit) verify_fail(v, op, misfit);
}

static bool differ(const ds_expr *a, const ds_expr *b) {
    return ds_expr_is_const(a, NULL) && ds_expr_is_const(b, NULL) && a->value != b->value;
}

static void verify_concat(verifier *v, const ds_op *op) {
    const ds_type *result = op->results[0].type;
    int64_t axis = ds_op_int(op, "axis", 0);
    const ds_expr *sum = ds_expr_const(v->m->cx, 0);
    bool good = op->operand_count && axis >= 0 && axis < (int64_t)result->rank;
    for (size_t i = 0; good && i < op->operand_count; i++) {
        const ds_type *t = ds_op_operand(op, i)->type;
        good = t->elem == result->elem && t->rank == result->rank;
        for (size_t k = 0; good && k < t->rank; k++) good = k == (size_t)axis || !differ(t->dims[k], result->dims[k]);
        if (good) sum = ds_expr_add(v->m->cx, sum, t->dims[axis]);
    }
    if (!good || differ(sum, result->dims[axis]))
        verify_fail(v, op, "the inputs do not make up the result along the axis");
}

/* What is encoded may go on behind the result along any dim: then its first elements are. */
static bool is_encoded(const ds_type *from, const ds_type *to) {
    bool fits = from->elem == to->elem && from->rank == to->rank && (!from->encoding || from->rank == 0);
    for (size_t i = 0; fits && i < to->rank; i++)
        fits = !differ(from->dims[i], to->dims[i]) || from->dims[i]->value > to->dims[i]->value;
    return fits;
}

/* The same bytes as elements of another type. */
static void verify_words(verifier *v, const ds_op *op) {
    const ds_type *from = ds_op_operand(op, 0)->type, *to = op->results[0].type;
    uint64_t a, b;
    bool counted = ds_type_static_count(from, &a) && ds_type_static_count(to, &b);
    if (counted && a * ds_elem_facts(from->elem)->bits != b * ds_elem_facts(to->elem)->bits)
        verify_fail(v, op, "input and result do not have the same bytes");
}

static void verify_same_elements(verifier *v, const ds_op *op) {
    const ds_type *from = ds_op_operand(op, 0)->type, *to = op->results[0].type;
    uint64_t a, b;
    bool dense = !from->encoding && !to->encoding; /* else a view of what lies in memory, with its borders */
    bool counted = dense && ds_type_static_count(from, &a) && ds_type_static_count(to, &b);
    if (from->elem != to->elem || (op->kind != DS_GRAPH_encode && counted && a != b))
        verify_fail(v, op, "input and result do not have the same elements");
    if (op->kind == DS_GRAPH_encode && !is_encoded(from, to) &&
        ds_type_with_encoding(v->m->cx, from, NULL) != ds_type_with_encoding(v->m->cx, to, NULL))
        verify_fail(v, op, "input and result differ in more than their layout");
}

static bool is_within(const ds_value *v, const ds_op *outer) {
    const ds_block *block = v->op ? v->op->block : v->block;
    for (const ds_op *op = block->region->op; op; op = op->block->region->op)
        if (op == outer) return true;
    return false;
}

typedef struct {
    const ds_op *kernel;
    bool good;
} isolation;

static void check_isolated(void *user, ds_op *op) {
    isolation *s = user;
    for (size_t i = 0; i < op->operand_count; i++) s->good = s->good && is_within(ds_op_operand(op, i), s->kernel);
}

/* Of the form that ir/schedule.h says; whether it can be obeyed is known to the pass that does. */
static void verify_schedule(verifier *v, const ds_op *op) {
    const ds_attr *attr = ds_op_attr(op, "schedule");
    ds_schedule s;
    if (!attr) return;
    const char *why = ds_schedule_read(v->m->cx, attr, &s);
    if (!why) ds_schedule_free(&s);
    else if (v->status == DS_OK)
        v->status = ds_report(v->m->cx->diag, DS_ERROR, DS_E_schedule, ds_op_where(v->m, op), "%s", why);
}

static void verify_kernel_op(verifier *v, const ds_op *op) {
    const ds_block *body = ds_op_block(op, 0);
    const ds_op *yield = verify_yield(op, 0, DS_GRAPH_yield);
    bool good =
        yield && yield->operand_count == op->result_count && body->arg_count == op->operand_count && op->result_count;
    for (size_t i = 0; good && i < op->operand_count; i++) good = body->args[i]->type == ds_op_operand(op, i)->type;
    for (size_t i = 0; good && i < op->result_count; i++) good = ds_op_operand(yield, i)->type == op->results[i].type;
    if (!good) verify_fail(v, op, "operands, region arguments, yielded values and results do not fit together");
    isolation s = {op, true};
    ds_walk(ds_op_block(op, 0), check_isolated, &s);
    if (!s.good) verify_fail(v, op, "a kernel reads a value that is not one of its operands");
    verify_schedule(v, op);
}

static void verify_item(verifier *v, const ds_op *op) {
    const ds_type *t = ds_op_operand(op, 0)->type;
    uint64_t count;
    int64_t at = ds_op_int(op, "at", 0);
    bool readable = (ds_elem_is_integer(t->elem) || t->elem == DS_b1) && !ds_elem_facts(t->elem)->packed;
    if (!readable || at < 0 || (ds_type_static_count(t, &count) && (uint64_t)at >= count))
        verify_fail(v, op, "the element is not one of an integer tensor");
}

static void verify_extract(verifier *v, const ds_op *op) {
    const ds_value *from = ds_op_operand(op, 0);
    bool good = is_tensor(from) && op->operand_count == from->type->rank + 1 &&
                verify_is_scalar(&op->results[0], from->type->elem);
    for (size_t i = 1; good && i < op->operand_count; i++) good = verify_is_scalar(ds_op_operand(op, i), DS_index);
    if (!good)
        verify_fail(
            v, op, "there is not one position for every dimension of a tensor, or the result has another element type");
}

/* ---- branches and loops ---- */

/* Extents may differ: those are symbols of the op. */
static bool same_kind_of_tensor(const ds_type *a, const ds_type *b) {
    return a->kind == DS_TYPE_TENSOR && b->kind == DS_TYPE_TENSOR && a->elem == b->elem && a->rank == b->rank;
}

static void verify_branches(verifier *v, const ds_op *op) {
    const ds_type *condition = ds_op_operand(op, 0)->type;
    uint64_t count;
    bool good = condition->elem == DS_b1 && ds_type_static_count(condition, &count) && count == 1;
    for (size_t r = 0; r < 2; r++) {
        const ds_op *yield = verify_yield(op, r, DS_GRAPH_yield);
        good = good && yield && yield->operand_count == op->result_count && ds_op_block(op, r)->arg_count == 0;
        for (size_t i = 0; good && i < op->result_count; i++)
            good = same_kind_of_tensor(ds_op_operand(yield, i)->type, op->results[i].type);
    }
    if (!good)
        verify_fail(v, op, "the condition is not one bool, or a branch does not give values of the results' types");
}

static void verify_turns(verifier *v, const ds_op *op) {
    const ds_op *yield = verify_yield(op, 0, DS_GRAPH_yield);
    const ds_block *body = ds_op_block(op, 0);
    size_t conditional = ds_op_attr(op, "conditional") != NULL, carried = op->operand_count - conditional;
    bool good = yield && op->operand_count >= conditional && carried <= op->result_count &&
                body->arg_count == carried && yield->operand_count == op->result_count + conditional &&
                (!conditional || ds_op_attr(op, "turns"));
    if (good && conditional)
        good = ds_op_operand(op, 0)->type->elem == DS_b1 && ds_op_operand(yield, 0)->type->elem == DS_b1;
    for (size_t i = 0; good && i < op->result_count; i++) {
        const ds_type *result = op->results[i].type, *next = ds_op_operand(yield, conditional + i)->type;
        if (i < carried)
            good = same_kind_of_tensor(result, next) && same_kind_of_tensor(result, body->args[i]->type) &&
                   same_kind_of_tensor(result, ds_op_operand(op, conditional + i)->type);
        else good = result->elem == next->elem && next->kind == DS_TYPE_TENSOR && result->rank == next->rank + 1;
    }
    if (!good) verify_fail(v, op, "initial values, region arguments, yielded values and results do not fit together");
}

/* ---- functions ---- */

static bool has_kind(const ds_attr *dict, const char *name, ds_attr_kind kind) {
    const ds_attr *a = ds_attr_find(dict, name);
    return !a || a->kind == kind;
}

static bool are_described(const ds_attr *dicts, size_t count) {
    bool good = !dicts || dicts->count == count;
    for (size_t i = 0; good && dicts && i < count; i++) {
        const ds_attr *d = dicts->items[i];
        good = has_kind(d, "ds.name", DS_ATTR_STRING) && has_kind(d, "ds.recipe", DS_ATTR_INT) &&
               has_kind(d, "ds.constant", DS_ATTR_ELEMENTS);
    }
    return good;
}

/* Recipes are numbered by the results of @constants. */
static bool has_recipe(const ds_module *m, const ds_attr *recipe, const ds_type *type) {
    const ds_op *constants = ds_module_find(m, "constants");
    const ds_op *given = constants ? ds_op_block(constants, 0)->last : NULL;
    int64_t i = recipe->integer;
    return given && given->kind == DS_RETURN && i >= 0 && i < (int64_t)given->operand_count &&
           ds_op_operand(given, (size_t)i)->type == type;
}

static void verify_aliases(verifier *v, const ds_op *func) {
    const ds_block *body = ds_op_block(func, 0);
    const ds_type **inputs = NULL, **outputs = NULL;
    ds_error_code code;
    for (size_t i = 0; i < body->arg_count; i++) arrput(inputs, body->args[i]->type);
    for (size_t i = 0; body->last && body->last->kind == DS_RETURN && i < body->last->operand_count; i++)
        arrput(outputs, ds_op_operand(body->last, i)->type);
    const char *wrong = ds_alias_objection(v->m, func, (ds_types){inputs, arrlenu(inputs)},
                                           (ds_types){outputs, arrlenu(outputs)}, &code);
    for (size_t i = 0; !wrong && i < arrlenu(outputs); i++)
        wrong = ds_stored_objection(v->m, func, i, (ds_types){outputs, arrlenu(outputs)});
    if (wrong) verify_fail(v, func, wrong);
    arrfree(inputs), arrfree(outputs);
}

void verify_function(verifier *v, const ds_op *func) {
    const ds_block *body = ds_op_block(func, 0);
    const ds_attr *attrs = ds_op_attr(func, "arg_attrs");
    size_t results = body->last && body->last->kind == DS_RETURN ? body->last->operand_count : 0;
    bool of_constants = !strcmp(ds_op_text(func, "name", ""), "constants");
    if (!are_described(attrs, body->arg_count) || !are_described(ds_op_attr(func, "res_attrs"), results))
        verify_fail(v, func, "there are not as many descriptions as arguments and results, or one is of another kind");
    else verify_aliases(v, func);
    for (size_t i = 0; i < body->arg_count && v->status == DS_OK; i++) {
        const ds_type *t = body->args[i]->type;
        const ds_attr *recipe = attrs ? ds_attr_find(attrs->items[i], "ds.recipe") : NULL,
                      *constant = attrs ? ds_attr_find(attrs->items[i], "ds.constant") : NULL;
        if (t->kind == DS_TYPE_TENSOR && !has_usable_type(t))
            verify_fail(v, func, "an argument is not a tensor that can be");
        if (recipe && !has_recipe(v->m, recipe, t))
            verify_fail(v, func, "@constants does not give the result that an argument stands for");
        if (of_constants && (!constant || constant->type != t))
            verify_fail(v, func, "an argument of @constants is not a constant of its type");
    }
}

/* Lists and what is left out live until everything is decomposed. */
static bool is_transient(const ds_type *t) { return t->kind != DS_TYPE_TENSOR && t->kind != DS_TYPE_SCALAR; }

void verify_graph(verifier *v, const ds_op *op) {
    if (op->kind == DS_GRAPH_yield || op->kind == DS_GRAPH_sequence) return;
    if (op->kind == DS_GRAPH_extract) {
        verify_extract(v, op);
        return;
    }
    for (size_t i = 0; i < op->operand_count; i++)
        if (!is_tensor(ds_op_operand(op, i)) && !is_transient(ds_op_operand(op, i)->type))
            verify_fail(v, op, "an operand is not a tensor");
    for (size_t i = 0; i < op->result_count; i++)
        if (!has_usable_type(op->results[i].type)) verify_fail(v, op, "a result is not a tensor that can be");
    if (v->status != DS_OK) return;
    if (op->result_count) verify_maps(v, op);
    switch (op->kind) {
    case DS_GRAPH_constant: verify_constant(v, op); break;
    case DS_GRAPH_index: verify_index(v, op); break;
    case DS_GRAPH_map: verify_points(v, op); break;
    case DS_GRAPH_reduce: verify_reduce(v, op); break;
    case DS_GRAPH_matmul:
    case DS_GRAPH_conv: verify_contraction(v, op); break;
    case DS_GRAPH_concat: verify_concat(v, op); break;
    case DS_GRAPH_encode:
    case DS_GRAPH_reshape:
        if (ds_op_attr(op, "words")) verify_words(v, op);
        else verify_same_elements(v, op);
        break;
    case DS_GRAPH_kernel: verify_kernel_op(v, op); break;
    case DS_GRAPH_item: verify_item(v, op); break;
    case DS_GRAPH_if: verify_branches(v, op); break;
    case DS_GRAPH_loop: verify_turns(v, op); break;
    default: break;
    }
}
