/* Loop and Scan: graph.loop, once the types of what turns carry are known.
 *
 * A body is decomposed for the types of the initial values. Where a turn gives a carried value another extent, that
 * extent becomes a symbol of the loop and the body is decomposed again, from a copy, until types stay as they are.
 */
#include <string.h>

#include "passes/decompose/decompose.h"

typedef struct {
    dec *d;
    ds_op *op;                     /* the onnx op; its region stays as it is until the loop is built */
    size_t first_arg, first_yield; /* of carried values, in the region */
    size_t carried, stacked;
    ds_value **initial;    /* stb_ds array: the carried ones */
    const ds_type **types; /* stb_ds array: as a turn begins */
    const char **symbols;  /* stb_ds array: extents that turns change */
    const char *counter;
    const ds_expr *extent;
    ds_value *condition; /* before the first turn, or NULL */
    size_t *appended;    /* stb_ds array: operand (carried) of sequences that a turn appends to */
    ds_value **lists;    /* stb_ds array: what these were before */
    void (*begin)(void *user, ds_block *region); /* gives the region's other arguments their values */
    void *user;
    ds_op *copy; /* the onnx op whose region was decomposed */
    ds_op *loop;
} turns;

enum { MOST_CLONED = 300000, MOST_ROUNDS = 64 };

/* ---- bodies ---- */

static void count_op(void *user, ds_op *op) {
    (void)op;
    ++*(size_t *)user;
}

static ds_builder start_of(turns *t, ds_block *region) {
    return (ds_builder){t->d->m, region, region->first, t->op->loc};
}

/* Decomposes a copy of the region for the present types. */
static ds_status decompose_copy(turns *t) {
    dec *d = t->d;
    ds_mapping mapping = {0};
    ds_walk(ds_op_block(t->op, 0), count_op, d->cloned);
    if (*d->cloned > MOST_CLONED) return dec_refuse(d, "loops that are nested so deeply, or so large");
    ds_builder b = {d->m, t->op->block, t->op, t->op->loc};
    t->copy = ds_op_clone(&b, t->op, &mapping);
    ds_mapping_free(&mapping);
    ds_block *region = ds_op_block(t->copy, 0);
    for (size_t i = 0; i < t->carried; i++) region->args[t->first_arg + i]->type = t->types[i];
    ds_builder outer = d->b;
    d->b = start_of(t, region);
    t->begin(t->user, region);
    d->b = outer;
    return dec_block(d, region);
}

static void drop_copy(turns *t) {
    if (t->copy) ds_op_erase(t->copy);
    t->copy = NULL;
}

static const ds_type *with_symbol(turns *t, const ds_type *type, size_t dim) {
    const ds_expr *dims[DEC_MAX_RANK];
    const char *symbol = ds_module_new_symbol(t->d->m, DS_SYMBOL_count);
    for (size_t i = 0; i < type->rank; i++) dims[i] = type->dims[i];
    dims[dim] = ds_expr_symbol(t->d->cx, symbol);
    arrput(t->symbols, symbol);
    return ds_type_tensor(t->d->cx, type->elem, type->rank, dims, NULL);
}

static bool is_own(const turns *t, const ds_expr *e) {
    for (size_t i = 0; i < arrlenu(t->symbols); i++)
        if (e->kind == DS_EXPR_SYMBOL && !strcmp(e->name, t->symbols[i])) return true;
    return false;
}

/* Extents that the turn has changed become symbols. */
static ds_status widen(turns *t, bool *out_changed) {
    const ds_op *yield = ds_op_block(t->copy, 0)->last;
    *out_changed = false;
    for (size_t i = 0; i < t->carried; i++) {
        const ds_type *next = ds_op_operand(yield, t->first_yield + i)->type;
        if (next->kind != DS_TYPE_TENSOR) return dec_refuse(t->d, "a carried value that is not a tensor");
        if (next->elem != t->types[i]->elem)
            return dec_fail(t->d, DS_E_type, "carried value %zu changes its element type", i);
        if (next->rank != t->types[i]->rank)
            return dec_refuse(t->d, "carried value %zu, whose rank is %zu, then %zu", i, t->types[i]->rank, next->rank);
        for (size_t k = 0; k < next->rank; k++)
            if (next->dims[k] != t->types[i]->dims[k] && !is_own(t, t->types[i]->dims[k]))
                t->types[i] = with_symbol(t, t->types[i], k), *out_changed = true;
    }
    return DS_OK;
}

