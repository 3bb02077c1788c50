"""What --help, the manual page and the completions say of tools/options.def; every example runs."""
import re
import shlex
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def table():
    """Commands with their examples, headings in order, and of each option name, group, commands and default."""
    text = (ROOT / "tools/options.def").read_text()
    string = r'"((?:[^"\\]|\\.)*)"'
    commands = re.findall(r"^COMMAND\( *([\w-]+), *%s,\s*%s,\s*%s" % (string, string, string), text, re.M)
    groups = re.findall(r"^GROUP\( *(\w+), *%s" % string, text, re.M)
    options = re.findall(r"^OPTION\( *([\w-]+), *(\w+), *(?:NULL|\"[^\"]*\"), *%s,\s*(?:NULL|%s)," % (string, string), text, re.M)
    rows = {kind: len(re.findall(r"^%s\( " % kind, text, re.M)) for kind in ("COMMAND", "GROUP", "OPTION")}
    assert rows == {"COMMAND": len(commands), "GROUP": len(groups), "OPTION": len(options)}, rows
    return {c[0]: c[3] for c in commands}, dict(groups), options


def under_headings(text, headings, mark):
    """The options below each heading, as (name, line)."""
    found, group = {}, None
    for line in text.splitlines():
        at = [g for g, heading in headings.items() if line.endswith(heading)]
        group = at[0] if at else None if line and not line.startswith((" ", mark)) and mark == "  --" else group
        if group and line.startswith(mark):
            name = re.match(r"[\w-]+", line[len(mark):].replace("\\", "")).group()
            found.setdefault(group, []).append((name, line))
    return found


def check_help(report, sh, dsc, groups, options, command, example):
    text = sh(dsc, "help", *([command] if command else [])).stdout
    mine = [o for o in options if not command or command in o[2].split()]
    found = under_headings(text, groups, "  --")
    want = {g: [o[0] for o in mine if o[1] == g] for g in groups}
    what = "help of " + (command or "all commands")
    report.check(what + ": options under their headings, in order", list(found.items()) and
                 {g: [n for n, _ in l] for g, l in found.items()} == {g: n for g, n in want.items() if n} and list(found) == [g for g in groups if g in found], text)
    lines = [line for group in found.values() for _, line in group]
    defaults = [o[3] for g in groups for o in mine if o[1] == g]
    report.check(what + ": defaults", len(lines) == len(defaults) and
                 all(("(default: %s)" % d in line) if d else "default:" not in line for line, d in zip(lines, defaults)), text)
    report.check(what + ": examples", all("\n  " + e + "\n" in text for e in example) and "\nExit codes: " in text, text)


def run_examples(report, sh, dsc, examples, work):
    """Each in one folder with a model and data, in the table's order; tune measures only shortly."""
    import numpy as np
    from onnx import numpy_helper
    (work / "data").mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "tests/data/digits.onnx", work / "model.onnx")
    np.save(work / "data/input_0.npy", np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 1, 8, 8))
    made = {"compile": "model.h", "run": "results/output_0.npy", "profile": "trace.json", "tune": "model.schedules", "quantize": "model.json", "opt": "model.mlir"}
    for command, example in examples.items():
        words = shlex.split(example)
        report.check("the example of %s is one" % command, words[:2] == ["dsc", command], example)
        result = sh(dsc, *words[1:], *(["--seconds=0.2"] if command in ("bench", "profile", "tune") else []), cwd=work)
        report.check("example: " + example, result.returncode == 0, result.stdout + result.stderr)
        if command == "run" and result.returncode == 0:
            scores = numpy_helper.from_array(np.load(work / "results/output_0.npy"), "scores")
            (work / "data/output_0.pb").write_bytes(scores.SerializeToString())
        if command in made:
            report.check("%s writes %s" % (command, made[command]), (work / made[command]).exists())


def run(env, report, sh, work):
    examples, groups, options = table()
    report.check("the groups", list(groups) == ["output", "target", "run", "debug"], groups)
    check_help(report, sh, env.dsc, groups, options, None, examples.values())
    for command, example in examples.items():
        check_help(report, sh, env.dsc, groups, options, command, [example])
    manual = sh(env.dsc, "--man").stdout
    found = under_headings(manual, groups, ".B \\-\\-")
    report.check("manual: options under their headings", {g: [n for n, _ in l] for g, l in found.items()} == {g: [o[0] for o in options if o[1] == g] for g in groups}, manual)
    plain = manual.replace("\\-", "-")
    report.check("manual: defaults and examples", all("(default: %s)" % o[3] in plain for o in options if o[3]) and all("\n%s\n" % e in plain for e in examples.values()), manual)
    completions = sh(env.dsc, "--completions").stdout
    for command in examples:
        words = set(re.search(r"^    %s\) list=\"(.*)\"" % command, completions, re.M).group(1).split())
        report.check("completions of " + command, {w.rstrip("=") for w in words} == {"--" + o[0] for o in options if command in o[2].split()}, words)
    run_examples(report, sh, env.dsc, examples, work)
