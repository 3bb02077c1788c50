// RUN: dsc opt --passes=layout --cpu=x86-64-v4-bf16 --verify-each %s | FileCheck %s

// Right factors that a call computes are packed as words: two neighbours along k lie together already.
// -----
// CHECK-LABEL: func.func @main
// CHECK: "graph.map"(%arg1)
// CHECK: }) {maps = {{.*}} -> tensor<64x32xbf16, {map = affine_map<(d0, d1) -> (d1, d0)>}>
// CHECK: "graph.reshape"(%{{.*}}) {words} : {{.*}} -> tensor<32x32xi32, {map = affine_map<(d0, d1) -> (d1, d0)>}>
// CHECK: "graph.encode"
// CHECK: "graph.reshape"(%{{.*}}) {words} : {{.*}} -> tensor<64x32xbf16, {map = affine_map<(d0, d1) -> ((d1 floordiv 16), (d0 floordiv 2), (d1 mod 16), (d0 mod 2))>}>
func.func @main(%x: tensor<8x64xbf16>, %y: tensor<32x64xf32>) -> tensor<8x32xf32> {
  %0 = "graph.map"(%y) ({
  ^bb0(%a: f32):
    %1 = "loop.cast"(%a) : (f32) -> bf16
    "graph.yield"(%1) : (bf16) -> ()
  }) {maps = [affine_map<(d0, d1) -> (d1, d0)>]} : (tensor<32x64xf32>) -> tensor<64x32xbf16>
  %2 = "graph.matmul"(%x, %0) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>], over = ["64"]} : (tensor<8x64xbf16>, tensor<64x32xbf16>) -> tensor<8x32xf32>
  func.return %2 : tensor<8x32xf32>
}
// -----
// Or columns do: rows of k are joined, straight into panels where these are whole.
// CHECK-LABEL: func.func @main
// CHECK: %[[rows:[0-9]+]] = "graph.reshape"(%arg1) {words} : (tensor<64x32xbf16>) -> tensor<64x32xui16>
// CHECK: "graph.map"(%[[rows]], %[[rows]])
// CHECK: "loop.shl"
// CHECK: -> tensor<2x32x16xi32>
// CHECK-NOT: graph.encode
// CHECK: "graph.matmul"
func.func @main(%x: tensor<8x64xbf16>, %y: tensor<64x32xbf16>) -> tensor<8x32xf32> {
  %2 = "graph.matmul"(%x, %y) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>], over = ["64"]} : (tensor<8x64xbf16>, tensor<64x32xbf16>) -> tensor<8x32xf32>
  func.return %2 : tensor<8x32xf32>
}
// -----
// Columns that are left over are filled by an encode of words.
// CHECK-LABEL: func.func @main
// CHECK: -> tensor<32x20xi32>
// CHECK: "graph.encode"
// CHECK: "graph.reshape"(%{{.*}}) {words}
func.func @main(%x: tensor<8x64xbf16>, %y: tensor<64x20xbf16>) -> tensor<8x20xf32> {
  %2 = "graph.matmul"(%x, %y) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>], over = ["64"]} : (tensor<8x64xbf16>, tensor<64x20xbf16>) -> tensor<8x20xf32>
  func.return %2 : tensor<8x20xf32>
}
