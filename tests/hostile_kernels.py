"""Kernels written by hand whose ops do not fit the program that their schedule names: hostile_kernels.py --dsc DSC [--verbose].

Each kernel is computed three ways. Its ops without the kernel, by the whole pipeline, say what is right. With a schedule it must give that, or
be refused with exit 1, a code and one sentence. Without one (`ds.after = "group"`) the pass `schedule` must find a way, or take it apart.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import forms


def tensor(*dims, elem="f32"):
    return "tensor<%s>" % "x".join([*map(str, dims), elem])


# ---- ops as text ----

def maps_text(count, maps):
    dims = ", ".join("d%d" % i for i in range(count))
    return "maps = [%s]" % ", ".join("affine_map<(%s) -> (%s)>" % (dims, m) for m in maps)


def point(op, args, elems, result):
    """A region: `op` of its arguments; several results with | between ops."""
    names = ["%%p%d" % i for i in range(len(args))]
    lines, values = [], []
    for k, one in enumerate(op.split("|")):
        kind, *at = one.split()
        used = [names[int(i)] for i in at]
        if kind == "arg":
            values.append(used[0])
            continue
        if kind == "position":
            lines += ['%%i%d = "loop.position"() {dim = %s} : () -> index' % (k, at[0]), '%%v%d = "loop.cast"(%%i%d) : (index) -> %s' % (k, k, result)]
        else:
            lines.append('%%v%d = "loop.%s"(%s) : (%s) -> %s' % (k, kind, ", ".join(used), ", ".join(elems[int(i)] for i in at), result))
        values.append("%%v%d" % k)
    head = "^bb0(%s):" % ", ".join("%s: %s" % p for p in zip(names, elems))
    return "({ %s %s \"graph.yield\"(%s) : (%s) -> () })" % (head, "\n".join(lines), ", ".join(values), ", ".join([result] * len(values)))


def elem(t):
    return re.search(r"[x<]([a-wyz]\w*)(?:, \{.*\})?>$", t).group(1)


def rank(t):
    return t.split("<")[1].split(",")[0].count("x")


def signature(args, types):
    return "(%s) -> %s" % (", ".join(args), types[0] if len(types) == 1 else "(%s)" % ", ".join(types))


def a_map(out, op, operands, result, maps, more="", results=1):
    """%out = map; operands: name -> type"""
    names = ", ".join("%%%s%s" % (out, "" if results == 1 else "_%d" % i) for i in range(results))
    region = point(op, list(operands), [elem(t) for _, t in operands], elem(result))
    return '%s = "graph.map"(%s) %s {%s%s} : %s' % (names, ", ".join("%" + n for n, _ in operands), region, maps_text(rank(result), maps), more, signature([t for _, t in operands], [result] * results))


def a_sum(out, operand, result, mapping, over, op="arg 0", combine="add", init="0.0", more=""):
    name, t = operand
    e = elem(result)
    region = point(op, [name], [elem(t)], e)[1:-1]
    second = '{ ^bb0(%%l: %s, %%r: %s): %%c = "loop.%s"(%%l, %%r) : (%s, %s) -> %s "graph.yield"(%%c) : (%s) -> () }' % (e, e, combine, e, e, e, e)
    return '%%%s = "graph.reduce"(%%%s) (%s, %s) {%s, over = [%s], init = [%s : f64]%s} : %s' % (out, name, region, second, maps_text(rank(result) + len(over), [mapping]), ", ".join('"%s"' % o for o in over), init, more, signature([t], [result]))


def a_product(out, left, right, result, maps=("d0, d2", "d2, d1"), over=(64,), kind="matmul", more=""):
    return '%%%s = "graph.%s"(%%%s, %%%s) {%s, over = [%s]%s} : %s' % (out, kind, left[0], right[0], maps_text(rank(result) + len(over), maps), ", ".join('"%s"' % o for o in over), more, signature([left[1], right[1]], [result]))


# ---- schedules ----

def level(axis, kind, step, tail, op=None):
    return '{axis = "%s", kind = "%s", step = %d, tail = "%s"%s}' % (axis, kind, step, tail, "" if op is None else ", op = %d" % op)


def schedule(program, levels, places=(), mma=True):
    place = ", place = [%s]" % ", ".join('{op = %d, level = %d, space = "%s"}' % p for p in places) if places else ""
    return '{program = "%s"%s, levels = [%s]%s}' % (program, ', mma = "fma_f32"' if mma else "", ", ".join(levels), place)


def tiled(columns=16, tail="exact", epilogue=True, rows=3, m_tail="repeat"):
    """The one that `tile` has for 37 x 64 of k 64, and others like it."""
    levels = [level("m", "grid", 12, "guard"), level("n", "grid", columns, tail if tail == "exact" else "guard"), level("m", "tile", rows, m_tail), level("n", "tile", columns, tail), level("k", "unroll", 4, "guard")]
    return schedule("tile", levels, [(0, 4, "registers")] if epilogue else [])


def points(axis="d0", step=8, lanes=True):
    return schedule("points", [level(axis, "grid", step, "guard")] + ([level(axis, "lane", 8, "mask")] if lanes else []), mma=False)


def blocked(places, n=(64, 64), rows=24, tail="exact"):
    levels = [level("d0", "grid", rows, "guard")]
    ops = [0, 1] if len(places) == 1 else [0, 2]
    for op, columns in zip(ops, n):
        levels += [level("m", "tile", 2, "guard", op), level("n", "tile", 16, tail, op), level("k", "unroll", 4, "guard", op)]
    return schedule("blocks", levels, places)


# ---- the kernels: (name, arguments, body, what is yielded, schedules) ----

X, W, Y, B = tensor(37, 64), tensor(64, 64), tensor(37, 64), tensor(64)
PRODUCT = a_product("p", ("x", X), ("w", W), Y)
ID, ROW = "d0, d1", "d1"
RELU = a_map("q", "greater 0 1", [("p", Y), ("b", B)], Y, [ID, ROW])
XW = {"x": X, "w": W, "b": B}


def epilogues():
    """A product with what no tile can do to its results."""
    square = tensor(64, 64)
    on_square = a_product("p", ("y", square), ("w", W), square)
    yw = {"y": square, "w": W, "b": B}
    kinds = [tiled(), tiled(epilogue=False), tiled(m_tail="guard"), tiled(rows=4, m_tail="exact"), points(), blocked([(0, 0, "registers"), (1, 0, "scratch"), (2, 0, "registers")])]
    yield "fits", XW, [PRODUCT, RELU], [("q", Y)], kinds
    yield "both are yielded", XW, [PRODUCT, RELU], [("p", Y), ("q", Y)], kinds
    yield "both are yielded, turned around", XW, [PRODUCT, RELU], [("q", Y), ("p", Y)], kinds
    yield "yielded twice", XW, [PRODUCT, RELU], [("q", Y), ("q", Y)], kinds
    yield "a product yielded twice", XW, [PRODUCT], [("p", Y), ("p", Y)], kinds
    yield "an epilogue that nothing reads", XW, [PRODUCT, RELU], [("p", Y)], kinds
    yield "an argument is yielded", XW, [PRODUCT], [("x", X)], kinds
    yield "an argument is yielded, too", XW, [PRODUCT, RELU], [("q", Y), ("x", X)], kinds
    yield "nothing is computed", XW, [], [("x", X)], kinds
    yield "read across", yw, [on_square, a_map("q", "add 0 1", [("p", square), ("b", B)], square, ["d1, d0", ROW])], [("q", square)], kinds
    yield "read at two points", yw, [on_square, a_map("q", "add 0 1", [("p", square), ("p", square)], square, [ID, "d1, d0"])], [("q", square)], kinds
    yield "a row read by all", XW, [PRODUCT, a_map("q", "add 0 1", [("p", Y), ("b", B)], Y, ["0, d1", ROW])], [("q", Y)], kinds
    yield "a column read by all", XW, [PRODUCT, a_map("q", "add 0 1", [("p", Y), ("b", B)], Y, ["d0, 0", ROW])], [("q", Y)], kinds
    yield "read from the other end", XW, [PRODUCT, a_map("q", "add 0 1", [("p", Y), ("b", B)], Y, ["-d0 + 36, d1", ROW])], [("q", Y)], kinds
    yield "the product is not read", XW, [PRODUCT, a_map("q", "add 0 1", [("x", X), ("b", B)], Y, [ID, ROW])], [("q", Y)], kinds
    yield "the product is not read, and yielded", XW, [PRODUCT, a_map("q", "add 0 1", [("x", X), ("b", B)], Y, [ID, ROW])], [("q", Y), ("p", Y)], kinds
    yield "padding", XW, [PRODUCT, a_map("q", "add 0 1", [("p", Y), ("b", B)], Y, ["d0 + 1, d1", ROW], ", pads = [0.5 : f64, unit]")], [("q", Y)], kinds
    yield "a larger result", XW, [PRODUCT, a_map("q", "add 0 1", [("p", Y), ("b", B)], tensor(2, 37, 64), ["d1, d2", "d2"])], [("q", tensor(2, 37, 64))], kinds
    yield "a smaller result", XW, [PRODUCT, a_map("q", "add 0 1", [("p", Y), ("b", B)], tensor(5, 64), [ID, ROW])], [("q", tensor(5, 64))], kinds
    yield "a result of another rank", XW, [PRODUCT, a_map("q", "add 0 1", [("p", Y), ("b", B)], tensor(64), ["3, d0", "d0"])], [("q", tensor(64))], kinds
    yield "two results", XW, [PRODUCT, a_map("q", "add 0 1|mul 0 1", [("p", Y), ("b", B)], Y, [ID, ROW], results=2)], [("q_0", Y), ("q_1", Y)], kinds
    yield "two results, one yielded", XW, [PRODUCT, a_map("q", "add 0 1|mul 0 1", [("p", Y), ("b", B)], Y, [ID, ROW], results=2)], [("q_1", Y)], kinds
    yield "another element type", XW, [PRODUCT, a_map("q", "cast 0", [("p", Y)], tensor(37, 64, elem="i32"), [ID])], [("q", tensor(37, 64, elem="i32"))], kinds
    yield "a wider element type", XW, [PRODUCT, a_map("q", "cast 0", [("p", Y)], tensor(37, 64, elem="f64"), [ID])], [("q", tensor(37, 64, elem="f64"))], kinds
    yield "a bool", XW, [PRODUCT, a_map("q", "lt 0 1", [("p", Y), ("b", B)], tensor(37, 64, elem="i1"), [ID, ROW])], [("q", tensor(37, 64, elem="i1"))], kinds
    yield "positions", XW, [PRODUCT, a_map("q", "add 0 1|position 0", [("p", Y), ("b", B)], Y, [ID, ROW], results=2)], [("q_0", Y), ("q_1", Y)], kinds
    yield "a map before the product", XW, [a_map("u", "neg 0", [("x", X)], X, [ID]), a_product("p", ("u", X), ("w", W), Y)], [("p", Y)], kinds
    yield "two maps behind it", XW, [PRODUCT, RELU, a_map("r", "neg 0", [("q", Y)], Y, [ID])], [("r", Y)], kinds
    yield "a map beside it", XW, [PRODUCT, a_map("u", "neg 0", [("x", X)], X, [ID])], [("p", Y), ("u", X)], kinds
    yield "its right side is its epilogue's", yw, [on_square, a_map("q", "add 0 1", [("p", square), ("w", square)], square, [ID, ID])], [("q", square)], kinds


def products():
    kinds = [tiled(epilogue=False), tiled(epilogue=False, m_tail="guard"), tiled(16, "mask", False), points(), points("d1"), schedule("points", [level("d0", "grid", 8, "guard")], mma=False)]
    for e in ("f64", "i32", "f16", "i8", "bf16"):
        t = [tensor(*d, elem=e) for d in ((37, 64), (64, 64), (37, 64))]
        yield "of %s%s" % (e, " (too much)" * (e in ("f16", "bf16"))), {"x": t[0], "w": t[1]}, [a_product("p", ("x", t[0]), ("w", t[1]), t[2])], [("p", t[2])], kinds
    square = {"y": tensor(64, 64)}
    yield "fits", {"x": X, "w": W}, [PRODUCT], [("p", Y)], kinds
    yield "of a matrix with itself", square, [a_product("p", ("y", W), ("y", W), W)], [("p", W)], kinds
    yield "with its transpose", square, [a_product("p", ("y", W), ("y", W), W, ("d0, d2", "d1, d2"))], [("p", W)], kinds
    yield "elementwise", square, [a_product("p", ("y", W), ("y", W), W, (ID, ID), ())], [("p", W)], kinds
    yield "of diagonals", square, [a_product("p", ("y", W), ("y", W), B, ("d0, d1", "d0, d1"))], [("p", B)], kinds
    yield "of nothing but sums", square, [a_product("p", ("y", W), ("y", W), B, ("d0, d1", "d1, d0"))], [("p", B)], kinds
    yield "of every second column", square, [a_product("p", ("y", W), ("y", W), tensor(64, 32), ("d0, d2", "d2, d1 * 2"))], [("p", tensor(64, 32))], kinds
    yield "along a diagonal", square, [a_product("p", ("y", W), ("y", W), tensor(32, 32), ("d0 + d2, d2", "d2, d1 + d0"), (32,))], [("p", tensor(32, 32))], kinds
    yield "of floors", square, [a_product("p", ("y", W), ("y", W), W, ("d0 floordiv 2, d2", "d2, d1 floordiv 2"))], [("p", W)], kinds
    yield "of two reduced dims", {"x": tensor(5, 8, 8), "w": tensor(8, 8, 32)}, [a_product("p", ("x", tensor(5, 8, 8)), ("w", tensor(8, 8, 32)), tensor(5, 32), ("d0, d2, d3", "d2, d3, d1"), (8, 8))], [("p", tensor(5, 32))], kinds
    yield "without rows", {"x": B, "w": W}, [a_product("p", ("x", B), ("w", W), B, ("d1", "d1, d0"))], [("p", B)], kinds
    yield "of one number", {"x": B, "w": B}, [a_product("p", ("x", B), ("w", B), tensor(), ("d0", "d0"))], [("p", tensor())], kinds
    yield "of no rows", {"x": tensor(0, 64), "w": W}, [a_product("p", ("x", tensor(0, 64)), ("w", W), tensor(0, 64))], [("p", tensor(0, 64))], kinds
    yield "of no columns", {"x": X, "w": tensor(64, 0)}, [a_product("p", ("x", X), ("w", tensor(64, 0)), tensor(37, 0))], [("p", tensor(37, 0))], kinds
    yield "over nothing", {"x": tensor(37, 0), "w": tensor(0, 64)}, [a_product("p", ("x", tensor(37, 0)), ("w", tensor(0, 64)), Y, over=(0,))], [("p", Y)], kinds
    yield "as a convolution", {"x": X, "w": W}, [a_product("p", ("x", X), ("w", W), Y, kind="conv")], [("p", Y)], kinds
    dims = ("d0, d4, d2 + d5, d3 + d6", "d1, d4, d5, d6")
    image, filters, out = tensor(1, 8, 12, 12), tensor(16, 8, 3, 3), tensor(1, 16, 10, 10)
    yield "a convolution in planes", {"x": image, "w": filters}, [a_product("p", ("x", image), ("w", filters), out, dims, (8, 3, 3), "conv")], [("p", out)], [*kinds, schedule("winograd", [], mma=True)]


def several():
    """Several ops, or none that a program has."""
    r = tensor(37, 1)
    total = a_sum("s", ("x", X), r, "d0, d2", [64])
    scaled = a_map("t", "mul 0 1", [("x", X), ("s", r)], X, [ID, "d0, 0"])
    levels = [level("d0", "grid", 4, "guard"), level("k0", "lane", 8, "exact", 0), level("d1", "lane", 8, "exact", 1)]
    rows = lambda *places: schedule("rows", levels, places, mma=False)
    kinds = [rows((0, 0, "scratch")), rows(), rows((0, 0, "result")), rows((0, 0, "registers")), rows((0, 0, "scratch"), (1, 0, "scratch")), points()]
    x = {"x": X}
    yield "rows, fits", x, [total, scaled], [("t", X)], kinds
    yield "rows, both yielded", x, [total, scaled], [("t", X), ("s", r)], kinds
    yield "rows, the sum first", x, [total, scaled], [("s", r), ("t", X)], kinds
    yield "rows yielded twice", x, [total, scaled], [("t", X), ("t", X)], kinds
    yield "rows, the argument yielded", x, [total, scaled], [("t", X), ("x", X)], kinds
    yield "rows, nothing reads the sum", x, [total, a_map("t", "neg 0", [("x", X)], X, [ID])], [("t", X)], kinds
    yield "rows, nothing reads the map", x, [total, scaled], [("s", r)], kinds
    yield "rows of other rows", x, [total, a_map("t", "mul 0 1", [("x", X), ("s", r)], X, [ID, "-d0 + 36, 0"])], [("t", X)], kinds
    yield "rows of the first row", x, [total, a_map("t", "mul 0 1", [("x", X), ("s", r)], X, [ID, "0, 0"])], [("t", X)], kinds
    yield "rows of fewer rows", x, [total, a_map("t", "mul 0 1", [("x", X), ("s", r)], tensor(5, 64), [ID, "d0, 0"])], [("t", tensor(5, 64))], kinds
    yield "rows summed by columns", x, [a_sum("s", ("x", X), tensor(1, 64), "d2, d1", [37]), a_map("t", "mul 0 1", [("x", X), ("s", tensor(1, 64))], X, [ID, "0, d1"])], [("t", X)], kinds
    yield "rows whose sum is padded", x, [a_sum("s", ("x", X), r, "d0, d2 + 3", [64], more=", pads = [1.0 : f64]"), scaled], [("t", X)], kinds
    yield "rows with a padded map", x, [total, a_map("t", "mul 0 1", [("x", X), ("s", r)], X, ["d0 + 1, d1", "d0, 0"], ", pads = [1.0 : f64, unit]")], [("t", X)], kinds
    yield "rows and a product", {"x": X, "w": W}, [total, scaled, a_product("p", ("t", X), ("w", W), Y)], [("p", Y)], kinds
    yield "rows of positions", x, [total, a_map("t", "mul 0 1|position 1", [("x", X), ("s", r)], X, [ID, "d0, 0"], results=2)], [("t_0", X), ("t_1", X)], kinds
    yield "rows of two results, one unread", x, [total, a_map("t", "mul 0 1|add 0 1", [("x", X), ("s", r)], X, [ID, "d0, 0"], results=2)], [("t_0", X)], kinds
    yield "rows of integers", {"x": tensor(37, 64, elem="i32")}, [a_sum("s", ("x", tensor(37, 64, elem="i32")), tensor(37, 1, elem="i32"), "d0, d2", [64], init="0.0"), a_map("t", "mul 0 1", [("x", tensor(37, 64, elem="i32")), ("s", tensor(37, 1, elem="i32"))], tensor(37, 64, elem="i32"), [ID, "d0, 0"])], [("t", tensor(37, 64, elem="i32"))], kinds
    yield "rows of a row", x, [a_sum("s", ("x", X), tensor(37), "d0, d1", [64]), a_map("t", "mul 0 1", [("x", X), ("s", tensor(37))], X, [ID, "d0"])], [("t", X)], kinds
    yield "two maps", x, [a_map("t", "neg 0", [("x", X)], X, [ID]), a_map("u", "exp 0", [("t", X)], X, [ID])], [("u", X)], kinds
    yield "two maps of the argument", x, [a_map("t", "neg 0", [("x", X)], X, [ID]), a_map("u", "exp 0", [("x", X)], X, [ID])], [("u", X), ("t", X)], kinds
    yield "a map of two results", x, [a_map("t", "neg 0|exp 0", [("x", X)], X, [ID], results=2)], [("t_1", X), ("t_0", X)], kinds
    yield "a map of two results, one yielded", x, [a_map("t", "neg 0|exp 0", [("x", X)], X, [ID], results=2)], [("t_1", X)], kinds
    yield "a map of two results, one twice", x, [a_map("t", "neg 0|exp 0", [("x", X)], X, [ID], results=2)], [("t_1", X), ("t_1", X)], kinds
    many = [a_map("t0", "neg 0", [("x", X)], X, [ID])] + [a_map("t%d" % i, "add 0 1", [("t%d" % (i - 1), X), ("x", X)], X, [ID, ID]) for i in range(1, 60)]
    yield "60 maps", x, many, [("t59", X)], kinds
    yield "a sum and 299 maps", x, [total, a_map("t0", "mul 0 1", [("x", X), ("s", r)], X, [ID, "d0, 0"])] + [a_map("t%d" % i, "add 0 1", [("t%d" % (i - 1), X), ("x", X)], X, [ID, ID]) for i in range(1, 299)], [("t298", X)], kinds
    looks_up = '%%t = "graph.map"(%%s) ({ ^bb0(%%p0: f32): %%i = "loop.position"() {dim = 0} : () -> index %%z = "loop.position"() {dim = 1} : () -> index %%e = "graph.extract"(%%x, %%i, %%z) : (%s, index, index) -> f32 %%v = "loop.mul"(%%e, %%p0) : (f32, f32) -> f32 "graph.yield"(%%v) : (f32) -> () }) {%s} : (%s) -> %s' % (X, maps_text(2, ["d0, 0"]), r, X)
    yield "a map that looks up", x, [total, looks_up], [("t", X)], kinds
    seventeen = 17
    yield "too much: a map of 17 results", x, [a_map("t", "|".join(["neg 0"] * seventeen), [("x", X)], X, [ID], results=seventeen)], [("t_%d" % i, X) for i in range(seventeen)], kinds
    yield "too much: a map of 330 operands", x, [a_map("t", "add 0 329", [("x", X)] * 330, X, [ID] * 330)], [("t", X)], kinds
    deep = tensor(*[1] * 26, 3)
    yield "too much: a map of rank 27", {"x": deep}, [a_map("t", "neg 0", [("x", deep)], deep, [", ".join("d%d" % i for i in range(27))])], [("t", deep)], kinds
    yield "too much: a reduction of rank 27", {"x": deep}, [a_sum("t", ("x", deep), tensor(*[1] * 26), ", ".join("d%d" % i for i in range(27)), [3])], [("t", tensor(*[1] * 26))], kinds
    yield "a concat beside a map", x, [a_map("t", "neg 0", [("x", X)], X, [ID]), '%%c = "graph.concat"(%%t, %%x) {axis = 0} : (%s, %s) -> %s' % (X, X, tensor(74, 64))], [("c", tensor(74, 64))], kinds
    yield "a reshape", x, ['%%c = "graph.reshape"(%%x) : (%s) -> %s' % (X, tensor(64, 37))], [("c", tensor(64, 37))], kinds
    yield "a map of a reshape", x, ['%%c = "graph.reshape"(%%x) : (%s) -> %s' % (X, tensor(64, 37)), a_map("t", "neg 0", [("c", tensor(64, 37))], tensor(64, 37), [ID])], [("t", tensor(64, 37))], kinds
    yield "a constant", x, ['%%c = "graph.constant"() {value = dense<2.0> : %s} : () -> %s' % (X, X), a_map("t", "add 0 1", [("x", X), ("c", X)], X, [ID, ID])], [("t", X)], kinds
    yield "numbers and a map", x, ['%%c = "graph.index"() {values = ["3", "4"]} : () -> %s' % tensor(2, elem="i64"), a_map("t", "neg 0", [("x", X)], X, [ID])], [("t", X), ("c", tensor(2, elem="i64"))], kinds
    inner = '%%t = "graph.kernel"(%%x) ({ ^bb0(%%y: %s): %s "graph.yield"(%%u) : (%s) -> () }) : (%s) -> %s' % (X, a_map("u", "neg 0", [("y", X)], X, [ID]), X, X, X)
    yield "a kernel in it", x, [inner], [("t", X)], kinds


def pairs():
    """Two products that are not what blocks of rows can do."""
    wide = {"x": X, "w": W, "v": W, "b": B}
    second = a_product("r", ("q", Y), ("v", W), Y)
    kinds = [blocked([(0, 0, "registers"), (1, 0, "scratch")]), blocked([(0, 0, "registers"), (1, 0, "scratch"), (2, 0, "registers")]), blocked([(0, 0, "scratch")]), blocked([(0, 0, "scratch")], rows=1), tiled(epilogue=False), points()]
    yield "two products, fits", wide, [PRODUCT, RELU, second], [("r", Y)], kinds
    yield "two products, the first yielded", wide, [PRODUCT, RELU, second], [("p", Y)], kinds
    yield "two products, the map yielded", wide, [PRODUCT, RELU, second], [("q", Y)], kinds
    yield "two products, all yielded", wide, [PRODUCT, RELU, second], [("r", Y), ("q", Y), ("p", Y)], kinds
    yield "two products at once", wide, [PRODUCT, a_product("r", ("p", Y), ("v", W), Y)], [("r", Y)], kinds
    yield "two products beside each other", wide, [PRODUCT, a_product("r", ("x", X), ("v", W), Y)], [("r", Y)], kinds
    yield "a product of other rows", wide, [PRODUCT, RELU, a_product("r", ("q", Y), ("v", W), Y, ("-d0 + 36, d2", "d2, d1"))], [("r", Y)], kinds
    yield "a product of its columns", {**wide, "z": W}, [a_product("p", ("z", W), ("w", W), W), a_product("r", ("p", W), ("v", W), W, ("d2, d0", "d2, d1"))], [("r", W)], kinds
    yield "a product with it on the right", {**wide, "z": W}, [a_product("p", ("z", W), ("w", W), W), a_product("r", ("z", W), ("p", W), W)], [("r", W)], kinds
    yield "a product with itself", {**wide, "z": W}, [a_product("p", ("z", W), ("w", W), W), a_product("r", ("p", W), ("p", W), W)], [("r", W)], kinds
    yield "an epilogue of one row", wide, [PRODUCT, a_map("q", "add 0 1", [("p", Y), ("b", B)], Y, ["0, d1", ROW]), second], [("r", Y)], kinds
    yield "an epilogue of one column", wide, [PRODUCT, a_map("q", "add 0 1", [("p", Y), ("b", B)], Y, ["d0, 0", ROW]), second], [("r", Y)], kinds
    yield "a map of two results between", wide, [PRODUCT, a_map("q", "add 0 1|mul 0 1", [("p", Y), ("b", B)], Y, [ID, ROW], results=2), a_map("t", "add 0 1", [("q_0", Y), ("q_1", Y)], Y, [ID, ID]), a_product("r", ("t", Y), ("v", W), Y)], [("r", Y)], kinds
    yield "a map of two results, one unread", wide, [PRODUCT, a_map("q", "add 0 1|mul 0 1", [("p", Y), ("b", B)], Y, [ID, ROW], results=2), a_product("r", ("q_1", Y), ("v", W), Y)], [("r", Y)], kinds
    yield "fewer columns between", wide, [PRODUCT, a_map("q", "add 0 1", [("p", Y), ("b", B)], tensor(37, 40), [ID, ROW]), a_map("w2", "arg 0", [("v", W)], tensor(40, 64), [ID]), a_product("r", ("q", tensor(37, 40)), ("w2", tensor(40, 64)), Y, over=(40,))], [("r", Y)], kinds
    yield "the product is read again", wide, [PRODUCT, RELU, a_map("t", "add 0 1", [("q", Y), ("p", Y)], Y, [ID, ID]), a_product("r", ("t", Y), ("v", W), Y)], [("r", Y)], kinds


def windows():
    """Depthwise convolutions and pools with an epilogue that does not fit, in channels-last order."""
    last = ", {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>"
    image = lambda *d: tensor(*d)[:-1] + last
    x, y, f, b = image(1, 16, 12, 10), image(1, 16, 10, 8), "tensor<16x1x3x3xf32, {map = affine_map<(d0, d1, d2, d3) -> (d2, d3, d1, d0)>}>", tensor(16)
    conv = a_product("p", ("x", x), ("w", f), y, ("d0, d1, d2 + d5, d3 + d6", "d1, d4, d5, d6"), (1, 3, 3), "conv")
    pool = a_sum("p", ("x", x), y, "d0, d1, d2 + d4, d3 + d5", (3, 3), combine="greater", init="-3.0e38")
    own = "d0, d1, d2, d3"
    tiles = [level("d2", "grid", 2, "guard"), level("d1", "lane", 8, "exact"), level("d3", "tile", 4, "overlap"), level("k", "unroll", 9, "exact")]
    kinds = [schedule("window", tiles, mma=False), schedule("window", tiles, [(0, 3, "registers")], mma=False), points("d2"), tiled()]
    for name, first, args in (("depthwise", conv, {"x": x, "w": f, "b": b}), ("pool", pool, {"x": x, "b": b})):
        relu = a_map("q", "greater 0 1", [("p", y), ("b", b)], y, [own, "d1"])
        yield name + ", fits", args, [first], [("p", y)], kinds
        yield name + " and map, fits", args, [first, relu], [("q", y)], kinds
        yield name + ", both yielded", args, [first, relu], [("q", y), ("p", y)], kinds
        yield name + ", yielded twice", args, [first, relu], [("q", y), ("q", y)], kinds
        yield name + ", the map is not read", args, [first, relu], [("p", y)], kinds
        yield name + ", read upside down", args, [first, a_map("q", "add 0 1", [("p", y), ("b", b)], y, ["d0, d1, -d2 + 9, d3", "d1"])], [("q", y)], kinds
        yield name + ", in planes", args, [first, a_map("q", "add 0 1", [("p", y), ("b", b)], tensor(1, 16, 10, 8), [own, "d1"])], [("q", tensor(1, 16, 10, 8))], kinds
        yield name + ", of two results", args, [first, a_map("q", "add 0 1|mul 0 1", [("p", y), ("b", b)], y, [own, "d1"], results=2)], [("q_0", y), ("q_1", y)], kinds
        yield name + ", to integers", args, [first, a_map("q", "cast 0", [("p", y)], y.replace("f32", "i32"), [own])], [("q", y.replace("f32", "i32"))], kinds
        yield name + ", padded", args, [first, a_map("q", "add 0 1", [("p", y), ("b", b)], y, ["d0, d1, d2 + 1, d3", "d1"], ", pads = [0.5 : f64, unit]")], [("q", y)], kinds
        yield name + ", fewer rows", args, [first, a_map("q", "add 0 1", [("p", y), ("b", b)], image(1, 16, 5, 8), [own, "d1"])], [("q", image(1, 16, 5, 8))], kinds


CHANNELS_LAST = ", {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>"


def winograds():
    """Convolutions whose filter is transformed, as nobody transforms them."""
    image = lambda *d: tensor(*d)[:-1] + CHANNELS_LAST
    panels = lambda *d: tensor(*d)[:-1] + ", {map = affine_map<(d0, d1, d2, d3) -> (d0, d1, (d2 floordiv 16), d3, (d2 mod 16))>}>"
    x, u, y, b = image(1, 16, 12, 12), panels(6, 6, 24, 16), image(1, 24, 12, 12), tensor(24)
    tiles = [level("m", "grid", 3, "guard"), level("m", "serial", 3, "guard"), level("m", "tile", 3, "exact"), level("n", "tile", 16, "mask"), level("k", "unroll", 4, "guard")]
    kinds = [schedule("winograd", tiles, [(0, 1, "scratch")]), tiled(), points("d2")]
    args = {"x": x, "u": u, "b": b}

    def one(x=x, u=u, y=y, tile=4, before='"1", "1"', out="p"):
        return '%%%s = "graph.winograd"(%%x, %%u) {tile = %d, before = [%s]} : (%s, %s) -> %s' % (out, tile, before, x, u, y)
    own = "d0, d1, d2, d3"
    relu = a_map("q", "greater 0 1", [("p", y), ("b", b)], y, [own, "d1"])
    yield "fits", args, [one()], [("p", y)], kinds
    yield "fits with a map", args, [one(), relu], [("q", y)], kinds
    yield "both yielded", args, [one(), relu], [("q", y), ("p", y)], kinds
    yield "yielded twice", args, [one()], [("p", y), ("p", y)], kinds
    yield "read upside down", args, [one(), a_map("q", "add 0 1", [("p", y), ("b", b)], y, ["d0, d1, -d2 + 11, d3", "d1"])], [("q", y)], kinds
    yield "two results", args, [one(), a_map("q", "add 0 1|mul 0 1", [("p", y), ("b", b)], y, [own, "d1"], results=2)], [("q_0", y), ("q_1", y)], kinds
    yield "too much: a map in planes", args, [one(), a_map("q", "add 0 1", [("p", y), ("b", b)], tensor(1, 24, 12, 12), [own, "d1"])], [("q", tensor(1, 24, 12, 12))], kinds
    for tile in (0, 1, 2, 3, 6, -4, 1 << 40):
        yield "too much: tiles of %d" % tile, args, [one(tile=tile)], [("p", y)], kinds
    for before in ("", '"1"', '"1", "1", "1"', '"1000000000000", "-7"', '"-9223372036854775807", "9223372036854775807"'):
        yield "too much: before [%s]" % before, args, [one(before=before)], [("p", y)], kinds
    for name, filters in (("planes", tensor(6, 6, 24, 16)), ("fewer channels", panels(6, 6, 8, 16)), ("more inputs", panels(6, 6, 24, 32)), ("a small side", panels(4, 4, 24, 16)), ("three dims", tensor(6, 6, 24)), ("doubles", panels(6, 6, 24, 16).replace("f32", "f64"))):
        yield "too much: a filter of " + name, {**args, "u": filters}, [one(u=filters)], [("p", y)], kinds
    for name, t in (("planes", tensor(1, 16, 12, 12)), ("no rows", image(1, 16, 0, 12)), ("three dims", tensor(16, 12, 12)), ("more images", image(3, 16, 12, 12))):
        yield "too much: an image of " + name, {**args, "x": t}, [one(x=t)], [("p", y)], kinds
    for name, t in (("planes", tensor(1, 24, 12, 12)), ("other channels", image(1, 48, 12, 12)), ("more images", image(2, 24, 12, 12)), ("no columns", image(1, 24, 12, 0))):
        yield "too much: a result of " + name, args, [one(y=t)], [("p", t)], kinds
    for name, size, step, more in (("2x2", 2, 2, ""), ("3x3", 3, 3, ""), ("overlap", 2, 1, ""), ("padding", 2, 2, ", pads = [0.0 : f64]")):
        t = image(1, 24, (12 - size) // step + 1, (12 - size) // step + 1)
        pool = a_sum("s", ("p", y), t, "d0, d1, d2 * %d + d4, d3 * %d + d5" % (step, step), (size, size), more=more)
        yield "a pool of " + name, args, [one(), pool], [("s", t)], kinds
        yield "a map and a pool of " + name, args, [one(), relu, pool.replace("%p", "%q")], [("s", t)], kinds
        yield "a pool of %s, and what it reads" % name, args, [one(), pool], [("s", t), ("p", y)], kinds


def loops():
    """Loops that are not one kernel, and kernels that give not all of one."""
    h, s = tensor(2, 1, 16), tensor(5, 2, 1, 16)
    step = a_map("n", "add 0 1", [("v", h), ("x", h)], h, ["d0, d1, d2", "d0, d1, d2"])
    levels = [level("d0", "grid", 1, "exact"), level("turn", "serial", 1, "exact"), level("d1", "lane", 8, "exact", 0)]
    kinds = [schedule("turns", levels, mma=False), schedule("turns", levels), schedule("turns", levels + [level("d1", "lane", 8, "exact", 1)], mma=False), points()]

    def loop(lines, gives, results, extent="5", carried=("x",), more=""):
        inner = "^bb0(%s):" % ", ".join("%%v%s: %s" % ("" if i == 0 else i, h) for i in range(len(carried)))
        names = ", ".join("%%l%d" % i for i in range(len(results)))
        return '%s = "graph.loop"(%s) ({ %s %s "graph.yield"(%s) : (%s) -> () }) {counter = "turn0", extent = "%s"%s} : %s' % (names, ", ".join("%" + c for c in carried), inner, " ".join(lines), ", ".join("%" + g for g in gives), ", ".join([h] * len(gives)), extent, more, signature([h] * len(carried), list(results)))
    x = {"x": h}
    yield "fits", x, [loop([step], ["n", "n"], [h, s])], [("l0", h), ("l1", s)], kinds
    yield "the state alone", x, [loop([step], ["n", "n"], [h, s])], [("l0", h)], kinds
    yield "the stack alone", x, [loop([step], ["n", "n"], [h, s])], [("l1", s)], kinds
    yield "turned around", x, [loop([step], ["n", "n"], [h, s])], [("l1", s), ("l0", h)], kinds
    yield "given twice", x, [loop([step], ["n"], [h])], [("l0", h), ("l0", h)], kinds
    yield "no turns", x, [loop([step], ["n", "n"], [h, tensor(0, 2, 1, 16)], "0")], [("l0", h), ("l1", tensor(0, 2, 1, 16))], kinds
    yield "the state as it is", x, [loop([step], ["v", "n"], [h, s])], [("l0", h), ("l1", s)], kinds
    yield "two states exchanged", {"x": h, "y": h}, [loop([step], ["v1", "n"], [h, h], carried=("x", "y"))], [("l0", h), ("l1", h)], kinds
    yield "read at the other element", x, [loop([a_map("n", "add 0 1", [("v", h), ("x", h)], h, ["-d0 + 1, d1, d2", "d0, d1, d2"])], ["n", "n"], [h, s])], [("l1", s)], kinds
    yield "a sum over the first dim", x, [loop([a_sum("m", ("v", h), tensor(1, 1, 16), "d3, d1, d2", [2]), a_map("n", "add 0 1", [("v", h), ("m", tensor(1, 1, 16))], h, ["d0, d1, d2", "0, d1, d2"])], ["n", "n"], [h, s])], [("l1", s)], kinds
    yield "a map behind it", x, [loop([step], ["n", "n"], [h, s]), a_map("z", "neg 0", [("l0", h)], h, ["d0, d1, d2"])], [("z", h)], kinds
    yield "two loops", x, [loop([step], ["n"], [h]), loop([step], ["n"], [h]).replace("%l0", "%m0").replace("%n", "%n2").replace("%v", "%w2").replace("turn0", "turn1")], [("l0", h), ("m0", h)], kinds
    yield "85 ops", x, [loop([step] + [a_map("n%d" % i, "add 0 1", [("n" if i == 0 else "n%d" % (i - 1), h), ("x", h)], h, ["d0, d1, d2"] * 2) for i in range(84)], ["n83", "n83"], [h, s])], [("l1", s)], kinds


def others():
    """Ops alone that lie in an odd order, and programs that are not theirs."""
    kinds = [points(), points("d1"), schedule("points", [], mma=False), schedule("points", ['{axis = "copies", kind = "grid", step = 100, tail = "guard"}'], mma=False), tiled(epilogue=False)]
    turned = tensor(37, 64)[:-1] + ", {map = affine_map<(d0, d1) -> (d1, d0)>}>"
    padded = tensor(37, 64)[:-1] + ", {map = affine_map<(d0, d1) -> (d0 floordiv 16, d1, d0 mod 16)>}>"
    for name, t in (("turned", turned), ("in panels", padded)):
        yield "a map " + name, {"x": t}, [a_map("t", "neg 0", [("x", t)], t, [ID])], [("t", t)], kinds
        yield "a sum of " + name, {"x": t}, [a_sum("t", ("x", t), tensor(37), ID, [64])], [("t", tensor(37))], kinds
        yield "an encode to " + name, {"x": X}, ['%%t = "graph.encode"(%%x) : (%s) -> %s' % (X, t)], [("t", t)], kinds
    for form in ("d0 + d1, d1", "d0 * 2, d1", "d0", "d0, d0", "d1 mod 4, d0", "5, d0, d1", "d0 floordiv 3, d1 floordiv 2"):
        odd = tensor(37, 64)[:-1] + ", {map = affine_map<(d0, d1) -> (%s)>}>" % form
        yield "too much: an encode to (%s)" % form, {"x": X}, ['%%t = "graph.encode"(%%x) : (%s) -> %s' % (X, odd), a_map("u", "neg 0", [("t", odd)], X, [ID])], [("u", X)], kinds
    yield "numbers", {"x": X}, ['%%c = "graph.index"() {values = ["3", "4"]} : () -> %s' % tensor(2, elem="i64")], [("c", tensor(2, elem="i64"))], [schedule("points", [], mma=False), *kinds]
    yield "a concat", {"x": X}, ['%%c = "graph.concat"(%%x, %%x) {axis = 1} : (%s, %s) -> %s' % (X, X, tensor(37, 128))], [("c", tensor(37, 128))], kinds
    yield "a sum of nothing", {"x": tensor(37, 0)}, [a_sum("t", ("x", tensor(37, 0)), tensor(37), ID, [0])], [("t", tensor(37))], kinds
    yield "a map of nothing", {"x": tensor(0, 64)}, [a_map("t", "neg 0", [("x", tensor(0, 64))], tensor(0, 64), [ID])], [("t", tensor(0, 64))], kinds
    yield "a map of one number", {"x": tensor()}, [a_map("t", "neg 0", [("x", tensor())], tensor(), [""])], [("t", tensor())], kinds
    one = tensor(64)
    yield "a convolution of lists", {"x": one, "w": one}, [a_product("p", ("x", one), ("w", one), tensor(1, 1), ("d2", "d2"), (64,), "conv")], [("p", tensor(1, 1))], kinds
    yield "a convolution over nothing", {"x": X, "w": X}, [a_product("p", ("x", X), ("w", X), X, (ID, ID), (), "conv")], [("p", X)], kinds
    yield "a padded product", {"x": X, "w": W}, [a_product("p", ("x", X), ("w", W), Y, ("d0 + 1, d2", "d2, d1"), more=", pads = [0.5 : f64, unit]")], [("p", Y)], kinds
    yield "a padded convolution", {"x": X, "w": W}, [a_product("p", ("x", X), ("w", W), Y, ("d0 + 1, d2", "d2, d1"), kind="conv", more=', padding = ["1"]')], [("p", Y)], kinds


def kernels():
    for make in (epilogues, products, several, pairs, windows, winograds, loops, others):
        for name, *rest in make():
            yield "%s: %s" % (make.__name__, name), *rest


# ---- running ----

def module(after, args, lines, results):
    text = 'module attributes {ds.after = "%s"} {\nfunc.func @main(%s) -> (%s) {\n' % (after, ", ".join("%%%s: %s" % a for a in args.items()), ", ".join(t for _, t in results))
    return text + "\n".join(lines) + "\nfunc.return %s : %s\n}\n}\n" % (", ".join("%" + n for n, _ in results), ", ".join(t for _, t in results))


def plain(t):
    """What a caller sees: without an encoding."""
    return re.sub(r", \{.*\}>$", ">", t)


def bordered(args, lines, results):
    """Arguments and results of the model are dense; inside they lie as the kernel has them."""
    own = {n: plain(t) for n, t in args.items()}
    before = ['%%in_%s = "graph.encode"(%%%s) : (%s) -> %s' % (n, n, own[n], t) for n, t in args.items() if own[n] != t]
    names = {n: ("in_" + n if own[n] != t else n) for n, t in args.items()}
    after, out = [], []
    for i, (n, t) in enumerate(results):
        if plain(t) != t:
            after.append('%%out_%d = "graph.encode"(%%%s) : (%s) -> %s' % (i, n, t, plain(t)))
        out.append(("out_%d" % i if plain(t) != t else n, plain(t)))
    return own, names, before, after, out


def flat(args, body, yields):
    own, names, before, after, out = bordered(args, body, yields)
    rename = lambda line: re.sub(r"%(\w+)\b", lambda m: "%" + names.get(m.group(1), m.group(1)), line)
    fixed = [(names.get(n, n), t) for n, t in yields]
    after, out = bordered(args, body, fixed)[3:]
    return module("hoist", own, before + [rename(l) for l in body] + after, out)


def kernel(after, args, body, yields, schedule_text=None):
    own, names, before, _, _ = bordered(args, body, yields)
    inner = "^bb0(%s):" % ", ".join("%%%s: %s" % ("a_" + n, t) for n, t in args.items())
    rename = lambda line: re.sub(r"%(\w+)\b", lambda m: "%" + ("a_" + m.group(1) if m.group(1) in args else m.group(1)), line)
    lines = [rename(l) for l in body] + [rename('"graph.yield"(%s) : (%s) -> ()' % (", ".join("%" + n for n, _ in yields), ", ".join(t for _, t in yields)))]
    results = [("k%d" % i, t) for i, (_, t) in enumerate(yields)]
    attributes = " {schedule = %s}" % schedule_text if schedule_text else ""
    op = '%s = "graph.kernel"(%s) ({\n%s\n%s\n})%s : %s' % (", ".join("%" + n for n, _ in results), ", ".join("%" + names[n] for n in args), inner, "\n".join(lines), attributes, signature(list(args.values()), [t for _, t in yields]))
    after_ops, out = bordered(args, body, results)[3:]
    encodes = lambda ops: ops
    text = module(after, own, encodes(before) + [op] + encodes(after_ops), out)
    return text


NUMPY = {"f32": np.float32, "f64": np.float64, "i32": np.int32, "i64": np.int64, "f16": np.float16, "i8": np.int8, "i1": np.bool_}


def write_inputs(folder, args):
    rng = np.random.default_rng(3)
    for i, t in enumerate(args.values()):
        if elem(t) not in NUMPY:
            return False
        dims = [int(d) for d in re.findall(r"(\d+)x", t.split(",")[0])]
        np.save(folder / ("input_%d.npy" % i), (rng.standard_normal(dims) * 3).astype(NUMPY[elem(t)]))
    return True


def run_one(dsc, folder, case, check_only=False, number=None):
    """(what, what is wrong or None, words for --verbose) of every way to compute it."""
    name, args, body, yields, schedules = case
    folder.mkdir(parents=True)
    runs = write_inputs(folder, args) and not check_only
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0", UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1")

    def call(stem, text):
        path = folder / (stem + ".mlir")
        path.write_text(text)
        where = ["--inputs", folder, "--outputs", folder / stem, "--threads=2", "--poison"] if runs else ["-o", folder / (stem + ".o")]
        try:
            return subprocess.run([str(a) for a in (dsc, "run" if runs else "compile", path, *where, "--cpu=x86-64-v3", "--verify-each")], capture_output=True, text=True, timeout=120, env=env)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess([], 99, "", "takes more than two minutes")

    def outputs(stem):
        return [np.load(folder / stem / ("output_%d.npy" % i)) for i in range(len(yields))] if runs else []

    right = call("right", flat(args, body, yields))
    known = right.returncode == 0
    want, found = outputs("right") if known else None, []
    found.append((name, None if known or "too much" in name and right.returncode == 1 else "exit %d: %s" % (right.returncode, right.stderr), "known" if known else "refused: " + right.stderr))
    obeyed = False
    ways = [("without a schedule", "group", None)] + [("by schedule %d" % i, "schedule", s) for i, s in enumerate(schedules)]
    for k, (what, after, s) in enumerate(ways):
        if number is not None and k > 2 and k != 3 + number % max(1, len(ways) - 3) and "fits" not in name:
            continue
        got = call("way%d" % k, kernel_text(after, args, body, yields, s))
        if got.returncode:
            good = got.returncode == 1 and got.stderr.count("error:") == 1 and (not known or "[DS0121]" in got.stderr)
            reason = None if good else "exit %d: %s" % (got.returncode, got.stderr[-800:])
        else:
            reason = forms.agrees(folder / ("way%d" % k), want) if runs and known else None
        obeyed = obeyed or (s and not got.returncode)
        found.append(("%s, %s" % (name, what), reason, got.stderr or "obeyed"))
    found.append((name + " is obeyed", "no" if "fits" in name and not obeyed else None, ""))
    return found


def kernel_text(after, args, body, yields, s):
    """Encodes around the kernel are kernels of their own, which have schedules: where they are needed, the kernel stands behind `group` only."""
    needs = any(plain(t) != t for t in [*args.values(), *(t for _, t in yields)])
    text = kernel("group" if needs else after, args, body, yields, s)
    if not needs:
        return text
    def wrap(match):
        out, operand, source, result = match.groups()
        return '%%%s = "graph.kernel"(%%%s) ({ ^bb0(%%e: %s): %%f = "graph.encode"(%%e) : (%s) -> %s "graph.yield"(%%f) : (%s) -> () }) : (%s) -> %s' % (out, operand, source, source, result, result, source, result)
    return re.sub(r'^%(\w+) = "graph\.encode"\(%(\w+)\) : \((.*?)\) -> (tensor<.*>)$', wrap, text, flags=re.M)


def run(dsc, work, check_only=False, some=False):
    """(name, what is wrong or None, words) of every way; `some`: two schedules of each kernel's, and another one in turns."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for results in pool.map(lambda n: run_one(dsc, work / ("h%d" % n[0]), n[1], check_only, n[0] if some else None), enumerate(kernels())):
            yield from results


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dsc", type=Path, required=True)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="dsc-kernels.") as work:
        for name, reason, words in run(args.dsc.resolve(), Path(work), args.check):
            wrong += bool(reason)
            if reason or args.verbose:
                print("%s %s: %s" % ("FAIL" if reason else "  ok", name, (reason or words).strip()), flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
