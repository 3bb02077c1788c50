/* Parts of the pass carry. */
#ifndef DS_CARRY_H
#define DS_CARRY_H

#include "ir/stored.h"

/* Result `i`, bytes with scales, carries rows of a cache as they are, and its readers see what is stored; false: it is
 * not made of a cache by moving rows (carry_rows.c). */
bool ds_carry_rows(ds_module *module, const ds_op *func, size_t i);

/* A number of a map's region is this argument, at least for some points. */
bool ds_carry_selects(const ds_value *number, const ds_value *argument, int depth);

enum { DS_CARRY_DEPTH = 100 };

#endif
