// RUN: dsc opt --cpu=x86-64-v3 --without=narrow --verify-each %s | FileCheck %s

// Bytes have tiles of their own: a step takes four, and panels have four of a column together.
// CHECK-LABEL: func.func @k{{[0-9]+}}(%arg0: memref<?xui8>, %arg1: memref<?xui8>, %arg2: memref<?xi32>)
// CHECK: "loop.tile"(%arg0, %arg1, {{.*}} window = ["2"], lhs = ["4"], rhs = ["64"], mma = "pairs_u8u8"
// CHECK-SAME: -> (vector<8xi32>
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<12x8xui8>, %y: tensor<8x48xui8>) -> tensor<12x48xi32> {
  %0 = "onnx.MatMulInteger"(%x, %y) : (tensor<12x8xui8>, tensor<8x48xui8>) -> none
  func.return %0 : none
}
