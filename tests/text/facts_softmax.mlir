// RUN: dsc opt --stop-after=simplify --print-facts %s | FileCheck %s

// The largest of a row is e^0 in its sum: shares are at most 1, but for the error of e^x.
// CHECK: "loop.add"
// CHECK: -> tensor<4x1xf32> // [1, 3.0000{{[0-9]*}}]
// CHECK: -> tensor<4x1xf32> // [0.333{{[0-9]*}}, 1]
// CHECK: -> tensor<4x3xf32> // [0.045{{[0-9]*}}, 1.0000{{[0-9]*}}]{{$}}
// Whatever else is summed may be small.
// CHECK: "loop.exp"
// CHECK: -> tensor<4x3xf32> // [0.367{{[0-9]*}}, 2.718{{[0-9]*}}]
// CHECK: -> tensor<4x1xf32> // [1.103{{[0-9]*}}, 8.154{{[0-9]*}}]
func.func @main(%x: tensor<4x3xi8>) -> (tensor<4x3xf32>, tensor<4x1xf32>) {
  %0 = "onnx.Cast"(%x) {to = 1} : (tensor<4x3xi8>) -> tensor<4x3xf32>
  %1 = "onnx.Sin"(%0) : (tensor<4x3xf32>) -> tensor<4x3xf32>
  %2 = "onnx.Softmax"(%1) : (tensor<4x3xf32>) -> tensor<4x3xf32>
  %3 = "onnx.Exp"(%1) : (tensor<4x3xf32>) -> tensor<4x3xf32>
  %4 = "onnx.Constant"() {value = dense<[1]> : tensor<1xi64>} : () -> tensor<1xi64>
  %5 = "onnx.ReduceSum"(%3, %4) : (tensor<4x3xf32>, tensor<1xi64>) -> tensor<4x1xf32>
  func.return %2, %5 : tensor<4x3xf32>, tensor<4x1xf32>
}
