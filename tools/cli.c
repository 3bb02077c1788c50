#include "tools/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *arguments, *doc;
} commands[] = {
#define COMMAND(name, arguments, doc) {#name, arguments, doc},
#define OPTION(name, value, list, doc)
#include "tools/options.def"
#undef COMMAND
#undef OPTION
};

static const struct {
    const char *name, *value, *commands, *doc;
} options[] = {
#define COMMAND(name, arguments, doc)
#define OPTION(name, value, list, doc) {#name, value, list, doc},
#include "tools/options.def"
#undef COMMAND
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

void cli_help(ds_string *out, const char *command) {
    ds_string_printf(out, "usage: dsc COMMAND [OPTIONS] …\n\n");
    for (size_t i = 0; i < DS_COUNT(commands); i++)
        if (!command || !strcmp(command, commands[i].name))
            ds_string_printf(out, "  dsc %-8s %-18s %s\n", commands[i].name, commands[i].arguments, commands[i].doc);
    ds_string_printf(out, "\noptions:\n");
    for (size_t i = 0; i < DS_COUNT(options); i++) {
        char head[64], value[32];
        if (command && !lists(options[i].commands, command)) continue;
        snprintf(head, sizeof head, "--%s%s", options[i].name, value_text(i, value, sizeof value));
        ds_string_printf(out, "  %-24s %s\n", head, options[i].doc);
    }
    ds_string_printf(out, "\nexit codes: 0 done, 1 the input is wrong, 2 the command line is wrong, 3 not supported, 4 a bug in dsc\n");
}

/* The manual page, in roff; and bash completions. Both from the same tables as --help. */
void cli_man(ds_string *out) {
    ds_string_printf(out, ".TH DSC 1\n.SH NAME\ndsc \\- compiles trained models to native code ahead of time\n.SH SYNOPSIS\n.B "
                          "dsc\nCOMMAND [OPTIONS] ...\n.SH COMMANDS\n");
    for (size_t i = 0; i < DS_COUNT(commands); i++)
        ds_string_printf(out, ".TP\n.B dsc %s %s\n%s\n", commands[i].name, commands[i].arguments, commands[i].doc);
    ds_string_printf(out, ".SH OPTIONS\n");
    for (size_t i = 0; i < DS_COUNT(options); i++) {
        char value[32];
        ds_string_printf(out, ".TP\n.B \\-\\-%s%s\n%s. Taken by: %s.\n", options[i].name, value_text(i, value, sizeof value),
                         options[i].doc, options[i].commands);
    }
    ds_string_printf(out, ".SH EXIT STATUS\n0 done, 1 the input is wrong, 2 the command line is wrong, 3 something is not supported (all "
                          "of it is listed), 4 a bug in dsc.\n");
}

void cli_completions(ds_string *out) {
    ds_string_printf(out, "_dsc() {\n    local word=${COMP_WORDS[COMP_CWORD]} list\n    if [ $COMP_CWORD = 1 ]; then list=\"");
    for (size_t i = 0; i < DS_COUNT(commands); i++) ds_string_printf(out, "%s ", commands[i].name);
    ds_string_printf(out, "\"\n    else case ${COMP_WORDS[1]} in\n");
    for (size_t i = 0; i < DS_COUNT(commands); i++) {
        ds_string_printf(out, "    %s) list=\"", commands[i].name);
        for (size_t k = 0; k < DS_COUNT(options); k++)
            if (lists(options[k].commands, commands[i].name))
                ds_string_printf(out, "--%s%s ", options[k].name, options[k].value ? "=" : "");
        ds_string_printf(out, "\" ;;\n");
    }
    ds_string_printf(out, "    esac; fi\n    COMPREPLY=($(compgen -W \"$list\" -- \"$word\") $(compgen -f -- \"$word\"))\n}\ncomplete -o "
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
        if (!lists(options[k].commands, c->command)) break;
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
            DS_TRY(add_option(c, a + 2, equals ? (size_t)(equals - a - 2) : strlen(a + 2), equals ? equals + 1 : NULL, &i, argc, argv));
        } else if (a[0] == '-' && a[1] == 'o') DS_TRY(add_option(c, "output", 6, a[2] ? a + 2 : NULL, &i, argc, argv));
        else if (a[0] == '-' && a[1] == 'O' && a[2]) DS_TRY(add_option(c, "optimise", 8, a + 2, &i, argc, argv));
        else if (a[0] == '-' && a[1]) return usage("no option is called", a);
        else arrput(c->arguments, a);
    }
    return DS_OK;
}

void cli_free(cli *c) {
    for (size_t i = 0; i < arrlenu(c->dims); i++) free((char *)(uintptr_t)c->dims[i].name);
    arrfree(c->arguments), arrfree(c->options), arrfree(c->dims), arrfree(c->inputs);
}

const char *cli_value(const cli *c, const char *name, const char *otherwise) {
    for (size_t i = arrlenu(c->options); i-- > 0;)
        if (!strcmp(c->options[i].name, name)) return c->options[i].value;
    return otherwise;
}

bool cli_has(const cli *c, const char *name) { return cli_value(c, name, NULL) != NULL; }

double cli_number(const cli *c, const char *name, double otherwise) {
    const char *text = cli_value(c, name, NULL);
    return text ? strtod(text, NULL) : otherwise;
}
