#!/usr/bin/env python3
"""Runs every test: units, IR text, the ONNX suite, models against ONNX Runtime, embedding, cross-compilation, hygiene, bad input.

    run.py --build BUILD [--full] [--only NAME]

Prints one line for each failure and skip, and closes with 'N passed, N failed, N skipped'. The ONNX suite's expected failures are in
tests/onnx_expected_failures.txt: a test that fails and is not listed is a failure, and so is one that is listed and passes. They count
neither as passed nor as failed: the line before the last one says how many there are, by reason.
"""
import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
import tables  # noqa: E402
import tiles  # noqa: E402


class Report:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.expected = {}  # failures that are known: reason -> how many

    def check(self, name, good, detail=""):
        if good:
            self.passed += 1
        else:
            self.failed += 1
            print("FAIL %s: %s" % (name, str(detail).strip()[-600:]), flush=True)

    def expect(self, reason):
        self.expected[reason] = self.expected.get(reason, 0) + 1

    def skip(self, name, reason):
        self.skipped += 1
        print("SKIP %s: %s" % (name, reason), flush=True)


def sh(*args, **kw):
    kw.setdefault("timeout", 600)
    return subprocess.run([str(a) for a in args], capture_output=True, text=True, **kw)


def units(env, report):
    out = sh("ctest", "--test-dir", env.build, "--output-on-failure", "-N")
    for name in re.findall(r"Test +#\d+: (\w+)", out.stdout):
        result = sh(env.build / ("test_" + name))
        report.check("unit " + name, result.returncode == 0, result.stdout + result.stderr)


TEXT_CASES = 100  # an intended minimum: every pass is shown by some


def text(env, report):
    from text_parts import parts_of
    cases, folder = 0, env.work / "text"
    folder.mkdir(exist_ok=True)
    for path in sorted((ROOT / "tests/text").glob("*.mlir")):
        source = path.read_text()
        commands = re.findall(r"^// RUN: (.*)$", source, re.M)
        report.check(path.name + " has a RUN line", bool(commands))
        for number, part in enumerate(parts_of(source)):
            named = set(re.findall(r"^ *func\.func @(\w+)", part, re.M)) & set(re.findall(r"^ *// CHECK-LABEL: .*@(\w+)", part, re.M))
            cases += max(1, len(named))
            file = folder / ("%s.%d.mlir" % (path.stem, number))
            file.write_text(part)
            for command in commands:
                command = re.sub(r"\bnot (.*?)\|", r"{ ! \1; } |", command.replace("%s", str(file)))
                result = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, timeout=120,
                                        env=dict(os.environ, PATH="%s:/usr/lib/llvm-19/bin:%s" % (env.build, os.environ["PATH"])))
                report.check("text " + file.name, result.returncode == 0, result.stderr or result.stdout)
    print("text: %d cases" % cases, flush=True)
    report.check("at least %d cases in tests/text" % TEXT_CASES, cases >= TEXT_CASES, cases)


def native(env, report):
    """Graphs that a person writes: README.md's, and others beside ONNX Runtime; weights; errors."""
    import native as graphs
    graphs.run(env, report)


def generation(env, report):
    """Decoders that are fed with their own tokens and caches, beside a loop over ONNX Runtime."""
    import generation as decoders
    decoders.run(env, report, sh)


def onnx_suite(env, report):
    import onnx_suite as suite
    expected_path = ROOT / "tests/onnx_expected_failures.txt"
    expected = {line.split("#")[0].strip() for line in expected_path.read_text().splitlines()} - {""} if expected_path.exists() else set()
    results = suite.run(env.dsc, env.work / "suite")
    counts = {}
    for name, (status, detail) in results.items():
        counts[status] = counts.get(status, 0) + 1
        if status == "pass":
            report.check("onnx " + name, name not in expected, "passes, but is listed in onnx_expected_failures.txt: remove it there")
        elif name in expected and status in ("unsupported", "wrong"):
            report.expect("refused" if status == "unsupported" else status)
        else:
            report.check("onnx " + name, False, status + ": " + detail)
    print("onnx suite: %s of %d" % (", ".join("%d %s" % (n, s) for s, n in sorted(counts.items())), len(results)), flush=True)


def models(env, report):
    import models as m
    for name, good, detail in m.run(env.dsc, env.work / "models"):
        report.check("model " + name, good, detail)


