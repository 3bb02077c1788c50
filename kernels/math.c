/* Vector maths of generated code: compiled to bitcode for each architecture when dsc is built, linked into a model on
 * demand, inlined.
 *
 * Freestanding; no fma is written (contraction is decided by the loop dialect). Functions of doubles are in double.h.
 * Float versions that have no entry of their own compute in double, to about 1e-15 (near_*), and round, which is
 * correct to within 0.51 ULP. LANES, given when this file is compiled, is 4, 8 or 16; vectors wider than the registers
 * are split by LLVM. Scalars use lane 0 of 4.
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int i32;
typedef long long i64;

#define INLINE static inline __attribute__((always_inline))
#define JOIN2(a, b) a##b
#define JOIN(a, b) JOIN2(a, b)

#define VF JOIN(vf, LANES)
#define VD JOIN(vd, LANES)
#define VI JOIN(vi, LANES)
#define VL JOIN(vl, LANES)
#define VH JOIN(vh, LANES)
#define FN(name) JOIN(JOIN(name, _v), LANES)

typedef float VF __attribute__((vector_size(LANES * 4)));
typedef double VD __attribute__((vector_size(LANES * 8)));
typedef i32 VI __attribute__((vector_size(LANES * 4)));
typedef i64 VL __attribute__((vector_size(LANES * 8)));
typedef u16 VH __attribute__((vector_size(LANES * 2)));

INLINE VF FN(pickf)(VI mask, VF a, VF b) { return (VF)(((VI)a & mask) | ((VI)b & ~mask)); }
INLINE VD FN(pick)(VL mask, VD a, VD b) { return (VD)(((VL)a & mask) | ((VL)b & ~mask)); }
INLINE VD FN(wide)(VF x) { return __builtin_convertvector(x, VD); }
INLINE VF FN(narrow)(VD x) { return __builtin_convertvector(x, VF); }
INLINE VD FN(absd)(VD x) { return (VD)((VL)x & 0x7fffffffffffffffLL); }
INLINE VF FN(absf)(VF x) { return (VF)((VI)x & 0x7fffffff); }
INLINE VD FN(signed_like)(VD magnitude, VD sign) {
    return (VD)(((VL)magnitude & 0x7fffffffffffffffLL) | ((VL)sign & (i64)0x8000000000000000ULL));
}

/* Nearest integer, ties to even, without an instruction for it: adding 2^52 leaves no fraction bits. */
INLINE VD FN(nearest)(VD x) {
    VD big = x * 0 + 4503599627370496.0, a = FN(absd)(x), r = (a + big) - big;
    return FN(signed_like)(FN(pick)((VL)(a < big), r, a), x);
}
INLINE VF FN(nearestf)(VF x) {
    VF big = x * 0 + 8388608.0f, a = FN(absf)(x), r = (a + big) - big;
    return (VF)(((VI)FN(pickf)((VI)(a < big), r, a) & 0x7fffffff) | ((VI)x & (i32)0x80000000));
}
INLINE VF FN(ds_round_f32_of)(VF x) { return FN(nearestf)(x); }
INLINE VD FN(ds_round_f64_of)(VD x) { return FN(nearest)(x); }
INLINE VD FN(ds_floor_f64_of)(VD x) {
    VD r = FN(nearest)(x);
    return FN(signed_like)(FN(pick)((VL)(r > x), r - 1, r), FN(pick)((VL)(r > x), r - 1, x));
}
INLINE VD FN(ds_ceil_f64_of)(VD x) { return -FN(ds_floor_f64_of)(-x); }
INLINE VD FN(ds_trunc_f64_of)(VD x) { return FN(signed_like)(FN(ds_floor_f64_of)(FN(absd)(x)), x); }
INLINE VF FN(ds_floor_f32_of)(VF x) { return FN(narrow)(FN(ds_floor_f64_of)(FN(wide)(x))); }
INLINE VF FN(ds_ceil_f32_of)(VF x) { return FN(narrow)(FN(ds_ceil_f64_of)(FN(wide)(x))); }
INLINE VF FN(ds_trunc_f32_of)(VF x) { return FN(narrow)(FN(ds_trunc_f64_of)(FN(wide)(x))); }

