/* The programs `rows`, `blocks` and `turns`: ops that go through the same leading dims ("rows") together. What kernels
 * of theirs are made of (asked by the pass group, which makes them, and by the checks), and what a schedule says of
 * them. */
#ifndef DS_SCHEDULE_ROWS_H
#define DS_SCHEDULE_ROWS_H

#include "passes/schedule/nest.h"
#include "passes/schedule/tile.h"

/* ---- what may go together ---- */

size_t rows_of_reduce(
    const ds_op *op); /* leading dims of a reduction that are kept as they are: rows that a group may share */
bool rows_read(const ds_attr *map, const ds_type *type, size_t rows); /* does this map read the row of its own point? */
bool rows_same(const ds_type *a, const ds_type *b, size_t rows);
/* A map or a reduction without padding and positions read elsewhere. */
bool rows_is_plain(const ds_op *op);
/* A product of matrices, batch by batch (or more rows by rows): result[…, m, n] with `rows` dims before n. */
bool rows_is_product(ds_ir_context *cx, const ds_target *target, const ds_op *op, size_t *out_rows);
bool rows_multiply_alike(const ds_op *a, const ds_op *b); /* two such products: by one row of ir/mma.def */
/* A loop (a recurrent network) each element of whose first dim goes through every turn by itself. */
bool rows_are_turns(const ds_op *loop);

/* ---- what a schedule says ---- */

bool rows_is_result(const ds_op *kernel, const ds_value *v); /* yielded */
/* Rows that a kernel shares by its schedule: 0 for programs that share none. */
size_t rows_shared(const ds_schedule *s);
const ds_placement *rows_place(const ds_schedule *s, int op); /* NULL: a result */

#endif
