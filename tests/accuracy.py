"""Elementwise functions of doubles and floats at fixed points, against 60 and more correct digits; errors in units of the last place."""
import math
import subprocess
from decimal import Decimal, getcontext

import numpy as np
import onnx
from onnx import helper

DIGITS = 60


def pi():
    """Machin's formula."""
    def inverse_tangent(n):
        total, term, k = Decimal(0), 1 / Decimal(n), 0
        while term > Decimal(10) ** -getcontext().prec:
            total += term / (2 * k + 1) * (-1) ** k
            term /= n * n
            k += 1
        return total
    return 4 * (4 * inverse_tangent(5) - inverse_tangent(239))


def series(first, ratio):
    """first + first ratio(1) + first ratio(1) ratio(2) + …"""
    total, term, k = first, first, 0
    while abs(term) > abs(total) * Decimal(10) ** -DIGITS or k < 3:
        k += 1
        term *= ratio(k)
        total += term
        if term == 0:
            break
    return total


def sin_cos(x):
    quarter = pi() / 2
    n = (x / quarter).to_integral_value()
    r = x - n * quarter
    sine, cosine = series(r, lambda k: -r * r / (2 * k * (2 * k + 1))), series(Decimal(1), lambda k: -r * r / (2 * k * (2 * k - 1)))
    return [(sine, cosine), (cosine, -sine), (-sine, -cosine), (-cosine, sine)][int(n % 4)]


def atan(x):
    if abs(x) > 1:
        return (pi() / 2).copy_sign(x) - atan(1 / x)
    if abs(x) > Decimal("0.1"):
        return 2 * atan(x / (1 + (1 + x * x).sqrt()))
    return sum(x ** (2 * k + 1) / (2 * k + 1) * (-1) ** k for k in range(DIGITS))


def erf_sum(x):
    """erf(x) by its series, in which terms of e^(x^2) cancel."""
    power, total, k = x, x, 0
    while abs(power) > Decimal(10) ** -(getcontext().prec - 10):
        k += 1
        power *= -x * x / k
        total += power / (2 * k + 1)
    return 2 / pi().sqrt() * total


def asin(x):
    return (pi() / 2).copy_sign(x) if abs(x) == 1 else atan(x / (1 - x * x).sqrt())


FUNCTIONS = {
    "Exp": lambda x: x.exp(),
    "Log": lambda x: x.ln(),
    "Sin": lambda x: sin_cos(x)[0],
    "Cos": lambda x: sin_cos(x)[1],
    "Tan": lambda x: sin_cos(x)[0] / sin_cos(x)[1],
    "Asin": asin,
    "Acos": lambda x: pi() / 2 - asin(x),
    "Atan": atan,
    "Sinh": lambda x: (x.exp() - (-x).exp()) / 2,
    "Cosh": lambda x: (x.exp() + (-x).exp()) / 2,
    "Tanh": lambda x: 1 - 2 / ((2 * x).exp() + 1),
    "Asinh": lambda x: (x + (x * x + 1).sqrt()).ln(),
    "Acosh": lambda x: (x + (x * x - 1).sqrt()).ln(),
    "Atanh": lambda x: ((1 + x) / (1 - x)).ln() / 2,
    "Erf": erf_sum,
    "Gelu": lambda x: x / 2 * (1 + erf_sum(x / Decimal(2).sqrt())),
}
# points by function: where errors are largest, and both sides of every border between two ways of computing
SMALL = [1e-12, 3e-7, 0.001, 0.03, 0.0625, 0.11, 0.2071067811865475, 0.35, 0.41421356, 0.4999999, 0.5, 0.70710678, 0.87, 0.96, 0.9999, 0.99999999]
MORE = [1.0, 1.13, 1.41, 1.97, 2.5, 3.1, 4.7, 5.5, 7.9]
POINTS = {
    "Exp": SMALL + MORE + [21.7, 88.1, 300.3, 708.9, -20.5, -86.1, -300.3, -700.2], "Log": [1e-300, 1e-12] + SMALL + MORE + [1.0000001, 1.02, 1e12, 1e300],
    "Sin": SMALL + MORE + [11.0, 355.0, 104348.0, 1048576.5, 3e8, 1e15, 1e22, 5.319372648326541e255], "Asin": SMALL + [1.0], "Atan": SMALL + MORE + [30.5, 1e8, 1e300],
    "Sinh": SMALL + MORE + [21.9, 88.1, 300.3, 710.2], "Tanh": SMALL + MORE + [10.5, 18.5], "Asinh": SMALL + MORE + [1e8, 1e20, 1e300],
    "Acosh": [1.0, 1.00000001, 1.0001, 1.02] + MORE + [1e8, 1e20, 1e300], "Erf": SMALL + MORE[:7], "Gelu": SMALL + MORE + [-0.001, -0.35, -0.7, -0.8, -1.5, -3.3, -7.5, -15.0, -30.5],
}
POINTS |= {"Cos": POINTS["Sin"], "Tan": POINTS["Sin"], "Acos": POINTS["Asin"], "Cosh": POINTS["Sinh"], "Atanh": [x for x in POINTS["Asin"] if x < 1]}
POWERS = [(10.0, 3.0), (10.0, -20.0), (0.7, 1900.5), (1.0004929321057989, 414728.31), (12457.176416383052, 17.0517), (0.78766722118461308, -2272.56), (3.0, 0.5), (2.0, 0.3333333333333333), (-7.0, 13.0), (1e-200, 1.3)]
# what holds: in ULP, where no other bound is given 2 for doubles and 0.51 for floats (results that these reach by way of doubles)
BOUND_F32 = {"Exp": 1.2, "Log": 1.9, "Tanh": 2.4, "Erf": 2.9, "Gelu": 5}


