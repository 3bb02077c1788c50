#include "tools/errors.h"

#include <math.h>
#include <string.h>

#include "ir/eval.h"

static double element(ds_elem elem, const void *data, uint64_t i) {
    const ds_elem_info *facts = ds_elem_facts(elem);
    uint64_t bits = 0;
    float f;
    if (elem == DS_f32) {
        memcpy(&f, (const char *)data + i * sizeof f, sizeof f);
        return (double)f;
    }
    if (facts->bits < 8) bits = ds_bits_at(data, i, facts->bits);
    else memcpy(&bits, (const char *)data + i * facts->bits / 8, facts->bits / 8);
    if (ds_elem_is_float(elem)) return ds_float_decode(elem, bits);
    unsigned unused = 64 - facts->bits;
    bits <<= unused;
    return ds_elem_is_unsigned(elem) || elem == DS_b1 ? (double)(bits >> unused) : (double)((int64_t)bits >> unused);
}

/* Sums of one sample, and where each row has its largest element. */
typedef struct {
    double distance, size;
    double best[2];
    uint64_t at[2];
} sample_sums;

static void add_element(output_error *e, sample_sums *s, double a, double b, uint64_t i, uint64_t along) {
    if (i % along == 0) s->best[0] = s->best[1] = -(double)INFINITY;
    if (a > s->best[0]) s->best[0] = a, s->at[0] = i;
    if (b > s->best[1]) s->best[1] = b, s->at[1] = i;
    if (i % along == along - 1) {
        e->rows++;
        e->agreed += s->at[0] == s->at[1];
    }
    e->count++;
    e->same += a == b || (isnan(a) && isnan(b));
    if (!isfinite(b)) {
        e->broken = e->broken || (isinf(b) && a != b);
        return;
    }
    e->broken = e->broken || !isfinite(a);
    s->distance += (a - b) * (a - b);
    s->size += b * b;
    e->own += a * a;
    e->product += a * b;
}

void error_add(output_error *e, const ds_argument *output, const ds_model_tensor *a, const ds_model_tensor *b) {
    const ds_type *t = output->type;
    uint64_t count = 1, along = t->rank ? (uint64_t)b->dims[t->rank - 1] : 1;
    sample_sums s = {0};
    e->name = output->name;
    e->is_float = ds_elem_is_float(t->elem);
    if (ds_elem_facts(t->elem)->bits > 64) return;
    for (size_t d = 0; d < t->rank; d++) {
        e->broken = e->broken || a->dims[d] != b->dims[d];
        count *= (uint64_t)b->dims[d];
    }
    if (a->bytes != b->bytes) e->broken = true;
    for (uint64_t i = 0; i < count && a->bytes == b->bytes; i++)
        add_element(e, &s, element(t->elem, a->data, i), element(t->elem, b->data, i), i, along);
    double relative = s.size > 0 ? sqrt(s.distance / s.size) : s.distance > 0 ? (double)INFINITY : 0;
    e->distance += s.distance;
    e->size += s.size;
    e->worst = fmax(e->worst, relative);
}

double error_relative(const output_error *e) {
    if (e->broken) return (double)INFINITY;
    return e->size > 0 ? sqrt(e->distance / e->size) : e->distance > 0 ? (double)INFINITY : 0;
}

double error_cosine(const output_error *e) {
    double sizes = sqrt(e->own) * sqrt(e->size);
    return sizes > 0 ? e->product / sizes : e->own > 0 || e->size > 0 ? 0 : 1;
}

double error_agreement(const output_error *e) {
    double all = e->is_float ? e->rows : e->count;
    return all > 0 ? (e->is_float ? e->agreed : e->same) / all : 1;
}

double errors_largest(const output_error *errors, size_t count) {
    double largest = 0, changed = 0;
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        any = any || errors[i].is_float;
        if (errors[i].is_float || errors[i].broken) largest = fmax(largest, error_relative(&errors[i]));
        else changed = fmax(changed, 1 - error_agreement(&errors[i]));
    }
    return any ? largest : fmax(largest, changed);
}
