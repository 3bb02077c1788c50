#include "ir/alias.h"

#include <ctype.h>
#include <string.h>

#include "ir/require.h"

/* ---- what a function says ---- */

static const ds_attr *entry_of(const ds_op *func, const char *list, size_t i, const char *name) {
    const ds_attr *all = ds_op_attr(func, list);
    return all && i < all->count ? ds_attr_find(all->items[i], name) : NULL;
}

/* A plan's results are arguments, too, so that they are described by an attribute of their own. */
static const char *result_list(const ds_op *func) {
    return ds_op_attr(func, "result_attrs") ? "result_attrs" : "res_attrs";
}

const ds_attr *ds_result_attr(const ds_op *func, size_t i, const char *name) {
    return entry_of(func, result_list(func), i, name);
}

int64_t ds_alias_of(const ds_op *func, size_t i) {
    const ds_attr *a = ds_result_attr(func, i, DS_ALIAS);
    return a && a->kind == DS_ATTR_INT ? a->integer : -1;
}

static const char *name_in(ds_module *m, const ds_op *func, const char *list, size_t i, const char *otherwise) {
    const ds_attr *name = entry_of(func, list, i, "ds.name");
    return name && name->kind == DS_ATTR_STRING ? name->text : ds_arena_printf(m->arena, "%s_%zu", otherwise, i);
}

const char *ds_argument_name(ds_module *m, const ds_op *func, size_t i) {
    return name_in(m, func, "arg_attrs", i, "input");
}

const char *ds_result_name(ds_module *m, const ds_op *func, size_t i) {
    return name_in(m, func, result_list(func), i, "output");
}

/* They are the same, or a call checks that. */
static bool are_equal(ds_ir_context *cx, const ds_expr *a, const ds_expr *b, const ds_requirement *known) {
    bool equal = ds_expr_equals(ds_expr_sub(cx, a, b), 0);
    for (size_t i = 0; i < arrlenu(known) && !equal; i++)
        equal = known[i].is == DS_equal &&
                ((known[i].left == a && known[i].right == b) || (known[i].left == b && known[i].right == a));
    return equal;
}

static const ds_type *filled_in(const ds_op *func, const char *list, size_t i, const ds_type *memory) {
    const ds_attr *filled = entry_of(func, list, i, DS_FILLED);
    return filled && filled->kind == DS_ATTR_TYPE ? filled->type : memory;
}

const ds_type *ds_argument_filled(const ds_op *func, size_t i, const ds_type *memory) {
    return filled_in(func, "arg_attrs", i, memory);
}

const ds_type *ds_result_filled(const ds_op *func, size_t i, const ds_type *memory) {
    return filled_in(func, result_list(func), i, memory);
}

int64_t ds_room_dim(const ds_type *memory, const ds_type *filled) {
    for (size_t d = 0; memory != filled && d < memory->rank; d++)
        if (memory->dims[d] != filled->dims[d]) return (int64_t)d;
    return -1;
}

static size_t outermost_dim(const ds_type *t) {
    size_t d = 0;
    while (d < t->rank && ds_expr_equals(t->dims[d], 1)) d++;
    return d;
}

int64_t ds_alias_grown_dim(ds_module *m, const ds_op *func, const ds_type *from, const ds_type *to) {
    ds_requirement *known = ds_requirements_in(ds_op_block(func, 0));
    int64_t grown = -1;
    for (size_t d = 0; grown < 0 && d < to->rank; d++)
        if (d != outermost_dim(to) && !are_equal(m->cx, from->dims[d], to->dims[d], known)) grown = (int64_t)d;
    arrfree(known);
    return grown;
}

/* Text that has passed lowering is bound by what it says; before, one dim may grow (passes/grow.c). */
static bool is_plan(const ds_op *func) { return ds_op_attr(func, "inputs") != NULL; }

/* Why a result cannot lie where an argument does: a clause. `may_grow`: along one dim that is not the outermost. */
static const char *misfit(ds_ir_context *cx, const ds_type *from, const ds_type *to, const ds_requirement *known,
                          bool may_grow, ds_error_code *out_code) {
    size_t outermost = outermost_dim(to), differing = 0;
    *out_code = DS_E_type;
    if (from->elem != to->elem) return "they have different element types";
    *out_code = DS_E_shape;
    if (from->rank != to->rank) return "they have different ranks";
    *out_code = DS_E_form;
    for (size_t d = 0; d < to->rank; d++) {
        if (are_equal(cx, from->dims[d], to->dims[d], known)) continue;
        if (differing++) return "they differ along more than one dim";
        if (d == outermost || may_grow) continue;
        return ds_arena_printf(cx->arena,
                               "they differ along dim %zu, and where that is not the outermost one, what is there "
                               "would have to move",
                               d);
    }
    return NULL;
}

