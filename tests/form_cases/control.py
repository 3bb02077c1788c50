"""Control flow: If, Loop, Scan, sequences and optionals."""
import numpy as np
from onnx import TensorProto, helper

from forms import constants, f32

N, V, F, I, B = helper.make_node, helper.make_tensor_value_info, TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def graph(nodes, inputs, outputs):
    """A body: inputs and outputs are (name, type) or (name, type, shape); without a shape nothing is said about it."""
    infos = [[V(v[0], v[1], v[2] if len(v) > 2 else None) for v in values] for values in (inputs, outputs)]
    return helper.make_graph(nodes, "body", *infos)


def branch(nodes, *results, kind=F):
    return graph(nodes, [], [(r, kind) for r in results])


def i64(*values):
    return np.array(values, np.int64)


def branches():
    """Branches whose results differ in extents, are outer values, constants, the same twice; nested ones; ranks that differ."""
    x, y = f32(3, 4), f32(5, 4)
    both = N("If", ["x2"], ["y"], then_branch=branch([N("Relu", ["x0"], ["t"])], "t"), else_branch=branch([N("Neg", ["x1"], ["e"])], "e"))
    for take in (True, False):
        want = np.maximum(x, 0) if take else -y
        for flags in ([], ["symbolic"]):
            yield "if, extents that differ, %s %s" % (take, flags), [both, N("Exp", ["y"], ["z"])], [x, y, np.array(take)], [np.exp(want)], flags
        yield "if, extents that differ, as the output, %s" % take, [both], [x, y, np.array(take)], [want], []
        outer = N("If", ["x1"], ["a", "b", "c"], then_branch=branch([N("Neg", ["x0"], ["n"])], "n", "x0", "n"),
                  else_branch=branch(constants(k=np.float32([[1, 2, 3]])), "k", "k", "x0"))
        n, k = -x, np.float32([[1, 2, 3]])
        wanted = [n, x, n] if take else [k, k, x]
        sums = [N("ReduceSum", [v], [v + "s"], keepdims=0) for v in "abc"]
        yield "if, outer values and constants, %s" % take, [outer, *sums, N("Sum", ["as", "bs", "cs"], ["y"])], [x, np.array(take)], [np.float32(sum(w.sum() for w in wanted))], ["opset=13"]
        inner = N("If", ["x2"], ["i"], then_branch=branch([N("Concat", ["x0", "x0"], ["t"], axis=0)], "t"), else_branch=branch([N("Identity", ["x0"], ["e"])], "e"))
        nested = N("If", ["x1"], ["y"], then_branch=branch([inner, N("Abs", ["i"], ["a"])], "a"), else_branch=branch([N("Exp", ["x0"], ["e"])], "e"))
        for other in (True, False):
            ones = [*constants(one=np.float32(1)), nested, N("Shape", ["y"], ["s"]), N("Expand", ["one", "s"], ["o"]), N("Add", ["y", "o"], ["z"])]
            want = (np.abs(np.concatenate([x, x]) if other else x) if take else np.exp(x)) + 1
            yield "if in if, %s %s" % (take, other), ones, [x, np.array(take), np.array(other)], [want], []
    squeeze = [*constants(one=np.array(1), at=i64(1)), N("Shape", ["x0"], ["s"]), N("Gather", ["s", "one"], ["d"]), N("Equal", ["d", "one"], ["c"]),
               N("If", ["c"], ["y"], then_branch=branch([N("Squeeze", ["x0", "at"], ["t"])], "t"), else_branch=branch([N("Identity", ["x0"], ["e"])], "e")), N("Neg", ["y"], ["z"])]
    x = f32(2, 1, 3)
    yield "if, a squeeze whose dim is 1", squeeze, [x], [-x[:, 0]], ["symbolic"]
    yield "if, a squeeze whose dim is known", squeeze, [f32(2, 4, 3) * 0], [np.zeros((2, 4, 3), np.float32)], []


