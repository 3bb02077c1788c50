"""Hostile and broken inputs: each must give a diagnostic and exit 1 (or 3), never a crash, and leave no output behind."""
import itertools
import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
from onnx import AttributeProto, SparseTensorProto, TensorProto, helper, numpy_helper

sys.path.insert(0, str(Path(__file__).parent / "fuzz"))
import mutate_text  # noqa: E402


def save(path, nodes, inputs, outputs, initializers=()):
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(initializers))
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    path.write_bytes(proto.SerializeToString())
    return proto


def value(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def broken_control_flow(folder):
    """Graphs that are missing, or give and take what their node does not. (name, path, words)"""
    node, x, y, flag = helper.make_node, value("x", [2, 3]), value("y", None), helper.make_tensor_value_info("c", TensorProto.BOOL, [])
    yes = numpy_helper.from_array(np.array(True), "yes")
    turns = numpy_helper.from_array(np.array(3), "m")
    one = numpy_helper.from_array(np.array(1), "one")

    def body(nodes, inputs, outputs):
        info = [[helper.make_tensor_value_info(n, kind, None) for n, kind in values] for values in (inputs, outputs)]
        return helper.make_graph(nodes, "body", *info)

    number, boolean, floats = TensorProto.INT64, TensorProto.BOOL, TensorProto.FLOAT
    neg, pair = body([node("Neg", ["x"], ["n"])], [], [("n", floats)]), body([node("Neg", ["x"], ["n"])], [], [("n", floats), ("n", floats)])
    cast = body([node("Cast", ["x"], ["n"], to=number)], [], [("n", number)])
    args = [("i", number), ("go", boolean), ("v", floats)]
    keep = body([node("Identity", ["go"], ["on"]), node("Neg", ["v"], ["w"])], args, [("on", boolean), ("w", floats)])
    changes = body([node("Identity", ["go"], ["on"]), node("Cast", ["v"], ["w"], to=number)], args, [("on", boolean), ("w", number)])
    number_on = body([node("Neg", ["v"], ["w"])], args, [("w", floats), ("w", floats)])
    row = body([node("Neg", ["v"], ["w"])], args[2:], [("w", floats)])
    forms = {
        "if without branches": node("If", ["c"], ["y"], "here"),
        "if with one branch": node("If", ["c"], ["y"], "here", then_branch=neg),
        "if whose branches give too much": node("If", ["c"], ["y"], "here", then_branch=pair, else_branch=neg),
        "if of two types": node("If", ["c"], ["y"], "here", then_branch=neg, else_branch=cast),
        "if of a number": node("If", ["x"], ["y"], "here", then_branch=neg, else_branch=neg),
        "loop without a body": node("Loop", ["m", "yes", "x"], ["y"], "here"),
        "loop whose body takes too little": node("Loop", ["m", "yes", "x", "x"], ["y", "z"], "here", body=keep),
        "loop whose body gives too little": node("Loop", ["m", "yes", "x"], ["y", "z"], "here", body=keep),
        "loop whose value changes its type": node("Loop", ["m", "yes", "x"], ["y"], "here", body=changes),
        "loop whose condition is a number": node("Loop", ["m", "", "x"], ["y"], "here", body=number_on),
        "loop without an initial value": node("Loop", ["m", "yes", ""], ["y"], "here", body=keep),
        "loop without operands": node("Loop", [], ["y"], "here", body=keep),
        "scan without a body": node("Scan", ["x"], ["y"], "here", num_scan_inputs=1),
        "scan of more inputs than there are": node("Scan", ["x"], ["y"], "here", body=row, num_scan_inputs=2),
        "scan of no inputs": node("Scan", ["x"], ["y"], "here", body=row, num_scan_inputs=0),
        "scan along an axis that is not there": node("Scan", ["x"], ["y"], "here", body=row, num_scan_inputs=1, scan_input_axes=[2]),
        "scan with too many axes": node("Scan", ["x"], ["y"], "here", body=row, num_scan_inputs=1, scan_input_axes=[0, 0]),
        "scan in no direction": node("Scan", ["x"], ["y"], "here", body=row, num_scan_inputs=1, scan_input_directions=[2]),
        "scan that stacks along no axis": node("Scan", ["x"], ["y"], "here", body=row, num_scan_inputs=1, scan_output_axes=[-3]),
        "parts of nothing": node("SplitToSequence", ["x", "m0"], ["s"], "here"),
    }
    for k, (name, op) in enumerate(forms.items()):
        path, more = folder / ("control_%d.onnx" % k), []
        if op.op_type == "SplitToSequence":
            more = [node("SequenceAt", ["s", "one"], ["y"])]
        save(path, [op, *more], [x, flag], [y], [yes, turns, one, numpy_helper.from_array(np.array(0), "m0")])
        yield name, path, ["here"]
    path = folder / "control_at.onnx"
    save(path, [node("SequenceConstruct", ["x"], ["s"]), node("SequenceAt", ["s", "one"], ["y"], "here")], [x], [y], [one])
    yield "element behind a sequence", path, ["here", "position 1"]


def broken_models(folder, good):
    """(name, path, words that the message must hold)"""
    data = good.read_bytes()
    rng = np.random.default_rng(3)
    for n in (0, 1, 7, 100, len(data) // 2, len(data) - 1):
        path = folder / ("truncated_%d.onnx" % n)
        path.write_bytes(data[:n])
        yield "truncated at %d" % n, path, []
    for k in range(40):
        bytes_ = bytearray(data)
        for at in rng.integers(0, 2000, 8):
            bytes_[at] = rng.integers(0, 256)
        path = folder / ("corrupt_%d.onnx" % k)
        path.write_bytes(bytes(bytes_))
        yield "corrupted %d" % k, path, None
    yield from broken_control_flow(folder)
    node, x, y = helper.make_node, value("x", [2, 3]), value("y", [2, 3])
    path = folder / "cycle.onnx"
    save(path, [node("Add", ["x", "b"], ["a"], "first"), node("Relu", ["a"], ["b"], "second")], [x], [value("b", [2, 3])])
    yield "cycle", path, ["first", "depends on its own"]
    path = folder / "missing.onnx"
    save(path, [node("Add", ["x", "weight"], ["y"], "plus")], [x], [y])
    yield "missing weight", path, ["plus", "weight"]
    path = folder / "twice.onnx"
    save(path, [node("Relu", ["x"], ["y"]), node("Neg", ["x"], ["y"])], [x], [y])
    yield "defined twice", path, ["y", "twice"]
    path = folder / "channels.onnx"
    save(path, [node("Conv", ["i", "w"], ["y"], "conv7")], [value("i", [1, 4, 8, 8])], [value("y", None)], [numpy_helper.from_array(np.zeros((2, 3, 3, 3), np.float32), "w")])
    yield "wrong channels", path, ["conv7", "channels", "4 == 3"]
    path = folder / "rank.onnx"
    save(path, [node("Transpose", ["x"], ["y"], "turn", perm=[0, 1, 2])], [x], [y])
    yield "wrong rank", path, ["turn"]
    path = folder / "axis.onnx"
    save(path, [node("Softmax", ["x"], ["y"], "soft", axis=9)], [x], [y])
    yield "axis out of range", path, ["soft", "axis"]
    path = folder / "broadcast.onnx"
    save(path, [node("Add", ["x", "z"], ["y"], "plus")], [x, value("z", [2, 4])], [y])
    yield "shapes that do not broadcast", path, ["plus", "3", "4"]
    huge = TensorProto(name="w", data_type=1, dims=[2 ** 40, 2 ** 40])
    path = folder / "huge.onnx"
    save(path, [node("Add", ["x", "w"], ["y"])], [x], [y], [huge])
    yield "size overflow", path, ["w"]
    short = TensorProto(name="w", data_type=1, dims=[2, 3], raw_data=b"abc")
    path = folder / "short.onnx"
    save(path, [node("Add", ["x", "w"], ["y"])], [x], [y], [short])
    yield "short tensor", path, ["w"]
    for where in ("../secret", "/etc/passwd", "missing.bin"):
        outside = TensorProto(name="w", data_type=1, dims=[2, 3], data_location=1)
        outside.external_data.add(key="location", value=where)
        path = folder / ("external_%s.onnx" % where.strip("./").replace("/", "_"))
        save(path, [node("Add", ["x", "w"], ["y"])], [x], [y], [outside])
        yield "external data at " + where, path, [where.split("/")[-1]]
    pipe = TensorProto(name="w", data_type=1, dims=[2, 3], data_location=1)
    pipe.external_data.add(key="location", value="pipe.bin")
    if not (folder / "pipe.bin").exists():
        os.mkfifo(folder / "pipe.bin")
    path = folder / "pipe.onnx"
    save(path, [node("Add", ["x", "w"], ["y"])], [x], [y], [pipe])
    yield "external data that is a pipe", path, ["pipe.bin"]
    path = folder / "einsum_twice.onnx"
    save(path, [node("Einsum", ["x"], ["y"], "outer", equation="ij->iij")], [x], [y])
    yield "a result dimension twice", path, ["outer", "twice"]
    path = folder / "norm.onnx"
    save(path, [node("BatchNormalization", ["x", "p", "p", "p", "p"], ["y"], "norm")], [x], [y], [numpy_helper.from_array(np.ones((3, 2), np.float32), "p")])
    yield "parameters of a wrong rank", path, ["norm", "rank 2"]
    sparse = SparseTensorProto(dims=[2, 3], values=numpy_helper.from_array(np.ones(1, np.float32), "v"), indices=numpy_helper.from_array(np.array([6]), "i"))
    constant = node("Constant", [], ["w"], "few")
    constant.attribute.append(AttributeProto(name="sparse_value", type=AttributeProto.SPARSE_TENSOR, sparse_tensor=sparse))
    path = folder / "sparse.onnx"
    save(path, [constant, node("Add", ["x", "w"], ["y"])], [x], [y])
    yield "a sparse tensor's index outside", path, ["'v'", "outside"]
    path = folder / "lists.onnx"
    save(path, [node("Slice", ["x", "one", "one", "two"], ["y"], "cut")], [x], [y], [numpy_helper.from_array(np.arange(n), k) for k, n in (("one", 1), ("two", 2))])
    yield "lists of different lengths", path, ["cut", "1 starts"]
    path = folder / "blocks.onnx"
    save(path, [node("DepthToSpace", ["i"], ["y"], "blocks", blocksize=2)], [value("i", [1, 6, 3, 3])], [value("y", None)])
    yield "channels that are no whole blocks", path, ["blocks", "whole"]
    path = folder / "recurrent.onnx"
    weights = [numpy_helper.from_array(np.ones(s, np.float32), n) for n, s in (("w", (1, 8, 3)), ("r", (1, 8, 2)), ("b", (1, 7)))]
    save(path, [node("LSTM", ["s", "w", "r", "b"], ["y"], "memory", hidden_size=2)], [value("s", [4, 1, 3])], [value("y", None)], weights)
    yield "a bias that is too short", path, ["memory", "'B'"]
    for name, op, operand, words in negative_sizes():
        path = folder / ("negative_%s.onnx" % op)
        save(path, [node(op, ["x", "n"], ["y", "z"][:1 + (op == "Split")], "sized")], [x], [value("y", None)], [numpy_helper.from_array(operand, "n")])
        yield name, path, ["sized", words]
    inner = helper.make_graph([node("Relu", ["x"], ["deep"])], "g", [], [value("deep", [2, 3])])
    try:
        while True:  # until the protobuf library itself refuses
            inner = helper.make_graph([node("If", ["c"], ["deep"], then_branch=inner)], "g", [], [value("deep", [2, 3])])
    except Exception:
        pass
    path = folder / "deep.onnx"
    path.write_bytes(helper.make_model(inner).SerializeToString())
    yield "deep nesting", path, ["nested"]


def negative_sizes():
    """(name, operator, its second operand, words of the message)"""
    yield "a negative part", "Split", np.array([-1, 3]), "negative"
    yield "parts that do not fill the axis", "Split", np.array([1, 2]), "fill the axis"
    yield "a negative repeat", "Tile", np.array([1, -1]), "negative"
    yield "pads beyond the axis", "Pad", np.array([0, -4, 0, 0]), "negative"


def late_sizes(folder):
    """(name, path, folder of inputs, words): the same where only the run knows."""
    for name, op, operand, words in negative_sizes():
        here = folder / ("late_" + op + words[:4])
        here.mkdir(parents=True, exist_ok=True)
        outputs = ["y", "z"][:1 + (op == "Split")]
        graph = helper.make_graph([helper.make_node(op, ["x", "n"], outputs, "sized")], "g", [value("x", [2, 3]), helper.make_tensor_value_info("n", TensorProto.INT64, operand.shape)], [value(o, None) for o in outputs])
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), here / "m.onnx")
        for i, array in enumerate((np.zeros((2, 3), np.float32), operand)):
            np.save(here / ("input_%d.npy" % i), array)
        yield name + ", read while running", here / "m.onnx", here, ["sized", words]