def embed(env, report):
    work = env.work / "embed"
    work.mkdir(parents=True, exist_ok=True)
    model = ROOT / "tests/data/digits.onnx"
    cpu = ["--cpu=native"]
    for name in ("digits", "twin"):
        result = sh(env.dsc, "compile", model, "-o", work / (name + ".o"), *cpu)
        report.check("compile " + name, result.returncode == 0, result.stderr)
    sources = [ROOT / "tests/embed/embed.c", work / "digits.o", work / "twin.o", env.build / "libdsrt.a"]
    flags = ["-Wall", "-Wextra", "-Werror", "-I", work, "-I", ROOT / "runtime", "-pthread"]
    for compiler, extra in (("cc", ["-std=c11", "-pedantic"]), ("g++", ["-x", "c++", "-std=c++11"])):
        tail = ["-x", "none"] if compiler == "g++" else []
        result = sh(compiler, *extra, *flags, sources[0], *tail, *sources[1:], "-o", work / ("embed_" + compiler))
        report.check("embed with " + compiler, result.returncode == 0, result.stderr)
        if result.returncode == 0:
            result = sh(work / ("embed_" + compiler))
            report.check("run embedded with " + compiler, result.returncode == 0, result.stdout)
    result = sh(env.dsc, "compile", ROOT / "tests/embed/cache.mlir", "-o", work / "cache.o")
    report.check("compile a cache", result.returncode == 0, result.stderr)
    result = sh("cc", "-std=c11", "-pedantic", *flags, ROOT / "tests/embed/cache.c", work / "cache.o", env.build / "libdsrt.a", "-ldl", "-o", work / "cache")
    report.check("embed a cache", result.returncode == 0, result.stderr)
    result = sh(work / "cache")
    report.check("a cache changed in place", result.returncode == 0, result.stdout)
    result = sh(env.dsc, "compile", ROOT / "tests/embed/grow.mlir", "--alias=past=present", "-o", work / "grow.o")
    report.check("compile a cache that grows in place", result.returncode == 0, result.stderr)
    result = sh("cc", "-std=c11", "-pedantic", *flags, ROOT / "tests/embed/grow.c", work / "grow.o", env.build / "libdsrt.a", "-ldl", "-o", work / "grow")
    report.check("embed a cache that grows in place", result.returncode == 0, result.stderr)
    result = sh(work / "grow")
    report.check("a cache that grows in place", result.returncode == 0, result.stdout)
    result = sh(env.dsc, "compile", ROOT / "tests/embed/room.mlir", "--alias=past*=present*", "-o", work / "room.o")
    report.check("compile caches that have room", result.returncode == 0, result.stderr)
    result = sh("cc", "-std=c11", "-pedantic", *flags, ROOT / "tests/embed/room.c", work / "room.o", env.build / "libdsrt.a", "-ldl", "-o", work / "room")
    report.check("embed caches that have room", result.returncode == 0, result.stderr)
    result = sh(work / "room")
    report.check("caches that have room", result.returncode == 0, result.stdout)


def reflect(env, report):
    """A model loaded at run time, described by itself; weights linked in and in a file."""
    work = env.work / "reflect"
    work.mkdir(parents=True, exist_ok=True)
    result = sh("cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-I", ROOT / "runtime", ROOT / "tests/embed/reflect.c", env.build / "libdsrt.a", "-pthread", "-ldl", "-o", work / "reflect")
    report.check("build reflect", result.returncode == 0, result.stderr)
    for where, extra in (("object", []), ("file", [work / "m.weights"])):
        result = sh(env.dsc, "compile", ROOT / "tests/data/digits.onnx", "--cpu=native", "--weights=" + where, "--prefix=digits", "-o", work / "m.so")
        report.check("compile so", result.returncode == 0, result.stderr)
        result = sh(work / "reflect", work / "m.so", "digits", *extra)
        report.check("run by reflection, weights in " + where, result.returncode == 0, result.stdout)


def code_cache(env, report):
    """Equal kernels, and functions that were compiled before (code_cache.py)."""
    import code_cache as cases
    cases.run(env.dsc, env.work / "code_cache", report)


def hygiene(env, report):
    """Undefined symbols, determinism, spills, the include table, and documents that say what tables and data do."""
    work = env.work / "hygiene"
    work.mkdir(parents=True, exist_ok=True)
    model = ROOT / "tests/data/digits.onnx"
    for cpu in ("x86-64", "x86-64-v3", "x86-64-v3-vnni", "x86-64-v4", "x86-64-v4-vnni", "aarch64", "aarch64-dot", "aarch64-i8mm"):
        files = [work / ("%s_%d.o" % (cpu, i)) for i in range(2)]
        for i, path in enumerate(files):
            result = sh(env.dsc, "compile", model, "--cpu", cpu, "--prefix=digits", "--jobs", i + 1, "-o", path)
            report.check("compile for " + cpu, result.returncode == 0, result.stderr)
        report.check("same bytes twice, " + cpu, files[0].read_bytes() == files[1].read_bytes())
        undefined = set(sh("llvm-nm-19", "-u", "--format=just-symbols", files[0]).stdout.split())
        report.check("undefined symbols, " + cpu, undefined <= {"memcpy", "memset"}, undefined)
        result = sh(env.dsc, "compile", model, "--cpu", cpu, "--prefix=digits", "-o", work / (cpu + ".s"))
        spills = len(re.findall(r"(?:zmm|ymm|xmm)\d+, .*\(%rsp\).*Spill|-byte Folded Spill", (work / (cpu + ".s")).read_text()))
        report.check("vector spills, %s: %d" % (cpu, spills), spills < 400, spills)
    allowed = {"ir": {"ir"}, "frontend": {"ir", "frontend"}, "passes": {"ir", "passes", "kernels"}, "kernels": set(), "codegen": {"ir", "codegen", "runtime", "kernels"},
               "runtime": set(), "tools": {"ir", "frontend", "passes", "codegen", "runtime", "tools", "kernels"}}
    for folder, may in allowed.items():
        for path in sorted((ROOT / folder).rglob("*.[ch]")):
            for name in re.findall(r'^#include "([^"]+)"', path.read_text(), re.M):
                top = name.split("/")[0] if "/" in name and name.split("/")[0] in allowed else None
                good = top is None or top in may
                if folder == "codegen" and top == "runtime":
                    good = name == "runtime/ds_abi.h"
                report.check("%s includes %s" % (path.relative_to(ROOT), name), good, "the folder may not include that")
    import table_words
    table_words.run(report)
    import documents
    documents.run(env, report, sh, work)
    formatter = shutil.which("clang-format-14") or shutil.which("clang-format")
    if not formatter or " 14." not in sh(formatter, "--version").stdout:
        report.skip("formatting", "there is no clang-format 14, whose output the sources have")
        formatter = None
    for path in list(ROOT.glob("*/**/*.[ch]")):
        if path.relative_to(ROOT).parts[0] in allowed:
            if formatter:
                result = sh(formatter, "--dry-run", "-Werror", path)
                report.check("%s is formatted" % path.relative_to(ROOT), result.returncode == 0, result.stderr[-200:])
            lines = path.read_text().count("\n")
            report.check("%s has %d lines" % (path.relative_to(ROOT), lines), lines <= 800, "files stay under 800 lines")


