"""Extents of 0 in every family of operators: fixed, and as symbols that are 0 at run time. Shapes of results matter as much as values."""
import numpy as np
from forms import constants, f32, helper, symbolic

node = helper.make_node


def ints(*values):
    return np.array(values, np.int64)


def zeros(*shape, kind=np.float32):
    return np.zeros(shape, kind)


def products():
    for a, b in (((0, 3), (3, 4)), ((2, 0), (0, 3)), ((2, 3), (3, 0)), ((0, 2, 3), (0, 3, 4)), ((2, 0, 3), (3, 4)), ((2, 3, 0), (2, 0, 5)), ((0,), (0,)), ((0,), (0, 3)), ((17, 0), (0, 33))):
        yield "MatMul %s %s" % (a, b), [node("MatMul", ["x0", "x1"], ["y"])], [f32(*a), f32(*b)], [np.matmul(zeros(*a), zeros(*b))]
        if len(a) == 2 == len(b):
            c = f32(b[1])
            yield "Gemm %s %s" % (a, b), [*constants(c=c), node("Gemm", ["x0", "x1", "c"], ["y"], alpha=2.0)], [f32(*a), f32(*b)], [zeros(a[0], b[1]) + c]
    w, bias = f32(5, 4), f32(4)
    yield "linear, relu", [*constants(w=w, b=bias), node("MatMul", ["x0", "w"], ["p"]), node("Add", ["p", "b"], ["s"]), node("Relu", ["s"], ["y"])], [f32(0, 5)], [zeros(0, 4)]
    for equation, shapes in (("bij,bjk->bik", ((0, 2, 3), (0, 3, 4))), ("ij,jk->ik", ((2, 0), (0, 4))), ("ij->", ((0, 4),)), ("i,j->ij", ((0,), (3,)))):
        x = [f32(*s) for s in shapes]
        yield "Einsum " + equation, [node("Einsum", ["x%d" % i for i in range(len(x))], ["y"], equation=equation)], x, [np.asarray(np.einsum(equation, *x), np.float32)]


def images():
    w, depthwise = f32(8, 6, 3, 3), f32(6, 1, 3, 3)
    yield "Conv of no images", [*constants(w=w), node("Conv", ["x0", "w"], ["c"], pads=[1] * 4), node("Relu", ["c"], ["y"])], [f32(0, 6, 9, 9)], [zeros(0, 8, 9, 9)]
    yield "depthwise Conv of no images", [*constants(w=depthwise), node("Conv", ["x0", "w"], ["y"], group=6)], [f32(0, 6, 9, 9)], [zeros(0, 6, 7, 7)]
    yield "ConvTranspose of no images", [*constants(w=f32(6, 4, 3, 3)), node("ConvTranspose", ["x0", "w"], ["y"], strides=[2, 2])], [f32(0, 6, 4, 4)], [zeros(0, 4, 9, 9)]
    for kind in ("MaxPool", "AveragePool"):
        yield kind + " of no images", [node(kind, ["x0"], ["y"], kernel_shape=[2, 2], strides=[2, 2])], [f32(0, 6, 8, 8)], [zeros(0, 6, 4, 4)]
    for kind in ("GlobalMaxPool", "GlobalAveragePool"):
        yield kind + " of no images", [node(kind, ["x0"], ["y"])], [f32(0, 6, 8, 8)], [zeros(0, 6, 1, 1)]
    yield "Resize of no images", [*constants(s=np.array([1, 1, 2, 2], np.float32)), node("Resize", ["x0", "", "s"], ["y"], mode="linear")], [f32(0, 3, 4, 4)], [zeros(0, 3, 8, 8)]
    yield "GridSample at no points", [node("GridSample", ["x0", "x1"], ["y"])], [f32(1, 3, 4, 4), f32(1, 0, 5, 2)], [zeros(1, 3, 0, 5)]
    x = f32(0, 6, 5)
    yield "InstanceNormalization of nothing", [*constants(s=f32(6), b=f32(6)), node("InstanceNormalization", ["x0", "s", "b"], ["y"])], [x], [x]
    yield "BatchNormalization of nothing", [*constants(s=f32(6), b=f32(6), m=f32(6), v=np.ones(6, np.float32)), node("BatchNormalization", ["x0", "s", "b", "m", "v"], ["y"])], [x], [x]
    yield "GroupNormalization of nothing", [*constants(s=f32(6), b=f32(6)), node("GroupNormalization", ["x0", "s", "b"], ["y"], num_groups=2)], [x], [x], ["opset=21"]
    yield "DepthToSpace of nothing", [node("DepthToSpace", ["x0"], ["y"], blocksize=2)], [f32(0, 8, 3, 3)], [zeros(0, 2, 6, 6)]


