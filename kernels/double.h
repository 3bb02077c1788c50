/* Functions of doubles to within 2 ULP, most of them to within 1: part of math.c, which includes it.
 *
 * Intermediate values that matter are unevaluated sums of two doubles (T. J. Dekker, Numerische Mathematik 18, 1971).
 * Nothing here is contracted, so that a result has the same bits at every ISA level.
 */
#pragma clang fp contract(off)

#define PAIR FN(pair)
typedef struct {
    VD h, l;
} PAIR;

INLINE VD FN(all)(double v) { return (VD){0} + v; }
INLINE PAIR FN(sum)(VD a, VD b) {
    VD s = a + b, t = s - a;
    return (PAIR){s, (a - (s - t)) + (b - t)};
}
INLINE PAIR FN(ordered_sum)(VD a, VD b) { /* |a| >= |b|, or a is 0 */
    VD s = a + b;
    return (PAIR){s, b - (s - a)};
}
INLINE PAIR FN(product)(VD a, VD b) {
    VD x = a * 134217729.0, y = b * 134217729.0, ah = x - (x - a), bh = y - (y - b), al = a - ah, bl = b - bh,
       p = a * b;
    return (PAIR){p, ((ah * bh - p) + ah * bl + al * bh) + al * bl};
}
INLINE PAIR FN(plus)(PAIR a, VD b) {
    PAIR s = FN(sum)(a.h, b);
    return FN(ordered_sum)(s.h, s.l + a.l);
}
INLINE PAIR FN(times)(PAIR a, PAIR b) {
    PAIR p = FN(product)(a.h, b.h);
    return FN(ordered_sum)(p.h, p.l + (a.h * b.l + a.l * b.h));
}
INLINE PAIR FN(over)(PAIR a, PAIR b) {
    VD q = a.h / b.h;
    PAIR p = FN(product)(q, b.h);
    return FN(ordered_sum)(q, ((a.h - p.h) - p.l + a.l - q * b.l) / b.h);
}
INLINE PAIR FN(root_of)(PAIR a) {
    VD r = FN(root)(a.h);
    PAIR p = FN(product)(r, r);
    VD l = ((a.h - p.h) - p.l + a.l) / (r + r);
    return FN(ordered_sum)(r, FN(pick)((VL)(a.h > 0), l, FN(all)(0)));
}
INLINE PAIR FN(pick_pair)(VL mask, PAIR a, PAIR b) {
    return (PAIR){FN(pick)(mask, a.h, b.h), FN(pick)(mask, a.l, b.l)};
}
INLINE VL FN(is_finite)(VD x) { return (VL)(FN(absd)(x) < __builtin_inf()); }
INLINE int FN(any)(VL mask) { return __builtin_reduce_or(mask) != 0; }

/* ---- exponentials ---- */

/* e^(h + l) = (1 + result) 2^n, |h| at most 1000 */
INLINE PAIR FN(exp_parts)(VD h, VD l, VL *out_n) {
    VD n = FN(nearest)(h * 1.4426950408889634), r = h - n * 6.93147180369123816490e-01;
    PAIR s = FN(sum)(r, l - n * 1.90821492927058770002e-10);
    VD x = s.h, p = x * (1.0 / 87178291200.0) + 1.0 / 6227020800.0;
    p = p * x + 1.0 / 479001600.0;
    p = p * x + 1.0 / 39916800.0;
    p = p * x + 1.0 / 3628800.0;
    p = p * x + 1.0 / 362880.0;
    p = p * x + 1.0 / 40320.0;
    p = p * x + 1.0 / 5040.0;
    p = p * x + 1.0 / 720.0;
    p = p * x + 1.0 / 120.0;
    p = p * x + 1.0 / 24.0;
    p = p * x + 1.0 / 6.0;
    p = p * x + 0.5;
    *out_n = FN(to_int)(n);
    return FN(ordered_sum)(x, x * x * p + (s.l + s.l * x));
}
INLINE PAIR FN(one_plus)(PAIR a) {
    PAIR s = FN(ordered_sum)(FN(all)(1), a.h);
    return (PAIR){s.h, s.l + a.l};
}
INLINE VD FN(clamped)(VD x, double most) {
    x = FN(pick)((VL)(x > most), FN(all)(most), x);
    return FN(pick)((VL)(x < -most), FN(all)(-most), FN(pick)((VL)(x == x), x, FN(all)(0)));
}
/* e^(h + l) 2^more */
INLINE VD FN(exp_of)(VD h, VD l, int more) {
    VL n;
    VD x = FN(clamped)(h, 1000);
    PAIR e = FN(one_plus)(FN(exp_parts)(x, FN(pick)((VL)(x == h), l, FN(all)(0)), &n));
    VD y = FN(scale)(e.h + e.l, n + more);
    y = FN(pick)((VL)(h > 711), FN(all)(__builtin_inf()), FN(pick)((VL)(h < -746), FN(all)(0), y));
    return FN(pick)((VL)(h == h), y, h);
}
INLINE VD FN(ds_exp_f64_of)(VD x) { return FN(exp_of)(x, FN(all)(0), 0); }
INLINE VD FN(ds_decay_f64_of)(VD q) { return FN(exp_of)(-q, FN(all)(0), 0); }

