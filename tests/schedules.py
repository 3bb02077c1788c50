"""Schedules edited by hand: every kernel's default schedule, changed in named ways and at random, is obeyed with right results or refused.

    schedules.py --dsc DSC [--count N] [--seed S] [--only GRAPH] [--check]

An edit is refused with exit 1, code DS0121 and a sentence that names the node, or the model gives what it gave before: the same bits where
tiles, pieces and orders change, close where sums are formed in another order; the same bits at 1 and 2 threads, and whatever memory held.
--check: only whether text is accepted and lowered, without code (for builds with sanitizers).
"""
import argparse
import copy
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from onnx import helper

import forms
import tables

KINDS = ["grid", "block", "warp", "lane", "serial", "unroll", "tile"]
TAILS = ["exact", "mask", "overlap", "repeat", "guard"]
SPACES = ["registers", "scratch", "shared", "result"]
AXES = ["m", "n", "k", "d0", "d1", "d2", "d3", "d9", "k0", "k1", "grid", "turn", "copies", "d", "d01", "d99999999999999999999", "x"]
STEPS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 14, 16, 24, 32, 48, 64, 96, 128, 240, 1000, 65536, 1 << 20, 1 << 30]
PROGRAMS = tables.programs()


# ---- schedules as text ----

def spans(text):
    """Where the dictionaries of the attribute `schedule` stand."""
    found = []
    for match in re.finditer(r"\{schedule = (?=\{)|, schedule = (?=\{)", text):
        depth, at = 0, match.end()
        while True:
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            at += 1
            if not depth:
                break
        found.append((match.end(), at))
    return found


def read(text):
    return json.loads(re.sub(r"(\w+) = ", r'"\1": ', text))


def write(value):
    if isinstance(value, dict):
        return "{%s}" % ", ".join("%s = %s" % (k, write(v)) for k, v in value.items())
    if isinstance(value, list):
        return "[%s]" % ", ".join(write(v) for v in value)
    return json.dumps(value)


# ---- graphs that reach every program ----

def unary(kind, *shape, **attributes):
    x = forms.f32(*shape)
    want = {"Tanh": np.tanh, "Softmax": lambda v: np.exp(v) / np.exp(v).sum(-1, keepdims=True)}[kind](x.astype(np.float64))
    return kind, [helper.make_node(kind, ["x0"], ["y"], **attributes)], [x], [want.astype(np.float32)], []


def reduced(axis, *shape):
    x = forms.f32(*shape)
    nodes = [helper.make_node("ReduceSum", ["x0", "axes"], ["y"], keepdims=0)]
    return "sum", [*forms.constants(axes=np.array([axis])), *nodes], [x], [x.astype(np.float64).sum(axis).astype(np.float32)], []


def product(batch, rows, columns, k, given):
    """x w + b, ReLU; `given`: w is an input, which lies as it is."""
    x, w, b = forms.f32(*batch, rows, k), forms.f32(*batch, k, columns) if given else forms.f32(k, columns), forms.f32(columns)
    want = np.maximum(x.astype(np.float64) @ w + b, 0).astype(np.float32)
    nodes = [helper.make_node("MatMul", ["x0", "x1" if given else "w"], ["p"]), helper.make_node("Add", ["p", "b"], ["s"]), helper.make_node("Relu", ["s"], ["y"])]
    return "product", [*forms.constants(b=b, **({} if given else {"w": w})), *nodes], [x, w] if given else [x], [want], []


def concat(*columns):
    inputs = [forms.f32(25, 9, n) for n in columns]
    node = helper.make_node("Concat", ["x%d" % i for i in range(len(inputs))], ["y"], axis=2)
    return "concat", [node], inputs, [np.concatenate(inputs, 2)], []


def shape_of():
    x = forms.f32(3, 5)
    return forms.symbolic("shape", [helper.make_node("Shape", ["x0"], ["y"])], [x], [np.array([3, 5])])


def symbolic(form):
    return forms.symbolic(*form[:4])