/* p times 2^n in two steps, so that subnormals come out */
INLINE VD FN(scale)(VD p, VL n) {
    VL half = n >> 1, rest = n - half;
    return p * (VD)((half + 1023) << 52) * (VD)((rest + 1023) << 52);
}
INLINE VL FN(to_int)(VD x) { return __builtin_convertvector(x, VL); }
INLINE VD FN(root)(VD x) {
    VD y = x;
    for (int i = 0; i < LANES; i++) y[i] = __builtin_sqrt(x[i]);
    return y;
}

#include "double.h"

/* ---- exponentials: x = n ln2 + r, |r| <= ln2/2; Taylor series of e^r; times 2^n ---- */

INLINE VD FN(near_exp)(VD x) {
    VD limited = FN(pick)((VL)(x > 1000), x * 0 + 1000.0, x);
    limited = FN(pick)((VL)(limited < -1000), x * 0 - 1000.0, limited);
    VD n = FN(nearest)(limited * 1.4426950408889634), r = limited - n * 6.93147180369123816490e-01;
    r = r - n * 1.90821492927058770002e-10;
    VD p = r * (1.0 / 6227020800.0) + 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    VD y = FN(scale)(p, FN(to_int)(FN(pick)((VL)(n == n), n, n * 0)));
    y = FN(pick)((VL)(x > 709.8), x * 0 + __builtin_inf(), y);
    y = FN(pick)((VL)(x < -746.0), x * 0, y);
    y = FN(pick)((VL)(x == __builtin_inf()), x, y);
    y = FN(pick)((VL)(x == -__builtin_inf()), x * 0 + 0.0, y);
    y = FN(pick)((VL)(x < -746.0), (VD)((VL)y & 0), y);
    return FN(pick)((VL)(x == x), y, x);
}

/* e^r: minimax for |r| <= ln2/2, relative error 3e-9 */
INLINE VF FN(power_of_e)(VF r) {
    VF p = r * 0.001381453942f + 0.008368745446f;
    p = p * r + 0.04166838899f;
    p = p * r + 0.1666652113f;
    p = p * r + 0.4999999404f;
    p = p * r + 1.0f;
    return p * r + 1.0f;
}

/* Results below 2^-125 are zero: masked logits of -100 would else fill a softmax with subnormals, on which products and
 * sums take a hundred times longer. Large ones overflow in the last sum. */
INLINE VF FN(ds_exp_f32_of)(VF x) {
    VF zero = (VF)((VI)x & 0), limited = FN(pickf)((VI)(x > 89.0f), zero + 89.0f, x);
    VF shift = zero + 12583038.0f, biased = limited * 1.44269504f + shift, n = biased - shift; /* 1.5 * 2^23 + 126 */
    VF r = limited - n * 0.693359375f;
    r = r - n * -2.12194440e-4f;
    VF half =
        FN(power_of_e)(r) * (VF)((VI)biased << 23); /* times 2^(n - 1), whose exponent the low bits of biased are */
    return FN(pickf)((VI)(x < -86.6433976f), zero, half + half);
}

/* e^-q for q up to 87; NaN stays NaN */
INLINE VF FN(decay)(VF q) {
    VF shift = (VF)((VI)q & 0) + 12583039.0f, biased = q * -1.44269504f + shift,
       n = biased - shift; /* 1.5 * 2^23 + 127 */
    VF r = -q - n * 0.693359375f;
    r = r - n * -2.12194440e-4f;
    return FN(power_of_e)(r) * (VF)((VI)biased << 23); /* 2^n: the low bits of biased are its exponent */
}

/* 2^-f: minimax for |f| <= 1/2, relative error 9e-8 */
INLINE VF FN(power_of_two)(VF f) {
    VF p = f * -0.00132647273f + 0.00967151299f;
    p = p * f - 0.0555073358f;
    p = p * f + 0.240222424f;
    p = p * f - 0.693147004f;
    return p * f + 1.0f;
}

/* e^-q for q >= 0, zero below 2^-125 like the other; relative error 2e-7 near 0, 1e-8 q far from it. Softmax spends its
 * time here. */
