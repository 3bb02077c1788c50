"""What only a run tells: extents that are summed over though the operands are constants, bounds of slices at the ends of int64."""
import numpy as np
from onnx import helper

from forms import constants, f32

N = helper.make_node
LOW, HIGH = -2**63, 2**63 - 1


def sums():
    """The result has a size that is known and the operands are constants; how much is summed is neither."""
    ones = [*constants(k=np.float32(2)), N("Expand", ["k", "s"], ["e"]), N("ReduceSum", ["e"], ["y"], keepdims=0)]
    x = np.float32([0, 3, 0, 4, 5])
    yield "a constant, as often as an input has elements", [N("Shape", ["x0"], ["s"]), *ones], [x], [np.float32(10)], ["symbolic"]
    yield "a constant, as often as there are nonzeros", [N("NonZero", ["x0"], ["n"]), N("Shape", ["n"], ["s"]), *ones], [x], [np.float32(6)], []
    limits = constants(first=np.array(3), step=np.array(2))
    for op, want in (("ReduceSum", 3 + 5 + 7 + 9), ("ReduceMax", 9), ("ReduceProd", 3 * 5 * 7 * 9)):
        nodes = [*limits, N("Range", ["first", "x0", "step"], ["r"]), N(op, ["r"], ["y"], keepdims=0)]
        yield "%s of a range up to an input" % op, nodes, [np.array(10)], [np.array(want)], []
    square = [*constants(k=np.float32([[1, 2]])), N("Shape", ["x0"], ["n"]), *constants(two=np.array([2])), N("Concat", ["n", "two"], ["s"], axis=0), N("Expand", ["k", "s"], ["e"]),
              N("Transpose", ["e"], ["t"], perm=[1, 0]), N("MatMul", ["t", "e"], ["y"])]
    yield "a product of constants, as long as an input", square, [x], [np.float32([[5, 10], [10, 20]])], ["symbolic"]


def slices():
    x = f32(3, 5)
    names = ["x0", "x1", "x2", "axes", "x3"]
    for starts, ends, steps in (((HIGH, HIGH), (LOW, LOW), (-1, -2)), ((LOW, LOW), (HIGH, HIGH), (1, 2)), ((-1, 4), (LOW, LOW), (-2, -1)), ((0, 1), (HIGH, LOW), (HIGH, 1)), ((2, 4), (LOW, 0), (LOW, HIGH))):
        inputs = [np.array(v, np.int64) for v in (starts, ends, steps)]
        want = x[tuple(slice(*v) for v in zip(starts, ends, steps))]
        nodes = [*constants(axes=np.array([0, 1])), N("Slice", names, ["y"])]
        yield "Slice to the ends of int64, %s" % [starts, ends, steps], nodes, [x, *inputs], [want], []
        nodes = [*constants(axes=np.array([0, 1]), steps=inputs[2]), N("Slice", names[:4] + ["steps"], ["y"])]
        yield "Slice to the ends of int64, known steps, %s" % [starts, ends, steps], nodes, [x, *inputs[:2]], [want], []
        nodes = [N("Slice", ["x0", "x1", "x2", "x4", "x3"], ["y"])]
        yield "Slice to the ends of int64, axes of a run, %s" % [starts, ends, steps], nodes, [x, *inputs, np.array([0, -1])], [want], []


def crops():
    """An axis whose scale is 1 is not cropped, whatever its region of interest."""
    x, roi = np.arange(12, dtype=np.float32).reshape(2, 6), np.array([0.5, 0.2, 0.5, 1], np.float32)
    want = np.stack([1 + 2 * np.arange(3), 7 + 2 * np.arange(3)]).astype(np.float32)
    crop = {"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize", "extrapolation_value": 0.5}
    for name, values in (("scales", np.float32([1, 0.5])), ("sizes", np.array([2, 3]))):
        operands = ["x0", "roi", name] if name == "scales" else ["x0", "roi", "", name]
        yield "a crop of one axis of two, %s" % name, [*constants(roi=roi, **{name: values}), N("Resize", operands, ["y"], **crop)], [x], [want], []
        operands = ["x1" if n == name else n for n in operands]
        yield "a crop of one axis of two, %s of a run" % name, [*constants(roi=roi), N("Resize", operands, ["y"], **crop)], [x, values], [want], []


def cases():
    for part in (sums, slices, crops):
        yield from part()
