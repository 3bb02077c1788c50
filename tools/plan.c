#include "tools/plan.h"

typedef struct {
    ds_ir_context *cx;
    plan_step *steps;
} collection;

static int64_t one(void *user, const ds_expr *atom) {
    (void)user, (void)atom;
    return 1;
}

static double value_of(const ds_op *op, const char *name) {
    const ds_attr *attr = ds_op_attr(op, name);
    return attr ? (double)ds_expr_evaluate(ds_attr_to_expr(attr), one, NULL) : 0;
}

static void add_step(void *user, ds_op *op) {
    collection *c = user;
    if (op->kind != DS_PLAN_call && op->kind != DS_PLAN_extern) return;
    plan_step s = {op, value_of(op, "flops"), value_of(op, "bytes")};
    arrput(c->steps, s);
}

plan_step *plan_steps(ds_module *m) {
    collection c = {m->cx, NULL};
    ds_walk(ds_op_block(ds_module_find(m, "main"), 0), add_step, &c);
    return c.steps;
}

const char *plan_kernel(const plan_step *s) {
    return ds_op_text(s->op, s->op->kind == DS_PLAN_call ? "kernel" : "callee", "");
}
const char *plan_what(const plan_step *s) { return ds_op_text(s->op, "what", "extern"); }

static void node_names(const ds_loc *loc, cJSON *out) {
    if (!loc) return;
    if (loc->name) {
        if (*loc->name) cJSON_AddItemToArray(out, cJSON_CreateString(loc->name));
        return;
    }
    node_names(loc->first, out);
    node_names(loc->second, out);
}

void plan_step_json(const plan_step *s, cJSON *item) {
    cJSON_AddStringToObject(item, "kernel", plan_kernel(s));
    cJSON_AddStringToObject(item, "what", plan_what(s));
    if (ds_op_attr(s->op, "key")) cJSON_AddStringToObject(item, "key", ds_op_text(s->op, "key", ""));
    cJSON_AddNumberToObject(item, "flops", s->flops);
    cJSON_AddNumberToObject(item, "bytes", s->bytes);
    node_names(s->op->loc, cJSON_AddArrayToObject(item, "nodes"));
}