/* Where the initial extents are too special for the body: those that the body does not declare as fixed become
 * symbols. */
static bool widen_as_declared(turns *t) {
    bool changed = false;
    for (size_t i = 0; i < t->carried; i++) {
        const ds_type *declared = ds_op_block(t->op, 0)->args[t->first_arg + i]->type;
        bool ranked = declared->kind == DS_TYPE_TENSOR && declared->rank == t->types[i]->rank;
        for (size_t k = 0; k < t->types[i]->rank; k++)
            if (ds_expr_is_const(t->types[i]->dims[k], NULL) && !(ranked && ds_expr_is_const(declared->dims[k], NULL)))
                t->types[i] = with_symbol(t, t->types[i], k), changed = true;
    }
    return changed;
}

static void forget_messages(ds_diag *diag, size_t length, int errors) {
    if (!diag->text.data) return;
    diag->text.length = length, diag->text.data[length] = 0, diag->error_count = errors;
}

/* Leaves the decomposed region in t->copy. */
static ds_status find_types(turns *t) {
    ds_diag *diag = t->d->cx->diag;
    bool declared = false, changed = true;
    for (size_t round = 0; changed; round++) {
        size_t length = diag->text.length;
        int errors = diag->error_count;
        drop_copy(t);
        if (round == MOST_ROUNDS) return dec_refuse(t->d, "carried values whose extents never settle");
        ds_status status = decompose_copy(t);
        if (status != DS_OK && !declared && widen_as_declared(t)) {
            declared = true;
            forget_messages(diag, length, errors);
            continue;
        }
        if (status == DS_OK) status = widen(t, &changed);
        if (status != DS_OK) return status;
    }
    return DS_OK;
}

/* ---- building ---- */

/* The type of what a turn's value is stacked to. Extents that are found out in the region become symbols; all turns
 * must agree on them. */
static ds_status stacked_type(turns *t, const ds_type *one, const ds_expr *count, const char *const *inner,
                              const ds_type **out) {
    dec *d = t->d;
    const ds_expr *dims[DEC_MAX_RANK + 1] = {count};
    if (one->kind != DS_TYPE_TENSOR) return dec_refuse(d, "turns that give sequences or optionals");
    if (one->rank + 1 > DEC_MAX_RANK - 2) return dec_refuse(d, "a tensor of rank %zu", one->rank + 1);
    for (size_t k = 0; k < one->rank; k++) {
        dims[k + 1] = one->dims[k];
        if (!dec_mentions(one->dims[k], inner)) continue;
        const char *symbol = ds_module_new_symbol(d->m, DS_SYMBOL_count);
        const ds_expr *s = ds_expr_symbol(d->cx, symbol), *later = ds_expr_symbol(d->cx, t->counter);
        later = ds_expr_min(d->cx, later, dec_const(d, 1));
        DS_TRY(dec_require(d, DS_equal, ds_expr_mul(d->cx, s, later), ds_expr_mul(d->cx, one->dims[k], later),
                           "all turns give values of one shape"));
        arrput(t->symbols, symbol);
        dims[k + 1] = s;
    }
    *out = ds_type_tensor(d->cx, one->elem, one->rank + 1, dims, NULL);
    return DS_OK;
}

/* Is the next condition the constant true, or false? */
static bool condition_is(turns *t, double *out) {
    return t->first_yield == 0 ? (*out = 1, true)
                               : dec_known_scalar(t->d, ds_op_operand(ds_op_block(t->copy, 0)->last, 0), out);
}

