#include "tools/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/alias.h"

typedef enum {
#define GROUP(name, heading) GROUP_##name,
#include "tools/options.def"
#undef GROUP
} option_group;

static const char *const headings[] = {
#define GROUP(name, heading) heading,
#include "tools/options.def"
#undef GROUP
};

static const struct {
    const char *name, *arguments, *doc, *example;
} commands[] = {
#define COMMAND(name, arguments, doc, example) {#name, arguments, doc, example},
#include "tools/options.def"
#undef COMMAND
};

static const struct {
    const char *name;
    option_group group;
    const char *value, *commands, *otherwise, *doc;
} options[] = {
#define OPTION(name, group, value, list, otherwise, doc) {#name, GROUP_##group, value, list, otherwise, doc},
#include "tools/options.def"
#undef OPTION
};

static bool lists(const char *list, const char *word) {
    size_t n = strlen(word);
    for (const char *at = list; (at = strstr(at, word)); at += n)
        if ((at == list || at[-1] == ' ') && (at[n] == ' ' || !at[n])) return true;
    return false;
}

/* How an option's value is written behind its name: "=N"; where it may be left out "[=N]". */
static const char *value_text(size_t k, char *room, size_t size) {
    const char *value = options[k].value;
    bool optional = value && *value == '[';
    snprintf(room, size, "%s%s", optional ? "[=" : value ? "=" : "", optional ? value + 1 : value ? value : "");
    return room;
}

static bool takes(const char *command, size_t k) { return !command || lists(options[k].commands, command); }

/* One group's options as help; nothing of a group that the command has no option of. */
static void help_group(ds_string *out, const char *command, size_t group) {
    bool headed = false;
    for (size_t k = 0; k < DS_COUNT(options); k++) {
        char head[64], value[32];
        if (options[k].group != group || !takes(command, k)) continue;
        if (!headed) ds_string_printf(out, "\n%s\n", headings[group]);
        headed = true;
        snprintf(head, sizeof head, "--%s%s", options[k].name, value_text(k, value, sizeof value));
        ds_string_printf(out, "  %-24s %s", head, options[k].doc);
        if (options[k].otherwise) ds_string_printf(out, " (default: %s)", options[k].otherwise);
        ds_string_printf(out, "\n");
    }
}

void cli_help(ds_string *out, const char *command) {
    ds_string_printf(out, "usage: dsc COMMAND [OPTIONS] …\n\n");
    for (size_t i = 0; i < DS_COUNT(commands); i++)
        if (!command || !strcmp(command, commands[i].name))
            ds_string_printf(out, "  dsc %-8s %-18s %s\n", commands[i].name, commands[i].arguments, commands[i].doc);
    ds_string_printf(out, command ? "\nExample\n" : "\nExamples\n");
    for (size_t i = 0; i < DS_COUNT(commands); i++)
        if (!command || !strcmp(command, commands[i].name)) ds_string_printf(out, "  %s\n", commands[i].example);
    for (size_t g = 0; g < DS_COUNT(headings); g++) help_group(out, command, g);
    ds_string_printf(
        out,
        "\nExit codes: 0 done, 1 the input is wrong, 2 the command line is wrong, 3 not supported, 4 a bug in dsc\n");
}

/* Text of the tables in roff, where a plain hyphen would be shown as another character than the one that is typed. */
static void print_roff(ds_string *out, const char *text) {
    for (; *text; text++) ds_string_printf(out, *text == '-' ? "\\-" : *text == '\\' ? "\\e" : "%c", *text);
}

static void man_option(ds_string *out, size_t k) {
    char value[32];
    ds_string_printf(out, ".TP\n.B \\-\\-");
    print_roff(out, options[k].name);
    print_roff(out, value_text(k, value, sizeof value));
    ds_string_printf(out, "\n");
    print_roff(out, options[k].doc);
    if (options[k].otherwise) {
        ds_string_printf(out, " (default: ");
        print_roff(out, options[k].otherwise);
        ds_string_printf(out, ")");
    }
    ds_string_printf(out, ". Taken by: %s.\n", options[k].commands);
}

/* The manual page, in roff; and bash completions. Both from the same tables as --help. */
void cli_man(ds_string *out) {
    ds_string_printf(out,
                     ".TH DSC 1 \"\" \"dsc " DSC_VERSION
                     "\"\n.SH NAME\ndsc \\- compiles trained models to native code ahead of time\n.SH SYNOPSIS\n.B "
                     "dsc\nCOMMAND [OPTIONS] ...\n.SH COMMANDS\n");
    for (size_t i = 0; i < DS_COUNT(commands); i++)
        ds_string_printf(out, ".TP\n.B dsc %s %s\n%s\n", commands[i].name, commands[i].arguments, commands[i].doc);
    ds_string_printf(out, ".SH OPTIONS\n");
    for (size_t g = 0; g < DS_COUNT(headings); g++) {
        ds_string_printf(out, ".SS %s\n", headings[g]);
        for (size_t k = 0; k < DS_COUNT(options); k++)
            if (options[k].group == g) man_option(out, k);
    }
    ds_string_printf(out, ".SH EXAMPLES\n.nf\n");
    for (size_t i = 0; i < DS_COUNT(commands); i++) {
        print_roff(out, commands[i].example);
        ds_string_printf(out, "\n");
    }
    ds_string_printf(
        out,
        ".fi\n.SH EXIT STATUS\n0 done, 1 the input is wrong, 2 the command line is wrong, 3 something is not supported "
        "(all of it is listed), 4 a bug in dsc.\n");
}

