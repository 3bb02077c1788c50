"""Products, norms, attention, recurrent networks, losses."""
import numpy as np

from fuzz_graphs.graph import family


def float_type(g):
    return g.choice([np.float32, np.float32, np.float32, np.float64, np.float16])


@family("products", 3)
def matmul(g):
    a = g.floats(1, 4)
    k = a.shape[-1]
    way = g.int(0, 3)
    if way == 0:
        b = g.weight(k, g.extent(), dtype=a.dtype)
    elif way == 1:
        b = g.weight(k, dtype=a.dtype)
    elif way == 2:
        b = g.pick(lambda v: v.dtype == a.dtype and v.rank >= 2 and v.shape[-2] == k) or g.weight(k, g.extent(), dtype=a.dtype)
    else:
        batch = [1 if g.chance(0.4) else e for e in a.shape[:-2]]
        batch = batch[g.int(0, len(batch)):] if batch and g.chance(0.4) else batch
        if g.chance(0.2):
            batch = [g.int(1, 3)] * (len(batch) == max(0, a.rank - 2)) + batch
        b = g.data(a.dtype, batch + [k, g.extent()])
    g.add("MatMul", [a, b])


@family("products", 2)
def gemm(g):
    a = g.floats(2, 2)
    ta, tb = g.int(0, 1), g.int(0, 1)
    k, m = (a.shape[0], a.shape[1]) if ta else (a.shape[1], a.shape[0])
    n = g.extent()
    b = g.weight(*([n, k] if tb else [k, n]), dtype=a.dtype)
    c = None
    if g.chance(0.7) or g.opset < 11:
        c = g.weight(*g.choice([[n], [1, n], [m, n], [m, 1], [1], [1, 1], []]), dtype=a.dtype)
    attributes = {k: float(g.choice([0.5, 1.0, 2.0])) for k in ("alpha", "beta") if g.chance(0.3)}
    g.add("Gemm", [a, b, c], transA=ta, transB=tb, **attributes)


@family("products", 2)
def einsum(g):
    sizes = {c: g.choice([1, 2, 3, 4, 5, 8]) for c in "abcdij"}
    equation = g.choice(["ab,bc->ac", "ab,cb->ac", "abc,acd->abd", "abi,abj->aij", "ab->ba", "ab->a", "ab->", "ab,ab->ab", "a,b->ab", "abc,cd,d->ab", "abci,abcj->abij",
                         "abc->cab", "aab->ab", "aa->a", "abcd,abce->abde".replace("e", "i"), "...ab,...bc->...ac", "...a->...", "ab,bc", "a...,a...->...", "abc,b->ac"])
    operands = []
    for term in equation.split("->")[0].split(","):
        dims = []
        for part in term.replace("...", ".").strip():
            dims += [2, 3] if part == "." else [sizes[part]]
        operands.append(g.data(np.float32, dims))
    g.add("Einsum", operands, equation=equation)


@family("norms", 2)
def layer_norm(g):
    x = g.floats(1)
    axis = g.axis(x.rank)
    dims = x.shape[axis:]
    op = g.choice(["LayerNormalization", "LayerNormalization", "RMSNormalization"])
    bias = [g.weight(*dims, dtype=x.dtype)] if op[0] == "L" and g.chance(0.7) else []
    outputs = g.choice([1, 1, 3]) if op[0] == "L" else 1
    g.add(op, [x, g.weight(*dims, dtype=x.dtype, low=0.5, high=1.5)] + bias, outputs, axis=axis, **({"epsilon": 1e-3} if g.chance(0.5) else {}))


@family("norms", 2)
def batch_norm(g):
    x = g.floats(2, 5)
    c = x.shape[1]
    training = g.opset >= 14 and g.chance(0.25)
    parameters = [g.weight(c, dtype=x.dtype, low=low, high=1.5) for low in (0.5, -1.0, -1.0, 0.5)]
    g.add("BatchNormalization", [x] + parameters, 3 if training else 1, **({"training_mode": 1} if training else {}), **({"epsilon": 1e-2} if g.chance(0.5) else {}))


@family("norms")
def instance_norm(g):
    x = g.floats(3, 5)
    if x.array.size and min(x.array.shape[2:]) > 1:
        g.add("InstanceNormalization", [x] + [g.weight(x.shape[1], dtype=x.dtype, low=0.5, high=1.5) for _ in range(2)], epsilon=1e-2)


@family("norms")
def group_norm(g):
    groups, per = g.int(1, 3), g.int(1, 4)
    x = g.data(np.float32, [g.extent(), groups * per] + [g.int(2, 5) for _ in range(g.int(1, 3))])
    n = groups * per if g.opset >= 21 else groups
    g.add("GroupNormalization", [x] + [g.weight(n, low=0.5, high=1.5) for _ in range(2)], num_groups=groups, epsilon=1e-2)


