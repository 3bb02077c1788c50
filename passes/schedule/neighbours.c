/* Schedules that differ from a given one by one choice: what a search goes to next. Each step of a level is made larger
 * or smaller, with the other levels of its axis kept whole; levels are left out, added and exchanged. Whatever the
 * kernel's program refuses is dropped, so nothing is known here about any of them.
 */
#include <string.h>

#include "passes/schedule/schedule.h"

typedef struct {
    const ds_core *core;
    const ds_op *kernel;
    const ds_schedule *from;
    ds_schedule **out;
} search;

static ds_schedule copy_of(const ds_schedule *s) {
    ds_schedule copy = *s;
    copy.levels = NULL;
    copy.places = NULL;
    for (size_t i = 0; i < arrlenu(s->levels); i++) arrput(copy.levels, s->levels[i]);
    for (size_t i = 0; i < arrlenu(s->places); i++) arrput(copy.places, s->places[i]);
    return copy;
}

/* Takes the schedule. */
static bool offer(search *s, ds_schedule *made) {
    bool good = true;
    for (size_t i = 0; i < arrlenu(made->levels); i++) good = good && made->levels[i].step <= DS_SCHEDULE_MOST_STEP;
    good = good && !ds_schedule_check(s->core, s->kernel, made);
    if (good) arrput(*s->out, *made);
    else ds_schedule_free(made);
    return good;
}

/* With the first tails, of the levels that have changed from number `at` on, that the program accepts. */
static bool offer_tails(search *s, const ds_schedule *made, const bool *changed, size_t at) {
    static const ds_tail others[] = {DS_TAIL_guard, DS_TAIL_exact, DS_TAIL_mask, DS_TAIL_repeat, DS_TAIL_overlap};
    while (at < arrlenu(made->levels) && !changed[at]) at++;
    ds_schedule next = copy_of(made);
    if (at == arrlenu(made->levels)) return offer(s, &next);
    size_t count =
        next.levels[at].kind == DS_LEVEL_tile || next.levels[at].kind == DS_LEVEL_lane ? DS_COUNT(others) : 2;
    bool good = offer_tails(s, &next, changed, at + 1);
    for (size_t i = 0; !good && i < count; i++) {
        if (others[i] == made->levels[at].tail) continue;
        next.levels[at].tail = others[i];
        good = offer_tails(s, &next, changed, at + 1);
    }
    ds_schedule_free(&next);
    return good;
}

/* Level `at` gets another step; levels of its axis around it stay multiples. */
static void change_step(search *s, size_t at, int64_t step) {
    bool changed[DS_SCHEDULE_MOST] = {false};
    const ds_level *l = &s->from->levels[at];
    if (step < 1 || step == l->step || arrlenu(s->from->levels) > DS_SCHEDULE_MOST) return;
    ds_schedule made = copy_of(s->from);
    made.levels[at].step = step;
    changed[at] = true;
    for (size_t i = 0; i < arrlenu(made.levels); i++) {
        ds_level *other = &made.levels[i];
        bool around = i < at && other->op == DS_OWN && l->op == DS_OWN && !strcmp(other->axis, l->axis) &&
                      other->step % l->step == 0;
        if (!around) continue;
        int64_t turns = (other->step + step / 2) / step;
        other->step = (turns < 1 ? 1 : turns) * step;
        changed[i] = true;
    }
    offer_tails(s, &made, changed, 0);
    ds_schedule_free(&made);
}

/* The step of the next level of the same axis inside, of which this one's is a multiple. */
static int64_t unit_of(const ds_schedule *s, size_t at) {
    for (size_t i = at + 1; i < arrlenu(s->levels); i++)
        if (s->levels[i].op == s->levels[at].op && !strcmp(s->levels[i].axis, s->levels[at].axis))
            return s->levels[i].step;
    return 1;
}

static void change_tile(search *s, size_t at) {
    int64_t step = s->from->levels[at].step,
            unit = step % DS_PANEL == 0 && !strcmp(s->from->levels[at].axis, "n") ? DS_PANEL : 1;
    for (int64_t by = 1; by <= 2; by++) {
        change_step(s, at, step + by * unit);
        change_step(s, at, step - by * unit);
    }
}

