#!/usr/bin/env python3
"""dsc quantize beside NumPy: calibration.py --dsc PATH [--count N] [--seed S].

Random networks (convolutions of any group, products with constants and between values, attention) run on samples in ONNX Runtime, which
gives every intermediate tensor; ranges, means and variances must be those that NumPy computes of them, with every observer, per tensor and
per channel. Observing must not change a bit of what a model gives: random graphs, loops and branches. Files that are no samples, options that
make no sense and damaged archives are errors.
"""
import argparse
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).resolve().parent.parent
OBSERVERS = ["minmax", "moving-average", "percentile", "kl", "mse"]
BINS = {False: 4096, True: 512}  # of a tensor, of a channel


# ---- networks, and what ONNX Runtime makes of them ----

class Network:
    def __init__(self, rng):
        self.rng, self.nodes, self.init, self.n = rng, [], [], 0

    def const(self, *shape):
        name = "w%d" % len(self.init)
        self.init.append(numpy_helper.from_array((self.rng.standard_normal(shape) / 3).astype(np.float32), name))
        return name

    def node(self, op, *inputs, **attributes):
        self.n += 1
        self.nodes.append(helper.make_node(op, list(inputs), ["v%d" % self.n], name="/part/%s_%d" % (op, self.n), **attributes))
        return "v%d" % self.n


