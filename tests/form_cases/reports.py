"""Kinds that users of other tools reported: old opsets, ways to store tensors, graphs with idle or odd parts, and their usual symptoms."""
import numpy as np
from onnx import AttributeProto, SparseTensorProto, TensorProto, helper, numpy_helper

from forms import constants, f32

NODE, FLOAT = helper.make_node, TensorProto.FLOAT


def node(name, op, inputs, outputs, values=None, flags=(), **attributes):
    """One node that reads x0, x1, … and then constants; in outputs, None is a result without a name."""
    values = values or {}
    made = NODE(op, ["x%d" % i for i in range(len(inputs))] + list(values), ["y%d" % i for i in range(len(outputs))], **attributes)
    return name, [*constants(**values), made], inputs, outputs, list(flags)


def both(*case):
    """With extents that are known, and with symbols."""
    name, nodes, inputs, outputs, flags = case
    yield case
    yield name + ", symbolic", nodes, inputs, outputs, [*flags, "symbolic"]


def old_opsets():
    x, plane, channel = f32(2, 3, 4, 5), f32(3, 4), f32(3)
    for op, want in (("Add", x + plane[:, :, None]), ("Sub", x - plane[:, :, None]), ("Mul", x * plane[:, :, None]), ("Div", x / plane[:, :, None]), ("Greater", x > plane[:, :, None])):
        yield from both(*node(op + " 6 along an axis", op, [x, plane], [want], flags=["opset=6"], broadcast=1, axis=1))
    yield from both(*node("Mul 6 by a channel's factor", "Mul", [x], [x * channel[:, None, None]], {"c": channel}, ["opset=6"], broadcast=1, axis=1))
    yield from both(*node("Add 6 of a suffix", "Add", [x], [x + x[0, 0]], {"c": x[0, 0]}, ["opset=6"], broadcast=1))
    yield from both(*node("And 6 along an axis", "And", [x > 0], [(x > 0) & (channel > 0)[:, None, None]], {"c": channel > 0}, ["opset=6"], broadcast=1, axis=1))
    yield from both(*node("PRelu 6", "PRelu", [x], [np.where(x < 0, x * channel[:, None, None], x)], {"c": channel}, ["opset=6"]))
    yield node("Cast 5 by name", "Cast", [x * 9], [(x * 9).astype(np.int32)], flags=["opset=5"], to="INT32")
    yield node("Concat 3 without an axis", "Concat", [x, x], [np.concatenate([x, x], 1)], flags=["opset=3"])
    yield from both(*node("Tile 5", "Tile", [x], [np.tile(x, (1, 1, 3, 1))], {"tiles": np.float32(3), "axis": np.float32(2)}, ["opset=5"]))
    yield from both(*node("Upsample 6", "Upsample", [x], [x.repeat(2, 2).repeat(3, 3)], flags=["opset=6"], height_scale=2.0, width_scale=3.0))
    places = [f32(3, 4, 5) for _ in range(3)] + [np.abs(f32(3, 4, 5)) + 1]
    want = ((x - places[2]) / np.sqrt(places[3] + 1e-5) * places[0] + places[1]).astype(np.float32)
    yield from both(*node("BatchNormalization 7 for each place", "BatchNormalization", [x], [want], dict(zip("sbmv", places)), ["opset=7"], spatial=0))
    rows = x.reshape(2, 3, 20)
    for op, of in (("Softmax", lambda e: np.exp(e) / np.exp(e).sum(-1, keepdims=True)), ("Hardmax", lambda e: np.eye(20, dtype=np.float32)[e.argmax(-1)])):
        yield from both(*node(op + " 11 of what follows an axis", op, [x], [of(rows).astype(np.float32).reshape(x.shape)], flags=["opset=11"], axis=2))
    yield node("Resize 11 with the centres of half pixels", "Resize", [x, np.zeros(0, np.float32)], [x[:, :, [0, 1, 2, 3], :][..., [1, 3]]], {"s": np.array([1, 1, 1, 0.4], np.float32)}, ["opset=11"], coordinate_transformation_mode="tf_half_pixel_for_nn", nearest_mode="floor")


