#!/usr/bin/env python3
"""Single operators with random attributes, types and special values against ONNX's reference evaluator and ONNX Runtime:
fuzz_ops.py --dsc PATH [--count N] [--seed S] [--op NAME]. A result must be one of theirs; each case runs with its operands as inputs and
as constants, which dsc evaluates while compiling."""
import argparse
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

FLOATS = [np.float32, np.float32, np.float64, np.float16]
INTEGERS = [np.int32, np.int64, np.int8, np.uint8, np.int16, np.uint16, np.uint32, np.uint64]
NUMBERS = FLOATS + [np.int32, np.int64, np.int32, np.int64, np.uint8, np.int8]
SPECIAL = [0.0, -0.0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, np.inf, -np.inf, np.nan]


class Case:
    def __init__(self, op, inputs, fixed=(), outputs=1, opset=21, tolerance=1, **attributes):
        """`fixed`: positions of operands that are constants always, such as shapes."""
        self.op, self.inputs, self.fixed, self.outputs, self.opset, self.tolerance, self.attributes = op, inputs, set(fixed), outputs, opset, tolerance, attributes

    def model(self, constant):
        names = ["x%d" % i if v is not None else "" for i, v in enumerate(self.inputs)]
        node = helper.make_node(self.op, names, ["y%d" % i for i in range(self.outputs)], **self.attributes)
        present = [(i, n, v) for i, (n, v) in enumerate(zip(names, self.inputs)) if v is not None]
        held = [(n, v) for i, n, v in present if constant or i in self.fixed]
        given = [(n, v) for i, n, v in present if not (constant or i in self.fixed)]
        graph = helper.make_graph([node], "op", [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for n, v in given],
                                  [helper.make_empty_tensor_value_info(o) for o in node.output], [numpy_helper.from_array(v, n) for n, v in held])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        model.ir_version = 10
        return model, dict(given)

    def __str__(self):
        return "%s(%s) %s" % (self.op, ", ".join("-" if v is None else "%s%s" % (v.dtype, list(v.shape)) for v in self.inputs), self.attributes)


# ---- values ----

def choice(rng, values):
    return values[rng.integers(len(values))]


def shape(rng, low=1, high=4, most=6):
    return tuple(int(d) for d in rng.integers(1, most, rng.integers(low, high + 1)))


def values(rng, kind, dims, special=0.2):
    """Random elements, some of them special: NaN, infinities, halves; the ends of an integer type."""
    if np.dtype(kind) == np.bool_:
        return rng.random(dims) < 0.5
    if np.issubdtype(kind, np.floating):
        v = (rng.standard_normal(dims) * 3).astype(kind)
        picks = np.array(SPECIAL, kind)
    else:
        info = np.iinfo(kind)
        v = rng.integers(max(info.min, -20), min(info.max, 20), dims).astype(kind)
        picks = np.array([info.min, info.max, info.max - 1, 0, 1], kind)
    return np.asarray(np.where(rng.random(dims) < special * (rng.random() < 0.7), picks[rng.integers(len(picks), size=dims)], v), kind)


def ints(*v):
    return np.array(v, np.int64)


def broadcastable(rng, dims):
    return tuple(int(d) if rng.random() < 0.6 else 1 for d in dims)[int(rng.integers(0, len(dims) + 1)) if rng.random() < 0.3 else 0:]


# ---- operators: one function each family, which makes a case ----

def unary(rng):
    op = choice(rng, ["Abs", "Neg", "Exp", "Log", "Sqrt", "Sin", "Cos", "Atan", "Tanh", "Asinh", "Erf", "Floor", "Ceil", "Round", "Reciprocal", "Sigmoid", "Softplus", "Softsign", "Relu", "LeakyRelu",
                      "Elu", "Selu", "HardSigmoid", "HardSwish", "Mish", "ThresholdedRelu", "Sign", "IsNaN", "IsInf", "Celu", "Shrink"])
    kind = choice(rng, [np.float32] if op in ("Celu",) else NUMBERS if op in ("Abs", "Neg", "Sign", "Relu") else FLOATS)
    if op in ("Erf", "HardSwish"):
        kind = np.float32 # the reference evaluator computes these in single precision
    kind = np.float32 if op == "Relu" and np.dtype(kind).kind in "u" or op == "Neg" and np.dtype(kind).kind == "u" else kind
    return Case(op, [values(rng, kind, shape(rng), 0.4)])


