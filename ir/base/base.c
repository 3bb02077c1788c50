#define _GNU_SOURCE
#include "base.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define STB_DS_IMPLEMENTATION
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#endif
#include <stb/stb_ds.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

DS_NORETURN void ds_out_of_memory(void) {
    static const char text[] = "dsc: error: out of memory\n";
    (void)!fwrite(text, 1, sizeof text - 1, stderr);
    _Exit(1);
}

void *ds_xmalloc(size_t bytes) {
    void *p = malloc(bytes ? bytes : 1);
    if (!p) ds_out_of_memory();
    return p;
}

void *ds_xrealloc(void *old, size_t bytes) {
    void *p = realloc(old, bytes ? bytes : 1);
    if (!p) ds_out_of_memory();
    return p;
}

enum { PAGE_BITS = 21 }; /* of a large page */

static size_t whole_pages(uint64_t bytes) {
    const uint64_t mask = ((uint64_t)1 << PAGE_BITS) - 1;
    if (bytes > SIZE_MAX / 2) ds_out_of_memory();
    return (size_t)(((bytes ? bytes : 1) + mask) & ~mask);
}

/* The mapping is larger than what is used of it, by what its start lacks to a large page. */
void *ds_pages_alloc(uint64_t bytes) {
    size_t length = whole_pages(bytes), page = (size_t)1 << PAGE_BITS;
    char *at = mmap(NULL, length + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) ds_out_of_memory();
    size_t before = (page - (uintptr_t)at % page) % page;
    if (before) munmap(at, before);
    if (before < page) munmap(at + before + length, page - before);
#if defined(MADV_HUGEPAGE)
    madvise(at + before, length, MADV_HUGEPAGE);
#endif
    return at + before;
}

void ds_pages_free(void *pages, uint64_t bytes) {
    if (pages) munmap(pages, whole_pages(bytes));
}

/* ---- arena: a list of blocks, bump allocation in the newest ---- */

enum { ARENA_BLOCK = 1 << 16 };

typedef struct arena_block {
    struct arena_block *next;
    size_t used, size;
    _Alignas(16) unsigned char bytes[];
} arena_block;

struct ds_arena {
    arena_block *first;
};

ds_arena *ds_arena_create(void) {
    ds_arena *arena = ds_xmalloc(sizeof *arena);
    arena->first = NULL;
    return arena;
}

