#include "tools/samples.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static ds_status fail(const samples *s, const char *path, const char *what) {
    return ds_report(s->cx->diag, DS_ERROR, DS_E_ranges, NULL, "'%s' %s", path, what);
}

/* ---- folders ---- */

static bool has_inputs(ds_ir_context *cx, const char *folder) {
    static const char *const names[] = {"input_0.npy", "input_0.pb"};
    struct stat facts;
    for (size_t i = 0; i < DS_COUNT(names); i++)
        if (!stat(ds_arena_printf(cx->arena, "%s/%s", folder, names[i]), &facts)) return true;
    return false;
}

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static ds_status open_folders(samples *s) {
    if (has_inputs(s->cx, s->path)) {
        arrput(s->folders, s->path);
        return DS_OK;
    }
    DIR *dir = opendir(s->path);
    if (!dir) return fail(s, s->path, strerror(errno));
    for (const struct dirent *item; (item = readdir(dir));) {
        const char *folder = ds_arena_printf(s->cx->arena, "%s/%s", s->path, item->d_name);
        if (*item->d_name != '.' && has_inputs(s->cx, folder)) arrput(s->folders, folder);
    }
    closedir(dir);
    if (!arrlenu(s->folders))
        return fail(s, s->path, "has neither input_0.npy (or .pb) nor folders that have: there are no samples");
    qsort(s->folders, arrlenu(s->folders), sizeof *s->folders, by_text);
    return DS_OK;
}

/* ---- .npz ---- */

/* By the input's name, or its number as in folders and as numpy.savez calls what has no name. */
static const npz_entry *entry_for(const samples *s, size_t i) {
    const char *names[] = {s->inputs[i].name, ds_arena_printf(s->cx->arena, "input_%zu", i),
                           ds_arena_printf(s->cx->arena, "arr_%zu", i)};
    for (size_t n = 0; n < DS_COUNT(names); n++)
        for (size_t k = 0; k < arrlenu(s->entries); k++)
            if (!strcmp(s->entries[k].name, names[n])) return &s->entries[k];
    return NULL;
}

static ds_status misfit(const samples *s, size_t i, const char *name, const char *what) {
    return ds_report(s->cx->diag, DS_ERROR, DS_E_ranges, NULL, "'%s', array '%s' (input '%s'): %s", s->path, name,
                     s->inputs[i].name, what);
}

/* How many rows of the array a sample is: one, but where the model's first extent is a number and the array has no dim
 * of its own for samples. */
static int64_t rows_of(const samples *s, size_t i) {
    int64_t rows = 1;
    if (!s->arrays[i].stacked) ds_expr_is_const(s->inputs[i].type->dims[0], &rows);
    return rows < 1 ? 1 : rows;
}

static ds_status check_extents(const samples *s, size_t i) {
    const sample_array *a = &s->arrays[i];
    const ds_type *type = s->inputs[i].type;
    for (size_t d = 0; d < type->rank; d++) {
        int64_t want, has = a->all.dims[d + a->stacked];
        bool is_sample = d == 0 && !a->stacked;
        if (!is_sample && ds_expr_is_const(type->dims[d], &want) && want != has)
            return misfit(s, i, a->name,
                          ds_arena_printf(s->cx->arena,
                                          "its samples have extent %lld in dimension %zu, the model needs %lld",
                                          (long long)has, d, (long long)want));
    }
    if (a->all.dims[0] % rows_of(s, i))
        return misfit(s, i, a->name, "its first extent is no multiple of the model's, so there are no whole samples");
    return DS_OK;
}

