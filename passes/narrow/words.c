/* Inputs that are words for products, and bytes for others. */
#include "passes/narrow/narrow.h"

static bool stands_before(const ds_op *op, const ds_op *other) {
    while (op && op != other) op = op->next;
    return op != NULL;
}

/* May all who read the bytes read the words? Then what makes them stores these alone. */
static bool serves_all(const known_words *w, int64_t *out_zero) {
    const ds_attr *zero = w->zero ? ds_value_constant(w->zero) : NULL;
    *out_zero = zero ? nw_byte_at(w->zero, zero, 0) : w->offset;
    if (!w->x->op || w->x->op->kind != DS_GRAPH_map || w->v->op->block != w->x->op->block) return false;
    if (ds_op_operand(w->v->op, 0) != w->x)
        return false; /* these are made of other words by now, which are not made of these */
    if (w->zero && (!zero || zero->count != 1 || !stands_before(w->zero->op, w->x->op))) return false;
    for (const ds_use *use = w->x->uses; use; use = use->next)
        if (use->owner->kind != DS_GRAPH_map || use->owner->block != w->x->op->block) return false;
    return true;
}

/* The argument of a map becomes one of words, which its region turns back to bytes. */
static void read_words(narrowing *n, ds_op *map, size_t i, const known_words *w, int64_t zero) {
    ds_block *body = ds_op_block(map, 0);
    region r = {.n = n, .op = map, .in = {n->m, body, body->first, map->loc}};
    ds_value *old = body->args[i], *words = nw_argument(&r, w->v->type->elem);
    ds_value *v = nw_cast(&r, words, w->sum);
    if (zero) v = nw_binary(&r, DS_LOOP_add, v, nw_number(&r, w->sum, zero));
    ds_value_replace_uses(old, nw_cast(&r, v, old->type->elem));
    body->args[i] = words;
    words->index = (uint32_t)i;
    body->arg_count--;
    ds_op_set_operand(map, i, w->v);
}

void nw_store_words(narrowing *n, const known_words *w) {
    int64_t zero;
    if (!serves_all(w, &zero)) return;
    if (w->x->op->next != w->v->op) ds_op_move(w->v->op, w->x->op->block, w->x->op->next);
    for (const ds_use *use = w->x->uses, *next; use; use = next) {
        next = use->next;
        if (use->owner != w->v->op) read_words(n, use->owner, (size_t)(use - use->owner->operands), w, zero);
    }
}
