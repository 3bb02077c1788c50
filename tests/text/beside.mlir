// RUN: dsc opt --passes=group,schedule,lower %s | FileCheck %s

// Products of one left-hand side need not wait for each other: the last one moves up, the middle one needs a sum of the first. What
// entry checks stands in nobody's way.
// CHECK-LABEL: func.func @main
// CHECK: "plan.require"() {is = "at_most", left = "seq", node = "node 'a' (Add)", right = "512", what = "it is short"}
// CHECK: %[[X:.*]] = "plan.slice"
// CHECK: "plan.call"(%arg0, %[[X]])
// CHECK-NOT: beside
// CHECK: "plan.call"(%[[X]], %arg1, %[[Q:arg[0-9]+]])
// CHECK-NOT: beside
// CHECK: "plan.call"(%[[X]], %arg3,
// CHECK-SAME: beside
// CHECK: "plan.call"(%[[Q]],
// CHECK-NOT: beside
// CHECK: "plan.call"(%[[X]], %arg2,
// CHECK-NOT: beside
func.func @main(%a: tensor<4x8xf32>, %q: tensor<8x16xf32>, %k: tensor<8x16xf32>, %v: tensor<8x16xf32>, %length: tensor<?xf32, {dims = ["seq"]}>) -> (tensor<4x16xf32>, tensor<4x16xf32>, tensor<4x16xf32>) {
  "graph.require"() {is = "at_most", left = "seq", node = "node 'a' (Add)", right = "512", what = "it is short"} : () -> ()
  %x = "graph.map"(%a) ({
  ^bb0(%e: f32):
    %n = "loop.exp"(%e) : (f32) -> f32
    "graph.yield"(%n) : (f32) -> ()
  }) {maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %0 = "graph.matmul"(%x, %q) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>], over = ["8"]} : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %1 = "graph.matmul"(%x, %k) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>], over = ["8"]} : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %2 = "graph.reduce"(%0) ({
  ^bb0(%e: f32):
    "graph.yield"(%e) : (f32) -> ()
  }, {
  ^bb0(%e: f32, %f: f32):
    %s = "loop.add"(%e, %f) : (f32, f32) -> f32
    "graph.yield"(%s) : (f32) -> ()
  }) {maps = [affine_map<(d0, d1) -> (d1, d0)>], over = ["4"], init = [0.0 : f64]} : (tensor<4x16xf32>) -> tensor<16xf32>
  %3 = "graph.matmul"(%x, %v) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>], over = ["8"]} : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %4 = "graph.map"(%1, %2) ({
  ^bb0(%e: f32, %f: f32):
    %s = "loop.add"(%e, %f) : (f32, f32) -> f32
    "graph.yield"(%s) : (f32) -> ()
  }) {maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>]} : (tensor<4x16xf32>, tensor<16xf32>) -> tensor<4x16xf32>
  func.return %0, %4, %3 : tensor<4x16xf32>, tensor<4x16xf32>, tensor<4x16xf32>
}
