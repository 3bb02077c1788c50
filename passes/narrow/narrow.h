/* What the files of the pass narrow share: products of bytes, and of weights of 16 bits (narrow.c). */
#ifndef DS_NARROW_H
#define DS_NARROW_H

#include "ir/dims.h"
#include "passes/contraction.h"
#include "passes/passes.h"

enum { NARROW_MOST_RANK = 16, NARROW_MOST_PARTS = 8 };

/* An input less a number, in another type. */
typedef struct {
    ds_value *x, *zero, *v; /* zero: its zero point is that number; or NULL */
    int64_t offset;         /* else this one is */
    ds_elem sum;            /* of the products that read them */
} known_words;

typedef struct {
    ds_module *m;
    ds_ir_context *cx;
    const ds_target *target;
    known_words *words; /* stb_ds array: inputs less their zero points that have been made */
} narrowing;

/* A number for each place of a tensor, or a few: how it is read from the dims of that tensor. */
typedef struct {
    ds_value *v; /* NULL: there is none */
    const ds_attr *map;
} part;

/* (x - zero) * scale */
typedef struct {
    ds_value *x;
    part zero, scale;
} factor;

typedef struct {
    narrowing *n;
    ds_op *op;
    ds_builder in;
    ds_value *args[NARROW_MOST_PARTS];
} region;

/* How a factor becomes what a row takes: as the bytes that it is; less its zero point; or, where signs differ, moved by
 * half of what a byte has, and its zero point with it. */
typedef enum { AS_BYTES, LESS_ZERO, MOVED } factor_form;

typedef struct {
    ds_elem type[2], sum;
    factor_form how[2];
    bool fits; /* the attribute of graph.def */
} narrow_form;

/* ---- which values are bytes with a zero point and a scale (factors.c) ---- */

bool nw_is_byte(ds_elem elem);
bool nw_is_few(ds_elem elem); /* a whole number of fewer bits: what has such is kept so */
bool nw_factor_of(ds_value *v, factor *out);
/* The same for whole numbers of up to 8 bits, with scales and zero points of any type. */
bool nw_weights_of(ds_value *v, factor *out);
int64_t nw_byte_at(const ds_value *v, const ds_attr *bytes, size_t i);
/* Which byte stands for zero in a factor; false where that is not known, or there are several. */
bool nw_known_zero(const factor *f, int64_t *out);
/* Are all of these constants, less their one zero point, or that of their place along a dim, from `low` to `high`? */
bool nw_lie_between(const factor *f, int64_t low, int64_t high);
/* The same of a factor that has a zero point, and all numbers of `to`. */
bool nw_fit_without_zero(const factor *f, ds_elem to);
/* Does the expression mention a dim from `from` to `to` - 1? */
bool nw_mentions(ds_ir_context *cx, const ds_expr *e, size_t from, size_t to);
/* The part as the result's points read it; false where it moves along what is summed. */
bool nw_bring_out(narrowing *n, const ds_contraction *c, const ds_attr *access, part *p);

/* The sums of one factor along what the product `op` sums, as a part of the result: a number for each place that it has
 * (product.c). */
part nw_sums_of(narrowing *n, ds_op *before, const ds_op *op, const ds_contraction *c, size_t operand);

/* ---- building (build.c) ---- */

region nw_open_region(narrowing *n, ds_op *op, size_t index);
region nw_open_map(narrowing *n, ds_op *before, const ds_type *type, const part *parts, size_t count);
ds_value *nw_argument(region *r, ds_elem elem);
ds_value *nw_cast(region *r, ds_value *v, ds_elem elem);
ds_value *nw_binary(region *r, ds_op_kind kind, ds_value *a, ds_value *b);
ds_value *nw_number(region *r, ds_elem elem, int64_t value);
void nw_yield(region *r, ds_value *v);
/* The bytes less their zero points, or less a number where they have none, in another type; of constants a recipe. */
ds_value *nw_without_zero(narrowing *n, ds_op *before, const factor *f, int64_t less, ds_elem to, ds_elem sum);
void nw_erase_unread(ds_op *map);

/* ---- what is done ---- */

/* How a contraction is narrowed, by rows of ir/mma.def; false where floats or wide integers are as good (forms.c). */
bool nw_choose_form(narrowing *n, const ds_op *op, const ds_contraction *c, const factor *f, narrow_form *out);
bool nw_product(narrowing *n, ds_op *op); /* a contraction of bytes (product.c) */
/* A factor less its zero point or a number, in another type: of constants for itself, of inputs once for all products. */
ds_value *nw_converted(narrowing *n, ds_op *op, const factor *f, int64_t less, ds_elem type, ds_elem sum);
/* Other readers of an input that was converted read the conversion, where all of them can (words.c). */
void nw_store_words(narrowing *n, const known_words *w);
/* Constants of a narrower float type that the product would have widened: rows of ir/mma.def widen them in registers, or
 * multiply the other factor, of the same type, by them. */
void nw_keep_narrow(narrowing *n, ds_op *op);
ds_value *nw_widened_of(const ds_value *v); /* what a map widens, point by point; NULL where it does not */
/* Rows of bytes that are no constants, as caches are: the product takes them as they are (rows.c). */
bool nw_keep_rows(narrowing *n, ds_op *op);
/* Does this level multiply two factors of this type faster than floats, in vectors or by matrices? Few rows or channels
 * leave much of these empty. Else says why not. */
bool nw_pays(narrowing *n, const ds_op *op, ds_elem type, const char **out_why);
bool nw_is_fixed(const ds_value *v); /* a constant, or made of such by maps and views: a recipe */
/* Weights of few bits with a scale for each block of what is summed: the product takes them as they are, and
 * stands in the place of `op` (blocks.c). */
bool nw_keep_blocks(narrowing *n, ds_op *op);
/* The same where a scale is for a whole channel, of numbers that are smaller than bytes. */
bool nw_keep_channels(narrowing *n, ds_op *op);
/* The largest of (bytes - zero) * scale is that of the bytes, converted: where one scale above zero is for all. */
void nw_largest(narrowing *n, ds_op *reduce);

#endif
