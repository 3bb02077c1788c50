"""`dsc run --generate`: small decoders with each kind of cache beside a loop over ONNX Runtime, drawing beside a generator of its own,
and what is refused."""
import math

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WORDS, WIDTH, HEADS, SIZE, LAYERS, ROOM = 61, 16, 2, 8, 2, 40
PROMPT = [3, 14, 15, 9, 26]


class Graph:
    """A decoder's graph: nodes in order, weights by seed."""

    def __init__(self, seed=7):
        self.rng, self.nodes, self.weights, self.inputs, self.outputs = np.random.default_rng(seed), [], [], [], []

    def op(self, kind, *operands, results=1, domain="", **attributes):
        names = ["%s_%d_%d" % (kind, len(self.nodes), i) for i in range(results)]
        self.nodes.append(helper.make_node(kind, list(operands), names, domain=domain, **attributes))
        return names[0] if results == 1 else names

    def constant(self, value):
        name = "weight_%d" % len(self.weights)
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def ints(self, *values):
        return self.constant(np.array(values, np.int64))

    def matrix(self, rows, columns, scale=1.0):
        return self.constant((self.rng.standard_normal((rows, columns)) * scale / math.sqrt(rows)).astype(np.float32))

    def give(self, value, name, elem, dims):
        self.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, elem, dims))

    def take(self, name, elem, dims):
        self.inputs.append(helper.make_tensor_value_info(name, elem, dims))
        return name

    def save(self, path, opset=17):
        graph = helper.make_graph(self.nodes, "decoder", self.inputs, self.outputs, self.weights)
        opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)


def heads_of(g, x, weight):
    split = g.op("Reshape", g.op("MatMul", x, weight), g.ints(0, 0, HEADS, SIZE))
    return g.op("Transpose", split, perm=[0, 2, 1, 3])


def rows_of_bytes(g, x, kind):
    """Each head's vector as whole numbers up to 127 and a scale, and these as floats again."""
    flat = kind == "grouped"
    split = g.op("Reshape", x, g.ints(0, 0, HEADS, SIZE)) if flat else x
    top = g.op("ReduceMax", g.op("Abs", split), g.ints(-1)) if kind in ("fixed", "standard") else g.op("ReduceMax", g.op("Abs", split), axes=[-1])
    scale = g.op("Div", top, g.constant(np.float32(127)))
    bytes_ = g.op("Round", g.op("Div", split, scale))
    back = g.op("Mul", bytes_, scale)
    return g.op("Reshape", back, g.ints(0, 0, HEADS * SIZE)) if flat else back


def attended(g, q, keys, values, positions, total):
    """Each query sees the keys up to its own place; keys are [batch, heads, total, size]."""
    scores = g.op("Mul", g.op("MatMul", q, g.op("Transpose", keys, perm=[0, 1, 3, 2])), g.constant(np.float32(SIZE ** -0.5)))
    places = g.op("Range", g.constant(np.int64(0)), total, g.constant(np.int64(1)))
    seen = g.op("LessOrEqual", places, g.op("Unsqueeze", positions, g.ints(1, 3)))
    scores = g.op("Where", seen, scores, g.constant(np.float32(-1e9)))
    mixed = g.op("Transpose", g.op("MatMul", g.op("Softmax", scores, axis=-1), values), perm=[0, 2, 1, 3])
    return g.op("Reshape", mixed, g.ints(0, 0, HEADS * SIZE))