def filtered(channels, height, width):
    """A depthwise convolution behind another one, whose channels alone are known."""
    x, w1, w2 = forms.f32(2, 5, height, width), forms.f32(channels, 5), forms.f32(channels, 3, 3)
    want = forms.filtered(np.einsum("nchw,oc->nohw", x.astype(np.float64), w1), w2, 1, 1, 1).astype(np.float32)
    nodes = [helper.make_node("Conv", ["x0", "w1"], ["a"]), helper.make_node("Conv", ["a", "w2"], ["y"], group=channels, pads=[1] * 4)]
    return "filtered", [*forms.constants(w1=w1[:, :, None, None], w2=w2[:, None]), *nodes], [x], [want], []


def graphs():
    """name -> (form, programs whose kernels are edited)"""
    points, tile, window = ["points"], ["tile"], ["window"]
    return {
        "map": (unary("Tanh", 1, 9, 133), points),
        "reduction of rows": (reduced(1, 9, 1031), points),
        "reduction of columns": (reduced(0, 70, 53), points),
        "turned": (forms.turned(1, 37, 70), points),
        "concat": (concat(3, 200, 90), points),
        "index": (shape_of(), points),
        "product": (product([], 37, 50, 64, False), tile),
        "product of one row": (product([], 1, 100, 40, False), tile),
        "product, symbolic rows": (symbolic(product([], 21, 48, 33, False)), tile),
        "product, all symbolic": (symbolic(product([], 13, 35, 20, True)), tile),
        "batch of products": (product([3], 10, 33, 17, True), tile),
        "many columns": (product([], 70, 640, 260, False), tile),
        "groups": (forms.grouped(3, 5, 24, [9, 12], 3, 2), tile),
        "depthwise": (forms.depthwise(1, 20, 11, 13, 3, 1, 1, 1), window),
        "depthwise, stride 2": (forms.depthwise(2, 16, 12, 17, 3, 2, 1, 1), window),
        "depthwise, channels": (forms.depthwise(1, 272, 3, 9, 3, 1, 1, 1), window),
        "depthwise, symbolic": (symbolic(filtered(18, 8, 9)), window),
        "pool": (forms.pool("max", 1, 20, [11, 13], [3, 3], 1, [(1, 1), (1, 1)]), window),
        "pool, 1 dim": (forms.pool("mean", 1, 33, [23], [3], 2, [(1, 0)]), window),
        "pool, 3 dims": (forms.pool("max", 1, 16, [5, 7, 6], [3, 2, 3], 1, [(1, 1), (0, 0), (1, 0)]), window),
        "winograd": (forms.conv(1, 32, 48, 30, 26, [1] * 4), ["winograd"]),
        "winograd and pool": (forms.conv(1, 64, 32, 22, 22, [1] * 4, "MaxPool"), ["winograd"]),
        "softmax": (unary("Softmax", 37, 64, axis=-1), ["rows"]),
        "long rows": (forms.long_rows(5, 1031), ["rows"]),
        "attention": (forms.attention(1, 2, 61, 53, 16), ["blocks"]),
        "layers": (forms.layers(2, 360, 24, 400), ["blocks"]),
        "strips": (forms.bottleneck(1, 12, 40, 71, 60, 3, 1, ["first", "last"]), ["strips"]),
        "strips, stride 2": (forms.bottleneck(1, 8, 64, 98, 51, 3, 2, ["first"]), ["strips"]),
        "strips of a pool": (forms.pool("max", 2, 64, [70, 61], [3, 3], 2, [(1, 1), (1, 1)], parts=["last"]), ["strips"]),
        "GRU": (forms.recurrent("GRU", [7, 7], 0), ["turns"]),
        "LSTM": (forms.recurrent("LSTM", [7, 3], 0), ["turns"]),
    }


# ---- named edits: (what, the schedule, "refused", "same" bits, or "close"; "?" behind these: or refused) ----

def changed(schedule, *path_and_value):
    *path, value = path_and_value
    new = copy.deepcopy(schedule)
    at = new
    for key in path[:-1]:
        at = at[key]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return new


def with_levels(schedule, levels):
    return {**copy.deepcopy(schedule), "levels": copy.deepcopy(levels)}


