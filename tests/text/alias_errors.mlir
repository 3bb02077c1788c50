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
// A cache that grows between others, in front of what is there: that would have to move.
// CHECK: error: result 'present' cannot lie in the memory of argument 'past': they differ along dim 1, and it is no Concat of new rows behind those of the argument [DS0301]
func.func @main(%past: tensor<2x?x4xf32, {dims = ["", "past", ""]}>, %x: tensor<2x1x4xf32>) -> (none {ds.alias = 0}) {
  %present = "onnx.Concat"(%x, %past) {axis = 1} : (tensor<2x1x4xf32>, tensor<2x?x4xf32, {dims = ["", "past", ""]}>) -> none
  func.return %present : none
}
// -----
// The same behind itself.
// CHECK: error: result 'present' cannot lie in the memory of argument 'past': they differ along dim 1, and it is no Concat of new rows
func.func @main(%past: tensor<2x?x4xf32, {dims = ["", "past", ""]}>) -> (none {ds.alias = 0}) {
  %present = "onnx.Concat"(%past, %past) {axis = 1} : (tensor<2x?x4xf32, {dims = ["", "past", ""]}>, tensor<2x?x4xf32, {dims = ["", "past", ""]}>) -> none
  func.return %present : none
}
// -----
// New rows whose number is counted while running.
// CHECK: error: result 'present' cannot lie in the memory of argument 'past': they differ along dim 1, and how many rows are new is known only when others have been computed
func.func @main(%past: tensor<2x?x4xf32, {dims = ["", "past", ""]}>, %x: tensor<2x9x4xf32>, %c: tensor<9xi1>) -> (none {ds.alias = 0}) {
  %n = "onnx.Compress"(%x, %c) {axis = 1} : (tensor<2x9x4xf32>, tensor<9xi1>) -> none
  %present = "onnx.Concat"(%past, %n) {axis = 1} : (tensor<2x?x4xf32, {dims = ["", "past", ""]}>, none) -> none
  func.return %present : none
}
// -----
// Elements that share bytes.
// CHECK: error: result 'present' cannot lie in the memory of argument 'past': they differ along dim 1, and several of its elements share a byte
func.func @main(%past: tensor<2x?x4xi4, {dims = ["", "past", ""]}>, %x: tensor<2x1x4xi4>) -> (none {ds.alias = 0}) {
  %present = "onnx.Concat"(%past, %x) {axis = 1} : (tensor<2x?x4xi4, {dims = ["", "past", ""]}>, tensor<2x1x4xi4>) -> none
  func.return %present : none
}
// -----
// More than one dim.
// CHECK: error: {{.*}}result 'y', tensor<3x5xf32>, cannot lie in the memory of argument 'x', tensor<2x4xf32>: they differ along more than one dim
func.func @main(%x: tensor<2x4xf32>) -> (tensor<3x5xf32> {ds.alias = 0}) {
  %p = "onnx.Constant"() {value = dense<[0, 0, 1, 1]> : tensor<4xi64>} : () -> none
  %y = "onnx.Pad"(%x, %p) : (tensor<2x4xf32>, none) -> none
  func.return %y : none
}
// -----
// What was there is read behind what writes new rows.
// CHECK: error: result 'present' cannot lie in the memory of argument 'past': {{.*}} or the argument is read afterwards
!past = tensor<2x?x4xf32, {dims = ["", "past", ""]}>
func.func @main(%past: !past, %x: tensor<2x1x4xf32>) -> (none {ds.alias = 0}, none) {
  %present = "onnx.Concat"(%past, %x) {axis = 1} : (!past, tensor<2x1x4xf32>) -> none
  %sum = "onnx.ReduceSum"(%present) {keepdims = 1} : (none) -> none
  %y = "onnx.Mul"(%past, %sum) : (!past, none) -> none
  func.return %present, %y : none, none
}
// -----
// Room that no argument has, or another one; and none that callers give an extent.
// CHECK: error: {{.*}}'ds.filled' of result 0 and its argument is no tensor in memory with room
!room = tensor<2x?x4xf32, {dims = ["", "room", ""]}>
!past = tensor<2x?x4xf32, {dims = ["", "past", ""]}>
func.func @main(%x: !room) -> (!room {ds.alias = 0, ds.filled = !past}) {
  func.return %x : !room
}
// -----
// CHECK: error: {{.*}}'ds.filled' of an argument that no result shares
!room = tensor<2x?x4xf32, {dims = ["", "room", ""]}>
!past = tensor<2x?x4xf32, {dims = ["", "past", ""]}>
func.func @main(%x: !room {ds.filled = !past}) -> !room {
  func.return %x : !room
}
// -----
// CHECK: error: {{.*}}'ds.filled' of result 0 and its argument is no tensor in memory with room
!room = tensor<2x?x4xf32, {dims = ["", "room", ""]}>
!past = tensor<2x?x4xf32, {dims = ["", "past", ""]}>
func.func @main(%x: !room {ds.filled = !past}) -> (!room {ds.alias = 0, ds.filled = tensor<3x?x4xf32, {dims = ["", "past", ""]}>}) {
  func.return %x : !room
}
// -----
// CHECK: error: {{.*}}result 0 and its argument do not have the same room
!room = tensor<2x?x4xf32, {dims = ["", "room", ""]}>
!past = tensor<2x?x4xf32, {dims = ["", "past", ""]}>
func.func @main(%x: !room {ds.filled = !past}, %y: tensor<?xf32, {dims = ["room"]}>) -> (!room {ds.alias = 0, ds.filled = !past}) {
  func.return %x : !room
}
// -----
// A plan says how memory lies.
// CHECK: error: {{.*}}they differ along dim 1, and where that is not the outermost one, what is there would have to move
func.func @main(%x: memref<?xf32>, %y: memref<?xf32>) attributes {inputs = [tensor<2x4xf32>], outputs = [tensor<2x5xf32>], result_attrs = [{ds.alias = 0}], arena = "64", lane_bytes = "0"} {
  func.return
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
