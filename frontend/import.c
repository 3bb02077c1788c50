/* ONNX graphs -> onnx ops: one op per node, sub-graphs as regions, local functions inlined, names resolved to
 * values. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/internal.h"
#include "frontend/wire.h"

enum { MAX_DEPTH = 32, MAX_INLINED = 200000, MAX_RANK = 64 };

typedef struct {
    char *key;
    ds_value *value;
} name_entry;

/* The names visible in a graph: its own, then those of the graphs around it. A function body sees only its own. */
struct ds_scope {
    ds_scope *outer;
    name_entry *names;                   /* stb_ds string map */
    const Onnx__FunctionProto *function; /* whose body this is, or NULL */
    const Onnx__NodeProto *call;         /* the node that calls it */
    ds_scope *call_scope;
};

static ds_value *scope_find(ds_scope *scope, const char *name) {
    for (; scope; scope = scope->outer) {
        ptrdiff_t at = shgeti(scope->names, name);
        if (at >= 0) return scope->names[at].value;
    }
    return NULL;
}

static ds_status scope_define(ds_importer *im, ds_scope *scope, const char *name, ds_value *value) {
    if (shgeti(scope->names, name) >= 0)
        return ds_report(im->cx->diag, DS_ERROR, DS_E_name, NULL, "value '%s' is defined twice", name);
    shput(scope->names, name, value);
    return DS_OK;
}

/* ---- types and symbols ---- */

static bool symbol_is_taken(ds_importer *im, const ds_expr *symbol) {
    for (size_t i = 0; i < shlenu(im->symbols); i++)
        if (im->symbols[i].value == symbol) return true;
    return false;
}

/* The symbol for a dimension name: its letters, digits and underscores, made unique; d0, d1, … and names of expressions
 * are avoided. */
static const ds_expr *symbol_for(ds_importer *im, const char *name) {
    ptrdiff_t at = shgeti(im->symbols, name);
    if (at >= 0) return im->symbols[at].value;
    char clean[96];
    size_t n = 0;
    for (const char *c = name; *c && n < 64; c++)
        if (isalnum((unsigned char)*c) || *c == '_') clean[n++] = *c;
        else if (n && clean[n - 1] != '_') clean[n++] = '_';
    clean[n] = 0;
    bool reserved = !n || !isalpha((unsigned char)clean[0]) || ds_symbol_is_late(clean) ||
                    (clean[0] == 'd' && isdigit((unsigned char)clean[1])) || !strcmp(clean, "mod") ||
                    !strcmp(clean, "floordiv") || !strcmp(clean, "ceildiv") || !strcmp(clean, "min") ||
                    !strcmp(clean, "max");
    const char *candidate =
        reserved ? ds_arena_printf(im->cx->arena, "dim_%s", clean) : ds_arena_strdup(im->cx->arena, clean);
    const char *base = candidate;
    const ds_expr *value = ds_expr_symbol(im->cx, candidate);
    for (int i = 2; symbol_is_taken(im, value); i++)
        value = ds_expr_symbol(im->cx, candidate = ds_arena_printf(im->cx->arena, "%s_%d", base, i));
    for (size_t i = 0; im->options && i < im->options->dim_count; i++)
        if (!strcmp(im->options->dims[i].name, name) || !strcmp(im->options->dims[i].name, candidate))
            value = ds_expr_const(im->cx, im->options->dims[i].value);
    shput(im->symbols, name, value);
    return value;
}

/* Names that the model gives come before those that dimensions without a name get. */
static void name_symbols(ds_importer *im, Onnx__ValueInfoProto *const *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const Onnx__TypeProto__Tensor *tensor = values[i]->type ? values[i]->type->tensor_type : NULL;
        const Onnx__TensorShapeProto *shape = tensor ? tensor->shape : NULL;
        for (size_t k = 0; shape && k < shape->n_dim; k++) {
            const char *name = shape->dim[k]->dim_param;
            if (name && *name && strcmp(name, "?") != 0) symbol_for(im, name);
        }
    }
}

