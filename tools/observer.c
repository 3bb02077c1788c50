#include "tools/observer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const observer observers[] = {
#define ROW(...) {__VA_ARGS__},
    OBSERVERS(ROW)
#undef ROW
};

const observer *observer_find(const char *name) {
    for (size_t i = 0; i < DS_COUNT(observers); i++)
        if (!strcmp(observers[i].name, name)) return &observers[i];
    return NULL;
}

/* ---- from histograms ---- */

enum { BINS_A_STEP = 32 }; /* candidates are as many bins apart, half of them at each end */

static double width_of(const histogram *h) { return 2 * h->end / (double)h->count; }

static double total_of(const histogram *h) {
    double total = 0;
    for (size_t i = 0; i < h->count; i++) total += (double)h->bins[i];
    return total;
}

static span within(const histogram *h, double low, double high) {
    return (span){low > h->seen.low ? low : h->seen.low, high < h->seen.high ? high : h->seen.high};
}

/* How far from this end of the histogram so much lies beyond, evenly within each bin. */
static double tail(const histogram *h, double much, bool from_above) {
    double before = 0;
    for (size_t i = 0; i < h->count; i++) {
        double here = (double)h->bins[from_above ? h->count - 1 - i : i];
        if (before + here > much) return ((double)i + (much - before) / here) * width_of(h);
        before += here;
    }
    return 0;
}

span observer_percentile(const histogram *h, double percent) {
    double cut = total_of(h) * (100 - percent) / 200;
    if (cut <= 0) return h->seen;
    span s = within(h, -h->end + tail(h, cut, false), h->end - tail(h, cut, true));
    return s.low <= s.high ? s : h->seen;
}

/* Of rounding what is in the histogram to equal steps of a range that also holds zero. */
static double square_error(const histogram *h, span s, double levels) {
    double low = s.low < 0 ? s.low : 0, high = s.high > 0 ? s.high : 0, step = (high - low) / (levels - 1), sum = 0;
    for (size_t i = 0; i < h->count; i++) {
        double x = -h->end + ((double)i + 0.5) * width_of(h),
               at = x < low    ? low
                    : x > high ? high
                               : x,
               rounded = step > 0 ? low + rint((at - low) / step) * step : at;
        if (h->bins[i]) sum += (double)h->bins[i] * (x - rounded) * (x - rounded);
    }
    return sum;
}

span observer_mse(const histogram *h, double bits) {
    double levels = exp2(bits), least = INFINITY;
    span best = h->seen;
    for (size_t k = h->count / BINS_A_STEP; k > 0; k--) {
        double cut = h->end * (double)k / (double)(h->count / BINS_A_STEP);
        span s = within(h, -cut, cut);
        double error = s.low <= s.high ? square_error(h, s, levels) : INFINITY;
        if (error < least) {
            least = error;
            best = s;
        }
    }
    return best;
}

/* What the first `kept` magnitudes say of all of them (what is beyond counts for the last), less what they say rounded
 * to so many steps. */
static double divergence(const double *magnitudes, size_t count, size_t kept, size_t steps) {
    static const double LEAST = 1e-12; /* of a magnitude that rounding has lost */
    double all = 0, first = 0, beyond = 0, sum = 0;
    for (size_t i = 0; i < count; i++) all += magnitudes[i];
    for (size_t i = 0; i < kept; i++) first += magnitudes[i];
    for (size_t i = kept; i < count; i++) beyond += magnitudes[i];
    if (first <= 0) return INFINITY;
    for (size_t g = 0; g < steps; g++) {
        size_t from = g * kept / steps, to = (g + 1) * kept / steps, filled = 0;
        double group = 0;
        for (size_t i = from; i < to; i++) group += magnitudes[i], filled += magnitudes[i] > 0;
        for (size_t i = from; i < to; i++) {
            double p = (magnitudes[i] + (i + 1 == kept ? beyond : 0)) / all,
                   q = magnitudes[i] > 0 ? group / (double)filled / first : LEAST;
            if (p > 0) sum += p * log(p / q);
        }
    }
    return sum;
}

