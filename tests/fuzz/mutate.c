/* Changes ONNX models as structures: operators, edges, attributes, extents, element types, data, sub-graphs, versions.
 *
 * libFuzzer calls LLVMFuzzerCustomMutator; with DS_MUTATE_MAIN this is a program that writes changed copies of the
 * models it is given. Everything is allocated in a list that is freed at the end, so parts of a model may be shared,
 * dropped and moved freely.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/base.h"
#include "onnx.pb-c.h"
#include "tests/fuzz/fuzz.h"

/* ---- memory and chance ---- */

typedef struct block {
    struct block *next;
} block;

static block *blocks;

static void *take(size_t bytes) {
    block *b = calloc(1, sizeof *b + 8 + bytes);
    if (!b) abort();
    b->next = blocks;
    blocks = b;
    return (char *)b + sizeof *b + 8;
}

static void *pb_alloc(void *user, size_t bytes) {
    (void)user;
    return take(bytes);
}

static void pb_free(void *user, void *memory) {
    (void)user;
    (void)memory; /* all at once, by drop_all */
}

static ProtobufCAllocator allocator = {pb_alloc, pb_free, NULL};

static void drop_all(void) {
    for (block *next; blocks; blocks = next) {
        next = blocks->next;
        free(blocks);
    }
}

static uint64_t state;

static uint64_t draw(void) {
    state += 0x9E3779B97F4A7C15ull;
    uint64_t z = state;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ z >> 27) * 0x94D049BB133111EBull;
    return z ^ z >> 31;
}

static size_t below(size_t n) { return n ? (size_t)(draw() % n) : 0; }
static bool one_in(size_t n) { return below(n) == 0; }

static char *text(const char *s) {
    char *copy = take(strlen(s) + 1);
    return strcpy(copy, s);
}

/* ---- values that break things ---- */

static const char *const op_names[] = {
#define ONNX_OP(name, ...) #name,
#include "ir/onnx.def"
#undef ONNX_OP
    "Loop", "Scan", "SequenceAt", "SplitToSequence", "ConcatFromSequence", "Optional", "StringConcat", "NoSuchOp"};

static const char *const attribute_names[] = {"axis",
                                              "axes",
                                              "kernel_shape",
                                              "strides",
                                              "pads",
                                              "dilations",
                                              "group",
                                              "auto_pad",
                                              "ceil_mode",
                                              "count_include_pad",
                                              "alpha",
                                              "beta",
                                              "epsilon",
                                              "momentum",
                                              "perm",
                                              "to",
                                              "keepdims",
                                              "noop_with_empty_axes",
                                              "mode",
                                              "nearest_mode",
                                              "coordinate_transformation_mode",
                                              "cubic_coeff_a",
                                              "exclude_outside",
                                              "antialias",
                                              "value",
                                              "value_int",
                                              "value_ints",
                                              "value_float",
                                              "value_floats",
                                              "value_string",
                                              "transA",
                                              "transB",
                                              "hidden_size",
                                              "direction",
                                              "activations",
                                              "activation_alpha",
                                              "activation_beta",
                                              "clip",
                                              "layout",
                                              "linear_before_reset",
                                              "input_forget",
                                              "equation",
                                              "blocksize",
                                              "batch_dims",
                                              "largest",
                                              "sorted",
                                              "reduction",
                                              "num_groups",
                                              "size",
                                              "bias",
                                              "p",
                                              "start",
                                              "end",
                                              "num_outputs",
                                              "split",
                                              "k",
                                              "upper",
                                              "exclusive",
                                              "reverse",
                                              "dtype",
                                              "output_datatype",
                                              "periodic",
                                              "inverse",
                                              "onesided",
                                              "is_causal",
                                              "q_num_heads",
                                              "kv_num_heads",
                                              "scale",
                                              "softcap",
                                              "qk_matmul_output_mode",
                                              "left_window_size",
                                              "rotary_embedding_dim",
                                              "num_heads",
                                              "interleaved",
                                              "block_size",
                                              "output_dtype",
                                              "saturate",
                                              "output_padding",
                                              "output_shape",
                                              "align_corners",
                                              "padding_mode",
                                              "output_height",
                                              "output_width",
                                              "sampling_ratio",
                                              "spatial_scale",
                                              "storage_order",
                                              "time_axis",
                                              "batch_axis",
                                              "ignore_index",
                                              "center_point_box",
                                              "fmod",
                                              "detect_positive",
                                              "select_last_index",
                                              "training_mode",
                                              "allowzero",
                                              "stash_type",
                                              "deform_group",
                                              "offset_group",
                                              "then_branch",
                                              "else_branch",
                                              "body",
                                              "num_scan_inputs",
                                              "scan_input_axes",
                                              "keep_aspect_ratio_policy",
                                              "activation",
                                              "softmax_precision",
                                              "approximate",
                                              "round_mode"};

