#!/usr/bin/env python3
"""How far candidates agree with a reference over real inputs:

    agreement.py MODEL.onnx INPUTS.npz REFERENCE CANDIDATE … [--kind KIND] [--count N] [--seconds 3] [--json]

REFERENCE and each CANDIDATE are `ort` (ONNX Runtime on MODEL.onnx), another .onnx (through ONNX Runtime), or a
library made by `dsc compile MODEL.onnx --dim=… --emit=so --prefix=model`. For each candidate: the relative L2
distance of each output (mean, p99 and largest of all samples), what the kind of model counts (KINDS; the default is
by the model's file name), size, and milliseconds of a call: candidate and reference in turns, medians, and the median
of the ratios of neighbours. Needs numpy, onnxruntime, cc.
"""
import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
from engines import open_engine  # noqa: E402

# What users of a model would notice, by its name: how results are compared, which output, and its threshold.
KINDS = {
    "nsfw": ("class", 0), "efficientnet_lite0": ("class", 0), "orientation": ("class", 0),
    "vit_focus": ("mask", 0, 0.5), "ocr_det": ("mask", 0, 0.3), "ocr_rec": ("text", 0), "ocr_rec6": ("text", 0),
    "ocr_cls": ("class", 0), "minilm_l6": ("cosine", 0), "minilm_l3": ("cosine", 3),
    "tagger": ("tokens", 0), "tagger_qdq": ("tokens", 0), "vad": ("decision", 0, 0.5), "magika": ("class", 0),
}