def decoder(path, kind, batch=1, rows=False, stored=None):
    """kind: 'grow' concatenates (rows: [tokens, batch, heads, size], so along the outermost dim), 'grouped' has
    GroupQueryAttention, 'standard' Attention, 'fixed' TensorScatter into caches of ROOM. stored: a type to which new rows are rounded."""
    g, past = Graph(), ROOM if kind == "fixed" else "past"

    def rounded(x):
        if stored == TensorProto.INT8:
            return rows_of_bytes(g, x, kind)
        return g.op("Cast", g.op("Cast", x, to=stored), to=TensorProto.FLOAT) if stored else x
    ids = g.take("input_ids", TensorProto.INT64, [batch, "seq"])
    if kind != "fixed":
        mask = g.take("attention_mask", TensorProto.INT64, [batch, "total"])
        total = g.op("Gather", g.op("Shape", mask), g.constant(np.int64(1)))
    if kind == "grouped":
        last = g.op("Cast", g.op("Sub", g.op("ReduceSum", mask, g.ints(1), keepdims=0), g.constant(np.int64(1))), to=TensorProto.INT32)
        all_tokens = g.op("Cast", total, to=TensorProto.INT32)
    if kind == "fixed":
        at, total = g.take("write_indices", TensorProto.INT64, [batch]), g.constant(np.int64(ROOM))
    positions = g.take("position_ids", TensorProto.INT64, [batch, "seq"])
    x = g.op("Add", g.op("Gather", g.matrix(WORDS, WIDTH, 8), ids), g.op("Gather", g.matrix(ROOM + 8, WIDTH, 8), positions))
    for layer in range(LAYERS):
        shape = [past, batch, HEADS, SIZE] if rows else [batch, HEADS, past, SIZE]
        pasts = [g.take("past_key_values.%d.%s" % (layer, what), TensorProto.FLOAT, shape) for what in ("key", "value")]
        weights = [g.matrix(WIDTH, HEADS * SIZE, 2) for _ in range(3)]
        if kind == "grouped":
            query, *new = [g.op("MatMul", x, w) for w in weights]
            flat = [query, *map(rounded, new)]
            mixed, *present = g.op("GroupQueryAttention", *flat, *pasts, last, all_tokens, results=3, domain="com.microsoft",
                                   num_heads=HEADS, kv_num_heads=HEADS)
        else:
            q, *new = [heads_of(g, x, w) for w in weights]
            new = [*map(rounded, new)]
            if kind == "standard":
                mixed, *present = g.op("Attention", q, *new, "", *pasts, results=3, is_causal=1)
                mixed = g.op("Reshape", g.op("Transpose", mixed, perm=[0, 2, 1, 3]), g.ints(0, 0, HEADS * SIZE))
            elif kind == "fixed":
                present = [g.op("TensorScatter", p, n, at, axis=2) for p, n in zip(pasts, new)]
            elif rows:
                present = [g.op("Concat", p, g.op("Transpose", n, perm=[2, 0, 1, 3]), axis=0) for p, n in zip(pasts, new)]
            else:
                present = [g.op("Concat", p, n, axis=2) for p, n in zip(pasts, new)]
            seen = [g.op("Transpose", p, perm=[1, 2, 0, 3]) for p in present] if rows else present
            if kind != "standard":
                mixed = attended(g, q, *seen, positions, total)
        x = g.op("Add", x, g.op("MatMul", mixed, g.matrix(HEADS * SIZE, WIDTH, 2)))
        for what, value in zip(("key", "value"), present):
            g.give(value, "present.%d.%s" % (layer, what), TensorProto.FLOAT, [None] * 4)
    g.give(g.op("MatMul", x, g.matrix(WIDTH, WORDS)), "logits", TensorProto.FLOAT, [batch, "seq", WORDS])
    g.save(path, {"fixed": 24, "standard": 23}.get(kind, 17))


def reference(path, count, choose):
    """The loop that a caller of ONNX Runtime writes."""
    import onnxruntime
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    shapes = {i.name: [d if isinstance(d, int) else 0 for d in i.shape] for i in session.get_inputs()}
    caches = {name: np.zeros(shape, np.float32) for name, shape in shapes.items() if name.startswith("past")}
    fresh, past, out = PROMPT, 0, []
    for _ in range(count):
        fed = {"input_ids": np.array([fresh], np.int64), "attention_mask": np.ones((1, past + len(fresh)), np.int64),
               "position_ids": np.arange(past, past + len(fresh), dtype=np.int64)[None], **caches}
        got = dict(zip([o.name for o in session.get_outputs()], session.run(None, {n: v for n, v in fed.items() if n in shapes})))
        past += len(fresh)
        caches = {name: got[name.replace("past_key_values", "present")] for name in caches}
        out.append(choose(got["logits"][0, -1].astype(np.float64)))
        fresh = [out[-1]]
    return out


def drawer(temperature, top_k, seed):
    """What tools/generate.h says of the generator, again."""
    state, mask = seed, (1 << 64) - 1

    def choose(logits):
        nonlocal state
        state = (state + 0x9e3779b97f4a7c15) & mask
        z = state
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9 & mask
        z = (z ^ z >> 27) * 0x94d049bb133111eb & mask
        u = ((z ^ z >> 31) >> 11) / 2.0 ** 53
        order = sorted(range(len(logits)), key=lambda i: (-logits[i], i))[:top_k] if top_k else range(len(logits))
        weights = [math.exp((logits[i] - max(logits)) / temperature) for i in order]
        up_to = 0.0
        for i, weight in zip(order, weights):
            up_to += weight
            if up_to > u * sum(weights):
                return i
        return order[-1]
    return choose


