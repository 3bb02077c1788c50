#define _GNU_SOURCE
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static ds_status cannot(ds_diag *diag, const char *verb, const char *path) {
    return ds_report(diag, DS_ERROR, DS_E_file, NULL, "cannot %s '%s': %s", verb, path, strerror(errno));
}

/* Standard input cannot be mapped: it is read whole. */
static ds_status read_standard_input(ds_files *files, const ds_mapped_file **out_file) {
    ds_string text = {0};
    char buffer[1 << 16];
    size_t n;
    while ((n = fread(buffer, 1, sizeof buffer, stdin)) > 0) ds_string_append(&text, buffer, n);
    ds_mapped_file *f = ds_xmalloc(sizeof *f);
    *f = (ds_mapped_file){.next = files->first,
                          .path = ds_xmalloc(2),
                          .bytes = (const uint8_t *)(text.data ? text.data : ""),
                          .length = text.length,
                          .heap = text.data};
    memcpy(f->path, "-", 2);
    files->first = f;
    *out_file = f;
    return DS_OK;
}

ds_status ds_files_open(ds_files *files, ds_diag *diag, const char *path, const ds_mapped_file **out_file) {
    for (ds_mapped_file *f = files->first; f; f = f->next)
        if (strcmp(f->path, path) == 0) {
            *out_file = f;
            return DS_OK;
        }
    if (strcmp(path, "-") == 0) return read_standard_input(files, out_file);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* does not wait for the other end of a pipe */
    if (fd < 0) return cannot(diag, "open", path);
    struct stat info;
    bool known = fstat(fd, &info) == 0;
    if (!known || !S_ISREG(info.st_mode)) {
        ds_status status =
            known ? ds_report(diag, DS_ERROR, DS_E_file, NULL, "cannot read '%s': it is not a regular file", path)
                  : cannot(diag, "read", path);
        close(fd);
        return status;
    }
    void *bytes = (void *)"";
    if (info.st_size > 0) bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (bytes == MAP_FAILED) return cannot(diag, "map", path);
    ds_mapped_file *f = ds_xmalloc(sizeof *f);
    *f = (ds_mapped_file){files->first, ds_xmalloc(strlen(path) + 1), bytes, (size_t)info.st_size, NULL};
    memcpy(f->path, path, strlen(path) + 1);
    files->first = f;
    *out_file = f;
    return DS_OK;
}

void ds_files_close(ds_files *files) {
    for (ds_mapped_file *f = files->first, *next; f; f = next) {
        next = f->next;
        if (f->heap) free(f->heap);
        else if (f->length) munmap((void *)(uintptr_t)f->bytes, f->length);
        free(f->path);
        free(f);
    }
    files->first = NULL;
}

static bool write_all(int fd, const void *bytes, size_t length) {
    const char *p = bytes;
    while (length) {
        ssize_t n = write(fd, p, length > 1 << 30 ? 1 << 30 : length);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        p += n, length -= (size_t)n;
    }
    return true;
}

/* Devices and pipes are written to as they are; nothing takes their place. */
static ds_status write_in_place(ds_diag *diag, const char *path, const ds_span *parts, size_t count) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0;
    for (size_t i = 0; good && i < count; i++) good = write_all(fd, parts[i].bytes, parts[i].length);
    if (fd >= 0) good = close(fd) == 0 && good;
    return good ? DS_OK : cannot(diag, "write", path);
}

ds_status ds_file_write_mode(ds_diag *diag, const char *path, const ds_span *parts, size_t count, unsigned mode) {
    if (strcmp(path, "-") == 0) {
        for (size_t i = 0; i < count; i++)
            if (!write_all(1, parts[i].bytes, parts[i].length)) return cannot(diag, "write", "standard output");
        return DS_OK;
    }
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) return write_in_place(diag, path, parts, count);
    size_t room = strlen(path) + 16;
    char *temporary = ds_xmalloc(room);
    snprintf(temporary, room, "%s.XXXXXX", path);
    int fd = mkostemp(temporary, O_CLOEXEC);
    bool good = fd >= 0;
    for (size_t i = 0; good && i < count; i++) good = write_all(fd, parts[i].bytes, parts[i].length);
    good = good && fchmod(fd, mode) == 0;
    if (fd >= 0) good = close(fd) == 0 && good;
    good = good && rename(temporary, path) == 0;
    ds_status status = good ? DS_OK : cannot(diag, "write", path);
    if (!good && fd >= 0) unlink(temporary);
    free(temporary);
    return status;
}

ds_status ds_file_write(ds_diag *diag, const char *path, const ds_span *parts, size_t count) {
    return ds_file_write_mode(diag, path, parts, count, 0644);
}
