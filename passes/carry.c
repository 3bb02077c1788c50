/* carry: caches that are stored in a narrower element type (ir/stored.h) carry what is in them as it is. The rounding
 * in front of such a result sinks to where elements are new, and what read the result before reads what is stored.
 *
 *   before   %p = map(%past) { cast f32 }   %c = concat(%p, %new)   %r = map(%c) { cast bf16 }   … = "graph.matmul"(%q, %c)
 *   after    %n = map(%new) { cast bf16 }   %r = concat(%past, %n)   %w = map(%r) { cast f32 }   … = "graph.matmul"(%q, %w)
 *
 * It sinks through what moves elements: copies, selections between old elements and new ones, views, concats, scatters
 * without a reduction. Where readers move elements, too, they move what is stored, and it is widened behind that: by
 * the product itself (passes/narrow/weights.c), or by the map that reads it (fuse).
 * Needs:  graph ops.   Keeps: values, but that readers see new elements rounded.   Breaks: nothing.   Cost: linear in
 * the ops between caches and results.
 */
#include "ir/alias.h"
#include "ir/dims.h"
#include "passes/carry.h"
#include "passes/contraction.h"
#include "passes/externs.h"
#include "passes/passes.h"

/* A value, and the same in the element type of the cache. */
typedef struct {
    ds_value *v, *stored, *wide; /* wide: what is stored, as the readers of v take it; NULL: nobody needed it yet */
} twin;

typedef struct {
    ds_module *m;
    ds_ir_context *cx;
    ds_elem elem;
    twin *twins;  /* stb_ds array */
    char *answer; /* stb_ds array by value id: of is_carried, 0 where it was not asked */
} carrying;

enum { NOT_ASKED, YES, NO };

/* ---- what is carried ---- */

bool ds_carry_selects(const ds_value *number, const ds_value *argument, int depth) {
    if (number == argument) return true;
    const ds_op *op = number->op;
    return op && op->kind == DS_LOOP_select && depth < DS_CARRY_DEPTH &&
           (ds_carry_selects(ds_op_operand(op, 1), argument, depth + 1) ||
            ds_carry_selects(ds_op_operand(op, 2), argument, depth + 1));
}

static bool yields(const ds_op *map, size_t operand) {
    const ds_block *body = ds_op_block(map, 0);
    return ds_carry_selects(ds_op_operand(body->last, 0), body->args[operand], 0);
}

static bool is_carried(carrying *c, const ds_value *v, int depth);

/* Does the op move elements of its operand to its result, of which some are of the cache? */
static bool moves_stored(carrying *c, const ds_op *op, size_t operand, int depth) {
    bool moves = op->kind == DS_GRAPH_concat || (op->kind == DS_GRAPH_reshape && operand == 0) ||
                 (operand == 0 && ds_extern_moves(op)) || (op->kind == DS_GRAPH_map && yields(op, operand));
    return moves && is_carried(c, ds_op_operand(op, operand), depth);
}

/* Are there elements of the cache in a value that f32 has for them? */
static bool is_carried(carrying *c, const ds_value *v, int depth) {
    const ds_op *op = v->op;
    const ds_value *source = ds_converted_of(v);
    if (!op || op->result_count != 1 || v->type->kind != DS_TYPE_TENSOR || v->type->encoding || depth > DS_CARRY_DEPTH)
        return false;
    while (arrlenu(c->answer) <= v->id) arrput(c->answer, NOT_ASKED);
    if (c->answer[v->id] != NOT_ASKED) return c->answer[v->id] == YES;
    bool found = source && source->type->elem == c->elem;
    for (size_t i = 0; i < op->operand_count && !found && !source; i++) found = moves_stored(c, op, i, depth + 1);
    c->answer[v->id] = found ? YES : NO;
    return found;
}

/* ---- the same in the element type of the cache ---- */

static ds_value *store(carrying *c, ds_value *v);

static const ds_type *stored_type(carrying *c, const ds_value *v) { return ds_type_with_elem(c->cx, v->type, c->elem); }

static ds_value *converting_map(carrying *c, ds_builder *b, ds_value *v, const ds_type *type) {
    ds_op *op = ds_op_create(b, DS_GRAPH_map, &v, 1, &type, 1, 1);
    const ds_attr *same = ds_attr_identity_map(c->cx, type->rank);
    ds_op_set_attr(c->m, op, "maps", ds_attr_array(c->cx, &same, 1));
    ds_builder in = {c->m, ds_op_block(op, 0), NULL, b->loc};
    ds_value *x = ds_block_add_arg(c->m, in.block, ds_type_scalar(c->cx, v->type->elem), NULL);
    const ds_type *scalar = ds_type_scalar(c->cx, type->elem);
    ds_value *y = ds_op_result(ds_op_create(&in, DS_LOOP_cast, &x, 1, &scalar, 1, 0), 0);
    ds_op_create(&in, DS_GRAPH_yield, &y, 1, NULL, 0, 0);
    return ds_op_result(op, 0);
}

