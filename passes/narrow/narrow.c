/* narrow: products of bytes stay products of bytes. Conversions of both factors sink behind the product, which sums whole
 * numbers: exactly, whatever instructions there are.
 *
 *   before   %a = map(%x, %zx, %sx) { (%x - %zx) * %sx }    %b = map(%w, %sw) { %w * %sw }    %y = "graph.conv"(%a, %b)
 *   after    %p = "graph.conv"(%x, %w) : (… u8, … i8) -> … i32    %n = "graph.reduce"(%w) ({ cast }, { add })
 *            %y = map(%p, %zx, %n, %sx, %sw) { (%p - %zx * %n) * (%sx * %sw) }
 *
 * This holds where zero points and scales do not move along what is summed. With zero points of both factors,
 *   sum (x - zx)(w - zw) = sum x w - zx sum w - zw sum x + zx zw count.
 * Weights whose values less their zero points are bytes become those. An image is padded by its zero point.
 * Needs:  graph ops.   Keeps: sums of whole numbers; those of floats are rounded once, after the sum.   Breaks: nothing.
 * Cost: linear.
 */
#include "passes/narrow/narrow.h"

static void narrow_block(narrowing *n, ds_block *block) {
    for (ds_op *op = block->first, *next; op; op = next) {
        next = op->next;
        for (size_t r = 0; (op->kind == DS_GRAPH_loop || op->kind == DS_GRAPH_if) && r < op->region_count; r++)
            narrow_block(n, ds_op_block(op, r));
        if (op->kind == DS_GRAPH_matmul || op->kind == DS_GRAPH_conv) {
            if (nw_keep_rows(n, op)) continue;
            nw_keep_narrow(n, op);
            bool blocks = op->kind == DS_GRAPH_matmul;
            if (!(blocks && nw_keep_blocks(n, op)) && !nw_product(n, op) && blocks) nw_keep_channels(n, op);
        }
        if (op->kind == DS_GRAPH_reduce) nw_largest(n, op);
    }
}

ds_status ds_pass_narrow(ds_module *module, const ds_pass_options *options) {
    narrowing n = {.m = module, .cx = module->cx, .target = options->target};
    for (ds_op *func = module->body.block->first; func; func = func->next) narrow_block(&n, ds_op_block(func, 0));
    for (size_t i = 0; i < arrlenu(n.words); i++) nw_store_words(&n, &n.words[i]);
    arrfree(n.words);
    return DS_OK;
}
