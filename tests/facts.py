#!/usr/bin/env python3
"""Random graphs whose elements must be what `dsc opt --print-facts` says: facts.py --dsc PATH [--count N] [--seed S].

Half of the graphs are several ops, of which every result is an output: each element lies in the interval or set that is printed behind its
op. The others are one map: where an operand is 0, operands that it switches off do not change the result.
"""
import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROWS, COLUMNS = 3, 16
NUMPY = {"f32": np.float32, "i32": np.int32, "i8": np.int8, "ui8": np.uint8, "i1": np.bool_}
UNARY = "neg abs sqrt exp log log1p sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh erf erfc gelu floor ceil trunc round".split()
BINARY = "add sub mul div floordiv rem mod pow min max greater add sub mul div min max".split()
WHOLE = "add sub mul div floordiv rem mod min max and or xor shl shr".split()
SPECIAL = [0.0, -0.0, 1.0, -1.0, np.nan, np.inf, -np.inf, 1e-45, -1e-40, 1e-38, 3.4e38, -3.4e38, 0.5, 2.0, 1e-20, 88.8, -87.4, 2147483648.0, 16777217.0]


class Region:
    """Scalar ops on values of several types; `pool` has (name, type)."""

    def __init__(self, rng, args):
        self.rng, self.pool, self.lines, self.n = rng, list(args), [], 0

    def op(self, kind, operands, to, attributes=""):
        self.n += 1
        name = "%%s%d" % self.n
        types = ", ".join(t for _, t in operands)
        self.lines.append('    %s = "loop.%s"(%s)%s : (%s) -> %s' % (name, kind, ", ".join(v for v, _ in operands), attributes, types, to))
        self.pool.append((name, to))
        return self.pool[-1]

    def constant(self, value, to):
        text = "%r : f64" % float(value) if to == "f32" else "%d : i64" % value
        return self.op("constant", [], to, " {value = %s}" % text)

    def pick(self, of):
        """Newer values more often."""
        fitting = [v for v in self.pool if v[1] in of]
        return fitting[-1 - int(len(fitting) * self.rng.random() ** 2)] if fitting else None

    def number(self):
        value = self.pick(["f32"])
        return value or self.op("cast", [self.pool[0]], "f32")

    def clamped(self, value):
        low, high = sorted(np.round(self.rng.normal(0, 3, 2), 2))
        low, high = self.constant(low, "f32"), self.constant(high, "f32")
        if self.rng.random() < 0.7:
            value = self.op("select", [self.op("eq", [value, value], "i1"), value, low], "f32")
        return self.op("min", [self.op("max", [value, low], "f32"), high], "f32")

    def step(self):
        rng, way = self.rng, self.rng.random()
        if way < 0.15:
            self.clamped(self.number())
        elif way < 0.4:
            self.op(str(rng.choice(UNARY)), [self.number()], "f32")
        elif way < 0.65:
            a, b = self.number(), self.number()
            if rng.random() < 0.4:
                b = self.constant(rng.choice([0, 1, -1, 2, 0.1, 3, -0.5, 1e-3]), "f32")
            self.op(str(rng.choice(BINARY)), [a, b], "f32")
        elif way < 0.75:
            a = self.number()
            b = self.constant(rng.choice([0, 1, 0.3]), "f32") if rng.random() < 0.6 else self.number()
            truth = self.op(str(rng.choice(["eq", "ne", "lt", "le"])), [a, b], "i1")
            self.op("select", [truth, *[[a, b], [b, a], [self.number(), b]][rng.integers(3)]], "f32")
        elif way < 0.85:
            source = self.pick(list(NUMPY))
            self.op("cast", [source], str(rng.choice([t for t in NUMPY if t != source[1]])))
        elif way < 0.9:
            narrow = self.op("cast", [self.number()], str(rng.choice(["f16", "bf16"])))
            self.op("cast", [narrow], "f32")
        elif way < 0.95:
            scale, zero = self.constant(rng.choice([0.1, 0.02, 1]), "f32"), self.constant(rng.integers(0, 128), "ui8")
            self.op("quantize", [self.number(), scale, zero], "ui8")
        else:
            a = self.pick(["i32", "i8", "ui8"])
            if a:
                b = self.constant(rng.integers(0, 9), a[1]) if rng.random() < 0.5 else self.pick([a[1]])
                self.op(str(rng.choice(WHOLE)), [a, b], a[1])


def tensor(elem, rows=ROWS, columns=COLUMNS):
    return "tensor<%dx%dx%s>" % (rows, columns, elem)


SAME = "affine_map<(d0, d1) -> (d0, d1)>"


