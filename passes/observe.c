/* observe: where the module's attribute ds.observe asks for it, factors and results of contractions are observed: a
 * second use of each is reduced to few numbers, which become outputs behind those of the model.
 *
 *   before   %y = "graph.conv"(%x, %w)      loc("conv1")
 *   after    %m:4 = "graph.reduce"(%x) ({ x, x, x, x * x }, { min, max, add, add }): for each channel
 *            %n = "graph.index"() {values = ["batch * 49152"]}
 *            %y = "graph.conv"(%x, %w)      func.return …, %m#0, %m#1, %m#2, %m#3, %n: ds.observe.0.min, …
 *            ds.observed = [{key = "conv1:0", name = "conv1.act", at = 0, axis = 1}, …]
 *
 * With "histograms" a call of kernels/ counts values in bins instead, whose ends are an input more, ds.ranges. Within
 * loops and branches the numbers are carried, and given out by them. Constants are listed with their elements: nothing
 * has to run for them.
 * Needs:  graph ops, before factors are rounded.   Keeps: what the model computes.   Breaks: nothing.   Cost: linear.
 */
#include "passes/observe.h"

#include <math.h>
#include <string.h>

#include "passes/factors.h"
#include "passes/passes.h"

enum { MOST_RANK = 16, MOST_RESULTS = 5 };

typedef struct {
    ds_value *v;
    const ds_block *where; /* it is observed: a value is, once for each block that reads it as a factor */
    int64_t axis;
    size_t at;
} watched;

typedef struct {
    ds_module *m;
    ds_ir_context *cx;
    const ds_observation *how;
    const char **names;     /* of contractions, by op id */
    watched *seen;          /* stb_ds array */
    const ds_attr **listed; /* stb_ds array: entries of ds.observed */
    ds_value *ranges;       /* the input, where there are histograms */
    int64_t range_count;    /* of it */
    size_t count;           /* of values that are observed */
} observing;

static const ds_observation observations[] = {
#define ROW(word, ...) {#word, __VA_ARGS__},
    DS_OBSERVATIONS(ROW)
#undef ROW
};

const ds_observation *ds_observation_find(const char *word) {
    for (size_t i = 0; i < DS_COUNT(observations); i++)
        if (!strcmp(observations[i].word, word)) return &observations[i];
    return NULL;
}

/* ---- which values, and their channels ---- */

/* Sums are of the values' type, and outputs are read as f32. */
static bool is_observable(const ds_value *v) {
    return v->type->kind == DS_TYPE_TENSOR && ds_elem_is_float(v->type->elem) &&
           ds_elem_facts(v->type->elem)->bits == 32 && v->type->rank && v->type->rank < MOST_RANK;
}

/* Extents that change from sample to sample are no channels. */
static int64_t fixed_axis(const ds_value *v, int64_t axis) {
    return axis >= 0 && axis < (int64_t)v->type->rank && ds_expr_is_const(v->type->dims[axis], NULL) ? axis
                                                                                                     : DS_NO_AXIS;
}

/* The node's own result: behind what it adds to the products. */
static ds_value *result_of(ds_op *op) {
    ds_value *v = ds_op_result(op, 0);
    while (ds_value_has_one_use(v)) {
        ds_op *user = v->uses->owner;
        bool same = user->kind == DS_GRAPH_map && user->loc == op->loc && user->block == op->block &&
                    user->result_count == 1 && user->results[0].type == v->type;
        if (!same) break;
        v = ds_op_result(user, 0);
    }
    return v;
}

/* ---- what is observed of one ---- */

static ds_value *scalar(ds_builder *in, ds_op_kind kind, ds_value *a, ds_value *b) {
    ds_value *operands[] = {a, b};
    return ds_op_result(ds_op_create(in, kind, operands, 2, &a->type, 1, 0), 0);
}

static const ds_op_kind combiners[MOST_RESULTS] = {DS_LOOP_min, DS_LOOP_max, DS_LOOP_add, DS_LOOP_add, DS_LOOP_add};
static const double initial[MOST_RESULTS] = {INFINITY, -INFINITY, 0, 0, 0};
static const char *const parts[MOST_RESULTS] = {"min", "max", "sum", "squares", "count"};

static ds_op_kind combiner_of(const observing *o, size_t i) {
    return o->how->bins ? DS_LOOP_add : combiners[i % o->how->results];
}