static ds_status check_condition(turns *t, const ds_value *v) {
    uint64_t count;
    if (v->type->kind != DS_TYPE_TENSOR || v->type->elem != DS_b1 ||
        (ds_type_static_count(v->type, &count) && count != 1))
        return dec_fail(t->d, DS_E_type, "the condition is not one bool");
    return DS_OK;
}

static ds_status result_types(turns *t, const ds_expr *count, const ds_type ***types) {
    dec *d = t->d;
    ds_block *region = ds_op_block(t->copy, 0);
    const char **inner = dec_symbols_within(region);
    ds_status status = DS_OK;
    ds_builder outer = d->b;
    d->b = (ds_builder){d->m, region, region->last, t->op->loc};
    arrput(inner, t->counter);
    for (size_t i = 0; i < arrlenu(t->symbols); i++) arrput(inner, t->symbols[i]);
    for (size_t i = 0; i < t->carried; i++) arrput(*types, t->types[i]);
    for (size_t i = 0; status == DS_OK && i < t->stacked; i++) {
        const ds_type *type = NULL;
        status =
            stacked_type(t, ds_op_operand(region->last, t->first_yield + t->carried + i)->type, count, inner, &type);
        arrput(*types, type);
    }
    d->b = outer;
    arrfree(inner);
    return status;
}

/* Makes the graph.loop of the copy's region. */
static ds_status build_loop(turns *t) {
    dec *d = t->d;
    ds_block *from = ds_op_block(t->copy, 0);
    double known;
    bool is_known = condition_is(t, &known), conditional = !is_known;
    const char *count = NULL;
    const ds_type **types = NULL;
    ds_value **operands = NULL, **yields = NULL;
    if (t->first_yield) DS_TRY(check_condition(t, ds_op_operand(from->last, 0)));
    if (is_known && known == 0) t->extent = ds_expr_min(d->cx, t->extent, dec_const(d, 1));
    if (t->condition && is_known) { /* it only says whether there is a turn at all */
        const ds_expr *any;
        size_t n;
        DS_TRY(dec_ints(d, dec_convert(d, t->condition, DS_i64), &any, 1, &n));
        t->extent = ds_expr_mul(d->cx, t->extent, any);
    }
    if (conditional) count = ds_module_new_symbol(d->m, DS_SYMBOL_count);
    ds_status status = result_types(t, conditional ? ds_expr_symbol(d->cx, count) : t->extent, &types);
    if (conditional) arrput(operands, t->condition ? t->condition : dec_scalar(d, DS_b1, 1));
    if (conditional) arrput(yields, ds_op_operand(from->last, 0));
    for (size_t i = 0; i < t->carried; i++) arrput(operands, t->initial[i]);
    for (size_t i = 0; i < t->carried + t->stacked; i++) arrput(yields, ds_op_operand(from->last, t->first_yield + i));
    if (status == DS_OK) {
        t->loop = ds_op_create(&d->b, DS_GRAPH_loop, operands, arrlenu(operands), types, arrlenu(types), 1);
        ds_op_set_attr(d->m, t->loop, "counter", ds_attr_string(d->cx, t->counter));
        ds_op_set_attr(d->m, t->loop, "extent", ds_attr_expr(d->cx, t->extent));
        if (conditional) ds_op_set_attr(d->m, t->loop, "conditional", ds_attr_unit(d->cx));
        if (conditional) ds_op_set_attr(d->m, t->loop, "turns", ds_attr_string(d->cx, count));
        if (arrlenu(t->symbols))
            ds_op_set_attr(d->m, t->loop, "symbols", ds_attr_strings(d->cx, t->symbols, arrlenu(t->symbols)));
        ds_block *to = ds_op_block(t->loop, 0);
        ds_builder b = {d->m, to, NULL, t->op->loc};
        ds_op_create(&b, DS_GRAPH_yield, yields, arrlenu(yields), NULL, 0, 0);
        while (from->first != from->last) ds_op_move(from->first, to, to->last);
        for (size_t i = 0; i < t->carried; i++)
            ds_value_replace_uses(from->args[t->first_arg + i], ds_block_add_arg(d->m, to, t->types[i], NULL));
    }
    drop_copy(t);
    arrfree(types), arrfree(operands), arrfree(yields);
    return status;
}

