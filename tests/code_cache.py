"""Equal kernels share code; compiled functions come from the cache where they are there, whole and right, and are the same bytes."""
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

ROOT = Path(__file__).resolve().parent.parent
COUNTS = re.compile(r"(\d+) hits, (\d+) misses  cache")


def shared_kernels(dsc, work, report):
    """Two kernels that differ in the name of their symbol only: one function, two calls."""
    names = ("a", "b")
    nodes = [helper.make_node("Exp", ["x" + n], ["y" + n]) for n in names]
    inputs = [helper.make_tensor_value_info("x" + n, TensorProto.FLOAT, [n, 8]) for n in names]
    outputs = [helper.make_tensor_value_info("y" + n, TensorProto.FLOAT, None) for n in names]
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", inputs, outputs), opset_imports=[helper.make_opsetid("", 20)]), work / "two.onnx")
    values = [np.random.default_rng(3 + i).standard_normal((3 + i, 8)).astype(np.float32) for i in range(2)]
    for i, value in enumerate(values):
        np.save(work / ("input_%d.npy" % i), value)
    for form in ("o", "s", "ll"):
        made = subprocess.run([dsc, "compile", work / "two.onnx", "--prefix=p", "-o", work / ("two." + form)], capture_output=True, text=True)
        report.check("two equal kernels, ." + form, made.returncode == 0, made.stderr)
    symbols = subprocess.run(["llvm-nm-19", work / "two.o"], capture_output=True, text=True).stdout
    report.check("equal kernels are one function of an object", len(re.findall(r" [tT] p_k\d+$", symbols, re.M)) == 1, symbols)
    report.check("kernels have their own names in objects", "$" not in symbols, symbols)
    report.check("equal kernels are one function in assembly", len(re.findall(r"^p_k\d+:", (work / "two.s").read_text(), re.M)) == 1)
    text = (work / "two.ll").read_text()
    report.check("kernels have their own names in text", "@p_k0" in text and "kernel$" not in text)
    ran = subprocess.run([dsc, "run", work / "two.onnx", "--inputs", work, "--outputs", work], capture_output=True, text=True)
    good = ran.returncode == 0 and all(np.allclose(np.load(work / ("output_%d.npy" % i)), np.exp(values[i]), rtol=1e-5) for i in range(2))
    report.check("a kernel that two calls share", good, ran.stderr)


class Compiler:
    def __init__(self, dsc, work, report):
        self.dsc, self.work, self.report, self.folder = dsc, work, report, work / "made" / "cache"
        self.model = ROOT / "tests/data/digits.onnx"

    def run(self, name, *flags, form="o", folder=None, **environment):
        """The bytes of the file, hits, misses, and what was said."""
        path = self.work / ("digits." + form)
        flags = list(flags) + ([] if any(str(f).startswith("--prefix") for f in flags) else ["--prefix=digits"])
        cache = [] if folder is False else ["--cache=%s" % (folder or self.folder)]
        made = subprocess.run([self.dsc, "compile", self.model, "--timing", *cache, *flags, "-o", path], capture_output=True, text=True, env=dict(os.environ, **environment))
        self.report.check("compile: " + name, made.returncode == 0, made.stderr)
        counts = COUNTS.search(made.stderr)
        return path.read_bytes(), *(map(int, counts.groups()) if counts else (0, 0)), made.stderr

    def entries(self):
        return sorted(self.folder.glob("*.dsc"))

    def expect(self, name, wanted, misses, *flags, **more):
        got, hits, missed, said = self.run(name, *flags, **more)
        self.report.check("same bytes: " + name, got == wanted)
        self.report.check("hits and misses: " + name, missed == misses and hits + missed > 0, "%d hits, %d misses, not %s" % (hits, missed, misses))
        return said


def hits(c):
    plain = c.run("without cache", folder=False)[0]
    first = c.run("into an empty cache")
    c.report.check("an empty cache has nothing", first[1] == 0 and first[2] > 3 and first[0] == plain, first[3])
    total = first[2]
    c.expect("from a full cache", plain, 0)
    c.expect("from a full cache, one thread", plain, 0, "--jobs=1")
    ran = subprocess.run([c.dsc, "compile", c.model, "--timing", "--prefix=digits", "-o", c.work / "e.o"], capture_output=True, text=True, env=dict(os.environ, DSC_CACHE=str(c.folder)))
    c.report.check("DSC_CACHE names a cache", "%d hits, 0 misses" % total in ran.stderr and (c.work / "e.o").read_bytes() == plain, ran.stderr)
    return plain, total


