/* AMX for machines without it: what its instructions do, in a signal handler.
 *
 * Loaded before a program (LD_PRELOAD), it takes SIGILL. An instruction of AMX is decoded where it stands, computed as the
 * manual's pseudocode has it, and passed over; anything else, and every use that the hardware would refuse or that leaves
 * something undefined (registers that are not described, shapes that do not fit), ends the program with a sentence and
 * status 120. Tile registers are kept for each thread.
 *
 * Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18, and volume 2.
 * Limits: 64-bit code; no exceptions of floats, whose sums round to nearest even and lose subnormals.
 */
#define _GNU_SOURCE
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

enum { TILES = 8, ROWS = 16, BYTES = 64, STATUS = 120 };

typedef struct {
    uint8_t bytes[ROWS][BYTES];
    unsigned rows, columns; /* columns in bytes */
} tile;

static _Thread_local tile tiles[TILES];
static _Thread_local int is_described;

static void stop(const char *why) {
    char line[160];
    int n = snprintf(line, sizeof line, "amx: %s\n", why);
    if (write(2, line, (size_t)n) < 0) _exit(STATUS);
    _exit(STATUS);
}

/* An instruction: VEX.128, map 0F38, W0. prefix: 0 none, 1 66, 2 F3, 3 F2. */
typedef struct {
    unsigned prefix, opcode, reg, rm, vvvv;
    int is_memory;
    uint64_t base, stride; /* of memory: where, and the index register times its scale */
    size_t length;
} instruction;