def form_edits(s):
    """What is no schedule at all, or names what there is not."""
    yield "no program", changed(s, "program", None), "refused"
    yield "a program of no name", changed(s, "program", "tiles"), "refused"
    yield "a program that is a number", changed(s, "program", 7), "refused"
    yield from (("program %s" % p, changed(s, "program", p), "refused") for p in PROGRAMS if p != s["program"])
    yield "levels that are a number", {**s, "levels": 3}, "refused"
    yield "a level that is text", with_levels(s, ["m tile 4"]), "refused"
    yield "no levels", changed(s, "levels", None), "refused" if s["levels"] else "same"
    yield "a place that is text", {**s, "place": ["registers"]}, "refused"
    yield "another key", {**s, "stages": 2}, "refused"
    yield "257 levels", with_levels(s, [{"axis": "m", "kind": "grid", "step": 1, "tail": "guard"}] * 257), "refused"
    yield "mma of no name", {**s, "mma": "fma_f33"}, "refused"
    if "mma" in s:
        yield "no mma", changed(s, "mma", None), "refused"
    else:
        yield "an mma", {**s, "mma": "fma_f32"}, "refused"
    yield "an extra place", {**s, "place": s.get("place", []) + [{"op": 0, "level": 0, "space": "scratch"}]}, "refused"
    yield "a place of another op", {**s, "place": s.get("place", []) + [{"op": 200, "level": 0, "space": "registers"}]}, "refused"


