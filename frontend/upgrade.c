/* Older opsets -> the newest form of each op, in one place. After this, a rule of the decompose pass sees one form
 * only. */
#include <string.h>

#include "frontend/internal.h"

static ds_value *ints_constant(ds_importer *im, ds_op *before, const int64_t *values, size_t count, bool scalar) {
    const ds_expr *extent = ds_expr_const(im->cx, (int64_t)count);
    const ds_type *type = ds_type_tensor(im->cx, DS_i64, scalar ? 0 : 1, &extent, NULL);
    ds_builder b = {im->module, before->block, before, before->loc};
    ds_op *op = ds_op_create(&b, DS_GRAPH_constant, NULL, 0, &type, 1, 0);
    ds_op_set_attr(im->module, op, "value", ds_attr_elements(im->cx, type, values, count * sizeof *values, NULL));
    return ds_op_result(op, 0);
}

static ds_value *float_constant(ds_importer *im, ds_op *before, double value) {
    float f = (float)value;
    const ds_type *type = ds_type_tensor(im->cx, DS_f32, 0, NULL, NULL);
    ds_builder b = {im->module, before->block, before, before->loc};
    ds_op *op = ds_op_create(&b, DS_GRAPH_constant, NULL, 0, &type, 1, 0);
    ds_op_set_attr(im->module, op, "value", ds_attr_elements(im->cx, type, &f, sizeof f, NULL));
    return ds_op_result(op, 0);
}

/* Gives `op` operand number `at`, with absent ones before it. */
static void put_operand(ds_importer *im, ds_op *op, size_t at, ds_value *value) {
    ds_value *values[16];
    size_t count = op->operand_count;
    if (at >= DS_COUNT(values) || count > DS_COUNT(values)) return;
    for (size_t i = 0; i < count; i++) values[i] = ds_op_operand(op, i);
    const ds_type *none = ds_type_none(im->cx);
    ds_builder b = {im->module, op->block, op, op->loc};
    while (count < at) values[count++] = ds_op_result(ds_op_create(&b, DS_ONNX_None, NULL, 0, &none, 1, 0), 0);
    values[at] = value;
    ds_op_set_operands(im->module, op, values, at >= count ? at + 1 : count);
}

static void attr_to_ints(ds_importer *im, ds_op *op, const char *attr, size_t at) {
    int64_t values[64];
    const ds_attr *a = ds_op_attr(op, attr);
    if (!a || (at < op->operand_count && !ds_value_is_none(ds_op_operand(op, at)))) return;
    if (a->kind == DS_ATTR_INT) put_operand(im, op, at, ints_constant(im, op, &a->integer, 1, true));
    else if (a->kind == DS_ATTR_ARRAY && a->count <= DS_COUNT(values)) {
        size_t n = ds_op_ints(op, attr, values, DS_COUNT(values));
        put_operand(im, op, at, ints_constant(im, op, values, n, false));
    }
}

/* Attributes are f32, the operands that they have become are of the first operand's type. */
static void attr_to_float(ds_importer *im, ds_op *op, const char *attr, size_t at) {
    if (!ds_op_attr(op, attr) || !op->operand_count) return;
    ds_value *both[] = {float_constant(im, op, ds_op_float(op, attr, 0)), ds_op_operand(op, 0)};
    const ds_type *inferred = ds_type_none(im->cx);
    ds_builder b = {im->module, op->block, op, op->loc};
    put_operand(im, op, at, ds_op_result(ds_op_create(&b, DS_ONNX_CastLike, both, 2, &inferred, 1, 0), 0));
}

/* Before opset 14 results beyond the first made a BatchNormalization one of training. */
static bool has_more_results(const ds_op *op) {
    for (size_t i = 1; i < op->result_count; i++)
        if (op->results[i].name && *op->results[i].name) return true;
    return false;
}

static ds_value *floats_constant(ds_importer *im, ds_op *before, const float *values, size_t count) {
    const ds_expr *extent = ds_expr_const(im->cx, (int64_t)count);
    const ds_type *type = ds_type_tensor(im->cx, DS_f32, 1, &extent, NULL);
    ds_builder b = {im->module, before->block, before, before->loc};
    ds_op *constant = ds_op_create(&b, DS_GRAPH_constant, NULL, 0, &type, 1, 0);
    ds_op_set_attr(im->module, constant, "value", ds_attr_elements(im->cx, type, values, count * sizeof *values, NULL));
    return ds_op_result(constant, 0);
}