def cross(env, report):
    """aarch64 objects run under qemu."""
    work = env.work / "cross"
    work.mkdir(parents=True, exist_ok=True)
    if not shutil.which("qemu-aarch64") or not shutil.which("aarch64-linux-gnu-gcc"):
        report.skip("aarch64", "needs qemu-aarch64 and aarch64-linux-gnu-gcc")
        return
    result = sh(env.dsc, "compile", ROOT / "tests/data/digits.onnx", "--target=aarch64", "--dim", "batch=1", "-o", work / "digits.o")
    report.check("compile for aarch64", result.returncode == 0, result.stderr)
    result = sh("aarch64-linux-gnu-gcc", "-static", "-O1", "-I", work, "-I", ROOT / "tests/data", ROOT / "tools/demo/digits.c", work / "digits.o", "-o", work / "digits")
    report.check("link for aarch64", result.returncode == 0, result.stderr)
    result = sh("qemu-aarch64", work / "digits")
    report.check("run on aarch64", result.returncode == 0 and "right" in result.stdout, result.stdout + result.stderr)
    import forms as small_graphs
    small_graphs.run_on_aarch64(env.dsc, work / "forms", report)
    import fuzz_quantised
    if platform.machine() == "x86_64":
        count, wrong = fuzz_quantised.campaign_on_arm(env.dsc, 200 if env.full else 24, 5, work / "quantised")
        report.check("%d quantised graphs on aarch64" % count, not wrong, "\n".join(wrong))
        import squares
        count, wrong = squares.campaign(env.dsc, 150 if env.full else 24, 5, work / "squares")
        report.check("%d products in squares on aarch64" % count, not wrong, "\n".join(wrong))


def wrong_machine(env, report):
    """Code for one ISA level on CPUs that have less, as qemu does them: a status and a sentence, no illegal instruction."""
    import numpy as np
    work = env.work / "machine"
    work.mkdir(parents=True, exist_ok=True)
    if not shutil.which("qemu-x86_64") or platform.machine() != "x86_64":
        report.skip("wrong machine", "needs qemu-x86_64 on x86_64")
        return
    np.save(work / "input_0.npy", np.zeros((1, 1, 8, 8), np.float32))
    model = ROOT / "tests/data/digits.onnx"
    for level, good, bad in (("x86-64", ["Nehalem"], []), ("x86-64-v3", ["Haswell"], ["Nehalem", "SandyBridge"]), ("x86-64-v4", [], ["Nehalem", "Haswell"]), ("x86-64-v3-vnni", [], ["Haswell"]),
                             ("x86-64-v4-vnni", [], ["Nehalem", "Haswell"])):
        made = sh(env.dsc, "compile", model, "--cpu=" + level, "--emit=exe", "-o", work / "program")
        report.check("compile for " + level, made.returncode == 0, made.stderr)
        for cpu in good + bad:
            ran = sh("qemu-x86_64", "-cpu", cpu, work / "program", "--outputs=%s" % work, work / "input_0.npy")
            right = ran.returncode == 0 if cpu in good else ran.returncode == 1 and "lacks instructions" in ran.stderr and level in ran.stderr
            report.check("%s on %s" % (level, cpu), right, ran.stderr)
    ran = sh("qemu-x86_64", "-cpu", "Nehalem", env.dsc, "run", model, "--cpu=x86-64-v3", "--inputs", work)
    report.check("dsc run on a lesser CPU", ran.returncode == 1 and "lacks instructions" in ran.stderr, ran.stderr)


def bad_input(env, report):
    import bad_input as bad
    for name, good, detail in bad.run(env.dsc, env.work / "bad", ROOT / "tests/data/digits.onnx"):
        report.check("bad input: " + name, good, detail)