static void change_pieces(search *s, size_t at) {
    int64_t step = s->from->levels[at].step, unit = unit_of(s->from, at), units = step / unit;
    change_step(s, at, 2 * units * unit);
    change_step(s, at, (units + 1) / 2 * unit);
}

static void leave_out(search *s, size_t at) {
    ds_schedule made = copy_of(s->from);
    arrdel(made.levels, at);
    offer(s, &made);
}

static void change_unrolling(search *s, size_t at) {
    for (int64_t step = 2; step <= 8; step *= 2) change_step(s, at, step);
    leave_out(s, at);
}

static void change_levels(search *s) {
    for (size_t i = 0; i < arrlenu(s->from->levels); i++) {
        const ds_level *l = &s->from->levels[i];
        if (l->kind == DS_LEVEL_tile) change_tile(s, i);
        if (l->kind == DS_LEVEL_grid || l->kind == DS_LEVEL_serial) change_pieces(s, i);
        if (l->kind == DS_LEVEL_serial) leave_out(s, i);
        if (l->kind == DS_LEVEL_unroll) change_unrolling(s, i);
    }
}

static void insert(ds_schedule *s, size_t at, ds_level level) {
    arrput(s->levels, level);
    for (size_t i = arrlenu(s->levels) - 1; i > at; i--) s->levels[i] = s->levels[i - 1];
    s->levels[at] = level;
}

static size_t grid_count(const ds_schedule *s) {
    size_t count = 0;
    while (count < arrlenu(s->levels) && s->levels[count].kind == DS_LEVEL_grid) count++;
    return count;
}

/* So many pieces of m go over the same n before the next ones. */
static void add_group(search *s, int64_t pieces) {
    ds_schedule made = copy_of(s->from);
    ds_level group = made.levels[1];
    group.step *= pieces;
    insert(&made, 0, group);
    offer(s, &made);
}

static void exchange_grid(search *s) {
    ds_schedule made = copy_of(s->from);
    ds_level first = made.levels[0];
    made.levels[0] = made.levels[1];
    made.levels[1] = first;
    offer(s, &made);
}

/* The order of the grid, and several pieces in a row. */
static void change_order(search *s) {
    size_t count = grid_count(s->from);
    if (count == 2) exchange_grid(s);
    for (int64_t pieces = 2; count == 2 && pieces <= 8; pieces *= 2) add_group(s, pieces);
    if (count == 3) leave_out(s, 0);
    if (!count || ds_schedule_find(s->from, DS_OWN, "grid", DS_LEVEL_serial)) return;
    for (int64_t pieces = 2; pieces <= 4; pieces *= 2) {
        ds_schedule made = copy_of(s->from);
        ds_level chunk = {DS_OWN, "grid", DS_LEVEL_serial, pieces, DS_TAIL_guard};
        insert(&made, count, chunk);
        offer(s, &made);
    }
}

/* What is fetched for the kernels behind this one stays: they have the gain, and this one the cost. */
static void change_prefetch(search *s) {
    int64_t least = s->from->prefetch_next ? 1 : 0, lines = s->from->prefetch_lines;
    for (int64_t by = -1; by <= 1; by += 2) {
        ds_schedule made = copy_of(s->from);
        made.prefetch_lines = lines + by;
        if (lines + by >= least) offer(s, &made);
        else ds_schedule_free(&made);
    }
}

static void change_places(search *s) {
    for (size_t i = 0; i < arrlenu(s->from->places); i++) {
        ds_space space = s->from->places[i].space;
        if (space != DS_SPACE_scratch && space != DS_SPACE_result) continue;
        ds_schedule made = copy_of(s->from);
        made.places[i].space = space == DS_SPACE_scratch ? DS_SPACE_result : DS_SPACE_scratch;
        offer(s, &made);
    }
}

void ds_schedule_neighbours(const ds_core *core, const ds_op *kernel, const ds_schedule *from, ds_schedule **out) {
    search s = {core, kernel, from, out};
    change_levels(&s);
    change_order(&s);
    change_prefetch(&s);
    change_places(&s);
}
