"""Right values in corners: NaN, ties, integers that floats cannot hold, padding that equals elements, old opsets."""
import numpy as np
from onnx import TensorProto, helper

from forms import constants, f32

NAN, INF = float("nan"), float("inf")
UNUSED = np.zeros(1, np.float32)


def one(name, op, inputs, outputs, values=None, flags=(), **attributes):
    """A single node; inputs named by position, then constants by name."""
    values = values or {}
    names = ["x%d" % i for i in range(len(inputs))] + list(values)
    node = helper.make_node(op, names, ["y%d" % i for i in range(len(outputs))], **attributes)
    return name, [*constants(**values), node], inputs, outputs, list(flags)


def with_operands(name, op, operands, inputs, outputs, values=None, flags=(), **attributes):
    node = helper.make_node(op, operands, ["y%d" % i for i in range(len(outputs))], **attributes)
    return name, [*constants(**(values or {})), node], inputs, outputs, list(flags)


def comparisons():
    x = np.array([[NAN, NAN, NAN, NAN], [NAN, 1, 5, 2], [1, NAN, 0, NAN], [1, 3, 3, 0], [-INF, -INF, -INF, -INF]], np.float32)
    for op, first, last in (("ArgMax", [0, 0, 1, 1, 0], [3, 0, 3, 2, 3]), ("ArgMin", [0, 0, 1, 3, 0], [3, 0, 3, 3, 3])):
        for flags in ([], ["symbolic"]):
            yield one(op + " of NaN", op, [x], [np.array(first)[:, None]], axis=1, flags=flags)
            yield one(op + " of NaN, last", op, [x], [np.array(last)], axis=1, keepdims=0, select_last_index=1, flags=flags)
        yield one(op + " of NaN in f64", op, [x.astype(np.float64)], [np.array(first)], axis=1, keepdims=0)
    yield one("Hardmax of NaN", "Hardmax", [x], [np.eye(4, dtype=np.float32)[[0, 0, 1, 1, 0]]], axis=1)
    large = np.array([[2**60, 2**60 + 1, -2**63, 2**60 + 1]], np.int64)
    yield one("ArgMax of large integers", "ArgMax", [large], [np.array([1])], axis=1, keepdims=0)
    yield one("ArgMin of large integers", "ArgMin", [large], [np.array([2])], axis=1, keepdims=0)


def pools():
    window = {"kernel_shape": [2, 2], "pads": [1, 1, 1, 1], "strides": [2, 2]}
    low = np.full((1, 1, 3, 3), -INF, np.float32)
    want = np.array([0, 1, 3, 4]).reshape(1, 1, 2, 2)
    yield one("MaxPool of -inf, with padding", "MaxPool", [low], [np.full((1, 1, 2, 2), -INF, np.float32), want], **window)
    zero = np.zeros((1, 1, 3, 3), np.uint8)
    yield one("MaxPool of bytes of 0, with padding", "MaxPool", [zero], [np.zeros((1, 1, 2, 2), np.uint8), want], **window)
    ties = np.array([[0, 7, 0], [7, 0, 7], [0, 7, 7]], np.float32).reshape(1, 1, 3, 3)  # the first in memory, whichever way it is counted
    for order, want in ((0, [1, 1, 3, 5]), (1, [3, 3, 1, 7])):
        for flags in ([], ["symbolic"]):
            yield one("MaxPool of ties, order %d %s" % (order, flags), "MaxPool", [ties], [np.full((1, 1, 2, 2), 7, np.float32), np.array(want).reshape(1, 1, 2, 2)], flags=flags, kernel_shape=[2, 2], storage_order=order)
    x = np.array([1, NAN, 2, NAN, 3, 4, 5, 6, 7], np.float32).reshape(1, 1, 3, 3)
    yield one("MaxPool of NaN", "MaxPool", [x], [np.array([NAN, NAN, NAN, 7], np.float32).reshape(1, 1, 2, 2), np.array([1, 1, 3, 8]).reshape(1, 1, 2, 2)], kernel_shape=[2, 2])
    # the ranges of channels of an image of one pixel are views of a part of its bytes
    x, w = f32(3, 9, 1, 1), f32(9, 9, 1, 1)
    v = np.abs(np.einsum("nchw,ocij->nohw", x, w))
    nodes = [*constants(w=w, parts=np.array([3, 3, 3])), helper.make_node("Conv", ["x0", "w"], ["a"]), helper.make_node("LpPool", ["a"], ["b"], kernel_shape=[1, 1], p=3, strides=[2, 2]),
             helper.make_node("Split", ["b", "parts"], ["s0", "s1", "s2"], axis=1), helper.make_node("Concat", ["s2", "s1"], ["y"], axis=0)]
    yield "channels of one pixel", nodes, [x], [np.concatenate([v[:, 6:], v[:, 3:6]])], []
    nodes = [*nodes[:-1], helper.make_node("Identity", ["s2"], ["y"])]
    yield "channels of one pixel, returned", nodes, [x], [v[:, 6:]], []


