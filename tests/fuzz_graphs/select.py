"""What reads or writes at computed places, or finds how many there are."""
import numpy as np

from fuzz_graphs.graph import INTEGERS, family


def indices(g, size, shape, dtype=None, negative=True):
    low = -size if negative and g.chance(0.5) else 0
    return g.parameter(g.rng.integers(low, max(size, low + 1), shape), dtype or g.choice([np.int64, np.int64, np.int32]))


@family("select", 3)
def gather(g):
    x = g.any(1)
    axis = g.axis(x.rank)
    if x.shape[axis]:
        g.add("Gather", [x, indices(g, x.shape[axis], g.choice([[], [1], [3], [2, 2], [5], [0] if g.style["zeros"] else [2]]))], axis=axis)


@family("select")
def embedding(g):
    table = g.weight(g.int(2, 9), g.choice([1, 3, 8]))
    g.add("Gather", [table, g.data(g.choice([np.int64, np.int32]), g.shape(0, 3), 0, table.shape[0])], axis=0)


@family("select", 2)
def gather_elements(g):
    x = g.any(1)
    axis = g.axis(x.rank)
    if min(x.shape):
        dims = [g.int(1, e) for e in x.shape]
        dims[axis] = g.int(1, 5)
        g.add("GatherElements", [x, indices(g, x.shape[axis], dims)], axis=axis)


@family("select", 2)
def gather_nd(g):
    x = g.any(1, 4)
    if not x.array.size:
        return
    batch = g.int(0, x.rank - 1) if g.opset >= 12 and g.chance(0.3) else 0
    depth = g.int(1, x.rank - batch)
    index = np.stack([g.rng.integers(-e if g.chance(0.3) else 0, e, list(x.shape[:batch]) + [g.int(1, 4)][:1] * (batch == 0) or x.shape[:batch]) for e in x.shape[batch:batch + depth]], -1) if batch else g.rng.integers(0, np.array(x.shape[:depth]), (g.int(1, 4), depth))
    g.add("GatherND", [x, g.parameter(index)], **({"batch_dims": batch} if batch else {}))


@family("select", 2)
def scatter_elements(g):
    x = g.any(1)
    axis = g.axis(x.rank)
    if not min(x.shape):
        return
    dims = [g.int(1, e) for e in x.shape]
    index = np.moveaxis(np.argsort(g.rng.random(dims), axis=axis), axis, axis)  # each once along the axis
    attributes = {"axis": axis}
    if g.opset >= 18 and g.chance(0.4) and x.is_float:
        attributes["reduction"] = g.choice(["add", "mul", "max", "min"])
    g.add("ScatterElements" if g.opset >= 11 else "Scatter", [x, g.parameter(index), g.data(x.dtype, dims)], **attributes)


@family("select", 2)
def scatter_nd(g):
    x = g.any(1)
    if not min(x.shape):
        return
    depth = g.int(1, x.rank)
    places = int(np.prod(x.shape[:depth]))
    n = g.int(1, min(4, places))
    index = np.stack(np.unravel_index(g.rng.permutation(places)[:n], x.shape[:depth]), -1)
    attributes = {"reduction": g.choice(["add", "mul", "max", "min"])} if g.opset >= 18 and g.chance(0.4) and x.is_float else {}
    g.add("ScatterND", [x, g.parameter(index), g.data(x.dtype, [n] + list(x.shape[depth:]))], **attributes)


@family("select", 2)
def top_k(g):
    x = g.floats(1, exact=True) if g.chance(0.7) else g.data(g.choice(INTEGERS[:2]), g.shape(1))
    axis = g.axis(x.rank)
    if np.unique(x.array).size < x.array.size and x.is_float and g.opset < 10:
        return
    k = g.int(1, max(1, x.shape[axis]))
    if g.opset < 10:
        g.add("TopK", [x], 2, k=k, axis=axis)
        return
    attributes = {"axis": axis}
    if g.opset >= 11:
        attributes.update(largest=g.int(0, 1), sorted=1)
    g.add("TopK", [x, g.parameter([k])], 2, **attributes)


@family("select")
def one_hot(g):
    depth = g.int(1, 6)
    x = g.data(g.choice([np.int64, np.int32]), g.shape(0, 3), -depth, depth)
    depth_value = g.parameter(np.array(depth) if g.chance(0.5) else [depth])
    g.add("OneHot", [x, depth_value, g.source(g.numbers([2], g.choice([np.float32, np.int64, np.int32])))], axis=g.int(-x.rank - 1, x.rank))


@family("select", 2)
@family("counted", 3)
def non_zero(g):
    x = g.pick(lambda v: v.exact) or g.any()
    if x.is_float:
        x = g.one("Relu", [x])
        if x is None:
            return
    if not x.rank:
        return  # ONNX Runtime gives one row, ONNX none
    n = g.one("NonZero", [x])
    if n and x.rank == 1 and g.chance(0.6):
        flat = g.one("Reshape", [n, g.constant(np.array([-1]))])
        if flat:
            g.add("Gather", [x, flat], axis=0)
    elif n and g.chance(0.6):
        places = g.one("Transpose", [n], perm=[1, 0])
        if places:
            g.add("GatherND", [x, places])


@family("select")
@family("counted", 2)
def compress(g):
    x = g.any(1)
    if g.chance(0.3):
        g.add("Compress", [x, g.source(g.rng.random(g.int(1, max(1, x.array.size))) < 0.5)])
    else:
        axis = g.axis(x.rank)
        g.add("Compress", [x, g.source(g.rng.random(max(1, x.shape[axis])) < 0.5)], axis=axis)


@family("counted", 2)
def unique(g):
    x = g.data(g.choice([np.float32, np.int64, np.int8, np.float64]), g.shape(1, 3), -3, 3) if g.chance(0.7) else g.floats(1, exact=True)
    if not x.array.size:
        return  # ends the process in ONNX Runtime
    attributes = {"sorted": 1}
    if g.chance(0.5):
        attributes["axis"] = g.axis(x.rank)
    g.add("Unique", [x], g.int(1, 4), **attributes)


@family("counted")
def suppress(g):
    batch, classes, boxes = g.int(1, 2), g.int(1, 2), g.int(1, 8)
    corners = np.sort(g.rng.uniform(0, 10, (batch, boxes, 2, 2)), axis=2).reshape(batch, boxes, 4).astype(np.float32)
    scores = g.rng.permutation(batch * classes * boxes).reshape(batch, classes, boxes).astype(np.float32) / 32
    operands = [g.source(corners), g.source(scores), g.parameter([g.int(0, 4)]), g.parameter([0.4], np.float32)]
    if g.chance(0.5):
        operands.append(g.parameter([0.2], np.float32))
    g.add("NonMaxSuppression", operands, center_point_box=g.int(0, 1))


@family("select")
def tensor_scatter(g):
    b, h, n, e, s = g.int(1, 2), g.int(1, 2), g.int(3, 6), g.int(1, 4), g.int(1, 2)
    operands = [g.data(np.float32, [b, h, n, e]), g.data(np.float32, [b, h, s, e])]
    if g.chance(0.7):
        operands.append(g.parameter([g.int(0, n - s) for _ in range(b)]))
    g.add("TensorScatter", operands, **({"mode": "circular"} if g.chance(0.3) else {}))
