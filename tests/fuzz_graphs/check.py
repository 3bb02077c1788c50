"""A case through ONNX Runtime and through `dsc run` at several settings; what differs is made small."""
import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from fuzz_graphs.graph import session
from fuzz_graphs.make import cut, prune

TIMEOUT = 120
RELATIVE = {"float32": 2e-4, "float64": 1e-7, "float16": 1e-2}
# Where ONNX Runtime goes by way of float32, whatever the element type.
SINGLE = {"Resize", "Upsample", "GridSample", "AffineGrid", "DFT", "STFT", "MelWeightMatrix", "LRN", "Cast", "RoiAlign"}


class Outcome:
    """kind: ok, refused, failed, skipped (ONNX Runtime does not take the graph)"""

    def __init__(self, kind, text=""):
        self.kind, self.text = kind, text


def reference(case, feed=None):
    try:
        return session(case.model).run(None, feed or case.feed)
    except Exception:  # no valid graph
        return None


def nudged(case):
    """The reference's results with inputs and weights a rounding away: how far a right answer may be off."""
    rng = np.random.default_rng(0)

    def nudge(a):
        step = {"float32": 3e-7, "float64": 1e-15, "float16": 1e-3}.get(str(a.dtype), 0)
        return (a * (1 + step * rng.choice([-1, 1], a.shape))).astype(a.dtype) if step else a

    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    for t in model.graph.initializer:
        t.CopyFrom(numpy_helper.from_array(nudge(numpy_helper.to_array(t)), t.name))
    copy = type(case)(model, case.feed, case.values, case.symbols)
    return reference(copy, {n: nudge(a) for n, a in case.feed.items()})


def differs(got, want, other, single=False):
    """Says how an output differs, or None."""
    if got.dtype != want.dtype or got.shape != want.shape:
        return "is %s%s, not %s%s" % (got.dtype, list(got.shape), want.dtype, list(want.shape))
    if want.dtype.kind != "f":
        bad = got != want
        return "has %d of %d elements wrong" % (bad.sum(), bad.size) if bad.any() else None
    with np.errstate(all="ignore"):
        a, b, c = (x.astype(np.float64) for x in (got, want, other if other is not None and other.shape == want.shape else want))
        finite = np.isfinite(b)
        if not np.array_equal(finite, np.isfinite(a)) or not np.array_equal(a[~finite], b[~finite], equal_nan=True):
            return "has other infinities or NaN"
        if not finite.any():
            return None
        size = np.abs(b[finite]).max()
        allowed = max(RELATIVE[str(want.dtype)], 2e-4 if single else 0) * (np.abs(b) + size) / 2 + 50 * np.nan_to_num(np.abs(c - b)).max() + 1e-30
        off = np.where(finite, np.abs(a - b) / allowed, 0)
    return "is off by %g at %s (%g, not %g)" % (np.abs(a - b).flat[off.argmax()], off.argmax(), a.flat[off.argmax()], b.flat[off.argmax()]) if off.max() > 1 else None


class Checker:
    def __init__(self, dsc, work):
        self.dsc, self.work = dsc, work
        self.levels = ["x86-64", "x86-64-v3"]
        self.poison = "--poison" in subprocess.run([dsc, "run", "--help"], capture_output=True, text=True).stdout

    def run(self, folder, name, *flags):
        """(exit code, message) of one run; -1000 after a timeout"""
        command = [self.dsc, "run", folder / "model.onnx", "--inputs", folder, "--outputs", folder / name, "--jobs", "1", *flags]
        try:
            result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, errors="replace")
        except subprocess.TimeoutExpired:
            return -1000, "timeout"
        return result.returncode, result.stderr.strip()

    def read(self, folder, name, count):
        values = []
        for i in range(count):
            tensor = onnx.TensorProto()
            tensor.ParseFromString((folder / name / ("output_%d.pb" % i)).read_bytes())
            values.append(numpy_helper.to_array(tensor))
        return values

    def settings(self, case, seed):
        """(name, flags) of the runs of a case: one that counts as the truth about bits, then others."""
        yield "one", ["--verify-each"] + ["--poison=0x55"] * self.poison
        yield "two", ["--threads", "2"] + ["--poison=0xff"] * self.poison
        yield "level", ["--cpu", self.levels[seed % len(self.levels)]]
        if case.symbols and seed % 3 == 0:
            yield "fixed", ["--dim=%s=%d" % (n, e) for n, e in case.symbols.items() if any(d.dim_param == n for i in case.model.graph.input for d in i.type.tensor_type.shape.dim)]

    def check(self, case, seed, folder):
        want = reference(case)
        if want is None:
            return Outcome("skipped")
        folder.mkdir(parents=True, exist_ok=True)
        onnx.save(case.model, folder / "model.onnx")
        for old in folder.glob("input_*.pb"):
            old.unlink()
        for i, info in enumerate(case.model.graph.input):
            (folder / ("input_%d.pb" % i)).write_bytes(numpy_helper.from_array(case.feed[info.name], info.name).SerializeToString())
        other, first = None, None
        single = any(n.op_type in SINGLE for n in case.model.graph.node)
        for name, flags in self.settings(case, seed):
            code, message = self.run(folder, name, *flags)
            if code == 3 and name == "one":
                return Outcome("refused", message)
            if code:
                return Outcome("failed", "%s: %s: %s" % (name, "timeout" if code == -1000 else "exit %d" % code, message[-500:]))
            got = self.read(folder, name, len(want))
            if name == "two" and any(a.tobytes() != b.tobytes() for a, b in zip(first, got)):
                return Outcome("failed", "two: other bits than with one thread")
            first = first or got
            for i, (a, b) in enumerate(zip(got, want)):
                reason = differs(a, b, None, single)
                if reason:
                    other = other or nudged(case) or want
                    reason = differs(a, b, other[i], single)
                if reason:
                    return Outcome("failed", "%s: output %s %s" % (name, case.model.graph.output[i].name, reason))
        return Outcome("ok")

    def shrink(self, case, seed, outcome):
        """A smaller case that fails alike."""
        kind = signature(outcome)
        budget = 60
        with tempfile.TemporaryDirectory(dir=self.work) as folder:
            def fails(candidate):
                nonlocal budget
                budget -= 1
                return candidate is not None and budget > 0 and signature(self.check(candidate, seed, Path(folder))) == kind

            for o in list(case.model.graph.output):
                single = prune(case, [o.name])
                if len(case.model.graph.output) > 1 and fails(single):
                    case = single
                    break
            for node in list(case.model.graph.node):
                smaller = cut(case, node)
                if fails(smaller):
                    case = smaller
        return case


def signature(outcome):
    """What must stay the same while a case shrinks."""
    text = outcome.text
    if ": output " in text:
        return outcome.kind, "differs"
    return outcome.kind, re.sub(r"[0-9'\"]+|[a-z]\d+", "", re.sub(r"\w+:", "", text))[:30]


def refusal(text):
    """The reasons of a refusal, without names and numbers."""
    lines = [line for line in text.splitlines() if "error" in line] or text.splitlines()[:1]
    return sorted({re.sub(r"\b[vxcstl]\d+\b|\bs\d+\b|/\S+|\d+", "#", line.split("error", 1)[-1])[:160] for line in lines})