static uint64_t value_of(const ucontext_t *c, unsigned number) {
    static const int places[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                 REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    return (uint64_t)c->uc_mcontext.gregs[places[number]];
}

static int64_t signed_at(const uint8_t *p, size_t bytes) {
    int32_t wide;
    if (bytes == 1) return (int8_t)*p;
    memcpy(&wide, p, sizeof wide);
    return wide;
}

/* The bytes behind the opcode that say where memory is. */
static size_t decode_memory(const ucontext_t *c, const uint8_t *p, unsigned extend_index, unsigned extend_base,
                            instruction *out) {
    unsigned mod = p[0] >> 6, base = p[0] & 7;
    size_t used = 1;
    out->stride = 0;
    if (base == 4) { /* a second byte */
        unsigned index = (p[1] >> 3 & 7) | extend_index << 3;
        base = p[1] & 7;
        if (index != 4) out->stride = value_of(c, index) << (p[1] >> 6);
        used++;
    } else if (mod == 0 && base == 5) {
        stop("memory beside the instruction pointer is not known here");
    }
    size_t bytes = mod == 1 ? 1 : mod == 2 || (mod == 0 && base == 5) ? 4 : 0;
    out->base = mod == 0 && base == 5 ? 0 : value_of(c, base | extend_base << 3);
    if (bytes) out->base += (uint64_t)signed_at(p + used, bytes);
    return used + bytes;
}

static int decode(const ucontext_t *c, instruction *out) {
    const uint8_t *p = (const uint8_t *)(uintptr_t)c->uc_mcontext.gregs[REG_RIP];
    if (p[0] != 0xc4 || (p[1] & 31) != 2 || p[2] & 0x84) return 0;
    unsigned r = ~p[1] >> 7 & 1, x = ~p[1] >> 6 & 1, b = ~p[1] >> 5 & 1;
    *out = (instruction){.prefix = p[2] & 3, .opcode = p[3], .vvvv = ~(unsigned)p[2] >> 3 & 15};
    out->reg = (p[4] >> 3 & 7) | r << 3;
    out->rm = (p[4] & 7) | b << 3;
    out->is_memory = p[4] >> 6 != 3;
    out->length = 4 + (out->is_memory ? decode_memory(c, p + 4, x, b, out) : 1);
    return 1;
}

static tile *described(unsigned number) {
    if (!is_described) stop("a tile is used before LDTILECFG");
    if (number >= TILES || !tiles[number].rows) stop("a tile is used that LDTILECFG does not describe");
    return &tiles[number];
}

static void describe(const uint8_t *p) {
    if (p[0] != 1 || p[1]) stop("LDTILECFG: not palette 1 from row 0 on");
    memset(tiles, 0, sizeof tiles);
    for (size_t i = 0; i < 64; i++)
        if ((i > 1 && i < 16) || (i >= 32 && i < 48) || i >= 56)
            if (p[i]) stop("LDTILECFG: a reserved byte is not 0");
    for (size_t i = 0; i < TILES; i++) {
        unsigned columns = p[16 + 2 * i] | (unsigned)p[17 + 2 * i] << 8, rows = p[48 + i];
        if (columns > BYTES || rows > ROWS || !columns != !rows) stop("LDTILECFG: no such shape");
        tiles[i].rows = rows;
        tiles[i].columns = columns;
    }
    is_described = 1;
}

static void move(const instruction *in, int to_memory) {
    tile *t = described(in->reg);
    if (!to_memory) memset(t->bytes, 0, sizeof t->bytes);
    for (unsigned r = 0; r < t->rows; r++) {
        void *at = (void *)(uintptr_t)(in->base + r * in->stride);
        if (to_memory) memcpy(at, t->bytes[r], t->columns);
        else memcpy(t->bytes[r], at, t->columns);
    }
}

static int32_t byte_of(const tile *t, unsigned r, unsigned i, int is_signed) {
    return is_signed ? (int8_t)t->bytes[r][i] : t->bytes[r][i];
}

static float half_of(const tile *t, unsigned r, unsigned i) {
    uint32_t bits = (uint32_t)(t->bytes[r][2 * i] | t->bytes[r][2 * i + 1] << 8) << 16;
    float v;
    memcpy(&v, &bits, sizeof v);
    return fpclassify(v) == FP_SUBNORMAL ? copysignf(0, v) : v;
}

static float flushed(float v) { return fpclassify(v) == FP_SUBNORMAL ? copysignf(0, v) : v; }

/* Sums of row r and column n: with the words of step k, four bytes or two numbers of 16 bits. */
static void add_bytes(uint8_t *sum, const tile *a, const tile *b, unsigned r, unsigned k, unsigned n, unsigned prefix) {
    uint32_t total;
    memcpy(&total, sum, sizeof total);
    for (unsigned i = 0; i < 4; i++) /* 66: unsigned by signed, F3 the other way, F2 both signed */
        total +=
            (uint32_t)(byte_of(a, r, 4 * k + i, prefix >= 2) * byte_of(b, k, 4 * n + i, prefix == 1 || prefix == 3));
    memcpy(sum, &total, sizeof total);
}

static void add_halves(uint8_t *sum, const tile *a, const tile *b, unsigned r, unsigned k, unsigned n) {
    float total;
    memcpy(&total, sum, sizeof total);
    for (unsigned i = 0; i < 2; i++) total = flushed(fmaf(half_of(a, r, 2 * k + i), half_of(b, k, 2 * n + i), total));
    memcpy(sum, &total, sizeof total);
}

static void multiply(const instruction *in, int are_bytes) {
    tile *c = described(in->reg);
    const tile *a = described(in->rm), *b = described(in->vvvv);
    if (c == a || c == b || a == b) stop("a product's tiles are not three");
    if (a->rows != c->rows || b->columns != c->columns || a->columns != 4 * b->rows)
        stop("the shapes of a product's tiles do not fit");
    for (unsigned r = 0; r < c->rows; r++)
        for (unsigned k = 0; k < b->rows; k++)
            for (unsigned n = 0; n < c->columns / 4; n++) {
                if (are_bytes) add_bytes(&c->bytes[r][4 * n], a, b, r, k, n, in->prefix);
                else add_halves(&c->bytes[r][4 * n], a, b, r, k, n);
            }
}

static void execute(const instruction *in) {
    unsigned what = in->opcode << 4 | in->prefix;
    if (what == 0x490 && in->is_memory) describe((const uint8_t *)(uintptr_t)(in->base + in->stride));
    else if (what == 0x490) is_described = 0;
    else if (what == 0x493 && !in->is_memory) memset(described(in->reg)->bytes, 0, ROWS * BYTES);
    else if ((what == 0x4b3 || what == 0x4b1) && in->is_memory) move(in, 0);
    else if (what == 0x4b2 && in->is_memory) move(in, 1);
    else if (in->opcode == 0x5e && !in->is_memory) multiply(in, 1);
    else if (what == 0x5c2 && !in->is_memory) multiply(in, 0);
    else stop("an instruction that is not known here");
}

static void take(int number, siginfo_t *info, void *context) {
    ucontext_t *c = context;
    instruction in;
    (void)number, (void)info;
    if (!decode(c, &in)) stop("an illegal instruction that is none of AMX");
    execute(&in);
    c->uc_mcontext.gregs[REG_RIP] += (long long)in.length;
}

__attribute__((constructor)) static void begin(void) {
    struct sigaction action = {.sa_sigaction = take, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGILL, &action, NULL);
}