def check_models(report, sh, dsc, work):
    (work / "prompt.txt").write_text(", ".join(map(str, PROMPT)) + "\n")
    np.save(work / "prompt.npy", np.array([PROMPT], np.int64))
    aliases = "--alias=past*=present*"
    for name, kind, rows in (("grow", "grow", False), ("rows", "grow", True), ("grouped", "grouped", False), ("fixed", "fixed", False)):
        decoder(work / (name + ".onnx"), kind, rows=rows)
    greedy = reference(work / "grow.onnx", 24, lambda logits: int(logits.argmax()))
    report.check("the reference is no constant", len(set(greedy)) > 6, greedy)
    report.check("grouped attention is the same", reference(work / "grouped.onnx", 24, lambda logits: int(logits.argmax())) == greedy)
    for name, options in (("grow", []), ("grow", ["--threads=2"]), ("grow", ["--dim=seq=1"]), ("grow", ["--feed=past_key_values*=present*"]),
                          ("grow", [aliases]), ("grow", [aliases, "--threads=2"]), ("grow", [aliases, "--dim=seq=1", "--verify-each"]),
                          ("grow", ["--alias=past_key_values.0.key=present.0.key", "--feed=past*=present*"]),
                          ("rows", []), ("rows", [aliases]), ("rows", [aliases, "--threads=2"]), ("grouped", []), ("grouped", [aliases]),
                          ("grouped", [aliases, "--threads=2"]), ("grouped", [aliases, "--dim=past=%d" % ROOM]), ("fixed", []), ("fixed", [aliases]),
                          ("fixed", [aliases, "--verify-each"])):
        result = sh(dsc, "run", work / (name + ".onnx"), "--generate=24", "--ids", work / "prompt.txt", *options)
        what = "generate %s %s" % (name, " ".join(options))
        report.check(what, result.returncode == 0 and result.stdout == " ".join(map(str, greedy)) + "\n", result.stderr + result.stdout)
        report.check(what + ": rates", all(word in result.stderr for word in ("prompt: 5 tokens", "decode: 23 tokens", "MiB: weights")), result.stderr)
    for temperature, top_k, seed in ((0.7, 0, 1), (1.0, 5, 2), (2.5, 20, 2 ** 40), (0.01, 3, 0)):
        want = reference(work / "grow.onnx", 30, drawer(temperature, top_k, seed))
        result = sh(dsc, "run", work / "grow.onnx", "--generate=30", "--ids", work / "prompt.npy", "--temperature=%g" % temperature,
                    "--top-k=%d" % top_k, "--seed=%d" % seed, "-o", work / "drawn.npy")
        got = np.load(work / "drawn.npy").tolist() if result.returncode == 0 else result.stderr
        report.check("draw at %g from %d" % (temperature, top_k), got == want, "%s, not %s" % (got, want))


def stored_bytes(values, elem):
    """f32 as a .npy file has elements of 16 bits: bf16 as raw bytes. The numbers are representable."""
    if elem == "f16":
        return values.astype(np.float16)
    return (values.view(np.uint32) >> 16).astype(np.uint16).view("V2")


def numbers(values, elem):
    if elem == "f16":
        return values.astype(np.float32)
    return (np.ascontiguousarray(values).view(np.uint16).astype(np.uint32) << 16).view(np.float32)


def in_bytes(rows):
    """What ir/stored.h says of rows and their scales."""
    top = np.abs(rows).max(axis=-1, keepdims=True)
    scales = np.where(top > np.float32(2.0 ** -100), top / np.float32(127), np.float32(1)).astype(np.float32)
    return np.clip(np.rint(rows / scales), -128, 127).astype(np.int8), scales


def one_call(sh, dsc, work, model, arrays, *options):
    """Outputs by name, or what went wrong."""
    folder, out = work / "in", work / "out"
    for path in (folder, out):
        path.mkdir(exist_ok=True)
        for old in path.iterdir():
            old.unlink()
    for i, value in enumerate(arrays):
        np.save(folder / ("input_%d.npy" % i), value)
    result = sh(dsc, "run", model, "--inputs", folder, "--outputs", out, *options)
    if result.returncode:
        return result.stderr
    return [np.load(out / ("output_%d.npy" % i)) for i in range(len(list(out.glob("output_*.npy"))))]


