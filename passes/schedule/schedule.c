/* schedule: decides how every kernel is computed, and writes it down.
 *
 *   before   %2 = "graph.kernel"(%x, %w, %bias) ({ matmul, map, yield })
 *   after    %2 = "graph.kernel"(%x, %w, %bias) ({ matmul, map, yield })
 *              {schedule = {program = "tile", levels = […], …}}
 *
 * The first program (programs.def) that has a proposal computes a kernel, by its best one; a schedule that was measured
 * (--schedules) comes
 * before it, and one that a kernel has already stays. A kernel that no program computes as a whole is taken apart.
 * `lower` obeys.
 * Needs:  grouped kernels.   Keeps: values.   Breaks: nothing.   Cost: linear; equal kernels are decided once.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "passes/schedule/schedule.h"
#include "passes/schedule/tile.h"

/* ---- the table ---- */

typedef struct {
    const char *name, *doc;
    ds_program_propose *propose;
    ds_program_check *check;
} program;

static const program programs[] = {
#define PROGRAM(name, doc) {#name, doc, propose_##name, check_##name},
#include "passes/schedule/programs.def"
#undef PROGRAM
};

/* Of very many ops. */
static void drop_too_large(ds_schedule **proposals, size_t from) {
    size_t kept = from;
    for (size_t i = from; i < arrlenu(*proposals); i++) {
        ds_schedule s = (*proposals)[i];
        if (arrlenu(s.levels) <= DS_SCHEDULE_MOST && arrlenu(s.places) <= DS_SCHEDULE_MOST) (*proposals)[kept++] = s;
        else ds_schedule_free(&s);
    }
    arrsetlen(*proposals, kept);
}

void ds_schedule_propose(const ds_core *core, const ds_op *kernel, ds_schedule **out) {
    if (schedule_misfit(core, kernel)) return;
    for (size_t i = 0; i < DS_COUNT(programs) && (core->exhausts || !arrlenu(*out)); i++) {
        size_t before = arrlenu(*out);
        programs[i].propose(core, kernel, out);
        drop_too_large(out, before);
    }
}

const char *ds_schedule_check(const ds_core *core, const ds_op *kernel, const ds_schedule *s) {
    const char *misfit = schedule_misfit(core, kernel);
    if (misfit) return misfit;
    for (size_t i = 0; i < DS_COUNT(programs); i++)
        if (!strcmp(programs[i].name, s->program)) return programs[i].check(core, kernel, s);
    return schedule_refuse(core, "no program is called '%s'", s->program);
}

void ds_programs_list(ds_string *out) {
    for (size_t i = 0; i < DS_COUNT(programs); i++)
        ds_string_printf(out, "  %-12s %s\n", programs[i].name, programs[i].doc);
}

/* ---- what programs share ---- */

static int64_t guess_symbol(void *user, const ds_expr *atom) {
    (void)user;
    (void)atom;
    return 64;
}

/* At least 1: pieces are made of what is guessed, and extents that come out as 0 or less for guessed symbols may be any
 * number. */
double schedule_estimate(const ds_expr *e) {
    double value = (double)ds_expr_evaluate(e, guess_symbol, NULL);
    return value < 1 ? 1 : value;
}

int64_t schedule_chunk_of(const ds_expr *extent, double work, int64_t multiple, double piece) {
    double total = schedule_estimate(extent) * work;
    int64_t chunk = work >= piece ? 1 : (int64_t)(piece / (work < 1 ? 1 : work)) + 1;
    if (total < 2 * piece && ds_expr_is_const(extent, NULL)) chunk = (int64_t)schedule_estimate(extent);
    if (chunk < 1) chunk = 1;
    return (chunk + multiple - 1) / multiple * multiple;
}

int64_t schedule_chunk(const ds_expr *extent, double work, int64_t multiple) {
    return schedule_chunk_of(extent, work, multiple, SCHEDULE_PIECE_WORK);
}

