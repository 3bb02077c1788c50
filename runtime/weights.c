#include "libdsrt.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Page tables of a file that is in the page cache are filled here, at a tenth of what faults would cost in the first
 * run. */
enum { POPULATE_LIMIT_BITS = 30 }; /* of larger models perhaps only a part is ever used */

static void populate(void *bytes, size_t size) {
#ifdef MADV_POPULATE_READ
    if (size >> POPULATE_LIMIT_BITS == 0)
        (void)madvise(bytes, size, MADV_POPULATE_READ); /* older kernels refuse; then it faults */
#else
    (void)bytes, (void)size;
#endif
}

const void *dsrt_weights_map(const char *path, uint64_t *out_bytes) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    void *bytes = MAP_FAILED;
    if (fd < 0) return NULL;
    if (fstat(fd, &info) == 0 && info.st_size > 0)
        bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (bytes == MAP_FAILED) return NULL;
    populate(bytes, (size_t)info.st_size);
    if (out_bytes) *out_bytes = (uint64_t)info.st_size;
    return bytes;
}

void dsrt_weights_unmap(const void *weights, uint64_t bytes) { munmap((void *)(uintptr_t)weights, (size_t)bytes); }

const char *dsrt_status_text(int status) {
    static const char *const text[] = {"done",
                                       "the context was made for another ABI version",
                                       "an input's size does not fit the model",
                                       "the arena is too small",
                                       "an output buffer is too small",
                                       "a size is known only at run time and there is no allocator, or it failed",
                                       "extents or values do not fit together as the model needs",
                                       "the weights are in a file of their own and were not given",
                                       "this CPU lacks instructions that the model was compiled with",
                                       "the system does not let this process use the model's matrix registers"};
    return status >= 0 && (size_t)status < sizeof text / sizeof *text ? text[status] : "unknown status";
}