/* Of a dimension without a name. */
static const char *name_for_dimension(ds_importer *im) {
    const char *name;
    do
        name = ds_arena_printf(im->cx->arena, "%s%u", ds_symbol_prefix(DS_SYMBOL_extent),
                               (unsigned)im->module->next_symbol++);
    while (shgeti(im->symbols, name) >= 0);
    return name;
}

static ds_status import_type(ds_importer *im, const Onnx__TypeProto *t, const char *name, int depth,
                             const ds_type **out_type) {
    ds_ir_context *cx = im->cx;
    const ds_type *inner = NULL;
    if (depth > MAX_DEPTH || !t)
        return ds_report(cx->diag, DS_ERROR, DS_E_type, NULL, "value '%s' has no usable type", name);
    if (t->sequence_type || t->optional_type) {
        DS_TRY(import_type(im, t->sequence_type ? t->sequence_type->elem_type : t->optional_type->elem_type, name,
                           depth + 1, &inner));
        *out_type = ds_type_nested(cx, t->sequence_type ? DS_TYPE_SEQUENCE : DS_TYPE_OPTIONAL, &inner, 1);
        return DS_OK;
    }
    if (t->map_type) {
        ds_elem key = ds_elem_from_onnx(t->map_type->key_type);
        DS_TRY(import_type(im, t->map_type->value_type, name, depth + 1, &inner));
        if (key == DS_NO_ELEM)
            return ds_report(cx->diag, DS_ERROR, DS_E_type, NULL, "value '%s' has no usable type", name);
        const ds_type *both[] = {ds_type_scalar(cx, key), inner};
        *out_type = ds_type_nested(cx, DS_TYPE_MAP, both, 2);
        return DS_OK;
    }
    ds_elem elem = t->tensor_type ? ds_elem_from_onnx(t->tensor_type->elem_type) : DS_NO_ELEM;
    if (elem == DS_NO_ELEM)
        return ds_report(cx->diag, DS_ERROR, DS_E_type, NULL, "value '%s' has no usable type", name);
    const Onnx__TensorShapeProto *shape = t->tensor_type->shape;
    if (!shape) {
        *out_type = ds_type_unranked(cx, elem);
        return DS_OK;
    }
    if (shape->n_dim > MAX_RANK)
        return ds_report(cx->diag, DS_ERROR, DS_E_shape, NULL, "value '%s' has more than %d dimensions", name,
                         MAX_RANK);
    const ds_expr *dims[MAX_RANK];
    for (size_t i = 0; i < shape->n_dim; i++) {
        const Onnx__TensorShapeProto__Dimension *d = shape->dim[i];
        if (d->has_dim_value && d->dim_value >= 0) dims[i] = ds_expr_const(cx, d->dim_value);
        else if (d->dim_param && *d->dim_param && strcmp(d->dim_param, "?") != 0)
            dims[i] = symbol_for(im, d->dim_param);
        else dims[i] = symbol_for(im, name_for_dimension(im));
    }
    *out_type = ds_type_tensor(cx, elem, shape->n_dim, dims, NULL);
    return DS_OK;
}

/* ---- nodes ---- */

static ds_status import_graph_body(ds_importer *im, ds_scope *scope, ds_block *block, Onnx__NodeProto **nodes,
                                   size_t count);

static ds_value *constant_value(ds_builder *b, const ds_attr *elements) {
    ds_op *op = ds_op_create(b, DS_GRAPH_constant, NULL, 0, &elements->type, 1, 0);
    ds_op_set_attr(b->module, op, "value", elements);
    return ds_op_result(op, 0);
}

