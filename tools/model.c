#define _GNU_SOURCE
#include "tools/model.h"
#include "tools/schedules.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ir/alias.h"
#include "ir/facts/facts.h"
#include "ir/safetensors.h"
#include "ir/stored.h"
#include "passes/externs.h"
#include "runtime/libdsrt.h"

static bool has_suffix(const char *text, const char *suffix) {
    size_t n = strlen(text), m = strlen(suffix);
    return n >= m && strcmp(text + n - m, suffix) == 0;
}

const char *model_own_path(ds_ir_context *cx) {
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    return ds_arena_strndup(cx->arena, self, n > 0 ? (size_t)n : 0);
}

const char *model_beside(ds_ir_context *cx, const char *name) {
    const char *self = model_own_path(cx), *slash = strrchr(self, '/');
    return ds_arena_printf(cx->arena, "%.*s%s", slash ? (int)(slash - self + 1) : 0, self, name);
}

static const char *npy_path(ds_ir_context *cx, const char *folder, size_t i) {
    const char *path = ds_arena_printf(cx->arena, "%s/input_%zu.npy", folder, i);
    return access(path, R_OK) ? NULL : path;
}

/* Where the folder of inputs holds more files than the model has inputs without defaults, they stand for all inputs of
 * the graph, in order: their number, else 0. */
static size_t surplus_inputs(const cli *c, ds_ir_context *cx, const ds_module *m) {
    const ds_attr *defaults = ds_module_attr(m, "ds.defaults");
    if (!defaults || !defaults->count) return 0;
    const char *folder = cli_value(c, "inputs", cli_value(c, "expect", NULL)), *path = c->arguments[0],
               *slash = strrchr(path, '/');
    if (!folder && !strcmp(c->command, "check"))
        folder = ds_arena_printf(cx->arena, "%.*stest_data_set_0", slash ? (int)(slash - path + 1) : 0, path);
    size_t n = 0;
    while (folder &&
           (npy_path(cx, folder, n) || !access(ds_arena_printf(cx->arena, "%s/input_%zu.pb", folder, n), R_OK)))
        n++;
    return n > ds_op_block(ds_module_find(m, "main"), 0)->arg_count ? n : 0;
}

/* Symbols are fixed as the text is read, which is before the first pass. */
static ds_status load_text(const cli *c, ds_ir_context *cx, ds_files *files, const char *path, const ds_dim_value *dims,
                           size_t dim_count, ds_module **out) {
    const ds_mapped_file *file;
    if (arrlenu(c->inputs))
        return ds_report(cx->diag, DS_ERROR, DS_E_name, NULL,
                         "'%s' is not an input that has an initialiser: text has none", c->inputs[0]);
    DS_TRY(ds_files_open(files, cx->diag, path, &file));
    ds_fixed_symbol *fixed = DS_NEW_ARRAY(cx->arena, ds_fixed_symbol, dim_count);
    for (size_t i = 0; i < dim_count; i++)
        fixed[i] = (ds_fixed_symbol){ds_arena_strdup(cx->arena, dims[i].name), dims[i].value};
    cx->fixed = fixed;
    cx->fixed_count = dim_count;
    ds_status status = ds_module_parse(cx, files, (const char *)file->bytes, file->length, path, out);
    cx->fixed_count = 0;
    if (status != DS_OK || !dim_count || !ds_module_attr(*out, "ds.after")) return status;
    ds_module_destroy(*out);
    *out = NULL;
    return ds_report(cx->diag, DS_ERROR, DS_E_form, NULL,
                     "dimensions are fixed before the first pass, not in text that is behind one");
}

static ds_status load_model(const cli *c, ds_ir_context *cx, ds_files *files, const ds_dim_value *dims,
                            size_t dim_count, ds_module **out) {
    const char *path = c->arguments[0];
    bool is_standard_input = !strcmp(path, "-");
    cx->diag->file = is_standard_input ? "<stdin>" : path;
    if (has_suffix(path, ".mlir") || is_standard_input) return load_text(c, cx, files, path, dims, dim_count, out);
    ds_import_options options = {
        .dims = dims, .dim_count = dim_count, .inputs = c->inputs, .input_count = arrlenu(c->inputs)};
    DS_TRY(ds_onnx_import(cx, files, path, &options, out));
    options.given_inputs = surplus_inputs(c, cx, *out);
    if (!options.given_inputs) return DS_OK;
    ds_module_destroy(*out);
    return ds_onnx_import(cx, files, path, &options, out);
}

