/* The table of targets and ISA levels (targets.def). */
#ifndef DS_TARGET_H
#define DS_TARGET_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    const char *name, *arch, *cpu, *features;
    unsigned vector_bytes, registers;
    bool has_fma, has_masks;
    size_t l1_bytes, l2_bytes;
} ds_target;

const ds_target *ds_target_find(const char *name); /* NULL when unknown; "native" is the best level of this machine */
const ds_target *ds_target_at(size_t index);       /* NULL past the end */

#endif
