#!/usr/bin/env python3
"""Products by two rows and two columns at a time, for the Arm level that has such instructions, under qemu: squares.py --dsc PATH [--count N]
[--seed S].

Of bytes they have the bits of x86-64-v3, also by other schedules, or these are refused; of numbers of 16 bits they are near the sums of the
rounded factors.
"""
import re
import subprocess
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import fuzz_quantised
import matrices

LEVEL = "aarch64-i8mm"
STEPS, TAILS = [1, 2, 3, 4, 5, 6, 7, 8, 11, 14, 16, 32, 48, 64, 128], ["exact", "mask", "repeat", "guard"]


def rounded(x):
    """f32 as the nearest numbers of bf16."""
    bits = x.view(np.uint32).astype(np.uint64)
    return ((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000).astype(np.uint32).view(np.float32)


def lowered(dsc, folder, flags=()):
    """The kernels' schedules as text, or None and what went wrong."""
    text = folder / "scheduled.mlir"
    made = subprocess.run([dsc, "opt", folder / "graph.onnx", "--cpu", LEVEL, "--stop-after=schedule", "-o", text, *flags], capture_output=True, text=True, timeout=300)
    return (text.read_text(), "") if made.returncode == 0 else (None, made.stderr.strip()[-300:])


def differs_by_schedule(dsc, rng, folder, count):
    """None where the graph has the same bits here and there, by this schedule and by others; else a reason."""
    expected, got = fuzz_quantised.run(dsc, folder, folder / "graph.onnx", "--cpu=x86-64-v3"), fuzz_quantised.on_arm(dsc, folder, LEVEL)
    for what in (expected, got):
        if isinstance(what, str):
            return what
    if not np.array_equal(expected, got):
        return "other bits"
    given, wrong = lowered(dsc, folder)
    if wrong or ("squares" not in given and expected.shape[-1] > 1): # one column has no panel
        return wrong or "no squares"
    parts = list(re.finditer(r'step = (\d+)|tail = "(\w+)"', given))
    for _ in range(count):
        edit = parts[rng.integers(len(parts))]
        new = "step = %d" % rng.choice(STEPS) if edit[1] else 'tail = "%s"' % rng.choice(TAILS)
        (folder / "edited.mlir").write_text(given[:edit.start()] + new + given[edit.end():])
        got = fuzz_quantised.on_arm(dsc, folder, LEVEL, model="edited.mlir")
        if isinstance(got, str) and "[DS0121]" not in got:
            return "%s for %s: %s" % (new, edit[0], got)
        if not isinstance(got, str) and not np.array_equal(expected, got):
            return "%s for %s: other bits" % (new, edit[0])
    return None


def convolution(rng, folder):
    """A convolution whose channels fill no steps, maybe: what it is by numpy, and how large its terms are."""
    channels, outputs, size = int(rng.choice([3, 8, 13, 32])), int(rng.choice([5, 16, 40])), int(rng.integers(5, 12))
    x, w = rng.standard_normal((1, channels, size, size), dtype=np.float32), rng.standard_normal((outputs, channels, 3, 3), dtype=np.float32)
    attributes = {"pads": [1, 1, 1, 1], "strides": [1, 1], "dilations": [1, 1], "group": 1}
    graph = helper.make_graph([helper.make_node("Conv", ["x", "w"], ["y"], **attributes)], "convolution", [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, outputs, size, size])], [numpy_helper.from_array(w, "w")])
    folder.mkdir(parents=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), folder / "graph.onnx")
    np.save(folder / "input_0.npy", x)
    a, b, y = np.pad(rounded(x).astype(float), [(0, 0), (0, 0), (1, 1), (1, 1)]), rounded(w).astype(float), [0, 0]
    for i, j in np.ndindex(3, 3):
        part = a[:, :, i:i + size, j:j + size]
        for k, (taps, pixels) in enumerate(((b, part), (np.abs(b), np.abs(part)))):
            y[k] = y[k] + np.einsum("oc,ncij->noij", taps[:, :, i, j], pixels)
    return y


def product(rng, folder):
    matrices.product(rng, folder, of_bytes=False)
    w = numpy_helper.to_array(onnx.load(folder / "graph.onnx").graph.initializer[0])
    a, b = (rounded(v).astype(float) for v in (np.load(folder / "input_0.npy"), w))
    return a @ b, np.abs(a) @ np.abs(b)


def differs_from_sums(dsc, folder, sums, size):
    """None where factors of 16 bits are multiplied so, and the sums are near; else a reason."""
    text, wrong = lowered(dsc, folder, ["--precision=bf16"])
    if wrong:
        return wrong
    got = fuzz_quantised.on_arm(dsc, folder, LEVEL, flags=["--precision=bf16"])
    if isinstance(got, str):
        return got
    far = (np.abs(got - sums) / size).max(initial=0)
    if "squares_bf16" not in text: # one row: its numbers stay f32
        return "no squares, %d rows" % len(got) if len(got) > 1 or got.ndim > 2 or far > 0.01 else None
    return "differs by %g of its terms" % far if far > 1e-5 else None


def campaign(dsc, count, seed, work):
    """(graphs, [what differs])"""
    wrong = []
    for i in range(count):
        rng, folder = np.random.default_rng([seed, i]), work / ("square_%d" % i)
        if i % 3 == 0:
            matrices.product(rng, folder, of_bytes=True)
            reason = differs_by_schedule(dsc, rng, folder, 8)
        else:
            reason = differs_from_sums(dsc, folder, *(product if i % 3 == 1 else convolution)(rng, folder))
        if reason:
            wrong.append("%s: %s" % (folder, reason))
    return count, wrong


if __name__ == "__main__":
    sys.exit(fuzz_quantised.by_hand(__doc__, "squares", 30, (campaign, 1)))
