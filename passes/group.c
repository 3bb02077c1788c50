/* group: puts ops that are scheduled together into graph.kernel ops, one kernel for every op that computes.
 *
 *   before   %1 = "graph.matmul"(%x, %w)    %2 = "graph.map"(%1, %bias) ({ add })
 *   after    %2 = "graph.kernel"(%x, %w, %bias) ({ matmul, map, yield })
 *
 * A contraction or a pool takes the map that reads it point by point as its epilogue. A reduction and the maps and
 * reductions around it that walk the same leading dimensions (softmax, layer normalisation) share the loops over those;
 * what flows between them stays in the scratch memory of one lane.
 * A product whose rows go through such ops into a second product (attention) is one kernel, too: a block of rows is at
 * work at a time, so that the first product's result stays in the L2 cache of one lane. So are two products with a map
 * between them (the layers of a transformer's block) whose weights fit that cache.
 * So are a depthwise convolution or a pool of a large image and the convolutions before and after it: a strip of rows
 * is at work at a time.
 * A loop (a recurrent network) is one kernel where its first dim (the direction) runs through every turn by itself, and
 * a turn is short.
 * Needs:  graph ops.   Keeps: values.   Breaks: nothing.   Cost: linear.
 */
#include <math.h>
#include <string.h>

#include "passes/schedule/rows.h"
#include "passes/schedule/strips.h"
#include "passes/schedule/winograd.h"

enum { MAX_GROUP = 12 };

typedef struct {
    ds_module *m;
    ds_ir_context *cx;
    const ds_target *target;
    const ds_machine *machine;
} grouper;

static bool is_contraction(const ds_op *op) {
    return op->kind == DS_GRAPH_matmul || op->kind == DS_GRAPH_conv || op->kind == DS_GRAPH_winograd;
}

/* The one map that reads every element of v at its own point, when v has no other reader. */
static ds_op *epilogue_of(const ds_value *v) {
    if (!v->uses) return NULL;
    ds_op *user = v->uses->owner;
    if (user->block != v->op->block) return NULL;
    return schedule_is_epilogue(v, user) ? user : NULL;
}

/* ---- shared rows ---- */

static bool in_group(ds_op *const *ops, size_t count, const ds_op *op) {
    for (size_t i = 0; i < count; i++)
        if (ops[i] == op) return true;
    return false;
}

/* Is v made by one of these ops, or within its regions? */
static bool is_made_by(const ds_value *v, ds_op *const *ops, size_t count) {
    const ds_op *op = v->op ? v->op : v->block->region->op;
    for (; op; op = op->block ? op->block->region->op : NULL)
        if (in_group(ops, count, op)) return true;
    return false;
}

/* Also what the ops of its regions read from outside. */
static bool reads_any(const ds_op *op, ds_op *const *ops, size_t count) {
    for (size_t i = 0; i < op->operand_count; i++)
        if (ds_op_operand(op, i)->op && in_group(ops, count, ds_op_operand(op, i)->op)) return true;
    for (size_t r = 0; r < op->region_count; r++)
        for (const ds_op *inner = ds_op_block(op, r)->first; inner; inner = inner->next)
            if (reads_any(inner, ops, count)) return true;
    return false;
}

/* May `op`, which stands after the group, join it? What it reads of the group it must read row by row. */
static bool may_join(ds_op *const *ops, size_t count, const ds_op *op, size_t rows) {
    bool connected = false;
    if (!rows_is_plain(op) || !rows_same(ops[0]->results[0].type, op->results[0].type, rows)) return false;
    for (size_t i = 0; i < op->operand_count; i++) {
        const ds_value *v = ds_op_operand(op, i);
        if (v->op && in_group(ops, count, v->op)) {
            connected = true;
            if (!rows_read(ds_op_map(op, i), v->type, rows)) return false;
        }
    }
    return connected;
}

/* A row's temporaries must fit the cache: at most this many elements, and known when the model starts, which gives
 * lanes their memory. */
