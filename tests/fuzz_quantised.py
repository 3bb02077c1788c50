#!/usr/bin/env python3
"""Random quantised graphs: fuzz_quantised.py --dsc PATH [--count N] [--seed S]. Prints what differs and keeps its files.

Four kinds: one operator of whole numbers (MatMulInteger, ConvInteger, QLinearMatMul, QLinearConv), whose sums numpy knows exactly; one
convolution or product between dequantised bytes; a chain of such, with what stands between them in real models; a product with weights of 2, 3,
4 or 8 bits in blocks. Zero points are absent, zero, anything, or an input; weights are signed or not, with one scale or one for each channel.

Sums of whole numbers are the same bits however they are computed: at this level, as the levels with instructions for bytes narrow them
(computed here), and, for the first kind, without narrowing. What floats between bytes differ by, may move a result by a step.
"""
import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

LEVELS = ("x86-64-v3-vnni", "x86-64-v4-vnni", "x86-64-v4", "aarch64-dot", "aarch64-i8mm") # narrowed for these, computed at x86-64-v3
ON_ARM = (("aarch64-dot", "cortex-a53"), ("aarch64-i8mm", "neoverse-n1")) # computed there, and a CPU of qemu that lacks their instructions
BYTES = (np.uint8, np.int8)


class Graph:
    def __init__(self, rng):
        self.rng, self.nodes, self.constants, self.inputs, self.n = rng, [], [], [], 0

    def name(self):
        self.n += 1
        return "v%d" % self.n

    def constant(self, array):
        name = self.name()
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def given(self, array):
        name = self.name()
        self.inputs.append((name, np.asarray(array)))
        return name

    def node(self, op, inputs, **attributes):
        name = self.name()
        self.nodes.append(helper.make_node(op, inputs, [name], **attributes))
        return name

    def pick(self, *choices):
        return choices[self.rng.integers(len(choices))]

    def numbers(self, dtype, shape):
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        if dtype == np.int8 and self.rng.random() < 0.3:
            low, high = -64, 64 # what sums of two products in 16 bits are for
        if self.rng.random() < 0.2:
            return self.rng.choice([low, high, 0], shape).astype(dtype)
        return self.rng.integers(low, high + 1, shape).astype(dtype)

    def save(self, folder, output, dtype, symbolic=False):
        infos = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), ["rows", *a.shape[1:]] if symbolic else a.shape)
                 for n, a in self.inputs]
        outputs = [helper.make_tensor_value_info(output, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), None)]
        model = helper.make_model(helper.make_graph(self.nodes, "quantised", infos, outputs, self.constants),
                                  opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)], ir_version=10)
        folder.mkdir(parents=True, exist_ok=True)
        onnx.save(model, str(folder / "graph.onnx"))
        for i, (_, array) in enumerate(self.inputs):
            np.save(folder / ("input_%d.npy" % i), array)


def zero_point(g, dtype, shape=()):
    """The value, or None for one that is left out."""
    kind = g.pick("absent", "zero", "any", "any")
    if kind == "absent":
        return None
    return np.zeros(shape, dtype) if kind == "zero" else g.numbers(dtype, shape)


def place(g, value, runtime):
    return g.given(value) if runtime and g.rng.random() < 0.3 else g.constant(value)


def window(g, spatial):
    kernel = [int(g.rng.integers(1, 4)) for _ in range(spatial)]
    return {"kernel_shape": kernel, "strides": [int(g.rng.integers(1, 3))] * spatial, "dilations": [int(g.pick(1, 1, 2))] * spatial,
            "pads": [int(g.rng.integers(0, 2)) for _ in range(2 * spatial)]}


