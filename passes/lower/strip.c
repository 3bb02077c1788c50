/* Chains of convolutions around a depthwise one or a pool, in strips of rows: a strip of the last result is made from what the chain's
 * other results need for it, which stays in the L2 cache of one lane.
 *
 * A piece is a band of rows; it walks its strips from the top. Windows of the depthwise convolution or pool overlap: of the rows that it
 * read for one strip, those that the next one needs as well are moved to the front of their buffer. The first strip of a band makes them
 * itself, so bands are independent. Buffers are shifted so that rows are read and written at their own places.
 */
#include "passes/lower/lower.h"

typedef struct {
    lowering *l;
    const ds_op *kernel, *window; /* the depthwise convolution or pool */
    ds_window reads;              /* of the window */
    int64_t strip;
    ds_value *image, *low, *from, *to; /* the band's first row; the strip's rows of the last result */
} strips;

static ds_value *times(lowering *l, ds_value *v, int64_t factor) { return lw_binary(l, DS_LOOP_mul, v, lw_index(l, factor)); }
static ds_value *plus(lowering *l, ds_value *v, int64_t term) { return lw_binary(l, DS_LOOP_add, v, lw_index(l, term)); }
static ds_value *at_least(lowering *l, ds_value *v, int64_t low) { return lw_binary(l, DS_LOOP_max, v, lw_index(l, low)); }
static ds_value *at_most(lowering *l, ds_value *v, int64_t high) { return lw_binary(l, DS_LOOP_min, v, lw_index(l, high)); }

/* Rows of an image as they lie in memory: how many, and elements of one. */
static void rows_in_memory(lowering *l, const ds_type *t, int64_t *out_rows, int64_t *out_length) {
    const ds_expr *extent[4];
    ds_layout_extents(l->cx, t, extent);
    *out_rows = extent[1]->value, *out_length = extent[2]->value * extent[3]->value;
}

/* Rows that the buffer of v has: what its reader needs for a strip. */
static int64_t buffer_rows(lowering *l, const ds_value *v, int64_t strip) {
    ds_window reads;
    return ds_window_along(l->cx, v->uses->owner, 2, &reads) ? (strip - 1) * reads.stride + reads.reach : strip;
}

int64_t lower_strip_bytes(lowering *l, const ds_value *v, int64_t strip) {
    int64_t rows, length;
    rows_in_memory(l, v->type, &rows, &length);
    return buffer_rows(l, v, strip) * length * (int64_t)(ds_elem_facts(v->type->elem)->bits / 8);
}

/* The value of the chain that the window reads: the one with rows that are kept, and borders if it has any. NULL: it comes from outside. */
static const ds_value *kept_value(const strips *s) { return ds_op_operand(s->window, 0)->op ? ds_op_operand(s->window, 0) : NULL; }

static void zero_rows(strips *s, ds_value *buffer, ds_value *first, ds_value *count, int64_t length) {
    lower_zeros(s->l, buffer, times(s->l, first, length), times(s->l, count, length));
}

/* The ends of all rows of the kept buffer: the image's border to the left and right. They stay as they are. */
static void zero_columns(strips *s, ds_value *buffer) {
    lowering *l = s->l;
    const ds_value *v = kept_value(s);
    int64_t rows, length, channels = v->type->dims[1]->value, left = ds_layout_border(v->type, 3, false) * channels,
                          right = ds_layout_border(v->type, 3, true) * channels;
    rows_in_memory(l, v->type, &rows, &length);
    ds_op *loop = lw_for(l, lw_index(l, 0), lw_index(l, buffer_rows(l, v, s->strip)), lw_index(l, 1), NULL, 0, NULL);
    ds_value *start = times(l, lw_for_position(loop), length);
    if (left) lower_zeros(l, buffer, start, lw_index(l, left));
    if (right) lower_zeros(l, buffer, plus(l, start, length - right), lw_index(l, right));
    lw_end(l, loop, NULL, 0);
}

/* Rows that the strip before has made move to the front of the buffer. */
static void move_rows(strips *s, ds_value *buffer, int64_t length) {
    lowering *l = s->l;
    int64_t distance = s->strip * s->reads.stride * length, count = (s->reads.reach - s->reads.stride) * length;
    if (count <= 0) return;
    ds_op *loop = lw_for(l, lw_index(l, 0), lw_index(l, count), lw_index(l, (int64_t)l->lanes), NULL, 0, NULL);
    lane_point p = {.rank = 1, .at = {lw_for_position(loop)}, .vector = 0};
    if (count % (int64_t)l->lanes) p.mask = lw_mask(l, p.at[0], lw_index(l, count));
    const ds_expr *to = ds_expr_dim(l->cx, 0), *from = ds_expr_add(l->cx, to, ds_expr_const(l->cx, distance));
    lw_store(l, lw_load(l, buffer, from, &p, NULL), buffer, to, &p);
    lw_end(l, loop, NULL, 0);
}

