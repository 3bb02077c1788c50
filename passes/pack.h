/* Right operands that a call computes, in panels whose elements lie in words. */
#ifndef DS_PACK_H
#define DS_PACK_H

#include "passes/contraction.h"

/* The value in this encoding, of panels in which `group` neighbours along dim k make a word of 32 bits, as moves of words:
 * k's neighbours lie together already, or those of n do. NULL where neither is so, or k ends within a word. What makes the
 * value is changed to make it along k where that is as good and `before` alone reads it. */
ds_value *ds_pack_words(ds_module *m, ds_op *before, ds_value *v, size_t k, size_t n, ds_panel panel,
                        const ds_attr *encoding);

#endif
