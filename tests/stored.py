#!/usr/bin/env python3
"""Products whose factors are stored as rules say (--precision=RULES): stored.py --dsc PATH [--count N] [--seed S].

Random products (as tests/rounded.py makes them) under random encodings of both factors: floats of any width with and without a scale, whole
numbers of any width, symmetric or not, with scales of tensors, channels, blocks or rows. What NumPy makes of factors that are rounded so must
be the result, with the pass `narrow` and without it, at any level that runs here. Networks of several products check models to try encodings
with: whatever mix the input `ds.choices` asks for must be what a file of decisions for that mix compiles to.
"""
import json
import re
import subprocess
import sys

import ml_dtypes
import numpy as np
from onnx import TensorProto, helper, numpy_helper

import forms
import fuzz_control
import fuzz_quantised
import rounded

TOLERANCE = 2e-5
FLOATS = {"f16": np.float16, "bf16": ml_dtypes.bfloat16, "f8E4M3FN": ml_dtypes.float8_e4m3fn, "f8E5M2": ml_dtypes.float8_e5m2}
MOST = {"f16": 65504.0, "bf16": float(ml_dtypes.finfo(ml_dtypes.bfloat16).max), "f8E4M3FN": 448.0, "f8E5M2": 57344.0}


# ---- encodings, by NumPy ----

def ends(kind, symmetric):
    bits = int(kind.lstrip("ui"))
    if kind[0] == "u":
        return (1 if symmetric else 0), 2 ** bits - 1
    high = 2 ** (bits - 1) - 1
    return (-high if symmetric else -high - 1), high


