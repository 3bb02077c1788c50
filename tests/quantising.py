#!/usr/bin/env python3
"""dsc quantize --precision beside itself and NumPy: quantising.py --dsc PATH [--count N] [--seed S].

Random networks are decided about by words, rules with observers of their own, and under error bounds. What is written has to agree: a file of
decisions compiles to the bytes that the rules give, and so do text and objects. Bounds hold on samples that are held out, by results that
`dsc run` gives. Pages are well-formed and need nothing from elsewhere. Options and files that make no sense are errors.
"""
import argparse
import json
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import onnx

sys.path.insert(0, str(Path(__file__).resolve().parent))
from calibration import network, sh  # noqa: E402

RULES = """# of three kinds
*Gemm*: f32
*Conv*.weight: i8 sym per-channel
*Conv*.act: ui8 asym per-tensor percentile percentile=99
*MatMul*.act: ui8 asym per-tensor moving-average momentum=0.5 if span<1e6
*MatMul*.weight: i4 sym blocks=32
*: i8 sym dynamic
"""
WORDS = ["int8", "int4", "bf16", "f16", "range"]
VOID = {"meta", "rect", "line", "br"}


class Page(HTMLParser):
    """Which elements are open, what refers to something, and all text."""

    def __init__(self):
        super().__init__()
        self.open, self.wrong, self.text, self.rows = [], [], "", 0

    def handle_starttag(self, tag, attributes):
        self.rows += tag == "tr"
        self.wrong += [(tag, k) for k, _ in attributes if k in ("src", "href") or k.startswith("on")]
        self.wrong += [tag] if tag in ("script", "link", "iframe", "img") else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.wrong += [(tag, k) for k, _ in attributes if k in ("src", "href")]

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append("</%s>" % tag)

    def handle_data(self, data):
        self.text += data


def page_of(path):
    page = Page()
    page.feed(path.read_text())
    page.close()
    return page


def prepare(seed, work, count=6):
    """A random network and samples of it."""
    work.mkdir(parents=True, exist_ok=True)
    model, shape = network(seed)
    onnx.save(model, work / "model.onnx")
    rng = np.random.default_rng(seed)
    samples = rng.standard_normal((count, 1, *shape)).astype(np.float32)
    np.savez(work / "samples.npz", image=samples)
    return model, samples


def quantize(dsc, work, *options):
    return sh(dsc, "quantize", work / "model.onnx", "--calib", work / "samples.npz", *options)


def disagreement(dsc, work, how, cpu):
    """Why what is written for `how` does not compile to the same bytes; None where it does."""
    commands = [["quantize", work / "model.onnx", "--calib", work / "samples.npz", "--precision", how, "-o", work / "d.json"],
                ["compile", work / "model.onnx", "--precision", how, "--ranges", work / "plain.json", "-o", work / "rules.o"],
                ["compile", work / "model.onnx", "--precision", work / "d.json", "-o", work / "file.o"],
                ["quantize", work / "model.onnx", "--calib", work / "samples.npz", "--precision", how, "-o", work / "own.o"],
                ["quantize", work / "model.onnx", "--calib", work / "samples.npz", "--precision", how, "-o", work / "text.mlir"],
                ["compile", work / "text.mlir", "-o", work / "text.o"]]
    for command in commands:
        form = [] if str(command[-1]).endswith((".json", ".mlir")) else ["--prefix=m"]
        ran = sh(dsc, *command, "--cpu", cpu, *form)
        if ran.returncode or ran.stderr:
            return "%s: exit %d: %s" % (command[0:1] + command[-1:], ran.returncode, ran.stderr)
        if command[-1] == work / "d.json":
            ranges = json.loads(command[-1].read_text())
            for value in ranges["values"].values():
                value.pop("encoding", None), value.pop("reason", None)
            ranges["values"] = {k: v for k, v in ranges["values"].items() if "min" in v}
            (work / "plain.json").write_text(json.dumps(ranges))
    objects = [(work / (name + ".o")).read_bytes() for name in ("rules", "file", "own", "text")]
    differing = [name for name, bytes_ in zip(("file", "own", "text"), objects[1:]) if bytes_ != objects[0]]
    return "other bytes than by rules: %s" % differing if differing else None


