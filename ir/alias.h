/* Results that lie in the memory of an argument, because the caller gives both one buffer: caches that are changed in
 * place.
 *
 * `ds.alias` of a result is the argument's number. It stands from the first pass to the plan: decompose chooses forms
 * that can do it and checks the types, lower refuses what cannot be changed in place, the entry checks what it is given.
 *
 * Where such a result is longer than its argument along a dim that is not the outermost one, the memory has room behind
 * the rows of each outer dim (passes/grow.c). The type of both then says how the memory lies, with a symbol for the room
 * that follows from the argument's bytes, and `ds.filled` of both which part of it is the tensor that callers see: its
 * first elements along each dim.
 *
 *   %past: tensor<2x?x4xf32, {dims = ["", "past_room", ""]}> {ds.filled = tensor<2x?x4xf32, {dims = ["", "past", ""]}>}
 */
#ifndef DS_ALIAS_H
#define DS_ALIAS_H

#include "ir.h"

#define DS_ALIAS "ds.alias"
#define DS_FILLED "ds.filled"

/* The argument that result `i` of a graph or a plan lies in; -1: none. */
int64_t ds_alias_of(const ds_op *func, size_t i);
/* What is said of a result under a name; NULL: nothing. And: says it. */
const ds_attr *ds_result_attr(const ds_op *func, size_t i, const char *name);
void ds_result_set_attr(ds_module *module, ds_op *func, size_t i, const char *name, const ds_attr *value);
/* Names of arguments and results, as callers know them; they may be numbered ("output_0"). */
const char *ds_argument_name(ds_module *module, const ds_op *func, size_t i);
const char *ds_result_name(ds_module *module, const ds_op *func, size_t i);

/* Types of what a function takes and gives, for a check of its aliases: those that are no tensors are not known yet. */
typedef struct {
    const ds_type *const *types;
    size_t count;
} ds_types;

/* The tensor that callers see in argument i, or in result i, whose memory has this type: what `ds.filled` says, else the
 * type itself. */
const ds_type *ds_argument_filled(const ds_op *func, size_t i, const ds_type *memory);
const ds_type *ds_result_filled(const ds_op *func, size_t i, const ds_type *memory);
/* The dim along which memory has room behind a tensor that fills it in part; -1: none. Its extent is a symbol. */
int64_t ds_room_dim(const ds_type *memory, const ds_type *filled);
/* The dim that is not the outermost one along which a result of a graph is longer than its argument; -1: none. */
int64_t ds_alias_grown_dim(ds_module *module, const ds_op *func, const ds_type *argument, const ds_type *result);
/* Says `value` under `name` of an argument. */
void ds_argument_set_attr(ds_module *module, ds_op *func, size_t i, const char *name, const ds_attr *value);

/* What is wrong with the aliases of a function, as a sentence with the names of both tensors; NULL: nothing. A result
 * has the extents of its argument, or another one along the outermost dim (those before it are 1; in graphs that are to
 * pass `grow`, along one other dim); no two results share one. *out_code: of an error about it. */
const char *ds_alias_objection(ds_module *module, const ds_op *func, ds_types inputs, ds_types outputs,
                               ds_error_code *out_code);

/* ---- pairs of names: "past*=present*" ---- */

typedef struct {
    size_t input, output;
} ds_pair;

/* Is there a name on either side, and one * at most, on both or on neither? */
bool ds_pair_pattern_is_good(const char *pattern);
/* All inputs that the left side matches, each with the output that the right side matches and that has the same text in
 * place of the *; if none has, the one whose text is the same from its first digit on (past_key_values.0.key and
 * present.0.key). Appends to *out (stb_ds array); what has no such output, or several, is reported. */
DS_MUST_USE ds_status ds_pairs_find(ds_diag *diag, const char *pattern, const char *const *inputs, size_t input_count,
                                    const char *const *outputs, size_t output_count, ds_pair **out);

/* @main before the first pass, and all pairs of its inputs and outputs that the patterns name: appended to *out. `what`
 * is done to them, for an error: "aliases are declared". */
DS_MUST_USE ds_status ds_alias_pairs(ds_module *module, const char *what, const char *const *patterns, size_t count,
                                     ds_op **out_func, ds_pair **out);
/* Gives results of @main their alias, as the patterns say. */
DS_MUST_USE ds_status ds_alias_declare(ds_module *module, const char *const *patterns, size_t count);

#endif
