#!/usr/bin/env python3
"""Products of weights of few bits and activations of bytes: few_bits.py --dsc PATH [--count N] [--seed S].

Random products (matrices of fixed and symbolic sizes with tails in every dim; convolutions of any window, stride, dilation, group and
padding), whose weights are codes of 4 or 2 bits with a scale for each channel or block, signed or not, and whose activations are bytes
with a scale of the tensor or of each row, or weights that are floats of 8 bits, must give what the same conversions give where all is computed in floats (--without=narrow).
Whole numbers between scales are the same at all levels. What is stored of the weights has not more than the codes' bits.
"""
import re
import subprocess
import sys

import numpy as np

import fuzz_quantised
from rounded import conv, matmul, write

TOLERANCE = 2e-5 # of the sum of magnitudes
LEVELS = ("x86-64", "x86-64-v3", "x86-64-v3-vnni", "x86-64-v4", "x86-64-v4-vnni", "x86-64-v4-bf16")
ARM = (("aarch64", "max"), ("aarch64-dot", "max"), ("aarch64-i8mm", "max"))
WEIGHTS = ("i4 sym per-channel", "i4 sym per-tensor", "ui4 asym per-channel", "ui4 sym per-tensor", "i2 sym per-channel", "ui2 asym per-tensor",
           "f8E4M3FN per-channel", "f8E5M2", "i4 sym blocks=32", "i4 sym blocks=64", "i4 asym blocks=32", "ui4 sym blocks=16",
           "i2 sym blocks=32", "ui2 asym blocks=32")
ACTIVATIONS = ("ui8 asym per-tensor", "ui8 asym per-tensor", "ui8 sym per-tensor", "i8 sym per-tensor", "i8 asym per-tensor", "i8 sym dynamic", "f32")


def ran(command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=300)
    return None if done.returncode == 0 else "exit %d: %s" % (done.returncode, done.stderr.strip()[-300:])


def output(dsc, folder, flags, cpu):
    out = folder / ("out_" + "_".join([cpu, *flags[2:]]).replace("=", "_"))
    wrong = ran([dsc, "run", folder / "graph.onnx", "--inputs", folder, "--outputs", out, "--cpu=" + cpu, *flags])
    return wrong or np.load(next(out.glob("*.npy")))


def far(got, expected, size):
    """None, or how far the results are from each other."""
    if isinstance(got, str):
        return got
    error = (np.abs(got.astype(np.float64) - expected) / (size + 1e-20)).max(initial=0)
    return None if error <= TOLERANCE else "off by %g" % error


def levels(dsc):
    said = subprocess.run([dsc, "info"], capture_output=True, text=True).stdout
    return [level for level in LEVELS if re.search(r"^ *%s .*runs here" % re.escape(level), said, re.M)] or ["x86-64-v3"]


def drawn(rng):
    """(op, attributes, shape of x, shape of w): as products are in models; sums along k of whole blocks more often than not."""
    if rng.random() < 0.4:
        return conv(rng)
    m, n = int(rng.choice([1, 2, 7, 16, 33, 130])), int(rng.choice([1, 5, 16, 17, 48, 100]))
    k = int(rng.choice([32, 64, 128, 160, 320])) if rng.random() < 0.7 else int(rng.choice([1, 3, 15, 40, 100, 257]))
    return "MatMul", {}, [[], [3]][int(rng.random() < 0.3)] + [m, k], [k, n]


def differs(dsc, rng, folder, runs_here, on_arm):
    """None, or why a random product is wrong."""
    op, attributes, a, b = drawn(rng)
    values = [rng.standard_normal(s).astype(np.float32) for s in (a, b)]
    if rng.random() < 0.3:
        values[0] = np.abs(values[0])
    write(rng, folder, op, attributes, (a, b), values, fixed=True)
    said = "*.weight: %s\n*.act: %s\n" % (rng.choice(WEIGHTS), rng.choice(ACTIVATIONS))
    (folder / "policy").write_text(said)
    flags = ("--precision=%s" % (folder / "policy"), "--ranges=%s" % (folder / "ranges.json"))
    wrong = ran([dsc, "quantize", folder / "graph.onnx", "--calib", folder, "-o", folder / "ranges.json"])
    if wrong:
        return wrong
    expected = output(dsc, folder, (*flags, "--without=narrow"), "x86-64-v3")
    if isinstance(expected, str):
        return expected
    size = np.sqrt(np.square(values[0]).sum() * np.square(values[1]).sum()) if op == "Conv" else np.abs(values[0]) @ np.abs(values[1])
    for cpu in [str(rng.choice(runs_here)), "native"]:
        wrong = far(output(dsc, folder, flags, cpu), expected, size)
        if wrong:
            return "%s at %s: %s (%s)" % (op, cpu, wrong, said.replace("\n", "; "))
    if on_arm:
        level, cpu = ARM[rng.integers(len(ARM))]
        wrong = far(fuzz_quantised.on_arm(dsc, folder, level, cpu, flags=flags), expected, size)
        if wrong:
            return "%s at %s: %s (%s)" % (op, level, wrong, said.replace("\n", "; "))
    return None


def campaign(dsc, count, seed, work):
    """(graphs, [what differs])"""
    wrong, runs_here = [], levels(dsc)
    for i in range(count):
        rng, folder = np.random.default_rng([seed, i]), work / ("few_bits_%d" % i)
        reason = differs(dsc, rng, folder, runs_here, i % 4 == 0)
        if reason:
            wrong.append("%s: %s" % (folder, reason))
    return count, wrong


if __name__ == "__main__":
    sys.exit(fuzz_quantised.by_hand(__doc__, "few_bits", 60, (campaign, 1)))
