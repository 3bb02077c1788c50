"""The file of recorded runs: one JSON object a line, so that a run more is lines more. A line with a machine begins a run (date, commit,
machine), the lines up to the next such are its rows (model, threads, milliseconds of each engine, who failed and why, ratio to the best
peer). Only the last runs of each machine are kept: older ones are in the history of the repository.
"""
import json
from pathlib import Path

KEPT = 3  # runs of each machine: a median, and something to compare with


def read(path):
    runs = []
    for line in Path(path).read_text().splitlines():
        entry = json.loads(line)
        if "machine" in entry:
            runs.append({**entry, "rows": []})
        else:
            runs[-1]["rows"].append(entry)
    return runs


def write(path, runs):
    lines = []
    for run in runs:
        head = {key: value for key, value in run.items() if key != "rows"}
        lines += [json.dumps(entry) for entry in (head, *run["rows"])]
    Path(path).write_text("".join(line + "\n" for line in lines))


def name_of(run):
    return "%(cpu)s (%(isa)s)" % run["machine"]


def of_machine(runs, name):
    return [run for run in runs if name_of(run) == name]


def pruned(runs):
    """The last runs of each machine, in their order."""
    return [run for i, run in enumerate(runs) if len(of_machine(runs[i:], name_of(run))) <= KEPT]


def record(path, run):
    runs = read(path) if Path(path).exists() else []
    write(path, pruned([*runs, run]))
