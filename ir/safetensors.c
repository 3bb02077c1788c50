#include "safetensors.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

/* The elements that a dtype stands for first; DS_NO_ELEM when dsc has none. */
static ds_elem elem_of(const char *dtype) {
    if (!strcmp(dtype, ds_elem_facts(DS_u8)->safetensors))
        return DS_u8; /* others without a dtype of their own have it, too */
    for (int e = 0; e < DS_ELEM_COUNT; e++)
        if (!strcmp(ds_elem_facts((ds_elem)e)->safetensors, dtype)) return (ds_elem)e;
    return DS_NO_ELEM;
}

/* A dtype has as many bits as the elements; else their bytes are a list of U8. */
static bool has_own_dtype(ds_elem elem) {
    ds_elem stands = elem_of(ds_elem_facts(elem)->safetensors);
    return ds_elem_facts(stands)->bits == ds_elem_facts(elem)->bits;
}

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
        if (!has_own_dtype(all[i]->type->elem)) cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)all[i]->count));
        for (size_t d = 0; d < all[i]->type->rank && has_own_dtype(all[i]->type->elem); d++)
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
    uint64_t length = strlen(header),
             padded = (length + 7) / 8 * 8; /* the format is little-endian, as are the hosts dsc runs on */
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

enum { MOST_HEADER = 100 << 20, MOST_RANK = 64 };

static const double LARGEST_EXACT = 9007199254740992.0; /* JSON numbers are doubles: whole up to 2^53 */

typedef struct {
    ds_ir_context *cx;
    ds_safetensors *s;
    const ds_mapped_file *file;
    uint64_t start; /* of the bytes */
} opening;

static ds_status wrong(const opening *o, const char *tensor, const char *what) {
    ds_diag *diag = o->cx->diag;
    if (!tensor)
        return ds_report(diag, DS_ERROR, DS_E_external, NULL, "'%s' is not a safetensors file: %s", o->s->name, what);
    return ds_report(diag, DS_ERROR, DS_E_external, NULL, "'%s' is damaged: tensor '%s' %s", o->s->name, tensor, what);
}

static bool read_whole(const cJSON *item, uint64_t *out) {
    bool good = cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble <= LARGEST_EXACT;
    if (good) *out = (uint64_t)item->valuedouble;
    return good && (double)*out == item->valuedouble;
}

static bool read_shape(const opening *o, const cJSON *list, ds_safetensor *t, uint64_t *out_count) {
    int64_t dims[MOST_RANK];
    *out_count = 1;
    if (!cJSON_IsArray(list)) return false;
    for (const cJSON *item = list->child; item; item = item->next) {
        uint64_t extent;
        if (t->rank == MOST_RANK || !read_whole(item, &extent) || __builtin_mul_overflow(*out_count, extent, out_count))
            return false;
        dims[t->rank++] = (int64_t)extent;
    }
    int64_t *kept = DS_NEW_ARRAY(o->cx->arena, int64_t, t->rank);
    memcpy(kept, dims, t->rank * sizeof *dims);
    t->dims = kept;
    return true;
}

static ds_status read_tensor(opening *o, const cJSON *entry) {
    const char *name = entry->string;
    const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(entry, "dtype"),
                *shape = cJSON_GetObjectItemCaseSensitive(entry, "shape"),
                *offsets = cJSON_GetObjectItemCaseSensitive(entry, "data_offsets");
    ds_safetensor t = {0};
    uint64_t count, end, bytes, room = o->file->length - o->start;
    if (!cJSON_IsString(dtype)) return wrong(o, name, "has no dtype");
    if (!read_shape(o, shape, &t, &count)) return wrong(o, name, "has no shape that can be");
    if (cJSON_GetArraySize(offsets) != 2 || !read_whole(cJSON_GetArrayItem(offsets, 0), &t.offset) ||
        !read_whole(cJSON_GetArrayItem(offsets, 1), &end) || end < t.offset)
        return wrong(o, name, "has no data_offsets that can be");
    if (end > room) {
        const char *what = ds_arena_printf(o->cx->arena, "ends at byte %llu of %llu", (unsigned long long)end,
                                           (unsigned long long)room);
        return wrong(o, name, what);
    }
    ds_elem elem = elem_of(dtype->valuestring);
    if (elem != DS_NO_ELEM && (!ds_elem_bytes(elem, count, &bytes) || bytes != end - t.offset))
        return wrong(o, name,
                     ds_arena_printf(o->cx->arena, "has %llu bytes, which is not what its shape wants",
                                     (unsigned long long)(end - t.offset)));
    if (shgeti(o->s->tensors, name) >= 0) return wrong(o, name, "is there twice");
    t.dtype = ds_arena_strdup(o->cx->arena, dtype->valuestring);
    t.bytes = o->file->bytes + o->start + t.offset;
    t.length = end - t.offset;
    shput(o->s->tensors, name, t);
    return DS_OK;
}

