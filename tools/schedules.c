#include "tools/schedules.h"

#include <string.h>

static const char *text_of(const ds_attr *dict, const char *name) {
    const ds_attr *a = ds_attr_find(dict, name);
    return a && a->kind == DS_ATTR_STRING ? a->text : NULL;
}

/* False when it is no choice. */
static bool read_choice(const ds_attr *a, ds_choice *out) {
    if (a->kind != DS_ATTR_DICT) return false;
    const ds_attr *tile = ds_attr_find(a, "tile");
    *out = (ds_choice){.key = text_of(a, "key"),
                       .node = text_of(a, "node"),
                       .what = text_of(a, "what"),
                       .schedule = ds_attr_find(a, "schedule")};
    if (out->key) return !out->node && out->schedule && out->schedule->kind == DS_ATTR_DICT;
    if (!out->node || !tile || tile->kind != DS_ATTR_INT) return false;
    out->tile = (int)tile->integer;
    return tile->integer == 0 || tile->integer == 2 || tile->integer == 4;
}

static ds_status read_choices(ds_ir_context *cx, const ds_module *m, ds_pass_options *out) {
    const ds_attr *list = ds_module_attr(m, "ds.schedules");
    if (!list || list->kind != DS_ATTR_ARRAY)
        return ds_report(cx->diag, DS_ERROR, DS_E_schedule, NULL, "the module has no list 'ds.schedules'");
    ds_choice *all = DS_NEW_ARRAY(cx->arena, ds_choice, list->count + 1);
    for (size_t i = 0; i < list->count; i++)
        if (!read_choice(list->items[i], &all[i]))
            return ds_report(cx->diag, DS_ERROR, DS_E_schedule, NULL,
                             "item %zu of 'ds.schedules' is neither {key = \"…\", schedule = {…}} nor {node = \"…\", "
                             "tile = 0, 2 or 4}",
                             i);
    out->schedules = all;
    out->schedule_count = list->count;
    return DS_OK;
}

ds_status schedules_read(ds_ir_context *cx, const char *path, ds_pass_options *out) {
    ds_files files = {0};
    const ds_mapped_file *file;
    ds_module *m = NULL;
    cx->diag->file = path;
    ds_status status = ds_files_open(&files, cx->diag, path, &file);
    if (status == DS_OK) status = ds_module_parse(cx, &files, (const char *)file->bytes, file->length, path, &m);
    if (status == DS_OK) status = read_choices(cx, m, out);
    ds_module_destroy(m);
    cx->diag->source = NULL;
    ds_files_close(&files);
    return status;
}

/* As the printer of attributes has it. */
static void print_text(ds_ir_context *cx, ds_string *out, const char *name, const char *text) {
    ds_string_printf(out, "%s = ", name);
    ds_attr_print(out, ds_attr_string(cx, text));
}

ds_status schedules_write(ds_ir_context *cx, const char *path, const char *comment, const ds_choice *choices,
                          size_t count) {
    ds_string text = {0};
    ds_string_printf(&text, "// %s\nmodule attributes {ds.schedules = [\n", comment);
    for (size_t i = 0; i < count; i++) {
        const ds_choice *c = &choices[i];
        ds_string_printf(&text, "  {");
        print_text(cx, &text, c->key ? "key" : "node", c->key ? c->key : c->node);
        if (c->key && c->what) {
            ds_string_printf(&text, ", ");
            print_text(cx, &text, "what", c->what);
        }
        ds_string_printf(&text, c->key ? ", schedule = " : ", tile = ");
        if (c->key) ds_attr_print(&text, c->schedule);
        else ds_string_printf(&text, "%d", c->tile);
        ds_string_printf(&text, "}%s\n", i + 1 < count ? "," : "");
    }
    ds_string_printf(&text, "]} {\n}\n");
    ds_span span = {text.data, text.length};
    ds_status status = ds_file_write(cx->diag, path, &span, 1);
    ds_string_free(&text);
    return status;
}