def loops():
    x = f32(4)
    add = graph([N("Identity", ["c"], ["co"]), N("Add", ["v", "x0"], ["vo"]), N("Mul", ["vo", "vo"], ["s"])], [("i", I), ("c", B), ("v", F)], [("co", B), ("vo", F), ("s", F)])
    for turns in (0, 1, 5):
        v, stack = np.zeros(4, np.float32), []
        for _ in range(turns):
            v = v + x
            stack.append(v * v)
        stack = np.stack(stack) if turns else np.zeros((0, 4), np.float32)
        fixed = [*constants(m=np.array(turns), yes=np.array(True), z=np.zeros(4, np.float32)), N("Loop", ["m", "yes", "z"], ["a", "b"], body=add)]
        yield "loop of %d turns" % turns, fixed, [x], [v, stack], []
        given = [*constants(z=np.zeros(4, np.float32)), N("Loop", ["x1", "", "z"], ["a", "b"], body=add)]
        yield "loop of %d turns, known while running" % turns, given, [x, np.array(turns)], [v, stack], ["symbolic"]
        given = [*constants(z=np.zeros(4, np.float32)), N("Loop", ["x1", "x2", "z"], ["a", "b"], body=add)]
        yield "loop of %d turns, a condition before them" % turns, given, [x, np.array(turns), np.array(True)], [v, stack], []
        yield "loop of no turns for its condition, %d" % turns, given, [x, np.array(turns), np.array(False)], [np.zeros(4, np.float32), np.zeros((0, 4), np.float32)], []
    # a while loop: halves until the sum is small; the turns are counted and stacked
    less = [N("Mul", ["v", "half"], ["vo"]), N("ReduceSum", ["vo"], ["sum"], keepdims=0), N("Less", ["one", "sum"], ["co"]), N("Add", ["k", "step"], ["ko"])]
    body = graph(less, [("i", I), ("c", B), ("v", F), ("k", I)], [("co", B), ("vo", F), ("ko", I), ("vo", F), ("i", I)])
    x = np.abs(f32(3)) * 40
    v, k, stack = x, 0, []
    while True:
        v, k = v * np.float32(0.5), k + 1
        stack.append(v)
        if not 1 < v.sum():
            break
    values = constants(half=np.float32(0.5), one=np.float32(1), step=np.array(1), zero=np.array(0), many=np.array(2**62), yes=np.array(True))
    outputs = [v, np.array(k), np.stack(stack), np.arange(k)]
    for limit in ("many", ""):
        for flags in ([], ["symbolic"]):
            yield "while, %s %s" % (limit, flags), [*values, N("Loop", [limit, "yes", "x0", "zero"], ["a", "b", "c", "d"], body=body)], [x], outputs, ["opset=13", *flags]
    yield "while, at most twice", [*values, N("Loop", ["x1", "yes", "x0", "zero"], ["a", "b", "c", "d"], body=body)], [x, np.array(2)], [x / 4, np.array(2), np.stack([x / 2, x / 4]), np.arange(2)], ["opset=13"]
    # values that change places, and one that stays
    swap = graph([N("Identity", ["c"], ["co"]), N("Add", ["a", "b"], ["s"])], [("i", I), ("c", B), ("a", F), ("b", F), ("k", F)], [("co", B), ("s", F), ("a", F), ("k", F), ("b", F)])
    a, b, stack = f32(2, 3), f32(2, 3), []
    p, q = a, b
    for _ in range(5):
        p, q, old = p + q, p, q
        stack.append(old)
    yield "loop that exchanges values", [*constants(m=np.array(5)), N("Loop", ["m", "", "x0", "x1", "x0"], ["y", "z", "w", "v"], body=swap)], [a, b], [p, q, a, np.stack(stack)], []
    # extents that change: an accumulator that starts empty, and one that doubles
    grow = graph([N("Identity", ["c"], ["co"]), N("Concat", ["v", "x0"], ["vo"], axis=0), N("Concat", ["w", "w"], ["wo"], axis=0), N("Unsqueeze", ["i", "at"], ["iu"]), N("Cast", ["iu"], ["f"], to=F), N("Add", ["wo", "f"], ["wp"])],
                 [("i", I), ("c", B), ("v", F), ("w", F)], [("co", B), ("vo", F), ("wp", F)])
    x, w = f32(2, 3), f32(1)
    v, p = np.zeros((0, 3), np.float32), w
    for i in range(4):
        v, p = np.concatenate([v, x]), np.concatenate([p, p]) + np.float32(i)
    for flags in ([], ["symbolic"]):
        loop = [*constants(m=np.array(4), at=i64(0), empty=np.zeros((0, 3), np.float32)), N("Loop", ["m", "", "empty", "x1"], ["y", "z"], body=grow)]
        yield "loop of extents that change %s" % flags, loop, [x, w], [v, p], flags
        yield "loop of extents that change, and what reads them %s" % flags, [*loop, N("ReduceMax", ["z"], ["e"], keepdims=0), N("Mul", ["y", "e"], ["n"])], [x, w], [v * p.max()], flags
    # inner loops read the outer turn, and what both capture
    inner = graph([N("Identity", ["c2"], ["co2"]), N("Mul", ["i", "j"], ["ij"]), N("Add", ["u", "ij"], ["uo"])], [("j", I), ("c2", B), ("u", I)], [("co2", B), ("uo", I), ("ij", I)])
    outer = graph([N("Identity", ["c"], ["co"]), N("Add", ["i", "one"], ["n"]), N("Loop", ["n", "", "v"], ["vo", "row"], body=inner), N("ReduceSum", ["row"], ["total"], keepdims=0)], [("i", I), ("c", B), ("v", I)], [("co", B), ("vo", I), ("total", I)])
    v, totals = 3, []
    for i in range(5):
        totals.append(sum(i * j for j in range(i + 1)))
        v += totals[-1]
    yield "loop in loop", [*constants(one=np.array(1)), N("Loop", ["x0", "", "x1"], ["y", "z"], body=outer)], [np.array(5), np.array(3)], [np.array(v), np.array(totals)], ["opset=13"]
    # a branch in a loop, whose results differ
    even = [N("Mod", ["i", "two"], ["r"]), N("Equal", ["r", "zero"], ["even"]), N("Identity", ["c"], ["co"]),
            N("If", ["even"], ["part"], then_branch=branch([N("Identity", ["x0"], ["t"])], "t"), else_branch=branch([N("Concat", ["x0", "x0"], ["e"], axis=0)], "e")), N("Concat", ["v", "part"], ["vo"], axis=0)]
    x = f32(2)
    yield "if in loop", [*constants(m=np.array(3), two=np.array(2), zero=np.array(0)), N("Loop", ["m", "", "x0"], ["y"], body=graph(even, [("i", I), ("c", B), ("v", F)], [("co", B), ("vo", F)])), N("Neg", ["y"], ["z"])], [x], [-np.tile(x, 5)], []
    # what is stacked has a shape that only the turns know
    nonzero = graph([N("Identity", ["c"], ["co"]), N("NonZero", ["x0"], ["nz"])], [("i", I), ("c", B)], [("co", B), ("nz", I)])
    x = np.float32([0, 1, 0, 2])
    yield "loop that stacks counted values", [*constants(m=np.array(3)), N("Loop", ["m", ""], ["y"], body=nonzero)], [x], [np.stack([np.array([[1, 3]])] * 3)], []
    # a softmax over rows that grow
    rows = graph([N("Identity", ["c"], ["co"]), N("Concat", ["v", "x0"], ["cat"], axis=1), N("Softmax", ["cat"], ["vo"], axis=1)], [("i", I), ("c", B), ("v", F)], [("co", B), ("vo", F)])
    x = f32(3, 5)
    v = x
    for _ in range(3):
        e = np.exp(np.concatenate([v, x], 1))
        v = e / e.sum(1, keepdims=True)
    yield "loop of rows that grow", [*constants(m=np.array(3)), N("Loop", ["m", "", "x0"], ["y"], body=rows)], [x], [v], []


