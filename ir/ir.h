/* The IR in memory: modules, blocks, ops and values.
 *
 * Ownership: everything lives in its module's arena and goes away with it. Erasing an op unlinks it; its memory stays
 * until then.
 * Threads:   one module, one thread. Types and attributes are interned in the context, which several modules share.
 * Errors:    functions that read input return ds_status and report to the context's sink. The others cannot fail:
 *            a broken invariant of dsc itself is an assertion.
 */
#ifndef DS_IR_H
#define DS_IR_H

#include "base/file.h"
#include "type.h"

typedef struct ds_module ds_module;
typedef struct ds_block ds_block;
typedef struct ds_region ds_region;
typedef struct ds_op ds_op;
typedef struct ds_value ds_value;
typedef struct ds_use ds_use;

/* What an op is: its dialect, and its row in that dialect's table, in one number space. */
typedef enum {
    DS_OP_NONE,
    DS_FUNC,   /* func.func: attributes name, type; one region */
    DS_RETURN, /* func.return */
    DS_OPAQUE, /* an op of another dialect, kept by name (attribute "ds.op") */
#define ONNX_OP(name, ...) DS_ONNX_##name,
#include "onnx.def"
#undef ONNX_OP
#define CONTRIB_OP(name, ...) DS_MICROSOFT_##name,
#include "contrib.def"
#undef CONTRIB_OP
#define GRAPH_OP(name, ...) DS_GRAPH_##name,
#include "graph.def"
#undef GRAPH_OP
#define SCALAR_OP(name, ...) DS_LOOP_##name,
#define LOOP_OP(name, ...) DS_LOOP_##name,
#include "loop.def"
#undef SCALAR_OP
#undef LOOP_OP
#define PLAN_OP(name, ...) DS_PLAN_##name,
#include "plan.def"
#undef PLAN_OP
    DS_OP_KIND_COUNT
} ds_op_kind;

enum { DS_PURE = 1, DS_EFFECT = 2, DS_VIEW = 4, DS_TERMINATOR = 8, DS_SCALAR = 16 };

typedef struct {
    const char *name; /* "graph.map" */
    const char *operands, *results, *attributes;
    unsigned traits;
    int regions;
    const char *doc;
} ds_op_info;

const ds_op_info *ds_op_facts(ds_op_kind kind);
ds_op_kind ds_op_kind_find(const char *name);     /* DS_OP_NONE when there is none */
const char *ds_op_kind_nearest(const char *name); /* the name of an op that this one is a slip of, or NULL */
/* The names of an operator's attributes at the newest opset: "auto_pad dilations". NULL for ops that are none. */
const char *ds_operator_attributes(ds_op_kind kind);
bool ds_operator_has_attribute(ds_op_kind kind, const char *name); /* dsc's own begin with "ds."; other ops have any */
bool ds_op_is_operator(ds_op_kind kind);                           /* a row of onnx.def or of contrib.def */

/* Where an op came from: an ONNX node's name, a spot of text IR or both, or several after fusion. Never lost by a
 * pass. */
typedef struct ds_loc {
    const char *name;                    /* "" where only the spot is known */
    const struct ds_loc *first, *second; /* a fusion when name is NULL */
    ds_spot spot;
} ds_loc;

struct ds_use {
    ds_value *value;
    ds_op *owner;
    ds_use *next, **link; /* in the value's list */
};

struct ds_value {
    const ds_type *type;
    ds_use *uses;
    ds_op *op;       /* the op it is a result of, or NULL */
    ds_block *block; /* the block it is an argument of, or NULL */
    uint32_t index;
    uint32_t id; /* dense in the module, for side tables */
    const char *name;
};

struct ds_op {
    ds_op_kind kind;
    uint32_t id;
    ds_op *prev, *next;
    ds_block *block;
    const ds_loc *loc;
    size_t operand_count, result_count, region_count, attr_count;
    ds_use *operands;
    ds_value *results;
    ds_region *regions;
    ds_named_attr *attrs;
};

struct ds_block {
    ds_op *first, *last;
    ds_region *region;
    ds_value **args;
    size_t arg_count;
};

struct ds_region {
    ds_block *block;
    ds_op *op;
};

struct ds_module {
    ds_ir_context *cx;
    ds_arena *arena;
    ds_region body;       /* holds func.func ops */
    ds_named_attr *attrs; /* stb_ds array */
    uint32_t next_value_id, next_op_id, next_symbol;
};

ds_module *ds_module_create(ds_ir_context *cx);
void ds_module_destroy(ds_module *module);
ds_op *ds_module_find(const ds_module *module, const char *function); /* NULL when absent */
const ds_attr *ds_module_attr(const ds_module *module, const char *name);
void ds_module_set_attr(ds_module *module, const char *name, const ds_attr *value);

/* ---- reading ---- */

static inline ds_value *ds_op_operand(const ds_op *op, size_t i) { return op->operands[i].value; }
static inline ds_value *ds_op_result(const ds_op *op, size_t i) { return &op->results[i]; }
static inline ds_block *ds_op_block(const ds_op *op, size_t region) { return op->regions[region].block; }
const ds_attr *ds_op_attr(const ds_op *op, const char *name); /* NULL when absent */
int64_t ds_op_int(const ds_op *op, const char *name, int64_t otherwise);
double ds_op_float(const ds_op *op, const char *name, double otherwise); /* an f32, as ONNX's are; so is `otherwise` */
const char *ds_op_text(const ds_op *op, const char *name, const char *otherwise);
size_t ds_op_ints(const ds_op *op, const char *name, int64_t *out_values,
                  size_t room);                            /* how many there are; 0 when absent */
