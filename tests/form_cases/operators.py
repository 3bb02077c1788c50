"""Operators and options that few models have; lists whose length is known only at run time."""
import numpy as np
from onnx import helper

from forms import constants, f32

node = helper.make_node


def i64(*numbers):
    return np.array(numbers, np.int64)


def lists():
    x = f32(4, 5, 6)
    yield "slice by lists of any length", [node("Slice", ["x0", "x1", "x2", "x3", "x4"], ["y"])], [x, i64(1, -1), i64(4, -6), i64(0, 2), i64(2, -2)], [x[1:4:2, :, ::-2]], ["lists"]
    yield "split by a list of any length", [node("Split", ["x0", "x1"], ["a", "b"], axis=1)], [x, i64(2, 3)], [x[:, :2], x[:, 2:]], ["lists"]
    yield "tile and pad by lists of any length", [node("Tile", ["x0", "x1"], ["t"]), node("Pad", ["t", "x2"], ["y"])], [x, i64(1, 2, 1), i64(0, 1, 0, 1, 0, 2)], [np.pad(np.tile(x, (1, 2, 1)), ((0, 1), (1, 0), (0, 2)))], ["lists"]
    yield "pad axes by lists of any length", [node("Pad", ["x0", "x1", "", "x2"], ["y"])], [x, i64(1, 0, 0, 2, 0, 1), i64(2, -3, 1)], [np.pad(x, ((0, 0), (0, 1), (1, 2)))], ["lists", "opset=18"]
    yield "resize by a list of any length", [node("Resize", ["x0", "", "x1"], ["y"], mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")], [x, np.float32([1, 2, 1])], [x.repeat(2, 1)], ["lists"]
    yield "as many as a list says", [node("TopK", ["x0", "x1"], ["v", "i"])], [np.sort(x), i64(2)], [np.sort(x)[..., :-3:-1], np.broadcast_to(i64(5, 4), (4, 5, 2))], ["lists"]
    yield "axes whose number is not known", [node("ReduceSum", ["x0", "x1"], ["y"])], [x, i64(-1, 0)], [x.sum((0, 2), keepdims=True)], ["lists"]
    yield "no axes: all", [node("ReduceSum", ["x0", "x1"], ["y"])], [x, i64()], [x.sum(keepdims=True)], ["lists"]
    yield "no axes: none", [node("ReduceSum", ["x0", "x1"], ["y"], noop_with_empty_axes=1)], [x, i64()], [x], ["lists"]


FUNCTIONS = {
    "Affine": lambda x, a, b: a * x + b, "Elu": lambda x, a, b: np.where(x < 0, a * np.expm1(x), x), "HardSigmoid": lambda x, a, b: np.clip(a * x + b, 0, 1),
    "LeakyRelu": lambda x, a, b: np.where(x < 0, a * x, x), "Relu": lambda x, a, b: np.maximum(x, 0), "ScaledTanh": lambda x, a, b: a * np.tanh(b * x),
    "Sigmoid": lambda x, a, b: 1 / (1 + np.exp(-x)), "Softplus": lambda x, a, b: np.log1p(np.exp(x)), "Softsign": lambda x, a, b: x / (1 + abs(x)),
    "Tanh": lambda x, a, b: np.tanh(x), "ThresholdedRelu": lambda x, a, b: np.where(x > a, x, 0),
}


def activations():
    """An RNN of each activation; two directions take their own values of alpha and beta, in order."""
    w, r = f32(1, 4, 3), f32(1, 4, 4) / np.float32(2)
    x = f32(3, 2, 3)
    for name, function in FUNCTIONS.items():
        given = name in ("Affine", "ScaledTanh")
        a, b = {"Elu": (1, 0), "HardSigmoid": (0.2, 0.5), "LeakyRelu": (0.01, 0), "ThresholdedRelu": (1, 0)}.get(name, (0.5, 0.25))
        h, steps = np.zeros((2, 4)), []
        for t in range(3):
            h = function(x[t].astype(np.float64) @ w[0].T + h @ r[0].T, a, b)
            steps.append(h)
        extra = {"activation_alpha": [a], "activation_beta": [b]} if given else {}
        yield "activation " + name, [*constants(w=w, r=r), node("RNN", ["x0", "w", "r"], ["y"], hidden_size=4, activations=[name.lower()], **extra)], [x], [np.stack(steps)[:, None].astype(np.float32)], []
    both = [node("RNN", ["x0", "w", "r"], ["all", "last"], hidden_size=4, direction="bidirectional", activations=["Tanh", "LeakyRelu"], activation_alpha=[0.25])]
    steps, last = np.zeros((3, 2, 2, 4)), []
    for k, (function, order) in enumerate((("Tanh", (0, 1, 2)), ("LeakyRelu", (2, 1, 0)))):
        h = np.zeros((2, 4))
        for t in order:
            steps[t, k] = h = FUNCTIONS[function](x[t].astype(np.float64) @ w[0].T + h @ r[0].T, 0.25, 0)
        last.append(h)
    yield "alphas go to what takes one", [*constants(w=np.concatenate([w, w]), r=np.concatenate([r, r])), *both], [x], [steps.astype(np.float32), np.stack(last).astype(np.float32)], []


def old_opsets():
    x = f32(2, 3, 4)
    flat = x.reshape(2, 12)
    want = np.eye(12, dtype=np.float32)[flat.argmax(1)].reshape(2, 3, 4)
    for flags in ([], ["symbolic"]):
        yield "hardmax of rows that are flattened", [node("Hardmax", ["x0"], ["y"])], [x], [want], ["opset=11", *flags]
    image, regions = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4), np.float32([[0, 0, 2, 2]])
    for opset, want in ((11, [[2.5, 3.5], [6.5, 7.5]]), (16, [[0, 1], [4, 5]])):
        yield "RoiAlign at opset %d" % opset, [node("RoiAlign", ["x0", "x1", "x2"], ["y"], output_height=2, output_width=2, sampling_ratio=1)], [image, regions, i64(0)], [np.float32(want)[None, None]], ["opset=%d" % opset]


def linear_attention():
    """The gated delta rule, two query heads for a key head, step by step."""
    b, t, h, each, size, out = 2, 5, 2, 2, 3, 4
    q, k, v = f32(b, t, h * each * size), f32(b, t, h * size) / np.float32(2), f32(b, t, h * out)
    past, decay, beta = f32(b, h, size, out), -abs(f32(b, t, h)), abs(f32(b, t, 1))
    state, steps = past.astype(np.float64), []
    for i in range(t):
        key, value = k[:, i].reshape(b, h, size, 1), v[:, i].reshape(b, h, 1, out)
        state = state * np.exp(decay[:, i].reshape(b, h, 1, 1))
        state = state + beta[:, i].reshape(b, 1, 1, 1) * key * (value - (state * key).sum(2, keepdims=True))
        steps.append(np.einsum("bhei,bhij->bhej", q[:, i].reshape(b, h, each, size), state).reshape(b, -1) * 0.5)
    for flags in (["opset=27"], ["opset=27", "symbolic"]):
        yield "linear attention", [node("LinearAttention", ["x%d" % i for i in range(6)], ["y", "state"], q_num_heads=h * each, kv_num_heads=h, scale=0.5)], [q, k, v, past, decay, beta], [np.stack(steps, 1).astype(np.float32), state.astype(np.float32)], flags


def corners():
    x = f32(4, 5)
    for flags in ([], ["symbolic"]):
        yield "downwards from before the first", [*constants(s=i64(-6), e=i64(-2**63), a=i64(1), t=i64(-2)), node("Slice", ["x0", "s", "e", "a", "t"], ["y"])], [x], [x[:, :1]], flags
    yield "a condition longer than the axis", [node("Compress", ["x0", "x1"], ["y"], axis=0)], [x, np.array([1, 0, 0, 1, 1, 1], bool)], [x[[0, 3]]], ["lists"]
    x = f32(2, 3, 2)
    for flags in ([], ["symbolic"]):
        yield "a window one larger than its input", [node("AveragePool", ["x0"], ["y"], kernel_shape=[3])], [x], [np.zeros((2, 3, 0), np.float32)], flags
    x = np.random.default_rng(1).standard_normal((3, 8))
    mean, inverse = x.mean(1, keepdims=True), 1 / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    yield "mean and deviation of doubles are floats", [*constants(s=np.ones(8)), node("LayerNormalization", ["x0", "s"], ["y", "mean", "inverse"])], [x], [(x - mean) * inverse, mean.astype(np.float32), inverse.astype(np.float32)], []


def cases():
    yield from corners()
    yield from linear_attention()
    yield from lists()
    yield from activations()
    yield from old_opsets()
