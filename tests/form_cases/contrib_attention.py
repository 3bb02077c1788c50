"""Attention of com.microsoft, against NumPy: masks, caches, groups of heads, rotary positions."""
import numpy as np

from form_cases.contrib_fused import f32, form, norm

rng = np.random.default_rng(13)


def heads_of(x, heads):
    return x.reshape(*x.shape[:2], heads, -1).swapaxes(1, 2).astype(np.float64)


def attend(q, k, v, seen=None, added=0.0, scale=None, cap=0):
    """q[batch, heads, queries, size], keys and values of as many heads or fewer; `seen`: which keys a query sees."""
    k, v = (np.repeat(t, q.shape[1] // t.shape[1], 1) for t in (k, v))
    scores = q @ k.swapaxes(2, 3) * (scale or q.shape[-1] ** -0.5)
    scores = (np.tanh(scores / cap) * cap if cap else scores) + added
    if seen is not None:
        scores = np.where(seen, scores, -np.inf)
    e = np.exp(scores - scores.max(-1, keepdims=True))
    y = e / e.sum(-1, keepdims=True) @ v
    return y.swapaxes(1, 2).reshape(y.shape[0], y.shape[2], -1)


def causal(queries, keys):
    return np.arange(keys) <= np.arange(queries)[:, None] + keys - queries


def multi(name, inputs, names, y, more=(), flags=(), **attributes):
    outputs = {0: y, **{i + 1: v for i, v in enumerate(more)}}
    return form("MultiHeadAttention " + name, "MultiHeadAttention", inputs, outputs, flags, names, **attributes)


def heads_alike():
    q, k, v, bias = f32(2, 5, 24), f32(2, 7, 24), f32(2, 7, 36), f32(84)
    three = [heads_of(t, 3) for t in (q, k, v)]
    yield multi("plain", [q, k, v], None, attend(*three), num_heads=3)
    yield multi("plain, symbolic", [q, k, v], None, attend(*three), flags=["symbolic"], num_heads=3)
    yield multi("with a scale", [q, k, v], None, attend(*three, scale=0.3), num_heads=3, scale=0.3)
    biased = [heads_of(t + b, 3) for t, b in zip((q, k, v), np.split(bias, [24, 48]))]
    yield multi("with a bias", [q, k, v, bias], None, attend(*biased), flags=["symbolic"], num_heads=3)
    own = f32(2, 5, 24)
    yield multi("causal", [q, own, own], None, attend(three[0], heads_of(own, 3), heads_of(own, 3), causal(5, 5)), num_heads=3, unidirectional=1)
    mask = np.array([[1, 1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 0]], np.int32)
    added = (1.0 - mask)[:, None, None] * -10000
    yield multi("with a mask", [q, k, v, mask], [".", ".", ".", "", "."], attend(*three, added=added), num_heads=3)
    yield multi("with a mask and a value for it", [q, k, v, bias, mask], None, attend(*biased, added=(1.0 - mask)[:, None, None] * -3), num_heads=3, mask_filter_value=-3.0, flags=["symbolic"])
    yield multi("with lengths", [q, k, v, mask.sum(1, dtype=np.int32)], [".", ".", ".", "", "."], attend(*three, added=added), num_heads=3)
    each = rng.integers(0, 2, (2, 5, 7)).astype(np.int32)
    added = f32(1, 3, 5, 7)
    yield multi("with a mask of queries, and a bias of scores", [q, k, v, each, added], [".", ".", ".", "", ".", "."], attend(*three, added=added - 10000.0 * (1 - each)[:, None]), num_heads=3)
    past = f32(2, 3, 4, 8), f32(2, 3, 4, 8)
    value = f32(2, 5, 24)
    keys, values = (np.concatenate([p, heads_of(t, 3)], 2) for p, t in zip(past, (own, value)))
    yield multi("with a past", [q, own, value, *past], [".", ".", ".", "", "", "", ".", "."], attend(three[0], keys, values), (keys, values), num_heads=3)
    yield multi("with a past, causal", [q, own, value, *past], [".", ".", ".", "", "", "", ".", "."], attend(three[0], keys, values, causal(5, 9)), (keys, values), ["symbolic"], num_heads=3, unidirectional=1)
    yield multi("of keys in heads", [q, keys.astype(np.float32), values.astype(np.float32)], None, attend(three[0], keys, values), num_heads=3)
    yield multi("of keys in heads, with a bias of queries", [q, keys.astype(np.float32), values.astype(np.float32), bias[:72].copy()], None, attend(biased[0], keys, values), flags=["symbolic"], num_heads=3)
    whole = f32(2, 6, 3, 3, 8)
    yield multi("of all in one", [whole], None, attend(*(whole[:, :, :, i].swapaxes(1, 2).astype(np.float64) for i in range(3))), num_heads=3)
    two = f32(2, 6, 3, 2, 8)
    yield multi("of keys and values in one", [q, two], None, attend(three[0], *(two[:, :, :, i].swapaxes(1, 2).astype(np.float64) for i in range(2))), num_heads=3)


def projected():
    x, w, bias = f32(2, 6, 16), f32(16, 72) / 4, f32(72)
    q, k, v = (heads_of(t, 3) for t in np.split(x.astype(np.float64) @ w + bias, 3, 2))
    yield form("Attention", "Attention", [x, w, bias], {0: attend(q, k, v)}, num_heads=3)
    yield form("Attention, causal", "Attention", [x, w, bias], {0: attend(q, k, v, causal(6, 6))}, ["symbolic"], num_heads=3, unidirectional=1)
    mask = np.array([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]], np.int32)
    y = attend(q, k, v, added=(1.0 - mask)[:, None, None] * -10000)
    yield form("Attention with a mask", "Attention", [x, w, bias, mask], {0: y}, ["symbolic"], num_heads=3)
    yield form("Attention with lengths", "Attention", [x, w, bias, mask.sum(1, dtype=np.int32)], {0: y}, num_heads=3)
    ends = np.array([5, 6, 1, 2], np.int32)
    inside = (np.arange(6) < ends[:2, None]) & (np.arange(6) >= ends[2:, None])
    yield form("Attention with ends and starts", "Attention", [x, w, bias, ends], {0: attend(q, k, v, added=~inside[:, None, None] * -10000.0)}, num_heads=3)
    past = f32(2, 2, 3, 4, 8)
    keys, values = np.concatenate([past[0], k], 2), np.concatenate([past[1], v], 2)
    yield form("Attention with a past", "Attention", [x, w, bias, past], {0: attend(q, keys, values, causal(6, 10)), 1: np.stack([keys, values])}, [], [".", ".", ".", "", "."], num_heads=3, unidirectional=1)
    w, bias, added = f32(16, 60) / 4, f32(60), f32(2, 3, 6, 6)
    q, k, v = (heads_of(t, 3) for t in np.split(x.astype(np.float64) @ w + bias, [24, 48], 2))
    yield form("Attention of other values", "Attention", [x, w, bias, added], {0: attend(q, k, v, added=added)}, ["symbolic"], [".", ".", ".", "", "", "."], num_heads=3, qkv_hidden_sizes=[24, 24, 12])


def quantized():
    """Small numbers, whose products are below what ONNX Runtime saturates."""
    for channels in (0, 1):
        x, w, bias = rng.integers(100, 156, (2, 6, 16), np.uint8), rng.integers(-60, 60, (16, 72), np.int8), f32(72)
        scale, scales = np.array(0.02, np.float32), np.array(rng.random([72] * channels) * 0.01 + 0.01, np.float32)
        zero, zeros = np.array(128, np.uint8), np.array(rng.integers(-5, 5, [72] * channels), np.int8)
        y = (x.astype(np.float64) - zero) * np.float64(scale) @ ((w - zeros.astype(np.float64)) * scales) + bias
        q, k, v = (heads_of(t, 3) for t in np.split(y, 3, 2))
        mask = np.array([6, 3], np.int32)
        added = (np.arange(6) >= mask[:, None])[:, None, None] * -10000.0
        yield form("QAttention %d" % channels, "QAttention", [x, w, bias, scale, scales, mask, zero, zeros], {0: attend(q, k, v, added=added)}, ["symbolic"] * channels, num_heads=3)


def tables(length, half):
    angle = np.arange(length)[:, None] * 10.0 ** (-np.arange(half) / half)
    return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)


