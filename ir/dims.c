#include "dims.h"

#include <string.h>

static const char *const words[] = {
#define DS_DIM_KIND(name, word, doc) word,
#include "dims.def"
#undef DS_DIM_KIND
};

static bool is_contraction(const ds_op *op) { return op->kind == DS_GRAPH_matmul || op->kind == DS_GRAPH_conv; }

/* Does an index move with the dim? */
static bool mentions(ds_ir_context *cx, const ds_expr *e, size_t dim) {
    const ds_expr *coefficient, *rest;
    return !ds_expr_linear(cx, e, dim, &coefficient, &rest) || !ds_expr_equals(coefficient, 0);
}

static bool moves(ds_ir_context *cx, const ds_attr *map, size_t dim) {
    for (size_t i = 0; i < map->count; i++)
        if (mentions(cx, map->exprs[i], dim)) return true;
    return false;
}

static ds_dim_kind kind_of_result_dim(ds_ir_context *cx, const ds_op *op, size_t dim) {
    bool left = moves(cx, ds_op_map(op, 0), dim), right = moves(cx, ds_op_map(op, 1), dim);
    return left == right ? DS_DIM_BATCH : left ? DS_DIM_M : DS_DIM_N;
}

/* A reduced dim is of a window where an operand has it in one index with a dim of the result that only this operand
 * moves along. (Channels of a group are in one index with the group, along which both move.) */
static ds_dim_kind kind_of_reduced_dim(ds_ir_context *cx, const ds_op *op, size_t rank, size_t dim) {
    for (size_t side = 0; side < 2; side++) {
        const ds_attr *map = ds_op_map(op, side);
        for (size_t i = 0; i < map->count; i++)
            for (size_t d = 0; d < rank && mentions(cx, map->exprs[i], dim); d++)
                if (mentions(cx, map->exprs[i], d) && !moves(cx, ds_op_map(op, 1 - side), d)) return DS_DIM_WINDOW;
    }
    return DS_DIM_K;
}

static size_t rank_of(const ds_op *op) { return (size_t)ds_op_map(op, 0)->integer - ds_op_attr(op, "over")->count; }

static ds_dim_kind kind_by_maps(ds_ir_context *cx, const ds_op *op, size_t dim) {
    size_t rank = rank_of(op);
    return dim < rank ? kind_of_result_dim(cx, op, dim) : kind_of_reduced_dim(cx, op, rank, dim);
}

void ds_dims_note(ds_module *m, ds_op *op) {
    const char *kinds[DS_DIMS_MOST];
    if (!is_contraction(op)) return;
    size_t count = (size_t)ds_op_map(op, 0)->integer;
    for (size_t i = 0; i < count; i++) kinds[i] = words[kind_by_maps(m->cx, op, i)];
    ds_op_set_attr(m, op, "kinds", ds_attr_strings(m->cx, kinds, count));
}

static bool is_list(const ds_attr *a) { return a && a->kind == DS_ATTR_ARRAY; }

static bool has_maps(const ds_op *op) {
    const ds_attr *maps = ds_op_attr(op, "maps"), *over = ds_op_attr(op, "over");
    if (!is_list(maps) || !is_list(over) || maps->count < 2 || maps->count > 5) return false;
    const ds_attr *left = maps->items[0], *right = maps->items[1];
    return left->kind == DS_ATTR_MAP && right->kind == DS_ATTR_MAP && left->integer == right->integer &&
           left->integer >= (int64_t)over->count && left->integer <= DS_DIMS_MOST;
}

void ds_dims_complete(ds_module *m, ds_op *op) {
    if (is_contraction(op) && !ds_op_attr(op, "kinds") && has_maps(op)) ds_dims_note(m, op);
}

static int kind_of_word(const char *word) {
    int kind = 0;
    while (kind < (int)DS_COUNT(words) && strcmp(words[kind], word) != 0) kind++;
    return kind;
}

ds_dim_kind ds_dims_kind(const ds_op *op, size_t dim) {
    const ds_attr *kinds = ds_op_attr(op, "kinds");
    return (ds_dim_kind)kind_of_word(kinds->items[dim]->text);
}

size_t ds_product_left_scale(const ds_op *op) {
    ds_elem elem = ds_op_operand(op, 0)->type->elem;
    return op->operand_count > 3 && ds_elem_is_integer(elem) && !ds_elem_is_unsigned(elem) ? 3 : SIZE_MAX;
}

size_t ds_product_zero(const ds_op *op) {
    size_t at = ds_product_left_scale(op) == SIZE_MAX ? 3 : 4;
    return op->operand_count > at ? at : SIZE_MAX;
}

const char *ds_dims_misfit(ds_module *m, const ds_op *op) {
    static const char number[] = "there is not one kind for every dim of the iteration space";
    static const char format[] = "d%zu is of kind '%s' by the maps, not '%s'";
    const ds_attr *kinds = ds_op_attr(op, "kinds");
    if (!has_maps(op)) return "a contraction of more dims than there may be";
    if (kinds->count != (size_t)ds_op_map(op, 0)->integer) return number;
    for (size_t i = 0; i < kinds->count; i++) {
        const char *said = kinds->items[i]->text, *is = words[kind_by_maps(m->cx, op, i)];
        if (strcmp(said, is) != 0) return ds_arena_printf(m->arena, format, i, is, said);
    }
    return NULL;
}

void ds_dims_print_kinds(ds_string *out) {
    ds_string_printf(out, "| kind | a dim |\n|---|---|\n");
#define DS_DIM_KIND(name, word, doc) ds_string_printf(out, "| `%s` | %s |\n", word, doc);
#include "dims.def"
#undef DS_DIM_KIND
}