def stored(name, kind, dims, want, opset=20, **fields):
    """A constant whose elements lie in one of the protobuf's fields."""
    t = TensorProto(name="w", data_type=kind, dims=dims)
    for field, value in fields.items():
        if field == "raw_data":
            t.raw_data = value
        else:
            getattr(t, field).extend(value)
    to = helper.np_dtype_to_tensor_dtype(want.dtype)
    return name + " in " + " ".join(fields), [NODE("Constant", [], ["w"], value=t), NODE("Cast", ["w"], ["y"], to=to)], [f32(1)], [want], ["opset=%d" % opset]


def tensors():
    half = np.array([1.5, -2, 65504, 6e-8], np.float16)
    yield stored("f16", TensorProto.FLOAT16, [4], half.astype(np.float32), int32_data=half.view(np.uint16).tolist())
    yield stored("bf16", TensorProto.BFLOAT16, [2], np.array([1.5, -2], np.float32), int32_data=[0x3FC0, 0xC000])
    yield stored("i8", TensorProto.INT8, [3], np.array([-1, -128, 127], np.int32), int32_data=[-1, -128, 127])
    yield stored("u32", TensorProto.UINT32, [2], np.array([2**32 - 1, 3]), uint64_data=[2**32 - 1, 3])
    yield stored("i4", TensorProto.INT4, [3], np.array([1, 7, -8], np.int32), 21, int32_data=[0x71, 0x08])
    yield stored("u4", TensorProto.UINT4, [3], np.array([1, 15, 8], np.int32), 21, raw_data=bytes([0xF1, 0x08]))
    yield stored("f8e4m3", TensorProto.FLOAT8E4M3FN, [3], np.array([1, -1, 448], np.float32), int32_data=[0x38, 0xB8, 0x7E])
    yield stored("a scalar", FLOAT, [], np.array(2.5, np.float32), float_data=[2.5])
    yield stored("nothing", FLOAT, [2, 0], np.zeros((2, 0), np.float32))
    yield stored("bools of any byte", TensorProto.BOOL, [3], np.array([1, 0, 1], np.int32), raw_data=bytes([2, 0, 255]))
    many = np.arange(-2500, 2500)
    yield stored("many i64", TensorProto.INT64, [5000], many.astype(np.float32), int64_data=many.tolist())
    yield stored("many i8", TensorProto.INT8, [5000], (many % 256 - 128).astype(np.float32), int32_data=(many % 256 - 128).tolist())
    yield stored("many f16", TensorProto.FLOAT16, [5000], many.astype(np.float16).astype(np.float32), int32_data=many.astype(np.float16).view(np.uint16).tolist())
    yield "a long list of integers", [NODE("Constant", [], ["w"], value_ints=many.tolist()), NODE("Neg", ["w"], ["y"])], [f32(1)], [-many], []
    yield "a long list of floats", [NODE("Constant", [], ["w"], value_floats=(many / 2).tolist()), NODE("Neg", ["w"], ["y"])], [f32(1)], [(-many / 2).astype(np.float32)], []
    x, dense = f32(3, 4), np.zeros((3, 4), np.float32)
    dense[0, 0], dense[1, 1], dense[2, 3] = 1, 2, 3
    for name, indices in (("counted through", np.array([0, 5, 11])), ("by coordinates", np.array([[0, 0], [1, 1], [2, 3]]))):
        sparse = SparseTensorProto(dims=[3, 4], values=numpy_helper.from_array(np.array([1, 2, 3], np.float32), "v"), indices=numpy_helper.from_array(indices, "i"))
        constant = NODE("Constant", [], ["w"])
        constant.attribute.append(AttributeProto(name="sparse_value", type=AttributeProto.SPARSE_TENSOR, sparse_tensor=sparse))
        yield "a sparse constant " + name, [constant, NODE("Add", ["x0", "w"], ["y"])], [x], [x + dense], []