def turned(x, cos, sin, at, interleaved=False):
    """x[batch, heads, length, size], at[batch, length]; what the tables do not reach stays."""
    half = cos.shape[1]
    c, s = (t.astype(np.float64)[at][:, None] for t in (cos, sin))
    y = x.copy()
    one, two = (slice(0, 2 * half, 2), slice(1, 2 * half, 2)) if interleaved else (slice(0, half), slice(half, 2 * half))
    y[..., one], y[..., two] = x[..., one] * c - x[..., two] * s, x[..., two] * c + x[..., one] * s
    return y


def merged(x):
    return x.swapaxes(1, 2).reshape(x.shape[0], x.shape[2], -1)


def rotary():
    x, (cos, sin), at = f32(2, 5, 24), tables(20, 4), rng.integers(0, 20, (2, 5)).astype(np.int64)
    first = np.array([7], np.int64)
    after = 7 + np.arange(5)[None].repeat(2, 0)
    for interleaved in (0, 1):
        yield form("RotaryEmbedding", "RotaryEmbedding", [x, at, cos, sin], {0: merged(turned(heads_of(x, 3), cos, sin, at, interleaved))}, interleaved=interleaved)
        yield form("RotaryEmbedding from a place on", "RotaryEmbedding", [x, first, cos, sin], {0: merged(turned(heads_of(x, 3), cos, sin, after, interleaved))}, interleaved=interleaved)
    part = tables(20, 2)
    yield form("RotaryEmbedding of a part", "RotaryEmbedding", [x, at, *part], {0: merged(turned(heads_of(x, 3), *part, at))}, num_heads=3, rotary_embedding_dim=4)
    yield form("RotaryEmbedding of heads", "RotaryEmbedding", [heads_of(x, 3).astype(np.float32), at, cos, sin], {0: turned(heads_of(x, 3), cos, sin, at)}, ["symbolic"])


