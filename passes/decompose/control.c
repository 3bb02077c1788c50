/* Control flow: If. */
#include <string.h>

#include "passes/decompose/decompose.h"

/* ---- symbols of regions ---- */

static void note_defined(void *user, ds_op *op) {
    const char ***names = user;
    static const char *const holders[] = {"symbol", "counter", "turns"};
    for (size_t i = 0; i < DS_COUNT(holders); i++)
        if (ds_op_attr(op, holders[i])) arrput(*names, ds_op_text(op, holders[i], ""));
    const ds_attr *symbols = ds_op_attr(op, "symbols");
    for (size_t i = 0; symbols && i < symbols->count; i++) arrput(*names, symbols->items[i]->text);
}

const char **dec_symbols_within(ds_block *block) {
    const char **names = NULL;
    ds_walk(block, note_defined, &names);
    return names;
}

typedef struct {
    const char *const *names;
    bool found;
} mention;

static void note_mention(void *user, const char *name) {
    mention *s = user;
    for (size_t i = 0; i < arrlenu(s->names); i++) s->found = s->found || !strcmp(s->names[i], name);
}

bool dec_mentions(const ds_expr *e, const char *const *names) {
    mention s = {names, false};
    ds_expr_each_symbol(e, note_mention, &s);
    return s.found;
}

/* ---- one branch, in place ---- */

static void splice(ds_block *from, ds_block *to, ds_op *before) {
    while (from->first && from->first->kind != DS_GRAPH_yield) ds_op_move(from->first, to, before);
}

static void take_branch(dec *d, ds_op *op, size_t region) {
    ds_block *branch = ds_op_block(op, region);
    for (size_t i = 0; i < op->result_count; i++) d->out[i] = ds_op_operand(branch->last, i);
    splice(branch, op->block, op);
}

/* The two sides when `condition` compares two integers that are known as expressions. */
static bool compares(dec *d, ds_value *condition, const ds_expr **out_left, const ds_expr **out_right) {
    const ds_op *map = condition->op;
    const ds_expr *sides[2];
    if (!map || map->kind != DS_GRAPH_map || map->operand_count > 2) return false;
    const ds_block *region = ds_op_block(map, 0);
    const ds_value *result = ds_op_operand(region->last, 0);
    if (!result->op || result->op->kind != DS_LOOP_eq) return false;
    for (size_t k = 0; k < 2; k++) {
        const ds_value *v = ds_op_operand(result->op, k);
        size_t count;
        if (v->op && v->op->kind == DS_LOOP_constant) {
            sides[k] = dec_const(d, ds_op_int(v->op, "value", 0));
            continue;
        }
        if (v->op || v->block != region) return false;
        ds_value *from = ds_op_operand(map, v->index);
        bool known = from->op && (from->op->kind == DS_GRAPH_index || from->op->kind == DS_GRAPH_constant);
        if (!known || !ds_elem_is_integer(from->type->elem) || dec_ints(d, from, &sides[k], 1, &count) != DS_OK ||
            count != 1)
            return false;
    }
    *out_left = sides[0], *out_right = sides[1];
    return true;
}

/* Branches of different rank: a value has one rank here, so one of them is compiled in and the other refused at run
 * time. The rank that the model declares decides; else it is the first, which exporters make of what they saw when they
 * recorded the model (a Squeeze of a dim that was 1). */
static ds_status choose_rank(dec *d, ds_op *op, size_t result, size_t first_rank, size_t second_rank) {
    const ds_attr *declared = ds_op_attr(op, "ds.ranks");
    bool second = declared && result < declared->count && declared->items[result]->integer == (int64_t)second_rank;
    size_t region = second ? 1 : 0;
    const ds_expr *left, *right;
    ds_value *condition = dec_in(d, 0);
    if (region || !compares(d, condition, &left, &right)) {
        size_t count;
        DS_TRY(dec_ints(d, dec_convert(d, condition, DS_i64), &left, 1, &count));
        right = dec_const(d, region ? 0 : 1);
    }
    DS_TRY(dec_require(d, DS_equal, left, right,
                       "the %s branch is taken, whose result has rank %zu, not %zu as in the other (where extents "
                       "decide, --dim chooses)",
                       region ? "else" : "then", region ? second_rank : first_rank, region ? first_rank : second_rank));
    take_branch(d, op, region);
    return DS_OK;
}