def check_one_call(report, sh, dsc, work, name, elem, aliases):
    """Caches in a narrower type have the bits that rounding new rows gives, and old ones as they were; logits those of the rounded graph."""
    rng, past = np.random.default_rng(3), ROOM if name == "fixed" or (name == "grouped" and aliases) else 9
    shape = [past, 1, HEADS, SIZE] if name == "rows" else [1, HEADS, past, SIZE]
    caches = [(rng.integers(-64, 64, shape) / 32).astype(np.float32) for _ in range(2 * LAYERS)]
    named = {"input_ids": np.array([[3, 7]], np.int64), "attention_mask": np.ones((1, 11), np.int64), "position_ids": np.array([[9, 10]], np.int64),
             "write_indices": np.array([9], np.int64)}
    given = [i.name for i in onnx.load(work / (name + ".onnx")).graph.input if i.name in named]
    first = [named[n] for n in given]
    want = one_call(sh, dsc, work, work / ("%s_%s.onnx" % (name, elem)), first + caches, *aliases)
    got = one_call(sh, dsc, work, work / (name + ".onnx"), first + [stored_bytes(c, elem) for c in caches], "--cache-type=" + elem, *aliases)
    what = "caches of %s, %s %s" % (elem, name, " ".join(aliases))
    if isinstance(want, str) or isinstance(got, str):
        report.check(what, False, want if isinstance(want, str) else got)
        return
    same = all(np.array_equal(numbers(a, elem), b) for a, b in zip(got[:-1], want[:-1]))
    report.check(what, same and all(a.dtype.itemsize == 2 for a in got[:-1]), [np.abs(numbers(a, elem) - b).max() for a, b in zip(got[:-1], want[:-1])])
    report.check(what + ": logits", np.allclose(got[-1], want[-1], rtol=1e-5, atol=1e-5), np.abs(got[-1] - want[-1]).max())


def check_call_of_bytes(report, sh, dsc, work, name, aliases):
    """The same for bytes: they and their scales say what the rounded graph has (attention rounds in another order, so the second layer's rows may
    differ in the last bits), and are what numpy makes of the first layer's rows, bit by bit."""
    rng, past = np.random.default_rng(3), ROOM if name == "fixed" or (name == "grouped" and aliases) else 9
    shape = [past, 1, HEADS, SIZE] if name == "rows" else [1, HEADS, past, SIZE]
    pairs = [in_bytes(rng.standard_normal(shape).astype(np.float32)) for _ in range(2 * LAYERS)]
    caches = [b * s for b, s in pairs]
    named = {"input_ids": np.array([[3, 7]], np.int64), "attention_mask": np.ones((1, 11), np.int64), "position_ids": np.array([[9, 10]], np.int64),
             "write_indices": np.array([9], np.int64)}
    first = [named[i.name] for i in onnx.load(work / (name + ".onnx")).graph.input if i.name in named]
    want = one_call(sh, dsc, work, work / (name + "_i8.onnx"), first + caches, *aliases)
    plain = one_call(sh, dsc, work, work / (name + ".onnx"), first + caches, *aliases)
    got = one_call(sh, dsc, work, work / (name + ".onnx"), first + [b for b, _ in pairs] + [s for _, s in pairs], "--cache-type=i8", "--verify-each", *aliases)
    what = "caches of i8, %s %s" % (name, " ".join(aliases))
    if any(isinstance(x, str) for x in (want, plain, got)):
        report.check(what, False, [x for x in (want, plain, got) if isinstance(x, str)])
        return
    count = 2 * LAYERS
    stored = list(zip(got[:count], got[count + 1:]))
    same = all(np.allclose(b * s, w, rtol=1e-5, atol=1e-5) and b.dtype == np.int8 and s.dtype == np.float32 for (b, s), w in zip(stored, want))
    report.check(what, same and len(got) == 2 * count + 1, [np.abs(b * s - w).max() for (b, s), w in zip(stored, want)])
    tokens = 0 if name == "rows" else 2
    rows = lambda x, start, stop: np.take(x, range(start, stop), axis=tokens)
    for i, (b, s) in enumerate(stored):
        old = np.array_equal(rows(b, 0, 9), rows(pairs[i][0], 0, 9)) and np.array_equal(rows(s, 0, 9), rows(pairs[i][1], 0, 9))
        report.check(what + ": rows that were there, %d" % i, old)
        fresh = in_bytes(rows(plain[i], 9, 11))
        if i < 2:
            report.check(what + ": new rows, %d" % i, np.array_equal(rows(b, 9, 11), fresh[0]) and np.array_equal(rows(s, 9, 11), fresh[1]))
    report.check(what + ": logits", np.allclose(got[count], want[-1], rtol=1e-4, atol=1e-4), np.abs(got[count] - want[-1]).max())


