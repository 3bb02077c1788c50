"""Operators of com.microsoft that are several in one, and products with weights of few bits, against NumPy."""
import math

import numpy as np

from form_cases.contrib_quantized import node

rng = np.random.default_rng(12)


def f32(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def form(name, kind, inputs, outputs, flags=(), names=None, results=1, **attributes):
    """names: "." for the next input, "" for one that is left out."""
    count = iter(range(len(inputs)))
    names = ["x%d" % next(count) if n == "." else "" for n in names or ["."] * len(inputs)]
    return name, [node(kind, names, ["y%d" % i if i in outputs else "" for i in range(max(outputs) + 1)], **attributes)], inputs, [np.asarray(v, np.float32) if v.dtype != np.int32 else v for v in outputs.values()], list(flags)


def packed(values, bits):
    """Numbers of few bits along the last axis follow each other, low bits first; the last byte is filled with zeros."""
    each = np.asarray(values)[..., None] >> np.arange(bits) & 1
    return np.packbits(each.reshape(*each.shape[:-2], -1).astype(np.uint8), -1, "little")


def nbits(bits, left, k, n, size, zeros, bias=0, flat=0, flags=(), type=np.float32):
    blocks = -(-k // size)
    w, scale = rng.integers(0, 2 ** bits, (n, blocks, size)), ((rng.random((n, blocks)) + 0.5) / 2 ** bits).astype(type)
    a, c = f32(*left, k).astype(type), f32(n).astype(type)
    zero = {"packed": rng.integers(0, 2 ** bits, (n, blocks)), "float": (rng.random((n, blocks)) * 2 ** bits).astype(type), "": np.full((n, blocks), 2 ** (bits - 1))}[zeros]
    full = ((w - zero[:, :, None].astype(np.float64)) * scale[:, :, None]).reshape(n, -1)[:, :k]
    want = a.astype(np.float64) @ full.T + (c if bias else 0)
    inputs = [a, packed(w, bits), scale] + ([packed(zero, bits) if zeros == "packed" else zero] if zeros else []) + [c] * bias
    if flat:
        inputs[2:4] = [v.reshape(-1) for v in inputs[2:4]]
    names = [".", ".", ".", "." if zeros else "", "", "." if bias else ""]
    while not names[-1]:
        names.pop()
    name, nodes, inputs, outputs, flags = form("MatMulNBits %s" % [bits, left, k, n, size, zeros, bias, flat, type.__name__], "MatMulNBits", inputs, {0: want}, flags, names, K=k, N=n, bits=bits, block_size=size)
    return name, nodes, inputs, [v.astype(type) for v in outputs], flags


def products():
    for case in ((4, (1, 1), 128, 100, 32, ""), (4, (1, 1), 96, 50, 32, "packed", 1), (4, (1,), 80, 17, 32, ""), (2, (1, 1, 2), 64, 16, 16, "packed", 0, 1), (4, (2, 5), 64, 24, 32, ""), (4, (3,), 80, 17, 32, "packed", 1), (4, (), 32, 8, 16, "float"), (8, (4,), 48, 20, 16, ""), (8, (1, 3), 70, 16, 32, "packed", 1, 1),
                 (2, (4,), 96, 18, 32, "packed"), (2, (2,), 32, 9, 16, "", 1), (4, (7,), 100, 33, 64, "packed", 0, 1), (4, (3,), 64, 16, 32, "float", 1, 0, ["symbolic"]),
                 (3, (1, 1), 128, 100, 32, ""), (3, (1,), 100, 33, 16, "packed", 1), (3, (9,), 80, 17, 64, "packed", 0, 1), (3, (2, 2), 300, 20, 256, "float", 1, 0, ["symbolic"]), (3, (), 16, 5, 16, "")):
        yield nbits(*case)
    a, b = f32(3, 2, 5, 4), f32(3, 2, 4, 6)
    yield form("FusedMatMul", "FusedMatMul", [a, b], {0: 0.5 * (a @ b)}, alpha=0.5)
    yield form("FusedMatMul turned", "FusedMatMul", [a.swapaxes(2, 3).copy(), b.swapaxes(2, 3).copy()], {0: a @ b}, ["symbolic"], transA=1, transB=1)
    yield form("FusedMatMul of one matrix", "FusedMatMul", [a, b[0, 0].T.copy()], {0: 2 * (a @ b[0, 0])}, transB=1, alpha=2.0)
    rows, columns = a.transpose(2, 0, 1, 3).copy(), b.transpose(2, 0, 1, 3).copy()
    yield form("FusedMatMul with batches inside", "FusedMatMul", [rows, columns], {0: a @ b}, transBatchA=1, transBatchB=1)
    rows = a.transpose(3, 0, 1, 2).copy()
    yield form("FusedMatMul with batches inside, turned", "FusedMatMul", [rows, b], {0: a @ b}, ["symbolic"], transBatchA=1, transA=1)


def gathered(bits, shape, ids, size, zeros, flags=(), axis=-1):
    """Rows of a table of bytes, in which numbers of few bits are packed along the last axis."""
    blocks = list(shape)
    blocks[axis] = -(-shape[axis] // size)
    table, scale, zero = rng.integers(0, 2 ** bits, shape), (rng.random(blocks) + 0.5).astype(np.float32), rng.integers(0, 2 ** bits, blocks)
    if not zeros:
        zero[:] = 2 ** (bits - 1)
    wide = [np.repeat(v, size, axis).take(range(shape[axis]), axis) for v in (scale, zero)]
    want = ((table - wide[1]) * wide[0])[ids]
    inputs = [packed(table, bits), ids, scale] + [packed(zero, bits)] * zeros
    return form("GatherBlockQuantized %s" % [bits, shape, ids.shape, size, zeros, axis], "GatherBlockQuantized", inputs, {0: want}, flags, bits=bits, block_size=size, quantize_axis=axis)


def gathers():
    ids = rng.integers(-11, 11, (2, 3), np.int64)
    yield gathered(4, (11, 64), ids, 32, 1)
    yield gathered(4, (11, 48), ids[0].copy(), 16, 0, ["symbolic"])
    yield gathered(8, (11, 40), ids, 16, 1)
    yield gathered(8, (11, 32), np.array(5, np.int64), 32, 0)
    yield gathered(2, (11, 4, 64), ids.astype(np.int32), 16, 1)
    yield gathered(4, (11, 40, 6), ids, 16, 0, axis=1)


ACTIVATIONS = {"Relu": (lambda v, a, b: np.maximum(v, 0), ()), "LeakyRelu": (lambda v, a, b: np.where(v < 0, a * v, v), (0.1,)), "Tanh": (lambda v, a, b: np.tanh(v), ()),
               "Sigmoid": (lambda v, a, b: 1 / (1 + np.exp(-v)), ()), "HardSigmoid": (lambda v, a, b: np.clip(a * v + b, 0, 1), (0.3, 0.4)), "Clip": (lambda v, a, b: np.clip(v, a, b), (-0.5, 0.7))}


def activations():
    for k, (name, (function, given)) in enumerate(ACTIVATIONS.items()):
        a, b, c = f32(5, 12), f32(9, 12), f32(9)
        alpha, beta = (*given, 0, 0)[:2]
        if name != "Clip":
            parameters = dict(zip(("activation_alpha", "activation_beta"), given))
            yield form("FusedGemm " + name, "FusedGemm", [a, b, c], {0: function(0.5 * (a @ b.T) + 2 * c, alpha, beta)}, ["brief"], activation=name, alpha=0.5, beta=2.0, transB=1, **parameters)
        x, w, z = f32(2, 6, 9), f32(8, 6, 3), f32(2, 8, 9)
        v = np.einsum("ncik,ock->noi", np.lib.stride_tricks.sliding_window_view(np.pad(x, ((0, 0), (0, 0), (1, 1))), 3, 2), w) + c[:8, None]
        facts = {"activation": name, "pads": [1, 1], **({"activation_params": given} if given else {})}
        yield form("FusedConv " + name, "FusedConv", [x, w, c[:8].copy(), z][:3 + k % 2], {0: function(v + z * (k % 2), alpha, beta)}, ["symbolic"] if k == 2 else [], kernel_shape=[3], **facts)


def gelu(v):
    return v * 0.5 * (1 + np.vectorize(math.erf)(v / 2 ** 0.5))


def gelus():
    x, c = f32(3, 5, 20), f32(20)
    v = x.astype(np.float64)
    smooth = lambda u: 0.5 * u * (1 + np.tanh(0.7978845608028654 * (u + 0.044715 * u ** 3)))
    yield form("Gelu", "Gelu", [x], {0: gelu(v)})
    yield form("BiasGelu", "BiasGelu", [x, c], {0: gelu(v + c)}, ["symbolic"])
    yield form("FastGelu", "FastGelu", [x], {0: smooth(v)})
    yield form("FastGelu with a bias", "FastGelu", [x, c], {0: smooth(v + c)}, ["symbolic"])
    yield form("QuickGelu", "QuickGelu", [x], {0: v / (1 + np.exp(-1.702 * v))})
    yield form("QuickGelu with a slope", "QuickGelu", [x], {0: v / (1 + np.exp(-v))}, alpha=1.0)


def norm(v, scale, bias=None, epsilon=1e-12):
    """The norm, its mean and its inverse deviation; without a bias around 0."""
    v = v.astype(np.float64)
    mean = v.mean(-1, keepdims=True) if bias is not None else 0 * v[..., :1]
    inverse = 1 / np.sqrt(((v - mean) ** 2).mean(-1, keepdims=True) + epsilon)
    return (v - mean) * inverse * scale + (0 if bias is None else bias), mean, inverse


def norms():
    x, skip, scale, shift, bias = f32(2, 5, 24), f32(2, 5, 24), f32(24), f32(24), f32(24)
    y, mean, inverse = norm(x, scale, None, 1e-5)
    for outputs, flags in (({0: y}, []), ({0: y, 1: inverse}, ["symbolic"])): # written into the standard domain
        simplified = form("SimplifiedLayerNormalization", "SimplifiedLayerNormalization", [x, scale], outputs, flags, axis=-1, epsilon=1e-5)
        simplified[1][0].domain = ""
        yield simplified
    y, mean, inverse = norm(x + skip, scale, shift)
    yield form("SkipLayerNormalization", "SkipLayerNormalization", [x, skip, scale, shift], {0: y}, ["symbolic"])
    y, mean, inverse = norm(x + skip + bias, scale, shift, 1e-3)
    yield form("SkipLayerNormalization with a bias", "SkipLayerNormalization", [x, skip, scale, shift, bias], {0: y, 3: x + skip + bias}, epsilon=1e-3)
    y, mean, inverse = norm(x + skip[0], scale, 0)
    yield form("SkipLayerNormalization of one skip for all", "SkipLayerNormalization", [x, skip[0].copy(), scale], {0: y})
    y, mean, inverse = norm(x + skip, scale, None, 1e-6)
    yield form("SkipSimplifiedLayerNormalization", "SkipSimplifiedLayerNormalization", [x, skip, scale], {0: y, 3: x + skip}, ["symbolic"], epsilon=1e-6)
    y, mean, inverse = norm(x[0] + skip[0] + bias, scale)
    yield form("SkipSimplifiedLayerNormalization with a bias", "SkipSimplifiedLayerNormalization", [x[0].copy(), skip[0].copy(), scale, bias], {0: y})


def embeddings():
    ids, segments, words, places, kinds = rng.integers(0, 30, (2, 6), np.int32), rng.integers(0, 2, (2, 6), np.int32), f32(30, 16), f32(9, 16), f32(2, 16)
    scale, shift, mask = f32(16), f32(16), np.array([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]], np.int32)
    total = words[ids] + places[:6] + kinds[segments]
    y = norm(total, scale, shift)[0]
    yield form("EmbedLayerNormalization", "EmbedLayerNormalization", [ids, segments, words, places, kinds, scale, shift, mask], {0: y, 1: mask.sum(1, dtype=np.int32), 2: total}, ["symbolic"])
    at = rng.integers(0, 9, (2, 6), np.int32)
    y = norm(words[ids] + places[at], scale, shift)[0]
    yield form("EmbedLayerNormalization without segments", "EmbedLayerNormalization", [ids, words, places, scale, shift, at], {0: y, 1: np.zeros(2, np.int32)}, [], [".", "", ".", ".", "", ".", ".", "", "."])


def cases():
    yield from products()
    yield from activations()
    yield from gelus()
    yield from norms()
    yield from embeddings()
    yield from gathers()
