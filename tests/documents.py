"""Documents that are made from tables and data say the same as these."""
import re
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


def versions(env, report, sh):
    """The version of CMakeLists.txt is that of all documents; CHANGELOG.md has a heading for every ABI, the newest first."""
    version = re.search(r"^project\(dsc VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text(), re.M).group(1)
    found = {"dsc --version": sh(env.dsc, "--version").stdout, "dsc --man": sh(env.dsc, "--man").stdout.split("\n")[0],
             "dsrt.pc": re.search(r"^Version:.*$", (env.build / "dsrt.pc").read_text(), re.M).group()}
    for where, text in found.items():
        report.check("version of " + where, re.search(r"(?<![\d.])%s(?![\d.])" % re.escape(version), text), text)
    changes = (ROOT / "CHANGELOG.md").read_text()
    abi = int(re.search(r"^#define DS_ABI (\d+)$", (ROOT / "runtime/ds_abi.h").read_text(), re.M).group(1))
    numbers = [int(n) for n in re.findall(r"^## ABI (\d+) ", changes, re.M)]
    report.check("CHANGELOG.md has every ABI, and the version", numbers == list(range(abi, 0, -1)) and version in changes, numbers)


def ir_page(env, report, sh):
    """dsc info --ir has every op with all that its row names, every kind, element type and key of encodings that the source asks for."""
    page = sh(env.dsc, "info", "--ir").stdout
    rows = {name: (ROOT / ("ir/%s.def" % name)).read_text() for name in ("onnx", "graph", "loop", "plan", "types")}
    ops = [(level, *row) for level in ("graph", "loop", "plan")
           for row in re.findall(r'^%s_OP\( *(\w+), *"([^"]*)", *"([^"]*)", *"([^"]*)",' % level.upper(), rows[level], re.M)]
    counted = sum(len(re.findall(r"^%s_OP\(" % level.upper(), rows[level], re.M)) for level in ("graph", "loop", "plan"))
    report.check("rows of ops are read", len(ops) == counted and counted > 40, (len(ops), counted))
    for level, name, operands, results, attributes in ops:
        section = page.partition("\n### %s.%s\n" % (level, name))[2].split("\n#")[0]
        wanted = ["`%s`" % names.strip() for names in (operands, results) if names] + \
                 ["`%s`: %s%s\n" % (a.split(":")[0].rstrip("?"), a.split(":")[1], ", may be left out" if "?" in a else "") for a in attributes.split()]
        report.check("the IR's page has %s.%s" % (level, name), section.strip() and
                     all(w.replace(" `", "`") in section.replace(" `", "`") for w in wanted), section)
    section, words = page.partition("\n## Schedules\n")[2].split("\n## ")[0], (ROOT / "ir/schedule.h").read_text()
    for table in ("DS_LEVEL_KINDS", "DS_TAILS", "DS_SPACES"):
        rows_of = re.findall(r'ROW\((\w+), "([^"]*)"\)', words.partition(table + "(ROW)")[2].split("\n\n")[0])
        report.check("the IR's page has " + table, rows_of and all("| %s | %s |\n" % row in section for row in rows_of), section)
    kernel = ROOT / "tests/text/schedule_errors.mlir"
    text = re.sub(r"\{schedule = \{.*?\}\}", lambda _: "{schedule = %s}" % section.split("```")[1].strip(), kernel.read_text().split("// -----")[1], flags=re.S)
    (env.work / "example.mlir").write_text(text)
    said = sh(env.dsc, "opt", env.work / "example.mlir", "--cpu=x86-64").stderr
    report.check("the example of a schedule is of its form", "the kernel cannot be computed so" in said, said)
    scalar, onnx = (re.findall(r"^%s_OP\( *(\w+)," % kind, rows[table], re.M) for kind, table in (("SCALAR", "loop"), ("ONNX", "onnx")))
    contrib = re.findall(r"^CONTRIB_OP\( *(\w+),", (ROOT / "ir/contrib.def").read_text(), re.M)
    schema = (ROOT / "ir/schema.h").read_text()
    kinds = re.findall(r"ROW\((\w+),", schema.partition("DS_ATTR_KINDS(ROW)")[2].partition("DS_ENCODING_KEYS")[0])
    asked = {key for path in ROOT.glob("*/**/*.c") if path.relative_to(ROOT).parts[0] in ("ir", "passes")
             for key in re.findall(r'ds_attr_find\([^;"]*encoding, "(\w+)"\)', path.read_text())}
    report.check("the source asks encodings for keys", {"dims", "map", "border", "within"} <= asked, asked)
    listed = re.findall(r"^ATTRIBUTES\( *(\w+),", (ROOT / "ir/onnx_attributes.def").read_text(), re.M)
    report.check("every operator has a row of ir/onnx_attributes.def", listed == onnx, set(onnx) ^ set(listed))
    lines = ["| loop.%s |" % n for n in scalar] + ["| onnx.%s |" % n for n in onnx] + ["| microsoft.%s |" % n for n in contrib] + ["\n| %s | " % k for k in kinds] + ["| `%s` |" % k for k in asked]
    lines += ["| `%s` |" % t for t in re.findall(r'^DS_ELEM\( *\w+, *\d+, *\w+, *\d+, *"([^"]+)"', rows["types"], re.M)]
    lines += ["| `%s` |" % k for k in re.findall(r'^DS_DIM_KIND\( *\w+, *"(\w+)"', (ROOT / "ir/dims.def").read_text(), re.M)]
    lines += ["| `%s` |" % n for n in re.findall(r"^DS_MMA\( *(\w+)", (ROOT / "ir/mma.def").read_text(), re.M)]
    report.check("the IR's page has all else", len(lines) > 250 and all(line in page for line in lines), [line for line in lines if line not in page])
    report.check("build/ir.md is the page", (env.build / "ir.md").read_text() == page)


def links(report):
    """Links between documents lead somewhere, and every folder of sources has a README."""
    for path in sorted({*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("*/*/README.md")}):
        for target in re.findall(r"\]\(([^)#]+)(?:#[\w-]+)?\)", path.read_text()):
            good = "://" in target or (path.parent / target).exists()
            report.check("%s links to %s" % (path.relative_to(ROOT), target), good, "there is no such file")
    for folder in sorted({path.parent for path in ROOT.glob("*/*.[ch]")}):
        report.check("%s has a README" % folder.name, (folder / "README.md").exists())


def run(env, report, sh, work):
    links(report)
    ir_page(env, report, sh)
    versions(env, report, sh)
    benchmark_results(report, sh, work)
