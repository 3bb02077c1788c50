/* Checks: counts of operands, results, attributes and regions from the op tables; definition before use; terminators; maps that fit
 * their operands. Not checked: what only running would show. */
#include <string.h>

#include "ir.h"

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

static bool has_attributes(const ds_op *op, const char *spec) {
    while (*spec) {
        size_t n = strcspn(spec, " ");
        char name[32];
        if (n == 0 || n >= sizeof name) return false;
        memcpy(name, spec, n);
        name[n] = 0;
        if (!ds_op_attr(op, name)) return false;
        spec += n + (spec[n] == ' ');
    }
    return true;
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

static void verify_block(verifier *v, const ds_block *block);

static void verify_op(verifier *v, const ds_op *op) {
    const ds_op_info *info = ds_op_facts(op->kind);
    if (op->kind != DS_OPAQUE && strncmp(info->name, "onnx.", 5) != 0) {
        if (!count_fits(info->operands, op->operand_count)) fail(v, op, "wrong number of operands");
        else if (!count_fits(info->results, op->result_count)) fail(v, op, "wrong number of results");
        else if (!has_attributes(op, info->attributes)) fail(v, op, "an attribute is missing");
        else if (info->regions >= 0 && op->region_count != (size_t)info->regions) fail(v, op, "wrong number of regions");
    }
    for (size_t i = 0; v->status == DS_OK && i < op->operand_count; i++)
        if (!is_defined(v, ds_op_operand(op, i))) fail(v, op, "an operand is used before it is defined");
    if (v->status == DS_OK && strncmp(info->name, "graph.", 6) == 0 && op->result_count) verify_maps(v, op);
    if ((info->traits & DS_TERMINATOR || op->kind == DS_LOOP_yield || op->kind == DS_PLAN_yield) && op->next) fail(v, op, "a terminator is not the last op of its block");
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
