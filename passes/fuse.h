/* Rules of fuse that have files of their own. */
#ifndef DS_FUSE_H
#define DS_FUSE_H

#include "ir/rewrite.h"

int ds_scalar_cost(ds_op_kind kind); /* of an op of a region, about in additions */

ds_rule_apply ds_tabulate;             /* tabulate.c: functions of one byte */
ds_rule_apply ds_concat_of_slices;     /* concat.c, as the others */
ds_rule_apply ds_narrow_before_concat; /* a map that is narrower than the concat it alone reads */
ds_rule_apply ds_drop_copy;

#endif