def graphs():
    x = f32(2, 3, 4)
    relu = np.maximum(x, 0)
    yield "an idle node that has no rule", [NODE("RandomNormal", [], ["idle"], shape=[2]), NODE("Abs", ["idle"], ["idler"]), NODE("Relu", ["x0"], ["y"])], [x], [relu], []
    yield "an idle string", [NODE("Constant", [], ["idle"], value_string=b"abc"), NODE("Relu", ["x0"], ["y"])], [x], [relu], []
    yield "an idle operand", [NODE("Relu", ["x0"], ["y"])], [x, f32(2)], [relu], ["symbolic"]
    yield "an input handed through", [NODE("Relu", ["x0"], ["x"]), NODE("Identity", ["x0"], ["y"])], [x], [x], []
    yield "names in other scripts", [NODE("Neg", ["x0"], ["int"], name="日本/;\"\n"), NODE("Add", ["int", "x0"], ["变量"])], [x], [x - x], []
    yield "nothing left out at the end", [NODE("Clip", ["x0", "", ""], ["y"])], [x], [x], []
    data, indices, updates = f32(4, 3), np.array([[1], [3]]), f32(2, 3)
    want = data.copy()
    want[[1, 3]] = updates
    yield "ScatterND with indices of unknown depth", [NODE("ScatterND", ["x0", "x1", "x2"], ["y"])], [data, indices, updates], [want], ["symbolic"]


def shapes():
    x = f32(2, 5, 3)
    slice_of = constants(s0=np.array([0]), s1=np.array([1]), ax=np.array([1]), low=np.array([-1]), end=np.array([2**63 - 1]))
    first = [*slice_of, NODE("Slice", ["x0", "s0", "s1", "ax"], ["first"])]
    yield from both("less the first frame", [*first, NODE("Sub", ["x0", "first"], ["y"])], [x], [x - x[:, :1]], [])
    yield from both("the first frame everywhere", [*first, NODE("Shape", ["x0"], ["shape"]), NODE("Expand", ["first", "shape"], ["y"])], [x], [np.broadcast_to(x[:, :1], x.shape).copy()], [])
    yield from both("at least the first frame", [*first, NODE("Greater", ["x0", "first"], ["more"]), NODE("Where", ["more", "x0", "first"], ["y"])], [x], [np.maximum(x, x[:, :1])], [])
    mask = np.ones((2, 3, 4), bool)
    mask[1, 2:] = False
    sums = mask.astype(np.float32).cumsum(1)
    sine = [*slice_of, *constants(axis=np.array(1)), NODE("Cast", ["x0"], ["c"], to=FLOAT), NODE("CumSum", ["c", "axis"], ["sums"]), NODE("Slice", ["sums", "low", "end", "ax"], ["last"]), NODE("Div", ["sums", "last"], ["y"])]
    yield from both("positions over the last of them", sine, [mask], [sums / sums[:, -1:]], [])
    a, b, c = f32(6, 3), f32(3, 4), f32(1, 4)
    yield from both("Gemm with a row for all", [NODE("Gemm", ["x0", "x1", "x2"], ["y"])], [a, b, c], [a @ b + c], [])
    v = f32(7)
    for start, end, step in ((-1, -(2**63), -1), (9, 0, -3), (0, 5, -1), (2**63 - 1, -(2**31), -4), (-1, 2**63 - 1, -1), (-3, -100, -2)):
        cut = v[start:end:step] if (start, end) != (-1, -(2**63)) else v[::-1]
        cut = v[:0] if end == 2**63 - 1 and step < 0 else cut
        yield node("Slice %d:%d:%d" % (start, end, step), "Slice", [v], [cut.copy()], {"s": np.array([start]), "e": np.array([end]), "a": np.array([0]), "t": np.array([step])}, ["lists"])
    x = f32(2, 3, 1, 4, 2)
    late = ["symbolic", "lists"]
    padded = np.pad(x, ((1, 0), (2, 1), (0, 0), (0, 0), (0, 1)))
    yield node("Pad along some of many axes", "Pad", [x], [padded], {"p": np.array([1, 0, 2, 0, 1, 1]), "v": np.float32(0), "a": np.array([0, 4, 1])}, late)
    lists = {"p": np.array([1, 0, 2, 0, 1, 1]), "a": np.array([0, 4, 1])}
    some = [NODE("Pad", ["x0", "x1", "", "x2"], ["y"])]
    yield "Pad along axes that nothing counts", some, [x, *lists.values()], [padded], ["symbolic"]
    yield node("ReduceMean along some of many axes", "ReduceMean", [x], [x.mean((0, 2, 4), keepdims=True)], {"a": np.array([0, -1, 2])}, late)
    steps = constants(s=np.array([2, -1, 0, 4]), t=np.array([0, 1, 0, 1]), u=np.array([2, 6, 9, 3]), v=np.array([-1, 2, 1]))
    steps = [*steps, NODE("Reshape", ["x0", "s"], ["four"]), NODE("Slice", ["four", "t", "u"], ["part"]), NODE("Reshape", ["part", "v"], ["y"])]
    yield "shapes of shapes", steps, [x], [x.reshape(2, 6, 1, 4)[:, 1:6, :, 1:3].reshape(-1, 2, 1)], late


