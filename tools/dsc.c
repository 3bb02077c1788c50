/* dsc: an ahead-of-time compiler for trained models. main is the command table; each sub-command is a file. */
#include <stdio.h>
#include <string.h>

#include "tools/cli.h"

static const struct {
    const char *name;
    ds_status (*run)(const cli *, ds_ir_context *);
} commands[] = {
#define COMMAND(name, arguments, doc, example) {#name, cmd_##name},
#include "tools/options.def"
#undef COMMAND
};

static int print(ds_string *text) {
    fputs(text->data, stdout);
    ds_string_free(text);
    return 0;
}

static int help(const char *command) {
    ds_string text = {0};
    cli_help(&text, command);
    return print(&text);
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "--version")) return printf("dsc %s\n", DSC_VERSION) < 0;
    if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help"))) return help(argc > 2 ? argv[2] : NULL);
    if (argc > 2 && !strcmp(argv[2], "--help")) return help(argv[1]);
    ds_string text = {0};
    if (argc == 2 && !strcmp(argv[1], "--man")) return cli_man(&text), print(&text);
    if (argc == 2 && !strcmp(argv[1], "--completions")) return cli_completions(&text), print(&text);
    cli c;
    ds_status status = cli_parse(&c, argc, argv);
    if (status == DS_OK) {
        ds_diag diag = {.json = !strcmp(cli_value(&c, "diagnostics", "text"), "json")};
        ds_ir_context *cx = ds_context_create(&diag);
        for (size_t i = 0; i < DS_COUNT(commands); i++)
            if (!strcmp(commands[i].name, c.command)) status = commands[i].run(&c, cx);
        if (diag.text.length) fputs(diag.text.data, stderr);
        ds_string_free(&diag.text);
        ds_context_destroy(cx);
    }
    cli_free(&c);
    return (int)status;
}
