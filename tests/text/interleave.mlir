// RUN: dsc opt --passes=group,schedule,lower --verify-each %s | FileCheck %s

// A channel shuffle: the lanes read in turns from two places, at each of them neighbours.
// CHECK: "loop.for"
// CHECK: %[[AT:.*]] = "loop.div"
// CHECK: %[[A:.*]] = "loop.load"(%arg0, %{{.*}}, %[[AT]]) {map = affine_map<(d0, d1) -> (d0 * 32 + d1)>}
// CHECK: %[[B:.*]] = "loop.load"(%arg0, %{{.*}}, %[[AT]]) {map = affine_map<(d0, d1) -> (d0 * 32 + d1 + 16)>}
// CHECK: "loop.interleave"(%[[A]], %[[B]])
func.func @main(%x: tensor<4x32xf32>) -> tensor<4x32xf32> {
  %0 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    %e = "loop.neg"(%a) : (f32) -> f32
    "graph.yield"(%e) : (f32) -> ()
  }) {maps = [affine_map<(d0, d1) -> (d0, (d1 floordiv 2) + (d1 mod 2) * 16)>]} : (tensor<4x32xf32>) -> tensor<4x32xf32>
  func.return %0 : tensor<4x32xf32>
}
