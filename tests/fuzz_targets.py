"""The fuzz targets of tests/fuzz, built with sanitizers: what the corpus holds, then a short run of each; any finding fails.

The corpus folders hold inputs that once broke something. Seeds of models are the onnx package's small node tests, those of text are
tests/text and models in text form.
"""
import json
import os
import struct
import subprocess
import tempfile
from pathlib import Path

from text_parts import parts_of

ENVIRONMENT = dict(os.environ, UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1",
                   ASAN_OPTIONS="quarantine_size_mb=16:allocator_may_return_null=1:handle_abort=1:detect_leaks=0")
TARGETS = ("model", "code", "text", "files")


def missing():
    """Why the targets cannot be built here, or None."""
    with tempfile.TemporaryDirectory() as work:
        source = Path(work) / "f.c"
        source.write_text("int LLVMFuzzerTestOneInput(const char *b, unsigned long n) { return b && n > 100 ? 0 : 0; }\n")
        try:
            built = subprocess.run(["clang-19", "-fsanitize=fuzzer,address,undefined", source, "-o", source.with_suffix("")], capture_output=True, text=True)
        except FileNotFoundError:
            return "there is no clang-19"
        return None if built.returncode == 0 else "clang-19 has no libFuzzer (package libclang-rt-19-dev)"


def build(root, folder, sh):
    result = sh("cmake", "-S", root, "-B", folder, "-G", "Ninja", "-DCMAKE_C_COMPILER=clang-19", "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
                "-DCMAKE_C_FLAGS_RELWITHDEBINFO=-O1 -g", "-DDSC_FUZZ=ON")
    if result.returncode == 0:
        result = sh("ninja", "-C", folder, *("fuzz_" + t for t in TARGETS), timeout=1800)
    return result


def model_seeds(folder, every):
    from onnx.backend.test.loader import load_node_model_tests
    for i, case in enumerate(load_node_model_tests()):
        data = case.model.SerializeToString()
        if i % every == 0 and len(data) < 4096:
            (folder / (case.name + ".onnx")).write_bytes(data)


def text_seeds(folder, root, dsc, models, sh):
    for path in (root / "tests/text").glob("*.mlir"):
        for i, part in enumerate(parts_of(path.read_text())):
            (folder / ("%s.%d.mlir" % (path.stem, i))).write_text(part)
    for path in sorted(models.glob("*.onnx"))[::37]:
        for level in ("decompose", "fuse", "group", "lower"):
            sh(dsc, "opt", path, "--stop-after=" + level, "-o", folder / ("%s_%s.mlir" % (path.stem, level)))


SCHEDULES = b"""// by hand
module attributes {ds.schedules = [
  {key = "94c3", what = "matmul", schedule = {program = "tile", mma = "fma_f32", levels = [{axis = "m", kind = "grid", step = 8, tail = "guard"}]}},
  {node = "conv1", tile = 4}
]} {
}
"""


RANGES = b"""{"format": "dsc ranges 1", "model": "m.onnx", "observer": "percentile 99.9", "samples": 4, "values":
{"a:0": {"min": -1, "max": 2.5, "mean": 0.1, "variance": 3, "count": 9, "encoding": "ui8 asym per-tensor", "reason": "rule * of int8"},
"a:1": {"min": 0, "max": 1, "constant": true, "axis": 0, "channel_min": [0, 0], "channel_max": [1, 0.5], "encoding": "i4 sym blocks=32"}}}"""
POLICY = b"""# head
head*.weight: f32
*.weight: i4 sym blocks=32 mse bits=4
*.act: ui8 asym per-tensor moving-average momentum=0.9 if span<100
*: tf32
"""


def file_seeds(folder):
    """One of each kind that tests/fuzz/files.c reads, by its first byte."""
    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    (folder / "safetensors").write_bytes(b"\0" + struct.pack("<Q", len(header)) + header + bytes(8))
    (folder / "tensor").write_bytes(b"\1" + bytes([8, 2, 16, 1, 74, 8]) + bytes(8))
    for descr, shape, size in (("<f4", "()", 4), ("<i8", "(3,)", 24), ("|b1", "(2, 3)", 6)):
        text = ("{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (descr, shape)).ljust(117) + "\n"
        (folder / ("npy" + descr[1:])).write_bytes(b"\2\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text.encode() + bytes(size))
    (folder / "schedules").write_bytes(b"\3" + SCHEDULES)
    (folder / "weights").write_bytes(b"\4" + bytes(100))
    (folder / "ranges").write_bytes(b"\5" + RANGES)
    (folder / "policy").write_bytes(b"\6" + POLICY)


# Executions from one seed, so that a run finds what the run before did: some seconds each.
RUNS = {"model": 500, "code": 100, "text": 10000, "files": 100000}


def run(env, report, sh, root, seconds, every):
    """Each target on its corpus, then from the seeds, of which every `every`th model is taken: for `seconds`, or (None) for RUNS."""
    reason = missing()
    if reason:
        report.skip("fuzz targets", reason)
        return
    folder, work = root / "build-fuzz", env.work / "fuzz"
    result = build(root, folder, sh)
    report.check("build of the fuzz targets", result.returncode == 0, result.stdout[-2000:] + result.stderr)
    if result.returncode:
        return
    seeds = {t: work / t for t in TARGETS}
    for path in seeds.values():
        path.mkdir(parents=True, exist_ok=True)
    model_seeds(seeds["model"], every)
    seeds["code"] = seeds["model"]
    text_seeds(seeds["text"], root, env.dsc, seeds["model"], sh)
    file_seeds(seeds["files"])
    for target in TARGETS:
        corpus = sorted((root / "tests/fuzz/corpus" / ("model" if target == "code" else target)).glob("*"))
        limits = ["-timeout=20", "-rss_limit_mb=2048", "-malloc_limit_mb=1024", "-artifact_prefix=%s/found-" % work]
        if corpus:
            result = sh("nice", folder / ("fuzz_" + target), *limits, *corpus, timeout=600, env=ENVIRONMENT, errors="replace")
            report.check("fuzz corpus: " + target, result.returncode == 0, result.stderr[-3000:])
        effort = ["-max_total_time=%d" % seconds] if seconds else ["-seed=1", "-runs=%d" % RUNS[target]]
        fresh = work / (target + "_new")
        fresh.mkdir(exist_ok=True)
        result = sh("nice", folder / ("fuzz_" + target), *limits, *effort, "-max_len=8192", fresh, seeds[target],
                    timeout=(seconds or 100) * 3 + 300, env=ENVIRONMENT, errors="replace")
        report.check("fuzz %s: %s" % (target, result.stderr.strip().split("\n")[-1][:80]), result.returncode == 0, result.stderr[-3000:])
        if result.returncode == 0:
            print("fuzz %s: %s" % (target, result.stderr.strip().split("\n")[-1]), flush=True)
