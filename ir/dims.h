/* What the dims of a contraction are for: attribute `kinds` of graph.matmul and graph.conv, a word of dims.def for each
 * dim of the result, then for each reduced one. It follows from the index maps, here alone: whoever makes such an op or
 * changes its maps notes it, everyone else reads it. Text may leave it out: the parser then adds it.
 */
#ifndef DS_DIMS_H
#define DS_DIMS_H

#include "ir.h"

typedef enum {
#define DS_DIM_KIND(name, ...) DS_DIM_##name,
#include "dims.def"
#undef DS_DIM_KIND
} ds_dim_kind;

enum { DS_DIMS_MOST = 64 }; /* of a contraction */

/* Writes the attribute; does nothing to other ops. */
void ds_dims_note(ds_module *module, ds_op *op);
/* The same for an op of text that does not say it, if its maps are of the form that they must have. */
void ds_dims_complete(ds_module *module, ds_op *op);
ds_dim_kind ds_dims_kind(const ds_op *op, size_t dim);
/* "d1 is of kind 'n' by the maps, not 'm'", in the module's arena; NULL when the attribute says what the maps do. */
/* Operands of a product that stand behind the scale of its right factor (operand 2): the scale of the left one, where that is
 * of whole numbers, and zero points of the right one. SIZE_MAX: there are none. */
size_t ds_product_left_scale(const ds_op *op);
size_t ds_product_zero(const ds_op *op);

const char *ds_dims_misfit(ds_module *module, const ds_op *op);
void ds_dims_print_kinds(ds_string *out); /* as Markdown */

#endif
