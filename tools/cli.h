/* The command line: options.def as a parsed list. */
#ifndef DS_CLI_H
#define DS_CLI_H

#include "frontend/frontend.h"
#include "passes/passes.h"

typedef struct {
    const char *name, *value; /* value: "" for flags */
} cli_option;

typedef struct {
    const char *command;
    const char **arguments; /* stb_ds array: what is not an option */
    cli_option *options;    /* stb_ds array, in order */
    ds_dim_value *dims;     /* stb_ds array, from --dim */
    const char **inputs;    /* stb_ds array, from --input */
    const char **aliases;   /* stb_ds array, from --alias */
} cli;

/* Reports what is wrong to standard error; DS_BAD_USAGE then. */
DS_MUST_USE ds_status cli_parse(cli *out, int argc, char **argv);
void cli_free(cli *c);
const char *cli_value(const cli *c, const char *name, const char *otherwise);
bool cli_has(const cli *c, const char *name);
double cli_number(const cli *c, const char *name);  /* the default of options.def where it is not given; of words 0 */
void cli_help(ds_string *out, const char *command); /* NULL: everything */

void cli_man(ds_string *out);         /* the manual page, in roff */
void cli_completions(ds_string *out); /* for bash */

/* The sub-commands, one file each. */
#define COMMAND(name, arguments, doc, example) ds_status cmd_##name(const cli *c, ds_ir_context *cx);
#include "tools/options.def"
#undef COMMAND

#endif
