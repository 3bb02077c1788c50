// RUN: dsc opt --cpu=x86-64-v3 --stop-after=schedule %s | FileCheck %s --allow-unused-prefixes --check-prefixes=CHECK,AVX2
// RUN: dsc opt --cpu=x86-64-v3 --stop-after=schedule --without=unroll %s | FileCheck %s --allow-unused-prefixes --check-prefixes=CHECK,SERIAL
// RUN: dsc opt --cpu=x86-64-v3 --stop-after=schedule --without=tile %s | FileCheck %s --allow-unused-prefixes --check-prefixes=CHECK,NARROW
// RUN: dsc opt --cpu=x86-64 --stop-after=schedule %s | FileCheck %s --allow-unused-prefixes --check-prefixes=CHECK,SSE
// RUN: dsc opt --cpu=x86-64-v4 --tune-for=zen4 --stop-after=schedule %s | FileCheck %s --allow-unused-prefixes --check-prefixes=CHECK,AVX512,ZEN4
// RUN: dsc opt --cpu=x86-64-v4 --tune-for=sapphire-rapids --stop-after=schedule %s | FileCheck %s --allow-unused-prefixes --check-prefixes=CHECK,AVX512,XEON

// What the command line changes about schedules.
// -----
// A product. Other instructions have other lanes and registers, so other tiles; of two machines with the same instructions one has the
// cache for all rows at once. Without `unroll` no step of k is written out, and nothing is fetched ahead; without `tile` it has one row.
// CHECK-LABEL: func.func @main
// AVX2: kind = "tile", step = 6, tail = "guard"}, {axis = "n", kind = "tile", step = 16, tail = "exact"}, {axis = "k", kind = "unroll"
// AVX2-SAME: prefetch
// SERIAL: kind = "tile", step = 6, tail = "guard"}, {axis = "n", kind = "tile", step = 16, tail = "exact"}], mma
// SERIAL-NOT: prefetch
// SERIAL-NOT: unroll
// NARROW: kind = "tile", step = 1, tail = "exact"}, {axis = "n", kind = "tile", step = 16
// SSE: kind = "tile", step = 2, tail = "exact"}, {axis = "n", kind = "tile", step = 16
// AVX512: schedule = {levels =
// ZEN4-SAME: [{axis = "m", kind = "grid"
// XEON-SAME: [{axis = "n", kind = "grid"
// AVX512-SAME: kind = "tile", step = 8, tail = "exact"}, {axis = "n", kind = "tile", step = 48
func.func @main(%x: tensor<512x768xf32>) -> tensor<512x768xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<768x768xf32>} : () -> none
  %0 = "onnx.MatMul"(%x, %w) : (tensor<512x768xf32>, none) -> none
  func.return %0 : none
}
// -----
// A reduction: as many lanes as the instructions have; without `unroll` it has one sum.
// CHECK-LABEL: func.func @main
// AVX2: {axis = "k0", kind = "lane", step = 8, tail = "exact"}, {axis = "k0", kind = "unroll", step = 4, tail = "guard"}
// SERIAL: {axis = "k0", kind = "lane", step = 8, tail = "exact"}], program
// NARROW: {axis = "k0", kind = "lane", step = 8, tail = "exact"}, {axis = "k0", kind = "unroll", step = 4, tail = "guard"}
// SSE: {axis = "k0", kind = "lane", step = 4, tail = "exact"}
// AVX512: {axis = "k0", kind = "lane", step = 16, tail = "exact"}
func.func @main(%x: tensor<12x2000xf32>) -> tensor<12xf32> {
  %a = "onnx.Constant"() {value = dense<[1]> : tensor<1xi64>} : () -> none
  %0 = "onnx.ReduceSum"(%x, %a) {keepdims = 0} : (tensor<12x2000xf32>, none) -> none
  func.return %0 : none
}
// -----
// A depthwise convolution: without `unroll` its window is a loop, without `tile` there is one result at a time; where there are registers
// for two rows of results, these share what they read.
// CHECK-LABEL: func.func @main
// AVX2: {axis = "d3", kind = "tile", step = 11, tail = "overlap"}, {axis = "k", kind = "unroll", step = 9, tail = "exact"}
// SERIAL: {axis = "d3", kind = "tile", step = 11, tail = "overlap"}], program = "window"
// NARROW: {axis = "d3", kind = "tile", step = 1, tail = "overlap"}
// SSE: {axis = "d3", kind = "tile", step = 11, tail = "overlap"}
// AVX512: {axis = "d2", kind = "tile", step = 2, tail = "guard"}, {axis = "d3", kind = "tile", step = 11, tail = "overlap"}
func.func @main(%x: tensor<1x32x20x22xf32>) -> tensor<1x32x20x22xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<32x1x3x3xf32>} : () -> none
  %0 = "onnx.Conv"(%x, %w) {group = 32, pads = [1, 1, 1, 1]} : (tensor<1x32x20x22xf32>, none) -> none
  func.return %0 : none
}
// -----
// Attention: a block of rows fits a quarter of the machine's L2 cache.
// CHECK-LABEL: func.func @main
// AVX2: levels = [{axis = "d2", kind = "grid", step = 24, tail = "guard"}, {axis = "m", kind = "tile", op = 0, step = 6, tail = "guard"}
// SERIAL: program = "blocks"
// SERIAL-NOT: unroll
// NARROW: {axis = "m", kind = "tile", op = 0, step = 1, tail = "exact"}
// SSE: {axis = "m", kind = "tile", op = 0, step = 2, tail = "exact"}
// ZEN4: levels = [{axis = "d2", kind = "grid", step = 72, tail = "guard"}, {axis = "m", kind = "tile", op = 0, step = 8, tail = "exact"}
// XEON: levels = [{axis = "d2", kind = "grid", step = 144, tail = "guard"}, {axis = "m", kind = "tile", op = 0, step = 8, tail = "exact"}
func.func @main(%q: tensor<1x4x800x32xf32>, %k: tensor<1x4x32x800xf32>, %v: tensor<1x4x800x32xf32>) -> tensor<1x4x800x32xf32> {
  %0 = "onnx.MatMul"(%q, %k) : (tensor<1x4x800x32xf32>, tensor<1x4x32x800xf32>) -> none
  %1 = "onnx.Softmax"(%0) : (none) -> none
  %2 = "onnx.MatMul"(%1, %v) : (none, tensor<1x4x800x32xf32>) -> none
  func.return %2 : none
}
