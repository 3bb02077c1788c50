#!/usr/bin/env python3
"""What ONNX Runtime's quantisation gives on the models of models.py: baseline.py FOLDER --dsc DSC [--only NAME,…].

Of each model: f32 by dsc; int8 by quantize_static (QDQ, per channel, not reduced, ranges of FOLDER/NAME.calib.npz) of
all ops that it knows (`int8`) and of products alone (`products`), both through ONNX Runtime and through dsc; by
quantize_dynamic through ONNX Runtime where most products are of matrices. All of it is compared with ONNX Runtime in
f32 over FOLDER/NAME.npz. Writes FOLDER/baseline/NAME.json; --table (for a glance) and --rows print what is
there. Needs what agreement.py needs, onnx, sympy.
"""
import argparse
import contextlib
import io
import json
import logging
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import version_converter

sys.path.insert(0, str(Path(__file__).resolve().parent))
from agreement import KINDS, measure  # noqa: E402
from engines import fixed_dims  # noqa: E402

WITH_DYNAMIC = {"vit_focus", "minilm_l6", "minilm_l3", "tagger", "ocr_rec6"}
PRODUCTS = ["Conv", "ConvTranspose", "MatMul", "Gemm"]
READY = {"tagger_qdq": "tagger"}  # quantised by its authors; compared with what it stands for


def prepared(path, samples, out):
    """A copy with fixed inputs, of an opset that has scales per channel, simplified as quantize_static wants it."""
    from onnxruntime.quantization.shape_inference import quant_pre_process
    model = onnx.load(str(path))
    constants = {i.name for i in model.graph.initializer}
    for value in [v for v in model.graph.input if v.name not in constants]:
        given = samples[value.name]
        for dim, extent in zip(value.type.tensor_type.shape.dim, given.shape[1:]):
            dim.dim_value = extent
        if given.ndim == 1 and np.all(given == given[0]):  # a switch: what it turns off is left out
            model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(given[0]), value.name))
            model.graph.input.remove(value)
    del model.graph.value_info[:]
    if next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx")) < 13:
        model = version_converter.convert_version(model, 13)
    onnx.save(model, str(out))
    quant_pre_process(str(out), str(out), skip_symbolic_shape=True)


def static(ready, out, calibration, **options):
    """quantize_static, per channel where it can."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
    names = {v.name for v in onnx.load(str(ready)).graph.input}

    class Reader(CalibrationDataReader):
        def __init__(self):
            rows = len(next(iter(calibration.values())))
            used = {k: v for k, v in calibration.items() if k in names}
            self.rows = iter([{k: np.asarray(v[i]) for k, v in used.items()} for i in range(rows)])

        def get_next(self):
            return next(self.rows, None)

    for per_channel in (True, False):
        try:
            quantize_static(str(ready), str(out), Reader(), quant_format=QuantFormat.QDQ, per_channel=per_channel,
                            **options)
            return out
        except ValueError:  # of arrays in a condition: it can't scale all biases by channel
            print(out.name, "is quantised per tensor", file=sys.stderr)


def quantised(path, calibration, samples, folder, dynamic):
    """Files of int8 models that ONNX Runtime's tools make."""
    from onnxruntime.quantization import quantize_dynamic
    with tempfile.TemporaryDirectory() as work, contextlib.redirect_stdout(io.StringIO()):
        ready, made = Path(work) / "ready.onnx", folder / (path.stem + ".dynamic.onnx")
        prepared(path, samples, ready)
        files = [static(ready, folder / (path.stem + ".int8.onnx"), calibration),
                 static(ready, folder / (path.stem + ".products.onnx"), calibration, op_types_to_quantize=PRODUCTS)]
        if dynamic:
            quantize_dynamic(str(ready), str(made), per_channel=True)
        return files, [made] if dynamic else []


def compiled(dsc, model, samples, out):
    """The library in a list, which is empty where dsc makes none."""
    command = [dsc, "compile", str(model), "--emit=so", "--prefix=model", "--cpu=native", "-o", str(out)]
    result = subprocess.run(command + fixed_dims(dsc, model, samples), capture_output=True, text=True)
    if result.returncode:
        print("%s: dsc: %d %s" % (model.name, result.returncode, result.stderr.strip()[:500]))
    return [] if result.returncode else [out]