/* Elements that are new here, rounded. */
static ds_value *rounded(carrying *c, ds_op *before, ds_value *v) {
    ds_builder b = {c->m, before->block, before, before->loc};
    return converting_map(c, &b, v, stored_type(c, v));
}

static ds_value *stored_or_rounded(carrying *c, ds_op *before, ds_value *v) {
    return is_carried(c, v, 0) ? store(c, v) : rounded(c, before, v);
}

/* The number of a map's region, before its yield: what was widened as it was, selections of it, else rounded. */
static ds_value *stored_number(carrying *c, ds_builder *b, ds_value *y) {
    const ds_type *type = ds_type_scalar(c->cx, c->elem);
    if (y->op && y->op->kind == DS_LOOP_cast && ds_op_operand(y->op, 0)->type == type) return ds_op_operand(y->op, 0);
    if (y->op && y->op->kind == DS_LOOP_select) {
        ds_value *parts[] = {ds_op_operand(y->op, 0), stored_number(c, b, ds_op_operand(y->op, 1)),
                             stored_number(c, b, ds_op_operand(y->op, 2))};
        return ds_op_result(ds_op_create(b, DS_LOOP_select, parts, 3, &type, 1, 0), 0);
    }
    return ds_op_result(ds_op_create(b, DS_LOOP_cast, &y, 1, &type, 1, 0), 0);
}

/* The argument takes what is stored, which the region widens. */
static void widen_argument(carrying *c, ds_op *map, size_t i) {
    ds_block *body = ds_op_block(map, 0);
    ds_value *old = body->args[i], *taken = ds_block_add_arg(c->m, body, ds_type_scalar(c->cx, c->elem), NULL);
    ds_builder b = {c->m, body, body->first, map->loc};
    ds_op *cast = ds_op_create(&b, DS_LOOP_cast, &taken, 1, &old->type, 1, 0);
    ds_value_replace_uses(old, ds_op_result(cast, 0));
    body->args[i] = taken;
    taken->index = (uint32_t)i;
    body->arg_count--;
}

static void store_in_map(carrying *c, ds_op *map, const ds_op *from) {
    ds_block *body = ds_op_block(map, 0);
    for (size_t i = 0; i < map->operand_count; i++) {
        if (!moves_stored(c, from, i, 0)) continue;
        ds_op_set_operand(map, i, store(c, ds_op_operand(from, i)));
        widen_argument(c, map, i);
    }
    ds_builder b = {c->m, body, body->last, map->loc};
    ds_op_set_operand(body->last, 0, stored_number(c, &b, ds_op_operand(body->last, 0)));
    ds_erase_unread(body);
}

/* The op over what is stored, beside it. */
static ds_value *stored_op(carrying *c, ds_op *op) {
    ds_mapping none = {0};
    ds_builder b = {c->m, op->block, op, op->loc};
    const ds_extern *row = ds_extern_of(op);
    ds_op *made = ds_op_clone(&b, op, &none);
    ds_mapping_free(&none);
    made->results[0].type = stored_type(c, &op->results[0]);
    if (op->kind == DS_GRAPH_map) store_in_map(c, made, op);
    else if (row) {
        ds_op_set_operand(made, 0, store(c, ds_op_operand(op, 0)));
        ds_op_set_operand(made, (size_t)row->fresh, stored_or_rounded(c, made, ds_op_operand(op, (size_t)row->fresh)));
        ds_extern_retype(c->m, made, op->results[0].type->elem, c->elem);
    } else
        for (size_t i = 0; i < op->operand_count; i++)
            ds_op_set_operand(made, i, stored_or_rounded(c, made, ds_op_operand(op, i)));
    return ds_op_result(made, 0);
}

static ds_value *stored_of(const carrying *c, const ds_value *v) {
    for (size_t i = 0; i < arrlenu(c->twins); i++)
        if (c->twins[i].v == v) return c->twins[i].stored;
    return NULL;
}

/* Of a value that is carried. */
static ds_value *store(carrying *c, ds_value *v) {
    ds_value *known = stored_of(c, v), *source = ds_converted_of(v);
    if (known) return known;
    if (source) return source;
    twin made = {v, stored_op(c, v->op), NULL};
    arrput(c->twins, made);
    return made.stored;
}

/* ---- readers ---- */

static ds_value *widened(carrying *c, size_t i) {
    ds_value *stored = c->twins[i].stored;
    if (c->twins[i].wide) return c->twins[i].wide;
    ds_builder b = {c->m, stored->op->block, stored->op->next, stored->op->loc};
    ds_value *wide = converting_map(c, &b, stored, c->twins[i].v->type);
    c->twins[i].wide = wide;
    return wide;
}

