/* All functions of a module's plans -> objects, side by side.
 *
 * First every kernel becomes LLVM IR under the same name: kernels with the same IR share the code of the first of them,
 * as those do that differ in the names of their symbols only. Then the rest is compiled, the plans and what is large
 * first, so that no thread is left alone with the largest at the end. What is shared and the order of objects do not
 * depend on who was first.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <llvm-c/BitWriter.h>

#include "codegen/cpu/compile.h"
#include "ir/base/hash.h"

enum {
    LARGE_PLAN = 8192, /* instructions: passes take longer for more than they gain in the calls between kernels */
    MOST_THREADS = 64,
    MOST_PARTS = 2
};

/* A function that is compiled. */
typedef struct {
    const ds_cpu_part *part;
    const ds_op *func;
    bool is_plan;
    emitter e;        /* open from its emission until there is code */
    ds_digest digest; /* of its IR */
    size_t size;      /* of its IR, in bytes */
    size_t same_as;   /* the number of the unit whose code is used; its own as a rule */
    ds_object object;
    const char *error;
} unit;

typedef struct {
    size_t part;
    ds_digest digest;
} known_code;

typedef struct {
    known_code key;
    size_t value;
} known_unit;

typedef struct {
    ds_module *module;
    unit *units;        /* stb_ds array: for every part its kernels, then the plan */
    size_t *order;      /* stb_ds array: units to be compiled */
    known_unit *known;  /* stb_ds hash map: the first unit with a key, so far */
    ds_op_line **lines; /* for every part */
    em_alias **aliases; /* for every part */
    const ds_cpu_part *parts;
    size_t next;
    pthread_mutex_t lock;
} batch;

static size_t part_of(const batch *b, const unit *u) { return (size_t)(u->part - b->parts); }

static const char *name_of(const unit *u) { return ds_op_text(u->func, "name", ""); }

/* The next of `count` things to do, or `count`. */
static size_t take(batch *b, size_t count) {
    pthread_mutex_lock(&b->lock);
    size_t i = b->next < count ? b->next++ : count;
    pthread_mutex_unlock(&b->lock);
    return i;
}

/* What one thread compiles with: for every part, with all passes and without. */
typedef struct {
    em_machine made[MOST_PARTS][2];
} machines;

static em_machine machine_for(batch *b, machines *m, const unit *u, bool quick) {
    em_machine *machine = &m->made[part_of(b, u)][quick];
    if (!machine->llvm) *machine = em_machine_open(u->part->options->target, quick);
    return *machine;
}

static void close_machines(machines *m) {
    for (size_t i = 0; i < MOST_PARTS; i++)
        for (size_t quick = 0; quick < 2; quick++) em_machine_close(&m->made[i][quick]);
}

/* ---- emission, and which kernels are the same ---- */

static void emit_unit(batch *b, machines *m, unit *u) {
    const ds_cpu_options *o = u->part->options;
    em_machine machine = machine_for(b, m, u, o->optimise == 0);
    bool own_name = u->is_plan || o->listing; /* debug information has the name */
    char symbol[DS_SYMBOL_BYTES];
    em_kernel_name(symbol, o->prefix, name_of(u));
    u->error = machine.llvm ? NULL : "LLVM does not know this target";
    if (u->error) return;
    em_open(&u->e, own_name ? name_of(u) : "kernel", o, machine.llvm);
    u->e.lines = b->lines[part_of(b, u)];
    u->e.aliases = b->aliases[part_of(b, u)];
    u->e.symbol = own_name ? symbol : em_any_name();
    if (u->is_plan) em_plan(&u->e, b->module, u->func, u->part->out->weights, o);
    else em_kernel(&u->e, b->module->cx, u->func);
    em_debug_end(&u->e);
    u->e.symbol = NULL;
    u->error = u->e.error;
}