def moving_model(path, kind):
    """A cache of 5 rows that is changed in one way."""
    g, rows = Graph(), 2
    past = g.take("past", TensorProto.FLOAT, [1, 5, 8])
    new = g.take("new", TensorProto.FLOAT, [1, 5 if kind == "Where" else rows, 8])
    at = g.ints(3, 1)
    if kind == "Concat":
        made = g.op("Concat", past, new, axis=1)
    elif kind == "Where":
        made = g.op("Where", g.constant(np.array([0, 1, 0, 1, 0], bool).reshape(1, 5, 1)), new, past)
    elif kind == "ScatterND":
        made = g.op("ScatterND", past, g.constant(np.array([[[0, 3], [0, 1]]], np.int64)), new)
    elif kind == "ScatterElements":
        made = g.op("ScatterElements", past, g.op("Expand", g.op("Reshape", at, g.ints(1, rows, 1)), g.op("Shape", new)), new, axis=1)
    else:
        made = g.op("Mul", past, g.op("ReduceSum", new, g.ints(1)))
    g.give(made, "present", TensorProto.FLOAT, [None] * 3)
    g.save(path, 18)


def check_moves_of_bytes(report, sh, dsc, work):
    """Ways to change a cache, with rows of zeros, of next to nothing, and of halves between bytes; and what is rounded as a whole."""
    rng = np.random.default_rng(5)
    old = in_bytes(rng.standard_normal((1, 5, 8)).astype(np.float32))
    for kind in ("Concat", "Where", "ScatterND", "ScatterElements", "Mul"):
        moving_model(work / "moves.onnx", kind)
        new = rng.standard_normal((1, 5 if kind == "Where" else 2, 8)).astype(np.float32)
        new[0, 1] = np.arange(8, dtype=np.float32) * np.float32(1e-35) if kind == "ScatterND" else 0
        new[0, 0] = [127, 0.5, 1.5, -2.5, -0.5, 126.5, -126.5, 3]
        fresh = in_bytes(new)
        want = [np.concatenate([o, f], axis=1) if kind == "Concat" else o.copy() for o, f in zip(old, fresh)]
        for w, f in zip(want, fresh):
            if kind == "Where":
                w[:, [1, 3]] = f[:, [1, 3]]
            elif kind.startswith("Scatter"):
                w[:, [3, 1]] = f
        if kind == "Mul":
            want = list(in_bytes(old[0] * old[1] * new.sum(axis=1, keepdims=True)))
        folder, out = work / "moves_in", work / "moves_out"
        folder.mkdir(exist_ok=True)
        for i, value in enumerate((old[0], new, old[1])):
            np.save(folder / ("input_%d.npy" % i), value)
        result = sh(dsc, "run", work / "moves.onnx", "--inputs", folder, "--outputs", out, "--cache-type=i8", "--alias=past=present" if kind == "ScatterND" else "--verify-each")
        good = result.returncode == 0 and all(np.array_equal(np.load(out / ("output_%d.npy" % i)), w) for i, w in enumerate(want))
        if kind == "Mul" and result.returncode == 0: # sums in another order
            good = np.abs(np.load(out / "output_0.npy").astype(int) - want[0]).max() <= 1
        report.check("bytes through " + kind, good, result.stderr)
        report.check("bytes through %s: warning" % kind, ("as a whole" in result.stderr and "'present'" in result.stderr) == (kind == "Mul"), result.stderr)