def reductions():
    for shape, axes in (((0, 3), [0]), ((2, 0, 3), [1]), ((0,), [0]), ((2, 0), [0]), ((0, 4), [1]), ((3, 0, 33), [1]), ((0, 2, 2), [0, 1])):
        x, axis = f32(*shape), tuple(axes)
        with np.errstate(all="ignore"):
            wants = {"ReduceSum": x.sum(axis), "ReduceProd": x.prod(axis), "ReduceL1": x.sum(axis), "ReduceL2": x.sum(axis), "ReduceSumSquare": x.sum(axis), "ReduceMax": x.max(axis, initial=-np.inf),
                     "ReduceMin": x.min(axis, initial=np.inf), "ReduceMean": x.sum(axis) / np.float32(np.prod([shape[a] for a in axes])), "ReduceLogSum": np.log(x.sum(axis))}
        for kind, want in wants.items():
            yield "%s of %s over %s" % (kind, shape, axes), [*constants(a=ints(*axes)), node(kind, ["x0", "a"], ["y"], keepdims=0)], [x], [np.asarray(want, np.float32)]
    for kind in (np.int32, np.int64):
        x = zeros(0, 3, kind=kind)
        for op, want in (("ReduceMax", np.iinfo(kind).min), ("ReduceMin", np.iinfo(kind).max), ("ReduceSum", 0)):
            yield "%s of no %s" % (op, kind.__name__), [*constants(a=ints(0)), node(op, ["x0", "a"], ["y"], keepdims=1)], [x], [np.full((1, 3), want, kind)]
    for kind in ("ArgMax", "ArgMin"):
        yield kind + " of no rows", [node(kind, ["x0"], ["y"], axis=1, keepdims=0)], [f32(0, 3)], [zeros(0, kind=np.int64)]
    for shape in ((0, 5), (5, 0), (0,), (2, 0, 3)):
        x = f32(*shape)
        for kind in ("Softmax", "LogSoftmax", "Hardmax"):
            yield "%s of %s" % (kind, shape), [node(kind, ["x0"], ["y"])], [x], [x]
        yield "CumSum of %s" % (shape,), [*constants(a=np.array(0, np.int64)), node("CumSum", ["x0", "a"], ["y"])], [x], [x]
    x = f32(0, 5)
    yield "LayerNormalization of no rows", [*constants(s=f32(5)), node("LayerNormalization", ["x0", "s"], ["y"])], [x], [x]
    yield "LpNormalization of no rows", [node("LpNormalization", ["x0"], ["y"])], [x], [x]
    yield "RMSNormalization of no rows", [*constants(s=f32(5)), node("RMSNormalization", ["x0", "s"], ["y"])], [x], [x], ["opset=23"]