def run(name, folder, dsc, count, seconds):
    work = folder / "baseline"
    work.mkdir(exist_ok=True)
    model = folder / (name + ".onnx")
    base = folder / (READY.get(name, name) + ".onnx")
    samples = dict(np.load(base.with_suffix(".npz")))
    candidates = compiled(dsc, model, samples, work / (name + ".f32.so"))
    if name in READY:
        candidates.append(model)
    else:
        calibration = dict(np.load(model.with_suffix(".calib.npz")))
        fixed, others = quantised(model, calibration, samples, work, name in WITH_DYNAMIC)
        for made in fixed:
            candidates += [made] + compiled(dsc, made, samples, made.with_suffix(".so"))
        candidates += others
    count = min(count or 1 << 30, len(next(iter(samples.values()))))
    rows = measure(base, samples, ["ort"] + candidates, KINDS[name], count, seconds, 1)
    for row in rows:
        row["candidate"] = Path(row["candidate"]).name
    told = {"model": name, "MB": model.stat().st_size / 1e6, "rows": rows}
    (work / (name + ".json")).write_text(json.dumps(told, indent=1))


def found(folder):
    """What has been measured: model, its kind, rows by engine and form ('dsc f32', 'ort int8')."""
    for name, kind in KINDS.items():
        path = folder / "baseline" / (name + ".json")
        rows = {}
        for row in json.loads(path.read_text())["rows"] if path.exists() else []:
            file = row["candidate"]
            form = file.removeprefix(name).rsplit(".", 1)[0].removeprefix(".") or "shipped"
            form = "shipped" if name in READY else form
            rows["%s %s" % ("dsc" if file.endswith(".so") else "ort", form)] = row
        if rows:
            yield name, kind, rows


def agreement(row):
    """The count that says most, with what it counts."""
    kinds = ("IoU", "cosine", "characters", "edits", "tokens", "decisions", "top-1")
    what = next(k for k in kinds if k in row["counts"])
    mean = row["counts"][what]["mean"]
    return "%s %.3f" % (what, mean) if what in ("IoU", "cosine") else "%s %.1f %%" % (what, 100 * mean)


def full_table(folder):
    print("| model | candidate | MB | ms | ort f32, ms | ratio | relative L2, mean / p99 | agreement |")
    print("|" + "---|" * 8)
    for name, kind, rows in found(folder):
        for candidate, row in rows.items():
            l2 = list(row["l2"].values())[kind[1]]
            print("| %s | %s | %.1f | %.3g | %.3g | %.2f | %.2g / %.2g | %s |" % (
                name, candidate, row["MB"], row["ms"], row["reference_ms"], row["ratio"], l2["mean"], l2["p99"],
                agreement(row)))


def table(folder):
    forms = ("int8", "products", "dynamic", "shipped")
    titles = ["model", "f32 MB", "ort f32, ms", "dsc f32"] + ["%s: ort, dsc, agreement" % f for f in forms]
    print("| %s |" % " | ".join(titles))
    print("|" + "---|" * 8)
    for name, _, rows in found(folder):
        f32, cells = rows.get("dsc f32"), []
        cells += ["%.1f" % f32["MB"], "%.3g" % f32["reference_ms"], "%.2f" % f32["ratio"]] if f32 else ["", "", ""]
        for form in forms:
            both = [rows.get("%s %s" % (engine, form)) for engine in ("ort", "dsc")]
            told = ["%.2f" % row["ratio"] if row else "–" for row in both]
            told += [agreement(both[0])] if both[0] else []
            cells.append(", ".join(told) if any(both) else "")
        print("| %s | %s |" % (name, " | ".join(cells)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dsc", default="build/dsc")
    parser.add_argument("--only")
    parser.add_argument("--count", type=int)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--rows", action="store_true")
    a = parser.parse_args()
    logging.disable(logging.WARNING)
    if a.table or a.rows:
        (table if a.table else full_table)(a.folder)
        return
    for name in a.only.split(",") if a.only else KINDS:
        run(name, a.folder, a.dsc, a.count, a.seconds)
        print(name, "done", flush=True)


if __name__ == "__main__":
    main()
