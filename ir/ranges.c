#include "ranges.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

static const char FORMAT[] = "dsc ranges 1";

enum { HEADER_COUNT = 5 };

static const char *const header_names[HEADER_COUNT] = {"format", "model", "observer", "samples", "values"};

static const struct {
    const char *name;
    size_t at;
} numbers[] = {
#define ROW(name) {#name, offsetof(ds_value_range, name)},
    DS_RANGE_NUMBERS(ROW)
#undef ROW
};

/* Of values, besides numbers. */
static const char *const others[] = {"constant",     "axis",           "channel_min", "channel_max",
                                     "channel_mean", "channel_square", "encoding",    "reason"};

static double *number_at(const ds_value_range *v, size_t k) {
    return (double *)(void *)((char *)(uintptr_t)v + numbers[k].at);
}

/* ---- reading ---- */

typedef struct {
    ds_ir_context *cx;
    const char *key; /* of the value that is read, or NULL */
} reader;

static ds_status fail(const reader *r, const char *name, const char *what) {
    if (r->key) return ds_report(r->cx->diag, DS_ERROR, DS_E_ranges, NULL, "value '%s': '%s' %s", r->key, name, what);
    return ds_report(r->cx->diag, DS_ERROR, DS_E_ranges, NULL, "'%s' %s", name ? name : "", what);
}

static bool is_among(const char *name, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!strcmp(name, names[i])) return true;
    return false;
}

static bool is_number_name(const char *name) {
    for (size_t k = 0; k < DS_COUNT(numbers); k++)
        if (!strcmp(name, numbers[k].name)) return true;
    return false;
}

/* A slip of a name would be passed over silently, and of two values with one name one would. */
static ds_status check_names(const reader *r, const cJSON *object, const char *const *names, size_t count,
                             bool with_numbers) {
    for (const cJSON *item = object->child; item; item = item->next) {
        if (!is_among(item->string, names, count) && !(with_numbers && is_number_name(item->string)))
            return fail(r, item->string, "is not known here");
        for (const cJSON *other = item->next; other; other = other->next)
            if (!strcmp(item->string, other->string)) return fail(r, item->string, "is there twice");
    }
    return DS_OK;
}

static ds_status read_number(const reader *r, const cJSON *object, const char *name, double *out) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    *out = NAN;
    if (!item) return DS_OK;
    if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble)) return fail(r, name, "is no finite number");
    *out = item->valuedouble;
    return DS_OK;
}

static ds_status read_text(const reader *r, const cJSON *object, const char *name, const char **out) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    if (item && !cJSON_IsString(item)) return fail(r, name, "is no text");
    *out = ds_arena_strdup(r->cx->arena, item ? item->valuestring : "");
    return DS_OK;
}

static ds_status read_list(const reader *r, const cJSON *object, const char *name, const double **out,
                           size_t *out_count) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(object, name);
    *out = NULL;
    *out_count = 0;
    if (!list) return DS_OK;
    if (!cJSON_IsArray(list) || !list->child) return fail(r, name, "is no list of numbers");
    double *all = DS_NEW_ARRAY(r->cx->arena, double, cJSON_GetArraySize(list));
    for (const cJSON *item = list->child; item; item = item->next) {
        if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble)) return fail(r, name, "is no list of finite numbers");
        all[(*out_count)++] = item->valuedouble;
    }
    *out = all;
    return DS_OK;
}

static ds_status read_channels(const reader *r, const cJSON *object, ds_value_range *v) {
    enum { MOST_AXIS = 64 };
    double axis;
    size_t count, means, squares;
    DS_TRY(read_number(r, object, "axis", &axis));
    DS_TRY(read_list(r, object, "channel_min", &v->channel_min, &v->channel_count));
    DS_TRY(read_list(r, object, "channel_max", &v->channel_max, &count));
    DS_TRY(read_list(r, object, "channel_mean", &v->channel_mean, &means));
    DS_TRY(read_list(r, object, "channel_square", &v->channel_square, &squares));
    v->axis = -1;
    if (count != v->channel_count) return fail(r, "channel_max", "is not as long as 'channel_min'");
    if (means && means != count) return fail(r, "channel_mean", "is not as long as 'channel_min'");
    if (squares && squares != count) return fail(r, "channel_square", "is not as long as 'channel_min'");
    if (!isnan(axis) && !(axis >= 0 && axis < MOST_AXIS && axis == floor(axis)))
        return fail(r, "axis", "is no number of a dim");
    if (isnan(axis) != !count) return fail(r, "axis", "is there without channels, or they without it");
    if (count) v->axis = (int64_t)axis;
    for (size_t i = 0; i < count; i++)
        if (v->channel_min[i] > v->channel_max[i]) return fail(r, "channel_min", "is above 'channel_max' somewhere");
    return DS_OK;
}

