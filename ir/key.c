/* The key of a kernel: a hash of its text, in which values have numbers in the order in which they are made. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "schedule.h"

typedef struct {
    const ds_value *key;
    size_t value;
} numbered;

typedef struct {
    ds_string text;
    numbered *numbers; /* stb_ds hash map */
} writer;

/* Which buffer a part lies in (the last number of `within`) is a matter of the model, not of the kernel. */
static void write_encoding(writer *w, const ds_attr *encoding) {
    for (size_t i = 0; i < encoding->count; i++) {
        const ds_attr *a = encoding->entries[i].value;
        bool is_place = !strcmp(encoding->entries[i].name, "within") && a->kind == DS_ATTR_ARRAY;
        ds_string_printf(&w->text, "%s ", encoding->entries[i].name);
        if (!is_place) ds_attr_print(&w->text, a);
        for (size_t k = 0; is_place && k + 1 < a->count; k++)
            ds_string_printf(&w->text, "%lld ", (long long)a->items[k]->integer);
    }
}

static void name_value(writer *w, const ds_value *v) {
    size_t number = hmlenu(w->numbers);
    const ds_type *t = v->type;
    hmput(w->numbers, v, number);
    if (t->kind == DS_TYPE_TENSOR && ds_attr_find(t->encoding, "within")) {
        for (size_t i = 0; i < t->rank; i++) {
            ds_expr_print(&w->text, t->dims[i]);
            ds_string_printf(&w->text, "x");
        }
        ds_string_printf(&w->text, "%s ", ds_elem_facts(t->elem)->text);
        write_encoding(w, t->encoding);
    } else ds_type_print(&w->text, t);
    ds_string_printf(&w->text, " ");
}

/* What does not change the code: for reports, and what is decided about the kernel. */
static bool is_about(const char *name) {
    static const char *const names[] = {"node",     "what", "key", "flops", "bytes", "name",
                                        "schedule", "part", "at",  "whole", "beside"};
    for (size_t i = 0; i < DS_COUNT(names); i++)
        if (!strcmp(names[i], name)) return true;
    return false;
}

static void write_block(writer *w, const ds_block *block);

static void write_op(writer *w, const ds_op *op) {
    ds_string_printf(&w->text, "%s(", ds_op_facts(op->kind)->name);
    for (size_t i = 0; i < op->operand_count; i++) {
        const ds_value *v = ds_op_operand(op, i);
        ds_string_printf(&w->text, "%zd ",
                         hmgeti(w->numbers, v) >= 0 ? (ptrdiff_t)hmget(w->numbers, v) : (ptrdiff_t)-1);
    }
    ds_string_printf(&w->text, ") ");
    for (size_t i = 0; i < op->attr_count; i++) {
        if (is_about(op->attrs[i].name)) continue;
        ds_string_printf(&w->text, "%s = ", op->attrs[i].name);
        ds_attr_print(&w->text, op->attrs[i].value);
        ds_string_printf(&w->text, ", ");
    }
    for (size_t i = 0; i < op->result_count; i++) name_value(w, &op->results[i]);
    for (size_t r = 0; r < op->region_count; r++) write_block(w, ds_op_block(op, r));
    ds_string_printf(&w->text, "\n");
}

static void write_block(writer *w, const ds_block *block) {
    ds_string_printf(&w->text, "{");
    for (size_t i = 0; i < block->arg_count; i++) name_value(w, block->args[i]);
    ds_string_printf(&w->text, "\n");
    for (const ds_op *op = block->first; op; op = op->next) write_op(w, op);
    ds_string_printf(&w->text, "}");
}

char *ds_kernel_text(const ds_op *kernel) {
    writer w = {0};
    write_op(&w, kernel);
    hmfree(w.numbers);
    return w.text.data;
}

/* FNV-1a, its steps mixed once more at the end. */
static uint64_t hash(uint64_t h, const char *text) {
    for (; *text; text++) h = (h ^ (uint8_t)*text) * 0x100000001b3u;
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdu;
    return h ^ h >> 29;
}

const char *ds_kernel_key_of(ds_ir_context *cx, const char *text) {
    return ds_arena_printf(cx->arena, "%016" PRIx64 "%016" PRIx64, hash(0xcbf29ce484222325u, text),
                           hash(0x9e3779b97f4a7c15u, text));
}

const char *ds_kernel_key(ds_ir_context *cx, const ds_op *kernel) {
    char *text = ds_kernel_text(kernel);
    const char *key = ds_kernel_key_of(cx, text);
    free(text);
    return key;
}
