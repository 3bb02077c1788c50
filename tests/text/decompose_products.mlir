// RUN: dsc opt --passes=decompose --verify-each %s | FileCheck %s

// Stacks of matrices: an extent of 1 and dims that are missing are in the maps, nothing is copied. Along the first dim only the left operand
// moves, along the second only the right one.
// CHECK-LABEL: @stacks
// CHECK: "graph.matmul"(%arg0, %arg1) {maps = [affine_map<(d0, d1, d2, d3, d4) -> (d0, 0, d2, d4)>, affine_map<(d0, d1, d2, d3, d4) -> (d1, d4, d3)>], over = ["8"], kinds = ["m", "n", "m", "n", "k"]}
// CHECK-NEXT: func.return
func.func @stacks(%x: tensor<5x1x4x8xf32>, %y: tensor<3x8x2xf32>) -> tensor<5x3x4x2xf32> {
  %0 = "onnx.MatMul"(%x, %y) : (tensor<5x1x4x8xf32>, tensor<3x8x2xf32>) -> none
  func.return %0 : none
}

// Two vectors: every dim is summed.
// CHECK-LABEL: @vectors
// CHECK: "graph.matmul"{{.*}} {maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], over = ["8"], kinds = ["k"]} : {{.*}} -> tensor<f32>
func.func @vectors(%x: tensor<8xf32>, %y: tensor<8xf32>) -> tensor<f32> {
  %0 = "onnx.MatMul"(%x, %y) : (tensor<8xf32>, tensor<8xf32>) -> none
  func.return %0 : none
}

// Gemm's transposes are in the maps; alpha and the bias are a map behind it, which becomes its epilogue.
// CHECK-LABEL: @gemm
// CHECK: %[[P:.*]] = "graph.matmul"(%arg0, %arg1) {maps = [affine_map<(d0, d1, d2) -> (d2, d0)>, affine_map<(d0, d1, d2) -> (d1, d2)>], over = ["3"], kinds = ["m", "n", "k"]}
// CHECK: "graph.map"(%[[P]], %arg2)
// CHECK: "loop.constant"() {value = 5.00000e-01 : f64}
// CHECK: "loop.mul"
// CHECK: "loop.add"
// CHECK: maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>]
func.func @gemm(%x: tensor<3x2xf32>, %y: tensor<4x3xf32>, %z: tensor<4xf32>) -> tensor<2x4xf32> {
  %0 = "onnx.Gemm"(%x, %y, %z) {transA = 1, transB = 1, alpha = 0.5 : f32} : (tensor<3x2xf32>, tensor<4x3xf32>, tensor<4xf32>) -> none
  func.return %0 : none
}

// Einsum of two operands is one product: letters are dims, those that the result lacks are summed.
// CHECK-LABEL: @einsum
// CHECK: "graph.matmul"(%arg0, %arg1) {maps = [affine_map<(d0, d1, d2, d3) -> (d0, d2, d3)>, affine_map<(d0, d1, d2, d3) -> (d0, d1, d3)>], over = ["4"], kinds = ["batch", "n", "m", "k"]}
// CHECK-SAME: -> tensor<2x5x3xf32>
// CHECK-NEXT: func.return
func.func @einsum(%x: tensor<2x3x4xf32>, %y: tensor<2x5x4xf32>) -> tensor<2x5x3xf32> {
  %0 = "onnx.Einsum"(%x, %y) {equation = "bij,bkj->bki"} : (tensor<2x3x4xf32>, tensor<2x5x4xf32>) -> none
  func.return %0 : none
}

// Bytes are multiplied as they are and summed as i32; those with a zero point are widened, less it.
// CHECK-LABEL: @integers
// CHECK: %[[A:.*]] = "graph.map"(%arg0, %arg2)
// CHECK-COUNT-2: "loop.cast"({{.*}}) : (ui8) -> i32
// CHECK: "loop.sub"
// CHECK: "graph.matmul"(%[[A]], %arg1) {{.*}} : (tensor<2x3xi32>, tensor<3x4xi8>) -> tensor<2x4xi32>
func.func @integers(%x: tensor<2x3xui8>, %y: tensor<3x4xi8>, %z: tensor<ui8>) -> tensor<2x4xi32> {
  %0 = "onnx.MatMulInteger"(%x, %y, %z) : (tensor<2x3xui8>, tensor<3x4xi8>, tensor<ui8>) -> none
  func.return %0 : none
}

// A zero point of 0 is none.
// CHECK-LABEL: @zero_of_zero
// CHECK: "graph.matmul"(%arg0, %arg1) {{.*}} : (tensor<2x3xui8>, tensor<3x4xi8>) -> tensor<2x4xi32>
// CHECK-NEXT: func.return
func.func @zero_of_zero(%x: tensor<2x3xui8>, %y: tensor<3x4xi8>) -> tensor<2x4xi32> {
  %z = "onnx.Constant"() {value = dense<0> : tensor<ui8>} : () -> none
  %0 = "onnx.MatMulInteger"(%x, %y, %z) : (tensor<2x3xui8>, tensor<3x4xi8>, none) -> none
  func.return %0 : none
}

// A product of narrow floats is one of f32, rounded once.
// CHECK-LABEL: @half
// CHECK: "graph.matmul"({{.*}}) {{.*}} : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>
// CHECK: "loop.cast"({{.*}}) : (f32) -> f16
func.func @half(%x: tensor<2x3xf16>, %y: tensor<3x4xf16>) -> tensor<2x4xf16> {
  %0 = "onnx.MatMul"(%x, %y) : (tensor<2x3xf16>, tensor<3x4xf16>) -> none
  func.return %0 : none
}