INLINE VF FN(ds_decay_f32_of)(VF q) {
    VF zero = (VF)((VI)q & 0), shift = zero + 12583039.0f; /* 1.5 * 2^23 + 127 */
    VF biased = q * -1.44269504f + shift, n = biased - shift;
    VF e = FN(power_of_two)(q * 1.44269504f + n) * (VF)((VI)biased << 23);
    return FN(pickf)((VI)(q > 86.6433976f), zero, e);
}

/* ---- logarithms: x = m 2^e with m in [sqrt(1/2), sqrt(2)); log m = 2 atanh((m - 1) / (m + 1)) ---- */

INLINE VD FN(near_log)(VD x) {
    VL tiny = (VL)(x < 2.2250738585072014e-308);
    VL bits = (VL)FN(pick)(tiny, x * 18014398509481984.0, x); /* subnormals times 2^54 */
    VL offset = bits - 0x3fe6a09e667f3bcdLL, e = offset >> 52;
    VD m = (VD)(bits - (e << 52)), n = __builtin_convertvector(e, VD) - FN(pick)(tiny, x * 0 + 54.0, (VD)((VL)x & 0));
    VD s = (m - 1) / (m + 1), z = s * s;
    VD p = z * (1.0 / 23) + 1.0 / 21;
    p = p * z + 1.0 / 19;
    p = p * z + 1.0 / 17;
    p = p * z + 1.0 / 15;
    p = p * z + 1.0 / 13;
    p = p * z + 1.0 / 11;
    p = p * z + 1.0 / 9;
    p = p * z + 1.0 / 7;
    p = p * z + 1.0 / 5;
    p = p * z + 1.0 / 3;
    VD y = n * 6.93147180369123816490e-01 + (n * 1.90821492927058770002e-10 + (2 * s * z * p + 2 * s));
    VD zero = (VD)((VL)x & 0);
    y = FN(pick)((VL)(x == 0), zero - __builtin_inf(), y);
    y = FN(pick)((VL)(x < 0), zero + __builtin_nan(""), y);
    y = FN(pick)((VL)(x == __builtin_inf()), x, y);
    return FN(pick)((VL)(x == x), y, x);
}

INLINE VF FN(ds_log_f32_of)(VF x) {
    VI tiny = (VI)(x < 1.17549435e-38f);
    VF zero = (VF)((VI)x & 0);
    VI bits = (VI)FN(pickf)(tiny, x * 33554432.0f, x); /* subnormals times 2^25 */
    VI e = (bits - 0x3f3504f3) >> 23;
    VF m = (VF)(bits - (e << 23)), n = __builtin_convertvector(e, VF) - FN(pickf)(tiny, zero + 25.0f, zero);
    VF s = (m - 1) / (m + 1), z = s * s;
    VF p = z * (1.0f / 9) + 1.0f / 7;
    p = p * z + 1.0f / 5;
    p = p * z + 1.0f / 3;
    VF y = n * 0.693359375f + (n * -2.12194440e-4f + (2 * s * z * p + 2 * s));
    y = FN(pickf)((VI)(x == 0), zero - __builtin_inff(), y);
    y = FN(pickf)((VI)(x < 0), zero + __builtin_nanf(""), y);
    y = FN(pickf)((VI)(x == __builtin_inff()), x, y);
    return FN(pickf)((VI)(x == x), y, x);
}

/* log(1 + x): log(u) corrected by x / (u - 1) for what rounding u = 1 + x lost */
INLINE VD FN(near_log1p)(VD x) {
    VD u = 1 + x, d = u - 1, y = FN(near_log)(u);
    VL plain = (VL)(d == 0) | (VL)(u == __builtin_inf());
    VD corrected = y * (x / FN(pick)((VL)(d == 0), d * 0 + 1.0, d));
    return FN(pick)((VL)(d == 0), x, FN(pick)(plain, y, corrected));
}

/* ---- circular functions: x = n pi/2 + r; the largest arguments are reduced as those of doubles ---- */

