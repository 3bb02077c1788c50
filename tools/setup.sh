# Sourced by demo.sh and test.sh: system packages, build. Says what it installs, and looks before it does.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=${DSC_BUILD:-$root/build}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# need PACKAGE...: installs those that are missing
need() {
  missing=""
  for package in "$@"; do dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"; done
  [ -z "$missing" ] && return 0
  echo "installing Debian packages:$missing"
  as_root apt-get update -qq || echo "apt-get update failed; trying with the lists that are here"
  DEBIAN_FRONTEND=noninteractive as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

build_dsc() {
  need cmake ninja-build gcc g++ libc6-dev llvm-19-dev clang-19 lld-19 llvm-19-tools protobuf-c-compiler libprotobuf-c-dev libcjson-dev libstb-dev libcmocka-dev binutils
  [ -f "$build/build.ninja" ] || cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release ${DSC_CMAKE:-} >/dev/null
  ninja -C "$build" >"$build/build.log" || { tail -n 40 "$build/build.log"; exit 1; }
  tail -n 1 "$build/build.log"
}

# A Python environment of the project's own, for tests only
venv() {
  need python3 python3-venv
  python="$root/.venv/bin/python"
  if ! "$python" -c 'import onnx, numpy, onnxruntime' 2>/dev/null; then
    echo "making .venv with onnx, numpy, onnxruntime (PyPI)"
    python3 -m venv "$root/.venv" && "$python" -m pip install -q --disable-pip-version-check -r "$root/tests/requirements.txt"
  fi
}
