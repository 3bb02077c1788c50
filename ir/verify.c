/* Checks: counts of operands, results, attributes and regions from the op tables; definition before use; terminators; maps that fit
 * their operands; types of scalars, vectors, loads, stores and loops. Not checked: what only running would show. */
#include <string.h>

#include "require.h"
#include "schema.h"

typedef struct {
    ds_module *m;
    uint8_t *defined; /* stb_ds array by value id */
    ds_status status;
} verifier;

static void fail(verifier *v, const ds_op *op, const char *what) {
    v->status = ds_report(v->m->cx->diag, DS_ERROR, DS_E_verify, ds_op_where(v->m, op), "%s", what);
}

static void define(verifier *v, const ds_value *value) {
    while (arrlenu(v->defined) <= value->id) arrput(v->defined, 0);
    v->defined[value->id] = 1;
}

static bool is_defined(const verifier *v, const ds_value *value) { return value->id < arrlenu(v->defined) && v->defined[value->id]; }

/* "lhs rhs bias? rest..." against a count */
static bool count_fits(const char *spec, size_t count) {
    size_t least = 0, most = 0;
    while (*spec == ' ') spec++;
    while (*spec) {
        size_t n = strcspn(spec, " ");
        if (n > 3 && strncmp(spec + n - 3, "...", 3) == 0) return count >= least;
        most++;
        if (spec[n - 1] != '?') least++;
        spec += n;
        while (*spec == ' ') spec++;
    }
    return count >= least && count <= most;
}

static void verify_maps(verifier *v, const ds_op *op) {
    const ds_attr *maps = ds_op_attr(op, "maps"), *over = ds_op_attr(op, "over");
    if (!maps) return;
    if (maps->kind != DS_ATTR_ARRAY || maps->count != op->operand_count) {
        fail(v, op, "there is not one map for every operand");
        return;
    }
    size_t dims = op->results[0].type->rank + (over ? over->count : 0);
    for (size_t i = 0; i < maps->count; i++) {
        const ds_attr *map = maps->items[i];
        if (map->kind != DS_ATTR_MAP || (size_t)map->integer != dims || map->count != ds_op_operand(op, i)->type->rank) {
            fail(v, op, "a map does not fit the iteration space or its operand's rank");
            return;
        }
    }
    const ds_attr *pads = ds_op_attr(op, "pads");
    if (pads && (pads->kind != DS_ATTR_ARRAY || pads->count != maps->count)) fail(v, op, "there is not one pad for every operand");
}

/* ---- loop ops ---- */

typedef enum { SAME, BOOL, SECOND, ANY } result_rule;

/* The result column of loop.def; for other ops false. */
static bool scalar_rule(ds_op_kind kind, size_t *out_operands, result_rule *out) {
    static const struct {
        ds_op_kind kind;
        size_t operands;
        result_rule rule;
    } rows[] = {
#define SCALAR_OP(name, operands, result, ...) {DS_LOOP_##name, operands, result},
#define LOOP_OP(...)
#include "loop.def"
#undef SCALAR_OP
#undef LOOP_OP
    };
    for (size_t i = 0; i < DS_COUNT(rows); i++)
        if (rows[i].kind == kind) {
            *out_operands = rows[i].operands, *out = rows[i].rule;
            return true;
        }
    return false;
}

static bool same_shape(const ds_type *a, const ds_type *b) {
    return a->kind == b->kind && (a->kind != DS_TYPE_VECTOR || a->rank == b->rank);
}

static void verify_scalar(verifier *v, const ds_op *op, size_t operands, result_rule rule) {
    const ds_type *result = op->result_count == 1 ? op->results[0].type : NULL;
    if (!result || op->operand_count != operands) {
        fail(v, op, "wrong number of operands or results");
        return;
    }
    size_t first = rule == SECOND ? 1 : 0;
    const ds_type *t = ds_op_operand(op, first)->type;
    bool good = same_shape(result, t) &&
                (rule != SECOND || (ds_op_operand(op, 0)->type->elem == DS_b1 && same_shape(ds_op_operand(op, 0)->type, t)));
    for (size_t i = first; rule != ANY && i < operands; i++) good = good && ds_op_operand(op, i)->type == t;
    if (rule == BOOL) good = good && result->elem == DS_b1;
    else if (rule != ANY) good = good && result == t;
    if (!good) fail(v, op, "operand and result types do not fit together");
}

