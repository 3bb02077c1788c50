"""Broadcasting that only run time decides: every extent is a symbol, and some are 1."""
import numpy as np
from onnx import helper

from forms import constants, f32

node = helper.make_node

# Two or three shapes that broadcast: neither has ones, either, all, and none is left where 1 meets 0.
PAIRS = [((3, 4), (3, 4)), ((1, 21), (3, 1)), ((3, 1), (1, 1)), ((1, 5), (0, 1))]


def form(name, nodes, inputs, want, flags="symbolic"):
    return "broadcast " + name, nodes, inputs, [want], [flags]


def elementwise(a, b, c):
    x, y, z = f32(*a), f32(*b), f32(*c)
    nodes = [node("Add", ["x0", "x1"], ["s"]), node("Less", ["x0", "x2"], ["l"]), node("Where", ["l", "s", "x1"], ["w"]),
             node("Mod", ["x1", "x2"], ["m"], fmod=1), node("Abs", ["x2"], ["z"]), node("Pow", ["z", "x0"], ["p"]),
             node("Mean", ["w", "x2", "m"], ["mean"]), node("Min", ["x0", "p", "x1"], ["least"]), node("Sub", ["mean", "least"], ["y"])]
    w = np.where(x < z, x + y, y)
    want = (w + z + np.fmod(y, z)) / np.float32(3) - np.minimum(np.minimum(x, np.abs(z) ** x), y)
    return form("elementwise %s" % [a, b, c], nodes, [x, y, z], want.astype(np.float32))


def integers(a, b):
    x, y = (np.random.default_rng(3).integers(1, 50, s).astype(np.int64) for s in (a, b))
    nodes = [node("Mod", ["x0", "x1"], ["m"]), node("BitwiseXor", ["m", "x1"], ["o"]), node("Equal", ["o", "x0"], ["e"]), node("Where", ["e", "x0", "o"], ["y"])]
    o = np.mod(x, y) ^ y
    return form("integers %s" % [a, b], nodes, [x, y], np.where(o == x, x, o))


def product(a, b, turned):
    x, y, z = f32(*a), f32(*b), f32(1, 1, a[-2], 1)
    want = np.matmul(x.astype(np.float64), y) + z
    if turned:
        y = np.ascontiguousarray(y.swapaxes(-1, -2))
    nodes = [node("Transpose", ["x1"], ["t"], perm=[0, 1, 3, 2])] if turned else []
    nodes += [node("MatMul", ["x0", "t" if turned else "x1"], ["p"]), node("Add", ["p", "x2"], ["y"])]
    return form("product %s" % [a, b, turned], nodes, [x, y, z], want.astype(np.float32))


def gemm(m, k, n, c, alpha=1.0, beta=1.0):
    x, y, z = f32(m, k), f32(n, k), f32(*c)
    want = alpha * (x.astype(np.float64) @ y.T) + beta * z
    return form("gemm %s" % [m, k, n, c, alpha, beta], [node("Gemm", ["x0", "x1", "x2"], ["y"], transB=1, alpha=alpha, beta=beta)], [x, y, z], want.astype(np.float32), "lists")


def einsum(equation, *shapes):
    inputs = [f32(*s) for s in shapes]
    names = ["x%d" % i for i in range(len(inputs))]
    return form("einsum %s %s" % (equation, list(shapes)), [node("Einsum", names, ["y"], equation=equation)], inputs, np.einsum(equation, *inputs).astype(np.float32))


def expand(a, b):
    """To the shape of another value, to one that run time computes, and back into a sum."""
    x, y = f32(*a), f32(*b)
    nodes = [node("Shape", ["x1"], ["shape"]), node("Expand", ["x0", "shape"], ["wide"]), node("Expand", ["x1", "x2"], ["late"]), node("Sub", ["wide", "late"], ["y"])]
    shape = np.array(np.broadcast_shapes(a, b), np.int64)
    return form("expand %s" % [a, b], nodes, [x, y, shape], np.broadcast_to(x, shape) - np.broadcast_to(y, shape))


def chain(a, b, c):
    """What has been broadcast meets its parts again, is normalised, and is a matrix."""
    x, y, z = f32(*a), f32(*b), f32(*c)
    nodes = [node("Add", ["x0", "x1"], ["s"]), node("Add", ["s", "x2"], ["t"]), node("Add", ["t", "x0"], ["u"]), node("Softmax", ["u"], ["v"], axis=-1),
             node("Transpose", ["v"], ["w"], perm=[1, 0]), node("MatMul", ["v", "w"], ["p"]), node("Concat", ["p", "p"], ["y"], axis=1)]
    u = (x + y + z + x).astype(np.float64)
    v = np.exp(u - u.max(-1, keepdims=True))
    v /= v.sum(-1, keepdims=True)
    return form("chain %s" % [a, b, c], nodes, [x, y, z], np.concatenate([v @ v.T] * 2, 1).astype(np.float32))


