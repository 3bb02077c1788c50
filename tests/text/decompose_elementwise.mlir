// RUN: dsc opt --passes=decompose --verify-each %s | FileCheck %s
#n = {dims = ["n"]}

// One op is one map; what an op is made of stands in its region. Constants that bound are scalars there, not operands.
// CHECK-LABEL: @clip
// CHECK: "graph.map"(%arg0) ({
// CHECK: %[[LOW:.*]] = "loop.constant"() {value = 0.00000e+00 : f64}
// CHECK: %[[M:.*]] = "loop.max"(%{{.*}}, %[[LOW]])
// CHECK: %[[HIGH:.*]] = "loop.constant"() {value = 6.00000e+00 : f64}
// CHECK: "loop.min"(%[[M]], %[[HIGH]])
func.func @clip(%x: tensor<4xf32>) -> tensor<4xf32> {
  %low = "onnx.Constant"() {value = dense<0.0> : tensor<f32>} : () -> none
  %high = "onnx.Constant"() {value = dense<6.0> : tensor<f32>} : () -> none
  %0 = "onnx.Clip"(%x, %low, %high) : (tensor<4xf32>, none, none) -> none
  func.return %0 : none
}

// HardSwish: x * max(0, min(1, x / 6 + 1/2)).
// CHECK-LABEL: @hard_swish
// CHECK: ^bb0(%[[X:.*]]: f32)
// CHECK: %[[S:.*]] = "loop.mul"(%[[X]],
// CHECK: %[[A:.*]] = "loop.add"(%[[S]],
// CHECK: %[[MIN:.*]] = "loop.min"({{.*}}, %[[A]])
// CHECK: %[[MAX:.*]] = "loop.max"({{.*}}, %[[MIN]])
// CHECK: "loop.mul"(%[[X]], %[[MAX]])
func.func @hard_swish(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "onnx.HardSwish"(%x) : (tensor<4xf32>) -> none
  func.return %0 : none
}

// There is one comparison for either direction: a >= b is b <= a. Extents that are the same symbol need no broadcast.
// CHECK-LABEL: @compare
// CHECK-NOT: graph.require
// CHECK: ^bb0(%[[A:.*]]: i32, %[[B:.*]]: i32):
// CHECK: "loop.le"(%[[B]], %[[A]]) : (i32, i32) -> i1
// CHECK: maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>]
func.func @compare(%x: tensor<?xi32, #n>, %y: tensor<?xi32, #n>) -> tensor<?xi1, #n> {
  %0 = "onnx.GreaterOrEqual"(%x, %y) : (tensor<?xi32, #n>, tensor<?xi32, #n>) -> none
  func.return %0 : none
}

// Any number of operands, each broadcast by its own map: a row, a column, a scalar.
// CHECK-LABEL: @sum
// CHECK-COUNT-3: "loop.add"
// CHECK: maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d0, 0)>, affine_map<(d0, d1) -> ()>]
func.func @sum(%x: tensor<2x3xf32>, %y: tensor<3xf32>, %z: tensor<2x1xf32>, %s: tensor<f32>) -> tensor<2x3xf32> {
  %0 = "onnx.Sum"(%x, %y, %z, %s) : (tensor<2x3xf32>, tensor<3xf32>, tensor<2x1xf32>, tensor<f32>) -> none
  func.return %0 : none
}

// A condition of another type, broadcast as well; the result takes its extents from all three.
// CHECK-LABEL: @where
// CHECK: "loop.select"({{.*}}) : (i1, f32, f32) -> f32
// CHECK: maps = [affine_map<(d0, d1) -> (d0, 0)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> ()>]
// CHECK-SAME: -> tensor<3x4xf32>
func.func @where(%c: tensor<3x1xi1>, %x: tensor<4xf32>, %y: tensor<f32>) -> tensor<3x4xf32> {
  %0 = "onnx.Where"(%c, %x, %y) : (tensor<3x1xi1>, tensor<4xf32>, tensor<f32>) -> none
  func.return %0 : none
}

// Narrow floats only move and convert: arithmetic is that of f32, rounded once at the end.
// CHECK-LABEL: @half
// CHECK-COUNT-2: "loop.cast"({{.*}}) : (f16) -> f32
// CHECK: %[[S:.*]] = "loop.add"({{.*}}) : (f32, f32) -> f32
// CHECK: "loop.cast"(%[[S]]) : (f32) -> f16
func.func @half(%x: tensor<4xf16>, %y: tensor<4xf16>) -> tensor<4xf16> {
  %0 = "onnx.Add"(%x, %y) : (tensor<4xf16>, tensor<4xf16>) -> none
  func.return %0 : none
}

// Mod has the divisor's sign, with fmod the dividend's.
// CHECK-LABEL: @remainders
// CHECK: "loop.mod"
// CHECK: "loop.rem"
func.func @remainders(%x: tensor<4xi32>, %y: tensor<4xi32>) -> (tensor<4xi32>, tensor<4xi32>) {
  %0 = "onnx.Mod"(%x, %y) : (tensor<4xi32>, tensor<4xi32>) -> none
  %1 = "onnx.Mod"(%x, %y) {fmod = 1} : (tensor<4xi32>, tensor<4xi32>) -> none
  func.return %0, %1 : none, none
}
