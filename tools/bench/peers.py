#!/usr/bin/env python3
"""Side-by-side latency of dsc and its peers on the same models, inputs, threads and machine.

    peers.py MODEL.onnx ... [--threads 1,2] [--rounds 3] [--seconds 1] [--engines dsc,ort,openvino,iree,tvm] [--dsc PATH]
             [--record results.jsonl] [--avx2 FOLDER] [--precision TYPE]

Each engine runs in its own process. Rounds are interleaved (A B C, A B C, ...), so that a noisy minute hits all of them; an engine's
figure is the smallest of its rounds' medians, and a ratio compares two figures of one run of this script. Absolute milliseconds do not
carry over to another machine or another day. --record adds the run, with date, machine and commit, to a file that check.py reads, and
drops all but the last three runs of each machine from it (results.py).

--avx2 measures as on a machine that has only AVX2: dsc compiles for x86-64-v3, the peers come from FOLDER (hide_avx512.py makes it).

--precision is dsc's option. OpenVINO computes f32 models as f32 (`openvino`), or in the precision that it takes itself, bf16 where the CPU has
it (`openvino_own`).

`llama` is llama.cpp on random weights of 4 bits of the same shapes, for the models that llama.py lists.

A row where dsc fails makes the exit status 1. Whether the numbers are right is `dsc check`'s work.

Needs numpy, onnx and the peers: onnxruntime; openvino, iree-base-compiler with iree-base-runtime, apache-tvm, llama-cpp-python
with gguf where installed.
"""
import argparse
import datetime
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
HIDDEN = "DSC_BENCH_WITHOUT_AVX512"  # set in the engines' processes
sys.path.insert(0, str(HERE))
import results  # noqa: E402
from inputs import write_inputs  # noqa: E402


