#include "wire.h"

enum { NONE, MODEL, GRAPH, NODE, ATTRIBUTE, TENSOR, SPARSE, VALUE_INFO, TYPE, TYPE_TENSOR, TYPE_NESTED, FUNCTION };
enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };
enum {
    PAYLOAD_MIN = 64 /* shorter data stays where it is */,
    PAYLOAD_FIELD = 1000 /* the first of three that only this file may set */
};

/* Which fields of which messages hold messages that matter here. */
static const struct {
    int message;
    uint32_t field;
    int inner;
} nested[] = {
    {MODEL, 7, GRAPH},       {MODEL, 25, FUNCTION},     {GRAPH, 1, NODE},        {GRAPH, 5, TENSOR},
    {GRAPH, 11, VALUE_INFO}, {GRAPH, 12, VALUE_INFO},   {GRAPH, 13, VALUE_INFO}, {GRAPH, 15, SPARSE},
    {NODE, 5, ATTRIBUTE},    {ATTRIBUTE, 5, TENSOR},    {ATTRIBUTE, 6, GRAPH},   {ATTRIBUTE, 10, TENSOR},
    {ATTRIBUTE, 11, GRAPH},  {ATTRIBUTE, 14, TYPE},     {ATTRIBUTE, 22, SPARSE}, {SPARSE, 1, TENSOR},
    {SPARSE, 2, TENSOR},     {VALUE_INFO, 2, TYPE},     {TYPE, 1, TYPE_TENSOR},  {TYPE, 4, TYPE_NESTED},
    {TYPE, 5, TYPE_NESTED},  {TYPE, 9, TYPE_NESTED},    {TYPE_NESTED, 1, TYPE},  {TYPE_NESTED, 2, TYPE},
    {FUNCTION, 7, NODE},     {FUNCTION, 11, ATTRIBUTE},
};

static const uint32_t payload_fields[] = {4, 5, 7, 9, 10, 11};

typedef struct {
    ds_diag *diag;
    const uint8_t *start;
} walker;

static bool read_varint(const uint8_t **at, const uint8_t *end, uint64_t *out) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (*at == end) return false;
        uint8_t byte = *(*at)++;
        value |= (uint64_t)(byte & 127) << shift;
        if (!(byte & 128)) {
            *out = value;
            return true;
        }
    }
    return false;
}

static void write_varint(ds_string *out, uint64_t value) {
    char bytes[10];
    size_t n = 0;
    do {
        bytes[n++] = (char)((value & 127) | (value > 127 ? 128 : 0));
        value >>= 7;
    } while (value);
    ds_string_append(out, bytes, n);
}

static int inner_message(int message, uint32_t field) {
    for (size_t i = 0; i < DS_COUNT(nested); i++)
        if (nested[i].message == message && nested[i].field == field) return nested[i].inner;
    return NONE;
}

static bool is_payload(int message, uint32_t field, uint64_t length) {
    if (message != TENSOR || length < PAYLOAD_MIN) return false;
    for (size_t i = 0; i < DS_COUNT(payload_fields); i++)
        if (payload_fields[i] == field) return true;
    return false;
}

static ds_status malformed(walker *w, const uint8_t *at, const char *what) {
    return ds_report(w->diag, DS_ERROR, DS_E_protobuf, NULL, "%s at byte %llu: not an ONNX model, or a damaged one",
                     what, (unsigned long long)(at - w->start));
}

static ds_status walk(walker *w, int message, const uint8_t *at, const uint8_t *end, int depth, ds_string *out) {
    if (depth > DS_WIRE_MAX_DEPTH)
        return ds_report(w->diag, DS_ERROR, DS_E_nesting, NULL, "graphs are nested more than %d messages deep",
                         DS_WIRE_MAX_DEPTH);
    while (at < end) {
        const uint8_t *field_start = at;
        uint64_t key, value = 0;
        if (!read_varint(&at, end, &key) || key >> 3 == 0 || key >> 3 > 0x1fffffff)
            return malformed(w, field_start, "bad field");
        uint32_t field = (uint32_t)(key >> 3);
        switch (key & 7) {
        case VARINT:
            if (!read_varint(&at, end, &value)) return malformed(w, at, "number runs past the end");
            break;
        case FIXED64:
        case FIXED32: {
            ptrdiff_t size = (key & 7) == FIXED64 ? 8 : 4;
            if (end - at < size) return malformed(w, at, "number runs past the end");
            at += size;
            break;
        }
        case BYTES: {
            if (!read_varint(&at, end, &value) || value > (uint64_t)(end - at))
                return malformed(w, at, "length runs past the end");
            const uint8_t *data = at;
            at += value;
            int inner = inner_message(message, field);
            if (inner != NONE) {
                ds_string body = {0};
                ds_status status = walk(w, inner, data, at, depth + 1, &body);
                if (status == DS_OK) {
                    write_varint(out, key);
                    write_varint(out, body.length);
                    ds_string_append(out, body.data, body.length);
                }
                ds_string_free(&body);
                DS_TRY(status);
                continue;
            }
            if (is_payload(message, field, value)) {
                const uint64_t parts[] = {(uint64_t)(data - w->start), value, field};
                for (unsigned i = 0; i < 3; i++) {
                    write_varint(out, (uint64_t)(PAYLOAD_FIELD + i) << 3 | VARINT);
                    write_varint(out, parts[i]);
                }
                continue;
            }
            break;
        }
        default: return malformed(w, field_start, "bad field");
        }
        if (message == TENSOR && field >= PAYLOAD_FIELD && field < PAYLOAD_FIELD + 3) continue;
        ds_string_append(out, (const char *)field_start, (size_t)(at - field_start));
    }
    return DS_OK;
}

ds_status ds_wire_slim(ds_diag *diag, ds_wire_root root, const uint8_t *bytes, size_t length, ds_string *out_slim) {
    walker w = {diag, bytes};
    *out_slim = (ds_string){0};
    ds_status status = walk(&w, root == DS_WIRE_MODEL ? MODEL : TENSOR, bytes, bytes + length, 0, out_slim);
    if (status != DS_OK) ds_string_free(out_slim);
    return status;
}
