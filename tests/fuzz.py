#!/usr/bin/env python3
"""Random graphs against ONNX Runtime: fuzz.py --dsc PATH [--count N] [--seed S] [--family NAME] [--keep DIR].

Each seed gives one valid graph of a few families of nodes (fuzz_graphs), whose extents may be symbols and whose lists may be known at run
time only. It is run at one and two threads (equal bits), at other ISA levels and with its dimensions fixed. Graphs that fail are made
small and kept. The last line says how many passed, failed and were refused; before it stand the reasons of refusals.
"""
import argparse
import collections
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import onnx

import fuzz_graphs  # noqa: F401 (registers the families)
from fuzz_graphs.check import Checker, Outcome, refusal
from fuzz_graphs.graph import FAMILIES
from fuzz_graphs.make import make


def one_seed(args):
    dsc, seed, family, work, shrink = args
    try:
        case = make(seed, family)
        if case is None:
            return seed, Outcome("skipped"), [], None
        checker = Checker(dsc, work)
        folder = work / ("seed%d" % seed)
        outcome = checker.check(case, seed, folder)
        if outcome.kind == "failed" and shrink:
            case = checker.shrink(case, seed, outcome)
            again = checker.check(case, seed, folder)
            outcome = again if again.kind == "failed" else outcome
    except Exception as error:  # of this program: to be seen, not to end it
        return seed, Outcome("failed", "the generator: %r" % error), [], None
    if outcome.kind not in ("failed", "refused"):
        shutil.rmtree(folder, ignore_errors=True)
    return seed, outcome, [n.op_type for n in case.model.graph.node], folder


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dsc", required=True)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--family", choices=sorted(FAMILIES))
    parser.add_argument("--keep", type=Path, help="where the graphs that fail stay (default: a temporary folder)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=0, help="start no more graphs after this time")
    parser.add_argument("--no-shrink", action="store_true")
    parser.add_argument("--show-refusals", action="store_true", help="each graph that is refused, and keep it")
    args = parser.parse_args()
    work = args.keep or Path(tempfile.mkdtemp(prefix="dsc-fuzz."))
    work.mkdir(parents=True, exist_ok=True)
    counts, reasons, ops = collections.Counter(), collections.Counter(), collections.Counter()
    start = time.monotonic()

    def seeds():
        for seed in range(args.seed, args.seed + args.count):
            if args.seconds and time.monotonic() - start > args.seconds:
                return
            yield os.path.abspath(args.dsc), seed, args.family, work, not args.no_shrink

    with ProcessPoolExecutor(args.jobs, mp_context=multiprocessing.get_context("forkserver"), max_tasks_per_child=100) as pool:
        for seed, outcome, kinds, folder in spread(pool, seeds(), 2 * args.jobs):
            counts[outcome.kind] += 1
            ops.update(kinds)
            if outcome.kind == "failed":
                print("seed %d: %s (%s: %s)" % (seed, outcome.text, folder, " ".join(kinds if folder is None else operators(folder))), flush=True)
            if outcome.kind == "refused":
                reasons.update(refusal(outcome.text))
                if args.show_refusals:
                    print("seed %d refused: %s (%s)" % (seed, outcome.text.replace("\n", " | "), folder), flush=True)
                else:
                    shutil.rmtree(folder, ignore_errors=True)
    for reason, count in reasons.most_common():
        print("refused %4d %s" % (count, reason))
    if not counts["failed"] and not args.keep and not args.show_refusals:
        shutil.rmtree(work, ignore_errors=True)
    print("%d operators in %d graphs; %d seeds gave none" % (len(ops), sum(counts.values()) - counts["skipped"], counts["skipped"]))
    print("%d passed, %d failed, %d refused" % (counts["ok"], counts["failed"], counts["refused"]))
    return 1 if counts["failed"] else 0


def spread(pool, tasks, ahead):
    """Results as they come, with no more than `ahead` tasks begun."""
    waiting = collections.deque()
    for task in tasks:
        waiting.append(pool.submit(one_seed, task))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def operators(folder):
    return [n.op_type for n in onnx.load(folder / "model.onnx").graph.node]


if __name__ == "__main__":
    sys.exit(main())
