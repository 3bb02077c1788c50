/* dsc run --generate: feeds a decoder with a prompt, then with its own tokens. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/generate.h"
#include "tools/measure.h"

/* The model, compiled for any number of tokens or for one: its kernels are then products of one row. */
typedef struct {
    model m;
    decoder d;
    ds_model *linked;
} engine;

typedef struct {
    ds_ir_context *cx;
    engine engines[2]; /* for the prompt; for one token a call, where there is one */
    engine *now;
    ds_pool *pool;
    ds_model_tensor *inputs, *outputs;
    void **memory[2]; /* of each cache: what goes in, and what comes out; the same where it is changed in place */
    uint64_t *room;   /* bytes of it */
    const void *row;  /* the last logits */
    int64_t columns;
    double cache_bytes; /* that calls for one token have read */
} generator;

/* ---- the command line ---- */

static ds_status usage(const char *what, const char *value) {
    fprintf(stderr, "dsc: error: %s, not '%s'\n", what, value);
    return DS_BAD_USAGE;
}

static ds_status whole_number(const cli *c, const char *name, int64_t *out) {
    const char *text = cli_value(c, name, "0");
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 10);
    if (end != text && !*end && !errno && *out >= 0) return DS_OK;
    char what[64];
    snprintf(what, sizeof what, "--%s needs a whole number", name);
    return usage(what, text);
}

static ds_status read_options(const cli *c, int64_t *out_count, sampler *s) {
    static const char *const others[] = {"inputs", "outputs", "poison"};
    const char *text = cli_value(c, "temperature", "0");
    char *end;
    int64_t seed;
    DS_TRY(whole_number(c, "generate", out_count));
    DS_TRY(whole_number(c, "top-k", &s->top_k));
    DS_TRY(whole_number(c, "seed", &seed));
    s->state = (uint64_t)seed;
    s->temperature = strtod(text, &end);
    if (end == text || *end || !(s->temperature >= 0 && s->temperature <= 1e6))
        return usage("--temperature needs a number from 0 on", text);
    if (*out_count > INT32_MAX) return usage("--generate needs a number below 2^31", cli_value(c, "generate", ""));
    if (!cli_has(c, "ids")) return usage("--generate needs --ids=FILE", cli_value(c, "generate", ""));
    for (size_t i = 0; i < DS_COUNT(others); i++)
        if (cli_has(c, others[i])) return usage("--generate has inputs and outputs of its own", others[i]);
    for (size_t i = 0; i < arrlenu(c->options); i++)
        if (!strcmp(c->options[i].name, "feed") && !ds_pair_pattern_is_good(c->options[i].value))
            return usage("--feed needs INPUT=OUTPUT, each with one * or none", c->options[i].value);
    return DS_OK;
}

/* ---- memory ---- */

static ds_status cannot_size(generator *g, const ds_argument *a) {
    return ds_report(g->cx->diag, DS_ERROR, DS_E_form, NULL,
                     "--generate: the extents of '%s' do not follow from the numbers of tokens", a->name);
}

/* Whether every engine can change this cache in place. */
static bool is_in_place(const generator *g, size_t cache) {
    bool all = true;
    for (size_t k = 0; k < DS_COUNT(g->engines); k++) {
        const decoder *d = &g->engines[k].d;
        if (!d->signature) continue;
        ds_pair pair = d->caches[cache];
        all = all && d->signature->outputs[pair.output].tied == (int64_t)pair.input;
    }
    return all;
}