static ds_status import_attribute(ds_importer *im, const Onnx__AttributeProto *a, const ds_attr **out) {
    ds_ir_context *cx = im->cx;
    const ds_attr **items = NULL;
    ds_status status = DS_OK;
    *out = NULL;
    if (a->t) return ds_import_tensor(im, a->t, out);
    if (a->sparse_tensor) return ds_import_sparse(im, a->sparse_tensor, out);
    if (a->n_ints || a->type == 7) *out = ds_attr_ints(cx, a->ints, a->n_ints);
    else if (a->n_floats || a->type == 6) {
        for (size_t i = 0; i < a->n_floats; i++) arrput(items, ds_attr_float(cx, (double)a->floats[i]));
        *out = ds_attr_array(cx, items, a->n_floats);
    } else if (a->n_strings || a->type == 8) {
        for (size_t i = 0; i < a->n_strings; i++)
            arrput(items, ds_attr_string_n(cx, (const char *)a->strings[i].data, a->strings[i].len));
        *out = ds_attr_array(cx, items, a->n_strings);
    } else if (a->has_s || a->type == 3) *out = ds_attr_string_n(cx, (const char *)a->s.data, a->s.len);
    else if (a->has_f || a->type == 1) *out = ds_attr_float(cx, (double)a->f);
    else if (a->has_i || a->type == 2) *out = ds_attr_int(cx, a->i);
    else if (a->tp) {
        const ds_type *type;
        status = import_type(im, a->tp, a->name, 0, &type);
        if (status == DS_OK) *out = ds_attr_of_type(cx, type);
    }
    arrfree(items);
    return status;
}

/* Inside a function body an attribute may refer to one of the call's; an absent one falls back to the function's
 * default. */
static const Onnx__AttributeProto *resolve_attribute(ds_scope *scope, const Onnx__AttributeProto *a) {
    while (a && a->ref_attr_name && *a->ref_attr_name) {
        while (scope && !scope->function) scope = scope->outer;
        if (!scope) return NULL;
        const Onnx__AttributeProto *found = NULL;
        for (size_t i = 0; i < scope->call->n_attribute; i++)
            if (scope->call->attribute[i]->name && !strcmp(scope->call->attribute[i]->name, a->ref_attr_name))
                found = scope->call->attribute[i];
        for (size_t i = 0; !found && i < scope->function->n_attribute_proto; i++) {
            const Onnx__AttributeProto *p = scope->function->attribute_proto[i];
            if (p->name && !strcmp(p->name, a->ref_attr_name)) return p;
        }
        a = found;
        scope = scope->call_scope;
    }
    return a;
}

static ds_status import_region(ds_importer *im, ds_scope *outer, ds_op *op, size_t region,
                               const Onnx__GraphProto *graph);

static const Onnx__FunctionProto *find_function(const Onnx__ModelProto *model, const Onnx__NodeProto *node) {
    const char *domain = node->domain ? node->domain : "";
    for (size_t i = 0; i < model->n_functions; i++) {
        const Onnx__FunctionProto *f = model->functions[i];
        if (f->name && node->op_type && !strcmp(f->name, node->op_type) && !strcmp(f->domain ? f->domain : "", domain))
            return f;
    }
    return NULL;
}

static int64_t opset_of(Onnx__OperatorSetIdProto **imports, size_t count, int64_t otherwise) {
    for (size_t i = 0; i < count; i++)
        if (!imports[i]->domain || !*imports[i]->domain || !strcmp(imports[i]->domain, "ai.onnx"))
            return imports[i]->version;
    return otherwise;
}