def ulps(got, want, kind):
    """|got - want| in units of the last place of `kind` at `want`."""
    info = np.finfo(kind)
    exponent = max(math.frexp(float(want))[1] - 1, int(info.minexp)) if want else int(info.minexp)
    return float(abs(Decimal(float(got)) - want) / (Decimal(2) ** (exponent - int(info.nmant))))


def digits_for(name, x):
    """How many digits the reference computes with: cancellation in erf, arguments far from zero in sin."""
    extra = 2 * int(x * x * 0.87) + 20 if name in ("Erf", "Gelu") else max(0, int(math.log10(abs(x)) + 1)) * 2 + 40
    return DIGITS + min(extra, 900)


def expected(name, x):
    getcontext().prec = digits_for(name, x)
    return FUNCTIONS[name](Decimal(x))


def cases(kind):
    """(node, inputs, wanted) for each function, as far as points and results fit the type."""
    largest = float(np.finfo(kind).max)
    for name in FUNCTIONS:
        points = sorted({float(kind(x)) for x in POINTS[name] if abs(x) < largest and not (kind == np.float32 and (name in ("Exp", "Sinh", "Cosh") and abs(x) > 86.5 or name == "Gelu" and x < 0))})
        points = [x for x in points if not (name in ("Atanh",) and abs(x) >= 1 or name == "Log" and x <= 0)]
        yield name, [np.array(points, kind)], [expected(name, x) for x in points]
    pairs = [(float(kind(a)), float(kind(b))) for a, b in POWERS]
    getcontext().prec = 120
    pairs = [(a, b) for a, b in pairs if 1e-36 < abs(Decimal(a) ** Decimal(b)) < (largest if kind == np.float64 else 1e36)]
    yield "Pow", [np.array([p[i] for p in pairs], kind) for i in range(2)], [Decimal(a) ** Decimal(b) for a, b in pairs]


def run(dsc, work, report, levels):
    for kind, code in ((np.float64, onnx.TensorProto.DOUBLE), (np.float32, onnx.TensorProto.FLOAT)):
        rows = list(cases(kind))
        folder = work / np.dtype(kind).name
        folder.mkdir(parents=True)
        nodes, infos, outputs, count = [], [], [], 0
        for name, inputs, want in rows:
            names = ["x%d" % (count + i) for i in range(len(inputs))]
            for n, v in zip(names, inputs):
                np.save(folder / ("input_%d.npy" % count), v)
                infos.append(helper.make_tensor_value_info(n, code, v.shape))
                count += 1
            nodes.append(helper.make_node(name, names, ["y%d" % len(nodes)]))
            outputs.append(helper.make_tensor_value_info(nodes[-1].output[0], code, [len(want)]))
        model = helper.make_model(helper.make_graph(nodes, "functions", infos, outputs), opset_imports=[helper.make_opsetid("", 20)])
        onnx.save(model, folder / "functions.onnx")
        for level in levels:
            ran = subprocess.run([dsc, "run", folder / "functions.onnx", "--cpu=" + level, "--inputs", folder, "--outputs", folder], capture_output=True, text=True)
            for i, (name, inputs, want) in enumerate(rows):
                bound = 2 if kind == np.float64 else BOUND_F32.get(name, 0.51)
                if ran.returncode:
                    report.check("accuracy: %s" % name, False, ran.stderr)
                    continue
                got = np.load(folder / ("output_%d.npy" % i))
                worst = max((ulps(g, w, kind), float(x)) for g, w, x in zip(got, want, inputs[0]))
                report.check("accuracy: %s of %s at %s" % (name, np.dtype(kind).name, level), worst[0] <= bound, "%.3g ULP at %r" % worst)
