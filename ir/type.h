/* Types and attributes, interned in the context: equal means same pointer.
 *
 * A tensor type is element type, shape, one encoding. Its unknown extents are expressions over symbols (printed under
 * the encoding's `dims` key); the encoding's other keys say how the tensor lies in memory, and an absent one means
 * dense row-major.
 */
#ifndef DS_TYPE_H
#define DS_TYPE_H

#include "context.h"
#include "expr.h"

typedef enum {
#define DS_ELEM(name, ...) DS_##name,
#include "types.def"
#undef DS_ELEM
    DS_ELEM_COUNT,
    DS_NO_ELEM = DS_ELEM_COUNT
} ds_elem;

typedef enum {
    DS_CLASS_FLOAT,
    DS_CLASS_SINT,
    DS_CLASS_UINT,
    DS_CLASS_BOOL,
    DS_CLASS_COMPLEX,
    DS_CLASS_STRING,
    DS_CLASS_INDEX
} ds_elem_class;

typedef struct {
    const char *name, *text, *safetensors, *c_type;
    unsigned bits;
    ds_elem_class class;
    int onnx;    /* TensorProto.DataType; 0: that has none */
    bool packed; /* several elements share a byte */
} ds_elem_info;

const ds_elem_info *ds_elem_facts(ds_elem elem);
ds_elem ds_elem_from_onnx(int onnx); /* DS_NO_ELEM when there is none */
bool ds_elem_is_float(ds_elem elem);
bool ds_elem_is_integer(ds_elem elem); /* signed, unsigned or index; not bool */
bool ds_elem_is_unsigned(ds_elem elem);
ds_elem ds_elem_of_bits(unsigned bits, bool is_signed); /* whole numbers of so many bits, which there are */
/* Bytes of `count` elements as they lie in memory; false on overflow. */
bool ds_elem_bytes(ds_elem elem, uint64_t count, uint64_t *out_bytes);
/* The same for a count that is an expression: a packed type's elements share bytes, and the last one may be partly
 * used. */
const ds_expr *ds_elem_bytes_of(ds_ir_context *cx, ds_elem elem, const ds_expr *count);

/* The fewest elements that fill whole bytes. */
typedef struct {
    unsigned elements, bytes;
} ds_elem_unit;
ds_elem_unit ds_elem_unit_of(ds_elem elem);
/* How many elements fit into so many bytes, in whole units. */
int64_t ds_elem_in_bytes(ds_elem elem, int64_t bytes);
/* Element i of those that `bits` of less than 8 follow each other in, low ones first; put: where there are zeros. */
unsigned ds_bits_at(const uint8_t *bytes, uint64_t i, unsigned bits);
void ds_bits_put(uint8_t *bytes, uint64_t i, unsigned bits, uint64_t value);

typedef enum {
    DS_TYPE_SCALAR, /* f32, index, ... */
    DS_TYPE_TENSOR,
    DS_TYPE_UNRANKED, /* tensor<*xf32> */
    DS_TYPE_VECTOR,   /* vector<16xf32>: loop dialect */
    DS_TYPE_BUFFER,   /* memref<?xf32>: loop and plan dialects, flat storage */
    DS_TYPE_SEQUENCE, /* inner[0] */
    DS_TYPE_OPTIONAL, /* inner[0] */
    DS_TYPE_MAP,      /* inner[0] -> inner[1] */
    DS_TYPE_FUNCTION, /* inner: inputs, then results from input_count on */
    DS_TYPE_NONE      /* an optional operand that was left out */
} ds_type_kind;

typedef struct ds_type ds_type;
typedef struct ds_attr ds_attr;

struct ds_type {
    ds_type_kind kind;
    uint32_t hash;
    ds_elem elem;
    size_t rank;                /* TENSOR; lanes of a VECTOR */
    const ds_expr *const *dims; /* TENSOR: rank of them */
    const ds_attr *encoding;    /* TENSOR: a dictionary without `dims`, or NULL */
    size_t inner_count, input_count;
    const ds_type *const *inner;
};

const ds_type *ds_type_scalar(ds_ir_context *cx, ds_elem elem);
const ds_type *ds_type_tensor(ds_ir_context *cx, ds_elem elem, size_t rank, const ds_expr *const *dims,
                              const ds_attr *encoding);
const ds_type *ds_type_unranked(ds_ir_context *cx, ds_elem elem);
const ds_type *ds_type_vector(ds_ir_context *cx, ds_elem elem, size_t lanes);
const ds_type *ds_type_buffer(ds_ir_context *cx, ds_elem elem);
const ds_type *ds_type_function(ds_ir_context *cx, const ds_type *const *inner, size_t input_count,
                                size_t result_count);
