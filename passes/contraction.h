/* The space of a contraction (graph.matmul, graph.conv) or a pool (graph.reduce), and its windows; layouts. */
#ifndef DS_CONTRACTION_H
#define DS_CONTRACTION_H

#include "ir/dims.h"
#include "ir/ir.h"
#include "ir/mma.h"

enum { DS_CONTRACTION_MAX = 24, DS_WINDOW_MOST = 32 /* elements of a row, for depthwise convolutions and pools */ };

typedef ds_dim_kind ds_dim_role; /* a window counts as k: how loops go over it */

typedef struct {
    size_t rank, over_count; /* result dims, then reduced ones */
    ds_dim_kind kind[DS_CONTRACTION_MAX];
    ds_dim_role role[DS_CONTRACTION_MAX];
    const ds_expr *extent[DS_CONTRACTION_MAX];
} ds_contraction;

/* False when it has too many dimensions. */
bool ds_contraction_of(ds_ir_context *cx, const ds_op *op, ds_contraction *out);

/* How the target multiplies its elements (ir/mma.def), or NULL. */
const ds_mma *ds_contraction_mma(const ds_target *target, const ds_op *op);

/* A grouped convolution with one input channel for each output channel. */
bool ds_is_depthwise(ds_ir_context *cx, const ds_op *op);

/* A maximum, sum, … of each window of an image, channel by channel: a graph.reduce of one type with static spatial extents,
 * whose windows are dense where they reach past the image. */
bool ds_is_pool(ds_ir_context *cx, const ds_op *op);

/* Position y along a spatial dim of a convolution's or a pool's result is made from positions y * stride - before + k *
 * dilation of its input, of which `reach` lie between the first and the last. False when that is not static. */
typedef struct {
    int64_t stride, dilation, before, reach;
} ds_window;
bool ds_window_along(ds_ir_context *cx, const ds_op *op, size_t dim, ds_window *out);
bool ds_window_leaves(const ds_op *op, size_t dim,
                      const ds_window *w); /* past the image, whose extent is static, somewhere */

/* ---- layouts ---- */

/* A graph.map that copies: each point of `type` is the input at `map`; with `padded`, zero where that lies outside. */
bool ds_is_copy_map(const ds_op *op); /* a map that yields its one operand, read inside only */
/* What a map converts to another element type, point by point; NULL where it does something else. */
ds_value *ds_converted_of(const ds_value *v);
/* Erases what nothing reads in the region of a map. */
void ds_erase_unread(ds_block *body);
bool ds_is_product_map(const ds_op *op); /* a map that yields the product of its two operands, read inside only */
ds_op *ds_copy_map(ds_builder *b, ds_value *input, const ds_type *type, const ds_attr *map, bool padded);

/* Encodings have a `map` (order and blocking of dims) and maybe a `border`: elements kept around a tensor in memory,
 * all zero, so that windows may read there, or panels of weights lie apart. Kernels that make such a tensor also write
 * its border. */
int64_t ds_layout_border(const ds_type *type, size_t dim, bool after);
/* The type with at least these borders (one pair of before and after for each dim) around dims whose order is the
 * encoding's. */
const ds_type *ds_layout_with_border(ds_ir_context *cx, const ds_type *type, const int64_t *before,
                                     const int64_t *after);
bool ds_layout_has_view(const ds_value *v); /* a reshape that relies on how v lies in memory */
/* A part of a larger buffer (encoding key `within`): its channels are those from `start` on of `total`; id: which
 * buffer. */
typedef enum { DS_WITHIN_TOTAL, DS_WITHIN_START, DS_WITHIN_ID } ds_layout_place;
int64_t ds_layout_within(const ds_type *type, ds_layout_place what); /* not a part: 0, id -1 */
const ds_type *ds_layout_placed(ds_ir_context *cx, const ds_type *type, int64_t total, int64_t start, int64_t id);
bool ds_layout_is_channels_last(const ds_type *type);          /* dims 0, 2, 3, …, 1 in memory */
bool ds_layout_same_order(const ds_type *a, const ds_type *b); /* the same but for borders */
/* Extents of a tensor as it lies in memory: dims after the encoding's map. Returns how many; 0 when the map is of no
 * form known here. */
size_t ds_layout_extents(ds_ir_context *cx, const ds_type *type, const ds_expr **out_extents);
/* The element offset of the point `index` (one expression a dim); NULL when the map is of no known form. */
const ds_expr *ds_layout_offset(ds_ir_context *cx, const ds_type *type, const ds_expr *const *index);
/* For physical position (p0, p1, …) the logical index of each dim; the caller checks it against the extents
 * (padding). */
bool ds_layout_inverse(ds_ir_context *cx, const ds_type *type, const ds_expr **out_index);
/* Elements in memory, padding included. */
const ds_expr *ds_layout_count(ds_ir_context *cx, const ds_type *type);
/* True when the bytes are those of the dense row-major tensor. */
bool ds_layout_is_dense(ds_ir_context *cx, const ds_type *type);
const ds_attr *ds_layout_encoding(ds_ir_context *cx, size_t rank, const ds_expr *const *results, size_t count);

#endif