def binary(rng):
    op = choice(rng, ["Add", "Sub", "Mul", "Div", "Pow", "Mod", "Max", "Min", "Equal", "Less", "GreaterOrEqual", "PRelu", "BitShift", "BitwiseXor", "Mean"])
    kind = choice(rng, {"PRelu": FLOATS, "BitShift": [np.uint8, np.uint32, np.uint64], "BitwiseXor": INTEGERS, "Mean": FLOATS}.get(op, NUMBERS))
    dims = shape(rng)
    a, b = values(rng, kind, dims, 0.4), values(rng, kind, broadcastable(rng, dims), 0.4)
    more = {}
    if op == "Mod":
        more["fmod"] = int(np.dtype(kind).kind == "f" or rng.random() < 0.5)
    if op in ("Div", "Mod") and np.dtype(kind).kind != "f":
        b = np.where((b == 0) | (b == np.array(-1).astype(kind)), 3, b).astype(kind)
    if op == "Pow" and np.dtype(kind).kind != "f":
        a, b = values(rng, kind, dims, 0) % 7, np.abs(b) % 5
        b = b.astype(choice(rng, [kind, np.float32, np.int64]))
        a = a.astype(kind)
    if op == "BitShift":
        more["direction"], b = choice(rng, ["LEFT", "RIGHT"]), b % (8 * np.dtype(kind).itemsize)
        b = b.astype(kind)
    if op == "PRelu":
        b = values(rng, kind, b.shape if len(b.shape) <= len(a.shape) else (1,), 0)
    return Case(op, [a, b], **more)


def cast(rng):
    target = choice(rng, FLOATS + INTEGERS + [np.bool_])
    special = 0 if target in (np.uint32, np.uint64) else 0.3 # NaN and infinities: NumPy's result depends on where they stand
    return Case("Cast", [values(rng, choice(rng, FLOATS + INTEGERS + [np.bool_]), shape(rng), special)], to=helper.np_dtype_to_tensor_dtype(np.dtype(target)))


def clip(rng):
    kind = choice(rng, NUMBERS)
    bounds = np.sort(values(rng, kind, (2,), 0))
    return Case("Clip", [values(rng, kind, shape(rng), 0.4)] + [b.reshape(()) if rng.random() < 0.8 else None for b in bounds])


def where(rng):
    dims, kind = shape(rng), choice(rng, NUMBERS)
    return Case("Where", [values(rng, np.bool_, broadcastable(rng, dims)), values(rng, kind, dims), values(rng, kind, broadcastable(rng, dims))])


