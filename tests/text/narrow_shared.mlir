// RUN: dsc opt --cpu=x86-64-v4-vnni --stop-after=fuse --verify-each %s | FileCheck %s
// Bytes that a depthwise convolution reads less their zero point, and another one moved to unsigned bytes: two kinds of words of one input, of
// which one may be made of the other, not both of each other.
// CHECK: "graph.conv"{{.*}} : (tensor<1x32x6x6xi16>, tensor<32x1x3x3xf32>)
// CHECK: "graph.conv"{{.*}} : (tensor<1x32x6x6xui8>, tensor<16x32x1x1xi8>)
func.func @main(%x: tensor<1x32x6x6xf32>) -> (tensor<1x32x6x6xf32>, tensor<1x16x6x6xf32>) {
  %s = "onnx.Constant"() {value = dense<0.05> : tensor<f32>} : () -> none
  %z = "onnx.Constant"() {value = dense<3> : tensor<i8>} : () -> none
  %d = "onnx.Constant"() {value = dense<2> : tensor<32x1x3x3xi8>} : () -> none
  %w = "onnx.Constant"() {value = dense<5> : tensor<16x32x1x1xi8>} : () -> none
  %q = "onnx.QuantizeLinear"(%x, %s, %z) : (tensor<1x32x6x6xf32>, none, none) -> none
  %a = "onnx.DequantizeLinear"(%q, %s, %z) : (none, none, none) -> none
  %b = "onnx.DequantizeLinear"(%d, %s) : (none, none) -> none
  %c = "onnx.DequantizeLinear"(%w, %s) : (none, none) -> none
  %y = "onnx.Conv"(%a, %b) {group = 32, pads = [1, 1, 1, 1]} : (none, none) -> none
  %v = "onnx.Conv"(%a, %c) : (none, none) -> none
  func.return %y, %v : none, none
}
