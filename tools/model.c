#include "tools/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/safetensors.h"
#include "runtime/libdsrt.h"

static bool has_suffix(const char *text, const char *suffix) {
    size_t n = strlen(text), m = strlen(suffix);
    return n >= m && strcmp(text + n - m, suffix) == 0;
}

ds_status model_load(const cli *c, ds_ir_context *cx, ds_files *files, const ds_dim_value *dims, size_t dim_count, ds_module **out) {
    if (arrlenu(c->arguments) != 1) {
        fprintf(stderr, "dsc: error: %s needs one model\n", c->command);
        return DS_BAD_USAGE;
    }
    const char *path = c->arguments[0];
    cx->diag->file = path;
    if (has_suffix(path, ".mlir") || strcmp(path, "-") == 0) {
        const ds_mapped_file *file;
        if (dim_count) return ds_report(cx->diag, DS_ERROR, DS_E_form, NULL, "dimensions are fixed when an ONNX model is imported, not in its text");
        DS_TRY(ds_files_open(files, cx->diag, path, &file));
        return ds_module_parse(cx, files, (const char *)file->bytes, file->length, path, out);
    }
    ds_import_options options = {dims, dim_count};
    return ds_onnx_import(cx, files, path, &options, out);
}

ds_status model_write_text(ds_module *m, const char *path) {
    ds_string text = {0};
    const char *dot = strrchr(path, '.'), *slash = strrchr(path, '/');
    int stem = dot && (!slash || dot > slash) ? (int)(dot - path) : (int)strlen(path);
    ds_status status = strcmp(path, "-") ? ds_safetensors_write(m, ds_arena_printf(m->arena, "%.*s.safetensors", stem, path)) : DS_OK;
    ds_module_print(&text, m);
    ds_span span = {text.data, text.length};
    if (status == DS_OK) status = ds_file_write(m->cx->diag, path, &span, 1);
    ds_string_free(&text);
    return status;
}

ds_status model_pass_options(const cli *c, const char *default_cpu, ds_pass_options *o) {
    const char *cpu = cli_value(c, "cpu", default_cpu);
    *o = (ds_pass_options){.target = ds_target_find(cpu), .print_after_all = cli_has(c, "print-ir-after-all"), .print_changed = cli_has(c, "print-changed"), .trace_rules = cli_has(c, "trace-rules"), .timing = cli_has(c, "timing"),
                           .verify_each = cli_has(c, "verify-each"), .print_after = cli_value(c, "print-ir-after", NULL), .passes = cli_value(c, "passes", NULL),
                           .stop_after = cli_value(c, "stop-after", NULL), .reproducer = cli_value(c, "reproducer", "dsc-reproducer.mlir")};
    if (o->target) return DS_OK;
    fprintf(stderr, "dsc: error: no ISA level is called '%s' (dsc info lists them)\n", cpu);
    return DS_BAD_USAGE;
}

ds_status model_open(const cli *c, ds_ir_context *cx, ds_files *files, const ds_dim_value *dims, size_t dim_count, model *m) {
    ds_pass_options passes;
    *m = (model){0};
    DS_TRY(model_pass_options(c, "native", &passes));
    DS_TRY(model_load(c, cx, files, dims, dim_count, &m->module));
    DS_TRY(ds_passes_run(m->module, &passes));
    ds_cpu_options cpu = {.target = passes.target, .prefix = "ds_model_entry", .optimise = (int)cli_number(c, "optimise", 2), .jobs = (int)cli_number(c, "jobs", 0)};
    DS_TRY(ds_build(m->module, &cpu, &m->built));
    return ds_jit_create(cx->diag, &m->built.code, cpu.prefix, &m->jit);
}

void model_close(model *m) {
    ds_jit_destroy(m->jit);
    if (m->module) ds_built_free(&m->built);
    ds_module_destroy(m->module);
}

/* ---- calls ---- */

ds_status call_read_inputs(const model *m, ds_ir_context *cx, ds_files *files, const char *folder, model_call *call) {
    const ds_signature *s = &m->built.signature;
    for (size_t i = 0; i < s->input_count; i++) {
        const ds_attr *value;
        DS_TRY(ds_onnx_read_tensor(cx, files, ds_arena_printf(cx->arena, "%s/input_%zu.pb", folder, i), &value));
        if (value->type->elem != s->inputs[i].type->elem || value->type->rank != s->inputs[i].type->rank)
            return ds_report(cx->diag, DS_ERROR, DS_E_inputs, NULL, "input %zu ('%s') is %s of rank %zu, the model needs %s of rank %zu", i, s->inputs[i].name, ds_elem_facts(value->type->elem)->text,
                             value->type->rank, ds_elem_facts(s->inputs[i].type->elem)->text, s->inputs[i].type->rank);
        for (size_t d = 0; d < value->type->rank; d++) {
            int64_t want;
            if (ds_expr_is_const(s->inputs[i].type->dims[d], &want) && want != value->type->dims[d]->value)
                return ds_report(cx->diag, DS_ERROR, DS_E_inputs, NULL, "input %zu ('%s') has extent %lld in dimension %zu, the model needs %lld", i, s->inputs[i].name, (long long)value->type->dims[d]->value, d, (long long)want);
        }
        arrput(call->inputs, value);
    }
    return DS_OK;
}

