// RUN: dsc opt --cpu=x86-64 %s | FileCheck %s --check-prefixes=CHECK,SSE
// RUN: dsc opt --cpu=x86-64-v3 %s | FileCheck %s --check-prefixes=CHECK,AVX2
// RUN: dsc opt --cpu=x86-64-v4 %s | FileCheck %s --check-prefixes=CHECK,AVX512

// A level of the instruction set decides how many lanes there are and how large tiles are. Recipes are compiled for the least level, so
// that weights have the same bytes everywhere.
// CHECK-LABEL: func.func @k0
// SSE: "loop.tile"({{.*}}) {rows = {{[0-9]+}}, columns = {{[0-9]+}}, lanes = 4
// AVX2: "loop.tile"({{.*}}) {rows = 6, columns = 2, lanes = 8
// AVX512: "loop.tile"({{.*}}) {rows = {{[0-9]+}}, columns = {{[0-9]+}}, lanes = 16
// CHECK-LABEL: func.func @main
// CHECK-LABEL: func.func @c0
// CHECK: vector<4xf32>
// CHECK-NOT: vector<{{8|16}}xf32>
// CHECK-LABEL: func.func @constants
func.func @main(%x: tensor<48x32xf32>) -> tensor<48x64xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<32x64xf32>} : () -> none
  %0 = "onnx.MatMul"(%x, %w) : (tensor<48x32xf32>, none) -> none
  func.return %0 : none
}
