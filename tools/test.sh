#!/bin/sh
# All tests: sh tools/test.sh [--full]. Sets up what it needs; the last line counts what passed.
. "$(dirname "$0")/setup.sh"
full=0
[ "${1:-}" = --full ] && full=1
DSC_CMAKE="-DDSC_WERROR=ON -DDSC_TESTS=ON"
build=${DSC_BUILD:-$root/build-test}
build_dsc
need clang-format libclang-rt-19-dev mlir-19-tools qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross
venv
export PATH="/usr/lib/llvm-19/bin:$PATH"
"$python" "$root/tests/run.py" --build "$build" $([ $full = 1 ] && echo --full)