def reduction(rng):
    op = choice(rng, ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp", "ReduceLogSum"])
    kind = choice(rng, [np.float32, np.float64, np.int32, np.int64] if "Log" not in op else [np.float32, np.float64])
    if op in ("ReduceMax", "ReduceMin"):
        kind = choice(rng, [np.float32, np.float64, np.int64, np.int32, np.int8, np.uint8])
    x = values(rng, kind, shape(rng), 0.2 if np.dtype(kind).kind == "f" or op in ("ReduceMax", "ReduceMin") else 0)
    axes = sorted(set(int(a) for a in rng.integers(-x.ndim, x.ndim, rng.integers(0, x.ndim + 1))))
    axes = [a for i, a in enumerate(axes) if a % x.ndim not in [b % x.ndim for b in axes[:i]]]
    return Case(op, [x, ints(*axes) if axes else None], [1], keepdims=int(rng.integers(2)))


def arg_extreme(rng):
    x = values(rng, choice(rng, NUMBERS), shape(rng), 0.5)
    return Case(choice(rng, ["ArgMax", "ArgMin"]), [x], axis=int(rng.integers(-x.ndim, x.ndim)), keepdims=int(rng.integers(2)), select_last_index=int(rng.integers(2)))


def row_op(rng):
    x = values(rng, choice(rng, FLOATS), shape(rng), 0.1)
    return Case(choice(rng, ["Softmax", "LogSoftmax", "Hardmax", "LpNormalization"]), [x], axis=int(rng.integers(-x.ndim, x.ndim)))


def top_k(rng):
    x = values(rng, choice(rng, [np.float32, np.float64, np.int64, np.int32]), shape(rng), 0.3)
    x = np.where(x != x, np.array(2).astype(x.dtype), x).astype(x.dtype)
    axis = int(rng.integers(x.ndim))
    return Case("TopK", [x, ints(rng.integers(1, x.shape[axis] + 1))], [1], outputs=2, axis=axis, largest=int(rng.integers(2)), sorted=1)


def pool(rng):
    op = choice(rng, ["MaxPool", "AveragePool", "LpPool", "MaxPool"])
    rank = int(rng.integers(1, 4))
    x = values(rng, choice(rng, [np.float32, np.float64, np.uint8] if op == "MaxPool" else [np.float32]), (1, int(rng.integers(1, 4))) + tuple(int(d) for d in rng.integers(3, 9, rank)), 0.05 if op == "MaxPool" else 0)
    x = np.where(x != x, np.array(0).astype(x.dtype), x).astype(x.dtype)
    more = {"kernel_shape": [int(k) for k in rng.integers(1, 4, rank)], "strides": [int(s) for s in rng.integers(1, 4, rank)]}
    if rng.random() < 0.3:
        more["auto_pad"] = choice(rng, ["SAME_UPPER", "SAME_LOWER", "VALID"])
    else:
        more["pads"] = [int(rng.integers(0, k)) for k in more["kernel_shape"] * 2]
        if rng.random() < 0.5:
            more["dilations"] = [int(d) for d in rng.integers(1, 3, rank)]
            if any((k - 1) * d + 1 > n for k, d, n in zip(more["kernel_shape"], more["dilations"], x.shape[2:])):
                del more["dilations"]
    if rng.random() < 0.4:
        more["ceil_mode"] = 1
    if op == "AveragePool":
        more["count_include_pad"] = int(rng.integers(2))
    if op == "LpPool":
        more["p"] = int(rng.integers(1, 5))
    return Case(op, [x], outputs=2 if op == "MaxPool" and x.dtype != np.uint8 and rng.random() < 0.5 else 1, **more)


def conv_transpose(rng):
    rank, group = int(rng.integers(1, 3)), int(rng.integers(1, 3))
    cin, cout = group * int(rng.integers(1, 3)), int(rng.integers(1, 3))
    kernel, stride = [int(k) for k in rng.integers(1, 5, rank)], [int(s) for s in rng.integers(1, 4, rank)]
    x, w = values(rng, np.float32, (1, cin) + tuple(int(d) for d in rng.integers(2, 6, rank)), 0), values(rng, np.float32, (cin, cout, *kernel), 0)
    more = {"group": group, "strides": stride}
    kind = rng.random()
    if kind < 0.3:
        more["auto_pad"] = choice(rng, ["SAME_UPPER", "SAME_LOWER", "VALID"])
    elif kind < 0.5:
        more["output_shape"] = [n * s for n, s in zip(x.shape[2:], stride)]
    else:
        more["pads"] = [int(rng.integers(0, (k + 1) // 2)) for k in kernel * 2]
        more["output_padding"] = [int(rng.integers(0, s)) for s in stride]
    return Case("ConvTranspose", [x, w], **more)


def resize(rng):
    rank = int(rng.integers(1, 3))
    x = values(rng, np.float32, (1, 1) + tuple(int(d) for d in rng.integers(1, 12, rank)), 0)
    mode = choice(rng, ["nearest", "nearest", "linear", "cubic"])
    more = {"mode": mode, "coordinate_transformation_mode": choice(rng, ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric"])}
    if mode == "nearest":
        more["nearest_mode"] = choice(rng, ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
    if mode == "cubic":
        more["exclude_outside"] = int(rng.integers(2))
    if rng.random() < 0.6:
        return Case("Resize", [x, None, None, ints(1, 1, *rng.integers(1, 14, rank))], [3], opset=19, **more)
    scales = np.array([1, 1] + [choice(rng, [0.5, 2, 3, 1.5, 0.75, 2.5, 0.6, 1]) for _ in range(rank)], np.float32)
    scales[2:] = np.where(np.floor(np.array(x.shape[2:], np.float32) * scales[2:]) < 1, 2, scales[2:])
    return Case("Resize", [x, None, scales], [2], opset=19, **more)


def grid_sample(rng):
    rank = int(rng.integers(1, 3)) + 1
    x = values(rng, np.float32, (1, 2) + tuple(int(d) for d in rng.integers(2, 6, rank)), 0)
    grid = (rng.random((1,) + tuple(int(d) for d in rng.integers(1, 4, rank)) + (rank,)) * 3 - 1.5).astype(np.float32)
    return Case("GridSample", [x, grid], mode=choice(rng, ["linear", "nearest"] + ["cubic"] * (rank == 2)), padding_mode=choice(rng, ["zeros", "border", "reflection"]), align_corners=int(rng.integers(2)))


def pad(rng):
    x = values(rng, choice(rng, NUMBERS), shape(rng))
    mode = choice(rng, ["constant", "edge", "reflect", "wrap"])
    pads = [int(rng.integers(0, n if mode == "reflect" else n + 1 if mode == "wrap" else 4)) for n in x.shape * 2]
    if mode == "constant":
        pads = [p if rng.random() < 0.8 else -min(1, n - 1) for p, n in zip(pads, x.shape * 2)]
        pads = [0 if pads[i] + pads[(i + x.ndim) % (2 * x.ndim)] + x.shape[i % x.ndim] <= 0 else p for i, p in enumerate(pads)]
    return Case("Pad", [x, ints(*pads)] + ([values(rng, x.dtype.type, (), 0.5)] if mode == "constant" and rng.random() < 0.7 else []), [1], mode=mode)


def index_op(rng):
    op = choice(rng, ["Gather", "GatherElements", "ScatterElements", "OneHot", "CumSum", "Trilu", "EyeLike", "Range", "Unique", "ReverseSequence", "Compress", "NonZero"])
    x = values(rng, choice(rng, [np.float32, np.float64, np.int64, np.int32]), shape(rng, 2 if op in ("Trilu",) else 1), 0 if op in ("CumSum", "Range") else 0.2)
    axis = int(rng.integers(-x.ndim, x.ndim))
    n = x.shape[axis]
    if op == "Gather":
        return Case(op, [x, rng.integers(-n, n, shape(rng, 0, 2))], axis=axis)
    if op == "GatherElements":
        return Case(op, [x, rng.integers(-n, n, x.shape)], axis=axis)
    if op == "ScatterElements":
        x = np.where(x != x, np.array(1).astype(x.dtype), x).astype(x.dtype)
        how = choice(rng, ["none", "add", "mul", "max", "min"])
        index = np.argsort(rng.random(x.shape), axis) if how == "none" else rng.integers(-n, n, x.shape)
        return Case(op, [x, index, values(rng, x.dtype.type, x.shape, 0)], axis=axis, reduction=how)
    if op == "OneHot":
        depth = int(rng.integers(1, 6))
        return Case(op, [rng.integers(-depth, depth, x.shape), np.array(depth), values(rng, x.dtype.type, (2,))], [1], axis=int(rng.integers(-x.ndim - 1, x.ndim + 1)))
    if op == "CumSum":
        return Case(op, [x, np.array(axis)], [1], exclusive=int(rng.integers(2)), reverse=int(rng.integers(2)))
    if op == "Trilu":
        return Case(op, [x, np.array(rng.integers(-7, 8))], upper=int(rng.integers(2)))
    if op == "EyeLike":
        return Case(op, [values(rng, x.dtype.type, shape(rng, 2, 2))], k=int(rng.integers(-6, 7)))
    if op == "Range":
        kind = choice(rng, [np.int32, np.int64, np.float32, np.float64])
        step = np.array(choice(rng, [1, 2, -1, -3] + [0.5, 0.1, -0.3] * (np.dtype(kind).kind == "f")), kind)
        return Case(op, [np.array(rng.integers(-5, 6), kind), np.array(rng.integers(-5, 6), kind), step])
    if op == "Unique":
        return Case(op, [x], outputs=4, sorted=int(rng.integers(2)), **({"axis": axis} if rng.random() < 0.5 else {}))
    if op == "ReverseSequence":
        x = values(rng, np.float32, shape(rng, 2))
        return Case(op, [x, rng.integers(1, x.shape[0] + 1, x.shape[1])], batch_axis=1, time_axis=0)
    if op == "Compress":
        return Case(op, [x, rng.random(n) < 0.5], axis=axis)
    return Case(op, [x])


def layout_op(rng):
    op = choice(rng, ["DepthToSpace", "SpaceToDepth", "Split", "Tile", "Slice", "LRN", "MeanVarianceNormalization"])
    if op == "DepthToSpace":
        return Case(op, [values(rng, np.float32, (1, 8, 2, 3))], blocksize=2, mode=choice(rng, ["DCR", "CRD"]))
    if op == "SpaceToDepth":
        return Case(op, [values(rng, np.float32, (1, 2, 4, 6))], blocksize=2)
    if op == "LRN":
        return Case(op, [values(rng, np.float32, (1, int(rng.integers(1, 7)), 2, 2), 0)], size=int(choice(rng, [1, 3, 5])), alpha=0.5, beta=0.75, bias=1.5)
    if op == "MeanVarianceNormalization":
        return Case(op, [values(rng, np.float32, (2, 3, 4, 2), 0)], axes=sorted(set(int(a) for a in rng.integers(0, 4, 2))))
    x = values(rng, choice(rng, NUMBERS), shape(rng))
    axis = int(rng.integers(x.ndim))
    if op == "Split":
        n = x.shape[axis]
        first = int(rng.integers(0, n + 1))
        return Case(op, [x, ints(first, n - first)], [1], outputs=2, axis=axis)
    if op == "Tile":
        return Case(op, [x, rng.integers(0, 4, x.ndim)], [1])
    starts, ends, steps = rng.integers(-8, 8), rng.integers(-8, 8), choice(rng, [1, 2, -1, -2, 3])
    return Case(op, [x, ints(starts), ints(choice(rng, [ends, 2**63 - 1, -2**63])), ints(axis), ints(steps)], [1, 2, 3, 4])


def product(rng):
    op = choice(rng, ["MatMul", "Gemm", "Einsum"])
    kind = choice(rng, [np.float32, np.float64, np.int32, np.int64, np.uint32, np.uint64] if op != "Gemm" else [np.float32, np.float64])
    m, k, n = (int(d) for d in rng.integers(1, 7, 3))
    if op == "Gemm":
        ta, tb = int(rng.integers(2)), int(rng.integers(2))
        c = values(rng, kind, choice(rng, [(), (1,), (n,), (m, 1), (1, n), (m, n)]), 0) if rng.random() < 0.8 else None
        return Case(op, [values(rng, kind, (k, m) if ta else (m, k), 0), values(rng, kind, (n, k) if tb else (k, n), 0)] + ([c] if c is not None else []), transA=ta, transB=tb, alpha=choice(rng, [1.0, 1.5, 0.0, -2.0]), beta=choice(rng, [1.0, 0.5, 0.0]))
    scale = 1 if np.dtype(kind).kind == "f" else int(np.iinfo(kind).max) // 1000
    a, b = values(rng, kind, (m, k), 0) * np.array(scale, kind), values(rng, kind, (k, n), 0)
    return Case(op, [a, b], **({"equation": "mk,kn->mn"} if op == "Einsum" else {}))


def quantisation(rng):
    kind, dims = choice(rng, [np.uint8, np.int8, np.int16, np.uint16]), shape(rng, 2, 3)
    per_axis = rng.random() < 0.5
    scale = (2.0 ** rng.integers(-3, 3, dims[1] if per_axis else ())).astype(np.float32)
    zero = values(rng, kind, scale.shape, 0)
    if rng.random() < 0.5:
        x = (rng.integers(-200, 200, dims) / 8).astype(np.float32) # halves: ties
        return Case("QuantizeLinear", [x, scale, zero], axis=1)
    return Case("DequantizeLinear", [values(rng, kind, dims, 0.3), scale, zero], axis=1)


FAMILIES = [unary, binary, cast, clip, where, reduction, arg_extreme, row_op, top_k, pool, conv_transpose, resize, grid_sample, pad, index_op, layout_op, product, quantisation]


# ---- comparing ----

def same(got, want, tolerance):
    """Equal shapes, types, integers, NaN and infinities; floats to within a few roundings of the type."""
    want = np.asarray(want)
    if got.shape != want.shape or got.dtype != want.dtype:
        return False
    if got.dtype.kind != "f":
        return np.array_equal(got, want)
    a, b = got.astype(np.float64), want.astype(np.float64)
    finite = np.isfinite(b)
    unit = {2: 2e-3, 4: 1e-5, 8: 1e-11}[got.dtype.itemsize] * tolerance
    scale = np.abs(b[finite]).max(initial=0)
    with np.errstate(invalid="ignore"):
        near = np.abs(a - b) <= unit * np.abs(b) + unit * 0.1 * min(scale, 1e3) + 1e-30
    return bool(np.all(np.where(finite, near, (a == b) | ((a != a) & (b != b)))))


def references(model, feed):
    """The results of ONNX's reference evaluator and of ONNX Runtime, as far as they have any."""
    found = []
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            found.append(("reference", [np.asarray(v) for v in ReferenceEvaluator(model).run(None, feed)]))
    except Exception: # what it has not implemented, or gets wrong itself
        pass
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        found.append(("ONNX Runtime", ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"]).run(None, feed)))
    except Exception:
        pass
    return found


def run_dsc(dsc, folder, model, feed, outputs):
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "model.onnx")
    for i, (name, array) in enumerate(feed.items()):
        (folder / ("input_%d.pb" % i)).write_bytes(numpy_helper.from_array(array, name).SerializeToString())
    ran = subprocess.run([dsc, "run", folder / "model.onnx", "--inputs", folder, "--outputs", folder / "out"], capture_output=True, text=True, timeout=120)
    if ran.returncode:
        return ran.returncode, ran.stderr
    return 0, [numpy_helper.to_array(onnx.TensorProto.FromString((folder / "out" / ("output_%d.pb" % i)).read_bytes())) for i in range(outputs)]


def check(dsc, folder, case):
    """What is wrong, or None."""
    wanted = None
    for constant in (False, True):
        model, feed = case.model(constant)
        if wanted is None:
            wanted = references(model, feed)
        if not wanted:
            return None
        code, got = run_dsc(dsc, folder / str(int(constant)), model, feed, case.outputs)
        if code == 3:
            return None
        if code:
            return "exit %d: %s" % (code, got[-200:])
        if not any(all(same(g, w, case.tolerance) for g, w in zip(got, want)) for _, want in wanted):
            return "as %s: differs from %s" % ("constants" if constant else "inputs", " and ".join(name for name, _ in wanted))
    return None


def cases(count, seed, only=None):
    for k in range(seed, seed + count):
        rng = np.random.default_rng(k)
        family = FAMILIES[k % len(FAMILIES)]
        with np.errstate(all="ignore"):
            case = family(rng)
        if only in (None, case.op, family.__name__):
            yield k, case


def run(dsc, work, count, seed, only=None):
    """Yields (seed, case, what is wrong or None)."""
    for k, case in cases(count, seed, only):
        yield k, case, check(dsc, work / str(k), case)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dsc", required=True)
    parser.add_argument("--count", type=int, default=360)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--op")
    args = parser.parse_args()
    work, bad, total = Path(tempfile.mkdtemp(prefix="dsc-ops.")), 0, 0
    for k, case, reason in run(args.dsc, work, args.count, args.seed, args.op):
        total += 1
        if reason:
            bad += 1
            print("seed %d: %s: %s (%s)" % (k, case, reason, work / str(k)), flush=True)
        else:
            subprocess.run(["rm", "-rf", work / str(k)])
    print("%d passed, %d failed" % (total - bad, bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
