/* Text IR: what parses is verified, and what is verified prints as text that parses to the same again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

static ds_status read_text(fuzz_session *s, const char *text, size_t length, ds_module **out) {
    *out = NULL;
    ds_status status = ds_module_parse(s->cx, &s->files, text, length, "text.mlir", out);
    return status == DS_OK ? ds_module_verify(*out) : status;
}

static void print_again(fuzz_session *s, ds_module *m) {
    ds_string first = {0}, second = {0};
    ds_module *again;
    ds_module_print(&first, m);
    if (read_text(s, first.data, first.length, &again) != DS_OK) {
        fprintf(stderr, "printed text is not read again:\n%s\n%s", first.data,
                s->diag.text.data ? s->diag.text.data : "");
        abort();
    }
    ds_module_print(&second, again);
    if (strcmp(first.data, second.data) != 0) {
        fprintf(stderr, "printed text is read as something else:\n%s\n%s", first.data, second.data);
        abort();
    }
    ds_module_destroy(again);
    ds_string_free(&first);
    ds_string_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    fuzz_session s;
    ds_module *m;
    fuzz_open(&s);
    fuzz_file(&s, "text.mlir", bytes, length);
    ds_status status = read_text(&s, (const char *)s.files.first->bytes, length, &m);
    fuzz_check(&s, status, "text");
    if (status == DS_OK) print_again(&s, m);
    ds_module_destroy(m);
    fuzz_close(&s);
    return 0;
}