def powers():
    whole = np.arange(-9, 10, dtype=np.int32)
    yield one("int32 to the 3rd", "Pow", [whole, np.float32(3).reshape(())], [whole**3])
    yield one("int64 to floats", "Pow", [np.array([10, 10, 2, 3, -3, 7, 4, -1]), np.array([9, 3, 62, 39, 39, 0.5, 1.5, 2.0**40], np.float32)],
              [np.array([10**9, 1000, 2**62, 3**39, -3**39, 2, 8, 1])])
    yield one("int32 to int64", "Pow", [np.array([-1, -1, 1, 2, 5], np.int32), np.array([2**40 + 1, 2**40, 2**40, -1, 0])], [np.array([-1, 1, 1, 0, 1], np.int32)])
    yield one("floats to large integers", "Pow", [np.array([-1, -1, 1], np.float32), np.array([2**24 + 1, 2**24, -5])], [np.array([-1, 1, 1], np.float32)])


def integers():
    x = np.array([-2**63, -2**62 - 1, 0, 2**62 + 3, 2**63 - 1])
    low, high = np.array(-2**62 + 1), np.array(2**62 + 1)
    yield one("Clip of int64", "Clip", [x], [np.clip(x, low, high)], {"low": low, "high": high})
    yield one("Pad of int64", "Pad", [np.array([[1, 2]])], [np.array([[2**62 + 1, 1, 2]])], {"pads": np.array([0, 1, 0, 0]), "fill": np.array(2**62 + 1)})
    fill = helper.make_tensor("value", TensorProto.INT64, [1], [2**62 + 1])
    yield with_operands("ConstantOfShape of int64", "ConstantOfShape", ["shape"], [UNUSED], [np.full((2, 3), 2**62 + 1)], {"shape": np.array([2, 3])}, value=fill)
    values = np.array([-1.5, -300.7, 300.2, 70000.5, 3e9, NAN, INF, -INF, 255.9, -0.5], np.float32)
    for code, kind, want in ((TensorProto.UINT8, np.uint8, [255, 212, 44, 112, 0, 0, 0, 0, 255, 0]), (TensorProto.INT8, np.int8, [-1, -44, 44, 112, 0, 0, 0, 0, -1, 0]),
                             (TensorProto.INT16, np.int16, [-1, -300, 300, 4464, 0, 0, 0, 0, 255, 0]), (TensorProto.INT32, np.int32, [-1, -300, 300, 70000] + [-2**31] * 4 + [255, 0]),
                             (TensorProto.INT64, np.int64, [-1, -300, 300, 70000, 3 * 10**9] + [-2**63] * 3 + [255, 0]),
                             (TensorProto.UINT32, np.uint32, [2**32 - 1, 2**32 - 300, 300, 70000, 3 * 10**9, 2**31, 0, 2**31, 255, 0]),
                             (TensorProto.UINT64, np.uint64, [2**64 - 1, 2**64 - 300, 300, 70000, 3 * 10**9, 2**63, 0, 2**63, 255, 0])):
        yield one("Cast to %s" % kind.__name__, "Cast", [values], [np.array(want, kind)], to=code)
        yield with_operands("Cast of a constant to %s" % kind.__name__, "Cast", ["c"], [UNUSED], [np.array(want, kind)], {"c": values}, to=code)


