/* Runs compiled models with every buffer between pages that nobody may touch: guard [--misfits] LIST.
 *
 * LIST has a line "MODEL.so WEIGHTS|- FOLDER" for each model, compiled with --prefix=m; FOLDER holds `inputs`, a line
 * "RANK DIM…" each, and input_N.raw. Each buffer ends exactly at such a page in one run and begins behind one in
 * another. With --misfits, extents, sizes and values are then changed in turn: any status is right, touching anything
 * else is not, nor is running for ever. Prints "FAIL MODEL: what happened" for each finding and "N models, N with
 * findings" at the end. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libdsrt.h"

enum {
    MAX_ARGS = 64,
    MAX_RANK = 16,
    MAX_REGIONS = 512,
    PAGE = 4096,
    SECONDS = 20,
    FINDINGS = 4 /* of one model, that are told */
};
static const uint64_t limit = (uint64_t)64 << 20; /* bytes: larger buffers are refused */

/* ---- memory between guards ---- */

typedef struct {
    char name[96];
    unsigned char *map, *data;
    uint64_t mapped, bytes;
} region;

static region regions[MAX_REGIONS];
static size_t region_count;
static int behind; /* buffers begin behind a guard; else they end before one */

static void *guarded(const char *name, uint64_t bytes, uint64_t align) {
    uint64_t inner = (bytes + align + PAGE - 1) / PAGE * PAGE;
    if (bytes > limit || region_count == MAX_REGIONS) return NULL;
    region *r = &regions[region_count];
    r->mapped = inner + 2 * PAGE, r->bytes = bytes;
    r->map = mmap(NULL, r->mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (r->map == MAP_FAILED || mprotect(r->map + PAGE, inner, PROT_READ | PROT_WRITE)) return NULL;
    memset(r->map + PAGE, 0xa5, inner);
    snprintf(r->name, sizeof r->name, "%s", name);
    r->data = r->map + PAGE;
    if (!behind) r->data += (inner - bytes) / align * align;
    region_count++;
    return r->data;
}

static void release_all(void) {
    while (region_count) region_count--, munmap(regions[region_count].map, regions[region_count].mapped);
}

static void *allocate(void *user, uint64_t bytes) {
    (void)user;
    return guarded("allocated memory", bytes, 16);
}

/* Kept until the run is over, but not to be touched any more. */
static void release(void *user, void *memory) {
    (void)user;
    for (size_t i = 0; i < region_count; i++)
        if (regions[i].data == memory)
            mprotect(regions[i].map, regions[i].mapped, PROT_NONE), strcpy(regions[i].name, "released memory");
}

static sigjmp_buf escape;
static char crime[512];

static void caught(int signal, siginfo_t *info, void *context) {
    (void)context;
    unsigned char *at = info->si_addr;
    snprintf(crime, sizeof crime, "%s at %p", signal == SIGALRM ? "does not end" : strsignal(signal), info->si_addr);
    for (size_t i = 0; signal == SIGSEGV && i < region_count; i++) {
        const region *r = &regions[i];
        if (at >= r->map && at < r->map + r->mapped)
            snprintf(crime, sizeof crime, "touches byte %lld of %.90s, which has %llu", (long long)(at - r->data),
                     r->name, (unsigned long long)r->bytes);
    }
    siglongjmp(escape, 1);
}

/* ---- the model, as its description tells ---- */

typedef struct {
    int is_input, is_static, rank, symbol[MAX_RANK];
    unsigned bits;
    uint64_t offset;
    char elem[16];
    int64_t dims[MAX_RANK];
    char name[64];
} argument;

typedef struct {
    const char *path;
    ds_model_entry *entry;
    ds_model_arena *arena_for;
    const void *weights; /* bytes of the file */
    uint64_t args_bytes, weight_bytes;
    int symbols, inputs, count;
    argument a[MAX_ARGS];
} model;

static const char *word(const char **at, char *out, size_t room) {
    size_t n = strcspn(*at, " \n");
    snprintf(out, room, "%.*s", (int)n, *at);
    *at += n + ((*at)[n] == ' ');
    return out;
}

static void describe_argument(model *m, const char *line) {
    argument *a = &m->a[m->count++];
    char w[64];
    a->is_input = *line == 'i';
    m->inputs += a->is_input;
    line += 2;
    a->offset = strtoull(word(&line, w, sizeof w), NULL, 10);
    word(&line, a->elem, sizeof a->elem);
    a->bits = (unsigned)atoi(word(&line, w, sizeof w));
    a->is_static = atoi(word(&line, w, sizeof w));
    word(&line, w, sizeof w);
    a->rank = atoi(word(&line, w, sizeof w));
    for (int d = 0; d < a->rank && d < MAX_RANK; d++) {
        word(&line, w, sizeof w);
        a->symbol[d] = *w == '$' ? atoi(w + 1) : -1;
        a->dims[d] = *w == '$' || *w == '?' ? -1 : atoll(w);
    }
    snprintf(a->name, sizeof a->name, "%.*s", (int)strcspn(line, "\n"), line);
}

static int describe(model *m, const char *text) {
    if (sscanf(text, "dsc %*d %llu", (unsigned long long *)&m->args_bytes) != 1) return 0;
    for (const char *line = strchr(text, '\n'); line && *++line; line = strchr(line, '\n')) {
        if (*line == 's') m->symbols++;
        else if ((*line == 'i' || *line == 'o') && m->count < MAX_ARGS) describe_argument(m, line);
    }
    return 1;
}

/* ---- one run ---- */

typedef struct {
    int64_t dims[MAX_RANK];
    uint64_t bytes; /* that are there, and that the model is told of */
    unsigned char *data;
} tensor;

static uint64_t runs, findings;
static const char *what = "";

/* Saturates: such a tensor is not made. */
static uint64_t bytes_of(const argument *a, const int64_t *dims) {
    uint64_t count = 1;
    for (int d = 0; d < a->rank; d++)
        if (dims[d] < 0 || __builtin_mul_overflow(count, (uint64_t)dims[d], &count)) return UINT64_MAX;
    return count > UINT64_MAX / 64 ? UINT64_MAX : (count * a->bits + 7) / 8;
}

static void accuse(const model *m, const char *text) {
    if (findings++ < FINDINGS) printf("FAIL %s: %s: %s\n", m->path, what, text);
    fflush(stdout);
}

static void put(unsigned char *args, uint64_t offset, const void *data, uint64_t bytes, const int64_t *dims,
                size_t extents) {
    memcpy(args + offset, &data, 8);
    memcpy(args + offset + 8, &bytes, 8);
    if (extents) memcpy(args + offset + 16, dims, 8 * extents);
}

/* Results as large as they say? */
static void check_results(const model *m, const unsigned char *args) {
    for (int i = m->inputs; i < m->count; i++) {
        const argument *a = &m->a[i];
        int64_t dims[MAX_RANK];
        uint64_t bytes;
        memcpy(&bytes, args + a->offset + 8, 8);
        memcpy(dims, a->is_static ? (const unsigned char *)a->dims : args + a->offset + 16, 8 * (size_t)a->rank);
        if (bytes_of(a, dims) != bytes) accuse(m, "a result's extents do not fit its size");
    }
}

/* A status, or -1 where there is no memory for the inputs. `outputs`: bytes of each, to be given; null: the model
 * allocates them. */
static int run(const model *m, const tensor *inputs, uint64_t *outputs, int given) {
    static unsigned char args[1 << 16];
    int64_t symbols[256] = {0};
    char name[96];
    volatile int status = -1;
    memset(args, 0, sizeof args);
    for (int i = 0; i < m->count; i++) {
        const argument *a = &m->a[i];
        snprintf(name, sizeof name, "%s '%s'", i < m->inputs ? "input" : "output", a->name);
        uint64_t bytes = i < m->inputs ? inputs[i].bytes : outputs[i - m->inputs];
        void *data = i < m->inputs || given ? guarded(name, bytes, a->bits < 8 ? 1 : a->bits / 8) : NULL;
        if (!data && (i < m->inputs || given)) return release_all(), -1;
        if (i < m->inputs && bytes) memcpy(data, inputs[i].data, bytes);
        put(args, a->offset, data, data ? bytes : 0, i < m->inputs ? inputs[i].dims : a->dims,
            a->is_static || i >= m->inputs ? 0 : (size_t)a->rank);
        for (int d = 0; i < m->inputs && d < a->rank; d++)
            if (a->symbol[d] >= 0 && a->symbol[d] < 256) symbols[a->symbol[d]] = inputs[i].dims[d];
    }
    alarm(SECONDS);
    if (sigsetjmp(escape, 1)) accuse(m, crime);
    else {
        ds_context c = {.size = sizeof c, .abi = DS_ABI, .alloc = allocate, .release = release};
        c.arena_bytes = m->arena_for(symbols, 1);
        if (c.arena_bytes > limit) c.arena_bytes = 0;
        c.arena = guarded("the arena", c.arena_bytes, 64);
        unsigned char *weights = guarded("the weights", m->weight_bytes, 64);
        if (weights && m->weight_bytes) memcpy(weights, m->weights, m->weight_bytes);
        c.weights = weights;
        status = m->entry(&c, args);
        runs++;
        if (status == DS_RUN_OK) check_results(m, args);
        for (int i = m->inputs; status == DS_RUN_OK && i < m->count; i++)
            memcpy(&outputs[i - m->inputs], args + m->a[i].offset + 8, 8);
    }
    alarm(0);
    release_all();
    return status;
}

static int run_both_ways(const model *m, const tensor *inputs, const char *text) {
    uint64_t outputs[MAX_ARGS] = {0};
    int status = 0;
    what = text;
    for (behind = 0; behind < 2; behind++) {
        status = run(m, inputs, outputs, 0);
        if (status == DS_RUN_OK) status = run(m, inputs, outputs, 1);
    }
    return status;
}

/* ---- misfits ---- */

/* The input's data over and over. */
static int make(const model *m, const tensor *valid, int i, tensor *t) {
    uint64_t old = valid[i].bytes;
    t->bytes = bytes_of(&m->a[i], t->dims);
    if (t->bytes > limit) return 0;
    t->data = malloc(t->bytes + 1);
    for (uint64_t k = 0; k < t->bytes; k++) t->data[k] = old ? valid[i].data[k % old] : 0;
    return 1;
}

/* All inputs, of which those of `symbol` (or only dim d of input i, where symbol is -1) get another extent. */
static void try_extent(const model *m, const tensor *valid, int i, int d, int symbol, int64_t extent) {
    tensor t[MAX_ARGS];
    char text[128];
    int good = 1;
    memcpy(t, valid, sizeof t);
    for (int k = 0; k < m->inputs; k++)
        for (int e = 0; e < m->a[k].rank; e++)
            if (m->a[k].dims[e] < 0 && (symbol >= 0 ? m->a[k].symbol[e] == symbol : k == i && e == d))
                t[k].dims[e] = extent;
    for (int k = 0; k < m->inputs; k++)
        if (memcmp(t[k].dims, valid[k].dims, sizeof t[k].dims)) good = make(m, valid, k, &t[k]) && good;
    snprintf(text, sizeof text, "extent %d of input %d is %lld%s", d, i, (long long)extent,
             symbol >= 0 ? " everywhere" : "");
    if (good) run_both_ways(m, t, text);
    for (int k = 0; k < m->inputs; k++)
        if (t[k].data != valid[k].data) free(t[k].data);
}

/* Extents whose product wraps around, with buffers as before. */
static void try_overflow(const model *m, const tensor *valid, int i, int64_t extent) {
    tensor t[MAX_ARGS];
    uint64_t outputs[MAX_ARGS] = {0};
    memcpy(t, valid, sizeof t);
    int dynamic = 0;
    for (int e = 0; e < m->a[i].rank; e++)
        if (m->a[i].dims[e] < 0) t[i].dims[e] = extent, dynamic++;
    what = "extents that overflow";
    if (dynamic && run(m, t, outputs, 0) == DS_RUN_OK) accuse(m, "they are accepted");
}

static void try_short(const model *m, const tensor *valid, int i) {
    tensor t[MAX_ARGS];
    uint64_t outputs[MAX_ARGS] = {0};
    memcpy(t, valid, sizeof t);
    what = "an input that is shorter than its extents";
    for (int k = 0; k < 2; k++) {
        if (!valid[i].bytes) return;
        t[i].bytes = k ? 0 : valid[i].bytes - 1;
        if (run(m, t, outputs, 0) != DS_WRONG_SIZE) accuse(m, "it is accepted");
    }
}

static int is_float(const argument *a) { return *a->elem == 'f' || *a->elem == 'b'; }

/* Element `at` of an input becomes `value`; at -1: all do. */
static void try_value(const model *m, const tensor *valid, int i, int64_t at, const void *value, const char *text) {
    tensor t[MAX_ARGS];
    char full[128];
    uint64_t size = m->a[i].bits / 8, count = valid[i].bytes / size;
    memcpy(t, valid, sizeof t);
    t[i].data = malloc(t[i].bytes + 1);
    memcpy(t[i].data, valid[i].data, t[i].bytes);
    for (uint64_t k = 0; k < count; k++)
        if (at < 0 || k == (uint64_t)at) memcpy(t[i].data + k * size, value, size);
    snprintf(full, sizeof full, "element %lld of input %d is %s", (long long)at, i, text);
    run_both_ways(m, t, full);
    free(t[i].data);
}

static void try_values(const model *m, const tensor *valid, int i) {
    static const int64_t whole[] = {-1,
                                    0,
                                    1,
                                    2,
                                    3,
                                    -2,
                                    7,
                                    100,
                                    1 << 20,
                                    -(1 << 20),
                                    INT32_MIN,
                                    INT32_MAX,
                                    INT64_MIN,
                                    INT64_MAX,
                                    (int64_t)1 << 40,
                                    (int64_t)1 << 62};
    static const float real[] = {0, -1, 1e-30f, 1e30f, 0.5f, 3, 1e9f, -1e30f, __builtin_inff(), __builtin_nanf("")};
    const argument *a = &m->a[i];
    if (a->bits < 8) return;
    uint64_t count = valid[i].bytes / (a->bits / 8);
    if (!count || (is_float(a) && (count > 8 || a->bits != 32))) return;
    uint64_t places[] = {0, 1, 2, 3, count / 2, count - 1};
    for (size_t v = 0; v < (is_float(a) ? sizeof real / sizeof *real : sizeof whole / sizeof *whole); v++) {
        char text[32];
        if (is_float(a)) snprintf(text, sizeof text, "%g", (double)real[v]);
        else snprintf(text, sizeof text, "%lld", (long long)whole[v]);
        const void *value = is_float(a) ? (const void *)&real[v] : (const void *)&whole[v];
        try_value(m, valid, i, -1, value, text);
        for (size_t p = 0; p < sizeof places / sizeof *places; p++)
            if (places[p] < count && (p < 1 || places[p] > places[p - 1]))
                try_value(m, valid, i, (int64_t)places[p], value, text);
    }
}

static void try_misfits(const model *m, const tensor *valid) {
    for (int i = 0; i < m->inputs; i++) {
        try_short(m, valid, i);
        try_overflow(m, valid, i, (int64_t)1 << 32);
        try_overflow(m, valid, i, (int64_t)1 << 62);
        try_overflow(m, valid, i, INT64_MAX);
        try_overflow(m, valid, i, -1);
        for (int d = 0; d < m->a[i].rank; d++) {
            int64_t v = valid[i].dims[d], extents[] = {0, 1, 2, v - 1, v + 1, v + 4, 3 * v, v / 2};
            for (size_t k = 0; m->a[i].dims[d] < 0 && k < sizeof extents / sizeof *extents; k++) {
                if (extents[k] < 0 || extents[k] == v) continue;
                try_extent(m, valid, i, d, -1, extents[k]);
                if (m->a[i].symbol[d] >= 0) try_extent(m, valid, i, d, m->a[i].symbol[d], extents[k]);
            }
        }
        try_values(m, valid, i);
    }
}

/* ---- models ---- */

static void *whole_file(const char *path, uint64_t *out_bytes) {
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    fseek(f, 0, SEEK_END);
    *out_bytes = (uint64_t)ftell(f);
    rewind(f);
    void *bytes = malloc(*out_bytes + 1);
    if (fread(bytes, 1, *out_bytes, f) != *out_bytes) *out_bytes = 0;
    fclose(f);
    return bytes;
}

static int read_inputs(const model *m, const char *folder, tensor *inputs) {
    char path[4096];
    snprintf(path, sizeof path, "%s/inputs", folder);
    FILE *f = fopen(path, "r");
    int good = f != NULL, rank;
    for (int i = 0; good && i < m->inputs; i++) {
        good = fscanf(f, "%d", &rank) == 1 && rank == m->a[i].rank;
        for (int d = 0; good && d < rank; d++) good = fscanf(f, "%lld", (long long *)&inputs[i].dims[d]) == 1;
        snprintf(path, sizeof path, "%s/input_%d.raw", folder, i);
        inputs[i].data = whole_file(path, &inputs[i].bytes);
        good = good && inputs[i].data;
    }
    if (f) fclose(f);
    return good;
}

static int judge(const char *so, const char *weights, const char *folder, int misfits) {
    static model m;
    static tensor inputs[MAX_ARGS];
    m.path = so;
    void *library = dlopen(so, RTLD_NOW | RTLD_LOCAL);
    if (!library) return printf("FAIL %s: %s\n", so, dlerror()), 1;
    *(void **)&m.entry = dlsym(library, "m");
    *(void **)&m.arena_for = dlsym(library, "m_arena_for");
    if (strcmp(weights, "-")) m.weights = whole_file(weights, &m.weight_bytes);
    if (!m.entry || !m.arena_for || !describe(&m, dlsym(library, "m_description")) || !read_inputs(&m, folder, inputs))
        return printf("FAIL %s: cannot be read\n", so), 1;
    if (m.args_bytes > 1 << 16) return 0;
    int status = run_both_ways(&m, inputs, "the right inputs");
    if (status != DS_RUN_OK) {
        char text[64];
        snprintf(text, sizeof text, "status %d", status);
        accuse(&m, text);
    }
    if (misfits) try_misfits(&m, inputs);
    return (int)(findings > 200 ? 200 : findings);
}

int main(int argc, char **argv) {
    char so[1024], weights[1024], folder[1024];
    int misfits = argc > 2 && !strcmp(argv[1], "--misfits"), models = 0, bad = 0;
    FILE *list = argc > 1 ? fopen(argv[argc - 1], "r") : NULL;
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGALRM, SIGABRT, SIGTRAP};
    static unsigned char stack[1 << 16]; /* also where the model's own stack overflows */
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    if (!list) return 2;
    action.sa_sigaction = caught;
    sigaltstack(&alternate, NULL);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, NULL);
    while (fscanf(list, "%1023s %1023s %1023s", so, weights, folder) == 3) {
        int status = 0;
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            int found = judge(so, weights, folder, misfits);
            if (found > FINDINGS) printf("FAIL %s: %d findings in all\n", so, found);
            fflush(stdout);
            _exit(found);
        }
        waitpid(pid, &status, 0);
        if (!WIFEXITED(status)) printf("FAIL %s: the process died of signal %d\n", so, WTERMSIG(status));
        models++, bad += !WIFEXITED(status) || WEXITSTATUS(status);
    }
    printf("%d models, %d with findings\n", models, bad);
    return bad != 0;
}
