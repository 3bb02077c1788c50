/* The program `window`: depthwise convolutions and pools. Lanes walk the channels; a tile is `count` results along the
 * last spatial dim, of one row or of `tall` ones whose windows share input rows. */
#ifndef DS_SCHEDULE_WINDOW_H
#define DS_SCHEDULE_WINDOW_H

#include "passes/schedule/programs.h"

enum {
    WINDOW_MOST_RESULTS = 12,
    WINDOW_MOST_ROWS = 2,
    WINDOW_MOST_TILE = WINDOW_MOST_ROWS * WINDOW_MOST_RESULTS,
    WINDOW_MOST_UNROLLED = 25, /* points of a window */
    WINDOW_MOST_TALL = 7,      /* rows of a window whose input rows are shared */
    WINDOW_MOST_EPILOGUE = 32, /* operands */
    WINDOW_CHANNEL = 1
};

typedef struct {
    const ds_core *core;
    const ds_op *op, *epilogue; /* epilogue: or NULL */
    bool pools;
    size_t rank, along, first, window; /* of the result; its last dim; the first and the last of the window's */
    const ds_expr *extent[SCHEDULE_MOST_DIMS];
    const ds_expr *a, *b, *out, *extra[WINDOW_MOST_EPILOGUE], *position[SCHEDULE_MOST_DIMS];
    const ds_expr *unit, *pitch; /* elements of A between neighbours along the row, and from row to row */
    int64_t stride, dilation, width, row_stride, row_dilation, height;
    bool shares_rows; /* results of two rows may */
    bool overlaps;    /* the last tile of a row begins earlier; else positions past its end repeat the last one */
    bool leaves[SCHEDULE_MOST_DIMS];     /* windows reach past the image along this dim of the window, but the last */
    int64_t leaves_before, leaves_after; /* results at a row's ends whose windows leave it */
} window_space;

typedef struct {
    int64_t count, tall; /* results of a tile along the row; its rows */
    bool unrolls;        /* the whole window is written out */
    int64_t channels;    /* of a piece; 0: all, and pieces are rows */
    int64_t chunk;       /* units that a piece has, of `tall` rows each */
} window_choice;

bool window_open(window_space *w, const ds_core *core, const ds_op *op, const ds_op *epilogue);
int64_t window_reach(int64_t results, int64_t stride, int64_t window,
                     int64_t dilation);             /* input rows that so many results need */
window_choice window_choose(const window_space *w); /* the tile alone */
const ds_expr *window_unit_rows(const window_space *w, const window_choice *c);
const ds_expr *window_units(const window_space *w, const window_choice *c); /* of all images */
void window_add_levels(const window_space *w, const window_choice *c, int op, ds_schedule *s);
const char *window_read_grid(const window_space *w, const ds_schedule *s, window_choice *c);
const char *window_read(const window_space *w, const ds_schedule *s, int op,
                        window_choice *out); /* what is wrong, or NULL */

#endif