static ds_status inline_function(ds_importer *im, ds_scope *scope, ds_block *block, const Onnx__FunctionProto *f,
                                 const Onnx__NodeProto *node) {
    if (im->depth >= MAX_DEPTH || (im->inlined += (unsigned)f->n_node) > MAX_INLINED)
        return ds_report(im->cx->diag, DS_ERROR, DS_E_nesting, NULL,
                         "function '%s' calls itself, or expands to too many nodes", f->name);
    ds_scope body = {.function = f, .call = node, .call_scope = scope};
    sh_new_arena(body.names);
    ds_builder b = {im->module, block, NULL, NULL};
    const ds_type *none = ds_type_none(im->cx);
    ds_status status = DS_OK;
    for (size_t i = 0; status == DS_OK && i < f->n_input; i++) {
        ds_value *v = i < node->n_input && *node->input[i] ? scope_find(scope, node->input[i]) : NULL;
        if (!v) v = ds_op_result(ds_op_create(&b, DS_ONNX_None, NULL, 0, &none, 1, 0), 0);
        status = scope_define(im, &body, f->input[i], v);
    }
    int64_t opset = im->opset;
    im->opset = opset_of(f->opset_import, f->n_opset_import, opset);
    im->depth++;
    if (status == DS_OK) status = import_graph_body(im, &body, block, f->node, f->n_node);
    im->depth--;
    im->opset = opset;
    for (size_t i = 0; status == DS_OK && i < node->n_output && i < f->n_output; i++) {
        ds_value *v = scope_find(&body, f->output[i]);
        if (!*node->output[i]) continue;
        if (!v)
            status = ds_report(im->cx->diag, DS_ERROR, DS_E_name, NULL, "function '%s' never defines its output '%s'",
                               f->name, f->output[i]);
        else status = scope_define(im, scope, node->output[i], v);
    }
    shfree(body.names);
    return status;
}

static const ds_loc *node_loc(ds_importer *im, const Onnx__NodeProto *node) {
    const char *name = node->name && *node->name            ? node->name
                       : node->n_output && *node->output[0] ? node->output[0]
                                                            : node->op_type;
    return ds_loc_named(im->module, name);
}

/* If's branches come as then, else, and FlexAttention's modifiers as those of scores and of probabilities, whatever
 * order the file has them in. */
static size_t region_index(const Onnx__NodeProto *node, size_t nth, const Onnx__AttributeProto *a) {
    if (!strcmp(node->op_type, "If") && a->name) return !strcmp(a->name, "else_branch") ? 1 : 0;
    if (!strcmp(node->op_type, "FlexAttention") && a->name) return !strcmp(a->name, "prob_mod") ? 1 : 0;
    return nth;
}

static int64_t declared_rank(Onnx__ValueInfoProto **infos, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++) {
        const Onnx__TypeProto *t = infos[i]->type;
        if (infos[i]->name && !strcmp(infos[i]->name, name) && t && t->tensor_type && t->tensor_type->shape)
            return (int64_t)t->tensor_type->shape->n_dim;
    }
    return -1;
}

/* The ranks that the model declares for the results of an If, whose branches may disagree; -1 where it does not say. */
static void note_ranks(ds_importer *im, const Onnx__NodeProto *node, ds_op *op) {
    const Onnx__GraphProto *graph = im->model->graph;
    int64_t *ranks = NULL;
    for (size_t i = 0; i < node->n_output; i++) {
        int64_t rank = declared_rank(graph->output, graph->n_output, node->output[i]);
        arrput(ranks, rank >= 0 ? rank : declared_rank(graph->value_info, graph->n_value_info, node->output[i]));
    }
    ds_op_set_attr(im->module, op, "ds.ranks", ds_attr_ints(im->cx, ranks, arrlenu(ranks)));
    arrfree(ranks);
}

/* What the newest form of the operator does not have, no rule reads. */
static void drop_attributes(ds_op *op) {
    size_t kept = 0;
    for (size_t i = 0; i < op->attr_count; i++)
        if (ds_operator_has_attribute(op->kind, op->attrs[i].name)) op->attrs[kept++] = op->attrs[i];
    op->attr_count = kept;
}

static bool is_standard(const char *domain) { return !*domain || !strcmp(domain, "ai.onnx"); }

