// RUN: dsc opt --passes=decompose,simplify,narrow,layout --cpu=x86-64-v3 --verify-each %s | FileCheck %s

// Weights of few bits and activations of bytes: whole numbers are multiplied as they are stored.
// -----
// A scale for each channel. The first half of eight weights lies in the lower halves of a word's bytes.
// CHECK-LABEL: func.func @main
// CHECK: "graph.matmul"({{.*}} : (tensor<4x64xui8>, tensor<64x32xi4, {map = affine_map<(d0, d1) -> ((d1 floordiv 16), (d0 floordiv 8), (d1 mod 16), (d0 mod 4), ((d0 mod 8) floordiv 4))>}>) -> tensor<4x32xi32>
func.func @main(%x: tensor<4x64xui8>) -> tensor<4x32xf32> {
  %wb = "onnx.Constant"() {value = dense<3> : tensor<64x32xi8>} : () -> none
  %w = "onnx.Cast"(%wb) {to = 22} : (none) -> none
  %s = "onnx.Constant"() {value = dense<0.5> : tensor<32xf32>} : () -> none
  %t = "onnx.Constant"() {value = dense<0.25> : tensor<f32>} : () -> none
  %z = "onnx.Constant"() {value = dense<7> : tensor<ui8>} : () -> none
  %a = "onnx.DequantizeLinear"(%x, %t, %z) : (tensor<4x64xui8>, none, none) -> none
  %b = "onnx.DequantizeLinear"(%w, %s) {axis = 1} : (none, none) -> none
  %0 = "onnx.MatMul"(%a, %b) : (none, none) -> none
  func.return %0 : none
}
// -----
// Sixteen numbers of 2 bits: quarters.
// CHECK-LABEL: func.func @main
// CHECK: "graph.conv"({{.*}} : (tensor<1x32x6x6xui8, {{.*}}>, tensor<16x32x1x1xi2, {{.*}}(d1 mod 4), ((d1 mod 16) floordiv 4))>}>) -> tensor<1x16x6x6xi32, {{.*}}>
func.func @main(%x: tensor<1x32x6x6xui8>) -> tensor<1x16x6x6xf32> {
  %wb = "onnx.Constant"() {value = dense<1> : tensor<16x32x1x1xi8>} : () -> none
  %w = "onnx.Cast"(%wb) {to = 26} : (none) -> none
  %s = "onnx.Constant"() {value = dense<0.5> : tensor<16xf32>} : () -> none
  %t = "onnx.Constant"() {value = dense<0.25> : tensor<f32>} : () -> none
  %a = "onnx.DequantizeLinear"(%x, %t) : (tensor<1x32x6x6xui8>, none) -> none
  %b = "onnx.DequantizeLinear"(%w, %s) {axis = 0} : (none, none) -> none
  %0 = "onnx.Conv"(%a, %b) : (none, none) -> none
  func.return %0 : none
}
// -----
// Numbers without a sign, less 8, and a zero point that is 8 less as well; an image is padded by its own.
// CHECK-LABEL: func.func @main
// CHECK: "graph.map"(%arg0)
// CHECK: pads = [7]
// CHECK: "graph.conv"({{.*}} : (tensor<1x32x8x8xui8, {{.*}}>, tensor<16x32x3x3xi4, {{.*}}>) -> tensor<1x16x6x6xi32, {{.*}}>
func.func @main(%x: tensor<1x32x6x6xui8>) -> tensor<1x16x6x6xf32> {
  %wb = "onnx.Constant"() {value = dense<9> : tensor<16x32x3x3xui8>} : () -> none
  %w = "onnx.Cast"(%wb) {to = 21} : (none) -> none
  %s = "onnx.Constant"() {value = dense<0.5> : tensor<16xf32>} : () -> none
  %ub = "onnx.Constant"() {value = dense<5> : tensor<16xui8>} : () -> none
  %u = "onnx.Cast"(%ub) {to = 21} : (none) -> none
  %t = "onnx.Constant"() {value = dense<0.25> : tensor<f32>} : () -> none
  %z = "onnx.Constant"() {value = dense<7> : tensor<ui8>} : () -> none
  %a = "onnx.DequantizeLinear"(%x, %t, %z) : (tensor<1x32x6x6xui8>, none, none) -> none
  %b = "onnx.DequantizeLinear"(%w, %s, %u) {axis = 0} : (none, none, none) -> none
  %0 = "onnx.Conv"(%a, %b) {pads = [1, 1, 1, 1]} : (none, none) -> none
  func.return %0 : none
}
// -----
// Three channels would leave most of a step empty: they become bytes.
// CHECK-LABEL: func.func @main
// CHECK: "graph.conv"({{.*}}xui8, {{.*}}>, tensor<16x4x3x3xi8, {{.*}}>)
func.func @main(%x: tensor<1x3x64x64xui8>) -> tensor<1x16x62x62xf32> {
  %wb = "onnx.Constant"() {value = dense<3> : tensor<16x3x3x3xi8>} : () -> none
  %w = "onnx.Cast"(%wb) {to = 22} : (none) -> none
  %s = "onnx.Constant"() {value = dense<0.5> : tensor<16xf32>} : () -> none
  %t = "onnx.Constant"() {value = dense<0.25> : tensor<f32>} : () -> none
  %a = "onnx.DequantizeLinear"(%x, %t) : (tensor<1x3x64x64xui8>, none) -> none
  %b = "onnx.DequantizeLinear"(%w, %s) {axis = 0} : (none, none) -> none
  %0 = "onnx.Conv"(%a, %b) : (none, none) -> none
  func.return %0 : none
}
// -----
// A scale for each block: a block's sum is of whole numbers, too; the activations' scale follows, and what their zero point has added goes
// off, which is known of the weights.
// CHECK-LABEL: func.func @main
// CHECK: %[[N:.*]] = "graph.reduce"
// CHECK: %[[L:.*]] = "graph.map"(%[[N]])
// CHECK: %[[P:.*]] = "graph.matmul"(%arg0, {{.*}} : (tensor<?x64xui8{{.*}}>, tensor<64x32xi4, {{.*}}>, tensor<2x32xf32, {{.*}}>) -> tensor<?x32xf32
// CHECK: "graph.map"(%[[P]], %{{.*}}, %[[L]])
// CHECK: "loop.sub"
// CHECK: "loop.mul"
func.func @main(%x: tensor<?x64xui8>) -> tensor<?x32xf32> {
  %wb = "onnx.Constant"() {value = dense<3> : tensor<64x32xi8>} : () -> none
  %w = "onnx.Cast"(%wb) {to = 22} : (none) -> none
  %s = "onnx.Constant"() {value = dense<0.5> : tensor<2x32xf32>} : () -> none
  %t = "onnx.Constant"() {value = dense<0.25> : tensor<f32>} : () -> none
  %z = "onnx.Constant"() {value = dense<7> : tensor<ui8>} : () -> none
  %a = "onnx.DequantizeLinear"(%x, %t, %z) : (tensor<?x64xui8>, none, none) -> none
  %b = "onnx.DequantizeLinear"(%w, %s) {axis = 0, block_size = 32} : (none, none) -> none
  %0 = "onnx.MatMul"(%a, %b) : (none, none) -> none
  func.return %0 : none
}
// -----
// Floats with a scale for each channel.
// CHECK-LABEL: func.func @main
// CHECK: "graph.matmul"(%arg0, {{.*}} : (tensor<4x64xf32>, tensor<64x32xi4, {{.*}}>, tensor<32xf32, {{.*}}>) -> tensor<4x32xf32>
func.func @main(%x: tensor<4x64xf32>) -> tensor<4x32xf32> {
  %wb = "onnx.Constant"() {value = dense<3> : tensor<64x32xi8>} : () -> none
  %w = "onnx.Cast"(%wb) {to = 22} : (none) -> none
  %s = "onnx.Constant"() {value = dense<0.5> : tensor<32xf32>} : () -> none
  %b = "onnx.DequantizeLinear"(%w, %s) {axis = 1} : (none, none) -> none
  %0 = "onnx.MatMul"(%x, %b) : (tensor<4x64xf32>, none) -> none
  func.return %0 : none
}