def narrow():
    ties = np.array([1 + 2**-11 + 2**-40, 1 + 2**-11, 1 + 3 * 2**-11 - 2**-40, 65519.99999, 65520, 2**-25, 2**-25 * 1.0000001, -1 - 2**-11 - 2**-45, 0, -0.0, NAN, INF])
    with np.errstate(over="ignore"):
        want = ties.astype(np.float16)
    yield one("Cast of f64 to f16, rounded once", "Cast", [ties], [want], to=TensorProto.FLOAT16)
    zeros = np.zeros(3, np.float32)
    steps = (np.arange(-300, 300) * np.float32(0.05)).astype(np.float32)
    ties = np.clip(np.rint(steps / np.float32(0.1)), -128, 127).astype(np.int8)
    edges = np.array([-np.inf, np.inf, np.nan], np.float32)
    for kind in (np.float32, np.float64, np.float16):
        yield one("Gelu at the edges, %s" % kind.__name__, "Gelu", [edges.astype(kind)], [np.array([np.nan, np.inf, np.nan], kind)])
    yield one("Shrink of bytes by a negative lambd", "Shrink", [np.arange(9, dtype=np.uint8)], [np.array([2, 255, 0, 1, 2, 3, 4, 5, 6], np.uint8)], lambd=-1.0, bias=2.0)
    yield one("QuantizeLinear divides", "QuantizeLinear", [steps], [ties], {"s": np.float32(0.1), "z": np.int8(0)})
    yield one("DynamicQuantizeLinear of zeros", "DynamicQuantizeLinear", [zeros], [zeros.astype(np.uint8), np.float32(1).reshape(()), np.uint8(0).reshape(())])