static const char *const strings[] = {"",
                                      "SAME_UPPER",
                                      "SAME_LOWER",
                                      "VALID",
                                      "NOTSET",
                                      "linear",
                                      "cubic",
                                      "nearest",
                                      "constant",
                                      "reflect",
                                      "edge",
                                      "wrap",
                                      "bilinear",
                                      "align_corners",
                                      "half_pixel",
                                      "asymmetric",
                                      "tf_crop_and_resize",
                                      "pytorch_half_pixel",
                                      "half_pixel_symmetric",
                                      "floor",
                                      "ceil",
                                      "round_prefer_floor",
                                      "not_larger",
                                      "not_smaller",
                                      "zeros",
                                      "border",
                                      "reflection",
                                      "bidirectional",
                                      "reverse",
                                      "forward",
                                      "Sigmoid",
                                      "Tanh",
                                      "Relu",
                                      "Affine",
                                      "LeakyRelu",
                                      "ScaledTanh",
                                      "add",
                                      "mul",
                                      "max",
                                      "min",
                                      "none",
                                      "sum",
                                      "mean",
                                      "LEFT",
                                      "RIGHT",
                                      "DCR",
                                      "CRD",
                                      "tanh",
                                      "ij,jk->ik",
                                      "...i,...j->",
                                      "i->ii",
                                      "ii->i",
                                      "ab...,b...->a",
                                      ",,,",
                                      "...",
                                      "avg",
                                      "output_half_pixel",
                                      "circular",
                                      "silu"};

static int64_t number(void) {
    static const int64_t odd[] = {0,
                                  1,
                                  -1,
                                  2,
                                  3,
                                  -2,
                                  4,
                                  7,
                                  8,
                                  13,
                                  16,
                                  17,
                                  64,
                                  255,
                                  256,
                                  1024,
                                  65536,
                                  -7,
                                  -65536,
                                  1 << 20,
                                  1 << 24,
                                  INT32_MAX,
                                  INT32_MIN,
                                  (int64_t)INT32_MAX + 1,
                                  (int64_t)1 << 32,
                                  (int64_t)1 << 40,
                                  (int64_t)1 << 61,
                                  (int64_t)1 << 62,
                                  INT64_MAX,
                                  INT64_MIN,
                                  INT64_MAX - 1,
                                  INT64_MIN + 1,
                                  -((int64_t)1 << 32)};
    return one_in(3) ? odd[below(DS_COUNT(odd))] : (int64_t)below(9) - 3;
}

static float fraction(void) {
    static const float odd[] = {0, 1, -1, 0.5f, 1e-30f, 1e30f, -1e30f, 3e38f, 1e-45f, 2.5f, -0.0f, 1e10f};
    if (one_in(8)) return (float)below(100) / 10 - 5;
    if (one_in(12)) return (float)(one_in(2) ? INFINITY : NAN);
    return odd[below(DS_COUNT(odd))];
}

static int32_t element_type(void) { return one_in(20) ? (int32_t)number() : (int32_t)below(27); }

/* ---- lists of a message: pointers and a count ---- */