def schedules_by_hand(env, report):
    """Schedules that were edited are obeyed, or refused with a sentence; run tests/schedules.py by hand for more."""
    import schedules as by_hand
    for name, reason in by_hand.run(env.dsc, env.work / "schedules", None if env.full else 7, 3000 if env.full else 120):
        report.check("schedule of " + name, not reason, reason)


def kernels_by_hand(env, report):
    """Kernels whose ops do not fit their schedule's program."""
    import hostile_kernels
    for name, reason, _ in hostile_kernels.run(env.dsc, env.work / "kernels", some=not env.full):
        report.check("kernel " + name, not reason, reason)


def fuzz(env, report):
    """Random graphs against ONNX Runtime, a few of them; run tests/fuzz.py and tests/fuzz_control.py by hand for more."""
    nested = sh(sys.executable, ROOT / "tests/fuzz_control.py", "--dsc", env.dsc, "--count", 300 if env.full else 40)
    report.check("random control flow", nested.returncode == 0, nested.stdout[-2000:] + nested.stderr[-1000:])
    result = sh(sys.executable, ROOT / "tests/fuzz.py", "--dsc", env.dsc, "--count", 400 if env.full else 33, "--seed", 27)
    report.check("random graphs", result.returncode == 0, result.stdout)


def quantised(env, report):
    """Random graphs of bytes: sums that NumPy knows, and the same bits as levels with other instructions narrow them."""
    import fuzz_quantised
    if platform.machine() != "x86_64":
        report.skip("quantised graphs", "the levels that they are compared at are x86-64's")
        return
    count, wrong = fuzz_quantised.campaign(env.dsc, 800 if env.full else 48, 3, env.work / "quantised")
    report.check("%d quantised graphs" % count, not wrong, "\n".join(wrong))
    count, wrong = fuzz_quantised.campaign_in_blocks(env.dsc, 300 if env.full else 24, 3, env.work / "blocks")
    report.check("%d products with weights of few bits" % count, not wrong, "\n".join(wrong))


def rounded(env, report):
    """Random products of --precision: what the report says that they are."""
    import few_bits
    import rounded as factors
    count, wrong = factors.campaign(env.dsc, 600 if env.full else 60, 5, env.work / "rounded")
    report.check("%d products of rounded factors" % count, not wrong, "\n".join(wrong))
    count, wrong = few_bits.campaign(env.dsc, 600 if env.full else 40, 7, env.work / "few_bits")
    report.check("%d products of weights of few bits and bytes" % count, not wrong, "\n".join(wrong))


def encodings(env, report):
    """Random products under random encodings of both factors, beside NumPy; mixes of policies beside models to try them with."""
    import stored as stored
    count, wrong = stored.campaign(env.dsc, 900 if env.full else 90, 7, env.work / "encodings")
    report.check("%d products of encoded factors" % count, not wrong, "\n".join(wrong))
    reason = stored.seven_types(env.dsc, env.work / "seven")
    report.check("seven types by span", reason is None, reason)


def calibration(env, report):
    """Ranges of dsc quantize beside NumPy's of what ONNX Runtime computes; bits of models that observe; samples that are none."""
    import calibration as ranges
    ranges.run(env.dsc, env.work / "calibration", report, env.full)


def quantising(env, report):
    """Decisions of dsc quantize: one set of bytes whichever way they are written, bounds on samples that are held out, pages, wrong options."""
    import quantising as decisions
    decisions.run(env.dsc, env.work / "quantising", report, 4 if env.full else 1)


def facts(env, report):
    """Elements of random graphs beside what --print-facts says of them; run tests/facts.py by hand for more."""
    import facts as known
    count, wrong = known.campaign(env.dsc, 1200 if env.full else 80, 3, env.work / "facts")
    report.check("facts of %d graphs" % count, not wrong, "\n".join(wrong))


def matrices(env, report):
    """Products by registers that hold matrices, where an emulator of these instructions runs."""
    import matrices as emulated
    if emulated.missing():
        report.skip("products of matrices", emulated.missing())
        return
    count, wrong = emulated.campaign(env.dsc, 400 if env.full else 40, 7, env.work / "matrices")
    report.check("%d graphs by matrices" % count, not wrong, "\n".join(wrong))


def operators(env, report):
    """Single operators with random attributes and special values; run tests/fuzz_ops.py by hand for more."""
    import fuzz_ops
    for seed, case, reason in fuzz_ops.run(env.dsc, env.work / "operators", 1800 if env.full else 180, 0):
        report.check("operator, seed %d: %s" % (seed, case), not reason, reason)


def fuzz_targets(env, report):
    """Importer, passes, code generation, text and files from changed bytes, under sanitizers; --full runs each for 5 minutes."""
    import fuzz_targets as targets
    if not env.full:
        targets.run(env, report, sh, ROOT, seconds=None, every=8)