/* e^a - 1 for 0 <= a <= 44 */
INLINE PAIR FN(growth)(VD a) {
    VL n;
    PAIR e = FN(exp_parts)(a, FN(all)(0), &n);
    VD power = (VD)((n + 1023) << 52);
    PAIR s = FN(sum)(power - 1, power * e.h);
    return FN(ordered_sum)(s.h, s.l + power * e.l);
}
INLINE VD FN(ds_sinh_f64_of)(VD x) {
    VD a = FN(absd)(x), half = FN(exp_of)(a, FN(all)(0), -1), big = half - 0.25 / half;
    PAIR e = FN(growth)(FN(clamped)(a, 1)), q = FN(over)(e, FN(plus)(e, FN(all)(1))), s = FN(sum)(e.h, q.h);
    VD small = 0.5 * (s.h + (s.l + e.l + q.l));
    VD y = FN(pick)((VL)(a < 1), FN(pick)((VL)(a < 1e-8), a, small), big);
    return FN(pick)((VL)(x == x), FN(signed_like)(y, x), x);
}
INLINE VD FN(ds_cosh_f64_of)(VD x) {
    VD half = FN(exp_of)(FN(absd)(x), FN(all)(0), -1);
    return half + 0.25 / half;
}
INLINE VD FN(ds_tanh_f64_of)(VD x) {
    VD a = FN(absd)(x);
    PAIR e = FN(growth)(FN(clamped)(a + a, 44)), q = FN(over)(e, FN(plus)(e, FN(all)(2)));
    VD y = FN(pick)((VL)(a < 1e-8), a, q.h + q.l);
    return FN(pick)((VL)(x == x), FN(signed_like)(y, x), x);
}

/* ---- logarithms ---- */