static ds_status lower_turns(turns *t) {
    for (size_t i = 0; i < t->carried; i++) {
        const ds_type *type = t->initial[i]->type;
        if (type->kind != DS_TYPE_TENSOR)
            return dec_refuse(t->d, "a loop that carries a sequence and does more than append to it");
        arrput(t->types, ds_type_with_encoding(t->d->cx, type, NULL));
    }
    DS_TRY(find_types(t));
    return build_loop(t);
}

static void turns_free(turns *t) {
    drop_copy(t);
    arrfree(t->initial), arrfree(t->types), arrfree(t->symbols), arrfree(t->appended), arrfree(t->lists);
}

static ds_status check_region(dec *d, ds_op *op) {
    const ds_block *region = op->region_count == 1 ? ds_op_block(op, 0) : NULL;
    if (!region || !region->last || region->last->kind != DS_GRAPH_yield)
        return dec_fail(d, DS_E_attribute, "there is not one graph as its body");
    return DS_OK;
}

/* ---- Loop ---- */

/* The turn's number, and the condition, which is true wherever a turn runs. */
static void begin_loop(void *user, ds_block *region) {
    turns *t = user;
    dec *d = t->d;
    bool scalar[2];
    for (size_t i = 0; i < 2; i++)
        scalar[i] = region->args[i]->type->kind != DS_TYPE_TENSOR || region->args[i]->type->rank != 1;
    const ds_expr *turn = ds_expr_symbol(d->cx, t->counter);
    ds_value_replace_uses(region->args[0], dec_index_tensor(d, DS_i64, &turn, 1, scalar[0]));
    ds_value *yes = dec_scalar(d, DS_b1, 1);
    const ds_expr *one = dec_const(d, 1);
    ds_value_replace_uses(region->args[1], scalar[1] ? yes : dec_reshape(d, yes, 1, &one));
}

/* The op that appends to a sequence, when that is all a turn does with it. */
static ds_op *appending(const ds_block *region, size_t carried) {
    const ds_value *arg = region->args[2 + carried], *next = ds_op_operand(region->last, 1 + carried);
    ds_op *insert = next->op;
    bool good = insert && insert->kind == DS_ONNX_SequenceInsert && insert->block == region &&
                insert->operand_count >= 2 && ds_op_operand(insert, 0) == arg && ds_value_has_one_use(arg) &&
                ds_value_has_one_use(next) &&
                (insert->operand_count == 2 || ds_value_is_none(ds_op_operand(insert, 2)));
    return good ? insert : NULL;
}

/* Sequences that turns append to are not carried: what is appended is stacked, behind the other stacked values. */
static ds_status stack_sequences(turns *t, size_t declared) {
    dec *d = t->d;
    ds_block *region = ds_op_block(t->op, 0);
    ds_value **yields = NULL, **args = NULL, **behind = NULL;
    arrput(yields, ds_op_operand(region->last, 0));
    arrput(args, region->args[0]);
    arrput(args, region->args[1]);
    for (size_t i = 0; i < declared; i++) {
        ds_value *initial = dec_in(d, 2 + i);
        ds_op *insert = dec_is_sequence(initial) ? appending(region, i) : NULL;
        if (!insert) {
            if (!initial) return dec_fail(d, DS_E_arity, "the initial value of carried value %zu is missing", i);
            arrput(t->initial, initial);
            arrput(args, region->args[2 + i]);
            arrput(yields, ds_op_operand(region->last, 1 + i));
            continue;
        }
        arrput(t->appended, i);
        arrput(t->lists, initial);
        arrput(behind, ds_op_operand(insert, 1));
    }
    for (size_t i = 1 + declared; i < region->last->operand_count; i++) arrput(yields, ds_op_operand(region->last, i));
    for (size_t i = 0; i < arrlenu(behind); i++) arrput(yields, behind[i]);
    if (arrlenu(behind)) {
        ds_op_set_operands(d->m, region->last, yields, arrlenu(yields));
        for (size_t i = 0; i < arrlenu(t->appended); i++) ds_op_erase(region->args[2 + t->appended[i]]->uses->owner);
        for (size_t i = 0; i < arrlenu(args); i++) region->args[i] = args[i], args[i]->index = (uint32_t)i;
        region->arg_count = arrlenu(args);
    }
    t->carried = arrlenu(t->initial), t->stacked = arrlenu(yields) - 1 - t->carried;
    arrfree(yields), arrfree(args), arrfree(behind);
    return DS_OK;
}

