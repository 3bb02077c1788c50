"""Forms of operators that the official suite lacks, as small graphs against NumPy, through programs that `dsc compile --emit=exe` makes."""
import importlib
import math
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import tables

rng = np.random.default_rng(0)


def f32(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def einsum(equation, *shapes):
    inputs = [f32(*s) for s in shapes]
    node = helper.make_node("Einsum", ["x%d" % i for i in range(len(inputs))], ["y"], equation=equation)
    return "einsum " + equation, [node], inputs, [np.einsum(equation, *inputs)], []


def symbolic(name, nodes, inputs, outputs):
    """Every input extent is a symbol of its own."""
    return name, nodes, inputs, outputs, ["symbolic"]


def conv(n, ci, co, height, width, pads, pool=None, window=2):
    """3x3, stride 1, at sizes where Winograd's algorithm pays: whole and partial tiles, borders on any side, an epilogue, maybe a pool."""
    x, w, b = f32(n, ci, height, width), f32(co, ci, 3, 3) / np.float32((9 * ci) ** 0.5), f32(co)
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
    want = np.maximum(np.einsum("nchwij,ocij->nohw", windows, w) + b[:, None, None], 0).astype(np.float32)
    constants = [helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value)) for name, value in (("w", w), ("b", b))]
    nodes = [*constants, helper.make_node("Conv", ["x0", "w", "b"], ["c"], pads=pads), helper.make_node("Relu", ["c"], ["y"])]
    if pool:
        rows, columns = (d // window for d in want.shape[2:])
        blocks = want[:, :, :rows * window, :columns * window].reshape(n, co, rows, window, columns, window)
        want = blocks.max((3, 5)) if pool == "MaxPool" else blocks.mean((3, 5))
        nodes.append(helper.make_node(pool, ["y"], ["z"], kernel_shape=[window] * 2, strides=[window] * 2))
    return "conv %s" % [n, ci, co, height, width, pads, pool, window], nodes, [x], [want], []


def constants(**values):
    return [helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value)) for name, value in values.items()]


def filtered(x, w, stride=1, dilation=1, pad=0):
    """The depthwise convolution of x[n, c, h, w] with w[c, kh, kw]."""
    reach = [(k - 1) * dilation + 1 for k in w.shape[1:]]
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, reach, (2, 3))[:, :, ::stride, ::stride, ::dilation, ::dilation]
    return np.einsum("nchwij,cij->nchw", windows, w)


def depthwise(n, c, height, width, kernel, stride, dilation, pad):
    x, w, b = f32(n, c, height, width), f32(c, 1, kernel, kernel), f32(c)
    want = np.maximum(filtered(x, w[:, 0], stride, dilation, pad) + b[:, None, None], 0).astype(np.float32)
    node = helper.make_node("Conv", ["x0", "w", "b"], ["c"], group=c, pads=[pad] * 4, strides=[stride] * 2, dilations=[dilation] * 2)
    return "depthwise %s" % [n, c, height, width, kernel, stride, dilation, pad], [*constants(w=w, b=b), node, helper.make_node("Relu", ["c"], ["y"])], [x], [want], []