def slices(shape):
    """First and last places, which are 1 wide unless there are none."""
    x = f32(*shape)
    nodes = constants(zero=np.array([0]), one=np.array([1]), last=np.array([-1]), end=np.array([2**63 - 1]), axis=np.array([1]), row=np.array([0]))
    nodes += [node("Slice", ["x0", "zero", "one", "axis"], ["first"]), node("Slice", ["x0", "last", "end", "row"], ["bottom"]), node("Sub", ["x0", "first"], ["a"]),
              node("Mul", ["a", "bottom"], ["b"]), node("Shape", ["x0"], ["shape"]), node("Expand", ["first", "shape"], ["wide"]), node("Add", ["b", "wide"], ["y"])]
    return form("slices %s" % [shape], nodes, [x], (x - x[:, :1]) * x[-1:] + x[:, :1])


def cumulated(shape, axes):
    """Sums along axes that run time names, less their sum."""
    x = f32(*shape)
    nodes = constants(axis=np.array(1)) + [node("CumSum", ["x0", "axis"], ["c"]), node("ReduceMax", ["c", "x1"], ["m"]), node("Sub", ["c", "m"], ["y"])]
    c = x.cumsum(1)
    return form("cumulated %s" % [shape, axes], nodes, [x, np.array(axes, np.int64)], c - c.max(tuple(axes), keepdims=True))


def cumulated_reduction(shape):
    """A sum along what a reduction over run-time axes has left."""
    x = f32(*shape)
    nodes = constants(axis=np.array(1)) + [node("ReduceMax", ["x0", "x1"], ["m"], keepdims=1), node("CumSum", ["m", "axis"], ["c"]), node("Add", ["c", "x0"], ["y"])]
    return form("cumulated reduction %s" % [shape], nodes, [x, np.array([0], np.int64)], x.max(0, keepdims=True).cumsum(1) + x)


def layer_norm(shape, scale, bias):
    x, s, b = f32(*shape), f32(*scale), f32(*bias)
    v = x.astype(np.float64)
    v = (v - v.mean(-1, keepdims=True)) / np.sqrt(v.var(-1, keepdims=True) + 1e-5) * s + b
    return form("layer norm %s" % [shape, scale, bias], [node("LayerNormalization", ["x0", "x1", "x2"], ["y"])], [x, s, b], v.astype(np.float32), "lists")


def attention(batch, heads, queries, keys, mask):
    q, k, v, m = f32(batch, heads, queries, 8), f32(batch, heads, keys, 8), f32(batch, heads, keys, 8), f32(*mask)
    s = np.einsum("bhqd,bhkd->bhqk", q.astype(np.float64), k) / 8**0.5 + m
    p = np.exp(s - s.max(-1, keepdims=True))
    want = np.einsum("bhqk,bhkd->bhqd", p / p.sum(-1, keepdims=True), v)
    return "broadcast attention %s" % [batch, heads, queries, keys, mask], [node("Attention", ["x0", "x1", "x2", "x3"], ["y"])], [q, k, v, m], [want.astype(np.float32)], ["symbolic", "opset=23"]


def masked(batch, length, mask):
    """Attention as exporters write it: a mask of symbols of its own is added to the scores."""
    q, k, v, m = f32(batch, 2, length, 8), f32(batch, 2, length, 8), f32(batch, 2, length, 8), f32(*mask)
    nodes = [node("Transpose", ["x1"], ["t"], perm=[0, 1, 3, 2]), node("MatMul", ["x0", "t"], ["s"]), node("Add", ["s", "x3"], ["a"]), node("Softmax", ["a"], ["p"], axis=-1), node("MatMul", ["p", "x2"], ["y"])]
    s = np.einsum("bhqd,bhkd->bhqk", q.astype(np.float64), k) + m
    p = np.exp(s - s.max(-1, keepdims=True))
    want = np.einsum("bhqk,bhkd->bhqd", p / p.sum(-1, keepdims=True), v)
    return form("masked %s" % [batch, length, mask], nodes, [q, k, v, m], want.astype(np.float32))


