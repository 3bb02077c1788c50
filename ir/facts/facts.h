/* What is known of the elements of tensors, whatever the inputs: abstract interpretation of graph ops and of the
 * regions of maps, by the rows of loop.def.
 *
 * A fact is an interval and whether NaN may occur, or up to four numbers of which every element is one. It holds for
 * the elements as the ops compute them, each rounded to its type, or with fewer roundings (a multiply-add), by the
 * functions of kernels/. Passes that compute sums in another way afterwards (scales folded into weights,
 * Winograd) may miss an end by what they round.
 *
 * Ownership: `ds_facts` owns its array until ds_facts_free; facts are values.
 * Cost:      linear in ops and in the bytes of constants; a reduction's region is run a few times.
 * Errors:    none. What is not followed may be anything that its type holds.
 */
#ifndef DS_FACTS_H
#define DS_FACTS_H

#include "ir/ir.h"

enum { DS_FACT_POINTS = 4 };

typedef struct {
    double low, high;              /* low > high: no number. Integers beyond 2^53 are rounded outwards */
    bool nan;                      /* may occur */
    uint8_t count;                 /* of points; 0: any number from low to high */
    double points[DS_FACT_POINTS]; /* ascending; -0 and 0 are one */
} ds_fact;

/* ---- one cell ---- */

ds_fact ds_fact_any(ds_elem elem); /* all that the type holds */
ds_fact ds_fact_none(void);        /* no element: what joining begins with */
ds_fact ds_fact_point(double value);
/* Rounded outwards to the type; integers that do not fit wrap: anything. */
ds_fact ds_fact_between(ds_elem elem, double low, double high, bool nan);
ds_fact ds_fact_within(ds_elem elem, double low, double high, bool nan); /* of ops that do not wrap */
ds_fact ds_fact_join(ds_fact a, ds_fact b);
ds_fact ds_fact_of_elements(const ds_attr *elements); /* of a constant: exact */
bool ds_fact_equal(const ds_fact *a, const ds_fact *b);
bool ds_fact_holds(const ds_fact *f, double value);   /* may an element be this? */
bool ds_fact_is_point(const ds_fact *f);              /* one number, never NaN */
bool ds_fact_is(const ds_fact *f, double value);      /* this number and nothing else */
bool ds_fact_is_flag(const ds_fact *f);               /* 0 or 1 and nothing else */
void ds_fact_print(ds_string *out, const ds_fact *f); /* "[0, 6] or NaN", "{0, 1}" */

/* The result of a scalar op (SCALAR_OP) of such operands; anything for other ops. */
ds_fact ds_fact_of_scalar(ds_ir_context *cx, const ds_op *op, const ds_fact *operands);

/* ---- tensors ---- */

typedef struct {
    bool known;
    ds_fact fact;
} ds_facts_entry;

typedef struct {
    ds_ir_context *cx;
    ds_facts_entry *of; /* stb_ds array, by value id */
    /* Of a graph.extern: the operand whose elements the first result has beside those of operand 0; NULL: not known.
     * May be NULL itself. */
    const ds_value *(*put)(const ds_op *op);
} ds_facts;

/* Notes what a caller knows, for instance of an input. Before ds_facts_compute. */
void ds_facts_set(ds_facts *facts, const ds_value *value, ds_fact fact);
/* Of every tensor in the block and in the regions of its ops. */
void ds_facts_compute(ds_facts *facts, const ds_block *block);
void ds_facts_compute_op(ds_facts *facts, const ds_op *op); /* one op, for passes that add some */
ds_fact ds_facts_of(const ds_facts *facts, const ds_value *value);
void ds_facts_free(ds_facts *facts);

/* What the ops of a map's region read, one op after the other. */
typedef void ds_facts_visit(void *user, ds_op *op, const ds_fact *operands);
void ds_facts_in_region(const ds_facts *facts, const ds_op *map, ds_facts_visit *visit, void *user);

/* What a graph.map yields as result `result`, and the operands that it depends on, as bits (operand i: 1 << i). */
typedef struct {
    ds_fact fact;
    uint64_t needs;
} ds_facts_yield;

/* ... and where its operand is 0, and the others are anything that they may be. `finite`: 0 times anything is 0; else
 * only what is known to be finite, as IEEE 754 has it. `operand` SIZE_MAX: none is 0. False for ops that are no map, or
 * have more than 64 operands. */
bool ds_facts_where_zero(const ds_facts *facts, const ds_op *map, size_t result, size_t operand, bool finite,
                         ds_facts_yield *out);

/* The module as text, with what is known of results behind graph ops, and what zeros switch off behind maps. `put` as
 * in ds_facts. */
void ds_facts_print(ds_string *out, ds_module *module, const ds_value *(*put)(const ds_op *op));

#endif
