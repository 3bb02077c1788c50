/* collect: whole numbers that a region adds are brought together where constants make them, and made once, before it.
 *
 *   before   %y = map(%x, %a, %b) { (%x - 128 * %a[d1]) + %b[d1] }                  (%a, %b constants)
 *   after    %c = map(%a, %b) { %b - 128 * %a }   %y = map(%x, %c) { %x + %c[d1] }
 *
 * Sums of whole numbers wrap, so any order gives the same. What is made of constants becomes a recipe (hoist).
 * Needs:  graph ops, regions that are merged.   Keeps: values.   Breaks: nothing.   Cost: linear.
 */
#include <string.h>

#include "passes/constant.h"
#include "passes/contraction.h"
#include "passes/passes.h"

enum { MOST_TERMS = 8, MOST_OPERANDS = 16, MOST_ELEMENTS = 1 << 16 };

typedef struct {
    ds_module *m;
    ds_op *map;
    const ds_attr *access; /* how the constants in question are read, */
    const ds_type *type;   /* and how long they are */
    bool *made;            /* stb_ds array by value id: of such constants and of numbers alone */
    uint8_t *known;        /* of ds_depends_on_constants */
} collector;

typedef struct {
    ds_value *v;
    bool minus;
} term;

/* ---- what constants make ---- */

static bool is_small(const ds_type *type) {
    uint64_t count;
    return ds_type_static_count(type, &count) && count <= MOST_ELEMENTS;
}

static bool is_candidate(collector *c, const ds_value *operand) {
    return ds_elem_is_integer(operand->type->elem) && operand->type->rank > 0 && is_small(operand->type) &&
           ds_depends_on_constants(&c->known, operand);
}

static bool is_made(const collector *c, const ds_value *v) { return v->id < arrlenu(c->made) && c->made[v->id]; }

static void note(collector *c, const ds_value *v) {
    while (arrlenu(c->made) <= v->id) arrput(c->made, false);
    c->made[v->id] = true;
}

static bool is_whole(const ds_value *v) {
    return v->type->kind == DS_TYPE_SCALAR && ds_elem_is_integer(v->type->elem) && v->type->elem != DS_index;
}

static bool is_sum(const ds_op *op) { return op->kind == DS_LOOP_add || op->kind == DS_LOOP_sub; }

static bool is_made_by(const collector *c, const ds_op *op) {
    if (op->result_count != 1 || !is_whole(&op->results[0])) return false;
    if (op->kind == DS_LOOP_constant) return true;
    if (!is_sum(op) && op->kind != DS_LOOP_mul && op->kind != DS_LOOP_cast) return false;
    for (size_t i = 0; i < op->operand_count; i++)
        if (!is_made(c, ds_op_operand(op, i))) return false;
    return true;
}

/* What the constants that are read like operand `first` make. */
static void find_made(collector *c, size_t first) {
    ds_block *body = ds_op_block(c->map, 0);
    arrfree(c->made);
    c->access = ds_op_map(c->map, first);
    c->type = ds_op_operand(c->map, first)->type;
    for (size_t i = 0; i < c->map->operand_count; i++) {
        const ds_value *v = ds_op_operand(c->map, i);
        bool alike = ds_op_map(c->map, i) == c->access && is_candidate(c, v) &&
                     ds_type_with_elem(c->m->cx, v->type, c->type->elem) == c->type;
        if (alike) note(c, body->args[i]);
    }
    for (const ds_op *op = body->first; op; op = op->next)
        if (is_made_by(c, op)) note(c, &op->results[0]);
}

/* ---- sums ---- */

static bool continues(const collector *c, const ds_value *v, const ds_type *type) {
    return v->op && is_sum(v->op) && v->type == type && ds_value_has_one_use(v) && !is_made(c, v);
}

static size_t terms_of(const collector *c, ds_value *v, bool minus, term *out, size_t count) {
    if (count == MOST_TERMS) return count + 1; /* too many */
    if (!continues(c, v, v->type)) {
        out[count] = (term){v, minus};
        return count + 1;
    }
    count = terms_of(c, ds_op_operand(v->op, 0), minus, out, count);
    if (count > MOST_TERMS) return count;
    return terms_of(c, ds_op_operand(v->op, 1), minus != (v->op->kind == DS_LOOP_sub), out, count);
}

static ds_value *binary(ds_builder *b, ds_op_kind kind, ds_value *x, ds_value *y) {
    ds_value *operands[] = {x, y};
    return ds_op_result(ds_op_create(b, kind, operands, 2, &x->type, 1, 0), 0);
}

