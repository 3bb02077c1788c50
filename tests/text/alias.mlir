// RUN: dsc opt --cpu=x86-64-v3 --verify-each %s | FileCheck %s

// Results in the memory of an argument: `ds.alias` names it, and the plan copies nothing that is there.
// -----
// A cache that new rows are scattered into: without the copy that callers with two buffers need.
// CHECK-LABEL: func.func @main
// CHECK-SAME: result_attrs = [{ds.alias = 0
// CHECK-SAME: tied = [0]
// CHECK-NOT: "plan.copy"
// CHECK: "plan.extern"(%arg1, %arg2, %arg3) {callee = "tensor_scatter"
func.func @main(%past: tensor<1x2x16x4xf32>, %key: tensor<1x2x1x4xf32>, %at: tensor<1xi64>) -> (tensor<1x2x16x4xf32> {ds.alias = 0}) {
  %0 = "onnx.TensorScatter"(%past, %key, %at) {axis = -2} : (tensor<1x2x16x4xf32>, tensor<1x2x1x4xf32>, tensor<1xi64>) -> none
  func.return %0 : none
}
// -----
// Twice, one after the other: what lies between is the same memory.
// CHECK-LABEL: func.func @main
// CHECK-SAME: arena = "0"
// CHECK-NOT: "plan.copy"
// CHECK: "plan.extern"(%arg1, %arg2, %arg3) {callee = "scatter_nd"
// CHECK-NOT: "plan.copy"
// CHECK: "plan.extern"(%arg1, %arg2, %arg3) {callee = "scatter_nd"
func.func @main(%x: tensor<5x4xf32>, %i: tensor<3x1xi64>, %u: tensor<3x4xf32>) -> (tensor<5x4xf32> {ds.alias = 0}) {
  %0 = "onnx.ScatterND"(%x, %i, %u) : (tensor<5x4xf32>, tensor<3x1xi64>, tensor<3x4xf32>) -> none
  %1 = "onnx.ScatterND"(%0, %i, %u) {reduction = "add"} : (none, tensor<3x1xi64>, tensor<3x4xf32>) -> none
  func.return %1 : none
}
// -----
// A cache that grows along its outermost dim: new rows are written behind the old ones, which no kernel copies.
// CHECK-LABEL: func.func @main
// CHECK-SAME: tied = [0, -1]
// CHECK-NOT: "plan.copy"
// CHECK: %[[NEW:.*]] = "plan.part"(%arg2) {offset = "past * 16"}
// CHECK: "plan.call"(%arg1, %[[NEW]]) {what = "map
// CHECK: "plan.call"(%arg0, %arg3) {what = "reduce
// CHECK-NOT: "plan.call"
func.func @main(%past: tensor<1x?x4xf32, {dims = ["", "past", ""]}>, %x: tensor<1x?x4xf32, {dims = ["", "seq", ""]}>) -> (none {ds.alias = 0}, none) {
  %k = "onnx.Relu"(%x) : (tensor<1x?x4xf32, {dims = ["", "seq", ""]}>) -> none
  %0 = "onnx.Concat"(%past, %k) {axis = 1} : (tensor<1x?x4xf32, {dims = ["", "past", ""]}>, none) -> none
  %1 = "onnx.ReduceSum"(%0) {keepdims = 0} : (none) -> none
  func.return %0, %1 : none, none
}
// -----
// New rows that come from outside are copied there: only they.
// CHECK-LABEL: func.func @main
// CHECK: %[[NEW:.*]] = "plan.part"(%arg2) {offset = "past * 16"}
// CHECK-NEXT: "plan.copy"(%arg1, %[[NEW]]) {bytes = "seq * 16"}
// CHECK-NEXT: func.return
func.func @main(%past: tensor<?x4xf32, {dims = ["past", ""]}>, %x: tensor<?x4xf32, {dims = ["seq", ""]}>) -> (none {ds.alias = 0}) {
  %0 = "onnx.Concat"(%past, %x) {axis = 0} : (tensor<?x4xf32, {dims = ["past", ""]}>, tensor<?x4xf32, {dims = ["seq", ""]}>) -> none
  func.return %0 : none
}
// -----
// A state that an elementwise kernel goes over.
// CHECK-LABEL: func.func @main
// CHECK-SAME: tied = [0]
// CHECK: "plan.call"(%arg0, %arg1, %arg2)
// CHECK-NEXT: func.return
func.func @main(%state: tensor<64xf32>, %x: tensor<64xf32>) -> (tensor<64xf32> {ds.alias = 0}) {
  %0 = "onnx.Add"(%state, %x) : (tensor<64xf32>, tensor<64xf32>) -> none
  func.return %0 : none
}
// -----
// What is given back as it came is there.
// CHECK-LABEL: func.func @main
// CHECK-NOT: "plan.copy"
// CHECK: func.return
func.func @main(%x: tensor<64xf32>) -> (tensor<64xf32> {ds.alias = 0}) {
  func.return %x : tensor<64xf32>
}
// -----
// Grouped attention whose caches are shared: they keep their size, have to have room, and get the new rows only.
// CHECK-LABEL: func.func @main
// CHECK-SAME: outputs = [{{.*}}tensor<1x1x?x8xf32, {dims = ["", "", "room", ""]}>
// CHECK-SAME: tied = [-1, 1, 2]
// CHECK: "plan.require"() {is = "at_most", left = "[[TOTAL:.*]]", right = "room"{{.*}}what = "the cache has room for all keys"}
// CHECK-NOT: "plan.copy"
// CHECK: "plan.extern"({{.*}}, %arg6) {callee = "tensor_scatter"
// CHECK: "plan.extern"({{.*}}, %arg7) {callee = "tensor_scatter"
!cache = tensor<1x1x?x8xf32, {dims = ["", "", "room", ""]}>
func.func @main(%x: tensor<1x?x32xf32, {dims = ["", "seq", ""]}>, %k: !cache, %v: !cache, %last: tensor<1xi32>, %total: tensor<i32>) -> (none, none {ds.alias = 1}, none {ds.alias = 2}) {
  %n = "onnx.None"() : () -> none
  %0:3 = "microsoft.GroupQueryAttention"(%x, %n, %n, %k, %v, %last, %total) {num_heads = 2, kv_num_heads = 1} : (tensor<1x?x32xf32, {dims = ["", "seq", ""]}>, none, none, !cache, !cache, tensor<1xi32>, tensor<i32>) -> (none, none, none)
  func.return %0#0, %0#1, %0#2 : none, none, none
}
// -----
// The same where the caches go through Identity.
// CHECK-LABEL: func.func @main
// CHECK-SAME: tied = [-1, 1, 2]
// CHECK-NOT: "plan.copy"
!cache = tensor<1x1x?x8xf32, {dims = ["", "", "room", ""]}>
func.func @main(%x: tensor<1x?x32xf32, {dims = ["", "seq", ""]}>, %k: !cache, %v: !cache, %last: tensor<1xi32>, %total: tensor<i32>) -> (none, none {ds.alias = 1}, none {ds.alias = 2}) {
  %n = "onnx.None"() : () -> none
  %0:3 = "microsoft.GroupQueryAttention"(%x, %n, %n, %k, %v, %last, %total) {num_heads = 2, kv_num_heads = 1} : (tensor<1x?x32xf32, {dims = ["", "seq", ""]}>, none, none, !cache, !cache, tensor<1xi32>, tensor<i32>) -> (none, none, none)
  %1 = "onnx.Identity"(%0#1) : (none) -> none
  %2 = "onnx.Identity"(%0#2) : (none) -> none
  func.return %0#0, %1, %2 : none, none, none
}
// -----
// A cache that grows between other dims, in memory with room: only new rows are written, and readers take it where it lies.
// CHECK-LABEL: func.func @k
// CHECK: past_room * d0 * 4
// CHECK-LABEL: func.func @main
// CHECK-SAME: %arg0: memref<?xf32> {ds.filled = tensor<2x?x4xf32, {dims = ["", "past", ""]}>
// CHECK-SAME: inputs = [tensor<2x?x4xf32, {dims = ["", "past_room", ""]}>
// CHECK-SAME: result_attrs = [{ds.alias = 0, ds.filled = tensor<2x?x4xf32, {dims = ["", "past + 1", ""]}>
// CHECK-SAME: tied = [0, -1]
// CHECK-NOT: "plan.copy"
// CHECK: "plan.extern"(%arg1, %{{.*}}, %arg2) {callee = "tensor_scatter"
// CHECK-NEXT: "plan.call"(%arg2, %arg3) {what = "reduce
// CHECK-NEXT: func.return
!past = tensor<2x?x4xf32, {dims = ["", "past", ""]}>
func.func @main(%past: !past, %x: tensor<2x1x4xf32>) -> (none {ds.alias = 0}, none) {
  %present = "onnx.Concat"(%past, %x) {axis = 1} : (!past, tensor<2x1x4xf32>) -> none
  %y = "onnx.ReduceSum"(%present) {keepdims = 0} : (none) -> none
  func.return %present, %y : none, none
}