def programs(env, report, model, work):
    """A program of the model's own, on .npy files, with weights inside and beside; `dsc run` on the same files."""
    import numpy as np
    images = np.random.default_rng(1).random((3, 1, 8, 8), np.float32)
    (work / "npy").mkdir(exist_ok=True)
    np.save(work / "npy/input_0.npy", images)
    result = sh(env.dsc, "run", model, "--inputs", work / "npy", "--outputs", work / "npy")
    report.check("run on .npy", result.returncode == 0, result.stderr)
    want = (work / "npy/output_0.npy").read_bytes()
    report.check("scores sum to 1", np.allclose(np.load(work / "npy/output_0.npy").sum(1), 1))
    for weights in ("object", "file"):
        result = sh(env.dsc, "compile", model, "--cpu=native", "--emit=exe", "--weights=" + weights, "-o", work / "program")
        ran = sh(work / "program", "--threads=2", "--outputs=%s" % work, work / "npy/input_0.npy")
        report.check("program, weights in the " + weights, ran.returncode == 0 and (work / "output_0.npy").read_bytes() == want, result.stderr + ran.stderr)
    report.check("program without inputs", sh(work / "program").returncode == 2)
    np.save(work / "wrong.npy", images.astype(np.float64))
    for bad in (work / "wrong.npy", model, work / "absent.npy"):
        ran = sh(work / "program", bad)
        report.check("program on %s" % bad.name, ran.returncode == 1 and bad.name in ran.stderr, ran.stderr)


def names(env, report):
    import names as any_names
    any_names.run(env.dsc, env.work / "names", report)


def guards(env, report):
    """Nothing outside the buffers of a call, whatever sizes and values arrive."""
    import guards as guard_pages
    import misfits
    misfits.run(env.dsc, env.work / "misfits", report)
    guard_pages.run_forms(env.dsc, env.work / "guards", report, 1 if env.full else 12)
    if env.full:
        guard_pages.run_suite(env.dsc, env.work / "guard_suite", report)


def forms(env, report):
    import forms as small_graphs
    small_graphs.run(env.dsc, env.work / "forms", report)


def accuracy(env, report):
    import accuracy as functions
    import forms as small_graphs
    functions.run(env.dsc, env.work / "accuracy", report, small_graphs.levels(env.dsc))


def debug_information(env, report, model, work):
    """Lines of the debug information are those of loop ops in the listing; a program in memory runs with it."""
    listing = work / "m.loops.mlir"
    result = sh(env.dsc, "compile", model, "--debug=%s" % listing, "-o", work / "debug.so")
    dump = sh("readelf", "--debug-dump=decodedline", work / "debug.so").stdout
    text = listing.read_text().splitlines() if listing.exists() else []
    numbers = {int(n) for n in re.findall(r"^\S+ +(\d+) +0x", dump, re.M)}
    ops = sum('"loop.' in text[n - 1] for n in numbers if n <= len(text))
    report.check("debug information", result.returncode == 0 and ops > 50 and max(numbers) <= len(text), "%s: %d lines, %d of loop ops" % (result.stderr, len(numbers), ops))
    listing.unlink()
    result = sh(env.dsc, "compile", model, "--debug=%s" % listing, "-o", work / "debug.s")
    report.check("debug information of assembly", result.returncode == 0 and listing.read_text().splitlines() == text, result.stderr)
    same = sh(env.dsc, "run", model, "--debug=%s" % listing, "--inputs", work / "npy", "--outputs", work / "npy")
    report.check("debug information in memory", same.returncode == 0 and listing.exists(), same.stderr)


def commands(env, report):
    """Every form of output, help and its examples, install, and the value-by-value comparison."""
    work = env.work / "commands"
    work.mkdir(parents=True, exist_ok=True)
    model = ROOT / "tests/data/digits.onnx"
    for form, suffix, magic in (("lib", "a", b"!<arch>"), ("so", "so", b"\x7fELF"), ("asm", "s", b"\t.text"), ("llvm", "ll", b"; ModuleID"), ("mlir", "mlir", b"module")):
        path = work / ("m." + suffix)
        result = sh(env.dsc, "compile", model, "-o", path)
        report.check("emit " + form, result.returncode == 0 and path.read_bytes().startswith(magic), result.stderr)
    import command_line
    command_line.run(env, report, sh, work / "command_line")
    programs(env, report, model, work)
    debug_information(env, report, model, work)
    result = sh(env.dsc, "compile", model, "--weights=file", "-o", work / "w.o")
    report.check("weights in a file", result.returncode == 0 and (work / "w.weights").stat().st_size > 10000, result.stderr)
    result = sh("env", "PATH=%s:%s" % (Path(sys.executable).parent, os.environ["PATH"]), env.dsc, "check", model, "--reference=onnxruntime")
    report.check("check against ONNX Runtime", result.returncode == 0 and "agree" in result.stdout, result.stdout + result.stderr)
    text, data = work / "t.mlir", work / "data"
    data.mkdir(exist_ok=True)
    import numpy as np
    import onnx
    from onnx import numpy_helper
    (data / "input_0.pb").write_bytes(numpy_helper.from_array(np.linspace(0, 1, 128, dtype=np.float32).reshape(2, 1, 8, 8), "image").SerializeToString())
    result = sh(env.dsc, "opt", model, "--stop-after=decompose", "-o", text)
    report.check("native text with weights", result.returncode == 0 and (work / "t.safetensors").exists(), result.stderr)
    outputs = []
    for source in (model, text):
        result = sh(env.dsc, "run", source, "--inputs", data, "--outputs", work / "out")
        report.check("run " + source.name, result.returncode == 0, result.stderr)
        outputs.append((work / "out/output_0.pb").read_bytes())
    report.check("text and model give the same bits", outputs[0] == outputs[1])
    given_initialisers(env, report, work / "initialisers")
    every_level(env, report, model, work)
    profiles(env, report, model, data, work)
    schedules(env, report, model, data, work, outputs[0])
    kernel_schedules(env, report, work)
    tiles.run(env, report, sh, work / "tiles")
    left_out(env, report, model, data, work, numpy_helper.to_array(onnx.TensorProto.FromString(outputs[0])))
    result = sh("cmake", "--install", env.build, "--prefix", work / "installed")
    report.check("install", result.returncode == 0 and (work / "installed/include/libdsrt.h").exists(), result.stderr)
    result = sh(work / "installed/bin/dsc", "info", model)
    report.check("installed dsc runs", "symbol batch" in result.stdout, result.stderr)


