#include "tools/npz.h"

#include <stdlib.h>
#include <string.h>

/* Records of a ZIP archive: marks, sizes without names, and where in them numbers are. */
enum { END_MARK = 0x06054b50, END_SIZE = 22, END_COUNT = 10, END_START = 16, MOST_COMMENT = 65535 };
enum {
    ENTRY_MARK = 0x02014b50,
    ENTRY_SIZE = 46,
    ENTRY_METHOD = 10,
    ENTRY_PACKED = 20,
    ENTRY_LENGTH = 24,
    ENTRY_NAME = 28,
    ENTRY_EXTRA = 30,
    ENTRY_COMMENT = 32,
    ENTRY_FILE = 42
};
enum { FILE_MARK = 0x04034b50, FILE_SIZE = 30, FILE_NAME = 26, FILE_EXTRA = 28 };

typedef struct {
    ds_diag *diag;
    const char *path;
    const uint8_t *bytes;
    uint64_t length;
} archive;

static uint32_t two(const uint8_t *p) { return p[0] + 256u * p[1]; }
static uint32_t four(const uint8_t *p) { return two(p) + 65536u * two(p + 2); }

static ds_status fail(const archive *a, const char *name, const char *what) {
    return ds_report(a->diag, DS_ERROR, DS_E_ranges, NULL, "'%s'%s%s%s %s", a->path, name ? ", entry '" : "",
                     name ? name : "", name ? "'" : "", what);
}

/* The record at the end, which a comment may follow. */
static const uint8_t *find_end(const archive *a) {
    for (uint64_t back = END_SIZE; back <= a->length && back <= END_SIZE + MOST_COMMENT; back++) {
        const uint8_t *at = a->bytes + a->length - back;
        if (four(at) == END_MARK && two(at + END_SIZE - 2) == back - END_SIZE) return at;
    }
    return NULL;
}

static ds_status read_entry(const archive *a, const uint8_t *entry, npz_entry *e) {
    static const char suffix[] = ".npy";
    size_t n = two(entry + ENTRY_NAME), tail = strlen(suffix);
    uint64_t at = four(entry + ENTRY_FILE), packed = four(entry + ENTRY_PACKED);
    char *name = ds_xmalloc(n + 1);
    memcpy(name, entry + ENTRY_SIZE, n);
    name[n] = 0;
    *e = (npz_entry){.name = name};
    if (strlen(name) != n || n <= tail || strcmp(name + n - tail, suffix)) return fail(a, name, "is no .npy file");
    name[n - tail] = 0;
    if (at == UINT32_MAX || packed == UINT32_MAX) return fail(a, name, "is longer than 4 GiB");
    if (at + FILE_SIZE > a->length || four(a->bytes + at) != FILE_MARK) return fail(a, name, "is damaged");
    at += FILE_SIZE + two(a->bytes + at + FILE_NAME) + two(a->bytes + at + FILE_EXTRA);
    if (at > a->length || packed > a->length - at) return fail(a, name, "is cut short");
    if (two(entry + ENTRY_METHOD)) return fail(a, name, "is compressed: write it by numpy.savez");
    if (four(entry + ENTRY_LENGTH) != packed) return fail(a, name, "has two lengths");
    e->bytes = a->bytes + at;
    e->length = packed;
    return DS_OK;
}

static ds_status read_entries(const archive *a, npz_entry **out) {
    const uint8_t *end = find_end(a);
    if (!end) return fail(a, NULL, "is no .npz file");
    uint64_t at = four(end + END_START), count = two(end + END_COUNT), used = 0;
    for (uint64_t i = 0; i < count; i++) {
        npz_entry e;
        if (at > a->length || a->length - at < ENTRY_SIZE || four(a->bytes + at) != ENTRY_MARK)
            return fail(a, NULL, "has a damaged directory");
        const uint8_t *entry = a->bytes + at;
        at += ENTRY_SIZE + two(entry + ENTRY_NAME);
        if (at > a->length) return fail(a, NULL, "has a damaged directory");
        at += two(entry + ENTRY_EXTRA) + two(entry + ENTRY_COMMENT);
        used += four(entry + ENTRY_PACKED);
        if (used > a->length) return fail(a, NULL, "has entries that lie upon each other");
        ds_status status = read_entry(a, entry, &e);
        arrput(*out, e);
        DS_TRY(status);
    }
    return DS_OK;
}

ds_status npz_open(ds_diag *diag, ds_files *files, const char *path, npz_entry **out) {
    const ds_mapped_file *file;
    *out = NULL;
    DS_TRY(ds_files_open(files, diag, path, &file));
    const archive a = {diag, path, file->bytes, file->length};
    ds_status status = read_entries(&a, out);
    if (status != DS_OK) {
        npz_close(*out);
        *out = NULL;
    }
    return status;
}

void npz_close(npz_entry *entries) {
    for (size_t i = 0; i < arrlenu(entries); i++) free((char *)(uintptr_t)entries[i].name);
    arrfree(entries);
}