def convolutions(g, x, channels):
    for _ in range(int(g.rng.integers(1, 4))):
        kind, kernel = g.rng.integers(3), int(g.rng.choice([1, 3]))
        group = channels if kind == 0 else 2 if kind == 1 else 1
        wide = channels if kind == 0 else int(g.rng.choice([4, 8, 12]))
        operands = [x, g.const(wide, channels // group, kernel, kernel)] + ([g.const(wide)] if g.rng.random() < 0.7 else [])
        x, channels = g.node("Conv", *operands, group=group, pads=[kernel // 2] * 4), wide
        if g.rng.random() < 0.7:
            x = g.node("Relu", x)
    return x, channels


def network(seed):
    """A model, whose first input is of samples, and how large one is."""
    rng = np.random.default_rng(seed)
    g, channels, size = Network(rng), int(rng.choice([2, 4, 6])), int(rng.choice([4, 6, 9]))
    start = channels
    x, channels = convolutions(g, "image", channels)
    flat = g.node("Flatten", x, axis=1)
    wide = channels * size * size
    y = g.node("Gemm", flat, g.const(10, wide), g.const(10), transB=1)
    tokens = g.node("Transpose", g.node("Reshape", x, "shape"), perm=[0, 2, 1])
    query, key = (g.node("MatMul", tokens, g.const(channels, 5)) for _ in range(2))
    scores = g.node("Softmax", g.node("MatMul", query, g.node("Transpose", key, perm=[0, 2, 1])), axis=-1)
    z = g.node("MatMul", scores, tokens)
    g.init.append(numpy_helper.from_array(np.array([0, channels, size * size], np.int64), "shape"))
    fixed = rng.random() < 0.5
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1 if fixed else "batch", start, size, size])
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in (y, z)]
    model = helper.make_model(helper.make_graph(g.nodes, "g", [image], outputs, g.init), opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model, (start, size, size)


def tensors(model, samples):
    """name -> its value for each sample; and of constants the value."""
    import onnxruntime as ort
    ort.set_default_logger_severity(4)
    every = onnx.ModelProto.FromString(model.SerializeToString())
    have = {o.name for o in every.graph.output}
    for node in every.graph.node:
        every.graph.output.extend(onnx.ValueInfoProto(name=o) for o in node.output if o not in have)
    session = ort.InferenceSession(every.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    found = {name: [] for name in names}
    for sample in samples:
        for name, value in zip(names, session.run(names, {session.get_inputs()[0].name: sample})):
            found[name].append(value)
    found[model.graph.input[0].name] = list(samples)
    return found, {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}


def keys(model):
    """The key of each factor and result, and the tensor that it is of."""
    for node in model.graph.node:
        if node.op_type in ("Conv", "MatMul", "Gemm"):
            yield "%s:0" % node.name, node.input[0]
            yield "%s:1" % node.name, node.input[1]
            yield "%s:out" % node.name, node.output[0]


# ---- observers ----

def counted(values, end, bins):
    x = np.concatenate([v.ravel() for v in values]).astype(np.float64)
    return np.histogram(np.clip(x, -end, end), bins, (-end, end))[0] if end else np.zeros(bins, int)


def holds(values, got, width, by):
    """As much as is to be cut off lies beyond each end of the range, give or take a bin."""
    x = np.concatenate([v.ravel() for v in values]).astype(np.float64)
    cut = x.size * (100 - by) / 200
    return all((y < end - width).sum() <= cut + 1e-6 and (y <= end + width).sum() >= cut - 1e-6 for y, end in ((x, got[0]), (-x, -got[1])))


def cuts(low, high, end, bins):
    """Candidates, widest first; equal ones count once."""
    for k in range(bins // 32, 0, -1):
        cut = end * k / (bins // 32)
        yield k, max(low, -cut), min(high, cut)


def square_error(counts, end, low, high, bits):
    centres = -end + (np.arange(len(counts)) + 0.5) * 2 * end / len(counts)
    low, high = min(low, 0), max(high, 0)
    step = (high - low) / (2 ** bits - 1)
    clipped = np.clip(centres, low, high)
    rounded = low + np.rint((clipped - low) / step) * step if step else clipped
    return (counts * (centres - rounded) ** 2).sum()


def divergence(counts, kept, bits):
    half, steps = len(counts) // 2, 2 ** (bits - 1)
    if kept < steps:
        return np.inf
    m = (counts[half:] + counts[:half][::-1]).astype(float)
    if not m[:kept].sum():
        return np.inf
    p, q = m[:kept].copy(), np.full(kept, 1e-12)
    p[-1] += m[kept:].sum()
    for g in range(steps):
        part = slice(g * kept // steps, (g + 1) * kept // steps)
        filled = m[part] > 0
        if filled.any():
            q[part] = np.where(filled, m[part].sum() / filled.sum() / m[:kept].sum(), 1e-12)
    p /= p.sum()
    return (p[p > 0] * np.log(p[p > 0] / q[p > 0])).sum()


def judged(observer, values, got, channel, scale):
    """Why a range is not what the observer should have chosen; None where it is, or where rounding of the whole tensor decides."""
    low, high = float(min(v.min() for v in values)), float(max(v.max() for v in values))
    end, bins = max(abs(low), abs(high)), BINS[channel]
    if end < 1e-2 * scale:
        return None
    close = lambda a, b: abs(a - b) <= 1e-5 * end + 2e-5 * scale
    if observer == "percentile":
        return None if holds(values, got, 2 * end / bins, 95) else "%s does not hold 95 %%" % (got,)
    counts, bits = counted(values, end, bins), 6
    costs = [(square_error(counts, end, a, b, bits) if observer == "mse" else divergence(counts, bins // 2 * k // (bins // 32), bits), a, b)
             for k, a, b in cuts(low, high, end, bins) if a <= b]
    mine = [c for c, a, b in costs if close(got[0], a) and close(got[1], b)]
    least = min(c for c, _, _ in costs)
    if np.isinf(least):
        mine = mine or [least if close(got[0], low) and close(got[1], high) else np.nan]
    # a value on the edge of two bins may be counted in the other one
    return None if mine and (min(mine) <= 1.02 * least + 1e-9 or np.isinf(least)) else "%s costs %s, the best %g" % (got, mine, least)


def expected_ends(observer, values):
    ends = np.array([(v.min(), v.max()) for v in values], np.float64)
    if observer != "moving-average":
        return ends[:, 0].min(), ends[:, 1].max()
    merged = ends[0]
    for now in ends[1:]:
        merged = 0.75 * merged + 0.25 * now
    return tuple(merged)


def misfit(entry, values, observer, per):
    """Why an entry is not what the values (one array a sample) make it; None where it is."""
    x = np.concatenate([v.ravel() for v in values]).astype(np.float64)
    scale = np.abs(x).max() + 1e-30
    near = lambda a, b: abs(a - b) <= 2e-5 * scale
    if not near(entry["observed_min"], x.min()) or not near(entry["observed_max"], x.max()) or entry["count"] != x.size:
        return "seen %s, not %g to %g of %d" % (entry, x.min(), x.max(), x.size)
    if not near(entry["mean"], x.mean()) or abs(entry["variance"] - x.var()) > 1e-4 * scale * scale:
        return "mean and variance %g, %g, not %g, %g" % (entry["mean"], entry["variance"], x.mean(), x.var())
    parts = [((entry["min"], entry["max"]), values, False)]
    if per == "channel" and "axis" in entry:
        axis = entry["axis"]
        if len(entry["channel_min"]) != values[0].shape[axis]:
            return "%d channels of %s" % (len(entry["channel_min"]), values[0].shape)
        parts += [((a, b), [np.take(v, c, axis) for v in values], True) for c, (a, b) in enumerate(zip(entry["channel_min"], entry["channel_max"]))]
    elif "axis" in entry and not entry.get("constant"):
        return "channels were not asked for"
    for got, part, channel in parts:
        if observer in ("minmax", "moving-average"):
            want = expected_ends(observer, part)
            if not near(got[0], want[0]) or not near(got[1], want[1]):
                return "%s instead of %s" % (got, want)
        else:
            reason = judged(observer, part, got, channel, scale)
            if reason:
                return ("channel: " if channel else "") + reason
    return None


OPTIONS = {"minmax": [], "moving-average": ["--momentum=0.75"], "percentile": ["--percentile=95"], "kl": ["--bits=6"], "mse": ["--bits=6"]}


def sh(*args, **kw):
    return subprocess.run([str(a) for a in args], capture_output=True, text=True, errors="replace", timeout=280, **kw)


def check_network(dsc, model, samples, work, observer, per, calib):
    """None, or what is wrong."""
    path = work / "ranges.json"
    ran = sh(dsc, "quantize", work / "model.onnx", "--calib", calib, "--observer", observer, *OPTIONS[observer], "--per", per, "-o", path)
    if ran.returncode or ran.stderr:
        return "exit %d: %s" % (ran.returncode, ran.stderr)
    found = json.loads(path.read_text())
    values, constants = tensors(model, samples)
    if found["samples"] != len(samples) or not found["observer"].startswith(observer) or found["model"] != "model.onnx":
        return "the header is %s" % {k: found[k] for k in found if k != "values"}
    want = dict(keys(model))
    if sorted(want) != list(found["values"]):
        return "values are %s instead of %s" % (list(found["values"]), sorted(want))
    for key, tensor in want.items():
        entry = found["values"][key]
        fixed = tensor in constants
        if fixed != entry.get("constant", False):
            return "%s: is constant, or is not" % key
        reason = misfit(entry, [constants[tensor]], "minmax", "channel") if fixed else misfit(entry, values[tensor], observer, per)
        if reason:
            return "%s: %s" % (key, reason)
        if per == "channel" and key.endswith(":0") and "Conv" in key and entry["axis"] != 1 or "Conv" in key and fixed and entry["axis"] != 0:
            return "%s has its channels along %s" % (key, entry.get("axis"))
    return None


def write_samples(work, samples, kind):
    """As a folder of folders, or an archive of one of several forms."""
    if kind == "folders":
        for i, sample in enumerate(samples):
            folder = work / "samples" / ("s%02d" % i)
            folder.mkdir(parents=True, exist_ok=True)
            np.save(folder / "input_0.npy", sample)
        return work / "samples"
    path = work / "samples.npz"
    if kind == "stacked":
        np.savez(path, image=np.stack(samples))
    else:
        np.savez(path, np.concatenate(samples)) if kind == "unnamed" else np.savez(path, input_0=np.concatenate(samples))
    return path


def check_random(dsc, seed, work):
    model, shape = network(seed)
    rng = np.random.default_rng(seed)
    samples = [(rng.standard_normal((1, *shape)) * (1 + i)).astype(np.float32) for i in range(4)]
    work.mkdir(parents=True, exist_ok=True)
    onnx.save(model, work / "model.onnx")
    kinds = ["folders", "stacked", "unnamed", "numbered"]
    calib = write_samples(work, samples, kinds[seed % len(kinds)])
    for observer in OBSERVERS:
        for per in ("tensor", "channel"):
            reason = check_network(dsc, model, samples, work, observer, per, calib)
            if reason:
                return "%s per %s: %s" % (observer, per, reason)
    return None


# ---- bits ----

def sums_in_order(dsc, model, work):
    """Whether each kernel has one product at most, whose sums have the order that they have alone."""
    kernels = json.loads(sh(dsc, "compile", model, "--cpu=native", "--report", "--json", "-o", work / "m.o").stdout)["kernels"]
    return all(len(re.findall(r"matmul|conv|winograd", k["what"])) < 2 and "turns of" not in k["what"] for k in kernels)


def instrumented(dsc, model, work, how, inputs):
    """What is wrong with the results of the model that observes; "" where there is no such model; None. They have the same bits, but where
    kernels of several products are taken apart: these sum in another order."""
    plain, seen = work / "plain.mlir", work / "seen.mlir"
    ran = sh(dsc, "opt", model, "--stop-after=winograd", "-o", plain)
    if ran.returncode:
        return ""
    seen.write_text(plain.read_text().replace("module attributes {", 'module attributes {ds.observe = "%s", ' % how, 1))
    if (work / "plain.safetensors").exists():
        (work / "seen.safetensors").write_bytes((work / "plain.safetensors").read_bytes())
    for text in (plain, seen):
        ran = sh(dsc, "run", text, "--inputs", inputs, "--outputs", work / text.stem, "--verify-each")
        if ran.returncode:
            return "%s: exit %d: %s" % (text.stem, ran.returncode, ran.stderr)
    count = len(list((work / "plain").glob("output_*.npy")))
    for i in range(count):
        a, b = (np.load(work / name / ("output_%d.npy" % i)) for name in ("plain", "seen"))
        if a.tobytes() == b.tobytes():
            continue
        if a.shape != b.shape or sums_in_order(dsc, plain, work):
            return "result %d has other bits" % i
        if not np.allclose(a, b, rtol=1e-4, atol=1e-5 * np.nanmax(np.abs(a), initial=0), equal_nan=True):
            return "result %d differs by %g" % (i, np.nanmax(np.abs(a - b)))
    return None


def check_bits(dsc, seed, work):
    """A random graph, with control flow or of all operators."""
    import fuzz_control
    from fuzz_graphs.make import make
    work.mkdir(parents=True, exist_ok=True)
    if seed % 2:
        model, values = fuzz_control.build(seed)
    else:
        case = make(seed, ["products", "images", "attention", None][seed // 2 % 4])
        if case is None:
            return ""
        model, values = case.model, [case.feed[i.name] for i in case.model.graph.input if i.name in case.feed]
    onnx.save(model, work / "model.onnx")
    for i, v in enumerate(values):
        np.save(work / ("input_%d.npy" % i), v)
    return instrumented(dsc, work / "model.onnx", work, "ranges", work)


def nested(work):
    """A loop with a product in it, and a branch with another; both sides are known by hand."""
    rng = np.random.default_rng(5)
    w, v = (rng.standard_normal((3, 3)).astype(np.float32) for _ in range(2))
    f, i, b = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
    info = helper.make_tensor_value_info
    body = helper.make_graph([helper.make_node("MatMul", ["h", "w"], ["p"], name="step"), helper.make_node("Tanh", ["p"], ["h2"]), helper.make_node("Identity", ["go"], ["go2"])], "body",
                             [info("turn", i, []), info("go", b, []), info("h", f, [2, 3])], [info("go2", b, []), info("h2", f, [2, 3])])
    then = helper.make_graph([helper.make_node("MatMul", ["r", "v"], ["t"], name="then")], "then", [], [info("t", f, [2, 3])])
    other = helper.make_graph([helper.make_node("Neg", ["r"], ["e"])], "else", [], [info("e", f, [2, 3])])
    nodes = [helper.make_node("Loop", ["turns", "", "x"], ["r"], body=body), helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=other)]
    graph = helper.make_graph(nodes, "g", [info("x", f, [2, 3]), info("turns", i, []), info("c", b, [])], [info("y", f, [2, 3])],
                              [numpy_helper.from_array(w, "w"), numpy_helper.from_array(v, "v")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, work / "nested.onnx")
    seen = {"step:0": [], "step:out": [], "then:0": [], "then:out": []}
    for k in range(5):
        x, turns, taken = rng.standard_normal((2, 3)).astype(np.float32), k, k % 2 == 1
        folder = work / "nested" / str(k)
        folder.mkdir(parents=True, exist_ok=True)
        for n, value in enumerate((x, np.array(turns), np.array(taken))):
            np.save(folder / ("input_%d.npy" % n), value)
        for _ in range(turns):
            seen["step:0"].append(x)
            seen["step:out"].append(x @ w)
            x = np.tanh(x @ w)
        if taken:
            seen["then:0"].append(x)
            seen["then:out"].append(x @ v)
    return seen


def check_nested(dsc, work, report):
    work.mkdir(parents=True, exist_ok=True)
    seen = nested(work)
    for observer in ("minmax", "percentile"):
        ran = sh(dsc, "quantize", work / "nested.onnx", "--calib", work / "nested", "--observer", observer, *OPTIONS[observer], "--per=channel", "-o", work / "n.json")
        report.check("loops and branches run", ran.returncode == 0 and not ran.stderr, ran.stderr)
        found = json.loads((work / "n.json").read_text())["values"] if ran.returncode == 0 else {}
        for key, values in seen.items():
            reason = misfit(found[key], values, observer, "channel") if key in found else "missing"
            report.check("%s of %s in a loop or branch" % (observer, key), not reason, reason)
    for k in range(5):
        reason = instrumented(dsc, work / "nested.onnx", work, "ranges", work / "nested" / str(k))
        report.check("bits of loops and branches, %d turns" % k, reason is None, reason)
    ran = sh(dsc, "quantize", work / "nested.onnx", "--calib", work / "nested/0", "-o", work / "n.json")
    report.check("what never ran is left out", ran.returncode == 0 and "'then:0' is left out: no sample computes it" in ran.stderr, ran.stderr)


# ---- what is wrong ----

def hostile_options(dsc, model, data, work, report):
    out = work / "o.json"
    cases = [(["--calib", data], 2, "-o"), (["-o", out], 2, "--calib"), (["--calib", data, "-o", work / "o.mlir"], 2, "ends with .json"),
             (["--calib", data, "-o", out, "--observer=best"], 2, "best"), (["--calib", data, "-o", out, "--per=row"], 2, "row"),
             (["--calib", data, "-o", out, "--momentum=0.5"], 2, "momentum"), (["--calib", data, "-o", out, "--observer=percentile", "--percentile=40"], 2, "40"),
             (["--calib", data, "-o", out, "--observer=percentile", "--percentile=x"], 2, "'x'"), (["--calib", data, "-o", out, "--observer=kl", "--bits=2.5"], 2, "2.5"),
             (["--calib", data, "-o", out, "--observer=moving-average", "--momentum=nan"], 2, "nan"), (["--calib", work / "absent", "-o", out], 1, "absent"),
             (["--calib", data, "-o", work / "no/such/o.json"], 1, "o.json")]
    for options, code, says in cases:
        ran = sh(dsc, "quantize", model, *options)
        report.check("quantize with %s" % [str(o) for o in options][-2:], ran.returncode == code and says in ran.stderr and ran.stderr.count("error:") == 1, ran.stderr)


def hostile_samples(dsc, model, work, report):
    good = np.zeros((3, 1, 8, 8), np.float32)
    path, empty = work / "bad.npz", work / "empty"
    empty.mkdir(exist_ok=True)
    arrays = [(dict(image=good.astype(np.float64)), "element type"), (dict(image=good[..., :7]), "extent 7"), (dict(image=good[0, 0]), "dimensions"), (dict(other=good), "no array for input 0"),
              (dict(image=good, other=good), "'other'"), (dict(image=good[:0]), "no samples"), (dict(image=np.asfortranarray(good + np.arange(8, dtype=np.float32))), "Fortran"), ({}, "no array"),
              (dict(image=np.zeros((2, 2, 3, 1, 8, 8), np.float32)), "dimensions")]
    for content, says in arrays:
        np.savez(path, **content)
        ran = sh(dsc, "quantize", model, "--calib", path, "-o", work / "o.json")
        report.check("samples %s" % {k: (v.dtype, v.shape) for k, v in content.items()}, ran.returncode == 1 and says in ran.stderr and "bad.npz" in ran.stderr, ran.stderr)
    for calib, says in ((empty, "no samples"), (model, "no .npz file")):
        ran = sh(dsc, "quantize", model, "--calib", calib, "-o", work / "o.json")
        report.check("samples of %s" % calib.name, ran.returncode == 1 and says in ran.stderr, ran.stderr)
    np.save(empty / "input_0.npy", good[..., :7])
    ran = sh(dsc, "quantize", model, "--calib", empty, "-o", work / "o.json")
    report.check("a folder that does not fit", ran.returncode == 1 and "input_0" not in ran.stdout and "extent 7" in ran.stderr, ran.stderr)
    with zipfile.ZipFile(path, "w") as z:
        z.writestr("image.txt", "hello")
    ran = sh(dsc, "quantize", model, "--calib", path, "-o", work / "o.json")
    report.check("an archive of texts", ran.returncode == 1 and "image.txt" in ran.stderr, ran.stderr)
    np.savez_compressed(path, image=good)
    ran = sh(dsc, "quantize", model, "--calib", path, "-o", work / "o.json")
    report.check("an archive that is compressed", ran.returncode == 1 and "numpy.savez" in ran.stderr, ran.stderr)
    bad = good.copy()
    bad[1, 0, 2, 3] = np.nan
    np.savez(path, image=bad)
    ran = sh(dsc, "quantize", model, "--calib", path, "-o", work / "o.json")
    names = json.loads((work / "o.json").read_text())["values"]
    report.check("what is no number is left out", ran.returncode == 0 and "no number" in ran.stderr and names and all(v["constant"] for v in names.values()), ran.stderr)


def damaged_archives(dsc, model, work, report, count):
    """Archives cut short or changed somewhere: an error, or the samples that are still there; never a crash."""
    rng, crashed = np.random.default_rng(2), []
    image = rng.integers(0, 3, (2, 1, 8, 8)).astype(np.float32)
    path = work / "whole.npz"
    np.savez(path, image=image)
    whole = path.read_bytes()
    for k in range(count):
        data = bytearray(whole)
        if k % 3 == 0:
            data = data[:int(rng.integers(len(data)))]
        for _ in range(int(rng.integers(1, 4)) if data else 0):
            at = int(rng.integers(len(data))) if k % 2 else max(0, len(data) - 1 - int(rng.integers(120)))
            data[at] = int(rng.integers(256))
        (work / "damaged.npz").write_bytes(data)
        ran = sh(dsc, "quantize", model, "--calib", work / "damaged.npz", "--cache", work / "cache", "-o", work / "o.json")
        if ran.returncode not in (0, 1):
            crashed.append((k, ran.returncode, ran.stderr[-200:]))
    report.check("damaged archives", not crashed, crashed)


def same_bytes(dsc, model, data, work, report):
    texts = []
    for threads in (1, 2, 2):
        out = work / ("t%d.json" % threads)
        ran = sh(dsc, "quantize", model, "--calib", data, "--observer=mse", "--per=channel", "--threads=%d" % threads, "-o", out)
        report.check("quantize with %d threads" % threads, ran.returncode == 0, ran.stderr)
        texts.append(out.read_bytes())
    report.check("the same bytes at any number of threads", len(set(texts)) == 1)
    shown = sh(dsc, "quantize", model, "--calib", data, "--observer=mse", "--per=channel", "-o", "-")
    report.check("ranges on standard output", shown.stdout.encode() == texts[0], shown.stderr)


def digits(dsc, work, report):
    """The model of tests/data, on images between 0 and 1."""
    work.mkdir(parents=True, exist_ok=True)
    model = onnx.load(ROOT / "tests/data/digits.onnx")
    samples = [s[None] for s in np.random.default_rng(1).random((6, 1, 8, 8), np.float32)]
    onnx.save(model, work / "model.onnx")
    np.savez(work / "images.npz", image=np.concatenate(samples))
    for observer in OBSERVERS:
        reason = check_network(dsc, model, samples, work, observer, "channel", work / "images.npz")
        report.check("digits by %s" % observer, not reason, reason)
    same_bytes(dsc, work / "model.onnx", work / "images.npz", work, report)
    hostile_options(dsc, work / "model.onnx", work / "images.npz", work, report)
    hostile_samples(dsc, work / "model.onnx", work, report)


def run(dsc, work, report, full=False):
    work.mkdir(parents=True, exist_ok=True)
    digits(dsc, work / "digits", report)
    damaged_archives(dsc, work / "digits/model.onnx", work / "digits", report, 400 if full else 30)
    check_nested(dsc, work / "nested", report)
    for seed in range(40 if full else 4):
        reason = check_random(dsc, seed, work / ("random%d" % seed))
        report.check("ranges of random network %d" % seed, not reason, reason)
    ran = 0
    for seed in range(300 if full else 30):
        reason = check_bits(dsc, seed, work / ("bits%d" % seed))
        ran += reason is None
        report.check("bits of random graph %d" % seed, not reason, reason)
    report.check("random graphs ran", ran >= (150 if full else 15), ran)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dsc", required=True)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    work, wrong = Path(tempfile.mkdtemp(prefix="dsc-calibration.")), 0
    for seed in range(args.seed, args.seed + args.count):
        for what, check in (("ranges", check_random), ("bits", check_bits)):
            reason = check(args.dsc, seed, work / ("%s%d" % (what, seed)))
            if reason:
                print("%s, seed %d: %s" % (what, seed, reason), flush=True)
            wrong += bool(reason)
    print("%d wrong of %d; files in %s" % (wrong, 2 * args.count, work))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
