/* Chains of convolutions around a depthwise one or a pool, in strips of rows: a strip of the last result is made from
 * what the chain's other results need for it, which stays in the L2 cache of one lane.
 *
 * A piece is a band of rows; it walks its strips from the top. Windows of the depthwise convolution or pool overlap: of
 * the rows that it read for one strip, those that the next one needs as well are moved to the front of their buffer.
 * The first strip of a band makes them itself, so bands are independent. Buffers are shifted so that rows are read and
 * written at their own places.
 */
#include <string.h>

#include "passes/lower/lower.h"
#include "passes/schedule/strips.h"

typedef struct {
    lowering *l;
    const ds_op *kernel, *window; /* the depthwise convolution or pool */
    ds_window reads;              /* of the window */
    int64_t strip;
    ds_value *image, *low, *from, *to; /* the band's first row; the strip's rows of the last result */
} strips;

static ds_value *times(lowering *l, ds_value *v, int64_t factor) {
    return lw_binary(l, DS_LOOP_mul, v, lw_index(l, factor));
}
static ds_value *plus(lowering *l, ds_value *v, int64_t term) {
    return lw_binary(l, DS_LOOP_add, v, lw_index(l, term));
}
static ds_value *at_least(lowering *l, ds_value *v, int64_t low) {
    return lw_binary(l, DS_LOOP_max, v, lw_index(l, low));
}
static ds_value *at_most(lowering *l, ds_value *v, int64_t high) {
    return lw_binary(l, DS_LOOP_min, v, lw_index(l, high));
}

static int64_t strip_bytes(lowering *l, const ds_value *v, int64_t strip) {
    int64_t rows, length;
    strips_rows_in_memory(l->cx, v->type, &rows, &length);
    return strips_buffer_rows(l->cx, v, strip) * length * (int64_t)(ds_elem_facts(v->type->elem)->bits / 8);
}

/* The value of the chain that the window reads: the one with rows that are kept, and borders if it has any. NULL: it
 * comes from outside. */
static const ds_value *kept_value(const strips *s) {
    return ds_op_operand(s->window, 0)->op ? ds_op_operand(s->window, 0) : NULL;
}

static void zero_rows(strips *s, ds_value *buffer, ds_value *first, ds_value *count, int64_t length) {
    lower_zeros(s->l, buffer, times(s->l, first, length), times(s->l, count, length));
}

/* The ends of all rows of the kept buffer: the image's border to the left and right. They stay as they are. */
static void zero_columns(strips *s, ds_value *buffer) {
    lowering *l = s->l;
    const ds_value *v = kept_value(s);
    int64_t rows, length, channels = v->type->dims[1]->value, left = ds_layout_border(v->type, 3, false) * channels,
                          right = ds_layout_border(v->type, 3, true) * channels;
    strips_rows_in_memory(l->cx, v->type, &rows, &length);
    ds_op *loop =
        lw_for(l, lw_index(l, 0), lw_index(l, strips_buffer_rows(l->cx, v, s->strip)), lw_index(l, 1), NULL, 0, NULL);
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
    strips_rows_in_memory(l->cx, t, &rows, &length);
    ds_value *zero = lw_index(l, 0);
    ds_op *once = lw_when(l, is_first);
    zero_rows(s, buffer, zero, at_least(l, lw_binary(l, DS_LOOP_sub, zero, top), 0), length);
    lw_end(l, once, NULL, 0);
    zero_rows(s, buffer, lw_binary(l, DS_LOOP_sub, lw_index(l, height), top), at_least(l, plus(l, end, -height), 0),
              length);
}