static ds_status cache_type(const cli *c, ds_elem *out) {
    const char *name = cli_value(c, "cache-type", NULL);
    *out = name ? ds_stored_type(name) : DS_NO_ELEM;
    if (!name || *out != DS_NO_ELEM) return DS_OK;
    fprintf(stderr, "dsc: error: --cache-type is f16, bf16 or i8, not '%s'\n", name);
    return DS_BAD_USAGE;
}

/* Of the pairs that other options name, or of those that are called as usual. */
static ds_status declare_stored(const cli *c, ds_module *m, ds_elem elem) {
    static const char usual[] = "past*=present*";
    const char **patterns = NULL;
    for (size_t i = 0; i < arrlenu(c->aliases); i++) arrput(patterns, c->aliases[i]);
    for (size_t i = 0; i < arrlenu(c->options); i++)
        if (!strcmp(c->options[i].name, "feed")) arrput(patterns, c->options[i].value);
    if (!arrlenu(patterns)) arrput(patterns, usual);
    ds_status status = ds_stored_declare(m, elem, patterns, arrlenu(patterns));
    arrfree(patterns);
    return status;
}

ds_status model_load(const cli *c, ds_ir_context *cx, ds_files *files, const ds_dim_value *dims, size_t dim_count,
                     ds_module **out) {
    if (arrlenu(c->arguments) != 1) {
        fprintf(stderr, "dsc: error: %s needs one model\n", c->command);
        return DS_BAD_USAGE;
    }
    ds_elem stored;
    DS_TRY(cache_type(c, &stored));
    DS_TRY(load_model(c, cx, files, dims, dim_count, out));
    DS_TRY(ds_alias_declare(*out, c->aliases, arrlenu(c->aliases)));
    return stored == DS_NO_ELEM ? DS_OK : declare_stored(c, *out, stored);
}

ds_status model_write_text(ds_module *m, const char *path, bool with_facts) {
    ds_string text = {0};
    const char *dot = strrchr(path, '.'), *slash = strrchr(path, '/');
    int stem = dot && (!slash || dot > slash) ? (int)(dot - path) : (int)strlen(path);
    ds_status status =
        strcmp(path, "-") ? ds_safetensors_write(m, ds_arena_printf(m->arena, "%.*s.safetensors", stem, path)) : DS_OK;
    if (with_facts) ds_facts_print(&text, m, ds_extern_put);
    else ds_module_print(&text, m);
    ds_span span = {text.data, text.length};
    if (status == DS_OK) status = ds_file_write(m->cx->diag, path, &span, 1);
    ds_string_free(&text);
    return status;
}

ds_status model_write_listing(const cli *c, ds_ir_context *cx, const ds_compiled *code) {
    const char *path = cli_value(c, "debug", NULL);
    ds_span span = {code->listing.data, code->listing.length};
    return path ? ds_file_write(cx->diag, path, &span, 1) : DS_OK;
}

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), k = strlen(end);
    return n >= k && !strcmp(text + n - k, end);
}

/* --precision is a word, a file of ranges with decisions, or one of rules; --ranges is what rules know of values. */
/* A list of names, none or all; the table's defaults where the option is left out. */
static ds_status read_compensations(const cli *c, unsigned *out) {
    static const struct {
        const char *name;
        bool by_default;
    } all[] = {
#define COMPENSATION(name, by_default, doc) {#name, by_default},
#include "passes/compensations.def"
#undef COMPENSATION
    };
    const char *list = cli_value(c, "compensate", NULL);
    *out = 0;
    for (size_t i = 0; i < DS_COUNT(all); i++)
        if (list ? !strcmp(list, "all") : all[i].by_default) *out |= 1u << i;
    if (!list || !strcmp(list, "all") || !strcmp(list, "none")) return DS_OK;
    for (size_t length; *list; list += length + (list[length] == ',')) {
        size_t i = 0;
        length = strcspn(list, ",");
        while (i < DS_COUNT(all) && (strlen(all[i].name) != length || strncmp(all[i].name, list, length))) i++;
        if (i == DS_COUNT(all)) {
            fprintf(stderr, "dsc: error: --compensate is none, all, or a list of names, unlike '%s'\n", list);
            return DS_BAD_USAGE;
        }
        *out |= 1u << i;
    }
    return DS_OK;
}

ds_status model_read_policy(ds_ir_context *cx, const char *word, ds_policy *out) {
    if (ds_policy_named(cx, word, out)) return DS_OK;
    if (!access(word, F_OK)) return ds_policy_read(cx, word, out);
    fprintf(stderr, "dsc: error: --precision is %s, or a file of rules or ranges, not '%s'\n", ds_policy_words(cx),
            word);
    return DS_BAD_USAGE;
}

