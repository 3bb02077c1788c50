/* What the attributes column of the op tables says: "maps:maps over:exprs pads?:pads". A name, a kind of value, `?`
 * where it may be left out. Attributes that a row does not name are free.
 *
 * Text has no form of its own for expressions: they are strings there. What reads text gives attributes their kind by
 * the row, so that everything behind it finds expressions, and a wrong kind is an error at its line.
 */
#ifndef DS_SCHEMA_H
#define DS_SCHEMA_H

#include "ir.h"

/*         kind      for people; a list of them has the name with an s */
#define DS_ATTR_KINDS(ROW)                                                                                             \
    ROW(unit, "no value: it is there or not")                                                                          \
    ROW(int, "an integer")                                                                                             \
    ROW(number, "an integer or a float")                                                                               \
    ROW(pad, "a number, or unit where nothing is read outside")                                                        \
    ROW(string, "a string")                                                                                            \
    ROW(expr, "an expression over symbols, as a string: \"2 * seq + 1\"")                                              \
    ROW(map, "an affine map; symbols by name")                                                                         \
    ROW(type, "a type")                                                                                                \
    ROW(element, "a constant's elements")                                                                              \
    ROW(dict, "names and values")                                                                                      \
    ROW(function, "the name of a function: @k0")                                                                       \
    ROW(constant, "a constant's elements, or the number of a result of @constants")

/*         key     kind       for people: of the dictionary behind a tensor type's elements. Absent: nothing of the sort
 */
#define DS_ENCODING_KEYS(ROW)                                                                                          \
    ROW(dims, "strings", "the extents that are no numbers, as expressions over symbols; \"\" for those that are")      \
    ROW(map, "map",                                                                                                    \
        "the order of dims in memory, and how they are divided: (d0, d1) -> (d1 floordiv 16, d0, d1 mod 16) are "      \
        "panels")                                                                                                      \
    ROW(border, "ints", "zeros around the tensor in memory: before and after it along each dim")                       \
    ROW(within, "ints",                                                                                                \
        "a range of channels of a larger buffer: how many that has, the first one's number, and which buffer")

/* As Markdown: the attributes of an op's row, one a line; the kinds, and the keys of encodings. */
void ds_schema_print_attributes(ds_string *out, ds_op_kind kind);
void ds_schema_print_kinds(ds_string *out);
void ds_schema_print_encodings(ds_string *out);
/* Gives the attributes of an op that was read from text their kinds, where they can have them. */
void ds_schema_apply(ds_ir_context *cx, ds_op *op);
/* "attribute 'bytes' is missing", or of another kind, in the module's arena; NULL when all fit. */
const char *ds_schema_misfit(ds_module *module, const ds_op *op);

#endif
