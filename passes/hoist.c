/* hoist: what depends on constants only moves into function @constants, which runs once, when the model is compiled.
 *
 *   before   %p = "graph.encode"(%w) …   %y = "graph.matmul"(%x, %p) …            (%w a constant)
 *   after    func @main(%x, %p {ds.recipe = 0})   func @constants(%w {ds.constant = dense_resource<w>}) -> %p
 *
 * Weights that are stored in few bits stay so: what makes more of them is a kernel of the call.
 * @constants goes through the same pipeline, at the baseline ISA of the host, so its bytes do not depend on the
 * machine.
 * Needs:  graph ops.   Keeps: values.   Breaks: nothing.   Cost: linear.
 */
#include <string.h>

#include "passes/constant.h"
#include "passes/passes.h"

typedef struct {
    ds_module *m;
    ds_op *main, *recipes;
    ds_builder b;   /* in recipes */
    uint8_t *known; /* stb_ds array by value id: 1 constant, 2 not */
    ds_mapping cloned;
    ds_value **results;        /* of recipes */
    const ds_attr **arg_attrs; /* of recipes */
    uint64_t grown;            /* bytes of recipes that are far larger than what they are made of */
    double points;             /* of the recipes' iteration spaces */
} hoister;

/* A value of 4 bits may become a float. What grows more (fills, repetitions) is small in a file and may be anything in
 * memory: beyond this it is computed by each run instead. */
enum { GROWTH = 8, MOST_GROWN = 512 << 20 };

/* What all recipes may compute: points of iteration spaces, some seconds. */
static const double MOST_POINTS = 1ull << 33;

static bool all_inputs_constant(hoister *h, const ds_op *op);

static uint64_t bytes_of(const ds_type *t) {
    uint64_t count, bytes;
    bool known = t->kind == DS_TYPE_TENSOR && ds_type_static_count(t, &count) && ds_elem_bytes(t->elem, count, &bytes);
    return known ? bytes : 0;
}

static double points_of(const ds_op *op) {
    const ds_attr *over = ds_op_attr(op, "over");
    uint64_t count = 0;
    ds_type_static_count(op->results[0].type, &count);
    double points = (double)count;
    for (size_t i = 0; over && i < over->count; i++) points *= (double)ds_attr_to_expr(over->items[i])->value;
    return points;
}

/* Whether a recipe has room and time; takes them. */
static bool takes_room(hoister *h, const ds_op *op) {
    uint64_t from = 0, bytes = bytes_of(op->results[0].type);
    double points = h->points + points_of(op);
    if (points > MOST_POINTS) return false;
    h->points = points;
    for (size_t i = 0; i < op->operand_count; i++) from += bytes_of(ds_op_operand(op, i)->type);
    if (bytes / GROWTH <= from) return true;
    if (bytes > MOST_GROWN - h->grown) return false;
    h->grown += bytes;
    return true;
}

static bool is_constant(hoister *h, const ds_value *v) {
    if (ds_mapping_get(&h->cloned, (ds_value *)(uintptr_t)v) != v)
        return true; /* hoisted already, maybe an argument by now */
    if (!v->op) return false;
    if (v->op->kind == DS_GRAPH_constant) return true;
    while (arrlenu(h->known) <= v->id) arrput(h->known, 0);
    if (!h->known[v->id]) {
        bool yes = ds_is_recipe_op(v->op->kind) && v->op->result_count == 1 && ds_type_is_static(v->type) &&
                   all_inputs_constant(h, v->op) && takes_room(h, v->op);
        h->known[v->id] = yes ? 1 : 2;
    }
    return h->known[v->id] == 1;
}

/* Symbols make a value depend on the run, wherever they are: in maps, or in the extents that are summed over. */
static void note(void *user, const char *name) {
    (void)name;
    *(bool *)user = true;
}

static bool mentions_symbols(const ds_op *op) {
    bool symbolic = false;
    for (size_t i = 0; i < op->attr_count; i++) ds_attr_each_symbol(op->attrs[i].value, note, &symbolic);
    return symbolic;
}

/* So do tensors that regions read. */
static bool region_is_constant(hoister *h, const ds_block *block) {
    for (const ds_op *op = block->first; op; op = op->next) {
        if (mentions_symbols(op)) return false;
        for (size_t i = 0; i < op->operand_count; i++)
            if (ds_op_operand(op, i)->type->kind == DS_TYPE_TENSOR && !is_constant(h, ds_op_operand(op, i)))
                return false;
    }
    return true;
}

static bool all_inputs_constant(hoister *h, const ds_op *op) {
    if (mentions_symbols(op)) return false;
    for (size_t i = 0; i < op->operand_count; i++)
        if (!is_constant(h, ds_op_operand(op, i))) return false;
    for (size_t r = 0; r < op->region_count; r++)
        if (!region_is_constant(h, ds_op_block(op, r))) return false;
    return true;
}