static bool row_is_small(const ds_type *t, size_t rows) {
    int64_t count = 1, extent;
    for (size_t i = rows; i < t->rank; i++)
        if (t->dims[i]->is_late) return false;
    for (size_t i = rows; i < t->rank; i++)
        if (!ds_expr_is_const(t->dims[i], &extent)) extent = 1024; /* a guess for what is unknown */
        else if (extent > 1 << 20 || (count *= extent) > 1 << 16) return false;
    return count <= 1 << 16;
}

enum { FEW_ROWS = 4, MUCH = 1 << 13 };

/* Rows that are few and have much in them leave lanes idle: ops on their own are cut in pieces better. */
static bool rows_are_few(const ds_type *t, size_t rows) {
    uint64_t count, number = 1;
    if (!ds_type_static_count(t, &count)) return false;
    for (size_t i = 0; i < rows; i++) number *= (uint64_t)t->dims[i]->value;
    return number < FEW_ROWS && count >= MUCH;
}

static size_t collect_rows(ds_op *first, ds_op **ops) {
    size_t count = 0, rows = first->kind == DS_GRAPH_reduce ? rows_of_reduce(first) : 0;
    ops[count++] = first;
    if (rows == 0 || rows_are_few(first->results[0].type, rows) || !row_is_small(first->results[0].type, rows))
        return count;
    for (ds_op *op = first->next; op && count < MAX_GROUP; op = op->next) {
        if (!schedule_computes(op) || is_contraction(op)) {
            if (op->kind == DS_GRAPH_constant || op->kind == DS_GRAPH_index) continue;
            break;
        }
        if (may_join(ops, count, op, rows) && row_is_small(op->results[0].type, rows)) ops[count++] = op;
        else if (reads_any(op, ops, count)) break; /* what needs the group's values must stay behind it */
    }
    return count;
}

/* ---- attention ---- */

static bool used_outside(const ds_value *v, ds_op *const *ops, size_t count);

/* The second product: its rows are the group's rows. */
static bool ends_attention(grouper *g, ds_op *const *ops, size_t count, const ds_op *op, size_t rows) {
    size_t own;
    if (!rows_is_product(g->cx, g->target, op, &own) || own != rows || !rows_multiply_alike(ops[0], op) ||
        !rows_same(ops[0]->results[0].type, op->results[0].type, rows))
        return false;
    const ds_value *left = ds_op_operand(op, 0), *right = ds_op_operand(op, 1);
    return left->op && in_group(ops, count, left->op) && !(right->op && in_group(ops, count, right->op)) &&
           left->type->rank == rows + 1 && rows_read(ds_op_map(op, 0), left->type, rows);
}

/* Is `op` a map that multiplies each row of operand *out_value by an element of the other operand? */
static bool scales_rows(const ds_op *op, size_t rows, size_t *out_value) {
    if (!ds_is_product_map(op)) return false;
    for (size_t v = 0; v < 2; v++) {
        const ds_value *value = ds_op_operand(op, v), *scale = ds_op_operand(op, 1 - v);
        *out_value = v;
        if (value->type == op->results[0].type && ds_map_is_identity(ds_op_map(op, v), value->type) &&
            scale->type->rank == rows + 1 && ds_expr_equals(scale->type->dims[rows], 1) &&
            rows_read(ds_op_map(op, 1 - v), scale->type, rows))
            return true;
    }
    return false;
}

/* Rows that are scaled before a product with fewer columns are scaled behind it: (s x) w = s (x w). Replaces the last
 * two ops. */