static void loop_results(turns *t) {
    dec *d = t->d;
    size_t at = 0, lists = arrlenu(t->appended), appended = 0;
    for (size_t i = 0; i < t->op->result_count; i++) {
        if (appended < lists && t->appended[appended] == i) {
            ds_value **elements = NULL, *before = t->lists[appended];
            for (size_t k = 0; k < before->op->operand_count; k++) arrput(elements, ds_op_operand(before->op, k));
            arrput(elements, ds_op_result(t->loop, t->carried + t->stacked - lists + appended++));
            d->out[i] = dec_sequence(d, elements, arrlenu(elements), true, before->type);
            arrfree(elements);
        } else d->out[i] = ds_op_result(t->loop, at++);
    }
}

static ds_status read_limits(turns *t) {
    dec *d = t->d;
    size_t count;
    double known;
    t->extent = dec_const(d, INT64_MAX);
    if (dec_in(d, 0)) {
        DS_TRY(dec_ints(d, dec_in(d, 0), &t->extent, 1, &count));
        if (count != 1) return dec_fail(d, DS_E_shape, "%zu numbers of turns", count);
    }
    if (!ds_expr_nonneg(t->extent)) t->extent = ds_expr_max(d->cx, t->extent, dec_const(d, 0));
    t->condition = dec_in(d, 1);
    if (t->condition) DS_TRY(check_condition(t, t->condition));
    if (t->condition && dec_known_scalar(d, t->condition, &known)) {
        t->condition = NULL;
        if (known == 0) t->extent = dec_const(d, 0);
    }
    return DS_OK;
}

static ds_status lower_loop(turns *t) {
    dec *d = t->d;
    ds_op *op = t->op;
    const ds_block *region = ds_op_block(op, 0);
    size_t declared = op->operand_count > 2 ? op->operand_count - 2 : 0;
    if (region->arg_count != declared + 2)
        return dec_fail(d, DS_E_arity, "its body has %zu inputs instead of %zu", region->arg_count, declared + 2);
    if (region->last->operand_count != op->result_count + 1)
        return dec_fail(d, DS_E_arity, "its body gives %zu values instead of %zu", region->last->operand_count,
                        op->result_count + 1);
    if (op->result_count < declared)
        return dec_fail(d, DS_E_arity, "%zu results for %zu carried values", op->result_count, declared);
    DS_TRY(read_limits(t));
    DS_TRY(stack_sequences(t, declared));
    DS_TRY(lower_turns(t));
    loop_results(t);
    return DS_OK;
}

RULE(loop) {
    turns t = {.d = d, .op = op, .first_arg = 2, .first_yield = 1, .begin = begin_loop, .user = NULL};
    t.user = &t;
    DS_TRY(check_region(d, op));
    t.counter = ds_module_new_symbol(d->m, DS_SYMBOL_count);
    ds_status status = lower_loop(&t);
    turns_free(&t);
    return status;
}

/* ---- Scan ---- */

typedef struct {
    turns t;
    ds_value **sequences; /* stb_ds array: what is read slice by slice */
    size_t axis[64];
    bool backward[64];
} scan;

