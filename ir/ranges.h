/* Ranges of a model's values, as `dsc quantize` writes them and people edit them: a JSON file.
 *
 *   {"format": "dsc ranges 1", "model": "m.onnx", "observer": "percentile 99.99", "samples": 100,
 *    "values": {"/conv1/Conv:0": {"min": -2.1, "max": 2.6, "observed_min": -2.2, …, "axis": 1, "channel_min": […], …,
 *                                 "encoding": "ui8 asym per-tensor", "reason": "rule *.act"}, …}}
 *
 * `encoding` decides how the value is stored (encoding.h), and is obeyed; `reason` is for people. Only `format`, `values`
 * and each value's `min` and `max` have to be there; neither of them where no sample has shown a value that is decided
 * about. A value is called by the node that multiplies it and the number of the factor, or "out" for its result.
 * Ownership: what is read lives in the context's arena.
 */
#ifndef DS_RANGES_H
#define DS_RANGES_H

#include "context.h"
#include "encoding.h"

/* Numbers of a value. NAN where a file does not say one. */
#define DS_RANGE_NUMBERS(ROW)                                                                                          \
    ROW(min)                                                                                                           \
    ROW(max)                                                                                                           \
    ROW(observed_min)                                                                                                  \
    ROW(observed_max)                                                                                                  \
    ROW(mean)                                                                                                          \
    ROW(variance)                                                                                                      \
    ROW(count)

typedef struct {
    const char *key;
#define ROW(name) double name;
    DS_RANGE_NUMBERS(ROW) /* min and max: to be used; others: what was seen */
#undef ROW
    bool constant; /* it is the same in every run: weights */
    int64_t axis;  /* the dim of its channels; -1: they have no ranges of their own */
    size_t channel_count;
    const double *channel_min, *channel_max, *channel_mean,
        *channel_square; /* means, also of squares: NULL where the file does not say */
    bool decided;        /* `encoding` counts */
    ds_encoding encoding;
    const char *reason; /* of what was decided; "" */
} ds_value_range;

typedef struct {
    const char *model, *observer; /* "" where the file does not say */
    double samples;               /* how many; NAN */
    ds_value_range *values;       /* by key */
    size_t count;
} ds_ranges;

/* Checks everything: what is no range is an error that names the value. */
DS_MUST_USE ds_status ds_ranges_parse(ds_ir_context *cx, const char *text, size_t length, ds_ranges *out);
DS_MUST_USE ds_status ds_ranges_read(ds_ir_context *cx, const char *path, ds_ranges *out);
void ds_ranges_sort(ds_ranges *ranges); /* by key, so that they are found */
/* Sorts the values. The same ranges give the same bytes. */
void ds_ranges_print(ds_string *out, ds_ranges *ranges);
const ds_value_range *ds_ranges_find(const ds_ranges *ranges, const char *key); /* NULL: there is none */

#endif
