// RUN: dsc opt --stop-after=hoist --verify-each %s | FileCheck %s

// What the passes before make of weights becomes recipes.
// -----
// Panels of a product's right-hand side, where what is below 2^-100 becomes zero. The recipe is given its constant.
// CHECK-LABEL: func.func @main
// CHECK-SAME: %arg1: tensor<8x32xf32, {map = affine_map<(d0, d1) -> ((d1 floordiv 16), d0, (d1 mod 16))>}> {ds.recipe = 0}
// CHECK: "graph.matmul"(%arg0, %arg1)
// CHECK-LABEL: func.func @constants(%arg0: tensor<8x32xf32> {ds.constant = dense<
// CHECK: "graph.encode"(%arg0) {flush}
// CHECK-SAME: -> tensor<8x32xf32, {map = affine_map<(d0, d1) -> ((d1 floordiv 16), d0, (d1 mod 16))>}>
func.func @main(%x: tensor<4x8xf32>) -> tensor<4x32xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<8x32xf32>} : () -> none
  %0 = "onnx.MatMul"(%x, %w) : (tensor<4x8xf32>, none) -> none
  func.return %0 : none
}
// -----
// A normalisation of more channels than are evaluated at once, behind a convolution: its factor and offset are recipes, the kernel multiplies and adds.
// CHECK-LABEL: func.func @main
// CHECK: %[[C:.*]] = "graph.conv"
// CHECK: "graph.map"(%[[C]],
// CHECK-NOT: "loop.sqrt"
// CHECK: func.return
// CHECK-LABEL: func.func @constants
// CHECK: "loop.sqrt"
func.func @main(%x: tensor<1x4x5x5xf32>) -> tensor<1x1040x5x5xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<1040x4x1x1xf32>} : () -> none
  %s = "onnx.Constant"() {value = dense<2.0> : tensor<1040xf32>} : () -> none
  %m = "onnx.Constant"() {value = dense<3.0> : tensor<1040xf32>} : () -> none
  %c = "onnx.Conv"(%x, %w) : (tensor<1x4x5x5xf32>, none) -> none
  %0 = "onnx.BatchNormalization"(%c, %s, %m, %m, %s) : (none, none, none, none, none) -> none
  func.return %0 : none
}