static void scale_behind(grouper *g, ds_op **ops, size_t count, size_t rows) {
    ds_op *scale = ops[count - 2], *product = ops[count - 1];
    size_t v;
    const ds_type *type = product->results[0].type;
    if (!scales_rows(scale, rows, &v) || ds_op_operand(product, 0) != &scale->results[0] ||
        !ds_value_has_one_use(&scale->results[0]) ||
        type->dims[rows]->value >= scale->results[0].type->dims[rows]->value)
        return;
    ds_op_set_operand(product, 0, ds_op_operand(scale, v));
    ds_builder b = {g->m, product->block, product->next, scale->loc};
    ds_mapping mapping = {0};
    ds_mapping_set(&mapping, ds_op_operand(scale, v), &product->results[0]);
    ds_op *behind = ds_op_clone(&b, scale, &mapping);
    ds_mapping_free(&mapping);
    behind->results[0].type = type;
    ds_value_replace_uses(&product->results[0], &behind->results[0]);
    ds_op_set_operand(behind, v, &product->results[0]);
    ds_op_erase(scale);
    ops[count - 2] = product, ops[count - 1] = behind;
}

/* A product, what is done to its rows (scale, mask, softmax), and the product with the result: as many ops, or 0. */
static size_t collect_attention(grouper *g, ds_op *first, ds_op **ops, size_t *out_rows) {
    size_t count = 0, reductions = 0, rows;
    if (!rows_is_product(g->cx, g->target, first, &rows)) return 0;
    ops[count++] = first;
    for (ds_op *op = first->next; op && count < MAX_GROUP; op = op->next) {
        if (reductions && ends_attention(g, ops, count, op, rows)) {
            ops[count++] = op;
            for (size_t k = 0; k + 1 < count; k++)
                for (size_t i = 0; i < ops[k]->result_count; i++)
                    if (used_outside(&ops[k]->results[i], ops, count)) return 0;
            scale_behind(g, ops, count, rows);
            *out_rows = rows;
            return count;
        }
        if (may_join(ops, count, op, rows) && ds_type_is_static(op->results[0].type)) {
            ops[count++] = op, reductions += op->kind == DS_GRAPH_reduce;
        } else if (reads_any(op, ops, count)) return 0;
    }
    return 0;
}

/* ---- two products in a row ---- */

/* Of constant weights that every block of rows reads anew. */
static double weight_bytes(const ds_op *product) {
    const ds_value *w = ds_op_operand(product, 1);
    uint64_t count;
    if (w->op || !ds_type_static_count(w->type, &count)) return INFINITY;
    return (double)count * ds_elem_facts(w->type->elem)->bits / 8;
}

/* [product, map, product [, map]] (the two layers of a transformer's block) whose weights fit the L2 cache while what
 * flows between them does not: as many ops, or 0. */
static size_t collect_layers(grouper *g, ds_op *first, ds_op **ops, size_t *out_rows) {
    size_t count = 0, rows, own;
    uint64_t between;
    if (!rows_is_product(g->cx, g->target, first, &rows) || !ds_type_static_count(first->results[0].type, &between))
        return 0;
    ops[count++] = first;
    ds_op *epilogue = epilogue_of(&first->results[0]);
    if (!epilogue) return 0;
    ops[count++] = epilogue;
    const ds_value *v = &epilogue->results[0];
    ds_op *second = ds_value_has_one_use(v) ? v->uses->owner : NULL;
    if (!second || second->block != first->block || second->kind != DS_GRAPH_matmul ||
        !rows_is_product(g->cx, g->target, second, &own) || own != rows || !rows_multiply_alike(first, second) ||
        !rows_same(v->type, second->results[0].type, rows) || ds_op_operand(second, 0) != v ||
        !rows_read(ds_op_map(second, 0), v->type, rows))
        return 0;
    double room = (double)g->machine->l2_bytes;
    if (weight_bytes(first) + weight_bytes(second) > room / 2 || (double)between * 4 < room) return 0;
    ops[count++] = second;
    ds_op *last = epilogue_of(&second->results[0]);
    if (last && rows_same(last->results[0].type, v->type, rows)) ops[count++] = last;
    *out_rows = rows;
    return count;
}

/* ---- strips ---- */

/* Weights are read for every strip; a depthwise convolution has some, too. */
static bool weights_are_small(grouper *g, const ds_op *conv, const ds_op *window) {
    uint64_t count;
    size_t room = ds_is_pool(g->cx, window) ? g->machine->l2_bytes / 8 : g->machine->l1_bytes;
    return ds_type_static_count(ds_op_operand(conv, 1)->type, &count) && count * 4 <= room;
}

