/* Functions of kernels -> plans: which buffer holds which tensor when, and the calls in order.
 *
 * Views share their operand's buffer. Tensors whose size is known on entry lie in one arena, by lifetime; others come
 * from the caller's allocator. Results are written where the caller wants them wherever a kernel computes them.
 */
#include <stdlib.h>
#include <string.h>

#include "passes/lower/plan.h"

const ds_expr *plan_bytes_of(planner *p, const ds_type *t) {
    return ds_elem_bytes_of(p->cx, t->elem, ds_layout_count(p->cx, t));
}

/* ---- lifetimes ---- */

int plan_store_index(planner *p, const ds_value *v) { return v->id < arrlenu(p->store_of) ? p->store_of[v->id] : -1; }

void plan_set_store(planner *p, const ds_value *v, int store) {
    while (arrlenu(p->store_of) <= v->id) arrput(p->store_of, -1);
    p->store_of[v->id] = store;
}

/* Parts of one buffer have one storage; the first of them opens it. */
static bool join_store(planner *p, const ds_value *v, int64_t id) {
    while ((int64_t)arrlen(p->shared) <= id) arrput(p->shared, -1);
    int *store = &p->shared[id];
    bool known = *store >= 0;
    if (!known) *store = (int)arrlen(p->stores);
    plan_set_store(p, v, *store);
    return known;
}

static void add_store(planner *p, ds_value *v) {
    int64_t id = v->type->kind == DS_TYPE_TENSOR ? ds_layout_within(v->type, DS_WITHIN_ID) : -1;
    const ds_attr *whole = ds_op_attr(v->op, "whole"); /* of a dense part: see parts.c */
    if (whole) id = ds_op_int(v->op, "part", 0);
    if (id >= 0 && join_store(p, v, id)) return;
    storage s = {.bytes = whole ? ds_attr_to_expr(whole) : plan_bytes_of(p, v->type),
                 .first = p->position,
                 .last = p->position,
                 .output = -1};
    int64_t bytes;
    s.is_static = ds_expr_is_const(s.bytes, &bytes), s.late = s.bytes->is_late, s.is_cell = plan_is_cell(p->cx, v);
    plan_set_store(p, v, (int)arrlen(p->stores));
    arrput(p->stores, s);
}

static void use_value(planner *p, ds_value *v, size_t until) {
    int i = plan_store_index(p, lower_root_of(v));
    if (i >= 0 && p->stores[i].last < until) p->stores[i].last = until;
}

static void scan_block(planner *p, ds_block *block);

/* What is live at any time between stays for all of it. */
static void hold(planner *p, size_t start, size_t end) {
    for (size_t i = 0; i < arrlenu(p->stores); i++)
        if (p->stores[i].first > start) p->stores[i].first = start, p->stores[i].last = end;
        else if (p->stores[i].last > start) p->stores[i].last = end;
}

/* What is from before a loop and read in it is needed in every turn. */
static void keep(planner *p, size_t start, size_t end) {
    for (size_t i = 0; i < arrlenu(p->stores); i++)
        if (p->stores[i].first <= start && p->stores[i].last > start) p->stores[i].last = end;
}

static void scan_op(planner *p, ds_op *op) {
    size_t start = ++p->position;
    if (op->kind == DS_GRAPH_constant || op->kind == DS_GRAPH_reshape) return;
    bool joins = op->kind == DS_GRAPH_join && !ds_op_attr(op, "whole");
    if (joins) join_store(p, &op->results[0], ds_op_int(op, "id", 0));
    for (size_t i = 0; !joins && i < op->result_count; i++) add_store(p, &op->results[i]);
    for (size_t r = 0; op->kind != DS_GRAPH_kernel && r < op->region_count; r++) scan_block(p, ds_op_block(op, r));
    size_t end = ++p->position;
    if (op->kind == DS_GRAPH_loop) keep(p, start, end);
    for (size_t i = 0; i < op->operand_count; i++) use_value(p, ds_op_operand(op, i), end);
    for (size_t i = 0; i < op->result_count; i++) {
        storage *s = &p->stores[plan_store_index(p, &op->results[i])];
        if (s->last < end) s->last = end;
    }
    if (ds_op_attr(op, "beside")) hold(p, p->together, end);
    else if (op->kind == DS_GRAPH_kernel) p->together = start;
}

