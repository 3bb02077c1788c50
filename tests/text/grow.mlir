// RUN: dsc opt --verify-each --stop-after=grow %s | FileCheck %s

// Caches in an argument's memory that grow between other dims (`ds.alias`, `ds.filled`): memory has room, new rows are written there.
// -----
// The symbol for the room is called as the length is; readers see the rows that there are, and the result is all of the memory.
// CHECK-LABEL: func.func @main
// CHECK-SAME: %arg0: tensor<2x?x4xf32, {dims = ["", "past_room", ""]}> {ds.filled = tensor<2x?x4xf32, {dims = ["", "past", ""]}>
// CHECK-SAME: -> (tensor<2x?x4xf32, {dims = ["", "past_room", ""]}> {ds.alias = 0, ds.filled = tensor<2x?x4xf32, {dims = ["", "past + seq", ""]}>
// CHECK-NOT: graph.concat
// CHECK: %[[AT:.*]] = "graph.index"() {values = ["past"]} : () -> tensor<1xi64>
// CHECK-NEXT: %[[ALL:.*]] = "graph.extern"(%arg0, %arg1, %[[AT]]) {callee = "tensor_scatter", params = ["1", "2", "past_room", "seq", "16", "0"]}
// CHECK-NEXT: %[[ROWS:.*]] = "graph.map"(%[[ALL]])
// CHECK: tensor<2x?x4xf32, {dims = ["", "past_room", ""]}>) -> tensor<2x?x4xf32, {dims = ["", "past + seq", ""]}>
// CHECK: "graph.map"(%[[ROWS]])
// CHECK: func.return %[[ALL]]
!past = tensor<2x?x4xf32, {dims = ["", "past", ""]}>
!new = tensor<2x?x4xf32, {dims = ["", "seq", ""]}>
func.func @main(%past: !past, %x: !new) -> (none {ds.alias = 0}, none) {
  %present = "onnx.Concat"(%past, %x) {axis = 1} : (!past, !new) -> none
  %y = "onnx.Neg"(%present) : (none) -> none
  func.return %present, %y : none, none
}
// -----
// Keys and values of one length have one symbol, others their own; a name that the model has is not taken.
// CHECK-LABEL: func.func @main
// CHECK-SAME: %arg0: tensor<2x?x4xf32, {dims = ["", "past_room2", ""]}>
// CHECK-SAME: %arg1: tensor<2x3x8x?xf32, {dims = ["", "", "", "past_room2"]}>
// CHECK-SAME: %arg2: tensor<2x?x4xf32, {dims = ["", "cache_room", ""]}> {ds.filled = tensor<2x5x4xf32>
// CHECK-SAME: %arg5: tensor<2x?x4xf32, {dims = ["", "past_room", ""]}>
// CHECK: params = ["1", "2", "past_room2", "1", "16", "0"]
// CHECK: params = ["1", "48", "past_room2", "1", "4", "0"]
// CHECK: params = ["1", "2", "cache_room", "past_room", "16", "0"]
!a = tensor<2x?x4xf32, {dims = ["", "past", ""]}>
!b = tensor<2x3x8x?xf32, {dims = ["", "", "", "past"]}>
!c = tensor<2x5x4xf32>
!d = tensor<2x?x4xf32, {dims = ["", "past_room", ""]}>
func.func @main(%a: !a, %b: !b, %c: !c, %x: tensor<2x1x4xf32>, %y: tensor<2x3x8x1xf32>, %z: !d) -> (none {ds.alias = 0}, none {ds.alias = 1}, none {ds.alias = 2}) {
  %0 = "onnx.Concat"(%a, %x) {axis = 1} : (!a, tensor<2x1x4xf32>) -> none
  %1 = "onnx.Concat"(%b, %y) {axis = 3} : (!b, tensor<2x3x8x1xf32>) -> none
  %2 = "onnx.Concat"(%c, %z) {axis = 1} : (!c, !d) -> none
  func.return %0, %1, %2 : none, none, none
}
// -----
// New rows of several parts are put together; who reads what was there before reads only that. A list of one is what is in it.
// CHECK-LABEL: func.func @main
// CHECK: %[[OLD:.*]] = "graph.map"(%arg0)
// CHECK: -> tensor<2x?x4xf32, {dims = ["", "past", ""]}>
// CHECK: "graph.map"(%[[OLD]])
// CHECK: %[[NEW:.*]] = "graph.concat"(%arg1, %arg1) {axis = 1} : {{.*}} -> tensor<2x2x4xf32>
// CHECK: "graph.extern"(%arg0, %[[NEW]],
// CHECK-SAME: params = ["1", "2", "past_room", "2", "16", "0"]
!past = tensor<2x?x4xf32, {dims = ["", "past", ""]}>
func.func @main(%past: !past, %x: tensor<2x1x4xf32>) -> (none, none {ds.alias = 0}) {
  %y = "onnx.Neg"(%past) : (!past) -> none
  %one = "onnx.Concat"(%past) {axis = 1} : (!past) -> none
  %present = "onnx.Concat"(%one, %x, %x) {axis = 1} : (none, tensor<2x1x4xf32>, tensor<2x1x4xf32>) -> none
  func.return %y, %present : none, none
}
// -----
// Behind the outermost dim there is room without all this.
// CHECK-LABEL: func.func @main
// CHECK-NOT: ds.filled
// CHECK: graph.concat
!past = tensor<1x?x4xf32, {dims = ["", "past", ""]}>
func.func @main(%past: !past, %x: tensor<1x1x4xf32>) -> (none {ds.alias = 0}) {
  %present = "onnx.Concat"(%past, %x) {axis = 1} : (!past, tensor<1x1x4xf32>) -> none
  func.return %present : none
}