/* of positive finite h, plus a small l */
INLINE PAIR FN(log_pair)(VD h, VD l) {
    VL tiny = (VL)(h < 2.2250738585072014e-308);
    VL bits = (VL)FN(pick)(tiny, h * 18014398509481984.0, h); /* subnormals times 2^54 */
    VL offset = bits - 0x3fe6a09e667f3bcdLL, e = offset >> 52;
    VD m = (VD)(bits - (e << 52)), n = __builtin_convertvector(e, VD) - FN(pick)(tiny, FN(all)(54), FN(all)(0));
    PAIR s = FN(over)((PAIR){m - 1, FN(all)(0)}, FN(sum)(m, FN(all)(1))), z = FN(times)(s, s);
    VD p = z.h * (1.0 / 25) + 1.0 / 23;
    p = p * z.h + 1.0 / 21;
    p = p * z.h + 1.0 / 19;
    p = p * z.h + 1.0 / 17;
    p = p * z.h + 1.0 / 15;
    p = p * z.h + 1.0 / 13;
    p = p * z.h + 1.0 / 11;
    p = p * z.h + 1.0 / 9;
    p = p * z.h + 1.0 / 7;
    p = p * z.h + 1.0 / 5;
    PAIR third = FN(times)(z, (PAIR){FN(all)(1.0 / 3), FN(all)(1.8503717077085942e-17)}),
         t = FN(sum)(third.h, z.h * z.h * p);
    t = FN(times)(s, (PAIR){t.h, t.l + third.l}); /* log m = 2 (s + s t) */
    PAIR sum = FN(ordered_sum)(s.h, t.h), whole = FN(product)(n, FN(all)(1.90821492927058770002e-10));
    sum = FN(ordered_sum)(2 * sum.h, 2 * (sum.l + s.l + t.l));
    PAIR y = FN(sum)(n * 6.93147180369123816490e-01, sum.h), rest = FN(sum)(whole.h, l / h);
    y = (PAIR){y.h, y.l + sum.l + whole.l + n * 1.1612227229362532e-26 + rest.l};
    return FN(plus)(FN(ordered_sum)(y.h, y.l), rest.h);
}
/* Results for arguments outside: -inf at 0, NaN below, infinity and NaN as they are. */
INLINE VD FN(log_at_edges)(VD x, VD y) {
    y = FN(pick)((VL)(x == 0), FN(all)(-__builtin_inf()), FN(pick)((VL)(x < 0), FN(all)(__builtin_nan("")), y));
    return FN(pick)((VL)(x < __builtin_inf()), y, x);
}
INLINE VD FN(ds_log_f64_of)(VD x) {
    PAIR y = FN(log_pair)(x, FN(all)(0));
    return FN(log_at_edges)(x, y.h + y.l);
}
INLINE VD FN(ds_log1p_f64_of)(VD x) {
    PAIR u = FN(sum)(FN(all)(1), x), y = FN(log_pair)(u.h, FN(pick)((VL)(u.h > 0), u.l, FN(all)(0)));
    VD v = FN(pick)((VL)(FN(absd)(x) < 1e-17), x, y.h + y.l);
    return FN(log_at_edges)(u.h, v);
}
INLINE VD FN(ds_asinh_f64_of)(VD x) {
    VD a = FN(absd)(x);
    VL large = (VL)(a > 268435456.0);
    PAIR square = FN(product)(FN(clamped)(a, 268435456.0), FN(clamped)(a, 268435456.0)),
         r = FN(root_of)(FN(plus)(square, FN(all)(1)));
    PAIR u = FN(plus)(r, a);
    u = FN(pick_pair)(large, (PAIR){a, FN(all)(0)}, u);
    PAIR y = FN(log_pair)(u.h, u.l), twice = FN(plus)(y, FN(all)(0.69314718055994530942));
    VD v = FN(pick)(large, twice.h + twice.l, y.h + y.l);
    v = FN(pick)((VL)(a < 1e-9), a, v);
    return FN(pick)(FN(is_finite)(x), FN(signed_like)(v, x), x);
}
INLINE VD FN(ds_acosh_f64_of)(VD x) {
    VL large = (VL)(x > 268435456.0);
    VD a = FN(pick)(large, FN(all)(268435456.0), FN(pick)((VL)(x >= 1), x, FN(all)(1)));
    PAIR square = FN(product)(a, a), u = FN(root_of)(FN(plus)(square, FN(all)(-1)));
    u = FN(pick_pair)(large, (PAIR){x, FN(all)(0)}, FN(plus)(u, a));
    PAIR y = FN(log_pair)(u.h, u.l), twice = FN(plus)(y, FN(all)(0.69314718055994530942));
    VD v = FN(pick)(large, twice.h + twice.l, y.h + y.l);
    v = FN(pick)((VL)(x == __builtin_inf()), x, v);
    return FN(pick)((VL)(x >= 1), v, FN(all)(__builtin_nan("")));
}
INLINE VD FN(ds_atanh_f64_of)(VD x) {
    VD a = FN(absd)(x), inside = FN(pick)((VL)(a < 1), a, FN(all)(0));
    PAIR q = FN(over)(FN(sum)(FN(all)(1), inside), FN(sum)(FN(all)(1), -inside)), y = FN(log_pair)(q.h, q.l);
    VD v = FN(pick)((VL)(a < 1e-9), a, 0.5 * (y.h + y.l));
    v = FN(pick)((VL)(a == 1), FN(all)(__builtin_inf()), v);
    return FN(pick)((VL)(a <= 1), FN(signed_like)(v, x), FN(all)(__builtin_nan("")));
}

