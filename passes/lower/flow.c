/* Branches and loops of the graph -> regions of the plan.
 *
 * Results whose extents differ between branches, or change from turn to turn, lie in cells: memory from the caller's
 * allocator that has the size of the day. A carried one has two, of which a turn reads one and fills the other; then
 * they change places.
 */
#include <string.h>

#include "passes/lower/plan.h"

typedef struct {
    const ds_attr *symbols;
    const char *turns;
    bool found;
} search;

static void note_own(void *user, const char *name) {
    search *s = user;
    if (s->turns && !strcmp(name, s->turns)) s->found = true;
    for (size_t i = 0; s->symbols && i < s->symbols->count; i++)
        if (!strcmp(name, s->symbols->items[i]->text)) s->found = true;
}

bool plan_is_cell(ds_ir_context *cx, const ds_value *v) {
    if (!v->op || (v->op->kind != DS_GRAPH_if && v->op->kind != DS_GRAPH_loop)) return false;
    search s = {ds_op_attr(v->op, "symbols"), ds_op_text(v->op, "turns", NULL), false};
    ds_expr_each_symbol(ds_type_count(cx, v->type), note_own, &s);
    return s.found;
}

/* ---- symbols ---- */

typedef struct {
    const char **names;
    const ds_expr **values;
} assignment;

static void assign(assignment *a, const char *name, const ds_expr *value) {
    arrput(a->names, name);
    arrput(a->values, value);
}

static void emit_assignment(planner *p, assignment *a) {
    if (arrlenu(a->names)) {
        ds_op *set = plan_emit(p, DS_PLAN_set, NULL, 0, NULL);
        ds_op_set_attr(p->m, set, "symbols", ds_attr_strings(p->cx, a->names, arrlenu(a->names)));
        ds_op_set_attr(p->m, set, "values", ds_attr_exprs(p->cx, a->values, arrlenu(a->values)));
    }
    arrfree(a->names), arrfree(a->values);
    *a = (assignment){0};
}

static void assign_zero(planner *p, assignment *a, const ds_op *op) {
    const ds_attr *symbols = ds_op_attr(op, "symbols");
    for (size_t i = 0; symbols && i < symbols->count; i++) assign(a, symbols->items[i]->text, ds_expr_const(p->cx, 0));
}

/* The symbols of op that are extents of `type` (behind its first `skip` dims) get the extents of `from`. */
static void assign_extents(assignment *a, const ds_op *op, const ds_type *type, size_t skip, const ds_type *from) {
    const ds_attr *symbols = ds_op_attr(op, "symbols");
    for (size_t i = 0; symbols && i < symbols->count; i++)
        for (size_t k = 0; k < from->rank; k++) {
            const ds_expr *e = type->dims[skip + k];
            if (e->kind != DS_EXPR_SYMBOL || strcmp(e->name, symbols->items[i]->text)) continue;
            bool known = false;
            for (size_t n = 0; n < arrlenu(a->names); n++)
                if (!strcmp(a->names[n], e->name)) a->values[n] = from->dims[k], known = true;
            if (!known) assign(a, e->name, from->dims[k]);
        }
}

/* ---- cells ---- */

static ds_value *emit_cell(planner *p, ds_elem elem) {
    return ds_op_result(plan_emit(p, DS_PLAN_cell, NULL, 0, ds_type_buffer(p->cx, elem)), 0);
}

static ds_value *emit_grow(planner *p, ds_value *cell, const ds_expr *bytes, const ds_expr *keep) {
    ds_op *grow = plan_emit(p, DS_PLAN_grow, &cell, 1, cell->type);
    plan_set_expr(p, grow, "bytes", bytes);
    plan_set_expr(p, grow, "keep", keep);
    return ds_op_result(grow, 0);
}

static void fill_cell(planner *p, ds_value *cell, ds_value *from) {
    const ds_expr *bytes = plan_bytes_of(p, from->type);
    plan_emit_copy(p, plan_buffer_of(p, from), emit_grow(p, cell, bytes, ds_expr_const(p->cx, 0)), bytes);
}

static ds_value *current(planner *p, ds_value *cell) {
    return ds_op_result(plan_emit(p, DS_PLAN_current, &cell, 1, cell->type), 0);
}