/* A scalar and a list of one, or the like: the one of lower rank gets as many dims as the other. */
static bool equalise_ones(dec *d, ds_op *op, size_t result) {
    const ds_type *types[2];
    uint64_t count;
    for (size_t k = 0; k < 2; k++) {
        types[k] = ds_op_operand(ds_op_block(op, k)->last, result)->type;
        if (!ds_type_static_count(types[k], &count) || count != 1) return false;
    }
    size_t lower = types[0]->rank < types[1]->rank ? 0 : 1;
    ds_block *region = ds_op_block(op, lower);
    ds_builder outer = d->b;
    d->b = (ds_builder){d->m, region, region->last, op->loc};
    ds_value *v = ds_op_operand(region->last, result);
    ds_op_set_operand(region->last, result, dec_reshape(d, v, types[1 - lower]->rank, types[1 - lower]->dims));
    d->b = outer;
    return true;
}

/* ---- both branches ---- */

/* The values that are left to choose between: tensors, and elements of lists. */
typedef struct {
    ds_value **values[2]; /* stb_ds arrays */
    const ds_type **types;
    const char **symbols;
} choice;

static ds_status add_pair(dec *d, choice *c, ds_value *a, ds_value *b, const char *const *inner) {
    const ds_expr *dims[DEC_MAX_RANK];
    if (a->type->elem != b->type->elem) return dec_fail(d, DS_E_type, "the branches give different element types");
    for (size_t i = 0; i < a->type->rank; i++) {
        dims[i] = a->type->dims[i];
        if (dims[i] == b->type->dims[i] && !dec_mentions(dims[i], inner)) continue;
        const char *symbol = ds_module_new_symbol(d->m, DS_SYMBOL_count);
        dims[i] = ds_expr_symbol(d->cx, symbol);
        arrput(c->symbols, symbol);
    }
    arrput(c->values[0], a);
    arrput(c->values[1], b);
    arrput(c->types, ds_type_tensor(d->cx, a->type->elem, a->type->rank, dims, NULL));
    return DS_OK;
}

static ds_status add_result(dec *d, choice *c, ds_value *a, ds_value *b, const char *const *inner) {
    if (a->type->kind == DS_TYPE_TENSOR && b->type->kind == DS_TYPE_TENSOR) return add_pair(d, c, a, b, inner);
    if (a->type->kind == DS_TYPE_NONE || b->type->kind == DS_TYPE_NONE)
        return dec_refuse(d, "branches of which one gives no value");
    if (!dec_is_sequence(a) || !dec_is_sequence(b))
        return dec_fail(d, DS_E_type, "one branch gives a sequence, the other does not");
    if (a->op->operand_count != b->op->operand_count || dec_sequence_is_stacked(a) || dec_sequence_is_stacked(b))
        return dec_refuse(d, "branches that give sequences of different length");
    for (size_t k = 0; k < a->op->operand_count; k++) {
        ds_value *x = ds_op_operand(a->op, k), *y = ds_op_operand(b->op, k);
        if (x->type->rank != y->type->rank) return dec_refuse(d, "branches that give sequences of different ranks");
        DS_TRY(add_pair(d, c, x, y, inner));
    }
    return DS_OK;
}

