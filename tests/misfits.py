"""Sizes and values that do not fit, in every op that they matter to: the model returns a status that names the node."""
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
from onnx import helper

rng = np.random.default_rng(0)


def f32(*shape):
    return np.asarray(rng.standard_normal(shape), np.float32)


def i64(*values):
    return np.array(values, np.int64)


def u8(*shape):
    return np.zeros(shape, np.uint8)


def cases():
    """(operator, attributes, results, inputs, what is said besides the operator); inputs that are not given are None."""
    zero, x = np.array(0, np.int64), f32(2, 3)
    yield "TopK", {}, 2, [x, i64(7)], "at most"
    yield "TopK", {}, 2, [x, i64(-1)], "negative"
    for shape in ((4, -1), (4, 2), (-2, -3), (-1, -1)):
        yield "Reshape", {}, 1, [x, i64(*shape)], ""
    yield "LayerNormalization", {}, 1, [x, f32(2)], ""
    for short in range(1, 5):
        yield "BatchNormalization", {}, 1, [f32(2, 3, 4)] + [f32(2 if k == short else 3) for k in range(1, 5)], ""
    yield "InstanceNormalization", {}, 1, [f32(2, 3, 4), f32(2), f32(3)], ""
    yield "InstanceNormalization", {}, 1, [f32(2, 3, 4), f32(3), f32(2)], ""
    yield "GroupNormalization", {"num_groups": 2}, 1, [f32(2, 3, 4), f32(3), f32(3)], ""
    yield "GroupNormalization", {"num_groups": 2}, 1, [f32(2, 4, 4), f32(2), f32(4)], ""
    yield "PRelu", {}, 1, [x, f32(2)], ""
    yield "Split", {"axis": 1}, 2, [x, i64(4, -1)], ""
    yield "Split", {"axis": 1}, 2, [x, i64(1, 1)], "fill"
    yield "Tile", {}, 1, [x, i64(1, -1)], "negative"
    yield "Expand", {}, 1, [x, i64(2, -1)], "negative"
    yield "Expand", {}, 1, [x, i64(2, 2)], ""
    yield "Pad", {}, 1, [x, i64(0, -4, 0, 0)], "negative"
    yield "ConstantOfShape", {}, 1, [i64(2, -3)], "negative"
    yield "OneHot", {}, 1, [i64(1, 2), i64(-5), f32(2)], "negative"
    yield "ScatterElements", {}, 1, [f32(3, 3), np.zeros((2, 3), np.int64), f32(1, 3)], "updates"
    yield "ScatterND", {}, 1, [f32(3, 3), np.zeros((2, 1), np.int64), f32(1, 3)], "updates"
    yield "GatherElements", {"axis": 1}, 1, [x, np.zeros((4, 3), np.int64)], "indices"
    yield "MatMul", {}, 1, [x, f32(4, 3)], ""
    yield "Gemm", {}, 1, [x, f32(3, 4), f32(5)], ""
    yield "Concat", {"axis": 0}, 1, [x, f32(2, 4)], ""
    yield "DequantizeLinear", {"axis": 1}, 1, [np.zeros((2, 3), np.int8), f32(2)], ""
    yield "MaxUnpool", {"kernel_shape": [2, 2], "strides": [2, 2]}, 1, [f32(1, 1, 2, 2), np.zeros((1, 1, 1, 2), np.int64)], "index"
    yield "GRU", {"hidden_size": 3}, 2, [f32(4, 2, 5), f32(1, 9, 5), f32(1, 9, 3), None, None, f32(1, 1, 3)], "initial_h"
    yield "ReverseSequence", {}, 1, [f32(4, 2), i64(1)], ""
    yield "Where", {}, 1, [np.ones((2, 3), bool), f32(2, 2), x], ""
    yield "RoiAlign", {"output_height": 2, "output_width": 2}, 1, [f32(1, 2, 5, 5), f32(3, 4), i64(0, 0)], ""
    yield "Range", {}, 1, [zero, np.array(5, np.int64), zero], "step"
    yield "Range", {}, 1, [np.float32(0), np.float32(np.inf), np.float32(1)], "finite"
    yield "CumSum", {}, 1, [x, np.array(5, np.int64)], "axis"
    yield "Squeeze", {}, 1, [x, i64(1)], ""
    yield "Squeeze", {}, 1, [f32(2, 1), i64(9)], "axis"
    yield "Unsqueeze", {}, 1, [x, i64(9)], "axis"
    yield "Resize", {}, 1, [f32(1, 1, 2, 2), None, None, i64(1, 1, -4, 4)], "negative"
    yield "Einsum", {"equation": "ij,jk->ik"}, 1, [x, f32(4, 2)], ""
    yield "Col2Im", {}, 1, [f32(1, 4, 3), i64(4, 4), i64(2, 2)], ""
    yield "Slice", {}, 1, [f32(4, 3), i64(0), i64(3), i64(0), i64(0)], "step"
    yield "Slice", {}, 1, [f32(4, 3), i64(0), i64(3), i64(7)], "axis"
    yield "DepthToSpace", {"blocksize": 2}, 1, [f32(1, 6, 2, 2)], ""
    yield "QLinearMatMul", {}, 1, [u8(2, 3), f32(), np.uint8(0), u8(3, 4), f32(3), u8(3), f32(), np.uint8(0)], ""
    yield "CenterCropPad", {}, 1, [f32(4, 3), i64(-2, 3)], "negative"
    yield "NonMaxSuppression", {}, 1, [f32(1, 4, 4), f32(1, 2, 6), i64(3)], ""
    yield "GridSample", {}, 1, [f32(2, 1, 4, 4), f32(1, 3, 3, 2)], ""
    yield "NegativeLogLikelihoodLoss", {}, 1, [x, i64(0)], ""
    yield "SoftmaxCrossEntropyLoss", {}, 1, [x, i64(0, 1), f32(2)], ""
    yield "Gather", {}, 1, [f32(0, 3), i64(0, 1)], "something to take"


