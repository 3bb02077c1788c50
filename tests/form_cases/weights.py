"""Weights that are graph inputs, every extent a symbol (`lists`: of biases as well); windows are named by kernel_shape."""
import numpy as np
from onnx import helper

from forms import f32

node = helper.make_node


def form(name, nodes, inputs, want):
    return "weights " + name, nodes, inputs, [want], ["lists"]


def windows_of(x, kernel, stride, pad):
    """[n, c, out…, kernel…]"""
    axes = tuple(range(2, x.ndim))
    padded = np.pad(x.astype(np.float64), [(0, 0), (0, 0), *[(pad, pad)] * len(axes)])
    return np.lib.stride_tricks.sliding_window_view(padded, kernel, axes)[(slice(None),) * 2 + (slice(None, None, stride),) * len(axes)]


def convolved(x, w, group, stride, pad):
    spatial, outputs = x.ndim - 2, w.shape[0] // group
    letters = "hwd"[:spatial], "ijk"[:spatial]
    parts = [np.einsum("nc%s%s,oc%s->no%s" % (*letters, letters[1], letters[0]), windows_of(x[:, g * w.shape[1]:(g + 1) * w.shape[1]], w.shape[2:], stride, pad), w[g * outputs:(g + 1) * outputs]) for g in range(group)]
    return np.concatenate(parts, 1)


def conv(channels, outputs, size, kernel, group=1, stride=1, pad=0):
    x, w, b = f32(2, channels, *size), f32(outputs, channels // group, *kernel) / 4, f32(outputs)
    want = np.maximum(convolved(x, w, group, stride, pad) + b.reshape(-1, *[1] * len(size)), 0)
    facts = dict(kernel_shape=kernel, group=group, strides=[stride] * len(size), pads=[pad] * 2 * len(size))
    return form("conv %s" % [channels, outputs, size, kernel, group, stride, pad], [node("Conv", ["x0", "x1", "x2"], ["c"], **facts), node("Relu", ["c"], ["y"])], [x, w, b], want.astype(np.float32))


def transposed(channels, outputs, size, kernel, group, stride, pad):
    x, w, b = f32(2, channels, *size), f32(channels, outputs // group, *kernel) / 4, f32(outputs)
    wide = np.zeros((2, channels, *[(s - 1) * stride + 1 for s in size]), np.float32)
    wide[(slice(None),) * 2 + (slice(None, None, stride),) * len(size)] = x
    turned = np.flip(w, tuple(range(2, w.ndim)))
    parts = [turned[g * (channels // group):(g + 1) * (channels // group)].swapaxes(0, 1) for g in range(group)]
    want = convolved(wide, np.concatenate(parts), group, 1, kernel[0] - 1 - pad) + b.reshape(-1, *[1] * len(size))
    facts = dict(kernel_shape=kernel, group=group, strides=[stride] * len(size), pads=[pad] * 2 * len(size))
    return form("transposed %s" % [channels, outputs, size, kernel, group, stride, pad], [node("ConvTranspose", ["x0", "x1", "x2"], ["y"], **facts)], [x, w, b], want.astype(np.float32))


def conv_integer(channels, outputs, size, zeros):
    x, w = (np.random.default_rng(2).integers(0, 200, s).astype(np.uint8) for s in ((1, channels, *size), (outputs, channels, 3, 3)))
    z = np.arange(100, 100 + zeros).astype(np.uint8)
    want = convolved(x.astype(np.int32) - 9, w.astype(np.int32) - z.astype(np.int32).reshape(-1, 1, 1, 1), 1, 1, 0)
    nodes = [helper.make_node("Constant", [], ["nine"], value=helper.make_tensor("nine", helper.TensorProto.UINT8, [], [9])), node("ConvInteger", ["x0", "x1", "nine", "x2"], ["y"], kernel_shape=[3, 3])]
    return form("conv integer %s" % [channels, outputs, size, zeros], nodes, [x, w, z], want.astype(np.int32))


def norms(channels):
    x, s, b, m, v = f32(2, channels, 5, 3), f32(channels), f32(channels), f32(channels), np.abs(f32(channels)) + 1
    nodes = [node("BatchNormalization", ["x0", "x1", "x2", "x3", "x4"], ["a"]), node("InstanceNormalization", ["a", "x1", "x2"], ["c"]), node("GroupNormalization", ["c", "x1", "x2"], ["y"], num_groups=2)]
    s, b, m, v = (t.reshape(-1, 1, 1) for t in (s, b, m, v))
    y = (x.astype(np.float64) - m) / np.sqrt(v + 1e-5) * s + b
    y = (y - y.mean((2, 3), keepdims=True)) / np.sqrt(y.var((2, 3), keepdims=True) + 1e-5) * s + b
    g = y.reshape(2, 2, -1, 5, 3)
    g = (g - g.mean((2, 3, 4), keepdims=True)) / np.sqrt(g.var((2, 3, 4), keepdims=True) + 1e-5)
    want = g.reshape(y.shape) * s + b
    return "weights norms %d" % channels, nodes, [x, *(t.reshape(-1) for t in (s, b, m, v))], [want.astype(np.float32)], ["lists", "opset=21"]


def cases():
    yield conv(6, 20, (7, 9), [3, 3], pad=1)
    yield conv(16, 32, (8, 8), [1, 1])
    yield conv(8, 12, (9, 7), [3, 3], group=4, stride=2, pad=1)
    yield conv(12, 12, (9, 7), [3, 3], group=12, pad=1)
    yield conv(4, 6, (19,), [5], pad=2)
    yield conv(3, 5, (4, 5, 6), [2, 2, 2])
    yield transposed(6, 4, (5, 6), [4, 4], 1, 2, 1)
    yield transposed(6, 4, (5, 6), [3, 3], 2, 2, 1)
    yield transposed(3, 4, (9,), [2], 1, 3, 0)
    yield conv_integer(3, 5, (6, 7), 5)
    yield conv_integer(3, 5, (6, 7), 1)
    yield norms(6)
