/* Does this CPU run an ISA level, and may this process use its registers? Compiled for every machine of its
 * architecture, unlike the rest of a model. */
#include "../runtime/ds_abi.h"

typedef unsigned u32;

int ds_cpu_check(u32 leaf_1, u32 leaf_7, u32 leaf_7c, u32 leaf_7d, u32 leaf_7_1, u32 extended, u32 xcr0);

#if defined(__x86_64__)
enum { TILE_DATA = 18 /* bit of XCR0: registers that hold matrices */ };

typedef struct {
    u32 a, b, c, d;
} registers;

static registers cpuid(u32 leaf, u32 subleaf) {
    registers r;
    __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(subleaf));
    return r;
}

/* What the operating system keeps of registers when it changes threads. */
static u32 read_xcr0(void) {
    u32 low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static int has_bits(u32 leaf_1, u32 leaf_7, u32 leaf_7c, u32 leaf_7d, u32 leaf_7_1, u32 extended, u32 xcr0) {
    u32 most = cpuid(0, 0).a, most_extended = cpuid(0x80000000u, 0).a, has_xgetbv = 1u << 27;
    u32 c = most >= 1 ? cpuid(1, 0).c : 0;
    registers seven = {0, 0, 0, 0};
    if (most >= 7) seven = cpuid(7, 0);
    if (leaf_1 & ~c) return 0;
    if (leaf_7 & ~seven.b) return 0;
    if (leaf_7c & ~seven.c) return 0;
    if (leaf_7d & ~seven.d) return 0;
    if (leaf_7_1 & ~(seven.a ? cpuid(7, 1).a : 0)) return 0;
    if (extended & ~(most_extended >= 0x80000001u ? cpuid(0x80000001u, 0).c : 0)) return 0;
    return !(xcr0 & ~(c & has_xgetbv ? read_xcr0() : 0));
}

/* Linux keeps these registers, 8 KB a thread, for processes that have asked for them: arch_prctl(2),
 * ARCH_REQ_XCOMP_PERM. All threads have it then, and those of before; to ask again is no harm. */
static int may_use(u32 feature) {
    enum { ARCH_PRCTL = 158, REQUEST = 0x1023 };
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"((long)ARCH_PRCTL), "D"((long)REQUEST), "S"((long)feature)
                     : "rcx", "r11", "memory");
    return result == 0;
}

/* The bits that must be set in ecx of CPUID's leaf 1, ebx, ecx and edx of 7, eax of its subleaf 1, ecx of 0x80000001, and
 * in XCR0 (ir/targets.def). A status of ds_abi.h. */
int ds_cpu_check(u32 leaf_1, u32 leaf_7, u32 leaf_7c, u32 leaf_7d, u32 leaf_7_1, u32 extended, u32 xcr0) {
    if (!has_bits(leaf_1, leaf_7, leaf_7c, leaf_7d, leaf_7_1, extended, xcr0)) return DS_WRONG_CPU;
    return xcr0 >> TILE_DATA & 1 && !may_use(TILE_DATA) ? DS_NO_PERMISSION : DS_RUN_OK;
}
#else
/* The registers have a digit of four bits for each feature, that grows with what there is. */
static int has_digits(u32 needed, u32 digits) {
    for (u32 shift = 0; shift < 32; shift += 4)
        if ((digits >> shift & 15) < (needed >> shift & 15)) return 0;
    return 1;
}

/* The second and the third one: upper halves of ID_AA64ISAR0_EL1 and ID_AA64ISAR1_EL1, which the operating system reads for
 * programs. */
int ds_cpu_check(u32 leaf_1, u32 leaf_7, u32 leaf_7c, u32 leaf_7d, u32 leaf_7_1, u32 extended, u32 xcr0) {
    unsigned long long first = 0, second = 0;
    u32 others = leaf_1 | leaf_7d | leaf_7_1 | extended | xcr0;
    if (leaf_7) __asm__ volatile("mrs %0, ID_AA64ISAR0_EL1" : "=r"(first));
    if (leaf_7c) __asm__ volatile("mrs %0, ID_AA64ISAR1_EL1" : "=r"(second));
    int has_all = !others && has_digits(leaf_7, (u32)(first >> 32)) && has_digits(leaf_7c, (u32)(second >> 32));
    return has_all ? DS_RUN_OK : DS_WRONG_CPU;
}
#endif
