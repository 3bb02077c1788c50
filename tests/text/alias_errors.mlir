// RUN: not dsc opt --cpu=x86-64-v3 %s 2>&1 | FileCheck %s

// Aliases that cannot be: both tensors are named, and why.
// -----
// Of another element type.
// CHECK: error: {{.*}}result 'y', tensor<4xf16>, cannot lie in the memory of argument 'x', tensor<4xf32>: they have different element types
func.func @main(%x: tensor<4xf32>) -> (tensor<4xf16> {ds.alias = 0}) {
  %y = "onnx.Cast"(%x) {to = 10} : (tensor<4xf32>) -> none
  func.return %y : none
}
// -----
// Of another rank.
// CHECK: error: {{.*}}result 'y', tensor<4x1xf32>, cannot lie in the memory of argument 'x', tensor<4xf32>: they have different ranks
func.func @main(%x: tensor<4xf32>) -> (tensor<4x1xf32> {ds.alias = 0}) {
  %a = "onnx.Constant"() {value = dense<[1]> : tensor<1xi64>} : () -> none
  %y = "onnx.Unsqueeze"(%x, %a) : (tensor<4xf32>, none) -> none
  func.return %y : none
}
// -----
// A cache that grows between others: rows of the second head would have to move.
// CHECK: error: result 'present', tensor<2x?x4xf32, {dims = ["", "past + 1", ""]}>, cannot lie in the memory of argument 'past', tensor<2x?x4xf32, {dims = ["", "past", ""]}>: they differ along dim 1, and where that is not the outermost one, what is there would have to move [DS0301]
func.func @main(%past: tensor<2x?x4xf32, {dims = ["", "past", ""]}>, %x: tensor<2x1x4xf32>) -> (none {ds.alias = 0}) {
  %present = "onnx.Concat"(%past, %x) {axis = 1} : (tensor<2x?x4xf32, {dims = ["", "past", ""]}>, tensor<2x1x4xf32>) -> none
  func.return %present : none
}
// -----
// New rows in front of the old ones.
// CHECK: error: result 'present' cannot lie in the memory of argument 'past': it is not made by changing that in place
func.func @main(%past: tensor<?x4xf32, {dims = ["past", ""]}>, %x: tensor<1x4xf32>) -> (none {ds.alias = 0}) {
  %present = "onnx.Concat"(%x, %past) {axis = 0} : (tensor<1x4xf32>, tensor<?x4xf32, {dims = ["past", ""]}>) -> none
  func.return %present : none
}
// -----
// What is read afterwards.
// CHECK: error: result 'y' cannot lie in the memory of argument 'x': {{.*}} or the argument is read afterwards [DS0301]
func.func @main(%x: tensor<5x4xf32>, %i: tensor<3x1xi64>, %u: tensor<3x4xf32>) -> (tensor<5x4xf32> {ds.alias = 0}, none) {
  %y = "onnx.ScatterND"(%x, %i, %u) : (tensor<5x4xf32>, tensor<3x1xi64>, tensor<3x4xf32>) -> none
  %z = "onnx.Add"(%x, %y) : (tensor<5x4xf32>, none) -> none
  func.return %y, %z : none, none
}
// -----
// Points that go elsewhere.
// CHECK: error: result 'y' cannot lie in the memory of argument 'x'
func.func @main(%x: tensor<4x4xf32>) -> (tensor<4x4xf32> {ds.alias = 0}) {
  %y = "onnx.Transpose"(%x) {perm = [1, 0]} : (tensor<4x4xf32>) -> none
  func.return %y : none
}
// -----
// Two results in one place.
// CHECK: error: {{.*}}results 'y' and 'z' cannot both lie in the memory of 'x'
func.func @main(%x: tensor<4xf32>) -> (tensor<4xf32> {ds.alias = 0}, tensor<4xf32> {ds.alias = 0}) {
  %y = "onnx.Relu"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %z = "onnx.Neg"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  func.return %y, %z : tensor<4xf32>, tensor<4xf32>
}
// -----
// No such argument.
// CHECK: error: {{.*}}'ds.alias' of result 0 is not the number of an argument
func.func @main(%x: tensor<4xf32>) -> (tensor<4xf32> {ds.alias = 1}) {
  %y = "onnx.Relu"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}
// -----
// Of a plan, too.
// CHECK: error: {{.*}}result 'output_0', tensor<8xf32>, cannot lie in the memory of argument 'input_0', tensor<4xi32>
func.func @main(%x: memref<?xi32>, %y: memref<?xf32>) attributes {inputs = [tensor<4xi32>], outputs = [tensor<8xf32>], result_attrs = [{ds.alias = 0}], arena = "64", lane_bytes = "0"} {
  func.return
}
