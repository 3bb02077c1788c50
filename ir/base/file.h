/* Whole files: mapped for reading, written to a temporary beside the target and renamed, so that nothing is left
 * half-written. */
#ifndef DS_FILE_H
#define DS_FILE_H

#include "base.h"

typedef struct ds_mapping_node {
    struct ds_mapping_node *next;
    char *path;
    const uint8_t *bytes;
    size_t length;
    void *heap; /* set when the bytes were read, not mapped */
} ds_mapped_file;

/* The files a compilation reads: each is mapped once and stays mapped until ds_files_close. Zero-initialise. */
typedef struct {
    ds_mapped_file *first;
} ds_files;

/* "-" is standard input. */
DS_MUST_USE ds_status ds_files_open(ds_files *files, ds_diag *diag, const char *path, const ds_mapped_file **out_file);
void ds_files_close(ds_files *files);

/* A part of a file to be written. */
typedef struct {
    const void *bytes;
    size_t length;
} ds_span;
DS_MUST_USE ds_status ds_file_write(ds_diag *diag, const char *path, const ds_span *parts, size_t count);
DS_MUST_USE ds_status ds_file_write_mode(ds_diag *diag, const char *path, const ds_span *parts, size_t count,
                                         unsigned mode);

#endif
