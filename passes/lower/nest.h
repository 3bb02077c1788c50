/* The loop nest of a map or a reduction, while it is lowered. */
#ifndef DS_LOWER_NEST_H
#define DS_LOWER_NEST_H

#include "passes/lower/lower.h"
#include "passes/schedule/nest.h"

typedef struct {
    lowering *l;
    const nest *n;
    const ds_op *op;
    bool transposes;      /* the last kept dim is walked one by one inside the lanes' loop, */
    ds_value *low, *high; /* in this range; NULL: all of it */
    int64_t chains;       /* of a reduction by lanes: sums side by side */
} walk;

typedef void lane_body(walk *w, lane_point *p, void *user);

size_t nest_fix_rows(const lower_rows_at *rows, lane_point *p);
/* What the schedule says of op `index`; it was checked. */
void nest_must_read(lowering *l, const nest *n, const ds_op *op, int index, const lower_rows_at *rows,
                    nest_choice *out);
void nest_kept_loops(walk *w, lane_point *p, const lower_rows_at *rows, const nest_choice *c, lane_body *body,
                     void *user);

ds_value *nest_pad_constant(lowering *l, const ds_attr *pad, ds_elem elem); /* NULL: zero */
ds_value *nest_or_pad(lowering *l, ds_value *valid, ds_value *v, const ds_attr *pad,
                      ds_elem elem);                               /* v where valid, else the constant */
ds_value *nest_conjunction(lowering *l, ds_value *a, ds_value *b); /* NULL: true */
void nest_read_operands(lowering *l, const nest *n, const ds_op *op, const lane_point *p, lane_value *out);

#endif