static void *insert(void *list, size_t *count, size_t at, void *item) {
    void **old = list, **items = take((*count + 1) * sizeof *items);
    for (size_t i = 0; i < at; i++) items[i] = old[i];
    items[at] = item;
    for (size_t i = at; i < *count; i++) items[i + 1] = old[i];
    ++*count;
    return items;
}

static void remove_one(void *list, size_t *count) {
    void **items = list;
    if (!*count) return;
    for (size_t i = below(*count); i + 1 < *count; i++) items[i] = items[i + 1];
    --*count;
}

static int64_t *longer(const int64_t *old, size_t *count, int64_t value) {
    int64_t *items = take((*count + 1) * sizeof *items);
    if (*count) memcpy(items, old, *count * sizeof *items);
    items[(*count)++] = value;
    return items;
}

static void change_numbers(int64_t **values, size_t *count) {
    switch (below(4)) {
    case 0: *values = longer(*values, count, number()); break;
    case 1:
        if (*count) --*count;
        break;
    case 2:
        if (*count) (*values)[below(*count)] = (*values)[below(*count)]; /* repeated */
        break;
    default:
        if (*count) (*values)[below(*count)] = number();
    }
}

/* ---- tensors and types ---- */

static void change_data(Onnx__TensorProto *t) {
    if (t->n_int64_data) t->int64_data[below(t->n_int64_data)] = number();
    else if (t->n_int32_data) t->int32_data[below(t->n_int32_data)] = (int32_t)number();
    else if (t->n_float_data) t->float_data[below(t->n_float_data)] = fraction();
    else if (t->has_raw_data && t->raw_data.len >= 8 && (t->data_type == 7 || one_in(3))) {
        int64_t v = number();
        memcpy(t->raw_data.data + below(t->raw_data.len / 8) * 8, &v, 8);
    } else if (t->has_raw_data && t->raw_data.len >= 4) {
        float v = fraction();
        memcpy(t->raw_data.data + below(t->raw_data.len / 4) * 4, &v, 4);
    }
}

static size_t bits_of(int32_t type) {
    static const uint8_t bits[] = {0,  32,  8,  8, 16, 16, 32, 64, 0, 8, 16, 64, 32, 64,
                                   64, 128, 16, 8, 8,  8,  8,  4,  4, 4, 8,  2,  2};
    return type >= 0 && (size_t)type < DS_COUNT(bits) ? bits[type] : 0;
}

/* Data of the size that type and extents ask for, where that is small. */
static void fit_data(Onnx__TensorProto *t) {
    size_t count = 1;
    for (size_t i = 0; i < t->n_dims; i++) {
        if (t->dims[i] < 0 || t->dims[i] > 4096) return;
        count *= (size_t)t->dims[i];
        if (count > 1 << 14) return;
    }
    size_t length = (count * bits_of(t->data_type) + 7) / 8, old = t->has_raw_data ? t->raw_data.len : 0;
    uint8_t *bytes = take(length + 8);
    for (size_t i = 0; i < length; i++) bytes[i] = old ? t->raw_data.data[i % old] : (uint8_t)(i % 8 == 0);
    t->n_int64_data = t->n_int32_data = t->n_float_data = t->n_double_data = t->n_uint64_data = 0;
    t->has_raw_data = 1;
    t->raw_data = (ProtobufCBinaryData){length, bytes};
}

static void change_tensor(Onnx__TensorProto *t) {
    switch (below(6)) {
    case 0:
        t->has_data_type = 1;
        t->data_type = element_type();
        break;
    case 1:
    case 2: change_numbers(&t->dims, &t->n_dims); break;
    default: change_data(t); return;
    }
    if (!one_in(4)) fit_data(t);
}

static Onnx__TensorProto *new_tensor(const char *name) {
    Onnx__TensorProto *t = take(sizeof *t);
    onnx__tensor_proto__init(t);
    t->name = text(name);
    t->has_data_type = 1;
    t->data_type = one_in(2) ? 7 : one_in(2) ? 1 : element_type();
    for (size_t i = below(4); i > 0; i--) t->dims = longer(t->dims, &t->n_dims, (int64_t)below(5));
    fit_data(t);
    for (int i = 0; i < 3; i++) change_data(t);
    return t;
}