def training_of_old():
    x, scale, bias, mean, var = f32(3, 2, 4), f32(2), f32(2), f32(2), np.abs(f32(2))
    batch = x.mean((0, 2)), x.var((0, 2))
    want = (x - batch[0][:, None]) / np.sqrt(batch[1][:, None] + 1e-5) * scale[:, None] + bias[:, None]
    moved = [(old * np.float32(0.9) + new * np.float32(0.1)).astype(np.float32) for old, new in zip((mean, var), batch)]
    names = constants(s=scale, b=bias, m=mean, v=var)
    nodes = [*names, NODE("BatchNormalization", ["x0", "s", "b", "m", "v"], ["y0", "y1", "y2", "y3", "y4"])]
    yield from both("BatchNormalization 9 in training", nodes, [x], [want, *moved, *batch], ["opset=9"])


def halves_of_old():
    x = f32(1, 2, 3).astype(np.float16)
    yield from both("Clip 6 of halves", [NODE("Clip", ["x0"], ["y"], min=0.0, max=0.5)], [x], [np.clip(x, 0, np.float16(0.5))], ["opset=6"])
    want = np.pad(x, ((0, 0), (0, 0), (1, 2)), constant_values=0.25)
    yield from both("Pad 2 of halves", [NODE("Pad", ["x0"], ["y"], pads=[0, 0, 1, 0, 0, 2], value=0.25)], [x], [want], ["opset=10"])


def vectors():
    two = [*constants(za=np.uint8(3), zb=np.uint8(1), zy=np.uint8(2), s=np.float32(0.5)), NODE("QLinearMatMul", ["x0", "s", "za", "x1", "s", "zb", "s", "zy"], ["y"])]
    a, b = np.array([1, 5, 3, 9], np.uint8), np.array([2, 7, 1, 8], np.uint8)
    product = np.uint8(np.rint((a.astype(int) - 3) @ (b.astype(int) - 1) * 0.5 + 2).clip(0, 255))
    yield "QLinearMatMul of two vectors", two, [a, b], [product], []


