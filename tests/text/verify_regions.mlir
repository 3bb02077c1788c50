// RUN: not dsc opt --passes= %s 2>&1 | FileCheck %s

// Kernels, branches, loops and recipes: what flows into regions and out of them.
// `--passes=` reads the text, which verifies it.
// -----
// A kernel reads its operands only.
// CHECK: error: graph.kernel: a kernel reads a value that is not one of its operands [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.kernel"(%x) ({
  ^bb0(%k: tensor<4xf32>):
    %m = "graph.map"(%x) ({
    ^bb0(%a: f32):
      "graph.yield"(%a) : (f32) -> ()
    }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xf32>
    "graph.yield"(%m) : (tensor<4xf32>) -> ()
  }) : (tensor<4xf32>) -> tensor<4xf32>
  func.return %x : tensor<4xf32>
}
// -----
// It gives what its region yields.
// CHECK: error: graph.kernel: operands, region arguments, yielded values and results do not fit together [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.kernel"(%x) ({
  ^bb0(%k: tensor<4xf32>):
    %m = "graph.map"(%k) ({
    ^bb0(%a: f32):
      "graph.yield"(%a) : (f32) -> ()
    }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xf32>
    "graph.yield"(%m) : (tensor<4xf32>) -> ()
  }) : (tensor<4xf32>) -> tensor<3xf32>
  func.return %x : tensor<4xf32>
}
// -----
// Its schedule has levels of kinds that there are.
// CHECK: error: graph.kernel: kind cannot be 'grit' [DS0121]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.kernel"(%x) ({
  ^bb0(%k: tensor<4xf32>):
    %m = "graph.map"(%k) ({
    ^bb0(%a: f32):
      "graph.yield"(%a) : (f32) -> ()
    }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xf32>
    "graph.yield"(%m) : (tensor<4xf32>) -> ()
  }) {schedule = {program = "points", levels = [{axis = "d0", kind = "grit", step = 4, tail = "guard"}]}} : (tensor<4xf32>) -> tensor<4xf32>
  func.return %x : tensor<4xf32>
}
// -----
// A step is at least 1.
// CHECK: error: graph.kernel: there is no good integer for 'step' [DS0121]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.kernel"(%x) ({
  ^bb0(%k: tensor<4xf32>):
    %m = "graph.map"(%k) ({
    ^bb0(%a: f32):
      "graph.yield"(%a) : (f32) -> ()
    }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xf32>
    "graph.yield"(%m) : (tensor<4xf32>) -> ()
  }) {schedule = {program = "points", levels = [{axis = "d0", kind = "grid", step = 0, tail = "guard"}]}} : (tensor<4xf32>) -> tensor<4xf32>
  func.return %x : tensor<4xf32>
}
// -----
// A branch gives values of the results' types.
// CHECK: error: graph.if: the condition is not one bool, or a branch does not give values of the results' types [DS0116]
func.func @main(%x: tensor<4xf32>, %c: tensor<i1>) -> tensor<4xf32> {
  %0 = "graph.if"(%c) ({
    "graph.yield"(%x) : (tensor<4xf32>) -> ()
  }, {
    "graph.yield"(%c) : (tensor<i1>) -> ()
  }) : (tensor<i1>) -> tensor<4xf32>
  func.return %x : tensor<4xf32>
}
// -----
// A condition is one bool.
// CHECK: error: graph.if: the condition is not one bool, or a branch does not give values of the results' types [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.if"(%x) ({
    "graph.yield"(%x) : (tensor<4xf32>) -> ()
  }, {
    "graph.yield"(%x) : (tensor<4xf32>) -> ()
  }) : (tensor<4xf32>) -> tensor<4xf32>
  func.return %x : tensor<4xf32>
}
// -----
// What turns carry keeps its type.
// CHECK: error: graph.loop: initial values, region arguments, yielded values and results do not fit together [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.loop"(%x) ({
  ^bb0(%c: tensor<4xf32>):
    %v = "graph.reshape"(%c) : (tensor<4xf32>) -> tensor<2x2xf32>
    "graph.yield"(%v) : (tensor<2x2xf32>) -> ()
  }) {counter = "t", extent = "3"} : (tensor<4xf32>) -> tensor<4xf32>
  func.return %x : tensor<4xf32>
}
// -----
// A recipe is a result of @constants.
// CHECK: error: function @main: @constants does not give the result that an argument stands for [DS0116]
func.func @main(%x: tensor<4xf32>, %p: tensor<4xf32> {ds.recipe = 1}) -> tensor<4xf32> {
  func.return %p : tensor<4xf32>
}
func.func @constants(%w: tensor<4xf32> {ds.constant = dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>}) -> tensor<4xf32> {
  %0 = "graph.reshape"(%w) : (tensor<4xf32>) -> tensor<4xf32>
  func.return %0 : tensor<4xf32>
}
// -----
// Arguments of @constants are constants.
// CHECK: error: function @constants: an argument of @constants is not a constant of its type [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  func.return %x : tensor<4xf32>
}
func.func @constants(%w: tensor<4xf32>) -> tensor<4xf32> {
  func.return %w : tensor<4xf32>
}
// -----
// Descriptions of arguments have kinds, too.
// CHECK: error: function @main: there are not as many descriptions as arguments and results, or one is of another kind [DS0116]
func.func @main(%x: tensor<4xf32> {ds.name = 5}) -> tensor<4xf32> {

  func.return %x : tensor<4xf32>
}
