"""Operators of com.microsoft that quantise, against NumPy: values are drawn again until none is close to where rounding turns."""
import numpy as np
from onnx import helper

rng = np.random.default_rng(11)
RANGE = {np.uint8: (0, 255), np.int8: (-128, 127), np.uint16: (0, 65535), np.int16: (-32768, 32767)}


def node(kind, inputs, outputs, **attributes):
    return helper.make_node(kind, inputs, outputs, domain="com.microsoft", **attributes)


def drawn(kind, *shape):
    low, high = RANGE[kind]
    return rng.integers(low, high, shape, kind, endpoint=True)


def real(x, scale, zero):
    return (x.astype(np.float64) - np.float64(zero)) * np.float64(scale)


def quantized(v, scale, zero, kind):
    """The whole numbers, or None where one was about to be another."""
    v = v / np.float64(scale)
    if (abs(abs(v - np.floor(v)) - 0.5) < 1e-3).any():
        return None
    return np.clip(np.rint(v) + zero, *RANGE[kind]).astype(kind)


def until(make):
    """The first of what `make` draws whose expected results are all there."""
    while True:
        inputs, outputs = make()
        if all(o is not None for o in outputs):
            return inputs, outputs


def f(value):
    return np.array(value, np.float32)


def two(name, function, kind, left, right, zeros=True, flags=()):
    a_zero, b_zero, c_zero = (np.array(drawn(kind) if zeros else 0, kind) for _ in range(3))

    def make():
        a, b, scales = drawn(kind, *left), drawn(kind, *right), (f(0.013), f(0.021), f(0.034 if name == "QLinearAdd" else 0.05))
        want = quantized(function(real(a, scales[0], a_zero), real(b, scales[1], b_zero)), scales[2], c_zero, kind)
        return [a, scales[0], a_zero, b, scales[1], b_zero, scales[2], c_zero] if zeros else [a, scales[0], b, scales[1], scales[2]], [want]
    inputs, outputs = until(make)
    names = ["x%d" % i for i in range(8)] if zeros else ["x0", "x1", "", "x2", "x3", "", "x4"]
    return "%s %s %s %s%s" % (name, kind.__name__, left, right, "" if zeros else " without zeros"), [node(name, names, ["y"])], inputs, outputs, list(flags)


def one(name, function, kind, shape, scale=0.02, to=0.01, to_zero=None, flags=(), **attributes):
    x_zero = np.array(drawn(kind), kind)
    y_zero = np.array(drawn(kind) if to_zero is None else to_zero, kind)

    def make():
        x = drawn(kind, *shape)
        return [x, f(scale), x_zero, f(to), y_zero], [quantized(function(real(x, f(scale), x_zero)), f(to), y_zero, kind)]
    inputs, outputs = until(make)
    return "%s %s %s %s" % (name, kind.__name__, shape, attributes), [node(name, ["x%d" % i for i in range(5)], ["y"], **attributes)], inputs, outputs, list(flags)


