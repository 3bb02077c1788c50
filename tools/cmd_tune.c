#include "tools/schedules.h"
#include "tools/model.h"
ds_status cmd_tune(const cli *c, ds_ir_context *cx) { (void)c; (void)cx; return DS_UNSUPPORTED; }