static void scan_block(planner *p, ds_block *block) {
    for (ds_op *op = block->first; op; op = op->next) scan_op(p, op);
}

static bool share_memory(planner *p, ds_value *a, ds_value *b) {
    int store = plan_store_index(p, lower_root_of(a));
    return lower_root_of(a) == lower_root_of(b) || (store >= 0 && store == plan_store_index(p, lower_root_of(b)));
}

/* No other operand is a view of the same bytes, either. */
bool plan_may_overwrite(planner *p, const ds_op *op, size_t operand) {
    for (size_t i = 0; i < op->operand_count; i++)
        if (i != operand && share_memory(p, ds_op_operand(op, i), ds_op_operand(op, operand))) return false;
    return op->kind == DS_GRAPH_kernel ? lower_may_overwrite(p->cx, op, operand) : operand == 0;
}

static bool is_part(ds_value *v) {
    const ds_op *op = lower_root_of(v)->op;
    return op && ds_op_attr(op, "part");
}

/* A result takes the storage of an operand that ends there, where it may be written over it. */
static void overwrite_operand(planner *p, const ds_op *op) {
    int to = plan_store_index(p, &op->results[0]);
    storage *result = &p->stores[to];
    for (size_t i = 0; i < op->operand_count; i++) {
        int from = plan_store_index(p, lower_root_of(ds_op_operand(op, i)));
        storage *s = from >= 0 && !is_part(ds_op_operand(op, i)) ? &p->stores[from] : NULL;
        if (!s || from == to || s->late || s->output >= 0 || result->output >= 0 || s->bytes != result->bytes ||
            s->last != result->first + 1 || !plan_may_overwrite(p, op, i))
            continue;
        s->last = result->last, result->merged = true;
        plan_set_store(p, &op->results[0], from);
        return;
    }
}

static void overwrite_operands(planner *p, const ds_block *block) {
    for (const ds_op *op = block->first; op; op = op->next)
        if (op->result_count == 1 && !ds_op_attr(op, "part") && (op->kind == DS_GRAPH_kernel || lower_is_tied(op)))
            overwrite_operand(p, op);
}

/* ---- the arena ---- */

static bool overlap(const storage *a, const storage *b) { return a->first <= b->last && b->first <= a->last; }

static int larger_first(const void *a, const void *b) {
    const storage *x = *(const storage *const *)a, *y = *(const storage *const *)b;
    if (x->bytes->value != y->bytes->value) return x->bytes->value > y->bytes->value ? -1 : 1;
    return x->first != y->first ? (x->first < y->first ? -1 : 1) : (x < y ? -1 : 1);
}

static int older_first(const void *a, const void *b) {
    const storage *x = *(const storage *const *)a, *y = *(const storage *const *)b;
    return x->first != y->first ? (x->first < y->first ? -1 : 1) : larger_first(a, b);
}

/* Those that much of the memory holds for long. */
static int longer_first(const void *a, const void *b) {
    const storage *x = *(const storage *const *)a, *y = *(const storage *const *)b;
    double p = (double)x->bytes->value * (double)(x->last - x->first + 1),
           q = (double)y->bytes->value * (double)(y->last - y->first + 1);
    return p != q ? (p > q ? -1 : 1) : larger_first(a, b);
}

static int lower_offset_first(const void *a, const void *b) {
    const storage *x = *(const storage *const *)a, *y = *(const storage *const *)b;
    return x->offset != y->offset ? (x->offset < y->offset ? -1 : 1) : 0;
}

