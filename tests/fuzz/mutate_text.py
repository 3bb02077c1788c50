"""Text IR with one to three changes: lines that go, repeat or move, other ops of the dialect, numbers, values, types, attributes and maps."""
import re

NUMBERS = ["0", "1", "-1", "2", "7", "16", "64", "100000", "4294967296", "9223372036854775807", "-9223372036854775808"]
TYPES = "f32 i64 i1 f16 f64 i8 index i32 bf16 ui8".split()
VALUES = ['"x"', "[]", "5", "unit", '["n"]', "-1", '"a floordiv 0"', "@k0", "{a = 1}", "dense<[1.0]> : tensor<1xf32>"]
PARTS = ["d0", "d7", "+", "*", " mod ", " floordiv ", '"n"', '"0"', '"n floordiv 0"']
OP = r'"(graph|loop|plan|onnx)\.\w+"'
ATTRIBUTE = r'(\w+) = ("[^"]*"|\[[^\]]*\]|-?\d+|affine_map<[^>]*>[^>]*>|\w+),? ?'


def replace(rng, pattern, line, make):
    """One match of the pattern, chosen at random, is what make() says."""
    found = list(re.finditer(pattern, line))
    if not found:
        return line
    match = rng.choice(found)
    return line[: match.start()] + make(match) + line[match.end():]


def mutate(rng, text, ops):
    """ops: names of all ops, "graph.map"."""
    lines, names = text.split("\n"), re.findall(r"%\w+", text) or ["%0"]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        i = rng.randrange(len(lines))
        change, line = rng.randrange(8), lines[i]
        if change == 0 and len(lines) > 1:
            del lines[i]
        elif change == 1:
            lines.insert(rng.randrange(len(lines)), line)
        elif change == 2:
            lines[i] = replace(rng, OP, line, lambda m: '"%s"' % rng.choice([o for o in ops if o.startswith(m.group(1) + ".")]))
        elif change == 3:
            lines[i] = replace(rng, r"-?\b\d+\b", line, lambda m: rng.choice(NUMBERS + [str(rng.randrange(100))]))
        elif change == 4:
            lines[i] = replace(rng, r"%\w+", line, lambda m: rng.choice(names))
        elif change == 5:
            lines[i] = replace(rng, r"\b(%s)\b" % "|".join(TYPES), line, lambda m: rng.choice(TYPES))
        elif change == 6:
            lines[i] = replace(rng, ATTRIBUTE, line, lambda m: "" if rng.random() < 0.6 else "%s = %s, " % (m.group(1), rng.choice(VALUES)))
        else:
            lines[i] = replace(rng, r'd\d|[+*]| mod | floordiv |"[^"]*"', line, lambda m: rng.choice(PARTS))
    return "\n".join(lines)


def mutants(rng, texts, count):
    """count texts, each made of one of the given."""
    ops = sorted({m.group(0)[1:-1] for text in texts for m in re.finditer(OP, text)})
    for _ in range(count):
        yield mutate(rng, rng.choice(texts), ops)
