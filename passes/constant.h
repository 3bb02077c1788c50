/* Which values are known when a model is compiled, though computed by it. */
#ifndef DS_CONSTANT_H
#define DS_CONSTANT_H

#include "ir/ir.h"

/* May a recipe, which runs when a model is compiled, contain such ops? */
bool ds_is_recipe_op(ds_op_kind kind);
/* Does the value depend on constants only, by such ops? *known, an stb_ds array that starts as NULL and
 * the caller frees, remembers answers by value id: 1 yes, 2 no, 0 not asked yet. */
bool ds_depends_on_constants(uint8_t **known, const ds_value *v);
/* Does a map make many numbers of its first operand, point by point, that are stored in few bits (of whole numbers less
 * than 8, of floats up to 8)? A call decodes such constants, so that they stay small. */
bool ds_is_decoding(const ds_op *op);

#endif