/* Each storage at the lowest offset that is free during its lifetime, in this order. Returns the bytes needed. */
static int64_t place_in_order(storage **order, int (*before)(const void *, const void *)) {
    storage **live = NULL;
    int64_t end = 0;
    if (order) qsort(order, arrlenu(order), sizeof *order, before);
    for (size_t i = 0; i < arrlenu(order); i++) {
        int64_t at = 0, bytes = order[i]->bytes->value;
        arrsetlen(live, 0);
        for (size_t k = 0; k < i; k++)
            if (overlap(order[k], order[i])) arrput(live, order[k]);
        if (arrlenu(live) > 1) qsort(live, arrlenu(live), sizeof *live, lower_offset_first);
        for (size_t k = 0; k < arrlenu(live); k++) {
            if (live[k]->offset >= at + bytes) break;
            int64_t past = (live[k]->offset + live[k]->bytes->value + ALIGN - 1) / ALIGN * ALIGN;
            if (past > at) at = past;
        }
        order[i]->offset = at;
        if (at + bytes > end) end = at + bytes;
    }
    arrfree(live);
    return (end + ALIGN - 1) / ALIGN * ALIGN;
}

/* The most that is live at any time: no plan needs less. */
static int64_t largest_live_set(storage *const *stores) {
    int64_t most = 0;
    for (size_t i = 0; i < arrlenu(stores); i++) {
        int64_t sum = 0;
        for (size_t k = 0; k < arrlenu(stores); k++)
            if (stores[k]->first <= stores[i]->first && stores[i]->first <= stores[k]->last)
                sum += stores[k]->bytes->value;
        if (sum > most) most = sum;
    }
    return most;
}

/* Places the static storages; of some orders the one that needs least. Returns the bytes needed. */
static int64_t place_static(planner *p, int64_t *out_least) {
    static int (*const orders[])(const void *, const void *) = {larger_first, longer_first, older_first};
    storage **stores = NULL;
    int64_t best = INT64_MAX;
    size_t chosen = 0, last = 0;
    for (size_t i = 0; i < arrlenu(p->stores); i++)
        if (p->stores[i].is_static && p->stores[i].output < 0 && !p->stores[i].merged) arrput(stores, &p->stores[i]);
    *out_least = largest_live_set(stores);
    for (size_t i = 0; i < DS_COUNT(orders) && best > *out_least; i++) {
        int64_t need = place_in_order(stores, orders[i]);
        if (need < best) best = need, chosen = i;
        last = i;
    }
    if (chosen != last) best = place_in_order(stores, orders[chosen]);
    arrfree(stores);
    return best;
}

/* Storages of symbolic size share a slot with others of the same size whose lives do not overlap. Returns the arena's
 * end. */
static const ds_expr *place_symbolic(planner *p, const ds_expr *end) {
    storage **owners = NULL; /* newest user of each slot */
    const ds_expr *align = ds_expr_const(p->cx, ALIGN);
    for (size_t i = 0; i < arrlenu(p->stores); i++) {
        storage *s = &p->stores[i];
        if (s->is_static || s->late || s->merged || s->output >= 0) continue;
        size_t k = 0;
        while (k < arrlenu(owners) && (owners[k]->bytes != s->bytes || owners[k]->last >= s->first)) k++;
        if (k < arrlenu(owners)) {
            s->where = owners[k]->where;
            owners[k] = s;
            continue;
        }
        s->where = end;
        end = ds_expr_add(p->cx, end, ds_expr_mul(p->cx, ds_expr_ceildiv(p->cx, s->bytes, align), align));
        arrput(owners, s);
    }
    arrfree(owners);
    return end;
}

/* ---- emission ---- */

ds_op *plan_emit(planner *p, ds_op_kind kind, ds_value *const *operands, size_t count, const ds_type *type) {
    return ds_op_create(&p->b, kind, operands, count, &type, type ? 1 : 0, 0);
}

void plan_set_expr(planner *p, ds_op *op, const char *name, const ds_expr *e) {
    ds_op_set_attr(p->m, op, name, ds_attr_expr(p->cx, e));
}

static ds_value *emit_storage(planner *p, storage *s, ds_elem elem) {
    const ds_type *type = ds_type_buffer(p->cx, elem);
    if (s->output >= 0) return p->output_args[s->output];
    ds_op *op = plan_emit(p, s->late ? DS_PLAN_allocate : DS_PLAN_slice, NULL, 0, type);
    if (!s->late) plan_set_expr(p, op, "offset", s->is_static ? ds_expr_const(p->cx, s->offset) : s->where);
    plan_set_expr(p, op, "bytes", s->bytes);
    return ds_op_result(op, 0);
}

