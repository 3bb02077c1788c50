/* A policy: which encodings the numbers of a model's products get, by name and by range. A text file; `dsc --precision`
 * takes one, and the words of ds_policy_named.
 *
 *   # comments and empty lines are passed over; the first rule that fits decides
 *   head*.weight:   f32
 *   conv*.weight:   i4 sym per-channel
 *   *.act:          ui8 asym per-tensor moving-average momentum=0.9 if span<100
 *
 * PATTERN: ENCODING [OBSERVER [OPTION=N]] [if span<N]. Patterns are those of a shell's names (`*`, `?`; a name's slashes
 * are letters like others) and compared with NODE.act and NODE.weight: the factor that is computed, and the constant one,
 * of the ONNX node that multiplies them. An observer is one of `dsc quantize`, for what the rule decides. `span` is the
 * largest number less the smallest; a rule with `if` fits no value whose range is unknown.
 * Ownership: what is read lives in the context's arena.
 */
#ifndef DS_POLICY_H
#define DS_POLICY_H

#include "context.h"
#include "encoding.h"

typedef struct {
    const char *pattern;
    ds_encoding encoding;
    const char *observer, *option; /* "" where the rule names none */
    double parameter;              /* of the option */
    double span;                   /* below which it fits; INFINITY: always */
    unsigned line;                 /* of the file; 0: none */
} ds_policy_rule;

typedef struct {
    const char *name; /* the word or the file */
    bool pays;        /* only where the machine multiplies the type faster */
    const ds_policy_rule *rules;
    size_t count;
} ds_policy;

/* f32, bf16, f16: that type for both factors of products, where it is multiplied faster; int8, int4: bytes for computed
 * factors, and that for weights; range: seven types by span. False: no policy is called so. */
bool ds_policy_named(ds_ir_context *cx, const char *word, ds_policy *out);
const char *ds_policy_words(ds_ir_context *cx); /* for messages: "f32, bf16, …" */
DS_MUST_USE ds_status ds_policy_parse(ds_ir_context *cx, const char *text, size_t length, ds_policy *out);
DS_MUST_USE ds_status ds_policy_read(ds_ir_context *cx, const char *path, ds_policy *out);
/* The first rule that fits; NULL: none does. `span`: NAN where it is unknown. */
const ds_policy_rule *ds_policy_find(const ds_policy *policy, const char *name, double span);
bool ds_policy_matches(const char *pattern, const char *name);

#endif
