/* The smaller files that dsc and its runtime read: the first byte says which kind the others are. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "frontend/frontend.h"
#include "ir/policy.h"
#include "ir/ranges.h"
#include "ir/safetensors.h"
#include "runtime/libdsrt.h"
#include "tests/fuzz/fuzz.h"
#include "tools/schedules.h"

static volatile uint64_t sum; /* what is read has to be used */

static void touch(const void *bytes, uint64_t length) {
    const uint8_t *p = bytes;
    for (uint64_t i = 0; i < length; i++) sum += p[i];
}

static void read_safetensors(fuzz_session *s) {
    ds_safetensors file;
    if (ds_safetensors_open(s->cx, &s->files, "file", &file) == DS_OK)
        for (size_t i = 0; i < shlenu(file.tensors); i++)
            touch(file.tensors[i].value.bytes, file.tensors[i].value.length);
    if (ds_safetensors_find(&file, "w")) sum++;
    ds_safetensors_close(&file);
}

static void read_tensor(fuzz_session *s) {
    const ds_attr *value;
    ds_status status = ds_onnx_read_tensor(s->cx, &s->files, "file", &value);
    fuzz_check(s, status, "tensor");
    if (status == DS_OK && ds_elem_facts(value->type->elem)->bits <= 64) touch(value->bytes, value->count);
}

static void read_npy(const char *path) {
    static const struct {
        const char *elem;
        uint32_t bits;
    } elems[] = {{"f32", 32}, {"i64", 64}, {"b1", 8}, {"bf16", 16}};
    for (uint32_t i = 0; i < DS_COUNT(elems); i++) {
        ds_model_argument argument = {.name = "x", .elem = elems[i].elem, .elem_bits = elems[i].bits, .rank = i % 3};
        ds_model_tensor t;
        if (!dsrt_npy_read(path, &argument, &t)) touch(t.data, t.bytes);
        free(t.data);
    }
}

static void read_weights(const char *path) {
    uint64_t length;
    const void *bytes = dsrt_weights_map(path, &length);
    if (!bytes) return;
    touch(bytes, length);
    dsrt_weights_unmap(bytes, length);
}

/* What is read is printed as a file that is read as the same. */
static void read_ranges(fuzz_session *s, const char *text, size_t length) {
    ds_ranges ranges, again;
    ds_string first = {0}, second = {0};
    ds_status status = ds_ranges_parse(s->cx, text, length, &ranges);
    fuzz_check(s, status, "ranges");
    if (status != DS_OK) return;
    ds_ranges_print(&first, &ranges);
    if (ds_ranges_parse(s->cx, first.data, first.length, &again) != DS_OK) abort();
    ds_ranges_print(&second, &again);
    if (strcmp(first.data, second.data) != 0) abort();
    ds_string_free(&first);
    ds_string_free(&second);
}

static void read_policy(fuzz_session *s, const char *text, size_t length) {
    ds_policy policy;
    ds_status status = ds_policy_parse(s->cx, text, length, &policy);
    fuzz_check(s, status, "policy");
    if (ds_policy_find(&policy, "/layer.1/conv.weight", 0.5)) sum++;
}

/* A file in memory, for what is read by path. */
static const char *file_of(const uint8_t *bytes, size_t length) {
    static char path[64];
    static int fd = -1;
    if (fd < 0) fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, 0) || pwrite(fd, bytes, length, 0) != (ssize_t)length) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    fuzz_session s;
    ds_pass_options options = {0};
    if (!length) return 0;
    fuzz_open(&s);
    fuzz_file(&s, "file", bytes + 1, length - 1);
    const char *path = file_of(bytes + 1, length - 1);
    switch (bytes[0] % 7) {
    case 0: read_safetensors(&s); break;
    case 1: read_tensor(&s); break;
    case 2: read_npy(path); break;
    case 3: fuzz_check(&s, schedules_read(s.cx, path, &options), "schedules"); break;
    case 4: read_weights(path); break;
    case 5: read_ranges(&s, (const char *)s.files.first->bytes, length - 1); break;
    default: read_policy(&s, (const char *)s.files.first->bytes, length - 1);
    }
    fuzz_close(&s);
    return 0;
}
