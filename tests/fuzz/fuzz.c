#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fuzz_open(fuzz_session *s) {
    *s = (fuzz_session){0};
    s->cx = ds_context_create(&s->diag);
}

void fuzz_close(fuzz_session *s) {
    ds_files_close(&s->files);
    ds_context_destroy(s->cx);
    ds_string_free(&s->diag.text);
}

void fuzz_file(fuzz_session *s, const char *path, const uint8_t *bytes, size_t length) {
    ds_mapped_file *f = ds_xmalloc(sizeof *f);
    uint8_t *copy = ds_xmalloc(length);
    if (length) memcpy(copy, bytes, length);
    *f = (ds_mapped_file){s->files.first, ds_xmalloc(strlen(path) + 1), copy, length, copy};
    memcpy(f->path, path, strlen(path) + 1);
    s->files.first = f;
}

void fuzz_check(const fuzz_session *s, ds_status status, const char *what) {
    bool silent = status != DS_OK && s->diag.error_count == 0;
    if (status != DS_BUG && status != DS_BAD_USAGE && !silent) return;
    fprintf(stderr, "%s: status %d%s\n%s", what, (int)status, silent ? ", and nothing was said" : "",
            s->diag.text.length ? s->diag.text.data : "");
    abort();
}
