/* Sparse tensors as dense constants: graphs hold a few small ones, and no kernel here gains from them. */
#include <string.h>

#include "frontend/internal.h"

enum { MAX_BYTES = 1 << 26 };

static ds_status bad_sparse(ds_importer *im, const Onnx__SparseTensorProto *t, const char *why) {
    const char *name = t->values && t->values->name ? t->values->name : "";
    return ds_report(im->cx->diag, DS_ERROR, DS_E_tensor, ds_arena_printf(im->cx->arena, "sparse tensor '%s'", name),
                     "%s", why);
}

/* Where value `i` lies: `each` is 1 for positions counted through, else the rank. Negative: outside. */
static int64_t position_of(const int64_t *indices, size_t i, size_t each, const Onnx__SparseTensorProto *t,
                           uint64_t count) {
    int64_t at = 0;
    if (each == 1) return indices[i] < 0 || (uint64_t)indices[i] >= count ? -1 : indices[i];
    for (size_t d = 0; d < each; d++) {
        int64_t index = indices[i * each + d];
        if (index < 0 || index >= t->dims[d]) return -1;
        at = at * t->dims[d] + index;
    }
    return at;
}

ds_status ds_import_sparse(ds_importer *im, const Onnx__SparseTensorProto *t, const ds_attr **out_elements) {
    const ds_attr *values, *indices;
    const ds_expr *dims[64];
    uint64_t count, bytes, have, listed;
    if (!t->values || !t->indices || t->n_dims < 1 || t->n_dims > DS_COUNT(dims))
        return bad_sparse(im, t, "values, indices or dims are missing");
    DS_TRY(ds_import_tensor(im, t->values, &values));
    DS_TRY(ds_import_tensor(im, t->indices, &indices));
    for (size_t i = 0; i < t->n_dims; i++) dims[i] = ds_expr_const(im->cx, t->dims[i]);
    ds_elem elem = values->type->elem;
    const ds_type *type = ds_type_tensor(im->cx, elem, t->n_dims, dims, NULL);
    if (elem == DS_string || ds_elem_facts(elem)->packed)
        return ds_report(im->cx->diag, DS_ERROR, DS_E_form, NULL, "sparse tensors of %s are not supported",
                         ds_elem_facts(elem)->text);
    if (!ds_type_static_count(type, &count) || !ds_elem_bytes(elem, count, &bytes))
        return bad_sparse(im, t, "its shape is negative or overflows");
    if (bytes > MAX_BYTES)
        return ds_report(im->cx->diag, DS_ERROR, DS_E_form, NULL,
                         "sparse tensors of more than %d MiB are not supported", MAX_BYTES >> 20);
    size_t rank = indices->type->rank, each = rank == 2 ? t->n_dims : 1;
    if (indices->type->elem != DS_i64 || rank < 1 || rank > 2 || !ds_type_static_count(values->type, &have) ||
        !ds_type_static_count(indices->type, &listed) || listed != have * each)
        return bad_sparse(im, t, "its indices do not fit its values");
    size_t size = ds_elem_facts(elem)->bits / 8;
    uint8_t *dense = ds_arena_alloc(im->cx->arena, (size_t)bytes);
    memset(dense, 0, (size_t)bytes);
    for (size_t i = 0; i < have; i++) {
        int64_t at = position_of((const int64_t *)(const void *)indices->bytes, i, each, t, count);
        if (at < 0) return bad_sparse(im, t, "an index is outside its shape");
        memcpy(dense + (size_t)at * size, (const uint8_t *)values->bytes + i * size, size);
    }
    const char *key = count > 1024 ? ds_arena_printf(im->cx->arena, "w%u", im->next_resource++) : NULL;
    *out_elements = ds_attr_elements(im->cx, type, dense, (size_t)bytes, key);
    return DS_OK;
}
