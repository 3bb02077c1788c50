/* Reflection: models described by their own text (codegen/cpu/plan.c: emit_description), and calls of them by
 * tensors. */
#include "libdsrt.h"

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { MAX_RANK = 16 };

typedef struct {
    ds_model_argument seen;
    uint64_t offset;
    int is_static;
    int symbol[MAX_RANK]; /* which one a dim is, or -1 */
    uint32_t room;        /* of an input with a room_dim: the symbol that says how many rows its memory has room for */
} argument;

struct ds_model {
    void *library;
    ds_model_entry *entry;
    ds_model_arena *arena_for;
    const void *weights;
    uint64_t mapped_bytes, args_bytes; /* mapped: weights are ours to unmap */
    uint32_t symbols, counts[2];       /* inputs, outputs */
    argument *arguments[2];
    uint32_t requirement_count;
    const char **requirements; /* what a broken promise says */
    char cpu[32];              /* the ISA level that it was compiled for */
    char *text;                /* names point into it */
};

static void *aligned(uint64_t bytes) {
    return bytes > SIZE_MAX - 128 ? NULL : aligned_alloc(64, (size_t)(bytes + 127) / 64 * 64);
}

enum {
    POPULATE_LIMIT = 4 << 20
}; /* bytes: a millisecond; a run that needs more memory is long beside its own faults */

/* The arena of many runs: its first pages are made here, so that the first run takes fewer faults. */
static void *arena_alloc(uint64_t bytes) {
    unsigned char *arena = aligned(bytes);
#ifdef MADV_POPULATE_WRITE
    uint64_t made = bytes < POPULATE_LIMIT ? bytes : POPULATE_LIMIT;
    uintptr_t page = 4096, first = ((uintptr_t)arena + page - 1) / page * page,
              end = ((uintptr_t)arena + (uintptr_t)made) / page * page;
    if (arena && end > first)
        (void)madvise((void *)first, end - first, MADV_POPULATE_WRITE); /* older kernels refuse; then it faults */
#endif
    return arena;
}

/* One line "i|o OFFSET ELEM ELEM_BITS STATIC TIED RANK DIM… NAME"; words are cut in place. */
static int parse_argument(ds_model *m, int which, char *line) {
    argument *all = realloc(m->arguments[which], (m->counts[which] + 1) * sizeof *all);
    if (!all) return 0;
    m->arguments[which] = all;
    argument *a = &all[m->counts[which]++];
    char *save, *words[6];
    memset(a, 0, sizeof *a);
    for (int i = 0; i < 6; i++)
        if (!(words[i] = strtok_r(i ? NULL : line + 2, " ", &save))) return 0;
    a->offset = strtoull(words[0], NULL, 10);
    a->seen.elem = words[1];
    a->seen.elem_bits = (uint32_t)strtoul(words[2], NULL, 10);
    a->is_static = *words[3] == '1';
    a->seen.tied = (int32_t)strtol(words[4], NULL, 10);
    a->seen.room_dim = -1;
    a->seen.rank = (uint32_t)strtoul(words[5], NULL, 10);
    if (a->seen.rank > MAX_RANK) return 0;
    for (uint32_t d = 0; d < a->seen.rank; d++) {
        char *word = strtok_r(NULL, " ", &save);
        if (!word) return 0;
        a->symbol[d] = *word == '$' ? (int)strtol(word + 1, NULL, 10) : -1;
        a->seen.dims[d] = *word == '$' || *word == '?' ? -1 : strtoll(word, NULL, 10);
    }
    a->seen.name = save;
    return 1;
}

static int parse_requirement(ds_model *m, const char *text) {
    const char **all = realloc(m->requirements, (m->requirement_count + 1) * sizeof *all);
    if (!all) return 0;
    m->requirements = all;
    all[m->requirement_count++] = text;
    return 1;
}

static int parse_alias(ds_model *m, const char *text) {
    uint32_t i = (uint32_t)strtoul(text, NULL, 10);
    if (i >= m->counts[1] || m->arguments[1][i].seen.tied < 0) return 0;
    m->arguments[1][i].seen.is_alias = 1;
    return 1;
}

