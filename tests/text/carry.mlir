// RUN: dsc opt --cpu=x86-64-v3 --verify-each --passes=decompose,carry,narrow,simplify %s | FileCheck %s

// Caches in a narrower element type (`ds.stored`): what is in them stays as it is, new rows are rounded, readers see what is stored.
// -----
// New rows behind the old ones; the product reads what is stored, turned over as it is.
// CHECK-LABEL: func.func @main
// CHECK: %[[NEW:.*]] = "graph.map"(%arg1)
// CHECK: "loop.cast"(%{{.*}}) : (f32) -> bf16
// CHECK: %[[ALL:.*]] = "graph.concat"(%arg0, %[[NEW]]) {axis = 1} : ({{.*}}bf16
// CHECK-NEXT: %[[TURNED:.*]] = "graph.map"(%[[ALL]])
// CHECK-NOT: loop.cast
// CHECK: "graph.matmul"(%arg2, %[[TURNED]]) {{.*}} : (tensor<1x1x4xf32>, tensor<1x4x?xbf16, {{.*}}) -> tensor<1x1x?xf32,
// CHECK: func.return %[[ALL]],
!past = tensor<1x?x4xbf16, {dims = ["", "past", ""]}>
!rows = tensor<1x?x4xf32, {dims = ["", "seq", ""]}>
func.func @main(%past: !past, %new: !rows, %q: tensor<1x1x4xf32>) -> (none {ds.stored = "bf16"}, none) {
  %0 = "onnx.Cast"(%past) {to = 1} : (!past) -> none
  %1 = "onnx.Concat"(%0, %new) {axis = 1} : (none, !rows) -> none
  %2 = "onnx.Transpose"(%1) {perm = [0, 2, 1]} : (none) -> none
  %3 = "onnx.MatMul"(%q, %2) : (tensor<1x1x4xf32>, none) -> none
  %4 = "onnx.Cast"(%1) {to = 16} : (none) -> none
  func.return %4, %3 : none, none
}
// -----
// Scattered rows: parameters are those of the type. What reads the cache otherwise widens it.
// CHECK-LABEL: func.func @main
// CHECK: %[[NEW:.*]] = "graph.map"(%arg1)
// CHECK: (f32) -> f16
// CHECK: %[[ALL:.*]] = "graph.extern"(%arg0, %[[NEW]], %arg2) {callee = "tensor_scatter", params = ["1", "2", "16", "1", "8", "0"]} : (tensor<1x2x16x4xf16>, tensor<1x2x1x4xf16>, tensor<1xi64>) -> tensor<1x2x16x4xf16>
// CHECK: %[[WIDE:.*]] = "graph.map"(%[[ALL]])
// CHECK: (f16) -> f32
// CHECK: "graph.reduce"(%[[WIDE]])
// CHECK: func.return %[[ALL]],
func.func @main(%past: tensor<1x2x16x4xf16>, %key: tensor<1x2x1x4xf32>, %at: tensor<1xi64>) -> (none {ds.alias = 0, ds.stored = "f16"}, none) {
  %0 = "onnx.Cast"(%past) {to = 1} : (tensor<1x2x16x4xf16>) -> none
  %1 = "onnx.TensorScatter"(%0, %key, %at) {axis = -2} : (none, tensor<1x2x1x4xf32>, tensor<1xi64>) -> none
  %2 = "onnx.ReduceSum"(%1) {keepdims = 0} : (none) -> none
  %3 = "onnx.Cast"(%1) {to = 10} : (none) -> none
  func.return %3, %2 : none, none
}
// -----
// CHECK-LABEL: func.func @main
// CHECK: "graph.extern"(%arg0, %arg2, %{{.*}}) {callee = "scatter_nd", params = ["3", "1", "4", "34", "5"]} : (tensor<5x4xbf16>, tensor<3x1xi64>, tensor<3x4xbf16>) -> tensor<5x4xbf16>
// CHECK: "graph.extern"(%arg1, %arg4, %{{.*}}) {callee = "scatter_elements", params = ["2", "0", "34", "5", "4", "3", "4"]} : (tensor<5x4xf16>, tensor<3x4xi64>, tensor<3x4xf16>) -> tensor<5x4xf16>
func.func @main(%x: tensor<5x4xbf16>, %y: tensor<5x4xf16>, %i: tensor<3x1xi64>, %u: tensor<3x4xf32>, %k: tensor<3x4xi64>) -> (none {ds.stored = "bf16"}, none {ds.stored = "f16"}) {
  %0 = "onnx.Cast"(%x) {to = 1} : (tensor<5x4xbf16>) -> none
  %1 = "onnx.ScatterND"(%0, %i, %u) : (none, tensor<3x1xi64>, tensor<3x4xf32>) -> none
  %2 = "onnx.Cast"(%1) {to = 16} : (none) -> none
  %3 = "onnx.Cast"(%y) {to = 1} : (tensor<5x4xf16>) -> none
  %4 = "onnx.ScatterElements"(%3, %k, %u) : (none, tensor<3x4xi64>, tensor<3x4xf32>) -> none
  %5 = "onnx.Cast"(%4) {to = 10} : (none) -> none
  func.return %2, %5 : none, none
}
// -----
// With a reduction there is arithmetic, and the sum is what is rounded.
// CHECK-LABEL: func.func @main
// CHECK: "graph.extern"{{.*}} -> tensor<5x4xf32>
// CHECK: (f32) -> bf16
func.func @main(%x: tensor<5x4xbf16>, %i: tensor<3x1xi64>, %u: tensor<3x4xf32>) -> (none {ds.stored = "bf16"}) {
  %0 = "onnx.Cast"(%x) {to = 1} : (tensor<5x4xbf16>) -> none
  %1 = "onnx.ScatterND"(%0, %i, %u) {reduction = "add"} : (none, tensor<3x1xi64>, tensor<3x4xf32>) -> none
  %2 = "onnx.Cast"(%1) {to = 16} : (none) -> none
  func.return %2 : none
}
// -----
// New rows by a mask: old ones are selected as they are. Views and transposes lie between.
// CHECK-LABEL: func.func @main
// CHECK-NOT: (bf16) -> f32
// CHECK: "loop.select"(%{{.*}}) : (i1, bf16, bf16) -> bf16
// CHECK-NOT: (bf16) -> f32
// CHECK: func.return
func.func @main(%past: tensor<2x8x4xbf16>, %new: tensor<8x2x4xf32>, %mask: tensor<8x1x1xi1>) -> (none {ds.stored = "bf16"}) {
  %shape = "onnx.Constant"() {value = dense<[2, 8, 4]> : tensor<3xi64>} : () -> none
  %0 = "onnx.Cast"(%past) {to = 1} : (tensor<2x8x4xbf16>) -> none
  %1 = "onnx.Transpose"(%0) {perm = [1, 0, 2]} : (none) -> none
  %2 = "onnx.Where"(%mask, %new, %1) : (tensor<8x1x1xi1>, tensor<8x2x4xf32>, none) -> none
  %3 = "onnx.Transpose"(%2) {perm = [1, 0, 2]} : (none) -> none
  %4 = "onnx.Reshape"(%3, %shape) : (none, none) -> none
  %5 = "onnx.Cast"(%4) {to = 16} : (none) -> none
  func.return %5 : none
}
// -----
// An element that is looked up is widened there, heads that are repeated are repeated as they are stored.
// CHECK-LABEL: func.func @main
// CHECK: %[[ALL:.*]] = "graph.concat"
// CHECK: "graph.extract"(%[[ALL]], {{.*}} -> bf16
// CHECK: "loop.cast"(%{{.*}}) : (bf16) -> f32
// CHECK: -> tensor<3x1x?x4xbf16,
// CHECK: "graph.matmul"({{.*}}xbf16
!past = tensor<1x?x4xbf16, {dims = ["", "past", ""]}>
func.func @main(%past: !past, %new: tensor<1x1x4xf32>, %at: tensor<2xi64>, %p: tensor<3x1x1x?xf32, {dims = ["", "", "", "all"]}>) -> (none {ds.stored = "bf16"}, none, none) {
  %0 = "onnx.Cast"(%past) {to = 1} : (!past) -> none
  %1 = "onnx.Concat"(%0, %new) {axis = 1} : (none, tensor<1x1x4xf32>) -> none
  %2 = "onnx.Gather"(%1, %at) {axis = 1} : (none, tensor<2xi64>) -> none
  %shape = "onnx.Constant"() {value = dense<[3, 1, 1, 1]> : tensor<4xi64>} : () -> none
  %3 = "onnx.Expand"(%1, %shape) : (none, none) -> none
  %4 = "onnx.MatMul"(%p, %3) : (tensor<3x1x1x?xf32, {dims = ["", "", "", "all"]}>, none) -> none
  %5 = "onnx.Cast"(%1) {to = 16} : (none) -> none
  func.return %5, %2, %4 : none, none, none
}
// -----
// What is made of the cache by arithmetic is new.
// CHECK-LABEL: func.func @main
// CHECK: "loop.mul"
// CHECK: (f32) -> f16
func.func @main(%past: tensor<8x4xf16>, %x: tensor<8x4xf32>) -> (none {ds.stored = "f16"}) {
  %0 = "onnx.Cast"(%past) {to = 1} : (tensor<8x4xf16>) -> none
  %1 = "onnx.Mul"(%0, %x) : (none, tensor<8x4xf32>) -> none
  %2 = "onnx.Cast"(%1) {to = 10} : (none) -> none
  func.return %2 : none
}
// -----
// Caches of attention that are operands of one operator: both products multiply what is stored.
// CHECK-LABEL: func.func @main
// CHECK: %[[K:.*]] = "graph.concat"(%arg3, {{.*}}xbf16
// CHECK: %[[V:.*]] = "graph.concat"(%arg4, {{.*}}xbf16
// CHECK-NOT: (bf16) -> f32
// CHECK: "graph.matmul"(%{{.*}}, %[[K]])
// CHECK-NOT: (bf16) -> f32
// CHECK: "graph.matmul"(%{{.*}}, %[[V]])
// CHECK: func.return %{{.*}}, %[[K]], %[[V]]
!past = tensor<1x2x?x4xbf16, {dims = ["", "", "past", ""]}>
func.func @main(%q: tensor<1x1x8xf32>, %k: tensor<1x1x8xf32>, %v: tensor<1x1x8xf32>, %pk: !past, %pv: !past) -> (none, none {ds.stored = "bf16"}, none {ds.stored = "bf16"}) {
  %n = "onnx.None"() : () -> none
  %a = "onnx.Cast"(%pk) {to = 1} : (!past) -> none
  %b = "onnx.Cast"(%pv) {to = 1} : (!past) -> none
  %0:3 = "microsoft.MultiHeadAttention"(%q, %k, %v, %n, %n, %n, %a, %b) {num_heads = 2} : (tensor<1x1x8xf32>, tensor<1x1x8xf32>, tensor<1x1x8xf32>, none, none, none, none, none) -> (none, none, none)
  %1 = "onnx.Cast"(%0#1) {to = 16} : (none) -> none
  %2 = "onnx.Cast"(%0#2) {to = 16} : (none) -> none
  func.return %0#0, %1, %2 : none, none, none
}
// -----
// Keys and values in one cache, of which each is a half.
// CHECK-LABEL: func.func @main
// CHECK: "graph.concat"({{.*}}, {{.*}}) {axis = 2} : (tensor<1x2x?x4xbf16,
// CHECK-NOT: (bf16) -> f32
// CHECK: %[[BOTH:.*]] = "graph.concat"({{.*}}) {axis = 0} : ({{.*}} -> tensor<2x1x2x?x4xbf16,
// CHECK: func.return %{{.*}}, %[[BOTH]]
!past = tensor<2x1x2x?x4xbf16, {dims = ["", "", "", "past", ""]}>
func.func @main(%x: tensor<1x1x8xf32>, %w: tensor<8x24xf32>, %b: tensor<24xf32>, %p: !past) -> (none, none {ds.stored = "bf16"}) {
  %n = "onnx.None"() : () -> none
  %a = "onnx.Cast"(%p) {to = 1} : (!past) -> none
  %0:2 = "microsoft.Attention"(%x, %w, %b, %n, %a) {num_heads = 2, unidirectional = 1} : (tensor<1x1x8xf32>, tensor<8x24xf32>, tensor<24xf32>, none, none) -> (none, none)
  %1 = "onnx.Cast"(%0#1) {to = 16} : (none) -> none
  func.return %0#0, %1 : none, none
}
