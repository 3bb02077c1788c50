#define _GNU_SOURCE
#include "codegen/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct ds_cache {
    char *folder;
    ds_digest build; /* of this program and of LLVM */
    size_t hits, misses;
    int error; /* errno of the first entry that could not be written */
    pthread_mutex_t lock;
};

/* What a file begins with; the entry's bytes follow. */
typedef struct {
    char magic[16];
    uint64_t length;
    ds_digest key, checksum;
} entry_head;

static const char magic[16] = "dsc code 1\n"; /* the number is that of the format, and of how keys are made */

/* ---- which build this is ---- */

typedef struct {
    ds_hasher hasher;
    bool missing; /* in one of those that have to have one */
} build_ids;

/* True: there was a build id. */
static bool add_notes(build_ids *ids, const char *at, size_t size) {
    bool found = false;
    ElfW(Nhdr) note;
    while (size >= sizeof note) {
        memcpy(&note, at, sizeof note);
        size_t name = (note.n_namesz + 3u) & ~3u, all = sizeof note + name + ((note.n_descsz + 3u) & ~3u);
        if (all > size) break;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && !memcmp(at + sizeof note, "GNU", 4)) {
            ds_hasher_add(&ids->hasher, at + sizeof note + name, note.n_descsz);
            found = true;
        }
        at += all;
        size -= all;
    }
    return found;
}

/* The program, in which kernels/ is, and LLVM, which may be in it. */
static int add_build_id(struct dl_phdr_info *info, size_t size, void *user) {
    build_ids *ids = user;
    bool is_program = !info->dlpi_name || !*info->dlpi_name, found = false;
    (void)size;
    if (!is_program && !strstr(info->dlpi_name, "libLLVM")) return 0;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        const char *at = (const char *)(uintptr_t)(info->dlpi_addr + part->p_vaddr);
        if (part->p_type == PT_NOTE && add_notes(ids, at, part->p_memsz)) found = true;
    }
    if (!found) ids->missing = true;
    return 0;
}

static bool find_build(ds_digest *out) {
    build_ids ids = {.missing = false};
    ds_hasher_open(&ids.hasher);
    ds_hasher_add(&ids.hasher, magic, sizeof magic);
    dl_iterate_phdr(add_build_id, &ids);
    *out = ds_hasher_close(&ids.hasher);
    return !ids.missing;
}

/* ---- the folder ---- */

/* The folder and those above it. */
static bool make_folder(char *path) {
    for (char *at = path + 1; *at; at++) {
        if (*at != '/') continue;
        *at = 0;
        mkdir(path, 0777);
        *at = '/';
    }
    struct stat info;
    if (mkdir(path, 0777) && errno != EEXIST) return false;
    if (!stat(path, &info) && S_ISDIR(info.st_mode)) return true;
    errno = ENOTDIR;
    return false;
}

ds_cache *ds_cache_open(ds_diag *diag, const char *folder) {
    ds_cache *cache = ds_xmalloc(sizeof *cache);
    *cache = (ds_cache){.folder = ds_xmalloc(strlen(folder) + 1)};
    strcpy(cache->folder, folder);
    pthread_mutex_init(&cache->lock, NULL);
    if (!find_build(&cache->build)) {
        ds_report(diag, DS_WARNING, DS_NO_CODE, NULL, "nothing is cached: dsc or LLVM was built without a build id");
    } else if (!make_folder(cache->folder)) {
        ds_report(diag, DS_WARNING, DS_NO_CODE, NULL, "nothing is cached: cannot make the folder '%s': %s", folder,
                  strerror(errno));
    } else return cache;
    ds_cache_close(cache, diag, false);
    return NULL;
}

void ds_cache_close(ds_cache *cache, ds_diag *diag, bool timing) {
    if (!cache) return;
    if (timing) fprintf(stderr, "%8zu hits, %zu misses  cache\n", cache->hits, cache->misses);
    if (cache->error)
        ds_report(diag, DS_WARNING, DS_NO_CODE, NULL, "not everything is cached: cannot write to '%s': %s",
                  cache->folder, strerror(cache->error));
    pthread_mutex_destroy(&cache->lock);
    free(cache->folder);
    free(cache);
}

