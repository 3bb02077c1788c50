#!/usr/bin/env python3
"""Products whose factors are rounded (--precision): rounded.py --dsc PATH [--count N] [--seed S].

Random products (matrices of fixed and symbolic sizes, of inputs and constants, batched and turned over; convolutions of any window, stride,
dilation, group and padding) must give what the report says that they are: the products of factors rounded to these types, summed as f32.
Attention must stay near its f32. Some have tiny numbers among others.
"""
import re
import subprocess
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper

import fuzz_quantised

TOLERANCE = {"f32": 1e-5, "attention": 4e-2}


def rounded(x, kind):
    """Values as `kind` has them, nearest even."""
    if kind == "f32":
        return x.astype(np.float64)
    if kind == "f16":
        return x.astype(np.float16).astype(np.float64)
    bits = x.astype(np.float32).view(np.uint32).astype(np.uint64)
    bits = (bits + 0x7fff + (bits >> 16 & 1)) >> 16 << 16
    return bits.astype(np.uint32).view(np.float32).astype(np.float64)


def matmul(rng):
    """(op, attributes, shape of x, shape of w)"""
    m, k, n = int(rng.choice([1, 2, 7, 16, 33, 64, 130])), int(rng.choice([1, 2, 3, 8, 15, 64, 100, 257])), int(rng.choice([1, 5, 16, 17, 48, 100]))
    batch = [[], [3], [2, 3]][rng.integers(3)]
    a = batch + [m, k]
    b = (batch if rng.random() < 0.4 else []) + [k, n]
    return "MatMul", {}, a, b


def conv(rng):
    """(op, attributes, shape of x, shape of w)"""
    dims = int(rng.integers(1, 4))
    group = int(rng.choice([1, 1, 1, 2, 4]))
    ci, co = group * int(rng.choice([1, 2, 3, 8, 17])), group * int(rng.choice([1, 4, 16, 20]))
    if rng.random() < 0.15:
        group = co = ci = int(rng.choice([8, 32]))
    kernel, size = [int(rng.integers(1, 4)) for _ in range(dims)], [int(rng.integers(5, 12)) for _ in range(dims)]
    attributes = {"kernel_shape": kernel, "group": group, "strides": [int(rng.integers(1, 3)) for _ in range(dims)],
                  "dilations": [int(rng.integers(1, 3)) for _ in range(dims)], "pads": [int(rng.integers(0, 2)) for _ in range(2 * dims)]}
    return "Conv", attributes, [int(rng.integers(1, 3)), ci] + size, [co, ci // group] + kernel


def numbers(rng, shape):
    x = rng.standard_normal(shape).astype(np.float32)
    if rng.random() < 0.2:
        x[rng.random(shape) < 0.05] *= np.float32(1e-30)
    return x


def write(rng, folder, op, attributes, shapes, values, fixed=None):
    """One product; its right factor is a constant (fixed) or an input, dims may be symbolic. Returns whether it is a constant."""
    fixed, symbolic = rng.random() < 0.7 if fixed is None else fixed, rng.random() < 0.5
    declared = [["d%d" % i if symbolic and op == "MatMul" and i < len(shapes[0]) - 1 else d for i, d in enumerate(shapes[0])], shapes[1]]
    if op == "Conv" and symbolic:
        declared[0] = ["n"] + shapes[0][1:]
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in zip("xw", declared)][:1 if fixed else 2]
    node = helper.make_node(op, ["x", "w"], ["p"], **attributes)
    nodes = [node, helper.make_node("Neg", ["p"], ["y"])]
    graph = helper.make_graph(nodes, "rounded", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
                              [numpy_helper.from_array(values[1], "w")] if fixed else [])
    folder.mkdir(parents=True)
    (folder / "graph.onnx").write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString())
    for i, v in enumerate(values[:1 if fixed else 2]):
        np.save(folder / ("input_%d.npy" % i), v)
    return fixed