/* Room for the caches of the last call, zeros at first. */
static ds_status make_caches(generator *g, int64_t total) {
    const ds_signature *s = g->now->d.signature;
    decoder last = g->now->d;
    last.past = total - 1, last.fresh = 1;
    for (size_t i = 0; i < arrlenu(last.caches); i++) {
        const ds_argument *in = &s->inputs[last.caches[i].input], *out = &s->outputs[last.caches[i].output];
        ds_model_tensor t;
        uint64_t bytes;
        if (!decoder_dims(&last, in->type, t.dims, &bytes)) return cannot_size(g, in);
        if (!decoder_dims(&last, out->type, t.dims, &t.bytes)) return cannot_size(g, out);
        g->room[i] = bytes > t.bytes ? bytes : t.bytes;
        bool in_place = is_in_place(g, i);
        for (int k = 0; k < (in_place ? 1 : 2); k++)
            if (!(g->memory[k][i] = calloc(1, (size_t)g->room[i] + 1))) ds_out_of_memory();
        if (in_place) g->memory[1][i] = g->memory[0][i];
    }
    return DS_OK;
}

/* Compiles the model with these dims and links it. */
static ds_status open_engine(engine *e, const cli *c, ds_ir_context *cx, ds_files *files, const ds_dim_value *dims) {
    DS_TRY(model_open(c, cx, files, dims, arrlenu(dims), &e->m));
    ds_entries entries = ds_jit_entries(e->m.jit);
    DS_TRY(decoder_open(&e->d, c, cx, &e->m));
    e->linked = dsrt_model_link(entries.entry, entries.arena_for, entries.description, e->m.built.weights);
    if (e->linked) return DS_OK;
    return ds_report(cx->diag, DS_ERROR, DS_E_internal, NULL, "the model's description cannot be read");
}

/* The same for calls of one token: symbols that are then known are fixed. */
static ds_status open_second(generator *g, const cli *c, ds_files *files) {
    ds_dim_value *dims = NULL;
    const decoder *d = &g->engines[0].d;
    for (size_t i = 0; i < arrlenu(c->dims); i++) arrput(dims, c->dims[i]);
    for (size_t i = 0; i < arrlenu(d->extents); i++) {
        const extent *e = &d->extents[i];
        ds_dim_value fixed = {e->symbol, e->is == OF_NUMBER ? e->number : 1};
        if (e->is == OF_ONE || e->is == OF_NEW || e->is == OF_NUMBER) arrput(dims, fixed);
    }
    ds_status status = open_engine(&g->engines[1], c, g->cx, files, dims);
    arrfree(dims);
    return status;
}

static ds_status open_generator(generator *g, const cli *c, ds_files *files, int64_t count) {
    ds_arena *arena = g->cx->arena;
    g->now = &g->engines[0];
    DS_TRY(open_engine(g->now, c, g->cx, files, c->dims));
    const decoder *d = &g->now->d;
    if (count > 1 && !d->one_by_one) DS_TRY(open_second(g, c, files));
    size_t caches = arrlenu(d->caches) + 1;
    g->inputs = DS_NEW_ARRAY(arena, ds_model_tensor, d->signature->input_count + 1);
    g->outputs = DS_NEW_ARRAY(arena, ds_model_tensor, d->signature->output_count + 1);
    for (int k = 0; k < 2; k++) g->memory[k] = DS_NEW_ARRAY(arena, void *, caches);
    g->room = DS_NEW_ARRAY(arena, uint64_t, caches);
    return DS_OK;
}

static void close_generator(generator *g) {
    for (size_t i = 0; g->room && i < arrlenu(g->engines[0].d.caches); i++) {
        if (g->memory[1][i] != g->memory[0][i]) free(g->memory[1][i]);
        free(g->memory[0][i]);
    }
    for (size_t k = 0; k < DS_COUNT(g->engines); k++) {
        dsrt_model_close(g->engines[k].linked);
        decoder_close(&g->engines[k].d);
        model_close(&g->engines[k].m);
    }
}

/* From here on one token a call. */
static void use_second(generator *g) {
    const decoder *d = &g->engines[0].d;
    if (!g->engines[1].linked) return;
    g->now = &g->engines[1];
    g->now->d.past = d->past, g->now->d.room = d->room;
}

/* ---- calls ---- */

static bool is_cache(const generator *g, size_t output) {
    for (size_t i = 0; i < arrlenu(g->now->d.caches); i++)
        if (g->now->d.caches[i].output == output) return true;
    return false;
}