def scans():
    body = graph([N("Add", ["s", "r"], ["so"]), N("Mul", ["so", "q"], ["m"])], [("s", F), ("r", F), ("q", F)], [("so", F), ("m", F)])
    a, b, s = f32(3, 5, 2), f32(5, 2, 3), f32(3, 2)
    for back in (0, 1):
        state, outs = s, []
        for t in range(5):
            state = state + (a[:, 4 - t] if back else a[:, t])
            outs.append(state * b[t].T)
        want = np.stack(outs[::-1] if back else outs, 2)
        transposed = N("Transpose", ["x1"], ["bt"], perm=[0, 2, 1])
        node = N("Scan", ["x2", "x0", "bt"], ["y", "z"], body=body, num_scan_inputs=2, scan_input_axes=[1, -3], scan_input_directions=[back, 0], scan_output_axes=[-1], scan_output_directions=[back])
        for flags in ([], ["symbolic"]):
            yield "scan along axes, directions %d %s" % (back, flags), [transposed, node], [a, b, s], [state, want], flags
    only = graph([N("Softmax", ["r"], ["o"], axis=0)], [("r", F)], [("o", F)])
    e = np.exp(a)
    yield "scan without states", [N("Scan", ["x0"], ["y"], body=only, num_scan_inputs=1)], [a], [e / e.sum(1, keepdims=True)], []
    yield "scan of nothing", [N("Scan", ["x0"], ["y"], body=only, num_scan_inputs=1)], [a[:0]], [a[:0]], ["symbolic"]
    weights = f32(4, 4) / 2
    cell = graph([N("MatMul", ["h", "w"], ["hw"]), N("Add", ["hw", "r"], ["a"]), N("Tanh", ["a"], ["ho"])], [("h", F), ("r", F)], [("ho", F), ("ho", F)])
    x, h, outs = f32(6, 2, 4), f32(2, 4), []
    p = h
    for t in range(6):
        p = np.tanh(p @ weights + x[t])
        outs.append(p)
    yield "scan as a recurrent net", [*constants(w=weights), N("Scan", ["x1", "x0"], ["y", "z"], body=cell, num_scan_inputs=1)], [x, h], [p, np.stack(outs)], []
    yield "scan as a recurrent net of symbols", [*constants(w=weights), N("Scan", ["x1", "x0"], ["y", "z"], body=cell, num_scan_inputs=1)], [x, h], [p, np.stack(outs)], ["symbolic"]