class Graph:
    def __init__(self, rng, inputs):
        self.rng, self.lines, self.n, self.results = rng, [], 0, []
        self.inputs = [("%%x%d" % i, t) for i, t in enumerate(inputs)]

    def add(self, text, elem, rows, columns):
        self.n += 1
        name = "%%t%d" % self.n
        self.lines.append("  %s = %s -> %s" % (name, text, tensor(elem, rows, columns)))
        self.results.append((name, elem, rows, columns))

    def pick(self, of=None):
        from_all = [(n, t, ROWS, COLUMNS) for n, t in self.inputs] + [r for r in self.results if r[2:] == (ROWS, COLUMNS)]
        fitting = [v for v in from_all if not of or v[1] == of]
        return fitting[self.rng.integers(len(fitting))]

    def map(self, operands, steps):
        args = [("%%a%d" % i, v[1]) for i, v in enumerate(operands)]
        region = Region(self.rng, args)
        for _ in range(steps):
            region.step()
        out = region.pick(list(NUMPY))
        body = "\n".join(["({", "  ^bb0(%s):" % ", ".join("%s: %s" % a for a in args), *region.lines, '    "graph.yield"(%s) : (%s) -> ()' % out, "  })"])
        maps = ", ".join([SAME] * len(operands))
        types = ", ".join(tensor(v[1]) for v in operands)
        self.add('"graph.map"(%s) %s {maps = [%s]} : (%s)' % (", ".join(v[0] for v in operands), body, maps, types), out[1], ROWS, COLUMNS)

    def reduce(self):
        v = self.pick("f32")
        kind, init = [("add", "0.0"), ("max", "0xFFF0000000000000"), ("min", "0x7FF0000000000000"), ("mul", "1.0")][self.rng.integers(4)]
        own = "affine_map<(d0, d1, d2) -> (d0, d2)>"
        text = """"graph.reduce"(%s) ({
  ^bb0(%%a: f32):
    "graph.yield"(%%a) : (f32) -> ()
  }, {
  ^bb0(%%a: f32, %%b: f32):
    %%s = "loop.%s"(%%a, %%b) : (f32, f32) -> f32
    "graph.yield"(%%s) : (f32) -> ()
  }) {maps = [%s], over = ["%d"], init = [%s : f64]} : (%s)""" % (v[0], kind, own, COLUMNS, init, tensor("f32"))
        self.add(text, "f32", ROWS, 1)

    def matmul(self):
        a, b = self.pick("f32"), self.pick("f32")
        maps = "affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d1, d2)>"
        self.add('"graph.matmul"(%s, %s) {maps = [%s], over = ["%d"], kinds = ["m", "n", "k"]} : (%s, %s)' % (a[0], b[0], maps, COLUMNS, tensor("f32"), tensor("f32")),
                 "f32", ROWS, ROWS)

    def concat(self):
        a = self.pick()
        b = self.pick(a[1])
        self.add('"graph.concat"(%s, %s) {axis = 0} : (%s, %s)' % (a[0], b[0], tensor(a[1]), tensor(a[1])), a[1], 2 * ROWS, COLUMNS)

    def text(self):
        args = ", ".join("%s: %s" % (n, tensor(t)) for n, t in self.inputs)
        types = ", ".join(tensor(*r[1:]) for r in self.results)
        return "\n".join(["func.func @main(%s) -> (%s) {" % (args, types), *self.lines, "  func.return %s : %s" % (", ".join(r[0] for r in self.results), types), "}"]) + "\n"


def values(rng, elem, special):
    if elem == "f32":
        x = (rng.normal(0, 1, (ROWS, COLUMNS)) * 10.0 ** rng.integers(-2, 3, (ROWS, COLUMNS))).astype(np.float32)
        where = rng.random(x.shape) < (0.4 if special else 0.1)
        x[where] = rng.choice(SPECIAL if special else SPECIAL[:4], where.sum())
        return x
    if elem == "i1":
        return rng.random((ROWS, COLUMNS)) < 0.5
    info = np.iinfo(NUMPY[elem])
    return rng.integers(info.min, info.max + 1, (ROWS, COLUMNS)).astype(NUMPY[elem]) >> (rng.integers(0, info.bits, (ROWS, COLUMNS)).astype(NUMPY[elem]))


def facts_of(text):
    """What is printed behind ops, in order."""
    return [line.split(" // ")[1] for line in text.splitlines() if " // " in line]


def outside(fact, array):
    """An element that the fact does not allow, or None."""
    found = re.match(r"(?:\[(\S+), (\S+)\]|\{(.*?)\}|(anything|NaN))( or NaN)?", fact)
    low, high, points, word, nan = found.groups()
    x = array.ravel()
    is_nan = np.isnan(x) if x.dtype.kind == "f" else np.zeros(x.shape, bool)
    if is_nan.any() and not (nan or word):
        return np.nan
    x = x[~is_nan]
    number = np.float32 if x.dtype == np.float32 else float
    if word == "anything":
        return None
    good = np.zeros(x.shape, bool) if word else np.isin(x, [number(p) for p in points.split(", ")]) if points else (x >= number(low)) & (x <= number(high))
    return None if good.all() else x[~good][0]