INLINE VD FN(quadrant)(VD x, VL *out_n) {
    VD n = FN(nearest)(x * 0.63661977236758134308);
    VD r = x - n * 1.57079632673412561417e+00;
    r = r - n * 6.07710050630396597660e-11;
    r = r - n * 2.02226624879595063154e-21;
    VL far = (VL)(FN(absd)(x) > 268435456.0);
    *out_n = FN(to_int)(FN(pick)(far, (VD)((VL)n & 0), n));
    if (!FN(any)(far)) return r;
    PAIR exact = FN(reduced)(x, &far);
    *out_n = far;
    return exact.h;
}
INLINE VD FN(sine)(VD r) {
    VD z = r * r, p = z * (-1.0 / 1307674368000.0) + 1.0 / 6227020800.0;
    p = p * z - 1.0 / 39916800.0;
    p = p * z + 1.0 / 362880.0;
    p = p * z - 1.0 / 5040.0;
    p = p * z + 1.0 / 120.0;
    p = p * z - 1.0 / 6.0;
    return r + r * z * p;
}
INLINE VD FN(cosine)(VD r) {
    VD z = r * r, p = z * (1.0 / 20922789888000.0) - 1.0 / 87178291200.0;
    p = p * z + 1.0 / 479001600.0;
    p = p * z - 1.0 / 3628800.0;
    p = p * z + 1.0 / 40320.0;
    p = p * z - 1.0 / 720.0;
    p = p * z + 1.0 / 24.0;
    p = p * z - 0.5;
    return 1 + z * p;
}
/* sin(r + n pi/2) for the rest r of n */
INLINE VD FN(circular)(VD r, VL n) {
    VD y = FN(pick)((VL)((n & 1) != 0), FN(cosine)(r), FN(sine)(r));
    return (VD)((VL)y ^ ((n & 2) << 62));
}
INLINE VD FN(near_sin)(VD x) {
    VL n;
    VD r = FN(quadrant)(x, &n);
    return FN(circular)(r, n);
}
INLINE VD FN(near_cos)(VD x) {
    VL n;
    VD r = FN(quadrant)(x, &n);
    return FN(circular)(r, n + 1);
}
INLINE VD FN(near_tan)(VD x) {
    VL n;
    VD r = FN(quadrant)(x, &n);
    return FN(circular)(r, n) / FN(circular)(r, n + 1);
}

/* atan: 1/x above 1, then (x - 1)/(x + 1) above tan(pi/8), then the series */
INLINE VD FN(near_atan)(VD x) {
    VD a = FN(absd)(x);
    VL large = (VL)(a > 1);
    VD t = FN(pick)(large, 1 / a, a);
    VL middle = (VL)(t > 0.41421356237309503);
    VD u = FN(pick)(middle, (t - 1) / (t + 1), t), z = u * u, p = z * 0 - 1.0 / 43;
    for (int k = 41; k >= 3; k -= 2) p = p * z + (k % 4 == 1 ? 1.0 : -1.0) / k;
    VD y = u + u * z * p;
    y = FN(pick)(middle, 0.78539816339744830962 + y, y);
    y = FN(pick)(large, 1.57079632679489661923 - y, y);
    return FN(signed_like)(y, x);
}
INLINE VD FN(near_asin)(VD x) {
    return FN(pick)((VL)(FN(absd)(x) <= 1), FN(near_atan)(x / FN(root)((1 - x) * (1 + x))), x * 0 / ((VD)((VL)x & 0)));
}
INLINE VD FN(near_acos)(VD x) {
    return FN(pick)((VL)(FN(absd)(x) <= 1), 2 * FN(near_atan)(FN(root)((1 - x) / (1 + x))), x * 0 / ((VD)((VL)x & 0)));
}

/* ---- hyperbolic functions ---- */

