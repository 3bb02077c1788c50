#include "schedule.h"

#include <string.h>

static const char *const kind_names[] = {
#define ROW(name, doc) #name,
    DS_LEVEL_KINDS(ROW)
#undef ROW
};

static const char *const tail_names[] = {
#define ROW(name, doc) #name,
    DS_TAILS(ROW)
#undef ROW
};

static const char *const space_names[] = {
#define ROW(name, doc) #name,
    DS_SPACES(ROW)
#undef ROW
};

void ds_schedule_free(ds_schedule *s) {
    arrfree(s->levels);
    arrfree(s->places);
}

void ds_schedule_add(ds_schedule *s, int op, const char *axis, ds_level_kind kind, int64_t step, ds_tail tail) {
    ds_level level = {op, axis, kind, step, tail};
    arrput(s->levels, level);
}

void ds_schedule_place(ds_schedule *s, int op, int level, ds_space space, int64_t keep) {
    ds_placement place = {op, level, space, keep};
    arrput(s->places, place);
}

const ds_level *ds_schedule_find(const ds_schedule *s, int op, const char *axis, ds_level_kind kind) {
    for (size_t i = 0; i < arrlenu(s->levels); i++) {
        const ds_level *l = &s->levels[i];
        if (l->op == op && l->kind == kind && !strcmp(l->axis, axis)) return l;
    }
    return NULL;
}

/* ---- writing ---- */

static const ds_attr *level_attr(ds_ir_context *cx, const ds_level *l) {
    ds_named_attr entries[5];
    size_t count = 0;
    if (l->op != DS_OWN) entries[count++] = (ds_named_attr){"op", ds_attr_int(cx, l->op)};
    entries[count++] = (ds_named_attr){"axis", ds_attr_string(cx, l->axis)};
    entries[count++] = (ds_named_attr){"kind", ds_attr_string(cx, kind_names[l->kind])};
    entries[count++] = (ds_named_attr){"step", ds_attr_int(cx, l->step)};
    entries[count++] = (ds_named_attr){"tail", ds_attr_string(cx, tail_names[l->tail])};
    return ds_attr_dict(cx, entries, count);
}

static const ds_attr *place_attr(ds_ir_context *cx, const ds_placement *p) {
    ds_named_attr entries[4] = {{"op", ds_attr_int(cx, p->op)},
                                {"level", ds_attr_int(cx, p->level)},
                                {"space", ds_attr_string(cx, space_names[p->space])}};
    if (p->keep) entries[3] = (ds_named_attr){"keep", ds_attr_int(cx, p->keep)};
    return ds_attr_dict(cx, entries, p->keep ? 4 : 3);
}

const ds_attr *ds_schedule_attr(ds_ir_context *cx, const ds_schedule *s) {
    ds_named_attr entries[5];
    size_t count = 0;
    const ds_attr **levels = NULL;
    const ds_attr **places = NULL;
    for (size_t i = 0; i < arrlenu(s->levels); i++) arrput(levels, level_attr(cx, &s->levels[i]));
    for (size_t i = 0; i < arrlenu(s->places); i++) arrput(places, place_attr(cx, &s->places[i]));
    entries[count++] = (ds_named_attr){"program", ds_attr_string(cx, s->program)};
    if (s->mma) entries[count++] = (ds_named_attr){"mma", ds_attr_string(cx, s->mma)};
    entries[count++] = (ds_named_attr){"levels", ds_attr_array(cx, levels, arrlenu(levels))};
    if (places) entries[count++] = (ds_named_attr){"place", ds_attr_array(cx, places, arrlenu(places))};
    if (s->prefetch_lines) {
        ds_named_attr ahead[] = {{"lines", ds_attr_int(cx, s->prefetch_lines)},
                                 {"next", ds_attr_int(cx, s->prefetch_next)}};
        entries[count++] = (ds_named_attr){"prefetch", ds_attr_dict(cx, ahead, s->prefetch_next ? 2 : 1)};
    }
    arrfree(levels);
    arrfree(places);
    return ds_attr_dict(cx, entries, count);
}

/* ---- reading ---- */

typedef struct {
    ds_ir_context *cx;
    const char *wrong; /* the first thing that is */
} reader;

static void fail(reader *r, const char *what, const char *name) {
    if (!r->wrong) r->wrong = ds_arena_printf(r->cx->arena, "%s '%s'", what, name);
}

/* The index of entry `name` among `words`; 0 and a complaint when it is none of them. */
static size_t read_word(reader *r, const ds_attr *dict, const char *name, const char *const *words, size_t count) {
    const ds_attr *a = ds_attr_find(dict, name);
    const char *text = a && a->kind == DS_ATTR_STRING ? a->text : "";
    for (size_t i = 0; i < count; i++)
        if (!strcmp(words[i], text)) return i;
    fail(r, ds_arena_printf(r->cx->arena, "%s cannot be", name), text);
    return 0;
}

static int64_t read_int(reader *r, const ds_attr *dict, const char *name, int64_t least, int64_t most,
                        int64_t otherwise) {
    const ds_attr *a = ds_attr_find(dict, name);
    if (!a && otherwise >= least) return otherwise;
    if (a && a->kind == DS_ATTR_INT && a->integer >= least && a->integer <= most) return a->integer;
    fail(r, "there is no good integer for", name);
    return least;
}

