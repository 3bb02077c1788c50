// RUN: dsc opt --passes=decompose,simplify,narrow --cpu=x86-64-v3 --verify-each %s | FileCheck %s

// Products of bytes: conversions sink behind the sum. At this level numbers of 16 bits are multiplied fastest.
// -----
// Both factors less their zero points, a sum of whole numbers, then the scales.
// CHECK-LABEL: func.func @main
// CHECK: "graph.map"(%arg0
// CHECK: "loop.sub"
// CHECK: -> tensor<64x128xi16>
// CHECK: -> tensor<128x32xi16>
// CHECK: %[[P:.*]] = "graph.matmul"{{.*}} : (tensor<64x128xi16>, tensor<128x32xi16>) -> tensor<64x32xi32>
// CHECK: "graph.map"(%[[P]],
// CHECK: "loop.mul"
// CHECK: -> tensor<64x32xf32>
// CHECK-NOT: "graph.matmul"
func.func @main(%x: tensor<64x128xui8>, %s: tensor<f32>, %z: tensor<ui8>) -> tensor<64x32xf32> {
  %w = "onnx.Constant"() {value = dense<100> : tensor<128x32xi8>} : () -> none
  %t = "onnx.Constant"() {value = dense<0.5> : tensor<32xf32>} : () -> none
  %0 = "onnx.DequantizeLinear"(%x, %s, %z) : (tensor<64x128xui8>, tensor<f32>, tensor<ui8>) -> none
  %1 = "onnx.DequantizeLinear"(%w, %t) {axis = 1} : (none, none) -> none
  %2 = "onnx.MatMul"(%0, %1) : (none, none) -> none
  func.return %2 : none
}
// -----
// For one row the weights come from afar: they stay bytes, and the zero point is taken off with the sums of their columns.
// CHECK-LABEL: func.func @main
// CHECK: %[[N:.*]] = "graph.reduce"({{.*}}) ({
// CHECK: : (tensor<128x32xi8>) -> tensor<32xi32>
// CHECK: %[[P:.*]] = "graph.matmul"{{.*}} : (tensor<1x128xui8>, tensor<128x32xi8>) -> tensor<1x32xi32>
// CHECK: "graph.map"(%[[P]], %arg1, %[[N]])
func.func @main(%x: tensor<1x128xui8>, %z: tensor<ui8>) -> tensor<1x32xi32> {
  %w = "onnx.Constant"() {value = dense<3> : tensor<128x32xi8>} : () -> none
  %0 = "onnx.MatMulInteger"(%x, %w, %z) : (tensor<1x128xui8>, none, tensor<ui8>) -> none
  func.return %0 : none
}
// -----
// Weights that are bytes without their zero point become those.
// CHECK-LABEL: func.func @main
// CHECK: "loop.sub"
// CHECK: : (tensor<128x32xui8>, tensor<ui8>) -> tensor<128x32xi8>
// CHECK: "graph.matmul"{{.*}} : (tensor<1x128xui8>, tensor<128x32xi8>) -> tensor<1x32xi32>
// CHECK-NOT: "graph.reduce"
// CHECK: func.return
func.func @main(%x: tensor<1x128xui8>) -> tensor<1x32xi32> {
  %w = "onnx.Constant"() {value = dense<200> : tensor<128x32xui8>} : () -> none
  %a = "onnx.Constant"() {value = dense<0> : tensor<ui8>} : () -> none
  %b = "onnx.Constant"() {value = dense<128> : tensor<ui8>} : () -> none
  %0 = "onnx.MatMulInteger"(%x, %w, %a, %b) : (tensor<1x128xui8>, none, none, none) -> none
  func.return %0 : none
}
// -----
// Zero points of both, known only while running: sums of rows and of columns, and the product of both for all that is summed.
// CHECK-LABEL: func.func @main
// CHECK-COUNT-2: "graph.reduce"
// CHECK: "graph.matmul"{{.*}} -> tensor<1x32xi32>
// CHECK: "loop.apply"() {map = affine_map<() -> (128)>}
// CHECK: func.return
func.func @main(%x: tensor<1x128xui8>, %w: tensor<128x32xui8>, %a: tensor<ui8>, %b: tensor<ui8>) -> tensor<1x32xi32> {
  %0 = "onnx.MatMulInteger"(%x, %w, %a, %b) : (tensor<1x128xui8>, tensor<128x32xui8>, tensor<ui8>, tensor<ui8>) -> none
  func.return %0 : none
}
// -----
// A scale that moves along what is summed: the product stays one of floats.
// CHECK-LABEL: func.func @main
// CHECK: "graph.matmul"{{.*}} -> tensor<64x32xf32>
// CHECK: func.return
func.func @main(%x: tensor<64x128xui8>, %s: tensor<128xf32>) -> tensor<64x32xf32> {
  %w = "onnx.Constant"() {value = dense<3> : tensor<128x32xi8>} : () -> none
  %t = "onnx.Constant"() {value = dense<0.5> : tensor<f32>} : () -> none
  %0 = "onnx.DequantizeLinear"(%x, %s) {axis = 1} : (tensor<64x128xui8>, tensor<128xf32>) -> none
  %1 = "onnx.DequantizeLinear"(%w, %t) : (none, none) -> none
  %2 = "onnx.MatMul"(%0, %1) : (none, none) -> none
  func.return %2 : none
}
// -----
// Two convolutions and a map read one image: its words are made once, and the map reads these.
// CHECK-LABEL: func.func @main
// CHECK: "loop.quantize"
// CHECK: %[[W:.*]] = "graph.map"({{.*}}) ({
// CHECK: -> tensor<1x16x8x8xi16>
// CHECK: "graph.map"(%[[W]]
// CHECK: "graph.conv"(%[[W]],
// CHECK: "graph.conv"(%[[W]],
// CHECK: func.return
func.func @main(%x: tensor<1x16x8x8xf32>) -> (tensor<1x16x8x8xf32>, tensor<1x16x4x4xf32>, tensor<1x16x8x8xf32>) {
  %s = "onnx.Constant"() {value = dense<0.5> : tensor<f32>} : () -> none
  %z = "onnx.Constant"() {value = dense<7> : tensor<ui8>} : () -> none
  %w = "onnx.Constant"() {value = dense<100> : tensor<16x16x1x1xi8>} : () -> none
  %q = "onnx.QuantizeLinear"(%x, %s, %z) : (tensor<1x16x8x8xf32>, none, none) -> none
  %0 = "onnx.DequantizeLinear"(%q, %s, %z) : (none, none, none) -> none
  %1 = "onnx.DequantizeLinear"(%w, %s) : (none, none) -> none
  %2 = "onnx.Conv"(%0, %1) : (none, none) -> none
  %3 = "onnx.Conv"(%0, %1) {strides = [2, 2]} : (none, none) -> none
  %4 = "onnx.Relu"(%0) : (none) -> none
  func.return %2, %3, %4 : none, none, none
}
// -----
// Depthwise: bytes are read, floats computed, which hold these sums exactly.
// CHECK-LABEL: func.func @main
// CHECK: "graph.conv"{{.*}} : (tensor<1x16x8x8xui8>, tensor<16x1x3x3xf32>) -> tensor<1x16x8x8xf32>
// CHECK: func.return
func.func @main(%x: tensor<1x16x8x8xui8>) -> tensor<1x16x8x8xf32> {
  %s = "onnx.Constant"() {value = dense<0.5> : tensor<f32>} : () -> none
  %w = "onnx.Constant"() {value = dense<3> : tensor<16x1x3x3xi8>} : () -> none
  %0 = "onnx.DequantizeLinear"(%x, %s) : (tensor<1x16x8x8xui8>, none) -> none
  %1 = "onnx.DequantizeLinear"(%w, %s) : (none, none) -> none
  %2 = "onnx.Conv"(%0, %1) {group = 16, pads = [1, 1, 1, 1]} : (none, none) -> none
  func.return %2 : none
}
// -----
// Weights of 16 bits stay so: they are widened in registers.
// CHECK-LABEL: func.func @main
// CHECK: "graph.matmul"{{.*}} : (tensor<4x16xf32>, tensor<16x32xf16>) -> tensor<4x32xf32>
// CHECK: "graph.matmul"{{.*}} : (tensor<4x16xf32>, tensor<16x32xbf16>) -> tensor<4x32xf32>
// CHECK: func.return
func.func @main(%x: tensor<4x16xf16>, %y: tensor<4x16xbf16>) -> (tensor<4x32xf16>, tensor<4x32xbf16>) {
  %v = "onnx.Constant"() {value = dense<0.5> : tensor<16x32xf16>} : () -> none
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<16x32xbf16>} : () -> none
  %0 = "onnx.MatMul"(%x, %v) : (tensor<4x16xf16>, none) -> none
  %1 = "onnx.MatMul"(%y, %w) : (tensor<4x16xbf16>, none) -> none
  func.return %0, %1 : none, none
}
// -----
// So many products that a sum of 32 bits might not hold them stay floats.
// CHECK-LABEL: func.func @main
// CHECK: "graph.matmul"{{.*}} -> tensor<8x16xf32>
// CHECK: func.return
func.func @main(%x: tensor<8x40000xui8>, %y: tensor<40000x16xi8>) -> tensor<8x16xf32> {
  %s = "onnx.Constant"() {value = dense<0.5> : tensor<f32>} : () -> none
  %0 = "onnx.DequantizeLinear"(%x, %s) : (tensor<8x40000xui8>, none) -> none
  %1 = "onnx.DequantizeLinear"(%y, %s) : (tensor<40000x16xi8>, none) -> none
  %2 = "onnx.MatMul"(%0, %1) : (none, none) -> none
  func.return %2 : none
}
// -----
// The largest of bytes, converted; of none there is no byte that says so.
// CHECK-LABEL: func.func @main
// CHECK: "graph.reduce"{{.*}}
// CHECK: : (tensor<3x4xui8>) -> tensor<1x4xui8>
// CHECK: "graph.reduce"{{.*}}
// CHECK: : (tensor<0x4xf32>) -> tensor<1x4xf32>
// CHECK: func.return
func.func @main(%x: tensor<3x4xui8>, %y: tensor<0x4xui8>) -> (tensor<4xf32>, tensor<4xf32>) {
  %s = "onnx.Constant"() {value = dense<0.5> : tensor<f32>} : () -> none
  %a = "onnx.Constant"() {value = dense<[0]> : tensor<1xi64>} : () -> none
  %0 = "onnx.DequantizeLinear"(%x, %s) : (tensor<3x4xui8>, none) -> none
  %1 = "onnx.DequantizeLinear"(%y, %s) : (tensor<0x4xui8>, none) -> none
  %2 = "onnx.ReduceMax"(%0, %a) {keepdims = 0} : (none, none) -> none
  %3 = "onnx.ReduceMax"(%1, %a) {keepdims = 0} : (none, none) -> none
  func.return %2, %3 : none, none
}
// -----
// Whole numbers that no conversion follows take the faster row, too.
// CHECK-LABEL: func.func @main
// CHECK: "graph.matmul"{{.*}} : (tensor<12x8xi16>, tensor<8x48xi16>) -> tensor<12x48xi32>
func.func @main(%x: tensor<12x8xui8>, %y: tensor<8x48xui8>) -> tensor<12x48xi32> {
  %0 = "onnx.MatMulInteger"(%x, %y) : (tensor<12x8xui8>, tensor<8x48xui8>) -> none
  func.return %0 : none
}
// -----
// Weights of 7 bits: sums of two products are numbers of 16 bits.
// CHECK-LABEL: func.func @main
// CHECK: "graph.matmul"{{.*}}fits{{.*}} : (tensor<12x8xui8>, tensor<8x16xi8>) -> tensor<12x16xi32>
func.func @main(%x: tensor<12x8xui8>) -> tensor<12x16xi32> {
  %w = "onnx.Constant"() {value = dense<-64> : tensor<8x16xi8>} : () -> none
  %0 = "onnx.MatMulInteger"(%x, %w) : (tensor<12x8xui8>, none) -> none
  func.return %0 : none
}
// -----
// CHECK-LABEL: func.func @main
// CHECK-NOT: fits
// CHECK: func.return
func.func @main(%x: tensor<12x8xui8>) -> tensor<12x16xi32> {
  %w = "onnx.Constant"() {value = dense<65> : tensor<8x16xi8>} : () -> none
  %0 = "onnx.MatMulInteger"(%x, %w) : (tensor<12x8xui8>, none) -> none
  func.return %0 : none
}
