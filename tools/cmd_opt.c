/* dsc opt: passes over IR, printed. */
#include <string.h>

#include "tools/model.h"

ds_status cmd_opt(const cli *c, ds_ir_context *cx) {
    ds_files files = {0};
    ds_module *m = NULL;
    ds_pass_options passes;
    DS_TRY(model_pass_options(c, cx, "x86-64-v3", &passes));
    ds_status status = model_load(c, cx, &files, c->dims, arrlenu(c->dims), &m);
    if (status == DS_OK && strcmp(cli_value(c, "passes", "-"), "") != 0) status = ds_passes_run(m, &passes);
    if (status == DS_OK) status = model_write_text(m, cli_value(c, "output", "-"), cli_has(c, "print-facts"));
    ds_module_destroy(m);
    ds_files_close(&files);
    return status;
}
