// RUN: dsc opt --cpu=x86-64-v4-vnni --precision=int8 --stop-after=precision --verify-each %s | FileCheck %s
// Factors of products are stored as rules say: computed ones are converted and converted back, constants are codes. Ranges that no sample
// has shown may follow from what computes them.
// -----
// A sigmoid lies between 0 and 1.
// CHECK: ds.decided = [{encoding = "ui8 asym per-tensor", key = "p:0", reason = "rule *.act of int8"}, {encoding = "i8 sym per-channel", key = "p:1", reason = "rule *.weight of int8"}]
// CHECK: "graph.map"
// CHECK: "loop.quantize"({{.*}}) : (f32, f32, ui8) -> ui8
// CHECK: "graph.map"
// CHECK: "loop.cast"({{.*}}) : (ui8) -> i32
// CHECK: "loop.mul"
// CHECK: dense<{{.*}}[127, -64]{{.*}}> : tensor<2x2xi8>
// CHECK: "graph.matmul"({{.*}}) {{.*}} : (tensor<3x2xf32>, tensor<2x2xf32>) -> tensor<3x2xf32> loc("p")
func.func @main(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {
  %w = "onnx.Constant"() {value = dense<[[2.0, -1.0], [1.0, 2.0]]> : tensor<2x2xf32>} : () -> none
  %s = "onnx.Sigmoid"(%x) : (tensor<3x2xf32>) -> none
  %p = "onnx.MatMul"(%s, %w) : (none, none) -> none loc("p")
  func.return %p : none
}
// -----
// Of an input nothing is known: it stays, and says why.
// CHECK: ds.decided = [{key = "p:0", reason = "no sample has shown its range"}, {encoding = "i8 sym per-channel", key = "p:1"
// CHECK: "graph.matmul"(%arg0, {{.*}}) {{.*}}stays = "no sample has shown its range"
func.func @main(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {
  %w = "onnx.Constant"() {value = dense<[[2.0, -1.0], [1.0, 2.0]]> : tensor<2x2xf32>} : () -> none
  %p = "onnx.MatMul"(%x, %w) : (tensor<3x2xf32>, none) -> none loc("p")
  func.return %p : none
}
// -----
// What the model stores in an encoding of its own keeps that.
// CHECK-NOT: ds.decided
// CHECK: "graph.matmul"
// CHECK-NOT: stays
func.func @main(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {
  %w = "onnx.Constant"() {value = dense<[[2, -1], [1, 2]]> : tensor<2x2xi8>} : () -> none
  %s = "onnx.Constant"() {value = dense<0.5> : tensor<f32>} : () -> none
  %d = "onnx.DequantizeLinear"(%w, %s) : (none, none) -> none
  %p = "onnx.MatMul"(%x, %d) : (tensor<3x2xf32>, none) -> none loc("p")
  func.return %p : none
}
// -----
// One value that two products read is converted once.
// CHECK-COUNT-1: "loop.quantize"
// CHECK-NOT: "loop.quantize"
// CHECK: "graph.matmul"
// CHECK: "graph.matmul"
func.func @main(%x: tensor<3x2xf32>) -> (tensor<3x2xf32>, tensor<3x2xf32>) {
  %w = "onnx.Constant"() {value = dense<[[2.0, -1.0], [1.0, 2.0]]> : tensor<2x2xf32>} : () -> none
  %v = "onnx.Constant"() {value = dense<[[1.0, -1.0], [1.0, 2.0]]> : tensor<2x2xf32>} : () -> none
  %s = "onnx.Sigmoid"(%x) : (tensor<3x2xf32>) -> none
  %p = "onnx.MatMul"(%s, %w) : (none, none) -> none loc("p")
  %q = "onnx.MatMul"(%s, %v) : (none, none) -> none loc("q")
  func.return %p, %q : none, none
}