span observer_kl(const histogram *h, double bits) {
    size_t half = h->count / 2, steps = (size_t)exp2(bits - 1), candidates = h->count / BINS_A_STEP;
    double *magnitudes = ds_xmalloc(half * sizeof *magnitudes), least = INFINITY;
    span best = h->seen;
    for (size_t i = 0; i < half; i++) magnitudes[i] = (double)h->bins[half + i] + (double)h->bins[half - 1 - i];
    for (size_t k = candidates; k > 0; k--) {
        size_t kept = half * k / candidates;
        double cut = h->end * (double)k / (double)candidates;
        span s = within(h, -cut, cut);
        double d = kept >= steps && s.low <= s.high ? divergence(magnitudes, half, kept, steps) : INFINITY;
        if (d < least) {
            least = d;
            best = s;
        }
    }
    free(magnitudes);
    return best;
}

/* ---- merging ---- */

static const span NOTHING = {INFINITY, -INFINITY};

static void widen(span *s, double low, double high) {
    if (low < s->low) s->low = low;
    if (high > s->high) s->high = high;
}

void observed_open(observed *o, const char *key, int64_t axis, size_t channels) {
    *o = (observed){.key = key, .axis = axis, .slots = axis < 0 ? 1 : channels + 1};
    o->seen = ds_xmalloc(o->slots * sizeof *o->seen);
    o->chosen = ds_xmalloc(o->slots * sizeof *o->chosen);
    o->sums = ds_xmalloc(o->slots * sizeof *o->sums);
    o->square_sums = ds_xmalloc(o->slots * sizeof *o->square_sums);
    for (size_t i = 0; i < o->slots; i++) {
        o->seen[i] = o->chosen[i] = NOTHING;
        o->sums[i] = o->square_sums[i] = 0;
    }
}

void observed_close(observed *o) {
    free(o->seen), free(o->chosen), free(o->averages), free(o->sums), free(o->square_sums);
    free(o->bins), free(o->channel_bins);
}

static void merge(observed *o, size_t slot, span now, const double *momenta, size_t count) {
    bool first = o->seen[slot].low > o->seen[slot].high;
    widen(&o->seen[slot], now.low, now.high);
    for (size_t i = 0; i < count; i++) {
        span *s = &o->averages[i * o->slots + slot];
        double kept = momenta[i];
        if (first) *s = now;
        else *s = (span){kept * s->low + (1 - kept) * now.low, kept * s->high + (1 - kept) * now.high};
    }
}

void observed_add(observed *o, const ds_model_tensor *results, const double *momenta, size_t momentum_count) {
    const float *low = results[DS_OBSERVE_MIN].data, *high = results[DS_OBSERVE_MAX].data,
                *sum = results[DS_OBSERVE_SUM].data, *squares = results[DS_OBSERVE_SQUARES].data;
    size_t count = o->slots > 1 ? o->slots - 1 : 1;
    int64_t elements;
    span whole = NOTHING;
    memcpy(&elements, results[DS_OBSERVE_COUNT].data, sizeof elements);
    if (elements <= 0) return;
    if (momentum_count && !o->averages) o->averages = ds_xmalloc(momentum_count * o->slots * sizeof *o->averages);
    for (size_t i = 0; i < count; i++) {
        o->broken = o->broken || !isfinite(low[i]) || !isfinite(high[i]) || !isfinite(sum[i]);
        if (o->broken) return;
        if (o->slots > 1) merge(o, i, (span){low[i], high[i]}, momenta, momentum_count);
        widen(&whole, low[i], high[i]);
        o->sum += sum[i];
        o->sums[i] += sum[i];
        o->square_sums[i] += squares[i];
        o->squares += squares[i];
    }
    merge(o, o->slots - 1, whole, momenta, momentum_count);
    o->count += (double)elements;
}

size_t observed_histograms(const observed *o, const ds_observation *how, size_t *out_first) {
    bool channels = how->by_channel && o->slots > 1;
    *out_first = channels ? 0 : o->slots - 1;
    return channels ? o->slots - 1 : 1;
}

double observed_end(const observed *o, size_t slot) {
    span s = o->seen[slot];
    return s.low > s.high ? 0 : fmax(fabs(s.low), fabs(s.high));
}

