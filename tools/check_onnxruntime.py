#!/usr/bin/env python3
"""Compares a model with ONNX Runtime value by value, in the order of its nodes: check_onnxruntime.py DSC MODEL [--inputs DIR] [dsc options].

Every float value of the graph is made an output of both; the first op whose result differs by more than 1e-4 of its largest element
is named. Called by `dsc check --reference=onnxruntime`. Needs onnx, numpy and onnxruntime.
"""
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import numpy as np
    import onnx
    import onnxruntime as ort
    from onnx import helper, numpy_helper
except ImportError as error:
    sys.exit("dsc: error: the comparison needs onnx, numpy and onnxruntime (%s)" % error)


def random_inputs(session, rng):
    kinds = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16, "tensor(bool)": np.bool_, "tensor(int64)": np.int64, "tensor(int32)": np.int32}
    for value in session.get_inputs():
        shape = [d if isinstance(d, int) else 2 for d in value.shape]
        kind = np.dtype(kinds.get(value.type, np.float32))
        yield value.name, (rng.standard_normal(shape) if kind.kind == "f" else rng.integers(0, 2, shape)).astype(kind)


def main():
    dsc, path, rest = sys.argv[1], sys.argv[2], sys.argv[3:]
    own = dict(a[2:].split("=", 1) for a in rest if a.startswith(("--inputs=", "--rtol=", "--atol=")))
    rest = [a for a in rest if a[2:].split("=")[0] not in own]
    folder, rtol, atol = own.get("inputs"), float(own.get("rtol", 1e-4)), float(own.get("atol", 1e-6))
    model = onnx.load(path)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = dict(random_inputs(session, np.random.default_rng(0)))
    if folder:
        for i, name in enumerate(feed):
            feed[name] = numpy_helper.to_array(onnx.load_tensor(Path(folder) / ("input_%d.pb" % i)))
    known = {o.name for o in model.graph.output}
    nodes = [(node, out) for node in model.graph.node if node.op_type not in ("Constant", "Shape", "If", "Loop", "Scan") for out in node.output[:1] if out]
    nodes = nodes[-250:] + [(n, o) for n, o in nodes[:-250] if o in known]
    del model.graph.output[:]
    model.graph.output.extend(helper.make_empty_tensor_value_info(out) for _, out in nodes)
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        onnx.save(model, work / "model.onnx", save_as_external_data=model.ByteSize() > 1 << 30, location="model.data")
        want = ort.InferenceSession(str(work / "model.onnx"), options, providers=["CPUExecutionProvider"]).run(None, feed)
        for i, (name, array) in enumerate(feed.items()):
            (work / ("input_%d.pb" % i)).write_bytes(numpy_helper.from_array(array, name).SerializeToString())
        result = subprocess.run([dsc, "run", work / "model.onnx", "--inputs", work, "--outputs", work / "out", *rest])
        if result.returncode:
            return result.returncode
        worst = 0.0
        for i, ((node, out), expected) in enumerate(zip(nodes, want)):
            got = numpy_helper.to_array(onnx.load_tensor(work / "out" / ("output_%d.pb" % i)))
            expected = np.asarray(expected)
            if got.shape != expected.shape or got.dtype != expected.dtype:
                print("first difference: node '%s' (%s), value '%s': %s%s, expected %s%s" % (node.name, node.op_type, out, got.dtype, got.shape, expected.dtype, expected.shape))
                return 1
            if expected.dtype.kind != "f" or not expected.size:
                if not np.array_equal(got, expected):
                    print("first difference: node '%s' (%s), value '%s': %d of %d elements" % (node.name, node.op_type, out, (got != expected).sum(), got.size))
                    return 1
                continue
            finite = np.isfinite(expected)
            error = np.abs(got.astype(np.float64) - expected)[finite].max() / max(np.abs(expected[finite]).max(), 1e-6) if finite.any() else 0.0
            worst = max(worst, error)
            if error > 1e-4:
                print("first difference: node '%s' (%s), value '%s': relative error %.2e" % (node.name, node.op_type, out, error))
                return 1
        print("%d values agree with ONNX Runtime, largest relative error %.2e" % (len(nodes), worst))
    return 0


if __name__ == "__main__":
    sys.exit(main())
