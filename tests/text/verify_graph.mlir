// RUN: not dsc opt --passes= %s 2>&1 | FileCheck %s

// Rules of tensor ops: maps, regions and types fit together.
// `--passes=` reads the text, which verifies it.
// -----
// There is one map for every operand.
// CHECK: error: graph.map: there is not one map for every operand [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    "graph.yield"(%a) : (f32) -> ()
  }) {maps = []} : (tensor<4xf32>) -> tensor<4xf32>
  func.return %x : tensor<4xf32>
}
// -----
// A map has the dims of the iteration space.
// CHECK: error: graph.map: a map does not fit the iteration space or its operand's rank [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    "graph.yield"(%a) : (f32) -> ()
  }) {maps = [affine_map<(d0, d1) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xf32>
  func.return %x : tensor<4xf32>
}
// -----
// And a result for every dim of its operand.
// CHECK: error: graph.map: a map does not fit the iteration space or its operand's rank [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    "graph.yield"(%a) : (f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0, 0)>]} : (tensor<4xf32>) -> tensor<4xf32>
  func.return %x : tensor<4xf32>
}
// -----
// There is one pad for every operand.
// CHECK: error: graph.map: there is not one pad for every operand [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    "graph.yield"(%a) : (f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0 - 1)>], pads = [0.0 : f64, 0.0 : f64]} : (tensor<4xf32>) -> tensor<4xf32>
  func.return %x : tensor<4xf32>
}
// -----
// A region takes a scalar of each operand.
// CHECK: error: graph.map: the region does not take a scalar of each operand, or does not yield one for each result [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.map"(%x) ({
  ^bb0(%a: i32):
    %b = "loop.cast"(%a) : (i32) -> f32
    "graph.yield"(%b) : (f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xf32>
  func.return %x : tensor<4xf32>
}
// -----
// And yields one for each result.
// CHECK: error: graph.map: the region does not take a scalar of each operand, or does not yield one for each result [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    "graph.yield"(%a, %a) : (f32, f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xf32>
  func.return %x : tensor<4xf32>
}
// -----
// Results of one op have one shape.
// CHECK: error: graph.map: results differ in shape [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0, %1 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    "graph.yield"(%a, %a) : (f32, f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> (tensor<4xf32>, tensor<3xf32>)
  func.return %x : tensor<4xf32>
}
// -----
// A reduction begins somewhere.
// CHECK: error: graph.reduce: there is not one initial value for every result [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.reduce"(%x) ({
  ^bb0(%a: f32):
    "graph.yield"(%a) : (f32) -> ()
  }, {
  ^bb0(%a: f32, %b: f32):
    %s = "loop.add"(%a, %b) : (f32, f32) -> f32
    "graph.yield"(%s) : (f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>], over = ["4"], init = []} : (tensor<4xf32>) -> tensor<f32>
  func.return %x : tensor<4xf32>
}
// -----
// Its second region takes two of each result.
// CHECK: error: graph.reduce: the second region does not combine accumulators and values into accumulators [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.reduce"(%x) ({
  ^bb0(%a: f32):
    "graph.yield"(%a) : (f32) -> ()
  }, {
  ^bb0(%a: f32):
    "graph.yield"(%a) : (f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>], over = ["4"], init = [0.0 : f64]} : (tensor<4xf32>) -> tensor<f32>
  func.return %x : tensor<4xf32>
}
// -----
// A position is that of a dim.
// CHECK: error: loop.position: no dimension of the iteration space [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    %p = "loop.position"() {dim = 1} : () -> index
    "graph.yield"(%a) : (f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xf32>
  func.return %x : tensor<4xf32>
}
// -----
// Products are summed in a type that holds every factor.
// CHECK: error: graph.matmul: an operand's elements are not all numbers of the result's [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.matmul"(%x, %x) {maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], over = ["4"]} : (tensor<4xf32>, tensor<4xf32>) -> tensor<f64>
  func.return %x : tensor<4xf32>
}
// -----
// That of bytes without a sign holds half of those with one.
// CHECK: error: graph.matmul: an operand's elements are not all numbers of the result's [DS0116]
func.func @main(%x: tensor<4xi8>) -> tensor<4xi8> {
  %0 = "graph.matmul"(%x, %x) {maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], over = ["4"]} : (tensor<4xi8>, tensor<4xi8>) -> tensor<ui32>
  func.return %x : tensor<4xi8>
}
// -----
// What a contraction says of its dims is what its maps say.
// CHECK: error: graph.matmul: d1 is of kind 'n' by the maps, not 'm' [DS0116]
func.func @main(%x: tensor<4x8xf32>, %y: tensor<8x3xf32>) -> tensor<4x3xf32> {
  %0 = "graph.matmul"(%x, %y) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>], over = ["8"], kinds = ["m", "m", "k"]} : (tensor<4x8xf32>, tensor<8x3xf32>) -> tensor<4x3xf32>
  func.return %0 : tensor<4x3xf32>
}
// -----
// A reduced dim is of the window only where it goes along with a dim of the result.
// CHECK: error: graph.conv: d3 is of kind 'k' by the maps, not 'window' [DS0116]
func.func @main(%x: tensor<1x4x8xf32>, %w: tensor<6x4x3xf32>) -> tensor<1x6x6xf32> {
  %0 = "graph.conv"(%x, %w) {maps = [affine_map<(d0, d1, d2, d3, d4) -> (d0, d3, d2 + d4)>, affine_map<(d0, d1, d2, d3, d4) -> (d1, d3, d4)>], over = ["4", "3"], kinds = ["m", "n", "m", "window", "window"]} : (tensor<1x4x8xf32>, tensor<6x4x3xf32>) -> tensor<1x6x6xf32>
  func.return %0 : tensor<1x6x6xf32>
}
// -----
// Every dim is of some kind.
// CHECK: error: graph.matmul: there is not one kind for every dim of the iteration space [DS0116]
func.func @main(%x: tensor<4x8xf32>, %y: tensor<8x3xf32>) -> tensor<4x3xf32> {
  %0 = "graph.matmul"(%x, %y) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>], over = ["8"], kinds = ["m", "n"]} : (tensor<4x8xf32>, tensor<8x3xf32>) -> tensor<4x3xf32>
  func.return %0 : tensor<4x3xf32>
}
// -----
// Of those that there are.
// CHECK: error: graph.matmul: d2 is of kind 'k' by the maps, not 'sum' [DS0116]
func.func @main(%x: tensor<4x8xf32>, %y: tensor<8x3xf32>) -> tensor<4x3xf32> {
  %0 = "graph.matmul"(%x, %y) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>], over = ["8"], kinds = ["m", "n", "sum"]} : (tensor<4x8xf32>, tensor<8x3xf32>) -> tensor<4x3xf32>
  func.return %0 : tensor<4x3xf32>
}
// -----
// Parts of a concat add up.
// CHECK: error: graph.concat: the inputs do not make up the result along the axis [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.concat"(%x, %x) {axis = 0} : (tensor<4xf32>, tensor<4xf32>) -> tensor<9xf32>
  func.return %x : tensor<4xf32>
}
// -----
// A view has the same elements.
// CHECK: error: graph.reshape: input and result do not have the same elements [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.reshape"(%x) : (tensor<4xf32>) -> tensor<2x3xf32>
  func.return %x : tensor<4xf32>
}
// -----
// Nor does what is packed go on behind what it is packed from.
// CHECK: error: graph.encode: input and result differ in more than their layout [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.encode"(%x) : (tensor<4xf32>) -> tensor<5xf32>
  func.return %x : tensor<4xf32>
}
// -----
// A layout changes nothing else.
// CHECK: error: graph.encode: input and result differ in more than their layout [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.encode"(%x) : (tensor<4xf32>) -> tensor<2x2xf32>
  func.return %x : tensor<4xf32>
}
// -----
// A constant's value is of its type.
// CHECK: error: graph.constant: the value has another type than the result [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.constant"() {value = dense<[1.0, 2.0]> : tensor<2xf32>} : () -> tensor<3xf32>
  func.return %x : tensor<4xf32>
}
// -----
// Integers that extents are, one for every element.
// CHECK: error: graph.index: there is not one expression for every element [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.index"() {values = ["1", "2"]} : () -> tensor<3xi64>
  func.return %x : tensor<4xf32>
}
// -----
// An element that is read lies within.
// CHECK: error: graph.item: the element is not one of an integer tensor [DS0116]
func.func @main(%x: tensor<4xf32>, %i: tensor<2xi64>) -> tensor<4xf32> {
  "graph.item"(%i) {symbol = "v_0", at = 2} : (tensor<2xi64>) -> ()
  func.return %x : tensor<4xf32>
}
// -----
// An element is read at as many positions as there are dims.
// CHECK: error: graph.extract: there is not one position for every dimension of a tensor, or the result has another element type [DS0116]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    %p = "loop.position"() {dim = 0} : () -> index
    %e = "graph.extract"(%x, %p, %p) : (tensor<4xf32>, index, index) -> f32
    "graph.yield"(%e) : (f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xf32>
  func.return %x : tensor<4xf32>
}
// -----
// Extents are not negative.
// CHECK: :[[@LINE+2]]:{{[0-9]+}}: error: an extent in 'dims' is negative [DS0102]
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.reshape"(%x) : (tensor<4xf32>) -> tensor<?xf32, {dims = ["-4"]}>
  func.return %x : tensor<4xf32>
}
// -----
// A scale is one of a block, as the zero points are.
// CHECK: error: graph.matmul: scales and zero points are not floats, or bytes, for the same blocks of products of f32 [DS0116]
func.func @main(%x: tensor<1x64xf32>, %w: tensor<32x64xi4>, %s: tensor<32x2xi8>) -> tensor<1x32xf32> {
  %0 = "graph.matmul"(%x, %w, %s) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d1, d2)>, affine_map<(d0, d1, d2) -> (d1, (d2 floordiv 32))>], over = ["64"], kinds = ["m", "n", "k"]} : (tensor<1x64xf32>, tensor<32x64xi4>, tensor<32x2xi8>) -> tensor<1x32xf32>
  func.return %0 : tensor<1x32xf32>
}
