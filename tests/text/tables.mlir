// RUN: dsc opt --cpu=x86-64-v3 --stop-after=fuse --verify-each %s | FileCheck %s

// Functions of one byte become tables.
// -----
// An activation between bytes, whatever it is made of: one look-up.
// CHECK-LABEL: func.func @main
// CHECK: "graph.map"
// CHECK: %[[y:[0-9]+]] = "loop.lookup"(%{{[a-z0-9]+}}) {table = dense<[101, 101,
// CHECK-SAME: tensor<256xui8>} : (ui8) -> ui8
// CHECK-NEXT: "graph.yield"(%[[y]])
func.func @main(%x: tensor<4x64xui8>) -> tensor<4x64xui8> {
  %s = "onnx.Constant"() {value = dense<0.1> : tensor<f32>} : () -> none
  %z = "onnx.Constant"() {value = dense<128> : tensor<ui8>} : () -> none
  %0 = "onnx.DequantizeLinear"(%x, %s, %z) : (tensor<4x64xui8>, none, none) -> none
  %1 = "onnx.Tanh"(%0) : (none) -> none
  %2 = "onnx.QuantizeLinear"(%1, %s, %z) : (none, none, none) -> none
  %3 = "onnx.DequantizeLinear"(%2, %s, %z) : (none, none, none) -> none
  %4 = "onnx.Neg"(%3) : (none) -> none
  %5 = "onnx.Exp"(%4) : (none) -> none
  %6 = "onnx.QuantizeLinear"(%5, %s, %z) : (none, none, none) -> none
  %7 = "onnx.DequantizeLinear"(%6, %s, %z) : (none, none, none) -> none
  %8 = "onnx.Neg"(%7) : (none) -> none
  %9 = "onnx.QuantizeLinear"(%8, %s, %z) : (none, none, none) -> none
  func.return %9 : none
}
// -----
// What is no byte at the end is a number of the table.
// CHECK-LABEL: func.func @main
// CHECK: "loop.lookup"(%{{[a-z0-9]+}}) {table = dense<{{.*}}tensor<256xf32>} : (ui8) -> f32
// CHECK: "loop.add"
func.func @main(%x: tensor<4x64xui8>, %y: tensor<4x64xf32>) -> tensor<4x64xf32> {
  %s = "onnx.Constant"() {value = dense<0.1> : tensor<f32>} : () -> none
  %z = "onnx.Constant"() {value = dense<128> : tensor<ui8>} : () -> none
  %0 = "onnx.DequantizeLinear"(%x, %s, %z) : (tensor<4x64xui8>, none, none) -> none
  %1 = "onnx.Sigmoid"(%0) : (none) -> none
  %2 = "onnx.Add"(%1, %y) : (none, tensor<4x64xf32>) -> none
  func.return %2 : none
}
// -----
// A new scale costs less than a look-up.
// CHECK-LABEL: func.func @main
// CHECK-NOT: loop.lookup
// CHECK: func.return
func.func @main(%x: tensor<4x64xui8>) -> tensor<4x64xui8> {
  %s = "onnx.Constant"() {value = dense<0.1> : tensor<f32>} : () -> none
  %t = "onnx.Constant"() {value = dense<0.3> : tensor<f32>} : () -> none
  %z = "onnx.Constant"() {value = dense<128> : tensor<ui8>} : () -> none
  %0 = "onnx.DequantizeLinear"(%x, %s, %z) : (tensor<4x64xui8>, none, none) -> none
  %1 = "onnx.QuantizeLinear"(%0, %t, %z) : (none, none, none) -> none
  func.return %1 : none
}
// -----
// What depends on two bytes is none.
// CHECK-LABEL: func.func @main
// CHECK-NOT: loop.lookup
// CHECK: func.return
func.func @main(%x: tensor<4x64xui8>, %y: tensor<4x64xui8>) -> tensor<4x64xf32> {
  %s = "onnx.Constant"() {value = dense<0.1> : tensor<f32>} : () -> none
  %z = "onnx.Constant"() {value = dense<128> : tensor<ui8>} : () -> none
  %0 = "onnx.DequantizeLinear"(%x, %s, %z) : (tensor<4x64xui8>, none, none) -> none
  %1 = "onnx.DequantizeLinear"(%y, %s, %z) : (tensor<4x64xui8>, none, none) -> none
  %2 = "onnx.Mul"(%0, %1) : (none, none) -> none
  %3 = "onnx.Tanh"(%2) : (none) -> none
  func.return %3 : none
}
// -----
// What becomes bytes behind a concat becomes bytes before it: here, what it was.
// CHECK-LABEL: func.func @main
// CHECK-NOT: f32, {{.*}}graph.concat
// CHECK: %[[c:[0-9]+]] = "graph.concat"(%{{[a-z0-9]+}}, %{{[a-z0-9]+}}) {axis = 1} : (tensor<4x64xui8>, tensor<4x32xui8>) -> tensor<4x96xui8>
func.func @main(%x: tensor<4x64xui8>, %y: tensor<4x32xui8>) -> tensor<4x96xui8> {
  %s = "onnx.Constant"() {value = dense<0.1> : tensor<f32>} : () -> none
  %z = "onnx.Constant"() {value = dense<128> : tensor<ui8>} : () -> none
  %0 = "onnx.DequantizeLinear"(%x, %s, %z) : (tensor<4x64xui8>, none, none) -> none
  %1 = "onnx.DequantizeLinear"(%y, %s, %z) : (tensor<4x32xui8>, none, none) -> none
  %2 = "onnx.Concat"(%0, %1) {axis = 1} : (none, none) -> none
  %3 = "onnx.QuantizeLinear"(%2, %s, %z) : (none, none, none) -> none
  func.return %3 : none
}
