#!/usr/bin/env python3
"""Mutated models through the command line: campaign.py --dsc DSC --mutate MUTATE --seeds FOLDER --count N [--seed S] [--keep FOLDER];
without --mutate, text IR: what stands in FOLDER at any level (dsc opt --stop-after, or tests/native with its weights), changed by mutate_text.py.

Each is compiled, with code generation; a model that compiles is run on inputs made from its declared types. A finding is a signal, a sanitizer's
report, an exit code other than 0, 1 and 3, an error without a message, more than 10 seconds, or (without sanitizers) more than 1 GB.
Prints findings and counts; exits with 1 where there are findings.
"""
import argparse
import collections
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx

import mutate_text

SECONDS, BYTES = 10, 1 << 30
TYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32, 7: np.int64, 9: np.bool_, 10: np.float16,
         11: np.float64, 12: np.uint32, 13: np.uint64}


def call(args, sanitizers):
    """(kind of finding or None, exit code, seconds, text)"""
    limit = None if sanitizers else lambda: resource.setrlimit(resource.RLIMIT_AS, (2 * BYTES, 2 * BYTES))
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0:quarantine_size_mb=16:hard_rss_limit_mb=2500", UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1")
    start = time.time()
    try:
        result = subprocess.run([str(a) for a in args], capture_output=True, text=True, errors="replace", timeout=6 * SECONDS, env=env, preexec_fn=limit)
    except subprocess.TimeoutExpired:
        return "over %d s" % SECONDS, None, 6 * SECONDS, ""
    took, text = time.time() - start, result.stderr
    if result.returncode < 0:
        return "signal %d" % -result.returncode, result.returncode, took, text
    if "Sanitizer" in text or "runtime error:" in text:
        return "sanitizer", result.returncode, took, text
    if result.returncode not in (0, 1, 3):
        return "exit %d" % result.returncode, result.returncode, took, text
    if result.returncode and "error:" not in text:
        return "no message", result.returncode, took, text
    if "out of memory" in text:
        return "memory", result.returncode, took, text
    return "over %d s" % SECONDS if took > SECONDS * (3 if sanitizers else 1) else None, result.returncode, took, text


def write_inputs(model, folder):
    """Inputs of the declared types, small whole numbers; False where some type or size has none here."""
    constants, sizes, number = {t.name for t in model.graph.initializer}, {}, 0
    for value in model.graph.input:
        if value.name in constants:
            continue
        tensor = value.type.tensor_type
        shape = [sizes.setdefault(d.dim_param or id(d), 1 + len(sizes) % 4) if not d.HasField("dim_value") or d.dim_value < 0 else d.dim_value for d in tensor.shape.dim]
        if tensor.elem_type not in TYPES or np.prod(shape, dtype=float) > 1e6:
            return False
        count = int(np.prod(shape, dtype=np.int64))
        np.save(folder / ("input_%d.npy" % number), (np.arange(count) % 5).reshape(shape).astype(TYPES[tensor.elem_type]))
        number += 1
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dsc", type=Path, required=True)
    parser.add_argument("--mutate", type=Path)
    parser.add_argument("--seeds", type=Path, required=True)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path)
    args = parser.parse_args()
    sanitizers = b"__asan_init" in args.dsc.read_bytes()
    seeds = sorted(args.seeds.rglob("*.onnx" if args.mutate else "*.mlir"))
    counts, findings, ran = collections.Counter(), 0, collections.Counter()
    with tempfile.TemporaryDirectory(prefix="dsc-campaign.") as work:
        work = Path(work)
        (work / "models").mkdir()
        if args.mutate:
            subprocess.run([args.mutate, work / "models", str(args.count), str(args.seed), *seeds], check=True)
        else:
            texts = [s.read_text() for s in seeds]
            for weights in args.seeds.rglob("*.safetensors"):
                shutil.copy(weights, work / "models")
            for i, text in enumerate(mutate_text.mutants(random.Random(args.seed), texts, args.count)):
                (work / "models" / ("m_%05d.mlir" % i)).write_text(text)
        for path in sorted(p for p in work.glob("models/*.*") if p.suffix != ".safetensors"):
            kind, code, took, text = call([args.dsc, "compile", path, "-o", work / "out.o"], sanitizers)
            counts[code] += 1
            if kind is None and code == 0 and args.mutate:
                data = work / "data"
                shutil.rmtree(data, ignore_errors=True)
                data.mkdir()
                try:
                    fits = write_inputs(onnx.ModelProto.FromString(path.read_bytes()), data)
                except Exception:  # what the onnx package cannot read has no declared types
                    fits = False
                if fits:
                    kind, code, took, text = call([args.dsc, "run", path, "--inputs", data, "--outputs", data], sanitizers)
                    ran[code] += 1
            if kind:
                findings += 1
                print("FINDING %s after %.1f s: %s: %s" % (kind, took, path.name, text.strip()[:1500]), flush=True)
                if args.keep:
                    args.keep.mkdir(parents=True, exist_ok=True)
                    shutil.copy(path, args.keep / ("s%d_%s" % (args.seed, path.name)))
    print("compiled %d: %s; ran %d: %s; %d findings" % (sum(counts.values()), dict(counts), sum(ran.values()), dict(ran), findings))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