/* ---- powers ---- */

/* x^y = e^(y log|x|), with the sign of x for odd y; IEEE special cases */
INLINE VD FN(ds_pow_f64_of)(VD x, VD y) {
    VD a = FN(absd)(x);
    VL usual = (VL)(a > 0) & FN(is_finite)(x);
    PAIR log = FN(log_pair)(FN(pick)(usual, a, FN(all)(1)), FN(all)(0));
    VD plain = y * log.h;
    VL small = (VL)(FN(absd)(plain) < 1000) & (VL)(FN(absd)(y) < 1e280);
    PAIR p = FN(product)(FN(pick)(small, y, FN(all)(0)), log.h);
    VD r = FN(exp_of)(FN(pick)(small, p.h, plain), FN(pick)(small, p.l + y * log.l, FN(all)(0)), 0);
    VL whole = (VL)(FN(ds_floor_f64_of)(y) == y), even = (VL)(FN(ds_floor_f64_of)(y * 0.5) * 2 == y),
       odd = whole & ~even & FN(is_finite)(y), negative = (VL)x >> 63;
    VL grows = ((VL)(a > 1) & (VL)(y > 0)) | ((VL)(a < 1) & (VL)(y < 0));
    VD edge = FN(pick)(grows, FN(all)(__builtin_inf()), FN(all)(0)); /* of zero, of infinity, and to infinity */
    r = FN(pick)(usual & FN(is_finite)(y), r, FN(pick)((VL)(a == 1), FN(all)(1), edge));
    r = (VD)((VL)r ^ (negative & odd & (i64)0x8000000000000000ULL));
    r = FN(pick)(negative & ~whole & usual, FN(all)(__builtin_nan("")), r);
    r = FN(pick)((VL)(x != x) | (VL)(y != y), x + y, r);
    return FN(pick)((VL)(y == 0) | (VL)(x == 1), FN(all)(1), r);
}

/* ---- circular functions: x = n pi/2 + r ---- */

/* 2/pi after the binary point, 64 bits each */
static const u64 FN(two_over_pi)[] = {0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041, 0xfe5163abdebbc561,
                                      0xb7246e3a424dd2e0, 0x06492eea09d1921c, 0xfe1deb1cb129a73e, 0xe88235f52ebb4484,
                                      0xe99c7026b45f7e41, 0x3991d639835339f4, 0x9c845f8bbdf9283b, 0x1ff897ffde05980f,
                                      0xef2f118b5a0a6d1f, 0x6d367ecf27cb09b7, 0x4f463f669e5fea2d, 0x7527bac7ebe5f17b,
                                      0x3d0739f78a5292ea, 0x6bfb5fb11f8d5d08, 0x56033046fc7b6bab, 0xf0cfbc209af4361d};

/* 64 bits of 2/pi from bit `at` after the point; zeros before it. */
INLINE u64 FN(bits_at)(int at) {
    int word = at >> 6, shift = at & 63;
    u64 high = word >= 0 && word < 20 ? FN(two_over_pi)[word] : 0,
        low = word >= -1 && word < 19 ? FN(two_over_pi)[word + 1] : 0;
    return shift ? high << shift | low >> (64 - shift) : high;
}

/* The last two bits of n, and r / (pi/2) as the sum of two doubles, for a finite x > 2^20: only those bits of 2/pi are
 * multiplied whose products with x lie from 2 bits before the point to 190 behind it (M. H. Payne, R. N. Hanek, SIGNUM
 * Newsletter 18, 1983). */