static const char *objection(ds_module *m, const ds_op *func, size_t input, const ds_type *from, size_t output,
                             const ds_type *to, ds_error_code *out_code) {
    ds_string text = {0};
    ds_requirement *known = ds_requirements_in(ds_op_block(func, 0));
    const char *why = misfit(m->cx, from, to, known, !is_plan(func), out_code);
    arrfree(known);
    if (!why) return NULL;
    ds_string_printf(&text, "result '%s', ", ds_result_name(m, func, output));
    ds_type_print(&text, to);
    ds_string_printf(&text, ", cannot lie in the memory of argument '%s', ", ds_argument_name(m, func, input));
    ds_type_print(&text, from);
    ds_string_printf(&text, ": %s", why);
    const char *kept = ds_arena_strdup(m->arena, text.data);
    ds_string_free(&text);
    return kept;
}

/* ---- memory with room ---- */

/* The same tensor, shorter along one dim, where the memory's extent is a symbol that nobody else gives. */
static bool is_room_for(const ds_attr *filled, const ds_type *memory) {
    if (filled->kind != DS_ATTR_TYPE || filled->type->kind != DS_TYPE_TENSOR || memory->kind != DS_TYPE_TENSOR)
        return false;
    const ds_type *t = filled->type;
    if (t->elem != memory->elem || t->rank != memory->rank || ds_elem_facts(t->elem)->bits < 8 ||
        memory->encoding != t->encoding)
        return false;
    int64_t room = ds_room_dim(memory, t);
    for (size_t d = 0; room >= 0 && d < t->rank; d++)
        if (d != (size_t)room && t->dims[d] != memory->dims[d]) return false;
    return room >= 0 && memory->dims[room]->kind == DS_EXPR_SYMBOL && !t->dims[room]->is_late;
}

/* Does a symbol for room occur in what callers give or get? */
static bool is_mentioned(const ds_op *func, const char *symbol, ds_types inputs, ds_types outputs) {
    for (size_t i = 0; i < inputs.count + outputs.count; i++) {
        bool output = i >= inputs.count;
        size_t k = output ? i - inputs.count : i;
        const ds_type *memory = output ? outputs.types[k] : inputs.types[k],
                      *t = output ? ds_result_filled(func, k, memory) : ds_argument_filled(func, k, memory);
        for (size_t d = 0; t->kind == DS_TYPE_TENSOR && d < t->rank; d++)
            if (ds_expr_mentions_symbol(t->dims[d], symbol)) return true;
    }
    return false;
}

/* What is wrong with `ds.filled`: an argument has it as the result has that lies there. */
static const char *room_objection(ds_module *m, const ds_op *func, ds_types inputs, ds_types outputs) {
    size_t arguments = 0, results = 0;
    for (size_t i = 0; i < inputs.count; i++) arguments += entry_of(func, "arg_attrs", i, DS_FILLED) != NULL;
    for (size_t i = 0; i < outputs.count; i++) {
        const ds_attr *filled = entry_of(func, result_list(func), i, DS_FILLED);
        int64_t k = ds_alias_of(func, i);
        const ds_attr *before = k >= 0 ? entry_of(func, "arg_attrs", (size_t)k, DS_FILLED) : NULL;
        if (!filled && !before) continue;
        results++;
        if (!filled || !before || !is_room_for(filled, outputs.types[i]) || !is_room_for(before, inputs.types[k]))
            return ds_arena_printf(m->arena, "'%s' of result %zu and its argument is no tensor in memory with room",
                                   DS_FILLED, i);
        int64_t room = ds_room_dim(outputs.types[i], filled->type);
        if (inputs.types[k] != outputs.types[i] || ds_room_dim(inputs.types[k], before->type) != room ||
            is_mentioned(func, outputs.types[i]->dims[room]->name, inputs, outputs))
            return ds_arena_printf(m->arena, "result %zu and its argument do not have the same room", i);
    }
    return results == arguments ? NULL
                                : ds_arena_printf(m->arena, "'%s' of an argument that no result shares", DS_FILLED);
}

