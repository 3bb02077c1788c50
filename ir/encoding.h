/* How numbers of a tensor are stored: what a decision about precision says. One line of text, which policies, files of
 * ranges and attributes of ops share:
 *
 *   f32   bf16   f8E4M3FN per-tensor   i8 sym per-channel   ui8 asym per-tensor   i4 sym blocks=32   i8 sym dynamic
 *
 * First an element type, by either of its names in types.def (`u8` is `ui8`), or tf32: an f32 of whose mantissa 10 bits
 * are left. Then what it takes:
 *   sym, asym     whole numbers: zero is stored as 0 (of unsigned ones as the middle), or lies where the range has it.
 *                 Left out: signed ones are sym, unsigned ones asym
 *   per-tensor, per-channel, blocks=N
 *                 what shares a scale: everything, a channel, N neighbours of a channel along what products sum, whose
 *                 scales are bf16. Floats without a word have no scale: they are rounded as they are
 *   dynamic       the scale is computed in each call, from what is there: for each row of a product's left factor
 */
#ifndef DS_ENCODING_H
#define DS_ENCODING_H

#include "type.h"

typedef enum { DS_SCALE_NONE, DS_SCALE_TENSOR, DS_SCALE_CHANNEL, DS_SCALE_BLOCK } ds_scale_kind;

typedef struct {
    ds_elem elem;
    unsigned mantissa; /* bits that are left of it; 0: all */
    ds_scale_kind scale;
    int64_t block; /* of DS_SCALE_BLOCK: a power of two */
    bool symmetric, dynamic;
} ds_encoding;

enum { DS_ENCODING_MOST_BLOCK = 1 << 16 };

enum { DS_TF32_MANTISSA = 10 };

/* Reads words from `text`, up to its end or the first word that is none of these, where *rest then points. False, and
 * *why, where the words make no sense. */
bool ds_encoding_parse(const char *text, ds_encoding *out, const char **rest, const char **why);
void ds_encoding_print(ds_string *out, const ds_encoding *encoding);
bool ds_encoding_is_integer(const ds_encoding *encoding);
bool ds_encodings_equal(const ds_encoding *a, const ds_encoding *b);
/* The least and the largest stored whole number; of symmetric signed ones the least is the negated largest. */
void ds_encoding_ends(const ds_encoding *encoding, int64_t *low, int64_t *high);
/* What scales are stored as: of blocks, of which there are many, in 16 bits that have the range of 32. */
ds_elem ds_encoding_scale_elem(ds_scale_kind kind);
/* Scale and zero point of numbers from `min` to `max`, of which 0 is one. Floats: a power of two that brings the largest
 * magnitude to the type's largest number, and no zero point. Never 0 and never infinite. */
void ds_encoding_fit(const ds_encoding *encoding, double min, double max, float *scale, int64_t *zero);

#endif