void plan_open_results(planner *p, ds_op *op) {
    for (size_t i = 0; i < op->result_count; i++) {
        if (p->stores[plan_store_index(p, &op->results[i])].is_cell)
            continue; /* its memory comes and goes with the op's regions */
        ds_value *buffer = emit_storage(p, &p->stores[plan_store_index(p, &op->results[i])], op->results[i].type->elem);
        const ds_attr *at = ds_op_attr(op, "at");
        if (ds_op_attr(op, "part") && !ds_expr_equals(ds_attr_to_expr(at), 0)) {
            ds_op *part = plan_emit(p, DS_PLAN_part, &buffer, 1, buffer->type);
            ds_op_set_attr(p->m, part, "offset", at);
            buffer = ds_op_result(part, 0);
        }
        ds_mapping_set(&p->buffers, &op->results[i], buffer);
    }
}

/* A view of other elements is a part that begins where its operand does. */
ds_value *plan_buffer_of(planner *p, ds_value *v) {
    ds_value *root = lower_root_of(v), *buffer = ds_mapping_get(&p->buffers, root);
    if (root->type->elem == v->type->elem) return buffer;
    ds_op *part = plan_emit(p, DS_PLAN_part, &buffer, 1, ds_type_buffer(p->cx, v->type->elem));
    plan_set_expr(p, part, "offset", ds_expr_const(p->cx, 0));
    return ds_op_result(part, 0);
}

static void collect_symbol(void *user, const char *name) {
    const char ***names = user;
    for (size_t i = 0; i < arrlenu(*names); i++)
        if (strcmp((*names)[i], name) == 0) return;
    arrput(*names, name);
}

typedef struct {
    const char **names, **counters; /* mentioned; defined by loops within */
} symbol_search;

static void collect_from_op(void *user, ds_op *op) {
    symbol_search *s = user;
    for (size_t i = 0; i < op->attr_count; i++) ds_attr_each_symbol(op->attrs[i].value, collect_symbol, &s->names);
    if (ds_op_attr(op, "counter")) arrput(s->counters, ds_op_text(op, "counter", ""));
}

/* The symbols that a kernel function mentions, in order of first mention. Recorded on the function, for code
 * generation. */
static const ds_attr *kernel_symbols(planner *p, ds_op *func) {
    const ds_attr *known = ds_op_attr(func, "symbols");
    if (known) return known;
    symbol_search s = {0};
    ds_walk(ds_op_block(func, 0), collect_from_op, &s);
    for (size_t i = 0; i < arrlenu(s.counters); i++)
        for (size_t k = arrlenu(s.names); k-- > 0;)
            if (!strcmp(s.names[k], s.counters[i])) arrdel(s.names, k);
    known = ds_attr_strings(p->cx, s.names, arrlenu(s.names));
    arrfree(s.names), arrfree(s.counters);
    ds_op_set_attr(p->m, func, "symbols", known);
    return known;
}

static void plan_kernel(planner *p, ds_op *op) {
    ds_value **buffers = NULL;
    ds_op *func = ds_module_find(p->m, ds_op_text(op, "name", ""));
    plan_open_results(p, op);
    for (size_t i = 0; i < op->operand_count; i++) arrput(buffers, plan_buffer_of(p, ds_op_operand(op, i)));
    for (size_t i = 0; i < op->result_count; i++) arrput(buffers, ds_mapping_get(&p->buffers, &op->results[i]));
    ds_op *call = plan_emit(p, DS_PLAN_call, buffers, arrlenu(buffers), NULL);
    arrfree(buffers);
    const ds_attr *scratch = ds_op_attr(func, "scratch");
    static const char *const kept[] = {"what", "key", "flops", "bytes", "node", "beside"};
    for (size_t i = 0; i < DS_COUNT(kept); i++)
        if (ds_op_attr(op, kept[i])) ds_op_set_attr(p->m, call, kept[i], ds_op_attr(op, kept[i]));
    ds_op_set_attr(p->m, call, "kernel", ds_op_attr(op, "name"));
    ds_op_set_attr(p->m, call, "pieces", ds_op_attr(func, "pieces"));
    ds_op_set_attr(p->m, call, "symbols", kernel_symbols(p, func));
    const ds_expr *total = ds_expr_const(p->cx, 0), *align = ds_expr_const(p->cx, ALIGN), **offsets = NULL;
    for (size_t i = 0; i < scratch->count; i++) {
        arrput(offsets, total);
        total = ds_expr_add(
            p->cx, total, ds_expr_mul(p->cx, ds_expr_ceildiv(p->cx, ds_attr_to_expr(scratch->items[i]), align), align));
    }
    ds_op_set_attr(p->m, call, "scratch", ds_attr_exprs(p->cx, offsets, arrlenu(offsets)));
    arrfree(offsets);
    if (total->is_late) plan_set_expr(p, call, "lane_bytes", total); /* not in the arena */
    else p->lane_bytes = ds_expr_max(p->cx, p->lane_bytes, total);
}