def unpooling():
    x = f32(1, 2, 5, 5)
    blocks = x[:, :, :4, :4].reshape(1, 2, 2, 2, 2, 2)
    want = np.zeros_like(x)
    want[:, :, :4, :4] = np.where(blocks == blocks.max((3, 5), keepdims=True), blocks, 0).reshape(1, 2, 4, 4)
    window = {"kernel_shape": [2, 2], "strides": [2, 2]}
    pool = NODE("MaxPool", ["x0"], ["p", "i"], **window)
    to_size = [pool, NODE("Shape", ["x0"], ["size"]), NODE("MaxUnpool", ["p", "i", "size"], ["y"], **window)]
    yield from both("MaxUnpool of an image that windows do not fill", to_size, [x], [want], [])
    yield from both("MaxUnpool of its filled part", [pool, NODE("MaxUnpool", ["p", "i"], ["y"], **window)], [x], [want[:, :, :4, :4].copy()], [])


def values():
    for kind in (TensorProto.INT4, TensorProto.UINT4):
        cast = [NODE("Cast", ["x0"], ["q"], to=kind), NODE("Cast", ["q"], ["y"], to=TensorProto.INT32)]
        yield "casts to 4 bits round, as %d" % kind, cast, [np.array([0.5, 1.5, 2.5, 5.6, 6.5], np.float32)], [np.array([0, 2, 2, 6, 6], np.int32)], ["opset=21"]
    x, e = np.arange(-9, 10).astype(np.int32), np.float32(3)
    yield from both("an integer's power", [NODE("Pow", ["x0", "x1"], ["y"])], [x, e], [x**3], [])
    ticks = np.arange(20, dtype=np.float32).reshape(1, 1, 1, 20)
    yield "Resize at a tie", [*constants(s=np.array([1, 1, 1, 6])), NODE("Resize", ["x0", "", "", "s"], ["y"], nearest_mode="round_prefer_ceil")], [ticks], [ticks[..., [1, 5, 8, 11, 15, 18]]], []
    middle = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "half_pixel_symmetric"}
    yield "Resize whose middle is a tie", [*constants(s=np.array([1, 1, 1, 0.7], np.float32)), NODE("Resize", ["x0", "", "s"], ["y"], **middle)], [ticks[..., :5].copy()], [ticks[..., [0, 2, 3]].copy()], []
    boxes, scores = np.array([[[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, 10, 1, 11]]], np.float32), np.array([[[0.9, 0.8, 0.7]]], np.float32)
    yield "NonMaxSuppression without a number", [NODE("NonMaxSuppression", ["x0", "x1"], ["y"])], [boxes, scores], [np.zeros((0, 3), np.int64)], []
    limits = constants(k=np.array([10]), iou=np.array([0.5], np.float32), low=np.array([0.1], np.float32), high=np.array([0.95], np.float32), two=np.array(2), zero=np.array([0]))
    yield "NonMaxSuppression", [*limits, NODE("NonMaxSuppression", ["x0", "x1", "k", "iou", "low"], ["y"])], [boxes, scores], [np.array([[0, 0, 0], [0, 0, 2]])], []
    behind = [NODE("NonMaxSuppression", ["x0", "x1", "k", "iou", "high"], ["none"]), NODE("Gather", ["none", "two"], ["at"], axis=1), NODE("Squeeze", ["x0", "zero"], ["b"]), NODE("Gather", ["b", "at"], ["y"])]
    yield "boxes of no detection", [*limits, *behind], [boxes, scores], [np.zeros((0, 4), np.float32)], []
    q = np.array([-1e6, -129, -0.5, 0.5, 1.5, 2.5, 127.5, 254.5, 255.5, 1e30, np.inf, -np.inf], np.float32)
    for zero, low, high in ((np.uint8(3), 0, 255), (np.int8(0), -128, 127)):
        yield "QuantizeLinear %s" % zero.dtype, [*constants(s=np.float32(1), z=zero), NODE("QuantizeLinear", ["x0", "s", "z"], ["y"])], [q], [np.clip(np.rint(q) + int(zero), low, high).astype(zero.dtype)], []
    weights = constants(w=np.array([[-30, 50]], np.int8), s=np.array([0.01, 0.02], np.float32), z=np.zeros(2, np.int8), shape=np.array([2, 1]))
    x = f32(2, 1)
    yield "negative weights through Reshape", [*weights, NODE("DequantizeLinear", ["w", "s", "z"], ["d"]), NODE("Reshape", ["d", "shape"], ["e"]), NODE("Add", ["x0", "e"], ["y"])], [x], [x + np.array([[-0.3], [1]], np.float32)], []
    a, b = np.array([8, -8, 7, -7, -9]), np.array([-3, 3, -2, 2, 4])
    for op, want, more in (("Div", [-2, -2, -3, -3, -2], {}), ("Mod", [-1, 1, -1, 1, 3], {}), ("Mod", [2, -2, 1, -1, -1], {"fmod": 1})):
        yield from both("%s of integers %s" % (op, more), [NODE(op, ["x0", "x1"], ["y"], **more)], [a, b], [np.array(want)], [])
    for level in (2.55, -2.55):
        yield from both("DynamicQuantizeLinear of %g" % level, [NODE("DynamicQuantizeLinear", ["x0"], ["y", "s", "z"])], [np.full((2, 3), level, np.float32)], [np.full((2, 3), 255 * (level > 0), np.uint8), np.float32(0.01), np.array(255 * (level < 0), np.uint8)], [])
    c = np.array([127.9, -128.9, 0.9, -0.9, 0], np.float32)
    yield "Cast towards zero", [NODE("Cast", ["x0"], ["y"], to=TensorProto.INT8)], [c], [np.array([127, -128, 0, 0, 0], np.int8)], []


