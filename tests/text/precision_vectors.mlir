// RUN: dsc opt --passes=decompose,simplify,narrow,winograd,precision --cpu=x86-64-v4-bf16 --precision=bf16 --verify-each %s | FileCheck %s

// Where vectors multiply two numbers of 16 bits faster than floats, both factors of every product are rounded.
// -----
// CHECK-LABEL: func.func @main
// CHECK-COUNT-2: "loop.cast"({{.*}}) : (f32) -> bf16
// CHECK: "graph.matmul"{{.*}} : (tensor<4x16xbf16>, tensor<16x32xbf16>) -> tensor<4x32xf32>
func.func @main(%x: tensor<4x16xf32>) -> tensor<4x32xf32> {
  %w = "onnx.Constant"() {value = dense<0.3> : tensor<16x32xf32>} : () -> none
  %0 = "onnx.MatMul"(%x, %w) : (tensor<4x16xf32>, none) -> none
  func.return %0 : none
}
// -----
// Inputs, too; what two products read is rounded once.
// CHECK-LABEL: func.func @main
// CHECK-COUNT-3: "loop.cast"({{.*}}) : (f32) -> bf16
// CHECK-NOT: loop.cast
// CHECK: "graph.matmul"{{.*}} : (tensor<4x16xbf16>, tensor<16x8xbf16>) -> tensor<4x8xf32>
func.func @main(%x: tensor<4x16xf32>, %y: tensor<16x8xf32>, %z: tensor<16x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  %0 = "onnx.MatMul"(%x, %y) : (tensor<4x16xf32>, tensor<16x8xf32>) -> none
  %1 = "onnx.MatMul"(%x, %z) : (tensor<4x16xf32>, tensor<16x8xf32>) -> none
  func.return %0, %1 : none, none
}
// -----
// Convolutions with many tiles for their channels are faster in Winograd's form, of floats.
// CHECK-LABEL: func.func @main
// CHECK: "graph.conv"{{.*}}tile = 4{{.*}}stays = "Winograd's form in floats takes fewer products"
func.func @main(%x: tensor<1x64x64x64xf32>) -> tensor<1x64x64x64xf32> {
  %w = "onnx.Constant"() {value = dense<0.3> : tensor<64x64x3x3xf32>} : () -> none
  %0 = "onnx.Conv"(%x, %w) {pads = [1, 1, 1, 1]} : (tensor<1x64x64x64xf32>, none) -> none
  func.return %0 : none
}
// -----
// Where its tiles save little, they are not taken.
// CHECK-LABEL: func.func @main
// CHECK: "graph.conv"{{.*}}tile = 0{{.*}}tensor<256x256x3x3xbf16>
func.func @main(%x: tensor<1x256x14x14xf32>) -> tensor<1x256x14x14xf32> {
  %w = "onnx.Constant"() {value = dense<0.3> : tensor<256x256x3x3xf32>} : () -> none
  %0 = "onnx.Conv"(%x, %w) {pads = [1, 1, 1, 1]} : (tensor<1x256x14x14xf32>, none) -> none
  func.return %0 : none
}
// -----
// A depthwise convolution sums over no channels.
// CHECK-LABEL: func.func @main
// CHECK: "graph.conv"{{.*}}stays = "no sum over channels"
func.func @main(%x: tensor<1x16x8x8xf32>) -> tensor<1x16x8x8xf32> {
  %w = "onnx.Constant"() {value = dense<0.3> : tensor<16x1x3x3xf32>} : () -> none
  %0 = "onnx.Conv"(%x, %w) {group = 16, pads = [1, 1, 1, 1]} : (tensor<1x16x8x8xf32>, none) -> none
  func.return %0 : none
}
