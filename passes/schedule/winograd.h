/* The program `winograd`: blocks of tiles go through three steps in one thread's scratch memory (passes/winograd.h,
 * lower/winograd.c). */
#ifndef DS_SCHEDULE_WINOGRAD_H
#define DS_SCHEDULE_WINOGRAD_H

#include "passes/schedule/programs.h"
#include "passes/winograd.h"

enum { WINOGRAD_SKEW = 16, WINOGRAD_MOST_TILES = 64, WINOGRAD_MOST_ROWS = 14 };

typedef struct {
    const ds_core *core;
    const ds_op *op, *epilogue, *pool;               /* the last two: or NULL */
    int64_t side, wide, points;                      /* of the result's tiles; of the input's; wide * wide */
    int64_t ci, co, panels, in[2], out[2], tiles[2]; /* rows, columns */
    const ds_expr *total;                            /* tiles of all images */
    int64_t stride; /* floats of a row of V: longer than needed, so that they do not share few sets of the L1 cache */
} winograd_space;

typedef struct {
    int64_t rows, columns; /* of the register tile: tiles, and output channels in vectors */
    int64_t block;         /* tiles at work, a multiple of rows */
    int64_t chunk;         /* blocks that one thread does in a row */
} winograd_choice;

/* A pool of windows without overlap that divide the tiles: a tile makes whole results of it. */
bool winograd_takes_pool(ds_ir_context *cx, const ds_op *winograd, const ds_op *pool);
bool winograd_open(winograd_space *w, const ds_core *core, const ds_op *kernel);
const char *winograd_read(const winograd_space *w, const ds_schedule *s,
                          winograd_choice *out); /* what is wrong, or NULL */

#endif
