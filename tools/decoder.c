/* Which input of a decoder is what, by names and shapes; and what it holds in a call. */
#include <stdlib.h>
#include <string.h>

#include "ir/eval.h"
#include "ir/require.h"
#include "ir/stored.h"
#include "tools/generate.h"

/* Inputs that are no caches, by name: what they hold, and what their last extent is. */
static const struct {
    const char *name;
    role_kind role;
    extent_kind last;
} known[] = {
    {"input_ids", IS_IDS, OF_NEW},
    {"attention_mask", IS_MASK, OF_TOTAL},  /* 1 for every token that is there */
    {"position_ids", IS_POSITIONS, OF_NEW}, /* from the number of tokens before on */
    {"cache_position", IS_POSITIONS, OF_NEW},
    {"write_indices", IS_PAST, OF_ONE},          /* tokens before */
    {"seqlens_k", IS_LAST, OF_ONE},              /* all tokens but one */
    {"total_sequence_length", IS_TOTAL, OF_ONE}, /* all tokens */
    {"use_cache_branch", IS_FLAG, OF_ONE},       /* whether there are tokens before */
};

/* ---- extents ---- */

static int64_t value_of(const decoder *d, const extent *e) {
    switch (e->is) {
    case OF_NEW: return d->fresh;
    case OF_PAST: return d->past;
    case OF_TOTAL: return d->past + d->fresh;
    case OF_ROOM: return d->room;
    case OF_NUMBER: return e->number;
    default: return 1;
    }
}

static const extent *find_extent(const decoder *d, const char *symbol) {
    for (size_t i = 0; i < arrlenu(d->extents); i++)
        if (!strcmp(d->extents[i].symbol, symbol)) return &d->extents[i];
    return NULL;
}

static void bind(decoder *d, const ds_expr *e, extent_kind is, int64_t number) {
    extent made = {e->name, is, number};
    if (e->kind == DS_EXPR_SYMBOL && !find_extent(d, e->name)) arrput(d->extents, made);
}

typedef struct {
    const decoder *d;
    bool known;
} lookup;

static int64_t look_up(void *user, const ds_expr *atom) {
    lookup *l = user;
    const extent *e = atom->kind == DS_EXPR_SYMBOL ? find_extent(l->d, atom->name) : NULL;
    l->known = l->known && e;
    return e ? value_of(l->d, e) : 1;
}

bool decoder_dims(const decoder *d, const ds_type *type, int64_t *out_dims, uint64_t *out_bytes) {
    lookup l = {d, true};
    uint64_t count = 1;
    for (size_t i = 0; i < type->rank; i++) {
        out_dims[i] = ds_expr_evaluate(type->dims[i], look_up, &l);
        count *= (uint64_t)(out_dims[i] > 0 ? out_dims[i] : 0);
    }
    *out_bytes = (count * ds_elem_facts(type->elem)->bits + 7) / 8;
    return l.known;
}

/* A symbol that is required to be a number is one. */
static bool is_required(const ds_requirement *all, const ds_expr *e, int64_t *out) {
    for (size_t i = 0; i < arrlenu(all); i++)
        if (all[i].is == DS_equal && ((all[i].left == e && ds_expr_is_const(all[i].right, out)) ||
                                      (all[i].right == e && ds_expr_is_const(all[i].left, out))))
            return true;
    return false;
}

/* ---- inputs by name ---- */

static ds_status refuse(ds_ir_context *cx, const ds_argument *a, const char *why) {
    ds_string type = {0};
    ds_type_print(&type, a->type);
    ds_status status =
        ds_report(cx->diag, DS_ERROR, DS_E_form, NULL, "--generate: '%s', %s, %s", a->name, type.data, why);
    ds_string_free(&type);
    return status;
}

/* The extents of an input: one sequence, and in the last dim what goes with its role. */
static ds_status bind_named(decoder *d, ds_ir_context *cx, const ds_argument *a, size_t k) {
    const ds_type *t = a->type;
    int64_t n;
    if (t->rank > 2) return refuse(cx, a, "has more than two dims");
    if (ds_elem_facts(t->elem)->bits < 8 || ds_elem_facts(t->elem)->bits > 64)
        return refuse(cx, a, "has an element type that ids and masks do not have");
    for (size_t i = 0; i < t->rank; i++) {
        bool last = i + 1 == t->rank && known[k].last != OF_ONE;
        if (!ds_expr_is_const(t->dims[i], &n)) bind(d, t->dims[i], last ? known[k].last : OF_ONE, 0);
        else if (!last && n != 1) return refuse(cx, a, "is of several sequences: one is generated at a time");
        else if (last && known[k].last == OF_TOTAL && n < d->most) d->most = n;
        else if (last && known[k].last == OF_NEW && n != 1)
            return refuse(cx, a, "takes a number of tokens that is neither one nor any");
        else if (last && known[k].role == IS_IDS) d->one_by_one = true;
    }
    return DS_OK;
}