/* "buffer at…", after `before` other operands and before a mask */
static void verify_access(verifier *v, const ds_op *op, size_t before, const ds_type *value) {
    const ds_attr *map = ds_op_attr(op, "map");
    size_t masked = ds_op_attr(op, "masked") != NULL;
    const ds_type *buffer = op->operand_count > before ? ds_op_operand(op, before)->type : NULL;
    if (!buffer || buffer->kind != DS_TYPE_BUFFER || map->kind != DS_ATTR_MAP || map->count != 1 ||
        (size_t)map->integer + before + 1 + masked != op->operand_count)
        fail(v, op, "there is not one index operand for every dim of the map");
    else if (buffer->elem != value->elem) fail(v, op, "the buffer has another element type");
}

static void verify_for(verifier *v, const ds_op *op) {
    const ds_block *body = ds_op_block(op, 0);
    size_t carried = op->operand_count - 3;
    bool good = op->result_count == carried && body->arg_count == carried + 1 && body->last && body->last->kind == DS_LOOP_yield &&
                body->last->operand_count == carried;
    for (size_t i = 0; good && i < carried; i++) {
        const ds_type *t = ds_op_operand(op, 3 + i)->type;
        good = op->results[i].type == t && body->args[i + 1]->type == t && ds_op_operand(body->last, i)->type == t;
    }
    if (!good) fail(v, op, "carried values, region arguments, yielded values and results do not fit together");
}

static void verify_transpose(verifier *v, const ds_op *op) {
    const ds_type *t = ds_op_operand(op, 0)->type;
    bool good = t->kind == DS_TYPE_VECTOR && op->operand_count == t->rank && op->result_count == t->rank;
    for (size_t i = 0; good && i < t->rank; i++) good = ds_op_operand(op, i)->type == t && op->results[i].type == t;
    if (!good) fail(v, op, "operands and results are not as many vectors of one type as they have lanes");
}

static void verify_interleave(verifier *v, const ds_op *op) {
    const ds_type *t = op->results[0].type;
    size_t n = op->operand_count;
    bool good = t->kind == DS_TYPE_VECTOR && n && (n & (n - 1)) == 0 && t->rank % n == 0;
    for (size_t i = 0; good && i < n; i++) {
        const ds_type *part = ds_op_operand(op, i)->type;
        good = part->kind == DS_TYPE_VECTOR && part->elem == t->elem && part->rank == t->rank / n;
    }
    if (!good) fail(v, op, "operands are not a power of two of vectors that have the result's lanes together");
}

static void verify_loop(verifier *v, const ds_op *op) {
    size_t operands;
    result_rule rule;
    if (scalar_rule(op->kind, &operands, &rule)) verify_scalar(v, op, operands, rule);
    else if (op->kind == DS_LOOP_load) verify_access(v, op, 0, op->results[0].type);
    else if (op->kind == DS_LOOP_store) verify_access(v, op, 1, ds_op_operand(op, 0)->type);
    else if (op->kind == DS_LOOP_for) verify_for(v, op);
    else if (op->kind == DS_LOOP_transpose) verify_transpose(v, op);
    else if (op->kind == DS_LOOP_interleave) verify_interleave(v, op);
}

static void verify_require(verifier *v, const ds_op *op) {
    ds_requirement r;
    if (!ds_requirement_of(op, &r)) fail(v, op, "no relation of this name, or sides that are not expressions");
}

/* ---- regions of the graph ---- */

static const ds_op *yield_of(const ds_op *op, size_t region) {
    const ds_op *last = ds_op_block(op, region)->last;
    return last && last->kind == DS_GRAPH_yield ? last : NULL;
}

/* Extents may differ: those are symbols of the op. */
static bool same_kind_of_tensor(const ds_type *a, const ds_type *b) {
    return a->kind == DS_TYPE_TENSOR && b->kind == DS_TYPE_TENSOR && a->elem == b->elem && a->rank == b->rank;
}

