/* Functions of one byte as tables: what a region makes of a byte and of constants alone, where that costs more than to
 * look it up among 256 numbers.
 *
 *   before   %a = cast(%q)  %b = mul(%a, 0.1)  %c = tanh(%b)  %d = quantize(%c, 0.01, 128)
 *   after    %d = lookup(%q) {table = dense<…> : tensor<256xui8>}
 *
 * Activations between bytes are such, with each of their steps rounded to bytes of its own.
 */
#include "passes/fuse.h"

#include "ir/eval.h"
#include "passes/contraction.h"
#include "passes/passes.h"

enum { ENTRIES = 256, WORTH_IT = 16, MOST_OPS = 256 };

typedef enum { OTHER, CONSTANT, OF_BYTE } source;

/* A region, op by op: what each result is made of. */
typedef struct {
    ds_ir_context *cx;
    const ds_value *byte;
    ds_op *op[MOST_OPS];
    source from[MOST_OPS];
    bool needed[MOST_OPS]; /* for the value in question */
    ds_cell cell[MOST_OPS];
    size_t count;
} function;

static bool is_byte(const ds_value *v) {
    return v->type->kind == DS_TYPE_SCALAR && ds_elem_is_integer(v->type->elem) &&
           ds_elem_facts(v->type->elem)->bits == 8;
}

/* The number of the op that makes v; SIZE_MAX: none of them does. */
static size_t number_of(const function *f, const ds_value *v) {
    size_t i = f->count;
    while (i > 0 && f->op[i - 1] != v->op) i--;
    return v->op ? i - 1 : SIZE_MAX;
}

static source source_of(const function *f, const ds_value *v) {
    if (v == f->byte) return OF_BYTE;
    size_t at = number_of(f, v);
    return at == SIZE_MAX ? OTHER : f->from[at];
}

static source source_of_op(const function *f, const ds_op *op) {
    source from = CONSTANT;
    if (op->kind == DS_LOOP_constant) return CONSTANT;
    if (!ds_op_is_scalar(op) || op->kind == DS_LOOP_bitcast) return OTHER;
    for (size_t i = 0; i < op->operand_count; i++) {
        source s = source_of(f, ds_op_operand(op, i));
        if (s == OTHER) return OTHER;
        if (s == OF_BYTE) from = s;
    }
    return from;
}

static void trace(function *f, const ds_value *byte) {
    f->byte = byte;
    for (size_t i = 0; i < f->count; i++) f->from[i] = OTHER;
    for (size_t i = 0; i < f->count; i++) f->from[i] = source_of_op(f, f->op[i]);
}

/* Is value `at` read by what is no function of the byte? */
static bool is_last(const function *f, size_t at) {
    for (const ds_use *use = f->op[at]->results[0].uses; use; use = use->next) {
        size_t i = 0;
        while (i < f->count && f->op[i] != use->owner) i++;
        if (i == f->count || f->from[i] != OF_BYTE) return true;
    }
    return false;
}

/* Marks the ops that value `at` is made by; what they cost. */
static int mark_needed(function *f, size_t at) {
    int cost = 0;
    for (size_t i = 0; i < f->count; i++) f->needed[i] = i == at;
    for (size_t i = at + 1; i-- > 0;) {
        if (!f->needed[i]) continue;
        cost += ds_scalar_cost(f->op[i]->kind);
        for (size_t k = 0; k < f->op[i]->operand_count; k++) {
            const ds_value *v = ds_op_operand(f->op[i], k);
            if (v != f->byte) f->needed[number_of(f, v)] = true;
        }
    }
    return cost;
}

