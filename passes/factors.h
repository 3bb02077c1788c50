/* How factors of contractions are called, and which of their dims are channels: what ranges are observed of and decisions
 * about precision speak of. */
#ifndef DS_FACTORS_H
#define DS_FACTORS_H

#include "ir/ir.h"

enum { DS_NO_AXIS = -1 };

bool ds_is_contraction(const ds_op *op); /* graph.matmul or graph.conv */
/* The names of all contractions of the module by op id, NULL for other ops: that of their ONNX node; a second one of
 * the same node has #2 behind it. stb_ds array in the module's arena's time; free it with arrfree. */
const char **ds_contraction_names(ds_module *m);
/* What rules call factor i of a product of this name: NAME.weight (made of constants), NAME.act (what is multiplied by such),
 * and where both are computed NAME.left and NAME.right. */
const char *ds_factor_name(ds_module *m, const char *name, const ds_op *op, size_t i);
/* Which dim of a factor are its channels: the second one of images; else a left factor's are what is summed, a right one's
 * what is left. */
int64_t ds_factor_axis(ds_ir_context *cx, const ds_op *op, size_t operand);
int64_t ds_result_axis(const ds_op *op);

#endif
