// RUN: dsc opt --stop-after=simplify --print-facts %s | FileCheck %s

// Ones that are written into zeros are a mask; where a reduction adds them, they may be more.
// CHECK: "graph.extern"{{.*}}callee = "scatter_elements"{{.*}} -> tensor<2x8xf32> // {0, 1}
// CHECK: "graph.extern"{{.*}}callee = "scatter_elements"{{.*}} -> tensor<2x8xf32> // anything
func.func @main(%at: tensor<2x3xi64>) -> (tensor<2x8xf32>, tensor<2x8xf32>) {
  %0 = "onnx.Constant"() {value = dense<0.0> : tensor<2x8xf32>} : () -> tensor<2x8xf32>
  %1 = "onnx.Constant"() {value = dense<1.0> : tensor<2x3xf32>} : () -> tensor<2x3xf32>
  %2 = "onnx.ScatterElements"(%0, %at, %1) {axis = 1} : (tensor<2x8xf32>, tensor<2x3xi64>, tensor<2x3xf32>) -> tensor<2x8xf32>
  %3 = "onnx.ScatterElements"(%0, %at, %1) {axis = 1, reduction = "add"} : (tensor<2x8xf32>, tensor<2x3xi64>, tensor<2x3xf32>) -> tensor<2x8xf32>
  func.return %2, %3 : tensor<2x8xf32>, tensor<2x8xf32>
}
