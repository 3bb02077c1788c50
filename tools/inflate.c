#include "tools/inflate.h"

#include <string.h>

enum { MOST_BITS = 15, LITERALS = 288, DISTANCES = 30, ORDER = 19 };

/* `failed` stays: reading behind the end gives zeros until someone looks. */
typedef struct {
    const uint8_t *in;
    size_t in_count, at, out_count, done;
    uint8_t *out;
    uint64_t held;
    unsigned held_bits;
    bool failed;
} stream;

/* Codes of each length, and the symbols in order of their codes. */
typedef struct {
    uint16_t count[MOST_BITS + 1], symbol[LITERALS];
} codes;

static unsigned take(stream *s, unsigned bits) {
    while (s->held_bits < bits) {
        if (s->at == s->in_count) {
            s->failed = true;
            return 0;
        }
        s->held |= (uint64_t)s->in[s->at++] << s->held_bits;
        s->held_bits += 8;
    }
    unsigned value = (unsigned)(s->held & ((1u << bits) - 1));
    s->held >>= bits;
    s->held_bits -= bits;
    return value;
}

/* False where more codes are given than there are. */
static bool build(codes *c, const uint8_t *lengths, size_t count) {
    uint16_t first[MOST_BITS + 2] = {0};
    int left = 1;
    memset(c->count, 0, sizeof c->count);
    for (size_t i = 0; i < count; i++) c->count[lengths[i]]++;
    c->count[0] = 0;
    for (unsigned n = 1; n <= MOST_BITS; n++) {
        left = 2 * left - c->count[n];
        if (left < 0) return false;
        first[n + 1] = (uint16_t)(first[n] + c->count[n]);
    }
    for (size_t i = 0; i < count; i++)
        if (lengths[i]) c->symbol[first[lengths[i]]++] = (uint16_t)i;
    return true;
}

static unsigned symbol_of(stream *s, const codes *c) {
    int code = 0, first = 0, index = 0;
    for (unsigned n = 1; n <= MOST_BITS && !s->failed; n++) {
        code |= (int)take(s, 1);
        int count = c->count[n];
        if (code - first < count) return c->symbol[index + code - first];
        index += count;
        first = (first + count) << 1;
        code <<= 1;
    }
    s->failed = true;
    return 0;
}

static void put(stream *s, uint8_t byte) {
    if (s->done == s->out_count) s->failed = true;
    else s->out[s->done++] = byte;
}

static void copy_match(stream *s, unsigned length, size_t distance) {
    if (distance > s->done) s->failed = true;
    for (unsigned i = 0; i < length && !s->failed; i++) put(s, s->out[s->done - distance]);
}

static void read_symbols(stream *s, const codes *literals, const codes *distances) {
    static const uint16_t length_base[] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                           31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const uint8_t length_bits[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                          2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    enum { END = 256, LENGTHS = sizeof length_bits };
    while (!s->failed) {
        unsigned symbol = symbol_of(s, literals);
        if (symbol == END || s->failed) return;
        if (symbol < END) {
            put(s, (uint8_t)symbol);
            continue;
        }
        symbol -= END + 1;
        if (symbol >= LENGTHS) break;
        unsigned length = length_base[symbol] + take(s, length_bits[symbol]), code = symbol_of(s, distances);
        if (code >= DISTANCES) break;
        unsigned bits = code < 4 ? 0 : code / 2 - 1;
        size_t base = code < 4 ? code + 1 : ((size_t)(2 + code % 2) << bits) + 1;
        copy_match(s, length, base + take(s, bits));
    }
    s->failed = true;
}

static void read_stored(stream *s) {
    s->held = 0;
    s->held_bits = 0;
    unsigned length = take(s, 16), inverse = take(s, 16);
    if (s->failed || length != (inverse ^ 0xffff) || length > s->in_count - s->at || length > s->out_count - s->done) {
        s->failed = true;
        return;
    }
    memcpy(s->out + s->done, s->in + s->at, length);
    s->at += length;
    s->done += length;
}

static void read_fixed(stream *s) {
    codes literals, distances;
    uint8_t lengths[LITERALS];
    for (unsigned i = 0; i < LITERALS; i++) lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    build(&literals, lengths, LITERALS);
    memset(lengths, 5, DISTANCES);
    build(&distances, lengths, DISTANCES);
    read_symbols(s, &literals, &distances);
}

static bool read_lengths(stream *s, const codes *c, uint8_t *lengths, size_t count) {
    size_t n = 0;
    while (n < count && !s->failed) {
        unsigned symbol = symbol_of(s, c), times = 1;
        uint8_t value = (uint8_t)symbol;
        if (symbol == 16 && n == 0) return false;
        if (symbol == 16) value = lengths[n - 1];
        if (symbol > 16) value = 0;
        if (symbol == 16) times = 3 + take(s, 2);
        if (symbol == 17) times = 3 + take(s, 3);
        if (symbol == 18) times = 11 + take(s, 7);
        if (times > count - n) return false;
        memset(lengths + n, value, times);
        n += times;
    }
    return !s->failed;
}

static void read_dynamic(stream *s) {
    static const uint8_t order[ORDER] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    codes literals, distances;
    uint8_t lengths[LITERALS + 32] = {0}, short_lengths[ORDER] = {0};
    unsigned literal_count = take(s, 5) + 257, distance_count = take(s, 5) + 1, count = take(s, 4) + 4;
    for (unsigned i = 0; i < count; i++) short_lengths[order[i]] = (uint8_t)take(s, 3);
    bool good = literal_count <= 286 && distance_count <= DISTANCES && build(&literals, short_lengths, ORDER) &&
                read_lengths(s, &literals, lengths, literal_count + distance_count) &&
                build(&literals, lengths, literal_count) && build(&distances, lengths + literal_count, distance_count);
    if (good) read_symbols(s, &literals, &distances);
    else s->failed = true;
}

bool inflate_bytes(const uint8_t *in, size_t in_count, uint8_t *out, size_t out_count) {
    stream s = {.in = in, .in_count = in_count, .out = out, .out_count = out_count};
    for (bool last = false; !last && !s.failed;) {
        last = take(&s, 1);
        unsigned kind = take(&s, 2);
        if (kind == 0) read_stored(&s);
        else if (kind == 1) read_fixed(&s);
        else if (kind == 2) read_dynamic(&s);
        else s.failed = true;
    }
    return !s.failed && s.done == out_count;
}