def softmax(v, axis):
    e = np.exp(v - v.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def pool(v, last, padded):
    """2x2, stride 1, a border of one on the left and the top."""
    v = np.moveaxis(v, -1, 1) if last else v
    counts = np.ones_like(v)
    v, counts = (np.lib.stride_tricks.sliding_window_view(np.pad(t, ((0, 0), (0, 0), (1, 0), (1, 0))), (2, 2), (2, 3)).sum((-2, -1)) for t in (v, counts))
    v = v / (4 if padded else counts)
    return np.moveaxis(v, 1, -1) if last else v


def elementwise():
    yield two("QLinearAdd", np.add, np.uint8, (2, 3, 5, 7), (2, 3, 5, 7))
    yield two("QLinearAdd", np.add, np.int8, (2, 3, 5), (5,))
    yield two("QLinearAdd", np.add, np.uint8, (4, 1, 6), (3, 1), flags=["symbolic"])
    yield two("QLinearAdd", np.add, np.uint8, (4, 6), (), zeros=False)
    yield two("QLinearMul", np.multiply, np.uint8, (2, 3, 4), (3, 4))
    yield two("QLinearMul", np.multiply, np.int8, (2, 5), (1, 5), zeros=False)
    yield two("QLinearMul", np.multiply, np.int8, (3, 4, 1), (1, 5), flags=["symbolic"])
    yield two("QLinearAdd", np.add, np.uint8, (0, 6), (1, 6), flags=["brief"])
    for kind in (np.uint8, np.int8):
        yield one("QLinearSigmoid", lambda v: 1 / (1 + np.exp(-v)), kind, (3, 31), 0.03, 1 / 256, RANGE[kind][0])
        yield one("QLinearLeakyRelu", lambda v: np.where(v < 0, v * np.float64(np.float32(0.1)), v), kind, (2, 3, 9), alpha=0.1)
        yield one("QLinearSoftmax", lambda v: softmax(v, -1), kind, (3, 2, 9), 0.02, 1 / 256, RANGE[kind][0], axis=-1, opset=13)
    yield one("QLinearSoftmax", lambda v: softmax(v, 1), np.uint8, (3, 5, 2), 0.02, 1 / 256, 0, ["symbolic"], axis=1, opset=13)
    yield one("QLinearSoftmax", lambda v: softmax(v.reshape(3, 6), 1).reshape(v.shape), np.uint8, (3, 3, 2), 0.02, 1 / 256, 0, axis=1, opset=12)


def pools():
    for last in (0, 1):
        where = (1, 2) if last else (2, 3)
        yield one("QLinearGlobalAveragePool", lambda v: v.mean(where, keepdims=True), np.uint8, (2, 5, 7, 9), 0.02, 0.003, channels_last=last)
        yield one("QLinearGlobalAveragePool", lambda v: v.mean(where, keepdims=True), np.int8, (1, 8, 3, 3), 0.02, 0.01, flags=["symbolic"], channels_last=last)
        for padded in (0, 1):
            yield one("QLinearAveragePool", lambda v: pool(v, last, padded), np.uint8, (2, 4, 6, 5), 0.02, 0.0137, channels_last=last, kernel_shape=[2, 2], pads=[1, 1, 0, 0], count_include_pad=padded)
    yield one("QLinearAveragePool", lambda v: v.reshape(1, 3, 4, 2).mean(-1), np.int8, (1, 3, 8), 0.02, 0.0137, kernel_shape=[2], strides=[2], flags=["symbolic"])


def concat():
    for kind, flags in ((np.uint8, []), (np.int8, ["symbolic"])):
        scales, zeros = [f(0.02), f(0.035), f(0.02)], [np.array(drawn(kind), kind) for _ in range(3)]

        def make():
            parts = [drawn(kind, 2, n, 4) for n in (3, 1, 5)]
            want = [quantized(real(p, s, z), scales[0], zeros[0], kind) for p, s, z in zip(parts, scales, zeros)]
            whole = None if any(w is None for w in want) else np.concatenate(want, 1)
            return [scales[0], zeros[0]] + [v for triple in zip(parts, scales, zeros) for v in triple], [whole]
        inputs, outputs = until(make)
        yield "QLinearConcat " + kind.__name__, [node("QLinearConcat", ["x%d" % i for i in range(11)], ["y"], axis=1)], inputs, outputs, flags


def words():
    """Quantising to and from 16 bits, and from 4; a scale a channel."""
    for kind in (np.uint16, np.int16):
        scale, zero = (rng.random(5).astype(np.float32) + np.float32(0.1)) * np.float32(1e-3), drawn(kind, 5)
        x = drawn(kind, 3, 5, 2)
        want = real(x, scale[:, None], zero[:, None])
        yield "DequantizeLinear " + kind.__name__, [node("DequantizeLinear", ["x0", "x1", "x2"], ["y"], axis=1)], [x, scale, zero], [want.astype(np.float32)], []

        def make():
            v = rng.standard_normal((4, 9)).astype(np.float32)
            return [v, f(1e-4), np.array(7, kind)], [quantized(v.astype(np.float64), f(1e-4), 7, kind)]
        inputs, outputs = until(make)
        yield "QuantizeLinear " + kind.__name__, [node("QuantizeLinear", ["x0", "x1", "x2"], ["y"])], inputs, outputs, ["symbolic"]
    x, scale = drawn(np.uint8, 3, 4), f(0.25)
    nodes = [helper.make_node("Cast", ["x0"], ["n"], to=21), node("DequantizeLinear", ["n", "x1"], ["y"])]
    yield "DequantizeLinear of 4 bits", nodes, [x & 15, scale], [real(x & 15, scale, 0).astype(np.float32)], []


def qgemm(kind_b, shape, turned, channels, result, bias, alpha=1.0, flags=()):
    rows, inner, columns = shape
    a_zero, b_zero = np.array(drawn(np.uint8), np.uint8), drawn(kind_b, *[columns] * channels) // np.array(4, kind_b)
    a_scale, b_scale = f(0.02), f(rng.random([columns] * channels) * 0.01 + 0.01)
    y_scale, y_zero = f(0.004 * inner), np.array(120, np.uint8)

    def make():
        a, b = drawn(np.uint8, inner, rows) if turned else drawn(np.uint8, rows, inner), drawn(kind_b, columns, inner) if turned else drawn(kind_b, inner, columns)
        c = rng.integers(-9999, 9999, (columns,), np.int32)
        wide, other = (a.T, b.T) if turned else (a, b)
        v = (wide.astype(np.int64) - a_zero) @ (other.astype(np.int64) - b_zero.astype(np.int64)) + (c if bias else 0)
        v = v * np.float64(a_scale) * np.float64(b_scale) * np.float64(np.float32(alpha))
        inputs = [a, a_scale, a_zero, b, b_scale, b_zero] + [c] * bias + [y_scale, y_zero] * result
        return inputs, [quantized(v, y_scale, y_zero, np.uint8) if result else v.astype(np.float32)]
    inputs, outputs = until(make)
    names = ["x%d" % i for i in range(len(inputs))]
    if result and not bias:
        names.insert(6, "")
    attributes = {"transA": 1, "transB": 1} if turned else {}
    return "QGemm %s" % [kind_b.__name__, shape, turned, channels, result, bias, alpha], [node("QGemm", names, ["y"], alpha=alpha, **attributes)], inputs, outputs, list(flags)


def products():
    yield qgemm(np.int8, (3, 24, 17), 0, 0, 1, 1)
    yield qgemm(np.int8, (5, 40, 20), 1, 1, 1, 1, flags=["symbolic"])
    yield qgemm(np.uint8, (1, 33, 48), 0, 1, 1, 0)
    yield qgemm(np.uint8, (4, 16, 5), 1, 0, 0, 1, 0.5)
    yield qgemm(np.int8, (2, 7, 9), 0, 0, 0, 0)
    yield qgemm(np.uint8, (6, 20, 16), 0, 0, 1, 1, 0.25, ["symbolic"])
    for kind_a, kind_b, left, channels, bias, flags in ((np.uint8, np.int8, (2, 3, 20), 0, 1, []), (np.int8, np.int8, (5, 20), 1, 0, ["symbolic"]), (np.uint8, np.uint8, (20,), 0, 0, []), (np.uint8, np.uint8, (4, 20), 1, 1, [])):
        a, b, c = drawn(kind_a, *left), drawn(kind_b, 20, 18), rng.standard_normal(18).astype(np.float32)
        a_scale, b_scale = f(0.02), f(rng.random([18] * channels) * 0.01 + 0.01)
        a_zero, b_zero = np.array(drawn(kind_a), kind_a), drawn(kind_b, *[18] * channels)
        want = real(a, a_scale, a_zero) @ real(b, b_scale, b_zero) + (c if bias else 0)
        yield "MatMulIntegerToFloat %s" % [kind_a.__name__, kind_b.__name__, left, channels, bias], [node("MatMulIntegerToFloat", ["x%d" % i for i in range(6 + bias)], ["y"])], \
            [a, b, a_scale, b_scale, a_zero, b_zero] + [c] * bias, [want.astype(np.float32)], flags
    yield from (dynamic(*case) for case in ((np.int8, (3, 5, 24), 0, 0, []), (np.uint8, (4, 24), 1, 1, []), (np.int8, (2, 24), 1, 1, ["symbolic"])))


def dynamic(kind, left, channels, bias, flags):
    """The input is quantised to bytes of its own range first."""
    def make():
        x = rng.standard_normal(left).astype(np.float32)
        low, high = min(x.min(), 0), max(x.max(), 0)
        scale = np.float32((high - low) / np.float32(255))
        zero = np.rint(-low / scale)
        return [x], [quantized(x.astype(np.float64), scale, zero, np.uint8), scale, zero]
    inputs, (q, scale, zero) = until(make)
    b, b_scale, b_zero, c = drawn(kind, 24, 18), f(rng.random([18] * channels) * 0.01 + 0.01), drawn(kind, *[18] * channels), rng.standard_normal(18).astype(np.float32)
    want = real(q, scale, zero) @ real(b, b_scale, b_zero) + (c if bias else 0)
    return "DynamicQuantizeMatMul %s" % [kind.__name__, left, channels, bias], [node("DynamicQuantizeMatMul", ["x%d" % i for i in range(4 + bias)], ["y"])], inputs + [b, b_scale, b_zero] + [c] * bias, [want.astype(np.float32)], flags


def cases():
    yield from elementwise()
    yield from pools()
    yield from concat()
    yield from words()
    yield from products()