ds_tail schedule_tail(const ds_expr *extent, int64_t step, ds_tail otherwise) {
    int64_t known;
    return ds_expr_is_const(extent, &known) && known % step == 0 ? DS_TAIL_exact : otherwise;
}

const char *schedule_axis(const ds_core *core, char letter, size_t number) {
    char name[16];
    snprintf(name, sizeof name, "%c%u", letter, (unsigned)number);
    return ds_context_name(core->cx, name);
}

size_t schedule_axis_number(const char *axis, char letter, size_t end) {
    size_t number = 0;
    if (axis[0] != letter || !axis[1] || (axis[1] == '0' && axis[2])) return SIZE_MAX;
    for (const char *at = axis + 1; *at; at++) {
        if (*at < '0' || *at > '9' || number > SCHEDULE_MOST_DIMS) return SIZE_MAX;
        number = 10 * number + (size_t)(*at - '0');
    }
    return number < end ? number : SIZE_MAX;
}

size_t schedule_op_count(const ds_op *kernel) {
    size_t count = 0;
    for (const ds_op *op = ds_op_block(kernel, 0)->first; op && op->kind != DS_GRAPH_yield; op = op->next) count++;
    return count;
}

const ds_op *schedule_op(const ds_op *kernel, size_t index) {
    const ds_op *op = ds_op_block(kernel, 0)->first;
    while (index--) op = op->next;
    return op;
}

const char *schedule_refuse(const ds_core *core, const char *format, ...) {
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return ds_arena_strdup(core->cx->arena, text);
}

void schedule_offer(ds_schedule s, const char *wrong, ds_schedule **out) {
    if (wrong) ds_schedule_free(&s);
    else arrput(*out, s);
}

/* The number of the first item that the two lists do not share, and its text in the second one. */
static const char *first_difference(const ds_core *core, const ds_attr *given, const ds_attr *same, const char *name) {
    const ds_attr *a = ds_attr_find(given, name), *b = ds_attr_find(same, name);
    size_t i = 0, count = a ? a->count : 0, expected = b ? b->count : 0;
    ds_string text = {0};
    if (a == b) return NULL;
    while (i < count && i < expected && a->items[i] == b->items[i]) i++;
    if (i < expected) ds_attr_print(&text, b->items[i]);
    const char *there = i < expected ? text.data : "nothing";
    const char *why = schedule_refuse(core, "item %zu of '%s' can only be %.150s", i, name, there);
    ds_string_free(&text);
    return why;
}

const char *schedule_compare(const ds_core *core, const ds_schedule *given, ds_schedule *same) {
    const ds_attr *a = ds_schedule_attr(core->cx, given), *b = ds_schedule_attr(core->cx, same);
    ds_schedule_free(same);
    if (a == b) return NULL;
    const char *why = first_difference(core, a, b, "levels");
    if (!why) why = first_difference(core, a, b, "place");
    if (!why && ds_attr_find(a, "mma") != ds_attr_find(b, "mma"))
        why = "this program multiplies by another row of the table, or not";
    return why ? why : "nothing is fetched ahead by this program";
}

/* ---- the pass ---- */

ds_core schedule_core(const ds_pass_options *options, ds_ir_context *cx, bool recipes, ds_target *room) {
    *room = *options->target;
    ds_core core = {
        .cx = cx, .target = room, .machine = options->machine, .unrolls = !ds_pass_left_out(options, "unroll")};
    if (ds_pass_left_out(options, "tile")) room->registers = 5; /* for the narrowest tile */
    if (recipes) { /* they run on the machine that compiles, with the same arithmetic everywhere */
        core.target = ds_target_at(0);
        core.machine = ds_machine_at(0);
        core.unrolls = true;
    }
    core.lanes = core.target->vector_bytes / 4; /* as many as 32-bit elements */
    return core;
}

typedef struct {
    char *key;
    const ds_attr *value;
} decided;

