// RUN: not dsc opt --passes= %s 2>&1 | FileCheck %s

// Attributes have kinds, which the op tables name (ir/schema.h), and symbols are defined by something.
// `--passes=` reads the text, which verifies it.
// -----
// One that must be there.
// CHECK: error: graph.matmul: attribute 'over' of kind 'exprs' is missing [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.matmul"(%x, %x) {maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>]} : (tensor<4xf32>, tensor<4xf32>) -> tensor<f32>
  func.return %x : tensor<4xf32>
}
// -----
// An integer that is a string.
// CHECK: error: graph.concat: attribute 'axis' is not of kind 'int' [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.concat"(%x, %x) {axis = "first"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<8xf32>
  func.return %x : tensor<4xf32>
}
// -----
// A list of maps that is one map.
// CHECK: error: graph.map: attribute 'maps' is not of kind 'maps' [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    "graph.yield"(%a) : (f32) -> ()
  }) {maps = affine_map<(d0) -> (d0)>} : (tensor<4xf32>) -> tensor<4xf32>
  func.return %x : tensor<4xf32>
}
// -----
// A string that is no expression.
// CHECK: error: graph.reduce: attribute 'over' is not of kind 'exprs' [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.reduce"(%x) ({
  ^bb0(%a: f32):
    "graph.yield"(%a) : (f32) -> ()
  }, {
  ^bb0(%a: f32, %b: f32):
    %s = "loop.add"(%a, %b) : (f32, f32) -> f32
    "graph.yield"(%s) : (f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>], over = ["4 +"], init = [0.0 : f64]} : (tensor<4xf32>) -> tensor<f32>
  func.return %x : tensor<4xf32>
}
// -----
// A symbol in a map that neither inputs nor ops define.
// CHECK: error: graph.map: nothing defines symbol 'n' [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    "graph.yield"(%a) : (f32) -> ()
  }) {maps = [affine_map<(d0)[n] -> (d0 + n)>]} : (tensor<4xf32>) -> tensor<4xf32>
  func.return %x : tensor<4xf32>
}
// -----
// In an extent of a result.
// CHECK: error: graph.map: nothing defines symbol 'n' [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    "graph.yield"(%a) : (f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<?xf32, {dims = ["n"]}>
  func.return %x : tensor<4xf32>
}