static void change_type(Onnx__TypeProto *type) {
    if (!type->tensor_type || one_in(40)) {
        Onnx__TypeProto *inner = take(sizeof *inner);
        *inner = *type;
        onnx__type_proto__init(type);
        type->sequence_type = take(sizeof *type->sequence_type);
        onnx__type_proto__sequence__init(type->sequence_type);
        type->sequence_type->elem_type = inner;
        return;
    }
    Onnx__TypeProto__Tensor *t = type->tensor_type;
    Onnx__TensorShapeProto *shape = t->shape;
    if (one_in(4)) {
        t->has_elem_type = 1;
        t->elem_type = element_type();
    } else if (one_in(30)) t->shape = NULL;
    else if (shape && (one_in(3) || !shape->n_dim)) {
        Onnx__TensorShapeProto__Dimension *d = take(sizeof *d);
        onnx__tensor_shape_proto__dimension__init(d);
        d->has_dim_value = 1;
        d->dim_value = number();
        shape->dim = insert(shape->dim, &shape->n_dim, below(shape->n_dim + 1), d);
    } else if (shape && one_in(3)) remove_one(shape->dim, &shape->n_dim);
    else if (shape) {
        static const char *const names[] = {"n", "m", "batch", "d0", "v_1", "", "min", "a very long name ((,", "2*n"};
        Onnx__TensorShapeProto__Dimension *d = take(sizeof *d);
        onnx__tensor_shape_proto__dimension__init(d);
        if (one_in(2)) d->dim_param = text(names[below(one_in(4) ? DS_COUNT(names) : 3)]);
        else d->has_dim_value = 1, d->dim_value = number();
        shape->dim[below(shape->n_dim)] = d;
    }
}

/* ---- attributes ---- */

enum { A_FLOAT = 1, A_INT = 2, A_STRING = 3, A_TENSOR = 4, A_FLOATS = 6, A_INTS = 7, A_STRINGS = 8 };

static ProtobufCBinaryData binary(const char *s) { return (ProtobufCBinaryData){strlen(s), (uint8_t *)text(s)}; }

static void set_attribute(Onnx__AttributeProto *a, int kind) {
    char *name = a->name;
    onnx__attribute_proto__init(a);
    a->name = name;
    a->has_type = 1;
    a->type = kind;
    size_t count = below(5);
    switch (kind) {
    case A_FLOAT:
        a->has_f = 1;
        a->f = fraction();
        break;
    case A_STRING:
        a->has_s = 1;
        a->s = binary(strings[below(DS_COUNT(strings))]);
        break;
    case A_TENSOR: a->t = new_tensor(""); break;
    case A_FLOATS:
        a->floats = take((count + 1) * sizeof *a->floats);
        for (a->n_floats = 0; a->n_floats < count; a->n_floats++) a->floats[a->n_floats] = fraction();
        break;
    case A_INTS:
        while (a->n_ints < count) a->ints = longer(a->ints, &a->n_ints, number());
        break;
    case A_STRINGS:
        a->strings = take((count + 1) * sizeof *a->strings);
        for (a->n_strings = 0; a->n_strings < count; a->n_strings++)
            a->strings[a->n_strings] = binary(strings[below(DS_COUNT(strings))]);
        break;
    default:
        a->has_i = 1;
        a->i = number();
        a->type = A_INT;
        break;
    }
}

static int some_kind(void) {
    static const int kinds[] = {A_FLOAT, A_INT, A_INT, A_STRING, A_TENSOR, A_FLOATS, A_INTS, A_INTS, A_STRINGS};
    return kinds[below(DS_COUNT(kinds))];
}