INLINE VD FN(near_sinh)(VD x) {
    VD a = FN(absd)(x), e = FN(near_exp)(a * 0.5), big = e * (0.5 * e) - 0.5 / (e * e), z = x * x;
    VD p = z * (1.0 / 1307674368000.0) + 1.0 / 6227020800.0;
    p = p * z + 1.0 / 39916800.0;
    p = p * z + 1.0 / 362880.0;
    p = p * z + 1.0 / 5040.0;
    p = p * z + 1.0 / 120.0;
    p = p * z + 1.0 / 6.0;
    return FN(pick)((VL)(a < 1), x + x * z * p, FN(signed_like)(big, x));
}
INLINE VD FN(near_cosh)(VD x) {
    VD e = FN(near_exp)(FN(absd)(x) * 0.5);
    return e * (0.5 * e) + 0.5 / (e * e);
}
/* Its series up to 0.35, then (1 - e^-2x) / (1 + e^-2x) */
INLINE VF FN(ds_tanh_f32_of)(VF x) {
    VF a = FN(absf)(x), zero = (VF)((VI)x & 0), z = x * x;
    VF p = z * -0.0088632355f + 0.0218694885f;
    p = p * z - 0.0539682540f;
    p = p * z + 0.1333333333f;
    p = p * z - 0.3333333333f;
    VF t = FN(pickf)((VI)(a > 10.0f), zero + 10.0f, a), e = FN(decay)(t + t), big = (1 - e) / (1 + e);
    big = (VF)((VI)big | ((VI)x & (i32)0x80000000));
    return FN(pickf)((VI)(a < 0.35f), x * (1 + z * p), big);
}
INLINE VD FN(near_asinh)(VD x) {
    VD a = FN(absd)(x), z = a * a, y = FN(near_log1p)(a + z / (1 + FN(root)(1 + z)));
    return FN(signed_like)(FN(pick)((VL)(a > 1e150), FN(near_log)(a) + 0.69314718055994530942, y), x);
}
INLINE VD FN(near_acosh)(VD x) {
    VD t = x - 1;
    VD y = FN(near_log1p)(t + FN(root)(t * (t + 2)));
    return FN(pick)((VL)(x >= 1), y, FN(all)(__builtin_nan("")));
}
INLINE VD FN(near_atanh)(VD x) { return 0.5 * FN(near_log1p)(2 * x / (1 - x)); }

/* ---- erf: its series up to 0.35, then 1 - e^-Q(x) with Q fitted for an error of 1e-8; 2.6 ULP. The double version is
 * exact. ---- */

/* -log(1 - erf(t)) for t >= 0 */
INLINE VF FN(decrease)(VF t) {
    VF q = t * 2.6209361749351956e-05f - 0.00026354927103966475f;
    q = q * t + 0.0008759955526329577f;
    q = q * t + 0.0008146266336552799f;
    q = q * t - 0.01985481195151806f;
    q = q * t + 0.10306301712989807f;
    q = q * t + 0.6365601420402527f;
    q = q * t + 1.128383994102478f;
    return q * t;
}

INLINE VF FN(ds_erf_f32_of)(VF x) {
    VF a = FN(absf)(x), zero = (VF)((VI)x & 0), z = x * x;
    VF p = z * 0.0052239776f - 0.0268661706f;
    p = p * z + 0.1128379167f;
    p = p * z - 0.3761263890f;
    p = p * z + 0.1283791671f; /* x + x * 0.128… keeps the leading term exact */
    VF big = 1 - FN(decay)(FN(decrease)(FN(pickf)((VI)(a > 4.0f), zero + 4.0f, a)));
    big = (VF)((VI)big | ((VI)x & (i32)0x80000000));
    return FN(pickf)((VI)(a < 0.35f), x + x * p, big);
}
/* Its error is below 1e-8: where it is small, relative accuracy is less. */
INLINE VF FN(ds_erfc_f32_of)(VF x) {
    VF q = FN(decrease)(FN(absf)(x)), zero = (VF)((VI)x & 0), e = FN(pickf)((VI)(q > 80.0f), zero, FN(decay)(q));
    return FN(pickf)((VI)(x < 0), 2 - e, e);
}

/* x Phi(x) = max(x, 0) - |x| Phi(-|x|), where Phi(-a) = 2^-Q(a) with Q fitted for an error of 2e-8 times a; 5 ULP, but
 * 4e-6 of the result at -3 and 3e-4 at -5, where it is small. From 8 on the second part counts for nothing. */
INLINE VF FN(ds_gelu_f32_of)(VF x) {
    VF zero = (VF)((VI)x & 0), a = FN(absf)(x), shift = zero + 12582912.0f;
    a = FN(pickf)((VI)(a > 8.0f), zero + 8.0f, a);
    VF q = a * 1.43245791e-06f - 2.23890493e-05f;
    q = q * a + 0.000104157611f;
    q = q * a + 0.000339585677f;
    q = q * a - 0.00733673526f;
    q = q * a + 0.0526941493f;
    q = q * a + 0.459138483f;
    q = q * a + 1.15111411f;
    q = q * a + 1.0f;
    VF biased = shift - q, n = biased - shift; /* 1.5 * 2^23 - q, rounded: its low bits count down in the exponent */
    VF tail = (VF)((VI)FN(power_of_two)(q + n) + ((VI)biased << 23));
    return FN(pickf)((VI)(x < 0), x - x, x) -
           a * tail; /* NaN comes through by x, and -infinity makes one, as -infinity * 0 does */
}

