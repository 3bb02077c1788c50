/* Built models -> files: objects, archives, shared libraries, programs, headers, weight files. */
#ifndef DS_OUTPUT_H
#define DS_OUTPUT_H

#include "codegen/emit/build.h"

typedef enum { DS_FORM_OBJECT, DS_FORM_ARCHIVE, DS_FORM_SHARED, DS_FORM_PROGRAM } ds_form;

typedef struct {
    const char
        *path; /* of the main output; `<stem>.h` goes beside it, and `<stem>.weights` where weights are external */
    const char *prefix; /* of symbols; a C identifier */
    const char *source; /* the model's path, for the header's comment */
    const ds_target *target;
    bool external_weights;
    bool timing; /* stages are announced on standard error */
} ds_output_options;

/* Writes all files of one form, each through a temporary name. */
DS_MUST_USE ds_status ds_output_write(ds_module *module, const ds_built *built, ds_form form,
                                      const ds_output_options *options);
/* The C header as text. */
void ds_header_print(ds_string *out, ds_module *module, const ds_built *built, const ds_output_options *options);
/* The files of runtime/ that a program is made of; the first is ds_abi.h. */
size_t ds_runtime_source_count(void);
ds_span ds_runtime_source(size_t i, const char **out_name);
/* A relocatable ELF file that holds weights in a large-data section and the pointer variable <prefix>_weights_at, as
 * what comes before the weights and what comes behind them. */
void ds_weights_object(ds_string *before, ds_string *behind, const ds_target *target, const char *prefix,
                       uint64_t bytes);
/* Such a section of a file that is linked, but not yet where it will be run: makes it `bytes` long, with its contents
 * at `offset` of the file. False: there is none. */
bool ds_weights_move(void *file, uint64_t length, uint64_t offset, uint64_t bytes);

#endif
