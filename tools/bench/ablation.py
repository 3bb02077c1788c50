#!/usr/bin/env python3
"""What each pass gives: latency and work of a model with one pass left out at a time.

    ablation.py MODEL.onnx ... [--threads 1] [--seconds 1] [--dsc PATH]

`tile` is the unrolling of contractions into register tiles, `unroll` that of steps of k, small windows and long sums, `layout` the channels-last images, packed weights and Winograd, `hoist` what
is computed when the model is compiled; `all` leaves all of them out. Kernels, bytes and FLOPs are those of one run, from `dsc profile`.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from inputs import write_inputs  # noqa: E402

PASSES = ["", "fuse", "tile", "unroll", "layout", "hoist", "simplify,clean", "fuse,tile,unroll,layout,join,hoist,simplify,clean"]


def profile(dsc, model, inputs, without, args):
    out = subprocess.run([dsc, "profile", model, "--inputs", inputs, "--threads", str(args.threads), "--seconds", str(args.seconds),
                          "--json"] + (["--without=" + without] if without else []), capture_output=True, text=True)
    if out.returncode:
        return None, (out.stderr.strip() or "exit %d" % out.returncode)[-120:]
    return json.loads(out.stdout), None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--dsc", default=os.environ.get("DSC", "dsc"))
    args = parser.parse_args()
    print("| model | left out | ms | of all passes | kernels | MB moved | GFLOP |\n|---|---|---|---|---|---|---|")
    for model in args.models:
        with tempfile.TemporaryDirectory() as inputs:
            write_inputs(model, inputs)
            whole = None
            for without in PASSES:
                got, error = profile(args.dsc, model, inputs, without, args)
                label = "nothing" if not without else "all" if without == PASSES[-1] else without
                if error:
                    print("| %s | %s | %s | | | | |" % (Path(model).stem, label, error), flush=True)
                    continue
                whole = whole or got["median_ms"]
                steps = got["steps"]
                print("| %s | %s | %.3f | %.2f | %d | %.1f | %.3f |" %
                      (Path(model).stem, label, got["median_ms"], got["median_ms"] / whole, sum(s["calls"] for s in steps),
                       sum(s["bytes"] * s["calls"] for s in steps) / 1e6, sum(s["flops"] * s["calls"] for s in steps) / 1e9), flush=True)


if __name__ == "__main__":
    main()
