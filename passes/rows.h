/* Rows of bytes with a scale each, as caches are stored (ir/stored.h): what they stand for, and how they are made. */
#ifndef DS_ROWS_H
#define DS_ROWS_H

#include "ir/stored.h"

/* bytes * scales; scales have one element along `axis`. */
typedef struct {
    ds_value *bytes, *scales;
    size_t axis;
} ds_rows;

/* Is the value such a product, made by a map of both? axis: the last one along which all bytes have one scale. */
bool ds_rows_of(const ds_value *v, ds_rows *out);
/* The type of scales for rows along an axis of such a tensor. */
const ds_type *ds_rows_scales_type(ds_ir_context *cx, const ds_type *type, size_t axis);
/* The rows of a value along an axis, as bytes. */
ds_rows ds_rows_round(ds_module *module, ds_op *before, ds_value *v, ds_elem elem, size_t axis);
/* What they stand for, as a value of this type. */
ds_value *ds_rows_widen(ds_builder *b, const ds_rows *rows, const ds_type *type);

#endif
