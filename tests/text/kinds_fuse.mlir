// RUN: dsc opt --passes=fuse --verify-each %s | FileCheck %s

// An operand is read through a view that gives it a first extent of 1; a dim that neither operand moves along any more is a batch.
// CHECK-LABEL: @main
// CHECK: "graph.matmul"(%arg0, %arg1) {maps = [affine_map<(d0, d1, d2, d3) -> (d1, d3)>, {{.*}} kinds = ["batch", "m", "n", "k"]
func.func @main(%x: tensor<4x8xf32>, %y: tensor<8x3xf32>) -> tensor<1x4x3xf32> {
  %v = "graph.reshape"(%x) : (tensor<4x8xf32>) -> tensor<1x4x8xf32>
  %0 = "graph.matmul"(%v, %y) {maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d3)>, affine_map<(d0, d1, d2, d3) -> (d3, d2)>], over = ["8"], kinds = ["m", "m", "n", "k"]} : (tensor<1x4x8xf32>, tensor<8x3xf32>) -> tensor<1x4x3xf32>
  func.return %0 : tensor<1x4x3xf32>
}
