/* One module has the kernel once for each schedule, one after the other over the same operands, and is compiled as a
 * traced model: each run calls all of them, and the trace says when each begins and ends. So they are compared in
 * turns, and whatever else the machine does meets all alike. Weights have copies, which take turns, too: in the model
 * other weights come between two uses of the same.
 */
#include "tools/trial.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "passes/contraction.h"
#include "tools/measure.h"
#include "tools/plan.h"

enum { MOST_COPIES = 64, LEAST_COPIED = 1 << 14 /* bytes */, LEAST_RUNS = 15, MOST_RUNS = 400, OPERAND_ALIGN = 64 };

/* ---- what can be measured ---- */

static bool is_constant(const ds_value *v) {
    if (v->op) return v->op->kind == DS_GRAPH_constant;
    const ds_attr *attrs = ds_op_attr(v->block->region->op, "arg_attrs");
    return attrs && v->index < attrs->count && ds_attr_find(attrs->items[v->index], "ds.recipe");
}

static uint64_t bytes_of(ds_ir_context *cx, const ds_type *type) {
    int64_t bytes = 0;
    ds_expr_is_const(ds_elem_bytes_of(cx, type->elem, ds_layout_count(cx, type)), &bytes);
    return (uint64_t)bytes;
}

double trial_constant_bytes(ds_ir_context *cx, const ds_module *m) {
    const ds_block *block = ds_op_block(ds_module_find(m, "main"), 0);
    double bytes = 0;
    for (size_t i = 0; i < block->arg_count; i++)
        if (is_constant(block->args[i])) bytes += (double)bytes_of(cx, block->args[i]->type);
    for (const ds_op *op = block->first; op; op = op->next)
        if (op->kind == DS_GRAPH_constant) bytes += (double)bytes_of(cx, op->results[0].type);
    return bytes;
}

static void note_symbol(void *user, const char *name) {
    (void)name;
    *(bool *)user = false;
}

static bool is_known(const ds_type *type) { return type->kind != DS_TYPE_TENSOR || ds_type_is_static(type); }

static void check_op(void *user, ds_op *op) {
    bool *known = user;
    for (size_t i = 0; i < op->result_count; i++) *known = *known && is_known(op->results[i].type);
    for (size_t i = 0; i < op->attr_count; i++) ds_attr_each_symbol(op->attrs[i].value, note_symbol, known);
}

bool trial_is_possible(const ds_op *kernel) {
    bool known = true;
    for (size_t i = 0; i < kernel->operand_count; i++) known = known && is_known(ds_op_operand(kernel, i)->type);
    for (size_t i = 0; i < kernel->result_count; i++) known = known && is_known(kernel->results[i].type);
    ds_walk(ds_op_block(kernel, 0), check_op, &known);
    return known;
}

/* ---- the module ---- */

/* Operand i of the kernel is argument first[i] of @main, and those behind it, one a copy. */
typedef struct {
    ds_module *module;
    size_t *first, *copies; /* by operand */
} bench;

static size_t copies_of(const trial_setting *t, const ds_value *v) {
    long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
    double bytes = (double)bytes_of(t->cx, v->type), most = 2 * (double)(cache > 0 ? cache : 1 << 25);
    double wanted = t->constant_bytes < most ? t->constant_bytes : most;
    if (!is_constant(v) || bytes < LEAST_COPIED) return 1;
    return wanted / bytes > MOST_COPIES ? MOST_COPIES : (size_t)(wanted / bytes) + 1;
}