static ds_status name_inputs(decoder *d, ds_ir_context *cx) {
    const ds_signature *s = d->signature;
    bool has_ids = false;
    for (size_t k = 0; k < DS_COUNT(known); k++) /* in the table's order: ids say which extents are what */
        for (size_t i = 0; i < s->input_count; i++) {
            if (strcmp(s->inputs[i].name, known[k].name)) continue;
            d->roles[i] = known[k].role;
            has_ids = has_ids || known[k].role == IS_IDS;
            DS_TRY(bind_named(d, cx, &s->inputs[i], k));
        }
    if (has_ids) return DS_OK;
    return ds_report(cx->diag, DS_ERROR, DS_E_inputs, NULL,
                     "--generate: the model has no input 'input_ids', so it is not known where tokens go");
}

/* ---- caches ---- */

/* The same extent: as it is written, or because a call requires it. */
static bool is_same(ds_ir_context *cx, const ds_requirement *required, const ds_expr *a, const ds_expr *b) {
    int64_t n, m;
    if (ds_expr_equals(ds_expr_sub(cx, a, b), 0)) return true;
    bool left = ds_expr_is_const(a, &n) || is_required(required, a, &n),
         right = ds_expr_is_const(b, &m) || is_required(required, b, &m);
    return left && right && n == m;
}

static bool are_same(ds_ir_context *cx, const ds_requirement *required, const ds_type *a, const ds_type *b) {
    bool same = a->rank == b->rank;
    for (size_t i = 0; same && i < a->rank; i++) same = is_same(cx, required, a->dims[i], b->dims[i]);
    return same;
}

/* What the length of a cache is: of as many tokens as there are, or of room for them. */
static ds_status bind_cache(decoder *d, ds_ir_context *cx, const ds_requirement *required, ds_pair pair) {
    const ds_argument *in = &d->signature->inputs[pair.input], *out = &d->signature->outputs[pair.output];
    bool same = are_same(cx, required, in->type, out->type);
    const ds_expr *length = NULL;
    int64_t n;
    if (in->type->elem != out->type->elem || in->type->rank != out->type->rank)
        return ds_report(cx->diag, DS_ERROR, DS_E_inputs, NULL,
                         "--generate: input '%s' and output '%s' have different element types or ranks: one cannot be "
                         "fed to the other (say --feed=INPUT=OUTPUT)",
                         in->name, out->name);
    for (size_t i = 0; i < in->type->rank; i++) {
        const ds_expr *e = in->type->dims[i];
        if (e->kind != DS_EXPR_SYMBOL || find_extent(d, e->name)) continue;
        if (is_required(required, e, &n)) bind(d, e, OF_NUMBER, n);
        else if (length && length != e)
            return refuse(cx, in, "has two extents of which it is not known what they are: fix one with --dim");
        else length = e;
    }
    if (length) bind(d, length, same ? OF_ROOM : OF_PAST, 0);
    for (size_t i = 0; !same && i < in->type->rank; i++)
        if (ds_expr_is_const(in->type->dims[i], NULL) && !is_same(cx, required, in->type->dims[i], out->type->dims[i]))
            return refuse(
                cx, in,
                "has a fixed length and comes back with another: a prompt begins with an empty cache, so that "
                "the length must be a symbol, or stay as it is");
    bool fixed = same && in->type->rank == 4 && ds_expr_is_const(in->type->dims[2], &n);
    if (fixed && n < d->most) d->most = n; /* [batch, heads, tokens, size] */
    return DS_OK;
}