def results(dsc, work, sample, precision):
    (work / "in").mkdir(exist_ok=True)
    np.save(work / "in/input_0.npy", sample)
    ran = sh(dsc, "run", work / "model.onnx", "--inputs", work / "in", "--outputs", work / "out", "--precision", precision)
    assert ran.returncode == 0, ran.stderr
    return [np.load(work / "out" / ("output_%d.npy" % i)).astype(np.float64) for i in range(len(list((work / "out").glob("*.npy"))))]


def largest_error(dsc, work, samples, precision):
    """Relative L2 over samples, of the output that is farthest."""
    pairs = [(results(dsc, work, s, precision), results(dsc, work, s, "f32")) for s in samples]
    return max(np.sqrt(sum(((a[k] - b[k]) ** 2).sum() for a, b in pairs) / sum((b[k] ** 2).sum() for _, b in pairs)) for k in range(len(pairs[0][1])))


def broken_bound(dsc, work, samples, bound):
    """Why a search under a bound is not what it says; None where it is."""
    ran = quantize(dsc, work, "--precision=auto", "--max-error=%g" % bound, "-o", work / "auto.json", "--report", work / "auto.html", "--json")
    if ran.returncode or ran.stderr:
        return "exit %d: %s" % (ran.returncode, ran.stderr)
    said = json.loads(ran.stdout)
    error = max(o["relative"] for o in said["held_out"]["outputs"])
    if said["held_out"]["samples"] + said["calibrated"]["samples"] != len(samples) or not said["held_out"]["samples"]:
        return "samples: %s" % said
    if error > bound:
        return "%g, more than %g" % (error, bound)
    own = [largest_error(dsc, work, [s], work / "auto.json") for s in samples]
    if min(own) > error * 1.01 + 1e-7 or max(own) < error * 0.99 - 1e-7:
        return "samples err by %s, but %g is said" % (own, error)
    if any(not f.get("reason") for f in said["factors"]):
        return "a factor has no reason"
    page = page_of(work / "auto.html")
    return "the page has %s, %s" % (page.wrong, page.open) if page.wrong or page.open or page.rows < len(said["factors"]) else None


def check_observers(dsc, report, work):
    """Each rule's observer makes the range of what it decides, in one calibration: the same as alone."""
    alone = {}
    for name, option in (("percentile", "--percentile=99"), ("moving-average", "--momentum=0.5"), ("minmax", None)):
        ran = quantize(dsc, work, "--observer", name, *([option] if option else []), "--hold-out=0.25", "--precision=f32", "-o", work / "alone.json")
        report.check("observer %s alone" % name, ran.returncode == 0, ran.stderr)
        alone[name] = json.loads((work / "alone.json").read_text())["values"]
    (work / "rules").write_text(RULES)
    ran = quantize(dsc, work, "--precision", work / "rules", "-o", work / "r.json")
    report.check("rules with observers", ran.returncode == 0, ran.stderr)
    for key, value in json.loads((work / "r.json").read_text())["values"].items():
        act = key.endswith(":0") and not value.get("constant")
        products = "MatMul" in key and key.endswith(":0") and alone["minmax"][key[:-1] + "1"].get("constant")
        name = "percentile" if "Conv" in key and act else "moving-average" if products else "minmax"
        want = alone[name][key]
        report.check("%s is by %s" % (key, name), (value["min"], value["max"]) == (want["min"], want["max"]), (value, want))


def check_names(dsc, report, work):
    """Names of nodes and models are shown as they are."""
    name = "<script>&\"'é"
    model = onnx.load(work / "model.onnx")
    for i, node in enumerate(model.graph.node):
        node.name = "%s%d" % (name, i)
    onnx.save(model, work / "model.onnx")
    ran = quantize(dsc, work, "--precision=int8", "-o", work / "n.json", "--report", work / "n.html")
    page = page_of(work / "n.html")
    report.check("names on a page", ran.returncode == 0 and not page.wrong and not page.open and name in page.text, (ran.stderr, page.wrong))