def sound_models(folder):
    """(name, path) of what looks suspicious, and is not."""
    node, x, y = helper.make_node, value("x", [2, 3]), value("y", [2, 3])
    path = folder / "snapshots/1/linked.onnx"  # as caches of downloads have it: files are links to blobs
    path.parent.mkdir(parents=True, exist_ok=True)
    (folder / "blobs").mkdir(exist_ok=True)
    (folder / "blobs/0123").write_bytes(np.zeros((2, 3), np.float32).tobytes())
    if not path.with_name("linked.bin").is_symlink():
        path.with_name("linked.bin").symlink_to("../../blobs/0123")
    linked = TensorProto(name="w", data_type=1, dims=[2, 3], data_location=1)
    linked.external_data.add(key="location", value="linked.bin")
    save(path, [node("Add", ["x", "w"], ["y"])], [x], [y], [linked])
    yield "external data behind a link", path
    path = folder / "dead.onnx"
    graph = helper.make_graph([node("Relu", ["x"], ["unused"])], "g", [], [value("unused", [2, 3])])
    save(path, [node("Relu", ["x"], ["y"]), node("NoSuchOperator", ["x"], ["a"]), node("StringNormalizer", ["a"], ["b"]), node("Loop", ["", "", "b"], ["c"], body=graph)], [x], [y])
    yield "unknown nodes that no result needs", path