def grouped(name, batch, length, past, room=None, packed=False, rotate=None, window=-1, cap=0.0, lengths=None, added=False, scale=None, norms=False, flags=()):
    """`past` keys before the new ones, in a cache with room for more of them; `lengths`: keys in use after this step, for each batch."""
    heads, kv_heads, size, total = 4, 2, 16, past + length
    q, k, v = f32(batch, length, heads * size), f32(batch, length, kv_heads * size), f32(batch, length, kv_heads * size)
    lengths = np.full(batch, total) if lengths is None else np.array(lengths)
    start = np.zeros(batch, int) if length == total else lengths - length
    cache = [f32(batch, kv_heads, room or past, size) for _ in range(2)]
    cos, sin = tables(40, size // 2)
    inputs, names = ([np.concatenate([q, k, v], 2)], [".", "", ""]) if packed else ([q, k, v], ["."] * 3)
    inputs += cache + [(lengths - 1).astype(np.int32), np.array(total, np.int32)]
    names += ["."] * 4
    attributes = {"num_heads": heads, "kv_num_heads": kv_heads}
    qh, kh, vh = heads_of(q, heads), heads_of(k, kv_heads), heads_of(v, kv_heads)
    weights = (f32(size), f32(size)) if norms else ()
    if norms:
        qh, kh = (norm(t, w, None, 1e-6)[0] for t, w in zip((qh, kh), weights))
    if rotate is not None:
        at = start[:, None] + np.arange(length)
        qh, kh = (turned(t, cos, sin, at, rotate) for t in (qh, kh))
        attributes |= {"do_rotary": 1, "rotary_interleaved": int(rotate)}
    names += [".", "."] if rotate is not None else ["", ""]
    inputs += [cos, sin] if rotate is not None else []
    extra = f32(1, heads, length, total) if added else np.zeros((1, 1, 1, 1))
    names += ["", "." if added else "", "", "", ""] + ["."] * len(weights)
    inputs += [extra] * added + list(weights)
    while not names[-1]:
        names.pop()
    if window >= 0:
        attributes["local_window_size"] = window
    if cap:
        attributes["softcap"] = cap
    if scale:
        attributes["scale"] = scale
    extent = max(room or past, total)
    keys, values = (np.concatenate([c.astype(np.float64), np.zeros((batch, kv_heads, extent - c.shape[2], size))], 2) for c in cache)
    y = []
    for b in range(batch):
        keys[b, :, start[b]:start[b] + length], values[b, :, start[b]:start[b] + length] = kh[b], vh[b]
        i, j = start[b] + np.arange(length)[:, None], np.arange(total)
        seen = (j <= i) & ((window < 0) | (i - j < window))
        y.append(attend(qh[b:b + 1], keys[b:b + 1, :, :total], values[b:b + 1, :, :total], seen, extra, scale, cap))
    outputs = {0: np.concatenate(y), 1: keys, 2: values}
    return form("GroupQueryAttention " + name, "GroupQueryAttention", inputs, outputs, flags, names, **attributes)


def groups():
    yield grouped("of a prompt", 2, 6, 0)
    yield grouped("of a prompt, packed, rotated", 2, 6, 0, packed=True, rotate=False)
    yield grouped("of a step", 2, 1, 5, rotate=False)
    yield grouped("of a step, packed, symbolic", 1, 1, 9, packed=True, rotate=True, flags=["symbolic"])
    yield grouped("of steps of several lengths", 3, 1, 7, room=7, rotate=False, lengths=[3, 8, 5])
    yield grouped("in a cache with room", 2, 1, 5, room=12, rotate=False)
    yield grouped("of a chunk", 1, 4, 5, rotate=False, flags=["symbolic"])
    yield grouped("in a window", 1, 7, 0, window=3)
    yield grouped("in a window, a step", 2, 1, 9, window=4, rotate=False)
    yield grouped("with a cap and a scale", 2, 3, 0, cap=2.0, scale=0.5)
    yield grouped("with a bias of scores", 1, 3, 0, added=True)
    yield grouped("of one key at a time", 1, 6, 0, window=1)
    yield grouped("with norms of heads", 2, 4, 0, rotate=False, norms=True)


def cases():
    yield from heads_alike()
    yield from projected()
    yield from quantized()
    yield from rotary()
    yield from groups()
