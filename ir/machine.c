#include "machine.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

static const ds_machine machines[] = {
#define DS_MACHINE(...) {__VA_ARGS__},
#define DS_CPU(...)
#include "machine.def"
#undef DS_MACHINE
#undef DS_CPU
};

static const struct {
    const char *name, *maker;
    uint32_t family, first, last;
} cpus[] = {
#define DS_MACHINE(...)
#define DS_CPU(...) {__VA_ARGS__},
#include "machine.def"
#undef DS_MACHINE
#undef DS_CPU
};

const ds_machine *ds_machine_at(size_t index) {
    return index < sizeof machines / sizeof *machines ? &machines[index] : NULL;
}

#if defined(__x86_64__)
static void identify(char maker[13], uint32_t *family, uint32_t *model) {
    uint32_t most, b, c, d, a;
    if (!__get_cpuid(0, &most, &b, &c, &d)) return;
    memcpy(maker, &b, 4);
    memcpy(maker + 4, &d, 4);
    memcpy(maker + 8, &c, 4);
    if (!__get_cpuid(1, &a, &b, &c, &d)) return;
    *family = (a >> 8 & 0xf) + ((a >> 8 & 0xf) == 0xf ? a >> 20 & 0xff : 0);
    *model = (a >> 4 & 0xf) | (a >> 12 & 0xf0);
}
#else
static void identify(char maker[13], uint32_t *family, uint32_t *model) {
    char text[32];
    FILE *f = fopen("/sys/devices/system/cpu/cpu0/regs/identification/midr_el1", "r");
    if (!f) return;
    unsigned long long id = fgets(text, sizeof text, f) ? strtoull(text, NULL, 16) : 0;
    fclose(f);
    memcpy(maker, "Arm", 4);
    *family = (uint32_t)(id >> 24 & 0xff);
    *model = (uint32_t)(id >> 4 & 0xfff);
}
#endif

const char *ds_machine_native(void) {
    char maker[13] = "";
    uint32_t family = 0, model = 0;
    identify(maker, &family, &model);
    for (size_t i = 0; i < sizeof cpus / sizeof *cpus; i++)
        if (!strcmp(cpus[i].maker, maker) && cpus[i].family == family && cpus[i].first <= model &&
            model <= cpus[i].last)
            return cpus[i].name;
    return NULL;
}

static const ds_machine *find(const char *name, const char *level) {
    const ds_machine *m;
    for (size_t i = 0; (m = ds_machine_at(i)) && (strcmp(m->name, name) != 0 || strcmp(m->level, level) != 0);) i++;
    return m;
}

const ds_machine *ds_machine_find(const char *name, const char *level) {
    if (strcmp(name, "native") != 0) return find(name, level);
    const char *own = ds_machine_native();
    const ds_machine *m = own ? find(own, level) : NULL;
    return m ? m : find(level, level);
}
