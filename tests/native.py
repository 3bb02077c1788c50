"""Graphs that a person writes (README.md "Write a graph", tests/native): compiled like models, and compared with numpy and ONNX Runtime;
weights of every element type; weights that are not what the text says, or not there; positions of errors."""
import json
import re
import resource
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).resolve().parent.parent
DTYPES = {"float64": "F64", "float32": "F32", "float16": "F16", "int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL"}


def write_safetensors(path, tensors, dtypes={}, edit=None):
    """A length, a header in JSON, bytes. `dtypes` has names that numpy has no type for; edit(header) spoils the header."""
    header, data = {"__metadata__": {"made by": "a test"}}, b""
    for name, array in tensors.items():
        raw = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": dtypes.get(name, DTYPES.get(str(array.dtype))), "shape": list(array.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = edit(header) if edit else None
    text = text if isinstance(text, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def call(*args, **kw):
    return subprocess.run([str(a) for a in args], capture_output=True, text=True, errors="replace", timeout=120, **kw)


def run_graph(dsc, text, inputs, work, *options):
    """The outputs of `dsc run`, or what it says."""
    for old in work.glob("*put_*.npy"):
        old.unlink()
    for i, array in enumerate(inputs):
        np.save(work / ("input_%d.npy" % i), array)
    result = call(dsc, "run", text, "--inputs", work, "--outputs", work, *options)
    if result.returncode:
        return result.stderr
    return [np.load(p) for p in sorted(work.glob("output_*.npy"))]


def close(got, want):
    return not isinstance(got, str) and len(got) == len(want) and all(
        g.shape == w.shape and g.dtype == w.dtype and np.allclose(g, w, rtol=1e-4, atol=1e-5) for g, w in zip(got, want))


def rng_of(seed):
    rng = np.random.default_rng(seed)
    return lambda *shape: (rng.standard_normal(shape) / 4).astype(np.float32)


# ---- the README's sample ----

def readme_sample(dsc, report, work):
    """It stands in README.md; its commands are run on it, in C as well."""
    readme = (ROOT / "README.md").read_text()
    found = re.search(r"```mlir\n(.*?)```", readme, re.S)
    report.check("README.md has a graph", found)
    if not found:
        return
    text = work / "mlp.mlir"
    text.write_text(found.group(1))
    lines = [line for line in found.group(1).splitlines() if line.strip()]
    report.check("the graph of README.md is short", len(lines) <= 16, len(lines))
    f = rng_of(0)
    w1, b1, w2, b2, x = f(784, 128), f(128), f(128, 10), f(10), f(3, 784)
    write_safetensors(work / "mlp.safetensors", {"fc1.weight": w1, "fc1.bias": b1, "fc2.weight": w2, "fc2.bias": b2})
    want = np.maximum(x @ w1 + b1, 0) @ w2 + b2
    got = run_graph(dsc, text, [x], work)
    report.check("README.md: run", close(got, [want]), got)
    report.check("README.md: run with --dim", close(run_graph(dsc, text, [x], work, "--dim", "batch=3"), [want]))
    info = call(dsc, "info", text).stdout
    report.check("README.md: names of inputs and outputs", "'image' tensor<?x784xf32" in info and "'scores' tensor<?x10xf32" in info, info)
    fixed = call(dsc, "info", text, "--dim", "batch=1").stdout
    report.check("README.md: --dim", "'image' tensor<1x784xf32>" in fixed and "'scores' tensor<1x10xf32>" in fixed, fixed)
    np.save(work / "output_0.npy", want)
    for args in (["check", text, "--expect", work], ["bench", text, "--inputs", work, "--seconds=0.05"], ["profile", text, "--inputs", work, "--seconds=0.05"],
                 ["compile", text, "-o", work / "mlp.o"], ["compile", text, "--dim", "batch=1", "-o", work / "mlp.so"], ["opt", text, "-o", work / "again.mlir", "--passes="]):
        result = call(dsc, *args)
        report.check("README.md: dsc %s" % args[0], result.returncode == 0, result.stderr)
    np.save(work / "output_0.npy", want + 1)
    report.check("README.md: check finds a difference", call(dsc, "check", text, "--expect", work).returncode == 1)
    report.check("README.md: what opt prints is the same graph", close(run_graph(dsc, work / "again.mlir", [x], work), [want]))
    header = (work / "mlp.h").read_text()
    report.check("README.md: members", re.search(r"\bimage; ", header) and re.search(r"\bscores; ", header), header)
    refused = call(dsc, "check", text, "--reference=onnxruntime")
    report.check("there is no reference for text", refused.returncode == 2 and "ONNX model" in refused.stderr, refused.stderr)
    refused = call(dsc, "info", text, "--input", "w1")
    report.check("text has no initialisers", refused.returncode == 1 and "w1" in refused.stderr, refused.stderr)


# ---- graphs beside ONNX Runtime ----

def runtime(nodes, weights, inputs, outputs):
    """What ONNX Runtime says of the same graph. inputs: name -> array"""
    values = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), [None] * a.ndim) for n, a in inputs.items()]
    graph = helper.make_graph(nodes, "g", values, [helper.make_empty_tensor_value_info(o) for o in outputs],
                              [numpy_helper.from_array(a, n) for n, a in weights.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(outputs, inputs)


def cnn():
    f, node = rng_of(1), helper.make_node
    weights = {"features/0:weight": f(8, 3, 3, 3), "features/0:bias": f(8), "features/3:weight": f(16, 8, 3, 3), "features/3:bias": f(16), "classifier.weight": f(10, 256), "classifier.bias": f(10)}
    w = list(weights)
    nodes = [node("Conv", ["image", w[0], w[1]], ["c1"], pads=[1] * 4), node("Relu", ["c1"], ["r1"]), node("MaxPool", ["r1"], ["p1"], kernel_shape=[2, 2], strides=[2, 2]),
             node("Conv", ["p1", w[2], w[3]], ["c2"], pads=[1] * 4, strides=[2, 2]), node("Relu", ["c2"], ["r2"]), node("Flatten", ["r2"], ["flat"]),
             node("Gemm", ["flat", w[4], w[5]], ["scores"], transB=1)]
    return weights, nodes, [{"image": f(n, 3, 16, 16)} for n in (1, 3)], ["scores"]


def transformer():
    f, node = rng_of(2), helper.make_node
    weights = {"ln1.weight": f(64) + 1, "ln1.bias": f(64), "ln2.weight": f(64) + 1, "ln2.bias": f(64), "attn.qkv": f(64, 192), "attn.out": f(64, 64), "mlp.up": f(64, 256), "mlp.down": f(256, 64)}
    constants = {"scale": np.float32(0.25), "split": np.array([0, 0, 4, 16]), "merge": np.array([0, 0, 64])}
    nodes = [node("LayerNormalization", ["tokens", "ln1.weight", "ln1.bias"], ["n1"]), node("MatMul", ["n1", "attn.qkv"], ["qkv"]),
             node("Split", ["qkv"], ["p0", "p1", "p2"], axis=-1, num_outputs=3)]
    for i, (name, perm) in enumerate((("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3]))):
        nodes += [node("Reshape", ["p%d" % i, "split"], [name + "0"]), node("Transpose", [name + "0"], [name], perm=perm)]
    nodes += [node("MatMul", ["q", "k"], ["qk"]), node("Mul", ["qk", "scale"], ["scaled"]), node("Softmax", ["scaled"], ["weights"], axis=-1),
              node("MatMul", ["weights", "v"], ["context"]), node("Transpose", ["context"], ["rows"], perm=[0, 2, 1, 3]), node("Reshape", ["rows", "merge"], ["merged"]),
              node("MatMul", ["merged", "attn.out"], ["o"]), node("Add", ["tokens", "o"], ["x"]), node("LayerNormalization", ["x", "ln2.weight", "ln2.bias"], ["n2"]),
              node("MatMul", ["n2", "mlp.up"], ["up"]), node("Gelu", ["up"], ["act"]), node("MatMul", ["act", "mlp.down"], ["down"]), node("Add", ["x", "down"], ["block"])]
    return weights, nodes, [{"tokens": f(b, s, 64)} for b, s in ((1, 1), (2, 19))], ["block"], constants


def gru():
    f = rng_of(3)
    weights = {"gru.w": f(2, 21, 5), "gru.r": f(2, 21, 7), "gru.b": f(2, 42)}
    nodes = [helper.make_node("GRU", ["input", "gru.w", "gru.r", "gru.b", "", "start"], ["states", "last"], direction="bidirectional", hidden_size=7)]
    return weights, nodes, [{"input": f(s, b, 5), "start": f(2, b, 7)} for s, b in ((1, 1), (9, 4))], ["states", "last"]


def samples(dsc, report, work):
    for make in (cnn, transformer, gru):
        weights, nodes, calls, outputs, *constants = make()
        text = work / (make.__name__ + ".mlir")
        shutil.copy(ROOT / "tests/native" / text.name, text)
        write_safetensors(text.with_suffix(".safetensors"), weights)
        info = call(dsc, "info", text).stdout
        names = re.findall(r"put \d+: '(\w+)'", info)
        report.check("%s: names" % text.name, names == [*calls[0], *outputs], info)
        for inputs in calls:
            want = runtime(nodes, {**weights, **(constants[0] if constants else {})}, inputs, outputs)
            got = run_graph(dsc, text, inputs.values(), work, "--threads=2")
            report.check("%s beside ONNX Runtime, %s" % (text.name, [a.shape for a in inputs.values()]), close(got, want), got)
        result = call("mlir-opt-19", "--allow-unregistered-dialect", text)
        report.check("%s is MLIR" % text.name, result.returncode == 0, result.stderr)
        again = work / "again.mlir"
        again.write_text(result.stdout)
        report.check("%s as mlir-opt prints it" % text.name, close(run_graph(dsc, again, calls[-1].values(), work), want))
        for stop in ("decompose", "fuse", "hoist"):
            result = call(dsc, "opt", text, "--stop-after=" + stop, "-o", again)
            report.check("%s after %s" % (text.name, stop), result.returncode == 0 and close(run_graph(dsc, again, calls[-1].values(), work), want), result.stderr)


# ---- weights ----

CAST = """module attributes {ds.weights = "w.safetensors"} {
  func.func @main(%%x: tensor<1xf32>) -> tensor<*xf32> {
    %%w = "onnx.Constant"() {value = dense_resource<w> : %s} : () -> %s
    %%c = "onnx.Cast"(%%w) {to = 1} : (%s) -> tensor<*xf32>
    %%y = "onnx.Add"(%%x, %%c) : (tensor<1xf32>, tensor<*xf32>) -> tensor<*xf32>
    func.return %%y : tensor<*xf32>
  }
}
"""


def element_types(dsc, report, work):
    """Odd numbers of bytes before them: nothing is aligned."""
    values = np.array([[0, 1, 5], [100, 3, 2]])
    kinds = {"f64": np.float64, "f32": np.float32, "f16": np.float16, "i64": np.int64, "i32": np.int32, "i16": np.int16, "i8": np.int8, "ui8": np.uint8, "i1": np.bool_, "bf16": None}
    for elem, kind in kinds.items():
        array = values.astype(kind) if kind else (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
        write_safetensors(work / "w.safetensors", {"before": np.zeros(3, np.int8), "w": array, "": np.zeros((0, 4), np.float32)}, {"w": "BF16"} if not kind else {})
        want = values.astype(kind).astype(np.float32) + 1 if kind else values.astype(np.float32) + 1
        for written in ("tensor<2x3x%s>" % elem, "tensor<*x%s>" % elem):
            (work / "w.mlir").write_text(CAST % (written, written, written))
            got = run_graph(dsc, work / "w.mlir", [np.ones(1, np.float32)], work)
            report.check("weights of %s" % written, close(got, [want]), got)


FEW = """module attributes {ds.weights = "w.safetensors"} {
  func.func @main(%%x: tensor<7x37xf32>) -> (tensor<37x7xf32>, tensor<7x20xf32>, tensor<14x37xf32>) {
    %%w = "onnx.Constant"() {value = dense_resource<w> : %(type)s} : () -> %(type)s
    %%b = "onnx.Constant"() {value = dense<[0, 5]> : tensor<2xi64>} : () -> tensor<2xi64>
    %%e = "onnx.Constant"() {value = dense<[7, 25]> : tensor<2xi64>} : () -> tensor<2xi64>
    %%q = "onnx.CastLike"(%%x, %%w) : (tensor<7x37xf32>, %(type)s) -> %(type)s
    %%t = "onnx.Transpose"(%%w) {perm = [1, 0]} : (%(type)s) -> none
    %%s = "onnx.Slice"(%%q, %%b, %%e) : (%(type)s, tensor<2xi64>, tensor<2xi64>) -> none
    %%c = "onnx.Concat"(%%q, %%w) {axis = 0} : (%(type)s, %(type)s) -> none
    %%0 = "onnx.Cast"(%%t) {to = 1} : (none) -> none
    %%1 = "onnx.Cast"(%%s) {to = 1} : (none) -> none
    %%2 = "onnx.Cast"(%%c) {to = 1} : (none) -> none
    func.return %%0, %%1, %%2 : none, none, none
  }
}
"""


FEW_RESULT = """  func.func @main(%%x: tensor<8xf32>) -> %(type)s {
    %%w = "onnx.Constant"() {value = dense_resource<w> : %(type)s} : () -> %(type)s
    %%y = "onnx.CastLike"(%%x, %%w) : (tensor<8xf32>, %(type)s) -> none
    func.return %%y : none
  }
"""


def few_bits(dsc, report, work):
    """Elements that share bytes follow each other as bits, low ones first: constants and what a call makes of floats, moved about."""
    rng, text, again = np.random.default_rng(3), work / "few.mlir", work / "again.mlir"
    for bits in (2, 3, 4):
        for kind, low in (("i", -(1 << bits - 1)), ("ui", 0)):
            x, w = rng.integers(low, low + (1 << bits), (2, 7, 37))
            want = [v.astype(np.float32) for v in (w.T, x[:, 5:25], np.concatenate([x, w]))]
            each = np.packbits((w[..., None] >> np.arange(bits) & 1).reshape(-1).astype(np.uint8), bitorder="little")
            write_safetensors(work / "w.safetensors", {"w": each})
            text.write_text(FEW % {"type": "tensor<7x37x%s%d>" % (kind, bits)})
            inputs = [x.astype(np.float32)]
            for flag in ("--cpu=x86-64", "--cpu=x86-64-v3", "--threads=2", "--poison", "--without=fuse"):
                got = run_graph(dsc, text, inputs, work, flag)
                report.check("%s%d %s" % (kind, bits, flag), close(got, want), got)
            for stop in ("decompose", "fuse", "hoist"):
                result = call(dsc, "opt", text, "--stop-after=" + stop, "-o", again)
                report.check("%s%d after %s" % (kind, bits, stop), result.returncode == 0 and close(run_graph(dsc, again, inputs, work), want), result.stderr)
    text.write_text('module attributes {ds.weights = "w.safetensors"} {\n%s}\n' % (FEW_RESULT % {"type": "tensor<8xi3>"}))
    write_safetensors(work / "w.safetensors", {"w": np.zeros(3, np.uint8)})
    result = call(dsc, "compile", text, "-o", work / "few.o")
    report.check("results of i3 are bytes", result.returncode == 0 and "i3[8], as uint8_t" in (work / "few.h").read_text(), result.stderr)
    data = work / "few"
    data.mkdir(exist_ok=True)
    (data / "input_0.pb").write_bytes(numpy_helper.from_array(np.zeros(8, np.float32)).SerializeToString())
    result = call(dsc, "run", text, "--inputs", data, "--outputs", data)
    report.check("no ONNX tensor of i3", result.returncode == 1 and "no element type i3" in result.stderr, result.stderr)


def large_file(dsc, report, work):
    """One tensor of a gigabyte beside those that are read: mapped, so the process stays small."""
    rows = 1 << 18
    header = json.dumps({"table": {"dtype": "F32", "shape": [rows, 1024], "data_offsets": [0, rows * 4096]}}).encode()
    with open(work / "w.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + rows * 4096)
    (work / "w.mlir").write_text("""module attributes {ds.weights = "w.safetensors"} {
  func.func @main(%%ids: tensor<?xi64>) -> tensor<?x1024xf32> {
    %%w = "onnx.Constant"() {value = dense_resource<table> : tensor<%dx1024xf32>} : () -> tensor<*xf32>
    %%y = "onnx.Gather"(%%w, %%ids) : (tensor<*xf32>, tensor<?xi64>) -> tensor<?x1024xf32>
    func.return %%y : tensor<?x1024xf32>
  }
}
""" % rows)
    limit = lambda: resource.setrlimit(resource.RLIMIT_DATA, (256 << 20, 256 << 20))
    result = call(dsc, "info", work / "w.mlir", preexec_fn=limit)
    report.check("a large file is mapped", result.returncode == 0, result.stderr)
    (work / "w.safetensors").unlink()


def spoiled(header, name="w", **entries):
    header[name].update(entries)


def bad_weights(dsc, report, work):
    """Each is an error that names the file and the tensor."""
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    cases = [
        ("missing", lambda h: h.pop("w") and None, ["'w'", "no tensor"]),
        ("a slip", lambda h: h.update(W=h.pop("w")), ["no tensor 'w'", "is it W?"]),
        ("another shape", lambda h: spoiled(h, shape=[3, 2]), ["'w'", "tensor<3x2xf32>, not tensor<2x3xf32>"]),
        ("another type", lambda h: spoiled(h, dtype="I32"), ["'w'", "tensor<2x3xi32>, not tensor<2x3xf32>"]),
        ("a type that dsc lacks", lambda h: spoiled(h, dtype="F6_E2M3"), ["'w'", "F6_E2M3 of shape [2, 3]"]),
        ("another size", lambda h: spoiled(h, shape=[2, 4]), ["'w'", "24 bytes"]),
        ("behind the end", lambda h: spoiled(h, data_offsets=[8, 32]), ["'w'", "ends at byte 32 of 28"]),
        ("far behind the end", lambda h: spoiled(h, data_offsets=[1 << 60, (1 << 60) + 24]), ["'w'", "data_offsets"]),
        ("backwards", lambda h: spoiled(h, data_offsets=[24, 0]), ["'w'", "data_offsets"]),
        ("negative", lambda h: spoiled(h, data_offsets=[-24, 0]), ["'w'", "data_offsets"]),
        ("half a byte", lambda h: spoiled(h, data_offsets=[0.5, 24.5]), ["'w'", "data_offsets"]),
        ("offsets as text", lambda h: spoiled(h, data_offsets=["0", "24"]), ["'w'", "data_offsets"]),
        ("three offsets", lambda h: spoiled(h, data_offsets=[0, 24, 24]), ["'w'", "data_offsets"]),
        ("no offsets", lambda h: h["w"].pop("data_offsets") and None, ["'w'", "data_offsets"]),
        ("no dtype", lambda h: h["w"].pop("dtype") and None, ["'w'", "dtype"]),
        ("no shape", lambda h: h["w"].pop("shape") and None, ["'w'", "shape"]),
        ("a negative extent", lambda h: spoiled(h, shape=[-2, -3]), ["'w'", "shape"]),
        ("extents that overflow", lambda h: spoiled(h, shape=[1 << 40, 1 << 40]), ["'w'", "shape"]),
        ("overlapping", lambda h: spoiled(h, "v", data_offsets=[23, 27]), ["'v'", "over tensor 'w'"]),
        ("twice", lambda h: json.dumps(h).encode()[:-1] + b', "w": ' + json.dumps(h["w"]).encode() + b"}", ["'w'", "twice"]),
        ("no JSON", lambda h: b'{"w": {"dtype": ', ["no JSON", "byte"]),
        ("no object", lambda h: b"[1, 2]", ["no JSON object"]),
        ("an entry that is none", lambda h: h.update(w=3), ["'w'", "dtype"]),
        ("text behind", lambda h: json.dumps(h).encode() + b" x", ["behind its header"]),
        ("empty", lambda h: b"", ["no JSON"]),
    ]
    text = work / "w.mlir"
    text.write_text(CAST % (("tensor<2x3xf32>",) * 3))
    path = work / "w.safetensors"
    for what, edit, words in cases:
        write_safetensors(path, {"w": array, "v": np.zeros(1, np.float32)}, edit=edit)
        result = call(dsc, "compile", text, "-o", work / "w.o")
        good = result.returncode == 1 and all(w in result.stderr for w in words + ["w.safetensors"]) and re.search(r"w.mlir:3:5[27]: ", result.stderr)
        report.check("weights, %s" % what, good, "exit %d: %s" % (result.returncode, result.stderr))
    for what, raw in (("shorter than its header", struct.pack("<Q", 100) + b"{}"), ("7 bytes", b"1234567"), ("a huge header", struct.pack("<Q", 1 << 62) + b"{}")):
        path.write_bytes(raw)
        result = call(dsc, "compile", text, "-o", work / "w.o")
        report.check("weights, " + what, result.returncode == 1 and "w.safetensors" in result.stderr, result.stderr)
    path.unlink()
    result = call(dsc, "compile", text, "-o", work / "w.o")
    report.check("weights that are not there", result.returncode == 1 and "w.safetensors" in result.stderr and "w.mlir:3:52: note" in result.stderr, result.stderr)


# ---- errors ----

def positions(dsc, report, work):
    """The line with a caret below; JSON has numbers; what a terminal would obey is not printed."""
    text = work / "bad.mlir"
    text.write_text('func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {\n\t%y = "onnx.Relu"(%z) : (tensor<2xf32>) -> tensor<2xf32>\n')
    result = call(dsc, "compile", text, "-o", work / "bad.o")
    want = '%s:2:19: error: value %%z is not defined [DS0102]\n  \t%%y = "onnx.Relu"(%%z) : (tensor<2xf32>) -> tensor<2xf32>\n  \t%s^\n' % (text, " " * 17)
    report.check("an error with its line", result.stderr == want, result.stderr)
    piped = call(dsc, "opt", "-", input=text.read_text())
    report.check("an error in standard input", piped.stderr == want.replace(str(text), "<stdin>"), piped.stderr)
    said = json.loads(call(dsc, "compile", text, "-o", work / "bad.o", "--diagnostics=json").stderr.splitlines()[0])
    report.check("an error as JSON", (said["line"], said["column"], said["file"]) == (2, 19, str(text)), said)
    long = "// \x1b[31m\n" + "func.func @main(%x: tensor<2xf32>) -> (tensor<2xf32>) {" + " " * 300 + "\x1b%%%%" + "z" * 300
    text.write_text(long)
    result = call(dsc, "compile", text, "-o", work / "bad.o")
    lines = result.stderr.splitlines()
    report.check("a long line is cut, and shows no controls", result.returncode == 1 and "\x1b" not in result.stderr and len(lines) == 3 and len(lines[1]) < 130, result.stderr)


def run(env, report):
    work = env.work / "native"
    work.mkdir(parents=True, exist_ok=True)
    for part in (readme_sample, samples, element_types, few_bits, large_file, bad_weights, positions):
        part(env.dsc, report, work)
