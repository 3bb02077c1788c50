/* Narrow float formats, from their parameters (OCP 8-bit and MX specifications, ONNX "Float stored in 8 bits"). */
#include <math.h>
#include <string.h>

#include "eval.h"

typedef struct {
    int exponent_bits, mantissa_bits, bias;
    bool infinity; /* the largest exponent holds infinity and NaN */
    bool negative_zero_is_nan;
    bool has_nan; /* without infinity: all ones is NaN */
} float_format;

static const float_format *format_of(ds_elem elem) {
    static const float_format f16 = {5, 10, 15, true, false, true}, bf16 = {8, 7, 127, true, false, true},
                              e4m3fn = {4, 3, 7, false, false, true}, e4m3fnuz = {4, 3, 8, false, true, false},
                              e5m2 = {5, 2, 15, true, false, true}, e5m2fnuz = {5, 2, 16, false, true, false},
                              e2m1 = {2, 1, 1, false, false, false};
    switch (elem) {
    case DS_f16: return &f16;
    case DS_bf16: return &bf16;
    case DS_f8e4m3fn: return &e4m3fn;
    case DS_f8e4m3fnuz: return &e4m3fnuz;
    case DS_f8e5m2: return &e5m2;
    case DS_f8e5m2fnuz: return &e5m2fnuz;
    default: return &e2m1;
    }
}

double ds_float_decode(ds_elem elem, uint64_t bits) {
    if (elem == DS_f64) {
        double d;
        memcpy(&d, &bits, 8);
        return d;
    }
    if (elem == DS_f32) {
        uint32_t low = (uint32_t)bits;
        float f;
        memcpy(&f, &low, 4);
        return (double)f;
    }
    if (elem == DS_f8e8m0) return (bits & 255) == 255 ? (double)NAN : ldexp(1.0, (int)(bits & 255) - 127);
    const float_format *f = format_of(elem);
    int width = 1 + f->exponent_bits + f->mantissa_bits;
    bool negative = bits >> (width - 1) & 1;
    int exponent = (int)(bits >> f->mantissa_bits) & ((1 << f->exponent_bits) - 1);
    int mantissa = (int)bits & ((1 << f->mantissa_bits) - 1), top = (1 << f->exponent_bits) - 1;
    if (f->negative_zero_is_nan && negative && !exponent && !mantissa) return (double)NAN;
    if (f->infinity && exponent == top) return mantissa ? (double)NAN : negative ? -(double)INFINITY : (double)INFINITY;
    if (f->has_nan && !f->infinity && exponent == top && mantissa == (1 << f->mantissa_bits) - 1) return (double)NAN;
    double magnitude = exponent ? ldexp(1.0 + ldexp(mantissa, -f->mantissa_bits), exponent - f->bias)
                                : ldexp(mantissa, 1 - f->bias - f->mantissa_bits);
    return negative ? -magnitude : magnitude;
}

static uint64_t encode_e8m0(double value, bool saturate) {
    if (value != value) return 255;
    value = fabs(value);
    if (value == 0) return 0;
    int exponent;
    double m = frexp(value, &exponent); /* value = m * 2^exponent, m in [0.5, 1) */
    int e = exponent - 1 + (m * 2 >= 1.5);
    if (isinf(value) || e > 127) return saturate ? 254 : 255;
    return e < -127 ? 0 : (uint64_t)(e + 127);
}

uint64_t ds_float_encode(ds_elem elem, double value, bool saturate) {
    uint64_t bits = 0;
    if (elem == DS_f64) {
        memcpy(&bits, &value, 8);
        return bits;
    }
    if (elem == DS_f32) {
        float f = (float)value;
        memcpy(&bits, &f, 4);
        return bits;
    }
    if (elem == DS_f8e8m0) return encode_e8m0(value, saturate);
    const float_format *f = format_of(elem);
    int width = 1 + f->exponent_bits + f->mantissa_bits, top = (1 << f->exponent_bits) - 1,
        ones = (1 << f->mantissa_bits) - 1;
    uint64_t sign = (uint64_t)(signbit(value) != 0) << (width - 1);
    uint64_t nan = f->infinity ? sign | ((uint64_t)top << f->mantissa_bits) | ((uint64_t)1 << (f->mantissa_bits - 1))
                   : f->negative_zero_is_nan ? (uint64_t)1 << (width - 1)
                   : f->has_nan              ? sign | (((uint64_t)1 << (width - 1)) - 1)
                                             : 0;
    uint64_t largest = f->infinity ? ((uint64_t)(top - 1) << f->mantissa_bits) | (uint64_t)ones
                                   : (((uint64_t)1 << (width - 1)) - 1) - (f->has_nan ? 1u : 0u);
    if (value != value) return nan;
    double magnitude = fabs(value);
    int exponent = 0;
    if (magnitude > 0 && !isinf(magnitude)) frexp(magnitude, &exponent);
    int scale = exponent - 1 < 1 - f->bias ? 1 - f->bias : exponent - 1;
    double units =
        isinf(magnitude) ? 0 : nearbyint(ldexp(magnitude, f->mantissa_bits - scale)); /* in steps of the last place */
    uint64_t code = 0;
    if (units >= ldexp(1.0, f->mantissa_bits))
        code = ((uint64_t)(scale + f->bias) << f->mantissa_bits) + (uint64_t)(units - ldexp(1.0, f->mantissa_bits));
    else code = (uint64_t)units;
    if (isinf(magnitude) || code > largest) {
        bool clip = elem == DS_f4e2m1 || (saturate && elem != DS_f16 && elem != DS_bf16);
        if (clip) return sign | largest;
        return f->infinity ? sign | ((uint64_t)top << f->mantissa_bits) : nan;
    }
    return f->negative_zero_is_nan && !code ? 0 : sign | code;
}

int64_t ds_float_to_int(double v) {
    if (v != v) return 0;
    if (v >= 0x1p63) return INT64_MAX;
    return v < -0x1p63 ? INT64_MIN : (int64_t)v;
}
