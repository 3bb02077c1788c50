"""The official ONNX backend tests, as the installed onnx package has them, through `dsc run`.

Comparison as in onnx.backend.test.runner: rtol 1e-3, atol 1e-7, overridden by data.json; type and shape equal; bfloat16 at 2**-6.
"""
import json
import os
import subprocess
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

warnings.simplefilter("ignore")
DATA = Path(onnx.__file__).parent / "backend/test/data"
VERSION = "1.23.2"  # of the onnx package: others have other tests


def serialise(value, info):
    if info.type.HasField("map_type"):
        return numpy_helper.from_dict(value, info.name).SerializeToString()
    if info.type.HasField("sequence_type"):
        return numpy_helper.from_list(value, info.name).SerializeToString()
    if info.type.HasField("optional_type"):
        return numpy_helper.from_optional(value, info.name).SerializeToString()
    return value.SerializeToString() if isinstance(value, onnx.TensorProto) else numpy_helper.from_array(np.asarray(value), info.name).SerializeToString()


def write_node_tests(out):
    """The package makes node tests in memory; each becomes a folder as the other categories have them."""
    from onnx.backend.test.loader import load_node_model_tests
    np.random.seed(0)
    for case in load_node_model_tests():
        folder = out / case.name
        for i, (inputs, outputs) in enumerate(case.data_sets):
            data = folder / ("test_data_set_%d" % i)
            data.mkdir(parents=True, exist_ok=True)
            for kind, values, infos in (("input", inputs, case.model.graph.input), ("output", outputs, case.model.graph.output)):
                for j, value in enumerate(values):
                    (data / ("%s_%d.pb" % (kind, j))).write_bytes(serialise(value, infos[j]))
        (folder / "model.onnx").write_bytes(case.model.SerializeToString())
        if (case.rtol, case.atol) != (1e-3, 1e-7):
            (folder / "data.json").write_text(json.dumps({"rtol": case.rtol, "atol": case.atol}))


def cases(work):
    """(name, folder) of every test that carries its model and data."""
    write_node_tests(work / "node")
    folders = [f for kind in ("simple", "pytorch-converted", "pytorch-operator") for f in (DATA / kind).iterdir()] + list((work / "node").iterdir())
    return sorted((f.name, f) for f in folders if (f / "model.onnx").exists() and list(f.glob("test_data_set_*")))


def load(path, type_proto):
    data = path.read_bytes()
    kind = type_proto.WhichOneof("value")
    if kind != "tensor_type":
        return None
    tensor = onnx.TensorProto()
    tensor.ParseFromString(data)
    return tensor


def agrees(got, want, rtol, atol):
    if got.data_type != want.data_type or list(got.dims) != list(want.dims):
        return "type or shape differs: %s%s, expected %s%s" % (got.data_type, list(got.dims), want.data_type, list(want.dims))
    if want.data_type == onnx.TensorProto.BFLOAT16:
        rtol = 2.0 ** -6
    a, b = numpy_helper.to_array(got), numpy_helper.to_array(want)
    if b.dtype.kind == "O":
        return None if (a == b).all() else "strings differ"
    with np.errstate(all="ignore"):
        a, b = a.astype(np.complex128 if b.dtype.kind == "c" else np.float64), b.astype(np.complex128 if b.dtype.kind == "c" else np.float64)
        close = np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=True)
    return None if close.all() else "%d of %d elements differ" % ((~close).sum(), close.size)


def run_case(dsc, folder, work, flags=()):
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    options = json.loads((folder / "data.json").read_text()) if (folder / "data.json").exists() else {}
    for data in sorted(folder.glob("test_data_set_*")):
        with tempfile.TemporaryDirectory(dir=work) as out:
            try:
                result = subprocess.run([dsc, "run", folder / "model.onnx", "--inputs", data, "--outputs", out, "--jobs", "1", "--verify-each", "--poison", *flags], capture_output=True, text=True, timeout=120)
            except subprocess.TimeoutExpired:
                return "timeout", ""
            if result.returncode:
                return ("unsupported" if result.returncode == 3 else "crash" if result.returncode < 0 else "error"), result.stderr[-300:]
            for i, value in enumerate(model.graph.output):
                want = load(data / ("output_%d.pb" % i), value.type)
                got = load(Path(out) / ("output_%d.pb" % i), value.type)
                if want is None or got is None:
                    return "unsupported", "not a tensor"
                reason = agrees(got, want, options.get("rtol", 1e-3), options.get("atol", 1e-7))
                if reason:
                    return "wrong", "output %d: %s" % (i, reason)
    return "pass", ""


def run(dsc, work, flags=()):
    work.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        names, folders = zip(*cases(work / "data"))
        return dict(zip(names, pool.map(lambda f: run_case(dsc, f, work, flags), folders)))
