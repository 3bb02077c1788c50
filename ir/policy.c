#include "policy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

/* ---- names ---- */

bool ds_policy_matches(const char *pattern, const char *name) {
    const char *star = NULL, *from = NULL; /* the last *, and where what it stands for ends */
    while (*name) {
        if (*pattern == '*') {
            star = pattern++;
            from = name;
        } else if (*pattern && (*pattern == '?' || *pattern == *name)) {
            pattern++;
            name++;
        } else if (star) {
            pattern = star + 1;
            name = ++from;
        } else return false;
    }
    while (*pattern == '*') pattern++;
    return !*pattern;
}

const ds_policy_rule *ds_policy_find(const ds_policy *policy, const char *name, double span) {
    for (size_t i = 0; i < policy->count; i++) {
        const ds_policy_rule *rule = &policy->rules[i];
        if (ds_policy_matches(rule->pattern, name) && (isinf(rule->span) || span < rule->span)) return rule;
    }
    return NULL;
}

/* ---- policies that have a name ---- */

static const struct {
    const char *word;
    bool pays;
    const char *text;
} named[] = {
    {"f32", true, ""},
    {"bf16", true, "*: bf16"},
    {"f16", true, "*: f16"},
    {"int8", false, "*.weight: i8 sym per-channel\n*.act: ui8 asym per-tensor"},
    {"int4", false, "*.weight: i4 sym blocks=32\n*.act: ui8 asym per-tensor"},
    /* Small numbers add little to what is summed, large ones need exponents, or all digits. */
    {"range", false,
     "*: f8E5M2 per-tensor if span<1e-5\n*: f8E4M3FN per-tensor if span<1e-3\n*: i8 sym per-tensor if span<1e-1\n"
     "*: f16 if span<1e2\n*: bf16 if span<1e5\n*: tf32 if span<1e8\n*: f32"},
};

bool ds_policy_named(ds_ir_context *cx, const char *word, ds_policy *out) {
    for (size_t i = 0; i < DS_COUNT(named); i++) {
        if (strcmp(named[i].word, word)) continue;
        if (ds_policy_parse(cx, named[i].text, strlen(named[i].text), out) != DS_OK) return false;
        out->name = named[i].word;
        out->pays = named[i].pays;
        return true;
    }
    return false;
}

const char *ds_policy_words(ds_ir_context *cx) {
    const char *all = "";
    for (size_t i = 0; i < DS_COUNT(named); i++)
        all = ds_arena_printf(cx->arena, "%s%s%s", all, i ? ", " : "", named[i].word);
    return all;
}

/* ---- files ---- */

static ds_status fail(ds_ir_context *cx, unsigned line, const char *what) {
    return ds_report(cx->diag, DS_ERROR, DS_E_policy, NULL, "line %u: %s", line, what);
}

/* The next word of *text, which moves behind it; "": there is none. */
static const char *next_word(ds_ir_context *cx, const char **text) {
    *text += strspn(*text, " \t");
    size_t length = strcspn(*text, " \t");
    const char *word = ds_arena_printf(cx->arena, "%.*s", (int)length, *text);
    *text += length;
    return word;
}

static bool read_number(const char *text, double *out) {
    char *end;
    *out = strtod(text, &end);
    return end != text && !*end && isfinite(*out);
}

/* OBSERVER [OPTION=N] [if span<N] */
static ds_status read_conditions(ds_ir_context *cx, const char *rest, ds_policy_rule *rule) {
    static const char SPAN[] = "span<";
    const char *word = next_word(cx, &rest), *equals;
    if (*word && strcmp(word, "if")) {
        rule->observer = word;
        word = next_word(cx, &rest);
    }
    if (*rule->observer && (equals = strchr(word, '='))) {
        rule->option = ds_arena_printf(cx->arena, "%.*s", (int)(equals - word), word);
        if (!read_number(equals + 1, &rule->parameter)) return fail(cx, rule->line, "an option's value is no number");
        word = next_word(cx, &rest);
    }
    if (*word && strcmp(word, "if"))
        return fail(cx, rule->line, ds_arena_printf(cx->arena, "'%s' is no word of a rule", word));
    if (!*word) return DS_OK;
    word = next_word(cx, &rest);
    bool good = !strncmp(word, SPAN, sizeof SPAN - 1) && read_number(word + sizeof SPAN - 1, &rule->span);
    if (!good || !(rule->span > 0)) return fail(cx, rule->line, "what follows 'if' is span<N");
    return *next_word(cx, &rest) ? fail(cx, rule->line, "there is more behind the condition") : DS_OK;
}

static ds_status read_rule(ds_ir_context *cx, const char *text, unsigned line, ds_policy_rule **rules) {
    ds_policy_rule rule = {.observer = "", .option = "", .span = (double)INFINITY, .line = line};
    const char *colon = strstr(text, ": "), *rest, *why;
    if (!colon) return fail(cx, line, "a rule is PATTERN: ENCODING, as '*.weight: i8 sym per-channel'");
    rule.pattern = ds_arena_printf(cx->arena, "%.*s", (int)(colon - text), text);
    if (!*rule.pattern) return fail(cx, line, "the pattern is missing");
    if (!ds_encoding_parse(colon + 1, &rule.encoding, &rest, &why)) return fail(cx, line, why);
    DS_TRY(read_conditions(cx, rest, &rule));
    arrput(*rules, rule);
    return DS_OK;
}

static ds_status read_line(ds_ir_context *cx, const char *text, size_t length, unsigned line, ds_policy_rule **rules) {
    while (length && strchr(" \t\r", text[length - 1])) length--;
    while (length && strchr(" \t", *text)) text++, length--;
    if (!length || *text == '#') return DS_OK;
    if (memchr(text, '\0', length)) return fail(cx, line, "the file is no text");
    return read_rule(cx, ds_arena_printf(cx->arena, "%.*s", (int)length, text), line, rules);
}

ds_status ds_policy_parse(ds_ir_context *cx, const char *text, size_t length, ds_policy *out) {
    enum { MOST_LINE = 4096 };
    ds_status status = DS_OK;
    unsigned line = 1;
    ds_policy_rule *rules = NULL;
    *out = (ds_policy){.name = ""};
    for (size_t at = 0; at < length && status == DS_OK; line++) {
        const char *stop = memchr(text + at, '\n', length - at);
        size_t count = stop ? (size_t)(stop - text) - at : length - at;
        status = count > MOST_LINE ? fail(cx, line, "is too long") : read_line(cx, text + at, count, line, &rules);
        at += count + 1;
    }
    if (status == DS_OK) out->count = arrlenu(rules);
    ds_policy_rule *kept = DS_NEW_ARRAY(cx->arena, ds_policy_rule, out->count);
    if (out->count) memcpy(kept, rules, out->count * sizeof *kept);
    out->rules = kept;
    arrfree(rules);
    return status;
}

ds_status ds_policy_read(ds_ir_context *cx, const char *path, ds_policy *out) {
    ds_files files = {0};
    const ds_mapped_file *file;
    const char *before = cx->diag->file;
    *out = (ds_policy){.name = ""};
    cx->diag->file = path;
    ds_status status = ds_files_open(&files, cx->diag, path, &file);
    if (status == DS_OK) status = ds_policy_parse(cx, (const char *)file->bytes, file->length, out);
    out->name = ds_arena_strdup(cx->arena, path);
    cx->diag->file = before;
    ds_files_close(&files);
    return status;
}
