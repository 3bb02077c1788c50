/* Schedules that were measured: a text file, as `dsc tune` writes and --schedules reads it; lines of
 *   tile ROWSxCOLUMNS DESCRIPTION     register tile of a kernel's products, columns in vectors
 *   winograd SIDE NODE                Winograd's algorithm by tiles of 2 or 4, or not (0), for the convolution of an ONNX node
 *   block ROWS DESCRIPTION            rows at work between the products of a kernel that has several
 * Lines that start with # are for people. Descriptions and nodes that the model does not have do nothing. */
#ifndef DS_SCHEDULES_H
#define DS_SCHEDULES_H

#include "passes/passes.h"

DS_MUST_USE ds_status schedules_read(ds_ir_context *cx, const char *path, ds_pass_options *out);
DS_MUST_USE ds_status schedules_write(ds_ir_context *cx, const char *path, const char *comment, const ds_schedule *schedules, size_t count);

#endif