static void change_attribute(Onnx__AttributeProto *a) {
    if (one_in(10)) set_attribute(a, some_kind());
    else if (one_in(20)) a->name = text(attribute_names[below(DS_COUNT(attribute_names))]);
    else if (a->g && one_in(2)) a->g = NULL;
    else if (a->t) change_tensor(a->t);
    else if (a->n_ints) change_numbers(&a->ints, &a->n_ints);
    else if (a->n_floats) {
        if (one_in(3)) a->n_floats--;
        else a->floats[below(a->n_floats)] = fraction();
    } else if (a->n_strings) {
        if (one_in(3)) a->n_strings--;
        else a->strings[below(a->n_strings)] = binary(strings[below(DS_COUNT(strings))]);
    } else if (a->has_s) a->s = binary(strings[below(DS_COUNT(strings))]);
    else if (a->has_f) a->f = fraction();
    else if (a->has_i) a->i = number();
}

/* ---- nodes and graphs ---- */

static Onnx__GraphProto *graphs[64]; /* of the model, outer ones first */
static size_t graph_count;

static void collect_graphs(Onnx__GraphProto *g) {
    if (!g || graph_count == DS_COUNT(graphs)) return;
    graphs[graph_count++] = g;
    for (size_t i = 0; i < g->n_node; i++)
        for (size_t k = 0; k < g->node[i]->n_attribute; k++) collect_graphs(g->node[i]->attribute[k]->g);
}

/* Some value's name, of this graph or another; rarely none at all. */
static char *some_value(void) {
    Onnx__GraphProto *g = graphs[below(graph_count)];
    size_t kind = below(16);
    if (kind == 0) return text("");
    if (kind < 6 && g->n_input) return g->input[below(g->n_input)]->name;
    if (kind < 10 && g->n_initializer) return g->initializer[below(g->n_initializer)]->name;
    Onnx__NodeProto *node = g->n_node ? g->node[below(g->n_node)] : NULL;
    return node && node->n_output ? node->output[below(node->n_output)] : text("x");
}

static char *named(char *name) { return name ? name : text(""); }

static void change_inputs(Onnx__GraphProto *g, Onnx__NodeProto *node) {
    switch (below(6)) {
    case 0: remove_one(node->input, &node->n_input); break;
    case 1: node->input = insert(node->input, &node->n_input, below(node->n_input + 1), named(some_value())); break;
    case 2:
        if (node->n_input) node->input[below(node->n_input)] = text("");
        break;
    case 3: { /* a new constant */
        char name[24];
        snprintf(name, sizeof name, "c%u", (unsigned)(draw() & 0xffff));
        Onnx__TensorProto *t = new_tensor(name);
        g->initializer = insert(g->initializer, &g->n_initializer, g->n_initializer, t);
        if (node->n_input && one_in(2)) node->input[below(node->n_input)] = t->name;
        else node->input = insert(node->input, &node->n_input, node->n_input, t->name);
        break;
    }
    default:
        if (node->n_input) node->input[below(node->n_input)] = named(some_value());
    }
}

static void change_outputs(Onnx__NodeProto *node) {
    static const char *const names[] = {"out1", "out2", "out3", "", "out1"};
    if (one_in(3)) remove_one(node->output, &node->n_output);
    else if (one_in(2))
        node->output = insert(node->output, &node->n_output, node->n_output, text(names[below(DS_COUNT(names))]));
    else if (node->n_output) node->output[below(node->n_output)] = named(some_value());
}

static void change_attributes(Onnx__NodeProto *node) {
    if (node->n_attribute && !one_in(4)) {
        if (one_in(6)) remove_one(node->attribute, &node->n_attribute);
        else change_attribute(node->attribute[below(node->n_attribute)]);
        return;
    }
    Onnx__AttributeProto *a = take(sizeof *a);
    onnx__attribute_proto__init(a);
    a->name = text(attribute_names[below(DS_COUNT(attribute_names))]);
    set_attribute(a, some_kind());
    if (graph_count > 1 && one_in(6)) a->g = graphs[1 + below(graph_count - 1)];
    node->attribute = insert(node->attribute, &node->n_attribute, node->n_attribute, a);
}