def execute(dsc, folder, inputs, *options):
    """Outputs, or what dsc says."""
    for old in folder.glob("*put_*.npy"):
        old.unlink()
    for i, array in enumerate(inputs):
        np.save(folder / ("input_%d.npy" % i), array)
    result = subprocess.run([dsc, "run", folder / "graph.mlir", "--inputs", folder, "--outputs", folder, *options], capture_output=True, text=True, timeout=120)
    if result.returncode:
        return result.stderr or "exit %d" % result.returncode
    return [np.load(folder / ("output_%d.npy" % i)) for i in range(len(list(folder.glob("output_*.npy"))))]


def printed(dsc, folder, graph):
    (folder / "graph.mlir").write_text(graph.text())
    result = subprocess.run([dsc, "opt", "--passes=", "--print-facts", folder / "graph.mlir"], capture_output=True, text=True, timeout=120)
    return facts_of(result.stdout) if result.returncode == 0 else result.stderr


def elements_are_within(dsc, rng, folder):
    """None, or why a random graph's facts are wrong."""
    graph = Graph(rng, ["f32", "f32", str(rng.choice(["i32", "i8", "ui8", "i1"]))])
    for _ in range(rng.integers(2, 7)):
        way = rng.random()
        if way < 0.65:
            graph.map([graph.pick() for _ in range(rng.integers(1, 4))], rng.integers(1, 7))
        else:
            [graph.reduce, graph.reduce, graph.matmul, graph.concat][rng.integers(4)]()
    facts = printed(dsc, folder, graph)
    if isinstance(facts, str):
        return facts
    for special in (False, True):
        got = execute(dsc, folder, [values(rng, t, special) for _, t in graph.inputs])
        if isinstance(got, str):
            return got
        for (name, *_), fact, array in zip(graph.results, facts, got, strict=True):
            wrong = outside(fact, array)
            if wrong is not None:
                return "%s has %r, which is not in %s" % (name, wrong, fact)
    return None


def zeros_switch_off(dsc, rng, folder):
    """None, or why what is said of a zero among a map's operands is wrong."""
    graph = Graph(rng, ["f32"] * 3)
    graph.map([(n, t, ROWS, COLUMNS) for n, t in graph.inputs], 1)
    region = graph.lines[-1]
    kinds = rng.choice(["add", "mul", "mul", "max", "sub", "min"], 4)
    steps = [("%a0", "%a1"), ("%p0", str(rng.choice(["%a2", "%a0"]))), ("%p1", str(rng.choice(["%a1", "%a2"]))), ("%p2", str(rng.choice(["%p0", "%a0"])))]
    body = ['    %%p%d = "loop.%s"(%s, %s) : (f32, f32) -> f32' % (i, kinds[i], a, b) for i, (a, b) in enumerate(steps)]
    head = region[:region.index("\n", region.index("^bb0"))]
    tail = region[region.index("  }) {maps"):]
    graph.lines[-1] = "\n".join([head, *body, '    "graph.yield"(%p3) : (f32) -> ()', tail])
    graph.lines[-1] = re.sub(r"-> tensor<\S+$", "-> " + tensor("f32"), graph.lines[-1])
    graph.results = [(graph.results[0][0], "f32", ROWS, COLUMNS)]
    facts = printed(dsc, folder, graph)
    if isinstance(facts, str):
        return facts
    for at, fact, off in re.findall(r"where operand (\d) is 0: (.*?)(?: without operands ([\d ]+))?(?=, where|$)", facts[0]):
        inputs = [values(rng, "f32", False) for _ in range(3)]
        inputs[int(at)][:] = 0
        first = execute(dsc, folder, inputs)
        for other in (off or "").split():
            inputs[int(other)] = values(rng, "f32", False)
        second = execute(dsc, folder, inputs)
        if isinstance(first, str) or isinstance(second, str):
            return str(first) + str(second)
        if not np.array_equal(first[0], second[0]) or outside(fact.strip(), first[0]) is not None:
            return "operand %s: %s" % (at, facts[0])
    return None


def campaign(dsc, count, seed, work, keep=True):
    """(how many, what is wrong)"""
    wrong = []
    for i in range(count):
        rng, folder = np.random.default_rng([seed, i]), work / str(i)
        folder.mkdir(parents=True, exist_ok=True)
        reason = (zeros_switch_off if i % 4 == 3 else elements_are_within)(dsc, rng, folder)
        if reason:
            wrong.append("%d: %s\n%s" % (i, reason.strip()[-500:], (folder / "graph.mlir").read_text() if keep else ""))
    return count, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dsc", type=Path, required=True)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    count, wrong = campaign(args.dsc, args.count, args.seed, Path(tempfile.mkdtemp(prefix="dsc-facts.")))
    print("\n".join(wrong))
    print("%d graphs, %d wrong" % (count, len(wrong)))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
