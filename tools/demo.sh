#!/bin/sh
# Builds dsc, compiles the small model of this repository, links it into a C program and runs that. Then, where PyPI can be reached, a
# pretrained network from a package in the same way.
. "$(dirname "$0")/setup.sh"
build_dsc
dsc="$build/dsc" work="$build/demo"
mkdir -p "$work"

echo "== tests/data/digits.onnx: compile, link, run"
"$dsc" compile "$root/tests/data/digits.onnx" --dim batch=1 --cpu=x86-64-v3 -o "$work/digits.o"
cc -O2 -I"$work" -I"$root/tests/data" -o "$work/digits" "$root/tools/demo/digits.c" "$work/digits.o"
if grep -q avx2 /proc/cpuinfo; then "$work/digits"; else
  "$dsc" compile "$root/tests/data/digits.onnx" --dim batch=1 --cpu=x86-64 -o "$work/digits.o"
  cc -O2 -I"$work" -I"$root/tests/data" -o "$work/digits" "$root/tools/demo/digits.c" "$work/digits.o"
  "$work/digits"
fi

echo "== a pretrained network: PP-OCR text direction classifier (PyPI package rapidocr-onnxruntime, Apache-2.0)"
model="$work/ch_ppocr_mobile_v2.0_cls_infer.onnx"
if [ ! -f "$model" ]; then
  need python3 python3-venv unzip
  python3 -m venv "$work/venv" && "$work/venv/bin/pip" download -q --disable-pip-version-check --no-deps -d "$work" rapidocr-onnxruntime==1.4.4 2>/dev/null &&
    unzip -q -o -j "$work"/rapidocr_onnxruntime-*.whl '*cls_infer.onnx' -d "$work" || echo "PyPI cannot be reached: skipped"
fi
if [ -f "$model" ]; then
  "$dsc" info "$model"
  "$dsc" compile "$model" --dim u0=1 --dim u1=48 --dim u2=192 -o "$work/textdirection.o"
  cc -O2 -I"$work" -o "$work/textdirection" "$root/tools/demo/textdirection.c" "$work/textdirection.o" -lm
  "$work/textdirection"
fi
