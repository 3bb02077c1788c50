#include "target.h"

#include <string.h>

static const ds_target targets[] = {
#define DS_TARGET(name, arch, cpu, features, vector, registers, fma, mask, l1, l2)                                                         \
    {name, arch, cpu, features, vector, registers, fma, mask, l1, l2},
#include "targets.def"
#undef DS_TARGET
};

static const char *native_name(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        return "x86-64-v4";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) return "x86-64-v3";
    return "x86-64";
#elif defined(__aarch64__)
    return "aarch64";
#else
    return "x86-64";
#endif
}

const ds_target *ds_target_find(const char *name) {
    if (strcmp(name, "native") == 0) name = native_name();
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        if (strcmp(targets[i].name, name) == 0) return &targets[i];
    return NULL;
}

const ds_target *ds_target_at(size_t index) { return index < sizeof targets / sizeof *targets ? &targets[index] : NULL; }
