/* How a plan hands a kernel what it works on: a frame of slots of 8 bytes, written by the call and read by the kernel.
 *
 *   buffers…   symbols…   offsets of scratch buffers in a thread's scratch memory…
 *   its base   its bytes for each thread
 *
 * The last two are there only where there is scratch memory. A kernel takes its buffers first, then its scratch
 * buffers.
 */
#ifndef DS_FRAME_H
#define DS_FRAME_H

#include "ir/ir.h"

typedef struct {
    size_t buffers, symbols, scratch; /* how many there are */
} ds_frame;

static inline ds_frame ds_frame_of_call(const ds_op *call) {
    return (ds_frame){call->operand_count, ds_op_attr(call, "symbols")->count, ds_op_attr(call, "scratch")->count};
}

static inline ds_frame ds_frame_of_kernel(const ds_op *func) {
    size_t scratch = ds_op_attr(func, "scratch")->count;
    return (ds_frame){ds_op_block(func, 0)->arg_count - scratch, ds_op_attr(func, "symbols")->count, scratch};
}

static inline size_t ds_frame_symbol(ds_frame f, size_t i) { return f.buffers + i; }
static inline size_t ds_frame_scratch(ds_frame f, size_t i) { return f.buffers + f.symbols + i; }
static inline size_t ds_frame_base(ds_frame f) { return ds_frame_scratch(f, f.scratch); }
static inline size_t ds_frame_lane_bytes(ds_frame f) { return ds_frame_base(f) + 1; }
static inline size_t ds_frame_slots(ds_frame f) { return ds_frame_base(f) + (f.scratch ? 2 : 0); }

#endif
