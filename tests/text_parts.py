"""Files of tests/text, and what in them is read by itself."""


def parts_of(source):
    """Behind a line `// -----`, what a file tests stands by itself; what is above the first one (RUN, names of types) belongs to all.
    Lines keep their numbers."""
    lines = source.splitlines()
    cuts = [i for i, line in enumerate(lines) if line == "// -----"] + [len(lines)]
    if len(cuts) == 1:
        return [source]
    head = lines[:cuts[0]]
    return ["\n".join(head + [""] * (start - len(head)) + lines[start:end]) + "\n" for start, end in zip(cuts, cuts[1:])]