def timed(call, seconds, warmup=3):
    """Median milliseconds of call() over about `seconds`, after `warmup` calls."""
    for _ in range(warmup):
        call()
    times, stop = [], time.perf_counter() + seconds
    while time.perf_counter() < stop or len(times) < 5:
        t = time.perf_counter()
        call()
        times.append((time.perf_counter() - t) * 1e3)
    times.sort()
    return times[len(times) // 2]


def read_inputs(model, folder):
    """(name, array) of each input, in the graph's order."""
    import numpy as np
    import onnx
    graph = onnx.load(model, load_external_data=False).graph
    constants = {t.name for t in graph.initializer}
    names = [v.name for v in graph.input if v.name not in constants]
    return [(name, np.load(Path(folder) / ("input_%d.npy" % i))) for i, name in enumerate(names)]


def run_ort(model, inputs, threads, seconds, cache):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()  # spares small models most of Python's share
    for info, (_, array) in zip(session.get_inputs(), read_inputs(model, inputs)):
        binding.bind_cpu_input(info.name, array)
    for info in session.get_outputs():
        binding.bind_output(info.name)
    return timed(lambda: session.run_with_iobinding(binding), seconds)


def run_openvino(model, inputs, threads, seconds, cache, **precision):
    import openvino as ov
    core = ov.Core()
    network = core.read_model(model)
    arrays = [a for _, a in read_inputs(model, inputs)]
    network.reshape({port: a.shape for port, a in zip(network.inputs, arrays)})
    compiled = core.compile_model(network, "CPU", {
        "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1, **(precision or {"INFERENCE_PRECISION_HINT": "f32"})})
    request = compiled.create_infer_request()
    feed = dict(enumerate(arrays))
    return timed(lambda: request.infer(feed, share_inputs=True, share_outputs=True), seconds)


def run_openvino_own(model, inputs, threads, seconds, cache):
    return run_openvino(model, inputs, threads, seconds, cache, EXECUTION_MODE_HINT="PERFORMANCE")


def run_llama(model, inputs, threads, seconds, cache):
    import llama
    arrays = dict(read_inputs(model, inputs))
    past = next((a.shape[2] for name, a in arrays.items() if name.startswith("past")), 0)
    return llama.token(model, past, arrays["input_ids"].shape[1], threads, cache, lambda call: timed(call, seconds))


def run_iree(model, inputs, threads, seconds, cache):
    import iree.runtime as rt
    vmfb = Path(cache) / (Path(model).stem + ".vmfb")
    if not vmfb.exists():
        mlir = vmfb.with_suffix(".mlir")
        static = vmfb.with_suffix(".static.onnx")
        import onnx
        from onnx.tools import update_model_dims
        proto = onnx.load(model)
        arrays = [a for _, a in read_inputs(model, inputs)]
        names = {i.name for i in proto.graph.initializer}
        for value, array in zip([i for i in proto.graph.input if i.name not in names], arrays):
            for dim, size in zip(value.type.tensor_type.shape.dim, array.shape):
                dim.dim_value = size
        if proto.opset_import[0].version < 17:
            proto = onnx.version_converter.convert_version(proto, 17)
        onnx.save(onnx.shape_inference.infer_shapes(proto), static)
        tool = Path(sys.executable).parent
        subprocess.run([tool / "iree-import-onnx", static, "-o", mlir], check=True, capture_output=True)
        subprocess.run([tool / "iree-compile", mlir, "-o", vmfb, "--iree-hal-target-device=local",
                        "--iree-hal-local-target-device-backends=llvm-cpu", "--iree-llvmcpu-target-cpu=host",
                        "--iree-opt-level=O3"], check=True, capture_output=True)
    if threads == 1:
        device = rt.get_device("local-sync")
    else:
        os.environ["IREE_TASK_TOPOLOGY_GROUP_COUNT"] = str(threads)
        device = rt.get_device("local-task")
    config = rt.Config(device=device)
    context = rt.SystemContext(config=config)
    context.add_vm_module(rt.VmModule.mmap(context.instance, str(vmfb)))
    module = [m for n, m in context.modules.items() if n != "hal"][0]
    name = [n for n in module.vm_module.function_names if not n.startswith("__") and "$" not in n][0]
    arrays = [rt.asdevicearray(device, a) for _, a in read_inputs(model, inputs)]

    def call():
        out = module[name](*arrays)
        (out[0] if isinstance(out, (tuple, list)) else out).to_host()
    return timed(call, seconds)


def run_tvm(model, inputs, threads, seconds, cache):
    os.environ["TVM_NUM_THREADS"] = str(threads)
    import onnx, tvm
    from tvm import relax
    from tvm.relax.frontend.onnx import from_onnx
    arrays = [a for _, a in read_inputs(model, inputs)]
    proto = onnx.load(model)
    names = [i.name for i in proto.graph.input if i.name not in {w.name for w in proto.graph.initializer}]
    module = from_onnx(proto, shape_dict=dict(zip(names, [list(a.shape) for a in arrays])), keep_params_in_input=False)
    target = tvm.target.Target("llvm -mcpu=native -num-cores %d" % threads)
    built = tvm.compile(relax.get_pipeline("zero")(module), target=target)
    machine = relax.VirtualMachine(built, tvm.cpu())
    feed = [tvm.runtime.tensor(a) for a in arrays]
    return timed(lambda: machine["main"](*feed), seconds)


def run_dsc(model, inputs, threads, seconds, cache):
    level = ["--cpu=x86-64-v3"] if HIDDEN in os.environ else []
    level += ["--precision=" + os.environ["DSC_BENCH_PRECISION"]] if "DSC_BENCH_PRECISION" in os.environ else []
    out = subprocess.run([os.environ.get("DSC", "dsc"), "bench", model, "--inputs", inputs, "--threads",
                          str(threads), "--seconds", str(seconds), "--json", *level], capture_output=True, text=True)
    if out.returncode:
        raise RuntimeError("dsc exit %d: %s" % (out.returncode, out.stderr.strip()[-300:]))
    return json.loads(out.stdout)["median_ms"]


ENGINES = {"dsc": run_dsc, "ort": run_ort, "openvino": run_openvino, "openvino_own": run_openvino_own, "llama": run_llama, "iree": run_iree, "tvm": run_tvm}


def child(argv):
    engine, model, inputs, threads, seconds, cache = argv
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:int(threads)])
    print(json.dumps({"ms": ENGINES[engine](model, inputs, int(threads), float(seconds), cache)}))


def environment(avx2):
    """Of an engine's process."""
    if not avx2:
        return None
    folder = Path(avx2).resolve()
    return {**os.environ, HIDDEN: "1", "LD_PRELOAD": str(folder / "hide.so"), "PYTHONPATH": str(folder / "site")}


def measure(engine, model, inputs, threads, args):
    try:
        out = subprocess.run([sys.executable, __file__, "--child", engine, model, inputs, str(threads), str(args.seconds),
                              args.cache], capture_output=True, text=True, timeout=args.limit, env=environment(args.avx2))
    except subprocess.TimeoutExpired:
        return None, "no answer in %d s" % args.limit
    lines = out.stdout.strip().splitlines()
    if out.returncode or not lines:
        return None, (out.stderr.strip().splitlines() or ["exit %d" % out.returncode])[-1][:200]
    return json.loads(lines[-1])["ms"], None


def machine(avx2):
    """What a result must be read with."""
    cpu = subprocess.run(["lscpu"], capture_output=True, text=True).stdout
    facts = dict(line.split(":", 1) for line in cpu.splitlines() if ":" in line)
    flags = facts.get("Flags", "").split()
    isa = next((f for f in ("avx512f", "avx2", "sse2", "asimd") if f in flags), "?")
    isa = "avx2, AVX-512 hidden" if avx2 and isa == "avx512f" else isa
    return {"cpu": facts.get("Model name", "?").strip(), "isa": isa, "cores": len(os.sched_getaffinity(0)),
            "l2": facts.get("L2 cache", "?").strip(), "l3": facts.get("L3 cache", "?").strip()}


def commit():
    out = subprocess.run(["git", "-C", str(HERE), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return out.stdout.strip()


def compare(model, engines, threads, args):
    """One row: the best milliseconds of each engine, and why the others failed."""
    best, failed = {}, {}
    with tempfile.TemporaryDirectory() as inputs:
        write_inputs(model, inputs)
        for _ in range(args.rounds):
            for engine in engines:
                if engine in failed:
                    continue
                ms, error = measure(engine, model, inputs, threads, args)
                if error:
                    failed[engine] = error
                else:
                    best[engine] = min(ms, best.get(engine, math.inf))
    row = {"model": name_of(model), "threads": threads, "ms": {k: round(v, 4) for k, v in best.items()}, "failed": failed}
    peers = [v for k, v in best.items() if k != "dsc"]
    if "dsc" in best and peers:
        row["ratio"] = round(min(peers) / best["dsc"], 3)
    print("%-28s %dT  %s%s%s" % (row["model"], threads, "  ".join("%s %.3f ms" % kv for kv in best.items()),
                                 "  x%.2f of the best peer" % row["ratio"] if "ratio" in row else "",
                                 "".join("  %s: %s" % kv for kv in failed.items())), flush=True)
    return row


def name_of(model):
    path = Path(model)
    return path.resolve().parent.name if path.stem == "model" else path.stem


def main():
    if len(sys.argv) > 1 and sys.argv[1] == "--child":
        return child(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--limit", type=int, default=600, help="seconds one round of one engine may take")
    parser.add_argument("--engines", default="dsc,ort,openvino")
    parser.add_argument("--dsc")
    parser.add_argument("--cache", default=tempfile.gettempdir())
    parser.add_argument("--record")
    parser.add_argument("--avx2", metavar="FOLDER")
    parser.add_argument("--precision")
    args = parser.parse_args()
    if args.dsc:
        os.environ["DSC"] = str(Path(args.dsc).resolve())
    if args.precision:
        os.environ["DSC_BENCH_PRECISION"] = args.precision
    engines = args.engines.split(",")
    table = [compare(model, engines, threads, args) for model in args.models for threads in map(int, args.threads.split(","))]
    ratios = [row["ratio"] for row in table if "ratio" in row]
    if ratios:
        print("geometric mean of the ratios to the best peer: %.3f (worst %.3f, %d of %d rows)" %
              (math.exp(sum(map(math.log, ratios)) / len(ratios)), min(ratios), len(ratios), len(table)))
    if args.record:
        results.record(args.record, {"date": datetime.date.today().isoformat(), "commit": commit(), "machine": machine(args.avx2),
                                     "rows": table})
    return 1 if any("dsc" in row["failed"] for row in table) else 0


if __name__ == "__main__":
    sys.exit(main())