def check_options(dsc, report, work):
    out = work / "o.json"
    (work / "bad_rules").write_text("*.act: ui8 percentile percentile=1000\n")
    (work / "no_observer").write_text("*.act: ui8 thumb\n")
    for options, code, says in (
            (["--precision=int9", "-o", out], 2, "int9"), (["--precision=int8", "--max-error=1", "-o", out], 2, "auto"),
            (["--precision=auto", "--max-error=-1", "-o", out], 2, "max-error"), (["--precision=auto", "--max-error=nan", "-o", out], 2, "max-error"),
            (["--precision=int8", "--hold-out=1", "-o", out], 2, "hold-out"), (["--precision=int8", "--hold-out=x", "-o", out], 2, "hold-out"),
            (["--hold-out=0.5", "-o", out], 2, "hold-out"), (["--report=x.html", "-o", out], 2, "report"), (["--json", "-o", out], 2, "json"),
            (["-o", work / "m.o"], 2, "m.o"), (["--precision=int8", "-o", work / "m.o", "--prefix=a b"], 2, "prefix"),
            (["--precision=int8", "-o", work / "m.o", "--emit=paper"], 2, "paper"),
            (["--precision", work / "bad_rules", "-o", out], 2, "percentile"), (["--precision", work / "no_observer", "-o", out], 2, "thumb"),
            (["--precision", work / "samples.npz", "-o", out], 1, "samples.npz"),
            (["--precision=int8", "-o", work / "none/x.json"], 1, "none/x.json"),
            (["--precision=int8", "-o", out, "--report", work / "none/x.html"], 1, "none/x.html")):
        ran = quantize(dsc, work, *options)
        report.check("quantize %s" % [str(o) for o in options], ran.returncode == code and says in ran.stderr and ran.stderr.count("error:") == 1, ran.stderr)
    ran = quantize(dsc, work, "--precision=int8", "--json", "-o", "-")
    report.check("ranges to standard output", ran.returncode == 0 and json.loads(ran.stdout)["format"] and json.loads(ran.stderr)["factors"], ran.stderr)


def check_unseen(dsc, report, work):
    """Decisions without ranges: these are needed by what has a scale of its own."""
    for text, code, says in (('{"encoding": "i8 sym dynamic"}', 0, ""), ('{"encoding": "bf16"}', 0, ""), ('{"min": 1, "encoding": "bf16"}', 1, "max"),
                             ('{"reason": "none"}', 1, "min")):
        (work / "u.json").write_text('{"format": "dsc ranges 1", "values": {"/part/Gemm_9:0": %s}}' % text)
        ran = sh(dsc, "compile", work / "model.onnx", "--precision", work / "u.json", "-o", work / "u.o")
        report.check("without a range: %s" % text, ran.returncode == code and says in ran.stderr, ran.stderr)


def run(dsc, work, report, count=2, seed=0):
    for s in range(seed, seed + count):
        own = work / str(s)
        model, samples = prepare(s, own)
        (own / "rules").write_text(RULES)
        for i, how in enumerate([*WORDS, own / "rules"]):
            reason = disagreement(dsc, own, how, ["native", "x86-64-v3"][(s + i) % 2])
            report.check("network %d by %s" % (s, how), reason is None, reason)
        for bound in (1e-1, 1e-2, 1e-5):
            reason = broken_bound(dsc, own, samples, bound)
            report.check("network %d within %g" % (s, bound), reason is None, reason)
    prepare(seed + count, work / "options")
    check_observers(dsc, report, work / "options")
    check_options(dsc, report, work / "options")
    check_unseen(dsc, report, work / "options")
    check_names(dsc, report, work / "options")


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--dsc", required=True)
    p.add_argument("--count", type=int, default=2)
    p.add_argument("--seed", type=int, default=0)
    a = p.parse_args()
    wrong = []

    class Report:
        @staticmethod
        def check(name, good, details=""):
            if not good:
                wrong.append(name)
                print("FAIL", name, str(details)[:600])

    with tempfile.TemporaryDirectory(prefix="dsc-quantising.") as work:
        run(a.dsc, Path(work), Report, a.count, a.seed)
    print("%d wrong" % len(wrong))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