def given_initialisers(env, report, work):
    """An initialiser that is a graph input is a constant, unless --input says otherwise or the folder has a value for every input."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    work.mkdir(exist_ok=True)
    tensor = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [2])
    own, given, x = np.float32([1, 2]), np.float32([10, 20]), np.float32([3, 4])
    nodes = [helper.make_node("Mul", ["w", "x"], ["t"]), helper.make_node("Add", ["t", "b"], ["y"])]
    graph = helper.make_graph(nodes, "g", [tensor("w"), tensor("x"), tensor("b")], [tensor("y")], [numpy_helper.from_array(own, "w"), numpy_helper.from_array(own, "b")])
    onnx.save(helper.make_model(graph), work / "model.onnx")

    def result_of(values, *options):
        folder = work / ("in%d" % len(values))
        folder.mkdir(exist_ok=True)
        for i, value in enumerate(values):
            np.save(folder / ("input_%d.npy" % i), value)
        ran = sh(env.dsc, "run", work / "model.onnx", "--inputs", folder, "--outputs", folder, *options)
        return np.load(folder / "output_0.npy").tolist() if ran.returncode == 0 else ran.stderr

    report.check("initialisers are defaults", result_of([x]) == (own * x + own).tolist())
    report.check("every input is given", result_of([given, x, given]) == (given * x + given).tolist())
    report.check("one initialiser is given", result_of([x, given], "--input=b") == (own * x + given).tolist())
    report.check("--input needs an initialiser", "not an input that has an initialiser" in str(result_of([x], "--input=x")))
    info = sh(env.dsc, "info", work / "model.onnx", "--input=w").stdout
    report.check("info tells of defaults", "compiled in: 'b'" in info and "compiled in: 'w'" not in info and "input 0: 'w'" in info, info)


def every_level(env, report, model, work):
    """Text after any pass is taken on from there, and gives the same object; what is no model gives one message."""
    whole, again, text = work / "whole.o", work / "again.o", work / "level.mlir"
    sh(env.dsc, "compile", model, "--prefix=m", "-o", whole)
    for name, _ in tables.passes():
        sh(env.dsc, "opt", model, "--stop-after=" + name, "-o", text)
        result = sh(env.dsc, "compile", text, "--prefix=m", "-o", again)
        report.check("text after %s gives the same object" % name, result.returncode == 0 and again.read_bytes() == whole.read_bytes(), result.stderr)
    for wrong in ("hello\n" * 300, "func.func @f() { func.return }", "func.func @main(%a: i32, %b: i32) { func.return }", 'module attributes {ds.after = "x"} {}',
                  'module attributes {ds.after = "lower"} { func.func @main(%a: tensor<2xf32>) -> (tensor<2xf32>) { func.return %a : tensor<2xf32> } }'):
        text.write_text(wrong)
        result = sh(env.dsc, "compile", text, "-o", again)
        report.check("no model: %.50s" % wrong.split("\n")[0], result.returncode in (1, 3) and result.stderr.count("error:") == 1, result.stderr)


def profiles(env, report, model, data, work):
    """profile's table, JSON and trace, and compile --report, tell of the same kernels."""
    trace = work / "trace.json"
    shown = sh(env.dsc, "profile", model, "--inputs", data, "--seconds=0.05", "--threads=2", "--json", "--chrome", trace)
    planned = sh(env.dsc, "compile", model, "--dim=batch=2", "--cpu=native", "--report", "--json", "-o", work / "r.o")
    report.check("profile and report run", shown.returncode == 0 and planned.returncode == 0, shown.stderr + planned.stderr)
    if shown.returncode or planned.returncode:
        return
    measured, static = json.loads(shown.stdout), json.loads(planned.stdout)
    report.check("profile and report agree", [(s["kernel"], s["what"], s["flops"]) for s in measured["steps"]] ==
                 [(s["kernel"], s["what"], s["flops"]) for s in static["kernels"]])
    report.check("every kernel was timed", all(s["calls"] == 1 and s["ms"] > 0 and 0 < s["busy"] <= 1.01 for s in measured["steps"]), shown.stdout)
    report.check("kernels fit into the run", sum(s["ms"] for s in measured["steps"]) < 1.5 * measured["median_ms"], shown.stdout)
    report.check("convolutions are counted", any(s["flops"] > 1e4 and "conv" in s["what"] and s["nodes"] for s in static["kernels"]), planned.stdout)
    report.check("fusion moves fewer bytes", static["after"]["bytes"] < static["before"]["bytes"], planned.stdout)
    events = json.loads(trace.read_text())["traceEvents"]
    report.check("the trace has every kernel", {e["cat"] for e in events} == {s["kernel"] for s in measured["steps"]})
    table = sh(env.dsc, "profile", model, "--inputs", data, "--seconds=0.05")
    report.check("profile prints a table", table.returncode == 0 and "roof" in table.stdout and "k0" in table.stdout, table.stderr)


