/* The table of targets and ISA levels (targets.def). */
#ifndef DS_TARGET_H
#define DS_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *name, *arch, *cpu, *features;
    unsigned vector_bytes, registers;
    bool has_fma, has_masks;
    const char *pairs; /* LLVM's name of an instruction: targets.def */
    /* Bits that must be set: ecx of leaf 1, ebx, ecx and edx of leaf 7, eax of its subleaf 1, ecx of leaf 0x80000001, XCR0.
     * All 0: the level runs on every machine of its architecture. */
    uint32_t cpuid_1, cpuid_7, cpuid_7c, cpuid_7d, cpuid_7_1, cpuid_extended, xcr0;
} ds_target;

const ds_target *ds_target_find(const char *name);  /* NULL when unknown; "native" is the best level of this machine */
const ds_target *ds_target_at(size_t index);        /* NULL past the end */
const ds_target *ds_target_least(const char *arch); /* the level of an architecture that all of its machines run */
bool ds_target_runs_here(const ds_target *t); /* this machine has its instructions, and lets this process use them */
bool ds_target_runs_everywhere(const ds_target *target);

#endif
