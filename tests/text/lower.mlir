// RUN: dsc opt --passes=group,schedule,lower %s | FileCheck %s

// The second result lies where the first one did, which nothing needs any more; the last one goes where the caller wants it.
// CHECK-LABEL: func.func @main
// CHECK-SAME: arena = "64"
// CHECK: %[[A:.*]] = "plan.slice"() {offset = "0", bytes = "16"}
// CHECK: "plan.call"(%arg0, %[[A]])
// CHECK: %[[B:.*]] = "plan.slice"() {offset = "0", bytes = "16"}
// CHECK: "plan.call"(%[[A]], %[[B]])
// CHECK: "plan.call"(%[[B]], %arg1)
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    %e = "loop.exp"(%a) : (f32) -> f32
    "graph.yield"(%e) : (f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xf32>
  %1 = "graph.map"(%0) ({
  ^bb0(%a: f32):
    %e = "loop.neg"(%a) : (f32) -> f32
    "graph.yield"(%e) : (f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xf32>
  %2 = "graph.map"(%1) ({
  ^bb0(%a: f32):
    %e = "loop.abs"(%a) : (f32) -> f32
    "graph.yield"(%e) : (f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xf32>
  func.return %2 : tensor<4xf32>
}