/* The cell of value `at` where the byte has these bits. */
static bool evaluate(function *f, size_t at, unsigned bits, ds_cell *out) {
    ds_cell byte = {.i = ds_elem_is_unsigned(f->byte->type->elem) ? (int64_t)bits : (int8_t)bits}, x[3];
    for (size_t i = 0; i <= at; i++) {
        if (!f->needed[i]) continue;
        const ds_op *op = f->op[i];
        if (op->kind == DS_LOOP_constant) {
            f->cell[i] = ds_eval_constant(op);
            continue;
        }
        for (size_t k = 0; k < op->operand_count && k < DS_COUNT(x); k++) {
            const ds_value *v = ds_op_operand(op, k);
            x[k] = v == f->byte ? byte : f->cell[number_of(f, v)];
        }
        if (!ds_eval_scalar(f->cx, op, x, &f->cell[i])) return false;
    }
    *out = f->cell[at];
    return true;
}

static const ds_attr *table_of(function *f, size_t at) {
    ds_elem elem = f->op[at]->results[0].type->elem;
    const ds_expr *dims[] = {ds_expr_const(f->cx, ENTRIES)};
    const int64_t extents[] = {ENTRIES};
    ds_cell cells[ENTRIES];
    const ds_type *type = ds_type_tensor(f->cx, elem, 1, dims, NULL);
    ds_cells whole = {type, ENTRIES, extents, cells};
    void *bytes;
    size_t length;
    for (unsigned i = 0; i < ENTRIES; i++)
        if (!evaluate(f, at, i, &cells[i])) return NULL;
    if (!ds_cells_to_bytes(f->cx->arena, &whole, &bytes, &length)) return NULL;
    return ds_attr_elements(f->cx, type, bytes, length, NULL);
}

/* One look-up in place of another one and what follows it is always less. */
static bool is_worth_it(function *f, size_t at) {
    int cost = mark_needed(f, at);
    bool looks_up = false;
    for (size_t i = 0; i < at; i++) looks_up = looks_up || (f->needed[i] && f->op[i]->kind == DS_LOOP_lookup);
    return cost >= WORTH_IT || looks_up;
}

/* The last value that costs enough becomes a table. */
static bool replace_last(ds_module *m, function *f) {
    for (size_t i = f->count; i-- > 0;) {
        const ds_type *type = f->op[i]->results[0].type;
        unsigned bits = ds_elem_facts(type->elem)->bits;
        if (f->from[i] != OF_BYTE || bits < 8 || bits > 32 || !is_last(f, i) || !is_worth_it(f, i)) continue;
        const ds_attr *table = table_of(f, i);
        if (!table) continue;
        ds_builder b = {m, f->op[i]->block, f->op[i], f->op[i]->loc};
        ds_value *byte = (ds_value *)(uintptr_t)f->byte;
        ds_op *lookup = ds_op_create(&b, DS_LOOP_lookup, &byte, 1, &type, 1, 0);
        ds_op_set_attr(m, lookup, "table", table);
        ds_value_replace_uses(&f->op[i]->results[0], ds_op_result(lookup, 0));
        return true;
    }
    return false;
}

/* Are all operands constants? Then a recipe computes them once. */
static bool is_recipe(const ds_op *map) {
    for (size_t i = 0; i < map->operand_count; i++)
        if (!ds_value_constant(ds_op_operand(map, i))) return false;
    return true;
}

bool ds_tabulate(ds_rewriter *rw, ds_op *map) {
    const ds_block *block = ds_op_block(map, 0);
    function f = {.cx = rw->module->cx};
    int cost = 0;
    for (ds_op *op = block->first; op && op->kind != DS_GRAPH_yield; op = op->next) {
        if (f.count == MOST_OPS || op->result_count != 1) return false;
        cost += ds_scalar_cost(op->kind);
        f.op[f.count++] = op;
    }
    if (cost < ds_scalar_cost(DS_LOOP_lookup) || is_recipe(map)) return false;
    bool made = false;
    for (size_t i = 0; i < block->arg_count && !made; i++)
        if (is_byte(block->args[i])) trace(&f, block->args[i]), made = replace_last(rw->module, &f);
    for (size_t i = 0; i < f.count && !made; i++)
        if (is_byte(&f.op[i]->results[0])) trace(&f, &f.op[i]->results[0]), made = replace_last(rw->module, &f);
    if (made) ds_erase_unread(ds_op_block(map, 0));
    return made;
}