/* Entries that nobody would read. */
static void check_keys(reader *r, const ds_attr *dict, const char *keys) {
    for (size_t i = 0; i < dict->count; i++) {
        size_t length = strlen(dict->entries[i].name);
        const char *at = keys;
        while (*at && !(strcspn(at, " ") == length && !strncmp(at, dict->entries[i].name, length))) {
            at += strcspn(at, " ");
            at += strspn(at, " ");
        }
        if (!*at) fail(r, "there is no key", dict->entries[i].name);
    }
}

static ds_level read_level(reader *r, const ds_attr *a) {
    const ds_attr *axis = ds_attr_find(a, "axis");
    check_keys(r, a, "op axis kind step tail");
    if (!axis || axis->kind != DS_ATTR_STRING || !*axis->text) fail(r, "a level has no", "axis");
    return (ds_level){.op = ds_attr_find(a, "op") ? (int)read_int(r, a, "op", 0, DS_SCHEDULE_MOST, DS_OWN) : DS_OWN,
                      .axis = axis && axis->kind == DS_ATTR_STRING ? axis->text : "",
                      .kind = (ds_level_kind)read_word(r, a, "kind", kind_names, DS_COUNT(kind_names)),
                      .step = read_int(r, a, "step", 1, DS_SCHEDULE_MOST_STEP, 0),
                      .tail = (ds_tail)read_word(r, a, "tail", tail_names, DS_COUNT(tail_names))};
}

static ds_placement read_place(reader *r, const ds_attr *a) {
    check_keys(r, a, "op level space keep");
    return (ds_placement){.op = (int)read_int(r, a, "op", 0, DS_SCHEDULE_MOST, -1),
                          .level = (int)read_int(r, a, "level", 0, DS_SCHEDULE_MOST, -1),
                          .space = (ds_space)read_word(r, a, "space", space_names, DS_COUNT(space_names)),
                          .keep = read_int(r, a, "keep", 0, DS_SCHEDULE_MOST_STEP, 0)};
}

/* The dictionaries in entry `name`: NULL and *count = 0 when it is absent. */
static const ds_attr *const *read_dicts(reader *r, const ds_attr *attr, const char *name, size_t *count) {
    const ds_attr *list = ds_attr_find(attr, name);
    bool good = !list || (list->kind == DS_ATTR_ARRAY && list->count <= DS_SCHEDULE_MOST);
    for (size_t i = 0; good && list && i < list->count; i++) good = list->items[i]->kind == DS_ATTR_DICT;
    if (!good) fail(r, "there is no list of dictionaries in", name);
    *count = good && list ? list->count : 0;
    return list ? list->items : NULL;
}

static const char *read_name(reader *r, const ds_attr *attr, const char *name, bool required) {
    const ds_attr *a = ds_attr_find(attr, name);
    if (a ? a->kind != DS_ATTR_STRING : required) fail(r, "there is no text for", name);
    return a && a->kind == DS_ATTR_STRING ? a->text : NULL;
}

static void read_prefetch(reader *r, const ds_attr *attr, ds_schedule *out) {
    const ds_attr *ahead = ds_attr_find(attr, "prefetch");
    if (!ahead) return;
    if (ahead->kind != DS_ATTR_DICT) {
        fail(r, "there is no dictionary in", "prefetch");
        return;
    }
    check_keys(r, ahead, "lines next");
    out->prefetch_lines = read_int(r, ahead, "lines", 1, DS_SCHEDULE_MOST, 0);
    out->prefetch_next = read_int(r, ahead, "next", 0, DS_SCHEDULE_MOST_STEP, 0);
}

const char *ds_schedule_read(ds_ir_context *cx, const ds_attr *attr, ds_schedule *out) {
    reader r = {cx, NULL};
    size_t count;
    *out = (ds_schedule){0};
    if (attr->kind != DS_ATTR_DICT) return "a schedule is a dictionary";
    check_keys(&r, attr, "program mma levels place prefetch");
    out->program = read_name(&r, attr, "program", true);
    out->mma = read_name(&r, attr, "mma", false);
    const ds_attr *const *items = read_dicts(&r, attr, "levels", &count);
    for (size_t i = 0; i < count; i++) arrput(out->levels, read_level(&r, items[i]));
    items = read_dicts(&r, attr, "place", &count);
    for (size_t i = 0; i < count; i++) arrput(out->places, read_place(&r, items[i]));
    read_prefetch(&r, attr, out);
    if (r.wrong) ds_schedule_free(out);
    return r.wrong;
}

void ds_schedule_print_words(ds_string *out) {
    ds_string_printf(out, "| kind of a level | its steps are |\n|---|---|\n");
#define ROW(name, doc) ds_string_printf(out, "| %s | %s |\n", #name, doc);
    DS_LEVEL_KINDS(ROW)
    ds_string_printf(out, "\n| tail | where steps do not divide an extent |\n|---|---|\n");
    DS_TAILS(ROW)
    ds_string_printf(out, "\n| space | where a value lies between ops |\n|---|---|\n");
    DS_SPACES(ROW)
#undef ROW
}
