#include <stdio.h>

#include "tools/model.h"

ds_status cmd_info(const cli *c, ds_ir_context *cx) { (void)c; return ds_report(cx->diag, DS_ERROR, DS_E_form, NULL, "not yet"); }
