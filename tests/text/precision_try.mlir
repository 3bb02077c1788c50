// RUN: dsc opt --cpu=x86-64-v4-bf16 --stop-after=precision --verify-each %s | FileCheck %s
// A model to try policies with gets an input that says how factors of each product are stored.
// CHECK: ds.tried = [{name = "p", products = 1.20000e+01 : f64, stores = {{\[\["bf16", "bf16"\], \["ui8 asym per-tensor", "i8 sym per-channel"\]\]}}, times = [2.00000e+00 : f64, 4.00000e+00 : f64]}]
// CHECK: func.func @main(%arg0: tensor<3x2xf32> {ds.name = "x"}, %arg1: tensor<1xi32> {ds.name = "ds.choices"})
// CHECK: "graph.map"({{.*}}, {{.*}}, %arg1)
// CHECK: "loop.constant"() {value = 1} : () -> i32
// CHECK: "loop.eq"
// CHECK: "loop.select"
// CHECK: "graph.map"({{.*}}, {{.*}}, %arg1)
// CHECK: "loop.constant"() {value = 2} : () -> i32
// CHECK: "graph.matmul"
module attributes {ds.try = ["bf16", "int8"]} {
func.func @main(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {
  %w = "onnx.Constant"() {value = dense<[[2.0, -1.0], [1.0, 2.0]]> : tensor<2x2xf32>} : () -> none
  %s = "onnx.Sigmoid"(%x) : (tensor<3x2xf32>) -> none
  %p = "onnx.MatMul"(%s, %w) : (none, none) -> none loc("p")
  func.return %p : none
}
}
