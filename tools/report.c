#include "tools/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/plan.h"

/* An attribute that is an expression, for people. */
static const char *text_of(ds_module *m, const ds_op *op, const char *name) {
    const ds_expr *e = ds_attr_to_expr(ds_op_attr(op, name));
    ds_string text = {0};
    if (e) ds_expr_print(&text, e);
    const char *copy = ds_arena_strdup(m->arena, e ? text.data : "?");
    ds_string_free(&text);
    return copy;
}

ds_status report_run_passes(ds_module *m, const ds_pass_options *options, ds_work *out_before) {
    ds_pass_options some = *options;
    some.stop_after = "decompose";
    ds_status status = ds_passes_run(m, &some);
    if (status != DS_OK) return status;
    *out_before = ds_work_of(m);
    return ds_passes_run(m, options); /* the rest of them */
}

static size_t count_reorders(const plan_step *steps) {
    size_t count = 0;
    for (size_t i = 0; i < arrlenu(steps); i++) count += !strncmp(plan_what(&steps[i]), "encode", 6);
    return count;
}

static bool runs_beside(const plan_step *s) { return ds_op_attr(s->op, "beside") != NULL; }

static size_t count_beside(const plan_step *steps) {
    size_t count = 0;
    for (size_t i = 0; i < arrlenu(steps); i++) count += runs_beside(&steps[i]);
    return count;
}

static ds_work total_of(const plan_step *steps) {
    ds_work w = {0};
    for (size_t i = 0; i < arrlenu(steps); i++) w.ops++, w.flops += steps[i].flops, w.bytes += steps[i].bytes;
    return w;
}

/* As the text of the IR has it: how the kernel's function is computed. */
static void add_schedule(ds_module *m, const plan_step *step, cJSON *item) {
    const ds_op *func = ds_module_find(m, plan_kernel(step));
    const ds_attr *schedule = func ? ds_op_attr(func, "schedule") : NULL;
    ds_string text = {0};
    if (!schedule) return;
    ds_attr_print(&text, schedule);
    cJSON_AddStringToObject(item, "schedule", text.data);
    ds_string_free(&text);
}

static const char *program_of(ds_module *m, const plan_step *step) {
    const ds_op *func = ds_module_find(m, plan_kernel(step));
    const ds_attr *program = ds_attr_find(func ? ds_op_attr(func, "schedule") : NULL, "program");
    return program ? program->text : "-";
}

static void print_json(ds_module *m, const plan_step *steps, const ds_work *before, const ds_work *after) {
    const ds_work *const works[] = {before, after};
    static const char *const names[] = {"before", "after"};
    cJSON *all = cJSON_CreateObject(), *list, *item;
    for (size_t i = 0; i < 2; i++) {
        item = cJSON_AddObjectToObject(all, names[i]);
        cJSON_AddNumberToObject(item, i ? "kernels" : "ops", works[i]->ops);
        cJSON_AddNumberToObject(item, "flops", works[i]->flops);
        cJSON_AddNumberToObject(item, "bytes", works[i]->bytes);
    }
    cJSON_AddNumberToObject(all, "reorders", (double)count_reorders(steps));
    cJSON_AddStringToObject(all, "arena", text_of(m, ds_module_find(m, "main"), "arena"));
    cJSON_AddNumberToObject(all, "arena_least", (double)ds_op_int(ds_module_find(m, "main"), "arena_least", 0));
    list = cJSON_AddArrayToObject(all, "kernels");
    for (size_t i = 0; i < arrlenu(steps); i++) {
        cJSON_AddItemToArray(list, item = cJSON_CreateObject());
        plan_step_json(&steps[i], item);
        cJSON_AddStringToObject(item, "pieces", text_of(m, steps[i].op, "pieces"));
        add_schedule(m, &steps[i], item);
        cJSON_AddBoolToObject(item, "beside", runs_beside(&steps[i])); /* maybe while the one before still runs */
    }
    char *text = cJSON_Print(all);
    puts(text ? text : "{}");
    free(text);
    cJSON_Delete(all);
}

static size_t count_nodes(const ds_loc *loc) {
    return !loc ? 0 : loc->name ? *loc->name != 0 : count_nodes(loc->first) + count_nodes(loc->second);
}

static void print_table(ds_module *m, const plan_step *steps, const ds_work *before, const ds_work *after) {
    printf("%8s %10s %7s %6s %-8s   kernel, what it does, first node\n", "MFLOP", "KB", "pieces", "nodes", "program");
    for (size_t i = 0; i < arrlenu(steps); i++)
        printf("%8.2f %10.1f %7s %6zu %-8s %s %s, %s, %s\n", steps[i].flops / 1e6, steps[i].bytes / 1e3,
               text_of(m, steps[i].op, "pieces"), count_nodes(steps[i].op->loc), program_of(m, &steps[i]),
               runs_beside(&steps[i]) ? "&" : " ", plan_kernel(&steps[i]), plan_what(&steps[i]),
               ds_loc_text(steps[i].op->loc));
    printf("%.0f graph operations became %.0f kernels, %zu of them reorders, %zu (&) beside the one before; %.1f -> "
           "%.1f MFLOP; %.2f -> "
           "%.2f MB read and written; arena "
           "%s bytes, %lld of them live at one time\n",
           before->ops, after->ops, count_reorders(steps), count_beside(steps), before->flops / 1e6, after->flops / 1e6,
           before->bytes / 1e6, after->bytes / 1e6, text_of(m, ds_module_find(m, "main"), "arena"),
           (long long)ds_op_int(ds_module_find(m, "main"), "arena_least", 0));
}

void report_print(const cli *c, ds_module *m, const ds_work *before) {
    plan_step *steps = plan_steps(m);
    ds_work after = total_of(steps);
    if (cli_has(c, "json")) print_json(m, steps, before, &after);
    else print_table(m, steps, before, &after);
    arrfree(steps);
}