def computed(op, attributes, a, b):
    """The product in f64, by the reference evaluator."""
    from onnx.reference import ReferenceEvaluator
    node = helper.make_node(op, ["x", "w"], ["y"], **attributes)
    value = [helper.make_tensor_value_info(n, TensorProto.DOUBLE, None) for n in "xwy"]
    model = helper.make_model(helper.make_graph([node], "exact", value[:2], value[2:]), opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return -ReferenceEvaluator(model).run(None, {"x": a, "w": b})[0]


def compiled(dsc, folder, flags):
    """(output, types of the factors by the report) or what went wrong."""
    out = folder / "out"
    ran = subprocess.run([dsc, "run", folder / "graph.onnx", "--inputs", folder, "--outputs", out, *flags], capture_output=True, text=True, timeout=300)
    if ran.returncode:
        return "exit %d: %s" % (ran.returncode, ran.stderr.strip()[-300:])
    report = subprocess.run([dsc, "compile", folder / "graph.onnx", "--report", "--cpu=native", "-o", folder / "graph.o", *flags], capture_output=True, text=True, timeout=300)
    kinds = re.search(r"(?:matmul|conv) of (\w+) x (\w+)", report.stdout)
    return np.load(next(out.glob("*.npy"))), kinds.groups() if kinds else ("f32", "f32")


def differs(dsc, rng, folder):
    """None, or why a random product is wrong."""
    precision = str(rng.choice(["bf16", "bf16", "f16"]))
    if rng.random() < 0.6:
        op, attributes, a, b = matmul(rng)
    else:
        op, attributes, a, b = conv(rng)
    values = [numbers(rng, a), numbers(rng, b)]
    write(rng, folder, op, attributes, (a, b), values)
    got = compiled(dsc, folder, ("--precision=" + precision,))
    if isinstance(got, str):
        return got
    y, kinds = got
    if any(k not in ("f32", precision) for k in kinds):
        return "factors of %s x %s where %s was asked for" % (*kinds, precision)
    factors = [rounded(v, k) for v, k in zip(values, kinds)]
    exact, size = computed(op, attributes, *factors), computed(op, attributes, *[np.abs(f) for f in factors])
    error = (np.abs(y - exact) / (np.abs(size) + 1e-20)).max(initial=0)
    return None if error <= TOLERANCE["f32"] else "%s of %s x %s: off by %g" % (op, *kinds, error)


def attention_differs(dsc, rng, folder):
    """None, or why a random attention is far from its f32."""
    heads, rows, columns, size = int(rng.integers(1, 4)), int(rng.integers(2, 50)), int(rng.integers(2, 80)), int(rng.choice([8, 16, 33, 64]))
    shapes = {"q": [1, heads, rows, size], "k": [1, heads, columns, size], "v": [1, heads, columns, size]}
    names = {n: TensorProto.FLOAT for n in shapes}
    symbolic = rng.random() < 0.5
    inputs = [helper.make_tensor_value_info(n, t, [1, heads, ("m" if n == "q" else "n") if symbolic else shapes[n][2], size]) for n, t in names.items()]
    nodes = [helper.make_node("Transpose", ["k"], ["kt"], perm=[0, 1, 3, 2]), helper.make_node("MatMul", ["q", "kt"], ["s"]),
             helper.make_node("Softmax", ["s"], ["p"], axis=-1), helper.make_node("MatMul", ["p", "v"], ["y"])]
    graph = helper.make_graph(nodes, "attention", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    folder.mkdir(parents=True)
    (folder / "graph.onnx").write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString())
    values = [numbers(rng, s) for s in shapes.values()]
    for i, v in enumerate(values):
        np.save(folder / ("input_%d.npy" % i), v)
    got = compiled(dsc, folder, ("--precision=bf16",))
    if isinstance(got, str):
        return got
    q, k, v = [x.astype(np.float64) for x in values]
    s = q @ k.swapaxes(-1, -2)
    p = np.exp(s - s.max(-1, keepdims=True))
    exact = p / p.sum(-1, keepdims=True) @ v
    error = np.linalg.norm(got[0] - exact) / np.linalg.norm(exact)
    return None if error <= TOLERANCE["attention"] else "attention is off by %g" % error


def campaign(dsc, count, seed, work):
    """(graphs, [what differs])"""
    wrong = []
    for i in range(count):
        rng, folder = np.random.default_rng([seed, i]), work / ("rounded_%d" % i)
        reason = (attention_differs if i % 8 == 7 else differs)(dsc, rng, folder)
        if reason:
            wrong.append("%s: %s" % (folder, reason))
    return count, wrong


if __name__ == "__main__":
    sys.exit(fuzz_quantised.by_hand(__doc__, "rounded", 100, (campaign, 1)))
