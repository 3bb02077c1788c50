/* lower: kernels become loops over buffers, functions of kernels become plans.
 *
 *   before   %1 = "graph.kernel"(%0) ({ map }) …
 *   after    func.func @k0(%arg0: memref<?xf32>, %arg1: memref<?xf32>) { "loop.parallel"() ({ … }) {pieces = "4"} }
 *            func.func @main(…) { … "plan.call"(%in, %out) {kernel = @k0, pieces = "4"} … }
 *
 * Equal kernels (same text but for locations) become one function.
 * Needs:  grouped kernels.   Keeps: values, bit for bit at any thread count.   Breaks: graph ops.   Cost: linear.
 */
#include <string.h>
#include <stdlib.h>

#include "passes/lower/lower.h"

typedef struct {
    char *key;
    const char *value;
} kernel_name;

typedef struct {
    ds_module *m;
    const ds_target *target;
    const ds_machine *machine;
    const ds_pass_options *options;
    kernel_name *known; /* stb_ds string map: text -> name */
    unsigned next;
    const char *prefix;
    ds_status status;
} lowerer;

/* A kernel back into kernels of one op each, in order (a stb_ds array). */
static ds_op **split_kernel(ds_module *m, ds_op *kernel) {
    ds_block *body = ds_op_block(kernel, 0);
    ds_mapping outer = {0};
    ds_op **made = NULL;
    for (size_t i = 0; i < body->arg_count; i++) ds_mapping_set(&outer, body->args[i], ds_op_operand(kernel, i));
    for (ds_op *part = body->first; part != body->last; part = part->next) {
        ds_value *operands[64];
        size_t count = part->operand_count;
        for (size_t i = 0; i < count; i++) operands[i] = ds_mapping_get(&outer, ds_op_operand(part, i));
        ds_builder b = {m, kernel->block, kernel, part->loc};
        ds_op *one = ds_op_create(&b, DS_GRAPH_kernel, operands, count, &part->results[0].type, 1, 1);
        ds_op_set_attr(m, one, "shared", ds_attr_int(m->cx, 0));
        ds_mapping inner = {0};
        for (size_t i = 0; i < count; i++)
            ds_mapping_set(&inner, ds_op_operand(part, i), ds_block_add_arg(m, ds_op_block(one, 0), operands[i]->type, NULL));
        ds_builder in = {m, ds_op_block(one, 0), NULL, part->loc};
        ds_value *v = ds_op_result(ds_op_clone(&in, part, &inner), 0);
        ds_op_create(&in, DS_GRAPH_yield, &v, 1, NULL, 0, 0);
        ds_mapping_free(&inner);
        ds_mapping_set(&outer, &part->results[0], ds_op_result(one, 0));
        arrput(made, one);
    }
    ds_value_replace_uses(&kernel->results[0], ds_mapping_get(&outer, ds_op_operand(body->last, 0)));
    ds_mapping_free(&outer);
    ds_op_erase(kernel);
    return made;
}

static void forget_locations(void *user, ds_op *op) { (void)user, op->loc = NULL; }

static void lower_one(lowerer *w, ds_op *kernel) {
    const char *name = ds_arena_printf(w->m->arena, "%s%u", w->prefix, w->next);
    ds_op *func = NULL;
    lower_describe(w->m, kernel);
    const char *what = ds_op_text(kernel, "what", "");
    const ds_schedule *block = ds_pass_schedule(w->options, DS_SCHEDULE_BLOCK, what);
    if (block && ds_op_attr(kernel, "block")) ds_op_set_attr(w->m, kernel, "block", ds_attr_int(w->m->cx, block->rows));
    ds_status status = lower_kernel(w->m, w->target, w->machine, ds_pass_schedule(w->options, DS_SCHEDULE_TILE, what), kernel, name, &func);
    if (status == DS_UNSUPPORTED) { /* no tiled form: every op gets a kernel of its own */
        ds_op *unfinished = ds_module_find(w->m, name), **parts;
        if (unfinished) ds_op_erase(unfinished);
        parts = split_kernel(w->m, kernel);
        for (size_t i = 0; i < arrlenu(parts); i++) lower_one(w, parts[i]);
        arrfree(parts);
        return;
    }
    const ds_loc *loc = func->loc;
    ds_string text = {0};
    ds_walk(ds_op_block(func, 0), forget_locations, NULL);
    func->loc = NULL;
    ds_op_set_attr(w->m, func, "name", ds_attr_symbol(w->m->cx, "k"));
    ds_op_print(&text, func);
    ptrdiff_t at = shgeti(w->known, text.data);
    if (at >= 0) {
        ds_op_erase(func);
        name = w->known[at].value;
    } else {
        shput(w->known, text.data, name);
        ds_op_set_attr(w->m, func, "name", ds_attr_symbol(w->m->cx, name));
        func->loc = loc;
        w->next++;
    }
    ds_string_free(&text);
    ds_op_set_attr(w->m, kernel, "name", ds_attr_symbol(w->m->cx, name));
}

static void lower_block(lowerer *w, ds_block *block) {
    for (ds_op *op = block->first, *next; op; op = next) {
        next = op->next;
        if (op->kind == DS_GRAPH_loop || op->kind == DS_GRAPH_if)
            for (size_t r = 0; r < op->region_count; r++) lower_block(w, ds_op_block(op, r));
        else if (op->kind == DS_GRAPH_kernel) lower_one(w, op);
    }
}

ds_status ds_pass_lower(ds_module *module, const ds_pass_options *options) {
    static const char *const names[] = {"main", "constants"};
    ds_target target = *options->target;
    if (ds_pass_left_out(options, "tile")) target.registers = 5; /* room for the narrowest tile */
    for (size_t i = 0; i < DS_COUNT(names); i++) {
        ds_op *func = ds_module_find(module, names[i]);
        if (!func) continue;
        /* recipes run on the machine that compiles, with the same arithmetic everywhere */
        lowerer w = {.m = module, .options = options, .target = &target, .machine = options->machine, .prefix = "k"};
        if (i) w.target = ds_target_at(0), w.machine = ds_machine_at(0), w.prefix = "c";
        sh_new_strdup(w.known);
        lower_block(&w, ds_op_block(func, 0));
        shfree(w.known);
        DS_TRY(lower_plan(module, func));
    }
    return DS_OK;
}