/* A node of another operator that reads what there is, or a copy, before the others or behind them. */
static void add_node(Onnx__GraphProto *g) {
    Onnx__NodeProto *node = take(sizeof *node);
    char name[24];
    onnx__node_proto__init(node);
    if (g->n_node && one_in(3)) *node = *g->node[below(g->n_node)];
    else {
        node->op_type = text(op_names[below(DS_COUNT(op_names))]);
        for (size_t i = 1 + below(3); i > 0; i--)
            node->input = insert(node->input, &node->n_input, node->n_input, named(some_value()));
    }
    snprintf(name, sizeof name, "n%u", (unsigned)(draw() & 0xfff));
    node->output = insert(NULL, &(size_t){0}, 0, text(name));
    node->n_output = 1;
    g->node = insert(g->node, &g->n_node, below(g->n_node + 1), node);
    Onnx__NodeProto *reader = g->node[below(g->n_node)];
    if (reader != node && reader->n_input) reader->input[below(reader->n_input)] = node->output[0];
    else if (g->n_output) g->output[below(g->n_output)]->name = node->output[0];
}

/* A constant becomes an input of the same type, or of symbolic extents. */
static void free_constant(Onnx__GraphProto *g) {
    if (!g->n_initializer) return;
    size_t at = below(g->n_initializer);
    Onnx__TensorProto *t = g->initializer[at];
    Onnx__ValueInfoProto *v = take(sizeof *v);
    onnx__value_info_proto__init(v);
    v->name = t->name;
    v->type = take(sizeof *v->type);
    onnx__type_proto__init(v->type);
    v->type->tensor_type = take(sizeof *v->type->tensor_type);
    onnx__type_proto__tensor__init(v->type->tensor_type);
    v->type->tensor_type->has_elem_type = 1;
    v->type->tensor_type->elem_type = t->data_type;
    Onnx__TensorShapeProto *shape = v->type->tensor_type->shape = take(sizeof *shape);
    onnx__tensor_shape_proto__init(shape);
    for (size_t i = 0; i < t->n_dims; i++) {
        Onnx__TensorShapeProto__Dimension *d = take(sizeof *d);
        onnx__tensor_shape_proto__dimension__init(d);
        if (one_in(3)) d->dim_param = text("k");
        else d->has_dim_value = 1, d->dim_value = t->dims[i];
        shape->dim = insert(shape->dim, &shape->n_dim, i, d);
    }
    for (size_t i = at; i + 1 < g->n_initializer; i++) g->initializer[i] = g->initializer[i + 1];
    g->n_initializer--;
    g->input = insert(g->input, &g->n_input, g->n_input, v);
}

/* An input with fixed extents becomes a constant. */
static void fix_input(Onnx__GraphProto *g) {
    if (!g->n_input) return;
    Onnx__ValueInfoProto *v = g->input[below(g->n_input)];
    Onnx__TensorProto *t = take(sizeof *t);
    onnx__tensor_proto__init(t);
    t->name = named(v->name);
    if (!v->type || !v->type->tensor_type || !v->type->tensor_type->shape) return;
    t->has_data_type = 1;
    t->data_type = v->type->tensor_type->elem_type;
    for (size_t i = 0; i < v->type->tensor_type->shape->n_dim; i++) {
        const Onnx__TensorShapeProto__Dimension *d = v->type->tensor_type->shape->dim[i];
        t->dims = longer(t->dims, &t->n_dims, d->has_dim_value ? d->dim_value : 2);
    }
    fit_data(t);
    g->initializer = insert(g->initializer, &g->n_initializer, 0, t);
}

static void change_node(Onnx__GraphProto *g) {
    if (!g->n_node) {
        add_node(g);
        return;
    }
    Onnx__NodeProto *node = g->node[below(g->n_node)];
    switch (below(12)) {
    case 0:
    case 1: node->op_type = text(op_names[below(DS_COUNT(op_names))]); break;
    case 2: change_outputs(node); break;
    case 3:
    case 4:
    case 5: change_inputs(g, node); break;
    case 6: add_node(g); break;
    case 7:
        if (one_in(4)) remove_one(g->node, &g->n_node);
        break;
    default: change_attributes(node);
    }
}

