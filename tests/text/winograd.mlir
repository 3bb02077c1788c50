// RUN: dsc opt --passes=decompose,simplify,winograd,fuse,layout,join,clean,hoist,group,schedule --verify-each %s | FileCheck %s

// Which convolutions go by tiles (Winograd's algorithm): 3x3 ones of stride 1, with constant weights, where fewer products pay for the
// transforms.
// -----
// The filter becomes 6x6 points of panels, a recipe: G w G^T. A ReLU is the kernel's epilogue.
// CHECK-LABEL: func.func @main
// CHECK-SAME: tensor<6x6x32x32xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d1, (d2 floordiv 16), d3, (d2 mod 16))>}> {ds.recipe = 0}
// CHECK: "graph.kernel"
// CHECK: "graph.winograd"({{.*}}) {tile = 4, before = ["1", "1"]}
// CHECK: "loop.max"
// CHECK-LABEL: func.func @constants
// CHECK-COUNT-2: "graph.matmul"
func.func @main(%x: tensor<1x32x32x32xf32>) -> tensor<1x32x32x32xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<32x32x3x3xf32>} : () -> none
  %0 = "onnx.Conv"(%x, %w) {pads = [1, 1, 1, 1]} : (tensor<1x32x32x32xf32>, none) -> none
  %1 = "onnx.Relu"(%0) : (none) -> none
  func.return %1 : none
}
// -----
// Of an image of 4x4 points only one tile of 4 would be made: for that a filter of 36 points is too much, and no smaller one pays.
// CHECK-LABEL: func.func @main
// CHECK-NOT: "graph.winograd"
// CHECK: "graph.conv"
func.func @main(%x: tensor<1x32x4x4xf32>) -> tensor<1x32x4x4xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<32x32x3x3xf32>} : () -> none
  %0 = "onnx.Conv"(%x, %w) {pads = [1, 1, 1, 1]} : (tensor<1x32x4x4xf32>, none) -> none
  func.return %0 : none
}
// -----
// Not with a stride.
// CHECK-LABEL: func.func @main
// CHECK-NOT: "graph.winograd"
// CHECK: "graph.conv"
func.func @main(%x: tensor<1x32x64x64xf32>) -> tensor<1x32x32x32xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<32x32x3x3xf32>} : () -> none
  %0 = "onnx.Conv"(%x, %w) {pads = [1, 1, 1, 1], strides = [2, 2]} : (tensor<1x32x64x64xf32>, none) -> none
  func.return %0 : none
}
// -----
// Not with weights that an input gives: their transforms would be made by every run.
// CHECK-LABEL: func.func @main
// CHECK-NOT: "graph.winograd"
// CHECK: "graph.conv"
func.func @main(%x: tensor<1x32x32x32xf32>, %w: tensor<32x32x3x3xf32>) -> tensor<1x32x32x32xf32> {
  %0 = "onnx.Conv"(%x, %w) {pads = [1, 1, 1, 1]} : (tensor<1x32x32x32xf32>, tensor<32x32x3x3xf32>) -> none
  func.return %0 : none
}
// -----
// A pool of 2x2 windows without overlap is made of whole tiles, in the same kernel.
// CHECK-LABEL: func.func @main
// CHECK: "graph.kernel"
// CHECK: "graph.winograd"
// CHECK-NOT: "graph.kernel"
// CHECK: "graph.reduce"
// CHECK: over = ["2", "2"], pads = [0xFFF0000000000000 : f64]
// CHECK: program = "winograd"
func.func @main(%x: tensor<1x32x32x32xf32>) -> tensor<1x32x16x16xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<32x32x3x3xf32>} : () -> none
  %0 = "onnx.Conv"(%x, %w) {pads = [1, 1, 1, 1]} : (tensor<1x32x32x32xf32>, none) -> none
  %1 = "onnx.MaxPool"(%0) {kernel_shape = [2, 2], strides = [2, 2]} : (none) -> none
  func.return %1 : none
}