def check_stored(report, sh, dsc, work):
    """`--cache-type`: beside graphs that round new rows themselves, by ONNX Runtime and by dsc."""
    models = (("grow", "grow", False), ("rows", "grow", True), ("grouped", "grouped", False), ("fixed", "fixed", False), ("standard", "standard", False))
    decoder(work / "standard.onnx", "standard")
    for elem, proto in (("bf16", TensorProto.BFLOAT16), ("f16", TensorProto.FLOAT16), ("i8", TensorProto.INT8)):
        check_one = check_one_call if elem != "i8" else lambda *a: check_call_of_bytes(*a[:5], a[6])
        for name, kind, rows in models:
            decoder(work / ("%s_%s.onnx" % (name, elem)), kind, rows=rows, stored=proto)
        want = reference(work / ("grow_%s.onnx" % elem), 24, lambda logits: int(logits.argmax()))
        for name, _, _ in models:
            for aliases in ([], ["--alias=past*=present*"]):
                result = sh(dsc, "run", work / (name + ".onnx"), "--generate=24", "--ids", work / "prompt.txt", "--cache-type=" + elem, "--verify-each", *aliases)
                report.check("generate %s with caches of %s %s" % (name, elem, " ".join(aliases)), result.stdout == " ".join(map(str, want)) + "\n",
                             result.stderr + result.stdout)
                check_one(report, sh, dsc, work, name, elem, aliases)
            if name in ("grow", "standard"): # all extents are known: both products and what lies between go block by block
                check_one(report, sh, dsc, work, name, elem, ["--dim=seq=2", "--dim=past=9", *(["--dim=total=11"] if name == "grow" else [])])
            result = sh(dsc, "compile", work / (name + ".onnx"), "--cache-type=" + elem, "--dim=seq=1", "--report", "--verify-each", "-o", work / "stored.o")
            report.check("products take %s, %s" % (elem, name), result.stdout.count("of f32 x " + elem) == 2 * LAYERS, result.stdout + result.stderr)
    result = sh(dsc, "info", work / "grow.onnx", "--cache-type=bf16")
    report.check("info of caches", result.stdout.count("xbf16") == 4 * LAYERS, result.stdout + result.stderr)
    result = sh(dsc, "info", work / "grow.onnx", "--cache-type=i8")
    report.check("info of caches of bytes", result.stdout.count("x8xi8") == 4 * LAYERS and result.stdout.count("_scale' tensor<1x2x?x1xf32") == 4 * LAYERS, result.stdout)
    check_moves_of_bytes(report, sh, dsc, work)
    named = ["--feed=past_key_values.0.key=key", "--feed=past_key_values.1.key=present.1.key", "--feed=past*value=present*value"]
    model = onnx.load(work / "grow.onnx")
    for node in model.graph.node:
        node.output[:] = ["key" if n == "present.0.key" else n for n in node.output]
    for value in model.graph.output:
        value.name = "key" if value.name == "present.0.key" else value.name
    onnx.save(model, work / "apart.onnx")
    result = sh(dsc, "run", work / "apart.onnx", "--generate=24", "--ids", work / "prompt.txt", "--cache-type=i8", *named)
    report.check("scales are fed with their caches", result.stdout == " ".join(map(str, want)) + "\n", result.stderr + result.stdout)
    for options, code, words in ((["--cache-type=f32"], 2, ["--cache-type", "f32"]), (["--cache-type=i8x"], 2, ["--cache-type"]),
                                 (["--cache-type=f16", "--alias=input_ids=logits"], 1, ["input_ids", "i64", "f16"]),
                                 (["--cache-type=f16", "--alias=none*=present*"], 1, ["none*"])):
        result = sh(dsc, "compile", work / "grow.onnx", *options, "-o", work / "stored.o")
        report.check("refuse " + " ".join(options), result.returncode == code and all(w in result.stderr for w in words), result.stderr)


