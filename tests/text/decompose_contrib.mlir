// RUN: dsc opt --passes=decompose --verify-each %s | FileCheck %s

// What is computed between quantised tensors is an operator between dequantising maps and a quantising one.
// CHECK-LABEL: @sum
// CHECK: %[[A:.*]] = "graph.map"(%arg0, %arg2, %arg3)
// CHECK: %[[B:.*]] = "graph.map"(%arg1, %arg2, %arg3)
// CHECK: %[[SUM:.*]] = "graph.map"(%[[A]], %[[B]])
// CHECK: "loop.add"
// CHECK: "graph.map"(%[[SUM]], %arg2, %arg3)
// CHECK: "loop.quantize"({{.*}}) : (f32, f32, ui8) -> ui8
func.func @sum(%a: tensor<2x3xui8>, %b: tensor<3xui8>, %s: tensor<f32>, %z: tensor<ui8>) -> tensor<2x3xui8> {
  %0 = "microsoft.QLinearAdd"(%a, %s, %z, %b, %s, %z, %s, %z) : (tensor<2x3xui8>, tensor<f32>, tensor<ui8>, tensor<3xui8>, tensor<f32>, tensor<ui8>, tensor<f32>, tensor<ui8>) -> none
  func.return %0 : none
}

// The mean of an image is a sum of whole numbers, divided with the scales. The channels are last.
// CHECK-LABEL: @mean
// CHECK: %[[LESS:.*]] = "graph.map"(%arg0, %arg2)
// CHECK: %[[SUM:.*]] = "graph.reduce"(%[[LESS]])
// CHECK: -> tensor<1x1x1x4xi32>
// CHECK: "graph.map"(%[[SUM]],
// CHECK: "loop.quantize"
func.func @mean(%x: tensor<1x5x6x4xi8>, %s: tensor<f32>, %z: tensor<i8>) -> tensor<1x1x1x4xi8> {
  %0 = "microsoft.QLinearGlobalAveragePool"(%x, %s, %z, %s, %z) {channels_last = 1} : (tensor<1x5x6x4xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<i8>) -> none
  func.return %0 : none
}

// Products of bytes are exact; their scales, and alpha, come behind them.
// CHECK-LABEL: @gemm
// CHECK: %[[SUM:.*]] = "graph.matmul"{{.*}} -> tensor<2x4xi32>
// CHECK: %[[BOTH:.*]] = "graph.map"(%[[SUM]], %arg2)
// CHECK: "loop.add"({{.*}}) : (i32, i32) -> i32
// CHECK: "graph.map"(%[[BOTH]],
// CHECK: "loop.mul"({{.*}}) : (f32, f32) -> f32
// CHECK-NOT: "loop.quantize"
func.func @gemm(%a: tensor<2x3xui8>, %b: tensor<4x3xi8>, %c: tensor<4xi32>, %s: tensor<f32>, %z: tensor<ui8>, %t: tensor<4xf32>, %y: tensor<4xi8>) -> tensor<2x4xf32> {
  %0 = "microsoft.QGemm"(%a, %s, %z, %b, %t, %y, %c) {alpha = 0.5, transB = 1} : (tensor<2x3xui8>, tensor<f32>, tensor<ui8>, tensor<4x3xi8>, tensor<4xf32>, tensor<4xi8>, tensor<4xi32>) -> none
  func.return %0 : none
}
