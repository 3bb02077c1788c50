// RUN: dsc opt --passes=decompose,simplify,narrow,layout --cpu=x86-64-v3 --verify-each %s | FileCheck %s

// Weights of few bits with a scale for each block stay as they are: the product reads them, and multiplies a block's sum by its scale.
// -----
// Eight numbers lie in a word of each column: panels of 16 words. Scales lie in such panels, too.
// CHECK-LABEL: func.func @main
// CHECK: %[[S:.*]] = "graph.encode"({{.*}}) : (tensor<32x2xf32>) -> tensor<32x2xf32, {map = affine_map<(d0, d1) -> ((d0 floordiv 16), d1, (d0 mod 16))>}>
// CHECK: "graph.matmul"(%arg0, %{{.*}}, %[[S]])
// CHECK-SAME: affine_map<(d0, d1, d2) -> (d1, (d2 floordiv 32))>
// CHECK-SAME: tensor<32x64xi4, {map = affine_map<(d0, d1) -> ((d0 floordiv 16), (d1 floordiv 8), (d0 mod 16), (d1 mod 8))>}>
func.func @main(%x: tensor<1x64xf32>) -> tensor<1x32xf32> {
  %w = "onnx.Constant"() {value = dense<137> : tensor<32x2x16xui8>} : () -> none
  %s = "onnx.Constant"() {value = dense<0.5> : tensor<32x2xf32>} : () -> none
  %0 = "microsoft.MatMulNBits"(%x, %w, %s) {K = 64, N = 32, bits = 4, block_size = 32} : (tensor<1x64xf32>, none, none) -> none
  func.return %0 : none
}
// -----
// Zero points are bytes, less half of what 4 bits can be, as the weights are.
// CHECK-LABEL: func.func @main
// CHECK: "graph.matmul"(%arg0, {{.*}} : (tensor<?x64xf32{{.*}}>, tensor<32x64xi4, {{.*}}>, tensor<32x2xf32, {{.*}}>, tensor<32x2xi8, {{.*}}>) -> tensor<?x32xf32
func.func @main(%x: tensor<?x64xf32>) -> tensor<?x32xf32> {
  %w = "onnx.Constant"() {value = dense<137> : tensor<32x2x16xui8>} : () -> none
  %s = "onnx.Constant"() {value = dense<0.5> : tensor<32x2xf32>} : () -> none
  %z = "onnx.Constant"() {value = dense<37> : tensor<32x1xui8>} : () -> none
  %0 = "microsoft.MatMulNBits"(%x, %w, %s, %z) {K = 64, N = 32, bits = 4, block_size = 32} : (tensor<?x64xf32>, none, none, none) -> none
  func.return %0 : none
}
// -----
// Eight numbers of 3 bits are three bytes of each column, some with bits in two of them; packed zero points are read from two bytes, too.
// CHECK-LABEL: func.func @main
// CHECK: affine_map<(d0, d1) -> (d0, (d1 floordiv 16), (((d1 mod 16) * 3) floordiv 8))>, affine_map<(d0, d1) -> (d0, (d1 floordiv 16), (((d1 mod 16) * 3 + 2) floordiv 8))>
// CHECK-SAME: (tensor<32x3x6xui8>, tensor<32x3x6xui8>) -> tensor<32x40xi3>
// CHECK: affine_map<(d0, d1) -> (d0, ((d1 * 3) floordiv 8))>, affine_map<(d0, d1) -> (d0, ((d1 * 3 + 2) floordiv 8))>
// CHECK-SAME: (tensor<32x2xui8>, tensor<32x2xui8>) -> tensor<32x3xi8>
// CHECK: "graph.matmul"(%arg0, {{.*}} : (tensor<1x40xf32>, tensor<32x40xi3, {map = affine_map<(d0, d1) -> ((d0 floordiv 16), (d1 floordiv 8), (d0 mod 16), (d1 mod 8))>}>, tensor<32x3xf32, {{.*}}>, tensor<32x3xi8, {{.*}}>) -> tensor<1x32xf32>
func.func @main(%x: tensor<1x40xf32>) -> tensor<1x32xf32> {
  %w = "onnx.Constant"() {value = dense<137> : tensor<32x3x6xui8>} : () -> none
  %s = "onnx.Constant"() {value = dense<0.5> : tensor<32x3xf32>} : () -> none
  %z = "onnx.Constant"() {value = dense<37> : tensor<32x2xui8>} : () -> none
  %0 = "microsoft.MatMulNBits"(%x, %w, %s, %z) {K = 40, N = 32, bits = 3, block_size = 16} : (tensor<1x40xf32>, none, none, none) -> none
  func.return %0 : none
}
// -----
// A model that lets activations be bytes: those of each block, by their largest, and its scale. The first half of eight weights lies in the
// lower halves of a word's bytes.
// CHECK-LABEL: func.func @main
// CHECK: %[[M:.*]] = "graph.reduce"(%arg0)
// CHECK: maps = [affine_map<(d0, d1, d2) -> (d0, d1 * 32 + d2)>]
// CHECK: %[[D:.*]] = "graph.map"(%[[M]])
// CHECK: %[[Q:.*]] = "graph.map"(%arg0, %[[D]])
// CHECK: "loop.quantize"
// CHECK: "graph.matmul"(%[[Q]], %{{.*}}, %{{.*}}, %[[D]])
// CHECK-SAME: (tensor<1x64xi8>, tensor<32x64xi4, {map = affine_map<(d0, d1) -> ((d0 floordiv 16), (d1 floordiv 8), (d0 mod 16), (d1 mod 4), ((d1 mod 8) floordiv 4))>}>, tensor<32x2xf32, {{.*}}>, tensor<1x2xf32>) -> tensor<1x32xf32>
func.func @main(%x: tensor<1x64xf32>) -> tensor<1x32xf32> {
  %w = "onnx.Constant"() {value = dense<137> : tensor<32x2x16xui8>} : () -> none
  %s = "onnx.Constant"() {value = dense<0.5> : tensor<32x2xf32>} : () -> none
  %0 = "microsoft.MatMulNBits"(%x, %w, %s) {K = 64, N = 32, bits = 4, block_size = 32, accuracy_level = 4} : (tensor<1x64xf32>, none, none) -> none
  func.return %0 : none
}
// -----
// Where the last block is not whole, activations stay floats.
// CHECK-LABEL: func.func @main
// CHECK-NOT: "graph.reduce"
// CHECK: "graph.matmul"({{.*}} : (tensor<1x40xf32>, tensor<32x40xi4, {{.*}}>
func.func @main(%x: tensor<1x40xf32>) -> tensor<1x32xf32> {
  %w = "onnx.Constant"() {value = dense<137> : tensor<32x2x16xui8>} : () -> none
  %s = "onnx.Constant"() {value = dense<0.5> : tensor<32x2xf32>} : () -> none
  %0 = "microsoft.MatMulNBits"(%x, %w, %s) {K = 40, N = 32, bits = 4, block_size = 32, accuracy_level = 4} : (tensor<1x40xf32>, none, none) -> none
  func.return %0 : none
}
// -----
// Numbers without a sign, transposed: less 128, and so are their zero points, which are 0.
// CHECK-LABEL: func.func @main
// CHECK: "graph.matmul"(%arg0, {{.*}} (d1, (d2 floordiv 32))>{{.*}} : (tensor<3x64xf32>, tensor<32x64xi8, {{.*}}>, tensor<32x2xf32, {{.*}}>, tensor<32x2xi8, {{.*}}>) -> tensor<3x32xf32>
// CHECK-NOT: tensor<64x32xf32>
// CHECK: func.return
func.func @main(%x: tensor<3x64xf32>) -> tensor<3x32xf32> {
  %w = "onnx.Constant"() {value = dense<9> : tensor<32x64xui8>} : () -> none
  %s = "onnx.Constant"() {value = dense<0.5> : tensor<32x2xf32>} : () -> none
  %0 = "onnx.DequantizeLinear"(%w, %s) {axis = 1, block_size = 32} : (none, none) -> none
  %1 = "onnx.Transpose"(%0) {perm = [1, 0]} : (none) -> none
  %2 = "onnx.MatMul"(%x, %1) : (tensor<3x64xf32>, none) -> none
  func.return %2 : none
}
