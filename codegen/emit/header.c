/* The generated header: what an application includes. Plain C, C++-safe. */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "codegen/emit/output.h"
#include "ir/require.h"
#include "runtime/ds_abi.h"

static void upper(ds_string *out, const char *text) {
    for (; *text; text++) ds_string_printf(out, "%c", toupper((unsigned char)*text));
}

static void print_shape(ds_string *out, const ds_type *t) {
    ds_string_printf(out, "%s[", ds_elem_facts(t->elem)->name);
    for (size_t i = 0; i < t->rank; i++) {
        if (i) ds_string_printf(out, ", ");
        ds_expr_print(out, t->dims[i]);
    }
    ds_string_printf(out, "]");
}

/* The length of a UTF-8 sequence, and its code point; 0 where there is none. */
static size_t decode(const unsigned char *p, uint32_t *out_code) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = *p < 0x80 ? 1 : *p >> 5 == 6 ? 2 : *p >> 4 == 14 ? 3 : *p >> 3 == 30 ? 4 : 0;
    uint32_t code = n == 1 ? *p : *p & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (p[i] >> 6 != 2) return 0;
        code = code << 6 | (p[i] & 0x3f);
    }
    *out_code = code;
    return code < least[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : n;
}

/* What would end a comment early, or make it look other than it is (controls of lines and of the direction of
 * writing). */
static bool is_misleading(uint32_t code) {
    return code < 0x20 || code == '*' || code == '\\' || (code >= 0x7f && code < 0xa0) || code == 0x61c ||
           (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2060 && code <= 0x206f) || code == 0xfeff;
}

/* Comments stay comments, whatever a model calls its tensors. */
static void print_safe(ds_string *out, const char *text) {
    while (*text) {
        uint32_t code;
        size_t n = decode((const unsigned char *)text, &code);
        if (n && !is_misleading(code)) ds_string_append(out, text, n);
        else ds_string_append(out, "_", 1);
        text += n ? n : 1;
    }
}

/* Rows are those of the dim that grows: what is there comes first, for each place of the dims before. */
static void print_room(ds_string *out, const ds_signature *s, const ds_argument *a) {
    const ds_expr *room = ds_room_symbol(a);
    if (!room) return;
    ds_string_printf(out, "; in memory ");
    print_shape(out, a->memory);
    if (a->is_alias) ds_string_printf(out, ", as %s is", s->inputs[a->tied].field);
    else ds_string_printf(out, ", where bytes are those of all of it, a whole number of rows");
}

static void print_argument(ds_string *out, const ds_signature *s, const ds_argument *a) {
    ds_string_printf(out, "    struct { void *data; uint64_t bytes; ");
    if (!a->is_static) ds_string_printf(out, "int64_t dims[%zu]; ", a->type->rank);
    ds_string_printf(out, "} %s; /* '", a->field);
    print_safe(out, a->name);
    ds_string_printf(out, "': ");
    print_shape(out, a->type);
    ds_string_printf(out, ", as %s", ds_elem_facts(a->type->elem)->c_type);
    print_room(out, s, a);
    if (a->is_alias)
        ds_string_printf(out, "; its data is that of %s, which is changed in place (or null, and is then set to it)",
                         s->inputs[a->tied].field);
    else if (a->tied >= 0)
        ds_string_printf(out, "; its data may be that of %s, which is then changed in place", s->inputs[a->tied].field);
    ds_string_printf(out, " */\n");
}

static void print_required(ds_string *out, ds_string *text) {
    ds_string_printf(out, " *   ");
    print_safe(out, text->data);
    ds_string_printf(out, "\n");
    ds_string_free(text);
}

static void print_requirements(ds_string *out, const ds_signature *s, const ds_op *plan) {
    ds_requirement *list = ds_requirements_in(ds_op_block(plan, 0));
    size_t aliases = 0;
    for (size_t i = 0; i < s->output_count; i++) aliases += s->outputs[i].is_alias;
    if (arrlenu(list) + aliases)
        ds_string_printf(out, "/* Checked while running (DS_BROKEN_PROMISE; context->at says which, from 0 on):\n");
    for (size_t i = 0; i < arrlenu(list); i++) {
        ds_string text = {0};
        ds_requirement_print(&text, &list[i]);
        print_required(out, &text);
    }
    for (size_t i = 0; i < s->output_count; i++) {
        ds_string text = {0};
        if (!s->outputs[i].is_alias) continue;
        ds_signature_print_alias(&text, s, &s->outputs[i]);
        print_required(out, &text);
    }
    if (arrlenu(list) + aliases) ds_string_printf(out, " */\n\n");
    arrfree(list);
}

/* The runtime's contract, for programs that do not have its header: the same declarations, guarded. */
void ds_header_print(ds_string *out, ds_module *m, const ds_built *b, const ds_output_options *o) {
    const ds_signature *s = &b->signature;
    const ds_op *plan = ds_module_find(m, "main");
    const ds_expr *arena = ds_attr_to_expr(ds_op_attr(plan, "arena")),
                  *lane = ds_attr_to_expr(ds_op_attr(plan, "lane_bytes"));
    int64_t arena_bytes, lane_bytes;
    ds_string_printf(out, "/* Written by dsc from ");
    const char *slash = strrchr(o->source, '/');
    print_safe(out, slash ? slash + 1 : o->source);
    ds_string_printf(out, ". Do not edit. */\n#ifndef DS_MODEL_%s_H\n#define DS_MODEL_%s_H\n\n", o->prefix, o->prefix);
    const char *name;
    ds_span abi = ds_runtime_source(0, &name);
    ds_string_append(out, abi.bytes, abi.length);
    ds_string_printf(out, "\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");
    print_requirements(out, s, plan);
    ds_string_printf(out, "typedef struct %s_args {\n", o->prefix);
    for (size_t i = 0; i < s->input_count; i++) print_argument(out, s, &s->inputs[i]);
    for (size_t i = 0; i < s->output_count; i++) print_argument(out, s, &s->outputs[i]);
    if (s->input_count + s->output_count == 0) ds_string_printf(out, "    int unused;\n");
    ds_string_printf(out, "} %s_args;\n\n", o->prefix);
    ds_string_printf(out,
                     "/* Runs the model. Returns 0 or a status; context->at then says which argument or requirement it "
                     "is about. */\nint "
                     "%s(ds_context *context, %s_args *args);\n\n",
                     o->prefix, o->prefix);
    ds_string_printf(out,
                     "/* Bytes of arena (aligned to 64) for these extents and that many lanes of the pool (1 without). "
                     "*/\nuint64_t %s_arena_bytes(",
                     o->prefix);
    for (size_t i = 0; i < s->symbol_count; i++) ds_string_printf(out, "int64_t %s, ", s->parameters[i]);
    ds_string_printf(out, "int64_t lanes);\n");
    if (ds_expr_is_const(arena, &arena_bytes) && ds_expr_is_const(lane, &lane_bytes)) {
        ds_string_printf(out, "#define ");
        upper(out, o->prefix);
        ds_string_printf(out, "_ARENA_BYTES %" PRId64 " /* one lane */\n", arena_bytes + lane_bytes + 64);
    }
    ds_string_printf(out, "#define ");
    upper(out, o->prefix);
    ds_string_printf(out, "_WEIGHT_BYTES %" PRIu64 "%s\n", b->code.weight_bytes,
                     o->external_weights ? " /* in the .weights file: context->weights */" : " /* linked in */");
    ds_string_printf(out, "\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n");
}
