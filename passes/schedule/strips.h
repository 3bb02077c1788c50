/* The program `strips`: [convolution,] depthwise convolution or pool [, 1x1 convolution] of an image, each with what is
 * done to its results, some rows at a time. */
#ifndef DS_SCHEDULE_STRIPS_H
#define DS_SCHEDULE_STRIPS_H

#include "passes/schedule/tile.h"
#include "passes/schedule/window.h"

/* Are rows of this op's results computed for overlapping rows of its input: a depthwise convolution or a pool? */
bool strips_has_window(ds_ir_context *cx, const ds_op *op);
/* A convolution or pool whose rows can be made a few at a time: of static f32 images in channels-last order, with what
 * it needs around them. */
bool strips_makes_rows(ds_ir_context *cx, const ds_op *op);
double strips_image_bytes(ds_ir_context *cx, const ds_value *v); /* of one image, borders included */

/* The ops of a chain. */
typedef struct {
    const ds_op *before, *window, *after; /* before, after: or NULL */
    const ds_value *kept, *last; /* what the window reads, and what the op after it reads, of the chain; or NULL */
} strips_chain;

typedef struct {
    int64_t rows, band; /* rows of a strip; of a piece, a multiple */
} strips_plan;

/* Strips whose buffers fit a quarter of the L2 cache. False when there would be one band only: two threads are
 * better. */
bool strips_choose(ds_ir_context *cx, const ds_machine *machine, const strips_chain *chain, strips_plan *out);
bool strips_chain_of(ds_ir_context *cx, const ds_op *kernel, strips_chain *out);
const ds_op *strips_epilogue(const ds_op *op); /* the map behind an op of a chain, or NULL */
int64_t strips_buffer_rows(ds_ir_context *cx, const ds_value *v,
                           int64_t strip); /* of what flows inside: what its reader needs */
/* Rows of an image as they lie in memory: how many, and elements of one. */
void strips_rows_in_memory(ds_ir_context *cx, const ds_type *t, int64_t *out_rows, int64_t *out_length);

#endif