def distance(a, b):
    """Edits that make a sequence another one."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


def read(steps):
    """CTC: the likeliest of each step, each run once, without blanks (0)."""
    best = steps.argmax(-1)
    return [int(c) for i, c in enumerate(best) if c and (not i or c != best[i - 1])]


def count_class(r, c, _sample):
    return {"top-1": np.mean(r.argmax(-1) == c.argmax(-1))}


def count_tokens(r, c, sample):
    """Of tokens, and of those that either would change (0 is to leave it)."""
    alive = sample["attention_mask"].astype(bool)
    r, c = r.argmax(-1)[alive], c.argmax(-1)[alive]
    edits = (r != 0) | (c != 0)
    return {"tokens": np.mean(r == c), **({"edits": np.mean((r == c)[edits])} if edits.any() else {})}


def count_text(r, c, _sample):
    wanted, found = read(r[0]), read(c[0])
    return {"characters": 1 - distance(wanted, found) / max(1, len(wanted)), "lines": float(wanted == found)}


def count_cosine(r, c, _sample):
    return {"cosine": float(np.sum(r * c) / np.sqrt(np.sum(r * r) * np.sum(c * c)))}


def count_mask(r, c, _sample, threshold):
    a, b = r > threshold, c > threshold
    return {"pixels": np.mean(a == b), "IoU": np.sum(a & b) / np.sum(a | b) if np.any(a | b) else 1.0}


def count_decision(r, c, _sample, threshold):
    return {"decisions": np.mean((r > threshold) == (c > threshold))}


COUNTS = {k[6:]: v for k, v in globals().items() if k.startswith("count_")}


def relative(pairs):
    """Distances over norms, which count as at least a hundredth of what is usual: results may be nearly zero."""
    far, size = np.array(pairs).T
    return far / np.maximum(np.maximum(size, 0.01 * np.sqrt(np.mean(size ** 2))), 1e-30)


def compare(kind, samples, count, reference, candidates):
    """Of each candidate: distances by output, counts, both by sample."""
    told = [({n: [] for n in reference.names}, {}) for _ in candidates]
    for i in range(count):
        sample = {k: v[i] for k, v in samples.items()}
        results = []
        for engine in [reference] + candidates:
            engine.set(sample)
            engine.run()
            results.append(engine.results())
        for (distances, counts), found in zip(told, results[1:]):
            for name, r, c in zip(reference.names, results[0], found):
                far = np.linalg.norm(c.astype(np.float64) - r) if r.shape == c.shape else np.inf
                distances[name].append((far, np.linalg.norm(r.astype(np.float64))))
            r, c = results[0][kind[1]], found[kind[1]]
            for what, value in COUNTS[kind[0]](r, c, sample, *kind[2:]).items():
                counts.setdefault(what, []).append(float(value))
    return [({n: relative(v) for n, v in distances.items()}, counts) for distances, counts in told]


def paired_times(samples, reference, candidate, seconds):
    """Median milliseconds of both, called in turns, and the median of the candidate's time over the reference's."""
    for engine in (reference, candidate):
        engine.set({k: v[0] for k, v in samples.items()})
        engine.run()
        engine.run()
    pairs, stop = [], time.perf_counter() + seconds
    while len(pairs) < 5 or time.perf_counter() < stop:
        pair = []
        for engine in (reference, candidate) if len(pairs) % 2 else (candidate, reference):
            start = time.perf_counter()
            engine.run()
            pair.append((time.perf_counter() - start) * 1e3)
        pairs.append(pair if len(pairs) % 2 else pair[::-1])
    pairs = np.array(pairs)
    return (*np.median(pairs, 0), float(np.median(pairs[:, 1] / pairs[:, 0])))


def summary(values):
    return {"mean": float(np.mean(values)), "p99": float(np.percentile(values, 99)), "max": float(np.max(values))}


def measure(model, samples, names, kind, count, seconds, threads, prefix="model"):
    """What there is to say of each candidate, names[1:]."""
    engines = [open_engine(n, model, samples, threads, prefix) for n in names]
    told = compare(kind, samples, count, engines[0], engines[1:])
    rows = []
    for name, engine, (distances, counts) in zip(names[1:], engines[1:], told):
        ours, its, ratio = paired_times(samples, engines[0], engine, seconds)
        rows.append({"candidate": str(name), "MB": round(engine.path.stat().st_size / 1e6, 2), "samples": count,
                     "l2": {k: summary(v) for k, v in distances.items()},
                     "counts": {k: {"mean": float(np.mean(v)), "min": float(np.min(v))} for k, v in counts.items()},
                     "reference_ms": ours, "ms": its, "ratio": ratio})
    return rows


def show(row):
    print("%s: %.2f MB, %d samples" % (row["candidate"], row["MB"], row["samples"]))
    for name, s in row["l2"].items():
        print("  relative L2 of %s: mean %.3g, p99 %.3g, max %.3g" % (name, s["mean"], s["p99"], s["max"]))
    counts = ("%s %.4f %% (least %.4g)" % (k, 100 * s["mean"], s["min"]) for k, s in row["counts"].items())
    print("  " + ", ".join(counts))
    print("  %.3f ms, reference %.3f ms, ratio %.3f" % (row["ms"], row["reference_ms"], row["ratio"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("inputs")
    parser.add_argument("engines", nargs="+")
    parser.add_argument("--kind", choices=sorted(COUNTS))
    parser.add_argument("--output", type=int, default=0, help="which output --kind looks at")
    parser.add_argument("--threshold", type=float, default=0.5)
    parser.add_argument("--count", type=int)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--prefix", default="model")
    parser.add_argument("--json", action="store_true")
    a = parser.parse_args()
    samples = dict(np.load(a.inputs))
    kind = KINDS.get(a.model.stem)
    if a.kind:
        kind = (a.kind, a.output) + ((a.threshold,) if a.kind in ("mask", "decision") else ())
    if not kind:
        parser.error("--kind is needed: %s is no model of models.py" % a.model.stem)
    count = min(a.count or 1 << 30, len(next(iter(samples.values()))))
    for row in measure(a.model, samples, a.engines, kind, count, a.seconds, a.threads, a.prefix):
        print(json.dumps(row)) if a.json else show(row)


if __name__ == "__main__":
    main()
