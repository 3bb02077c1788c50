/* Winograd's minimal filtering F(4x4, 3x3) for 3x3 convolutions of stride 1: a 4x4 tile of the result takes 36 products for each pair of
 * channels instead of 144. Filters are transformed when the model is compiled. (Lavin and Gray, Fast Algorithms for Convolutional Neural
 * Networks, 2015.)
 */
#ifndef DS_WINOGRAD_H
#define DS_WINOGRAD_H

#include "ir/ir.h"

enum { DS_WINOGRAD_OUT = 4, DS_WINOGRAD_IN = 6 }; /* sides of a tile of the result, of the input */

/* Whether a graph.conv has that form, and the transforms and the larger filters cost less than they save. */
bool ds_winograd_pays(ds_ir_context *cx, const ds_op *conv);
/* Replaces the conv by graph.winograd; its filter becomes U[6, 6, output channels, input channels]. Returns the new op. */
ds_op *ds_winograd_rewrite(ds_module *m, ds_op *conv);

#endif
