/* Panels of words. Element by element they are slow: 2 or 4 neighbours, and then a jump.
 *
 *   along k   %w = "graph.reshape"(%v) {words}             a word for each group of k
 *             %p = "graph.encode"(%w)                      words in panels
 *   along n   %u = "graph.reshape"(%v) {words}             whole numbers
 *             %p = map(%u, …) { %0 | %1 << 16 }            words in panels, of rows that k numbers
 *   both      %r = "graph.reshape"(%p) {words}             the panels as what they are
 */
#include "passes/pack.h"

#include "passes/narrow/narrow.h"

enum { MAX_RANK = 16, WORD = 32 };

typedef struct {
    ds_module *m;
    ds_ir_context *cx;
    ds_op *before;
    size_t k, n;
    ds_panel panel;
    const ds_attr *encoding; /* of the words */
} packing;

/* Dims in any order, nothing between them. */
static bool is_permuted(const ds_type *t) {
    const ds_attr *map = ds_attr_find(t->encoding, "map");
    if (!t->encoding) return true;
    if (!map || map->count != t->rank || ds_attr_find(t->encoding, "border") || ds_layout_within(t, DS_WITHIN_ID) >= 0)
        return false;
    for (size_t i = 0; i < map->count; i++)
        if (map->exprs[i]->kind != DS_EXPR_DIM) return false;
    return true;
}

/* Are neighbours along `dim` neighbours in memory, at these places of a tensor? */
static bool is_along(ds_ir_context *cx, const ds_type *t, const ds_expr *const *at, size_t dim) {
    const ds_expr *offset = ds_layout_offset(cx, t, at), *coefficient, *rest;
    return offset && ds_expr_linear(cx, offset, dim, &coefficient, &rest) && ds_expr_equals(coefficient, 1);
}

static bool lies_along(ds_ir_context *cx, const ds_type *t, size_t dim) {
    return is_along(cx, t, ds_attr_identity_map(cx, t->rank)->exprs, dim);
}

/* Does a map read an operand along k, which its result could have as its last dim in memory? */
static bool may_turn(const packing *p, const ds_value *v) {
    const ds_op *map = v->op;
    if (!map || map->kind != DS_GRAPH_map || map->block != p->before->block || map->result_count != 1) return false;
    if (v->type->encoding || !ds_value_has_one_use(v)) return false;
    for (size_t i = 0; i < map->operand_count; i++)
        if (is_along(p->cx, ds_op_operand(map, i)->type, ds_op_map(map, i)->exprs, p->k)) return true;
    return false;
}

static void make_along_k(const packing *p, ds_value *v) {
    const ds_expr *order[MAX_RANK];
    size_t count = 0;
    for (size_t i = 0; i < v->type->rank; i++)
        if (i != p->k) order[count++] = ds_expr_dim(p->cx, i);
    order[count++] = ds_expr_dim(p->cx, p->k);
    v->type = ds_type_with_encoding(p->cx, v->type, ds_layout_encoding(p->cx, v->type->rank, order, count));
}

static ds_value *as_words(const packing *p, ds_value *v, const ds_type *type) {
    ds_builder b = {p->m, p->before->block, p->before, p->before->loc};
    ds_op *op = ds_op_create(&b, DS_GRAPH_reshape, &v, 1, &type, 1, 0);
    ds_op_set_attr(p->m, op, "words", ds_attr_unit(p->cx));
    return ds_op_result(op, 0);
}

/* The tensor's dims with as many groups as it has along k. */
static const ds_type *type_of_words(const packing *p, const ds_type *t, const ds_attr *encoding) {
    const ds_expr *dims[MAX_RANK];
    for (size_t i = 0; i < t->rank; i++)
        dims[i] = i == p->k ? ds_expr_floordiv(p->cx, t->dims[i], ds_expr_const(p->cx, p->panel.group)) : t->dims[i];
    return ds_type_tensor(p->cx, ds_elem_of_bits(WORD, true), t->rank, dims, encoding);
}

/* Panels of elements as panels of words: their last place is within a word. */
static const ds_attr *encoding_of_words(const packing *p, size_t rank, const ds_attr *encoding) {
    const ds_attr *map = ds_attr_find(encoding, "map");
    const ds_expr *group = ds_expr_const(p->cx, p->panel.group), *k = ds_expr_dim(p->cx, p->k), *results[MAX_RANK + 3];
    if (!map || !map->count || map->count > MAX_RANK + 3 || map->exprs[map->count - 1] != ds_expr_mod(p->cx, k, group))
        return NULL;
    for (size_t i = 0; i + 1 < map->count; i++)
        results[i] = map->exprs[i] == ds_expr_floordiv(p->cx, k, group) ? k : map->exprs[i];
    return ds_layout_encoding(p->cx, rank, results, map->count - 1);
}

static ds_value *words_along_k(const packing *p, ds_value *v) {
    const ds_type *type = type_of_words(p, v->type, v->type->encoding);
    ds_builder b = {p->m, p->before->block, p->before, p->before->loc};
    ds_value *words = as_words(p, v, type);
    const ds_type *packed = ds_type_with_encoding(p->cx, type, p->encoding);
    return ds_op_result(ds_op_create(&b, DS_GRAPH_encode, &words, 1, &packed, 1, 0), 0);
}