static void find_digest(unit *u) {
    LLVMMemoryBufferRef bitcode = LLVMWriteBitcodeToMemoryBuffer(u->e.module);
    ds_hasher h;
    u->size = LLVMGetBufferSize(bitcode);
    ds_hasher_open(&h);
    ds_hasher_add(&h, LLVMGetBufferStart(bitcode), u->size);
    u->digest = ds_hasher_close(&h);
    LLVMDisposeMemoryBuffer(bitcode);
}

/* Unit i shares its code with the first unit of the same IR, whichever was emitted first. */
static void share(batch *b, size_t i) {
    known_code code = {part_of(b, &b->units[i]), b->units[i].digest};
    pthread_mutex_lock(&b->lock);
    ptrdiff_t at = hmgeti(b->known, code);
    size_t first = at < 0 ? i : b->known[at].value, last = i;
    if (first > i) {
        last = first;
        first = i;
    }
    hmput(b->known, code, first);
    b->units[last].same_as = first;
    pthread_mutex_unlock(&b->lock);
    if (first != last) em_close(&b->units[last].e);
}

static void *emit_units(void *arg) {
    batch *b = arg;
    machines m = {0};
    for (size_t i, count = arrlenu(b->units); (i = take(b, count)) < count;) {
        unit *u = &b->units[i];
        if (u->is_plan || u->part->options->listing) continue;
        emit_unit(b, &m, u);
        if (u->error) continue;
        find_digest(u);
        share(b, i);
    }
    close_machines(&m);
    return NULL;
}

/* Plans call the kernels whose code there is. */
static void name_shared(batch *b) {
    for (size_t i = 0; i < arrlenu(b->units); i++) {
        unit *u = &b->units[i];
        while (b->units[u->same_as].same_as != u->same_as) u->same_as = b->units[u->same_as].same_as;
        if (u->same_as != i) shput(b->aliases[part_of(b, u)], name_of(u), name_of(&b->units[u->same_as]));
    }
}

/* ---- code ---- */

static size_t count_instructions(LLVMModuleRef module) {
    size_t n = 0;
    for (LLVMValueRef f = LLVMGetFirstFunction(module); f; f = LLVMGetNextFunction(f))
        for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(f); b; b = LLVMGetNextBasicBlock(b))
            for (LLVMValueRef i = LLVMGetFirstInstruction(b); i; i = LLVMGetNextInstruction(i)) n++;
    return n;
}

/* A kernel's own name, in text: before it is printed. */
static void rename_kernel(unit *u, const char *symbol) {
    LLVMValueRef function = LLVMGetNamedFunction(u->e.module, em_any_name());
    if (function) LLVMSetValueName2(function, symbol, strlen(symbol));
    LLVMSetModuleIdentifier(u->e.module, name_of(u), strlen(name_of(u)));
    LLVMSetSourceFileName(u->e.module, name_of(u), strlen(name_of(u)));
}

/* What the code depends on: the build of dsc, with kernels/ in it, and of LLVM; the target; the form; the IR. `symbol`
 * is a kernel's name where the form has it, else "". */
static ds_digest cache_key(const unit *u, const char *symbol, bool quick) {
    const ds_cpu_options *o = u->part->options;
    const uint8_t flags[] = {quick, o->want_text, o->want_assembly};
    const char *const texts[] = {o->target->arch, o->target->cpu, o->target->features, symbol};
    ds_hasher h;
    ds_cache_key_open(o->cache, &h);
    ds_hasher_add(&h, flags, sizeof flags);
    for (size_t i = 0; i < DS_COUNT(texts); i++) ds_hasher_add_text(&h, texts[i]);
    ds_hasher_add(&h, &u->digest, sizeof u->digest);
    return ds_hasher_close(&h);
}