typedef struct {
    uint64_t from, to;
    const char *name;
} extent;

static int by_offset(const void *a, const void *b) {
    const extent *x = a, *y = b;
    return x->from != y->from ? (x->from < y->from ? -1 : 1)
           : x->to != y->to   ? (x->to < y->to ? -1 : 1)
                              : strcmp(x->name, y->name);
}

static ds_status check_overlaps(opening *o) {
    extent *all = NULL;
    ds_status status = DS_OK;
    for (size_t i = 0; i < shlenu(o->s->tensors); i++) {
        const ds_safetensor *t = &o->s->tensors[i].value;
        extent one = {t->offset, t->offset + t->length, o->s->tensors[i].key};
        if (t->length) arrput(all, one);
    }
    if (all) qsort(all, arrlenu(all), sizeof *all, by_offset);
    for (size_t i = 1; status == DS_OK && i < arrlenu(all); i++)
        if (all[i].from < all[i - 1].to)
            status = wrong(o, all[i].name, ds_arena_printf(o->cx->arena, "lies over tensor '%s'", all[i - 1].name));
    arrfree(all);
    return status;
}

/* Behind the header there may be spaces. */
static ds_status read_header(opening *o, uint64_t length) {
    const char *text = (const char *)o->file->bytes + 8, *end = NULL;
    cJSON *header = cJSON_ParseWithLengthOpts(text, (size_t)length, &end, false);
    size_t used = end >= text && end <= text + length ? (size_t)(end - text) : 0;
    ds_status status = DS_OK;
    if (!header)
        status = wrong(o, NULL, ds_arena_printf(o->cx->arena, "its header is no JSON from byte %zu on", 8 + used));
    else if (!cJSON_IsObject(header)) status = wrong(o, NULL, "its header is no JSON object");
    for (; header && status == DS_OK && used < length; used++)
        if (text[used] && !strchr(" \t\r\n", text[used])) status = wrong(o, NULL, "there is text behind its header");
    for (const cJSON *entry = header ? header->child : NULL; entry && status == DS_OK; entry = entry->next)
        if (strcmp(entry->string, "__metadata__") != 0) status = read_tensor(o, entry);
    cJSON_Delete(header);
    return status;
}

ds_status ds_safetensors_open(ds_ir_context *cx, ds_files *files, const char *path, ds_safetensors *out) {
    uint64_t length = 0;
    *out = (ds_safetensors){.name = ds_arena_strdup(cx->arena, path)};
    opening o = {.cx = cx, .s = out};
    sh_new_arena(out->tensors);
    DS_TRY(ds_files_open(files, cx->diag, path, &o.file));
    if (o.file->length < 8) return wrong(&o, NULL, "it is shorter than 8 bytes");
    memcpy(&length, o.file->bytes, 8);
    if (length > o.file->length - 8) return wrong(&o, NULL, "its header would be longer than the file");
    if (length > MOST_HEADER) return wrong(&o, NULL, "its header is longer than 100 MB");
    o.start = 8 + length;
    DS_TRY(read_header(&o, length));
    return check_overlaps(&o);
}

void ds_safetensors_close(ds_safetensors *s) { shfree(s->tensors); }

const ds_safetensor *ds_safetensors_find(const ds_safetensors *s, const char *name) {
    ds_safetensors map = *s; /* the macro writes into the map's pointer, to what it was */
    ptrdiff_t at = shgeti(map.tensors, name);
    return at >= 0 ? &map.tensors[at].value : NULL;
}

static const ds_type *type_of(ds_ir_context *cx, const ds_safetensor *t, ds_elem elem) {
    const ds_expr *dims[MOST_RANK];
    for (size_t i = 0; i < t->rank; i++) dims[i] = ds_expr_const(cx, t->dims[i]);
    return ds_type_tensor(cx, elem, t->rank, dims, NULL);
}

const ds_type *ds_safetensors_type(ds_ir_context *cx, const ds_safetensor *t, ds_elem elem, const ds_type *shaped) {
    uint64_t count, bytes;
    if (strcmp(t->dtype, ds_elem_facts(elem)->safetensors) != 0) return NULL;
    if (has_own_dtype(elem)) return type_of(cx, t, elem);
    bool fits =
        shaped && ds_type_static_count(shaped, &count) && ds_elem_bytes(elem, count, &bytes) && bytes == t->length;
    return fits ? shaped : NULL;
}

void ds_safetensors_describe(ds_string *out, ds_ir_context *cx, const ds_safetensor *t) {
    ds_elem elem = elem_of(t->dtype);
    if (elem != DS_NO_ELEM) {
        ds_type_print(out, type_of(cx, t, elem));
        return;
    }
    ds_string_printf(out, "%s of shape [", t->dtype);
    for (size_t i = 0; i < t->rank; i++) ds_string_printf(out, i ? ", %lld" : "%lld", (long long)t->dims[i]);
    ds_string_printf(out, "]");
}