/* A list of floats. */
static void attr_to_floats(ds_importer *im, ds_op *op, const char *attr, size_t at) {
    const ds_attr *a = ds_op_attr(op, attr);
    float values[16];
    if (!a || a->kind != DS_ATTR_ARRAY || a->count > DS_COUNT(values)) return;
    for (size_t i = 0; i < a->count; i++) {
        if (a->items[i]->kind != DS_ATTR_FLOAT) return;
        values[i] = (float)a->items[i]->number;
    }
    put_operand(im, op, at, floats_constant(im, op, values, a->count));
}

static void upgrade_slice(ds_importer *im, ds_op *op) {
    if (op->operand_count != 1) return;
    attr_to_ints(im, op, "starts", 1);
    attr_to_ints(im, op, "ends", 2);
    attr_to_ints(im, op, "axes", 3);
}

static void upgrade_pad(ds_importer *im, ds_op *op) {
    if (op->operand_count != 1) return;
    attr_to_ints(im, op, ds_op_attr(op, "pads") ? "pads" : "paddings", 1);
    attr_to_float(im, op, "value", 2);
}

/* Before opset 7 only the second operand stretched, and only with `broadcast`; `axis` says which dim of the first its
 * own dims start at. */
static void upgrade_broadcast(ds_importer *im, ds_op *op) {
    if (ds_op_attr(op, "axis") && ds_op_int(op, "broadcast", 0))
        ds_op_set_attr(im->module, op, "ds.axis", ds_op_attr(op, "axis"));
}

/* Before opset 6 the element type was the name of one. */
static void upgrade_cast(ds_importer *im, ds_op *op) {
    static const struct {
        const char *name;
        int onnx;
    } types[] = {{"FLOAT", 1}, {"UINT8", 2}, {"INT8", 3},     {"UINT16", 4},  {"INT16", 5},   {"INT32", 6},
                 {"INT64", 7}, {"BOOL", 9},  {"FLOAT16", 10}, {"DOUBLE", 11}, {"UINT32", 12}, {"UINT64", 13}};
    const char *to = ds_op_text(op, "to", "");
    for (size_t i = 0; i < DS_COUNT(types); i++)
        if (!strcmp(types[i].name, to)) ds_op_set_attr(im->module, op, "to", ds_attr_int(im->cx, types[i].onnx));
}

/* Softmax, LogSoftmax and Hardmax flattened everything from `axis` on before opset 13. */
static void upgrade_softmax(ds_importer *im, ds_op *op) {
    ds_op_set_attr(im->module, op, "ds.flatten", ds_attr_int(im->cx, 1));
    if (!ds_op_attr(op, "axis")) ds_op_set_attr(im->module, op, "axis", ds_attr_int(im->cx, 1));
}

/* Resize-10 and Upsample: asymmetric coordinates, for nearest rounded up where the image shrinks, else down; scales are
 * operand 1 and become operand 2. */
static void upgrade_resize(ds_importer *im, ds_op *op) {
    if (op->operand_count == 2) {
        ds_value *scales = ds_op_operand(op, 1), *values[] = {ds_op_operand(op, 0)};
        ds_op_set_operands(im->module, op, values, 1);
        put_operand(im, op, 2, scales);
    }
    ds_op_set_attr(im->module, op, "coordinate_transformation_mode", ds_attr_string(im->cx, "asymmetric"));
    ds_op_set_attr(im->module, op, "nearest_mode", ds_attr_string(im->cx, "ds.simple"));
}

/* Upsample-1 scales the height and width of images; 7 and 8 have a list of scales, 9 an operand. */
static void upgrade_upsample(ds_importer *im, ds_op *op) {
    float scales[] = {1, 1, (float)ds_op_float(op, "height_scale", 1), (float)ds_op_float(op, "width_scale", 1)};
    bool images = op->operand_count == 1 && !ds_op_attr(op, "scales") && ds_op_attr(op, "height_scale");
    if (images) put_operand(im, op, 1, floats_constant(im, op, scales, DS_COUNT(scales)));
    else attr_to_floats(im, op, "scales", 1);
    op->kind = DS_ONNX_Resize;
    upgrade_resize(im, op);
}

static bool is_reduction_with_axes_input_since_18(const char *name) {
    static const char *const names[] = {"ReduceMax", "ReduceMin",    "ReduceMean",      "ReduceProd",     "ReduceL1",
                                        "ReduceL2",  "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"};
    for (size_t i = 0; i < DS_COUNT(names); i++)
        if (!strcmp(names[i], name)) return true;
    return false;
}

