#include "type.h"

#include <string.h>

enum { PLAIN = 0, PACKED = 1 };

static const ds_elem_info elems[] = {
#define DS_ELEM(name, bits, class, onnx, text, storage, safetensors, c_type)                                           \
    {#name, text, safetensors, c_type, bits, DS_CLASS_##class, onnx, storage},
#include "types.def"
#undef DS_ELEM
};

const ds_elem_info *ds_elem_facts(ds_elem elem) { return &elems[elem]; }

ds_elem ds_elem_from_onnx(int onnx) {
    for (size_t i = 0; i < DS_COUNT(elems); i++)
        if (onnx && elems[i].onnx == onnx) return (ds_elem)i;
    return DS_NO_ELEM;
}

bool ds_elem_is_float(ds_elem e) { return elems[e].class == DS_CLASS_FLOAT; }
bool ds_elem_is_unsigned(ds_elem e) { return elems[e].class == DS_CLASS_UINT; }

ds_elem ds_elem_of_bits(unsigned bits, bool is_signed) {
    size_t e = 0;
    while (elems[e].bits != bits || elems[e].class != (is_signed ? DS_CLASS_SINT : DS_CLASS_UINT)) e++;
    return (ds_elem)e;
}

bool ds_elem_is_integer(ds_elem e) {
    return elems[e].class == DS_CLASS_SINT || elems[e].class == DS_CLASS_UINT || elems[e].class == DS_CLASS_INDEX;
}

bool ds_elem_bytes(ds_elem elem, uint64_t count, uint64_t *out_bytes) {
    uint64_t bits;
    if (__builtin_mul_overflow(count, elems[elem].bits, &bits) || bits > UINT64_MAX - 7) return false;
    *out_bytes = (bits + 7) / 8;
    return *out_bytes <= INT64_MAX;
}

const ds_expr *ds_elem_bytes_of(ds_ir_context *cx, ds_elem elem, const ds_expr *count) {
    int64_t bits = elems[elem].bits;
    if (!elems[elem].packed) return ds_expr_scale(cx, count, bits / 8);
    return ds_expr_ceildiv(cx, ds_expr_scale(cx, count, bits), ds_expr_const(cx, 8));
}

ds_elem_unit ds_elem_unit_of(ds_elem elem) {
    unsigned bits = elems[elem].bits, elements = 1;
    while (elements * bits % 8) elements *= 2;
    return (ds_elem_unit){elements, elements * bits / 8};
}

int64_t ds_elem_in_bytes(ds_elem elem, int64_t bytes) {
    ds_elem_unit unit = ds_elem_unit_of(elem);
    return bytes / unit.bytes * unit.elements;
}

/* The last byte is read where the element has bits in it. */
unsigned ds_bits_at(const uint8_t *bytes, uint64_t i, unsigned bits) {
    uint64_t first = i * bits, last = first + bits - 1;
    unsigned both = bytes[first / 8] | (unsigned)bytes[last / 8] << 8;
    return both >> first % 8 & ((1u << bits) - 1);
}

void ds_bits_put(uint8_t *bytes, uint64_t i, unsigned bits, uint64_t value) {
    uint64_t first = i * bits, last = first + bits - 1;
    unsigned both = (unsigned)(value & ((1u << bits) - 1)) << first % 8;
    bytes[first / 8] |= (uint8_t)both;
    bytes[last / 8] |= (uint8_t)(last / 8 > first / 8 ? both >> 8 : 0);
}

/* ---- interning ---- */

static uint32_t hash_pointer(uint32_t h, const void *p) { return ds_hash_bytes(h, &p, sizeof p); }

static uint32_t type_hash(const ds_type *t) {
    uint32_t h = ds_hash_bytes(3, &t->kind, sizeof t->kind);
    h = ds_hash_bytes(h, &t->elem, sizeof t->elem);
    h = ds_hash_bytes(h, &t->rank, sizeof t->rank);
    if (t->kind == DS_TYPE_TENSOR)
        for (size_t i = 0; i < t->rank; i++) h = hash_pointer(h, t->dims[i]);
    h = hash_pointer(h, t->encoding);
    for (size_t i = 0; i < t->inner_count; i++) h = hash_pointer(h, t->inner[i]);
    return h;
}

static bool type_same(const ds_type *a, const ds_type *b) {
    if (a->hash != b->hash || a->kind != b->kind || a->elem != b->elem || a->rank != b->rank ||
        a->encoding != b->encoding || a->inner_count != b->inner_count || a->input_count != b->input_count)
        return false;
    if (a->kind == DS_TYPE_TENSOR)
        for (size_t i = 0; i < a->rank; i++)
            if (a->dims[i] != b->dims[i]) return false;
    for (size_t i = 0; i < a->inner_count; i++)
        if (a->inner[i] != b->inner[i]) return false;
    return true;
}

static const ds_type *type_intern(ds_ir_context *cx, ds_type *t) {
    t->hash = type_hash(t);
    ds_context_lock(cx);
    const ds_type *found = NULL;
    for (ds_interned *s = ds_context_slot(cx, t->hash); s && !found; s = s->next)
        if (s->kind == DS_INTERNED_TYPE && type_same(s->object, t)) found = s->object;
    if (!found) {
        ds_type *copy = DS_NEW(cx->arena, ds_type);
        *copy = *t;
        if (t->kind == DS_TYPE_TENSOR) {
            const ds_expr **dims = DS_NEW_ARRAY(cx->arena, const ds_expr *, t->rank);
            for (size_t i = 0; i < t->rank; i++) dims[i] = t->dims[i];
            copy->dims = dims;
        }
        const ds_type **inner = DS_NEW_ARRAY(cx->arena, const ds_type *, t->inner_count);
        for (size_t i = 0; i < t->inner_count; i++) inner[i] = t->inner[i];
        copy->inner = inner;
        ds_context_insert(cx, t->hash, DS_INTERNED_TYPE, copy);
        found = copy;
    }
    ds_context_unlock(cx);
    return found;
}

const ds_type *ds_type_scalar(ds_ir_context *cx, ds_elem elem) {
    return type_intern(cx, &(ds_type){.kind = DS_TYPE_SCALAR, .elem = elem});
}

const ds_type *ds_type_tensor(ds_ir_context *cx, ds_elem elem, size_t rank, const ds_expr *const *dims,
                              const ds_attr *encoding) {
    if (encoding && encoding->count == 0) encoding = NULL;
    return type_intern(
        cx, &(ds_type){.kind = DS_TYPE_TENSOR, .elem = elem, .rank = rank, .dims = dims, .encoding = encoding});
}

const ds_type *ds_type_unranked(ds_ir_context *cx, ds_elem elem) {
    return type_intern(cx, &(ds_type){.kind = DS_TYPE_UNRANKED, .elem = elem});
}

const ds_type *ds_type_vector(ds_ir_context *cx, ds_elem elem, size_t lanes) {
    if (lanes == 1) return ds_type_scalar(cx, elem);
    return type_intern(cx, &(ds_type){.kind = DS_TYPE_VECTOR, .elem = elem, .rank = lanes});
}

const ds_type *ds_type_buffer(ds_ir_context *cx, ds_elem elem) {
    return type_intern(cx, &(ds_type){.kind = DS_TYPE_BUFFER, .elem = elem});
}

const ds_type *ds_type_function(ds_ir_context *cx, const ds_type *const *inner, size_t input_count,
                                size_t result_count) {
    return type_intern(cx, &(ds_type){.kind = DS_TYPE_FUNCTION,
                                      .elem = DS_NO_ELEM,
                                      .inner = inner,
                                      .input_count = input_count,
                                      .inner_count = input_count + result_count});
}

const ds_type *ds_type_nested(ds_ir_context *cx, ds_type_kind kind, const ds_type *const *inner, size_t count) {
    return type_intern(cx, &(ds_type){.kind = kind, .elem = DS_NO_ELEM, .inner = inner, .inner_count = count});
}

const ds_type *ds_type_none(ds_ir_context *cx) {
    return type_intern(cx, &(ds_type){.kind = DS_TYPE_NONE, .elem = DS_NO_ELEM});
}

const ds_type *ds_type_with_elem(ds_ir_context *cx, const ds_type *type, ds_elem elem) {
    ds_type copy = *type;
    copy.elem = elem;
    return type_intern(cx, &copy);
}

const ds_type *ds_type_with_encoding(ds_ir_context *cx, const ds_type *tensor, const ds_attr *encoding) {
    return ds_type_tensor(cx, tensor->elem, tensor->rank, tensor->dims, encoding);
}

bool ds_type_is_static(const ds_type *t) {
    if (t->kind != DS_TYPE_TENSOR) return false;
    for (size_t i = 0; i < t->rank; i++)
        if (!ds_expr_is_const(t->dims[i], NULL)) return false;
    return true;
}

const ds_expr *ds_type_count(ds_ir_context *cx, const ds_type *t) {
    const ds_expr *count = ds_expr_const(cx, 1);
    for (size_t i = 0; i < t->rank; i++) count = ds_expr_mul(cx, count, t->dims[i]);
    return count;
}

bool ds_type_static_count(const ds_type *t, uint64_t *out_count) {
    uint64_t count = 1;
    if (t->kind != DS_TYPE_TENSOR) return false;
    for (size_t i = 0; i < t->rank; i++) {
        int64_t extent;
        if (!ds_expr_is_const(t->dims[i], &extent) || extent < 0 ||
            __builtin_mul_overflow(count, (uint64_t)extent, &count))
            return false;
    }
    *out_count = count;
    return count <= INT64_MAX / 16;
}
