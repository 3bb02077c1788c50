// RUN: not dsc opt --passes=decompose %s 2>&1 | FileCheck %s

// What operators of com.microsoft may be and dsc does not do, or may not be, is said in words.
// -----
// CHECK: error: node 'y' (MatMulNBits): columns in an order of their own (g_idx)
func.func @main(%x: tensor<3x32xf32>, %w: tensor<6x1x16xui8>, %s: tensor<6x1xf32>, %g: tensor<32xi32>) -> tensor<3x6xf32> {
  %n = "onnx.None"() : () -> none
  %y = "microsoft.MatMulNBits"(%x, %w, %s, %n, %g) {K = 32, N = 6, bits = 4, block_size = 32} : (tensor<3x32xf32>, tensor<6x1x16xui8>, tensor<6x1xf32>, none, tensor<32xi32>) -> none
  func.return %y : none
}
// -----
// CHECK: error: node 'y' (MatMulNBits): weights of 5 bits
func.func @main(%x: tensor<3x32xf32>, %w: tensor<6x1x20xui8>, %s: tensor<6x1xf32>) -> tensor<3x6xf32> {
  %y = "microsoft.MatMulNBits"(%x, %w, %s) {K = 32, N = 6, bits = 5, block_size = 32} : (tensor<3x32xf32>, tensor<6x1x20xui8>, tensor<6x1xf32>) -> none
  func.return %y : none
}
// -----
// CHECK: error: node 'y' (MatMulNBits): weights of 6 bits
func.func @main(%x: tensor<3x32xf32>, %w: tensor<6x1x24xui8>, %s: tensor<6x1xf32>) -> tensor<3x6xf32> {
  %y = "microsoft.MatMulNBits"(%x, %w, %s) {K = 32, N = 6, bits = 6, block_size = 32} : (tensor<3x32xf32>, tensor<6x1x24xui8>, tensor<6x1xf32>) -> none
  func.return %y : none
}
// -----
// CHECK: error: node 'y' (MatMulNBits): weights of 7 bits
func.func @main(%x: tensor<3x32xf32>, %w: tensor<6x1x28xui8>, %s: tensor<6x1xf32>) -> tensor<3x6xf32> {
  %y = "microsoft.MatMulNBits"(%x, %w, %s) {K = 32, N = 6, bits = 7, block_size = 32} : (tensor<3x32xf32>, tensor<6x1x28xui8>, tensor<6x1xf32>) -> none
  func.return %y : none
}
// -----
// CHECK: error: node 'y' (MatMulNBits): it must be that weights are as many as N, K, bits and block_size say, but not 1 == 2
func.func @main(%x: tensor<3x64xf32>, %w: tensor<6x1x16xui8>, %s: tensor<6x2xf32>) -> tensor<3x6xf32> {
  %y = "microsoft.MatMulNBits"(%x, %w, %s) {K = 64, N = 6, bits = 4, block_size = 32} : (tensor<3x64xf32>, tensor<6x1x16xui8>, tensor<6x2xf32>) -> none
  func.return %y : none
}
// -----
// CHECK: error: node 'y' (FusedGemm): activation 'Mish'
func.func @main(%x: tensor<3x4xf32>, %w: tensor<4x5xf32>) -> tensor<3x5xf32> {
  %y = "microsoft.FusedGemm"(%x, %w) {activation = "Mish"} : (tensor<3x4xf32>, tensor<4x5xf32>) -> none
  func.return %y : none
}
// -----
// CHECK: error: node 'y' (QLinearAdd): values are ui8, their zero point is i8
func.func @main(%x: tensor<3x4xui8>, %s: tensor<f32>, %z: tensor<i8>) -> tensor<3x4xui8> {
  %n = "onnx.None"() : () -> none
  %y = "microsoft.QLinearAdd"(%x, %s, %z, %x, %s, %n, %s) : (tensor<3x4xui8>, tensor<f32>, tensor<i8>, tensor<3x4xui8>, tensor<f32>, none, tensor<f32>) -> none
  func.return %y : none
}
// -----
// CHECK: error: node 'y' (QLinearConcat): there are 4 operands instead of a scale, a zero point and three each
func.func @main(%x: tensor<3x4xui8>, %s: tensor<f32>, %z: tensor<ui8>) -> tensor<3x4xui8> {
  %y = "microsoft.QLinearConcat"(%s, %z, %x, %s) {axis = 0} : (tensor<f32>, tensor<ui8>, tensor<3x4xui8>, tensor<f32>) -> none
  func.return %y : none
}
// -----
// CHECK: error: {{.*}}microsoft.SkipLayerNormalization has no attribute 'epsilonn' (is it epsilon?)
func.func @main(%x: tensor<3x4xf32>, %s: tensor<4xf32>) -> tensor<3x4xf32> {
  %y = "microsoft.SkipLayerNormalization"(%x, %x, %s) {epsilonn = 1.0} : (tensor<3x4xf32>, tensor<3x4xf32>, tensor<4xf32>) -> none
  func.return %y : none
}
// -----
// CHECK: error: node 'y' (GroupQueryAttention): sinks of attention
func.func @main(%q: tensor<1x1x32xf32>, %k: tensor<1x1x16xf32>, %l: tensor<1xi32>, %t: tensor<i32>, %s: tensor<4xf32>) -> tensor<1x1x32xf32> {
  %n = "onnx.None"() : () -> none
  %y = "microsoft.GroupQueryAttention"(%q, %k, %k, %n, %n, %l, %t, %n, %n, %n, %n, %s) {num_heads = 4, kv_num_heads = 2} : (tensor<1x1x32xf32>, tensor<1x1x16xf32>, tensor<1x1x16xf32>, none, none, tensor<1xi32>, tensor<i32>, none, none, none, none, tensor<4xf32>) -> none
  func.return %y : none
}
// -----
// CHECK: error: node 'y' (GroupQueryAttention): it must be that keys are as many as queries, and have the columns of their heads, but not 24 == 16
func.func @main(%q: tensor<1x1x32xf32>, %k: tensor<1x1x24xf32>, %l: tensor<1xi32>, %t: tensor<i32>) -> tensor<1x1x32xf32> {
  %n = "onnx.None"() : () -> none
  %y = "microsoft.GroupQueryAttention"(%q, %k, %k, %n, %n, %l, %t) {num_heads = 4, kv_num_heads = 2} : (tensor<1x1x32xf32>, tensor<1x1x24xf32>, tensor<1x1x24xf32>, none, none, tensor<1xi32>, tensor<i32>) -> none
  func.return %y : none
}
// -----
// CHECK: error: node 'y' (MultiHeadAttention): keys or values are missing
func.func @main(%q: tensor<1x1x32xf32>) -> tensor<1x1x32xf32> {
  %y = "microsoft.MultiHeadAttention"(%q) {num_heads = 4} : (tensor<1x1x32xf32>) -> none
  func.return %y : none
}
// -----
// CHECK: error: node 'y' (Attention): rotary positions (do_rotary)
func.func @main(%x: tensor<1x3x8xf32>, %w: tensor<8x24xf32>) -> tensor<1x3x8xf32> {
  %y = "microsoft.Attention"(%x, %w) {num_heads = 2, do_rotary = 1} : (tensor<1x3x8xf32>, tensor<8x24xf32>) -> none
  func.return %y : none
}
// -----
// CHECK: error: node 'y' (Attention): a mask of rank 4
func.func @main(%x: tensor<1x3x8xf32>, %w: tensor<8x24xf32>, %m: tensor<1x1x9x9xi32>) -> tensor<1x3x8xf32> {
  %n = "onnx.None"() : () -> none
  %y = "microsoft.Attention"(%x, %w, %n, %m) {num_heads = 2} : (tensor<1x3x8xf32>, tensor<8x24xf32>, none, tensor<1x1x9x9xi32>) -> none
  func.return %y : none
}
// -----
// CHECK: error: node 'y' (GatherBlockQuantized): blocks along the axis that is gathered
func.func @main(%x: tensor<32x4xi4>, %i: tensor<3xi64>, %s: tensor<2x4xf32>) -> tensor<3x4xf32> {
  %y = "microsoft.GatherBlockQuantized"(%x, %i, %s) {block_size = 16, quantize_axis = 0} : (tensor<32x4xi4>, tensor<3xi64>, tensor<2x4xf32>) -> none
  func.return %y : none
}
// -----
// CHECK: error: node 'y' (GatherBlockQuantized): values of 3 bits
func.func @main(%x: tensor<8x24xui8>, %i: tensor<3xi64>, %s: tensor<8x4xf32>) -> tensor<3x64xf32> {
  %y = "microsoft.GatherBlockQuantized"(%x, %i, %s) {block_size = 16, bits = 3} : (tensor<8x24xui8>, tensor<3xi64>, tensor<8x4xf32>) -> none
  func.return %y : none
}