static __attribute__((noinline)) i64 FN(far_quadrant)(double x, double *high, double *low) {
    union {
        double d;
        u64 u;
    } v = {x};
    u64 m = (v.u & 0xfffffffffffffULL) | 0x10000000000000ULL, f[3];
    int exponent = (int)(v.u >> 52) - 1075,
        at = exponent - 2; /* x = m 2^exponent; bits before `at` yield multiples of 4 */
    unsigned __int128 carry = 0;
    for (int i = 2; i >= 0; i--) {
        carry += (unsigned __int128)FN(bits_at)(at + 64 * i) * m;
        f[i] = (u64)carry;
        carry >>= 64;
    }
    i64 n = (i64)(f[0] >> 62);
    f[0] = f[0] << 2 | f[1] >> 62, f[1] = f[1] << 2 | f[2] >> 62;
    int negative = (int)(f[0] >> 63); /* to the nearest quadrant */
    if (negative) f[1] = 0 - f[1], f[0] = ~f[0] + (f[1] == 0), n++;
    u64 zeros = f[0] ? (u64)__builtin_clzll(f[0]) : 64 + (f[1] ? (u64)__builtin_clzll(f[1]) : 63);
    unsigned __int128 all = ((unsigned __int128)f[0] << 64 | f[1]) << zeros;
    double scale = 1; /* of the last bit */
    for (u64 i = 0; i < 128 + zeros; i++) scale *= 0.5;
    u64 upper = (u64)(all >> 75), lower = (u64)(all >> 22) & 0x1fffffffffffffULL; /* 53 bits each */
    double sign = negative ? -scale : scale;
    *high = (double)upper * 37778931862957161709568.0 * sign; /* 2^75 */
    *low = (double)lower * 4194304.0 * sign;                  /* 2^22 */
    return n & 3;
}

/* r as a pair; n's last two bits. */
INLINE PAIR FN(reduced)(VD x, VL *out_n) {
    VD a = FN(absd)(x);
    VL is_near = (VL)(a < 1048576.0), far = ~is_near & FN(is_finite)(x);
    VD near = FN(pick)(is_near, x, FN(all)(0)), n = FN(nearest)(near * 0.63661977236758134308);
    PAIR r = FN(sum)(near - n * 1.5707963267341256142, n * -6.0771005063039659766e-11),
         s = FN(sum)(r.h, n * -2.0222662487111664558e-21);
    r = FN(ordered_sum)(s.h, s.l + (r.l - n * 8.47842766036889957e-32));
    *out_n = FN(to_int)(n);
    if (FN(any)(far)) {
        VD h = r.h, l = r.l;
        for (int i = 0; i < LANES; i++) {
            if (!far[i]) continue;
            double high, low;
            i64 quadrant = FN(far_quadrant)(a[i], &high, &low);
            i64 negative = x[i] < 0;
            h[i] = negative ? -high : high, l[i] = negative ? -low : low;
            (*out_n)[i] = negative ? -quadrant : quadrant;
        }
        PAIR turned =
            FN(times)((PAIR){h, l}, (PAIR){FN(all)(1.5707963267948965580), FN(all)(6.1232339957367660359e-17)});
        r = FN(pick_pair)(far, turned, r);
    }
    return FN(pick_pair)(FN(is_finite)(x), r, (PAIR){FN(all)(__builtin_nan("")), FN(all)(0)});
}
INLINE PAIR FN(sine_of)(PAIR r) {
    VD x = r.h, z = x * x, p = z * (1.0 / 355687428096000.0) - 1.0 / 1307674368000.0;
    p = p * z + 1.0 / 6227020800.0;
    p = p * z - 1.0 / 39916800.0;
    p = p * z + 1.0 / 362880.0;
    p = p * z - 1.0 / 5040.0;
    p = p * z + 1.0 / 120.0;
    p = p * z - 1.0 / 6.0;
    return FN(ordered_sum)(x, x * z * p + r.l * (1 - 0.5 * z));
}
INLINE PAIR FN(cosine_of)(PAIR r) {
    VD x = r.h, z = x * x, p = z * (-1.0 / 6402373705728000.0) + 1.0 / 20922789888000.0;
    p = p * z - 1.0 / 87178291200.0;
    p = p * z + 1.0 / 479001600.0;
    p = p * z - 1.0 / 3628800.0;
    p = p * z + 1.0 / 40320.0;
    p = p * z - 1.0 / 720.0;
    p = p * z + 1.0 / 24.0;
    PAIR half = FN(product)(x, x * -0.5), s = FN(ordered_sum)(FN(all)(1), half.h);
    return FN(ordered_sum)(s.h, s.l + (half.l + z * z * p - x * r.l));
}
INLINE VD FN(turned_by)(VD x, i64 quarter) {
    VL n;
    PAIR r = FN(reduced)(x, &n);
    n = n + quarter;
    PAIR y = FN(pick_pair)((VL)((n & 1) != 0), FN(cosine_of)(r), FN(sine_of)(r));
    return (VD)((VL)(y.h + y.l) ^ ((n & 2) << 62));
}
INLINE VD FN(ds_sin_f64_of)(VD x) { return FN(pick)((VL)(FN(absd)(x) < 1e-8), x, FN(turned_by)(x, 0)); }
INLINE VD FN(ds_cos_f64_of)(VD x) { return FN(turned_by)(x, 1); }
INLINE VD FN(ds_tan_f64_of)(VD x) {
    VL n;
    PAIR r = FN(reduced)(x, &n), s = FN(sine_of)(r), c = FN(cosine_of)(r);
    VL swapped = (VL)((n & 1) != 0);
    PAIR q = FN(over)(FN(pick_pair)(swapped, c, s), FN(pick_pair)(swapped, s, c));
    VD y = (VD)((VL)(q.h + q.l) ^ (swapped & (i64)0x8000000000000000ULL));
    return FN(pick)((VL)(FN(absd)(x) < 1e-9), x, y);
}

