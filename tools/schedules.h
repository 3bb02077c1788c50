/* Schedules that were measured: a text file, one line a kernel,
 *   tile ROWSxCOLUMNS DESCRIPTION
 * as `dsc tune` writes and --schedules reads it. Lines that start with # are for people. Descriptions that no kernel has do nothing. */
#ifndef DS_SCHEDULES_H
#define DS_SCHEDULES_H

#include "passes/passes.h"

DS_MUST_USE ds_status schedules_read(ds_ir_context *cx, const char *path, ds_pass_options *out);
DS_MUST_USE ds_status schedules_write(ds_ir_context *cx, const char *path, const char *comment, const ds_schedule *schedules, size_t count);

#endif
