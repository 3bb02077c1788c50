/* dsc run --generate: a decoder fed with its own tokens and caches. */
#ifndef DS_GENERATE_H
#define DS_GENERATE_H

#include "ir/alias.h"
#include "tools/model.h"

/* ---- tokens.c: ids in files, and which one comes next ---- */

/* Whole numbers of text, apart by white space or commas; or a .npy file of i64 or i32, [n] or [1, n]. *out: stb_ds
 * array. */
DS_MUST_USE ds_status tokens_read(ds_ir_context *cx, ds_files *files, const char *path, int64_t **out);
/* Text in one line, or .npy by the suffix; - is standard output. */
DS_MUST_USE ds_status tokens_write(ds_ir_context *cx, const char *path, const int64_t *ids);

/* How the next token is drawn from a row of logits. At temperature 0 it is the largest (of equal ones the first).
 * Else token i of the top_k largest (of equal ones the first; 0: of all) has the probability exp(logit[i] /
 * temperature) over their sum. They stand in falling order (all: by id), and the first is taken at which
 * exp((logit - largest) / temperature), summed in f64 up to it, exceeds u times the sum over all, where u is the upper
 * 53 bits of the next number of SplitMix64 over 2^53:
 *   state += 0x9e3779b97f4a7c15; z = state; z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
 *   z = (z ^ z >> 27) * 0x94d049bb133111eb; z ^ z >> 31
 * beginning with state = seed; one number a token. */
typedef struct {
    double temperature;
    int64_t top_k;
    uint64_t state;
} sampler;
/* -1: no logit is a number. */
int64_t sampler_next(sampler *s, ds_elem elem, const void *row, int64_t count);

/* ---- decoder.c: which input is what ---- */

typedef enum { OF_ONE, OF_NEW, OF_PAST, OF_TOTAL, OF_ROOM, OF_NUMBER } extent_kind;

/* What a symbol of the inputs' extents stands for. */
typedef struct {
    const char *symbol;
    extent_kind is;
    int64_t number; /* of OF_NUMBER */
} extent;

typedef enum { IS_CACHE, IS_IDS, IS_MASK, IS_POSITIONS, IS_PAST, IS_LAST, IS_TOTAL, IS_FLAG } role_kind;

typedef struct {
    const ds_signature *signature;
    role_kind *roles;          /* of the inputs */
    ds_pair *caches;           /* stb_ds array: what is fed back */
    extent *extents;           /* stb_ds array */
    size_t logits;             /* which output */
    int64_t vocabulary;        /* ids are below it; 0: not known */
    bool one_by_one;           /* the model takes one token a call */
    int64_t most;              /* tokens that there is room for, or INT64_MAX */
    int64_t past, fresh, room; /* of the next call: tokens in the caches, and new ones; room of caches of one size */
} decoder;

/* Finds out what the model's inputs are, by names, by the pairs of --alias and --feed, and by shapes. */
DS_MUST_USE ds_status decoder_open(decoder *d, const cli *c, ds_ir_context *cx, const model *m);
void decoder_close(decoder *d);
/* The extents of an argument in the next call; false: they are known only when it has run. */
bool decoder_dims(const decoder *d, const ds_type *type, int64_t *out_dims, uint64_t *out_bytes);
/* Writes what an input that is no cache holds in the next call. */
void decoder_fill(const decoder *d, size_t input, const int64_t *ids, ds_model_tensor *out);
/* Bytes of weights that a call for one token reads: of tables that are looked up in, as much as comes out. */
double decoder_weight_bytes(const decoder *d, ds_module *module);

/* ---- generate.c ---- */

DS_MUST_USE ds_status generate(const cli *c, ds_ir_context *cx);

#endif