static void put(uint8_t *at, const void *v, size_t n) { memcpy(at, v, n); }

static int64_t symbol_of(const ds_signature *s, const model_call *call, const char *name) {
    for (size_t i = 0; i < s->input_count; i++)
        for (size_t d = 0; d < s->inputs[i].type->rank; d++) {
            const ds_expr *e = s->inputs[i].type->dims[d];
            if (e->kind == DS_EXPR_SYMBOL && !strcmp(e->name, name)) return call->inputs[i]->type->dims[d]->value;
        }
    return 0;
}

static void *allocate(void *user, uint64_t bytes) {
    (void)user;
    return aligned_alloc(64, (bytes + 127) / 64 * 64);
}

static void release(void *user, void *memory) {
    (void)user;
    free(memory);
}

static ds_status open_call(const model *m, ds_ir_context *cx, ds_pool *pool, model_call *call) {
    const ds_signature *s = &m->built.signature;
    int64_t symbols[33];
    if (s->symbol_count > 32) return ds_report(cx->diag, DS_ERROR, DS_E_form, NULL, "more than 32 symbolic dimensions");
    for (size_t i = 0; i < s->symbol_count; i++) symbols[i] = symbol_of(s, call, s->symbols[i]);
    uint64_t bytes = ds_jit_arena_bytes(m->jit, symbols, s->symbol_count, pool ? pool->concurrency : 1);
    call->arena = aligned_alloc(64, (bytes + 127) / 64 * 64);
    if (!call->arena) ds_out_of_memory();
    call->context = (ds_context){.size = sizeof call->context, .abi = DS_ABI, .arena = call->arena, .arena_bytes = bytes, .weights = m->built.weights, .pool = pool, .alloc = allocate, .release = release};
    call->args = ds_xmalloc(s->bytes + 8);
    memset(call->args, 0, s->bytes);
    for (size_t i = 0; i < s->input_count; i++) {
        const ds_attr *v = call->inputs[i];
        uint64_t n = v->count;
        put(call->args + s->inputs[i].offset, &v->bytes, 8);
        put(call->args + s->inputs[i].offset + 8, &n, 8);
        for (size_t d = 0; !s->inputs[i].is_static && d < v->type->rank; d++) put(call->args + s->inputs[i].offset + 16 + 8 * d, &v->type->dims[d]->value, 8);
    }
    return DS_OK;
}

ds_status call_run(const model *m, ds_ir_context *cx, ds_pool *pool, model_call *call) {
    const ds_signature *s = &m->built.signature;
    if (!call->args) DS_TRY(open_call(m, cx, pool, call));
    int status = ds_jit_call(m->jit, &call->context, call->args);
    if (status) return ds_report(cx->diag, DS_ERROR, DS_E_run, NULL, "%s (status %d at %u)", dsrt_status_text(status), status, call->context.at);
    bool first = arrlenu(call->outputs) == 0;
    for (size_t i = 0; first && i < s->output_count; i++) {
        void *data;
        uint64_t bytes;
        memcpy(&data, call->args + s->outputs[i].offset, 8);
        memcpy(&bytes, call->args + s->outputs[i].offset + 8, 8);
        arrput(call->outputs, data);
        arrput(call->bytes, bytes);
        int64_t(*dims)[16] = arraddnptr(call->dims, 1);
        for (size_t d = 0; d < s->outputs[i].type->rank && d < 16; d++) {
            if (s->outputs[i].is_static) (*dims)[d] = s->outputs[i].type->dims[d]->value;
            else memcpy(&(*dims)[d], call->args + s->outputs[i].offset + 16 + 8 * d, 8);
        }
    }
    return DS_OK;
}

void call_free(model_call *call) {
    for (size_t i = 0; i < arrlenu(call->outputs); i++) free(call->outputs[i]);
    arrfree(call->inputs), arrfree(call->outputs), arrfree(call->dims), arrfree(call->bytes);
    free(call->args);
    free(call->arena);
}
