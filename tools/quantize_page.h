/* What `dsc quantize` did, as one page of HTML that needs nothing else. */
#ifndef DS_QUANTIZE_PAGE_H
#define DS_QUANTIZE_PAGE_H

#include "ir/ranges.h"
#include "tools/search.h"

/* What the command has found out. */
typedef struct {
    const char *model, *precision, *level; /* file, how it was asked for, what it is compiled for */
    double bound, predicted;               /* of auto; NAN */
    double ms[2], bytes[2];                /* f32's, and with the decisions */
    evaluation seen, held_out;             /* on samples that were calibrated on, and on others */
    const ds_attr *decided;                /* DS_DECIDED of the module */
    const ds_ranges *ranges;
    const search_product *products; /* stb_ds array: what each does to the error, or NULL */
    const char *note;               /* of what was given up, or "" */
} quantize_result;

DS_MUST_USE ds_status quantize_page_write(ds_ir_context *cx, const char *path, const quantize_result *result);

#endif
