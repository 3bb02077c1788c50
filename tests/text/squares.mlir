// RUN: dsc opt --cpu=aarch64-i8mm --precision=bf16 --verify-each %s | FileCheck %s

// Products by two rows and two columns at a time.
// -----
// A step takes eight bytes: 32 of them, panels of 16 columns by eight rows. Tiles have rows in pairs.
// CHECK-LABEL: func.func @k0
// CHECK: "loop.tile"({{.*}}) {rows = 4, columns = 4, lanes = 4, window = ["32"], lhs = ["8"], rhs = ["128"], mma = "squares_u8i8"
// CHECK-SAME: -> (vector<4xi32>
func.func @main(%x: tensor<64x256xui8>) -> tensor<64x64xi32> {
  %w = "onnx.Constant"() {value = dense<-3> : tensor<256x64xi8>} : () -> none
  %0 = "onnx.MatMulInteger"(%x, %w) : (tensor<64x256xui8>, none) -> none
  func.return %0 : none
}
// -----
// Zeros fill the last step of both factors.
// CHECK-LABEL: func.func @k1
// CHECK: "loop.tile"({{.*}}) {rows = {{[0-9]+}}, columns = 4, lanes = 4, window = ["2"], lhs = ["8"], rhs = ["128"], mma = "squares_i8i8"}
func.func @main(%x: tensor<64x12xi8>) -> tensor<64x16xi32> {
  %w = "onnx.Constant"() {value = dense<-3> : tensor<12x16xi8>} : () -> none
  %0 = "onnx.MatMulInteger"(%x, %w) : (tensor<64x12xi8>, none) -> none
  func.return %0 : none
}
// -----
// An odd number of rows is a tile, too.
// CHECK-LABEL: func.func @k0
// CHECK: "loop.tile"({{.*}}) {rows = 3, {{.*}} mma = "squares_u8u8"
func.func @main(%x: tensor<3x256xui8>) -> tensor<3x64xi32> {
  %w = "onnx.Constant"() {value = dense<3> : tensor<256x64xui8>} : () -> none
  %0 = "onnx.MatMulInteger"(%x, %w) : (tensor<3x256xui8>, none) -> none
  func.return %0 : none
}
// -----
// Floats are rounded to 16 bits where options ask for that, both factors: a step takes four.
// CHECK-LABEL: func.func @k0
// CHECK-SAME: memref<?xf32>, %{{[a-z0-9]+}}: memref<?xbf16>
// CHECK-LABEL: func.func @k1
// CHECK: "loop.tile"({{.*}}, window = ["64"], lhs = ["4"], rhs = ["64"], mma = "squares_bf16"
func.func @main(%x: tensor<64x256xf32>) -> tensor<64x64xf32> {
  %w = "onnx.Constant"() {value = dense<0.3> : tensor<256x64xf32>} : () -> none
  %0 = "onnx.MatMul"(%x, %w) : (tensor<64x256xf32>, none) -> none
  func.return %0 : none
}
// -----
// One row is both rows of an instruction.
// CHECK-LABEL: func.func @k1
// CHECK: "loop.tile"({{.*}}) {rows = 1, {{.*}} mma = "squares_bf16"
func.func @main(%x: tensor<1x256xf32>) -> tensor<1x64xf32> {
  %w = "onnx.Constant"() {value = dense<0.3> : tensor<256x64xf32>} : () -> none
  %0 = "onnx.MatMul"(%x, %w) : (tensor<1x256xf32>, none) -> none
  func.return %0 : none
}
// -----
// Convolutions have their channels in steps.
// CHECK-LABEL: func.func @k1
// CHECK: "loop.tile"({{.*}}, window = ["3", "12"], {{.*}} mma = "squares_bf16"
func.func @main(%x: tensor<1x16x8x8xf32>) -> tensor<1x32x6x6xf32> {
  %w = "onnx.Constant"() {value = dense<0.3> : tensor<32x16x3x3xf32>} : () -> none
  %0 = "onnx.Conv"(%x, %w) : (tensor<1x16x8x8xf32>, none) -> none
  func.return %0 : none
}
