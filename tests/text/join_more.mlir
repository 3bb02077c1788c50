// RUN: dsc opt --passes=decompose,simplify,fuse,layout,join,clean --verify-each %s | FileCheck %s

// Networks that concatenate more and more: what was concatenated before is the beginning of the later buffer, nothing is copied.
// CHECK-LABEL: @dense_net
// CHECK: within = [48, 0, [[B:[0-9]+]]]
// CHECK: within = [48, 16, [[B]]]
// CHECK: "graph.join"({{.*}}within = [48, 0, [[B]]]
// CHECK: within = [48, 32, [[B]]]
// CHECK: "graph.join"
// CHECK-NOT: "graph.concat"
func.func @dense_net(%x: tensor<1x16x8x8xf32>) -> tensor<1x16x8x8xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<16x16x1x1xf32>} : () -> none
  %u = "onnx.Constant"() {value = dense<0.5> : tensor<16x32x1x1xf32>} : () -> none
  %v = "onnx.Constant"() {value = dense<0.5> : tensor<16x48x1x1xf32>} : () -> none
  %0 = "onnx.Conv"(%x, %w) : (tensor<1x16x8x8xf32>, none) -> none
  %1 = "onnx.Conv"(%0, %w) : (none, none) -> none
  %2 = "onnx.Concat"(%0, %1) {axis = 1} : (none, none) -> none
  %3 = "onnx.Conv"(%2, %u) : (none, none) -> none
  %4 = "onnx.Concat"(%2, %3) {axis = 1} : (none, none) -> none
  %5 = "onnx.Conv"(%4, %v) : (none, none) -> none
  func.return %5 : none
}

// One image in two concats can lie in one of them only, the later one; for the other it is copied.
// CHECK-LABEL: @two_concats
// CHECK: %[[A:[0-9]+]] = "graph.conv"{{.*}}within = [32, 16, [[LATER:[0-9]+]]]
// CHECK: %[[COPY:[0-9]+]] = "graph.map"(%[[A]])
// CHECK: within = [32, 0, [[FIRST:[0-9]+]]]
// CHECK: "graph.join"(%[[COPY]], %{{[0-9]+}}) {id = [[FIRST]]}
// CHECK: "graph.join"(%{{[0-9]+}}, %[[A]]) {id = [[LATER]]}
func.func @two_concats(%x: tensor<1x16x8x8xf32>) -> (tensor<1x16x8x8xf32>, tensor<1x16x8x8xf32>) {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<16x16x1x1xf32>} : () -> none
  %u = "onnx.Constant"() {value = dense<0.5> : tensor<16x32x1x1xf32>} : () -> none
  %0 = "onnx.Conv"(%x, %w) : (tensor<1x16x8x8xf32>, none) -> none
  %1 = "onnx.Conv"(%0, %w) : (none, none) -> none
  %2 = "onnx.Concat"(%0, %1) {axis = 1} : (none, none) -> none
  %3 = "onnx.Conv"(%1, %w) : (none, none) -> none
  %4 = "onnx.Concat"(%3, %0) {axis = 1} : (none, none) -> none
  %5 = "onnx.Conv"(%2, %u) : (none, none) -> none
  %6 = "onnx.Conv"(%4, %u) : (none, none) -> none
  func.return %5, %6 : none, none
}
