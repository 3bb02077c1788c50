// RUN: dsc opt --passes=layout --verify-each --cpu=x86-64-v3 %s | FileCheck %s

// Text need not say what the dims of a contraction are for: it follows from the maps. The kernel's extent is a window, what is summed
// otherwise is k; both operands move along the group, which makes it a batch.
// CHECK-LABEL: @groups
// CHECK: "graph.conv"({{.*}}) {{.*}} over = ["2", "3"], kinds = ["m", "batch", "m", "k", "window"]
func.func @groups(%x: tensor<1x4x8xf32>, %w: tensor<6x2x3xf32>) -> tensor<1x6x6xf32> {
  %0 = "graph.conv"(%x, %w) {maps = [affine_map<(d0, d1, d2, d3, d4) -> (d0, (d1 floordiv 3) * 2 + d3, d2 + d4)>, affine_map<(d0, d1, d2, d3, d4) -> (d1, d3, d4)>], over = ["2", "3"]} : (tensor<1x4x8xf32>, tensor<6x2x3xf32>) -> tensor<1x6x6xf32>
  func.return %0 : tensor<1x6x6xf32>
}

// Frames of a signal: a window of a product, too.
// CHECK-LABEL: @frames
// CHECK: "graph.matmul"(%arg0, {{.*}}) {{.*}} kinds = ["m", "n", "window"]
func.func @frames(%x: tensor<64xf32>, %w: tensor<16x48xf32>) -> tensor<13x48xf32> {
  %0 = "graph.matmul"(%x, %w) {maps = [affine_map<(d0, d1, d2) -> (d0 * 4 + d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>], over = ["16"]} : (tensor<64xf32>, tensor<16x48xf32>) -> tensor<13x48xf32>
  func.return %0 : tensor<13x48xf32>
}

// Operands change sides so that the columns are the right one's: m and n change places.
// CHECK-LABEL: @sides
// CHECK: "graph.matmul"(%arg1, {{.*}}) {{.*}} kinds = ["m", "n", "k"]
func.func @sides(%x: tensor<48x8xf32>, %y: tensor<8x4xf32>) -> tensor<4x48xf32> {
  %0 = "graph.matmul"(%x, %y) {maps = [affine_map<(d0, d1, d2) -> (d1, d2)>, affine_map<(d0, d1, d2) -> (d2, d0)>], over = ["8"], kinds = ["n", "m", "k"]} : (tensor<48x8xf32>, tensor<8x4xf32>) -> tensor<4x48xf32>
  func.return %0 : tensor<4x48xf32>
}