/* "g INPUT DIM SYMBOL"; results that lie there have the same room. */
static int parse_room(ds_model *m, const char *text) {
    uint32_t i, symbol;
    int32_t dim;
    if (sscanf(text, "%" SCNu32 " %" SCNd32 " %" SCNu32, &i, &dim, &symbol) != 3) return 0;
    if (i >= m->counts[0] || dim < 0 || (uint32_t)dim >= m->arguments[0][i].seen.rank || symbol >= m->symbols) return 0;
    m->arguments[0][i].seen.room_dim = dim, m->arguments[0][i].room = symbol;
    for (uint32_t k = 0; k < m->counts[1]; k++) {
        ds_model_argument *a = &m->arguments[1][k].seen;
        if (a->is_alias && a->tied == (int32_t)i) a->room_dim = dim;
    }
    return 1;
}

static int parse(ds_model *m) {
    char *save, *line = strtok_r(m->text, "\n", &save);
    int abi, good = line && sscanf(line, "dsc %d %" SCNu64 " %31s", &abi, &m->args_bytes, m->cpu) == 3 && abi == DS_ABI;
    while (good && (line = strtok_r(NULL, "\n", &save))) {
        if (*line == 's') m->symbols++;
        else if (*line == 'r') good = parse_requirement(m, line + 2);
        else if (*line == 'a') good = parse_alias(m, line + 2);
        else if (*line == 'g') good = parse_room(m, line + 2);
        else good = parse_argument(m, *line == 'o', line);
    }
    return good;
}

/* Completes m, or releases it. */
static ds_model *describe(ds_model *m, const char *description) {
    int good = m->entry && m->arena_for && description;
    if (good && (m->text = malloc(strlen(description) + 1))) {
        strcpy(m->text, description);
        if (parse(m)) return m;
    }
    dsrt_model_close(m);
    errno = ENOEXEC;
    return NULL;
}

ds_model *dsrt_model_link(ds_model_entry *entry, ds_model_arena *arena_for, const char *description,
                          const void *weights) {
    ds_model *m = calloc(1, sizeof *m);
    if (!m) return NULL;
    m->entry = entry, m->arena_for = arena_for, m->weights = weights;
    return describe(m, description);
}

static void *find(void *library, const char *prefix, const char *suffix) {
    char name[512];
    if (!library || snprintf(name, sizeof name, "%s%s", prefix, suffix) >= (int)sizeof name) return NULL;
    return dlsym(library, name);
}

ds_model *dsrt_model_open(const char *path, const char *prefix, const char *weights) {
    ds_model *m = calloc(1, sizeof *m);
    if (!m) return NULL;
    m->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    m->entry = (ds_model_entry *)(uintptr_t)find(m->library, prefix, "");
    m->arena_for = (ds_model_arena *)(uintptr_t)find(m->library, prefix, "_arena_for");
    if (weights && !(m->weights = dsrt_weights_map(weights, &m->mapped_bytes))) m->entry = NULL;
    return describe(m, find(m->library, prefix, "_description"));
}

void dsrt_model_close(ds_model *m) {
    if (!m) return;
    if (m->mapped_bytes) dsrt_weights_unmap(m->weights, m->mapped_bytes);
    if (m->library) dlclose(m->library);
    free(m->arguments[0]);
    free(m->arguments[1]);
    free(m->requirements);
    free(m->text);
    free(m);
}

uint32_t dsrt_model_inputs(const ds_model *m) { return m->counts[0]; }
uint32_t dsrt_model_outputs(const ds_model *m) { return m->counts[1]; }
const ds_model_argument *dsrt_model_input(const ds_model *m, uint32_t i) {
    return i < m->counts[0] ? &m->arguments[0][i].seen : NULL;
}
const ds_model_argument *dsrt_model_output(const ds_model *m, uint32_t i) {
    return i < m->counts[1] ? &m->arguments[1][i].seen : NULL;
}

/* ---- calls ---- */

struct ds_call {
    const ds_model *model;
    ds_context context;
    unsigned char *args;
    int64_t *symbols;
    void **copies; /* of inputs whose memory is a result's, where the caller has none for results; else null */
    int fill;      /* of memory before a run: a byte, or -1 */
};

static void *allocate(void *user, uint64_t bytes) {
    (void)user;
    return aligned(bytes);
}

/* For a call whose memory is filled: what the model gets is not what the last run left there. */
static void *allocate_filled(void *user, uint64_t bytes) {
    const ds_call *c = user;
    void *memory = aligned(bytes);
    if (memory) memset(memory, c->fill, (size_t)bytes);
    return memory;
}

static void release(void *user, void *memory) {
    (void)user;
    free(memory);
}

static void set_argument(ds_call *c, const argument *a, const ds_model_tensor *t, int has_extents) {
    memcpy(c->args + a->offset, &t->data, sizeof t->data);
    memcpy(c->args + a->offset + 8, &t->bytes, sizeof t->bytes);
    if (has_extents && !a->is_static) memcpy(c->args + a->offset + 16, t->dims, 8 * a->seen.rank);
}