static void set_arguments(generator *g, const int64_t *ids) {
    const ds_signature *s = g->now->d.signature;
    memset(g->outputs, 0, s->output_count * sizeof *g->outputs); /* what is no cache is made by the call */
    for (size_t i = 0; i < s->input_count; i++)
        if (g->now->d.roles[i] != IS_CACHE) decoder_fill(&g->now->d, i, ids, &g->inputs[i]);
    for (size_t i = 0; i < arrlenu(g->now->d.caches); i++) {
        ds_model_tensor *in = &g->inputs[g->now->d.caches[i].input], *out = &g->outputs[g->now->d.caches[i].output];
        const ds_type *type = s->inputs[g->now->d.caches[i].input].type;
        decoder used = g->now->d;
        used.room = used.past + used.fresh;
        decoder_dims(&used, type, in->dims, &in->bytes);
        if (g->now->d.fresh == 1) g->cache_bytes += (double)in->bytes;
        decoder_dims(&g->now->d, type, in->dims, &in->bytes);
        in->data = g->memory[0][i], in->bytes = g->room[i];
        out->data = g->memory[1][i], out->bytes = g->room[i];
    }
}

static void release_arguments(generator *g) {
    const ds_signature *s = g->now->d.signature;
    for (size_t i = 0; i < s->input_count; i++)
        if (g->now->d.roles[i] != IS_CACHE) free(g->inputs[i].data);
    for (size_t i = 0; i < s->output_count; i++)
        if (!is_cache(g, i)) free(g->outputs[i].data);
}

/* One call for `fresh` tokens; *out_next: the one that follows them, if there is a sampler. */
static ds_status step(generator *g, const int64_t *ids, int64_t fresh, sampler *s, int64_t *out_next) {
    g->now->d.fresh = fresh;
    set_arguments(g, ids);
    ds_call *call = dsrt_call_open(g->now->linked, g->pool, g->inputs, g->outputs);
    if (!call) ds_out_of_memory();
    int result = dsrt_call_run(call);
    ds_status status = DS_OK;
    if (result) {
        char text[1024];
        dsrt_call_explain(call, result, text, sizeof text);
        status = ds_report(g->cx->diag, DS_ERROR, DS_E_run, NULL, "token %lld: %s (status %d)",
                           (long long)g->now->d.past, text, result);
    }
    for (size_t i = 0; i < g->now->d.signature->output_count; i++) dsrt_call_result(call, (uint32_t)i, &g->outputs[i]);
    dsrt_call_close(call);
    const ds_argument *a = &g->now->d.signature->outputs[g->now->d.logits];
    const ds_model_tensor *logits = &g->outputs[g->now->d.logits];
    int64_t columns = logits->dims[a->type->rank - 1];
    uint64_t bytes = (uint64_t)columns * ds_elem_facts(a->type->elem)->bits / 8;
    if (status == DS_OK && s) {
        bool has_row = columns > 0 && logits->bytes >= bytes;
        *out_next =
            has_row ? sampler_next(s, a->type->elem, (char *)logits->data + logits->bytes - bytes, columns) : -1;
        if (*out_next < 0)
            status = ds_report(g->cx->diag, DS_ERROR, DS_E_run, NULL, "output '%s' has no number after token %lld",
                               a->name, (long long)(g->now->d.past + fresh - 1));
    }
    release_arguments(g);
    void **in = g->memory[0];
    g->memory[0] = g->memory[1], g->memory[1] = in;
    g->now->d.past += fresh;
    return status;
}

static ds_status run_prompt(generator *g, const int64_t *ids, sampler *s, int64_t *out_next) {
    size_t count = arrlenu(ids);
    if (!g->now->d.one_by_one) return step(g, ids, (int64_t)count, s, out_next);
    for (size_t i = 0; i < count; i++) DS_TRY(step(g, &ids[i], 1, i + 1 == count ? s : NULL, out_next));
    return DS_OK;
}

