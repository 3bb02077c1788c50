"""Windows in one to three dimensions: convolutions, depthwise ones, pools, transposed ones, of sizes that give the largest tiles, and chains of them."""
import numpy as np
from forms import constants, correlated, f32, grouped, helper, pool, transposed


def chain(rank):
    """Convolution, pool, resize, transposed convolution: of constants, all of it is a recipe."""
    size = [6] * rank
    x, w, t = f32(1, 4, *size), f32(6, 4, *[3] * rank) / 3, f32(6, 2, *[1] * rank)
    v = correlated(x, w, 1, 1, 1, [(1, 1)] * rank)
    v = v.reshape(1, 6, *[n for _ in range(rank) for n in (3, 2)]).max(tuple(range(3, 3 + 2 * rank, 2)))
    for d in range(rank):
        v = v.repeat(2, 2 + d)
    want = np.einsum("nc...,co->no...", v, t.reshape(6, 2)).astype(np.float32)
    values = constants(w=w, t=t, s=np.array([1, 1, *[2] * rank], np.float32))
    nodes = [helper.make_node("Conv", ["x0", "w"], ["a"], pads=[1] * 2 * rank), helper.make_node("MaxPool", ["a"], ["b"], kernel_shape=[2] * rank, strides=[2] * rank),
             helper.make_node("Resize", ["b", "", "s"], ["c"], mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"), helper.make_node("ConvTranspose", ["c", "t"], ["y"])]
    return "chain in %d dims" % rank, [*values, *nodes], [x], [want], []


def cases():
    for size, kernel in (((40,), 5), ((9, 41), 3), ((5, 7, 26), 3), ((4, 9, 25), 5), ((3, 4, 5), 3)):
        rank = len(size)
        yield grouped(32, 1, 1, size, kernel)
        yield grouped(20, 1, 1, size, kernel, stride=2)
        yield pool("max", 1, 32, size, [kernel] * rank, 1, [(kernel // 2,) * 2] * rank)
        yield pool("mean", 2, 20, size, [3] * rank, 2, [(1, 0)] * rank, 1, ("last",))
        yield transposed(1, 3, 5, size, 3, 2, 1, (1, 0), 1)
    for rank in (1, 2, 3):
        yield chain(rank)