/* Results that are aliases lie in copies: what the caller gave stays as it is. */
static int copy_aliased(ds_call *c, const ds_model_tensor *inputs) {
    const ds_model *m = c->model;
    if (!(c->copies = calloc(m->counts[0] + 1, sizeof *c->copies))) return 0;
    for (uint32_t i = 0; i < m->counts[1]; i++) {
        const ds_model_argument *a = &m->arguments[1][i].seen;
        if (!a->is_alias) continue;
        ds_model_tensor t = inputs[a->tied];
        if (!(t.data = malloc((size_t)t.bytes + 1))) return 0;
        memcpy(t.data, inputs[a->tied].data, (size_t)t.bytes);
        c->copies[a->tied] = t.data;
        set_argument(c, &m->arguments[0][a->tied], &t, 0);
    }
    return 1;
}

/* Bytes of a tensor with these extents, but for one of them. */
static uint64_t bytes_without(const argument *a, const int64_t *dims, int32_t without) {
    uint64_t count = 1;
    for (uint32_t d = 0; d < a->seen.rank; d++)
        if ((int32_t)d != without) count *= (uint64_t)dims[d];
    return (count * a->seen.elem_bits + 7) / 8;
}

/* How many rows an input's memory has room for, for the size of the arena; the entry checks it. */
static void note_room(ds_call *c, const argument *a, const ds_model_tensor *t) {
    if (a->seen.room_dim < 0) return;
    uint64_t row = bytes_without(a, t->dims, a->seen.room_dim);
    c->symbols[a->room] = row ? (int64_t)(t->bytes / row) : t->dims[a->seen.room_dim];
}

/* Longer memory for what lies in `from`: rows move apart, those of each place of the dims before to where they begin
 * there. Exactly as much as is needed, so that the result is dense. */
static void *move_apart(const argument *a, const void *from, uint64_t from_bytes, const ds_model_tensor *to) {
    uint64_t outer = 1;
    unsigned char *made = aligned(to->bytes);
    for (int32_t d = 0; d < a->seen.room_dim; d++) outer *= (uint64_t)to->dims[d];
    if (!outer || !made) return made;
    for (uint64_t i = 0; i < outer; i++)
        memcpy(made + i * (to->bytes / outer), (const unsigned char *)from + i * (from_bytes / outer),
               (size_t)(from_bytes / outer));
    return made;
}

/* Symbols that say how much room there is may be in the size of the arena. */
static int make_arena(ds_call *c) {
    uint64_t bytes = c->model->arena_for(c->symbols, c->context.pool ? c->context.pool->concurrency : 1);
    if (c->context.arena && bytes <= c->context.arena_bytes) return 1;
    free(c->context.arena);
    c->context.arena_bytes = bytes;
    c->context.arena = arena_alloc(bytes);
    return c->context.arena != NULL;
}

/* The copy of an input gets room for the result that is longer and lies there: the one that the last run was about. */
static int make_room(ds_call *c) {
    const ds_model *m = c->model;
    uint32_t i = c->context.at - m->counts[0];
    if (!c->copies || c->context.at < m->counts[0] || i >= m->counts[1] || !m->arguments[1][i].seen.is_alias) return 0;
    const argument *result = &m->arguments[1][i], *input = &m->arguments[0][result->seen.tied];
    void **copy = &c->copies[result->seen.tied], *longer;
    uint64_t now;
    ds_model_tensor t;
    dsrt_call_result(c, i, &t);
    t.bytes = bytes_without(result, t.dims, -1);
    memcpy(&now, c->args + input->offset + 8, sizeof now);
    if (t.bytes <= now) return 0;
    longer = input->seen.room_dim < 0 ? realloc(*copy, (size_t)t.bytes) : move_apart(input, *copy, now, &t);
    if (!longer) return 0;
    if (input->seen.room_dim >= 0) free(*copy);
    t.data = *copy = longer;
    set_argument(c, input, &t, 0);
    note_room(c, input, &t);
    return make_arena(c);
}

static void close_copies(ds_call *c) {
    for (uint32_t i = 0; c->copies && i < c->model->counts[0]; i++) free(c->copies[i]);
    free(c->copies);
}