/* The sum of those terms that constants make, or of the others, after `sum`; one that is added comes first, if there is
 * one. */
static ds_value *add_terms(const collector *c, ds_builder *b, const term *terms, size_t count, bool made,
                           ds_value *sum) {
    for (int minus = 0; minus < 2; minus++)
        for (size_t i = 0; i < count; i++) {
            if (terms[i].minus != minus || is_made(c, terms[i].v) != made) continue;
            if (!sum && minus) {
                sum = ds_op_result(ds_op_create(b, DS_LOOP_constant, NULL, 0, &terms[i].v->type, 1, 0), 0);
                ds_op_set_attr(c->m, sum->op, "value", ds_attr_int(c->m->cx, 0));
            }
            sum = sum ? binary(b, minus ? DS_LOOP_sub : DS_LOOP_add, sum, terms[i].v) : terms[i].v;
        }
    return sum;
}

/* A sum with several terms that constants make, and others: their sum is one term. */
static bool gather_terms(collector *c, ds_op *op) {
    term terms[MOST_TERMS + 1];
    if (!is_sum(op) || !is_whole(&op->results[0]) || is_made(c, &op->results[0])) return false;
    ds_value *v = &op->results[0];
    const ds_op *user = v->uses ? v->uses->owner : NULL;
    if (user && is_sum(user) && ds_value_has_one_use(v) && user->results[0].type == v->type) return false;
    size_t count = terms_of(c, ds_op_operand(op, 0), false, terms, 0), made = 0;
    if (count <= MOST_TERMS) count = terms_of(c, ds_op_operand(op, 1), op->kind == DS_LOOP_sub, terms, count);
    if (count > MOST_TERMS) return false;
    bool adds = false; /* any of the others */
    for (size_t i = 0; i < count; i++) {
        bool constant = is_made(c, terms[i].v);
        made += constant;
        adds = adds || (!constant && !terms[i].minus);
    }
    if (made < 2 || made == count) return false;
    ds_builder b = {c->m, op->block, op, op->loc};
    ds_value *constant = add_terms(c, &b, terms, count, true, NULL);
    ds_value *others = add_terms(c, &b, terms, count, false, adds ? NULL : constant);
    ds_value_replace_uses(v, adds ? binary(&b, DS_LOOP_add, others, constant) : others);
    return true;
}

/* ---- made before the map ---- */

/* What else than constants reads it, where it is more than an argument in another type. */
static bool is_worth_it(const collector *c, const ds_op *op) {
    bool made = op->result_count == 1 && is_made(c, &op->results[0]);
    if (!made || op->kind == DS_LOOP_constant || op->kind == DS_LOOP_cast) return false;
    for (const ds_use *use = op->results[0].uses; use; use = use->next)
        if (use->owner->result_count != 1 || !is_made(c, &use->owner->results[0])) return true;
    return false;
}

typedef struct {
    ds_value *args[MOST_OPERANDS];
    size_t count;
    bool too_many;
} reads;

static void note_operands(bool **needed, const ds_op *op) {
    for (size_t i = 0; i < op->operand_count; i++) {
        uint32_t id = ds_op_operand(op, i)->id;
        while (arrlenu(*needed) <= id) arrput(*needed, false);
        (*needed)[id] = true;
    }
}

/* The region's arguments that an op of it depends on. */
static void find_reads(const ds_op *op, reads *r) {
    const ds_block *body = op->block;
    bool *needed = NULL;
    note_operands(&needed, op);
    for (const ds_op *before = op->prev; before; before = before->prev)
        for (size_t i = 0; i < before->result_count; i++)
            if (before->results[i].id < arrlenu(needed) && needed[before->results[i].id])
                note_operands(&needed, before);
    for (size_t i = 0; i < body->arg_count; i++) {
        if (body->args[i]->id >= arrlenu(needed) || !needed[body->args[i]->id]) continue;
        r->too_many = r->count == MOST_OPERANDS;
        if (r->too_many) break;
        r->args[r->count++] = body->args[i];
    }
    arrfree(needed);
}

static ds_value *copy_of(ds_builder *b, const ds_value *v, ds_mapping *copied) {
    ds_value *known = ds_mapping_get(copied, (ds_value *)(uintptr_t)v);
    if (known != v) return known;
    for (size_t i = 0; i < v->op->operand_count; i++) copy_of(b, ds_op_operand(v->op, i), copied);
    ds_value *same = ds_op_result(ds_op_clone(b, v->op, copied), 0);
    ds_mapping_set(copied, v, same);
    return same;
}

