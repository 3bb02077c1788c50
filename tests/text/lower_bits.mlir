// RUN: dsc opt --cpu=x86-64-v3 --verify-each %s | FileCheck %s --check-prefix=AVX2
// RUN: dsc opt --cpu=x86-64-v4-vnni --verify-each %s | FileCheck %s --check-prefix=VNNI

// Tiles of weights of few bits: words of several numbers, and sums of blocks that are multiplied by a scale.
// -----
// Four steps of eight numbers are a block, whose scales lie 16 apart. By a table where vectors have 16 lanes.
// AVX2-LABEL: func.func @k0
// AVX2: "loop.tile"({{.*}}) {rows = 1, columns = 4, lanes = 8, window = ["8"], lhs = ["8"], rhs = ["128"], mma = "nibbles", block = 4, apart = 16, near = 8}
// AVX2: "plan.weight"() {constant = 0, bytes = "1024"}
// VNNI: mma = "nibbles_512", block = 4
func.func @main(%x: tensor<1x64xf32>) -> tensor<1x32xf32> {
  %w = "onnx.Constant"() {value = dense<137> : tensor<32x2x16xui8>} : () -> none
  %s = "onnx.Constant"() {value = dense<0.5> : tensor<32x2xf32>} : () -> none
  %0 = "microsoft.MatMulNBits"(%x, %w, %s) {K = 64, N = 32, bits = 4, block_size = 32} : (tensor<1x64xf32>, none, none) -> none
  func.return %0 : none
}
// -----
// Zero points of blocks are taken off before the product.
// AVX2-LABEL: func.func @k0
// AVX2: "loop.tile"({{.*}}, mma = "nibbles", block = 4, apart = 16, zeros
// VNNI: zeros
func.func @main(%x: tensor<?x64xf32>) -> tensor<?x32xf32> {
  %w = "onnx.Constant"() {value = dense<137> : tensor<32x2x16xui8>} : () -> none
  %s = "onnx.Constant"() {value = dense<0.5> : tensor<32x2xf32>} : () -> none
  %z = "onnx.Constant"() {value = dense<37> : tensor<32x1xui8>} : () -> none
  %0 = "microsoft.MatMulNBits"(%x, %w, %s, %z) {K = 64, N = 32, bits = 4, block_size = 32} : (tensor<?x64xf32>, none, none, none) -> none
  func.return %0 : none
}
// -----
// Activations are bytes, with a scale for each row and block: pairs of bytes, or four of them in one instruction.
// AVX2: "loop.tile"({{.*}}, mma = "bytes_i4_avx2", block = 4, apart = 16, apart_left = 1
// VNNI: "loop.tile"({{.*}}, mma = "bytes_i4_512", block = 4, apart = 16, apart_left = 1
func.func @main(%x: tensor<1x64xf32>) -> tensor<1x32xf32> {
  %w = "onnx.Constant"() {value = dense<137> : tensor<32x2x16xui8>} : () -> none
  %s = "onnx.Constant"() {value = dense<0.5> : tensor<32x2xf32>} : () -> none
  %0 = "microsoft.MatMulNBits"(%x, %w, %s) {K = 64, N = 32, bits = 4, block_size = 32, accuracy_level = 4} : (tensor<1x64xf32>, none, none) -> none
  func.return %0 : none
}
// -----
// Numbers of 3 bits by a table of 8 floats: a step is 8 of k, 16 columns of them 48 bytes, and 64 x 32 are 768.
// AVX2-LABEL: func.func @k0
// AVX2: "loop.tile"({{.*}} lhs = ["8"], rhs = ["128"], mma = "octals_avx2", block = 4, apart = 16{{.*}} : (memref<?xf32>, memref<?xi3>
// AVX2: "plan.weight"() {constant = 0, bytes = "768"} : () -> memref<?xi3>
// VNNI: mma = "octals_avx2", block = 4, apart = 16
func.func @main(%x: tensor<1x64xf32>) -> tensor<1x32xf32> {
  %w = "onnx.Constant"() {value = dense<137> : tensor<32x2x12xui8>} : () -> none
  %s = "onnx.Constant"() {value = dense<0.5> : tensor<32x2xf32>} : () -> none
  %0 = "microsoft.MatMulNBits"(%x, %w, %s) {K = 64, N = 32, bits = 3, block_size = 32} : (tensor<1x64xf32>, none, none) -> none
  func.return %0 : none
}
