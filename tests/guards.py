"""Compiled models between guard pages (guard/guard.c), with the right inputs and with misfits of them."""
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

ROOT = Path(__file__).resolve().parent.parent


def build(work):
    work.mkdir(parents=True, exist_ok=True)
    made = subprocess.run(["cc", "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-I", ROOT / "runtime", ROOT / "tests/guard/guard.c", "-o", work / "guard", "-ldl"], capture_output=True, text=True)
    return made.stderr


def prepare(dsc, folder, model, arrays, flags=()):
    """Compiles to FOLDER/model.so and writes the inputs; a line of the harness's list, or None where dsc refuses the model."""
    made = subprocess.run([dsc, "compile", model, "--weights=file", "--prefix=m", "--cpu=native", "--jobs=1", *flags, "-o", folder / "model.so"], capture_output=True, text=True)
    if made.returncode:
        return None
    (folder / "inputs").write_text("".join("%d %s\n" % (a.ndim, " ".join(map(str, a.shape))) for a in arrays))
    for i, a in enumerate(arrays):
        (folder / ("input_%d.raw" % i)).write_bytes(np.ascontiguousarray(a).tobytes())
    weights = folder / "model.weights"
    return "%s %s %s\n" % (folder / "model.so", weights if weights.exists() and weights.stat().st_size else "-", folder)


def judge(work, lines, misfits, report, names):
    """Runs the harness on parts of the list, side by side."""
    lines = [line for line in lines if line]
    parts = [lines[k :: os.cpu_count()] for k in range(os.cpu_count())]

    def one(k):
        path = work / ("list_%d" % k)
        path.write_text("".join(parts[k]))
        return subprocess.run([work / "guard", *(["--misfits"] if misfits else []), path], capture_output=True, text=True, errors="replace").stdout
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        told = "".join(pool.map(one, range(len(parts)))).splitlines()
    found = {}
    for line in told:
        if line.startswith("FAIL "):
            so, reason = line[5:].split(": ", 1)
            found.setdefault(Path(so).parent, []).append(reason)
    for line in lines:
        folder = Path(line.split()[0]).parent
        report.check("guard pages: " + names[folder], folder not in found, "; ".join(found.get(folder, [])))


def run_forms(dsc, work, report, every=1):
    """Forms, each `every`-th of those without symbols."""
    import forms
    reason = build(work)
    report.check("build the guard harness", not reason, reason)
    names, jobs = {}, []
    for k, (name, nodes, inputs, outputs, flags) in enumerate(forms.all_cases()):
        if k % every and "symbolic" not in flags and "lists" not in flags:
            continue
        folder = work / ("form_%d" % k)
        forms.write(folder, nodes, inputs, outputs, flags)
        names[folder] = name
        jobs.append((folder, folder / "form.onnx", inputs))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        lines = list(pool.map(lambda j: prepare(dsc, *j), jobs))
    judge(work, lines, True, report, names)


def run_suite(dsc, work, report):
    """The ONNX suite's tests of tensors that dsc compiles: 4-bit elements and strings left out."""
    import onnx_suite
    build(work)
    names, jobs = {}, []
    for name, source in onnx_suite.cases(work / "data"):
        model = onnx.load(source / "model.onnx", load_external_data=False)
        tensors = [onnx_suite.load(source / "test_data_set_0" / ("input_%d.pb" % i), v.type) if (source / "test_data_set_0" / ("input_%d.pb" % i)).exists() else None for i, v in enumerate(model.graph.input)]
        if any(t is None or not t.raw_data and t.data_type in (8, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26) for t in tensors):
            continue
        folder = work / name
        folder.mkdir(exist_ok=True)
        names[folder] = name
        jobs.append((folder, source / "model.onnx", [numpy_helper.to_array(t) for t in tensors]))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        lines = list(pool.map(lambda j: prepare(dsc, *j), jobs))
    judge(work, lines, True, report, names)
