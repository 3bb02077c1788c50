#include "safetensors.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

/* ---- writing ---- */

typedef struct {
    const ds_attr **found; /* stb_ds array, each name once */
} collector;

static void collect_attr(collector *c, const ds_attr *a) {
    if (a->kind == DS_ATTR_ELEMENTS && a->text) {
        for (size_t i = 0; i < arrlenu(c->found); i++)
            if (c->found[i] == a) return;
        arrput(c->found, a);
    }
    for (size_t i = 0; a->kind == DS_ATTR_ARRAY && i < a->count; i++) collect_attr(c, a->items[i]);
    for (size_t i = 0; a->kind == DS_ATTR_DICT && i < a->count; i++) collect_attr(c, a->entries[i].value);
}

static void collect_op(void *user, ds_op *op) {
    for (size_t i = 0; i < op->attr_count; i++) collect_attr(user, op->attrs[i].value);
}

static char *make_header(const ds_attr *const *all, size_t count) {
    cJSON *root = cJSON_CreateObject();
    uint64_t at = 0;
    for (size_t i = 0; i < count; i++) {
        cJSON *entry = cJSON_AddObjectToObject(root, all[i]->text), *shape, *offsets;
        cJSON_AddStringToObject(entry, "dtype", ds_elem_facts(all[i]->type->elem)->safetensors);
        shape = cJSON_AddArrayToObject(entry, "shape");
        for (size_t d = 0; d < all[i]->type->rank; d++)
            cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)all[i]->type->dims[d]->value));
        offsets = cJSON_AddArrayToObject(entry, "data_offsets");
        cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)at));
        cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)(at += all[i]->count)));
    }
    char *text = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    return text;
}

ds_status ds_safetensors_write(ds_module *module, const char *path) {
    collector c = {NULL};
    ds_walk(module->body.block, collect_op, &c);
    size_t count = arrlenu(c.found);
    if (count == 0) return DS_OK;
    char *header = make_header(c.found, count);
    if (!header) ds_out_of_memory();
    uint64_t length = strlen(header), padded = (length + 7) / 8 * 8; /* the format is little-endian, as are the hosts dsc runs on */
    ds_span *parts = NULL;
    arrput(parts, ((ds_span){&padded, 8}));
    arrput(parts, ((ds_span){header, (size_t)length}));
    arrput(parts, ((ds_span){"        ", (size_t)(padded - length)}));
    for (size_t i = 0; i < count; i++) arrput(parts, ((ds_span){c.found[i]->bytes, c.found[i]->count}));
    ds_status status = ds_file_write(module->cx->diag, path, parts, arrlenu(parts));
    const char *slash = strrchr(path, '/');
    ds_module_set_attr(module, "ds.weights", ds_attr_string(module->cx, slash ? slash + 1 : path));
    free(header);
    arrfree(parts);
    arrfree(c.found);
    return status;
}

/* ---- reading ---- */

ds_status ds_safetensors_open(ds_ir_context *cx, ds_files *files, const char *path, ds_safetensors *out) {
    uint64_t length = 0;
    *out = (ds_safetensors){0};
    DS_TRY(ds_files_open(files, cx->diag, path, &out->file));
    if (out->file->length >= 8) memcpy(&length, out->file->bytes, 8);
    if (length && length <= out->file->length - 8 && length < 1u << 30)
        out->header = cJSON_ParseWithLength((const char *)out->file->bytes + 8, (size_t)length);
    out->start = 8 + length;
    return out->header ? DS_OK : ds_report(cx->diag, DS_ERROR, DS_E_external, NULL, "'%s' is not a safetensors file", path);
}

void ds_safetensors_close(ds_safetensors *s) {
    cJSON_Delete(s->header);
    s->header = NULL;
}

const void *ds_safetensors_find(const ds_safetensors *s, const char *name, uint64_t length) {
    const cJSON *entry = cJSON_GetObjectItemCaseSensitive(s->header, name),
                *offsets = entry ? cJSON_GetObjectItemCaseSensitive(entry, "data_offsets") : NULL;
    const cJSON *from = cJSON_GetArrayItem(offsets, 0), *to = cJSON_GetArrayItem(offsets, 1);
    if (!from || !to || !cJSON_IsNumber(from) || !cJSON_IsNumber(to)) return NULL;
    double low = from->valuedouble, high = to->valuedouble;
    if (low < 0 || high < low || high - low != (double)length || high > (double)(s->file->length - s->start)) return NULL;
    return s->file->bytes + s->start + (uint64_t)low;
}
