/* What kernels.def says of irregular ops. */
#ifndef DS_EXTERNS_H
#define DS_EXTERNS_H

#include "ir/ir.h"

typedef enum { DS_EXTERN_CODE, DS_EXTERN_BYTES } ds_extern_elem;

typedef struct {
    const char *callee;
    bool tied;           /* the result is operand 0, changed in place */
    int fresh;           /* the operand whose elements are written there; -1: none */
    int elem;            /* the parameter that depends on the size of elements; -1: none */
    ds_extern_elem kind; /* how */
} ds_extern;

const ds_extern *ds_extern_of(const ds_op *op); /* NULL: none, or no such row */
/* A code of kernels/ for element types: class * 16 + bytes; 0 signed, 1 unsigned, 2 float. */
int64_t ds_extern_code(ds_elem elem);
/* Does the op write elements as they are into a copy of operand 0? Then it does so for elements of any type: this
 * gives it parameters for that one. */
bool ds_extern_moves(const ds_op *op);
/* The operand that these elements are of; NULL where it does not. */
const ds_value *ds_extern_put(const ds_op *op);
void ds_extern_retype(ds_module *module, ds_op *op, ds_elem from, ds_elem to);

#endif