/* A copy or view of the value becomes one of what is stored. */
static bool sinks_through(const ds_op *user) {
    return user->result_count == 1 && !user->results[0].type->encoding &&
           (ds_is_copy_map(user) || user->kind == DS_GRAPH_reshape);
}

static void take_element(carrying *c, ds_op *extract, ds_value *stored) {
    const ds_type *type = ds_type_scalar(c->cx, c->elem);
    ds_builder b = {c->m, extract->block, extract->next, extract->loc};
    ds_value *number = ds_op_result(extract, 0);
    const ds_type *wide = number->type;
    ds_op *cast = ds_op_create(&b, DS_LOOP_cast, &number, 1, &wide, 1, 0);
    ds_value_replace_uses(number, ds_op_result(cast, 0));
    ds_op_set_operand(cast, 0, number);
    number->type = type;
    ds_op_set_operand(extract, 0, stored);
}

static void redirect(carrying *c, size_t i, ds_op *user, size_t operand) {
    ds_value *v = c->twins[i].v, *stored = c->twins[i].stored;
    ds_value *result = user->result_count == 1 ? ds_op_result(user, 0) : NULL;
    if (result && stored_of(c, result)) return; /* unused by now */
    if (result && ds_converted_of(result) == v && result->type == stored->type) ds_value_replace_uses(result, stored);
    else if (user->kind == DS_GRAPH_extract && operand == 0) take_element(c, user, stored);
    else if (sinks_through(user) && user->block == v->op->block) {
        ds_mapping to = {0};
        ds_builder b = {c->m, user->block, user, user->loc};
        ds_mapping_set(&to, v, stored);
        ds_op *made = ds_op_clone(&b, user, &to);
        ds_mapping_free(&to);
        made->results[0].type = stored_type(c, result);
        if (made->kind == DS_GRAPH_map) ds_op_block(made, 0)->args[0]->type = ds_type_scalar(c->cx, c->elem);
        twin next = {result, ds_op_result(made, 0), NULL};
        arrput(c->twins, next);
    } else ds_op_set_operand(user, operand, widened(c, i));
}

/* Those of a value that is made from now on see what is stored. */
static void redirect_readers(carrying *c, size_t i) {
    ds_use **uses = NULL;
    for (ds_use *use = c->twins[i].v->uses; use; use = use->next) arrput(uses, use);
    for (size_t k = 0; k < arrlenu(uses); k++)
        redirect(c, i, uses[k]->owner, (size_t)(uses[k] - uses[k]->owner->operands));
    arrfree(uses);
}

static bool is_pure(const ds_op *op) {
    return ds_op_facts(op->kind)->traits & DS_PURE && !(ds_op_facts(op->kind)->traits & DS_EFFECT);
}

static void erase_unused(ds_block *block) {
    for (ds_op *op = block->last->prev, *before; op; op = before) {
        before = op->prev;
        bool unused = is_pure(op) && op->result_count;
        for (size_t i = 0; i < op->result_count; i++) unused = unused && ds_value_unused(&op->results[i]);
        if (unused) ds_op_erase(op);
    }
}

/* What is in the cache goes through arithmetic, or through branches, where nothing sinks. */
static void warn(ds_module *m, const ds_op *func, size_t i, ds_elem elem) {
    ds_report(m->cx->diag, DS_WARNING, DS_E_form, NULL,
              "result '%s' is rounded to %s as a whole in every call: it is not made of a cache of that type by moving "
              "what is in it (Concat, scatters, Where, views)",
              ds_result_name(m, func, i), ds_elem_facts(elem)->text);
}

static void carry_result(ds_module *m, const ds_op *func, size_t i, ds_elem elem) {
    if (ds_stored_has_scales(elem)) {
        if (!ds_carry_rows(m, func, i)) warn(m, func, i, elem);
        return;
    }
    ds_block *body = ds_op_block(func, 0);
    carrying c = {.m = m, .cx = m->cx, .elem = elem};
    ds_value *v = ds_converted_of(ds_op_operand(body->last, i));
    if (v && v->type->elem != elem && is_carried(&c, v, 0)) {
        ds_op_set_operand(body->last, i, store(&c, v));
        for (size_t k = 0; k < arrlenu(c.twins); k++) redirect_readers(&c, k);
    } else if (v) warn(m, func, i, elem);
    arrfree(c.twins), arrfree(c.answer);
}

ds_status ds_pass_carry(ds_module *module, const ds_pass_options *options) {
    (void)options;
    for (ds_op *func = module->body.block->first; func; func = func->next) {
        ds_block *body = ds_op_block(func, 0);
        bool any = false;
        for (size_t i = 0; body->last && body->last->kind == DS_RETURN && i < body->last->operand_count; i++) {
            ds_elem elem = ds_stored_of(func, i);
            if (elem == DS_NO_ELEM) continue;
            carry_result(module, func, i, elem);
            any = true;
        }
        if (any) erase_unused(body);
    }
    return DS_OK;
}