def sequences():
    x = f32(2, 6)
    index = constants(i0=np.array(0), i1=np.array(1), last=np.array(-1), half=np.array(3), parts=i64(1, 2, 3))
    at = [N("SequenceAt", ["s", "i0"], ["a"]), N("SequenceAt", ["s", "last"], ["b"]), N("Concat", ["b", "a"], ["y"], axis=1)]
    yield "sequence of halves", [*index, N("SplitToSequence", ["x0", "half"], ["s"], axis=-1), *at], [x], [np.concatenate([x[:, 3:], x[:, :3]], 1)], []
    yield "sequence of parts", [*index, N("SplitToSequence", ["x0", "parts"], ["s"], axis=1), *at], [x], [np.concatenate([x[:, 3:], x[:, :1]], 1)], ["symbolic"]
    yield "sequence of rows", [*index, N("SplitToSequence", ["x0"], ["s"], axis=0, keepdims=0), N("SequenceAt", ["s", "i1"], ["y"])], [x], [x[1]], []
    yield "sequence of rows, as many as there are", [*index, N("SplitToSequence", ["x0"], ["s"], axis=1, keepdims=0), N("SequenceAt", ["s", "x1"], ["y"])], [x, np.array(-2)], [x[:, -2]], ["symbolic"]
    yield "sequence, its length", [*index, N("SplitToSequence", ["x0", "i1"], ["s"], axis=1), N("SequenceLength", ["s"], ["y"])], [x], [np.array(6)], ["symbolic"]
    edit = [N("SequenceConstruct", ["x0", "x1"], ["s"]), N("SequenceInsert", ["s", "n", "i0"], ["t"]), N("SequenceErase", ["t", "i1"], ["u"]), N("SequenceInsert", ["u", "x0"], ["v"])]
    a, b = f32(2, 3), f32(2, 3)
    for axis, new in ((0, 0), (-1, 0), (0, 1), (2, 1), (-1, 1)):
        parts = [-a, b, a]
        want = np.stack(parts, axis) if new else np.concatenate(parts, axis)
        yield "sequence joined, %d %d" % (axis, new), [*index, N("Neg", ["x0"], ["n"]), *edit, N("ConcatFromSequence", ["v"], ["y"], axis=axis, new_axis=new)], [a, b], [want], []
    body = graph([N("Identity", ["c"], ["co"]), N("Cast", ["i"], ["f"], to=F), N("Mul", ["x0", "f"], ["p"]), N("SequenceInsert", ["q", "p"], ["qo"])], [("i", I), ("c", B), ("q", F)], [("co", B), ("qo", F)])
    kind = helper.make_tensor_sequence_value_info("q", F, None)
    body.input[2].CopyFrom(kind)
    kind.name = "qo"
    body.output[1].CopyFrom(kind)
    for axis, new in ((0, 0), (1, 0), (0, 1), (1, 1)):
        parts = [b] + [a * np.float32(i) for i in range(4)]
        want = np.stack(parts, axis) if new else np.concatenate(parts, axis)
        for start in (N("SequenceConstruct", ["x1"], ["s"]), N("SequenceEmpty", [], ["s"])):
            some = want if start.input else (np.stack if new else np.concatenate)(parts[1:], axis)
            loop = [start, N("Loop", ["x2", "", "s"], ["q2"], body=body), N("ConcatFromSequence", ["q2"], ["y"], axis=axis, new_axis=new)]
            yield "loop that appends to a sequence, %d %d %s" % (axis, new, start.op_type), loop, [a, b, np.array(4)], [some], []
    for take in (True, False):
        choose = N("If", ["x1"], ["s"], then_branch=branch([N("Neg", ["x0"], ["n"]), N("SequenceConstruct", ["n", "x0"], ["t"])], "t"), else_branch=branch([N("SequenceConstruct", ["x0", "x0"], ["e"])], "e"))
        for g in choose.attribute:
            g.g.output[0].CopyFrom(helper.make_tensor_sequence_value_info(g.g.output[0].name, F, None))
        yield "if of sequences, %s" % take, [choose, N("ConcatFromSequence", ["s"], ["y"], axis=0)], [a, np.array(take)], [np.concatenate([-a if take else a, a])], []
    yield "optional", [N("Optional", ["x0"], ["o"]), N("OptionalHasElement", ["o"], ["h"]), N("OptionalGetElement", ["o"], ["g"]), N("Where", ["h", "g", "x1"], ["y"])], [a, b], [a], ["opset=18"]


def cases():
    yield from branches()
    yield from loops()
    yield from scans()
    yield from sequences()
