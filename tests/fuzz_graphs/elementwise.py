"""One value an element: unary and broadcasting operators, conversions, selection."""
import numpy as np
from onnx import helper

from fuzz_graphs.graph import FLOATS, INTEGERS, family

ANY_FLOAT = ["Relu", "Sigmoid", "Tanh", "Erf", "Neg", "Abs", "HardSwish", "Softplus", "Elu", "Selu", "Celu", "Softsign", "HardSigmoid", "LeakyRelu",
             "Sin", "Cos", "Atan", "Asinh", "Exp", "Gelu", "Mish", "Identity", "Sinh", "Cosh", "Tan", "Swish"]
DISCRETE_FLOAT = ["Floor", "Ceil", "Round", "Sign", "IsNaN", "IsInf", "ThresholdedRelu", "Shrink"]
POSITIVE = ["Log", "Sqrt", "Reciprocal", "Acosh"]
UNIT = ["Asin", "Acos", "Atanh"]


@family("elementwise", 3)
def unary(g):
    attributes = {}
    op = g.choice(ANY_FLOAT)
    if op in ("Elu", "Celu", "LeakyRelu", "HardSigmoid", "Selu") and g.chance(0.5):
        attributes["alpha"] = float(g.rng.uniform(0.05, 2))
    if op == "Gelu" and g.chance(0.5):
        attributes["approximate"] = "tanh"
    g.add(op, [g.floats()], **attributes)


@family("elementwise")
def discrete(g):
    g.add(g.choice(DISCRETE_FLOAT), [g.floats(exact=True)])


@family("elementwise")
def in_domain(g):
    x = g.floats()
    if g.chance(0.5):
        a = g.one("Abs", [x])
        y = a and g.one("Add", [a, g.constant(np.asarray(1.25, x.dtype))])
        if y:
            g.add(g.choice(POSITIVE), [y])
    else:
        t = g.one("Tanh", [x])
        y = t and g.one("Mul", [t, g.constant(np.asarray(0.75, x.dtype))])
        if y:
            g.add(g.choice(UNIT), [y])


def partner(g, x, low=None, high=None):
    """Something that broadcasts with x: of its shape, with ones, of another rank, or stretching x."""
    if g.chance(0.3):
        y = g.pick(lambda v: v.dtype == x.dtype and broadcasts(v.shape, x.shape))
        if y is not None and low is None:
            return y
    dims = [1 if g.chance(0.3) else (g.extent() if e == 1 and g.chance(0.5) else e) for e in x.shape]
    if g.chance(0.3):
        dims = dims[g.int(0, len(dims)):]
    if g.chance(0.1) and len(dims) < 4:
        dims = [g.int(1, 3)] + dims
    return g.data(x.dtype, dims, low, high) if g.chance(0.5) else g.weight(*dims, dtype=x.dtype, low=low, high=high)


def broadcasts(a, b):
    return all(x == y or x == 1 or y == 1 for x, y in zip(a[::-1], b[::-1]))


@family("elementwise", 3)
@family("broadcast", 3)
def binary(g):
    x = g.floats() if g.chance(0.7) else g.any()
    if x.dtype.kind == "b":
        g.add(g.choice(["And", "Or", "Xor", "Equal"]), [x, partner(g, x)])
        return
    y = partner(g, x)
    pair = [x, y] if g.chance(0.5) else [y, x]
    g.add(g.choice(["Add", "Sub", "Mul", "Add", "Mul"]), pair)


@family("elementwise")
def divide(g):
    x = g.any()
    if x.dtype.kind == "b":
        return
    y = partner(g, x, 1, 5)
    g.add(g.choice(["Div", "Pow"] if x.is_float and x.exact and np.all(x.array >= 0) else ["Div"]), [x, y])


@family("elementwise")
def power(g):
    x = g.floats()
    g.add("Pow", [x, g.constant(np.asarray(g.choice([0, 1, 2, 3, 2]), g.choice([x.dtype, np.int64, np.int32, np.float32])))])


@family("elementwise")
@family("broadcast")
def many(g):
    x = g.floats()
    g.add(g.choice(["Max", "Min", "Sum", "Mean"]), [x] + [partner(g, x) for _ in range(g.int(0, 3))])


