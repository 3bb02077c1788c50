/* The arguments of a compiled function, as callers see them: derived from a plan's `inputs`, `outputs` and names. */
#ifndef DS_SIGNATURE_H
#define DS_SIGNATURE_H

#include "ir/ir.h"

typedef struct {
    const char *name;      /* the model's own */
    const char *field;     /* a C identifier, unique in the struct */
    const ds_type *type;   /* dense */
    const ds_type *memory; /* the same; where `ds.filled` says so (ir/alias.h), with room along a dim */
    int64_t room_dim;      /* which; -1: none */
    bool is_static;        /* no dims in the struct */
    uint64_t offset;       /* of {data, bytes, dims…} in the args struct */
    int64_t tied;          /* of a result: the input whose memory it may take; -1: none */
    bool is_alias;         /* it lies there in any case: the caller says so */
} ds_argument;

typedef struct {
    size_t input_count, output_count;
    ds_argument *inputs, *outputs; /* stb_ds arrays */
    const char **symbols;          /* stb_ds array: in order of first mention in the inputs; then those of rooms */
    const char **parameters;       /* stb_ds array: the same as C identifiers */
    size_t symbol_count;
    uint64_t bytes; /* of the args struct */
} ds_signature;

void ds_signature_open(ds_signature *out, ds_module *module, const ds_op *plan);
void ds_signature_close(ds_signature *signature);
/* How many rows the memory of an argument has room for; NULL: just what is there. */
const ds_expr *ds_room_symbol(const ds_argument *argument);
/* "result 'present' lies in the memory of input 'past'": what a call checks of a result that is an alias. */
void ds_signature_print_alias(ds_string *out, const ds_signature *signature, const ds_argument *result);
/* The model's spelling of a symbol. */
const char *ds_symbol_original(const ds_module *module, const char *symbol);

#endif