def schedules(env, report, model, data, work, expected):
    """tune writes a file that other commands read; another schedule changes the code, not the bits; wrong files say where."""
    tuned = work / "tuned.schedules"
    result = sh(env.dsc, "tune", model, "--inputs", data, "--seconds=3", "-o", tuned)
    report.check("tune", result.returncode == 0 and "schedules tried" in result.stdout and tuned.read_text().startswith("// dsc tune"), result.stderr)
    report.check("tune says what it measures", re.search(r"^1/\d+ .*: \d+ schedules, [\d.]+ -> [\d.]+ ms$", result.stderr, re.M), result.stderr)
    again = work / "again.schedules"
    result = sh(env.dsc, "tune", model, "--inputs", data, "--seconds=1", "--threads=2", "-o", again)
    report.check("tune with two threads", result.returncode == 0 and again.exists(), result.stderr)
    ran = lambda file: sh(env.dsc, "run", model, "--inputs", data, "--outputs", work / "out", "--dim=batch=2", "--schedules", file)
    bits = lambda: (work / "out/output_0.pb").read_bytes()
    result = ran(tuned)
    report.check("what tune wrote is read", result.returncode == 0 and not result.stderr, result.stderr)
    compiled = lambda *more: json.loads(sh(env.dsc, "compile", model, "--dim=batch=2", "--cpu=native", "--report", "--json", "-o", work / "r.o", *more).stdout)["kernels"]
    kernel = next(k for k in compiled() if 'program = "tile"' in k["schedule"])
    plain = (work / "r.o").read_bytes()
    write = lambda key, schedule: tuned.write_text("module attributes {ds.schedules = [{key = \"%s\", schedule = %s}]} {\n}\n" % (key, schedule))
    rows = lambda tile: re.sub(r'("m", kind = "tile", step) = \d+, tail = "\w+"', r'\1 = %d, tail = "exact"' % tile, kernel["schedule"])
    write(kernel["key"], rows(1))
    changed = compiled("--schedules", tuned)
    report.check("a schedule by key changes the code", (work / "r.o").read_bytes() != plain and any(k["schedule"] == rows(1) for k in changed), changed)
    result = ran(tuned)
    report.check("a schedule by key keeps the bits", result.returncode == 0 and bits() == expected, result.stderr)
    write("0" * 32, rows(1))
    compiled("--schedules", tuned)
    report.check("a key that no kernel has does nothing", (work / "r.o").read_bytes() == plain)
    write(kernel["key"], rows(100))
    result = sh(env.dsc, "compile", model, "--dim=batch=2", "--cpu=native", "-o", work / "r.o", "--schedules", tuned)
    report.check("a schedule that cannot be obeyed is left out", result.returncode == 0 and "is left out" in result.stderr and
                 (work / "r.o").read_bytes() == plain, result.stderr)
    for text, why in (("module attributes {ds.schedules = [\n  {key = 1}]} {\n}\n", "item 0"), ("module {\n}\n", "ds.schedules"),
                      ("module attributes {ds.schedules = [\n  {node = \"a\", tile = 3}]} {\n}\n", "item 0"), ("tile 6x2 conv\n", ":1:1: error: expected module"),
                      ("module attributes {ds.schedules = [\n  {key = ]} {\n}\n", ":2:10: error: expected a number")):
        tuned.write_text(text)
        result = ran(tuned)
        report.check("a bad file is reported: %.60s" % text.split("\n")[-3 if "\n  " in text else 0], result.returncode == 1 and
                     "tuned.schedules" in result.stderr and why in result.stderr and result.stderr.count("error:") == 1, result.stderr)


