/* The steps of a module's plan, for reports: kernels and irregular ops, in the order in which the plan names them. */
#ifndef DS_TOOLS_PLAN_H
#define DS_TOOLS_PLAN_H

#include <cjson/cJSON.h>

#include "ir/ir.h"

typedef struct {
    const ds_op *op;
    double flops, bytes; /* of one call; symbols count as 1 */
} plan_step;

plan_step *plan_steps(ds_module *m); /* stb_ds array, the caller's */
const char *plan_kernel(const plan_step *s);
const char *plan_what(const plan_step *s);
/* Adds kernel, what, flops, bytes and the names of the ONNX nodes in it. */
void plan_step_json(const plan_step *s, cJSON *item);

#endif