def convolution_shapes(g, channels=None):
    rng = g.rng
    spatial = int(g.pick(2, 2, 2, 1))
    attributes = window(g, spatial)
    group = int(g.pick(1, 1, 1, 2, 4))
    inputs = channels or group * int(g.pick(1, 2, 3, 4, 5, 8, 16))
    if inputs % group:
        group = 1
    if rng.random() < 0.25:
        group = inputs
    outputs = group * int(g.pick(1, 1, 2, 3, 8)) if group > 1 else int(g.pick(1, 3, 4, 16, 17, 32, 40, 1100))
    attributes["group"] = group
    extents = [int(rng.integers((k - 1) * d + 1, 14)) for k, d in zip(attributes["kernel_shape"], attributes["dilations"])]
    return (int(g.pick(1, 1, 2)), inputs, *extents), (outputs, inputs // group, *attributes["kernel_shape"]), attributes


def exact_convolution(x, w, attributes):
    spatial, group = x.ndim - 2, attributes["group"]
    before, after = attributes["pads"][:spatial], attributes["pads"][spatial:]
    x = np.pad(x, [(0, 0), (0, 0)] + list(zip(before, after)))
    reach = [(k - 1) * d + 1 for k, d in zip(w.shape[2:], attributes["dilations"])]
    out = [(n - r) // s + 1 for n, r, s in zip(x.shape[2:], reach, attributes["strides"])]
    y = np.zeros((x.shape[0], w.shape[0], *out), np.int64)
    for at in np.ndindex(*w.shape[2:]):
        cut = tuple(slice(a * d, a * d + s * n, s) for a, d, s, n in zip(at, attributes["dilations"], attributes["strides"], out))
        part = x[(slice(None), slice(None)) + cut]
        for i in range(group):
            ci, co = x.shape[1] // group, w.shape[0] // group
            taps = w[(slice(i * co, (i + 1) * co), slice(None)) + at].astype(np.int64)
            y[:, i * co:(i + 1) * co] += np.einsum("oc,nc...->no...", taps, part[:, i * ci:(i + 1) * ci])
    return y


def requantised(sums, scales, zero, dtype):
    sx, sw, sy = scales
    factor = (np.float32(sx) * sw.astype(np.float32)).astype(np.float32) / np.float32(sy)
    v = np.rint((sums.astype(np.int32).astype(np.float32) * factor).astype(np.float32)) + np.float32(0 if zero is None else zero)
    return np.clip(v, np.iinfo(dtype).min, np.iinfo(dtype).max).astype(dtype)


def whole_numbers(g):
    """One operator, and what numpy says of it."""
    rng, linear, runtime = g.rng, g.rng.random() < 0.5, g.rng.random() < 0.5
    xt, wt = g.pick(*BYTES), g.pick(*BYTES)
    convolves = rng.random() < 0.5
    if convolves:
        xs, ws, attributes = convolution_shapes(g)
        channels, axis = ws[0], (slice(None),) + (None,) * (len(ws) - 1)
    else:
        m, k, n = int(g.pick(1, 2, 5, 7, 33)), int(g.pick(1, 3, 4, 8, 13, 64, 130)), int(g.pick(1, 5, 8, 16, 17, 50))
        xs, ws, attributes, channels, axis = (m, k), (k, n), {}, n, (None, slice(None))
    x, w = g.numbers(xt, xs), g.numbers(wt, ws)
    zx, zw = zero_point(g, xt), zero_point(g, wt, (channels,) if rng.random() < 0.4 else ())
    if linear:
        zx, zw = (np.zeros((), xt) if zx is None else zx), (np.zeros((), wt) if zw is None else zw)
    if zx is None and zw is not None:
        zx = np.zeros((), xt)
    a = x.astype(np.int64) - (0 if zx is None else int(zx))
    b = w.astype(np.int64) - (0 if zw is None else zw.astype(np.int64)[axis] if zw.ndim else int(zw))
    sums = exact_convolution(a, b, attributes) if convolves else a @ b
    names = [g.given(x)]
    wn = place(g, w, runtime)
    zeros = [place(g, z, runtime) if z is not None else "" for z in (zx, zw)]
    if not linear:
        ins = names + [wn] + zeros
        while ins[-1] == "":
            ins.pop()
        return g.node("ConvInteger" if convolves else "MatMulInteger", ins, **attributes), np.int32, sums.astype(np.int32)
    yt = xt
    zy = g.numbers(yt, ())
    sw = (rng.random(channels if rng.random() < 0.5 else ()) * 0.02 + 0.001).astype(np.float32)
    sx, sy = np.float32(rng.random() * 0.1 + 0.01), np.float32(rng.random() * 2 + 0.05)
    shaped = sw if sw.ndim == 0 else sw[(None, slice(None)) + (None,) * (len(ws) - 2)] if convolves else sw[None, :]
    ins = [names[0], g.constant(sx), zeros[0], wn, g.constant(sw), zeros[1], g.constant(sy), place(g, zy, runtime)]
    if convolves and rng.random() < 0.5:
        bias = rng.integers(-2000, 2000, channels).astype(np.int32)
        sums = sums + bias[(None, slice(None)) + (None,) * (len(ws) - 2)]
        ins.append(g.constant(bias))
    return g.node("QLinearConv" if convolves else "QLinearMatMul", ins, **attributes), yt, requantised(sums, (sx, shaped, sy), zy, yt)


def quantise(g, v, dtype, runtime=False):
    scale, zero = g.constant(np.float32(g.rng.random() * 0.1 + 0.02)), zero_point(g, dtype)
    zero = place(g, np.zeros((), dtype) if zero is None else zero, runtime)
    return g.node("QuantizeLinear", [v, scale, zero]), scale, zero


def dequantised(g, v, dtype, runtime=False):
    return g.node("DequantizeLinear", list(quantise(g, v, dtype, runtime)))


def weights(g, shape, channels, axis):
    wt = g.pick(np.int8, np.int8, np.uint8)
    many = g.rng.random() < 0.5
    scale = (g.rng.random(channels if many else ()) * 0.01 + 0.002).astype(np.float32)
    zero = np.full(scale.shape, 128, wt) if wt is np.uint8 and g.rng.random() < 0.6 else zero_point(g, wt, scale.shape)
    ins = [g.constant(g.numbers(wt, shape)), g.constant(scale)] + ([] if zero is None else [g.constant(zero)])
    return g.node("DequantizeLinear", ins, axis=axis)


def layer(g, v, shape):
    """A convolution between bytes, and what may stand behind it."""
    runtime = g.rng.random() < 0.2
    _, ws, attributes = convolution_shapes(g, shape[1])
    if any((k - 1) * d + 1 > n for k, d, n in zip(ws[2:], attributes["dilations"], shape[2:])) or len(ws) != len(shape):
        ws, attributes = (8, shape[1]) + (1,) * (len(shape) - 2), {"kernel_shape": [1] * (len(shape) - 2), "group": 1}
    ins = [dequantised(g, v, g.pick(*BYTES), runtime), weights(g, ws, ws[0], 0)]
    if g.rng.random() < 0.5:
        bias = g.rng.integers(-500, 500, ws[0]).astype(np.int32)
        ins.append(g.node("DequantizeLinear", [g.constant(bias), g.constant(np.float32(0.0004))]))
    v = g.node("Conv", ins, **attributes)
    behind = g.pick("none", "relu", "clip", "clip of bytes", "pool", "add", "concat")
    if behind == "relu":
        v = g.node("Relu", [v])
    elif behind.startswith("clip"):
        dtype = g.pick(*BYTES)
        again = quantise(g, v, dtype) if behind == "clip of bytes" else None
        v = g.node("DequantizeLinear", list(again)) if again else v
        v = g.node("Clip", [v, g.constant(np.float32(0)), g.constant(np.float32(6))])
        v = g.node("DequantizeLinear", [g.node("QuantizeLinear", [v, again[1], again[2]]), again[1], again[2]]) if again else v
    elif behind == "pool":
        v = g.node("MaxPool", [dequantised(g, v, g.pick(*BYTES))], kernel_shape=[2] * (len(ws) - 2), pads=[1] * (2 * len(ws) - 4))
    elif behind == "add":
        v = g.node("Add", [dequantised(g, v, np.uint8), dequantised(g, g.node("Sigmoid", [v]), np.uint8)])
    elif behind == "concat":
        v = g.node("Concat", [dequantised(g, v, np.uint8), dequantised(g, g.node("Neg", [v]), np.int8)], axis=1)
    return v


def chain(g, layers):
    xs, _, _ = convolution_shapes(g)
    v, shape = g.given((g.rng.random(xs) * 4 - 2).astype(np.float32)), xs
    for _ in range(layers):
        v = layer(g, v, shape)
        g_shape = onnx.shape_inference.infer_shapes(helper.make_model(helper.make_graph(
            g.nodes, "s", [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape) for n, a in g.inputs],
            [helper.make_tensor_value_info(v, onnx.TensorProto.FLOAT, None)], g.constants), opset_imports=[helper.make_opsetid("", 21)]))
        shape = tuple(d.dim_value for d in g_shape.graph.output[0].type.tensor_type.shape.dim)
    if g.rng.random() < 0.3:
        v = g.node("GlobalAveragePool", [v])
    scale, zero = g.constant(np.float32(0.05)), g.constant(np.uint8(100))
    return g.node("QuantizeLinear", [v, scale, zero]), np.uint8, None


def product(g):
    m, k, n = int(g.pick(1, 2, 6, 40)), int(g.pick(1, 4, 9, 64)), int(g.pick(1, 8, 17, 48))
    batch = (int(g.pick(1, 3)),) if g.rng.random() < 0.4 else ()
    a = dequantised(g, g.given((g.rng.random(batch + (m, k)) * 4 - 2).astype(np.float32)), g.pick(*BYTES), g.rng.random() < 0.3)
    if g.rng.random() < 0.3:
        b = dequantised(g, g.given((g.rng.random(batch + (k, n)) * 4 - 2).astype(np.float32)), g.pick(*BYTES))
    else:
        b = weights(g, (k, n), n, 1)
    return g.node("QuantizeLinear", [g.node("MatMul", [a, b]), g.constant(np.float32(0.05)), g.constant(np.uint8(100))]), np.uint8, None


def taken_apart(packed, bits):
    """The numbers of each row, which follow each other, low bits first; what is left of the last byte is none."""
    rows = np.unpackbits(packed.reshape(len(packed), -1), axis=1, bitorder="little")
    each = rows[:, :rows.shape[1] // bits * bits].reshape(len(packed), -1, bits)
    return (each << np.arange(bits)).sum(-1)


def in_blocks(g):
    """A product with weights of few bits: node, what it is by definition, and how large its terms are."""
    bits, size, level = int(g.pick(2, 3, 3, 4, 4, 4, 8)), int(g.pick(16, 32, 64, 128, 256)), int(g.pick(0, 1, 4, 4))
    m, k, n = int(g.pick(1, 1, 2, 4, 7, 33, 200)), int(g.pick(32, 40, 64, 128, 129, 256, 640)), int(g.pick(1, 5, 16, 17, 48, 100, 257))
    blocks, zeros = -(-k // size), g.pick("absent", "packed", "floats" if bits < 8 else "packed") # ONNX Runtime has no others
    x = g.rng.standard_normal((m, k)).astype(np.float32)
    if g.rng.random() < 0.2:
        x[:, :min(k, size)] = 0
    packed, scale = g.numbers(np.uint8, (n, blocks, size * bits // 8)), (g.rng.random((n, blocks)) * 0.02 + 0.002).astype(np.float32)
    ins, zero = [g.given(x), g.constant(packed), g.constant(scale)], np.full((n, blocks), 2.0 ** (bits - 1))
    if zeros == "packed":
        bytes_of_zeros = g.numbers(np.uint8, (n, -(-blocks * bits // 8)))
        zero = taken_apart(bytes_of_zeros, bits)[:, :blocks].astype(np.float64)
        ins.append(g.constant(bytes_of_zeros))
    elif zeros == "floats":
        zero = (g.rng.random((n, blocks)) * 2 ** bits).astype(np.float32)
        ins.append(g.constant(zero))
    w = ((taken_apart(packed, bits) - zero.repeat(size, 1)) * scale.astype(np.float64).repeat(size, 1))[:, :k]
    bias = g.rng.standard_normal(n).astype(np.float32) if g.rng.random() < 0.4 else None
    if bias is not None:
        ins += [""] * (5 - len(ins)) + [g.constant(bias)]
    left = x.astype(np.float64)
    if level == 4 and bits == 4 and k % size == 0: # narrowed to bytes, block by block
        parts = x.reshape(m, -1, size)
        scales = np.abs(parts).max(-1, keepdims=True) / np.float32(127)
        left = (np.rint(parts / np.where(scales == 0, np.float32(1), scales)) * scales.astype(np.float64)).reshape(m, k)
    added = 0 if bias is None else bias
    y = g.node("MatMulNBits", ins, domain="com.microsoft", K=k, N=n, bits=bits, block_size=size, accuracy_level=level)
    return y, left @ w.T + added, x @ w.T + added, np.abs(left) @ np.abs(w.T) + np.abs(added)


KERNELS = {2, 4, 8} # bits for which ONNX Runtime has one


def differs_in_blocks(dsc, folder, rounded, exact, size, runtime):
    """None where dsc computes a product in blocks as it is defined at every level, and ONNX Runtime does about the same; else a reason."""
    model = folder / "graph.onnx"
    runs = [("--cpu=native",), ("--cpu=native", "--threads=2"), ("--cpu=x86-64-v3",), ("--cpu=x86-64",), ("--without=narrow",)]
    got = [run(dsc, folder, model, *flags, "--verify-each") for flags in runs]
    for flags, y in zip(runs, got):
        if isinstance(y, str):
            return "%s: %s" % (flags, y)
        error = (np.abs(y - (exact if flags[0] == "--without=narrow" else rounded)) / (size + 1e-30)).max()
        if error > 2e-6:
            return "%s: differs from numpy by %g of its terms" % (flags, error)
    if not np.array_equal(got[0], got[1]):
        return "other bits by two threads"
    if not KERNELS & {a.i for node in onnx.load(model).graph.node for a in node.attribute if a.name == "bits"}:
        return None
    session = runtime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    theirs = session.run(None, {session.get_inputs()[0].name: np.load(folder / "input_0.npy")})[0]
    apart = (np.abs(got[0] - theirs) / (size + 1e-30)).max()
    return "differs from ONNX Runtime by %g of its terms" % apart if apart > 0.02 else None


def campaign_in_blocks(dsc, count, seed, work):
    """(graphs, [what differs])"""
    import onnxruntime
    wrong = []
    for i in range(count):
        g = Graph(np.random.default_rng([seed, i]))
        output, rounded, exact, size = in_blocks(g)
        folder = work / ("blocks_%d" % i)
        g.save(folder, output, np.float32, symbolic=g.rng.random() < 0.3)
        reason = differs_in_blocks(dsc, folder, rounded, exact, size, onnxruntime)
        if reason:
            wrong.append("%s: %s" % (folder, reason))
    return count, wrong


def run(dsc, folder, model, *flags):
    """The result, or a text that says what went wrong."""
    ran = subprocess.run([dsc, "run", model, "--inputs", folder, "--outputs", folder / "out", *flags], capture_output=True, text=True, timeout=300)
    return np.load(folder / "out/output_0.npy") if ran.returncode == 0 else "exit %d: %s" % (ran.returncode, ran.stderr.strip()[-300:])


def on_arm(dsc, folder, level, cpu="max", model="graph.onnx", flags=()):
    """The result of a program for an Arm level with products of bytes, under qemu; or a text that says what went wrong."""
    program = folder / "program"
    made = subprocess.run([dsc, "compile", folder / model, "--cpu=" + level, "--emit=exe", "-o", program, *flags], capture_output=True, text=True, timeout=300)
    if made.returncode:
        return made.stderr.strip()[-300:]
    inputs = sorted(folder.glob("input_*.npy"), key=lambda path: int(path.stem[6:]))
    (folder / "arm").mkdir(exist_ok=True)
    ran = subprocess.run(["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu", "-cpu", cpu, program, "--outputs=%s" % (folder / "arm"), *inputs],
                         capture_output=True, text=True, timeout=300)
    return np.load(next((folder / "arm").glob("*.npy"))) if ran.returncode == 0 else "exit %d: %s" % (ran.returncode, ran.stderr.strip()[-300:])


def differs(dsc, folder, expected):
    """None where all agree, else a reason."""
    model, v3 = folder / "graph.onnx", "--cpu=x86-64-v3"
    got, plain = run(dsc, folder, model, v3), run(dsc, folder, model, v3, "--without=narrow")
    for what in (got, plain):
        if isinstance(what, str):
            return what
    if expected is not None and not np.array_equal(got, expected):
        return "numpy says otherwise in %d of %d" % ((got != expected).sum(), expected.size)
    if expected is not None and not np.array_equal(plain, expected):
        return "without narrow numpy says otherwise in %d of %d" % ((plain != expected).sum(), expected.size)
    steps = np.abs(got.astype(int) - plain.astype(int))
    if expected is None and steps.size and (steps.max() > 6 or (steps > 1).mean() > 0.02):
        return "differs from floats by up to %d steps" % steps.max()
    for level in LEVELS:
        text = folder / "narrowed.mlir"
        made = subprocess.run([dsc, "opt", model, "--cpu", level, "--stop-after=fuse", "--verify-each", "-o", text], capture_output=True, text=True, timeout=300)
        other = run(dsc, folder, text, v3) if made.returncode == 0 else made.stderr.strip()[-300:]
        if isinstance(other, str):
            return "%s: %s" % (level, other)
        if not np.array_equal(other, got):
            return "narrowed for %s it differs in %d of %d" % (level, (other != got).sum(), got.size)
    return None


def graphs(count, seed, work):
    """Makes graph after graph: its folder, and what numpy says of it or None."""
    for i in range(count):
        g = Graph(np.random.default_rng([seed, i]))
        kind = ("whole", "product", "layer", "chain")[i % 4]
        output, dtype, expected = whole_numbers(g) if kind == "whole" else product(g) if kind == "product" else chain(g, 1 if kind == "layer" else int(g.rng.integers(2, 5)))
        folder = work / ("%s_%d" % (kind, i))
        g.save(folder, output, dtype)
        yield folder, expected


def campaign_on_arm(dsc, count, seed, work):
    """(graphs, [what differs from x86-64-v3])"""
    wrong, folder = [], None
    for folder, _ in graphs(count, seed, work):
        here = run(dsc, folder, folder / "graph.onnx", "--cpu=x86-64-v3")
        for level, _ in ON_ARM:
            there = on_arm(dsc, folder, level)
            if isinstance(there, str) or not np.array_equal(here, there):
                wrong.append("%s, %s: %s" % (folder, level, there if isinstance(there, str) else "other bits"))
    for level, cpu in ON_ARM:
        lesser = on_arm(dsc, folder, level, cpu)
        if not isinstance(lesser, str) or "lacks instructions" not in lesser:
            wrong.append("%s on a CPU without its instructions: %s" % (level, lesser))
    return count, wrong


def campaign(dsc, count, seed, work):
    """(graphs, [what differs])"""
    wrong = []
    for folder, expected in graphs(count, seed, work):
        reason = differs(dsc, folder, expected)
        if reason:
            wrong.append("%s: %s" % (folder, reason))
    return count, wrong


def by_hand(doc, name, default, *campaigns):
    """From the command line: of each campaign the graphs that it is given a part of the count for."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dsc", type=Path, required=True)
    parser.add_argument("--count", type=int, default=default)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    work, count, wrong = Path(tempfile.mkdtemp(prefix="dsc_%s_" % name)), 0, []
    for run_campaign, part in campaigns:
        graphs_run, differ = run_campaign(options.dsc, options.count // part, options.seed, work)
        count, wrong = count + graphs_run, wrong + differ
    print("\n".join(wrong))
    print("%d graphs, %d wrong; files in %s" % (count, len(wrong), work))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(by_hand(__doc__, "quantised", 200, (campaign, 1), (campaign_in_blocks, 4)))