void plan_emit_copy(planner *p, ds_value *from, ds_value *to, const ds_expr *bytes) {
    ds_value *operands[] = {from, to};
    plan_set_expr(p, plan_emit(p, DS_PLAN_copy, operands, 2, NULL), "bytes", bytes);
}

static void plan_extern(planner *p, ds_op *op) {
    ds_value **buffers = NULL, *result = ds_op_result(op, 0);
    bool tied = lower_is_tied(op), in_place = tied && p->stores[plan_store_index(p, result)].in_place;
    plan_open_results(p, op);
    if (tied && !in_place && !share_memory(p, ds_op_operand(op, 0), result))
        plan_emit_copy(p, plan_buffer_of(p, ds_op_operand(op, 0)), plan_buffer_of(p, result),
                       plan_bytes_of(p, result->type));
    for (size_t i = tied; i < op->operand_count; i++) arrput(buffers, plan_buffer_of(p, ds_op_operand(op, i)));
    for (size_t i = 0; i < op->result_count; i++) arrput(buffers, ds_mapping_get(&p->buffers, &op->results[i]));
    ds_op *call = plan_emit(p, DS_PLAN_extern, buffers, arrlenu(buffers), NULL);
    arrfree(buffers);
    ds_op_set_attr(p->m, call, "callee", ds_op_attr(op, "callee"));
    ds_op_set_attr(p->m, call, "params", ds_op_attr(op, "params"));
}

/* What lies in an argument's memory begins there; parts that their kernels could not write behind it are copied. */
static void plan_join(planner *p, ds_op *op) {
    const ds_expr *at = ds_expr_const(p->cx, 0);
    const ds_attr *id = ds_op_attr(op, "id");
    for (size_t i = 0; i < op->operand_count; i++) {
        ds_value *v = ds_op_operand(op, i), *root = lower_root_of(v);
        const ds_expr *bytes = plan_bytes_of(p, v->type);
        if (i && ds_op_attr(op, "whole") && !(root->op && ds_op_attr(root->op, "part") == id)) {
            storage *s = &p->stores[plan_store_index(p, &op->results[0])];
            ds_value *whole = emit_storage(p, s, v->type->elem);
            ds_op *part = plan_emit(p, DS_PLAN_part, &whole, 1, whole->type);
            plan_set_expr(p, part, "offset", at);
            plan_emit_copy(p, plan_buffer_of(p, v), ds_op_result(part, 0), bytes);
        }
        at = ds_expr_add(p->cx, at, bytes);
    }
    ds_mapping_set(&p->buffers, &op->results[0], plan_buffer_of(p, ds_op_operand(op, 0)));
}

static void plan_item(planner *p, ds_op *op) {
    ds_value *buffer = plan_buffer_of(p, ds_op_operand(op, 0));
    ds_op *read = plan_emit(p, DS_PLAN_read, &buffer, 1, NULL);
    ds_op_set_attr(p->m, read, "symbol", ds_op_attr(op, "symbol"));
    ds_op_set_attr(p->m, read, "at", ds_op_attr(op, "at"));
    ds_op_set_attr(p->m, read, "elem", ds_attr_of_type(p->cx, ds_type_scalar(p->cx, ds_op_operand(op, 0)->type->elem)));
}