static void fill_reduce(observing *o, ds_op *reduce, const ds_type *type) {
    ds_builder in = {o->m, ds_op_block(reduce, 0), NULL, reduce->loc};
    ds_value *x = ds_block_add_arg(o->m, in.block, type, NULL), *values[] = {x, x, x, x}, *args[8];
    values[DS_OBSERVE_SQUARES] = scalar(&in, DS_LOOP_mul, x, x);
    ds_op_create(&in, DS_GRAPH_yield, values, 4, NULL, 0, 0);
    in.block = ds_op_block(reduce, 1);
    for (size_t i = 0; i < DS_COUNT(args); i++) args[i] = ds_block_add_arg(o->m, in.block, type, NULL);
    for (size_t i = 0; i < 4; i++) values[i] = scalar(&in, combiners[i], args[i], args[4 + i]);
    ds_op_create(&in, DS_GRAPH_yield, values, 4, NULL, 0, 0);
}

/* All dims but the channels are reduced; without channels all. */
static ds_op *reduce_of(observing *o, ds_builder *b, ds_value *v, int64_t axis) {
    const ds_type *t = v->type;
    const ds_expr *at[MOST_RANK], *over[MOST_RANK], *kept = axis < 0 ? ds_expr_const(o->cx, 1) : t->dims[axis];
    const ds_attr *starts[4];
    size_t count = 0;
    for (size_t d = 0; d < t->rank; d++) {
        bool is_kept = (int64_t)d == axis;
        at[d] = ds_expr_dim(o->cx, is_kept ? 0 : 1 + count);
        if (!is_kept) over[count++] = t->dims[d];
    }
    for (size_t i = 0; i < DS_COUNT(starts); i++) starts[i] = ds_attr_float(o->cx, initial[i]);
    const ds_type *type = ds_type_tensor(o->cx, t->elem, 1, &kept, NULL), *types[] = {type, type, type, type};
    const ds_attr *map = ds_attr_map(o->cx, 1 + count, at, t->rank);
    ds_op *op = ds_op_create(b, DS_GRAPH_reduce, &v, 1, types, DS_COUNT(types), 2);
    ds_op_set_attr(o->m, op, "maps", ds_attr_array(o->cx, &map, 1));
    ds_op_set_attr(o->m, op, "over", ds_attr_exprs(o->cx, over, count));
    ds_op_set_attr(o->m, op, "init", ds_attr_array(o->cx, starts, DS_COUNT(starts)));
    fill_reduce(o, op, ds_type_scalar(o->cx, t->elem));
    return op;
}

static ds_elem count_elem(void) { return ds_elem_of_bits(64, true); }

static void observe_range(observing *o, ds_builder *b, ds_value *v, int64_t axis, ds_value ***out) {
    const ds_expr *one = ds_expr_const(o->cx, 1), *count = ds_type_count(o->cx, v->type);
    const ds_type *type = ds_type_tensor(o->cx, count_elem(), 1, &one, NULL);
    ds_op *reduce = reduce_of(o, b, v, axis), *index = ds_op_create(b, DS_GRAPH_index, NULL, 0, &type, 1, 0);
    ds_op_set_attr(o->m, index, "values", ds_attr_exprs(o->cx, &count, 1));
    for (size_t i = 0; i < reduce->result_count; i++) arrput(*out, ds_op_result(reduce, i));
    arrput(*out, ds_op_result(index, 0));
}

static void observe_histogram(observing *o, ds_builder *b, ds_value *v, int64_t axis, ds_value ***out) {
    const ds_type *t = v->type;
    const ds_expr *outer = ds_expr_const(o->cx, 1), *channels = outer, *inner = outer;
    for (size_t d = 0; d < t->rank; d++) {
        const ds_expr **to = (int64_t)d == axis ? &channels : (int64_t)d < axis ? &outer : &inner;
        *to = ds_expr_mul(o->cx, *to, t->dims[d]);
    }
    const ds_expr *dims[] = {channels, ds_expr_const(o->cx, o->how->bins)};
    const ds_expr *params[] = {outer, channels, inner, ds_expr_const(o->cx, o->range_count), dims[1]};
    const ds_type *type = ds_type_tensor(o->cx, count_elem(), 2, dims, NULL);
    ds_value *operands[] = {v, o->ranges};
    ds_op *call = ds_op_create(b, DS_GRAPH_extern, operands, 2, &type, 1, 0);
    ds_op_set_attr(o->m, call, "callee", ds_attr_string(o->cx, "histogram"));
    ds_op_set_attr(o->m, call, "params", ds_attr_exprs(o->cx, params, DS_COUNT(params)));
    o->range_count += channels->value;
    arrput(*out, ds_op_result(call, 0));
}

