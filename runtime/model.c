/* Reflection: models in shared libraries, described by their own text (codegen/cpu/plan.c: emit_description). */
#include "libdsrt.h"

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SYMBOLS = 16, MAX_RANK = 16 };

typedef struct {
    ds_model_argument seen;
    uint64_t offset;
    int is_static;
    int symbol[MAX_RANK]; /* which one a dim is, or -1 */
} argument;

struct ds_model {
    void *library;
    int (*entry)(ds_context *, void *);
    void *arena_bytes;
    const void *weights;
    uint64_t weight_bytes, args_bytes;
    uint32_t symbols, counts[2]; /* inputs, outputs */
    argument *arguments[2];
    char *text; /* names point into it */
};

static uint32_t elem_size(const char *elem) {
    static const struct { const char *name; uint32_t bytes; } sizes[] = {{"f64", 8}, {"i64", 8}, {"u64", 8}, {"f32", 4}, {"i32", 4}, {"u32", 4}, {"f16", 2}, {"bf16", 2}, {"i16", 2}, {"u16", 2}, {"i8", 1}, {"u8", 1}, {"b1", 1}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (!strcmp(sizes[i].name, elem)) return sizes[i].bytes;
    return strncmp(elem, "f8", 2) ? 0 : 1;
}

/* One line "i|o OFFSET ELEM STATIC RANK DIM… NAME"; words are cut in place. */
static int parse_argument(ds_model *m, int which, char *line) {
    argument *all = realloc(m->arguments[which], (m->counts[which] + 1) * sizeof *all);
    if (!all) return 0;
    m->arguments[which] = all;
    argument *a = &all[m->counts[which]++];
    char *save, *word = strtok_r(line + 2, " ", &save);
    memset(a, 0, sizeof *a);
    a->offset = word ? strtoull(word, NULL, 10) : 0;
    a->seen.elem = strtok_r(NULL, " ", &save);
    word = strtok_r(NULL, " ", &save);
    a->is_static = word && *word == '1';
    word = strtok_r(NULL, " ", &save);
    a->seen.rank = word ? (uint32_t)strtoul(word, NULL, 10) : 0;
    if (!a->seen.elem || a->seen.rank > MAX_RANK) return 0;
    a->seen.elem_bytes = elem_size(a->seen.elem);
    for (uint32_t d = 0; d < a->seen.rank; d++) {
        word = strtok_r(NULL, " ", &save);
        if (!word) return 0;
        a->symbol[d] = *word == '$' ? (int)strtol(word + 1, NULL, 10) : -1;
        a->seen.dims[d] = *word == '$' || *word == '?' ? -1 : strtoll(word, NULL, 10);
    }
    a->seen.name = save;
    return 1;
}

static int parse(ds_model *m) {
    char *save, *line = strtok_r(m->text, "\n", &save);
    int abi, good = line && sscanf(line, "dsc %d %" SCNu64, &abi, &m->args_bytes) == 2 && abi == DS_ABI;
    while (good && (line = strtok_r(NULL, "\n", &save))) {
        if (*line == 's') m->symbols++;
        else good = parse_argument(m, *line == 'o', line);
    }
    return good && m->symbols <= MAX_SYMBOLS;
}

ds_model *dsrt_model_open(const char *path, const char *prefix, const char *weights) {
    ds_model *m = calloc(1, sizeof *m);
    char name[512];
    if (!m) return NULL;
    m->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const char *text = NULL;
    if (m->library) {
        m->entry = (int (*)(ds_context *, void *))(uintptr_t)dlsym(m->library, prefix);
        snprintf(name, sizeof name, "%s_arena_bytes", prefix);
        m->arena_bytes = dlsym(m->library, name);
        snprintf(name, sizeof name, "%s_description", prefix);
        text = dlsym(m->library, name);
    }
    int good = m->entry && m->arena_bytes && text;
    if (good) {
        m->text = malloc(strlen(text) + 1);
        good = m->text != NULL;
        if (good) memcpy(m->text, text, strlen(text) + 1);
    }
    good = good && parse(m);
    if (good && weights) good = (m->weights = dsrt_weights_map(weights, &m->weight_bytes)) != NULL;
    if (good) return m;
    dsrt_model_close(m);
    errno = ENOEXEC;
    return NULL;
}

void dsrt_model_close(ds_model *m) {
    if (!m) return;
    if (m->weights) dsrt_weights_unmap(m->weights, m->weight_bytes);
    if (m->library) dlclose(m->library);
    free(m->arguments[0]);
    free(m->arguments[1]);
    free(m->text);
    free(m);
}

uint32_t dsrt_model_inputs(const ds_model *m) { return m->counts[0]; }
uint32_t dsrt_model_outputs(const ds_model *m) { return m->counts[1]; }
const ds_model_argument *dsrt_model_input(const ds_model *m, uint32_t i) { return i < m->counts[0] ? &m->arguments[0][i].seen : NULL; }
const ds_model_argument *dsrt_model_output(const ds_model *m, uint32_t i) { return i < m->counts[1] ? &m->arguments[1][i].seen : NULL; }

static void *allocate(void *user, uint64_t bytes) {
    (void)user;
    return malloc(bytes ? (size_t)bytes : 1);
}

static void release(void *user, void *memory) {
    (void)user;
    free(memory);
}

typedef uint64_t arena_fn(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t);

/* prefix_arena_bytes takes the symbols, then the lanes; a caller may pass more than it reads. */
static uint64_t arena_size(const ds_model *m, int64_t *s, int64_t lanes) {
    s[m->symbols] = lanes;
    return ((arena_fn *)(uintptr_t)m->arena_bytes)(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[10], s[11], s[12], s[13], s[14], s[15], s[16]);
}

int dsrt_model_run(ds_model *m, ds_pool *pool, const ds_model_tensor *inputs, ds_model_tensor *outputs) {
    int64_t symbols[MAX_SYMBOLS + 1] = {0};
    unsigned char *args = calloc(1, (size_t)m->args_bytes + 8);
    if (!args) return DS_NO_ALLOCATOR;
    for (uint32_t k = 0; k < m->counts[0] + m->counts[1]; k++) {
        int is_output = k >= m->counts[0];
        const argument *a = is_output ? &m->arguments[1][k - m->counts[0]] : &m->arguments[0][k];
        const ds_model_tensor *t = is_output ? &outputs[k - m->counts[0]] : &inputs[k];
        memcpy(args + a->offset, &t->data, sizeof t->data);
        memcpy(args + a->offset + 8, &t->bytes, sizeof t->bytes);
        for (uint32_t d = 0; !is_output && d < a->seen.rank; d++) {
            if (a->symbol[d] >= 0 && a->symbol[d] < MAX_SYMBOLS) symbols[a->symbol[d]] = t->dims[d];
            if (!a->is_static) memcpy(args + a->offset + 16 + 8 * d, &t->dims[d], 8);
        }
    }
    uint64_t bytes = arena_size(m, symbols, pool ? pool->concurrency : 1);
    void *arena = aligned_alloc(64, (size_t)(bytes + 127) / 64 * 64);
    ds_context context = {.size = sizeof context, .abi = DS_ABI, .arena = arena, .arena_bytes = bytes, .weights = m->weights, .pool = pool, .alloc = allocate, .release = release};
    int status = arena ? m->entry(&context, args) : DS_NO_ALLOCATOR;
    for (uint32_t i = 0; i < m->counts[1]; i++) {
        const argument *a = &m->arguments[1][i];
        memcpy(&outputs[i].data, args + a->offset, sizeof outputs[i].data);
        memcpy(&outputs[i].bytes, args + a->offset + 8, sizeof outputs[i].bytes);
        for (uint32_t d = 0; d < a->seen.rank; d++) {
            if (a->is_static) outputs[i].dims[d] = a->seen.dims[d];
            else memcpy(&outputs[i].dims[d], args + a->offset + 16 + 8 * d, 8);
        }
    }
    free(arena);
    free(args);
    return status;
}