/* The unit's code, from the cache where it is there. */
static const char *find_code(batch *b, machines *m, unit *u, const char *symbol, bool quick) {
    const ds_cpu_options *o = u->part->options;
    em_machine machine = machine_for(b, m, u, quick);
    if (!o->cache || o->listing) return em_code(&u->e, o, machine, &u->object);
    if (u->is_plan) find_digest(u);
    ds_digest key = cache_key(u, symbol, quick);
    if (ds_cache_get(o->cache, key, &u->object.bytes, &u->object.length)) return NULL;
    const char *error = em_code(&u->e, o, machine, &u->object);
    if (!error) ds_cache_put(o->cache, key, u->object.bytes, u->object.length);
    return error;
}

static void compile_unit(batch *b, machines *m, unit *u) {
    const ds_cpu_options *o = u->part->options;
    bool is_text = o->want_text || o->want_assembly, shared_name = !u->is_plan && !o->listing, quick = o->optimise == 0;
    char symbol[DS_SYMBOL_BYTES];
    if (!u->e.llvm && !u->error) emit_unit(b, m, u);
    em_kernel_name(symbol, o->prefix, name_of(u));
    if (!u->error && is_text && shared_name) rename_kernel(u, symbol);
    if (!u->error && u->is_plan) quick = quick || o->runs_once || count_instructions(u->e.module) > LARGE_PLAN;
    if (!u->error) u->error = find_code(b, m, u, is_text ? symbol : "", quick);
    if (!u->error && !is_text && shared_name && !em_name_symbol(&u->object, symbol))
        u->error = "an object without its symbol";
    em_close(&u->e);
}

static void *compile_units(void *arg) {
    batch *b = arg;
    machines m = {0};
    for (size_t i, count = arrlenu(b->order); (i = take(b, count)) < count;)
        compile_unit(b, &m, &b->units[b->order[i]]);
    close_machines(&m);
    return NULL;
}

/* ---- all of it ---- */

/* Kernels, then the plan, as they are compiled. */
static void print_listing(batch *b, const ds_cpu_part *part) {
    unsigned line = 1;
    for (size_t i = 0; i < arrlenu(b->units); i++) {
        const ds_op *func = b->units[i].func;
        const char *nodes = func->loc ? ds_loc_text(func->loc) : "";
        if (b->units[i].part != part) continue;
        ds_string_printf(&part->out->listing, "// %s\n", nodes);
        line = ds_op_print_lines(&part->out->listing, func, line + 1, &b->lines[part - b->parts]);
    }
}

static void add_unit(batch *b, const ds_cpu_part *part, const ds_op *func, bool is_plan) {
    size_t i = arrlenu(b->units);
    while (i > 0 && b->units[i - 1].part == part)
        if (b->units[--i].func == func) return;
    unit u = {.part = part, .func = func, .is_plan = is_plan, .same_as = arrlenu(b->units)};
    arrput(b->units, u);
}

static void add_weight(ds_compiled *out, const ds_op *op) {
    const ds_attr *c = ds_op_attr(op, "constant");
    const ds_expr *bytes = ds_attr_to_expr(ds_op_attr(op, "bytes"));
    for (size_t i = 0; i < arrlenu(out->weights); i++)
        if (out->weights[i].constant == c) return;
    uint64_t size = c->kind == DS_ATTR_ELEMENTS ? c->count : (uint64_t)bytes->value;
    ds_weight w = {c, out->weight_bytes, size};
    arrput(out->weights, w);
    out->weight_bytes += (size + 63) & ~(uint64_t)63;
}

/* Everything that a plan needs. */
static void collect(batch *b, const ds_cpu_part *part, const ds_block *block) {
    for (const ds_op *op = block->first; op; op = op->next) {
        if (op->kind == DS_PLAN_call) add_unit(b, part, ds_module_find(b->module, ds_op_text(op, "kernel", "")), false);
        else if (op->kind == DS_PLAN_weight) add_weight(part->out, op);
        for (size_t r = 0; r < op->region_count; r++) collect(b, part, ds_op_block(op, r));
    }
}

