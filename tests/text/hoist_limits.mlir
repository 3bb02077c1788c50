// RUN: dsc opt --passes=hoist --verify-each %s | FileCheck %s

// Which values become recipes, and which are computed by every run.
// -----
// A fill is small in a file and may be anything in memory: this one is 1.6 GB, and stays where it is.
// CHECK-LABEL: func.func @main
// CHECK-NOT: ds.recipe
// CHECK: "graph.map"() ({
// CHECK-NOT: @constants
func.func @main(%x: tensor<20000x20000xf32>) -> tensor<20000x20000xf32> {
  %0 = "graph.map"() ({
    %c = "loop.constant"() {value = 1.5 : f64} : () -> f32
    "graph.yield"(%c) : (f32) -> ()
  }) {maps = []} : () -> tensor<20000x20000xf32>
  %1 = "graph.concat"(%0, %x) {axis = 0} : (tensor<20000x20000xf32>, tensor<20000x20000xf32>) -> tensor<40000x20000xf32>
  %2 = "graph.map"(%1) ({
  ^bb0(%a: f32):
    "graph.yield"(%a) : (f32) -> ()
  }) {maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<40000x20000xf32>) -> tensor<20000x20000xf32>
  func.return %2 : tensor<20000x20000xf32>
}
// -----
// One of 4 MB is a recipe. What would take 27 thousand million products is not, though its operands are known: only they are hoisted.
// CHECK-LABEL: func.func @main(%arg0: tensor<3000x3000xf32> {ds.name = "x"}, %arg1: tensor<3000x3000xf32> {ds.recipe = 0})
// CHECK: "graph.matmul"(%arg1, %arg1)
// CHECK-LABEL: func.func @constants()
// CHECK: "graph.map"() ({
// CHECK-NOT: "graph.matmul"
func.func @main(%x: tensor<3000x3000xf32>) -> tensor<3000x3000xf32> {
  %0 = "graph.map"() ({
    %c = "loop.constant"() {value = 1.5 : f64} : () -> f32
    "graph.yield"(%c) : (f32) -> ()
  }) {maps = []} : () -> tensor<3000x3000xf32>
  %1 = "graph.matmul"(%0, %0) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>], over = ["3000"]} : (tensor<3000x3000xf32>, tensor<3000x3000xf32>) -> tensor<3000x3000xf32>
  func.return %1 : tensor<3000x3000xf32>
}
// -----
// Where a constant is read depends on a symbol: that makes it depend on the run.
// CHECK-LABEL: func.func @main
// CHECK-NOT: ds.recipe
// CHECK: (d0)[n] -> (n - d0 - 1)
// CHECK-NOT: @constants
func.func @main(%x: tensor<?xf32, {dims = ["n"]}>) -> tensor<2xf32> {
  %w = "graph.constant"() {value = dense<[1.0, 2.0, 3.0]> : tensor<3xf32>} : () -> tensor<3xf32>
  %0 = "graph.map"(%w) ({
  ^bb0(%a: f32):
    "graph.yield"(%a) : (f32) -> ()
  }) {maps = [affine_map<(d0)[n] -> (n - d0 - 1)>]} : (tensor<3xf32>) -> tensor<2xf32>
  func.return %0 : tensor<2xf32>
}
// -----
// So does a tensor that a region reads.
// CHECK-LABEL: func.func @main
// CHECK-NOT: ds.recipe
// CHECK: "graph.extract"(%arg0,
// CHECK-NOT: @constants
func.func @main(%x: tensor<4xf32>) -> tensor<3xf32> {
  %w = "graph.constant"() {value = dense<[1, 0, 2]> : tensor<3xi64>} : () -> tensor<3xi64>
  %0 = "graph.map"(%w) ({
  ^bb0(%i: i64):
    %at = "loop.cast"(%i) : (i64) -> index
    %e = "graph.extract"(%x, %at) : (tensor<4xf32>, index) -> f32
    "graph.yield"(%e) : (f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<3xi64>) -> tensor<3xf32>
  func.return %0 : tensor<3xf32>
}
// -----
// A view of a constant needs no recipe: it is the same bytes.
// CHECK-LABEL: func.func @main
// CHECK-NOT: ds.recipe
// CHECK: %[[W:.*]] = "graph.constant"
// CHECK: "graph.reshape"(%[[W]])
func.func @main(%x: tensor<2x2xf32>) -> tensor<4x2xf32> {
  %w = "graph.constant"() {value = dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>} : () -> tensor<4xf32>
  %0 = "graph.reshape"(%w) : (tensor<4xf32>) -> tensor<2x2xf32>
  %1 = "graph.concat"(%0, %x) {axis = 0} : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  func.return %1 : tensor<4x2xf32>
}
// -----
// What a branch computes of constants is computed once as well.
// CHECK-LABEL: func.func @main(%arg0: tensor<2xf32> {ds.name = "x"}, %arg1: tensor<i1> {ds.name = "c"}, %arg2: tensor<2xf32> {ds.recipe = 0})
// CHECK: "graph.if"(%arg1)
// CHECK-NEXT: "graph.yield"(%arg2)
// CHECK-LABEL: func.func @constants(%arg0: tensor<2xf32> {ds.constant = dense<[1.00000e+00, 2.00000e+00]> : tensor<2xf32>})
// CHECK: "loop.exp"
func.func @main(%x: tensor<2xf32>, %c: tensor<i1>) -> tensor<2xf32> {
  %w = "graph.constant"() {value = dense<[1.0, 2.0]> : tensor<2xf32>} : () -> tensor<2xf32>
  %0 = "graph.if"(%c) ({
    %1 = "graph.map"(%w) ({
    ^bb0(%a: f32):
      %e = "loop.exp"(%a) : (f32) -> f32
      "graph.yield"(%e) : (f32) -> ()
    }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<2xf32>) -> tensor<2xf32>
    "graph.yield"(%1) : (tensor<2xf32>) -> ()
  }, {
    "graph.yield"(%x) : (tensor<2xf32>) -> ()
  }) : (tensor<i1>) -> tensor<2xf32>
  func.return %0 : tensor<2xf32>
}
