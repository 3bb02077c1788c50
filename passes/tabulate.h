/* The rule of fuse that makes tables (tabulate.c). */
#ifndef DS_TABULATE_H
#define DS_TABULATE_H

#include "ir/rewrite.h"

int ds_scalar_cost(ds_op_kind kind); /* of an op of a region, about in additions */
bool ds_tabulate(ds_rewriter *rw, ds_op *map);

#endif