static void make_module(const trial_setting *t, const ds_op *kernel, const ds_attr *const *schedules, size_t count,
                        bench *out) {
    ds_module *m = out->module = ds_module_create(t->cx);
    ds_op *func = ds_func_create(m, "main");
    ds_block *block = ds_op_block(func, 0);
    out->first = ds_arena_alloc(m->arena, (kernel->operand_count + 1) * sizeof *out->first);
    out->copies = ds_arena_alloc(m->arena, (kernel->operand_count + 1) * sizeof *out->copies);
    for (size_t i = 0; i < kernel->operand_count; i++) {
        const ds_value *v = ds_op_operand(kernel, i);
        out->first[i] = block->arg_count;
        out->copies[i] = copies_of(t, v);
        for (size_t k = 0; k < out->copies[i]; k++) ds_block_add_arg(m, block, v->type, NULL);
    }
    ds_builder b = {m, block, NULL, kernel->loc};
    for (size_t s = 0; s < count; s++) {
        ds_mapping mapping = {0};
        for (size_t i = 0; i < kernel->operand_count; i++)
            ds_mapping_set(&mapping, ds_op_operand(kernel, i), block->args[out->first[i] + s % out->copies[i]]);
        ds_op *copy = ds_op_clone(&b, kernel, &mapping);
        ds_op_set_attr(m, copy, "schedule", schedules[s]);
        ds_mapping_free(&mapping);
    }
    ds_op_create(&b, DS_RETURN, NULL, 0, NULL, 0, 0);
}

/* ---- operands ---- */

/* Small numbers, none of them subnormal; of integers zeros, which are good indices. */
static void fill(ds_elem elem, void *data, uint64_t bytes) {
    uint32_t state = 12345;
    memset(data, 0, bytes);
    for (uint64_t i = 0; elem == DS_f32 && i < bytes / 4; i++) {
        state = state * 1664525u + 1013904223u;
        ((float *)data)[i] = (float)(int32_t)(state >> 8 & 0xffff) / 65536.0f - 0.5f + 1.0f / (1 << 20);
    }
}

typedef struct {
    uint8_t *memory, *args; /* of all arguments; the struct that the entry takes */
    uint64_t *at, *bytes;   /* of each argument in memory; stb_ds arrays */
} operands;

static operands make_operands(ds_ir_context *cx, const ds_signature *s) {
    operands o = {.args = ds_xmalloc(s->bytes + 1)};
    uint64_t end = 0;
    for (size_t i = 0; i < s->input_count; i++) {
        uint64_t bytes = bytes_of(cx, s->inputs[i].type);
        arrput(o.at, end);
        arrput(o.bytes, bytes);
        end += (bytes + 2 * OPERAND_ALIGN - 1) / OPERAND_ALIGN *
               OPERAND_ALIGN; /* vectors may read past the last element */
    }
    o.memory = aligned_alloc(OPERAND_ALIGN, end + OPERAND_ALIGN);
    if (!o.memory) ds_out_of_memory();
    for (size_t i = 0; i < s->input_count; i++) fill(s->inputs[i].type->elem, o.memory + o.at[i], o.bytes[i]);
    return o;
}

/* Copies of an operand change places from turn to turn. */
static void bind(const bench *b, const ds_signature *s, const operands *o, size_t operand_count, size_t turn) {
    for (size_t i = 0; i < operand_count; i++)
        for (size_t k = 0; k < b->copies[i]; k++) {
            size_t from = b->first[i] + (k + turn) % b->copies[i];
            void *data = o->memory + o->at[from];
            uint8_t *argument = o->args + s->inputs[b->first[i] + k].offset;
            memcpy(argument, &data, sizeof data);
            memcpy(argument + 8, &o->bytes[from], 8);
        }
}

static void free_operands(operands *o) {
    free(o->memory);
    free(o->args);
    arrfree(o->at);
    arrfree(o->bytes);
}

/* ---- measuring ---- */

typedef struct {
    clockid_t clock;
    double *begun, *took; /* by step, of this run */
    size_t count;
} stopwatch;

