// RUN: dsc opt --cpu=x86-64-v4-bf16 --precision=bf16 --verify-each %s | FileCheck %s

// Both products of attention are of 16 bits, in one kernel with the softmax between them, which is of floats.
// CHECK: func.func @k4({{.*}}program = "blocks"
// CHECK: "loop.tile"{{.*}}mma = "dots_bf16"
// CHECK: "loop.cast"({{.*}}) : (vector<16xf32>) -> vector<16xbf16>
// CHECK: "loop.tile"{{.*}}mma = "dots_bf16"
func.func @main(%q: tensor<4x64x32xf32>, %k: tensor<4x32x64xf32>, %v: tensor<4x64x32xf32>) -> tensor<4x64x32xf32> {
  %0 = "onnx.MatMul"(%q, %k) : (tensor<4x64x32xf32>, tensor<4x32x64xf32>) -> none
  %1 = "onnx.Softmax"(%0) {axis = -1} : (none) -> none
  %2 = "onnx.MatMul"(%1, %v) : (none, tensor<4x64x32xf32>) -> none
  func.return %2 : none
}