def check_refusals(report, sh, dsc, work):
    files = {"empty.txt": "", "spaces.txt": " \n", "word.txt": "1 2 three", "float.txt": "1 2.5", "large.txt": "1 %d" % WORDS, "negative.txt": "1 -2",
             "huge.txt": "1 99999999999999999999", "zero.txt": "1 2\0 3"}
    for name, text in files.items():
        (work / name).write_text(text)
    np.save(work / "two.npy", np.zeros((2, 3), np.int64))
    np.save(work / "none.npy", np.zeros((1, 0), np.int64))
    np.save(work / "floats.npy", np.zeros(3, np.float32))
    decoder(work / "batch.onnx", "grow", batch=2)
    model = onnx.load(work / "grow.onnx")
    for node in model.graph.node:
        if node.op_type == "Concat":
            node.input[:] = node.input[::-1]
    onnx.save(model, work / "front.onnx")
    for name, changes in (("unknown", {"position_ids": "places"}), ("nameless", {"input_ids": "tokens"}), ("unpaired", {"present.0.key": "key"}),
                          ("between", {"present.0.key": "present.a.0.key", "present.1.key": "present.b.0.key"})):
        model = onnx.load(work / "grow.onnx")
        for value in list(model.graph.input) + list(model.graph.output):
            value.name = changes.get(value.name, value.name)
        for node in model.graph.node:
            for names in (node.input, node.output):
                names[:] = [changes.get(n, n) for n in names]
        onnx.save(model, work / (name + ".onnx"))
    good = ["--generate=3", "--ids=" + str(work / "prompt.txt")]
    ids = lambda name: ["--generate=3", "--ids=" + str(work / name)]
    cases = [("grow", ids(name), 1, [name]) for name in [*files, "two.npy", "none.npy", "floats.npy", "missing.txt", "missing.npy"]]
    cases += [("grow", ["--generate=%s" % n, good[1]], 2, ["generate"]) for n in ("-1", "x", "", "1.5", "99999999999999999999", "4294967296")]
    cases += [("grow", good + [option], 2, [option.split("=")[0]]) for option in
              ("--temperature=hot", "--temperature=-1", "--temperature=nan", "--top-k=-1", "--seed=x", "--feed=past", "--feed==", "--alias=past*=present", "--alias=a=b=c")]
    cases += [("grow", good + ["--inputs=."], 2, ["inputs"]), ("grow", ["--generate=3"], 2, ["--ids"]), ("grow", ["--seed=1"], 2, ["--seed", "--generate"]),
              ("grow", good + ["--alias=nothing*=present*"], 1, ["nothing*"]), ("grow", good + ["--alias=past*=nothing*"], 1, ["past_key_values.0.key", "nothing*"]),
              ("front", good + ["--alias=past*=present*"], 3, ["past_key_values.0.key", "present.0.key", "dim 2", "no Concat of new rows"]),
              ("grow", good + ["--alias=input_ids=logits"], 1, ["input_ids", "logits", "element types"]),
              ("grow", good + ["--alias=past_key_values.0.key=logits"], 1, ["past_key_values.0.key", "logits", "rank"]),
              ("grow", good + ["-o", str(work / "no/such/folder.txt")], 1, ["folder.txt"]), ("grow", good + ["-o", str(work / "no/such/folder.npy")], 1, ["folder.npy"]),
              ("grow", good + ["--dim=past=3"], 3, ["past_key_values.0.key", "fixed length"]), ("grow", good + ["--dim=seq=2"], 3, ["input_ids"]),
              ("batch", good, 3, ["input_ids", "several sequences"]), ("unknown", good, 3, ["places"]), ("nameless", good, 1, ["input_ids"]),
              ("unpaired", good, 1, ["past_key_values.0.key"]), ("between", good, 1, ["past_key_values.0.key", "present.a.0.key"]),
              ("fixed", ["--generate=%d" % (ROOM - 3), good[1]], 1, [str(ROOM)])]
    for model, options, code, words in cases:
        result = sh(dsc, "run", work / (model + ".onnx"), *options)
        fine = result.returncode == code and all(word in result.stderr for word in words) and not result.stdout
        report.check("refuse %s %s" % (model, " ".join(options)), fine, "%d %s" % (result.returncode, result.stderr[-600:]))
    report.check("nothing half-written", not (work / "no").exists())
    result = sh(dsc, "run", work / "grow.onnx", "--generate=0", good[1])
    report.check("generate nothing", result.returncode == 0 and result.stdout == "\n" and "prompt: 5" in result.stderr, result.stderr)
    named = good + ["--feed=past_key_values.0.key=key", "--feed=past_key_values.1.key=present.1.key", "--feed=past*value=present*value"]
    result, plain = sh(dsc, "run", work / "unpaired.onnx", *named), sh(dsc, "run", work / "grow.onnx", *good)
    report.check("pairs by name", result.returncode == 0 and result.stdout == plain.stdout, result.stderr)


def run(env, report, sh):
    work = env.work / "generation"
    work.mkdir(parents=True, exist_ok=True)
    check_models(report, sh, env.dsc, work)
    check_stored(report, sh, env.dsc, work)
    check_refusals(report, sh, env.dsc, work)
