#include "tools/schedules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In the order of ds_schedule_kind. */
static const char *const words[] = {"tile", "winograd", "block"};

static bool is_valid(const ds_schedule *s) {
    switch (s->kind) {
    case DS_SCHEDULE_TILE: return s->rows && s->columns;
    case DS_SCHEDULE_WINOGRAD: return s->rows == 0 || s->rows == 2 || s->rows == 4;
    case DS_SCHEDULE_BLOCK: return s->rows && s->rows <= 1 << 20;
    }
    return false;
}

static bool read_line(ds_ir_context *cx, const char *line, size_t length, ds_schedule *out) {
    char *text = ds_arena_strndup(cx->arena, line, length), *end;
    for (size_t i = 0; i < DS_COUNT(words); i++) {
        size_t word = strlen(words[i]);
        *out = (ds_schedule){.kind = (ds_schedule_kind)i};
        if (strncmp(text, words[i], word) || text[word] != ' ') continue;
        out->rows = (unsigned)strtoul(text + word + 1, &end, 10);
        if (i == DS_SCHEDULE_TILE && *end == 'x') out->columns = (unsigned)strtoul(end + 1, &end, 10);
        out->what = end + strspn(end, " ");
        return *end == ' ' && *out->what && is_valid(out);
    }
    return false;
}

ds_status schedules_read(ds_ir_context *cx, const char *path, ds_pass_options *out) {
    ds_files files = {0};
    const ds_mapped_file *file;
    ds_schedule *all = NULL;
    unsigned number = 0;
    cx->diag->file = path;
    ds_status status = ds_files_open(&files, cx->diag, path, &file);
    const char *at = status == DS_OK ? (const char *)file->bytes : NULL, *end = at ? at + file->length : NULL;
    for (const char *next; status == DS_OK && at < end; at = next) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((newline ? newline : end) - at);
        ds_schedule s;
        next = at + length + 1, number++;
        if (length == 0 || *at == '#') continue;
        if (read_line(cx, at, length, &s)) arrput(all, s);
        else
            status = ds_report(cx->diag, DS_ERROR, DS_E_schedule, NULL,
                               "line %u is not 'tile ROWSxCOLUMNS DESCRIPTION', 'winograd SIDE NODE' or 'block ROWS DESCRIPTION'", number);
    }
    ds_files_close(&files);
    if (status == DS_OK && arrlenu(all)) {
        ds_schedule *kept = DS_NEW_ARRAY(cx->arena, ds_schedule, arrlenu(all));
        memcpy(kept, all, arrlenu(all) * sizeof *all);
        out->schedules = kept, out->schedule_count = arrlenu(all);
    }
    arrfree(all);
    return status;
}

ds_status schedules_write(ds_ir_context *cx, const char *path, const char *comment, const ds_schedule *schedules, size_t count) {
    ds_string text = {0};
    ds_string_printf(&text, "# %s\n", comment);
    for (size_t i = 0; i < count; i++) {
        const ds_schedule *s = &schedules[i];
        ds_string_printf(&text, "%s %u", words[s->kind], s->rows);
        if (s->kind == DS_SCHEDULE_TILE) ds_string_printf(&text, "x%u", s->columns);
        ds_string_printf(&text, " %s\n", s->what);
    }
    ds_span span = {text.data, text.length};
    ds_status status = ds_file_write(cx->diag, path, &span, 1);
    ds_string_free(&text);
    return status;
}