static void plan_require(planner *p, const ds_op *op) {
    ds_op *require = plan_emit(p, DS_PLAN_require, NULL, 0, NULL);
    for (size_t i = 0; i < op->attr_count; i++) ds_op_set_attr(p->m, require, op->attrs[i].name, op->attrs[i].value);
}

static void plan_constant(planner *p, ds_op *op) {
    ds_op *weight = plan_emit(p, DS_PLAN_weight, NULL, 0, ds_type_buffer(p->cx, op->results[0].type->elem));
    ds_op_set_attr(p->m, weight, "constant", ds_op_attr(op, "value"));
    plan_set_expr(p, weight, "bytes", plan_bytes_of(p, op->results[0].type));
    ds_mapping_set(&p->buffers, &op->results[0], ds_op_result(weight, 0));
}

ds_status plan_block(planner *p, ds_block *block) {
    for (ds_op *op = block->first; op; op = op->next) {
        p->b.loc = op->loc;
        switch (op->kind) {
        case DS_GRAPH_constant: plan_constant(p, op); break;
        case DS_GRAPH_reshape:
        case DS_GRAPH_yield:
        case DS_RETURN: break;
        case DS_GRAPH_join: plan_join(p, op); break;
        case DS_GRAPH_kernel: plan_kernel(p, op); break;
        case DS_GRAPH_if: DS_TRY(plan_if(p, op)); break;
        case DS_GRAPH_loop: DS_TRY(plan_loop(p, op)); break;
        case DS_GRAPH_extern: plan_extern(p, op); break;
        case DS_GRAPH_item: plan_item(p, op); break;
        case DS_GRAPH_require: plan_require(p, op); break;
        default: return ds_report(p->cx->diag, DS_ERROR, DS_E_internal, ds_op_where(p->m, op), "no plan for this op");
        }
    }
    return DS_OK;
}

/* ---- the function ---- */

static const ds_attr *types_attr(planner *p, ds_value *const *values, size_t count) {
    const ds_attr **items = NULL;
    for (size_t i = 0; i < count; i++) arrput(items, ds_attr_of_type(p->cx, values[i]->type));
    const ds_attr *attr = ds_attr_array(p->cx, items, count);
    arrfree(items);
    return attr;
}

typedef struct {
    const char **known;
    bool all;
} symbol_check;

static void check_known(void *user, const char *name) {
    symbol_check *s = user;
    bool found = false;
    for (size_t i = 0; i < arrlenu(s->known); i++) found = found || !strcmp(s->known[i], name);
    s->all = s->all && found;
}

/* Whether the extents of a result are known when its memory is written: what makes it may stand before what reads a
 * symbol. */
static bool is_sized_by(const ds_type *result, const ds_type *made) {
    symbol_check s = {NULL, true};
    for (size_t i = 0; i < made->rank; i++) ds_expr_each_symbol(made->dims[i], collect_symbol, &s.known);
    for (size_t i = 0; i < result->rank; i++) ds_expr_each_symbol(result->dims[i], check_known, &s);
    arrfree(s.known);
    return s.all;
}