@family("norms")
def other_norms(g):
    x = g.floats(2, 4)
    op = g.choice(["LpNormalization", "LRN", "MeanVarianceNormalization", "Softmax", "LogSoftmax", "Softmax"])
    if op == "LpNormalization":
        g.add(op, [x], axis=g.axis(x.rank), p=g.int(1, 2))
    elif op == "LRN":
        x = g.floats(4, 4)
        g.add(op, [x], size=g.choice([1, 3, 5]), **({"alpha": 0.1, "beta": 0.5, "bias": 2.0} if g.chance(0.5) else {}))
    elif op == "MeanVarianceNormalization":
        g.add(op, [x], axes=[int(a) for a in sorted(g.rng.permutation(x.rank)[:g.int(1, x.rank)])])
    else:
        g.add(op, [x], **({"axis": g.axis(x.rank)} if g.chance(0.8) else {}))


@family("norms")
@family("reductions")
def softmax(g):
    x = g.floats(1)
    g.add(g.choice(["Softmax", "LogSoftmax"]), [x], axis=g.axis(x.rank))


@family("attention", 3)
def attention(g):
    batch, heads, groups, s, t, e, v = g.int(1, 2), g.int(1, 2), g.int(1, 2), g.choice([1, 3, 7]), g.choice([1, 4, 9]), g.choice([2, 4, 8]), g.choice([2, 4, 5])
    attributes = {"is_causal": 1} if g.chance(0.4) else {}
    if g.chance(0.3):
        attributes["scale"] = 0.3
    if g.chance(0.2):
        attributes["softcap"] = 2.0
    past = g.choice([0, 0, 3])
    if g.chance(0.6):
        shapes = [[batch, heads * groups, s, e], [batch, heads, t, e], [batch, heads, t, v]]
    else:
        shapes = [[batch, s, heads * groups * e], [batch, t, heads * e], [batch, t, heads * v]]
        attributes.update(q_num_heads=heads * groups, kv_num_heads=heads)
    q, k, w = (g.data(np.float32, shape) for shape in shapes)
    total = t + past
    mask = None
    if g.chance(0.5):
        dims = g.choice([[s, total], [1, 1, s, total], [batch, 1, s, total], [batch, heads * groups, s, total]])
        mask = g.data(np.float32, dims) if g.chance(0.5) else g.source(g.rng.random(dims) < 0.8)
    cache = [g.data(np.float32, [batch, heads, past, n]) for n in (e, v)] if past else [None, None]
    g.add("Attention", [q, k, w, mask] + cache, 3 if past else 1, **attributes)


@family("attention")
def attention_by_hand(g):
    b, h, s, t, e = g.int(1, 2), g.int(1, 3), g.extent(), g.extent(), g.choice([4, 8, 16])
    q, k, v = g.data(np.float32, [b, h, s, e]), g.data(np.float32, [b, h, t, e]), g.data(np.float32, [b, h, t, e])
    kt = g.one("Transpose", [k], perm=[0, 1, 3, 2])
    scores = kt and g.one("MatMul", [q, kt])
    scaled = scores and g.one("Mul", [scores, g.constant(np.float32(e ** -0.5))])
    if scaled and g.chance(0.5):
        scaled = g.one("Add", [scaled, g.data(np.float32, g.choice([[s, t], [1, 1, s, t], [b, 1, 1, t]]))])
    p = scaled and g.one("Softmax", [scaled], axis=-1)
    if p and (g.opset >= 13 or p.rank == 4):
        g.one("MatMul", [p, v])