/* Fills the kept buffer but for what the first convolution makes, and says which rows those are. */
static void prepare_window(strips *s, ds_value *buffer, ds_value **out_from, ds_value **out_to) {
    lowering *l = s->l;
    const ds_type *t = kept_value(s)->type;
    int64_t rows, length, height = t->dims[2]->value;
    strips_rows_in_memory(l->cx, t, &rows, &length);
    ds_value *top = plus(l, times(l, s->from, s->reads.stride),
                         -s->reads.before), /* the first row that is read; negative: border */
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

/* A result inside the chain is written and read at its rows' own places: row `first` (as it lies in memory) is the
 * buffer's first. */
static void shift_to(strips *s, const ds_value *v, ds_value *buffer, ds_value *first) {
    lowering *l = s->l;
    int64_t rows, length;
    strips_rows_in_memory(l->cx, v->type, &rows, &length);
    ds_value *row = lw_binary(l, DS_LOOP_add, times(l, s->image, rows), first),
             *operands[] = {buffer, times(l, row, length)};
    ds_mapping_set(&l->buffers, (ds_value *)(uintptr_t)v, lw_op(l, DS_LOOP_shift, operands, 2, buffer->type));
}

static void lower_strip(strips *s) {
    lowering *l = s->l;
    const ds_value *kept = kept_value(s);
    ds_value *from = s->from, *to = s->to, *kept_buffer = kept ? lw_buffer(l, kept) : NULL;
    int index = 0;
    if (kept) {
        prepare_window(s, kept_buffer, &from, &to);
        shift_to(s, kept, kept_buffer,
                 plus(l, times(l, s->from, s->reads.stride), ds_layout_border(kept->type, 2, false) - s->reads.before));
    }
    for (const ds_op *op = ds_op_block(s->kernel, 0)->first; op->kind != DS_GRAPH_yield; op = op->next, index++) {
        const ds_op *epilogue = strips_epilogue(op), *last = epilogue ? epilogue : op;
        if (op == s->window) {
            from = s->from;
            to = s->to;
        }
        if (last->next->kind != DS_GRAPH_yield && &last->results[0] != kept)
            shift_to(s, &last->results[0], lw_buffer(l, &last->results[0]), s->from);
        if (op == s->window) lower_window_rows(l, op, epilogue, index, s->image, from, to);
        else lower_tile_image(l, op, epilogue, index, s->image, from, to, kept && op->prev == NULL ? 0 : s->strip);
        index += epilogue != NULL;
        op = last;
    }
}

/* What flows between the ops has room for the rows of a strip; sums stay in registers where a map follows. */
static void bind_strips(lowering *l, const ds_op *kernel, int64_t strip) {
    ds_block *out = ds_op_block(l->b.block->region->op, 0);
    const ds_expr **scratch = NULL;
    lower_bind_operands(l, kernel);
    for (ds_op *op = ds_op_block(kernel, 0)->first; op->next->kind != DS_GRAPH_yield; op = op->next) {
        ds_value *v = &op->results[0];
        if (op->next->kind == DS_GRAPH_map) continue;
        ds_mapping_set(&l->buffers, v, ds_block_add_arg(l->m, out, ds_type_buffer(l->cx, v->type->elem), NULL));
        arrput(scratch, ds_expr_const(l->cx, strip_bytes(l, v, strip)));
    }
    lower_set_scratch(l, scratch);
}

void lower_strips(lowering *l, ds_op *kernel) {
    strips_chain chain;
    strips_chain_of(l->cx, kernel, &chain);
    int64_t band = ds_schedule_find(l->schedule, DS_OWN, "d2", DS_LEVEL_grid)->step,
            strip = ds_schedule_find(l->schedule, DS_OWN, "d2", DS_LEVEL_serial)->step;
    strips s = {.l = l, .kernel = kernel, .window = chain.window, .strip = strip};
    const ds_type *type = kernel->results[0].type;
    bind_strips(l, kernel, strip);
    ds_window_along(l->cx, s.window, 2, &s.reads);
    const ds_expr *bands = ds_expr_ceildiv(l->cx, type->dims[2], ds_expr_const(l->cx, band));
    ds_op *pieces;
    ds_value *rest = lower_parallel(l, ds_expr_mul(l->cx, bands, type->dims[0]), 1, false, &pieces);
    s.low = times(l, lw_digit(l, &rest, bands), band);
    s.image = lw_digit(l, &rest, type->dims[0]);
    if (kept_value(&s)) zero_columns(&s, lw_buffer(l, kept_value(&s)));
    ds_value *high = at_most(l, plus(l, s.low, band), type->dims[2]->value);
    ds_op *loop = lw_for(l, s.low, high, lw_index(l, strip), NULL, 0, NULL);
    s.from = lw_for_position(loop);
    s.to = lw_binary(l, DS_LOOP_min, plus(l, s.from, strip), high);
    lower_strip(&s);
    lw_end(l, loop, NULL, 0);
    lower_parallel_end(l, pieces);
}
