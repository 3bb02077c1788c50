#include "codegen/emit/names.h"

#include <stdlib.h>
#include <string.h>

/* Generated: of the system's C library, in order: library_macros, and library_names of all kinds. */
#include "library_names.h"

enum { NAME_LIMIT = 100 }; /* bytes: longer ones are cut */

/* Of C (up to C23) and C++ (up to C++23). */
static const char *const keywords[] = {"alignas",
                                       "alignof",
                                       "and",
                                       "and_eq",
                                       "asm",
                                       "auto",
                                       "bitand",
                                       "bitor",
                                       "bool",
                                       "break",
                                       "case",
                                       "catch",
                                       "char",
                                       "char16_t",
                                       "char32_t",
                                       "char8_t",
                                       "class",
                                       "co_await",
                                       "co_return",
                                       "co_yield",
                                       "compl",
                                       "concept",
                                       "const",
                                       "const_cast",
                                       "consteval",
                                       "constexpr",
                                       "constinit",
                                       "continue",
                                       "decltype",
                                       "default",
                                       "delete",
                                       "do",
                                       "double",
                                       "dynamic_cast",
                                       "else",
                                       "enum",
                                       "explicit",
                                       "export",
                                       "extern",
                                       "false",
                                       "float",
                                       "for",
                                       "friend",
                                       "goto",
                                       "if",
                                       "inline",
                                       "int",
                                       "long",
                                       "mutable",
                                       "namespace",
                                       "new",
                                       "noexcept",
                                       "not",
                                       "not_eq",
                                       "nullptr",
                                       "operator",
                                       "or",
                                       "or_eq",
                                       "private",
                                       "protected",
                                       "public",
                                       "register",
                                       "reinterpret_cast",
                                       "requires",
                                       "restrict",
                                       "return",
                                       "short",
                                       "signed",
                                       "sizeof",
                                       "static",
                                       "static_assert",
                                       "static_cast",
                                       "struct",
                                       "switch",
                                       "template",
                                       "this",
                                       "thread_local",
                                       "throw",
                                       "true",
                                       "try",
                                       "typedef",
                                       "typeid",
                                       "typename",
                                       "typeof",
                                       "typeof_unqual",
                                       "union",
                                       "unsigned",
                                       "using",
                                       "virtual",
                                       "void",
                                       "volatile",
                                       "wchar_t",
                                       "while",
                                       "xor",
                                       "xor_eq"};

/* What linkers, C++'s library and programs as such define. */
static const char *const program_names[] = {"main", "std", "end", "etext", "edata"};

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool is_among(const char *name, const char *const *list, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!strcmp(list[i], name)) return true;
    return false;
}

static int compare(const void *name, const void *entry) { return strcmp(name, *(const char *const *)entry); }

static bool is_keyword(const char *name) { return is_among(name, keywords, DS_COUNT(keywords)); }

static bool is_found(const char *name, const char *const *list, size_t count) {
    return bsearch(name, list, count, sizeof *list, compare) != NULL;
}

/* The same letters in either case: upper-case macros are made of these names, too. */
static bool starts_with(const char *name, const char *prefix) {
    for (; *prefix; name++, prefix++)
        if ((is_letter(*name) ? *name | 32 : *name) != *prefix) return false;
    return true;
}

static bool is_of_runtime(const char *name) { return starts_with(name, "ds_") || starts_with(name, "dsrt_"); }

const char *ds_name_objection(const char *name) {
    size_t length = strlen(name);
    if (!is_letter(*name) && *name != '_') return "is not an identifier";
    for (size_t i = 0; i < length; i++)
        if (!is_letter(name[i]) && !is_digit(name[i]) && name[i] != '_') return "is not an identifier";
    if (length > NAME_LIMIT) return "is too long";
    if (is_keyword(name)) return "is a keyword of C or C++";
    if (*name == '_' || strstr(name, "__")) return "is reserved in C or C++";
    if (is_among(name, program_names, DS_COUNT(program_names))) return "has a meaning of its own in every program";
    if (is_found(name, library_names, DS_COUNT(library_names))) return "belongs to the C library";
    if (length > 2 && !strcmp(name + length - 2, "_t")) return "is reserved for types";
    if (is_of_runtime(name)) return "belongs to dsc's own runtime";
    return NULL;
}

/* Every run of other characters is one underscore; none at the ends. */
static char *cleaned(ds_arena *arena, const char *text) {
    char clean[NAME_LIMIT + 1];
    size_t n = 0;
    for (; *text && n < NAME_LIMIT; text++) {
        if (is_letter(*text) || is_digit(*text)) clean[n++] = *text;
        else if (n && clean[n - 1] != '_') clean[n++] = '_';
    }
    if (n && clean[n - 1] == '_') n--;
    return ds_arena_strndup(arena, clean, n);
}

/* Numbers behind a name must get on in the end: no rule here may hold for all names of one beginning. */
bool ds_name_may_be_member(const char *name) {
    return !is_keyword(name) && strcmp(name, "DS_ABI") != 0 && strcmp(name, "DS_ABI_H") != 0 &&
           !is_found(name, library_macros, DS_COUNT(library_macros));
}

const char *ds_name_member(ds_arena *arena, const char *text, const char *if_empty) {
    const char *name = cleaned(arena, text);
    if (!*name) return if_empty;
    if (is_digit(*name)) return ds_arena_printf(arena, "_%s", name);
    return ds_name_may_be_member(name) ? name : ds_arena_printf(arena, "%s_", name);
}

const char *ds_name_global(ds_arena *arena, const char *text) {
    const char *name = cleaned(arena, text);
    if (!*name) return "model";
    return ds_name_objection(name) ? ds_arena_printf(arena, "model_%.*s", NAME_LIMIT - 6, name) : name;
}
