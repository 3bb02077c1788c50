/* Does this CPU run an ISA level? Compiled for every machine of its architecture, unlike the rest of a model. */
typedef unsigned u32;

int ds_cpu_runs(u32 leaf_1, u32 leaf_7, u32 leaf_7c, u32 leaf_7_1, u32 extended, u32 xcr0);

#if defined(__x86_64__)
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

/* The bits that must be set in ecx of CPUID's leaf 1, ebx and ecx of 7, eax of its subleaf 1, ecx of 0x80000001, and in
 * XCR0 (ir/targets.def). */
int ds_cpu_runs(u32 leaf_1, u32 leaf_7, u32 leaf_7c, u32 leaf_7_1, u32 extended, u32 xcr0) {
    u32 most = cpuid(0, 0).a, most_extended = cpuid(0x80000000u, 0).a, has_xgetbv = 1u << 27;
    u32 c = most >= 1 ? cpuid(1, 0).c : 0;
    registers seven = {0, 0, 0, 0};
    if (most >= 7) seven = cpuid(7, 0);
    if (leaf_1 & ~c) return 0;
    if (leaf_7 & ~seven.b) return 0;
    if (leaf_7c & ~seven.c) return 0;
    if (leaf_7_1 & ~(seven.a ? cpuid(7, 1).a : 0)) return 0;
    if (extended & ~(most_extended >= 0x80000001u ? cpuid(0x80000001u, 0).c : 0)) return 0;
    return !(xcr0 & ~(c & has_xgetbv ? read_xcr0() : 0));
}
#else
/* The second one: bits of the upper half of ID_AA64ISAR0_EL1, which the operating system reads for programs. */
int ds_cpu_runs(u32 leaf_1, u32 leaf_7, u32 leaf_7c, u32 leaf_7_1, u32 extended, u32 xcr0) {
    unsigned long long features = 0;
    if (leaf_7) __asm__ volatile("mrs %0, ID_AA64ISAR0_EL1" : "=r"(features));
    return !(leaf_7 & ~(u32)(features >> 32)) && !(leaf_1 | leaf_7c | leaf_7_1 | extended | xcr0);
}
#endif
