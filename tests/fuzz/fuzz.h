/* What the fuzz targets share: one compilation from bytes in memory, and what must hold for its outcome. */
#ifndef DS_FUZZ_H
#define DS_FUZZ_H

#include "ir/context.h"
#include "ir/ir.h"

typedef struct {
    ds_diag diag;
    ds_files files;
    ds_ir_context *cx;
} fuzz_session;

void fuzz_open(fuzz_session *s);
void fuzz_close(fuzz_session *s);
/* The bytes become a file of this name, with memory of exactly their size, so that the sanitizer sees reads past the
 * end. */
void fuzz_file(fuzz_session *s, const char *path, const uint8_t *bytes, size_t length);
/* Ends the process, which is a finding, where the status is a bug's or nothing was said about an error. */
void fuzz_check(const fuzz_session *s, ds_status status, const char *what);

/* The entry points that libFuzzer calls. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t room, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t length, size_t room);

#endif