/* Plans, then kernels by size. */
static int compare_cost(const void *a, const void *b) {
    const unit *const *x = a, *const *y = b;
    if ((*x)->is_plan != (*y)->is_plan) return (*x)->is_plan ? -1 : 1;
    if ((*x)->size != (*y)->size) return (*x)->size > (*y)->size ? -1 : 1;
    return *x < *y ? -1 : 1;
}

static void find_order(batch *b) {
    const unit **sorted = NULL;
    for (size_t i = 0; i < arrlenu(b->units); i++)
        if (b->units[i].same_as == i) arrput(sorted, &b->units[i]);
    qsort(sorted, arrlenu(sorted), sizeof *sorted, compare_cost);
    for (size_t i = 0; i < arrlenu(sorted); i++) arrput(b->order, (size_t)(sorted[i] - b->units));
    arrfree(sorted);
}

static void run_threads(batch *b, void *(*work)(void *), size_t things) {
    pthread_t threads[MOST_THREADS];
    const ds_cpu_options *o = b->parts[0].options;
    size_t jobs = o->jobs > 0 ? (size_t)o->jobs : (size_t)sysconf(_SC_NPROCESSORS_ONLN), started = 0;
    if (jobs > MOST_THREADS) jobs = MOST_THREADS;
    if (jobs > things) jobs = things;
    b->next = 0;
    while (started + 1 < jobs && pthread_create(&threads[started], NULL, work, b) == 0) started++;
    work(b);
    for (size_t i = 0; i < started; i++) pthread_join(threads[i], NULL);
}

static ds_status report_error(batch *b, const unit *u) {
    ds_module *m = b->module;
    const char *where = ds_arena_printf(m->arena, "function '%s', node '%s'", name_of(u), ds_loc_text(u->func->loc));
    return ds_report(m->cx->diag, DS_ERROR, DS_E_llvm, where, "%s", u->error);
}

/* Hands out the objects; reports the first error. */
static ds_status finish(batch *b) {
    ds_status status = DS_OK;
    for (size_t i = 0; i < arrlenu(b->units); i++) {
        unit *u = &b->units[i];
        em_close(&u->e);
        if (u->error && status == DS_OK) status = report_error(b, u);
        if (!u->object.bytes) continue;
        u->part->out->code_bytes += u->object.length;
        arrput(u->part->out->objects, u->object);
    }
    return status;
}

ds_status ds_cpu_compile(ds_module *module, const ds_cpu_part *parts, size_t count) {
    ds_op_line *lines[MOST_PARTS] = {NULL};
    em_alias *aliases[MOST_PARTS] = {NULL};
    batch b = {.module = module, .lines = lines, .aliases = aliases, .parts = parts};
    for (size_t i = 0; i < count; i++) {
        const ds_op *plan = ds_module_find(module, parts[i].name);
        *parts[i].out = (ds_compiled){0};
        collect(&b, &parts[i], ds_op_block(plan, 0));
        add_unit(&b, &parts[i], plan, true);
        if (parts[i].options->listing) print_listing(&b, &parts[i]);
    }
    pthread_mutex_init(&b.lock, NULL);
    run_threads(&b, emit_units, arrlenu(b.units));
    name_shared(&b);
    find_order(&b);
    run_threads(&b, compile_units, arrlenu(b.order));
    pthread_mutex_destroy(&b.lock);
    ds_status status = finish(&b);
    for (size_t i = 0; i < count; i++) {
        hmfree(lines[i]);
        shfree(aliases[i]);
    }
    hmfree(b.known);
    arrfree(b.units);
    arrfree(b.order);
    return status;
}

void ds_compiled_free(ds_compiled *c) {
    for (size_t i = 0; i < arrlenu(c->objects); i++) free(c->objects[i].bytes);
    arrfree(c->objects);
    arrfree(c->weights);
    ds_string_free(&c->listing);
}
