"""A random graph under construction. Every node is run by ONNX Runtime as it is added, on the values that the graph will be tested with:
what ONNX Runtime refuses is left out, so families only propose nodes, and shapes need not be inferred."""
import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

ort.set_default_logger_severity(4)
FAMILIES = {}  # name -> functions that add something to a graph
LIMIT = 1 << 16  # elements of a value
FLOATS = [np.float32, np.float32, np.float32, np.float64, np.float16]
INTEGERS = [np.int64, np.int32, np.int8, np.uint8, np.int16, np.uint16, np.uint32, np.uint64]


def family(name, weight=1):
    """Registers a function (g) as one of the proposals of a family."""
    def register(function):
        FAMILIES.setdefault(name, []).extend([function] * weight)
        return function
    return register


STEMS = "s", "t", "u", "v_", "v_n", "d"  # what symbols of the compiler's own are called, too


class Value:
    def __init__(self, name, array, exact, constant=False):
        self.name, self.array, self.exact, self.constant = name, array, exact, constant

    shape = property(lambda self: self.array.shape)
    rank = property(lambda self: self.array.ndim)
    dtype = property(lambda self: self.array.dtype)
    is_float = property(lambda self: self.array.dtype.kind == "f")


def element_type(array):
    return helper.np_dtype_to_tensor_dtype(array.dtype)


def session(model):
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


# Results are equal whatever the order of sums, so a rounding cannot flip what reads them.
EXACT = set("""Identity Reshape Transpose Squeeze Unsqueeze Flatten Expand Tile Slice Gather GatherElements GatherND ScatterND ScatterElements Scatter
Concat Split Pad Relu Neg Abs Max Min Where Trilu Shape Size Cast CastLike ConstantOfShape Range NonZero Compress ReverseSequence OneHot EyeLike
DepthToSpace SpaceToDepth TopK ArgMax ArgMin MaxPool GlobalMaxPool ReduceMax ReduceMin Floor Ceil Round Sign Not And Or Xor Equal Less LessOrEqual
Greater GreaterOrEqual IsNaN IsInf Constant Unique BitShift BitwiseAnd BitwiseOr BitwiseXor BitwiseNot Clip Hardmax MaxUnpool CenterCropPad""".split())
# A small difference of what they read may be a large one of what they give.
DISCRETE = set("""Floor Ceil Round Sign ArgMax ArgMin TopK Unique NonZero Equal Less LessOrEqual Greater GreaterOrEqual Hardmax QuantizeLinear
DynamicQuantizeLinear QLinearConv QLinearMatMul IsNaN IsInf NonMaxSuppression Mod ThresholdedRelu Shrink BitCast Compress""".split())


