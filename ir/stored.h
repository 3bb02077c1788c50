/* Caches in a narrower element type than the model computes with.
 *
 * `ds.stored` of a result is that type ("bf16"). Its argument and the result have it; casts stand behind the one and
 * before the other. The pass carry obeys it: elements that come from the argument stay as they are, new ones are
 * rounded once, and readers see what is stored.
 */
#ifndef DS_STORED_H
#define DS_STORED_H

#include "ir.h"

#define DS_STORED "ds.stored"

/* The element type of the name, if caches may have it; else DS_NO_ELEM. */
ds_elem ds_stored_type(const char *name);
/* What result `i` of a graph or a plan is stored as; DS_NO_ELEM: as the graph makes it. */
ds_elem ds_stored_of(const ds_op *func, size_t i);
/* What is wrong with the attribute of a result of this type, as a sentence; NULL: nothing. */
const char *ds_stored_objection(ds_module *module, const ds_op *func, size_t i, const ds_type *type);

/* Gives the pairs of inputs and outputs of @main that the patterns name (ir/alias.h) another element type. */
DS_MUST_USE ds_status ds_stored_declare(ds_module *module, ds_elem elem, const char *const *patterns, size_t count);

#endif