def kernel_schedules(env, report, work):
    """Winograd's tiles by the convolution's node, blocks between products by the kernel: another kernel, the same results."""
    import forms
    blocks_of_48 = lambda k: "{key = \"%s\", schedule = %s}" % (k["key"], re.sub(r"(kind = \"grid\", step) = \d+", r"\1 = 48", k["schedule"]))
    cases = [(forms.conv(1, 64, 64, 40, 40, [1, 1, 1, 1]), "winograd", lambda k: ", ".join("{node = \"%s\", tile = 2}" % n for n in k["nodes"])),
             (forms.attention(1, 1, 200, 130, 24), "+ matmul", blocks_of_48)]
    for (name, nodes, inputs, outputs, flags), what, item in cases:
        folder, file = work / what.strip("+ "), work / (what.strip("+ ") + ".schedules")
        forms.write(folder, nodes, inputs, outputs, flags)
        kernels = lambda *more: json.loads(sh(env.dsc, "compile", folder / "form.onnx", "--report", "--json", "-o", folder / "f.o", *more).stdout)["kernels"]
        plain = kernels()
        file.write_text("module attributes {ds.schedules = [%s]} {\n}\n" % item(next(k for k in plain if what in k["what"])))
        changed = kernels("--schedules", file)
        report.check("a schedule of %s changes the kernel" % name, any((a["what"], a["pieces"]) != (b["what"], b["pieces"]) for a, b in zip(plain, changed)), changed)
        result = sh(env.dsc, "run", folder / "form.onnx", "--inputs", folder, "--outputs", folder, "--schedules", file)
        reason = result.stderr if result.returncode else forms.agrees(folder, outputs)
        report.check("results of %s with a schedule" % name, not reason, reason)


def left_out(env, report, model, data, work, expected):
    """Without any one pass the results are the same but for rounding."""
    import numpy as np
    import onnx
    from onnx import numpy_helper
    import forms
    _, nodes, inputs, wanted, flags = forms.attention(1, 2, 32, 32, 16)
    forms.write(work / "attention", nodes, inputs, wanted, flags)
    for name in tables.without():
        result = sh(env.dsc, "run", model, "--inputs", data, "--outputs", work / "out", "--without=" + name)
        got = numpy_helper.to_array(onnx.load_tensor(str(work / "out/output_0.pb")))
        report.check("without " + name, result.returncode == 0 and np.allclose(got, expected, rtol=1e-4, atol=1e-5), result.stderr)
        result = sh(env.dsc, "compile", model, "--cpu=x86-64", "--without=" + name, "-o", work / "without.o")
        report.check("compile for x86-64 without " + name, result.returncode == 0, result.stderr)
        result = sh(env.dsc, "run", work / "attention/form.onnx", "--inputs", work / "attention", "--outputs", work / "attention", "--without=" + name)
        reason = result.stderr if result.returncode else forms.agrees(work / "attention", wanted)
        report.check("attention without " + name, not reason, reason)
    for precision, tolerance in (("bf16", 2e-2), ("f16", 3e-3)):
        result = sh(env.dsc, "run", model, "--inputs", data, "--outputs", work / "out", "--precision=" + precision)
        got = numpy_helper.to_array(onnx.load_tensor(str(work / "out/output_0.pb")))
        rounded = not np.array_equal(got, expected) and np.abs(got - expected).max() <= tolerance * np.abs(expected).max()
        report.check("weights of " + precision, result.returncode == 0 and rounded, result.stderr)
    result = sh(env.dsc, "run", model, "--precision=f8", "--inputs", data, "--outputs", work / "out")
    report.check("no such precision", result.returncode == 2 and "f8" in result.stderr, result.stderr)
    result = sh(env.dsc, "run", model, "--inputs", data, "--outputs", work / "out", "--without=lower")
    report.check("lower is not left out", result.returncode == 1 and "lower" in result.stderr, result.stderr)


STAGES = [units, text, native, hygiene, embed, reflect, code_cache, cross, wrong_machine, bad_input, names, commands, generation, accuracy, schedules_by_hand, kernels_by_hand, guards, forms, models, fuzz, fuzz_targets, quantised, rounded, encodings, facts, calibration, quantising, matrices, operators, onnx_suite]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build-test")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only")
    env = parser.parse_args()
    env.build = env.build.resolve()
    env.dsc = env.build / "dsc"
    env.work = Path(tempfile.mkdtemp(prefix="dsc-test."))
    report = Report()
    print("machine: %s, %s" % (platform.machine(), sh(env.dsc, "info").stdout.split("this machine: ")[1].split("\n")[0]), flush=True)
    if not env.full:
        report.skip("--full tier", "sanitizer builds of units, text tests and bad input; run tools/test.sh --full")
    for stage in STAGES:
        if not env.only or stage.__name__ in env.only.split(","):
            passed, failed, start = report.passed, report.failed, time.monotonic()
            stage(env, report)
            print("%s: %d passed, %d failed, %.0f s" % (stage.__name__, report.passed - passed, report.failed - failed, time.monotonic() - start),
                  flush=True)
    if env.full:
        import full
        full.run(env, report, {s.__name__: s for s in STAGES}, sh, ROOT)
    shutil.rmtree(env.work, ignore_errors=True)
    if report.expected:
        print("expected failures: " + ", ".join("%d %s" % (n, reason) for reason, n in sorted(report.expected.items())))
    print("%d passed, %d failed, %d skipped" % (report.passed, report.failed, report.skipped))
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
