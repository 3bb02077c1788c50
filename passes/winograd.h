/* Winograd's minimal filtering for 3x3 convolutions of stride 1. F(4x4, 3x3): a 4x4 tile of the result takes 36
 * products for each pair of channels instead of 144; F(2x2, 3x3): 16 instead of 36, with smaller filters. Filters are
 * transformed when the model is compiled. (Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2015.)
 */
#ifndef DS_WINOGRAD_H
#define DS_WINOGRAD_H

#include "ir/ir.h"

enum { DS_WINOGRAD_MOST = 6 }; /* the larger input tile's side; an input tile is 2 larger than its result's */

typedef struct {
    double saved, times; /* multiply-adds fewer than the direct form's; what it takes beside this one */
    double bytes;        /* that the filter grows by */
} ds_winograd_cost;

/* May it be done by such tiles? */
bool ds_winograd_fits(ds_ir_context *cx, const ds_op *conv);
/* The side of the result's tiles that costs least, 4 or 2, at most `largest`; 0 when the conv does not have that form
 * or is cheaper as it is. */
int ds_winograd_tile(ds_ir_context *cx, const ds_op *conv, int largest, ds_winograd_cost *out);
/* Replaces the conv by graph.winograd; its filter becomes U[tile + 2, tile + 2, output channels, input channels].
 * Returns the new op. */
ds_op *ds_winograd_rewrite(ds_module *m, ds_op *conv, int tile);

#endif
