/* NumPy's .npz files: ZIP archives of .npy files, as numpy.savez writes them (not compressed). */
#ifndef DS_NPZ_H
#define DS_NPZ_H

#include "ir/base/file.h"

typedef struct {
    const char *name;     /* without .npy; on the heap */
    const uint8_t *bytes; /* the .npy file, in the archive */
    uint64_t length;
} npz_entry;

/* The archive stays open in `files`. Where something is wrong, the error names the file and the entry. stb_ds array. */
DS_MUST_USE ds_status npz_open(ds_diag *diag, ds_files *files, const char *path, npz_entry **out);
void npz_close(npz_entry *entries);

#endif