static ds_status add_pairs(decoder *d, ds_ir_context *cx, const char *pattern) {
    const ds_signature *s = d->signature;
    const char **inputs = NULL, **outputs = NULL;
    ds_pair *found = NULL;
    for (size_t i = 0; i < s->input_count; i++) arrput(inputs, s->inputs[i].name);
    for (size_t i = 0; i < s->output_count; i++) arrput(outputs, s->outputs[i].name);
    ds_status status = ds_pairs_find(cx->diag, pattern, inputs, s->input_count, outputs, s->output_count, &found);
    for (size_t i = 0; i < arrlenu(found); i++) {
        bool there = false;
        for (size_t k = 0; k < arrlenu(d->caches); k++) {
            const ds_pair *p = &d->caches[k];
            if (p->input == found[i].input && p->output == found[i].output) there = true;
            else if ((p->input == found[i].input || p->output == found[i].output) && status == DS_OK)
                status =
                    ds_report(cx->diag, DS_ERROR, DS_E_inputs, NULL, "'%s': '%s' is not fed with both '%s' and '%s'",
                              pattern, inputs[found[i].input], outputs[p->output], outputs[found[i].output]);
        }
        if (!there) arrput(d->caches, found[i]);
    }
    arrfree(inputs), arrfree(outputs), arrfree(found);
    return status;
}

static bool has_argument(const ds_argument *all, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (!strcmp(all[i].name, name)) return true;
    return false;
}

/* Scales of caches of bytes go where these do (ir/stored.h), whatever pattern named them. */
static ds_status add_scales(decoder *d, ds_ir_context *cx) {
    const ds_signature *s = d->signature;
    ds_status status = DS_OK;
    for (size_t i = 0, count = arrlenu(d->caches); i < count && status == DS_OK; i++) {
        const ds_argument *in = &s->inputs[d->caches[i].input], *out = &s->outputs[d->caches[i].output];
        ds_string pair = {0}, input = {0}, output = {0};
        ds_string_printf(&input, "%s_scale", in->name);
        ds_string_printf(&output, "%s_scale", out->name);
        ds_string_printf(&pair, "%s=%s", input.data, output.data);
        bool has = ds_stored_has_scales(in->type->elem) && has_argument(s->inputs, s->input_count, input.data) &&
                   has_argument(s->outputs, s->output_count, output.data);
        if (has) status = add_pairs(d, cx, pair.data);
        ds_string_free(&pair), ds_string_free(&input), ds_string_free(&output);
    }
    return status;
}

static ds_status find_caches(decoder *d, const cli *c, ds_ir_context *cx, ds_module *m) {
    static const char usual[] = "past*=present*";
    size_t given = 0;
    for (size_t i = 0; i < arrlenu(c->options); i++) {
        bool feeds = !strcmp(c->options[i].name, "feed");
        if (!feeds && strcmp(c->options[i].name, "alias")) continue;
        given += feeds;
        DS_TRY(add_pairs(d, cx, c->options[i].value));
    }
    if (!given && !arrlenu(d->caches)) DS_TRY(add_pairs(d, cx, usual));
    DS_TRY(add_scales(d, cx));
    ds_requirement *required = ds_requirements_in(ds_op_block(ds_module_find(m, "main"), 0));
    ds_status status = DS_OK;
    for (size_t i = 0; status == DS_OK && i < arrlenu(d->caches); i++)
        status = bind_cache(d, cx, required, d->caches[i]);
    arrfree(required);
    return status;
}

/* ---- the model ---- */

static bool is_fed(const decoder *d, size_t i, bool output) {
    for (size_t k = 0; k < arrlenu(d->caches); k++)
        if ((output ? d->caches[k].output : d->caches[k].input) == i) return true;
    return false;
}

/* Every input is a cache or known by name. */
static ds_status check_inputs(const decoder *d, ds_ir_context *cx) {
    for (size_t i = 0; i < d->signature->input_count; i++)
        if ((d->roles[i] == IS_CACHE) != is_fed(d, i, false))
            return refuse(cx, &d->signature->inputs[i],
                          d->roles[i] == IS_CACHE
                              ? "is no input that it knows (`dsc run --help`), and no cache: pair it with an output by "
                                "--feed=INPUT=OUTPUT"
                              : "is not a cache");
    return DS_OK;
}

/* The output 'logits', or the only one that is not fed back. */
static ds_status find_logits(decoder *d, ds_ir_context *cx) {
    const ds_signature *s = d->signature;
    size_t others = 0;
    d->logits = s->output_count;
    for (size_t i = 0; i < s->output_count; i++) {
        if (is_fed(d, i, true)) continue;
        if (!others++ || !strcmp(s->outputs[i].name, "logits")) d->logits = i;
    }
    bool found = d->logits < s->output_count && (others == 1 || !strcmp(s->outputs[d->logits].name, "logits"));
    if (!found)
        return ds_report(cx->diag, DS_ERROR, DS_E_inputs, NULL,
                         "--generate: %zu outputs are not fed back, and none is called 'logits'", others);
    const ds_argument *a = &s->outputs[d->logits];
    if (!ds_elem_is_float(a->type->elem) || ds_elem_facts(a->type->elem)->bits < 8 || a->type->rank < 1)
        return refuse(cx, a, "cannot be logits, which are floats");
    if (!ds_expr_is_const(a->type->dims[a->type->rank - 1], &d->vocabulary)) d->vocabulary = 0;
    return DS_OK;
}