static void set_arguments(ds_call *c, const ds_model_tensor *inputs, const ds_model_tensor *outputs) {
    const ds_model *m = c->model;
    for (uint32_t i = 0; i < m->counts[0]; i++) {
        const argument *a = &m->arguments[0][i];
        set_argument(c, a, &inputs[i], 1);
        for (uint32_t d = 0; d < a->seen.rank; d++)
            if (a->symbol[d] >= 0 && (uint32_t)a->symbol[d] < m->symbols) c->symbols[a->symbol[d]] = inputs[i].dims[d];
    }
    for (uint32_t i = 0; i < m->counts[0]; i++) note_room(c, &m->arguments[0][i], &inputs[i]);
    for (uint32_t i = 0; outputs && i < m->counts[1]; i++) set_argument(c, &m->arguments[1][i], &outputs[i], 0);
}

ds_call *dsrt_call_open(const ds_model *m, ds_pool *pool, const ds_model_tensor *inputs,
                        const ds_model_tensor *outputs) {
    ds_call *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    *c = (ds_call){.model = m,
                   .context = {.size = sizeof c->context,
                               .abi = DS_ABI,
                               .weights = m->weights,
                               .pool = pool,
                               .alloc = allocate,
                               .release = release},
                   .args = calloc(1, (size_t)m->args_bytes + 8),
                   .symbols = calloc(m->symbols + 1, sizeof *c->symbols),
                   .fill = -1};
    if (c->args && c->symbols) {
        set_arguments(c, inputs, outputs);
        if ((outputs || copy_aliased(c, inputs)) && make_arena(c)) return c;
    }
    dsrt_call_close(c);
    return NULL;
}

int dsrt_call_run(ds_call *c) {
    if (c->fill >= 0) memset(c->context.arena, c->fill, (size_t)c->context.arena_bytes);
    int status = c->model->entry(&c->context, c->args);
    while (status == DS_MORE_MEMORY && make_room(c)) status = c->model->entry(&c->context, c->args);
    return status;
}

void dsrt_call_fill(ds_call *c, unsigned char byte) {
    c->fill = byte, c->context.alloc = allocate_filled, c->context.user = c;
}

void dsrt_call_trace(ds_call *c, void (*trace)(void *, uint32_t, uint32_t), void *user) {
    c->context.trace = trace, c->context.user = user;
}

const ds_context *dsrt_call_context(const ds_call *c) { return &c->context; }

int dsrt_call_explain(const ds_call *c, int status, char *text, size_t room) {
    const ds_model *m = c->model;
    uint32_t at = c->context.at, inputs = m->counts[0];
    const char *what = dsrt_status_text(status);
    if (status == DS_BROKEN_PROMISE && at < m->requirement_count)
        return snprintf(text, room, "%s", m->requirements[at]);
    if (status == DS_WRONG_CPU) return snprintf(text, room, "%s, which are those of %s", what, m->cpu);
    if (status == DS_WRONG_SIZE && at < inputs)
        return snprintf(text, room, "input '%s': %s", m->arguments[0][at].seen.name, what);
    if (status == DS_WRONG_SIZE && at >= inputs && at - inputs < m->counts[1])
        return snprintf(text, room, "output '%s': it would have more elements than there can be",
                        m->arguments[1][at - inputs].seen.name);
    if (status == DS_MORE_MEMORY && at >= inputs && at - inputs < m->counts[1])
        return snprintf(text, room, "output '%s': %s", m->arguments[1][at - inputs].seen.name, what);
    return snprintf(text, room, "%s", what);
}

void dsrt_call_result(const ds_call *c, uint32_t i, ds_model_tensor *out) {
    const argument *a = &c->model->arguments[1][i];
    memcpy(&out->data, c->args + a->offset, sizeof out->data);
    memcpy(&out->bytes, c->args + a->offset + 8, sizeof out->bytes);
    if (a->is_static) memcpy(out->dims, a->seen.dims, sizeof out->dims);
    else memcpy(out->dims, c->args + a->offset + 16, 8 * a->seen.rank);
}

void dsrt_call_close(ds_call *c) {
    if (!c) return;
    close_copies(c);
    free(c->context.arena);
    free(c->args);
    free(c->symbols);
    free(c);
}

int dsrt_model_run(const ds_model *m, ds_pool *pool, const ds_model_tensor *inputs, ds_model_tensor *outputs) {
    ds_call *c = dsrt_call_open(m, pool, inputs, outputs);
    int status = c ? dsrt_call_run(c) : DS_NO_ALLOCATOR;
    for (uint32_t i = 0; c && i < m->counts[1]; i++) dsrt_call_result(c, i, &outputs[i]);
    dsrt_call_close(c);
    return status;
}
