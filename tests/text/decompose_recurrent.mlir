// RUN: dsc opt --passes=decompose --verify-each %s | FileCheck %s

// A recurrent network: the product with the input for all steps at once, then one loop, whose turns read the step of the counter.
// CHECK-LABEL: @rnn
// CHECK: %[[IN:.*]] = "graph.matmul"(%arg0, {{.*}} -> tensor<5x2x4xf32>
// CHECK: %{{.*}}, %[[Y:.*]] = "graph.loop"
// CHECK: ^bb0(%[[H:.*]]: tensor<1x2x4xf32>)
// CHECK: %[[OWN:.*]] = "graph.matmul"(%[[H]],
// CHECK: %[[NEXT:.*]] = "graph.map"(%[[IN]], %[[OWN]])
// CHECK: "loop.tanh"
// CHECK: affine_map<(d0, d1, d2)[[[T:[a-z0-9_]+]]] -> ([[T]], d1, d0 * 4 + d2)>
// CHECK: "graph.yield"(%[[NEXT]], %[[NEXT]])
// CHECK: {counter = "[[T]]", extent = "5"}
// CHECK: func.return %[[Y]]
func.func @rnn(%x: tensor<5x2x3xf32>, %w: tensor<1x4x3xf32>, %r: tensor<1x4x4xf32>) -> tensor<5x1x2x4xf32> {
  %0, %1 = "onnx.RNN"(%x, %w, %r) {hidden_size = 4} : (tensor<5x2x3xf32>, tensor<1x4x3xf32>, tensor<1x4x4xf32>) -> (none, none)
  func.return %0 : none
}

// An LSTM carries two states; four gates are one product.
// CHECK-LABEL: @lstm
// CHECK: "graph.loop"
// CHECK: ^bb0(%[[H:.*]]: tensor<1x2x4xf32>, %{{.*}}: tensor<1x2x4xf32>)
// CHECK: "graph.matmul"(%[[H]], {{.*}}) {{.*}} -> tensor<1x2x16xf32>
// CHECK: (tensor<1x2x4xf32>, tensor<1x2x4xf32>) -> (tensor<1x2x4xf32>, tensor<1x2x4xf32>, tensor<5x1x2x4xf32>)
func.func @lstm(%x: tensor<5x2x3xf32>, %w: tensor<1x16x3xf32>, %r: tensor<1x16x4xf32>) -> (tensor<5x1x2x4xf32>, tensor<1x2x4xf32>) {
  %0, %1, %2 = "onnx.LSTM"(%x, %w, %r) {hidden_size = 4} : (tensor<5x2x3xf32>, tensor<1x16x3xf32>, tensor<1x16x4xf32>) -> (none, none, none)
  func.return %0, %2 : none, none
}

// Both directions take their steps in the same turn: dim 0 is 2, and in direction 1 steps count backwards.
// CHECK-LABEL: @both_directions
// CHECK-COUNT-1: "graph.loop"
// CHECK: ^bb0(%{{.*}}: tensor<2x2x4xf32>)
// CHECK: extent = "5"
// CHECK-NOT: "graph.loop"
// CHECK: -> tensor<5x2x2x4xf32>
func.func @both_directions(%x: tensor<5x2x3xf32>, %w: tensor<2x4x3xf32>, %r: tensor<2x4x4xf32>) -> tensor<5x2x2x4xf32> {
  %0, %1 = "onnx.RNN"(%x, %w, %r) {hidden_size = 4, direction = "bidirectional"} : (tensor<5x2x3xf32>, tensor<2x4x3xf32>, tensor<2x4x4xf32>) -> (none, none)
  func.return %0 : none
}
