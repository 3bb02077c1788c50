/* TensorProto <-> constants. Data is checked against type and shape; bulk data stays where it lies, external files are
 * mapped. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/internal.h"
#include "frontend/wire.h"

static ds_status bad_tensor(ds_importer *im, const char *name, const char *why) {
    return ds_report(im->cx->diag, DS_ERROR, DS_E_tensor, ds_arena_printf(im->cx->arena, "tensor '%s'", name), "%s",
                     why);
}

static const char *entry_value(const Onnx__TensorProto *t, const char *key) {
    for (size_t i = 0; i < t->n_external_data; i++)
        if (t->external_data[i]->key && strcmp(t->external_data[i]->key, key) == 0) return t->external_data[i]->value;
    return NULL;
}

/* What a model calls a location is a path below its own folder. What the owner of that folder has linked there may lie
 * elsewhere, as in caches of downloads. */
static bool location_is_inside(const char *location) {
    if (!*location || *location == '/' || strchr(location, '\\')) return false;
    for (const char *p = location; p; p = strchr(p, '/') ? strchr(p, '/') + 1 : NULL)
        if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || !p[2])) return false;
    return true;
}

static bool read_number(const char *text, uint64_t otherwise, uint64_t *out) {
    *out = otherwise;
    if (!text) return true;
    char *end;
    if (*text < '0' || *text > '9') return false;
    *out = strtoull(text, &end, 10);
    return !*end && *out <= INT64_MAX;
}

static ds_status external_bytes(ds_importer *im, const Onnx__TensorProto *t, uint64_t expected,
                                const void **out_bytes) {
    const char *where = ds_arena_printf(im->cx->arena, "tensor '%s'", t->name ? t->name : ""),
               *location = entry_value(t, "location");
    ds_diag *diag = im->cx->diag;
    if (!location || !location_is_inside(location))
        return ds_report(diag, DS_ERROR, DS_E_external, where,
                         "external data at '%s' is outside the model's folder: a location is a path below it, without "
                         "'..' (a symbolic link "
                         "there may lead anywhere)",
                         location ? location : "");
    const char *slash = strrchr(im->path, '/');
    const char *full =
        ds_arena_printf(im->cx->arena, "%.*s%s", slash ? (int)(slash - im->path + 1) : 0, im->path, location);
    const ds_mapped_file *file;
    DS_TRY(ds_files_open(im->files, diag, full, &file));
    uint64_t offset, length;
    if (!read_number(entry_value(t, "offset"), 0, &offset) ||
        !read_number(entry_value(t, "length"), expected, &length) || length != expected || offset > file->length ||
        length > file->length - offset)
        return ds_report(
            diag, DS_ERROR, DS_E_external, where,
            "external data in '%s' does not hold the tensor's %llu bytes at its offset, or its length is another",
            location, (unsigned long long)expected);
    *out_bytes = file->bytes + offset;
    return DS_OK;
}

/* Packed varints in mapped bytes (int32_data, int64_data, uint64_data) into `out`; false when they do not hold `count`
 * numbers. */
static bool decode_varints(const uint8_t *at, const uint8_t *end, uint64_t count, unsigned size, uint8_t *out) {
    for (uint64_t i = 0; i < count; i++) {
        uint64_t value = 0;
        for (unsigned shift = 0;; shift += 7) {
            if (at == end || shift > 63) return false;
            value |= (uint64_t)(*at & 127) << shift;
            if (!(*at++ & 128)) break;
        }
        memcpy(out + i * size, &value, size);
    }
    return at == end;
}

