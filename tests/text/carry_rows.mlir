// RUN: dsc opt --cpu=x86-64-v3 --verify-each --passes=decompose,carry,narrow,simplify %s | FileCheck %s

// Caches of bytes with a scale for each row (`ds.stored = "i8"`, `ds.scales`): bytes and scales that are there stay as they are.
// -----
// New rows behind the old ones, keys for a product: it takes the bytes, and is multiplied by the scales behind the sum.
// CHECK-LABEL: func.func @main
// CHECK: %[[TOP:.*]] = "graph.reduce"(%arg1)
// CHECK: %[[SCALE:.*]] = "graph.map"(%[[TOP]])
// CHECK: %[[NEW:.*]] = "graph.map"(%arg1, %[[SCALE]])
// CHECK: "loop.quantize"
// CHECK: %[[ALL:.*]] = "graph.concat"(%arg0, %[[NEW]]) {axis = 1} : ({{.*}}xi8
// CHECK: %[[SCALES:.*]] = "graph.concat"(%arg3, %[[SCALE]]) {axis = 1} : ({{.*}}xf32
// CHECK: %[[TURNED:.*]] = "graph.map"(%[[ALL]])
// CHECK: %[[BESIDE:.*]] = "graph.map"(%[[SCALES]])
// CHECK-NOT: (i8) -> f32
// CHECK: %[[SUM:.*]] = "graph.matmul"(%arg2, %[[TURNED]]) {{.*}} : (tensor<1x1x4xf32>, tensor<1x4x?xi8, {{.*}}) -> tensor<1x1x?xf32,
// CHECK: "graph.map"(%[[SUM]], %[[BESIDE]])
// CHECK: loop.mul
// CHECK: func.return %[[ALL]], %[[SCALES]],
!past = tensor<1x?x4xi8, {dims = ["", "past", ""]}>
!rows = tensor<1x?x4xf32, {dims = ["", "seq", ""]}>
!scales = tensor<1x?x1xf32, {dims = ["", "past", ""]}>
func.func @main(%past: !past, %new: !rows, %q: tensor<1x1x4xf32>, %s: !scales) -> (none {ds.scales = 1, ds.stored = "i8"}, none, none) {
  %0 = "onnx.DequantizeLinear"(%past, %s) {axis = 2} : (!past, !scales) -> none
  %1 = "onnx.Concat"(%0, %new) {axis = 1} : (none, !rows) -> none
  %2 = "onnx.Transpose"(%1) {perm = [0, 2, 1]} : (none) -> none
  %3 = "onnx.MatMul"(%q, %2) : (tensor<1x1x4xf32>, none) -> none
  %4 = "onnx.Abs"(%1) : (none) -> none
  %last = "onnx.Constant"() {value = dense<[-1]> : tensor<1xi64>} : () -> none
  %5 = "onnx.ReduceMax"(%4, %last) : (none, none) -> none
  %6 = "onnx.QuantizeLinear"(%1, %5) {axis = 2, output_dtype = 3} : (none, none) -> none
  func.return %6, %5, %3 : none, none, none
}
// -----
// Values: rows are what is summed, their scales go into the left factor.
// CHECK-LABEL: func.func @main
// CHECK: %[[ALL:.*]] = "graph.extern"(%arg0, %{{.*}}, %arg3) {callee = "tensor_scatter", params = ["1", "1", "16", "1", "4", "0"]} : (tensor<1x16x4xi8>,
// CHECK: %[[SCALES:.*]] = "graph.extern"(%arg4, %{{.*}}, %arg3) {callee = "tensor_scatter", params = ["1", "1", "16", "1", "4", "0"]} : (tensor<1x16x1xf32>,
// CHECK: %[[LEFT:.*]] = "graph.map"(%arg2, %[[SCALES]])
// CHECK: loop.mul
// CHECK: "graph.matmul"(%[[LEFT]], %[[ALL]]) {{.*}} : (tensor<1x1x16xf32>, tensor<1x16x4xi8>) -> tensor<1x1x4xf32>
// CHECK: func.return %[[ALL]], %[[SCALES]],
func.func @main(%past: tensor<1x16x4xi8>, %new: tensor<1x1x4xf32>, %p: tensor<1x1x16xf32>, %at: tensor<1xi64>, %s: tensor<1x16x1xf32>) -> (none {ds.alias = 0, ds.scales = 1, ds.stored = "i8"}, none {ds.alias = 4}, none) {
  %0 = "onnx.DequantizeLinear"(%past, %s) {axis = 2} : (tensor<1x16x4xi8>, tensor<1x16x1xf32>) -> none
  %1 = "onnx.TensorScatter"(%0, %new, %at) {axis = 1} : (none, tensor<1x1x4xf32>, tensor<1xi64>) -> none
  %2 = "onnx.MatMul"(%p, %1) : (tensor<1x1x16xf32>, none) -> none
  %3 = "onnx.Abs"(%1) : (none) -> none
  %last = "onnx.Constant"() {value = dense<[-1]> : tensor<1xi64>} : () -> none
  %4 = "onnx.ReduceMax"(%3, %last) : (none, none) -> none
  %5 = "onnx.QuantizeLinear"(%1, %4) {axis = 2, output_dtype = 3} : (none, none) -> none
  func.return %5, %4, %2 : none, none, none
}
// -----
// A mask of rows selects bytes and scales; new rows are rounded without reading old ones.
// CHECK-LABEL: func.func @main
// CHECK-NOT: (i8) -> f32
// CHECK: "loop.select"(%{{.*}}) : (i1, i8, i8) -> i8
// CHECK: "loop.select"(%{{.*}}) : (i1, f32, f32) -> f32
// CHECK-NOT: (i8) -> f32
// CHECK: func.return
func.func @main(%past: tensor<8x4xi8>, %new: tensor<8x4xf32>, %mask: tensor<8x1xi1>, %s: tensor<8x1xf32>) -> (none {ds.scales = 1, ds.stored = "i8"}, none) {
  %0 = "onnx.DequantizeLinear"(%past, %s) {axis = 1} : (tensor<8x4xi8>, tensor<8x1xf32>) -> none
  %1 = "onnx.Where"(%mask, %new, %0) : (tensor<8x1xi1>, tensor<8x4xf32>, none) -> none
  %2 = "onnx.Abs"(%1) : (none) -> none
  %last = "onnx.Constant"() {value = dense<[-1]> : tensor<1xi64>} : () -> none
  %3 = "onnx.ReduceMax"(%2, %last) : (none, none) -> none
  %4 = "onnx.QuantizeLinear"(%1, %3) {axis = 1, output_dtype = 3} : (none, none) -> none
  func.return %4, %3 : none, none
}
// -----
// A mask of elements would cut rows: all are rounded.
// CHECK-LABEL: func.func @main
// CHECK: (i8) -> i32
// CHECK: "loop.select"(%{{.*}}) : (i1, f32, f32) -> f32
// CHECK: "loop.quantize"
func.func @main(%past: tensor<8x4xi8>, %new: tensor<8x4xf32>, %mask: tensor<8x4xi1>, %s: tensor<8x1xf32>) -> (none {ds.scales = 1, ds.stored = "i8"}, none) {
  %0 = "onnx.DequantizeLinear"(%past, %s) {axis = 1} : (tensor<8x4xi8>, tensor<8x1xf32>) -> none
  %1 = "onnx.Where"(%mask, %new, %0) : (tensor<8x4xi1>, tensor<8x4xf32>, none) -> none
  %2 = "onnx.Abs"(%1) : (none) -> none
  %last = "onnx.Constant"() {value = dense<[-1]> : tensor<1xi64>} : () -> none
  %3 = "onnx.ReduceMax"(%2, %last) : (none, none) -> none
  %4 = "onnx.QuantizeLinear"(%1, %3) {axis = 1, output_dtype = 3} : (none, none) -> none
  func.return %4, %3 : none, none
}