# where lists of integers are data of any length; elsewhere they are shapes and the like, of fixed ones
ANY_LENGTH = {"ReverseSequence", "RoiAlign", "NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss", "Gather"}


def one(dsc, folder, case):
    kind, attributes, results, inputs, word = case
    folder.mkdir(parents=True)
    given = [(k, np.asarray(v)) for k, v in enumerate(inputs) if v is not None]

    def info(k, v):
        fixed = kind not in ANY_LENGTH and v.ndim == 1 and v.dtype == np.int64
        return helper.make_tensor_value_info("x%d" % k, helper.np_dtype_to_tensor_dtype(v.dtype), [v.shape[i] if fixed else "%s%d" % ("abcdefgh"[k], i) for i in range(v.ndim)])
    node = helper.make_node(kind, ["" if v is None else "x%d" % k for k, v in enumerate(inputs)], ["y%d" % i for i in range(results)], "the_node", **attributes)
    graph = helper.make_graph([node], "misfit", [info(k, v) for k, v in given], [helper.make_tensor_value_info(o, 1, None) for o in node.output])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)]), folder / "m.onnx")
    for i, (_, v) in enumerate(given):
        np.save(folder / ("input_%d.npy" % i), v)
    ran = subprocess.run([dsc, "run", folder / "m.onnx", "--inputs", folder, "--jobs=1"], capture_output=True, text=True, errors="replace", timeout=120)
    good = ran.returncode == 1 and "'the_node' (%s)" % kind in ran.stderr and word in ran.stderr
    return "misfit: %s %s" % (kind, [None if v is None else np.shape(v) if np.size(v) > 4 else np.asarray(v).tolist() for v in inputs]), good, "exit %d: %s" % (ran.returncode, ran.stderr)


def run(dsc, work, report):
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, good, detail in pool.map(lambda k: one(dsc, work / str(k[0]), k[1]), enumerate(cases())):
            report.check(name, good, detail)
