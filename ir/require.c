#include "require.h"

#include <string.h>

static const char *const names[] = {
#define ROW(name, ...) #name,
    DS_RELATIONS(ROW)
#undef ROW
};

static const char *const texts[] = {
#define ROW(name, text, ...) text,
    DS_RELATIONS(ROW)
#undef ROW
};

bool ds_relation_holds(ds_relation is, int64_t a, int64_t b) {
    switch (is) {
#define ROW(name, text, holds)                                                                                         \
    case DS_##name: return holds;
        DS_RELATIONS(ROW)
#undef ROW
    default: return false;
    }
}

bool ds_requirement_is_proven(ds_ir_context *cx, const ds_requirement *r) {
    int64_t a, b;
    if (ds_expr_is_const(r->left, &a) && ds_expr_is_const(r->right, &b)) return ds_relation_holds(r->is, a, b);
    if (r->left == r->right) return true;
    if (r->is == DS_at_most) return ds_expr_nonneg(ds_expr_sub(cx, r->right, r->left));
    if (r->is == DS_stretch) return ds_expr_equals(r->left, 1);
    return r->is == DS_broadcast && (ds_expr_equals(r->left, 1) || ds_expr_equals(r->right, 1));
}

bool ds_requirement_is_refuted(ds_ir_context *cx, const ds_requirement *r) {
    int64_t a, b, difference;
    if (ds_expr_is_const(r->left, &a) && ds_expr_is_const(r->right, &b)) return !ds_relation_holds(r->is, a, b);
    if (!ds_expr_is_const(ds_expr_sub(cx, r->right, r->left), &difference)) return false;
    return r->is == DS_equal ? difference != 0 : r->is == DS_at_most && difference < 0;
}

ds_op *ds_requirement_op(ds_builder *b, ds_op_kind kind, const ds_requirement *r) {
    ds_ir_context *cx = b->module->cx;
    ds_op *op = ds_op_create(b, kind, NULL, 0, NULL, 0, 0);
    ds_op_set_attr(b->module, op, "is", ds_attr_string(cx, names[r->is]));
    ds_op_set_attr(b->module, op, "left", ds_attr_expr(cx, r->left));
    ds_op_set_attr(b->module, op, "right", ds_attr_expr(cx, r->right));
    ds_op_set_attr(b->module, op, "node", ds_attr_string(cx, r->node));
    ds_op_set_attr(b->module, op, "what", ds_attr_string(cx, r->what));
    return op;
}

bool ds_requirement_of(const ds_op *op, ds_requirement *out) {
    const char *is = ds_op_text(op, "is", "");
    out->is = 0;
    while (out->is < DS_RELATION_COUNT && strcmp(names[out->is], is) != 0) out->is++;
    out->left = ds_attr_to_expr(ds_op_attr(op, "left"));
    out->right = ds_attr_to_expr(ds_op_attr(op, "right"));
    out->node = ds_op_text(op, "node", "");
    out->what = ds_op_text(op, "what", "");
    return out->is < DS_RELATION_COUNT && out->left && out->right;
}

static void note(void *user, ds_op *op) {
    ds_requirement r, **found = user;
    if (op->kind != DS_GRAPH_require && op->kind != DS_PLAN_require) return;
    if (ds_requirement_of(op, &r)) arrput(*found, r);
}

ds_requirement *ds_requirements_in(ds_block *block) {
    ds_requirement *found = NULL;
    ds_walk(block, note, &found);
    return found;
}

/* Attributes are interned, so no text is read. */
bool ds_requirement_stands(ds_ir_context *cx, const ds_block *block, const ds_requirement *r) {
    const ds_attr *left = ds_attr_expr(cx, r->left), *right = ds_attr_expr(cx, r->right);
    for (const ds_op *op = block->first; op && op->kind == DS_GRAPH_require; op = op->next)
        if (ds_op_attr(op, "left") == left && ds_op_attr(op, "right") == right &&
            !strcmp(ds_op_text(op, "is", ""), names[r->is]))
            return true;
    return false;
}

void ds_requirement_print_relation(ds_string *out, const ds_requirement *r) {
    ds_expr_print(out, r->left);
    ds_string_printf(out, " %s ", texts[r->is]);
    ds_expr_print(out, r->right);
}

void ds_requirement_print(ds_string *out, const ds_requirement *r) {
    ds_string_printf(out, "%s: %s: ", r->node, r->what);
    ds_requirement_print_relation(out, r);
}
