/* Scalar helpers of generated code: integer powers, 8- and 4-bit floats. Freestanding; compiled to bitcode like
 * math.c. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int i32;
typedef long long i64;

#define INLINE static inline __attribute__((always_inline))
#define EXPORT __attribute__((always_inline, used))

/* Integer power; exponents below zero give 0 but for bases 1 and -1. */
i64 ds_ipow(i64 base, i64 exponent);
EXPORT i64 ds_ipow(i64 base, i64 exponent) {
    u64 result = 1, b = (u64)base;
    if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent & 1 ? -1 : 1) : 0;
    for (; exponent; exponent >>= 1, b *= b)
        if (exponent & 1) result *= b;
    return (i64)result;
}

/* ---- 8- and 4-bit floats, one element at a time (formats as in ir/floats.c) ---- */

typedef struct {
    int exponent_bits, mantissa_bits, bias, infinity, negative_zero_is_nan, has_nan;
} format;

INLINE format format_of(int which) {
    const format f[] = {
        {4, 3, 7, 0, 0, 1}, {4, 3, 8, 0, 1, 0}, {5, 2, 15, 1, 0, 1}, {5, 2, 16, 0, 1, 0}, {2, 1, 1, 0, 0, 0}};
    return f[which];
}

INLINE u32 to_bits(float f) {
    union {
        float f;
        u32 u;
    } x = {f};
    return x.u;
}

/* rounding of e8m0: 0 nearest (ties up), 1 up, 2 down */
INLINE u8 encode_e8m0(float x, int saturate, int rounding) {
    u32 b = to_bits(x) & 0x7fffffff;
    if (b > 0x7f800000) return 255;
    if (b == 0x7f800000) return saturate ? 254 : 255;
    u32 e = b >> 23, m = b & 0x7fffff;
    if (rounding == 0 ? m >= 0x400000 : rounding == 1 && m) e++;
    if (e >= 255) return saturate ? 254 : 255;
    return (u8)e;
}

u8 ds_narrow_encode(float x, i32 which, i32 saturate, i32 rounding);
__attribute__((used)) u8 ds_narrow_encode(float x, i32 which, i32 saturate, i32 rounding) {
    if (which == 5) return encode_e8m0(x, saturate, rounding);
    format f = format_of(which);
    int width = 1 + f.exponent_bits + f.mantissa_bits, top = (1 << f.exponent_bits) - 1;
    u32 b = to_bits(x), magnitude = b & 0x7fffffff, sign = (b >> 31) << (width - 1), all = (1u << (width - 1)) - 1;
    u32 nan = f.infinity               ? sign | (u32)top << f.mantissa_bits | 1u << (f.mantissa_bits - 1)
              : f.negative_zero_is_nan ? 1u << (width - 1)
              : f.has_nan              ? sign | all
                                       : 0;
    u32 largest = f.infinity ? ((u32)top << f.mantissa_bits) - 1 : all - (f.has_nan ? 1u : 0u);
    if (magnitude > 0x7f800000) return (u8)nan;
    u32 code;
    int e = (int)(magnitude >> 23) - 127;
    if (magnitude == 0x7f800000) code = 0xffff;
    else {
        int scale = e < 1 - f.bias ? 1 - f.bias : e, drop = 23 - f.mantissa_bits + (scale - e);
        u64 m = (magnitude >> 23 ? 0x800000u : 0u) | (magnitude & 0x7fffff);
        if (!(magnitude >> 23)) drop--;
        if (drop > 40) drop = 40;
        u64 kept = m >> drop, rest = m & ((1ull << drop) - 1), half = 1ull << (drop - 1);
        if (rest > half || (rest == half && (kept & 1))) kept++;
        code = kept >> f.mantissa_bits
                   ? ((u32)(scale + f.bias) << f.mantissa_bits) + (u32)(kept - (1u << f.mantissa_bits))
                   : (u32)kept;
    }
    if (code > largest) {
        if (saturate || which == 4) return (u8)(sign | largest);
        return (u8)(f.infinity ? sign | (u32)top << f.mantissa_bits : nan);
    }
    return (u8)(f.negative_zero_is_nan && !code ? 0 : sign | code);
}
