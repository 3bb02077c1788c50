// RUN: dsc opt --passes=decompose,simplify,narrow --cpu=aarch64-dot --verify-each %s | FileCheck %s

// Products of bytes with signs and bytes without, where no instruction multiplies these.
// -----
// Bytes without signs become such with signs, also where there are no zero points: the sum less 128 for each of the weights.
// CHECK-LABEL: func.func @main
// CHECK: "graph.map"(%arg0
// CHECK: value = 128
// CHECK: -> tensor<64x256xi8>
// CHECK: %[[N:.*]] = "graph.reduce"
// CHECK: : (tensor<256x64xi8>) -> tensor<64xi32>
// CHECK: %[[P:.*]] = "graph.matmul"{{.*}} : (tensor<64x256xi8>, tensor<256x64xi8>) -> tensor<64x64xi32>
// CHECK: "graph.map"(%[[P]], {{.*}}, %[[N]])
func.func @main(%x: tensor<64x256xui8>) -> tensor<64x64xi32> {
  %w = "onnx.Constant"() {value = dense<-3> : tensor<256x64xi8>} : () -> none
  %0 = "onnx.MatMulInteger"(%x, %w) : (tensor<64x256xui8>, none) -> none
  func.return %0 : none
}
// -----
// Bytes that both have signs stay as they are.
// CHECK-LABEL: func.func @main
// CHECK-NOT: "graph.map"
// CHECK: "graph.matmul"(%arg0{{.*}} : (tensor<64x256xi8>, tensor<256x64xi8>) -> tensor<64x64xi32>
func.func @main(%x: tensor<64x256xi8>) -> tensor<64x64xi32> {
  %w = "onnx.Constant"() {value = dense<-3> : tensor<256x64xi8>} : () -> none
  %0 = "onnx.MatMulInteger"(%x, %w) : (tensor<64x256xi8>, none) -> none
  func.return %0 : none
}
