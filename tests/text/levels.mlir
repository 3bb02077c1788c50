// RUN: dsc opt --stop-after=group %s | FileCheck %s

// Text says which pass of the pipeline it is behind: the next ones take it on from there. Equal ops would have become one earlier; that
// is past.
// CHECK: module attributes {ds.after = "group"}
// CHECK-LABEL: @main
// CHECK-COUNT-2: "graph.kernel"(%arg0)
// CHECK-NOT: "graph.kernel"
module attributes {ds.after = "hoist"} {
  func.func @main(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
    %0 = "graph.map"(%x) ({
    ^bb0(%a: f32):
      %e = "loop.exp"(%a) : (f32) -> f32
      "graph.yield"(%e) : (f32) -> ()
    }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xf32>
    %1 = "graph.map"(%x) ({
    ^bb0(%a: f32):
      %e = "loop.exp"(%a) : (f32) -> f32
      "graph.yield"(%e) : (f32) -> ()
    }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xf32>
    func.return %0, %1 : tensor<4xf32>, tensor<4xf32>
  }
}
