// RUN: dsc opt --passes= %s | dsc opt --passes= - | FileCheck %s
// RUN: dsc opt --passes= %s | mlir-opt-19 --allow-unregistered-dialect | FileCheck %s --check-prefix=MLIR
#rows = {dims = ["batch", ""]}
module attributes {ds.symbols = {batch = "N"}} {
  // CHECK: func.func @main(%arg0: tensor<?x4xf32, {dims = ["batch", ""]}> {ds.name = "in"}) -> (tensor<?x4xf32, {dims = ["batch", ""]}> {ds.name = "out"})
  // MLIR: func.func @main
  func.func @main(%x: tensor<?x4xf32, #rows> {ds.name = "in"}) -> (tensor<?x4xf32, #rows> {ds.name = "out"}) {
    // CHECK: dense<{{\[}}[1.00000e+00, -2.50000e+00], [0.00000e+00, 3.00000e+30]]> : tensor<2x2xf32>
    %c = "graph.constant"() {value = dense<[[1.0, -2.5], [0.0, 3.0e30]]> : tensor<2x2xf32>} : () -> tensor<2x2xf32> loc("weight")
    // CHECK: dense<[true, false]> : tensor<2xi1>
    %d = "graph.constant"() {value = dense<[true, false]> : tensor<2xi1>} : () -> tensor<2xi1>
    // CHECK: {bytes = "007E", type = tensor<1xf16>}
    %e = "graph.constant"() {value = {bytes = "007E", type = tensor<1xf16>}} : () -> tensor<1xf16>
    // CHECK: "graph.map"
    // CHECK: {maps = [affine_map<(d0, d1)[batch] -> (batch - d0 - 1, d1)>], extra = {dims = 1, map = ["min(3, d0)"]}}
    %f = "graph.map"(%x) ({
    ^bb0(%a: f32):
      "graph.yield"(%a) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1)[batch] -> (-d0 + batch - 1, d1)>], extra = {dims = 1, map = ["min(d0, 3)"]}} : (tensor<?x4xf32, #rows>) -> tensor<?x4xf32, #rows> loc(fused["a", "b"])
    func.return %f : tensor<?x4xf32, #rows>
  }
}
