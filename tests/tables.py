"""Rows of the compiler's tables that tests go through."""
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def passes():
    """(name, whether it may be left out), in order."""
    text = (ROOT / "passes/passes.def").read_text()
    return [(name, optional == "true") for name, optional in re.findall(r"^PASS\( *(\w+), *(true|false),", text, re.M)]


def without():
    """Values of --without: each pass that may be left out, the register tiles, and all of these together."""
    each = [name for name, optional in passes() if optional] + ["tile"]
    return [*each, ",".join(each)]


def programs():
    """Names of the ways to compute a kernel, in order."""
    return re.findall(r"^PROGRAM\( *(\w+),", (ROOT / "passes/schedule/programs.def").read_text(), re.M)


def elements():
    """Names of element types."""
    return re.findall(r"^DS_ELEM\( *(\w+),", (ROOT / "ir/types.def").read_text(), re.M)


def machines():
    """Names of machines and ISA levels."""
    return re.findall(r'^DS_(?:MACHINE|TARGET|CPU)\( *"([^"]+)"', "".join((ROOT / "ir" / f).read_text() for f in ("machine.def", "targets.def")), re.M)
