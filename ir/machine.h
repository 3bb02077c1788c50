/* The table of machines (machine.def): the only place that knows bytes, lines, ports and cycles.
 *
 * Sources: vendors' optimisation manuals for widths and sizes, tools/bench for rates. Rows of a level's own name are
 * what the benchmark was tuned on; the others differ where the manuals do, and have been measured where
 * tools/bench/README.md says so.
 */
#ifndef DS_MACHINE_H
#define DS_MACHINE_H

#include "target.h"

typedef struct {
    const char *name, *level; /* a row of targets.def */
    unsigned fma_ports, load_ports, fma_latency;
    unsigned line_bytes, stride_bytes;
    size_t l1_bytes, l2_bytes;
    double l2_rate, l2_rate_beside; /* bytes a cycle */
    const char *doc;
} ds_machine;

/* The row of a machine at a level; NULL when there is none. A level's own name finds the row of all machines; "native"
 * that of this machine, or of all where it has none. */
const ds_machine *ds_machine_find(const char *name, const char *level);
const ds_machine *ds_machine_at(size_t index); /* NULL past the end */
const char *ds_machine_native(void);           /* the name of this machine's rows; NULL when it has none */

#endif
