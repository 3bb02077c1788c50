/* Linking and writing. The linker (ld.lld, or cc for programs) works in a temporary folder; results are renamed into
 * place. */
#define _GNU_SOURCE
#include "codegen/emit/output.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ir/base/file.h"

#ifndef DSC_LLD
#define DSC_LLD "ld.lld-19"
#endif

#if defined(__aarch64__)
#define DSC_HOST_ARCH "aarch64"
#else
#define DSC_HOST_ARCH "x86_64"
#endif

extern char **environ;

static ds_status run_tool(ds_diag *diag, const char **args) {
    pid_t pid;
    int status = 0;
    int error = posix_spawnp(&pid, args[0], NULL, NULL, (char *const *)(uintptr_t)args, environ);
    if (error) return ds_report(diag, DS_ERROR, DS_E_link, NULL, "cannot start '%s': %s", args[0], strerror(error));
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    if (!WIFEXITED(status) || WEXITSTATUS(status))
        return ds_report(diag, DS_ERROR, DS_E_link, NULL, "'%s' failed", args[0]);
    return DS_OK;
}

enum { STUB_BYTES = 64 }; /* that the linker gets for the weights */

typedef struct {
    ds_module *m;
    ds_diag *diag;
    const ds_built *built;
    const ds_output_options *o;
    char folder[64];
    const char **files; /* stb_ds array of paths in the folder, to be removed */
} writer;

static const char *temporary(writer *w, const char *name) {
    const char *path = ds_arena_printf(w->m->arena, "%s/%s", w->folder, name);
    arrput(w->files, path);
    return path;
}

/* The objects of functions as files, and these weights: all of them, or a few bytes in their place. */
static ds_status write_objects(writer *w, ds_span weights, const char ***args) {
    const ds_compiled *code = &w->built->code;
    ds_string before = {0}, behind = {0};
    ds_status status = DS_OK;
    for (size_t i = 0; status == DS_OK && i < arrlenu(code->objects); i++) {
        char name[32];
        snprintf(name, sizeof name, "%zu.o", i);
        ds_span span = {code->objects[i].bytes, code->objects[i].length};
        const char *path = temporary(w, name);
        status = ds_file_write(w->diag, path, &span, 1);
        arrput(*args, path);
    }
    if (status != DS_OK || !weights.length) return status;
    ds_weights_object(&before, &behind, w->o->target, w->o->prefix, weights.length);
    const char *path = temporary(w, "weights.o");
    ds_span spans[] = {{before.data, before.length}, weights, {behind.data, behind.length}};
    status = ds_file_write(w->diag, path, spans, DS_COUNT(spans));
    arrput(*args, path);
    ds_string_free(&before);
    ds_string_free(&behind);
    return status;
}

static ds_span embedded(const writer *w) {
    return (ds_span){w->built->weights, w->o->external_weights ? 0 : (size_t)w->built->code.weight_bytes};
}

/* All functions as one relocatable object in the temporary folder, with a stub of a section for the weights. */
static ds_status link_object(writer *w, const char **out_path) {
    static const char stub[STUB_BYTES];
    const char **args = NULL;
    arrput(args, DSC_LLD);
    arrput(args, "-r");
    arrput(args, "-m");
    arrput(args, strcmp(w->o->target->arch, "x86_64") ? "aarch64linux" : "elf_x86_64");
    arrput(args, "-o");
    arrput(args, *out_path = temporary(w, "model.o"));
    ds_status status = write_objects(w, (ds_span){stub, embedded(w).length ? STUB_BYTES : 0}, &args);
    arrput(args, NULL);
    if (status == DS_OK) status = run_tool(w->diag, args);
    arrfree(args);
    return status;
}

static ds_status link_shared(writer *w, const char *out) {
    const char **args = NULL;
    arrput(args, DSC_LLD);
    arrput(args, "-shared");
    arrput(args, "-o");
    arrput(args, out);
    ds_status status = write_objects(w, embedded(w), &args);
    arrput(args, NULL);
    if (status == DS_OK) status = run_tool(w->diag, args);
    arrfree(args);
    return status;
}

/* The size of an archive's member, in its header; false: too large for it. */
static bool set_member_size(char *header, uint64_t bytes) {
    enum { AT = 48, DIGITS = 10 };
    char text[32];
    int n = snprintf(text, sizeof text, "%-*llu", DIGITS, (unsigned long long)bytes);
    if (n == DIGITS) memcpy(header + AT, text, DIGITS);
    return n == DIGITS;
}

/* Writes a linked object, or the archive `file` whose last member it is, with the weights behind everything else. */
static ds_status write_with_weights(writer *w, const char *object, const char *file) {
    enum { MEMBER_HEADER = 60, ALIGN = 64 };
    static const char zeros[ALIGN];
    ds_files files = {0};
    const ds_mapped_file *linked = NULL, *all = NULL;
    ds_status status = ds_files_open(&files, w->diag, object, &linked);
    if (status == DS_OK) status = ds_files_open(&files, w->diag, file, &all);
    if (status == DS_OK) {
        bool is_archive = all != linked, fits = true;
        uint64_t weights = embedded(w).length, gap = (ALIGN - linked->length % ALIGN) % ALIGN,
                 end = linked->length + gap;
        size_t start = is_archive ? all->length - linked->length - linked->length % 2 : 0;
        char *bytes = ds_xmalloc(all->length);
        memcpy(bytes, all->bytes, all->length);
        if (weights) {
            fits = !is_archive || set_member_size(bytes + start - MEMBER_HEADER, end + weights);
            if (!fits || !ds_weights_move(bytes + start, linked->length, end, weights))
                status = ds_report(w->diag, DS_ERROR, DS_E_link, NULL,
                                   fits ? "the object has no weights" : "an archive holds no such object");
        }
        ds_span spans[] = {{bytes, weights ? start + linked->length : all->length},
                           {zeros, weights ? (size_t)gap : 0},
                           {w->built->weights, weights}};
        if (status == DS_OK) status = ds_file_write(w->diag, w->o->path, spans, DS_COUNT(spans));
        free(bytes);
    }
    ds_files_close(&files);
    return status;
}