static ds_status read_encoding(const reader *r, const cJSON *object, ds_value_range *v) {
    const char *text = "", *rest, *why;
    DS_TRY(read_text(r, object, "encoding", &text));
    DS_TRY(read_text(r, object, "reason", &v->reason));
    v->decided = *text != 0;
    if (!v->decided) return DS_OK;
    if (!ds_encoding_parse(text, &v->encoding, &rest, &why)) return fail(r, "encoding", why);
    return *rest ? fail(r, "encoding", "has words that are none of an encoding") : DS_OK;
}

static ds_status read_value(reader *r, const cJSON *object, ds_value_range *v) {
    *v = (ds_value_range){.key = ds_arena_strdup(r->cx->arena, object->string)};
    r->key = v->key;
    if (!cJSON_IsObject(object)) return fail(r, v->key, "is no object");
    DS_TRY(check_names(r, object, others, DS_COUNT(others), true));
    for (size_t k = 0; k < DS_COUNT(numbers); k++) DS_TRY(read_number(r, object, numbers[k].name, number_at(v, k)));
    const cJSON *constant = cJSON_GetObjectItemCaseSensitive(object, "constant");
    if (constant && !cJSON_IsBool(constant)) return fail(r, "constant", "is neither true nor false");
    v->constant = cJSON_IsTrue(constant);
    DS_TRY(read_channels(r, object, v));
    DS_TRY(read_encoding(r, object, v));
    bool unseen = v->decided && isnan(v->min) && isnan(v->max);
    if (isnan(v->min) && !unseen) return fail(r, "min", "is missing");
    if (isnan(v->max) && !unseen) return fail(r, "max", "is missing");
    if (v->min > v->max) return fail(r, "min", "is above 'max'");
    r->key = NULL;
    return DS_OK;
}

static int by_key(const void *a, const void *b) {
    return strcmp(((const ds_value_range *)a)->key, ((const ds_value_range *)b)->key);
}

void ds_ranges_sort(ds_ranges *ranges) {
    if (ranges->count) qsort(ranges->values, ranges->count, sizeof *ranges->values, by_key);
}

static ds_status read_root(reader *r, const cJSON *root, ds_ranges *out) {
    const char *format = "";
    if (!cJSON_IsObject(root))
        return ds_report(r->cx->diag, DS_ERROR, DS_E_ranges, NULL, "the file holds no JSON object");
    DS_TRY(read_text(r, root, "format", &format));
    if (strcmp(format, FORMAT)) return fail(r, "format", "is not \"dsc ranges 1\"");
    DS_TRY(check_names(r, root, header_names, HEADER_COUNT, false));
    DS_TRY(read_text(r, root, "model", &out->model));
    DS_TRY(read_text(r, root, "observer", &out->observer));
    DS_TRY(read_number(r, root, "samples", &out->samples));
    const cJSON *values = cJSON_GetObjectItemCaseSensitive(root, "values");
    if (!cJSON_IsObject(values)) return fail(r, "values", "is no object");
    out->values = DS_NEW_ARRAY(r->cx->arena, ds_value_range, cJSON_GetArraySize(values));
    for (const cJSON *item = values->child; item; item = item->next)
        DS_TRY(read_value(r, item, &out->values[out->count++]));
    ds_ranges_sort(out);
    for (size_t i = 1; i < out->count; i++)
        if (!strcmp(out->values[i].key, out->values[i - 1].key)) return fail(r, out->values[i].key, "is there twice");
    return DS_OK;
}

static unsigned line_of(const char *text, const char *at) {
    unsigned line = 1;
    for (; text < at; text++) line += *text == '\n';
    return line;
}