/* Where a value has no channels, the histogram of its one channel is finer than that of the whole has to be, or
 * coarser: the one that is asked for without channels is taken. */
void observed_count(observed *o, const ds_observation *how, const ds_model_tensor *result) {
    size_t first, count = observed_histograms(o, how, &first) * (size_t)how->bins;
    uint64_t **to = how->by_channel ? &o->channel_bins : &o->bins;
    if (!*to) {
        *to = ds_xmalloc(count * sizeof **to);
        memset(*to, 0, count * sizeof **to);
    }
    for (size_t i = 0; i < count; i++) (*to)[i] += ((const uint64_t *)result->data)[i];
}

static int64_t bins_of(bool by_channel) {
    return ds_observation_find(by_channel ? "channel_histograms" : "histograms")->bins;
}

void observed_choose(observed *o, const observer *by, double parameter, size_t average) {
    size_t whole = o->slots - 1, bins = (size_t)bins_of(true);
    bool averages = o->averages && !strcmp(by->option, "momentum");
    memcpy(o->chosen, averages ? o->averages + average * o->slots : o->seen, o->slots * sizeof *o->chosen);
    if (!by->choose || o->broken || o->count <= 0) return;
    histogram h = {o->bins, (size_t)bins_of(false), observed_end(o, whole), o->seen[whole]};
    if (o->bins) o->chosen[whole] = by->choose(&h, parameter);
    for (size_t i = 0; o->channel_bins && i < whole; i++) {
        histogram channel = {o->channel_bins + i * bins, bins, observed_end(o, i), o->seen[i]};
        o->chosen[i] = by->choose(&channel, parameter);
    }
}

void observed_elements(observed *o, const ds_attr *elements) {
    const ds_type *type = elements->type;
    size_t inner = 1, count = elements->count / sizeof(float);
    for (size_t d = type->rank; o->axis >= 0 && --d > (size_t)o->axis;) inner *= (size_t)type->dims[d]->value;
    for (size_t i = 0; i < count; i++) {
        float x;
        memcpy(&x, (const char *)elements->bytes + i * sizeof x, sizeof x);
        o->broken = o->broken || !isfinite(x);
        size_t channel = o->slots > 1 ? i / inner % (o->slots - 1) : 0;
        if (o->slots > 1) widen(&o->seen[channel], x, x);
        o->sums[channel] += x;
        o->square_sums[channel] += (double)x * x;
        widen(&o->seen[o->slots - 1], x, x);
        o->sum += x;
        o->squares += (double)x * x;
    }
    o->count = (double)count;
    memcpy(o->chosen, o->seen, o->slots * sizeof *o->seen);
}

bool observed_range(const observed *o, ds_ir_context *cx, bool by_channel, ds_value_range *out) {
    size_t whole = o->slots - 1;
    if (o->broken || o->count <= 0) return false;
    double mean = o->sum / o->count, variance = o->squares / o->count - mean * mean;
    *out = (ds_value_range){.key = o->key,
                            .min = o->chosen[whole].low,
                            .max = o->chosen[whole].high,
                            .observed_min = o->seen[whole].low,
                            .observed_max = o->seen[whole].high,
                            .mean = mean,
                            .variance = variance < 0 ? 0 : variance,
                            .count = o->count,
                            .axis = -1};
    if (!by_channel || !whole) return true;
    double *low = DS_NEW_ARRAY(cx->arena, double, whole), *high = DS_NEW_ARRAY(cx->arena, double, whole),
           *means = DS_NEW_ARRAY(cx->arena, double, whole), *squares = DS_NEW_ARRAY(cx->arena, double, whole);
    for (size_t i = 0; i < whole; i++) {
        low[i] = o->chosen[i].low;
        high[i] = o->chosen[i].high;
        means[i] = o->sums[i] / (o->count / (double)whole);
        squares[i] = o->square_sums[i] / (o->count / (double)whole);
    }
    out->axis = o->axis;
    out->channel_count = whole;
    out->channel_min = low;
    out->channel_max = high;
    out->channel_mean = means;
    out->channel_square = squares;
    return true;
}
