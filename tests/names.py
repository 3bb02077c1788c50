"""Files, inputs, outputs and dimensions of any name: headers that C11 and C++11 take without a warning, and symbols that harm nobody."""
import re
import subprocess

import onnx
from onnx import TensorProto, helper

KEYWORDS = ["default", "int", "class", "new", "this", "template", "typeof", "nullptr", "constexpr", "co_await", "_Bool", "_Generic", "and_eq"]
LIBRARY = ["main", "errno", "printf", "malloc", "free", "memcpy", "write", "exit", "signal", "index", "log", "gamma", "time", "NULL", "EOF", "stdin", "size_t", "FILE",
           "jmp_buf", "I", "bool", "unix", "linux", "M_PI", "SIGINT", "environ", "std", "end", "my_type_t", "ds_context", "ds_abi", "DS_ABI", "ds", "d", "run", "usage", "dsrt_pool_create"]
SHAPES = ["3d", "0", "_x", "__x__", "_X", "a..b", "a-b", "a b", "x/", "/layer/Conv_output_0", "/Add", "输入", "тензор", "é", "\u202eabc", "*/ int x; /*", "??/", "a\\", "\"%s%n", "x" * 200]
TENSORS = KEYWORDS + LIBRARY + SHAPES + ["", "a\nb", "\x01", "a_b", "a__b", "INT_", "int_", "_int", "lanes", "context", "args", "y" * 3000]
HEADERS = ["assert", "complex", "ctype", "errno", "float", "inttypes", "iso646", "limits", "locale", "math", "setjmp", "signal", "stdarg", "stdbool", "stdio", "stdlib", "string", "time", "wchar", "unistd", "pthread", "fcntl"]


def model(names):
    """Each name is an input's, its dimension's and, with a mark, an output's."""
    nodes, inputs, outputs, seen = [], [], [], set()
    for name in names:
        if not name or name in seen:
            continue
        seen.add(name)
        nodes.append(helper.make_node("Neg", [name], [name + "'"]))
        inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [name, 2]))
        outputs.append(helper.make_tensor_value_info(name + "'", TensorProto.FLOAT, None))
    return helper.make_model(helper.make_graph(nodes, "names", inputs, outputs), opset_imports=[helper.make_opsetid("", 20)])


def headers_compile(headers, work):
    """None, or what compilers say of the headers together, after the system's."""
    text = "".join("#include <%s.h>\n" % h for h in HEADERS) + "".join('#include "%s"\n' % h for h in headers) + "int unused_name;\n"
    for compiler, suffix, flags in (("gcc", "c", ["-std=c11"]), ("clang-19", "c", ["-std=gnu11"]), ("g++", "cc", ["-std=c++11"]), ("clang-19", "cc", ["-std=c++20"])):
        source = work / ("headers." + suffix)
        source.write_text(text)
        pedantic = [] if suffix == "cc" else ["-pedantic"]
        ran = subprocess.run([compiler, *flags, *pedantic, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", source], capture_output=True, text=True)
        if ran.returncode:
            return compiler + ": " + ran.stderr[:600]
    return None


def hijacks(objects):
    """Symbols of the objects that others see, and that the C library has, too, or that two of them define."""
    library = subprocess.run(["cc", "-print-file-name=libc.so.6"], capture_output=True, text=True).stdout.strip()
    symbols = lambda path, *flags: [line.split()[-1].split("@")[0] for line in subprocess.run(["llvm-nm-19", *flags, "--defined-only", path], capture_output=True, text=True).stdout.splitlines() if re.search(r" [A-Z] ", line)]
    taken, found = set(symbols(library, "-D")) | {"main"}, []
    for path in objects:
        own = symbols(path)
        found += [s for s in own if s in taken]
        taken.update(own)
    return found


def run(dsc, work, report):
    work.mkdir(parents=True, exist_ok=True)
    onnx.save(model(["x"]), work / "model.onnx")
    objects, headers, prefixes = [], [], set()
    for k, name in enumerate(n for n in KEYWORDS + LIBRARY + SHAPES if "/" not in n and len(n.encode()) < 240):
        folder = work / str(k)
        folder.mkdir()
        made = subprocess.run([dsc, "compile", work / "model.onnx", "-o", folder / (name + ".o")], capture_output=True, text=True)
        report.check("file name %r" % name, made.returncode == 0, made.stderr)
        text = (folder / (name + ".h")).read_bytes() if made.returncode == 0 else b""
        prefix = re.search(rb"#ifndef DS_MODEL_(\w+)_H", text)
        if prefix and prefix.group(1) not in prefixes:  # "a b" and "a-b" are one name
            prefixes.add(prefix.group(1))
            (work / ("%d.h" % k)).write_bytes(text)
            objects.append(folder / (name + ".o"))
            headers.append("%d.h" % k)
    for some in (headers, headers[::-1], headers[:1]):
        reason = headers_compile(some, work)
        report.check("%d headers together" % len(some), len(headers) > 50 and not reason, reason)
    found = hijacks(objects)
    report.check("symbols of all files", not found, found)
    onnx.save(model(TENSORS), work / "tensors.onnx")
    made = subprocess.run([dsc, "compile", work / "tensors.onnx", "-o", work / "tensors.o"], capture_output=True, text=True)
    reason = made.stderr if made.returncode else headers_compile(["tensors.h"], work)
    report.check("names of tensors", not reason, reason)
    fields = re.findall(r"^ +struct \{.*?\} (\w+); /\*", (work / "tensors.h").read_text(), re.M) if not made.returncode else []
    report.check("names of tensors: fields", len(fields) == 2 * len(model(TENSORS).graph.input) and len(set(fields)) == len(fields), fields)
    for name in ("run", "main", "输入"):
        made = subprocess.run([dsc, "compile", work / "model.onnx", "--emit=exe", "-o", work / name], capture_output=True, text=True)
        ran = subprocess.run([work / name, "--help"], capture_output=True, text=True) if made.returncode == 0 else made
        report.check("program called %r" % name, ran.returncode == 0 and "x: f32" in ran.stdout, ran.stderr)
    for prefix in ("main", "int", "a b", "printf", "ds_x", "__a", "x" * 300, ""):
        made = subprocess.run([dsc, "compile", work / "model.onnx", "--prefix=" + prefix, "-o", work / "p.o"], capture_output=True, text=True)
        report.check("--prefix=%.20s" % prefix, made.returncode == 2 and "prefix" in made.stderr, made.stderr)