void ds_cache_key_open(const ds_cache *cache, ds_hasher *out) {
    ds_hasher_open(out);
    ds_hasher_add(out, &cache->build, sizeof cache->build);
}

/* ---- entries ---- */

static char *path_of(const ds_cache *cache, const ds_digest *key) {
    static const char suffix[] = ".dsc";
    size_t folder = strlen(cache->folder), digits = 2 * sizeof key->bytes;
    char *path = ds_xmalloc(folder + 1 + digits + sizeof suffix), *at = path + folder + 1;
    memcpy(path, cache->folder, folder);
    path[folder] = '/';
    for (size_t i = 0; i < sizeof key->bytes; i++) snprintf(at + 2 * i, 3, "%02x", key->bytes[i]);
    memcpy(at + digits, suffix, sizeof suffix);
    return path;
}

static ds_digest checksum(const void *bytes, size_t length) {
    ds_hasher h;
    ds_hasher_open(&h);
    ds_hasher_add(&h, bytes, length);
    return ds_hasher_close(&h);
}

static bool read_all(int fd, void *out, size_t length) {
    char *at = out;
    while (length) {
        ssize_t n = read(fd, at, length);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        at += n;
        length -= (size_t)n;
    }
    return true;
}

static bool write_all(int fd, const void *bytes, size_t length) {
    const char *at = bytes;
    while (length) {
        ssize_t n = write(fd, at, length);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        at += n;
        length -= (size_t)n;
    }
    return true;
}

static bool read_entry(int fd, const ds_digest *key, void **out_bytes, size_t *out_length) {
    entry_head head;
    struct stat info;
    if (fstat(fd, &info) || !S_ISREG(info.st_mode) || !read_all(fd, &head, sizeof head)) return false;
    if (memcmp(head.magic, magic, sizeof magic) || memcmp(&head.key, key, sizeof *key)) return false;
    if (head.length != (uint64_t)info.st_size - sizeof head) return false;
    *out_length = (size_t)head.length;
    *out_bytes = ds_xmalloc(*out_length);
    if (read_all(fd, *out_bytes, *out_length)) {
        ds_digest sum = checksum(*out_bytes, *out_length);
        if (!memcmp(&sum, &head.checksum, sizeof sum)) return true;
    }
    free(*out_bytes);
    *out_bytes = NULL;
    return false;
}

bool ds_cache_get(ds_cache *cache, ds_digest key, void **out_bytes, size_t *out_length) {
    char *path = path_of(cache, &key);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool found = fd >= 0 && read_entry(fd, &key, out_bytes, out_length);
    if (fd >= 0) close(fd);
    free(path);
    pthread_mutex_lock(&cache->lock);
    if (found) cache->hits++;
    else cache->misses++;
    pthread_mutex_unlock(&cache->lock);
    return found;
}

void ds_cache_put(ds_cache *cache, ds_digest key, const void *bytes, size_t length) {
    entry_head head = {.length = length, .key = key, .checksum = checksum(bytes, length)};
    memcpy(head.magic, magic, sizeof magic);
    size_t room = strlen(cache->folder) + 32;
    char *path = path_of(cache, &key), *temporary = ds_xmalloc(room);
    snprintf(temporary, room, "%s/.new.XXXXXX", cache->folder);
    int fd = mkostemp(temporary, O_CLOEXEC);
    bool good = fd >= 0 && write_all(fd, &head, sizeof head) && write_all(fd, bytes, length) && !fchmod(fd, 0644);
    int error = good ? 0 : errno;
    if (fd >= 0 && close(fd) && good) {
        good = false;
        error = errno;
    }
    rmdir(path); /* an empty folder in the entry's place; it does nothing to anything else */
    if (good && rename(temporary, path)) {
        good = false;
        error = errno;
    }
    if (!good && fd >= 0) unlink(temporary);
    free(temporary);
    free(path);
    pthread_mutex_lock(&cache->lock);
    if (!cache->error) cache->error = error;
    pthread_mutex_unlock(&cache->lock);
}
