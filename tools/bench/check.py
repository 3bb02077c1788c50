#!/usr/bin/env python3
"""Has a row become slower beside its peers? And the table of a recorded run.

    check.py results.json [--against N]          the last run against the one N before it (default 1): a row whose ratio to the best
                                                 peer fell by more than 10 % fails
    check.py results.json --table [--runs N]     the last N runs (default 1) as the table of README.md: of each row the run with the
                                                 median ratio

Runs are those of the machine that the last one ran on, or, with --machine, of the last one whose processor and ISA contain that TEXT.

Run by hand, after `peers.py ... --record results.json` on a quiet machine: a timing is no test.
"""
import argparse
import json
import math
import sys
from pathlib import Path

TOLERANCE = 0.10


def ratios(run):
    return {(row["model"], row["threads"]): row["ratio"] for row in run["rows"] if "ratio" in row}


def name_of(run):
    return "%(cpu)s (%(isa)s)" % run["machine"]


def of_one_machine(runs, text):
    name = [name_of(run) for run in runs if text in name_of(run)][-1:]
    return [run for run in runs if [name_of(run)] == name]


def middle(runs):
    """One run made of the rows that have the median ratio of these."""
    rows = {}
    for run in runs:
        for row in run["rows"]:
            rows.setdefault((row["model"], row["threads"]), []).append(row)
    order = lambda row: row.get("ratio", 0)
    return {**runs[-1], "rows": [sorted(same, key=order)[len(same) // 2] for same in rows.values()]}


def compare(old, new):
    before, after, worse = ratios(old), ratios(new), 0
    for key in sorted(before):
        if key not in after:
            print("%-28s %dT  %.2f -> no result" % (*key, before[key]))
            worse += 1
        elif after[key] < before[key] * (1 - TOLERANCE):
            print("%-28s %dT  %.2f -> %.2f" % (*key, before[key], after[key]))
            worse += 1
    print("%d of %d rows lost more than %d %% since %s (%s)" % (worse, len(before), 100 * TOLERANCE, old["commit"], old["date"]))
    return 1 if worse else 0


def table(run):
    m = run["machine"]
    print("%s, commit %s, %s, %d cores, L2 %s, L3 %s\n" % (run["date"], run["commit"], name_of(run), m["cores"], m["l2"], m["l3"]))
    print("| model | dsc 1T, ms | best peer | ratio | dsc 2T, ms | best peer | ratio | 2T over 1T |\n|---|---|---|---|---|---|---|---|")
    rows = {(row["model"], row["threads"]): row for row in run["rows"]}
    for name in dict.fromkeys(row["model"] for row in run["rows"]):
        cells = []
        for threads in (1, 2):
            row = rows.get((name, threads))
            peers = {k: v for k, v in row["ms"].items() if k != "dsc"} if row else {}
            best = min(peers, key=peers.get, default=None)
            cells += ["%.3f" % row["ms"]["dsc"] if row and "dsc" in row["ms"] else "-",
                      "%s %.3f" % (best, peers[best]) if best else "-", "%.2f" % row["ratio"] if row and "ratio" in row else "-"]
        one, two = rows.get((name, 1)), rows.get((name, 2))
        scale = "%.2f" % (one["ms"]["dsc"] / two["ms"]["dsc"]) if one and two and "dsc" in one["ms"] and "dsc" in two["ms"] else "-"
        print("| %s | %s | %s |" % (name, " | ".join(cells), scale))
    values = list(ratios(run).values())
    print("\nGeometric mean of %d ratios: %.3f." % (len(values), math.exp(sum(map(math.log, values)) / len(values))))
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results")
    parser.add_argument("--against", type=int, default=1)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--machine", metavar="TEXT", default="")
    args = parser.parse_args()
    runs = json.loads(Path(args.results).read_text())
    runs = of_one_machine(runs, args.machine)
    if args.table:
        return table(middle(runs[-args.runs :]))
    if len(runs) <= args.against:
        sys.exit("%s holds %d runs of this machine" % (args.results, len(runs)))
    return compare(runs[-1 - args.against], runs[-1])


if __name__ == "__main__":
    sys.exit(main())
