// RUN: dsc opt --passes=decompose --verify-each %s | FileCheck %s

// What is computed between quantised tensors is an operator between dequantising maps and a quantising one.
// CHECK-LABEL: @sum
// CHECK: %[[A:.*]] = "graph.map"(%arg0, %arg2, %arg3)
// CHECK: %[[B:.*]] = "graph.map"(%arg1, %arg2, %arg3)
// CHECK: %[[SUM:.*]] = "graph.map"(%[[A]], %[[B]])
// CHECK: "loop.add"
// CHECK: "graph.map"(%[[SUM]], %arg2, %arg3)
// CHECK: "loop.quantize"({{.*}}) : (f32, f32, ui8) -> ui8
func.func @sum(%a: tensor<2x3xui8>, %b: tensor<3xui8>, %s: tensor<f32>, %z: tensor<ui8>) -> tensor<2x3xui8> {
  %0 = "microsoft.QLinearAdd"(%a, %s, %z, %b, %s, %z, %s, %z) : (tensor<2x3xui8>, tensor<f32>, tensor<ui8>, tensor<3xui8>, tensor<f32>, tensor<ui8>, tensor<f32>, tensor<ui8>) -> none
  func.return %0 : none
}

// The mean of an image is a sum of whole numbers, divided with the scales. The channels are last.
// CHECK-LABEL: @mean
// CHECK: %[[LESS:.*]] = "graph.map"(%arg0, %arg2)
// CHECK: %[[SUM:.*]] = "graph.reduce"(%[[LESS]])
// CHECK: -> tensor<1x1x1x4xi32>
// CHECK: "graph.map"(%[[SUM]],
// CHECK: "loop.quantize"
func.func @mean(%x: tensor<1x5x6x4xi8>, %s: tensor<f32>, %z: tensor<i8>) -> tensor<1x1x1x4xi8> {
  %0 = "microsoft.QLinearGlobalAveragePool"(%x, %s, %z, %s, %z) {channels_last = 1} : (tensor<1x5x6x4xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<i8>) -> none
  func.return %0 : none
}

// Products of bytes are exact; their scales, and alpha, come behind them.
// CHECK-LABEL: @gemm
// CHECK: %[[SUM:.*]] = "graph.matmul"{{.*}} -> tensor<2x4xi32>
// CHECK: %[[BOTH:.*]] = "graph.map"(%[[SUM]], %arg2)
// CHECK: "loop.add"({{.*}}) : (i32, i32) -> i32
// CHECK: "graph.map"(%[[BOTH]],
// CHECK: "loop.mul"({{.*}}) : (f32, f32) -> f32
// CHECK-NOT: "loop.quantize"
func.func @gemm(%a: tensor<2x3xui8>, %b: tensor<4x3xi8>, %c: tensor<4xi32>, %s: tensor<f32>, %z: tensor<ui8>, %t: tensor<4xf32>, %y: tensor<4xi8>) -> tensor<2x4xf32> {
  %0 = "microsoft.QGemm"(%a, %s, %z, %b, %t, %y, %c) {alpha = 0.5, transB = 1} : (tensor<2x3xui8>, tensor<f32>, tensor<ui8>, tensor<4x3xi8>, tensor<4xf32>, tensor<4xi8>, tensor<4xi32>) -> none
  func.return %0 : none
}

// Weights of 4 bits, two in a byte, in blocks of 16: maps that take them and their zero points apart, as signed numbers; what
// these stand for, and a product that reads its rows.
// CHECK-LABEL: @nibbles
// CHECK: %[[N:.*]] = "graph.map"(%arg1)
// CHECK: "loop.shr"({{.*}}) : (i32, i32) -> i32
// CHECK: "loop.and"({{.*}}) : (i32, i32) -> i32
// CHECK: "loop.sub"({{.*}}) : (i32, i32) -> i32
// CHECK: maps = [affine_map<(d0, d1) -> (d0, (d1 floordiv 16), (((d1 mod 16) * 4) floordiv 8))>]
// CHECK-SAME: -> tensor<6x40xi4>
// CHECK: %[[Z:.*]] = "graph.map"(%arg3)
// CHECK: maps = [affine_map<(d0, d1) -> (d0, ((d1 * 4) floordiv 8))>]
// CHECK-SAME: -> tensor<6x3xi8>
// CHECK: %[[W:.*]] = "graph.map"(%[[N]], %arg2, %[[Z]])
// CHECK: maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, (d1 floordiv 16))>, affine_map<(d0, d1) -> (d0, (d1 floordiv 16))>]
// CHECK-SAME: -> tensor<6x40xf32>
// CHECK: "graph.matmul"(%arg0, %[[W]])
// CHECK-SAME: affine_map<(d0, d1, d2) -> (d1, d2)>
func.func @nibbles(%x: tensor<3x40xf32>, %w: tensor<6x3x8xui8>, %s: tensor<6x3xf32>, %z: tensor<6x2xui8>) -> tensor<3x6xf32> {
  %0 = "microsoft.MatMulNBits"(%x, %w, %s, %z) {K = 40, N = 6, bits = 4, block_size = 16} : (tensor<3x40xf32>, tensor<6x3x8xui8>, tensor<6x3xf32>, tensor<6x2xui8>) -> none
  func.return %0 : none
}