typedef struct {
    ds_module *m;
    const ds_pass_options *options;
    ds_core core;
    decided *known; /* stb_ds string map: text of a kernel and what depends on its neighbours -> schedule */
} scheduler;

static const ds_attr *measured(scheduler *w, const char *text) {
    const char *key = w->options->schedule_count ? ds_kernel_key_of(w->core.cx, text) : NULL;
    for (size_t i = 0; key && i < w->options->schedule_count; i++)
        if (w->options->schedules[i].key && !strcmp(w->options->schedules[i].key, key))
            return w->options->schedules[i].schedule;
    return NULL;
}

/* What was measured, where it can be had here. How much lies behind a kernel's weights is a matter of the kernels
 * behind it. */
static const ds_attr *obeyable(scheduler *w, const ds_op *kernel, const ds_attr *attr) {
    ds_schedule s;
    const char *why = ds_schedule_read(w->core.cx, attr, &s);
    if (!why) {
        if (s.prefetch_next) s.prefetch_next = schedule_weights_behind(&w->core, kernel);
        why = ds_schedule_check(&w->core, kernel, &s);
        if (!why) attr = ds_schedule_attr(w->core.cx, &s);
        ds_schedule_free(&s);
    }
    if (!why) return attr;
    (void)ds_report(w->core.cx->diag, DS_WARNING, DS_E_schedule, ds_op_where(w->m, kernel),
                    "the schedule for this kernel is left out: %s", why);
    return NULL;
}

static const ds_attr *best(scheduler *w, const ds_op *kernel) {
    ds_schedule *proposals = NULL;
    ds_schedule_propose(&w->core, kernel, &proposals);
    const ds_attr *attr = arrlenu(proposals) ? ds_schedule_attr(w->core.cx, &proposals[0]) : NULL;
    for (size_t i = 0; i < arrlenu(proposals); i++) ds_schedule_free(&proposals[i]);
    arrfree(proposals);
    return attr;
}

static const ds_attr *decide(scheduler *w, const ds_op *kernel) {
    char *text = ds_kernel_text(kernel);
    ds_string key = {0};
    ds_string_printf(&key, "%lld %s", (long long)schedule_weights_behind(&w->core, kernel), text);
    ptrdiff_t at = shgeti(w->known, key.data);
    const ds_attr *attr = at >= 0 ? w->known[at].value : measured(w, text);
    if (at < 0 && attr) attr = obeyable(w, kernel, attr);
    if (at < 0 && !attr) attr = best(w, kernel);
    if (at < 0) shput(w->known, key.data, attr);
    ds_string_free(&key);
    free(text);
    return attr;
}

/* ---- taking apart ---- */

static ds_status refuse(scheduler *w, const ds_op *kernel) {
    const char *why = schedule_op_misfit(&w->core, kernel);
    return ds_report(w->m->cx->diag, DS_ERROR, DS_E_schedule, ds_op_where(w->m, kernel),
                     "no program computes the kernel: %s",
                     why ? why : "its ops are not of a form that one of them knows");
}

/* What an op reads of the block: its operands, and what the ops of its regions look up. */
static void collect_read(const ds_block *body, const ds_op *op, ds_value ***out) {
    for (size_t i = 0; i < op->operand_count; i++) {
        ds_value *v = ds_op_operand(op, i);
        size_t at = 0;
        while (at < arrlenu(*out) && (*out)[at] != v) at++;
        if ((v->op ? v->op->block : v->block) == body && at == arrlenu(*out)) arrput(*out, v);
    }
    for (size_t r = 0; r < op->region_count; r++)
        for (const ds_op *inner = ds_op_block(op, r)->first; inner; inner = inner->next) collect_read(body, inner, out);
}

/* A kernel of this op alone, before the one that it is of; `outer`: what stands for the values of that one outside
 * it. */
