#!/usr/bin/env python3
"""Products by registers that hold matrices (AMX), on any machine with AVX-512: matrices.py --dsc PATH [--count N] [--seed S].

Programs of random graphs for the level x86-64-v4-amx run with `matrices/amx.c`, which does what these instructions do, and must give the bits
of x86-64-v4-vnni (of numbers of 16 bits: nearly). Their check of the CPU is taken out before, by its bytes.
"""
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

import fuzz_quantised

HERE = Path(__file__).resolve().parent
TILES, XCR0, ARCH_PRCTL = 0x03400000, 0x600e6, 158


def missing():
    """Why this cannot run here, or None."""
    flags = Path("/proc/cpuinfo").read_text().partition("flags")[2].partition("\n")[0].split() if Path("/proc/cpuinfo").exists() else []
    lacking = [f for f in ("avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512vbmi") if f not in flags]
    return "matrices are emulated, the vectors around them are not: no " + ", ".join(lacking) if lacking else None


def emulator(work):
    """The library that executes these instructions."""
    out = work / "amx.so"
    made = subprocess.run(["cc", "-O2", "-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror", "-shared", "-fPIC", HERE / "matrices/amx.c", "-lm", "-o", out],
                          capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return out


def without_check(program):
    """The program as on a machine that has AMX: neither CPUID's bits nor the permission are asked for."""
    code = bytearray(program.read_bytes())
    mov_ecx, mov_eax, syscall, clear_eax = b"\xb9", b"\xb8", b"\x0f\x05", b"\x31\xc0"
    for old, new in ((mov_ecx + TILES.to_bytes(4, "little"), mov_ecx + bytes(4)), (XCR0.to_bytes(4, "little"), (XCR0 & 0xff).to_bytes(4, "little"))):
        assert code.count(old) == 1, "the check of the CPU looks otherwise"
        code = code.replace(old, new)
    at = code.index(syscall, code.index(mov_eax + ARCH_PRCTL.to_bytes(4, "little")))
    code[at:at + 2] = clear_eax
    program.write_bytes(code)


def run(dsc, folder, level, amx=None, flags=(), model="graph.onnx"):
    """The outputs of a program for this level, or a text that says what went wrong."""
    program, out = folder / level, folder / ("out_" + level)
    made = subprocess.run([dsc, "compile", folder / model, "--cpu", level, "--emit=exe", "-o", program, *flags], capture_output=True, text=True, timeout=300)
    if made.returncode:
        return "exit %d: %s" % (made.returncode, made.stderr.strip()[-300:])
    if amx:
        without_check(program)
    out.mkdir(exist_ok=True)
    inputs = sorted(folder.glob("input_*.npy"), key=lambda path: int(path.stem[6:]))
    ran = subprocess.run([program, "--threads=2", "--outputs=%s" % out, *inputs], capture_output=True, text=True, timeout=300,
                         env={**os.environ, **({"LD_PRELOAD": str(amx)} if amx else {})})
    return [np.load(path) for path in sorted(out.glob("*.npy"))] if ran.returncode == 0 else "exit %d: %s" % (ran.returncode, ran.stderr.strip()[-300:])


def differs(dsc, folder, amx, flags=(), tolerance=0.0):
    """None where both levels agree, else a reason."""
    plain, matrices = run(dsc, folder, "x86-64-v4-vnni", flags=flags), run(dsc, folder, "x86-64-v4-amx", amx, flags)
    for what in (plain, matrices):
        if isinstance(what, str):
            return what
    for a, b in zip(plain, matrices):
        far = np.abs(a.astype(float) - b.astype(float)).max(initial=0)
        if far > tolerance * np.abs(a.astype(float)).max(initial=0):
            return "other results, by up to %g" % far
    return None


def product(rng, folder, of_bytes):
    """A product whose rows may be few, odd or known only at run time, and weights of any width."""
    m, k, n = int(rng.integers(1, 70)), int(rng.choice([4, 12, 64, 96, 100, 192, 320])), int(rng.choice([1, 15, 16, 33, 48, 100, 128]))
    rows = "rows" if rng.random() < 0.5 else m
    folder.mkdir(parents=True)
    if of_bytes:
        x, w = rng.integers(0, 256, (m, k), dtype=np.uint8), rng.integers(-128, 128, (k, n), dtype=np.int8)
        constants = {"w": w, "s": np.float32(0.01), "z": np.uint8(rng.integers(256)), "t": np.float32(0.02), "i": np.int8(0), "u": np.float32(0.1)}
        node, elem = helper.make_node("QLinearMatMul", ["x", "s", "z", "w", "t", "i", "u", "z"], ["y"]), TensorProto.UINT8
    else:
        x, w = rng.standard_normal((m, k), dtype=np.float32), rng.standard_normal((k, n), dtype=np.float32)
        constants, node, elem = {"w": w}, helper.make_node("MatMul", ["x", "w"], ["y"]), TensorProto.FLOAT
    graph = helper.make_graph([node], "product", [helper.make_tensor_value_info("x", elem, [rows, k])], [helper.make_tensor_value_info("y", elem, [rows, n])],
                              [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()])
    (folder / "graph.onnx").write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString())
    np.save(folder / "input_0.npy", x)


