/* How a kernel is computed: the attribute `schedule` of graph.kernel. Made by the pass `schedule`
 * (passes/programs.def), obeyed by `lower`.
 *
 *   {program = "tile", mma = "fma_f32", prefetch = {lines = 1, next = 65536},
 *    levels = [{axis = "m", kind = "grid", step = 64, tail = "guard"},
 *              {axis = "n", kind = "grid", step = 48, tail = "exact"},
 *              {axis = "m", kind = "tile", step = 4, tail = "exact"},
 *              {axis = "n", kind = "tile", step = 48, tail = "exact"},
 *              {axis = "k", kind = "unroll", step = 4, tail = "guard"}],
 *    place = [{op = 0, level = 4, space = "registers"}]}
 *
 * Levels are loops, outermost first. One without `op` is the kernel's own; with it, of that op of the kernel (counted
 * from 0) alone. Axes: of a product m (its rows: all dims of the result but the columns, taken as one), n and k; of
 * other ops d0, d1, … (dims of the result as they lie in memory, neighbours that walk memory as one being one) and k0,
 * k1, … (reduced ones); `grid`: the points of all grid levels, in their order. A step of a grid level counts points of
 * its axis and of those before it, taken as one.
 *
 * People read the same in `dsc info --ir` (document.c).
 *
 * Ownership: a ds_schedule owns its arrays (ds_schedule_free); text in it belongs to the context.
 * Limits:    DS_SCHEDULE_MOST levels and as many places; steps from 1 to DS_SCHEDULE_MOST_STEP.
 */
#ifndef DS_SCHEDULE_H
#define DS_SCHEDULE_H

#include "ir.h"

enum { DS_SCHEDULE_MOST = 256, DS_SCHEDULE_MOST_STEP = 1 << 30 };

/*         kind    for people */
#define DS_LEVEL_KINDS(ROW)                                                                                            \
    ROW(grid, "pieces that run on any thread, in any order")                                                           \
    ROW(block, "of a GPU's blocks")                                                                                    \
    ROW(warp, "of a block's warps")                                                                                    \
    ROW(lane, "lanes of a vector or a warp")                                                                           \
    ROW(serial, "one step after the other")                                                                            \
    ROW(unroll, "steps written out one after the other")                                                               \
    ROW(tile, "steps written out side by side, their values in registers")

/*         name    where a level's steps do not divide the extent; for people, with what it asks for */
#define DS_TAILS(ROW)                                                                                                  \
    ROW(exact, "they do: the extent is known and a multiple of the step")                                              \
    ROW(mask, "lanes past the end neither read nor write")                                                             \
    ROW(overlap, "the last step begins earlier and computes some points again; at least one whole step, or steps "     \
                 "as short as the extent")                                                                             \
    ROW(repeat, "positions past the end compute the last one again")                                                   \
    ROW(guard, "a shorter step for the rest")

/*         name       where a value lies between the ops of a kernel */
#define DS_SPACES(ROW)                                                                                                 \
    ROW(registers, "nowhere else: what reads it is computed on the tile")                                              \
    ROW(scratch, "in the memory of one thread")                                                                        \
    ROW(shared, "in the memory that a block's threads share")                                                          \
    ROW(result, "in the result's place, which is written over it")

typedef enum {
#define ROW(name, doc) DS_LEVEL_##name,
    DS_LEVEL_KINDS(ROW)
#undef ROW
} ds_level_kind;

typedef enum {
#define ROW(name, doc) DS_TAIL_##name,
    DS_TAILS(ROW)
#undef ROW
} ds_tail;

typedef enum {
#define ROW(name, doc) DS_SPACE_##name,
    DS_SPACES(ROW)
#undef ROW
} ds_space;

enum { DS_OWN = -1 }; /* a level of the kernel itself */

typedef struct {
    int op; /* index in the kernel, or DS_OWN */
    const char *axis;
    ds_level_kind kind;
    int64_t step;
    ds_tail tail;
} ds_level;

/* Op `op` is computed within level number `level` (of `levels`); of the turn before, `keep` rows stay. */
typedef struct {
    int op, level;
    ds_space space;
    int64_t keep;
} ds_placement;

typedef struct {
    const char *program, *mma; /* mma: NULL where nothing is multiplied by a table's row (ir/mma.def) */
    ds_level *levels;          /* stb_ds arrays */
    ds_placement *places;
    int64_t prefetch_lines,
        prefetch_next; /* lines of a product's right side that a tile fetches ahead for each unrolled k step; bytes
                                              behind it that are the next kernels' */
} ds_schedule;

void ds_schedule_free(ds_schedule *s);
void ds_schedule_add(ds_schedule *s, int op, const char *axis, ds_level_kind kind, int64_t step, ds_tail tail);
void ds_schedule_place(ds_schedule *s, int op, int level, ds_space space, int64_t keep);
/* The first level of this op, axis and kind; NULL when there is none. */
const ds_level *ds_schedule_find(const ds_schedule *s, int op, const char *axis, ds_level_kind kind);
const ds_attr *ds_schedule_attr(ds_ir_context *cx, const ds_schedule *s);
/* Reads an attribute. NULL when it is of the form above, else what is wrong, in the context's arena; *out is to be
 * freed only on success.
 */
const char *ds_schedule_read(ds_ir_context *cx, const ds_attr *attr, ds_schedule *out);
/* As Markdown: the kinds of levels, tails and spaces. */
void ds_schedule_print_words(ds_string *out);

/* What a kernel computes, as text: equal for kernels that equal code computes in the same way. To be freed (malloc). */
char *ds_kernel_text(const ds_op *kernel);
/* The same as 128 bits in hexadecimal: ops, types, maps, regions and attributes, but neither names of nodes nor places
 * in the model nor the schedule. In the context's arena. */
const char *ds_kernel_key(ds_ir_context *cx, const ds_op *kernel);
const char *ds_kernel_key_of(ds_ir_context *cx, const char *text); /* of the text above */

#endif