/* Where the places of a tensor lie in panels, as dims: at[i] is dim i's place in terms of the panels' dims. Returns how many
 * dims these have; 0 where the last panel has columns that the tensor has not. */
static size_t places_in_panels(const packing *p, const ds_type *t, const ds_expr **at, const ds_expr **extents) {
    const ds_attr *map = ds_attr_find(p->encoding, "map");
    const ds_expr *n = ds_expr_dim(p->cx, p->n), *columns = ds_expr_const(p->cx, p->panel.columns), *of_n[2] = {NULL};
    if (!ds_expr_equals(ds_expr_mod(p->cx, t->dims[p->n], columns), 0)) return 0;
    for (size_t i = 0; i < map->count; i++) {
        const ds_expr *e = map->exprs[i];
        bool panel = e == ds_expr_floordiv(p->cx, n, columns), column = e == ds_expr_mod(p->cx, n, columns);
        if (!panel && !column && e->kind != DS_EXPR_DIM) return 0;
        extents[i] = column ? columns : panel ? ds_expr_floordiv(p->cx, t->dims[p->n], columns) : t->dims[e->value];
        if (panel || column) of_n[column] = ds_expr_dim(p->cx, i);
        else at[e->value] = ds_expr_dim(p->cx, i);
    }
    if (!of_n[0] || !of_n[1]) return 0;
    at[p->n] = ds_expr_add(p->cx, ds_expr_scale(p->cx, of_n[0], p->panel.columns), of_n[1]);
    return map->count;
}

/* Words of whole numbers, each of `group` rows of k: panels, or, where columns are left over, rows, and then panels. */
static ds_value *words_along_n(const packing *p, ds_value *v) {
    narrowing n = {.m = p->m, .cx = p->cx};
    unsigned bits = ds_elem_facts(v->type->elem)->bits;
    const ds_type *rows = type_of_words(p, v->type, NULL), *type = rows, *packed;
    const ds_expr *at[MAX_RANK], *extents[MAX_RANK + 3];
    size_t rank = places_in_panels(p, rows, at, extents);
    if (rank) type = ds_type_tensor(p->cx, rows->elem, rank, extents, NULL);
    for (size_t i = 0; !rank && i < rows->rank; i++) at[i] = ds_expr_dim(p->cx, i);
    ds_value *numbers = as_words(p, v, ds_type_with_elem(p->cx, v->type, ds_elem_of_bits(bits, false)));
    const ds_expr *first = ds_expr_scale(p->cx, at[p->k], p->panel.group);
    part parts[WORD / 8];
    for (size_t j = 0; j < p->panel.group; j++) {
        at[p->k] = ds_expr_add(p->cx, first, ds_expr_const(p->cx, (int64_t)j));
        parts[j] = (part){numbers, ds_attr_map(p->cx, type->rank, at, rows->rank)};
    }
    region r = nw_open_map(&n, p->before, type, parts, p->panel.group);
    ds_value *word = nw_cast(&r, r.args[0], type->elem);
    for (size_t j = 1; j < p->panel.group; j++) {
        ds_value *next = nw_cast(&r, r.args[j], type->elem), *by = nw_number(&r, type->elem, (int64_t)(j * bits));
        word = nw_binary(&r, DS_LOOP_or, word, nw_binary(&r, DS_LOOP_shl, next, by));
    }
    nw_yield(&r, word);
    ds_value *made = ds_op_result(r.op, 0);
    if (rank) return made;
    ds_builder b = {p->m, p->before->block, p->before, p->before->loc};
    packed = ds_type_with_encoding(p->cx, type, p->encoding);
    return ds_op_result(ds_op_create(&b, DS_GRAPH_encode, &made, 1, &packed, 1, 0), 0);
}

ds_value *ds_pack_words(ds_module *m, ds_op *before, ds_value *v, size_t k, size_t n, ds_panel panel,
                        const ds_attr *encoding) {
    packing p = {m, m->cx, before, k, n, panel, NULL};
    const ds_type *t = v->type;
    bool words = panel.group > 1 && panel.parts == 1 && panel.group * ds_elem_facts(t->elem)->bits == WORD;
    const ds_expr *rest = ds_expr_mod(p.cx, t->dims[k], ds_expr_const(p.cx, panel.group));
    if (!words || t->rank > MAX_RANK || !is_permuted(t) || !ds_expr_equals(rest, 0)) return NULL;
    p.encoding = encoding_of_words(&p, t->rank, encoding);
    if (!p.encoding) return NULL;
    if (may_turn(&p, v)) make_along_k(&p, v);
    bool along_k = lies_along(p.cx, v->type, k);
    if (!along_k && !lies_along(p.cx, v->type, n)) return NULL;
    return as_words(&p, along_k ? words_along_k(&p, v) : words_along_n(&p, v),
                    ds_type_with_encoding(p.cx, t, encoding));
}