def level_edits(s):
    levels = s["levels"]
    for i, level in enumerate(levels):
        name = "level %d " % i
        grid, lane = level["kind"] == "grid", level["kind"] == "lane"
        far = "close?" if lane or level["kind"] == "unroll" else "same?"
        for step, want in ((0, "refused"), (-1, "refused"), ((1 << 30) + 1, "refused"), ("8", "refused"), (1 << 30, "same?"), (level["step"] * 2, far), (level["step"] * 3, far), (level["step"] // 2, far), (level["step"] + 1, far)):
            yield name + "step %s" % step, changed(s, "levels", i, "step", step), want
        yield from ((name + "tail " + t, changed(s, "levels", i, "tail", t), "same?") for t in TAILS if t != level["tail"])
        yield from ((name + "kind " + k, changed(s, "levels", i, "kind", k), "close?") for k in KINDS if k != level["kind"])
        yield from ((name + "axis " + a, changed(s, "levels", i, "axis", a), "close?") for a in AXES if a != level["axis"])
        yield from ((name + "without " + key, changed(s, "levels", i, key, None), "refused") for key in level)
        yield from ((name + "op %d" % op, changed(s, "levels", i, "op", op), "refused") for op in (-1, level.get("op", -1) + 1, 99, 257))
        yield name + "kind vector", changed(s, "levels", i, "kind", "vector"), "refused"
        yield name + "tail loop", changed(s, "levels", i, "tail", "loop"), "refused"
        yield name + "another key", changed(s, "levels", i, "by", 3), "refused"
        yield name + "removed", with_levels(s, levels[:i] + levels[i + 1:]), "close?"
        yield name + "twice", with_levels(s, levels[:i + 1] + levels[i:]), "refused" if not grid else "same?"
        yield name + "last", with_levels(s, levels[:i] + levels[i + 1:] + [level]), "same" if i + 1 == len(levels) else "refused"
        if i:
            yield name + "first", with_levels(s, [level] + levels[:i] + levels[i + 1:]), "same?" if grid else "refused"
        yield name + "one more", with_levels(s, levels[:i] + [{"axis": "k", "kind": "serial", "step": 2, "tail": "guard"}] + levels[i:]), "refused"
    yield "levels turned around", with_levels(s, levels[::-1]), "refused" if len(levels) > 1 else "same"
    yield "unrolled by one more level", with_levels(s, levels + [{"axis": "k", "kind": "unroll", "step": 2, "tail": "guard"}]), "same?"


def place_edits(s):
    for i, place in enumerate(s.get("place", [])):
        name = "place %d " % i
        yield name + "removed", changed(s, "place", i, None), "refused"
        yield from ((name + "space " + space, changed(s, "place", i, "space", space), "same?") for space in SPACES if space != place["space"])
        yield from ((name + "level %d" % k, changed(s, "place", i, "level", k), "refused") for k in (-1, place["level"] + 1, 200, 257))
        yield from ((name + "op %d" % k, changed(s, "place", i, "op", k), "refused") for k in (-1, place["op"] + 1, 99, 257))
        yield from ((name + "keep %d" % k, changed(s, "place", i, "keep", k), "refused") for k in (-1, 1, 3, 1 << 30) if k != place.get("keep", 0))
        yield name + "twice", {**s, "place": s["place"][:i + 1] + s["place"][i:]}, "refused"
        yield name + "without space", changed(s, "place", i, "space", None), "refused"


def prefetch_edits(s):
    product = s["program"] == "tile"
    for lines in (1, 2, 3, 8):
        for ahead in (0, 64, 4096, 1 << 20, 1 << 30):
            yield "fetches %d lines, %d bytes behind" % (lines, ahead), {**s, "prefetch": {"lines": lines, "next": ahead} if ahead else {"lines": lines}}, "same?" if product else "refused"
    yield from (("fetches %s" % wrong, {**s, "prefetch": wrong}, "refused") for wrong in ({"lines": 0}, {"lines": 9}, {"lines": 257}, {"next": 64}, {"lines": 1, "next": -1}, {"lines": 1, "own": 2}, 3, []))
    if "prefetch" in s:
        yield "fetches nothing", changed(s, "prefetch", None), "same"


def of(s, kind, axis, op=None):
    return next((i for i, l in enumerate(s["levels"]) if l["kind"] == kind and l["axis"] == axis and l.get("op") == op), None)


def tile_edits(s):
    """Other tiles, with pieces that they divide, and every tail: for each op that has some."""
    for op in sorted({l.get("op") for l in s["levels"] if l["axis"] == "n" and l["kind"] == "tile"}, key=str):
        m, n = of(s, "tile", "m", op), of(s, "tile", "n", op)
        for rows in (1, 2, 3, 4, 5, 6, 7, 8, 12, 14, 15):
            for columns in (16, 32, 48, 64, 128, 144, 24):
                new = copy.deepcopy(s)
                new["levels"][m]["step"], new["levels"][n]["step"] = rows, columns
                for level in new["levels"]:
                    if level["kind"] == "grid" and op is None:
                        level["step"] = {"m": rows * 2, "n": columns}.get(level["axis"], level["step"])
                for tails in [("exact", "exact"), ("exact", "mask"), ("guard", "mask"), ("repeat", "mask"), ("guard", "guard"), ("repeat", "exact")]:
                    new["levels"][m]["tail"], new["levels"][n]["tail"] = tails
                    for tail in ("exact", "guard") if op is None else ("",):
                        for level in new["levels"]:
                            if tail and level["kind"] == "grid" and level["axis"] == "n":
                                level["tail"] = tail
                        yield "op %s tile %dx%d %s %s %s" % (op, rows, columns, *tails, tail), copy.deepcopy(new), "same?"


def grid_edits(s):
    """Orders of the grid of a product, and what one thread does in a row."""
    if s["program"] != "tile":
        return
    levels = s["levels"]
    m, n = levels[of(s, "grid", "m")], levels[of(s, "grid", "n")]
    rest = [l for l in levels if l["kind"] != "grid" and l["axis"] != "grid"]
    inner = {**m, "step": levels[of(s, "tile", "m")]["step"]}
    wide = {**n, "step": levels[of(s, "tile", "n")]["step"], "tail": "guard"}
    chunk = lambda step: {"axis": "grid", "kind": "serial", "step": step, "tail": "guard"}
    bare = {k: v for k, v in s.items() if k != "prefetch"}
    for name, grid in (("m n", [inner, n]), ("n m", [n, inner]), ("narrow", [wide, inner]), ("m n m", [{**inner, "step": inner["step"] * 2}, n, inner]), ("m n m, 3", [{**inner, "step": inner["step"] * 3}, wide, inner]),
                       ("m m n", [inner, inner, n]), ("n n", [n, n]), ("m", [m]), ("n m n", [n, inner, n]), ("m n m n", [m, n, inner, n]), ("chunks of 3", [inner, n, chunk(3)]), ("chunks of 1000", [n, inner, chunk(1000)]),
                       ("huge chunks", [inner, n, chunk(1 << 30)]), ("chunks of 1", [inner, n, chunk(1)]), ("grid of k", [{**m, "axis": "k"}, n])):
        place = [{**p, "level": len(grid) + len(rest) - 1} for p in s.get("place", [])]
        yield "grid " + name, {**bare, "levels": grid + rest, **({"place": place} if place else {})}, "same?"


def points_edits(s):
    """Lanes, sums side by side and a dim across, added where they are not."""
    if s["program"] not in ("points", "rows", "blocks", "turns"):
        return
    levels = s["levels"]
    for op in sorted({l.get("op") for l in levels}, key=str):
        where = {} if op is None else {"op": op}
        lane = next((i for i, l in enumerate(levels) if l["kind"] == "lane" and l.get("op") == op), None)
        for axis in ("d0", "d1", "d2", "k0", "k1"):
            yield "op %s across %s" % (op, axis), with_levels(s, levels + [{**where, "axis": axis, "kind": "serial", "step": 1, "tail": "exact"}]), "close?"
            for step in (4, 8, 16):
                for tail in ("mask", "exact"):
                    level = {**where, "axis": axis, "kind": "lane", "step": step, "tail": tail}
                    at = len(levels) if lane is None else lane
                    yield "op %s lanes %s %d %s" % (op, axis, step, tail), with_levels(s, levels[:at] + [level] + levels[at + 1:]), "close?"
            for chains in (2, 3, 4, 8):
                chain = {**where, "axis": axis, "kind": "unroll", "step": chains, "tail": "guard"}
                if lane is not None:
                    kept = [l for l in levels if not (l["kind"] == "unroll" and l.get("op") == op)]
                    yield "op %s sums %s %d" % (op, axis, chains), with_levels(s, kept[:lane + 1] + [chain] + kept[lane + 1:]), "close?"
        for i, level in enumerate(levels):
            if level["kind"] == "grid":
                for axis in ("d0", "d1", "d2"):
                    for step in (1, 3, 8, 16, 48):
                        new = changed(s, "levels", i, "step", step)
                        yield "pieces of %d %s" % (step, axis), changed(new, "levels", i, "axis", axis), "same?"


def window_edits(s):
    """Other tiles of results, of one row and two, the window written out or not, pieces of rows and of channels."""
    ops = sorted({l.get("op") for l in s["levels"] if l["kind"] == "tile" and l["axis"] != "m" and l["axis"] != "n"}, key=str)
    for op in ops:
        own = [l for l in s["levels"] if l.get("op") == op and l["kind"] in ("lane", "tile", "unroll")]
        first = s["levels"].index(own[0])
        lane, along = own[0], max((l for l in own if l["kind"] == "tile"), key=lambda l: l["axis"])
        unroll = [l for l in own if l["kind"] == "unroll"]
        rows = {**along, "axis": "d%d" % (int(along["axis"][1]) - 1), "step": 2, "tail": "guard"}
        for count in (1, 2, 3, 4, 5, 7, 10, 11, 12, 13):
            for tall in ([], [rows], [{**rows, "step": 3}], [{**rows, "tail": "exact"}]):
                for k in (unroll, []):
                    new = with_levels(s, s["levels"][:first] + [lane, *tall, {**along, "step": count}, *k] + s["levels"][first + len(own):])
                    for level in new["levels"]:
                        if tall and level["kind"] == "grid" and op is None:
                            level["step"] += level["step"] % 2
                    if op is None and new.get("place"):
                        new["place"][0]["level"] = len(new["levels"]) - 1
                    yield "op %s window %d %s %s" % (op, count, [(l["step"], l["tail"]) for l in tall], bool(k)), new, "same?"
    if s["program"] == "window":
        rest = [l for l in s["levels"] if l["kind"] not in ("grid", "serial")]
        for axis, steps in (("d1", (8, 16, 12, 64, 1 << 20)), ("d2", (1, 2, 3, 100)), ("d3", (1, 4))):
            for step in steps:
                for serial in ([], [{"axis": "grid", "kind": "serial", "step": 2, "tail": "guard"}]):
                    levels = [{"axis": axis, "kind": "grid", "step": step, "tail": "guard"}, *serial, *rest]
                    new = with_levels(s, levels)
                    if new.get("place"):
                        new["place"][0]["level"] = len(levels) - 1
                    yield "window in pieces of %d %s %d" % (step, axis, len(serial)), new, "same?"


def block_edits(s):
    """Rows, strips, bands and tiles of Winograd's algorithm at work at a time, with tiles that divide them."""
    if s["program"] in ("blocks", "strips", "winograd"):
        own = [i for i, l in enumerate(s["levels"]) if "op" not in l and l["kind"] in ("grid", "serial")]
        tiles = [i for i, l in enumerate(s["levels"]) if l["axis"] == "m" and l["kind"] == "tile"]
        for block in (1, 2, 3, 4, 5, 7, 8, 12, 24, 36, 48, 72, 96, 360, 1 << 12, 1 << 13, 1 << 16, (1 << 16) + 24, 1 << 29):
            for factor in (1, 2, 3, 10):
                for rows in (1, 2, 3, 4, 6):
                    for tail in ("exact", "guard", "repeat"):
                        new = copy.deepcopy(s)
                        new["levels"][own[-1]]["step"] = block
                        new["levels"][own[0]]["step"] = block * (factor if len(own) > 1 else 1)
                        for i in tiles:
                            new["levels"][i]["step"], new["levels"][i]["tail"] = rows, tail
                        if factor == 1 or len(own) > 1:
                            yield "%d x %d at a time, %d rows %s" % (factor, block, rows, tail), new, "same?"


EDITS = form_edits, level_edits, place_edits, prefetch_edits, grid_edits, points_edits, tile_edits, window_edits, block_edits


def named(schedule):
    return [edit for make in EDITS for edit in make(schedule)]


# ---- edits at random ----

def mutate(rng, schedule):
    new = copy.deepcopy(schedule)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5))):
        mutate_once(rng, new)
    return new