const ds_type *ds_type_nested(ds_ir_context *cx, ds_type_kind kind, const ds_type *const *inner, size_t count);
const ds_type *ds_type_none(ds_ir_context *cx);

const ds_type *ds_type_with_elem(ds_ir_context *cx, const ds_type *type, ds_elem elem);
const ds_type *ds_type_with_encoding(ds_ir_context *cx, const ds_type *tensor, const ds_attr *encoding);
bool ds_type_is_static(const ds_type *tensor);
const ds_expr *ds_type_count(ds_ir_context *cx, const ds_type *tensor); /* elements, without padding */
/* Elements of a static tensor; false when an extent is symbolic, negative, or the count does not fit. */
bool ds_type_static_count(const ds_type *tensor, uint64_t *out_count);

/* ---- attributes ---- */

typedef enum {
    DS_ATTR_UNIT,
    DS_ATTR_BOOL,
    DS_ATTR_INT,
    DS_ATTR_FLOAT,
    DS_ATTR_STRING,
    DS_ATTR_ARRAY,
    DS_ATTR_DICT,
    DS_ATTR_TYPE,
    DS_ATTR_EXPR,     /* an expression over symbols; a string in text (ir/schema.h) */
    DS_ATTR_MAP,      /* affine map */
    DS_ATTR_ELEMENTS, /* a tensor's bytes */
    DS_ATTR_SYMBOL    /* @name */
} ds_attr_kind;

typedef struct {
    const char *name;
    const ds_attr *value;
} ds_named_attr;

struct ds_attr {
    ds_attr_kind kind;
    uint32_t hash;
    int64_t integer;  /* BOOL, INT; MAP: number of dims */
    double number;    /* FLOAT */
    const char *text; /* STRING, SYMBOL: NUL-terminated; ELEMENTS: name of the resource or NULL */
    size_t count;     /* ARRAY, DICT, MAP results; STRING length; ELEMENTS: bytes */
    const ds_attr *const *items;
    const ds_named_attr *entries; /* DICT: sorted by name */
    const ds_expr *const *exprs;  /* MAP; EXPR: one */
    const ds_type *type;          /* TYPE, ELEMENTS; INT and FLOAT: scalar type or NULL */
    const void *bytes;            /* ELEMENTS: dense row-major, borrowed (a mapped file or an arena), unaligned */
};

const ds_attr *ds_attr_unit(ds_ir_context *cx);
const ds_attr *ds_attr_bool(ds_ir_context *cx, bool value);
const ds_attr *ds_attr_int(ds_ir_context *cx, int64_t value);
const ds_attr *ds_attr_float(ds_ir_context *cx, double value);
const ds_attr *ds_attr_string(ds_ir_context *cx, const char *text);
const ds_attr *ds_attr_string_n(ds_ir_context *cx, const char *text, size_t length);
const ds_attr *ds_attr_symbol(ds_ir_context *cx, const char *name);
const ds_attr *ds_attr_array(ds_ir_context *cx, const ds_attr *const *items, size_t count);
const ds_attr *ds_attr_ints(ds_ir_context *cx, const int64_t *values, size_t count);
const ds_attr *ds_attr_strings(ds_ir_context *cx, const char *const *values, size_t count);
const ds_attr *ds_attr_dict(ds_ir_context *cx, const ds_named_attr *entries, size_t count);
const ds_attr *ds_attr_of_type(ds_ir_context *cx, const ds_type *type);
const ds_attr *ds_attr_map(ds_ir_context *cx, size_t dims, const ds_expr *const *results, size_t count);
const ds_attr *ds_attr_identity_map(ds_ir_context *cx, size_t dims);
/* Reads every element of a tensor of this type at its own point; along an extent of 1 the index may as well be 0. */
bool ds_map_is_identity(const ds_attr *map, const ds_type *type);
const ds_attr *ds_attr_expr(ds_ir_context *cx, const ds_expr *e);
const ds_attr *ds_attr_exprs(ds_ir_context *cx, const ds_expr *const *e, size_t count);
const ds_expr *ds_attr_to_expr(const ds_attr *attr); /* NULL when it is none, or there is none */
/* Symbols in maps and expressions, also within arrays; `attr` may be NULL. */
void ds_attr_each_symbol(const ds_attr *attr, void (*visit)(void *user, const char *name), void *user);
/* `bytes` is borrowed when `name` is given (it must outlive the context), else copied and compared by content. */
const ds_attr *ds_attr_elements(ds_ir_context *cx, const ds_type *type, const void *bytes, size_t length,
                                const char *name);

const ds_attr *ds_attr_find(const ds_attr *dict, const char *name); /* NULL when absent or dict is NULL */

#endif