static ds_status open_array(samples *s, size_t i) {
    const ds_argument *input = &s->inputs[i];
    const ds_elem_info *e = ds_elem_facts(input->type->elem);
    const npz_entry *entry = entry_for(s, i);
    ds_model_argument argument = {
        .name = input->name, .elem = e->name, .elem_bits = e->bits, .rank = (uint32_t)input->type->rank};
    sample_array *a = &s->arrays[i];
    if (!entry)
        return ds_report(s->cx->diag, DS_ERROR, DS_E_ranges, NULL,
                         "'%s' has no array for input %zu: neither '%s' nor 'input_%zu'", s->path, i, input->name, i);
    a->name = entry->name;
    const char *wrong = argument.rank ? dsrt_npy_view(entry->bytes, entry->length, &argument, &a->all) : "";
    if (wrong) {
        argument.rank++;
        a->stacked = true;
        wrong = dsrt_npy_view(entry->bytes, entry->length, &argument, &a->all);
    }
    if (wrong) return misfit(s, i, a->name, wrong);
    DS_TRY(check_extents(s, i));
    size_t count = (size_t)(a->all.dims[0] / rows_of(s, i));
    if (i && count != s->count)
        return misfit(s, i, a->name, ds_arena_printf(s->cx->arena, "it has %zu samples, others %zu", count, s->count));
    s->count = count;
    return DS_OK;
}

static ds_status open_npz(samples *s) {
    DS_TRY(npz_open(s->cx->diag, &s->files, s->path, &s->entries));
    s->arrays = DS_NEW_ARRAY(s->cx->arena, sample_array, s->input_count + 1);
    for (size_t i = 0; i < s->input_count; i++) DS_TRY(open_array(s, i));
    for (size_t k = 0; k < arrlenu(s->entries); k++) {
        bool used = false;
        for (size_t i = 0; i < s->input_count; i++) used = used || s->arrays[i].name == s->entries[k].name;
        if (!used)
            return ds_report(s->cx->diag, DS_ERROR, DS_E_ranges, NULL, "'%s' has array '%s', which is no input",
                             s->path, s->entries[k].name);
    }
    return s->count ? DS_OK : fail(s, s->path, "has no samples");
}

static ds_status read_rows(samples *s, size_t i, size_t sample, ds_model_tensor *out) {
    const sample_array *a = &s->arrays[i];
    int64_t rows = rows_of(s, i);
    *out = (ds_model_tensor){.bytes = a->all.bytes / (uint64_t)a->all.dims[0] * (uint64_t)rows};
    for (size_t d = 0; d < s->inputs[i].type->rank; d++) out->dims[d] = a->all.dims[d + a->stacked];
    if (!a->stacked) out->dims[0] = rows;
    out->data = ds_xmalloc((size_t)out->bytes + 1);
    memcpy(out->data, (const uint8_t *)a->all.data + sample * out->bytes, (size_t)out->bytes);
    return DS_OK;
}

/* ---- both ---- */

static bool is_file(const char *path) {
    struct stat facts;
    return !stat(path, &facts) && S_ISREG(facts.st_mode);
}

ds_status samples_open(ds_ir_context *cx, const char *path, const ds_argument *inputs, size_t input_count,
                       samples *out) {
    *out = (samples){.cx = cx, .path = path, .inputs = inputs, .input_count = input_count};
    for (size_t i = 0; i < input_count; i++)
        if (inputs[i].type->kind != DS_TYPE_TENSOR)
            return ds_report(cx->diag, DS_ERROR, DS_E_elem, NULL, "input '%s' is no tensor", inputs[i].name);
    if (is_file(path)) return open_npz(out);
    DS_TRY(open_folders(out));
    out->count = arrlenu(out->folders);
    return DS_OK;
}

ds_status samples_read(samples *s, size_t sample, ds_model_tensor *inputs, bool *owned) {
    for (size_t i = 0; i < s->input_count; i++) {
        const ds_argument *a = &s->inputs[i];
        bool npy;
        owned[i] = !s->folders;
        if (!s->folders) DS_TRY(read_rows(s, i, sample, &inputs[i]));
        else
            DS_TRY(model_read_input(s->cx, &s->files, s->folders[sample], i, a->name, a->type, &inputs[i], &owned[i],
                                    &npy));
    }
    return DS_OK;
}

void samples_close(samples *s) {
    npz_close(s->entries);
    arrfree(s->folders);
    ds_files_close(&s->files);
}
