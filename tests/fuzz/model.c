/* ONNX bytes through the importer and every pass, checked after each; with DS_FUZZ_CODE through code generation,
 * too. */
#include "frontend/frontend.h"
#include "passes/passes.h"
#include "tests/fuzz/fuzz.h"

#ifdef DS_FUZZ_CODE
#include "codegen/emit/build.h"
#endif

static const char *const passes[] = {
#define PASS(name, optional, doc) #name,
#include "passes/passes.def"
#undef PASS
};

static ds_status run_passes(ds_module *m) {
    ds_pass_options options = {.target = ds_target_find("x86-64-v3"),
                               .machine = ds_machine_find("x86-64-v3", "x86-64-v3")};
    for (size_t i = 0; i < DS_COUNT(passes); i++) {
        options.passes = passes[i];
        DS_TRY(ds_passes_run(m, &options));
        if (ds_module_verify(m) != DS_OK) return DS_BUG; /* what a pass makes is never the model's fault */
    }
    return DS_OK;
}

#ifdef DS_FUZZ_CODE
static ds_status build(ds_module *m) {
    ds_cpu_options options = {
        .target = ds_target_find("x86-64-v3"), .prefix = "f", .optimise = 0, .jobs = 1, .embedded_weights = true};
    ds_built built;
    ds_status status = ds_build(m, &options, NULL, &built);
    ds_built_free(&built);
    return status;
}
#endif

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    fuzz_session s;
    ds_module *m = NULL;
    fuzz_open(&s);
    fuzz_file(&s, "model.onnx", bytes, length);
    ds_status status = ds_onnx_import(s.cx, &s.files, "model.onnx", NULL, &m);
    fuzz_check(&s, status, "import");
    if (status == DS_OK) {
        status = run_passes(m);
        fuzz_check(&s, status, "passes");
    }
#ifdef DS_FUZZ_CODE
    if (status == DS_OK) fuzz_check(&s, build(m), "code");
#endif
    ds_module_destroy(m);
    fuzz_close(&s);
    return 0;
}
