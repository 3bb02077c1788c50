/* The table of ways to multiply and add (mma.def), and what follows from a row: how the right operand is packed. */
#ifndef DS_MMA_H
#define DS_MMA_H

#include "ir.h"
#include "machine.h"
#include "target.h"

typedef enum { DS_MMA_VECTOR, DS_MMA_SQUARE, DS_MMA_TILE, DS_MMA_WARP } ds_mma_shape;

enum {
    DS_MMA_LANES = 0, /* columns: as many as a vector has lanes */
    DS_PANEL = 16     /* columns of a panel: whole vectors of sums at every ISA level */
};

typedef struct {
    const char *name;
    ds_elem lhs, rhs, sum;
    unsigned m, n, k;
    ds_mma_shape shape;
    const char *needs;
    double rate;
    unsigned parts;
    const char *generator, *doc;
} ds_mma;

const ds_mma *ds_mma_find(const char *name); /* NULL when unknown */
const ds_mma *ds_mma_at(size_t index);       /* NULL past the end */
bool ds_mma_runs_on(const ds_mma *mma, const ds_target *target);
/* Are its sums vectors, as a loop.tile has them? */
bool ds_mma_is_of_vectors(const ds_mma *mma);
/* The part of an instruction that so many rows of the left operand fill. */
double ds_mma_filled(const ds_mma *mma, double high);
/* The fastest row of vectors for these types that the target can execute (NULL: that any can); NULL when there is
 * none. */
const ds_mma *ds_mma_for(const ds_target *target, ds_elem lhs, ds_elem rhs, ds_elem sum);
/* The same of a product whose right factors are known to be so small that two neighbouring products by any bytes are a
 * number of 16 bits (`fits` of graph.def), or not. */
const ds_mma *ds_mma_choose(const ds_target *target, ds_elem lhs, ds_elem rhs, ds_elem sum, bool fits);
bool ds_mma_needs_proof(const ds_mma *mma);
enum { DS_MMA_FITS = 64 /* the largest magnitude of such right factors */ };
/* The row of matrices that multiplies the panels of this one, where the target has it; else NULL. */
const ds_mma *ds_mma_matrix(const ds_target *target, const ds_mma *vector);
/* Cycles between two instructions of a row of matrices, `high` rows, on a machine whose vectors have so many lanes. */
double ds_mma_matrix_cycles(const ds_mma *mma, const ds_machine *machine, size_t lanes, double high);
/* That of a loop.tile, by its attribute `mma`; NULL when there is no such row. */
const ds_mma *ds_mma_of(const ds_op *tile);

/* The right operand in memory: columns side by side for each group of k, whose elements lie together: what an
 * instruction takes of a column at a time, at most 32 bits of it, or 64 of a SQUARE. Where numbers of few bits become bytes, `parts` of them share
 * one: a word has the first of so many parts of a group in the lowest bits of its bytes. */
typedef struct {
    unsigned columns, group, parts;
} ds_panel;
ds_panel ds_mma_panel(const ds_mma *mma);
/* The bytes of a column's group where these fill no word; 0: they do. */
unsigned ds_mma_column_bytes(const ds_mma *mma);
/* Whole numbers are summed block by block, and become floats with the blocks' scales. */
bool ds_mma_sums_blocks(const ds_mma *mma);

/* Left factors with signs have scales of blocks, too, and are summed: right ones are taken as bytes without signs. */
bool ds_mma_sums_left(const ds_mma *mma);

void ds_mma_print(ds_string *out); /* as Markdown */

#endif