def movement():
    x = f32(3, 4)
    yield "Concat with empty parts", [node("Concat", ["x0", "x1", "x2"], ["y"], axis=0)], [f32(0, 4), x, f32(0, 4)], [x]
    yield "Concat of nothing", [node("Concat", ["x0", "x1"], ["y"], axis=1)], [f32(0, 2), f32(0, 3)], [zeros(0, 5)]
    yield "Slice to nothing", [*constants(s=ints(2), e=ints(2), a=ints(0)), node("Slice", ["x0", "s", "e", "a"], ["y"])], [x], [x[2:2]]
    yield "Slice of nothing", [*constants(s=ints(0), e=ints(5), a=ints(1)), node("Slice", ["x0", "s", "e", "a"], ["y"])], [f32(3, 0)], [zeros(3, 0)]
    yield "Gather of nothing", [node("Gather", ["x0", "x1"], ["y"])], [x, zeros(0, 2, kind=np.int64)], [zeros(0, 2, 4)]
    yield "GatherElements of nothing", [node("GatherElements", ["x0", "x1"], ["y"])], [x, zeros(0, 4, kind=np.int64)], [zeros(0, 4)]
    yield "GatherND of nothing", [node("GatherND", ["x0", "x1"], ["y"])], [x, zeros(0, 1, kind=np.int64)], [zeros(0, 4)], ["fixed"]
    yield "ScatterElements without updates", [node("ScatterElements", ["x0", "x1", "x2"], ["y"])], [x, zeros(0, 4, kind=np.int64), zeros(0, 4)], [x]
    yield "ScatterND without updates", [node("ScatterND", ["x0", "x1", "x2"], ["y"])], [x, zeros(0, 1, kind=np.int64), zeros(0, 4)], [x], ["fixed"]
    yield "TopK, k = 0", [*constants(k=ints(0)), node("TopK", ["x0", "k"], ["y", "i"])], [x], [zeros(3, 0), zeros(3, 0, kind=np.int64)]
    yield "TopK of no rows", [*constants(k=ints(2)), node("TopK", ["x0", "k"], ["y", "i"])], [f32(0, 4)], [zeros(0, 2), zeros(0, 2, kind=np.int64)]
    yield "Split with an empty part", [*constants(s=ints(0, 3)), node("Split", ["x0", "s"], ["y", "z"])], [x], [x[:0], x]
    yield "Split of nothing", [*constants(s=ints(2, 2)), node("Split", ["x0", "s"], ["y", "z"], axis=1)], [f32(0, 4)], [zeros(0, 2), zeros(0, 2)]
    yield "Pad of nothing", [*constants(p=ints(1, 0, 1, 0), v=np.float32(3)), node("Pad", ["x0", "p", "v"], ["y"])], [f32(0, 4)], [np.full((2, 4), 3, np.float32)]
    yield "NonZero of nothing", [node("NonZero", ["x0"], ["y"])], [f32(0, 4)], [zeros(2, 0, kind=np.int64)]
    yield "Tile by 0", [*constants(r=ints(0, 2)), node("Tile", ["x0", "r"], ["y"])], [x], [zeros(0, 8)]
    yield "Range of nothing", [node("Range", ["x0", "x1", "x2"], ["y"])], [np.array(v, np.int64) for v in (5, 5, 1)], [zeros(0, kind=np.int64)]
    yield "Expand to nothing", [*constants(s=ints(0, 4)), node("Expand", ["x0", "s"], ["y"])], [f32(1, 4)], [zeros(0, 4)]
    yield "Transpose, then Reshape of nothing", [*constants(s=ints(4, 0)), node("Transpose", ["x0"], ["t"]), node("Reshape", ["t", "s"], ["y"], allowzero=1)], [f32(0, 4)], [zeros(4, 0)]
    yield "ReverseSequence of nothing", [*constants(n=zeros(0, kind=np.int64)), node("ReverseSequence", ["x0", "n"], ["y"], batch_axis=1, time_axis=0)], [f32(4, 0)], [zeros(4, 0)]
    yield "OneHot of nothing", [*constants(d=np.int64(3), v=np.array([0, 1], np.float32)), node("OneHot", ["x0", "d", "v"], ["y"])], [zeros(0, kind=np.int64)], [zeros(0, 3)]
    yield "Compress to nothing", [node("Compress", ["x0", "x1"], ["y"], axis=0)], [x, np.zeros(3, bool)], [x[:0]]
    yield "Unique of nothing", [node("Unique", ["x0"], ["y"])], [f32(0)], [zeros(0)]
    yield "Trilu of nothing", [node("Trilu", ["x0"], ["y"])], [f32(0, 3)], [zeros(0, 3)]
    yield "Where with nothing", [node("Where", ["x0", "x1", "x2"], ["y"])], [zeros(0, 1, kind=bool), f32(1, 4), f32(0, 4)], [zeros(0, 4)]
    yield "sums that broadcast nothing", [node("Add", ["x0", "x1"], ["y"])], [f32(0, 1, 3), f32(1, 1, 1)], [zeros(0, 1, 3)]
    yield "Shape of nothing", [node("Shape", ["x0"], ["y"])], [f32(0, 4)], [ints(0, 4)]
    yield "Cast and Identity of nothing", [node("Identity", ["x0"], ["i"]), node("Cast", ["i"], ["y"], to=7)], [f32(0, 4)], [zeros(0, 4, kind=np.int64)]


def sequences():
    for kind, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1)):
        for steps, batch in ((3, 0), (0, 2)):
            w, r, h = f32(1, gates * 5, 4), f32(1, gates * 5, 5), f32(1, batch, 5)
            first = ["x0", "w", "r", "", "", "x1"]
            yield "%s of %d steps, batch %d" % (kind, steps, batch), [*constants(w=w, r=r), node(kind, first, ["y", "h"], hidden_size=5)], [f32(steps, batch, 4), h], [zeros(steps, 1, batch, 5), h]
    q = f32(1, 2, 0, 8)
    yield "Attention without queries", [node("Attention", ["x0", "x1", "x2"], ["y"])], [q, f32(1, 2, 3, 8), f32(1, 2, 3, 8)], [q], ["opset=23", "fixed"]
    yield "Attention of no batch", [node("Attention", ["x0", "x1", "x2"], ["y"])], [f32(0, 2, 4, 8), f32(0, 2, 3, 8), f32(0, 2, 3, 8)], [zeros(0, 2, 4, 8)], ["opset=23", "fixed"]


def cases():
    for family in (products, images, reductions, movement, sequences):
        for name, nodes, inputs, outputs, *flags in family():
            flags = flags[0] if flags else []
            yield "empty: " + name, nodes, inputs, outputs, [*flags, "brief"]
            if "fixed" not in flags:
                yield "empty, symbolic: " + name, nodes, inputs, outputs, [*flags, "brief", "symbolic"]