/* x^y = e^(y log|x|), with the sign of x for odd y; IEEE special cases */
INLINE VD FN(near_pow)(VD x, VD y) {
    VD a = FN(absd)(x), zero = (VD)((VL)x & 0), r = FN(near_exp)(y * FN(near_log)(a));
    VL whole = (VL)(FN(ds_floor_f64_of)(y) == y),
       odd = whole & (VL)(FN(ds_floor_f64_of)(y * 0.5) * 2 != y) & (VL)(FN(absd)(y) < 9007199254740992.0);
    VL negative = (VL)x >> 63;
    r = FN(pick)((VL)(a == 0) & (VL)(y > 0), zero, FN(pick)((VL)(a == 0) & (VL)(y < 0), zero + __builtin_inf(), r));
    r = (VD)((VL)r ^ (negative & odd & (i64)0x8000000000000000ULL));
    r = FN(pick)(negative & ~whole & (VL)(a != 0) & (VL)(a < __builtin_inf()), zero + __builtin_nan(""), r);
    r = FN(pick)((VL)(y == 1), x, r);
    VL is_one = (VL)(y == 0) | (VL)(x == 1) | ((VL)(a == 1) & (VL)(FN(absd)(y) == __builtin_inf()));
    return FN(pick)(is_one, zero + 1.0, r);
}

/* clang-format off */
#define ROUNDED(name) INLINE VF FN(ds_##name##_f32_of)(VF x) { return FN(narrow)(FN(near_##name)(FN(wide)(x))); }
ROUNDED(log1p) ROUNDED(sin) ROUNDED(cos) ROUNDED(tan) ROUNDED(asin) ROUNDED(acos) ROUNDED(atan) ROUNDED(sinh)
ROUNDED(cosh)
ROUNDED(asinh) ROUNDED(acosh) ROUNDED(atanh)
#undef ROUNDED
    /* clang-format on */
    INLINE VF FN(ds_pow_f32_of)(VF x, VF y) {
    return FN(narrow)(FN(near_pow)(FN(wide)(x), FN(wide)(y)));
}
INLINE VF FN(ds_rem_f32_of)(VF x, VF y) { return FN(narrow)(FN(ds_rem_f64_of)(FN(wide)(x), FN(wide)(y))); }

/* ---- 16-bit floats ---- */

INLINE VF FN(ds_decode_f16_of)(VH h) {
    VI b = __builtin_convertvector(h, VI), sign = (b & 0x8000) << 16, m = (b & 0x7fff) << 13;
    VF normal = (VF)(m + (112 << 23)), small = (VF)(m + (113 << 23)) - (VF)((m & 0) + (113 << 23));
    VI special = (VI)((b & 0x7c00) == 0x7c00), subnormal = (VI)((b & 0x7c00) == 0);
    VF y = FN(pickf)(subnormal, small, FN(pickf)(special, (VF)(m + (224 << 23)), normal));
    return (VF)((VI)y | sign);
}
INLINE VH FN(ds_encode_f16_of)(VF x) {
    VI b = (VI)x, sign = (b >> 16) & 0x8000, a = b & 0x7fffffff;
    VI small =
        (VI)((VF)a + (VF)((a & 0) + (126 << 23))) - (126 << 23); /* adding 1/2 rounds at the subnormals' last place */
    VI normal = (a - (112 << 23) + 0xfff + ((a >> 13) & 1)) >> 13;
    VI y = (VI)FN(pickf)((VI)(a < (113 << 23)), (VF)small, (VF)normal);
    y = (VI)FN(pickf)((VI)(a >= (143 << 23)), (VF)((a & 0) + 0x7c00), (VF)y);
    y = (VI)FN(pickf)((VI)(a > 0x7f800000), (VF)((a & 0) + 0x7e00), (VF)y);
    return __builtin_convertvector(y | sign, VH);
}
INLINE VF FN(ds_decode_bf16_of)(VH h) { return (VF)(__builtin_convertvector(h, VI) << 16); }
INLINE VH FN(ds_encode_bf16_of)(VF x) {
    VI b = (VI)x, r = (b + 0x7fff + ((b >> 16) & 1)) >> 16;
    r = (VI)FN(pickf)((VI)((b & 0x7fffffff) > 0x7f800000), (VF)((b >> 16) | 0x40), (VF)r);
    return __builtin_convertvector(r & 0xffff, VH);
}