ds_status lower_plan(ds_module *m, ds_op *func) {
    planner p = {.m = m, .cx = m->cx, .func = func};
    ds_block *body = ds_op_block(func, 0);
    ds_op *ret = body->last;
    const char *name = ds_op_text(func, "name", "");
    const ds_attr *arg_attrs = ds_op_attr(func, "arg_attrs");
    ds_value **inputs = NULL, **outputs = NULL;
    p.lane_bytes = ds_expr_const(p.cx, 0);
    lower_join_parts(m, func);
    for (size_t i = 0; i < ret->operand_count; i++) arrput(outputs, ds_op_operand(ret, i));
    ds_op *plan = ds_func_create(m, name);
    ds_block *block = ds_op_block(plan, 0);
    p.b = (ds_builder){m, block, NULL, NULL};
    /* arguments: what the caller gives, then where results go; constants come from the weight section */
    const ds_attr **kept_attrs = NULL;
    for (size_t i = 0; i < body->arg_count; i++) {
        const ds_attr *recipe =
            arg_attrs && i < arg_attrs->count ? ds_attr_find(arg_attrs->items[i], "ds.recipe") : NULL;
        if (recipe) continue;
        arrput(inputs, body->args[i]);
        arrput(kept_attrs, arg_attrs && i < arg_attrs->count ? arg_attrs->items[i] : ds_attr_dict(p.cx, NULL, 0));
        ds_mapping_set(
            &p.buffers, body->args[i],
            ds_block_add_arg(m, block, ds_type_buffer(p.cx, body->args[i]->type->elem), body->args[i]->name));
    }
    for (size_t i = 0; i < arrlenu(outputs); i++)
        arrput(p.output_args, ds_block_add_arg(m, block, ds_type_buffer(p.cx, outputs[i]->type->elem), NULL));
    ds_op_set_attr(m, plan, "inputs", types_attr(&p, inputs, arrlenu(inputs)));
    ds_op_set_attr(m, plan, "outputs", types_attr(&p, outputs, arrlenu(outputs)));
    ds_op_set_attr(m, plan, "arg_attrs", ds_attr_array(p.cx, kept_attrs, arrlenu(kept_attrs)));
    if (ds_op_attr(func, "res_attrs")) ds_op_set_attr(m, plan, "result_attrs", ds_op_attr(func, "res_attrs"));
    arrfree(kept_attrs);
    for (size_t i = 0; i < body->arg_count; i++) {
        const ds_attr *recipe =
            arg_attrs && i < arg_attrs->count ? ds_attr_find(arg_attrs->items[i], "ds.recipe") : NULL;
        if (!recipe) continue;
        ds_op *weight = plan_emit(&p, DS_PLAN_weight, NULL, 0, ds_type_buffer(p.cx, body->args[i]->type->elem));
        ds_op_set_attr(m, weight, "constant", recipe);
        plan_set_expr(&p, weight, "bytes", plan_bytes_of(&p, body->args[i]->type));
        ds_mapping_set(&p.buffers, body->args[i], ds_op_result(weight, 0));
    }
    if (strcmp(name, "main") == 0) lower_mark_beside(m, body);
    scan_block(&p, body);
    bool *direct = ds_xmalloc(arrlenu(outputs) + 1);
    for (size_t i = 0; i < arrlenu(outputs); i++) {
        int s = plan_store_index(&p, lower_root_of(outputs[i]));
        direct[i] = s >= 0 && is_sized_by(outputs[i]->type, lower_root_of(outputs[i])->type) &&
                    p.stores[s].output < 0 && !p.stores[s].is_cell && lower_root_of(outputs[i])->op->block == body &&
                    ds_expr_equals(ds_expr_sub(p.cx, p.stores[s].bytes, plan_bytes_of(&p, outputs[i]->type)), 0);
        if (direct[i]) p.stores[s].output = (int)i;
    }
    overwrite_operands(&p, body);
    ds_status status = plan_tie_results(&p, plan, inputs, outputs);
    int64_t least;
    const ds_expr *arena = place_symbolic(&p, ds_expr_const(p.cx, place_static(&p, &least)));
    if (status == DS_OK) status = plan_block(&p, body);
    for (size_t i = 0; status == DS_OK && i < arrlenu(outputs); i++)
        if (!direct[i] && !plan_is_there(&p, inputs, outputs[i], i))
            plan_emit_copy(&p, plan_buffer_of(&p, outputs[i]), p.output_args[i], plan_bytes_of(&p, outputs[i]->type));
    free(direct);
    ds_op_create(&p.b, DS_RETURN, NULL, 0, NULL, 0, 0);
    ds_op_set_attr(m, plan, "arena", ds_attr_expr(p.cx, arena));
    ds_op_set_attr(m, plan, "arena_least", ds_attr_int(p.cx, least)); /* of the static part, for reports */
    ds_op_set_attr(m, plan, "lane_bytes", ds_attr_expr(p.cx, p.lane_bytes));
    arrfree(inputs), arrfree(outputs), arrfree(p.output_args), arrfree(p.stores), arrfree(p.store_of),
        arrfree(p.shared);
    ds_mapping_free(&p.buffers);
    ds_op_erase(func);
    return status;
}