/* The row of the operator in the table of its domain. */
static ds_op_kind kind_of(const char *domain, const char *name) {
    char full[128];
    /* what ONNX Runtime adds to the standard domain, and what is there in preview */
    bool is_added = is_standard(domain) && !strcmp(name, "SimplifiedLayerNormalization"),
         is_preview = !strcmp(domain, "ai.onnx.preview") && !strcmp(name, "FlexAttention"),
         is_contrib = is_added || !strcmp(domain, "com.microsoft");
    if (!is_contrib && !is_preview && !is_standard(domain)) return DS_OP_NONE;
    snprintf(full, sizeof full, "%s.%s", is_contrib ? "microsoft" : "onnx", name);
    ds_op_kind kind = ds_op_kind_find(full);
    return kind == DS_ONNX_None ? DS_OP_NONE : kind; /* dsc's own, for operands that are left out */
}

static ds_status import_node(ds_importer *im, ds_scope *scope, ds_block *block, const Onnx__NodeProto *node) {
    ds_ir_context *cx = im->cx;
    const Onnx__FunctionProto *function = find_function(im->model, node);
    if (function) return inline_function(im, scope, block, function, node);
    const char *domain = node->domain ? node->domain : "";
    ds_op_kind kind = kind_of(domain, node->op_type);
    const char *full = ds_arena_printf(cx->arena, "%s.%s", is_standard(domain) ? "onnx" : domain, node->op_type);
    ds_builder b = {im->module, block, NULL, node_loc(im, node)};
    const ds_type *none = ds_type_none(cx);
    ds_value **operands = NULL;
    const ds_type **results = NULL;
    ds_value *absent = NULL;
    size_t regions = 0;
    for (size_t i = 0; i < node->n_input; i++) {
        ds_value *v = *node->input[i] ? scope_find(scope, node->input[i]) : NULL;
        if (!v && !absent) absent = ds_op_result(ds_op_create(&b, DS_ONNX_None, NULL, 0, &none, 1, 0), 0);
        arrput(operands, v ? v : absent);
    }
    for (size_t i = 0; i < node->n_output; i++) arrput(results, none); /* types are inferred when the op is lowered */
    for (size_t i = 0; i < node->n_attribute; i++) regions += node->attribute[i]->g != NULL;
    if (!strcmp(node->op_type, "If") || !strcmp(node->op_type, "FlexAttention")) regions = 2;
    ds_op *op = ds_op_create(&b, kind == DS_OP_NONE ? DS_OPAQUE : kind, operands, arrlenu(operands), results,
                             arrlenu(results), regions);
    arrfree(operands);
    arrfree(results);
    if (op->kind == DS_OPAQUE) ds_op_set_attr(im->module, op, "ds.op", ds_attr_string(cx, full));
    if (op->kind == DS_ONNX_If) note_ranks(im, node, op);
    ds_status status = DS_OK;
    size_t nth = 0;
    for (size_t i = 0; status == DS_OK && i < node->n_attribute; i++) {
        const Onnx__AttributeProto *a = resolve_attribute(scope, node->attribute[i]);
        if (!a || !node->attribute[i]->name) continue;
        const ds_attr *value = NULL;
        if (a->g) status = import_region(im, scope, op, region_index(node, nth++, node->attribute[i]), a->g);
        else status = import_attribute(im, a, &value);
        if (value) ds_op_set_attr(im->module, op, node->attribute[i]->name, value);
    }
    for (size_t i = 0; status == DS_OK && i < node->n_output; i++) {
        ds_op_result(op, i)->name = ds_context_name(cx, node->output[i]);
        if (*node->output[i]) status = scope_define(im, scope, node->output[i], ds_op_result(op, i));
    }
    if (status == DS_OK) status = ds_onnx_upgrade(im, op);
    drop_attributes(op);
    return status;
}

/* ---- graphs ---- */