// The sum that is normed is a result, too.
// CHECK-LABEL: @skip
// CHECK: %[[SUM:.*]] = "graph.map"(%arg0, %arg1)
// CHECK: "graph.reduce"(%[[SUM]])
// CHECK: func.return %{{.*}}, %[[SUM]]
func.func @skip(%x: tensor<2x3x8xf32>, %y: tensor<2x3x8xf32>, %s: tensor<8xf32>) -> (tensor<2x3x8xf32>, tensor<2x3x8xf32>) {
  %0, %1, %2, %3 = "microsoft.SkipSimplifiedLayerNormalization"(%x, %y, %s) {epsilon = 1.0e-6} : (tensor<2x3x8xf32>, tensor<2x3x8xf32>, tensor<8xf32>) -> (none, none, none, none)
  func.return %0, %3 : none, none
}

// A cache with new keys from place `start` on, which is a number of each batch: all keys but the new ones, or none.
// CHECK-LABEL: @cached
// CHECK: %[[START:.*]] = "graph.map"(%arg5)
// CHECK: "loop.select"
// CHECK: %[[KEYS:.*]] = "graph.map"(%[[START]], %arg3)
// CHECK: "graph.extract"(%arg1,
// CHECK: pads = [unit, 0.00000e+00 : f64]
// CHECK: %[[VALUES:.*]] = "graph.map"(%[[START]], %arg4)
// CHECK: "graph.extract"(%arg2,
// CHECK: "graph.matmul"
// CHECK: func.return %{{.*}}, %[[KEYS]], %[[VALUES]]
func.func @cached(%q: tensor<2x1x32xf32>, %k: tensor<2x1x16xf32>, %v: tensor<2x1x16xf32>, %pk: tensor<2x2x5x8xf32>, %pv: tensor<2x2x5x8xf32>, %n: tensor<2xi32>) -> (tensor<2x1x32xf32>, tensor<2x2x6x8xf32>, tensor<2x2x6x8xf32>) {
  %t = "graph.constant"() {value = dense<6> : tensor<i32>} : () -> tensor<i32>
  %0, %1, %2 = "microsoft.GroupQueryAttention"(%q, %k, %v, %pk, %pv, %n, %t) {num_heads = 4, kv_num_heads = 2} : (tensor<2x1x32xf32>, tensor<2x1x16xf32>, tensor<2x1x16xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>, tensor<2xi32>, tensor<i32>) -> (none, none, none)
  func.return %0, %1, %2 : none, none, none
}

// Keys that do not count get mask_filter_value added: here those from a number of each batch on.
// CHECK-LABEL: @padded
// CHECK: "graph.map"(%arg1)
// CHECK: "loop.position"() {dim = 3}
// CHECK: {value = -1.00000e+02
// CHECK: maps = [affine_map<(d0, d1, d2, d3) -> (d0)>]
// CHECK-SAME: -> tensor<2x1x1x5xf32>
func.func @padded(%q: tensor<2x5x24xf32>, %m: tensor<2xi32>) -> tensor<2x5x24xf32> {
  %n = "onnx.None"() : () -> none
  %0 = "microsoft.MultiHeadAttention"(%q, %q, %q, %n, %m) {num_heads = 3, mask_filter_value = -100.0} : (tensor<2x5x24xf32>, tensor<2x5x24xf32>, tensor<2x5x24xf32>, none, tensor<2xi32>) -> none
  func.return %0 : none
}