def nearest(extents, positions, mode, transform="half_pixel", flags=()):
    """Nearest elements at positions numerator / denominator, exactly."""
    x = np.arange(extents[0], dtype=np.float32).reshape(1, 1, -1)
    index = [{"floor": n // d, "ceil": -(-n // d), "round_prefer_floor": -(-(2 * n - d) // (2 * d)), "round_prefer_ceil": (2 * n + d) // (2 * d)}[mode] for n, d in positions]
    want = np.clip(index, 0, extents[0] - 1).astype(np.float32).reshape(1, 1, -1)
    return with_operands("Resize to %s" % [extents, mode, transform], "Resize", ["x0", "", "", "sizes"], [x], [want], {"sizes": np.array([1, 1, extents[1]])}, flags, mode="nearest", nearest_mode=mode, coordinate_transformation_mode=transform)


def resizes():
    for a, b in ((20, 6), (7, 11), (25, 15), (9, 6), (3, 10), (10, 4)):
        for mode in ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil"):
            yield nearest((a, b), [((2 * p + 1) * a - b, 2 * b) for p in range(b)], mode)
            yield nearest((a, b), [(p * a, b) for p in range(b)], mode, "asymmetric")
            yield nearest((a, b), [(p * (a - 1), b - 1) for p in range(b)], mode, "align_corners")
    many = 30011, 20007
    yield nearest(many, [(p * many[0], many[1]) for p in range(many[1])], "floor", "asymmetric")
    x = np.arange(1, 9, dtype=np.float32).reshape(1, 1, 2, 4)
    yield one("Resize 10 to less", "Resize", [x], [np.array([1, 3], np.float32).reshape(1, 1, 1, 2)], {"scales": np.array([1, 1, 0.6, 0.6], np.float32)}, ["opset=10"], mode="nearest")
    twice = x.repeat(2, 2).repeat(2, 3)
    yield one("Upsample 7", "Upsample", [x], [twice], flags=["opset=7"], scales=[1.0, 1.0, 2.0, 2.0])
    yield one("Upsample 8, linear", "Upsample", [x[:, :, :1]], [np.array([1, 1.5, 2, 2.5, 3, 3.5, 4, 4], np.float32).reshape(1, 1, 1, 8)], flags=["opset=8"], scales=[1.0, 1.0, 1.0, 2.0], mode="linear")
    yield one("Upsample 9", "Upsample", [x], [twice], {"scales": np.array([1, 1, 2, 2], np.float32)}, ["opset=9"])
    line, roi = np.arange(22, dtype=np.float32).reshape(1, 22), np.array([0, 0.1, 1, 1], np.float32)
    crop = {"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize", "extrapolation_value": 0.5}
    yield with_operands("Resize, cropped to the end", "Resize", ["x0", "roi", "", "sizes"], [line], [np.linspace(2.1, 21, 10, dtype=np.float32).reshape(1, 10)], {"roi": roi, "sizes": np.array([1, 10])}, **crop)
    yield with_operands("Resize, no extent changed", "Resize", ["x0", "roi", "", "sizes"], [line], [line], {"roi": roi, "sizes": np.array([1, 22])}, **crop)


def windows():
    x = np.array([-0.1, 2.9, 0.3, -1], np.float32).reshape(1, 1, 1, 4)
    t, a = 0.5, -0.75  # at -0.5: half of it is reached by the third element's weight
    weight = lambda s: ((a + 2) * s - (a + 3)) * s * s + 1 if s <= 1 else ((a * s - 5 * a) * s + 8 * a) * s - 4 * a
    taps = [-2, -1, 0, 1]
    want = sum(weight(abs(-t - p)) * x.ravel()[max(p, 0)] for p in taps)
    grid = np.array([-0.5 / 1.5 - 1, 0], np.float32).reshape(1, 1, 1, 2)
    yield one("GridSample beside the border", "GridSample", [x, grid], [np.array(want, np.float32).reshape(1, 1, 1, 1)], mode="cubic", padding_mode="border", align_corners=1)
    nan = np.array([NAN, 0], np.float32).reshape(1, 1, 1, 2)
    yield one("GridSample at NaN", "GridSample", [x, nan], [x[:, :, :, :1]], mode="linear", padding_mode="border", align_corners=1)
    x, size = f32(1, 6, 2, 2), 4  # an even size reaches one further to the right
    sums = np.stack([(x[:, max(0, c - 1):c + 3].astype(np.float64) ** 2).sum(1) for c in range(6)], 1)
    yield one("LRN of an even size", "LRN", [x], [(x / (1.5 + 0.5 / size * sums) ** 0.75).astype(np.float32)], size=size, alpha=0.5, beta=0.75, bias=1.5)
    x = np.arange(1, 4, dtype=np.float32).reshape(1, 1, 3)
    for kernel, stride, want in ((1, 3, [1, 0, 0, 2, 0, 0, 3]), (2, 3, [1, 2, 0, 2, 4, 0, 3, 6]), (2, 2, [1, 2, 2, 4, 3, 6])):
        w = np.arange(1, kernel + 1, dtype=np.float32).reshape(1, 1, -1)
        yield one("transposed, SAME, %d by %d" % (kernel, stride), "ConvTranspose", [x], [np.array(want, np.float32).reshape(1, 1, -1)], {"w": w}, auto_pad="SAME_UPPER", strides=[stride])


def defaults():
    """What an attribute is where it is left out, in f64: the f32 next to it, like those that are given."""
    x = np.array([[1e8], [3e8]])
    keep = np.float64(np.float32(0.9))
    moved = [2e8 * (1 - keep) + 5e8 * keep, 1e16 * (1 - keep) + 3e16 * keep]
    values = {"scale": np.ones(1), "b": np.zeros(1), "mean": np.array([5e8]), "var": np.array([3e16])}
    for given in ({}, {"momentum": 0.9}):
        name, nodes, inputs, _, flags = one("BatchNormalization in f64 %s" % given, "BatchNormalization", [x], [UNUSED] * 3, values, training_mode=1, **given)
        exact = [*constants(m=np.array([moved[0]]), v=np.array([moved[1]])), helper.make_node("Sub", ["y1", "m"], ["dm"]), helper.make_node("Sub", ["y2", "v"], ["dv"]),
                 helper.make_node("Div", ["dm", "m"], ["em"]), helper.make_node("Div", ["dv", "v"], ["ev"]), helper.make_node("Concat", ["em", "ev"], ["e"], axis=0),
                 *constants(near=np.array(1e-12)), helper.make_node("Abs", ["e"], ["a"]), helper.make_node("Less", ["a", "near"], ["is"])]
        yield name, nodes + exact, inputs, [np.array([True, True])], flags


def cases():
    for part in (defaults, comparisons, pools, powers, integers, narrow, resizes, windows):
        yield from part()