static void clone_constant(hoister *h, ds_value *v);

static void clone_inputs(hoister *h, const ds_op *op) {
    for (size_t i = 0; i < op->operand_count; i++)
        if (ds_op_operand(op, i)->type->kind == DS_TYPE_TENSOR) clone_constant(h, ds_op_operand(op, i));
    for (size_t r = 0; r < op->region_count; r++)
        for (const ds_op *inner = ds_op_block(op, r)->first; inner; inner = inner->next) clone_inputs(h, inner);
}

static void clone_constant(hoister *h, ds_value *v) {
    if (ds_mapping_get(&h->cloned, v) != v || !v->op || !is_constant(h, v)) return;
    if (v->op->kind == DS_GRAPH_constant) {
        ds_named_attr entry = {"ds.constant", ds_op_attr(v->op, "value")};
        arrput(h->arg_attrs, ds_attr_dict(h->m->cx, &entry, 1));
        ds_mapping_set(&h->cloned, v, ds_block_add_arg(h->m, ds_op_block(h->recipes, 0), v->type, v->name));
        return;
    }
    clone_inputs(h, v->op);
    ds_op_clone(&h->b, v->op, &h->cloned);
}

/* Of a constant, or of weights that a call decodes. */
static bool is_view_of_such(const ds_value *v) {
    while (v->op && v->op->kind == DS_GRAPH_reshape) v = ds_op_operand(v->op, 0);
    return v->op && (v->op->kind == DS_GRAPH_constant || ds_is_decoding(v->op));
}

static void hoist_value(hoister *h, ds_value *v) {
    ds_ir_context *cx = h->m->cx;
    if (v->type->kind != DS_TYPE_TENSOR || !v->op || !is_constant(h, v) || is_view_of_such(v)) return;
    clone_constant(h, v);
    ds_value *arg = ds_block_add_arg(h->m, ds_op_block(h->main, 0), v->type, v->name);
    const ds_attr *old = ds_op_attr(h->main, "arg_attrs"), **attrs = NULL;
    for (size_t i = 0; old && i < old->count; i++) arrput(attrs, old->items[i]);
    ds_named_attr entry = {"ds.recipe", ds_attr_int(cx, (int64_t)arrlen(h->results))};
    while (arrlenu(attrs) + 1 < ds_op_block(h->main, 0)->arg_count) arrput(attrs, ds_attr_dict(cx, NULL, 0));
    arrput(attrs, ds_attr_dict(cx, &entry, 1));
    ds_op_set_attr(h->m, h->main, "arg_attrs", ds_attr_array(cx, attrs, arrlenu(attrs)));
    arrfree(attrs);
    arrput(h->results, ds_mapping_get(&h->cloned, v));
    ds_mapping_set(&h->cloned, arg, arrlast(h->results));
    ds_value_replace_uses(v, arg);
}

/* Do other ops than recipes read it, or a view of it? */
static bool is_read_by_call(hoister *h, const ds_value *v) {
    for (const ds_use *use = v->uses; use; use = use->next) {
        const ds_op *op = use->owner;
        if (op->result_count != 1 || !is_constant(h, &op->results[0])) return true;
        if (op->kind == DS_GRAPH_reshape && is_read_by_call(h, &op->results[0])) return true;
    }
    return false;
}

static void hoist_block(hoister *h, ds_block *block) {
    for (ds_op *op = block->first; op; op = op->next) {
        bool constant = op->result_count == 1 && is_constant(h, &op->results[0]);
        if (ds_is_decoding(op) && is_read_by_call(h, &op->results[0])) constant = false;
        if (!constant)
            for (size_t i = 0; i < op->operand_count; i++) hoist_value(h, ds_op_operand(op, i));
        for (size_t r = 0; !constant && r < op->region_count; r++) hoist_block(h, ds_op_block(op, r));
    }
}

ds_status ds_pass_hoist(ds_module *module, const ds_pass_options *options) {
    ds_op *func = ds_module_find(module, "main");
    if (!func || ds_module_find(module, "constants")) return DS_OK;
    hoister h = {.m = module, .main = func, .recipes = ds_func_create(module, "constants")};
    h.b = (ds_builder){module, ds_op_block(h.recipes, 0), NULL, NULL};
    hoist_block(&h, ds_op_block(func, 0));
    ds_op_create(&h.b, DS_RETURN, h.results, arrlenu(h.results), NULL, 0, 0);
    ds_op_set_attr(module, h.recipes, "arg_attrs", ds_attr_array(module->cx, h.arg_attrs, arrlenu(h.arg_attrs)));
    bool empty = arrlenu(h.results) == 0;
    arrfree(h.results), arrfree(h.arg_attrs), arrfree(h.known);
    ds_mapping_free(&h.cloned);
    if (empty) ds_op_erase(h.recipes);
    return ds_pass_simplify(module, options);
}