def bottleneck(n, channels, wide, height, width, kernel, stride, parts):
    """Images that are too large for the cache between a 1x1, a depthwise and another 1x1 convolution (some of them), with a residual."""
    first, last = "first" in parts, "last" in parts
    inner = wide if first else channels
    x, w1, b1, w2, b2, w3 = f32(n, channels, height, width), f32(wide, channels) / 2, f32(wide), f32(inner, kernel, kernel) / kernel, f32(inner), f32(channels, inner) / 4
    values = constants(w1=w1[:, :, None, None], b1=b1, w2=w2[:, None], b2=b2, w3=w3[:, :, None, None], half=np.float32(0.5))
    if first:
        v = np.maximum(np.einsum("nchw,oc->nohw", x.astype(np.float64), w1) + b1[:, None, None], 0)
        nodes = [helper.make_node("Conv", ["x0", "w1", "b1"], ["c1"]), helper.make_node("Relu", ["c1"], ["a"])]
    else:
        v = x * 0.5
        nodes = [helper.make_node("Mul", ["x0", "half"], ["a"])]
    v = np.maximum(filtered(v, w2, stride, 1, kernel // 2) + b2[:, None, None], 0)
    nodes += [helper.make_node("Conv", ["a", "w2", "b2"], ["c2"], group=inner, pads=[kernel // 2] * 4, strides=[stride] * 2), helper.make_node("Relu", ["c2"], ["d"])]
    if last:
        v = np.einsum("nchw,oc->nohw", v, w3)
        nodes += [helper.make_node("Conv", ["d", "w3"], ["e"])]
        if stride == 1:
            v = v + x
            nodes += [helper.make_node("Add", ["e", "x0"], ["y"])]
    return "bottleneck %s" % [n, channels, wide, height, width, kernel, stride, parts], [*values, *nodes], [x], [v.astype(np.float32)], []


def pool(kind, n, channels, sizes, kernel, stride, pads, dilation=1, parts=()):
    """A pool between 1x1 convolutions (or without the last), in any number of dims; pads: one pair a dim. "mean" leaves padding out."""
    rank, axes = len(sizes), tuple(range(2, 2 + len(sizes)))
    x, w1, w2 = f32(n, 8, *sizes), f32(channels, 8) / 2, f32(7, channels) / 4
    ones = [1] * rank
    nodes = constants(w1=w1.reshape(channels, 8, *ones), w2=w2.reshape(7, channels, *ones)) + [helper.make_node("Conv", ["x0", "w1"], ["a"])]
    v = np.einsum("nc...,oc->no...", x.astype(np.float64), w1)
    outside = -np.inf if kind == "max" else 0

    def windows(t, fill):
        padded = np.pad(t, ((0, 0), (0, 0), *pads), constant_values=fill)
        all_of = np.lib.stride_tricks.sliding_window_view(padded, [(k - 1) * dilation + 1 for k in kernel], axes)
        return all_of[(slice(None),) * 2 + (slice(None, None, stride),) * rank + (slice(None, None, dilation),) * rank]

    over = tuple(range(2 + rank, 2 + 2 * rank))
    v, count = (windows(v, outside).max(over), 1) if kind == "max" else (windows(v, 0).sum(over), windows(np.ones_like(v), 0).sum(over))
    v = v / (np.prod(kernel) if kind == "mean with padding" else count)
    facts = {"dilations": [dilation] * rank} if kind == "max" else {"count_include_pad": int(kind == "mean with padding")}
    node = helper.make_node("MaxPool" if kind == "max" else "AveragePool", ["a"], ["p"], kernel_shape=kernel, strides=[stride] * rank, pads=[p[0] for p in pads] + [p[1] for p in pads], **facts)
    nodes += [node, helper.make_node("Conv", ["p", "w2"], ["b"]) if "last" in parts else helper.make_node("Neg", ["p"], ["b"]), helper.make_node("Relu", ["b"], ["y"])]
    v = np.einsum("nc...,oc->no...", v, w2) if "last" in parts else -v
    return "pool %s" % [kind, n, channels, sizes, kernel, stride, pads, dilation, *parts], nodes, [x], [np.maximum(v, 0).astype(np.float32)], []


def shuffled(channels, height, width, groups, low=0, high=None, then="Relu"):
    """Channels low..high-1 of a channel shuffle behind a convolution, and what reads them."""
    high = high or channels
    x, w1, w2 = f32(2, 8, height, width), f32(channels, 8) / 2, f32(7, high - low) / 4
    values = constants(w1=w1[:, :, None, None], w2=w2[:, :, None, None], split=np.array([2, groups, channels // groups, height, width]), whole=np.array([2, channels, height, width]), low=np.array([low]), high=np.array([high]), axis=np.array([1]))
    v = np.einsum("nchw,oc->nohw", x.astype(np.float64), w1).reshape(2, groups, -1, height, width)
    v = v.swapaxes(1, 2).reshape(2, channels, height, width)[:, low:high]
    v = np.maximum(v, 0) if then == "Relu" else np.einsum("nchw,oc->nohw", v, w2)
    nodes = [helper.make_node("Conv", ["x0", "w1"], ["a"]), helper.make_node("Reshape", ["a", "split"], ["b"]), helper.make_node("Transpose", ["b"], ["c"], perm=[0, 2, 1, 3, 4]),
             helper.make_node("Reshape", ["c", "whole"], ["d"]), helper.make_node("Slice", ["d", "low", "high", "axis"], ["e"]), helper.make_node(then, ["e", "w2"][:1 + (then == "Conv")], ["y"])]
    return "channels shuffled %s" % [channels, height, width, groups, low, high, then], [*values, *nodes], [x], [v.astype(np.float32)], []


def multiplied(channels, height, width):
    """Two results for every channel of a depthwise convolution, between large images: no strips."""
    x, w1, w2 = f32(1, 8, height, width), f32(channels, 8) / 2, f32(2 * channels, 3, 3) / 3
    values = constants(w1=w1[:, :, None, None], w2=w2[:, None])
    want = filtered(np.repeat(np.einsum("nchw,oc->nohw", x.astype(np.float64), w1), 2, 1), w2, 1, 1, 1).astype(np.float32)
    return "depthwise, twice the channels", [*values, helper.make_node("Conv", ["x0", "w1"], ["a"]), helper.make_node("Conv", ["a", "w2"], ["y"], group=channels, pads=[1] * 4)], [x], [want], []


def correlated(x, w, groups, stride, dilation, pads):
    """The convolution of x[n, c, …] with w[o, c / groups, …] in any number of dimensions; pads: one pair a dimension."""
    rank = x.ndim - 2
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), *pads))
    windows = np.lib.stride_tricks.sliding_window_view(padded, [(k - 1) * dilation + 1 for k in w.shape[2:]], tuple(range(2, 2 + rank)))
    windows = windows[(slice(None),) * 2 + (slice(None, None, stride),) * rank + (slice(None, None, dilation),) * rank]
    split = windows.reshape(x.shape[0], groups, -1, *windows.shape[2:])
    filters = w.reshape(groups, -1, *w.shape[1:])
    letters = "uvw"[:rank], "xyz"[:rank]
    sums = np.einsum("ngi%s%s,goi%s->ngo%s" % (*letters, letters[1], letters[0]), split, filters)
    return sums.reshape(x.shape[0], w.shape[0], *sums.shape[3:])


def grouped(groups, inputs, outputs, size, kernel, stride=1, given=False):
    """Convolutions in groups: whole and partly filled panels, one input channel, weights that are an input."""
    x, w, b = f32(2, groups * inputs, *size), f32(groups * outputs, inputs, *[kernel] * len(size)), f32(groups * outputs)
    want = correlated(x, w, groups, stride, 1, [(kernel // 2,) * 2] * len(size)) + b.reshape(-1, *[1] * len(size))
    node = helper.make_node("Conv", ["x0", "x1" if given else "w", "b"], ["c"], group=groups, pads=[kernel // 2] * 2 * len(size), strides=[stride] * len(size))
    return "grouped %s" % [groups, inputs, outputs, size, kernel, stride, given], [*constants(w=w, b=b), node, helper.make_node("Relu", ["c"], ["y"])], [x, w] if given else [x], [np.maximum(want, 0).astype(np.float32)], []


def transposed(groups, inputs, outputs, size, kernel, stride, dilation, pads, extra=0):
    """Transposed convolution: the input with zeros between its elements, convolved with the window turned around."""
    rank = len(size)
    x, w, b = f32(2, groups * inputs, *size), f32(groups * inputs, outputs, *[kernel] * rank), f32(groups * outputs)
    wide = np.zeros((2, groups * inputs, *[(n - 1) * stride + 1 for n in size]))
    wide[(slice(None),) * 2 + (slice(None, None, stride),) * rank] = x
    turned = np.flip(w, tuple(range(2, 2 + rank))).reshape(groups, inputs, outputs, *w.shape[2:]).swapaxes(1, 2).reshape(groups * outputs, inputs, *w.shape[2:])
    reach = (kernel - 1) * dilation
    full = correlated(wide, turned, groups, 1, dilation, [(reach, reach + extra)] * rank)
    cut = (slice(None),) * 2 + tuple(slice(pads[0], full.shape[2 + d] - pads[1]) for d in range(rank))
    want = full[cut] + b.reshape(-1, *[1] * rank)
    attributes = {"strides": [stride] * rank, "dilations": [dilation] * rank, "pads": [pads[0]] * rank + [pads[1]] * rank, "output_padding": [extra] * rank}
    node = helper.make_node("ConvTranspose", ["x0", "w", "b"], ["y"], group=groups, **attributes)
    return "transposed %s" % [groups, inputs, outputs, size, kernel, stride, dilation, pads, extra], [*constants(w=w, b=b), node], [x], [want.astype(np.float32)], []


def ranges(first, second, extra):
    """Parts of an image's channels, one of them convolved with a border, and put together again: nothing is copied."""
    channels = first + second
    x, w1, w2, w3 = f32(2, 12, 15, 13), f32(channels, 12, 1, 1) / 3, f32(extra, second, 3, 3) / np.float32(second ** 0.5), f32(7, channels + extra, 1, 1) / 4
    one = [(0, 0)] * 2
    v = np.maximum(correlated(x, w1, 1, 1, 1, one), 0)
    a, b = v[:, :first], v[:, first:]
    c = np.maximum(correlated(b, w2, 1, 1, 1, [(1, 1)] * 2), 0)
    want = correlated(np.concatenate([v, c], 1), w3, 1, 1, 1, one) + a.mean(1, keepdims=True)
    nodes = [helper.make_node("Conv", ["x0", "w1"], ["c1"]), helper.make_node("Relu", ["c1"], ["v"]), helper.make_node("Split", ["v", "sizes"], ["a", "b"], axis=1),
             helper.make_node("Conv", ["b", "w2"], ["c2"], pads=[1] * 4), helper.make_node("Relu", ["c2"], ["c"]), helper.make_node("Concat", ["a", "b", "c"], ["d"], axis=1), helper.make_node("Conv", ["d", "w3"], ["e"]),
             helper.make_node("ReduceMean", ["a", "axis"], ["f"]), helper.make_node("Add", ["e", "f"], ["g"]), helper.make_node("Split", ["g"], ["h", "i"], axis=3, num_outputs=2), helper.make_node("Concat", ["h", "i"], ["y"], axis=3)]
    values = constants(w1=w1, w2=w2, w3=w3, sizes=np.array([first, second], np.int64), axis=np.array([1], np.int64))
    return "ranges %s" % [first, second, extra], [*values, *nodes], [x], [want.astype(np.float32)], []


def gated(channels, outputs, size):
    """Squeeze and excite: one factor for each channel of a convolution's input."""
    x, w1, w2 = f32(1, channels, size, size), f32(channels, channels, 1, 1) / 4, f32(outputs, channels, 3, 3) / np.float32(channels ** 0.5)
    factor = sigmoid(np.einsum("nchw,oc->no", x.astype(np.float64) / (size * size), w1[:, :, 0, 0]))
    want = correlated(x * factor[:, :, None, None], w2, 1, 1, 1, [(1, 1)] * 2)
    nodes = [helper.make_node("GlobalAveragePool", ["x0"], ["p"]), helper.make_node("Conv", ["p", "w1"], ["s"]), helper.make_node("Sigmoid", ["s"], ["g"]), helper.make_node("Mul", ["x0", "g"], ["m"]), helper.make_node("Conv", ["m", "w2"], ["y"], pads=[1] * 4)]
    return "gated %s" % [channels, outputs, size], [*constants(w1=w1, w2=w2), *nodes], [x], [want.astype(np.float32)], []


def layers(batch, rows, columns, between):
    """Two products with GELU between them, as exporters write it, whose intermediate is larger than the cache."""
    x, w1, w2 = f32(batch, rows, columns), f32(columns, between) / np.float32(columns ** 0.5), f32(between, columns) / np.float32(between ** 0.5)
    u = x.astype(np.float64) @ w1
    erf = np.vectorize(math.erf)(u / np.sqrt(2))
    want = (u * (1 + erf) * 0.5) @ w2 + x
    nodes = [helper.make_node("MatMul", ["x0", "w1"], ["u"]), helper.make_node("Div", ["u", "root"], ["d"]), helper.make_node("Erf", ["d"], ["e"]), helper.make_node("Add", ["e", "one"], ["f"]), helper.make_node("Mul", ["u", "f"], ["g"]),
             helper.make_node("Mul", ["g", "half"], ["h"]), helper.make_node("MatMul", ["h", "w2"], ["p"]), helper.make_node("Add", ["p", "x0"], ["y"])]
    return "layers %s" % [batch, rows, columns, between], [*constants(w1=w1, w2=w2, root=np.float32(2 ** 0.5), one=np.float32(1), half=np.float32(0.5)), *nodes], [x], [want.astype(np.float32)], []


def windows(count, heads, rows, depth):
    """Attention in windows, with a mask that is added in a view with one more dim."""
    q, k, v, mask = f32(count, heads, rows, depth), f32(count, heads, rows, depth), f32(count, heads, rows, depth), np.where(rng.random((count, rows, rows)) < 0.3, np.float32(-100), np.float32(0))
    s = np.einsum("bhid,bhjd->bhij", q.astype(np.float64), k) + mask[:, None]
    p = np.exp(s - s.max(-1, keepdims=True))
    want = (p / p.sum(-1, keepdims=True)) @ v
    nodes = [helper.make_node("Transpose", ["x1"], ["t"], perm=[0, 1, 3, 2]), helper.make_node("MatMul", ["x0", "t"], ["s"]), helper.make_node("Reshape", ["s", "five"], ["a"]), helper.make_node("Reshape", ["x3", "shape"], ["m"]),
             helper.make_node("Add", ["a", "m"], ["b"]), helper.make_node("Reshape", ["b", "four"], ["c"]), helper.make_node("Softmax", ["c"], ["p"]), helper.make_node("MatMul", ["p", "x2"], ["y"])]
    values = constants(five=np.array([1, count, heads, rows, rows], np.int64), four=np.array([count, heads, rows, rows], np.int64), shape=np.array([1, count, 1, rows, rows], np.int64))
    return "windows %s" % [count, heads, rows, depth], [*values, *nodes], [q, k, v, mask], [want.astype(np.float32)], []


def overwritten(rows, columns):
    """Results that may be written over what they are made from: a product of an odd number of rows with a residual, then softmax."""
    x, w = f32(rows, columns), f32(columns, columns) / 8
    v = np.maximum(x, 0).astype(np.float64)
    for _ in range(2):
        v = v @ w + v
    v = np.exp(v - v.max(-1, keepdims=True))
    v /= v.sum(-1, keepdims=True)
    nodes = [helper.make_node("Relu", ["x0"], ["v"]), helper.make_node("MatMul", ["v", "w"], ["a"]), helper.make_node("Add", ["a", "v"], ["b"]), helper.make_node("MatMul", ["b", "w"], ["c"]),
             helper.make_node("Add", ["b", "c"], ["d"]), helper.make_node("Softmax", ["d"], ["e"]), helper.make_node("Transpose", ["e"], ["y"])]
    return "overwritten %s" % [rows, columns], [*constants(w=w), *nodes], [x], [v.T.astype(np.float32)], []


def viewed(rows, columns):
    """Softmax of an image and the same image in other extents, read at other points: not to be written over it."""
    x = f32(rows, columns)
    v = np.maximum(x, 0).astype(np.float64)
    e = np.exp(v - v.max(-1, keepdims=True))
    want = e / e.sum(-1, keepdims=True) + v.reshape(columns, rows).T
    nodes = [helper.make_node("Relu", ["x0"], ["v"]), helper.make_node("Softmax", ["v"], ["s"]), helper.make_node("Reshape", ["v", "turned"], ["r"]), helper.make_node("Transpose", ["r"], ["t"]),
             helper.make_node("Add", ["s", "t"], ["a"]), helper.make_node("Transpose", ["a"], ["y"])]
    return "viewed %s" % [rows, columns], [*constants(turned=np.array([columns, rows], np.int64)), *nodes], [x], [want.T.astype(np.float32)], []


def long_rows(rows, columns):
    """Rows that lie in the result's memory while they are computed: a norm and what it was made from, then softmax over what nothing else reads."""
    x, gamma = f32(rows, columns), f32(columns)
    v = np.maximum(x, 0).astype(np.float64)
    n = (v - v.mean(-1, keepdims=True)) / np.sqrt(v.var(-1, keepdims=True) + 1e-5) * gamma + v
    e = np.exp(n - n.max(-1, keepdims=True))
    e /= e.sum(-1, keepdims=True)
    nodes = [helper.make_node("Relu", ["x0"], ["v"]), helper.make_node("LayerNormalization", ["v", "gamma"], ["n"]), helper.make_node("Add", ["n", "v"], ["m"]),
             helper.make_node("Softmax", ["m"], ["e"]), helper.make_node("Transpose", ["e"], ["y"])]
    return "long rows %s" % [rows, columns], [*constants(gamma=gamma), *nodes], [x], [e.T.astype(np.float32)], []


def turned(batch, rows, columns, kind=np.float32):
    """A transposed operand beside one that lies straight: squares are turned over in registers, edges are not."""
    x, z = (f32(*shape) * 100 for shape in ((batch, rows, columns), (batch, columns, rows)))
    x, z = x.astype(kind), z.astype(kind)
    nodes = [helper.make_node("Transpose", ["x0"], ["t"], perm=[0, 2, 1]), helper.make_node("Sub", ["t", "x1"], ["y"])]
    return "turned %s %s" % ([batch, rows, columns], np.dtype(kind).name), nodes, [x, z], [x.transpose(0, 2, 1) - z], []


def gelu_reference(x):
    with np.errstate(invalid="ignore"):
        return 0.5 * x * np.vectorize(math.erfc)(-x / math.sqrt(2))


def gelu(order):
    """x * 0.5 * (1 + erf(x / sqrt(2))) as exporters write it, its factors in some order; from -9 to 9."""
    x = np.linspace(-9, 9, 2003, dtype=np.float32)
    names = dict(zip("xhe", ["x0", "half", "e"]))
    nodes = [helper.make_node("Div", ["x0", "root"], ["u"]), helper.make_node("Erf", ["u"], ["v"]), helper.make_node("Add", ["v", "one"], ["e"]),
             helper.make_node("Mul", [names[order[0]], names[order[1]]], ["p"]), helper.make_node("Mul", ["p", names[order[2]]], ["y"])]
    given = constants(root=np.float32(math.sqrt(2)), one=np.float32(1), half=np.float32(0.5))
    return "gelu %s" % order, [*given, *nodes], [x], [gelu_reference(x.astype(np.float64)).astype(np.float32)], []


def special_values(columns):
    """NaN, of any payload, and infinities: softmax lets one NaN, or +inf, spread over its row; exp, tanh, erf and GELU keep it to itself (of
    -inf GELU makes one)."""
    x = np.zeros((6, columns), np.float32)
    x[0, 3], x[1], x[2, 5], x[3, :9], x[4] = np.nan, -np.inf, np.inf, -np.inf, f32(columns)
    x.view(np.uint32)[5, 7:9] = 0x7FC00155, 0xFFC00001
    wide = x.astype(np.float64)
    with np.errstate(all="ignore"):
        e = np.exp(wide - wide.max(-1, keepdims=True))
        want = np.concatenate([e / e.sum(-1, keepdims=True), np.exp(wide), np.tanh(wide), np.vectorize(math.erf)(wide),
                               gelu_reference(wide)])
    nodes = [helper.make_node(kind, ["x0"], [kind]) for kind in ("Softmax", "Exp", "Tanh", "Erf", "Gelu")]
    return "special values %d" % columns, [*nodes, helper.make_node("Concat", [n.output[0] for n in nodes], ["y"], axis=0)], [x], [want.astype(np.float32)], []


def attention(batch, heads, rows, columns, depth):
    """Scale, mask, softmax between two products: rows that fill no block, more rows than one."""
    q, k, v, mask = f32(batch, heads, rows, depth), f32(batch, heads, depth, columns), f32(batch, heads, columns, depth), f32(1, 1, rows, columns)
    scores = q.astype(np.float64) @ k * 0.25 + mask
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    want = (weights / weights.sum(-1, keepdims=True) @ v).astype(np.float32)
    nodes = [helper.make_node("MatMul", ["x0", "x1"], ["s"]), helper.make_node("Mul", ["s", "quarter"], ["t"]), helper.make_node("Add", ["t", "x3"], ["u"]),
             helper.make_node("Softmax", ["u"], ["p"], axis=-1), helper.make_node("MatMul", ["p", "x2"], ["y"])]
    return "attention %s" % [batch, heads, rows, columns, depth], [*constants(quarter=np.float32(0.25)), *nodes], [q, k, v, mask], [want], []


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def lstm_step(xw, h, c, r, peep):
    i, o, f, g = np.split(xw + h @ r.T, 4, -1)
    c = sigmoid(f + peep[2] * c) * c + sigmoid(i + peep[0] * c) * np.tanh(g)
    return sigmoid(o + peep[1] * c) * np.tanh(c), c


def gru_step(xw, h, c, r, bias):
    size = h.shape[-1]
    z, s = np.split(sigmoid(xw[:, : 2 * size] + h @ r[: 2 * size].T + bias[: 2 * size]), 2, -1)
    inner = s * (h @ r[2 * size :].T + bias[2 * size :])
    return (1 - z) * np.tanh(xw[:, 2 * size :] + inner) + z * h, c


def recurrent(kind, lengths, layout, activations=None):
    """Both directions, with sequences of their own lengths: LSTM with peepholes, GRU with linear_before_reset, RNN with an activation each."""
    seq, batch, size, hidden = 7, len(lengths), 5, 18
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]
    x, h0, c0 = f32(seq, batch, size), f32(2, batch, hidden), f32(2, batch, hidden)
    w, r, b, p = f32(2, gates * hidden, size) / 2, f32(2, gates * hidden, hidden) / 4, f32(2, 2 * gates * hidden) / 2, f32(2, 3 * hidden) / 2
    y, last = np.zeros((seq, 2, batch, hidden)), h0.astype(np.float64)
    for k in range(2):
        bias, own = np.split(b[k].astype(np.float64), 2)
        for n, length in enumerate(lengths):
            h, c = last[k, n : n + 1], c0[k, n : n + 1].astype(np.float64)
            for t in range(length)[:: 1 - 2 * k]:
                xw = x[t, n : n + 1] @ w[k].T + bias
                if kind == "LSTM": h, c = lstm_step(xw + own, h, c, r[k], np.split(p[k], 3))
                elif kind == "GRU": h, c = gru_step(xw, h, c, r[k], own)
                else: h = (np.tanh, lambda v: np.maximum(v, 0))[k](xw + own + h @ r[k].T)
                y[t, k, n] = h
            last[k, n] = h
    names = ["x0", "w", "r", "b", "x1", "x2"] + (["x3", "p"] if kind == "LSTM" else [])
    inputs, outputs = [x, np.array(lengths, np.int32), h0] + ([c0] if kind == "LSTM" else []), [y, last]
    if layout:
        inputs = [np.ascontiguousarray(v.swapaxes(0, 1)) if v.ndim == 3 else v for v in inputs]
        outputs = [y.transpose(2, 0, 1, 3), last.swapaxes(0, 1)]
    flags = {"linear_before_reset": 1} if kind == "GRU" else {"activations": activations} if activations else {}
    node = helper.make_node(kind, names, ["y", "last"], hidden_size=hidden, direction="bidirectional", layout=layout, **flags)
    return "%s %s layout %d" % (kind, lengths, layout), [*constants(w=w, r=r, b=b, p=p), node], inputs, [np.ascontiguousarray(v.astype(np.float32)) for v in outputs], []


def joined():
    """Concats of what convolutions make, one inside the other, one read by a window with a border, one part twice."""
    x, w = f32(1, 16, 9, 7), {name: f32(*shape) / 4 for name, shape in (("a", (8, 16, 1, 1)), ("b", (12, 8, 1, 1)), ("c", (4, 20, 3, 3)))}
    product = lambda v, f: np.einsum("nchw,oc->nohw", v, f[:, :, 0, 0])
    a = product(x.astype(np.float64), w["a"])
    b = product(a, w["b"])
    ab = np.concatenate([a, b], 1)
    padded = np.pad(ab, ((0, 0), (0, 0), (1, 1), (1, 1)))
    c = np.einsum("nchwij,ocij->nohw", np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3)), w["c"])
    want = np.concatenate([ab, c, a], 1).astype(np.float32)
    nodes = [helper.make_node("Conv", ["x0", "a"], ["ra"]), helper.make_node("Conv", ["ra", "b"], ["rb"]), helper.make_node("Concat", ["ra", "rb"], ["ab"], axis=1),
             helper.make_node("Conv", ["ab", "c"], ["rc"], pads=[1] * 4), helper.make_node("Concat", ["ab", "rc", "ra"], ["y"], axis=1)]
    return "concats joined", [*constants(**w), *nodes], [x], [want], []


def parts(rows, columns):
    """Dense concats whose parts are made in place: by a map that something else reads, too, a product and a softmax; and one that is the result."""
    x, w = f32(1, rows, columns), f32(columns, columns) / np.float32(columns ** 0.5)
    x64 = x.astype(np.float64)
    a, e = np.tanh(x64), np.exp(x64 - x64.max(-1, keepdims=True))
    c = np.concatenate([a, x64 @ w, e / e.sum(-1, keepdims=True)], 1)
    want = np.concatenate([c @ w, -a, a[:, :1] * 2], 1).astype(np.float32)
    n = helper.make_node
    nodes = [n("Tanh", ["x0"], ["a"]), n("MatMul", ["x0", "w"], ["b"]), n("Softmax", ["x0"], ["s"], axis=-1), n("Concat", ["a", "b", "s"], ["c"], axis=1), n("MatMul", ["c", "w"], ["t"]),
             n("Neg", ["a"], ["m"]), n("Slice", ["a", "zero", "one", "axes"], ["f"]), n("Add", ["f", "f"], ["g"]), n("Concat", ["t", "m", "g"], ["y"], axis=1)]
    return "parts %s" % [rows, columns], [*constants(w=w, zero=np.array([0, 0], np.int64), one=np.array([1, 1 << 30], np.int64), axes=np.array([1, 2], np.int64)), *nodes], [x], [want], []


def upsampled(channels, out_channels):
    """A transposed convolution whose windows touch, then nearest neighbours by whole numbers."""
    x, w = f32(2, channels, 4, 5), f32(channels, out_channels, 2, 3)
    want = np.einsum("nchw,coij->nohiwj", x.astype(np.float64), w).reshape(2, out_channels, 8, 15)
    want = want.repeat(3, 2).repeat(2, 3).astype(np.float32)
    nodes = [helper.make_node("ConvTranspose", ["x0", "w"], ["t"], strides=[2, 3]),
             helper.make_node("Resize", ["t", "", "scales"], ["y"], mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric")]
    return "upsampled %s" % [channels, out_channels], [*constants(w=w, scales=np.array([1, 1, 3, 2], np.float32)), *nodes], [x], [want], []


def cases():
    yield depthwise(1, 20, 11, 13, 3, 1, 1, 1)
    yield depthwise(2, 3, 9, 3, 3, 2, 1, 1)
    yield depthwise(1, 40, 12, 17, 5, 2, 1, 2)
    yield depthwise(1, 17, 14, 15, 3, 1, 2, 2)
    yield depthwise(1, 32, 16, 16, 7, 1, 1, 3)
    yield depthwise(2, 24, 5, 40, 5, 1, 1, 2)
    yield depthwise(1, 300, 7, 20, 5, 1, 1, 2)
    yield depthwise(1, 272, 3, 9, 3, 1, 2, 2)
    yield depthwise(1, 16, 2, 12, 3, 1, 1, 1)
    yield symbolic(*depthwise(2, 18, 8, 9, 3, 1, 1, 1)[:4])
    x = f32(2, 99840)
    yield "matmul of very long rows", [helper.make_node("Transpose", ["x0"], ["t"], perm=[1, 0]), helper.make_node("MatMul", ["x0", "t"], ["y"])], [x], [(x.astype(np.float64) @ x.T).astype(np.float32)], []
    for kind in ("max", "mean", "mean with padding"):
        yield pool(kind, 1, 20, [11, 13], [3, 3], 1, [(1, 1), (1, 1)])
        yield pool(kind, 2, 17, [12, 9], [2, 4], 2, [(0, 1), (2, 0)], parts=["last"])
        yield pool(kind, 1, 33, [23], [3], 2, [(1, 0)])
        yield pool(kind, 1, 16, [5, 7, 6], [3, 2, 3], 1, [(1, 1), (0, 0), (1, 0)])
        yield pool(kind, 2, 64, [70, 61], [3, 3], 2, [(1, 1), (1, 1)], parts=["last"])
        yield pool(kind, 1, 72, [63, 80], [2, 2], 2, [(0, 0), (0, 0)])
        yield pool(kind, 1, 48, [90, 50], [5, 3], 3, [(2, 1), (1, 1)])
    for case in ((116, 7, 9, 2, 0, 58), (232, 3, 5, 2, 116, 232), (58, 6, 4, 2), (96, 5, 7, 4), (96, 5, 7, 4, 24, 72), (48, 4, 4, 3), (160, 3, 3, 8), (60, 3, 5, 2, 15, 46), (21, 5, 3, 3)):
        yield shuffled(*case)
    yield shuffled(116, 7, 9, 2, 58, 116, "Conv")
    yield pool("max", 1, 24, [20, 30], [3, 3], 1, [(0, 0), (0, 0)], 2)
    yield pool("max", 1, 24, [20, 30], [3, 3], 2, [(2, 2), (2, 2)], 2)
    yield pool("max", 1, 40, [9, 6], [5, 5], 1, [(2, 2), (2, 2)])
    yield bottleneck(1, 12, 40, 71, 60, 3, 1, ["first", "last"])
    yield bottleneck(2, 8, 36, 70, 58, 5, 2, ["first", "last"])
    yield bottleneck(1, 8, 64, 98, 51, 3, 2, ["first"])
    yield bottleneck(2, 48, 0, 65, 61, 3, 1, ["last"])
    yield multiplied(48, 64, 60)
    yield grouped(8, 4, 4, [13, 11], 3)
    yield grouped(3, 5, 24, [9, 12], 3, 2)
    yield grouped(4, 16, 16, [7, 9], 1)
    yield grouped(6, 1, 3, [10, 8], 3)
    yield grouped(3, 1, 20, [9, 7], 3)
    yield grouped(2, 7, 5, [6, 8], 3, given=True)
    yield grouped(4, 8, 8, [40], 5)
    yield grouped(2, 3, 20, [5, 6, 7], 3)
    yield symbolic(*grouped(8, 4, 4, [13, 11], 3)[:4])
    yield transposed(1, 12, 20, [7, 9], 4, 2, 1, [1, 1])
    yield transposed(1, 5, 7, [6, 5], 3, 2, 1, [1, 1], 1)
    yield transposed(2, 6, 4, [5, 6], 5, 3, 1, [2, 0])
    yield transposed(9, 1, 1, [8, 7], 4, 2, 1, [1, 2])
    yield transposed(1, 4, 6, [11], 16, 8, 1, [9, 4])
    yield transposed(1, 4, 6, [6, 7], 3, 1, 2, [2, 1])
    yield transposed(1, 4, 6, [6, 7], 3, 2, 3, [0, 1], 1)
    yield transposed(1, 6, 5, [4, 5], 1, 2, 1, [0, 0], 1)
    yield transposed(1, 6, 5, [3, 4, 5], 2, 2, 1, [0, 0])
    yield symbolic(*transposed(1, 12, 20, [7, 9], 3, 2, 1, [1, 0])[:4])
    yield ranges(16, 16, 16)
    yield ranges(5, 14, 9)
    yield gated(24, 10, 20)
    yield gated(40, 6, 12)
    yield layers(2, 360, 24, 400)
    yield windows(6, 2, 17, 8)
    yield overwritten(37, 64)
    yield symbolic(*overwritten(29, 40)[:4])
    yield viewed(48, 32)
    yield turned(2, 37, 70)
    yield turned(1, 64, 32)
    yield turned(3, 16, 5)
    yield turned(1, 5, 300)
    yield turned(1, 1500, 40)
    yield turned(1, 50, 19, np.int32)
    yield turned(1, 50, 19, np.float64)
    yield symbolic(*turned(2, 41, 35)[:4])
    yield from (gelu(order) for order in ("xeh", "hxe", "ehx"))
    yield special_values(37)
    yield symbolic(*special_values(64)[:4])
    yield long_rows(5, 1031)
    yield long_rows(3, 2048)
    yield attention(2, 3, 37, 53, 16)
    yield attention(1, 1, 200, 130, 24)
    yield recurrent("LSTM", [7, 3], 0)
    yield recurrent("LSTM", [7], 1)
    yield recurrent("GRU", [4, 7, 1], 1)
    yield recurrent("GRU", [7, 7], 0)
    yield recurrent("RNN", [2, 7], 0, ["Tanh", "Relu"])
    yield symbolic(*recurrent("GRU", [5, 7], 0)[:4])
    yield joined()
    yield parts(7, 33)
    yield symbolic(*parts(5, 16)[:4])
    yield upsampled(6, 5)
    yield upsampled(3, 1)
    for case in ((1, 32, 48, 30, 26, [1] * 4, "MaxPool"), (2, 64, 40, 19, 17, [1] * 4, "AveragePool"), (1, 64, 64, 17, 23, [0, 1, 1, 0], "MaxPool", 4), (1, 96, 32, 14, 15, [1] * 4, "MaxPool", 3)):
        yield conv(*case)
    yield conv(1, 32, 48, 33, 31, [1, 1, 1, 1])
    yield conv(2, 16, 32, 24, 20, [0, 0, 0, 0])
    yield conv(3, 48, 16, 17, 16, [0, 1, 2, 3])
    yield conv(1, 64, 64, 40, 40, [1, 1, 1, 1])
    yield conv(1, 24, 20, 30, 30, [1, 1, 1, 1])
    yield conv(1, 40, 24, 32, 30, [1, 1, 1, 1])
    yield einsum("ij,jk,kl->il", (3, 4), (4, 5), (5, 6))
    yield einsum("...ij,...jk->...ik", (2, 3, 4, 5), (3, 5, 6))
    yield einsum("bi,ij,bj->b", (2, 3), (3, 4), (2, 4))
    yield einsum("...ij,jk", (2, 3, 4, 5), (5, 6))
    yield einsum("ii->i", (4, 4))
    yield einsum("a,b,c,d->abcd", (2,), (3,), (4,), (2,))
    x = np.where(rng.random((4, 5)) < 0.4, f32(4, 5), np.float32(0))
    yield symbolic("non-zero, then gather", [helper.make_node("NonZero", ["x0"], ["where"]), helper.make_node("Transpose", ["where"], ["rows"]), helper.make_node("GatherND", ["x0", "rows"], ["y"])],
                   [x], [x[np.nonzero(x)]])
    yield symbolic("nothing is non-zero", [helper.make_node("NonZero", ["x0"], ["y"])], [np.zeros((3, 2), np.float32)], [np.zeros((2, 0), np.int64)])
    x, keep = f32(3, 6), np.array([1, 0, 1, 1], bool)
    yield symbolic("compress, then a matrix product", [helper.make_node("Compress", ["x0", "x1"], ["some"], axis=1), helper.make_node("Transpose", ["some"], ["t"]), helper.make_node("MatMul", ["some", "t"], ["y"])],
                   [x, keep], [x[:, :4][:, keep] @ x[:, :4][:, keep].T])
    x = rng.integers(0, 4, (6, 2)).astype(np.int64)
    values, first, inverse, counts = np.unique(x, return_index=True, return_inverse=True, return_counts=True, axis=0)
    yield symbolic("unique rows", [helper.make_node("Unique", ["x0"], ["y", "first", "inverse", "counts"], axis=0)], [x], [values, first, inverse.reshape(-1), counts])
    x = f32(2, 3, 6)
    yield symbolic("squeeze and reduce", [helper.make_node("ReduceSum", ["x0", "x1"], ["s"], keepdims=1), helper.make_node("Squeeze", ["s", "x1"], ["y"])], [x, np.array([-1], np.int64)], [x.sum(-1)])
    x = f32(1, 2, 5, 7)
    yield symbolic("resize by run-time scales", [helper.make_node("Resize", ["x0", "", "x1"], ["y"], mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")],
                   [x, np.array([1, 1, 2, 3], np.float32)], [x.repeat(2, 2).repeat(3, 3)])


def more_cases():
    """Those of tests/form_cases, a file a subject, each with a cases() of its own."""
    for path in sorted((Path(__file__).parent / "form_cases").glob("*.py")):
        yield from importlib.import_module("form_cases." + path.stem).cases()


def all_cases():
    yield from cases()
    yield from more_cases()


STEMS = "t", "u", "v_", "d", "v_n", "s" # what symbols of the compiler's own are called, too


def model_of(nodes, inputs, outputs, flags, constant=False):
    """flags: "symbolic": every input extent (of rank 1 as well: "lists") is a symbol of its own; "opset=N". constant: inputs are initialisers."""
    is_symbolic = "symbolic" in flags or "lists" in flags
    opset = next((int(f[6:]) for f in flags if f.startswith("opset=")), 20)

    def info(name, value, stem):
        shape = ["%s%d" % (stem, d) for d in range(value.ndim)] if is_symbolic else value.shape
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), shape)
    names = [o for o in nodes[-1].output if o]
    graph_inputs = [info("x%d" % i, v, STEMS[i] if i < len(STEMS) else "w%d_" % i) if v.ndim != 1 or "lists" in flags else helper.make_tensor_value_info("x%d" % i, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for i, v in enumerate(inputs)]
    graph_outputs = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), None) for n, v in zip(names, outputs)]
    values = [numpy_helper.from_array(np.asarray(v), "x%d" % i) for i, v in enumerate(inputs)] if constant else []
    return helper.make_model(helper.make_graph(nodes, "form", [] if constant else graph_inputs, graph_outputs, values), opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)])


def levels(dsc):
    """ISA levels that this machine can run."""
    text = subprocess.run([dsc, "info"], capture_output=True, text=True).stdout
    return re.findall(r"^  (\S+) +\d+-byte vectors.*, runs here$", text, re.M)


def load(path):
    """.npy, or .pb where a model without inputs was run."""
    if path.with_suffix(".npy").exists():
        return np.load(path.with_suffix(".npy"))
    return numpy_helper.to_array(onnx.load_tensor(str(path.with_suffix(".pb"))))


def agrees(folder, outputs):
    for i, want in enumerate(outputs):
        got = load(folder / ("output_%d" % i))
        if got.shape != want.shape:
            return "output %d has shape %s" % (i, got.shape)
        if want.dtype.kind in "iub":
            if not np.array_equal(got, want):
                return "output %d differs" % i
            continue
        with np.errstate(invalid="ignore"):
            near = np.abs(got - want) <= 1e-4 * np.abs(want[np.isfinite(want)]).max(initial=0)
        if not np.all(near | (got == want) | ((got != got) & (want != want))):
            return "output %d differs" % i
    return None


def write(folder, nodes, inputs, outputs, flags, constant=False):
    """The model and its inputs as files; the inputs' paths."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model_of(nodes, inputs, outputs, flags, constant), folder / "form.onnx")
    if constant:
        return []
    paths = [folder / ("input_%d.npy" % i) for i in range(len(inputs))]
    for path, value in zip(paths, inputs):
        np.save(path, value)
    return paths


def run_program(dsc, folder, paths, outputs, compiler=(), runner=()):
    made = subprocess.run([dsc, "compile", folder / "form.onnx", *compiler, "--emit=exe", "-o", folder / "form"], capture_output=True, text=True)
    command = [*runner, folder / "form", "--threads=2", "--outputs=%s" % folder, *paths]
    ran = subprocess.run(command, capture_output=True, text=True) if made.returncode == 0 else made
    return ran.stderr if ran.returncode else agrees(folder, outputs)


def run_on_aarch64(dsc, work, report):
    def run_one(numbered):
        k, (name, nodes, inputs, outputs, flags) = numbered
        paths = write(work / str(k), nodes, inputs, outputs, flags)
        return name, run_program(dsc, work / str(k), paths, outputs, ["--target=aarch64"], ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"])
    some = ((k, form) for k, form in enumerate(all_cases()) if "brief" not in form[4] or k % 4 == 0)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, reason in pool.map(run_one, some):
            report.check("form: %s on aarch64" % name, not reason, reason)


PASSES = tables.without()


def run_form(dsc, work, every_level, k, form):
    """(what, reason) of every run: a program of its own; every ISA level, memory filled with two bytes; all inputs constant, or a pass left out, in turns."""
    name, nodes, inputs, outputs, flags = form
    folder, constant = work / str(k), work / ("%d.constant" % k)
    paths = write(folder, nodes, inputs, outputs, flags)
    write(constant, nodes, inputs, outputs, flags, constant=True)
    level, without = every_level[k % len(every_level)], PASSES[k // 3 % len(PASSES)]
    plain = [(folder, "at " + l, ["--cpu=" + l]) for l in every_level]
    more = [(constant, "of constants at " + level, ["--cpu=" + level])] if k % 3 else [(folder, "without %s at %s" % (without, level), ["--cpu=" + level, "--without=" + without])]
    if "brief" in flags: # many small ones of one kind: a run or two of each
        plain, more = plain[k % len(plain):][:1], more if k % 3 == 1 else []
    else:
        yield name, run_program(dsc, folder, paths, outputs)
    for where, what, options in plain + more:
        ran = subprocess.run([dsc, "run", where / "form.onnx", *options, "--inputs", where, "--outputs", where, "--verify-each", "--poison"], capture_output=True, text=True)
        yield "%s %s" % (name, what), ran.stderr if ran.returncode else agrees(where, outputs)


def run(dsc, work, report):
    every_level = levels(dsc)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for results in pool.map(lambda numbered: list(run_form(dsc, work, every_level, *numbered)), enumerate(all_cases())):
            for name, reason in results:
                report.check("form: " + name, not reason, reason)