def whole(x, kind, symmetric, low_end, high_end, is_constant, in_blocks):
    """Whole numbers with a scale for each of the groups whose ends are given (as arrays that broadcast): of blocks, of 16 bits."""
    low, high = ends(kind, symmetric)
    a, b = np.minimum(low_end, 0).astype(np.float64), np.maximum(high_end, 0).astype(np.float64)
    step = 2 * np.maximum(-a, b) / (high - low) if symmetric else (b - a) / (high - low)
    scale = np.where(step > 0, np.clip(step, 2.0 ** -120, 2.0 ** 120), 1).astype(np.float32)
    zero = np.full_like(a, (low + high) // 2 if kind[0] == "u" else 0)
    if not symmetric:
        zero = low + np.rint(np.clip(-a / scale.astype(np.float64), 0, high - low))
    if in_blocks:
        scale = scale.astype(ml_dtypes.bfloat16).astype(np.float32)
    least = low if is_constant else ends(kind, False)[0]
    codes = np.clip(np.rint(x / scale).astype(np.float64) + zero, least, high)
    return (codes - zero) * scale.astype(np.float64)


def narrow_float(x, kind, scaled, low_end, high_end):
    scale = np.float32(1)
    most = max(abs(low_end), abs(high_end))
    if scaled and most > 0:
        scale = np.float32(2.0 ** np.clip(np.ceil(np.log2(most / MOST[kind])), -120, 120))
    units = (x / scale).astype(np.float32)
    saturated = np.clip(units, -MOST[kind], MOST[kind]) if kind.startswith("f8") else units
    return saturated.astype(FLOATS[kind]).astype(np.float64) * float(scale)


def short(x):
    bits = x.view(np.uint32).astype(np.uint64)
    bits = (bits + 0xfff + (bits >> 13 & 1)) >> 13 << 13
    return bits.astype(np.uint32).view(np.float32).astype(np.float64)


def groups(x, scale, channel, summed):
    """Smallest and largest of the group that each element is in."""
    if scale == "per-channel" and channel is not None:
        rest = tuple(i for i in range(x.ndim) if i != channel)
        return x.min(axis=rest, keepdims=True), x.max(axis=rest, keepdims=True)
    if scale.startswith("blocks=") and summed is not None:
        size, moved = int(scale[7:]), np.moveaxis(x, summed, -1)
        count = -(-moved.shape[-1] // size)
        padded = np.concatenate([moved, np.zeros(moved.shape[:-1] + (count * size - moved.shape[-1],), x.dtype)], -1).reshape(moved.shape[:-1] + (count, size))
        both = [np.moveaxis(np.repeat(f(padded, -1), size, -1)[..., :moved.shape[-1]], -1, summed) for f in (np.min, np.max)]
        return both[0], both[1]
    return x.min(), x.max()


def stored(x, text, ends_of, is_constant, channel=None, summed=None, rows=None):
    """x as the encoding leaves it."""
    words = text.split()
    kind, symmetric = words[0], "asym" not in words
    if kind == "f32":
        return x.astype(np.float64)
    if kind == "tf32":
        return short(x)
    if kind in FLOATS:
        return narrow_float(x, kind, len(words) > 1, *ends_of)
    if "dynamic" in words:
        most = np.maximum(np.abs(x).max(axis=rows, keepdims=True), np.float32(2.0 ** -100))
        scale = (most / np.float32(ends(kind, True)[1])).astype(np.float32)
        low, high = ends(kind, False)
        return np.clip(np.rint(x / scale), low, high).astype(np.float64) * scale.astype(np.float64)
    if is_constant:
        ends_of = groups(x, words[-1], channel, summed)
    return whole(x, kind, symmetric, np.asarray(ends_of[0]), np.asarray(ends_of[1]), is_constant,
                 is_constant and words[-1].startswith("blocks=") and summed is not None)


# ---- one product ----

def random_encoding(rng, is_constant):
    kind = str(rng.choice(["f32", "bf16", "f16", "tf32", "f8E4M3FN", "f8E5M2", "i8", "i8", "ui8", "ui8", "i4", "ui4", "i16"]))
    if is_constant and rng.random() < 0.15:
        kind = str(rng.choice(["i2", "ui2", "i3", "ui3"]))
    if kind in ("f8E4M3FN", "f8E5M2"):
        return kind + str(rng.choice(["", " per-tensor"]))
    if kind[0] == "f" or kind[0] == "b" or kind == "tf32":
        return kind
    if not is_constant and kind[0] == "i" and rng.random() < 0.3:
        return kind + " sym dynamic"
    scale = str(rng.choice(["per-tensor", "per-channel", "blocks=16", "blocks=32"])) if is_constant else "per-tensor"
    return "%s %s %s" % (kind, rng.choice(["sym", "asym"]), scale)


def outputs(dsc, model, folder, *flags):
    """[array] or what went wrong."""
    out = folder / "out"
    ran = subprocess.run([dsc, "run", model, "--inputs", folder, "--outputs", out, *flags], capture_output=True, text=True, timeout=300)
    if ran.returncode:
        return "exit %d: %s" % (ran.returncode, ran.stderr.strip()[-300:])
    return [np.load(f) for f in sorted(out.glob("*.npy"))]


def summed_dims(op, attributes, shape):
    """Of the left factor: channels that are groups of their own are not summed."""
    first = 2 if attributes.get("group", 1) == shape[1] > 1 else 1
    return tuple(range(first, len(shape))) if op == "Conv" else (len(shape) - 1,)


def expected(op, attributes, values, texts, given, fixed):
    conv, (x, w) = op == "Conv", values
    a = stored(x, texts[0], given[0], False, rows=summed_dims(op, attributes, x.shape))
    channel = (0 if conv else w.ndim - 1) if fixed else None
    summed = w.ndim - 2 if not conv and w.ndim == 2 else None
    text = texts[1]
    if "blocks=" in text and summed is None:
        text = text.split("blocks=")[0] + "per-channel"
    rows = tuple(range(1, w.ndim)) if conv else (w.ndim - 2,)
    b = stored(w, text, given[1], fixed, channel, summed, rows)
    return rounded.computed(op, attributes, a, b), rounded.computed(op, attributes, np.abs(a), np.abs(b))


def differs(dsc, rng, folder, levels):
    """None, or why a random product is wrong."""
    op, attributes, a, b = rounded.matmul(rng) if rng.random() < 0.6 else rounded.conv(rng)
    values = [rounded.numbers(rng, a), rounded.numbers(rng, b)]
    fixed = rounded.write(rng, folder, op, attributes, (a, b), values)
    texts = [random_encoding(rng, False), random_encoding(rng, fixed)]
    cut = float(rng.choice([1, 1, 0.7]))
    given = [(np.float32(v.min() * cut), np.float32(v.max() * cut)) for v in values]
    (folder / "rules").write_text("# %s\n*.act: %s\n*.left: %s\n*.weight: %s\n*.right: %s\n" % (op, texts[0], texts[0], texts[1], texts[1]))
    known = {"p:%d" % i: {"min": float(e[0]), "max": float(e[1])} for i, e in enumerate(given)}
    (folder / "ranges.json").write_text(json.dumps({"format": "dsc ranges 1", "values": known}))
    exact, size = expected(op, attributes, values, texts, given, fixed)
    level = str(rng.choice(levels))
    for flags in ((), ("--without=narrow",)):
        got = outputs(dsc, folder / "graph.onnx", folder, "--precision=%s" % (folder / "rules"), "--ranges=%s" % (folder / "ranges.json"), "--compensate=none", "--cpu=" + level, *flags)
        what = "%s of %s x %s at %s %s" % (op, *texts, level, " ".join(flags))
        if isinstance(got, str):
            return "%s: %s" % (what, got)
        error = (np.abs(got[0] - exact) / (np.abs(size) + 1e-20)).max(initial=0)
        if not error <= TOLERANCE:
            return "%s: off by %g" % (what, error)
    return None


# ---- networks ----

ENCODINGS = {"int8": ["act: ui8 asym per-tensor", "weight: i8 sym per-channel"], "int4": ["act: ui8 asym per-tensor", "weight: i4 sym blocks=32"],
             "range": ["*: f8E5M2 per-tensor if span<1e-5", "*: f8E4M3FN per-tensor if span<1e-3", "*: i8 sym per-tensor if span<1e-1", "*: f16 if span<1e2", "*: bf16 if span<1e5",
                       "*: tf32 if span<1e8", "*: f32"]}


def network(rng, folder):
    """Three to five products with others between them; returns their names."""
    names, nodes, weights, value = [], [], [], "x"
    width = int(rng.choice([8, 16, 33]))
    for i in range(int(rng.integers(3, 6))):
        after = int(rng.choice([8, 16, 33]))
        names.append("product%d" % i)
        weights.append(numpy_helper.from_array((rng.standard_normal((width, after)) / np.sqrt(width)).astype(np.float32), "w%d" % i))
        nodes.append(helper.make_node("MatMul", [value, "w%d" % i], ["p%d" % i], name=names[-1]))
        nodes.append(helper.make_node(str(rng.choice(["Relu", "Tanh", "Neg"])), ["p%d" % i], ["v%d" % i]))
        first = int(weights[0].dims[0])
        value, width = "v%d" % i, after
    graph = helper.make_graph(nodes, "network", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", first])],
                              [helper.make_tensor_value_info(value, TensorProto.FLOAT, ["n", width])], weights)
    folder.mkdir(parents=True)
    (folder / "graph.onnx").write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString())
    np.save(folder / "input_0.npy", rng.standard_normal((20, first)).astype(np.float32))
    return names


def write_trial(folder, policies, choices):
    """A model to try policies with, and its inputs."""
    text = (folder / "plain.mlir").read_text()
    (folder / "trial.mlir").write_text(text.replace("module attributes {", "module attributes {ds.try = [%s], " % ", ".join('"%s"' % p for p in policies), 1))
    (folder / "trial").mkdir()
    np.save(folder / "trial/input_0.npy", np.load(folder / "input_0.npy"))
    np.save(folder / "trial/input_1.npy", choices)


def mixed(dsc, rng, folder):
    """None, or why a mix of policies is not what the model to try them with gives."""
    names, model, ranges = network(rng, folder), folder / "graph.onnx", folder / "ranges.json"
    for command in (["quantize", model, "--calib", folder, "-o", ranges], ["opt", model, "--stop-after=simplify", "-o", folder / "plain.mlir"]):
        ran = subprocess.run([dsc, *command], capture_output=True, text=True, timeout=300)
        if ran.returncode:
            return "%s: exit %d: %s" % (command[0], ran.returncode, ran.stderr.strip()[-300:])
    policies = ["bf16"] if rng.random() < 0.2 else [str(p) for p in rng.permutation(list(ENCODINGS))]
    choices = rng.integers(0, len(policies) + 1, len(names)).astype(np.int32)
    if policies == ["bf16"]:
        choices[:] = 1
    rules = ["%s.%s" % (name, rule) for name, c in zip(names, choices) if c and policies != ["bf16"] for rule in ENCODINGS[policies[c - 1]]]
    (folder / "rules").write_text("\n".join(rules) + "\n")
    write_trial(folder, policies, choices)
    got = outputs(dsc, folder / "trial.mlir", folder / "trial", "--ranges=%s" % ranges)
    wanted = outputs(dsc, model, folder, "--precision=%s" % ("bf16" if policies == ["bf16"] else folder / "rules"), "--ranges=%s" % ranges)
    plain = outputs(dsc, model, folder)
    for one in (got, wanted, plain):
        if isinstance(one, str):
            return one
    error, change = (np.linalg.norm(a[0] - b[0]) / np.linalg.norm(plain[0]) for a, b in ((got, wanted), (wanted, plain)))
    if not choices.any() and change > 1e-5:
        return "nothing was chosen, and it differs by %g" % change
    return None if error <= max(1e-5, 0.2 * change) else "choices %s of %s are off by %g, of %g" % (choices, policies, error, change)


RULES = "*.weight: i8 sym per-channel\n*.act: i8 sym dynamic\n*.left: i8 sym dynamic\n*.right: bf16\n", "*.weight: i4 sym blocks=32\n", "*: i8 sym dynamic\n", "*.weight: f8E4M3FN per-channel\n*: tf32\n", "*.weight: ui4 asym blocks=16\n*: f16\n"


def graph_differs(dsc, seed, folder):
    """None, or why a random graph, with control flow or of all operators, does not survive rules for all that it multiplies: with the pass
    `narrow` and without it results must be near each other (a sum that is rounded to another code moves what follows)."""
    from fuzz_graphs.make import make
    folder.mkdir(parents=True)
    if seed % 3 == 0:
        model, values = fuzz_control.build(seed)
    else:
        case = make(seed, ["products", "images", "attention"][seed // 3 % 3])
        if case is None:
            return None
        model, values = case.model, [case.feed[i.name] for i in case.model.graph.input if i.name in case.feed]
    (folder / "graph.onnx").write_bytes(model.SerializeToString())
    for i, v in enumerate(values):
        np.save(folder / ("input_%d.npy" % i), v)
    rules = RULES[seed % len(RULES)]
    (folder / "rules").write_text(rules)
    plain = outputs(dsc, folder / "graph.onnx", folder)
    if isinstance(plain, str):
        return None if plain.startswith("exit 3") else plain # refused
    both = [outputs(dsc, folder / "graph.onnx", folder, "--verify-each", "--precision=%s" % (folder / "rules"), *flags) for flags in ((), ("--without=narrow",))]
    for one in both:
        if isinstance(one, str):
            return "%s: %s" % (rules.split("\n")[0], one)
    for p, a, b in zip(plain, *both):
        if a.dtype.kind != "f" or not np.isfinite(p).all():
            continue
        distance, size = (np.linalg.norm(v.astype(np.float64)) for v in (a.astype(np.float64) - b, p))
        if not distance <= 0.1 * size + 1e-6:
            return "%s: %g apart, of %g" % (rules.split("\n")[0], distance, size)
    return None


SPANS = {"f8E5M2": 3e-6, "f8E4M3FN": 3e-4, "i8": 3e-2, "f16": 30, "bf16": 3e4, "tf32": 3e7, "f32": 3e10}


def seven_types(dsc, work):
    """None, or why a graph with factors of seven spans does not get the seven types of the policy `range`, or is far from them."""
    rng, model, ranges = np.random.default_rng(1), work / "graph.onnx", work / "ranges.json"
    work.mkdir(parents=True)
    nodes, weights, known = [], [], {}
    for name, span in SPANS.items():
        w = rng.uniform(-0.5, 0.5, (24, 16)).astype(np.float32)
        w[0, :2] = -0.5, 0.5
        weights += [numpy_helper.from_array(w * np.float32(span), "w_" + name), numpy_helper.from_array(np.float32(1 / span), "s_" + name)]
        nodes += [helper.make_node("MatMul", ["x", "w_" + name], ["p_" + name], name=name), helper.make_node("Mul", ["p_" + name, "s_" + name], ["y_" + name])]
    outs = ["y_" + name for name in SPANS]
    graph = helper.make_graph(nodes, "spans", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [9, 24])],
                              [helper.make_tensor_value_info(o, TensorProto.FLOAT, [9, 16]) for o in outs], weights)
    model.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString())
    x = rng.standard_normal((9, 24)).astype(np.float32)
    np.save(work / "input_0.npy", x)
    text = subprocess.run([dsc, "opt", model, "--precision=range", "--stop-after=precision"], capture_output=True, text=True, timeout=300).stdout
    found = {key: kind.split()[0] for kind, key in re.findall(r'encoding = "([^"]+)", key = "([^"]+):1"', text)}
    if found != {name: name for name in SPANS if name != "f32"}:
        return "weights are stored as %s" % found
    got = outputs(dsc, model, work, "--precision=range")
    if isinstance(got, str):
        return got
    bound = {"f8E5M2": 0.13, "f8E4M3FN": 0.07, "i8": 0.02, "f16": 1e-3, "bf16": 8e-3, "tf32": 1e-3, "f32": 1e-6}
    for y, (name, span), w in zip(got, SPANS.items(), weights[::2]):
        exact = x.astype(np.float64) @ numpy_helper.to_array(w).astype(np.float64) / span
        error = np.linalg.norm(y - exact) / np.linalg.norm(exact)
        if not (error <= bound[name] and (name == "f32" or error > bound[name] / 100)):
            return "%s: off by %g" % (name, error)
    return None


def campaign(dsc, count, seed, work):
    """(graphs, [what differs])"""
    wrong, levels = [], forms.levels(dsc)
    for i in range(count):
        rng, folder = np.random.default_rng([seed, i]), work / ("stored_%d" % i)
        if i % 6 == 5:
            reason = mixed(dsc, rng, folder)
        elif i % 6 == 4:
            reason = graph_differs(dsc, 1000 * seed + i, folder)
        else:
            reason = differs(dsc, rng, folder, levels)
        if reason:
            wrong.append("%s: %s" % (folder, reason))
    return count, wrong


if __name__ == "__main__":
    sys.exit(fuzz_quantised.by_hand(__doc__, "stored", 100, (campaign, 1)))