ds_status ds_ranges_parse(ds_ir_context *cx, const char *text, size_t length, ds_ranges *out) {
    const char *end = text;
    reader r = {.cx = cx};
    *out = (ds_ranges){.samples = NAN};
    cJSON *root = cJSON_ParseWithLengthOpts(text, length, &end, false);
    if (!root)
        return ds_report(cx->diag, DS_ERROR, DS_E_ranges, NULL, "line %u is no JSON",
                         line_of(text, end && end >= text && end <= text + length ? end : text));
    while (end < text + length && strchr(" \t\r\n", *end)) end++;
    ds_status status = end == text + length ? read_root(&r, root, out)
                                            : ds_report(cx->diag, DS_ERROR, DS_E_ranges, NULL,
                                                        "line %u: there is more behind the object", line_of(text, end));
    cJSON_Delete(root);
    if (status != DS_OK) out->count = 0;
    return status;
}

ds_status ds_ranges_read(ds_ir_context *cx, const char *path, ds_ranges *out) {
    ds_files files = {0};
    const ds_mapped_file *file;
    const char *before = cx->diag->file;
    *out = (ds_ranges){.samples = NAN};
    cx->diag->file = path;
    ds_status status = ds_files_open(&files, cx->diag, path, &file);
    if (status == DS_OK) status = ds_ranges_parse(cx, (const char *)file->bytes, file->length, out);
    cx->diag->file = before;
    ds_files_close(&files);
    return status;
}

/* ---- writing ---- */

/* As few digits as tell an f32 from its neighbours, so that what is read and written again is the same text; whole
 * numbers as they are. */
static cJSON *number_item(double value) {
    char text[32];
    bool whole = fabs(value) < 0x1p53 && value == floor(value);
    int digits = whole ? 17 : 5;
    float near = (float)value;
    double printed = whole || near == 0 || !isfinite(near) ? value : (double)near;
    do snprintf(text, sizeof text, "%.*g", digits, printed);
    while (++digits <= 9 && strtof(text, NULL) != near);
    return cJSON_CreateRaw(text);
}

static void add_number(cJSON *object, const char *name, double value) {
    if (isfinite(value)) cJSON_AddItemToObject(object, name, number_item(value));
}

static void add_list(cJSON *object, const char *name, const double *values, size_t count) {
    cJSON *list = cJSON_AddArrayToObject(object, name);
    for (size_t i = 0; i < count; i++) cJSON_AddItemToArray(list, number_item(values[i]));
}

static void add_encoding(cJSON *object, const ds_value_range *v) {
    ds_string text = {0};
    ds_encoding_print(&text, &v->encoding);
    cJSON_AddStringToObject(object, "encoding", text.data);
    if (v->reason && *v->reason) cJSON_AddStringToObject(object, "reason", v->reason);
    ds_string_free(&text);
}

static void add_value(cJSON *values, const ds_value_range *v) {
    cJSON *object = cJSON_AddObjectToObject(values, v->key);
    for (size_t k = 0; k < DS_COUNT(numbers); k++) add_number(object, numbers[k].name, *number_at(v, k));
    if (v->constant) cJSON_AddTrueToObject(object, "constant");
    if (v->decided) add_encoding(object, v);
    if (!v->channel_count) return;
    add_number(object, "axis", (double)v->axis);
    add_list(object, "channel_min", v->channel_min, v->channel_count);
    add_list(object, "channel_max", v->channel_max, v->channel_count);
    if (v->channel_mean) add_list(object, "channel_mean", v->channel_mean, v->channel_count);
    if (v->channel_square) add_list(object, "channel_square", v->channel_square, v->channel_count);
}

void ds_ranges_print(ds_string *out, ds_ranges *ranges) {
    cJSON *root = cJSON_CreateObject();
    ds_ranges_sort(ranges);
    cJSON_AddStringToObject(root, "format", FORMAT);
    cJSON_AddStringToObject(root, "model", ranges->model ? ranges->model : "");
    cJSON_AddStringToObject(root, "observer", ranges->observer ? ranges->observer : "");
    add_number(root, "samples", ranges->samples);
    cJSON *values = cJSON_AddObjectToObject(root, "values");
    for (size_t i = 0; i < ranges->count; i++) add_value(values, &ranges->values[i]);
    char *text = cJSON_Print(root);
    if (!text) ds_out_of_memory();
    ds_string_printf(out, "%s\n", text);
    cJSON_free(text);
    cJSON_Delete(root);
}

const ds_value_range *ds_ranges_find(const ds_ranges *ranges, const char *key) {
    const ds_value_range wanted = {.key = key};
    return ranges->count ? bsearch(&wanted, ranges->values, ranges->count, sizeof wanted, by_key) : NULL;
}