/* ---- lists ---- */

static void list(observing *o, const char *key, const char *name, const char *what, const ds_attr *value,
                 int64_t axis) {
    const ds_named_attr entries[] = {{"key", ds_attr_string(o->cx, key)},
                                     {"name", ds_attr_string(o->cx, name)},
                                     {what, value},
                                     {"axis", ds_attr_int(o->cx, axis)}};
    arrput(o->listed, ds_attr_dict(o->cx, entries, axis < 0 ? 3 : 4));
}

/* Which observation this value has in the block, or had already. */
static size_t watch(observing *o, ds_op *op, ds_value *v, int64_t axis, ds_value ***out) {
    for (size_t i = 0; i < arrlenu(o->seen); i++)
        if (o->seen[i].v == v && o->seen[i].where == op->block && o->seen[i].axis == axis) return o->seen[i].at;
    ds_op *after = v->op && v->op->block == op->block ? v->op->next : NULL;
    ds_builder b = {o->m, op->block, after ? after : op, op->loc};
    if (!after && v->block == op->block) b.before = op->block->first;
    watched w = {v, op->block, axis, o->count++};
    arrput(o->seen, w);
    if (o->how->bins) observe_histogram(o, &b, v, o->how->by_channel ? axis : DS_NO_AXIS, out);
    else observe_range(o, &b, v, axis, out);
    return w.at;
}

static void observe_value(observing *o, ds_op *op, ds_value *v, int64_t axis, const char *which, const char *name,
                          ds_value ***out) {
    const char *key = ds_arena_printf(o->m->arena, "%s:%s", o->names[op->id], which);
    const ds_attr *elements = ds_value_constant(v);
    if (!is_observable(v)) return;
    axis = fixed_axis(v, axis);
    if (elements) list(o, key, name, "elements", elements, axis);
    else list(o, key, name, "at", ds_attr_int(o->cx, (int64_t)watch(o, op, v, axis, out)), axis);
}

static void observe_op(observing *o, ds_op *op, ds_value ***out) {
    static const char *const which[] = {"0", "1"};
    for (size_t i = 0; i < DS_COUNT(which); i++)
        observe_value(o, op, ds_op_operand(op, i), ds_factor_axis(o->cx, op, i), which[i],
                      ds_factor_name(o->m, o->names[op->id], op, i), out);
    observe_value(o, op, result_of(op), ds_result_axis(op), "out", "", out);
}

/* ---- out of loops and branches ---- */

static ds_value *start_value(observing *o, ds_builder *b, const ds_value *like, size_t i) {
    uint64_t count = 0;
    bool fits = ds_type_static_count(like->type, &count);
    size_t bytes = (size_t)count * ds_elem_facts(like->type->elem)->bits / 8;
    void *zeros = ds_arena_alloc(o->m->arena, fits ? bytes + 1 : 1);
    float start = o->how->bins ? 0 : (float)initial[i % o->how->results];
    for (size_t k = 0; ds_elem_is_float(like->type->elem) && k < count; k++) ((float *)zeros)[k] = start;
    ds_op *op = ds_op_create(b, DS_GRAPH_constant, NULL, 0, &like->type, 1, 0);
    ds_op_set_attr(o->m, op, "value", ds_attr_elements(o->cx, like->type, zeros, bytes, NULL));
    return ds_op_result(op, 0);
}

/* Both, combined element by element. */
static ds_value *combined(observing *o, ds_builder *b, ds_value *before, ds_value *now, ds_op_kind combiner) {
    const ds_type *type = now->type, *element = ds_type_scalar(o->cx, type->elem);
    const ds_attr *map = ds_attr_identity_map(o->cx, type->rank), *maps[] = {map, map};
    ds_value *operands[] = {before, now}, *args[2];
    ds_op *op = ds_op_create(b, DS_GRAPH_map, operands, 2, &type, 1, 1);
    ds_op_set_attr(o->m, op, "maps", ds_attr_array(o->cx, maps, 2));
    ds_builder in = {o->m, ds_op_block(op, 0), NULL, b->loc};
    for (size_t i = 0; i < 2; i++) args[i] = ds_block_add_arg(o->m, in.block, element, NULL);
    ds_value *v = scalar(&in, combiner, args[0], args[1]);
    ds_op_create(&in, DS_GRAPH_yield, &v, 1, NULL, 0, 0);
    return ds_op_result(op, 0);
}

