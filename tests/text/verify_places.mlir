// RUN: not dsc opt --passes= %s 2>&1 | FileCheck %s

// Where ops may stand, what they take and give, and what a value may be used for: rules of every level.
// `--passes=` reads the text, which verifies it.
// -----
// Scalar ops stand in regions of maps, not between tensors.
// CHECK: error: loop.exp: this op cannot stand here [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "loop.exp"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  func.return %x : tensor<4xf32>
}
// -----
// Tensors do not stand in a region of scalars.
// CHECK: error: graph.reshape: this op cannot stand here [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    %t = "graph.reshape"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    "graph.yield"(%a) : (f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xf32>
  func.return %x : tensor<4xf32>
}
// -----
// Ops of the plan do not stand between tensors.
// CHECK: error: plan.slice: this op cannot stand here [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "plan.slice"() {offset = "0", bytes = "16"} : () -> memref<?xf32>
  func.return %x : tensor<4xf32>
}
// -----
// A kernel of loops has no tensors.
// CHECK: error: graph.reshape: this op cannot stand here [DS0116]
func.func @k0(%x: memref<?xf32>) attributes {pieces = "1", scratch = [], symbols = []} {
  %t = "graph.reshape"(%x) : (memref<?xf32>) -> tensor<4xf32>
  func.return
}
// -----
// Tables say how many operands an op takes.
// CHECK: error: graph.reshape: 2 operands instead of: input [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.reshape"(%x, %x) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  func.return %x : tensor<4xf32>
}
// -----
// How many results.
// CHECK: error: graph.reshape: 2 results instead of: result [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0, %1 = "graph.reshape"(%x) : (tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  func.return %x : tensor<4xf32>
}
// -----
// How many regions.
// CHECK: error: graph.map: there are 0 regions instead of 1 [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.map"(%x) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xf32>
  func.return %x : tensor<4xf32>
}
// -----
// Nothing stands behind what ends a block.
// CHECK: error: graph.yield: a terminator is not the last op of its block [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    "graph.yield"(%a) : (f32) -> ()
    "graph.yield"(%a) : (f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xf32>
  func.return %x : tensor<4xf32>
}
// -----
// A function ends with its results.
// CHECK: error: function @main: a function does not end with func.return [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.reshape"(%x) : (tensor<4xf32>) -> tensor<4xf32>
}
// -----
// A relation that must hold has a name of ir/require.h.
// CHECK: error: graph.require: no relation of this name, or sides that are not expressions [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  "graph.require"() {is = "similar", left = "1", right = "1", node = "n", what = "w"} : () -> ()
  func.return %x : tensor<4xf32>
}
