/* Between the files of ir/facts. */
#ifndef DS_FACTS_INTERNAL_H
#define DS_FACTS_INTERNAL_H

#include "ir/facts/facts.h"

/* What a scalar of a region is, and which of the op's operands it depends on, as bits. */
typedef struct {
    ds_fact fact;
    uint64_t needs;
} abstract;

/* Runs block `region` of an op whose space is the result's extents, then those in `over`. `zero`: 0 times anything is
 * 0. */
void facts_run_region(const ds_facts *facts, const ds_op *op, size_t region, const abstract *args, bool zero,
                      abstract *out_yields);
/* The operand with what reads outside of it give. */
ds_fact facts_read(const ds_facts *facts, const ds_op *op, size_t operand);
/* reduce, matmul and conv. */
void facts_of_reduce(ds_facts *facts, const ds_op *op);
void facts_of_contraction(ds_facts *facts, const ds_op *op);

#endif