/* The slices of this turn. */
static void begin_scan(void *user, ds_block *region) {
    scan *s = user;
    dec *d = s->t.d;
    const ds_expr *turn = ds_expr_symbol(d->cx, s->t.counter);
    for (size_t i = 0; i < arrlenu(s->sequences); i++) {
        ds_value *x = s->sequences[i];
        const ds_expr *dims[DEC_MAX_RANK], *exprs[DEC_MAX_RANK];
        size_t rank = 0;
        for (size_t k = 0; k < x->type->rank; k++) {
            if (k == s->axis[i]) {
                const ds_expr *last = ds_expr_sub(d->cx, s->t.extent, dec_const(d, 1));
                exprs[k] = s->backward[i] ? ds_expr_sub(d->cx, last, turn) : turn;
                continue;
            }
            exprs[k] = dec_dim(d, rank);
            dims[rank++] = x->type->dims[k];
        }
        const ds_attr *map = dec_map_of(d, rank, exprs, x->type->rank);
        body r = map_begin(d, x->type->elem, rank, dims, &x, &map, 1);
        ds_value_replace_uses(region->args[s->t.carried + i], map_end(&r, r.x[0]));
    }
}

/* Element i of a list of integers, where it is given; false when the list is too short or outside 0 … most. */
static ds_status listed(dec *d, const ds_op *op, const char *name, size_t i, size_t count, int64_t *out) {
    int64_t values[64];
    *out = 0;
    if (!ds_op_attr(op, name)) return DS_OK;
    size_t n = ds_op_ints(op, name, values, DS_COUNT(values));
    if (n != count || count > DS_COUNT(values))
        return dec_fail(d, DS_E_attribute, "%s has %zu entries instead of %zu", name, n, count);
    *out = values[i];
    return DS_OK;
}

static ds_status listed_direction(dec *d, const ds_op *op, const char *name, size_t i, size_t count, bool *out) {
    int64_t value;
    DS_TRY(listed(d, op, name, i, count, &value));
    *out = value == 1;
    return value == 0 || value == 1 ? DS_OK : dec_fail(d, DS_E_attribute, "%s is %lld", name, (long long)value);
}

/* What turns gave lies along dim 0, first turn first: along the axis and in the direction that the model wants. */
static ds_status place_stack(scan *s, ds_op *op, size_t i, ds_value *stack, ds_value **out) {
    dec *d = s->t.d;
    size_t rank = stack->type->rank, axis;
    int64_t wanted;
    bool backward;
    DS_TRY(listed(d, op, "scan_output_axes", i, s->t.stacked, &wanted));
    DS_TRY(dec_axis(d, wanted, rank, &axis));
    DS_TRY(listed_direction(d, op, "scan_output_directions", i, s->t.stacked, &backward));
    *out = stack;
    if (!axis && !backward) return DS_OK;
    const ds_expr *dims[DEC_MAX_RANK], *exprs[DEC_MAX_RANK],
        *last = ds_expr_sub(d->cx, stack->type->dims[0], dec_const(d, 1));
    exprs[0] = backward ? ds_expr_sub(d->cx, last, dec_dim(d, axis)) : dec_dim(d, axis);
    dims[axis] = stack->type->dims[0];
    for (size_t k = 1; k < rank; k++) {
        size_t at = k <= axis ? k - 1 : k;
        dims[at] = stack->type->dims[k];
        exprs[k] = dec_dim(d, at);
    }
    const ds_attr *map = dec_map_of(d, rank, exprs, rank);
    body r = map_begin(d, stack->type->elem, rank, dims, &stack, &map, 1);
    *out = map_end(&r, r.x[0]);
    return DS_OK;
}

/* Opset 8: every operand has a dim for the batch first. One sequence is as without that dim. */
static ds_status without_batch(dec *d, ds_value *v, ds_value **out) {
    if (v->type->rank == 0) return dec_fail(d, DS_E_shape, "an operand of Scan has no dim for the batch");
    if (!ds_expr_equals(v->type->dims[0], 1)) return dec_refuse(d, "Scan of opset 8 over a batch of other than 1");
    *out = dec_reshape(d, v, v->type->rank - 1, v->type->dims + 1);
    return DS_OK;
}