static ds_status read_precision(const cli *c, ds_ir_context *cx, ds_pass_options *o) {
    const char *word = cli_value(c, "precision", "f32"), *known = cli_value(c, "ranges", NULL);
    ds_policy *policy = DS_NEW(cx->arena, ds_policy);
    ds_ranges *ranges = DS_NEW(cx->arena, ds_ranges);
    if (ends_with(word, ".json") && known) {
        fprintf(stderr, "dsc: error: --precision=%s decides all by itself: --ranges says nothing more\n", word);
        return DS_BAD_USAGE;
    }
    if (ends_with(word, ".json")) known = word;
    else DS_TRY(model_read_policy(cx, word, policy));
    if (known != word) o->policy = policy;
    if (!known) return DS_OK;
    o->ranges = ranges;
    return ds_ranges_read(cx, known, ranges);
}

ds_status model_pass_options(const cli *c, ds_ir_context *cx, const char *default_cpu, ds_pass_options *o) {
    const char *cpu = cli_value(c, "cpu", default_cpu);
    const ds_target *target = ds_target_find(cpu);
    const char *machine = cli_value(c, "tune-for", target ? target->name : "");
    *o = (ds_pass_options){.target = target,
                           .machine = target ? ds_machine_find(machine, target->name) : NULL,
                           .print_after_all = cli_has(c, "print-ir-after-all"),
                           .print_changed = cli_has(c, "print-changed"),
                           .trace_rules = cli_has(c, "trace-rules"),
                           .timing = cli_has(c, "timing"),
                           .verify_each = cli_has(c, "verify-each"),
                           .print_after = cli_value(c, "print-ir-after", NULL),
                           .passes = cli_value(c, "passes", NULL),
                           .stop_after = cli_value(c, "stop-after", NULL),
                           .without = cli_value(c, "without", NULL),
                           .reproducer = cli_value(c, "reproducer", "dsc-reproducer.mlir")};
    DS_TRY(read_compensations(c, &o->compensate));
    if (strcmp(c->command, "quantize")) DS_TRY(read_precision(c, cx, o)); /* which decides that itself */
    if (o->machine) return cli_has(c, "schedules") ? schedules_read(cx, cli_value(c, "schedules", ""), o) : DS_OK;
    if (target)
        fprintf(stderr, "dsc: error: no machine is called '%s' at level %s (dsc info lists them)\n", machine,
                target->name);
    else fprintf(stderr, "dsc: error: no ISA level is called '%s' (dsc info lists them)\n", cpu);
    return DS_BAD_USAGE;
}

ds_status model_check_plan(ds_module *m) {
    static const char *const needs[] = {"inputs", "outputs", "arena", "lane_bytes"};
    const ds_op *plan = ds_module_find(m, "main");
    if (!plan) return ds_report(m->cx->diag, DS_ERROR, DS_E_form, NULL, "there is no function @main");
    for (size_t i = 0; i < DS_COUNT(needs); i++)
        if (!ds_op_attr(plan, needs[i]))
            return ds_report(m->cx->diag, DS_ERROR, DS_E_form, NULL, "@main is no plan: it has no attribute '%s'",
                             needs[i]);
    return DS_OK;
}

ds_cache *model_cache(const cli *c, ds_ir_context *cx) {
    const char *folder = cli_value(c, "cache", getenv("DSC_CACHE"));
    return folder && *folder ? ds_cache_open(cx->diag, folder) : NULL;
}

ds_status model_build(const cli *c, ds_module *m, const ds_cpu_options *options, ds_built *out) {
    double jobs = cli_number(c, "jobs");
    ds_pool *pool = dsrt_pool_create(jobs >= 1 ? (uint32_t)jobs : (uint32_t)sysconf(_SC_NPROCESSORS_ONLN));
    ds_cpu_options with_cache = *options;
    with_cache.cache = model_cache(c, m->cx);
    ds_status status = ds_build(m, &with_cache, pool, out);
    ds_cache_close(with_cache.cache, m->cx->diag, options->timing);
    dsrt_pool_destroy(pool);
    return status;
}

ds_status model_open(const cli *c, ds_ir_context *cx, ds_files *files, const ds_dim_value *dims, size_t dim_count,
                     model *m) {
    ds_pass_options passes;
    *m = (model){0};
    DS_TRY(model_pass_options(c, cx, "native", &passes));
    DS_TRY(model_load(c, cx, files, dims, dim_count, &m->module));
    return model_compile(c, cx, &passes, m);
}