static ds_op *make_single(ds_module *m, ds_op *kernel, const ds_op *part, ds_mapping *outer) {
    ds_value **read = NULL, **operands = NULL, **given = NULL;
    const ds_type **types = NULL;
    ds_mapping inner = {0};
    collect_read(ds_op_block(kernel, 0), part, &read);
    for (size_t i = 0; i < arrlenu(read); i++) arrput(operands, ds_mapping_get(outer, read[i]));
    for (size_t r = 0; r < part->result_count; r++) arrput(types, part->results[r].type);
    ds_builder b = {m, kernel->block, kernel, part->loc};
    ds_op *one = ds_op_create(&b, DS_GRAPH_kernel, operands, arrlenu(operands), types, part->result_count, 1);
    ds_builder in = {m, ds_op_block(one, 0), NULL, part->loc};
    for (size_t i = 0; i < arrlenu(read); i++)
        ds_mapping_set(&inner, read[i], ds_block_add_arg(m, in.block, read[i]->type, NULL));
    ds_op *copy = ds_op_clone(&in, part, &inner);
    for (size_t r = 0; r < part->result_count; r++) {
        arrput(given, ds_op_result(copy, r));
        ds_mapping_set(outer, &part->results[r], ds_op_result(one, r));
    }
    ds_op_create(&in, DS_GRAPH_yield, given, part->result_count, NULL, 0, 0);
    ds_mapping_free(&inner);
    arrfree(read);
    arrfree(operands);
    arrfree(given);
    arrfree(types);
    return one;
}

/* A kernel back into kernels of one op each, in order. */
static ds_status split_kernel(scheduler *w, ds_op *kernel) {
    const ds_block *body = ds_op_block(kernel, 0);
    ds_mapping outer = {0};
    ds_status status = schedule_op_misfit(&w->core, kernel) ? refuse(w, kernel) : DS_OK;
    for (size_t i = 0; i < body->arg_count; i++) ds_mapping_set(&outer, body->args[i], ds_op_operand(kernel, i));
    for (const ds_op *part = body->first; status == DS_OK && part != body->last; part = part->next) {
        ds_op *one = make_single(w->m, kernel, part, &outer);
        const ds_attr *attr = decide(w, one);
        if (attr) ds_op_set_attr(w->m, one, "schedule", attr);
        else status = refuse(w, one);
    }
    for (size_t i = 0; status == DS_OK && i < kernel->result_count; i++)
        ds_value_replace_uses(&kernel->results[i], ds_mapping_get(&outer, ds_op_operand(body->last, i)));
    ds_mapping_free(&outer);
    if (status == DS_OK) ds_op_erase(kernel);
    return status;
}

static ds_status schedule_block(scheduler *w, ds_block *block) {
    for (ds_op *op = block->first, *next; op; op = next) {
        next = op->next;
        if (op->kind == DS_GRAPH_loop || op->kind == DS_GRAPH_if)
            for (size_t r = 0; r < op->region_count; r++) DS_TRY(schedule_block(w, ds_op_block(op, r)));
        if (op->kind != DS_GRAPH_kernel || ds_op_attr(op, "schedule")) continue;
        const ds_attr *attr = decide(w, op);
        if (attr) ds_op_set_attr(w->m, op, "schedule", attr);
        else DS_TRY(split_kernel(w, op));
    }
    return DS_OK;
}

ds_status ds_pass_schedule(ds_module *module, const ds_pass_options *options) {
    for (ds_op *func = module->body.block->first; func; func = func->next) {
        ds_target room;
        bool recipes = !strcmp(ds_op_text(func, "name", ""), "constants");
        scheduler w = {.m = module, .options = options, .core = schedule_core(options, module->cx, recipes, &room)};
        sh_new_strdup(w.known);
        ds_status status = schedule_block(&w, ds_op_block(func, 0));
        shfree(w.known);
        DS_TRY(status);
    }
    return DS_OK;
}
