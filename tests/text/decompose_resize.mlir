// RUN: dsc opt --passes=decompose --verify-each %s | FileCheck %s

// Twice as large, by the nearest: quotients of the position, so it is an access map.
// CHECK-LABEL: @nearest
// CHECK: maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, (d2 floordiv 2), (d3 floordiv 2))>]} : {{.*}} -> tensor<1x1x4x6xf32>
func.func @nearest(%x: tensor<1x1x2x3xf32>) -> tensor<1x1x4x6xf32> {
  %s = "onnx.Constant"() {value = dense<[1.0, 1.0, 2.0, 2.0]> : tensor<4xf32>} : () -> none
  %n = "onnx.None"() : () -> none
  %0 = "onnx.Resize"(%x, %n, %s) {mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor"} : (tensor<1x1x2x3xf32>, none, none) -> none
  func.return %0 : none
}

// By another scale: the position divided by it, rounded as the mode says, within bounds: a list for the axis. What keeps its extent is read as it is.
// CHECK-LABEL: @other_scale
// CHECK: %[[LIST:[0-9]+]] = "graph.constant"() {value = dense<[0, 0, 1]> : tensor<3xi64>}
// CHECK: %[[N:[0-9]+]] = "loop.position"() {dim = 0}
// CHECK: %[[P:[0-9]+]] = "loop.position"() {dim = 1}
// CHECK: %[[I:[0-9]+]] = "graph.extract"(%[[LIST]], %[[P]])
// CHECK: %[[AT:[0-9]+]] = "loop.cast"(%[[I]])
// CHECK: "graph.extract"(%arg0, %[[N]], %[[AT]])
// CHECK: -> tensor<1x3xf32>
func.func @other_scale(%x: tensor<1x2xf32>) -> tensor<1x3xf32> {
  %s = "onnx.Constant"() {value = dense<[1.0, 1.6]> : tensor<2xf32>} : () -> none
  %n = "onnx.None"() : () -> none
  %0 = "onnx.Resize"(%x, %n, %s) {mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor"} : (tensor<1x2xf32>, none, none) -> none
  func.return %0 : none
}

// Linear along two axes: one after the other, two neighbours each, whose places and weights are lists.
// CHECK-LABEL: @linear
// CHECK-DAG: tensor<4xi64>
// CHECK-DAG: tensor<4xf32>
// CHECK: %[[ROWS:[0-9]+]] = "graph.map"
// CHECK-COUNT-2: "graph.extract"(%arg0,
// CHECK: -> tensor<1x1x4x3xf32>
// CHECK-COUNT-2: "graph.extract"(%[[ROWS]],
// CHECK-NOT: "graph.extract"(%arg0,
// CHECK: -> tensor<1x1x4x6xf32>
func.func @linear(%x: tensor<1x1x2x3xf32>) -> tensor<1x1x4x6xf32> {
  %s = "onnx.Constant"() {value = dense<[1.0, 1.0, 2.0, 2.0]> : tensor<4xf32>} : () -> none
  %n = "onnx.None"() : () -> none
  %0 = "onnx.Resize"(%x, %n, %s) {mode = "linear"} : (tensor<1x1x2x3xf32>, none, none) -> none
  func.return %0 : none
}

// A cubic with antialiasing has many taps: sums over them, one axis after the other.
// CHECK-LABEL: @one_axis_after_the_other
// CHECK: "graph.reduce"
// CHECK: over = ["16"]{{.*}} -> tensor<1x1x2x9xf32>
// CHECK: %[[ROWS:.*]] = "graph.map"
// CHECK: "graph.reduce"
// CHECK: "graph.extract"(%[[ROWS]],
// CHECK: over = ["12"]{{.*}} -> tensor<1x1x2x3xf32>
func.func @one_axis_after_the_other(%x: tensor<1x1x8x9xf32>) -> tensor<1x1x2x3xf32> {
  %sizes = "onnx.Constant"() {value = dense<[1, 1, 2, 3]> : tensor<4xi64>} : () -> none
  %n = "onnx.None"() : () -> none
  %0 = "onnx.Resize"(%x, %n, %n, %sizes) {mode = "cubic", antialias = 1} : (tensor<1x1x8x9xf32>, none, none, none) -> none
  func.return %0 : none
}
