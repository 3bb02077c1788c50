"""Reductions, cumulative sums and what finds extremes."""
import numpy as np

from fuzz_graphs.graph import INTEGERS, family
from fuzz_graphs.movement import with_axes


@family("reductions", 4)
def reduce(g):
    op = g.choice(["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceProd", "ReduceLogSumExp", "ReduceLogSum"])
    # of integers ONNX Runtime sums exponentials that are cut off to integers
    x = g.floats() if op == "ReduceLogSumExp" or g.chance(0.8) else g.data(g.choice(INTEGERS[:4]))
    if op == "ReduceLogSum":
        x = g.one("Exp", [x])
        if x is None:
            return
    attributes = {"keepdims": g.int(0, 1)} if g.chance(0.7) else {}
    since = 13 if op == "ReduceSum" else 18
    if x.rank == 0 or g.chance(0.15):
        if g.opset >= since and g.chance(0.5):
            attributes["noop_with_empty_axes"] = 1
        g.add(op, [x], **attributes)
        return
    with_axes(g, op, x, g.axes(x.rank), since, **attributes)


@family("reductions")
@family("select")
def extreme(g):
    x = g.floats(1, exact=True) if g.chance(0.7) else g.data(g.choice(INTEGERS[:4]), g.shape(1))
    attributes = {"keepdims": g.int(0, 1), "axis": g.axis(x.rank)}
    if g.opset >= 12 and g.chance(0.4):
        attributes["select_last_index"] = 1
    g.add(g.choice(["ArgMax", "ArgMin"]), [x], **attributes)


@family("reductions", 2)
def cumulative(g):
    x = g.floats(1) if g.chance(0.7) else g.data(g.choice([np.int32, np.int64]), g.shape(1))
    axis = np.array(g.axis(x.rank))
    g.add(g.choice(["CumSum", "CumSum", "CumProd"]), [x, g.parameter(axis, g.choice([np.int64, np.int32]))], exclusive=g.int(0, 1), reverse=g.int(0, 1))


@family("reductions")
def hardmax(g):
    x = g.floats(1, exact=True)
    g.add("Hardmax", [x], axis=g.axis(x.rank))