/* Adds an op and its epilogue to a chain. Returns the convolution or pool that alone reads the result, if there is
 * one. */
static ds_op *extend_chain(grouper *g, ds_op *conv, ds_op **ops, size_t *count) {
    ops[(*count)++] = conv;
    ds_op *epilogue = epilogue_of(&conv->results[0]);
    if (epilogue) ops[(*count)++] = epilogue;
    const ds_value *v = &ops[*count - 1]->results[0];
    if (!ds_value_has_one_use(v) || ds_layout_within(v->type, DS_WITHIN_ID) >= 0) return NULL;
    ds_op *reader = v->uses->owner;
    bool reads_rows = reader->kind == DS_GRAPH_conv || ds_is_pool(g->cx, reader);
    return reads_rows && reader->block == conv->block && ds_op_operand(reader, 0) == v ? reader : NULL;
}

/* [convolution,] depthwise convolution or pool [, 1x1 convolution]: as many ops, or 0 when the cache holds what flows
 * between them anyway.
 */
static size_t collect_strips(grouper *g, ds_op *first, ds_op **ops) {
    size_t count = 0;
    ds_window reads;
    const ds_value *kept = NULL, *last = NULL;
    ds_op *window = first;
    if (!strips_makes_rows(g->cx, first)) return 0;
    if (!strips_has_window(g->cx, first)) {
        window = extend_chain(g, first, ops, &count);
        if (!window || !strips_has_window(g->cx, window) || !strips_makes_rows(g->cx, window) ||
            !weights_are_small(g, first, window))
            return 0;
        kept = ds_op_operand(window, 0);
        ds_window_along(g->cx, window, 2, &reads);
        if (ds_layout_border(kept->type, 2, false) != (ds_is_pool(g->cx, window) ? 0 : reads.before)) return 0;
    }
    ds_op *after = extend_chain(g, window, ops, &count);
    if (after && !strips_has_window(g->cx, after) && strips_makes_rows(g->cx, after) &&
        weights_are_small(g, after, window) && ds_window_along(g->cx, after, 2, &reads) && reads.reach == 1 &&
        reads.stride == 1 && reads.before == 0) {
        last = ds_op_operand(after, 0);
        extend_chain(g, after, ops, &count);
    }
    double most = kept ? strips_image_bytes(g->cx, kept) : 0;
    if (last && strips_image_bytes(g->cx, last) > most) most = strips_image_bytes(g->cx, last);
    strips_chain chain = {.window = window, .kept = kept, .last = last};
    strips_plan plan;
    return most > (double)g->machine->l2_bytes / 2 && strips_choose(g->cx, g->machine, &chain, &plan) ? count : 0;
}

/* What is read by a pool alone, whose windows tiles can make. */
static ds_op *pool_of_tiles(grouper *g, const ds_op *winograd, const ds_value *v) {
    if (!ds_value_has_one_use(v) || ds_layout_within(v->type, DS_WITHIN_ID) >= 0) return NULL;
    ds_op *pool = v->uses->owner;
    return pool->block == v->op->block && winograd_takes_pool(g->cx, winograd, pool) ? pool : NULL;
}

/* ---- loops ---- */

/* Bytes of weights that a turn reads, and its products, for each element of the first dim: what one lane gets from its
 * L2 cache in less time than a fork takes, and, where there are several lanes' worth, what stays there. */
enum { SHORT_TURN_BYTES = 1 << 18, TURN_BYTES = 1 << 20, TURN_MACS = 1 << 19 };

/* Products of a turn, and bytes of what they multiply by. */
static void turn_work(grouper *g, const ds_block *body, double *out_macs, double *out_bytes) {
    *out_macs = *out_bytes = 0;
    for (const ds_op *op = body->first; op; op = op->next) {
        uint64_t weights, points;
        ds_contraction c;
        if (op->kind != DS_GRAPH_matmul) continue;
        if (!ds_type_static_count(ds_op_operand(op, 1)->type, &weights) ||
            !ds_type_static_count(op->results[0].type, &points) || !ds_contraction_of(g->cx, op, &c))
            *out_macs = INFINITY;
        else {
            double k = 1;
            for (size_t i = c.rank; i < c.rank + c.over_count; i++) k *= (double)c.extent[i]->value;
            *out_macs += (double)points * k, *out_bytes += 4 * (double)weights;
        }
    }
}

