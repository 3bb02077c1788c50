#include "machine.h"

#include <string.h>

static const ds_machine machines[] = {
#define DS_MACHINE(...) {__VA_ARGS__},
#include "machine.def"
#undef DS_MACHINE
};

const ds_machine *ds_machine_at(size_t index) { return index < sizeof machines / sizeof *machines ? &machines[index] : NULL; }

const ds_machine *ds_machine_find(const char *name, const char *level) {
    const ds_machine *m;
    for (size_t i = 0; (m = ds_machine_at(i)) && (strcmp(m->name, name) != 0 || strcmp(m->level, level) != 0);) i++;
    return m;
}