/* The terminator yields `more` as well, from position `at` on. */
static void yield_more(observing *o, ds_block *block, size_t at, ds_value *const *more, size_t count) {
    ds_op *yield = ds_block_terminator(block);
    ds_value **all = NULL;
    for (size_t i = 0; i < at; i++) arrput(all, ds_op_operand(yield, i));
    for (size_t i = 0; i < count; i++) arrput(all, more[i]);
    for (size_t i = at; i < yield->operand_count; i++) arrput(all, ds_op_operand(yield, i));
    ds_op_set_operands(o->m, yield, all, arrlenu(all));
    arrfree(all);
}

/* The op with `more` results of these types from position `at` on, which are put behind `out`. */
static ds_op *with_results(observing *o, ds_op *op, size_t at, ds_value *const *more, size_t count, ds_value ***out) {
    const ds_type **types = NULL;
    ds_value **operands = NULL;
    ds_builder b = {o->m, op->block, op, op->loc};
    for (size_t i = 0; i < at; i++) arrput(types, op->results[i].type);
    for (size_t i = 0; i < count; i++) arrput(types, more[i]->type);
    for (size_t i = at; i < op->result_count; i++) arrput(types, op->results[i].type);
    for (size_t i = 0; i < op->operand_count; i++) arrput(operands, ds_op_operand(op, i));
    ds_op *made = ds_op_create(&b, op->kind, operands, op->operand_count, types, arrlenu(types), op->region_count);
    for (size_t i = 0; i < op->attr_count; i++) ds_op_set_attr(o->m, made, op->attrs[i].name, op->attrs[i].value);
    for (size_t r = 0; r < op->region_count; r++) {
        ds_block *block = op->regions[r].block, *empty = made->regions[r].block;
        made->regions[r].block = block;
        block->region = &made->regions[r];
        op->regions[r].block = empty;
        empty->region = &op->regions[r];
    }
    for (size_t i = 0; i < op->result_count; i++) {
        ds_value *to = ds_op_result(made, i < at ? i : i + count);
        to->name = op->results[i].name;
        ds_value_replace_uses(&op->results[i], to);
    }
    for (size_t i = 0; i < count; i++) arrput(*out, ds_op_result(made, at + i));
    ds_op_erase(op);
    arrfree(types), arrfree(operands);
    return made;
}

/* Turns carry what was observed so far. */
static void leave_loop(observing *o, ds_op *op, ds_value *const *inner, size_t count, ds_value ***out) {
    ds_block *body = ds_op_block(op, 0);
    size_t condition = ds_op_attr(op, "conditional") != NULL, carried = op->operand_count - condition;
    ds_builder before = {o->m, op->block, op, op->loc}, end = {o->m, body, ds_block_terminator(body), op->loc};
    ds_value **starts = NULL, **sums = NULL;
    for (size_t i = 0; i < op->operand_count; i++) arrput(starts, ds_op_operand(op, i));
    for (size_t i = 0; i < count; i++) {
        ds_value *so_far = ds_block_add_arg(o->m, body, inner[i]->type, NULL);
        arrput(starts, start_value(o, &before, inner[i], i));
        arrput(sums, combined(o, &end, so_far, inner[i], combiner_of(o, i)));
    }
    ds_op_set_operands(o->m, op, starts, arrlenu(starts));
    yield_more(o, body, condition + carried, sums, count);
    with_results(o, op, carried, inner, count, out);
    arrfree(starts), arrfree(sums);
}

/* Of the branch that was not taken nothing was observed: that is what combining begins with. */
static void leave_branches(observing *o, ds_op *op, ds_value **const *inner, ds_value ***out) {
    ds_value **all = NULL;
    for (size_t r = 0; r < 2; r++)
        for (size_t i = 0; i < arrlenu(inner[r]); i++) arrput(all, inner[r][i]);
    for (size_t r = 0; r < 2; r++) {
        ds_block *block = ds_op_block(op, r);
        ds_builder end = {o->m, block, ds_block_terminator(block), op->loc};
        ds_value **yielded = NULL;
        for (size_t k = 0; k < 2; k++)
            for (size_t i = 0; i < arrlenu(inner[k]); i++)
                arrput(yielded, k == r ? inner[k][i] : start_value(o, &end, inner[k][i], i));
        yield_more(o, block, op->result_count, yielded, arrlenu(yielded));
        arrfree(yielded);
    }
    with_results(o, op, op->result_count, all, arrlenu(all), out);
    arrfree(all);
}

