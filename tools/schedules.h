/* Choices that were measured: a text module, as `dsc tune` writes and --schedules reads it:
 *
 *   module attributes {ds.schedules = [
 *     {key = "94c3…", what = "matmul 128x768 over 768 + map", schedule = {program = "tile", levels = […], …}},
 *     {node = "/layer1/conv1/Conv", tile = 0}
 *   ]} {}
 *
 * `key`: a kernel's (dsc info --kernels, dsc profile); its schedule. `node`: of a convolution that Winograd's algorithm
 * fits; `tile`: 2 or 4, or 0 for none. `what` is for people. Keys and nodes that the model does not have do nothing. */
#ifndef DS_SCHEDULES_H
#define DS_SCHEDULES_H

#include "passes/passes.h"

DS_MUST_USE ds_status schedules_read(ds_ir_context *cx, const char *path, ds_pass_options *out);
DS_MUST_USE ds_status schedules_write(ds_ir_context *cx, const char *path, const char *comment,
                                      const ds_choice *choices, size_t count);

#endif