const char *ds_alias_objection(ds_module *m, const ds_op *func, ds_types inputs, ds_types outputs,
                               ds_error_code *out_code) {
    const char *found = NULL;
    for (size_t i = 0; i < outputs.count && !found; i++) {
        const ds_attr *alias = entry_of(func, result_list(func), i, DS_ALIAS);
        *out_code = DS_E_attribute;
        if (!alias) continue;
        if (alias->kind != DS_ATTR_INT || alias->integer < 0 || alias->integer >= (int64_t)inputs.count ||
            entry_of(func, "arg_attrs", (size_t)alias->integer, "ds.recipe"))
            return ds_arena_printf(m->arena, "'%s' of result %zu is not the number of an argument", DS_ALIAS, i);
        size_t input = (size_t)alias->integer;
        for (size_t k = 0; k < i; k++)
            if (ds_alias_of(func, k) == alias->integer)
                return ds_arena_printf(m->arena, "results '%s' and '%s' cannot both lie in the memory of '%s'",
                                       ds_result_name(m, func, k), ds_result_name(m, func, i),
                                       ds_argument_name(m, func, input));
        const ds_type *from = inputs.types[input], *to = outputs.types[i];
        if (from->kind == DS_TYPE_TENSOR && to->kind == DS_TYPE_TENSOR)
            found = objection(m, func, input, from, i, to, out_code);
    }
    if (found) return found;
    *out_code = DS_E_attribute;
    return room_objection(m, func, inputs, outputs);
}

/* ---- pairs of names ---- */

typedef struct {
    const char *text;
    size_t length;
} part;

bool ds_pair_pattern_is_good(const char *pattern) {
    const char *equals = strchr(pattern, '='), *left = strchr(pattern, '*');
    if (!equals || equals == pattern || !equals[1] || strchr(equals + 1, '=')) return false;
    const char *right = strchr(equals, '*');
    if (left > equals) left = NULL;
    if (!left != !right) return false;
    return !left || (!memchr(left + 1, '*', (size_t)(equals - left - 1)) && !strchr(right + 1, '*'));
}

/* Whether a name is what one side of a pattern says; *out: what stands in place of the *. */
static bool matches(part pattern, const char *name, part *out) {
    const char *star = memchr(pattern.text, '*', pattern.length);
    size_t n = strlen(name), head = star ? (size_t)(star - pattern.text) : pattern.length,
           tail = star ? pattern.length - head - 1 : 0;
    if (n < head + tail || (!star && n != head) || memcmp(name, pattern.text, head)) return false;
    if (tail && memcmp(name + n - tail, star + 1, tail)) return false;
    *out = (part){name + head, n - head - tail};
    return true;
}

static bool same(part a, part b) { return a.length == b.length && !memcmp(a.text, b.text, a.length); }

static part from_digit(part p) {
    while (p.length && !isdigit((unsigned char)*p.text)) p.text++, p.length--;
    return p;
}

/* The output that goes with an input; *rivals: others that might, too. */
static size_t find_partner(part pattern, part wanted, const char *const *outputs, size_t count, size_t *out_rivals) {
    part has, tail = from_digit(wanted);
    size_t found = count;
    *out_rivals = 0;
    for (size_t i = 0; i < count; i++)
        if (matches(pattern, outputs[i], &has) && same(has, wanted)) return i;
    for (size_t i = 0; tail.length && i < count; i++)
        if (matches(pattern, outputs[i], &has) && same(from_digit(has), tail)) {
            if (found == count) found = i;
            else ++*out_rivals;
        }
    return found;
}

ds_status ds_pairs_find(ds_diag *diag, const char *pattern, const char *const *inputs, size_t input_count,
                        const char *const *outputs, size_t output_count, ds_pair **out) {
    size_t split = strcspn(pattern, "="), before = arrlenu(*out), rivals;
    part left = {pattern, split}, right = {pattern + split + 1, strlen(pattern + split + 1)}, has;
    for (size_t i = 0; i < input_count; i++) {
        if (!matches(left, inputs[i], &has)) continue;
        ds_pair pair = {i, find_partner(right, has, outputs, output_count, &rivals)};
        if (pair.output == output_count)
            return ds_report(diag, DS_ERROR, DS_E_name, NULL,
                             "'%s': input '%s' has no output that is called alike: name both, as '%s=NAME'", pattern,
                             inputs[i], inputs[i]);
        if (rivals)
            return ds_report(diag, DS_ERROR, DS_E_name, NULL,
                             "'%s': input '%s' might go with output '%s', and with %zu others: name both, as '%s=%s'",
                             pattern, inputs[i], outputs[pair.output], rivals, inputs[i], outputs[pair.output]);
        arrput(*out, pair);
    }
    if (arrlenu(*out) > before) return DS_OK;
    return ds_report(diag, DS_ERROR, DS_E_name, NULL, "'%s': the model has no input that is called so", pattern);
}

/* ---- declaring ---- */

