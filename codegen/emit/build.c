#include "codegen/emit/build.h"

#include <stdlib.h>
#include <string.h>

#include "codegen/cpu/jit.h"
#include "ir/require.h"

/* Writes the argument {data, bytes} of a static plan. */
static void set_argument(uint8_t *args, const ds_argument *a, const void *data, uint64_t bytes) {
    memcpy(args + a->offset, &data, sizeof data);
    memcpy(args + a->offset + 8, &bytes, sizeof bytes);
}

static uint64_t find_recipe(const ds_compiled *code, int64_t number) {
    for (size_t i = 0; i < arrlenu(code->weights); i++)
        if (code->weights[i].constant->kind == DS_ATTR_INT && code->weights[i].constant->integer == number) return i;
    return UINT64_MAX;
}

/* What constants that do not fit together broke is the model's error, and has the name of its node. */
static ds_status report_failure(ds_module *m, const ds_op *plan, int result, uint32_t at) {
    ds_diag *diag = m->cx->diag;
    if (result == DS_NO_ALLOCATOR)
        return ds_report(diag, DS_ERROR, DS_E_shape, NULL, "there is no memory for what constants are computed from");
    ds_requirement *required = ds_requirements_in(ds_op_block(plan, 0));
    ds_status status;
    if (result == DS_BROKEN_PROMISE && at < arrlenu(required)) {
        ds_string text = {0};
        ds_requirement_print_relation(&text, &required[at]);
        status = ds_report(diag, DS_ERROR, DS_E_shape, NULL, "%s: it must be that %s, but not %s", required[at].node,
                           required[at].what, text.data);
        ds_string_free(&text);
    } else
        status = ds_report(diag, DS_ERROR, DS_E_internal, NULL, "recipes for constants failed with status %d at %u",
                           result, at);
    arrfree(required);
    return status;
}

/* Runs @constants: its inputs are constants where they lie, its results go to their places among the weights. */
static ds_status run_recipes(ds_module *m, ds_built *b, const ds_compiled *code, const char *prefix, ds_pool *pool) {
    const ds_op *plan = ds_module_find(m, "constants");
    ds_jit *jit = NULL;
    ds_signature s;
    ds_status status = ds_jit_create(m->cx->diag, code, prefix, &jit);
    ds_signature_open(&s, m, plan);
    const ds_attr *attrs = ds_op_attr(plan, "arg_attrs");
    uint8_t *args = ds_xmalloc(s.bytes + 1);
    void **spare = NULL;
    for (size_t i = 0; i < s.input_count; i++) {
        const ds_attr *c = ds_attr_find(attrs->items[i], "ds.constant");
        set_argument(args, &s.inputs[i], c->bytes, c->count);
    }
    for (size_t i = 0; i < s.output_count; i++) {
        uint64_t w = find_recipe(&b->code, (int64_t)i);
        if (w != UINT64_MAX)
            set_argument(args, &s.outputs[i], b->weights + b->code.weights[w].offset, b->code.weights[w].bytes);
        else { /* nothing reads it any more */ const ds_type *t = s.outputs[i].type;
            uint64_t count, bytes = 0;
            if (ds_type_static_count(t, &count)) ds_elem_bytes(t->elem, count * 32, &bytes);
            arrput(spare, ds_xmalloc(bytes));
            set_argument(args, &s.outputs[i], arrlast(spare), bytes);
        }
    }
    if (status == DS_OK) {
        ds_entries run = ds_jit_entries(jit);
        uint64_t bytes = run.arena_for(NULL, pool ? pool->concurrency : 1);
        void *arena = ds_pages_alloc(bytes);
        ds_context context = {
            .size = sizeof context, .abi = DS_ABI, .pool = pool, .arena = arena, .arena_bytes = bytes};
        int result = run.entry(&context, args);
        if (result) status = report_failure(m, plan, result, context.at);
        ds_pages_free(arena, bytes);
    }
    for (size_t i = 0; i < arrlenu(spare); i++) free(spare[i]);
    arrfree(spare);
    free(args);
    ds_signature_close(&s);
    ds_jit_destroy(jit);
    return status;
}

/* The model's own weights go to their places, and nothing to what recipes will write. */
static void place_constants(ds_built *b) {
    b->weights = ds_pages_alloc(b->code.weight_bytes);
    for (size_t i = 0; i < arrlenu(b->code.weights); i++) {
        const ds_weight *w = &b->code.weights[i];
        if (w->constant->kind == DS_ATTR_ELEMENTS) memcpy(b->weights + w->offset, w->constant->bytes, w->bytes);
    }
}

static void end_stage(const ds_cpu_options *options, double *start, const char *name) {
    if (options->timing) ds_stage_print(*start, name);
    *start = ds_stage_start();
}

ds_status ds_build(ds_module *m, const ds_cpu_options *options, ds_pool *pool, ds_built *b) {
    *b = (ds_built){0};
    ds_compiled recipes = {0};
    ds_cpu_options once = {
        .target = ds_target_at(0), .prefix = "ds_constants", .optimise = 2, .runs_once = true, .cache = options->cache};
    ds_cpu_part parts[] = {{"main", options, &b->code}, {"constants", &once, &recipes}};
    double start = ds_stage_start();
    bool has_recipes = ds_module_find(m, "constants");
    ds_status status = ds_cpu_compile(m, parts, has_recipes ? 2 : 1);
    end_stage(options, &start, "code");
    if (status == DS_OK) {
        ds_signature_open(&b->signature, m, ds_module_find(m, "main"));
        place_constants(b);
        end_stage(options, &start, "weights");
        if (has_recipes) status = run_recipes(m, b, &recipes, once.prefix, pool);
        end_stage(options, &start, "recipes");
    }
    ds_compiled_free(&recipes);
    return status;
}

void ds_built_free(ds_built *b) {
    ds_compiled_free(&b->code);
    ds_signature_close(&b->signature);
    ds_pages_free(b->weights, b->code.weight_bytes);
}