ds_status decoder_open(decoder *d, const cli *c, ds_ir_context *cx, const model *m) {
    *d = (decoder){.signature = &m->built.signature, .most = INT64_MAX};
    size_t count = d->signature->input_count;
    d->roles = ds_xmalloc((count + 1) * sizeof *d->roles);
    for (size_t i = 0; i < count; i++) d->roles[i] = IS_CACHE;
    DS_TRY(name_inputs(d, cx));
    DS_TRY(find_caches(d, c, cx, m->module));
    DS_TRY(check_inputs(d, cx));
    return find_logits(d, cx);
}

void decoder_close(decoder *d) {
    free(d->roles);
    arrfree(d->caches), arrfree(d->extents);
}

/* ---- a call ---- */

static int64_t element(const decoder *d, role_kind role, const int64_t *ids, int64_t i) {
    int64_t total = d->past + d->fresh;
    switch (role) {
    case IS_IDS: return ids[i];
    case IS_MASK: return i < total;
    case IS_POSITIONS: return d->past + i;
    case IS_PAST: return d->past;
    case IS_LAST: return total - 1;
    case IS_TOTAL: return total;
    default: return d->past > 0;
    }
}

void decoder_fill(const decoder *d, size_t input, const int64_t *ids, ds_model_tensor *out) {
    const ds_type *t = d->signature->inputs[input].type;
    unsigned bytes = ds_elem_facts(t->elem)->bits / 8;
    decoder_dims(d, t, out->dims, &out->bytes);
    out->data = ds_xmalloc((size_t)out->bytes + 8);
    for (uint64_t i = 0; i < out->bytes / bytes; i++) {
        int64_t v = element(d, d->roles[input], ids, (int64_t)i);
        uint64_t bits = ds_elem_is_float(t->elem) ? ds_float_encode(t->elem, (double)v, false) : (uint64_t)v;
        memcpy((char *)out->data + i * bytes, &bits, bytes); /* little-endian */
    }
}

/* ---- what a call reads ---- */

typedef struct {
    const decoder *d;
    double bytes;
    const ds_value **counted; /* stb_ds array */
} reading;

static double bytes_of(const decoder *d, const ds_op *op) {
    lookup l = {d, true};
    const ds_expr *e = ds_attr_to_expr(ds_op_attr(op, "bytes"));
    return e ? (double)ds_expr_evaluate(e, look_up, &l) : 0;
}

static bool is_weight(const ds_value *v) { return v->op && v->op->kind == DS_PLAN_weight; }

/* A map reads a table where its indices say: not more than it writes. Others read all that they are given. */
static void read_weights(void *user, ds_op *op) {
    reading *r = user;
    if (op->kind != DS_PLAN_call && op->kind != DS_PLAN_extern) return;
    double most = bytes_of(r->d, op), whole = 0;
    for (size_t i = 0; i < op->operand_count; i++)
        if (is_weight(ds_op_operand(op, i))) whole += bytes_of(r->d, ds_op_operand(op, i)->op);
    bool looks_up = !strncmp(ds_op_text(op, "what", ""), "map ", 4);
    for (size_t i = 0; i < op->operand_count; i++) {
        const ds_value *v = ds_op_operand(op, i);
        bool counted = !is_weight(v);
        for (size_t k = 0; k < arrlenu(r->counted) && !counted; k++) counted = r->counted[k] == v;
        if (counted) continue;
        double bytes = bytes_of(r->d, v->op), rest = most - whole;
        if (looks_up && rest < bytes) r->bytes += rest;
        else {
            r->bytes += bytes;
            arrput(r->counted, v);
        }
    }
}

double decoder_weight_bytes(const decoder *d, ds_module *m) {
    decoder one = *d;
    one.fresh = 1;
    reading r = {&one, 0, NULL};
    ds_walk(ds_op_block(ds_module_find(m, "main"), 0), read_weights, &r);
    arrfree(r.counted);
    return r.bytes;
}
