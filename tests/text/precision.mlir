// RUN: dsc opt --passes=decompose,simplify,narrow,precision --cpu=x86-64-v3 --precision=f16 --verify-each %s | FileCheck %s

// Weights of products may be rounded to f16 where options say so.
// -----
// CHECK-LABEL: func.func @main
// CHECK: "loop.cast"({{.*}}) : (f32) -> f16
// CHECK: "graph.matmul"{{.*}} : (tensor<4x16xf32>, tensor<16x32xf16>) -> tensor<4x32xf32>
func.func @main(%x: tensor<4x16xf32>) -> tensor<4x32xf32> {
  %w = "onnx.Constant"() {value = dense<0.3> : tensor<16x32xf32>} : () -> none
  %0 = "onnx.MatMul"(%x, %w) : (tensor<4x16xf32>, none) -> none
  func.return %0 : none
}
// -----
// Not where a number is too large for it, nor what an input gives.
// CHECK-LABEL: func.func @main
// CHECK-NOT: f16
// CHECK: func.return
func.func @main(%x: tensor<4x16xf32>, %y: tensor<16x8xf32>) -> (tensor<4x32xf32>, tensor<4x8xf32>) {
  %w = "onnx.Constant"() {value = dense<70000.0> : tensor<16x32xf32>} : () -> none
  %0 = "onnx.MatMul"(%x, %w) : (tensor<4x16xf32>, none) -> none
  %1 = "onnx.MatMul"(%x, %y) : (tensor<4x16xf32>, tensor<16x8xf32>) -> none
  func.return %0, %1 : none, none
}
// -----
// Products that could not be narrowed say why.
// CHECK-LABEL: func.func @main
// CHECK: "graph.matmul"{{.*}}stays = "no factor is constant"
func.func @main(%x: tensor<4x16xf32>, %y: tensor<16x8xf32>) -> tensor<4x8xf32> {
  %0 = "onnx.MatMul"(%x, %y) : (tensor<4x16xf32>, tensor<16x8xf32>) -> none
  func.return %0 : none
}
// -----
// CHECK-LABEL: func.func @main
// CHECK: "graph.conv"{{.*}}stays = "this level multiplies them no faster"
func.func @main(%x: tensor<1x16x8x8xf32>) -> tensor<1x32x8x8xf32> {
  %w = "onnx.Constant"() {value = dense<0.3> : tensor<32x16x1x1xf32>} : () -> none
  %0 = "onnx.Conv"(%x, %w) : (tensor<1x16x8x8xf32>, none) -> none
  func.return %0 : none
}