static ds_status payload_bytes(ds_importer *im, const Onnx__TensorProto *t, ds_elem elem, uint64_t count,
                               uint64_t expected, const void **out_bytes) {
    const uint8_t *data = im->bytes + t->payload_offset;
    const char *name = t->name ? t->name : "";
    switch (t->payload_field) {
    case 9:
    case 4:
    case 10:
        if (t->payload_length != expected)
            return bad_tensor(im, name, "its data has not the size that its type and shape need");
        *out_bytes = data;
        return DS_OK;
    default: {
        unsigned size = ds_elem_facts(elem)->bits / 8;
        if (ds_elem_facts(elem)->packed) size = 1, count = expected;
        if (count > t->payload_length || size > 8) /* each number takes a byte or more */
            return bad_tensor(im, name, "its data has not the size that its type and shape need");
        uint8_t *copy = ds_arena_alloc(im->cx->arena, (size_t)(count * size));
        if (!decode_varints(data, data + t->payload_length, count, size, copy))
            return bad_tensor(im, name, "its data has not the size that its type and shape need");
        *out_bytes = copy;
        return DS_OK;
    }
    }
}

/* The typed fields of a small tensor, as bytes. */
static ds_status field_bytes(ds_importer *im, const Onnx__TensorProto *t, ds_elem elem, uint64_t count,
                             uint64_t expected, const void **out_bytes) {
    const char *name = t->name ? t->name : "";
    unsigned size = ds_elem_facts(elem)->bits / 8;
    if (ds_elem_facts(elem)->packed) size = 1, count = expected;
    uint8_t *copy = ds_arena_alloc(im->cx->arena, (size_t)expected);
    *out_bytes = copy;
    if (t->has_raw_data) {
        if (t->raw_data.len != expected)
            return bad_tensor(im, name, "its data has not the size that its type and shape need");
        if (expected) memcpy(copy, t->raw_data.data, (size_t)expected);
    } else if (elem == DS_f32 || elem == DS_c64) {
        if (t->n_float_data * 4 != expected)
            return bad_tensor(im, name, "its data has not the size that its type and shape need");
        if (expected) memcpy(copy, t->float_data, (size_t)expected);
    } else if (elem == DS_f64 || elem == DS_c128) {
        if (t->n_double_data * 8 != expected)
            return bad_tensor(im, name, "its data has not the size that its type and shape need");
        if (expected) memcpy(copy, t->double_data, (size_t)expected);
    } else {
        size_t have = elem == DS_i64                     ? t->n_int64_data
                      : elem == DS_u64 || elem == DS_u32 ? t->n_uint64_data
                                                         : t->n_int32_data;
        if (have != count) return bad_tensor(im, name, "its data has not the size that its type and shape need");
        for (uint64_t i = 0; i < count; i++) {
            uint64_t v = elem == DS_i64                     ? (uint64_t)t->int64_data[i]
                         : elem == DS_u64 || elem == DS_u32 ? t->uint64_data[i]
                                                            : (uint64_t)(int64_t)t->int32_data[i];
            memcpy(copy + i * size, &v, size);
        }
    }
    return DS_OK;
}

static const void *string_bytes(ds_importer *im, const Onnx__TensorProto *t, size_t *out_length) {
    ds_string all = {0};
    for (size_t i = 0; i < t->n_string_data; i++) {
        uint32_t n = (uint32_t)t->string_data[i].len;
        ds_string_append(&all, (const char *)&n, sizeof n);
        ds_string_append(&all, (const char *)t->string_data[i].data, t->string_data[i].len);
    }
    void *copy = ds_arena_strndup(im->cx->arena, all.data ? all.data : "", all.length);
    *out_length = all.length;
    ds_string_free(&all);
    return copy;
}

/* Any byte but 0 is true; what reads bools takes them to be 0 or 1. */
static const void *clean_bools(ds_importer *im, const uint8_t *bytes, size_t length) {
    size_t i = 0;
    while (i < length && bytes[i] < 2) i++;
    if (i == length) return bytes;
    uint8_t *copy = ds_arena_alloc(im->cx->arena, length);
    for (i = 0; i < length; i++) copy[i] = bytes[i] != 0;
    return copy;
}

