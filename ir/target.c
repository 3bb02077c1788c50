#include "target.h"

#include "machine.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

static const ds_target targets[] = {
#define DS_TARGET(...) {__VA_ARGS__},
#include "targets.def"
#undef DS_TARGET
};

#if defined(__x86_64__)
static const char own_arch[] = "x86_64";

static uint32_t read_xcr0(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

/* Where the system keeps registers of matrices from this process (seccomp, old kernels), their level is not native. */
static bool may_use(uint32_t xcr0) {
    enum { TILE_DATA = 18, REQUEST = 0x1023 };
    return !(xcr0 >> TILE_DATA & 1) || syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
}

/* The same test as in what dsc makes: kernels/cpu.c. */
static bool runs_here(const ds_target *t) {
    uint32_t a, b, c, d, leaf_1 = 0, leaf_7 = 0, leaf_7c = 0, leaf_7d = 0, leaf_7_1 = 0, extended = 0;
    if (__get_cpuid(1, &a, &b, &c, &d)) leaf_1 = c;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        uint32_t most = a;
        leaf_7 = b;
        leaf_7c = c;
        leaf_7d = d;
        if (most && __get_cpuid_count(7, 1, &a, &b, &c, &d)) leaf_7_1 = a;
    }
    if (__get_cpuid(0x80000001, &a, &b, &c, &d)) extended = c;
    uint32_t state = leaf_1 & bit_OSXSAVE ? read_xcr0() : 0;
    bool basic = !(t->cpuid_1 & ~leaf_1) && !(t->cpuid_extended & ~extended) && !(t->xcr0 & ~state);
    return basic && !(t->cpuid_7 & ~leaf_7) && !(t->cpuid_7c & ~leaf_7c) && !(t->cpuid_7d & ~leaf_7d) &&
           !(t->cpuid_7_1 & ~leaf_7_1) && may_use(t->xcr0);
}
#else
static const char own_arch[] = "aarch64";

static bool has_digits(uint32_t needed, uint32_t digits) {
    for (unsigned shift = 0; shift < 32; shift += 4)
        if ((digits >> shift & 15) < (needed >> shift & 15)) return false;
    return true;
}

static bool runs_here(const ds_target *t) {
    uint64_t first = 0, second = 0;
    if (t->cpuid_7) __asm__ volatile("mrs %0, ID_AA64ISAR0_EL1" : "=r"(first));
    if (t->cpuid_7c) __asm__ volatile("mrs %0, ID_AA64ISAR1_EL1" : "=r"(second));
    return has_digits(t->cpuid_7, (uint32_t)(first >> 32)) && has_digits(t->cpuid_7c, (uint32_t)(second >> 32));
}
#endif

bool ds_target_runs_here(const ds_target *t) { return !strcmp(t->arch, own_arch) && runs_here(t); }

/* The last level that runs here; on a machine that machine.def knows, of those that it says to be worth using. */
static const char *native_name(void) {
    const char *best = "", *own = ds_machine_native();
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        const char *level = targets[i].name;
        bool worth = !own || !*best || ds_machine_find(own, level);
        if (worth && ds_target_runs_here(&targets[i])) best = level;
    }
    return best;
}

bool ds_target_runs_everywhere(const ds_target *t) {
    return !(t->cpuid_1 | t->cpuid_7 | t->cpuid_7c | t->cpuid_7d | t->cpuid_7_1 | t->cpuid_extended | t->xcr0);
}

const ds_target *ds_target_least(const char *arch) {
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        if (!strcmp(targets[i].arch, arch) && ds_target_runs_everywhere(&targets[i])) return &targets[i];
    return NULL;
}

const ds_target *ds_target_find(const char *name) {
    if (strcmp(name, "native") == 0) name = native_name();
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        if (strcmp(targets[i].name, name) == 0) return &targets[i];
    return NULL;
}

const ds_target *ds_target_at(size_t index) {
    return index < sizeof targets / sizeof *targets ? &targets[index] : NULL;
}