def found_by_fuzzing():
    """What once crashed the compiler, made it run for minutes or claim a bug of its own."""
    for path in sorted((Path(__file__).parent / "fuzz/corpus/model").glob("*.onnx")):
        yield "fuzzing found " + path.stem, path, None


def mutated_text(dsc, folder, good):
    """Text of every level with random changes, from one seed; compiled by processes that may not crash. (name, text)"""
    folder = folder / "texts"
    folder.mkdir(exist_ok=True)
    x, y = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 6]), value("y", None)
    half = numpy_helper.from_array(np.float32(0.5), "half")
    nodes = [helper.make_node("Mul", ["x", "half"], ["h"]), helper.make_node("Softmax", ["h"], ["s"]), helper.make_node("Transpose", ["s"], ["t"]),
             helper.make_node("MatMul", ["s", "t"], ["m"]), helper.make_node("NonZero", ["m"], ["w"]), helper.make_node("Cast", ["w"], ["y"], to=1)]
    save(folder / "small.onnx", nodes, [x], [y], [half])
    texts = []
    for model in (good, folder / "small.onnx"):
        for level in ("decompose", "fuse", "layout", "hoist", "group", "lower"):
            out = folder / ("%s_%s.mlir" % (Path(model).stem, level))
            subprocess.run([dsc, "opt", model, "--stop-after=" + level, "-o", out], check=True, capture_output=True)
            texts.append(out.read_text())
    for i, text in enumerate(mutate_text.mutants(random.Random(1), texts, 200)):
        path = folder / ("m%d.mlir" % i)
        path.write_text(text)
        yield "changed text %d" % i, path