class Graph:
    def __init__(self, rng):
        self.rng = rng
        self.nodes, self.initializers, self.inputs, self.values, self.feed, self.symbols = [], [], [], [], {}, {}
        self.count = 0
        self.opset = int(rng.choice([7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24], p=np.array([1, 1, 1, 1, 2, 2, 4, 2, 2, 3, 6, 6, 4, 4, 6, 4, 3, 2]) / 54))
        self.style = {
            "data": rng.choice([0.0, 0.6, 1.0], p=[0.1, 0.3, 0.6]),  # how often data is a graph input; else a constant
            "weights": rng.choice([0.0, 0.5, 1.0], p=[0.6, 0.25, 0.15]),
            "parameters": rng.choice([0.0, 0.3, 1.0], p=[0.55, 0.3, 0.15]),  # axes, shapes, counts: constant or known at run time only
            "symbolic": rng.choice([0.0, 0.4, 1.0], p=[0.3, 0.3, 0.4]),
            "ones": rng.choice([0.05, 0.3]),
            "zeros": rng.choice([0.0, 0.0, 0.0, 0.0, 0.0, 0.05]),
        }

    # ---- names, sources ----

    def name(self, stem="v"):
        self.count += 1
        return "%s%d" % (stem, self.count)

    def chance(self, p):
        return self.rng.random() < p

    def int(self, low, high):
        """low … high, both included"""
        return int(self.rng.integers(low, high + 1))

    def choice(self, options):
        return options[int(self.rng.integers(len(options)))]

    def extent(self):
        if self.chance(self.style["zeros"]):
            return 0
        if self.chance(self.style["ones"]):
            return 1
        return self.choice([2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 17, 33])

    def shape(self, low=0, high=4):
        rank = self.int(low, high)
        dims = [self.extent() for _ in range(rank)]
        while np.prod(dims) > 4096:
            dims[int(np.argmax(dims))] = 2
        return dims

    def numbers(self, shape, dtype, low=None, high=None):
        dtype = np.dtype(dtype)
        if dtype.kind == "f":
            if low is None:
                return self.rng.standard_normal(shape).astype(dtype)
            return self.rng.uniform(low, high, shape).astype(dtype)
        if dtype.kind == "b":
            return self.rng.random(shape) < 0.5
        low = (0 if dtype.kind == "u" else -6) if low is None else low
        return self.rng.integers(low, (7 if high is None else high), shape, dtype=dtype)

    def extents_of(self, array, symbolic):
        dims = []
        for extent in array.shape:
            if not self.chance(symbolic):
                dims.append(extent)
                continue
            names = [n for n, e in self.symbols.items() if e == extent]
            if names and self.chance(0.5):
                dims.append(self.choice(names))
            else:
                name = "%s%d" % (STEMS[len(self.symbols) % len(STEMS)], len(self.symbols))
                self.symbols[name] = extent
                dims.append(name)
        return dims

    def input(self, array, symbolic=None):
        name = self.name("x")
        array = np.asarray(array)
        dims = self.extents_of(array, self.style["symbolic"] if symbolic is None else symbolic)
        self.inputs.append(helper.make_tensor_value_info(name, element_type(array), dims))
        self.feed[name] = array
        return self.keep(Value(name, array, True))

    def constant(self, array):
        array = np.asarray(array)
        name = self.name("c")
        if self.chance(0.7):
            self.initializers.append(numpy_helper.from_array(array, name))
        else:
            self.nodes.append(helper.make_node("Constant", [], [name], value=numpy_helper.from_array(array, name + "_value")))
        return Value(name, array, True, True)

    def source(self, array, kind="data"):
        """An input or a constant, as the graph's style has it."""
        value = self.input(array) if self.chance(self.style[kind]) else self.constant(array)
        return value

    def data(self, dtype=np.float32, shape=None, low=None, high=None):
        value = self.source(self.numbers(self.shape() if shape is None else shape, dtype, low, high))
        return self.keep(value)

    def weight(self, *shape, dtype=np.float32, low=None, high=None):
        array = self.numbers(shape, dtype, low, high)
        if low is None and array.dtype.kind == "f":
            array = (array / np.sqrt(max(1, np.prod(shape[1:])))).astype(dtype)
        return self.source(array, "weights")

    def parameter(self, numbers, dtype=np.int64):
        """A list (or a number) that an operator takes as an operand: constant, an input, or computed."""
        array = np.asarray(numbers, dtype)
        if not self.chance(self.style["parameters"]):
            return self.constant(array)
        way = self.choice([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5])
        if way <= 1 or array.ndim > 1 or (array.ndim == 1 and array.size == 0):
            return self.input(array, symbolic=0)
        if way == 2:
            zero = self.input(np.zeros_like(array), symbolic=0)
            return self.one("Add", [zero, self.constant(array)]) or self.constant(array)
        if way == 3 and array.ndim == 1:
            parts = [self.input(array[i:i + 1], symbolic=0) if self.chance(0.5) else self.constant(array[i:i + 1]) for i in range(array.size)]
            return self.one("Concat", parts, axis=0) or self.constant(array)
        if way == 4 and dtype == np.int64:
            return self.from_shapes(array)
        if way == 5 and array.ndim == 1 and dtype == np.int64 and self.opset >= 11 and array.size:
            start, step = int(array[0]), int(array[1]) - int(array[0]) if array.size > 1 else 1
            if step and abs(step) < 1000 and np.array_equal(array, start + step * np.arange(array.size)):
                limit = self.input(np.array(start + step * array.size), symbolic=0)
                return self.one("Range", [self.constant(np.array(start)), limit, self.constant(np.array(step))]) or self.constant(array)
        return self.input(array, symbolic=0)

    def from_shapes(self, array):
        """Numbers gathered from shapes of the graph's values where they occur there: Shape, Gather, Unsqueeze, Concat."""
        parts = []
        for number in array.reshape(-1):
            holders = [(v, i) for v in self.values for i, e in enumerate(v.shape) if e == number and not v.constant]
            if not holders:
                parts.append(self.constant(np.array([number])))
                continue
            value, at = self.choice(holders)
            shape = self.one("Shape", [value])
            parts.append(self.one("Gather", [shape, self.constant(np.array([at]))], axis=0))
        if array.ndim == 0:
            return self.one("Reshape", [parts[0], self.constant(np.zeros(0, np.int64))]) or self.constant(array)
        return (self.one("Concat", parts, axis=0) if all(parts) else None) or self.constant(array)

    def keep(self, value):
        self.values.append(value)
        return value

    # ---- choosing ----

    def pick(self, test=lambda v: True):
        """A value that is there already, later ones rather than earlier ones; None where none passes the test."""
        fitting = [v for v in self.values if test(v)]
        if not fitting:
            return None
        return fitting[-1 - min(int(self.rng.exponential(2.5)), len(fitting) - 1)]

    def floats(self, low=0, high=5, exact=False, dtypes=(np.float32, np.float64, np.float16)):
        """A float value of a rank between low and high: an old one, or a new one."""
        value = self.pick(lambda v: v.is_float and v.dtype in dtypes and low <= v.rank <= high and (v.exact or not exact)) if self.chance(0.85) else None
        if value is None:
            value = self.data(self.choice([t for t in FLOATS if t in dtypes] or list(dtypes)), self.shape(low, min(high, max(low, 4))))
        return value

    def any(self, low=0, high=5):
        value = self.pick(lambda v: low <= v.rank <= high) if self.chance(0.8) else None
        if value is None:
            value = self.data(self.choice(FLOATS + INTEGERS + [np.bool_]), self.shape(low, min(high, max(low, 4))))
        return value

    def axis(self, rank):
        """An axis, maybe counted from the end."""
        axis = self.int(0, rank - 1)
        return axis - rank if self.chance(0.3) else axis

    def axes(self, rank, low=1):
        axes = [int(a) for a in self.rng.permutation(rank)[:self.int(min(low, rank), rank)]]
        if self.chance(0.7):
            axes.sort()
        return [a - rank if self.chance(0.2) and self.opset >= 11 else a for a in axes]

    # ---- nodes ----

    def run(self, nodes, wanted):
        """The values named `wanted` after running `nodes` on what the graph holds; None where ONNX Runtime refuses."""
        made = {o for n in nodes for o in n.output}
        reads = {i for n in nodes for i in reads_of(n)} - made
        table = {v.name: v.array for v in self.every()}
        feed = {n: table[n] for n in reads if n in table}
        infos = [helper.make_tensor_value_info(n, element_type(a), a.shape) for n, a in feed.items()]
        if any(n not in table for n in reads):
            return None
        graph = helper.make_graph(nodes, "g", infos, [helper.make_empty_tensor_value_info(n) for n in wanted])
        try:
            results = session(self.wrap(graph)).run(None, feed)
        except Exception:  # what ONNX Runtime cannot do is no part of the test
            return None
        return results if all(isinstance(a, np.ndarray) and a.dtype.kind in "fiub" and a.size <= LIMIT for a in results) else None

    def every(self):
        """All values, those of constants and parameters too."""
        return list(self.known.values())

    @property
    def known(self):
        table = {v.name: v for v in self.values}
        for t in self.initializers:
            table.setdefault(t.name, Value(t.name, numpy_helper.to_array(t), True, True))
        for n in self.nodes:
            if n.op_type == "Constant":
                table.setdefault(n.output[0], Value(n.output[0], numpy_helper.to_array(n.attribute[0].t), True, True))
        return table

    def wrap(self, graph):
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        model.ir_version = 8 if self.opset < 19 else 10
        return model

    def add(self, op, inputs, outputs=1, hidden=(), **attributes):
        """Adds a node; its results, or None where ONNX Runtime refuses it or the values are useless. Operands may be None, an output that
        is left out is in `hidden`."""
        if any(v is False for v in inputs):
            return None
        operands = [v for v in inputs if v is not None]
        exact = all(v.exact for v in operands)
        if op in DISCRETE and not exact:
            return None
        names = ["" if i in hidden else self.name() for i in range(outputs)]
        ins = [v.name if v is not None else "" for v in inputs]
        while ins and not ins[-1]:
            ins.pop()
        node = helper.make_node(op, ins, names, **attributes)
        return self.commit([node], [n for n in names if n], exact and (op in EXACT or all(not v.is_float for v in operands)))

    def commit(self, nodes, names, exact):
        results = self.run(nodes, names)
        if results is None or any(not sensible(a) for a in results):
            return None
        self.nodes.extend(nodes)
        return [self.keep(Value(n, a, exact or a.dtype.kind != "f")) for n, a in zip(names, results)]

    def one(self, op, inputs, **attributes):
        results = self.add(op, inputs, **attributes)
        return results[0] if results else None


def sensible(array):
    """Not so large or undefined that later comparisons say nothing."""
    if array.dtype.kind != "f" or array.size == 0:
        return True
    finite = array[np.isfinite(array)]
    limit = 1e3 if array.dtype == np.float16 else 1e5
    return finite.size > 0 and finite.size == array.size and np.abs(finite).max() < limit


def reads_of(node):
    """Names that a node reads, also from within its graphs."""
    names = [i for i in node.input if i]
    for a in node.attribute:
        for graph in [a.g] if a.type == onnx.AttributeProto.GRAPH else []:
            own = {i.name for i in graph.input} | {t.name for t in graph.initializer} | {o for n in graph.node for o in n.output}
            names += [i for n in graph.node for i in reads_of(n) if i not in own] + [o.name for o in graph.output if o.name not in own]
    return names
