#include "document.h"

#include <stdio.h>
#include <string.h>

#include "dims.h"
#include "mma.h"
#include "schedule.h"
#include "schema.h"

static const char *const dialects[][2] = {
    {"graph", "Tensor values, no memory, no order but data flow."},
    {"loop", "Scalars and vectors, buffers, loops. Scalar ops also fill the regions of graph ops."},
    {"plan", "The program around the kernels. Extents and offsets are expressions over the symbols."},
    {"func", "Functions, of every dialect."},
};

static bool is_of(ds_op_kind kind, const char *dialect) {
    const char *name = ds_op_facts(kind)->name;
    size_t n = strlen(dialect);
    return !strncmp(name, dialect, n) && name[n] == '.';
}

static void print_names(ds_string *out, const char *what, const char *names) {
    if (*names) ds_string_printf(out, "- %s `%s`\n", what, names);
}

static void print_op(ds_string *out, ds_op_kind kind) {
    const ds_op_info *op = ds_op_facts(kind);
    ds_string_printf(out, "\n### %s\n\n%s.\n\n", op->name, op->doc);
    print_names(out, "operands", op->operands);
    print_names(out, "results", op->results);
    ds_schema_print_attributes(out, kind);
    if (op->regions > 0) ds_string_printf(out, "- regions: %d\n", op->regions);
    if (op->regions < 0) ds_string_printf(out, "- regions: any number\n");
    if (op->traits & DS_PURE) ds_string_printf(out, "- no effects\n");
    if (op->traits & DS_VIEW) ds_string_printf(out, "- shares its operand's bytes\n");
    if (op->traits & DS_TERMINATOR) ds_string_printf(out, "- ends a block\n");
}

static void print_dialect(ds_string *out, const char *dialect, const char *doc) {
    ds_string_printf(out, "\n## Dialect %s\n\n%s\n", dialect, doc);
    for (int k = DS_FUNC; k < DS_OP_KIND_COUNT; k++)
        if (is_of((ds_op_kind)k, dialect) && !(ds_op_facts((ds_op_kind)k)->traits & DS_SCALAR))
            print_op(out, (ds_op_kind)k);
}

static void print_scalar_op(ds_string *out, const char *name, int arity, const char *result, const char *floats,
                            const char *ints) {
    static const char *const names[] = {"", "a", "a b", "a b c"};
    ds_string_printf(out, "| loop.%s | `%s` | %s | %s%s%s | %s%s%s |\n", name, names[arity], result, *floats ? "`" : "",
                     floats, *floats ? "`" : "", *ints ? "`" : "", ints, *ints ? "`" : "");
}

/* Expressions of the table as they are written there; | would end a cell. */
static const char *cell(char *room, size_t size, const char *text) {
    size_t n = 0;
    for (; *text && n + 2 < size; text++) {
        if (*text == '|') room[n++] = '\\';
        room[n++] = *text;
    }
    room[n] = 0;
    return strcmp(room, "0") ? room : "";
}

