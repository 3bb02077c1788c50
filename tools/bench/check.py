#!/usr/bin/env python3
"""Has a row become slower beside its peers? And the tables of the recorded runs.

    check.py results.jsonl [--against N]         the last run against the one N before it (default 1): a row whose ratio to the best
                                                 peer fell by more than 10 % fails
    check.py results.jsonl --table [--runs N]    the last N runs (default 1) as a table: of each row the run with the median ratio
    check.py results.jsonl --write-readme [FILE] writes the tables of all kept runs into README.md, between its markers

Runs are those of the machine that the last one ran on, or, with --machine, of the last one whose processor and ISA contain that TEXT.

Run by hand, after `peers.py ... --record results.jsonl` on a quiet machine: a timing is no test.
"""
import argparse
import math
import re
import sys
from pathlib import Path

import results
from results import name_of

TOLERANCE = 0.10
README = Path(__file__).resolve().parent / "README.md"


def ratios(run):
    return {(row["model"], row["threads"]): row["ratio"] for row in run["rows"] if "ratio" in row}


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


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


def cells_of(row):
    """Milliseconds of dsc, the best peer and its, the ratio; of a row that is missing or failed, dashes."""
    ms = row["ms"] if row else {}
    peers = {engine: time for engine, time in ms.items() if engine != "dsc"}
    best = min(peers, key=peers.get, default=None)
    return ["%.3f" % ms["dsc"] if "dsc" in ms else "-", "%s %.3f" % (best, peers[best]) if best else "-",
            "%.2f" % row["ratio"] if row and "ratio" in row else "-"]


def table(run):
    m = run["machine"]
    lines = ["%s, commit %s, %s, %d cores, L2 %s, L3 %s" % (run["date"], run["commit"], name_of(run), m["cores"], m["l2"], m["l3"]), "",
             "| model | dsc 1T, ms | best peer | ratio | dsc 2T, ms | best peer | ratio | 2T over 1T |", "|---|---|---|---|---|---|---|---|"]
    rows = {(row["model"], row["threads"]): row for row in run["rows"]}
    for name in dict.fromkeys(row["model"] for row in run["rows"]):
        both = [rows.get((name, threads)) for threads in (1, 2)]
        times = [row["ms"]["dsc"] for row in both if row and "dsc" in row["ms"]]
        scale = "%.2f" % (times[0] / times[1]) if len(times) == 2 else "-"
        lines.append("| %s | %s | %s |" % (name, " | ".join(cells_of(both[0]) + cells_of(both[1])), scale))
    values = list(ratios(run).values())
    return "\n".join(lines + ["", "Geometric mean of %d ratios: %.3f." % (len(values), geometric_mean(values))])


def summary(runs):
    lines = ["| machine | runs | geometric mean of ratios | rows below 1.00 | lowest |", "|---|---|---|---|---|"]
    for run, count in runs:
        all_ratios = ratios(run)
        (model, threads), lowest = min(all_ratios.items(), key=lambda entry: entry[1])
        below = sum(value < 1 for value in all_ratios.values())
        lines.append("| %s | %d | %.3f (%d rows) | %s | %.2f (%s, %d T) |" % (name_of(run), count, geometric_mean(all_ratios.values()),
                                                                          len(all_ratios), below or "none", lowest, model, threads))
    return "\n".join(lines)


def with_tables(text, runs):
    """README.md's text with the tables of these runs between lines `<!-- results of NAME -->`, a machine or `all`, and `<!-- end -->`."""
    machines = {name: results.of_machine(runs, name) for name in map(name_of, runs)}
    tables = {name: table(middle(same)) for name, same in machines.items()}
    tables["all"] = summary([(middle(same), len(same)) for same in machines.values()])
    pattern = re.compile(r"^(<!-- results of ([^\n]+) -->\n).*?^(<!-- end -->)$", re.M | re.S)
    places = [found.group(2) for found in pattern.finditer(text)]
    if sorted(places) != sorted(tables):
        sys.exit("the text has places for %s, the data is of %s" % (sorted(places), sorted(tables)))
    return pattern.sub(lambda found: "%s\n%s\n\n%s" % (found.group(1), tables[found.group(2)], found.group(3)), text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results")
    parser.add_argument("--against", type=int, default=1)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--machine", metavar="TEXT", default="")
    parser.add_argument("--write-readme", metavar="FILE", type=Path, nargs="?", const=README)
    args = parser.parse_args()
    runs = results.read(args.results)
    if args.write_readme:
        args.write_readme.write_text(with_tables(args.write_readme.read_text(), runs))
        return 0
    runs = of_one_machine(runs, args.machine)
    if args.table:
        print(table(middle(runs[-args.runs :])))
        return 0
    if len(runs) <= args.against:
        sys.exit("%s holds %d runs of this machine" % (args.results, len(runs)))
    return compare(runs[-1 - args.against], runs[-1])


if __name__ == "__main__":
    sys.exit(main())