void ds_arena_destroy(ds_arena *arena) {
    if (!arena) return;
    for (arena_block *block = arena->first, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    free(arena);
}

void *ds_arena_alloc(ds_arena *arena, size_t bytes) {
    if (bytes > SIZE_MAX / 2) ds_out_of_memory();
    bytes = (bytes + 15) & ~(size_t)15;
    arena_block *block = arena->first;
    if (!block || block->size - block->used < bytes) {
        size_t size = bytes > ARENA_BLOCK / 4 ? bytes : ARENA_BLOCK;
        block = ds_xmalloc(sizeof *block + size);
        block->used = 0, block->size = size;
        if (arena->first && size == bytes) { /* a large one of its own goes behind the block that still has room */
            block->next = arena->first->next;
            arena->first->next = block;
        } else {
            block->next = arena->first;
            arena->first = block;
        }
    }
    void *p = block->bytes + block->used;
    block->used += bytes;
    return memset(p, 0, bytes);
}

char *ds_arena_strndup(ds_arena *arena, const char *text, size_t length) {
    char *copy = ds_arena_alloc(arena, length + 1);
    if (length) memcpy(copy, text, length);
    return copy;
}

char *ds_arena_strdup(ds_arena *arena, const char *text) { return ds_arena_strndup(arena, text, strlen(text)); }

char *ds_arena_vprintf(ds_arena *arena, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    char *text = ds_arena_alloc(arena, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

char *ds_arena_printf(ds_arena *arena, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *text = ds_arena_vprintf(arena, format, args);
    va_end(args);
    return text;
}

/* ---- strings ---- */

static void string_reserve(ds_string *s, size_t more) {
    if (s->length + more + 1 <= s->capacity) return;
    size_t capacity = s->capacity ? s->capacity * 2 : 256;
    while (capacity < s->length + more + 1) capacity *= 2;
    s->data = ds_xrealloc(s->data, capacity);
    s->capacity = capacity;
}

void ds_string_append(ds_string *s, const char *text, size_t length) {
    string_reserve(s, length);
    if (length) memcpy(s->data + s->length, text, length);
    s->length += length;
    s->data[s->length] = 0;
}

static void string_vprintf(ds_string *s, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    string_reserve(s, (size_t)length);
    vsnprintf(s->data + s->length, (size_t)length + 1, format, again);
    va_end(again);
    s->length += (size_t)length;
}

void ds_string_printf(ds_string *s, const char *format, ...) {
    va_list args;
    va_start(args, format);
    string_vprintf(s, format, args);
    va_end(args);
}

void ds_string_free(ds_string *s) {
    free(s->data);
    *s = (ds_string){0};
}

/* ---- stages ---- */

double ds_stage_start(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void ds_stage_print(double start, const char *name) {
    fprintf(stderr, "%8.1f ms  %s\n", 1e3 * (ds_stage_start() - start), name);
}

/* ---- diagnostics ---- */

const char *ds_error_text(ds_error_code code) {
    switch (code) {
    case DS_NO_CODE: break;
#define DS_ERROR(name, number, text)                                                                                   \
    case DS_E_##name:                                                                                                  \
        return text;
#include "errors.def"
#undef DS_ERROR
    }
    return "";
}

static void append_json_string(ds_string *out, const char *text) {
    ds_string_append(out, "\"", 1);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\') ds_string_printf(out, "\\%c", *c);
        else if (*c < 0x20) ds_string_printf(out, "\\u%04x", *c);
        else ds_string_append(out, (const char *)c, 1);
    }
    ds_string_append(out, "\"", 1);
}

/* The line of the spot as a terminal can show it, around the column, and a caret below it. */
static void append_line(ds_string *out, const ds_diag *diag, ds_spot spot) {
    enum { SHOWN = 110 };
    const char *at = diag->source, *end = diag->source + diag->source_length;
    for (uint32_t line = 1; line < spot.line && at < end; at++) line += *at == '\n';
    const char *stop = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    if (!stop) stop = end;
    size_t length = (size_t)(stop - at), column = spot.column - 1;
    size_t from = column > SHOWN - 20 ? column - SHOWN / 2 : 0;
    if (column > length || !spot.column) return;
    const char *before = from ? "..." : "", *after = length - from > SHOWN ? "..." : "";
    size_t shown = length - from > SHOWN ? SHOWN : length - from;
    ds_string_printf(out, "  %s", before);
    for (size_t i = from; i < from + shown; i++) {
        char c = at[i];
        if (((unsigned char)c < 0x20 && c != '\t') || c == 0x7f) c = '?';
        ds_string_append(out, &c, 1);
    }
    ds_string_printf(out, "%s\n  %*s", after, (int)strlen(before), "");
    for (size_t i = from; i < column; i++) {
        bool continues = ((unsigned char)at[i] & 0xc0) == 0x80; /* of a character in UTF-8 */
        if (!continues) ds_string_append(out, at[i] == '\t' ? "\t" : " ", 1);
    }
    ds_string_append(out, "^\n", 2);
}

static void append_json(ds_diag *diag, const char *severity, ds_error_code code, ds_spot spot, const char *where,
                        const char *message) {
    ds_string *out = &diag->text;
    ds_string_printf(out, "{\"severity\":\"%s\",\"code\":\"DS%04d\",\"file\":", severity, (int)code);
    append_json_string(out, diag->file ? diag->file : "");
    if (spot.line) ds_string_printf(out, ",\"line\":%u,\"column\":%u", spot.line, spot.column);
    ds_string_printf(out, ",\"where\":");
    append_json_string(out, where ? where : "");
    ds_string_printf(out, ",\"message\":");
    append_json_string(out, message);
    ds_string_printf(out, "}\n");
}

static void append_text(ds_diag *diag, const char *severity, ds_error_code code, ds_spot spot, const char *where,
                        const char *message) {
    ds_string *out = &diag->text;
    if (diag->file) ds_string_printf(out, "%s:", diag->file);
    if (spot.line) ds_string_printf(out, "%u:%u:", spot.line, spot.column);
    ds_string_printf(out, "%s%s: ", diag->file || spot.line ? " " : "", severity);
    if (where) ds_string_printf(out, "%s: ", where);
    ds_string_printf(out, "%s", message);
    if (code) ds_string_printf(out, " [DS%04d]", (int)code);
    ds_string_printf(out, "\n");
    if (spot.line && diag->source) append_line(out, diag, spot);
}

static ds_status report(ds_diag *diag, ds_severity severity, ds_error_code code, ds_spot spot, const char *where,
                        const char *format, va_list args) {
    static const char *const names[] = {"error", "warning", "note"};
    ds_string message = {0};
    string_vprintf(&message, format, args);
    const char *text = message.data ? message.data : "";
    if (severity == DS_ERROR) diag->error_count++;
    if (diag->json) append_json(diag, names[severity], code, spot, where, text);
    else append_text(diag, names[severity], code, spot, where, text);
    ds_string_free(&message);
    return code >= 400 ? DS_BUG : code >= 300 ? DS_UNSUPPORTED : DS_BAD_INPUT;
}

ds_status ds_report(ds_diag *diag, ds_severity severity, ds_error_code code, const char *where, const char *format,
                    ...) {
    va_list args;
    va_start(args, format);
    ds_status status = report(diag, severity, code, (ds_spot){0, 0}, where, format, args);
    va_end(args);
    return status;
}

ds_status ds_report_at(ds_diag *diag, ds_severity severity, ds_error_code code, ds_spot spot, const char *where,
                       const char *format, ...) {
    va_list args;
    va_start(args, format);
    ds_status status = report(diag, severity, code, spot, where, format, args);
    va_end(args);
    return status;
}

/* ---- slips ---- */

enum { LONGEST_SLIP = 64 };

/* How many letters are put in, left out, changed or swapped with the next one, from one name to the other; case counts
 * as nothing. */
static size_t distance(const char *a, const char *b) {
    size_t n = strlen(a), m = strlen(b), rows[3][LONGEST_SLIP + 1];
    size_t *older = rows[0], *old = rows[1], *now = rows[2];
    if (n > LONGEST_SLIP || m > LONGEST_SLIP) return SIZE_MAX;
    for (size_t k = 0; k <= m; k++) old[k] = k;
    for (size_t i = 1; i <= n; i++) {
        now[0] = i;
        for (size_t k = 1; k <= m; k++) {
            int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[k - 1]);
            size_t best = old[k - 1] + (x != y);
            if (old[k] + 1 < best) best = old[k] + 1;
            if (now[k - 1] + 1 < best) best = now[k - 1] + 1;
            bool swapped =
                i > 1 && k > 1 && x == tolower((unsigned char)b[k - 2]) && y == tolower((unsigned char)a[i - 2]);
            if (swapped && older[k - 2] + 1 < best) best = older[k - 2] + 1;
            now[k] = best;
        }
        size_t *free_row = older;
        older = old;
        old = now;
        now = free_row;
    }
    return old[m];
}

const char *ds_nearer_name(const char *wrong, const char *best, const char *candidate) {
    size_t length = strlen(wrong), most = length < 3 ? 0 : length < 6 ? 1 : 2;
    size_t far = distance(wrong, candidate);
    if (far > most) return best;
    return !best || far < distance(wrong, best) ? candidate : best;
}
