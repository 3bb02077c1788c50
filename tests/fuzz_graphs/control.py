"""Control flow: branches, loops, scans, sequences; simple ones."""
import numpy as np
from onnx import TensorProto, helper

from fuzz_graphs.graph import element_type, family


def info(name, array=None):
    return helper.make_empty_tensor_value_info(name) if array is None else helper.make_tensor_value_info(name, element_type(array), None)


@family("control", 2)
def branch(g):
    x = g.floats()
    condition = g.parameter(np.array(g.chance(0.5)), np.bool_) if g.chance(0.7) else None
    if condition is None:
        total = g.one("ReduceSum", [x], keepdims=0)
        total = total if total is None or total.exact else None
        condition = total and g.one("Greater", [total, g.constant(np.asarray(0, x.dtype))])
        if condition is None:
            return
    names = [g.name("t"), g.name("t"), g.name("t"), g.name("t")]
    other = g.pick(lambda v: v.dtype == x.dtype and v.rank == x.rank) if g.chance(0.4) else x
    then = [helper.make_node(g.choice(["Relu", "Neg"]), [x.name], [names[0]]), helper.make_node("Tanh", [names[0]], [names[1]])]
    otherwise = [helper.make_node(g.choice(["Neg", "Abs", "Identity"]), [(other or x).name], [names[2]])]
    if other is x and g.chance(0.4):
        otherwise = [helper.make_node("Concat", [x.name, x.name], [names[2]], axis=0)] if x.rank else otherwise
    bodies = {"then_branch": helper.make_graph(then, "then", [], [info(names[1], x.array)]), "else_branch": helper.make_graph(otherwise, "else", [], [info(names[2], x.array)])}
    out = g.name()
    g.commit([helper.make_node("If", [condition.name], [out], **bodies)], [out], False)


@family("control", 2)
def loop(g):
    x = g.floats(0, 3)
    stacked = g.chance(0.5)
    # of no turns, ONNX Runtime does not know what the stacked tensors' extents would have been
    turns = g.parameter(np.array(g.int(1 if stacked else 0, 4)))
    n = [g.name("l") for _ in range(8)]
    nodes = [helper.make_node("Identity", [n[1]], [n[3]]), helper.make_node("Cast", [n[0]], [n[4]], to=int(element_type(x.array))),
             helper.make_node(g.choice(["Add", "Sub"]), [n[2], n[4]], [n[5]])]
    outputs = [info(n[3], np.array(True)), info(n[5], x.array)]
    if stacked:
        nodes.append(helper.make_node("Mul", [n[5], x.name], [n[6]]))
        outputs.append(info(n[6], x.array))
    body = helper.make_graph(nodes, "body", [helper.make_tensor_value_info(n[0], TensorProto.INT64, []), helper.make_tensor_value_info(n[1], TensorProto.BOOL, []), info(n[2], x.array)], outputs)
    start = g.constant(np.array(True))
    results = [g.name() for _ in outputs[1:]]
    g.commit([helper.make_node("Loop", [turns.name, start.name, x.name], results, body=body)], results, False)


@family("control")
def scan(g):
    if g.opset < 9:
        return
    x = g.floats(2, 3)
    state = g.data(x.dtype, x.shape[1:])
    n = [g.name("l") for _ in range(5)]
    nodes = [helper.make_node("Add", [n[0], n[1]], [n[2]]), helper.make_node("Tanh", [n[2]], [n[3]])]
    body = helper.make_graph(nodes, "body", [info(n[0], x.array), info(n[1], x.array)], [info(n[2], x.array), info(n[3], x.array)])
    results = [g.name(), g.name()]
    extra = {"scan_input_directions": [1]} if g.chance(0.3) else {}
    g.commit([helper.make_node("Scan", [state.name, x.name], results, body=body, num_scan_inputs=1, **extra)], results, False)


@family("control")
def sequence(g):
    """Parts of a tensor put into a sequence, and one, or all, taken out."""
    x = g.floats(1, 3)
    if g.opset < 11:
        return
    n = [g.name() for _ in range(6)]
    axis = g.int(0, x.rank - 1)
    index = g.constant(np.array(g.int(0, 1)))
    if g.chance(0.5):
        nodes = [helper.make_node("SequenceConstruct", [x.name, x.name], [n[0]]), helper.make_node("SequenceAt", [n[0], index.name], [n[1]])]
    elif g.chance(0.5):
        nodes = [helper.make_node("SplitToSequence", [x.name], [n[0]], axis=axis), helper.make_node("ConcatFromSequence", [n[0]], [n[1]], axis=axis)]
    else:
        nodes = [helper.make_node("SplitToSequence", [x.name], [n[0]], axis=axis), helper.make_node("SequenceAt", [n[0], index.name], [n[1]])]
    g.commit(nodes, [n[1]], x.exact)