/* The angle of the point (x, y) in the first quadrant: u = smaller / larger coordinate, or their difference over their
 * sum, then the series. */
INLINE PAIR FN(angle)(PAIR x, PAIR y) {
    VL above = (VL)(y.h > x.h);
    PAIR small = FN(pick_pair)(above, x, y), large = FN(pick_pair)(above, y, x), d = FN(sum)(small.h, -large.h),
         s = FN(sum)(small.h, large.h);
    VL middle = (VL)(small.h > 0.41421356237309503 * large.h);
    d = FN(pick_pair)(middle, (PAIR){d.h, d.l + (small.l - large.l)}, small);
    s = FN(pick_pair)(middle, (PAIR){s.h, s.l + (small.l + large.l)}, large);
    PAIR u = FN(over)(d, s);
    VD z = u.h * u.h, p = FN(all)(1.0 / 45) - z * (1.0 / 47);
    for (int k = 43; k >= 3; k -= 2) p = p * z + (k % 4 == 1 ? 1.0 : -1.0) / k;
    PAIR t = FN(ordered_sum)(u.h, u.h * z * p + u.l / (1 + z));
    PAIR m = FN(sum)(FN(all)(0.78539816339744830962), t.h);
    t = FN(pick_pair)(middle, (PAIR){m.h, m.l + (t.l + 3.0616169978683830179e-17)}, t);
    m = FN(sum)(FN(all)(1.5707963267948965580), -t.h);
    return FN(pick_pair)(above, (PAIR){m.h, m.l + (6.1232339957367660359e-17 - t.l)}, t);
}
INLINE VD FN(ds_atan_f64_of)(VD x) {
    VD a = FN(absd)(x), zero = FN(all)(0);
    VL large = (VL)(a > 1e20);
    PAIR t = FN(angle)((PAIR){FN(all)(1), zero}, (PAIR){FN(pick)(large, FN(all)(1e20), a), zero});
    VD y = FN(pick)((VL)(a < 1e-9), a, t.h + t.l);
    return FN(pick)((VL)(x == x), FN(signed_like)(y, x), x);
}
/* sqrt(1 - a^2) */
INLINE PAIR FN(other_side)(VD a) {
    PAIR p = FN(product)(a, -a);
    return FN(root_of)(FN(plus)(p, FN(all)(1)));
}
INLINE VD FN(ds_asin_f64_of)(VD x) {
    VD a = FN(absd)(x), zero = FN(all)(0), inside = FN(pick)((VL)(a <= 1), a, zero);
    PAIR t = FN(angle)(FN(other_side)(inside), (PAIR){inside, zero});
    VD y = FN(pick)((VL)(a < 1e-9), a, t.h + t.l);
    return FN(pick)((VL)(a <= 1), FN(signed_like)(y, x), FN(all)(__builtin_nan("")));
}
INLINE VD FN(ds_acos_f64_of)(VD x) {
    VD a = FN(absd)(x), inside = FN(pick)((VL)(a <= 1), a, FN(all)(0));
    PAIR t = FN(angle)((PAIR){inside, FN(all)(0)}, FN(other_side)(inside)),
         m = FN(sum)(FN(all)(3.1415926535897931160), -t.h);
    VD y = FN(pick)((VL)(x < 0), m.h + (m.l + (1.2246467991473532072e-16 - t.l)), t.h + t.l);
    return FN(pick)((VL)(a <= 1), y, FN(all)(__builtin_nan("")));
}

