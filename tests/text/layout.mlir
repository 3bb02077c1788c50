// RUN: dsc opt --passes=winograd,layout %s | FileCheck %s
!cache = tensor<2x?x64xf32, {dims = ["", "room", ""]}>
!used = tensor<2x?x64xf32, {dims = ["", "total", ""]}>
!scores = tensor<2x4x?xf32, {dims = ["", "", "total"]}>

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

// The first keys and values of a cache with room for more are read where they lie: keys are packed from there, values as they are.
// CHECK-LABEL: @cache
// CHECK: %[[KEYS:.*]] = "graph.encode"(%arg1) {{.*}}tensor<2x?x64xf32, {dims = ["", "room", ""]}>) -> tensor<2x?x64xf32, {dims = ["", "total", ""], map =
// CHECK: %[[SCORES:.*]] = "graph.matmul"(%arg0, %[[KEYS]])
// CHECK: "graph.matmul"(%[[SCORES]], %arg2)
func.func @cache(%q: tensor<2x4x64xf32>, %k: !cache, %v: !cache, %mask: tensor<?xf32, {dims = ["total"]}>) -> tensor<2x4x64xf32> {
  %keys = "graph.map"(%k) ({
  ^bb0(%x: f32):
    "graph.yield"(%x) : (f32) -> ()
  }) {maps = [affine_map<(d0, d1, d2) -> (d0, d1, d2)>]} : (!cache) -> !used
  %values = "graph.map"(%v) ({
  ^bb0(%x: f32):
    "graph.yield"(%x) : (f32) -> ()
  }) {maps = [affine_map<(d0, d1, d2) -> (d0, d1, d2)>]} : (!cache) -> !used
  %scores = "graph.matmul"(%q, %keys) {maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d3)>, affine_map<(d0, d1, d2, d3) -> (d0, d2, d3)>], over = ["64"], kinds = ["batch", "m", "n", "k"]} : (tensor<2x4x64xf32>, !used) -> !scores
  %0 = "graph.matmul"(%scores, %values) {maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d3)>, affine_map<(d0, d1, d2, d3) -> (d0, d3, d2)>], over = ["total"], kinds = ["batch", "m", "n", "k"]} : (!scores, !used) -> tensor<2x4x64xf32>
  func.return %0 : tensor<2x4x64xf32>
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

// The kernel that makes a convolution's input keeps zeros around it, so that no window reads outside and nothing is copied.
// CHECK-LABEL: @border
// CHECK: "graph.map"
// CHECK: border = [0, 0, 1, 1, 0, 0, 1, 1]
// CHECK-NOT: pads
// CHECK: "graph.conv"
func.func @border(%x: tensor<1x16x9x9xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>) -> tensor<1x16x5x5xf32> {
  %w = "graph.constant"() {value = dense<0.5> : tensor<16x16x3x3xf32>} : () -> tensor<16x16x3x3xf32>
  %0 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    %e = "loop.exp"(%a) : (f32) -> f32
    "graph.yield"(%e) : (f32) -> ()
  }) {maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>]} : (tensor<1x16x9x9xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>) -> tensor<1x16x9x9xf32>
  %1 = "graph.conv"(%0, %w) {maps = [affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d4, d2 * 2 + d5 - 1, d3 * 2 + d6 - 1)>, affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d1, d4, d5, d6)>], over = ["16", "3", "3"], padding = ["1", "1", "1", "1"]} : (tensor<1x16x9x9xf32>, tensor<16x16x3x3xf32>) -> tensor<1x16x5x5xf32>
  func.return %1 : tensor<1x16x5x5xf32>
}
