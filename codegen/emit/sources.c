/* Sources of runtime/, embedded in dsc: generated headers quote the ABI, programs are compiled from them. */
#include "codegen/emit/output.h"

#include <string.h>

#include "runtime_sources.h"

size_t ds_runtime_source_count(void) { return DS_COUNT(ds_runtime_sources); }

ds_span ds_runtime_source(size_t i, const char **out_name) {
    const ds_embedded_file *f = &ds_runtime_sources[i];
    *out_name = f->name;
    return (ds_span){f->bytes, (size_t)(f->end - f->bytes)};
}