/* ---- erf ---- */

/* erf a = a + a p for a <= 1/2, by its series */
INLINE VD FN(erf_series)(VD z) {
    VD p = z * -6.7113668551641105e-12 + 9.4227590646504113e-11;
    p = p * z - 1.2290555301717928e-09;
    p = p * z + 1.4807192815879218e-08;
    p = p * z - 1.6365844691234924e-07;
    p = p * z + 1.6462114365889248e-06;
    p = p * z - 1.492565035840625e-05;
    p = p * z + 0.00012055332981789664;
    p = p * z - 0.00085483270234508533;
    p = p * z + 0.0052239776254421879;
    p = p * z - 0.026866170645131252;
    p = p * z + 0.11283791670955126;
    p = p * z - 0.37612638903183754;
    return p * z + 0.12837916709551258632;
}
/* erfc(a + low) = result 2^n for a >= 0: below 1/2 by the series, else e^-a^2 P(t) / (1 + 2a), t = (a - 15/4) / (a +
 * 15/4), with P fitted for an error of 5e-19 up to 28 */
INLINE PAIR FN(erfc_parts)(VD a, VD low, VL *out_n) {
    VD t = (a - 3.75) / (a + 3.75);
    static const double c[] = {
        -0.14024059858554699,    0.0035854154854636057,   0.08227673849014927,     -0.10880393014170199,
        0.092304321160269862,    -0.058693398590679784,   0.028362277420151644,    -0.0097465795460827519,
        0.0017556258470225511,   0.00029371358546110594,  -0.00029015407577452802, 5.1649434712789542e-05,
        2.238432573107579e-05,   -1.1445047946585976e-05, -9.7402447440135551e-07, 1.7531716883552848e-06,
        -5.6062239458215459e-08, -2.6021705136960196e-07, 2.1662472672416679e-08,  3.9418383050109591e-08,
        -2.5519935040580549e-09, -5.1561861565166395e-09, -6.2557664395180753e-11, 3.0932265838308378e-10};
    VD p = FN(all)(c[23]);
    for (int k = 22; k >= 0; k--) p = p * t + c[k];
    PAIR value = FN(sum)(FN(all)(1.2375126308378275), t * p), square = FN(product)(a, -a),
         whole = FN(sum)(FN(all)(1), 2 * a);
    value.l = value.l + 1.0556447267360884e-16;
    PAIR e = FN(one_plus)(FN(exp_parts)(square.h, square.l - 2 * a * low, out_n));
    e = FN(over)(FN(times)(e, value), (PAIR){whole.h, whole.l + 2 * low});
    VL is_small = (VL)(a < 0.5);
    PAIR small = FN(plus)(FN(sum)(FN(all)(1), -a), -(a * FN(erf_series)(a * a) + low));
    *out_n = *out_n & ~is_small;
    return FN(pick_pair)(is_small, small, e);
}
/* 2 - erfc for negative arguments, so that both are as accurate. */
INLINE PAIR FN(complement)(PAIR e, VL n) {
    VD power = (VD)((FN(pick)((VL)(n < -200), FN(all)(0), FN(all)(1)) == 1) & ((n + 1023) << 52));
    PAIR s = FN(sum)(FN(all)(2), -(e.h * power));
    return (PAIR){s.h, s.l - e.l * power};
}
INLINE VD FN(ds_erf_f64_of)(VD x) {
    VD a = FN(absd)(x);
    VL n;
    PAIR e = FN(erfc_parts)(FN(clamped)(a, 6), FN(all)(0), &n), s = FN(complement)(e, n);
    VD y = FN(pick)((VL)(a < 0.5), a + a * FN(erf_series)(a * a), (s.h - 1) + s.l);
    return FN(pick)((VL)(x == x), FN(signed_like)(y, x), x);
}
INLINE VD FN(ds_erfc_f64_of)(VD x) {
    VL n;
    PAIR e = FN(erfc_parts)(FN(clamped)(FN(absd)(x), 28), FN(all)(0), &n), s = FN(complement)(e, n);
    VD y = FN(pick)((VL)(x < 0), s.h + s.l, FN(scale)(e.h + e.l, n));
    return FN(pick)((VL)(x == x), y, x);
}
/* x erfc(-x / sqrt 2) / 2; of -infinity NaN, as -infinity * 0 is */
INLINE VD FN(ds_gelu_f64_of)(VD x) {
    VD a = FN(clamped)(FN(absd)(x), 39.5);
    VL n;
    PAIR at =
        FN(times)((PAIR){a, FN(all)(0)}, (PAIR){FN(all)(0.70710678118654757274), FN(all)(-4.8336466567264567255e-17)});
    PAIR e = FN(erfc_parts)(at.h, at.l, &n), s = FN(complement)(e, n), half = {0.5 * x, FN(all)(0)};
    PAIR above = FN(times)(half, s), below = FN(times)((PAIR){-0.5 * a, FN(all)(0)}, e);
    VD y =
        FN(pick)((VL)(x < 0), FN(scale)(below.h + below.l, n) - (x - x), FN(pick)((VL)(x > 39), x, above.h + above.l));
    return FN(pick)((VL)(x == x), y, x);
}

