// RUN: dsc opt --passes=decompose --verify-each %s | FileCheck %s

// Two passes over a row, the second over what is less the mean, so that nothing is lost where the mean is large.
// CHECK-LABEL: @layer
// CHECK: %[[SUM:.*]] = "graph.reduce"(%arg0)
// CHECK: %[[MEAN:.*]] = "graph.map"(%[[SUM]])
// CHECK: %[[SQUARES:.*]] = "graph.reduce"(%arg0, %[[MEAN]])
// CHECK: %[[D:.*]] = "loop.sub"
// CHECK: "loop.mul"(%[[D]], %[[D]])
// CHECK: %[[INV:.*]] = "graph.map"(%[[SQUARES]])
// CHECK: "loop.sqrt"
// CHECK: "graph.map"(%arg0, %[[INV]], %[[MEAN]], %arg1, %arg2)
func.func @layer(%x: tensor<3x4xf32>, %s: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<3x4xf32> {
  %0 = "onnx.LayerNormalization"(%x, %s, %b) : (tensor<3x4xf32>, tensor<4xf32>, tensor<4xf32>) -> none
  func.return %0 : none
}

// Without a mean: one pass.
// CHECK-LABEL: @rms
// CHECK-COUNT-1: "graph.reduce"
// CHECK-NOT: "graph.reduce"
// CHECK: "loop.sqrt"
// CHECK: "graph.map"(%arg0, %{{.*}}, %arg1)
func.func @rms(%x: tensor<3x4xf32>, %s: tensor<4xf32>) -> tensor<3x4xf32> {
  %0 = "onnx.RMSNormalization"(%x, %s) : (tensor<3x4xf32>, tensor<4xf32>) -> none
  func.return %0 : none
}

// A trained one is a factor and an offset for each channel, which depend on constants only, as a rule; what scales an image moves into
// weights.
// CHECK-LABEL: @batch
// CHECK: %[[FACTOR:.*]] = "graph.map"(%arg1, %arg4)
// CHECK: -> tensor<3xf32>
// CHECK: %[[OFFSET:.*]] = "graph.map"(%arg2, %arg3, %[[FACTOR]])
// CHECK: -> tensor<3xf32>
// CHECK: "graph.map"(%arg0, %[[FACTOR]], %[[OFFSET]])
// CHECK: "loop.mul"
// CHECK: "loop.add"
// CHECK: affine_map<(d0, d1, d2, d3) -> (d1)>
func.func @batch(%x: tensor<1x3x4x4xf32>, %s: tensor<3xf32>, %b: tensor<3xf32>, %m: tensor<3xf32>, %v: tensor<3xf32>) -> tensor<1x3x4x4xf32> {
  %0 = "onnx.BatchNormalization"(%x, %s, %b, %m, %v) {epsilon = 0.5 : f32} : (tensor<1x3x4x4xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> none
  func.return %0 : none
}

// Groups of channels become a dim of a view; scales are read by channel, d1 * 2 + d2.
// CHECK-LABEL: @group
// CHECK: "graph.reshape"(%arg0) : (tensor<1x4x6xf32>) -> tensor<1x2x2x6xf32>
// CHECK: over = ["2", "6"]
// CHECK: affine_map<(d0, d1, d2, d3) -> (d1 * 2 + d2)>
// CHECK: "graph.reshape"{{.*}} -> tensor<1x4x6xf32>
func.func @group(%x: tensor<1x4x6xf32>, %s: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<1x4x6xf32> {
  %0 = "onnx.GroupNormalization"(%x, %s, %b) {num_groups = 2} : (tensor<1x4x6xf32>, tensor<4xf32>, tensor<4xf32>) -> none
  func.return %0 : none
}