static bool is_ready(ds_scope *scope, const Onnx__NodeProto *node) {
    for (size_t i = 0; i < node->n_input; i++)
        if (*node->input[i] && !scope_find(scope, node->input[i])) return false;
    return true;
}

static ds_status explain_stuck(ds_importer *im, ds_scope *scope, Onnx__NodeProto **nodes, size_t count,
                               const bool *done) {
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; !done[i] && k < nodes[i]->n_input; k++) {
            const char *name = nodes[i]->input[k];
            bool produced = !*name || scope_find(scope, name);
            for (size_t j = 0; !produced && j < count; j++)
                for (size_t o = 0; !produced && o < nodes[j]->n_output; o++)
                    produced = !strcmp(nodes[j]->output[o], name);
            if (!produced)
                return ds_report(im->cx->diag, DS_ERROR, DS_E_name,
                                 ds_arena_printf(im->cx->arena, "node '%s' (%s)", ds_loc_text(node_loc(im, nodes[i])),
                                                 nodes[i]->op_type),
                                 "input '%s' is never defined", name);
        }
    for (size_t i = 0; i < count; i++)
        if (!done[i])
            return ds_report(im->cx->diag, DS_ERROR, DS_E_cycle,
                             ds_arena_printf(im->cx->arena, "node '%s' (%s)", ds_loc_text(node_loc(im, nodes[i])),
                                             nodes[i]->op_type),
                             "it depends on its own results");
    return DS_OK;
}

/* ONNX wants nodes sorted; files that are not are sorted here, keeping their order where it is possible. */
static ds_status import_graph_body(ds_importer *im, ds_scope *scope, ds_block *block, Onnx__NodeProto **nodes,
                                   size_t count) {
    bool *done = ds_xmalloc(count);
    memset(done, 0, count);
    ds_status status = DS_OK;
    bool progress = true;
    size_t left = count;
    while (status == DS_OK && left && progress) {
        progress = false;
        for (size_t i = 0; status == DS_OK && i < count; i++) {
            if (done[i]) continue;
            if (!nodes[i]->op_type) {
                status = ds_report(im->cx->diag, DS_ERROR, DS_E_protobuf, NULL, "node %zu has no operator", i);
            } else if (is_ready(scope, nodes[i])) {
                status = import_node(im, scope, block, nodes[i]);
                done[i] = progress = true;
                left--;
            }
        }
    }
    if (status == DS_OK && left) status = explain_stuck(im, scope, nodes, count, done);
    free(done);
    return status;
}

static ds_status define_constant(ds_importer *im, ds_scope *scope, ds_block *block, const char *name,
                                 const ds_attr *elements) {
    ds_builder b = {im->module, block, NULL, ds_loc_named(im->module, name)};
    ds_value *v = constant_value(&b, elements);
    v->name = ds_context_name(im->cx, name);
    return scope_define(im, scope, name, v);
}

static ptrdiff_t input_index(const Onnx__GraphProto *graph, const char *name) {
    for (size_t i = 0; i < graph->n_input; i++)
        if (graph->input[i]->name && !strcmp(graph->input[i]->name, name)) return (ptrdiff_t)i;
    return -1;
}

/* An initialiser that is a graph input, too, is that input's default value. It is compiled in, unless the options say
 * that callers give the value. */
static bool is_given(const ds_importer *im, const Onnx__GraphProto *graph, const char *name) {
    ptrdiff_t index = input_index(graph, name);
    if (index < 0 || !im->options) return false;
    for (size_t i = 0; i < im->options->input_count; i++)
        if (!strcmp(im->options->inputs[i], name)) return true;
    return (size_t)index < im->options->given_inputs;
}