double model_weight_bytes(const ds_module *m) {
    double total = 0;
    for (const ds_op *op = ds_op_block(ds_module_find(m, "main"), 0)->first; op; op = op->next)
        if (op->kind == DS_PLAN_weight) total += (double)ds_attr_to_expr(ds_op_attr(op, "bytes"))->value;
    return total;
}

ds_status model_compile(const cli *c, ds_ir_context *cx, const ds_pass_options *passes, model *m) {
    DS_TRY(ds_passes_run(m->module, passes));
    DS_TRY(model_check_plan(m->module));
    ds_cpu_options cpu = {.target = passes->target,
                          .prefix = "ds_model_entry",
                          .optimise = (int)cli_number(c, "optimise"),
                          .listing = cli_value(c, "debug", NULL),
                          .timing = cli_has(c, "timing"),
                          .jobs = (int)cli_number(c, "jobs")};
    DS_TRY(model_build(c, m->module, &cpu, &m->built));
    DS_TRY(model_write_listing(c, cx, &m->built.code));
    return ds_jit_create(cx->diag, &m->built.code, cpu.prefix, &m->jit);
}

void model_close(model *m) {
    ds_jit_destroy(m->jit);
    if (m->module) ds_built_free(&m->built);
    ds_module_destroy(m->module);
}

/* ---- calls ---- */

ds_status model_read_input(ds_ir_context *cx, ds_files *files, const char *folder, size_t i, const char *name,
                           const ds_type *type, ds_model_tensor *out, bool *out_owned, bool *out_npy) {
    const ds_elem_info *e = ds_elem_facts(type->elem);
    const char *npy = npy_path(cx, folder, i);
    *out = (ds_model_tensor){0};
    *out_owned = *out_npy = npy != NULL;
    if (npy) {
        ds_model_argument argument = {
            .name = name, .elem = e->name, .elem_bits = e->bits, .rank = (uint32_t)type->rank};
        const char *wrong = dsrt_npy_read(npy, &argument, out);
        if (wrong) return ds_report(cx->diag, DS_ERROR, DS_E_inputs, NULL, "'%s' (input '%s'): %s", npy, name, wrong);
    } else {
        const ds_attr *value;
        DS_TRY(ds_onnx_read_tensor(cx, files, ds_arena_printf(cx->arena, "%s/input_%zu.pb", folder, i), &value));
        if (value->type->elem != type->elem || value->type->rank != type->rank || type->rank > DS_COUNT(out->dims))
            return ds_report(cx->diag, DS_ERROR, DS_E_inputs, NULL,
                             "input %zu ('%s') is %s of rank %zu, the model needs %s of rank %zu", i, name,
                             ds_elem_facts(value->type->elem)->text, value->type->rank, e->text, type->rank);
        out->data = (void *)(uintptr_t)value->bytes;
        out->bytes = value->count;
        for (size_t d = 0; d < type->rank; d++) out->dims[d] = value->type->dims[d]->value;
    }
    for (size_t d = 0; d < type->rank; d++) {
        int64_t want;
        if (ds_expr_is_const(type->dims[d], &want) && want != out->dims[d])
            return ds_report(cx->diag, DS_ERROR, DS_E_inputs, NULL,
                             "input %zu ('%s') has extent %lld in dimension %zu, the model needs %lld", i, name,
                             (long long)out->dims[d], d, (long long)want);
    }
    return DS_OK;
}

ds_status call_link(const model *m, ds_ir_context *cx, model_call *call) {
    const ds_signature *s = &m->built.signature;
    ds_entries entries = ds_jit_entries(m->jit);
    *call =
        (model_call){.model = dsrt_model_link(entries.entry, entries.arena_for, entries.description, m->built.weights)};
    if (!call->model)
        return ds_report(cx->diag, DS_ERROR, DS_E_internal, NULL, "the model's description cannot be read");
    call->inputs = ds_xmalloc((s->input_count + 1) * sizeof *call->inputs);
    call->outputs = ds_xmalloc((s->output_count + 1) * sizeof *call->outputs);
    call->owned = ds_xmalloc(s->input_count + 1);
    memset(call->owned, 0, s->input_count + 1);
    memset(call->outputs, 0, (s->output_count + 1) * sizeof *call->outputs);
    return DS_OK;
}

ds_status call_open(const model *m, ds_ir_context *cx, ds_files *files, const char *folder, model_call *call) {
    const ds_signature *s = &m->built.signature;
    DS_TRY(call_link(m, cx, call));
    for (size_t i = 0; i < s->input_count; i++)
        DS_TRY(model_read_input(cx, files, folder, i, s->inputs[i].name, s->inputs[i].type, &call->inputs[i],
                                &call->owned[i], &call->npy));
    return DS_OK;
}

