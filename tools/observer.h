/* What `dsc quantize` makes of the numbers that the pass observe has models give out: merged over samples, then a range
 * for each value, and for each of its channels.
 *
 * Histograms of n bins go from -end to end, where end is the largest magnitude that was seen; what a range cuts off is
 * rounded to its ends. */
#ifndef DS_OBSERVER_H
#define DS_OBSERVER_H

#include "ir/ranges.h"
#include "passes/observe.h"
#include "runtime/libdsrt.h"

typedef struct {
    double low, high;
} span;

/* A histogram, and the span of what is in it. */
typedef struct {
    const uint64_t *bins;
    size_t count;
    double end;
    span seen;
} histogram;

typedef struct observer observer;

/*  name, the option that it takes ("": none), lowest and highest value of that, how it chooses from a histogram (NULL:
 *  it needs none), for people */
#define OBSERVERS(ROW)                                                                                                 \
    ROW("minmax", "", 0, 0, NULL)                                                                                      \
    ROW("moving-average", "momentum", 0, 1, NULL)                                                                      \
    ROW("percentile", "percentile", 50, 100, observer_percentile)                                                      \
    ROW("kl", "bits", 2, 12, observer_kl)                                                                              \
    ROW("mse", "bits", 2, 12, observer_mse)

struct observer {
    const char *name, *option;
    double least, most;
    span (*choose)(const histogram *h, double parameter);
};

const observer *observer_find(const char *name); /* NULL: there is none */

/* The range that holds so many per cent; what is left is cut off in equal parts at both ends. */
span observer_percentile(const histogram *h, double percent);
/* The range cut at equal magnitudes whose rounding to so many bits has the least square error; or whose distribution,
 * rounded to as many steps of magnitude, says the least less of the whole one (Kullback and Leibler). */
span observer_mse(const histogram *h, double bits);
span observer_kl(const histogram *h, double bits);

/* Of a value, merged over samples. Slots: its channels, then the whole; where it has no channels one. */
typedef struct {
    const char *key;
    int64_t axis;
    size_t slots;
    span *seen, *chosen;        /* a slot each */
    span *averages;             /* a slot each, for each momentum that is asked for; or NULL */
    uint64_t *bins;             /* of the whole */
    uint64_t *channel_bins;     /* or NULL */
    double *sums, *square_sums; /* of each channel; of the whole where there are none */
    double sum, squares, count;
    bool broken; /* something was not finite */
} observed;

void observed_open(observed *o, const char *key, int64_t axis, size_t channels);
/* Takes one sample's results of the observation `ranges`. Momenta: of moving averages, the same ones for all samples. */
void observed_add(observed *o, const ds_model_tensor *results, const double *momenta, size_t momentum_count);
/* Takes one sample's histograms. */
void observed_count(observed *o, const ds_observation *how, const ds_model_tensor *bins);
double observed_end(const observed *o, size_t slot);
/* How many histograms an observation makes of it, and which slot the first is of. */
size_t observed_histograms(const observed *o, const ds_observation *how, size_t *out_first);
/* Chooses anew: the whole span, the moving average of that number, or from the histograms that there are. */
void observed_choose(observed *o, const observer *by, double parameter, size_t average);
/* Exact numbers of a constant. */
void observed_elements(observed *o, const ds_attr *elements);
/* False where there is nothing to say: it was not finite, or never computed. */
bool observed_range(const observed *o, ds_ir_context *cx, bool by_channel, ds_value_range *out);
void observed_close(observed *o);

#endif
