// RUN: dsc opt --passes=layout %s | FileCheck %s

// A convolution gets a channels-last input and result and a packed filter; the result goes back to dense at the end.
// CHECK-LABEL: @conv
// CHECK: "graph.encode"(%arg0) {{.*}} -> tensor<1x8x4x4xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>
// CHECK: "graph.encode"(%arg1) {{.*}} -> tensor<16x8x1x1xf32, {map = affine_map<(d0, d1, d2, d3) -> ((d0 floordiv 16), d2, d3, d1, (d0 mod 16))>}>
// CHECK: "graph.conv"
// CHECK: "graph.encode"{{.*}} -> tensor<1x16x4x4xf32>
func.func @conv(%x: tensor<1x8x4x4xf32>, %w: tensor<16x8x1x1xf32>) -> tensor<1x16x4x4xf32> {
  %0 = "graph.conv"(%x, %w) {maps = [affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d4, d2 + d5, d3 + d6)>, affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d1, d4, d5, d6)>], over = ["8", "1", "1"]} : (tensor<1x8x4x4xf32>, tensor<16x8x1x1xf32>) -> tensor<1x16x4x4xf32>
  func.return %0 : tensor<1x16x4x4xf32>
}

// A large 3x3 convolution of stride 1 goes by 4x4 tiles: its filter is transformed, its border is not made real.
// CHECK-LABEL: @by_tiles
// CHECK-NOT: pads
// CHECK: "graph.winograd"(%{{.*}}, %{{.*}}) {tile = 4, before = ["1", "1"]}
func.func @by_tiles(%x: tensor<1x32x32x32xf32>) -> tensor<1x32x32x32xf32> {
  %w = "graph.constant"() {value = dense<0.5> : tensor<32x32x3x3xf32>} : () -> tensor<32x32x3x3xf32>
  %0 = "graph.conv"(%x, %w) {maps = [affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d4, d2 + d5 - 1, d3 + d6 - 1)>, affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d1, d4, d5, d6)>], over = ["32", "3", "3"], padding = ["1", "1", "1", "1"]} : (tensor<1x32x32x32xf32>, tensor<32x32x3x3xf32>) -> tensor<1x32x32x32xf32>
  func.return %0 : tensor<1x32x32x32xf32>
}
