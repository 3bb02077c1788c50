#!/usr/bin/env python3
"""Lets the peers run as on a machine that has only AVX2, where the machine has AVX-512.

    hide_avx512.py OUT        then: peers.py ... --avx2 OUT

ONNX Runtime and OpenVINO choose their kernels by the instruction cpuid, and no option of theirs takes AVX-512 away from all of them. This
copies both packages of the running Python into OUT/site, replaces cpuid by ud2 (both have two bytes) in the copies, and builds OUT/hide.so,
which answers in its place when preloaded: the machine's own answer without AVX-512 and AMX. What they take from libc stays as it is.
For measuring only; the installed packages are not touched.

Needs cc and objdump.
"""
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

CPUID, UD2 = b"\x0f\xa2", b"\x0f\x0b"

ANSWER = r"""
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stdint.h>
#include <ucontext.h>

/* Bits of leaf 7: everything that is called AVX-512 or AMX; of leaf 13: their registers. */
static void answer(int number, siginfo_t *info, void *context) {
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    const unsigned char *at = (const unsigned char *)r[REG_RIP];
    uint32_t leaf = (uint32_t)r[REG_RAX], part = (uint32_t)r[REG_RCX], a, b, c, d;
    (void)info;
    if (at[0] != 0x0f || at[1] != 0x0b) {
        signal(number, SIG_DFL);
        return;
    }
    __cpuid_count(leaf, part, a, b, c, d);
    if (leaf == 7 && part == 0) b &= ~0xdc230000u, c &= ~0x5842u, d &= ~0x03c0010cu;
    if (leaf == 7 && part == 1) a &= ~0x30u;
    if (leaf == 13 && part == 0) a &= ~0x600e0u;
    r[REG_RAX] = a, r[REG_RBX] = b, r[REG_RCX] = c, r[REG_RDX] = d, r[REG_RIP] += 2;
}

__attribute__((constructor)) static void install(void) {
    struct sigaction action = {.sa_sigaction = answer, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGILL, &action, 0);
}
"""


def segments(library):
    """(address, offset, size) of what is loaded."""
    for line in subprocess.run(["readelf", "-lW", library], capture_output=True, text=True, check=True).stdout.splitlines():
        fields = line.split()
        if fields and fields[0] == "LOAD":
            yield int(fields[2], 16), int(fields[1], 16), int(fields[4], 16)


def replace_cpuid(library):
    """How many were replaced. By disassembly: the same two bytes also occur within other instructions."""
    listing = subprocess.Popen(["objdump", "-d", "--no-show-raw-insn", library], stdout=subprocess.PIPE, text=True)
    places = [int(line.split(":")[0], 16) for line in listing.stdout if line.rstrip().endswith("cpuid")]
    if listing.wait():
        sys.exit("%s: objdump failed" % library)
    if not places:
        return 0
    loaded, data = list(segments(library)), bytearray(library.read_bytes())
    for place in places:
        at = next(place - address + offset for address, offset, size in loaded if address <= place < address + size)
        assert data[at:at + 2] == CPUID, "%s: no cpuid at %#x" % (library, place)
        data[at:at + 2] = UD2
    library.write_bytes(data)
    return len(places)


def main():
    out = Path(sys.argv[1])
    (out / "site").mkdir(parents=True, exist_ok=True)
    for package in ("onnxruntime", "openvino"):
        found = importlib.util.find_spec(package)
        if not found:
            print("%s is not installed" % package)
            continue
        copy = out / "site" / package
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(os.path.dirname(found.origin), copy, symlinks=True)
        libraries = [p for p in copy.rglob("*.so*") if p.is_file() and not p.is_symlink()]
        count = sum(map(replace_cpuid, libraries))
        if count == 0:
            sys.exit("%s: no cpuid in %d libraries; it would still see AVX-512" % (package, len(libraries)))
        print("%s: %d in %d libraries" % (package, count, len(libraries)))
    (out / "hide.c").write_text(ANSWER)
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", out / "hide.c", "-o", out / "hide.so"], check=True)


if __name__ == "__main__":
    main()
