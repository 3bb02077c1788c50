"""Data movement, shapes and lists computed by nodes."""
import numpy as np

from fuzz_graphs.elementwise import broadcasts
from fuzz_graphs.graph import family


@family("movement", 2)
def transpose(g):
    x = g.any(0, 6)
    if g.chance(0.2):
        g.add("Transpose", [x])
    else:
        g.add("Transpose", [x], **({"perm": [int(p) for p in g.rng.permutation(x.rank)]} if x.rank else {}))


@family("movement", 2)
@family("shapes", 3)
def reshape(g):
    x = g.any()
    n = x.array.size
    target = []
    left = n
    while left > 1 and len(target) < 3:
        divisors = [d for d in range(1, left + 1) if left % d == 0]
        target.append(g.choice(divisors))
        left //= target[-1]
    target.insert(g.int(0, len(target)), left)
    if n and g.chance(0.5):
        target[g.int(0, len(target) - 1)] = -1
    if x.rank and g.chance(0.3):
        target = [0, -1] if n else [0] * x.rank
    g.add("Reshape", [x, g.parameter(target)])


@family("shapes", 2)
def flatten_by_shape(g):
    """The exporter's view(x.size(0), -1, x.size(k)): Shape, Gather or Slice, Concat, Reshape."""
    x = g.any(2, 5)
    shape = g.one("Shape", [x])
    k = g.int(0, x.rank - 1)
    first = shape and g.one("Gather", [shape, g.constant(np.array([k]))], axis=0)
    if first:
        parts = [first, g.constant(np.array([-1]))]
        if g.chance(0.5):
            parts.reverse()
        target = g.one("Concat", parts, axis=0)
        if target:
            g.add("Reshape", [x, target])


@family("shapes")
def fill(g):
    x = g.any(1, 4)
    shape = g.one("Shape", [x])
    if shape is None:
        return
    import onnx
    dtype = g.choice([np.float32, np.int64, np.bool_, np.int32])
    full = g.one("ConstantOfShape", [shape if g.chance(0.7) else g.parameter(g.shape(0, 3))], value=onnx.numpy_helper.from_array(np.array([1], dtype)))
    if full and full.dtype == x.dtype:
        g.add("Add", [full, x])


@family("shapes")
def arithmetic(g):
    """Extents that are expressions: half of an axis, an axis less one, and the part of a tensor that this names."""
    x = g.any(1, 4)
    axis = g.int(0, x.rank - 1)
    shape = g.one("Shape", [x])
    n = shape and g.one("Gather", [shape, g.constant(np.array([axis]))], axis=0)
    if not n:
        return
    op, by = g.choice([("Div", 2), ("Sub", 1), ("Mul", 1), ("Add", -1), ("Min", 3), ("Max", 2), ("Mod", 3)])
    if op in ("Min", "Max") and g.opset < 12:
        return
    end = g.one(op, [n, g.constant(np.array([by]))])
    if end and g.opset >= 10:
        y = g.one("Slice", [x, g.constant(np.array([0])), end, g.constant(np.array([axis]))])
        if y and y.is_float and broadcasts(y.shape, x.shape) and g.chance(0.5):
            g.add(g.choice(["Sub", "Mul"]), [x, y])


@family("shapes")
def range_of(g):
    x = g.any(1, 4)
    shape = g.one("Shape", [x])
    n = shape and g.one("Gather", [shape, g.constant(np.array(g.int(0, x.rank - 1)))], axis=0)
    if n:
        r = g.one("Range", [g.constant(np.array(0)), n, g.constant(np.array(g.int(1, 2)))])
        if r and g.chance(0.5):
            f = g.one("Cast", [r], to=1)
            if f:
                g.add("Mul", [f, g.constant(np.float32(0.25))])


@family("movement")
def ranges(g):
    dtype = g.choice([np.int64, np.int32, np.float32, np.int16, np.float64])
    a, d = g.int(-5, 5), g.choice([1, 2, -1, -3])
    g.add("Range", [g.parameter(np.array(v), dtype) for v in (a, a + d * g.int(0, 7), d)])


@family("movement")
@family("broadcast", 2)
@family("shapes")
def expand(g):
    x = g.any()
    target = [g.extent() if e == 1 else (1 if g.chance(0.2) else e) for e in x.shape]
    if g.chance(0.3) and x.rank < 4:
        target = [g.int(1, 3)] + target
    g.add("Expand", [x, g.parameter(target)])


@family("movement")
def tile(g):
    x = g.any(1, 4)
    g.add("Tile", [x, g.parameter([g.choice([1, 1, 2, 3] + [0] * bool(g.style["zeros"])) for _ in x.shape])])


@family("movement")
def squeeze(g):
    x = g.any()
    axes = [i for i, e in enumerate(x.shape) if e == 1]
    if g.chance(0.2) and not g.symbols:
        g.add("Squeeze", [x])
        return
    if not axes:
        return
    axes = axes[:g.int(1, len(axes))]
    with_axes(g, "Squeeze", x, axes, 13)


@family("movement")
def unsqueeze(g):
    x = g.any(0, 3)
    n = g.int(1, 2)
    axes = [int(a) for a in g.rng.permutation(x.rank + n)[:n]]
    with_axes(g, "Unsqueeze", x, [a - x.rank - n if g.chance(0.2) else a for a in axes], 13)


def with_axes(g, op, x, axes, since, **attributes):
    """An operator whose axes became an operand at opset `since`."""
    if g.opset < since:
        if not axes:
            return g.add(op, [x], **attributes)
        return g.add(op, [x], axes=axes, **attributes)
    return g.add(op, [x, g.parameter(axes)], **attributes)


