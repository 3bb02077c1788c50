"""Quantised tensors."""
import numpy as np
from onnx import TensorProto, helper

from fuzz_graphs.graph import family


def scale(g, *shape):
    return g.source(g.rng.uniform(0.01, 0.1, shape).astype(np.float32), "weights")


@family("quantised", 3)
def quantise(g):
    x = g.floats(1, 4, exact=True, dtypes=(np.float32,))
    dtype = g.choice([np.uint8, np.int8] + [np.uint16, np.int16] * (g.opset >= 21))
    per_axis = g.opset >= 13 and g.chance(0.4)
    axis = g.axis(x.rank)
    shape = [x.shape[axis]] if per_axis else []
    zero = g.source(g.numbers(shape, dtype, 0, 10), "weights") if dtype != np.uint8 or g.chance(0.7) else None
    s = scale(g, *shape)
    attributes = {"axis": axis} if per_axis else {}
    q = g.one("QuantizeLinear", [x, s, zero], **attributes)
    if q:
        g.one("DequantizeLinear", [q, s, zero], **attributes)


@family("quantised", 2)
def dequantise(g):
    dtype = g.choice([np.uint8, np.int8, np.int32])
    x = g.data(dtype, g.shape(1, 4))
    axis = g.axis(x.rank)
    shape = [x.shape[axis]] if g.opset >= 13 and g.chance(0.5) else []
    zero = g.source(g.numbers(shape, dtype, 0, 5), "weights") if dtype != np.int32 and g.chance(0.7) else None
    g.add("DequantizeLinear", [x, scale(g, *shape), zero], **({"axis": axis} if shape else {}))


@family("quantised")
def blocked(g):
    size = g.choice([2, 4])
    x = g.data(g.choice([np.uint8, np.int8]), [g.int(1, 3), size * g.int(1, 3), g.int(1, 4)])
    s = scale(g, x.shape[0], x.shape[1] // size, x.shape[2])
    g.add("DequantizeLinear", [x, s], axis=1, block_size=size)


@family("quantised")
def narrow(g):
    """Through 4-bit integers or 8-bit floats and back."""
    x = g.floats(1, 3, exact=True, dtypes=(np.float32,))
    kind = g.choice([TensorProto.INT4, TensorProto.UINT4, TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT8E5M2])
    zero = g.name("c")
    factor = scale(g)
    names = [g.name(), g.name()]
    tensor = helper.make_tensor(zero, kind, [], [0])
    nodes = [helper.make_node("Constant", [], [zero], value=tensor), helper.make_node("QuantizeLinear", [x.name, factor.name, zero], [names[0]]),
             helper.make_node("DequantizeLinear", [names[0], factor.name, zero], [names[1]])]
    g.commit(nodes, [names[1]], True)


@family("quantised")
def dynamic(g):
    x = g.floats(1, 4, exact=True, dtypes=(np.float32,))
    q = g.add("DynamicQuantizeLinear", [x], 3)
    if q and x.rank >= 2 and g.chance(0.6):
        w = g.weight(x.shape[-1], g.extent(), dtype=np.int8)
        p = g.one("MatMulInteger", [q[0], w, q[2]])
        f = p and g.one("Cast", [p], to=1)
        if f:
            g.one("Mul", [f, q[1]])


@family("quantised", 2)
def integer_products(g):
    a, b = g.choice([np.uint8, np.int8]), g.choice([np.uint8, np.int8])
    m, k, n = g.extent(), g.extent(), g.extent()
    if g.chance(0.5):
        x = g.data(a, g.choice([[m, k], [2, m, k]]), 0, 20)
        zero_a = g.source(np.asarray(g.int(0, 9), a), "weights") if g.chance(0.7) else None
        zero_b = g.source(g.numbers(g.choice([[], [n]]), b, 0, 9), "weights") if g.chance(0.5) else None
        g.add("MatMulInteger", [x, g.weight(k, n, dtype=b, low=0, high=20), zero_a, zero_b])
    else:
        c = g.int(1, 3)
        x = g.data(np.uint8, [1, c, 5, 6], 0, 20)
        g.add("ConvInteger", [x, g.weight(4, c, 3, 3, dtype=b, low=0, high=20), g.source(np.uint8(g.int(0, 9)), "weights"), None], pads=[g.int(0, 1)] * 4)


@family("quantised", 2)
def quantised_products(g):
    dtype = g.choice([np.uint8, np.int8])
    zero = lambda: g.source(np.asarray(g.int(0, 9), dtype), "weights")  # noqa: E731
    if g.chance(0.5):
        m, k, n = g.extent(), g.extent(), g.extent()
        x, w = g.data(dtype, [m, k], 0, 20), g.weight(k, n, dtype=dtype, low=0, high=20)
        g.add("QLinearMatMul", [x, scale(g), zero(), w, scale(g), zero(), scale(g), zero()])
        return
    c, out = g.int(1, 4), g.int(1, 4)
    x = g.data(dtype, [g.int(1, 2), c, 5, 6], 0, 20)
    w = g.weight(out, c, 3, 3, dtype=dtype, low=0, high=20)
    bias = g.weight(out, dtype=np.int32) if g.chance(0.5) else None
    per = [out] if g.chance(0.4) else []
    zero_w = g.source(np.zeros(per, dtype), "weights")
    g.add("QLinearConv", [x, scale(g), zero(), w, scale(g, *per), zero_w, scale(g), zero(), bias], pads=[g.int(0, 1)] * 4, strides=[g.int(1, 2)] * 2)