@family("attention")
def rotary(g):
    b, h, s, e = g.int(1, 2), g.int(1, 3), g.int(1, 6), g.choice([4, 8])
    three = g.chance(0.4)
    x = g.data(np.float32, [b, s, h * e] if three else [b, h, s, e])
    part = g.choice([0, e // 2]) if not three else 0
    half = (part or e) // 2
    attributes = {"interleaved": g.int(0, 1)}
    if part:
        attributes["rotary_embedding_dim"] = part
    if three:
        attributes["num_heads"] = h
    if g.chance(0.5):
        tables = [g.weight(9, half) for _ in range(2)] + [g.parameter(g.rng.integers(0, 9, (b, s)))]
    else:
        tables = [g.weight(b, s, half) for _ in range(2)]
    g.add("RotaryEmbedding", [x] + tables, **attributes)


@family("recurrent")
def recurrent(g):
    op, gates = g.choice([("RNN", 1), ("LSTM", 4), ("GRU", 3)])
    seq, batch, size, hidden = g.choice([1, 2, 5]), g.choice([1, 2, 3]), g.choice([1, 3, 4]), g.choice([1, 2, 5, 8])
    direction = g.choice(["forward", "reverse", "bidirectional"])
    d = 2 if direction == "bidirectional" else 1
    late = g.opset >= 14 and g.chance(0.2)
    x = g.data(np.float32, [batch, seq, size] if late else [seq, batch, size])
    inputs = [x, g.weight(d, gates * hidden, size), g.weight(d, gates * hidden, hidden)]
    inputs.append(g.weight(d, 2 * gates * hidden) if g.chance(0.7) else None)
    inputs.append(g.parameter(g.rng.integers(1, seq + 1, batch), np.int32) if g.chance(0.3) else None)
    state = [batch, d, hidden] if late else [d, batch, hidden]
    inputs.append(g.data(np.float32, state) if g.chance(0.4) else None)
    if op == "LSTM":
        inputs.append(g.data(np.float32, state) if g.chance(0.4) else None)
        inputs.append(g.weight(d, 3 * hidden) if g.chance(0.3) else None)
    attributes = {"direction": direction, "hidden_size": hidden}
    if late:
        attributes["layout"] = 1
    if g.chance(0.2):
        attributes["clip"] = 0.7
    if op == "GRU" and g.chance(0.5):
        attributes["linear_before_reset"] = 1
    if op == "LSTM" and g.chance(0.15):
        attributes["input_forget"] = 1
    if g.chance(0.3):
        per = {"RNN": 1, "GRU": 2, "LSTM": 3}[op]
        attributes["activations"] = [g.choice(["Tanh", "Sigmoid", "Relu", "Softsign", "Softplus", "HardSigmoid"]) for _ in range(per * d)]
    outputs = 3 if op == "LSTM" else 2
    hidden_outputs = set() if g.chance(0.6) else {g.int(0, outputs - 1)}
    g.add(op, inputs, outputs, hidden_outputs, **attributes)


@family("losses")
def loss(g):
    n, c = g.int(1, 4), g.int(2, 5)
    rest = [g.int(1, 3) for _ in range(g.int(0, 2))]
    x = g.data(np.float32, [n, c] + rest)
    labels = g.data(g.choice([np.int64, np.int32]), [n] + rest, 0, c)
    weight = g.weight(c, low=0.5, high=1.5) if g.chance(0.5) else None
    attributes = {"reduction": g.choice(["none", "sum", "mean"])}
    if g.chance(0.3):
        attributes["ignore_index"] = g.int(-1, c - 1)
    if g.chance(0.5):
        g.add("NegativeLogLikelihoodLoss", [x, labels, weight], **attributes)
    else:
        g.add("SoftmaxCrossEntropyLoss", [x, labels, weight], g.int(1, 2), **attributes)


@family("signal")
def signal(g):
    n = g.choice([4, 5, 8, 16, 7])
    way = g.int(0, 4)
    if way == 0:
        g.add(g.choice(["HannWindow", "HammingWindow", "BlackmanWindow"]), [g.parameter(np.array(n))], periodic=g.int(0, 1))
    elif way == 1:
        g.add("MelWeightMatrix", [g.parameter(np.array(v), t) for v, t in ((4, np.int64), (16, np.int64), (8000, np.int64), (0.0, np.float32), (4000.0, np.float32))])
    elif way == 2:
        frame = g.choice([4, 8])
        window = g.weight(frame, low=0.5, high=1.0) if g.chance(0.6) else None
        x = g.data(np.float32, [g.int(1, 2), g.choice([16, 20]), 1])
        g.add("STFT", [x, g.parameter(np.array(g.int(1, 4))), window, g.parameter(np.array(frame))], onesided=g.int(0, 1))
    else:
        inverse = g.int(0, 1)
        x = g.data(np.float32, [g.int(1, 2), n, g.choice([3, 4]), 2 if inverse else g.int(1, 2)])
        length = g.parameter(np.array(g.choice([n, n - 1, n + 2]))) if g.chance(0.4) else None
        if g.opset >= 20:
            g.add("DFT", [x, length, g.parameter(np.array(g.int(1, 2)))], inverse=inverse, onesided=0 if inverse or x.shape[-1] == 2 else g.int(0, 1))
        else:
            g.add("DFT", [x, length], axis=g.int(1, 2), inverse=inverse, onesided=0 if inverse or x.shape[-1] == 2 else g.int(0, 1))


@family("losses")
def local_function_like(g):
    """The composites that exporters write out: a norm by hand, GELU by hand."""
    x = g.floats(1, 4, dtypes=(np.float32,))
    if g.chance(0.5):
        s = g.one("Mul", [x, g.constant(np.float32(0.7071))])
        e = s and g.one("Erf", [s])
        p = e and g.one("Add", [e, g.constant(np.float32(1))])
        q = p and g.one("Mul", [x, p])
        return q and g.one("Mul", [q, g.constant(np.float32(0.5))])
    if g.opset >= 18:
        return
    m = g.one("ReduceMean", [x], axes=[-1] if g.opset >= 11 else [x.rank - 1])
    c = m and g.one("Sub", [x, m])
    v = c and g.one("Mul", [c, c])
    s = v and g.one("ReduceMean", [v], axes=[-1] if g.opset >= 11 else [x.rank - 1])
    d = s and g.one("Add", [s, g.constant(np.float32(1e-2))])
    r = d and g.one("Sqrt", [d])
    return r and g.one("Div", [c, r])


