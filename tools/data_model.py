"""Trains the small model of this repository: scikit-learn's digits, two convolutions and a dense layer, written with onnx.helper.

    python tools/data_model.py tests/data/digits.onnx        (numpy, scikit-learn, onnx)

Gradients are written out by hand in numpy, so that no training framework is needed. Deterministic: same versions, same bytes.
"""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits


def windows(x):
    """3x3 windows of zero-padded images: [n, c, h, w] -> [n, h, w, c*9]"""
    p = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    n, c, h, w = x.shape
    cols = np.stack([p[:, :, i:i + h, j:j + w] for i in range(3) for j in range(3)], axis=2)
    return cols.transpose(0, 3, 4, 1, 2).reshape(n, h, w, c * 9)


def unwindows(d, c):
    n, h, w, _ = d.shape
    d = d.reshape(n, h, w, c, 9).transpose(0, 3, 4, 1, 2)
    p = np.zeros((n, c, h + 2, w + 2), np.float32)
    for k in range(9):
        p[:, :, k // 3:k // 3 + h, k % 3:k % 3 + w] += d[:, :, k]
    return p[:, :, 1:-1, 1:-1]


def train(x, y, steps=1200, batch=64):
    rng = np.random.default_rng(7)
    scale = lambda *s: (rng.standard_normal(s) * np.sqrt(2.0 / np.prod(s[1:]))).astype(np.float32)
    w = {"w1": scale(16, 9), "b1": np.zeros(16, np.float32), "w2": scale(32, 144), "b2": np.zeros(32, np.float32), "w3": scale(10, 512), "b3": np.zeros(10, np.float32)}
    m, v = {k: 0 * a for k, a in w.items()}, {k: 0 * a for k, a in w.items()}
    for step in range(1, steps + 1):
        i = rng.integers(0, len(x), batch)
        a0, t = x[i], np.eye(10, dtype=np.float32)[y[i]]
        c1 = windows(a0); z1 = c1 @ w["w1"].T + w["b1"]; a1 = np.maximum(z1, 0).transpose(0, 3, 1, 2)
        c2 = windows(a1); z2 = c2 @ w["w2"].T + w["b2"]; a2 = np.maximum(z2, 0).transpose(0, 3, 1, 2)
        pool = a2.reshape(batch, 32, 4, 2, 4, 2).max(axis=(3, 5))
        flat = pool.reshape(batch, -1); z3 = flat @ w["w3"].T + w["b3"]
        e = np.exp(z3 - z3.max(1, keepdims=True)); d3 = (e / e.sum(1, keepdims=True) - t) / batch
        g = {"w3": d3.T @ flat, "b3": d3.sum(0)}
        dp = (d3 @ w["w3"]).reshape(pool.shape)
        up = np.repeat(np.repeat(dp, 2, 2), 2, 3) * (a2 == np.repeat(np.repeat(pool, 2, 2), 2, 3))
        d2 = up.transpose(0, 2, 3, 1) * (z2 > 0)
        g["w2"], g["b2"] = np.tensordot(d2, c2, ([0, 1, 2], [0, 1, 2])), d2.sum((0, 1, 2))
        d1 = unwindows(d2 @ w["w2"], 16).transpose(0, 2, 3, 1) * (z1 > 0)
        g["w1"], g["b1"] = np.tensordot(d1, c1, ([0, 1, 2], [0, 1, 2])), d1.sum((0, 1, 2))
        for k in w:
            m[k] = 0.9 * m[k] + 0.1 * g[k]
            v[k] = 0.999 * v[k] + 0.001 * g[k] ** 2
            w[k] = (w[k] - 2e-3 * (m[k] / (1 - 0.9 ** step)) / (np.sqrt(v[k] / (1 - 0.999 ** step)) + 1e-8)).astype(np.float32)
    return w


def build(w):
    constants = {"w1": w["w1"].reshape(16, 1, 3, 3), "b1": w["b1"], "w2": w["w2"].reshape(32, 16, 3, 3), "b2": w["b2"], "w3": w["w3"], "b3": w["b3"]}
    node = helper.make_node
    nodes = [
        node("Conv", ["image", "w1", "b1"], ["c1"], "conv1", pads=[1, 1, 1, 1]), node("Relu", ["c1"], ["r1"], "relu1"),
        node("Conv", ["r1", "w2", "b2"], ["c2"], "conv2", pads=[1, 1, 1, 1]), node("Relu", ["c2"], ["r2"], "relu2"),
        node("MaxPool", ["r2"], ["p"], "pool", kernel_shape=[2, 2], strides=[2, 2]), node("Flatten", ["p"], ["f"], "flatten"),
        node("Gemm", ["f", "w3", "b3"], ["g"], "dense", transB=1), node("Softmax", ["g"], ["scores"], "softmax"),
    ]
    graph = helper.make_graph(nodes, "digits", [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8])],
                              [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 10])], [numpy_helper.from_array(a, k) for k, a in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="dsc/tools/data_model.py")
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model


def main():
    digits = load_digits()
    x, y = (digits.images / 16).astype(np.float32)[:, None], digits.target
    w = train(x[:1500], y[:1500])
    onnx.save(build(w), sys.argv[1])
    with open(sys.argv[1].replace(".onnx", "_images.h"), "w") as f:  # a few test images for the demo, as C
        f.write("/* Test images of scikit-learn's digits (optdigits, UCI), written by tools/data_model.py: label, 8x8 grey values 0..16. */\n")
        f.write("static const struct { int label; unsigned char pixels[64]; } test_images[] = {\n")
        for i in range(1500, 1506):
            f.write("    {%d, {%s}},\n" % (y[i], ", ".join(str(int(p)) for p in digits.images[i].ravel())))
        f.write("};\n")


if __name__ == "__main__":
    main()
