#!/usr/bin/env python3
"""Random control flow against ONNX Runtime: fuzz_control.py --dsc PATH [--count N] [--seed S]. Prints what differs and keeps its files.

Every graph nests If, Loop and Scan over a few values, with fixed or symbolic dimensions; bodies capture what is around them.
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

F, I, B = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


class Block:
    """Nodes of one graph; values are names of float matrices [?, 3], whose number of rows nobody notes."""

    def __init__(self, top, outer=None):
        self.top, self.nodes, self.values, self.numbers, self.outer = top, [], [], [], outer

    def node(self, op, inputs, outputs=1, **attributes):
        names = [self.top.name() for _ in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, **attributes))
        return names[0] if outputs == 1 else names

    def seen(self, kind):
        own = getattr(self, kind)
        return own + (self.outer.seen(kind) if self.outer else [])

    def pick(self, kind="values"):
        names = self.seen(kind)
        return names[self.top.rng.integers(len(names))]

    def graph(self, inputs, outputs):
        infos = [[helper.make_tensor_value_info(v[0], v[1], v[2] if len(v) > 2 else None) for v in values] for values in (inputs, outputs)]
        return helper.make_graph(self.nodes, self.top.name(), *infos)


class Top:
    def __init__(self, rng):
        self.rng, self.n, self.init = rng, 0, []

    def name(self):
        self.n += 1
        return "v%d" % self.n

    def const(self, array):
        name = self.name()
        self.init.append(numpy_helper.from_array(np.asarray(array), name))
        return name


def condition(b):
    """A bool: constant, of a number, or of values."""
    rng, top = b.top.rng, b.top
    kind = rng.integers(4)
    if kind == 0:
        return top.const(np.array(bool(rng.integers(2))))
    if kind == 1:
        return b.node("Less", [b.pick("numbers"), top.const(np.array(int(rng.integers(4))))])
    if kind == 2:
        return b.node("Greater", [b.node("ReduceMean", [b.pick()], keepdims=0), top.const(np.float32(0))])
    rows = b.node("Gather", [b.node("Shape", [b.pick()]), top.const(np.array(0))])
    return b.node("Equal", [b.node("Mod", [rows, top.const(np.array(2))]), top.const(np.array(0))])


def plain(b):
    """An op on values; some change how many rows there are."""
    rng, top = b.top.rng, b.top
    kind = rng.integers(8)
    x = b.pick()
    if kind == 0:
        return b.node(rng.choice(["Tanh", "Neg", "Sigmoid", "Relu", "Identity"]), [x])
    if kind == 1:
        return b.node("Tanh", [b.node("MatMul", [x, top.const(rng.standard_normal((3, 3)).astype(np.float32))])])
    if kind == 2:
        return b.node("Add", [x, top.const(rng.standard_normal((1, 3)).astype(np.float32))])
    if kind == 3:
        return b.node("Mul", [x, b.node("ReduceMax", [b.pick()], axes=[0], keepdims=1)])
    if kind == 4:
        return b.node("Softmax", [x], axis=int(rng.integers(2)))
    if kind == 5:
        return b.node("Slice", [b.node("Concat", [x, b.pick()], axis=0), top.const(np.array([0])), top.const(np.array([int(rng.integers(2, 6))])), top.const(np.array([0]))])
    if kind == 6:
        number = b.node("Cast", [b.pick("numbers")], to=F)
        return b.node("Add", [x, number])
    return b.node("Sub", [x, b.node("ReduceMean", [x], axes=[1], keepdims=1)])


def limited(b, x):
    """At most 8 rows, so that nothing grows without end; never none."""
    return b.node("Slice", [b.node("Concat", [x, b.top.const(np.float32([[1, 2, 3]]))], axis=0), b.top.const(np.array([0])), b.top.const(np.array([8])), b.top.const(np.array([0]))])


def choose(b, depth):
    count = int(b.top.rng.integers(1, 3))
    cond = condition(b)
    graphs = []
    for _ in range(2):
        inner = Block(b.top, b)
        steps(inner, depth - 1, int(b.top.rng.integers(0, 3)))
        results = [inner.node("Identity", [inner.pick()]) for _ in range(count)]
        graphs.append(inner.graph([], [(r, F) for r in results]))
    made = b.node("If", [cond], count, then_branch=graphs[0], else_branch=graphs[1])
    b.values += [made] if count == 1 else made


def loop(b, depth):
    rng, top = b.top.rng, b.top
    carried, stacks = int(rng.integers(0, 4)), int(rng.integers(0, 2))
    limit = top.const(np.array(int(rng.integers(0, 5)))) if rng.random() < 0.7 else b.node("Add", [b.pick("numbers"), top.const(np.array(1))])
    limit = b.node("Min", [limit, top.const(np.array(5))])
    first = [b.pick() for _ in range(carried)]
    inner = Block(top, b)
    args = [top.name() for _ in range(carried + 2)]
    inner.numbers.append(args[0])
    inner.values += args[2:]
    steps(inner, depth - 1, int(rng.integers(1, 4)))
    # what changes is limited; some values change places
    results = [limited(inner, inner.pick()) if rng.random() < 0.6 else inner.node("Identity", [args[2 + rng.integers(carried)]]) for _ in range(carried)]
    stacked = [inner.node("ReduceSum", [inner.pick(), top.const(np.array([0]))], keepdims=0) for _ in range(stacks)]
    more = inner.node("Identity", [args[1]]) if rng.random() < 0.5 else condition(inner)
    more = inner.node("And", [more, args[1]])
    body = inner.graph([(args[0], I, []), (args[1], B, [])] + [(a, F) for a in args[2:]], [(more, B, [])] + [(r, F) for r in results + stacked])
    if not carried + stacks:
        return
    start = "" if rng.random() < 0.5 else condition(b)
    made = b.node("Loop", [limit, start, *first], carried + stacks, body=body)
    b.values += [limited(b, m) for m in ([made] if carried + stacks == 1 else made)]


def scan(b, depth):
    rng, top = b.top.rng, b.top
    carried, x = int(rng.integers(0, 3)), limited(b, b.pick())
    first = [b.node("ReduceMean", [b.pick()], axes=[0], keepdims=1) for _ in range(carried)]
    inner = Block(top, b)
    args = [top.name() for _ in range(carried + 1)]
    inner.values += args[:carried] + [inner.node("Unsqueeze", [args[carried], top.const(np.array([0]))])]
    steps(inner, depth - 1, int(rng.integers(1, 3)))
    means = [inner.node("ReduceMean", [inner.pick()], axes=[0], keepdims=1) for _ in range(carried)]
    stacked = inner.node("ReduceMean", [inner.pick()], axes=[0], keepdims=0)
    body = inner.graph([(a, F, [1, 3]) for a in args[:carried]] + [(args[carried], F, [3])], [(m, F, [1, 3]) for m in means] + [(stacked, F, [3])])
    made = b.node("Scan", [*first, x], carried + 1, body=body, num_scan_inputs=1, scan_input_directions=[int(rng.integers(2))], scan_output_directions=[int(rng.integers(2))])
    b.values += [made] if carried == 0 else made


def steps(b, depth, count):
    for _ in range(count):
        kind = b.top.rng.integers(6) if depth > 0 else 0
        if kind == 3:
            choose(b, depth)
        elif kind == 4:
            loop(b, depth)
        elif kind == 5:
            scan(b, depth)
        else:
            b.values.append(plain(b))


def build(seed):
    rng = np.random.default_rng(seed)
    top = Top(rng)
    b = Block(top)
    symbolic = rng.random() < 0.5
    rows = [int(r) for r in rng.integers(1, 5, 2)]
    b.values, b.numbers = ["x0", "x1"], ["n"]
    steps(b, 3, int(rng.integers(3, 7)))
    inputs = [helper.make_tensor_value_info("x%d" % i, F, ["r%d" % i if symbolic else rows[i], 3]) for i in range(2)] + [helper.make_tensor_value_info("n", I, [])]
    results = [b.node("Identity", [v]) for v in b.values[-3:]]
    graph = helper.make_graph(b.nodes, "g", inputs, [helper.make_tensor_value_info(r, F, None) for r in results], top.init)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    values = [rng.standard_normal((r, 3)).astype(np.float32) for r in rows] + [np.array(int(rng.integers(0, 4)))]
    return model, values


def check(dsc, folder, seed):
    """None when equal, else a reason; "refused", and "" where ONNX Runtime does not run the graph."""
    model, values = build(seed)
    try:
        options = ort.SessionOptions()
        options.log_severity_level = 4
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        wanted = session.run(None, {i.name: v for i, v in zip(model.graph.input, values)})
    except Exception:
        return ""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "model.onnx")
    for i, v in enumerate(values):
        np.save(folder / ("input_%d.npy" % i), v)
    for threads in (1, 2):
        ran = subprocess.run([dsc, "run", folder / "model.onnx", "--inputs", folder, "--outputs", folder, "--threads=%d" % threads, "--verify-each"], capture_output=True, text=True, timeout=120)
        if ran.returncode == 3:
            return "refused: " + ran.stderr.strip()[-200:]
        if ran.returncode:
            return "exit %d: %s" % (ran.returncode, ran.stderr.strip()[-300:])
        for i, want in enumerate(wanted):
            got = np.load(folder / ("output_%d.npy" % i))
            if got.shape != want.shape:
                return "result %d has shape %s instead of %s" % (i, got.shape, want.shape)
            if not np.allclose(got, want, rtol=1e-3, atol=1e-4, equal_nan=True):
                return "result %d differs by %g" % (i, np.nanmax(np.abs(got - want)))
    return None


def campaign(dsc, count, seed, work):
    """(graphs that ran, refused, [what differs])"""
    ran, refused, wrong = 0, 0, []
    for k in range(seed, seed + count):
        reason = check(dsc, work / str(k), k)
        ran += reason is None
        if reason and reason.startswith("refused"):
            refused += 1
        elif reason:
            wrong.append("seed %d: %s" % (k, reason))
    return ran, refused, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dsc", required=True)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="dsc-fuzz-control-"))
    ran, refused, wrong = campaign(options.dsc, options.count, options.seed, work)
    print("\n".join(wrong))
    print("%d equal, %d refused, %d wrong; files in %s" % (ran, refused, len(wrong), work))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
