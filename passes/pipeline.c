/* The pipeline is the pass list, in its order; printing, timing and reproducers happen here and nowhere else. */
#include <stdio.h>
#include <string.h>

#include "passes/passes.h"

static const struct {
    const char *name, *doc;
    ds_pass *run;
    bool optional;
} passes[] = {
#define PASS(name, optional, doc) {#name, doc, ds_pass_##name, optional},
#include "passes/passes.def"
#undef PASS
};

void ds_passes_list(ds_string *out) {
    for (size_t i = 0; i < DS_COUNT(passes); i++)
        ds_string_printf(out, "%c %-12s %s\n", passes[i].optional ? '*' : ' ', passes[i].name, passes[i].doc);
}

static void print_rule(void *user, ds_module *module, const ds_rule *rule, const ds_op *op) {
    (void)user;
    fprintf(stderr, "// rule %s: %s\n", rule->name, ds_op_where(module, op));
}

void ds_pass_apply_rules(ds_module *module, const ds_pass_options *options, const ds_rule *rules, size_t count,
                         bool (*nested)(const ds_op *op)) {
    for (ds_op *func = module->body.block->first; func; func = func->next)
        ds_rewrite(module, ds_op_block(func, 0), rules, count, nested, options->trace_rules ? print_rule : NULL, NULL);
}

static void print_module(const char *title, ds_module *module) {
    ds_string text = {0};
    ds_module_print(&text, module);
    fprintf(stderr, "// ---- %s ----\n%s", title, text.data);
    ds_string_free(&text);
}

/* The IR before the pass that broke, and the command that runs just that pass. IR is kept for this only with
 * --verify-each. */
static void write_reproducer(const char *pass, const char *path, const char *ir) {
    FILE *f = fopen(path, "w");
    if (!f) return;
    fprintf(f, "// dsc opt --passes=%s --verify-each %s\n%s", pass, path,
            ir ? ir : "// run again with --verify-each for the IR before the pass\n");
    fclose(f);
}

static ds_status run_one(ds_module *module, size_t i, const ds_pass_options *options) {
    ds_string before = {0}, after = {0};
    const char *name = passes[i].name;
    if (options->print_changed || options->verify_each) ds_module_print(&before, module);
    double start = ds_stage_start();
    ds_status status = passes[i].run(module, options);
    if (status == DS_OK && module->cx->exprs_too_large)
        status = ds_report(module->cx->diag, DS_ERROR, DS_E_runtime_shape, NULL,
                           "extents that depend on each other in too many ways: fix some with --dim");
    if (options->timing) ds_stage_print(start, name);
    bool verifying = status == DS_OK && options->verify_each;
    if (verifying) status = ds_module_verify(module);
    if (status == DS_OK && options->print_changed) {
        ds_module_print(&after, module);
        if (strcmp(before.data, after.data) == 0) fprintf(stderr, "// ---- after %s ---- (unchanged)\n", name);
        else fprintf(stderr, "// ---- after %s ----\n%s", name, after.data);
    }
    if (status == DS_OK &&
        (options->print_after_all || (options->print_after && !strcmp(options->print_after, name)))) {
        char title[80];
        snprintf(title, sizeof title, "after %s", name);
        print_module(title, module);
    }
    bool broken = status == DS_BUG || (status != DS_OK && verifying);
    if (broken && options->reproducer) write_reproducer(name, options->reproducer, before.data);
    ds_string_free(&before);
    ds_string_free(&after);
    return status;
}

static bool find_pass(const char *name, size_t length, size_t *out) {
    for (*out = 0; *out < DS_COUNT(passes); ++*out)
        if (strlen(passes[*out].name) == length && strncmp(passes[*out].name, name, length) == 0) return true;
    return false;
}

bool ds_pass_left_out(const ds_pass_options *options, const char *name) {
    for (const char *at = options->without; at && *at; at += strcspn(at, ",") + (at[strcspn(at, ",")] == ','))
        if (strcspn(at, ",") == strlen(name) && !strncmp(at, name, strlen(name))) return true;
    return false;
}

/* What the pass schedule may do without. */
static const char *const choices[] = {"tile", "unroll"};

static ds_status check_left_out(ds_module *module, const char *names) {
    for (const char *at = names; at && *at; at += strcspn(at, ",") + (at[strcspn(at, ",")] == ',')) {
        size_t length = strcspn(at, ","), i;
        bool is_choice = false;
        for (i = 0; i < DS_COUNT(choices); i++)
            is_choice = is_choice || (strlen(choices[i]) == length && !strncmp(at, choices[i], length));
        if (!is_choice && (!find_pass(at, length, &i) || !passes[i].optional))
            return ds_report(module->cx->diag, DS_ERROR, DS_E_pass_name, NULL, "no pass called '%.*s' can be left out",
                             (int)length, at);
    }
    return DS_OK;
}

/* Attribute of the module: the last pass of the pipeline that it is through, or that was left out. Text continues
 * behind it. */
static const char AFTER[] = "ds.after";

static ds_status find_next(ds_module *module, size_t *out) {
    const ds_attr *after = ds_module_attr(module, AFTER);
    *out = 0;
    if (!after) return DS_OK;
    if (after->kind != DS_ATTR_STRING || !find_pass(after->text, strlen(after->text), out))
        return ds_report(module->cx->diag, DS_ERROR, DS_E_pass_name, NULL, "%s names no pass", AFTER);
    ++*out;
    return DS_OK;
}

/* Text that continues behind a pass has no ops that it, or one before it, would have lowered. */
static ds_status check_dialect(ds_module *module, size_t next) {
    bool is_last = next == DS_COUNT(passes);
    if (!ds_module_find(module, "main"))
        return ds_report(module->cx->diag, DS_ERROR, DS_E_verify, NULL, "there is no function @main");
    for (const ds_op *func = module->body.block->first; next && func; func = func->next)
        for (const ds_op *op = ds_op_block(func, 0)->first; op; op = op->next) {
            bool late = op->kind == DS_OPAQUE || ds_op_is_operator(op->kind);
            late = late || (is_last && !strncmp(ds_op_facts(op->kind)->name, "graph.", 6));
            if (late)
                return ds_op_report(module, op, DS_E_verify, "%s says '%s', and there is no such op behind it", AFTER,
                                    passes[next - 1].name);
        }
    return DS_OK;
}

ds_status ds_passes_run(ds_module *module, const ds_pass_options *options) {
    if (!options->passes) {
        size_t next;
        DS_TRY(check_left_out(module, options->without));
        DS_TRY(find_next(module, &next));
        DS_TRY(check_dialect(module, next));
        size_t last = DS_COUNT(passes) - 1;
        for (size_t i = 0; options->stop_after && i < last; i++)
            if (!strcmp(options->stop_after, passes[i].name)) last = i;
        for (size_t i = next; i <= last; i++) {
            if (!ds_pass_left_out(options, passes[i].name)) DS_TRY(run_one(module, i, options));
            ds_module_set_attr(module, AFTER, ds_attr_string(module->cx, passes[i].name));
        }
        return DS_OK;
    }
    for (const char *at = options->passes; *at;) {
        size_t length = strcspn(at, ","), i;
        if (!find_pass(at, length, &i))
            return ds_report(module->cx->diag, DS_ERROR, DS_E_pass_name, NULL, "no pass is called '%.*s'", (int)length,
                             at);
        DS_TRY(run_one(module, i, options));
        at += length + (at[length] == ',');
    }
    return DS_OK;
}