static ds_status copy_file(writer *w, const char *from, const char *to, unsigned mode) {
    ds_files files = {0};
    const ds_mapped_file *file;
    ds_status status = ds_files_open(&files, w->diag, from, &file);
    ds_span span = {0};
    if (status == DS_OK) {
        span = (ds_span){file->bytes, file->length};
        status = ds_file_write_mode(w->diag, to, &span, 1, mode);
    }
    ds_files_close(&files);
    return status;
}

static const char *stem(writer *w) {
    const char *dot = strrchr(w->o->path, '.'), *slash = strrchr(w->o->path, '/');
    size_t n = dot && (!slash || dot > slash) ? (size_t)(dot - w->o->path) : strlen(w->o->path);
    return ds_arena_strndup(w->m->arena, w->o->path, n);
}

static ds_status write_text(writer *w, const char *suffix, const void *bytes, size_t length) {
    ds_span span = {bytes, length};
    return ds_file_write(w->diag, ds_arena_printf(w->m->arena, "%s%s", stem(w), suffix), &span, 1);
}

/* The model with runtime/program.c around it, compiled by the C compiler of the target. */
static ds_status link_program(writer *w, const char *out) {
    const char **args = NULL, *arch = w->o->target->arch;
    ds_status status = DS_OK;
    arrput(args, strcmp(arch, DSC_HOST_ARCH) ? ds_arena_printf(w->m->arena, "%s-linux-gnu-gcc", arch) : "cc");
    const char *const flags[] = {"-O2", "-D_DEFAULT_SOURCE",
                                 ds_arena_printf(w->m->arena, "-DDS_MODEL=%s", w->o->prefix), "-o", out};
    for (size_t i = 0; i < DS_COUNT(flags); i++) arrput(args, flags[i]);
    status = write_objects(w, embedded(w), &args);
    if (w->o->external_weights) {
        const char *path = ds_arena_printf(w->m->arena, "%s.weights", stem(w)), *slash = strrchr(path, '/');
        arrput(args, ds_arena_printf(w->m->arena, "-DDS_WEIGHTS=\"%s\"", slash ? slash + 1 : path));
    }
    for (size_t i = 0; status == DS_OK && i < ds_runtime_source_count(); i++) {
        const char *name, *path;
        ds_span text = ds_runtime_source(i, &name);
        status = ds_file_write(w->diag, path = temporary(w, name), &text, 1);
        if (path[strlen(path) - 1] == 'c') arrput(args, path);
    }
    arrput(args, "-pthread");
    arrput(args, "-ldl");
    arrput(args, NULL);
    if (status == DS_OK) status = run_tool(w->diag, args);
    arrfree(args);
    return status;
}

static ds_status write_main(writer *w, ds_form form) {
    const char *object, *made;
    switch (form) {
    case DS_FORM_OBJECT: DS_TRY(link_object(w, &object)); return write_with_weights(w, object, object);
    case DS_FORM_ARCHIVE: {
        DS_TRY(link_object(w, &object));
        const char *args[] = {"llvm-ar-19", "rcsD", made = temporary(w, "model.a"), object, NULL};
        DS_TRY(run_tool(w->diag, args));
        return write_with_weights(w, object, made);
    }
    case DS_FORM_SHARED:
        DS_TRY(link_shared(w, made = temporary(w, "model.so")));
        return copy_file(w, made, w->o->path, 0755);
    case DS_FORM_PROGRAM:
        DS_TRY(link_program(w, made = temporary(w, "model")));
        return copy_file(w, made, w->o->path, 0755);
    }
    return DS_OK;
}

static ds_status write_all(writer *w, ds_form form) {
    DS_TRY(write_main(w, form));
    if (w->o->external_weights) DS_TRY(write_text(w, ".weights", w->built->weights, w->built->code.weight_bytes));
    ds_string header = {0};
    ds_header_print(&header, w->m, w->built, w->o);
    ds_status status = form == DS_FORM_PROGRAM ? DS_OK : write_text(w, ".h", header.data, header.length);
    ds_string_free(&header);
    return status;
}

ds_status ds_output_write(ds_module *m, const ds_built *built, ds_form form, const ds_output_options *o) {
    writer w = {.m = m, .diag = m->cx->diag, .built = built, .o = o, .folder = "/tmp/dsc.XXXXXX"};
    double start = ds_stage_start();
    if (!mkdtemp(w.folder))
        return ds_report(w.diag, DS_ERROR, DS_E_file, NULL, "cannot make a temporary folder: %s", strerror(errno));
    ds_status status = write_all(&w, form);
    for (size_t i = 0; i < arrlenu(w.files); i++) unlink(w.files[i]);
    rmdir(w.folder);
    arrfree(w.files);
    if (o->timing) ds_stage_print(start, "link");
    return status;
}
