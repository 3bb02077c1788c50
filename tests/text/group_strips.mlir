// RUN: dsc opt --passes=decompose,simplify,fuse,layout,join,clean,hoist,group,schedule --verify-each %s | FileCheck %s

// Strips of rows around a depthwise convolution or a pool of a large image.
// -----
// Three convolutions (1x1, depthwise, 1x1), with what is done behind each, are one kernel: the images of 96 channels stay in the cache.
// CHECK-LABEL: func.func @main
// CHECK: "graph.kernel"
// CHECK-COUNT-3: "graph.conv"
// CHECK: {axis = "d2", kind = "serial", step = {{[1-8]}}, {{.*}} program = "strips"
// CHECK-NOT: "graph.conv"
// CHECK: func.return
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
// -----
// Images that the cache holds anyway: a kernel each.
// CHECK-LABEL: func.func @main
// CHECK-NOT: program = "strips"
// CHECK: func.return
func.func @main(%x: tensor<1x16x14x14xf32>) -> tensor<1x24x14x14xf32> {
  %a = "onnx.Constant"() {value = dense<0.5> : tensor<96x16x1x1xf32>} : () -> none
  %b = "onnx.Constant"() {value = dense<0.5> : tensor<96x1x3x3xf32>} : () -> none
  %c = "onnx.Constant"() {value = dense<0.5> : tensor<24x96x1x1xf32>} : () -> none
  %0 = "onnx.Conv"(%x, %a) : (tensor<1x16x14x14xf32>, none) -> none
  %1 = "onnx.Conv"(%0, %b) {group = 96, pads = [1, 1, 1, 1]} : (none, none) -> none
  %2 = "onnx.Conv"(%1, %c) : (none, none) -> none
  func.return %2 : none
}
// -----
// What somebody else reads as well has to be written whole.
// CHECK-LABEL: func.func @main
// CHECK-NOT: program = "strips"
// CHECK: func.return
func.func @main(%x: tensor<1x16x112x112xf32>) -> (tensor<1x96x112x112xf32>, tensor<1x96x112x112xf32>) {
  %a = "onnx.Constant"() {value = dense<0.5> : tensor<96x16x1x1xf32>} : () -> none
  %b = "onnx.Constant"() {value = dense<0.5> : tensor<96x1x3x3xf32>} : () -> none
  %0 = "onnx.Conv"(%x, %a) : (tensor<1x16x112x112xf32>, none) -> none
  %1 = "onnx.Conv"(%0, %b) {group = 96, pads = [1, 1, 1, 1]} : (none, none) -> none
  func.return %0, %1 : none, none
}
