"""Whole models against ONNX Runtime: the repository's own, and graphs generated here; fixed and symbolic dimensions, 1 and 2 threads,
the same bits at both."""
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).resolve().parent.parent


def tensor(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def model(nodes, inputs, outputs, initializers=(), opset=17):
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(initializers))
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    proto.ir_version = 8
    return proto


def value(name, shape, elem=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, elem, shape)


def residual_block(rng):
    """Convolution, batch norm, relu, residual, grouped and depthwise convolution, pooling: image networks in small."""
    w = lambda *s: (rng.standard_normal(s) / np.sqrt(np.prod(s[1:]))).astype(np.float32)
    n = helper.make_node
    nodes = [
        n("Conv", ["x", "w0"], ["a"], pads=[1, 1, 1, 1]), n("BatchNormalization", ["a", "s", "b", "m", "v"], ["c"]), n("Relu", ["c"], ["d"]),
        n("Conv", ["d", "w1", "b1"], ["e"], pads=[1, 1, 1, 1]), n("Add", ["e", "d"], ["f"]), n("Relu", ["f"], ["g"]),
        n("Conv", ["g", "w2"], ["h"], group=24, pads=[1, 1, 1, 1], strides=[2, 2]), n("HardSwish", ["h"], ["i"]), n("Conv", ["i", "w3"], ["j"], group=4),
        n("MaxPool", ["j"], ["k"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]), n("GlobalAveragePool", ["k"], ["l"]), n("Flatten", ["l"], ["y"]),
    ]
    init = [tensor("w0", w(24, 3, 3, 3)), tensor("w1", w(24, 24, 3, 3)), tensor("b1", w(24, 1)[:, 0]), tensor("w2", w(24, 1, 3, 3)), tensor("w3", w(20, 6, 1, 1)),
            tensor("s", 1 + w(24, 1)[:, 0]), tensor("b", w(24, 1)[:, 0]), tensor("m", w(24, 1)[:, 0]), tensor("v", 1 + np.abs(w(24, 1)[:, 0]))]
    return model(nodes, [value("x", ["n", 3, "h", "w"])], [value("y", None)], init), {"x": rng.standard_normal((2, 3, 19, 23)).astype(np.float32)}


def attention(rng):
    """Layer norm, a head-split attention with shapes computed in the graph, a GELU feed-forward: transformers in small."""
    w = lambda *s: (rng.standard_normal(s) / np.sqrt(s[0])).astype(np.float32)
    n = helper.make_node
    nodes = [n("LayerNormalization", ["x", "g", "b"], ["ln"])]
    for p in "qkv":
        nodes += [n("MatMul", ["ln", "w" + p], ["m" + p]), n("Shape", ["m" + p], ["sh" + p]), n("Slice", ["sh" + p, "zero", "two"], ["lead" + p]),
                  n("Concat", ["lead" + p, "heads"], ["to" + p], axis=0), n("Reshape", ["m" + p, "to" + p], ["r" + p]), n("Transpose", ["r" + p], [p], perm=[0, 2, 1, 3])]
    nodes += [
        n("Transpose", ["k"], ["kt"], perm=[0, 1, 3, 2]), n("MatMul", ["q", "kt"], ["qk"]), n("Mul", ["qk", "scale"], ["sc"]), n("Softmax", ["sc"], ["p"], axis=-1), n("MatMul", ["p", "v"], ["o"]),
        n("Transpose", ["o"], ["ot"], perm=[0, 2, 1, 3]), n("Reshape", ["ot", "flat"], ["of"]), n("MatMul", ["of", "wo"], ["op"]), n("Add", ["x", "op"], ["res"]), n("MatMul", ["res", "w1"], ["h"]),
        n("Div", ["h", "root2"], ["hd"]), n("Erf", ["hd"], ["he"]), n("Add", ["he", "one"], ["h1"]), n("Mul", ["h", "h1"], ["h2"]), n("Mul", ["h2", "half"], ["ge"]), n("MatMul", ["ge", "w2"], ["y"]),
    ]
    f = lambda v: np.float32(v)
    init = [tensor("g", 1 + w(1, 48)[0]), tensor("b", w(1, 48)[0]), tensor("zero", np.array([0])), tensor("two", np.array([2])), tensor("heads", np.array([4, 12])), tensor("flat", np.array([0, -1, 48])),
            tensor("scale", f(12 ** -0.5)), tensor("root2", f(2 ** 0.5)), tensor("one", f(1)), tensor("half", f(0.5)), tensor("wo", w(48, 48)), tensor("w1", w(48, 96)), tensor("w2", w(96, 48))]
    init += [tensor("w" + p, w(48, 48)) for p in "qkv"]
    return model(nodes, [value("x", ["batch", "seq", 48])], [value("y", None)], init), {"x": rng.standard_normal((2, 13, 48)).astype(np.float32)}


