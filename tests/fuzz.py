#!/usr/bin/env python3
"""Random graphs against ONNX Runtime: fuzz.py --dsc PATH [--count N] [--seed S]. Prints the graphs that differ and keeps their files.

Every graph is a chain and mesh of common operators over a few values, with symbolic or fixed dimensions; compared at 1 and 2 threads.
"""
import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper


class Graph:
    def __init__(self, rng):
        self.rng, self.nodes, self.init, self.values, self.n = rng, [], [], {}, 0

    def name(self, stem="v"):
        self.n += 1
        return "%s%d" % (stem, self.n)

    def const(self, array):
        name = self.name("c")
        self.init.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def add(self, op, inputs, shape, **attributes):
        out = self.name()
        self.nodes.append(helper.make_node(op, inputs, [out], **attributes))
        self.values[out] = tuple(int(s) for s in shape)
        return out

    def pick(self, test=lambda s: True):
        names = [n for n, s in self.values.items() if test(s)]
        return names[self.rng.integers(len(names))] if names else None


def weight(rng, *shape):
    return (rng.standard_normal(shape) / np.sqrt(max(1, np.prod(shape[1:])))).astype(np.float32)


def step(g):
    rng = g.rng
    x = g.pick()
    s = g.values[x]
    r = len(s)
    kind = rng.integers(16)
    if kind == 0:
        g.add(rng.choice(["Relu", "Sigmoid", "Tanh", "Erf", "Neg", "Abs", "HardSwish", "Softplus", "Elu"]), [x], s)
    elif kind == 1:
        y = g.pick(lambda t: t == s)
        g.add(rng.choice(["Add", "Sub", "Mul", "Max", "Min"]), [x, y], s)
    elif kind == 2 and r:
        small = [d if rng.random() < 0.5 else 1 for d in s][rng.integers(r):]
        g.add(rng.choice(["Add", "Mul"]), [x, g.const(weight(rng, *small))], s)
    elif kind == 3 and r:
        perm = rng.permutation(r)
        g.add("Transpose", [x], [s[p] for p in perm], perm=[int(p) for p in perm])
    elif kind == 4 and r:
        axes = sorted(set(int(a) for a in rng.integers(0, r, rng.integers(1, r + 1))))
        g.add(rng.choice(["ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2"]), [x], [1 if i in axes else d for i, d in enumerate(s)], axes=axes)
    elif kind == 5 and r:
        g.add(rng.choice(["Softmax", "LogSoftmax"]), [x], s, axis=int(rng.integers(r)))
    elif kind == 6 and r:
        a = int(rng.integers(r))
        y = g.pick(lambda t: len(t) == r and all(t[i] == s[i] for i in range(r) if i != a))
        g.add("Concat", [x, y], [d + g.values[y][a] if i == a else d for i, d in enumerate(s)], axis=a)
    elif kind == 7 and r:
        a = int(rng.integers(r))
        if s[a] > 1:
            start, stop = sorted(rng.choice(s[a] + 1, 2, replace=False))
            step_ = int(rng.choice([1, 2]))
            g.add("Slice", [x, g.const(np.array([start])), g.const(np.array([stop])), g.const(np.array([a])), g.const(np.array([step_]))], [(-(-(stop - start) // step_)) if i == a else d for i, d in enumerate(s)])
    elif kind == 8 and r >= 2:
        k = int(rng.integers(1, 40))
        g.add("MatMul", [x, g.const(weight(rng, k, s[-1]).T.copy())], s[:-1] + (k,))
    elif kind == 9 and r >= 2:
        y = g.pick(lambda t: len(t) == r and t[:-2] == s[:-2] and t[-2] == s[-1])
        if y:
            g.add("MatMul", [x, y], s[:-1] + (g.values[y][-1],))
    elif kind == 10 and r == 4:
        o, k, st = int(rng.integers(1, 40)), int(rng.choice([1, 3])), int(rng.choice([1, 2]))
        p = k // 2 if rng.random() < 0.7 else 0
        if min(s[2:]) + 2 * p >= k:
            shape = [s[0], o] + [(d + 2 * p - k) // st + 1 for d in s[2:]]
            g.add("Conv", [x, g.const(weight(rng, o, s[1], k, k)), g.const(weight(rng, o, 1)[:, 0])], shape, pads=[p] * 4, strides=[st, st])
    elif kind == 11 and r == 4:
        g.add("Conv", [x, g.const(weight(rng, s[1], 1, 3, 3))], s, pads=[1] * 4, group=int(s[1]))
    elif kind == 12 and r == 4 and min(s[2:]) >= 2:
        k, step_by = int(rng.integers(2, min(4, min(s[2:]) + 1))), int(rng.integers(1, 3))
        pad = int(rng.integers(0, k // 2 + 1))
        sizes = [(d + 2 * pad - k) // step_by + 1 for d in s[2:]]
        g.add(rng.choice(["MaxPool", "AveragePool"]), [x], list(s[:2]) + sizes, kernel_shape=[k] * 2, strides=[step_by] * 2, pads=[pad] * 4)
    elif kind == 13 and r >= 2:
        g.add("LayerNormalization", [x, g.const(weight(rng, s[-1])), g.const(weight(rng, s[-1]))], s, axis=-1)
    elif kind == 14 and r >= 2:
        g.add("Reshape", [x, g.const(np.array([s[0], -1]))], [s[0], int(np.prod(s[1:]))])
    elif kind == 15 and r:
        a = int(rng.integers(r))
        index = rng.integers(-s[a], s[a], rng.integers(1, 5))
        g.add("Gather", [x, g.const(index)], list(s[:a]) + [len(index)] + list(s[a + 1:]), axis=a)


def random_model(rng):
    g = Graph(rng)
    shapes = [tuple(int(d) for d in rng.integers(1, 20, rng.integers(1, 5))) for _ in range(2)] + [(int(rng.integers(1, 3)), int(rng.integers(1, 20)), int(rng.integers(4, 20)), int(rng.integers(4, 20)))]
    inputs, feed = [], {}
    for i, shape in enumerate(shapes):
        name = "x%d" % i
        g.values[name] = shape
        symbolic = rng.random() < 0.5 # only the leading extent: the others appear in constants
        inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [("n%d" % i if k == 0 and symbolic else d) for k, d in enumerate(shape)]))
        feed[name] = rng.standard_normal(shape).astype(np.float32)
    for _ in range(rng.integers(4, 25)):
        step(g)
    outputs = [n.output[0] for n in g.nodes][-3:]
    if not outputs:
        return None, None
    graph = helper.make_graph(g.nodes, "g", inputs, [helper.make_empty_tensor_value_info(o) for o in outputs], g.init)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model, feed


def check(dsc, folder, model, feed):
    path = folder / "model.onnx"
    onnx.save(model, path)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        want = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]).run(None, feed)
    except Exception:
        return None # not a valid graph
    for i, (name, array) in enumerate(feed.items()):
        (folder / ("input_%d.pb" % i)).write_bytes(numpy_helper.from_array(array, name).SerializeToString())
    bits = []
    for threads in (1, 2):
        result = subprocess.run([dsc, "run", path, "--inputs", folder, "--outputs", folder / "out", "--threads", str(threads)], capture_output=True, text=True, timeout=120)
        if result.returncode == 3:
            return None
        if result.returncode:
            return "exit %d: %s" % (result.returncode, result.stderr[-300:])
        bits.append([(folder / "out" / ("output_%d.pb" % i)).read_bytes() for i in range(len(want))])
    if bits[0] != bits[1]:
        return "other bits with 2 threads"
    for i, expected in enumerate(want):
        got = onnx.TensorProto()
        got.ParseFromString(bits[0][i])
        got = numpy_helper.to_array(got)
        finite = np.isfinite(expected)
        if got.shape != expected.shape or not np.array_equal(finite, np.isfinite(got)) or (finite.any() and np.abs(got - expected)[finite].max() > 1e-4 * max(np.abs(expected[finite]).max(), 1e-6)):
            return "output %d differs from ONNX Runtime" % i
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dsc", required=True)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    bad = 0
    for seed in range(args.seed, args.seed + args.count):
        model, feed = random_model(np.random.default_rng(seed))
        if model is None:
            continue
        folder = Path(tempfile.mkdtemp(prefix="dsc-fuzz%d." % seed))
        reason = check(args.dsc, folder, model, feed)
        if reason:
            bad += 1
            print("seed %d: %s (%s)" % (seed, reason, folder), flush=True)
        else:
            subprocess.run(["rm", "-rf", folder])
    print("%d passed, %d failed" % (args.count - bad, bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