static const ds_attr *with_entry(ds_ir_context *cx, const ds_attr *dict, const char *name, const ds_attr *value) {
    ds_named_attr *entries = NULL, entry = {name, value};
    for (size_t i = 0; dict && i < dict->count; i++)
        if (strcmp(dict->entries[i].name, name)) arrput(entries, dict->entries[i]);
    arrput(entries, entry);
    const ds_attr *all = ds_attr_dict(cx, entries, arrlenu(entries));
    arrfree(entries);
    return all;
}

void ds_argument_set_attr(ds_module *m, ds_op *func, size_t argument, const char *name, const ds_attr *value) {
    const ds_attr *old = ds_op_attr(func, "arg_attrs"), **dicts = NULL;
    for (size_t i = 0; i < ds_op_block(func, 0)->arg_count; i++) {
        const ds_attr *dict = old && i < old->count ? old->items[i] : ds_attr_dict(m->cx, NULL, 0);
        arrput(dicts, i == argument ? with_entry(m->cx, dict, name, value) : dict);
    }
    ds_op_set_attr(m, func, "arg_attrs", ds_attr_array(m->cx, dicts, arrlenu(dicts)));
    arrfree(dicts);
}

void ds_result_set_attr(ds_module *m, ds_op *func, size_t output, const char *name, const ds_attr *value) {
    const ds_attr *old = ds_op_attr(func, "res_attrs"), **dicts = NULL;
    size_t results = ds_op_block(func, 0)->last->operand_count;
    for (size_t i = 0; i < results; i++) {
        const ds_attr *dict = old && i < old->count ? old->items[i] : ds_attr_dict(m->cx, NULL, 0);
        arrput(dicts, i == output ? with_entry(m->cx, dict, name, value) : dict);
    }
    ds_op_set_attr(m, func, "res_attrs", ds_attr_array(m->cx, dicts, arrlenu(dicts)));
    arrfree(dicts);
}

/* Every input in one pair, and every output. */
static ds_status check_distinct(ds_diag *diag, const ds_pair *pairs, const char *const *inputs,
                                const char *const *outputs) {
    for (size_t i = 0; i < arrlenu(pairs); i++)
        for (size_t k = 0; k < i; k++) {
            bool input = pairs[i].input == pairs[k].input, output = pairs[i].output == pairs[k].output;
            if (input == output) continue;
            return ds_report(diag, DS_ERROR, DS_E_name, NULL, "%s '%s' is to share the memory of '%s' and of '%s'",
                             input ? "input" : "output", input ? inputs[pairs[i].input] : outputs[pairs[i].output],
                             input ? outputs[pairs[k].output] : inputs[pairs[k].input],
                             input ? outputs[pairs[i].output] : inputs[pairs[i].input]);
        }
    return DS_OK;
}

ds_status ds_alias_pairs(ds_module *m, const char *what, const char *const *patterns, size_t count, ds_op **out_func,
                         ds_pair **out) {
    ds_op *func = *out_func = ds_module_find(m, "main");
    ds_diag *diag = m->cx->diag;
    if (!func) return ds_report(diag, DS_ERROR, DS_E_form, NULL, "there is no function @main");
    if (ds_module_attr(m, "ds.after"))
        return ds_report(diag, DS_ERROR, DS_E_form, NULL, "%s before the first pass, not in text that is behind one",
                         what);
    const ds_block *body = ds_op_block(func, 0);
    const ds_op *ret = body->last && body->last->kind == DS_RETURN ? body->last : NULL;
    size_t results = ret ? ret->operand_count : 0;
    const char **inputs = NULL, **outputs = NULL;
    ds_status status = DS_OK;
    for (size_t i = 0; i < body->arg_count; i++) arrput(inputs, ds_argument_name(m, func, i));
    for (size_t i = 0; i < results; i++) arrput(outputs, ds_result_name(m, func, i));
    for (size_t i = 0; status == DS_OK && i < count; i++)
        status = ds_pairs_find(diag, patterns[i], inputs, arrlenu(inputs), outputs, results, out);
    if (status == DS_OK) status = check_distinct(diag, *out, inputs, outputs);
    arrfree(inputs), arrfree(outputs);
    return status;
}

ds_status ds_alias_declare(ds_module *m, const char *const *patterns, size_t count) {
    ds_op *func;
    ds_pair *pairs = NULL;
    if (!count) return DS_OK;
    ds_status status = ds_alias_pairs(m, "aliases are declared", patterns, count, &func, &pairs);
    for (size_t i = 0; status == DS_OK && i < arrlenu(pairs); i++)
        ds_result_set_attr(m, func, pairs[i].output, DS_ALIAS, ds_attr_int(m->cx, (int64_t)pairs[i].input));
    arrfree(pairs);
    return status;
}
