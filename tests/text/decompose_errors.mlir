// RUN: not dsc opt --passes=decompose %s 2>&1 | FileCheck %s

// What a model gets wrong, or dsc does not do, is said in words, with the node's name and a stable number.
// -----
// Two extents are known, and differ.
// CHECK: error: node 'product' (MatMul): it must be that two extents are equal, but not 3 == 4 [DS0112]
func.func @main(%x: tensor<2x3xf32>, %y: tensor<4x5xf32>) -> tensor<2x5xf32> {
  %0 = "onnx.MatMul"(%x, %y) : (tensor<2x3xf32>, tensor<4x5xf32>) -> none loc("product")
  func.return %0 : none
}
// -----
// Neither equal nor 1.
// CHECK: error: Add: it must be that two extents are equal, but not 3 == 4 [DS0112]
func.func @main(%x: tensor<2x3xf32>, %y: tensor<4xf32>) -> tensor<2x3xf32> {
  %0 = "onnx.Add"(%x, %y) : (tensor<2x3xf32>, tensor<4xf32>) -> none
  func.return %0 : none
}
// -----
// Operands of one op have one element type.
// CHECK: error: Add: operands have element types f32 and i32 [DS0113]
func.func @main(%x: tensor<2x3xf32>, %y: tensor<3xi32>) -> tensor<2x3xf32> {
  %0 = "onnx.Add"(%x, %y) : (tensor<2x3xf32>, tensor<3xi32>) -> none
  func.return %0 : none
}
// -----
// A form that ONNX does not have: its tables say which types there are (forms.def).
// CHECK: error: Exp: operand 0 has element type i32 [DS0302]
func.func @main(%x: tensor<2x3xi32>) -> tensor<2x3xi32> {
  %0 = "onnx.Exp"(%x) : (tensor<2x3xi32>) -> none
  func.return %0 : none
}
// -----
// An attribute's value.
// CHECK: error: Transpose: 'perm' is not a permutation [DS0114]
func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = "onnx.Transpose"(%x) {perm = [0, 0]} : (tensor<2x3xf32>) -> none
  func.return %0 : none
}
// -----
// An axis that is none.
// CHECK: error: Softmax: axis 2 is outside a tensor of rank 2 [DS0114]
func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = "onnx.Softmax"(%x) {axis = 2} : (tensor<2x3xf32>) -> none
  func.return %0 : none
}
// -----
// All operators that are not supported are named at once.
// CHECK: error: Unheard: operator onnx.Unheard is not supported [DS0300]
// CHECK: error: OfToo: operator onnx.OfToo is not supported [DS0300]
func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = "onnx.Unheard"(%x) : (tensor<2x3xf32>) -> none
  %1 = "onnx.OfToo"(%0) : (none) -> none
  func.return %1 : none
}
// -----
// Another number of elements.
// CHECK: error: Reshape: it must be that two extents are equal, but not 6 == 4 [DS0112]
func.func @main(%x: tensor<6xf32>) -> tensor<2x2xf32> {
  %t = "onnx.Constant"() {value = dense<[2, 2]> : tensor<2xi64>} : () -> none
  %0 = "onnx.Reshape"(%x, %t) : (tensor<6xf32>, none) -> none
  func.return %0 : none
}
// -----
// A filter for other channels.
// CHECK: error: Conv: it must be that the input has the channels of the weight, for each group, but not 4 == 3 [DS0112]
func.func @main(%x: tensor<1x4x9xf32>, %w: tensor<6x3x3xf32>) -> tensor<1x6x7xf32> {
  %0 = "onnx.Conv"(%x, %w) : (tensor<1x4x9xf32>, tensor<6x3x3xf32>) -> none
  func.return %0 : none
}
// -----
// An attribute that must be there.
// CHECK: error: Cast: attribute 'to' is missing [DS0114]
func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = "onnx.Cast"(%x) : (tensor<2x3xf32>) -> none
  func.return %0 : none
}
// -----
// Refused: strings.
// CHECK: error: Cast: conversion from f32 to !ds.string [DS0301]
func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = "onnx.Cast"(%x) {to = 8} : (tensor<2x3xf32>) -> none
  func.return %0 : none
}
// -----
// Refused: a rank that only the run knows.
// CHECK: error: Expand: a shape or index list whose length is known only at run time [DS0301]
func.func @main(%x: tensor<2x3xf32>, %n: tensor<?xi64, {dims = ["r"]}>) -> tensor<2x3xf32> {
  %0 = "onnx.Expand"(%x, %n) : (tensor<2x3xf32>, tensor<?xi64, {dims = ["r"]}>) -> none
  func.return %0 : none
}
// -----
// Letters of one equation stand for one extent each.
// CHECK: error: Einsum: it must be that two extents are equal, but not 3 == 2 [DS0112]
func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = "onnx.Einsum"(%x, %x) {equation = "ij,jk->ik"} : (tensor<2x3xf32>, tensor<2x3xf32>) -> none
  func.return %0 : none
}
// -----
// A word that the attribute does not have.
// CHECK: error: Resize: attribute 'mode' is 'wavelet' instead of one of: nearest linear bilinear cubic [DS0114]
func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = "onnx.Resize"(%x) {mode = "wavelet"} : (tensor<2x3xf32>) -> none
  func.return %0 : none
}
