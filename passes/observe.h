/* What the pass observe is asked for and leaves behind, as attributes of the module; how values are called. */
#ifndef DS_OBSERVE_H
#define DS_OBSERVE_H

#include "ir/ir.h"

#define DS_OBSERVE "ds.observe"   /* what to observe: a word of ds_observations; absent: nothing */
#define DS_OBSERVED "ds.observed" /* a dictionary for each value: key; the name that rules know; at or elements; axis */
#define DS_OBSERVE_RANGES_INPUT "ds.ranges"

/* Word, results for each value, bins of a histogram (0: none), whether each channel has its own. */
#define DS_OBSERVATIONS(ROW)                                                                                           \
    ROW(ranges, 5, 0, true)                                                                                            \
    ROW(histograms, 1, 4096, false)                                                                                    \
    ROW(channel_histograms, 1, 512, true)

typedef struct {
    const char *word;
    size_t results;
    int64_t bins;
    bool by_channel;
} ds_observation;

const ds_observation *ds_observation_find(const char *word); /* NULL: there is none */

/* Results of `ranges`, one after the other. */
typedef enum { DS_OBSERVE_MIN, DS_OBSERVE_MAX, DS_OBSERVE_SUM, DS_OBSERVE_SQUARES, DS_OBSERVE_COUNT } ds_observed_part;

#endif
