/* lower: kernels become loops over buffers, functions of kernels become plans.
 *
 *   before   %1 = "graph.kernel"(%0) ({ map }) …
 *   after    func.func @k0(%arg0: memref<?xf32>, %arg1: memref<?xf32>) { "loop.parallel"() ({ … }) {pieces = "4"} }
 *            func.func @main(…) { … "plan.call"(%in, %out) {kernel = @k0, pieces = "4"} … }
 *
 * Equal kernels of equal schedules (ir/schedule.h) become one function; a schedule that cannot be obeyed is an error
 * that says why.
 * Needs:  kernels with schedules.   Keeps: values, bit for bit at any thread count.   Breaks: graph ops.
 * Cost: linear.
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
    ds_core core;
    kernel_name *known; /* stb_ds string map: text and schedule -> name */
    unsigned next;
    const char *prefix;
} lowerer;

/* The kernel as the function of this name. */
static ds_status lower_new(lowerer *w, const ds_op *kernel, const ds_attr *attr, const char *name) {
    ds_schedule s;
    const char *why = ds_schedule_read(w->m->cx, attr, &s);
    if (!why) {
        why = ds_schedule_check(&w->core, kernel, &s);
        if (!why) ds_op_set_attr(w->m, lower_kernel(w->m, &w->core, &s, kernel, name), "schedule", attr);
        ds_schedule_free(&s);
    }
    if (!why) return DS_OK;
    return ds_report(w->m->cx->diag, DS_ERROR, DS_E_schedule, ds_op_where(w->m, kernel),
                     "the kernel cannot be computed so: %s", why);
}

/* Equal kernels of equal schedules are one function. */
static ds_status lower_one(lowerer *w, ds_op *kernel) {
    const ds_attr *attr = ds_op_attr(kernel, "schedule");
    if (!attr)
        return ds_report(w->m->cx->diag, DS_ERROR, DS_E_schedule, ds_op_where(w->m, kernel),
                         "the kernel has no schedule");
    char *text = ds_kernel_text(kernel);
    ds_string key = {0};
    ds_string_printf(&key, "%s", text);
    ds_attr_print(&key, attr);
    ds_op_set_attr(w->m, kernel, "key", ds_attr_string(w->m->cx, ds_kernel_key_of(w->m->cx, text)));
    free(text);
    ptrdiff_t at = shgeti(w->known, key.data);
    const char *name = at >= 0 ? w->known[at].value : ds_arena_printf(w->m->arena, "%s%u", w->prefix, w->next);
    ds_status status = DS_OK;
    if (at < 0) {
        status = lower_new(w, kernel, attr, name);
        shput(w->known, key.data, name);
        w->next++;
    }
    ds_string_free(&key);
    DS_TRY(status);
    lower_describe(w->m, kernel);
    ds_op_set_attr(w->m, kernel, "name", ds_attr_symbol(w->m->cx, name));
    return DS_OK;
}

static ds_status lower_block(lowerer *w, ds_block *block) {
    for (ds_op *op = block->first, *next; op; op = next) {
        next = op->next;
        if (op->kind == DS_GRAPH_loop || op->kind == DS_GRAPH_if)
            for (size_t r = 0; r < op->region_count; r++) DS_TRY(lower_block(w, ds_op_block(op, r)));
        else if (op->kind == DS_GRAPH_kernel) DS_TRY(lower_one(w, op));
    }
    return DS_OK;
}

ds_status ds_pass_lower(ds_module *module, const ds_pass_options *options) {
    static const char *const names[] = {"main", "constants"};
    for (size_t i = 0; i < DS_COUNT(names); i++) {
        ds_target room;
        ds_op *func = ds_module_find(module, names[i]);
        if (!func) continue;
        lowerer w = {.m = module, .core = schedule_core(options, module->cx, i > 0, &room), .prefix = i ? "c" : "k"};
        sh_new_strdup(w.known);
        ds_status status = lower_block(&w, ds_op_block(func, 0));
        shfree(w.known);
        DS_TRY(status);
        DS_TRY(lower_plan(module, func));
    }
    return DS_OK;
}