def edited(dsc, rng, folder, amx):
    """Steps and tails of the schedule changed at random: obeyed with the same bits, or refused with a sentence."""
    expected, text = run(dsc, folder, "x86-64-v4-vnni"), folder / "edited.mlir"
    made = subprocess.run([dsc, "opt", folder / "graph.onnx", "--cpu=x86-64-v4-amx", "--stop-after=schedule", "-o", text], capture_output=True, text=True, timeout=300)
    if made.returncode:
        return made.stderr
    given = text.read_text()
    parts = list(re.finditer(r'step = (\d+)|tail = "(\w+)"', given))
    for _ in range(12):
        edit = parts[rng.integers(len(parts))]
        steps = [1, 2, 7, 8, 13, 14, 16, 17, 24, 32, 33, 48, 64, 128, int(edit[1] or 1) * 2, max(1, int(edit[1] or 1) // 2)]
        new = "step = %d" % rng.choice(steps) if edit[1] else 'tail = "%s"' % rng.choice(["exact", "mask", "overlap", "repeat", "guard"])
        text.write_text(given[:edit.start()] + new + given[edit.end():])
        got = run(dsc, folder, "x86-64-v4-amx", amx, model=text.name)
        if isinstance(got, str) and "[DS0121]" not in got:
            return "%s for %s: %s" % (new, edit[0], got)
        if not isinstance(got, str) and not np.array_equal(got[0], expected[0]):
            return "%s for %s: other bits" % (new, edit[0])
    return None


def campaign(dsc, count, seed, work):
    """(graphs, [what differs])"""
    wrong = []
    work.mkdir(parents=True, exist_ok=True)
    amx = emulator(work)
    for folder, _ in fuzz_quantised.graphs(count // 2, seed, work / "bytes"):
        reason = differs(dsc, folder, amx)
        if reason:
            wrong.append("%s: %s" % (folder, reason))
    for i in range(count // 2):
        rng, folder = np.random.default_rng([seed, i]), work / ("product_%d" % i)
        product(rng, folder, i % 2 == 0)
        reason = differs(dsc, folder, amx, () if i % 2 == 0 else ("--precision=bf16",), 0 if i % 2 == 0 else 1e-2)
        if not reason and i % 10 == 0:
            reason = edited(dsc, rng, folder, amx)
        if reason:
            wrong.append("%s: %s" % (folder, reason))
    return count, wrong


if __name__ == "__main__":
    if missing():
        print(missing())
        sys.exit(0)
    sys.exit(fuzz_quantised.by_hand(__doc__, "matrices", 100, (campaign, 1)))