def tagger(rng):
    """Embedding, bidirectional LSTM, log-softmax over a symbolic length."""
    w = lambda *s: (0.3 * rng.standard_normal(s)).astype(np.float32)
    n = helper.make_node
    nodes = [n("Gather", ["table", "ids"], ["e"]), n("Transpose", ["e"], ["t"], perm=[1, 0, 2]), n("LSTM", ["t", "w", "r", "b"], ["y0"], hidden_size=20, direction="bidirectional"),
             n("Transpose", ["y0"], ["y1"], perm=[2, 0, 1, 3]), n("Reshape", ["y1", "flat"], ["y2"]), n("MatMul", ["y2", "wo"], ["y3"]), n("LogSoftmax", ["y3"], ["y"], axis=-1)]
    init = [tensor("table", w(50, 16)), tensor("w", w(2, 80, 16)), tensor("r", w(2, 80, 20)), tensor("b", w(2, 160)), tensor("flat", np.array([0, 0, 40])), tensor("wo", w(40, 9))]
    return model(nodes, [value("ids", ["batch", "seq"], TensorProto.INT64)], [value("y", None)], init), {"ids": rng.integers(0, 50, (3, 11))}


def digits(rng):
    return onnx.load(ROOT / "tests/data/digits.onnx"), {"image": rng.random((5, 1, 8, 8)).astype(np.float32)}


def dims_of(proto, feed):
    return {d.dim_param: size for i in proto.graph.input if i.name in feed for d, size in zip(i.type.tensor_type.shape.dim, feed[i.name].shape) if d.dim_param}


def check(dsc, path, proto, feed, work, least=1e-6):
    """None, or what is wrong. Errors count against the largest element of the expected output, or `least`."""
    want = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, feed)
    for i, (name, array) in enumerate(feed.items()):
        (work / ("input_%d.pb" % i)).write_bytes(numpy_helper.from_array(array, name).SerializeToString())
    fixed = [w for name, size in dims_of(proto, feed).items() for w in ("--dim", "%s=%d" % (name, size))]
    for kind, dims in (("symbolic", []), ("fixed", fixed)):
        bits = []
        for threads in (1, 2):
            out = work / "out"
            result = subprocess.run([dsc, "run", path, "--inputs", work, "--outputs", out, "--threads", str(threads), "--poison", *dims], capture_output=True, text=True, timeout=300)
            if result.returncode:
                return "%s, %d threads: exit %d: %s" % (kind, threads, result.returncode, result.stderr[-300:])
            bits.append([(out / ("output_%d.pb" % i)).read_bytes() for i in range(len(want))])
            for i, expected in enumerate(want):
                got = onnx.TensorProto()
                got.ParseFromString(bits[-1][i])
                got = numpy_helper.to_array(got)
                if got.shape != expected.shape or not np.abs(got - expected).max() <= 1e-4 * max(np.abs(expected).max(), least):
                    return "%s, %d threads: output %d differs from ONNX Runtime" % (kind, threads, i)
        if bits[0] != bits[1]:
            return "%s: other bits with 2 threads" % kind
    return None


def run(dsc, work):
    for make in (digits, residual_block, attention, tagger):
        folder = work / make.__name__
        folder.mkdir(parents=True, exist_ok=True)
        proto, feed = make(np.random.default_rng(1))
        path = folder / "model.onnx"
        onnx.save(proto, path)
        reason = check(dsc, path, proto, feed, folder)
        yield make.__name__, reason is None, reason or ""
