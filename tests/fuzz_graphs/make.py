"""A seed's model and what it is run on."""
import numpy as np
import onnx
from onnx import helper

from fuzz_graphs.graph import FAMILIES, Graph, element_type


class Case:
    """A model, its feed, and the values of its outputs as they were when it was made."""

    def __init__(self, model, feed, values, symbols):
        self.model, self.feed, self.values, self.symbols = model, feed, values, symbols


def make(seed, only=None):
    """The case of a seed; None where nothing came of it."""
    rng = np.random.default_rng(seed)
    g = Graph(rng)
    names = sorted(FAMILIES)
    chosen = [only] if only else [names[i] for i in rng.permutation(len(names))[:g.int(1, 3)]]
    if only:
        chosen += [names[i] for i in rng.permutation(len(names))[:g.int(0, 1)]]
    tries = g.choice([2, 3, 5, 8, 12, 20])
    for i in range(4 * tries):
        pool = FAMILIES[only if only and i < 3 else g.choice(chosen)]
        g.choice(pool)(g)
        if len(g.nodes) >= tries and i >= 1:
            break
    return finish(g)


def finish(g):
    used = {i for n in g.nodes for i in n.input}
    made = [v for v in g.values if any(v.name in n.output for n in g.nodes) and not v.constant]
    if not made:
        return None
    ends = [v for v in made if v.name not in used]
    inner = [v for v in made if v.name in used]
    outputs = ends[-6:] + [v for v in inner if g.chance(0.1)][:2]
    known = g.known
    if g.chance(0.04) and g.feed:
        outputs.append(known[g.choice(sorted(g.feed))])
    if g.chance(0.04) and g.initializers:
        outputs.append(known[g.choice(sorted(t.name for t in g.initializers))])
    outputs = list({v.name: v for v in outputs}.values())
    way = g.int(0, 2)
    infos = [helper.make_empty_tensor_value_info(v.name) if way == 0 else helper.make_tensor_value_info(v.name, element_type(v.array), None if way == 1 else ["o%d_%d" % (i, k) for k in range(v.rank)])
             for i, v in enumerate(outputs)]
    graph = helper.make_graph(g.nodes, "g", g.inputs, infos, g.initializers)
    case = Case(g.wrap(graph), g.feed, {v.name: v.array for v in g.every()}, dict(g.symbols))
    return prune(case, [v.name for v in outputs])


def prune(case, outputs):
    """The case with these outputs and only what they need."""
    from fuzz_graphs.graph import reads_of
    graph = case.model.graph
    needed, nodes = set(outputs), []
    for node in reversed(graph.node):
        if needed & set(node.output):
            needed |= set(reads_of(node))
            nodes.append(node)
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    for field, keep in ((model.graph.node, nodes[::-1]), (model.graph.input, [i for i in graph.input if i.name in needed]),
                        (model.graph.initializer, [t for t in graph.initializer if t.name in needed]), (model.graph.output, [o for o in graph.output if o.name in outputs])):
        kept = [type(k).FromString(k.SerializeToString()) for k in keep]
        del field[:]
        field.extend(kept)
    return Case(model, {n: a for n, a in case.feed.items() if n in needed}, case.values, case.symbols)


def cut(case, node):
    """The case with a node's results as inputs; None where they are not values that an input can have."""
    names = [o for o in node.output if o]
    if any(n not in case.values for n in names) or node.op_type == "Constant":
        return None
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    kept = [n for n in model.graph.node if list(n.output) != list(node.output)]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    outputs = [o.name for o in case.model.graph.output if o.name not in names]
    feed = dict(case.feed)
    for n in names:
        array = case.values[n]
        model.graph.input.append(helper.make_tensor_value_info(n, element_type(array), ["%s_%d" % (n, k) for k in range(array.ndim)]))
        feed[n] = array
    return prune(Case(model, feed, case.values, case.symbols), outputs) if outputs else None