ds_status ds_onnx_upgrade(ds_importer *im, ds_op *op) {
    const char *name = ds_op_facts(op->kind)->name + strlen("onnx.");
    int64_t opset = im->opset;
    if (op->kind == DS_OPAQUE) return DS_OK;
    if (opset < 18 && is_reduction_with_axes_input_since_18(name)) attr_to_ints(im, op, "axes", 1);
    switch (op->kind) {
    case DS_ONNX_ReduceSum:
    case DS_ONNX_Squeeze:
    case DS_ONNX_Unsqueeze:
        if (opset < 13) attr_to_ints(im, op, "axes", 1);
        break;
    case DS_ONNX_Split:
        if (opset < 13) attr_to_ints(im, op, "split", 1);
        break;
    case DS_ONNX_Reshape:
        if (opset < 5) attr_to_ints(im, op, "shape", 1);
        break;
    case DS_ONNX_Slice: upgrade_slice(im, op); break;
    case DS_ONNX_Pad: upgrade_pad(im, op); break;
    case DS_ONNX_Clip:
        if (opset < 11) attr_to_float(im, op, "min", 1), attr_to_float(im, op, "max", 2);
        break;
    case DS_ONNX_Scan:
        if (opset < 9) ds_op_set_attr(im->module, op, "ds.batched", ds_attr_unit(im->cx));
        break;
    case DS_ONNX_TopK:
        if (opset < 10) attr_to_ints(im, op, "k", 1);
        break;
    case DS_ONNX_Softmax:
    case DS_ONNX_LogSoftmax:
    case DS_ONNX_Hardmax:
        if (opset < 13) upgrade_softmax(im, op);
        break;
    case DS_ONNX_Upsample: upgrade_upsample(im, op); break;
    case DS_ONNX_Resize:
        if (opset < 11) upgrade_resize(im, op);
        break;
    case DS_ONNX_PRelu:
        if (opset < 7) ds_op_set_attr(im->module, op, "ds.axis", ds_attr_int(im->cx, 1)); /* one slope a channel */
        break;
    case DS_ONNX_Add:
    case DS_ONNX_Sub:
    case DS_ONNX_Mul:
    case DS_ONNX_Div:
    case DS_ONNX_Pow:
    case DS_ONNX_And:
    case DS_ONNX_Or:
    case DS_ONNX_Xor:
    case DS_ONNX_Equal:
    case DS_ONNX_Less:
    case DS_ONNX_Greater:
        if (opset < 7) upgrade_broadcast(im, op);
        break;
    case DS_ONNX_Cast:
        if (opset < 6) upgrade_cast(im, op);
        break;
    case DS_ONNX_Concat:
        if (opset < 4 && !ds_op_attr(op, "axis")) ds_op_set_attr(im->module, op, "axis", ds_attr_int(im->cx, 1));
        break;
    case DS_ONNX_DFT:
        if (opset < 20 && !ds_op_attr(op, "axis")) ds_op_set_attr(im->module, op, "axis", ds_attr_int(im->cx, 1));
        if (opset < 20) attr_to_ints(im, op, "axis", 2);
        break;
    case DS_ONNX_RoiAlign:
        if (opset < 16)
            ds_op_set_attr(im->module, op, "coordinate_transformation_mode",
                           ds_attr_string(im->cx, "output_half_pixel"));
        break;
    case DS_ONNX_Scatter: op->kind = DS_ONNX_ScatterElements; break;
    case DS_ONNX_GroupNormalization:
        if (opset < 21) ds_op_set_attr(im->module, op, "ds.per_group", ds_attr_int(im->cx, 1));
        break;
    case DS_ONNX_Dropout:
        if (opset < 10) ds_op_set_attr(im->module, op, "ds.mask_like_data", ds_attr_int(im->cx, 1));
        break;
    case DS_ONNX_BatchNormalization:
        if (opset < 14 && has_more_results(op)) ds_op_set_attr(im->module, op, "training_mode", ds_attr_int(im->cx, 1));
        if (opset < 9 && !ds_op_int(op, "spatial", 1))
            ds_op_set_attr(im->module, op, "ds.elementwise", ds_attr_int(im->cx, 1));
        break;
    default: break;
    }
    return DS_OK;
}
