#include "ir.h"
ds_status ds_module_parse(ds_ir_context *cx, const char *text, size_t length, const char *path, ds_module **out_module) { (void)text; (void)length; (void)path; *out_module = NULL; return ds_report(cx->diag, DS_ERROR, DS_E_text, NULL, "not yet"); }