ds_status ds_import_tensor(ds_importer *im, const Onnx__TensorProto *t, const ds_attr **out_elements) {
    ds_ir_context *cx = im->cx;
    const char *name = t->name ? t->name : "";
    ds_elem elem = ds_elem_from_onnx(t->data_type);
    if (elem == DS_NO_ELEM) return bad_tensor(im, name, "its element type is not one of ONNX's");
    if (t->n_dims > 64) return bad_tensor(im, name, "it has more than 64 dimensions");
    const ds_expr *dims[64];
    for (size_t i = 0; i < t->n_dims; i++) dims[i] = ds_expr_const(cx, t->dims[i]);
    const ds_type *type = ds_type_tensor(cx, elem, t->n_dims, dims, NULL);
    uint64_t count, bytes_needed;
    if (!ds_type_static_count(type, &count) || !ds_elem_bytes(elem, count, &bytes_needed))
        return ds_report(cx->diag, DS_ERROR, DS_E_size, ds_arena_printf(cx->arena, "tensor '%s'", name),
                         "its shape is negative or overflows");
    const void *bytes = NULL;
    size_t length = (size_t)bytes_needed;
    if (elem == DS_string) {
        if (t->n_string_data != count)
            return bad_tensor(im, name, "its data has not the size that its type and shape need");
        bytes = string_bytes(im, t, &length);
    } else if (t->data_location == 1) DS_TRY(external_bytes(im, t, bytes_needed, &bytes));
    else if (t->has_payload_offset) DS_TRY(payload_bytes(im, t, elem, count, bytes_needed, &bytes));
    else if (bytes_needed > (1u << 24))
        return bad_tensor(im, name, "its data has not the size that its type and shape need");
    else DS_TRY(field_bytes(im, t, elem, count, bytes_needed, &bytes));
    if (elem == DS_b1) bytes = clean_bools(im, bytes, length);
    const char *key = count > 1024 ? ds_arena_printf(cx->arena, "w%u", im->next_resource++) : NULL;
    *out_elements = ds_attr_elements(cx, type, bytes, length, key);
    return DS_OK;
}

ds_status ds_onnx_read_tensor(ds_ir_context *cx, ds_files *files, const char *path, const ds_attr **out_elements) {
    const ds_mapped_file *file;
    DS_TRY(ds_files_open(files, cx->diag, path, &file));
    ds_string slim;
    DS_TRY(ds_wire_slim(cx->diag, DS_WIRE_TENSOR, file->bytes, file->length, &slim));
    Onnx__TensorProto *t = onnx__tensor_proto__unpack(NULL, slim.length, (const uint8_t *)slim.data);
    ds_string_free(&slim);
    if (!t) return ds_report(cx->diag, DS_ERROR, DS_E_protobuf, NULL, "'%s' is not a serialised tensor", path);
    ds_importer im = {.cx = cx, .files = files, .path = path, .bytes = file->bytes};
    ds_status status = ds_import_tensor(&im, t, out_elements);
    onnx__tensor_proto__free_unpacked(t, NULL);
    return status;
}

static void put_varint(ds_string *out, uint64_t v) {
    do {
        char c = (char)((v & 127) | (v > 127 ? 128 : 0));
        ds_string_append(out, &c, 1);
        v >>= 7;
    } while (v);
}

void ds_onnx_write_tensor(ds_string *out, const char *name, ds_elem elem, const int64_t *dims, size_t rank,
                          const void *bytes, size_t length) {
    for (size_t i = 0; i < rank; i++) put_varint(out, 1 << 3), put_varint(out, (uint64_t)dims[i]);
    put_varint(out, 2 << 3), put_varint(out, (uint64_t)ds_elem_facts(elem)->onnx);
    put_varint(out, 8 << 3 | 2), put_varint(out, strlen(name)), ds_string_append(out, name, strlen(name));
    put_varint(out, 9 << 3 | 2), put_varint(out, length), ds_string_append(out, bytes, length);
}