@family("movement")
def flatten(g):
    x = g.any(1)
    g.add("Flatten", [x], axis=g.int(0, x.rank) if g.chance(0.7) else g.axis(x.rank))


@family("movement", 2)
@family("slices", 4)
def slice_(g):
    x = g.any(1)
    axes = g.axes(x.rank)
    starts, ends, steps = [], [], []
    for a in axes:
        n = x.shape[a]
        step = g.choice([1, 1, 1, 2, 3, -1, -2])
        start, end = g.int(-n - 1, n + 1), g.choice([g.int(-n - 1, n + 1), 2 ** 31 - 1 if step > 0 else -2 ** 31, 2 ** 63 - 1 if step > 0 else -2 ** 63])
        if step < 0 and g.chance(0.7):
            start = g.choice([n - 1, -1])
        if step > 0 and g.chance(0.5):
            start = 0
        starts.append(start), ends.append(end), steps.append(step)
    if g.opset < 10:
        g.add("Slice", [x], starts=starts, ends=ends, axes=axes)
        return
    all_axes = axes == list(range(x.rank)) and g.chance(0.5)
    operands = [g.parameter(starts), g.parameter(ends), None if all_axes else g.parameter(axes)]
    if g.chance(0.7):
        operands.append(g.parameter(steps))
    g.add("Slice", [x] + operands)


@family("movement")
@family("slices")
def split(g):
    x = g.any(1)
    axis = g.axis(x.rank)
    n = x.shape[axis]
    parts = g.int(1, 3)
    if g.chance(0.5):
        if g.opset >= 18:
            g.add("Split", [x], parts, axis=axis, num_outputs=parts)
        else:
            g.add("Split", [x], parts, axis=axis)
        return
    cuts = sorted(g.int(0, n) for _ in range(parts - 1))
    sizes = [b - a for a, b in zip([0] + cuts, cuts + [n])]
    if g.opset < 13:
        g.add("Split", [x], parts, axis=axis, split=sizes)
    else:
        g.add("Split", [x, g.parameter(sizes)], parts, axis=axis)


@family("movement", 2)
def concat(g):
    x = g.any(1)
    axis = g.axis(x.rank)
    parts = [x]
    for _ in range(g.int(0, 3)):
        y = g.pick(lambda v: v.dtype == x.dtype and v.rank == x.rank and all(a == b for i, (a, b) in enumerate(zip(v.shape, x.shape)) if i != axis % x.rank))
        if y is None or g.chance(0.4):
            dims = list(x.shape)
            dims[axis] = g.extent()
            y = g.data(x.dtype, dims)
        parts.append(y)
    g.rng.shuffle(parts)
    g.add("Concat", parts, axis=axis)


@family("movement", 2)
@family("pads", 4)
def pad(g):
    x = g.floats(1) if g.chance(0.8) else g.any(1)
    mode = g.choice(["constant", "constant", "reflect", "edge", "wrap"])
    limit = min(x.shape) - 1 if mode in ("reflect", "wrap") else 3
    pads = [g.int(0, max(0, min(limit, 3))) if g.chance(0.6) else 0 for _ in range(2 * x.rank)]
    if mode == "constant" and g.chance(0.3):
        pads = [g.int(-1, 2) if e > 2 else 0 for e in x.shape * 2]
    if g.opset < 11:
        g.add("Pad", [x], pads=pads, mode=mode, **({"value": 0.5} if g.chance(0.5) else {}))
        return
    value = g.parameter(np.asarray(1 if x.dtype.kind != "f" else 0.5, x.dtype), x.dtype) if g.chance(0.5) else None
    axes = None
    if g.opset >= 18 and g.chance(0.4):
        chosen = g.axes(x.rank)
        positive = [a % x.rank for a in chosen]
        pads = [pads[a] for a in positive] + [pads[x.rank + a] for a in positive]
        axes = g.parameter(chosen)
    g.add("Pad", [x, g.parameter(pads), value, axes], mode=mode)


@family("movement")
def depth(g):
    b = g.int(2, 3)
    if g.chance(0.5):
        g.add("DepthToSpace", [g.data(np.float32, [g.int(1, 2), b * b * g.int(1, 3), g.int(1, 4), g.int(1, 4)])], blocksize=b, mode=g.choice(["DCR", "CRD"]))
    else:
        g.add("SpaceToDepth", [g.data(np.float32, [g.int(1, 2), g.int(1, 3), b * g.int(1, 3), b * g.int(1, 3)])], blocksize=b)


@family("movement")
def triangle(g):
    g.add("Trilu", [g.any(2)] + ([g.parameter(np.array(g.int(-3, 3)))] if g.chance(0.6) else []), upper=g.int(0, 1))


@family("movement")
def crop_or_pad(g):
    x = g.any(1)
    axes = sorted(a % x.rank for a in g.axes(x.rank))
    g.add("CenterCropPad", [x, g.parameter([g.int(1, 6) for _ in axes])], axes=axes)


@family("movement")
def eye(g):
    g.add("EyeLike", [g.any(2, 2)], k=g.int(-2, 2), **({"dtype": g.choice([1, 6, 7, 11])} if g.chance(0.5) else {}))


@family("movement")
def reverse(g):
    x = g.floats(2, 4)
    time, batch = g.choice([(0, 1), (1, 0)])
    n = x.shape[time]
    if n and x.shape[batch]:
        g.add("ReverseSequence", [x, g.parameter([g.int(1, n) for _ in range(x.shape[batch])])], time_axis=time, batch_axis=batch)


@family("movement")
def shape_or_size(g):
    x = g.any()
    if g.chance(0.3):
        g.add("Size", [x])
    elif g.opset >= 15:
        g.add("Shape", [x], **{k: g.int(-x.rank - 1, x.rank + 1) for k in ("start", "end") if g.chance(0.6)})