static ds_value **cells_of_results(planner *p, const ds_op *op) {
    ds_value **cells = NULL;
    for (size_t i = 0; i < op->result_count; i++)
        arrput(cells, plan_is_cell(p->cx, &op->results[i]) ? emit_cell(p, op->results[i].type->elem) : NULL);
    return cells;
}

/* ---- regions ---- */

static ds_status plan_region(planner *p, ds_op *op, size_t region, ds_block *from) {
    p->b.block = ds_op_block(op, region), p->b.before = NULL;
    return plan_block(p, from);
}

static void close_region(planner *p, ds_builder outer) {
    ds_op_create(&p->b, DS_PLAN_yield, NULL, 0, NULL, 0, 0);
    p->b = outer;
}

ds_status plan_if(planner *p, ds_op *op) {
    ds_value *condition = plan_buffer_of(p, ds_op_operand(op, 0)), **cells = cells_of_results(p, op);
    assignment known = {0};
    plan_open_results(p, op);
    assign_zero(p, &known, op);
    emit_assignment(p, &known);
    ds_op *branch = ds_op_create(&p->b, DS_PLAN_if, &condition, 1, NULL, 0, 2);
    ds_builder outer = p->b;
    ds_status status = DS_OK;
    for (size_t r = 0; status == DS_OK && r < 2; r++) {
        status = plan_region(p, branch, r, ds_op_block(op, r));
        const ds_op *yield = ds_op_block(op, r)->last;
        for (size_t i = 0; status == DS_OK && i < op->result_count; i++) {
            ds_value *v = ds_op_operand(yield, i);
            assign_extents(&known, op, op->results[i].type, 0, v->type);
            if (cells[i]) fill_cell(p, cells[i], v);
            else
                plan_emit_copy(p, plan_buffer_of(p, v), ds_mapping_get(&p->buffers, &op->results[i]),
                               plan_bytes_of(p, v->type));
        }
        emit_assignment(p, &known);
        close_region(p, outer);
    }
    for (size_t i = 0; i < op->result_count; i++)
        if (cells[i]) ds_mapping_set(&p->buffers, &op->results[i], current(p, cells[i]));
    arrfree(cells);
    return status;
}

/* ---- loops ---- */

typedef struct {
    planner *p;
    ds_op *op;
    ds_block *body;
    const ds_op *yield;
    bool conditional;
    size_t carried;              /* results that are carried; the others are stacked */
    ds_value **cells, **others;  /* of results in cells; of carried ones, what a turn fills */
    const char *counter, *turns; /* turns, going: NULL unless conditional */
    const char *going;
    assignment known;
} turns;

static ds_value *next_value(const turns *t, size_t i) { return ds_op_operand(t->yield, t->conditional + i); }
static bool is_unchanged(const turns *t, size_t i) { return lower_root_of(next_value(t, i)) == t->body->args[i]; }

static void read_condition(turns *t, ds_value *v) {
    planner *p = t->p;
    const char *symbol = ds_module_new_symbol(p->m, DS_SYMBOL_value);
    ds_value *buffer = plan_buffer_of(p, v);
    ds_op *read = plan_emit(p, DS_PLAN_read, &buffer, 1, NULL);
    ds_op_set_attr(p->m, read, "symbol", ds_attr_string(p->cx, symbol));
    ds_op_set_attr(p->m, read, "at", ds_attr_int(p->cx, 0));
    ds_op_set_attr(p->m, read, "elem", ds_attr_of_type(p->cx, ds_type_scalar(p->cx, v->type->elem)));
    assign(&t->known, t->going, ds_expr_symbol(p->cx, symbol));
}

/* Before the first turn: carried values are the initial ones, nothing is stacked. */
static void begin_turns(turns *t) {
    planner *p = t->p;
    const ds_expr *zero = ds_expr_const(p->cx, 0);
    plan_open_results(p, t->op);
    assign_zero(p, &t->known, t->op);
    if (t->conditional) {
        assign(&t->known, t->turns, zero);
        read_condition(t, ds_op_operand(t->op, 0));
    }
    for (size_t i = 0; i < t->op->result_count; i++) {
        ds_value *initial = i < t->carried ? ds_op_operand(t->op, t->conditional + i) : NULL, *other = NULL;
        if (initial) assign_extents(&t->known, t->op, t->op->results[i].type, 0, initial->type);
        if (!initial) {
            if (t->cells[i]) emit_grow(p, t->cells[i], zero, zero);
        } else if (t->cells[i]) {
            fill_cell(p, t->cells[i], initial);
            if (!is_unchanged(t, i)) other = emit_cell(p, initial->type->elem);
        } else {
            ds_value *state = ds_mapping_get(&p->buffers, &t->op->results[i]);
            plan_emit_copy(p, plan_buffer_of(p, initial), state, plan_bytes_of(p, initial->type));
            ds_mapping_set(&p->buffers, t->body->args[i], state);
        }
        arrput(t->others, other);
    }
    emit_assignment(p, &t->known);
}

