// RUN: not dsc opt --passes= %s 2>&1 | FileCheck %s

// What is wrong with text is said with its line and column.
// -----
// A value that is none.
// CHECK: :[[@LINE+2]]:{{[0-9]+}}: error: value %nowhere is not defined [DS0102]
func.func @f(%x: tensor<2xf32>) -> tensor<2xf32> {
  %0 = "graph.reshape"(%nowhere) : (tensor<2xf32>) -> tensor<2xf32>
  func.return %0 : tensor<2xf32>
}
// -----
// What a region defines is not known behind it.
// CHECK: :[[@LINE+7]]:{{[0-9]+}}: error: value %i is not defined [DS0102]
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
// CHECK: :[[@LINE+2]]:{{[0-9]+}}: error: value %x is defined twice [DS0102]
func.func @f(%x: tensor<2xf32>) -> tensor<2xf32> {
  %x = "graph.reshape"(%x) : (tensor<2xf32>) -> tensor<2xf32>
  func.return %x : tensor<2xf32>
}
// -----
// A type for each result.
// CHECK: :[[@LINE+2]]:{{[0-9]+}}: error: there are 2 results before '=' and 1 types of results [DS0102]
func.func @f(%x: tensor<2xf32>) -> tensor<2xf32> {
  %0, %1 = "graph.reshape"(%x) : (tensor<2xf32>) -> tensor<2xf32>
  func.return %0 : tensor<2xf32>
}
// -----
// Aliases stand at the top.
// CHECK: :[[@LINE+1]]:{{[0-9]+}}: error: no attribute is called #rows [DS0102]
func.func @f(%x: tensor<?xf32, #rows>) -> tensor<?xf32, #rows> {
  func.return %x : tensor<?xf32, #rows>
}
// -----
// Extents are expressions: a quotient is written floordiv.
// CHECK: :[[@LINE+1]]:{{[0-9]+}}: error: an extent in 'dims' is not an expression: 'n / 2' [DS0102]
func.func @f(%x: tensor<?xf32, {dims = ["n / 2"]}>) {
  func.return
}
// -----
// A use of another type than the definition.
// CHECK: :[[@LINE+2]]:{{[0-9]+}}: error: operand 0, %x, was defined as tensor<2xf32>, not as tensor<3xf32> [DS0102]
func.func @f(%x: tensor<2xf32>) -> tensor<2xf32> {
  %0 = "graph.reshape"(%x) : (tensor<3xf32>) -> tensor<3xf32>
  func.return %0 : tensor<3xf32>
}

// -----
// An alias has one meaning.
// CHECK: :[[@LINE+3]]:{{[0-9]+}}: error: alias 'a' is defined twice [DS0102]
!a = tensor<2xf32>
!b = tensor<3xf32>
!a = tensor<4xf32>
func.func @f(%x: !b) -> !b {
  func.return %x : !b
}
