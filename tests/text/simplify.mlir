// RUN: dsc opt --passes=simplify %s | FileCheck %s

// CHECK-LABEL: @a_copy_disappears
// CHECK-NOT: graph.map
// CHECK: func.return %arg0
func.func @a_copy_disappears(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    "graph.yield"(%a) : (f32) -> ()
  }) {maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return %0 : tensor<2x3xf32>
}

// CHECK-LABEL: @equal_ops_become_one
// CHECK-COUNT-1: graph.reshape
// CHECK-NOT: graph.reshape
func.func @equal_ops_become_one(%x: tensor<6xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>) {
  %0 = "graph.reshape"(%x) : (tensor<6xf32>) -> tensor<2x3xf32>
  %1 = "graph.reshape"(%x) : (tensor<6xf32>) -> tensor<2x3xf32>
  func.return %0, %1 : tensor<2x3xf32>, tensor<2x3xf32>
}

// CHECK-LABEL: @unused_ops_go
// CHECK-NOT: graph.reshape
func.func @unused_ops_go(%x: tensor<6xf32>) -> tensor<6xf32> {
  %0 = "graph.reshape"(%x) : (tensor<6xf32>) -> tensor<2x3xf32>
  func.return %x : tensor<6xf32>
}