static bool is_kernel_of_turns(grouper *g, ds_op *loop) {
    if (loop->kind != DS_GRAPH_loop || !rows_are_turns(loop)) return false;
    const ds_type *state = loop->results[0].type;
    double macs, bytes, lanes = (double)state->dims[0]->value;
    turn_work(g, ds_op_block(loop, 0), &macs, &bytes);
    return bytes <= lanes * (lanes > 1 ? TURN_BYTES : SHORT_TURN_BYTES) && macs <= lanes * TURN_MACS;
}

/* ---- building ---- */

static size_t operand_index(ds_value ***operands, ds_value *v) {
    for (size_t i = 0; i < arrlenu(*operands); i++)
        if ((*operands)[i] == v) return i;
    arrput(*operands, v);
    return arrlenu(*operands) - 1;
}

static void collect_operands(ds_value ***operands, ds_op *op, ds_op *const *ops, size_t count) {
    for (size_t i = 0; i < op->operand_count; i++) {
        ds_value *v = ds_op_operand(op, i);
        if (v->type->kind == DS_TYPE_TENSOR && !is_made_by(v, ops, count)) operand_index(operands, v);
    }
    for (size_t r = 0; r < op->region_count; r++)
        for (ds_op *inner = ds_op_block(op, r)->first; inner; inner = inner->next)
            collect_operands(operands, inner, ops, count);
}

static bool used_outside(const ds_value *v, ds_op *const *ops, size_t count) {
    for (const ds_use *use = v->uses; use; use = use->next) {
        const ds_op *owner = use->owner;
        while (owner && owner->block != v->op->block) owner = owner->block->region->op;
        if (!owner || !in_group(ops, count, owner)) return true;
    }
    return false;
}

/* What is read outside, or, of an op by itself that has other results, by nothing: it is computed with them. */
static bool needs_buffer(const ds_value *v, ds_op *const *ops, size_t count) {
    return used_outside(v, ops, count) || (count == 1 && ds_value_unused(v));
}

static void make_kernel(grouper *g, ds_op *const *ops, size_t count) {
    ds_value **operands = NULL, **results = NULL, **yields = NULL;
    const ds_type **types = NULL;
    const ds_loc *loc = NULL;
    ds_op *last = ops[count - 1];
    for (size_t k = 0; k < count; k++) {
        collect_operands(&operands, ops[k], ops, count);
        loc = ds_loc_fused(g->m, loc, ops[k]->loc);
        for (size_t i = 0; i < ops[k]->result_count; i++)
            if (needs_buffer(&ops[k]->results[i], ops, count))
                arrput(results, &ops[k]->results[i]), arrput(types, ops[k]->results[i].type);
    }
    ds_builder b = {g->m, last->block, last, loc};
    ds_op *kernel = ds_op_create(&b, DS_GRAPH_kernel, operands, arrlenu(operands), types, arrlenu(types), 1);
    ds_block *body = ds_op_block(kernel, 0);
    ds_mapping mapping = {0};
    for (size_t i = 0; i < arrlenu(operands); i++)
        ds_mapping_set(&mapping, operands[i], ds_block_add_arg(g->m, body, operands[i]->type, NULL));
    ds_builder in = {g->m, body, NULL, loc};
    for (size_t k = 0; k < count; k++) ds_op_clone(&in, ops[k], &mapping);
    for (size_t i = 0; i < arrlenu(results); i++) arrput(yields, ds_mapping_get(&mapping, results[i]));
    ds_op_create(&in, DS_GRAPH_yield, yields, arrlenu(yields), NULL, 0, 0);
    ds_mapping_free(&mapping);
    for (size_t i = 0; i < arrlenu(results); i++) ds_value_replace_uses(results[i], ds_op_result(kernel, i));
    for (size_t k = count; k-- > 0;) ds_op_erase(ops[k]);
    arrfree(operands);
    arrfree(results);
    arrfree(yields);
    arrfree(types);
}

