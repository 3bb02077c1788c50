/* Characters, words, and errors that point at them. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

ds_spot parse_spot(reader *r, const char *at) {
    if (!r->counted || at < r->counted) {
        r->counted = r->start;
        r->spot = (ds_spot){1, 1};
    }
    for (; r->counted < at; r->counted++) {
        bool ends = *r->counted == '\n';
        r->spot = (ds_spot){r->spot.line + ends, ends ? 1 : r->spot.column + 1};
    }
    return r->spot;
}

bool parse_fail(reader *r, const char *at, const char *format, ...) {
    if (r->failed) return false;
    r->failed = true;
    va_list args;
    va_start(args, format);
    const char *message = ds_arena_vprintf(r->cx->arena, format, args);
    va_end(args);
    ds_report_at(r->cx->diag, DS_ERROR, DS_E_text, parse_spot(r, at), NULL, "%s", message);
    return false;
}

const char *parse_guess(reader *r, const char *nearest) {
    return nearest ? ds_arena_printf(r->cx->arena, " (is it %s?)", nearest) : "";
}

void parse_skip(reader *r) {
    const char *from = r->at;
    for (;;) {
        while (r->at < r->end && isspace((unsigned char)*r->at)) r->at++;
        if (r->end - r->at < 2 || r->at[0] != '/' || r->at[1] != '/') break;
        while (r->at < r->end && *r->at != '\n') r->at++;
    }
    if (from != r->skipped_to) r->token_end = from; /* something was read since */
    r->skipped_to = r->at;
}

bool parse_accept(reader *r, const char *word) {
    parse_skip(r);
    size_t n = strlen(word);
    if ((size_t)(r->end - r->at) < n || strncmp(r->at, word, n) != 0) return false;
    if (isalpha((unsigned char)word[n - 1]) && r->at + n < r->end &&
        (isalnum((unsigned char)r->at[n]) || r->at[n] == '_'))
        return false;
    r->at += n;
    return true;
}

/* What is missing at the end of a line is missing there, not where the next one begins. */
bool parse_expect(reader *r, const char *word) {
    if (parse_accept(r, word)) return true;
    bool behind = r->token_end && r->token_end < r->at && memchr(r->token_end, '\n', (size_t)(r->at - r->token_end));
    return parse_fail(r, behind || r->at == r->end ? r->token_end : r->at, "expected '%s'", word);
}

bool parse_peek(reader *r, char c) {
    parse_skip(r);
    return r->at < r->end && *r->at == c;
}

const char *parse_word(reader *r) {
    parse_skip(r);
    const char *from = r->at;
    while (r->at < r->end && (isalnum((unsigned char)*r->at) || *r->at == '_' || *r->at == '.' || *r->at == '$'))
        r->at++;
    return r->at > from ? ds_arena_strndup(r->cx->arena, from, (size_t)(r->at - from)) : NULL;
}

int parse_hex_digit(char c) {
    return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* The character that an escape stands for; r->at is behind its backslash. */
static char read_escape(reader *r) {
    if (r->end - r->at >= 2 && parse_hex_digit(r->at[0]) >= 0 && parse_hex_digit(r->at[1]) >= 0) {
        int code = parse_hex_digit(r->at[0]) * 16 + parse_hex_digit(r->at[1]);
        r->at += 2;
        return (char)code;
    }
    char c = *r->at++;
    return c == 'n' ? '\n' : c == 't' ? '\t' : c;
}

bool parse_string(reader *r, const char **out, size_t *out_length) {
    ds_string s = {0};
    if (!parse_expect(r, "\"")) return false;
    const char *from = r->at - 1;
    while (r->at < r->end && *r->at != '"' && *r->at != '\n') {
        char c = *r->at++;
        if (c == '\\' && r->at < r->end) c = read_escape(r);
        ds_string_append(&s, &c, 1);
    }
    *out = ds_arena_strndup(r->cx->arena, s.data ? s.data : "", s.length);
    *out_length = s.length;
    ds_string_free(&s);
    if (r->at == r->end || *r->at != '"') return parse_fail(r, from, "this string does not end on its line");
    r->at++;
    return true;
}

bool parse_int(reader *r, int64_t *out) {
    parse_skip(r);
    char *end;
    char text[32];
    size_t n = 0;
    for (const char *p = r->at;
         p < r->end && n + 1 < sizeof text && (isdigit((unsigned char)*p) || (n == 0 && *p == '-')); p++)
        text[n++] = *p;
    text[n] = 0;
    errno = 0;
    *out = strtoll(text, &end, 10);
    bool large = errno == ERANGE && *text != '-';
    if (large) {
        errno = 0;
        *out = (int64_t)strtoull(text, &end, 10);
    }
    if (errno == ERANGE) return parse_fail(r, r->at, "this integer does not fit 64 bits");
    if (end == text) return parse_fail(r, r->at, "expected an integer");
    r->at += n;
    return true;
}

const char *parse_type_text(reader *r, const ds_type *type) {
    ds_string s = {0};
    ds_type_print(&s, type);
    const char *text = ds_arena_strdup(r->cx->arena, s.data);
    ds_string_free(&s);
    return text;
}
