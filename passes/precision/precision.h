/* What the files of the pass precision share: decisions, and conversions that carry them out. */
#ifndef DS_PASS_PRECISION_H
#define DS_PASS_PRECISION_H

#include "ir/facts/facts.h"
#include "passes/factors.h"
#include "passes/narrow/narrow.h"
#include "passes/precision.h"

/* How one factor is stored. */
typedef struct {
    ds_encoding encoding;
    bool decided;       /* false: it stays as it is */
    bool pays;          /* only where it is multiplied faster: both factors of a product, or none (round.c) */
    bool known;         /* its range */
    double min, max;    /* of it */
    const char *reason; /* who decided, or why nothing was */
} decision;

/* A factor's numbers as they are once stored, in the type that they had. */
typedef struct {
    const ds_value *x;
    const ds_block *block;
    const ds_attr *maps; /* of the product, where the scales are those of its rows; else NULL */
    ds_encoding encoding;
    double min, max;
    ds_value *made;
} known_pair;

/* Channels of a left factor that are brought to ranges alike (smooth.c). */
typedef struct {
    const ds_value *x;
    size_t dim;
    const float *numbers; /* what they are divided by */
    const ds_block *block;
    ds_value *made; /* in this block; NULL: not yet */
} known_smoothing;

typedef struct {
    narrowing n;
    unsigned compensate; /* bits, by ds_compensation */
    const ds_policy *policy;
    const ds_ranges *ranges;
    const char **names;        /* of contractions, by op id */
    ds_facts facts;            /* of the function at work: ranges that no sample has shown */
    known_pair *pairs;         /* stb_ds array */
    known_smoothing *smoothed; /* stb_ds array */
    const ds_attr **said;      /* stb_ds array: entries of DS_DECIDED */
    ds_value *choices;         /* the input of models to try encodings with; or NULL */
    ds_policy *tried;          /* for these */
    size_t tried_count;
} deciding;

/* What the policy or the ranges say of factor i, and which of its names it goes by (decide.c). */
decision pr_decide(deciding *d, const ds_policy *policy, const ds_op *op, size_t i);
const ds_attr *pr_encoding_attr(deciding *d, const ds_encoding *e); /* its text */
const char *pr_factor_key(deciding *d, const ds_op *op, size_t i);  /* as files of ranges have it */

/* Both factors of a product as they are stored, in the type that they had: NULL where one stays, and why. */
typedef struct {
    ds_value *made[2];
    const char *why[2];
    float *mean_error; /* to be taken off the channels of the result (compensate.h); or NULL */
} stored;

/* `back`: to be chosen in place of the factors one by one; else both or none are (store.c). */
void pr_store(deciding *d, ds_op *op, const decision *by, bool back, stored *out);
/* x, which is factor i or stands for it, as the encoding leaves it: a conversion to what is stored and one back, in front
 * of `op`. NULL, and *why, where there is none (pair.c). *rounded: of constants what they become. */
ds_value *pr_pair(deciding *d, ds_op *op, size_t i, ds_value *x, const decision *by, float **rounded, const char **why);
/* The same of constants: their codes, and a conversion back (codes.c). */
ds_value *pr_coded_constant(deciding *d, ds_op *op, size_t i, ds_value *w, const decision *by, float **rounded);
/* (codes - zero) * scale in the type of `like`; zero: NULL where it is 0, scale: NULL where it is 1. */
ds_value *pr_decoded(deciding *d, ds_op *op, ds_value *codes, const part *scale, const part *zero, ds_elem to);
/* A tensor of constants in front of `op`; rank 0 where `dims` is NULL. */
ds_value *pr_constant(deciding *d, const ds_op *op, ds_elem elem, const ds_expr *const *dims, size_t rank,
                      const void *bytes, size_t length);

/* Would floats of this type be rounded: constants of matrix products, or, where two such numbers are multiplied faster,
 * both factors of all products? NULL, or why not (round.c). */
const char *pr_rounded(deciding *d, const ds_op *op, ds_elem to, bool *out_both);
/* Both factors of a product become the type that they are multiplied faster in; NULL, or why not. */
const char *pr_round_factors(deciding *d, ds_op *op, ds_elem to);

/* How many times as fast as floats the fastest row of ir/mma.def multiplies two factors of a float type; at most 1 where
 * there is none (rate.c). */
double pr_float_rate(narrowing *n, ds_elem sum, ds_elem type);
/* The same of a product whose factors are stored so; 0: they would not change. */
double pr_times(deciding *d, const ds_op *op, const decision *by);

/* a where the input of the model says this choice for the product at work, else b. */
ds_value *pr_where_chosen(deciding *d, region *r, ds_value *made, int64_t choice, ds_value *a, ds_value *b);
/* A product's factors as each policy that is tried stores them: the model's input says which (try.c). */
void pr_try(deciding *d, ds_op *op);
void pr_open_trial(deciding *d, const ds_attr *words);
void pr_close_trial(deciding *d);
/* Do factors that stay floats become one narrower type, together or not at all? */
bool pr_is_together(deciding *d, const ds_op *op, const decision *by);

#endif