static ds_status import_initializers(ds_importer *im, ds_scope *scope, ds_block *block, const Onnx__GraphProto *graph,
                                     bool is_main) {
    const ds_attr **defaults = NULL, *elements;
    ds_status status = DS_OK;
    for (size_t i = 0; status == DS_OK && i < graph->n_initializer; i++) {
        const Onnx__TensorProto *t = graph->initializer[i];
        const char *name = t->name ? t->name : "";
        if (is_main && is_given(im, graph, name)) continue;
        status = ds_import_tensor(im, t, &elements);
        if (status == DS_OK) status = define_constant(im, scope, block, name, elements);
        if (is_main && input_index(graph, name) >= 0) arrput(defaults, ds_attr_string(im->cx, name));
    }
    for (size_t i = 0; status == DS_OK && i < graph->n_sparse_initializer; i++) {
        const Onnx__TensorProto *values = graph->sparse_initializer[i]->values;
        status = ds_import_sparse(im, graph->sparse_initializer[i], &elements);
        if (status == DS_OK) status = define_constant(im, scope, block, values->name ? values->name : "", elements);
    }
    if (is_main) ds_module_set_attr(im->module, "ds.defaults", ds_attr_array(im->cx, defaults, arrlenu(defaults)));
    arrfree(defaults);
    return status;
}

/* Every name of the options is one that has a default to do without. */
static ds_status check_given(ds_importer *im, const Onnx__GraphProto *graph) {
    for (size_t i = 0; im->options && i < im->options->input_count; i++) {
        bool found = input_index(graph, im->options->inputs[i]) >= 0, has_default = false;
        for (size_t k = 0; found && !has_default && k < graph->n_initializer; k++)
            has_default = graph->initializer[k]->name && !strcmp(graph->initializer[k]->name, im->options->inputs[i]);
        if (!has_default)
            return ds_report(im->cx->diag, DS_ERROR, DS_E_name, NULL, "'%s' is not an input that has an initialiser",
                             im->options->inputs[i]);
    }
    return DS_OK;
}

static ds_status import_outputs(ds_importer *im, ds_scope *scope, ds_block *block, const Onnx__GraphProto *graph,
                                ds_op_kind terminator) {
    ds_value **values = NULL;
    const ds_attr **names = NULL;
    ds_status status = DS_OK;
    for (size_t i = 0; status == DS_OK && i < graph->n_output; i++) {
        const char *name = graph->output[i]->name ? graph->output[i]->name : "";
        ds_value *v = scope_find(scope, name);
        if (!v) status = ds_report(im->cx->diag, DS_ERROR, DS_E_name, NULL, "output '%s' is never defined", name);
        arrput(values, v);
        ds_named_attr entry = {"ds.name", ds_attr_string(im->cx, name)};
        arrput(names, ds_attr_dict(im->cx, &entry, 1));
    }
    if (status == DS_OK) {
        ds_builder b = {im->module, block, NULL, NULL};
        ds_op_create(&b, terminator, values, arrlenu(values), NULL, 0, 0);
        if (terminator == DS_RETURN)
            ds_op_set_attr(im->module, block->region->op, "res_attrs", ds_attr_array(im->cx, names, arrlenu(names)));
    }
    arrfree(values);
    arrfree(names);
    return status;
}

static ds_status import_graph(ds_importer *im, ds_scope *scope, ds_block *block, const Onnx__GraphProto *graph,
                              bool is_main) {
    const ds_attr **arg_attrs = NULL;
    ds_status status = is_main ? check_given(im, graph) : DS_OK;
    if (status == DS_OK) status = import_initializers(im, scope, block, graph, is_main);
    for (size_t i = 0; status == DS_OK && i < graph->n_input; i++) {
        const Onnx__ValueInfoProto *input = graph->input[i];
        const char *name = input->name ? input->name : "";
        if (is_main && shgeti(scope->names, name) >= 0) continue; /* an initialiser with a declared type: a constant */
        const ds_type *type = ds_type_none(im->cx);
        if (is_main || (input->type && input->type->tensor_type && input->type->tensor_type->elem_type))
            status = import_type(im, input->type, name, 0, &type);
        if (status == DS_OK)
            status =
                scope_define(im, scope, name, ds_block_add_arg(im->module, block, type, ds_context_name(im->cx, name)));
        ds_named_attr entry = {"ds.name", ds_attr_string(im->cx, name)};
        arrput(arg_attrs, ds_attr_dict(im->cx, &entry, 1));
    }
    if (is_main && status == DS_OK)
        ds_op_set_attr(im->module, block->region->op, "arg_attrs",
                       ds_attr_array(im->cx, arg_attrs, arrlenu(arg_attrs)));
    arrfree(arg_attrs);
    if (status == DS_OK) status = import_graph_body(im, scope, block, graph->node, graph->n_node);
    return status == DS_OK ? import_outputs(im, scope, block, graph, is_main ? DS_RETURN : DS_GRAPH_yield) : status;
}