@family("elementwise")
@family("broadcast")
def compare(g):
    x = g.pick(lambda v: v.exact and v.dtype.kind != "b") or g.data()
    g.add(g.choice(["Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual"]), [x, partner(g, x)])


@family("elementwise")
@family("broadcast", 2)
def where(g):
    x = g.any()
    y = partner(g, x)
    c = g.pick(lambda v: v.dtype.kind == "b" and broadcasts(v.shape, x.shape))
    if c is None:
        c = g.data(np.bool_, [1 if g.chance(0.3) else e for e in x.shape])
    g.add("Where", [c, x, y])


@family("elementwise")
def modulo(g):
    x = g.pick(lambda v: v.exact and v.dtype.kind in "iuf") or g.data(g.choice(INTEGERS))
    g.add("Mod", [x, partner(g, x, 1, 5)], fmod=1 if x.is_float else g.int(0, 1))


@family("elementwise")
def bits(g):
    x = g.pick(lambda v: v.dtype.kind in "iu") or g.data(g.choice(INTEGERS))
    if g.chance(0.3):
        g.add("BitwiseNot", [x])
    elif x.dtype.kind == "u" and g.chance(0.5):
        g.add("BitShift", [x, partner(g, x, 0, 4)], direction=g.choice(["LEFT", "RIGHT"]))
    else:
        g.add(g.choice(["BitwiseAnd", "BitwiseOr", "BitwiseXor"]), [x, partner(g, x)])


@family("elementwise")
@family("types", 3)
def cast(g):
    x = g.any()
    to = g.choice(FLOATS + INTEGERS + [np.bool_])
    if x.is_float and np.dtype(to).kind != "f":
        if not x.exact:
            return
        if np.dtype(to).kind == "u":
            x = g.one("Abs", [x])
            if x is None:
                return
    if g.chance(0.8):
        g.add("Cast", [x], to=helper.np_dtype_to_tensor_dtype(np.dtype(to)))
    else:
        g.add("CastLike", [x, g.data(to)])


@family("types")
def through_narrow(g):
    """f32 through bfloat16 or an 8-bit float and back."""
    x = g.floats(exact=True, dtypes=(np.float32,))
    narrow = g.choice([16, 16, 17, 18, 19, 20])
    names = [g.name(), g.name()]
    nodes = [helper.make_node("Cast", [x.name], [names[0]], to=narrow), helper.make_node("Cast", [names[0]], [names[1]], to=1)]
    g.commit(nodes, [names[1]], True)


@family("types", 3)
def typed(g):
    """A common operator in an uncommon element type."""
    dtype = g.choice([np.float64, np.float16] + INTEGERS)
    x = g.data(dtype)
    op = g.choice(["Add", "Sub", "Mul", "Max", "Min", "Abs", "Neg", "Sign", "Relu", "Clip", "Sum"])
    if op in ("Abs", "Neg", "Sign", "Relu"):
        g.add(op, [x])
    elif op == "Clip":
        clip(g, x)
    else:
        g.add(op, [x, partner(g, x)])


@family("elementwise")
def clip(g, x=None):
    x = x or g.floats()
    low, high = (np.asarray(v, x.dtype) for v in ((-1, 1) if x.dtype.kind != "u" else (1, 4)))
    if g.opset < 11:
        g.add("Clip", [x], **{k: float(v) for k, v in (("min", low), ("max", high)) if g.chance(0.7)})
    else:
        bounds = [g.parameter(b, x.dtype) if g.chance(0.8) else None for b in (low, high)]
        g.add("Clip", [x] + bounds)


@family("elementwise")
def prelu(g):
    x = g.floats(1)
    slope = [1 if g.chance(0.4) else e for e in x.shape][g.int(0, x.rank - 1):]
    g.add("PRelu", [x, g.weight(*slope, dtype=x.dtype)])


@family("elementwise")
def dropout(g):
    x = g.floats()
    ratio = g.constant(np.float32(0.4)) if g.chance(0.5) else None
    if g.opset < 12:
        g.add("Dropout", [x])
    else:
        training = g.parameter(False, np.bool_) if ratio and g.chance(0.5) else None
        g.add("Dropout", [x, ratio, training], g.int(1, 2))
