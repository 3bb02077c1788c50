// RUN: dsc opt --passes=decompose,simplify,fuse,layout --verify-each %s | FileCheck %s

// A layout is a property of results that spreads forward.

// From the convolution on, a map and a pool are channels-last, too; what the caller gets is dense.
// CHECK-LABEL: @forward
// CHECK: "graph.conv"
// CHECK: "loop.exp"
// CHECK: -> tensor<1x64x4x4xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>
// CHECK: "graph.reduce"
// CHECK: "loop.max"
// CHECK: -> tensor<1x64x4x4xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>
// CHECK: "graph.encode"{{.*}} -> tensor<1x64x4x4xf32>{{$}}
// CHECK-NEXT: func.return
func.func @forward(%x: tensor<1x16x4x4xf32>) -> tensor<1x64x4x4xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<64x16x1x1xf32>} : () -> none
  %0 = "onnx.Conv"(%x, %w) : (tensor<1x16x4x4xf32>, none) -> none
  %1 = "onnx.Exp"(%0) : (none) -> none
  %2 = "onnx.MaxPool"(%1) {kernel_shape = [3, 3], pads = [1, 1, 1, 1]} : (none) -> none
  func.return %2 : none
}

// What reads an image into something of no rows and columns reads it as it lies: nothing is made dense in between.
// CHECK-LABEL: @to_vector
// CHECK: %[[C:.*]] = "graph.conv"
// CHECK-NEXT: %[[S:.*]] = "graph.reduce"(%[[C]])
// CHECK: %[[V:.*]] = "graph.map"(%[[S]])
// CHECK-NOT: "graph.encode"
// CHECK: func.return %[[V]] : tensor<1x64xf32>
func.func @to_vector(%x: tensor<1x16x4x4xf32>) -> tensor<1x64xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<64x16x1x1xf32>} : () -> none
  %0 = "onnx.Conv"(%x, %w) : (tensor<1x16x4x4xf32>, none) -> none
  %1 = "onnx.GlobalAveragePool"(%0) : (none) -> none
  %2 = "onnx.Flatten"(%1) : (none) -> none
  func.return %2 : none
}

// An image of three channels is read as it lies: rows of three would be short.
// CHECK-LABEL: @few_channels
// CHECK: "graph.conv"(%arg0, %{{.*}} -> tensor<1x64x6x6xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>
func.func @few_channels(%x: tensor<1x3x8x8xf32>) -> tensor<1x64x6x6xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<64x3x3x3xf32>} : () -> none
  %0 = "onnx.Conv"(%x, %w) : (tensor<1x3x8x8xf32>, none) -> none
  func.return %0 : none
}

// What makes a convolution's input makes it channels-last, where nothing else reads it; an input is copied.
// CHECK-LABEL: @backward
// CHECK: %[[E:[0-9]+]] = "graph.map"(%arg0)
// CHECK: "loop.exp"
// CHECK: -> tensor<1x16x4x4xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>
// CHECK: "graph.conv"(%[[E]],
func.func @backward(%x: tensor<1x16x4x4xf32>) -> tensor<1x64x4x4xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<64x16x1x1xf32>} : () -> none
  %0 = "onnx.Exp"(%x) : (tensor<1x16x4x4xf32>) -> none
  %1 = "onnx.Conv"(%0, %w) : (none, none) -> none
  func.return %1 : none
}