static void print_scalar_ops(ds_string *out) {
    char floats[128], ints[128];
    ds_string_printf(
        out,
        "\n### Scalar ops\n\nOn scalars and, lane by lane, on vectors of one element type. The result's type: SAME as "
        "the "
        "first operand's, BOOL, that of the SECOND, or ANY. `a b c` are doubles, `i j` integers of 64 bits, which are "
        "wrapped to the type.\n\n| op | operands | result | of floats | of integers |\n|---|---|---|---|---|\n");
#define SCALAR_OP(name, arity, result, of_floats, of_ints, ...)                                                        \
    print_scalar_op(out, #name, arity, #result, cell(floats, sizeof floats, #of_floats),                               \
                    cell(ints, sizeof ints, #of_ints));
#define LOOP_OP(...)
#include "loop.def"
#undef SCALAR_OP
#undef LOOP_OP
}

static void print_operators(ds_string *out, const char *dialect, const char *doc) {
    ds_string_printf(out,
                     "\n## Dialect %s\n\n%s\n\n| operator | operands | results | attributes |\n|---|---|---|---|\n",
                     dialect, doc);
    for (int k = DS_FUNC; k < DS_OP_KIND_COUNT; k++) {
        const ds_op_info *op = ds_op_facts((ds_op_kind)k);
        if (!is_of((ds_op_kind)k, dialect)) continue;
        const char *attributes = ds_operator_attributes((ds_op_kind)k);
        ds_string_printf(out, "| %s | `%s` | `%s` | %s |\n", op->name, op->operands, op->results,
                         attributes ? attributes : "");
    }
}

static void print_types(ds_string *out) {
    ds_string_printf(
        out,
        "\n## Types\n\n`tensor<2x?xf32, {…}>` (`?`: an expression, in the encoding), `tensor<*xf32>` of unknown rank, "
        "`vector<16xf32>`, `memref<?xf32>` for buffers, scalars by their name, `none` for an operand that was left "
        "out.\n\n"
        "| element | bits | in memory | number in ONNX | in C |\n|---|---|---|---|---|\n");
    for (int k = 0; k < DS_ELEM_COUNT; k++) {
        const ds_elem_info *e = ds_elem_facts((ds_elem)k);
        char number[16] = "none";
        if (e->onnx) snprintf(number, sizeof number, "%d", e->onnx);
        ds_string_printf(out, "| `%s` | %u | %s | %s | `%s` |\n", e->text, e->bits, e->packed ? "packed" : "plain",
                         number, e->c_type);
    }
    ds_string_printf(
        out, "\n## Encodings\n\nThe dictionary of a tensor type. Without `map` a tensor is dense and row-major.\n\n");
    ds_schema_print_encodings(out);
    ds_string_printf(out,
                     "\n## Kinds of dims\n\nWhat the dims of a contraction are for (attribute `kinds`): those of the "
                     "result, then the reduced ones.\n\n");
    ds_dims_print_kinds(out);
}

static void print_multiplies(ds_string *out) {
    ds_string_printf(out, "\n### Ways to multiply\n\nWhat a tile (attribute `mma`) is made of. `needs`: a feature of "
                          "the ISA level; `rate`: "
                          "beside f32.\n\n");
    ds_mma_print(out);
}

static void print_schedules(ds_string *out) {
    ds_string_printf(out, "\n## Schedules\n\nHow a kernel is computed: the attribute `schedule` of `graph.kernel`. The "
                          "pass `schedule` writes it, `dsc opt "
                          "--stop-after=schedule` prints it; text in which it was edited is compiled as it says, or "
                          "refused. `dsc info` lists the "
                          "programs.\n\n```\n"
                          "{program = \"tile\", mma = \"fma_f32\", prefetch = {lines = 1, next = 65536},\n"
                          " levels = [{axis = \"m\", kind = \"grid\", step = 64, tail = \"guard\"}, {axis = \"n\", "
                          "kind = \"grid\", step = 48, tail = "
                          "\"exact\"},\n"
                          "           {axis = \"m\", kind = \"tile\", step = 4, tail = \"exact\"}, {axis = \"n\", kind "
                          "= \"tile\", step = 48, tail = "
                          "\"exact\"},\n"
                          "           {axis = \"k\", kind = \"unroll\", step = 4, tail = \"guard\"}],\n"
                          " place = [{op = 0, level = 4, space = \"registers\"}]}\n```\n\n"
                          "Levels are loops, outermost first, of the kernel or, with `op`, of one of its ops, counted "
                          "from 0. Axes: of a product `m`, `n` "
                          "and `k`; of other ops `d0`, `d1`, … (the result's dims as they lie in memory, neighbours "
                          "that walk memory as one being one) and "
                          "`k0`, "
                          "… (reduced ones); `grid`: the points of all grid levels; `turn`: of a loop; `copies`: of a "
                          "concat. `place`: within which level an "
                          "op is computed and where its value lies; of strips, `keep` rows stay for the next one. "
                          "`prefetch`: lines that a tile fetches "
                          "ahead, and bytes that are the next kernels'.\n\n");
    ds_schedule_print_words(out);
}

void ds_ir_document(ds_string *out) {
    ds_string_printf(
        out,
        "# The IR\n\nMade by `dsc info --ir` of the tables in `ir/`. Operands and results: `?` may be left out, `...` "
        "any "
        "number. Attributes: name and kind; a list has the kind's name with an s; those that no row names are free.\n\n"
        "## Kinds of attributes\n\n");
    ds_schema_print_kinds(out);
    print_types(out);
    for (size_t i = 0; i < DS_COUNT(dialects); i++) {
        print_dialect(out, dialects[i][0], dialects[i][1]);
        if (strcmp(dialects[i][0], "loop") != 0) continue;
        print_scalar_ops(out);
        print_multiplies(out);
    }
    print_schedules(out);
    print_operators(out, "onnx", "Operators as imported, at the newest opset; attributes are ONNX's.");
    print_operators(out, "microsoft", "Operators of the domain com.microsoft, as imported.");
}
