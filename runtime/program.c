/* The program that `dsc compile --emit=exe` makes of a model: reads .npy files, runs, writes .npy files.
 *
 * Compiled with DS_MODEL as the model's prefix, DS_WEIGHTS as the name of its .weights file where it has one. */
#include "libdsrt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

extern ds_model_entry DS_MODEL;
extern ds_model_arena JOIN(DS_MODEL, _arena_for);
extern const char JOIN(DS_MODEL, _description)[];

static void print_argument(FILE *f, const ds_model_argument *a, const int64_t *dims) {
    fprintf(f, "%s: %s[", a->name, a->elem);
    for (uint32_t d = 0; d < a->rank; d++) {
        if (dims[d] < 0) fprintf(f, "%s?", d ? ", " : "");
        else fprintf(f, "%s%lld", d ? ", " : "", (long long)dims[d]);
    }
    fprintf(f, "]\n");
}

static int usage(const ds_model *m, const char *self, FILE *f) {
    fprintf(f, "usage: %s [--threads=N] [--outputs=FOLDER] INPUT.npy…\nwrites output_0.npy, …\ninputs:\n", self);
    for (uint32_t i = 0; i < dsrt_model_inputs(m); i++)
        print_argument(f, dsrt_model_input(m, i), dsrt_model_input(m, i)->dims);
    fprintf(f, "outputs:\n");
    for (uint32_t i = 0; i < dsrt_model_outputs(m); i++)
        print_argument(f, dsrt_model_output(m, i), dsrt_model_output(m, i)->dims);
    return f == stdout ? 0 : 2;
}

#ifdef DS_WEIGHTS
/* The weight file lies beside the program. */
static const void *map_weights(const char *self) {
    char path[4096];
    uint64_t bytes;
    const char *slash = strrchr(self, '/');
    snprintf(path, sizeof path, "%.*s%s", slash ? (int)(slash - self + 1) : 0, self, DS_WEIGHTS);
    const void *weights = dsrt_weights_map(path, &bytes);
    if (!weights) fprintf(stderr, "%s: cannot map %s\n", self, path);
    return weights;
}
#endif

static int run(const ds_model *m, ds_pool *pool, const ds_model_tensor *inputs, const char *folder, const char *self) {
    ds_call *call = dsrt_call_open(m, pool, inputs, NULL);
    int status = call ? dsrt_call_run(call) : DS_NO_ALLOCATOR, failed = status != 0;
    if (status) {
        char text[1024];
        if (call) dsrt_call_explain(call, status, text, sizeof text);
        fprintf(stderr, "%s: %s (status %d)\n", self, call ? text : dsrt_status_text(status), status);
    }
    for (uint32_t i = 0; status == 0 && i < dsrt_model_outputs(m); i++) {
        char path[4096];
        ds_model_tensor t;
        const ds_model_argument *a = dsrt_model_output(m, i);
        dsrt_call_result(call, i, &t);
        snprintf(path, sizeof path, "%s/output_%u.npy", folder, i);
        const char *wrong = dsrt_npy_write(path, a, &t);
        if (wrong) fprintf(stderr, "%s: %s: %s\n", self, path, wrong), failed = 1;
        else print_argument(stdout, a, t.dims);
        if (!a->is_alias) free(t.data);
    }
    dsrt_call_close(call);
    return failed;
}

int main(int argc, char **argv) {
    const char *folder = ".";
    const void *weights = NULL;
    uint32_t threads = 1, given = 0;
#ifdef DS_WEIGHTS
    weights = map_weights(argv[0]);
    if (!weights) return 1;
#endif
    ds_model *m = dsrt_model_link(DS_MODEL, JOIN(DS_MODEL, _arena_for), JOIN(DS_MODEL, _description), weights);
    ds_model_tensor *inputs = m ? calloc(dsrt_model_inputs(m) + 1, sizeof *inputs) : NULL;
    if (!inputs) return 1;
    for (int i = 1; i < argc; i++) {
        if (!strncmp(argv[i], "--threads=", 10)) threads = (uint32_t)strtoul(argv[i] + 10, NULL, 10);
        else if (!strncmp(argv[i], "--outputs=", 10)) folder = argv[i] + 10;
        else if (!strcmp(argv[i], "--help")) return usage(m, argv[0], stdout);
        else if (argv[i][0] == '-' || given == dsrt_model_inputs(m)) return usage(m, argv[0], stderr);
        else {
            const char *wrong = dsrt_npy_read(argv[i], dsrt_model_input(m, given), &inputs[given]);
            if (wrong) return fprintf(stderr, "%s: %s: %s\n", argv[0], argv[i], wrong), 1;
            given++;
        }
    }
    if (given < dsrt_model_inputs(m)) return usage(m, argv[0], stderr);
    ds_pool *pool = threads > 1 ? dsrt_pool_create(threads) : NULL;
    int failed = run(m, pool, inputs, folder, argv[0]);
    dsrt_pool_destroy(pool);
    for (uint32_t i = 0; i < given; i++) free(inputs[i].data);
    free(inputs);
    dsrt_model_close(m);
    return failed;
}