void cli_completions(ds_string *out) {
    ds_string_printf(
        out, "_dsc() {\n    local word=${COMP_WORDS[COMP_CWORD]} list\n    if [ $COMP_CWORD = 1 ]; then list=\"");
    for (size_t i = 0; i < DS_COUNT(commands); i++) ds_string_printf(out, "%s ", commands[i].name);
    ds_string_printf(out, "\"\n    else case ${COMP_WORDS[1]} in\n");
    for (size_t i = 0; i < DS_COUNT(commands); i++) {
        ds_string_printf(out, "    %s) list=\"", commands[i].name);
        for (size_t k = 0; k < DS_COUNT(options); k++)
            if (takes(commands[i].name, k))
                ds_string_printf(out, "--%s%s ", options[k].name, options[k].value ? "=" : "");
        ds_string_printf(out, "\" ;;\n");
    }
    ds_string_printf(
        out,
        "    esac; fi\n    COMPREPLY=($(compgen -W \"$list\" -- \"$word\") $(compgen -f -- \"$word\"))\n}\ncomplete -o "
        "nospace -F _dsc dsc\n");
}

static ds_status usage(const char *what, const char *word) {
    fprintf(stderr, "dsc: error: %s '%s' (dsc --help)\n", what, word);
    return DS_BAD_USAGE;
}

static ds_status add_dim(cli *c, const char *text) {
    const char *equals = strchr(text, '=');
    char *end;
    if (!equals || equals == text) return usage("--dim needs NAME=N, not", text);
    long long n = strtoll(equals + 1, &end, 10);
    if (*end || end == equals + 1 || n < 0) return usage("--dim needs a size, not", equals + 1);
    char *name = ds_xmalloc((size_t)(equals - text) + 1);
    memcpy(name, text, (size_t)(equals - text));
    name[equals - text] = 0;
    ds_dim_value d = {name, n};
    arrput(c->dims, d);
    return DS_OK;
}

static ds_status add_option(cli *c, const char *name, size_t length, const char *value, int *i, int argc, char **argv) {
    for (size_t k = 0; k < DS_COUNT(options); k++) {
        if (strlen(options[k].name) != length || strncmp(options[k].name, name, length) != 0) continue;
        if (!takes(c->command, k)) continue;
        if (!options[k].value) {
            cli_option flag = {options[k].name, ""};
            if (value) return usage("option takes no value:", name);
            arrput(c->options, flag);
            return DS_OK;
        }
        if (!value && options[k].value[0] == '[') value = "";
        if (!value && *i + 1 >= argc) return usage("option needs a value:", name);
        cli_option o = {options[k].name, value ? value : argv[++*i]};
        arrput(c->options, o);
        if (!strcmp(o.name, "input")) arrput(c->inputs, o.value);
        if (!strcmp(o.name, "alias")) {
            if (!ds_pair_pattern_is_good(o.value))
                return usage("--alias needs INPUT=OUTPUT, each with one * or none, not", o.value);
            arrput(c->aliases, o.value);
        }
        return strcmp(o.name, "dim") ? DS_OK : add_dim(c, o.value);
    }
    return usage("this command has no option", name);
}

ds_status cli_parse(cli *c, int argc, char **argv) {
    *c = (cli){0};
    if (argc < 2) return usage("missing", "COMMAND");
    for (size_t i = 0; i < DS_COUNT(commands); i++)
        if (!strcmp(argv[1], commands[i].name)) c->command = commands[i].name;
    if (!c->command) return usage("no command is called", argv[1]);
    for (int i = 2; i < argc; i++) {
        const char *a = argv[i];
        if (strncmp(a, "--", 2) == 0 && a[2]) {
            const char *equals = strchr(a, '=');
            DS_TRY(add_option(c, a + 2, equals ? (size_t)(equals - a - 2) : strlen(a + 2), equals ? equals + 1 : NULL,
                              &i, argc, argv));
        } else if (a[0] == '-' && a[1] == 'o') DS_TRY(add_option(c, "output", 6, a[2] ? a + 2 : NULL, &i, argc, argv));
        else if (a[0] == '-' && a[1] == 'O' && a[2]) DS_TRY(add_option(c, "optimise", 8, a + 2, &i, argc, argv));
        else if (a[0] == '-' && a[1]) return usage("no option is called", a);
        else arrput(c->arguments, a);
    }
    return DS_OK;
}

void cli_free(cli *c) {
    for (size_t i = 0; i < arrlenu(c->dims); i++) free((char *)(uintptr_t)c->dims[i].name);
    arrfree(c->arguments), arrfree(c->options), arrfree(c->dims), arrfree(c->inputs), arrfree(c->aliases);
}

const char *cli_value(const cli *c, const char *name, const char *otherwise) {
    for (size_t i = arrlenu(c->options); i-- > 0;)
        if (!strcmp(c->options[i].name, name)) return c->options[i].value;
    return otherwise;
}

bool cli_has(const cli *c, const char *name) { return cli_value(c, name, NULL) != NULL; }

double cli_number(const cli *c, const char *name) {
    const char *text = cli_value(c, name, NULL);
    for (size_t k = 0; !text && k < DS_COUNT(options); k++)
        if (!strcmp(options[k].name, name) && takes(c->command, k)) text = options[k].otherwise;
    return text ? strtod(text, NULL) : 0;
}
