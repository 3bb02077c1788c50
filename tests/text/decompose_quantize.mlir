// RUN: dsc opt --passes=decompose --verify-each %s | FileCheck %s

// x / scale, rounded to even, plus the zero point; what does not fit becomes the nearest that does.
// CHECK-LABEL: @quantize
// CHECK: ^bb0(%[[X:.*]]: f32, %[[S:.*]]: f32, %[[Z:.*]]: ui8)
// CHECK: "loop.quantize"(%[[X]], %[[S]], %[[Z]]) : (f32, f32, ui8) -> ui8
func.func @quantize(%x: tensor<3x4xf32>, %s: tensor<f32>, %z: tensor<ui8>) -> tensor<3x4xui8> {
  %0 = "onnx.QuantizeLinear"(%x, %s, %z) : (tensor<3x4xf32>, tensor<f32>, tensor<ui8>) -> none
  func.return %0 : none
}

// A scale for each column is an access map, a scale for each block of two is one with a quotient.
// CHECK-LABEL: @dequantize
// CHECK: "loop.cast"({{.*}}) : (i8) -> i32
// CHECK: "loop.mul"
// CHECK: maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>]
// CHECK: "loop.cast"({{.*}}) : (i4) -> i32
// CHECK: maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, (d1 floordiv 2))>]
func.func @dequantize(%x: tensor<3x4xi8>, %s: tensor<4xf32>, %y: tensor<3x4xi4>, %b: tensor<3x2xf32>) -> (tensor<3x4xf32>, tensor<3x4xf32>) {
  %0 = "onnx.DequantizeLinear"(%x, %s) {axis = 1} : (tensor<3x4xi8>, tensor<4xf32>) -> none
  %1 = "onnx.DequantizeLinear"(%y, %b) {axis = 1, block_size = 2} : (tensor<3x4xi4>, tensor<3x2xf32>) -> none
  func.return %0, %1 : none, none
}

// The scale of the day: from the least and the largest element, 1 where all are 0.
// CHECK-LABEL: @dynamic
// CHECK: %[[LOW:.*]] = "graph.reduce"(%arg0)
// CHECK: "loop.min"
// CHECK: %[[HIGH:.*]] = "graph.reduce"(%arg0)
// CHECK: "loop.max"
// CHECK: %[[SCALE:.*]] = "graph.map"(%[[LOW]], %[[HIGH]])
// CHECK: %[[NONE:.*]] = "loop.eq"
// CHECK: "loop.select"(%[[NONE]],
// CHECK: %[[ZERO:.*]] = "graph.map"(%[[LOW]], %[[SCALE]])
// CHECK: %[[Y:.*]] = "graph.map"(%arg0, %[[SCALE]], %[[ZERO]])
// CHECK: func.return %[[Y]], %[[SCALE]], %[[ZERO]]
func.func @dynamic(%x: tensor<3x4xf32>) -> (tensor<3x4xui8>, tensor<f32>, tensor<ui8>) {
  %0, %1, %2 = "onnx.DynamicQuantizeLinear"(%x) : (tensor<3x4xf32>) -> (none, none, none)
  func.return %0, %1, %2 : none, none, none
}

// A quantised product: bytes less their zero points as i32, and a map that scales the sums and quantises them again.
// CHECK-LABEL: @product
// CHECK: %[[SUM:.*]] = "graph.matmul"{{.*}} : (tensor<2x3xi32>, tensor<3x4xi32>) -> tensor<2x4xi32>
// CHECK: "graph.map"(%[[SUM]],
// CHECK: "loop.quantize"({{.*}}) : (f32, f32, ui8) -> ui8
func.func @product(%a: tensor<2x3xui8>, %b: tensor<3x4xui8>, %s: tensor<f32>, %z: tensor<ui8>) -> tensor<2x4xui8> {
  %0 = "onnx.QLinearMatMul"(%a, %s, %z, %b, %s, %z, %s, %z) : (tensor<2x3xui8>, tensor<f32>, tensor<ui8>, tensor<3x4xui8>, tensor<f32>, tensor<ui8>, tensor<f32>, tensor<ui8>) -> none
  func.return %0 : none
}
