// RUN: dsc opt --passes=decompose,simplify,fuse,layout,join,clean,hoist,group,schedule --verify-each %s | FileCheck %s

// Kernels whose ops share the loop over rows.
// -----
// Attention: two products and the softmax between them, a block of rows at a time, so that scores stay in the cache. The division by the
// sum moves behind the second product, which has fewer columns.
// CHECK-LABEL: func.func @main
// CHECK: "graph.kernel"
// CHECK: "graph.matmul"
// CHECK: "loop.decay"
// CHECK: %[[P:.*]] = "graph.matmul"
// CHECK-NEXT: "graph.map"({{.*}}%[[P]]{{.*}}) ({
// CHECK: "loop.mul"
// CHECK: levels = [{axis = "d2", kind = "grid", step = {{[1-9][0-9]*}}, {{.*}} program = "blocks"
// CHECK-NOT: "graph.kernel"
// CHECK: func.return
func.func @main(%q: tensor<1x2x200x32xf32>, %k: tensor<1x2x32x200xf32>, %v: tensor<1x2x200x32xf32>) -> tensor<1x2x200x32xf32> {
  %0 = "onnx.MatMul"(%q, %k) : (tensor<1x2x200x32xf32>, tensor<1x2x32x200xf32>) -> none
  %1 = "onnx.Softmax"(%0) : (none) -> none
  %2 = "onnx.MatMul"(%1, %v) : (none, tensor<1x2x200x32xf32>) -> none
  func.return %2 : none
}
// -----
// Scores that somebody else wants as well are written: three kernels.
// CHECK-LABEL: func.func @main
// CHECK-COUNT-3: "graph.kernel"
// CHECK-NOT: program = "blocks"
func.func @main(%q: tensor<1x2x200x32xf32>, %k: tensor<1x2x32x200xf32>, %v: tensor<1x2x200x32xf32>) -> (tensor<1x2x200x32xf32>, tensor<1x2x200x200xf32>) {
  %0 = "onnx.MatMul"(%q, %k) : (tensor<1x2x200x32xf32>, tensor<1x2x32x200xf32>) -> none
  %1 = "onnx.Softmax"(%0) : (none) -> none
  %2 = "onnx.MatMul"(%1, %v) : (none, tensor<1x2x200x32xf32>) -> none
  func.return %2, %1 : none, none
}
// -----
// Two layers with a map between them, whose weights fit the L2 cache while what flows between does not: one kernel, in blocks of rows.
// CHECK-LABEL: func.func @main
// CHECK: "graph.kernel"
// CHECK: "graph.matmul"
// CHECK: "loop.max"
// CHECK: "graph.matmul"
// CHECK: levels = [{axis = "d0", kind = "grid", step = {{[1-9][0-9]*}}, {{.*}} program = "blocks"
// CHECK-NOT: "graph.kernel"
// CHECK: func.return
func.func @main(%x: tensor<4096x64xf32>) -> tensor<4096x64xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<64x256xf32>} : () -> none
  %u = "onnx.Constant"() {value = dense<0.5> : tensor<256x64xf32>} : () -> none
  %0 = "onnx.MatMul"(%x, %w) : (tensor<4096x64xf32>, none) -> none
  %1 = "onnx.Relu"(%0) : (none) -> none
  %2 = "onnx.MatMul"(%1, %u) : (none, none) -> none
  func.return %2 : none
}
// -----
// Of few rows, what flows between fits the cache anyway: two kernels.
// CHECK-LABEL: func.func @main
// CHECK: "graph.kernel"
// CHECK-NOT: program = "blocks"
// CHECK: "graph.kernel"
// CHECK-NOT: program = "blocks"
// CHECK: func.return
func.func @main(%x: tensor<16x64xf32>) -> tensor<16x64xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<64x256xf32>} : () -> none
  %u = "onnx.Constant"() {value = dense<0.5> : tensor<256x64xf32>} : () -> none
  %0 = "onnx.MatMul"(%x, %w) : (tensor<16x64xf32>, none) -> none
  %1 = "onnx.Relu"(%0) : (none) -> none
  %2 = "onnx.MatMul"(%1, %u) : (none, none) -> none
  func.return %2 : none
}
// -----
// A layer normalisation is one kernel over rows.
// CHECK-LABEL: func.func @main
// CHECK-COUNT-1: "graph.kernel"
// CHECK-COUNT-2: "graph.reduce"
// CHECK: "graph.map"
// CHECK: levels = [{axis = "d0", kind = "grid", {{.*}} program = "rows"
// CHECK-NOT: "graph.kernel"
// CHECK: func.return
func.func @main(%x: tensor<64x256xf32>, %s: tensor<256xf32>) -> tensor<64x256xf32> {
  %0 = "onnx.LayerNormalization"(%x, %s) : (tensor<64x256xf32>, tensor<256xf32>) -> none
  func.return %0 : none
}
// -----
// Softmax along the channels of one large image: there is one row, and very much in it. Each op is a kernel, cut into pieces by itself.
// CHECK-LABEL: func.func @main
// CHECK-COUNT-2: program = "{{points|tile|window}}"
// CHECK-NOT: program = "rows"
// CHECK: func.return
func.func @main(%x: tensor<1x8x9000xf32>) -> tensor<1x8x9000xf32> {
  %0 = "onnx.Softmax"(%x) {axis = 1} : (tensor<1x8x9000xf32>) -> none
  func.return %0 : none
}
