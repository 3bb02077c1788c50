// RUN: dsc opt --passes=decompose,simplify,fuse,clean --verify-each %s | FileCheck %s

// A constant of one element moves into the region; f32 divided by it is multiplied by its inverse.
// CHECK-LABEL: @divided
// CHECK: "graph.map"(%arg0)
// CHECK: %[[C:.*]] = "loop.constant"() {value = 3.33333{{[0-9]*}}e-01 : f64}
// CHECK: "loop.mul"(%{{.*}}, %[[C]])
// CHECK-NOT: "loop.div"
func.func @divided(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = "onnx.Constant"() {value = dense<3.0> : tensor<f32>} : () -> none
  %0 = "onnx.Div"(%x, %c) : (tensor<4xf32>, none) -> none
  func.return %0 : none
}

// Channels dealt out anew, between two views, are one map.
// CHECK-LABEL: @shuffle
// CHECK-NEXT: "graph.map"(%arg0)
// CHECK: maps = [affine_map<(d0, d1, d2, d3) -> (d0, (d1 floordiv 2) + (d1 mod 2) * 16, d2, d3)>]
// CHECK-NEXT: func.return
func.func @shuffle(%x: tensor<1x32x4x4xf32>) -> tensor<1x32x4x4xf32> {
  %a = "onnx.Constant"() {value = dense<[1, 2, 16, 4, 4]> : tensor<5xi64>} : () -> none
  %b = "onnx.Constant"() {value = dense<[1, 32, 4, 4]> : tensor<4xi64>} : () -> none
  %0 = "onnx.Reshape"(%x, %a) : (tensor<1x32x4x4xf32>, none) -> none
  %1 = "onnx.Transpose"(%0) {perm = [0, 2, 1, 3, 4]} : (none) -> none
  %2 = "onnx.Reshape"(%1, %b) : (none, none) -> none
  func.return %2 : none
}

// What is read outside is the pad, not a value of what comes before: that is not merged (0 + 1 would be 1).
// CHECK-LABEL: @pad
// CHECK: %[[E:.*]] = "graph.map"(%arg0)
// CHECK: "loop.add"
// CHECK: "graph.map"(%[[E]])
// CHECK: pads =
func.func @pad(%x: tensor<4xf32>) -> tensor<6xf32> {
  %one = "onnx.Constant"() {value = dense<1.0> : tensor<f32>} : () -> none
  %p = "onnx.Constant"() {value = dense<[1, 1]> : tensor<2xi64>} : () -> none
  %0 = "onnx.Add"(%x, %one) : (tensor<4xf32>, none) -> none
  %1 = "onnx.Pad"(%0, %p) : (none, none) -> none
  func.return %1 : none
}

// A reduction takes the map that it reads.
// CHECK-LABEL: @into_reduce
// CHECK-NOT: "graph.map"
// CHECK: "graph.reduce"(%arg0)
// CHECK: "loop.exp"
// CHECK: "loop.add"
func.func @into_reduce(%x: tensor<3x4xf32>) -> tensor<f32> {
  %0 = "onnx.Exp"(%x) : (tensor<3x4xf32>) -> none
  %1 = "onnx.ReduceSum"(%0) {keepdims = 0} : (none) -> none
  func.return %1 : none
}

// What costs something is not computed again for each of 300 columns that read it.
// CHECK-LABEL: @read_often
// CHECK: %[[E:.*]] = "graph.map"(%arg0)
// CHECK: "loop.exp"
// CHECK: -> tensor<4x1xf32>
// CHECK: "graph.map"(%[[E]], %arg1)
func.func @read_often(%x: tensor<4x1xf32>, %y: tensor<4x300xf32>) -> tensor<4x300xf32> {
  %0 = "onnx.Exp"(%x) : (tensor<4x1xf32>) -> none
  %1 = "onnx.Add"(%0, %y) : (none, tensor<4x300xf32>) -> none
  func.return %1 : none
}

// A slice and a transpose of it, then a sum with something else: one map that reads where they read.
// CHECK-LABEL: @moves
// CHECK: "graph.map"(%arg1, %arg0)
// CHECK: maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1 + 1, d0)>]
// CHECK-NEXT: func.return
func.func @moves(%x: tensor<4x3xf32>, %y: tensor<3x2xf32>) -> tensor<3x2xf32> {
  %from = "onnx.Constant"() {value = dense<[1]> : tensor<1xi64>} : () -> none
  %to = "onnx.Constant"() {value = dense<[3]> : tensor<1xi64>} : () -> none
  %0 = "onnx.Slice"(%x, %from, %to) : (tensor<4x3xf32>, none, none) -> none
  %1 = "onnx.Transpose"(%0) : (none) -> none
  %2 = "onnx.Add"(%1, %y) : (none, tensor<3x2xf32>) -> none
  func.return %2 : none
}

// Views of views are one view, and none where nothing changes; a concat of one part is that part.
// CHECK-LABEL: @nothing_left
// CHECK-NEXT: func.return %arg0
func.func @nothing_left(%x: tensor<24xf32>) -> tensor<24xf32> {
  %p = "onnx.Constant"() {value = dense<[4, 6]> : tensor<2xi64>} : () -> none
  %r = "onnx.Constant"() {value = dense<[24]> : tensor<1xi64>} : () -> none
  %0 = "onnx.Reshape"(%x, %p) : (tensor<24xf32>, none) -> none
  %1 = "onnx.Concat"(%0) {axis = 0} : (none) -> none
  %2 = "onnx.Reshape"(%1, %r) : (none, none) -> none
  func.return %2 : none
}
