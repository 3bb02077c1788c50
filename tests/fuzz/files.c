/* The smaller files that dsc and its runtime read: the first byte says which kind the others are. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "frontend/frontend.h"
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
    switch (bytes[0] % 5) {
    case 0: read_safetensors(&s); break;
    case 1: read_tensor(&s); break;
    case 2: read_npy(path); break;
    case 3: fuzz_check(&s, schedules_read(s.cx, path, &options), "schedules"); break;
    default: read_weights(path);
    }
    fuzz_close(&s);
    return 0;
}
