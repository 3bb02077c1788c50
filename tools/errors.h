/* How far outputs of one model are from those of another, over samples. */
#ifndef DS_ERRORS_H
#define DS_ERRORS_H

#include "codegen/emit/build.h"
#include "runtime/libdsrt.h"

/* Of one output: a is compared with b. Sums over all elements of all samples. */
typedef struct {
    const char *name;
    bool is_float;                       /* else only `same` says something */
    double distance, size, own, product; /* (a - b)^2, b^2, a^2, a b */
    double worst;                        /* relative distance of the worst sample */
    /* Along the last dim, and those with the largest element at the same place; of one element: on the same side of 0.5. */
    double rows, agreed;
    double count, same; /* elements, and equal ones */
    bool broken;        /* another shape, another infinity, or something that is finite in b alone */
} output_error;

/* Adds a sample. Where b is no number, a may be anything. */
void error_add(output_error *e, const ds_argument *output, const ds_model_tensor *a, const ds_model_tensor *b);
double error_relative(const output_error *e);  /* square root of distance / size: 0 where both are 0, else infinite */
double error_cosine(const output_error *e);    /* 1 where both are 0 */
double error_agreement(const output_error *e); /* 1: all rows, or of no floats all elements */
/* The largest relative distance of the outputs that are floats; where none is, the largest share of elements that differ. */
double errors_largest(const output_error *errors, size_t count);

#endif