ds_status call_poison(const cli *c, model_call *call) {
    const char *text = cli_value(c, "poison", NULL);
    char *end;
    if (!text) return DS_OK;
    unsigned long byte = strtoul(text, &end, 0);
    call->poisoned = true, call->twice = !*text;
    call->poison = *text ? (unsigned char)byte : 0xff;
    if (!*end && byte <= 0xff) return DS_OK;
    fprintf(stderr, "dsc: error: --poison needs a byte, not '%s'\n", text);
    return DS_BAD_USAGE;
}

/* Of packed elements: what the last byte has behind them is written by nothing. */
static void clear_unused_bits(const ds_type *type, ds_model_tensor *t) {
    const ds_elem_info *e = ds_elem_facts(type->elem);
    uint64_t count = 1;
    for (size_t d = 0; d < type->rank; d++) count *= (uint64_t)t->dims[d];
    unsigned used = (unsigned)(count * e->bits % 8);
    if (e->packed && used) ((unsigned char *)t->data)[t->bytes - 1] &= (unsigned char)((1u << used) - 1);
}

static ds_status run_once(const model *m, ds_ir_context *cx, ds_pool *pool, model_call *call) {
    dsrt_call_close(call->call);
    call->call = dsrt_call_open(call->model, pool, call->inputs, NULL);
    if (!call->call) ds_out_of_memory();
    if (call->poisoned) dsrt_call_fill(call->call, call->poison);
    int status = dsrt_call_run(call->call);
    if (status) {
        char text[1024];
        dsrt_call_explain(call->call, status, text, sizeof text);
        return ds_report(cx->diag, DS_ERROR, DS_E_run, NULL, "%s (status %d)", text, status);
    }
    for (size_t i = 0; i < m->built.signature.output_count; i++) {
        ds_model_tensor *t = &call->outputs[i];
        dsrt_call_result(call->call, (uint32_t)i, t);
        if (m->built.signature.outputs[i].is_alias) { /* it is the call's */
            const void *data = t->data;
            t->data = ds_xmalloc((size_t)t->bytes + 1);
            memcpy(t->data, data, (size_t)t->bytes);
        }
        clear_unused_bits(m->built.signature.outputs[i].type, &call->outputs[i]);
    }
    return DS_OK;
}

static ds_status same_bits(const model *m, ds_ir_context *cx, const ds_model_tensor *first,
                           const ds_model_tensor *second) {
    ds_status status = DS_OK;
    for (size_t i = 0; i < m->built.signature.output_count; i++) {
        const ds_argument *a = &m->built.signature.outputs[i];
        const unsigned char *x = first[i].data, *y = second[i].data;
        uint64_t at = 0;
        bool same = first[i].bytes == second[i].bytes &&
                    !memcmp(first[i].dims, second[i].dims, a->type->rank * sizeof *first[i].dims);
        while (same && at < first[i].bytes && x[at] == y[at]) at++;
        if (same && at == first[i].bytes) continue;
        status = ds_report(cx->diag, DS_ERROR, DS_E_poison, NULL,
                           "output '%s' depends on what memory held before the run: %s%llu", a->name,
                           same ? "the first byte that differs is " : "its size differs, ", (unsigned long long)at);
    }
    return status;
}

enum { OTHER_POISON = 0x40 }; /* beside 0xff, which is NaN, -1, true: 3.0, or a large integer */

ds_status call_run(const model *m, ds_ir_context *cx, ds_pool *pool, model_call *call) {
    DS_TRY(run_once(m, cx, pool, call));
    if (!call->twice) return DS_OK;
    size_t count = m->built.signature.output_count;
    ds_model_tensor *first = ds_xmalloc((count + 1) * sizeof *first);
    memcpy(first, call->outputs, count * sizeof *first);
    memset(call->outputs, 0, count * sizeof *first);
    call->poison = OTHER_POISON;
    ds_status status = run_once(m, cx, pool, call);
    if (status == DS_OK) status = same_bits(m, cx, first, call->outputs);
    for (size_t i = 0; i < count; i++) free(first[i].data);
    free(first);
    return status;
}

void call_close(const model *m, model_call *call) {
    const ds_signature *s = &m->built.signature;
    for (size_t i = 0; call->outputs && i < s->output_count; i++) free(call->outputs[i].data);
    for (size_t i = 0; call->owned && i < s->input_count; i++)
        if (call->owned[i]) free(call->inputs[i].data);
    free(call->inputs), free(call->outputs), free(call->owned);
    dsrt_call_close(call->call);
    dsrt_model_close(call->model);
}
