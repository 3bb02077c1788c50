/* Names of models and tensors -> names in C and C++ programs: valid, free of reserved ones, and not those of the C
 * library. */
#ifndef DS_NAMES_H
#define DS_NAMES_H

#include "ir/base/base.h"

/* Letters and digits of ASCII and single underscores between them; digits in front, names that are reserved and empty
 * ones are changed. The result is a member of a struct, or a parameter. */
const char *ds_name_member(ds_arena *arena, const char *text, const char *if_empty);
/* False for keywords and macros. */
bool ds_name_may_be_member(const char *name);
/* The same for functions and types, which share their names with everything else in a program. */
const char *ds_name_global(ds_arena *arena, const char *text);
/* Why a program had better not call its own functions so, as the end of "NAME …"; NULL: it may. */
const char *ds_name_objection(const char *name);

#endif