def quantized(shape, scales):
    x, s = (f32(*shape) * 20).astype(np.float32), np.linspace(0.25, 2, scales).astype(np.float32)
    zero = np.arange(scales).astype(np.int8)
    nodes = [node("QuantizeLinear", ["x0", "x1", "x2"], ["q"], axis=1), node("DequantizeLinear", ["q", "x1", "x2"], ["y"], axis=1)]
    per = [v.reshape(1, -1, *[1] * (len(shape) - 2)) for v in (s, zero)]
    q = np.clip(np.round(x / per[0]) + per[1], -128, 127)
    return form("quantized %s" % [shape, scales], nodes, [x, s, zero], ((q - per[1]) * per[0]).astype(np.float32), "lists")


def integer_product(a, b, zeros):
    x, y, z = (np.random.default_rng(5).integers(0, 200, s).astype(np.uint8) for s in (a, b, zeros))
    want = np.matmul(x.astype(np.int32) - 7, y.astype(np.int32) - z.astype(np.int32))
    return form("integer product %s" % [a, b, zeros], [*constants(seven=np.array(7, np.uint8)), node("MatMulInteger", ["x0", "x1", "seven", "x2"], ["y"])], [x, y, z], want, "lists")


def bounds(shape, low, high, fill):
    """Bounds and fills of one element, whatever their rank."""
    x = f32(*shape)
    nodes = constants(pads=np.array([1, 0, 0, 2])) + [node("Clip", ["x0", "x1", "x2"], ["c"]), node("Pad", ["c", "pads", "x3"], ["y"])]
    want = np.pad(np.clip(x, low.item(), high.item()), ((1, 0), (0, 2)), constant_values=fill.item())
    return form("bounds %s" % [shape, low.shape, high.shape, fill.shape], nodes, [x, low, high, fill], want, "lists")


def prelu(shape, slope):
    x, s = f32(*shape), f32(*slope)
    return form("prelu %s" % [shape, slope], [node("PRelu", ["x0", "x1"], ["y"])], [x, s], np.where(x < 0, x * s, x))


def cases():
    for a, b in PAIRS:
        yield elementwise(a, b, (1, 1))
        yield integers(a, b)
        yield expand(a, b)
    yield elementwise((4, 1, 1), (5, 1), (1, 4, 1, 18))
    yield chain((3, 1), (1, 20), (1, 1))
    yield chain((3, 20), (1, 1), (3, 20))
    for shape in ((2, 17), (1, 1), (3, 0)):
        yield slices(shape)
    for a, b in (((2, 3, 5, 6), (2, 3, 6, 19)), ((1, 3, 17, 6), (2, 1, 6, 19)), ((2, 1, 5, 6), (1, 3, 6, 1)), ((0, 1, 4, 3), (1, 2, 3, 4))):
        yield product(a, b, False)
        yield product(a, b, True)
    for c in ((6, 18), (1, 18), (6, 1), (1, 1), (18,), (1,)):
        yield gemm(6, 3, 18, c)
    yield gemm(5, 1, 4, (1, 4), 0.5, 2.0)
    yield gemm(1, 1, 1, (1, 1), 0.5)
    yield einsum("bij,bjk->bik", (1, 3, 4), (2, 4, 5))
    yield einsum("bij,bjk->bik", (2, 3, 1), (1, 4, 5))
    yield einsum("...ij,...jk->...ik", (2, 1, 3, 4), (1, 3, 4, 17))
    yield einsum("ij,ij,j->i", (3, 1), (1, 5), (5,))
    yield cumulated((3, 6), [1])
    yield cumulated((1, 6), [0])
    yield cumulated_reduction((3, 5))
    yield cumulated_reduction((1, 1))
    yield layer_norm((2, 3, 20), (1,), (20,))
    yield layer_norm((2, 3, 20), (3, 1), (2, 1, 20))
    yield attention(2, 3, 4, 17, (1, 1, 4, 17))
    yield attention(2, 3, 4, 17, (2, 1, 1, 17))
    yield masked(2, 17, (2, 1, 1, 17))
    yield masked(2, 17, (1, 1, 17, 1))
    yield masked(1, 1, (1, 1, 1, 1))
    for scales in (3, 1):
        yield quantized((2, 3, 5), scales)
    yield integer_product((2, 4, 5), (5, 6), (6,))
    yield integer_product((1, 4, 5), (3, 5, 6), (1,))
    yield bounds((3, 5), np.float32([-0.5]), np.array(0.75, np.float32), np.float32([9]))
    yield prelu((2, 3, 5), (3, 1))
    yield prelu((1, 3, 1), (1, 1))
