#include "tools/schedules.h"

#include <stdio.h>
#include <string.h>

static bool read_line(ds_ir_context *cx, const char *line, size_t length, ds_schedule *out) {
    char *text = ds_arena_strndup(cx->arena, line, length);
    int used = 0;
    if (sscanf(text, "tile %ux%u %n", &out->rows, &out->columns, &used) != 2 || !used || !text[used]) return false;
    out->what = text + used;
    return true;
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
        else status = ds_report(cx->diag, DS_ERROR, DS_E_schedule, NULL, "line %u is not 'tile ROWSxCOLUMNS DESCRIPTION'", number);
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
    for (size_t i = 0; i < count; i++)
        ds_string_printf(&text, "tile %ux%u %s\n", schedules[i].rows, schedules[i].columns, schedules[i].what);
    ds_span span = {text.data, text.length};
    ds_status status = ds_file_write(cx->diag, path, &span, 1);
    ds_string_free(&text);
    return status;
}
