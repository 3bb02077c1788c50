"""Documents that are made from tables and data say the same as these."""
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BENCH = ROOT / "tools/bench"


def benchmark_results(report, sh, work):
    """The README's tables are those of the data; of each machine the last three runs are kept."""
    sys.path.insert(0, str(BENCH))
    import results
    written = work / "README.md"
    shutil.copy(BENCH / "README.md", written)
    result = sh(sys.executable, BENCH / "check.py", BENCH / "results.jsonl", "--write-readme=%s" % written)
    report.check("tables of tools/bench/README.md", result.returncode == 0 and written.read_text() == (BENCH / "README.md").read_text(),
                 result.stderr + " check.py --write-readme makes others of results.jsonl")
    runs = results.read(BENCH / "results.jsonl")
    report.check("runs that are kept", runs == results.pruned(runs), "more than %d of a machine" % results.KEPT)
    made, names = work / "results.jsonl", ["a", "b", "a", "a", "b", "a"]
    for i, name in enumerate(names):
        results.record(made, {"date": str(i), "commit": "", "machine": {"cpu": name, "isa": ""}, "rows": [{"model": "m", "threads": i}]})
    kept = [(run["date"], run["rows"][0]["threads"]) for run in results.read(made)]
    report.check("a fourth run takes the place of the first", kept == [(str(i), i) for i in range(1, 6)], kept)


def run(env, report, sh, work):
    benchmark_results(report, sh, work)
