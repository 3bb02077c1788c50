/* NumPy's .npy files: magic, version, the length of a header, the header as a Python dictionary, the elements. */
#include "libdsrt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RANK = 16, MAX_HEADER = 65536 };

/* NumPy's letters for element types; narrow floats that it lacks travel as raw bytes. */
static const char *letters_of(const char *elem) {
    static const struct {
        const char *elem, *letters;
    } table[] = {{"f64", "f8"}, {"f32", "f4"}, {"f16", "f2"}, {"i64", "i8"}, {"i32", "i4"}, {"i16", "i2"}, {"i8", "i1"},
                 {"u64", "u8"}, {"u32", "u4"}, {"u16", "u2"}, {"u8", "u1"},  {"b1", "b1"},  {"bf16", "V2"}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (!strcmp(table[i].elem, elem)) return table[i].letters;
    return strncmp(elem, "f8", 2) ? NULL : "V1";
}

/* What follows 'key': in the header, or null. */
static const char *value_of(const char *header, const char *key) {
    char quoted[32];
    snprintf(quoted, sizeof quoted, "'%s':", key);
    const char *at = strstr(header, quoted);
    if (!at) return NULL;
    at += strlen(quoted);
    return at + strspn(at, " ");
}

static const char *parse_header(const char *header, const ds_model_argument *argument, ds_model_tensor *t) {
    const char *descr = value_of(header, "descr"), *order = value_of(header, "fortran_order"),
               *shape = value_of(header, "shape"), *letters = letters_of(argument->elem);
    if (!descr || !*descr || !descr[1] || !order || !shape || *shape != '(')
        return "its header is not one of a .npy file";
    if (!letters || !strchr("'\"", *descr) || !strchr("<|", descr[1]) || strncmp(descr + 2, letters, strlen(letters)))
        return "its element type is not the model's";
    if (strncmp(order, "False", 5)) return "its elements are in Fortran order";
    uint32_t rank = 0;
    uint64_t count = 1;
    for (shape++; *shape && *shape != ')';) {
        char *end;
        long long extent = strtoll(shape, &end, 10);
        if (end == shape || extent < 0 || rank == MAX_RANK || (extent && count > (UINT64_MAX >> 8) / (uint64_t)extent))
            return "its shape makes no sense";
        t->dims[rank++] = extent;
        count *= (uint64_t)extent;
        shape = end + strspn(end, ", ");
    }
    if (rank != argument->rank) return "its number of dimensions is not the model's";
    t->bytes = count * argument->elem_bits / 8;
    return NULL;
}

const char *dsrt_npy_read(const char *path, const ds_model_argument *argument, ds_model_tensor *t) {
    unsigned char start[12];
    const char *wrong = NULL;
    FILE *f = fopen(path, "rb");
    if (!f) return "it cannot be opened";
    char *header = NULL;
    size_t length = 0;
    *t = (ds_model_tensor){0};
    if (fread(start, 1, 10, f) != 10 || memcmp(start, "\x93NUMPY", 6) || start[6] < 1 || start[6] > 3)
        wrong = "it is not a .npy file";
    else if (start[6] == 1) length = start[8] + 256u * start[9];
    else if (fread(start + 10, 1, 2, f) == 2)
        length = start[8] + 256u * start[9] + 65536u * start[10] + 16777216u * start[11];
    if (!wrong && (length == 0 || length > MAX_HEADER || !(header = calloc(1, length + 1)) ||
                   fread(header, 1, length, f) != length))
        wrong = "its header is cut short";
    if (!wrong) wrong = parse_header(header, argument, t);
    if (!wrong && !(t->data = malloc((size_t)t->bytes + 1))) wrong = "there is not enough memory for it";
    if (!wrong && fread(t->data, 1, (size_t)t->bytes, f) != t->bytes) wrong = "it is cut short";
    if (wrong) free(t->data), t->data = NULL;
    free(header);
    fclose(f);
    return wrong;
}

const char *dsrt_npy_view(const void *bytes, uint64_t length, const ds_model_argument *argument, ds_model_tensor *t) {
    const unsigned char *start = bytes;
    *t = (ds_model_tensor){0};
    if (length < 12 || memcmp(start, "\x93NUMPY", 6) || start[6] < 1 || start[6] > 3) return "it is not a .npy file";
    uint64_t at = start[6] == 1 ? 10 : 12,
             size = start[6] == 1 ? start[8] + 256u * start[9]
                                  : start[8] + 256u * start[9] + 65536u * start[10] + 16777216u * start[11];
    if (size == 0 || size > MAX_HEADER || size > length - at) return "its header is cut short";
    char *header = calloc(1, (size_t)size + 1);
    if (!header) return "there is not enough memory for it";
    memcpy(header, start + at, (size_t)size);
    const char *wrong = parse_header(header, argument, t);
    free(header);
    if (!wrong && t->bytes > length - at - size) wrong = "it is cut short";
    if (!wrong) t->data = (void *)(uintptr_t)(start + at + size);
    return wrong;
}

const char *dsrt_npy_write(const char *path, const ds_model_argument *argument, const ds_model_tensor *t) {
    char header[512];
    const char *letters = letters_of(argument->elem);
    if (!letters) return "NumPy has no such element type";
    int n = snprintf(header, sizeof header, "{'descr': '%c%s', 'fortran_order': False, 'shape': (",
                     argument->elem_bits > 8 && *letters != 'V' ? '<' : '|', letters);
    uint64_t bytes = argument->elem_bits / 8;
    for (uint32_t d = 0; d < argument->rank; d++) {
        n += snprintf(header + n, sizeof header - (size_t)n, "%lld,%s", (long long)t->dims[d],
                      d + 1 < argument->rank ? " " : "");
        bytes *= (uint64_t)t->dims[d];
    }
    n += snprintf(header + n, sizeof header - (size_t)n, "), }");
    while ((n + 11) % 64) header[n++] = ' '; /* elements start at a multiple of 64 */
    header[n++] = '\n';
    unsigned char start[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)(n % 256), (unsigned char)(n / 256)};
    FILE *f = fopen(path, "wb");
    if (!f) return "it cannot be made";
    int good = fwrite(start, 1, 10, f) == 10 && fwrite(header, 1, (size_t)n, f) == (size_t)n &&
               (bytes == 0 || fwrite(t->data, 1, (size_t)bytes, f) == bytes);
    return fclose(f) == 0 && good ? NULL : "it cannot be written";
}