def recurrent():
    """One step of an RNN for each activation; alphas and betas go to those that take some, in order; weights that callers give."""
    x, w = f32(1, 2, 3), f32(1, 4, 3)
    z = x @ w[0].T
    hidden = NODE("Constant", [], ["r"], value=numpy_helper.from_array(np.zeros((1, 4, 4), np.float32)))
    steps = {"Softsign": z / (1 + abs(z)), "Softplus": np.log1p(np.exp(z)), "ThresholdedRelu": np.where(z < 0.3, 0, z), "Elu": np.where(z < 0, 0.3 * np.expm1(z), z), "ScaledTanh": 0.3 * np.tanh(0.4 * z), "affine": 0.3 * z + 0.4, "LeakyRelu": np.where(z < 0, 0.3 * z, z)}
    for name, want in steps.items():
        yield "RNN with " + name, [hidden, NODE("RNN", ["x0", "x1", "r"], ["y", "last"], hidden_size=4, activations=[name], activation_alpha=[0.3], activation_beta=[0.4])], [x, w], [want[None, None, 0].astype(np.float32), want.astype(np.float32)], []
    # no state yet: z and the candidate alone make the new one
    w = f32(1, 12, 3)
    update, _, candidate = np.split(x @ w[0].T, 3, 2)
    want = (1 - 1 / (1 + np.exp(-update))) * np.where(candidate < 0, 0.2 * candidate, candidate)
    for flags in ([], ["symbolic"]):
        yield "GRU whose second activation takes an alpha", [NODE("GRU", ["x0", "x1", "x2"], ["y", "last"], hidden_size=4, activations=["Sigmoid", "LeakyRelu"], activation_alpha=[0.2])], [x, w, f32(1, 12, 4)], [want[None].astype(np.float32), want.astype(np.float32)], flags
    w = f32(1, 16, 3)
    i, o, _, c = np.split(x @ w[0].T, 4, 2)
    sigmoid = lambda v: 1 / (1 + np.exp(-v))
    want = sigmoid(o) * np.tanh(sigmoid(i) * np.tanh(c))
    yield "LSTM with weights of symbols", [NODE("LSTM", ["x0", "x1", "x2", "x3"], ["y", "last"], hidden_size=4)], [x, w, f32(1, 16, 4), np.zeros((1, 32), np.float32)], [want[None].astype(np.float32), want.astype(np.float32)], ["symbolic"]


def cases():
    for part in (old_opsets, training_of_old, halves_of_old, vectors, tensors, graphs, shapes, unpooling, values, recurrent):
        yield from part()