/* Appends what is observed in the block, in the order of o->listed. */
static void observe_block(observing *o, ds_block *block, ds_value ***out) {
    for (ds_op *op = block->first, *next; op; op = next) {
        ds_value **inner[2] = {NULL, NULL};
        next = op->next;
        if (ds_is_contraction(op)) observe_op(o, op, out);
        for (size_t r = 0; (op->kind == DS_GRAPH_loop || op->kind == DS_GRAPH_if) && r < op->region_count; r++)
            observe_block(o, ds_op_block(op, r), &inner[r]);
        size_t count = arrlenu(inner[0]) + arrlenu(inner[1]);
        if (count && op->kind == DS_GRAPH_loop) leave_loop(o, op, inner[0], count, out);
        if (count && op->kind == DS_GRAPH_if) leave_branches(o, op, inner, out);
        arrfree(inner[0]);
        arrfree(inner[1]);
    }
}

/* ---- the function ---- */

static void add_name(observing *o, ds_op *func, const char *list_name, size_t before, const char *const *names,
                     size_t count) {
    const ds_attr *old = ds_op_attr(func, list_name), **all = NULL;
    for (size_t i = 0; i < before; i++)
        arrput(all, old && i < old->count ? old->items[i] : ds_attr_dict(o->cx, NULL, 0));
    for (size_t i = 0; i < count; i++) {
        const ds_named_attr name = {"ds.name", ds_attr_string(o->cx, names[i])};
        arrput(all, ds_attr_dict(o->cx, &name, 1));
    }
    ds_op_set_attr(o->m, func, list_name, ds_attr_array(o->cx, all, arrlenu(all)));
    arrfree(all);
}

static void add_outputs(observing *o, ds_op *func, ds_value *const *values) {
    ds_block *body = ds_op_block(func, 0);
    size_t before = ds_block_terminator(body)->operand_count;
    const char **names = NULL;
    for (size_t i = 0; i < arrlenu(values); i++)
        arrput(names, ds_arena_printf(o->m->arena, "ds.observe.%zu.%s", i / o->how->results,
                                      o->how->bins ? "bins" : parts[i % o->how->results]));
    yield_more(o, body, before, values, arrlenu(values));
    add_name(o, func, "res_attrs", before, names, arrlenu(names));
    arrfree(names);
}

/* Its extent is known when all has been observed; until then it is as long as nothing. */
static void add_ranges(observing *o, ds_op *func) {
    static const char *const name[] = {DS_OBSERVE_RANGES_INPUT};
    ds_block *body = ds_op_block(func, 0);
    const ds_expr *none = ds_expr_const(o->cx, 0);
    add_name(o, func, "arg_attrs", body->arg_count, name, 1);
    o->ranges = ds_block_add_arg(o->m, body, ds_type_tensor(o->cx, ds_elem_from_onnx(1), 1, &none, NULL), NULL);
}

ds_status ds_pass_observe(ds_module *module, const ds_pass_options *options) {
    (void)options;
    const ds_attr *asked = ds_module_attr(module, DS_OBSERVE);
    ds_op *func = ds_module_find(module, "main");
    observing o = {.m = module, .cx = module->cx};
    ds_value **values = NULL;
    if (!asked) return DS_OK;
    o.how = asked->kind == DS_ATTR_STRING ? ds_observation_find(asked->text) : NULL;
    if (!o.how || !func)
        return ds_report(module->cx->diag, DS_ERROR, DS_E_attribute, NULL, "'%s' says nothing that can be observed",
                         DS_OBSERVE);
    o.names = ds_contraction_names(module);
    if (o.how->bins) add_ranges(&o, func);
    observe_block(&o, ds_op_block(func, 0), &values);
    const ds_expr *count = ds_expr_const(o.cx, o.range_count);
    if (o.ranges) o.ranges->type = ds_type_tensor(o.cx, o.ranges->type->elem, 1, &count, NULL);
    add_outputs(&o, func, values);
    ds_module_set_attr(module, DS_OBSERVED, ds_attr_array(o.cx, o.listed, arrlenu(o.listed)));
    arrfree(o.names), arrfree(o.seen), arrfree(o.listed), arrfree(values);
    return DS_OK;
}
