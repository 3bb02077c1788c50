/* What the files that read text share: parse.c (ops, functions, modules), parse_attr.c (types and attributes),
 * parse_words.c (characters, words, errors). */
#ifndef DS_PARSE_H
#define DS_PARSE_H

#include "ir.h"
#include "safetensors.h"

enum { PARSE_MOST_DEPTH = 128 };

typedef struct {
    char *key;
    ds_value *value;
} value_name;

typedef struct {
    char *key;
    const ds_attr *value;
} attr_alias;

typedef struct {
    char *key;
    const char *value; /* where the type stands */
    const ds_type *type;
} type_alias;

typedef struct {
    const char *key; /* interned */
    bool value;
} unnamed_extent;

typedef struct {
    ds_ir_context *cx;
    ds_module *m;
    const char *start, *at, *end;
    const char *token_end;  /* behind the last thing read, before the space that was skipped since */
    const char *skipped_to; /* … and behind that space */
    const char *counted;    /* up to where lines are counted */
    ds_spot spot;           /* there */
    const char *returned;   /* where the last func.return stands */
    value_name *values;     /* stb_ds string map: names of the current function */
    attr_alias *attrs;      /* stb_ds string maps */
    type_alias *types;
    unnamed_extent *unnamed; /* stb_ds hash map: symbols of `?` that the text gives no name */
    ds_files *files;
    const char *path;
    ds_safetensors weights; /* opened when the first resource is met */
    int depth;
    bool failed;
} reader;

/* ---- parse_words.c ---- */

ds_spot parse_spot(reader *r, const char *at);
/* The first error counts. Always false. */
bool parse_fail(reader *r, const char *at, const char *format, ...) DS_PRINTF(3, 4);
/* " (is it NAME?)" or nothing, for the end of an error. */
const char *parse_guess(reader *r, const char *nearest);
void parse_skip(reader *r);
bool parse_accept(reader *r, const char *word);
bool parse_expect(reader *r, const char *word);
bool parse_peek(reader *r, char c);
const char *parse_word(reader *r); /* letters, digits, _ . $; NULL when there are none */
bool parse_string(reader *r, const char **out, size_t *out_length);
bool parse_int(reader *r, int64_t *out);
int parse_hex_digit(char c); /* -1: none */
const char *parse_type_text(reader *r, const ds_type *type);

/* ---- parse_attr.c ---- */

const ds_type *parse_type(reader *r);
const ds_attr *parse_attr(reader *r);
const ds_attr *parse_dict(reader *r);
/* Behind "{", up to "}". `starts`, if given, gets where each entry stands. */
bool parse_entries(reader *r, ds_named_attr **out, const char ***starts);
/* The type of a value, and what text says of it: the same but for extents that it gives no name. */
bool parse_same_type(const reader *r, const ds_type *is, const ds_type *says);

#endif