/* A map of the constants that gives the number for each of their elements. */
static ds_value *made_before(collector *c, const ds_value *v, const reads *r) {
    ds_ir_context *cx = c->m->cx;
    ds_builder b = {c->m, c->map->block, c->map, c->map->loc};
    ds_value *operands[MOST_OPERANDS];
    const ds_attr *maps[MOST_OPERANDS];
    ds_mapping copied = {0};
    for (size_t i = 0; i < r->count; i++) {
        operands[i] = ds_op_operand(c->map, r->args[i]->index);
        maps[i] = ds_attr_identity_map(cx, operands[i]->type->rank);
    }
    const ds_type *type = ds_type_with_elem(cx, operands[0]->type, v->type->elem);
    ds_op *map = ds_op_create(&b, DS_GRAPH_map, operands, r->count, &type, 1, 1);
    ds_op_set_attr(c->m, map, "maps", ds_attr_array(cx, maps, r->count));
    ds_builder in = {c->m, ds_op_block(map, 0), NULL, c->map->loc};
    for (size_t i = 0; i < r->count; i++)
        ds_mapping_set(&copied, r->args[i], ds_block_add_arg(c->m, in.block, r->args[i]->type, NULL));
    ds_value *result = copy_of(&in, v, &copied);
    ds_op_create(&in, DS_GRAPH_yield, &result, 1, NULL, 0, 0);
    ds_mapping_free(&copied);
    return ds_op_result(map, 0);
}

/* The map's operands: those that its region reads, and maybe one more. */
static void set_operands(collector *c, ds_value *added) {
    ds_block *body = ds_op_block(c->map, 0);
    ds_value *operands[MOST_OPERANDS + 1];
    const ds_attr *maps[MOST_OPERANDS + 1];
    size_t count = 0, args = body->arg_count;
    for (size_t i = 0; i < args; i++) {
        bool is_added = i == c->map->operand_count;
        if (!is_added && ds_value_unused(body->args[i])) continue;
        operands[count] = is_added ? added : ds_op_operand(c->map, i);
        maps[count] = is_added ? c->access : ds_op_map(c->map, i);
        body->args[count] = body->args[i];
        body->args[count]->index = (uint32_t)count;
        count++;
    }
    body->arg_count = count;
    ds_op_set_operands(c->m, c->map, operands, count);
    ds_op_set_attr(c->m, c->map, "maps", ds_attr_array(c->m->cx, maps, count));
}

static bool take_out(collector *c) {
    ds_block *body = ds_op_block(c->map, 0);
    for (ds_op *op = body->first; op; op = op->next) {
        reads r = {.count = 0};
        if (!is_worth_it(c, op)) continue;
        find_reads(op, &r);
        if (r.too_many || r.count == 0) continue;
        ds_value *before = made_before(c, &op->results[0], &r);
        ds_value *arg = ds_block_add_arg(c->m, body, op->results[0].type, NULL);
        ds_value_replace_uses(&op->results[0], arg);
        ds_erase_unread(body);
        set_operands(c, before);
        return true;
    }
    return false;
}

/* ---- the pass ---- */

static bool collect_from(collector *c, size_t first) {
    bool changed = false;
    find_made(c, first);
    for (ds_op *op = ds_op_block(c->map, 0)->first; op; op = op->next)
        if (gather_terms(c, op)) changed = true;
    if (changed) {
        ds_erase_unread(ds_op_block(c->map, 0));
        find_made(c, first);
    }
    return take_out(c);
}

static void collect_map(collector *c) {
    for (size_t i = 0; i < c->map->operand_count && c->map->operand_count < MOST_OPERANDS; i++)
        if (is_candidate(c, ds_op_operand(c->map, i)) && collect_from(c, i))
            i = SIZE_MAX; /* again: operands have moved */
}

static void collect_block(collector *c, ds_block *block) {
    for (ds_op *op = block->first; op; op = op->next) {
        c->map = op;
        bool plain =
            op->kind == DS_GRAPH_map && !ds_op_attr(op, "pads") && !ds_depends_on_constants(&c->known, &op->results[0]);
        if (plain) collect_map(c);
        else if (op->kind == DS_GRAPH_loop || op->kind == DS_GRAPH_if)
            for (size_t r = 0; r < op->region_count; r++) collect_block(c, ds_op_block(op, r));
    }
}

ds_status ds_pass_collect(ds_module *module, const ds_pass_options *options) {
    ds_op *func = ds_module_find(module, "main");
    collector c = {.m = module};
    (void)options;
    if (func) collect_block(&c, ds_op_block(func, 0));
    arrfree(c.made);
    arrfree(c.known);
    return DS_OK;
}