def others(c, plain):
    """Other code is not taken for it: each is compared with what is compiled without a cache, before and after it is in the cache."""
    cases = [("another prefix", ["--prefix=other"], "o"), ("another level", ["--cpu=x86-64"], "o"), ("another architecture", ["--target=aarch64"], "o"), ("no optimiser", ["-O0"], "o"),
             ("traced", ["--trace"], "o"), ("weights in a file", ["--weights=file"], "o"), ("assembly", [], "s"), ("assembly of another prefix", ["--prefix=other"], "s"), ("LLVM IR", [], "ll")]
    for name, flags, form in cases:
        wanted = c.run(name + ", without cache", *flags, form=form, folder=False)[0]
        got, _, missed, _ = c.run(name, *flags, form=form)
        c.report.check("not another's code: " + name, got == wanted and missed > 0, missed)
        c.expect(name + ", again", wanted, 0, *flags, form=form)
    c.expect("after all others", plain, 0)
    before = len(c.entries())
    c.run("with debug information", "--debug=%s" % (c.work / "list.txt"))
    c.report.check("code with debug information is not cached", len(c.entries()) == before)


def damage(c, plain, total):
    """Each entry of a cache of one model is damaged in one way; it is then replaced."""
    for entry in c.entries():
        entry.unlink()
    c.run("into the emptied cache")
    whole = {e: e.read_bytes() for e in c.entries()}
    c.report.check("an entry for each function", len(whole) == total, len(whole))
    other = list(whole.values())
    ways = {"empty": lambda b: b"", "cut in the head": lambda b: b[:40], "cut by one byte": lambda b: b[:-1], "longer": lambda b: b + b"\0", "a flipped bit in front": lambda b: b"\x01" + b[1:],
            "a flipped bit at the end": lambda b: b[:-1] + bytes([b[-1] ^ 1]), "a flipped bit of the checksum": lambda b: b[:60] + bytes([b[60] ^ 4]) + b[61:],
            "another version": lambda b: b.replace(b"dsc code 1", b"dsc code 9", 1), "no entry at all": lambda b: b"\x7fELF" + b"x" * 500,
            "another function's": lambda b: other[0] if b != other[0] else other[1], "a length that is not so": lambda b: b[:16] + b"\xff" * 8 + b[24:]}
    for name, way in ways.items():
        for entry, content in whole.items():
            entry.write_bytes(way(content))
        c.expect("entries are " + name, plain, total)
        c.report.check("replaced: entries that were " + name, all(e.read_bytes() == b for e, b in whole.items()))
    for entry in whole:
        entry.unlink()
        entry.mkdir()
    c.expect("folders in place of entries", plain, total)
    c.expect("after folders in their place", plain, 0)
    first = next(iter(whole))
    first.unlink()
    (first / "kept").mkdir(parents=True)
    said = c.expect("a folder that is not empty", plain, 1)
    c.report.check("it is kept, and said once", (first / "kept").is_dir() and said.count("warning") == 1, said)
    (first / "kept").rmdir()
    first.rmdir()
    first.symlink_to(first.name)
    c.expect("a link to itself", plain, 1)


def folders(c, plain):
    """What cannot be used is said once, and everything works without it."""
    (c.work / "file").write_text("")
    for name, folder in (("a file", c.work / "file"), ("a folder in a file", c.work / "file/cache"), ("a folder that nobody can write to", Path("/proc"))):
        got, hits, _, said = c.run("the cache is " + name, folder=folder)
        c.report.check("without a cache: " + name, got == plain and hits == 0 and said.count("warning") == 1, said)


def other_build(c, plain, total):
    """A program of another build id takes nothing from the cache."""
    notes = subprocess.run(["readelf", "-n", c.dsc], capture_output=True, text=True).stdout
    build, own = bytes.fromhex(re.search(r"Build ID: (\w+)", notes).group(1)), c.dsc
    c.dsc = c.work / "dsc"
    c.dsc.write_bytes(own.read_bytes().replace(build, bytes([build[0] ^ 1]) + build[1:]))
    c.dsc.chmod(0o755)
    c.expect("by another build", plain, total)
    c.expect("by another build, again", plain, 0)
    c.dsc = own
    c.expect("by the first build", plain, 0)


def concurrent(c, plain):
    for entry in c.entries():
        entry.unlink()
    paths = [c.work / ("both_%d.o" % i) for i in range(4)]
    running = [subprocess.Popen([c.dsc, "compile", c.model, "--prefix=digits", "--cache=%s" % c.folder, "-o", p], stderr=subprocess.PIPE) for p in paths]
    said = [r.communicate()[1] for r in running]
    c.report.check("four compilers and one cache", all(r.returncode == 0 for r in running) and all(p.read_bytes() == plain for p in paths), said)
    c.expect("after four compilers", plain, 0)
    left = [p.name for p in c.folder.iterdir() if p.suffix != ".dsc"]
    c.report.check("no temporary file is left", not left, left)


def run(dsc, work, report):
    work.mkdir(parents=True)
    shared_kernels(dsc, work, report)
    c = Compiler(dsc, work, report)
    plain, total = hits(c)
    others(c, plain)
    damage(c, plain, total)
    folders(c, plain)
    other_build(c, plain, total)
    concurrent(c, plain)