const ds_attr *ds_op_map(const ds_op *op, size_t operand); /* item of "maps" */
ds_op *ds_block_terminator(const ds_block *block);
bool ds_value_unused(const ds_value *value);
bool ds_value_has_one_use(const ds_value *value);
bool ds_value_is_none(const ds_value *value);
const ds_attr *ds_value_constant(const ds_value *value);     /* the elements of a graph.constant, or NULL */
bool ds_value_is_zero(const ds_value *value);                /* a constant, all of whose bytes are zero */
bool ds_op_is_scalar(const ds_op *op);                       /* a SCALAR_OP row */
const char *ds_loc_text(const ds_loc *loc);                  /* first name, or "" */
ds_spot ds_loc_spot(const ds_loc *loc);                      /* first spot, or none */
bool ds_loc_is_named(const ds_loc *loc);                     /* some name is in it */
const char *ds_op_where(ds_module *module, const ds_op *op); /* "node 'conv1' (Conv)", "Conv", "function @main" */
/* An error about an op: names it, and where it stands in the text. */
ds_status ds_op_report(ds_module *module, const ds_op *op, ds_error_code code, const char *format, ...) DS_PRINTF(4, 5);

/* ---- changing ---- */

/* Where new ops go: before `before`, or at the end of `block` when that is NULL. New ops get `loc`. */
typedef struct {
    ds_module *module;
    ds_block *block;
    ds_op *before;
    const ds_loc *loc;
} ds_builder;

ds_block *ds_block_create(ds_module *module, ds_region *region);
ds_value *ds_block_add_arg(ds_module *module, ds_block *block, const ds_type *type, const char *name);
ds_op *ds_op_create(ds_builder *b, ds_op_kind kind, ds_value *const *operands, size_t operand_count,
                    const ds_type *const *results, size_t result_count, size_t region_count);
void ds_op_set_attr(ds_module *module, ds_op *op, const char *name, const ds_attr *value);
void ds_op_set_operand(ds_op *op, size_t i, ds_value *value);
void ds_op_set_operands(ds_module *module, ds_op *op, ds_value *const *values, size_t count);
void ds_op_erase(ds_op *op); /* its results must be unused */
void ds_op_move(ds_op *op, ds_block *block, ds_op *before);
void ds_value_replace_uses(ds_value *from, ds_value *to);
ds_op *ds_func_create(ds_module *module, const char *name);
const ds_loc *ds_loc_named(ds_module *module, const char *name);
const ds_loc *ds_loc_fused(ds_module *module, const ds_loc *a, const ds_loc *b);
const char *ds_module_new_symbol(ds_module *module, ds_symbol_kind kind); /* "u0", "v_1": unused so far */

/* A copy of op (regions included) at the builder; operands are looked up in `mapping` (index: value id) where it has an
 * entry. */
typedef struct {
    ds_value **to; /* stb_ds array indexed by value id; NULL: unchanged */
} ds_mapping;
void ds_mapping_set(ds_mapping *m, const ds_value *from, ds_value *to);
ds_value *ds_mapping_get(const ds_mapping *m, ds_value *from);
void ds_mapping_free(ds_mapping *m);
ds_op *ds_op_clone(ds_builder *b, const ds_op *op, ds_mapping *mapping);

/* Calls visit for every op under `block`, outer before inner, in order; visit may erase the op it is given. */
void ds_walk(ds_block *block, void (*visit)(void *user, ds_op *op), void *user);

/* ---- checks and text ---- */

/* Structure (operand, result, attribute and region counts from the tables; use before definition; terminators) and each
 * op's own rule. */
DS_MUST_USE ds_status ds_module_verify(ds_module *module);
void ds_module_print(ds_string *out, ds_module *module);
/* With what `note` appends behind the line of each op but functions. */
typedef void ds_op_note(void *user, ds_string *out, const ds_op *op);
void ds_module_print_notes(ds_string *out, ds_module *module, ds_op_note *note, void *user);
void ds_op_print(ds_string *out, const ds_op *op); /* one op and its regions, outer values as %name or %v<id> */
/* Also notes the line on which each op begins, `line` for the first, in a stb_ds hash map. Returns the line behind the
 * last. */
typedef struct {
    const ds_op *key;
    unsigned value;
} ds_op_line;
unsigned ds_op_print_lines(ds_string *out, const ds_op *op, unsigned line, ds_op_line **lines);
void ds_type_print(ds_string *out, const ds_type *type);
void ds_attr_print(ds_string *out, const ds_attr *attr);
/* Reads MLIR text. Large constants are looked up in the safetensors file that the module attribute ds.weights names,
 * beside `path`. */
DS_MUST_USE ds_status ds_module_parse(ds_ir_context *cx, ds_files *files, const char *text, size_t length,
                                      const char *path, ds_module **out_module);

#endif