static void build_if(dec *d, ds_op *op, const choice *c) {
    ds_value *condition = dec_in(d, 0);
    size_t count = arrlenu(c->types), at = 0;
    ds_op *branch = ds_op_create(&d->b, DS_GRAPH_if, &condition, 1, c->types, count, 2);
    if (arrlenu(c->symbols))
        ds_op_set_attr(d->m, branch, "symbols", ds_attr_strings(d->cx, c->symbols, arrlenu(c->symbols)));
    for (size_t i = 0; i < op->result_count; i++) {
        ds_value *model = ds_op_operand(ds_op_block(op, 0)->last, i);
        if (dec_is_sequence(model)) {
            ds_value **elements = NULL;
            for (size_t k = 0; k < model->op->operand_count; k++) arrput(elements, ds_op_result(branch, at++));
            d->out[i] = dec_sequence(d, elements, arrlenu(elements), false, model->type);
            arrfree(elements);
        } else d->out[i] = ds_op_result(branch, at++);
    }
    for (size_t k = 0; k < 2; k++) {
        ds_block *from = ds_op_block(op, k), *to = ds_op_block(branch, k);
        splice(from, to, NULL);
        ds_builder b = {d->m, to, NULL, op->loc};
        ds_op_create(&b, DS_GRAPH_yield, c->values[k], count, NULL, 0, 0);
        ds_op_erase(from->last);
    }
}

static ds_status check_branches(dec *d, ds_op *op) {
    const ds_type *condition = dec_type(d, 0);
    uint64_t count;
    if (condition->elem != DS_b1) return dec_fail(d, DS_E_type, "the condition is not a bool");
    if (ds_type_static_count(condition, &count) && count != 1)
        return dec_fail(d, DS_E_shape, "the condition is not one bool");
    for (size_t k = 0; k < 2; k++) {
        const ds_block *block = op->region_count == 2 ? ds_op_block(op, k) : NULL;
        if (!block || !block->last || block->last->kind != DS_GRAPH_yield)
            return dec_fail(d, DS_E_attribute, "the %s branch is missing", k ? "else" : "then");
        if (block->arg_count) return dec_fail(d, DS_E_arity, "a branch has inputs");
        if (block->last->operand_count != op->result_count)
            return dec_fail(d, DS_E_arity, "a branch gives %zu values instead of %zu", block->last->operand_count,
                            op->result_count);
    }
    return DS_OK;
}

RULE(if) {
    double condition;
    DS_TRY(check_branches(d, op));
    if (dec_known_scalar(d, dec_in(d, 0), &condition)) {
        size_t region = condition != 0 ? 0 : 1;
        DS_TRY(dec_block(d, ds_op_block(op, region)));
        take_branch(d, op, region);
        return DS_OK;
    }
    for (size_t k = 0; k < 2; k++) DS_TRY(dec_block(d, ds_op_block(op, k)));
    const ds_op *yields[] = {ds_op_block(op, 0)->last, ds_op_block(op, 1)->last};
    for (size_t i = 0; i < op->result_count; i++) {
        const ds_type *a = ds_op_operand(yields[0], i)->type, *b = ds_op_operand(yields[1], i)->type;
        if (a->kind == DS_TYPE_TENSOR && b->kind == DS_TYPE_TENSOR && a->rank != b->rank && !equalise_ones(d, op, i))
            return choose_rank(d, op, i, a->rank, b->rank);
    }
    choice c = {0};
    ds_status status = DS_OK;
    const char **inner = dec_symbols_within(ds_op_block(op, 0));
    for (size_t i = 0; status == DS_OK && i < op->result_count; i++)
        status = add_result(d, &c, ds_op_operand(yields[0], i), ds_op_operand(yields[1], i), inner);
    if (status == DS_OK && arrlenu(c.types) > DEC_MAX_RESULTS)
        status = dec_refuse(d, "more than %d results", DEC_MAX_RESULTS);
    if (status == DS_OK) build_if(d, op, &c);
    arrfree(inner), arrfree(c.values[0]), arrfree(c.values[1]), arrfree(c.types), arrfree(c.symbols);
    return status;
}