def mutate_once(rng, s):
    levels, places = s.setdefault("levels", []), s.setdefault("place", [])
    entries = [e for e in levels + places if isinstance(e, dict)]
    any_level = lambda: {**({"op": rng.randrange(-1, 9)} if rng.random() < 0.4 else {}), "axis": rng.choice(AXES), "kind": rng.choice(KINDS), "step": rng.choice(STEPS), "tail": rng.choice(TAILS)}
    values = {"op": lambda: rng.randrange(-1, 10), "axis": lambda: rng.choice(AXES), "kind": lambda: rng.choice(KINDS), "step": lambda: rng.choice(STEPS), "tail": lambda: rng.choice(TAILS), "level": lambda: rng.randrange(-1, 12),
              "space": lambda: rng.choice(SPACES), "keep": lambda: rng.choice((0, 1, 2, 3, 1000))}
    what = rng.randrange(12)
    if what < 4 and levels: # a step near to what it was
        level = rng.choice(levels)
        level["step"] = max(0, rng.choice((level.get("step", 1) * 2, level.get("step", 1) // 2, level.get("step", 1) + rng.choice((-8, -1, 1, 8, 16)), rng.choice(STEPS))))
    elif what < 7 and entries:
        entry = rng.choice(entries)
        key = rng.choice(sorted(entry) or ["op"])
        entry[key] = values[key]()
    elif what == 7 and levels:
        levels.insert(rng.randrange(len(levels) + 1), rng.choice((any_level(), copy.deepcopy(rng.choice(levels)))))
    elif what == 8 and levels:
        levels.pop(rng.randrange(len(levels)))
    elif what == 9 and len(levels) > 1:
        a, b = rng.sample(range(len(levels)), 2)
        levels[a], levels[b] = levels[b], levels[a]
    elif what == 10:
        s["prefetch"] = {"lines": rng.randrange(0, 10), "next": rng.choice((0, 1, 64, 1000, 1 << 16, 1 << 30))}
    else:
        rng.choice((lambda: s.update(program=rng.choice(PROGRAMS)), lambda: s.pop("mma", None), lambda: s.update(mma="fma_f32"), lambda: places and places.pop(rng.randrange(len(places))),
                    lambda: places.append({"op": values["op"](), "level": values["level"](), "space": values["space"]()}), lambda: s.pop("prefetch", None)))()
    if not places:
        s.pop("place", None)


# ---- running ----

class Editor:
    """A graph at an ISA level: its text after the pass `schedule`, and what its outputs are by the default schedules."""

    def __init__(self, dsc, folder, name, form, programs, cpu, check_only=False):
        self.dsc, self.folder, self.name, self.cpu, self.check_only = dsc, folder, "%s at %s" % (name, cpu), ["--cpu=" + cpu], check_only
        self.outputs = form[3]
        forms.write(folder, *form[1:])
        made = self.call("opt", folder / "form.onnx", "--stop-after=schedule", "-o", folder / "base.mlir")
        self.text = (folder / "base.mlir").read_text() if made.returncode == 0 else ""
        self.kernels = [(span, read(self.text[slice(*span)])) for span in spans(self.text)]
        seen = {}
        for span, schedule in self.kernels:
            seen.setdefault(schedule["program"], (span, schedule))
        self.edited = [seen[p] for p in programs if p in seen]
        self.problem = made.stderr or ("" if len(self.edited) == len(programs) else "no kernel of %s: %s" % (programs, sorted(seen)))
        if not self.problem and not check_only:
            self.problem = self.run("base") or forms.agrees(folder / "base.1", self.outputs) or ""
        if not self.problem:
            self.loops = self.lowered("base")

    def call(self, command, *args):
        env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0", UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1")
        return subprocess.run([str(a) for a in (self.dsc, command, *args, *self.cpu)], capture_output=True, text=True, timeout=120, env=env)

    def same_object(self):
        """Whether the text gives the object that the model gives, and every kernel of the text has a schedule."""
        made = [self.call("compile", self.folder / f, "--prefix=m", "-o", self.folder / (f + ".o")) for f in ("form.onnx", "base.mlir")]
        if any(m.returncode for m in made):
            return "exit: " + made[0].stderr + made[1].stderr
        if self.text.count('"graph.kernel"(') != len(self.kernels):
            return "%d kernels, %d schedules" % (self.text.count('"graph.kernel"('), len(self.kernels))
        same = (self.folder / "form.onnx.o").read_bytes() == (self.folder / "base.mlir.o").read_bytes()
        return None if same else "another object"

    def run(self, stem):
        """What is wrong, or None; outputs lie in folders behind it: the same bits at 1 and 2 threads, and with memory that was filled."""
        results = []
        for threads, more in ((1, []), (2, ["--poison"])):
            out = self.folder / ("%s.%d" % (stem, threads))
            ran = self.call("run", self.folder / (stem + ".mlir"), "--inputs", self.folder, "--outputs", out, "--threads=%d" % threads, *more)
            if ran.returncode:
                return "exit %d: %s" % (ran.returncode, ran.stderr)
            results.append([(out / ("output_%d.npy" % i)).read_bytes() for i in range(len(self.outputs))])
        return None if results[0] == results[1] else "other bits with 2 threads, or other memory"

    def lowered(self, stem):
        """The loops of the kernels, without the schedules that they obey."""
        made = self.call("opt", self.folder / (stem + ".mlir"), "--verify-each", "--reproducer", self.folder / "broken.mlir")
        text = made.stdout
        for start, end in reversed(spans(text)):
            text = text[:start] + text[end:]
        return text if made.returncode == 0 else made

    def try_edit(self, number, kernel, schedule, want):
        """(what is wrong or None, whether it was obeyed, whether its loops are others)"""
        (start, end), stem = kernel[0], "edit%d" % number
        path = self.folder / (stem + ".mlir")
        path.write_text(self.text[:start] + write(schedule) + self.text[end:])
        try:
            loops = self.lowered(stem)
            if not isinstance(loops, str):
                return self.refusal(loops, want), False, False
            if want == "refused":
                return "obeyed", True, False
            reason = None if self.check_only else self.run(stem) or self.compare(stem, want)
            return reason, True, loops != self.loops
        except subprocess.TimeoutExpired:
            return "takes more than two minutes", True, False
        finally:
            path.unlink()

    @staticmethod
    def refusal(made, want):
        good = made.returncode == 1 and made.stderr.count("error:") == 1 and "[DS0121]" in made.stderr and "graph.kernel" in made.stderr
        if good and (want == "refused" or want.endswith("?")):
            return None
        return "refused: " + made.stderr if good else "exit %d: %s" % (made.returncode, made.stderr[-500:])

    def compare(self, stem, want):
        outs = [self.folder / (s + ".1") for s in ("base", stem)]
        files = ["output_%d.npy" % i for i in range(len(self.outputs))]
        if want.startswith("same"):
            return None if all((outs[0] / f).read_bytes() == (outs[1] / f).read_bytes() for f in files) else "other bits"
        return forms.agrees(outs[1], [np.load(outs[0] / f) for f in files])


def editors(dsc, work, cpus, only=None, check_only=False):
    wanted = [(name, form, programs, cpu) for name, (form, programs) in graphs().items() for cpu in cpus if only in (None, name)]
    make = lambda numbered: Editor(dsc, work / ("g%d" % numbered[0]), *numbered[1], check_only)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(make, enumerate(wanted)))


def sample(rng, edits, most):
    """All of those that must be refused or obeyed, and some of the others, whose combinations are many."""
    sure, maybe = [e for e in edits if not e[2].endswith("?")], [e for e in edits if e[2].endswith("?")]
    return rng.sample(sure, min(len(sure), most)) + rng.sample(maybe, min(len(maybe), most))


def run(dsc, work, most=24, count=240, seed=0, only=None, check_only=False, cpus=None):
    """(name, what is wrong or None) of every edit; a line of counts at the end."""
    rng = random.Random(seed)
    all_editors = editors(dsc, work, cpus or ["native", "x86-64"], only, check_only)
    jobs, counts = [], {"obeyed": 0, "refused": 0, "no change": 0}
    for e in all_editors:
        yield e.name, e.problem or None
        if not e.problem and not check_only and all_editors.index(e) % 5 == 0:
            yield e.name + ", as text", e.same_object()
        for kernel in e.edited if not e.problem else []:
            edits = named(kernel[1])
            chosen = edits if most is None else sample(rng, edits, most)
            jobs += [(e, kernel, what, schedule, want) for what, schedule, want in chosen]
    usable = [e for e in all_editors if not e.problem]
    for i in range(count if usable else 0):
        e = usable[i % len(usable)]
        kernel = rng.choice(e.kernels if rng.random() < 0.2 else e.edited)
        jobs.append((e, kernel, "random %d" % i, mutate(rng, kernel[1]), "close?"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda n: jobs[n][0].try_edit(n, *(jobs[n][1], jobs[n][3], jobs[n][4])), range(len(jobs)))
        for (e, kernel, what, schedule, want), (reason, obeyed, changes) in zip(jobs, results):
            counts["obeyed" if obeyed else "refused"] += 1
            about = obeyed and (not schedule.get("levels") or schedule["levels"][0]["axis"] == "copies") # so many copies of a piece, about
            about = about or (obeyed and e.name.startswith("pool, 1 dim") and "unroll" not in write(schedule)) # a row of a window is always written out
            same = obeyed and not changes and schedule != kernel[1] and not what.startswith("random") and not about
            counts["no change"] += same
            yield "%s, %s: %s" % (e.name, kernel[1]["program"], what), reason and "%s\n%s" % (reason, write(schedule))
            if same:
                yield "%s, %s: %s changes the loops" % (e.name, kernel[1]["program"], what), "no: " + write(schedule)
    print("schedules by hand: %(obeyed)d obeyed, %(refused)d refused" % counts, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dsc", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1000, help="edits at random")
    parser.add_argument("--most", type=int, help="named edits of a kind for each kernel (default: all)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only")
    parser.add_argument("--cpu", action="append")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="dsc-schedules.") as work:
        for name, reason in run(args.dsc.resolve(), Path(work), args.most, args.count, args.seed, args.only, args.check, args.cpu):
            if reason:
                wrong += 1
                print("FAIL %s: %s" % (name, reason), flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
