#include "hash.h"

#include <string.h>

static uint32_t rotated(uint32_t x, unsigned by) { return x >> by | x << (32 - by); }

static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

void ds_hasher_open(ds_hasher *h) {
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memset(h, 0, sizeof *h);
    memcpy(h->state, start, sizeof start);
}

static void add_block(ds_hasher *h, const uint8_t *block) {
    uint32_t w[64], s[8];
    for (size_t i = 0; i < 16; i++) {
        const uint8_t *b = block + 4 * i;
        w[i] = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    }
    for (size_t i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (rotated(a, 7) ^ rotated(a, 18) ^ a >> 3) +
               (rotated(b, 17) ^ rotated(b, 19) ^ b >> 10);
    }
    memcpy(s, h->state, sizeof s);
    for (size_t i = 0; i < 64; i++) {
        uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]), majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
        uint32_t one = s[7] + (rotated(s[4], 6) ^ rotated(s[4], 11) ^ rotated(s[4], 25)) + choice + constants[i] + w[i];
        uint32_t two = (rotated(s[0], 2) ^ rotated(s[0], 13) ^ rotated(s[0], 22)) + majority;
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += one;
        s[0] = one + two;
    }
    for (size_t i = 0; i < 8; i++) h->state[i] += s[i];
}

void ds_hasher_add(ds_hasher *h, const void *bytes, size_t length) {
    const uint8_t *from = bytes;
    size_t filled = (size_t)(h->length % 64);
    h->length += length;
    while (length) {
        size_t n = 64 - filled < length ? 64 - filled : length;
        if (n == 64) add_block(h, from);
        else {
            memcpy(h->block + filled, from, n);
            if (filled + n == 64) add_block(h, h->block);
        }
        from += n;
        length -= n;
        filled = 0;
    }
}

void ds_hasher_add_text(ds_hasher *h, const char *text) {
    ds_hasher_add(h, text ? text : "", text ? strlen(text) + 1 : 1);
}

ds_digest ds_hasher_close(ds_hasher *h) {
    static const uint8_t padding[64] = {0x80};
    uint8_t bits[8];
    ds_digest digest;
    for (size_t i = 0; i < 8; i++) bits[i] = (uint8_t)(h->length * 8 >> (56 - 8 * i));
    ds_hasher_add(h, padding, 1 + (119 - (size_t)(h->length % 64)) % 64);
    ds_hasher_add(h, bits, sizeof bits);
    for (size_t i = 0; i < sizeof digest.bytes; i++) digest.bytes[i] = (uint8_t)(h->state[i / 4] >> (24 - 8 * (i % 4)));
    return digest;
}