static void verify_branches(verifier *v, const ds_op *op) {
    bool good = true;
    for (size_t r = 0; r < 2; r++) {
        const ds_op *yield = yield_of(op, r);
        good = good && yield && yield->operand_count == op->result_count && ds_op_block(op, r)->arg_count == 0;
        for (size_t i = 0; good && i < op->result_count; i++)
            good = same_kind_of_tensor(ds_op_operand(yield, i)->type, op->results[i].type);
    }
    if (!good) fail(v, op, "a branch does not give values of the results' types");
}

static void verify_turns(verifier *v, const ds_op *op) {
    const ds_op *yield = yield_of(op, 0);
    const ds_block *body = ds_op_block(op, 0);
    size_t conditional = ds_op_attr(op, "conditional") != NULL, carried = op->operand_count - conditional;
    bool good = yield && op->operand_count >= conditional && carried <= op->result_count && body->arg_count == carried &&
                yield->operand_count == op->result_count + conditional && (!conditional || ds_op_attr(op, "turns"));
    for (size_t i = 0; good && i < op->result_count; i++) {
        const ds_type *result = op->results[i].type, *next = ds_op_operand(yield, conditional + i)->type;
        if (i < carried)
            good = same_kind_of_tensor(result, next) && same_kind_of_tensor(result, body->args[i]->type) &&
                   same_kind_of_tensor(result, ds_op_operand(op, conditional + i)->type);
        else good = result->kind == DS_TYPE_TENSOR && result->elem == next->elem && result->rank == next->rank + 1;
    }
    if (!good) fail(v, op, "initial values, region arguments, yielded values and results do not fit together");
}

static void verify_block(verifier *v, const ds_block *block);

static void verify_op(verifier *v, const ds_op *op) {
    const ds_op_info *info = ds_op_facts(op->kind);
    if (op->kind != DS_OPAQUE && strncmp(info->name, "onnx.", 5) != 0) {
        if (!count_fits(info->operands, op->operand_count)) fail(v, op, "wrong number of operands");
        else if (!count_fits(info->results, op->result_count)) fail(v, op, "wrong number of results");
        else if (info->regions >= 0 && op->region_count != (size_t)info->regions) fail(v, op, "wrong number of regions");
    }
    const char *misfit = v->status == DS_OK ? ds_schema_misfit(v->m, op) : NULL;
    if (misfit) fail(v, op, misfit);
    for (size_t i = 0; v->status == DS_OK && i < op->operand_count; i++)
        if (!is_defined(v, ds_op_operand(op, i))) fail(v, op, "an operand is used before it is defined");
    if (v->status == DS_OK && strncmp(info->name, "graph.", 6) == 0 && op->result_count) verify_maps(v, op);
    if ((info->traits & DS_TERMINATOR || op->kind == DS_LOOP_yield || op->kind == DS_PLAN_yield) && op->next)
        fail(v, op, "a terminator is not the last op of its block");
    if (v->status == DS_OK && strncmp(info->name, "loop.", 5) == 0) verify_loop(v, op);
    if (v->status == DS_OK && (op->kind == DS_GRAPH_require || op->kind == DS_PLAN_require)) verify_require(v, op);
    if (v->status == DS_OK && op->kind == DS_GRAPH_if) verify_branches(v, op);
    if (v->status == DS_OK && op->kind == DS_GRAPH_loop) verify_turns(v, op);
    for (size_t r = 0; v->status == DS_OK && r < op->region_count; r++) verify_block(v, ds_op_block(op, r));
    for (size_t i = 0; i < op->result_count; i++) define(v, &op->results[i]);
}

static void verify_block(verifier *v, const ds_block *block) {
    for (size_t i = 0; i < block->arg_count; i++) define(v, block->args[i]);
    for (const ds_op *op = block->first; op && v->status == DS_OK; op = op->next) verify_op(v, op);
}

ds_status ds_module_verify(ds_module *module) {
    verifier v = {.m = module};
    verify_block(&v, module->body.block);
    arrfree(v.defined);
    return v.status;
}
