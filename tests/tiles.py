"""Attributes of loop.tile that a schedule may set: whatever they are, a product has the same bits."""
import re

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CHANGES = ['unroll = %d' % n for n in (1, 2, 3, 4, 5, 7, 8, 16)] + ['near = 0', 'near = 3', 'line = 128', 'mma = "fma_f32"', 'unroll = 1, near = 0']


def product(m, k, n):
    """x[m, k] times a constant; k may be a name."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [m, k])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [m, n])
    rows = 611 if isinstance(k, str) else k
    w = numpy_helper.from_array(np.random.default_rng(1).standard_normal((rows, n), dtype=np.float32), "w")
    if not isinstance(k, str):
        return helper.make_model(helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [x], [y], [w]))
    other = helper.make_tensor_value_info("w", TensorProto.FLOAT, [k, n])
    return helper.make_model(helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [x, other], [y]))


def run(env, report, sh, work):
    """Short and long sums (in blocks of 256), with steps left over, and of a length that is known only when it runs."""
    work.mkdir(exist_ok=True)
    for m, k, n in ((29, 3, 48), (29, 4, 20), (64, 255, 96), (29, 611, 52), (29, "k", 52)):
        name = "product_%s" % k
        data = work / (name + "_data")
        data.mkdir(exist_ok=True)
        onnx.save(product(m, k, n), work / (name + ".onnx"))
        rng, steps = np.random.default_rng(2), 611 if isinstance(k, str) else k
        for i, shape in enumerate([(m, steps), (steps, n)][:2 if isinstance(k, str) else 1]):
            np.save(data / ("input_%d.npy" % i), rng.standard_normal(shape, dtype=np.float32))
        text = work / (name + ".mlir")
        result = sh(env.dsc, "opt", work / (name + ".onnx"), "--cpu=native", "-o", text)
        report.check("lower " + name, result.returncode == 0, result.stderr)
        lowered, bits = text.read_text(), set()
        report.check(name + " has tiles", '"loop.tile"' in lowered)
        for change in ["", *CHANGES]:
            text.write_text(re.sub(r"(\"loop.tile\".*?\{)", r"\1%s, " % change, lowered) if change else lowered)
            result = sh(env.dsc, "run", text, "--inputs", data, "--outputs", data)
            report.check("%s: %s" % (name, change), result.returncode == 0, result.stderr)
            bits.add((data / "output_0.npy").read_bytes())
        report.check("the same bits of %s in every way" % name, len(bits) == 1)