/* ---- remainders ---- */

INLINE VL FN(exponent_of)(VD x) { /* of x > 0 */
    VL tiny = (VL)(x < 2.2250738585072014e-308);
    VL e = (VL)FN(pick)(tiny, x * 18014398509481984.0, x) >> 52;
    return e - (tiny & 54);
}
/* The remainder with the dividend's sign, exactly: quotients of 23 bits, whose products with halves of the divisor are
 * exact. */
INLINE VD FN(ds_rem_f64_of)(VD x, VD y) {
    VD a = FN(absd)(x), b = FN(absd)(y);
    VL usual = FN(is_finite)(x) & (VL)(b > 0) & (VL)(b <= a); /* not NaN or infinite, and something to do */
    VD r = FN(pick)(usual, a, FN(all)(0)), divisor = FN(pick)(usual, b, FN(all)(1));
    for (VL left = usual; FN(any)(left);) {
        VL k = FN(exponent_of)(FN(pick)((VL)(r > 0), r, divisor)) - FN(exponent_of)(divisor) - 22;
        k = k & (VL)(k > 0);
        VD step = FN(scale)(divisor, k), upper = (VD)((VL)step & (i64)0xfffffffff8000000ULL), q = FN(nearest)(r / step);
        r = (r - q * upper) - q * (step - upper);
        r = FN(pick)((VL)(r < 0), r + step, r);
        left = left & (VL)(k > 0);
    }
    r = FN(pick)(usual, r, FN(pick)((VL)(b > 0) & FN(is_finite)(x), a, FN(all)(__builtin_nan(""))));
    return FN(pick)((VL)(y == y), FN(signed_like)(r, x), y);
}

#pragma clang fp contract(on)
