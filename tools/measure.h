/* A model compiled to a shared library and run by dsc-bench, in a process that holds nothing of the compiler. */
#ifndef DS_MEASURE_H
#define DS_MEASURE_H

#include "tools/model.h"

double measure_now(void); /* seconds */
/* Reads what the measured process printed, while the module (plans) still exists. */
typedef ds_status measure_report(const cli *c, ds_module *m, const char *output, void *user);

/* Options as `dsc bench` takes them. With a report the model is traced and profiled, and nothing is printed here. */
typedef struct {
    measure_report *report;
    void *user;
} measure_request;
DS_MUST_USE ds_status measure_model(const cli *c, ds_ir_context *cx, const measure_request *request);

/* The same in steps, for many runs of what was compiled once: files in a folder of their own, which measure_close
 * removes. */
typedef struct {
    ds_ir_context *cx;
    ds_files mapped;
    ds_module *module; /* through all passes */
    char folder[64];
    const char **files, **args; /* stb_ds arrays */
    bool traced;
} measured;

/* --dim values, and unless --dims=symbolic every symbol fixed at the size that the inputs have: appended to *out, a
 * stb_ds array. */
DS_MUST_USE ds_status measure_dims(const cli *c, ds_ir_context *cx, ds_files *files, ds_dim_value **out);
/* Compiles by these options. To be closed whatever comes of it. */
DS_MUST_USE ds_status measure_open(const cli *c, ds_ir_context *cx, const ds_pass_options *passes, bool traced,
                                   measured *out);
/* Runs for so many seconds. What the process prints goes to a file, which lasts until the next run, or (NULL) where
 * ours goes. */
DS_MUST_USE ds_status measure_run(measured *w, double seconds, const char **out_file);
/* Runs both in turns, in one process; neither is traced. */
DS_MUST_USE ds_status measure_pair(measured *w, measured *other, double seconds, const char **out_file);
void measure_close(measured *w);

#endif