/* Rows of the border above and below the image, as far as the strip reads them. */
static void zero_border_rows(strips *s, ds_value *buffer, ds_value *top, ds_value *end, ds_value *is_first) {
    lowering *l = s->l;
    const ds_type *t = kept_value(s)->type;
    int64_t rows, length, height = t->dims[2]->value;
    rows_in_memory(l, t, &rows, &length);
    ds_value *zero = lw_index(l, 0);
    ds_op *once = lw_when(l, is_first);
    zero_rows(s, buffer, zero, at_least(l, lw_binary(l, DS_LOOP_sub, zero, top), 0), length);
    lw_end(l, once, NULL, 0);
    zero_rows(s, buffer, lw_binary(l, DS_LOOP_sub, lw_index(l, height), top), at_least(l, plus(l, end, -height), 0), length);
}

/* Fills the kept buffer but for what the first convolution makes, and says which rows those are. */
static void prepare_window(strips *s, ds_value *buffer, ds_value **out_from, ds_value **out_to) {
    lowering *l = s->l;
    const ds_type *t = kept_value(s)->type;
    int64_t rows, length, height = t->dims[2]->value;
    rows_in_memory(l, t, &rows, &length);
    ds_value *top = plus(l, times(l, s->from, s->reads.stride), -s->reads.before), /* the first row that is read; negative: border */
        *end = plus(l, times(l, plus(l, s->to, -1), s->reads.stride), s->reads.reach - s->reads.before),
             *first = lw_binary(l, DS_LOOP_eq, s->from, s->low), *later = lw_binary(l, DS_LOOP_ne, s->from, s->low);
    ds_op *once = lw_when(l, later);
    move_rows(s, buffer, length);
    lw_end(l, once, NULL, 0);
    if (ds_attr_find(t->encoding, "border")) zero_border_rows(s, buffer, top, end, first);
    ds_value *rest[] = {first, at_least(l, top, 0), plus(l, top, s->reads.reach - s->reads.stride)};
    *out_from = at_most(l, lw_op(l, DS_LOOP_select, rest, 3, top->type), height);
    *out_to = at_most(l, end, height);
}

/* A result inside the chain is written and read at its rows' own places: row `first` (as it lies in memory) is the buffer's first. */
static void shift_to(strips *s, const ds_value *v, ds_value *buffer, ds_value *first) {
    lowering *l = s->l;
    int64_t rows, length;
    rows_in_memory(l, v->type, &rows, &length);
    ds_value *row = lw_binary(l, DS_LOOP_add, times(l, s->image, rows), first), *operands[] = {buffer, times(l, row, length)};
    ds_mapping_set(&l->buffers, (ds_value *)(uintptr_t)v, lw_op(l, DS_LOOP_shift, operands, 2, buffer->type));
}

static bool lower_strip(strips *s) {
    lowering *l = s->l;
    const ds_value *kept = kept_value(s);
    ds_value *from = s->from, *to = s->to;
    ds_value *kept_buffer = kept ? lw_buffer(l, kept) : NULL;
    if (kept) {
        prepare_window(s, kept_buffer, &from, &to);
        shift_to(s, kept, kept_buffer,
                 plus(l, times(l, s->from, s->reads.stride), ds_layout_border(kept->type, 2, false) - s->reads.before));
    }
    for (const ds_op *op = ds_op_block(s->kernel, 0)->first; op->kind != DS_GRAPH_yield; op = op->next) {
        const ds_op *next = op->next, *epilogue = next->kind == DS_GRAPH_map ? next : NULL, *last = epilogue ? epilogue : op;
        if (op == s->window) from = s->from, to = s->to;
        if (last->next->kind != DS_GRAPH_yield && &last->results[0] != kept)
            shift_to(s, &last->results[0], lw_buffer(l, &last->results[0]), s->from);
        if (op == s->window ? !lower_windows_rows(l, op, epilogue, s->image, from, to)
                            : !lower_conv_rows(l, op, epilogue, s->image, from, to, kept && op->prev == NULL ? 0 : s->strip))
            return false;
        op = last;
    }
    return true;
}

bool lower_strips(lowering *l, const ds_op *kernel, int64_t strip, int64_t band) {
    strips s = {.l = l, .kernel = kernel, .strip = strip};
    const ds_type *type = kernel->results[0].type;
    for (const ds_op *op = ds_op_block(kernel, 0)->first; op->kind != DS_GRAPH_yield; op = op->next)
        if (ds_is_depthwise(l->cx, op) || ds_is_pool(l->cx, op)) s.window = op;
    ds_window_along(l->cx, s.window, 2, &s.reads);
    const ds_expr *bands = ds_expr_ceildiv(l->cx, type->dims[2], ds_expr_const(l->cx, band));
    ds_op *pieces;
    ds_value *rest = lower_parallel(l, ds_expr_mul(l->cx, bands, type->dims[0]), 1e9, 1, &pieces);
    s.low = times(l, lw_digit(l, &rest, bands), band), s.image = lw_digit(l, &rest, type->dims[0]);
    if (kept_value(&s)) zero_columns(&s, lw_buffer(l, kept_value(&s)));
    ds_value *high = at_most(l, plus(l, s.low, band), type->dims[2]->value);
    ds_op *loop = lw_for(l, s.low, high, lw_index(l, strip), NULL, 0, NULL);
    s.from = lw_for_position(loop), s.to = lw_binary(l, DS_LOOP_min, plus(l, s.from, strip), high);
    bool lowered = lower_strip(&s);
    lw_end(l, loop, NULL, 0);
    lower_parallel_end(l, pieces);
    return lowered;
}
