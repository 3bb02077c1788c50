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
        status = ds_report(diag, DS_ERROR, DS_E_shape, NULL, "%s: it must be that %s, but not %s", required[at].node, required[at].what,
                           text.data);
        ds_string_free(&text);
    } else status = ds_report(diag, DS_ERROR, DS_E_internal, NULL, "recipes for constants failed with status %d at %u", result, at);
    arrfree(required);
    return status;
}

/* Runs @constants: its inputs are constants where they lie, its results go to their places among the weights. */
static ds_status run_recipes(ds_module *m, ds_built *b, int jobs) {
    const ds_op *plan = ds_module_find(m, "constants");
    if (!plan) return DS_OK;
    ds_cpu_options options = {.target = ds_target_at(0), .prefix = "ds_constants", .optimise = 2, .jobs = jobs};
    ds_compiled code;
    ds_jit *jit = NULL;
    ds_signature s;
    ds_status status = ds_cpu_compile(m, "constants", &options, &code);
    if (status == DS_OK) status = ds_jit_create(m->cx->diag, &code, options.prefix, &jit);
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
        if (w != UINT64_MAX) set_argument(args, &s.outputs[i], b->weights + b->code.weights[w].offset, b->code.weights[w].bytes);
        else { /* nothing reads it any more */ const ds_type *t = s.outputs[i].type;
            uint64_t count, bytes = 0;
            if (ds_type_static_count(t, &count)) ds_elem_bytes(t->elem, count * 32, &bytes);
            arrput(spare, ds_xmalloc(bytes));
            set_argument(args, &s.outputs[i], arrlast(spare), bytes);
        }
    }
    if (status == DS_OK) {
        ds_entries run = ds_jit_entries(jit);
        uint64_t bytes = run.arena_for(NULL, 1);
        void *arena = aligned_alloc(64, (bytes + 127) / 64 * 64);
        if (!arena) ds_out_of_memory();
        ds_context context = {.size = sizeof context, .abi = DS_ABI, .arena = arena, .arena_bytes = bytes};
        int result = run.entry(&context, args);
        if (result) status = report_failure(m, plan, result, context.at);
        free(arena);
    }
    for (size_t i = 0; i < arrlenu(spare); i++) free(spare[i]);
    arrfree(spare);
    free(args);
    ds_signature_close(&s);
    ds_jit_destroy(jit);
    ds_compiled_free(&code);
    return status;
}

ds_status ds_build(ds_module *m, const ds_cpu_options *options, ds_built *b) {
    *b = (ds_built){0};
    DS_TRY(ds_cpu_compile(m, "main", options, &b->code));
    ds_signature_open(&b->signature, m, ds_module_find(m, "main"));
    b->weights = aligned_alloc(64, b->code.weight_bytes + 64);
    if (!b->weights) ds_out_of_memory();
    for (size_t i = 0; i < arrlenu(b->code.weights); i++) {
        const ds_weight *w = &b->code.weights[i];
        uint64_t end = i + 1 < arrlenu(b->code.weights) ? b->code.weights[i + 1].offset : b->code.weight_bytes;
        if (w->constant->kind == DS_ATTR_ELEMENTS) memcpy(b->weights + w->offset, w->constant->bytes, w->bytes);
        memset(b->weights + w->offset + w->bytes, 0, end - w->offset - w->bytes); /* the same bytes every time */
    }
    return run_recipes(m, b, options->jobs);
}

void ds_built_free(ds_built *b) {
    ds_compiled_free(&b->code);
    ds_signature_close(&b->signature);
    free(b->weights);
}
