/* What `dsc compile` does once its options are read. */
#ifndef DS_COMPILE_H
#define DS_COMPILE_H

#include "tools/model.h"

/* Compiles the command line's model to `path`, in the form that --emit or the path's suffix names; with `reports` prints
 * what was computed how. */
DS_MUST_USE ds_status compile_to(const cli *c, ds_ir_context *cx, const ds_pass_options *passes, const char *path,
                                 bool reports);

#endif
