// RUN: dsc opt --cpu=x86-64-v3 --verify-each %s | FileCheck %s

// Kernels whose ops go through blocks or strips of rows together: what flows between them lies in the lane's memory.
// -----
// Attention: tiles of scores, softmax row by row, tiles of results, for one block of rows after the other. Buffers are shifted so that
// rows are written and read at their own places.
// CHECK-LABEL: func.func @k0
// CHECK-SAME: %arg3: memref<?xf32>, %[[SCRATCH:arg4]]: memref<?xf32>
// CHECK: %[[SCORES:.*]] = "loop.shift"(%[[SCRATCH]],
// CHECK: %[[T:[0-9]+]], {{.*}} = "loop.tile"(%arg0, %arg1, {{.*}} window = ["32"]
// CHECK: "loop.store"(%[[T]], %[[SCORES]],
// CHECK: "loop.load"(%[[SCORES]],
// CHECK: "loop.greater"
// CHECK: "loop.decay"
// CHECK: "loop.tile"({{.*}}, %arg2, {{.*}} window = ["200"]
// CHECK: "loop.store"({{.*}}, %arg3,
// CHECK-LABEL: func.func @main
// CHECK-NEXT: "plan.call"(%arg0, %arg1, %arg2, %arg3)
// CHECK-NEXT: func.return
func.func @main(%q: tensor<1x2x200x32xf32>, %k: tensor<1x2x32x200xf32>, %v: tensor<1x2x200x32xf32>) -> tensor<1x2x200x32xf32> {
  %0 = "onnx.MatMul"(%q, %k) : (tensor<1x2x200x32xf32>, tensor<1x2x32x200xf32>) -> none
  %1 = "onnx.Softmax"(%0) : (none) -> none
  %2 = "onnx.MatMul"(%1, %v) : (none, tensor<1x2x200x32xf32>) -> none
  func.return %2 : none
}
// -----
// Strips: rows that the depthwise convolution read for the last strip and needs again move to the front of their buffer; then come tiles
// of new rows, the depthwise convolution, and tiles of results.
// CHECK-LABEL: func.func @k1
// CHECK-SAME: %[[EXPANDED:arg5]]: memref<?xf32>, %[[FILTERED:arg6]]: memref<?xf32>) attributes {scratch = ["{{[0-9]+}}", "{{[0-9]+}}"]
// CHECK: "loop.parallel"
// CHECK: %[[KEPT:.*]] = "loop.load"(%[[EXPANDED]],
// CHECK-NEXT: "loop.store"(%[[KEPT]], %[[EXPANDED]],
// CHECK: %[[NEW:.*]] = "loop.shift"(%[[EXPANDED]],
// CHECK: "loop.tile"(%arg0, %arg1,
// CHECK: "loop.store"({{.*}}, %[[NEW]],
// CHECK: %[[ROWS:.*]] = "loop.shift"(%[[FILTERED]],
// CHECK: "loop.fma"
// CHECK: "loop.store"({{.*}}, %[[ROWS]],
// CHECK: "loop.tile"(%[[ROWS]], %arg3,
// CHECK: "loop.store"({{.*}}, %arg4,
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<1x16x112x112xf32>) -> tensor<1x24x112x112xf32> {
  %a = "onnx.Constant"() {value = dense<0.5> : tensor<96x16x1x1xf32>} : () -> none
  %b = "onnx.Constant"() {value = dense<0.5> : tensor<96x1x3x3xf32>} : () -> none
  %c = "onnx.Constant"() {value = dense<0.5> : tensor<24x96x1x1xf32>} : () -> none
  %0 = "onnx.Conv"(%x, %a) : (tensor<1x16x112x112xf32>, none) -> none
  %1 = "onnx.Relu"(%0) : (none) -> none
  %2 = "onnx.Conv"(%1, %b) {group = 96, pads = [1, 1, 1, 1]} : (none, none) -> none
  %3 = "onnx.Relu"(%2) : (none) -> none
  %4 = "onnx.Conv"(%3, %c) : (none, none) -> none
  func.return %4 : none
}