static double read_clock(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void on_step(void *user, uint32_t step, uint32_t done) {
    stopwatch *w = user;
    if (step >= w->count) return;
    if (done) w->took[step] = read_clock(w->clock) - w->begun[step];
    else w->begun[step] = read_clock(w->clock);
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Seconds of each step: the lower quartile of the runs, which bears what else the machine does. */
static ds_status measure_steps(const trial_setting *t, const ds_built *built, const ds_jit *jit, const bench *b,
                               size_t operand_count, size_t count, double seconds, double *out) {
    ds_entries run = ds_jit_entries(jit);
    int64_t lanes = t->pool ? t->pool->concurrency : 1;
    uint64_t bytes = run.arena_for(NULL, lanes);
    operands o = make_operands(t->cx, &built->signature);
    void *arena = aligned_alloc(64, (bytes + 127) / 64 * 64);
    double *times = ds_xmalloc((count * (MOST_RUNS + 2) + 1) * sizeof *times);
    clockid_t clock =
        t->pool ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID; /* what others run in between does not count */
    stopwatch w = {clock, times + count * MOST_RUNS, times + count * (MOST_RUNS + 1), count};
    if (!arena) ds_out_of_memory();
    ds_context context = {.size = sizeof context,
                          .abi = DS_ABI,
                          .arena = arena,
                          .arena_bytes = bytes,
                          .pool = t->pool,
                          .user = &w,
                          .trace = on_step};
    size_t runs = 0;
    bind(b, &built->signature, &o, operand_count, 0);
    int status = run.entry(&context, o.args);
    for (double end = measure_now() + seconds;
         !status && runs < MOST_RUNS && (runs < LEAST_RUNS || measure_now() < end); runs++) {
        bind(b, &built->signature, &o, operand_count, (runs + 1) * (count + 1));
        status = run.entry(&context, o.args);
        for (size_t i = 0; i < count; i++) times[i * MOST_RUNS + runs] = w.took[i];
    }
    for (size_t i = 0; !status && i < count; i++) {
        qsort(times + i * MOST_RUNS, runs, sizeof *times, compare);
        out[i] = times[i * MOST_RUNS + runs / 4];
    }
    free(times);
    free(arena);
    free_operands(&o);
    return status ? ds_report(t->cx->diag, DS_ERROR, DS_E_run, NULL, "a kernel that is measured alone failed: %s",
                              dsrt_status_text(status))
                  : DS_OK;
}

/* Kernels are named k0, k1, … in the order of the schedules; steps may have been put into another order. */
static void by_schedule(ds_module *m, const double *steps, size_t count, double *out_ms) {
    plan_step *plan = plan_steps(m);
    for (size_t i = 0; i < arrlenu(plan) && i < count; i++) {
        size_t number = strtoul(plan_kernel(&plan[i]) + 1, NULL, 10);
        if (number < count) out_ms[number] = 1e3 * steps[i];
    }
    arrfree(plan);
}

ds_status trial_run(const trial_setting *t, const ds_op *kernel, const ds_attr *const *schedules, size_t count,
                    double seconds, double *out_ms) {
    bench b;
    ds_built built = {0};
    ds_jit *jit = NULL;
    ds_pass_options passes = t->passes;
    passes.passes = "lower";
    double *steps = ds_xmalloc((count + 1) * sizeof *steps);
    double start = measure_now();
    make_module(t, kernel, schedules, count, &b);
    ds_status status = ds_passes_run(b.module, &passes);
    if (status == DS_OK) status = ds_build(b.module, &t->cpu, t->pool, &built);
    if (status == DS_OK) status = ds_jit_create(t->cx->diag, &built.code, t->cpu.prefix, &jit);
    double compiling = measure_now() - start; /* what took long to make is worth a good look */
    if (seconds < compiling / 3) seconds = compiling / 3;
    if (status == DS_OK) status = measure_steps(t, &built, jit, &b, kernel->operand_count, count, seconds, steps);
    if (status == DS_OK) by_schedule(b.module, steps, count, out_ms);
    ds_jit_destroy(jit);
    ds_built_free(&built);
    ds_module_destroy(b.module);
    free(steps);
    return status;
}
