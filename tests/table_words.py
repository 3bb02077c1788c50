"""Words of tables in passes/: what elements are, which instructions there are and what machines are called stands in tables (*.def), which
passes read. Each file that says such a word itself is listed here, with how often and why: the list can only shrink."""
import re
from pathlib import Path

import tables

ROOT = Path(__file__).resolve().parent.parent
INSTRUCTIONS = "fma vnni avx avx2 avx512 amx sse sse2 sse4 neon sve sme dotprod i8mm wmma mfma".split()
MAKERS = "amd intel arm nvidia apple zen xeon epyc cuda x86 aarch64".split()

# file under passes/: (element types, instructions, machines and makers, why)
ALLOWED = {
    "fuse.c": (2, 0, 0, "rules of scalars that hold for one rounding: folded scales, GELU"),
    "grow.c": (1, 0, 0, "positions that kernels take as i64"),
    "layout.c": (5, 0, 0, "panels and packed weights are of f32; subnormal weights are flushed"),
    "lower/build.c": (0, 2, 0, "one rounding where the target has it: asks its row of targets.def"),
    "lower/winograd.c": (3, 0, 0, "transforms"),
    "schedule/rows.c": (1, 0, 0, "products between rows"),
    "schedule/strips.c": (1, 1, 0, "images in strips; the name of the products' multiply-add"),
    "narrow/forms.c": (3, 0, 0, "depthwise convolutions of bytes, which have no row of mma.def"),
    "narrow/largest.c": (1, 0, 0, "pools of bytes, which have none either"),
    "schedule/tile.c": (0, 4, 0, "ports and latency of multiply-adds, fields of machine.def"),
    "schedule/winograd.c": (2, 2, 0, "images and filters; the name of the multiply-add"),
    "winograd.c": (4, 0, 0, "the matrices of the filter's transform"),
}


def words(text):
    """Parts of identifiers and of words in comments: `DS_LOOP_fma` has ds, loop, fma."""
    return re.findall(r"[A-Za-z0-9]+", text.replace("_", " "))


def count(text):
    types = {"DS_" + name for name in tables.elements()} - {"DS_index", "DS_b1"} # positions and truth, whatever tensors hold
    parts = {m.lower() for name in tables.machines() for m in re.split(r"[^A-Za-z0-9]+", name)}
    machines = {m for m in parts if not re.fullmatch(r"v?\d+|x86|64|v\d", m)} - set(tables.elements())
    found = [w.lower() for w in words(text)]
    return (sum(w in types for w in re.findall(r"\bDS_\w+", text)), sum(w in INSTRUCTIONS for w in found), sum(w in MAKERS or w in machines for w in found))


def run(report):
    total, kinds = [0, 0, 0], ("element types", "instructions", "machines")
    for path in sorted((ROOT / "passes").rglob("*.[ch]")):
        name = str(path.relative_to(ROOT / "passes"))
        if name.startswith(("decompose/", "lower/cpu/")): # rules of ONNX's operators, and programs that one kind of machine has
            continue
        found, allowed = count(path.read_text()), ALLOWED.get(name, (0, 0, 0, ""))
        total = [a + b for a, b in zip(total, found)]
        for kind, is_there, may in zip(kinds, found, allowed):
            what = "passes/%s says %d words of tables (%s), %d are listed" % (name, is_there, kind, may)
            report.check(what, is_there == may, "ask a table" if is_there > may else "take them off the list of tests/table_words.py")
    for name in ALLOWED:
        report.check("passes/%s is there" % name, (ROOT / "passes" / name).exists(), "take it off the list of tests/table_words.py")
    print("words of tables in passes: %d element types, %d instructions, %d machines, in %d files" % (*total, len(ALLOWED)), flush=True)
    for name, (types, instructions, machines, why) in sorted(ALLOWED.items()):
        print("  %-22s %2d %s" % (name, types + instructions + machines, why), flush=True)