static void change_graph(Onnx__GraphProto *g) {
    switch (below(10)) {
    case 0:
    case 1:
        if (g->n_initializer) change_tensor(g->initializer[below(g->n_initializer)]);
        break;
    case 2:
    case 3:
        if (g->n_input) {
            Onnx__ValueInfoProto *v = g->input[below(g->n_input)];
            if (v->type) change_type(v->type);
        }
        break;
    case 4:
        if (one_in(2)) free_constant(g);
        else fix_input(g);
        break;
    case 5:
        if (g->n_output && one_in(3)) g->output[below(g->n_output)]->name = named(some_value());
        else if (one_in(8)) remove_one(g->output, &g->n_output);
        else if (one_in(8)) remove_one(g->input, &g->n_input);
        break;
    default: change_node(g);
    }
}

static void change_model(Onnx__ModelProto *model) {
    graph_count = 0;
    collect_graphs(model->graph);
    if (one_in(24) && model->n_opset_import) {
        model->opset_import[below(model->n_opset_import)]->version = one_in(4) ? number() : 1 + (int64_t)below(27);
    } else change_graph(graphs[one_in(2) ? 0 : below(graph_count)]);
}

/* A graph that was put into itself has no end. */
static bool is_finite(const Onnx__GraphProto *g, size_t depth, size_t *left) {
    if (!g) return true;
    if (depth == 0 || (*left)-- == 0) return false;
    for (size_t i = 0; i < g->n_node; i++)
        for (size_t k = 0; k < g->node[i]->n_attribute; k++)
            if (!is_finite(g->node[i]->attribute[k]->g, depth - 1, left)) return false;
    return true;
}

/* ---- entry points ---- */

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t room, unsigned seed) {
    state = seed;
    if (one_in(12)) return LLVMFuzzerMutate(bytes, length, room);
    Onnx__ModelProto *model = onnx__model_proto__unpack(&allocator, length, bytes);
    size_t result = 0;
    if (model && model->graph) {
        for (size_t i = 1 + below(4); i > 0; i--) change_model(model);
        size_t left = 1000,
               packed = is_finite(model->graph, 64, &left) ? onnx__model_proto__get_packed_size(model) : SIZE_MAX;
        if (packed <= room) result = onnx__model_proto__pack(model, bytes);
    }
    drop_all();
    return result ? result : LLVMFuzzerMutate(bytes, length, room);
}

#ifdef DS_MUTATE_MAIN

size_t LLVMFuzzerMutate(uint8_t *bytes, size_t length, size_t room) {
    (void)room;
    for (size_t i = 1 + below(8); i > 0 && length; i--) bytes[below(length)] = (uint8_t)draw();
    return length;
}

/* mutate FOLDER COUNT SEED MODEL...: writes FOLDER/m_<i>.onnx */
int main(int argc, char **argv) {
    enum { ROOM = 1 << 16 };
    static uint8_t bytes[ROOM];
    if (argc < 5) return fprintf(stderr, "usage: mutate FOLDER COUNT SEED MODEL...\n"), 2;
    unsigned count = (unsigned)strtoul(argv[2], NULL, 10), seed = (unsigned)strtoul(argv[3], NULL, 10);
    for (unsigned i = 0; i < count; i++) {
        char path[4096];
        state = (uint64_t)seed << 32 | i;
        FILE *f = fopen(argv[4 + below((size_t)argc - 4)], "rb");
        size_t length = f ? fread(bytes, 1, ROOM, f) : 0;
        if (f) fclose(f);
        for (unsigned round = (unsigned)below(3) + 1; round > 0; round--)
            length = LLVMFuzzerCustomMutator(bytes, length, ROOM, (unsigned)draw());
        snprintf(path, sizeof path, "%s/m_%u.onnx", argv[1], i);
        f = fopen(path, "wb");
        if (!f || fwrite(bytes, 1, length, f) != length || fclose(f))
            return fprintf(stderr, "cannot write %s\n", path), 1;
    }
    return 0;
}

#endif