/* ---- the whole ---- */

static ds_status check_ids(generator *g, const char *path, const int64_t *ids, int64_t total) {
    for (size_t i = 0; i < arrlenu(ids); i++) {
        if (ids[i] >= 0 && (!g->now->d.vocabulary || ids[i] < g->now->d.vocabulary)) continue;
        return ds_report(g->cx->diag, DS_ERROR, DS_E_inputs, NULL,
                         "'%s': id %zu is %lld, and output '%s' has logits of ids below %lld", path, i,
                         (long long)ids[i], g->now->d.signature->outputs[g->now->d.logits].name,
                         (long long)g->now->d.vocabulary);
    }
    if (total <= g->now->d.most) return DS_OK;
    return ds_report(g->cx->diag, DS_ERROR, DS_E_inputs, NULL,
                     "prompt and generated tokens are %lld, and the model's caches or masks have room for %lld",
                     (long long)total, (long long)g->now->d.most);
}

static void report(const generator *g, int64_t prompt, double prompt_s, int64_t decoded, double decode_s) {
    double weights = decoder_weight_bytes(&g->now->d, g->now->m.module), MiB = 1 << 20;
    fprintf(stderr, "prompt: %lld tokens in %.1f ms, %.1f tokens/s\n", (long long)prompt, 1e3 * prompt_s,
            (double)prompt / prompt_s);
    if (decoded <= 0) return;
    double caches = g->cache_bytes / (double)decoded;
    fprintf(stderr, "decode: %lld tokens in %.1f ms, %.1f tokens/s\n", (long long)decoded, 1e3 * decode_s,
            (double)decoded / decode_s);
    fprintf(stderr, "a decoded token reads %.1f MiB: weights %.1f MiB, caches %.1f MiB (mean); %.1f GB/s\n",
            (weights + caches) / MiB, weights / MiB, caches / MiB,
            (weights + caches) * (double)decoded / decode_s / 1e9);
}

static ds_status run_all(generator *g, const cli *c, const int64_t *prompt, int64_t count, sampler *s) {
    int64_t *ids = NULL, next = 0, total = (int64_t)arrlenu(prompt) + (count ? count - 1 : 0);
    ds_status status = check_ids(g, cli_value(c, "ids", ""), prompt, total);
    g->now->d.room = total;
    if (status == DS_OK) status = make_caches(g, total);
    double start = measure_now();
    if (status == DS_OK) status = run_prompt(g, prompt, count ? s : NULL, &next);
    double begun = measure_now();
    g->cache_bytes = 0;
    use_second(g);
    for (int64_t i = 0; status == DS_OK && i < count; i++) {
        arrput(ids, next);
        if (i + 1 < count) status = step(g, &ids[i], 1, s, &next);
    }
    double end = measure_now();
    if (status == DS_OK) status = tokens_write(g->cx, cli_value(c, "output", "-"), ids);
    if (status == DS_OK) report(g, (int64_t)arrlenu(prompt), begun - start, count - 1, end - begun);
    arrfree(ids);
    return status;
}

ds_status generate(const cli *c, ds_ir_context *cx) {
    sampler s;
    int64_t count, *prompt = NULL;
    ds_files files = {0};
    generator g = {.cx = cx};
    uint32_t threads = (uint32_t)cli_number(c, "threads");
    DS_TRY(read_options(c, &count, &s));
    ds_status status = tokens_read(cx, &files, cli_value(c, "ids", ""), &prompt);
    if (status == DS_OK) status = open_generator(&g, c, &files, count);
    if (status == DS_OK) g.pool = threads > 1 ? dsrt_pool_create(threads) : NULL;
    if (status == DS_OK) status = run_all(&g, c, prompt, count, &s);
    close_generator(&g);
    dsrt_pool_destroy(g.pool);
    ds_files_close(&files);
    arrfree(prompt);
    return status;
}