def compiles_or_complains(dsc, path):
    result = subprocess.run([dsc, "compile", path, "-o", path.with_suffix(".o"), "--jobs=1"], capture_output=True, text=True, errors="replace", timeout=120)
    return result.returncode in (0, 1, 3) and (result.returncode == 0 or "error:" in result.stderr), "exit %d: %s" % (result.returncode, result.stderr)


def run(dsc, folder, good):
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in sound_models(folder):
        result = subprocess.run([dsc, "compile", path, "-o", folder / "sound.o"], capture_output=True, text=True, errors="replace", timeout=120)
        yield name, result.returncode == 0, "exit %d: %s" % (result.returncode, result.stderr)
    for name, path, inputs, words in late_sizes(folder):
        result = subprocess.run([dsc, "run", path, "--inputs", inputs], capture_output=True, text=True, errors="replace", timeout=120)
        yield name, result.returncode == 1 and all(w in result.stderr for w in words), "exit %d: %s" % (result.returncode, result.stderr)
    for name, path, words in itertools.chain(broken_models(folder, good), found_by_fuzzing()):
        out = folder / "out.o"
        result = subprocess.run([dsc, "compile", path, "-o", out], capture_output=True, text=True, errors="replace", timeout=120)
        allowed = (0, 1, 3) if words is None else (1, 3)
        good_exit = result.returncode in allowed
        speaks = result.returncode == 0 or "error:" in result.stderr
        names = all(word in result.stderr for word in words or [])
        clean = result.returncode == 0 or not out.exists()
        for left in folder.glob("out.*"):
            left.unlink()
        yield name, good_exit and speaks and names and clean, "exit %d: %s" % (result.returncode, result.stderr)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        names, paths = zip(*mutated_text(dsc, folder, good))
        for name, (fine, words) in zip(names, pool.map(lambda p: compiles_or_complains(dsc, p), paths)):
            yield name, fine, words
    pipe = folder / "output.o"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE)
    subprocess.run([dsc, "compile", good, "-o", pipe], capture_output=True, timeout=60)
    yield "output into a pipe", reader.communicate(timeout=60)[0].startswith(b"\x7fELF") and pipe.is_fifo(), "another file took the pipe's place"
    text = folder / "bad.mlir"
    text.write_text("func.func @f(" * 1000)
    result = subprocess.run([dsc, "opt", text], capture_output=True, text=True, errors="replace", timeout=60)
    yield "bad text", result.returncode == 1 and "error:" in result.stderr, result.stderr
    for args, code in ((["frob"], 2), (["compile", good], 2), (["run", good, "--nope"], 2), (["run", good, "--cpu=z80"], 2), (["run", "/nonexistent.onnx"], 1)):
        result = subprocess.run([dsc, *args], capture_output=True, text=True, errors="replace", timeout=60)
        yield "command line %s" % args[:2], result.returncode == code, "exit %d instead of %d" % (result.returncode, code)