static ds_value *with_batch(dec *d, ds_value *v) {
    const ds_expr *dims[DEC_MAX_RANK + 1] = {dec_const(d, 1)};
    for (size_t i = 0; i < v->type->rank; i++) dims[i + 1] = v->type->dims[i];
    return dec_reshape(d, v, v->type->rank + 1, dims);
}

static ds_status read_operands(scan *s, ds_op *op, bool batched) {
    dec *d = s->t.d;
    size_t first = batched, count = op->operand_count - first, sequences = (size_t)ds_op_int(op, "num_scan_inputs", 0);
    s->t.carried = count - sequences;
    for (size_t i = 0; i < count; i++) {
        ds_value *v = dec_in(d, first + i);
        if (!v) return dec_fail(d, DS_E_arity, "operand %zu is missing", first + i);
        if (v->type->kind != DS_TYPE_TENSOR) return dec_refuse(d, "a sequence");
        if (batched) DS_TRY(without_batch(d, v, &v));
        if (i < s->t.carried) {
            arrput(s->t.initial, v);
            continue;
        }
        int64_t axis;
        size_t k = i - s->t.carried;
        DS_TRY(listed(d, op, "scan_input_axes", k, sequences, &axis));
        DS_TRY(dec_axis(d, axis, v->type->rank, &s->axis[k]));
        DS_TRY(
            listed_direction(d, op, batched ? "directions" : "scan_input_directions", k, sequences, &s->backward[k]));
        const ds_expr *extent = v->type->dims[s->axis[k]];
        if (k == 0) s->t.extent = extent;
        else DS_TRY(dec_same(d, s->t.extent, extent, &s->t.extent));
        arrput(s->sequences, v);
    }
    return DS_OK;
}

static ds_status lower_scan(scan *s, ds_op *op) {
    dec *d = s->t.d;
    bool batched = ds_op_attr(op, "ds.batched") != NULL;
    int64_t sequences = ds_op_int(op, "num_scan_inputs", 0);
    const ds_block *region = ds_op_block(op, 0);
    size_t count = op->operand_count - (batched && op->operand_count);
    if (sequences < 1 || (uint64_t)sequences > count || sequences > (int64_t)DS_COUNT(s->axis))
        return dec_fail(d, DS_E_attribute, "num_scan_inputs is %lld, and there are %zu operands", (long long)sequences,
                        count);
    if (batched && dec_in(d, 0)) return dec_refuse(d, "Scan of opset 8 over sequences of different length");
    DS_TRY(read_operands(s, op, batched));
    if (region->arg_count != count)
        return dec_fail(d, DS_E_arity, "its body has %zu inputs instead of %zu", region->arg_count, count);
    if (region->last->operand_count != op->result_count || op->result_count < s->t.carried)
        return dec_fail(d, DS_E_arity, "its body gives %zu values, and there are %zu results",
                        region->last->operand_count, op->result_count);
    s->t.stacked = op->result_count - s->t.carried;
    DS_TRY(lower_turns(&s->t));
    for (size_t i = 0; i < op->result_count; i++) {
        d->out[i] = ds_op_result(s->t.loop, i);
        if (i >= s->t.carried) DS_TRY(place_stack(s, op, i - s->t.carried, d->out[i], &d->out[i]));
        if (batched) d->out[i] = with_batch(d, d->out[i]);
    }
    return DS_OK;
}

RULE(scan) {
    scan s = {.t = {.d = d, .op = op, .begin = begin_scan}};
    s.t.user = &s;
    DS_TRY(check_region(d, op));
    s.t.counter = ds_module_new_symbol(d->m, DS_SYMBOL_turn);
    ds_status status = lower_scan(&s, op);
    turns_free(&s.t);
    arrfree(s.sequences);
    return status;
}