/* Behind what a turn computes: it is stacked, then becomes what the next turn begins with. */
static void end_turn(turns *t) {
    planner *p = t->p;
    const ds_expr *turn = ds_expr_symbol(p->cx, t->counter), *one = ds_expr_const(p->cx, 1);
    if (t->conditional) {
        read_condition(t, ds_op_operand(t->yield, 0));
        assign(&t->known, t->turns, ds_expr_add(p->cx, turn, one));
    }
    for (size_t i = t->carried; i < t->op->result_count; i++) {
        ds_value *v = next_value(t, i), *all = ds_mapping_get(&p->buffers, &t->op->results[i]);
        const ds_expr *bytes = plan_bytes_of(p, v->type), *behind = ds_expr_mul(p->cx, turn, bytes);
        assign_extents(&t->known, t->op, t->op->results[i].type, 1, v->type);
        if (t->cells[i]) all = emit_grow(p, t->cells[i], ds_expr_add(p->cx, behind, bytes), behind);
        ds_op *part = plan_emit(p, DS_PLAN_part, &all, 1, all->type);
        plan_set_expr(p, part, "offset", behind);
        plan_emit_copy(p, plan_buffer_of(p, v), ds_op_result(part, 0), bytes);
    }
    for (size_t i = 0; i < t->carried; i++) {
        ds_value *v = next_value(t, i);
        if (is_unchanged(t, i)) continue;
        assign_extents(&t->known, t->op, t->op->results[i].type, 0, v->type);
        if (t->cells[i]) fill_cell(p, t->others[i], v);
        else
            plan_emit_copy(p, plan_buffer_of(p, v), ds_mapping_get(&p->buffers, &t->op->results[i]),
                           plan_bytes_of(p, v->type));
    }
    emit_assignment(p, &t->known);
    for (size_t i = 0; i < t->carried; i++) {
        ds_value *both[] = {t->cells[i], t->others[i]};
        if (t->others[i]) plan_emit(p, DS_PLAN_swap, both, 2, NULL);
    }
}

ds_status plan_loop(planner *p, ds_op *op) {
    turns t = {.p = p, .op = op, .body = ds_op_block(op, 0), .yield = ds_op_block(op, 0)->last};
    t.conditional = ds_op_attr(op, "conditional") != NULL, t.carried = op->operand_count - t.conditional;
    t.counter = ds_op_text(op, "counter", ""), t.turns = ds_op_text(op, "turns", NULL);
    if (t.conditional) t.going = ds_module_new_symbol(p->m, DS_SYMBOL_value);
    t.cells = cells_of_results(p, op);
    begin_turns(&t);
    ds_op *loop = ds_op_create(&p->b, DS_PLAN_loop, NULL, 0, NULL, 0, 1);
    ds_op_set_attr(p->m, loop, "counter", ds_op_attr(op, "counter"));
    ds_op_set_attr(p->m, loop, "extent", ds_op_attr(op, "extent"));
    if (t.conditional) plan_set_expr(p, loop, "condition", ds_expr_symbol(p->cx, t.going));
    ds_builder outer = p->b;
    p->b.block = ds_op_block(loop, 0), p->b.before = NULL;
    for (size_t i = 0; i < t.carried; i++)
        if (t.cells[i]) ds_mapping_set(&p->buffers, t.body->args[i], current(p, t.cells[i]));
    ds_status status = plan_block(p, t.body);
    if (status == DS_OK) end_turn(&t);
    close_region(p, outer);
    for (size_t i = 0; i < op->result_count; i++)
        if (t.cells[i]) ds_mapping_set(&p->buffers, &op->results[i], current(p, t.cells[i]));
    arrfree(t.cells), arrfree(t.others);
    return status;
}