static ds_status import_region(ds_importer *im, ds_scope *outer, ds_op *op, size_t region,
                               const Onnx__GraphProto *graph) {
    if (im->depth >= MAX_DEPTH)
        return ds_report(im->cx->diag, DS_ERROR, DS_E_nesting, NULL, "graphs are nested more than %d deep", MAX_DEPTH);
    ds_scope scope = {.outer = outer};
    sh_new_arena(scope.names);
    im->depth++;
    ds_status status = import_graph(im, &scope, ds_op_block(op, region), graph, false);
    im->depth--;
    shfree(scope.names);
    return status;
}

static void record_symbols(ds_importer *im) {
    ds_named_attr *entries = NULL;
    for (size_t i = 0; i < shlenu(im->symbols); i++) {
        if (im->symbols[i].value->kind != DS_EXPR_SYMBOL) continue;
        ds_named_attr entry = {im->symbols[i].value->name, ds_attr_string(im->cx, im->symbols[i].key)};
        arrput(entries, entry);
    }
    ds_module_set_attr(im->module, "ds.symbols", ds_attr_dict(im->cx, entries, arrlenu(entries)));
    arrfree(entries);
}

ds_status ds_onnx_import(ds_ir_context *cx, ds_files *files, const char *path, const ds_import_options *options,
                         ds_module **out_module) {
    const ds_mapped_file *file;
    *out_module = NULL;
    DS_TRY(ds_files_open(files, cx->diag, path, &file));
    ds_string slim;
    DS_TRY(ds_wire_slim(cx->diag, DS_WIRE_MODEL, file->bytes, file->length, &slim));
    Onnx__ModelProto *model = onnx__model_proto__unpack(NULL, slim.length, (const uint8_t *)slim.data);
    ds_string_free(&slim);
    if (!model || !model->graph) {
        if (model) onnx__model_proto__free_unpacked(model, NULL);
        return ds_report(cx->diag, DS_ERROR, DS_E_protobuf, NULL, "not an ONNX model, or a damaged one");
    }
    ds_importer im = {.cx = cx, .files = files, .path = path, .bytes = file->bytes, .model = model, .options = options};
    im.module = ds_module_create(cx);
    im.opset = opset_of(model->opset_import, model->n_opset_import, 1);
    sh_new_arena(im.symbols);
    ds_scope scope = {0};
    sh_new_arena(scope.names);
    ds_op *func = ds_func_create(im.module, "main");
    ds_status status = im.opset < 1 || im.opset > 64
                           ? ds_report(cx->diag, DS_ERROR, DS_E_op, NULL, "opset %lld is unknown", (long long)im.opset)
                           : DS_OK;
    name_symbols(&im, model->graph->input, model->graph->n_input);
    if (status == DS_OK) status = import_graph(&im, &scope, ds_op_block(func, 0), model->graph, true);
    record_symbols(&im);
    shfree(scope.names);
    shfree(im.symbols);
    onnx__model_proto__free_unpacked(model, NULL);
    if (status == DS_OK) *out_module = im.module;
    else ds_module_destroy(im.module);
    return status;
}
