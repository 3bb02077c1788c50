// RUN: not dsc opt --passes= %s 2>&1 | FileCheck %s

// What is wrong with text is said with its line and column.
// -----
// A value that is none.
// CHECK: error: line [[@LINE+2]], column {{[0-9]+}}: value %nowhere is not defined [DS0102]
func.func @f(%x: tensor<2xf32>) -> tensor<2xf32> {
  %0 = "graph.reshape"(%nowhere) : (tensor<2xf32>) -> tensor<2xf32>
  func.return %0 : tensor<2xf32>
}
// -----
// What a region defines is not known behind it.
// CHECK: error: line [[@LINE+7]], column {{[0-9]+}}: value %i is not defined [DS0102]
func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.loop"(%x) ({
  ^bb0(%c: tensor<4xf32>):
    %i = "graph.reshape"(%c) : (tensor<4xf32>) -> tensor<4xf32>
    "graph.yield"(%i) : (tensor<4xf32>) -> ()
  }) {counter = "t", extent = "3"} : (tensor<4xf32>) -> tensor<4xf32>
  %1 = "graph.reshape"(%i) : (tensor<4xf32>) -> tensor<4xf32>
  func.return %1 : tensor<4xf32>
}
// -----
// A name stands for one value.
// CHECK: error: line [[@LINE+2]], column {{[0-9]+}}: value %x is defined twice [DS0102]
func.func @f(%x: tensor<2xf32>) -> tensor<2xf32> {
  %x = "graph.reshape"(%x) : (tensor<2xf32>) -> tensor<2xf32>
  func.return %x : tensor<2xf32>
}
// -----
// A type for each result.
// CHECK: error: line [[@LINE+2]], column {{[0-9]+}}: results and their types differ in number [DS0102]
func.func @f(%x: tensor<2xf32>) -> tensor<2xf32> {
  %0, %1 = "graph.reshape"(%x) : (tensor<2xf32>) -> tensor<2xf32>
  func.return %0 : tensor<2xf32>
}
// -----
// Aliases stand at the top.
// CHECK: error: line [[@LINE+1]], column {{[0-9]+}}: no such alias [DS0102]
func.func @f(%x: tensor<?xf32, #rows>) -> tensor<?xf32, #rows> {
  func.return %x : tensor<?xf32, #rows>
}
// -----
// Extents are expressions: a quotient is written floordiv.
// CHECK: error: line [[@LINE+1]], column {{[0-9]+}}: an extent in 'dims' is not an expression [DS0102]
func.func @f(%x: tensor<?xf32, {dims = ["n / 2"]}>) {
  func.return
}
// -----
// A use of another type than the definition.
// CHECK: error: line [[@LINE+2]], column {{[0-9]+}}: an operand's type is not the one it was defined with [DS0102]
func.func @f(%x: tensor<2xf32>) -> tensor<2xf32> {
  %0 = "graph.reshape"(%x) : (tensor<3xf32>) -> tensor<3xf32>
  func.return %0 : tensor<3xf32>
}
