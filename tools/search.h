/* The fastest mix of policies whose error stays below a bound (`--precision=auto`). One model to try policies with
 * (passes/precision.h) shows what each product's change does to the results; a mix is chosen by what it saves against
 * what it adds to the error's square, and checked as a whole while it is searched for. */
#ifndef DS_SEARCH_H
#define DS_SEARCH_H

#include "tools/evaluate.h"

enum { SEARCH_MOST_POLICIES = 8 };

/* A product, and what each policy makes of it. Policy 0 leaves it as it is. */
typedef struct {
    const char *name;
    double products;
    struct {
        const char *stores[2]; /* encodings of both factors; "": it stays; NULL: it cannot be chosen */
        double times;          /* as fast as floats */
        double error;          /* of the results when it alone is changed so */
    } by[SEARCH_MOST_POLICIES + 1];
    size_t choice;
} search_product;

typedef struct {
    const cli *c;
    ds_ir_context *cx;
    const calibration *how;
    const ds_ranges *ranges;
    const char *policies[SEARCH_MOST_POLICIES + 1]; /* by choice */
    size_t policy_count;                            /* with the one that changes nothing */
    search_product *products;                       /* stb_ds array */
    double error;                                   /* of the mix on these samples */
    runner trial;
    samples samples;
    int32_t *choices;        /* stb_ds array */
    size_t *used;            /* stb_ds array: samples */
    size_t mixed;            /* how many of them mixes run on */
    ds_model_tensor *wanted; /* stb_ds array: results of each of them, unchanged */
} search;

/* Measures every product. Close it in any case. */
DS_MUST_USE ds_status search_open(search *s, const cli *c, ds_ir_context *cx, const calibration *how,
                                  const ds_ranges *ranges, const char *const *policies, size_t count);
/* Policies, as bits by number: those that may be chosen where the machine multiplies what they store faster, and where it
 * does not. */
typedef struct {
    unsigned faster, alike;
} search_scope;
/* Chooses the mix that saves most with an error of at most `bound`. */
DS_MUST_USE ds_status search_mix(search *s, double bound, search_scope scope);
/* Writes what was chosen into the ranges, with reasons. */
void search_decide(const search *s, double bound, ds_ranges *ranges);
double search_predicted(const search *s); /* error, were those of products independent */
void search_close(search *s);

#endif
