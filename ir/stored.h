/* Caches in a narrower element type than the model computes with.
 *
 * `ds.stored` of a result is that type ("bf16"). Its argument and the result have it; casts stand behind the one and
 * before the other. The pass carry obeys it: elements that come from the argument stay as they are, new ones are
 * rounded once, and readers see what is stored.
 *
 * Bytes ("i8") have a scale for each row, which is the last dim: an argument and a result of f32 more, of the cache's
 * shape with one element along that dim. `ds.scales` of the result of bytes is the number of the result of scales. A
 * row's scale is its largest magnitude / 127, its bytes are its elements / scale, rounded to the nearest, half to even;
 * a row without an element above DS_SCALES_LEAST is zeros, with the scale 1.
 */
#ifndef DS_STORED_H
#define DS_STORED_H

#include "alias.h"
#include "ir.h"

#define DS_STORED "ds.stored"
#define DS_SCALES "ds.scales"
#define DS_SCALES_ELEM DS_f32    /* of scales, and of what bytes stand for */
#define DS_SCALES_LEAST 0x1p-100 /* below this a scale would soon have few bits, or none */

/* The element type of the name, if caches may have it; else DS_NO_ELEM. */
ds_elem ds_stored_type(const char *name);
/* What result `i` of a graph or a plan is stored as; DS_NO_ELEM: as the graph makes it. */
ds_elem ds_stored_of(const ds_op *func, size_t i);
bool ds_stored_has_scales(ds_elem elem); /* caches of this type have some */
/* The result that has the scales of result `i`; SIZE_MAX: none. */
size_t ds_stored_scales(const ds_op *func, size_t i);
/* What is wrong with the attributes of a result, as a sentence; NULL: nothing. outputs: the types of all results. */
const char *ds_stored_objection(ds_module *module, const ds_op *func, size_t i, ds_types outputs);

/* Gives the pairs of inputs and outputs of @main that the patterns name (ir/alias.h) another element type. */
DS_MUST_USE ds_status ds_stored_declare(ds_module *module, ds_elem elem, const char *const *patterns, size_t count);

#endif
