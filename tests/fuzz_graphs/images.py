"""Windows and samples: convolutions, pools, resizes, grids, regions."""
import numpy as np

from fuzz_graphs.graph import family


def image(g, dtype=np.float32, low=1, high=3, least=1, channels=None):
    """An old value that can be an image, or a new one: (values, spatial dims)."""
    x = g.pick(lambda v: v.dtype == dtype and 2 + low <= v.rank <= 2 + high and min(v.shape[2:]) >= least and (channels is None or v.shape[1] == channels))
    if x is None or g.chance(0.4):
        n = g.choice([d for d in (1, 2, 2, 2, 3) if low <= d <= high])
        x = g.data(dtype, [g.choice([1, 1, 2]), channels or g.choice([1, 2, 3, 4, 8, 16, 17])] + [max(least, g.choice([1, 2, 5, 7, 8, 11])) for _ in range(n)])
    return x, x.rank - 2


def window(g, sizes, dilate=True, pads=True):
    """Attributes of a window; often uneven."""
    n = len(sizes)
    attributes = {}
    kernel = [g.choice([1, 2, 3, 3, 5]) for _ in sizes]
    if g.chance(0.7):
        attributes["strides"] = [g.choice([1, 1, 2, 3]) for _ in sizes]
    if dilate and g.chance(0.3):
        attributes["dilations"] = [g.choice([1, 2]) for _ in sizes]
    if g.chance(0.3):
        attributes["auto_pad"] = g.choice(["SAME_UPPER", "SAME_LOWER", "VALID"])
    elif pads and g.chance(0.7):
        attributes["pads"] = [g.int(0, k // 2) for k in kernel * 2] if g.chance(0.5) else [k // 2 for k in kernel] * 2
    if attributes.get("auto_pad", "NOTSET") in ("NOTSET", "VALID"):
        # where a window of a larger stride does not fit, ONNX Runtime's division gives a place for it
        pads = attributes.get("pads", [0] * 2 * n)
        for i, e in enumerate(sizes):
            step = attributes.get("dilations", [1] * n)[i]
            if (kernel[i] - 1) * step >= e + pads[i] + pads[n + i] and "strides" in attributes:
                attributes["strides"][i] = 1
    return kernel, attributes, n


@family("windows", 4)
@family("images", 2)
def conv(g):
    x, _ = image(g, g.choice([np.float32, np.float32, np.float32, np.float64, np.float16]))
    kernel, attributes, _ = window(g, x.shape[2:])
    c = x.shape[1]
    group = g.choice([1, 1, c] + [d for d in (2, 3, 4) if c % d == 0]) if c else 1
    out = group * g.choice([1, 1, 2, 3, 8])
    w = g.weight(out, c // group, *kernel, dtype=x.dtype)
    b = g.weight(out, dtype=x.dtype) if g.chance(0.6) else None
    if g.chance(0.7):
        attributes["kernel_shape"] = kernel
    g.add("Conv", [x, w, b], group=group, **attributes)


@family("windows", 3)
@family("images")
def conv_transpose(g):
    x, n = image(g, g.choice([np.float32, np.float32, np.float64]))
    kernel, attributes, _ = window(g, x.shape[2:])
    c = x.shape[1]
    group = g.choice([1, 1] + [d for d in (2, 3, c) if c % d == 0]) if c else 1
    out = g.choice([1, 2, 3])
    if g.chance(0.3):
        attributes["output_padding"] = [g.int(0, max(0, s - 1)) for s in attributes.get("strides", [1] * n)]
    if g.chance(0.2):
        attributes["output_shape"] = [e * s + g.int(0, 1) for e, s in zip(x.shape[2:], attributes.get("strides", [1] * n))]
    g.add("ConvTranspose", [x, g.weight(c, out, *kernel, dtype=x.dtype), g.weight(group * out, dtype=x.dtype) if g.chance(0.5) else None], group=group, **attributes)


@family("windows", 4)
@family("images", 2)
def pool(g):
    op = g.choice(["MaxPool", "MaxPool", "AveragePool", "AveragePool", "LpPool"])
    x, _ = image(g, g.choice([np.float32, np.float32, np.float64, np.float16] + [np.int8, np.uint8] * (op == "MaxPool")))
    kernel, attributes, _ = window(g, x.shape[2:], op == "MaxPool" and g.opset >= 10 or g.opset >= 19)
    if "pads" in attributes:
        attributes["pads"] = [min(p, k - 1) for p, k in zip(attributes["pads"], kernel * 2)]
    if g.opset >= 10 and g.chance(0.3):
        attributes["ceil_mode"] = 1
    if op == "AveragePool" and g.chance(0.4):
        attributes["count_include_pad"] = 1
    if "SAME" in attributes.get("auto_pad", ""):
        attributes.pop("dilations", None)  # ONNX Runtime leaves them out of the padding
    if op == "LpPool" and g.chance(0.5):
        attributes["p"] = g.choice([1, 2, 3])
    outputs = 2 if op == "MaxPool" and x.exact and g.chance(0.3) else 1
    if any(d > e for d, e in zip(attributes.get("dilations", []), x.shape[2:])):
        outputs = 1  # where all of a window lies in the padding, no index is right
    if outputs == 2 and g.opset >= 8 and g.chance(0.3):
        attributes["storage_order"] = 1
    g.add(op, [x], outputs, kernel_shape=kernel, **attributes)


@family("windows")
@family("images")
def global_pool(g):
    x, _ = image(g, g.choice([np.float32, np.float64]))
    op = g.choice(["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"])
    g.add(op, [x], **({"p": g.choice([1, 2, 3])} if op == "GlobalLpPool" and g.chance(0.5) else {}))


@family("windows")
def unpool(g):
    x = g.data(np.float32, [1, g.int(1, 2), g.choice([4, 6]), g.choice([4, 6])])
    pooled = g.add("MaxPool", [x], 2, kernel_shape=[2, 2], strides=[2, 2])
    if pooled:
        size = [g.parameter(x.shape)] if g.chance(0.4) else []
        g.add("MaxUnpool", pooled + size, kernel_shape=[2, 2], strides=[2, 2])


@family("sampling", 4)
@family("images")
def resize(g):
    x, n = image(g, g.choice([np.float32, np.float32, np.float64, np.float16, np.uint8, np.int8, np.int32]))
    modes = ["nearest", "linear"] + ["cubic"] * (n == 2 and g.opset >= 11 and x.is_float)
    attributes = {"mode": g.choice(modes)}
    if x.dtype.kind != "f":
        attributes["mode"] = "nearest"
    scales = [1.0, 1.0] + [float(g.choice([0.5, 0.7, 1.0, 1.5, 2.0, 3.0])) for _ in range(n)]
    sizes = list(x.shape[:2]) + [g.int(1, 12) for _ in range(n)]
    if g.opset < 9:
        g.add("Upsample", [x], scales=[max(1.0, s) for s in scales], **attributes)
        return
    if g.opset < 10:
        g.add("Upsample", [x, g.parameter([max(1.0, s) for s in scales], np.float32)], **attributes)
        return
    if g.opset == 10:
        g.add("Resize", [x, g.parameter(scales, np.float32)], **attributes)
        return
    transforms = ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "tf_crop_and_resize"] + ["half_pixel_symmetric"] * (g.opset >= 19)
    attributes["coordinate_transformation_mode"] = g.choice(transforms)
    if attributes["mode"] == "nearest":
        attributes["nearest_mode"] = g.choice(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
    if attributes["mode"] == "cubic":
        attributes.update(cubic_coeff_a=g.choice([-0.75, -0.5]), exclude_outside=g.int(0, 1))
    if attributes["coordinate_transformation_mode"] in ("align_corners", "tf_crop_and_resize"):
        # ONNX has these divide by the length before it is rounded, ONNX Runtime after
        scales = [s if (e * s) % 1 == 0 else 2.0 for s, e in zip(scales, x.shape)]
    roi = None
    if attributes["coordinate_transformation_mode"] == "tf_crop_and_resize":
        roi = g.parameter([0.0] * 2 + [0.1] * n + [1.0] * 2 + [0.8] * n, np.float32)
        attributes["extrapolation_value"] = 0.5
    if g.opset >= 18 and g.chance(0.3) and roi is None:
        attributes["axes"] = list(range(2, 2 + n))
        scales, sizes = scales[2:], sizes[2:]
        if g.chance(0.4) and attributes["coordinate_transformation_mode"] != "align_corners":  # whose lengths would be rounded, too
            attributes["keep_aspect_ratio_policy"] = g.choice(["not_larger", "not_smaller", "stretch"])
    if g.opset >= 18 and g.chance(0.25):
        attributes["antialias"] = 1
    if g.chance(0.5) and "keep_aspect_ratio_policy" not in attributes:
        g.add("Resize", [x, roi, g.parameter(scales, np.float32)], **attributes)
    else:
        g.add("Resize", [x, roi, None, g.parameter(sizes)], **attributes)


@family("sampling", 3)
def grid_sample(g):
    x, n = image(g, g.choice([np.float32, np.float32, np.float64]), 2, 3 if g.opset >= 20 else 2)
    out = [g.int(1, 5) for _ in range(n)]
    grid = g.data(x.dtype if g.chance(0.8) else np.float32, [x.shape[0]] + out + [n], -1.4, 1.4)
    modes = ["nearest", "linear", "cubic"] if g.opset >= 20 else ["nearest", "bilinear", "bicubic"]
    if n == 3:
        modes = modes[:2]
    g.add("GridSample", [x, grid], mode=g.choice(modes), padding_mode=g.choice(["zeros", "border", "reflection"]), align_corners=g.int(0, 1))


@family("sampling")
def affine_grid(g):
    n, three = g.int(1, 2), g.chance(0.4)
    theta = g.data(np.float32, [n, 3, 4] if three else [n, 2, 3])
    size = [n, 2] + [g.int(1, 4) for _ in range(3 if three else 2)]
    g.add("AffineGrid", [theta, g.parameter(size)], align_corners=g.int(0, 1))


@family("sampling", 2)
def roi_align(g):
    x, _ = image(g, np.float32, 2, 2)
    regions = g.int(0, 3) if g.chance(0.1) else g.int(1, 3)
    corners = np.sort(g.rng.uniform(-2, 12, (regions, 2, 2)), axis=1).reshape(regions, 4).astype(np.float32)
    attributes = {"output_height": g.int(1, 3), "output_width": g.int(1, 3), "sampling_ratio": g.int(0, 3), "spatial_scale": float(g.choice([0.5, 1.0]))}
    if g.chance(0.4):
        attributes["mode"] = g.choice(["avg", "max"])
        if attributes["mode"] == "max":
            attributes["sampling_ratio"] = 1  # ONNX Runtime's maximum of more samples is not ONNX's
    if g.opset >= 16 and g.chance(0.5):
        attributes["coordinate_transformation_mode"] = g.choice(["half_pixel", "output_half_pixel"])
    g.add("RoiAlign", [x, g.source(corners), g.parameter(g.rng.integers(0, max(1, x.shape[0]), regions))], **attributes)


@family("sampling")
def deform(g):
    x = g.data(np.float32, [1, g.choice([2, 4]), g.int(3, 6), g.int(3, 6)])
    k, group = g.choice([1, 3]), g.int(1, 2)
    out_size = [e - k + 1 + 2 * (k // 2) for e in x.shape[2:]]
    offset = g.data(np.float32, [1, group * k * k * 2] + out_size, -1.5, 1.5)
    mask = g.data(np.float32, [1, group * k * k] + out_size) if g.chance(0.5) else None
    w = g.weight(3, x.shape[1], k, k)
    g.add("DeformConv", [x, w, offset, g.weight(3) if g.chance(0.5) else None, mask], pads=[k // 2] * 4, offset_group=group, kernel_shape=[k, k])


@family("windows")
def columns(g):
    block = [g.int(1, 3), g.int(1, 3)]
    size = [g.int(3, 6), g.int(3, 6)]
    count = int(np.prod([s - b + 1 for s, b in zip(size, block)]))
    x = g.data(np.float32, [g.int(1, 2), g.int(1, 3) * block[0] * block[1], count])
    g.add("Col2Im", [x, g.parameter(size), g.parameter(block)])


@family("images", 2)
def block(g):
    """A convolution, a norm and an activation, added to what went in: what networks are made of."""
    x, n = image(g, np.float32, 1, 2, 3)
    c = x.shape[1]
    y = g.one("Conv", [x, g.weight(c, c, *[3] * n), g.weight(c)], pads=[1] * 2 * n)
    if y and g.chance(0.5):
        y = g.one("BatchNormalization", [y] + [g.weight(c, low=0.5, high=1.5) for _ in range(4)])
    y = y and g.one(g.choice(["Relu", "Sigmoid", "HardSwish", "LeakyRelu"]), [y])
    if y and g.chance(0.6):
        g.one("Add", [y, x])