/* The first op from `next` on that stays where it is. */
static ds_op *after_group(ds_op *const *ops, size_t count, ds_op *next) {
    while (next && in_group(ops, count, next)) next = next->next;
    return next;
}

/* Last ones first, so that what only unused ops read goes, too. */
static void erase_unused(ds_block *block) {
    for (ds_op *op = block->last, *before; op; op = before) {
        before = op->prev;
        bool used = !schedule_computes(op);
        for (size_t i = 0; i < op->result_count; i++) used = used || !ds_value_unused(&op->results[i]);
        if (!used) ds_op_erase(op);
        else
            for (size_t r = 0; r < op->region_count; r++) erase_unused(ds_op_block(op, r));
    }
}

/* A turn may hand one carried value on as another. That is a copy, made before any of them changes. */
static void copy_exchanged(grouper *g, ds_op *loop) {
    ds_block *body = ds_op_block(loop, 0);
    ds_op *yield = body->last;
    size_t first = yield->operand_count - loop->result_count;
    for (size_t i = 0; i < body->arg_count; i++) {
        ds_value *v = ds_op_operand(yield, first + i), *root = v;
        while (root->op && root->op->kind == DS_GRAPH_reshape) root = ds_op_operand(root->op, 0);
        if (root->block != body || root == body->args[i]) continue;
        const ds_attr *map = ds_attr_identity_map(g->cx, v->type->rank);
        ds_builder b = {g->m, body, yield, loop->loc};
        ds_op_set_operand(yield, first + i, ds_op_result(ds_copy_map(&b, v, v->type, map, false), 0));
    }
}

/* What is done to the results of a product or a reduction, point by point. */
static size_t collect_epilogue(grouper *g, ds_op *op, ds_op **ops) {
    size_t count = 1;
    ds_op *epilogue = is_contraction(op) || op->kind == DS_GRAPH_reduce ? epilogue_of(&op->results[0]) : NULL;
    ops[0] = op;
    if (epilogue) ops[count++] = epilogue;
    ds_op *pool = op->kind == DS_GRAPH_winograd ? pool_of_tiles(g, op, &ops[count - 1]->results[0]) : NULL;
    if (pool) ops[count++] = pool;
    return count;
}

static void group_block(grouper *g, ds_block *block) {
    for (ds_op *op = block->first, *next; op; op = next) {
        next = op->next;
        if (is_kernel_of_turns(g, op)) {
            make_kernel(g, &op, 1);
            continue;
        }
        if (op->kind == DS_GRAPH_loop) copy_exchanged(g, op);
        if (op->kind == DS_GRAPH_loop || op->kind == DS_GRAPH_if)
            for (size_t r = 0; r < op->region_count; r++) group_block(g, ds_op_block(op, r));
        if (!schedule_computes(op)) continue;
        ds_op *ops[MAX_GROUP] = {op};
        size_t rows, count = collect_strips(g, op, ops);
        if (!count && is_contraction(op)) count = collect_layers(g, op, ops, &rows);
        if (!count && is_contraction(op)) count = collect_attention(g, op, ops, &rows);
        if (!count && op->kind == DS_GRAPH_reduce && !strips_makes_rows(g->cx, op)) count = collect_rows(op, ops);
        if (!count) count = collect_epilogue(g, op, ops);
        next = after_group(ops, count, next);
        make_kernel(g, ops, count);
    }
}

ds_status ds_pass_group(ds_module *module, const ds_pass_options *options) {
    grouper g = {module, module->cx, options->target, options->machine};
    for (ds_op *func = module->body.block->first; func; func = func->next) {
        erase_unused(ds_op_block(func, 0));
        group_block(&g, ds_op_block(func, 0));
    }
    return DS_OK;
}