/* ---- entries: through pointers, because how wide vectors are passed differs by ISA level ---- */

/* clang-format off */
#define ENTRY1(name, R, A) __attribute__((always_inline, used)) void FN(name)(R *r, const A *a); \
    void FN(name)(R *r, const A *a) { *r = FN(JOIN(name, _of))(*a); }
#define ENTRY2(name, R, A) __attribute__((always_inline, used)) void FN(name)(R *r, const A *a, const A *b); \
    void FN(name)(R *r, const A *a, const A *b) { *r = FN(JOIN(name, _of))(*a, *b); }
ENTRY1(ds_round_f32, VF, VF) ENTRY1(ds_round_f64, VD, VD) ENTRY1(ds_floor_f64, VD, VD) ENTRY1(ds_ceil_f64, VD, VD)
ENTRY1(ds_trunc_f64, VD, VD) ENTRY1(ds_floor_f32, VF, VF) ENTRY1(ds_ceil_f32, VF, VF) ENTRY1(ds_trunc_f32, VF, VF)
ENTRY1(ds_exp_f64, VD, VD) ENTRY1(ds_exp_f32, VF, VF) ENTRY1(ds_decay_f64, VD, VD) ENTRY1(ds_decay_f32, VF, VF)
ENTRY1(ds_log_f64, VD, VD) ENTRY1(ds_log_f32, VF, VF)
ENTRY1(ds_log1p_f64, VD, VD) ENTRY1(ds_sin_f64, VD, VD) ENTRY1(ds_cos_f64, VD, VD) ENTRY1(ds_tan_f64, VD, VD)
ENTRY1(ds_atan_f64, VD, VD) ENTRY1(ds_asin_f64, VD, VD) ENTRY1(ds_acos_f64, VD, VD) ENTRY1(ds_sinh_f64, VD, VD)
ENTRY1(ds_cosh_f64, VD, VD) ENTRY1(ds_tanh_f64, VD, VD) ENTRY1(ds_asinh_f64, VD, VD) ENTRY1(ds_acosh_f64, VD, VD)
ENTRY1(ds_atanh_f64, VD, VD) ENTRY1(ds_erf_f32, VF, VF) ENTRY1(ds_erf_f64, VD, VD) ENTRY1(ds_erfc_f32, VF, VF)
ENTRY1(ds_erfc_f64, VD, VD)
ENTRY1(ds_gelu_f32, VF, VF) ENTRY1(ds_gelu_f64, VD, VD) ENTRY2(ds_pow_f64, VD, VD)
ENTRY2(ds_rem_f64, VD, VD) ENTRY2(ds_pow_f32, VF, VF) ENTRY2(ds_rem_f32, VF, VF) ENTRY1(ds_decode_f16, VF, VH)
ENTRY1(ds_encode_f16, VH, VF) ENTRY1(ds_decode_bf16, VF, VH) ENTRY1(ds_encode_bf16, VH, VF) ENTRY1(ds_log1p_f32, VF, VF)
ENTRY1(ds_sin_f32, VF, VF) ENTRY1(ds_cos_f32, VF, VF) ENTRY1(ds_tan_f32, VF, VF) ENTRY1(ds_asin_f32, VF, VF)
ENTRY1(ds_acos_f32, VF, VF) ENTRY1(ds_atan_f32, VF, VF) ENTRY1(ds_sinh_f32, VF, VF) ENTRY1(ds_cosh_f32, VF, VF)
ENTRY1(ds_tanh_f32, VF, VF) ENTRY1(ds_asinh_f32, VF, VF) ENTRY1(ds_acosh_f32, VF, VF) ENTRY1(ds_atanh_f32, VF, VF)
    /* clang-format on */
